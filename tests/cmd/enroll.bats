# dmvpn-pki enroll: what is refused before anybody is asked, servers that are
# none, and watching.

bats_require_minimum_version 1.5.0

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	export DMVPN_RUN=$BATS_TEST_TMPDIR/run
	PIDS=""
}

teardown() {
	for p in $PIDS; do
		kill "$p" 2>/dev/null || true
	done
}

scep() {
	"$B/dmvpn-pki" enroll scep "$@"
}

# until COMMAND...: true within thirty seconds
until_true() {
	for _ in $(seq 600); do
		"$@" && return 0
		sleep 0.05
	done
	echo "in vain: $*" >&2
	return 1
}

faults() {
	type -P python3 >/dev/null || skip "python3 is not installed"
	python3 "$BATS_TEST_DIRNAME/../lib/http-faults.py" port 3>&- &
	PIDS="$PIDS $!"
	until_true test -e port
	U=http://127.0.0.1:$(cat port)
}

# bundle FROM TO: a key and certificate of this lifetime, and its CA
bundle() {
	mkdir -p ca
	: >ca/index.txt
	cat >ca/cnf <<-'END'
	[ca]
	default_ca = a
	[a]
	database = ca/index.txt
	new_certs_dir = ca
	rand_serial = yes
	default_md = sha256
	policy = any
	[any]
	commonName = supplied
	END
	{
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		    -nodes -keyout ca/key -subj /CN=CA -days 3650 -out ca/pem
		openssl req -newkey rsa:2048 -nodes -keyout key -subj /CN=x -out csr
		openssl ca -batch -config ca/cnf -keyfile ca/key -cert ca/pem \
		    -in csr -notext -out x.crt -startdate "$(stamp "$1")" \
		    -enddate "$(stamp "$2")"
	} 2>openssl.log
	umask 077
	cat key x.crt ca/pem >x.pem
}

stamp() {
	date -ud "$1" +%Y%m%d%H%M%SZ
}

watch() {
	mkfifo ready
	"$B/dmvpn-pki" enroll scep --watch -r 4 "$@" 4>ready >watch.log 2>&1 3>&- &
	p=$!
	PIDS="$PIDS $p"
	read -r _ <ready || true
}

@test "enroll names its protocols, and each its options" {
	run -0 "$B/dmvpn-pki" enroll --help
	[[ $output == *scep* && $output == *est* ]]
	run -0 scep --help
	[[ $output == *--fingerprint* && $output == *--watch* ]]
	run -100 --separate-stderr "$B/dmvpn-pki" enroll telepathy http://x/ y
	[[ $stderr == *usage* ]]
}

@test "PKI-01: names are from an allow-list" {
	for name in ../x /abs a/b . '' -- 'a b' '$(x)' $'a\nb' a..b \
	    "$(printf 'a%.0s' {1..300})"; do
		run -100 --separate-stderr scep --accept-ca http://127.0.0.1:1/ "$name"
	done
	run -100 --separate-stderr scep --accept-ca http://127.0.0.1:1/ -rf
	run -100 --separate-stderr scep --accept-ca --identity ../x http://127.0.0.1:1/ x
	[ -z "$(ls)" ]
}

@test "what can not be together is refused" {
	run -100 --separate-stderr scep http://x/
	[[ $stderr == *"NAME is missing"* ]]
	run -100 --separate-stderr scep --watch --out - http://x/ y
	run -100 --separate-stderr scep --ask --challenge-file f http://x/ y
	run -100 --separate-stderr scep --key f --key-type rsa2048 http://x/ y
	run -100 --separate-stderr scep -k dsa1024 http://x/ y
	run -100 --separate-stderr scep -F 1234 http://x/ y
	[[ $stderr == *"64 hexadecimal digits"* ]]
	run -100 --separate-stderr scep http://user:secret@x/ y
	[[ $stderr == *"would be seen by others"* ]]
	run -100 --separate-stderr scep -D 'a b' --accept-ca http://x/ y
}

@test "PKI-03: a challenge that others can read is refused" {
	echo secret >challenge
	chmod 644 challenge
	run -100 --separate-stderr scep -c challenge --accept-ca http://127.0.0.1:1/ x
	[[ $stderr == *"chmod 600"* ]]
	run -111 --separate-stderr scep -c - --accept-ca http://127.0.0.1:1/ x <challenge
	[[ $stderr == *refused* ]]
	[ ! -e x.pem.pending ]
}

@test "servers that are none are told apart, with the right exit status" {
	faults
	declare -A words=(
		[garbage]="that is not HTTP" [lies]="not one number"
		[page]="a page for people" [short]="closed amid it"
		[text]="neither a certificate nor CMS"
		[redirect]="neither a certificate nor CMS"
		[elsewhere]="sends us to another one (192.0.2.1)"
		[status/404]="nothing at this URL" [status/403]="it refuses us"
	)
	for path in "${!words[@]}"; do
		run -1 --separate-stderr scep --accept-ca "$U/$path" x
		[[ $stderr == *"${words[$path]}"* ]]
	done
	run -1 --separate-stderr scep --accept-ca "$U/endless" x
	[[ $stderr == *"over 1048576 octets"* ]]
	run -100 --separate-stderr scep --accept-ca "$U/circle" x
	[[ $stderr == *circles* ]]
	run -111 --separate-stderr scep --accept-ca "$U/status/503" x
	[[ $stderr == *overloaded* ]]
	SECONDS=0
	run -111 --separate-stderr scep --timeout 1s --accept-ca "$U/slow" x
	[[ $stderr == *"no answer in time"* ]]
	[ "$SECONDS" -lt 15 ]
	run -111 --separate-stderr scep --accept-ca http://127.0.0.1:1/ x
	[[ $stderr == *"Connection refused"* ]]
	[ "$(ls)" = port ]
}

@test "PKI-14: watch leaves a young certificate alone, and ends orderly" {
	bundle '-10 days' '+80 days'
	watch -R x.pem http://127.0.0.1:1/
	grep -q 'info watching file=x.pem' watch.log
	kill "$p"
	wait "$p"
	[ "$(wc -l <watch.log)" -eq 1 ]
}

@test "PKI-14: a renewal that fails keeps what works, and cries in the last third" {
	bundle '-70 days' '+20 days'
	sum=$(sha256sum x.pem)
	mkdir alarms
	watch -R x.pem --alarm alarms/x http://127.0.0.1:1/
	until_true grep -q 'error certificate-expiring file=x.pem' watch.log
	until_true grep -q 'renewal failed 1 time, .*Connection refused' alarms/x
	grep -q 'tries=1 again-in=[0-9]* why="GetCACaps: .*Connection refused"' watch.log
	[ "$(sha256sum x.pem)" = "$sum" ]
	kill "$p"
	wait "$p"
	# earlier it only warns
	rm -rf ca ready x.pem
	bundle '-600 days' '+301 days'
	watch -R x.pem http://127.0.0.1:1/
	until_true grep -q 'warn renewal-failed file=x.pem' watch.log
	kill "$p"
	wait "$p"
	# a young one ends the alarm
	rm -rf ca ready x.pem
	bundle '-1 days' '+301 days'
	[ -s alarms/x ]
	watch -R x.pem --alarm alarms/x http://127.0.0.1:1/
	[ ! -e alarms/x ]
	kill "$p"
	wait "$p"
	run -100 --separate-stderr "$B/dmvpn-pki" enroll est --alarm a \
	    -R x.pem http://127.0.0.1:1/
}

@test "watch without a file wants to enrol first, and fails as that does" {
	run -111 --separate-stderr timeout 20 "$B/dmvpn-pki" enroll scep --watch \
	    --accept-ca http://127.0.0.1:1/ x
	[[ $stderr == *refused* ]]
	echo nonsense >x.pem
	chmod 600 x.pem
	run -1 --separate-stderr timeout 20 "$B/dmvpn-pki" enroll scep --watch \
	    -R x.pem http://127.0.0.1:1/
}
