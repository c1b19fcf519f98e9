# A new spoke joins by a token: enrols at the hub's server, writes its tunnel
# file, is up and pings the hub.

bats_require_minimum_version 1.5.0
load lib
load sites

# The hub is up and serves its CA; the spoke has nothing.
hub_serves() {
	sites_prepare hub spoke2
	rm "$BATS_TEST_TMPDIR"/spoke2.*
	site hub dmvpn up --wait hub.tunnel || site hub dmvpn up hub.tunnel
	start hub serve "$B/dmvpn-pki" serve --store "$DMVPN_STORE" \
		--https 198.51.100.18:8443 --http 198.51.100.18:8080 \
		--name 198.51.100.18
}

token() {
	"$B/dmvpn-pki" token new --for spoke2.test \
		--tunnel-address 10.0.0.2 --subnet 192.168.2.0/24 \
		--url https://198.51.100.18:8443 --hub 198.51.100.18=10.0.0.1 \
		--network 10.0.0.0/24 --key 1 --route 192.168.0.0/16 "$@" \
		2>/dev/null
}

@test "dmvpn join: one line makes a spoke that is up and pings the hub" {
	hub_serves
	run -0 site spoke2 dmvpn join -d "$BATS_TEST_TMPDIR/etc" "$(token)"
	[[ $output == *'is up'* ]]
	[[ $output == *'the hub at 10.0.0.1 answers in '* ]]
	# the certificate gave the addresses, the token the hub
	run -0 cat "$BATS_TEST_TMPDIR/etc/dmvpn0.tunnel"
	[[ $output == *'address 10.0.0.2/24'* && \
	    $output == *'hub 198.51.100.18 10.0.0.1'* && \
	    $output == *'lan 192.168.2.0/24'* ]]
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/etc/dmvpn0.pem")" = 600 ]
	# LAN to LAN, too
	wait_for 10 on lan2 ping -n -c 1 -W 1 192.168.1.10
	run -0 jq -r 'select(.what == "issued") | "\(.protocol) \(.from)"' \
		< <("$B/dmvpn-pki" audit -j spoke2.test)
	[[ $output == 'est 198.51.100.34' ]]
}

@test "dmvpn join: the token may come by a pipe, and is good once" {
	hub_serves
	token >"$BATS_TEST_TMPDIR/token"
	run -0 site spoke2 sh -c 'dmvpn join -n -d etc - <token'
	[ -s "$BATS_TEST_TMPDIR/etc/dmvpn0.tunnel" ]
	run -1 site spoke2 dmvpn join -n -t dmvpn1 -d etc token
	[[ $output == *'was used already'* ]]
	[ ! -e "$BATS_TEST_TMPDIR/etc/dmvpn1.tunnel" ]
}

# The certificate of spoke2 as it would be 60 days later: the same names and
# blocks, by the same key of the CA, which has it in its books.
age() {	# FILE
	local t=$BATS_TEST_TMPDIR
	mkdir -p "$t/aged"
	: >"$t/aged/index.txt"
	python3 - "$DMVPN_STORE" >"$t/aged/ca.key" <<-END
	import sqlite3, sys
	print(sqlite3.connect(sys.argv[1]).execute(
	    "SELECT CAST(key AS TEXT) FROM authority").fetchone()[0])
	END
	cat >"$t/aged/ca.cnf" <<-END
	[ca]
	default_ca = a
	[a]
	database = $t/aged/index.txt
	new_certs_dir = $t/aged
	rand_serial = yes
	default_md = sha256
	unique_subject = no
	policy = any
	x509_extensions = ext
	[any]
	commonName = supplied
	[ext]
	basicConstraints = critical,CA:FALSE
	keyUsage = critical,digitalSignature
	extendedKeyUsage = 1.3.6.1.5.5.7.3.17,clientAuth
	subjectKeyIdentifier = hash
	authorityKeyIdentifier = keyid:always
	subjectAltName = DNS:spoke2.test
	sbgp-ipAddrBlock = IPv4:10.0.0.2/32,IPv4:192.168.2.0/24
	END
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$t/aged/key" -subj /CN=spoke2.test -out "$t/aged/csr"
	openssl ca -batch -config "$t/aged/ca.cnf" -cert "$t/ca.pem" \
	    -keyfile "$t/aged/ca.key" -in "$t/aged/csr" -notext \
	    -startdate "$(date -u -d '60 days ago' +%Y%m%d%H%M%SZ)" \
	    -enddate "$(date -u -d '5 days' +%Y%m%d%H%M%SZ)" \
	    -out "$t/aged/cert"
	"$B/dmvpn-pki" import "$t/aged/cert"
	(umask 077 && cat "$t/aged/key" "$t/aged/cert" "$t/ca.pem" >"$1.new")
	mv "$1.new" "$1"
}

until_of() {	# the end of the certificate that the agent of spoke2 holds
	site spoke2 dmvpn-pki identities -j | jq -r '."not-after"'
}

@test "renew: a certificate is renewed beside the daemons, loaded, and status tells (PKI-14)" {
	local t=$BATS_TEST_TMPDIR file=$BATS_TEST_TMPDIR/etc/dmvpn0.pem
	hub_serves
	run -0 site spoke2 dmvpn join -n -d etc "$(token)"
	grep -qx 'renew est https://198.51.100.18:8443' "$t/etc/dmvpn0.tunnel"
	age "$file" 2>>"$t/openssl.log"
	old=$(openssl x509 -in "$file" -noout -enddate)
	site spoke2 dmvpn up --wait etc/dmvpn0.tunnel
	changed() {
		[ "$(openssl x509 -in "$file" -noout -enddate)" != "$old" ]
	}
	wait_for 20 changed
	renewed() {
		local day
		day=$(openssl x509 -in "$file" -noout -enddate)
		[ "$(date -u -d "${day#*=}" +%Y-%m-%dT%H:%M:%SZ)" = "$(until_of)" ]
	}
	wait_for 10 renewed
	[ "$(stat -c %a "$file")" = 600 ]
	run -0 site spoke2 dmvpn status
	[[ $output == *"+ certificate until "*", renewed by est"* ]]
	[ "$(site spoke2 dmvpn status -j | jq -c \
	    'select(.certificate) | [.tunnel, .ended, .why]')" = \
	    '["dmvpn0",false,""]' ]
	wait_for 10 on lan2 ping -n -c 1 -W 1 192.168.1.10
	# it is started again
	pid=$(cut -d' ' -f1 "$t/run/spoke2/supervisor/dmvpn0.renew")
	kill "$pid"
	other() {
		now=$(cut -d' ' -f1 "$t/run/spoke2/supervisor/dmvpn0.renew")
		[ "$now" != "$pid" ] && [ -d "/proc/$now" ]
	}
	wait_for 20 other
	# nobody answers: said where people look
	stop serve
	age "$file" 2>>"$t/openssl.log"
	kill "$now"
	failing() {
		site spoke2 dmvpn status | grep -q -- \
		    '- certificate until .*; renewal failed 1 time, .*refused'
	}
	wait_for 20 failing
	# it ends with the tunnel
	now=$(cut -d' ' -f1 "$t/run/spoke2/supervisor/dmvpn0.renew")
	site spoke2 dmvpn down dmvpn0
	wait_for 5 test ! -d "/proc/$now"
}
