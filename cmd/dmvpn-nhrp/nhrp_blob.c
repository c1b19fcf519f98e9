#include "nhrp_state.h"

#include <string.h>

/* version | kind | flags | id | hold | claimed | nbma, port | target | name */
#define BLOB_VERSION 1

static void
put_addr(struct wbuf *w, const struct addr *a)
{
	wbuf_u8(w, a->len);
	wbuf_put(w, a->b, a->len);
}

static int
get_addr(struct rbuf *r, struct addr *a)
{
	uint8_t len = rbuf_u8(r);

	memset(a, 0, sizeof(*a));
	if (len != 0 && len != 4 && len != 16)
		return -1;
	a->len = len;
	rbuf_copy(r, a->b, len);
	return rbuf_ok(r) ? 0 : -1;
}

struct rbuf
nhrp_blob_put(const struct nhrp_blob *b, uint8_t *to, size_t len)
{
	struct wbuf w = wbuf_of(to, len);

	wbuf_u8(&w, BLOB_VERSION);
	wbuf_u8(&w, (uint8_t)b->kind);
	wbuf_u8(&w, (uint8_t)(b->unique | b->observed << 1));
	wbuf_be32(&w, b->id);
	wbuf_be16(&w, b->hold);
	put_addr(&w, &b->claimed);
	put_addr(&w, &b->nbma.addr);
	wbuf_be16(&w, b->nbma.port);
	put_addr(&w, &b->target);
	wbuf_put(&w, b->identity, strlen(b->identity));
	return wbuf_rbuf(&w);
}

int
nhrp_blob_get(struct rbuf in, struct nhrp_blob *b)
{
	uint8_t flags;
	size_t left;

	memset(b, 0, sizeof(*b));
	if (rbuf_u8(&in) != BLOB_VERSION)
		return -1;
	b->kind = rbuf_u8(&in);
	flags = rbuf_u8(&in);
	b->unique = flags & 1;
	b->observed = flags & 2;
	b->id = rbuf_be32(&in);
	b->hold = rbuf_be16(&in);
	if (get_addr(&in, &b->claimed) < 0 || get_addr(&in, &b->nbma.addr) < 0)
		return -1;
	b->nbma.port = rbuf_be16(&in);
	if (get_addr(&in, &b->target) < 0)
		return -1;
	left = rbuf_left(&in);
	if (!rbuf_ok(&in) || left >= sizeof(b->identity))
		return -1;
	rbuf_copy(&in, b->identity, left);
	return 0;
}
