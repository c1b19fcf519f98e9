#include "wire/ike.h"

#define FIRST_AT	16	/* next-payload octet of the header */
#define LENGTH_AT	24

struct ike_chain
ike_chain_of(struct wbuf *w)
{
	return (struct ike_chain){ .w = w };
}

/* Open a payload; the one before it learns the type of this one. */
static void
put(struct ike_chain *c, uint8_t type, uint8_t flags)
{
	size_t before = c->at;
	bool had = c->open || c->first != 0;

	ike_put_end(c);
	c->at = c->w->len;
	c->open = true;
	wbuf_u8(c->w, 0);
	wbuf_u8(c->w, flags);
	wbuf_be16(c->w, 0);
	if (had)
		wbuf_fill8(c->w, before, type);
	else
		c->first = type;
}

void
ike_put(struct ike_chain *c, uint8_t type)
{
	put(c, type, 0);
}

void
ike_put_critical(struct ike_chain *c, uint8_t type)
{
	put(c, type, 0x80);
}

void
ike_put_end(struct ike_chain *c)
{
	if (c->open)
		wbuf_fill16(c->w, c->at + 2, c->w->len - c->at);
	c->open = false;
}

void
ike_header_put(struct wbuf *w, const struct ike_header *h)
{
	wbuf_be64(w, h->spi_i);
	wbuf_be64(w, h->spi_r);
	wbuf_u8(w, h->next);
	wbuf_u8(w, 0x20);
	wbuf_u8(w, h->exchange);
	wbuf_u8(w, h->flags);
	wbuf_be32(w, h->id);
	wbuf_be32(w, h->length);
}

void
ike_header_fill(struct wbuf *w, uint8_t first, size_t length)
{
	wbuf_fill8(w, FIRST_AT, first);
	wbuf_fill32(w, LENGTH_AT, length);
}

void
ike_put_ke(struct ike_chain *c, uint16_t group, const void *data, size_t len)
{
	ike_put(c, IKE_P_KE);
	wbuf_be16(c->w, group);
	wbuf_be16(c->w, 0);
	wbuf_put(c->w, data, len);
	ike_put_end(c);
}

void
ike_put_id(struct ike_chain *c, uint8_t payload, uint8_t id_type,
    const void *data, size_t len)
{
	ike_put(c, payload);
	wbuf_u8(c->w, id_type);
	wbuf_zero(c->w, 3);
	wbuf_put(c->w, data, len);
	ike_put_end(c);
}

void
ike_put_cert(struct ike_chain *c, uint8_t payload, uint8_t encoding,
    const void *data, size_t len)
{
	ike_put(c, payload);
	wbuf_u8(c->w, encoding);
	wbuf_put(c->w, data, len);
	ike_put_end(c);
}

void
ike_put_auth(struct ike_chain *c, uint8_t method, const void *data,
    size_t len)
{
	ike_put(c, IKE_P_AUTH);
	wbuf_u8(c->w, method);
	wbuf_zero(c->w, 3);
	wbuf_put(c->w, data, len);
	ike_put_end(c);
}

void
ike_put_nonce(struct ike_chain *c, const void *data, size_t len)
{
	ike_put(c, IKE_P_NONCE);
	wbuf_put(c->w, data, len);
	ike_put_end(c);
}

void
ike_put_notify(struct ike_chain *c, uint8_t protocol, const void *spi,
    size_t spi_len, uint16_t type, const void *data, size_t len)
{
	ike_put(c, IKE_P_NOTIFY);
	wbuf_u8(c->w, protocol);
	wbuf_u8(c->w, (uint8_t)spi_len);
	wbuf_be16(c->w, type);
	wbuf_put(c->w, spi, spi_len);
	wbuf_put(c->w, data, len);
	ike_put_end(c);
}

void
ike_put_status(struct ike_chain *c, uint16_t type)
{
	ike_put_notify(c, IKE_PROTO_NONE, NULL, 0, type, NULL, 0);
}

void
ike_put_delete(struct ike_chain *c, uint8_t protocol, const uint32_t *spis,
    size_t count)
{
	size_t i;

	ike_put(c, IKE_P_DELETE);
	wbuf_u8(c->w, protocol);
	wbuf_u8(c->w, protocol == IKE_PROTO_IKE ? 0 : 4);
	wbuf_be16(c->w, (uint16_t)count);
	for (i = 0; i < count; i++)
		wbuf_be32(c->w, spis[i]);
	ike_put_end(c);
}

static void
put_selector(struct wbuf *w, const struct ike_ts *ts)
{
	wbuf_u8(w, ts->type);
	wbuf_u8(w, ts->protocol);
	wbuf_be16(w, (uint16_t)(8 + 2 * ts->first.len));
	wbuf_be16(w, ts->port_first);
	wbuf_be16(w, ts->port_last);
	wbuf_put(w, ts->first.b, ts->first.len);
	wbuf_put(w, ts->last.b, ts->last.len);
}

void
ike_put_ts(struct ike_chain *c, uint8_t payload, const struct ike_ts *ts,
    size_t n)
{
	size_t i;

	ike_put(c, payload);
	wbuf_u8(c->w, (uint8_t)n);
	wbuf_zero(c->w, 3);
	for (i = 0; i < n; i++)
		put_selector(c->w, &ts[i]);
	ike_put_end(c);
}
