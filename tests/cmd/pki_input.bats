# dmvpn-pki: what the command line names is not there, or something else.

bats_require_minimum_version 1.5.0

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	export DMVPN_RUN=$BATS_TEST_TMPDIR/run
	unset DMVPN_STORE
	umask 077
	pki init
}

pki() {
	"$B/dmvpn-pki" "$@" </dev/null
}

# refused WORDS COMMAND...: 100, and why
refused() {
	local words=$1
	shift
	run -100 --separate-stderr setsid -w "$B/dmvpn-pki" "$@" </dev/null
	[[ $stderr == *"$words"* ]] || {
		echo "$*: $stderr"
		false
	}
}

@test "a file that is missing is wrong input in every command: 100" {
	local no="absent: No such file"
	pki issue -o x.pem x
	refused "$no" init -s new.db -P absent
	refused "$no" init -s new.db --from absent
	refused "$no" init -s new.db --certificate absent
	refused "$no" issue --key-passphrase-file absent y
	refused "$no" issue --batch absent
	refused "$no" sign y absent
	refused "$no" renew --key absent x
	refused "$no" import absent
	refused "$no" expiring absent
	refused "$no" verify absent
	refused "$no" verify -t absent x.pem
	refused "$no" verify --crl absent x.pem
	refused "$no" ocsp -t absent x.pem
	refused "$no" ocsp --answer absent
	refused "$no" fetch -t absent x.crl
	refused "$no" fetch -t x.pem ./absent
	refused "$no" export -F p12 -P absent --out-passphrase-file absent x.pem
	refused "$no" load absent
	refused "$no" load --crl absent
	refused "$no" agent --load absent
	refused "$no" enroll est -t absent https://127.0.0.1/ y
	refused "$no" enroll scep -c absent http://127.0.0.1/ y
	refused "$no" enroll scep -R absent http://127.0.0.1/
	refused "there is no CA here" list -s absent
	refused "there is no CA here" restore absent
	refused "there is no CA here" verify -s absent x.pem
}

@test "a directory and a file for others are wrong input: 100" {
	pki issue -o x.pem x
	mkdir dir
	refused "Is a directory" show dir
	refused "Is a directory" sign y dir
	chmod 644 x.pem
	refused "chmod 600" load x.pem
	refused "chmod 600" enroll scep -R x.pem http://127.0.0.1/
	chmod 644 dmvpn-ca.db
	refused "chmod 600" list
}

@test "a file that may not be read is not taken for one that wants a passphrase" {
	[ "$(id -u)" = 0 ] || skip "only root can become nobody"
	type -P setpriv >/dev/null || skip "setpriv is not installed"
	pki issue -o x.pem x
	chmod 755 . ..
	run -100 --separate-stderr setsid -w setpriv --reuid 65534 \
	    --clear-groups "$B/dmvpn-pki" load x.pem
	[[ $stderr == *"Permission denied"* && $stderr != *passphrase* ]]
}

@test "a key that belongs to somebody else is not taken (PKI-03)" {
	[ "$(id -u)" = 0 ] || skip "only root can give files away"
	pki issue -o x.pem x
	chown 65534 x.pem
	refused "belongs to uid 65534, not to us or root" load x.pem
	refused "belongs to uid 65534" init -s new.db -P x.pem
}

@test "a PEM file is no store, and no --force puts a store over it" {
	pki issue -o x.pem x
	pki backup good.db
	cp x.pem kept.pem
	refused "a PEM file, not the store of a CA" restore x.pem
	refused "a PEM file, not the store of a CA" restore -f -s x.pem good.db
	refused "a PEM file, not the store of a CA" list -s x.pem
	refused "a PEM file, not the store of a CA" init -s x.pem
	cmp x.pem kept.pem
}

@test "another program's database without a mark is left alone, too" {
	python3 -c 'import sqlite3
c = sqlite3.connect("other.db")
c.execute("CREATE TABLE cookies(a)")
c.commit()'
	pki backup good.db
	sum=$(sha256sum <other.db)
	refused "not a store of this version" list -s other.db
	refused "not a store of this version" init -s other.db
	refused "not a store of this version" restore -f -s other.db good.db
	[ "$sum" = "$(sha256sum <other.db)" ]
}

@test "restore is in the audit of what it has restored, wherever that is" {
	pki backup good.db
	pki restore -s fresh.db good.db
	[ "$(pki audit -s fresh.db -j | jq -rs '.[-1] | .who')" = restore ]
}

@test "show of what is not there says so, as JSON too" {
	run -1 --separate-stderr pki show -j nosuch
	[[ -z $output && $stderr == *"no such name"* ]]
	pki issue -o x.pem x
	run -0 pki show -j x x.pem
	[ "$(jq -s length <<<"$output")" -ge 2 ]
}

@test "what was imported as a serial number alone is said to be so" {
	mkdir easy
	printf 'V\t351123120000Z\t\t0A0B0C0D\tunknown\t/CN=lost\n' >easy/index.txt
	pki import easy
	run -1 --separate-stderr pki export lost
	[[ $stderr == *"the store has no certificate"* ]]
	run -1 --separate-stderr pki renew lost
	[[ $stderr == *"without the certificate"* ]]
	mkdir x
	pki issue -o x.pem x
	pki export x | grep -q BEGIN
}

@test "what another CA of the same name has signed is not imported" {
	pki init -s other.db
	pki issue -s other.db -o x.pem x
	pki crl -s other.db -o other.crl
	run -1 --separate-stderr pki import x.pem
	[[ $stderr == *"this CA did not sign it"* ]]
	run -1 --separate-stderr pki import other.crl
	[[ $stderr == *"this CA did not sign it"* ]]
	[ -z "$(pki list -j)" ]
}

@test "a partition's URL stays for the certificates of the old key, too (PKI-14)" {
	pki settings --crl-url http://ca.example.org/ca.crl --crl-partitions 3
	pki issue -o x.pem x
	pki rollover
	run -1 --separate-stderr pki settings --crl-url http://b.example.org/ca.crl
	[[ $stderr == *"can not change"* ]]
	pki rollover --finish --force
	pki settings --crl-url http://b.example.org/ca.crl
}

@test "a token that has ended is not approved" {
	type -P python3 >/dev/null || skip "python3 is not installed"
	ID=$(pki token new --for x -T 10.0.0.9 --hold -j | jq -r .id)
	python3 -c 'import sqlite3
c = sqlite3.connect("dmvpn-ca.db")
c.execute("UPDATE token SET state = '"'pending'"', expires = 1")
c.commit()'
	run -1 --separate-stderr pki token approve "$ID"
	[[ $stderr == *"has expired"* ]]
	[ -z "$(pki audit -j --what approved)" ]
}

@test "a day that no month has is no time" {
	pki issue -o x.pem x
	refused "is not a time" verify --at 2027-02-31 x.pem
	refused "is not a time" verify --at 2027-02-29T12:00:00Z x.pem
	run -1 pki verify --at 2028-02-29 x.pem
}

@test "a CA that may not sign certificates or lists is not taken" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout k.pem -out c.pem -subj /CN=Old -days 30 \
	    -addext basicConstraints=critical,CA:TRUE \
	    -addext keyUsage=critical,keyCertSign 2>/dev/null
	cat k.pem c.pem >old.pem
	refused "keyCertSign or cRLSign" init -s old.db --from old.pem
}

@test "whoever ends a prompt for a passphrase finds the terminal as it was" {
	type -P python3 >/dev/null || skip "python3 is not installed"
	run -0 timeout 20 python3 -c '
import os, pty, signal, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "init", "-e", "-s", "new.db"])
got = b""
while b"passphrase for" not in got:
    got += os.read(fd, 100)
assert not termios.tcgetattr(fd)[3] & termios.ECHO
os.write(fd, b"\x03")
how = os.waitpid(pid, 0)[1]
assert os.WIFSIGNALED(how) and os.WTERMSIG(how) == signal.SIGINT, how
assert termios.tcgetattr(fd)[3] & termios.ECHO, "no echo"' "$B/dmvpn-pki"
}

@test "a CA that is taken keeps its lock, whose passphrase is read once" {
	echo of-the-ca >pass
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 30 \
	    -subj /CN=Old -keyout old.key -passout file:pass -out old.crt \
	    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
	cat old.key old.crt >old.pem
	mkfifo once
	cat pass >once 3>&- &
	timeout 60 "$B/dmvpn-pki" init -s old.db --from old.pem -P once
	run -1 --separate-stderr setsid -w "$B/dmvpn-pki" issue -s old.db y </dev/null
	[[ $stderr == *"a passphrase is wanted"* ]]
	run -0 pki issue -s old.db -P pass -d 10 y
	refused "for a certificate that is made here" init -s new.db \
	    --from old.pem --days 3
	refused "for a certificate that is made here" init -s new.db \
	    --certificate old.crt --name x
	refused "dmvpn-pki settings" init -s new.db --certificate old.crt \
	    --crl-url http://a/
}

@test "a certificate whose name is that of a directory is shown and exported" {
	mkdir x
	pki issue -o x.pem x
	[ "$(pki show x)" = "$(pki show x.pem | sed '/^$/,$d')" ]
	pki export -F der -o x.der x
	run -0 pki export x.der
	[[ $output == "-----BEGIN CERTIFICATE-----"* ]]
}

@test "a backup is not the store itself, by whatever name" {
	refused "that is the store itself" backup -f dmvpn-ca.db
	refused "that is the store itself" restore -f dmvpn-ca.db
	ln -s dmvpn-ca.db link
	refused "that is the store itself" restore -f link
	pki issue -o x.pem x
}

@test "a store without a CA in it takes a backup as it is" {
	pki backup one.db
	: >empty.db
	pki restore -s empty.db one.db
	[ "$(pki show -s empty.db)" = "$(pki show)" ]
	printf 'junk junk junk junk junk junk junk' >junk.db
	run -1 --separate-stderr pki restore -s junk.db one.db
	[[ $stderr == *"--force replaces it"* ]]
	pki restore -f -s junk.db one.db
	pki list -s junk.db
}

@test "restore brings back all that a backup has, and takes the rest away" {
	pki token new --for a -T 10.0.0.2 >/dev/null
	pki settings --ocsp-url http://a/ocsp
	pki issue -o x.pem x
	pki revoke x
	pki rollover --prepare
	pki backup one.db
	all() {
		pki list -j; pki token list -j; pki settings -j
		pki rollover --status -j; pki audit -j | head -n "$1"
	}
	n=$(pki audit -j | wc -l)
	before=$(all "$n")
	pki issue -o y.pem y
	pki token new --for b >/dev/null
	pki settings --ocsp-url http://b/ocsp
	pki rollover
	pki restore -f one.db
	[ "$(all "$n")" = "$before" ]
	[ "$(pki audit -j | wc -l)" = $((n + 1)) ]
	python3 -c 'import sqlite3
c = sqlite3.connect("dmvpn-ca.db")
assert c.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
a, b = [sorted(sqlite3.connect(f).execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()) for f in ("dmvpn-ca.db", "one.db")]
assert a == b, (a, b)'
	pki issue -o z.pem z
	run -0 pki verify z.pem
}

@test "a token that was taken back or given out since does not go by a restore" {
	pki backup none.db
	id=$(pki token new --for a -j 2>/dev/null | jq -r .id)
	run -1 --separate-stderr pki restore none.db
	[[ $stderr == *"newer than the backup: tokens"* ]]
	pki backup one.db
	pki restore one.db
	pki token revoke "$id"
	run -1 --separate-stderr pki restore one.db
	[[ $stderr == *"newer than the backup: tokens"* ]]
	[ "$(pki token list -j | jq -r .state)" = withdrawn ]
	pki restore -f one.db
	[ "$(pki token list -j | jq -r .state)" = new ]
}

@test "what standard output does not take is said, and not in use" {
	[ -e /dev/full ] || skip "there is no /dev/full"
	run -111 --separate-stderr bash -c '"$0" token new --for a >/dev/full' "$B/dmvpn-pki"
	[[ $stderr == *"the token is withdrawn"* ]]
	[ "$(pki token list -j | jq -r .state)" = withdrawn ]
	run -111 --separate-stderr bash -c '"$0" issue x >/dev/full' "$B/dmvpn-pki"
	serial=$(pki list -j x | jq -r .serial)
	[[ $stderr == *"x is issued"*"revoke $serial"* ]]
	for c in list show settings audit "rollover --status" "token list"; do
		run -111 bash -c "'$B/dmvpn-pki' $c >/dev/full"
	done
}

@test "a line of a batch with too many names is refused alone" {
	{
		printf -- '-o a.pem'
		printf ' -D n%s.example' {1..33}
		printf ' a\n-o b.pem b\n'
	} >lines
	run -1 --separate-stderr pki issue --batch lines
	[[ $stderr == *"lines:1: more than 32 names"* && -e b.pem ]]
}

@test "a word that no filter knows is refused" {
	refused "--by kli: expected cli" audit --by kli
	refused "--what isued: expected" audit --what isued
	refused "make no key" rollover --finish --days 3
}

@test "lists of two keys in DER want a file: one each" {
	pki rollover
	refused "each goes to a file of its own" crl --der
	pki crl --der -o ca.crl
	openssl crl -inform DER -in ca.crl -noout
	openssl crl -inform DER -in ca-g2.crl -noout
}
