# dmvpn-ike without privilege and without dmvpn-gre: what one daemon and its
# commands do on high ports.  With real tunnels: tests/net/ike.bats.

bats_require_minimum_version 1.5.0
load lib

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	T=$BATS_TEST_TMPDIR
	export DMVPN_RUN=$T/run
	mkdir -p "$DMVPN_RUN"
	PORT=$(free_port)
	PIDS=()
}

teardown() {
	daemons_end
}

ike() {
	"$B/dmvpn-ike" "$@"
}

@test "without a daemon a command says so and exits 111" {
	for c in sas peers status "why x" "rekey x" events trace wait; do
		run -111 --separate-stderr ike $c
		[[ -z $output && $stderr == *"is the daemon running"* ]]
	done
}

@test "an unknown command prints usage and exits 100" {
	run -100 --separate-stderr ike nonsense
	[[ -z $output && $stderr == usage:* ]]
	run -100 --separate-stderr ike profile nonsense
	[[ -z $output && $stderr == usage:* ]]
}

@test "every command has its help" {
	for c in run wait stop "profile set" "profile delete" \
	    "connection set" "connection delete" sas peers status why \
	    probe-peer rekey close events trace connect proposals probe; do
		run -0 --separate-stderr ike $c --help
		[[ $output == "usage: dmvpn-ike $c"* && -z $stderr ]]
	done
}

@test "the daemon is ready, tells its status, and ends by stop and by SIGTERM" {
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	run -0 ike status
	[[ $output == "port $PORT, agent not reachable, dmvpn-gre not reachable, 0 IKE SAs, 0 peers" ]]
	[ "$(ike status -j | jq .port)" -eq "$PORT" ]
	ike stop
	wait "$pid"
	[ ! -e "$DMVPN_RUN/ike.sock" ]
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	kill "$pid"
	wait "$pid"
	[ ! -e "$DMVPN_RUN/ike.sock" ]
}

@test "proposals: the words there are, and whether one can be used" {
	run -0 ike proposals
	[[ $output == IKE*"aes256gcm16"*"x25519"*ESP*"noesn esn"* ]]
	[ "$(ike proposals --esp -j | jq -r 'select(.kind == "integrity").word')" \
		= sha256 ]
	run -0 ike proposals aes256-sha256-modp2048
	[ "$output" = aes256-sha256-modp2048 ]
	run -1 --separate-stderr ike proposals aes256gcm16-x448
	[[ $stderr == *'"x448" is not an algorithm for IKE'*proposals* ]]
	run -1 ike proposals aes128-sha1-modp2048
	run -0 ike proposals --allow-weak aes128-sha1-modp2048
	run -1 ike proposals --esp aes192-sha256
}

@test "a port in use is named, and how to find who has it" {
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	mkdir "$T/other"
	DMVPN_RUN=$T/other run -111 --separate-stderr ike run --port "$PORT"
	[[ $stderr == *"UDP port $PORT is in use"* && $stderr == *"ss -lnpu"* ]]
}

@test "a second daemon on the same socket is refused" {
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	run -111 --separate-stderr ike run --port "$(free_port)"
	[[ $stderr == *ike.sock* ]]
	run -0 ike status
}

@test "the daemon has no capability, no new privileges, and a filter" {
	[ "${MODE:-release}" = release ] || skip "sanitizers need more system calls"
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	grep -q '^CapEff:.*0000000000000000$' "/proc/$pid/status"
	grep -q '^CapBnd:.*0000000000000000$' "/proc/$pid/status" ||
		[ "$(id -u)" != 0 ]
	grep -q '^NoNewPrivs:.*1$' "/proc/$pid/status"
	grep -q '^Seccomp:.*2$' "/proc/$pid/status" ||
		skip "no seccomp in this kernel"
}

@test "a profile is checked, and a refusal says what is wrong" {
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	run -100 --separate-stderr ike profile set p --interface dmvpn0
	[[ $stderr == *"--identity"* ]]
	run -100 --separate-stderr ike profile set p --interface dmvpn0 \
	    --identity me --mode sideways
	[[ $stderr == *sideways* ]]
	run -1 --separate-stderr ike profile set p --interface dmvpn0 \
	    --identity me --proposal aes256-rot13
	[[ $stderr == *rot13* ]]
	run -0 ike profile set p --interface dmvpn0 --identity me --accept
	run -0 ike connection set c --profile q --remote 192.0.2.1
	run -0 ike why c
	[[ $output == "c: down"*"no profile q"* ]]
	run -1 --separate-stderr ike profile delete q
	run -0 ike profile delete p
}

@test "what is not there is said plainly: peers, failures, records" {
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	run -1 --separate-stderr ike why 192.0.2.1
	[[ -z $output && $stderr == *'nothing is known about "192.0.2.1"'* ]]
	run -1 --separate-stderr ike rekey 7
	[[ $stderr == *'no peer "7"'* ]]
	run -0 ike sas --json
	[ -z "$output" ]
	run -0 ike peers --cbor
	[ -z "$output" ]
}

@test "without an agent a connection says why it does not come up" {
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	ike profile set p --interface dmvpn0 --identity me
	run -0 ike connection set c --profile p --remote 127.0.0.1:9
	wait_for eval 'ike why c | grep -q agent'
	run -0 ike why c
	[[ $output == c:* && $output == *agent* ]]
}

@test "IKE-06 IKE-07 IKE-08 garbage on the port is counted and not answered" {
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	exec 9<>"/dev/udp/127.0.0.1/$PORT"
	printf 'x' >&9
	head -c 27 /dev/zero >&9
	head -c 28 /dev/zero >&9
	head -c 900 /dev/urandom >&9
	run ! read -r -t 0.3 -n 1 <&9
	exec 9>&-
	wait_for eval '[ "$(ike status -j | jq "[.counters[] |
	    select(.name == \"in\").count][0]")" -eq 4 ]'
	bad=$(ike status -j | jq '[.counters[] | select(.name == "malformed" or
	    .name == "version" or .name == "unexpected" or
	    .name == "unknown-spi").count] | add')
	[ "$bad" -eq 4 ]
	kill -0 "$pid"
}

@test "trace shows a message that comes, and why it was not taken" {
	daemon ike "$B/dmvpn-ike" run --port "$PORT"
	ike trace --json --count 1 --write "$T/t.pcapng" >"$T/trace" 2>&1 &
	PIDS+=($!)
	vector=$BATS_TEST_DIRNAME/../vectors/decode/raw.pcap
	send() {
		# 24 of the file, 16 of the record, 28 of IP and UDP
		tail -c +69 "$vector" >"/dev/udp/127.0.0.1/$PORT"
		[ -s "$T/trace" ]
	}
	wait_for send
	wait "${PIDS[1]}"
	[ "$(jq -r .exchange "$T/trace")" = ike-sa-init ]
	[ "$(jq -r .direction "$T/trace")" = in ]
	run -0 ike decode -j "$T/t.pcapng" || true
}

@test "probe tells a silent host from a closed port" {
	run -111 --separate-stderr ike probe --time 1 --port "$PORT" 127.0.0.1
	[[ $stderr == *"nothing listens there"* ]]
	run -100 --separate-stderr ike probe --proposal nonsense 127.0.0.1
	[[ $stderr == *nonsense* ]]
}

@test "connect needs dmvpn-gre with, and exactly one secret" {
	unset DMVPN_GRE_FD
	run -100 --separate-stderr ike connect --psk-file k 192.0.2.1
	[[ $stderr == *"dmvpn-gre with"* ]]
	run -100 --separate-stderr ike connect 192.0.2.1
	[[ $stderr == *"--psk-file"* ]]
}
