# tests/run: calm
# The demonstration is a test too: every step of it must hold.

bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
}

@test "make demo: hub, two spokes, shortcut, multicast, capture, two headends" {
	run -0 env DEMO="dm$$" DEMO_LOGS="$BATS_TEST_TMPDIR/logs" B="$B" \
	    timeout 150 "$BATS_TEST_DIRNAME/../demo/demo.sh" || {
		cat "$BATS_TEST_TMPDIR/logs" >&2
		false
	}
	[[ $output == *'steps held'* ]]
	run ip netns list
	[[ $output != *"dm$$-"* ]]
	run ls -d /tmp/dmvpn-"dm$$".*
	[ "$status" -ne 0 ]
}
