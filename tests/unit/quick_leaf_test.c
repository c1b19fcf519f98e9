#include "pki_make.h"

#include <openssl/evp.h>

#include "crypto/quick.h"
#include "crypto/verdict.h"

/* Certificates of leaves are read with keys that OpenSSL's decoders did not
 * see: they must be judged as OpenSSL does. */
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
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, NULL);
}
