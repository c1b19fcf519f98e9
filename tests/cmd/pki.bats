# dmvpn-pki: the certificate authority, and looking at certificates.

bats_require_minimum_version 1.5.0

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	export DMVPN_RUN=$BATS_TEST_TMPDIR/run
	unset DMVPN_STORE
}

pki() {
	"$B/dmvpn-pki" "$@"
}

# A CA, a hub and a spoke.
example() {
	pki init --name "Test CA"
	pki issue -p hub -T 10.0.0.1 -S 192.168.1.0/24 -o hub.pem hub.example.org
	pki issue -T 10.0.0.2 -S 192.168.2.0/24 -o spoke1.pem spoke1.example.org
	pki export -o ca.pem
}

@test "an unknown command prints usage and exits 100" {
	run -100 --separate-stderr pki nonsense
	[[ -z $output && $stderr == usage:* ]]
}

@test "every command has its help" {
	for c in init issue sign renew revoke crl list expiring backup restore show verify export agent load \
	    unload identities events stop wait; do
		run -0 --separate-stderr pki "$c" --help
		[[ $output == "usage: dmvpn-pki $c"* && -z $stderr ]]
	done
}

@test "without a CA a command says how to make one" {
	run -100 --separate-stderr pki issue x
	[[ -z $output && $stderr == *"dmvpn-pki init"* ]]
	run -100 --separate-stderr pki list
	[[ $stderr == *"dmvpn-pki init"* ]]
	[ ! -e dmvpn-ca.db ]
}

@test "a second init is refused and changes nothing" {
	pki init
	before=$(sha256sum dmvpn-ca.db)
	run -1 --separate-stderr pki init --name Other
	[[ $stderr == *"there is a CA in it already"* ]]
	[ "$before" = "$(sha256sum dmvpn-ca.db)" ]
}

@test "what is issued is verified, by us and by OpenSSL" {
	example
	for f in hub.pem spoke1.pem; do
		run -0 pki verify -t ca.pem --need-blocks "$f"
		openssl verify -x509_strict -CAfile ca.pem "$f"
	done
	run -0 pki verify --for spoke1.example.org --peer '*.example.org' spoke1.pem
	run -0 openssl x509 -in hub.pem -noout -ext sbgp-ipAddrBlock
	[[ $output == *10.0.0.1/32*192.168.1.0/24* ]]
}

@test "strongSwan's pki accepts our certificates and CRLs" {
	command -v pki >/dev/null && [[ $(type -P pki) ]] ||
	    skip "strongSwan's pki is not installed"
	for t in p256 p384 ed25519 rsa2048; do
		rm -f dmvpn-ca.db
		pki init -k "$t"
		pki export -F der -f -o ca.der
		pki issue -k "$t" -p hub -T 10.0.0.1 -f -o x.pem "x.$t"
		pki export -F der -f -o x.der x.pem
		run -0 command pki --verify --in x.der --cacert ca.der
		[[ $output == *"certificate trusted"* ]]
		pki revoke "x.$t"
		pki crl --der -o ca.crl
		run command pki --verify --in x.der --cacert ca.der --crl ca.crl
		[ "$status" -ne 0 ]
	done
}

@test "keys have mode 0600 from their first instant, whatever the umask (PKI-03)" {
	umask 000
	pki init
	pki issue -o x.pem x
	[ "$(stat -c %a dmvpn-ca.db)" = 600 ]
	[ "$(stat -c %a x.pem)" = 600 ]
	type -P strace >/dev/null || skip "strace is not installed"
	strace -f -qq -o log -e trace=open,openat,creat,chmod,fchmod \
	    "$B/dmvpn-pki" issue -o y.pem y || skip "strace may not trace here"
	grep -q 'y\.pem.*O_CREAT|O_EXCL.*, 0600)' log
	run -1 grep -v ', 0600)' <(grep O_CREAT log)
	run -1 grep -E 'f?chmod\(' log
}

@test "a file is written, synced, put in place, its directory synced (PKI-07)" {
	type -P strace >/dev/null || skip "strace is not installed"
	pki init
	strace -f -qq -y -o log -e trace=write,fsync,rename,renameat2 \
	    "$B/dmvpn-pki" issue -o x.pem x || skip "strace may not trace here"
	grep -E 'x\.pem' log | sed 's/^[0-9]* *//; s/(.*//' | uniq >order
	printf 'write\nfsync\nrenameat2\n' | diff - order
	tail -n 1 log | grep -E "fsync\(.*$PWD"
}

@test "names that are none are refused and nothing is written (PKI-01)" {
	pki init
	before=$(ls -A; sha256sum dmvpn-ca.db)
	long=$(printf 'a%.0s' {1..300})
	for n in ../../etc/x /abs a/b . .. '' $'a\nb' 'a b' "$long" spöke; do
		run -100 --separate-stderr pki issue -o x.pem -- "$n"
		[ -n "$stderr" ]
		run -100 --separate-stderr pki revoke -- "$n"
	done
	run -100 --separate-stderr pki issue -o x.pem -rf
	[ "$before" = "$(ls -A; sha256sum dmvpn-ca.db)" ]
}

@test "an existing file is not overwritten, and then nothing is issued" {
	pki init
	echo precious >x.pem
	run -1 --separate-stderr pki issue -o x.pem x
	[[ $stderr == *"already there"* ]]
	[ "$(cat x.pem)" = precious ]
	[ "$(pki list -j | wc -l)" -eq 0 ]
	pki issue --force -o x.pem x
	[ "$(pki list -j | wc -l)" -eq 1 ]
}

@test "a directory that can not be written leaves the store as it was (PKI-06)" {
	pki init
	run --separate-stderr pki issue -o /nonexistent/x.pem x
	[ "$status" -ne 0 ]
	[ "$(pki list -j | wc -l)" -eq 0 ]
}

@test "a full disk leaves the store as it was (PKI-06)" {
	[ "$(id -u)" = 0 ] || skip "needs root for a small tmpfs"
	mkdir small
	mount -t tmpfs -o size=64k,mode=700 none small 2>/dev/null ||
	    skip "may not mount"
	pki init -s small/ca.db
	dd if=/dev/zero of=small/fill bs=1k 2>/dev/null || true
	before=$(sha256sum small/ca.db)
	run --separate-stderr pki issue -s small/ca.db -o x.pem x
	code=$status
	after=$(sha256sum small/ca.db)
	rm small/fill
	pki list -s small/ca.db >/dev/null
	umount small
	[ "$code" -eq 111 ]
	[ "$before" = "$after" ]
	[ ! -e x.pem ]
}

@test "a failing fsync or rename leaves no certificate behind (PKI-06)" {
	type -P strace >/dev/null || skip "strace is not installed"
	pki init
	strace -f -qq -o /dev/null true || skip "strace may not trace here"
	for fault in fsync:error=EIO renameat2:error=EROFS write:error=ENOSPC; do
		run strace -f -qq -o /dev/null -e trace="${fault%%:*}" \
		    -e inject="$fault" "$B/dmvpn-pki" issue -o x.pem x
		[ "$status" -ne 0 ]
		[ ! -e x.pem ]
		[ "$(pki list -j | wc -l)" -eq 0 ]
		[ -z "$(ls ./*.new 2>/dev/null)" ]
	done
}

@test "50 at once: 50 certificates, 50 serial numbers (PKI-04)" {
	pki init
	for i in $(seq 50); do
		pki issue -o "p$i.pem" "p$i" 3>&- &
	done
	wait
	[ "$(pki list -j | wc -l)" -eq 50 ]
	serials=$(for i in $(seq 50); do
		openssl x509 -in "p$i.pem" -noout -serial; done)
	[ "$(sort -u <<<"$serials" | wc -l)" -eq 50 ]
	[ "$(grep -c '^serial=[0-9A-F]\{32\}$' <<<"$serials")" -eq 50 ]
}

@test "what exceeds the CA is not issued" {
	pki init -R 10.0.0.0/8 -d 30
	run -1 --separate-stderr pki issue -d 10 -S 192.168.0.0/16 x
	[[ -z $output && $stderr == *"192.168.0.0/16 is not within"* ]]
	run -1 --separate-stderr pki issue -d 31 x
	[[ $stderr == *"outlive"* ]]
	run -100 --separate-stderr pki issue -d 10 -S 10.0.0.1/8 x
	run -100 --separate-stderr pki issue -d 10 -p nonsense x
	[[ $stderr == *"hub|spoke|cisco|windows|strict|ocsp"* ]]
	run -100 --separate-stderr pki issue -d 10 -k rsa1024 x
	[ "$(pki list -j | wc -l)" -eq 0 ]
}

@test "a request is signed with what the options say and no more (PKI-09)" {
	pki init
	openssl req -new -newkey rsa:2048 -nodes -keyout r.key -subj /CN=evil \
	    -addext subjectAltName=DNS:r1 -out r.csr 2>/dev/null
	pki sign -p cisco -T 10.0.0.9 -o r.pem r1 r.csr
	run -0 pki verify --for r1 r.pem
	run -0 openssl x509 -in r.pem -noout -subject
	[[ $output == "subject=CN = r1" ]]
	run -1 grep -c PRIVATE r.pem
	openssl req -new -key r.key -subj /CN=x -addext basicConstraints=CA:TRUE \
	    -out ca.csr
	run -1 --separate-stderr pki sign x ca.csr
	[[ -z $output && $stderr == *"asks to be a CA"* ]]
	openssl req -new -key r.key -subj /CN=x -out san.csr \
	    -addext subjectAltName=DNS:hub.example.org
	run -1 --separate-stderr pki sign x san.csr
	[[ $stderr == *"--dns"* ]]
	head -c 300 r.csr >cut.csr
	run --separate-stderr pki sign x cut.csr
	[ "$status" -eq 1 ]
	head -c 1048576 /dev/zero >big.csr
	run -100 --separate-stderr pki sign x big.csr
	[[ $stderr == *"big.csr: over "* ]]
}

@test "verify names each check, offered, wanted and a fix" {
	example
	run -1 --separate-stderr pki verify -t ca.pem --for other.example.org \
	    --at 2040-01-01 spoke1.pem
	[[ $output == *"FAIL     time"* && $output == *"FAIL     name"* ]]
	[[ $output == *"wanted:  valid at 2040-01-01T00:00:00Z"* ]]
	[[ $output == *"fix:"* ]]
	openssl x509 -in spoke1.pem -out only.pem
	run -1 pki verify -j -t only.pem hub.pem
	[ "$(jq -r .reason.code <<<"$output")" = untrusted ]
	[ "$(jq -r .ok <<<"$output")" = false ]
	run -0 pki verify -j -t ca.pem spoke1.pem
	[ "$(jq -c .blocks <<<"$output")" = '["10.0.0.2/32","192.168.2.0/24"]' ]
	[ "$(jq -r '.checks | length' <<<"$output")" = 7 ]
}

@test "an AS number stays over a renewal, and is never beyond the CA's" {
	pki init
	pki export -o ca.pem
	pki issue --as 65001 -o r.pem r
	openssl verify -x509_strict -CAfile ca.pem r.pem
	run -0 pki verify -t ca.pem r.pem
	pki renew -o new.pem r
	run -0 pki show new.pem
	[[ $output == *"sbgp-autonomousSysNum Autonomous System Numbers: 65001"* ]]
	printf -- '--as 65002 --tunnel-address 10.0.0.9 nine\n' >batch
	pki issue --batch batch
	openssl x509 -in nine.pem -noout -text | grep -q '^ *65002$'
	run -100 --separate-stderr pki issue --as 0 -o x.pem x
	run -100 --separate-stderr pki issue --as 4294967295 -o x.pem x
	# a CA of before, or of another one, that has none
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout old.key -out old.pem -days 30 -subj '/CN=Old' \
	    -addext 'sbgp-ipAddrBlock=IPv4:0.0.0.0/0' 2>/dev/null
	cat old.key old.pem >both.pem
	chmod 600 both.pem
	DMVPN_STORE=old.db pki init --from both.pem
	DMVPN_STORE=old.db run -1 --separate-stderr pki issue --as 65001 -d 20 -o o.pem o
	[[ $stderr == *"has no AS numbers"* ]]
	[ ! -e o.pem ]
}

@test "verify of several, and of what each may have" {
	example
	run -0 pki verify -t ca.pem hub.pem spoke1.pem
	[ "$(grep -c ^good <<<"$output")" = 2 ]
	run -0 pki verify -t ca.pem -m 10.0.0.2 --may 192.168.2.128/25 spoke1.pem
	run -1 pki verify -j -t ca.pem -m 10.0.0.2 -m 192.168.3.0/24 spoke1.pem
	[ "$(jq -r .reason.code <<<"$output")" = not-in-blocks ]
	[ "$(jq -r .reason.wanted <<<"$output")" = 192.168.3.0/24 ]
	run -1 pki verify -t ca.pem -m 10.0.0.2 spoke1.pem hub.pem
	[[ $output == *"good CN=spoke1"*"BAD  CN="* ]]
	run -100 --separate-stderr pki verify -t ca.pem -m 10.0.0.2/24 spoke1.pem
	[[ $stderr == *"host bits"* ]]
}

@test "the audit tells what the operator did, and what was taken back" {
	pki init
	pki issue -o a.pem a
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout b.key -subj /CN=b -out b.csr 2>/dev/null
	pki sign -o b.pem b b.csr
	pki renew -o a2.pem a
	pki revoke --reason superseded a 2>/dev/null
	printf 'c\nd\n' >batch
	pki issue --batch batch 2>/dev/null
	id=$(pki token new --for e -j 2>/dev/null | jq -r .id)
	pki token revoke "$id"
	pki settings --crl-url http://ca.test/ca.crl
	pki rollover
	pki rollover --finish --force
	pki audit -j >rows
	[ "$(jq -r .what rows | tr '\n' ' ')" = \
	    'changed issued issued issued revoked revoked issued issued granted withdrawn changed changed changed ' ]
	[ "$(jq -r .from rows | sort -u | cut -d, -f1)" = "uid $(id -u)" ]
	[ "$(jq -r .protocol rows | sort -u)" = cli ]
	serial=$(openssl x509 -in a.pem -noout -serial | tr A-F a-f)
	serial=${serial#*=}
	[ "$(jq -r 'select(.what == "issued") | .who' rows | head -n 3 | tr '\n' ' ')" = \
	    "issue sign renew $serial " ]
	[ "$(pki audit -j --what revoked a | jq -r .why | sort -u)" = superseded ]
	[ "$(pki audit -j --what revoked | wc -l)" = 2 ]
	[ "$(pki audit -j "$serial" | jq -r .what | tr '\n' ' ')" = 'issued revoked ' ]
	[ "$(pki audit -j "$id" | jq -r .what | tr '\n' ' ')" = 'granted withdrawn ' ]
	[ -z "$(pki audit -j --by est)" ]
	[ -z "$(pki audit -j --from 192.0.2.1)" ]
	[ "$(pki audit -j --from 'uid ' -n 3 | wc -l)" = 3 ]
	run -100 --separate-stderr pki audit --what nonsense
	[[ $stderr == *'expected issued|'* ]]
	# what could not be put in place was not issued, and is told so
	mkdir full.pem
	run ! pki issue -f -o full.pem g
	[ "$(pki list -j g)" = "" ]
	[ "$(pki audit -j g | jq -r .what | tail -n 1)" != issued ]
}

@test "revoke, crl, verify: the certificate is refused (PKI-15)" {
	example
	pki crl -o before.pem
	run -0 pki verify -t ca.pem --need-crl --crl before.pem spoke1.pem
	pki revoke --reason key-compromise spoke1.example.org
	pki crl -o after.pem
	run -1 pki verify -t ca.pem --crl after.pem spoke1.pem
	run -1 pki verify spoke1.pem
	run -0 pki verify -t ca.pem --crl after.pem hub.pem
	run ! openssl verify -crl_check -CRLfile after.pem -CAfile ca.pem spoke1.pem
	run -1 --separate-stderr pki revoke spoke1.example.org
	run -1 --separate-stderr pki revoke nobody
	run -100 --separate-stderr pki revoke --reason boredom hub.example.org
	[ "$(pki show -j before.pem | jq -r .number)" = 01 ]
	[ "$(pki show -j after.pem | jq -r .number)" = 02 ]
	[ "$(pki list -j spoke1.example.org | jq -r .state)" = revoked ]
}

@test "list and show tell the same in text and in JSON" {
	example
	run -0 pki list
	[[ $output == NAME*hub.example.org*valid*hub*10.0.0.1/32* ]]
	run -0 pki show spoke1.pem
	[[ $output == *"identities   spoke1.example.org"* ]]
	[ "$(pki show -j spoke1.pem | head -n 1 | jq -r .fingerprint)" = \
	    "$(openssl x509 -in spoke1.pem -outform DER | sha256sum | cut -d' ' -f1)" ]
	[ "$(pki show -j | jq -r .ca)" = true ]
	[ "$(pki show -j hub.example.org | jq -r .serial)" = \
	    "$(pki list -j hub.example.org | jq -r .serial)" ]
	run -1 --separate-stderr pki show nobody
	[[ -z $output && -n $stderr ]]
	pki show - <ca.pem
	run -0 pki list --expiring 30
	run -1 pki list --expiring 400
	pki revoke hub.example.org
	[ "$(pki list --state revoked -j | jq -r .name)" = hub.example.org ]
	[ "$(pki list --state valid -j | jq -r .name)" = spoke1.example.org ]
	[ "$(pki list -p hub -j | jq -r .name)" = hub.example.org ]
	[ -z "$(pki list -p hub --state valid -j)" ]
	run -100 --separate-stderr pki list --state nonsense
	run -100 --separate-stderr pki list --profile nonsense
}

@test "show never shows a private key" {
	example
	run -0 pki show hub.pem
	[[ $output != *PRIVATE* ]]
	key=$(openssl pkey -in hub.pem -noout -text | grep -A1 priv: | tail -n 1 |
	    tr -d ' ')
	[[ $output != *"$key"* ]]
	run -1 --separate-stderr pki show <(openssl genpkey -algorithm ed25519)
}

@test "export makes PEM, DER and PKCS#12" {
	example
	pki export -F der -o hub.der hub.example.org
	cmp <(openssl x509 -in hub.pem -outform DER) hub.der
	pki export hub.example.org | openssl crl2pkcs7 -nocrl -certfile /dev/stdin |
	    openssl pkcs7 -print_certs -noout | grep -c subject= | grep -x 2
	(umask 077; echo secret >pass)
	run -1 --separate-stderr setsid "$B/dmvpn-pki" export -F p12 hub.pem
	[[ $stderr == *": --out-passphrase-file" ]]
	pki export -F p12 --out-passphrase-file pass -o hub.p12 hub.pem
	[ "$(stat -c %a hub.p12)" = 600 ]
	openssl pkcs12 -in hub.p12 -passin pass:secret -noenc |
	    openssl x509 -noout -subject | grep hub.example.org
	run -100 --separate-stderr pki export -F p12 hub.example.org
	run -100 --separate-stderr pki export -F xyz
}

@test "a CA key with a passphrase needs it, and is not in the store in clear" {
	(umask 077; echo correct >pass; echo wrong >other)
	pki init -P pass
	run -0 grep -ac "BEGIN ENCRYPTED PRIVATE KEY" dmvpn-ca.db
	run -1 grep -ac "BEGIN PRIVATE KEY" dmvpn-ca.db
	pki issue -P pass -o x.pem x
	run -1 --separate-stderr pki issue -P other -o y.pem y
	[[ $stderr == *"passphrase does not open"* ]]
	run setsid "$B/dmvpn-pki" issue -o y.pem y </dev/null
	[ "$status" -eq 1 ]
	[ ! -e y.pem ]
	chmod 644 pass
	run --separate-stderr pki issue -P pass -o y.pem y
	[[ $status -ne 0 && $stderr == *"chmod 600"* ]]
}

@test "links, FIFOs and open modes are refused as a store (PKI-17)" {
	pki init -s real.db
	ln -s real.db link.db
	run -100 --separate-stderr pki list -s link.db
	[[ $stderr == *"symbolic link"* ]]
	mkfifo fifo.db
	run -100 --separate-stderr pki list -s fifo.db
	[[ $stderr == *"not a regular file"* ]]
	chmod 640 real.db
	run -100 --separate-stderr pki list -s real.db
	[[ $stderr == *"chmod 600"* ]]
}

@test "a damaged store is refused with a way out (PKI-08)" {
	example
	cp dmvpn-ca.db copy.db
	for at in 0 4096 8192 12288; do
		cp copy.db dmvpn-ca.db
		printf '\377\377\377\377\377\377\377\377' |
		    dd of=dmvpn-ca.db bs=1 seek=$at conv=notrunc 2>/dev/null
		run --separate-stderr pki issue -o z.pem z
		[[ $status -ne 0 && $stderr == *backup* ]]
		[ ! -e z.pem ]
	done
}

@test "a clock before 2026 issues nothing; after 2050 all is well (PKI-16)" {
	type -P faketime >/dev/null || skip "faketime is not installed"
	faketime 2027-01-01 "$B/dmvpn-pki" --version >/dev/null 2>&1 ||
	    skip "faketime does not go with a sanitizer"
	pki init -d 36500
	run -100 --separate-stderr faketime '1970-01-02' "$B/dmvpn-pki" issue x
	[[ $stderr == *"clock is wrong"* ]]
	for y in 2038-01-19 2050-01-01 2106-02-07; do
		faketime "$y" "$B/dmvpn-pki" issue -o "$y.pem" x
		run -0 faketime "$y" "$B/dmvpn-pki" verify "$y.pem"
	done
}

# As easy-rsa leaves it: a CA that has issued two and revoked one.
other_ca() {
	mkdir -p pki/private pki/certs_by_serial
	: >pki/index.txt
	cat >other.cnf <<-'EOF'
	[ca]
	default_ca = main
	[main]
	database = pki/index.txt
	new_certs_dir = pki/certs_by_serial
	rand_serial = yes
	certificate = pki/ca.crt
	private_key = pki/private/ca.key
	default_md = sha256
	default_days = 365
	policy = any
	[any]
	commonName = supplied
	EOF
	openssl req -x509 -newkey rsa:2048 -nodes -keyout pki/private/ca.key \
	    -out pki/ca.crt -subj /CN=Old -days 400 2>/dev/null
	for n in one two; do
		openssl req -new -newkey rsa:2048 -nodes -keyout $n.key -out $n.csr \
		    -subj /CN=$n 2>/dev/null
		openssl ca -batch -notext -config other.cnf -in $n.csr -out $n.crt \
		    2>/dev/null
	done
	openssl ca -config other.cnf -revoke two.crt -crl_reason superseded \
	    2>/dev/null
}

@test "the examples of the man page work as printed" {
	(umask 077; echo psk-of-the-old-site >psk.txt)
	other_ca
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$TOP/man/dmvpn-pki.1" |
	    sed -n '/^\.Bd/,/^\.Ed/p' | grep -v '^\.[BE]d' >script
	[ "$(grep -c . script)" -ge 15 ]
	export PATH=$B:$PATH
	{
		echo 'set -e'
		echo 'trap "kill \$agent 2>/dev/null || :" EXIT'
		sed 's,& read,\& agent=$!; read,' script
		echo 'dmvpn-pki stop; wait $agent'
	} >run.sh
	run --separate-stderr sh run.sh
	echo "$stderr"
	[ "$status" -eq 0 ]
	[[ $output == *refused* && $output == *10.0.0.2/32* ]]
	[[ $output == *old-site* && $output == *certificate* ]]
}
