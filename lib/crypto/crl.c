/* Certificate revocation lists; the interface is in cert.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto/cert.h"
#include "crypto/der.h"

struct crl {
	X509_CRL	*x;
};

struct crl *
crl_parse(struct rbuf der, struct err *e)
{
	const unsigned char *p = der.p;
	struct crl *c;
	struct rbuf in = der, content;

	if (rbuf_left(&der) > CRL_MAX)
		return err_null(err_set(e, EBADMSG, "CRL of %zu octets, %d "
		    "are the most", rbuf_left(&der), CRL_MAX));
	if (der_want(&in, DER_SEQUENCE, &content, e) < 0 ||
	    der_check(der, e) < 0)
		return err_null(err_in(e, "CRL"));
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return err_null(err_set(e, ENOMEM, "CRL"));
	c->x = d2i_X509_CRL(NULL, &p, (long)rbuf_left(&der));
	if (c->x == NULL || p != der.end) {
		crl_free(c);
		ERR_clear_error();
		return err_null(err_set(e, EBADMSG, "CRL: not X.509"));
	}
	return c;
}

void
crl_free(struct crl *c)
{
	if (c == NULL)
		return;
	X509_CRL_free(c->x);
	free(c);
}

const X509_CRL *
crl_x509(const struct crl *c)
{
	return c->x;
}

int
crl_set_add_der(struct crl_set *s, struct rbuf der, struct err *e)
{
	struct crl *c;

	if (s->n == CRL_SET_MAX)
		return err_set(e, ENOSPC, "more than %d CRLs", CRL_SET_MAX);
	if ((c = crl_parse(der, e)) == NULL)
		return -1;
	s->v[s->n++] = c;
	return 0;
}

int
crl_set_add_pem(struct crl_set *s, const char *pem, size_t len,
    struct err *e)
{
	char *name, *header;
	unsigned char *der;
	size_t before = s->n;
	long der_len;
	BIO *b;
	int rc = 0;

	if (len > 2 * (size_t)CRL_MAX)
		return err_set(e, EFBIG, "%zu octets of PEM", len);
	if ((b = BIO_new_mem_buf(pem, (int)len)) == NULL)
		return err_set(e, ENOMEM, "PEM");
	while (rc == 0 &&
	    PEM_read_bio(b, &name, &header, &der, &der_len) == 1) {
		if (strcmp(name, PEM_STRING_X509_CRL) == 0)
			rc = crl_set_add_der(s, rbuf_of(der, (size_t)der_len),
			    e);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)der_len);
	}
	BIO_free(b);
	ERR_clear_error();
	if (rc == 0 && s->n == before)
		rc = err_set(e, EBADMSG, "no CRL in PEM");
	while (rc < 0 && s->n > before)
		crl_free(s->v[--s->n]);
	return rc;
}

void
crl_set_fini(struct crl_set *s)
{
	while (s->n > 0)
		crl_free(s->v[--s->n]);
}
