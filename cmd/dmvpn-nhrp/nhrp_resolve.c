/* Resolution (RFC 2332, 5.2.1 and 5.2.2): answered by the egress. */
#include "nhrp_state.h"

#include <stdio.h>
#include <string.h>

static bool
nbma_fits(const struct nhrp *n, const struct addr *a)
{
	return a->len == (n->afn == NHRP_AFN_IP6 ? 16 : 4);
}

/* Our public address behind a NAT, as the server told us. */
static struct addr
own_nat(const struct nhrp_iface *f)
{
	size_t i;

	for (i = 0; i < f->n_servers; i++)
		if (f->servers[i].up && f->servers[i].nat.len > 0)
			return f->servers[i].nat;
	return addr_of(NULL, 0);
}

/* Cisco: pre-NAT in the packet, post-NAT in the extension. */
static void
put_own_nat(const struct nhrp_rx *rx, const struct addr *own,
    struct nhrp_out *o)
{
	struct nhrp_cie cie = { .prefix = (uint8_t)(own->len * 8),
	    .nbma = own_nat(rx->iface), .proto = *own };
	struct nhrp_ext ext;

	if (!nhrp_ext_find(&rx->n, NHRP_EXT_NAT, &ext))
		return;
	nhrp_ext_open(o, NHRP_EXT_NAT, false);
	if (nbma_fits(&rx->n, &cie.nbma))
		nhrp_put_cie(o, &cie);
	nhrp_ext_close(o);
}

static void
put_reply_extensions(const struct nhrp_rx *rx, const struct addr *own,
    struct nhrp_out *o)
{
	struct rbuf none = rbuf_of(NULL, 0), fwd = none;
	struct nhrp_cie self = nhrp_own_cie(rx->iface, rx->node, own,
	    (uint8_t)(own->len * 8));
	struct nhrp_seen seen;
	struct nhrp_ext ext;

	if (!nbma_fits(&rx->n, &self.nbma))
		self.nbma = addr_of(NULL, 0);
	nhrp_ext_open(o, NHRP_EXT_RESPONDER, true);
	nhrp_put_cie(o, &self);
	nhrp_ext_close(o);
	if (nhrp_ext_find(&rx->n, NHRP_EXT_FORWARD, &ext))
		fwd = ext.value;
	nhrp_ext_put(o, NHRP_EXT_FORWARD, true, &fwd);
	nhrp_ext_put(o, NHRP_EXT_REVERSE, true, &none);
	nhrp_put_auth(rx->iface, o);
	put_own_nat(rx, own, o);
	if (nhrp_ext_find(&rx->n, NHRP_EXT_VENDOR, &ext) &&
	    nhrp_seen_parse(&ext, &seen)) {
		memset(&seen.responder, 0, sizeof(seen.responder));
		nhrp_seen_put(o, &seen);
	}
}

static void
reply(struct nhrp_engine *g, struct nhrp_rx *rx, struct nhrp_cie *cie)
{
	struct addr own = nhrp_own(rx->iface, &rx->n.src_proto);
	struct nhrp h = rx->n;
	struct nhrp_out o;

	h.type = NHRP_RESOLUTION_REPLY;
	h.hops = NHRP_HOPS;
	h.flags = rx->n.flags & (NHRP_R_ROUTER | NHRP_R_SRC_STABLE |
	    NHRP_R_NAT);
	h.flags |= NHRP_R_AUTHORITATIVE;
	if (cie->code == NHRP_CODE_OK)
		h.flags |= NHRP_R_DST_STABLE;
	nhrp_begin(&o, g->out, sizeof(g->out), &h);
	nhrp_put_cie(&o, cie);
	put_reply_extensions(rx, &own, &o);
	nhrp_count(g, NHRP_N_ANSWERED);
	nhrp_send(g, rx->iface, rx->node, &o);
}

static void
reply_no(struct nhrp_engine *g, struct nhrp_rx *rx, enum nhrp_code code)
{
	struct nhrp_cie cie = { .code = (uint8_t)code };

	reply(g, rx, &cie);
}

/* RFC 2332, 5.2.1: the requester's own binding may be kept, if it is stable
 * and has a holding time.  It waits for the requester to dial. */
static void
cache_source(struct nhrp_engine *g, struct nhrp_rx *rx,
    const struct nhrp_seen *seen)
{
	struct rbuf in = rx->n.cies;
	struct nhrp_iface *f = rx->iface;
	struct nhrp_cut *c;
	struct nhrp_cie cie;
	char why[NHRP_WHY];

	if (!f->conf.shortcut || !(rx->n.flags & NHRP_R_SRC_STABLE) ||
	    nhrp_cie_next(&rx->n, &in, &cie, NULL) <= 0 || cie.hold == 0 ||
	    !nhrp_address_ok(f, &rx->n.src_proto, why) ||
	    nhrp_server_of(f, rx->node) == NULL)
		return;
	c = nhrp_cut_for(f, &rx->n.src_proto);
	if (c != NULL && !(c->state == NHRP_CUT_PASSIVE ||
	    c->state == NHRP_CUT_REFUSED))
		return;
	if (c == NULL && (c = nhrp_cut_new(g, f, &rx->n.src_proto)) == NULL)
		return;
	if (c->state == NHRP_CUT_REFUSED) {
		f->n_refused--;
		nhrp_cut_anew(g, c);
	}
	c->state = NHRP_CUT_PASSIVE;
	c->via = rx->n.src_proto;
	c->prefix = prefix_host(&c->via);
	c->claimed = rx->n.src_nbma;
	c->observed = seen->requester.addr.len > 0;
	c->nbma = c->observed ? seen->requester :
	    (struct endpoint){ .addr = rx->n.src_nbma };
	c->hold = cie.hold;
	c->expires = g->now + cie.hold * 1000ULL;
	nhrp_timer_start(&g->heap, &c->timer, g->now + NHRP_LINK_WAIT);
	nhrp_cut_link(g, c);
}

/* Behind a NAT: a packet to the requester's mapping lets its IKE in.  One
 * octet 0xff after the marker: whoever gets it drops it. */
static void
open_mapping(struct nhrp_engine *g, struct nhrp_rx *rx,
    const struct nhrp_seen *seen)
{
	struct gre_ike_send m = { .remote = seen->requester,
	    .data = rbuf_of("\xff", 1) };
	char why[NHRP_WHY];

	if (rx->iface->conf.profile[0] == '\0' ||
	    m.remote.addr.len == 0 || m.remote.port == 0 ||
	    !nhrp_nbma_ok(rx->iface, rx->node, &m.remote.addr, why))
		return;
	g->ops.call(g->ops.arg, 0, &gre_ike_send_type, &m);
}

/* protect none: what the requester sends straight to us comes from an address
 * that dmvpn-gre must know, before it is told ours. */
static void
admit(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	char why[NHRP_WHY];

	if (rx->iface->conf.profile[0] == '\0' &&
	    nhrp_nbma_ok(rx->iface, rx->node, &rx->n.src_nbma, why) &&
	    nhrp_node_clear(g, &rx->n.src_nbma) == NULL)
		nhrp_node_make(g, rx->iface, &rx->n.src_nbma, NULL);
}

/* We are the egress for prefix p: answer. */
static void
answer(struct nhrp_engine *g, struct nhrp_rx *rx, const struct prefix *p)
{
	struct nhrp_iface *f = rx->iface;
	struct addr own = nhrp_own(f, &rx->n.src_proto);
	struct nhrp_cie cie = nhrp_own_cie(f, rx->node, &own, p->len);
	struct nhrp_seen seen = { 0 };
	struct nhrp_ext ext;

	if (own.len == 0 || !nbma_fits(&rx->n, &cie.nbma)) {
		reply_no(g, rx, NHRP_CODE_NO_BINDING);
		return;
	}
	/* where the requester was seen is the server's to say */
	if (nhrp_ext_find(&rx->n, NHRP_EXT_VENDOR, &ext) &&
	    (rx->server == NULL || !nhrp_seen_parse(&ext, &seen)))
		memset(&seen, 0, sizeof(seen));
	admit(g, rx);
	cache_source(g, rx, &seen);
	open_mapping(g, rx, &seen);
	nhrp_told_add(g, &f->told, &f->n_told, NHRP_MAX_CUTS,
	    &rx->n.src_proto, p, g->now + nhrp_hold(f) * 1000ULL);
	reply(g, rx, &cie);
}

/* To the egress.  The requester is being told of what is behind b, the
 * registration that leads there: remember it.  NULL: any of its own. */
static void
forward_request(struct nhrp_engine *g, struct nhrp_rx *rx,
    struct nhrp_node *to, struct nhrp_binding *b)
{
	struct prefix p = prefix_host(&rx->n.dst_proto);

	if (b == NULL)
		b = to->bindings;
	if (to == rx->node || nhrp_server_of(rx->iface, to) != NULL) {
		nhrp_count(g, NHRP_N_UNROUTABLE);
		reply_no(g, rx, NHRP_CODE_NO_BINDING);
		return;
	}
	if (b != NULL)
		nhrp_told_add(g, &b->told, &b->n_told, NHRP_MAX_TOLD,
		    &rx->n.src_proto, &p, g->now +
		    nhrp_hold(rx->iface) * 1000ULL);
	nhrp_forward(g, rx, to);
}

/* dmvpn-gre told where the kernel sends this. */
static void
routed(struct nhrp_engine *g, struct nhrp_wait *w, const void *m,
    const struct reason *why)
{
	const struct gre_lookup_reply *r = m;
	struct nhrp_iface *f = nhrp_iface_find(g, w->interface);
	struct nhrp_rx rx = { .iface = f, .node = g->nodes[w->peer],
	    .remote = w->remote, .raw = rbuf_of(w->data, w->len) };
	struct nhrp_node *to = NULL;

	(void)why;
	if (f == NULL || rx.node == NULL ||
	    nhrp_parse(rx.raw, &rx.n, NULL) < 0)
		return;
	rx.server = nhrp_server_of(f, rx.node);
	if (r == NULL || (r->interface[0] == '\0' && !r->local)) {
		reply_no(g, &rx, NHRP_CODE_NO_BINDING);
		return;
	}
	if (!r->tunnel) {
		struct prefix p = r->prefix;

		if (r->local || p.addr.len != rx.n.dst_proto.len ||
		    !prefix_has(&p, &rx.n.dst_proto))
			p = prefix_host(&rx.n.dst_proto);
		/* a default route is nobody's subnet */
		if (p.len == 0 || (f->conf.n_subnets > 0 && !r->local))
			reply_no(g, &rx, NHRP_CODE_NO_BINDING);
		else
			answer(g, &rx, &p);
		return;
	}
	if (r->peer > 0)
		to = g->nodes[r->peer];
	if (f->conf.role == NHRP_ROLE_HUB && to != NULL &&
	    strcmp(r->interface, f->conf.interface) == 0)
		forward_request(g, &rx, to, nhrp_binding_find(f, &r->via));
	else
		reply_no(g, &rx, NHRP_CODE_NO_BINDING);
}

static void
look_up(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	size_t len = rbuf_left(&rx->raw);
	struct nhrp_wait *w = nhrp_wait_new(g, len);

	if (w == NULL)
		return;
	w->fn = routed;
	w->peer = rx->node->peer;
	w->remote = rx->remote;
	memcpy(w->data, rx->raw.p, len);
	snprintf(w->interface, sizeof(w->interface), "%s",
	    rx->iface->conf.interface);
	nhrp_lookup(g, w, &rx->n.dst_proto);
}

/* A spoke answers its server, and a peer that may speak for the source. */
static bool
may_ask(struct nhrp_rx *rx)
{
	struct prefix p = prefix_host(&rx->n.src_proto);
	char why[NHRP_WHY];

	return rx->iface->conf.role == NHRP_ROLE_HUB || rx->server != NULL ||
	    nhrp_claim_ok(rx->iface, rx->node, &p, why);
}

void
nhrp_resolution_request(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct nhrp_iface *f = rx->iface;
	const struct addr *dst = &rx->n.dst_proto;
	struct nhrp_binding *b;
	struct prefix p;
	size_t i;

	if (dst->len == 0 || rx->n.src_proto.len == 0 || !may_ask(rx)) {
		nhrp_count(g, NHRP_N_SPOOFED);
		return;
	}
	if (nhrp_is_own(f, dst)) {
		p = prefix_host(dst);
		answer(g, rx, &p);
		return;
	}
	for (i = 0; i < f->conf.n_subnets; i++)
		if (prefix_has(&f->conf.subnets[i], dst)) {
			answer(g, rx, &f->conf.subnets[i]);
			return;
		}
	b = nhrp_binding_find(f, dst);
	if (b != NULL)
		forward_request(g, rx, b->node, b);
	else
		look_up(g, rx);
}

/* ---- the requester's side ---- */

/* Our request for c->target, or a refresh of what it became. */
void
nhrp_cut_request(struct nhrp_engine *g, struct nhrp_cut *c,
    struct nhrp_server *s)
{
	struct nhrp_iface *f = c->iface;
	struct addr own = nhrp_own(f, &c->target);
	struct nhrp h = nhrp_header(f, s->node, NHRP_RESOLUTION_REQUEST,
	    &own, &c->target);
	struct nhrp_cie cie = { .mtu = f->mtu, .hold = nhrp_hold(f) };
	struct nhrp_seen none = { 0 };
	struct nhrp_out o;

	h.flags = NHRP_R_ROUTER | NHRP_R_AUTHORITATIVE | NHRP_R_SRC_STABLE |
	    NHRP_R_NAT;
	h.id = c->id;
	nhrp_begin(&o, g->out, sizeof(g->out), &h);
	nhrp_put_cie(&o, &cie);
	nhrp_put_records(&o);
	nhrp_put_auth(f, &o);
	nhrp_ext_open(&o, NHRP_EXT_NAT, false);
	cie = (struct nhrp_cie){ .prefix = (uint8_t)(own.len * 8),
	    .nbma = s->nat, .proto = own };
	if (s->nat.len > 0 && s->nat.len == h.src_nbma.len)
		nhrp_put_cie(&o, &cie);
	nhrp_ext_close(&o);
	nhrp_seen_put(&o, &none);	/* we understand it */
	nhrp_count(g, NHRP_N_ASKED);
	nhrp_send(g, f, s->node, &o);
}

/* Post-NAT address of proto by Cisco's extension; none: not behind one. */
static struct addr
nat_of(const struct nhrp_rx *rx, const struct addr *proto,
    const struct addr *nbma)
{
	struct nhrp_ext ext;
	struct nhrp_cie cie;

	if (!nhrp_ext_find(&rx->n, NHRP_EXT_NAT, &ext) ||
	    !nhrp_ext_has_cies(&ext))
		return addr_of(NULL, 0);
	while (nhrp_cie_next(&rx->n, &ext.value, &cie, NULL) > 0)
		if (addr_equal(&cie.proto, proto) && cie.nbma.len > 0 &&
		    !addr_equal(&cie.nbma, nbma))
			return cie.nbma;
	return addr_of(NULL, 0);
}

/* Take what was answered; false and why when it can not be. */
static bool
take(struct nhrp_engine *g, struct nhrp_rx *rx, struct nhrp_cut *c,
    const struct nhrp_cie *cie, char why[NHRP_WHY])
{
	uint8_t bits = (uint8_t)(c->target.len * 8);
	uint8_t len = cie->prefix == 0 || cie->prefix > bits ? bits :
	    cie->prefix;
	struct prefix p = prefix_mask(&c->target, len);
	struct nhrp_seen seen = { 0 };
	struct nhrp_ext ext;
	struct addr nat;

	if (cie->prefix > bits && cie->prefix != NHRP_PREFIX_UNIQUE) {
		snprintf(why, NHRP_WHY, "prefix length %u", cie->prefix);
		return false;
	}
	if (!nhrp_address_ok(c->iface, &cie->proto, why) ||
	    !nhrp_prefix_ok(c->iface, &p, why))
		return false;
	if (rx->server != NULL &&
	    nhrp_ext_find(&rx->n, NHRP_EXT_VENDOR, &ext))
		nhrp_seen_parse(&ext, &seen);
	nat = nat_of(rx, &cie->proto, &cie->nbma);
	c->via = cie->proto;
	c->prefix = p;
	c->claimed = cie->nbma;
	c->observed = seen.responder.addr.len > 0;
	c->nbma = c->observed ? seen.responder :
	    (struct endpoint){ .addr = cie->nbma };
	c->hold = cie->hold;
	c->expires = g->now + cie->hold * 1000ULL;
	c->no_dial = nat.len > 0 && !c->observed;
	if (c->no_dial)
		c->nbma.addr = nat;
	/* what is dialled counts: two peers may have one private address */
	return nhrp_nbma_ok(c->iface, rx->node, &c->nbma.addr, why);
}

/* A shortcut that is up is taken down as it was put up. */
static void
put_back(struct nhrp_cut *c, const struct nhrp_cut *old)
{
	if (old->state != NHRP_CUT_UP)
		return;
	c->via = old->via;
	c->prefix = old->prefix;
	c->nbma = old->nbma;
	c->observed = old->observed;
	c->claimed = old->claimed;
}

static void
answered(struct nhrp_engine *g, struct nhrp_rx *rx, struct nhrp_cut *c)
{
	struct rbuf in = rx->n.cies;
	struct nhrp_cut old = *c;
	char why[NHRP_WHY] = "";
	struct nhrp_cie cie;
	struct name_buf nb;

	c->asking = false;
	if (nhrp_cie_next(&rx->n, &in, &cie, NULL) <= 0) {
		nhrp_cut_refuse(g, c, "empty-reply", "the reply is empty");
		return;
	}
	if (cie.code != NHRP_CODE_OK || cie.hold == 0) {
		const char *name = name_text(nhrp_code_names, cie.code, &nb);

		nhrp_cut_refuse(g, c, name, "the answer was code %u, %s",
		    cie.code, name);
		return;
	}
	if (!take(g, rx, c, &cie, why)) {
		put_back(c, &old);
		nhrp_refused(g, rx->iface, DIRECTION_IN, rx->node,
		    "resolution", "invalid-reply", "reply refused: %s", why);
		nhrp_cut_refuse(g, c, "invalid-reply", "%s", why);
		return;
	}
	if (c->state != NHRP_CUT_UP) {
		nhrp_cut_link(g, c);
		return;
	}
	if (addr_equal(&c->via, &old.via) &&
	    prefix_equal(&c->prefix, &old.prefix) &&
	    addr_equal(&c->nbma.addr, &old.nbma.addr)) {
		nhrp_map_cut(g, c);
		nhrp_cut_refresh_after(g, c);
		return;
	}
	/* the network moved: back to the hub's path until asked again */
	put_back(c, &old);
	nhrp_cut_drop(g, c, "the answer changed", true);
}

/* a is registered by another one than this spoke.  A hub in between, which
 * registers nothing, may speak for others. */
static bool
is_anothers(const struct nhrp_rx *rx, const struct addr *a)
{
	const struct nhrp_binding *b = nhrp_binding_find(rx->iface, a);

	return b != NULL && b->node != rx->node &&
	    rx->node->bindings != NULL &&
	    strcmp(b->identity->s, rx->node->identity->s) != 0;
}

void
nhrp_resolution_reply(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct nhrp_binding *b;
	struct rbuf in = rx->n.cies;
	struct nhrp_cut *c;
	struct nhrp_cie cie;

	if (nhrp_is_own(rx->iface, &rx->n.src_proto)) {
		c = nhrp_cut_by_id(rx->iface, rx->n.id);
		if (c == NULL || !addr_equal(&c->target, &rx->n.dst_proto))
			nhrp_count(g, NHRP_N_UNEXPECTED);
		else
			answered(g, rx, c);
		return;
	}
	if (nhrp_cie_next(&rx->n, &in, &cie, NULL) <= 0)
		memset(&cie, 0, sizeof(cie));
	if (is_anothers(rx, &cie.proto) ||
	    is_anothers(rx, &rx->n.dst_proto)) {
		nhrp_count(g, NHRP_N_SPOOFED);
		return;
	}
	/* in transit: who is told what is known exactly now */
	if (cie.proto.len > 0 && cie.code == NHRP_CODE_OK &&
	    cie.prefix <= rx->n.dst_proto.len * 8 &&
	    (b = nhrp_binding_find(rx->iface, &cie.proto)) != NULL &&
	    b->node == rx->node) {
		struct prefix p = prefix_mask(&rx->n.dst_proto, cie.prefix);

		nhrp_told_add(g, &b->told, &b->n_told, NHRP_MAX_TOLD,
		    &rx->n.src_proto, &p, g->now + cie.hold * 1000ULL);
	}
	nhrp_transit(g, rx);
}
