#include "ike_int.h"

#include <stdlib.h>

static const struct {
	size_t	member;		/* of its owner */
	void (*fn)(struct ike_engine *g, void *owner);
} kinds[] = {
	[IKE_TIMER_JUDGE] = { offsetof(struct ike_cred, judge),
	    ike_crl_judge },
	[IKE_TIMER_RETRY] = { offsetof(struct ike_conn, retry),
	    ike_conn_retry },
	[IKE_TIMER_SOFT] = { offsetof(struct ike_csa, soft), ike_csa_soft },
	[IKE_TIMER_HARD] = { offsetof(struct ike_csa, hard), ike_csa_hard },
	[IKE_TIMER_RESEND] = { offsetof(struct ike_isa, resend), ike_resend },
	[IKE_TIMER_LIFE] = { offsetof(struct ike_isa, life),
	    ike_isa_life_end },
	[IKE_TIMER_WAIT] = { offsetof(struct ike_isa, wait),
	    ike_isa_wait_end },
	[IKE_TIMER_AGAIN] = { offsetof(struct ike_isa, again),
	    ike_isa_child_again },
	[IKE_TIMER_PEER_LIFE] = { offsetof(struct ike_peer, life),
	    ike_peer_life_end },
	[IKE_TIMER_PEER_CALL] = { offsetof(struct ike_peer, call),
	    ike_orphan_call },
};

/* A binary heap of pointers; slot is the index + 1. */
static void
place(struct ike_engine *g, size_t i, struct ike_timer *t)
{
	g->heap[i] = t;
	t->slot = (uint32_t)(i + 1);
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
    enum ike_timer_kind kind)
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
	*t = (struct ike_timer){ .kind = (uint8_t)kind };
	return 0;
}

void
ike_timer_fini(struct ike_engine *g, struct ike_timer *t)
{
	if (t->kind == IKE_TIMER_NONE)
		return;
	ike_timer_stop(g, t);
	t->kind = IKE_TIMER_NONE;
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
	if (t->kind == IKE_TIMER_NONE)
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

void
ike_timer_fire(struct ike_engine *g, struct ike_timer *t)
{
	kinds[t->kind].fn(g, (char *)t - kinds[t->kind].member);
}
