# tests/run: calm
# IPsec without GRE: a remote and an ordered list of headends.

bats_require_minimum_version 1.5.0
load lib
load sites

# Two headends with the same LAN behind, 192.168.50.0/24, and a remote.
remote_up() {	# FAILBACK
	local n i=0
	sites_net h1 h2 remote
	export DMVPN_STORE=$T/ca.db
	"$B/dmvpn-pki" init --name 'Test CA' >/dev/null
	"$B/dmvpn-pki" export --out "$T/ca.pem" >/dev/null
	for n in h1 h2; do
		i=$((i + 1))
		addr "$n" lan0 192.168.50.1/24
		addr "lan$i" eth0 192.168.50.10/24
		"$B/dmvpn-pki" issue --dns "$n.test" --subnet 192.168.50.0/24 \
		    --out "$T/$n.pem" "$n" >/dev/null
		printf '%s\n' 'tunnel ipsec0' 'role headend' \
		    "identity $n.pem" 'trust ca.pem' 'lan 192.168.50.0/24' \
		    >"$T/$n.tunnel"
		site "$n" dmvpn up "$n.tunnel"
	done
	"$B/dmvpn-pki" issue --dns remote.test --subnet 192.168.3.0/24 \
	    --out "$T/remote.pem" remote >/dev/null
	printf '%s\n' 'tunnel ipsec0' 'role remote' 'identity remote.pem' \
	    'trust ca.pem' 'headend 198.51.100.18 h1.test' \
	    'headend 198.51.100.34 h2.test' 'lan 192.168.3.0/24' \
	    'route 192.168.50.0/24' "failback $1" >"$T/remote.tunnel"
	site remote dmvpn up --wait remote.tunnel
}

uses() {	# ADDRESS
	site remote dmvpn status | grep -q "headend $1 .*in use"
}

reserved() {	# ADDRESS
	site remote dmvpn status | grep -q "headend $1 .*in reserve"
}

pings() {
	on lan3 ping -c 1 -W 2 192.168.50.10
}

@test "the next headend when the first dies, the first again when it was well, without ping-pong" {
	remote_up 5
	wait_for 5 uses 198.51.100.18
	wait_for 5 reserved 198.51.100.34
	wait_for 5 pings
	ip -n "$NET-h1" link set eth0 down
	wait_for 15 uses 198.51.100.34
	wait_for 5 pings
	ip -n "$NET-h1" link set eth0 up
	gateway h1 198.51.100.17
	stream lan3 192.168.50.10
	wait_for 60 uses 198.51.100.18
	stream_on 100
	measure
	[ "$lost" -eq 0 ]	# on the way back
	# each change was made once
	[ "$(site remote dmvpn logs dpd | grep -c ' headend ')" -eq 3 ]
}

@test "nothing leaves in the clear while no SA is up" {
	remote_up 60
	wait_for 5 pings
	capture router e3 "$T/clear.pcap" net 192.168.0.0/16
	for n in h1 h2; do
		ip -n "$NET-$n" link set eth0 down
	done
	wait_for 30 site remote sh -c '! dmvpn status | grep -q "in use"'
	on lan3 ping -c 5 -i 0.1 -W 1 192.168.50.10 || true
	capture_end
	[ -z "$(packets "$T/clear.pcap")" ]
}

@test "a headend that answers as somebody else is not used" {
	remote_up 60
	site remote dmvpn down ipsec0
	sed -i 's/h1.test/other.test/' "$T/remote.tunnel"
	site remote dmvpn up remote.tunnel
	wait_for 20 uses 198.51.100.34
	wait_for 5 eval "site remote dmvpn status | grep -q 'other\.test'"
}
