# A root that holds busybox, the programs and their libraries, and no more:
# "dmvpn run" is process 1 there.

bats_require_minimum_version 1.5.0
load lib
load sites

setup() {
	sites_setup
	R=$T/root
	BUSYBOX=$(command -v busybox) || skip "busybox is not installed"
	ldd "$BUSYBOX" 2>/dev/null | grep -q '=>' &&
		skip "busybox is not a static one"
	[ -x "$B/dmvpn" ] || skip "not built"
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] ||
		cat "$T/container.txt" "$R"/run/dmvpn/log/*.log >&2 || true
	sites_teardown
	umount -R "$R/dev" 2>/dev/null || true
}

# What the programs need, copied to the same places.
put_with_libraries() {	# FILE...
	local f l
	for f in "$@"; do
		cp -L "$f" "$R/usr/bin/"
		for l in $(ldd "$f" 2>/dev/null |
		    grep -o '/[^ ]*\.so[^ ]*'); do
			mkdir -p "$R${l%/*}"
			cp -L "$l" "$R$l"
		done
	done
}

root_of_busybox() {
	local name
	mkdir -p "$R"/{bin,usr/bin,proc,sys,dev,tmp,run,etc/dmvpn}
	for name in $("$BUSYBOX" --list); do
		ln -s busybox "$R/bin/$name"
	done
	rm -f "$R/bin/busybox"
	cp "$BUSYBOX" "$R/bin/busybox"
	put_with_libraries "$B"/dmvpn "$B"/dmvpn-{pki,gre,ike,nhrp,dpd} \
	    "$(command -v setpriv)"		# that one for us
	mount --bind /dev "$R/dev"
}

container() {	# COMMAND...
	exec ip netns exec "$NET-spoke" unshare -m -p -f --kill-child --mount-proc \
		-R "$R" /bin/env -i PATH=/usr/bin:/bin "$@" 3>&- </dev/null
}

registered() {
	site hub dmvpn-nhrp cache -j | grep -q '"kind":"registered"'
}

@test "hub and spoke, where the spoke has busybox and nothing else" {
	local inner
	sites_prepare hub spoke
	root_of_busybox
	cp "$T/spoke.tunnel" "$T/spoke.pem" "$T/ca.pem" "$R/etc/dmvpn"
	run -0 eval '(container dmvpn check /etc/dmvpn/spoke.tunnel)'
	[[ $output == *'all is there'* ]]
	# without that capability it is told beforehand
	run -1 eval '(container /usr/bin/setpriv --bounding-set=-net_bind_service \
		--inh-caps=-net_bind_service dmvpn check /etc/dmvpn/spoke.tunnel)'
	[[ $output == *'- UDP port 500 needs CAP_NET_BIND_SERVICE, or'* ]]
	site hub dmvpn up --wait hub.tunnel
	(container dmvpn run /etc/dmvpn/spoke.tunnel) \
	    >"$T/container.txt" 2>&1 &
	echo $! >"$NET_PIDS/container"
	wait_for 20 registered
	wait_for 10 on lan2 ping -c 1 -W 1 192.168.1.10
	inner=$(pgrep -P "$(pid_of container)")
	[ -n "$inner" ]
	# as a container's health check
	health() {
		nsenter -t "$inner" -m -p -n -r env -i PATH=/usr/bin:/bin \
		    dmvpn status -q 3>&-
	}
	run -0 health
	[ -z "$output" ]
	site hub dmvpn down dmvpn0
	wait_for 15 eval '! health'
	[ -z "$(health || true)" ]
	kill -TERM "$inner"
	wait "$(pid_of container)"
	rm "$NET_PIDS/container"
	[ -z "$(ip netns pids "$NET-spoke")" ]
}
