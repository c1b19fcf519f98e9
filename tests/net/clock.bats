# The wall clock steps; what lives by the other clocks does not notice.

bats_require_minimum_version 1.5.0
load lib
load sites

setup() {
	sites_setup
	! grep -aq __asan_init "$B/dmvpn-ike" ||
		skip "a sanitizer wants to be loaded first"
	"${CC:-cc}" -shared -fPIC -o "$T/wallclock.so" \
		"$BATS_TEST_DIRNAME/../lib/wallclock.c" -ldl ||
		skip "there is no compiler"
	printf '\0\0\0\0\0\0\0\0' >"$T/offset"
	# the orchestrator passes no environment on
	mkdir "$T/bin"
	cp "$B/dmvpn" "$T/bin"
	for n in pki gre ike nhrp dpd; do
		printf '#!/bin/sh\nexec env LD_PRELOAD=%s WALLCLOCK=%s %s "$@"\n' \
			"$T/wallclock.so" "$T/offset" "$B/dmvpn-$n" \
			>"$T/bin/dmvpn-$n"
	done
	chmod 755 "$T/bin"/*
}

# A command at a site whose programs have our wall clock.
clocked() {
	local n=$1
	shift
	site "$n" env PATH="$T/bin:$PATH" "$@"
}

# The wall clock is so many seconds from what it is.
step() {
	perl -e 'print pack("q", $ARGV[0])' -- "$1" |
		dd of="$T/offset" conv=notrunc 2>/dev/null
}

# What must stay: SPIs of IKE and ESP, and since when it is up.
tunnels() {
	local n
	for n in hub spoke; do
		clocked "$n" dmvpn-ike sas -j |
			jq -c '[.state, ."spi-i", ."spi-r", .since,
			[.children[]."spi-in"]]'
		clocked "$n" dmvpn-nhrp cache -j |
			jq -c 'select(.kind == "registered" or .kind == "nhs") |
			[.kind, .state, .address]'
	done
}

steps() {
	local s
	for s in 3600 -3600 0 7200 86400 -86400 5 -5 3600 0; do
		step "$s"
		sleep 0.3
	done
}


@test "OPS-06: the wall clock steps by hours and days: nothing moves, no packet is lost" {
	local before
	sites_prepare hub spoke
	for n in hub spoke; do
		clocked "$n" dmvpn up --wait "$n.tunnel"
	done
	before=$(tunnels)
	[ -n "$before" ]
	lossless lan2 192.168.1.10 steps
	[ "$(tunnels)" = "$before" ]
	run ! grep -h 'ike-down\|nhs-down\|dpd-dead\|unregistered' \
		"$T"/run/*/log/*.log
}

@test "OPS-06: certificates are judged by the new clock, and by it alone" {
	sites_prepare hub spoke
	clocked hub dmvpn up --wait hub.tunnel
	# ten years on the spoke's certificate has ended
	step $((10 * 366 * 86400))
	clocked spoke dmvpn up spoke.tunnel
	wait_for 15 grep -q 'ike-failed.*expired' "$T/run/hub/log/ike.log" \
		"$T/run/spoke/log/ike.log"
	[ -z "$(clocked hub dmvpn-ike sas -j | jq 'select(.state == "up")')" ]
	# and now it has not
	step 0
	wait_for 40 on lan2 ping -c 1 -W 1 192.168.1.10
}
