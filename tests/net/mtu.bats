# A narrow link on the way, with and without ICMP; marks of congestion.

# shellcheck disable=SC2016,SC2154
bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	command -v nft >/dev/null || skip "nftables is not installed"
	G=$B/dmvpn-gre
	T=$BATS_TEST_TMPDIR
	umask 077
}

teardown() {
	net_teardown
}

random_hex() {
	od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

# a - r - b; r is a router.
road() {
	ns_new a r b
	link a:eth0=192.0.2.2/24 r:west=192.0.2.1/24
	link b:eth0=198.51.100.2/24 r:east=198.51.100.1/24
	gateway a 192.0.2.1
	gateway b 198.51.100.1
	forward r
	IPV6=
	[ -d /proc/sys/net/ipv6 ] || return 0
	IPV6=yes
	addr a eth0 2001:db8:1::2/64
	addr r west 2001:db8:1::1/64
	addr b eth0 2001:db8:2::2/64
	addr r east 2001:db8:2::1/64
	gateway a 2001:db8:1::1
	gateway b 2001:db8:2::1
}

# r says nothing about packets that are too big.
silent() {
	on r nft -f - <<-END
		table inet silent {
			chain output {
				type filter hook output priority 0;
				icmp type destination-unreachable drop
				icmpv6 type packet-too-big drop
			}
		}
	END
}

# What r sends to b, and takes from there, has at most so many octets.
narrow() {
	ip -n "$(ns_name r)" link set east mtu "$1"
}

# site NAME OWN OTHER REMOTE ENCAP CIPHER: 10.0.0.OWN on dmvpn0
site() {
	local peer protect=ipsec
	[ "$5" != none ] || protect=none
	start "$1" "gre-$1" "$G" run
	on "$1" "$G" interface set dmvpn0 --protect "$protect" \
		-a "10.0.0.$2/24" ${IPV6:+-a "fd00::$2/64"}
	peer=$(on "$1" "$G" peer set --encap "$5" --remote "$4")
	on "$1" "$G" map set dmvpn0 "10.0.0.$3" "$peer"
	[ -z "$IPV6" ] || on "$1" "$G" map set dmvpn0 "fd00::$3" "$peer"
	[ "$5" = none ] || on "$1" "$G" sa add "$peer" --cipher "$6" \
		--spi-in "0x100$2" --spi-out "0x100$3" -k "$T/keys-$1"
}

# tunnel [ENCAP [OUTER-A OUTER-B [CIPHER OCTETS]]]
tunnel() {
	local x y
	x=$(random_hex "${5:-20}") y=$(random_hex "${5:-20}")
	printf 'in %s\nout %s\n' "$x" "$y" >"$T/keys-a"
	printf 'in %s\nout %s\n' "$y" "$x" >"$T/keys-b"
	site a 1 2 "${3:-198.51.100.2}" "${1:-udp}" "${4:-aes128-gcm}"
	site b 2 1 "${2:-192.0.2.2}" "${1:-udp}" "${4:-aes128-gcm}"
}

peer() {
	on "$1" "$G" peer list -j | jq -r "$2"
}

# found SITE MTU: by probes, as near as ESP's padding lets tell
found() {
	local mtu
	[ "$(peer "$1" '.["mtu-how"], .searching // false' | xargs)" = \
		"probed false" ] || return 1
	mtu=$(peer "$1" .mtu)
	[ "$mtu" -lt $(($2 + 4)) ] && [ "$mtu" -gt $(($2 - 4)) ]
}

# carries OCTETS [OPTION...]: TCP from a to b, all of it
carries() {
	local server
	on b iperf3 -s -1 >"$T/server" 3>&- &
	server=$!
	wait_for 5 on b sh -c 'ss -Hlnt "sport = :5201" | grep -q .'
	on a timeout 20 iperf3 -c 10.0.0.2 -n "$@" >"$T/client"
	wait "$server"
}

# fits SITE ADDRESS N: a packet of N octets without fragments goes through
# the tunnel, one more is answered with this MTU
fits() {
	local head=28
	[[ $2 != *:* ]] || head=48
	on "$1" ping -q -c 1 -W 2 -M do -s $(($3 - head)) "$2"
	run ! on "$1" ping -c 1 -W 2 -M do -s $(($3 - head + 1)) "$2"
	[[ $output == *"mtu=$3"* || $output == *"mtu = $3"* ||
		$output == *"Packet too big: mtu=$3"* ]]
}

@test "GRE-10: a narrow link without ICMP: the MTU is found, TCP goes on" {
	road
	silent
	tunnel
	wait_for 5 found a 1500
	narrow 1400
	capture b eth0 "$T/wire.pcap"
	carries 3M
	capture_end
	wait_for 5 found a 1400
	run -0 on a "$G" peer list
	[[ $output == *"  14"0?"  probed  "* || $output == *"  139"?"  probed  "* ]]
	run -0 packets "$T/wire.pcap" 'ip[6:2] & 0x3fff != 0'
	[ -z "$output" ]	# not one fragment outside
	fits a 10.0.0.2 "$(peer a '.["inner-mtu"]')"
}

@test "GRE-10: the same in clear, where the peer is pinged, and over IPv6" {
	road
	silent
	tunnel none
	wait_for 5 found a 1500
	narrow 1400
	carries 3M
	wait_for 5 found a 1400
	[ -n "$IPV6" ] || skip "this kernel has no IPv6"
	stop gre-a
	stop gre-b
	tunnel udp 2001:db8:1::2 2001:db8:2::2
	wait_for 10 found a 1400
	carries 3M
}

@test "ICMP is heard at once, and a wider path is found in its turn" {
	road
	narrow 1400
	tunnel
	wait_for 5 found a 1400
	run -0 carries 1M
	# What the kernel heard meanwhile is not taken for the route's: a
	# path stated anew begins with what the route has.
	narrow 1500
	on a "$G" peer set "$(peer a .peer)" --remote 198.51.100.2 \
		--local 192.0.2.2
	wait_for 5 found a 1500
	narrow 1300
	on a ping -q -c 2 -W 1 -s 1290 -M dont 10.0.0.2 || true
	wait_for 5 found a 1300
}

# The MTU inside, from the SA itself: what RFC 4303 and RFC 2784 add.
@test "the tunnel's MTU follows cipher, encapsulation and family" {
	local encap cipher octets inside v6
	road
	while read -r encap v6 cipher octets inside; do
		[ "$v6" = - ] || [ -n "$IPV6" ] || continue
		if [ "$v6" = 6 ]; then
			tunnel "$encap" 2001:db8:1::2 2001:db8:2::2 \
				"$cipher" "$octets"
		else
			tunnel "$encap" 192.0.2.2 198.51.100.2 \
				"$cipher" "$octets"
		fi
		wait_for 5 found a 1500
		[ "$(peer a '.["inner-mtu"]')" = "$inside" ]
		wait_for 5 eval '[ "$(on a cat /sys/class/net/dmvpn0/mtu)" = '"$inside"' ]'
		capture b eth0 "$T/wire.pcap"
		on a ping -q -c 1 -W 2 -M do -s $((inside - 28)) 10.0.0.2
		[ -z "$IPV6" ] || on a ping -q -c 1 -W 2 -M do \
			-s $((inside - 48)) fd00::2
		capture_end
		# the next larger one is a block more
		run -0 packets "$T/wire.pcap" greater 1450
		[ -n "$output" ]
		run -0 packets "$T/wire.pcap" greater 1515
		[ -z "$output" ]
		stop gre-a
		stop gre-b
	done <<-END
		udp - aes128-gcm 20 1434
		esp - aes256-gcm 36 1442
		esp - aes128-cbc-sha256 48 1434
		udp 6 aes128-gcm 20 1414
		esp 6 aes256-cbc-sha256 64 1402
		none - - 20 1476
	END
}

@test "an inner packet that is too big is answered with the right MTU" {
	road
	tunnel
	wait_for 5 found a 1500
	# The device takes more than this peer: the tunnel must answer.
	on a "$G" interface set dmvpn0 -m 1600 -a 10.0.0.1/24 \
		${IPV6:+-a fd00::1/64}
	wait_for 5 eval '[ "$(on a cat /sys/class/net/dmvpn0/mtu)" = 1600 ]'
	fits a 10.0.0.2 "$(peer a '.["inner-mtu"]')"
	[ -z "$IPV6" ] || fits a fd00::2 "$(peer a '.["inner-mtu"]')"
	# without DF it is cut inside, not outside
	capture b eth0 "$T/wire.pcap"
	on a ping -q -c 1 -W 2 -M dont -s 4000 10.0.0.2
	capture_end
	run -0 packets "$T/wire.pcap" 'ip[6:2] & 0x3fff != 0'
	[ -z "$output" ]
	# TCP is told by its MSS
	capture b dmvpn0 "$T/syn.pcap" 'tcp[13] & 2 != 0'
	carries 100K
	capture_end
	run -0 packets "$T/syn.pcap"
	[[ $output == *"mss $(($(peer a '.["inner-mtu"]') - 40)),"* ]]
}

@test "ESP-20: DSCP and marks of congestion cross the tunnel as RFC 6040 wants" {
	local inner outer want size=100 name
	road
	tunnel
	wait_for 5 found a 1500
	capture b dmvpn0 "$T/inside.pcap" 'icmp[icmptype] = icmp-echo'
	capture r west "$T/outside.pcap" 'src 192.0.2.2 and udp port 4500'
	# inner, outer on arrival, what comes out (- dropped); RFC 6040, 4.2:
	# 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE
	while read -r inner outer want; do
		size=$((size + 1))
		name=$(echo not-ect ect1 ect0 ce | cut -d' ' -f$((outer + 1)))
		on r nft -f - <<-END
			table ip marks
			delete table ip marks
			table ip marks {
				chain forward {
					type filter hook forward priority 0;
					iifname "west" udp dport 4500 ip ecn set $name
				}
			}
		END
		# nothing is to come: it is not waited for
		on a ping -q -c 1 -W "$([ "$want" = - ] && echo 0.3 || echo 5)" \
			-s "$size" -Q $((0x88 + inner)) \
			10.0.0.2 >/dev/null 3>&- || [ "$want" = - ]
		echo "$size $inner $want" >>"$T/rows"
	done <<-END
		0 0 0
		0 1 0
		0 2 0
		0 3 -
		1 0 1
		1 1 1
		1 2 1
		1 3 3
		2 0 2
		2 1 1
		2 2 2
		2 3 3
		3 0 3
		3 1 3
		3 2 3
		3 3 3
	END
	wait_for 5 eval '[ "$(packets "$T/inside.pcap" | wc -l)" -ge 15 ]'
	capture_end
	while read -r size inner want; do
		run -0 packets "$T/inside.pcap" "ip[2:2] = $((size + 28))"
		[ "$want" != - ] || { [ -z "$output" ] && continue; }
		run -0 packets "$T/inside.pcap" \
			"ip[2:2] = $((size + 28)) and ip[1] = $((0x88 + want))"
		[ -n "$output" ] || { echo "$size $inner $want"; false; }
	done <"$T/rows"
	# outside, DSCP and mark are as inside (RFC 6040, 4.1, normal mode)
	for inner in 0 1 2 3; do
		run -0 packets "$T/outside.pcap" "ip[1] = $((0x88 + inner))"
		[ "$(echo "$output" | wc -l)" -ge 4 ]
	done
	run -0 on b "$G" status -j
	[ "$(echo "$output" | jq '.drops[] | select(.reason == "ecn").count')" = 1 ]
}
