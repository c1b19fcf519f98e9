#include "crypto/cert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/der.h"
#include "crypto/quick.h"

struct cert {
	unsigned	 refs;
	X509		*x;
	unsigned char	*der;
	size_t		 len;
};

struct cert *
cert_of_x509(X509 *x, struct err *e)
{
	struct cert *c;
	int len;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return err_null(err_set(e, ENOMEM, "certificate"));
	if ((len = i2d_X509(x, &c->der)) <= 0 || X509_up_ref(x) != 1) {
		OPENSSL_free(c->der);
		free(c);
		ERR_clear_error();
		return err_null(err_set(e, ENOMEM, "certificate"));
	}
	c->len = (size_t)len;
	c->x = x;
	c->refs = 1;
	/* Fills OpenSSL's cache of extensions, once. */
	(void)X509_check_purpose(x, -1, 0);
	ERR_clear_error();
	return c;
}

static int
check(struct rbuf der, struct err *e)
{
	if (rbuf_left(&der) > CERT_MAX)
		return err_set(e, EBADMSG, "certificate of %zu octets, %d are "
		    "the most", rbuf_left(&der), CERT_MAX);
	if (der_check_cert(der, e) < 0)
		return err_in(e, "certificate");
	return 0;
}

static X509 *
read_in(OSSL_LIB_CTX *ctx, struct rbuf der)
{
	const unsigned char *p = der.p;
	X509 *at = X509_new_ex(ctx, NULL);

	if (at != NULL && (d2i_X509(&at, &p, (long)rbuf_left(&der)) == NULL ||
	    p != der.end)) {
		X509_free(at);
		at = NULL;
	}
	ERR_clear_error();
	return at;
}

static struct cert *
take(X509 *x, struct err *e)
{
	struct cert *c;

	if (x == NULL)
		return err_null(err_set(e, EBADMSG, "certificate: not X.509"));
	c = cert_of_x509(x, e);
	X509_free(x);
	return c;
}

struct cert *
cert_parse(struct rbuf der, struct err *e)
{
	return check(der, e) < 0 ? NULL : take(read_in(quick_ctx(), der), e);
}

/* The key of what OpenSSL has read as subjectPublicKeyInfo. */
static int
set_key(X509 *x)
{
	uint8_t room[CERT_MAX], *to = room;
	X509_PUBKEY *from = X509_get_X509_PUBKEY(x);
	int rc = -1, len = i2d_X509_PUBKEY(from, NULL);
	struct rbuf der, spki;
	EVP_PKEY *k;

	if (len <= 0 || len > CERT_MAX || i2d_X509_PUBKEY(from, &to) != len)
		return -1;
	der = rbuf_of(room, (size_t)len);
	if (der_want(&der, DER_SEQUENCE, &spki, NULL) < 0 ||
	    (k = quick_key(spki)) == NULL)
		return -1;
	if (X509_set_pubkey(x, k) == 1)
		rc = 0;
	EVP_PKEY_free(k);
	return rc;
}

/* NULL: its key is not of a kind that can be read so. */
static X509 *
read_quick(struct rbuf der)
{
	X509 *x;

	if (quick_keyless() == NULL ||
	    (x = read_in(quick_keyless(), der)) == NULL)
		return NULL;
	if (set_key(x) == 0)
		return x;
	X509_free(x);
	return NULL;
}

struct cert *
cert_parse_leaf(struct rbuf der, struct err *e)
{
	X509 *x;

	if (check(der, e) < 0)
		return NULL;
	if ((x = read_quick(der)) == NULL)
		x = read_in(quick_ctx(), der);
	return take(x, e);
}

void
cert_free(struct cert *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	X509_free(c->x);
	OPENSSL_free(c->der);
	free(c);
}

struct cert *
cert_ref(struct cert *c)
{
	c->refs++;
	return c;
}

struct rbuf
cert_der(const struct cert *c)
{
	return rbuf_of(c->der, c->len);
}

const X509 *
cert_x509(const struct cert *c)
{
	return c->x;
}

bool
cert_equal(const struct cert *a, const struct cert *b)
{
	struct rbuf x = cert_der(a), y = cert_der(b);

	return rbuf_equal(&x, &y);
}

/* ------------------------------------------------------------------ sets */

int
cert_set_add(struct cert_set *s, struct cert *c, struct err *e)
{
	if (s->n == CERT_SET_MAX)
		return err_set(e, ENOSPC, "more than %d certificates",
		    CERT_SET_MAX);
	s->v[s->n++] = cert_ref(c);
	return 0;
}

int
cert_set_add_der(struct cert_set *s, struct rbuf der, struct err *e)
{
	struct cert *c = cert_parse(der, e);
	int rc;

	if (c == NULL)
		return -1;
	rc = cert_set_add(s, c, e);
	cert_free(c);
	return rc;
}

void
cert_set_fini(struct cert_set *s)
{
	while (s->n > 0)
		cert_free(s->v[--s->n]);
}

static bool
is_cert_block(const char *name)
{
	return strcmp(name, PEM_STRING_X509) == 0 ||
	    strcmp(name, PEM_STRING_X509_OLD) == 0;
}

int
cert_set_add_pem(struct cert_set *s, const char *pem, size_t len,
    struct err *e)
{
	char *name, *header;
	unsigned char *der;
	size_t before = s->n;
	long der_len;
	BIO *b;
	int rc = 0;

	if (len > CERT_PEM_MAX)
		return err_set(e, EFBIG, "%zu octets of PEM, %d are the most",
		    len, CERT_PEM_MAX);
	if ((b = BIO_new_mem_buf(pem, (int)len)) == NULL)
		return err_set(e, ENOMEM, "PEM");
	while (rc == 0 &&
	    PEM_read_bio(b, &name, &header, &der, &der_len) == 1) {
		if (is_cert_block(name))
			rc = cert_set_add_der(s, rbuf_of(der, (size_t)der_len),
			    e);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)der_len);
	}
	BIO_free(b);
	ERR_clear_error();
	if (rc == 0 && s->n == before)
		rc = err_set(e, EBADMSG, "no certificate in PEM");
	while (rc < 0 && s->n > before)
		cert_free(s->v[--s->n]);
	return rc;
}
