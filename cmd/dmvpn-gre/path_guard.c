#include "path_int.h"

/*
 * While strangers flood port 4500 the kernel drops what is not ours before it
 * costs us anything: the filter (path_filter.c) then knows our SPIs.  A sample
 * of the rest passes, so that a peer that lost its SA, or a new one, is heard;
 * and IKE up to a rate that the bucket of path_ike.c cuts further.  With more
 * SPIs than a filter holds there is none.
 */
#define GUARD_ON	10000	/* a second, of strangers */
#define GUARD_OFF	1000
#define GUARD_CALM	10	/* s below that, then it goes */
#define IKE_ENOUGH	16000	/* a second */

/* A power of two that leaves about enough of so many. */
static uint32_t
mask_for(uint64_t rate)
{
	uint32_t parts = 1;

	while (rate / parts > IKE_ENOUGH && parts < 4096)
		parts *= 2;
	return parts - 1;
}

static void
guard_write(struct path *p)
{
	p->guard.on = true;
	p->guard.ike_mask = mask_for(p->guard.ike_rate);
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

static uint64_t
strangers(const struct path *p, enum path_drop why)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < p->n_threads; i++)
		sum += counted(&p->thread[i].drops[why]);
	return sum;
}

/* Counters only grow; the kernel's are of 32 bits and of a socket's life. */
static uint64_t
grown(uint64_t *was, uint64_t now)
{
	uint64_t more = now >= *was ? now - *was : 0;

	*was = now;
	return more;
}

/* What the sockets dropped since the last look is of members, as far as they
 * were cut, else by the filter or for want of room; without the first. */
static uint64_t
socket_drops(struct path *p)
{
	struct guard *g = &p->guard;
	struct filter_state s;
	uint64_t lost, fair = p->fair[FAIR_IN].lost;

	filter_state(p, &s);
	lost = grown(&g->sockets, s.drops);
	p->fair[FAIR_IN].lost = 0;
	if (fair > lost)
		fair = lost;
	count(&g->drops[GUARD_CUT], fair);
	count(&g->drops[g->on ? GUARD_KEPT_OUT : GUARD_NO_ROOM], lost - fair);
	return lost - fair;
}

/* Once a second. */
void
guard_tick(struct path *p, uint64_t now)
{
	struct guard *g = &p->guard;
	uint64_t spi, ike, lost, ms = now - g->at;

	if (ms < 1000)
		return;
	spi = grown(&g->spi, strangers(p, DROP_SPI)) * 1000 / ms;
	ike = grown(&g->ike, strangers(p, DROP_IKE_RATE)) * 1000 / ms;
	lost = socket_drops(p) * 1000 / ms;
	g->at = now;
	g->calm = spi + ike + (g->on ? lost : 0) >= GUARD_OFF ? 0 :
	    g->calm + 1;
	if (!g->on && spi + ike >= GUARD_ON) {
		g->ike_rate = ike;
		guard_write(p);
	} else if (g->on && g->calm >= GUARD_CALM) {
		guard_off(p);
	} else if (g->on && ike > IKE_ENOUGH) {
		g->ike_rate = ike * (mask_for(g->ike_rate) + 1);
		guard_write(p);
	} else if (g->on && g->stale) {
		guard_write(p);
	}
	g->stale = false;
}
