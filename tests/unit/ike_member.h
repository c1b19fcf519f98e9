#ifndef IKE_MEMBER_H
#define IKE_MEMBER_H

/*
 * A member with keys: those of node 0's newest IKE SA, from the line that is
 * exported for Wireshark.  With them a test sends what it likes as node 0, or
 * changes what either node says on its way.  Suite: aes256gcm16.
 */
#include "ike_sim.h"

#include "base/text.h"
#include "crypto/ident.h"
#include "crypto/sk.h"
#include "dmvpn-ike/ike_int.h"
#include "wire/ike_proposal.h"

struct member {
	struct sk_dir	 i, r;		/* what each side seals with */
	uint64_t	 spi_i, spi_r;
	bool		 known;
};
static struct member member;

static inline void
member_key(struct sk_dir *d, const char *hex)
{
	struct sk_suite suite = { .encr = IKE_ENCR_AES_GCM_16,
	    .key_bits = 256, .prf = IKE_PRF_HMAC_SHA384 };
	char text[80];
	uint8_t key[64];
	struct wbuf w = wbuf_of(key, sizeof(key));

	snprintf(text, sizeof(text), "%.72s", hex);
	assert_int_equal(text_unhex(text, &w, NULL), 36);
	member.known = sk_dir_set(d, &suite, rbuf_of(key, w.len),
	    rbuf_of(NULL, 0), NULL) == 0;
}

static inline void
member_event(void *arg, const struct msg_type *t, const void *m)
{
	const struct sim_node *n = arg;
	const struct ike_keys *k = m;
	const char *at;

	if (t == &ike_keys_type && n->index == 0) {
		at = strchr(strchr(k->line, ',') + 1, ',') + 1;
		member_key(&member.i, at);
		member_key(&member.r, strchr(at, ',') + 1);
		member.spi_i = k->spi_i;
		member.spi_r = k->spi_r;
	}
	sim_event(arg, t, m);
}

/* Nodes of which node 0's keys are seen. */
static inline struct sim *
member_new(int nodes, uint64_t seed, const struct ike_tune *tune)
{
	struct sim *s = sim_new(nodes, seed, tune);
	struct ike_ops ops = { .arg = &s->n[0], .random = sim_random,
	    .local_for = sim_local_for, .send = sim_send, .call = sim_call,
	    .event = member_event, .wanted = sim_wanted,
	    .probed = sim_probed, .note = sim_note };

	memset(&member, 0, sizeof(member));
	ike_engine_free(s->n[0].g);
	s->n[0].g = ike_engine_new(&ops, tune, s->now, NULL);
	assert_non_null(s->n[0].g);
	ike_engine_gre_up(s->n[0].g, s->now, SIM_WALL);
	return s;
}

/* Node 1 with an SA up. */
static inline struct sim *
member_up(uint64_t seed)
{
	struct sim *s = member_new(2, seed, NULL);

	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	assert_true(member.known);
	return s;
}

/* A sealed message; returns its length. */
static inline size_t
member_seal(const struct sk_dir *k, struct ike_header h, uint64_t count,
    uint8_t first, struct rbuf clear, uint8_t *b, size_t cap)
{
	struct wbuf w = wbuf_of(b, cap);
	uint8_t iv[16] = { 0 };
	struct wbuf wi = wbuf_of(iv, 8);
	size_t sealed = sk_sealed_len(k, rbuf_left(&clear));

	wbuf_be64(&wi, count);
	h.next = IKE_P_SK;
	h.length = (uint32_t)(IKE_HEADER_LEN + IKE_PAYLOAD_LEN + sealed);
	ike_header_put(&w, &h);
	wbuf_u8(&w, first);
	wbuf_u8(&w, 0);
	wbuf_be16(&w, (uint16_t)(IKE_PAYLOAD_LEN + sealed));
	assert_int_equal(sk_seal(k, &w, 0, iv, clear, NULL), 0);
	return w.len;
}

/* A request of one of the two to the other, which it knows nothing of. */
static inline void
member_send_from(struct sim *s, int node, const struct endpoint *from,
    uint8_t exchange, uint32_t id, uint8_t first, struct rbuf clear)
{
	static uint64_t count = 1u << 20;
	struct ike_header h = { .spi_i = member.spi_i,
	    .spi_r = member.spi_r, .exchange = exchange,
	    .flags = node == 0 ? IKE_FLAG_INITIATOR : 0, .id = id };
	uint8_t b[4096];
	size_t len;

	len = member_seal(node == 0 ? &member.i : &member.r, h, ++count,
	    first, clear, b, sizeof(b));
	sim_inject(s, 1 - node, b, len, from);
}

/* The same from node 0, where it is. */
static inline void
member_send(struct sim *s, uint8_t exchange, uint32_t id, uint8_t first,
    const void *clear, size_t len)
{
	struct endpoint from = { s->n[0].addr, 4500 };

	member_send_from(s, 0, &from, exchange, id, first,
	    rbuf_of(clear, len));
}

/* One fragment of node 0's (RFC 7383). */
static inline void
member_fragment(struct sim *s, uint8_t exchange, uint32_t id, uint16_t n,
    uint16_t total, struct rbuf clear)
{
	static uint64_t count = 1u << 30;
	struct ike_header h = { .spi_i = member.spi_i,
	    .spi_r = member.spi_r, .exchange = exchange, .id = id,
	    .flags = IKE_FLAG_INITIATOR, .next = IKE_P_SKF };
	struct endpoint from = { s->n[0].addr, 4500 };
	uint8_t b[IKE_WIRE_MAX], iv[16] = { 0 };
	struct wbuf w = wbuf_of(b, sizeof(b)), wi = wbuf_of(iv, 8);
	size_t sealed = sk_sealed_len(&member.i, rbuf_left(&clear));

	wbuf_be64(&wi, ++count);
	h.length = (uint32_t)(IKE_HEADER_LEN + IKE_PAYLOAD_LEN + 4 + sealed);
	ike_header_put(&w, &h);
	wbuf_u8(&w, 0);
	wbuf_u8(&w, 0);
	wbuf_be16(&w, (uint16_t)(IKE_PAYLOAD_LEN + 4 + sealed));
	wbuf_be16(&w, n);
	wbuf_be16(&w, total);
	assert_int_equal(sk_seal(&member.i, &w, 0, iv, clear, NULL), 0);
	sim_inject(s, 1, b, w.len, &from);
}

/*
 * What is changed on its way: messages of one exchange from one node, whole
 * ones in SK.  take is called for each payload and returns whether it stays
 * as it is, else it has put what stands there instead; more is called behind
 * the last one.
 */
struct member_edit {
	int	 from;
	uint8_t	 exchange;
	bool	 response;
	bool	(*take)(struct ike_chain *c, const struct ike_payload *p);
	void	(*more)(struct ike_chain *c);
	unsigned times;		/* 0: every time */
	unsigned done;
};

static inline size_t
member_change(const struct member_edit *e, const struct sim_packet *p,
    uint8_t *b, size_t cap)
{
	const struct sk_dir *k = p->h.flags & IKE_FLAG_INITIATOR ? &member.i :
	    &member.r;
	uint8_t text[8192], made[8192];
	struct wbuf w = wbuf_of(text, sizeof(text));
	struct wbuf m = wbuf_of(made, sizeof(made));
	struct ike_chain c = ike_chain_of(&m);
	struct rbuf all = rbuf_of(p->b, p->len), head, body, iv;
	struct ike_payload one;
	struct ike_walk walk;
	uint8_t first;

	rbuf_skip(&all, IKE_HEADER_LEN);
	first = rbuf_u8(&all);
	rbuf_skip(&all, IKE_PAYLOAD_LEN - 1);
	body = iv = all;
	head = rbuf_of(p->b, IKE_HEADER_LEN + IKE_PAYLOAD_LEN);
	assert_int_equal(sk_open(k, head, body, &w, NULL), 0);
	walk = ike_walk_of(first, wbuf_rbuf(&w));
	while (ike_walk_next(&walk, &one, NULL) == 1)
		if (e->take == NULL || e->take(&c, &one)) {
			ike_put(&c, one.type);
			wbuf_put_rbuf(&m, &one.body);
			ike_put_end(&c);
		}
	if (e->more != NULL)
		e->more(&c);
	assert_true(wbuf_ok(&m));
	return member_seal(k, p->h, rbuf_be64(&iv), c.first, wbuf_rbuf(&m),
	    b, cap);
}

/* A filter of the simulator; its argument is a struct member_edit. */
static inline enum sim_fate
member_filter(struct sim *s, const struct sim_packet *p)
{
	struct member_edit *e = s->filter_arg;
	struct sim_packet changed = *p;
	uint8_t b[8192];

	if (p->from != e->from || p->h.exchange != e->exchange ||
	    p->h.next != IKE_P_SK || !member.known ||
	    !(p->h.flags & IKE_FLAG_RESPONSE) == e->response ||
	    (e->times != 0 && e->done == e->times))
		return SIM_PASS;
	e->done++;
	changed.len = member_change(e, p, b, sizeof(b));
	changed.b = b;
	changed = sim_copy(&changed);
	sim_put(s, &changed, 5);
	return SIM_DROP;
}

static inline void
member_edit(struct sim *s, struct member_edit *e)
{
	s->filter = member_filter;
	s->filter_arg = e;
}

#endif
