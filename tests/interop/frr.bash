# A real FRR (nhrpd over the kernel's mGRE) for bats, in a guest of uml.bash:
# tunnel 10.255.0.0/24, GRE key 42, site N is 10.255.0.N.  Load it after
# ../net/lib.
#
#	frr_setup			skip when it can not run; the bridge
#	frr hub|spoke N ARGS...		the guest
#	frr_knows ADDRESS NBMA		wait for it before the first packet
#	frr_logs; frr_stop		for teardown

load uml

frr_setup() {
	uml_setup
	[ -x "$LAB/frr-hub.sh" ] || skip "no scripts for an FRR guest"
	[ -x /usr/lib/frr/nhrpd ] || skip "frr is not installed"
}

frr_stop() {
	uml_stop
}

frr_logs() {
	grep -hv vici "$VM/frr.log" | tail -n 40 >&2 || true
	tail -n 40 "$VM/charon.log" >&2 || true
}

frr() {
	local role=$1 n=$2
	shift 2
	VM_WAIT=60 "$LAB/frr-$role.sh" -n vm -N "$WAN" -B br0 \
		-a "192.0.2.$n/24" -t "10.255.0.$n" -k 42 -r none -i none \
		-H 60 -l "10.$n.0.1/16" "$@" 3>&-
}

# The guest has noted where the neighbour is.  nhrpd (8.4) answers the kernel's
# question for one with what the kernel itself knows.  When a packet of the
# guest asks before nhrpd has dealt with the registration, that is nothing:
# nhrpd notes the right address, which lets that one packet go, then reads the
# question and notes 0.0.0.0.  From then on the guest sends nothing into the
# tunnel, and does not ask again, while its IKE goes on.  Our hub answers a
# registration and is ready at once; a ping can be at the guest, and the answer
# on its way out, before its nhrpd had a turn.  So nothing is sent before; and
# what a probe of the path MTU did to a slow guest is put right.
frr_knows() {
	local show="ip neighbour show dev gre1"
	wait_for 10 guest_says "$show" "^$1 lladdr "
	if guest_says "$show" "^$1 lladdr 0\.0\.0\.0 "; then
		echo "nhrpd has noted 0.0.0.0 for $1"
		guest "ip neighbour replace $1 lladdr $2 dev gre1 nud reachable"
	fi
	guest_says "$show" "^$1 lladdr $2 "
}
