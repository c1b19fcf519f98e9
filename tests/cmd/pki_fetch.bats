# dmvpn-pki fetch and watch: revocation lists from elsewhere.

bats_require_minimum_version 1.5.0
load lib

setup() {
	pki_place
	pki issue -o x.pem x
	pki export -o ca.pem
	mkdir web
	pki crl --der -o web/crl
}

teardown() {
	daemons_end
}

# ready NAME PROGRAM...: in the background, when it has said so on 4.
ready() {
	local name=$1 fifo=$BATS_TEST_TMPDIR/$1.ready
	shift
	rm -f "$fifo"
	mkfifo "$fifo"
	"$@" 4>"$fifo" 3>&- </dev/null >"$BATS_TEST_TMPDIR/$name.log" 2>&1 &
	last=$!
	PIDS+=("$last")
	IFS= read -r -t 30 port <"$fifo" || {
		cat "$BATS_TEST_TMPDIR/$name.log" >&2
		false
	}
}

agent() {
	ready agent "$B/dmvpn-pki" agent -r 4 --load x.pem
	agent=$last
}

watch() {
	ready watch "$B/dmvpn-pki" watch -r 4 --every 1 --cache cache "$@"
	watch=$last
}

web() {
	command -v python3 >/dev/null || skip "python3 is not installed"
	ready web python3 -c '
import http.server, os
class H(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *a): super().__init__(*a, directory="web")
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
os.write(4, b"%d\n" % s.server_port); os.close(4)
s.serve_forever()'
	web=$last
	URL=http://127.0.0.1:$port/crl
}

# until it is so; 30 s at most
soon() {
	local end=$((SECONDS + 30))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || {
			tail -n 20 "$BATS_TEST_TMPDIR"/*.log >&2
			return 1
		}
		read -r -t 0.05 _ <> <(:) || true
	done
}

crls() {
	[ "$(pki identities -j | jq -r '.crls // 0')" = "$1" ]
}

said() {	# NAME WORDS [TIMES]
	[ "$(grep -c "$2" "$BATS_TEST_TMPDIR/$1.log")" -ge "${3:-1}" ]
}

newer() {	# a list takes the place of the other at once
	pki crl --der -o web/next
	mv web/next web/crl
}

@test "fetch gets a list, says whether it is new, and asks only for what is" {
	web
	run -0 pki fetch -t ca.pem --cache . -o got.der "$URL"
	[[ $output == *": new, 1 list, until 20"* ]]
	cmp got.der web/crl
	run -0 pki fetch -t ca.pem --cache . -j "$URL"
	[ "$(jq -r .result <<<"$output")" = same ]
	soon said web '" 304 '
	run -0 pki fetch -t ca.pem web/crl
}

@test "a list of another CA, a damaged one, an older one and none are refused" {
	run -100 --separate-stderr pki fetch web/crl
	[[ $stderr == *"--trust"* ]]
	DMVPN_STORE=other.db pki init --name Other
	DMVPN_STORE=other.db pki export -o other.pem
	run -1 --separate-stderr pki fetch -t other.pem web/crl
	[[ $stderr == *"of another CA"* ]]
	cp web/crl old
	printf x | dd of=web/crl bs=1 conv=notrunc seek=200 2>/dev/null
	run -1 --separate-stderr pki fetch -t ca.pem web/crl
	[ -n "$stderr" ]
	newer
	mkdir cache
	pki fetch -t ca.pem --cache cache "$PWD/web/crl"
	mv old web/crl
	run -1 --separate-stderr pki fetch -t ca.pem --cache cache "$PWD/web/crl"
	[[ $stderr == *"older than the one"* ]]
	: >web/crl
	run -1 --separate-stderr pki fetch -t ca.pem web/crl
	[[ $stderr == *"nothing came"* ]]
	run -111 --separate-stderr pki fetch -t ca.pem http://127.0.0.1:9/crl
}

@test "who never answers is given up in time, and a redirect to elsewhere is not followed" {
	command -v python3 >/dev/null || skip "python3 is not installed"
	ready server python3 -c '
import http.server, os, time
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2:9/crl")
            self.end_headers()
        elif self.path == "/tls":
            self.send_response(302)
            self.send_header("Location", "https://127.0.0.1:%d/crl" % s.server_port)
            self.end_headers()
        elif self.path == "/same":
            self.send_response(304)
            self.end_headers()
        elif self.path == "/odd":
            self.wfile.write(b"HTTP/1.1 302 F\r\nLocation: /a HTTP/1.1\rX: y\r\n\r\n")
        else:
            time.sleep(20)
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
s.daemon_threads = True
os.write(4, b"%d\n" % s.server_port); os.close(4)
s.serve_forever()'
	before=$SECONDS
	run -111 --separate-stderr pki fetch --timeout 1 -t ca.pem \
		"http://127.0.0.1:$port/slow"
	[ $((SECONDS - before)) -le 15 ]
	run ! --separate-stderr pki fetch -t ca.pem "http://127.0.0.1:$port/away"
	[[ $stderr != *refused* ]]	# it was not even tried
	run ! --separate-stderr pki fetch -t ca.pem "http://127.0.0.1:$port/tls"
	[[ $stderr == *"sends us to another one"* ]]
	run ! --separate-stderr pki fetch -t ca.pem "http://127.0.0.1:$port/same"
	[[ -z $output && -n $stderr ]]	# there was nothing before
	run ! --separate-stderr pki fetch -t ca.pem "http://127.0.0.1:$port/odd"
	[[ $stderr == *"redirect: URL: blanks"* ]]
}

@test "watch hands a new list to the agent, and to the next agent what the last one had" {
	web
	agent
	watch "$URL"
	soon crls 1
	kill "$web"		# from now on there is no network
	web_port=${URL%/crl} web_port=${web_port##*:}
	kill "$agent"
	wait "$agent" || true
	soon said watch agent-lost
	agent
	soon crls 1
	kill "$watch"
	wait "$watch" || true
	kill "$agent"
	wait "$agent" || true
	# none but the copy on the disk, and a server that never answers
	ready hangs python3 -c '
import os, signal, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(8)
os.write(4, b"\n")
os.close(4)
signal.pause()' "$web_port"
	agent
	watch "$URL"
	soon crls 1
	run ! said watch fetch-failed
}

@test "watch keeps what is there when what comes is worse, and says so" {
	web
	agent
	watch "$URL"
	soon crls 1
	cp web/crl old
	newer
	soon said watch crl-fetched 2
	mv old web/crl
	touch web/crl
	soon said watch 'crl-refused.*older'
	echo junk >web/crl
	soon said watch 'fetch-failed.*again-in=1'
	crls 1
	[ "$(find cache -name '*.crl' | wc -l)" -eq 1 ]
}

@test "watch cries when the list in force has ended" {
	web
	agent
	# openssl's CA makes one that ended long ago
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj /CN=Old -days 30 -keyout ca.key -out old.pem 2>/dev/null \
		-addext keyUsage=critical,keyCertSign,cRLSign
	cat ca.key old.pem >both.pem
	export DMVPN_STORE=old.db
	pki init --from both.pem
	pki issue -d 10 -o y.pem y
	pki load x=y.pem
	printf '%s\n' '[ca]' 'default_ca = c' '[c]' 'database = index' \
		'crlnumber = number' 'default_md = sha256' >ca.cnf
	: >index
	echo 01 >number
	openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert old.pem \
		-crl_lastupdate 261101000000Z -crl_nextupdate 261102000000Z \
		-out web/crl
	watch "$URL"		# it comes, and is no good any more
	soon said watch 'error crl-stale'
	grep -q "list from $URL is valid until 2026-11-02.*no new one" \
		cache/*.alarm
	# what another watch has left behind is taken away when all is well
	openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert old.pem \
		-crldays 7 -out web/next
	mv web/next web/crl
	soon said watch crl-fetched 2
	alarms() { [ -n "$(find cache -name '*.alarm')" ]; }
	soon eval '! alarms'
}

@test "watch --ocsp gives the agent a response about its own certificate" {
	pki issue -p ocsp -o ocsp.pem ocsp
	command -v python3 >/dev/null || skip "python3 is not installed"
	ready responder python3 -c '
import http.server, os, subprocess, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        q = self.rfile.read(int(self.headers["Content-Length"]))
        r = subprocess.run([sys.argv[1], "ocsp", "--answer", "-"],
            input=q, stdout=subprocess.PIPE).stdout
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(r)))
        self.end_headers()
        self.wfile.write(r)
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
os.write(4, b"%d\n" % s.server_port); os.close(4)
s.serve_forever()' "$B/dmvpn-pki"
	URL=http://127.0.0.1:$port/
	agent
	watch --ocsp "$URL"
	soon said agent staple-loaded
	run -0 pki identities
	[[ $output == *good* ]]
	# fetched once: it is good for an hour
	soon said watch ocsp-fetched
	[ "$(grep -c ocsp-fetched "$BATS_TEST_TMPDIR/watch.log")" -eq 1 ]
	# our own certificate is revoked: it is an error, and said so
	kill "$agent"
	wait "$agent" || true
	pki revoke x 2>/dev/null
	agent
	soon said watch 'error certificate-revoked'
}

@test "watch has no key, no capability and no way to other files" {
	agent
	watch --ocsp http://127.0.0.1:9/ "$PWD/web/crl"
	soon crls 1
	grep -qx 'CapEff:	0000000000000000' "/proc/$watch/status"
	grep -qx 'NoNewPrivs:	1' "/proc/$watch/status"
	grep -qx 'Seccomp:	2' "/proc/$watch/status"
	newer			# the file is replaced, and seen
	soon said watch crl-fetched 2
	run -100 --separate-stderr pki watch
}

@test "a disk that takes no copy keeps no list from the agent" {
	agent
	run ! --separate-stderr pki fetch -t ca.pem -i --cache ca.pem web/crl
	[[ $stderr == *"Not a directory"* ]]
	[ "$(pki identities -j | jq .crls)" = 1 ]
}
