# Enrolment with Microsoft's NDES, as far as openssl and its rules make one:
# ndes.py.

bats_require_minimum_version 1.5.0
load ../net/lib

setup_file() {
	D=$BATS_FILE_TMPDIR
	umask 077
	authority >"$D/openssl.log" 2>&1
}

setup() {
	net_setup
	type -P python3 >/dev/null || skip "python3 is not installed"
	type -P openssl >/dev/null || skip "openssl is not installed"
	T=$BATS_TEST_TMPDIR
	D=$T/ndes
	U=http://127.0.0.1:8080/certsrv/mscep/mscep.dll
	cd "$T"
	umask 077
	cp -r "$BATS_FILE_TMPDIR" "$D"
	ns_new a
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		cat "$D/log" "$T"/ndes.log >&2 || true
	fi
	net_teardown
}

# NAME EXTENSIONS: a key, and a certificate below the CA
below() {
	printf '%s\n' "$2" >"$D/$1.ext"
	openssl req -newkey rsa:2048 -nodes -keyout "$D/$1.key" \
	    -subj "/DC=test/CN=NDES-$1" -out "$D/$1.csr"
	openssl x509 -req -in "$D/$1.csr" -CA "$D/ca.pem" -CAkey "$D/ca.key" \
	    -CAcreateserial -days 700 -extfile "$D/$1.ext" -out "$D/$1.pem"
}

# Made once; each test gets its copy.
authority() {
	mkdir -p "$D/issued"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$D/ca.key" \
	    -subj '/DC=test/CN=Enterprise CA' -days 3650 \
	    -out "$D/ca.pem" -addext 'keyUsage=keyCertSign,cRLSign,digitalSignature'
	below ra-sign $'keyUsage=digitalSignature\nextendedKeyUsage=1.3.6.1.4.1.311.20.2.1'
	below ra-crypt $'keyUsage=keyEncipherment\nextendedKeyUsage=1.3.6.1.4.1.311.20.2.1'
	cp "$D/ra-crypt.pem" "$D/ra-crypt-shown.pem"
	: >"$D/index.txt"
	printf '%s\n' F00DF00D CAFE0123 0123456789ABCDEF >"$D/challenges"
	cat >"$D/ca.cnf" <<-'END'
	[ca]
	default_ca = a
	[a]
	database = index.txt
	new_certs_dir = issued
	certificate = ca.pem
	private_key = ca.key
	rand_serial = yes
	default_md = sha256
	unique_subject = no
	policy = any
	[any]
	commonName = supplied
	domainComponent = optional
	organizationName = optional
	END
}

fingerprint() {
	openssl x509 -in "$D/ca.pem" -noout -fingerprint -"${1:-sha256}" |
	    cut -d= -f2
}

enroll() {
	on a "$B/dmvpn-pki" enroll scep "$@"
}

challenge() {
	echo "$1" >"$T/challenge"
	echo "$T/challenge"
}

@test "NDES: a one-time challenge gives a certificate whose only usage is iKEIntermediate" {
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	run -0 enroll -F "$(fingerprint)" -c "$(challenge CAFE0123)" -j "$U" spoke7
	[ "$(jq -r .issuer <<<"$output")" = 'CN=Enterprise CA,DC=test' ]
	[ "$(jq -r '.warning // "none"' <<<"$output")" = none ]
	[ "$(stat -c %a spoke7.pem)" = 600 ]
	[ ! -e spoke7.pem.pending ]
	grep -q 'template GeneralPurposeTemplate' "$D/log"
	run -0 "$B/dmvpn-pki" show -j spoke7.pem
	[[ $output == *'"iKEIntermediate"'* || $output == *1.3.6.1.5.5.8.2.2* ]]
	# dmvpn-ike's judge, and openssl
	run -0 "$B/dmvpn-pki" verify --trust "$D/ca.pem" --for spoke7 spoke7.pem
	openssl verify -CAfile "$D/ca.pem" spoke7.pem
	# the key in the file is the certificate's
	cmp <(openssl pkey -in spoke7.pem -pubout) \
	    <(openssl x509 -in spoke7.pem -noout -pubkey)
}

@test "NDES: a challenge that was used, or wrong, or none is said in plain words" {
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	f=$(fingerprint)
	enroll -F "$f" -c "$(challenge CAFE0123)" "$U" spoke7
	for word in CAFE0123 WRONG; do
		run -1 --separate-stderr enroll -F "$f" -c "$(challenge $word)" "$U" spoke8
		[[ -z $output && $stderr == *"the challenge is wrong, used already or too old"* ]]
		[ ! -e spoke8.pem ] && [ ! -e spoke8.pem.pending ]
	done
	run -1 --separate-stderr enroll -F "$f" "$U" spoke8
	[[ $stderr == *"it wants a challenge"* ]]
	[ "$(grep -c issued "$D/log")" -eq 1 ]
	# the challenge of a terminal's user is never on a command line
	grep -q 'event 29' "$D/log"
}

@test "NDES: nobody is asked before the CA is known by its fingerprint" {
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	c=$(challenge CAFE0123)
	run -1 --separate-stderr enroll -c "$c" "$U" spoke7
	[[ $stderr == *"is the CA the right one?"*"CN=Enterprise CA"* ]]
	[[ $stderr == *"$(fingerprint | tr -d : | tr A-F a-f)"* ]]
	run -1 --separate-stderr enroll -F "$(printf '00%.0s' {1..32})" -c "$c" "$U" spoke7
	[[ $stderr == *"not the one of --fingerprint"* ]]
	run -100 --separate-stderr enroll -F "$(fingerprint md5)" -c "$c" "$U" spoke7
	[[ $stderr == *MD5* ]]
	run ! grep type "$D/log"
	run -0 enroll --dry-run -F "$(fingerprint sha1)" "$U" spoke7
	[[ $output == *"it can: AES"*"trusted: CN=Enterprise CA"* ]]
	enroll -F "$(fingerprint sha1)" -c "$c" "$U" spoke7
}

@test "NDES: renewal is signed by the old certificate, and wants no challenge" {
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	enroll -F "$(fingerprint)" -c "$(challenge CAFE0123)" "$U" spoke7
	cp spoke7.pem old.pem
	run -0 enroll --renew spoke7.pem -j "$U"
	[ "$(jq -r .renewed <<<"$output")" = true ]
	grep -q 'type 17' "$D/log"
	[ "$(openssl x509 -in old.pem -noout -subject -ext subjectAltName)" = \
	    "$(openssl x509 -in spoke7.pem -noout -subject -ext subjectAltName)" ]
	run ! cmp -s <(openssl pkey -in old.pem) <(openssl pkey -in spoke7.pem)
	"$B/dmvpn-pki" verify --trust "$D/ca.pem" --for spoke7 spoke7.pem
}

@test "NDES: while the operator has not decided, the key is kept and the same command asks again" {
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	f=$(fingerprint)
	: >"$D/pending"
	run -111 --separate-stderr enroll --wait 1s -F "$f" -c "$(challenge CAFE0123)" "$U" spoke7
	[[ $stderr == *"has not decided"*"spoke7.pem.pending"* ]]
	[ "$(stat -c %a spoke7.pem.pending)" = 600 ]
	key=$(openssl pkey -in spoke7.pem.pending)
	enroll --wait 20s -F "$f" -c "$(challenge F00DF00D)" "$U" spoke7 3>&- &
	p=$!
	wait_for 10 grep -q 'type 20' "$D/log"
	rm "$D/pending"
	wait "$p"
	[ "$(openssl pkey -in spoke7.pem)" = "$key" ]
	[ ! -e spoke7.pem.pending ]
}

@test "NDES: an old one, without AES and POST, is taken only with --legacy" {
	printf 'SHA-1\nDES3\n' >"$D/caps"
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	f=$(fingerprint)
	run -1 --separate-stderr enroll -F "$f" -c "$(challenge CAFE0123)" "$U" spoke7
	[[ $stderr == *"it can: DES3 SHA-1"*"--legacy"* ]]
	enroll --legacy -F "$f" -c "$(challenge CAFE0123)" "$U" spoke7
	grep -q 'by GET' "$D/log"
}

@test "NDES: a wrong path, an exchanged RA and an ended RA are told apart" {
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	f=$(fingerprint)
	c=$(challenge CAFE0123)
	run -1 --separate-stderr enroll -F "$f" -c "$c" http://127.0.0.1:8080/scep spoke7
	[[ $stderr == *"404: there is nothing at this URL"* ]]
	run -111 --separate-stderr enroll -F "$f" -c "$c" http://127.0.0.1:8081/ spoke7
	[[ $stderr == *"Connection refused"* ]]
	# it shows one that it does not use any more
	{ below other $'keyUsage=keyEncipherment\nextendedKeyUsage=1.3.6.1.4.1.311.20.2.1'; } \
	    2>>"$T/openssl.log"
	cp "$D/other.pem" "$D/ra-crypt-shown.pem"
	run -1 --separate-stderr enroll -F "$f" -c "$c" "$U" spoke7
	[[ $stderr == *badMessageCheck*"RA certificates may not be those that it uses"* ]]
	openssl x509 -req -in "$D/other.csr" -CA "$D/ca.pem" -CAkey "$D/ca.key" \
	    -days -1 -extfile "$D/other.ext" -out "$D/ra-crypt-shown.pem" 2>>"$T/openssl.log"
	run -1 --separate-stderr enroll -F "$f" -c "$c" "$U" spoke7
	[[ $stderr == *"certificate for encryption"*"has expired"* ]]
	# nothing of all this has used up the challenge
	cp "$D/ra-crypt.pem" "$D/ra-crypt-shown.pem"
	enroll -F "$f" -c "$c" "$U" spoke7
}

@test "NDES: an RA that does not say what it is wants to be named" {
	for ra in ra-sign:digitalSignature ra-crypt:keyEncipherment; do
		{ below "${ra%:*}" "keyUsage=${ra#*:}"; } 2>>"$T/openssl.log"
	done
	cp "$D/ra-crypt.pem" "$D/ra-crypt-shown.pem"
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	c=$(challenge CAFE0123)
	run -1 --separate-stderr enroll -F "$(fingerprint)" -c "$c" "$U" spoke7
	[[ $stderr == *"does CN=NDES-ra-"*"speak for the CA?"*"--ra"* ]]
	for ra in ra-sign ra-crypt; do
		openssl x509 -in "$D/$ra.pem" -outform DER | sha256sum |
		    cut -d' ' -f1 >"$T/$ra"
	done
	run -100 enroll -F "$(fingerprint)" -c "$c" --ra 1234 "$U" spoke7
	enroll -F "$(fingerprint)" -c "$c" --ra "$(cat "$T/ra-sign")" \
	    --ra "$(cat "$T/ra-crypt")" "$U" spoke7
	# to renew, they are named again
	run -1 --separate-stderr enroll -R spoke7.pem "$U"
	enroll -R spoke7.pem --ra "$(cat "$T/ra-sign")" \
	    --ra "$(cat "$T/ra-crypt")" "$U"
}

@test "NDES: a key on an elliptic curve and a file that is there are refused before anybody is asked" {
	run -100 --separate-stderr enroll -k p256 --accept-ca "$U" ../x
	run -100 --separate-stderr enroll --accept-ca "$U" -- -rf
	run -100 --separate-stderr enroll --accept-ca "$U" 'a b'
	run -100 --separate-stderr enroll --accept-ca "$U"
	run -100 --separate-stderr enroll --accept-ca ldap://x/ spoke7
	[[ $stderr == *"neither http:// nor https://"* ]]
	: >spoke7.pem
	run -1 --separate-stderr enroll --accept-ca "$U" spoke7
	[[ $stderr == *"already there"* ]]
	rm spoke7.pem
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	run -100 --separate-stderr enroll -k p256 -F "$(fingerprint)" "$U" spoke7
	[[ $stderr == *"RSA keys only"* ]]
	[ ! -e spoke7.pem.pending ]
}

@test "NDES: the CA of tomorrow is trusted from the renewal before it on" {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$D/next.key" \
	    -subj '/DC=test/CN=Enterprise CA' -days 3650 -out "$D/next.pem" \
	    2>>"$T/openssl.log"
	printf 'AES\nSHA-256\nPOSTPKIOperation\nRenewal\nGetNextCACert\n' >"$D/caps"
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	enroll -F "$(fingerprint)" -c "$(challenge CAFE0123)" "$U" spoke7
	[ "$(grep -c 'BEGIN CERT' spoke7.pem)" -eq 2 ]
	enroll -R spoke7.pem "$U"
	[ "$(grep -c 'BEGIN CERT' spoke7.pem)" -eq 3 ]
	grep -qF "$(sed -n 5p "$D/next.pem")" spoke7.pem
	# a reply that is signed by nobody of the CA
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$D/ra-sign.key" \
	    -subj '/CN=evil' -out "$D/ra-sign.pem" 2>>"$T/openssl.log"
	run -1 --separate-stderr enroll -R spoke7.pem "$U"
	[[ $stderr == *"signed by none of the server's certificates"* ]]
}

# gre, agent with NAME.pem, ike
ours() {
	start "$1" "$1-gre" "$B/dmvpn-gre" run
	start "$1" "$1-pki" "$B/dmvpn-pki" agent -l "me=$2.pem"
	start "$1" "$1-ike" "$B/dmvpn-ike" run
}

on_a() {
	on a "$B/dmvpn-$1" "${@:2}"
}

on_b() {
	on b "$B/dmvpn-$1" "${@:2}"
}

tunnel() {
	on_a gre interface set dmvpn0 -a 10.255.0.1/24
	on_b gre interface set dmvpn0 -a 10.255.0.2/24
	on_b ike profile set p -i dmvpn0 --identity me --accept
	on_a ike profile set p -i dmvpn0 --identity me
	on_a ike connection set hub -p p --remote 192.0.2.2 --wait 15
	wait_for 5 mapped
}

# Who has come up is on the tunnel.
mapped() {
	on_a gre map set dmvpn0 10.255.0.2 "$(on_a ike peers -j | jq .peer)"
	on_b gre map set dmvpn0 10.255.0.1 "$(on_b ike peers -j | jq .peer)"
}

back() {	# on the new SA, when the old one is gone at both ends
	mapped && on a ping -c 1 -W 2 10.255.0.2
}

ends() {	# the agent's certificate of a
	on_a pki identities -j | jq -r '."not-after"'
}

@test "NDES: its certificates make a tunnel; enroll --watch renews and no packet is lost (PKI-14)" {
	net_need_tun
	start a ndes python3 "$BATS_TEST_DIRNAME/ndes.py" "$D" 8080
	f=$(fingerprint)
	# of the spoke's life more than 2/3 are over
	date -ud '-300 days' +%Y%m%d%H%M%SZ >"$D/dates"
	date -ud '+60 days' +%Y%m%d%H%M%SZ >>"$D/dates"
	enroll -F "$f" -c "$(challenge CAFE0123)" "$U" spoke7
	cp "$D/new.pem" old.pem
	rm "$D/dates"
	enroll -F "$f" -c "$(challenge F00DF00D)" "$U" hub1
	ns_new b
	link a:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	ours a spoke7
	ours b hub1
	tunnel
	on a ping -c 1 -W 2 10.255.0.2
	[ "$(on_b ike peers -j | jq -r .identity)" = spoke7 ]
	before=$(ends)
	renewed() {
		start a watch "$B/dmvpn-pki" enroll scep --watch \
		    --renew spoke7.pem --identity me "$U"
		wait_for 10 grep -q renewed watch.log
	}
	lossless a 10.255.0.2 renewed
	[ "$(ends)" != "$before" ]
	# only the old one is revoked: who comes back has the new one
	(cd "$D" && openssl ca -config ca.cnf -revoke ../old.pem &&
	    openssl ca -config ca.cnf -gencrl -crldays 1 -out crl.pem) \
	    2>>"$T/openssl.log"
	on_b pki load --crl "$D/crl.pem"
	wait_for 5 grep -q 'code=revoked' b-ike.log
	wait_for 15 back
	stop watch
}
