#ifndef NHRP_HEAP_H
#define NHRP_HEAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Timers of the engine: a binary heap of those that run.  A timer is a
 * member of what it serves.  Room is made when that is created
 * (nhrp_heap_grow), so that starting one never fails.
 */
struct nhrp_engine;

struct nhrp_timer {
	uint64_t	 at;
	size_t		 slot;	/* place in the heap + 1; 0: stopped */
	void (*fn)(struct nhrp_engine *g, void *arg);
	void		*arg;
};

struct nhrp_heap {
	struct nhrp_timer	**v;
	size_t			 n, cap;
	size_t			 owned;	/* timers that may run */
};

int nhrp_heap_grow(struct nhrp_heap *h);	/* room for one; -1: none */
void nhrp_heap_shrink(struct nhrp_heap *h);	/* one owner less */
void nhrp_heap_free(struct nhrp_heap *h);
void nhrp_timer_start(struct nhrp_heap *h, struct nhrp_timer *t,
    uint64_t at);
void nhrp_timer_stop(struct nhrp_heap *h, struct nhrp_timer *t);
/* The first that is due, taken out; NULL: none is. */
struct nhrp_timer *nhrp_heap_due(struct nhrp_heap *h, uint64_t now);

#endif
