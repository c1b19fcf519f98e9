#!/bin/sh
# Completions know every command and every option of --help.
. "$(dirname "$0")/tap.sh"
. tests/lint/help.sh

files() {
	ls completions/*.bash 2>/dev/null | grep -q . || echo "no bash file"
	ls completions/_* 2>/dev/null | grep -q . || echo "no zsh file"
}
syntax() {
	for f in completions/*.bash; do
		[ -e "$f" ] && bash -n "$f"
	done
	command -v zsh >/dev/null || return 0
	for f in completions/_*; do
		[ -e "$f" ] && zsh -n "$f"
	done
}
# Either written down, or asked from --help at completion time.
asks_help() {
	grep -q -- '--help' "$@" 2>/dev/null
}
missing() {
	for kind in '*.bash' '_*'; do
		# shellcheck disable=SC2086,SC2046	# patterns
		set -- $(ls completions/$kind 2>/dev/null)
		[ $# -gt 0 ] || continue
		asks_help "$@" && continue
		all_commands | while IFS= read -r line; do
			grep -qwh -- "${line##* }" "$@" ||
			    echo "completions/$kind: no $line"
			options_of "$line" | while IFS= read -r o; do
				grep -qE -- "--$o([^a-z-]|$)" "$@" ||
				    echo "completions/$kind: no --$o ($line)"
			done
		done
	done
}

plan 3
rule "there are completions for bash and zsh" files
rule "they are of valid syntax" syntax
rule "they know every command and option" missing
