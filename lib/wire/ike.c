#include "wire/ike.h"

#include <errno.h>

int
ike_header_parse(struct rbuf *in, struct ike_header *h, struct err *e)
{
	size_t len = rbuf_left(in);
	uint8_t version;

	h->spi_i = rbuf_be64(in);
	h->spi_r = rbuf_be64(in);
	h->next = rbuf_u8(in);
	version = rbuf_u8(in);
	h->major = version >> 4;
	h->minor = version & 0x0f;
	h->exchange = rbuf_u8(in);
	h->flags = rbuf_u8(in);
	h->id = rbuf_be32(in);
	h->length = rbuf_be32(in);
	if (!rbuf_ok(in))
		return err_set(e, EBADMSG, "%zu bytes, an IKE header has 28",
		    len);
	if (h->length != len)
		return err_set(e, EBADMSG, "length field says %u, datagram "
		    "has %zu bytes", h->length, len);
	return 0;
}

struct ike_walk
ike_walk_of(uint8_t first, struct rbuf payloads)
{
	return (struct ike_walk){ .in = payloads, .next = first };
}

int
ike_walk_next(struct ike_walk *w, struct ike_payload *p, struct err *e)
{
	struct rbuf peek = w->in;
	uint8_t flags;
	uint16_t len;

	if (w->next == IKE_P_NONE) {
		if (rbuf_left(&w->in) > 0)
			return err_set(e, EBADMSG, "%zu bytes after the last "
			    "payload", rbuf_left(&w->in));
		return 0;
	}
	if (++w->n > IKE_PAYLOADS_MAX)
		return err_set(e, EBADMSG, "more than %d payloads",
		    IKE_PAYLOADS_MAX);
	p->type = w->next;
	p->next = rbuf_u8(&peek);
	flags = rbuf_u8(&peek);
	len = rbuf_be16(&peek);
	p->critical = flags & 0x80;
	p->whole = rbuf_sub(&w->in, len);
	if (!rbuf_ok(&peek) || !rbuf_ok(&w->in) || len < IKE_PAYLOAD_LEN)
		return err_set(e, EBADMSG, "payload %u (type %u): %u bytes "
		    "claimed, %zu left", w->n, p->type, len, rbuf_left(&peek));
	p->body = p->whole;
	rbuf_skip(&p->body, IKE_PAYLOAD_LEN);
	w->next = p->next;
	if (p->type == IKE_P_SK || p->type == IKE_P_SKF) {
		w->next = IKE_P_NONE;
		if (rbuf_left(&w->in) > 0)
			return err_set(e, EBADMSG, "%zu bytes after the "
			    "encrypted payload", rbuf_left(&w->in));
	}
	return 1;
}

int
ike_ke_parse(struct rbuf body, struct ike_ke *k, struct err *e)
{
	k->group = rbuf_be16(&body);
	rbuf_skip(&body, 2);
	k->data = rbuf_rest(&body);
	if (!rbuf_ok(&body) || rbuf_left(&k->data) == 0)
		return err_set(e, EBADMSG, "KE payload without a public value");
	return 0;
}

int
ike_id_parse(struct rbuf body, struct ike_id *id, struct err *e)
{
	id->body = body;
	id->type = rbuf_u8(&body);
	rbuf_skip(&body, 3);
	id->data = rbuf_rest(&body);
	if (!rbuf_ok(&body))
		return err_set(e, EBADMSG, "ID payload is too short");
	return 0;
}

int
ike_cert_parse(struct rbuf body, struct ike_cert *c, struct err *e)
{
	c->encoding = rbuf_u8(&body);
	c->data = rbuf_rest(&body);
	if (!rbuf_ok(&body))
		return err_set(e, EBADMSG, "CERT payload is empty");
	return 0;
}

int
ike_auth_parse(struct rbuf body, struct ike_auth *a, struct err *e)
{
	a->method = rbuf_u8(&body);
	rbuf_skip(&body, 3);
	a->data = rbuf_rest(&body);
	if (!rbuf_ok(&body))
		return err_set(e, EBADMSG, "AUTH payload is too short");
	return 0;
}

int
ike_nonce_parse(struct rbuf body, struct rbuf *nonce, struct err *e)
{
	size_t len = rbuf_left(&body);

	*nonce = body;
	if (len < IKE_NONCE_MIN || len > IKE_NONCE_MAX)
		return err_set(e, EBADMSG, "nonce of %zu bytes, %d to %d are "
		    "allowed", len, IKE_NONCE_MIN, IKE_NONCE_MAX);
	return 0;
}

int
ike_notify_parse(struct rbuf body, struct ike_notify *n, struct err *e)
{
	uint8_t spi_len;

	n->protocol = rbuf_u8(&body);
	spi_len = rbuf_u8(&body);
	n->type = rbuf_be16(&body);
	n->spi = rbuf_sub(&body, spi_len);
	n->data = rbuf_rest(&body);
	if (!rbuf_ok(&body))
		return err_set(e, EBADMSG, "notify %u: SPI of %u bytes claimed",
		    n->type, spi_len);
	return 0;
}

int
ike_delete_parse(struct rbuf body, struct ike_delete *d, struct err *e)
{
	d->protocol = rbuf_u8(&body);
	d->spi_len = rbuf_u8(&body);
	d->count = rbuf_be16(&body);
	d->spis = rbuf_sub(&body, (size_t)d->spi_len * d->count);
	if (!rbuf_done(&body))
		return err_set(e, EBADMSG, "delete: %u SPIs of %u bytes "
		    "claimed", d->count, d->spi_len);
	return 0;
}

int
ike_skf_parse(struct rbuf body, struct ike_skf *s, struct err *e)
{
	s->number = rbuf_be16(&body);
	s->total = rbuf_be16(&body);
	s->data = rbuf_rest(&body);
	if (!rbuf_ok(&body))
		return err_set(e, EBADMSG, "fragment is too short");
	if (s->number == 0 || s->number > s->total ||
	    s->total > IKE_FRAGMENTS_MAX)
		return err_set(e, EBADMSG, "fragment %u of %u", s->number,
		    s->total);
	return 0;
}

int
ike_cp_parse(struct rbuf body, struct ike_cp *c, struct err *e)
{
	c->type = rbuf_u8(&body);
	rbuf_skip(&body, 3);
	c->attributes = rbuf_rest(&body);
	if (!rbuf_ok(&body))
		return err_set(e, EBADMSG, "CP payload is too short");
	return 0;
}

int
ike_cp_next(struct rbuf *attributes, struct ike_cp_attr *a, struct err *e)
{
	uint16_t len;

	if (rbuf_left(attributes) == 0)
		return 0;
	a->type = rbuf_be16(attributes) & 0x7fff;
	len = rbuf_be16(attributes);
	a->value = rbuf_sub(attributes, len);
	if (!rbuf_ok(attributes))
		return err_set(e, EBADMSG, "CP attribute %u: %u bytes claimed",
		    a->type, len);
	return 1;
}
