# What is wrong gives one plain sentence in "dmvpn status" and in a log, and
# the rest keeps working.

bats_require_minimum_version 1.5.0
load lib
load sites

up() {	# NAME...
	local n
	for n in "$@"; do
		site "$n" dmvpn up "$n.tunnel"
	done
}

status_has() {	# SITE PATTERN
	site "$1" dmvpn status | grep -qE -- "$2"
}

log_has() {
	cat "$T/run/$1/log/"*.log | grep -qE -- "$2"
}

# In the status and in a log of the site, within 15 s.
says() {	# SITE PATTERN
	wait_for 15 status_has "$1" "$2"
	wait_for 5 log_has "$1" "$2"
}

change() {	# SITE SED-SCRIPT
	sed -i "$2" "$T/$1.tunnel"
}

psk_sites() {	# HUB-PSK SPOKE-PSK
	sites_prepare hub spoke
	for n in hub spoke; do
		(umask 077 && echo "$1" >"$T/$n.psk")
		change "$n" "s/^identity.*/psk $n.psk/; s/^trust.*/id $n.test/"
		shift
	done
	up hub spoke
}

@test "the same PSK at both sides works" {
	psk_sites 'correct horse' 'correct horse'
	wait_for 10 status_has spoke 'hub 10.0.0.1 .*in use'
}

@test "a wrong PSK: stage and peer, at both sides" {
	psk_sites 'correct horse' 'battery staple'
	says spoke '198\.51\.100\.18.*ike-auth.*compare both sides.* PSK'
	says hub '198\.51\.100\.34.*ike-auth.*another PSK'
}

@test "a certificate of another CA: who signed it and who would have been believed" {
	sites_prepare hub spoke
	rm "$T/ca.db"
	"$B/dmvpn-pki" init --name 'Other CA' >/dev/null
	"$B/dmvpn-pki" issue --dns spoke.test --tunnel-address 10.0.0.2 \
	    --subnet 192.168.2.0/24 --force --out "$T/spoke.pem" \
	    spoke >/dev/null
	up hub spoke
	says hub '198\.51\.100\.34.*ike-auth'
	says spoke '198\.51\.100\.18.*ike-auth'
	wait_for 5 log_has hub 'Other CA|issuer|untrusted'
}

# Certificates of an openssl CA: NAME valid FROM..TO (YYYYMMDDHHMMSSZ).
openssl_ca() {
	mkdir -p "$T/other"
	: >"$T/other/index"
	echo 01 >"$T/other/serial"
	printf '%s\n' '[ca]' 'default_ca=c' '[c]' "database=$T/other/index" \
	    "serial=$T/other/serial" "new_certs_dir=$T/other" \
	    'default_md=sha256' 'policy=p' 'copy_extensions=copy' '[p]' \
	    'commonName=supplied' >"$T/other/conf"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$T/other/ca.key" -out "$T/ca.pem" -days 3650 \
	    -subj '/CN=OpenSSL CA' 2>/dev/null
}

openssl_issue() {	# NAME FROM TO
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$T/$1.key" -out "$T/$1.csr" -subj "/CN=$1.test" \
	    -addext "subjectAltName=DNS:$1.test" 2>/dev/null
	openssl ca -batch -notext -config "$T/other/conf" -cert "$T/ca.pem" \
	    -keyfile "$T/other/ca.key" -in "$T/$1.csr" -out "$T/$1.crt" \
	    -startdate "$2" -enddate "$3" 2>/dev/null
	(umask 077 && cat "$T/$1.key" "$T/$1.crt" >"$T/$1.pem")
}

@test "an expired certificate: since when, at both sides" {
	sites_prepare hub spoke
	rm -f "$T/hub.pem" "$T/spoke.pem"
	openssl_ca
	openssl_issue hub 20240101000000Z 20490101000000Z
	openssl_issue spoke 20240101000000Z 20250101000000Z
	up hub
	run site spoke dmvpn up spoke.tunnel
	echo "$status: $output"
	says hub '198\.51\.100\.34.*expired'
	wait_for 5 log_has hub '2025'
	says spoke '198\.51\.100\.18.*ike-auth|expired'
}

@test "no common selector: what was asked for and what the certificate allows" {
	sites_net hub spoke
	sites_certificates hub spoke
	printf '%s\n' 'tunnel dmvpn0' 'role headend' 'identity hub.pem' \
	    'trust ca.pem' 'lan 192.168.1.0/24' >"$T/hub.tunnel"
	printf '%s\n' 'tunnel dmvpn0' 'role remote' 'identity spoke.pem' \
	    'trust ca.pem' 'headend 198.51.100.18' 'lan 172.16.9.0/24' \
	    'route 192.168.1.0/24' >"$T/spoke.tunnel"
	up hub
	run site spoke dmvpn up spoke.tunnel
	echo "$status: $output"
	site spoke dmvpn status
	site hub dmvpn status
	says hub '198\.51\.100\.34.*172\.16\.9\.0/24'
	wait_for 5 log_has hub '192\.168\.2\.0/24'
	says spoke '198\.51\.100\.18.*(selector|ts.unacceptable)'
}

@test "no common proposal: what was offered and what was wanted" {
	sites_prepare hub spoke
	echo proposals aes256gcm16-prfsha384-ecp384 >>"$T/hub.tunnel"
	echo proposals aes128gcm16-prfsha256-x25519 >>"$T/spoke.tunnel"
	up hub spoke
	says spoke '198\.51\.100\.18.*no.proposal.chosen'
	says hub '198\.51\.100\.34.*no.proposal'
	wait_for 5 eval 'log_has hub aes128gcm16 || status_has hub aes128gcm16'
}

@test "a firewall that drops port 4500: that port is named, and soon" {
	command -v nft >/dev/null || skip "nftables is not installed"
	sites_prepare hub spoke
	on router nft -f - <<-EOF || skip "this kernel has no nftables"
	table ip f {
		chain way {
			type filter hook forward priority 0
			udp dport 4500 drop
		}
	}
	EOF
	up hub spoke
	says spoke '198\.51\.100\.18.*ike-auth.*port 4500'
	[[ $(site spoke dmvpn-dpd status) == *"port 4500"* ]]
}

@test "an unreachable hub: its name and that nobody answered" {
	sites_prepare hub spoke
	change spoke 's/^hub .*/hub 198.51.100.45 10.0.0.1/'
	up spoke
	says spoke '198\.51\.100\.45.*port 500'
}

@test "a hub's name that does not resolve" {
	sites_prepare hub spoke
	change spoke 's/^hub .*/hub hub.invalid 10.0.0.1/'
	up spoke
	wait_for 25 status_has spoke 'does not resolve|no answer for hub\.invalid'
}

@test "wrong NHRP authentication: registration refused, and why" {
	sites_prepare hub spoke
	echo secret1 >"$T/a1"
	echo secret2 >"$T/a2"
	echo authentication a1 >>"$T/hub.tunnel"
	echo authentication a2 >>"$T/spoke.tunnel"
	up hub spoke
	wait_for 15 status_has spoke 'uthentication'
	wait_for 15 log_has hub 'uthentication'
}

@test "NHRP authentication at the spoke alone: the hub answers, but without it" {
	sites_prepare hub spoke
	echo secret2 >"$T/a2"
	echo authentication a2 >>"$T/spoke.tunnel"
	up hub spoke
	wait_for 15 status_has spoke "registration: the server's answer came without authentication; compare the NHRP authentication of both sides"
}

@test "port 500 in use: a sentence, and it works when the port is free again" {
	sites_prepare hub spoke
	ip netns exec "$NET-spoke" nc -u -l -k 500 3>&- >/dev/null </dev/null &
	echo $! >"$NET_PIDS/nc"
	wait_for 5 eval "ip netns exec $NET-spoke ss -uln | grep -q :500"
	up hub
	run site spoke dmvpn up spoke.tunnel
	[ "$status" -ne 0 ]
	says spoke '500.*(in use|Address already)'
	kill "$(pid_of nc)"
	rm "$NET_PIDS/nc"
	wait_for 40 status_has spoke 'hub 10.0.0.1 .*in use'
}

@test "without /dev/net/tun: a sentence that names it" {
	sites_prepare hub spoke
	run ip netns exec "$NET-hub" env DMVPN_RUN="$T/run/hub" \
	    PATH="$B:$PATH" unshare -m sh -c "mount -t tmpfs none /dev/net &&
		cd '$T' && dmvpn up hub.tunnel 3>&-"
	[ "$status" -ne 0 ]
	says hub '/dev/net/tun'
}

@test "without CAP_NET_ADMIN: a sentence that names it" {
	command -v setpriv >/dev/null || skip "setpriv is not installed"
	sites_prepare hub spoke
	run ip netns exec "$NET-hub" env DMVPN_RUN="$T/run/hub" \
	    PATH="$B:$PATH" setpriv --bounding-set -net_admin \
	    --inh-caps -net_admin sh -c "cd '$T' && dmvpn up hub.tunnel 3>&-"
	[ "$status" -ne 0 ]
	says hub 'NET_ADMIN'
}

@test "OPS-13: a bad file for a tunnel that is up leaves it as it was" {
	sites_up hub spoke
	cp "$T/spoke.tunnel" "$T/good"
	echo 'mtuu 1' >>"$T/spoke.tunnel"
	run -100 site spoke dmvpn up spoke.tunnel
	on lan2 ping -c 3 -i 0.1 -W 5 192.168.1.10
	wait_for 5 status_has spoke 'spoke  .*up'
}

@test "OPS-13: a changed file changes the tunnel without a lost packet" {
	sites_up hub spoke
	stream lan2 192.168.1.10
	echo 'route 10.99.0.0/16' >>"$T/spoke.tunnel"
	site spoke dmvpn up spoke.tunnel
	wait_for 5 eval 'ip -n "$NET-spoke" route show 10.99.0.0/16 |
	    grep -q dmvpn0'
	sed -i '/10.99/d' "$T/spoke.tunnel"
	site spoke dmvpn up spoke.tunnel
	wait_for 5 eval '! ip -n "$NET-spoke" route show 10.99.0.0/16 |
	    grep -q dmvpn0'
	stream_on 50
	measure
	[ "$lost" -eq 0 ]
}

@test "OPS-05: a daemon that dies at start: growing pauses, a reason, the others live" {
	sites_prepare hub spoke
	mkdir "$T/bin"
	cp "$B"/dmvpn* "$T/bin"
	printf '#!/bin/sh\necho "dmvpn-nhrp: no luck today" >&2\nexit 111\n' \
	    >"$T/bin/dmvpn-nhrp"
	run on hub sh -c "cd '$T' && bin/dmvpn up hub.tunnel 3>&-"
	[ "$status" -ne 0 ]
	says hub 'no luck today'
	wait_for 5 status_has hub '\+ dmvpn-ike'
	wait_for 5 status_has hub '\+ dmvpn-gre'
	wait_for 10 log_has hub 'dmvpn-nhrp ended .*starts again in 3 s'
	cp "$B/dmvpn-nhrp" "$T/bin/dmvpn-nhrp.new"
	mv "$T/bin/dmvpn-nhrp.new" "$T/bin/dmvpn-nhrp"
	wait_for 20 status_has hub '\+ dmvpn-nhrp'
}

no_zombies() {
	! ps -o stat= --ppid "$1" | grep -q Z
}

@test "OPS-15: as PID 1 it reaps zombies, and SIGTERM ends all within 5 s with 0" {
	sites_prepare hub spoke
	(cd "$T" && exec ip netns exec "$NET-hub" env DMVPN_RUN="$T/run/hub" \
	    PATH="$B:$PATH" unshare -p -f --kill-child --mount-proc \
	    dmvpn run hub.tunnel 3>&- >"$T/run.log" 2>&1 </dev/null) &
	local outer=$! inner
	echo $outer >"$NET_PIDS/run"
	wait_for 15 status_has hub 'hub  .*up'
	inner=$(pgrep -P "$outer")
	nsenter -t "$inner" -p -m sh -c '(true &) ; exit 0'
	wait_for 5 no_zombies "$inner"
	up spoke
	wait_for 10 status_has spoke 'in use'
	SECONDS=0
	kill -TERM "$inner"
	wait "$outer"
	[ "$SECONDS" -le 5 ]
	rm "$NET_PIDS/run"
	run -0 ip -n "$NET-hub" -o link
	[[ $output != *dmvpn0* ]]
	# and the spoke was told
	wait_for 5 log_has spoke 'ike-down'
}

@test "two tunnels share the daemons; the last down ends them" {
	sites_up hub spoke
	sed 's/dmvpn0/dmvpn1/; s/^key 1/key 2/; s/10\.0\.0\./10.0.1./g
		/^lan/d; /^route/d' "$T/hub.tunnel" >"$T/hub2.tunnel"
	sed 's/dmvpn0/dmvpn1/; s/^key 1/key 2/; s/10\.0\.0\./10.0.1./g
		/^lan/d; /^route/d' "$T/spoke.tunnel" >"$T/spoke2.tunnel"
	site hub dmvpn up hub2.tunnel
	site spoke dmvpn up spoke2.tunnel
	wait_for 5 status_has spoke 'tunnel dmvpn1'
	site spoke dmvpn down spoke2.tunnel
	on lan2 ping -c 2 -i 0.2 -W 5 192.168.1.10
	site spoke dmvpn down dmvpn0
	[ ! -e "$T/run/spoke/supervisor" ]
	wait_for 3 nobody_in spoke	# the supervisor is the last to go
}

@test "hooks run on up and down" {
	sites_prepare hub spoke
	printf '#!/bin/sh\necho "$@" "$DMVPN_TUNNEL" >>%s/hooked\n' "$T" \
	    >"$T/my hook"
	chmod +x "$T/my hook"
	printf 'on-up my hook\non-down my hook\n' >>"$T/spoke.tunnel"
	up hub
	site spoke dmvpn up --wait spoke.tunnel
	wait_for 5 grep -q '^dmvpn0 up nhrp-nhs-up dmvpn0' "$T/hooked"
	site hub dmvpn down dmvpn0
	wait_for 15 grep -q '^dmvpn0 down nhrp-nhs-down dmvpn0' "$T/hooked"
}

shaped() {
	ip netns exec "$NET-hub" tc class show dev dmvpn0 | grep -q "rate $1"
}

@test "qos: what goes to each peer is shaped" {
	sites_prepare hub spoke
	echo qos 5M >>"$T/hub.tunnel"
	up hub
	site spoke dmvpn up --wait spoke.tunnel
	run -0 ip netns exec "$NET-hub" tc class show dev dmvpn0
	[[ $output == *'rate 5Mbit'* ]] || skip "this kernel has no HTB"
	sed -i 's/^qos .*/qos 7M/' "$T/hub.tunnel"
	up hub		# while the tunnel is up, it is another rate
	wait_for 5 shaped 7Mbit
	sed -i '/^qos/d' "$T/hub.tunnel"
	up hub
	wait_for 5 eval '! shaped 7Mbit'
}
