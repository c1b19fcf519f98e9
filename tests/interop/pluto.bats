# tests/run: calm
# libreswan's pluto as a peer: b (192.0.2.2) in a user-mode kernel with XFRM,
# its certificate in NSS; a (192.0.2.1) is ours.  10.1/16 is behind a, 10.2/16
# behind b.

bats_require_minimum_version 1.5.0

load ../net/lib
load pluto

setup_file() {
	pluto_unpack
}

setup() {
	net_setup
	net_need_tun
	pluto_setup
	T=$BATS_TEST_TMPDIR
	(umask 077; echo 'a long passphrase' >"$T/pass")
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ]; then
		tail -n 15 "$T"/*.log >&2 || true
		pluto_logs
	fi
	pluto_stop
	net_teardown
}

ike() {
	on a "$B/dmvpn-ike" "$@"
}

gre() {
	on a "$B/dmvpn-gre" "$@"
}

# Both certificates, and their keys, are dmvpn-pki's.
certificates() {
	local n
	export DMVPN_STORE=$T/ca.db
	"$B/dmvpn-pki" init --name test
	for n in 1 2; do
		"$B/dmvpn-pki" issue --tunnel-address "10.255.0.$n" "$@" \
			--subnet "10.$n.0.0/16" --dns "n$n.example.org" \
			--out "$T/$n.pem" "n$n.example.org"
	done
	"$B/dmvpn-pki" export -F p12 --out-passphrase-file "$T/pass" \
		--out "$T/2.p12" "$T/2.pem"
}

# theirs [LINE ...]: pluto with this connection
theirs() {
	{
		printf '\t%s\n' ikev2=insist auto=add left=192.0.2.2 \
			leftupdown=%disabled \
			leftcert=n2.example.org leftid=@n2.example.org \
			right=192.0.2.1 rightid=@n1.example.org "$@" |
			sed '1i config setup\n\nconn net'
	} >"$VM/ipsec.conf"
	pluto_start "$T/2.p12" "$T/pass"
}

ours() {
	place a 1
	start a gre "$B/dmvpn-gre" run
	start a pki "$B/dmvpn-pki" agent --load "me=$T/1.pem"
	start a ike "$B/dmvpn-ike" run
}

connect() {
	ike connection set b -p p --remote 192.0.2.2 --wait 20 "$@"
}

pluto_says() {
	grep -q "$1" "$VM/pluto.log"
}

pluto_has_none() {
	[[ $(pluto whack --trafficstatus) != *'"net"'* ]]
}

ours_is_up() {
	[ "$(ike sas -j | jq -r .state)" = up ]
}

ours_has_none() {
	[ -z "$(ike peers -j)" ]
}

spis() {
	ike sas -j | jq -c 'select(.state == "up") |
		[."spi-i", [.children[]."spi-out"]]'
}

# renewed COMMAND...: what it does ends in other SPIs, of which there is one
renewed() {
	local before
	before=$(spis)
	"$@"
	wait_for 10 other_than "$before"
}

other_than() {
	local now
	now=$(spis)
	[ -n "$now" ] && [ "$now" != "$1" ] &&
		[ "$(jq '.[1] | length' <<<"$now")" -eq 1 ]
}

# while_packets_go COMMAND TO-ADDRESS [PING OPTION ...]
while_packets_go() {
	local lost gap
	stream a "${@:2}"
	"$1"
	stream_on 50
	read -r lost gap <<<"$(stream_end)"
	echo "$lost lost, $gap ms"
	[ "$lost" -le 1 ]
}

children_rekeyed() {
	renewed ike rekey b
	renewed pluto whack --rekey-ipsec --name net
}

# Child, IKE SA, child of the new IKE SA: by us, by pluto.
all_rekeyed() {
	children_rekeyed
	renewed ike rekey --ike b
	renewed ike rekey b
	renewed pluto whack --rekey-ike --name net
	renewed pluto whack --rekey-ipsec --name net
}

# deletes PING: by us, by pluto, which comes back between
deletes() {
	ike connection delete b
	wait_for 5 pluto_has_none
	ours_has_none
	pluto whack --initiate --name net
	wait_for 5 ours_is_up
	"$@"
	pluto whack --terminate --name net
	wait_for 5 ours_has_none
}

ping_both() {
	on a ping -c 3 -i 0.1 -W 2 -I 10.1.0.1 10.2.0.1
	guest ping -c 3 -i 0.1 -W 2 -I 10.2.0.1 10.1.0.1
}

@test "pluto in tunnel mode: certificates, traffic, rekeys, liveness, deletes" {
	certificates
	theirs leftsubnet=10.2.0.0/16 rightsubnet=10.1.0.0/16 \
		dpddelay=1s retransmit-timeout=3s
	ours
	gre interface set ipsec0 --mode direct
	ike profile set p -i ipsec0 --identity me --mode tunnel --accept \
		--local-ts 10.1.0.0/16 --remote-ts 10.2.0.0/16 --routes
	# Without a word of authby pluto signs for RSA, whatever its key is.
	run -1 --separate-stderr connect --once
	[[ $stderr == *"signed with rsa-pss, but the certificate's key is p256"* ]]
	wait_for 5 pluto_has_none
	guest "sed -i 's/^\tikev2/\tauthby=ecdsa\n&/' /mnt/ipsec.conf"
	pluto auto --config /mnt/ipsec.conf --replace net
	connect
	pluto_says "using peer certificate '@n1.example.org' issued by CA"
	ping_both
	while_packets_go all_rekeyed 10.2.0.1 -I 10.1.0.1
	ike probe-peer b
	deletes ping_both
	[ -z "$(on a ip route show 10.2.0.0/16)" ]
	# who is gone without a word is missed
	connect
	slay ike
	wait_for 15 pluto_has_none
}

@test "pluto in transport mode: GRE, RSA keys, raw ESP" {
	certificates --key-type rsa3072
	theirs type=transport leftprotoport=gre rightprotoport=gre
	guest 'ip link add gre1 type gre key 42 local 192.0.2.2 \
		remote 192.0.2.1 ttl 64
		ip addr add 10.255.0.2/24 dev gre1
		ip link set gre1 mtu 1400 up'
	ours
	gre interface set dmvpn0 -a 10.255.0.1/24 --key 42
	ike profile set p -i dmvpn0 --identity me --accept --raw-esp
	connect
	pluto_says 'with SHA2_.*using peer certificate'
	ping_gre
	while_packets_go children_rekeyed 10.255.0.2
	capture a eth0 "$T/wire.pcap"
	deletes ping_gre
	capture_end
	[ "$(packets "$T/wire.pcap" esp | wc -l)" -ge 6 ]
	[ -z "$(packets "$T/wire.pcap" proto gre)" ]
}

ping_gre() {
	gre map set dmvpn0 10.255.0.2 "$(ike peers -j | jq .peer)"
	on a ping -c 3 -i 0.1 -W 2 10.255.0.2
	guest ping -c 3 -i 0.1 -W 2 10.255.0.1
}
