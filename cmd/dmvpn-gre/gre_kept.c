#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gre.h"

/* Those of an owner alone; there are three of us and the user's. */
#define SHARED	16
static struct gre_kept *shared[SHARED];

static struct gre_kept *
kept_new(size_t len, struct err *e)
{
	struct gre_kept *k = calloc(1, offsetof(struct gre_kept, text) + len);

	if (k == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	k->users = 1;
	return k;
}

static struct gre_kept *
shared_find(const char *owner)
{
	size_t i;

	for (i = 0; i < SHARED; i++)
		if (shared[i] != NULL && strcmp(shared[i]->text, owner) == 0)
			return shared[i];
	return NULL;
}

/* It is shared from now on, if there is a place for it. */
static void
share(struct gre_kept *k)
{
	size_t i;

	for (i = 0; i < SHARED; i++)
		if (shared[i] == NULL) {
			shared[i] = k;
			return;
		}
}

void
gre_kept_release(struct gre_kept *k)
{
	size_t i;

	if (k == NULL || --k->users > 0)
		return;
	for (i = 0; i < SHARED; i++)
		if (shared[i] == k)
			shared[i] = NULL;
	free(k);
}

static void
put_blob(struct gre_kept *k, struct wbuf *w, struct rbuf blob)
{
	k->blob_at = (uint16_t)w->len;
	k->blob_len = (uint8_t)rbuf_left(&blob);
	wbuf_put_rbuf(w, &blob);
}

struct gre_kept *
gre_kept_new(const char *owner, struct rbuf blob, struct err *e)
{
	const size_t len = strlen(owner) + 1 + rbuf_left(&blob);
	const bool alone = rbuf_left(&blob) == 0;
	struct gre_kept *k = alone ? shared_find(owner) : NULL;
	struct wbuf w;

	if (k != NULL) {
		k->users++;
		return k;
	}
	if ((k = kept_new(len, e)) == NULL)
		return NULL;
	w = wbuf_of(k->text, len);
	wbuf_put(&w, owner, strlen(owner) + 1);
	put_blob(k, &w, blob);
	if (alone)
		share(k);
	return k;
}

struct gre_kept *
gre_kept_peer(const struct gre_peer_set *m, struct err *e)
{
	size_t len = strlen(m->owner) + strlen(m->name) + 2 +
	    rbuf_left(&m->blob), i;
	struct gre_kept *k;
	struct wbuf w;

	for (i = 0; i < m->n_denied; i++)
		len += strlen(m->denied[i]) + 1;
	if ((k = kept_new(len, e)) == NULL)
		return NULL;
	w = wbuf_of(k->text, len);
	wbuf_put(&w, m->owner, strlen(m->owner) + 1);
	k->name_at = (uint8_t)w.len;
	wbuf_put(&w, m->name, strlen(m->name) + 1);
	k->denied_at = (uint8_t)w.len;
	k->n_denied = (uint8_t)m->n_denied;
	for (i = 0; i < m->n_denied; i++)
		wbuf_put(&w, m->denied[i], strlen(m->denied[i]) + 1);
	put_blob(k, &w, m->blob);
	return k;
}

const char *
gre_owner(const struct gre_kept *k)
{
	return k->text;
}

const char *
gre_name(const struct gre_kept *k)
{
	return k->name_at == 0 ? "" : &k->text[k->name_at];
}

const char *
gre_denied(const struct gre_kept *k, const char *at)
{
	const char *next = at == NULL ? &k->text[k->denied_at] :
	    strchr(at, '\0') + 1;

	return k->n_denied == 0 || next == &k->text[k->blob_at] ? NULL : next;
}

struct rbuf
gre_blob(const struct gre_kept *k)
{
	return rbuf_of(&k->text[k->blob_at], k->blob_len);
}

void
gre_peer_conf(const struct gre_peer_entry *p, struct gre_peer_set *m)
{
	const char *at = NULL;

	memset(m, 0, sizeof(*m));
	m->peer = p->number;
	m->encap = p->conf.encap;
	m->remote = p->conf.remote;
	m->local = p->conf.local;
	m->keepalive = p->conf.keepalive;
	m->rate = p->conf.rate;
	m->fixed = p->conf.fixed;
	(void)memccpy(m->owner, gre_owner(p->kept), '\0',
	    sizeof(m->owner) - 1);
	(void)memccpy(m->name, gre_name(p->kept), '\0', sizeof(m->name) - 1);
	while ((at = gre_denied(p->kept, at)) != NULL)
		(void)memccpy(m->denied[m->n_denied++], at, '\0',
		    sizeof(m->denied[0]) - 1);
	m->blob = gre_blob(p->kept);
}
