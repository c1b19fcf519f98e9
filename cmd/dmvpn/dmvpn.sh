#!/bin/sh
# dmvpn: runs the DMVPN programs together.  dmvpn(1), dmvpn(5)
# This file is made of the parts in cmd/dmvpn/, in their order.
set -euf

# A hostile environment must not matter: what shells and loaders read of it
# is set or forgotten before the first command runs.
IFS=' 	
'
unset -v ENV BASH_ENV CDPATH GLOBIGNORE LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT \
	POSIXLY_CORRECT TMPDIR 2>/dev/null || :
\unalias -a 2>/dev/null || :
SELF=$0
CALLER_PATH=${PATH:-}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 022

VERSION=0.1
RUN=${DMVPN_RUN:-/run/dmvpn}
DMVPN_RUN=$RUN
export DMVPN_RUN
LOG=${DMVPN_LOG:-time}	# of the daemons: dated, or as the caller wants it
LAYERS='pki gre ike nhrp dpd'
LAYERS_DOWN='dpd nhrp ike gre pki'
READY_LIMIT=10		# seconds for a daemon to say that it serves
BACKOFF_MAX=30		# seconds between two starts of what keeps dying
STEADY=10		# seconds up, and the next start waits for nothing
TICK=2			# seconds between two looks at the daemons
LOG_MAX=1048576		# octets; one older file is kept
GUARD_METRIC=1000000	# of routes that lead to nobody
FILE_MAX=65536		# octets of a tunnel file

NL='
'
TAB='	'
CR=$(printf '\r')
BOM=$(printf '\357\273\277')

say() {
	printf '%s\n' "$*"
}

STAMP=''		# the supervisor dates what it says

warn() {
	[ -z "$STAMP" ] || STAMP="$(date -u +%Y-%m-%dT%H:%M:%SZ) "
	# a log without room ends nobody
	printf '%sdmvpn: %s\n' "$STAMP" "$*" >&2 || :
}

# What the supervisor writes down, whole or, on a disk without room, over the
# old text, which has some; nobody ends because it can not be written.
note() {	# FILE WORDS...
	note_file=$1
	shift
	if { say "$*" >"$note_file.new"; } 2>/dev/null; then
		mv -f "$note_file.new" "$note_file"
		return 0
	fi
	rm -f "$note_file.new"
	{ say "$*" >"$note_file"; } 2>/dev/null || :
}

# fail STATUS SENTENCE
fail() {
	status=$1
	shift
	warn "$*"
	exit "$status"
}

usage_error() {
	warn "$1"
	printf 'usage: dmvpn %s\n' "$2" >&2
	exit 100
}

# Where this script lies, symbolic links followed; programs lie beside it.
find_home() {
	home=$SELF
	case $home in
	*/*) ;;
	*) home=$(PATH=$CALLER_PATH; command -v -- "$SELF") || home=/usr/bin/dmvpn ;;
	esac
	home=$(readlink -f -- "$home" 2>/dev/null) || home=$SELF
	SELF=$home
	HOME_DIR=${home%/*}
}

# program NAME: its path, e.g. "program gre".
program() {
	if [ -x "$HOME_DIR/dmvpn-$1" ]; then
		printf '%s\n' "$HOME_DIR/dmvpn-$1"
	else
		printf '%s\n' "dmvpn-$1"
	fi
}

# call LAYER ARGUMENTS...: run its program.
call() {
	program_name=$1
	shift
	"$(program "$program_name")" "$@"
}

# Seconds that only go forward.
uptime_seconds() {
	if IFS=' .' read -r seconds _ 2>/dev/null </proc/uptime; then
		say "$seconds"
	else
		date +%s
	fi
}

# A pause of a fraction of a second, where sleep can.
nap() {
	sleep "$1" 2>/dev/null || sleep 1
}

is_number() {	# TEXT MIN MAX
	case $1 in
	'' | *[!0-9]* | 0[0-9]* | ???????????*) return 1 ;;
	esac
	[ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}
