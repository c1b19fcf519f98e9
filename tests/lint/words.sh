#!/bin/sh
# Words and calls that do not belong here.
. "$(dirname "$0")/tap.sh"

files() {
	git ls-files 2>/dev/null | grep -v '^tests/\(vectors\|fuzz/corpus\)/' |
	    grep -v '^tests/lint/words\.sh$' |
	    while IFS= read -r f; do [ -f "$f" ] && echo "$f"; done
}
code() {
	ls lib/*/*.[ch] cmd/*/*.[ch]
}
unfinished() {
	# in two parts, so that this file does not offend itself
	files | xargs grep -nIHE "\b(TO""DO|FIX""ME|XX""X|HA""CK)\b|place""holder|not (yet )?implem""ented" |
	    grep -v '\.XX''XXXX'
}
# Paths of one machine.
places() {
	files | xargs grep -nIE '(^|[^a-z.])/(wo''rk|ho''me/[a-z]|Us''ers)/'
}
calls() {
	code | xargs grep -nHE \
	    '(^|[^_a-z>.])(abort|assert|system|popen|gets|strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|strtoul|strtol|strtoull|alloca|tmpnam|mktemp|rand|srand|random)\(' |
	    grep -Ev ':[0-9]+:[[:space:]]*(/?\*|//)' |
	    grep -Ev '^lib/base/num\.c:.*strtoul'
}
cbor_load() {
	code | xargs grep -nHE 'cbor_(load|decref|build_|new_)'
}
shell_calls() {
	ls cmd/*/*.sh 2>/dev/null | xargs -r grep -nHE '(^|[^a-z_])eval '
}
sleeping_tests() {
	ls tests/cmd/*.bats tests/net/*.bats tests/interop/*.bats 2>/dev/null |
	    xargs -r grep -nHE '^[[:space:]]*sleep [1-9][0-9]*[[:space:]]*$'
}
typedefs() {
	code | xargs grep -nHE '^[[:space:]]*typedef' |
	    grep -vE 'typedef [a-z_ ]+ \**\(?\*?[a-z_]+\)?\([^;]*(;|,)?$'
}
# A system call number and a cast onto packet bytes are hard to see.
casts() {
	ls lib/wire/*.c 2>/dev/null |
	    xargs -r grep -nHE '\(const struct [a-z_0-9]+ \*\) ?(p|data|buf|in->p|r->p)\b'
}

plan 7
rule "nothing is left undone" unfinished
rule "nothing depends on somebody's machine" places
rule "no call that the style forbids" calls
rule "CBOR is decoded by the streaming decoder only" cbor_load
rule "no eval in the shell" shell_calls
rule "no typedef but of handlers" typedefs
rule "no struct is laid over a packet" casts
sleeping_tests | sed 's/^/# sleeps: /'
