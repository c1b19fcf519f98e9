#include "ike_int.h"

#include <stdlib.h>

/*
 * Peers that we call though no connection leads to them.
 *
 * Orphans: peers and SAs in dmvpn-gre that an earlier run of ours left.  They
 * carry packets until their peer is back on an IKE SA.  Those that we have a
 * connection to are called by it; the others, all the spokes of a hub, are
 * called one after the other, since they can not see that we began anew.
 *
 * Missed: a peer that was silent for so long that it was given up, but sends
 * on the SAs that went with it.  One that is not ours may need a minute to see
 * that we have them no more.
 */
#define FIRST_CALL	1000	/* ms: connections and peers go first */
#define CALLS_APART	4	/* ms, on the average */
#define CALL_AGAIN	30000	/* ms after a call that nobody answered */

static void
orphan_remove(struct ike_engine *g, struct ike_peer *p, struct ike_orphan *o)
{
	struct gre_sa_delete m = { .spi_in = o->spi_in,
	    .grace = IKE_DRAIN };

	LL_DELETE(p->orphans, o);
	if (g->gre_up)
		g->ops.call(g->ops.arg, 0, &gre_sa_delete_type, &m);
	free(o);
}

void
ike_orphans_remove(struct ike_engine *g, struct ike_peer *p)
{
	while (p->orphans != NULL)
		orphan_remove(g, p, p->orphans);
}

void
ike_orphans_hush(struct ike_engine *g, struct ike_peer *p)
{
	struct ike_orphan *o, *next;

	LL_FOREACH_SAFE(p->orphans, o, next)
		if (o->queued)
			orphan_remove(g, p, o);
}

void
ike_orphans_free(struct ike_peer *p)
{
	struct ike_orphan *o;

	while ((o = p->orphans) != NULL) {
		LL_DELETE(p->orphans, o);
		free(o);
	}
}

/* ---- adoption ---- */

void
ike_engine_gre_peer(struct ike_engine *g, uint64_t now,
    const struct gre_peer *m)
{
	struct ike_peer *p = ike_peer_find(g, m->peer);
	char profile[64];

	g->now = now;
	if (strcmp(m->owner, "ike") != 0 || m->peer > IKE_PEERS_MAX)
		return;
	if (p != NULL) {
		p->stated = true;
		return;
	}
	snprintf(profile, sizeof(profile), "%.*s", (int)rbuf_left(&m->blob),
	    rbuf_left(&m->blob) > 0 ? (const char *)m->blob.p : "");
	p = ike_peer_new(g, m->peer, m->name, profile);
	if (p == NULL)
		return;
	p->stated = true;
	p->orphan = true;
	p->remote = m->remote;
	p->local = m->local;
	p->encap = m->encap;
	ike_timer_set(g, &p->life, now + g->tune.orphan_life);
}

void
ike_engine_gre_sa(struct ike_engine *g, uint64_t now,
    const struct gre_sa *m)
{
	struct ike_peer *p = ike_peer_find(g, m->peer);
	struct ike_orphan *o;
	struct ike_csa *c;
	uint32_t spi = m->spi_in;

	g->now = now;
	if (strcmp(m->owner, "ike") != 0 || p == NULL)
		return;
	if ((c = ike_csa_by_spi(g, spi)) != NULL) {
		c->present = true;
		return;
	}
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return;
	o->spi_in = spi;
	o->queued = m->queue != 0;
	LL_PREPEND(p->orphans, o);
}

/* ---- the call ---- */

static uint64_t
draw(struct ike_engine *g, uint64_t below)
{
	uint32_t r = 0;

	ike_random(g, &r, sizeof(r));
	return below * r / UINT32_MAX;
}

void
ike_orphans_begin(struct ike_engine *g)
{
	uint64_t span = FIRST_CALL + CALLS_APART * (uint64_t)g->n_peers;
	struct ike_peer *p;
	uint16_t at = 0;

	while ((p = ike_peer_next(g, &at)) != NULL)
		if (p->orphans != NULL && p->isa == NULL)
			ike_timer_set(g, &p->call, g->now + FIRST_CALL +
			    draw(g, span));
}

/* In tunnel mode the remote knows its selectors, the headend does not. */
static bool
ours_to_call(struct ike_engine *g, const struct ike_peer *p,
    const struct ike_profile *profile)
{
	const struct ike_conn *c;

	if (profile->set.mode != SA_MODE_TRANSPORT || !profile->set.accept)
		return false;
	LL_FOREACH(g->conns, c)
		if (addr_equal(&c->set.remote.addr, &p->remote.addr))
			return false;
	return true;
}

/* false: it can not be called yet. */
static bool
call(struct ike_engine *g, const struct ike_peer *p)
{
	struct ike_profile *profile = ike_profile_find(g, p->profile);
	struct endpoint remote = p->remote;
	struct ike_isa *s;

	if (profile == NULL || !profile->cred->ready)
		return false;
	if (!ours_to_call(g, p, profile))
		return true;
	if (p->encap != GRE_ENCAP_UDP)
		remote.port = IKE_PORT;
	s = ike_conn_isa(g, profile, &remote);
	if (s != NULL)
		ike_init_begin(s);
	return true;
}

static uint64_t
call_again(struct ike_engine *g)
{
	return g->now + g->tune.retry_total + draw(g, CALL_AGAIN);
}

/* Timer: it did not come by itself. */
void
ike_orphan_call(struct ike_engine *g, void *peer)
{
	struct ike_peer *p = peer;

	if (p->isa == NULL && p->orphans != NULL)
		ike_timer_set(g, &p->call, call(g, p) ? call_again(g) :
		    g->now + FIRST_CALL);
}

static bool
is_at(const struct ike_peer *p, const struct endpoint *from)
{
	return p->encap == GRE_ENCAP_UDP ? endpoint_equal(&p->remote, from) :
	    addr_equal(&p->remote.addr, &from->addr);
}

void
ike_missed_call(struct ike_engine *g, const struct endpoint *from)
{
	struct ike_peer *p;
	uint16_t at = 0;

	while ((p = ike_peer_next(g, &at)) != NULL)
		if (p->isa == NULL && p->missed != 0 && p->missed <= g->now &&
		    is_at(p, from) && call(g, p))
			p->missed = call_again(g);
}

void
ike_orphan_call_end(struct ike_isa *s)
{
	struct ike_isa *t, *next;

	DL_FOREACH_SAFE2(*ike_isas_at(s->g, &s->remote.addr), t, next,
	    at_next)
		if (t != s && t->trying && t->conn == NULL &&
		    t->profile == s->profile &&
		    t->out.phase == IKE_INIT_SENT &&
		    addr_equal(&t->remote.addr, &s->remote.addr))
			ike_isa_die(t);
}
