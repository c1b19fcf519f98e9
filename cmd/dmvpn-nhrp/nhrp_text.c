#include "nhrp_state.h"

#include <stdlib.h>
#include <string.h>

/* The empty one is nobody's. */
static struct nhrp_text none = { 1, { '\0' } };

struct nhrp_text *
nhrp_text_new(const char *s)
{
	const size_t len = strlen(s) + 1;
	struct nhrp_text *t;

	if (len == 1)
		return nhrp_text_share(&none);
	if ((t = malloc(sizeof(*t) + len)) == NULL)
		return NULL;
	t->users = 1;
	memcpy(t->s, s, len);
	return t;
}

struct nhrp_text *
nhrp_text_share(struct nhrp_text *t)
{
	t->users++;
	return t;
}

void
nhrp_text_release(struct nhrp_text *t)
{
	if (t != NULL && --t->users == 0)
		free(t);
}

void
nhrp_text_set(struct nhrp_text **at, struct nhrp_text *t)
{
	struct nhrp_text *old = *at;

	*at = t;
	nhrp_text_release(old);
}
