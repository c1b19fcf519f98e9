# What is killed, hangs or can not start comes back (OPS-01, OPS-03, OPS-04);
# what is lost under way is not counted here, but in kill.bats.

bats_require_minimum_version 1.5.0
load lib
load sites

teardown() {
	sites_teardown
	umount "$BATS_TEST_TMPDIR/run/spoke" 2>/dev/null || true
}

@test "OPS-01: kill -9 of the privileged half of a spoke: it comes back by itself" {
	sites_up hub spoke
	kill_layer spoke gre
	wait_for 20 on lan2 ping -c 1 -W 1 192.168.1.10
}

# A shell may lose a TERM that comes while it starts; here each one does.
@test "a start whose limit hears no TERM ends no daemon when the limit is over" {
	local before
	sites_prepare hub spoke
	(trap '' TERM; site hub dmvpn up --wait hub.tunnel)
	before=$(for layer in pki gre ike nhrp dpd; do daemon hub $layer; done)
	sleep 11
	[ "$before" = "$(for layer in pki gre ike nhrp dpd; do daemon hub $layer; done)" ]
	kill -0 "$(daemon hub gre)"
}

@test "OPS-03: kill -9 of everything of a site: up again within 10 s of dmvpn up" {
	sites_up hub spoke
	for p in $(ip netns pids "$NET-spoke"); do
		kill -KILL "$p" 2>/dev/null || true
	done
	wait_for 5 nobody_in spoke
	site spoke dmvpn up --wait-for 10 spoke.tunnel
	wait_for 10 on lan2 ping -c 1 -W 1 192.168.1.10
}

@test "without room on the disk, what dies is started again, and is known when there is" {
	sites_prepare hub spoke
	local run=$BATS_TEST_TMPDIR/run/spoke before log
	mkdir -p "$run"
	mount -t tmpfs -o size=512k none "$run"
	site hub dmvpn up hub.tunnel
	site spoke dmvpn up --wait spoke.tunnel
	dd if=/dev/zero of="$run/fill" bs=1k 2>/dev/null || true
	for log in "$run"/log/*.log; do		# to the end of their pages
		head -c 4096 /dev/zero 2>/dev/null >>"$log" || true
	done
	before=$(daemon spoke nhrp)
	kill -9 "$before"
	wait_for 10 site spoke dmvpn-dpd hello nhrp
	wait_for 10 registered_again
	run -111 --separate-stderr site spoke dmvpn up spoke.tunnel
	[[ $stderr == *"room"* ]]
	rm "$run/fill"
	wait_for 15 known nhrp
	[ "$(daemon spoke nhrp)" != "$before" ]
	site spoke dmvpn up spoke.tunnel
	site spoke dmvpn down dmvpn0
	wait_for 3 nobody_in spoke
	umount "$run"
}

registered_again() {
	site spoke dmvpn status | grep -q 'hub 10.0.0.1 .*in use'
}

known() {	# LAYER
	site spoke dmvpn status | grep -q "+ dmvpn-$1  *pid"
}

@test "OPS-04: a daemon that is stopped is found and started again" {
	sites_up hub spoke
	local old
	old=$(daemon spoke nhrp)
	kill -STOP "$old"
	wait_for 30 again spoke nhrp "$old"
}
