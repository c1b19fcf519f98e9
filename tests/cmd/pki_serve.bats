# dmvpn-pki serve: EST, SCEP, OCSP and CRL over HTTP; tokens, the audit.

bats_require_minimum_version 1.5.0
load lib

setup() {
	type -P curl jq openssl >/dev/null || skip "curl or jq is missing"
	pki_dir
	HTTP=$(free_port)
	HTTPS=$(free_port)
	WEB=http://127.0.0.1:$HTTP
	EST=https://localhost:$HTTPS/.well-known/est
}

teardown() {
	[ ! -f pid ] || kill "$(cat pid)" 2>/dev/null || true
	! grep -E 'Sanitizer|runtime error:' log 2>/dev/null
}

# A CA and a server; ready when this returns.
serve() {
	[ -e dmvpn-ca.db ] || pki init --name "Test CA"
	pki export -o ca.pem -f
	rm -f ready
	mkfifo ready
	"${WITH[@]}" "$B/dmvpn-pki" serve --http "127.0.0.1:$HTTP" \
	    --https "127.0.0.1:$HTTPS" --name localhost -r 4 "$@" 4>ready \
	    3>&- </dev/null >log 2>&1 &
	echo $! >pid
	read -r -t 30 _ <ready
}

stop() {
	kill "$(cat pid)"
	wait "$(cat pid)"
}

# A token for $1; ID and PASSWORD are set.
token() {
	pki token new --for "$@" --json >token.json 2>/dev/null
	ID=$(jq -r .id token.json)
	PASSWORD=$(jq -r .password token.json)
}

# A new key and its request, as EST wants it: NAME [openssl req options]
request() {
	local name=$1
	shift
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$name.key" -subj "/CN=$name" "$@" -outform DER \
	    2>/dev/null | openssl base64 >"$name.b64"
}

# est OPERATION [curl options]: the status; the answer is in ./answer
est() {
	local operation=$1
	shift
	curl -sS --cacert ca.pem -o answer -w '%{http_code}' "$@" \
	    "$EST/$operation"
}

# The same with a request: enrol simpleenroll NAME [curl options]
enrol() {
	local operation=$1 name=$2
	shift 2
	est "$operation" -H 'Content-Type: application/pkcs10' \
	    --data-binary "@$name.b64" "$@"
}

certificate() {
	openssl base64 -d -in answer |
	    openssl pkcs7 -inform DER -print_certs
}

issued() {
	pki list -j | jq -r 'select(.name != "serve") | .name'
}

@test "CRL over HTTP: validators, 304, and a new one after a revocation" {
	serve
	pki issue -o x.pem x
	run -0 curl -sS -D head -o a.crl "$WEB/ca.crl"
	etag=$(tr -d '\r' <head | sed -n 's/^ETag: //p')
	date=$(tr -d '\r' <head | sed -n 's/^Last-Modified: //p')
	grep -q '^Content-Type: application/pkix-crl' head
	grep -q '^Expires: ' head
	openssl crl -inform DER -in a.crl -noout -CAfile ca.pem
	run -0 curl -sS -o /dev/null -w '%{http_code}' \
	    -H "If-None-Match: $etag" "$WEB/ca.crl"
	[ "$output" = 304 ]
	run -0 curl -sS -o /dev/null -w '%{http_code}' \
	    -H "If-Modified-Since: $date" "$WEB/ca.crl"
	[ "$output" = 304 ]
	pki revoke --reason key-compromise x
	run -0 curl -sS -o b.crl -w '%{http_code}' -H "If-None-Match: $etag" \
	    "$WEB/ca.crl"
	[ "$output" = 200 ]
	serial=$(openssl x509 -in x.pem -noout -serial)
	openssl crl -inform DER -in b.crl -noout -text |
	    grep -q "Serial Number: ${serial#*=}"
	run -0 curl -sSI "$WEB/ca.crl"
	[[ $output == *'Content-Length: '* ]]
	curl -sS "$WEB/ca.pem" | diff - ca.pem
	stop
}

@test "OCSP: openssl ocsp hears good, then revoked, by POST and GET" {
	serve
	pki issue -o x.pem x
	ask() {
		openssl ocsp -issuer ca.pem -cert x.pem -CAfile ca.pem \
		    -url "$WEB/ocsp" 2>&1
	}
	run -0 ask
	[[ $output == *'Response verify OK'* && $output == *'x.pem: good'* ]]
	pki revoke x
	run -0 ask
	[[ $output == *'x.pem: revoked'* ]]
	openssl ocsp -issuer ca.pem -cert x.pem -no_nonce -reqout q 2>/dev/null
	q=$(openssl base64 -A -in q | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')
	curl -sS -D head -o r "$WEB/ocsp/$q"
	run openssl ocsp -respin r -issuer ca.pem -cert x.pem -CAfile ca.pem
	[[ $output == *'x.pem: revoked'* ]]
	grep -q '^Cache-Control: max-age=' head
}

@test "EST: CA certificates, attributes, a certificate by a token" {
	serve
	[ "$(est cacerts)" = 200 ]
	certificate | openssl x509 | diff - <(openssl x509 -in ca.pem)
	[ "$(est csrattrs)" = 200 ]
	openssl base64 -d -in answer | openssl asn1parse -inform DER |
	    grep -q prime256v1
	token spoke7.test -T 10.0.0.7 -S 192.168.7.0/24
	request spoke7
	[ "$(enrol simpleenroll spoke7 -u "$ID:$PASSWORD")" = 200 ]
	certificate >spoke7.crt
	run -0 pki verify -t ca.pem --for spoke7.test -j spoke7.crt
	[[ $output == *'"10.0.0.7/32","192.168.7.0/24"'* ]]
	# the key is that of the request, the subject is ours
	diff <(openssl x509 -in spoke7.crt -noout -pubkey) \
	    <(openssl pkey -in spoke7.key -pubout)
	[ "$(openssl x509 -in spoke7.crt -noout -subject)" = \
	    'subject=CN = spoke7.test' ]
}

@test "a token is good for one key, which may ask again" {
	serve
	token spoke7.test
	request one
	request two
	[ "$(enrol simpleenroll one -u "$ID:$PASSWORD")" = 200 ]
	certificate >one.crt
	[ "$(enrol simpleenroll one -u "$ID:$PASSWORD")" = 200 ]
	certificate | diff - one.crt
	[ "$(enrol simpleenroll two -u "$ID:$PASSWORD")" = 403 ]
	grep -q 'was used already' answer
	[ "$(issued)" = spoke7.test ]
	run -0 pki token list -j
	[ "$(jq -r .state <<<"$output")" = used ]
	# what was revoked is not handed out again
	pki revoke spoke7.test
	[ "$(enrol simpleenroll one -u "$ID:$PASSWORD")" = 403 ]
}

@test "50 at once with one token: one certificate (PKI-04)" {
	serve --rate 0
	token spoke7.test
	for i in $(seq 10); do
		request "k$i"
	done
	for i in $(seq 50); do
		enrol simpleenroll "k$((i % 10 + 1))" -o /dev/null \
		    -u "$ID:$PASSWORD" >"status.$i" 3>&- &
		pids[i]=$!
	done
	wait "${pids[@]}"
	[ "$(issued | wc -l)" = 1 ]
	[ "$(cat status.* | grep -o 200 | wc -l)" = 5 ]
}

@test "EST without credentials, with wrong ones, with another's: 401 (PKI-11)" {
	serve
	token spoke7.test
	request a
	[ "$(enrol simpleenroll a)" = 401 ]
	[ "$(enrol simpleenroll a -u "$ID:")" = 401 ]
	[ "$(enrol simpleenroll a -u "$ID:${PASSWORD%?}0")" = 401 ] ||
	    [ "$(enrol simpleenroll a -u "$ID:${PASSWORD%?}1")" = 401 ]
	[ "$(enrol simpleenroll a -u "000000000000:$PASSWORD")" = 401 ]
	[ "$(enrol simpleenroll a -H 'Authorization: Bearer x')" = 401 ]
	[ "$(enrol simplereenroll a -u "$ID:$PASSWORD")" = 401 ]
	# a certificate of nobody we know
	openssl req -x509 -newkey rsa:2048 -nodes -keyout f.key -out f.crt \
	    -subj /CN=spoke7.test 2>/dev/null
	run enrol simpleenroll a --cert f.crt --key f.key
	[ "$output" != 200 ]
	# not over HTTP, with whatever credentials
	run -0 curl -sS -o /dev/null -w '%{http_code}' -u "$ID:$PASSWORD" \
	    -H 'Content-Type: application/pkcs10' --data-binary @a.b64 \
	    "$WEB/.well-known/est/simpleenroll"
	[ "$output" = 403 ]
	[ -z "$(issued)" ]
	[ "$(pki audit -j | jq -r 'select(.what == "refused") | .what' |
	    wc -l)" -ge 5 ]
	# and still it is good
	[ "$(enrol simpleenroll a -u "$ID:$PASSWORD")" = 200 ]
}

@test "EST: wrong type, no proof of possession, a CA, foreign names: none issued (PKI-09, PKI-11)" {
	serve
	token spoke7.test
	request a
	[ "$(est simpleenroll -u "$ID:$PASSWORD" --data-binary @a.b64)" = 415 ]
	[ "$(est simpleenroll -u "$ID:$PASSWORD")" = 405 ]
	# another key's signature
	openssl base64 -d -in a.b64 >a.der
	head -c -8 a.der >b.der
	printf '12345678' >>b.der
	openssl base64 -in b.der -out b.b64
	[ "$(enrol simpleenroll b -u "$ID:$PASSWORD")" = 400 ] ||
	    [ "$(enrol simpleenroll b -u "$ID:$PASSWORD")" = 403 ]
	request c -addext basicConstraints=critical,CA:TRUE
	[ "$(enrol simpleenroll c -u "$ID:$PASSWORD")" = 403 ]
	request d -addext subjectAltName=DNS:hub.test
	[ "$(enrol simpleenroll d -u "$ID:$PASSWORD")" = 403 ]
	echo 'no request' >e.b64
	[ "$(enrol simpleenroll e -u "$ID:$PASSWORD")" = 400 ]
	[ -z "$(issued)" ]
}

@test "EST: renewal shows its certificate and keeps its names (PKI-11)" {
	serve
	token spoke7.test -T 10.0.0.7
	request one
	[ "$(enrol simpleenroll one -u "$ID:$PASSWORD")" = 200 ]
	certificate >one.crt
	old=(--cert one.crt --key one.key)
	request two -subj /CN=spoke7.test -addext subjectAltName=DNS:spoke7.test
	request three -subj /CN=hub.test -addext subjectAltName=DNS:spoke7.test
	request four -subj /CN=spoke7.test
	[ "$(enrol simplereenroll three "${old[@]}")" = 403 ]
	grep -q 'its subject is not' answer
	[ "$(enrol simplereenroll four "${old[@]}")" = 403 ]
	[ "$(enrol simplereenroll two)" = 401 ]
	[ "$(enrol simplereenroll two "${old[@]}")" = 200 ]
	certificate >two.crt
	run -0 pki verify -t ca.pem --for spoke7.test -j two.crt
	[[ $output == *'"blocks":["10.0.0.7/32"]'* ]]
	# a revoked one renews nothing
	serial=$(openssl x509 -in one.crt -noout -serial)
	pki revoke "${serial#*=}"
	[ "$(enrol simplereenroll two "${old[@]}")" = 403 ]
}

@test "a token with --hold waits for an approval: 202, then the certificate" {
	serve
	token spoke7.test --hold
	request one
	request two
	[ "$(enrol simpleenroll one -D head -u "$ID:$PASSWORD")" = 202 ]
	grep -q '^Retry-After: ' head
	[ -z "$(issued)" ]
	[ "$(enrol simpleenroll two -u "$ID:$PASSWORD")" = 403 ]
	run -1 pki token approve 000000000000
	pki token approve "$ID"
	[ "$(enrol simpleenroll one -u "$ID:$PASSWORD")" = 200 ]
	run -0 pki audit -j
	[ "$(jq -r 'select(.who | test("'"$ID"'")) | .what' <<<"$output" |
	    xargs)" = 'granted pending refused approved issued' ]
}

@test "tokens end, are taken back, and name only what the CA may certify" {
	serve
	request a
	token one.test
	pki token revoke "$ID"
	[ "$(enrol simpleenroll a -u "$ID:$PASSWORD")" = 403 ]
	run -1 pki token revoke "$ID"
	run -100 pki token new --for ../x
	run -100 pki token new --for x --expires 1s
	run -100 pki token new --for x --url http://a
	run -100 pki token new --for x --url https://a --hub nonsense
	pki init --name Small --range 10.0.0.0/8 --store small.db
	run -1 pki token new --store small.db --for x -T 192.0.2.1
	[[ $output == *'not within the address blocks'* ]]
	[ -z "$(issued)" ]
	# nothing of the secret is in the store
	token two.test
	run -1 grep -c "$PASSWORD" dmvpn-ca.db
}

@test "a token's AS number comes into the certificate, and stays when it is renewed" {
	serve
	token as.test --as 65007 --email noc@test -T 10.0.0.7
	[ "$(jq -c '[.as, .identities[], .blocks[]]' <(pki token list -j as.test))" = \
	    '[65007,"email:noc@test","10.0.0.7/32"]' ]
	[[ $(pki token list as.test) == *'10.0.0.7/32 AS65007'* ]]
	echo "$PASSWORD" >secret
	run -0 pki enroll est -t ca.pem -u "$ID" -c secret \
	    --no-names -o as.pem "https://localhost:$HTTPS" as.test
	openssl x509 -in as.pem -noout -text | grep -q '^ *65007$'
	openssl x509 -in as.pem -noout -ext subjectAltName | grep -q noc@test
	cp as.pem old.pem
	run -0 pki enroll est -R as.pem "https://localhost:$HTTPS"
	run ! cmp -s as.pem old.pem
	openssl x509 -in as.pem -noout -text | grep -q '^ *65007$'
	run -100 pki token new --for x --as 0
	# a CA that has none, and one that ends before the certificate would
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout old.key -out old.crt -days 30 -subj '/CN=Old' \
	    -addext 'sbgp-ipAddrBlock=IPv4:0.0.0.0/0' 2>/dev/null
	cat old.key old.crt >both.pem
	pki init -s old.db --from both.pem
	run -1 --separate-stderr pki token new -s old.db --for x -d 20 --as 65007
	[[ $stderr == *'has no AS numbers'* ]]
	run -1 --separate-stderr pki token new -s old.db --for x -d 300
	[[ $stderr == *'outlive its CA'* ]]
	[ -z "$(pki token list -s old.db -j)" ]
}

@test "enroll est: first by a token, then by its own certificate" {
	serve
	print=$(openssl x509 -in ca.pem -outform DER | sha256sum | cut -d' ' -f1)
	token spoke7.test -T 10.0.0.7
	echo "$ID$PASSWORD" >secret
	# who shows another CA never sees the password
	run -1 pki enroll est -F "${print//[0-9]/0}" -c secret \
	    -o spoke7.pem "https://localhost:$HTTPS" spoke7.test
	[ "$(pki token list -j | jq -r .state)" = new ]
	run -0 pki enroll est -F "$print" -c secret -o spoke7.pem \
	    "https://localhost:$HTTPS" spoke7.test
	run -0 pki verify -t ca.pem --for spoke7.test spoke7.pem
	[ "$(stat -c %a spoke7.pem)" = 600 ]
	before=$(openssl x509 -in spoke7.pem -noout -serial)
	run -0 pki enroll est --renew spoke7.pem "https://localhost:$HTTPS"
	[ "$before" != "$(openssl x509 -in spoke7.pem -noout -serial)" ]
	run -0 pki verify -t ca.pem --for spoke7.test spoke7.pem
	run -1 pki enroll est -F "$print" -c secret -o other.pem \
	    "https://localhost:$HTTPS" spoke7.test
	[[ $output == *'was used already'* ]]
}

@test "serve --need-proof: who renews by EST proves the old key to the CA itself" {
	serve
	token one.test -T 10.0.0.7
	request one -subj /CN=one.test
	[ "$(enrol simpleenroll one -u "$ID:$PASSWORD")" = 200 ]
	certificate >one.crt
	openssl x509 -in one.crt -noout
	again() {
		enrol simplereenroll "$1" --cert one.crt --key one.key
	}
	request new -subj /CN=one.test -addext subjectAltName=DNS:one.test
	[ "$(again new)" = 200 ]
	# that it stands on the word of TLS alone, is told
	[[ $(pki audit -j -n 1 one.test | jq -r .why) == *"TLS only"* ]]
	stop
	serve --need-proof
	request new -subj /CN=one.test -addext subjectAltName=DNS:one.test
	[ "$(again new)" = 403 ]
	[[ $(cat answer) == *"old key must sign"* ]]
	# the same key proves itself
	openssl req -new -key one.key -subj /CN=one.test \
	    -addext subjectAltName=DNS:one.test -outform DER |
	    openssl base64 >same.b64
	[ "$(again same)" = 200 ]
	[ "$(pki audit -j -n 1 one.test | jq -r '.what + .why')" = issued ]
	# our client signs with the old one
	cat one.key one.crt ca.pem >one.pem
	for type in p384 ed25519 rsa2048; do
		run -0 pki enroll est -R one.pem -k "$type" \
		    "https://localhost:$HTTPS"
		[ "$(pki audit -j -n 1 one.test | jq -r '.what + .why')" = \
		    issued ]
	done
	run -0 pki enroll scep -R one.pem "$WEB/scep"
}

@test "enroll est waits for the approval of what is held" {
	serve
	print=$(openssl x509 -in ca.pem -outform DER | sha256sum | cut -d' ' -f1)
	token spoke7.test --hold
	echo "$ID$PASSWORD" >secret
	run -111 pki enroll est -F "$print" -c secret -o spoke7.pem --wait 0s \
	    "https://localhost:$HTTPS" spoke7.test
	[ ! -e spoke7.pem ]
	[ "$(pki token list -j | jq -r .state)" = pending ]
	pki token approve "$ID"
	run -0 pki enroll est -F "$print" -c secret -o spoke7.pem \
	    "https://localhost:$HTTPS" spoke7.test
	run -0 pki verify -t ca.pem spoke7.pem
}

@test "SCEP: enroll scep, with a token as challenge, and its renewal" {
	serve
	print=$(openssl x509 -in ca.pem -outform DER | sha256sum | cut -d' ' -f1)
	token router.test -p cisco -T 10.0.0.9
	echo "$ID$PASSWORD" >secret
	for path in scep certsrv/mscep/mscep.dll cgi-bin/pkiclient.exe; do
		run -0 curl -sS "$WEB/$path?operation=GetCACaps"
		[[ $output == *POSTPKIOperation* ]]
	done
	echo "${ID}00000000000000000000000000000000" >wrong
	run -1 pki enroll scep -F "$print" -c wrong -o r.pem "$WEB/scep" \
	    router.test
	run -0 pki enroll scep -F "$print" -c secret -o r.pem "$WEB/scep" \
	    router.test
	run -0 pki verify -t ca.pem --for router.test -j r.pem
	[[ $output == *'"blocks":["10.0.0.9/32"]'* ]]
	run -0 pki enroll scep --renew r.pem "$WEB/scep"
	run -0 pki verify -t ca.pem --for router.test r.pem
	[ "$(issued | grep -c router.test)" = 2 ]
	run -0 pki audit -j router.test
	[ "$(jq -r 'select(.protocol == "scep") | .what' <<<"$output" |
	    sort | uniq -c | xargs)" = '2 issued' ]
	# routers keep what they were shown once: a restart changes nothing
	curl -sS -o before "$WEB/scep?operation=GetCACert"
	stop
	serve
	curl -sS "$WEB/scep?operation=GetCACert" | cmp - before
}

@test "SCEP: what waits for an approval is polled for" {
	serve
	print=$(openssl x509 -in ca.pem -outform DER | sha256sum | cut -d' ' -f1)
	token router.test -p cisco --hold
	echo "$ID$PASSWORD" >secret
	pki enroll scep -F "$print" -c secret -o r.pem --wait 20s \
	    "$WEB/scep" router.test 3>&- >enrol.log 2>&1 &
	enrolling=$!
	waiting() { [ "$(pki token list -j | jq -r .state)" = pending ]; }
	wait_for waiting
	pki token approve "$ID"
	wait "$enrolling"
	run -0 pki verify -t ca.pem --for router.test r.pem
}

@test "SCEP: micromdm's scepclient gets a certificate" {
	type -P scepclient >/dev/null || skip "scepclient is not installed"
	pki init --key-type rsa2048	# it encrypts for all that it is shown
	serve --scep-legacy		# it signs with SHA-1
	token mac.test -p cisco
	run -0 scepclient -server-url "$WEB/scep" -challenge "$ID$PASSWORD" \
	    -cn mac.test -private-key mac.key -certificate mac.pem -keySize 2048
	run -0 pki verify -t ca.pem --for mac.test mac.pem
}

@test "a rollover while it serves: the new key issues, both sign lists (PKI-14)" {
	serve
	token one.test
	request one
	[ "$(enrol simpleenroll one -u "$ID:$PASSWORD")" = 200 ]
	certificate >one.crt
	pki rollover
	token two.test
	request two
	[ "$(enrol simpleenroll two -u "$ID:$PASSWORD")" = 200 ]
	certificate >two.crt
	key() {
		openssl x509 -in "$1" -noout -ext authorityKeyIdentifier
	}
	[ "$(key one.crt)" != "$(key two.crt)" ]
	[ "$(est cacerts)" = 200 ]
	certificate >all.pem
	[ "$(grep -c BEGIN all.pem)" -ge 2 ]
	pki revoke one.test
	pki revoke two.test
	for list in ca ca-g2; do
		curl -sSf -o "$list.crl" "$WEB/$list.crl"
		openssl crl -inform DER -in "$list.crl" -out "$list.pem"
	done
	serial=$(openssl x509 -in one.crt -noout -serial)
	openssl crl -in ca.pem -noout -text | grep -q "${serial#*=}"
	serial=$(openssl x509 -in two.crt -noout -serial)
	openssl crl -in ca-g2.pem -noout -text | grep -q "${serial#*=}"
	# OCSP speaks for both keys
	pki export -o all.pem -f
	csplit -sz -f issuer. all.pem '/BEGIN CERT/' '{*}'
	for name in one two; do
		heard=
		for issuer in issuer.*; do
			heard+=$(openssl ocsp -issuer "$issuer" -cert "$name.crt" \
			    -CAfile all.pem -url "$WEB/ocsp" 2>&1) || true
		done
		[[ $heard == *"$name.crt: revoked"* ]]
	done
	curl -sS -o /dev/null -w '%{http_code}' "$WEB/ca-g3.crl" | grep -q 404
}

@test "a next key that waits: who renews by EST or SCEP trusts it already (PKI-14)" {
	serve
	token a.test -T 10.0.0.7
	echo "$PASSWORD" >secret
	pki enroll est -t ca.pem -u "$ID" -c secret -o a.pem \
	    "https://localhost:$HTTPS" a.test
	token r.test -p cisco
	echo "$ID$PASSWORD" >secret
	pki enroll scep -t ca.pem -c secret -o r.pem "$WEB/scep" r.test
	run -0 curl -sS "$WEB/scep?operation=GetCACaps"
	[[ $output != *GetNextCACert* ]]
	pki rollover --prepare
	run -0 curl -sS "$WEB/scep?operation=GetCACaps"
	[[ $output == *GetNextCACert* ]]
	run -0 pki enroll est -R a.pem "https://localhost:$HTTPS"
	run -0 pki enroll scep -R r.pem "$WEB/scep"
	for file in a.pem r.pem; do
		[ "$(grep -c 'BEGIN CERT' "$file")" -eq 3 ]
		run -0 pki verify -t ca.pem "$file"
	done
	pki rollover
	run -0 curl -sS "$WEB/scep?operation=GetCACaps"
	[[ $output != *GetNextCACert* ]]
	pki issue -o new.pem new.test
	# what the file of a peer holds is enough for what the new key issues
	csplit -sz -f held. a.pem '/BEGIN/' '{*}'
	openssl x509 -in new.pem -out new.crt
	openssl verify -partial_chain -CAfile held.03 new.crt
}

@test "names, paths and methods that are not ours are refused" {
	serve
	ask() {
		curl -sS -o /dev/null -w '%{http_code}' --path-as-is "$@"
	}
	[ "$(ask "$WEB/nothing")" = 404 ]
	[ "$(ask "$WEB/../dmvpn-ca.db")" = 404 ]
	[ "$(ask "$WEB/ca-1.crl")" = 404 ]
	[ "$(ask "$WEB/ca-%00.crl")" = 400 ]
	[ "$(ask -X DELETE "$WEB/ca.crl")" = 501 ]
	[ "$(ask -d x "$WEB/ca.crl")" = 405 ]
	[ "$(ask -d x "$WEB/ocsp")" = 415 ]
	[ "$(ask "$WEB/ocsp/%%%")" = 400 ]
	[ "$(ask "$WEB/scep?operation=None")" -ge 400 ]
	[ "$(ask "$WEB/")" = 200 ]
}

@test "a server of a CA whose key is locked asks for the passphrase" {
	echo open sesame >pass
	chmod 600 pass
	pki init --passphrase-file pass
	run -1 pki serve --http "127.0.0.1:$HTTP" </dev/null
	echo wrong >bad
	chmod 600 bad
	run -1 pki serve --http "127.0.0.1:$HTTP" -P bad </dev/null
	serve -P pass
	[ "$(est cacerts)" = 200 ]
	run -0 pki serving -j
	jq -e '.answered >= 1' <<<"$output"
	stop
	run -111 pki serving
}

@test "killed at any fsync while it issues: not two, not none (PKI-06)" {
	type -P strace >/dev/null || skip "strace is not installed"
	pki init
	strace -f -qq -o /dev/null true || skip "strace may not trace here"
	local n killed=0
	for n in $(seq 1 24); do
		rm -f one.*
		token "n$n.test"
		request one
		WITH=(strace -D -f -qq -o /dev/null -e trace=fdatasync
		    -e inject=fdatasync:signal=KILL:when="$n")
		serve || continue	# it was killed at its own certificate
		WITH=()
		status=$(enrol simpleenroll one -u "$ID:$PASSWORD" 2>/dev/null) || true
		if [ "$status" = 200 ]; then
			break
		fi
		killed=$((killed + 1))
		wait "$(cat pid)" || true
		serve
		[ "$(enrol simpleenroll one -u "$ID:$PASSWORD")" = 200 ]
		[ "$(issued | grep -c "^n$n.test")" = 1 ]
		stop
	done
	[ "$killed" -ge 2 ]
	run -0 pki list
}

@test "a CA that ends within days is served, and what it has for TLS ends with it" {
	pki init --name "Test CA" -d 5
	serve
	[ "$(est cacerts)" = 200 ]
	end_of() {
		date -d "$(openssl x509 -noout -enddate | cut -d= -f2)" +%s
	}
	openssl s_client -connect "127.0.0.1:$HTTPS" -showcerts </dev/null \
	    >tls.txt 2>/dev/null
	[ "$(end_of <tls.txt)" -le "$(end_of <ca.pem)" ]
	[ "$(end_of <tls.txt)" -gt "$(date -d '+4 days' +%s)" ]
}

@test "another CA that a restore puts in the place is served by its own key" {
	pki init -s other.db --name "Other CA"
	serve
	pki restore -f other.db
	run -0 curl -sS -o ca.crt -w '%{http_code}' "$WEB/ca.crt"
	openssl x509 -inform DER -in ca.crt -out ca.pem
	[[ $(openssl x509 -in ca.pem -noout -subject) == *"Other CA"* ]]
	curl -sS -o list "$WEB/crl"
	openssl crl -inform DER -in list -CAfile ca.pem -noout
	run -0 openssl crl -inform DER -in list -CAfile ca.pem -noout
	[[ $output == *"verify OK"* ]]
}

@test "an address that is none is told before a passphrase is wanted" {
	echo secret >pass
	pki init -P pass
	for at in foo 127.0.0.1:99999 "$(printf '%0100d' 1)"; do
		run -100 --separate-stderr setsid -w "$B/dmvpn-pki" serve \
		    --http "$at" </dev/null
		[[ $stderr == *--http:* ]]
	done
}
