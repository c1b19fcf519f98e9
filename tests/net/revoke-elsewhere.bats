# The CA is on another machine: lists and OCSP responses come over HTTP.

bats_require_minimum_version 1.5.0
load lib
load sites

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 5 "$T"/serve.log >&2 || true
	[ ! -e "$NET_PIDS/ca" ] || kill "$(pid_of ca)" 2>/dev/null || true
	sites_teardown
}

# The CA's machine is the router; it has no tunnel and no agent.
ca_serves() {
	mkfifo "$T/ready"
	ip netns exec "$NET-router" env DMVPN_RUN="$T/run/ca" \
		DMVPN_STORE="$DMVPN_STORE" "$B/dmvpn-pki" serve \
		--http 0.0.0.0:8080 -r 4 4>"$T/ready" 3>&- </dev/null \
		>"$T/serve.log" 2>&1 &
	echo $! >"$NET_PIDS/ca"
	IFS= read -r -t 20 _ <"$T/ready"
}

gone() {
	! site hub dmvpn-ike sas | grep -q "$1.test"
}

there() {
	site hub dmvpn-ike sas | grep -q "$1.test"
}

reachable() {	# FROM TO
	ip netns exec "$NET-$1" ping -c 1 -W 1 "$2" >/dev/null
}

up() {
	for n in "$@"; do
		site "$n" dmvpn up "$n.tunnel"
	done
}

@test "a spoke that is revoked elsewhere loses its SA within the refresh (PKI-15)" {
	sites_prepare hub spoke1 spoke2
	ca_serves
	printf '%s\n' 'crl http://198.51.100.17:8080/crl' 'crl-every 1' \
		>>"$T/hub.tunnel"
	up hub spoke1 spoke2
	wait_for 20 reachable lan2 192.168.1.10
	wait_for 20 reachable lan3 192.168.1.10
	"$B/dmvpn-pki" revoke --reason key-compromise spoke1 2>/dev/null
	wait_for 10 gone spoke1
	wait_for 5 grep -q "ike-down.*spoke1.*code=revoked" \
		"$T/run/hub/log/ike.log"
	wait_for 5 reachable lan3 192.168.1.10
	# what the fetcher cries about is seen
	echo 'the list of the moon is old' >"$T/run/hub/crl/moon.alarm"
	wait_for 5 eval 'site hub dmvpn status | grep -q "list of the moon is old"'
	# it ends with the tunnel
	[ "$(site hub cat "$T/run/hub/supervisor/dmvpn0.fetch" | wc -l)" -eq 1 ]
	fetcher=$(cut -d' ' -f1 "$T/run/hub/supervisor/dmvpn0.fetch")
	site hub dmvpn down dmvpn0
	wait_for 5 test ! -d "/proc/$fetcher"
}

@test "a hub that needs OCSP lets in who shows a response, and nobody else" {
	sites_prepare hub spoke1 spoke2
	ca_serves
	echo ocsp need >>"$T/hub.tunnel"
	echo 'staple http://198.51.100.33:8080/ocsp' >>"$T/spoke1.tunnel"
	up hub spoke1 spoke2
	wait_for 30 reachable lan2 192.168.1.10
	wait_for 10 grep -q 'no OCSP response came' "$T/run/hub/log/ike.log"
	gone spoke2
	there spoke1
}
