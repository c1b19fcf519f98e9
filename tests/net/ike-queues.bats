# tests/run: alone
# ESP SAs of single threads (RFC 9611), over real packets: a (192.0.2.1)
# begins, b (192.0.2.2) answers; both have two threads that send.

bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	T=$BATS_TEST_TMPDIR
	printf 'correct horse' >"$T/psk"
	chmod 600 "$T/psk"
	ns_new a b
	link a:e0=192.0.2.1/24 b:e0=192.0.2.2/24
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		tail -n 15 "$T"/*.log >&2 || true
	fi
	net_teardown
}

site() {	# NAME [THREADS]
	local n=$1
	start "$n" "$n-gre" "$B/dmvpn-gre" run --threads "${2:-4}"
	start "$n" "$n-pki" "$B/dmvpn-pki" agent --psk "me=$T/psk" \
	    --id "$n.example.org"
	start "$n" "$n-ike" "$B/dmvpn-ike" run
}

ike() {
	local n=$1
	shift
	on "$n" "$B/dmvpn-ike" "$@"
}

gre() {
	local n=$1
	shift
	on "$n" "$B/dmvpn-gre" "$@"
}

peer_of() {
	ike "$1" peers -j | jq .peer | head -n 1
}

has_peer() {
	[ -n "$(peer_of "$1")" ]
}

# up [OPTIONS OF b's PROFILE]: GRE in transport mode between the two
up() {
	site a "${THREADS:-4}"
	site b
	gre a interface set dmvpn0 -a 10.255.0.1/24
	gre b interface set dmvpn0 -a 10.255.0.2/24
	ike b profile set p -i dmvpn0 --identity me --accept "$@"
	ike a profile set p -i dmvpn0 --identity me
	follow a "$T/trace" "$B/dmvpn-ike" trace
	ike a connection set hub -p p --remote 192.0.2.2 --wait 15
	wait_for 5 has_peer b
	gre a map set dmvpn0 10.255.0.2 "$(peer_of a)"
	gre b map set dmvpn0 10.255.0.1 "$(peer_of b)"
}

# The queues of the SAs that send, as "0 1 2".
queues() {
	gre "$1" sa list -j |
	    jq -rs '[.[] | select(.active) | .queue // 0] | sort | join(" ")'
}

# all N...: both sides have an SA for each of them, and no other
all() {
	local n
	for n in a b; do
		[ "$(queues $n)" = "$*" ] || return 1
		[ "$(gre $n sa list -j | jq -s 'map(select(.dying | not)) |
		    length')" -eq $# ] || return 1
	done
}

# carried N: each SA of a queue has sent at N, and the other side has got it
carried() {
	gre "$1" sa list -j | jq -es 'map(select(.queue // 0 > 0)) |
	    length == 2 and all(."tx-packets" > 0 and ."rx-packets" > 0)'
}

# flows FROM TO ADDRESS COMMAND...: 16 flows while it runs; none loses one
flows() {
	local from=$1 to=$2 addr=$3 r s
	shift 3
	touch "$T/go-$from"
	rm -f "$T/go-$from.sent" "$T/recv-$from"	# of an earlier time
	on "$to" python3 "$BATS_TEST_DIRNAME/flows.py" recv "$addr" 7000 \
	    "$T/go-$from" >"$T/got-$from" 2>"$T/recv-$from" 3>&- &
	r=$!
	wait_for 5 grep -q ready "$T/recv-$from"
	on "$from" python3 "$BATS_TEST_DIRNAME/flows.py" send "$addr" 7000 16 \
	    "$T/go-$from" >"$T/sent-$from" 3>&- &
	s=$!
	"$@"
	rm "$T/go-$from"
	wait $r
	wait $s
	echo "from $from: sent $(cat "$T/sent-$from"), got $(cat "$T/got-$from")"
	head -n 20 "$T/recv-$from"
	gre "$from" status -j | jq -c .drops
	gre "$to" status -j | jq -c .drops
	[ "$(cat "$T/got-$from")" -eq "$(cat "$T/sent-$from")" ]
}

both_ways() {
	flows a b 10.255.0.2 flows b a 10.255.0.1 "$@"
}

@test "each thread that sends gets an SA, which carries its flows; rekeys lose nothing" {
	up
	wait_for 10 all 0 1 2
	spis() {
		gre a sa list -j | jq -r 'select(.active) |
		    "\(.queue) \(."spi-in")"' | sort
	}
	anew() {	# another SPI for each, under the same queues
		all 0 1 2 && ! spis | grep -qFx "$was"
	}
	rekeys() {
		local n was
		wait_for 5 carried a
		wait_for 5 carried b
		for n in a b; do
			was=$(spis)
			ike $n rekey "$(peer_of $n)"
			wait_for 5 anew
			ike $n rekey --ike "$(peer_of $n)"
			wait_for 5 carried a
		done
	}
	both_ways rekeys
	run -0 ike a sas
	[[ $output == *"queue 1"*"queue 2"* ]]
	run -0 ike b sas -j
	jq -e '[.children[] | .queue // 0] == [0, 1, 2]' <<<"$output"
	no_alarms "$T"/?-ike.log
}

@test "without agreement one SA serves all threads" {
	up --queues off
	started() { carried_by_all a && carried_by_all b; }
	carried_by_all() {
		gre "$1" sa list -j | jq -e '."tx-packets" > 500'
	}
	both_ways wait_for 10 started
	all 0
	no_alarms "$T"/?-ike.log
}

@test "a peer that wants no more says so, and is not asked again" {
	THREADS=8
	up --queues 2
	wait_for 10 grep -q ts-max-queue "$T/trace"
	on a ping -q -i 0.1 -c 15 10.255.0.2
	[ "$(grep -c ts-max-queue "$T/trace")" -eq 1 ]
	# two of IKE_AUTH, two for each that was made, one for nothing
	[ "$(grep -c sa-resource-info "$T/trace")" -eq 7 ]
	all 0 1 2
	no_alarms "$T"/?-ike.log
}

@test "a daemon that adopts its SAs loses nothing; all come back when a packet half dies" {
	up
	wait_for 10 all 0 1 2
	upgrade() {
		wait_for 5 carried a
		ike a stop --keep
		rm -f "$NET_PIDS/a-ike"
		start a a-ike2 "$B/dmvpn-ike" run
		ike a profile set p -i dmvpn0 --identity me
		ike a connection set hub -p p --remote 192.0.2.2 --wait 15
		wait_for 20 all 0 1 2
		wait_for 5 carried a
	}
	both_ways upgrade
	wait_for 5 pgrep -P "$(pid_of b-gre)"
	kill -KILL "$(pgrep -P "$(pid_of b-gre)" | head -n 1)"
	gone() { ! all 0 1 2; }
	wait_for 5 gone
	wait_for 20 all 0 1 2
	both_ways wait_for 5 carried a
}
