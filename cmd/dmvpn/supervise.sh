
# ---- supervision
#
# One supervisor for each run directory.  It has a watcher (a subshell) for
# each layer, which starts the daemon or adopts the one that runs, states the
# tunnels to it, and waits for its end.  Files in $SUP:
#	pid		the supervisor: pid and start time
#	LAYER.watch	its watcher, the same way
#	LAYER.pid	the daemon
#	LAYER.state	"up|starting|failed SINCE RESTARTS WHY"

SUP=$RUN/supervisor

# When did it start, in ticks since boot?  Tells a recycled pid apart.  A
# zombie has no time: it has ended.
start_time() {
	IFS= read -r stat_line 2>/dev/null <"/proc/$1/stat" || return 0
	# shellcheck disable=SC2086
	set -- ${stat_line##*) }
	[ "$1" != Z ] || return 0
	shift 19
	say "$1"
}

record_pid() {	# FILE PID
	note "$1" "$2 $(start_time "$2")"
}

# The pid in FILE, if that process is still there.
recorded_pid() {
	read -r pid started 2>/dev/null <"$1" || return 1
	is_number "$pid" 2 4194304 || [ "$pid" = 1 ] || return 1
	kill -0 "$pid" 2>/dev/null || return 1
	[ ! -d /proc/self ] || [ -n "$started" ] || return 1
	[ "$(start_time "$pid")" = "$started" ] || return 1
	say "$pid"
}

set_state() {	# LAYER STATE WHY
	restarts=$(cat "$SUP/$1.restarts" 2>/dev/null || say 0)
	note "$SUP/$1.state" "$2 $(uptime_seconds) $restarts $3"
}

make_directories() {
	mkdir -p "$RUN" "$SUP" "$RUN/tunnels" "$RUN/refused" "$RUN/log" ||
		fail 111 "$RUN: can not be made, expected a directory that can be written"
	chmod 711 "$RUN"
	chmod 700 "$SUP" "$RUN/tunnels" "$RUN/refused"
}

# ---- one daemon

# After READY_LIMIT the child ends, and whoever reads the FIFO with it.  It is
# ended by KILL: a shell may lose a signal that comes while it starts.
limiter() {	# LAYER PID FIFO
	trap - TERM
	sleep "$READY_LIMIT" &
	note "$SUP/$1.sleep" "$!"
	wait "$!" || :
	[ -e "$3" ] || return 0
	kill -KILL "$2" 2>/dev/null || :
	: >"$3"
}

end_limiter() {	# LAYER PID
	kill -KILL "$2" 2>/dev/null || :
	wait "$2" 2>/dev/null || :
	read -r sleeping 2>/dev/null <"$SUP/$1.sleep" || return 0
	kill "$sleeping" 2>/dev/null || :
	rm -f "$SUP/$1.sleep"
}

daemon_arguments() {	# LAYER
	case $1 in
	pki) say agent ;;
	*) say run ;;
	esac
}

# Start it; 0 when it serves.  CHILD is its pid.
start_daemon() {
	fifo=$SUP/$1.fifo
	rm -f "$fifo"
	mkfifo "$fifo"
	set_state "$1" starting "${why:-}"
	DMVPN_LOG=$LOG "$(program "$1")" "$(daemon_arguments "$1")" -r 3 \
		3>"$fifo" >>"$RUN/log/$1.log" 2>&1 </dev/null &
	CHILD=$!
	record_pid "$SUP/$1.pid" "$CHILD"	# whoever ends all finds it
	limiter "$1" "$CHILD" "$fifo" &
	limit=$!
	ready=0
	read -r _ <"$fifo" || ready=1
	rm -f "$fifo"
	end_limiter "$1" "$limit"
	[ "$ready" -eq 0 ] && kill -0 "$CHILD" 2>/dev/null
}

# dmvpn-gre answers from its packet half, a child that may come and go.
parent_of() {
	IFS= read -r stat_line 2>/dev/null <"/proc/$1/stat" || {
		say "$1"
		return 0
	}
	# shellcheck disable=SC2086
	set -- ${stat_line##*) }
	say "$2"
}

wait_adopted() {
	trap - TERM
	while recorded_pid "$SUP/$1.pid" >/dev/null; do
		call "$1" wait || :
		nap 0.2
	done
}

# Who answers on its socket?
serving_pid() {	# LAYER
	hello=$(call dpd hello -j "$1" 2>/dev/null) || return 1
	pid=$(printf '%s' "$hello" | sed -n 's/.*"pid":\([0-9]*\).*/\1/p')
	[ -n "$pid" ] || return 1
	[ "$1" != gre ] || pid=$(parent_of "$pid")
	say "$pid"
}

# Is one there already?  Then CHILD is who waits for its end.
adopt_daemon() {
	pid=$(serving_pid "$1") || return 1
	record_pid "$SUP/$1.pid" "$pid"
	wait_adopted "$1" >/dev/null 2>&1 </dev/null &
	CHILD=$!
	warn "adopted dmvpn-$1, pid $pid"
}

# The process that began then?
is_still() {	# PID START-TIME
	kill -0 "$1" 2>/dev/null && [ "$(start_time "$1")" = "$2" ]
}

# End it: orderly, and after a second for sure.
stop_daemon() {
	pid=$(recorded_pid "$SUP/$1.pid") || pid=$(serving_pid "$1") ||
		return 0
	began=$(start_time "$pid")
	kill -TERM "$pid" 2>/dev/null || :
	kill -CONT "$pid" 2>/dev/null || :
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		is_still "$pid" "$began" || break
		nap 0.1
	done
	# by now the number may be another process's
	! is_still "$pid" "$began" || kill -KILL "$pid" 2>/dev/null || :
	rm -f "$SUP/$1.pid"
}

# Lines without the time that they begin with.
undated() {
	sed 's/^[0-9-]*T[0-9:.]*Z //'
}

# Why it ended: what its log says last, of this time.
last_words() {	# LAYER STATUS
	words=$(tail -c "+$((LOG_BEFORE + 1))" "$RUN/log/$1.log" 2>/dev/null |
		grep -v ': info ' | tail -n 1 | undated | cut -c 1-300)
	words=${words#dmvpn-"$1": }
	say "${words:-dmvpn-$1 ended with status $2}"
}

# The body of a watcher.
watch_layer() {
	trap 'stop_daemon "$1"; exit 0' TERM
	backoff=0
	why=
	while :; do
		began=$(uptime_seconds)
		status=0
		: >>"$RUN/log/$1.log"
		LOG_BEFORE=$(wc -c <"$RUN/log/$1.log")
		if adopt_daemon "$1" || start_daemon "$1"; then
			apply_layer "$1" || :
			set_state "$1" up ''
		fi
		wait "$CHILD" 2>/dev/null || status=$?
		rm -f "$SUP/$1.pid"
		count_restart "$1"
		if [ $(($(uptime_seconds) - began)) -ge "$STEADY" ]; then
			backoff=0
		fi
		why=$(last_words "$1" "$status")
		set_state "$1" failed "$why"
		warn "dmvpn-$1 ended with status $status, starts again in $backoff s: $why"
		[ "$backoff" -eq 0 ] || pause "$backoff"
		backoff=$((backoff * 2 + 1))
		[ "$backoff" -le "$BACKOFF_MAX" ] || backoff=$BACKOFF_MAX
	done
}

count_restart() {
	restarts=$(cat "$SUP/$1.restarts" 2>/dev/null || say 0)
	note "$SUP/$1.restarts" $((restarts + 1))
}

# Sleep so that a trap runs at once.
pause() {
	sleep "$1" &
	pausing=$!
	wait "$pausing" 2>/dev/null || :
	kill "$pausing" 2>/dev/null || :
}

# ---- the supervisor

start_watcher() {
	if old=$(recorded_pid "$SUP/$1.watch"); then
		kill -KILL "$old" 2>/dev/null || :	# of one that was killed
	fi
	watch_layer "$1" &
	record_pid "$SUP/$1.watch" "$!"
}

# Until the layer serves or has failed once.
await_layer() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 \
		21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40; do
		read -r state _ 2>/dev/null <"$SUP/$1.state" || state=
		case $state in
		up | failed) return 0 ;;
		esac
		nap 0.05
	done
	nap 1
}

start_all() {
	for layer in $LAYERS; do
		rm -f "$SUP/$layer.state" "$SUP/$layer.restarts"
	done
	for layer in $LAYERS; do
		start_watcher "$layer"
		await_layer "$layer"
	done
	start_hooks
	look_after_helpers
}

# Orderly, from above.  Each watcher ends its daemon.
stop_all() {
	trap '' TERM INT
	[ -z "${HOOKS_PID:-}" ] || stop_hooks
	stop_helpers
	for layer in $LAYERS_DOWN; do
		watcher=$(recorded_pid "$SUP/$layer.watch") || continue
		kill -TERM "$watcher" 2>/dev/null || :
		for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
			recorded_pid "$SUP/$layer.watch" >/dev/null || break
			nap 0.1
		done
		kill -KILL "$watcher" 2>/dev/null || :
		wait "$watcher" 2>/dev/null || :
		stop_daemon "$layer"
	done
	[ -z "${TAIL_PID:-}" ] || kill "$TAIL_PID" 2>/dev/null || :
	rm -rf "$SUP" "$RUN/tunnels" "$RUN/refused"
}

# A copy, then empty: the daemons append to the same file.
rotate_logs() (
	set +f
	for log in "$RUN"/log/*.log; do
		if [ -f "$log" ] && [ "$(wc -c <"$log")" -gt "$LOG_MAX" ]; then
			cp "$log" "$log.1" 2>/dev/null || rm -f "$log.1"
			: >"$log"
		fi
	done
)

# A daemon that does not answer twice in a row, within some seconds, is
# ended; its watcher starts it again.
look_for_hung() {
	for layer in $LAYERS; do
		read -r state _ 2>/dev/null <"$SUP/$layer.state" || continue
		[ "$state" = up ] || continue
		pid=$(recorded_pid "$SUP/$layer.pid") || {
			# there was no room to write it down
			pid=$(serving_pid "$layer") &&
				record_pid "$SUP/$layer.pid" "$pid"
			continue
		}
		call dpd hello "$layer" >/dev/null 2>&1 ||
			call dpd hello "$layer" >/dev/null 2>&1 || {
			[ "$(recorded_pid "$SUP/$layer.pid")" = "$pid" ] ||
				continue
			warn "dmvpn-$layer does not answer, ended"
			kill -KILL "$pid" 2>/dev/null || :
		}
	done
}

look_after() {
	look_after_helpers
	follow_local
	for layer in $LAYERS; do
		recorded_pid "$SUP/$layer.watch" >/dev/null ||
			start_watcher "$layer"
	done
	if ! kill -0 "$HOOKS_PID" 2>/dev/null ||
		! kill -0 "$EVENTS_PID" 2>/dev/null; then
		stop_hooks
		start_hooks
	fi
	ticks=$(((ticks + 1) % 3))
	if [ "$ticks" -eq 0 ]; then
		look_for_hung
		rotate_logs
	fi
}

# One at a time looks whether there is a supervisor, and becomes it.  Who was
# killed in between is waited for 3 s.
take_turn() {
	turns=0
	until mkdir "$SUP/turn" 2>/dev/null; do
		turns=$(((turns + 1) % 60))
		[ "$turns" -gt 0 ] || rmdir "$SUP/turn" 2>/dev/null || :
		make_directories
		nap 0.05
	done
}

become_supervisor() {
	make_directories
	take_turn
	if pid=$(recorded_pid "$SUP/pid") && [ "$pid" != $$ ]; then
		rmdir "$SUP/turn"
		fail 1 "$RUN: is supervised already, pid $pid"
	fi
	record_pid "$SUP/pid" $$
	rmdir "$SUP/turn"
}

# Is there one, and has it started what it looks after?
supervised() {
	pid=$(recorded_pid "$SUP/pid") &&
		[ "$(cat "$SUP/ready" 2>/dev/null)" = "$pid" ]
}

# The supervisor itself; TERM ends it, and everything with it.
supervise() {
	become_supervisor
	trap 'stop_all; exit 0' TERM INT
	trap '' HUP PIPE
	STAMP=yes
	ticks=0
	start_all
	note "$SUP/ready" $$
	if [ "$#" -gt 0 ]; then
		show_logs
		"$@"
	fi
	while :; do
		pause "$TICK"
		look_after
	done
}

# In the foreground the logs are shown too.
show_logs() {
	exec 3>&2
	set --
	for layer in $LAYERS; do
		: >>"$RUN/log/$layer.log"
		set -- "$@" "$RUN/log/$layer.log"
	done
	tail -q -n 10 -f "$@" 2>/dev/null >&3 3>&- &
	TAIL_PID=$!
	exec 3>&-
}

# One in the background; starting is its pid.
start_supervisor() {
	if command -v setsid >/dev/null; then
		setsid "$SELF" supervise
	else
		"$SELF" supervise
	fi </dev/null >>"$RUN/log/dmvpn.log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- \
		8>&- 9>&- &
	starting=$!
}

# Make sure that there is one; another dmvpn may be starting it just now.
ensure_supervisor() {
	make_directories
	starting=
	recorded_pid "$SUP/pid" >/dev/null || start_supervisor
	until_seconds=$(($(uptime_seconds) + 30))
	until supervised; do
		{ [ -n "$starting" ] && kill -0 "$starting" 2>/dev/null; } ||
			recorded_pid "$SUP/pid" >/dev/null || break
		[ "$(uptime_seconds)" -lt "$until_seconds" ] || break
		nap 0.05
	done
	supervised && return 0
	words=$(tail -n 1 "$RUN/log/dmvpn.log" 2>/dev/null | undated)
	words=${words#dmvpn: }
	fail 111 "the supervisor did not start: ${words:-it left no word; is there room in $RUN?}"
}

# ---- hooks: programs of the tunnel file, run from the stream of events

field() {	# LINE KEY: a text of a JSON line, without its escapes
	printf '%s' "$1" | sed -n "s/.*[{,]\"$2\":\"\\([^\"]*\\)\".*/\\1/p"
}

start_hooks() {
	for old in hooks.pid events.pid; do	# of one that was killed
		! old=$(recorded_pid "$SUP/$old") ||
			kill -KILL "$old" 2>/dev/null || :
	done
	rm -f "$SUP/events"
	mkfifo "$SUP/events"
	read_events <>"$SUP/events" &		# opens without waiting
	HOOKS_PID=$!
	record_pid "$SUP/hooks.pid" "$HOOKS_PID"
	"$(program dpd)" events -j --from ike --from nhrp --from dpd \
		ike-up ike-down nhrp-nhs-up nhrp-nhs-down nhrp-registered \
		nhrp-unregistered dpd-chosen >"$SUP/events" 2>/dev/null \
		</dev/null &
	EVENTS_PID=$!
	record_pid "$SUP/events.pid" "$EVENTS_PID"
}

read_events() {
	trap - TERM INT
	while IFS= read -r line; do
		take_event "$line"
	done
}

stop_hooks() {
	kill -KILL "$EVENTS_PID" "$HOOKS_PID" 2>/dev/null || :
	wait "$EVENTS_PID" "$HOOKS_PID" 2>/dev/null || :
}

take_event() {	# LINE
	event=$(field "$1" event)
	tunnel=$(field "$1" interface)
	[ -n "$tunnel" ] || tunnel=$(field "$1" tunnel)
	[ -n "$tunnel" ] || tunnel=$(field "$1" profile)
	tunnel=${tunnel%.standby}
	[ -n "$tunnel" ] && [ -f "$RUN/tunnels/$tunnel" ] || return 0
	select_tunnel "$tunnel"
	case $event:$(conf hub | wc -l) in
	nhrp-nhs-*:[01]) ;;
	nhrp-nhs-*) apply_routes >/dev/null 2>&1 </dev/null || : ;;
	esac
	case $event:$ROLE in
	nhrp-nhs-up:spoke | ike-up:headend) run_hooks on-up ;;
	nhrp-nhs-down:spoke | ike-down:headend | ike-down:remote)
		run_hooks on-down ;;
	nhrp-unregistered:hub) run_hooks on-down ;;
	nhrp-registered:hub)
		case $1 in
		*'"again":true'*) ;;
		*) run_hooks on-up ;;
		esac
		;;
	dpd-chosen:remote)
		run_hooks on-up
		[ -z "$(field "$1" before)" ] || run_hooks on-failover
		;;
	esac
}

run_hooks() {	# KEY; LINE is the event
	conf "$1" | while IFS= read -r hook; do
		DMVPN_TUNNEL=$T DMVPN_EVENT=$line \
			"$hook" "$T" "${1#on-}" "$event" </dev/null \
			>>"$RUN/log/hooks.log" 2>&1 &
	done
}
