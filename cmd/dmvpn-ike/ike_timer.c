#include "ike_int.h"

#include <stdlib.h>

/* A binary heap of pointers; slot is the index + 1. */
static void
place(struct ike_engine *g, size_t i, struct ike_timer *t)
{
	g->heap[i] = t;
	t->slot = i + 1;
}

static void
up(struct ike_engine *g, size_t i)
{
	struct ike_timer *t = g->heap[i];

	while (i > 0 && g->heap[(i - 1) / 2]->at > t->at) {
		place(g, i, g->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(g, i, t);
}

static void
down(struct ike_engine *g, size_t i)
{
	struct ike_timer *t = g->heap[i];
	size_t k;

	while ((k = 2 * i + 1) < g->n_heap) {
		if (k + 1 < g->n_heap && g->heap[k + 1]->at < g->heap[k]->at)
			k++;
		if (g->heap[k]->at >= t->at)
			break;
		place(g, i, g->heap[k]);
		i = k;
	}
	place(g, i, t);
}

int
ike_timer_init(struct ike_engine *g, struct ike_timer *t,
    void (*fn)(struct ike_engine *g, void *arg), void *arg)
{
	struct ike_timer **more;
	size_t cap = g->heap_cap == 0 ? 64 : g->heap_cap * 2;

	if (g->n_timers == g->heap_cap) {
		more = realloc(g->heap, cap * sizeof(struct ike_timer *));
		if (more == NULL)
			return -1;
		g->heap = more;
		g->heap_cap = cap;
	}
	g->n_timers++;
	*t = (struct ike_timer){ .fn = fn, .arg = arg };
	return 0;
}

void
ike_timer_fini(struct ike_engine *g, struct ike_timer *t)
{
	if (t->fn == NULL)
		return;
	ike_timer_stop(g, t);
	t->fn = NULL;
	g->n_timers--;
}

void
ike_timer_stop(struct ike_engine *g, struct ike_timer *t)
{
	size_t i = t->slot;
	struct ike_timer *last;

	t->at = 0;
	if (i == 0)
		return;
	t->slot = 0;
	last = g->heap[--g->n_heap];
	if (last == t)
		return;
	place(g, i - 1, last);
	down(g, i - 1);
	up(g, last->slot - 1);
}

void
ike_timer_set(struct ike_engine *g, struct ike_timer *t, uint64_t at)
{
	if (t->fn == NULL)
		return;
	ike_timer_stop(g, t);
	t->at = at == 0 ? 1 : at;
	place(g, g->n_heap++, t);
	up(g, t->slot - 1);
}

struct ike_timer *
ike_timer_due(struct ike_engine *g)
{
	struct ike_timer *t;

	if (g->n_heap == 0 || g->heap[0]->at > g->now)
		return NULL;
	t = g->heap[0];
	ike_timer_stop(g, t);
	return t;
}
