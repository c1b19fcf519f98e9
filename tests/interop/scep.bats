# SCEP with others: micromdm's scepserver and scepclient, strongSwan's pki; and
# our client with our server.  All in one namespace.

bats_require_minimum_version 1.5.0
load ../net/lib

setup() {
	net_setup
	T=$BATS_TEST_TMPDIR
	U=http://127.0.0.1:8080/scep
	export DMVPN_STORE=$T/ca.db
	cd "$T"
	umask 077
	ns_new a
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		tail -n 15 "$T"/*.log >&2 || true
	fi
	net_teardown
}

pki() {
	on a "$B/dmvpn-pki" "$@"
}

fingerprint() {
	openssl x509 -in "${1:-ca.pem}" -noout -fingerprint -sha256 |
	    cut -d= -f2 | tr -d : | tr A-F a-f
}

# ours KEY-TYPE [OPTIONS...]: a CA that serves
ours() {
	pki init -k "$1" --name 'Our CA'
	pki export -o ca.pem
	serve "${@:2}"
}

serve() {
	start a serve "$B/dmvpn-pki" serve --http 127.0.0.1:8080 --rate 0 "$@"
}

# A challenge: the id and the secret of a token.
challenge() {
	pki token new -j "$@" | jq -r '.id + .password'
}

enroll() {
	pki enroll scep -F "$(fingerprint)" "$@"
}

# A server of micromdm's that wants "secret".
micromdm() {
	type -P scepserver >/dev/null || skip "micromdm's scep is not installed"
	scepserver ca -init -depot depot -organization Org -country US >/dev/null
	on a scepserver -depot depot -port 8080 -challenge secret \
	    -allowrenew 0 </dev/null >scepserver.log 2>&1 3>&- &
	echo $! >"$NET_PIDS/scepserver"
	wait_for 10 on a bash -c '</dev/tcp/127.0.0.1/8080'
	cp depot/ca.pem ca.pem
	echo secret >challenge
}

@test "scepserver enrols and renews us, with --legacy: it signs with SHA-1 and encrypts with DES" {
	micromdm
	run -1 --separate-stderr enroll -c challenge "$U" spoke7
	[[ $stderr == *"SHA1"*"--legacy"* ]]
	# the key that it has certified is not lost
	key=$(openssl pkey -in spoke7.pem.pending)
	run -0 enroll --legacy -c challenge -j "$U" spoke7
	[ "$(jq -r .subject <<<"${lines[-1]}")" = CN=spoke7 ]
	[[ $output == *"only for clientAuth"* ]]
	[ "$(openssl pkey -in spoke7.pem)" = "$key" ]
	openssl verify -CAfile ca.pem spoke7.pem
	run -0 enroll --legacy -c challenge -R spoke7.pem "$U"
	run ! cmp -s <(openssl pkey -in spoke7.pem) <(echo "$key")
	openssl verify -CAfile ca.pem spoke7.pem
	echo wrong >challenge
	run -1 --separate-stderr enroll --legacy -c challenge "$U" spoke8
	[[ $stderr == *"the challenge is wrong"* ]]
}

@test "scepclient enrols with us by a token, once, when 3DES and SHA-1 are let pass" {
	type -P scepclient >/dev/null || skip "micromdm's scep is not installed"
	ours rsa2048 --scep-legacy
	c=$(challenge --for c8 -p cisco -T 10.0.0.8)
	client() {
		on a scepclient -server-url "$U" -challenge "$1" -cn c8 \
		    -private-key "$2.key" -certificate "$2.pem" \
		    -ca-fingerprint "$(fingerprint)"
	}
	run -1 client wrong first
	rm -f csr.pem self.pem
	run -0 client "$c" first
	run -0 "$B/dmvpn-pki" verify --trust ca.pem --need-blocks --for c8 first.pem
	rm -f csr.pem self.pem
	run -1 client "$c" second
	[ "$(pki audit -j | jq -r 'select(.what == "issued").protocol')" = scep ]
}

@test "strongSwan's pki enrols with us" {
	type -P pki >/dev/null || skip "strongSwan's pki is not installed"
	command pki --scep --help 2>&1 | grep -q 'SCEP server' ||
		skip "this strongSwan has no SCEP"
	ours rsa2048 --scep-legacy
	on a pki --scepca --url "$U" --caout got.der
	cmp <(openssl x509 -in got.der -inform DER) <(openssl x509 -in ca.pem)
	c=$(challenge --for s9 -p cisco -T 10.0.0.9)
	command pki --gen --type rsa --size 2048 >s9.key
	# its version 5.9.8 finds no AES, whatever a server says
	for how in '-g sha256 -E aes' '-g sha512 -E des3'; do
		# shellcheck disable=SC2086	# options
		on a pki --scep --url "$U" --in s9.key --dn CN=s9 --san s9 \
		    --password "$c" --cacert-enc ca.pem --cacert-sig ca.pem \
		    --cacert ca.pem --outform pem $how >s9.pem && break
	done
	run -0 "$B/dmvpn-pki" verify --trust ca.pem --for s9 s9.pem
}

@test "our client and server, for CAs with RSA and elliptic curves: token, list, renewal" {
	for type in rsa2048 p256; do
		rm -f ca.db ca.pem spoke7.pem crl.pem
		ours $type
		challenge --for spoke7 -T 10.0.0.7 -S 192.168.7.0/24 >challenge
		run -0 enroll -c challenge --crl crl.pem -j "$U" spoke7
		[ "$(jq -r '.warning // "none"' <<<"$output")" = none ]
		run -0 "$B/dmvpn-pki" verify --trust ca.pem --need-blocks \
		    --crl crl.pem --for spoke7 spoke7.pem
		run -0 enroll -R spoke7.pem "$U"
		run -0 "$B/dmvpn-pki" verify -j --trust ca.pem spoke7.pem
		[ "$(jq -r '.blocks[]' <<<"$output" | sort | tr '\n' ' ')" = \
		    "10.0.0.7/32 192.168.7.0/24 " ]
		# a name that the token does not have
		challenge --for spoke8 -T 10.0.0.8 >challenge
		run -1 --separate-stderr enroll -c challenge -D evil.example "$U" spoke8
		[ ! -e spoke8.pem ]
		stop serve
	done
}

@test "what is revoked is not renewed" {
	ours rsa2048
	challenge --for spoke7 -T 10.0.0.7 >challenge
	enroll -c challenge "$U" spoke7
	pki revoke spoke7
	run -1 --separate-stderr enroll -R spoke7.pem "$U"
	[[ $stderr == *refuses* ]]
	[ ! -e spoke7.pem.pending ]
}

@test "a client that is killed when the CA has answered gets the same certificate the next time" {
	type -P strace >/dev/null || skip "strace is not installed"
	strace -f -qq -o /dev/null true || skip "strace may not trace here"
	ours rsa2048
	challenge --for spoke7 -T 10.0.0.7 >challenge
	# the file is put in place by the second rename: the key came before
	run on a strace -qq -o trace -e trace=renameat2 \
	    -e inject=renameat2:signal=KILL:when=2 "$B/dmvpn-pki" enroll scep \
	    -F "$(fingerprint)" -c challenge "$U" spoke7
	[ "$status" -ne 0 ]
	[ -e spoke7.pem.pending ]
	[ "$(pki list -j | jq -r 'select(.name == "spoke7").serial' | wc -l)" -eq 1 ]
	serial=$(pki list -j | jq -r 'select(.name == "spoke7").serial')
	rm -f spoke7.pem spoke7.pem.*.new
	run -0 enroll -c challenge -j "$U" spoke7
	[ "$(jq -r .serial <<<"$output")" = "$serial" ]
	[ "$(pki list -j | jq -r 'select(.name == "spoke7").serial' | wc -l)" -eq 1 ]
	"$B/dmvpn-pki" verify --trust ca.pem --for spoke7 spoke7.pem
}

@test "a CA changes its key: whoever renews gets a certificate of the new one, and trusts both (PKI-14)" {
	for type in rsa2048 p256; do
		rm -f ca.db ca.pem spoke7.pem new.pem
		ours $type
		challenge --for spoke7 -T 10.0.0.7 >challenge
		enroll -c challenge "$U" spoke7
		pki rollover
		run -0 enroll -R spoke7.pem "$U"
		[ "$(grep -c 'BEGIN CERT' spoke7.pem)" -ge 3 ]
		pki export --anchors -o new.pem
		# peers that know both, and those that know only the old one
		"$B/dmvpn-pki" verify --trust new.pem --for spoke7 spoke7.pem
		"$B/dmvpn-pki" verify --trust ca.pem --for spoke7 spoke7.pem
		stop serve
	done
}
