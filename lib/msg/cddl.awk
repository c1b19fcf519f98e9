# Makes the C structs (-v part=h) or tables (-v part=c) of dmvpn.cddl.
# POSIX awk.  Understands the subset that the file's head describes.

function die(why) {
	printf "dmvpn.cddl:%d: %s: %s\n", FNR, why, $0 >"/dev/stderr"
	failed = 1
	exit 1
}
function c_name(s) { gsub(/-/, "_", s); return s }
function upper(s) { return toupper(c_name(s)) }
# The smallest unsigned type that holds max.
function uint_type(max) {
	if (max == "" || max > 4294967295) return "uint64_t"
	return max > 65535 ? "uint32_t" : max > 255 ? "uint16_t" : "uint8_t"
}
# Sets kind, ctype, dim, min, max, extra for the type text t.
function classify(t,   a) {
	dim = ""; min = 0; max = 0; extra = ""
	if (t == "uint") { kind = "UINT"; ctype = "uint64_t"; max = "UINT64_MAX"; return }
	if (t == "bool") { kind = "BOOL"; ctype = "bool"; return }
	if (t == "any") { kind = "ANY"; ctype = "struct rbuf"; return }
	if (t == "address") { kind = "ADDR"; ctype = "struct addr"; return }
	if (t == "prefix") { kind = "PREFIX"; ctype = "struct prefix"; return }
	if (t == "endpoint") { kind = "ENDPOINT"; ctype = "struct endpoint"; return }
	if (t ~ /^[0-9]+\.\.[0-9]+$/) {
		split(t, a, /\.\./)
		kind = "UINT"; ctype = uint_type(a[2] + 0); min = a[1] "u"; max = a[2] "u"
		return
	}
	if (t ~ /^(tstr|bytes) \.size /) {
		kind = t ~ /^tstr/ ? "TEXT" : "BYTES"
		sub(/^[a-z]+ \.size /, "", t); gsub(/[()]/, "", t)
		if (t ~ /\.\./) split(t, a, /\.\./); else { a[1] = t; a[2] = t }
		min = a[1]; max = a[2]
		ctype = kind == "TEXT" ? "char" : "struct rbuf"
		if (kind == "TEXT") dim = "[" (a[2] + 1) "]"
		return
	}
	if (t in is_enum) { kind = "NAME"; ctype = "enum " c_name(t); extra = ", .names = " c_name(t) "_names"; return }
	if (t in is_map) { kind = "MAP"; ctype = "struct " c_name(t); extra = ", .sub = &" c_name(t) "_type"; return }
	die("unknown type \"" t "\"")
}
function add_enum(name, text,   n, v, i) {
	is_enum[name] = 1
	n = split(text, v, / *\/ */)
	if (part == "h") {
		printf "#define %sS(X)", upper(name)
		for (i = 1; i <= n; i++) {
			gsub(/"/, "", v[i])
			printf " \\\n\tX(%s_%s, %d, \"%s\")", upper(name), upper(v[i]), i - 1, v[i]
		}
		printf "\n\nenum %s { %sS(NAME_ENUM) };\n", c_name(name), upper(name)
		printf "extern const struct name %s_names[];\n\n", c_name(name)
	} else
		printf "const struct name %s_names[] = { %sS(NAME_ROW) NAME_END };\n\n", c_name(name), upper(name)
}
function end_map(   i, j, t, c) {
	c = c_name(map)
	if (part == "h") {
		printf "struct %s {\n", c
		for (i = 1; i <= n_fields; i++) {
			if (list[i]) printf "\tsize_t n_%s;\n", member[i]
			printf "\t%s%s%s%s;\n", decl[i] " " member[i], list[i] ? "[" list[i] "]" : "", dims[i], ""
		}
		if (n_fields == 0) print "\tuint8_t none;"
		printf "};\nextern const struct msg_type %s_type;\n\n", c
		return
	}
	# deterministic order of keys: shorter first, then bytewise
	for (i = 2; i <= n_fields; i++)
		for (j = i; j > 1; j--) {
			a = key[ord(j)]; b = key[ord(j - 1)]
			if (length(a) > length(b) || (length(a) == length(b) && a >= b)) break
			t = ord(j); order[j] = ord(j - 1); order[j - 1] = t
		}
	if (n_fields > 0) {
		printf "static const struct msg_field %s_fields[] = {\n", c
		for (i = 1; i <= n_fields; i++) printf "%s", row[ord(i)]
		print "};"
	}
	printf "const struct msg_type %s_type = {\n\t.name = \"%s\",\n\t.size = sizeof(struct %s),\n", c, map, c
	if (n_fields > 0) printf "\t.fields = %s_fields,\n\t.n_fields = %d,\n", c, n_fields
	print "};\n"
}
function ord(i) { return order[i] }
function add_field(opt, k, t,   i, m, c, cap, low, a, el) {
	i = ++n_fields; order[i] = i; key[i] = k; m = member[i] = c_name(k)
	c = "struct " c_name(map); list[i] = ""; dims[i] = ""
	if (t ~ /^\[/) {
		sub(/^\[/, "", t); sub(/\]$/, "", t)
		el = t; sub(/^[0-9]+\*[0-9]+ /, "", el)
		if (el == t) die("a list needs bounds, as in [0*8 prefix]")
		low = t; sub(/\*.*/, "", low)
		cap = t; sub(/^[0-9]+\*/, "", cap); sub(/ .*/, "", cap)
		classify(el)
		list[i] = cap; dims[i] = dim; decl[i] = ctype
		row[i] = sprintf("\t{ .key = \"%s\", .kind = MSG_LIST, .offset = offsetof(%s, %s),\n\t  .count_offset = offsetof(%s, n_%s), .optional = %s,\n\t  .min = %s, .max = %s,\n\t  .elem = &(const struct msg_field){ .kind = MSG_%s,\n\t    .size = sizeof(((%s *)0)->%s[0]), .min = %s, .max = %s%s } },\n", \
		    k, c, m, c, m, opt ? "true" : "false", low, cap, kind, c, m, min, max, extra)
		return
	}
	classify(t)
	decl[i] = ctype; dims[i] = dim
	row[i] = sprintf("\t{ .key = \"%s\", .kind = MSG_%s, .offset = offsetof(%s, %s),\n\t  .size = sizeof(((%s *)0)->%s), .optional = %s,\n\t  .min = %s, .max = %s%s },\n", \
	    k, kind, c, m, c, m, opt ? "true" : "false", min, max, extra)
}
# First pass over the file: which names are maps and enums.
NR == FNR {
	if ($0 ~ /^[a-z-]+ = \{/) is_map[$1] = 1
	else if ($0 ~ /^[a-z0-9-]+ = "/) is_enum[$1] = 1
	next
}
FNR == 1 {
	print "/* Made from lib/msg/dmvpn.cddl by lib/msg/cddl.awk. */"
	if (part == "h") {
		print "#ifndef MSG_TYPES_H\n#define MSG_TYPES_H\n"
		print "#include \"base/addr.h\"\n#include \"base/name.h\"\n#include \"msg/msg.h\"\n"
	} else
		print "#include \"msg/types.h\"\n"
}
{ sub(/ *;.*/, ""); sub(/[ \t]+$/, "") }
/^$/ { next }
/^version = [0-9]+$/ { if (part == "h") print "#define MSG_SCHEMA " $3 "\n"; next }
/^(message|address|prefix|endpoint) = / { next }
/^[a-z0-9-]+ = "/ { n = $1; sub(/^[^"]*/, ""); add_enum(n, $0); next }
/^[a-z-]+ = \{$/ { map = $1; maps[++n_maps] = map; n_fields = 0; next }
/^\}$/ { end_map(); map = ""; next }
map != "" && /^  (\? )?[a-z][a-z0-9-]*: / {
	opt = ($1 == "?"); sub(/^ *(\? )?/, "")
	k = $1; sub(/:$/, "", k); sub(/^[a-z0-9-]+: */, "")
	add_field(opt, k, $0)
	next
}
{ die("not of the subset") }
END {
	if (failed) exit 1
	if (part == "h") { print "/* All of them, ends in NULL. */\nextern const struct msg_type *const msg_types[];\n\n#endif"; exit }
	print "const struct msg_type *const msg_types[] = {"
	for (i = 1; i <= n_maps; i++) printf "\t&%s_type,\n", c_name(maps[i])
	print "\tNULL\n};"
}
