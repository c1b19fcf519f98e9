# What the machine under a tunnel does with its addresses and routes.

bats_require_minimum_version 1.5.0
load lib
load sites

pings_hub() {
	site spoke1 ping -c 1 -W 1 10.0.0.1 | grep ttl=
}

local_is() {	# ADDRESS
	site spoke1 dmvpn-gre interface list -j | grep -q "\"local\":\"$1\""
}

says() {	# PATTERN
	site spoke1 dmvpn status | grep -qE "$1"
}

@test "an interface of \"local\" that gets another address is followed, also by SAs that begin later" {
	sites_prepare hub spoke1
	echo local eth0 >>"$T/spoke1.tunnel"
	site hub dmvpn up --wait hub.tunnel
	site spoke1 dmvpn up --wait spoke1.tunnel
	local_is 198.51.100.34
	ns=$(ns_name spoke1)
	ip -n "$ns" address del 198.51.100.34/28 dev eth0
	# for a moment it has none
	wait_for 5 says 'local eth0: there is no such interface with an address'
	ip -n "$ns" address add 198.51.100.35/28 dev eth0
	ip -n "$ns" route replace default via 198.51.100.33
	wait_for 10 local_is 198.51.100.35
	site spoke1 dmvpn-ike close hub.test || true
	wait_for 10 pings_hub
	site hub dmvpn-ike peers | grep 198.51.100.35
}

@test "a route that would take the packets of the tunnel itself is refused, and what to do said" {
	sites_up hub spoke1
	ns=$(ns_name spoke1)
	cp "$T/spoke1.tunnel" "$T/was"
	echo route 0.0.0.0/0 >>"$T/spoke1.tunnel"
	run -1 site spoke1 dmvpn up spoke1.tunnel
	[[ $output == *'route 0.0.0.0/0 would take our own packets to 198.51.100.18 into the tunnel; give 198.51.100.18 a route of its own, such as "ip route add 198.51.100.18 via 198.51.100.33 dev eth0"'* ]]
	pings_hub
	ip -n "$ns" route add 198.51.100.18 via 198.51.100.33 dev eth0
	# the route of another stays what it is
	run -1 site spoke1 dmvpn up spoke1.tunnel
	[[ $output == *'0.0.0.0/0 is there already, by way of 198.51.100.33, and not ours'* ]]
	ip -n "$ns" route | grep '^default via 198.51.100.33 dev eth0'
	pings_hub
	ip -n "$ns" route add default via 198.51.100.33 metric 100
	ip -n "$ns" route del default via 198.51.100.33 metric 0
	site spoke1 dmvpn up --wait spoke1.tunnel
	ip -n "$ns" route get 203.0.113.1 | grep 'via 10.0.0.1 dev dmvpn0'
	pings_hub
	site spoke1 dmvpn down dmvpn0
	ip -n "$ns" route get 203.0.113.1 | grep 'via 198.51.100.33'
}

@test "a machine without a route to the hub says so, instead of blaming the hub" {
	sites_prepare hub spoke1
	ip -n "$(ns_name spoke1)" route del default
	site spoke1 dmvpn up spoke1.tunnel
	wait_for 8 says 'nothing can be sent to 198.51.100.18: Network is unreachable; does this machine have its address, and a route there\?'
}
