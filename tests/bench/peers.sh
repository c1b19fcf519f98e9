# Tunnels to measure.  Each has a pair of namespaces, $N-NAME-a and -b, joined
# by a veth pair with 192.0.2.1 and .2; inside the tunnel 10.9.0.1 and .2.
# up_NAME makes one; the pids of its daemons go to $T/NAME/pids.

# in_ns NAME END COMMAND...
in_ns() {
	ns=$N-$1-$2
	shift 2
	ip netns exec "$ns" "$@"
}

# daemon NAME END COMMAND...
daemon() {
	at=$T/$1
	ns=$N-$1-$2
	log=$at/log-$2
	shift 2
	# No function of the shell: $! is to be the daemon itself.
	ip netns exec "$ns" "$@" >"$log" 2>&1 </dev/null &
	echo $! >>"$at/pids"
}

# pair NAME: two namespaces and the wire between them
pair() {
	mtu=1500
	case $1 in *9000) mtu=9000 ;; esac
	mkdir -p "$T/$1/run-a" "$T/$1/run-b"
	: >"$T/$1/pids"
	for end in a b; do
		ip netns add "$N-$1-$end"
		ip -n "$N-$1-$end" link set lo up
	done
	ip -n "$N-$1-a" link add eth0 mtu "$mtu" type veth \
	    peer name eth0 netns "$N-$1-b"
	ip -n "$N-$1-b" link set eth0 mtu "$mtu"
	for end in a:1 b:2; do
		ip -n "$N-$1-${end%:*}" address add "192.0.2.${end#*:}/24" dev eth0
		ip -n "$N-$1-${end%:*}" address add "2001:db8::${end#*:}/64" \
		    dev eth0 nodad 2>/dev/null || :
		ip -n "$N-$1-${end%:*}" link set eth0 up
	done
}

# other END: b or a
other() {
	case $1 in a) echo b ;; *) echo a ;; esac
}

# ---------------------------------------------------------------- ours

gre() {
	DMVPN_RUN=$T/$1/run-$2
	export DMVPN_RUN
	name=$1 end=$2
	shift 2
	in_ns "$name" "$end" "$B/dmvpn-gre" "$@"
}

# up_ours NAME ENCAP OUTER-A OUTER-B [OPTIONS of run]
up_ours() {
	name=$1 encap=$2 outer_a=$3 outer_b=$4
	shift 4
	x=$(od -An -v -tx1 -N20 /dev/urandom | tr -d ' \n')
	y=$(od -An -v -tx1 -N20 /dev/urandom | tr -d ' \n')
	(umask 077
	printf 'in %s\nout %s\n' "$x" "$y" >"$T/$name/keys-a"
	printf 'in %s\nout %s\n' "$y" "$x" >"$T/$name/keys-b")
	for e in a b; do
		DMVPN_RUN=$T/$name/run-$e
		export DMVPN_RUN
		daemon "$name" "$e" "$B/dmvpn-gre" run "$@"
	done
	for e in a b; do
		try 5 gre "$name" "$e" status
	done
	end_ours "$name" a "$outer_b" 10.9.0.1 10.9.0.2 0x1001 0x2001
	end_ours "$name" b "$outer_a" 10.9.0.2 10.9.0.1 0x2001 0x1001
}

# end_ours NAME END REMOTE OWN FAR SPI-IN SPI-OUT
end_ours() {
	gre "$1" "$2" interface set dmvpn0 -a "$4/24" -a "fd09::${4##*.}/64" ||
	    gre "$1" "$2" interface set dmvpn0 -a "$4/24"
	peer=$(gre "$1" "$2" peer set --encap "$encap" --remote "$3")
	gre "$1" "$2" map set dmvpn0 "$5" "$peer"
	gre "$1" "$2" map set dmvpn0 "fd09::${5##*.}" "$peer" || :
	gre "$1" "$2" sa add "$peer" --spi-in "$6" --spi-out "$7" --esn \
	    --keys-file "$T/$1/keys-$2"
}

# 1,000 peers on each end with an SA each, for bulk data over all of them
has_many() { :; }
up_many() {
	head -c 32 /dev/urandom >"$T/many/seed"
	for e in a b; do
		DMVPN_RUN=$T/many/run-$e
		export DMVPN_RUN
		daemon many "$e" "$B/dmvpn-gre" run
	done
	for e in a:1:2 b:2:1; do
		far=${e##*:} own=${e#*:} own=${own%:*} e=${e%%:*}
		try 5 gre many "$e" status
		gre many "$e" interface set dmvpn0 -a "10.9.0.$own/24"
		in_ns many "$e" "$D/many_peers" dmvpn0 1000 "$e" \
		    "192.0.2.$far" "$T/many/seed"
		gre many "$e" map set dmvpn0 "10.9.0.$far" 1
	done
	ip -n "$N-many-a" route add 10.10.0.0/16 dev dmvpn0
	ip -n "$N-many-b" route add local 10.10.0.0/16 dev lo
}

has_veth() { :; }
up_veth() { up_plain veth; }
has_veth9000() { :; }
up_veth9000() { up_plain veth9000; }
up_plain() {
	for e in a:1 b:2; do
		ip -n "$N-$1-${e%:*}" address add "10.9.0.${e#*:}/24" dev eth0
	done
}

# The same system calls without a tunnel's work.
has_floor() { :; }
up_floor() {
	for e in a:1:2 b:2:1; do
		far=${e##*:} own=${e#*:} own=${own%:*} e=${e%%:*}
		daemon floor "$e" "$D/floor" floor0 "192.0.2.$own" "192.0.2.$far"
		try 5 ip -n "$N-floor-$e" link set floor0 mtu 1400 up
		ip -n "$N-floor-$e" address add "10.9.0.$own/24" dev floor0
	done
}

has_dmvpn() { :; }
up_dmvpn() { up_ours dmvpn udp 192.0.2.1 192.0.2.2; }
has_dmvpn9000() { :; }
up_dmvpn9000() { up_ours dmvpn9000 udp 192.0.2.1 192.0.2.2; }
has_openssl() { :; }
up_openssl() { up_ours openssl udp 192.0.2.1 192.0.2.2 --openssl; }
has_thread1() { :; }
up_thread1() { up_ours thread1 udp 192.0.2.1 192.0.2.2 --threads 1; }
has_esp() { :; }
up_esp() { up_ours esp esp 192.0.2.1 192.0.2.2; }
has_ipv6() { [ -d /proc/sys/net/ipv6 ]; }
up_ipv6() { up_ours ipv6 udp 2001:db8::1 2001:db8::2; }

# -------------------------------------------------------------- others

has_wireguard() {
	command -v wireguard-go >/dev/null && command -v wg >/dev/null
}
up_wireguard() { up_wg wireguard; }
# With one thread of Go it is faster where cores are few.
has_wireguard1() { has_wireguard; }
up_wireguard1() { up_wg wireguard1 GOMAXPROCS=1; }

# up_wg NAME [VARIABLE=VALUE]
up_wg() {
	name=$1 dev=wg${1#wireguard}$$
	shift
	for e in a b; do
		(umask 077; wg genkey >"$T/$name/key-$e")
		wg pubkey <"$T/$name/key-$e" >"$T/$name/pub-$e"
		daemon "$name" "$e" env "$@" LOG_LEVEL=error \
		    WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 \
		    wireguard-go -f "$dev$e"
	done
	for e in a:1:2 b:2:1; do
		far=${e##*:} own=${e#*:} own=${own%:*} e=${e%%:*}
		try 5 in_ns "$name" "$e" wg set "$dev$e" listen-port 51820 \
		    private-key "$T/$name/key-$e" peer \
		    "$(cat "$T/$name/pub-$(other "$e")")" \
		    allowed-ips 0.0.0.0/0 endpoint "192.0.2.$far:51820"
		ip -n "$N-$name-$e" address add "10.9.0.$own/24" dev "$dev$e"
		ip -n "$N-$name-$e" link set "$dev$e" mtu 1400 up
	done
}

has_openvpn() { command -v openvpn >/dev/null; }
up_openvpn() {
	d=$T/openvpn
	for e in a b; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		    -nodes -subj "/CN=$e" -keyout "$d/key-$e" -out "$d/cert-$e" \
		    2>/dev/null
		openssl x509 -noout -fingerprint -sha256 -in "$d/cert-$e" |
		    sed 's/.*=//' >"$d/print-$e"
	done
	for e in a:1:2:server b:2:1:client; do
		role=${e##*:} end=${e%%:*} own=${e#*:} own=${own%%:*}
		set -- --dev tun --proto udp --lport 1194 --rport 1194 \
		    --remote "192.0.2.$((3 - own))" \
		    --ifconfig "10.9.0.$own" "10.9.0.$((3 - own))" \
		    --tun-mtu 1400 --txqueuelen 1000 --cert "$d/cert-$end" \
		    --key "$d/key-$end" --peer-fingerprint \
		    "$(cat "$d/print-$(other "$end")")" \
		    --data-ciphers AES-256-GCM --verb 1
		[ "$role" = client ] || set -- "$@" --dh none
		! openvpn --version | grep -q DCO || set -- "$@" --disable-dco
		daemon openvpn "$end" openvpn --tls-"$role" "$@"
	done
}

has_nebula() {
	command -v nebula >/dev/null && command -v nebula-cert >/dev/null
}
up_nebula() {
	d=$T/nebula
	nebula-cert ca -name bench -out-crt "$d/ca.crt" -out-key "$d/ca.key"
	for e in a:1 b:2; do
		own=${e#*:} e=${e%:*}
		nebula-cert sign -ca-crt "$d/ca.crt" -ca-key "$d/ca.key" \
		    -name "$e" -ip "10.9.0.$own/24" -out-crt "$d/$e.crt" \
		    -out-key "$d/$e.key"
		cat >"$d/$e.yml" <<-END
		pki: { ca: $d/ca.crt, cert: $d/$e.crt, key: $d/$e.key }
		static_host_map: { "10.9.0.$((3 - own))": ["192.0.2.$((3 - own)):4242"] }
		lighthouse: { am_lighthouse: false }
		listen: { host: 0.0.0.0, port: 4242, batch: 64 }
		cipher: aes
		tun: { dev: neb0, mtu: 1400, tx_queue: 1000 }
		logging: { level: warning, format: text }
		firewall:
		  outbound: [{ port: any, proto: any, host: any }]
		  inbound: [{ port: any, proto: any, host: any }]
		END
		daemon nebula "$e" nebula -config "$d/$e.yml"
	done
}

has_tinc() { command -v tincd >/dev/null; }
up_tinc() {
	for e in a:1 b:2; do
		own=${e#*:} e=${e%:*} d=$T/tinc/$e
		mkdir -p "$d/hosts"
		printf 'Name = %s\nInterface = tinc0\nConnectTo = %s\n' "$e" \
		    "$(other "$e")" >"$d/tinc.conf"
		printf 'Address = 192.0.2.%s\nSubnet = 10.9.0.%s/32\n' "$own" \
		    "$own" >"$d/hosts/$e"
		printf '#!/bin/sh\nip address add 10.9.0.%s/24 dev tinc0\nip link set tinc0 mtu 1400 up\n' \
		    "$own" >"$d/tinc-up"
		chmod 755 "$d/tinc-up"
		tincd -c "$d" -K2048 </dev/null >/dev/null 2>&1
	done
	cp "$T/tinc/a/hosts/a" "$T/tinc/b/hosts/"
	cp "$T/tinc/b/hosts/b" "$T/tinc/a/hosts/"
	for e in a b; do
		daemon tinc "$e" tincd -D -c "$T/tinc/$e" \
		    --pidfile="$T/tinc/$e/pid"
	done
}

CHARON=/usr/lib/ipsec/charon
has_libipsec() {
	[ -x "$CHARON" ] && command -v swanctl >/dev/null &&
	    [ -e /usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so ]
}
up_libipsec() {
	for e in a:1 b:2; do
		own=${e#*:} e=${e%:*} d=$T/libipsec/$e
		mkdir -p "$d"
		charon_files "$d" "$own"
		# shellcheck disable=SC2016
		daemon libipsec "$e" env STRONGSWAN_CONF="$d/strongswan.conf" \
		    unshare -m sh -c 'mount --make-rprivate / &&
		    mount -t tmpfs tmpfs /run && exec "$0"' "$CHARON"
		ip -n "$N-libipsec-$e" address add "10.9.0.$own/32" dev lo
		try 5 test -S "$d/vici"
		swanctl --load-all --noprompt --file "$d/swanctl.conf" \
		    --uri "unix://$d/vici" >"$d/load.log" 2>&1
	done
	swanctl --initiate --child net --uri "unix://$T/libipsec/a/vici" \
	    >"$T/libipsec/initiate.log" 2>&1
	for e in a b; do
		ip -n "$N-libipsec-$e" link set ipsec0 mtu 1400
	done
}

# charon_files DIRECTORY 1|2
charon_files() {
	cat >"$1/strongswan.conf" <<-END
	charon {
	  load = random nonce openssl aes sha1 sha2 hmac kdf gcm drbg kernel-libipsec kernel-netlink socket-default vici
	  plugins {
	    vici { socket = unix://$1/vici }
	    kernel-libipsec { allow_peer_ts = yes
	      fwmark = 0x42 }
	    kernel-netlink { fwmark = !0x42 }
	    socket-default { fwmark = 0x42 }
	  }
	  syslog { daemon { default = -1 } }
	}
	END
	cat >"$1/swanctl.conf" <<-END
	connections { c {
	  version = 2
	  encap = yes
	  local_addrs = 192.0.2.$2
	  remote_addrs = 192.0.2.$((3 - $2))
	  proposals = aes128-sha256-x25519
	  local { auth = psk
	    id = end$2 }
	  remote { auth = psk
	    id = end$((3 - $2)) }
	  children { net {
	    local_ts = 10.9.0.$2/32
	    remote_ts = 10.9.0.$((3 - $2))/32
	    esp_proposals = aes128gcm16 } }
	} }
	secrets { ike-c { secret = "only for measuring" } }
	END
}
