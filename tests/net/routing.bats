# tests/run: calm
# Dynamic routing over the tunnel, by BIRD: OSPF by multicast, with the hub as
# the designated router, and BGP with the hub as route reflector.

bats_require_minimum_version 1.5.0
load lib
load sites

setup() {
	command -v bird >/dev/null || skip "BIRD is not installed"
	sites_setup
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] ||
		tail -n 8 "$BATS_TEST_TMPDIR"/*-bird.txt >&2 || true
	sites_teardown
}

# Sites whose tunnel files name no network behind anybody.
routers_up() {
	local n
	sites_prepare hub spoke1 spoke2
	for n in hub spoke1 spoke2; do
		sed -i '/^lan\|^route/d' "$BATS_TEST_TMPDIR/$n.tunnel"
		site "$n" dmvpn up --wait "$n.tunnel"
	done
}

# Its configuration: what all have, and stdin.
bird() {	# SITE NUMBER
	{
		echo "router id 10.0.0.$2;"
		echo 'log stderr all;'
		echo 'protocol device { scan time 1; }'
		echo 'protocol kernel { ipv4 { export all; }; metric 32; }'
		echo 'protocol direct { ipv4; interface "lan0"; }'
		cat
	} >"$BATS_TEST_TMPDIR/$1.conf"
	on "$1" bird -f -c "$BATS_TEST_TMPDIR/$1.conf" \
		-s "$BATS_TEST_TMPDIR/$1.ctl" 3>&- </dev/null \
		>"$BATS_TEST_TMPDIR/$1-bird.txt" 2>&1 &
	echo $! >"$NET_PIDS/bird-$1"
}

ospf() {	# SITE NUMBER PRIORITY
	bird "$1" "$2" <<-EOF
		protocol ospf v2 {
			ipv4 { import all; };
			area 0 {
				interface "dmvpn0" {
					type broadcast; priority $3;
					hello 1; dead 4; wait 2; retransmit 2;
				};
				interface "lan0" { stub yes; };
			};
		}
	EOF
}

bgp() {	# SITE NUMBER, and who the neighbours are
	bird "$1" "$2" <<-EOF
		protocol bgp hub {
			local 10.0.0.$2 as 65000; direct;
			$3
			hold time 9; connect retry time 1; connect delay time 1;
			error wait time 1, 2;
			ipv4 { import all; export where source ~ [RTS_DEVICE, RTS_BGP]; next hop self; };
		}
	EOF
}

route() {	# SITE NETWORK TEXT
	on "$1" ip route show "$2" | grep -q "$3"
}

ttl() {		# FROM TO: of one ping
	on "$1" ping -n -c 1 -W 5 "$2" | sed -n 's/.* ttl=\([0-9]*\).*/\1/p'
}

direct() {
	[ "$(ttl lan2 192.168.3.10)" = 62 ]
}

# From LAN to LAN, by the hub and then directly.
no_packet_lost() {
	lossless lan2 192.168.3.10 stream_on 250
}

@test "OSPF by multicast over the tunnel, and a shortcut to its next hop" {
	routers_up
	ospf hub 1 10
	ospf spoke1 2 0
	ospf spoke2 3 0
	wait_for 20 route spoke1 192.168.3.0/24 'via 10.0.0.3 dev dmvpn0 proto bird'
	wait_for 20 route spoke2 192.168.2.0/24 'via 10.0.0.2 dev dmvpn0 proto bird'
	no_packet_lost
	wait_for 10 direct
	run -0 site spoke1 dmvpn-nhrp cache -j
	[[ $output == *'"10.0.0.3'* ]]
}

@test "OSPF says within its dead time that a spoke is gone" {
	routers_up
	ospf hub 1 10
	ospf spoke1 2 0
	ospf spoke2 3 0
	wait_for 20 route spoke1 192.168.3.0/24 'via 10.0.0.3'
	site spoke2 dmvpn down dmvpn0
	wait_for 5 sh -c "! ip -n $NET-spoke1 route show 192.168.3.0/24 | grep -q bird"
}

@test "BGP with the hub as reflector, and a shortcut in place of its route" {
	routers_up
	bgp hub 1 'neighbor range 10.0.0.0/24 as 65000; rr client; dynamic name "spoke";'
	bgp spoke1 2 'neighbor 10.0.0.1 as 65000;'
	bgp spoke2 3 'neighbor 10.0.0.1 as 65000;'
	wait_for 20 route spoke1 192.168.3.0/24 'via 10.0.0.1 dev dmvpn0 proto bird'
	wait_for 20 route spoke2 192.168.2.0/24 'via 10.0.0.1 dev dmvpn0 proto bird'
	wait_for 20 route hub 192.168.3.0/24 'via 10.0.0.3 dev dmvpn0 proto bird'
	[ "$(ttl lan2 192.168.3.10)" = 61 ]
	no_packet_lost
	wait_for 10 direct
	wait_for 5 route spoke1 192.168.3.0/24 'via 10.0.0.3 dev dmvpn0'
	# the session goes on over what NHRP made
	wait_for 5 sh -c "birdc -s $BATS_TEST_TMPDIR/spoke1.ctl show protocols hub | grep -q Established"
}
