#include "ike_int.h"

#include "msg/msg.h"

/*
 * What a peer may claim when neither its certificate nor the profile says:
 * the address ranges are bound first-come to its identity, for as long as it
 * has a CHILD_SA with them.  Only addresses count: a route knows no ports.
 */

static bool
meets(const struct ike_ts *a, const struct ike_ts *b)
{
	return a->type == b->type && addr_cmp(&a->first, &b->last) <= 0 &&
	    addr_cmp(&b->first, &a->last) <= 0;
}

/* Never behind a peer that nobody vouches for.  What meets these is wider
 * than a site, or no site at all; a default route meets them too. */
static bool
reserved(const struct ike_ts *ts)
{
	static const struct { uint8_t len, bits, b[16]; } rows[] = {
		{ 4, 8, { 0 } },
		{ 4, 8, { 127 } },
		{ 4, 16, { 169, 254 } },
		{ 4, 3, { 224 } },
		{ 16, 127, { 0 } },			/* :: and ::1 */
		{ 16, 96, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
		{ 16, 10, { 0xfe, 0x80 } },
		{ 16, 8, { 0xff } },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prefix p = { .addr = addr_of(rows[i].b, rows[i].len),
		    .len = rows[i].bits };
		struct ike_ts row = ike_ts_of_prefix(&p);

		if (meets(ts, &row))
			return true;
	}
	return false;
}

/* A local-ts of everything says nothing about where we are. */
static bool
is_ours(const struct ike_isa *s, const struct ike_ts *ts)
{
	const struct ike_profile_set *p = &s->profile->set;
	struct ike_ts own;
	size_t i;

	for (i = 0; i < p->n_local_ts; i++) {
		own = ike_ts_of_prefix(&p->local_ts[i]);
		if (p->local_ts[i].len > 0 && meets(ts, &own))
			return true;
	}
	if (s->local.addr.len == 0)
		return false;
	own = ike_ts_of_range(&s->local.addr, &s->local.addr, 0);
	return meets(ts, &own);
}

/* Does it take a part of what ts is? */
static bool
holds(const struct ike_csa *c, const struct ike_ts *ts)
{
	size_t i;

	if (c->mode != SA_MODE_TUNNEL || c->peer == NULL ||
	    (!c->sent && !c->installed && !c->lost))
		return false;
	for (i = 0; i < c->n_remote; i++)
		if (meets(ts, &c->remote[i]))
			return true;
	return false;
}

/* Who else holds a part of it now: a name, or NULL. */
static const char *
holder(const struct ike_isa *s, const char *identity, const struct ike_ts *ts)
{
	const struct ike_isa *t;
	const struct ike_csa *c;

	DL_FOREACH(s->g->isas, t)
		DL_FOREACH(t->children, c)
			if (holds(c, ts) &&
			    strcmp(c->peer->identity, identity) != 0)
				return c->peer->identity;
	return NULL;
}

static void
explain(struct ike_ctx *c, const struct ike_ts *ts, const char *code,
    const char *text, const char *who)
{
	char one[120];

	ike_ts_list(ts, 1, one, sizeof(one));
	reason_set(&c->why, "child", code, "%s %s%s", one, text, who);
	if (c->isa->ident != NULL)
		ident_text(c->isa->ident, c->why.peer, sizeof(c->why.peer));
	snprintf(c->why.offered, sizeof(c->why.offered), "%s", one);
	snprintf(c->why.wanted, sizeof(c->why.wanted),
	    "what nobody holds; or a remote-ts, or address blocks");
}

static bool
may_have(struct ike_ctx *c, const char *identity, const struct ike_ts *ts)
{
	const char *who;

	if (reserved(ts))
		explain(c, ts, "selector-reserved",
		    "is not given without a remote-ts", "");
	else if (is_ours(c->isa, ts))
		explain(c, ts, "selector-ours", "is on our side", "");
	else if ((who = holder(c->isa, identity, ts)) != NULL)
		explain(c, ts, "selector-held", "is held by ", who);
	else
		return true;
	return false;
}

size_t
ike_claim_keep(struct ike_ctx *c, struct ike_ts *ts, size_t n)
{
	const struct ike_isa *s = c->isa;
	struct reason before = c->why;
	char identity[128];
	size_t i, kept = 0;

	if (s->blocks != NULL || s->profile->set.n_remote_ts > 0)
		return n;
	if (s->ident != NULL)
		ident_name(s->ident, identity, sizeof(identity));
	else if (s->peer != NULL)	/* an heir has it */
		snprintf(identity, sizeof(identity), "%s",
		    s->peer->identity);
	else
		return 0;
	for (i = 0; i < n; i++)
		if (may_have(c, identity, &ts[i]))
			ts[kept++] = ts[i];
	if (kept > 0)
		c->why = before;
	return kept;
}
