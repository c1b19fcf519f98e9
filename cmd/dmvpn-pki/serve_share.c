#include "serve_share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <utlist.h>

#define LEAST	16384u		/* octets; below that a copy costs less */

struct share {
	struct share	*prev, *next;
	struct share	**all;
	char		 name[80];
	size_t		 readers, len;
	uint8_t		 octets[];
};

/* One of its readers is done. */
static void
on_done(const void *octets, size_t len, void *arg)
{
	struct share *s = arg;

	(void)octets;
	(void)len;
	if (--s->readers > 0)
		return;
	DL_DELETE(*s->all, s);
	free(s);
}

static struct share *
find(struct share *all, const char *name, struct rbuf body)
{
	struct share *s;

	DL_FOREACH(all, s)
		if (s->len == rbuf_left(&body) && strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

static struct share *
share_new(struct share **all, const char *name, struct rbuf body)
{
	size_t len = rbuf_left(&body);
	struct share *s = malloc(sizeof(*s) + len);

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->all = all;
	s->len = len;
	snprintf(s->name, sizeof(s->name), "%s", name);
	memcpy(s->octets, body.p, len);
	DL_APPEND(*all, s);
	return s;
}

int
share_add(struct share **all, const char *name, struct rbuf body,
    struct evbuffer *out)
{
	struct share *s;

	if (name[0] == '\0' || rbuf_left(&body) < LEAST)
		return evbuffer_add(out, body.p, rbuf_left(&body));
	s = find(*all, name, body);
	if (s == NULL && (s = share_new(all, name, body)) == NULL)
		return -1;
	s->readers++;
	if (evbuffer_add_reference(out, s->octets, s->len, on_done, s) == 0)
		return 0;
	on_done(s->octets, s->len, s);
	return -1;
}
