#include "ike_int.h"
#include "ike_queue.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Peers: authenticated identities on a path, by number.  An identity that
 * comes back gets its number again.
 */
#define TWICE		60000	/* ms between two changes of the machine */
#define HANDOVER	2000	/* ms that the SA of before is kept */
#define REMEMBER	3600000	/* ms that the number of one who left is kept */
#define CROSSING	5000	/* ms until the loser of two SAs is closed */
#define RENEW		1000	/* ms until the winner's children are renewed */
#define KEEPALIVE	20	/* seconds, RFC 3948, 4 */
#define SAS_OF_ONE	64	/* IKE SAs of one identity: uplinks, tunnels */

struct ike_peer *
ike_peer_find(struct ike_engine *g, uint16_t number)
{
	return number <= IKE_PEERS_MAX ? g->peers[number] : NULL;
}

struct ike_peer *
ike_peer_next(const struct ike_engine *g, uint16_t *at)
{
	while (*at < IKE_PEERS_MAX)
		if (g->peers[++*at] != NULL)
			return g->peers[*at];
	return NULL;
}

/* The bucket of an identity (FNV-1a). */
static struct ike_peer **
bucket(struct ike_engine *g, const char *identity)
{
	uint32_t h = 2166136261u;

	for (; *identity != '\0'; identity++)
		h = (h ^ (uint8_t)*identity) * 16777619u;
	return &g->by_identity[h % IKE_BUCKETS];
}

static bool
is_of(const struct ike_peer *p, const char *identity, const char *profile)
{
	return strcmp(p->identity, identity) == 0 &&
	    strcmp(p->profile, profile) == 0;
}

static void
mark(struct ike_engine *g, uint16_t number, bool taken)
{
	uint64_t bit = 1ull << (number % 64);

	if (taken)
		g->taken[number / 64] |= bit;
	else
		g->taken[number / 64] &= ~bit;
}

static uint16_t
lowest_free(const struct ike_engine *g)
{
	unsigned i, b;

	for (i = 0; i < sizeof(g->taken) / sizeof(g->taken[0]); i++) {
		if (g->taken[i] == UINT64_MAX)
			continue;
		for (b = 0; g->taken[i] & (1ull << b); b++)
			;
		return i * 64 + b > IKE_PEERS_MAX ? 0 :
		    (uint16_t)(i * 64 + b);
	}
	return 0;
}

static void
peer_free(struct ike_engine *g, struct ike_peer *p)
{
	ike_orphans_free(p);
	ike_timer_fini(g, &p->life);
	ike_timer_fini(g, &p->call);
	g->peers[p->number] = NULL;
	g->n_peers--;
	LL_DELETE2(*bucket(g, p->identity), p, same);
	mark(g, p->number, false);
	free(p);
}

void
ike_peer_free_all(struct ike_engine *g)
{
	struct ike_peer *p;
	uint16_t at = 0;

	while ((p = ike_peer_next(g, &at)) != NULL)
		peer_free(g, p);
}

static void
forget(struct ike_engine *g, struct ike_peer *p)
{
	struct gre_peer_delete m = { .peer = p->number };

	if (p->stated && g->gre_up)
		g->ops.call(g->ops.arg, 0, &gre_peer_delete_type, &m);
	p->stated = false;
}

/* Timer: orphans had their time; a number is kept no longer. */
void
ike_peer_life_end(struct ike_engine *g, void *arg)
{
	struct ike_peer *p = arg;

	if (p->isa != NULL) {
		ike_orphans_remove(g, p);
		return;
	}
	forget(g, p);
	peer_free(g, p);
}

struct ike_peer *
ike_peer_new(struct ike_engine *g, uint16_t number, const char *identity,
    const char *profile)
{
	const size_t len = strlen(identity) + 1;
	struct ike_peer *p = calloc(1, sizeof(*p) + len + strlen(profile) +
	    1);

	if (p == NULL || ike_timer_init(g, &p->life,
	    IKE_TIMER_PEER_LIFE) < 0 ||
	    ike_timer_init(g, &p->call, IKE_TIMER_PEER_CALL) < 0) {
		g->counters[IKE_C_NO_MEMORY]++;
		if (p != NULL)
			ike_timer_fini(g, &p->life);
		free(p);
		return NULL;
	}
	p->number = number;
	memcpy(p->identity, identity, len);
	memcpy(&p->identity[len], profile, strlen(profile) + 1);
	p->profile = &p->identity[len];
	mark(g, number, true);
	g->peers[number] = p;
	g->n_peers++;
	LL_PREPEND2(*bucket(g, p->identity), p, same);
	return p;
}

/* No number is free: take that of one who left. */
static uint16_t
steal(struct ike_engine *g)
{
	struct ike_peer *p;
	uint16_t at = 0;

	while ((p = ike_peer_next(g, &at)) != NULL) {
		if (p->isa != NULL || p->stated)
			continue;
		peer_free(g, p);
		return at;
	}
	return 0;
}

/* ---- which tunnels are its own ---- */

static bool
same_anchors(const struct cert_set *a, const struct cert_set *b)
{
	size_t i, k;

	for (i = 0; i < a->n; i++) {
		for (k = 0; k < b->n; k++)
			if (cert_equal(a->v[i], b->v[k]))
				break;
		if (k == b->n)
			return false;
	}
	return a->n == b->n;
}

/* Would it get in by this profile too?  The PSKs of two identities are the
 * agent's secret; they count as one. */
static bool
admits_too(const struct ike_profile *q, const struct ike_isa *s)
{
	const struct ike_cred *a = s->profile->cred, *b = q->cred;

	if (!ike_profile_admits(q, s->ident) || (q->set.need_blocks &&
	    !s->psk && s->blocks == NULL))
		return false;
	return a == b || (b->ready && a->method == b->method &&
	    same_anchors(&a->anchors, &b->anchors));
}

static bool
may_use(const struct ike_isa *s, const char *interface)
{
	const struct ike_profile *q;

	if (strcmp(s->profile->set.interface, interface) == 0)
		return true;
	LL_FOREACH(s->g->profiles, q)
		if (!q->gone && strcmp(q->set.interface, interface) == 0 &&
		    admits_too(q, s))
			return true;
	return false;
}

/* Tunnels share SAs and are told apart by the GRE key, which the peer
 * writes: the interfaces whose profiles would not let it in. */
static uint32_t
put_denied(const struct ike_isa *s, struct gre_peer_set *m)
{
	const size_t room = sizeof(m->denied) / sizeof(m->denied[0]);
	const struct ike_profile *q;
	uint32_t h = 0;
	size_t i;

	m->n_denied = 0;
	if (s->ident == NULL)
		return 0;
	LL_FOREACH(s->g->profiles, q) {
		if (q->gone || q->set.mode != SA_MODE_TRANSPORT ||
		    q->set.interface[0] == '\0' || m->n_denied == room ||
		    may_use(s, q->set.interface))
			continue;
		for (i = 0; i < m->n_denied; i++)
			if (strcmp(m->denied[i], q->set.interface) == 0)
				break;
		if (i < m->n_denied)
			continue;
		snprintf(m->denied[m->n_denied++], sizeof(m->denied[0]), "%s",
		    q->set.interface);
		for (i = 0; q->set.interface[i] != '\0'; i++)
			h = (h ^ (uint8_t)q->set.interface[i]) * 16777619u;
		h = h * 31 + 1;
	}
	return h;
}

/* SAs that are up keep their old profile, but for this. */
static uint64_t
rate_now(const struct ike_isa *s)
{
	const struct ike_profile *p = ike_profile_find(s->g,
	    s->profile->set.profile);

	return p != NULL ? p->set.rate : s->profile->set.rate;
}

void
ike_peers_restate(struct ike_engine *g)
{
	struct gre_peer_set m;
	struct ike_peer *p;
	uint16_t at = 0;

	while ((p = ike_peer_next(g, &at)) != NULL)
		if (p->isa != NULL && p->stated &&
		    (put_denied(p->isa, &m) != p->denied ||
		    rate_now(p->isa) != p->rate))
			ike_peer_state(p);
}

/* ---- into dmvpn-gre ---- */

void
ike_peer_state(struct ike_peer *p)
{
	struct ike_isa *s = p->isa;
	const struct ike_profile_set *set = &s->profile->set;
	struct gre_peer_set m = { .peer = p->number, .encap = p->encap,
	    .remote = p->remote, .local = p->local };

	if (!s->g->gre_up)
		return;
	snprintf(m.owner, sizeof(m.owner), "ike");
	snprintf(m.name, sizeof(m.name), "%s", p->identity);
	if (p->encap != GRE_ENCAP_UDP)
		m.remote.port = m.local.port = 0;
	m.keepalive = s->nat_local ? set->keepalive != 0 ? set->keepalive :
	    KEEPALIVE : 0;
	m.fixed = !s->nat_remote;
	m.rate = p->rate = rate_now(s);
	m.blob = rbuf_of(p->profile, strlen(p->profile));
	p->denied = put_denied(s, &m);
	p->stated = true;
	s->g->ops.call(s->g->ops.arg, 0, &gre_peer_set_type, &m);
}

static void
set_path(struct ike_peer *p, struct ike_isa *s)
{
	bool raw = s->profile->set.raw_esp && !s->nat_local &&
	    !s->nat_remote;

	p->isa = s;
	p->encap = raw ? GRE_ENCAP_ESP : GRE_ENCAP_UDP;
	p->remote = s->remote;
	p->local = s->local;
	if (!raw && p->remote.port == IKE_PORT)
		p->remote.port = IKE_PORT_NAT;
	p->local.port = IKE_PORT_NAT;
}

void
ike_peer_moved(struct ike_isa *s)
{
	ike_isa_lead(s);
	if (s->peer == NULL || s->peer->isa != s)
		return;
	set_path(s->peer, s);
	ike_peer_state(s->peer);
	s->g->generation++;
}

/* ---- who gets which number ---- */

static bool
no_nat_port(const struct ike_isa *s)
{
	return !s->nat_remote && (s->remote.port == IKE_PORT ||
	    s->remote.port == IKE_PORT_NAT);
}

/* Without a NAT, 500 and 4500 are one machine: some move to 4500 in any case
 * (MOBIKE), and we stay when there is no UDP around ESP. */
static bool
same_remote(const struct ike_isa *t, const struct ike_isa *s)
{
	return endpoint_equal(&t->remote, &s->remote) ||
	    (no_nat_port(t) && no_nat_port(s) &&
	    addr_equal(&t->remote.addr, &s->remote.addr));
}

static bool
same_path(const struct ike_peer *p, const struct ike_isa *s)
{
	return p->isa != NULL && same_remote(p->isa, s) &&
	    addr_equal(&p->isa->local.addr, &s->local.addr);
}

/* Of the same identity: on the same path, or gone, or as good as gone. */
static struct ike_peer *
find_old(struct ike_engine *g, const struct ike_isa *s, const char *identity)
{
	struct ike_peer *p, *best = NULL;
	bool claim = s->auth != NULL && s->auth->initial_contact;

	LL_FOREACH2(*bucket(g, identity), p, same) {
		if (!is_of(p, identity, s->profile->set.profile))
			continue;
		if (same_path(p, s))
			return p;
		if (p->isa == NULL || p->isa->dead_peer || claim)
			if (best == NULL || p->number < best->number)
				best = p;
	}
	return best;
}

/* One member does not fill the tables.  One that begins anew is no more than
 * it was. */
static bool
has_enough(struct ike_engine *g, const struct ike_isa *s,
    const char *identity)
{
	const struct ike_peer *p;
	const struct ike_isa *t;
	size_t n = 0;

	if (s->auth != NULL && s->auth->initial_contact)
		return false;
	LL_FOREACH2(*bucket(g, identity), p, same) {
		if (!is_of(p, identity, s->profile->set.profile))
			continue;
		LL_FOREACH2(p->isas, t, peer_next)
			n += t->phase == IKE_UP;
	}
	return n >= SAS_OF_ONE;
}

/* The SA at another endpoint that s would replace, as far as we know. */
static struct ike_isa *
displaced(const struct ike_peer *p, const struct ike_isa *s)
{
	struct ike_isa *t;

	if (s->initiator || s->auth == NULL || !s->auth->initial_contact)
		return NULL;
	LL_FOREACH2(p->isas, t, peer_next)
		if (t != s && t->phase == IKE_UP && !t->dead_peer &&
		    !same_remote(t, s))
			return t;
	return NULL;
}

/* The one that is up is asked whether it lives: if it does not, the next
 * try finds its place empty. */
bool
ike_peer_twice(struct ike_isa *s, struct reason *why)
{
	struct ike_engine *g = s->g;
	struct ike_isa *t = NULL;
	struct ike_peer *p;
	struct addr_buf b;
	char identity[128];

	ident_name(s->ident, identity, sizeof(identity));
	LL_FOREACH2(*bucket(g, identity), p, same)
		if (is_of(p, identity, s->profile->set.profile) &&
		    p->changed != 0 && g->now - p->changed < TWICE &&
		    (t = displaced(p, s)) != NULL)
			break;
	if (p == NULL)
		return false;
	reason_set(why, "ike-auth", "identity-in-use-twice",
	    "%s is up from %s and replaced another less than a minute ago",
	    identity, endpoint_text(&t->remote, &b));
	snprintf(why->peer, sizeof(why->peer), "%s", identity);
	snprintf(why->fix, sizeof(why->fix),
	    "give each machine a certificate or PSK identity of its own");
	ike_note(g, true, "identity-in-use-twice", &s->remote, why->text);
	if (t->out.phase == IKE_IDLE && t->tasks == NULL)
		ike_task_add(t, IKE_DO_PROBE, 0, 0);
	return true;
}

int
ike_peer_take(struct ike_isa *s, struct err *e)
{
	struct ike_engine *g = s->g;
	struct ike_peer *p;
	char identity[128];
	uint16_t number;

	ident_name(s->ident, identity, sizeof(identity));
	if (has_enough(g, s, identity))
		return err_set(e, ENOSPC, "%s has %d IKE SAs already",
		    identity, SAS_OF_ONE);
	p = find_old(g, s, identity);
	if (p == NULL) {
		number = lowest_free(g);
		if (number == 0)
			number = steal(g);
		if (number == 0)
			return err_set(e, ENOSPC, "no peer number is free");
		p = ike_peer_new(g, number, identity, s->profile->set.profile);
	}
	if (p == NULL)
		return err_set(e, ENOMEM, "out of memory");
	ike_timer_stop(g, &p->life);
	if (p->orphans != NULL)
		ike_timer_set(g, &p->life, g->now + g->tune.orphan_life);
	if (displaced(p, s) != NULL)
		p->changed = g->now;
	p->missed = 0;
	s->peer = p;
	LL_PREPEND2(p->isas, s, peer_next);
	set_path(p, s);
	ike_peer_state(p);
	return 0;
}

static void
tell_down(struct ike_isa *s, const struct ike_peer *p)
{
	struct ike_down m = { .peer = p->number, .reason = *ike_why_of(s) };

	if (m.reason.code[0] == '\0')
		reason_set(&m.reason, "close", "closed", "closed");
	snprintf(m.profile, sizeof(m.profile), "%s", p->profile);
	snprintf(m.identity, sizeof(m.identity), "%s", p->identity);
	if (s->conn != NULL)
		snprintf(m.connection, sizeof(m.connection), "%s",
		    s->conn->set.connection);
	ike_tell(s->g, &ike_down_type, &m);
}

/* Another IKE SA speaks for the peer again, maybe from elsewhere. */
static void
fall_back(struct ike_peer *p, struct ike_isa *t)
{
	struct endpoint remote = p->remote, local = p->local;

	set_path(p, t);
	if (!endpoint_equal(&remote, &p->remote) ||
	    !endpoint_equal(&local, &p->local))
		ike_peer_state(p);
}

void
ike_peer_leave(struct ike_isa *s)
{
	struct ike_peer *p = s->peer;
	struct ike_isa *t;

	if (p == NULL)
		return;
	s->peer = NULL;
	LL_DELETE2(p->isas, s, peer_next);
	if (p->isa != s)
		return;
	p->isa = NULL;
	LL_FOREACH2(p->isas, t, peer_next)
		if (t->phase != IKE_DEAD) {
			fall_back(p, t);
			return;
		}
	if (s->announced)
		tell_down(s, p);
	forget(s->g, p);
	if (p->orphans == NULL)
		ike_timer_set(s->g, &p->life, s->g->now + REMEMBER);
}

/* ---- one SA an identity and path ---- */

static const struct secret *
lowest_of(const struct ike_isa *s)
{
	return s->lowest != NULL ? s->lowest :
	    ike_nonce_cmp(s->ni, s->nr) < 0 ? s->ni : s->nr;
}

/* Two SAs because both sides began at once: the one with the lowest nonce is
 * closed by its beginner.  Both sides see the same nonces.  Others than our
 * kind do not do so, and Linux as the peer takes packets of one of the two
 * only: then ours gives way at once. */
static struct ike_isa *
loser_of(struct ike_isa *a, struct ike_isa *b)
{
	if (!a->own_kind)
		return a->initiator ? a : b;
	return ike_nonce_cmp(lowest_of(a), lowest_of(b)) < 0 ? a : b;
}

/* Its SAs send no more from now on; what is on its way to them still comes. */
static void
hush(struct ike_isa *s)
{
	struct gre_sa_delete m = { .grace = IKE_DRAIN };
	struct ike_csa *c;

	DL_FOREACH(s->children, c) {
		m.spi_in = c->spi_in;
		if ((c->installed || c->sent) && s->g->gre_up)
			s->g->ops.call(s->g->ops.arg, 0, &gre_sa_delete_type,
			    &m);
		c->sent = c->installed = false;
	}
}

/* charon installs the policies of both at once, in two threads.  What stays in
 * its kernel may be the loser's, and then it drops all that comes by the
 * winner's SA; a rekey writes them again. */
static void
renew(struct ike_isa *s)
{
	struct ike_csa *c;

	DL_FOREACH(s->children, c)
		ike_timer_set(s->g, &c->soft, s->g->now +
		    ike_jitter(s->g, RENEW));
}

static void
settle_crossing(struct ike_isa *a, struct ike_isa *b)
{
	struct ike_isa *loser = loser_of(a, b);
	struct ike_isa *winner = loser == a ? b : a;

	loser->losing = true;
	winner->peer->isa = winner;
	ike_conn_move(loser, winner);
	/* Not at once: the winner may still be on its way to the peer.  Who
	 * began it may not have seen that they crossed. */
	if (!loser->own_kind) {
		hush(loser);
		ike_task_add(loser, IKE_DO_DELETE, 0, 0);
		renew(winner);
	} else
		ike_timer_set(loser->g, &loser->life, loser->g->now +
		    (loser->initiator ? CROSSING : 3 * CROSSING));
}

/* The peer began anew, but has our answer not yet: until it sends on the new
 * SA, or should have, we send on the old one.  (The new one is standby.) */
static void
retire(struct ike_isa *t)
{
	reason_set(ike_why(t), "ike-auth", "replaced", "the peer began anew");
	ike_task_drop(t);
	t->phase = IKE_REPLACED;
	ike_timer_set(t->g, &t->life, t->g->now + HANDOVER);
}

/* t came up while s was on its way.  The peer may have said INITIAL_CONTACT
 * before it heard of t; it settles with t by the nonces. */
static bool
crossed(const struct ike_isa *s, const struct ike_isa *t)
{
	return t->peer == s->peer && t->initiator != s->initiator &&
	    t->crossing && s->crossing && t->born >= s->made;
}

static void
settle_with(struct ike_isa *s, struct ike_peer *p)
{
	struct ike_isa *t, *next;
	bool claim = s->auth != NULL && s->auth->initial_contact &&
	    !s->initiator;

	for (t = p->isas; t != NULL; t = next) {
		next = t->peer_next;
		if (t == s || t->phase != IKE_UP)
			continue;
		if (claim && !t->dead_peer && crossed(s, t)) {
			settle_crossing(s, t);
		} else if (claim && !t->dead_peer && t->peer == s->peer) {
			retire(t);
		} else if (claim || t->dead_peer) {
			reason_set(ike_why(t), "ike-auth", "replaced",
			    "the peer began anew");
			ike_isa_die(t);
		} else if (t->peer == s->peer && t->initiator !=
		    s->initiator && (t->crossing || s->crossing)) {
			settle_crossing(s, t);
		} else if (t->peer == s->peer && s->initiator) {
			ike_task_add(t, IKE_DO_DELETE, 0, 0);
		}
	}
}

/* s is up: what becomes of the others of its identity? */
void
ike_peer_settle(struct ike_isa *s)
{
	struct ike_peer *p;

	if (s->peer == NULL)
		return;
	LL_FOREACH2(*bucket(s->g, s->peer->identity), p, same)
		if (is_of(p, s->peer->identity, s->peer->profile))
			settle_with(s, p);
}

/* ---- dmvpn-gre's view ---- */

bool
ike_peer_needs_child(const struct ike_isa *s)
{
	const struct ike_csa *c;

	DL_FOREACH(s->children, c)
		if (c->queue == 0 && !c->lost && !c->deleting)
			return false;
	return s->peer != NULL;
}

/* The SAs that dmvpn-gre lost have a successor: the peer may drop them. */
void
ike_peer_lost_replaced(struct ike_isa *s)
{
	struct ike_csa *c;

	DL_FOREACH(s->children, c)
		if (c->lost && !c->deleting)
			ike_task_add(s, IKE_DO_DELETE_CHILD, c->spi_in, 0);
}

void
ike_engine_gre_down(struct ike_engine *g, uint64_t now)
{
	struct ike_peer *p;
	struct ike_isa *s;
	struct ike_csa *c;
	uint16_t at = 0;

	g->now = now;
	g->gre_up = false;
	while ((p = ike_peer_next(g, &at)) != NULL)
		p->stated = false;
	DL_FOREACH(g->isas, s)
		DL_FOREACH(s->children, c)
			c->present = false;
}

static void
find_lost(struct ike_engine *g, struct ike_isa *s)
{
	struct ike_csa *c;

	DL_FOREACH(s->children, c)
		if (c->installed && !c->present) {
			c->installed = false;
			c->sent = false;
			c->lost = true;
			ike_timer_stop(g, &c->soft);
			ike_timer_stop(g, &c->hard);
		}
	if (s->phase != IKE_UP)
		return;
	if (ike_peer_needs_child(s))
		ike_task_add(s, IKE_DO_CHILD, 0, 0);
	else {
		ike_peer_lost_replaced(s);
		ike_queue_later(s);
	}
}

void
ike_engine_gre_up(struct ike_engine *g, uint64_t now, int64_t wall)
{
	struct ike_isa *s, *u;
	struct ike_peer *p;
	uint16_t at = 0;

	g->now = now;
	g->wall = wall;
	g->gre_up = true;
	while ((p = ike_peer_next(g, &at)) != NULL)
		if (!p->stated && p->isa != NULL)
			ike_peer_state(p);
	ike_orphans_begin(g);
	DL_FOREACH_SAFE(g->isas, s, u) {
		struct gre_ike_spi_set m = { .spi = s->own_spi };

		g->ops.call(g->ops.arg, 0, &gre_ike_spi_set_type, &m);
		find_lost(g, s);
	}
	ike_isa_sweep(g);
}
