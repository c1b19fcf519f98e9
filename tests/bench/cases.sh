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

# case_tcp NAME STREAMS WHAT
case_tcp() {
	far=10.9.0.2
	[ "$1" != ipv6 ] || far=fd09::2
	in_ns "$1" b iperf3 -s -1 >/dev/null 2>&1 &
	server=$!
	try 3 listening "$1" || return 0
	before=$(ticks "$1")
	in_ns "$1" a iperf3 -c "$far" -P "$2" -t "$seconds" -J \
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
	ms=$((seconds > 2 ? 2000 : 700))
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
			valgrind --tool=callgrind --callgrind-out-file=/dev/null \
			    --toggle-collect="measured_${input%%-*}*" \
			    "$D/path_bench" "$input" 3 "$lib" \
			    >"$T/count" 2>"$T/callgrind" || continue
			# One round more than asked for warms up.
			awk -v lib="$lib" -v input="$input" '
				FILENAME ~ /count$/ { packets = $2 / 3 * 4 }
				/Collected/ { print lib, "ir-" input,
				    $NF / packets, 1 }
			' "$T/count" "$T/callgrind" >>"$R"
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

versions() {
	for tool in wireguard-go openvpn nebula tinc strongswan-charon; do
		if v=$(dpkg-query -W -f='${Version}' "$tool" 2>/dev/null); then
			echo "$tool $v"
		fi
	done
}
