# strongSwan's charon as a peer: b (192.0.2.2) with kernel-libipsec, which
# does tunnel mode in UDP only; a (192.0.2.1) is ours.  10.1/16 is behind a,
# 10.2/16 behind b.

bats_require_minimum_version 1.5.0
load ../net/lib
load lib

setup() {
	net_setup
	net_need_tun
	charon_need
	T=$BATS_TEST_TMPDIR
	D=$T/charon
	printf 'correct horse' >"$T/psk"
	chmod 600 "$T/psk"
	ns_new a b
	link a:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	addr a lo 10.1.0.1/32
	addr b lo 10.2.0.1/32
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		tail -n 25 "$T"/*.log "$D/charon.log" >&2 || true
	fi
	charon_stop "$D"
	net_teardown
	# what a sanitizer found fails the test
	! grep -E 'Sanitizer|runtime error:' "${T:-/nonexistent}"/*.log \
	    2>/dev/null || return 1
}

ike() {
	on a "$B/dmvpn-ike" "$@"
}

# ours AGENT ARGUMENTS...: gre, agent, ike
ours() {
	start a gre "$B/dmvpn-gre" run ${THREADS:+--threads "$THREADS"}
	start a pki "$B/dmvpn-pki" agent "$@"
	start a ike "$B/dmvpn-ike" run --export-keys "$T/keys"
	on a "$B/dmvpn-gre" interface set ipsec0 --mode direct
}

profile() {
	ike profile set p -i ipsec0 --identity me --mode tunnel \
	    --local-ts 10.1.0.0/16 --remote-ts 10.2.0.0/16 --routes "$@"
}

# theirs LOCAL-AUTH REMOTE-AUTH SECRETS [CHILD LINES]
theirs() {
	charon_start "$(ns_name b)" "$D"
	cat >"$D/swanctl.conf" <<-EOF
	connections { c {
		version = 2
		local_addrs = 192.0.2.2
		remote_addrs = 192.0.2.1
		proposals = ${PROPOSALS:-aes256gcm16-prfsha384-ecp384}
		dpd_delay = 5s
		local { $1
		}
		remote { $2
		}
		children { net {
			mode = tunnel
			local_ts = 10.2.0.0/16
			remote_ts = 10.1.0.0/16
			esp_proposals = ${ESP:-aes256gcm16}
			${4:-}
		} }
	} }
	$3
	EOF
	charon_load "$D"
}

theirs_psk() {
	theirs "auth = psk
		id = b.example.org" "auth = psk
		id = a.example.org" 'secrets { ike-1 {
		secret = "correct horse"
	} }' "$@"
}

ours_psk() {
	ours --psk "me=$T/psk" --id a.example.org
}

connect() {
	ike connection set b -p p --remote 192.0.2.2 --wait "${1:-20}"
}

ping_both() {
	on a ping -c 5 -i 0.1 -W 2 -I 10.1.0.1 10.2.0.1
	on b ping -c 5 -i 0.1 -W 2 -I 10.2.0.1 10.1.0.1
}

# 100 MB over TCP from one to the other, sums compared.
bulk() {
	local from=$1 to=$2 address=$3 source=$4
	[ -e "$T/bulk" ] || head -c 100000000 /dev/urandom >"$T/bulk"
	ip netns exec "$(ns_name "$to")" timeout 120 python3 -c '
import hashlib, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], 7777))
s.listen(1)
open(sys.argv[2] + ".ready", "w").close()
c, _ = s.accept()
h, n = hashlib.sha256(), 0
while b := c.recv(1 << 20):
    h.update(b)
    n += len(b)
open(sys.argv[2], "w").write("%d %s\n" % (n, h.hexdigest()))
' "$address" "$T/sum-$to" 3>&- &
	local p=$!
	wait_for 5 test -e "$T/sum-$to.ready"
	ip netns exec "$(ns_name "$from")" timeout 120 python3 -c '
import socket, sys
s = socket.create_connection((sys.argv[1], 7777),
                             source_address=(sys.argv[2], 0))
with open(sys.argv[3], "rb") as f:
    s.sendfile(f)
s.close()
' "$address" "$source" "$T/bulk"
	wait "$p"
	[ "$(cat "$T/sum-$to")" = \
	    "100000000 $(sha256sum "$T/bulk" | cut -d' ' -f1)" ]
}

our_spi() {
	ike sas -j | jq -r 'select(.state == "up") | .children[0]."spi-in"'
}

our_ike_spi() {
	ike sas -j | jq -r 'select(.state == "up")."spi-i"'
}

changed() {
	[ -n "$("$1")" ] && [ "$("$1")" != "$2" ]
}

@test "PSK, ours begins: traffic both ways, ping and 100 MB of TCP" {
	theirs_psk
	ours_psk
	profile
	connect
	ping_both
	bulk a b 10.2.0.1 10.1.0.1
	bulk b a 10.1.0.1 10.2.0.1
	wait_for 5 eval 'charon_ctl "$D" --list-sas | grep -q ESTABLISHED'
}

@test "PSK, charon begins: ours answers, traffic both ways" {
	theirs_psk
	ours_psk
	profile --accept
	charon_ctl "$D" --initiate --child net
	wait_for 5 eval '[ -n "$(our_spi)" ]'
	[ "$(ike peers -j | jq -r .identity)" = b.example.org ]
	ping_both
}

@test "RFC 9611, which charon does not know: it is never asked for more than one SA" {
	THREADS=4
	theirs_psk
	ours_psk
	profile
	follow a "$T/trace" "$B/dmvpn-ike" trace
	connect
	# Those of single threads would come after a second.
	ping_both
	on a ping -c 15 -i 0.1 -W 2 -I 10.1.0.1 10.2.0.1
	[ "$(grep -c sa-resource-info "$T/trace")" -eq 1 ]
	run ! grep -q create-child-sa "$T/trace"
	[ "$(on a "$B/dmvpn-gre" sa list -j | wc -l)" -eq 1 ]
	[ "$(charon_ctl "$D" --list-sas | grep -c INSTALLED)" -eq 1 ]
	run ! grep -i unsupported "$D/charon.log"
	no_alarms "$T/ike.log"
}

@test "every cipher of ESP and every group of IKE that both can" {
	PROPOSALS=aes256-sha256-modp2048,aes128-sha256-ecp256,aes256gcm16-prfsha384-ecp384,chacha20poly1305-prfsha256-x25519
	ESP=aes128gcm16,aes256gcm16,chacha20poly1305,aes128-sha256,aes256-sha256
	theirs_psk
	ours_psk
	while read -r ike esp; do
		profile --proposal "$ike" --esp-proposal "$esp" --esn refuse
		connect
		on a ping -c 2 -i 0.1 -W 2 -I 10.1.0.1 10.2.0.1
		ike connection delete b
		wait_for 5 eval '[ -z "$(ike peers -j)" ]'
	done <<-EOF
	aes256-sha256-modp2048 aes256-sha256
	aes128-sha256-ecp256 aes128-sha256
	aes256gcm16-prfsha384-ecp384 aes256gcm16
	chacha20poly1305-prfsha256-x25519 chacha20poly1305
	aes256-sha256-modp2048 aes128gcm16
	EOF
}

certificates() {
	"$B/dmvpn-pki" init --store "$T/ca.db" --name test
	"$B/dmvpn-pki" issue --store "$T/ca.db" --out "$T/a.pem" "$@" a.example.org
	"$B/dmvpn-pki" issue --store "$T/ca.db" --out "$T/b.pem" "$@" b.example.org
	mkdir -p "$D/x509" "$D/x509ca" "$D/private"
	"$B/dmvpn-pki" export --store "$T/ca.db" --out "$D/x509ca/ca.pem" ||
		awk '/BEGIN CERT/ { n++ } n >= 2' "$T/b.pem" \
		    >"$D/x509ca/ca.pem"
	awk '/BEGIN CERT/ { n++ } n == 1 { print } /END CERT/ && n == 1 { exit }' \
	    "$T/b.pem" >"$D/x509/b.pem"
	sed -n '/BEGIN.*PRIVATE/,/END.*PRIVATE/p' "$T/b.pem" \
	    >"$D/private/b.pem"
}

theirs_cert() {
	theirs "auth = pubkey
		certs = $D/x509/b.pem
		id = b.example.org" "auth = pubkey
		id = a.example.org
		cacerts = $D/x509ca/ca.pem" "secrets { private-1 {
		file = $D/private/b.pem
	} }" "$@"
}

@test "certificates (ECDSA), ours begins and charon begins" {
	certificates
	theirs_cert
	ours --load "me=$T/a.pem"
	profile --accept
	connect
	ping_both
	ike connection delete b
	wait_for 5 eval '[ -z "$(ike peers -j)" ]'
	charon_ctl "$D" --initiate --child net
	wait_for 5 eval '[ -n "$(our_spi)" ]'
	ping_both
}

@test "certificates with RSA keys, which need IKE fragments" {
	certificates --key-type rsa3072
	theirs_cert
	ours --load "me=$T/a.pem"
	profile
	connect
	grep -q 'parsed IKE_AUTH request 1 \[ EF(' "$D/charon.log"
	ping_both
}

@test "ours rekeys the child, then the IKE SA, and nothing is lost" {
	theirs_psk
	ours_psk
	profile
	connect
	rekeys() {
		local before
		before=$(our_spi)
		ike rekey b
		wait_for 5 changed our_spi "$before"
		before=$(our_ike_spi)
		ike rekey --ike b
		wait_for 5 changed our_ike_spi "$before"
		before=$(our_spi)
		ike rekey b
		wait_for 5 changed our_spi "$before"
	}
	lossless a 10.2.0.1 -i 0.02 -I 10.1.0.1 -- rekeys
	ping_both
}

@test "charon rekeys the child, then the IKE SA, and nothing is lost" {
	theirs_psk
	ours_psk
	profile
	connect
	rekeys() {
		local before
		before=$(our_spi)
		charon_ctl "$D" --rekey --child net
		wait_for 5 changed our_spi "$before"
		before=$(our_ike_spi)
		charon_ctl "$D" --rekey --ike c
		wait_for 5 changed our_ike_spi "$before"
		before=$(our_spi)
		charon_ctl "$D" --rekey --child net
		wait_for 5 changed our_spi "$before"
	}
	lossless a 10.2.0.1 -i 0.02 -I 10.1.0.1 -- rekeys
	ping_both
}

@test "liveness both ways, and a delete from either side" {
	theirs_psk
	ours_psk
	profile
	connect
	ike probe-peer b
	ike connection delete b
	wait_for 5 eval '! charon_ctl "$D" --list-sas | grep -q ESTABLISHED'
	profile --accept
	charon_ctl "$D" --initiate --child net
	wait_for 5 eval '[ -n "$(our_spi)" ]'
	wait_for 10 grep -q 'sending DPD request' "$D/charon.log"
	wait_for 5 grep -q 'parsed INFORMATIONAL response' "$D/charon.log"
	[ -n "$(our_spi)" ]
	charon_ctl "$D" --terminate --ike c
	wait_for 5 eval '[ -z "$(ike peers -j)" ]'
	wait_for 5 eval '[ -z "$(on a ip route show 10.2.0.0/16)" ]'
}

@test "a dead charon is found, and the connection comes back with it" {
	theirs_psk
	ours_psk
	profile
	connect
	kill -KILL "$(cat "$D/pid")"
	run -1 ike probe-peer b
	ike close b --dead
	rm -f "$D/vici"
	theirs_psk
	wait_for 40 eval '[ -n "$(our_spi)" ]'
	ping_both
}

@test "a wrong PSK: charon says AUTHENTICATION_FAILED, ours says it plainly" {
	theirs_psk
	printf 'wrong' >"$T/psk"
	ours_psk
	profile
	run -1 --separate-stderr connect 15
	[[ $stderr == *uthentication* ]]
	[ "$(ike why -j b | jq -r .reason.code | head -n 1)" = \
	    authentication-failed ]
}

@test "nothing common with charon: proposal and selector are told apart" {
	theirs_psk
	ours_psk
	profile --proposal aes128-sha256-modp2048
	run -1 --separate-stderr connect 15
	[[ $stderr == *proposal* ]]
	ike connection delete b
	ike profile set p -i ipsec0 --identity me --mode tunnel \
	    --local-ts 172.16.0.0/16 --remote-ts 172.17.0.0/16
	run -1 --separate-stderr connect 15
	[[ $stderr == *selector* ]]
}

@test "a capture of it all decodes with our keys, and with charon's if it has any" {
	capture a e0 "$T/wire.pcap" udp
	theirs_psk
	ours_psk
	profile
	connect
	ike rekey b
	ike connection delete b
	wait_for 5 eval '[ -z "$(ike peers -j)" ]'
	capture_end
	for keys in "$T/keys" "$D/ikev2_decryption_table"; do
		# Debian's strongSwan has no save-keys
		[ "$keys" = "$T/keys" ] || [ -e "$keys" ] || continue
		run -0 "$B/dmvpn-decode" ike -j --keys "$keys" "$T/wire.pcap"
		[ "$(jq -s 'map(select(.payloads[]?.decrypted == false)) |
		    length' <<<"$output")" -eq 0 ]
		[[ $output == *create-child-sa* && $output == *b.example.org* ]]
	done
}

@test "probe reads charon's mind without a daemon" {
	theirs_psk
	run -0 on a "$B/dmvpn-ike" probe -j 192.0.2.2
	[ "$(jq -r .proposal <<<"$output")" = aes256gcm16-prfsha384-ecp384 ]
	run -1 on a "$B/dmvpn-ike" probe -j --proposal aes128-sha1-modp1024 \
	    192.0.2.2
	[ "$(jq -r .answer <<<"$output")" = no-proposal-chosen ]
}
