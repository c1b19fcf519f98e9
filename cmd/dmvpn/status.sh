
# ---- status: one page

ago() {	# SECONDS
	if [ "$1" -lt 120 ]; then
		say "$1 s"
	elif [ "$1" -lt 7200 ]; then
		say "$(($1 / 60)) min"
	elif [ "$1" -lt 172800 ]; then
		say "$(($1 / 3600)) h"
	else
		say "$(($1 / 86400)) d"
	fi
}

mark() {	# GOOD?
	if [ "$1" = yes ]; then
		printf '%s' "$GREEN+$PLAIN"
	else
		printf '%s' "$RED-$PLAIN"
	fi
}

colours() {
	GREEN='' RED='' BOLD='' PLAIN=''
	if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
		GREEN=$(printf '\033[32m')
		RED=$(printf '\033[31m')
		BOLD=$(printf '\033[1m')
		PLAIN=$(printf '\033[m')
	fi
}

status_daemons() {
	now=$(uptime_seconds)
	for layer in $LAYERS; do
		read -r state since restarts why 2>/dev/null \
			<"$SUP/$layer.state" || { state=; restarts=; }
		pid=$(recorded_pid "$SUP/$layer.pid") || pid=
		case $state in
		up)
			text="up $(ago $((now - since)))"
			[ -n "$pid" ] || { state=failed; text='ended'; }
			;;
		'') text='not started' ;;
		*) text=$state ;;
		esac
		case ${restarts:-0} in
		0) ;;
		1) text="$text, started again once" ;;
		*) text="$text, started again $restarts times" ;;
		esac
		[ "$state" = up ] || text=$text${why:+: $why}
		if [ "$state" = up ]; then good=yes; else good=no; fi
		printf '  %s dmvpn-%-5s %-8s %s\n' "$(mark $good)" "$layer" \
			"${pid:+pid $pid}" "$text"
	done
}

# For a health check: is everything up that should be?
status_quiet() {
	recorded_pid "$SUP/pid" >/dev/null || return 1
	[ -n "$(tunnels)" ] || return 1
	for tunnel in $(tunnels); do
		select_tunnel "$tunnel"
		is_up || return 1
	done
}

status() {
	json=no
	case ${1:-} in
	-j | --json) json=yes ;;
	-q | --quiet) status_quiet; return ;;
	'') ;;
	*) usage_error "status: \"$1\" is not known" 'status [-j | -q]' ;;
	esac
	colours
	if [ "$json" = yes ]; then
		status_json
		return
	fi
	if [ ! -d "$SUP" ]; then
		say "nothing runs in $RUN; \"dmvpn up FILE\" starts a tunnel"
		return 1
	fi
	[ -x "$SUP" ] || fail 111 "$SUP: no permission; the status is for root"
	if pid=$(recorded_pid "$SUP/pid"); then
		text="supervised by pid $pid"
	else
		text='supervised by nobody: "dmvpn up FILE" changes that'
	fi
	say "${BOLD}dmvpn $VERSION$PLAIN in $RUN, $text"
	status_daemons
	for tunnel in $(tunnels); do
		select_tunnel "$tunnel"
		say
		call dpd overview --role "$ROLE" "$T" 2>/dev/null ||
			say "tunnel $BOLD$T$PLAIN  $ROLE  state unknown: dmvpn-dpd does not answer"
		status_certificate
		! text=$(local_missing) || say "  $RED-$PLAIN $text"
		status_refused
	done
	status_lists
}

# Sets UNTIL, when the certificate of the tunnel ends, ENDED: true or false, and
# WHY, if it is not renewed as it should be.  1: it has none.
certificate_of_tunnel() {
	identity=$(conf identity)
	[ -n "$identity" ] || return 1
	line=$(call pki expiring -j --within 36500d "$identity" 2>/dev/null \
		</dev/null) || :
	UNTIL=$(field "$line" not-after)
	[ -n "$UNTIL" ] || return 1
	ENDED=false
	[ "$(field "$line" state)" = valid ] || ENDED=true
	WHY=$(cat "$SUP/$T.renewal" 2>/dev/null) || WHY=
	if [ -n "$WHY" ]; then
		:
	elif [ -n "$(conf renew)" ]; then
		recorded_pid "$SUP/$T.renew" >/dev/null ||
			WHY='its renewal does not run: see dmvpn logs pki'
	elif ! call pki expiring --within 7d "$identity" >/dev/null 2>&1 \
		</dev/null; then
		WHY='nothing renews it: see "renew" in dmvpn(5)'
	fi
}

status_certificate() {
	certificate_of_tunnel || return 0
	how=$(conf renew)
	text="until $UNTIL${how:+, renewed by ${how%% *}}"
	[ "$ENDED" = false ] || text="has ended at $UNTIL"
	good=yes
	[ "$ENDED$WHY" = false ] || good=no
	say "  $(mark $good) certificate $text${WHY:+; $WHY}"
}

# What dmvpn-pki watch says about lists that it has no new ones for.
status_lists() {
	for alarm in $(set +f; printf '%s ' "$RUN"/crl/*.alarm); do
		[ ! -f "$alarm" ] || say "  $RED-$PLAIN $(cat "$alarm")"
	done
}

# What a program refused of this tunnel when it was stated.
status_refused() {
	for layer in $LAYERS; do
		[ -f "$RUN/refused/$T.$layer" ] || continue
		text=$(cat "$RUN/refused/$T.$layer")
		case $text in
		"$ABSENT"*) ;;	# stands above, with the daemons
		*) say "  $RED-$PLAIN refused by dmvpn-$layer: $text" ;;
		esac
	done
}

json_text() {
	printf '"%s"' "$(printf '%s' "$1" | tr -d '\1-\37' |
		sed 's/[\\"]/\\&/g')"
}

# One object a line: daemons, then tunnels.
status_json() {
	now=$(uptime_seconds)
	for layer in $LAYERS; do
		read -r state since restarts why 2>/dev/null \
			<"$SUP/$layer.state" || continue
		pid=$(recorded_pid "$SUP/$layer.pid") || pid=0
		say "{\"daemon\":\"dmvpn-$layer\",\"state\":\"$state\",\"pid\":$pid,\"seconds\":$((now - since)),\"restarts\":$restarts,\"why\":$(json_text "$why")}"
	done
	for tunnel in $(tunnels); do
		select_tunnel "$tunnel"
		call dpd overview -j --role "$ROLE" "$T" || :
		for layer in $LAYERS; do
			[ -f "$RUN/refused/$T.$layer" ] || continue
			say "{\"tunnel\":\"$T\",\"refused\":$(json_text "$(
				cat "$RUN/refused/$T.$layer")")}"
		done
		certificate_of_tunnel || continue
		say "{\"tunnel\":\"$T\",\"certificate\":$(json_text \
			"$identity"),\"until\":\"$UNTIL\",\"ended\":$ENDED,\"renew\":$(
			json_text "$(conf renew)"),\"why\":$(json_text "$WHY")}"
	done
}
