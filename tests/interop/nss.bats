# NSS, with which libreswan's pluto judges certificates, on ours: its usage
# "IPsec", PKCS#12 and revocation lists.

bats_require_minimum_version 1.5.0

setup() {
	command -v certutil >/dev/null || skip "certutil (NSS) is not installed"
	B=$(cd "${B:-build/bin}" && pwd)
	cd "$BATS_TEST_TMPDIR"
	export DMVPN_STORE=ca.db
	mkdir db
	certutil -N -d sql:db --empty-password
	pki init
	pki export -o ca.pem
	certutil -A -d sql:db -n ca -t CT,CT,CT -a -i ca.pem
}

pki() {
	"$B/dmvpn-pki" "$@"
}

# Issued with these options and put into NSS's database.
put() {		# NAME OPTION...
	pki issue "${@:2}" -o "$1.pem" "$1"
	openssl x509 -in "$1.pem" -out "$1.crt"
	certutil -A -d sql:db -n "$1" -t ,, -a -i "$1.crt"
}

judge() {	# NAME
	certutil -V -d sql:db -n "$1" -u I -e
}

@test "NSS: certificates of each profile and kind of key are valid for IPsec" {
	local p
	for p in hub spoke cisco windows; do
		put "$p" -p "$p" -D "$p.example.org" -T 10.0.0.7 -S 192.168.7.0/24
		run -0 judge "$p"
	done
	put rsa -k rsa3072 -T 10.0.0.8 --as 65001
	run -0 judge rsa
	put p384 -k p384 -T 10.0.0.9
	run -0 judge p384
	# its address blocks are critical, and NSS does not know them
	put strict -p strict -T 10.0.0.10
	run ! judge strict
	[[ $output == *"unknown critical extension"* ]]
}

@test "NSS: another CA's is not valid, and one that our list revokes neither" {
	put gone -T 10.0.0.7
	run -0 judge gone
	pki revoke gone
	pki crl --der -o crl.der
	crlutil -I -d sql:db -i crl.der
	run ! judge gone
	[[ $output == *revoked* ]]
	rm ca.db
	pki init --name Other
	put other -T 10.0.0.8
	run ! judge other
}

@test "NSS: our PKCS#12 brings key, certificate and CA" {
	put spoke -T 10.0.0.7
	(umask 077; echo 'a long passphrase' >pass)
	pki export -F p12 --out-passphrase-file pass -o spoke.p12 spoke.pem
	mkdir fresh
	certutil -N -d sql:fresh --empty-password
	pk12util -i spoke.p12 -d sql:fresh -w pass
	run -0 certutil -K -d sql:fresh
	[[ $output == *" ec "* ]]
	run -0 certutil -L -d sql:fresh
	[ "$(grep -c 'u,u,u\|,,' <<<"$output")" -ge 2 ]
}
