# dmvpn-pki enroll cmp against OpenSSL's CMP server (a mock: it gives out one
# certificate, that was made before for our key).

bats_require_minimum_version 1.5.0
load ../cmd/lib

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	openssl cmp -help >/dev/null 2>&1 || skip "this openssl has no cmp"
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	export DMVPN_RUN=$BATS_TEST_TMPDIR/run
	export DMVPN_STORE=$PWD/ca.db
	PIDS=()
	umask 077
	echo -n s3cret-of-the-ca >secret
	echo wrong >wrong
	pki init --name 'Their CA'
	pki export -o ca.pem
	certify spoke
}

teardown() {
	for p in "${PIDS[@]}"; do
		kill "$p" 2>/dev/null && wait "$p" 2>/dev/null || true
	done
}

pki() {
	"$B/dmvpn-pki" "$@"
}

# A key of ours, NAME.key, and what the server will answer, NAME.crt.
certify() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
		-out "$1.key"
	openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
	pki sign -T 10.0.0.7 -o "$1.crt" "$1" "$1.csr"
}

server() {	# ANSWER OPTION...
	local answer=$1 try
	shift
	for try in 0 1 2 3; do
		port=$(free_port)
		openssl cmp -port "$port" -rsp_cert "$answer" \
			${CAPUBS--rsp_capubs ca.pem} "$@" >server.log 2>&1 3>&- \
			</dev/null &
		PIDS+=($!)
		until grep -qs ACCEPT server.log; do
			kill -0 "${PIDS[-1]}" 2>/dev/null || continue 2
		done
		URL=http://127.0.0.1:$port/pkix/
		return 0
	done
	cat server.log >&2
	false
}

enroll() {
	pki enroll cmp --no-load -u spoke-7 -c secret "$@"
}

@test "a reference and a secret get a certificate, and vouch for the CA" {
	server spoke.crt -srv_ref spoke-7 -srv_secret file:secret
	run -0 enroll --key spoke.key -o got.pem "$URL" spoke
	[ "$(stat -c %a got.pem)" = 600 ]
	pki verify -t ca.pem got.pem
	openssl x509 -in got.pem -outform DER | cmp - <(openssl x509 \
		-in spoke.crt -outform DER)
	grep -c 'BEGIN CERTIFICATE' got.pem | grep -qx 2
}

@test "a wrong secret is told in plain words, and leaves nothing" {
	server spoke.crt -srv_ref spoke-7 -srv_secret file:secret
	run ! --separate-stderr pki enroll cmp --no-load -u spoke-7 -c wrong \
		--key spoke.key -o got.pem "$URL" spoke
	[[ $stderr == *secret* ]]
	[ ! -e got.pem ]
}

@test "a server that does not know the secret is not believed" {
	server spoke.crt -srv_ref spoke-7 -srv_secret pass:other \
		-accept_unprotected -accept_unprot_err
	run ! --separate-stderr enroll --key spoke.key -o got.pem "$URL" spoke
	[ -n "$stderr" ]
	[ ! -e got.pem ]
}

@test "while the CA thinks about it, it is asked again" {
	server spoke.crt -srv_ref spoke-7 -srv_secret file:secret \
		-poll_count 2 -check_after 1
	run -0 enroll --key spoke.key -o got.pem "$URL" spoke
	pki verify -t ca.pem got.pem
}

@test "a refusal comes with its reason, and exit status 1" {
	server spoke.crt -srv_ref spoke-7 -srv_secret file:secret \
		-pkistatus 2 -failure 19 -statusstring 'no such template'
	run -1 --separate-stderr enroll --key spoke.key "$URL" spoke
	[[ $stderr == *"policy refuses"*"no such template"* ]]
}

@test "CA certificates that only came along, outside of what the secret protects, are not trusted" {
	CAPUBS= server spoke.crt -srv_ref spoke-7 -srv_secret file:secret \
		-rsp_extracerts ca.pem
	run ! --separate-stderr enroll --key spoke.key "$URL" spoke
	[[ $stderr == *trust* ]]
	[ ! -e spoke.pem ]
	run -0 enroll --trust ca.pem --key spoke.key "$URL" spoke
}

@test "a certificate for another key is not taken" {
	certify other
	server other.crt -srv_ref spoke-7 -srv_secret file:secret
	run ! --separate-stderr enroll --key spoke.key "$URL" spoke
	[ -n "$stderr" ]
	[ ! -e spoke.pem ]
}

@test "renewal is signed with the old certificate, and the server's signature checked" {
	{ echo before; cat spoke.key spoke.crt ca.pem; } >old.pem
	pki issue -p hub -o srv.pem cmp.example.org
	openssl x509 -in srv.pem -out srv.crt
	openssl pkey -in srv.pem -out srv.key
	# somebody else answers
	DMVPN_STORE=evil.db pki init --name Evil
	DMVPN_STORE=evil.db pki export -o evil-ca.pem
	DMVPN_STORE=evil.db pki issue -p hub -o evil.pem cmp.example.org
	openssl x509 -in evil.pem -out evil.crt
	openssl pkey -in evil.pem -out evil.key
	server spoke.crt -srv_cert evil.crt -srv_key evil.key \
		-srv_trusted ca.pem
	run -1 --separate-stderr pki enroll cmp --no-load --renew old.pem \
		--trust ca.pem --key spoke.key "$URL"
	[ -n "$stderr" ]
	grep -q before old.pem
	kill "${PIDS[-1]}"
	# the right one gives what it is told to renew, and only that
	server spoke.crt -srv_cert srv.crt -srv_key srv.key -srv_trusted ca.pem
	run -0 --separate-stderr pki enroll cmp --no-load --renew old.pem \
		--trust ca.pem --key spoke.key "$URL"
	run ! grep -q before old.pem
	pki verify -t ca.pem old.pem
	# a server that does not trust our CA
	kill "${PIDS[-1]}"
	server spoke.crt -srv_cert srv.crt -srv_key srv.key \
		-srv_trusted evil-ca.pem
	run -1 --separate-stderr pki enroll cmp --no-load --renew old.pem \
		--trust ca.pem --key spoke.key "$URL"
	[ -n "$stderr" ]
}

@test "what cmp can not do without is asked for" {
	run ! --separate-stderr pki enroll cmp http://127.0.0.1:9/ spoke
	[[ $stderr == *"--challenge-file"* ]]
	cat spoke.key spoke.crt ca.pem >old.pem
	run ! --separate-stderr pki enroll cmp --renew old.pem \
		http://127.0.0.1:9/
	[[ $stderr == *"--trust"* || $stderr == *refused* ]]
	run -111 --separate-stderr enroll http://127.0.0.1:9/ spoke
	[[ $stderr == *refused* ]]
	run ! --separate-stderr pki enroll scep http://127.0.0.1:9/ spoke
}
