#include <stdlib.h>

#include "path_int.h"

/*
 * Install ids that were seen, two generations of them: when one is full the
 * older is forgotten, so that memory has a bound.  At ten thousand peers
 * that rekey hourly the younger half alone holds two days.
 */
#define INSTALL_FIRST	256
#define INSTALL_MAX	(1U << 20)

struct half {
	size_t		 n, mask;
	uint64_t	*id;		/* 0: free */
};

struct install_set {
	struct half	young, old;
};

static size_t
slot_of(const struct half *h, uint64_t id)
{
	size_t i = (size_t)((id * 0x9e3779b97f4a7c15u) >> 20) & h->mask;

	while (h->id[i] != 0 && h->id[i] != id)
		i = (i + 1) & h->mask;
	return i;
}

static bool
has(const struct half *h, uint64_t id)
{
	return h->id != NULL && h->id[slot_of(h, id)] == id;
}

static bool
grow(struct half *h, size_t slots)
{
	struct half new = { .mask = slots - 1 };
	size_t i;

	if ((new.id = calloc(slots, sizeof(*new.id))) == NULL)
		return false;
	for (i = 0; h->id != NULL && i <= h->mask; i++)
		if (h->id[i] != 0) {
			new.id[slot_of(&new, h->id[i])] = h->id[i];
			new.n++;
		}
	free(h->id);
	*h = new;
	return true;
}

struct install_set *
install_set_new(void)
{
	struct install_set *s = calloc(1, sizeof(*s));

	if (s != NULL && !grow(&s->young, INSTALL_FIRST)) {
		free(s);
		s = NULL;
	}
	return s;
}

void
install_set_free(struct install_set *s)
{
	if (s == NULL)
		return;
	free(s->young.id);
	free(s->old.id);
	free(s);
}

static uint64_t
id_of(const struct path *p, const uint8_t install[16])
{
	return path_addr_hash(p->salt, install, 16);
}

bool
path_install_known(const struct path *p, const uint8_t install[16])
{
	uint64_t id = id_of(p, install);

	if (id == 0)
		id = 1;
	return has(&p->installs->young, id) || has(&p->installs->old, id);
}

int
path_install_note(struct path *p, const uint8_t install[16])
{
	return install_set_add(p->installs, id_of(p, install)) ||
	    path_install_known(p, install) ? 0 : -1;
}

bool
install_set_add(struct install_set *s, uint64_t id)
{
	struct half *h = &s->young;

	if (id == 0)
		id = 1;
	if (has(h, id) || has(&s->old, id))
		return false;
	if (h->n >= INSTALL_MAX / 2) {
		free(s->old.id);
		s->old = *h;
		*h = (struct half){ 0 };
		if (!grow(h, INSTALL_FIRST)) {
			*h = s->old;	/* keep what we know */
			s->old = (struct half){ 0 };
			return false;
		}
	} else if (h->n * 2 > h->mask && !grow(h, (h->mask + 1) * 2)) {
		return false;
	}
	h->id[slot_of(h, id)] = id;
	h->n++;
	return true;
}
