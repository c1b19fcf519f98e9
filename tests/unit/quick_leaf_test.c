/* Signatures are made by hand. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "pki_make.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "crypto/quick.h"
#include "crypto/verdict.h"

/* Certificates of leaves are read with keys that OpenSSL's decoders did not
 * see, and keys that verify often do so by tables of their own: both must say
 * what OpenSSL says. */
static enum verdict_code
judged(const struct cert *leaf, struct cert *anchor)
{
	struct cert_set anchors = { .n = 1, .v = { anchor } };
	struct verdict_ask ask = { .leaf = leaf, .anchors = &anchors,
	    .at = MAKE_NOW };
	enum verdict_code code;
	struct verdict v;

	verdict_make(&ask, &v);
	code = v.code;
	verdict_fini(&v);
	return code;
}

/* By OpenSSL's default context, all of it. */
static struct cert *
read_plain(struct rbuf der)
{
	const unsigned char *p = der.p;
	struct cert *checked = cert_parse(der, NULL), *c;
	X509 *x = d2i_X509(NULL, &p, (long)rbuf_left(&der));

	if (checked == NULL) {		/* refused before it is decoded */
		X509_free(x);
		return NULL;
	}
	assert_non_null(x);
	c = cert_of_x509(x, NULL);
	X509_free(x);
	cert_free(checked);
	return c;
}

/* Returns 1 when both took it. */
static int
compare(struct rbuf der, struct cert *anchor, enum verdict_code *code)
{
	struct cert *plain = read_plain(der), *leaf = cert_parse_leaf(der,
	    NULL);
	EVP_PKEY *a, *b;

	assert_int_equal(plain == NULL, leaf == NULL);
	if (plain == NULL)
		return 0;
	assert_true(cert_equal(plain, leaf));
	assert_int_equal(cert_key_kind(plain), cert_key_kind(leaf));
	assert_int_equal(cert_key_bits(plain), cert_key_bits(leaf));
	a = X509_get0_pubkey(cert_x509(plain));
	b = X509_get0_pubkey(cert_x509(leaf));
	assert_int_equal(a == NULL, b == NULL);
	if (a != NULL && b != NULL)
		assert_int_equal(EVP_PKEY_eq(a, b), 1);
	*code = judged(plain, anchor);
	assert_int_equal(judged(leaf, anchor), *code);
	cert_free(leaf);
	cert_free(plain);
	return 1;
}

/* Each octet changed, in three ways. */
static void
check_flips(const struct cert *peer, struct cert *anchor)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	enum verdict_code code = VERDICT_OK;
	struct rbuf der = cert_der(peer);
	size_t i, k, len = rbuf_left(&der), taken = 0;
	uint8_t copy[CERT_MAX];

	rbuf_copy(&der, copy, len);
	assert_int_equal(compare(rbuf_of(copy, len), anchor, &code), 1);
	assert_int_equal(code, VERDICT_OK);
	for (i = 0; i < len; i++)
		for (k = 0; k < sizeof(flips); k++) {
			copy[i] ^= flips[k];
			if (compare(rbuf_of(copy, len), anchor, &code)) {
				assert_int_not_equal(code, VERDICT_OK);
				taken++;
			}
			copy[i] ^= flips[k];
		}
	assert_true(taken > len);
}

static void
check_type(const char *type, const char *ca_type)
{
	struct make ca;
	struct cert *peer;

	make_ca(&ca, "CA", ca_type, NULL);
	peer = make_peer(&ca, "spoke.example.org", type, NULL);
	check_flips(peer, ca.ca_cert);
	cert_free(peer);
	make_fini(&ca);
}

static void
a_leaf_with_any_octet_changed_is_judged_as_openssl_does(void **state)
{
	(void)state;
	check_type("p256", "p256");
	check_type("p384", "p256");
	check_type("p521", "p256");
	check_type("rsa2048", "rsa2048");
	check_type("ed25519", "p256");
}

/* Encodings that are rare: the decoders are left to them. */
static void
only_keys_in_their_usual_encoding_are_read_quickly(void **state)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), *q;
	unsigned char *der = NULL;
	uint8_t copy[256];
	size_t len = (size_t)i2d_PUBKEY(k, &der) - 2, i, read = 0;

	(void)state;
	memcpy(copy, der + 2, len);
	q = quick_key(rbuf_of(copy, len));
	assert_non_null(q);
	assert_int_equal(EVP_PKEY_eq(k, q), 1);
	EVP_PKEY_free(q);
	assert_null(quick_key(rbuf_of(copy, len - 1)));
	copy[len] = 0;
	assert_null(quick_key(rbuf_of(copy, len + 1)));
	for (i = 0; i < len; i++) {
		copy[i] ^= 1;	/* a point: off the curve */
		q = quick_key(rbuf_of(copy, len));
		read += q != NULL;
		EVP_PKEY_free(q);
		copy[i] ^= 1;
	}
	assert_int_equal(read, 0);
	copy[len - 65] = 6 | (copy[len - 1] & 1);	/* hybrid form */
	assert_null(quick_key(rbuf_of(copy, len)));
	OPENSSL_free(der);
	EVP_PKEY_free(k);
}

/* ---------------------------------------------------------- often */

static struct rbuf
octets_of(const EC_KEY *k, uint8_t room[65])
{
	const EC_GROUP *g = EC_KEY_get0_group(k);

	assert_int_equal(EC_POINT_point2oct(g, EC_KEY_get0_public_key(k),
	    POINT_CONVERSION_UNCOMPRESSED, room, 65, NULL), 65);
	return rbuf_of(room, 65);
}

/* So often that it has a table, whoever had it before. */
static void
make_often(struct rbuf point)
{
	int i;

	for (i = 0; i < 4 * QUICK_OFTEN; i++)
		quick_often(point);
}

/* As OpenSSL does alone. */
static int
verified_plain(const EC_KEY *k, const uint8_t *hash, int len,
    const ECDSA_SIG *sig)
{
	EC_KEY *own = EC_KEY_dup(k);
	int rc;

	assert_int_equal(EC_KEY_set_method(own, EC_KEY_OpenSSL()), 1);
	rc = ECDSA_do_verify(hash, len, sig, own);
	EC_KEY_free(own);
	return rc == 1;
}

static int
verified(EC_KEY *k, const uint8_t *hash, int len, const ECDSA_SIG *sig)
{
	int yes = ECDSA_do_verify(hash, len, sig, k) == 1;

	assert_int_equal(yes, verified_plain(k, hash, len, sig));
	return yes;
}

static ECDSA_SIG *
sig_of(const BIGNUM *r, const BIGNUM *s)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();

	assert_int_equal(ECDSA_SIG_set0(sig, BN_dup(r), BN_dup(s)), 1);
	return sig;
}

/* 0, n, n - 1, v + n, -v in the place of r and of s. */
static void
check_odd(EC_KEY *k, const uint8_t *hash, const ECDSA_SIG *good)
{
	const BIGNUM *n = EC_GROUP_get0_order(EC_KEY_get0_group(k));
	const BIGNUM *rs[2];
	BIGNUM *odd = BN_new();
	ECDSA_SIG *sig;
	int at, i;

	ECDSA_SIG_get0(good, &rs[0], &rs[1]);
	for (at = 0; at < 2; at++)
		for (i = 0; i < 5; i++) {
			assert_non_null(BN_copy(odd, i < 3 ? n : rs[at]));
			if (i == 0)
				BN_zero(odd);
			else if (i == 2)
				BN_sub_word(odd, 1);
			else if (i == 3)
				BN_add(odd, odd, n);
			else if (i == 4)
				BN_set_negative(odd, 1);
			sig = at == 0 ? sig_of(odd, rs[1]) :
			    sig_of(rs[0], odd);
			assert_int_equal(verified(k, hash, 32, sig), 0);
			ECDSA_SIG_free(sig);
		}
	BN_sub(odd, n, rs[1]);		/* its twin verifies */
	sig = sig_of(rs[0], odd);
	assert_int_equal(verified(k, hash, 32, sig), 1);
	ECDSA_SIG_free(sig);
	BN_free(odd);
}

static void
a_key_that_verifies_often_says_what_openssl_says(void **state)
{
	static const int lens[] = { 32, 20, 48, 64, 0 };
	EC_KEY *k = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	uint8_t hash[64], room[65];
	ECDSA_SIG *sig;
	int i, len;

	(void)state;
	assert_int_equal(EC_KEY_generate_key(k), 1);
	make_often(octets_of(k, room));
	for (i = 0; i < 200; i++) {
		len = lens[i % 5];
		memset(hash, i * 7, sizeof(hash));
		if (i < 5)		/* all bits; none */
			memset(hash, i & 1 ? 0xff : 0, sizeof(hash));
		sig = ECDSA_do_sign(hash, len, k);
		assert_int_equal(verified(k, hash, len, sig), 1);
		hash[i % 20] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(verified(k, hash, len, sig), len == 0);
		hash[i % 20] ^= (uint8_t)(1 << i % 8);
		if (len == 32)
			check_odd(k, hash, sig);
		ECDSA_SIG_free(sig);
	}
	EC_KEY_free(k);
}

/* The point's x is not below n: r is x - n.  Nobody finds such a signature by
 * signing, so its key is made to fit: Q = (s R - e G) / r. */
static void
x_beyond_the_order_is_reduced(void **state)
{
	EC_KEY *k = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	const EC_GROUP *g = EC_KEY_get0_group(k);
	const BIGNUM *n = EC_GROUP_get0_order(g);
	EC_POINT *point = EC_POINT_new(g), *q = EC_POINT_new(g);
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *x = BN_dup(n), *r = BN_new(), *s = BN_new(), *u = BN_new();
	const uint8_t hash[32] = { 5 };
	uint8_t room[65];
	ECDSA_SIG *sig;

	(void)state;
	do
		BN_add_word(x, 1);
	while (EC_POINT_set_compressed_coordinates(g, point, x, 0, ctx) != 1);
	BN_sub(r, x, n);
	BN_set_word(s, 12345);
	BN_bin2bn(hash, sizeof(hash), u);
	BN_sub(u, n, u);		/* -e */
	assert_int_equal(EC_POINT_mul(g, q, u, point, s, ctx), 1);
	assert_non_null(BN_mod_inverse(u, r, n, ctx));
	assert_int_equal(EC_POINT_mul(g, q, NULL, q, u, ctx), 1);
	assert_int_equal(EC_KEY_set_public_key(k, q), 1);
	make_often(octets_of(k, room));
	sig = sig_of(r, s);
	assert_int_equal(verified(k, hash, 32, sig), 1);
	ECDSA_SIG_free(sig);
	sig = sig_of(x, s);
	assert_int_equal(verified(k, hash, 32, sig), 0);
	ECDSA_SIG_free(sig);
	BN_free(u);
	BN_free(s);
	BN_free(r);
	BN_free(x);
	BN_CTX_free(ctx);
	EC_POINT_free(q);
	EC_POINT_free(point);
	EC_KEY_free(k);
}

/* A CA's own key, by all that judges a certificate. */
static void
a_ca_that_signed_many_signs_no_forgery(void **state)
{
	enum verdict_code code = VERDICT_OK;
	struct cert *peer, *foreign;
	const ASN1_BIT_STRING *key;
	struct make ca, other;

	(void)state;
	make_ca(&ca, "CA", "p256", NULL);
	make_ca(&other, "CA", "p256", NULL);
	key = X509_get0_pubkey_bitstr(ca.ca.cert);
	make_often(rbuf_of(ASN1_STRING_get0_data(key),
	    (size_t)ASN1_STRING_length(key)));
	peer = make_peer(&ca, "spoke.example.org", "p256", NULL);
	check_flips(peer, ca.ca_cert);
	foreign = make_peer(&other, "spoke.example.org", "p256", NULL);
	assert_int_equal(compare(cert_der(foreign), ca.ca_cert, &code), 1);
	assert_int_not_equal(code, VERDICT_OK);
	cert_free(peer);
	cert_free(foreign);
	make_fini(&other);
	make_fini(&ca);
}

static int
setup(void **state)
{
	(void)state;
	quick_begin();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		a_leaf_with_any_octet_changed_is_judged_as_openssl_does),
	    cmocka_unit_test(
		only_keys_in_their_usual_encoding_are_read_quickly),
	    cmocka_unit_test(a_key_that_verifies_often_says_what_openssl_says),
	    cmocka_unit_test(x_beyond_the_order_is_reduced),
	    cmocka_unit_test(a_ca_that_signed_many_signs_no_forgery),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, NULL);
}
