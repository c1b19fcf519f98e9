# tests/run: calm
# kill -9 of each daemon, under a stream of 100 packets a second through the
# hub (OPS-01), and of the orchestrator (OPS-02).  What comes back without one
# is in restart.bats.

bats_require_minimum_version 1.5.0
load lib
load sites

registered() {
	site hub dmvpn-nhrp cache -j | grep -q '"kind":"registered"'
}

called_back() {
	site hub dmvpn-ike peers -j | grep -q '"identity":"spoke.test"'
}

@test "OPS-01: kill -9 of ike, nhrp, dpd and the agent of a hub loses no packet" {
	sites_up hub spoke
	stream lan2 192.168.1.10
	for layer in dpd nhrp pki ike; do
		kill_layer hub "$layer"
	done
	wait_for 10 registered
	wait_for 10 called_back		# a hub calls its spokes
	stream_on 300
	measure
	[ "$lost" -eq 0 ]
}

@test "OPS-01: kill -9 of ike, nhrp, dpd and the agent of a spoke loses no packet" {
	sites_up hub spoke
	stream lan2 192.168.1.10
	for layer in dpd nhrp pki ike; do
		kill_layer spoke "$layer"
	done
	stream_on 300
	measure
	[ "$lost" -eq 0 ]
}

packet_half() {	# SITE
	wait_for 5 pgrep -P "$(daemon "$1" gre)"
	pgrep -P "$(daemon "$1" gre)"
}

# How long the stream stops when the packet half of a site is killed.
halve() {	# SITE
	stream lan2 192.168.1.10
	kill -KILL "$(packet_half "$1")"
	stream_on 300
	measure
	took=$gap
}

@test "OPS-01: no SPI and IV appear twice over kills of both packet halves" {
	command -v tshark >/dev/null || skip "tshark is not installed"
	sites_up hub spoke
	capture spoke eth0 "$BATS_TEST_TMPDIR/iv.pcap" udp port 4500
	stream lan2 192.168.1.10
	for site in spoke hub spoke; do
		kill -KILL "$(packet_half "$site")"
		stream_on 200
	done
	measure
	capture_end
	tshark -r "$BATS_TEST_TMPDIR/iv.pcap" -Y esp -T fields \
	    -e esp.spi -e esp.sequence >"$BATS_TEST_TMPDIR/ivs"
	[ "$(cut -f 1 "$BATS_TEST_TMPDIR/ivs" | sort -u | wc -l)" -ge 4 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/ivs")" -ge 500 ]
	[ -z "$(sort "$BATS_TEST_TMPDIR/ivs" | uniq -d)" ]
}

@test "OPS-01: kill -9 of the packet half of a spoke costs at most 2 s" {
	sites_up hub spoke
	sooner 2000 halve spoke
}

@test "OPS-01: kill -9 of the packet half of a hub costs at most 2 s" {
	sites_up hub spoke
	sooner 2000 halve hub
}

unsupervised() {
	site "$1" dmvpn status | grep -q 'supervised by nobody'
}

streams_of_hooks() {
	local p
	for p in $(ip netns pids "$NET-$1"); do
		tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null || true
		echo
	done | grep -c 'dmvpn-dpd events -j'
}

@test "OPS-02: kill -9 of the orchestrator: daemons go on, are adopted, none doubled" {
	sites_up hub spoke
	stream lan2 192.168.1.10
	local before p layer
	before=$(for layer in pki gre ike nhrp dpd; do daemon spoke $layer; done)
	for p in "$BATS_TEST_TMPDIR"/run/spoke/supervisor/pid \
	    "$BATS_TEST_TMPDIR"/run/spoke/supervisor/*.watch; do
		kill -KILL "$(cut -d' ' -f1 "$p")" || true
	done
	wait_for 5 unsupervised spoke
	site spoke dmvpn up --wait spoke.tunnel
	[ "$before" = "$(for layer in pki gre ike nhrp dpd; do daemon spoke $layer; done)" ]
	measure
	[ "$lost" -eq 0 ]
	run -0 site spoke dmvpn status
	[[ $output == *'supervised by pid'* ]]
	wait_for 5 eval '[ "$(streams_of_hooks spoke)" -eq 1 ]'
	kill_layer spoke dpd		# the adopted ones are looked after too
}
