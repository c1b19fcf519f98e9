
# ---- the right word for a wrong one

# The nearest of WORDS to WORD, if it is near enough: "did you mean".
nearest() {	# WORD WORDS...
	word=$1
	shift
	printf '%s\n' "$@" | awk -v a="$word" '
	function min(x, y) { return x < y ? x : y }
	function distance(a, b,   i, j, m, n, d) {
		m = length(a); n = length(b)
		for (i = 0; i <= m; i++) d[i, 0] = i
		for (j = 0; j <= n; j++) d[0, j] = j
		for (i = 1; i <= m; i++)
			for (j = 1; j <= n; j++)
			{
				same = substr(a, i, 1) == substr(b, j, 1)
				d[i, j] = min(d[i-1, j], d[i, j-1]) + 1
				d[i, j] = min(d[i, j], d[i-1, j-1] + !same)
			}
		return d[m, n]
	}
	BEGIN { best = int((length(a) + 1) / 3) + 1 }
	{ x = distance(a, $0); if (x < best && x < length(a)) { best = x; w = $0 } }
	END { if (w != "") print w }'
}

# The key that other systems call so.
meant() {	# WORD
	case $1 in
	nhs | hubs) say hub ;;
	subnet | subnets | network | networks) say lan ;;
	mode | type | spoke | remote) say role ;;
	ca | cacert | ca-cert | anchor | anchors | trustpoint) say trust ;;
	cert | certificate) say identity ;;
	secret | password | pre-shared-key) say psk ;;
	interface | name | device | dev) say tunnel ;;
	source) say local ;;
	ip | addr) say address ;;
	server | gateway) say headend ;;
	holdtime) say hold ;;
	dpd | keepalive) say probe-after ;;
	rate | bandwidth) say qos ;;
	ike | proposal) say proposals ;;
	transform-set) say esp ;;
	auth) say authentication ;;
	esac
}

# Said of a key that there is not; the one that was meant counts as given.
unknown_key() {	# KEY
	shown=$(printf '%.40s' "$1" | tr '\200-\377' '?')
	if [ "$shown" != "$(printf '%.40s' "$1")" ]; then
		bad "unknown key \"$shown\"" 'blanks and letters of ASCII'
		return 0
	fi
	guess=$(meant "$1")
	# shellcheck disable=SC2086
	[ -n "$guess" ] || guess=$(nearest "${1%%[=:]*}" $TUNNEL_KEYS)
	[ -z "$guess" ] || SEEN="$SEEN$guess:$LINE "
	case $guess$1 in
	*=*) guess="\"${guess:-key} VALUE\", with a blank between them" ;;
	"$1") guess='a key of dmvpn(5)' ;;
	*) guess="\"$guess\"" ;;
	esac
	bad "unknown key \"$shown\"" "$guess"
}
