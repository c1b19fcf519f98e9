# dmvpn-pki ocsp: asking a responder, and being one.

bats_require_minimum_version 1.5.0
load lib

setup() {
	pki_dir
	pki init
	pki issue -o good.pem good
	pki issue -o bad.pem bad
	pki issue -p ocsp -o ocsp.pem ocsp
	pki export -o ca.pem
	pki revoke --reason key-compromise bad 2>/dev/null
	openssl x509 -in good.pem -out good.crt
	openssl x509 -in bad.pem -out bad.crt
}

teardown() {
	daemons_end
}

# openssl's own responder, with what our store says, on a port of its own.
responder() {
	pki list -j | jq -r '[.state, .serial, (.["revoked-at"] // "")] | @tsv' |
		while IFS=$'\t' read -r state serial at; do
			case $state in
			revoked) printf 'R\t%s\t%s,keyCompromise\t%s\tunknown\t/CN=%s\n' \
				301231235959Z \
				"$(date -u -d "$at" +%y%m%d%H%M%SZ)" \
				"${serial^^}" "$serial" ;;
			valid) printf 'V\t%s\t\t%s\tunknown\t/CN=%s\n' \
				301231235959Z "${serial^^}" "$serial" ;;
			esac
		done >index.txt
	openssl x509 -in ocsp.pem -out ocsp.crt
	openssl pkey -in ocsp.pem -out ocsp.key
	for _ in 1 2 3; do
		port=$(free_port)
		rm -f responder.log
		openssl ocsp -index index.txt -port "$port" -CA ca.pem \
			-rsigner ocsp.crt -rkey ocsp.key -ndays 1 "$@" \
			>responder.log 2>&1 3>&- </dev/null &
		PIDS+=($!)
		until grep -qs waiting responder.log; do
			kill -0 "${PIDS[-1]}" 2>/dev/null || continue 2
		done
		URL=http://127.0.0.1:$port/
		return 0
	done
	cat responder.log >&2
	return 1
}

@test "openssl's responder is understood: good, revoked, unknown" {
	responder
	run -0 pki ocsp -u "$URL" good.crt
	[[ $output == good*CN=good*"a responder that the CA certified"* ]]
	run -1 pki ocsp -u "$URL" -t ca.pem bad.pem
	[[ $output == revoked*CN=bad*key-compromise* ]]
	[ "$(pki ocsp -j -u "$URL" bad.crt | jq -r .state)" = revoked ]
	pki issue -o late.pem late
	run -1 pki ocsp -u "$URL" late.pem
	[[ $output == unknown* ]]
}

@test "the responder that the certificate names is asked" {
	responder
	pki settings --ocsp-url "$URL"
	pki issue -o named.pem named
	kill "${PIDS[-1]}"
	wait "${PIDS[-1]}" || true
	responder		# which knows it
	[ "$URL" = "$(pki settings -j | jq -r '.["ocsp-url"]')" ] ||
		skip "its port was taken meanwhile"
	run -0 pki ocsp named.pem
	[[ $output == good*CN=named* ]]
	run -0 pki verify -t ca.pem --ocsp auto named.pem
}

@test "an answer by who may not give one is refused" {
	pki issue -o hub.pem -p hub hub
	cp hub.pem ocsp.pem
	responder
	run -1 --separate-stderr pki ocsp -u "$URL" good.crt
	[[ -z $output && $stderr == *"not signed by the issuer"* ]]
}

@test "nobody there, and a certificate of another CA, are told apart" {
	run -111 --separate-stderr pki ocsp -u http://127.0.0.1:9/ good.crt
	[[ $stderr == *refused* ]]
	run -100 --separate-stderr pki ocsp good.crt
	[[ $stderr == *"names no OCSP responder"* ]]
	DMVPN_STORE=other.db pki init --name Other
	DMVPN_STORE=other.db pki issue -o foreign.pem foreign
	run -100 --separate-stderr pki ocsp -u http://127.0.0.1:9/ foreign.pem
	[[ $stderr == *"not issued by a CA"* ]]
	run -100 --separate-stderr pki ocsp
	run -100 --separate-stderr pki ocsp --answer - good.crt
}

@test "verify --ocsp asks, or takes a response from a file" {
	responder
	run -0 pki verify --ocsp "$URL" good.crt
	[[ $output == *"pass"*revocation*"OCSP says it is good"* ]]
	run -1 pki verify -t ca.pem --ocsp "$URL" bad.crt
	[[ $output == *FAIL*revocation*"OCSP says it is revoked since"*key-compromise* ]]
	pki ocsp -u "$URL" -o good.der good.crt >/dev/null
	pki verify -t ca.pem --ocsp good.der good.crt
	run -1 pki verify -t ca.pem --ocsp good.der bad.crt
	[[ $output == *FAIL*revocation*"another certificate"* ]]
	run -1 pki verify -t ca.pem --ocsp good.der --at 2027-06-01 good.crt
	[[ $output == *"out of date"* ]]
	run -111 --separate-stderr pki verify -t ca.pem --ocsp auto good.crt
	[[ $stderr == *"names no OCSP responder"* ]]
	run -111 --separate-stderr pki verify -t ca.pem \
		--ocsp http://127.0.0.1:9/ good.crt
}

@test "openssl understands our answers, by the CA and by a delegated responder" {
	openssl ocsp -issuer ca.pem -cert good.crt -cert bad.crt \
		-reqout q.der >/dev/null
	for signer in "" "--signer ocsp.pem"; do
		pki ocsp --answer q.der $signer -o r.der
		run -0 openssl ocsp -no_nonce -issuer ca.pem -cert good.crt \
			-cert bad.crt -respin r.der -CAfile ca.pem
		[[ $output == *"Response verify OK"* ]]
		[[ $output == *"good.crt: good"* ]]
		[[ $output == *"bad.crt: revoked"*"Reason: keyCompromise"* ]]
		run -0 openssl ocsp -respin r.der -noverify -resp_text
		nonce=$(openssl ocsp -reqin q.der -req_text |
			grep -A1 Nonce | tail -n 1)
		[[ $nonce == *04* && $output == *"$nonce"* ]]
	done
	openssl ocsp -sha256 -issuer ca.pem -cert bad.crt -reqout q.der \
		>/dev/null
	pki ocsp --answer - -o r.der <q.der
	run -0 openssl ocsp -sha256 -issuer ca.pem -cert bad.crt -no_nonce \
		-respin r.der -CAfile ca.pem
	[[ $output == *"bad.crt: revoked"* ]]
}

@test "what is no request, and one for another CA, get an error response" {
	echo nonsense >q.der
	run -1 pki ocsp --answer q.der -o r.der
	run openssl ocsp -respin r.der -noverify -resp_text
	[[ $output == *malformedrequest* ]]
	DMVPN_STORE=other.db pki init --name Other
	DMVPN_STORE=other.db pki export -o other.pem
	openssl ocsp -issuer other.pem -serial 4711 -reqout q.der >/dev/null
	run -1 pki ocsp --answer q.der -o r.der
	run openssl ocsp -respin r.der -noverify -resp_text
	[[ $output == *unauthorized* ]]
	run -100 --separate-stderr pki ocsp --answer absent.der
}

@test "the key of the CA stays locked when a delegated responder signs" {
	echo secret >pass
	DMVPN_STORE=locked.db pki init --passphrase-file pass
	DMVPN_STORE=locked.db pki issue -P pass -p ocsp -o o.pem o
	DMVPN_STORE=locked.db pki issue -P pass -o x.pem x
	DMVPN_STORE=locked.db pki export -o locked.pem
	openssl ocsp -issuer locked.pem -cert x.pem -reqout q.der >/dev/null
	DMVPN_STORE=locked.db pki ocsp --answer q.der --signer o.pem -o r.der \
		</dev/null
	run -0 openssl ocsp -no_nonce -issuer locked.pem -cert x.pem \
		-respin r.der -CAfile locked.pem
	[[ $output == *"x.pem: good"* ]]
}
