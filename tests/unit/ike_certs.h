#ifndef IKE_CERTS_H
#define IKE_CERTS_H

/* A CA and leaves for the simulator, made on the spot. */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "ike_sim.h"

struct test_ca {
	EVP_PKEY	*key;
	X509		*cert;
	uint8_t		*der;
	int		 der_len;
};

static const EVP_MD *test_digest;	/* of signatures; NULL: SHA-256 */

static inline EVP_PKEY *
test_key(const char *kind)
{
	EVP_PKEY *k;

	if (strcmp(kind, "rsa") == 0)
		k = EVP_RSA_gen(2048);
	else if (strcmp(kind, "ed25519") == 0)
		k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else
		k = EVP_EC_gen(kind);
	assert_non_null(k);
	return k;
}

static inline void
test_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static inline X509 *
test_cert(EVP_PKEY *key, const char *cn, X509 *issuer, EVP_PKEY *by,
    const char *san, const char *blocks, long from, long until)
{
	X509 *x = X509_new();
	X509_NAME *name;
	static long serial = 1;
	bool ed = EVP_PKEY_base_id(by) == EVP_PKEY_ED25519;

	assert_non_null(x);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	ASN1_TIME_set(X509_getm_notBefore(x), SIM_WALL + from);
	ASN1_TIME_set(X509_getm_notAfter(x), SIM_WALL + until);
	name = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, issuer != NULL ?
	    X509_get_subject_name(issuer) : name);
	X509_set_pubkey(x, key);
	test_extension(x, issuer != NULL ? issuer : x,
	    NID_basic_constraints, issuer == NULL ? "critical,CA:TRUE" :
	    "critical,CA:FALSE");
	test_extension(x, issuer != NULL ? issuer : x, NID_key_usage,
	    issuer == NULL ? "critical,keyCertSign,cRLSign" :
	    "critical,digitalSignature");
	test_extension(x, issuer != NULL ? issuer : x,
	    NID_subject_key_identifier, "hash");
	if (issuer != NULL)
		test_extension(x, issuer, NID_authority_key_identifier,
		    "keyid");
	if (san != NULL)
		test_extension(x, issuer, NID_subject_alt_name, san);
	if (blocks != NULL)
		test_extension(x, issuer != NULL ? issuer : x,
		    NID_sbgp_ipAddrBlock, blocks);
	assert_true(X509_sign(x, by, ed ? NULL :
	    test_digest != NULL ? test_digest : EVP_sha256()) > 0);
	return x;
}

static inline struct test_ca
test_ca_new(const char *cn)
{
	struct test_ca ca = { .key = test_key("P-256") };

	ca.cert = test_cert(ca.key, cn, NULL, ca.key, NULL,
	    "IPv4:0.0.0.0/0,IPv6:0::/0", -86400, 86400 * 365);
	ca.der_len = i2d_X509(ca.cert, &ca.der);
	assert_true(ca.der_len > 0);
	return ca;
}

static inline void
test_ca_free(struct test_ca *ca)
{
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
	OPENSSL_free(ca->der);
}

/* Give a node a key, a certificate for its name, and the CA as anchor. */
static inline void
test_enrol(struct sim_node *n, struct test_ca *ca, const char *kind,
    const char *san, const char *blocks, long from, long until)
{
	EVP_PKEY *key = test_key(kind);
	X509 *x = test_cert(key, n->id, ca->cert, ca->key, san, blocks, from,
	    until);
	uint8_t *der = NULL, *pkcs8 = NULL;
	int len = i2d_X509(x, &der), key_len;
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
	struct err e;

	assert_true(len > 0 && p8 != NULL);
	key_len = i2d_PKCS8_PRIV_KEY_INFO(p8, &pkcs8);
	n->key = sign_key_parse(rbuf_of(pkcs8, (size_t)key_len), &e);
	assert_non_null(n->key);
	n->chain[0] = rbuf_of(der, (size_t)len);
	n->n_chain = 1;
	n->anchors[0] = rbuf_of(ca->der, (size_t)ca->der_len);
	n->n_anchors = 1;
	PKCS8_PRIV_KEY_INFO_free(p8);
	OPENSSL_free(pkcs8);
	X509_free(x);
	EVP_PKEY_free(key);
}

static inline void
test_leave(struct sim_node *n)
{
	OPENSSL_free((void *)(uintptr_t)n->chain[0].p);
	n->chain[0].p = NULL;
}

/* Two nodes of one CA; what is wrong with one of them is up to the test. */
static inline struct sim *
test_enrolled(struct test_ca *ca, uint64_t seed, const char *blocks)
{
	struct sim *s = sim_new(2, seed, NULL);

	test_enrol(&s->n[0], ca, "P-256", "DNS:a.example.org", blocks, -60,
	    86400);
	test_enrol(&s->n[1], ca, "P-256", "DNS:b.example.org", blocks, -60,
	    86400);
	return s;
}

static inline void
test_left(struct sim *s)
{
	test_leave(&s->n[0]);
	test_leave(&s->n[1]);
	sim_free(s);
}

#endif
