# A CA's key changes under tunnels that are up; a CA below another one.

bats_require_minimum_version 1.5.0
load lib
load sites

reachable() {	# FROM TO
	ip netns exec "$NET-$1" ping -c 1 -W 1 "$2" >/dev/null
}

# A new certificate for a site that is up: down, and up with it.
again() {	# NAME
	"$B/dmvpn-pki" renew --force -o "$T/$1.pem" "$1"
	site "$1" dmvpn down dmvpn0
	site "$1" dmvpn up --wait "$1.tunnel"
}

@test "while the CA's key changes, certificates of both keys work together (PKI-14)" {
	sites_up hub spoke1 spoke2
	wait_for 10 reachable lan2 192.168.1.10
	"$B/dmvpn-pki" rollover
	# the hub knows nothing of the new key, and follows the link
	again spoke1
	wait_for 10 reachable lan2 192.168.1.10
	wait_for 10 reachable lan3 192.168.1.10
	wait_for 5 there spoke1
	# now the hub has the new one: a spoke that knows only the old follows
	again hub
	wait_for 30 reachable lan3 192.168.1.10
	wait_for 30 reachable lan2 192.168.1.10
	# the lists of both keys reach it
	"$B/dmvpn-pki" revoke --reason superseded spoke2 2>/dev/null
	site hub "$B/dmvpn-pki" crl --install
	wait_for 5 gone spoke2
	wait_for 10 reachable lan2 192.168.1.10
}

gone() {
	! site hub dmvpn-ike sas | grep -q "$1.test"
}

there() {
	site hub dmvpn-ike sas | grep -q "$1.test"
}

@test "certificates of a CA below a company's root make tunnels; the company's others do not" {
	local n i=0
	sites_net hub spoke1 spoke2
	sites_files hub spoke1 spoke2
	export DMVPN_STORE=$T/ca.db
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$T/corp.key" -out "$T/corp.pem" -subj /CN=Corp -days 900 \
	    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
	"$B/dmvpn-pki" init --csr -o "$T/sub.csr"
	openssl x509 -req -in "$T/sub.csr" -CA "$T/corp.pem" -CAkey "$T/corp.key" \
	    -copy_extensions copyall -days 800 -out "$T/sub.pem" 2>/dev/null
	"$B/dmvpn-pki" init --certificate "$T/sub.pem" --trust "$T/corp.pem"
	for n in hub spoke1; do
		i=$((i + 1))
		"$B/dmvpn-pki" issue --dns "$n.test" -T "10.0.0.$i" \
		    -S "192.168.$i.0/24" -o "$T/$n.pem" "$n"
	done
	"$B/dmvpn-pki" export --anchors -o "$T/ca.pem"
	# spoke2 has the company's word for its name, but not ours
	(umask 077; openssl req -x509 -CA "$T/corp.pem" -CAkey "$T/corp.key" \
	    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
	    -keyout "$T/spoke2.pem" -out "$T/spoke2.crt" -subj /CN=spoke2 \
	    -addext subjectAltName=DNS:spoke2.test 2>/dev/null ||
	    {
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		    -nodes -keyout "$T/spoke2.pem" -subj /CN=spoke2 \
		    -addext subjectAltName=DNS:spoke2.test -out "$T/s.csr"
		openssl x509 -req -in "$T/s.csr" -CA "$T/corp.pem" -days 30 \
		    -CAkey "$T/corp.key" -copy_extensions copyall \
		    -out "$T/spoke2.crt"
	    } 2>/dev/null)
	cat "$T/spoke2.crt" >>"$T/spoke2.pem"
	for n in hub spoke1; do
		site "$n" dmvpn up --wait "$n.tunnel"
	done
	wait_for 10 reachable lan2 192.168.1.10
	site spoke2 dmvpn up spoke2.tunnel
	wait_for 15 grep -q 'ike-failed.*code=untrusted' "$T/run/hub/log/ike.log"
	gone spoke2
	wait_for 10 reachable lan2 192.168.1.10
}
