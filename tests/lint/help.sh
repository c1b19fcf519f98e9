# shellcheck shell=sh
# What the programs say about themselves: commands and their options, from
# --help.  Included by man.sh and completions.sh after tap.sh.
B=${B:-build/bin}

programs() {
	for p in "$B"/dmvpn "$B"/dmvpn-*; do
		[ -x "$p" ] && [ -f "$p" ] || continue
		case $p in
		*.new | */dmvpn-decode) continue ;;
		esac
		basename "$p"
	done
}
# Commands of "PROGRAM [GROUP]".
commands_of() {
	# shellcheck disable=SC2086	# program and group are words
	set -- $1
	prog=$1
	shift
	"$B/$prog" "$@" --help 2>/dev/null </dev/null |
	    sed -n '/^  \(help\|version\) /d; /^commands:/,/^$/s/^  \([a-z][a-z0-9-]*\)\(  .*\)\{0,1\}$/\1/p'
}
# "PROGRAM COMMAND" and "PROGRAM GROUP COMMAND", one a line.
all_commands() {
	for p in $(programs); do
		commands_of "$p" | while IFS= read -r c; do
			sub=$(commands_of "$p $c")
			if [ -n "$sub" ]; then
				echo "$sub" | sed "s/^/$p $c /"
			else
				echo "$p $c"
			fi
		done
	done
}
# Long options of "PROGRAM COMMAND ...".
options_of() {
	# shellcheck disable=SC2086
	set -- $1
	prog=$1
	shift
	"$B/$prog" "$@" --help 2>/dev/null </dev/null |
	    sed -n '/^options:/,$s/^  *\(-., \)\{0,1\}--\([a-z][a-z0-9-]*\).*/\2/p'
}
