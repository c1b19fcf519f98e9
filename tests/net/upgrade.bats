# tests/run: calm
# Programs are exchanged while they run, by those of another version; what an
# earlier time or another machine left behind does no harm.

bats_require_minimum_version 1.5.0
load lib
load sites

teardown() {
	[ -z "${BYSTANDER-}" ] || kill "$BYSTANDER" 2>/dev/null || true
	sites_teardown
}

# The programs that a site uses: $T/NAME.bin, or the common ones.
version() {
	local n=$1
	shift
	site "$n" env PATH="$T/$n.bin:$B:$PATH" "$@"
}

# As a package manager does it: a new file in place of each program.
upgrade() {	# NAME
	local f
	for f in "$B"/dmvpn*; do
		cp "$f" "$T/$1.bin/.new"
		mv "$T/$1.bin/.new" "$T/$1.bin/${f##*/}"
	done
}

is_new() {	# NAME LAYER: it runs from the file that is there now
	[ "/proc/$(daemon "$1" "$2")/exe" -ef "$T/$1.bin/dmvpn-$2" ] &&
		version "$1" dmvpn-dpd hello "$2"
}

# Its tunnels stay for the next one.
replace() {	# NAME LAYER [--keep]
	version "$1" "dmvpn-$2" stop ${3:+"$3"}
	wait_for 15 is_new "$1" "$2"
}

called() {	# the hub knows the spoke, which is registered
	version hub dmvpn-ike peers -j | grep -q '"identity":"spoke.test"' &&
		version hub dmvpn-nhrp cache -j | grep -q '"kind":"registered"'
}

above_gre() {	# NAME
	upgrade "$1"
	replace "$1" dpd
	replace "$1" nhrp --keep
	replace "$1" pki
	replace "$1" ike --keep
	wait_for 15 called
}

@test "OPS-23: first the hub's programs are exchanged, then the spoke's: no packet is lost" {
	sites_prepare hub spoke
	for n in hub spoke; do
		mkdir "$T/$n.bin"
		upgrade "$n"
		version "$n" dmvpn up --wait "$n.tunnel"
	done
	for n in hub spoke; do
		lossless lan2 192.168.1.10 above_gre "$n"
	done
	# a new dmvpn-gre makes new tunnels, and soon
	for n in hub spoke; do
		upgrade "$n"
		replace "$n" gre --keep
		wait_for 20 on lan2 ping -c 1 -W 1 192.168.1.10
	done
}

# A request with a key of tomorrow, and one of tomorrow: answers as text.
tomorrow() {	# SOCKET
	python3 - "$1" <<-'END'
	import socket, sys
	def text(s):
	    return bytes([0x60 | len(s)]) + s.encode()
	def ask(n, call, body):
	    s.send(b"\xa3" + text("id") + bytes([n]) + text("call") +
	        text(call) + text("with") + body)
	    return s.recv(16384)
	s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
	s.settimeout(20)
	s.connect(sys.argv[1])
	assert b"schema" in ask(1, "hello", b"\xa1" + text("tomorrow") + b"\x07")
	assert b"no" in ask(2, "of-tomorrow", b"\xa0")
	assert b"schema" in ask(3, "hello", b"\xa0")
	END
}

@test "OPS-23: a newer program's keys are passed over, its commands refused with a sentence" {
	command -v python3 >/dev/null || skip "python3 is not installed"
	sites_up hub
	for layer in pki gre ike nhrp dpd; do
		tomorrow "$T/run/hub/$layer.sock"
	done
}

@test "OPS-18: a run directory of another time or machine is no hindrance, and no process of others ends" {
	local run=$T/run/hub
	sites_prepare hub spoke
	mkdir -p "$run"/{supervisor,tunnels,refused,log}
	sleep 300 3>&- &
	BYSTANDER=$!
	# numbers that are others' by now, cut and garbled files
	echo "$BYSTANDER 1" >"$run/supervisor/pid"
	echo "$BYSTANDER 1" >"$run/supervisor/ike.pid"
	echo "$BYSTANDER" >"$run/supervisor/nhrp.pid"
	printf '9999999999999999999999 x' >"$run/supervisor/gre.pid"
	head -c 300 /dev/urandom >"$run/supervisor/pki.pid"
	: >"$run/supervisor/dpd.pid"
	head -c 300 /dev/urandom >"$run/supervisor/ike.state"
	echo 'up' >"$run/supervisor/gre.state"
	echo many >"$run/supervisor/ike.restarts"
	# sockets that nobody serves any more
	for n in pki gre ike nhrp dpd; do
		perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(
		    Local => $ARGV[0], Type => SOCK_SEQPACKET, Listen => 1)
		    or die' "$run/$n.sock"
	done
	site hub dmvpn up --wait hub.tunnel
	site spoke dmvpn up --wait spoke.tunnel
	wait_for 10 on lan2 ping -c 1 -W 1 192.168.1.10
	site hub dmvpn down dmvpn0
	kill -0 "$BYSTANDER"
}
