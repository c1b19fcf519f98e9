/* Traffic Indications (draft-detienne-dmvpn): there is a shorter way. */
#include "nhrp_state.h"

#include <stdio.h>
#include <string.h>

#define REDIRECT_OCTETS	64	/* of the packet that took the long way */

/* Source and destination of an inner packet; false: none to speak of. */
static bool
inner(struct rbuf in, struct addr *src, struct addr *dst)
{
	struct rbuf r = in;
	uint8_t version = rbuf_u8(&r) >> 4;
	uint8_t b[32];
	size_t len = version == 6 ? 16 : 4;

	if (version != 4 && version != 6)
		return false;
	rbuf_skip(&r, version == 4 ? 11 : 7);
	rbuf_copy(&r, b, len * 2);
	if (!rbuf_ok(&r))
		return false;
	*src = addr_of(b, len);
	*dst = addr_of(b + len, len);
	return !addr_is_unspecified(src) && !addr_is_multicast(src) &&
	    !addr_is_unspecified(dst) && !addr_is_multicast(dst) &&
	    !addr_is_loopback(dst);
}

/* Once in a while for one pair; a lossy table forgets at worst. */
static bool
seldom(struct nhrp_engine *g, uint16_t from, const struct addr *src,
    const struct addr *dst)
{
	uint64_t key = 0xcbf29ce484222325ULL ^ from;
	struct nhrp_redirect_slot *s;
	size_t i;

	for (i = 0; i < 16; i++) {
		key = (key ^ src->b[i]) * 0x100000001b3ULL;
		key = (key ^ dst->b[i]) * 0x100000001b3ULL;
	}
	s = &g->redirects[(key ^ key >> 32) % NHRP_REDIRECT_SLOTS];
	if (s->key == key && g->now - s->at < NHRP_REDIRECT_GAP &&
	    s->at > 0)
		return false;
	s->key = key;
	s->at = g->now;
	return true;
}

static void
announce(struct nhrp_engine *g, const struct nhrp_iface *f,
    enum direction d, const struct addr *src, const struct addr *dst,
    uint16_t peer)
{
	struct nhrp_redirected ev = { .direction = d, .source = *src,
	    .destination = *dst, .peer = peer };

	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    f->conf.interface);
	nhrp_event(g, &nhrp_redirected_type, &ev);
}

/* A hub saw a packet come from one peer and go to another. */
void
nhrp_hairpin(struct nhrp_engine *g, const struct gre_hairpin *m)
{
	struct nhrp_iface *f = nhrp_iface_find(g, m->interface);
	struct nhrp_node *n = g->nodes[m->from];
	struct rbuf packet = m->packet;
	struct addr src, dst, own;
	struct nhrp_out o;
	struct nhrp h;

	if (f == NULL || n == NULL || !f->conf.redirect ||
	    m->from == m->to || !inner(packet, &src, &dst))
		return;
	own = nhrp_own(f, &src);
	if (own.len == 0 || !seldom(g, m->from, &src, &dst))
		return;
	h = nhrp_header(f, n, NHRP_TRAFFIC_INDICATION, &own, &src);
	nhrp_begin(&o, g->out, sizeof(g->out), &h);
	packet = rbuf_sub(&packet, rbuf_left(&packet) < REDIRECT_OCTETS ?
	    rbuf_left(&packet) : REDIRECT_OCTETS);
	nhrp_put(&o, &packet);
	nhrp_put_records(&o);
	nhrp_put_auth(f, &o);
	nhrp_count(g, NHRP_N_REDIRECT_OUT);
	nhrp_send(g, f, n, &o);
	announce(g, f, DIRECTION_OUT, &src, &dst, n->peer);
}

/* Only what the kernel really sends into this tunnel is asked for. */
static void
looked_up(struct nhrp_engine *g, struct nhrp_wait *w, const void *m,
    const struct reason *why)
{
	const struct gre_lookup_reply *r = m;
	struct nhrp_iface *f = nhrp_iface_find(g, w->interface);

	(void)why;
	if (f == NULL || r == NULL || !r->tunnel ||
	    strcmp(r->interface, w->interface) != 0) {
		nhrp_count(g, NHRP_N_REDIRECT_DROP);
		return;
	}
	nhrp_cut_ask(g, f, &w->address);
}

void
nhrp_traffic_indication(struct nhrp_engine *g, struct nhrp_rx *rx)
{
	struct nhrp_iface *f = rx->iface;
	struct addr src, dst;
	struct nhrp_wait *w;
	struct nhrp_cut *c;
	struct prefix host;
	char why[NHRP_WHY];

	nhrp_count(g, NHRP_N_REDIRECT_IN);
	if (!f->conf.shortcut || rx->n.code != 0 ||
	    !inner(rx->n.payload, &src, &dst)) {
		nhrp_count(g, NHRP_N_REDIRECT_DROP);
		return;
	}
	host = prefix_host(&dst);
	c = nhrp_cut_for(f, &dst);
	if ((c != NULL && c->state != NHRP_CUT_PASSIVE) ||
	    !nhrp_prefix_ok(f, &host, why) ||
	    !seldom(g, 0, &dst, &dst)) {
		nhrp_count(g, NHRP_N_REDIRECT_DROP);
		return;
	}
	if ((w = nhrp_wait_new(g, 0)) == NULL)
		return;
	w->fn = looked_up;
	w->peer = rx->node->peer;
	w->address = dst;
	snprintf(w->interface, sizeof(w->interface), "%s",
	    f->conf.interface);
	if (nhrp_lookup(g, w, &dst))
		announce(g, f, DIRECTION_IN, &src, &dst, rx->node->peer);
}
