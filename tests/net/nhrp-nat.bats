# Spokes behind NATs, with IKE: s1 and s3 behind nat1, s2 behind nat2 with
# the same private address as s1.  Only the hub is public.

bats_require_minimum_version 1.5.0

load lib

# nat NAME N: a box that masquerades towards the router, as $how says, and
# takes nothing that it did not ask for
nat() {
	ns_new "$1"
	link "rt:$1=203.0.113.$(($2 + 1))/30" "$1:wan=203.0.113.$2/30"
	gateway "$1" "203.0.113.$(($2 + 1))"
	forward "$1"
	on "$1" nft -f - <<-EOF
	table ip nat {
		chain post {
			type nat hook postrouting priority 100;
			oifname "wan" $how
		}
	}
	table ip filter {
		chain in {
			type filter hook input priority 0;
			iifname "wan" ct state new drop
		}
		chain pass {
			type filter hook forward priority 0;
			iifname "wan" ct state new drop
		}
	}
	EOF
}

certificate() {	# NAME TUNNEL-ADDRESS SUBNET
	"$B/dmvpn-pki" issue --dns "$1.test" --tunnel-address "$2" \
		--subnet "$3" --out "$T/$1.pem" "$1" >/dev/null
}

daemons() {	# NAME N
	start "$1" "pki-$1" "$B/dmvpn-pki" agent
	start "$1" "gre-$1" "$B/dmvpn-gre" run
	start "$1" "ike-$1" "$B/dmvpn-ike" run
	start "$1" "nhrp-$1" "$B/dmvpn-nhrp" run
	addr "$1" lo "10.$2.0.1/16"
	on "$1" "$B/dmvpn-pki" load --trust "$T/ca.pem" "me=$T/$1.pem"
}

spoke() {	# NAME N BOX PRIVATE-NET
	ns_new "$1"
	link "$3:$1=$4.1/24" "$1:eth0=$4.2/24"
	gateway "$1" "$4.1"
	certificate "$1" "10.9.0.$(($2 + 1))" "10.$2.0.0/16"
	daemons "$1" "$2"
	on "$1" "$B/dmvpn-gre" interface set -a "10.9.0.$(($2 + 1))/24" dmvpn0
	on "$1" "$B/dmvpn-ike" profile set p -i dmvpn0 --identity me --accept
	on "$1" "$B/dmvpn-nhrp" interface set --role spoke -p p \
		-a "10.9.0.$(($2 + 1))/24" -n 10.9.0.1=hub \
		-s "10.$2.0.0/16" --shortcut --need-blocks dmvpn0
	ip -n "$(ns_name "$1")" route add 10.0.0.0/8 via 10.9.0.1 dev dmvpn0
	on "$1" "$B/dmvpn-ike" connection set hub -p p --remote 203.0.113.1
}

setup() {
	net_setup
	net_need_tun
	command -v nft >/dev/null || skip "nft is not installed"
	T=$BATS_TEST_TMPDIR
	export DMVPN_STORE=$T/ca.db
	"$B/dmvpn-pki" init --name 'Test CA' >/dev/null
	"$B/dmvpn-pki" export --out "$T/ca.pem" >/dev/null
	certificate hub 10.9.0.1 10.0.0.0/16
	ns_new rt hub
	forward rt
	link rt:hub=203.0.113.2/30 hub:eth0=203.0.113.1/30
	gateway hub 203.0.113.2
	on rt nft list ruleset >/dev/null 2>&1 ||
		skip "this kernel has no nf_tables"
	how=masquerade
	[[ $BATS_TEST_DESCRIPTION != *symmetric* ]] ||
		how="masquerade fully-random"
	nat nat1 5
	nat nat2 9
	daemons hub 0
	on hub "$B/dmvpn-gre" interface set --hub -a 10.9.0.1/24 dmvpn0
	on hub "$B/dmvpn-ike" profile set p -i dmvpn0 --identity me --accept
	on hub "$B/dmvpn-nhrp" interface set --role hub -p p \
		-a 10.9.0.1/24 --redirect --routes --need-blocks dmvpn0
	spoke s1 1 nat1 192.168.77
	spoke s2 2 nat2 192.168.77
	spoke s3 3 nat1 192.168.78
	wait_for 10 registered 3
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] ||
		tail -n 15 "$BATS_TEST_TMPDIR"/{nhrp,ike}-*.log || true
	net_teardown
}

registered() {
	[ "$(on hub "$B/dmvpn-nhrp" cache -j | grep -c '"registered"')" = "$1" ]
}

ttl() {	# FROM N TO
	on "$1" ping -c 1 -W 2 -I "10.$2.0.1" "10.$3.0.1" |
		sed -n 's/.*ttl=\([0-9]*\).*/\1/p'
}

direct() {
	[ "$(ttl "$@")" = 64 ]
}

@test "NHRP-22 spokes behind NATs register, and go direct through both" {
	run on hub "$B/dmvpn-nhrp" cache
	[[ $output == *"203.0.113.5:"*" nat"* ]]
	run on s1 "$B/dmvpn-nhrp" status
	[[ $output == *"which sees us as 203.0.113.5"* ]]
	[ "$(ttl s1 1 2)" = 63 ]
	wait_for 10 direct s1 1 2
	wait_for 10 direct s2 2 1
	run on s1 "$B/dmvpn-nhrp" why 10.2.0.1
	[[ $output == *"behind a NAT"* ]]
	# the other one behind nat1 is another peer
	[ "$(ttl s3 3 2)" = 63 ]
	wait_for 10 direct s3 3 2
	direct s1 1 2
	# both behind one NAT that does not turn packets round: by the hub
	[ "$(ttl s1 1 3)" = 63 ]
	lossless s1 10.3.0.1 -I 10.1.0.1 -- stream_on 100
}

@test "both behind a symmetric NAT: the traffic stays on the hub, and why says so" {
	gave_up() {
		on s1 "$B/dmvpn-nhrp" why 10.2.0.1 | tee "$T/why" |
			grep -q "^through the hub: no shortcut: no connection"
	}
	direct s1 1 0
	[ "$(ttl s1 1 2)" = 63 ]
	stream s1 10.2.0.1 -I 10.1.0.1
	wait_for 25 gave_up
	cat "$T/why"
	stream_on 100
	measure
	[ "$lost" = 0 ]
	[ "$(ttl s1 1 2)" = 63 ]
	[ "$(ttl s2 2 1)" = 63 ]
}
