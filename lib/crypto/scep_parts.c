/* What SCEP messages carry; the interface is in scep.h. */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/provider.h>

#include "base/text.h"
#include "crypto/der.h"
#include "crypto/scep_int.h"

/* -------------------------------------------------------------------- CMS */

struct secret *
scep_cms_der(CMS_ContentInfo *cms)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);
	struct secret *s = len > 0 ? secret_copy(der, (size_t)len) : NULL;

	OPENSSL_free(der);
	return s;
}

CMS_ContentInfo *
scep_cms_parse(struct rbuf der, int nid, struct err *e)
{
	const unsigned char *p = der.p;
	CMS_ContentInfo *cms;

	if (rbuf_left(&der) > SCEP_MAX)
		return err_null(err_set(e, EFBIG, "CMS of %zu octets, %u are "
		    "the most", rbuf_left(&der), SCEP_MAX));
	cms = d2i_CMS_ContentInfo(NULL, &p, (long)rbuf_left(&der));
	if (cms != NULL && p == der.end &&
	    OBJ_obj2nid(CMS_get0_type(cms)) == nid)
		return cms;
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return err_null(err_set(e, EBADMSG, "not CMS %s",
	    nid == NID_pkcs7_signed ? "SignedData" : "EnvelopedData"));
}

/* --------------------------------------------------------------- envelope */

bool
scep_open_legacy(void)
{
	static OSSL_PROVIDER *legacy;

	/* The legacy one draws random octets from the default one, which it
	 * does not see when that was not loaded by name before. */
	if (legacy == NULL && OSSL_PROVIDER_load(NULL, "default") != NULL)
		legacy = OSSL_PROVIDER_load(NULL, "legacy");
	ERR_clear_error();
	return legacy != NULL;
}

/* RFC 8894, 3.5.2: AES-128-CBC is what all know; longer keys do no harm. */
static int
check_cipher(CMS_ContentInfo *cms, struct scep_algs algs, struct err *e)
{
	static const int taken[] = { NID_aes_128_cbc, NID_aes_192_cbc,
	    NID_aes_256_cbc };
	PKCS7 *seen = NULL;
	unsigned char *der = NULL;
	const unsigned char *p;
	int nid = NID_undef, len = i2d_CMS_ContentInfo(cms, &der);
	size_t i;

	/* CMS keeps the algorithm to itself; PKCS#7 reads the same octets. */
	p = der;
	if (len > 0 && (seen = d2i_PKCS7(NULL, &p, len)) != NULL &&
	    PKCS7_type_is_enveloped(seen) && seen->d.enveloped != NULL)
		nid = OBJ_obj2nid(seen->d.enveloped->enc_data->algorithm->
		    algorithm);
	PKCS7_free(seen);
	OPENSSL_free(der);
	ERR_clear_error();
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (nid == taken[i])
			return 0;
	if (algs.legacy && (nid == NID_des_ede3_cbc ||
	    (nid == NID_des_cbc && scep_open_legacy())))
		return 0;
	return err_set(e, ENOTSUP, "envelope: cipher %s, which %s",
	    nid == NID_undef ? "that is unknown" : OBJ_nid2sn(nid),
	    nid != NID_des_ede3_cbc && nid != NID_des_cbc ? "we do not take" :
	    algs.legacy ? "OpenSSL has not, without its legacy provider" :
	    "is weak: --legacy allows it");
}

static int
check_recipient(CMS_ContentInfo *cms, const X509 *cert, struct err *e)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);
	CMS_RecipientInfo *ri;

	if (sk_CMS_RecipientInfo_num(all) != 1)
		return err_set(e, EBADMSG, "envelope: not for exactly one");
	ri = sk_CMS_RecipientInfo_value(all, 0);
	if (CMS_RecipientInfo_type(ri) != CMS_RECIPINFO_TRANS)
		return err_set(e, ENOTSUP, "envelope: not for an RSA key");
	if (CMS_RecipientInfo_ktri_cert_cmp(ri, (X509 *)(uintptr_t)cert) != 0)
		return err_set(e, ENOENT, "envelope: it is encrypted to "
		    "another certificate");
	return 0;
}

struct secret *
scep_decrypt(const struct secret *envelope, const X509 *cert, EVP_PKEY *key,
    struct scep_algs algs, struct err *e)
{
	CMS_ContentInfo *cms = scep_cms_parse(rbuf_of(envelope->b,
	    envelope->len), NID_pkcs7_enveloped, e);
	BIO *out = BIO_new(BIO_s_secmem());
	struct secret *s = NULL;
	char *p;
	long len;

	if (cms == NULL || out == NULL)
		goto out;
	if (check_recipient(cms, cert, e) < 0 ||
	    check_cipher(cms, algs, e) < 0)
		goto out;
	/* Without the certificate, OpenSSL goes on with a random key when the
	 * padding is wrong, so that nobody learns that (RFC 3218). */
	if (CMS_decrypt(cms, key, NULL, NULL, out, CMS_BINARY) == 1 &&
	    (len = BIO_get_mem_data(out, &p)) > 0)
		s = secret_copy(p, (size_t)len);
	else
		err_set(e, EBADMSG, "envelope: it does not decrypt");
out:
	ERR_clear_error();
	CMS_ContentInfo_free(cms);
	BIO_free(out);
	return s;
}

/* ------------------------------------------------------------- degenerate */

int
scep_certs(struct rbuf der, struct cert_set *out, struct err *e)
{
	STACK_OF(X509) *all;
	CMS_ContentInfo *cms;
	int i, rc = 0;

	if (cert_set_add_der(out, der, NULL) == 0)
		return 0;
	if ((cms = scep_cms_parse(der, NID_pkcs7_signed, e)) == NULL)
		return err_set(e, EBADMSG, "neither a certificate nor CMS with "
		    "certificates");
	all = CMS_get1_certs(cms);
	if (sk_X509_num(all) <= 0)
		rc = err_set(e, EBADMSG, "CMS without a certificate");
	for (i = 0; rc == 0 && i < sk_X509_num(all); i++) {
		unsigned char *one = NULL;
		int len = i2d_X509(sk_X509_value(all, i), &one);

		rc = len <= 0 ? err_set(e, ENOMEM, "certificate") :
		    cert_set_add_der(out, rbuf_of(one, (size_t)len), e);
		OPENSSL_free(one);
	}
	sk_X509_pop_free(all, X509_free);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return rc;
}

struct secret *
scep_crl(struct rbuf der, struct err *e)
{
	CMS_ContentInfo *cms = scep_cms_parse(der, NID_pkcs7_signed, e);
	STACK_OF(X509_CRL) *all;
	unsigned char *one = NULL;
	struct secret *s = NULL;
	int len;

	if (cms == NULL)
		return NULL;
	all = CMS_get1_crls(cms);
	if (sk_X509_CRL_num(all) <= 0)
		err_set(e, EBADMSG, "CMS without a revocation list");
	else if ((len = i2d_X509_CRL(sk_X509_CRL_value(all, 0), &one)) <= 0 ||
	    (s = secret_copy(one, (size_t)len)) == NULL)
		err_set(e, ENOMEM, "revocation list");
	OPENSSL_free(one);
	sk_X509_CRL_pop_free(all, X509_CRL_free);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return s;
}

/* RFC 8894, 3.4: SignedData without signers; content type data, no content. */
struct secret *
scep_degenerate(X509 *const *certs, X509_CRL *crl, struct err *e)
{
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_BINARY |
	    CMS_PARTIAL | CMS_DETACHED);
	struct secret *s = NULL;
	int ok = cms != NULL;

	for (; ok && *certs != NULL; certs++)
		ok = CMS_add1_cert(cms, *certs) == 1;
	if (ok && (crl == NULL || CMS_add1_crl(cms, crl) == 1))
		s = scep_cms_der(cms);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	if (s == NULL)
		err_set(e, ENOMEM, "CMS with certificates");
	return s;
}

/* --------------------------------------------------- who, and which number */

/* SEQUENCE of two encoded parts; both are freed. */
static struct secret *
sequence(unsigned char *a, int a_len, unsigned char *b, int b_len,
    struct err *e)
{
	int body = a_len + b_len;
	struct secret *s = NULL;
	unsigned char *p;

	if (a_len > 0 && b_len > 0 && (s = secret_new((size_t)
	    ASN1_object_size(1, body, V_ASN1_SEQUENCE))) != NULL) {
		struct wbuf w;

		p = s->b;
		ASN1_put_object(&p, 1, body, V_ASN1_SEQUENCE,
		    V_ASN1_UNIVERSAL);
		w = wbuf_of(p, (size_t)body);
		wbuf_put(&w, a, (size_t)a_len);
		wbuf_put(&w, b, (size_t)b_len);
	} else
		err_set(e, ENOMEM, "SCEP: issuer");
	OPENSSL_free(a);
	OPENSSL_free(b);
	ERR_clear_error();
	return s;
}

struct secret *
scep_subject_make(const X509_NAME *issuer, const X509_NAME *subject,
    struct err *e)
{
	unsigned char *a = NULL, *b = NULL;
	int a_len = i2d_X509_NAME(issuer, &a);
	int b_len = i2d_X509_NAME(subject, &b);

	return sequence(a, a_len, b, b_len, e);
}

struct secret *
scep_serial_make(const X509 *cert, struct err *e)
{
	unsigned char *a = NULL, *b = NULL;
	int a_len = i2d_X509_NAME(X509_get_issuer_name(cert), &a);
	int b_len = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &b);

	return sequence(a, a_len, b, b_len, e);
}

static X509_NAME *
parse_name(struct rbuf *in, struct err *e)
{
	struct rbuf content, whole;
	const unsigned char *p;
	X509_NAME *n;

	if (der_next(in, &content, &whole, e) != DER_SEQUENCE)
		return NULL;
	p = whole.p;
	n = d2i_X509_NAME(NULL, &p, (long)rbuf_left(&whole));
	if (n != NULL && p == whole.end)
		return n;
	X509_NAME_free(n);
	ERR_clear_error();
	return NULL;
}

static int
parse_done(const struct scep_which *w, struct rbuf in, struct rbuf body,
    bool ok, struct err *e)
{
	if (ok && w->issuer != NULL && rbuf_done(&in) && rbuf_done(&body))
		return 0;
	return err_set(e, EBADMSG, "SCEP: what names a certificate is "
	    "malformed");
}

int
scep_subject_parse(struct rbuf der, struct scep_which *w, struct err *e)
{
	struct rbuf body = { .p = NULL };

	memset(w, 0, sizeof(*w));
	if (der_check(der, e) == 0 &&
	    der_want(&der, DER_SEQUENCE, &body, e) == 0 &&
	    (w->issuer = parse_name(&body, e)) != NULL)
		w->subject = parse_name(&body, e);
	return parse_done(w, der, body, w->subject != NULL, e);
}

int
scep_serial_parse(struct rbuf der, struct scep_which *w, struct err *e)
{
	struct rbuf body = { .p = NULL }, number = { .p = NULL };

	memset(w, 0, sizeof(*w));
	if (der_check(der, e) == 0 &&
	    der_want(&der, DER_SEQUENCE, &body, e) == 0 &&
	    (w->issuer = parse_name(&body, e)) != NULL &&
	    der_want(&body, DER_INTEGER, &number, e) == 0) {
		if (rbuf_left(&number) > 1 && number.p[0] == 0)
			rbuf_skip(&number, 1);
		if (2 * rbuf_left(&number) < sizeof(w->serial))
			text_hex(number.p, rbuf_left(&number), w->serial,
			    sizeof(w->serial));
	}
	return parse_done(w, der, body, w->serial[0] != '\0', e);
}

void
scep_which_fini(struct scep_which *w)
{
	X509_NAME_free(w->issuer);
	X509_NAME_free(w->subject);
	memset(w, 0, sizeof(*w));
}
