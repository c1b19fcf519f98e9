#include "pki_proof.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>

#include "pki_issue_int.h"

#define HASH_LEN	32
#define TEXT_LEN	(sizeof(PKI_PROOF_LABEL) + 2 * HASH_LEN)
#define SIGNATURE_MAX	1024

static int
text_of(EVP_PKEY *key, X509 *old, uint8_t out[TEXT_LEN])
{
	uint8_t *at = out + sizeof(PKI_PROOF_LABEL);
	unsigned char *der = NULL;
	int len = key == NULL ? -1 : i2d_PUBKEY(key, &der), ok;
	unsigned n = HASH_LEN;

	memcpy(out, PKI_PROOF_LABEL, sizeof(PKI_PROOF_LABEL));
	ok = len > 0 && EVP_Digest(der, (size_t)len, at, NULL, EVP_sha256(),
	    NULL) == 1 && X509_digest(old, EVP_sha256(), at + HASH_LEN,
	    &n) == 1;
	OPENSSL_free(der);
	return ok ? 0 : -1;
}

int
pki_proof_add(X509_REQ *r, EVP_PKEY *old_key, X509 *old, struct err *e)
{
	uint8_t text[TEXT_LEN], sig[SIGNATURE_MAX];
	ASN1_OBJECT *oid = OBJ_txt2obj(PKI_PROOF_OID, 1);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t len = sizeof(sig);
	int ok = oid != NULL && c != NULL &&
	    text_of(X509_REQ_get0_pubkey(r), old, text) == 0 &&
	    EVP_DigestSignInit(c, NULL, pki_issue_md(old_key), NULL,
	    old_key) == 1 &&
	    EVP_DigestSign(c, sig, &len, text, sizeof(text)) == 1 &&
	    X509_REQ_add1_attr_by_OBJ(r, oid, V_ASN1_OCTET_STRING, sig,
	    (int)len) == 1;

	EVP_MD_CTX_free(c);
	ASN1_OBJECT_free(oid);
	ERR_clear_error();
	return ok ? 0 : err_set(e, EIO, "the old key signs nothing");
}

/* The one value of the attribute; NULL: there is none; bad: it is no such. */
static ASN1_OCTET_STRING *
value_of(X509_REQ *r, bool *bad)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(PKI_PROOF_OID, 1);
	int at = oid == NULL ? -1 : X509_REQ_get_attr_by_OBJ(r, oid, -1);
	X509_ATTRIBUTE *a = at < 0 ? NULL : X509_REQ_get_attr(r, at);
	ASN1_OCTET_STRING *s = a == NULL || X509_ATTRIBUTE_count(a) != 1 ?
	    NULL : X509_ATTRIBUTE_get0_data(a, 0, V_ASN1_OCTET_STRING, NULL);

	*bad = at >= 0 && s == NULL;
	ASN1_OBJECT_free(oid);
	return s;
}

int
pki_proof_check(X509_REQ *r, X509 *old, struct err *e)
{
	EVP_PKEY *key = X509_get0_pubkey(old);
	EVP_PKEY *next = X509_REQ_get0_pubkey(r);
	uint8_t text[TEXT_LEN];
	EVP_MD_CTX *c;
	bool bad;
	ASN1_OCTET_STRING *s = value_of(r, &bad);
	int ok = 0;

	if (s == NULL && !bad)
		return key != NULL && next != NULL &&
		    EVP_PKEY_eq(key, next) == 1;
	c = EVP_MD_CTX_new();
	ok = !bad && c != NULL && key != NULL &&
	    text_of(next, old, text) == 0 &&
	    EVP_DigestVerifyInit(c, NULL, pki_issue_md(key), NULL,
	    key) == 1 && EVP_DigestVerify(c, ASN1_STRING_get0_data(s),
	    (size_t)ASN1_STRING_length(s), text, sizeof(text)) == 1;
	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return ok ? 1 : err_set(e, EPERM, "request: its proof of the old key "
	    "does not verify");
}
