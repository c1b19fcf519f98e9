#include <string.h>

#include "path_int.h"
#include "wire/ip_icmp.h"

/*
 * Probes of the path MTU, and who answers them.  To peers of our own kind:
 * dummy packets (RFC 4303, 2.6), padded to the size in question, which they
 * answer with a small one, and which everybody else discards.  To others a
 * ping through the tunnel, which anybody answers; it tests the way back too.
 *
 *	0  magic   4  request or answer   5  rung   6  size   8  serial
 *	12 a check that only we can make
 */
#define PROBE_LEN	16
#define PROBE_MAGIC	0x444d5455u	/* "DMTU" */
#define PROBE_REQUEST	1
#define PROBE_ANSWER	2
#define PROBE_LARGE	600		/* octets: worth a look */
#define ANSWER_RATE	50		/* a second, to one peer */
#define RESENT_MAX	2		/* in a row, with nothing new between */
#define STUCK_EVERY	1000		/* ms, of one peer */
#define MANY		64		/* searches at once: looked at */
#define MANY_MS		10		/* only so often */
#define KICK_MS		1000		/* until the other end has the SA too */

static uint32_t
check_of(const struct path *p, uint16_t peer, uint32_t serial)
{
	return (uint32_t)path_mix(path_mix(p->salt, peer), serial);
}

/* ------------------------------------------------------------- control */

/* For all that were queued at once: thousands search at the same time. */
static void
flush(struct path *p)
{
	if (p->probes > 0)
		path_thread_wake(&p->thread[share_holder(p,
		    share_sender(p, 0))]);
	p->probes = 0;
}

/* The sender is woken in time: its ring has room for many, not for all. */
static void
queue(struct path *p, const struct event_head *h, const uint8_t *data)
{
	unsigned sender = share_sender(p, 0);

	if (path_ring_put(&p->thread[sender].commands, h, sizeof(*h), data,
	    PROBE_LEN))
		p->probes++;
	if (p->probes >= MANY)
		flush(p);
}

static void
request(struct path *p, const struct peer *peer, unsigned rung)
{
	const struct mtu_search *m = &peer->search;
	struct event_head h = { .type = PATH_PROBE, .peer = peer->number,
	    .mtu = m->rung[rung], .hard = m->echo ||
	    get(&peer->route)->c.encap == GRE_ENCAP_NONE };
	uint8_t data[PROBE_LEN];

	store32(data, PROBE_MAGIC);
	data[4] = PROBE_REQUEST;
	data[5] = (uint8_t)rung;
	store16(data + 6, m->rung[rung]);
	store32(data + 8, m->serial);
	store32(data + 12, check_of(p, peer->number, m->serial));
	queue(p, &h, data);
}

static void
busy_set(struct path *p, struct peer *peer, bool busy)
{
	if (busy == (peer->busy_prev != NULL))
		return;
	if (busy) {
		peer->busy_prev = &p->busy;
		if ((peer->busy_next = p->busy) != NULL)
			p->busy->busy_prev = &peer->busy_next;
		p->busy = peer;
		return;
	}
	if ((*peer->busy_prev = peer->busy_next) != NULL)
		peer->busy_next->busy_prev = peer->busy_prev;
	peer->busy_prev = NULL;
}

/* Send what is to be sent, use what was found. */
static void
drive(struct path *p, struct peer *peer, uint64_t now)
{
	struct mtu_search *m = &peer->search;
	struct event_head h = { .type = PATH_MTU, .peer = peer->number };
	uint32_t send;
	unsigned i;

	while ((send = mtu_step(m, now)) != 0)
		for (i = 0; i < m->n; i++)
			if (send >> i & 1)
				request(p, peer, i);
	busy_set(p, peer, m->phase != MTU_IDLE);
	if (m->phase != MTU_IDLE && (p->search_at == 0 ||
	    m->at < p->search_at))
		p->search_at = m->at;
	if (m->mtu == get(&peer->mtu))
		return;
	put(&peer->mtu, m->mtu);
	h.mtu = m->mtu;
	say_own(p, &h);
}

void
probe_init(struct path *p, struct peer *peer, uint16_t mtu)
{
	bool v6 = get(&peer->route)->c.remote.addr.len == 16;

	mtu_init(&peer->search, v6 ? PATH_MTU_FLOOR6 : PATH_MTU_FLOOR4, mtu);
	busy_set(p, peer, false);
	put(&peer->mtu, mtu);
}

void
probe_kick(struct path *p, struct peer *peer)
{
	mtu_kick(&peer->search, p->now(), KICK_MS);
}

void
probe_forget(struct path *p, struct peer *peer)
{
	busy_set(p, peer, false);
}

void
probe_age(struct path *p, struct peer *peer, uint64_t now)
{
	mtu_age(&peer->search, now, atomic_exchange_explicit(&peer->large,
	    false, memory_order_relaxed));
	drive(p, peer, now);
	flush(p);
}

/* Those that search; returns when the next of them is due, 0: none. */
uint64_t
probe_tick(struct path *p, uint64_t now)
{
	struct peer *peer, *next;
	uint64_t first = 0;
	unsigned n = 0;

	if (p->search_at > now)
		return p->search_at;
	for (peer = p->busy; peer != NULL; peer = next, n++) {
		next = peer->busy_next;
		if (peer->search.at <= now)
			drive(p, peer, now);
		if (peer->busy_prev != NULL &&
		    (first == 0 || peer->search.at < first))
			first = peer->search.at;
	}
	flush(p);
	if (n > MANY && first < now + MANY_MS)
		first = now + MANY_MS;
	p->search_at = first;
	return first;
}

static void
answer(struct path *p, const struct peer *peer, struct rbuf in)
{
	struct event_head h = { .type = PATH_PROBE, .peer = peer->number };
	uint8_t data[PROBE_LEN];

	rbuf_copy(&in, data, sizeof(data));
	data[4] = PROBE_ANSWER;
	queue(p, &h, data);
}

static void
answered(struct path *p, struct peer *peer, struct rbuf in, uint64_t now)
{
	uint8_t data[PROBE_LEN];
	uint32_t serial;

	rbuf_copy(&in, data, sizeof(data));
	serial = load32(data + 8);
	if (load32(data + 12) == check_of(p, peer->number, serial))
		mtu_answered(&peer->search, serial, data[5], now);
}

/* What packet threads saw.  True: it is no affair of anybody else. */
bool
probe_event(struct path *p, const struct path_event *ev)
{
	bool own = ev->type == PATH_PROBE || ev->type == PATH_PROBED ||
	    ev->type == PATH_STUCK;
	struct peer *peer = path_peer_find(p, ev->peer);
	uint64_t now = p->now();

	if (peer == NULL || (!own && ev->type != PATH_MTU &&
	    ev->type != PATH_MOVED && ev->type != PATH_SA_FIRST))
		return own;
	if (ev->type == PATH_PROBE)
		answer(p, peer, ev->data);
	else if (ev->type == PATH_PROBED)
		answered(p, peer, ev->data, now);
	else if (ev->type == PATH_STUCK)
		mtu_stuck(&peer->search, now);
	else if (ev->type == PATH_MOVED)
		mtu_moved(&peer->search, now);
	else if (ev->type == PATH_MTU)
		mtu_told(&peer->search, ev->mtu, now);
	else
		mtu_kick(&peer->search, now, 0);
	drive(p, peer, now);
	flush(p);
	return own;
}

/* ------------------------------------------------------------- the way in */

static bool
is_probe(const uint8_t *p, size_t n)
{
	return n >= PROBE_LEN && load32(p) == PROBE_MAGIC;
}

/* A dummy packet.  false: nothing but a dummy. */
bool
in_probe(struct path_thread *t, struct peer *peer, const uint8_t *p,
    size_t n)
{
	struct event_head h = { .peer = peer->number };

	if (!is_probe(p, n))
		return false;
	if (p[4] == PROBE_ANSWER)
		h.type = PATH_PROBED;
	else if (p[4] == PROBE_REQUEST && bucket_take_shared(&peer->probes,
	    t->now, ANSWER_RATE, ANSWER_RATE))
		h.type = PATH_PROBE;
	else
		return false;
	say_bulk(t, &h, p, PROBE_LEN);
	return true;
}

/* The answer to a ping of ours; its first fragment will do. */
bool
in_echo(struct path_thread *t, struct peer *peer, const uint8_t *ip,
    const struct ip_view *v)
{
	struct event_head h = { .type = PATH_PROBED, .peer = peer->number };
	const uint8_t *p = icmp_echo_reply(ip, v, PROBE_LEN);

	if (p == NULL || !is_probe(p, PROBE_LEN) || load32(p + 12) !=
	    check_of(t->p, peer->number, load32(p + 8)))
		return false;
	say_bulk(t, &h, p, PROBE_LEN);
	return true;
}

/* ------------------------------------------------------------ the way out */

static const struct addr *
source_of(const struct path_interface *c, uint8_t len)
{
	size_t i;

	for (i = 0; i < c->n_addresses; i++)
		if (c->addresses[i].len == len)
			return &c->addresses[i];
	return NULL;
}

/* A ping whose outer packet has that size. */
static void
ping(struct path_thread *t, struct peer *peer, uint16_t outer,
    const uint8_t *data)
{
	const struct peer_route *r = get(&peer->route);
	struct iface *i = path_iface_find(t->p, r->ping_by);
	const struct addr *src;
	struct wrap w;
	uint8_t *at;
	size_t n;

	if (i == NULL || r->ping.len == 0 || (src = source_of(
	    &get(&i->conf)->c, r->ping.len)) == NULL ||
	    !wrap_begin(&w, t, i, peer, NULL, NULL))
		return;
	n = wrap_mtu(r, outer, w.sa, w.gre ? gre_head_len(
	    w.conf->c.checksum, w.conf->c.keyed) : 0);
	if (n < ICMP_ECHO_MIN + PROBE_LEN)
		n = ICMP_ECHO_MIN + PROBE_LEN;
	if ((at = wrap_slot(&w, n)) == NULL)
		return;
	icmp_echo(at, n, src, &r->ping, load16(data + 14), data[5], data,
	    PROBE_LEN);
	wrap_send(&w, at, n, r->ping.len == 16 ? GRE_IPV6 : GRE_IPV4, 0);
}

void
out_probe(struct path_thread *t, const struct event_head *h,
    const uint8_t *data, size_t n)
{
	struct peer *peer = path_peer_find(t->p, h->peer);

	if (peer == NULL || n != PROBE_LEN)
		return;
	if (h->hard)
		ping(t, peer, h->mtu, data);
	else
		wrap_dummy(t, peer, data, n, h->mtu);
}

/* TCP sends again what it sent, and nothing new in between: the path may
 * have become too narrow.  Lossy, by flow. */
static void
resent(struct path_thread *t, const struct out_frame *f,
    const struct peer *peer)
{
	struct event_head h = { .type = PATH_STUCK, .peer = peer->number };
	const uint8_t *tcp = f->ip + f->v.l4;
	uint64_t hash = path_mix(path_addr_hash(t->p->salt, f->ip + f->v.src,
	    2U * f->v.alen), load32(tcp));
	struct resent *s = &t->resent[hash & (RESENT_SLOTS - 1)];
	uint32_t end = load32(tcp + 4) + f->v.len - f->v.l4;

	if (s->hash != hash >> 32 || (int32_t)(end - s->end) > 0) {
		s->hash = (uint32_t)(hash >> 32);
		s->end = end;
		s->n = 0;
		return;
	}
	if (++s->n >= RESENT_MAX && say_now(t, peer->number, STUCK_EVERY))
		say(t, &h, NULL, 0);
}

void
probe_watch(struct path_thread *t, const struct out_frame *f,
    struct peer *peer)
{
	size_t n = f->vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE ? f->v.len :
	    f->vnet.gso_size;

	if (n < PROBE_LARGE)
		return;
	if (!atomic_load_explicit(&peer->large, memory_order_relaxed))
		atomic_store_explicit(&peer->large, true,
		    memory_order_relaxed);
	if (f->v.proto == IP_TCP && !f->v.fragment &&
	    f->v.len - f->v.l4 >= 20U)
		resent(t, f, peer);
}
