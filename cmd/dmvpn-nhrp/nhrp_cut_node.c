/* A shortcut and the peer that it goes through. */
#include "nhrp_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is n the peer that was answered?  An address alone does not tell two
 * peers behind one NAT apart: certificate or port does. */
static bool
matches(const struct nhrp_cut *c, const struct nhrp_node *n)
{
	struct prefix via = prefix_host(&c->via);
	size_t i;

	if (n->marked || (n->clear != NULL) !=
	    (c->iface->conf.profile[0] == '\0'))
		return false;
	if (c->linked && strcmp(n->connection->s, c->connection) == 0)
		return true;
	if (!addr_equal(&n->remote.addr, &c->nbma.addr))
		return false;
	for (i = 0; i < n->n_blocks; i++)
		if (prefix_covers(&n->blocks[i], &via))
			return true;
	return n->n_blocks == 0 && (!c->observed ||
	    n->remote.port == c->nbma.port);
}

static struct nhrp_node *
find_node(const struct nhrp_engine *g, const struct nhrp_cut *c)
{
	struct nhrp_node *n;

	if (c->iface->conf.profile[0] == '\0')
		return nhrp_node_clear((struct nhrp_engine *)(uintptr_t)g,
		    &c->nbma.addr);
	DL_FOREACH(g->all, n)
		if (matches(c, n))
			return n;
	return NULL;
}

/* Another shortcut that leads to the same. */
static struct nhrp_cut *
twin(const struct nhrp_cut *c)
{
	struct nhrp_cut *o;

	DL_FOREACH(c->iface->cuts, o)
		if (o != c && (o->state == NHRP_CUT_UP ||
		    o->state == NHRP_CUT_LINKING) &&
		    prefix_equal(&o->prefix, &c->prefix))
			return o;
	return NULL;
}

/* One try in a while to one address, whoever named it. */
static bool
tried_lately(const struct nhrp_engine *g, const struct nhrp_cut *c)
{
	const struct nhrp_cut *o;

	DL_FOREACH(c->iface->cuts, o)
		if (o != c && o->state == NHRP_CUT_REFUSED &&
		    o->linked_at > 0 &&
		    g->now - o->linked_at < NHRP_LINK_GAP &&
		    endpoint_equal(&o->nbma, &c->nbma))
			return true;
	return false;
}

static void
dial(struct nhrp_engine *g, struct nhrp_cut *c)
{
	struct addr_buf ab, nb;

	if (c->no_dial) {
		nhrp_cut_refuse(g, c, "behind-nat", "%s is behind a NAT "
		    "(%s) and its port is not told",
		    addr_text(&c->via, &ab), addr_text(&c->nbma.addr, &nb));
		return;
	}
	if (tried_lately(g, c)) {
		nhrp_cut_refuse(g, c, "tried", "%s was tried just now",
		    endpoint_text(&c->nbma, &ab));
		return;
	}
	c->state = NHRP_CUT_LINKING;
	c->linked_at = g->now;
	nhrp_timer_start(&g->heap, &c->timer, g->now + NHRP_LINK_WAIT);
	if (c->iface->conf.profile[0] == '\0')
		nhrp_node_make(g, c->iface, &c->nbma.addr, NULL);
	else
		nhrp_connect(g, c);
}

/* c was answered: use the peer that is there, or make one. */
void
nhrp_cut_link(struct nhrp_engine *g, struct nhrp_cut *c)
{
	struct nhrp_cut *other = twin(c);
	struct nhrp_node *n;
	size_t i, k;

	if (c->nbma.port == 0 && c->iface->conf.profile[0] != '\0')
		c->nbma.port = 500;
	if (other != NULL) {
		for (i = 0, k = 0; i < 4; i++)
			for (; c->waiters[i] != 0 && k < 4; k++)
				if (other->waiters[k] == 0) {
					other->waiters[k] = c->waiters[i];
					c->waiters[i] = 0;
					break;
				}
		nhrp_cut_drop(g, c, "another leads there", false);
		if (other->state == NHRP_CUT_UP)
			nhrp_cut_tell(g, other, NULL);
		return;
	}
	n = find_node(g, c);
	if (n != NULL)
		nhrp_cut_up(g, c, n);
	else if (c->state != NHRP_CUT_PASSIVE)
		dial(g, c);
}

static void
state_below(struct nhrp_engine *g, struct nhrp_cut *c)
{
	struct prefix via = prefix_host(&c->via);

	if (!nhrp_cut_at_server(c)) {
		nhrp_map_cut(g, c);
		nhrp_fill_drop(g, c->iface, &c->via, false);
	}
	if (!prefix_equal(&c->prefix, &via)) {
		nhrp_route_set(g, c->iface, &c->prefix, &c->via);
		c->routed = true;
	}
}

/* The connection of ours that it rests on, if another shortcut made it or our
 * former life did. */
static void
recall(struct nhrp_cut *c, const struct nhrp_node *n)
{
	if (c->linked || strcmp(n->owner->s, NHRP_OWNER) != 0)
		return;
	c->linked = true;
	snprintf(c->connection, sizeof(c->connection), "%s",
	    n->connection->s);
}

/* The SA is up: is the claim right?  Then map, then route. */
void
nhrp_cut_up(struct nhrp_engine *g, struct nhrp_cut *c, struct nhrp_node *n)
{
	struct nhrp_shortcut_up ev = { .prefix = c->prefix, .via = c->via,
	    .nbma = n->remote, .peer = n->peer };
	struct prefix via = prefix_host(&c->via);
	char why[NHRP_WHY];

	if (!nhrp_claim_ok(c->iface, n, &via, why) ||
	    !nhrp_claim_ok(c->iface, n, &c->prefix, why)) {
		nhrp_refused(g, c->iface, DIRECTION_IN, n, "shortcut",
		    "claim", "shortcut refused: %s", why);
		nhrp_cut_refuse(g, c, "claim", "%s", why);
		return;
	}
	c->node = n;
	recall(c, n);
	c->state = NHRP_CUT_UP;
	c->iface->n_up++;
	c->why[0] = '\0';
	n->used_at = g->now;
	state_below(g, c);
	nhrp_cut_refresh_after(g, c);
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    c->iface->conf.interface);
	ev.ms = g->now - c->started;
	nhrp_event(g, &nhrp_shortcut_up_type, &ev);
	nhrp_cut_tell(g, c, NULL);
}

void
nhrp_cut_node_up(struct nhrp_engine *g, struct nhrp_node *n)
{
	struct nhrp_iface *f;
	struct nhrp_cut *c, *c2;

	for (f = g->ifaces; f != NULL; f = f->next)
		DL_FOREACH_SAFE(f->cuts, c, c2) {
			if (c->node == n)
				recall(c, n);
			else if ((c->state == NHRP_CUT_LINKING ||
			    c->state == NHRP_CUT_PASSIVE) && matches(c, n))
				nhrp_cut_up(g, c, n);
			else if (c->state == NHRP_CUT_REFUSED && matches(c, n))
				nhrp_cut_drop(g, c, "its peer came up", false);
		}
}

void
nhrp_cut_node_moved(struct nhrp_engine *g, const struct nhrp_node *n,
    const struct endpoint *to)
{
	struct nhrp_iface *f;
	struct nhrp_cut *c;

	for (f = g->ifaces; f != NULL; f = f->next)
		DL_FOREACH(f->cuts, c)
			if (c->node == n && addr_equal(&c->nbma.addr,
			    &n->remote.addr))
				c->nbma = *to;
}

/* The peer is gone: over another one to the same place, or back to the hub. */
void
nhrp_cut_node_gone(struct nhrp_engine *g, struct nhrp_node *n,
    const char *why)
{
	struct nhrp_iface *f;
	struct nhrp_cut *c, *c2;
	struct nhrp_node *o;

	for (f = g->ifaces; f != NULL; f = f->next)
		DL_FOREACH_SAFE(f->cuts, c, c2) {
			if (c->node != n)
				continue;
			o = find_node(g, c);
			if (o != NULL && o != n &&
			    strcmp(o->identity->s,
			    n->identity->s) == 0) {
				c->node = o;
				state_below(g, c);
			} else
				nhrp_cut_drop(g, c, why, true);
		}
}

void
nhrp_cut_failed(struct nhrp_engine *g, const struct ike_failed *m)
{
	struct nhrp_iface *f;
	struct nhrp_cut *c, *c2;
	char text[NHRP_WHY * 4];

	if (m->connection[0] == '\0' || strcmp(m->owner, NHRP_OWNER) != 0)
		return;
	reason_text(&m->reason, text, sizeof(text));
	for (f = g->ifaces; f != NULL; f = f->next)
		DL_FOREACH_SAFE(f->cuts, c, c2) {
			if (c->state != NHRP_CUT_LINKING ||
			    strcmp(c->connection, m->connection) != 0)
				continue;
			if (c->reason == NULL)
				c->reason = malloc(sizeof(*c->reason));
			if (c->reason != NULL)
				*c->reason = m->reason;
			nhrp_cut_refuse(g, c, m->reason.code, "%.150s",
			    text);
		}
}

/* protect none: the peer for this address was made. */
void
nhrp_cut_made(struct nhrp_engine *g, struct nhrp_iface *f,
    struct nhrp_node *n, const struct addr *nbma)
{
	struct nhrp_cut *c, *c2;

	DL_FOREACH_SAFE(f->cuts, c, c2)
		if ((c->state == NHRP_CUT_LINKING ||
		    c->state == NHRP_CUT_PASSIVE) &&
		    addr_equal(&c->nbma.addr, nbma))
			nhrp_cut_up(g, c, n);
}

static bool
is_up(const struct nhrp_iface *f, const struct prefix *p)
{
	const struct nhrp_cut *c;

	DL_FOREACH(f->cuts, c)
		if (c->state == NHRP_CUT_UP && prefix_equal(&c->prefix, p))
			return true;
	return false;
}

/* An address to ask for when p is refreshed: a map remembers one target, and
 * several networks may lie behind it. */
static struct addr
first_of(const struct prefix *p)
{
	struct addr a = p->addr;

	if (p->len < a.len * 8)
		a.b[a.len - 1] |= 1;
	return a;
}

/* A shortcut of our former life; p: its route, or the host itself. */
void
nhrp_cut_adopt(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *map, const struct nhrp_blob *b,
    const struct prefix *p)
{
	struct nhrp_node *n = nhrp_node_get(g, map->peer);
	uint64_t left = (map->hold > 0 ? map->hold : b->hold) * 1000ULL;
	struct addr target = prefix_has(p, &b->target) ? b->target :
	    first_of(p);
	struct nhrp_cut *c;

	if (n == NULL || is_up(f, p) || !nhrp_node_was(g, n, b))
		return;
	if ((c = nhrp_cut_new(g, f, &target)) == NULL)
		return;
	recall(c, n);
	n->used_at = g->now;
	c->prefix = *p;
	c->via = map->prefix.addr;
	c->claimed = b->claimed;
	c->nbma = b->nbma;
	c->observed = b->observed;
	c->hold = b->hold;
	c->id = b->id;
	c->expires = g->now + left;
	c->routed = p->len != p->addr.len * 8 ||
	    !addr_equal(&p->addr, &c->via);
	c->node = n;
	c->state = NHRP_CUT_UP;
	f->n_up++;
	nhrp_cut_look(c);
	c->refreshed = g->now;
	nhrp_timer_start(&g->heap, &c->timer, g->now + left / 2);
}
