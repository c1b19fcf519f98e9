/* Purge (RFC 2332, 5.2.5 and 5.2.6). */
#include "nhrp_state.h"

#include <stdlib.h>
#include <string.h>

void
nhrp_ask_free(struct nhrp_engine *g, struct nhrp_ask *a)
{
	nhrp_timer_stop(&g->heap, &a->timer);
	nhrp_heap_shrink(&g->heap);
	DL_DELETE(g->asks, a);
	g->n_asks--;
	free(a);
}

static void
again(struct nhrp_engine *g, void *arg)
{
	struct nhrp_ask *a = arg;
	struct nhrp_node *n = g->nodes[a->peer];
	struct gre_nhrp_send m = { .peer = a->peer };

	if (n == NULL || ++a->tries > NHRP_ASK_TRIES) {
		nhrp_ask_free(g, a);
		return;
	}
	memcpy(m.interface, a->iface->conf.interface, sizeof(m.interface));
	m.data = rbuf_of(a->data, a->len);
	nhrp_count(g, NHRP_N_OUT);
	g->ops.call(g->ops.arg, 0, &gre_nhrp_send_type, &m);
	nhrp_timer_start(&g->heap, &a->timer,
	    g->now + (NHRP_RETRY_FIRST << a->tries));
}

static void
keep(struct nhrp_engine *g, struct nhrp_iface *f, struct nhrp_node *to,
    uint32_t id, const struct rbuf *packet)
{
	size_t len = rbuf_left(packet);
	struct nhrp_ask *a;

	if (g->n_asks >= NHRP_MAX_PURGES)
		return;		/* sent once; the holding time does the rest */
	if ((a = calloc(1, sizeof(*a) + len)) == NULL ||
	    nhrp_heap_grow(&g->heap) < 0) {
		nhrp_count(g, NHRP_N_MEMORY);
		free(a);
		return;
	}
	a->iface = f;
	a->peer = to->peer;
	a->id = id;
	a->len = len;
	memcpy(a->data, packet->p, len);
	a->timer.fn = again;
	a->timer.arg = a;
	DL_APPEND(g->asks, a);
	g->n_asks++;
	nhrp_timer_start(&g->heap, &a->timer, g->now + NHRP_RETRY_FIRST);
}

/* Tell dst, over peer `to`, that `what` holds no more. */
void
nhrp_purge_send(struct nhrp_engine *g, struct nhrp_iface *f,
    struct nhrp_node *to, const struct addr *dst, const struct prefix *what,
    size_t n, uint32_t id, bool reply)
{
	struct addr own = nhrp_own(f, dst);
	struct nhrp h = nhrp_header(f, to, NHRP_PURGE_REQUEST, &own, dst);
	struct nhrp_out o;
	struct rbuf packet;
	size_t i;

	if (own.len == 0)
		return;
	h.flags = reply ? 0 : NHRP_P_NO_REPLY;
	h.id = id != 0 ? id : ++f->next_id;
	nhrp_begin(&o, g->out, sizeof(g->out), &h);
	for (i = 0; i < n; i++) {
		struct nhrp_cie cie = { .prefix = what[i].len,
		    .proto = what[i].addr };

		if (what[i].addr.len == own.len)
			nhrp_put_cie(&o, &cie);
	}
	nhrp_put_records(&o);
	nhrp_put_auth(f, &o);
	nhrp_count(g, NHRP_N_PURGE_OUT);
	nhrp_send(g, f, to, &o);
	packet = wbuf_rbuf(&o.w);
	if (reply)
		keep(g, f, to, h.id, &packet);
}

/* The server for itself; else the egress, over its own peer or the server,
 * which looks at who its clients say they are. */
static bool
may_purge(const struct nhrp_rx *rx, const struct nhrp_cut *c)
{
	const struct nhrp_iface *f = rx->iface;
	size_t i;

	for (i = 0; i < f->n_servers; i++)
		if (f->servers[i].node == rx->node &&
		    addr_equal(&f->servers[i].conf.address, &rx->n.src_proto))
			return true;
	return addr_equal(&c->via, &rx->n.src_proto) &&
	    (rx->server != NULL || c->node == rx->node);
}

/* Shortcuts that rest on p. */
static void
purge_cuts(struct nhrp_engine *g, struct nhrp_rx *rx, const struct prefix *p)
{
	struct nhrp_cut *c, *c2;

	DL_FOREACH_SAFE(rx->iface->cuts, c, c2) {
		if (c->state == NHRP_CUT_ASKING ||
		    c->state == NHRP_CUT_REFUSED)
			continue;
		if (!may_purge(rx, c))
			continue;
		if (prefix_covers(p, &c->prefix) ||
		    (p->len == p->addr.len * 8 &&
		    addr_equal(&c->via, &p->addr)))
			nhrp_cut_drop(g, c, "purged by its egress or server",
			    true);
	}
}

static void
purge_binding(struct nhrp_engine *g, struct nhrp_rx *rx,
    const struct prefix *p)
{
	struct nhrp_binding *b = nhrp_binding_find(rx->iface, &p->addr);

	if (b != NULL && b->node == rx->node && p->len == p->addr.len * 8)
		nhrp_binding_drop(g, b, "purged by its owner", true);
}

static void
answer(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct nhrp h = rx->n;
	struct nhrp_out o;

	h.type = NHRP_PURGE_REPLY;
	h.hops = NHRP_HOPS;
	nhrp_begin(&o, g->out, sizeof(g->out), &h);
	nhrp_put(&o, &rx->n.cies);
	nhrp_put_records(&o);
	nhrp_put_auth(rx->iface, &o);
	nhrp_send(g, rx->iface, rx->node, &o);
}

void
nhrp_purge_request(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct rbuf in = rx->n.cies;
	struct nhrp_cie cie;

	if (!nhrp_is_own(rx->iface, &rx->n.dst_proto)) {
		nhrp_transit(g, rx);
		return;
	}
	nhrp_count(g, NHRP_N_PURGE_IN);
	while (nhrp_cie_next(&rx->n, &in, &cie, NULL) > 0) {
		uint8_t bits = (uint8_t)(cie.proto.len * 8);
		struct prefix p = prefix_mask(&cie.proto,
		    cie.prefix == 0 || cie.prefix > bits ? bits :
		    cie.prefix);

		if (cie.proto.len == 0)
			continue;
		purge_binding(g, rx, &p);
		purge_cuts(g, rx, &p);
	}
	if (!(rx->n.flags & NHRP_P_NO_REPLY))
		answer(g, rx);
}

void
nhrp_purge_reply(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct nhrp_ask *a;

	if (!nhrp_is_own(rx->iface, &rx->n.src_proto)) {
		nhrp_transit(g, rx);
		return;
	}
	DL_FOREACH(g->asks, a)
		if (a->iface == rx->iface && a->id == rx->n.id &&
		    a->peer == rx->node->peer) {
			nhrp_ask_free(g, a);
			return;
		}
	nhrp_count(g, NHRP_N_UNEXPECTED);
}
