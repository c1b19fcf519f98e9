#!/bin/sh
# The demonstration ("make demo"): a hub and two spokes, then a remote with
# two headends, in network namespaces of this machine, on real packets.
# Every line that it prints was measured.  KEEP=1 leaves everything running.
# DEMO=NAME (short) lets several run beside each other; B is where the
# programs are.
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
B=$(cd "${B:-$HERE/../../build/bin}" && pwd)
P=${DEMO:-d$$}
KEEP=${KEEP:-0}
MARK=DMVPN-DEMO-MARK!
MARK_HEX=444d56504e2d44454d4f2d4d41524b21
T0=$(date +%s)
STEPS=0
FAILED=0
W=
PIDS=

GREEN='' RED='' BOLD='' DIM='' PLAIN=''
if [ -t 1 ]; then
	GREEN=$(printf '\033[32m') RED=$(printf '\033[31m')
	BOLD=$(printf '\033[1m') DIM=$(printf '\033[2m')
	PLAIN=$(printf '\033[m')
fi

# ---- saying

part() {
	printf '\n%s%s%s\n\n' "$BOLD" "$1" "$PLAIN"
}
held() {	# WHAT EVIDENCE
	STEPS=$((STEPS + 1))
	printf '%s✓%s %s\n' "$GREEN" "$PLAIN" "$1"
	printf '%s' "$2" | sed "s/^/    $DIM/; s/\$/$PLAIN/"
	[ -z "$2" ] || echo
}
broke() {	# WHAT EVIDENCE
	FAILED=$((FAILED + 1))
	printf '%s✗ %s%s\n' "$RED" "$1" "$PLAIN"
	printf '%s\n' "$2" | sed 's/^/    /'
}
# verdict CONDITION... -- WHAT EVIDENCE
verdict() {	# STATUS WHAT EVIDENCE
	if [ "$1" -eq 0 ]; then
		held "$2" "$3"
	else
		broke "$2" "$3"
	fi
}
note() {
	printf '%s  %s%s\n' "$DIM" "$1" "$PLAIN"
}

# ---- namespaces

on() {	# SITE COMMAND...
	site=$1
	shift
	ip netns exec "$P-$site" env DMVPN_RUN="$W/run-$site" \
		PATH="$B:$PATH" "$@"
}
# The same in the background; BG is its pid.  Its output goes to OUT.
behind() {	# OUT SITE COMMAND...
	out_file=$1 site=$2
	shift 2
	ip netns exec "$P-$site" env DMVPN_RUN="$W/run-$site" \
		PATH="$B:$PATH" "$@" >"$out_file" 2>&1 </dev/null &
	BG=$!
	PIDS="$PIDS $BG"
}
site_new() {
	for n; do
		ip netns add "$P-$n"
		ip -n "$P-$n" link set lo up
		mkdir -p "$W/run-$n"
		chmod 711 "$W/run-$n"
	done
}
wire() {	# SITE DEV ADDRESS SITE DEV ADDRESS
	ip -n "$P-$1" link add "$2" type veth peer name "$5" netns "$P-$4"
	ip -n "$P-$1" link set "$2" addrgenmode none up
	ip -n "$P-$4" link set "$5" addrgenmode none up
	ip -n "$P-$1" address add "$3" dev "$2"
	ip -n "$P-$4" address add "$6" dev "$5"
}
gateway() {	# SITE ADDRESS
	ip -n "$P-$1" route add default via "$2"
}
routes_between() {
	for n; do
		on "$n" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	done
}
ping_from() {	# SITE OPTIONS...: its whole output
	on "$@" 2>&1 || :
}
# All N came; ping waits for the last ones no longer than for the others.
all_came() {	# PING-OUTPUT N
	printf '%s\n' "$1" | awk -v n="$2" '
		/ bytes from .*icmp_seq=/ {
			sub(/.*icmp_seq=/, ""); s = $1 + 0
			if (!(s in seen)) got++
			seen[s] = 1
			if (s > last) last = s
		}
		END { exit !(got == last && last >= n - 3) }'
}
ttl_of() {	# PING-OUTPUT LINE-SELECTOR (1 or $)
	printf '%s\n' "$1" | grep -o 'ttl=[0-9]*' | sed -n "$2s/ttl=//p"
}
capture() {	# SITE DEV FILE FILTER...
	cap_site=$1 cap_dev=$2 cap_file=$3
	shift 3
	behind "$cap_file.log" "$cap_site" tcpdump -Z root --immediate-mode -U -n \
		-i "$cap_dev" -w "$cap_file" "$@"
	CAP=$BG
	until_true 5 grep -q 'listening on' "$cap_file.log"
}
end_of() {	# PID
	kill -TERM "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}
capture_end() {	# PID
	nap 0.2
	end_of "$1"
}
packets() {	# FILE FILTER: how many
	tcpdump -n -r "$1" "$2" 2>/dev/null | wc -l | tr -d ' '
}
holds() {	# FILE FILTER N
	[ "$(packets "$1" "$2")" -ge "$3" ]
}
is_long() {	# PING-OUTPUT-FILE N: so many answers
	[ "$(grep -c 'bytes from' "$1")" -ge "$2" ]
}
# It is connected to a daemon, and waits for what that tells.
asleep() {	# PID
	grep -q '^State:.*S' "/proc/$1/status" &&
		find "/proc/$1/fd" -lname "socket:*" | grep -q .
}
nap() {
	sleep "$1"
}
until_true() {	# SECONDS COMMAND...
	end=$(($(date +%s) + $1 + 11))	# ten more on a busy machine
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		nap 0.05
	done
}

# ---- beginning and end

SITES='hub spoke1 spoke2 headend1 headend2 remote'
LANS='lan0 lan1 lan2 lan5 lan6 lan7'

cleanup() {
	trap '' INT TERM HUP
	trap - EXIT
	for pid in $PIDS; do
		kill "$pid" 2>/dev/null || :
	done
	for n in $SITES; do
		[ -d "$W/run-$n/supervisor" ] || continue
		for f in "$W/run-$n/tunnels"/*; do
			[ ! -f "$f" ] ||
				on "$n" dmvpn down "${f##*/}" >/dev/null 2>&1 || :
		done
	done
	for n in router $SITES $LANS; do
		for pid in $(ip netns pids "$P-$n" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null || :
		done
		ip netns del "$P-$n" 2>/dev/null || :
	done
	rm -rf "$W"
}
finish() {
	status=$?
	[ "$status" -eq 0 ] || FAILED=$((FAILED + 1))
	if [ "$FAILED" -gt 0 ] && [ -n "${DEMO_LOGS:-}" ]; then
		for n in $SITES; do
			for f in "$W/run-$n/log"/*.log; do
				[ -s "$f" ] || continue
				echo "== $n ${f##*/}"
				tail -n 12 "$f"
			done
		done >"$DEMO_LOGS"
	fi
	if [ "$KEEP" = 1 ]; then
		trap - EXIT
		how_to_look
		exit 0
	fi
	cleanup
	echo
	took=$(($(date +%s) - T0))
	if [ "$FAILED" -gt 0 ]; then
		echo "${RED}demo: $FAILED of $((STEPS + FAILED)) steps did not hold ($took s)$PLAIN"
		exit 1
	fi
	echo "${GREEN}demo: all $STEPS steps held, in $took s; everything is cleaned up$PLAIN"
	exit 0
}
how_to_look() {
	cat <<-END

	${BOLD}It is left running.$PLAIN To look around, as root:

	  at() { n=\$1; shift; ip netns exec $P-\$n env DMVPN_RUN=$W/run-\$n PATH=$B:\$PATH "\$@"; }
	  at spoke1 dmvpn status
	  at hub dmvpn-nhrp cache
	  at spoke1 dmvpn-ike sas
	  at spoke1 ip route
	  at lan1 ping 192.168.2.10
	  at hub dmvpn-nhrp trace
	  at spoke1 dmvpn-ike trace

	To stop it:

	  DEMO=$P DEMO_DIR=$W $HERE/demo.sh stop
	END
}

if [ "${1:-}" = stop ]; then
	W=${DEMO_DIR:?the directory that the demo printed}
	cleanup
	exit 0
fi
[ "$(id -u)" = 0 ] || {
	echo "demo: network namespaces need root" >&2
	exit 111
}
W=$(mktemp -d "/tmp/dmvpn-$P.XXXXXX")
chmod 711 "$W"
trap finish EXIT
trap 'exit 1' INT TERM HUP
cd "$W"

# ---- part one

make_sites() {
	site_new router hub spoke1 spoke2 lan0 lan1 lan2
	wire router hub 198.51.100.1/28 hub eth0 198.51.100.2/28
	wire router spoke1 198.51.100.17/28 spoke1 eth0 198.51.100.18/28
	wire router spoke2 198.51.100.33/28 spoke2 eth0 198.51.100.34/28
	gateway hub 198.51.100.1
	gateway spoke1 198.51.100.17
	gateway spoke2 198.51.100.33
	wire hub lan0 192.168.0.1/24 lan0 eth0 192.168.0.10/24
	wire spoke1 lan1 192.168.1.1/24 lan1 eth0 192.168.1.10/24
	wire spoke2 lan2 192.168.2.1/24 lan2 eth0 192.168.2.10/24
	gateway lan0 192.168.0.1
	gateway lan1 192.168.1.1
	gateway lan2 192.168.2.1
	routes_between router hub spoke1 spoke2
	held 'hub, spoke1, spoke2, a LAN behind each, a router between' \
		"$(on lan1 ping -c 1 -W 1 192.168.2.10 >/dev/null 2>&1 &&
			echo 'LANs reach each other without a tunnel?' ||
			echo 'a ping from LAN to LAN finds no way yet')"
}

issue() {	# NAME TUNNEL-ADDRESS SUBNET
	dmvpn-pki issue --dns "$1.demo" ${2:+--tunnel-address "$2"} \
		--subnet "$3" --out "$1.pem" "$1"
}
make_certificates() {
	export DMVPN_STORE="$W/ca.db"
	{
		dmvpn-pki init --name 'Demo CA'
		issue hub 10.0.0.1 192.168.0.0/24
		issue spoke1 10.0.0.2 192.168.1.0/24
		issue spoke2 10.0.0.3 192.168.2.0/24
		dmvpn-pki export --out ca.pem
	} >pki.log 2>&1
	held 'a CA and three certificates, which say what each may claim' \
		"$(dmvpn-pki verify --trust ca.pem spoke1.pem | tail -n 1 |
			sed 's/.*blocks */spoke1: /')"
}

make_files() {
	cat >hub.tunnel <<-END
	tunnel dmvpn0
	role hub
	address 10.0.0.1/24
	key 1
	identity hub.pem
	trust ca.pem
	lan 192.168.0.0/24
	END
	for i in 1 2; do
		cat >spoke$i.tunnel <<-END
		tunnel dmvpn0
		role spoke
		address 10.0.0.$((i + 1))/24
		key 1
		identity spoke$i.pem
		trust ca.pem
		hub 198.51.100.2 10.0.0.1
		lan 192.168.$i.0/24
		route 192.168.0.0/16
		END
	done
}

bring_up() {
	began=$(date +%s%N)
	on hub dmvpn up --wait hub.tunnel
	on spoke1 dmvpn up --wait spoke1.tunnel
	on spoke2 dmvpn up --wait spoke2.tunnel
	ms=$((($(date +%s%N) - began) / 1000000))
	held "dmvpn up on each site, from one short file ($ms ms for all three)" \
		"hub.tunnel has $(wc -l <hub.tunnel) lines and names no spoke, spoke1.tunnel has $(wc -l <spoke1.tunnel)"
}
registered_both() {
	[ "$(on hub dmvpn-nhrp cache -j | grep -c '"kind":"registered"')" -eq 2 ]
}
show_registered() {
	rc=0
	until_true 10 registered_both || rc=1
	verdict $rc 'both spokes are registered at the hub' \
		"$(on hub dmvpn status | sed -n 's/^ *+ spoke //p')"
}

json_of() {	# EVENT KEY: of the first such event
	grep -m 1 "\"event\":\"$1\"" nhrp.events |
		sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}

# A ping runs all the time; the first answer comes through the hub, the last
# one directly, and none is missing.
show_shortcut() {
	behind nhrp.events spoke1 dmvpn-nhrp events -j
	events=$BG
	capture router any wire.pcap
	wire_capture=$CAP
	capture lan1 eth0 lan.pcap icmp
	lan_capture=$CAP
	until_true 5 asleep "$events"
	behind through.txt lan1 ping -i 0.02 -p "$MARK_HEX" 192.168.2.10
	until_true 20 grep -q 'ttl=62' through.txt || :
	until_true 20 is_long through.txt 150 || :
	kill -INT "$BG"
	wait "$BG" || :
	out=$(cat through.txt)
	first=$(ttl_of "$out" 1)
	last=$(ttl_of "$out" '$')
	sent=$(printf '%s\n' "$out" | sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p')
	rc=0
	all_came "$out" "$sent" && [ "$first" = 61 ] || rc=1
	verdict $rc 'ping from LAN to LAN goes through the hub at first' \
		"icmp_seq=1 ttl=$first: three routers on the way"
	rc=0
	until_true 5 grep -q '"event":"nhrp-redirected"' nhrp.events &&
		until_true 5 grep -q '"event":"nhrp-shortcut-up"' nhrp.events ||
		rc=1
	verdict $rc 'the hub sends a redirect, spoke1 resolves and builds a tunnel to spoke2' \
		"redirect for $(json_of nhrp-redirected destination)
$(json_of nhrp-shortcut-up prefix) via $(json_of nhrp-shortcut-up via) at $(json_of nhrp-shortcut-up nbma), $(json_of nhrp-shortcut-up ms) ms after the request"
	rc=0
	all_came "$out" "$sent" && [ "$last" = 62 ] || rc=1
	verdict $rc 'the same ping then goes directly, and not one packet was lost' \
		"$(printf '%s\n' "$out" | grep 'packets transmitted' | sed 's/, time.*//'), last TTL $last"
	end_of "$events"
	capture_end "$lan_capture"
}

forwarded() {	# packets that the hub's tunnel took in
	on hub cat /sys/class/net/dmvpn0/statistics/rx_packets
}
show_direct() {
	before=$(forwarded)
	out=$(ping_from lan1 ping -i 0.02 -c 100 -W 2 192.168.2.10)
	after=$(forwarded)
	rc=0
	all_came "$out" 100 && [ "$(ttl_of "$out" 1)" = 62 ] &&
		[ $((after - before)) -lt 10 ] || rc=1
	verdict $rc 'a second ping is direct from its first packet on' \
		"TTL $(ttl_of "$out" 1); 200 packets between the LANs, $((after - before)) through the hub"
}
show_routes() {
	there=$(on spoke1 ip route show 192.168.2.0/24)
	hub=$(on hub ip route show | grep -E '192\.168\.[12]\.0' || :)
	rc=0
	case $there in *10.0.0.3*dmvpn0*) ;; *) rc=1 ;; esac
	[ "$(printf '%s\n' "$hub" | grep -c dmvpn0)" -eq 2 ] || rc=1
	verdict $rc 'they are routes in the kernel' "spoke1: $there
$(printf '%s\n' "$hub" | sed 's/^/hub:    /')"
}

show_multicast() {
	behind mroute.log hub python3 "$HERE/mroute.py" lan0 dmvpn0
	until_true 5 grep -q ready mroute.log
	capture lan0 eth0 mc-lan0.pcap dst 239.1.2.3
	a=$CAP
	capture spoke2 dmvpn0 mc-spoke2.pcap dst 239.1.2.3 or dst 224.0.0.77
	b=$CAP
	capture spoke1 dmvpn0 mc-spoke1.pcap icmp and dst net 224.0.0.0/4
	c=$CAP
	capture hub dmvpn0 mc-hub.pcap dst 224.0.0.77
	d=$CAP
	ping_from spoke1 ping -c 5 -i 0.1 -t 8 -I dmvpn0 -W 1 239.1.2.3 >/dev/null
	ping_from spoke1 ping -c 5 -i 0.1 -t 8 -I dmvpn0 -W 1 224.0.0.77 >/dev/null
	until_true 5 holds mc-lan0.pcap 'dst 239.1.2.3' 5 || :
	until_true 5 holds mc-spoke2.pcap 'dst 239.1.2.3' 5 || :
	until_true 5 holds mc-hub.pcap 'dst 224.0.0.77' 5 || :
	until_true 5 holds mc-spoke1.pcap icmp 10 || :
	for pid in $a $b $c $d; do
		capture_end "$pid"
	done
	lan=$(packets mc-lan0.pcap 'dst 239.1.2.3')
	other=$(packets mc-spoke2.pcap 'dst 239.1.2.3')
	back=$(($(packets mc-spoke1.pcap '') - 10))	# 10 went out there
	rc=0
	[ "$lan" -eq 5 ] && [ "$other" -eq 5 ] && [ "$back" -eq 0 ] || rc=1
	verdict $rc 'multicast from spoke1 reaches the LAN of the hub and, routed there, spoke2' \
		"239.1.2.3, TTL 8, 5 sent: $lan on the LAN, $other at spoke2, $back back at spoke1"
	here=$(packets mc-hub.pcap 'dst 224.0.0.77')
	reflected=$(packets mc-spoke2.pcap 'dst 224.0.0.77')
	rc=0
	[ "$here" -eq 5 ] && [ "$reflected" -eq 0 ] || rc=1
	verdict $rc 'link-local multicast is for the hub alone' \
		"224.0.0.77, 5 sent: $here at the hub, $reflected at spoke2"
}

ESP='udp port 4500 and udp[4:2] > 12 and udp[8:4] != 0'
IKE='udp port 500 or (udp port 4500 and udp[4:2] > 12 and udp[8:4] = 0)'
KEEPALIVE='udp port 4500 and udp[4:2] = 9'
show_wire() {
	capture_end "$wire_capture"
	ike=$(packets wire.pcap "$IKE")
	esp=$(packets wire.pcap "$ESP")
	keep=$(packets wire.pcap "$KEEPALIVE")
	nd=$(packets wire.pcap 'arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)')
	all=$(packets wire.pcap '')
	rest=$((all - ike - esp - keep - nd))
	rc=0
	[ "$rest" -eq 0 ] && [ "$esp" -gt 100 ] || rc=1
	verdict $rc 'the router in the middle saw IKE, ESP, ARP and keepalives only' \
		"$all packets: $ike IKE, $esp ESP, $nd ARP, $keep keepalives, $rest others"
	rc=0
	clear=$(grep -ac "$MARK" wire.pcap || :)
	inside=$(grep -aoc "$MARK" lan.pcap || :)
	[ "$clear" -eq 0 ] && [ "$inside" -gt 0 ] || rc=1
	verdict $rc 'and nothing of what was said' \
		"\"$MARK\" in the pings: found on the LAN, $clear times at the router"
}

# ---- part two

make_remotes() {
	site_new headend1 headend2 remote lan5 lan6 lan7
	wire router headend1 198.51.100.49/28 headend1 eth0 198.51.100.50/28
	wire router headend2 198.51.100.65/28 headend2 eth0 198.51.100.66/28
	wire router remote 198.51.100.81/28 remote eth0 198.51.100.82/28
	gateway headend1 198.51.100.49
	gateway headend2 198.51.100.65
	gateway remote 198.51.100.81
	wire headend1 lan5 192.168.50.1/24 lan5 eth0 192.168.50.10/24
	wire headend2 lan6 192.168.50.1/24 lan6 eth0 192.168.50.10/24
	wire remote lan7 192.168.70.1/24 lan7 eth0 192.168.70.10/24
	gateway lan5 192.168.50.1
	gateway lan6 192.168.50.1
	gateway lan7 192.168.70.1
	routes_between headend1 headend2 remote
	for n in headend1 headend2; do
		issue "$n" '' 192.168.50.0/24 >>pki.log 2>&1
		cat >$n.tunnel <<-END
		tunnel ipsec0
		role headend
		identity $n.pem
		trust ca.pem
		lan 192.168.50.0/24
		END
	done
	issue remote '' 192.168.70.0/24 >>pki.log 2>&1
	cat >remote.tunnel <<-END
	tunnel ipsec0
	role remote
	identity remote.pem
	trust ca.pem
	headend 198.51.100.50
	headend 198.51.100.66
	lan 192.168.70.0/24
	route 192.168.50.0/24
	END
	on headend1 dmvpn up --wait headend1.tunnel
	on headend2 dmvpn up --wait headend2.tunnel
	on remote dmvpn up --wait remote.tunnel
	held 'a remote with a list of two headends, IPsec tunnel mode, no GRE' \
		"$(on remote dmvpn status | sed -n '/in use/s/^ *+ //p')"
}

show_tunnel_mode() {
	capture router any direct.pcap not arp
	direct=$CAP
	out=$(ping_from lan7 ping -c 20 -i 0.05 -W 2 -p "$MARK_HEX" 192.168.50.10)
	capture_end "$direct"
	rc=0
	all_came "$out" 20 && [ "$(packets direct.pcap "$ESP")" -ge 36 ] &&
		! grep -aq "$MARK" direct.pcap || rc=1
	verdict $rc 'LAN to LAN through the first headend, as ESP' \
		"$(printf '%s\n' "$out" | grep 'packets transmitted' | sed 's/, time.*//')
$(packets direct.pcap "$ESP") ESP packets seen, the marker in none"
}

show_failover() {
	behind failover.log lan7 ping -D -O -i 0.1 -W 1 192.168.50.10
	pinger=$BG
	nap 0.5
	killed=$(date +%s)
	for pid in $(ip netns pids "$P-headend1"); do
		kill -KILL "$pid" 2>/dev/null || :
	done
	ip -n "$P-headend1" link set eth0 down
	rc=0
	until_true 20 uses_second || rc=1
	until_true 5 answers_again || rc=1
	moved=$(($(date +%s) - killed))
	end_of "$pinger"
	verdict $rc 'the headend in use is killed: the remote moves to the other by itself' \
		"after about $moved s; $(on remote dmvpn status | sed -n '/in use/s/^ *+ //p')"
	out=$(ping_from lan7 ping -c 20 -i 0.05 -W 2 192.168.50.10)
	rc=0
	all_came "$out" 20 || rc=1
	verdict $rc 'and the LANs talk again' \
		"$(printf '%s\n' "$out" | grep 'packets transmitted' | sed 's/, time.*//')"
}
uses_second() {
	on remote dmvpn-dpd status -j | grep '"in-use":true' |
		grep -q 198.51.100.66
}
answers_again() {
	on lan7 ping -c 1 -W 1 192.168.50.10
}

PATH=$B:$PATH
part 'Part one: DMVPN, a hub and two spokes'
make_sites
make_certificates
make_files
bring_up
show_registered
show_shortcut
show_direct
show_routes
show_multicast
show_wire
part 'Part two: IPsec directly, a remote and two headends'
make_remotes
show_tunnel_mode
show_failover
