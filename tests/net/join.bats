# A new spoke joins by a token: enrols at the hub's server, writes its tunnel
# file, is up and pings the hub.

bats_require_minimum_version 1.5.0
load lib
load sites

setup() {
	net_setup
	net_need_tun
}

teardown() {
	sites_down hub spoke2
	sites_logs
	net_teardown
}

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
