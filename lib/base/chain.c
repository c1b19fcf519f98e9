#include "base/chain.h"

#include <stdlib.h>

#define SLOTS_FIRST	16

void
chains_init(struct chains *t, uint32_t (*hash)(const struct chain *c))
{
	*t = (struct chains){ .hash = hash };
}

void
chains_fini(struct chains *t)
{
	free(t->slot);
	chains_init(t, t->hash);
}

static struct chain **
slot_of(struct chains *t, uint32_t hash)
{
	return t->slot == NULL ? &t->one : &t->slot[hash & (t->slots - 1)];
}

struct chain *
chains_at(const struct chains *t, uint32_t hash)
{
	return t->slot == NULL ? t->one : t->slot[hash & (t->slots - 1)];
}

static void
put(struct chains *t, struct chain *c)
{
	struct chain **slot = slot_of(t, t->hash(c));

	c->next = *slot;
	*slot = c;
}

static void
put_all(struct chains *t, struct chain *c)
{
	struct chain *next;

	for (; c != NULL; c = next) {
		next = c->next;
		put(t, c);
	}
}

static void
grow(struct chains *t)
{
	struct chains old = *t;
	size_t i, slots = old.slots == 0 ? SLOTS_FIRST : 2 * old.slots;
	struct chain **slot = calloc(slots, sizeof(struct chain *));

	if (slot == NULL)
		return;
	t->slot = slot;
	t->slots = slots;
	t->one = NULL;
	put_all(t, old.one);
	for (i = 0; i < old.slots; i++)
		put_all(t, old.slot[i]);
	free(old.slot);
}

void
chains_add(struct chains *t, struct chain *c)
{
	if (t->n >= 2 * t->slots)
		grow(t);
	put(t, c);
	t->n++;
}

void
chains_remove(struct chains *t, struct chain *c)
{
	struct chain **at = slot_of(t, t->hash(c));

	while (*at != NULL && *at != c)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = c->next;
	t->n--;
}

uint32_t
chain_hash(const void *key, size_t len)
{
	const uint8_t *b = key;
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ b[i]) * 16777619u;
	return h ^ h >> 15;
}
