/* Revocation lists as they are served; the interface is in pki_desk.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <utlist.h>

#include "base/num.h"
#include "base/text.h"
#include "pki_desk.h"
#include "pki_points.h"

#define DAY		86400
#define TYPE		"application/pkix-crl"

/* One that is served until something is revoked or its time is half over. */
struct desk_crl {
	struct desk_crl	*next;
	int64_t		 generation;	/* of the key */
	uint64_t	 partition;
	int64_t		 changes;		/* of pki_store_changes, then */
	int64_t		 made, until;
	char		 etag[80];
	struct secret	*der;
};

static void
list_free(struct desk_crl *c)
{
	if (c != NULL)
		secret_free(c->der);
	free(c);
}

void
desk_fini(struct desk *d)
{
	struct desk_crl *c, *more;

	LL_FOREACH_SAFE(d->crls, c, more)
		list_free(c);
	d->crls = NULL;
	desk_forget_keys(d);
}

/* The key of this generation; NULL: it signs no more. */
static const struct pki_ca *
key_of(const struct desk *d, int64_t generation)
{
	size_t i;

	for (i = 0; i < d->n_cas; i++)
		if (d->generations[i] == generation)
			return &d->cas[i];
	return NULL;
}

/* In a transaction: the number is a new one. */
static X509_CRL *
build(struct desk *d, struct desk_crl *c, int64_t now, struct err *e)
{
	const struct pki_ca *ca = key_of(d, c->generation);

	if (ca == NULL)
		return err_null(err_set(e, ENOENT, "there is no such list"));
	return pki_points_crl(d->store, ca, c->generation,
	    (unsigned)c->partition, now, c->until, e);
}

static int
fill(struct desk_crl *c, X509_CRL *crl, struct err *e)
{
	unsigned char *der = NULL;
	uint8_t hash[32];
	int len = i2d_X509_CRL(crl, &der);

	c->der = len > 0 ? secret_copy(der, (size_t)len) : NULL;
	OPENSSL_free(der);
	if (c->der == NULL || EVP_Digest(c->der->b, c->der->len, hash, NULL,
	    EVP_sha256(), NULL) != 1)
		return err_set(e, ENOMEM, "revocation list");
	c->etag[0] = '"';
	text_hex(hash, 16, c->etag + 1, sizeof(c->etag) - 2);
	c->etag[33] = '"';
	return 0;
}

/* Which list is meant. */
struct which {
	int64_t		generation;
	uint64_t	partition;	/* 0: whole */
};

static struct desk_crl *
make(struct desk *d, struct which w, int64_t changes, int64_t now,
    struct err *e)
{
	struct desk_crl *c = calloc(1, sizeof(*c));
	X509_CRL *crl = NULL;
	int rc = -1;

	if (c == NULL)
		return err_null(err_set(e, ENOMEM, "revocation list"));
	c->generation = w.generation;
	c->partition = w.partition;
	c->changes = changes;
	c->made = now;
	c->until = now + (int64_t)d->crl_days * DAY;
	if (pki_store_begin(d->store, e) == 0 &&
	    (crl = build(d, c, now, e)) != NULL && fill(c, crl, e) == 0)
		rc = pki_store_commit(d->store, e);
	pki_store_rollback(d->store);
	X509_CRL_free(crl);
	ERR_clear_error();
	if (rc < 0) {
		list_free(c);
		c = NULL;
	}
	return c;
}

/* The newest of them; NULL with e. */
static const struct desk_crl *
find(struct desk *d, struct which w, int64_t now, struct err *e)
{
	struct desk_crl *old, *c;
	int64_t changes;

	if (pki_store_changes(d->store, &changes, e) < 0)
		return NULL;
	LL_FOREACH(d->crls, old)
		if (old->generation == w.generation &&
		    old->partition == w.partition)
			break;
	if (old != NULL && old->changes == changes &&
	    now >= old->made && now < (old->made + old->until) / 2)
		return old;
	if ((c = make(d, w, changes, now, e)) == NULL)
		return NULL;
	if (old != NULL)
		LL_DELETE(d->crls, old);
	list_free(old);
	LL_PREPEND(d->crls, c);
	return c;
}

/* A number of 1 to max at *text, which is stepped over. */
static int
take_number(const char **text, uint64_t max, uint64_t *out, struct err *e)
{
	size_t len = strspn(*text, "0123456789");
	char digits[16];

	if (len == 0 || len >= sizeof(digits))
		return err_set(e, ENOENT, "there is no such list");
	snprintf(digits, sizeof(digits), "%.*s", (int)len, *text);
	*text += len;
	return num_parse(digits, 1, max, out, e);
}

/* "3.crl", "g2.crl", "g2-3.crl" of "/ca-g2-3.crl", as pki_points_name makes
 * them; "": that of the first key; only what there is. */
static int
take_which(struct desk *d, const char *rest, int64_t now, struct which *w,
    struct err *e)
{
	uint64_t generation = 1;
	bool whole = rest[0] == 'g';
	unsigned n;

	w->partition = 0;
	if (rest[0] == 'g' && (rest++, take_number(&rest, INT32_MAX,
	    &generation, e)) < 0)
		return -1;
	w->generation = (int64_t)generation;
	if (rest[0] == '-' && whole)
		rest++;
	else if (whole && strcmp(rest, ".crl") == 0)
		return 0;
	if (pki_points_count(d->store, w->generation, now, &n, e) < 0 ||
	    take_number(&rest, n, &w->partition, e) < 0)
		return -1;
	return strcmp(rest, ".crl") == 0 ? 0 : err_set(e, ENOENT,
	    "there is no such list");
}

/* "/crl": of the key that issues; "/ca.crl": of the first, as its name says. */
void
desk_crl(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	struct which w = { d->generations[0], 0 };
	const struct desk_crl *c;

	(void)body;
	if (a->rest[0] != '\0' && take_which(d, a->rest, now, &w,
	    &r->why) < 0) {
		desk_refuse(r, 404, &r->why);
		return;
	}
	if ((c = find(d, w, now, &r->why)) == NULL) {
		desk_refuse(r, r->why.code == ENOENT ? 404 : 503, &r->why);
		return;
	}
	desk_say(r, TYPE, c->der->b, c->der->len);
	memcpy(r->head.etag, c->etag, sizeof(c->etag));
	r->head.made = (uint64_t)c->made;
	r->head.next = (uint64_t)c->until;
}

void
desk_crl_first(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	struct pki_web_ask first = *a;

	snprintf(first.rest, sizeof(first.rest), "g1.crl");
	desk_crl(d, &first, body, now, r);
}

X509_CRL *
desk_crl_x509(struct desk *d, int64_t generation, int64_t now, struct err *e)
{
	const struct which w = { generation > 0 ? generation :
		d->generations[0], 0 };
	const struct desk_crl *c = find(d, w, now, e);
	const unsigned char *p = c == NULL ? NULL : c->der->b;

	return c == NULL ? NULL : d2i_X509_CRL(NULL, &p, (long)c->der->len);
}
