# Foreign peers for bats.  strongSwan's charon in a namespace of its own with
# a private /run and its own vici socket; no service is started.
#
#	charon_need			skip when charon is not installed
#	charon_start NS DIR ADDR	run it there; DIR gets its files
#	charon_load DIR			load DIR/swanctl.conf
#	charon_ctl DIR ARGUMENTS...	swanctl on its socket
#	charon_stop DIR

CHARON=/usr/lib/ipsec/charon
# Pinned: what is not named here is not loaded, whatever is installed.
CHARON_PLUGINS="random nonce openssl aes sha1 sha2 hmac kdf gmp curve25519 \
gcm chapoly pem pkcs1 pkcs8 x509 pubkey revocation constraints drbg \
save-keys kernel-libipsec kernel-netlink socket-default vici updown \
counters error-notify"

charon_need() {
	[ -x "$CHARON" ] || skip "strongSwan's charon is not installed"
	command -v swanctl >/dev/null || skip "swanctl is not installed"
	[ -e /usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so ] ||
		skip "strongSwan's kernel-libipsec is not installed"
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
}

# The log and the keys in Wireshark's tables go to DIR.
charon_conf() {
	local d=$1
	cat >"$d/strongswan.conf" <<-EOF
	charon {
		load = $CHARON_PLUGINS
		retransmit_tries = 3
		retransmit_timeout = 1
		plugins {
			vici { socket = unix://$d/vici }
			save-keys {
				load = yes
				ike = yes
				esp = yes
				wireshark_keys = $d
			}
			kernel-libipsec {
				allow_peer_ts = yes
				fwmark = 0x42
			}
			kernel-netlink { fwmark = !0x42 }
			socket-default { fwmark = 0x42 }
		}
		filelog {
			log {
				path = $d/charon.log
				default = 1
				ike = 2
				cfg = 2
				chd = 2
				flush_line = yes
			}
		}
		syslog { daemon { default = -1 } }
	}
	EOF
}

charon_start() {
	local ns=$1 d=$2 n
	mkdir -p "$d"
	charon_conf "$d"
	STRONGSWAN_CONF=$d/strongswan.conf ip netns exec "$ns" unshare -m \
	    sh -c 'mount --make-rprivate / && mount -t tmpfs tmpfs /run &&
		exec "$0"' "$CHARON" >"$d/console.log" 2>&1 3>&- &
	echo $! >"$d/pid"
	for n in $(seq 600); do
		[ -S "$d/vici" ] && return 0
		kill -0 "$(cat "$d/pid")" 2>/dev/null || break
		sleep 0.05
	done
	cat "$d/console.log" >&2
	return 1
}

charon_load() {
	swanctl --load-all --noprompt --file "$1/swanctl.conf" \
	    --uri "unix://$1/vici" >"$1/swanctl.log" 2>&1 ||
		{ cat "$1/swanctl.log" >&2; return 1; }
}

charon_ctl() {
	local d=$1
	shift
	timeout 30 swanctl "$@" --uri "unix://$d/vici"
}

charon_stop() {
	local p n
	read -r p <"$1/pid" 2>/dev/null || return 0
	kill "$p" 2>/dev/null || return 0
	for n in $(seq 60); do
		kill -0 "$p" 2>/dev/null || return 0
		sleep 0.05
	done
	kill -KILL "$p" 2>/dev/null || true
}
