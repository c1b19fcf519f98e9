#ifndef NHRP_CRAFT_H
#define NHRP_CRAFT_H

#include "nhrp_sim.h"
#include "nhrp_sim_body.h"

#define TEST(name, fn) { name, fn, NULL, NULL, NULL }

/* A packet of an attacker with a good SA, or of a foreign peer. */
struct craft {
	uint8_t		type, hops, prefix;
	uint16_t	flags, hold, code;
	uint32_t	id;
	struct addr	nbma, src, dst, cie_nbma, cie_proto;
	const char	*auth;		/* NULL: none */
	uint16_t	ext;		/* one more extension, its type */
	bool		compulsory;
	struct addr	ext_proto;	/* as a CIE in it; none: empty */
	bool		no_cie;
	const void	*payload;
	size_t		payload_len;
	uint8_t		b[NHRP_MAX];
	size_t		len;
};

static inline void
craft(struct craft *c)
{
	struct nhrp n = { .afn = NHRP_AFN_IP4, .protocol = NHRP_PROTO_IP4,
	    .hops = c->hops, .type = c->type, .flags = c->flags,
	    .id = c->id, .code = c->code, .src_nbma = c->nbma,
	    .src_proto = c->src, .dst_proto = c->dst };
	struct nhrp_cie cie = { .code = (uint8_t)c->code,
	    .prefix = c->prefix, .hold = c->hold, .nbma = c->cie_nbma,
	    .proto = c->cie_proto };
	struct rbuf none = rbuf_of(NULL, 0);
	struct rbuf payload = rbuf_of(c->payload, c->payload_len);
	struct nhrp_cie in = { .proto = c->ext_proto };
	struct nhrp_out o;

	nhrp_begin(&o, c->b, sizeof(c->b), &n);
	if (c->type >= NHRP_ERROR_INDICATION)
		nhrp_put(&o, &payload);
	else if (!c->no_cie)
		nhrp_put_cie(&o, &cie);
	if (c->ext != NHRP_EXT_RESPONDER)
		nhrp_ext_put(&o, NHRP_EXT_RESPONDER, true, &none);
	if (c->ext != NHRP_EXT_FORWARD)
		nhrp_ext_put(&o, NHRP_EXT_FORWARD, true, &none);
	if (c->auth != NULL)
		nhrp_ext_put_auth(&o, c->auth, strlen(c->auth));
	if (c->ext != 0) {
		nhrp_ext_open(&o, c->ext, c->compulsory);
		if (c->ext_proto.len > 0)
			nhrp_put_cie(&o, &in);
		nhrp_ext_close(&o);
	}
	assert_int_equal(nhrp_end(&o, NULL), 0);
	c->len = o.w.len;
}

/* From `from`'s peer number into x, then some time passes. */
static inline void
into(struct sim_site *x, struct sim_site *from, struct craft *c)
{
	craft(c);
	sim_inject(x, sim_number(x, from), c->b, c->len);
	sim_run(x->sim, 20);
}

static inline struct craft
registration(struct sim_site *from, struct sim_site *hub)
{
	return (struct craft){ .type = NHRP_REGISTRATION_REQUEST,
	    .hops = 255, .prefix = 32, .hold = 600, .id = 7777,
	    .nbma = from->nbma, .src = from->tunnel, .dst = hub->tunnel };
}

static inline struct craft
resolution(struct sim_site *from, const struct addr *dst)
{
	return (struct craft){ .type = NHRP_RESOLUTION_REQUEST, .hops = 255,
	    .flags = 0xc802, .hold = 600, .id = 8888, .nbma = from->nbma,
	    .src = from->tunnel, .dst = *dst };
}

static inline void
set_auth(struct sim *s, const char *text)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		s->sites[i].conf.authentication = rbuf_of(text,
		    strlen(text));
}

/* The code of the CIE in the last packet that x sent. */
static inline int
last_code(struct sim_site *x, uint16_t *hold)
{
	struct rbuf in = x->last_sent.cies;
	struct nhrp_cie cie;

	if (nhrp_cie_next(&x->last_sent, &in, &cie, NULL) <= 0)
		return -1;
	if (hold != NULL)
		*hold = cie.hold;
	return cie.code;
}

#endif
