# Those who want to do harm to dmvpn-pki serve and to who joins by it.

bats_require_minimum_version 1.5.0
load lib

setup() {
	B=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${B:-build/bin}" && pwd)
	type -P python3 jq >/dev/null || skip "python3 or jq is missing"
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work"
	export DMVPN_RUN=$BATS_TEST_TMPDIR/run
	export DMVPN_STORE=$PWD/store
	PORT=$(free_port)
	"$B/dmvpn-pki" init
}

teardown() {
	[ ! -f pid ] || kill "$(cat pid)" 2>/dev/null || true
	! grep -E 'Sanitizer|runtime error:' log 2>/dev/null
}

serve() {
	mkfifo ready
	"$B/dmvpn-pki" serve --http "127.0.0.1:$PORT" -r 4 4>ready 3>&- \
	    </dev/null >log 2>&1 &
	echo $! >pid
	read -r -t 30 _ <ready
}

# So many that nobody has the list in one piece: it fits into no buffer.
revoke_many() {
	python3 - <<-'END'
	import sqlite3
	d = sqlite3.connect("store")
	row = d.execute("PRAGMA table_info(certificate)").fetchall()
	for i in range(40000):
	    d.execute("INSERT INTO certificate(serial, name, profile, "
	        "not_before, not_after, revoked, why, generation, "
	        "partition) VALUES(?, ?, 'spoke', 1700000000, 4000000000, "
	        "1790000000, 'superseded', 1, 0)",
	        ("%032x" % (i + 2**120), "gone%d" % i))
	d.commit()
	END
}

@test "who asks and never reads keeps no place from others, and no copy of the list (PKI-12)" {
	revoke_many
	serve
	run -0 python3 - "$PORT" "$(cat pid)" <<-'END'
	import socket, sys, time, urllib.request
	port = int(sys.argv[1])
	deaf = []
	for i in range(64):
	    s = socket.socket()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
	    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
	    s.connect(("127.0.0.1", port))
	    s.sendall(b"GET /crl HTTP/1.1\r\nHost: a\r\n\r\n")
	    deaf.append(s)
	# all are answered: each has some of it
	for s in deaf:
	    s.settimeout(60)
	    assert s.recv(9) == b"HTTP/1.1 "
	rss = int(next(l for l in open("/proc/%s/status" % sys.argv[2])
	    if l.startswith("VmRSS:")).split()[1])
	sanitized = b"__asan_init" in open("/proc/%s/exe" % sys.argv[2],
	    "rb").read()
	assert rss < 40000 or sanitized, rss
	begun = time.time()
	body = urllib.request.urlopen("http://127.0.0.1:%d/ca.pem" % port,
	    timeout=60).read()
	assert b"BEGIN CERTIFICATE" in body
	took = time.time() - begun
	assert took < 15, took
	END
}

# A token of a stranger: FIELD=VALUE of the first hub is what he likes.
forge() {
	"$B/dmvpn-pki" token new --for spoke7 -T 10.0.0.7 --network 10.0.0.0/24 \
	    --url https://127.0.0.1:1 --hub "$1=10.0.0.1" >token
	python3 - "$1" "$2" <<-'END'
	import base64, hashlib, sys
	text = open("token").read().strip()
	head, body = text.split(".", 1)
	raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))[:-4]
	old, new = sys.argv[1].encode(), sys.argv[2].encode()
	assert len(old) == len(new) and raw.count(old) == 1
	raw = raw.replace(old, new)
	raw += hashlib.sha256(raw).digest()[:4]
	print(head + "." + base64.urlsafe_b64encode(raw).decode().rstrip("="))
	END
}

@test "a token whose hub is no host joins nothing" {
	plain=hub1.example.n
	for at in 'a$(touch x1)b.' '-oProxyCmd=abc' 'a;reboot;b/../' \
	    '`id`.example.n' '#hub1.example.'; do
		[ "${#at}" -eq "${#plain}" ] || at=$(printf '%-14.14s' "$at" |
		    tr ' ' x)
		forge "$plain" "$at" >forged
		run -100 --separate-stderr "$B/dmvpn-pki" join -d out forged
		[[ $stderr == *"a hub that is no host"* ]]
		[ ! -e out ]
	done
	# what is well formed is not refused for that
	forge "$plain" hub2.example.n >forged
	run --separate-stderr "$B/dmvpn-pki" join -d out forged
	[[ $stderr != *"no host"* ]]
}
