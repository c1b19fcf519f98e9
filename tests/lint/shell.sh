#!/bin/sh
# Shell is clean under shellcheck: sh as POSIX, bats as bash.
. "$(dirname "$0")/tap.sh"
command -v shellcheck >/dev/null || skip_all "shellcheck" "not installed"

posix() {
	scripts=$(ls cmd/*/*.sh tests/lint/*.sh tests/fuzz/*.sh tests/run \
	    tests/deps .ci/run demo/*.sh \
	    tests/bench/bench tests/bench/*.sh tests/crash/*.sh 2>/dev/null)
	# What is read by "." uses the variables of who reads it, and ls is
	# given names of ours only.
	# shellcheck disable=SC2086	# a list of names
	shellcheck -s sh -f gcc $scripts \
	    -e SC1090,SC1091,SC2034,SC2154,SC2010,SC2011,SC2012,SC2015,SC2016
}
tests() {
	bats=$(ls tests/cmd/*.bats tests/net/*.bats tests/interop/*.bats \
	    2>/dev/null)
	[ -n "$bats" ] || return 0
	# shellcheck disable=SC2086
	shellcheck -s bats -S error -e SC1090,SC1091 \
	    -f gcc $bats
}
strict() {
	for f in cmd/*/*.sh; do
		[ -e "$f" ] || continue
		head -n 1 "$f" | grep -q '^#!/bin/sh' || continue
		grep -qE '^set -[a-z]*e[a-z]*' "$f" &&
		    grep -qE '^set -[a-z]*u' "$f" || echo "$f: no set -eu"
	done
}

plan 3
rule "scripts are clean under shellcheck" posix
rule "bats files have no error under shellcheck" tests
rule "programs in shell begin with set -eu" strict
