# Files of dmvpn-pki that come from another time or another program.

bats_require_minimum_version 1.5.0

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	type -P python3 jq >/dev/null || skip "python3 or jq is missing"
	cd "$BATS_TEST_TMPDIR"
	unset DMVPN_STORE
	"$B/dmvpn-pki" init
	"$B/dmvpn-pki" issue -o a.pem a
}

pki() {
	"$B/dmvpn-pki" "$@"
}

pragma() {	# NAME VALUE
	python3 - "$@" <<-'END'
	import sqlite3, sys
	d = sqlite3.connect("dmvpn-ca.db")
	d.execute("PRAGMA %s = %s" % tuple(sys.argv[1:]))
	d.commit()
	END
}

# Neither read nor changed, with a sentence.
refused() {	# PATTERN
	local before
	before=$(sha256sum dmvpn-ca.db)
	for c in "list" "issue -o b.pem b" "revoke a" "crl"; do
		# shellcheck disable=SC2086
		run --separate-stderr pki $c
		[ "$status" -ne 0 ]
		[[ $stderr == *$1* ]] || { echo "$c: $stderr" >&2; return 1; }
	done
	[ ! -e b.pem ]
	[ "$(sha256sum dmvpn-ca.db)" = "$before" ]
}

@test "OPS-18: a store of a newer version is refused and left as it is" {
	pragma user_version 99
	refused 'not a store of this version'
	pragma user_version 2
	[ "$(pki list -j | jq -r .name)" = a ]
}

@test "OPS-18: another program's database is refused and left as it is" {
	pragma application_id 4711
	refused 'not a store of this version'
}

@test "OPS-18: a store that was cut is refused and left as it is" {
	cp dmvpn-ca.db whole
	for n in 4096 8192 $(($(stat -c %s whole) / 2)) 100; do
		head -c "$n" whole >dmvpn-ca.db
		refused dmvpn-ca.db
	done
	cp whole dmvpn-ca.db
	[ "$(pki list -j | jq -r .name)" = a ]
}
