#!/bin/sh
# flood.sh [ROUNDS [RATE [udp|raw]]]: what a flood of strangers costs a tunnel
# that is up: TCP through it while ESP of unknown SPIs comes to port 4500 (or,
# with raw, by protocol 50), and while the same comes to an address where nft
# drops it, in turn.  Medians and their ratio.
set -eu

B=$(cd "${B:-build/bin}" && pwd)
D=$(cd "${D:-build/release/bench}" && pwd)
rounds=${1:-5} rate=${2:-200000} way=${3:-udp} seconds=2
case $way in
udp) encap=udp kind=esp port=4500 ;;
raw) encap=esp kind=raw port=50 ;;
*) echo "flood.sh: udp or raw" >&2; exit 100 ;;
esac
N=flood$$
[ "$(id -u)" -eq 0 ] || { echo "flood.sh: namespaces need root" >&2; exit 100; }
for tool in ip nft iperf3 jq; do
	command -v "$tool" >/dev/null ||
	    { echo "flood.sh: $tool is not installed" >&2; exit 100; }
done
T=$(mktemp -d)

cleanup() {
	trap - EXIT HUP INT TERM
	for ns in a b x; do
		for p in $(ip netns pids "$N-$ns" 2>/dev/null); do
			kill "$p" 2>/dev/null || :
		done
	done
	sleep 0.5
	for ns in a b x; do
		ip netns delete "$N-$ns" 2>/dev/null || :
	done
	rm -rf "$T"
}
trap cleanup EXIT
trap 'cleanup; exit 111' HUP INT TERM

on() {
	ns=$1
	shift
	ip netns exec "$N-$ns" env DMVPN_RUN="$T/$ns" "$@"
}

link() {
	ip -n "$N-$1" link add "$2" type veth peer name "$2" netns "$N-$3"
	ip -n "$N-$1" address add "$4/24" dev "$2"
	ip -n "$N-$3" address add "$5/24" dev "$2"
	ip -n "$N-$1" link set "$2" up
	ip -n "$N-$3" link set "$2" up
}

# site NAME OWN OTHER
site() {
	mkdir -p "$T/$1"
	mkfifo "$T/$1/ready"
	on "$1" "$B/dmvpn-gre" run -r 4 4>"$T/$1/ready" >"$T/$1/log" 2>&1 &
	read -r _ <"$T/$1/ready"
	on "$1" "$B/dmvpn-gre" interface set dmvpn0 -a "10.9.0.$2/24"
	on "$1" "$B/dmvpn-gre" peer set 1 --remote "192.0.2.$3" \
	    --encap "$encap" >/dev/null
	on "$1" "$B/dmvpn-gre" map set dmvpn0 "10.9.0.$3" 1
	on "$1" "$B/dmvpn-gre" sa add 1 --esn --spi-in "0x100$2" \
	    --spi-out "0x100$3" -k "$T/key-$1"
}

hex() {
	od -An -v -tx1 -N20 /dev/urandom | tr -d ' \n'
}

# Mbit/s through the tunnel while a flood comes to that address of b
measure() {
	on x "$D/flood" "$kind" "203.0.113.$1" "$port" \
	    $((seconds * 1000 + 600)) "$rate" >"$T/sent" &
	flood=$!
	sleep 0.3
	on a iperf3 -c 10.9.0.2 -t "$seconds" -J |
	    jq '.end.sum_received.bits_per_second / 1e6 | floor' >>"$T/$1"
	wait "$flood"
	cat "$T/sent" >>"$T/sent-$1"
}

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

for ns in a b x; do
	ip netns add "$N-$ns"
	ip -n "$N-$ns" link set lo up
done
link a wire b 192.0.2.1 192.0.2.2
link x other b 203.0.113.1 203.0.113.2
ip -n "$N-b" address add 203.0.113.3/24 dev other
on b nft -f - <<END
table inet flood {
	chain in {
		type filter hook prerouting priority -300;
		ip daddr 203.0.113.3 drop
	}
}
END
umask 077
x=$(hex) y=$(hex)
printf 'in %s\nout %s\n' "$x" "$y" >"$T/key-a"
printf 'in %s\nout %s\n' "$y" "$x" >"$T/key-b"
site a 1 2
site b 2 1
on b iperf3 -s >/dev/null 2>&1 &
sleep 1
i=0
while [ "$i" -lt "$rounds" ]; do
	i=$((i + 1))
	measure 3
	measure 2
done
for to in 3 2; do
	what=dropped
	[ "$to" = 3 ] || what="to us"
	echo "flood $what: $(median "$T/$to") Mbit/s through the" \
	    "tunnel; $(($(median "$T/sent-$to") * 10 / (seconds * 10 + 6)))" \
	    "packets/s of flood"
done
echo "$(median "$T/2") $(median "$T/3")" |
    awk '{ printf "ratio: %.2f (to reach: 0.80)\n", $1 / $2 }'
on b "$B/dmvpn-gre" status -j | jq -c '[.drops[] |
    select(.reason == "guard" or .reason == "invalid-spi")]'
