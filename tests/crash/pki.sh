#!/bin/sh
# What changes a CA's store or a file is killed at its system calls, and told
# that the disk is full or broken: after each try the store must be as it was
# before or as it is after, never between, and go on.
#
#	tests/crash/pki.sh [STEP [COMMAND...]]
#
# STEP: every how many calls of a name (1: each).  COMMANDS: of the list below.
# Needs strace.  Exit status 1 when something was between.
set -eu

step=${1:-1}
[ $# -eq 0 ] || shift
B=$(cd "$(dirname "$0")/../.." && cd "${B:-build/bin}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/dmvpn-crash-pki.XXXXXX")
agent=
finish() {
	[ -z "$agent" ] || kill "$agent" 2>/dev/null || :
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work"
export DMVPN_RUN="$work/run"
unset DMVPN_STORE
umask 077
tries=0
between=0
command -v strace >/dev/null && strace -f -qq -o /dev/null true 2>/dev/null || {
	echo "strace is not installed, or may not trace here" >&2
	exit 77
}

pki() {
	"$B/dmvpn-pki" "$@"
}

bad() {
	between=$((between + 1))
	echo "BETWEEN: $what: $*" >&2
}

# ---------------------------------------------------------------- to begin with

mkdir start run
(
	cd start
	pki init
	pki issue -d 30 -T 10.0.0.2 -o a.pem a
	pki issue -d 30 -o b.pem b
	pki crl -o old.crl
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout r.key -subj /CN=r -out r.csr
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout o.key -out o.crt -subj /CN=Old -days 90 \
		-addext keyUsage=critical,keyCertSign,cRLSign
	cat o.key o.crt >other.pem
	pki init -s sub.db --csr -o sub.csr
	openssl x509 -req -in sub.csr -CA o.crt -CAkey o.key \
		-copy_extensions copyall -days 60 -out sub.pem
	cp dmvpn-ca.db rolled.db
	pki rollover -s rolled.db
	mkdir dir
	cp a.pem dir/X.pem
	cp dmvpn-ca.db short.db
	cp dmvpn-ca.db backup.db
) >/dev/null 2>&1
pki list -s start/dmvpn-ca.db -j >/dev/null

# -------------------------------------------------------------------- the rules

# rows STORE: how many certificates, and how many of them are revoked.
rows() {
	pki list -s "$1" -j >rows.json 2>rows.err || {
		bad "$1 can not be read: $(cat rows.err)"
		echo 0 0
		return
	}
	awk '{ n++ } /"state":"revoked"/ { r++ } END { print n + 0, r + 0 }' rows.json
}
keys() {
	pki rollover -s "$1" --status -j 2>&1 |
		sed 's/.*"state":"\([a-z]*\)".*/\1/' | tr '\n' ' '
}
one_of() {
	have=$1
	shift
	for one; do
		[ "$have" != "$one" ] || return 0
	done
	bad "\"$have\" is none of $*"
}
# A certificate that is in its place is one that the store knows.
placed() {
	[ -e "$1" ] || return 0
	pki verify "$1" >/dev/null 2>&1 || bad "$1 is not good"
	serial=$(openssl x509 -in "$1" -noout -serial | sed 's/.*=//')
	pki list "$serial" -j | grep -q . || bad "$1 is not in the store"
}
goes_on() {
	pki issue -d 10 -o - later >/dev/null 2>later.err ||
		bad "nothing can be issued: $(cat later.err)"
}

# For each: what is run, and what must hold then.
issue_run='issue -d 30 -o x.pem x'
issue_rule() {
	one_of "$(rows dmvpn-ca.db)" '2 0' '3 0'
	placed x.pem
}
sign_run='sign -d 30 -o x.pem r r.csr'
sign_rule() {
	issue_rule
}
renew_run='renew -o x.pem a'
renew_rule() {
	issue_rule
}
revoke_run='revoke a'
revoke_rule() {
	one_of "$(rows dmvpn-ca.db)" '2 0' '2 1'
}
crl_run='crl -o old.crl'
crl_rule() {
	openssl crl -in old.crl -noout || bad "no list"
	before=$(pki show -j old.crl | sed 's/.*"number":"\([0-9a-f]*\)".*/\1/')
	after=$(pki crl | pki show -j - | sed 's/.*"number":"\([0-9a-f]*\)".*/\1/')
	[ "$((0x$after))" -gt "$((0x$before))" ] ||
		bad "list $after after $before"
}
rollover_run='rollover'
rollover_rule() {
	one_of "$(keys dmvpn-ca.db)" 'active ' 'old active '
	pki verify a.pem >/dev/null || bad "a.pem is not good"
	goes_on
}
finish_run='rollover -s rolled.db --finish --force'
finish_rule() {
	one_of "$(keys rolled.db)" 'old active ' 'retired active '
	[ "$(pki export -s rolled.db --anchors | grep -c BEGIN)" -eq \
		"$(keys rolled.db | grep -c old || :)" ] ||
		[ "$(pki export -s rolled.db --anchors | grep -c BEGIN)" -ge 1 ] ||
		bad "no anchors"
}
init_run='init -s new.db'
init_rule() {
	[ ! -e new.db ] || pki list -s new.db >/dev/null 2>&1 ||
		pki init -s new.db 2>later.err ||
		bad "init can not be done again: $(cat later.err)"
}
from_run='init -s new.db --from other.pem'
from_rule() {
	[ ! -e new.db ] || pki list -s new.db >/dev/null 2>&1 ||
		pki init -s new.db --from other.pem 2>later.err ||
		bad "init can not be done again: $(cat later.err)"
}
csr_run='init -s new.db --csr -f -o sub.csr'
csr_rule() {
	pki init -s new.db --csr -f -o sub.csr 2>later.err ||
		bad "the request can not be had again: $(cat later.err)"
}
certificate_run='init -s sub.db --certificate sub.pem -t o.crt'
certificate_rule() {
	one_of "$(keys sub.db)" 'waiting ' 'active '
}
import_run='import dir/X.pem'
import_rule() {
	one_of "$(rows dmvpn-ca.db)" '2 0'
}
backup_run='backup x.db'
backup_rule() {
	[ ! -e x.db ] || one_of "$(rows x.db)" '2 0'
}
restore_run='restore -f -s short.db backup.db'
restore_rule() {
	one_of "$(rows short.db)" '2 0'
}
install_run='crl --install'
install_rule() {
	pki identities -j >/dev/null || bad "the agent does not answer"
	pki crl --install 2>later.err ||
		bad "the list can not be handed over: $(cat later.err)"
}

# ------------------------------------------------------------------ to do it

fresh() {
	rm -rf now
	cp -r start now
	cd now
}
# after: the rule, that nothing half lies about, and that the store goes on.
after() {
	tries=$((tries + 1))
	"${1}_rule"
	cd "$work"
}
# Names of calls and how often each comes, but for those that only start the
# program.
calls() {
	fresh
	# shellcheck disable=SC2086
	strace -f -qq -o ../log "$B/dmvpn-pki" $1 >/dev/null 2>&1 || :
	cd "$work"
	sed 's/^[0-9]* *//; s/(.*//' log | grep -E '^[a-z_0-9]+$' |
		sort | uniq -c | awk '{ print $2, $1 }'
}
killed() {
	eval "run=\$${1}_run"
	calls "$run" >"calls-$1"
	while read -r call count; do
		case $call in
		execve | exit_group | exit | arch_prctl | set_tid_address | \
			set_robust_list | rseq | prlimit64) continue ;;
		esac
		n=$((1 + (tries % step)))
		while [ "$n" -le "$count" ]; do
			what="$1 killed at $call $n"
			fresh
			# shellcheck disable=SC2086
			strace -f -qq -o /dev/null -e trace="$call" \
				-e inject="$call:signal=KILL:when=$n" \
				"$B/dmvpn-pki" $run >/dev/null 2>&1 || :
			after "$1"
			n=$((n + step))
		done
	done <"calls-$1"
}
# A fault: the state before, unless it is said to be done.
failed() {
	eval "run=\$${1}_run"
	while read -r call count; do
		case $call in
		write | pwrite64 | fsync | fdatasync | renameat | renameat2 | ftruncate | \
			close | openat | syncfs) ;;
		*) continue ;;
		esac
		n=1
		for fault in ENOSPC EIO EDQUOT EROFS; do
			n=$(((tries % step) + 1))
			while [ "$n" -le "$count" ]; do
				what="$1 with $fault at $call $n"
				fresh
				# shellcheck disable=SC2086
				strace -f -qq -o /dev/null -e trace="$call" \
					-e inject="$call:error=$fault:when=$n" \
					"$B/dmvpn-pki" $run >/dev/null 2>&1 || :
				[ -z "$(find . -name '*.new')" ] ||
					bad "half a file is left"
				after "$1"
				n=$((n + step))
			done
		done
	done <"calls-$1"
}

all='issue sign renew revoke crl rollover finish init from csr certificate
	import backup restore install'
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $all
for c; do
	if [ "$c" = install ]; then
		mkdir -p run
		(cd start && exec "$B/dmvpn-pki" agent --load a.pem) \
			>/dev/null 2>&1 3>&- &
		agent=$!
		until pki identities >/dev/null 2>&1; do
			kill -0 "$agent"
		done
	fi
	killed "$c"
	failed "$c"
	[ ! -t 1 ] || printf '%-12s %5d tries, %d between\n' "$c" "$tries" "$between"
done
echo "$tries tries, $between between"
[ "$between" -eq 0 ]
