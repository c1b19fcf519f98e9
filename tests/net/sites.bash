# A hub and spokes under dmvpn, for bats: load after lib.bash.
#
#	sites_up hub spoke1 ...		namespaces round a router, each up
#	site NAME COMMAND...		a command there, the programs in PATH
#	daemon NAME LAYER		the pid of its daemon
#	kill_layer NAME LAYER		it is killed, and another one serves
#	nobody_in NAME			no process is left there
#
# A file with nothing more to do needs neither setup nor teardown of its own.

setup() {
	sites_setup
}

teardown() {
	sites_teardown
}

sites_setup() {
	net_setup
	net_need_tun
	T=$BATS_TEST_TMPDIR
}

# What failed is explained, whatever is up ends.
sites_teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || {
		sites_each site_status
		sites_logs
	}
	# shellcheck disable=SC2046	# names
	sites_down $(sites_each echo)
	net_teardown
}

# COMMAND NAME, for each site with a supervisor
sites_each() {
	local run
	for run in "$BATS_TEST_TMPDIR"/run/*/supervisor; do
		[ -d "$run" ] || continue
		run=${run%/supervisor}
		"$1" "${run##*/}"
	done
}

site_status() {
	site "$1" dmvpn status >&2 || true
}

site_down() {
	local f
	for f in "$BATS_TEST_TMPDIR/run/$1/tunnels"/*; do
		[ ! -f "$f" ] ||
			site "$1" dmvpn down "${f##*/}" >/dev/null 2>&1 || true
	done
}

sites_certificates() {
	local n i=0
	export DMVPN_STORE=$BATS_TEST_TMPDIR/ca.db
	"$B/dmvpn-pki" init --name 'Test CA' >/dev/null
	for n in "$@"; do
		i=$((i + 1))
		"$B/dmvpn-pki" issue --dns "$n.test" \
			--tunnel-address "10.0.0.$i" \
			--subnet "192.168.$i.0/24" \
			--out "$BATS_TEST_TMPDIR/$n.pem" "$n" >/dev/null
	done
	"$B/dmvpn-pki" export --out "$BATS_TEST_TMPDIR/ca.pem" >/dev/null
}

# The N-th site: 198.51.100.(16N+2), LAN 192.168.N.1 with a host .10
sites_net() {
	local n i=0
	ns_new router
	forward router
	for n in "$@"; do
		i=$((i + 1))
		ns_new "$n" "lan$i"
		link "router:e$i=198.51.100.$((16 * i + 1))/28" \
			"$n:eth0=198.51.100.$((16 * i + 2))/28"
		gateway "$n" "198.51.100.$((16 * i + 1))"
		link "$n:lan0=192.168.$i.1/24" "lan$i:eth0=192.168.$i.10/24"
		gateway "lan$i" "192.168.$i.1"
		forward "$n"
	done
}

# The first is the hub.
sites_files() {
	local n i=0 hub=$1
	for n in "$@"; do
		i=$((i + 1))
		{
			echo tunnel dmvpn0
			echo address "10.0.0.$i/24"
			echo key 1
			echo identity "$n.pem"
			echo trust ca.pem
			echo lan "192.168.$i.0/24"
			if [ "$n" = "$hub" ]; then
				echo role hub
			else
				echo role spoke
				echo hub 198.51.100.18 10.0.0.1
				echo route 192.168.0.0/16
			fi
		} >"$BATS_TEST_TMPDIR/$n.tunnel"
	done
}

site() {
	local n=$1
	shift
	(cd "$BATS_TEST_TMPDIR" && on "$n" env PATH="$B:$PATH" "$@") 3>&-
}

# All but bringing them up: files may be changed then.
sites_prepare() {
	sites_certificates "$@"
	sites_net "$@"
	sites_files "$@"
}

sites_up() {
	local n
	sites_prepare "$@"
	for n in "$@"; do
		site "$n" dmvpn up --wait "$n.tunnel"
	done
}

# At the same time: each waits most of it.
sites_down() {	# NAME...
	local n downs=()
	for n in "$@"; do
		site_down "$n" 3>&- &
		downs+=("$!")
	done
	[ "${#downs[@]}" -eq 0 ] || wait "${downs[@]}"
}

# For a test that failed: what gre dropped and why, and the ends of the logs.
sites_logs() {
	local log
	for log in "$BATS_TEST_TMPDIR"/run/*/log; do
		log=${log%/log}
		site "${log##*/}" dmvpn-gre status -j 2>&1 |
			jq -c "{site: \"${log##*/}\", drops}" >&2 || true
	done
	tail -n 8 "$BATS_TEST_TMPDIR"/run/*/log/*.log >&2 || true
}

# Killed at a site, and replaced.
kill_layer() {	# SITE LAYER
	local old
	old=$(daemon "$1" "$2")
	kill -KILL "$old"
	wait_for 15 again "$1" "$2" "$old"
}

again() {	# SITE LAYER OLD-PID
	local now
	now=$(daemon "$1" "$2") && [ "$now" != "$3" ] &&
		site "$1" dmvpn-dpd hello "$2"
}

nobody_in() {	# SITE
	[ -z "$(ip netns pids "$NET-$1")" ]
}

daemon() {
	local f=$BATS_TEST_TMPDIR/run/$1/supervisor/$2.pid
	wait_for 5 test -e "$f"	# it serves a moment before it is noted
	cut -d' ' -f1 "$f"
}
