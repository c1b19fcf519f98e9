# dmvpn-pki revoke --reason hold, and release (RFC 5280, 5.3.1).

bats_require_minimum_version 1.5.0
load lib

setup() {
	pki_place
	pki issue -o x.pem x
	pki export -o ca.pem
}

teardown() {
	daemons_end
}

state() {
	pki list -j x | jq -r '.state + " " + ."revoked-why"'
}

@test "what is held is refused by list, OCSP and store, and good again when released" {
	pki revoke --reason hold x
	[ "$(state)" = "held hold" ]
	[ "$(pki list --state held -j | wc -l)" -eq 1 ]
	[ "$(pki list --state revoked -j | wc -l)" -eq 0 ]
	pki crl -o a.crl
	openssl crl -in a.crl -noout -text | grep -q 'Certificate Hold'
	run -1 pki verify -t ca.pem --crl a.crl x.pem
	run -1 pki verify x.pem
	openssl ocsp -no_nonce -issuer ca.pem -cert x.pem -reqout q.der >/dev/null 2>&1
	pki ocsp --answer q.der -o r.der
	run openssl ocsp -respin r.der -issuer ca.pem -cert x.pem -CAfile ca.pem
	[[ $output == *"revoked"* && $output == *certificateHold* ]]
	run -1 --separate-stderr pki renew x
	pki release x
	[[ $(state) == valid* ]]
	pki crl -o b.crl
	run -0 pki verify -t ca.pem --crl b.crl x.pem
	run -0 pki verify x.pem
	pki ocsp --answer q.der -o r.der
	run openssl ocsp -respin r.der -issuer ca.pem -cert x.pem -CAfile ca.pem
	[[ $output == *": good"* ]]
	[ "$(pki audit -j --what released | jq -r '.name + " " + .who')" = "x release" ]
}

@test "only what is held is released; who is held can be revoked for good" {
	run -1 --separate-stderr pki release x
	[[ $stderr == *"no certificate of x is held"* ]]
	run -1 --separate-stderr pki release nobody
	run -100 --separate-stderr pki release ../x
	pki revoke --reason hold x
	run -1 --separate-stderr pki revoke --reason hold x
	pki revoke --reason key-compromise x
	[ "$(state)" = "revoked key-compromise" ]
	run -1 --separate-stderr pki release x
	run -1 --separate-stderr pki revoke --reason hold x
	[ "$(state)" = "revoked key-compromise" ]
	[ "$(pki audit -j --what revoked | wc -l)" -eq 2 ]
}

@test "a released one and a revoked one between two questions: serve makes a new list" {
	type -P curl >/dev/null || skip "curl is not installed"
	HTTP=$(free_port)
	mkfifo ready
	"$B/dmvpn-pki" serve --http "127.0.0.1:$HTTP" -r 4 4>ready 3>&- \
	    </dev/null >log 2>&1 &
	PIDS+=("$!")
	read -r -t 30 _ <ready
	pki issue -o y.pem y
	pki revoke --reason hold x
	curl -sS -o a.crl "http://127.0.0.1:$HTTP/crl"
	pki release x
	pki revoke y
	curl -sS -o b.crl "http://127.0.0.1:$HTTP/crl"
	run -1 pki verify -t ca.pem --crl a.crl x.pem
	run -0 pki verify -t ca.pem --crl a.crl y.pem
	run -0 pki verify -t ca.pem --crl b.crl x.pem
	run -1 pki verify -t ca.pem --crl b.crl y.pem
}

@test "a store that has released is newer than its backup" {
	pki revoke --reason hold x
	pki backup one.db
	pki release x
	run -1 --separate-stderr pki restore one.db
	[[ $stderr == *"newer than the backup"* ]]
	pki restore -f one.db
	[ "$(state)" = "held hold" ]
}

@test "who was held and is revoked for good: a new list, and no backup from before" {
	pki revoke --reason hold x
	pki backup one.db
	pki revoke --reason key-compromise x
	run -1 --separate-stderr pki restore one.db
	[[ $stderr == *"newer than the backup"* ]]
	pki backup two.db
	pki restore two.db
	[ "$(state)" = "revoked key-compromise" ]
}

@test "verify tells what is held from what is revoked, and what the store does not know" {
	pki backup one.db
	pki revoke --reason hold x
	run -1 pki verify x.pem
	[[ $output == *"the store says it is held"*"dmvpn-pki release"* ]]
	pki release x
	run -0 pki verify x.pem
	[[ $output == *"not revoked in the store"* ]]
	pki issue -o later.pem later
	pki restore -f one.db
	run -0 pki verify later.pem
	[[ $output == *"the store does not know it"* ]]
}

@test "reasons of a list come along with it" {
	pki issue -o y.pem y
	pki backup one.db
	pki revoke --reason hold x
	pki revoke --reason superseded y
	pki crl -o their.crl
	pki restore -f one.db
	pki import their.crl
	[ "$(pki list -j | jq -r '.name + "=" + .state + " " + ."revoked-why"' | paste -sd,)" = \
	    "x=held hold,y=revoked superseded" ]
}

@test "the agent lets a peer in again when it has the list that follows" {
	daemon agent "$B/dmvpn-pki" agent --load x.pem
	pki issue -o y.pem y
	pki revoke --reason hold y
	pki crl -i
	[ "$(pki identities -j | jq .crls)" = 1 ]
	pki release y
	pki crl -i -o b.crl
	run -0 pki verify -t ca.pem --crl b.crl --need-crl y.pem
}

@test "a key with held certificates is not finished with without force" {
	pki revoke --reason hold x
	pki rollover
	run -1 --separate-stderr pki rollover --finish
	[[ $stderr == *"are valid"* ]]
}

@test "what openssl ca holds is held here" {
	mkdir their
	printf 'R\t351123120000Z\t261101120000Z,holdInstruction,holdInstructionNone\t0A0B0C0D\tunknown\t/CN=a\n' >their/index.txt
	printf 'R\t351123120000Z\t261101120000Z,certificateHold\t0A0B0C0E\tunknown\t/CN=b\n' >>their/index.txt
	printf 'R\t351123120000Z\t261101120000Z,superseded\t0A0B0C0F\tunknown\t/CN=c\n' >>their/index.txt
	pki import their
	[ "$(pki list -j | jq -r '.name + "=" + .state' | paste -sd' ')" = \
	    "x=valid a=held b=held c=revoked" ]
	sed -i 's/,certificateHold/,keyCompromise/' their/index.txt
	pki import their
	[ "$(pki list -j b | jq -r '."revoked-why"')" = key-compromise ]
}

@test "what has ended stands on one more list (RFC 5280, 3.3)" {
	type -P "${CC:-cc}" python3 >/dev/null || skip "no compiler, or no python3"
	TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	"${CC:-cc}" -shared -fPIC -o clock.so "$TOP/tests/lib/wallclock.c" -ldl ||
		skip "the clock can not be moved here"
	later() {
		python3 -c 'import struct, sys
open("offset", "wb").write(struct.pack("q", int(sys.argv[1])))' "$1"
		shift
		LD_PRELOAD=$PWD/clock.so WALLCLOCK=$PWD/offset "$B/dmvpn-pki" "$@"
	}
	pki issue -d 2 -o z.pem z
	pki revoke z
	later 0 crl -o now.crl || skip "the clock can not be moved here"
	[ "$(openssl crl -in now.crl -noout -text | grep -c 'Serial Number')" = 1 ] ||
		skip "the clock can not be moved here"
	later $((3 * 86400)) crl -d 7 -o next.crl
	[ "$(openssl crl -in next.crl -noout -text | grep -c 'Serial Number')" = 1 ]
	later $((11 * 86400)) crl -d 7 -o last.crl
	[ "$(openssl crl -in last.crl -noout -text | grep -c 'Serial Number')" = 0 ]
}
