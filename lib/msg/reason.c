#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "msg/types.h"

struct reason *
reason_set(struct reason *r, const char *stage, const char *code,
    const char *fmt, ...)
{
	va_list ap;

	memset(r, 0, sizeof(*r));
	snprintf(r->stage, sizeof(r->stage), "%s", stage);
	snprintf(r->code, sizeof(r->code), "%s", code);
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	return r;
}

const char *
reason_text(const struct reason *r, char *out, size_t out_len)
{
	const struct { const char *before, *text; } parts[] = {
		{ "", r->stage }, { r->stage[0] ? ": " : "", r->text },
		{ "; offered ", r->offered }, { "; wanted ", r->wanted },
		{ "; difference: ", r->difference }, { "; ", r->fix },
	};
	size_t i, n = 0;

	if (out_len > 0)
		out[0] = '\0';
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int k;

		if (parts[i].text[0] == '\0' || n >= out_len)
			continue;
		k = snprintf(out + n, out_len - n, "%s%s", parts[i].before,
		    parts[i].text);
		n += k > 0 ? (size_t)k : 0;
	}
	return out;
}
