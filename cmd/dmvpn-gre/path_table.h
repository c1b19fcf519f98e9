#ifndef DMVPN_GRE_PATH_TABLE_H
#define DMVPN_GRE_PATH_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Tables that packet threads read without locks while the control thread
 * changes them.
 *
 * Quiescent states: a reader announces the epoch it has seen each time it
 * holds no pointer (path_epoch_online), or that it sleeps
 * (path_epoch_offline).  What is taken out of a table is retired: it is
 * freed when every reader has announced a later epoch or sleeps.
 */
struct path_retire {
	struct path_retire	*next;
	uint64_t		 epoch;
	void			(*fn)(struct path_retire *r);
};

#define PATH_READERS	64
#define PATH_OFFLINE	0

struct path_epoch {
	_Atomic(uint64_t)	 now;
	unsigned		 n;
	_Atomic(uint64_t)	*reader[PATH_READERS];
	struct path_retire	*first, **last;
};

void path_epoch_init(struct path_epoch *e);
void path_epoch_reader(struct path_epoch *e, _Atomic(uint64_t) *quiet);

static inline void
path_epoch_online(struct path_epoch *e, _Atomic(uint64_t) *quiet)
{
	/* Both sequentially consistent: see path_epoch_passed. */
	atomic_exchange(quiet, atomic_load(&e->now));
}

static inline void
path_epoch_offline(_Atomic(uint64_t) *quiet)
{
	atomic_store_explicit(quiet, PATH_OFFLINE, memory_order_release);
}

/* Control: free r by fn once nobody can hold it.  r was unlinked before. */
void path_epoch_retire(struct path_epoch *e, struct path_retire *r,
    void (*fn)(struct path_retire *r));
/* Free what can be freed; true when nothing waits. */
bool path_epoch_collect(struct path_epoch *e);
/* Wait until everything retired so far is freed, at most ms milliseconds;
 * wake(arg) is called to bring sleepers about.  true: done. */
bool path_epoch_wait(struct path_epoch *e, unsigned ms);

/* Hash table with chains; one writer, any number of readers. */
struct path_node {
	_Atomic(struct path_node *)	next;
	uint64_t			key;
};

struct path_hash {
	size_t				 mask;
	uint64_t			 salt;
	size_t				 n;
	_Atomic(struct path_node *)	*slot;
};

int path_hash_init(struct path_hash *h, size_t slots, uint64_t salt);
void path_hash_fini(struct path_hash *h);
void path_hash_add(struct path_hash *h, struct path_node *n);
void path_hash_remove(struct path_hash *h, struct path_node *n);

static inline size_t
path_hash_slot(const struct path_hash *h, uint64_t key)
{
	uint64_t x = (key ^ h->salt) * 0x9e3779b97f4a7c15u;

	return (size_t)(x >> 40) & h->mask;
}

static inline struct path_node *
path_hash_first(const struct path_hash *h, uint64_t key)
{
	struct path_node *n = atomic_load_explicit(
	    &h->slot[path_hash_slot(h, key)], memory_order_acquire);

	while (n != NULL && n->key != key)
		n = atomic_load_explicit(&n->next, memory_order_acquire);
	return n;
}

static inline struct path_node *
path_hash_next(const struct path_node *n)
{
	uint64_t key = n->key;

	do
		n = atomic_load_explicit(&n->next, memory_order_acquire);
	while (n != NULL && n->key != key);
	return (struct path_node *)n;
}

#define path_entry(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
