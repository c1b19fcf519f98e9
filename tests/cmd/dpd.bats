# dmvpn-dpd without any network: the daemon alone, and the filter.

bats_require_minimum_version 1.5.0
load lib

setup() {
	B=$(cd "${B:-build/bin}" && pwd)
	T=$BATS_TEST_TMPDIR
	export DMVPN_RUN=$T/run
	mkdir -m 711 "$DMVPN_RUN"
	PIDS=()
}

teardown() {
	daemons_end
}

dpd() {
	"$B/dmvpn-dpd" "$@"
}

serve() {
	daemon dpd "$B/dmvpn-dpd" run
}

# An event as CBOR: event AT NAME HEX-OF-BODY
event() {
	python3 - "$@" <<-'END'
	import sys
	def head(major, n):
	    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
	        if n < (24 if size == 1 and n < 24 else 1 << 8 * size):
	            if n < 24:
	                return bytes([major << 5 | n])
	            return bytes([major << 5 | info]) + n.to_bytes(size, "big")
	def item(v):
	    if isinstance(v, bool):
	        return b"\xf5" if v else b"\xf4"
	    if isinstance(v, int):
	        return head(0, v)
	    if isinstance(v, str):
	        return head(3, len(v)) + v.encode()
	    if isinstance(v, bytes):
	        return head(2, len(v)) + v
	    if isinstance(v, list):
	        return head(4, len(v)) + b"".join(map(item, v))
	    keys = sorted(v, key=lambda k: item(k))
	    return head(5, len(v)) + b"".join(item(k) + item(v[k]) for k in keys)
	at, name, body = int(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
	sys.stdout.buffer.write(item({"at": at, "ev": name, "with": body}))
	END
}

up() {	# AT PEER
	event "$1" ike-up "{'peer': $2, 'profile': 'p', 'interface': 't0',
	    'identity': 'spoke$2', 'role': 'initiator',
	    'remote': [bytes([192, 0, 2, $2]), 500]}"
}

packet() {	# AT PEER DIRECTION
	event "$1" ike-packet "{'direction': '$3', 'peer': $2,
	    'local': [bytes(4), 500], 'remote': [bytes(4), 500],
	    'data': b'x'}"
}

@test "judge: a quiet peer is dead, one that sends is not" {
	{
		up 1000 1
		up 1000 2
		for at in 3000 5000 7000 9000 11000 13000; do
			packet $at 2 in
			packet $at 1 out
		done
	} >"$T/stream"
	run -0 --separate-stderr dpd judge -j <"$T/stream"
	[ "${#lines[@]}" -eq 1 ]
	jq -e '.event == "dpd-dead" and .peer == 1 and .identity == "spoke1"
	    and .at <= 11000 and .tries == 6' <<<"$output"
}

@test "judge: the same stream gives the same verdicts, as CBOR too" {
	{ up 1000 1; packet 2000 1 in; up 60000 2; } >"$T/stream"
	dpd judge <"$T/stream" >"$T/a"
	dpd judge <"$T/stream" >"$T/b"
	[ -s "$T/a" ]
	cmp "$T/a" "$T/b"
	# verdicts are events, so judges can be chained
	run -0 dpd judge -j <"$T/a"
	[ -z "$output" ]
}

@test "judge: a peer that went down in order is not dead" {
	{
		up 1000 1
		event 2000 ike-down "{'peer': 1, 'profile': 'p',
		    'identity': 'spoke1', 'reason': {'code': 'deleted',
		    'text': 'by the peer'}}"
		up 60000 2
	} >"$T/stream"
	run -0 dpd judge -t <"$T/stream"
	[ -z "$output" ]
}

@test "judge: on a pipe time goes on between events" {
	up 1000 1 >"$T/one"
	run -0 bash -c "{ cat '$T/one'; timeout 4 tail -f /dev/null; } |
	    '$B/dmvpn-dpd' judge -j --interval 200 --tries 3"
	[[ $output == *'"event":"dpd-dead"'* ]]
}

@test "judge: what is no stream of events is refused" {
	for text in 'hello' '' $'\xa1\x61'; do
		printf '%s' "$text" >"$T/x"
		run -"$([ -n "$text" ] && echo 1 || echo 0)" dpd judge <"$T/x"
	done
	head -c 100 /dev/urandom >"$T/x"
	run dpd judge <"$T/x"
	[ "$status" -eq 1 ] || [ "$status" -eq 0 ]
	up 1000 1 | head -c 30 >"$T/x"
	run -1 dpd judge <"$T/x"
	[[ $output == *'inside of an event'* ]]
}

@test "the daemon serves alone, waits for the layers below, and is told things" {
	serve
	run -0 dpd hello dpd
	[[ $output == "dmvpn-dpd "* ]]
	run -0 dpd headends set -t t0 -p prof main=192.0.2.1 \
	    "reserve=hub.example:4500"
	run -0 dpd headends list -j
	[ "${#lines[@]}" -eq 2 ]
	jq -e '.state == "unknown" and .["in-use"] == false' <<<"${lines[1]}"
	run -0 dpd watch set --interval 500 --tries 4
	run -0 dpd status
	[[ $output == *'0 peers watched'* ]]
	run -0 dpd headends delete t0
	run -1 dpd headends delete t0
	[[ $output == *'no headends'* ]]
}

@test "wrong names of headends are refused with a sentence" {
	serve
	for name in 0.0.0.0 hub:0 'a b' 224.0.0.1; do
		run -1 dpd headends set -t t0 -p p "a=$name"
		[[ $output == *headend* ]]
	done
	run -1 dpd headends set -t t0 -p p a=192.0.2.1 a=192.0.2.2
	[[ $output == *'named twice'* ]]
	run -100 dpd headends set -t t0 -p p nothing
	run -100 dpd headends set -t t0 -p p --policy some a=192.0.2.1
	run -100 dpd headends set -t t0 a=192.0.2.1
}

@test "wait ends with the daemon, SIGTERM ends it with 0 and removes its socket" {
	serve
	"$B/dmvpn-dpd" wait 3>&- &
	local waiter=$!
	wait_for waits "$waiter"
	kill -TERM "$pid"
	wait "$pid"
	wait "$waiter"
	[ ! -e "$DMVPN_RUN/dpd.sock" ]
	run -111 dpd status
}

@test "the daemon holds no capability and is filtered" {
	serve
	grep -q '^CapEff:[[:space:]]*0000000000000000' \
	    "/proc/$pid/status"
	grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status"
}

@test "a hanging daemon is told from one that is not there" {
	serve
	kill -STOP "$pid"
	run -111 dpd hello dpd
	[[ $output == *hangs* ]]
	kill -CONT "$pid"
	run -111 dpd hello ike
	[[ $output == *'nobody serves'* ]]
}

@test "resolve: numbers need no resolver, names that are none say so" {
	run -0 dpd resolve 192.0.2.1:4500
	[ "$output" = 192.0.2.1:4500 ]
	run -0 dpd resolve '[2001:db8::1]:500'
	run -0 dpd resolve localhost
	run -100 dpd resolve 'a b'
	run -111 dpd resolve nosuch.invalid
	[[ $output == *'does not resolve'* ]]
}

@test "rules that come with headends go with them" {
	serve
	for i in $(seq 63); do		# there is room for one more
		dpd watch set --profile "w$i"
	done
	for i in 1 2 3; do
		dpd headends set --tunnel t --profile "p$i" --interval 5 a=192.0.2.1
		dpd headends delete t
	done
	dpd headends set --tunnel t --profile q1 --interval 5 a=192.0.2.1
	dpd headends set --tunnel t --profile q1 a=192.0.2.1
	dpd headends set --tunnel u --profile q2 --interval 5 b=192.0.2.1
	run -1 dpd headends set --tunnel v --profile q3 --interval 5 c=192.0.2.1
	[[ $output == *'no room'* ]]
}

@test "an overview is of a role that there is" {
	run -100 --separate-stderr dpd overview --role nonsense dmvpn0
	[[ $output == "" && $stderr == *"hub, spoke, headend or remote"* ]]
	run -100 --separate-stderr dpd overview dmvpn0
	[[ $stderr == *"--role is wanted"* ]]
}
