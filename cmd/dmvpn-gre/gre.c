#include "gre.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 1000
#define SETTLE_MS 20		/* changes of a burst are taken together, */
#define SETTLE_MAPS 256		/* where each would take long */
#define EXPIRE_MS 100		/* between two looks at many maps */

void
gre_init(struct gre *g, struct path *path, const struct gre_ops *ops)
{
	memset(g, 0, sizeof(*g));
	g->path = path;
	g->ops = *ops;
	g->generation = 1;
	g->next_peer = GRE_PEER_FIRST;
	chains_init(&g->map_chains, gre_map_hash);
	chains_init(&g->route_chains, gre_route_hash);
	chains_init(&g->sa_chains, gre_sa_hash);
}

/* Forgets; the kernel and path stay as they are. */
void
gre_fini(struct gre *g)
{
	struct gre_route_entry *r, *r_tmp;
	struct gre_peer_entry *p, *p_tmp;
	struct gre_map_entry *m, *m_tmp;
	struct gre_sa_entry *s, *s_tmp;

	DL_FOREACH_SAFE2(g->maps, m, m_tmp, all_next) {
		gre_kept_release(m->kept);
		free(m);
	}
	DL_FOREACH_SAFE2(g->routes, r, r_tmp, all_next) {
		gre_kept_release(r->kept);
		free(r);
	}
	DL_FOREACH_SAFE2(g->sas, s, s_tmp, all_next) {
		gre_kept_release(s->kept);
		free(s);
	}
	DL_FOREACH_SAFE(g->peers, p, p_tmp) {
		gre_kept_release(p->kept);
		free(p);
	}
	chains_fini(&g->map_chains);
	chains_fini(&g->route_chains);
	chains_fini(&g->sa_chains);
	free(g->by_number);
}

struct priv_request
gre_request(enum priv_op op, const struct gre_iface *i)
{
	struct priv_request r;

	memset(&r, 0, sizeof(r));
	r.op = op;
	if (i != NULL)
		memcpy(r.link, i->conf.interface, sizeof(r.link));
	return r;
}

/* ------------------------------------------------- the end of a turn */

static int
number_cmp(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* A peer with an IPv4 and an IPv6 address gets one copy. */
static size_t
unique(uint16_t *v, size_t n)
{
	size_t i, out = 0;

	qsort(v, n, sizeof(*v), number_cmp);
	for (i = 0; i < n; i++)
		if (out == 0 || v[out - 1] != v[i])
			v[out++] = v[i];
	return out;
}

static void
multicast_flush(struct gre *g, struct gre_iface *i)
{
	size_t n = g->map_chains.n, k = 0;
	const struct gre_map_entry *o;
	uint16_t *list = calloc(n + 1, sizeof(*list));
	struct err e;

	if (list == NULL)
		return;			/* once more, next turn */
	DL_FOREACH2(g->maps, o, all_next)
		if (o->key.id == i->id && o->multicast)
			list[k++] = o->peer->number;
	if (path_multicast_set(g->path, i->id, list, unique(list, k),
	    &e) == 0)
		i->multicast_at = 0;
	free(list);
}

/* The largest packet that some peer of this interface can be sent; path
 * tells the senders about the peers that take less. */
static uint32_t
best_mtu(struct gre *g, const struct gre_iface *i)
{
	const struct gre_route_entry *r;
	const struct gre_map_entry *m;
	uint32_t best = 0, mtu;

	DL_FOREACH2(g->maps, m, all_next)
		if (m->key.id == i->id && (mtu = path_inner_mtu(g->path,
		    m->peer->number, i->id)) > best)
			best = mtu;
	DL_FOREACH2(g->routes, r, all_next)
		if (r->key.id == i->id && r->peer != NULL &&
		    (mtu = path_inner_mtu(g->path, r->peer->number,
		    i->id)) > best)
			best = mtu;
	if (best == 0)
		return i->conf.protect == GRE_PROTECT_IPSEC ? GRE_MTU_IPSEC :
		    GRE_MTU_CLEAR;
	return best < GRE_MTU_LEAST ? GRE_MTU_LEAST : best;
}

static void
mtu_flush(struct gre *g, struct gre_iface *i)
{
	struct priv_request r;
	uint32_t mtu;

	i->mtu_at = 0;
	if (i->conf.mtu != 0 || i->index == 0)
		return;
	mtu = best_mtu(g, i);
	if (mtu == i->mtu)
		return;
	r = gre_request(PRIV_LINK_SET, i);
	r.mtu = mtu;
	g->ops.kernel(g->ops.arg, &r, NULL);
}

void
gre_map_until(struct gre *g, struct gre_map_entry *o, uint64_t until)
{
	o->until = until;
	if (until != 0 && (g->maps_at == 0 || until < g->maps_at))
		g->maps_at = until;
}

static uint64_t
maps_expire(struct gre *g, uint64_t now)
{
	struct gre_map_entry *o, *tmp;
	uint64_t next = UINT64_MAX;

	if (g->maps_at == 0 || g->maps_at > now)
		return g->maps_at == 0 ? next : g->maps_at;
	DL_FOREACH_SAFE2(g->maps, o, tmp, all_next) {
		if (o->until == 0)
			continue;
		if (o->until <= now)
			gre_map_free(g, o, NULL);
		else if (o->until < next)
			next = o->until;
	}
	if (g->map_chains.n > SETTLE_MAPS && next < now + EXPIRE_MS)
		next = now + EXPIRE_MS;
	g->maps_at = next == UINT64_MAX ? 0 : next;
	return next;
}

/* A mark becomes a time; true when the time has come. */
static bool
is_due(const struct gre *g, uint64_t *at, uint64_t now, uint64_t *next)
{
	if (*at == 0)
		return false;
	if (*at == GRE_SOON)
		*at = now + (g->map_chains.n < SETTLE_MAPS ? 0 :
		    SETTLE_MS);
	if (*at <= now)
		return true;
	if (*at < *next)
		*next = *at;
	return false;
}

uint64_t
gre_tick(struct gre *g, uint64_t now)
{
	uint64_t next = maps_expire(g, now);
	struct gre_iface *i;
	unsigned id;

	if (next > now + TICK_MS)
		next = now + TICK_MS;
	for (id = 1; id < PATH_INTERFACES; id++) {
		i = &g->ifaces[id];
		if (i->id == 0)
			continue;
		if (is_due(g, &i->multicast_at, now, &next))
			multicast_flush(g, i);
		if (is_due(g, &i->mtu_at, now, &next))
			mtu_flush(g, i);
	}
	return next;
}
