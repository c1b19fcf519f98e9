#include <string.h>

#include "path_int.h"
#include "wire/esp.h"

#define MOVE_EVERY	100	/* ms: control may still be at the last one */
#define AHEAD_MAX	(1ULL << 31)
#define INVALID_RATE	5	/* events a second */
#define NHRP_RATE	500	/* messages a second, of one peer */
#define NHRP_BURST	200

/* ESP of no SA: dmvpn-ike may tell the sender (RFC 7296, 1.5). */
static void
unknown_spi(struct path_thread *t, const struct in_meta *m, uint32_t spi)
{
	struct event_head h = { .type = PATH_INVALID_SPI, .spi = spi };

	drop(t, DROP_SPI);
	if (spi < ESP_SPI_MIN ||
	    !bucket_take(&t->spi, t->now, INVALID_RATE, INVALID_RATE))
		return;
	h.local = m->local;
	h.remote = m->remote;
	say_stranger(t, &h, NULL, 0);
}

/* A fresh authentic packet from elsewhere: the peer is there now (RFC 7296,
 * 2.23; never because of an old or repeated one). */
static void
moved(struct path_thread *t, const struct in_meta *m, struct peer *peer)
{
	const struct peer_route *r = get(&peer->route);
	struct event_head h = { .type = PATH_MOVED, .peer = peer->number };
	uint64_t last = counted(&peer->moved);

	if (r->c.fixed || !m->udp || r->c.encap != GRE_ENCAP_UDP ||
	    endpoint_equal(&r->c.remote, &m->remote) ||
	    (last != 0 && t->now - last < MOVE_EVERY))
		return;
	atomic_store_explicit(&peer->moved, t->now, memory_order_relaxed);
	h.remote = m->remote;
	h.local = m->local;
	say(t, &h, NULL, 0);
}

static void
first_packet(struct path_thread *t, struct path_sa *sa)
{
	struct event_head h = { .type = PATH_SA_FIRST,
	    .peer = sa->peer->number, .spi = sa->spi_in };

	/* Unsaid for want of room, it is said with the next packet. */
	if (say(t, &h, NULL, 0))
		atomic_store_explicit(&sa->seen, true, memory_order_relaxed);
}

static void
limit_in(struct path_thread *t, struct path_sa *sa)
{
	struct event_head h = { .type = PATH_SA_LIMIT,
	    .peer = sa->peer->number, .spi = sa->spi_in };

	if (sa->replay->top < sa->soft_packets &&
	    counted(&sa->rx_bytes) < sa->soft_bytes)
		return;
	if (!atomic_exchange(&sa->soft_said, true))
		say(t, &h, NULL, 0);
}

/* It verified: numbers, counters, and what the peer's life depends on. */
static void
authentic(struct path_thread *t, const struct in_meta *m,
    struct path_sa *sa, uint64_t seq, size_t n)
{
	bool newest = seq > sa->replay->top;
	struct peer *peer = sa->peer;

	replay_accept(sa->replay, seq);
	atomic_store_explicit(&sa->sequence_in, sa->replay->top,
	    memory_order_relaxed);
	atomic_store_explicit(&sa->last_in, t->now, memory_order_relaxed);
	atomic_store_explicit(&peer->last_in, t->now, memory_order_relaxed);
	count1(&sa->rx_packets, 1);
	count1(&sa->rx_bytes, n);
	if (!atomic_load_explicit(&sa->seen, memory_order_relaxed))
		first_packet(t, sa);
	if (newest)
		moved(t, m, peer);
	limit_in(t, sa);
}

static void
in_payload(struct path_thread *t, const struct in_meta *m,
    struct path_sa *sa, uint8_t *p, size_t n, uint8_t next)
{
	struct iface *i;

	if (next == IP_NONE) {		/* RFC 4303, 2.6: a dummy */
		if (!in_probe(t, sa->peer, p, n))
			drop(t, DROP_DUMMY);
		return;
	}
	if (sa->mode == SA_MODE_TRANSPORT) {
		if (next == IP_GRE)
			in_gre(t, m, sa->peer, GRE_PROTECT_IPSEC, p, n);
		else
			drop_peer(t, sa->peer, DROP_NEXT_HEADER);
		return;
	}
	if (next != IP_IPV4 && next != IP_IPV6) {
		drop_peer(t, sa->peer, DROP_NEXT_HEADER);
		return;
	}
	if ((i = path_iface_find(t->p, sa->interface)) == NULL)
		drop_peer(t, sa->peer, DROP_TAP);
	else
		in_inner(t, m, i, sa->peer, p, n, next == IP_IPV6 ? 6 : 4,
		    sa);
}

/* With ESN a number from before the window reads as one of the next
 * subspace (RFC 4303, appendix A2).  Nobody loses 2^31 packets in a row and
 * keeps the SA: it is an old one, and not worth decrypting. */
static bool
acceptable(const struct path_sa *sa, uint64_t seq)
{
	return replay_check(sa->replay, seq) && (!sa->esn ||
	    seq <= sa->replay->top || seq - sa->replay->top < AHEAD_MAX);
}

/* One ESP packet of n octets, decrypted where it stands. */
void
in_esp(struct path_thread *t, const struct in_meta *m, uint8_t *p, size_t n)
{
	const struct esp_suite *s;
	struct esp_job job = { .p = p };
	struct path_sa *sa;
	size_t head, payload;
	uint8_t next;

	if (n < ESP_HEAD_LEN) {
		drop(t, DROP_ESP_SHORT);
		return;
	}
	if ((sa = path_sa_find(t->p, load32(p))) == NULL) {
		if (!early_keep(t, m, load32(p), p, n))
			unknown_spi(t, m, load32(p));
		return;
	}
	if (share_owner(t->p, sa->spi_in) != t->index) {
		share_hand(t, share_owner(t->p, sa->spi_in), m, p, n);
		return;
	}
	s = esp_key_suite(sa->in);
	head = (size_t)ESP_HEAD_LEN + s->iv_len;
	if (n < head + s->block + s->icv_len ||
	    (n - head - s->icv_len) % s->block != 0) {
		drop_peer(t, sa->peer, DROP_ESP_SHORT);
		return;
	}
	job.text = n - head - s->icv_len;
	job.sequence = replay_number(sa->replay, load32(p + 4), sa->esn);
	if (!acceptable(sa, job.sequence)) {
		count1(&sa->replayed, 1);
		drop_peer(t, sa->peer, DROP_REPLAY);
		return;
	}
	if (esp_open(sa->in, 0, sa->esn, &job, 1) != 1) {
		count1(&sa->forged, 1);
		drop_peer(t, sa->peer, DROP_FORGED);
		return;
	}
	authentic(t, m, sa, job.sequence, n);
	if (esp_unpad(p + head, job.text, &payload, &next) < 0) {
		drop_peer(t, sa->peer, DROP_PADDING);
		return;
	}
	in_payload(t, m, sa, p + head, payload, next);
}

static enum path_drop
gre_drop_reason(enum gre_bad bad)
{
	switch (bad) {
	case GRE_BAD_SHORT:
		return DROP_GRE_SHORT;
	case GRE_BAD_VERSION:
		return DROP_GRE_VERSION;
	case GRE_BAD_CHECKSUM:
		return DROP_GRE_CHECKSUM;
	case GRE_BAD_FLAGS:
	case GRE_OK:
		break;
	}
	return DROP_GRE_FLAGS;
}

static void
drop_any(struct path_thread *t, struct peer *peer, enum path_drop why)
{
	if (peer == NULL)
		drop(t, why);
	else
		drop_peer(t, peer, why);
}

/* The tunnel that the key names.  Tunnels share SAs, but who may come in by
 * one is not for that a peer of another. */
static struct iface *
iface_of(struct path_thread *t, const struct peer *peer,
    enum gre_protect protect, const struct gre_head *g,
    const struct addr *local)
{
	uint64_t denied = peer == NULL ? 0 : get(&peer->route)->c.denied;
	unsigned k, top = get(&t->p->iface_top);
	const struct path_interface *c;
	struct iface *i;

	for (k = 1; k < top; k++) {
		if ((denied >> k & 1) ||
		    (i = path_iface_find(t->p, k)) == NULL)
			continue;
		c = &get(&i->conf)->c;
		if (c->mode != GRE_MODE_MGRE || c->protect != protect ||
		    c->keyed != g->keyed || (g->keyed && c->key != g->key))
			continue;
		if (protect == GRE_PROTECT_IPSEC || c->local.len == 0 ||
		    local->len == 0 || addr_equal(&c->local, local))
			return i;
	}
	return NULL;
}

/* A member's NHRP does not crowd out that of others. */
static void
in_nhrp(struct path_thread *t, const struct in_meta *m, unsigned interface,
    struct peer *peer, const uint8_t *p, size_t n)
{
	struct event_head h = { .type = PATH_NHRP,
	    .peer = peer == NULL ? 0 : peer->number,
	    .interface = (uint8_t)interface, .remote = m->remote,
	    .local = m->local };

	if (n == 0 || n > 4096)
		drop(t, DROP_NHRP);
	else if (peer == NULL ? !bucket_take(&t->nhrp, t->now, NHRP_RATE,
	    NHRP_BURST) : !bucket_take_shared(&peer->nhrp, t->now, NHRP_RATE,
	    NHRP_BURST))
		drop(t, peer == NULL ? DROP_NHRP_RATE : DROP_RATE);
	else if (peer == NULL)
		say_stranger(t, &h, p, n);
	else
		say_bulk(t, &h, p, n);
}

/* GRE from a peer, peer NULL: from nobody that we know (protect none). */
void
in_gre(struct path_thread *t, const struct in_meta *m, struct peer *peer,
    enum gre_protect protect, uint8_t *p, size_t n)
{
	struct gre_head g;
	enum gre_bad bad = gre_parse(p, n, &g);
	struct iface *i;

	if (bad != GRE_OK) {
		drop_any(t, peer, gre_drop_reason(bad));
		return;
	}
	i = iface_of(t, peer, protect, &g, &m->local.addr);
	if (i == NULL) {
		drop_any(t, peer, DROP_GRE_KEY);
		return;
	}
	p += g.len;
	n -= g.len;
	if (g.protocol == GRE_NHRP)
		in_nhrp(t, m, i->id, peer, p, n);
	else if (g.protocol != GRE_IPV4 && g.protocol != GRE_IPV6)
		drop_any(t, peer, DROP_GRE_PROTOCOL);
	else if (peer == NULL)
		drop(t, DROP_NO_PEER);
	else
		in_inner(t, m, i, peer, p, n, g.protocol == GRE_IPV6 ? 6 : 4,
		    NULL);
}

/* Protocol 47 from the network: only for tunnels that are declared so, the
 * outer source is the peer. */
void
in_bare_gre(struct path_thread *t, const struct in_meta *m, uint8_t *p,
    size_t n)
{
	struct peer *peer = path_peer_by_addr(t->p, &m->remote.addr);

	if (peer != NULL)
		atomic_store_explicit(&peer->last_in, t->now,
		    memory_order_relaxed);
	in_gre(t, m, peer, GRE_PROTECT_NONE, p, n);
}
