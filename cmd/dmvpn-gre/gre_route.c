#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gre.h"

/*
 * In direct mode a peer is reached through a next hop that stands for its
 * number: 169.254.x.y, or fe80::N, with a permanent neighbour entry.
 */
static struct addr
hop_of_peer(uint16_t number, uint8_t len)
{
	struct addr a = { .len = len };

	if (len == 4) {
		a.b[0] = 169;
		a.b[1] = 254;
	} else {
		a.b[0] = 0xfe;
		a.b[1] = 0x80;
	}
	a.b[len - 2] = (uint8_t)(number >> 8);
	a.b[len - 1] = (uint8_t)number;
	return a;
}

uint16_t
gre_peer_of_hop(const struct addr *via)
{
	struct addr a;
	uint16_t n;

	if (via->len != 4 && via->len != 16)
		return 0;
	n = (uint16_t)(via->b[via->len - 2] << 8 | via->b[via->len - 1]);
	a = hop_of_peer(n, via->len);
	return addr_equal(&a, via) ? n : 0;
}

static struct gre_route_key
key_of(unsigned id, const struct prefix *p, uint32_t metric)
{
	struct gre_route_key key;

	memset(&key, 0, sizeof(key));
	key.id = id;
	key.metric = metric;
	memcpy(&key.prefix, p, sizeof(key.prefix));
	return key;
}

static struct gre_route_entry *
find(struct gre *g, const struct gre_route_key *key)
{
	struct gre_route_entry *o;
	struct chain *c;

	for (c = chains_at(&g->route_chains, chain_hash(key, sizeof(*key)));
	    c != NULL; c = c->next) {
		o = chain_entry(c, struct gre_route_entry, chain);
		if (memcmp(&o->key, key, sizeof(*key)) == 0)
			return o;
	}
	return NULL;
}

uint32_t
gre_route_hash(const struct chain *c)
{
	const struct gre_route_entry *o = chain_entry(c,
	    struct gre_route_entry, chain);

	return chain_hash(&o->key, sizeof(o->key));
}

static struct priv_request
request_of(enum priv_op op, const struct gre_iface *i,
    const struct gre_route_entry *o)
{
	struct priv_request r = gre_request(op, i);

	r.prefix = o->key.prefix;
	r.metric = o->key.metric;
	r.via = o->peer == NULL ? o->via :
	    hop_of_peer(o->peer->number, o->key.prefix.addr.len);
	r.onlink = r.via.len != 0;
	return r;
}

/* The neighbour entry of the peer's next hop, as long as a route needs it. */
static void
ask_hop(struct gre *g, const struct gre_iface *i,
    const struct gre_peer_entry *p, uint8_t len, void *job)
{
	struct priv_request r = gre_request(PRIV_NEIGH_DELETE, i);
	struct addr hop = hop_of_peer(p->number, len);
	const struct gre_route_entry *o;

	DL_FOREACH(p->routes, o)
		if (o->key.id == i->id && o->key.prefix.addr.len == len)
			r.op = PRIV_NEIGH_SET;
	r.prefix = prefix_host(&hop);
	r.peer = p->number;
	g->ops.kernel(g->ops.arg, &r, job);
}

static int
check(struct gre *g, const struct gre_iface *i, const char *owner,
    const struct gre_route *m, struct err *e)
{
	struct gre_route_key key = key_of(i->id, &m->prefix, m->metric);
	const struct gre_route_entry *o = find(g, &key);
	struct addr_buf b;

	prefix_text(&m->prefix, &b);
	if (m->via.len != 0 && m->peer != 0)
		return err_set(e, EINVAL, "route %s: by a next hop or by a "
		    "peer, not both", b.s);
	if (addr_is_multicast(&m->prefix.addr) ||
	    (m->prefix.len > 0 && addr_is_loopback(&m->prefix.addr)))
		return err_set(e, EINVAL, "%s is no prefix to route", b.s);
	if (m->peer != 0 && gre_peer_find(g, m->peer) == NULL)
		return err_set(e, ENOENT, "there is no peer %u", m->peer);
	if (o != NULL && strcmp(gre_owner(o->kept), owner) != 0)
		return err_set(e, EPERM, "route %s belongs to %s", b.s,
		    gre_owner(o->kept));
	return 0;
}

/* Its count, or that of all for which there is no room. */
static size_t *
with_metric(struct gre *g, uint32_t metric, bool fresh)
{
	size_t *room = NULL;
	unsigned i;

	for (i = 0; i < GRE_METRICS; i++) {
		if (g->metrics[i].n > 0 && g->metrics[i].metric == metric)
			return &g->metrics[i].n;
		if (g->metrics[i].n > 0 || !fresh || room != NULL)
			continue;
		g->metrics[i].metric = metric;
		room = &g->metrics[i].n;
	}
	return room != NULL ? room : &g->n_other_metrics;
}

static struct gre_route_entry *
entry_new(struct gre *g, const struct gre_route_key *key, struct err *e)
{
	struct gre_route_entry *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	memcpy(&o->key, key, sizeof(*key));
	o->serial = ++g->serial;
	chains_add(&g->route_chains, &o->chain);
	DL_APPEND2(g->routes, o, all_prev, all_next);
	++*with_metric(g, key->metric, true);
	g->generation++;
	return o;
}

/* Another peer, or none; the neighbour entries follow, and the MTU. */
static void
change_peer(struct gre *g, struct gre_iface *i,
    struct gre_route_entry *o, struct gre_peer_entry *p, void *job)
{
	struct gre_peer_entry *old = o->peer;

	if (old == p)
		return;
	if (old != NULL)
		DL_DELETE(old->routes, o);
	o->peer = p;
	i->mtu_at = GRE_SOON;
	if (p != NULL) {
		DL_APPEND(p->routes, o);
		ask_hop(g, i, p, o->key.prefix.addr.len, job);
		gre_peer_shape(g, p);
	}
	if (old != NULL) {
		ask_hop(g, i, old, o->key.prefix.addr.len, NULL);
		gre_peer_shape(g, old);
	}
}

static int
set_one(struct gre *g, struct gre_iface *i, const char *owner,
    const struct gre_route *m, void *job, struct err *e)
{
	struct gre_route_key key = key_of(i->id, &m->prefix, m->metric);
	struct gre_kept *kept = gre_kept_new(owner, m->blob, e);
	struct gre_route_entry *o = find(g, &key);
	struct priv_request r;

	if (kept == NULL)
		return -1;
	if (o == NULL && (o = entry_new(g, &key, e)) == NULL) {
		gre_kept_release(kept);
		return -1;
	}
	gre_kept_release(o->kept);
	o->kept = kept;
	o->via = m->via;
	change_peer(g, i, o, m->peer == 0 ? NULL : gre_peer_find(g, m->peer),
	    job);
	gre_note_route(g, o, false);
	r = request_of(PRIV_ROUTE_SET, i, o);
	g->ops.kernel(g->ops.arg, &r, job);
	return 0;
}

int
gre_routes_state(struct gre *g, const struct gre_route_set *m, void *job,
    struct err *e)
{
	struct gre_iface *i = gre_iface_find(g, m->interface);
	size_t k;

	if (i == NULL)
		return err_set(e, ENOENT, "there is no interface %s",
		    m->interface);
	for (k = 0; k < m->n_items; k++)
		if (check(g, i, m->owner, &m->items[k], e) < 0)
			return -1;
	for (k = 0; k < m->n_items; k++)
		if (set_one(g, i, m->owner, &m->items[k], job, e) < 0)
			return -1;
	return 0;
}

void
gre_route_free(struct gre *g, struct gre_route_entry *o, void *job)
{
	struct gre_iface *i = gre_iface_by_id(g, o->key.id);
	struct priv_request r;

	if (i != NULL) {
		r = request_of(PRIV_ROUTE_DELETE, i, o);
		g->ops.kernel(g->ops.arg, &r, job);
		change_peer(g, i, o, NULL, NULL);
	}
	gre_note_route(g, o, true);
	chains_remove(&g->route_chains, &o->chain);
	DL_DELETE2(g->routes, o, all_prev, all_next);
	--*with_metric(g, o->key.metric, false);
	gre_kept_release(o->kept);
	free(o);
	g->generation++;
}

static bool
asked_for(const struct gre_route_delete *m, const struct gre_route_entry *o)
{
	size_t k;

	for (k = 0; k < m->n_prefixes; k++)
		if (prefix_equal(&m->prefixes[k], &o->key.prefix))
			return true;
	return false;
}

static void
remove_listed(struct gre *g, const struct gre_route_delete *m, unsigned id,
    void *job)
{
	struct gre_route_entry *o, *tmp;

	DL_FOREACH_SAFE2(g->routes, o, tmp, all_next)
		if (o->key.id == id &&
		    strcmp(gre_owner(o->kept), m->owner) == 0 &&
		    asked_for(m, o))
			gre_route_free(g, o, job);
}

static void
remove_found(struct gre *g, const struct gre_route_delete *m, unsigned id,
    void *job)
{
	struct gre_route_entry *o;
	struct gre_route_key key;
	size_t k, i;

	for (k = 0; k < m->n_prefixes; k++)
		for (i = 0; i < GRE_METRICS; i++) {
			key = key_of(id, &m->prefixes[k],
			    g->metrics[i].metric);
			if (g->metrics[i].n > 0 &&
			    (o = find(g, &key)) != NULL &&
			    strcmp(gre_owner(o->kept), m->owner) == 0)
				gre_route_free(g, o, job);
		}
}

/* A prefix means its routes of every metric that this owner has. */
int
gre_routes_remove(struct gre *g, const struct gre_route_delete *m, void *job,
    struct err *e)
{
	struct gre_iface *i = gre_iface_find(g, m->interface);

	if (i == NULL)
		return err_set(e, ENOENT, "there is no interface %s",
		    m->interface);
	if (g->n_other_metrics > 0)
		remove_listed(g, m, i->id, job);
	else
		remove_found(g, m, i->id, job);
	return 0;
}
