# A spoke whose address changes under its IKE SA and under traffic: a begins,
# behind the router n, b answers.

# shellcheck disable=SC2016,SC2034,SC2154
bats_require_minimum_version 1.5.0
load lib

setup() {
	net_setup
	net_need_tun
	T=$BATS_TEST_TMPDIR
	printf 'correct horse' >"$T/psk"
	chmod 600 "$T/psk"
	ns_new a n b
	link a:e0=10.0.1.2/24 n:e1=10.0.1.1/24
	link n:e0=192.0.2.1/24 b:e0=192.0.2.2/24
	gateway a 10.0.1.1
	gateway b 192.0.2.1
	forward n
	addr n e1 10.0.2.1/24
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		tail -n 15 "$T"/*.log >&2 || true
	fi
	net_teardown
}

ike() {
	on "$1" "$B/dmvpn-ike" "${@:2}"
}

gre() {
	on "$1" "$B/dmvpn-gre" "${@:2}"
}

peer_of() {
	ike "$1" peers -j | jq .peer
}

# up [OPTIONS OF THE PROFILES]: GRE in transport mode
up() {
	local n i=0
	for n in a b; do
		i=$((i + 1))
		start "$n" "$n-gre" "$B/dmvpn-gre" run
		start "$n" "$n-pki" "$B/dmvpn-pki" agent --psk "me=$T/psk" \
			--id "$n.example.org"
		start "$n" "$n-ike" "$B/dmvpn-ike" run
		gre "$n" interface set dmvpn0 -a "10.255.0.$i/24"
		ike "$n" profile set p -i dmvpn0 --identity me --accept "$@"
	done
	ike a connection set hub -p p --remote 192.0.2.2 --wait 15
	wait_for 5 eval '[ -n "$(peer_of b)" ]'
	gre a map set dmvpn0 10.255.0.2 "$(peer_of a)"
	gre b map set dmvpn0 10.255.0.1 "$(peer_of b)"
}

# a leaves 10.0.$1.2 for 10.0.$2.2
elsewhere() {
	ip -n "$(ns_name a)" address del "10.0.$1.2/24" dev e0
	addr a e0 "10.0.$2.2/24"
	ip -n "$(ns_name a)" route replace default via "10.0.$2.1"
}

spi() {
	ike a sas -j | jq '."spi-i", .children[0]."spi-in"' | tr '\n' ' '
}

# b sees a there
seen() {
	[ "$(ike b peers -j | jq -r .remote)" = "$1" ]
}

# There and back; $took: the longest gap.
there_and_back() {
	stream a 10.255.0.2
	elsewhere 1 2
	stream_on 150
	elsewhere 2 1
	stream_on 150
	measure
	took=$gap
}

@test "a spoke that gets another address keeps its SAs, traffic is back within 2 s" {
	local was
	up
	was=$(spi)
	sooner 2000 there_and_back
	elsewhere 1 2
	wait_for 5 seen 10.0.2.2:4500
	[ "$(spi)" = "$was" ]
	ike a peers -j | jq -e '.local == "10.0.2.2:4500"'
	ike b probe-peer "$(peer_of b)"
	ike a probe-peer "$(peer_of a)"
	ike b rekey "$(peer_of b)"
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
	# and once more under the new IKE SA, which b began
	ike b rekey --ike "$(peer_of b)"
	elsewhere 2 1
	wait_for 5 seen 10.0.1.2:4500
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
}

@test "ESP by protocol 50 moves, too" {
	up --raw-esp
	there_and_back
	elsewhere 1 2
	wait_for 5 seen 10.0.2.2:500
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
	ike b probe-peer "$(peer_of b)"
}

@test "a spoke that moves behind a NAT knows it, and is reached through it" {
	command -v nft >/dev/null || skip "nft is not installed"
	on n nft -f - <<-EOF || skip "this kernel has no NAT"
	table ip nat {
		chain post {
			type nat hook postrouting priority 100
			ip saddr 10.0.2.0/24 meta l4proto udp masquerade to :30000-39999
		}
	}
	EOF
	nat() {
		ike "$1" sas -j | jq -e "(.\"$2\" // false) == $3"
	}
	up
	nat a nat-local false
	elsewhere 1 2
	wait_for 5 eval 'ike b peers -j | jq -e ".remote | startswith(\"192.0.2.1:3\")"'
	wait_for 5 nat a nat-local true
	nat b nat-remote true
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
	elsewhere 2 1
	wait_for 5 seen 10.0.1.2:4500
	wait_for 5 nat a nat-local false
	on b ping -c 3 -i 0.1 -W 2 10.255.0.1
}
