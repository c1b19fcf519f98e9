# Names of headends (OPS-17), against a name server of our own.

bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	T=$BATS_TEST_TMPDIR
	ns_new a
	mkdir -p "/etc/netns/$NET-a"
	echo 'nameserver 127.0.0.1' >"/etc/netns/$NET-a/resolv.conf"
	: >"$T/zone"
	ip netns exec "$NET-a" python3 "$BATS_TEST_DIRNAME/dns.py" 127.0.0.1 \
	    "$T/zone" >"$T/dns.log" 2>&1 3>&- </dev/null &
	echo $! >"$NET_PIDS/dns"
	wait_for 5 grep -q ready "$T/dns.log"
}

teardown() {
	net_teardown
	rm -rf "/etc/netns/$NET-a"
}

resolve() {
	on a "$B/dmvpn-dpd" resolve "$@"
}

headend() {
	on a "$B/dmvpn-dpd" headends list -j | jq -r "$1"
}

shows() {	# FILTER TEXT
	[ "$(headend "$1")" = "$2" ]
}

@test "OPS-17: addresses of both families, with the port and the lifetime" {
	printf '%s\n' 'hub.test A 192.0.2.1 300' 'hub.test A 2001:db8::1 200' \
	    >"$T/zone"
	run -0 resolve hub.test:4500
	[[ $output == *'192.0.2.1:4500 for 200 s'* ]]
	[[ $output == *'[2001:db8::1]:4500 for 200 s'* ]]
}

@test "OPS-17: a service names hosts and ports, in their order" {
	printf '%s\n' '_isakmp._udp.test SRV 20 0 500 second.test 60' \
	    '_isakmp._udp.test SRV 10 0 4500 first.test 60' \
	    'first.test A 192.0.2.1 60' 'second.test A 192.0.2.2 60' >"$T/zone"
	run -0 resolve _isakmp._udp.test
	[ "${lines[0]}" = '192.0.2.1:4500 for 60 s' ]
	[ "${lines[1]}" = '192.0.2.2:500 for 60 s' ]
}

@test "OPS-17: a name of 50 addresses" {
	for i in $(seq 1 50); do
		echo "hub.test A 192.0.2.$i 60"
	done >"$T/zone"
	run -0 resolve hub.test
	[ "${#lines[@]}" -eq 50 ]
}

@test "OPS-17: a name server that is slow is waited for" {
	printf '%s\n' 'delay 1' 'hub.test A 192.0.2.1 60' >"$T/zone"
	run -0 resolve hub.test
	[[ $output == 192.0.2.1:500* ]]
}

@test "OPS-17: one that never answers is given up, with a sentence" {
	kill "$(pid_of dns)"
	rm "$NET_PIDS/dns"
	SECONDS=0
	run -111 resolve hub.test
	[[ $output == *'does not resolve'* ]]
	[ "$SECONDS" -lt 40 ]
}

@test "OPS-17: a daemon follows a name to a new address" {
	net_need_tun
	echo 'hub.test A 192.0.2.1 5' >"$T/zone"
	start a gre "$B/dmvpn-gre" run
	start a pki "$B/dmvpn-pki" agent
	start a ike "$B/dmvpn-ike" run
	start a dpd "$B/dmvpn-dpd" run
	on a "$B/dmvpn-dpd" headends set -t t0 -p none h=hub.test
	wait_for 5 shows .remote 192.0.2.1:500
	echo 'hub.test A 192.0.2.9 5' >"$T/zone"
	wait_for 15 shows .remote 192.0.2.9:500
}

@test "OPS-17: who fetches or enrols finds the first address that answers, and gives a silent name server up in its time" {
	cd "$T"
	umask 077
	pki() {
		on a "$B/dmvpn-pki" "$@"
	}
	pki init
	pki export -o ca.pem
	pki crl -o ca.crl
	on a python3 -m http.server -b 127.0.0.1 8080 >http.log 2>&1 3>&- \
	    </dev/null &
	echo $! >"$NET_PIDS/http"
	wait_for 5 on a curl -sSf -o /dev/null http://127.0.0.1:8080/ca.crl
	printf '%s\n' 'ca.test A 2001:db8::1 60' 'ca.test A 127.0.0.1 60' \
	    'ca.test A 192.0.2.1 60' 'other.test SRV 0 0 1 x 60' >zone
	run -0 pki fetch --timeout 5s -t ca.pem -o got.crl \
	    http://ca.test:8080/ca.crl
	cmp got.crl ca.crl
	run -111 --separate-stderr pki fetch -t ca.pem http://other.test:8080/x
	[[ $stderr == *other.test:* ]]
	run -111 --separate-stderr pki fetch -t ca.pem http://none.test:8080/x
	[[ $stderr == *none.test:* ]]
	echo 'delay 9' >>zone
	SECONDS=0
	run -111 --separate-stderr pki enroll est --timeout 2s -t ca.pem \
	    https://ca.test:8443 x
	[[ $stderr == *"name server"* ]]
	run -111 --separate-stderr pki fetch --timeout 1s -t ca.pem \
	    http://ca.test:8080/ca.crl
	[ "$SECONDS" -le 5 ]
}
