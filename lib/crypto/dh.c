#include "crypto/dh.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/ike_names.h"

#define X25519_LEN	32
#define EXPONENT_LEN	40	/* octets; over twice the groups' strength */

static BIGNUM *
modp1024(BIGNUM *bn)
{
	return BN_get_rfc2409_prime_1024(bn);
}

struct dh_kind {
	uint16_t	 group;
	size_t		 len;		/* of the public value */
	int		 nid;		/* curve, or */
	BIGNUM		*(*prime)(BIGNUM *);
};

static const struct dh_kind kinds[] = {
	{ IKE_GROUP_X25519, X25519_LEN, 0, NULL },
	{ IKE_GROUP_ECP256, 64, NID_X9_62_prime256v1, NULL },
	{ IKE_GROUP_ECP384, 96, NID_secp384r1, NULL },
	{ IKE_GROUP_MODP1024, 128, 0, modp1024 },
	{ IKE_GROUP_MODP1536, 192, 0, BN_get_rfc3526_prime_1536 },
	{ IKE_GROUP_MODP2048, 256, 0, BN_get_rfc3526_prime_2048 },
	{ IKE_GROUP_MODP3072, 384, 0, BN_get_rfc3526_prime_3072 },
	{ IKE_GROUP_MODP4096, 512, 0, BN_get_rfc3526_prime_4096 },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct dh {
	const struct dh_kind	*kind;
	EVP_PKEY_CTX		*raw;		/* X25519 */
	BIGNUM			*exponent;	/* the others */
	uint8_t			 public[DH_PUBLIC_MAX];
};

static const struct dh_kind *
kind_of(uint16_t group)
{
	size_t i;

	for (i = 0; i < N_KINDS; i++)
		if (kinds[i].group == group)
			return &kinds[i];
	return NULL;
}

bool
dh_known(uint16_t group)
{
	return kind_of(group) != NULL;
}

size_t
dh_public_len(uint16_t group)
{
	const struct dh_kind *k = kind_of(group);

	return k == NULL ? 0 : k->len;
}

uint16_t
dh_group(const struct dh *d)
{
	return d->kind->group;
}

struct rbuf
dh_public(const struct dh *d)
{
	return rbuf_of(d->public, d->kind->len);
}

void
dh_free(struct dh *d)
{
	if (d == NULL)
		return;
	EVP_PKEY_CTX_free(d->raw);
	BN_clear_free(d->exponent);
	free(d);
}

/* ---- X25519 ---- */

/* A key of given octets; private may be NULL.  The maker is fetched once: that
 * costs as much as some of what keys are made for. */
static EVP_PKEY *
x25519_key(const uint8_t *private, const uint8_t *public)
{
	static EVP_PKEY_CTX *maker;
	OSSL_PARAM params[3], *p = params;
	EVP_PKEY *k = NULL;

	if (maker == NULL) {
		maker = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
		if (maker != NULL && EVP_PKEY_fromdata_init(maker) != 1) {
			EVP_PKEY_CTX_free(maker);
			maker = NULL;
		}
	}
	if (maker == NULL)
		return NULL;
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
	    (void *)(uintptr_t)public, X25519_LEN);
	if (private != NULL)
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_PKEY_PARAM_PRIV_KEY, (void *)(uintptr_t)private,
		    X25519_LEN);
	*p = OSSL_PARAM_construct_end();
	if (EVP_PKEY_fromdata(maker, &k, private != NULL ? EVP_PKEY_KEYPAIR :
	    EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return k;
}

/* All octets are a point: there is nothing to check in them (RFC 7748, 5).
 * The all-zero result of a small-order point is refused (RFC 8031, 5):
 * OpenSSL's derive fails on it. */
static int
x25519_with(const struct dh *d, EVP_PKEY *public, uint8_t *out)
{
	size_t len = X25519_LEN;

	if (public != NULL &&
	    EVP_PKEY_derive_set_peer_ex(d->raw, public, 0) == 1 &&
	    EVP_PKEY_derive(d->raw, out, &len) == 1 && len == X25519_LEN)
		return 0;
	return -1;
}

static int
x25519_shared(const struct dh *d, const uint8_t *peer, uint8_t *out)
{
	EVP_PKEY *public = x25519_key(NULL, peer);
	int rc = x25519_with(d, public, out);

	EVP_PKEY_free(public);
	return rc;
}

/* OpenSSL makes the public value with slow portable code, unless it is given;
 * it is what the private one and the base point share (RFC 7748, 6.1), and
 * that is computed fast.  The base point in its place is not looked at. */
static int
x25519_make(struct dh *d, const uint8_t *seed)
{
	static const uint8_t base[X25519_LEN] = { 9 };
	static EVP_PKEY *point;
	EVP_PKEY *private = x25519_key(seed, base);

	if (point == NULL)
		point = x25519_key(NULL, base);
	if (private != NULL)
		d->raw = EVP_PKEY_CTX_new(private, NULL);
	EVP_PKEY_free(private);		/* the context has it */
	if (d->raw == NULL || EVP_PKEY_derive_init(d->raw) != 1)
		return -1;
	return x25519_with(d, point, d->public);
}

/* ---- curves: the KE payload is x | y, the secret is x (RFC 5903) ---- */

/* Groups are made once: they hold the precomputed tables. */
static const EC_GROUP *
curve_of(const struct dh_kind *k)
{
	static EC_GROUP *groups[N_KINDS];
	size_t i = (size_t)(k - kinds);

	if (groups[i] == NULL)
		groups[i] = EC_GROUP_new_by_curve_name(k->nid);
	return groups[i];
}

/* seed mod (order - 1) + 1, from 64 bits more than the order has. */
static int
curve_exponent(struct dh *d, const EC_GROUP *g, const uint8_t *seed,
    BN_CTX *ctx)
{
	BIGNUM *m = BN_dup(EC_GROUP_get0_order(g));
	int rc = -1;

	d->exponent = BN_bin2bn(seed, (int)(d->kind->len / 2 + 8), NULL);
	if (m != NULL && d->exponent != NULL && BN_sub_word(m, 1) == 1 &&
	    BN_mod(d->exponent, d->exponent, m, ctx) == 1 &&
	    BN_add_word(d->exponent, 1) == 1)
		rc = 0;
	if (d->exponent != NULL)
		BN_set_flags(d->exponent, BN_FLG_CONSTTIME);
	BN_free(m);
	return rc;
}

static int
curve_make(struct dh *d, const uint8_t *seed)
{
	const EC_GROUP *g = curve_of(d->kind);
	uint8_t octets[1 + DH_PUBLIC_MAX];
	BN_CTX *ctx = BN_CTX_new();
	EC_POINT *p = NULL;
	size_t len = 1 + d->kind->len;
	int rc = -1;

	if (g == NULL || ctx == NULL || (p = EC_POINT_new(g)) == NULL ||
	    curve_exponent(d, g, seed, ctx) < 0)
		goto out;
	if (EC_POINT_mul(g, p, d->exponent, NULL, NULL, ctx) == 1 &&
	    EC_POINT_point2oct(g, p, POINT_CONVERSION_UNCOMPRESSED, octets,
	    sizeof(octets), ctx) == len) {
		memcpy(d->public, &octets[1], d->kind->len);
		rc = 0;
	}
out:
	EC_POINT_free(p);
	BN_CTX_free(ctx);
	return rc;
}

/* Reading the point checks the ranges and that it is on the curve; these
 * curves have no points of small order but infinity. */
static int
curve_shared(const struct dh *d, const uint8_t *peer, uint8_t *out)
{
	const EC_GROUP *g = curve_of(d->kind);
	uint8_t octets[1 + DH_PUBLIC_MAX];
	BN_CTX *ctx = BN_CTX_new();
	EC_POINT *p = NULL;
	size_t len = 1 + d->kind->len;
	int rc = -1;

	octets[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(&octets[1], peer, d->kind->len);
	if (g == NULL || ctx == NULL || (p = EC_POINT_new(g)) == NULL ||
	    EC_POINT_oct2point(g, p, octets, len, ctx) != 1 ||
	    EC_POINT_mul(g, p, NULL, p, d->exponent, ctx) != 1 ||
	    EC_POINT_is_at_infinity(g, p))
		goto out;
	if (EC_POINT_point2oct(g, p, POINT_CONVERSION_UNCOMPRESSED, octets,
	    sizeof(octets), ctx) == len) {
		memcpy(out, &octets[1], d->kind->len / 2);
		rc = 0;
	}
out:
	secret_wipe(octets, sizeof(octets));
	EC_POINT_clear_free(p);
	BN_CTX_free(ctx);
	return rc;
}

/* ---- MODP ---- */

static BN_MONT_CTX *
mont_of(const struct dh_kind *k)
{
	static BN_MONT_CTX *monts[N_KINDS];
	size_t i = (size_t)(k - kinds);
	BIGNUM *p;
	BN_CTX *ctx;

	if (monts[i] != NULL)
		return monts[i];
	p = k->prime(NULL);
	ctx = BN_CTX_new();
	monts[i] = BN_MONT_CTX_new();
	if (p == NULL || ctx == NULL || monts[i] == NULL ||
	    BN_MONT_CTX_set(monts[i], p, ctx) != 1) {
		BN_MONT_CTX_free(monts[i]);
		monts[i] = NULL;
	}
	BN_CTX_free(ctx);
	BN_free(p);
	return monts[i];
}

/* base^exponent mod p as kind->len octets.  RFC 6989, 2.1: the base must be
 * in 2..p-2. */
static int
modp_power(const struct dh *d, const BIGNUM *base, uint8_t *out)
{
	BN_MONT_CTX *mont = mont_of(d->kind);
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p = d->kind->prime(NULL), *r = BN_new();
	int rc = -1;

	if (mont == NULL || ctx == NULL || p == NULL || r == NULL ||
	    BN_sub_word(p, 1) != 1 || BN_cmp(base, BN_value_one()) <= 0 ||
	    BN_cmp(base, p) >= 0 || BN_add_word(p, 1) != 1)
		goto out;
	if (BN_mod_exp_mont_consttime(r, base, d->exponent, p, ctx, mont) ==
	    1 && BN_bn2binpad(r, out, (int)d->kind->len) ==
	    (int)d->kind->len)
		rc = 0;
out:
	BN_clear_free(r);
	BN_free(p);
	BN_CTX_free(ctx);
	return rc;
}

static int
modp_make(struct dh *d, const uint8_t *seed)
{
	BIGNUM *two = BN_new();
	int rc = -1;

	d->exponent = BN_bin2bn(seed, EXPONENT_LEN, NULL);
	if (two != NULL && d->exponent != NULL && BN_set_word(two, 2) == 1 &&
	    BN_set_bit(d->exponent, EXPONENT_LEN * 8 - 1) == 1)
		rc = modp_power(d, two, d->public);
	BN_free(two);
	return rc;
}

static int
modp_shared(const struct dh *d, const uint8_t *peer, uint8_t *out)
{
	BIGNUM *y = BN_bin2bn(peer, (int)d->kind->len, NULL);
	int rc = y == NULL ? -1 : modp_power(d, y, out);

	BN_free(y);
	return rc;
}

/* ---- */

struct dh *
dh_new(uint16_t group, const uint8_t seed[DH_SEED_LEN], struct err *e)
{
	const struct dh_kind *k = kind_of(group);
	struct dh *d;
	int rc;

	if (k == NULL)
		return err_null(err_set(e, ENOTSUP, "group %u is not known",
		    group));
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	d->kind = k;
	if (k->prime != NULL)
		rc = modp_make(d, seed);
	else if (k->nid != 0)
		rc = curve_make(d, seed);
	else
		rc = x25519_make(d, seed);
	if (rc < 0) {
		dh_free(d);
		return err_null(err_set(e, EIO, "no key for group %u", group));
	}
	return d;
}

struct secret *
dh_shared(const struct dh *d, struct rbuf peer, struct err *e)
{
	const struct dh_kind *k = d->kind;
	struct secret *s;
	int rc;

	if (rbuf_left(&peer) != k->len)
		return err_null(err_set(e, EBADMSG, "public value of %zu "
		    "bytes, group %u has %zu", rbuf_left(&peer), k->group,
		    k->len));
	s = secret_new(k->nid != 0 ? k->len / 2 : k->len);
	if (s == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	if (k->prime != NULL)
		rc = modp_shared(d, peer.p, s->b);
	else if (k->nid != 0)
		rc = curve_shared(d, peer.p, s->b);
	else
		rc = x25519_shared(d, peer.p, s->b);
	if (rc < 0) {
		secret_free(s);
		return err_null(err_set(e, EBADMSG, "public value is not "
		    "valid in group %u", k->group));
	}
	return s;
}
