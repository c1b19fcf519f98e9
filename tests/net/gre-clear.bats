# Clear GRE (protect none) between namespaces, by hand.

# shellcheck disable=SC2016,SC2154
bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	G=$B/dmvpn-gre
	IPV6=
	[ ! -d /proc/sys/net/ipv6 ] || IPV6=yes
}

teardown() {
	net_teardown
}

# site NS OUTER INNER-NUMBER [OPTIONS...]: a daemon with dmvpn0, 10.0.0.N
site() {
	local n=$1 number=$2
	shift 2
	start "$n" "gre-$n" "$G" run
	on "$n" "$G" interface set dmvpn0 --protect none \
		-a "10.0.0.$number/24" ${IPV6:+-a "fd00::$number/64"} "$@"
}

# peer NS OUTER INNER-NUMBER [--multicast]
peer() {
	local n=$1 remote=$2 number=$3 p
	shift 3
	p=$(on "$n" "$G" peer set --encap none --remote "$remote")
	on "$n" "$G" map set dmvpn0 "10.0.0.$number" "$p" "$@"
	[ -z "$IPV6" ] || on "$n" "$G" map set dmvpn0 "fd00::$number" "$p"
	echo "$p"
}

two_sites() {
	ns_new a b
	link a:eth0=192.0.2.1/24 b:eth0=192.0.2.2/24
	site a 1 "$@"
	site b 2 "$@"
	peer a 192.0.2.2 2
	peer b 192.0.2.1 1
}

packet_half() {
	wait_for 5 pgrep -P "$(pid_of "gre-$1")"
	pgrep -P "$(pid_of "gre-$1")"
}

@test "ping in both families, and the interface is as it was asked for" {
	two_sites
	on a ping -q -c 3 -i 0.1 -W 5 10.0.0.2
	[ -z "$IPV6" ] || on b ping -q -c 3 -i 0.1 -W 5 fd00::1
	run -0 on a ip -d link show dmvpn0
	[[ $output == *"UP"* && $output == *"alias dmvpn-gre"* ]]
	[[ $output == *"tun type tap"*"persist on"* ]]
	run -0 on a ip neigh show dev dmvpn0 10.0.0.2
	[[ $output == *PERMANENT* ]]
	run -0 on a "$G" lookup 10.0.0.2
	[[ $output == "10.0.0.2 -> dmvpn0 peer "*"(route 10.0.0.0/24)" ]]
}

@test "only GRE is on the wire, without the Ethernet header of the TAP" {
	two_sites
	capture b eth0 "$BATS_TEST_TMPDIR/wire.pcap"
	on a ping -q -c 2 -i 0.1 -W 5 10.0.0.2
	capture_end
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" -v proto 47
	[[ $output == *"GREv0, Flags [none], length 88"* ]]
	[[ $output == *"10.0.0.1 > 10.0.0.2: ICMP echo request"* ]]
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" \
		'not proto 47 and not arp and not ip6'
	[ -z "$output" ]
}

@test "TCP carries a megabyte unharmed, through a key and checksums" {
	two_sites --key 77 --checksum
	head -c 1000000 /dev/urandom >"$BATS_TEST_TMPDIR/sent"
	on b perl -MIO::Socket::INET -e '
		$s = IO::Socket::INET->new(Listen => 1, LocalPort => 7000,
		    ReuseAddr => 1) or die; $| = 1; print "ready\n";
		$c = $s->accept; open F, ">", $ARGV[0];
		print F $b while sysread $c, $b, 65536; close F' \
		"$BATS_TEST_TMPDIR/got" >"$BATS_TEST_TMPDIR/server" 3>&- &
	local server=$!
	wait_for 5 grep -q ready "$BATS_TEST_TMPDIR/server"
	on a bash -c 'cat "$1" >/dev/tcp/10.0.0.2/7000' - \
		"$BATS_TEST_TMPDIR/sent"
	wait "$server"
	cmp "$BATS_TEST_TMPDIR/sent" "$BATS_TEST_TMPDIR/got"
}

@test "multicast goes to every peer that was named for it, once" {
	ns_new a b c
	link a:eth0=192.0.2.1/24 b:eth0=192.0.2.2/24
	link a:eth1=192.0.3.1/24 c:eth0=192.0.3.3/24
	site a 1
	site b 2
	site c 3
	peer a 192.0.2.2 2 --multicast
	peer a 192.0.3.3 3 --multicast
	peer b 192.0.2.1 1
	peer c 192.0.3.1 1
	capture b dmvpn0 "$BATS_TEST_TMPDIR/b.pcap" dst 239.1.2.3
	capture c dmvpn0 "$BATS_TEST_TMPDIR/c.pcap" dst 239.1.2.3
	run on a ping -q -c 3 -i 0.1 -W 1 -t 4 -I dmvpn0 239.1.2.3
	got() { [ "$(packets "$1" | wc -l)" = 3 ]; }
	wait_for 3 got "$BATS_TEST_TMPDIR/b.pcap"
	wait_for 3 got "$BATS_TEST_TMPDIR/c.pcap"
	on a "$G" map set dmvpn0 10.0.0.3 \
		"$(on a "$G" map list -j | sed -n \
		's/.*"peer":\([0-9]*\).*10.0.0.3.*/\1/p;
		s/.*10.0.0.3.*"peer":\([0-9]*\).*/\1/p')"
	run on a ping -q -c 2 -i 0.1 -W 1 -t 4 -I dmvpn0 239.1.2.3
	got_five() { [ "$(packets "$1" | wc -l)" = 5 ]; }
	wait_for 3 got_five "$BATS_TEST_TMPDIR/b.pcap"
	capture_end
	[ "$(packets "$BATS_TEST_TMPDIR/c.pcap" | wc -l)" = 3 ]
}

@test "GRE-01: packets with another key, or with none, are dropped and counted" {
	ns_new a b
	link a:eth0=192.0.2.1/24 b:eth0=192.0.2.2/24
	site a 1 --key 7
	site b 2 --key 8
	peer a 192.0.2.2 2
	peer b 192.0.2.1 1
	run ! on a ping -q -c 2 -i 0.1 -W 1 10.0.0.2
	run -0 on b "$G" status -j
	[[ $output =~ '"reason":"gre-key"' || $output =~ '"gre-key"' ]]
	run -0 on b "$G" interface list -j
	[[ $output == *'"rx-packets":0'* ]]
}

@test "OPS-12: neighbours and routes are back after the link was down" {
	two_sites
	on a "$G" route set dmvpn0 172.16.0.0/16 --via 10.0.0.2
	for _ in 1 2 3; do
		on a ip link set dmvpn0 down
		wait_for 3 eval '[ -z "$(on a ip neigh show dev dmvpn0 \
			nud permanent)" ]'
		on a ip link set dmvpn0 up
		wait_for 3 eval 'on a ip neigh show dev dmvpn0 10.0.0.2 |
			grep -q PERMANENT'
		wait_for 3 eval 'on a ip route show 172.16.0.0/16 |
			grep -q "via 10.0.0.2"'
	done
	on a ping -q -c 2 -i 0.1 -W 5 10.0.0.2
	[ -z "$IPV6" ] || on a ping -q -c 2 -i 0.1 -W 5 fd00::2
}

@test "with hundreds of routes their scopes differ, and packets find the way" {
	two_sites
	on b ip address add 172.16.9.1/32 dev lo
	on a ip address add 10.0.9.1/24 dev dmvpn0 scope link
	on a sh -c 'i=0; while [ $((i += 1)) -le 256 ]; do
		"$0" route set dmvpn0 172.17.$((i - 1)).0/24 \
			--via 10.0.1.$((i - 1)) || exit
	done' "$G"
	run -0 on a ip route show proto 215
	[[ ${#lines[@]} -eq 256 && $output != *scope* ]]
	on a "$G" route set dmvpn0 172.16.9.0/24 --via 10.0.0.2
	run -0 on a ip route show 172.16.9.0/24
	[[ $output == *" proto 215 scope "* ]]
	run -0 on a "$G" lookup 172.16.9.1
	[[ $output == *"via 10.0.0.2 peer "*"(route 172.16.9.0/24)" ]]
	on a ping -q -c 2 -i 0.1 -W 5 172.16.9.1
	run -0 on a ip route get 172.16.9.1
	[[ $output == *" src 10.0.0.1 "* ]]
	on a ip link set dmvpn0 down
	on a ip link set dmvpn0 up
	wait_for 3 on a ping -q -c 1 -W 1 172.16.9.1
	run -0 on a ip route show proto 215
	[ "$(printf '%s\n' "${lines[@]}" | grep -c ' scope ')" -eq 257 ]
	on a ip route del 172.16.9.0/24
	run ! on a ping -q -c 1 -W 1 172.16.9.1
}

@test "a neighbour or an address that somebody deletes is written again" {
	two_sites
	on a ip neigh del 10.0.0.2 dev dmvpn0
	wait_for 3 eval 'on a ip neigh show dev dmvpn0 10.0.0.2 |
		grep -q PERMANENT'
	on a ip address del 10.0.0.1/24 dev dmvpn0
	wait_for 3 eval 'on a ip address show dev dmvpn0 |
		grep -q 10.0.0.1/24'
	on a ping -q -c 1 -W 5 10.0.0.2
}

@test "OPS-12: an interface that somebody deletes is made again" {
	two_sites
	on a ip link del dmvpn0
	wait_for 5 on a ping -q -c 1 -W 1 10.0.0.2
	run -0 on a "$G" interface list
	[[ $output == *" up "* ]]
}

@test "OPS-01: kill -9 of the packet half loses at most two seconds" {
	two_sites
	on a "$G" route set dmvpn0 172.16.0.0/16 --via 10.0.0.2
	on a ip monitor link neigh route dev dmvpn0 3>&- \
		>"$BATS_TEST_TMPDIR/monitor" &
	local monitor=$! old
	halve() {
		old=$(packet_half a)
		stream a 10.0.0.2
		kill -9 "$old"
		stream_on 100
		measure
		took=$gap
		[ "$(packet_half a)" != "$old" ]
	}
	sooner 2000 halve
	sooner 2000 halve
	kill "$monitor"
	# interface, neighbours and routes were not touched
	run ! grep -E 'Deleted|DOWN' "$BATS_TEST_TMPDIR/monitor"
	run -0 on a "$G" map list
	[[ $output == *10.0.0.2* ]]
	run -0 on a "$G" route list
	[[ $output == *172.16.0.0/16* ]]
}

@test "an orderly stop removes interface, routes, neighbours and socket" {
	two_sites
	on a "$G" route set dmvpn0 172.16.0.0/16 --via 10.0.0.2
	stop gre-a
	run ! on a ip link show dmvpn0
	run -0 on a ip route
	[[ $output != *172.16* && $output != *10.0.0* ]]
	[ ! -e "$BATS_TEST_TMPDIR/run/a/gre.sock" ]
	run -0 on b "$G" stop
	run ! on b ip link show dmvpn0
}

@test "stop --keep leaves the interface, and the next run adopts it" {
	two_sites
	on a "$G" route set dmvpn0 172.16.0.0/16 --via 10.0.0.2
	on a "$G" stop --keep
	run -0 on a ip route show 172.16.0.0/16
	[[ $output == *dmvpn0* ]]
	site a 1
	peer a 192.0.2.2 2
	on a ping -q -c 2 -i 0.1 -W 5 10.0.0.2
	stop gre-a
	run ! on a ip link show dmvpn0
}

@test "killing all of it leaves nothing that a new run stumbles over" {
	two_sites
	kill -9 "$(packet_half a)"
	slay gre-a
	site a 1
	peer a 192.0.2.2 2
	on a ping -q -c 2 -i 0.1 -W 5 10.0.0.2
}

@test "an interface of somebody else is not touched" {
	ns_new a
	on a ip tuntap add dmvpn0 mode tap
	start a gre-a "$G" run
	run -1 --separate-stderr on a "$G" interface set dmvpn0 --protect none
	[[ $stderr == *"dmvpn0 exists and was not made by dmvpn-gre"* ]]
	stop gre-a
	on a ip link show dmvpn0
}

@test "without CAP_NET_ADMIN, or with port 4500 taken, run says so" {
	command -v capsh >/dev/null || skip "capsh is not installed"
	ns_new a
	run -111 --separate-stderr on a capsh --drop=cap_net_admin -- -c \
		"'$G' run"
	[[ $stderr == *"CAP_NET_ADMIN is missing"* ]]
	start a gre-a "$G" run
	run -111 --separate-stderr on a env \
		DMVPN_RUN="$BATS_TEST_TMPDIR/run/other" "$G" run
	[[ $stderr == *"UDP port 4500 is in use by pid "*"(dmvpn-gre)"* ]]
	run -1 on a env DMVPN_RUN="$BATS_TEST_TMPDIR/run/other" "$G" check
	[[ $output == *"bad   port-4500"*"pid "* ]]
	run -0 on a "$G" check
	[[ $output == *"held by dmvpn-gre, which runs"* ]]
}

@test "with: the interface lives as long as the command" {
	ns_new a b
	link a:eth0=192.0.2.1/24 b:eth0=192.0.2.2/24
	run -7 on a "$G" with dmvpn0 --protect none --local eth0 \
		-a 10.0.0.1/24 -- sh -c '
		ip -o address show dev dmvpn0 | grep -q 10.0.0.1/24 &&
		[ -S /proc/self/fd/"$DMVPN_GRE_FD" ] && exit 7'
	run ! on a ip link show dmvpn0
	run -127 on a "$G" with dmvpn0 --protect none -- /does/not/exist
	run ! on a ip link show dmvpn0
}

@test "the packet half has no capability and can get none" {
	two_sites
	local p status
	p=$(packet_half a)
	status=$(cat "/proc/$p/status")
	[[ $status =~ CapEff:[[:space:]]*0000000000000000 ]]
	[[ $status =~ CapPrm:[[:space:]]*0000000000000000 ]]
	[[ $status =~ NoNewPrivs:[[:space:]]*1 ]]
	[[ $status =~ Seccomp:[[:space:]]*2 ]] ||
		skip "this build or kernel has no seccomp"
	status=$(cat "/proc/$(pid_of gre-a)/status")
	# CAP_NET_ADMIN is number 12
	[[ $status =~ CapEff:[[:space:]]*0000000000001000 ]]
}

@test "the packet half as another user goes on after a crash" {
	id nobody >/dev/null 2>&1 || skip "there is no user nobody"
	ns_new a b
	link a:eth0=192.0.2.1/24 b:eth0=192.0.2.2/24
	start a gre-a "$G" run --user nobody
	on a "$G" interface set dmvpn0 --protect none -a 10.0.0.1/24
	site b 2
	on a "$G" map set dmvpn0 10.0.0.2 \
		"$(on a "$G" peer set --encap none --remote 192.0.2.2)"
	peer b 192.0.2.1 1
	on a ping -q -c 1 -W 5 10.0.0.2
	run -0 stat -c %U "/proc/$(packet_half a)"
	run -0 sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' \
		"/proc/$(packet_half a)/status"
	[ "$output" = "$(id -u nobody)" ]
	kill -9 "$(packet_half a)"
	wait_for 3 on a ping -q -c 1 -W 1 10.0.0.2
	wait_for 3 on a "$G" status
	stop gre-a
	run ! on a ip link show dmvpn0
	[ ! -e "$BATS_TEST_TMPDIR/run/a/gre.sock" ]
}

@test "OPS-16: with IPv6 switched off it works with IPv4 alone, quietly" {
	net_need_ipv6
	ns_new a b
	link a:eth0=192.0.2.1/24 b:eth0=192.0.2.2/24
	on a sh -c 'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do
		echo 1 >"$f"; done'
	IPV6=
	site a 1
	site b 2
	peer a 192.0.2.2 2
	peer b 192.0.2.1 1
	on a ping -q -c 2 -i 0.1 -W 5 10.0.0.2
	run ! grep -v sandbox-wide "$BATS_TEST_TMPDIR/gre-a.log"
	run -1 --separate-stderr on a "$G" interface set dmvpn0 \
		--protect none -a 10.0.0.1/24 -a fd00::1/64
	[[ $stderr == *"fd00::1/64"* ]]
}

@test "OPS-04: a packet half that hangs is ended and replaced" {
	two_sites
	local old
	old=$(packet_half a)
	kill -STOP "$old"
	wait_for 15 eval '! kill -0 "$old"'
	wait_for 3 on a ping -q -c 1 -W 1 10.0.0.2
}

@test "a rate is kept by the kernel's class for that peer" {
	command -v tc >/dev/null || skip "tc is not installed"
	two_sites
	on a "$G" peer set 49152 --encap none --remote 192.0.2.2 \
		--rate 2000000
	wait_for 2 eval 'on a tc class show dev dmvpn0 | grep -q "1:c000"' ||
		skip "this kernel has no HTB"
	on a ping -q -c 1 -W 5 10.0.0.2
	run -0 on a tc -s class show dev dmvpn0
	[[ $output == *"rate 2Mbit"* && $output != *"Sent 0 bytes"* ]]
	on a "$G" peer set 49152 --encap none --remote 192.0.2.2
	wait_for 2 eval '! on a tc class show dev dmvpn0 | grep -q "1:c000"'
	on a ping -q -c 1 -W 5 10.0.0.2
}

@test "wait outlives a packet half and ends with the daemon" {
	two_sites
	on a "$G" wait 3>&- &
	local wait=$!
	# listening, and one that was accepted: the waiter is there
	wait_for 5 eval '[ "$(on a cat /proc/net/unix |
	    grep -c "run/a/gre.sock$")" -ge 2 ]'
	kill -9 "$(packet_half a)"
	wait_for 3 on a "$G" status
	sleep 0.3	# it would have ended by now
	kill -0 "$wait"
	on a "$G" stop
	wait "$wait"
}

@test "events tell of an interface that comes, changes and goes" {
	ns_new a
	start a gre-a "$G" run
	on a "$G" events -j 3>&- >"$BATS_TEST_TMPDIR/events" &
	local events=$!
	seen() { grep -c "$1" "$BATS_TEST_TMPDIR/events"; }
	# nobody tells when the subscription stands: until one is seen
	again() {
		on a "$G" interface delete t0
		on a "$G" interface set t0 --protect none
		seen '"up":true'
	}
	wait_for 5 again
	on a "$G" interface set t0 --protect none --mtu 1300
	wait_for 3 seen '"mtu":1300'
	on a ip link set t0 down
	wait_for 3 seen '"up":false'
	on a "$G" interface delete t0
	wait_for 3 seen '"gone":true'
	on a "$G" stop
	wait "$events"
}

@test "GRE-06: a peer whose outer address lies in the tunnel is told of, CPU stays flat" {
	two_sites
	local p before after
	p=$(on a "$G" peer set --encap none --remote 10.0.0.99)
	on a "$G" map set dmvpn0 10.0.0.50 "$p"
	on a "$G" map set dmvpn0 10.0.0.99 "$p"
	wait_for 2 grep -q 'outer-route-loop.*remote=10.0.0.99' \
		"$BATS_TEST_TMPDIR/gre-a.log"
	run ! on a ping -q -c 3 -i 0.1 -W 1 10.0.0.50
	run -0 on a "$G" interface list -j
	[[ $output =~ '"tx-packets":'([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -lt 200 ]
	on a ping -q -c 1 -W 5 10.0.0.2
}
