# A real FRR (nhrpd over the kernel's mGRE) for bats, in a guest of uml.bash:
# tunnel 10.255.0.0/24, GRE key 42, site N is 10.255.0.N.  Load it after
# ../net/lib.
#
#	frr_setup			skip when it can not run; the bridge
#	frr hub|spoke N ARGS...		the guest
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
