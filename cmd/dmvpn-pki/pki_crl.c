/* Certificate revocation lists; the interface is in pki_issue.h. */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"
#include "pki_issue_int.h"

/* RFC 5280, 5.3.1 */
static const struct {
	const char	*text;
	int		 code;
} reasons[] = {
	{ "unspecified", 0 }, { "key-compromise", 1 }, { "ca-compromise", 2 },
	{ "affiliation-changed", 3 }, { "superseded", 4 }, { "cessation", 5 },
	{ PKI_HOLD, 6 },
};
#define N_REASONS (sizeof(reasons) / sizeof(reasons[0]))

static size_t
reason_find(const char *why)
{
	size_t i = 0;

	while (i < N_REASONS && strcmp(reasons[i].text, why) != 0)
		i++;
	return i;
}

int
pki_reason_check(const char *why, struct err *e)
{
	return reason_find(why) < N_REASONS ? 0 : err_set(e, EINVAL,
	    "reason \"%s\" is none of " PKI_REASONS, why);
}

const char *
pki_reason_of(const X509_REVOKED *r)
{
	ASN1_ENUMERATED *code = X509_REVOKED_get_ext_d2i(r, NID_crl_reason,
	    NULL, NULL);
	long v = code == NULL ? 0 : ASN1_ENUMERATED_get(code);
	size_t i = 0;

	ASN1_ENUMERATED_free(code);
	while (i < N_REASONS && reasons[i].code != v)
		i++;
	return reasons[i < N_REASONS ? i : 0].text;
}

/* 0 is left out, as RFC 5280 asks. */
static int
add_reason(X509_REVOKED *r, const char *why)
{
	ASN1_ENUMERATED *code;
	size_t i = reason_find(why);
	int ok;

	if (i == N_REASONS || reasons[i].code == 0)
		return 1;
	code = ASN1_ENUMERATED_new();
	ok = code != NULL && ASN1_ENUMERATED_set(code, reasons[i].code) == 1 &&
	    X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, code, 0, 0) == 1;
	ASN1_ENUMERATED_free(code);
	return ok;
}

static int
add_revoked(X509_CRL *crl, const struct pki_revoked *v)
{
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_TIME *at = ASN1_TIME_adj(NULL, 0, (int)(v->at / 86400),
	    (long)(v->at % 86400));
	BIGNUM *bn = NULL;
	ASN1_INTEGER *serial = NULL;
	int ok = r != NULL && at != NULL && BN_hex2bn(&bn, v->serial) > 0 &&
	    (serial = BN_to_ASN1_INTEGER(bn, NULL)) != NULL &&
	    X509_REVOKED_set_serialNumber(r, serial) == 1 &&
	    X509_REVOKED_set_revocationDate(r, at) == 1 &&
	    add_reason(r, v->why) && X509_CRL_add0_revoked(crl, r) == 1;

	if (!ok)
		X509_REVOKED_free(r);
	ASN1_INTEGER_free(serial);
	BN_free(bn);
	ASN1_TIME_free(at);
	return ok;
}

static int
set_times(X509_CRL *crl, int64_t now, int64_t next)
{
	ASN1_TIME *a = ASN1_TIME_adj(NULL, 0, (int)(now / 86400),
	    (long)(now % 86400));
	ASN1_TIME *b = ASN1_TIME_adj(NULL, 0, (int)(next / 86400),
	    (long)(next % 86400));
	int ok = a != NULL && b != NULL &&
	    X509_CRL_set1_lastUpdate(crl, a) == 1 &&
	    X509_CRL_set1_nextUpdate(crl, b) == 1;

	ASN1_TIME_free(a);
	ASN1_TIME_free(b);
	return ok;
}

static int
add_extensions(X509_CRL *crl, const struct pki_ca *ca, uint64_t number)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	X509V3_CTX ctx;
	X509_EXTENSION *ext = NULL;
	int ok = n != NULL && ASN1_INTEGER_set_uint64(n, number) == 1 &&
	    X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;

	X509V3_set_ctx(&ctx, ca->cert, NULL, NULL, crl, 0);
	ok = ok && (ext = X509V3_EXT_conf_nid(NULL, &ctx,
	    NID_authority_key_identifier, "keyid:always")) != NULL &&
	    X509_CRL_add_ext(crl, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	ASN1_INTEGER_free(n);
	return ok;
}

/* RFC 5280, 5.2.5: critical */
static int
add_scope(X509_CRL *crl, const char *url)
{
	ISSUING_DIST_POINT *p = ISSUING_DIST_POINT_new();
	int ok = p != NULL && (p->distpoint = pki_issue_point(url)) != NULL &&
	    X509_CRL_add1_ext_i2d(crl, NID_issuing_distribution_point, p, 1,
	    X509V3_ADD_DEFAULT) == 1;

	ISSUING_DIST_POINT_free(p);
	return ok;
}

X509_CRL *
pki_issue_crl(const struct pki_ca *ca, uint64_t number, int64_t now,
    int64_t next, const struct pki_revoked *v, size_t n, struct err *e)
{
	return pki_issue_crl_part(ca, NULL, number, now, next, v, n, e);
}

X509_CRL *
pki_issue_crl_part(const struct pki_ca *ca, const char *url, uint64_t number,
    int64_t now, int64_t next, const struct pki_revoked *v, size_t n,
    struct err *e)
{
	X509_CRL *crl = X509_CRL_new();
	int ok = crl != NULL &&
	    X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	    X509_CRL_set_issuer_name(crl,
	    X509_get_subject_name(ca->cert)) == 1 &&
	    set_times(crl, now, next) && add_extensions(crl, ca, number) &&
	    (url == NULL || add_scope(crl, url));
	size_t i;

	for (i = 0; ok && i < n; i++)
		ok = add_revoked(crl, &v[i]);
	ok = ok && X509_CRL_sort(crl) == 1 &&
	    X509_CRL_sign(crl, ca->key, pki_issue_md(ca->key)) > 0;
	if (!ok) {
		X509_CRL_free(crl);
		crl = NULL;
		err_set(e, EIO, "OpenSSL makes no CRL: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	}
	ERR_clear_error();
	return crl;
}
