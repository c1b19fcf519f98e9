#!/bin/sh
# Man pages: mandoc finds nothing to say, every program has one with EXAMPLES
# and EXIT STATUS, and options and commands are those of --help.
. "$(dirname "$0")/tap.sh"
. tests/lint/help.sh
command -v mandoc >/dev/null || skip_all "man pages" "mandoc is not installed"

lint() {
	for f in man/*.[1-8]; do
		[ -e "$f" ] && mandoc -T lint -W warning "$f" 2>&1 |
		    grep -v 'referenced manual not found\|cross reference'
	done
}
complete() {
	for p in $(programs); do
		f=man/$p.1
		if [ ! -e "$f" ]; then
			echo "$p has no page"
			continue
		fi
		grep -q '^\.Sh EXAMPLES' "$f" || echo "$f: no EXAMPLES"
		grep -q '^\.Sh EXIT STATUS' "$f" || echo "$f: no EXIT STATUS"
	done
}
page_text() {
	mandoc -T utf8 "man/$1.1" 2>/dev/null | sed 's/.\x08//g' |
	    sed 's/\xe2\x80\x90/-/g; s/\xe2\x88\x92/-/g'
}
# The page, and that of dmvpn-decode where it refers to it: the options of
# "decode" are explained there.
pages_text() {
	page_text "$1"
	if grep -q '^\.Xr dmvpn-decode' "man/$1.1"; then
		page_text dmvpn-decode
	fi
}
# In the page, in roff "Cm name" or in its text.
commands_missing() {
	all_commands | while IFS= read -r line; do
		p=${line%% *}
		[ -e "man/$p.1" ] || continue
		c=${line##* }
		page_text "$p" | grep -qw -- "$c" || echo "man/$p.1: no $line"
	done
}
options_missing() {
	all_commands | while IFS= read -r line; do
		p=${line%% *}
		[ -e "man/$p.1" ] || continue
		options_of "$line" | grep -vx help | while IFS= read -r o; do
			pages_text "$p" | grep -qE -- "--$o([^a-z-]|$)" ||
			    echo "man/$p.1: no --$o ($line)"
		done
	done
}
# The other way: long options that the page has and no command knows.
options_invented() {
	for p in $(programs); do
		[ -e "man/$p.1" ] || continue
		known=$(all_commands | grep "^$p " |
		    while IFS= read -r line; do options_of "$line"; done
		    "$B/$p" --help 2>/dev/null </dev/null |
		    grep -oE -- '--[a-z][a-z0-9-]*' | sed 's/^--//')
		sed -n '/^\.Sh EXAMPLES/q;p' "man/$p.1" |
		    grep -oE '^\.(It )?Fl Fl [a-z][a-z0-9-]*|^\.It Fl [a-zA-Z] *, *Fl Fl [a-z-]*' |
		    sed 's/.*Fl Fl //' | sort -u |
		while IFS= read -r o; do
			printf '%s\nhelp\nversion\n' "$known" | grep -qxF "$o" ||
			    echo "man/$p.1: --$o is no option"
		done
	done
}

plan 5
rule "mandoc finds no fault" lint
rule "every program has a page with EXAMPLES and EXIT STATUS" complete
rule "every command stands in its page" commands_missing
rule "every option stands in its page" options_missing
rule "no page has an option that is not there" options_invented
