# ESP with static keys, by hand: what IKE will do later.

# shellcheck disable=SC2016,SC2154
bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	G=$B/dmvpn-gre
	IPV6=
	[ ! -d /proc/sys/net/ipv6 ] || IPV6=yes
	K=$BATS_TEST_TMPDIR/keys
	mkdir -p "$K"
	chmod 700 "$K"
	umask 077
}

teardown() {
	net_teardown
}

random_hex() {
	od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

# keys NAME OCTETS: for both ends, a's "out" is b's "in"
keys() {
	local x y
	x=$(random_hex "$2") y=$(random_hex "$2")
	printf 'in %s\nout %s\n' "$x" "$y" >"$K/$1-a"
	printf 'in %s\nout %s\n' "$y" "$x" >"$K/$1-b"
	printf '%s\n' "$x" >"$K/$1-x"
	printf '%s\n' "$y" >"$K/$1-y"
}

# pair NAME SPI-A SPI-B [OPTIONS...]: install on both ends
pair() {
	local name=$1 sa=$2 sb=$3
	shift 3
	on a "$G" sa add "$(cat "$BATS_TEST_TMPDIR/peer-a")" --spi-in "$sa" \
		--spi-out "$sb" --keys-file "$K/$name-a" "$@"
	on b "$G" sa add "$(cat "$BATS_TEST_TMPDIR/peer-b")" --spi-in "$sb" \
		--spi-out "$sa" --keys-file "$K/$name-b" "$@"
}

# ends ENCAP OUTER-A OUTER-B
ends() {
	on a "$G" peer set --encap "$1" --remote "$3" \
		>"$BATS_TEST_TMPDIR/peer-a"
	on b "$G" peer set --encap "$1" --remote "$2" \
		>"$BATS_TEST_TMPDIR/peer-b"
}

wires() {
	ns_new a b
	link a:eth0=192.0.2.1/24 b:eth0=192.0.2.2/24
	[ -z "$IPV6" ] || {
		addr a eth0 2001:db8::1/64
		addr b eth0 2001:db8::2/64
	}
	# shellcheck disable=SC2086
	start a gre-a "$G" run ${RUN_OPTIONS:-}
	# shellcheck disable=SC2086
	start b gre-b "$G" run ${RUN_OPTIONS:-}
}

# mgre [ENCAP [OUTER-A OUTER-B]]: two sites with dmvpn0, 10.0.0.1 and .2
mgre() {
	local n
	wires
	for n in a:1 b:2; do
		on "${n%:*}" "$G" interface set dmvpn0 \
			-a "10.0.0.${n#*:}/24" \
			${IPV6:+-a "fd00::${n#*:}/64"}
	done
	ends "${1:-udp}" "${2:-192.0.2.1}" "${3:-192.0.2.2}"
	on a "$G" map set dmvpn0 10.0.0.2 "$(cat "$BATS_TEST_TMPDIR/peer-a")"
	on b "$G" map set dmvpn0 10.0.0.1 "$(cat "$BATS_TEST_TMPDIR/peer-b")"
	[ -z "$IPV6" ] || {
		on a "$G" map set dmvpn0 fd00::2 \
			"$(cat "$BATS_TEST_TMPDIR/peer-a")"
		on b "$G" map set dmvpn0 fd00::1 \
			"$(cat "$BATS_TEST_TMPDIR/peer-b")"
	}
}

both_ping() {
	on a ping -q -c 3 -i 0.1 -W 5 10.0.0.2
	[ -z "$IPV6" ] || on b ping -q -c 3 -i 0.1 -W 5 fd00::1
}

@test "no packet leaves in clear while there is no SA" {
	mgre
	capture b eth0 "$BATS_TEST_TMPDIR/wire.pcap"
	run ! on a ping -q -c 2 -i 0.1 -W 1 10.0.0.2
	capture_end
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" \
		'not arp and not icmp6 and not ip6 multicast'
	[ -z "$output" ]
}

@test "each cipher carries both families, with and without ESN" {
	local spi=4096 esn cipher octets
	mgre
	while read -r cipher octets; do
		for esn in '' --esn; do
			spi=$((spi + 2))
			keys "$cipher$esn" "$octets"
			pair "$cipher$esn" "$spi" "$((spi + 1))" \
				--cipher "$cipher" $esn
			both_ping
			on a "$G" sa delete "$spi"
			on b "$G" sa delete "$((spi + 1))"
		done
	done <<-END
		aes128-gcm 20
		aes256-gcm 36
		chacha20-poly1305 36
		aes128-cbc-sha256 48
		aes256-cbc-sha256 64
	END
}

@test "the wire shows ESP in UDP only, and nothing of what is inside" {
	mgre
	keys k 20
	pair k 0x1001 0x2001
	capture b eth0 "$BATS_TEST_TMPDIR/wire.pcap"
	on a ping -q -c 3 -i 0.1 -W 5 -p 4d41524b4552 10.0.0.2
	capture_end
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" udp port 4500
	[[ $output == *"ESP(spi=0x00002001,seq=0x1)"* ]]
	[[ $output == *"ESP(spi=0x00001001,seq=0x1)"* ]]
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" \
		'not udp port 4500 and not arp and not icmp6
		and not ip6 multicast'
	[ -z "$output" ]
	run ! grep -aq MARKER "$BATS_TEST_TMPDIR/wire.pcap"
}

@test "tshark, an independent judge, decrypts to GRE and ICMP" {
	command -v tshark >/dev/null || skip "tshark is not installed"
	mgre
	keys k 20
	pair k 0x1001 0x2001
	capture b eth0 "$BATS_TEST_TMPDIR/wire.pcap"
	on a ping -q -c 2 -i 0.1 -W 5 10.0.0.2
	capture_end
	run -0 tshark -r "$BATS_TEST_TMPDIR/wire.pcap" -Y icmp \
		-o esp.enable_encryption_decode:TRUE \
		-o "uat:esp_sa:\"IPv4\",\"192.0.2.1\",\"192.0.2.2\",\"0x00002001\",\"AES-GCM with 16 octet ICV [RFC4106]\",\"0x$(cat "$K/k-y")\",\"NULL\",\"\""
	[[ $output == *"10.0.0.1"*"10.0.0.2"*"Echo (ping) request"* ]]
}

@test "protocol 50 without UDP, over IPv4 and over IPv6" {
	mgre esp
	keys k 20
	pair k 0x1001 0x2001
	capture b eth0 "$BATS_TEST_TMPDIR/wire.pcap"
	both_ping
	capture_end
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" proto 50
	[[ $output == *"ESP(spi=0x00002001,seq=0x1)"* ]]
	[ -n "$IPV6" ] || return 0
	ends esp 2001:db8::1 2001:db8::2
	keys k6 20
	pair k6 0x1003 0x2003
	on a "$G" map set dmvpn0 10.0.0.2 "$(cat "$BATS_TEST_TMPDIR/peer-a")"
	on b "$G" map set dmvpn0 10.0.0.1 "$(cat "$BATS_TEST_TMPDIR/peer-b")"
	on a ping -q -c 3 -i 0.1 -W 5 10.0.0.2
}

# SPIs that belong to one receiver, then to the other; no packet comes to both
# (the second would count as replayed) and none is lost.
shared_out() {
	local spi
	for spi in 0x1000 0x1001 0x1002 0x1003; do
		keys "k$spi" 20
		pair "k$spi" "$spi" "$((spi + 0x1001))"
		both_ping
		on a "$G" sa delete "$spi"
		on b "$G" sa delete "$((spi + 0x1001))"
	done
	run -0 on b "$G" status -j
	jq -e '.threads == 4 and .senders == 2 and
		(.features[] | select(.name == "spi-steering") | .on) and
		([.drops[] | select(.reason == "replay" or
		.reason == "invalid-spi") | .count] | add // 0) == 0' \
		<<<"$output"
}

@test "four threads: each SPI has one receiver, in UDP" {
	RUN_OPTIONS="--threads 4"
	mgre
	shared_out
}

@test "four threads: each SPI has one receiver, as protocol 50" {
	RUN_OPTIONS="--threads 4"
	mgre esp
	shared_out
}

@test "IPv6 outside: ESP in UDP over IPv6 carries both families" {
	net_need_ipv6
	mgre udp 2001:db8::1 2001:db8::2
	keys k 36
	pair k 0x1001 0x2001 --cipher aes256-gcm
	capture b eth0 "$BATS_TEST_TMPDIR/wire.pcap"
	both_ping
	capture_end
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" ip6 and udp port 4500
	[[ $output == *"ESP(spi=0x00002001"* ]]
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" \
		'ip and not arp'
	[ -z "$output" ]
}

# Tunnel mode: LANs 172.16.1.0/24 and 172.16.2.0/24 behind ipsec0.
direct() {
	wires
	addr a lo 172.16.1.1/32
	addr b lo 172.16.2.1/32
	addr a lo 172.17.1.1/32
	on a "$G" interface set ipsec0 --mode direct
	on b "$G" interface set ipsec0 --mode direct
	ends udp 192.0.2.1 192.0.2.2
	on a "$G" route set ipsec0 172.16.2.0/24 \
		--peer "$(cat "$BATS_TEST_TMPDIR/peer-a")"
	on b "$G" route set ipsec0 172.16.1.0/24 \
		--peer "$(cat "$BATS_TEST_TMPDIR/peer-b")"
	keys k 20
	on a "$G" sa add "$(cat "$BATS_TEST_TMPDIR/peer-a")" --mode tunnel \
		-i ipsec0 --spi-in 0x1001 --spi-out 0x2001 -k "$K/k-a" \
		--local-ts 172.16.1.0/24 --remote-ts 172.16.2.0/24
	on b "$G" sa add "$(cat "$BATS_TEST_TMPDIR/peer-b")" --mode tunnel \
		-i ipsec0 --spi-in 0x2001 --spi-out 0x1001 -k "$K/k-b" \
		--local-ts 172.16.2.0/24 --remote-ts 172.16.1.0/24
}

@test "tunnel mode: the kernel routes by peer, selectors are checked" {
	direct
	capture b eth0 "$BATS_TEST_TMPDIR/wire.pcap"
	on a ping -q -c 3 -i 0.1 -W 5 -I 172.16.1.1 172.16.2.1
	run -0 on a ip route show 172.16.2.0/24
	[[ $output == *"via 169.254."*"dev ipsec0"*onlink* ]]
	# another source is outside the selectors
	run ! on a ping -q -c 2 -i 0.1 -W 1 -I 172.17.1.1 172.16.2.1
	capture_end
	run -0 on a "$G" status -j
	[[ $output == *'"selector"'* ]]
	run -0 packets "$BATS_TEST_TMPDIR/wire.pcap" \
		'not udp port 4500 and not arp and not icmp6
		and not ip6 multicast'
	[ -z "$output" ]
	run -0 on a "$G" lookup 172.16.2.9
	[[ $output == *"-> ipsec0 via 169.254."*"peer "* ]]
}

@test "a route goes with its peer" {
	direct
	on a "$G" peer delete "$(cat "$BATS_TEST_TMPDIR/peer-a")"
	wait_for 2 eval '[ -z "$(on a ip route show 172.16.2.0/24)" ]'
	run -0 on a "$G" sa list -j
	[ -z "$output" ]
	run -0 on a ip neigh show dev ipsec0 nud permanent
	[ -z "$output" ]
}

@test "rekey: the old pair keeps receiving, no packet is lost" {
	mgre
	keys k1 20
	keys k2 20
	pair k1 0x1001 0x2001
	replace() {
		pair k2 0x1002 0x2002 --standby
		on a "$G" sa use 0x1002
		on b "$G" sa use 0x2002
		on a "$G" sa delete --grace 1000 0x1001
		on b "$G" sa delete --grace 1000 0x2001
	}
	lossless a 10.0.0.2 replace
	gone() { [ "$(on a "$G" sa list -j | wc -l)" = 1 ]; }
	wait_for 3 gone
	run -0 on a "$G" sa list
	[[ $output == *00001002*active* ]]
}

# fragments WHAT: of a datagram with ESP for SPI 0x2001, from a to b
fragments() {
	on a python3 - "$1" <<-'END'
	import os, socket, struct, sys
	def ip(ident, offset, more, data):
	    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident,
	        (0x2000 if more else 0) | offset // 8, 64, 17, 0,
	        socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2"))
	s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
	def send(ident, offset, more, data):
	    s.sendto(ip(ident, offset, more, data) + data, ("192.0.2.2", 0))
	body = struct.pack("!II", 0x2001, 70000) + os.urandom(56)
	udp = struct.pack("!HHHH", 4500, 4500, 8 + len(body), 0) + body
	for n in range(50):
	    ident = int.from_bytes(os.urandom(2), "big")
	    if sys.argv[1] == "fitting":
	        send(ident, 0, True, udp[:32])
	        send(ident, 32, False, udp[32:])
	    elif sys.argv[1] == "overlapping":
	        send(ident, 0, True, udp[:32])
	        send(ident, 24, False, udp[24:])
	    elif sys.argv[1] == "beyond":	# of 65,535 octets
	        send(ident, 0, True, udp[:32])
	        send(ident, 65512, False, os.urandom(800))
	    else:				# the first, which is short
	        send(ident, 0, True, udp[:8])
	END
}

forged() {	# how many datagrams b found to be
	on b "$G" status -j |
		jq '[.drops[] | select(.reason == "forged").count] | add // 0'
}

forged_is() {
	[ "$(forged)" -eq "$1" ]
}

@test "ESP-17: fragments that overlap, lead beyond the end or stay alone have no effect" {
	command -v python3 >/dev/null || skip "python3 is not installed"
	mgre
	keys k 20
	pair k 0x1001 0x2001
	attack() {
		local what
		for what in overlapping beyond short; do
			fragments "$what"
			stream_on 20
		done
	}
	lossless a 10.0.0.2 attack
	forged_is 0
	# those that fit together come, and only the keys refuse them
	fragments fitting
	wait_for 5 forged_is 50
}

@test "IPC-13: the same keys are refused the second time, also after a crash" {
	mgre
	keys k 20
	pair k 0x1001 0x2001
	run -1 --separate-stderr pair k 0x1005 0x2005
	[[ $stderr == *"installed before"* ]]
	kill -9 "$(pgrep -P "$(pid_of gre-a)")"
	wait_for 3 on a "$G" status
	run -0 on a "$G" sa list -j
	[ -z "$output" ]	# keys live in the packet half only
	run -0 on a "$G" peer list -j
	[ -n "$output" ]
	run -1 --separate-stderr pair k 0x1001 0x2001
	[[ $stderr == *"installed before"* ]]
	on b "$G" sa delete 0x2001
	keys k2 20
	pair k2 0x1002 0x2002
	both_ping
}

@test "IPC-14: keys come neither from argv nor from a file that others can read" {
	mgre
	keys k 20
	chmod 644 "$K/k-a"
	run -100 --separate-stderr on a "$G" sa add \
		"$(cat "$BATS_TEST_TMPDIR/peer-a")" --spi-in 0x1001 \
		--spi-out 0x2001 -k "$K/k-a"
	[[ $stderr == *"can be read by others"* ]]
	chmod 600 "$K/k-a"
	on a "$G" sa add "$(cat "$BATS_TEST_TMPDIR/peer-a")" --spi-in 0x1001 \
		--spi-out 0x2001 <"$K/k-a"
	run -0 on a "$G" sa list -j
	[[ $output != *"$(cat "$K/k-x")"* && $output != *key* ]]
}

@test "ipsec-mb at one end and OpenSSL alone at the other understand each other" {
	mgre
	stop gre-b
	start b gre-b "$G" run --openssl
	run -0 on b "$G" status
	[[ $output == *"without ipsec-mb: told to use OpenSSL"* ]]
	on b "$G" interface set dmvpn0 -a 10.0.0.2/24
	ends udp 192.0.2.1 192.0.2.2
	on b "$G" map set dmvpn0 10.0.0.1 "$(cat "$BATS_TEST_TMPDIR/peer-b")"
	on a "$G" map set dmvpn0 10.0.0.2 "$(cat "$BATS_TEST_TMPDIR/peer-a")"
	keys k 20
	pair k 0x1001 0x2001
	on a ping -q -c 3 -i 0.1 -W 5 -s 1200 10.0.0.2
}
