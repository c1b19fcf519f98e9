#include "path_int.h"

/*
 * While strangers flood port 4500, or protocols 50 and 47, the kernel drops
 * what is not ours before it costs us anything: the filters (path_filter.c)
 * then know our SPIs, and the sources of bare GRE.  A sample of the rest
 * passes, so that a peer that lost its SA, or a new one, is heard; and IKE and
 * NHRP up to a rate that the buckets behind cut further.  With more SPIs than
 * a filter holds there is none.
 */
#define GUARD_ON	10000	/* a second, of strangers */
#define GUARD_OFF	1000
#define GUARD_CALM	10	/* s below that, then it goes */
#define ENOUGH		16000	/* that ask, a second */

/* A power of two that leaves about enough of so many. */
static uint32_t
mask_for(uint64_t rate)
{
	uint32_t parts = 1;

	while (rate / parts > ENOUGH && parts < 4096)
		parts *= 2;
	return parts - 1;
}

static void
guard_write(struct path *p)
{
	unsigned i;

	p->guard.on = true;
	for (i = 0; i < ASK_N; i++)
		p->guard.asked[i].mask = mask_for(p->guard.asked[i].rate);
	filter_write(p);
}

static void
guard_off(struct path *p)
{
	p->guard.on = false;
	filter_write(p);
}

void
guard_changed(struct path *p)
{
	if (p->guard.on)
		guard_write(p);
}

/* Counters only grow; the kernel's are of 32 bits and of a socket's life. */
static uint64_t
grown(uint64_t *was, uint64_t now)
{
	uint64_t more = now >= *was ? now - *was : 0;

	*was = now;
	return more;
}

/* What the UDP sockets dropped since the last look is of members, as far as
 * they were cut, else by the filter or for want of room; without the first. */
static uint64_t
socket_drops(struct path *p)
{
	struct guard *g = &p->guard;
	struct filter_state s;
	uint64_t lost, fair = p->fair[FAIR_IN].lost;

	filter_state(p, &s);
	count(&g->drops[GUARD_NO_ROOM], grown(&g->raw_sockets, s.raw_drops));
	lost = grown(&g->sockets, s.drops);
	p->fair[FAIR_IN].lost = 0;
	if (fair > lost)
		fair = lost;
	count(&g->drops[GUARD_CUT], fair);
	count(&g->drops[g->on ? GUARD_KEPT_OUT : GUARD_NO_ROOM], lost - fair);
	return lost - fair;
}

/* Packets of strangers since the last look, with those that were kept out. */
struct strangers {
	uint64_t	data;
	uint64_t	ask[ASK_N];	/* that a bucket dropped */
};

/* No raw socket counts what its filter drops: by the sample. */
static uint64_t
by_sample(struct guard *g, uint64_t passed)
{
	if (!g->on)
		return passed;
	count(&g->drops[GUARD_KEPT_OUT], passed * (GUARD_SAMPLE - 1));
	return passed * GUARD_SAMPLE;
}

static void
look(struct path *p, struct strangers *s)
{
	struct guard *g = &p->guard;
	uint64_t spi = 0, raw = 0, bare = 0, ike = 0, nhrp = 0, lost;
	const struct path_thread *t;
	unsigned i;

	for (i = 0; i < p->n_threads; i++) {
		t = &p->thread[i];
		spi += counted(&t->drops[DROP_SPI]);
		raw += counted(&t->strange_raw);
		bare += counted(&t->strange_bare);
		ike += counted(&t->drops[DROP_IKE_RATE]);
		nhrp += counted(&t->drops[DROP_NHRP_RATE]);
	}
	s->ask[ASK_IKE] = grown(&g->asked[ASK_IKE].was, ike);
	s->ask[ASK_NHRP] = grown(&g->asked[ASK_NHRP].was, nhrp);
	raw = grown(&g->raw, raw);
	spi = grown(&g->spi, spi);
	spi -= raw < spi ? raw : spi;
	lost = socket_drops(p);
	s->data = spi + (g->on ? lost : 0) + by_sample(g, raw) +
	    by_sample(g, grown(&g->bare, bare));
}

/* Of those that ask more come than is enough, though so many were kept out. */
static bool
too_many(struct guard *g, const struct strangers *s, uint64_t ms)
{
	bool more = false;
	uint64_t rate;
	unsigned i;

	for (i = 0; i < ASK_N; i++) {
		rate = s->ask[i] * 1000 / ms;
		if (g->on && rate <= ENOUGH)
			continue;
		more = more || rate > ENOUGH;
		g->asked[i].rate = !g->on ? rate :
		    rate * (g->asked[i].mask + 1);
	}
	return more;
}

/* Once a second. */
void
guard_tick(struct path *p, uint64_t now)
{
	struct guard *g = &p->guard;
	uint64_t all, ms = now - g->at;
	struct strangers s;
	bool more;

	if (ms < 1000)
		return;
	look(p, &s);
	all = (s.data + s.ask[ASK_IKE] + s.ask[ASK_NHRP]) * 1000 / ms;
	more = too_many(g, &s, ms);
	g->at = now;
	g->calm = all >= GUARD_OFF ? 0 : g->calm + 1;
	if (!g->on && all >= GUARD_ON)
		guard_write(p);
	else if (g->on && g->calm >= GUARD_CALM)
		guard_off(p);
	else if (g->on && (more || g->stale))
		guard_write(p);
	g->stale = false;
}
