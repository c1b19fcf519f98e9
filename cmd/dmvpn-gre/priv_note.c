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

struct priv_notes {
	struct note	*kinds[PRIV_KINDS];
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
	size_t i;

	if (n == NULL)
		return;
	for (i = 0; i < PRIV_KINDS; i++)
		table_free(&n->kinds[i]);
	free(n);
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

/* Room for one more of this kind? */
static int
make_room(struct priv_notes *n, uint8_t kind, struct err *e)
{
	struct note **table = &n->kinds[kind], *o;

	if (kind == PRIV_KIND_SEEN && HASH_COUNT(*table) >= PRIV_SEEN) {
		o = *table;
		HASH_DEL(*table, o);
		free(o);
	}
	if (priv_notes_count(n) >= PRIV_NOTES)
		return err_set(e, ENOSPC, "more than %u notes", PRIV_NOTES);
	return 0;
}

int
priv_note_set(struct priv_notes *n, const struct priv_key *key,
    const void *data, size_t len, struct err *e)
{
	struct note *o;

	if (len > PRIV_NOTE_MAX || key->kind >= PRIV_KINDS)
		return err_set(e, EINVAL, "note of kind %u, %zu octets",
		    key->kind, len);
	HASH_FIND(hh, n->kinds[key->kind], key, sizeof(*key), o);
	if (o != NULL && o->len == len) {
		if (len > 0)
			memcpy(o->b, data, len);
		return 0;
	}
	if (o == NULL && make_room(n, key->kind, e) < 0)
		return -1;
	return note_make(&n->kinds[key->kind], o, key, data, len, e);
}

void
priv_note_delete(struct priv_notes *n, const struct priv_key *key)
{
	struct note *o;

	if (key->kind >= PRIV_KINDS)
		return;
	HASH_FIND(hh, n->kinds[key->kind], key, sizeof(*key), o);
	if (o == NULL)
		return;
	HASH_DEL(n->kinds[key->kind], o);
	free(o);
}

void
priv_notes_each(const struct priv_notes *n, priv_note_fn *fn, void *arg)
{
	const struct note *o;
	size_t i;

	for (i = 0; i < PRIV_KINDS; i++)
		for (o = n->kinds[i]; o != NULL; o = o->hh.next)
			if (!fn(arg, &o->key, o->b, o->len))
				return;
}

size_t
priv_notes_count(const struct priv_notes *n)
{
	size_t i, count = 0;

	for (i = 0; i < PRIV_KINDS; i++)
		count += HASH_COUNT(n->kinds[i]);
	return count;
}
