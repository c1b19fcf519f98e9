#!/bin/sh
# How many certificates a second: dmvpn-pki issue --batch, openssl ca and,
# where it is installed, easy-rsa.  Each makes a P-256 key and a certificate
# for every name; they run one after the other.
#
#	tests/bench/pki.sh [NUMBER]	(1000; OTHERS=N: so many for the others)
set -eu

number=${1:-1000}
others=${OTHERS:-$((number < 200 ? number : 200))}
B=$(cd "${B:-build/bin}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/dmvpn-bench-pki.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work"

now() {
	date +%s%N
}

# row NAME NUMBER NANOSECONDS
row() {
	printf '%-26s %6d in %7.2f s  %8.1f a second\n' "$1" "$2" \
		"$(echo "$3" | awk '{ print $1 / 1e9 }')" \
		"$(echo "$2 $3" | awk '{ print $1 * 1e9 / $2 }')"
}

ours() {
	mkdir ours
	(
		cd ours
		"$B/dmvpn-pki" init
		seq "$number" | awk '{ printf "-T 10.%d.%d.%d s%d\n",
			$1 / 65536, $1 / 256 % 256, $1 % 256, $1 }' >list
		begun=$(now)
		"$B/dmvpn-pki" issue --batch list 2>/dev/null
		row 'dmvpn-pki issue --batch' "$number" $(($(now) - begun))
	)
}

openssl_ca() {
	command -v openssl >/dev/null || return 0
	mkdir openssl
	(
		cd openssl
		mkdir certs
		: >index.txt
		cat >ca.cnf <<-END
		[ca]
		default_ca = main
		[main]
		database = index.txt
		new_certs_dir = certs
		rand_serial = yes
		certificate = ca.pem
		private_key = ca.key
		default_md = sha256
		default_days = 365
		policy = any
		x509_extensions = leaf
		[any]
		commonName = supplied
		[leaf]
		keyUsage = digitalSignature
		END
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
			-nodes -keyout ca.key -out ca.pem -subj /CN=CA \
			2>/dev/null
		begun=$(now)
		i=0
		while [ "$i" -lt "$others" ]; do
			i=$((i + 1))
			openssl req -new -newkey ec -pkeyopt \
				ec_paramgen_curve:P-256 -nodes -keyout "$i.key" \
				-out "$i.csr" -subj "/CN=s$i" 2>/dev/null
		done
		half=$(now)
		openssl ca -batch -notext -config ca.cnf -infiles ./*.csr \
			>/dev/null 2>&1
		end=$(now)
		[ "$(grep -c . index.txt)" -eq "$others" ]
		row 'openssl req + openssl ca' "$others" $((end - begun))
		row '  of it openssl ca alone' "$others" $((end - half))
	)
}

easy_rsa() {
	easy=$(command -v easyrsa || echo /usr/share/easy-rsa/easyrsa)
	[ -x "$easy" ] || {
		echo 'easy-rsa is not installed'
		return 0
	}
	few=$((others < 20 ? others : 20))
	mkdir easy
	(
		cd easy
		export EASYRSA_BATCH=1 EASYRSA_ALGO=ec EASYRSA_CURVE=prime256v1
		export EASYRSA_PKI="$PWD/pki"
		"$easy" init-pki >/dev/null 2>&1
		"$easy" build-ca nopass >/dev/null 2>&1
		begun=$(now)
		i=0
		while [ "$i" -lt "$few" ]; do
			i=$((i + 1))
			"$easy" build-client-full "s$i" nopass >/dev/null 2>&1
		done
		row easy-rsa "$few" $(($(now) - begun))
	)
}

ours
openssl_ca
easy_rsa
