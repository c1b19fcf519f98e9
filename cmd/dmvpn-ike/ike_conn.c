#include "ike_int.h"

#include <stdlib.h>

/* Connections: what is to be kept up, tried again with backoff. */

static void
tell_up(struct ike_isa *s, const struct ike_conn *c)
{
	struct ike_up m;

	ike_show_up(s, &m);
	if (c != NULL) {
		snprintf(m.connection, sizeof(m.connection), "%s",
		    c->set.connection);
		snprintf(m.owner, sizeof(m.owner), "%s", c->set.owner);
	}
	ike_tell(s->g, &ike_up_type, &m);
}

static uint64_t
backoff(struct ike_engine *g, uint32_t tries)
{
	uint64_t ms = g->tune.backoff_first;

	while (tries-- > 0 && ms < g->tune.backoff_max)
		ms *= 2;
	return ike_jitter(g, ms < g->tune.backoff_max ? ms :
	    g->tune.backoff_max);
}

static void
tell_failed(struct ike_engine *g, struct ike_conn *c)
{
	struct ike_failed m = { .remote = c->set.remote,
	    .role = IKE_ROLE_INITIATOR, .reason = c->why };
	struct addr_buf b;

	snprintf(m.profile, sizeof(m.profile), "%s", c->set.profile);
	snprintf(m.connection, sizeof(m.connection), "%s",
	    c->set.connection);
	snprintf(m.owner, sizeof(m.owner), "%s", c->set.owner);
	if (m.reason.peer[0] == '\0')
		snprintf(m.reason.peer, sizeof(m.reason.peer), "%s",
		    endpoint_text(&c->set.remote, &b));
	m.next_try = c->retry.at > g->now ? c->retry.at - g->now : 0;
	ike_tell(g, &ike_failed_type, &m);
}

static void
conn_free(struct ike_engine *g, struct ike_conn *c)
{
	LL_DELETE(g->conns, c);
	ike_timer_fini(g, &c->retry);
	free(c);
}

void
ike_conn_free_all(struct ike_engine *g)
{
	while (g->conns != NULL)
		conn_free(g, g->conns);
}

/* A try failed, or what was up is down. */
static void
again(struct ike_engine *g, struct ike_conn *c, bool was_up)
{
	c->isa = NULL;
	if (!c->set.once)
		ike_timer_set(g, &c->retry, g->now + backoff(g, c->tries));
	c->tries++;
	if (!was_up)
		tell_failed(g, c);
	if (c->set.once)
		conn_free(g, c);
}

void
ike_conn_failed(struct ike_isa *s)
{
	struct ike_conn *c, *t;

	s->conn = NULL;
	LL_FOREACH_SAFE(s->g->conns, c, t) {
		if (c->isa != s)
			continue;
		c->why = *ike_why_of(s);
		again(s->g, c, s->announced);
	}
}

void
ike_conn_move(struct ike_isa *from, struct ike_isa *to)
{
	struct ike_conn *c;

	LL_FOREACH(from->g->conns, c)
		if (c->isa == from) {
			c->isa = to;
			if (to->conn == NULL)
				to->conn = c;
		}
	from->conn = NULL;
}

/* Does this living SA do what the connection asks for? */
static bool
serves(const struct ike_isa *s, const struct ike_conn *c)
{
	if (s->phase != IKE_UP || s->profile != c->profile || s->dead_peer ||
	    s->ident == NULL || s->peer == NULL || s->losing ||
	    !addr_equal(&s->remote.addr, &c->set.remote.addr))
		return false;
	if (c->set.peer_id[0] != '\0')
		return ident_matches(s->ident, c->set.peer_id);
	return !s->nat_remote || s->remote.port == c->set.remote.port;
}

/* A try of ours that has said nothing yet, or what the peer replaced. */
static bool
gives_way(const struct ike_isa *t)
{
	return t == NULL || t->phase == IKE_REPLACED ||
	    (t->phase == IKE_CONNECTING && t->out.phase == IKE_INIT_SENT);
}

static void
take_over(struct ike_isa *s, struct ike_conn *c)
{
	struct ike_isa *t = c->isa;

	c->isa = s;
	if (s->conn == NULL)
		s->conn = c;
	if (t == NULL)
		return;
	if (t->conn == c)
		t->conn = NULL;
	if (t->phase == IKE_CONNECTING)
		ike_isa_die(t);
}

void
ike_conn_up(struct ike_isa *s)
{
	struct ike_conn *c;
	bool told = false;

	LL_FOREACH(s->g->conns, c) {
		if (c->isa != s && gives_way(c->isa) && serves(s, c))
			take_over(s, c);
		if (c->isa != s)
			continue;
		c->tries = 0;
		memset(&c->why, 0, sizeof(c->why));
		ike_move_later(s->g, c);
		tell_up(s, c);
		told = true;
	}
	if (!told)
		tell_up(s, NULL);
}

static bool
reuse(struct ike_engine *g, struct ike_conn *c)
{
	struct ike_isa *s;

	DL_FOREACH2(*ike_isas_at(g, &c->set.remote.addr), s, at_next)
		if (serves(s, c)) {
			c->isa = s;
			c->tries = 0;
			if (s->conn == NULL)
				s->conn = c;
			ike_move_later(g, c);
			tell_up(s, c);
			return true;
		}
	return false;
}

void
ike_mark_crossing(struct ike_isa *s)
{
	struct ike_isa *t;

	DL_FOREACH2(*ike_isas_at(s->g, &s->remote.addr), t, at_next)
		if ((s->initiator ? t->phase == IKE_HALF_OPEN : t->trying) &&
		    addr_equal(&t->remote.addr, &s->remote.addr))
			t->crossing = s->crossing = true;
}

/* Whoever is not at 500 is behind a NAT, or at 4500 himself: that port speaks
 * to us by ours of 4500. */
struct ike_isa *
ike_conn_isa(struct ike_engine *g, struct ike_profile *p,
    const struct endpoint *remote)
{
	struct endpoint local = { .addr = p->set.local,
	    .port = remote->port == IKE_PORT ? IKE_PORT : IKE_PORT_NAT };
	struct ike_isa *s;

	if (local.addr.len == 0 && g->ops.local_for(g->ops.arg,
	    &remote->addr, &local.addr) < 0)
		memset(&local.addr, 0, sizeof(local.addr));
	s = ike_isa_new(g, true, &local, remote);
	if (s == NULL)
		return NULL;
	ike_isa_set_profile(s, p);
	s->trying = true;
	DL_APPEND2(g->tries, s, try_prev, try_next);
	ike_mark_crossing(s);
	return s;
}

void
ike_conn_try(struct ike_engine *g, struct ike_conn *c)
{
	if (c->isa != NULL)
		return;
	if (c->profile == NULL || !c->profile->cred->ready) {
		if (c->profile != NULL)
			c->why = c->profile->cred->why;
		else
			reason_set(&c->why, "profile", "not-found",
			    "there is no profile %s", c->set.profile);
		/* both tell us when they come */
		if (c->profile == NULL || !c->profile->cred->asking)
			again(g, c, false);
		return;
	}
	if (reuse(g, c))
		return;
	c->isa = ike_conn_isa(g, c->profile, &c->set.remote);
	if (c->isa == NULL) {
		reason_set(&c->why, "ike-sa-init", "failed",
		    "out of memory");
		again(g, c, false);
		return;
	}
	c->isa->conn = c;
	ike_init_begin(c->isa);
}

void
ike_conn_retry(struct ike_engine *g, void *conn)
{
	struct ike_conn *c = conn;

	if (c->isa == NULL)
		ike_conn_try(g, c);
	else
		ike_move_look(g, c);
}

static struct ike_conn *
find(struct ike_engine *g, const char *name)
{
	struct ike_conn *c;

	LL_FOREACH(g->conns, c)
		if (strcmp(c->set.connection, name) == 0)
			return c;
	return NULL;
}

/* Another remote or profile under the same name: the old SA goes. */
static void
change(struct ike_engine *g, struct ike_conn *c,
    const struct ike_connection_set *m)
{
	struct ike_isa *s = c->isa;
	bool same = endpoint_equal(&c->set.remote, &m->remote) &&
	    strcmp(c->set.profile, m->profile) == 0 &&
	    strcmp(c->set.peer_id, m->peer_id) == 0;

	c->set = *m;
	c->profile = ike_profile_find(g, m->profile);
	if (same || s == NULL)
		return;
	c->isa = NULL;
	if (s->conn == c)
		s->conn = NULL;
	if (s->phase == IKE_UP)
		ike_task_add(s, IKE_DO_DELETE, 0, 0);
	else
		ike_isa_die(s);
}

int
ike_engine_connection_set(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct ike_connection_set *m, struct reason *why)
{
	struct ike_conn *c = find(g, m->connection);

	g->now = now;
	g->wall = wall;
	if (m->remote.addr.len == 0 || m->remote.port == 0) {
		reason_set(why, "connection", "invalid",
		    "the remote needs an address and a port");
		return -1;
	}
	if (c != NULL)
		change(g, c, m);
	else {
		c = calloc(1, sizeof(*c));
		if (c == NULL || ike_timer_init(g, &c->retry,
		    IKE_TIMER_RETRY) < 0) {
			free(c);
			reason_set(why, "connection", "failed",
			    "out of memory");
			return -1;
		}
		c->set = *m;
		c->profile = ike_profile_find(g, m->profile);
		LL_APPEND(g->conns, c);
	}
	if (c->isa == NULL)
		ike_timer_set(g, &c->retry, g->now);
	ike_isa_sweep(g);
	return 0;
}

int
ike_engine_connection_delete(struct ike_engine *g, uint64_t now,
    int64_t wall, const struct ike_connection_delete *m, struct reason *why)
{
	struct ike_conn *c = find(g, m->connection), *other;
	struct ike_isa *s;

	g->now = now;
	g->wall = wall;
	if (c == NULL) {
		reason_set(why, "connection", "not-found",
		    "there is no connection %s", m->connection);
		return -1;
	}
	s = c->isa;
	if (s != NULL && s->conn == c)
		s->conn = NULL;
	conn_free(g, c);
	LL_FOREACH(g->conns, other)
		if (s != NULL && other->isa == s)
			s->conn = other;
	if (s != NULL && s->conn == NULL && s->began) {
		if (s->phase == IKE_UP)
			ike_task_add(s, IKE_DO_DELETE, 0, 0);
		else
			ike_isa_die(s);
	}
	ike_isa_sweep(g);
	return 0;
}
