#ifndef BASE_CHAIN_H
#define BASE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

/*
 * A hash table in little room: each entry has a struct chain, which takes a
 * pointer; the table has one for every two entries or more, and grows with
 * them.  Nothing fails: while memory is short chains become longer.  What the
 * entries are and when two are equal is up to the caller:
 *
 *	for (c = chains_at(&t, hash); c != NULL; c = c->next)
 *		if (chain_entry(c, struct thing, chain)->key == key)
 *
 * All zero but for hash is an empty table.
 */
struct chain {
	struct chain	*next;
};

struct chains {
	struct chain	**slot;		/* NULL: all are in one */
	struct chain	*one;
	size_t		 n, slots;	/* slots: a power of two; or 0 */
	uint32_t	(*hash)(const struct chain *c);
};

#define chain_entry(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

void chains_init(struct chains *t, uint32_t (*hash)(const struct chain *c));
void chains_fini(struct chains *t);	/* entries are the caller's */
/* The first of those that may have this hash, among others. */
struct chain *chains_at(const struct chains *t, uint32_t hash);
void chains_add(struct chains *t, struct chain *c);
void chains_remove(struct chains *t, struct chain *c);	/* c is in it */

/* A hash of octets (FNV-1a).  Keys of no foe's choice only. */
uint32_t chain_hash(const void *key, size_t len);

#endif
