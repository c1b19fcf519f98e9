#include "wire/nhrp.h"

#include <errno.h>
#include <stdio.h>

/* Flags by packet type, for people. */
static const struct flag {
	uint8_t		 first, last;	/* packet types */
	uint16_t	 bit;
	const char	*text;
} flags[] = {
	{ 1, 2, NHRP_R_ROUTER, "router" },
	{ 1, 2, NHRP_R_AUTHORITATIVE, "authoritative" },
	{ 1, 2, NHRP_R_DST_STABLE, "destination-stable" },
	{ 1, 2, NHRP_R_UNIQUE, "unique" },
	{ 1, 2, NHRP_R_SRC_STABLE, "source-stable" },
	{ 1, 2, NHRP_R_NAT, "nat" },
	{ 3, 4, NHRP_G_UNIQUE, "unique" },
	{ 3, 4, NHRP_G_NAT, "nat" },
	{ 5, 6, NHRP_P_NO_REPLY, "no-reply" },
};

void
nhrp_begin(struct nhrp_out *o, void *buf, size_t cap, const struct nhrp *n)
{
	struct wbuf *w = &o->w;

	*w = wbuf_of(buf, cap < NHRP_MAX ? cap : NHRP_MAX);
	o->ext = 0;
	o->len = 0;
	wbuf_be16(w, n->afn);
	wbuf_be16(w, n->protocol);
	wbuf_put(w, n->snap, sizeof(n->snap));
	wbuf_u8(w, n->hops);
	wbuf_zero(w, 6);	/* size, checksum, extension offset */
	wbuf_u8(w, 1);
	wbuf_u8(w, n->type);
	wbuf_u8(w, n->src_nbma.len);
	wbuf_u8(w, (uint8_t)rbuf_left(&n->src_sub));
	wbuf_u8(w, n->src_proto.len);
	wbuf_u8(w, n->dst_proto.len);
	wbuf_be16(w, n->flags);
	if (n->type >= NHRP_ERROR_INDICATION) {
		wbuf_be16(w, n->code);
		wbuf_be16(w, n->offset);
	} else
		wbuf_be32(w, n->id);
	wbuf_put(w, n->src_nbma.b, n->src_nbma.len);
	wbuf_put_rbuf(w, &n->src_sub);
	wbuf_put(w, n->src_proto.b, n->src_proto.len);
	wbuf_put(w, n->dst_proto.b, n->dst_proto.len);
}

void
nhrp_put_cie(struct nhrp_out *o, const struct nhrp_cie *cie)
{
	struct wbuf *w = &o->w;

	wbuf_u8(w, cie->code);
	wbuf_u8(w, cie->prefix);
	wbuf_be16(w, cie->unused);
	wbuf_be16(w, cie->mtu);
	wbuf_be16(w, cie->hold);
	wbuf_u8(w, cie->nbma.len);
	wbuf_u8(w, (uint8_t)rbuf_left(&cie->sub));
	wbuf_u8(w, cie->proto.len);
	wbuf_u8(w, cie->preference);
	wbuf_put(w, cie->nbma.b, cie->nbma.len);
	wbuf_put_rbuf(w, &cie->sub);
	wbuf_put(w, cie->proto.b, cie->proto.len);
}

void
nhrp_put(struct nhrp_out *o, const struct rbuf *r)
{
	wbuf_put_rbuf(&o->w, r);
}

void
nhrp_ext_open(struct nhrp_out *o, uint16_t type, bool compulsory)
{
	if (o->ext == 0)
		o->ext = o->w.len;
	wbuf_be16(&o->w, (uint16_t)(type | (compulsory ? 0x8000 : 0)));
	o->len = wbuf_hole16(&o->w);
}

void
nhrp_ext_close(struct nhrp_out *o)
{
	if (wbuf_ok(&o->w))
		wbuf_fill16(&o->w, o->len, o->w.len - o->len - 2);
}

void
nhrp_ext_put(struct nhrp_out *o, uint16_t type, bool compulsory,
    const struct rbuf *value)
{
	nhrp_ext_open(o, type, compulsory);
	nhrp_put(o, value);
	nhrp_ext_close(o);
}

void
nhrp_ext_put_auth(struct nhrp_out *o, const void *text, size_t len)
{
	nhrp_ext_open(o, NHRP_EXT_AUTH, true);
	wbuf_be32(&o->w, 1);	/* Cisco: SPI 1, no source address */
	wbuf_put(&o->w, text, len);
	nhrp_ext_close(o);
}

int
nhrp_end(struct nhrp_out *o, struct err *e)
{
	struct wbuf *w = &o->w;

	if (o->ext > 0) {
		nhrp_ext_open(o, NHRP_EXT_END, true);
		wbuf_fill16(w, 14, o->ext);
	}
	wbuf_fill16(w, 10, w->len);
	if (!wbuf_ok(w))
		return err_set(e, ENOBUFS, "packet of more than %zu octets",
		    w->cap);
	wbuf_fill16(w, 12, nhrp_checksum(wbuf_rbuf(w)));
	return 0;
}

const char *
nhrp_flags_text(uint8_t type, uint16_t value, char *out, size_t len)
{
	size_t i, n = 0;

	if (len == 0)
		return out;
	snprintf(out, len, "-");
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]) && n < len; i++) {
		const struct flag *f = &flags[i];

		if (type < f->first || type > f->last || !(value & f->bit))
			continue;
		n += (size_t)snprintf(out + n, len - n, "%s%s",
		    n > 0 ? "," : "", f->text);
	}
	return out;
}

bool
nhrp_seen_parse(const struct nhrp_ext *ext, struct nhrp_seen *s)
{
	struct rbuf in = ext->value;
	uint32_t head = rbuf_be32(&in);
	uint8_t i, count = rbuf_u8(&in);

	memset(s, 0, sizeof(*s));
	if (ext->type != NHRP_EXT_VENDOR ||
	    head != (NHRP_OUI << 8 | NHRP_OBSERVED) || count > 2)
		return false;
	for (i = 0; i < count; i++) {
		uint8_t role = rbuf_u8(&in), len = rbuf_u8(&in);
		struct endpoint *p = role == NHRP_SEEN_REQUESTER ?
		    &s->requester : &s->responder;

		if (role != NHRP_SEEN_REQUESTER && role != NHRP_SEEN_RESPONDER)
			return false;
		if (len != 4 && len != 16)
			return false;
		p->port = rbuf_be16(&in);
		rbuf_copy(&in, p->addr.b, len);
		p->addr.len = len;
	}
	return rbuf_done(&in);
}

static void
put_seen(struct wbuf *w, enum nhrp_seen_role role, const struct endpoint *p)
{
	if (p->addr.len == 0)
		return;
	wbuf_u8(w, (uint8_t)role);
	wbuf_u8(w, p->addr.len);
	wbuf_be16(w, p->port);
	wbuf_put(w, p->addr.b, p->addr.len);
}

void
nhrp_seen_put(struct nhrp_out *o, const struct nhrp_seen *s)
{
	unsigned n = (s->requester.addr.len > 0) + (s->responder.addr.len > 0);

	nhrp_ext_open(o, NHRP_EXT_VENDOR, false);
	wbuf_be32(&o->w, NHRP_OUI << 8 | NHRP_OBSERVED);
	wbuf_u8(&o->w, (uint8_t)n);
	put_seen(&o->w, NHRP_SEEN_REQUESTER, &s->requester);
	put_seen(&o->w, NHRP_SEEN_RESPONDER, &s->responder);
	nhrp_ext_close(o);
}
