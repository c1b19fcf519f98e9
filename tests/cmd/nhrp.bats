# dmvpn-nhrp without privilege and without dmvpn-gre: what one daemon and its
# commands do.  With real tunnels: tests/net/nhrp-clear.bats.

bats_require_minimum_version 1.5.0
load lib

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	T=$BATS_TEST_TMPDIR
	export DMVPN_RUN=$T/run
	mkdir -p "$DMVPN_RUN"
	PIDS=()
}

teardown() {
	daemons_end
}

nhrp() {
	"$B/dmvpn-nhrp" "$@"
}

spoke() {
	nhrp interface set --role spoke -a 10.9.0.2/24 --nbma 192.0.2.5 \
		-n 10.9.0.1@192.0.2.1 -s 10.1.0.0/16 --shortcut "$@" dmvpn0
}

@test "an unknown command prints usage and exits 100" {
	run -100 --separate-stderr nhrp nonsense
	[[ $output == "" && $stderr == *usage:* ]]
}

@test "every command has --help" {
	for c in run wait stop status cache resolve why purge events trace; do
		run -0 --separate-stderr nhrp $c --help
		[[ $output == usage:* ]]
	done
	run -0 nhrp interface set --help
	[[ $output == *--authentication-file* ]]
}

@test "without a daemon a command says so and exits 111" {
	for c in status cache "why 10.0.0.1" purge events wait \
	    "interface delete x"; do
		run -111 --separate-stderr nhrp $c
		[[ -z $output && $stderr == dmvpn-nhrp:* ]]
	done
}

@test "wrong settings are named and exit 100 or 1" {
	daemon nhrp "$B/dmvpn-nhrp" run
	run -100 --separate-stderr nhrp interface set --role x dmvpn0
	[[ $stderr == *"--role is hub or spoke"* ]]
	run -100 --separate-stderr nhrp interface set --role hub dmvpn0
	[[ $stderr == *"--address is needed"* ]]
	run -100 --separate-stderr spoke --nhs 10.9.0.300
	[[ $stderr == *--nhs* ]]
	run -1 --separate-stderr nhrp interface set --role hub \
		-a 10.9.0.1/24 dmvpn0
	[[ $stderr == *"our public address (nbma) is needed"* ]]
	run -1 --separate-stderr nhrp interface set --role hub -p p \
		-a 10.9.0.1/24 -n 10.9.0.2=x dmvpn0
	[[ $stderr == *"a hub has no servers"* ]]
	printf 123456789 >"$T/long"
	run -100 --separate-stderr spoke --authentication-file "$T/long"
	[[ $stderr == *"1 to 8 octets"* ]]
	run -1 --separate-stderr nhrp interface delete dmvpn9
	[[ $stderr == *"there is no tunnel dmvpn9"* ]]
}

@test "a tunnel is set, shown and deleted" {
	daemon nhrp "$B/dmvpn-nhrp" run
	run -0 nhrp status
	[ "$output" = "no tunnel" ]
	spoke
	run -0 nhrp status
	[[ ${lines[0]} == "dmvpn0: spoke, 0 shortcuts" ]]
	[[ ${lines[1]} == *"server 10.9.0.1: not registered"* ]]
	[[ $output == *"no connection to the server is up"* ||
		$output == *"dmvpn-gre is not reachable"* ]]
	run -0 nhrp status -j
	[[ $output == *'"reason":{'* ]]
	run -0 nhrp cache -j
	[[ $output == *'"kind":"local"'*10.1.0.0/16* ]]
	[[ $output == *'"kind":"nhs"'* ]]
	run -0 nhrp cache
	[[ ${lines[0]} == PREFIX*KIND*STATE* ]]
	nhrp interface delete dmvpn0
	run -0 nhrp cache -j
	[ -z "$output" ]
}

@test "why and resolve say that the server is not there" {
	daemon nhrp "$B/dmvpn-nhrp" run
	spoke
	run -0 nhrp why 10.9.0.7
	[[ $output == "through the hub:"*"no server is connected"* ]]
	run -0 nhrp why 10.1.2.3
	[[ $output == "it is behind us: 10.1.0.0/16" ]]
	run -1 --separate-stderr nhrp resolve 10.2.0.1
	[[ $stderr == *"no server is connected"* ]]
	run -1 nhrp resolve --explain 10.2.0.1
	[[ $output == *"no shortcut"* ]]
	run -100 nhrp resolve nonsense
}

@test "the secret is nowhere to be seen" {
	printf 's3cr3t!' >"$T/secret"
	daemon nhrp "$B/dmvpn-nhrp" run --log-level debug
	spoke --authentication-file "$T/secret"
	nhrp cache -j >"$T/out"
	nhrp status -j >>"$T/out"
	nhrp why 10.9.0.1 >>"$T/out"
	! grep -q 's3cr3t' "$T/out" "$T/nhrp.log" "/proc/$pid/cmdline"
}

@test "the daemon runs without capability and ends on SIGTERM" {
	daemon nhrp "$B/dmvpn-nhrp" run
	grep -q '^CapEff:.*0000000000000000$' "/proc/$pid/status"
	grep -q '^NoNewPrivs:.*1' "/proc/$pid/status"
	"$B/dmvpn-nhrp" wait 3>&- &
	local waiter=$!
	wait_for waits "$waiter"
	kill -TERM "$pid"
	wait "$pid"
	wait "$waiter"
	[ ! -e "$DMVPN_RUN/nhrp.sock" ]
}

@test "stop ends the daemon, and events end with it" {
	daemon nhrp "$B/dmvpn-nhrp" run
	spoke
	nhrp events -j >"$T/events" &
	local events=$!
	run -0 nhrp stop
	wait "$pid"
	wait "$events" || true
}
