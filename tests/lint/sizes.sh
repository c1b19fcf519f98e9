#!/bin/sh
# Functions of at most 120 lines, files of at most 800, lines of at most 100
# columns; what is over the aims (60, 80) is told, not refused.
. "$(dirname "$0")/tap.sh"

sources() {
	ls lib/*/*.[ch] cmd/*/*.[ch] tests/unit/*.[ch] tests/fuzz/*.c
}
# "lines file:line name" of each function: from its name in the first column
# to the closing brace in the first column.
functions() {
	sources | grep '\.c$' | xargs awk '
		FNR == 1 { name = "" }
		/^[a-z_][a-z0-9_]*\(/ { name = $0; sub(/\(.*/, "", name)
			start = FNR }
		/^}/ && name != "" {
			print FNR - start + 2, FILENAME ":" start, name
			name = ""
		}'
}
long_functions() {
	functions | awk '$1 > 120 { print }'
}
long_files() {
	sources | xargs wc -l | awk '$1 > 800 && $2 != "total" { print }'
	ls cmd/*/*.sh tests/lint/*.sh tests/run 2>/dev/null | xargs wc -l |
	    awk '$1 > 800 && $2 != "total" { print }'
}
wide_lines() {
	sources | xargs awk '{
		text = $0; n = 0
		while (match(text, /\t/)) {
			n += RSTART - 1; n += 8 - n % 8
			text = substr(text, RSTART + 1)
		}
		if (n + length(text) > 100)
			print FILENAME ":" FNR ": " n + length(text) " columns"
	}'
}
blanks() {
	sources | xargs grep -nH '[[:blank:]]$'
}

plan 4
rule "no function has more than 120 lines" long_functions
rule "no file has more than 800 lines" long_files
rule "no line has more than 100 columns" wide_lines
rule "no line ends in blanks" blanks
functions | sort -rn | awk '
	{ n[NR] = $1; if ($1 > 60) { over++; if (over <= 15) print "# over 60: " $0 } }
	END { if (NR) print "# " NR " functions, median " n[int((NR + 1) / 2)] \
	    " lines, " over + 0 " over 60" }'
