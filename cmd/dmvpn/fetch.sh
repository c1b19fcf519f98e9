
# ---- revocation from elsewhere
#
# A tunnel whose file names URLs has a fetcher: dmvpn-pki watch, a process
# without keys that the daemons never wait for.  The supervisor starts it
# again when it has ended, and anew when the file says something else.
#	$SUP/TUNNEL.fetch	its pid and start time
#	$SUP/TUNNEL.fetching	what it was started with

is_url() {
	case $1 in
	*[" $TAB"]*) ;;
	http://?* | https://?*) return 0 ;;
	esac
	return 1
}

# ARGS are those of the fetcher of the selected tunnel; empty: it needs none.
fetch_args() {
	args
	while IFS= read -r one; do
		! is_url "$one" || arg "$one"
	done <<-END
	$(conf crl)
	END
	arg_if staple --ocsp
	[ -n "$ARGS" ] || return 0
	arg_time crl-every --every
	arg --only "$T" --cache "$RUN/crl"
}

start_fetcher() {
	printf '%s' "$ARGS" >"$SUP/$T.fetching"
	IFS=$NL
	# shellcheck disable=SC2086
	set -- $ARGS
	IFS=" $TAB$NL"
	DMVPN_LOG=$LOG "$(program pki)" watch "$@" >>"$RUN/log/pki.log" 2>&1 </dev/null &
	record_pid "$SUP/$T.fetch" "$!"
}

stop_fetcher() {	# TUNNEL
	if pid=$(recorded_pid "$SUP/$1.fetch"); then
		kill -TERM "$pid" 2>/dev/null || :
	fi
	rm -f "$SUP/$1.fetch" "$SUP/$1.fetching"
}

# Each tunnel has the fetcher that its file asks for, and none another.
look_after_fetchers() {
	for tunnel in $(tunnels); do
		select_tunnel "$tunnel"
		fetch_args
		# a command substitution takes newlines off the end
		[ "${ARGS%"$NL"}" = "$(cat "$SUP/$T.fetching" 2>/dev/null)" ] ||
			stop_fetcher "$T"
		[ -z "$ARGS" ] || recorded_pid "$SUP/$T.fetch" >/dev/null ||
			start_fetcher
	done
	for fetcher in $(set +f; printf '%s ' "$SUP"/*.fetch); do
		fetcher=${fetcher##*/}
		fetcher=${fetcher%.fetch}
		[ "$fetcher" = '*' ] || [ -f "$RUN/tunnels/$fetcher" ] ||
			stop_fetcher "$fetcher"
	done
}

stop_fetchers() {
	for fetcher in $(set +f; printf '%s ' "$SUP"/*.fetch); do
		fetcher=${fetcher##*/}
		[ "$fetcher" = '*.fetch' ] || stop_fetcher "${fetcher%.fetch}"
	done
}
