#include "pki_make.h"

#include <openssl/evp.h>

#include "crypto/quick.h"
#include "crypto/verdict.h"

/* The library context for certificates of strangers: what it reads is what
 * the default one reads, and what it judges is judged alike. */
static const char *const types[] = { "p256", "p384", "p521", "ed25519",
    "rsa2048" };
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static struct rbuf
parts_signed(EVP_PKEY *pkey, bool pss, const struct sign_parts *parts,
    uint8_t *method, uint8_t *room)
{
	struct sign_key *k = make_sign_key(pkey);
	struct wbuf w = wbuf_of(room, SIGN_MAX);
	struct err e = { 0 };

	assert_int_equal(sign_make(k, sign_hashes, sign_n_hashes, pss,
	    parts, method, &w, &e), 0);
	sign_key_free(k);
	return wbuf_rbuf(&w);
}

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

/* As it came from the wire, after quick_begin. */
static struct cert *
again(const struct cert *c)
{
	struct cert *quick = cert_parse_leaf(cert_der(c), NULL);

	assert_non_null(quick);
	return quick;
}

static void
check_type(const char *type)
{
	const struct sign_parts parts = { 2, { rbuf_of("octets", 6),
	    rbuf_of("nonce", 5) } };
	const struct sign_parts other = { 2, { rbuf_of("octets", 6),
	    rbuf_of("nonsense", 8) } };
	struct make ca, foreign;
	EVP_PKEY *pkey;
	struct cert *plain, *quick, *anchor;
	uint8_t method, room[SIGN_MAX];
	struct rbuf auth;
	int pss;

	make_ca(&ca, "CA", type, NULL);
	make_ca(&foreign, "CA", type, NULL);
	plain = make_peer(&ca, "spoke.example.org", type, &pkey);
	quick = again(plain);
	anchor = again(ca.ca_cert);
	assert_int_equal(cert_key_kind(quick), cert_pkey_kind(pkey));
	assert_int_equal(cert_key_bits(quick), EVP_PKEY_get_bits(pkey));
	assert_true(cert_equal(quick, plain));
	assert_int_equal(judged(quick, anchor), VERDICT_OK);
	assert_int_not_equal(judged(quick, foreign.ca_cert), VERDICT_OK);
	for (pss = 0; pss < 2; pss++) {
		auth = parts_signed(pkey, pss, &parts, &method, room);
		assert_int_equal(sign_verify(quick, method, auth, &parts,
		    false, NULL), 0);
		assert_int_equal(sign_verify(quick, method, auth, &other,
		    false, NULL), -1);
	}
	cert_free(anchor);
	cert_free(quick);
	cert_free(plain);
	EVP_PKEY_free(pkey);
	make_fini(&foreign);
	make_fini(&ca);
}

static void
keys_that_peers_may_have_are_read_and_used(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N_TYPES; i++)
		check_type(types[i]);
}

/* One octet of the signature, one of what is signed. */
static void
what_was_changed_is_not_believed(void **state)
{
	struct make ca;
	struct cert *peer, *bad;
	struct rbuf der;
	uint8_t *copy;
	size_t len;

	(void)state;
	make_ca(&ca, "CA", "p256", NULL);
	peer = make_peer(&ca, "spoke.example.org", "p256", NULL);
	der = cert_der(peer);
	len = rbuf_left(&der);
	copy = malloc(len);
	memcpy(copy, der.p, len);
	copy[len - 1] ^= 1;
	bad = cert_parse(rbuf_of(copy, len), NULL);
	assert_non_null(bad);
	assert_int_equal(judged(bad, ca.ca_cert), VERDICT_BAD_SIGNATURE);
	free(copy);
	cert_free(bad);
	cert_free(peer);
	make_fini(&ca);
}

static void
a_key_of_another_kind_is_none_that_we_take(void **state)
{
	struct make ca;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	struct cert *peer;
	X509 *x;

	(void)state;
	assert_non_null(key);
	make_ca(&ca, "CA", "p256", NULL);
	x = make_raw(ca.ca.cert, ca.ca.key, "spoke", key, EVP_sha256(),
	    MAKE_NOW - MAKE_DAY, MAKE_NOW + MAKE_DAY, NULL);
	peer = make_cert_of(x);
	assert_int_equal(cert_key_kind(peer), CERT_KEY_OTHER);
	assert_int_not_equal(judged(peer, ca.ca_cert), VERDICT_OK);
	cert_free(peer);
	X509_free(x);
	EVP_PKEY_free(key);
	make_fini(&ca);
}

/* ---- keys that OpenSSL's decoders did not see ---- */

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
check_flips_of(const char *type, const char *ca_type)
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
	check_flips_of("p256", "p256");
	check_flips_of("p384", "p256");
	check_flips_of("p521", "p256");
	check_flips_of("rsa2048", "rsa2048");
	check_flips_of("ed25519", "p256");
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

static void
it_is_made_once(void **state)
{
	struct ossl_lib_ctx_st *ctx = quick_ctx();

	(void)state;
	assert_non_null(ctx);
	quick_begin();
	assert_ptr_equal(quick_ctx(), ctx);
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
		cmocka_unit_test(it_is_made_once),
		cmocka_unit_test(keys_that_peers_may_have_are_read_and_used),
		cmocka_unit_test(what_was_changed_is_not_believed),
		cmocka_unit_test(a_key_of_another_kind_is_none_that_we_take),
		cmocka_unit_test(
		    a_leaf_with_any_octet_changed_is_judged_as_openssl_does),
		cmocka_unit_test(
		    only_keys_in_their_usual_encoding_are_read_quickly),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, NULL);
}
