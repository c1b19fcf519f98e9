# A spoke whose address changes under the whole of a tunnel.

bats_require_minimum_version 1.5.0
load lib
load sites

direct() {
	on lan3 ping -c 1 -W 2 192.168.2.10 &&
		site spoke2 dmvpn-nhrp why 192.168.2.10 |
		grep -q "^direct: shortcut"
}

nbma() {
	site hub dmvpn-nhrp cache -j | grep '"registered"' |
		grep -q '"198.51.100.35'
}

@test "a spoke that gets another address is found there by the others" {
	local dev
	sites_up hub spoke1 spoke2
	on lan1 ping -c 1 -W 2 192.168.2.10
	dev=$(ns_name spoke1)
	stream lan1 192.168.2.10
	ip -n "$dev" address del 198.51.100.34/28 dev eth0
	ip -n "$dev" address add 198.51.100.35/28 dev eth0
	ip -n "$dev" route replace default via 198.51.100.33
	stream_on 100
	measure
	wait_for 5 nbma
	wait_for 10 direct
	on lan3 ping -c 1 -W 2 192.168.2.10 | grep ttl=62
	# the hub was never left
	[ "$(site spoke1 dmvpn-ike peers -j | grep -c '"hub.test"')" = 1 ]
	! grep -r ike-down "$T/run/spoke1/log" || false
}
