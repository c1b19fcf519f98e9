# A real libreswan (pluto over the kernel's XFRM) for bats, in a guest of
# uml.bash at 192.0.2.2, in front of 10.2.0.1.  Debian's package can not be
# installed beside strongSwan: PLUTO_ROOT is where it was unpacked ("apt-get
# download libreswan libldns3", "dpkg-deb -x"), else that is done here.  Load
# it after ../net/lib.
#
#	pluto_unpack			in setup_file
#	pluto_setup			skip when it can not run; the bridge
#	pluto_start P12 PASSWORD-FILE	with $VM/ipsec.conf
#	pluto COMMAND...		whack, in words
#	pluto_logs; pluto_stop		for teardown

load uml

PLUTO_ENV="PATH=/mnt/root/usr/sbin:\$PATH IPSEC_CONF=/mnt/ipsec.conf \
LD_LIBRARY_PATH=/mnt/root/usr/lib/x86_64-linux-gnu \
IPSEC_EXECDIR=/mnt/root/usr/libexec/ipsec IPSEC_SBINDIR=/mnt/root/usr/sbin"

# To BATS_FILE_TMPDIR; nothing there, if it is not to be had.
pluto_unpack() {
	local deb
	[ -z "${PLUTO_ROOT:-}" ] && command -v linux.uml >/dev/null || return 0
	cd "$BATS_FILE_TMPDIR" || return 0
	timeout 60 apt-get -q download libreswan libldns3 3>&- \
		>apt.log 2>&1 || return 0
	for deb in *.deb; do
		dpkg-deb -x "$deb" root
	done
}

pluto_setup() {
	local root=${PLUTO_ROOT:-$BATS_FILE_TMPDIR/root} missing
	uml_setup
	[ -x "$root/usr/libexec/ipsec/pluto" ] ||
		skip "no libreswan in PLUTO_ROOT, nor from apt-get download"
	missing=$(LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu \
		ldd "$root/usr/libexec/ipsec/pluto" |
		sed -n 's/[ \t]*\(.*\) => not found/\1/p' | tr '\n' ' ')
	[ -z "$missing" ] || skip "pluto needs $missing"
	command -v pk12util >/dev/null || skip "pk12util (NSS) is missing"
	mkdir -p "$VM"
	cp -r "$root" "$VM/root"
}

pluto_start() {
	cp "$1" "$VM/key.p12"
	cp "$2" "$VM/password"
	cat >"$VM/guest.sh" <<-EOF
	ip addr add 192.0.2.2/24 dev eth0
	ip link set eth0 up
	ip addr add 10.2.0.1/16 dev lo
	ip route add default via 192.0.2.254
	export $PLUTO_ENV
	mount -t tmpfs tmpfs /usr/libexec
	ln -s /mnt/root/usr/libexec/ipsec /usr/libexec/ipsec
	mkdir -p /run/pluto /run/nss
	certutil -N -d sql:/run/nss --empty-password
	pk12util -i /mnt/key.p12 -d sql:/run/nss -w /mnt/password
	certutil -M -d sql:/run/nss -n test -t CT,,
	\$IPSEC_EXECDIR/pluto --config /mnt/ipsec.conf --nssdir /run/nss \
		--logfile /mnt/pluto.log
	EOF
	uml_boot
}

pluto() {
	guest "export $PLUTO_ENV; ipsec $*"
}

pluto_stop() {
	uml_stop
}

pluto_logs() {
	tail -n 60 "$VM/pluto.log" >&2 || true
	cat "$VM/console.log" >&2 || true
}
