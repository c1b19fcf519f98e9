/* What stands in a certificate. */
#include "crypto/cert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/date.h"
#include "base/text.h"

const struct name cert_key_names[] = { CERT_KEYS(NAME_ROW) NAME_END };

enum cert_key
cert_pkey_kind(const EVP_PKEY *k)
{
	char group[32] = "";

	if (k == NULL)
		return CERT_KEY_OTHER;
	switch (EVP_PKEY_get_base_id(k)) {
	case EVP_PKEY_RSA:
		return CERT_KEY_RSA;
	case EVP_PKEY_ED25519:
		return CERT_KEY_ED25519;
	case EVP_PKEY_EC:
		if (EVP_PKEY_get_group_name(k, group, sizeof(group),
		    NULL) != 1)
			return CERT_KEY_OTHER;
		return strcmp(group, "prime256v1") == 0 ? CERT_KEY_P256 :
		    strcmp(group, "secp384r1") == 0 ? CERT_KEY_P384 :
		    strcmp(group, "secp521r1") == 0 ? CERT_KEY_P521 :
		    CERT_KEY_OTHER;
	default:
		return CERT_KEY_OTHER;
	}
}

enum cert_key
cert_key_kind(const struct cert *c)
{
	return cert_pkey_kind(X509_get0_pubkey(cert_x509(c)));
}

int
cert_key_bits(const struct cert *c)
{
	const EVP_PKEY *k = X509_get0_pubkey(cert_x509(c));

	return k == NULL ? 0 : EVP_PKEY_get_bits(k);
}

static const char *
name_print(const X509_NAME *n, char *out, size_t out_len)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (out_len > 0)
		out[0] = '\0';
	if (b != NULL && X509_NAME_print_ex(b, n, 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(b, &text);
		snprintf(out, out_len, "%.*s", (int)len, text);
	}
	BIO_free(b);
	ERR_clear_error();
	return out;
}

const char *
cert_subject(const struct cert *c, char *out, size_t out_len)
{
	return name_print(X509_get_subject_name(cert_x509(c)), out, out_len);
}

const char *
cert_issuer(const struct cert *c, char *out, size_t out_len)
{
	return name_print(X509_get_issuer_name(cert_x509(c)), out, out_len);
}

const char *
cert_serial(const struct cert *c, char *out, size_t out_len)
{
	const ASN1_INTEGER *s = X509_get0_serialNumber(cert_x509(c));

	return text_hex(ASN1_STRING_get0_data(s),
	    (size_t)ASN1_STRING_length(s), out, out_len);
}

bool
cert_self_issued(const struct cert *c)
{
	const X509 *x = cert_x509(c);

	return X509_NAME_cmp(X509_get_subject_name(x),
	    X509_get_issuer_name(x)) == 0;
}

bool
cert_self_signed(const struct cert *c)
{
	bool yes = X509_self_signed((X509 *)(uintptr_t)cert_x509(c), 1) == 1;

	ERR_clear_error();
	return yes;
}

bool
cert_is_ca(const struct cert *c)
{
	BASIC_CONSTRAINTS *bc = X509_get_ext_d2i(cert_x509(c),
	    NID_basic_constraints, NULL, NULL);
	bool ca = bc != NULL && bc->ca;

	BASIC_CONSTRAINTS_free(bc);
	ERR_clear_error();
	return ca;
}

static int64_t
seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	if (tm.tm_year == 9999 - 1900 && tm.tm_mon == 11 && tm.tm_mday == 31)
		return INT64_MAX;
	return date_seconds(&tm);
}

int64_t
cert_not_before(const struct cert *c)
{
	return seconds_of(X509_get0_notBefore(cert_x509(c)));
}

int64_t
cert_not_after(const struct cert *c)
{
	return seconds_of(X509_get0_notAfter(cert_x509(c)));
}

void
cert_fingerprint(const struct cert *c, uint8_t out[32])
{
	struct rbuf der = cert_der(c);

	SHA256(der.p, rbuf_left(&der), out);
}

void
cert_key_hash(const struct cert *c, uint8_t out[20])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert_x509(c)), &der);

	memset(out, 0, 20);
	if (len > 0)
		SHA1(der, (size_t)len, out);
	OPENSSL_free(der);
}

/* ------------------------------------------------------------ identities */

/* 0 and *id, or -1 for names that are no identity. */
static int
ident_of_general(const GENERAL_NAME *g, struct ident *id)
{
	const ASN1_STRING *s = NULL;
	unsigned char *der = NULL;
	uint8_t type = 0;
	int len, rc;

	switch (g->type) {
	case GEN_DNS:
		s = g->d.dNSName;
		type = IDENT_FQDN;
		break;
	case GEN_EMAIL:
		s = g->d.rfc822Name;
		type = IDENT_EMAIL;
		break;
	case GEN_IPADD:
		s = g->d.iPAddress;
		type = ASN1_STRING_length(s) == 4 ? IDENT_IPV4 : IDENT_IPV6;
		break;
	case GEN_DIRNAME:
		if ((len = i2d_X509_NAME(g->d.directoryName, &der)) <= 0)
			return -1;
		rc = ident_of(IDENT_DN, rbuf_of(der, (size_t)len), id, NULL);
		OPENSSL_free(der);
		return rc;
	default:
		return -1;
	}
	return ident_of(type, rbuf_of(ASN1_STRING_get0_data(s),
	    (size_t)ASN1_STRING_length(s)), id, NULL);
}

static int
subject_ident(const struct cert *c, struct ident *id)
{
	unsigned char *der = NULL;
	int rc, len = i2d_X509_NAME(X509_get_subject_name(cert_x509(c)),
	    &der);

	if (len <= 0)
		return -1;
	rc = ident_of(IDENT_DN, rbuf_of(der, (size_t)len), id, NULL);
	OPENSSL_free(der);
	return rc;
}

int
cert_each_ident(const struct cert *c,
    int (*fn)(void *arg, const struct ident *id), void *arg)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert_x509(c),
	    NID_subject_alt_name, NULL, NULL);
	struct ident id;
	int i, rc = 0;

	for (i = 0; rc == 0 && i < sk_GENERAL_NAME_num(names); i++)
		if (ident_of_general(sk_GENERAL_NAME_value(names, i),
		    &id) == 0)
			rc = fn(arg, &id);
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	if (rc == 0 && subject_ident(c, &id) == 0)
		rc = fn(arg, &id);
	return rc;
}

static int
take_first(void *arg, const struct ident *id)
{
	*(struct ident *)arg = *id;
	return 1;
}

int
cert_ident(const struct cert *c, struct ident *id, struct err *e)
{
	if (cert_each_ident(c, take_first, id) == 1)
		return 0;
	return err_set(e, ENOENT, "the certificate names nobody");
}

static int
is_same(void *arg, const struct ident *id)
{
	const struct ident *const *wanted = arg;

	return ident_equal(*wanted, id);
}

bool
cert_has_ident(const struct cert *c, const struct ident *id)
{
	const struct ident *wanted = id;

	return cert_each_ident(c, is_same, &wanted) == 1;
}
