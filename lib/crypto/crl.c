/* Certificate revocation lists; the interface is in cert.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/date.h"
#include "crypto/cert.h"
#include "crypto/crl_int.h"
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
	c->x = crl_quick_parse(&p, (long)rbuf_left(&der));
	if (c->x == NULL || p != der.end) {
		crl_free(c);
		ERR_clear_error();
		return err_null(err_set(e, EBADMSG, "CRL: not X.509"));
	}
	/* In the place of a whole one it would let in whom that revokes. */
	if (X509_CRL_get_ext_by_NID(c->x, NID_delta_crl, -1) >= 0) {
		crl_free(c);
		return err_null(err_set(e, EBADMSG, "CRL: a delta list, which "
		    "tells changes alone; the whole one is wanted"));
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

/* ------------------------------------------------------------- to look at */

static int64_t
seconds(const ASN1_TIME *t, int64_t none)
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return none;
	return date_seconds(&tm);
}

/* Which part of the issuer's certificates it speaks of (RFC 5280, 5.2.5); a
 * list that has no such extension speaks of all. */
static int
hash_scope(X509_CRL *x, EVP_MD_CTX *md)
{
	int at = X509_CRL_get_ext_by_NID(x, NID_issuing_distribution_point,
	    -1);
	const ASN1_OCTET_STRING *o = at < 0 ? NULL :
	    X509_EXTENSION_get_data(X509_CRL_get_ext(x, at));

	return o == NULL || EVP_DigestUpdate(md, ASN1_STRING_get0_data(o),
	    (size_t)ASN1_STRING_length(o)) == 1;
}

/* Its name, the key identifier if it has one, its scope. */
static int
hash_issuer(X509_CRL *x, uint8_t out[32])
{
	AUTHORITY_KEYID *akid = X509_CRL_get_ext_d2i(x,
	    NID_authority_key_identifier, NULL, NULL);
	unsigned char *der = NULL;
	int ok, len = i2d_X509_NAME(X509_CRL_get_issuer(x), &der);
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	ok = len > 0 && md != NULL &&
	    EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(md, der, (size_t)len) == 1 &&
	    (akid == NULL || akid->keyid == NULL || EVP_DigestUpdate(md,
	    ASN1_STRING_get0_data(akid->keyid),
	    (size_t)ASN1_STRING_length(akid->keyid)) == 1) &&
	    hash_scope(x, md) && EVP_DigestFinal_ex(md, out, NULL) == 1;
	EVP_MD_CTX_free(md);
	OPENSSL_free(der);
	AUTHORITY_KEYID_free(akid);
	return ok ? 0 : -1;
}

int
crl_info(const struct crl *c, struct crl_info *out, struct err *e)
{
	ASN1_INTEGER *n = X509_CRL_get_ext_d2i(c->x, NID_crl_number, NULL,
	    NULL);
	int len = n == NULL ? 0 : ASN1_STRING_length(n), rc = 0;

	memset(out, 0, sizeof(*out));
	if (n != NULL && (ASN1_STRING_type(n) != V_ASN1_INTEGER ||
	    len > (int)sizeof(out->number)))
		rc = err_set(e, EBADMSG, "CRL: its number is negative or "
		    "over 20 octets");
	else if (len > 0)
		memcpy(out->number + sizeof(out->number) - len,
		    ASN1_STRING_get0_data(n), (size_t)len);
	if (rc == 0 && hash_issuer(c->x, out->issuer) < 0)
		rc = err_set(e, ENOMEM, "CRL");
	out->made = seconds(X509_CRL_get0_lastUpdate(c->x), 0);
	out->next = seconds(X509_CRL_get0_nextUpdate(c->x), INT64_MAX);
	ASN1_INTEGER_free(n);
	ERR_clear_error();
	return rc;
}

int
crl_issued_by(const struct crl *c, const struct cert *ca)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(ca);
	AUTHORITY_KEYID *akid;
	int rc;

	if (X509_NAME_cmp(X509_CRL_get_issuer(c->x),
	    X509_get_subject_name(x)) != 0)
		return 0;
	akid = X509_CRL_get_ext_d2i(c->x, NID_authority_key_identifier, NULL,
	    NULL);
	rc = akid != NULL && X509_check_akid(x, akid) != X509_V_OK ? 0 :
	    X509_CRL_verify(c->x, X509_get0_pubkey(x)) == 1 ? 1 : -1;
	AUTHORITY_KEYID_free(akid);
	ERR_clear_error();
	return rc;
}

bool
crl_has(const struct crl *c, const struct cert *x)
{
	X509 *one = (X509 *)(uintptr_t)cert_x509(x);
	X509_REVOKED *row = NULL;

	return X509_NAME_cmp(X509_CRL_get_issuer(c->x),
	    X509_get_issuer_name(one)) == 0 &&
	    X509_CRL_get0_by_cert(c->x, &row, one) == 1;
}
