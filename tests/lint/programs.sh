#!/bin/sh
# The programs themselves: no forbidden symbol, hardened, --help and exit
# statuses as all programs have them.
. "$(dirname "$0")/tap.sh"
. tests/lint/help.sh
O=${O:-build}

binaries() {
	for p in "$B"/dmvpn-*; do
		case $p in *.new) continue ;; esac
		[ -x "$p" ] && echo "$p"
	done
}
symbols() {
	for p in $(binaries); do
		nm -D --undefined-only "$p" | awk -v p="$p" '
			{ sub(/@.*/, "", $NF) }
			$NF ~ /^(system|popen|gets|strcpy|strcat|sprintf|vsprintf|tmpnam|mktemp|alloca|wordexp|__strcpy_chk_)$/ {
				print p ": " $NF }'
	done
}
hardened() {
	[ "${MODE:-release}" = release ] || return 0
	for p in $(binaries); do
		readelf -hlWd "$p" >"${TMPDIR:-/tmp}/elf.$$" 2>/dev/null
		grep -q 'Type: *DYN' "${TMPDIR:-/tmp}/elf.$$" ||
		    echo "$p: no PIE"
		grep -q 'GNU_RELRO' "${TMPDIR:-/tmp}/elf.$$" ||
		    echo "$p: no RELRO"
		grep -q 'BIND_NOW\|NOW' "${TMPDIR:-/tmp}/elf.$$" ||
		    echo "$p: relocations are lazy"
		grep 'GNU_STACK' "${TMPDIR:-/tmp}/elf.$$" | grep -q 'RWE' &&
		    echo "$p: the stack may be executed"
		nm -D "$p" | grep -q '__stack_chk_fail' ||
		    echo "$p: no stack protector"
	done
	rm -f "${TMPDIR:-/tmp}/elf.$$"
}
# Only what it uses: which program may need which library.
libraries() {
	for p in $(binaries); do
		name=$(basename "$p")
		readelf -d "$p" | sed -n 's/.*NEEDED.*\[\(lib[a-z0-9_-]*\)\..*/\1/p' |
		while IFS= read -r l; do
			case $l:$name in
			libpcap:dmvpn-decode | libsqlite3:dmvpn-pki | \
			libcares:dmvpn-dpd | libcares:dmvpn-pki) ;;
			libpcap:* | libsqlite3:* | libcares:*)
				echo "$name needs $l" ;;
			esac
		done
	done
}
help_texts() {
	for p in $(programs); do
		out=$("$B/$p" --help 2>/dev/null </dev/null) ||
		    echo "$p --help: status $?"
		case $out in
		usage:*) ;;
		*) echo "$p --help does not begin with usage:" ;;
		esac
		"$B/$p" nonsense >/dev/null 2>&1 </dev/null
		[ $? -eq 100 ] || echo "$p nonsense: not 100"
		"$B/$p" >/dev/null 2>&1 </dev/null
		[ $? -eq 100 ] || echo "$p alone: not 100"
	done
	all_commands | while IFS= read -r line; do
		# shellcheck disable=SC2086
		set -- $line
		p=$1
		shift
		"$B/$p" "$@" --help 2>/dev/null </dev/null | grep -q '^usage: ' ||
		    echo "$line --help prints no usage"
		"$B/$p" "$@" --no-such-option >/dev/null 2>&1 </dev/null
		[ $? -eq 100 ] || echo "$line --no-such-option: not 100"
	done
}

[ -n "$(binaries)" ] || skip_all "programs" "none is built in $B"
plan 4
rule "no program refers to a forbidden function" symbols
rule "programs are hardened" hardened
rule "a program needs only the libraries it should" libraries
rule "--help and wrong usage are the same everywhere" help_texts
