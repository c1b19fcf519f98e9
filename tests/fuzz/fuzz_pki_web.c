/* HTTP at the edge: the same in pieces as in one, and what is handed on keeps
 * to its bounds.  The first octet says how long the pieces are. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "dmvpn-pki/pki_web_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
feed(struct web_in *in, struct rbuf r, size_t n, bool tls)
{
	unsigned status = 100;
	struct err e = { 0 };

	memset(in, 0, sizeof(*in));
	in->request.tls = tls;
	while (status == 100 && rbuf_left(&r) > 0) {
		size_t k = rbuf_left(&r) < n ? rbuf_left(&r) : n;

		status = web_in_take(in, rbuf_sub(&r, k), &e);
	}
	return status;
}

static void
hand_on(const struct web_in *in)
{
	static uint8_t octets[WEB_BODY_MAX];
	struct wbuf room = wbuf_of(octets, sizeof(octets));
	struct pki_web_ask ask;
	struct err e = { 0 };
	struct rbuf body;
	unsigned status = web_take(&in->request, &room, &ask, &body, &e);

	if (status != 0 && (status < 400 || status > 599 ||
	    e.msg[0] == '\0'))
		__builtin_trap();
	if (status == 0 && (rbuf_left(&body) > WEB_BODY_MAX ||
	    !text_is_utf8(ask.rest, strlen(ask.rest)) ||
	    !text_is_utf8(ask.user, strlen(ask.user)) ||
	    (ask.user[0] != '\0' && !in->request.tls)))
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct web_in whole, pieces;
	struct rbuf r;
	unsigned a, b;
	size_t n;

	if (size < 2)
		return 0;
	n = data[0] % 64 + 1u;
	r = rbuf_of(data + 1, size - 1);
	a = feed(&whole, r, size, data[0] & 64);
	b = feed(&pieces, r, n, data[0] & 64);
	/* In pieces, what follows a whole request is not looked at. */
	if (a != b && !(b == 200 && a == 400))
		__builtin_trap();
	if (b == 200 && pieces.body_len != pieces.length)
		__builtin_trap();
	if (a == 200)
		hand_on(&whole);
	return 0;
}
