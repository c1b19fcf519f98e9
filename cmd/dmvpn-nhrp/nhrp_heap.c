#include "nhrp_heap.h"

#include <stdlib.h>

int
nhrp_heap_grow(struct nhrp_heap *h)
{
	struct nhrp_timer **v;
	size_t cap;

	if (h->owned < h->cap) {
		h->owned++;
		return 0;
	}
	cap = h->cap > 0 ? h->cap * 2 : 64;
	if ((v = realloc(h->v, cap * sizeof(h->v[0]))) == NULL)
		return -1;
	h->v = v;
	h->cap = cap;
	h->owned++;
	return 0;
}

void
nhrp_heap_shrink(struct nhrp_heap *h)
{
	h->owned--;
}

void
nhrp_heap_free(struct nhrp_heap *h)
{
	free(h->v);
	*h = (struct nhrp_heap){ 0 };
}

static void
put(struct nhrp_heap *h, size_t i, struct nhrp_timer *t)
{
	h->v[i] = t;
	t->slot = i + 1;
}

static void
sift_up(struct nhrp_heap *h, size_t i)
{
	struct nhrp_timer *t = h->v[i];

	while (i > 0 && h->v[(i - 1) / 2]->at > t->at) {
		put(h, i, h->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(h, i, t);
}

static void
sift_down(struct nhrp_heap *h, size_t i)
{
	struct nhrp_timer *t = h->v[i];
	size_t kid;

	while ((kid = 2 * i + 1) < h->n) {
		if (kid + 1 < h->n && h->v[kid + 1]->at < h->v[kid]->at)
			kid++;
		if (h->v[kid]->at >= t->at)
			break;
		put(h, i, h->v[kid]);
		i = kid;
	}
	put(h, i, t);
}

void
nhrp_timer_start(struct nhrp_heap *h, struct nhrp_timer *t, uint64_t at)
{
	nhrp_timer_stop(h, t);
	t->at = at;
	put(h, h->n++, t);
	sift_up(h, t->slot - 1);
}

void
nhrp_timer_stop(struct nhrp_heap *h, struct nhrp_timer *t)
{
	size_t i = t->slot - 1;
	struct nhrp_timer *last;

	if (t->slot == 0)
		return;
	t->slot = 0;
	last = h->v[--h->n];
	if (last == t)
		return;
	put(h, i, last);
	sift_up(h, i);
	sift_down(h, last->slot - 1);
}

struct nhrp_timer *
nhrp_heap_due(struct nhrp_heap *h, uint64_t now)
{
	struct nhrp_timer *t;

	if (h->n == 0 || h->v[0]->at > now)
		return NULL;
	t = h->v[0];
	nhrp_timer_stop(h, t);
	return t;
}
