/*
 * ECDSA on P-256 by one key again and again: a CA's.  The sum of two products
 * that verifies is u1 G + u2 Q; OpenSSL has a table of multiples of G, and makes
 * one of Q's when Q is a generator.  Then the second product takes a sixth of
 * the time.  It is put where OpenSSL provides for it, behind all that reads and
 * checks certificates and signatures.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/quick.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#define OFTEN_MOST	(2 * QUICK_OFTEN) /* remembered; others wear it off */
#define OFTEN_KEYS	2	/* tables, of 150 KB each */
#define POINT_LEN	65	/* octets, not compressed */

typedef int (*verify_fn)(const unsigned char *hash, int len,
    const ECDSA_SIG *sig, EC_KEY *k);

static struct often {
	uint8_t		 octets[POINT_LEN];
	unsigned	 times;
	EC_POINT	*point;		/* NULL: not yet often enough */
	EC_GROUP	*group;		/* where it is the generator */
} often[OFTEN_KEYS];

static EC_GROUP *p256;
static verify_fn plain;			/* OpenSSL's */

/* RFC 6979, 2.3.2: the leftmost bits of the hash, as many as n has. */
static bool
scalars(const unsigned char *hash, int len, const ECDSA_SIG *sig, BIGNUM *u1,
    BIGNUM *u2, BN_CTX *ctx)
{
	const BIGNUM *n = EC_GROUP_get0_order(p256);
	const BIGNUM *r = ECDSA_SIG_get0_r(sig), *s = ECDSA_SIG_get0_s(sig);
	int most = BN_num_bytes(n);

	if (BN_is_zero(r) || BN_is_negative(r) || BN_ucmp(r, n) >= 0 ||
	    BN_is_zero(s) || BN_is_negative(s) || BN_ucmp(s, n) >= 0)
		return false;
	return BN_mod_inverse(u2, s, n, ctx) != NULL &&
	    BN_bin2bn(hash, len < most ? len : most, u1) != NULL &&
	    BN_mod_mul(u1, u1, u2, n, ctx) == 1 &&
	    BN_mod_mul(u2, r, u2, n, ctx) == 1;
}

/* FIPS 186-5, 6.4.2. */
static int
verify_often(const struct often *o, const unsigned char *hash, int len,
    const ECDSA_SIG *sig)
{
	const BIGNUM *n = EC_GROUP_get0_order(p256);
	EC_POINT *a = EC_POINT_new(p256), *b = EC_POINT_new(o->group);
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *u1, *u2, *x;
	int ok = 0;

	BN_CTX_start(ctx);
	u1 = BN_CTX_get(ctx);
	u2 = BN_CTX_get(ctx);
	x = BN_CTX_get(ctx);
	if (a != NULL && b != NULL && x != NULL &&
	    scalars(hash, len, sig, u1, u2, ctx) &&
	    EC_POINT_mul(p256, a, u1, NULL, NULL, ctx) == 1 &&
	    EC_POINT_mul(o->group, b, u2, NULL, NULL, ctx) == 1 &&
	    EC_POINT_add(p256, a, a, b, ctx) == 1 &&
	    EC_POINT_get_affine_coordinates(p256, a, x, NULL, ctx) == 1 &&
	    BN_nnmod(x, x, n, ctx) == 1)
		ok = BN_ucmp(x, ECDSA_SIG_get0_r(sig)) == 0;
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	EC_POINT_free(a);
	EC_POINT_free(b);
	return ok;
}

static int
verify(const unsigned char *hash, int len, const ECDSA_SIG *sig, EC_KEY *k)
{
	const EC_GROUP *g = EC_KEY_get0_group(k);
	const EC_POINT *q = EC_KEY_get0_public_key(k);
	size_t i;

	if (g != NULL && q != NULL && sig != NULL &&
	    EC_GROUP_get_curve_name(g) == NID_X9_62_prime256v1)
		for (i = 0; i < OFTEN_KEYS; i++)
			if (often[i].point != NULL && EC_POINT_cmp(p256,
			    often[i].point, q, NULL) == 0)
				return verify_often(&often[i], hash, len, sig);
	return plain(hash, len, sig, k);
}

void
quick_often_begin(void)
{
	EC_KEY_METHOD *m = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	int (*whole)(int, const unsigned char *, int, const unsigned char *,
	    int, EC_KEY *);

	p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	if (m == NULL || p256 == NULL) {
		EC_KEY_METHOD_free(m);
		return;
	}
	EC_KEY_METHOD_get_verify(m, &whole, &plain);
	EC_KEY_METHOD_set_verify(m, whole, verify);
	EC_KEY_set_default_method(m);
}

static void
forget(struct often *o)
{
	EC_GROUP_free(o->group);
	EC_POINT_free(o->point);
	memset(o, 0, sizeof(*o));
}

static void
make_table(struct often *o)
{
	const BIGNUM *n = EC_GROUP_get0_order(p256);

	o->group = EC_GROUP_dup(p256);
	o->point = EC_POINT_new(p256);
	if (o->group == NULL || o->point == NULL || EC_POINT_oct2point(p256,
	    o->point, o->octets, POINT_LEN, NULL) != 1 ||
	    EC_GROUP_set_generator(o->group, o->point, n,
	    BN_value_one()) != 1 ||
	    EC_GROUP_precompute_mult(o->group, NULL) != 1)
		forget(o);
	ERR_clear_error();
}

void
quick_often(struct rbuf point)
{
	struct often *o = NULL;
	size_t i;

	if (p256 == NULL || rbuf_left(&point) != POINT_LEN ||
	    point.p[0] != POINT_CONVERSION_UNCOMPRESSED)
		return;
	for (i = 0; i < OFTEN_KEYS; i++) {
		if (memcmp(often[i].octets, point.p, POINT_LEN) == 0) {
			often[i].times += often[i].times < OFTEN_MOST;
			if (often[i].times >= QUICK_OFTEN &&
			    often[i].point == NULL)
				make_table(&often[i]);
			return;
		}
		if (o == NULL || often[i].times < o->times)
			o = &often[i];
	}
	if (o->times > 0 && --o->times > 0)
		return;
	forget(o);
	rbuf_copy(&point, o->octets, POINT_LEN);
	o->times = 1;
}
