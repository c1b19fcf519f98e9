# DMVPN over IPsec with a real FRR and an unmodified strongSwan: nhrpd, the
# kernel's mGRE and ESP, IKE by a trap policy, pre-shared keys.

bats_require_minimum_version 1.5.0

load ../net/lib
load ../net/sites
load frr

setup() {
	net_setup
	net_need_tun
	frr_setup
	[ -x /usr/lib/ipsec/charon ] || skip "strongSwan is not installed"
	command -v swanctl >/dev/null || skip "swanctl is not installed"
	T=$BATS_TEST_TMPDIR
	printf labsecret >"$T/psk"
	chmod 600 "$T/psk"
}

teardown() {
	local n
	if [ -z "$BATS_TEST_COMPLETED" ]; then
		for n in "$T"/run/*; do
			site "${n##*/}" dmvpn status >&2 || true
			site "${n##*/}" dmvpn-gre show >&2 || true
			tail -vn 15 "$n"/log/*.log >&2 || true
		done
		guest "ip neighbour; ip -s xfrm state" >&2 || true
		frr_logs
	fi
	sites_down a b hub
	frr_stop
	net_teardown
}

# ours NS N ROLE [LINE ...]: a site of ours
ours() {
	local ns=$1 n=$2 role=$3
	shift 3
	place "$ns" "$n"
	printf '%s\n' "tunnel dmvpn0" "role $role" \
		"address 10.255.0.$n/24" "key 42" "psk psk" "id 192.0.2.$n" \
		"lan 10.$n.0.0/16" "hold 60" "$@" >"$T/$ns.tunnel"
	[ "$role" = hub ] || printf '%s\n' "hub 192.0.2.1 10.255.0.1" \
		"route 10.0.0.0/8" >>"$T/$ns.tunnel"
	site "$ns" dmvpn up --wait "$ns.tunnel" 3>&-
}

swan() {
	guest "STRONGSWAN_CONF=/mnt/strongswan.conf swanctl $*"
}

nhrp_says() {
	site "$1" dmvpn-nhrp "$2" | grep -q "$3"
}

# Pings from LAN to LAN, all of them answered.
pings() {	# NS N TO-N [ARGS ...]
	local ns=$1 n=$2 to=$3
	shift 3
	on "$ns" ping -W 2 -I "10.$n.0.1" "$@" "10.$to.0.1"
}

# By the shortcut, there and back.
direct() {
	pings "$1" "$2" "$3" -c 1 | grep -q ttl=64 &&
		nhrp_says "$1" cache "10.$3.0.0/16 *shortcut"
}

# The SPIs that site NS sends to, and its IKE SA's.
spis() {
	site "$1" dmvpn-ike sas -j |
		jq -r '."spi-i", (.children[]."spi-out" | tostring)'
}

# rekeyed NS WHAT: by strongSwan, and both sides have the new one
rekeyed() {
	local before
	before=$(spis "$1")
	swan --rekey --"$2" dmvpn
	wait_for 10 other_spis "$1" "$before"
}

other_spis() {
	[ "$(spis "$1" | grep -cvxF "$2")" -gt 0 ]
}

# strongSwan rekeys the child, the IKE SA, and a child of the new IKE SA,
# while packets go; at most one is lost.
rekeys() {	# NS TO-N
	local lost gap
	stream "$1" "10.$2.0.1"
	rekeyed "$1" child
	rekeyed "$1" ike
	rekeyed "$1" child
	stream_on 50
	read -r lost gap <<<"$(stream_end)"
	echo "$lost lost, $gap ms"
	[ "$lost" -le 1 ]
}

raw_esp_only() {
	[ "$(packets "$1" esp | wc -l)" -gt 10 ]
	[ -z "$(packets "$1" udp port 4500 or proto gre)" ]
}

# The guest stands still for so long that a site of ours gives it up.
given_up() {	# NS
	local rc=0
	kill -STOP "$(cat "$VM/pid")"
	wait_for 15 without "$1" 192.0.2.21 || rc=1
	kill -CONT "$(cat "$VM/pid")"
	return "$rc"
}

without() {	# NS IDENTITY
	! site "$1" dmvpn-ike peers | grep -qF "$2"
}

@test "an FRR hub with strongSwan takes our spokes, by raw ESP and by UDP" {
	frr hub 1 -i trap
	ours a 11 spoke "raw-esp yes"
	guest 'ip route add 10.11.0.0/16 via 10.255.0.11 dev gre1 onlink'
	nhrp_says a status "10.255.0.1: registered"
	guest_says 'vtysh -c "show ip nhrp cache"' "10.255.0.11 .*192.0.2.11"
	frr_knows 10.255.0.11 192.0.2.11
	capture a eth0 "$T/raw.pcap"
	pings a 11 1 -c 10 -i 0.1
	capture_end
	raw_esp_only "$T/raw.pcap"
	rekeys a 1
	sed -i '/^raw-esp/d' "$T/a.tunnel"
	site a dmvpn down dmvpn0
	site a dmvpn up --wait a.tunnel 3>&-
	pings a 11 1 -c 5 -i 0.1
	[[ $(swan --list-sas) == *TRANSPORT-in-UDP* ]]
}

@test "an FRR spoke with strongSwan at our hub, and direct to our spoke" {
	ours hub 1 hub "raw-esp yes"
	ours b 12 spoke "raw-esp yes"
	frr spoke 21 -i trap -s 192.0.2.1 -S 10.255.0.1
	wait_for 30 nhrp_says hub cache "10.255.0.21/32 *registered"
	frr_knows 10.255.0.1 192.0.2.1
	ip -n "$(ns_name hub)" route add 10.12.0.0/16 via 10.255.0.12 \
		dev dmvpn0 onlink
	ip -n "$(ns_name hub)" route add 10.21.0.0/16 via 10.255.0.21 \
		dev dmvpn0 onlink
	guest 'ip route add 10.0.0.0/8 via 10.255.0.1 dev gre1 onlink'
	pings hub 1 21 -c 3
	guest 'ping -c 3 -W 2 -I 10.21.0.1 10.1.0.1'
	[[ $(swan --list-sas) != *gre/42* ]]
	rekeys hub 21
	# FRR leaves the path through the hub before it has an SA, and
	# strongSwan loses an answer to IKE_SA_INIT that comes sooner than it
	# has noted its request: it asks again after 4 s.  Who asked it for
	# its address in vain does so again after 20.
	wait_for 45 direct b 12 21
	wait_for 10 guest_says 'vtysh -c "show ip nhrp shortcut"' \
		"10.12.0.0/16 *10.255.0.12"
	guest_says 'ping -c 3 -W 2 -I 10.21.0.1 10.12.0.1' 'ttl=64'
	[[ $(swan --list-sas) == *192.0.2.12/32* ]]
	# strongSwan would need a minute to see that our hub has dropped it.
	given_up hub
	# FRR registers every 20 s.
	wait_for 25 guest_says 'ping -c 1 -W 1 -I 10.21.0.1 10.1.0.1' 'ttl=64'
}
