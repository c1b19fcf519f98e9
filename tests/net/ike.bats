# tests/run: calm
# dmvpn-ike between two of our own, over real packets: a (192.0.2.1) begins,
# b (192.0.2.2) answers.

bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	T=$BATS_TEST_TMPDIR
	printf 'correct horse' >"$T/psk"
	chmod 600 "$T/psk"
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		tail -n 15 "$T"/*.log >&2 || true
	fi
	net_teardown
	# what a sanitizer found fails the test
	! grep -E 'Sanitizer|runtime error:' "${T:-/nonexistent}"/*.log \
	    2>/dev/null || return 1
}

two() {
	ns_new a b
	link a:e0=192.0.2.1/24 b:e0=192.0.2.2/24
}

# site NAME [AGENT ARGUMENTS...]: gre, agent and ike in a namespace
site() {
	local n=$1
	shift
	start "$n" "$n-gre" "$B/dmvpn-gre" run
	if [ $# -gt 0 ]; then
		start "$n" "$n-pki" "$B/dmvpn-pki" agent "$@"
	else
		start "$n" "$n-pki" "$B/dmvpn-pki" agent --psk "me=$T/psk" \
		    --id "$n.example.org"
	fi
	start "$n" "$n-ike" "$B/dmvpn-ike" run
}

ike() {
	local n=$1
	shift
	on "$n" "$B/dmvpn-ike" "$@"
}

gre() {
	local n=$1
	shift
	on "$n" "$B/dmvpn-gre" "$@"
}

# GRE in transport mode, 10.255.0.1 and 10.255.0.2; more arguments go to the
# profiles of both.
mgre() {
	gre a interface set dmvpn0 -a 10.255.0.1/24
	gre b interface set dmvpn0 -a 10.255.0.2/24
	ike b profile set p -i dmvpn0 --identity me --accept "$@"
	ike a profile set p -i dmvpn0 --identity me "$@"
	ike a connection set hub -p p --remote 192.0.2.2 --wait 15
	wait_for 5 has_peer b
	gre a map set dmvpn0 10.255.0.2 "$(peer_of a)"
	gre b map set dmvpn0 10.255.0.1 "$(peer_of b)"
}

# Tunnel mode, 10.1/16 behind a and 10.2/16 behind b, routed.
direct() {
	addr a lo 10.1.0.1/32
	addr b lo 10.2.0.1/32
	gre a interface set ipsec0 --mode direct
	gre b interface set ipsec0 --mode direct
	ike b profile set p -i ipsec0 --identity me --accept --mode tunnel \
	    --local-ts 10.2.0.0/16 --remote-ts 10.1.0.0/16 --routes "$@"
	ike a profile set p -i ipsec0 --identity me --mode tunnel \
	    --local-ts 10.1.0.0/16 --remote-ts 10.2.0.0/16 --routes "$@"
	ike a connection set hub -p p --remote 192.0.2.2 --wait 15
	wait_for 5 has_peer b
}

peer_of() {
	ike "$1" peers -j | jq .peer | head -n 1
}

has_peer() {
	[ -n "$(peer_of "$1")" ]
}

spis() {
	ike "$1" sas -j | jq -r 'select(.state == "up") |
	    .children[0]."spi-in"'
}

ike_spi() {
	ike "$1" sas -j | jq -r 'select(.state == "up")."spi-i"'
}

# changed HOW WAS: what HOW tells of a is there, and another
changed() {
	[ -n "$("$1" a)" ] && [ "$("$1" a)" != "$2" ]
}

@test "PSK: a transport SA carries GRE, and both know each other" {
	two
	site a
	site b
	mgre
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
	[ "$(ike a peers -j | jq -r .identity)" = b.example.org ]
	[ "$(ike b peers -j | jq -r .identity)" = a.example.org ]
	[ "$(ike b peers -j | jq -r .psk)" = true ]
	run -0 ike a status
	[[ $output == *"hub: up for"*"b.example.org at 192.0.2.2"* ]]
	ike a probe-peer hub
}

@test "direct: a tunnel SA carries subnets, whose routes come and go with it" {
	two
	site a
	site b
	direct
	on a ip route show 10.2.0.0/16 | grep -q ipsec0
	on a ping -c 3 -i 0.1 -W 2 -I 10.1.0.1 10.2.0.1
	on b ping -c 3 -i 0.1 -W 2 -I 10.2.0.1 10.1.0.1
	ike a connection delete hub
	wait_for 5 eval '[ -z "$(on a ip route show 10.2.0.0/16)" ]'
	wait_for 5 eval '[ -z "$(on b ip route show 10.1.0.0/16)" ]'
	wait_for 5 eval '[ -z "$(ike b peers -j)" ]'
}

@test "certificates: identities, blocks and selectors come from them" {
	two
	cd "$T"
	"$B/dmvpn-pki" init --store "$T/ca.db" --name test
	for n in a b; do
		"$B/dmvpn-pki" issue --store "$T/ca.db" --out "$T/$n.pem" \
		    --tunnel-address "10.255.0.$([ $n = a ] && echo 1 || echo 2)" \
		    "$n.example.org"
	done
	site a --load "me=$T/a.pem"
	site b --load "me=$T/b.pem"
	mgre --peer-id '*.example.org' --need-blocks
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
	[ "$(ike a peers -j | jq -r .identity)" = b.example.org ]
	[ "$(ike a peers -j | jq -r '.blocks[0]')" = 10.255.0.2/32 ]
}

@test "rekeying children and IKE SAs from either side loses nothing" {
	two
	site a
	site b
	mgre
	before=$(spis a)
	rekeys() {
		local n was
		for n in a b a b; do
			was=$(spis a)
			ike $n rekey "$(peer_of $n)"
			wait_for 3 changed spis "$was"
			was=$(ike_spi a)
			ike $n rekey --ike "$(peer_of $n)"
			wait_for 3 changed ike_spi "$was"
		done
	}
	lossless a 10.255.0.2 rekeys
	[ "$(spis a)" != "$before" ]
	[ "$(ike a peers -j | wc -l)" -eq 1 ]
	one_up() {
		[ "$(ike a sas -j |
		    jq -s 'map(select(.state == "up")) | length')" -eq 1 ]
	}
	wait_for 5 one_up
}

@test "a wrong PSK is told on both sides, in one sentence with a code" {
	local began=$SECONDS
	two
	site a
	printf 'another' >"$T/psk"
	site b
	gre a interface set dmvpn0
	gre b interface set dmvpn0
	ike b profile set p -i dmvpn0 --identity me --accept
	ike a profile set p -i dmvpn0 --identity me
	run -1 --separate-stderr ike a connection set hub -p p \
	    --remote 192.0.2.2 --once --wait 60
	[[ $stderr == *authentication* || $stderr == *AUTH* ]]
	[ $((SECONDS - began)) -lt 30 ]	# it does not wait for more
	wait_for 5 eval 'ike b why 192.0.2.1'
	run -0 ike b why -j 192.0.2.1
	[ "$(jq -r .reason.code <<<"$output" | head -n 1)" != "" ]
	run -0 ike b status
	[[ $output == *"192.0.2.1:"*refused* ]]
	run -0 ike a why hub
	[[ $output == hub:* ]]
}

@test "no common proposal: both lists and the first difference are named" {
	two
	site a
	site b
	gre a interface set dmvpn0
	gre b interface set dmvpn0
	ike b profile set p -i dmvpn0 --identity me --accept \
	    --proposal aes256gcm16-prfsha384-ecp384
	ike a profile set p -i dmvpn0 --identity me \
	    --proposal aes128-sha256-modp2048
	run -1 --separate-stderr ike a connection set hub -p p \
	    --remote 192.0.2.2 --once --wait 60
	[[ $stderr == *proposal* ]]
	wait_for 5 ike b why 192.0.2.1
	run -0 ike b why -j 192.0.2.1
	[[ $(jq -r .reason.offered <<<"$output") == *aes128*modp2048* ]]
	[[ $(jq -r .reason.wanted <<<"$output") == *aes256gcm16*ecp384* ]]
	[ -n "$(jq -r '.reason.difference // empty' <<<"$output")" ]
}

@test "no common selector: the peers say so, and IKE itself is not blamed" {
	two
	site a
	site b
	gre a interface set ipsec0 --mode direct
	gre b interface set ipsec0 --mode direct
	ike b profile set p -i ipsec0 --identity me --accept --mode tunnel \
	    --local-ts 10.2.0.0/16 --remote-ts 10.1.0.0/16
	ike a profile set p -i ipsec0 --identity me --mode tunnel \
	    --local-ts 172.16.0.0/16 --remote-ts 172.17.0.0/16
	run -1 --separate-stderr ike a connection set hub -p p \
	    --remote 192.0.2.2 --once --wait 60
	[[ $stderr == *selector* ]]
}

@test "an unreachable peer is said to be one, and tried again" {
	two
	site a
	gre a interface set dmvpn0
	ike a profile set p -i dmvpn0 --identity me
	ike a connection set hub -p p --remote 192.0.2.2
	wait_for 5 eval 'ike a status | grep -q "^hub: "'
	site b
	gre b interface set dmvpn0
	ike b profile set p -i dmvpn0 --identity me --accept
	wait_for 40 has_peer a
}

@test "OPS-01 kill -9 of dmvpn-ike on either side loses no packet" {
	two
	site a
	site b
	mgre
	crash() {
		slay b-ike
		start b b-ike "$B/dmvpn-ike" run
		ike b profile set p -i dmvpn0 --identity me --accept
		slay a-ike
		start a a-ike "$B/dmvpn-ike" run
		ike a profile set p -i dmvpn0 --identity me
		ike a connection set hub -p p --remote 192.0.2.2 --wait 10
	}
	lossless a 10.255.0.2 crash
	wait_for 20 has_peer b
	wait_for 5 eval '[ "$(gre b peer list -j | wc -l)" -eq 1 ]'
}

@test "kill -9 of the packet half: traffic is back within 2 s, with new keys" {
	two
	site a
	site b
	mgre
	halve() {
		local half was
		wait_for 5 pgrep -P "$(pid_of a-gre)"
		half=$(pgrep -P "$(pid_of a-gre)" | head -n 1)
		was=$(spis a)
		stream a 10.255.0.2
		kill -KILL "$half"
		stream_on 200
		measure
		took=$gap
		wait_for 5 changed spis "$was"
	}
	sooner 2000 halve
}

@test "a peer that is closed is told; one that is dead is not waited for" {
	two
	site a
	site b
	mgre
	follow a "$T/events" "$B/dmvpn-ike" events -j ike-down ike-up
	ike b close "$(peer_of b)" --why "as a test"
	wait_for 5 grep -q ike-down "$T/events"
	wait_for 10 grep -q ike-up "$T/events"
	slay b-ike
	slay b-gre
	run -1 ike a probe-peer hub
	ike a close hub --dead --why "it does not answer"
	run -0 ike a peers -j
	[ -z "$output" ]
}

@test "trace shows messages decrypted; exported keys open a capture" {
	two
	start a a-gre "$B/dmvpn-gre" run
	start a a-pki "$B/dmvpn-pki" agent --psk "me=$T/psk" --id a.example.org
	start a a-ike "$B/dmvpn-ike" run --export-keys "$T/keys"
	site b
	capture a e0 "$T/wire.pcap" udp
	follow a "$T/trace" "$B/dmvpn-ike" trace -j --write "$T/trace.pcapng"
	mgre
	wait_for 5 eval '[ "$(grep -c ike-auth "$T/trace")" -ge 2 ]'
	ike a probe-peer hub	# messages without a payload inside SK
	wait_for 5 eval '[ "$(grep -c informational "$T/trace")" -ge 2 ]'
	[ "$(jq -r '.payloads[]? | select(.type == "sk").decrypted' \
	    "$T/trace" | sort -u)" = true ]
	capture_end
	run -0 "$B/dmvpn-decode" ike -j --keys "$T/keys" "$T/wire.pcap"
	ids=$(jq -r '.payloads[] | select(.type == "sk") | .payloads[]? |
	    select(.type == "id-i" or .type == "id-r").identity' \
	    <<<"$output" | sort -u | xargs)
	[ "$ids" = "a.example.org b.example.org" ]
	run -0 "$B/dmvpn-decode" ike -j --keys "$T/trace.pcapng.keys" \
	    "$T/trace.pcapng"
	[[ $output == *a.example.org* ]]
}

@test "keys are not exported unless asked for" {
	two
	site a
	site b
	follow a "$T/events" "$B/dmvpn-ike" events -j ike-keys
	mgre
	[ ! -s "$T/events" ]
}

@test "composition: dmvpn-gre with, dmvpn-ike connect, and no daemon" {
	two
	for n in a b; do
		[ $n = a ] && other=b at=1 peer=2 || { other=a; at=2; peer=1; }
		ip netns exec "$(ns_name $n)" env DMVPN_RUN="$T/run/$n" \
		    "$B/dmvpn-gre" with dmvpn0 --local "192.0.2.$at" \
		    -a "10.255.0.$at/24" -- \
		    "$B/dmvpn-ike" connect --psk-file "$T/psk" \
		    --id "$n.example.org" --peer-address "10.255.0.$peer" \
		    $([ $n = b ] && echo --accept || echo 192.0.2.2) \
		    3>&- </dev/null >"$T/$n.log" 2>&1 &
		echo $! >"$NET_PIDS/with-$n"
		# a begins when nobody answers yet
		[ $n = b ] || wait_for 5 on a ip link show dmvpn0
	done
	wait_for 15 grep -q '^up: ' "$T/a.log"
	wait_for 5 grep -q '^up: ' "$T/b.log"
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
}

@test "stop --keep and a new daemon: the tunnel is adopted, nothing is lost" {
	two
	site a
	site b
	mgre
	upgrade() {
		ike a stop --keep
		start a a-ike "$B/dmvpn-ike" run
		ike a profile set p -i dmvpn0 --identity me
		ike a connection set hub -p p --remote 192.0.2.2 --wait 10
	}
	lossless a 10.255.0.2 upgrade
	[ "$(peer_of a)" -eq 1 ]
}

@test "kill -9 of the agent: tunnels stay, and new ones come up with it" {
	two
	site a
	site b
	mgre
	slay a-pki
	wait_for 5 eval 'ike a status | grep -q "agent not reachable"'
	was=$(spis a)
	ike a rekey hub
	wait_for 5 changed spis "$was"
	on a ping -c 2 -i 0.1 -W 2 10.255.0.2
	ike a close hub
	wait_for 5 eval 'ike a why hub | grep -q agent'
	start a a-pki "$B/dmvpn-pki" agent --psk "me=$T/psk" --id a.example.org
	wait_for 40 has_peer a
}

# IKE_SA_INITs with random SPIs, as many as there can be, until the file is
# gone.
flood() {	# FILE
	on a timeout 60 python3 -c '
import os, socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
def t(last, kind, number, attr=b""):
    return struct.pack("!BBHBBH", 0 if last else 3, 0, 8 + len(attr), kind,
                       0, number) + attr
def p(next, body):
    return struct.pack("!BBH", next, 0, 4 + len(body)) + body
tr = (t(0, 1, 20, struct.pack("!HH", 0x800E, 256)) + t(0, 2, 6) +
      t(1, 4, 31))
sa = p(34, struct.pack("!BBHBBBB", 0, 0, 8 + len(tr), 1, 1, 0, 3) + tr)
ke = p(40, struct.pack("!HH", 31, 0) + os.urandom(32))
n = 0
while n % 1000 or os.path.exists(sys.argv[1]):
    body = sa + ke + p(0, os.urandom(32))
    head = struct.pack("!BBBBII", 33, 0x20, 34, 8, 0, 28 + len(body))
    n += 1
    try:
        s.sendto(os.urandom(8) + bytes(8) + head + body, ("192.0.2.2", 500))
    except BlockingIOError:
        pass
print(n)
' "$1"
}

@test "IKE-01 a flood gets cookies and no state; a real peer comes up in it" {
	command -v python3 >/dev/null || skip "python3 is not installed"
	two
	site a
	site b
	gre a interface set dmvpn0
	gre b interface set dmvpn0
	ike b profile set p -i dmvpn0 --identity me --accept
	ike a profile set p -i dmvpn0 --identity me
	heap() { on b "$B/dmvpn-dpd" hello -j ike | jq '.heap // 0'; }
	cookies() {
		[ "$(ike b status -j | jq '[.counters[] |
		    select(.name == "cookies").count][0]')" -gt "$1" ]
	}
	before=$(heap)
	touch "$T/flooding"
	flood "$T/flooding" >"$T/sent" 3>&- &
	p=$!
	wait_for 10 cookies 1000
	ike a connection set hub -p p --remote 192.0.2.2 --wait 10
	wait_for 20 cookies 20000
	rm "$T/flooding"
	wait "$p"
	after=$(heap)
	echo "sent $(cat "$T/sent"), heap $before, then $after"
	[ $((after - before)) -lt 1000000 ]
	[ "$(ike b status -j | jq .sas)" -le 40 ]
	[ "$(wc -l <"$T/b-ike.log")" -le 50 ]
}

@test "IPv6 below: the same tunnel between IPv6 addresses" {
	net_need_ipv6
	two
	addr a e0 2001:db8::1/64
	addr b e0 2001:db8::2/64
	site a
	site b
	gre a interface set dmvpn0 -a 10.255.0.1/24
	gre b interface set dmvpn0 -a 10.255.0.2/24
	ike b profile set p -i dmvpn0 --identity me --accept
	ike a profile set p -i dmvpn0 --identity me
	ike a connection set hub -p p --remote 2001:db8::2 --wait 15
	wait_for 5 has_peer b
	gre a map set dmvpn0 10.255.0.2 "$(peer_of a)"
	gre b map set dmvpn0 10.255.0.1 "$(peer_of b)"
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
	[ "$(ike b peers -j | jq -r .remote)" = '[2001:db8::1]:4500' ]
}

@test "an address of several: the answer leaves from the one that was asked" {
	two
	addr b e0 192.0.2.22/24
	addr b lo 198.51.100.1/32
	ip -n "$(ns_name a)" route add 198.51.100.1/32 via 192.0.2.2
	site a
	site b
	gre a interface set dmvpn0 -a 10.255.0.1/24
	gre b interface set dmvpn0 -a 10.255.0.2/24
	ike b profile set p -i dmvpn0 --identity me --accept
	ike a profile set p -i dmvpn0 --identity me
	for r in 192.0.2.22 198.51.100.1; do
		ike a connection set hub -p p --remote "$r" --wait 15
		[[ $(ike a peers -j | jq -r .remote) == "$r:"* ]]
		gre a map set dmvpn0 10.255.0.2 "$(peer_of a)"
		gre b map set dmvpn0 10.255.0.1 "$(peer_of b)"
		on a ping -c 3 -i 0.1 -W 2 10.255.0.2
		ike a connection delete hub
		wait_for 5 eval '[ -z "$(ike b peers -j)" ]'
	done
}

@test "ESP-15: two peers behind one NAT: told apart by port, and each is reached" {
	command -v nft >/dev/null || skip "nftables is not installed"
	ns_new a c n b
	link a:e0=10.0.1.2/24 n:e1=10.0.1.1/24
	link c:e0=10.0.2.2/24 n:e2=10.0.2.1/24
	link n:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	gateway a 10.0.1.1
	gateway c 10.0.2.1
	forward n
	on n nft -f - <<-EOF || skip "this kernel has no NAT"
	table ip nat {
		chain post {
			type nat hook postrouting priority 100
			oifname "e0" masquerade
		}
	}
	EOF
	site b
	gre b interface set dmvpn0 -a 10.255.0.9/24
	ike b profile set p -i dmvpn0 --identity me --accept
	for n in a c; do
		site $n
		gre $n interface set dmvpn0 \
		    -a "10.255.0.$([ $n = a ] && echo 1 || echo 2)/24"
		ike $n profile set p -i dmvpn0 --identity me
		ike $n connection set hub -p p --remote 192.0.2.2 --wait 15
		gre $n map set dmvpn0 10.255.0.9 "$(peer_of $n)"
	done
	wait_for 5 eval '[ "$(ike b peers -j | wc -l)" -eq 2 ]'
	[ "$(ike b peers -j | jq -r .remote | sort -u | wc -l)" -eq 2 ]
	[ "$(ike b peers -j | jq -r '."nat-remote"' | sort -u)" = true ]
	for n in a c; do
		p=$(ike b peers -j | jq "select(.identity == \"$n.example.org\").peer")
		gre b map set dmvpn0 \
		    "10.255.0.$([ $n = a ] && echo 1 || echo 2)" "$p"
		on $n ping -c 3 -i 0.1 -W 2 10.255.0.9
	done
	# the hub begins too: rekeys reach those behind the NAT
	for p in $(ike b peers -j | jq .peer); do
		ike b rekey "$p"
		ike b probe-peer "$p"
	done
	on a ping -c 2 -i 0.1 -W 2 10.255.0.9
	on c ping -c 2 -i 0.1 -W 2 10.255.0.9
}

@test "a NAT that maps anew: the peer is followed, traffic is back within 2 s" {
	command -v nft >/dev/null || skip "nftables is not installed"
	command -v conntrack >/dev/null || skip "conntrack is not installed"
	ns_new a n b
	link a:e0=10.0.1.2/24 n:e1=10.0.1.1/24
	link n:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	gateway a 10.0.1.1
	forward n
	nat() {
		on n nft -f - <<-EOF || skip "this kernel has no NAT"
		table ip nat
		delete table ip nat
		table ip nat {
			chain post {
				type nat hook postrouting priority 100
				oifname "e0" meta l4proto udp masquerade to $1
			}
		}
		EOF
	}
	nat :30000-39999
	site a
	site b
	mgre
	seen() { ike "$1" peers -j | jq -r .remote; }
	elsewhere() { [ "$(seen b)" != "$1" ]; }
	from=3
	map_anew() {
		local was
		was=$(seen b)
		stream a 10.255.0.2
		from=$((7 - from))
		nat ":${from}0000-${from}9999"
		on n conntrack -F
		stream_on 200
		measure
		took=$gap
		wait_for 5 elsewhere "$was"
	}
	sooner 2000 map_anew
	ike b probe-peer "$(peer_of b)"
}
