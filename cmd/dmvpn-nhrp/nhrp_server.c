/* Registrations at the hub (RFC 2332, 5.2.3 and 5.2.4). */
#include "nhrp_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t
nhrp_binding_hash(const struct chain *c)
{
	const struct nhrp_binding *b = chain_entry(c, struct nhrp_binding,
	    chain);

	return chain_hash(b->address.b, b->address.len);
}

struct nhrp_binding *
nhrp_binding_find(const struct nhrp_iface *f, const struct addr *a)
{
	struct nhrp_binding *b;
	struct chain *c;

	for (c = chains_at(&f->by_address, chain_hash(a->b, a->len));
	    c != NULL; c = c->next) {
		b = chain_entry(c, struct nhrp_binding, chain);
		if (addr_equal(&b->address, a))
			return b;
	}
	return NULL;
}

static void
list(struct nhrp_iface *f, struct nhrp_binding *b)
{
	chains_add(&f->by_address, &b->chain);
	DL_APPEND2(f->bindings, b, all_prev, all_next);
	f->n_bindings++;
}

static void
unlist(struct nhrp_iface *f, struct nhrp_binding *b)
{
	chains_remove(&f->by_address, &b->chain);
	DL_DELETE2(f->bindings, b, all_prev, all_next);
	f->n_bindings--;
}

static bool
has_route(const struct prefix *list, size_t n, const struct prefix *p)
{
	while (n-- > 0)
		if (prefix_equal(&list[n], p))
			return true;
	return false;
}

/* Two sites may have one network: it leads to the other then. */
static void
drop_route(struct nhrp_engine *g, const struct nhrp_binding *b,
    const struct prefix *p)
{
	const struct nhrp_binding *o;

	if (b->iface->conf.routes)
		DL_FOREACH2(b->iface->bindings, o, all_next)
			if (o != b && has_route(o->routes, o->n_routes, p)) {
				nhrp_route_set(g, b->iface, p, &o->address);
				return;
			}
	nhrp_route_delete(g, b->iface, p);
}

static void
drop_routes(struct nhrp_engine *g, struct nhrp_binding *b)
{
	size_t i;

	for (i = 0; i < b->n_routes; i++)
		drop_route(g, b, &b->routes[i]);
	free(b->routes);
	b->routes = NULL;
	b->n_routes = 0;
}

/* All that one requester was told, taken off the list; returns how much. */
static size_t
gather(struct nhrp_binding *b, const struct addr *requester, uint64_t now,
    struct prefix *what, size_t max)
{
	struct nhrp_told **at = &b->told, *t;
	size_t n = 0;

	what[n++] = prefix_host(&b->address);
	while ((t = *at) != NULL) {
		if (!addr_equal(&t->requester, requester)) {
			at = &t->next;
			continue;
		}
		if (t->expires > now && n < max &&
		    !prefix_equal(&t->prefix, &what[0]))
			what[n++] = t->prefix;
		*at = t->next;
		b->n_told--;
		free(t);
	}
	return n;
}

/* Tell those who were told of this binding that it is over. */
static void
fan_out(struct nhrp_engine *g, struct nhrp_binding *b)
{
	struct prefix what[16];

	while (b->told != NULL) {
		struct addr requester = b->told->requester;
		struct nhrp_binding *to = nhrp_binding_find(b->iface,
		    &requester);
		size_t n = gather(b, &requester, g->now, what, 16);

		if (to != NULL && to != b)
			nhrp_purge_send(g, b->iface, to->node, &to->address,
			    what, n, 0, true);
	}
}

static void
detach(struct nhrp_binding *b)
{
	if (b->node == NULL)
		return;
	DL_DELETE(b->node->bindings, b);
	b->node->n_bindings--;
	b->node = NULL;
}

static void
attach(struct nhrp_binding *b, struct nhrp_node *n)
{
	b->node = n;
	DL_APPEND(n->bindings, b);
	n->n_bindings++;
}

/* below: dmvpn-gre still has the map. */
void
nhrp_binding_drop(struct nhrp_engine *g, struct nhrp_binding *b,
    const char *why, bool below)
{
	struct nhrp_unregistered ev = { .address = b->address };
	struct nhrp_iface *f = b->iface;
	struct nhrp_node *n = b->node;

	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    f->conf.interface);
	snprintf(ev.why, sizeof(ev.why), "%.127s", why);
	drop_routes(g, b);
	if (below)
		nhrp_map_delete(g, f, &b->address);
	nhrp_timer_stop(&g->heap, &b->timer);
	nhrp_heap_shrink(&g->heap);
	detach(b);
	unlist(f, b);
	nhrp_text_release(b->identity);
	fan_out(g, b);
	nhrp_event(g, &nhrp_unregistered_type, &ev);
	free(b);
	nhrp_node_release(g, n);
}

static void
expired(struct nhrp_engine *g, void *arg)
{
	nhrp_binding_drop(g, arg, "its holding time ran out", true);
}

static struct nhrp_binding *
binding_new(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *a, struct nhrp_node *n)
{
	struct nhrp_binding *b;

	if (f->n_bindings >= NHRP_MAX_BINDINGS ||
	    n->n_bindings >= NHRP_PEER_BINDINGS) {
		nhrp_count(g, NHRP_N_CAP);
		return NULL;
	}
	if ((b = calloc(1, sizeof(*b))) == NULL ||
	    nhrp_heap_grow(&g->heap) < 0) {
		nhrp_count(g, NHRP_N_MEMORY);
		free(b);
		return NULL;
	}
	b->iface = f;
	b->identity = nhrp_text_share(n->identity);
	b->address = *a;
	b->serial = ++g->last_serial;
	b->since = g->now;
	b->timer.fn = expired;
	b->timer.arg = b;
	list(f, b);
	attach(b, n);
	return b;
}

/* May this block of the peer's be routed to its tunnel address? */
static bool
leads_there(const struct nhrp_binding *b, const struct prefix *p)
{
	char why[NHRP_WHY];

	return p->addr.len == b->address.len &&
	    !prefix_has(p, &b->address) && nhrp_prefix_ok(b->iface, p, why);
}

/* With `routes`, the certified subnets of a spoke lead to it.  Those that
 * stay are not taken away meanwhile: packets are on their way. */
void
nhrp_binding_routes(struct nhrp_engine *g, struct nhrp_binding *b)
{
	const struct nhrp_node *n = b->node;
	struct prefix *routes;
	size_t i, n_routes = 0;

	if (!b->iface->conf.routes || n->n_blocks == 0) {
		drop_routes(g, b);
		return;
	}
	routes = calloc(n->n_blocks, sizeof(routes[0]));
	if (routes == NULL) {
		nhrp_count(g, NHRP_N_MEMORY);
		return;
	}
	for (i = 0; i < n->n_blocks; i++)
		if (leads_there(b, &n->blocks[i])) {
			if (!has_route(b->routes, b->n_routes, &n->blocks[i]))
				nhrp_route_set(g, b->iface, &n->blocks[i],
				    &b->address);
			routes[n_routes++] = n->blocks[i];
		}
	for (i = 0; i < b->n_routes; i++)
		if (!has_route(routes, n_routes, &b->routes[i]))
			drop_route(g, b, &b->routes[i]);
	free(b->routes);
	b->routes = routes;
	b->n_routes = n_routes;
}

void
nhrp_binding_judge(struct nhrp_engine *g, struct nhrp_binding *b)
{
	struct prefix p = prefix_host(&b->address);
	char why[NHRP_WHY];

	if (!nhrp_address_ok(b->iface, &b->address, why) ||
	    (b->node->known && !nhrp_claim_ok(b->iface, b->node, &p, why)))
		nhrp_binding_drop(g, b, why, true);
	else if (b->node->known)
		nhrp_binding_routes(g, b);
}

/* A route that our former life stated for it: ours to take back, and judged
 * when we know who its peer is. */
void
nhrp_binding_adopt_route(struct nhrp_engine *g, struct nhrp_binding *b,
    const struct prefix *p)
{
	struct prefix *more;

	if (has_route(b->routes, b->n_routes, p))
		return;
	more = b->node->known ? NULL : realloc(b->routes,
	    (b->n_routes + 1) * sizeof(b->routes[0]));
	if (more == NULL) {
		drop_route(g, b, p);
		return;
	}
	b->routes = more;
	b->routes[b->n_routes++] = *p;
}

/* May this peer have this address?  The code for the reply. */
static enum nhrp_code
judge(struct nhrp_rx *rx, const struct nhrp_cie *cie,
    const struct addr *address, char why[NHRP_WHY])
{
	const struct nhrp_binding *b;
	struct prefix p = prefix_host(address);
	uint8_t bits = (uint8_t)(address->len * 8);
	struct addr_buf ab, nb;

	if (cie->prefix != bits && cie->prefix != NHRP_PREFIX_UNIQUE &&
	    cie->prefix != 0) {
		snprintf(why, NHRP_WHY, "%s/%u is no host address",
		    addr_text(address, &ab), cie->prefix);
		return NHRP_CODE_PROHIBITED;
	}
	if (!nhrp_address_ok(rx->iface, address, why) ||
	    !nhrp_claim_ok(rx->iface, rx->node, &p, why))
		return NHRP_CODE_PROHIBITED;
	b = nhrp_binding_find(rx->iface, address);
	if (b == NULL || b->node == rx->node)
		return NHRP_CODE_OK;
	/* protect none knows no identity: the unique flag decides */
	if (rx->node->clear != NULL ? !b->unique :
	    strcmp(b->identity->s, rx->node->identity->s) == 0)
		return NHRP_CODE_OK;
	snprintf(why, NHRP_WHY, "%s is registered to %.64s at %s",
	    addr_text(address, &ab), b->identity->s,
	    addr_text(&b->nbma.addr, &nb));
	return NHRP_CODE_UNIQUE;
}

static void
announce(struct nhrp_engine *g, const struct nhrp_binding *b, bool again)
{
	struct nhrp_registered ev = { .address = b->address, .nbma = b->nbma,
	    .peer = b->node->peer, .hold = b->hold, .again = again };

	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    b->iface->conf.interface);
	snprintf(ev.identity, sizeof(ev.identity), "%s",
	    b->identity->s);
	nhrp_count(g, NHRP_N_REGISTERED);
	nhrp_event(g, &nhrp_registered_type, &ev);
}

/* The binding as this packet wants it; NULL: no room. */
static struct nhrp_binding *
bind(struct nhrp_engine *g, struct nhrp_rx *rx, const struct addr *address,
    const struct addr *nbma, uint16_t hold)
{
	struct nhrp_binding *b = nhrp_binding_find(rx->iface, address);
	struct nhrp_node *old = NULL;
	bool again = b != NULL, moved = false;

	if (b == NULL)
		b = binding_new(g, rx->iface, address, rx->node);
	if (b == NULL)
		return NULL;
	if (b->node != rx->node) {
		old = b->node;
		moved = true;
		fan_out(g, b);
		detach(b);
		attach(b, rx->node);
	}
	nhrp_text_set(&b->identity, nhrp_text_share(rx->node->identity));
	b->nbma = rx->node->remote;
	/* what the packet claims never replaces what was seen */
	b->claimed = addr_equal(nbma, &b->nbma.addr) ? addr_of(NULL, 0) :
	    *nbma;
	b->unique = rx->n.flags & NHRP_G_UNIQUE;
	b->id = rx->n.id;
	b->hold = hold;
	b->expires = g->now + hold * 1000ULL;
	nhrp_timer_start(&g->heap, &b->timer, b->expires);
	nhrp_map_binding(g, b);
	if (!again || moved || b->routes == NULL)
		nhrp_binding_routes(g, b);
	announce(g, b, again && !moved);
	if (old != NULL)
		nhrp_node_release(g, old);
	return b;
}

/* One client information entry; its code goes into the reply. */
static void
take_cie(struct nhrp_engine *g, struct nhrp_rx *rx, struct nhrp_cie *cie)
{
	struct addr address = cie->proto.len > 0 ? cie->proto :
	    rx->n.src_proto;
	struct addr nbma = cie->nbma.len > 0 ? cie->nbma : rx->n.src_nbma;
	char why[NHRP_WHY] = "";
	struct nhrp_binding *b;
	struct addr_buf ab;
	struct name_buf nb;

	cie->code = (uint8_t)judge(rx, cie, &address, why);
	if (cie->code == NHRP_CODE_OK && cie->hold == 0) {
		b = nhrp_binding_find(rx->iface, &address);
		if (b != NULL && b->node == rx->node)
			nhrp_binding_drop(g, b, "it asked for it", true);
		return;
	}
	if (cie->code == NHRP_CODE_OK &&
	    bind(g, rx, &address, &nbma, cie->hold) == NULL) {
		cie->code = NHRP_CODE_RESOURCES;
		snprintf(why, sizeof(why), "there is no room for %s",
		    addr_text(&address, &ab));
	}
	if (cie->code == NHRP_CODE_OK)
		return;
	cie->hold = 0;		/* RFC 2332, 5.2.4 */
	nhrp_refused(g, rx->iface, DIRECTION_IN, rx->node, "registration",
	    name_text(nhrp_code_names, cie->code, &nb),
	    "registration refused: %s", why);
}

/* What the request said, and where we see it when that is elsewhere. */
static void
put_nat(struct nhrp_rx *rx, struct nhrp_out *o)
{
	struct nhrp_ext ext;
	struct nhrp_cie cie = { .prefix = (uint8_t)(rx->n.src_proto.len * 8),
	    .nbma = rx->node->remote.addr, .proto = rx->n.src_proto };

	if (!nhrp_ext_find(&rx->n, NHRP_EXT_NAT, &ext) ||
	    !nhrp_ext_has_cies(&ext))
		return;
	nhrp_ext_open(o, NHRP_EXT_NAT, false);
	nhrp_put(o, &ext.value);
	if (!addr_equal(&rx->n.src_nbma, &cie.nbma) &&
	    cie.nbma.len == (rx->n.afn == NHRP_AFN_IP6 ? 16 : 4))
		nhrp_put_cie(o, &cie);
	nhrp_ext_close(o);
}

static void
put_responder(struct nhrp_rx *rx, const struct addr *own,
    struct nhrp_out *o)
{
	struct nhrp_cie cie = nhrp_own_cie(rx->iface, rx->node, own,
	    (uint8_t)(own->len * 8));
	struct nhrp_ext ext;
	struct rbuf none = rbuf_of(NULL, 0), fwd = none;

	if (cie.nbma.len != (rx->n.afn == NHRP_AFN_IP6 ? 16 : 4))
		cie.nbma = addr_of(NULL, 0);
	nhrp_ext_open(o, NHRP_EXT_RESPONDER, true);
	nhrp_put_cie(o, &cie);
	nhrp_ext_close(o);
	if (nhrp_ext_find(&rx->n, NHRP_EXT_FORWARD, &ext))
		fwd = ext.value;
	nhrp_ext_put(o, NHRP_EXT_FORWARD, true, &fwd);
	nhrp_ext_put(o, NHRP_EXT_REVERSE, true, &none);
}

void
nhrp_registration_request(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct addr own = nhrp_own(rx->iface, &rx->n.src_proto);
	struct rbuf in = rx->n.cies;
	uint8_t buf[NHRP_MAX];
	struct nhrp_out o;
	struct nhrp h = rx->n;
	struct nhrp_cie cie;

	/* FRR's dynamic NHS gives its own address as destination */
	if (own.len == 0 || rx->n.src_proto.len == 0 || rx->n.n_cies == 0 ||
	    (!nhrp_is_own(rx->iface, &rx->n.dst_proto) &&
	    !addr_is_unspecified(&rx->n.dst_proto) &&
	    !addr_equal(&rx->n.dst_proto, &rx->n.src_proto))) {
		nhrp_send_error(g, rx, NHRP_ERR_PROTOCOL, 0);
		return;
	}
	h.type = NHRP_REGISTRATION_REPLY;
	h.hops = NHRP_HOPS;
	h.dst_proto = nhrp_is_own(rx->iface, &rx->n.dst_proto) ?
	    rx->n.dst_proto : own;
	nhrp_begin(&o, buf, sizeof(buf), &h);
	while (nhrp_cie_next(&rx->n, &in, &cie, NULL) > 0) {
		take_cie(g, rx, &cie);
		nhrp_put_cie(&o, &cie);
	}
	put_responder(rx, &h.dst_proto, &o);
	nhrp_put_auth(rx->iface, &o);
	put_nat(rx, &o);
	nhrp_send(g, rx->iface, rx->node, &o);
}

/* A registration of our former life. */
void
nhrp_binding_adopt(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *o, const struct nhrp_blob *blob)
{
	uint64_t gone = g->now - o->at;
	uint64_t left = o->hold > 0 ? o->hold * 1000ULL :
	    blob->hold * 1000ULL;
	struct nhrp_node *n = nhrp_node_get(g, o->peer);
	struct nhrp_binding *b;

	if (n == NULL || nhrp_binding_find(f, &o->prefix.addr) != NULL ||
	    !nhrp_node_was(g, n, blob))
		return;
	b = binding_new(g, f, &o->prefix.addr, n);
	if (b == NULL)
		return;
	b->nbma = blob->nbma;
	b->claimed = blob->claimed;
	b->unique = blob->unique;
	b->id = blob->id;
	b->hold = blob->hold;
	b->expires = g->now + (left > gone + 1000 ? left - gone : 1000);
	nhrp_timer_start(&g->heap, &b->timer, b->expires);
	if (n->known)
		nhrp_binding_judge(g, b);
}
