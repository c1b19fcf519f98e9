# Two tunnels in one set of daemons: of one CA they share what they can, of
# two CAs their members keep to their own.

bats_require_minimum_version 1.5.0
load lib
load sites

setup() {
	sites_setup
	sites_prepare hub spoke
	wide hub 1
	wide spoke 2
}

# A certificate with addresses of both tunnels.
wide() {	# NAME NUMBER
	DMVPN_STORE=${3-$T/ca.db} "$B/dmvpn-pki" issue --force \
		--dns "$1.test" --tunnel-address "10.0.0.$2" \
		--tunnel-address "10.0.1.$2" --subnet "192.168.$2.0/24" \
		--out "$T/$1.pem" "$1" >/dev/null
}

second() {	# NAME: its file of the other tunnel
	sed 's/dmvpn0/dmvpn1/; s/^key 1/key 2/; s/10\.0\.0\./10.0.1./g
		/^lan/d; /^route/d' "$T/$1.tunnel"
}

hub_drops() {
	site hub dmvpn-gre status | grep -q gre-key
}

@test "two tunnels of one CA both carry traffic" {
	for n in hub spoke; do
		second "$n" >"$T/$n.2.tunnel"
		site "$n" dmvpn up --wait "$n.tunnel"
		site "$n" dmvpn up --wait "$n.2.tunnel"
	done
	on spoke ping -c 2 -i 0.2 -W 5 10.0.0.1
	on spoke ping -c 2 -i 0.2 -W 5 10.0.1.1
}

@test "a member of one CA does not come in by another one's tunnel" {
	DMVPN_STORE=$T/ca2.db "$B/dmvpn-pki" init --name 'Other CA' >/dev/null
	DMVPN_STORE=$T/ca2.db "$B/dmvpn-pki" export --out "$T/ca2.pem" \
		>/dev/null
	second hub | sed 's/hub\.pem/hub2.pem/; s/ca\.pem/ca2.pem/' \
		>"$T/hub.2.tunnel"
	wide hub2 1 "$T/ca2.db"
	site hub dmvpn up --wait hub.tunnel
	site hub dmvpn up --wait hub.2.tunnel
	# a good certificate, but the key of the tunnel that it is not for
	second spoke >"$T/spoke.2.tunnel"
	site spoke dmvpn up spoke.2.tunnel
	wait_for 15 hub_drops
	run ! grep -q 'registered interface=dmvpn1' "$T"/run/hub/log/nhrp.log
	run ! on spoke ping -c 2 -i 0.2 -W 1 10.0.1.1
}
