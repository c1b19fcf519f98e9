
# ---- join: from a token to a tunnel that answers

JOIN_USAGE='join [-d DIR] [-t NAME] [-f] [-n] TOKEN|FILE|-'
JOIN_PINGS=10		# a second each

join_options() {
	JOIN_ARGS=
	JOIN_UP=yes
	while [ $# -gt 0 ]; do
		case $1 in
		-d | --directory | -t | --tunnel)
			[ $# -ge 2 ] || usage_error "join: $1 needs a value" \
				"$JOIN_USAGE"
			JOIN_ARGS=$JOIN_ARGS$1$NL$2$NL
			shift
			;;
		-f | --force) JOIN_ARGS=$JOIN_ARGS$1$NL ;;
		-n | --no-up) JOIN_UP=no ;;
		-?*) usage_error "join: option $1 is not known" "$JOIN_USAGE" ;;
		*) break ;;
		esac
		shift
	done
	[ $# -eq 1 ] || usage_error 'join: one token is wanted' "$JOIN_USAGE"
	JOIN_TOKEN=$1
}

# Prints the tunnel file.  A token goes to the program by a pipe, where nobody
# sees it.
join_enrol() {
	args join
	ARGS=$ARGS$JOIN_ARGS
	case $JOIN_TOKEN in
	dmvpn[0-9]*.*)
		arg -
		printf '%s\n' "$JOIN_TOKEN" | run_args pki
		;;
	*)
		arg "$JOIN_TOKEN"
		run_args pki
		;;
	esac
}

join_ping() {	# ADDRESS
	command -v ping >/dev/null || {
		missing "the hub at $1 was not asked: there is no ping here"
		return 0
	}
	tries=0
	until text=$(ping -n -c 1 -W 1 "$1" 2>&1); do
		tries=$((tries + 1))
		[ "$tries" -lt "$JOIN_PINGS" ] ||
			fail 1 "$1, the hub, does not answer: see dmvpn status"
	done
	text=${text#*time=}
	good "the hub at $1 answers in ${text%%"$NL"*}"
}

join() {
	join_options "$@"
	colours
	file=$(join_enrol) || exit $?
	good "enrolled; the tunnel file is $file"
	(check "$file") || fail 1 "$file is there, but something is missing"
	[ "$JOIN_UP" = yes ] || return 0
	up --wait "$file"
	good "$(sed -n 's/^tunnel //p' "$file") is up"
	join_ping "$(sed -n 's/^hub [^ ]* //p' "$file" | head -n 1)"
}
