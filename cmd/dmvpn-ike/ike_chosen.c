#include "ike_int.h"

#include <stdlib.h>

/* What was chosen for SAs: thousands choose alike, and share it. */
struct ike_chosen {
	struct ike_chosen	*prev, *next;
	unsigned		 users;
	struct ike_proposal	 p;	/* only p.n transforms are there */
};

static bool
alike(const struct ike_proposal *a, const struct ike_proposal *b)
{
	size_t i;

	if (a->number != b->number || a->protocol != b->protocol ||
	    a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (a->t[i].type != b->t[i].type ||
		    a->t[i].id != b->t[i].id ||
		    a->t[i].key_bits != b->t[i].key_bits)
			return false;
	return true;
}

static struct ike_chosen *
chosen_new(struct ike_engine *g, const struct ike_proposal *p)
{
	const size_t len = p->n * sizeof(p->t[0]);
	struct ike_chosen *k = calloc(1, offsetof(struct ike_chosen, p.t) +
	    len);

	if (k == NULL)
		return NULL;
	k->p.number = p->number;
	k->p.protocol = p->protocol;
	k->p.n = p->n;
	memcpy(k->p.t, p->t, len);
	DL_PREPEND(g->chosen, k);
	return k;
}

int
ike_chosen_keep(struct ike_engine *g, struct ike_chosen **kept,
    const struct ike_proposal *p)
{
	struct ike_chosen *k;

	DL_FOREACH(g->chosen, k)
		if (alike(&k->p, p))
			break;
	if (k == NULL && (k = chosen_new(g, p)) == NULL)
		return -1;
	k->users++;
	ike_chosen_release(g, *kept);
	*kept = k;
	return 0;
}

const struct ike_proposal *
ike_chosen(const struct ike_chosen *kept)
{
	static const struct ike_proposal none;

	return kept != NULL ? &kept->p : &none;
}

void
ike_chosen_release(struct ike_engine *g, struct ike_chosen *k)
{
	if (k == NULL || --k->users > 0)
		return;
	DL_DELETE(g->chosen, k);
	free(k);
}
