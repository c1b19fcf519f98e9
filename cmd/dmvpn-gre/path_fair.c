#include <fcntl.h>
#include <stdlib.h>

#include "path_int.h"

/*
 * Members that send more than we can take must not crowd out others, nor may
 * what goes to one crowd out what goes to others.  A thread that finds one
 * full batch after another tells control, which looks at the queues.  When a
 * socket is half full, or a device dropped frames, control works out the
 * share: as many packets a look as no peer may exceed (max-min fairness); the
 * kernel lets in so many of those who have more, at random (path_filter.c).
 * From then on the share shrinks while the queue is long and grows while it
 * is short, until nobody exceeds it.
 *
 * Who keeps up never gets here, and then this costs a comparison a batch.
 */
#define FULL_IN		64		/* full batches in a row: crowded */
#define FULL_OUT	16		/* a TAP's queue, once */
#define SOME		8		/* it is not short */
#define LOOK		25		/* ms between looks */
#define CALM		40		/* looks without a cut, then it ends */
#define IDLE		8		/* looks at nobody who is crowded */
#define TRY		5000		/* ms until the TAPs do without */
#define LONG(room)	least(room, 16)
#define SHORT(room)	least(room, 32)
#define QUEUE_LEAST	(64 * 1024)	/* octets: less is not worth a cut */
#define SHARE_LEAST	16
#define PASS_LEAST	(FAIR_ALL / 4096)
#define CANDIDATES	1024
#define TAP_ROOM	(16 << 20)	/* a TAP does not tell: by notion */

static uint32_t
least(uint32_t room, uint32_t parts)
{
	uint32_t min = QUEUE_LEAST * (parts == 16 ? 2 : 1);

	return room / parts > min ? room / parts : min;
}

void
fair_init(struct path *p)
{
	p->fair[FAIR_OUT].way = FAIR_OUT;
	p->devices = open("/proc/self/net/dev", O_RDONLY | O_CLOEXEC);
}

static bool
reaches(const _Atomic(unsigned) *counter, unsigned n)
{
	return atomic_load_explicit(counter, memory_order_relaxed) >= n;
}

void
fair_batch(struct path_thread *t, struct full_batches *c, bool full)
{
	unsigned n = atomic_load_explicit(&c->now, memory_order_relaxed);

	if (!full && n == 0)
		return;
	n = full ? n + 1 : 0;
	atomic_store_explicit(&c->now, n, memory_order_relaxed);
	if (!reaches(&c->most, n))
		atomic_store_explicit(&c->most, n, memory_order_relaxed);
	if (n == FULL_IN || n == FULL_OUT)
		t->woke = true;		/* control asks fair_due */
}

/* The receivers that do not get to the end of a socket, as bits. */
static uint64_t
crowded_in(const struct path *p)
{
	uint64_t who = 0;
	unsigned i, k;

	for (i = 0; i < p->n_in; i++)
		for (k = 0; k < PATH_SOCKETS; k++)
			if (reaches(&p->thread[i].full_in[k].now, FULL_IN))
				who |= 1ULL << i;
	return who;
}

/* Did somebody not get to the end of a TAP's queue since the last look? */
static bool
crowded_out(const struct path *p)
{
	unsigned i, k, top = get(&p->iface_top);

	for (i = 0; i < p->n_threads; i++)
		for (k = 1; k < top; k++)
			if (reaches(&p->thread[i].full_out[k].most, FULL_OUT))
				return true;
	return false;
}

/* Was a queue long at any time since the last look?  This is one. */
static bool
was_long(struct path *p)
{
	unsigned i, k, most = 0, n, top = get(&p->iface_top);

	for (i = 0; i < p->n_threads; i++)
		for (k = 1; k < top; k++) {
			n = atomic_exchange_explicit(
			    &p->thread[i].full_out[k].most, 0,
			    memory_order_relaxed);
			most = n > most ? n : most;
		}
	return most >= SOME;
}

static uint64_t
crowded(const struct path *p, enum fair_way way)
{
	return way == FAIR_IN ? crowded_in(p) : crowded_out(p);
}

uint64_t
fair_due(const struct path *p)
{
	uint64_t due = 0;
	unsigned w;

	for (w = 0; w < FAIR_WAYS; w++) {
		if (p->fair[w].at != 0 && (due == 0 || p->fair[w].at < due))
			due = p->fair[w].at;
		if (p->fair[w].at == 0 && crowded(p, (enum fair_way)w))
			return p->now();
	}
	return due;
}

/* ----------------------------------------------------------------- rates */

/* What is known of peers, while there are looks at them. */
static int
begin(struct fair *f)
{
	if (f->of == NULL)
		f->of = calloc(PATH_PEERS + 1, sizeof(*f->of));
	return f->of == NULL ? -1 : 0;
}

static void
forget(struct fair *f)
{
	free(f->of);
	f->of = NULL;
}

static struct fair_peer *
own(const struct fair *f, const struct peer *peer)
{
	return &f->of[peer->number];
}

void
fair_forget(struct path *p, uint16_t number)
{
	unsigned w;

	for (w = 0; w < FAIR_WAYS; w++)
		if (p->fair[w].of != NULL)
			p->fair[w].of[number] = (struct fair_peer){ 0 };
}

void
fair_fini(struct path *p)
{
	forget(&p->fair[FAIR_IN]);
	forget(&p->fair[FAIR_OUT]);
}

static enum gre_encap
encap(const struct peer *peer)
{
	return get(&peer->route)->c.encap;
}

/* All that came under its SPIs, good or not: it all takes its time. */
static uint64_t
packets_of(const struct peer *peer, enum fair_way way)
{
	const struct path_sa *sa;
	uint64_t n = 0;

	if (way == FAIR_OUT)
		return counted(&peer->tx_packets);
	if (encap(peer) == GRE_ENCAP_NONE)
		return counted(&peer->rx_packets);
	for (sa = peer->pairs; sa != NULL; sa = sa->peer_next)
		n += counted(&sa->rx_packets) + counted(&sa->replayed) +
		    counted(&sa->forged);
	return n;
}

/* What the kernel dropped of it is known by the part that it let in. */
static void
rate_of(struct fair *side, struct peer *peer, uint64_t ms, bool first)
{
	struct fair_peer *f = own(side, peer);
	uint64_t count_now = packets_of(peer, side->way), came, sent;

	came = !first && count_now > f->count ? count_now - f->count : 0;
	f->count = count_now;
	sent = f->pass == 0 ? came : came * FAIR_ALL / f->pass;
	f->lost = sent - came;
	sent = sent * LOOK / ms;
	/* A guess from a few packets is smoothed. */
	f->rate = f->pass == 0 ? sent : (3 * f->rate + sent) / 4;
}

/* Do we know how many of its packets the kernel dropped? */
static bool
is_counted(const struct fair *f, const struct peer *peer)
{
	return f->way == FAIR_OUT || encap(peer) == GRE_ENCAP_UDP;
}

/* Of the packets that were lost at a guess, `guess` of them with those whom
 * the kernel counts, no more are than it dropped.  No socket counts what a
 * TAP did. */
static void
count_lost(struct path *p, struct fair *f, uint64_t guess, uint64_t dropped)
{
	uint64_t all = guess < dropped ? guess : dropped, lost;
	struct peer *peer;

	for (peer = p->peers; peer != NULL; peer = peer->next) {
		if ((lost = own(f, peer)->lost) == 0)
			continue;
		if (!is_counted(f, peer))
			count(&p->guard.drops[GUARD_CUT], lost);
		else
			lost = lost * all / guess;
		count(&peer->drops, lost);
	}
	if (f->way == FAIR_IN)
		f->lost += all;
	else
		count(&p->guard.drops[GUARD_CUT], all);
}

/* Of all peers; the sum of what came in. */
static uint64_t
rates(struct path *p, struct fair *f, uint64_t now, uint64_t dropped)
{
	bool first = f->at == 0;
	uint64_t ms = now - f->last, sum = 0, lost = 0;
	struct peer *peer;

	for (peer = p->peers; peer != NULL; peer = peer->next) {
		rate_of(f, peer, ms == 0 ? 1 : ms, first);
		sum += own(f, peer)->rate;
		if (is_counted(f, peer))
			lost += own(f, peer)->lost;
	}
	count_lost(p, f, lost, dropped);
	return sum;
}

/* The share of which all take `whole`, when nobody takes more. */
static uint64_t
share_of(const struct path *p, enum fair_way way, uint64_t whole)
{
	uint64_t share = 0, below, above;
	const struct peer *peer;
	unsigned i;

	for (i = 0; i < 8; i++) {
		below = above = 0;
		for (peer = p->peers; peer != NULL; peer = peer->next) {
			if (own(&p->fair[way], peer)->rate <= share)
				below += own(&p->fair[way], peer)->rate;
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

struct heavy {
	struct peer	*peer;
	uint64_t	 rate;
};

static int
heavier(const void *a, const void *b)
{
	const struct heavy *x = a, *y = b;

	return (y->rate > x->rate) - (y->rate < x->rate);
}

static bool
cut_key(struct fair *f, enum filter_of of, uint32_t key, uint32_t pass)
{
	if (f->n == FAIR_CUTS)
		return false;
	f->cut[f->n++] = (struct filter_cut){ of, key, pass };
	return true;
}

/* Bare GRE has one socket, the first receiver's. */
static bool
cut_source(struct fair *f, const struct addr *a, uint32_t pass)
{
	return (f->receivers & 1) && cut_key(f, a->len == 4 ? OF_SOURCE4 :
	    OF_SOURCE6, filter_source(a), pass);
}

/* All of its SAs, or none; false: there is no room, or nothing to cut. */
static bool
cut_peer(struct path *p, struct fair *f, const struct peer *peer,
    uint32_t pass)
{
	const struct path_sa *sa;
	size_t before = f->n;

	if (f->way == FAIR_OUT)
		return cut_key(f, OF_PEER, peer->number, pass);
	if (encap(peer) == GRE_ENCAP_NONE)
		return cut_source(f, &get(&peer->route)->c.remote.addr, pass);
	for (sa = peer->pairs; sa != NULL; sa = sa->peer_next)
		if ((f->receivers >> share_owner(p, sa->spi_in) & 1) &&
		    !cut_key(f, OF_SPI, sa->spi_in, pass)) {
			f->n = before;
			return false;
		}
	return f->n > before;
}

/* Those above the share, the heaviest first while there is room for them. */
static void
cut(struct path *p, struct fair *f)
{
	static struct heavy heavy[CANDIDATES];
	struct peer *peer;
	struct fair_peer *its;
	uint64_t pass;
	size_t n = 0, i;

	for (peer = p->peers; peer != NULL; peer = peer->next) {
		its = own(f, peer);
		its->pass = 0;
		if (its->rate > f->share && n < CANDIDATES)
			heavy[n++] = (struct heavy){ peer, its->rate };
	}
	qsort(heavy, n, sizeof(heavy[0]), heavier);
	f->n = 0;
	for (i = 0; i < n; i++) {
		pass = f->share * FAIR_ALL / heavy[i].rate;
		if (pass < PASS_LEAST)
			pass = PASS_LEAST;
		if (cut_peer(p, f, heavy[i].peer, (uint32_t)pass))
			own(f, heavy[i].peer)->pass = (uint32_t)pass;
	}
	if (f->way == FAIR_IN)
		filter_write(p);
	else
		filter_write_taps(p);
}

/* ----------------------------------------------------------------- looks */

/* Of a TAP's queue is known whether it was empty, and whether it was full
 * while no filter dropped anything.  Returns what was dropped since. */
static uint64_t
queue_of(struct path *p, struct fair *f, struct filter_state *s)
{
	uint64_t before = f->dropped;

	if (f->way == FAIR_IN) {
		filter_state(p, s);
		f->dropped = s->drops;
		return f->dropped > before ? f->dropped - before : 0;
	}
	s->room = TAP_ROOM;
	f->dropped = tap_dropped(p);
	s->used = was_long(p) ? TAP_ROOM / 8 : 0;
	if (!f->on)
		s->used = f->dropped > before ? TAP_ROOM : 0;
	return f->dropped > before ? f->dropped - before : 0;
}

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
end(struct path *p, struct fair *f)
{
	f->share = UINT64_MAX / FAIR_ALL;	/* of all */
	cut(p, f);
	f->on = false;
	f->calm = 0;
	f->receivers = 0;
	f->at = 0;
	forget(f);
}

static void
look(struct path *p, struct fair *f, uint64_t who, uint64_t now)
{
	bool first = f->at == 0;
	struct filter_state s;
	uint64_t dropped = queue_of(p, f, &s);
	uint64_t sum = rates(p, f, now, dropped);

	f->last = now;
	if (!f->on) {
		f->calm = who != 0 ? 0 : f->calm + 1;
		if (first || s.used < s.room / 2 ||
		    (f->way == FAIR_IN && who == 0))
			return;
		f->on = true;
		f->until = now + TRY;
		f->share = share_of(p, f->way, sum / 4 * 3);
	} else {
		adjust(f, &s);
	}
	f->used = s.used;
	cut(p, f);
	f->calm = f->n > 0 ? 0 : f->calm + 1;
}

static uint64_t
side_tick(struct path *p, struct fair *f, uint64_t now)
{
	uint64_t who = crowded(p, f->way);

	if (!f->on && who == 0 && (f->at == 0 || f->calm >= IDLE)) {
		f->at = 0;
		f->calm = 0;
		forget(f);
		return 0;
	}
	if (f->at != 0 && now < f->at)
		return f->at;
	if (begin(f) < 0)
		return now + LOOK;
	f->receivers |= who;
	look(p, f, who, now);
	f->at = now + LOOK;
	/* TCP may fill a TAP's queue for long without that any is lost. */
	if (f->on && (f->calm >= CALM || (f->way == FAIR_OUT &&
	    now >= f->until)))
		end(p, f);
	return f->at;
}

uint64_t
fair_tick(struct path *p, uint64_t now)
{
	uint64_t in = side_tick(p, &p->fair[FAIR_IN], now);
	uint64_t out = side_tick(p, &p->fair[FAIR_OUT], now);

	return in == 0 || (out != 0 && out < in) ? out : in;
}
