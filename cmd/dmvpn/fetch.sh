
# ---- helpers: revocation from elsewhere, certificates that are renewed
#
# A tunnel whose file names URLs of lists has dmvpn-pki watch, and one with
# "renew" dmvpn-pki enroll --watch: processes that the daemons never wait for.
# The supervisor starts one again when it has ended, and anew when the file
# says something else.  KIND is fetch or renew:
#	$SUP/TUNNEL.KIND	its pid and start time
#	$SUP/TUNNEL.KIND.args	what it was started with
#	$SUP/TUNNEL.renewal	why renewal fails; not there: it does not
#	$SUP/TUNNEL.loaded	a sum of the identity that the agent has

HELPERS='fetch renew'
HELPER_PAUSE=10		# seconds from one start to the next

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
	ARGS=watch$NL$ARGS
}

# The certificate is renewed where it is; the agent has it from us, with all
# that the tunnel file says about it.
renew_args() {
	args
	# shellcheck disable=SC2046
	set -- $(conf renew)
	[ $# -ge 2 ] || return 0
	args enroll "$1" --watch --no-load --renew "$(conf identity)"
	arg_each trust --trust
	arg --alarm "$SUP/$T.renewal"
	url=$2
	shift 2
	arg "$@"
	arg "$url" renewal
}

start_helper() {	# KIND
	now=$(uptime_seconds)
	[ $((now - $(cat "$SUP/$T.$1.at" 2>/dev/null || say -99))) -ge \
		"$HELPER_PAUSE" ] || return 0
	note "$SUP/$T.$1.at" "$now"
	{ printf '%s' "$ARGS" >"$SUP/$T.$1.args"; } 2>/dev/null || :
	helper=$SUP/$T.$1
	IFS=$NL
	# shellcheck disable=SC2086
	set -- $ARGS
	IFS=" $TAB$NL"
	DMVPN_LOG=$LOG "$(program pki)" "$@" >>"$RUN/log/pki.log" 2>&1 </dev/null &
	record_pid "$helper" "$!"
}

stop_helper() {	# TUNNEL KIND
	if pid=$(recorded_pid "$SUP/$1.$2"); then
		kill -TERM "$pid" 2>/dev/null || :
	fi
	rm -f "$SUP/$1.$2" "$SUP/$1.$2.args" "$SUP/$1.$2.at"
	[ "$2" = fetch ] || rm -f "$SUP/$1.renewal"
}

# Each tunnel has the helpers that its file asks for, and none another.
look_after_helpers() {
	for tunnel in $(tunnels); do
		select_tunnel "$tunnel"
		load_renewed
		for kind in $HELPERS; do
			look_after_helper "$kind"
		done
	done
	each_helper stop_stray
}

look_after_helper() {	# KIND
	"$1_args"
	# a command substitution takes newlines off the end
	[ "${ARGS%"$NL"}" = "$(cat "$SUP/$T.$1.args" 2>/dev/null)" ] ||
		stop_helper "$T" "$1"
	[ -z "$ARGS" ] || recorded_pid "$SUP/$T.$1" >/dev/null ||
		start_helper "$1"
}

each_helper() {	# FUNCTION: with TUNNEL and KIND
	for kind in $HELPERS; do
		for helper in $(set +f; printf '%s ' "$SUP"/*."$kind"); do
			helper=${helper##*/}
			helper=${helper%."$kind"}
			[ "$helper" = '*' ] || "$1" "$helper" "$kind"
		done
	done
}

stop_stray() {
	[ -f "$RUN/tunnels/$1" ] || {
		stop_helper "$1" "$2"
		rm -f "$SUP/$1.loaded"
	}
}

stop_helpers() {
	each_helper stop_helper
}

# A new certificate is in its place: tell the agent, as when the tunnel came up.
load_renewed() {
	[ -n "$(conf renew)" ] || return 0
	sum=$(cksum 2>/dev/null <"$(conf identity)") || return 0
	before=$(cat "$SUP/$T.loaded" 2>/dev/null || say "$sum")
	[ "$sum" = "$before" ] || apply_one pki "$T" || return 0
	note "$SUP/$T.loaded" "$sum"
}
