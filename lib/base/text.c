#include "base/text.h"

#include <errno.h>
#include <string.h>

/* One octet as it is shown: how many characters. */
static size_t
escape_one(uint8_t c, char out[4])
{
	static const char hex[] = "0123456789abcdef";

	if (c == '\\' || c == '"') {
		out[0] = '\\';
		out[1] = (char)c;
		return 2;
	}
	out[0] = (char)c;
	if (c >= 0x20 && c < 0x7f)
		return 1;
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[c >> 4];
	out[3] = hex[c & 15];
	return 4;
}

const char *
text_escape(const void *octets, size_t len, char *out, size_t out_len)
{
	const uint8_t *p = octets;
	size_t i, w, n = 0;
	char one[4];

	if (out_len == 0)
		return out;
	for (i = 0; i < len; i++) {
		w = escape_one(p[i], one);
		if (n + w + (i + 1 < len ? 4 : 1) > out_len)
			break;
		memcpy(out + n, one, w);
		n += w;
	}
	out[n] = '\0';
	if (i < len && out_len - n > 3)
		memcpy(out + n, "...", 4);
	return out;
}

const char *
text_hex(const void *octets, size_t len, char *out, size_t out_len)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *p = octets;
	size_t i, n = 0;

	for (i = 0; i < len && n + 3 <= out_len; i++) {
		out[n++] = hex[p[i] >> 4];
		out[n++] = hex[p[i] & 15];
	}
	if (out_len > 0)
		out[n] = '\0';
	return out;
}

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
text_unhex(const char *text, struct wbuf *w, struct err *e)
{
	const char *s = text;
	size_t start = w->len;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	for (; *s != '\0'; s += 2) {
		int hi = nibble(s[0]);
		int lo = hi < 0 ? -1 : nibble(s[1]);

		if (lo < 0)
			return err_set(e, EINVAL, "not hexadecimal at "
			    "character %td", s - text + 1);
		wbuf_u8(w, (uint8_t)(hi << 4 | lo));
	}
	if (!wbuf_ok(w))
		return err_set(e, ENOBUFS, "hexadecimal text too long");
	return (int)(w->len - start);
}

/* Length of the sequence at p, 0 when malformed (RFC 3629, 4). */
static size_t
utf8_len(const uint8_t *p, size_t left)
{
	size_t n, i;
	uint32_t c;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] < 0xe0)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] < 0xf0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] < 0xf5)
		n = 4;
	else
		return 0;
	if (n > left)
		return 0;
	c = p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	    (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	return n;
}

int
text_is_utf8(const void *octets, size_t len)
{
	const uint8_t *p = octets;
	size_t i = 0, n;

	while (i < len) {
		n = utf8_len(p + i, len - i);
		if (n == 0)
			return 0;
		i += n;
	}
	return 1;
}

int
text_copy(char *to, size_t to_len, const char *from, struct err *e)
{
	size_t n = strlen(from);

	if (n >= to_len)
		return err_set(e, ENAMETOOLONG, "\"%.32s...\" is longer than "
		    "%zu characters", from, to_len - 1);
	memcpy(to, from, n + 1);
	return 0;
}
