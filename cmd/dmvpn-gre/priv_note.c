#include "priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/delta.h"

/* There are several of each peer: the key is kept without its zeros, of the
 * note what differs from the first one of its kind. */
#define SLOTS_FIRST	64
#define PACKED_MAX	DELTA_ROOM(PRIV_NOTE_MAX)

struct note {
	struct note	*chain;		/* of its slot */
	struct note	*prev, *next;	/* of its kind, in order */
	uint16_t	 len;
	uint8_t		 kind, key_len;
	uint8_t		 b[];		/* key, then the delta */
};

struct model {
	size_t		 len;
	uint8_t		 b[];
};

struct priv_notes {
	struct note	*kinds[PRIV_KINDS];
	struct model	*model[PRIV_KINDS];	/* NULL: none yet */
	size_t		 n[PRIV_KINDS], all;
	struct note	**slot;
	size_t		 slots;		/* a power of two; 0: none yet */
};

struct priv_notes *
priv_notes_new(struct err *e)
{
	struct priv_notes *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	return n;
}

void
priv_notes_free(struct priv_notes *n)
{
	struct note *o, *tmp;
	size_t i;

	if (n == NULL)
		return;
	for (i = 0; i < PRIV_KINDS; i++) {
		DL_FOREACH_SAFE(n->kinds[i], o, tmp)
			free(o);
		free(n->model[i]);
	}
	free(n->slot);
	free(n);
}

static uint8_t
key_len(const struct priv_key *key)
{
	size_t len = sizeof(key->b);

	while (len > 0 && key->b[len - 1] == 0)
		len--;
	return (uint8_t)len;
}

/* FNV-1a */
static struct note **
slot_of(struct note **slot, size_t slots, const uint8_t *b, size_t len)
{
	uint64_t h = 14695981039346656037u;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ b[i]) * 1099511628211u;
	return &slot[(size_t)(h ^ h >> 32) & (slots - 1)];
}

/* Where it hangs in its chain, or the end of that; NULL: no table yet. */
static struct note **
place_of(const struct priv_notes *n, const struct priv_key *key)
{
	const uint8_t len = key_len(key);
	struct note **at;

	if (n->slots == 0)
		return NULL;
	at = slot_of(n->slot, n->slots, key->b, len);
	while (*at != NULL && ((*at)->kind != key->kind ||
	    (*at)->key_len != len || memcmp((*at)->b, key->b, len) != 0))
		at = &(*at)->chain;
	return at;
}

static int
grow(struct priv_notes *n)
{
	const size_t slots = n->slots == 0 ? SLOTS_FIRST : 2 * n->slots;
	struct note **slot = calloc(slots, sizeof(struct note *)), **at, *o;
	size_t i;

	if (slot == NULL)
		return -1;
	for (i = 0; i < PRIV_KINDS; i++)
		DL_FOREACH(n->kinds[i], o) {
			at = slot_of(slot, slots, o->b, o->key_len);
			o->chain = *at;
			*at = o;
		}
	free(n->slot);
	n->slot = slot;
	n->slots = slots;
	return 0;
}

/* Takes *at out. */
static void
note_free(struct priv_notes *n, struct note **at)
{
	struct note *o = *at;

	*at = o->chain;
	DL_DELETE(n->kinds[o->kind], o);
	n->n[o->kind]--;
	n->all--;
	free(o);
}

static void
key_of(const struct note *o, struct priv_key *key)
{
	memset(key, 0, sizeof(*key));
	key->kind = o->kind;
	memcpy(key->b, o->b, o->key_len);
}

static void
first_free(struct priv_notes *n, uint8_t kind)
{
	struct priv_key key;

	key_of(n->kinds[kind], &key);
	note_free(n, place_of(n, &key));
}

/* Room for one more of this kind? */
static int
make_room(struct priv_notes *n, uint8_t kind, struct err *e)
{
	if (kind == PRIV_KIND_SEEN && n->n[kind] >= PRIV_SEEN)
		first_free(n, kind);
	if (n->all >= PRIV_NOTES)
		return err_set(e, ENOSPC, "more than %u notes", PRIV_NOTES);
	if (n->all >= n->slots && grow(n) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

static struct rbuf
model_of(const struct priv_notes *n, uint8_t kind)
{
	const struct model *m = n->model[kind];

	return m == NULL ? rbuf_of(NULL, 0) : rbuf_of(m->b, m->len);
}

/* The first one is the model of its kind. */
static int
model_make(struct priv_notes *n, uint8_t kind, const void *data, size_t len,
    struct err *e)
{
	struct model *m;

	if (n->model[kind] != NULL || len == 0)
		return 0;
	if ((m = malloc(sizeof(*m) + len)) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	m->len = len;
	memcpy(m->b, data, len);
	n->model[kind] = m;
	return 0;
}

/* One of another length takes the place of the old one at the end of the
 * order. */
static int
note_make(struct priv_notes *n, const struct priv_key *key,
    struct rbuf packed, struct err *e)
{
	const uint8_t k = key_len(key);
	const size_t len = rbuf_left(&packed);
	struct note *o = malloc(offsetof(struct note, b) + k + len), **at;

	if (o == NULL)
		return err_set(e, ENOMEM, "out of memory");
	o->kind = key->kind;
	o->key_len = k;
	o->len = (uint16_t)len;
	memcpy(o->b, key->b, k);
	rbuf_copy(&packed, &o->b[k], len);
	at = place_of(n, key);
	if (*at != NULL)
		note_free(n, at);
	at = slot_of(n->slot, n->slots, o->b, k);
	o->chain = *at;
	*at = o;
	DL_APPEND(n->kinds[o->kind], o);
	n->n[o->kind]++;
	n->all++;
	return 0;
}

int
priv_note_set(struct priv_notes *n, const struct priv_key *key,
    const void *data, size_t len, struct err *e)
{
	uint8_t room[PACKED_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct note **at;

	if (len > PRIV_NOTE_MAX || key->kind >= PRIV_KINDS)
		return err_set(e, EINVAL, "note of kind %u, %zu octets",
		    key->kind, len);
	if (model_make(n, key->kind, data, len, e) < 0)
		return -1;
	delta_put(model_of(n, key->kind), rbuf_of(data, len), &w);
	at = place_of(n, key);
	if (at != NULL && *at != NULL && (*at)->len == w.len) {
		memcpy(&(*at)->b[(*at)->key_len], room, w.len);
		return 0;
	}
	if ((at == NULL || *at == NULL) && make_room(n, key->kind, e) < 0)
		return -1;
	return note_make(n, key, wbuf_rbuf(&w), e);
}

void
priv_note_delete(struct priv_notes *n, const struct priv_key *key)
{
	struct note **at = key->kind < PRIV_KINDS ? place_of(n, key) : NULL;

	if (at != NULL && *at != NULL)
		note_free(n, at);
}

void
priv_notes_each(const struct priv_notes *n, priv_note_fn *fn, void *arg)
{
	uint8_t whole[PRIV_NOTE_MAX];
	const struct note *o;
	struct priv_key key;
	struct wbuf w;
	uint8_t i;

	for (i = 0; i < PRIV_KINDS; i++)
		DL_FOREACH(n->kinds[i], o) {
			key_of(o, &key);
			w = wbuf_of(whole, sizeof(whole));
			if (delta_get(model_of(n, i), rbuf_of(
			    &o->b[o->key_len], o->len), &w) == 0 &&
			    !fn(arg, &key, whole, w.len))
				return;
		}
}

size_t
priv_notes_count(const struct priv_notes *n)
{
	return n->all;
}
