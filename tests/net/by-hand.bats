# The demonstration's tunnel with the programs and no orchestrator.

bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	T=$BATS_TEST_TMPDIR
	HAND=$BATS_TEST_DIRNAME/../demo/by-hand.sh
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 20 "$T"/*.log >&2 || true
	for n in spoke1 spoke2 hub; do
		[ ! -e "$NET_PIDS/$n" ] || kill -TERM "$(pid_of "$n")" || true
	done
	for n in spoke1 spoke2 hub; do
		wait_for 3 nobody_in "$n" || true
	done
	net_teardown
}

nobody_in() {
	[ -z "$(ip netns pids "$NET-$1" 2>/dev/null)" ]
}

certificate() {	# NAME TUNNEL-ADDRESS SUBNET
	"$B/dmvpn-pki" issue --dns "$1.test" --tunnel-address "$2" \
	    --subnet "$3" --out "$T/$1.pem" "$1" >/dev/null
}

place() {	# NAME NUMBER
	ns_new "$1" "lan$2"
	link "router:e$2=198.51.100.$((16 * $2 + 1))/28" \
	    "$1:eth0=198.51.100.$((16 * $2 + 2))/28"
	gateway "$1" "198.51.100.$((16 * $2 + 1))"
	link "$1:lan=192.168.$2.1/24" "lan$2:eth0=192.168.$2.10/24"
	gateway "lan$2" "192.168.$2.1"
	forward "$1"
}

by_hand() {	# NAME
	(cd "$T" && exec ip netns exec "$NET-$1" env \
	    DMVPN_RUN="$T/run/$1" PATH="$B:$PATH" "$HAND" "$1" \
	    >"$T/$1.log" 2>&1 3>&- </dev/null) &
	echo $! >"$NET_PIDS/$1"
	wait_for 10 grep -q '^ready' "$T/$1.log"
}

registered() {
	[ "$(on hub "$B/dmvpn-nhrp" cache -j |
	    grep -c '"kind":"registered"')" -eq 2 ]
}

direct() {
	on lan1 ping -c 1 -W 1 192.168.2.10 | grep -q 'ttl=62'
}

@test "a hub and two spokes by hand: registered, through the hub, then direct" {
	export DMVPN_STORE=$T/ca.db
	"$B/dmvpn-pki" init --name 'Test CA' >/dev/null
	certificate hub 10.0.0.1 192.168.0.0/24
	certificate spoke1 10.0.0.2 192.168.1.0/24
	certificate spoke2 10.0.0.3 192.168.2.0/24
	"$B/dmvpn-pki" export --out "$T/ca.pem" >/dev/null
	ns_new router
	forward router
	place hub 0
	place spoke1 1
	place spoke2 2
	for n in hub spoke1 spoke2; do
		by_hand "$n"
	done
	wait_for 10 registered
	wait_for 5 on lan1 ping -c 1 -W 1 192.168.2.10
	wait_for 5 direct
	# each program ends when it is told, beside neighbours that still talk
	for n in dpd nhrp ike gre pki; do
		run -0 on spoke2 timeout 10 "$B/dmvpn-$n" stop
	done
	# and it ends in an orderly way
	for n in spoke1 hub; do
		kill -TERM "$(pid_of $n)"
		wait "$(pid_of $n)"
		rm "$NET_PIDS/$n"
		run -0 ip -n "$NET-$n" -o link
		[[ $output != *dmvpn0* ]]
	done
}

@test "dmvpn-by-hand(7) shows the commands of the script" {
	page=$BATS_TEST_DIRNAME/../../man/dmvpn-by-hand.7
	while read -r line; do
		grep -qF -- "$line" "$page" || {
			echo "not in the page: $line" >&2
			return 1
		}
	done < <(sed -n '/^daemon dmvpn/p; /^dmvpn-pki/p; /^	dmvpn-/,/[^\\]$/p' \
	    "$HAND" | sed 's/^[ 	]*//; s/\\$/\\e/')
}
