/* Addresses on the tunnel that lead to the server until there is better. */
#include "nhrp_state.h"

#include <stdlib.h>
#include <string.h>

static struct nhrp_fill *
find(const struct nhrp_iface *f, const struct addr *a)
{
	struct nhrp_fill *x;

	DL_FOREACH(f->fills, x)
		if (addr_equal(&x->address, a))
			return x;
	return NULL;
}

static void
free_fill(struct nhrp_engine *g, struct nhrp_fill *x)
{
	nhrp_timer_stop(&g->heap, &x->timer);
	nhrp_heap_shrink(&g->heap);
	DL_DELETE(x->iface->fills, x);
	x->iface->n_fills--;
	free(x);
}

static void
expired(struct nhrp_engine *g, void *arg)
{
	struct nhrp_fill *x = arg;

	nhrp_map_delete(g, x->iface, &x->address);
	free_fill(g, x);
}

static struct nhrp_fill *
fill_new(struct nhrp_engine *g, struct nhrp_iface *f, const struct addr *a)
{
	struct nhrp_fill *x;

	if (f->n_fills >= NHRP_MAX_FILLS) {
		nhrp_count(g, NHRP_N_CAP);
		return NULL;
	}
	if ((x = calloc(1, sizeof(*x))) == NULL ||
	    nhrp_heap_grow(&g->heap) < 0) {
		nhrp_count(g, NHRP_N_MEMORY);
		free(x);
		return NULL;
	}
	x->iface = f;
	x->address = *a;
	x->serial = ++g->last_serial;
	x->timer.fn = expired;
	x->timer.arg = x;
	DL_APPEND(f->fills, x);
	f->n_fills++;
	return x;
}

void
nhrp_fill_set(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *a)
{
	struct nhrp_server *s = nhrp_server_best(f);
	struct nhrp_fill *x = find(f, a);

	if (s == NULL || (x == NULL && (x = fill_new(g, f, a)) == NULL))
		return;
	x->peer = s->node->peer;
	x->expires = g->now + nhrp_hold(f) * 1000ULL;
	nhrp_timer_start(&g->heap, &x->timer, x->expires);
	nhrp_map_fill(g, x);
}

/* One of our former life leads where it led, until the server is known. */
void
nhrp_fill_adopt(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *o)
{
	struct nhrp_fill *x = find(f, &o->prefix.addr);
	uint64_t left = (o->hold > 0 ? o->hold : nhrp_hold(f)) * 1000ULL;

	if (x != NULL || nhrp_binding_find(f, &o->prefix.addr) != NULL ||
	    nhrp_cut_via(f, &o->prefix.addr) != NULL)
		return;		/* there is better by now */
	if ((x = fill_new(g, f, &o->prefix.addr)) == NULL) {
		nhrp_map_delete(g, f, &o->prefix.addr);
		return;
	}
	x->peer = o->peer;
	x->expires = g->now + left;
	nhrp_timer_start(&g->heap, &x->timer, x->expires);
}

/* below: dmvpn-gre's map goes too, else something better replaced it. */
void
nhrp_fill_drop(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *a, bool below)
{
	struct nhrp_fill *x = find(f, a);

	if (x == NULL)
		return;
	if (below)
		nhrp_map_delete(g, f, a);
	free_fill(g, x);
}

/* The best server changed. */
void
nhrp_fill_repoint(struct nhrp_engine *g, struct nhrp_iface *f)
{
	struct nhrp_server *s = nhrp_server_best(f);
	struct nhrp_fill *x;

	DL_FOREACH(f->fills, x) {
		uint16_t peer = s != NULL ? s->node->peer : 0;

		if (x->peer == peer)
			continue;
		x->peer = peer;
		if (peer > 0)
			nhrp_map_fill(g, x);
	}
}

/* The kernel wants to know a neighbour (ARP, Neighbour Solicitation). */
void
nhrp_need(struct nhrp_engine *g, const struct gre_resolve *m)
{
	struct nhrp_iface *f = nhrp_iface_find(g, m->interface);
	struct nhrp_binding *b;
	struct nhrp_cut *c;
	char why[NHRP_WHY];
	bool server = false;
	size_t i;

	if (f == NULL || !nhrp_address_ok(f, &m->address, why))
		return;
	b = nhrp_binding_find(f, &m->address);
	if (b != NULL) {
		nhrp_map_binding(g, b);
		return;
	}
	if (f->conf.role != NHRP_ROLE_SPOKE)
		return;
	for (i = 0; i < f->n_servers; i++) {
		if (!addr_equal(&f->servers[i].conf.address, &m->address))
			continue;
		server = true;
		if (f->servers[i].node != NULL) {
			nhrp_map_server(g, &f->servers[i]);
			break;
		}
	}
	if (server)
		return;
	if ((c = nhrp_cut_via(f, &m->address)) != NULL) {
		nhrp_map_cut(g, c);
		return;
	}
	nhrp_fill_set(g, f, &m->address);
	if (f->conf.shortcut)
		nhrp_cut_ask(g, f, &m->address);
}
