#!/bin/sh
# Who may include what: lib/base <- lib/wire, lib/crypto, lib/msg <- lib/sys
# <- cmd/PROGRAM.
. "$(dirname "$0")/tap.sh"

# Lines "file:#include ..." of these files; only those that do not match.
includes() {
	grep -H '^#include' "$@" 2>/dev/null
}
ours() {
	includes "$@" | grep 'include "'
}

base_rule() {
	ours lib/base/*.[ch] | grep -v '"base/'
}
wire_rule() {
	ours lib/wire/*.[ch] | grep -v '"\(base\|wire\)/'
	includes lib/wire/*.[ch] |
	    grep '<\(stdlib\|unistd\|time\|sys/socket\|sys/time\)\.h>'
}
crypto_rule() {
	ours lib/crypto/*.[ch] | grep -v '"\(base\|crypto\|wire\|msg\)/'
}
msg_rule() {
	ours lib/msg/*.[ch] | grep -v '"\(base\|msg\)/'
}
sys_rule() {
	ours lib/sys/*.[ch] | grep -v '"\(base\|msg\|wire\|crypto\|sys\)/'
}
# A program's own headers lie beside the file; no other program's.
program_rule() {
	for dir in cmd/*/; do
		ours "$dir"*.[ch] | grep -v '"\(base\|msg\|wire\|crypto\|sys\)/' |
		while IFS= read -r line; do
			name=${line#*\"}
			name=${name%\"*}
			[ -e "$dir$name" ] || echo "$line"
		done
	done
}
# only HEADER-PATTERN FILE-PATTERN: nobody else includes it.
only() {
	includes lib/*/*.[ch] cmd/*/*.[ch] | grep "<$1" | grep -Ev "^($2):"
}
# What an engine must not know: the loop, sockets, the clock, the process.
engines() {
	ls cmd/*/*.[ch] | grep -Ev \
	    '/(main|serve[^/]*|cmd[^/]*|path[^/]*|priv[^/]*)\.[ch]$' |
	    grep -E '/(ike|nhrp|gre|dpd)_[^/]*$'
}
engine_includes() {
	# shellcheck disable=SC2046	# a list of names
	includes $(engines) | grep -E '"sys/(loop|serve|link|ask|unixsock)\.h"|<(event2/|sys/socket\.h|sys/epoll\.h|poll\.h|time\.h|sys/time\.h)'
}
engine_calls() {
	# shellcheck disable=SC2046
	grep -nHE '[^_a-z.>](exit|time|clock_ms|clock_wall|clock_gettime|getrandom|random_bytes|socket|send|recv|sleep)\(' \
	    $(engines) | grep -Ev ':[0-9]+:[[:space:]]*(/?\*|//)'
}
lib_output() {
	grep -nHE '(^|[^_a-z])(printf|puts|putchar|exit|_exit)\(' lib/*/*.c |
	    grep -Ev '^lib/sys/(out|table|command|opt|ask|decoder)\.c:'
}

plan 17
rule "lib/base includes only itself" base_rule
rule "lib/wire includes base; no heap, socket or clock" wire_rule
rule "lib/crypto includes base, wire and messages" crypto_rule
rule "lib/msg includes base" msg_rule
rule "lib/sys includes the lower layers" sys_rule
rule "a program includes the libraries and its own headers" program_rule
rule "OpenSSL is only in lib/crypto and dmvpn-pki" \
    only openssl/ 'lib/crypto/[^:]*|cmd/dmvpn-pki/[^:]*'
rule "ipsec-mb is only in lib/crypto/esp_mb.c" \
    only intel-ipsec-mb 'lib/crypto/esp_mb\.c'
rule "libcbor is only in lib/msg" only 'cbor' 'lib/msg/[^:]*'
rule "libevent is only in lib/sys and the files that serve" \
    only event2/ 'lib/sys/[^:]*|cmd/[^:]*/(main|serve[^:]*|cmd_[^:]*|path[^:]*|priv)\.c'
rule "libmnl is only in lib/sys" only libmnl/ 'lib/sys/[^:]*'
rule "libseccomp is only in lib/sys/sandbox.c" \
    only seccomp 'lib/sys/sandbox\.c'
rule "libpcap is only in lib/sys" only 'pcap' 'lib/sys/[^:]*'
rule "SQLite is only in dmvpn-pki" only sqlite3 'cmd/dmvpn-pki/[^:]*'
rule "engines know no loop, socket or clock by header" engine_includes
rule "engines know no loop, socket or clock by call" engine_calls
rule "libraries neither print nor exit" lib_output
