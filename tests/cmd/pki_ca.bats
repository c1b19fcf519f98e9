# dmvpn-pki: a CA below another one, its keys over the years, what it takes over.

bats_require_minimum_version 1.5.0
load lib

setup() {
	pki_dir
}

# outside NAME EXTENSIONS: a root in NAME.pem and NAME.key.
outside() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$1.key" -out "$1.pem" -subj "/O=Corp/CN=$1" -days 4000 \
	    -addext keyUsage=critical,keyCertSign,cRLSign "${@:2}" 2>/dev/null
}

# certify REQUEST CA OUT: by an outside CA.
certify() {
	openssl x509 -req -in "$1" -CA "$2.pem" -CAkey "$2.key" \
	    -copy_extensions copyall -days 2000 -out "$3" 2>/dev/null
}

# ------------------------------------------------------- below another CA

@test "init --csr waits for a certificate; nothing is issued before it has come" {
	outside corp
	pki init --csr --name "Sub CA" -R 10.0.0.0/8 -o sub.csr
	openssl req -in sub.csr -noout -verify 2>/dev/null
	run -1 --separate-stderr pki issue x
	[[ $stderr == *"waits for its certificate"* ]]
	[ "$(pki rollover --status -j | jq -r .state)" = waiting ]
	# the same key, should the request have been lost
	pki init --csr --name "Sub CA" -R 10.0.0.0/8 -o again.csr
	cmp <(openssl req -in sub.csr -noout -pubkey) \
	    <(openssl req -in again.csr -noout -pubkey)
	run -1 --separate-stderr pki init --name Other
	certify sub.csr corp sub.pem
	run -100 --separate-stderr pki init --certificate sub.pem
	[[ $stderr == *"root that it leads to is missing"* ]]
	pki init --certificate sub.pem --trust corp.pem
	[ "$(pki rollover --status -j | jq -r .state)" = active ]
	pki issue -d 30 -T 10.0.0.2 -o a.pem a
	run -1 --separate-stderr pki issue -d 30 -T 192.168.0.1 b
	run -1 --separate-stderr pki init --certificate sub.pem --trust corp.pem
	[[ $stderr == *"no key of this CA waits"* ]]
}

@test "a certificate of another key, no CA, of another root or without cRLSign is refused" {
	outside corp
	outside false
	pki init --csr -o sub.csr
	certify sub.csr corp good.pem
	openssl req -new -key corp.key -subj /CN=x -addext basicConstraints=CA:TRUE \
	    -addext keyUsage=keyCertSign,cRLSign -out other.csr
	certify other.csr corp other.pem
	openssl x509 -req -in sub.csr -CA corp.pem -CAkey corp.key -out plain.pem \
	    2>/dev/null
	printf 'basicConstraints=CA:TRUE\nkeyUsage=keyCertSign\n' >ext
	openssl x509 -req -in sub.csr -CA corp.pem -CAkey corp.key -extfile ext \
	    -out nocrl.pem 2>/dev/null
	for f in other:corp:"not that of the request" plain:corp:"basic constraints" \
	    nocrl:corp:cRLSign good:false:issuer; do
		IFS=: read -r cert root words <<<"$f"
		run --separate-stderr pki init --certificate "$cert.pem" -t "$root.pem"
		[[ $status -ne 0 && $stderr == *"$words"* ]]
		[ "$(pki rollover --status -j | jq -r .state)" = waiting ]
	done
}

@test "two levels: verify, export, agent, OpenSSL; below a company's root only our own are let in" {
	outside corp
	pki init --csr --name "Sub CA" -o sub.csr
	certify sub.csr corp sub.pem
	cat sub.pem corp.pem >chain.pem
	pki init --certificate chain.pem
	pki issue -d 30 -T 10.0.0.2 -S 192.168.2.0/24 -o a.pem a
	run -0 pki verify --need-blocks a.pem
	pki export --anchors -o anchors.pem
	[ "$(grep -c BEGIN anchors.pem)" -eq 1 ]
	run -0 pki verify -t anchors.pem --need-blocks --for a a.pem
	openssl verify -CAfile corp.pem -untrusted a.pem a.pem ||
	    openssl verify -partial_chain -CAfile sub.pem a.pem
	# another certificate of the company is not of the tunnels
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout clerk.key -subj /CN=clerk -out clerk.csr 2>/dev/null
	certify clerk.csr corp clerk.pem
	run -1 pki verify -t anchors.pem clerk.pem
	mkdir "$DMVPN_RUN"
	pki agent --load a.pem --ready-fd 4 4>ready 3>&- &
	agent=$!
	until pki identities >/dev/null 2>&1; do :; done
	[ "$(pki identities -j | jq -r '.identity + " " + .id')" = "a a" ]
	pki stop
	wait "$agent"
}

@test "two levels below a root with address blocks: the root is the anchor, and the chain is sent" {
	outside corp -addext sbgp-ipAddrBlock=IPv4:10.0.0.0/8
	pki init --csr --name "Sub CA" -R 10.0.0.0/16 -o sub.csr
	certify sub.csr corp sub.pem
	pki init --certificate sub.pem -t corp.pem
	pki issue -d 30 -T 10.0.0.2 -o a.pem a
	[ "$(pki export --anchors | openssl x509 -noout -subject)" = \
	    "subject=O = Corp, CN = corp" ]
	run -0 pki verify -t corp.pem --need-blocks a.pem
	[[ $output == *"3 certificates up to"* ]]
	openssl verify -CAfile corp.pem -untrusted <(sed -n '/CERT/,$p' a.pem) a.pem
	[ "$(grep -c 'BEGIN CERT' a.pem)" -eq 3 ]
}

@test "address blocks that are inherited from the CA above narrow to what it has" {
	outside corp -addext sbgp-ipAddrBlock=IPv4:10.1.0.0/16
	pki init --csr --name "Sub CA" -R 10.0.0.0/8 -o sub.csr
	# more than the root has: no path, whatever the request asked for
	certify sub.csr corp wide.pem
	printf '%s\n' basicConstraints=critical,CA:TRUE,pathlen:0 \
	    keyUsage=critical,keyCertSign,cRLSign subjectKeyIdentifier=hash \
	    sbgp-ipAddrBlock=IPv4:10.1.2.0/24 >ext
	openssl x509 -req -in sub.csr -CA corp.pem -CAkey corp.key -extfile ext \
	    -days 2000 -out sub.pem 2>/dev/null
	pki init --certificate sub.pem -t corp.pem
	pki issue -d 30 -T 10.1.2.3 -o a.pem a
	run -0 pki verify -t corp.pem a.pem
	run -1 --separate-stderr pki issue -d 30 -T 10.1.3.3 b
	[[ $stderr == *"not within the address blocks of the CA"* ]]
	run -1 pki verify -t corp.pem -c wide.pem wide.pem
}

# ---------------------------------------------------------------- rollover

@test "rollover: old and new keys overlap, link, revoke, and the old one goes at last (PKI-14)" {
	pki init --name "Test CA"
	pki issue -T 10.0.0.1 -p hub -o hub.pem hub
	pki issue -T 10.0.0.2 -o a.pem a
	pki export -o old.pem
	pki rollover
	pki issue -T 10.0.0.3 -o b.pem b
	pki export --anchors -o both.pem
	[ "$(grep -c BEGIN both.pem)" -eq 2 ]
	for f in hub a b; do
		run -0 pki verify -t both.pem --need-blocks --for "$f" "$f.pem"
		run -0 pki verify "$f.pem"
		openssl verify -CAfile both.pem "$f.pem"
	done
	# who knows only the old root follows the link in the new file
	run -0 pki verify -t old.pem --need-blocks b.pem
	openssl verify -CAfile old.pem -untrusted b.pem b.pem
	[ "$(openssl x509 -in b.pem -noout -issuer)" = \
	    "$(openssl x509 -in a.pem -noout -issuer)" ]
	# lists of both keys
	pki revoke a
	pki revoke b
	pki crl -o crl.pem
	[ "$(grep -c BEGIN crl.pem)" -eq 2 ]
	for f in a b; do
		run -1 pki verify -t both.pem --need-crl --crl crl.pem "$f.pem"
		[[ $output == *"FAIL     revocation"* ]]
	done
	run -0 pki verify -t both.pem --need-crl --crl crl.pem hub.pem
	pki crl --der -o ca.crl
	openssl crl -in ca.crl -inform DER -noout
	openssl crl -in ca-g2.crl -inform DER -noout
	run -100 --separate-stderr pki crl --der
	# not twice, and not before its time
	run -1 --separate-stderr pki rollover
	[[ $stderr == *"--finish"* ]]
	run -1 --separate-stderr pki rollover --finish
	[[ $stderr == *"1 certificates of the old key are valid"* ]]
	pki renew -o hub2.pem hub
	pki revoke "$(pki list -j hub | head -n 1 | jq -r .serial)"
	pki rollover --finish
	[ "$(pki rollover --status -j | jq -rs 'map(.state) | join(" ")')" = \
	    "retired active" ]
	[ "$(pki export --anchors | grep -c BEGIN)" -eq 1 ]
	run -0 pki verify hub2.pem
	run -1 pki verify a.pem
	[ "$(grep -c BEGIN <(pki crl))" -eq 1 ]
	pki issue -o c.pem c
	[ "$(grep -c 'BEGIN CERT' c.pem)" -eq 2 ]
	pki rollover
	[ "$(pki rollover --status -j | jq -rs 'map(.state) | join(" ")')" = \
	    "retired old active" ]
}

@test "rollover --prepare: the next key is trusted before it issues (PKI-14)" {
	pki init --name "Test CA"
	pki issue -o before.pem a
	pki export -o old.pem
	pki rollover --prepare
	[ "$(pki rollover --status -j | jq -rs 'map(.state) | join(" ")')" = \
	    "active waiting" ]
	pki export --anchors -o both.pem
	[ "$(grep -c BEGIN both.pem)" -eq 2 ]
	# the first key issues, and its peers know the second
	pki issue -T 10.0.0.2 -o b.pem b
	run -0 pki verify -t old.pem b.pem
	[ "$(grep -c 'BEGIN CERT' b.pem)" -eq 3 ]
	pki crl -o crl.pem
	[ "$(grep -c BEGIN crl.pem)" -eq 1 ]
	run -1 --separate-stderr pki rollover --prepare
	[[ $stderr == *"waits already"* ]]
	run -100 --separate-stderr pki rollover -k p384
	[[ $stderr == *"--prepare --force"* ]]
	run -100 --separate-stderr pki rollover --prepare --csr
	run -100 --separate-stderr pki rollover --certificate old.pem -t old.pem
	pki rollover --prepare --force -k p384
	[ "$(pki rollover --status -j | jq -rs 'map(.state) | join(" ")')" = \
	    "active retired waiting" ]
	pki export --anchors -f -o both.pem
	[ "$(grep -c BEGIN both.pem)" -eq 2 ]
	pki rollover
	[ "$(pki rollover --status -j | jq -rs 'map(.state) | join(" ")')" = \
	    "old retired active" ]
	cmp both.pem <(pki export --anchors)
	pki issue -T 10.0.0.3 -o c.pem c
	for f in before b c; do
		run -0 pki verify -t both.pem "$f.pem"
	done
	# who knows only the first key follows the link
	run -0 pki verify -t old.pem --need-blocks c.pem
	run -1 --separate-stderr pki rollover --prepare
	[[ $stderr == *"--finish"* ]]
	pki rollover --finish --force
	run -0 pki verify c.pem
	[ "$(pki audit -j --what changed | jq -r .who | tr '\n' ',')" = \
	    'init,rollover --prepare,rollover --prepare,rollover,rollover --finish,' ]
}

@test "rollover keeps the passphrase, the type and the name; the key that goes is wiped" {
	echo secret >pass
	pki init -k p384 -O "A Company" -P pass
	pki issue -P pass -d 30 -o a.pem a
	openssl pkey -in a.pem -noout
	pki rollover -P pass
	run -0 grep -ac "BEGIN ENCRYPTED PRIVATE KEY" dmvpn-ca.db
	[ "$(pki rollover --status -j | jq -rs 'map(.key) | join(" ")')" = "p384 p384" ]
	[ "$(pki show -j | jq -r .subject)" = "CN=DMVPN CA,O=A Company" ]
	key=$(python3 -c 'import sqlite3
print(sqlite3.connect("dmvpn-ca.db").execute("SELECT key FROM authority").fetchone()[0].split("\n")[1])')
	grep -aqF "$key" dmvpn-ca.db
	pki rollover --finish --force
	run -1 grep -aqF "$key" dmvpn-ca.db
	pki issue -P pass -o b.pem b
	pki crl -P pass >/dev/null
}

@test "rollover of a CA below another one: a request, its certificate, both are trusted" {
	outside corp
	pki init --csr --name "Sub CA" -o sub.csr
	certify sub.csr corp sub.pem
	pki init --certificate sub.pem -t corp.pem
	pki issue -d 30 -T 10.0.0.2 -o a.pem a
	run -100 --separate-stderr pki rollover
	[[ $stderr == *"--csr"* ]]
	pki rollover --csr -o new.csr
	pki issue -d 30 -T 10.0.0.3 -o b.pem b
	certify new.csr corp new.pem
	pki rollover --certificate new.pem -t corp.pem
	pki issue -d 30 -T 10.0.0.4 -o c.pem c
	pki export --anchors -o both.pem
	[ "$(grep -c BEGIN both.pem)" -eq 2 ]
	for f in a b c; do
		run -0 pki verify -t both.pem "$f.pem"
	done
	# the file of a new certificate has both anchors
	[ "$(grep -c 'BEGIN CERT' c.pem)" -eq 3 ]
	pki init -s root.db
	run -100 --separate-stderr pki rollover -s root.db --csr
}

@test "who issues while the key changes is told to try again, or has the new key" {
	pki init
	mkfifo list
	pki issue --batch list 2>err 3>&- &
	issuer=$!
	exec 5>list
	pki rollover
	# the batch was opened before or after: never a row of the wrong key
	echo one >&5
	exec 5>&-
	wait "$issuer" || grep -q "try again" err
	for n in 1 2 3 4 5 6; do
		pki issue -o "p$n.pem" "p$n" 2>"e$n" 3>&- &
	done
	pki rollover --finish --force
	wait
	for f in one.pem p?.pem; do
		[ ! -e "$f" ] || pki verify "$f" >/dev/null
	done
}

@test "a backup from before a rollover does not come back over it" {
	pki init
	pki backup one.db
	pki rollover
	run -1 --separate-stderr pki restore one.db
	[[ $stderr == *"newer than the backup"* ]]
	pki restore --force one.db
	[ "$(pki rollover --status -j | wc -l)" -eq 1 ]
}

# ------------------------------------------------------------------ import

openssl_ca() {
	mkdir ca ca/newcerts
	: >ca/index.txt
	echo 2A >ca/crlnumber
	cat >ca.cnf <<-'EOF'
	[ca]
	default_ca = main
	[main]
	database = ca/index.txt
	new_certs_dir = ca/newcerts
	serial = ca/serial
	crlnumber = ca/crlnumber
	certificate = ca.pem
	private_key = ca.key
	default_md = sha256
	default_days = 365
	default_crl_days = 7
	policy = any
	x509_extensions = leaf
	[any]
	commonName = supplied
	[leaf]
	subjectAltName = DNS:x.example
	extendedKeyUsage = serverAuth
	EOF
	echo 00FE >ca/serial
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout ca.key -out ca.pem -subj "/CN=Old CA" -days 900 2>/dev/null
	for n in "spoke 1" hub/2 gone lost; do
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		    -keyout k -subj "/CN=${n/\//\\/}" -out r 2>/dev/null
		openssl ca -batch -notext -config ca.cnf -in r -out "last.pem" 2>/dev/null
		[ "$n" != gone ] && [ "$n" != lost ] || openssl ca -config ca.cnf \
		    -revoke last.pem -crl_reason keyCompromise 2>/dev/null
	done
	rm ca/newcerts/0101.pem
	cat ca.key ca.pem >both.pem
}

@test "import: what openssl ca issued is listed, revoked and renewed by us" {
	openssl_ca
	pki init --from both.pem
	run -0 --separate-stderr pki import ca
	[[ $stderr == "4 new, 0 known, 2 revoked, 0 refused" ]]
	run -0 pki list -j
	[ "$(jq -rs 'map(.name + " " + .state) | join(",")' <<<"$output")" = \
	    "spoke_1 valid,hub_2 valid,gone revoked,serial-0101 revoked" ] ||
	    [ "$(jq -rs 'map(.name + " " + .state) | join(",")' <<<"$output")" = \
	    "spoke_1 valid,hub_2 valid,gone revoked,lost revoked" ]
	[ "$(jq -rs '.[2]."revoked-why"' <<<"$output")" = key-compromise ]
	# again: nothing new
	run -0 --separate-stderr pki import ca
	[[ $stderr == "0 new, 4 known, 0 revoked, 0 refused" ]]
	# the list has both, and a number above theirs
	pki crl -o crl.pem
	[ "$(pki show -j crl.pem | jq -r '.revoked | sort | join(" ")')" = "0100 0101" ]
	[ "$(pki show -j crl.pem | jq -r .number)" = 2b ]
	pki renew -o new.pem hub_2
	run -0 pki verify new.pem
	pki revoke spoke_1
	run -1 pki verify ca/newcerts/FE.pem
}

@test "import: a revocation that is news is taken, strangers are refused" {
	openssl_ca
	pki init --from both.pem
	pki import ca/newcerts/FE.pem 2>/dev/null
	openssl ca -config ca.cnf -revoke ca/newcerts/FE.pem 2>/dev/null
	openssl ca -config ca.cnf -gencrl -out their.crl 2>/dev/null
	run -0 --separate-stderr pki import -j their.crl
	[ "$(jq -rs 'map(.serial + " " + .result) | sort | join(",")' <<<"$output")" = \
	    "0100 revoked,0101 revoked,fe revoked" ]
	[ "$(pki list -j fe | jq -r .state)" = revoked ]
	outside stranger
	run -1 --separate-stderr pki import stranger.pem
	[[ $stderr == *"this CA did not sign it"* ]]
	run -1 --separate-stderr pki import ca.pem
	[[ $stderr == *"certificate of a CA"* ]]
	echo nonsense >file
	run -1 --separate-stderr pki import file
	run --separate-stderr pki import absent
	[ "$status" -ne 0 ]
	mkdir dir
	printf 'V\tnever\t\t01\tx\t/CN=x\nX\n\nV\t271123120000Z\t\t../../x\tx\t/CN=x\n' >dir/index.txt
	before=$(pki list -j | wc -l)
	run -1 --separate-stderr pki import dir
	[[ $stderr == *"index.txt-1"*"a time that is none"* ]]
	[[ $stderr == *"index.txt-4"*"serial number that is none"* ]]
	[ "$(pki list -j | wc -l)" -eq "$before" ]
}

@test "import: easy-rsa's directory moves here as it is" {
	easy=$(type -P easyrsa || echo /usr/share/easy-rsa/easyrsa)
	[ -x "$easy" ] || skip "easy-rsa is not installed"
	export EASYRSA_BATCH=1 EASYRSA_ALGO=ec EASYRSA_CURVE=prime256v1
	export EASYRSA_PKI=$PWD/pki
	"$easy" init-pki >/dev/null 2>&1
	"$easy" build-ca nopass >/dev/null 2>&1
	for n in one two; do
		"$easy" build-client-full "$n" nopass >/dev/null 2>&1
	done
	"$easy" revoke two superseded >/dev/null 2>&1
	cat pki/private/ca.key pki/ca.crt >old.pem
	pki init --from old.pem
	run -0 --separate-stderr pki import pki
	[[ $stderr == "2 new, 0 known, 1 revoked, 0 refused" ]]
	[ "$(pki list -j | jq -rs 'map(.name + " " + .state + " " + .subject) | join(",")')" = \
	    "one valid CN=one,two revoked CN=two" ]
	run -0 pki verify --any-usage pki/issued/one.crt
}

# --------------------------------------------------------------- partitions

@test "partitions: each certificate names one, its list tells, the others do not" {
	pki init --crl-url http://ca.example/ca.crl --crl-partitions 3
	for n in 1 2 3 4 5 6 7 8; do
		pki issue -d 30 -o "$n.pem" "s$n"
	done
	[ "$(pki settings -j | jq -c .)" = \
	    '{"crl-url":"http://ca.example/ca.crl","crl-partitions":3,"ocsp-url":""}' ] ||
	    [ "$(pki settings -j | jq -r '."crl-partitions"')" = 3 ]
	url=$(openssl x509 -in 1.pem -noout -ext crlDistributionPoints |
	    sed -n 's/.*URI://p')
	serial=$((16#$(openssl x509 -in 1.pem -noout -serial | tail -c 5)))
	part=$((1 + serial % 3))
	[ "$url" = "http://ca.example/ca-$part.crl" ]
	pki revoke s1
	pki crl --der -o ca.crl
	pki export -o ca.pem
	for k in 1 2 3; do
		run -0 openssl crl -inform DER -in ca-$k.crl -noout -text
		[[ $output == *"Issuing Distribution Point: critical"*"ca-$k.crl"* ]]
	done
	run -1 pki verify -t ca.pem --crl "ca-$part.crl" 1.pem
	[[ $output == *"FAIL     revocation"* ]]
	run -1 pki verify -t ca.pem --crl ca.crl 1.pem
	run -0 pki verify -t ca.pem --crl "ca-$((part % 3 + 1)).crl" 1.pem
	[[ $output == *"skipped  revocation"* ]]
	run -1 pki verify -t ca.pem --need-crl --crl "ca-$((part % 3 + 1)).crl" 1.pem
	run -0 pki verify -t ca.pem --need-crl --crl ca-1.crl --crl ca-2.crl \
	    --crl ca-3.crl 2.pem
	openssl verify -crl_check -CRLfile <(openssl crl -inform DER -in "ca-$part.crl") \
	    -CAfile ca.pem 1.pem 2>&1 | grep -q revoked
	# an agent holds them all; it takes the place of the older one of its part
	mkdir "$DMVPN_RUN"
	pki agent --load 2.pem 3>&- &
	agent=$!
	until pki identities >/dev/null 2>&1; do :; done
	pki load --crl ca-1.crl --crl ca-2.crl --crl ca-3.crl --crl ca.crl
	[ "$(pki identities -j | jq -r .crls)" = 4 ]
	pki crl --der -o c.crl
	pki load --crl c-2.crl
	[ "$(pki identities -j | jq -r .crls)" = 4 ]
	pki stop
	wait "$agent"
	# found by their URL as long as they live
	run -1 --separate-stderr pki settings --crl-url http://other.example/
	pki settings --crl-partitions 2
	pki crl --der -o b.crl
	[ -e b-3.crl ]
	run -100 --separate-stderr pki settings --crl-partitions 61
	run -100 --separate-stderr pki settings --ocsp-url 'ldap://x'
	pki settings --ocsp-url http://ca.example/ocsp
	pki issue -d 30 -o 9.pem s9
	[ "$(openssl x509 -in 9.pem -noout -ocsp_uri)" = http://ca.example/ocsp ]
}

# -------------------------------------------------------------------- files

@test "a store that somebody died over is free at once; another owner's is refused (PKI-17)" {
	pki init
	python3 -c 'import os, signal, sqlite3
c = sqlite3.connect("dmvpn-ca.db", isolation_level=None)
c.execute("BEGIN IMMEDIATE")
c.execute("UPDATE authority SET crl_number = 99")
os.kill(os.getpid(), signal.SIGKILL)' || true
	run -0 timeout 20 "$B/dmvpn-pki" issue -o a.pem a
	[ "$(pki show -j <(pki crl) | jq -r .number)" = 01 ]
	[ "$(id -u)" = 0 ] || skip "needs root for another owner"
	type -P setpriv >/dev/null || skip "setpriv is not installed"
	mkdir d
	cp dmvpn-ca.db d/x.db
	chmod 755 . d "$BATS_TEST_TMPDIR"
	chown 65533 d/x.db
	chmod 666 d/x.db
	run --separate-stderr setpriv --reuid 65534 --clear-groups \
	    "$B/dmvpn-pki" list -s "$PWD/d/x.db"
	[ "$status" -ne 0 ]
	[[ $stderr == *"belongs to uid 65533"* || $stderr == *"ermission denied"* ]]
}

@test "lists are written, synced, put in place, their directory synced (PKI-07)" {
	type -P strace >/dev/null || skip "strace is not installed"
	pki init
	strace -f -qq -y -o log -e trace=write,fsync,rename,renameat,renameat2 \
	    "$B/dmvpn-pki" crl -o x.crl || skip "strace may not trace here"
	grep -E 'x\.crl' log | sed 's/^[0-9]* *//; s/(.*//; s/at2*$//' | uniq >order
	printf 'write\nfsync\nrename\n' | diff - order
	tail -n 1 log | grep -E "fsync\(.*$PWD"
}

@test "a list or certificate that is empty, cut or flipped is refused (PKI-08)" {
	pki init
	pki issue -o a.pem a
	pki export -F der -o ca.der
	pki crl --der -o x.crl
	: >empty
	head -c 100 x.crl >cut.crl
	head -c 100 ca.der >cut.der
	flip() {
		cp "$1" "$2"
		printf '\377' | dd of="$2" bs=1 seek="$3" conv=notrunc 2>/dev/null
	}
	for f in empty cut.crl; do
		run -100 --separate-stderr pki verify -t ca.der --crl "$f" a.pem
		[ -n "$stderr" ]
	done
	for f in empty cut.der; do
		run -100 --separate-stderr pki verify -t "$f" a.pem
		[ -n "$stderr" ]
	done
	# in the last octets: the signature
	flip x.crl bad.crl $(($(stat -c %s x.crl) - 9))
	! cmp -s x.crl bad.crl || flip x.crl bad.crl $(($(stat -c %s x.crl) - 10))
	run --separate-stderr pki verify -t ca.der --need-crl --crl bad.crl a.pem
	[ "$status" -ne 0 ]
	flip x.crl bad.crl 1
	run -100 --separate-stderr pki verify -t ca.der --crl bad.crl a.pem
}

# --------------------------------------------------------------------- keys

@test "keys of RSA from 2048 to 8192, and of none between" {
	pki init -k rsa3072
	pki issue -k rsa2048 -d 30 -o a.pem a
	[ "$(pki show -j a.pem | head -n 1 | jq -r .key)" = "rsa 2048" ]
	for k in rsa1024 rsa2047 rsa2050 rsa8448 rsa rsa99999999999 RSA2048; do
		run -100 --separate-stderr pki issue -k "$k" x
		[[ $stderr == *"rsa2048|...|rsa8192"* ]]
	done
	run -0 pki verify a.pem
	# made beforehand: it takes a while
	cp "$BATS_TEST_DIRNAME/../vectors/pki/rsa8192.pem" big.pem
	pki init -s big.db --from big.pem
	pki issue -s big.db -o b.pem b
	run -0 pki verify -s big.db b.pem
	openssl verify -CAfile <(pki export -s big.db) b.pem
	pki sign -s big.db -d 30 -o c.pem c <(openssl req -new -key big.pem -subj /CN=c)
	[ "$(pki show -j c.pem | head -n 1 | jq -r .key)" = "rsa 8192" ]
}

@test "a passphrase that is asked for locks the CA's key and a peer's" {
	type -P script >/dev/null || skip "script is not installed"
	ask() {
		rm -f out
		: >out
		{
			until grep -qa 'passphrase for' out; do :; done
			printf '%s\n' "$1"
			until grep -qa again out; do :; done
			printf '%s\n' "$2"
		} | script -qefc "$3" out >/dev/null 2>&1
	}
	ask secret1 secret1 "$B/dmvpn-pki init -e"
	grep -aq "BEGIN ENCRYPTED PRIVATE KEY" dmvpn-ca.db
	run ask one two "$B/dmvpn-pki init -e -s other.db"
	[ ! -e other.db ]
	echo secret1 >pass
	ask secret2 secret2 "$B/dmvpn-pki issue -e -P pass -o a.pem a"
	grep -q "BEGIN ENCRYPTED PRIVATE KEY" a.pem
	openssl pkey -in a.pem -passin pass:secret2 -noout
	openssl asn1parse -in a.pem | grep -q ':0927C0'
	run ! grep -q secret2 out
}

@test "a token keeps the CA's key: PKCS#11 by OpenSSL" {
	type -P softhsm2-util >/dev/null || skip "softhsm2 is not installed"
	export PKCS11_MODULE_PATH=/usr/lib/softhsm/libsofthsm2.so
	[ -e "$PKCS11_MODULE_PATH" ] || skip "no SoftHSM module"
	ls /usr/lib/*/engines-3/pkcs11.so /usr/lib/*/ossl-modules/pkcs11.so \
	    >/dev/null 2>&1 || [ -n "$(ls /usr/lib/*/engines-3/pkcs11.so 2>/dev/null)" ] ||
	    skip "OpenSSL has neither provider nor engine for tokens"
	mkdir tokens
	printf 'directories.tokendir = %s/tokens\nlog.level = ERROR\n' "$PWD" >hsm.conf
	export SOFTHSM2_CONF=$PWD/hsm.conf
	softhsm2-util --init-token --free --label ca --pin 1234 --so-pin 4321 >/dev/null
	for n in one two; do
		openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $n.pem
		softhsm2-util --import $n.pem --token ca --label $n --id "0${#n}$n" \
		    --pin 1234 >/dev/null 2>&1 || softhsm2-util --import $n.pem \
		    --token ca --label $n --id "0$((++i))" --pin 1234 >/dev/null
	done
	echo 1234 >pin
	pki init --key "pkcs11:token=ca;object=one;type=private" -P pin
	run -1 grep -ac "PRIVATE KEY" dmvpn-ca.db
	pki issue -P pin -T 10.0.0.1 -o a.pem a
	run -0 pki verify --need-blocks a.pem
	cmp <(pki export | openssl x509 -noout -pubkey) <(openssl pkey -in one.pem -pubout)
	pki rollover -P pin --key "pkcs11:token=ca;object=two;type=private"
	pki issue -P pin -o b.pem b
	pki revoke a
	pki crl -P pin -o crl.pem
	[ "$(grep -c BEGIN crl.pem)" -eq 2 ]
	echo 9999 >pin
	run --separate-stderr pki issue -P pin -o c.pem c
	[[ $status -eq 1 && $stderr == *"is the PIN right?"* && ! -e c.pem ]]
	run --separate-stderr env OPENSSL_ENGINES=/nonexistent \
	    OPENSSL_MODULES=/nonexistent "$B/dmvpn-pki" issue -P pin c
	[[ $status -eq 1 && $stderr == *"can open no token"* ]]
	run -100 --separate-stderr pki init -s x.db --key one.pem
	[[ $stderr == *"wants a URI"* ]]
}
