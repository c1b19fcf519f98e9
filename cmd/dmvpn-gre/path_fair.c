#include <stdlib.h>

#include "path_int.h"

/*
 * Members that send more than we can take must not crowd out others.  A
 * receiver that finds one full batch after another tells control, which looks
 * at the queues.  When one is half full, control works out the share: as many
 * packets a look as no peer may exceed (max-min fairness); the kernel lets in
 * so many of those who send more, at random (path_filter.c).  From then on the
 * share shrinks while the queue is long and grows while it is short, until
 * nobody exceeds it.
 *
 * Who keeps up never gets here, and then this costs a comparison a batch.
 */
#define FULL		64		/* full batches in a row: crowded */
#define LOOK		25		/* ms between looks */
#define CALM		40		/* looks without a cut, then it ends */
#define LONG(room)	least(room, 16)
#define SHORT(room)	least(room, 32)
#define QUEUE_LEAST	(64 * 1024)	/* octets: less is not worth a cut */
#define SHARE_LEAST	16
#define PASS_LEAST	(FAIR_ALL / 4096)
#define CANDIDATES	1024

static uint32_t
least(uint32_t room, uint32_t parts)
{
	uint32_t min = QUEUE_LEAST * (parts == 16 ? 2 : 1);

	return room / parts > min ? room / parts : min;
}

void
fair_batch(struct path_thread *t, enum path_socket kind, unsigned n)
{
	unsigned full = atomic_load_explicit(&t->full[kind],
	    memory_order_relaxed);

	if (n < PATH_RX_BUFS && full == 0)
		return;
	full = n < PATH_RX_BUFS ? 0 : full + 1;
	atomic_store_explicit(&t->full[kind], full, memory_order_relaxed);
	if (full == FULL)
		t->woke = true;		/* control asks fair_due */
}

/* The receivers that do not get to the end of a queue, as bits. */
static uint64_t
crowded(const struct path *p)
{
	uint64_t who = 0;
	unsigned i;

	for (i = 0; i < p->n_in; i++)
		if (atomic_load_explicit(&p->thread[i].full[PATH_UDP4],
		    memory_order_relaxed) >= FULL ||
		    atomic_load_explicit(&p->thread[i].full[PATH_UDP6],
		    memory_order_relaxed) >= FULL)
			who |= 1ULL << i;
	return who;
}

uint64_t
fair_due(const struct path *p)
{
	if (p->fair.at != 0)
		return p->fair.at;
	return crowded(p) != 0 ? p->now() : 0;
}

/* ----------------------------------------------------------------- rates */

/* All that came under its SPIs, good or not: it all takes its time. */
static uint64_t
packets_of(const struct peer *peer)
{
	const struct path_sa *sa;
	uint64_t n = 0;

	for (sa = peer->pairs; sa != NULL; sa = sa->peer_next)
		n += counted(&sa->rx_packets) + counted(&sa->replayed) +
		    counted(&sa->forged);
	return n;
}

/* What the kernel dropped of it is known by the part that it let in. */
static void
rate_of(struct path *p, struct peer *peer, uint64_t ms, bool first)
{
	struct fair_peer *f = &peer->fair;
	uint64_t count_now = packets_of(peer), came, sent;

	came = !first && count_now > f->count ? count_now - f->count : 0;
	f->count = count_now;
	sent = f->pass == 0 ? came : came * FAIR_ALL / f->pass;
	p->fair.lost += sent - came;
	count(&peer->drops, sent - came);
	sent = sent * LOOK / ms;
	/* A guess from a few packets is smoothed. */
	f->rate = f->pass == 0 ? sent : (3 * f->rate + sent) / 4;
}

/* Of all peers; the sum of what came in. */
static uint64_t
rates(struct path *p, uint64_t now, bool first)
{
	uint64_t ms = now - p->fair.last, sum = 0;
	struct peer *peer;

	for (peer = p->peers; peer != NULL; peer = peer->next) {
		rate_of(p, peer, ms == 0 ? 1 : ms, first);
		sum += peer->fair.rate;
	}
	return sum;
}

/* The share of which all take `whole`, when nobody takes more. */
static uint64_t
share_of(const struct path *p, uint64_t whole)
{
	uint64_t share = 0, below, above;
	const struct peer *peer;
	unsigned i;

	for (i = 0; i < 8; i++) {
		below = above = 0;
		for (peer = p->peers; peer != NULL; peer = peer->next) {
			if (peer->fair.rate <= share)
				below += peer->fair.rate;
			else
				above++;
		}
		if (above == 0 || below >= whole)
			break;
		share = (whole - below) / above;
	}
	return share > SHARE_LEAST ? share : SHARE_LEAST;
}

/* ------------------------------------------------------------------ cuts */

static int
heavier(const void *a, const void *b)
{
	const struct peer *const *x = a, *const *y = b;

	return ((*y)->fair.rate > (*x)->fair.rate) -
	    ((*y)->fair.rate < (*x)->fair.rate);
}

static bool
cut_peer(struct path *p, const struct peer *peer)
{
	struct fair *f = &p->fair;
	const struct path_sa *sa;
	size_t before = f->n;

	for (sa = peer->pairs; sa != NULL; sa = sa->peer_next) {
		if (!(f->receivers >> share_owner(p, sa->spi_in) & 1))
			continue;
		if (f->n == FAIR_CUTS) {
			f->n = before;
			return false;
		}
		f->cut[f->n++] = (struct filter_cut){ sa->spi_in,
		    peer->fair.pass };
	}
	return f->n > before;
}

/* Those above the share, the heaviest first while there is room for them. */
static void
cut(struct path *p)
{
	static struct peer *heavy[CANDIDATES];
	struct fair *f = &p->fair;
	struct peer *peer;
	uint64_t pass;
	size_t n = 0, i;

	for (peer = p->peers; peer != NULL; peer = peer->next) {
		peer->fair.pass = 0;
		if (peer->fair.rate > f->share && n < CANDIDATES)
			heavy[n++] = peer;
	}
	qsort(heavy, n, sizeof(heavy[0]), heavier);
	f->n = 0;
	for (i = 0; i < n; i++) {
		pass = f->share * FAIR_ALL / heavy[i]->fair.rate;
		heavy[i]->fair.pass = pass > PASS_LEAST ? (uint32_t)pass :
		    PASS_LEAST;
		if (!cut_peer(p, heavy[i]))
			heavy[i]->fair.pass = 0;
	}
	filter_write(p);
}

/* ----------------------------------------------------------------- looks */

/* A queue that gets shorter needs no smaller share. */
static void
adjust(struct fair *f, const struct filter_state *s)
{
	if (s->used > LONG(s->room) && s->used >= f->used)
		f->share -= f->share / 4;
	else if (s->used < SHORT(s->room))
		f->share += f->share / 8 + 1;
	if (f->share < SHARE_LEAST)
		f->share = SHARE_LEAST;
}

static void
end(struct path *p)
{
	struct peer *peer;

	for (peer = p->peers; peer != NULL; peer = peer->next)
		peer->fair.pass = 0;
	p->fair.on = false;
	p->fair.receivers = 0;
	p->fair.at = 0;
}

static void
look(struct path *p, uint64_t now)
{
	struct fair *f = &p->fair;
	bool first = f->at == 0;
	struct filter_state s;
	uint64_t sum;

	filter_state(p, &s);
	sum = rates(p, now, first);
	f->last = now;
	if (!f->on) {
		if (first || s.used < s.room / 2)
			return;
		f->on = true;
		f->share = share_of(p, sum / 4 * 3);
	} else {
		adjust(f, &s);
	}
	f->used = s.used;
	cut(p);
	f->calm = f->n > 0 ? 0 : f->calm + 1;
}

uint64_t
fair_tick(struct path *p, uint64_t now)
{
	struct fair *f = &p->fair;
	uint64_t who = crowded(p);

	if (!f->on && who == 0) {
		f->at = 0;
		return 0;
	}
	if (f->at != 0 && now < f->at)
		return f->at;
	f->receivers |= who;
	look(p, now);
	f->at = now + LOOK;
	if (f->on && f->calm >= CALM)
		end(p);
	return f->at;
}
