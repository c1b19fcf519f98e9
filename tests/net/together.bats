# Several dmvpn at once, and a run directory with a blank in its name.

bats_require_minimum_version 1.5.0
load lib
load sites

setup() {
	sites_setup
	sites_prepare hub
	for n in 1 2 3; do
		sed "s/dmvpn0/dmvpn$n/; s/^key 1/key 1$n/; s/^lan.*/mtu 1300/
			s/10\.0\.0\./10.0.$n./" "$T/hub.tunnel" \
			>"$T/hub.$n.tunnel"
	done
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || sites_logs
	for n in 1 2 3; do
		at_hub down "dmvpn$n" >/dev/null 2>&1 || true
	done
	net_teardown
}

# Where the run directory is $RUN, if there is one.
at_hub() {
	(cd "$T" && on hub env PATH="$B:$PATH" ${RUN:+"DMVPN_RUN=$RUN"} \
		dmvpn "$@") 3>&-
}

running() {	# how many processes of that name
	ip netns pids "$(ns_name hub)" | while read -r p; do
		tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null
		echo
	done | grep -c -- "$1"
}

nobody() {
	[ -z "$(ip netns pids "$(ns_name hub)")" ]
}

@test "OPS-02: three dmvpn up at the same moment share one set of daemons" {
	local n p=
	for n in 1 2 3; do
		at_hub up --wait "hub.$n.tunnel" &
		p="$p $!"
	done
	for n in $p; do
		wait "$n"
	done
	for n in 1 2 3; do
		on hub ip link show "dmvpn$n"
	done
	[ "$(running '/dmvpn-dpd run')" -eq 1 ]
	[ "$(running '/dmvpn-pki agent')" -eq 1 ]
	run -0 at_hub status
	[ "$(grep -c '^tunnel ' <<<"$output")" -eq 3 ]
	[[ $output != *refused* ]]
	at_hub down dmvpn1 dmvpn2 dmvpn3
	wait_for 5 nobody
}

@test "OPS-24: a run directory with blanks in its name works" {
	RUN="$T/run/hub/a b c"
	at_hub up --wait hub.1.tunnel
	run -0 at_hub status
	[[ $output == *'tunnel dmvpn1'*up* ]]
	at_hub down dmvpn1
	[ ! -e "$RUN/supervisor" ]
	wait_for 5 nobody
}
