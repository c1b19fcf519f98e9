# dmvpn-pki: what two programs do to one store at the same time.

bats_require_minimum_version 1.5.0
load lib

setup() {
	type -P python3 >/dev/null || skip "python3 is not installed"
	pki_place
}

teardown() {
	daemons_end
}

# hold SQL: a writer that has begun and done this; it commits when end is there
hold() {
	mkfifo held end
	python3 -c 'import sqlite3, sys
c = sqlite3.connect("dmvpn-ca.db", isolation_level=None)
c.execute("BEGIN IMMEDIATE")
for s in sys.argv[1].split(";"): c.execute(s)
open("held", "w").write("\n")
open("end").read()
c.execute("COMMIT")' "$1" 3>&- &
	PIDS+=("$!")
	read -r -t 30 _ <held
}

revoked_in() {
	openssl crl -in "$1" -noout -text | grep -c 'Serial Number:'
}

@test "a list that is late does not take the place of a newer one (PKI-03)" {
	type -P strace >/dev/null || skip "strace is not installed"
	strace -f -qq -o /dev/null true || skip "strace may not trace here"
	pki issue -o x.pem x
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o trace -e trace=rename,renameat,renameat2 \
	    -e inject=rename,renameat,renameat2:delay_enter=1500000:when=1 \
	    "$B/dmvpn-pki" crl -o ca.crl 3>&- 2>late.log &
	late=$!
	PIDS+=("$late")
	for i in {1..200}; do
		compgen -G 'ca.crl.*.new' >/dev/null && break
		read -r -t 0.02 _ <> <(:) || true
	done
	pki revoke x
	pki crl -o ca.crl
	status=0
	wait "$late" || status=$?
	cat late.log
	[ "$(revoked_in ca.crl)" = 1 ]
	[ "$status" = 0 ]
}

@test "a list is of the time when it is made, not when its maker began to wait" {
	hold "UPDATE authority SET crl_number = crl_number + 1"
	"$B/dmvpn-pki" crl -o ca.crl 3>&- &
	crl=$!
	PIDS+=("$crl")
	for i in {1..24}; do
		read -r -t 0.05 _ <> <(:) || true
	done
	then=$(date +%s)
	echo >end
	wait "$crl"
	made=$(openssl crl -in ca.crl -noout -lastupdate)
	[ "$(date -d "${made#*=}" +%s)" -ge "$then" ]
}

@test "whoever reads a list slowly holds nobody up" {
	for i in {1..150}; do
		echo "-o x$i.pem x"
	done >many
	pki issue --batch many
	pki revoke x
	pki issue -o y.pem y
	python3 -c 'import fcntl, os, subprocess, sys
r, w = os.pipe()
fcntl.fcntl(w, 1031, 4096)			# F_SETPIPE_SZ
p = subprocess.Popen([sys.argv[1], "crl"], stdout=w)
os.read(r, 1)					# it writes, and can not go on
subprocess.run([sys.argv[1], "revoke", "y"], timeout=10, check=True)
assert p.poll() is None
os.close(w)
os.close(r)
p.wait()' "$B/dmvpn-pki"
}

@test "a key that changes while serve takes it up: the next question is answered (PKI-14)" {
	type -P curl >/dev/null || skip "curl is not installed"
	HTTP=$(free_port)
	mkfifo ready
	"$B/dmvpn-pki" serve --http "127.0.0.1:$HTTP" -r 4 4>ready 3>&- \
	    </dev/null >log 2>&1 &
	PIDS+=("$!")
	read -r -t 30 _ <ready
	pki rollover --prepare
	hold "UPDATE authority SET state = 'old' WHERE generation = 1;UPDATE authority SET state = 'active' WHERE generation = 2"
	curl -sS -o first "http://127.0.0.1:$HTTP/ca.pem" &
	PIDS+=("$!")
	for i in {1..20}; do
		read -r -t 0.02 _ <> <(:) || true
	done
	echo >end
	wait "$!"
	run -0 curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$HTTP/crl"
	[ "$output" = 200 ]
	timeout 10 "$B/dmvpn-pki" issue -o y.pem y
}

@test "a batch of slow keys lets others at the store" {
	for i in {1..12}; do
		echo "-k rsa4096 b$i"
	done >list
	pki issue -o x.pem x
	"$B/dmvpn-pki" issue --batch list 3>&- 2>batch.log &
	batch=$!
	PIDS+=("$batch")
	for i in {1..1000}; do
		[ ! -e b1.pem ] || break
		compgen -G 'b1.pem.*.new' >/dev/null && break
		read -r -t 0.02 _ <> <(:) || true
	done
	pki revoke x
	[ -e b1.pem ]
	[ ! -e b12.pem ]
	kill "$batch"
}

@test "restore holds the store while it compares: what comes in between is not lost" {
	pki backup one.db
	hold "UPDATE authority SET crl_number = crl_number + 1"
	"$B/dmvpn-pki" restore one.db 3>&- 2>restore.log &
	restore=$!
	PIDS+=("$restore")
	echo >end
	status=0
	wait "$restore" || status=$?
	[ "$status" = 1 ]
	grep -q "newer than the backup" restore.log
}

@test "rollover makes its key while others work at the store" {
	pki issue -o x.pem x
	"$B/dmvpn-pki" rollover -k rsa8192 3>&- 2>rollover.log &
	rollover=$!
	PIDS+=("$rollover")
	busy() {
		[ "$(cut -d' ' -f14 "/proc/$rollover/stat")" -gt 30 ] ||
			! kill -0 "$rollover"
	}
	wait_for busy
	timeout 20 "$B/dmvpn-pki" revoke x
	kill "$rollover" || true
}
