#include <string.h>

#include "path_int.h"
#include "wire/esp.h"

#define ACQUIRE_EVERY	1000	/* ms, of one peer */

/* The largest inner packet that outer octets of IP hold. */
uint16_t
wrap_mtu(const struct peer_route *r, uint16_t outer,
    const struct path_sa *sa, size_t gre_len)
{
	const struct esp_suite *s;
	size_t room = outer, head = r->c.remote.addr.len == 16 ? 40 : 20;

	if (r->c.encap == GRE_ENCAP_UDP)
		head += 8;
	if (sa != NULL) {
		s = esp_key_suite(sa->out);
		head += (size_t)ESP_HEAD_LEN + s->iv_len + s->icv_len;
	}
	room = room > head ? room - head : 0;
	if (sa != NULL)
		room = esp_payload_max(room, esp_key_suite(sa->out)->block);
	return (uint16_t)(room > gre_len ? room - gre_len : 0);
}

static bool
sa_fits(const struct wrap *w, const struct path_sa *sa, const uint8_t *ip,
    const struct ip_view *v)
{
	struct addr src, dst;
	uint16_t sport, dport;

	if (atomic_load_explicit(&sa->stopped, memory_order_relaxed))
		return false;
	if (w->gre)
		return sa->mode == SA_MODE_TRANSPORT;
	if (sa->mode != SA_MODE_TUNNEL || sa->interface != w->iface->id ||
	    v == NULL)
		return false;
	if (sa->n_local == 0 && sa->n_remote == 0)
		return true;
	src = ip_src(ip, v);
	dst = ip_dst(ip, v);
	ip_ports(ip, v, &sport, &dport);
	return selectors_match(sa->local_ts, sa->n_local, &src, v->proto,
	    sport) && selectors_match(sa->remote_ts, sa->n_remote, &dst,
	    v->proto, dport);
}

static void
acquire(struct wrap *w)
{
	struct event_head h = { .type = PATH_ACQUIRE,
	    .peer = w->peer->number };
	uint64_t last = counted(&w->peer->acquired);

	if (last != 0 && w->t->now - last < ACQUIRE_EVERY)
		return;
	atomic_store_explicit(&w->peer->acquired, w->t->now,
	    memory_order_relaxed);
	say(w->t, &h, NULL, 0);
}

/* RFC 9611, 3: a sender's own SA, else the one of all; that of another
 * before none. */
static int
rank(const struct wrap *w, const struct path_sa *sa)
{
	if (sa->queue == w->t->slot + 1)
		return 2;
	return sa->queue == 0;
}

static bool
choose_sa(struct wrap *w, const uint8_t *ip, const struct ip_view *v)
{
	const struct sa_set *set = get(&w->peer->out);
	struct path_sa *sa;
	bool any = false;
	size_t i;

	w->sa = NULL;
	if (w->conf->c.protect == GRE_PROTECT_NONE) {
		if (w->route->c.encap == GRE_ENCAP_NONE && w->gre)
			return true;
		drop_peer(w->t, w->peer, DROP_NO_SA);
		return false;
	}
	for (i = 0; set != NULL && i < set->n; i++) {
		sa = set->sa[i];
		any = any || sa->mode == SA_MODE_TUNNEL;
		if (sa_fits(w, sa, ip, v) && (w->sa == NULL ||
		    rank(w, sa) > rank(w, w->sa)))
			w->sa = sa;
		if (w->sa != NULL && (!set->queued || rank(w, w->sa) == 2))
			return true;
	}
	if (w->sa != NULL)
		return true;
	if (any && !w->gre) {
		drop_peer(w->t, w->peer, DROP_SELECTOR);
		return false;
	}
	acquire(w);
	drop_peer(w->t, w->peer, DROP_NO_SA);
	return false;
}

/* A packet that is our own tunnel packet to that very peer: the route to
 * the peer leads into the tunnel. */
static bool
loops(const struct wrap *w, const uint8_t *ip, const struct ip_view *v)
{
	const struct endpoint *to = &w->route->c.remote;
	uint16_t sport, dport;

	if (v == NULL || v->alen != to->addr.len ||
	    memcmp(ip + v->dst, to->addr.b, v->alen) != 0)
		return false;
	if (v->proto == IP_ESP || v->proto == IP_GRE)
		return true;
	ip_ports(ip, v, &sport, &dport);
	return v->proto == IP_UDP && to->port != 0 && dport == to->port;
}

bool
wrap_begin(struct wrap *w, struct path_thread *t, struct iface *i,
    struct peer *peer, const uint8_t *ip, const struct ip_view *v)
{
	size_t gre;

	w->t = t;
	w->iface = i;
	w->conf = get(&i->conf);
	w->peer = peer;
	w->route = get(&peer->route);
	w->gre = w->conf->c.mode == GRE_MODE_MGRE;
	if (loops(w, ip, v)) {
		drop_peer(t, peer, DROP_LOOP);
		return false;
	}
	if (!choose_sa(w, ip, v))
		return false;
	gre = w->gre ? gre_head_len(w->conf->c.checksum, w->conf->c.keyed) :
	    0;
	w->head = (uint16_t)gre;
	if (w->sa != NULL)
		w->head += ESP_HEAD_LEN + esp_key_suite(w->sa->out)->iv_len;
	w->mtu = wrap_mtu(w->route, get(&peer->mtu), w->sa, gre);
	return true;
}

uint8_t *
wrap_slot(struct wrap *w, size_t n)
{
	uint8_t *at = tx_reserve(w->t, w->head + n + PATH_TAIL_ROOM);

	return at == NULL ? NULL : at + w->head;
}

static void
limit_say(struct wrap *w, bool hard)
{
	struct event_head h = { .type = PATH_SA_LIMIT, .hard = hard,
	    .peer = w->peer->number, .spi = w->sa->spi_in };

	if (!atomic_exchange(hard ? &w->sa->hard_said : &w->sa->soft_said,
	    true))
		say(w->t, &h, NULL, 0);
}

/* The next sequence number, 0 when the SA may send no more.  It never
 * wraps: the hard limit stays far enough below the end for all threads to
 * overshoot by one packet each. */
static uint64_t
next_number(struct wrap *w)
{
	struct path_sa *sa = w->sa;
	uint64_t seq = counted(&sa->sequence_out);
	/* What waits to be sent is not counted yet: all of it, at most. */
	uint64_t bytes = counted(&sa->tx_bytes) + w->t->tx.len;

	if (seq >= sa->hard_packets || bytes >= sa->hard_bytes) {
		limit_say(w, true);
		return 0;
	}
	if (seq >= sa->soft_packets || bytes >= sa->soft_bytes)
		limit_say(w, false);
	return atomic_fetch_add_explicit(&sa->sequence_out, 1,
	    memory_order_relaxed) + 1;
}

/* ESP around n octets of payload that stand behind header and IV; returns
 * the octets of the datagram, 0: dropped. */
static size_t
seal(struct wrap *w, uint8_t *esp, size_t n, uint8_t next)
{
	const struct esp_suite *s = esp_key_suite(w->sa->out);
	struct esp_job job = { .p = esp };
	size_t head = (size_t)ESP_HEAD_LEN + s->iv_len;

	job.sequence = next_number(w);
	if (job.sequence == 0) {
		drop_peer(w->t, w->peer, DROP_EXHAUSTED);
		return 0;
	}
	store32(esp, w->sa->spi_out);
	store32(esp + 4, (uint32_t)job.sequence);
	job.text = esp_text_len(n, s->block);
	esp_pad(esp + head, n, job.text, next);
	if (esp_seal(w->sa->out, w->t->slot, w->sa->esn, &job, 1) < 0) {
		drop_peer(w->t, w->peer, DROP_CRYPTO);
		return 0;
	}
	return head + job.text + s->icv_len;
}

bool
wrap_send(struct wrap *w, uint8_t *inner, size_t n, uint16_t protocol,
    uint8_t tos)
{
	struct gre_head gre = { .protocol = protocol,
	    .checksum = w->conf->c.checksum, .keyed = w->conf->c.keyed,
	    .key = w->conf->c.key };
	struct tx_msg how = { .route = w->route, .peer = w->peer,
	    .iface = w->iface, .sa = w->sa, .inner = n, .tos = tos };
	uint8_t *start = inner - w->head;
	uint8_t next = protocol == GRE_IPV6 ? IP_IPV6 : IP_IPV4;
	size_t total = n;

	if (w->gre) {
		next = IP_GRE;
		total += gre_head_len(gre.checksum, gre.keyed);
		gre_write(inner + n - total, &gre, n);
	}
	if (w->sa != NULL && (total = seal(w, start, total, next)) == 0)
		return false;
	how.local = w->route->c.local.addr.len != 0 ?
	    &w->route->c.local.addr : &w->conf->c.local;
	/* RFC 2473, 7.1: IPv6 wants 1,280 octets whatever the path takes. */
	how.cut = protocol == GRE_IPV6 && n > w->mtu;
	tx_commit(w->t, &how, start, total);
	return true;
}

bool
wrap_dummy(struct path_thread *t, struct peer *peer, const void *data,
    size_t n, uint16_t outer)
{
	const struct sa_set *set = get(&peer->out);
	struct wrap w = { .t = t, .peer = peer, .route = get(&peer->route) };
	struct tx_msg how = { .route = w.route, .peer = peer,
	    .local = &w.route->c.local.addr };
	size_t room, total;
	uint8_t *at;

	if (set == NULL || set->n == 0)
		return false;
	w.sa = set->sa[0];
	w.head = ESP_HEAD_LEN + esp_key_suite(w.sa->out)->iv_len;
	room = wrap_mtu(w.route, outer, w.sa, 0);
	if (room < n)
		room = n;
	if ((at = wrap_slot(&w, room)) == NULL)
		return false;
	memcpy(at, data, n);
	memset(at + n, 0, room - n);
	if ((total = seal(&w, at - w.head, room, IP_NONE)) == 0)
		return false;
	tx_commit(t, &how, at - w.head, total);
	return true;
}
