# dmvpn-pki: killed, and told that the disk is full or broken; a sample of what
# "make crash" does at each system call.

bats_require_minimum_version 1.5.0

@test "killed or failed at any system call, the store is as before or as after (F10, PKI-06)" {
	cd "$BATS_TEST_DIRNAME/../.."
	run --separate-stderr env TMPDIR="$BATS_TEST_TMPDIR" tests/crash/pki.sh 50
	[ "$status" -ne 77 ] || skip "strace is not installed, or may not trace here"
	echo "$stderr"
	[ "$status" -eq 0 ]
	[[ $output == *" tries, 0 between" ]]
	[ "${output%% *}" -ge 40 ]
}
