#ifndef IKE_SIM_H
#define IKE_SIM_H

/*
 * Several IKE engines on a wire that loses, doubles, reorders and holds what
 * the test wants, with a clock that jumps and randomness from a seed: the
 * same seed gives the same run.  Each node has its own dmvpn-gre (a table of
 * SAs) and its own agent (a PSK, or a key and certificates).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/prf.h"
#include "crypto/sign.h"
#include "dmvpn-ike/ike_engine.h"
#include "wire/ike.h"

#define SIM_NODES	4
#define SIM_WIRE	4096
#define SIM_EXPECTED	64
#define SIM_SAS		512
#define SIM_WALL	1795000000

struct sim;

struct sim_packet {
	uint64_t	 at;
	int		 from, to;
	struct endpoint	 src, dst;
	size_t		 len;
	uint8_t		*b;
	struct ike_header h;
	unsigned	 serial;
};

struct sim_sa {
	uint32_t	spi_in, spi_out;
	uint16_t	peer;
	uint8_t		key_in[64], key_out[64];
	size_t		key_len;
	bool		gone;
	uint32_t	grace;		/* when it went */
	bool		standby;
	bool		esn;
	uint8_t		queue;
	enum sa_mode	mode;
	size_t		n_local, n_remote;
	struct selector	local[16], remote[16];
};

struct sim_answer {
	uint64_t	ticket;
	const struct msg_type *type;
	char		identity[64];	/* of the agent */
	bool		fail;
	uint8_t		data[4096];
	size_t		len;
	uint8_t		method;
};

struct sim_node {
	struct sim		*sim;
	int			 index;
	struct ike_engine	*g;
	struct addr		 addr;
	const char		*id;
	const char		*psk;
	struct sign_key		*key;		/* certificates */
	struct rbuf		 chain[4], anchors[4];
	size_t			 n_chain, n_anchors;
	struct rbuf		 staple;	/* OCSP response; or empty */
	uint64_t		 random;
	bool			 same_random;	/* IKE-49 */
	unsigned		 stuck;		/* so many SPIs are one */
	bool			 silent;	/* its gre does not answer */
	bool			 slow_sa;	/* nor does it for SAs */
	bool			 refuse_sa;
	bool			 lie;		/* its signatures are wrong */
	bool			 mirror;	/* its AUTH is what it got */
	uint8_t			 got_auth[64];
	unsigned		 psk_asked;
	struct sim_sa		 sa[SIM_SAS];
	size_t			 n_sa;
	uint32_t		 expected[SIM_EXPECTED];	/* a ring */
	size_t			 n_expected;
	struct sim_answer	 answer[64];
	size_t			 n_answer;
	unsigned		 ups, downs, fails, children, calls;
	unsigned		 probes, alive, heard, peers_set, peers_gone;
	unsigned		 sent, notes, rekeyed;
	size_t			 sent_bytes, got_bytes;
	int			 unsent;	/* errno of whatever it sends */
	struct ike_up		 up;
	struct ike_down		 down;
	struct ike_failed	 failed;
	uint16_t		 last_peer;
	struct endpoint		 last_remote;
	struct gre_peer_set	 last_set;
	uint32_t		 duplicates;	/* SPIs installed twice */
};

enum sim_fate { SIM_PASS, SIM_DROP, SIM_HOLD, SIM_TWICE };

struct sim {
	struct sim_node		 n[SIM_NODES];
	int			 nodes;
	uint64_t		 now;
	uint64_t		 seed;
	unsigned		 loss, twice, late;	/* percent */
	unsigned		 serial;
	struct sim_packet	 wire[SIM_WIRE];
	size_t			 n_wire;
	struct sim_packet	 held[64];
	size_t			 n_held;
	enum sim_fate (*filter)(struct sim *s, const struct sim_packet *p);
	void			*filter_arg;
	uint64_t		 count;
	/* a NAT: what comes from node nat is seen from this address */
	int			 nat;
	struct endpoint		 nat_seen;
};

static inline uint64_t
sim_draw(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

#include "ike_sim_ops.h"

/* ---- the world ---- */

static inline void
sim_engine(struct sim_node *n, const struct ike_tune *tune)
{
	struct ike_ops ops = { .arg = n, .random = sim_random,
	    .local_for = sim_local_for, .send = sim_send, .call = sim_call,
	    .event = sim_event, .wanted = sim_wanted, .probed = sim_probed,
	    .note = sim_note };
	struct err e;

	n->g = ike_engine_new(&ops, tune, n->sim->now, &e);
	assert_non_null(n->g);
}

static inline struct sim *
sim_new(int nodes, uint64_t seed, const struct ike_tune *tune)
{
	static const char *const ids[] = { "a.example.org", "b.example.org",
	    "c.example.org", "d.example.org" };
	struct sim *s = calloc(1, sizeof(*s));
	int i;

	assert_non_null(s);
	s->nodes = nodes;
	s->seed = seed;
	s->now = 1000000;
	s->nat = -1;
	for (i = 0; i < nodes; i++) {
		struct sim_node *n = &s->n[i];
		uint8_t octets[4] = { 192, 0, 2, (uint8_t)(i + 1) };

		n->sim = s;
		n->index = i;
		n->id = ids[i];
		n->psk = "the same everywhere";
		n->random = seed * 1000 + (uint64_t)i;
		n->addr = addr_of(octets, 4);
		sim_engine(n, tune);
		ike_engine_gre_up(n->g, s->now, SIM_WALL);
	}
	return s;
}

static inline void
sim_free(struct sim *s)
{
	size_t i;
	int k;

	for (k = 0; k < s->nodes; k++) {
		ike_engine_free(s->n[k].g);
		sign_key_free(s->n[k].key);
	}
	for (i = 0; i < s->n_wire; i++)
		free(s->wire[i].b);
	for (i = 0; i < s->n_held; i++)
		free(s->held[i].b);
	free(s);
}

/* An agent with a key has a PSK too, under the name "psk". */
static inline void
sim_answer_at(struct sim_node *n, size_t k)
{
	struct sim_answer a = n->answer[k];
	struct pki_identity_reply id = { .method = n->key != NULL &&
	    strcmp(a.identity, "psk") != 0 ? PKI_METHOD_CERTIFICATE :
	    PKI_METHOD_PSK };
	struct pki_sign_reply sig = { .method = a.method,
	    .auth = rbuf_of(a.data, a.len) };
	struct pki_staple_reply staple = { .data = n->staple };
	struct reason why;
	const void *m = NULL;

	n->n_answer--;
	memmove(&n->answer[k], &n->answer[k + 1], (n->n_answer - k) *
	    sizeof(n->answer[0]));
	reason_set(&why, "test", "refused", "refused by the test");
	if (a.type == &pki_identity_type) {
		id.id_type = IKE_ID_FQDN;
		id.id_data = rbuf_of(n->id, strlen(n->id));
		if (id.method == PKI_METHOD_CERTIFICATE) {
			id.n_chain = n->n_chain;
			id.n_anchors = n->n_anchors;
		}
		memcpy(id.chain, n->chain, sizeof(n->chain));
		memcpy(id.anchors, n->anchors, sizeof(n->anchors));
		id.staple = rbuf_left(&n->staple) > 0;
		m = &id;
	} else if (a.type == &pki_staple_type) {
		m = &staple;
	} else if (a.type == &pki_sign_type || a.type == &pki_psk_type)
		m = &sig;
	ike_engine_answer(n->g, n->sim->now, SIM_WALL, a.ticket,
	    a.fail ? NULL : m, a.fail ? &why : NULL);
}

static inline void
sim_answer(struct sim_node *n)
{
	sim_answer_at(n, 0);
}

/* The first that it does answer. */
static inline bool
sim_answer_one(struct sim_node *n)
{
	size_t k;

	for (k = 0; k < n->n_answer && !n->silent; k++)
		if (!n->slow_sa || n->answer[k].type != &gre_sa_add_type) {
			sim_answer_at(n, k);
			return true;
		}
	return false;
}

static inline size_t
sim_first(const struct sim *s)
{
	size_t i, k = 0;

	for (i = 1; i < s->n_wire; i++)
		if (s->wire[i].at < s->wire[k].at ||
		    (s->wire[i].at == s->wire[k].at &&
		    s->wire[i].serial < s->wire[k].serial))
			k = i;
	return k;
}

static inline void
sim_deliver(struct sim *s, struct sim_packet p)
{
	struct sim_node *n = &s->n[p.to];
	struct name_buf nb;

	n->got_bytes += p.len;
	if (getenv("SIM_TRACE") != NULL)
		fprintf(stderr, "%7llu %d->%d %s%s %u (%zu)\n",
		    (unsigned long long)s->now, p.from, p.to,
		    name_text(ike_exchange_names, p.h.exchange, &nb),
		    p.h.flags & IKE_FLAG_RESPONSE ? " response" : "",
		    p.h.id, p.len);
	ike_engine_packet(n->g, s->now, SIM_WALL, &p.dst, &p.src, p.b,
	    p.len);
	free(p.b);
}

/* One thing happens; false when nothing is left until the time. */
static inline bool
sim_step(struct sim *s, uint64_t until)
{
	uint64_t at = UINT64_MAX, t;
	size_t k = 0;
	int i, who = -1;
	struct sim_packet p;

	for (i = 0; i < s->nodes; i++)
		if (sim_answer_one(&s->n[i]))
			return true;
	if (s->n_wire > 0) {
		k = sim_first(s);
		at = s->wire[k].at;
	}
	for (i = 0; i < s->nodes; i++) {
		t = ike_engine_next(s->n[i].g);
		if (t != 0 && t < at) {
			at = t;
			who = i;
		}
	}
	if (at > until) {
		s->now = until > s->now ? until : s->now;
		return false;
	}
	if (at > s->now)
		s->now = at;
	if (who >= 0) {
		ike_engine_wake(s->n[who].g, s->now, SIM_WALL);
		return true;
	}
	p = s->wire[k];
	s->wire[k] = s->wire[--s->n_wire];
	sim_deliver(s, p);
	return true;
}

static inline void
sim_run(struct sim *s, uint64_t ms)
{
	uint64_t until = s->now + ms;
	unsigned guard = 0;

	while (sim_step(s, until))
		assert_true(++guard < 2000000);
}

/* All that was held arrives, in order. */
static inline void
sim_release(struct sim *s)
{
	size_t i;

	for (i = 0; i < s->n_held; i++)
		sim_put(s, &s->held[i], 1 + i);
	s->n_held = 0;
}

/* ---- usual settings ---- */

static inline struct ike_profile_set
sim_profile(const char *name)
{
	struct ike_profile_set p = { .mode = SA_MODE_TRANSPORT,
	    .accept = true };

	snprintf(p.owner, sizeof(p.owner), "test");
	snprintf(p.profile, sizeof(p.profile), "%s", name);
	snprintf(p.interface, sizeof(p.interface), "dmvpn0");
	snprintf(p.identity, sizeof(p.identity), "me");
	return p;
}

static inline void
sim_set(struct sim_node *n, const struct ike_profile_set *p)
{
	struct reason why = { 0 };

	if (ike_engine_profile_set(n->g, n->sim->now, SIM_WALL, p, &why) < 0)
		fail_msg("profile: %s", why.text);
	while (n->n_answer > 0)
		sim_answer(n);
}

static inline void
sim_profiles(struct sim *s)
{
	struct ike_profile_set p = sim_profile("p");
	int i;

	for (i = 0; i < s->nodes; i++)
		sim_set(&s->n[i], &p);
}

static inline struct ike_connection_set
sim_connection(struct sim *s, int to)
{
	struct ike_connection_set c = { .remote = { s->n[to].addr, 500 } };

	snprintf(c.owner, sizeof(c.owner), "test");
	snprintf(c.connection, sizeof(c.connection), "to-%d", to);
	snprintf(c.profile, sizeof(c.profile), "p");
	return c;
}

static inline void
sim_connect(struct sim *s, int from, int to)
{
	struct ike_connection_set c = sim_connection(s, to);
	struct reason why = { 0 };

	if (ike_engine_connection_set(s->n[from].g, s->now, SIM_WALL, &c,
	    &why) < 0)
		fail_msg("connection: %s", why.text);
}

/* ---- what must hold ---- */

static inline size_t
sim_live(const struct sim_node *n)
{
	size_t i, live = 0;

	for (i = 0; i < n->n_sa; i++)
		live += !n->sa[i].gone;
	return live;
}

static inline size_t
sim_isas(const struct sim_node *n)
{
	struct ike_sas page;
	uint64_t after = 0;
	size_t i, count = 0;

	do {
		ike_engine_sas(n->g, n->sim->now, after, &page);
		for (i = 0; i < page.n_items; i++)
			count += page.items[i].state == IKE_STATE_UP ||
			    page.items[i].state == IKE_STATE_REKEYING;
		after = page.next;
	} while (after != 0);
	return count;
}

/* Every SA of a has its twin at b, with the same keys crossed. */
static inline void
sim_agree(struct sim_node *a, struct sim_node *b)
{
	size_t i;

	for (i = 0; i < a->n_sa; i++) {
		struct sim_sa *x = &a->sa[i], *y;

		if (x->gone)
			continue;
		y = sim_sa_find(b, x->spi_out);
		assert_non_null(y);
		assert_false(y->gone);
		assert_int_equal(y->spi_out, x->spi_in);
		assert_int_equal(x->key_len, y->key_len);
		assert_memory_equal(x->key_in, y->key_out, x->key_len);
		assert_memory_equal(x->key_out, y->key_in, x->key_len);
		assert_int_equal(x->esn, y->esn);
	}
}

/* One IKE SA and one CHILD_SA a side, which fit together. */
static inline void
sim_one_sa(struct sim *s)
{
	int i;

	sim_agree(&s->n[0], &s->n[1]);
	sim_agree(&s->n[1], &s->n[0]);
	for (i = 0; i < 2; i++) {
		assert_int_equal(sim_isas(&s->n[i]), 1);
		assert_int_equal(sim_live(&s->n[i]), 1);
		assert_int_equal(s->n[i].duplicates, 0);
	}
}

/* Two nodes with an SA between them, which node 0 began. */
static inline struct sim *
sim_up(uint64_t seed, const struct ike_tune *tune)
{
	struct sim *s = sim_new(2, seed, tune);

	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	return s;
}

/* A packet to a node that no other one sent. */
static inline void
sim_inject(struct sim *s, int to, const uint8_t *b, size_t len,
    const struct endpoint *from)
{
	struct endpoint local = { s->n[to].addr, from->port };

	ike_engine_packet(s->n[to].g, s->now, SIM_WALL, &local, from, b, len);
	sim_run(s, 10);
}

static inline void
sim_rekey(struct sim *s, int node, bool child)
{
	struct ike_rekey r = { .peer = 1, .child = child };
	struct reason why;

	if (ike_engine_rekey(s->n[node].g, s->now, SIM_WALL, &r, &why) < 0)
		fail_msg("rekey: %s", why.text);
}

static inline uint64_t
sim_sizes(const struct sim_node *n)
{
	uint64_t count, peers;

	ike_engine_sizes(n->g, &count, &peers);
	return count;
}

static inline enum sim_fate
sim_lose_creates(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->h.exchange == IKE_CREATE_CHILD_SA ? SIM_DROP : SIM_PASS;
}

static inline enum sim_fate
sim_lose_informational(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->h.exchange == IKE_INFORMATIONAL ? SIM_DROP : SIM_PASS;
}

static inline enum sim_fate
sim_lose_all(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	(void)p;
	return SIM_DROP;
}

#endif
