# dmvpn-decode: IKE and NHRP from captures.  The captures of real peers lie
# beside the repository; without them their tests are skipped.

bats_require_minimum_version 1.5.0

setup() {
	B=${B:-$BATS_TEST_DIRNAME/../../build/bin}
	C=$BATS_TEST_DIRNAME/../../../shared/captures
	V=$BATS_TEST_DIRNAME/../vectors/decode
	D=$B/dmvpn-decode
}

captures() {
	[ -r "$C/$1" ] || skip "no captures of real peers here"
}

# An independent judge: tshark's count of frames that match.
need_judge() {
	command -v tshark >/dev/null || skip "tshark is not installed"
}

judge() {
	tshark -r "$1" -Y "$2" -T fields -e frame.number 2>/dev/null | wc -l
}

@test "an AES-GCM session of another implementation is read whole" {
	captures ikev2-decrypt-aes256gcm16.pcap
	run -0 --separate-stderr "$D" ike --json \
	    --keys "$C/ikev2_decryption_table" \
	    "$C/ikev2-decrypt-aes256gcm16.pcap"
	[ "${#lines[@]}" -eq 6 ]
	[ -z "$stderr" ]
	[ "$(jq -r 'select(.error) // empty' <<<"$output")" = "" ]
	# AUTH data as Wireshark's own test knows it
	auth=$(jq -r '.payloads[] | select(.type == "sk") | .payloads[] |
	    select(.type == "auth") | .data' <<<"$output")
	[[ ${auth%%$'\n'*} == bc404a4c*8b31 ]]
	[[ ${auth##*$'\n'} == 9ab71f14*2ded ]]
	jq -e 'select(.exchange == "informational") | .payloads[0].decrypted' \
	    <<<"$output"
}

@test "an AES-CBC session in a pcapng file is read whole" {
	captures ikev2-decrypt-aes256cbc.pcapng
	run -0 "$D" ike --json --keys "$C/ikev2_decryption_table" \
	    "$C/ikev2-decrypt-aes256cbc.pcapng"
	[ "${#lines[@]}" -eq 4 ]
	ids=$(jq -r '.payloads[] | select(.type == "sk") | .payloads[] |
	    select(.type == "id-i" or .type == "id-r") | .identity' \
	    <<<"$output" | sort -u | xargs)
	[ "$ids" = "192.168.1.14 192.168.1.2" ]
}

@test "without keys the encrypted payload says why it stays closed" {
	captures ikev2-decrypt-aes256gcm16.pcap
	run -0 "$D" ike "$C/ikev2-decrypt-aes256gcm16.pcap"
	[[ $output == *"not decrypted: no key for these SPIs"* ]]
	[[ $output != *"auth  psk"* ]]
}

@test "a wrong key is told from a missing one" {
	captures ikev2-decrypt-aes256gcm16.pcap
	sed 's/647075bf/647075be/; s/15c9eae6/15c9eae7/' \
	    "$C/ikev2_decryption_table" >"$BATS_TEST_TMPDIR/keys"
	run -0 "$D" ike -k "$BATS_TEST_TMPDIR/keys" \
	    "$C/ikev2-decrypt-aes256gcm16.pcap"
	[[ $output == *"not decrypted:"* ]]
	[[ $output != *"no key for"* && $output != *"auth  psk"* ]]
}

@test "strongSwan's sessions with FRR are read whole, proposals in words" {
	captures frr-trap-keys-bgp.pcap
	run -0 "$D" ike -k "$C/frr-trap-keys-bgp.keys/ikev2_decryption_table" \
	    "$C/frr-trap-keys-bgp.pcap"
	[[ $output == *"1 ike  aes-cbc-256  hmac-sha2-256-128  prf-hmac-sha2-256  modp2048"* ]]
	[[ $output == *"ts-r  192.0.2.1/32[gre/42]  192.0.2.1/32[gre]"* ]]
	[[ $output == *"use-transport-mode"* ]]
	[[ $output != *malformed* && $output != *"not decrypted"* ]]
	need_judge
	[ "$("$D" ike -j "$C/frr-trap-keys-bgp.pcap" | wc -l)" -eq \
	    "$(judge "$C/frr-trap-keys-bgp.pcap" isakmp)" ]
}

@test "every captured NHRP packet is read, and as many as tshark sees" {
	for f in nhrp-trace.pcap NHRP_registration.pcap frr-none-bgp.pcap; do
		captures $f
		run -0 "$D" nhrp --json "$C/$f"
		[ "$(jq -s 'map(select(.error)) | length' <<<"$output")" -eq 0 ]
		need_judge
		[ "${#lines[@]}" -eq "$(judge "$C/$f" nhrp)" ]
	done
}

@test "Cisco's registration: authentication, NAT extension, VLAN frames" {
	captures NHRP_registration.pcap
	run -0 "$D" nhrp --json --type registration-request \
	    "$C/NHRP_registration.pcap"
	[ "${#lines[@]}" -eq 2 ]
	[ "$(jq -r '.extensions[] | select(.type == "authentication").text' \
	    <<<"${lines[0]}")" = NHRPAUTH ]
	[ "$(jq -r '.extensions[] | select(.type == "nat-address") |
	    .clients[0].nbma' <<<"${lines[0]}")" = 169.254.100.5 ]
	[ "$(jq '."gre-key"' <<<"${lines[0]}")" -eq 2 ]
}

@test "NHRP inside ESP is read with the keys of esp_sa" {
	captures frr-trap-keys-bgp.pcap
	run -0 "$D" nhrp --json --esp-keys "$C/frr-trap-keys-bgp.keys/esp_sa" \
	    "$C/frr-trap-keys-bgp.pcap"
	[ "$(jq -s 'map(select(.error)) | length' <<<"$output")" -eq 0 ]
	kinds=$(jq -r .type <<<"$output" | sort | uniq -c | awk '{print $2 ":" $1}' |
	    xargs)
	[ "$kinds" = "registration-reply:2 registration-request:2 resolution-reply:4 resolution-request:4 traffic-indication:2" ]
	[ "$(jq -r 'select(."esp-spi" == null) | .type' <<<"$output")" = "" ]
}

@test "NHRP inside ESP stays closed without keys, and nothing found is 1" {
	captures frr-trap-keys-bgp.pcap
	run -1 --separate-stderr "$D" nhrp "$C/frr-trap-keys-bgp.pcap"
	[ -z "$output" ]
	[ "$stderr" = 'dmvpn-decode: no such message was found' ]
	run -111 --separate-stderr "$D" nhrp "$C/nowhere.pcap"
	[ "$stderr" = "dmvpn-decode: $C/nowhere.pcap: No such file or directory" ]
}

@test "on a terminal of 75 columns lines end between words" {
	captures nhrp-trace.pcap
	script -qefc "stty cols 75; $D nhrp $C/nhrp-trace.pcap" \
	    "$BATS_TEST_TMPDIR/out" >/dev/null 2>&1
	tr -d '\r' <"$BATS_TEST_TMPDIR/out" | sed '/^Script/d' |
	    sed 's/\x1b\[[0-9;]*m//g' >"$BATS_TEST_TMPDIR/plain"
	[ "$(wc -L <"$BATS_TEST_TMPDIR/plain")" -le 75 ]
	grep -qE '^ {4}.*gre key 1000$' "$BATS_TEST_TMPDIR/plain"
	# nothing but where lines end is different
	[ "$(tr -s ' \n' ' ' <"$BATS_TEST_TMPDIR/plain")" = \
	    "$("$D" nhrp "$C/nhrp-trace.pcap" | tr -s ' \n' ' ')" ] ||
	    { cat "$BATS_TEST_TMPDIR/plain"; false; }
}

@test "filters choose messages by peer, SPI and exchange" {
	captures frr-trap-keys-bgp.pcap
	all=$("$D" ike -j "$C/frr-trap-keys-bgp.pcap" | wc -l)
	run -0 "$D" ike -j --peer 192.0.2.12 --exchange ike-sa-init \
	    "$C/frr-trap-keys-bgp.pcap"
	[ "${#lines[@]}" -lt "$all" ]
	[ "$(jq -r .exchange <<<"$output" | sort -u)" = ike-sa-init ]
	spi=$(jq -r '."spi-i"' <<<"${lines[0]}")
	run -0 "$D" ike -j --spi "$spi" "$C/frr-trap-keys-bgp.pcap"
	[ "$(jq -r '."spi-i"' <<<"$output" | sort -u)" = "$spi" ]
	run -0 "$D" ike --count 1 "$C/frr-trap-keys-bgp.pcap"
	[ "$(grep -c octets.*request <<<"$output" || true)" -le 1 ]
}

@test "what is written as pcapng can be read again, by tshark too" {
	captures nhrp-trace.pcap
	"$D" nhrp --write "$BATS_TEST_TMPDIR/n.pcapng" "$C/nhrp-trace.pcap" \
	    >/dev/null
	"$D" nhrp -j "$C/nhrp-trace.pcap" | jq -S 'del(."gre-key")' >"$BATS_TEST_TMPDIR/a"
	"$D" nhrp -j "$BATS_TEST_TMPDIR/n.pcapng" | jq -S . >"$BATS_TEST_TMPDIR/b"
	diff "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
	captures ikev2-decrypt-aes256gcm16.pcap
	"$D" ike --write "$BATS_TEST_TMPDIR/i.pcapng" \
	    "$C/ikev2-decrypt-aes256gcm16.pcap" >/dev/null
	need_judge
	[ "$(judge "$BATS_TEST_TMPDIR/i.pcapng" isakmp)" -eq 6 ]
	[ "$(judge "$BATS_TEST_TMPDIR/i.pcapng" ip.checksum.status==0)" -eq 0 ]
}

@test "vectors of ours: every link type, fragments, IPv6, damaged packets" {
	for f in ethernet vlan raw sll sll2 null fragments ipv6; do
		run -0 "$D" ike --json "$V/$f.pcap"
		[ "${#lines[@]}" -eq 1 ]
		[ "$(jq -r .exchange <<<"$output")" = ike-sa-init ]
		[ "$(jq -r '.payloads[0].type' <<<"$output")" = nonce ]
	done
	run -1 "$D" ike --json "$V/damaged.pcap"
	[ "$(jq -s 'map(select(.error or .payloads[-1].error)) | length' \
	    <<<"$output")" -eq 3 ]
}

@test "a session of our own: fragments, certificates, rekeys, deletes" {
	run -0 "$D" ike --json --keys "$V/own.keys" "$V/own.pcap"
	[ "$(jq -s 'map(select(.error)) | length' <<<"$output")" -eq 0 ]
	# two IKE SAs; only fragments that are not the last stay closed
	[ "$(jq -r '."spi-i"' <<<"$output" | sort -u | wc -l)" -eq 2 ]
	[ "$(jq -r '.payloads[] | select(.decrypted == false) |
	    "\(.type) \(.fragment)"' <<<"$output" | sort -u)" = "skf 1" ]
	[ "$(jq -r '.payloads[].payloads[]? | select(.type == "cert").subject' \
	    <<<"$output" | xargs)" = "CN=a.example.org CN=b.example.org" ]
	[ "$(jq -r '.payloads[].payloads[]? | select(.type == "notify").notify' \
	    <<<"$output" | grep -c rekey-sa)" -eq 1 ]
	[ "$(jq -r '.payloads[].payloads[]? | select(.type == "delete").protocol' \
	    <<<"$output" | sort | uniq -c | awk '{ print $1 $2 }' | xargs)" = \
	    "2esp 2ike" ]
	run -0 "$D" ike "$V/own.pcap"
	[[ $output == *'vendor-id  "DMVPN-toolkit-01'* ]]
}

@test "foreign text never reaches the terminal raw" {
	run -0 "$D" ike "$V/escape.pcap"
	[[ $output == *'\x1b'* ]]
	[[ $output != *$'\e['* ]]
}

@test "wrong usage is 100 and says what is wrong" {
	run -100 --separate-stderr "$D" ike
	[[ -z $output && $stderr == *"name captures"* ]]
	run -100 --separate-stderr "$D" ike --exchange nonsense x
	[[ $stderr == *nonsense* ]]
	run -100 --separate-stderr "$D" ike --spi 12 x
	[[ $stderr == *"16 hexadecimal digits"* ]]
	printf 'a,b\n' >"$BATS_TEST_TMPDIR/keys"
	run -100 --separate-stderr "$D" ike --keys "$BATS_TEST_TMPDIR/keys" x
	[[ $stderr == *"keys:1: 2 fields, 8 wanted"* ]]
}

@test "a file that is not there, or is no capture, is 111" {
	run -111 --separate-stderr "$D" ike "$BATS_TEST_TMPDIR/none.pcap"
	[[ $stderr == *none.pcap* ]]
	printf 'this is no capture at all' >"$BATS_TEST_TMPDIR/text"
	run -111 --separate-stderr "$D" nhrp "$BATS_TEST_TMPDIR/text"
	[ -n "$stderr" ]
}

@test "help goes to stdout" {
	run -0 --separate-stderr "$D" ike --help
	[[ $output == *--keys* && -z $stderr ]]
	run -0 --separate-stderr "$D" nhrp --help
	[[ $output == *--esp-keys* && -z $stderr ]]
}
