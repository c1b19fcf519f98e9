#!/bin/sh
# Neither compiler has anything to say.
. "$(dirname "$0")/tap.sh"
O=${O:-build}

compilers() {
	make -s O="$O" MODE=release warnings 2>&1 | grep -E '(error|warning): '
}
# What the optimiser saw when all was built (make check keeps the log).
build() {
	[ -e "$O/build.log" ] || return 0
	grep -E '(error|warning): ' "$O/build.log"
}

plan 2
rule "gcc and clang compile everything without a warning" compilers
rule "the build was without a warning" build
