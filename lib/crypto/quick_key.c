/* Public keys in the encodings that nearly all have.  OpenSSL 3.0 calls the
 * functions for a key of one kind deprecated; those that took their place look
 * for the kind first, and make the curve anew for each key. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/quick.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "crypto/der.h"

#define OCTETS(text) sizeof(text) - 1, text

/* AlgorithmIdentifier: RFC 5480, 2.1.1; RFC 3279, 2.3.1. */
static const struct kind {
	int		 curve;		/* NID_undef: RSA */
	size_t		 point;		/* octets, not compressed */
	size_t		 len;
	const char	*alg;
} kinds[] = {
	{ NID_X9_62_prime256v1, 65, OCTETS("\x06\x07\x2a\x86\x48\xce\x3d\x02"
	  "\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07") },
	{ NID_secp384r1, 97, OCTETS("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
	  "\x06\x05\x2b\x81\x04\x00\x22") },
	{ NID_secp521r1, 133, OCTETS("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
	  "\x06\x05\x2b\x81\x04\x00\x23") },
	{ NID_undef, 0, OCTETS("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
	  "\x05\x00") },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* A curve is made once; keys copy it. */
static const EC_GROUP *
curve(size_t i)
{
	static EC_GROUP *made[N_KINDS];

	if (made[i] == NULL)
		made[i] = EC_GROUP_new_by_curve_name(kinds[i].curve);
	return made[i];
}

/* OpenSSL looks whether the point is on the curve. */
static EVP_PKEY *
ec_key(size_t i, struct rbuf point)
{
	EVP_PKEY *k = EVP_PKEY_new();
	EC_KEY *ec = EC_KEY_new();

	if (k != NULL && ec != NULL && curve(i) != NULL &&
	    EC_KEY_set_group(ec, curve(i)) == 1 &&
	    EC_KEY_oct2key(ec, point.p, rbuf_left(&point), NULL) == 1 &&
	    EVP_PKEY_assign_EC_KEY(k, ec) == 1)
		return k;
	EC_KEY_free(ec);
	EVP_PKEY_free(k);
	return NULL;
}

static EVP_PKEY *
rsa_key(struct rbuf bits)
{
	struct rbuf modulus, exponent;
	EVP_PKEY *k = EVP_PKEY_new();
	BIGNUM *n = NULL, *e = NULL;
	RSA *rsa = RSA_new();

	if (k != NULL && rsa != NULL &&
	    der_check_rsa(bits, &modulus, &exponent, NULL) == 0 &&
	    (n = BN_bin2bn(modulus.p, (int)rbuf_left(&modulus),
	    NULL)) != NULL &&
	    (e = BN_bin2bn(exponent.p, (int)rbuf_left(&exponent),
	    NULL)) != NULL && RSA_set0_key(rsa, n, e, NULL) == 1) {
		n = e = NULL;		/* rsa has them */
		if (EVP_PKEY_assign_RSA(k, rsa) == 1)
			return k;
	}
	BN_free(n);
	BN_free(e);
	RSA_free(rsa);
	EVP_PKEY_free(k);
	return NULL;
}

static EVP_PKEY *
key_of(size_t i, struct rbuf bits)
{
	struct rbuf point = bits;

	if (kinds[i].curve == NID_undef)
		return rsa_key(bits);
	if (rbuf_u8(&point) != 0 || rbuf_left(&point) != kinds[i].point ||
	    point.p[0] != POINT_CONVERSION_UNCOMPRESSED)
		return NULL;
	return ec_key(i, point);
}

EVP_PKEY *
quick_key(struct rbuf spki)
{
	struct rbuf alg, bits;
	EVP_PKEY *k = NULL;
	size_t i;

	if (der_want(&spki, DER_SEQUENCE, &alg, NULL) < 0 ||
	    der_want(&spki, DER_BITS, &bits, NULL) < 0 || !rbuf_done(&spki))
		return NULL;
	for (i = 0; i < N_KINDS && k == NULL; i++)
		if (rbuf_left(&alg) == kinds[i].len &&
		    memcmp(alg.p, kinds[i].alg, kinds[i].len) == 0)
			k = key_of(i, bits);
	ERR_clear_error();
	return k;
}

int
quick_verify(EVP_PKEY *k, struct rbuf hash, struct rbuf sig)
{
	const EC_KEY *ec;

	if (EVP_PKEY_get0_provider(k) != NULL ||
	    EVP_PKEY_get_base_id(k) != EVP_PKEY_EC ||
	    (ec = EVP_PKEY_get0_EC_KEY(k)) == NULL)
		return -1;
	return ECDSA_verify(0, hash.p, (int)rbuf_left(&hash), sig.p,
	    (int)rbuf_left(&sig), (EC_KEY *)(uintptr_t)ec) == 1;
}
