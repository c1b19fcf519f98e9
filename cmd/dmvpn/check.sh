
# ---- check: what would be missing

CHECK_BAD=0

good() {
	say "  $GREEN+$PLAIN $*"
}

# Not needed by all.
less() {	# WHAT [FIX]
	say "  $BOLD!$PLAIN $1"
	[ $# -lt 2 ] || say "    $2"
}

missing() {
	say "  $RED-$PLAIN $*"
	CHECK_BAD=$((CHECK_BAD + 1))
}

# A program's own check: its lines, then whether it was content.
check_with() {	# WHAT COMMAND...
	what=$1
	shift
	if text=$("$@" 2>&1 </dev/null); then
		good "$what"
		return 0
	fi
	missing "$what: ${text##*"$NL"}"
}

check_programs() {
	for layer in $LAYERS; do
		check_with "dmvpn-$layer is installed" call "$layer" --version
	done
}

check_clock() {
	year=$(date -u +%Y)
	if [ "$year" -ge 2025 ] && [ "$year" -lt 2100 ]; then
		good "the clock says $(date -u +%Y-%m-%dT%H:%M:%SZ)"
	else
		missing "the clock says $(date -u +%Y-%m-%d): certificates are judged by it, set it"
	fi
}

# What of a verdict failed first, and what to do; else its last line.
why_not() {	# TEXT
	printf '%s\n' "$1" | awk '
		$1 == "FAIL" && why == "" { sub(/^ *FAIL *[^ ]+ */, ""); why = $0 }
		$1 == "fix:" { sub(/^ *fix: */, ""); fix = $0 }
		{ last = $0 }
		END { print (why == "" ? last : why) (fix == "" ? "" : "; " fix) }'
}

check_credentials() {
	is_ipsec || return 0
	if [ -n "$(conf psk)" ]; then
		good "a PSK, for the identity $(conf id)"
		return 0
	fi
	trust=$(conf trust)
	identity=$(conf identity)
	set --
	# shellcheck disable=SC2046	# prefixes, without blanks
	for one in $(conf address | sed 's,/.*,,') $(conf lan); do
		set -- "$@" --may "$one"
	done
	if text=$(call pki verify --trust "$trust" "$@" "$identity" \
		2>&1 </dev/null); then
		case $text in
		*'no address blocks'*)
			less "the certificate of $identity verifies, but says nothing of addresses:" \
				'others may claim ours first; issue it with --tunnel-address and --subnet'
			;;
		*) good "the certificate of $identity verifies, and allows what is ours" ;;
		esac
	else
		missing "the certificate of $identity: $(why_not "$text")"
	fi
}

check_names() {
	{ conf hub; conf headend; } | sed 's/ .*//' |
	{
		rc=0
		while IFS= read -r one; do
			is_numeric "$one" && continue
			if text=$(call dpd resolve "$one" 2>&1 </dev/null); then
				good "$one is $(say "$text" | head -n 1)"
			else
				missing "$one: ${text##*"$NL"}"
				rc=1
			fi
		done
		exit "$rc"
	} || CHECK_BAD=$((CHECK_BAD + 1))
}

is_numeric() {
	is_address "$1" || is_ipv4 "${1%:*}" || case $1 in
	\[*) return 0 ;;
	*) return 1 ;;
	esac
}

check_local() {
	where=$(conf local)
	[ -n "$where" ] && ! is_address "$where" || return 0
	if [ -n "$(local_address)" ]; then
		good "$where has the address $(local_address)"
	else
		missing "$where: there is no such interface with an address"
	fi
}

# May we have a port below 1,024?  Where nobody can tell, it is tried later.
may_bind() {
	read -r least 2>/dev/null \
		</proc/sys/net/ipv4/ip_unprivileged_port_start || least=1024
	[ "$least" -gt 500 ] || return 0
	# CAP_NET_BIND_SERVICE is bit 10
	case $(sed -n 's/^CapEff:[^0-9a-f]*//p' /proc/self/status 2>/dev/null) in
	'' | *[4-7c-f]??) return 0 ;;
	esac
	return 1
}

check_port_500() {
	is_ipsec || return 0
	if call dpd hello ike >/dev/null 2>&1; then
		good 'UDP port 500 is held by dmvpn-ike, which runs'
	elif grep -qs '^ *[0-9]*: [0-9A-F]*:01F4 ' /proc/net/udp /proc/net/udp6; then
		missing 'UDP port 500 is in use by another program:' \
			"\"ss -lnpu 'sport = 500'\" shows which"
	elif ! may_bind; then
		missing 'UDP port 500 needs CAP_NET_BIND_SERVICE, or' \
			'net.ipv4.ip_unprivileged_port_start of 500 at most'
	else
		good 'UDP port 500 is free'
	fi
}

# What dmvpn-gre finds, as lines like ours.
check_machine() {
	call gre check </dev/null >"$work/gre" || CHECK_BAD=$((CHECK_BAD + 1))
	while read -r verdict name text; do
		case $verdict in
		ok) good "$text" ;;
		less) less "$text" ;;
		'->') say "    $name $text" ;;
		*) say "  $RED-$PLAIN $text" ;;
		esac
	done <"$work/gre"
}

# The root of a container may be read-only.
temporary() {
	for where in /tmp /run /dev/shm "$RUN"; do
		mktemp -d "$where/dmvpn.XXXXXX" 2>/dev/null && return 0
	done
	fail 111 "no temporary directory, neither in /tmp nor in $RUN"
}

# check FILE
check() {
	[ "$#" -eq 1 ] || usage_error 'check: one file is wanted' 'check FILE'
	colours
	work=$(temporary)
	trap 'rm -rf "$work"' EXIT
	parse_file "$1" "$work/conf" || exit 100
	CONF=$work/conf
	T=$(conf tunnel)
	ROLE=$(conf role)
	good "$1: tunnel $T, $ROLE"
	check_programs
	check_clock
	check_credentials
	check_local
	check_names
	check_port_500
	check_machine
	if [ "$CHECK_BAD" -eq 0 ]; then
		say 'all is there'
		return 0
	fi
	say "missing: $CHECK_BAD"
	return 1
}
