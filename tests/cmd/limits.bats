# Daemons that are given little.

bats_require_minimum_version 1.5.0

setup() {
	B=$(cd "${B:-build/bin}" && pwd)
	T=$BATS_TEST_TMPDIR
	export DMVPN_RUN=$T/run
	mkdir -m 711 "$DMVPN_RUN"
}

ticks() {	# of processor time
	local stat
	read -r stat <"/proc/$1/stat"
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# With so many descriptors: it serves, at rest, or it ended with
# a sentence.
with() {	# DESCRIPTORS LAYER COMMAND
	local word=
	rm -f "$T/ready"
	mkfifo "$T/ready"
	(
		ulimit -n "$1"
		exec "$B/dmvpn-$2" "$3" -r 4 4>"$T/ready" 3>&-
	) >"$T/log" 2>&1 </dev/null &
	pid=$!
	read -r -t 30 _ <"$T/ready" && word=ready
	if [ -z "$word" ]; then
		local status=0
		wait "$pid" || status=$?
		cat "$T/log"
		[ "$status" -eq 111 ]
		grep -q "^dmvpn-$2: " "$T/log"
		return 0
	fi
	local callers= before
	for _ in 1 2 3 4 5; do	# more than there is room for
		timeout 20 "$B/dmvpn-dpd" hello "$2" >/dev/null 2>&1 3>&- &
		callers="$callers $!"
	done
	before=$(ticks "$pid")
	sleep 0.7		# a spin takes 70 of them, shared with others 20
	[ $(($(ticks "$pid") - before)) -lt 12 ]
	wait $callers || true
	"$B/dmvpn-dpd" hello "$2" || [ "$1" -lt 32 ]
	kill "$pid"
	wait "$pid"
}

@test "OPS-08: with few descriptors a daemon serves or says why not, and never spins" {
	for n in 8 16 32; do
		with "$n" nhrp run
		with "$n" dpd run
		with "$n" pki agent
	done
}
