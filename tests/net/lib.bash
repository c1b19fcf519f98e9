# Namespaces for bats: load it with "load lib", call net_setup in setup and
# net_teardown in teardown.  Names are unique, so that files run in parallel.
#
#	ns_new hub spoke		namespaces, lo up
#	link hub:eth0=198.51.100.1/24 spoke:eth0=198.51.100.2/24
#	addr hub lo 10.9.0.1/32
#	gateway spoke 198.51.100.1
#	forward hub			route between its interfaces
#	on hub ping -c 1 198.51.100.2	run there, DMVPN_RUN is its own
#	start hub gre "$B/dmvpn-gre" run	a daemon, when ready $pid is its pid
#	stop gre; slay gre		SIGTERM, its status; SIGKILL (not under run)
#	wait_for 5 on hub test -e ...	until it is true or seconds are over
#	follow hub FILE "$B/..." events	into FILE; it listens when this returns
#	stream spoke 10.0.0.1 [-I ...]	100 pings a second, on their way
#	stream_on 100			that many answers more
#	stream_end			prints packets lost and longest gap, ms
#	lossless spoke 10.0.0.1 COMMAND	while it runs no packet is lost
#	capture hub eth0 FILE [FILTER]	tcpdump, ready when this returns
#	capture_end			all captures are complete on disk

# Where the programs are, as an absolute path: tests change directory.
B=${B:-build/bin}
case $B in
/*) ;;
*) B=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/$B ;;
esac

net_setup() {
	[ "$(id -u)" = 0 ] || skip "namespaces need root"
	command -v ip >/dev/null || skip "iproute2 is not installed"
	NET="dv$$-${BATS_TEST_NUMBER:-0}"
	NET_PIDS=$BATS_TEST_TMPDIR/pids
	mkdir -p "$NET_PIDS"
	ip netns add "$NET-probe" 2>/dev/null ||
		skip "this kernel or container has no network namespaces"
	ip netns del "$NET-probe"
}

net_need_tun() {
	[ -c /dev/net/tun ] || skip "/dev/net/tun is missing"
}

net_need_ipv6() {
	[ -d /proc/sys/net/ipv6 ] || skip "this kernel has no IPv6"
}

# End every daemon, then the namespaces.  Fails only when a sanitizer spoke.
net_teardown() {
	local f p n
	for f in "$NET_PIDS"/*; do
		[ -f "$f" ] || continue
		read -r p <"$f" || continue
		kill -TERM "$p" 2>/dev/null || continue
		for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			kill -0 "$p" 2>/dev/null || break
			sleep 0.05
		done
		kill -KILL "$p" 2>/dev/null || true
	done
	for n in $(ip netns list 2>/dev/null | sed -n "s/^\($NET-[^ ]*\).*/\1/p"); do
		for p in $(ip netns pids "$n" 2>/dev/null); do
			kill -KILL "$p" 2>/dev/null || true
		done
		ip netns del "$n" 2>/dev/null || true
	done
	! grep -E 'Sanitizer|runtime error:' "$BATS_TEST_TMPDIR"/*.log \
		2>/dev/null
}

ns_new() {
	local n
	for n in "$@"; do
		ip netns add "$NET-$n"
		ip -n "$NET-$n" link set lo up
		mkdir -p "$BATS_TEST_TMPDIR/run/$n"
		chmod 711 "$BATS_TEST_TMPDIR/run/$n"
	done
}

# The namespace's full name, for ip -n.
ns_name() {
	echo "$NET-$1"
}

# Run a command in a namespace.
on() {
	local n=$1
	shift
	ip netns exec "$NET-$n" \
		env DMVPN_RUN="$BATS_TEST_TMPDIR/run/$n" "$@"
}

# link A:dev[=address] B:dev[=address]
link() {
	local a=${1%%:*} b=${2%%:*} da=${1#*:} db=${2#*:} aa="" ab=""
	case $da in *=*) aa=${da#*=} da=${da%%=*} ;; esac
	case $db in *=*) ab=${db#*=} db=${db%%=*} ;; esac
	ip -n "$NET-$a" link add "$da" type veth \
		peer name "$db" netns "$NET-$b"
	[ -z "$aa" ] || addr "$a" "$da" "$aa"
	[ -z "$ab" ] || addr "$b" "$db" "$ab"
	ip -n "$NET-$a" link set "$da" up
	ip -n "$NET-$b" link set "$db" up
}

addr() {
	case $3 in
	*:*) ip -n "$NET-$1" address add "$3" dev "$2" nodad ;;
	*) ip -n "$NET-$1" address add "$3" dev "$2" ;;
	esac
}

gateway() {
	ip -n "$NET-$1" route add default via "$2"
}

forward() {
	on "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
		[ ! -d /proc/sys/net/ipv6 ] ||
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
}

# wait_for SECONDS COMMAND...: try until it succeeds.  The seconds are those
# of an idle machine; a busy one has ten more.
wait_for() {
	local end=$((SECONDS + $1 + 11))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "in vain: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# start NS NAME COMMAND...: a daemon; -r 3 is added.  Its output is in
# $BATS_TEST_TMPDIR/NAME.log; fails (and shows it) when it dies or is not
# ready within 30 s.
start() {
	local n=$1 name=$2 fifo=$BATS_TEST_TMPDIR/$2.ready word=""
	shift 2
	rm -f "$fifo"
	mkfifo "$fifo"
	ip netns exec "$NET-$n" \
		env DMVPN_RUN="$BATS_TEST_TMPDIR/run/$n" "$@" -r 4 \
		4>"$fifo" 3>&- </dev/null \
		>"$BATS_TEST_TMPDIR/$name.log" 2>&1 &
	pid=$!
	echo "$pid" >"$NET_PIDS/$name"
	if ! { exec 5<"$fifo" && IFS= read -r -t 30 word <&5; }; then
		word=no
	fi
	exec 5<&-
	if [ "$word" = no ]; then
		echo "$name was not ready:" >&2
		cat "$BATS_TEST_TMPDIR/$name.log" >&2
		return 1
	fi
}

# The pid of a started daemon.
pid_of() {
	cat "$NET_PIDS/$1"
}

# SIGTERM; its exit status.
stop() {
	local p rc=0
	p=$(pid_of "$1")
	rm -f "$NET_PIDS/$1"
	kill -TERM "$p"
	wait "$p" || rc=$?
	return "$rc"
}

slay() {
	local p
	p=$(pid_of "$1")
	rm -f "$NET_PIDS/$1"
	kill -KILL "$p"
	wait "$p" 2>/dev/null || true
}

# follow NS FILE COMMAND...: a program that prints what a daemon tells; it is
# connected, and waits, when this returns.  $pid is its.
follow() {
	local n=$1 file=$2
	shift 2
	ip netns exec "$NET-$n" \
		env DMVPN_RUN="$BATS_TEST_TMPDIR/run/$n" "$@" \
		3>&- </dev/null >"$file" 2>"$file.err" &
	pid=$!
	echo "$pid" >"$NET_PIDS/follow-${file##*/}"
	wait_for 5 follows "$pid"
}

# Of PID, or of what it started for that, one is asleep with a socket.
follows() {
	local p
	for p in "$1" $(pgrep -P "$1"); do
		[[ $(cat "/proc/$p/comm") == dmvpn-* ]] &&
			grep -q '^State:[[:space:]]*S' "/proc/$p/status" &&
			find "/proc/$p/fd" -lname "socket:*" | grep -q . && return 0
	done
	return 1
}

# A stream of 100 packets a second.
stream() {	# FROM TO-ADDRESS [PING OPTIONS]
	local n=$1 to=$2
	shift 2
	ip netns exec "$NET-$n" ping -D -n -i 0.01 "$@" "$to" 3>&- </dev/null \
		>"$BATS_TEST_TMPDIR/stream" 2>&1 &
	echo $! >"$NET_PIDS/stream"
	wait_for 10 stream_past 20
}

answered() {	# the number of the last answer
	sed -n 's/.* bytes from .*icmp_seq=\([0-9]*\) .*/\1/p' \
		"$BATS_TEST_TMPDIR/stream" | tail -n 1
}

# N answers more.
stream_on() {
	local now
	now=$(answered)
	wait_for 40 stream_past $((${now:-0} + $1))
}

stream_past() {
	local now
	now=$(answered)
	[ "${now:-0}" -ge "$1" ]
}

# What is still under way when it ends is not lost: only what comes before the
# last answer counts.
stream_end() {
	local p
	p=$(pid_of stream)
	rm -f "$NET_PIDS/stream"
	kill -INT "$p"
	wait "$p" 2>/dev/null || true
	awk '/ bytes from .*icmp_seq=/ {
		t = substr($1, 2) + 0; match($0, /icmp_seq=[0-9]+/)
		s = substr($0, RSTART + 9, RLENGTH - 9) + 0
		if (s in seen) next
		seen[s] = 1
		if (last && t - at > gap) gap = t - at
		if (s > last) last = s
		at = t; n++
	}
	END { printf "%d %d\n", last - n, gap * 1000 }' \
		"$BATS_TEST_TMPDIR/stream"
}

# The stream is over: $lost packets and a gap of $gap ms.
measure() {
	read -r lost gap < <(stream_end)
	echo "lost $lost, longest gap $gap ms" >&3
}

# lossless NS ADDRESS [PING OPTIONS --] COMMAND...: no packet is lost from
# before the command until well after it.
lossless() {
	local n=$1 to=$2 options=()
	shift 2
	if [[ $1 == -* ]]; then
		until [ "$1" = -- ]; do
			options+=("$1")
			shift
		done
		shift
	fi
	stream "$n" "$to" "${options[@]}"
	"$@"
	stream_on 50
	measure
	[ "$lost" -eq 0 ]
}

# sooner LIMIT COMMAND...: the command sets $took, in milliseconds.  Of three
# tries one must keep the limit: a machine that was busy once proves nothing.
sooner() {
	local limit=$1
	shift
	for _ in 1 2 3; do
		"$@" || return 1
		[ "$took" -gt "$limit" ] || return 0
	done
	echo "took $took ms, $limit is the limit" >&2
	return 1
}

# capture NS DEV FILE [FILTER...]
capture() {
	local n=$1 dev=$2 file=$3
	shift 3
	command -v tcpdump >/dev/null || skip "tcpdump is not installed"
	ip netns exec "$NET-$n" tcpdump -i "$dev" -U -n -w "$file" \
		--immediate-mode "$@" 3>&- </dev/null >/dev/null \
		2>"$file.log" &
	echo $! >"$NET_PIDS/tcpdump-${file##*/}"
	wait_for 5 grep -q 'listening on' "$file.log"
}

capture_end() {
	local f p
	for f in "$NET_PIDS"/tcpdump-*; do
		[ -f "$f" ] || continue
		read -r p <"$f"
		rm -f "$f"
		kill -INT "$p" 2>/dev/null || true
		wait "$p" 2>/dev/null || true
	done
}

# Lines that tcpdump prints for a capture file.
packets() {
	local file=$1
	shift
	tcpdump -n -r "$file" "$@" 2>/dev/null
}

# Nobody warned in these logs, but a sanitizer's build of its wide sandbox.
no_alarms() {	# LOG...
	! grep -hE 'warn|error' "$@" | grep -v sandbox-wide >&2
}
