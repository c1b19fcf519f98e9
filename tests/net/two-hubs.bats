# tests/run: calm
# A spoke with two hubs: registered at both, its routes lead to one that is
# there.

bats_require_minimum_version 1.5.0
load lib
load sites

both() {
	[ "$(site spoke dmvpn status | grep -c 'hub 10.0.0.*in use')" -eq 2 ]
}

via() {	# HUB'S TUNNEL ADDRESS
	ip -n "$NET-spoke" route show 192.168.0.0/16 | grep -q "via $1 "
}

@test "a spoke uses the first hub, the second when it dies, and the first again" {
	sites_prepare hub1 hub2 spoke
	sed -i 's/^role spoke/role hub/; /^hub /d; /^route/d' "$T/hub2.tunnel"
	echo 'hub 198.51.100.34 10.0.0.2' >>"$T/spoke.tunnel"
	for n in hub1 hub2 spoke; do
		site "$n" dmvpn up --wait "$n.tunnel"
	done
	wait_for 10 both
	wait_for 5 via 10.0.0.1
	ip -n "$NET-hub1" link set eth0 down
	wait_for 15 via 10.0.0.2
	wait_for 5 on lan3 ping -c 1 -W 1 192.168.2.10
	ip -n "$NET-hub1" link set eth0 up
	gateway hub1 198.51.100.17
	wait_for 60 both
	wait_for 10 via 10.0.0.1
}
