#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gre.h"

static struct gre_map_key
key_of(unsigned id, const struct addr *a)
{
	struct gre_map_key key;

	memset(&key, 0, sizeof(key));
	key.id = id;
	memcpy(&key.addr, a, sizeof(key.addr));
	return key;
}

struct gre_map_entry *
gre_map_find(struct gre *g, unsigned id, const struct addr *a)
{
	const struct gre_map_key key = key_of(id, a);
	struct gre_map_entry *o;
	struct chain *c;

	for (c = chains_at(&g->map_chains, chain_hash(&key, sizeof(key)));
	    c != NULL; c = c->next) {
		o = chain_entry(c, struct gre_map_entry, chain);
		if (memcmp(&o->key, &key, sizeof(key)) == 0)
			return o;
	}
	return NULL;
}

uint32_t
gre_map_hash(const struct chain *c)
{
	const struct gre_map_entry *o = chain_entry(c, struct gre_map_entry,
	    chain);

	return chain_hash(&o->key, sizeof(o->key));
}

static void
ask_neighbour(struct gre *g, const struct gre_map_entry *o, enum priv_op op,
    void *job)
{
	const struct gre_iface *i = gre_iface_by_id(g, o->key.id);
	struct priv_request r = gre_request(op, i);

	if (i == NULL)
		return;
	r.prefix = prefix_host(&o->key.addr);
	r.peer = o->peer->number;
	g->ops.kernel(g->ops.arg, &r, job);
}

/* What has to hold before anything is changed. */
static int
check(struct gre *g, const struct gre_iface *i, const char *owner,
    const struct gre_map *m, struct err *e)
{
	const struct gre_map_entry *o;
	struct addr_buf b;
	size_t k;

	addr_text(&m->address, &b);
	if (i->conf.mode == GRE_MODE_DIRECT)
		return err_set(e, EINVAL, "%s is of mode direct: it has "
		    "routes, no maps", i->conf.interface);
	if (addr_is_unspecified(&m->address) ||
	    addr_is_multicast(&m->address) || addr_is_loopback(&m->address))
		return err_set(e, EINVAL, "%s can not be the address of a "
		    "peer", b.s);
	for (k = 0; k < i->conf.n_addresses; k++)
		if (addr_equal(&i->conf.addresses[k].addr, &m->address))
			return err_set(e, EINVAL, "%s is our own address on "
			    "%s", b.s, i->conf.interface);
	if (gre_peer_find(g, m->peer) == NULL)
		return err_set(e, ENOENT, "there is no peer %u", m->peer);
	o = gre_map_find(g, i->id, &m->address);
	if (o != NULL && strcmp(gre_owner(o->kept), owner) != 0)
		return err_set(e, EPERM, "the map of %s belongs to %s", b.s,
		    gre_owner(o->kept));
	return 0;
}

static struct gre_map_entry *
entry_new(struct gre *g, const struct gre_iface *i, const struct addr *a,
    struct err *e)
{
	struct gre_map_entry *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	o->key = key_of(i->id, a);
	o->serial = ++g->serial;
	chains_add(&g->map_chains, &o->chain);
	DL_APPEND2(g->maps, o, all_prev, all_next);
	return o;
}

static void
leave_peer(struct gre *g, struct gre_map_entry *o)
{
	struct gre_peer_entry *p = o->peer;

	if (p == NULL)
		return;
	DL_DELETE(p->maps, o);
	o->peer = NULL;
	gre_peer_shape(g, p);
}

static void
join_peer(struct gre *g, struct gre_map_entry *o, uint16_t number)
{
	struct gre_peer_entry *p = gre_peer_find(g, number);

	if (o->peer == p)
		return;
	leave_peer(g, o);
	g->generation++;
	o->peer = p;
	DL_APPEND(p->maps, o);
	gre_peer_shape(g, p);
}

static int
set_one(struct gre *g, struct gre_iface *i, const char *owner,
    const struct gre_map *m, uint64_t now, void *job, struct err *e)
{
	struct gre_map_entry *o = gre_map_find(g, i->id, &m->address);
	struct gre_kept *kept = gre_kept_new(owner, m->blob, e);

	if (kept == NULL)
		return -1;
	if (o == NULL && (o = entry_new(g, i, &m->address, e)) == NULL) {
		gre_kept_release(kept);
		return -1;
	}
	gre_kept_release(o->kept);
	o->kept = kept;
	join_peer(g, o, m->peer);
	o->multicast = m->multicast;
	gre_map_until(g, o, m->hold == 0 ? 0 : now +
	    (uint64_t)m->hold * 1000);
	i->multicast_at = GRE_SOON;
	i->mtu_at = GRE_SOON;
	path_peer_address(g->path, i->id, m->peer, &m->address);
	gre_note_map(g, o, false);
	ask_neighbour(g, o, PRIV_NEIGH_SET, job);
	return 0;
}

int
gre_maps_state(struct gre *g, const struct gre_map_set *m, uint64_t now,
    void *job, struct err *e)
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
		if (set_one(g, i, m->owner, &m->items[k], now, job, e) < 0)
			return -1;
	return 0;
}

void
gre_map_free(struct gre *g, struct gre_map_entry *o, void *job)
{
	struct gre_iface *i = gre_iface_by_id(g, o->key.id);

	if (i != NULL) {
		ask_neighbour(g, o, PRIV_NEIGH_DELETE, job);
		i->multicast_at = GRE_SOON;
		i->mtu_at = GRE_SOON;
	}
	gre_note_map(g, o, true);
	leave_peer(g, o);
	chains_remove(&g->map_chains, &o->chain);
	DL_DELETE2(g->maps, o, all_prev, all_next);
	gre_kept_release(o->kept);
	free(o);
	g->generation++;
}

int
gre_maps_remove(struct gre *g, const struct gre_map_delete *m, void *job,
    struct err *e)
{
	struct gre_iface *i = gre_iface_find(g, m->interface);
	struct gre_map_entry *o;
	struct addr_buf b;
	size_t k;

	if (i == NULL)
		return err_set(e, ENOENT, "there is no interface %s",
		    m->interface);
	for (k = 0; k < m->n_addresses; k++) {
		o = gre_map_find(g, i->id, &m->addresses[k]);
		if (o != NULL && strcmp(gre_owner(o->kept), m->owner) != 0)
			return err_set(e, EPERM, "the map of %s belongs to "
			    "%s", addr_text(&m->addresses[k], &b),
			    gre_owner(o->kept));
	}
	for (k = 0; k < m->n_addresses; k++)
		if ((o = gre_map_find(g, i->id, &m->addresses[k])) != NULL)
			gre_map_free(g, o, job);
	return 0;
}
