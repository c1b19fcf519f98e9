# dmvpn-pki join and dmvpn join: from a token to files.

bats_require_minimum_version 1.5.0
load lib

setup() {
	type -P jq openssl >/dev/null || skip "jq is missing"
	pki_dir
	HTTPS=$(free_port)
	"$B/dmvpn-pki" init
}

teardown() {
	[ ! -f pid ] || kill "$(cat pid)" 2>/dev/null || true
}

serve() {
	mkfifo ready
	"$B/dmvpn-pki" serve --https "127.0.0.1:$HTTPS" --name localhost \
	    -r 4 "$@" 4>ready 3>&- </dev/null >log 2>&1 &
	echo $! >pid
	read -r -t 30 _ <ready
}

token() {
	pki token new --for spoke7.test -T 10.0.0.7 \
	    --url "https://localhost:$HTTPS" --network 10.0.0.0/24 "$@" \
	    >token 2>/dev/null
}

@test "a token that was mistyped is told before anybody is asked" {
	token --hub hub.test=10.0.0.1
	rev token >backwards
	run -100 pki join -d etc backwards
	[[ $output == *'this is no token'* ]]
	sed 's/.$/x/' token >slip
	run -100 pki join -d etc slip
	[[ $output == *'mistyped or cut off'* ]]
	run -100 pki join -d etc nothing
	[[ $output == *'neither a token'*'nor a file'* ]]
	token		# without a hub
	run -100 pki join -d etc token
	[[ $output == *'names no hub'* ]]
	run -100 pki join -d etc -t ../x token
	[ ! -e etc ]
}

@test "nobody is there: try again; nothing is left half done" {
	token --hub hub.test=10.0.0.1
	run -111 pki join -d etc token
	[ -z "$(ls etc)" ]
	serve
	run -0 pki join -d etc token
	[ "$output" = etc/dmvpn0.tunnel ]
	[ "$(ls etc | xargs)" = 'dmvpn0-ca.pem dmvpn0.pem dmvpn0.tunnel' ]
}

@test "what was interrupted after enrolling goes on from there" {
	serve
	token --hub hub.test=10.0.0.1 --hub '[2001:db8::1]:4500=10.0.0.2' \
	    --key 7 --route 192.168.0.0/16 -S 192.168.7.0/24
	run -0 pki join -d etc -j token
	jq -e '.identity == "spoke7.test" and .addresses == ["10.0.0.7/24"] and
	    .lans == ["192.168.7.0/24"] and (.hubs | length) == 2' \
	    <<<"$output"
	cp etc/dmvpn0.tunnel before
	rm etc/dmvpn0.tunnel etc/dmvpn0-ca.pem
	run -0 pki join -d etc token
	diff before etc/dmvpn0.tunnel
	# a tunnel that is there is not replaced unasked
	run -1 pki join -d etc token
	[[ $output == *'already there'* ]]
	url=$(sed -n 's/^renew est \(https:.*\)/\1/p' before)
	[ -n "$url" ]
	diff before - <<-END
	tunnel dmvpn0
	role spoke
	address 10.0.0.7/24
	key 7
	identity dmvpn0.pem
	trust dmvpn0-ca.pem
	hub hub.test 10.0.0.1
	hub [2001:db8::1]:4500 10.0.0.2
	lan 192.168.7.0/24
	route 192.168.0.0/16
	renew est $url
	END
}

@test "a server of another CA never sees the secret" {
	token --hub hub.test=10.0.0.1
	pki init --store other.db --name Other
	serve --store other.db
	run -1 pki join -d etc token
	[ "$(pki token list -j | jq -r .state)" = new ]
	run -1 grep simpleenroll log
	[ ! -e etc/dmvpn0.pem ]
}

@test "who has the CA's certificate but not its key hears no secret" {
	type -P python3 >/dev/null || skip "python3 is not installed"
	token --hub hub.test=10.0.0.1
	pki export -F pkcs7 | openssl pkcs7 -outform DER | openssl base64 >p7
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout mitm.key -out mitm.crt -subj /CN=localhost \
	    -addext subjectAltName=DNS:localhost 2>/dev/null
	cat >mitm.py <<-'END'
	import http.server, ssl, sys
	class H(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        body = open("p7", "rb").read()
	        self.send_response(200)
	        self.send_header("Content-Type", "application/pkcs7-mime")
	        self.send_header("Content-Length", str(len(body)))
	        self.end_headers()
	        self.wfile.write(body)
	    def do_POST(self):
	        open("heard", "w").write(str(self.headers))
	s = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H)
	c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	c.load_cert_chain("mitm.crt", "mitm.key")
	s.socket = c.wrap_socket(s.socket, server_side=True)
	open("ready", "w").write("\n")
	s.serve_forever()
	END
	mkfifo ready
	python3 mitm.py "$HTTPS" 3>&- </dev/null >log 2>&1 &
	echo $! >pid
	read -r -t 30 _ <ready
	run pki join -d etc token
	[ "$status" -ne 0 ]
	grep -q 'GET /.well-known/est/cacerts' log
	[ ! -e heard ]
	[ ! -e etc/dmvpn0.pem ]
}

@test "dmvpn join: usage, and that it takes a token by a pipe" {
	run -100 "$B/dmvpn" join
	[[ $output == *'one token is wanted'* ]]
	run -100 "$B/dmvpn" join -x token
	run -100 "$B/dmvpn" join -d
	run -0 "$B/dmvpn" join --help
	[[ $output == *'TOKEN|FILE|-'* ]]
	run -100 "$B/dmvpn" join -d etc dmvpn1.AAAAAAAA
	[[ $output == *'mistyped or cut off'* ]]
	[ ! -e etc ]
}
