/* Responses about the agent's own certificates, which dmvpn-ike shows to
 * peers; `watch` keeps them fresh. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd_fetch.h"
#include "crypto/ocsp.h"
#include "pki_look.h"
#include "sys/log.h"

#define FIRST		10	/* seconds after a failure; doubled */
#define MOST		600
#define HALF		2	/* of its life, then it is replaced */

static struct ocsp_due *
due_of(struct ocsp_watch *w, const struct fetch_id *id)
{
	uint8_t print[32];
	struct ocsp_due *d = NULL;
	size_t i;

	cert_fingerprint(id->chain.v[0], print);
	for (i = 0; i < w->n && d == NULL; i++)
		if (strcmp(w->v[i].name, id->name) == 0)
			d = &w->v[i];
	if (d == NULL && w->n < sizeof(w->v) / sizeof(w->v[0]))
		d = &w->v[w->n++];
	if (d == NULL)
		return NULL;
	if (memcmp(d->print, print, sizeof(print)) != 0) {
		memset(d, 0, sizeof(*d));
		memcpy(d->name, id->name, sizeof(d->name));
		memcpy(d->print, print, sizeof(print));
	}
	return d;
}

static int
hand_over(struct conn *c, const char *name, struct rbuf der, struct err *e)
{
	struct pki_staple_load m = { .data = der };

	snprintf(m.identity, sizeof(m.identity), "%s", name);
	return conn_call(c, &pki_staple_load_type, &m, NULL, NULL, NULL, e);
}

static int
renew(const struct fetch_id *id, struct conn *c, const struct fetch_opts *o,
    int64_t now, struct ocsp_word *word, struct err *e)
{
	uint8_t octets[8192];		/* as pki-staple-load has room for */
	struct wbuf reply = wbuf_of(octets, sizeof(octets));
	struct ocsp_job j = { .leaf = id->chain.v[0], .now = now,
		.issuer = cmd_issuer_of(id->chain.v[0], &id->chain,
		&id->anchors), .seconds = o->seconds };
	char url[1024];

	if (j.issuer == NULL)
		return err_set(e, ENOENT, "its issuer is not known");
	if (cmd_ocsp_url(j.leaf, o->ocsp, url, sizeof(url), e) < 0)
		return -1;
	j.url = url;
	if (cmd_ocsp_ask(&j, &reply, word, e) < 0) {
		if (e->code != EPROTO)
			return -1;
		/* It answers with what it made before (RFC 5019). */
		err_clear(e);
		reply = wbuf_of(octets, sizeof(octets));
		j.no_nonce = true;
		if (cmd_ocsp_ask(&j, &reply, word, e) < 0)
			return -1;
	}
	return hand_over(c, id->name, wbuf_rbuf(&reply), e);
}

static int64_t
after_success(const struct ocsp_word *w, int64_t now)
{
	int64_t end = w->next == INT64_MAX ? w->made + OCSP_OLD : w->next;
	int64_t wait = (end - now) / HALF;

	return now + (wait < FIRST ? FIRST : wait);
}

static int64_t
after_failure(unsigned fails)
{
	int64_t wait = FIRST;

	while (fails-- > 1 && wait < MOST)
		wait *= 2;
	return wait < MOST ? wait : MOST;
}

static void
one(struct ocsp_due *d, const struct fetch_id *id, struct conn *c,
    const struct fetch_opts *o, int64_t now)
{
	struct ocsp_word word = { .state = OCSP_UNKNOWN };
	struct err e = { 0 };
	char end[32];

	d->asked = now;
	if (renew(id, c, o, now, &word, &e) == 0) {
		d->fails = 0;
		d->end = word.next;
		d->due = after_success(&word, now);
		pki_look_time(word.next, end);
		log_event(LEVEL_INFO, "ocsp-fetched", T("identity", id->name),
		    T("next-update", end));
		return;
	}
	d->fails++;
	d->due = now + after_failure(d->fails);
	log_event(word.state == OCSP_REVOKED || (d->end != 0 && now >= d->end) ?
	    LEVEL_ERROR : LEVEL_WARN, word.state == OCSP_REVOKED ?
	    "certificate-revoked" : "ocsp-failed", T("identity", id->name),
	    U("tries", d->fails), T("why", e.msg));
}

int64_t
cmd_ocsp_watch(struct ocsp_watch *w, struct conn *c,
    const struct fetch_ids *ids, const struct fetch_opts *o, int64_t now)
{
	int64_t next = INT64_MAX;
	struct ocsp_due *d;
	size_t i;

	for (i = 0; i < ids->n; i++) {
		if ((d = due_of(w, &ids->v[i])) == NULL)
			continue;
		if (!ids->v[i].stapled && d->fails == 0)
			d->due = 0;	/* a new agent has none */
		if (now < d->asked)
			d->due = 0;	/* the clock was ahead then */
		if (d->due <= now)
			one(d, &ids->v[i], c, o, now);
		next = d->due < next ? d->due : next;
	}
	return next;
}
