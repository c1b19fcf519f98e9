/* What is stated to dmvpn-gre and dmvpn-ike. */
#include "nhrp_state.h"

#include <stdio.h>
#include <string.h>

static void
call(struct nhrp_engine *g, uint64_t ticket, const struct msg_type *t,
    const void *m)
{
	g->ops.call(g->ops.arg, ticket, t, m);
}

void
nhrp_event(struct nhrp_engine *g, const struct msg_type *t, const void *m)
{
	g->generation++;
	g->ops.event(g->ops.arg, t, m);
}

static uint32_t
left(const struct nhrp_engine *g, uint64_t expires)
{
	return expires > g->now ? (uint32_t)((expires - g->now + 999) / 1000) :
	    1;
}

static void
map_set(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct addr *a, uint16_t peer, bool multicast, uint32_t hold,
    const struct nhrp_blob *blob)
{
	struct gre_map_set m = { .n_items = 1 };
	uint8_t bytes[255];

	if (peer == 0)
		return;
	snprintf(m.owner, sizeof(m.owner), "%s", NHRP_OWNER);
	snprintf(m.interface, sizeof(m.interface), "%s", f->conf.interface);
	m.items[0].address = *a;
	m.items[0].peer = peer;
	m.items[0].multicast = multicast;
	m.items[0].hold = hold;
	m.items[0].blob = nhrp_blob_put(blob, bytes, sizeof(bytes));
	call(g, 0, &gre_map_set_type, &m);
}

void
nhrp_map_binding(struct nhrp_engine *g, const struct nhrp_binding *b)
{
	struct nhrp_blob blob = { .kind = NHRP_BLOB_BINDING,
	    .unique = b->unique, .id = b->id, .hold = b->hold,
	    .claimed = b->claimed, .nbma = b->nbma };

	snprintf(blob.identity, sizeof(blob.identity), "%s",
	    b->identity->s);
	map_set(g, b->iface, &b->address, b->node->peer, true,
	    left(g, b->expires), &blob);
}

void
nhrp_map_server(struct nhrp_engine *g, const struct nhrp_server *s)
{
	struct nhrp_blob blob = { .kind = NHRP_BLOB_SERVER,
	    .id = s->iface->next_id, .hold = s->hold,
	    .nbma = s->node->remote, .claimed = s->nat };

	snprintf(blob.identity, sizeof(blob.identity), "%s",
	    s->node->identity->s);
	map_set(g, s->iface, &s->conf.address, s->node->peer, true, 0, &blob);
}

void
nhrp_map_cut(struct nhrp_engine *g, const struct nhrp_cut *c)
{
	struct nhrp_blob blob = { .kind = NHRP_BLOB_CUT,
	    .observed = c->observed, .id = c->id, .hold = c->hold,
	    .claimed = c->claimed, .nbma = c->nbma, .target = c->target };

	snprintf(blob.identity, sizeof(blob.identity), "%s",
	    c->node->identity->s);
	map_set(g, c->iface, &c->via, c->node->peer, false,
	    left(g, c->expires), &blob);
}

void
nhrp_map_fill(struct nhrp_engine *g, const struct nhrp_fill *x)
{
	struct nhrp_blob blob = { .kind = NHRP_BLOB_FILL };

	map_set(g, x->iface, &x->address, x->peer, false,
	    left(g, x->expires), &blob);
}

void
nhrp_map_delete(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct addr *a)
{
	struct gre_map_delete m = { .n_addresses = 1 };

	snprintf(m.owner, sizeof(m.owner), "%s", NHRP_OWNER);
	snprintf(m.interface, sizeof(m.interface), "%s", f->conf.interface);
	m.addresses[0] = *a;
	call(g, 0, &gre_map_delete_type, &m);
}

void
nhrp_route_set(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct prefix *p, const struct addr *via)
{
	struct gre_route_set m = { .n_items = 1 };

	snprintf(m.owner, sizeof(m.owner), "%s", NHRP_OWNER);
	snprintf(m.interface, sizeof(m.interface), "%s", f->conf.interface);
	m.items[0].prefix = *p;
	m.items[0].via = *via;
	call(g, 0, &gre_route_set_type, &m);
}

void
nhrp_route_delete(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct prefix *p)
{
	struct gre_route_delete m = { .n_prefixes = 1 };

	snprintf(m.owner, sizeof(m.owner), "%s", NHRP_OWNER);
	snprintf(m.interface, sizeof(m.interface), "%s", f->conf.interface);
	m.prefixes[0] = *p;
	call(g, 0, &gre_route_delete_type, &m);
}

void
nhrp_connect(struct nhrp_engine *g, struct nhrp_cut *c)
{
	struct ike_connection_set m = { .once = true };
	struct addr_buf b;

	if (c->connection[0] == '\0')
		snprintf(c->connection, sizeof(c->connection), "%.14s@%.47s",
		    c->iface->conf.interface, endpoint_text(&c->nbma, &b));
	snprintf(m.owner, sizeof(m.owner), "%s", NHRP_OWNER);
	snprintf(m.connection, sizeof(m.connection), "%s", c->connection);
	snprintf(m.profile, sizeof(m.profile), "%s", c->iface->conf.profile);
	m.remote = c->nbma;
	m.observed = c->observed;
	c->linked = true;
	call(g, 0, &ike_connection_set_type, &m);
}

/* Unless another shortcut rests on the same connection. */
void
nhrp_disconnect(struct nhrp_engine *g, struct nhrp_cut *c)
{
	struct ike_connection_delete m;
	const struct nhrp_cut *o;

	if (!c->linked)
		return;
	c->linked = false;
	DL_FOREACH(c->iface->cuts, o)
		if (o != c && strcmp(o->connection, c->connection) == 0 &&
		    o->state != NHRP_CUT_REFUSED)
			return;
	memset(&m, 0, sizeof(m));
	snprintf(m.owner, sizeof(m.owner), "%s", NHRP_OWNER);
	snprintf(m.connection, sizeof(m.connection), "%s", c->connection);
	call(g, 0, &ike_connection_delete_type, &m);
}

/* Ask for the route to a; w->fn gets a gre-lookup-reply. */
bool
nhrp_lookup(struct nhrp_engine *g, struct nhrp_wait *w,
    const struct addr *a)
{
	struct gre_lookup m = { .address = *a };
	struct nhrp_node *n;

	if (w == NULL)
		return false;
	n = g->nodes[w->peer];
	if (n != NULL && ++n->n_waits > NHRP_PEER_WAITS) {
		nhrp_count(g, NHRP_N_CAP);
		nhrp_wait_free(g, w);
		return false;
	}
	call(g, w->ticket, &gre_lookup_type, &m);
	return true;
}
