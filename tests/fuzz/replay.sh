#!/bin/sh
# Every parser's fuzz target takes its corpus again: a crash that was found
# once stays found.
set -u

cd "$(dirname "$0")/../.." || exit 111
O=${O:-build}
n=0
set -- tests/fuzz/fuzz_*.c
echo "1..$#"
for source; do
	name=$(basename "$source" .c)
	corpus=tests/fuzz/corpus/${name#fuzz_}
	n=$((n + 1))
	title="${name#fuzz_} takes its corpus without a fault"
	if [ ! -x "$O/fuzz/fuzz/$name" ]; then
		echo "ok $n - $title # skip no clang with libFuzzer"
	elif [ ! -d "$corpus" ] || [ -z "$(ls "$corpus")" ]; then
		echo "not ok $n - $title"
		echo "# $corpus is missing"
	elif timeout 120 "$O/fuzz/fuzz/$name" -runs=0 "$corpus" \
	    >"$O/replay-$name.log" 2>&1; then
		echo "ok $n - $title"
	else
		echo "not ok $n - $title"
		tail -n 40 "$O/replay-$name.log" | sed 's/^/# /'
	fi
done
