# NHRP over clear GRE (protect none): a hub and two spokes.
#
#	hub 192.0.2.1, tunnel 10.9.0.1, LAN 10.0.0.1/16
#	s1  192.0.2.5, tunnel 10.9.0.2, LAN 10.1.0.1/16
#	s2  192.0.2.9, tunnel 10.9.0.3, LAN 10.2.0.1/16

bats_require_minimum_version 1.5.0

load lib

# site NS N HOST PEER: its link to the router, its LAN and its tunnel
site() {
	link "$1:eth0=192.0.2.$3/30" "rt:$1=192.0.2.$4/30"
	gateway "$1" "192.0.2.$4"
	addr "$1" lo "10.$2.0.1/16"
	forward "$1"
	start "$1" "gre-$1" "$B/dmvpn-gre" run
	on "$1" "$B/dmvpn-gre" interface set --protect none \
		--address "10.9.0.$((${2} + 1))/24" --key 7 \
		--local "192.0.2.$3" $([ "$1" != hub ] || echo --hub) dmvpn0
	start "$1" "nhrp-$1" "$B/dmvpn-nhrp" run
}

hub_set() {
	on hub "$B/dmvpn-nhrp" interface set --role hub \
		--address 10.9.0.1/24 --nbma 192.0.2.1 --redirect \
		--hold 60s "$@" dmvpn0
}

spoke_set() {
	local n=$1 k=$2 at=$3
	shift 3
	on "$n" "$B/dmvpn-nhrp" interface set --role spoke \
		--address "10.9.0.$((k + 1))/24" --nbma "192.0.2.$at" \
		--nhs 10.9.0.1@192.0.2.1 --subnet "10.$k.0.0/16" \
		--shortcut --hold 60s "$@" dmvpn0
}

setup() {
	net_setup
	net_need_tun
	ns_new rt hub s1 s2
	forward rt
	site hub 0 1 2
	site s1 1 5 6
	site s2 2 9 10
	hub_set
	ip -n "$(ns_name s1)" route add 10.0.0.0/8 via 10.9.0.1 dev dmvpn0
	ip -n "$(ns_name s2)" route add 10.0.0.0/8 via 10.9.0.1 dev dmvpn0
	ip -n "$(ns_name hub)" route add 10.1.0.0/16 via 10.9.0.2 dev dmvpn0 \
		onlink
	ip -n "$(ns_name hub)" route add 10.2.0.0/16 via 10.9.0.3 dev dmvpn0 \
		onlink
}

teardown() {
	if [ -z "$BATS_TEST_COMPLETED" ]; then
		tail -n 30 "$BATS_TEST_TMPDIR"/*.log || true
	fi
	net_teardown
}

registered() {
	[ "$(on hub "$B/dmvpn-nhrp" cache -j | grep -c '"registered"')" = "$1" ]
}

shortcut() {
	on "$1" "$B/dmvpn-nhrp" cache -j | grep '"shortcut"' | grep -q "$2"
}

no_shortcut() {
	! shortcut "$@"
}

# The TTL that one ping from spoke 1's LAN to spoke 2's brings back.
ttl() {
	on s1 ping -c 1 -W 2 -I 10.1.0.1 10.2.0.1 |
		sed -n 's/.*ttl=\([0-9]*\).*/\1/p'
}

both_up() {
	spoke_set s1 1 5
	spoke_set s2 2 9
	wait_for 5 registered 2
}

@test "spokes register, a ping goes through the hub, then direct" {
	both_up
	on s1 ping -c 1 -W 2 10.9.0.1
	run ttl
	[ "$output" = 63 ]
	wait_for 5 shortcut s1 10.2.0.0/16
	wait_for 5 shortcut s2 10.1.0.0/16
	run ttl
	[ "$output" = 64 ]
	run ip -n "$(ns_name s1)" route show 10.2.0.0/16
	[[ $output == *"via 10.9.0.3 dev dmvpn0"* ]]
	run on s1 "$B/dmvpn-nhrp" why 10.2.0.1
	[[ $output == "direct: shortcut for 10.2.0.0/16 through 10.9.0.3"* ]]
	# not one is lost over purge and return
	lossless s1 10.2.0.1 -I 10.1.0.1 -- \
		on s1 "$B/dmvpn-nhrp" purge 10.2.0.0/16
}

@test "a shortcut of one side only works at once" {
	both_up
	run on s1 "$B/dmvpn-nhrp" resolve --explain 10.2.0.1
	[[ $output == "10.2.0.0/16 via 10.9.0.3 at 192.0.2.9,"*"direct: shortcut for 10.2.0.0/16"* ]]
	lossless s1 10.2.0.1 -I 10.1.0.1 -- true
}

@test "NHRP-12 a spoke that leaves takes its shortcuts along" {
	both_up
	run ttl
	wait_for 5 shortcut s1 10.2.0.0/16
	on s2 "$B/dmvpn-nhrp" interface delete dmvpn0
	wait_for 2 registered 1
	wait_for 2 no_shortcut s1 10.2.0.0/16
	run ip -n "$(ns_name s1)" route show 10.2.0.0/16
	[ -z "$output" ]
}

@test "NHRP-06 a wrong authentication is refused in one plain sentence" {
	printf right >"$BATS_TEST_TMPDIR/right"
	printf wrong >"$BATS_TEST_TMPDIR/wrong"
	hub_set --authentication-file "$BATS_TEST_TMPDIR/right"
	spoke_set s1 1 5 --authentication-file "$BATS_TEST_TMPDIR/wrong"
	spoke_set s2 2 9 --authentication-file "$BATS_TEST_TMPDIR/right"
	wait_for 5 registered 1
	refused() {
		on s1 "$B/dmvpn-nhrp" status | grep -q "server 10.9.0.1 \
answered our registration with error 11, authentication-failure; use the \
authentication that the server has"
	}
	wait_for 5 refused
	wait_for 5 grep -q \
		'registration-request of 10.9.0.2 came with another auth' \
		"$BATS_TEST_TMPDIR/nhrp-hub.log"
	run ! grep -q 'wrong' "$BATS_TEST_TMPDIR/nhrp-hub.log"
	spoke_set s1 1 5 --authentication-file "$BATS_TEST_TMPDIR/right"
	wait_for 5 registered 2
}

@test "a killed hub daemon loses no registration and no packet" {
	both_up
	again() {
		slay nhrp-hub
		start hub nhrp-hub "$B/dmvpn-nhrp" run
		hub_set
		wait_for 2 registered 2
	}
	lossless s1 10.9.0.1 again
	run ! grep -q unregistered "$BATS_TEST_TMPDIR/nhrp-hub.log"
	# and it goes on: a shortcut through it
	run ttl
	wait_for 5 shortcut s1 10.2.0.0/16
}

@test "the packets are well-formed for tcpdump" {
	capture rt hub "$BATS_TEST_TMPDIR/c.pcap" proto gre
	both_up
	run ttl
	wait_for 5 shortcut s1 10.2.0.0/16
	capture_end
	command -v tshark >/dev/null || skip "tshark is not installed"
	run tshark -r "$BATS_TEST_TMPDIR/c.pcap" -Y nhrp
	[[ $output == *"NHRP Registration Request"* ]]
	[[ $output == *"NHRP Registration Reply"*Success* ]]
	[[ $output == *"NHRP Traffic Indication"* ]]
	[[ $output == *"NHRP Resolution Request"* ]]
	[[ $output == *"NHRP Resolution Reply"*Success* ]]
	run --separate-stderr tshark -r "$BATS_TEST_TMPDIR/c.pcap" \
		-Y _ws.malformed
	[ -z "$output" ]
}

@test "trace shows the packets as they come and go, decoded" {
	[ -x "$B/dmvpn-decode" ] || skip "dmvpn-decode is not built"
	follow hub "$BATS_TEST_TMPDIR/trace" "$B/dmvpn-nhrp" trace -c 4 -j
	local trace=$pid
	follow hub "$BATS_TEST_TMPDIR/events" \
		"$B/dmvpn-nhrp" events -j -n 2 nhrp-registered
	local events=$pid
	both_up
	wait "$trace"
	wait "$events"
	grep -q registration-request "$BATS_TEST_TMPDIR/trace"
	grep -q registration-reply "$BATS_TEST_TMPDIR/trace"
	[ "$(grep -c '"event":"nhrp-registered"' \
		"$BATS_TEST_TMPDIR/events")" = 2 ]
}
