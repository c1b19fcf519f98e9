#include "path_table.h"

#include <stdlib.h>
#include <time.h>

void
path_epoch_init(struct path_epoch *e)
{
	atomic_init(&e->now, 1);
	e->n = 0;
	e->first = NULL;
	e->last = &e->first;
}

void
path_epoch_reader(struct path_epoch *e, _Atomic(uint64_t) *quiet)
{
	if (e->n < PATH_READERS)
		e->reader[e->n++] = quiet;
}

/*
 * Has every reader let go of what was retired at this epoch?  A reader that
 * is seen asleep goes online, if it does, by an exchange that comes after
 * our load in the single order of all sequentially consistent operations,
 * hence after the unlinking: it can not find the retired thing any more.
 */
static bool
epoch_passed(const struct path_epoch *e, uint64_t epoch)
{
	uint64_t seen;
	unsigned i;

	for (i = 0; i < e->n; i++) {
		seen = atomic_load(e->reader[i]);
		if (seen != PATH_OFFLINE && seen <= epoch)
			return false;
	}
	return true;
}

void
path_epoch_retire(struct path_epoch *e, struct path_retire *r,
    void (*fn)(struct path_retire *r))
{
	r->fn = fn;
	r->next = NULL;
	/* Readers that announce a later epoch began after the unlinking. */
	r->epoch = atomic_fetch_add(&e->now, 1);
	*e->last = r;
	e->last = &r->next;
}

bool
path_epoch_collect(struct path_epoch *e)
{
	struct path_retire *r;

	while ((r = e->first) != NULL && epoch_passed(e, r->epoch)) {
		e->first = r->next;
		if (e->first == NULL)
			e->last = &e->first;
		r->fn(r);
	}
	return e->first == NULL;
}

bool
path_epoch_wait(struct path_epoch *e, unsigned ms)
{
	struct timespec nap = { 0, 50000 };
	unsigned i;

	for (i = 0; i < ms * 20; i++) {
		if (path_epoch_collect(e))
			return true;
		nanosleep(&nap, NULL);
	}
	return path_epoch_collect(e);
}

int
path_hash_init(struct path_hash *h, size_t slots, uint64_t salt)
{
	h->slot = calloc(slots, sizeof(*h->slot));
	h->mask = slots - 1;
	h->salt = salt;
	h->n = 0;
	return h->slot == NULL ? -1 : 0;
}

void
path_hash_fini(struct path_hash *h)
{
	free(h->slot);
	h->slot = NULL;
}

void
path_hash_add(struct path_hash *h, struct path_node *n)
{
	_Atomic(struct path_node *) *slot =
	    &h->slot[path_hash_slot(h, n->key)];

	atomic_store_explicit(&n->next,
	    atomic_load_explicit(slot, memory_order_relaxed),
	    memory_order_relaxed);
	atomic_store_explicit(slot, n, memory_order_release);
	h->n++;
}

void
path_hash_remove(struct path_hash *h, struct path_node *n)
{
	_Atomic(struct path_node *) *at =
	    &h->slot[path_hash_slot(h, n->key)];
	struct path_node *cur;

	/* The taken node keeps its next: readers on it walk on. */
	while ((cur = atomic_load_explicit(at, memory_order_relaxed)) !=
	    NULL) {
		if (cur == n) {
			atomic_store(at, atomic_load_explicit(&n->next,
			    memory_order_relaxed));
			h->n--;
			return;
		}
		at = &cur->next;
	}
}
