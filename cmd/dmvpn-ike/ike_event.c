#include "ike_int.h"

/* What the programs below tell, and what users ask of living SAs. */

#define RUMOUR_MS	10000	/* between probes that strangers cause */

static struct ike_csa *
child_of(struct ike_engine *g, uint32_t spi_in)
{
	struct ike_csa *c = ike_csa_by_spi(g, spi_in);

	return c != NULL && c->installed ? c : NULL;
}

/* The peer sends on the first CHILD_SA: it has our answer to IKE_AUTH, and
 * will not ask for it again (RFC 7296, 2.1). */
static void
forget_answer(struct ike_isa *s)
{
	if (s->initiator || s->next_in != 2 || s->in.phase != IKE_IDLE)
		return;
	free(s->answer);
	s->answer = NULL;
}

static void
on_sa_first(struct ike_engine *g, const struct gre_sa_first *m)
{
	struct ike_csa *c = child_of(g, m->spi_in);

	if (c == NULL)
		return;
	ike_child_use(c);
	if (c->isa != NULL && c->isa->phase == IKE_UP)
		forget_answer(c->isa);
	if (c->peer != NULL && c->peer->orphans != NULL)
		ike_timer_set(g, &c->peer->life, g->now);
}

static void
on_sa_limit(struct ike_engine *g, const struct gre_sa_limit *m)
{
	struct ike_csa *c = child_of(g, m->spi_in);

	if (c == NULL)
		return;
	if (m->hard)
		ike_csa_hard(g, c);
	else
		ike_csa_soft(g, c);
}

/* ESP from elsewhere was authentic: IKE goes there too (2.23). */
static void
on_peer_moved(struct ike_engine *g, const struct gre_peer_moved *m)
{
	struct ike_peer *p = ike_peer_find(g, m->peer);

	if (p == NULL || p->isa == NULL || p->isa->nat_local)
		return;
	p->remote = m->remote;
	if (p->isa->local.port == IKE_PORT_NAT) {
		ike_isa_set_remote(p->isa, &m->remote);
		ike_isa_lead(p->isa);
	}
	g->generation++;
}

static void
on_acquire(struct ike_engine *g, const struct gre_acquire *m)
{
	struct ike_peer *p = ike_peer_find(g, m->peer);

	if (p != NULL && p->isa != NULL && p->isa->phase == IKE_UP &&
	    ike_peer_needs_child(p->isa))
		ike_task_add(p->isa, IKE_DO_CHILD, 0, 0);
}

/* The peer sends on an SA that we have not: does it still live in the world
 * that we know?  Unauthenticated: worth a question or a call, no more. */
static void
on_invalid_spi(struct ike_engine *g, const struct gre_invalid_spi *m)
{
	struct ike_isa *s;

	DL_FOREACH2(*ike_isas_at(g, &m->remote.addr), s, at_next)
		if (s->phase == IKE_UP && s->out.phase == IKE_IDLE &&
		    s->tasks == NULL && addr_equal(&s->remote.addr,
		    &m->remote.addr) && g->now - s->out.since >= RUMOUR_MS) {
			ike_task_add(s, IKE_DO_PROBE, 0, 0);
			return;
		}
	ike_missed_call(g, &m->remote);
}

/* Somebody took it from dmvpn-gre: it is stated again. */
static void
on_peer_gone(struct ike_engine *g, const struct gre_peer_gone *m)
{
	struct ike_peer *p = ike_peer_find(g, m->peer);
	struct ike_csa *c;

	if (p == NULL || !p->stated)
		return;
	p->stated = false;
	if (p->isa == NULL || p->isa->phase != IKE_UP)
		return;
	ike_peer_state(p);
	DL_FOREACH(p->isa->children, c)
		if (c->installed) {
			c->installed = c->sent = false;
			c->lost = true;
		}
	ike_task_add(p->isa, IKE_DO_CHILD, 0, 0);
}

static void
on_pki_changed(struct ike_engine *g, const struct pki_changed *m)
{
	struct ike_cred *k;

	LL_FOREACH(g->creds, k)
		if (strcmp(k->name, m->identity) == 0)
			ike_cred_ask(g, k);
}

void
ike_engine_event(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct msg_type *t, const void *m)
{
	g->now = now;
	g->wall = wall;
	if (t == &gre_sa_first_type)
		on_sa_first(g, m);
	else if (t == &gre_sa_limit_type)
		on_sa_limit(g, m);
	else if (t == &gre_peer_moved_type)
		on_peer_moved(g, m);
	else if (t == &gre_acquire_type)
		on_acquire(g, m);
	else if (t == &gre_invalid_spi_type)
		on_invalid_spi(g, m);
	else if (t == &gre_peer_gone_type)
		on_peer_gone(g, m);
	else if (t == &pki_changed_type)
		on_pki_changed(g, m);
	ike_isa_sweep(g);
}

/* ---- users ---- */

static struct ike_isa *
isa_of(struct ike_engine *g, uint16_t number, const char *stage,
    struct reason *why)
{
	struct ike_peer *p = ike_peer_find(g, number);

	if (p != NULL && p->isa != NULL && p->isa->phase == IKE_UP)
		return p->isa;
	reason_set(why, stage, "not-found",
	    "there is no IKE SA with peer %u", number);
	return NULL;
}

int
ike_engine_close(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct ike_close *m, struct reason *why)
{
	struct ike_isa *s = isa_of(g, m->peer, "close", why);

	g->now = now;
	g->wall = wall;
	if (s == NULL)
		return -1;
	reason_set(ike_why(s), "close", m->dead ? "dead" : "closed", "%s",
	    m->why[0] != '\0' ? m->why : "closed on request");
	if (m->dead) {
		s->peer->missed = now;
		s->dead_peer = true;
		ike_isa_die(s);
	} else
		ike_task_add(s, IKE_DO_DELETE, 0, 0);
	ike_isa_sweep(g);
	return 0;
}

static bool
may_rekey(const struct ike_csa *c)
{
	return c->installed && !c->deleting && !c->replaced && !c->doomed &&
	    c->rival == 0;
}

/* The newest of each sender, and that of all.  false: there is none. */
static bool
rekey_children(struct ike_isa *s)
{
	struct ike_csa *c, *newest, *next;
	uint32_t spi[IKE_CHILDREN_MOST];
	size_t i, n = 0;

	DL_FOREACH(s->children, c) {
		for (newest = c, next = c->next; next != NULL;
		    next = next->next)
			if (next->queue == c->queue && may_rekey(next))
				newest = next;
		if (newest == c && may_rekey(c) && n < IKE_CHILDREN_MOST)
			spi[n++] = c->spi_in;
	}
	for (i = 0; i < n; i++)		/* children come as they run */
		ike_task_add(s, IKE_DO_REKEY_CHILD, spi[i], 0);
	return n > 0;
}

int
ike_engine_rekey(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct ike_rekey *m, struct reason *why)
{
	struct ike_isa *s = isa_of(g, m->peer, "rekey", why);

	g->now = now;
	g->wall = wall;
	if (s == NULL)
		return -1;
	if (!m->child)
		ike_task_add(s, IKE_DO_REKEY, 0, 0);
	else if (!rekey_children(s) && ike_peer_needs_child(s))
		ike_task_add(s, IKE_DO_CHILD, 0, 0);
	ike_isa_sweep(g);
	return 0;
}

void
ike_engine_stop(struct ike_engine *g, uint64_t now, bool keep)
{
	struct ike_isa *s, *t;
	struct ike_out o;

	g->now = now;
	while (g->conns != NULL) {
		struct ike_conn *c = g->conns;

		LL_DELETE(g->conns, c);
		if (c->isa != NULL)
			c->isa->conn = NULL;
		ike_timer_fini(g, &c->retry);
		free(c);
	}
	if (keep) {
		g->gre_up = false;
		return;
	}
	DL_FOREACH_SAFE(g->isas, s, t) {
		if (s->phase == IKE_UP || s->phase == IKE_REPLACED) {
			ike_out_begin(g, &o);
			ike_put_delete(&o.c, IKE_PROTO_IKE, NULL, 0);
			ike_send_request(s, IKE_INFORMATIONAL, &o, 1);
		}
		reason_set(ike_why(s), "close", "stopped", "dmvpn-ike ends");
		ike_isa_die(s);
	}
	ike_isa_sweep(g);
}
