#include "nhrp_state.h"

#include <stdlib.h>

/* Remember that requester was told of p.  The oldest goes when full. */
void
nhrp_told_add(struct nhrp_engine *g, struct nhrp_told **list, unsigned *n,
    unsigned max, const struct addr *requester, const struct prefix *p,
    uint64_t expires)
{
	struct nhrp_told **at, *t;

	for (at = list; (t = *at) != NULL;) {
		if (addr_equal(&t->requester, requester) &&
		    prefix_equal(&t->prefix, p)) {
			t->expires = expires;
			return;
		}
		if (t->expires > g->now && (*n < max || t->next != NULL)) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		free(t);
		(*n)--;
	}
	if ((t = calloc(1, sizeof(*t))) == NULL) {
		nhrp_count(g, NHRP_N_MEMORY);
		return;
	}
	*t = (struct nhrp_told){ .requester = *requester, .prefix = *p,
	    .expires = expires, .next = *list };
	*list = t;
	(*n)++;
}

void
nhrp_told_free(struct nhrp_told **list, unsigned *n)
{
	struct nhrp_told *t;

	while ((t = *list) != NULL) {
		*list = t->next;
		free(t);
	}
	*n = 0;
}
