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
	uint64_t	 partition;
	int64_t		 revoked;	/* how many then, in all */
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
	X509_free(d->ra);
	EVP_PKEY_free(d->ra_key);
}

/* In a transaction: the number is a new one. */
static X509_CRL *
build(struct desk *d, struct desk_crl *c, int64_t now, struct err *e)
{
	struct pki_store_ca ca;

	if (pki_store_ca(d->store, &ca, e) < 0)
		return NULL;
	return pki_points_crl(d->store, &d->ca, ca.generation,
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

static struct desk_crl *
make(struct desk *d, uint64_t partition, int64_t revoked, int64_t now,
    struct err *e)
{
	struct desk_crl *c = calloc(1, sizeof(*c));
	X509_CRL *crl = NULL;
	int rc = -1;

	if (c == NULL)
		return err_null(err_set(e, ENOMEM, "revocation list"));
	c->partition = partition;
	c->revoked = revoked;
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

/* The newest of this partition; NULL with e. */
static const struct desk_crl *
find(struct desk *d, uint64_t partition, int64_t now, struct err *e)
{
	struct desk_crl *old, *c;
	struct pki_stamp stamp;

	if (pki_store_stamp(d->store, &stamp, e) < 0)
		return NULL;
	LL_FOREACH(d->crls, old)
		if (old->partition == partition)
			break;
	if (old != NULL && old->revoked == stamp.revoked &&
	    now >= old->made && now < (old->made + old->until) / 2)
		return old;
	if ((c = make(d, partition, stamp.revoked, now, e)) == NULL)
		return NULL;
	if (old != NULL)
		LL_DELETE(d->crls, old);
	list_free(old);
	LL_PREPEND(d->crls, c);
	return c;
}

/* "3.crl" of "/ca-3.crl"; only as many as there are. */
static int
take_partition(struct desk *d, const char *rest, int64_t now, uint64_t *out,
    struct err *e)
{
	struct pki_store_ca ca;
	size_t len = strlen(rest);
	char number[16];
	unsigned n;

	*out = 0;
	if (rest[0] == '\0')
		return 0;
	if (pki_store_ca(d->store, &ca, e) < 0 ||
	    pki_points_count(d->store, ca.generation, now, &n, e) < 0)
		return -1;
	if (len < 5 || len > sizeof(number) + 3 ||
	    strcmp(rest + len - 4, ".crl") != 0 || n == 0)
		return err_set(e, ENOENT, "there is no such list");
	snprintf(number, sizeof(number), "%.*s", (int)len - 4, rest);
	return num_parse(number, 1, n, out, e);
}

void
desk_crl(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	const struct desk_crl *c;
	uint64_t partition;

	(void)body;
	if (take_partition(d, a->rest, now, &partition, &r->why) < 0) {
		desk_refuse(r, 404, &r->why);
		return;
	}
	if ((c = find(d, partition, now, &r->why)) == NULL) {
		desk_refuse(r, 503, &r->why);
		return;
	}
	desk_say(r, TYPE, c->der->b, c->der->len);
	memcpy(r->head.etag, c->etag, sizeof(c->etag));
	r->head.made = (uint64_t)c->made;
	r->head.next = (uint64_t)c->until;
}

X509_CRL *
desk_crl_x509(struct desk *d, int64_t now, struct err *e)
{
	const struct desk_crl *c = find(d, 0, now, e);
	const unsigned char *p = c == NULL ? NULL : c->der->b;

	return c == NULL ? NULL : d2i_X509_CRL(NULL, &p, (long)c->der->len);
}
