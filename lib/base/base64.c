#include "base/base64.h"

#include <errno.h>

static const char alphabets[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

void
base64_write(struct wbuf *w, enum base64_kind kind, const void *octets,
    size_t len)
{
	const char *a = alphabets[kind];
	struct rbuf r = rbuf_of(octets, len);

	while (rbuf_left(&r) > 0) {
		size_t n = rbuf_left(&r) < 3 ? rbuf_left(&r) : 3;
		uint8_t b[3] = { 0 };

		rbuf_copy(&r, b, n);
		wbuf_u8(w, (uint8_t)a[b[0] >> 2]);
		wbuf_u8(w, (uint8_t)a[(b[0] & 3) << 4 | b[1] >> 4]);
		if (n > 1)
			wbuf_u8(w, (uint8_t)a[(b[1] & 15) << 2 | b[2] >> 6]);
		if (n > 2)
			wbuf_u8(w, (uint8_t)a[b[2] & 63]);
		if (kind == BASE64_PLAIN && n < 3)
			wbuf_put(w, "==", 3 - n);
	}
}

/* 0..63, or -1. */
static int
value_of(enum base64_kind kind, uint8_t c)
{
	const char *at = c == '\0' ? NULL : strchr(alphabets[kind], c);

	return at == NULL ? -1 : (int)(at - alphabets[kind]);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int
wrong(size_t at, struct err *e)
{
	return err_set(e, EBADMSG, "base64: letter %zu is wrong", at);
}

int
base64_read(struct wbuf *w, enum base64_kind kind, const char *text,
    size_t len, struct err *e)
{
	struct rbuf r = rbuf_of(text, len);
	uint32_t bits = 0;
	unsigned n = 0, pads = 0;
	size_t at = 0;

	while (rbuf_left(&r) > 0) {
		uint8_t c = rbuf_u8(&r);
		int v = value_of(kind, c);

		at++;
		if (kind == BASE64_PLAIN && is_blank(c))
			continue;
		if (kind == BASE64_PLAIN && c == '=' && n + pads >= 2 &&
		    n + pads < 4) {
			pads++;
			continue;
		}
		if (v < 0 || pads > 0)
			return wrong(at, e);
		bits = bits << 6 | (uint32_t)v;
		if (++n < 4)
			continue;
		wbuf_u8(w, (uint8_t)(bits >> 16));
		wbuf_be16(w, (uint16_t)bits);
		n = 0;
		bits = 0;
	}
	if (n == 1 || (pads > 0 && n + pads != 4) ||
	    (bits & (n == 3 ? 3 : n == 2 ? 15 : 0)) != 0)
		return wrong(at, e);
	if (n >= 2)
		wbuf_u8(w, (uint8_t)(n == 2 ? bits >> 4 : bits >> 10));
	if (n == 3)
		wbuf_u8(w, (uint8_t)(bits >> 2));
	return wbuf_ok(w) ? 0 : err_set(e, ENOBUFS, "base64: too long");
}
