# NHRP with a real FRR (nhrpd over the kernel's mGRE), in clear.

bats_require_minimum_version 1.5.0

load ../net/lib
load frr

setup() {
	net_setup
	net_need_tun
	frr_setup
}

teardown() {
	if [ -z "$BATS_TEST_COMPLETED" ]; then
		tail -n 20 "$BATS_TEST_TMPDIR"/*.log || true
		frr_logs
	fi
	frr_stop
	net_teardown
}

# site NS N [NHRP ARGS...]: one of ours at 192.0.2.N
site() {
	local ns=$1 n=$2
	shift 2
	place "$ns" "$n"
	start "$ns" "gre-$ns" "$B/dmvpn-gre" run
	on "$ns" "$B/dmvpn-gre" interface set --protect none \
		--address "10.255.0.$n/24" --key 42 --local "192.0.2.$n" \
		$([ "$n" != 1 ] || echo --hub) dmvpn0
	start "$ns" "nhrp-$ns" "$B/dmvpn-nhrp" run
	on "$ns" "$B/dmvpn-nhrp" interface set \
		--address "10.255.0.$n/24" --nbma "192.0.2.$n" \
		--hold 60s "$@" dmvpn0
}

spoke() {
	site "$1" "$2" --role spoke --nhs 10.255.0.1@192.0.2.1 \
		--subnet "10.$2.0.0/16" --shortcut
	ip -n "$(ns_name "$1")" route add 10.0.0.0/8 via 10.255.0.1 \
		dev dmvpn0
}

nhrp_says() {
	local ns=$1 command=$2 what=$3

	on "$ns" "$B/dmvpn-nhrp" $command | grep -q "$what"
}

@test "an FRR hub registers our spokes and forwards their resolutions" {
	frr hub 1
	spoke a 11
	spoke b 12
	wait_for 10 nhrp_says a status "10.255.0.1: registered"
	wait_for 10 nhrp_says b status "10.255.0.1: registered"
	guest_says 'vtysh -c "show ip nhrp cache"' "10.255.0.11 .*192.0.2.11"
	frr_knows 10.255.0.11 192.0.2.11
	frr_knows 10.255.0.12 192.0.2.12
	guest 'ip route add 10.11.0.0/16 via 10.255.0.11 dev gre1 onlink
		ip route add 10.12.0.0/16 via 10.255.0.12 dev gre1 onlink'
	on a ping -c 2 -W 2 -I 10.11.0.1 10.12.0.1
	run on a "$B/dmvpn-nhrp" resolve 10.12.0.1
	[[ $output == "10.12.0.0/16 via "* ]]
	run on b "$B/dmvpn-nhrp" resolve 10.11.0.1
	[[ $output == "10.11.0.0/16 via "* ]]
	run on a ping -c 1 -W 2 -I 10.11.0.1 10.12.0.1
	[[ $output == *ttl=64* ]]
}

@test "an FRR spoke registers with our hub and makes shortcuts with ours" {
	site hub 1 --role hub --redirect
	spoke b 12
	frr spoke 21 -s 192.0.2.1 -S 10.255.0.1
	wait_for 20 nhrp_says hub cache "10.255.0.21/32 *registered"
	wait_for 20 nhrp_says hub cache "10.255.0.12/32 *registered"
	frr_knows 10.255.0.1 192.0.2.1
	ip -n "$(ns_name hub)" route add 10.12.0.0/16 via 10.255.0.12 \
		dev dmvpn0 onlink
	ip -n "$(ns_name hub)" route add 10.21.0.0/16 via 10.255.0.21 \
		dev dmvpn0 onlink
	guest 'ip route add 10.0.0.0/8 via 10.255.0.1 dev gre1 onlink'
	on b ping -c 3 -W 2 -I 10.12.0.1 10.21.0.1
	# both took our redirect, and each answered the other
	wait_for 10 nhrp_says b cache "10.21.0.0/16 *shortcut"
	wait_for 10 guest_says 'vtysh -c "show ip nhrp shortcut"' \
		"10.12.0.0/16 *10.255.0.12"
	run on b ping -c 1 -W 2 -I 10.12.0.1 10.21.0.1
	[[ $output == *ttl=64* ]]
}
