# For bats of one program without privilege: "load lib".
#
#	daemon NAME COMMAND...	with -r 4; ready when this returns, $pid is its
#	daemons_end		for teardown
#	wait_for COMMAND...	until it is true, 30 s at most
#	free_port		of 127.0.0.1, TCP and UDP, that nobody has
#	waits PID		it is connected to a daemon, and sleeps
#	pki_dir			for setup: an empty directory to work in, and B
#	pki_place		the same with a new CA
#	pki ARGUMENT...		dmvpn-pki there

# Its output is in $BATS_TEST_TMPDIR/NAME.log.
daemon() {
	local name=$1 fifo=$BATS_TEST_TMPDIR/$1.ready
	shift
	rm -f "$fifo"
	mkfifo "$fifo"
	"$@" -r 4 4>"$fifo" 3>&- </dev/null \
		>"$BATS_TEST_TMPDIR/$name.log" 2>&1 &
	pid=$!
	PIDS+=("$pid")
	IFS= read -r -t 30 _ <"$fifo" || {
		cat "$BATS_TEST_TMPDIR/$name.log" >&2
		return 1
	}
}

daemons_end() {
	local p
	for p in "${PIDS[@]}"; do
		kill "$p" 2>/dev/null && wait "$p" 2>/dev/null || true
	done
}

wait_for() {
	local end=$((SECONDS + 30))
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "in vain: $*" >&2
			return 1
		fi
		read -r -t 0.05 _ <> <(:) || true
	done
}

# Below those that the kernel gives out by itself.
free_port() {
	local port hex
	for _ in {1..100}; do
		port=$((10000 + RANDOM % 22000))
		hex=$(printf ':%04X$' "$port")
		cat /proc/net/{tcp,udp}{,6} 2>/dev/null |
			awk -v hex="$hex" '$2 ~ hex { exit 1 }' || continue
		echo "$port"
		return 0
	done
	return 1
}

waits() {
	grep -q '^State:[[:space:]]*S' "/proc/$1/status" &&
		find "/proc/$1/fd" -lname "socket:*" | grep -q .
}

pki_dir() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	export DMVPN_RUN=$BATS_TEST_TMPDIR/run
	unset DMVPN_STORE
	PIDS=()
	umask 077
}

pki_place() {
	pki_dir
	pki init
}

pki() {
	"$B/dmvpn-pki" "$@"
}
