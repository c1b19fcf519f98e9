
# ---- commands

HELP='usage: dmvpn COMMAND [ARGUMENTS]
run the DMVPN programs together, from one short file a tunnel

commands:
  check    read a tunnel file and say what is missing here
  join     become a spoke by a token: enrol, write the file, bring it up
  up       start what is needed and bring tunnels up
  down     take tunnels away; the last one ends the daemons
  status   one page: daemons, tunnels, peers, and why not
  run      the same as up, in the foreground, fit for PID 1
  logs     what the daemons said
  events   what happens, as it happens
  version  print the version
  help     this text

"dmvpn COMMAND --help" tells more; dmvpn(5) has the tunnel file.'

command_help() {
	case $1 in
	check) say 'usage: dmvpn check FILE
read a tunnel file and say what is missing here' ;;
	join) say "usage: dmvpn $JOIN_USAGE
become a spoke by a token: enrol, write the tunnel file, bring it up, ping a hub

options:
  -d, --directory DIR    where the files go; /etc/dmvpn if not given
  -t, --tunnel NAME      of the interface and of the files; dmvpn0 if not given
  -f, --force            replace files that are there
  -n, --no-up            enrol, write and check, no more" ;;
	up) say 'usage: dmvpn up [-w] FILE...
start what is needed and bring tunnels up

options:
  -w, --wait             return when the tunnel is up, 30 s at most
      --wait-for SECONDS  the same with another limit' ;;
	down) say 'usage: dmvpn down TUNNEL|FILE...
take tunnels away; the last one ends the daemons' ;;
	status) say 'usage: dmvpn status [-j | -q]
one page: daemons, tunnels, peers, and why not

options:
  -j, --json             one JSON object a line
  -q, --quiet            nothing; the exit status says whether all is up' ;;
	run) say 'usage: dmvpn run FILE...
the same as up, in the foreground, fit for PID 1; SIGTERM ends all' ;;
	logs) say "usage: dmvpn logs [-f] [NAME...]
what the daemons said, by time; NAME: $LAYERS dmvpn hooks

options:
  -f, --follow           go on as they say more" ;;
	events) say 'usage: dmvpn events [-j] [--cbor] [PREFIX...]
what happens, as it happens

options:
  -j, --json             one JSON object a line
      --cbor             a CBOR sequence, for the next program' ;;
	esac
	say '  -h, --help             this text'
}

# Parsed into place; the old one is kept as long as the new one is not in
# force.  NAME is the tunnel.
install_file() {	# FILE
	parse_file "$1" "$RUN/tunnels/.parsed.$$" || {
		rm -f "$RUN/tunnels/.parsed.$$"
		exit 100
	}
	CONF=$RUN/tunnels/.parsed.$$
	NAME=$(conf tunnel)
	for other in $(tunnels); do
		[ "$other" != "$NAME" ] || same_source "$other"
	done
}

# Another file must not take over a tunnel of this name.
same_source() {
	old=$(sed -n 's/^file //p' "$RUN/tunnels/$1")
	new=$(conf file)
	[ "$old" = "$new" ] || {
		rm -f "$CONF"
		fail 100 "$new: tunnel $1 is up already, from $old"
	}
}

# What the new file does not name any more goes before it is stated.
drop_routes() {	# OLD NEW: files
	sed -n 's/^route //p' "$1" | while IFS= read -r one; do
		grep -qxF "route $one" "$2" || call gre route delete \
			--owner "dmvpn.$NAME" "$NAME" "$one" \
			>/dev/null 2>&1 </dev/null || :
	done
}

up_file() {	# FILE
	install_file "$1"
	new=$CONF
	target=$RUN/tunnels/$NAME
	kept=$RUN/tunnels/.old.$NAME
	if [ -f "$target" ]; then
		cp "$target" "$kept"
		drop_routes "$target" "$new"
	fi
	mv -f "$new" "$target"
	if apply_tunnel "$NAME"; then
		rm -f "$kept"
		select_tunnel "$NAME"
		! why=$(local_missing) || warn "$1: $why"
		return 0
	fi
	warn "$1: $(refusal "$NAME")"
	[ -f "$kept" ] || return 1
	mv -f "$kept" "$target"
	apply_tunnel "$NAME" || :
	warn "$NAME: goes on as it was"
	return 1
}

# All files are read before anything is started.
check_files() {
	[ "$#" -gt 0 ] || usage_error 'a tunnel file is wanted' 'up|run FILE...'
	names=' '
	for one; do
		parse_file "$one" '' || exit 100
		name=$(values tunnel)
		case $names in
		*" $name "*)
			LINE=$(line_of tunnel)
			bad "tunnel \"$name\" is that of a file before it" \
				'a name of its own'
			exit 100
			;;
		esac
		names="$names$name "
	done
}

is_up() {	# the selected tunnel
	call dpd overview --role "$ROLE" --quiet "$T" >/dev/null 2>&1
}

await_up() {	# TUNNEL
	select_tunnel "$1"
	limit=$(($(uptime_seconds) + WAIT))
	until is_up; do
		if [ "$(uptime_seconds)" -ge "$limit" ]; then
			call dpd overview --role "$ROLE" "$T" >&2 || :
			fail 1 "tunnel $T is not up after $WAIT s"
		fi
		nap 0.1
	done
}

up() {
	WAIT=0
	case ${1:-} in
	-w | --wait) WAIT=30; shift ;;
	--wait-for)
		WAIT=${2:-}
		is_number "$WAIT" 1 86400 || usage_error \
			'--wait-for: seconds are wanted' \
			'up [--wait-for SECONDS] FILE...'
		shift 2
		;;
	-*) usage_error "up: option $1 is not known" 'up [-w] FILE...' ;;
	esac
	check_files "$@"
	ensure_supervisor
	rc=0
	for one; do
		up_file "$one" || { rc=1; continue; }
		[ "$WAIT" -eq 0 ] || await_up "$NAME"
	done
	[ -n "$(tunnels)" ] || end_supervisor
	return "$rc"
}

# The supervisor ends and all daemons with it; without one they are ended
# here.
end_supervisor() {
	if pid=$(recorded_pid "$SUP/pid"); then
		kill -TERM "$pid"
		for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 \
			21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38; do
			kill -0 "$pid" 2>/dev/null || return 0
			nap 0.2
		done
		fail 111 "the supervisor, pid $pid, does not end"
	fi
	for layer in $LAYERS; do
		watcher=$(recorded_pid "$SUP/$layer.watch") || continue
		kill -KILL "$watcher" 2>/dev/null || :
	done
	for layer in $LAYERS_DOWN; do
		stop_daemon "$layer"
	done
	rm -rf "$SUP" "$RUN/tunnels" "$RUN/refused"
}

# The tunnel that a name or a file means.
tunnel_named() {
	if [ -f "$RUN/tunnels/$1" ]; then
		say "$1"
	elif [ -f "$1" ]; then
		path=$(readlink -f -- "$1")
		for tunnel in $(tunnels); do
			[ "$(sed -n 's/^file //p' "$RUN/tunnels/$tunnel")" != \
				"$path" ] || say "$tunnel"
		done
	fi
}

down() {
	[ "$#" -gt 0 ] || usage_error 'a tunnel or file is wanted' 'down TUNNEL|FILE...'
	rc=0
	for one; do
		name=$(tunnel_named "$one")
		if [ -z "$name" ]; then
			warn "$one: there is no such tunnel in $RUN"
			rc=1
			continue
		fi
		withdraw_tunnel "$name"
		rm -f "$RUN/tunnels/$name"
	done
	[ ! -d "$SUP" ] || [ -n "$(tunnels)" ] || end_supervisor
	return "$rc"
}

run_files() {
	for one; do
		up_file "$one" || warn "$one: is not in force, the others are"
	done
}

run() {
	check_files "$@"
	supervise run_files "$@"
}

# Several logs as one, by time.  What has no time, as the output of a hook,
# stays after the line before it.
logs_merged() {	# FILE...
	awk '
	FNR == 1 { at = "" }
	/^[0-9]+-[0-9]+-[0-9]+T[0-9:.]*Z / { at = $1 }
	{ printf "%s\t%d\t%s\n", at, NR, $0 }' "$@" |
		sort -t "$TAB" -k 1,1 -k 2,2n | cut -f 3-
}

# The older copy first.
log_files() {	# NAME...
	for log; do
		for log_path in "$RUN/log/$log.log.1" "$RUN/log/$log.log"; do
			[ ! -f "$log_path" ] || say "$log_path"
		done
	done
}

logs() {
	follow=no
	case ${1:-} in
	-f | --follow) follow=yes; shift ;;
	esac
	[ -d "$RUN/log" ] || fail 1 "there are no logs in $RUN"
	# shellcheck disable=SC2086
	[ "$#" -gt 0 ] || set -- $LAYERS dmvpn hooks
	files=$(log_files "$@")
	[ -n "$files" ] || fail 1 "$*: no such log, expected one of $LAYERS dmvpn hooks"
	IFS=$NL
	# shellcheck disable=SC2086
	set -- $files
	IFS=" $TAB$NL"
	if [ "$follow" = no ]; then
		logs_merged "$@"
		return 0
	fi
	logs_merged "$@" | tail -n 20	# each line in its place, then as it comes
	exec tail -q -n 0 -f "$@"
}

events() {
	if [ -z "${1:-}" ] || [ "${1#-}" != "$1" ]; then
		set -- "$@" pki gre-interface gre-peer gre-sa ike-up ike-down \
			ike-failed ike-waiting ike-child nhrp-re nhrp-un nhrp-nhs \
			nhrp-shortcut nhrp-refused dpd
	fi
	exec "$(program dpd)" events --from pki --from gre --from ike \
		--from nhrp --from dpd "$@"
}

# These have no option of their own.
no_options() {	# COMMAND ARGUMENT
	case $1:${2:-} in
	check:-* | down:-* | run:-*)
		usage_error "$1: option $2 is not known" "$1 --help"
		;;
	logs:-f | logs:--follow) ;;
	logs:-*) usage_error "logs: option $2 is not known" 'logs [-f] [NAME...]' ;;
	esac
}

main() {
	find_home
	command=${1:-}
	[ $# -eq 0 ] || shift
	case $command:${1:-} in
	:* | -*) ;;
	*:-h | *:--help) command_help "$command"; return ;;
	esac
	no_options "$command" "$@"
	case $command in
	check | join | up | down | status | run | logs | events)
		"$command" "$@"
		;;
	supervise) supervise ;;
	version | --version) say "dmvpn $VERSION" ;;
	help | --help | -h) say "$HELP" ;;
	'')
		printf '%s\n' "$HELP" >&2
		exit 100
		;;
	*)
		printf '%s\n' "$HELP" >&2
		warn "no command \"$command\""
		exit 100
		;;
	esac
}

main "$@"
