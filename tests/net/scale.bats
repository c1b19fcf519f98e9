# A hub and 200 spokes of the load generator: all register, none is lost when
# programs of the hub are killed, and beginning anew takes no more memory.

bats_require_minimum_version 1.5.0
load lib

N=200

setup() {
	net_setup
	net_need_tun
	LOAD=${O:-build}/${MODE:-release}/bench/spoke_load
	[ -x "$LOAD" ] || skip "$LOAD is not built"
	ns_new hub spokes
	link hub:eth0=192.0.2.1/24 spokes:eth0=192.0.2.2/24
	ip -n "$(ns_name hub)" route add 10.64.0.0/16 via 192.0.2.2
	ip -n "$(ns_name spokes)" route add local 10.64.0.0/16 dev lo
	(umask 077; printf 'only for measuring' >"$BATS_TEST_TMPDIR/psk")
	start hub pki "$B/dmvpn-pki" agent
	start hub gre "$B/dmvpn-gre" run
	on hub "$B/dmvpn-pki" load --psk --id hub.load.example \
		"dmvpn0=$BATS_TEST_TMPDIR/psk"
	on hub "$B/dmvpn-gre" interface set dmvpn0 --mode mgre --hub \
		--address 10.200.0.1/16
	hub_ike
	hub_nhrp
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 5 "$BATS_TEST_TMPDIR"/*.log \
		"$BATS_TEST_TMPDIR/record" >&2 || true
	net_teardown
}

hub_ike() {
	start hub ike "$B/dmvpn-ike" run
	on hub "$B/dmvpn-ike" profile set dmvpn0 --interface dmvpn0 \
		--identity dmvpn0 --mode transport --accept
}

hub_nhrp() {
	start hub nhrp "$B/dmvpn-nhrp" run
	on hub "$B/dmvpn-nhrp" interface set dmvpn0 --role hub \
		--address 10.200.0.1/16 --profile dmvpn0 --routes
}

# All spokes, in the background: records go to a file.
spokes() {
	rm -f "$BATS_TEST_TMPDIR/record"
	ip netns exec "$(ns_name spokes)" "$LOAD" -j -n "$N" --nhrp -w 50 \
		--limit 30 "$@" 192.0.2.1 3>&- </dev/null \
		>"$BATS_TEST_TMPDIR/record" 2>"$BATS_TEST_TMPDIR/load.log" &
	echo $! >"$NET_PIDS/load"
	wait_for 30 grep -q '"phase":"connect"' "$BATS_TEST_TMPDIR/record"
	grep -q "\"registered\":$N," "$BATS_TEST_TMPDIR/record"
}

registered() {
	on hub "$B/dmvpn-nhrp" cache -j | grep -c '"kind":"registered"'
}

# How many identities have one IKE SA that is up, and how many more.
sas() {
	on hub "$B/dmvpn-ike" sas -j | grep '"state":"up"' |
		grep -o '"identity":"[^"]*"' | sort | uniq -c |
		awk '$1 == 1 { n++ } $1 != 1 { more++ }
			END { print n + 0, more + 0 }'
}

one_each() {
	[ "$(sas)" = "$N 0" ]
}

# No SA of before is left in dmvpn-gre.
pairs() {
	[ "$(on hub "$B/dmvpn-gre" sa list -j | grep -c '"spi-in"')" -eq "$N" ]
}

# Octets that the daemons of the hub have allocated.
heap() {
	on hub "$B/dmvpn-dpd" hello -j pki gre ike nhrp | jq -s 'map(.heap // 0) | add'
}

# What ends with the old SAs is let go of in its time.
at_most() {
	[ "$(heap)" -le "$1" ]
}

@test "OPS-01: 200 spokes register; killed ike and nhrp have them all again" {
	spokes --stay 60
	[ "$(registered)" -eq "$N" ]
	one_each
	slay nhrp
	hub_nhrp
	[ "$(registered)" -eq "$N" ]
	slay ike
	hub_ike
	wait_for 15 one_each		# a hub calls its spokes
	[ "$(registered)" -eq "$N" ]
	wait_for 15 pairs
	stop load
	run -0 grep '"phase":"stay"' "$BATS_TEST_TMPDIR/record"
	[[ $output == *"\"up\":$N,"* ]]
}

# Tables have their size after two rounds.  From then on only the install ids
# of SAs are kept, up to a bound, with some 100 octets each: 40 KB in two rounds
# more.  A leak of 256 octets a spoke and round would be 100 KB beside it.
@test "200 spokes that begin anew again and again take no more memory" {
	local used=()
	! grep -aq __asan_init "$B/dmvpn-ike" ||
		skip "a sanitizer's malloc does not say what is allocated"
	for round in 1 2 3 4 5; do
		spokes
		wait_for 20 one_each
		wait_for 20 pairs
		used+=("$(heap)")
	done
	echo "allocated: ${used[*]}" >&3
	[ "${used[0]}" -gt 0 ] || skip "this libc does not say what is allocated"
	wait_for 20 at_most $((used[2] + 98304)) || {
		echo "now $(heap)" >&2
		false
	}
	[ "$(registered)" -eq "$N" ]
}
