# strongSwan's charon asks our OCSP responder and fetches our lists, before it
# lets us (a, 192.0.2.1) in to b (192.0.2.2).

bats_require_minimum_version 1.5.0
load ../net/lib
load lib

setup() {
	net_setup
	net_need_tun
	charon_need
	[ -e /usr/lib/ipsec/plugins/libstrongswan-curl.so ] ||
		skip "strongSwan's curl plugin is not installed"
	CHARON_PLUGINS="$CHARON_PLUGINS curl"
	T=$BATS_TEST_TMPDIR
	D=$T/charon
	export DMVPN_STORE=$T/ca.db
	mkdir -p "$D/x509" "$D/x509ca" "$D/private"
	(
		umask 077
		"$B/dmvpn-pki" init --name test
		for n in a b; do
			"$B/dmvpn-pki" issue -o "$T/$n.pem" "$n.example.org"
		done
		openssl x509 -in "$T/b.pem" -out "$D/x509/b.pem"
		openssl pkey -in "$T/b.pem" -out "$D/private/b.pem"
		"$B/dmvpn-pki" export -o "$D/x509ca/ca.pem"
	)
	ns_new a b
	link a:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	addr a lo 10.1.0.1/32
	addr b lo 10.2.0.1/32
	start a serve "$B/dmvpn-pki" serve --http 192.0.2.1:8080
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		tail -n 25 "$T"/*.log "$D/charon.log" >&2 || true
	fi
	charon_stop "$D"
	net_teardown
}

ike() {
	on a "$B/dmvpn-ike" "$@"
}

# theirs KEY=VALUE: what they know about our CA
theirs() {
	charon_start "$(ns_name b)" "$D"
	cat >"$D/swanctl.conf" <<-END
	authorities { ca {
		cacert = $D/x509ca/ca.pem
		$1
	} }
	connections { c {
		version = 2
		local_addrs = 192.0.2.2
		remote_addrs = 192.0.2.1
		proposals = aes256gcm16-prfsha384-ecp384
		local {
			auth = pubkey
			certs = $D/x509/b.pem
			id = b.example.org
		}
		remote {
			auth = pubkey
			id = a.example.org
			cacerts = $D/x509ca/ca.pem
			revocation = strict
		}
		children { net {
			mode = tunnel
			local_ts = 10.2.0.0/16
			remote_ts = 10.1.0.0/16
			esp_proposals = aes256gcm16
		} }
	} }
	secrets { private-1 {
		file = $D/private/b.pem
	} }
	END
	charon_load "$D"
}

ours() {
	start a gre "$B/dmvpn-gre" run
	start a pki "$B/dmvpn-pki" agent --load "me=$T/a.pem"
	start a ike "$B/dmvpn-ike" run
	on a "$B/dmvpn-gre" interface set ipsec0 --mode direct
	ike profile set p -i ipsec0 --identity me --mode tunnel \
	    --local-ts 10.1.0.0/16 --remote-ts 10.2.0.0/16 --routes --ocsp ask
}

connect() {
	ike connection set b -p p --remote 192.0.2.2 --wait "${1:-20}"
}

@test "charon believes our OCSP responder: good comes in, revoked does not" {
	theirs 'ocsp_uris = http://192.0.2.1:8080/ocsp'
	ours
	connect
	on a ping -c 3 -i 0.1 -W 2 -I 10.1.0.1 10.2.0.1
	grep -q 'ocsp response is valid' "$D/charon.log"
	grep -q 'certificate status is good' "$D/charon.log"
	ike connection delete b
	"$B/dmvpn-pki" revoke --reason key-compromise a.example.org 2>/dev/null
	charon_ctl "$D" --flush-certs --type x509_crl >/dev/null || true
	charon_ctl "$D" --flush-certs --type ocsp_response >/dev/null || true
	run ! connect 5
	grep -q 'certificate was revoked on' "$D/charon.log"
}

@test "charon believes our list, over HTTP" {
	theirs 'crl_uris = http://192.0.2.1:8080/crl'
	ours
	connect
	on a ping -c 3 -i 0.1 -W 2 -I 10.1.0.1 10.2.0.1
	grep -q 'certificate status is good' "$D/charon.log"
}
