# A real FRR (nhrpd over the kernel's mGRE) for bats, on a user-mode kernel
# because most development kernels lack GRE: tunnel 10.255.0.0/24, GRE key 42,
# site N is 192.0.2.N, 10.255.0.N, and 10.N.0.0/16 behind it.  The guest is
# made by the scripts in FRR_LAB (frr-hub.sh, frr-spoke.sh).  Load it after
# ../net/lib.
#
#	frr_setup			skip when it can not run; the bridge
#	frr hub|spoke N ARGS...		the guest
#	guest COMMAND			run there
#	frr_place NS N			a namespace of ours on the bridge
#	frr_logs; frr_stop		for teardown

frr_setup() {
	LAB=${FRR_LAB:-$BATS_TEST_DIRNAME/../../../shared/lab}
	[ -x "$LAB/frr-hub.sh" ] || skip "no scripts for an FRR guest"
	command -v linux.uml >/dev/null || skip "user-mode-linux is missing"
	[ -x /usr/lib/frr/nhrpd ] || skip "frr is not installed"
	command -v gcc >/dev/null || skip "gcc is missing"
	export LAB_STATE=$BATS_TEST_TMPDIR/lab
	mkdir -p "$LAB_STATE"
	WAN=$NET-wan
	ip netns add "$WAN"
	ip -n "$WAN" link add br0 type bridge mcast_snooping 0
	ip -n "$WAN" link set br0 up
}

frr_stop() {
	[ ! -d "$LAB_STATE/frr" ] || "$LAB/vm.sh" -k frr || true
}

frr_logs() {
	grep -hv vici "$LAB_STATE"/*/frr.log | tail -n 40 >&2 || true
	tail -n 40 "$LAB_STATE"/*/charon.log >&2 || true
}

frr() {
	local role=$1 n=$2
	shift 2
	VM_WAIT=60 "$LAB/frr-$role.sh" -n frr -N "$WAN" -B br0 \
		-a "192.0.2.$n/24" -t "10.255.0.$n" -k 42 -r none -i none \
		-H 60 -l "10.$n.0.1/16" "$@" 3>&-
}

guest() {
	"$LAB/vm.sh" frr "$@"
}

guest_says() {
	guest "$1" | grep -q "$2"
}

frr_place() {
	ns_new "$1"
	ip -n "$WAN" link add "v$2" type veth peer name eth0 \
		netns "$(ns_name "$1")"
	ip -n "$WAN" link set "v$2" master br0 up
	addr "$1" eth0 "192.0.2.$2/24"
	ip -n "$(ns_name "$1")" link set eth0 up
	addr "$1" lo "10.$2.0.1/16"
	forward "$1"
}
