#include "pki_ring_staple.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/ocsp.h"
#include "msg/msg.h"
#include "pki_ring_crl.h"

#define STAGE	"ocsp"

/* Read it as about this identity's certificate: whichever CA of it is the
 * issuer. */
static int
judge(const struct pki_entry *n, struct rbuf der, int64_t wall,
    struct ocsp_word *out, struct err *e)
{
	const struct cert_set *sets[] = { &n->chain, &n->anchors };
	struct ocsp_ask ask = { .leaf = n->chain.v[0], .at = wall };
	size_t i, k;

	for (i = 0; i < 2; i++)
		for (k = i == 0; k < sets[i]->n; k++) {
			ask.issuer = sets[i]->v[k];
			err_clear(e);
			if (ocsp_read(der, &ask, out, e) == 0)
				return 0;
			if (e->code != ENOENT)
				return -1;
		}
	return err_set(e, ENOENT, "OCSP: the response is about another "
	    "certificate");
}

static int
check(const struct pki_entry *n, const struct ocsp_word *w, struct err *e)
{
	if (w->state == OCSP_REVOKED)
		return err_set(e, EKEYREVOKED, "the CA has revoked our own "
		    "certificate");
	if (w->state != OCSP_GOOD)
		return err_set(e, EINVAL, "the responder does not know our "
		    "certificate");
	if (n->staple != NULL && w->made < n->staple_made)
		return err_set(e, ESTALE, "a newer response is loaded");
	return 0;
}

static int
put(struct pki_entry *n, struct rbuf der, const struct ocsp_word *w,
    struct err *e)
{
	struct secret *copy = secret_copy(der.p, rbuf_left(&der));

	if (copy == NULL)
		return err_set(e, ENOMEM, "out of memory");
	secret_free(n->staple);
	n->staple = copy;
	n->staple_made = w->made;
	n->staple_next = w->next;
	return 0;
}

int
pki_ring_staple(struct pki_ring *r, const struct pki_staple_load *m,
    int64_t wall, struct pki_crl_done *done, struct reason *why)
{
	bool named = m->identity[0] != '\0';
	struct pki_entry *n;
	struct ocsp_word w;
	struct err e = { 0 };

	done->n = 0;
	for (n = r->entries; n != NULL; n = n->next) {
		if (n->method != PKI_METHOD_CERTIFICATE ||
		    (named && strcmp(n->name, m->identity) != 0))
			continue;
		err_clear(&e);
		if (judge(n, m->data, wall, &w, &e) < 0 && !named &&
		    e.code == ENOENT)
			continue;
		if (e.code != 0 || check(n, &w, &e) < 0 ||
		    put(n, m->data, &w, &e) < 0)
			break;
		snprintf(done->names[done->n++], sizeof(done->names[0]), "%s",
		    n->name);
	}
	if (n == NULL && done->n > 0)
		return 0;
	if (e.code == 0)
		err_set(&e, ENOENT, named ? "there is no identity of that name "
		    "with a certificate" : "no identity has that certificate");
	reason_set(why, STAGE, pki_ring_code(&e), "%.300s", e.msg);
	return -1;
}

bool
pki_ring_stapled(const struct pki_entry *n, int64_t wall)
{
	int64_t end = n->staple_next == INT64_MAX ?
	    n->staple_made + OCSP_OLD : n->staple_next;

	return n->staple != NULL && end > wall;
}

void
pki_ring_staple_inherit(struct pki_entry *to, struct pki_entry *from)
{
	if (to->chain.n == 0 || from->chain.n == 0 || from->staple == NULL ||
	    !cert_equal(to->chain.v[0], from->chain.v[0]))
		return;
	to->staple = from->staple;
	to->staple_made = from->staple_made;
	to->staple_next = from->staple_next;
	from->staple = NULL;
}
