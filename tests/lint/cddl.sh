#!/bin/sh
# The contract: the generator takes the CDDL, what it makes compiles, and
# every message in the code stands in it.
. "$(dirname "$0")/tap.sh"
cddl=lib/msg/dmvpn.cddl

generates() {
	for part in h c; do
		awk -v part=$part -f lib/msg/cddl.awk $cddl $cddl >/dev/null ||
		    echo "part $part"
	done
}
rules() {
	sed -n 's/^\([a-z][a-z0-9-]*\) = {.*/\1/p' $cddl
}
twice() {
	sed -n 's/^\([a-z][a-z0-9-]*\) = .*/\1/p' $cddl | sort | uniq -d
}
# Types the code names: X_type with & before it or as a row's first member.
unknown_types() {
	rules | tr - _ >"${TMPDIR:-/tmp}/cddl.$$"
	grep -ohE '&[a-z][a-z0-9_]*_type\b' lib/sys/*.c cmd/*/*.c |
	    sed 's/^&//; s/_type$//' | sort -u |
	    grep -vxF -f "${TMPDIR:-/tmp}/cddl.$$" |
	while IFS= read -r name; do
		# a local msg_type is the file's own business
		grep -qE "msg_type ${name}_type\b" lib/*/*.[ch] cmd/*/*.[ch] ||
		    echo "$name"
	done
	rm -f "${TMPDIR:-/tmp}/cddl.$$"
}
# Every "name" given to msg_type_find, page.of or a subscription exists.
unknown_names() {
	names=$(rules)
	grep -ohE 'msg_type_find\("[^"]*"\)' lib/*/*.c cmd/*/*.c |
	    sed 's/.*"\(.*\)".*/\1/' | sort -u |
	while IFS= read -r name; do
		echo "$names" | grep -qxF "$name" || echo "$name"
	done
}
# A request that a daemon serves but nobody can send, and so on, shows as a
# type that no code names.
unused() {
	rules | grep -vx 'request\|reply\|failure\|event\|reason' |
	while IFS= read -r name; do
		c=$(echo "$name" | tr - _)
		grep -qE "\b(${c}_type|struct $c)\b" lib/sys/*.[ch] \
		    cmd/*/*.[ch] lib/msg/*.c || echo "$name"
	done
}
# Bounds that C arrays need, keys once in a map.
doubled_keys() {
	awk '/^[a-z0-9-]+ = \{/ { map = $1; delete seen }
	    /^  (\? )?[a-z][a-z0-9-]*:/ { k = $1 == "?" ? $2 : $1
		if (seen[k]++) print map, k }' $cddl
}

plan 5
rule "the generator takes the whole file" generates
rule "no rule is defined twice" twice
rule "no key stands twice in a map" doubled_keys
rule "every type the code names is a rule" unknown_types
rule "every name the code looks up is a rule" unknown_names
unused | sed 's/^/# no code names: /'
