#include "priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gre_hash.h"

struct note {
	struct priv_key	key;
	UT_hash_handle	hh;
	size_t		len;
	uint8_t		b[];
};

/* Two tables: what lasts, and what was seen (bounded, oldest go first). */
struct priv_notes {
	struct note	*kept;
	struct note	*seen;
};

struct priv_notes *
priv_notes_new(struct err *e)
{
	struct priv_notes *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	return n;
}

static void
table_free(struct note **table)
{
	struct note *o, *tmp;

	HASH_ITER(hh, *table, o, tmp) {
		HASH_DEL(*table, o);
		free(o);
	}
}

void
priv_notes_free(struct priv_notes *n)
{
	if (n == NULL)
		return;
	table_free(&n->kept);
	table_free(&n->seen);
	free(n);
}

static struct note **
table_of(struct priv_notes *n, const struct priv_key *key)
{
	return key->kind == PRIV_KIND_SEEN ? &n->seen : &n->kept;
}

/* One of another length takes the place of the old one in the order. */
static int
note_make(struct note **table, struct note *old, const struct priv_key *key,
    const void *data, size_t len, struct err *e)
{
	struct note *o = malloc(sizeof(*o) + len);

	if (o == NULL)
		return err_set(e, ENOMEM, "out of memory");
	memset(o, 0, sizeof(*o));
	o->key = *key;
	o->len = len;
	if (len > 0)
		memcpy(o->b, data, len);
	if (old != NULL) {
		HASH_DEL(*table, old);
		free(old);
	}
	HASH_ADD(hh, *table, key, sizeof(o->key), o);
	if (hash_added(o))
		return 0;
	free(o);
	return err_set(e, ENOMEM, "out of memory");
}

int
priv_note_set(struct priv_notes *n, const struct priv_key *key,
    const void *data, size_t len, struct err *e)
{
	struct note **table = table_of(n, key), *o;

	if (len > PRIV_NOTE_MAX)
		return err_set(e, EMSGSIZE, "note of %zu octets, %u is the "
		    "most", len, PRIV_NOTE_MAX);
	HASH_FIND(hh, *table, key, sizeof(*key), o);
	if (o != NULL && o->len == len) {
		if (len > 0)
			memcpy(o->b, data, len);
		return 0;
	}
	if (o == NULL && table == &n->kept &&
	    HASH_COUNT(n->kept) >= PRIV_NOTES)
		return err_set(e, ENOSPC, "more than %u notes", PRIV_NOTES);
	if (note_make(table, o, key, data, len, e) < 0)
		return -1;
	if (HASH_COUNT(n->seen) > PRIV_SEEN) {
		o = n->seen;
		HASH_DEL(n->seen, o);
		free(o);
	}
	return 0;
}

void
priv_note_delete(struct priv_notes *n, const struct priv_key *key)
{
	struct note **table = table_of(n, key), *o;

	HASH_FIND(hh, *table, key, sizeof(*key), o);
	if (o == NULL)
		return;
	HASH_DEL(*table, o);
	free(o);
}

void
priv_notes_each(const struct priv_notes *n, priv_note_fn *fn, void *arg)
{
	const struct note *tables[] = { n->kept, n->seen }, *o;
	size_t i;

	for (i = 0; i < 2; i++)
		for (o = tables[i]; o != NULL; o = o->hh.next)
			if (!fn(arg, &o->key, o->b, o->len))
				return;
}

size_t
priv_notes_count(const struct priv_notes *n)
{
	return HASH_COUNT(n->kept) + HASH_COUNT(n->seen);
}
