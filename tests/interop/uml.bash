# A guest on a user-mode kernel for bats: most development kernels have no
# GRE, ESP and XFRM, and this one has.  It and our namespaces are on a bridge:
# site N is 192.0.2.N, with 10.N.0.0/16 behind it.  The scripts that boot it
# are in FRR_LAB.  Load it after ../net/lib.
#
#	uml_setup			skip when it can not run; the bridge
#	uml_boot			what $VM/guest.sh sets up; ready then
#	guest COMMAND			run there; its /mnt is our $VM
#	guest_says COMMAND PATTERN	its output has it
#	place NS N			a namespace of ours on the bridge
#	uml_stop			for teardown

uml_setup() {
	LAB=${FRR_LAB:-$BATS_TEST_DIRNAME/../../../shared/lab}
	[ -x "$LAB/vm.sh" ] || skip "no scripts that boot a guest"
	command -v linux.uml >/dev/null || skip "user-mode-linux is missing"
	command -v gcc >/dev/null || skip "gcc is missing"
	export LAB_STATE=$BATS_TEST_TMPDIR/lab
	VM=$LAB_STATE/vm
	mkdir -p "$LAB_STATE"
	WAN=$NET-wan
	ip netns add "$WAN"
	ip -n "$WAN" link add br0 type bridge mcast_snooping 0
	ip -n "$WAN" link set br0 up
}

uml_boot() {
	bash -c '. "$1" && vm_start vm "$2" br0 && vm_wait vm 60' - \
	    "$LAB/lib/common.sh" "$WAN" 3>&-
}

uml_stop() {
	[ ! -d "$VM" ] || "$LAB/vm.sh" -k vm || true
}

guest() {
	"$LAB/vm.sh" vm "$@"
}

guest_says() {
	guest "$1" | grep -q "$2"
}

place() {
	ns_new "$1"
	ip -n "$WAN" link add "v$2" type veth peer name eth0 \
		netns "$(ns_name "$1")"
	ip -n "$WAN" link set "v$2" master br0 up
	addr "$1" eth0 "192.0.2.$2/24"
	ip -n "$(ns_name "$1")" link set eth0 up
	addr "$1" lo "10.$2.0.1/16"
	forward "$1"
}
