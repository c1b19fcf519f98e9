
# ---- the tunnel file (dmvpn(5))
#
# parse_file FILE OUT reads it into OUT: a line for each value, "key value",
# file names absolute.  What is wrong is said on stderr as
# "file:line: what is wrong, what was expected"; then it returns 1 and
# nothing else has happened.

TUNNEL_KEYS='tunnel role address key identity psk id trust crl hub headend lan
route authentication network-id hold protect local mtu qos proposals esp
peer-id failback probe-after shortcut redirect need-blocks raw-esp idle
crl-every need-crl staple ocsp renew queues
on-up on-down on-failover'

bad() {	# WHAT EXPECTED
	printf '%s:%s: %s, expected %s\n' "$TF" "$LINE" "$1" "$2" >&2
	BAD=$((BAD + 1))
	[ "$BAD" -lt 20 ] || { warn "$TF: too many mistakes"; return 1; }
}

is_name() {	# TEXT MAX: letters, digits and "_.-", not first a dot or minus
	case $1 in
	'' | [.-]* | *[!A-Za-z0-9_.-]*) return 1 ;;
	esac
	[ "${#1}" -le "$2" ]
}

is_interface() {
	case $1 in
	*[A-Za-z]*) is_name "$1" 15 ;;
	*) return 1 ;;
	esac
}

is_ipv4() {
	case $1 in
	*[!0-9.]* | *..* | .* | *.) return 1 ;;
	esac
	old_ifs=$IFS
	IFS=.
	# shellcheck disable=SC2086
	set -- $1
	IFS=$old_ifs
	[ $# -eq 4 ] || return 1
	for octet; do
		is_number "$octet" 0 255 || return 1
	done
}

# The 128 bits as hexadecimal digits, or nothing.
ipv6_digits() {
	case $1 in
	*[!0-9a-fA-F:]* | *:::* | *::*::* | '' | [!:]*[!:]: | :[!:]*) return 0 ;;
	esac
	printf '%s\n' "$1" | awk '
	function groups(s, g,   n, i) {
		if (s == "") return 0
		n = split(s, g, ":")
		for (i = 1; i <= n; i++)
			if (g[i] == "" || length(g[i]) > 4) bad = 1
		return n
	}
	function pad(s) { return substr("0000" tolower(s), length(s) + 1) }
	{
		at = index($0, "::"); out = ""
		if (at) {
			n = groups(substr($0, 1, at - 1), a)
			m = groups(substr($0, at + 2), b)
			if (n + m > 7) bad = 1
		} else {
			n = groups($0, a); m = 0
			if (n != 8) bad = 1
		}
		if (bad) exit
		for (i = 1; i <= n; i++) out = out pad(a[i])
		for (i = n + m; i < 8; i++) out = out "0000"
		for (i = 1; i <= m; i++) out = out pad(b[i])
		print out
	}'
}

is_address() {
	case $1 in
	*:*) [ -n "$(ipv6_digits "$1")" ] ;;
	*) is_ipv4 "$1" ;;
	esac
}

# An address in hexadecimal.
digits() {
	case $1 in
	*:*) ipv6_digits "$1" ;;
	*)
		old_ifs=$IFS
		IFS=.
		# shellcheck disable=SC2086
		set -- $1
		IFS=$old_ifs
		printf '%02x%02x%02x%02x\n' "$@"
		;;
	esac
}

# Is the address in the network of the prefix?
holds() {	# ADDRESS/LENGTH ADDRESS
	say "$(digits "${1%/*}") $(digits "$2") ${1#*/}" | awk '
	function bits(s, at, n,   d) {	# the first n of the digit there
		d = index("0123456789abcdef", substr(s, at, 1)) - 1
		return int(d / unit[n])
	}
	BEGIN { unit[0] = 16; unit[1] = 8; unit[2] = 4; unit[3] = 2 }
	{
		whole = int($3 / 4)
		exit !(length($1) == length($2) &&
			substr($1, 1, whole) == substr($2, 1, whole) &&
			bits($1, whole + 1, $3 % 4) == bits($2, whole + 1, $3 % 4))
	}'
}

# Only an address with a length; host bits may be set.
is_host_prefix() {
	case $1 in
	*/*) ;;
	*) return 1 ;;
	esac
	is_address "${1%/*}" || return 1
	case $1 in
	*:*) is_number "${1#*/}" 0 128 ;;
	*) is_number "${1#*/}" 0 32 ;;
	esac
}

# The network of a prefix is what it says: no host bits.
is_network() {
	length=${1#*/}
	case $1 in
	*:*)
		ipv6_digits "${1%/*}" | awk -v n="$length" '{
			for (i = 1; i <= 32; i++) {
				d = index("0123456789abcdef", substr($0, i, 1)) - 1
				for (b = 8; b >= 1; b /= 2) {
					bit = int(d / b) % 2
					if (at++ >= n && bit) exit 1
				}
			}
		}'
		;;
	*)
		old_ifs=$IFS
		IFS=./
		# shellcheck disable=SC2086
		set -- $1
		IFS=$old_ifs
		network=$(($1 * 16777216 + $2 * 65536 + $3 * 256 + $4))
		[ $((network % (1 << (32 - length)))) -eq 0 ]
		;;
	esac
}

is_time() {	# TEXT MIN MAX: 90, 90s, 15m, 8h, 30d; in seconds
	is_number "${1%[smhd]}" 0 4294967 &&
		is_number "$(seconds_of "$1")" "$2" "$3"
}

seconds_of() {
	case $1 in
	*m) say $((${1%m} * 60)) ;;
	*h) say $((${1%h} * 3600)) ;;
	*d) say $((${1%d} * 86400)) ;;
	*) say "${1%s}" ;;
	esac
}

# An address or host name, with a port or without.
is_endpoint() {
	case $1 in
	\[*\]) is_address "$(strip_brackets "$1")"; return ;;
	\[*\]:*)
		is_number "${1##*:}" 1 65535 &&
			is_address "$(strip_brackets "${1%:*}")"
		return
		;;
	*:*:*) is_address "$1"; return ;;
	*:*) is_number "${1##*:}" 1 65535 || return 1 ;;
	esac
	case ${1%:*} in
	*[!0-9.]*) is_name "${1%:*}" 180 ;;
	*) is_ipv4 "${1%:*}" ;;
	esac
}

strip_brackets() {
	stripped=${1#\[}
	say "${stripped%\]}"
}

# An endpoint without its port and brackets.
host_of() {
	case $1 in
	\[*) stripped=${1#\[}; say "${stripped%%\]*}" ;;
	*:*:*) say "$1" ;;
	*) say "${1%:*}" ;;
	esac
}

# Relative to the folder of the tunnel file.
absolute() {
	case $1 in
	/*) say "$1" ;;
	*) say "$TF_DIR/$1" ;;
	esac
}

# How often a key may stand, and for which roles.
key_rule() {
	case $1 in
	address) say '8 any' ;;
	crl) say '64 any' ;;
	hub) say '8 spoke' ;;
	headend) say '8 remote' ;;
	lan) say '32 any' ;;
	route) say '32 spoke headend remote' ;;
	peer-id) say '16 any' ;;
	on-*) say '8 any' ;;
	authentication | network-id | hold) say '1 hub spoke' ;;
	key) say '1 hub spoke' ;;
	redirect) say '1 hub' ;;
	shortcut | idle) say '1 spoke' ;;
	failback) say '1 remote' ;;
	*) say '1 any' ;;
	esac
}

# check_value KEY VALUE...: says what is wrong, or prints "key value".
check_value() {
	value_key=$1
	shift
	value=$*
	wrong="$value_key \"$value\""
	case $value_key in
	tunnel)
		{ is_interface "$value" && [ "$value" = "${value%.standby}" ]; } ||
			bad "$wrong" 'a name of an interface: at most 15 letters, digits, "_", "." and "-"'
		;;
	role)
		case $value in
		hub | spoke | headend | remote) ;;
		*) bad "$wrong" 'hub, spoke, headend or remote' ;;
		esac
		;;
	address)
		is_host_prefix "$value" ||
			bad "$wrong" 'an address with its length, such as 10.0.0.2/24'
		;;
	lan | route) check_network "$@" ;;
	key) is_number "$value" 0 4294967295 ||
		bad "$wrong" 'a number of 0 to 4294967295' ;;
	network-id) is_number "$value" 0 4294967295 ||
		bad "$wrong" 'a number of 0 to 4294967295' ;;
	mtu) is_number "$value" 576 65535 ||
		bad "$wrong" 'a number of 576 to 65535' ;;
	hold | idle) is_time "$value" 1 65535 ||
		bad "$wrong" 'a time of 1 s to 18 h, such as 90, 90s, 15m, 8h' ;;
	probe-after) is_time "$value" 0 3600 ||
		bad "$wrong" 'a time of 1 h at most, such as 5, 90s, 15m' ;;
	failback) is_time "$value" 0 86400 ||
		bad "$wrong" 'a time of 1 d at most, such as 90, 90s, 15m, 8h' ;;
	crl-every) is_time "$value" 1 604800 ||
		bad "$wrong" 'a time of 1 s to 7 d, such as 90, 15m, 8h' ;;
	protect)
		case $value in
		ipsec | none) ;;
		*) bad "$wrong" 'ipsec or none' ;;
		esac
		;;
	shortcut | redirect | need-blocks | raw-esp | need-crl)
		case $value in
		yes | no) ;;
		*) bad "$wrong" 'yes or no' ;;
		esac
		;;
	local)
		is_address "$value" || is_interface "$value" ||
			bad "$wrong" 'an address or the name of an interface'
		;;
	qos) check_rate "$value" ;;
	id | peer-id)
		is_number "${#value}" 1 127 ||
			bad "$wrong" 'an identity, such as spoke1.example.net'
		;;
	hub) check_hub "$@" ;;
	headend) check_headend "$@" ;;
	renew) check_renew "$@" ;;
	proposals | esp) check_words "$@" ;;
	crl) is_url "$value" || check_file "$value" ;;
	staple)
		[ "$value" = auto ] || is_url "$value" ||
			bad "$wrong" 'the URL of an OCSP responder, or auto'
		;;
	ocsp)
		case $value in
		off | ask | need) ;;
		*) bad "$wrong" 'off, ask or need' ;;
		esac
		;;
	queues)
		[ "$value" = auto ] || [ "$value" = off ] ||
			is_number "$value" 1 64 ||
			bad "$wrong" 'auto, off or a number of 1 to 64'
		;;
	identity)
		check_file "$value" && check_key_file &&
			check_pem 'PRIVATE KEY' 'a private key' &&
			check_pem CERTIFICATE 'a certificate'
		;;
	psk) check_file "$value" && check_key_file ;;
	trust) check_file "$value" && check_pem CERTIFICATE 'certificates' ;;
	authentication) check_file "$value" ;;
	on-up | on-down | on-failover) check_hook "$value" ;;
	esac
}

check_network() {
	if [ "$#" -gt 1 ]; then
		bad "$wrong" "one network a line: \"$value_key $1\""
	elif ! is_host_prefix "$1"; then
		bad "$wrong" 'a network with its length, such as 192.168.2.0/24'
	elif ! is_network "$1"; then
		bad "$wrong has host bits set" 'the address of the network'
	fi
}

# 512k, 10M, 1G, or bits per second.
bits_of() {
	case $1 in
	*k) say "${1%k}000" ;;
	*M) say "${1%M}000000" ;;
	*G) say "${1%G}000000000" ;;
	*) say "$1" ;;
	esac
}

check_rate() {
	{ is_number "${1%[kMG]}" 1 4294967295 &&
		[ "$(bits_of "$1")" -ge 8000 ]; } ||
		bad "$wrong" 'a rate of 8k or more, such as 512k, 10M or 1G bit/s'
}

check_hub() {
	if [ $# -ne 2 ]; then
		bad "$wrong" 'its public address or name, then its tunnel address'
	elif ! is_endpoint "$1"; then
		bad "hub \"$1\"" 'an address or a host name, with or without :port'
	elif ! is_address "$2"; then
		bad "tunnel address \"$2\"" 'an address without a length'
	fi
}

check_headend() {
	if [ $# -lt 1 ] || [ $# -gt 2 ]; then
		bad "$wrong" 'an address or host name, then its identity if wanted'
	elif ! is_endpoint "$1"; then
		bad "headend \"$1\"" 'an address or a host name, with or without :port'
	fi
}

# "renew est https://hub.example.net:8443": a protocol, where, how.
check_renew() {
	case $1 in
	scep | est | cmp) ;;
	*) bad "$wrong" 'scep, est or cmp, then a URL'; return 0 ;;
	esac
	if [ $# -lt 2 ] || ! is_url "$2"; then
		bad "$wrong" "$1, then the URL of its server"
		return 0
	fi
	shift 2
	while [ $# -gt 0 ]; do
		case $1 in
		--legacy) ;;
		--ra | --label | --template | --timeout)
			[ $# -ge 2 ] || {
				bad "renew: $1 without its value" 'one'
				return 0
			}
			shift
			;;
		*)
			bad "renew: \"$1\"" '--legacy, --ra, --label, --template or --timeout'
			return 0
			;;
		esac
		shift
	done
}

check_words() {
	is_number "$#" 1 8 || bad "$wrong" '1 to 8 proposals'
	esp=
	example=aes256gcm16-prfsha384-ecp384
	[ "$value_key" != esp ] || { esp=--esp; example=aes128gcm16-x25519; }
	for proposal; do
		# shellcheck disable=SC2086	# it may be none
		if ! is_name "$proposal" 95; then
			bad "$value_key \"$proposal\"" \
				"words such as $example, with blanks between them"
		elif ! text=$(call ike proposals $esp "$proposal" 2>&1); then
			text=${text#dmvpn-ike: }
			bad "$value_key: ${text%; \"dmvpn-ike*}" \
				"what \"dmvpn-ike proposals${esp:+ $esp}\" lists"
		fi
	done
}

check_file() {
	value=$(absolute "$1")
	faults=$BAD
	if [ ! -e "$value" ]; then
		case $1 in
		[\"\']*[\"\']) bad "$wrong" 'the name without quotes' ;;
		*) bad "$wrong is not there" 'a file' ;;
		esac
	elif [ ! -f "$value" ] || [ ! -r "$value" ]; then
		bad "$wrong can not be read" 'a readable file'
	elif [ ! -s "$value" ]; then
		bad "$wrong is empty" 'a file with something in it'
	fi
	[ "$BAD" -eq "$faults" ]
}

# What holds a secret is for its owner.
check_key_file() {
	# shellcheck disable=SC2012	# its mode is wanted, and stat is not POSIX
	case $(ls -lnd -- "$value" 2>/dev/null) in
	-???------*) return 0 ;;
	esac
	bad "$wrong can be read by others" "mode 600: \"chmod 600 $value\""
	return 1
}

check_pem() {	# WORDS WHAT
	grep -q -e "-----BEGIN .*$1-----" -e "-----BEGIN $1-----" "$value" && return 0
	bad "$wrong holds no ${2#a }" "PEM with $2"
	return 1
}

check_hook() {
	value=$(absolute "$1")
	{ [ -f "$value" ] && [ -x "$value" ]; } ||
		bad "$wrong" 'a program that can be run'
}

# Is the key known, allowed so often, given once?
check_key() {	# KEY
	case " $(printf '%s' "$TUNNEL_KEYS" | tr '\n' ' ') " in
	*" $1 "*) ;;
	*)
		unknown_key "$1"
		return 1
		;;
	esac
	rule=$(key_rule "$1")
	seen=0
	for was in $SEEN; do
		[ "${was%:*}" != "$1" ] || seen=$((seen + 1))
	done
	[ "$seen" -lt "${rule%% *}" ] && return 0
	if [ "${rule%% *}" = 1 ]; then
		bad "$1 is given twice" 'it once'
	else
		bad "$1 is given more than $seen times" 'fewer'
	fi
	return 1
}

parse_line() {
	case $1 in
	*"$CR"*)
		bad 'the line ends in a carriage return' \
			"Unix line ends, which \"sed -i 's/\\r\$//' ${TF##*/}\" makes"
		return 1
		;;
	esac
	text=${1%%[ "$TAB"]#*}
	# shellcheck disable=SC2086
	set -- $text
	case ${1:-#} in
	'#'*) return 0 ;;
	esac
	line_key=$1
	shift
	check_key "$line_key" || return 0
	case ${1:-} in
	'')
		bad "$line_key has no value" 'one'
		return 0
		;;
	= | :)
		bad "\"$1\" after $line_key" "the value alone: \"$line_key ${2:-VALUE}\""
		SEEN="$SEEN$line_key:$LINE "
		return 0
		;;
	esac
	before=$BAD
	case $line_key in
	identity | psk | trust | crl | authentication | on-*)
		# a file name may hold blanks: the rest of the line
		rest=${text#*"$line_key"}
		rest=${rest#"${rest%%[! "$TAB"]*}"}
		check_value "$line_key" "${rest%"${rest##*[! "$TAB"]}"}" || :
		;;
	*) check_value "$line_key" "$@" || : ;;
	esac
	case $NL$PARSED in
	*"$NL$line_key $value$NL"*)
		bad "$line_key \"$value\" is given twice" 'it once'
		;;
	esac
	[ "$BAD" -gt "$before" ] || PARSED=$PARSED$line_key\ $value$NL
	SEEN="$SEEN$line_key:$LINE "
}

# values KEY: what was given for it, a line each.
values() {
	printf '%s' "$PARSED" | sed -n "s/^$1 //p"
}

given() {
	case $SEEN in
	*" $1:"*) return 0 ;;
	esac
	return 1
}

line_of() {	# KEY [NUMBER]
	times=0
	for was in $SEEN; do
		[ "${was%:*}" = "$1" ] || continue
		times=$((times + 1))
		[ "$times" -lt "${2:-1}" ] || {
			say "${was#*:}"
			return 0
		}
	done
}

need() {	# KEY WHY
	given "$1" || bad "there is no \"$1\"" "$2"
}

# What only makes sense together, or for one role.
check_whole() {
	[ "$LINE" -gt 0 ] || LINE=1	# of an empty file
	LAST=$LINE
	need tunnel 'the name of the interface'
	need role 'hub, spoke, headend or remote'
	tunnel_role=$(values role)
	[ -n "$tunnel_role" ] || return 0
	for whole_key in $TUNNEL_KEYS; do
		rule=$(key_rule "$whole_key")
		given "$whole_key" || continue
		case " ${rule#* } " in
		*' any '* | *" $tunnel_role "*) continue ;;
		esac
		LINE=$(line_of "$whole_key")
		bad "$whole_key is not for a $tunnel_role" "it only for: ${rule#* }"
	done
	LINE=$LAST
	check_role
	check_secrets
	[ "$BAD" -gt 0 ] || check_hubs
}

# A hub is another one, on our tunnel.
check_hubs() {
	number=0
	while read -r public inner; do
		[ -n "$inner" ] || continue
		number=$((number + 1))
		LINE=$(line_of hub "$number")
		check_inner "$(host_of "$public")" "$inner"
	done <<-END
	$(values hub)
	END
}

check_inner() {	# PUBLIC INNER
	for own in $(values address); do
		[ "$(digits "${own%/*}")" != "$(digits "$2")" ] || {
			bad "hub: the tunnel address \"$2\" is our own" "the hub's"
			return 0
		}
	done
	for own in $(values address); do
		case $own in
		*.*/32 | *:*/128) return 0 ;;	# it says nothing of others
		esac
		! holds "$own" "$2" || return 0
	done
	turned=
	! is_address "$1" || ! holds "$own" "$1" ||
		turned=': its public address comes first'
	bad "hub: the tunnel address \"$2\" is in none of our networks" \
		"one in $own$turned"
}

check_role() {
	case $tunnel_role in
	hub) need address 'the address on the tunnel' ;;
	spoke)
		need address 'the address on the tunnel'
		need hub 'where a hub is: its public, then its tunnel address'
		;;
	headend) need lan 'the networks behind this headend' ;;
	remote)
		need headend 'where a headend is'
		need lan 'the networks behind this site'
		need route 'the networks behind the headend'
		;;
	esac
}

check_secrets() {
	if [ "$(values protect)" = none ]; then
		case $tunnel_role in
		hub | spoke) ;;
		*)
			LINE=$(line_of protect)
			bad "protect none with role $tunnel_role" 'it only for hub and spoke'
			;;
		esac
		check_clear_hubs
		return 0
	fi
	if given identity; then
		need trust 'the certificates of who may sign for peers'
		if given psk; then
			LINE=$(line_of psk)
			bad 'psk beside identity' 'one of them'
		fi
	elif given psk; then
		for one in crl need-crl staple ocsp renew; do
			given "$one" || continue
			LINE=$(line_of "$one")
			bad "$one beside psk" 'it beside identity and trust'
		done
		need id 'our IKE identity beside psk'
	else
		bad 'there is no credential' '"identity" with "trust", or "psk" with "id"'
	fi
}

# Without IPsec nobody looks up names, and there is no port.
check_clear_hubs() {
	LINE=$(line_of hub)
	for public in $(values hub | sed 's/ .*//'); do
		is_address "$(host_of "$public")" ||
			bad "hub \"$public\" with protect none" 'an address'
	done
}

refuse_file() {
	LINE=1
	bad "$1" "$2"
	exit 100
}

# parse_file FILE OUT
parse_file() {
	TF=$1
	LINE=0
	BAD=0
	PARSED=
	SEEN=' '
	{ [ -f "$TF" ] && [ -r "$TF" ]; } ||
		refuse_file 'is not a file that can be read' 'a tunnel file'
	TF_DIR=$(cd -- "$(dirname -- "$TF")" && pwd -P)
	size=$(wc -c <"$TF")
	[ "$size" -le "$FILE_MAX" ] ||
		refuse_file "$((size)) octets" "at most $FILE_MAX"
	if ! LC_ALL=C tr -d '\11\12\15\40-\176\200-\377' <"$TF" |
		wc -c | grep -q '^ *0$'; then
		refuse_file 'holds control characters' 'text'
	fi
	while IFS= read -r raw || [ -n "$raw" ]; do
		LINE=$((LINE + 1))
		case $raw in
		"$BOM"*)
			bad 'a byte order mark before the first word' 'plain text'
			raw=${raw#"$BOM"}
			;;
		esac
		parse_line "$raw" || return 1
	done <"$TF"
	check_whole
	[ "$BAD" -eq 0 ] || return 1
	[ -z "$2" ] || {
		printf 'file %s\n%s' "$TF_DIR/${TF##*/}" "$PARSED" >"$2"
	} 2>/dev/null || fail 111 "$2: can not be written; is there room?"
}
