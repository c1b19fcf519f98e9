#include "ike_int.h"
#include "ike_queue.h"

#include <errno.h>
#include <stdlib.h>

/* CHILD_SAs: their making, their life in dmvpn-gre. */

#define LIFE		3600	/* seconds, when the profile says nothing */
#define ORPHAN_GRACE	30000	/* ms after the new SA is up */
#define KEY_MAX		64

struct ike_csa *
ike_csa_find(struct ike_isa *s, uint32_t spi_in)
{
	struct ike_csa *c;

	DL_FOREACH(s->children, c)
		if (c->spi_in == spi_in)
			return c;
	return NULL;
}

struct ike_csa *
ike_csa_find_out(struct ike_isa *s, uint32_t spi_out)
{
	struct ike_csa *c;

	DL_FOREACH(s->children, c)
		if (c->spi_out == spi_out && c->installed)
			return c;
	return NULL;
}

/* Packets of a queue come to the receiver beside its sender: dmvpn-gre takes
 * the SPI modulo the number of receivers. */
static uint32_t
steer(const struct ike_engine *g, uint8_t queue, uint32_t spi)
{
	uint32_t n = g->receivers;

	if (queue == 0 || n < 2 || spi > UINT32_MAX - n)
		return spi;
	return spi - spi % n + (queue - 1u) % n;
}

/* We draw them ourselves, at random. */
uint32_t
ike_csa_hash(const struct chain *c)
{
	return chain_entry(c, struct ike_csa, chain)->spi_in;
}

struct ike_csa *
ike_csa_by_spi(struct ike_engine *g, uint32_t spi_in)
{
	struct ike_csa *s;
	struct chain *c;

	for (c = chains_at(&g->by_child, spi_in); c != NULL; c = c->next) {
		s = chain_entry(c, struct ike_csa, chain);
		if (s->spi_in == spi_in)
			return s;
	}
	return NULL;
}

static int
draw_spi(struct ike_engine *g, uint8_t queue, uint32_t *spi)
{
	int i;

	for (i = 0; i < 16; i++) {
		if (ike_random(g, spi, sizeof(*spi)) < 0)
			return -1;
		*spi = steer(g, queue, *spi);
		if (*spi >= 256 && ike_csa_by_spi(g, *spi) == NULL)
			return 0;
	}
	return -1;
}

struct ike_csa *
ike_csa_new(struct ike_isa *s, bool ours, uint8_t queue)
{
	struct ike_engine *g = s->g;
	struct ike_csa *c = calloc(1, sizeof(*c));

	if (c == NULL || ike_timer_init(g, &c->soft, IKE_TIMER_SOFT) < 0 ||
	    ike_timer_init(g, &c->hard, IKE_TIMER_HARD) < 0 ||
	    draw_spi(g, queue, &c->spi_in) < 0) {
		g->counters[IKE_C_NO_MEMORY]++;
		if (c != NULL) {
			ike_timer_fini(g, &c->soft);
			ike_timer_fini(g, &c->hard);
		}
		free(c);
		return NULL;
	}
	c->isa = s;
	c->ours = ours;
	c->queue = queue;
	c->born = g->now;
	chains_add(&g->by_child, &c->chain);
	DL_APPEND(s->children, c);
	return c;
}

void
ike_csa_free(struct ike_csa *c)
{
	struct ike_isa *s = c->isa;
	struct ike_engine *g = s->g;
	struct ike_csa *k;

	chains_remove(&g->by_child, &c->chain);
	DL_DELETE(s->children, c);
	DL_FOREACH(s->children, k)
		if (k->rival == c->spi_in)
			k->rival = 0;
	if (s->out.child == c)
		s->out.child = NULL;
	if (s->in.child == c)
		s->in.child = NULL;
	ike_timer_fini(g, &c->soft);
	ike_timer_fini(g, &c->hard);
	secret_free(c->lowest);
	free(c->local);
	ike_chosen_release(g, c->chosen);
	free(c);
}

void
ike_csa_remove(struct ike_csa *c, uint32_t grace)
{
	struct ike_engine *g = c->isa->g;
	struct gre_sa_delete m = { .spi_in = c->spi_in, .grace = grace };

	if ((c->installed || c->sent) && g->gre_up)
		g->ops.call(g->ops.arg, 0, &gre_sa_delete_type, &m);
	ike_csa_free(c);
}

/* ---- what we wish ---- */

static int
set_selectors(struct ike_csa *c, const struct ike_ts *local, size_t n_local,
    const struct ike_ts *remote, size_t n_remote)
{
	struct ike_ts *ts = calloc(n_local + n_remote, sizeof(*ts));

	if (ts == NULL)
		return -1;
	memcpy(ts, local, n_local * sizeof(*ts));
	memcpy(&ts[n_local], remote, n_remote * sizeof(*ts));
	free(c->local);
	c->local = ts;
	c->remote = &ts[n_local];
	c->n_local = (uint8_t)n_local;
	c->n_remote = (uint8_t)n_remote;
	return 0;
}

/* Everything, IPv4 and IPv6. */
static size_t
any(struct ike_ts *ts)
{
	static const uint8_t zeros[16];
	struct prefix p4 = { .addr = addr_of(zeros, 4) };
	struct prefix p6 = { .addr = addr_of(zeros, 16) };

	ts[0] = ike_ts_of_prefix(&p4);
	ts[1] = ike_ts_of_prefix(&p6);
	return 2;
}

static size_t
of_prefixes(const struct prefix *p, size_t n, struct ike_ts *ts)
{
	size_t i;

	for (i = 0; i < n && i < IKE_TS_KEPT; i++)
		ts[i] = ike_ts_of_prefix(&p[i]);
	return i > 0 ? i : any(ts);
}

/* GRE between the two addresses, as each is seen here. */
static size_t
of_host(const struct addr *a, struct ike_ts *ts)
{
	size_t n, i;

	if (a->len != 0) {
		ts[0] = ike_ts_of_range(a, a, 47);
		return 1;
	}
	n = any(ts);
	for (i = 0; i < n; i++)
		ts[i].protocol = 47;
	return n;
}

int
ike_child_wish(struct ike_isa *s, struct ike_csa *c,
    const struct ike_csa *like)
{
	const struct ike_profile_set *p = &s->profile->set;
	struct ike_ts local[IKE_TS_KEPT], remote[IKE_TS_KEPT];
	size_t n_local, n_remote;

	c->mode = p->mode;
	if (like != NULL)
		return set_selectors(c, like->local, like->n_local,
		    like->remote, like->n_remote);
	if (p->mode == SA_MODE_TRANSPORT) {
		n_local = of_host(&s->local.addr, local);
		n_remote = of_host(&s->remote.addr, remote);
	} else {
		n_local = of_prefixes(p->local_ts, p->n_local_ts, local);
		n_remote = of_prefixes(p->remote_ts, p->n_remote_ts, remote);
	}
	return set_selectors(c, local, n_local, remote, n_remote);
}

/* Our ESP proposals, with ESN as the profile wants it. */
static size_t
proposals(const struct ike_profile *p, bool with_ke, struct ike_proposal *out)
{
	size_t i;

	for (i = 0; i < p->n_esp; i++) {
		out[i] = p->esp[i];
		if (!with_ke)
			ike_proposal_drop(&out[i], IKE_T_KE);
		if (ike_proposal_first(&out[i], IKE_T_ESN) != NULL)
			continue;
		if (p->set.esn != IKE_ESN_REFUSE)
			ike_proposal_add(&out[i], IKE_T_ESN, IKE_ESN_YES, 0);
		if (p->set.esn != IKE_ESN_REQUIRE)
			ike_proposal_add(&out[i], IKE_T_ESN, IKE_ESN_NO, 0);
	}
	return i;
}

static void
put_sa(struct ike_csa *c, struct ike_out *o, const struct ike_proposal *p,
    size_t n)
{
	uint8_t octets[4];
	struct wbuf w = wbuf_of(octets, sizeof(octets));

	wbuf_be32(&w, c->spi_in);
	if (c->mode == SA_MODE_TRANSPORT)
		ike_put_status(&o->c, IKE_N_USE_TRANSPORT_MODE);
	ike_put_sa(&o->c, p, n, octets, sizeof(octets));
}

/* Who answers may send on it before we have read the answer. */
static void
expect(const struct ike_csa *c)
{
	struct ike_engine *g = c->isa->g;
	struct gre_spi_expect m = { .spi_in = c->spi_in };

	if (g->gre_up)
		g->ops.call(g->ops.arg, 0, &gre_spi_expect_type, &m);
}

void
ike_child_put_sa(struct ike_isa *s, struct ike_csa *c, struct ike_out *o,
    uint16_t group)
{
	struct ike_proposal p[8];
	size_t i, n = proposals(s->profile, group != 0, p);

	for (i = 0; i < n; i++)
		p[i].protocol = IKE_PROTO_ESP;
	put_sa(c, o, p, n);
	expect(c);
}

void
ike_child_put_chosen(struct ike_csa *c, struct ike_out *o)
{
	put_sa(c, o, ike_chosen(c->chosen), 1);
}

void
ike_child_put_ts(struct ike_csa *c, struct ike_out *o)
{
	ike_put_ts(&o->c, IKE_P_TSI, c->ours ? c->local : c->remote,
	    c->ours ? c->n_local : c->n_remote);
	ike_put_ts(&o->c, IKE_P_TSR, c->ours ? c->remote : c->local,
	    c->ours ? c->n_remote : c->n_local);
}

/* ---- the peer's wish, the peer's answer ---- */

static int
take_chosen(struct ike_csa *c, const struct ike_proposal *p)
{
	static const struct { uint16_t encr, bits, integ; uint8_t cipher; }
	    rows[] = {
		{ IKE_ENCR_AES_GCM_16, 128, 0, ESP_CIPHER_AES128_GCM },
		{ IKE_ENCR_AES_GCM_16, 256, 0, ESP_CIPHER_AES256_GCM },
		{ IKE_ENCR_CHACHA20_POLY1305, 0, 0,
		  ESP_CIPHER_CHACHA20_POLY1305 },
		{ IKE_ENCR_AES_CBC, 128, IKE_INTEG_HMAC_SHA256_128,
		  ESP_CIPHER_AES128_CBC_SHA256 },
		{ IKE_ENCR_AES_CBC, 256, IKE_INTEG_HMAC_SHA256_128,
		  ESP_CIPHER_AES256_CBC_SHA256 },
	};
	const struct ike_transform *encr = ike_proposal_first(p, IKE_T_ENCR);
	const struct ike_transform *integ = ike_proposal_first(p,
	    IKE_T_INTEG);
	struct rbuf spi = rbuf_of(p->spi, 4);
	size_t i;

	if (ike_chosen_keep(c->isa->g, &c->chosen, p) < 0)
		return -1;
	c->esn = ike_proposal_has(p, IKE_T_ESN, IKE_ESN_YES);
	c->spi_out = rbuf_be32(&spi);
	for (i = 0; encr != NULL && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].encr == encr->id && rows[i].bits ==
		    encr->key_bits && rows[i].integ == (integ != NULL ?
		    integ->id : 0)) {
			c->cipher = (enum esp_cipher)rows[i].cipher;
			return c->spi_out >= 256 ? 0 : -1;
		}
	return -1;
}

static int
refuse(struct ike_ctx *c, uint16_t notify, const char *text)
{
	struct name_buf nb;

	c->notify = notify;
	if (c->why.code[0] == '\0')
		reason_set(&c->why, "child", name_text(ike_notify_names,
		    notify, &nb), "%s", text);
	return -1;
}

static int
choose_sa(struct ike_ctx *c, struct ike_csa *child, struct rbuf sa,
    bool in_auth, uint16_t group)
{
	struct ike_proposal ours[8], chosen;
	struct ike_mismatch why;
	struct ike_choice choice = { .sa = sa, .ours = ours,
	    .protocol = IKE_PROTO_ESP, .spi_len = 4, .no_ke = in_auth,
	    .group = group };
	int rc;

	choice.n_ours = proposals(c->isa->profile, !in_auth, ours);
	rc = ike_proposal_choose(&choice, &chosen, &why, &c->e);
	if (rc < 0)
		return refuse(c, IKE_N_INVALID_SYNTAX, c->e.msg);
	if (rc == 1 && take_chosen(child, &chosen) == 0)
		return 0;
	refuse(c, IKE_N_NO_PROPOSAL_CHOSEN, "no ESP proposal in common");
	snprintf(c->why.offered, sizeof(c->why.offered), "%.383s",
	    why.offered);
	snprintf(c->why.wanted, sizeof(c->why.wanted), "%.383s", why.wanted);
	snprintf(c->why.difference, sizeof(c->why.difference), "%.191s",
	    why.difference);
	return -1;
}

/* One GRE selector of a host; one behind a NAT is any single host's. */
static bool
host_common(const struct ike_ts *ts, const struct addr *seen, bool nat,
    struct ike_ts *out)
{
	struct ike_ts want = ike_ts_of_range(seen, seen, 47);

	if (!nat)
		return seen->len != 0 && ike_ts_common(ts, &want, out);
	*out = *ts;
	out->protocol = 47;
	return (ts->protocol == 0 || ts->protocol == 47) &&
	    addr_equal(&ts->first, &ts->last);
}

/* Transport mode: GRE between two hosts.  Behind a NAT the peer names the
 * address it has there; what the packets carry is the address seen here, so
 * any single host will do (RFC 7296, 2.23.1).  Linux offers the selector of
 * its packet first, with the GRE key as port, and then all GRE: given all, its
 * policies are the same whoever began, else it drops what comes by the other's
 * SA when both did. */
static size_t
narrow_host(const struct ike_ts *ts, size_t n, const struct addr *seen,
    bool nat, struct ike_ts *out)
{
	size_t i, kept = 0;
	struct ike_ts one;
	int pass;

	for (pass = 0; pass <= (nat ? 1 : 0) && kept == 0; pass++)
		for (i = 0; i < n; i++)
			if (host_common(&ts[i], seen, pass == 1, &one) &&
			    (kept == 0 || ike_ts_inside(out, &one))) {
				*out = one;
				kept = 1;
			}
	return kept;
}

/* What the peer may have behind it: the profile's list, its certificate's
 * blocks, or both; without either what it asks for. */
static size_t
allowed_remote(const struct ike_isa *s, struct ike_ts *out)
{
	const struct ike_profile_set *p = &s->profile->set;
	struct ike_ts list[IKE_TS_KEPT], blocks[BLOCKS_MAX];
	size_t n, k;

	n = of_prefixes(p->remote_ts, p->n_remote_ts, list);
	if (s->blocks == NULL) {
		memcpy(out, list, n * sizeof(*out));
		return n;
	}
	for (k = 0; k < s->blocks->n; k++)
		blocks[k] = ike_ts_of_prefix(&s->blocks->v[k]);
	return ike_ts_narrow(list, n, blocks, k, out);
}

static int
choose_ts(struct ike_ctx *c, struct ike_csa *child, struct rbuf tsi,
    struct rbuf tsr)
{
	const struct ike_isa *s = c->isa;
	struct ike_ts i[IKE_TS_KEPT], r[IKE_TS_KEPT], may[IKE_TS_KEPT];
	struct ike_ts remote[IKE_TS_KEPT], local[IKE_TS_KEPT];
	size_t ni, nr, n_remote, n_local, n_may;

	if (ike_ts_read(tsi, i, &ni, &c->e) < 0 ||
	    ike_ts_read(tsr, r, &nr, &c->e) < 0)
		return refuse(c, IKE_N_INVALID_SYNTAX, c->e.msg);
	if (child->mode == SA_MODE_TRANSPORT) {
		n_remote = narrow_host(i, ni, &s->remote.addr,
		    s->nat_remote || !s->own_kind, remote);
		n_local = narrow_host(r, nr, &s->local.addr, s->nat_local,
		    local);
	} else {
		n_may = allowed_remote(s, may);
		n_remote = ike_ts_narrow(i, ni, may, n_may, remote);
		n_remote = ike_claim_keep(c, remote, n_remote);
		n_may = of_prefixes(s->profile->set.local_ts,
		    s->profile->set.n_local_ts, may);
		n_local = ike_ts_narrow(r, nr, may, n_may, local);
	}
	if (n_remote > 0 && n_local > 0)
		return set_selectors(child, local, n_local, remote,
		    n_remote) < 0 ? refuse(c, IKE_N_TEMPORARY_FAILURE,
		    "out of memory") : 0;
	if (n_remote == 0 && c->why.code[0] != '\0')
		return refuse(c, IKE_N_TS_UNACCEPTABLE, "");
	refuse(c, IKE_N_TS_UNACCEPTABLE, "no traffic selector in common");
	ike_ts_list(n_remote == 0 ? i : r, n_remote == 0 ? ni : nr,
	    c->why.offered, sizeof(c->why.offered));
	if (child->mode == SA_MODE_TRANSPORT)
		snprintf(c->why.wanted, sizeof(c->why.wanted),
		    "GRE (protocol 47) between the two hosts");
	else {
		n_may = n_remote == 0 ? allowed_remote(s, may) :
		    of_prefixes(s->profile->set.local_ts,
		    s->profile->set.n_local_ts, may);
		ike_ts_list(may, n_may, c->why.wanted, sizeof(c->why.wanted));
	}
	return -1;
}

int
ike_child_choose(struct ike_ctx *c, struct ike_csa *child, struct rbuf sa,
    struct rbuf tsi, struct rbuf tsr, bool transport, bool in_auth,
    uint16_t group)
{
	child->mode = c->isa->profile->set.mode;
	if (child->mode == SA_MODE_TRANSPORT && !transport) {
		refuse(c, IKE_N_NO_PROPOSAL_CHOSEN,
		    "the peer wants tunnel mode");
		snprintf(c->why.offered, sizeof(c->why.offered), "tunnel");
		snprintf(c->why.wanted, sizeof(c->why.wanted), "transport");
		return -1;
	}
	if (choose_sa(c, child, sa, in_auth, group) < 0)
		return -1;
	return choose_ts(c, child, tsi, tsr);
}

/* Is each of these within one of those? */
static bool
all_inside(const struct ike_ts *a, size_t n, const struct ike_ts *b, size_t m)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < m; k++)
			if (ike_ts_inside(&a[i], &b[k]))
				break;
		if (k == m)
			return false;
	}
	return n > 0;
}

static int
accept_ts(struct ike_ctx *c, struct ike_csa *child, struct rbuf tsi,
    struct rbuf tsr)
{
	struct ike_ts i[IKE_TS_KEPT], r[IKE_TS_KEPT], may[IKE_TS_KEPT];
	size_t ni, nr, n_may;

	if (ike_ts_read(tsi, i, &ni, &c->e) < 0 ||
	    ike_ts_read(tsr, r, &nr, &c->e) < 0)
		return refuse(c, IKE_N_INVALID_SYNTAX, c->e.msg);
	if (!all_inside(i, ni, child->local, child->n_local) ||
	    !all_inside(r, nr, child->remote, child->n_remote)) {
		refuse(c, IKE_N_TS_UNACCEPTABLE,
		    "the peer widened our traffic selectors");
		ike_ts_list(r, nr, c->why.offered, sizeof(c->why.offered));
		ike_ts_list(child->remote, child->n_remote, c->why.wanted,
		    sizeof(c->why.wanted));
		return -1;
	}
	n_may = allowed_remote(c->isa, may);
	if (child->mode == SA_MODE_TUNNEL && !all_inside(r, nr, may, n_may)) {
		refuse(c, IKE_N_TS_UNACCEPTABLE,
		    "the peer claims what its certificate does not allow");
		ike_ts_list(r, nr, c->why.offered, sizeof(c->why.offered));
		ike_ts_list(may, n_may, c->why.wanted,
		    sizeof(c->why.wanted));
		return -1;
	}
	if (child->mode == SA_MODE_TUNNEL) {
		memcpy(may, r, nr * sizeof(*r));
		if (ike_claim_keep(c, may, nr) < nr)
			return refuse(c, IKE_N_TS_UNACCEPTABLE,
			    "the peer claims what is not its own");
	}
	return set_selectors(child, i, ni, r, nr);
}

int
ike_child_accept(struct ike_ctx *c, struct ike_csa *child, struct rbuf sa,
    struct rbuf tsi, struct rbuf tsr, bool transport, bool in_auth)
{
	struct ike_proposal ours[8], chosen;
	struct ike_choice choice = { .sa = sa, .ours = ours,
	    .protocol = IKE_PROTO_ESP, .spi_len = 4, .no_ke = in_auth };

	choice.n_ours = proposals(c->isa->profile, !in_auth, ours);
	if (transport != (child->mode == SA_MODE_TRANSPORT)) {
		refuse(c, IKE_N_NO_PROPOSAL_CHOSEN,
		    "the peer does not take our mode");
		snprintf(c->why.offered, sizeof(c->why.offered), "%s",
		    transport ? "transport" : "tunnel");
		snprintf(c->why.wanted, sizeof(c->why.wanted), "%s",
		    transport ? "tunnel" : "transport");
		return -1;
	}
	if (ike_proposal_answer(&choice, &chosen, &c->e) < 0 ||
	    take_chosen(child, &chosen) < 0)
		return refuse(c, IKE_N_NO_PROPOSAL_CHOSEN, c->e.code != 0 ?
		    c->e.msg : "the peer chose what was not offered");
	return accept_ts(c, child, tsi, tsr);
}

/* ---- into dmvpn-gre ---- */

static size_t
key_len(enum esp_cipher cipher)
{
	switch (cipher) {
	case ESP_CIPHER_AES128_GCM:
		return 20;
	case ESP_CIPHER_AES256_GCM:
	case ESP_CIPHER_CHACHA20_POLY1305:
		return 36;
	case ESP_CIPHER_AES128_CBC_SHA256:
		return 48;
	case ESP_CIPHER_AES256_CBC_SHA256:
		return 64;
	}
	return 0;
}

static size_t
put_selectors(struct selector *to, const struct ike_ts *ts, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < 16; i++)
		to[i] = (struct selector){ .first = ts[i].first,
		    .last = ts[i].last, .protocol = ts[i].protocol,
		    .port_first = ts[i].port_first,
		    .port_last = ts[i].port_last };
	return i;
}

static void
fill(struct ike_csa *c, struct gre_sa_add *m)
{
	const struct ike_profile_set *p = &c->isa->profile->set;

	snprintf(m->owner, sizeof(m->owner), "ike");
	m->peer = c->peer->number;
	m->mode = c->mode;
	m->spi_in = c->spi_in;
	m->spi_out = c->spi_out;
	m->cipher = c->cipher;
	m->esn = c->esn;
	m->queue = c->queue;
	m->standby = c->standby;
	m->replaces = c->replaces;
	if (c->mode == SA_MODE_TRANSPORT)
		return;
	snprintf(m->interface, sizeof(m->interface), "%s", p->interface);
	m->n_local_ts = put_selectors(m->local_ts, c->local, c->n_local);
	m->n_remote_ts = put_selectors(m->remote_ts, c->remote, c->n_remote);
}

uint64_t
ike_child_install(struct ike_isa *s, bool in, struct ike_csa *c,
    struct rbuf shared, struct rbuf ni, struct rbuf nr, bool standby,
    struct err *e)
{
	uint8_t keymat[2 * KEY_MAX], install[16];
	size_t len = key_len(c->cipher);
	struct gre_sa_add *m = calloc(1, sizeof(*m));
	struct rbuf keys = rbuf_of(keymat, 2 * len), first, second;
	struct sk_keys k;
	uint64_t ticket = 0;

	c->peer = s->peer;
	c->standby = standby;
	sk_recall(s->keys, &k);
	if (m == NULL || s->peer == NULL || !s->g->gre_up)
		err_set(e, EAGAIN, "dmvpn-gre is not there");
	else if (sk_keymat(&s->suite, &k, shared, ni, nr, keymat,
	    2 * len, e) == 0 && ike_random(s->g, install, sizeof(install)) ==
	    0) {
		first = rbuf_sub(&keys, len);
		second = rbuf_sub(&keys, len);
		fill(c, m);
		m->install = rbuf_of(install, sizeof(install));
		m->key_out = c->ours ? first : second;
		m->key_in = c->ours ? second : first;
		c->sent = true;
		ticket = ike_call(s->g, s, in, &gre_sa_add_type, m);
	}
	secret_wipe(keymat, sizeof(keymat));
	sk_keys_wipe(&k);
	free(m);
	return ticket;
}

void
ike_child_text(const struct ike_csa *c, struct ike_child *out, uint64_t now)
{
	memset(out, 0, sizeof(*out));
	out->spi_in = c->spi_in;
	out->spi_out = c->spi_out;
	out->mode = c->mode;
	out->cipher = c->cipher;
	out->esn = c->esn;
	out->queue = c->queue;
	out->age = (now - c->born) / 1000;
	ike_ts_list(c->local, c->n_local, out->local_ts,
	    sizeof(out->local_ts));
	ike_ts_list(c->remote, c->n_remote, out->remote_ts,
	    sizeof(out->remote_ts));
}

/* Put into words only when somebody listens. */
static void
tell_up(const struct ike_csa *c)
{
	struct ike_engine *g = c->isa->g;
	struct ike_child_up m = { .peer = c->peer->number,
	    .rekeyed = c->replaces };

	if (!g->ops.wanted(g->ops.arg, &ike_child_up_type))
		return;
	ike_child_text(c, &m.child, g->now);
	ike_tell(g, &ike_child_up_type, &m);
}

/* It is installed: its life begins. */
void
ike_child_up(struct ike_csa *c)
{
	struct ike_isa *s = c->isa;
	struct ike_engine *g = s->g;
	uint64_t life = s->profile->set.child_lifetime != 0 ?
	    s->profile->set.child_lifetime * 1000ull : LIFE * 1000ull;

	c->installed = true;
	c->born = g->now;
	/* the two sides' times differ, so that they seldom meet */
	ike_timer_set(g, &c->soft, g->now + 2 * life - ike_jitter(g, life) +
	    (c->ours ? 0 : life / 20));
	ike_timer_set(g, &c->hard, g->now + life + life / 8);
	tell_up(c);
	ike_route_state(c);
	if (!c->standby)
		ike_queue_hush(c);
	if (c->peer->orphans != NULL)
		ike_timer_set(g, &c->peer->life, g->now + ORPHAN_GRACE);
}

/* The peer sends on it, or the old one is gone: so do we. */
void
ike_child_use(struct ike_csa *c)
{
	struct gre_sa_use m = { .spi_in = c->spi_in };

	if (!c->standby)
		return;
	c->standby = false;
	c->isa->g->ops.call(c->isa->g->ops.arg, 0, &gre_sa_use_type, &m);
	ike_queue_hush(c);
}

void
ike_csa_soft(struct ike_engine *g, void *csa)
{
	struct ike_csa *c = csa;

	(void)g;
	if (ike_isa_live(c->isa) && !c->deleting)
		ike_task_add(c->isa, IKE_DO_REKEY_CHILD, c->spi_in, 0);
}

/* Nothing may be sent on it any more: make another and end this one. */
void
ike_csa_hard(struct ike_engine *g, void *csa)
{
	struct ike_csa *c = csa, *other;
	struct ike_isa *s = c->isa;

	(void)g;
	if (!ike_isa_live(s))
		return;
	DL_FOREACH(s->children, other)
		if (other != c && other->queue == c->queue &&
		    other->installed && !other->deleting)
			break;
	ike_task_add(s, IKE_DO_DELETE_CHILD, c->spi_in, 0);
	if (other == NULL && c->queue != 0)
		ike_queue_later(s);
	else if (other == NULL)
		ike_task_add(s, IKE_DO_CHILD, 0, 0);
}
