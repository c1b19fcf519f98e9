# A certificate is revoked while its owner is connected.

bats_require_minimum_version 1.5.0
load lib
load sites

# The hub has no IKE SA with NAME.
gone() {
	! site hub dmvpn-ike sas | grep -q "$1.test"
}

milliseconds() {
	date +%s%3N
}

revoke() {	# NAME
	"$B/dmvpn-pki" revoke --reason key-compromise "$1" 2>/dev/null
}

reachable() {	# FROM TO
	ip netns exec "$NET-$1" ping -c 1 -W 1 "$2" >/dev/null
}

@test "a connected spoke that is revoked loses its SA within 1 s, and does not come back (PKI-15)" {
	local before after within=1000
	! grep -aq __asan_init "$B/dmvpn-ike" || within=4000
	sites_up hub spoke1 spoke2
	wait_for 10 reachable lan2 192.168.1.10
	revoke spoke1
	before=$(milliseconds)
	site hub "$B/dmvpn-pki" crl --install
	wait_for 5 gone spoke1
	after=$(milliseconds)
	gone spoke1			# 50 times what one look takes now
	[ $((after - before)) -lt "$within" ] ||
		[ $((after - before)) -lt $((50 * ($(milliseconds) - after))) ]
	wait_for 3 grep -q "ike-down.*spoke1.*code=revoked" "$T/run/hub/log/ike.log"
	run ! reachable lan2 192.168.1.10
	# it tries again, and is refused with the reason
	wait_for 15 grep -q 'ike-failed.*spoke1.*certificate revoked' \
		"$T/run/hub/log/ike.log"
	gone spoke1
	# the other one has lost nothing
	wait_for 5 reachable lan3 192.168.1.10
}

@test "the tunnel file's list keeps a revoked spoke out from the start; loaded again it lets go of others" {
	sites_prepare hub spoke1 spoke2
	revoke spoke1
	"$B/dmvpn-pki" crl -o "$T/crl.pem"
	echo crl crl.pem >>"$T/hub.tunnel"
	for n in hub spoke1 spoke2; do
		site "$n" dmvpn up "$n.tunnel" 3>&-
	done
	wait_for 15 reachable lan3 192.168.1.10
	wait_for 15 grep -rq revoked "$T/run/hub/log"
	gone spoke1
	revoke spoke2
	"$B/dmvpn-pki" crl -o "$T/crl.pem"
	site hub dmvpn-pki load --crl crl.pem
	wait_for 3 gone spoke2
	# an older list does not bring it back
	"$B/dmvpn-pki" crl -o "$T/newest.pem"
	site hub dmvpn-pki load --crl newest.pem
	run -0 site hub dmvpn-pki load --crl crl.pem
	[[ $output == *"newer CRL"* ]]
}
