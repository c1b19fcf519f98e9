# What is measured.  A row of $R: tunnel, what, value, round.

row() {
	echo "$@" >>"$R"
}

# Every process of both daemons (ours have two halves).
daemons() {
	while read -r p; do
		echo "$p"
		pgrep -P "$p" || :
	done <"$T/$1/pids"
}

# CPU of a tunnel's daemons so far, in clock ticks.
ticks() {
	sum=0
	for p in $(daemons "$1"); do
		# after the name: field 14 and 15 of proc(5) are 12 and 13
		t=$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null |
		    awk '{ print $12 + $13 }') || continue
		sum=$((sum + ${t:-0}))
	done
	echo "$sum"
}

# case_tcp NAME STREAMS WHAT; on_a, on_b: what runs iperf3
on_a='' on_b=''
case_tcp() {
	far=10.9.0.2
	[ "$1" != ipv6 ] || far=fd09::2
	# shellcheck disable=SC2086
	in_ns "$1" b $on_b iperf3 -s -1 >/dev/null 2>&1 &
	server=$!
	try 3 listening "$1" || return 0
	before=$(ticks "$1")
	# shellcheck disable=SC2086
	in_ns "$1" a $on_a iperf3 -c "$far" -P "$2" -t "$seconds" -J \
	    >"$T/$1/iperf.json" 2>/dev/null || { kill "$server"; return 0; }
	after=$(ticks "$1")
	wait "$server" || :
	jq -r '.end | [.sum_received.bytes, .sum_received.bits_per_second,
	    ((.cpu_utilization_percent.host_total +
	    .cpu_utilization_percent.remote_total) / 100 *
	    .sum_received.seconds)] | @tsv' "$T/$1/iperf.json" |
	awk -v name="$1" -v what="$3" -v ticks="$((after - before))" \
	    -v hz="$(getconf CLK_TCK)" -v round="${round:-1}" '$1 > 0 {
		gib = $1 / 1073741824
		print name, what "-gbits", $2 / 1e9, round
		print name, what "-cpu", ticks / hz / gib, round
		print name, what "-all", (ticks / hz + $3) / gib, round
	}' >>"$R"
}

listening() {
	in_ns "$1" b ss -Hlnt 'sport = :5201' | grep -q .
}

# pin NAME CPU-A CPU-B: all threads of the daemons of each end
pin() {
	cpus="$2 $3"
	while read -r p; do
		for q in "$p" $(pgrep -P "$p"); do
			taskset -a -c -p "${cpus%% *}" "$q" >/dev/null 2>&1 || :
		done
		cpus=${cpus#* }
	done <"$T/$1/pids"
}

# case_pin NAME: one core an end
case_pin() {
	[ "$(nproc)" -ge 2 ] || return 0
	pin "$1" 0 1
	on_a="taskset -c 0" on_b="taskset -c 1"
	case_tcp "$1" 1 pin
	on_a='' on_b=''
	all=0-$(($(nproc) - 1))
	pin "$1" "$all" "$all"
}

# case_bulk NAME PEERS: large datagrams at a moderate rate over so many
case_bulk() {
	in_ns "$1" b "$D/udp_load" bulk-sink 1600 >"$T/$1/sink" &
	sink=$!
	sleep 0.1
	before=$(ticks "$1")
	in_ns "$1" a "$D/udp_load" bulk 10.10.0.1 "$2" 1300 1000 \
	    >"$T/$1/sent" || :
	wait "$sink" || return 0
	after=$(ticks "$1")
	awk -v name="$1" -v peers="$2" -v got="$(cat "$T/$1/sink")" \
	    -v ticks="$((after - before))" -v hz="$(getconf CLK_TCK)" 'BEGIN {
		if (got == 0)
			exit
		print name, "bulk" peers "-gbits", got * 8 / 1.3e9, 1
		print name, "bulk" peers "-cpu", ticks / hz / got * 1073741824, 1
	}' >>"$R"
}

case_ping() {
	in_ns "$1" a ping -n -i 0.002 -c "$pings" -W 1 10.9.0.2 |
	sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -n |
	awk -v name="$1" '{ v[NR] = $1 * 1000 } END {
		if (NR < 2)
			exit
		print name, "ping-p50", v[int((NR + 1) / 2)], 1
		print name, "ping-p99", v[int(NR * 0.99)], 1
	}' >>"$R"
}

# case_udp NAME FLOWS RATE: delivered a second, CPU a packet
case_udp() {
	ms=$((seconds > 2 ? 2000 : 500))
	in_ns "$1" b "$D/udp_load" sink 10.9.0.2 "$2" $((ms + 300)) \
	    >"$T/$1/sink" &
	sink=$!
	sleep 0.1
	before=$(ticks "$1")
	sent=$(in_ns "$1" a "$D/udp_load" send 10.9.0.2 "$2" "$ms" "$3") ||
	    sent=0
	wait "$sink" || return 0
	after=$(ticks "$1")
	awk -v name="$1" -v flows="$2" -v sent="$sent" -v ms="$ms" \
	    -v got="$(cat "$T/$1/sink")" -v ticks="$((after - before))" \
	    -v hz="$(getconf CLK_TCK)" 'BEGIN {
		if (got == 0)
			exit
		rate = got * 1000 / ms
		print name, "udp" flows "-pps", rate, 1
		print name, "udp" flows "-us", ticks / hz * 1e6 / got, rate
		if (got >= sent * 0.99)
			print name, "udp" flows "-clean", rate, 1
	}' >>"$R"
}

case_rss() {
	kb=0
	for p in $(daemons "$1"); do
		v=$(awk '/^VmRSS/ { print $2 }' "/proc/$p/status" 2>/dev/null) ||
		    continue
		kb=$((kb + ${v:-0}))
	done
	[ "$kb" -eq 0 ] || row "$1" rss "$((kb / 2))" 1	# of one end
}

# count INPUT LIBRARY: instructions a packet, and those outside of libraries
count() {
	valgrind --tool=callgrind --callgrind-out-file="$T/callgrind" \
	    --toggle-collect="measured_${1%%-*}*" \
	    "$D/path_bench" "$1" 3 "$2" >"$T/count" 2>/dev/null || return 0
	# One round more than asked for warms up.
	packets=$(awk '{ print $2 / 3 * 4 }' "$T/count")
	awk -v own=path_bench -f "$here/own.awk" "$T/callgrind" |
	    awk -v n="$packets" '{ printf "%.1f %.1f\n", $1 / n, $2 / n }'
}

# Instructions of the packet path itself, per packet, with fixed inputs: the
# same on a noisy machine.  The system calls are not in it.
case_instructions() {
	for input in $inputs; do
		for lib in default openssl; do
			"$D/path_bench" "$input" 200 "$lib" |
			while read -r _ _ ns; do
				row "$lib" "ns-$input" "$ns" 1
			done
			command -v valgrind >/dev/null || continue
			[ -z "${QUICK:-}" ] || [ "$lib" = default ] || continue
			count "$input" "$lib" |
			while read -r all own; do
				row "$lib" "ir-$input" "$all" 1
				row "$lib" "own-$input" "$own" 1
			done
		done
	done
}

about() {
	echo "two namespaces, veth, MTU 1500; tunnels MTU 1400; both ends," \
	    "iperf3 and all else share $(nproc) CPUs, nothing pinned"
	echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
	    "$(sed -n 's/^flags.*\(vaes\).*/vaes, /p' /proc/cpuinfo |
	    head -n 1)Linux $(uname -r)"
	echo "load average $(cut -d' ' -f1-3 /proc/loadavg);" \
	    "$rounds rounds of $seconds s, tunnels alternate, medians"
	versions
}

# Of what is first in PATH, and so was measured.
versions() {
	for tool in "wireguard-go --version" "openvpn --version" \
	    "nebula -version" "tincd --version" "$CHARON --version"; do
		command -v "${tool% *}" >/dev/null || continue
		# shellcheck disable=SC2086
		line=$($tool 2>/dev/null | head -n 1 | cut -d' ' -f1-3)
		case $line in Version:*) line="${tool%% *} $line" ;; esac
		echo "$line"
	done
}
