# The edge of dmvpn-pki serve to the web: what is malformed, too much or too
# slow (PKI-12).

bats_require_minimum_version 1.5.0
load lib

setup() {
	type -P python3 curl jq >/dev/null || skip "python3, curl or jq is missing"
	pki_dir
	PORT=$(free_port)
	"$B/dmvpn-pki" init
	mkfifo ready
	"$B/dmvpn-pki" serve --http "127.0.0.1:$PORT" -r 4 --rate 0 4>ready \
	    3>&- </dev/null >log 2>&1 &
	echo $! >pid
	read -r -t 30 _ <ready
}

teardown() {
	kill "$(cat pid)" 2>/dev/null || true
	! grep -E 'Sanitizer|runtime error:' log 2>/dev/null
}

# Sends a request as it stands, prints the status line (or "closed").
say() {
	python3 - "$PORT" "$@" <<-'END'
	import socket, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	s.settimeout(40)
	try:
	    for piece in sys.argv[2:]:
	        s.sendall(eval("b'''" + piece + "'''"))
	except OSError:
	    pass
	try:
	    got = s.recv(4096)
	except OSError:
	    got = b""
	print(got.split(b"\r\n")[0].decode() or "closed")
	END
}

serving() {
	"$B/dmvpn-pki" serving -j | jq -r ".$1"
}

@test "lengths that are negative, told twice or in chunks: 4xx (PKI-12)" {
	H='POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Type: application/ocsp-request\r\n'
	run -0 say "${H}Content-Length: -1\r\n\r\nabc"
	[[ $output == 'HTTP/1.1 400 '* ]]
	run -0 say "${H}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
	[[ $output == 'HTTP/1.1 400 '* ]]
	run -0 say "${H}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"
	[[ $output == 'HTTP/1.1 400 '* ]]
	run -0 say "${H}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	[[ $output == 'HTTP/1.1 400 '* ]]
	run -0 say "${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	[[ $output == 'HTTP/1.1 411 '* ]]
	run -0 say "${H}Content-Length: 3,4\r\n\r\nabc"
	[[ $output == 'HTTP/1.1 400 '* ]]
	run -0 say "${H}Content-Length: 18446744073709551616\r\n\r\nabc"
	[[ $output == 'HTTP/1.1 413 '* ]]
	run -0 say "${H}Content-Length: 65537\r\n\r\nabc"
	[[ $output == 'HTTP/1.1 413 '* ]]
}

@test "a header line of 1 MiB, 100 headers, folds, NUL, bare LF: 4xx (PKI-12)" {
	run -0 python3 - "$PORT" <<-'END'
	import socket, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	s.settimeout(40)
	s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
	try:
	    for i in range(1024):
	        s.sendall(b"y" * 1024)
	except OSError:
	    pass
	print(s.recv(4096).split(b"\r\n")[0].decode())
	END
	[[ $output == 'HTTP/1.1 431 '* ]]
	run -0 say "GET / HTTP/1.1\r\nHost: a\r\n$(printf 'A: b\\r\\n%.0s' $(seq 100))\r\n"
	[[ $output == 'HTTP/1.1 431 '* ]]
	for bad in 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n' \
	    'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n' \
	    'GET / HTTP/1.1\nHost: a\n\n\r\n\r\n' \
	    'GET / HTTP/1.1\r\n\r\n' 'GET /\r\n\r\n' \
	    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' \
	    'GET / HTTP/1.1\r\nHost : a\r\n\r\n' \
	    'GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n' \
	    'GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n' \
	    'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n' \
	    '\x16\x03\x01\x02\x00\x01\r\n\r\n'; do
		run -0 say "$bad"
		[[ $output == 'HTTP/1.1 400 '* ]] || echo "$bad: $output"
		[[ $output == 'HTTP/1.1 400 '* ]]
	done
}

@test "a second request on the same connection is not read (PKI-11)" {
	run -0 say 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /ca.pem HTTP/1.1\r\nHost: a\r\n\r\n'
	[[ $output == 'HTTP/1.1 400 '* ]]
	[ "$(serving requests)" = 1 ]
	run -0 curl -sS "http://127.0.0.1:$PORT/ca.pem" \
	    "http://127.0.0.1:$PORT/ca.pem" -o /dev/null -o /dev/null \
	    -w '%{num_connects}\n'
	[ "$output" = $'1\n1' ]
}

@test "500 that dawdle hold at most 64 places; others are served (PKI-12)" {
	run -0 python3 - "$PORT" "$(cat pid)" <<-'END'
	import os, socket, sys, time, urllib.request
	port, pid = int(sys.argv[1]), sys.argv[2]
	slow = []
	for i in range(500):
	    s = socket.socket()
	    s.setblocking(False)
	    try:
	        s.connect(("127.0.0.1", port))
	    except BlockingIOError:
	        pass
	    slow.append(s)
	def dribble():
	    for s in slow:
	        try:
	            s.send(b"G")
	        except OSError:
	            pass
	def is_socket(entry):
	    try:
	        return os.readlink(entry.path).startswith("socket:")
	    except OSError:
	        return False	# closed meanwhile
	dribble()
	begun = time.time()
	url = "http://127.0.0.1:%d/ca.pem" % port
	most = 0
	for i in range(3):
	    dribble()
	    body = urllib.request.urlopen(url, timeout=40).read()
	    assert b"BEGIN CERTIFICATE" in body
	    most = max(most, sum(map(is_socket, os.scandir(
	        "/proc/%s/fd" % pid))))
	print("served after %.1f s" % (time.time() - begun))
	assert most <= 64 + 4, most
	END
	[ "$(serving dropped)" -gt 100 ]
}

@test "a request or a body that never ends is cut after 10 s (PKI-12)" {
	run -0 python3 - "$PORT" <<-'END'
	import socket, sys, time
	def begin(text):
	    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	    s.settimeout(40)
	    s.sendall(text)
	    return s
	t = time.time()
	a = begin(b"GET / HTTP/1.1\r\nHost: a\r\n")
	b = begin(b"POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Type: "
	    b"application/ocsp-request\r\nContent-Length: 9\r\n\r\n")
	while time.time() - t < 8:
	    time.sleep(0.5)
	    a.sendall(b"X: y\r\n")	# always busy, never done
	    if time.time() - t < 4:
	        b.sendall(b"x")
	for s in a, b:
	    try:
	        assert s.recv(1) == b""
	    except ConnectionResetError:
	        pass
	assert 9 <= time.time() - t <= 30, time.time() - t
	END
}

@test "an address that asks too often hears 429" {
	kill "$(cat pid)"
	wait "$(cat pid)"
	"$B/dmvpn-pki" serve --http "127.0.0.1:$PORT" -r 4 --rate 1 4>ready \
	    3>&- </dev/null >log 2>&1 &
	echo $! >pid
	read -r -t 30 _ <ready
	run -0 python3 - "$PORT" <<-'END'
	import socket, sys
	heard = []
	for i in range(40):
	    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	    s.settimeout(40)
	    s.sendall(b"GET /ca.pem HTTP/1.1\r\nHost: a\r\n\r\n")
	    got = s.recv(4096)
	    heard.append(got[9:12].decode())
	    if heard[-1] == "429":
	        assert b"\r\nRetry-After: 1\r\n" in got
	    s.close()
	assert heard[:4] == ["200"] * 4, heard
	assert heard.count("429") > 10, heard
	END
}

@test "either half that dies takes the other along" {
	half=$(pgrep -P "$(cat pid)")
	kill -KILL "$half"
	run wait "$(cat pid)"
	for _ in $(seq 100); do
		kill -0 "$(cat pid)" 2>/dev/null || break
		sleep 0.05
	done
	run -1 kill -0 "$(cat pid)"
	grep -q desk-gone log
}

@test "who was silent for long has no more than a burst of four seconds (PKI-12)" {
	kill "$(cat pid)"
	wait "$(cat pid)" || true
	rm ready
	mkfifo ready
	"$B/dmvpn-pki" serve --http "127.0.0.1:$PORT" -r 4 --rate 1 4>ready \
	    3>&- </dev/null >log 2>&1 &
	echo $! >pid
	read -r -t 30 _ <ready
	python3 -c 'import http.client, sys, time
def ask():
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    c.request("GET", "/")
    return c.getresponse().status
assert ask() == 200
time.sleep(5)
at = time.monotonic()
good = [ask() for _ in range(12)].count(200)
took = time.monotonic() - at
assert good <= 5 + took, (good, took)
assert good >= 3, good' "$PORT"
}
