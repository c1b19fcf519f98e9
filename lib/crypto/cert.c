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

struct cert *
cert_parse(struct rbuf der, struct err *e)
{
	const unsigned char *p = der.p;
	struct cert *c;
	X509 *x, *at;

	if (rbuf_left(&der) > CERT_MAX)
		return err_null(err_set(e, EBADMSG, "certificate of %zu "
		    "octets, %d are the most", rbuf_left(&der), CERT_MAX));
	if (der_check_cert(der, e) < 0)
		return err_null(err_in(e, "certificate"));
	at = X509_new_ex(quick_ctx(), NULL);
	x = at == NULL ? NULL : d2i_X509(&at, &p, (long)rbuf_left(&der));
	if (x == NULL || p != der.end) {
		X509_free(at);
		ERR_clear_error();
		return err_null(err_set(e, EBADMSG, "certificate: not X.509"));
	}
	c = cert_of_x509(x, e);
	X509_free(x);
	return c;
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
