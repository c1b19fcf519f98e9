# tests/run: alone
# Correctness at speed: every octet of TCP and UDP is compared while keys,
# paths and MTUs change.  SOAK_SECONDS: how long one run takes (make soak).

# shellcheck disable=SC2016,SC2154
bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	T=$BATS_TEST_TMPDIR
	SOAK=${O:-build}/${MODE:-release}/bench/soak
	[ -x "$SOAK" ] || SOAK=$BATS_TEST_DIRNAME/../../$SOAK
	[ -x "$SOAK" ] || skip "the checker is not built: make unit"
	printf 'correct horse' >"$T/psk"
	chmod 600 "$T/psk"
	S=${SOAK_SECONDS:-4}
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		tail -n 15 "$T"/*.log >&2 || true
	fi
	net_teardown
}

gre() {
	on "$1" "$B/dmvpn-gre" "${@:2}"
}

ike() {
	on "$1" "$B/dmvpn-ike" "${@:2}"
}

peer_of() {
	ike "$1" peers -j | jq .peer | head -n 1
}

# a - n - b; n is a NAT for a, which maps to ports of its own.
sites() {
	local n
	ns_new a n b
	link a:e0=10.0.1.2/24 n:e1=10.0.1.1/24
	link n:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	gateway a 10.0.1.1
	forward n
	nat :30000-39999
	for n in a b; do
		start "$n" "$n-gre" "$B/dmvpn-gre" run
		start "$n" "$n-pki" "$B/dmvpn-pki" agent \
			--psk "me=$T/psk" --id "$n.example.org"
		start "$n" "$n-ike" "$B/dmvpn-ike" run
	done
	gre a interface set dmvpn0 -a 10.255.0.1/24 -a fd00::1/64
	gre b interface set dmvpn0 -a 10.255.0.2/24 -a fd00::2/64
	ike b profile set p -i dmvpn0 --identity me --accept
	ike a profile set p -i dmvpn0 --identity me
	ike a connection set hub -p p --remote 192.0.2.2 --wait 15
	wait_for 5 eval '[ -n "$(peer_of b)" ]'
	for n in 10.255.0. fd00::; do
		gre a map set dmvpn0 "${n}2" "$(peer_of a)"
		gre b map set dmvpn0 "${n}1" "$(peer_of b)"
	done
}

nat() {
	on n nft -f - <<-END || skip "this kernel has no NAT"
		table ip nat
		delete table ip nat
		table ip nat {
			chain post {
				type nat hook postrouting priority 100
				oifname "e0" meta l4proto udp masquerade to $1
			}
		}
	END
	command -v conntrack >/dev/null || return 0
	on n conntrack -F 2>/dev/null
}

# Until the file is gone: a rekey from either side, another mapping, a
# narrower and a wider link, again and again.
disturb() {
	local k=0 mtu
	while [ -e "$T/running" ]; do
		k=$((k + 1))
		ike a rekey "$(peer_of a)" || true
		sleep 0.7
		nat ":$((30000 + k % 3 * 10000))-$((39999 + k % 3 * 10000))"
		ike b rekey "$(peer_of b)" || true
		mtu=1500
		[ $((k % 2)) -eq 0 ] || mtu=1400
		ip -n "$(ns_name n)" link set e0 mtu "$mtu"
		sleep 0.8
		gre b peer list -j | jq -r '"from \(.remote)"'
		gre b sa list -j | jq -r '"spi \(.["spi-in"])"'
	done
}

# soak ADDRESS SECONDS
soak() {
	local server p rc=0
	on b "$SOAK" serve "$1" 3>&- & server=$!
	wait_for 5 on b sh -c 'ss -Hln "sport = :7300" | grep -q LISTEN'
	touch "$T/running"
	disturb >>"$T/disturb.log" 2>&1 3>&- & p=$!
	on a timeout $(($2 + 60)) "$SOAK" run "$1" "$2" || rc=$?
	rm "$T/running"
	wait "$p" || true
	wait "$server" || rc=$?
	return "$rc"
}

# All that was to happen did; a slow machine needs longer for it.
disturbed() {
	[ "$(grep '^from' "$T/disturb.log" | sort -u | wc -l)" -ge 2 ] &&
		[ "$(grep '^spi' "$T/disturb.log" | sort -u | wc -l)" -ge 3 ]
}

@test "rekeys, another mapping of a NAT, another MTU: not one octet is wrong" {
	command -v nft >/dev/null || skip "nftables is not installed"
	sites
	for _ in 1 2 3; do
		soak 10.255.0.2 "$S"
		[ ! -d /proc/sys/net/ipv6 ] || soak fd00::2 "$S"
		! disturbed || break
	done
	disturbed
	[ "$(gre b status -j | jq '[.drops[] | select(.reason == "forged")] |
		length')" = 0 ]
	[ "$(ike b sas -j | jq -s length)" -ge 1 ]
}

# row of static keys: in and out of a, b the other way round
static() {
	local x y n
	x=$(od -An -v -tx1 -N"$2" /dev/urandom | tr -d ' \n')
	y=$(od -An -v -tx1 -N"$2" /dev/urandom | tr -d ' \n')
	printf 'in %s\nout %s\n' "$x" "$y" >"$T/keys-a"
	printf 'in %s\nout %s\n' "$y" "$x" >"$T/keys-b"
	chmod 600 "$T"/keys-?
	for n in a:1:2 b:2:1; do
		IFS=: read -r n own other <<<"$n"
		if [ "$3" = tunnel ]; then
			gre "$n" sa add 7 --cipher "$1" --mode tunnel -i ipsec0 \
				--spi-in "0x100$own" --spi-out "0x100$other" \
				-k "$T/keys-$n" --local-ts "172.16.$own.0/24" \
				--remote-ts "172.16.$other.0/24"
		else
			gre "$n" sa add 7 --cipher "$1" --spi-in "0x100$own" \
				--spi-out "0x100$other" -k "$T/keys-$n"
		fi
	done
}

# What tshark makes of the stream from port 7400, as it was on the wire.
followed() {
	local key auth=NULL akey=''
	case $1 in
	*cbc*) auth="HMAC-SHA-256-128 [RFC4868]"
		akey="0x${2:$((${#2} - 64))}" key=${2:0:$((${#2} - 64))} ;;
	*) key=$2 ;;
	esac
	case $1 in
	*cbc*) set -- "AES-CBC [RFC3602]" ;;
	*gcm) set -- "AES-GCM with 16 octet ICV [RFC4106]" ;;
	*) set -- "ChaCha20 with Poly1305 [RFC7634]" ;;
	esac
	tshark -r "$T/wire.pcap" -q -z follow,tcp,raw,0 \
		-o esp.enable_encryption_decode:TRUE \
		-o "uat:esp_sa:\"IPv4\",\"*\",\"*\",\"0x00001002\",\"$1\",\"0x$key\",\"$auth\",\"$akey\"" \
		2>/dev/null | grep -E '^[0-9a-f]+$' | xxd -r -p
}

@test "what is on the wire, decrypted by tshark, is what was sent" {
	local n cipher octets mode to
	command -v tshark >/dev/null || skip "tshark is not installed"
	command -v ethtool >/dev/null || skip "ethtool is not installed"
	ns_new a b
	link a:eth0=192.0.2.1/24 b:eth0=192.0.2.2/24
	addr a lo 172.16.1.1/32
	addr b lo 172.16.2.1/32
	for n in a:1:2 b:2:1; do
		IFS=: read -r n own other <<<"$n"
		start "$n" "$n-gre" "$B/dmvpn-gre" run
		gre "$n" interface set dmvpn0 -a "10.0.0.$own/24"
		gre "$n" interface set ipsec0 --mode direct
		gre "$n" peer set 7 --remote "192.0.2.$other"
		gre "$n" map set dmvpn0 "10.0.0.$other" 7
		gre "$n" route set ipsec0 "172.16.$other.0/24" --peer 7
		on "$n" ip route add "172.16.$other.1" via "169.254.0.7" \
			dev ipsec0 onlink src "172.16.$own.1"
	done
	# one datagram a packet on the wire
	on a ethtool -K eth0 tx-udp-segmentation off
	head -c 100000 /dev/urandom >"$T/sent"
	while read -u 9 -r cipher octets mode; do
		to=10.0.0.2
		[ "$mode" = transport ] || to=172.16.2.1
		static "$cipher" "$octets" "$mode"
		capture b eth0 "$T/wire.pcap" -B 32768 udp port 4500
		on b sh -c "exec nc -l -p 7400 >$T/came" 3>&- 9<&- \
			</dev/null & n=$!
		wait_for 5 on b sh -c 'ss -Hlnt "sport = :7400" | grep -q .'
		on a timeout 20 nc -N "$to" 7400 <"$T/sent"
		wait "$n"
		cmp "$T/sent" "$T/came"
		wait_for 5 eval '[ "$(stat -c %s "$T/wire.pcap")" -gt 105000 ]'
		capture_end
		followed "$cipher" "$(sed -n 's/^out //p' "$T/keys-a")" \
			>"$T/seen"
		cmp "$T/sent" "$T/seen"
		gre a sa delete 0x1001
		gre b sa delete 0x1002
	done 9<<-END
		aes128-gcm 20 transport
		aes256-gcm 36 tunnel
		aes128-cbc-sha256 48 tunnel
		aes256-cbc-sha256 64 transport
	END
}
