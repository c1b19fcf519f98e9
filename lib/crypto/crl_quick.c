#include "crypto/crl_int.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "crypto/der.h"

/* The key whose signature was found good. */
struct verified {
	uint8_t	key[32];
	int	good;
};

static int
on_init(X509_CRL *x)
{
	X509_CRL_set_meth_data(x, calloc(1, sizeof(struct verified)));
	return X509_CRL_get_meth_data(x) != NULL;
}

static int
on_free(X509_CRL *x)
{
	free(X509_CRL_get_meth_data(x));
	X509_CRL_set_meth_data(x, NULL);
	return 1;
}

/* The signed octets, with their tag and length, of an encoded list. */
static int
signed_part(struct rbuf der, struct rbuf *out)
{
	struct rbuf all, content;

	return der_want(&der, DER_SEQUENCE, &all, NULL) < 0 ||
	    der_next(&all, &content, out, NULL) != DER_SEQUENCE ? -1 : 0;
}

/* As X509_CRL_verify, which belongs to OpenSSL's own methods. */
static int
verify(X509_CRL *x, EVP_PKEY *key)
{
	const ASN1_BIT_STRING *signature;
	const X509_ALGOR *algorithm;
	unsigned char *der = NULL;
	ASN1_STRING *octets = ASN1_STRING_type_new(V_ASN1_SEQUENCE);
	ASN1_TYPE *any = ASN1_TYPE_new();
	int rc = -1, len = i2d_X509_CRL(x, &der);
	struct rbuf tbs;

	X509_CRL_get0_signature(x, &signature, &algorithm);
	if (len > 0 && octets != NULL && any != NULL &&
	    signed_part(rbuf_of(der, (size_t)len), &tbs) == 0 &&
	    ASN1_STRING_set(octets, tbs.p, (int)rbuf_left(&tbs)) == 1) {
		ASN1_TYPE_set(any, V_ASN1_SEQUENCE, octets);
		octets = NULL;			/* any has it */
		rc = ASN1_item_verify(ASN1_ITEM_rptr(ASN1_ANY), algorithm,
		    signature, any, key);
	}
	ASN1_TYPE_free(any);
	ASN1_STRING_free(octets);
	OPENSSL_free(der);
	return rc;
}

static int
on_verify(X509_CRL *x, EVP_PKEY *key)
{
	struct verified *v = X509_CRL_get_meth_data(x);
	unsigned char *der = NULL;
	uint8_t hash[32];
	int rc, len = i2d_PUBKEY(key, &der);

	if (len <= 0)
		return -1;
	SHA256(der, (size_t)len, hash);
	OPENSSL_free(der);
	if (v->good && memcmp(v->key, hash, sizeof(hash)) == 0)
		return 1;
	if ((rc = verify(x, key)) == 1) {
		memcpy(v->key, hash, sizeof(hash));
		v->good = 1;
	}
	return rc;
}

/* 1 revoked, 2 no more, 0 not listed.  Lists that speak for other issuers are
 * refused before (no extended CRL support). */
static int
on_lookup(X509_CRL *x, X509_REVOKED **out, const ASN1_INTEGER *serial,
    const X509_NAME *issuer)
{
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(x);
	X509_REVOKED *asked = X509_REVOKED_new(), *found = NULL;
	ASN1_ENUMERATED *why;
	int at = -1;

	(void)issuer;
	if (asked != NULL && all != NULL && X509_REVOKED_set_serialNumber(
	    asked, (ASN1_INTEGER *)(uintptr_t)serial) == 1)
		at = sk_X509_REVOKED_find(all, asked);
	X509_REVOKED_free(asked);
	if (at < 0)
		return 0;
	found = sk_X509_REVOKED_value(all, at);
	if (out != NULL)
		*out = found;
	why = X509_REVOKED_get_ext_d2i(found, NID_crl_reason, NULL, NULL);
	at = why != NULL &&
	    ASN1_ENUMERATED_get(why) == CRL_REASON_REMOVE_FROM_CRL ? 2 : 1;
	ASN1_ENUMERATED_free(why);
	return at;
}

X509_CRL *
crl_quick_parse(const unsigned char **p, long len)
{
	static X509_CRL_METHOD *methods;
	STACK_OF(X509_REVOKED) *all;
	X509_CRL *x;

	if (methods == NULL && (methods = X509_CRL_METHOD_new(on_init,
	    on_free, on_lookup, on_verify)) == NULL)
		return NULL;
	X509_CRL_set_default_method(methods);
	x = d2i_X509_CRL(NULL, p, len);
	X509_CRL_set_default_method(NULL);
	if (x != NULL && (all = X509_CRL_get_REVOKED(x)) != NULL)
		sk_X509_REVOKED_sort(all);
	return x;
}
