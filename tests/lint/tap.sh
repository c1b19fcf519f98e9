# shellcheck shell=sh
# TAP for the lints: each rule is a command that prints what offends it.
# Usage:  . tests/lint/tap.sh;  plan N;  rule "sentence" command ...

cd "$(dirname "$0")/../.." || exit 111
tap_n=0

plan() {
	echo "1..$1"
}

skip_all() {
	echo "ok 1 - $1 # skip $2"
	echo "1..1"
	exit 0
}

# What the command prints are the offences; none: ok.
rule() {
	tap_n=$((tap_n + 1))
	tap_title=$1
	shift
	tap_found=$("$@" 2>&1)
	if [ -z "$tap_found" ]; then
		echo "ok $tap_n - $tap_title"
	else
		echo "not ok $tap_n - $tap_title"
		echo "$tap_found" | head -n 40 | sed 's/^/# /'
	fi
}
