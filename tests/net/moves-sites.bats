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

# NAME HOST HOST: of its network, from one address to the other
goes() {
	local dev net=198.51.100
	dev=$(ns_name "$1")
	ip -n "$dev" address del "$net.$2/28" dev eth0
	ip -n "$dev" address add "$net.$3/28" dev eth0
	ip -n "$dev" route replace default via "$net.$(($2 / 16 * 16 + 1))"
}

# Both ends, one after the other, under traffic; $took: the longest gap.
both_go() {
	stream lan3 192.168.2.10
	goes spoke1 "$1" "$2"
	stream_on 150
	goes spoke2 $(($1 + 16)) $(($2 + 16))
	stream_on 150
	measure
	took=$gap
}

there_and_back() {
	local there
	both_go 34 35
	there=$took
	both_go 35 34
	[ "$took" -gt "$there" ] || took=$there
}

@test "a shortcut moves with either of its ends, whoever began it" {
	sites_up hub spoke1 spoke2
	wait_for 10 direct
	spis() {
		site "$1" dmvpn-ike sas -j | jq -r '."spi-i"' | sort
	}
	# both may have begun: one SA stays
	wait_for 10 eval '[ "$(spis spoke1 | wc -l)" -eq 2 ]'
	was=$(spis spoke1)
	sooner 2000 there_and_back
	on lan3 ping -c 1 -W 2 192.168.2.10 | grep ttl=62
	site spoke2 dmvpn-nhrp why 192.168.2.10 | grep "^direct: shortcut"
	[ "$(spis spoke1)" = "$was" ]
	! grep -rE "ike-down|shortcut-down" "$T"/run/spoke*/log || false
}

@test "a spoke that gets another address is found there by the others" {
	sites_up hub spoke1 spoke2
	on lan1 ping -c 1 -W 2 192.168.2.10
	stream lan1 192.168.2.10
	goes spoke1 34 35
	stream_on 100
	measure
	wait_for 5 nbma
	wait_for 10 direct
	on lan3 ping -c 1 -W 2 192.168.2.10 | grep ttl=62
	# the hub was never left
	[ "$(site spoke1 dmvpn-ike peers -j | grep -c '"hub.test"')" = 1 ]
	! grep -r ike-down "$T/run/spoke1/log" || false
}
