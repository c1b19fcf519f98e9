#include "pki_make.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "crypto/der.h"
#include "crypto/ident.h"

static struct make ca;
static struct cert *peer;

static int
setup(void **state)
{
	(void)state;
	make_ca(&ca, "CA", "p256", NULL);
	peer = make_peer(&ca, "spoke.example.org", "p256", NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cert_free(peer);
	make_fini(&ca);
	return 0;
}

static int
refused(const void *der, size_t len)
{
	struct err e = { 0 };
	struct cert *c = cert_parse(rbuf_of(der, len), &e);

	if (c == NULL)
		return e.code != 0 && e.msg[0] != '\0';
	cert_free(c);
	return 0;
}

static void
a_certificate_comes_back_octet_by_octet(void **state)
{
	struct rbuf der = cert_der(peer);
	struct cert *c = cert_parse(der, NULL);

	(void)state;
	assert_non_null(c);
	assert_true(cert_equal(c, peer));
	assert_false(cert_equal(c, ca.ca_cert));
	cert_free(c);
}

static void
pki_13_cut_at_every_octet_or_longer_is_refused(void **state)
{
	struct rbuf der = cert_der(peer);
	size_t len = rbuf_left(&der), i;
	uint8_t *copy = malloc(len + 1);

	(void)state;
	memcpy(copy, der.p, len);
	copy[len] = 0;
	for (i = 0; i < len; i++)
		assert_true(refused(copy, i));
	assert_true(refused(copy, len + 1));
	free(copy);
}

static void
pki_13_indefinite_and_long_lengths_are_refused(void **state)
{
	static const struct { const char *der; size_t len; } rows[] = {
		{ "\x30\x80\x00\x00", 4 },
		{ "\x30\x81\x01\x00", 4 },
		{ "\x30\x82\x00\x80", 4 },
		{ "\x30\x84\xff\xff\xff\xff", 6 },
		{ "\x30\x85\x01\x00\x00\x00\x00", 7 },
		{ "\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff", 10 },
		{ "\x30\xff", 2 },
		{ "\x3f\x81\x00\x00", 4 },
		{ "", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(refused(rows[i].der, rows[i].len));
		assert_int_equal(der_check(rbuf_of(rows[i].der, rows[i].len),
		    NULL), -1);
	}
}

static void
pki_13_a_thousand_deep_is_refused(void **state)
{
	uint8_t deep[4096];
	size_t at = sizeof(deep), i;

	(void)state;
	/* from the inside out, so that every length is right */
	for (i = 0; i < 1000; i++) {
		size_t len = sizeof(deep) - at;

		if (len < 0x80) {
			deep[--at] = (uint8_t)len;
		} else if (len < 0x100) {
			deep[--at] = (uint8_t)len;
			deep[--at] = 0x81;
		} else {
			deep[--at] = (uint8_t)len;
			deep[--at] = (uint8_t)(len >> 8);
			deep[--at] = 0x82;
		}
		deep[--at] = 0x30;
	}
	assert_true(refused(deep + at, sizeof(deep) - at));
	assert_int_equal(der_check(rbuf_of(deep + at, sizeof(deep) - at),
	    NULL), -1);
}

static void
ike_32_oversize_is_refused_before_it_is_parsed(void **state)
{
	uint8_t *big = calloc(1, 65536);
	struct err e = { 0 };

	(void)state;
	memcpy(big, "\x30\x82\xff\xfc", 4);
	assert_null(cert_parse(rbuf_of(big, 65536), &e));
	assert_non_null(strstr(e.msg, "65536 octets"));
	free(big);
}

static EVP_PKEY *
rsa_public(size_t bits, unsigned long exponent)
{
	BIGNUM *n = BN_new(), *ex = BN_new();
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params;
	EVP_PKEY *k = NULL;

	BN_set_bit(n, (int)bits - 1);
	BN_set_bit(n, 0);
	BN_set_word(ex, exponent);
	OSSL_PARAM_BLD_push_BN(bld, "n", n);
	OSSL_PARAM_BLD_push_BN(bld, "e", ex);
	params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_fromdata_init(ctx);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &k, EVP_PKEY_PUBLIC_KEY,
	    params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(ex);
	return k;
}

/* A certificate whose key has such a modulus and exponent. */
static int
rsa_refused(size_t bits, unsigned long exponent)
{
	EVP_PKEY *k = rsa_public(bits, exponent);
	EVP_PKEY *signer = pki_key_make("p256", NULL);
	unsigned char *der = NULL;
	struct cert *c;
	X509 *x;
	int len;

	x = make_raw(NULL, signer, "x", k, EVP_sha256(), MAKE_NOW,
	    MAKE_NOW + 1, NULL);
	len = i2d_X509(x, &der);
	c = cert_parse(rbuf_of(der, (size_t)len), NULL);
	cert_free(c);
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(k);
	EVP_PKEY_free(signer);
	return c == NULL;
}

static void
ike_32_rsa_moduli_and_exponents_have_limits(void **state)
{
	clock_t start = clock();

	(void)state;
	assert_false(rsa_refused(2048, 65537));
	assert_false(rsa_refused(8192, 65537));
	assert_true(rsa_refused(8200, 65537));
	assert_true(rsa_refused(16384, 65537));
	assert_true(rsa_refused(2048, 0));
	assert_true(rsa_refused(2048, 1));
	assert_true(rsa_refused(2048, 3));
	assert_true(rsa_refused(2048, 65536));
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 1.0);
}

static void
explicit_curve_parameters_are_refused(void **state)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *x;
	unsigned char *der = NULL;
	int len;

	(void)state;
	assert_int_equal(EVP_PKEY_set_utf8_string_param(k, "encoding",
	    "explicit"), 1);
	x = make_raw(NULL, NULL, "x", k, EVP_sha256(), MAKE_NOW,
	    MAKE_NOW + 1, NULL);
	len = i2d_X509(x, &der);
	assert_true(refused(der, (size_t)len));
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(k);
}

static int
serial_refused(const char *hex)
{
	EVP_PKEY *k = pki_key_make("p256", NULL);
	X509 *x = make_raw(NULL, NULL, "x", k, EVP_sha256(), MAKE_NOW,
	    MAKE_NOW + 1, NULL);
	BIGNUM *bn = NULL;
	unsigned char *der = NULL;
	int len, rc;

	BN_hex2bn(&bn, hex);
	BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
	X509_sign(x, k, EVP_sha256());
	len = i2d_X509(x, &der);
	rc = refused(der, (size_t)len);
	OPENSSL_free(der);
	BN_free(bn);
	X509_free(x);
	EVP_PKEY_free(k);
	return rc;
}

static void
pki_13_serial_numbers_are_positive_and_of_20_octets(void **state)
{
	(void)state;
	assert_false(serial_refused("7f"));
	assert_false(serial_refused("ff"));
	assert_false(serial_refused("ffffffffffffffffffffffffffffffffffffffff"));
	assert_true(serial_refused(
	    "01ffffffffffffffffffffffffffffffffffffffff"));
	assert_true(serial_refused("-01"));
}

static void
sets_take_pem_and_have_a_bound(void **state)
{
	struct cert_set s = { .n = 0 };
	struct err e = { 0 };
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long len;
	int i;

	(void)state;
	PEM_write_bio_X509(b, ca.ca.cert);
	BIO_puts(b, "noise between\n");
	PEM_write_bio_X509(b, ca.ca.cert);
	len = BIO_get_mem_data(b, &text);
	assert_int_equal(cert_set_add_pem(&s, text, (size_t)len, &e), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(cert_set_add_pem(&s, "nothing", 7, &e), -1);
	assert_int_equal(s.n, 2);
	for (i = 2; i < CERT_SET_MAX; i++)
		assert_int_equal(cert_set_add(&s, peer, NULL), 0);
	assert_int_equal(cert_set_add(&s, peer, &e), -1);
	assert_int_equal(cert_set_add_pem(&s, text, (size_t)len, &e), -1);
	assert_int_equal(s.n, CERT_SET_MAX);
	cert_set_fini(&s);
	assert_int_equal(s.n, 0);
	BIO_free(b);
}

/* ------------------------------------------------------------- identities */

static struct ident
id(const char *text)
{
	struct ident i;
	struct err e = { 0 };

	if (ident_parse(text, &i, &e) < 0)
		print_message("# %s\n", e.msg);
	assert_int_equal(e.code, 0);
	return i;
}

static void
texts_of_identities_are_read_and_shown(void **state)
{
	static const struct { const char *in; int type; const char *out; }
	rows[] = {
		{ "hub.example.org", IDENT_FQDN, NULL },
		{ "@hub", IDENT_FQDN, "hub" },
		{ "alice@example.org", IDENT_EMAIL, NULL },
		{ "192.0.2.1", IDENT_IPV4, NULL },
		{ "2001:db8::1", IDENT_IPV6, NULL },
		{ "CN=spoke1,O=Example", IDENT_DN, NULL },
		{ "O=a\\,b", IDENT_DN, NULL },
		{ "#0a1b", IDENT_KEY_ID, NULL },
		{ "plain words", IDENT_KEY_ID, "#706c61696e20776f726473" },
	};
	char text[IDENT_TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ident x = id(rows[i].in);

		assert_int_equal(x.type, rows[i].type);
		assert_string_equal(ident_text(&x, text, sizeof(text)),
		    rows[i].out != NULL ? rows[i].out : rows[i].in);
	}
}

static void
texts_that_are_no_identity_are_refused(void **state)
{
	static const char *const bad[] = { "", "#0g", "=x", "CN=", "XX=y",
		"CN=a+O=b", "CN=a\\" };
	struct ident x;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ident_parse(bad[i], &x, &e), -1);
		assert_int_equal(x.type, 0);
	}
}

/* IKE-33 */
static void
ike_33_payloads_that_can_be_no_identity_are_refused(void **state)
{
	static const struct { int type; const char *data; size_t len; }
	bad[] = {
		{ IDENT_FQDN, "", 0 },
		{ IDENT_FQDN, "a\0b", 3 },
		{ IDENT_FQDN, "a\nb", 3 },
		{ IDENT_FQDN, "a\033[2Jb", 6 },
		{ IDENT_FQDN, "\xc3\xa4", 2 },
		{ IDENT_EMAIL, "a b@c", 5 },
		{ IDENT_IPV4, "\x0a\0\0", 3 },
		{ IDENT_IPV4, "\x0a\0\0\1\0", 5 },
		{ IDENT_IPV6, "\x0a\0\0\1", 4 },
		{ IDENT_DN, "\x30\x00", 2 },
		{ IDENT_DN, "\x30\x05\x31\x03", 4 },
		{ IDENT_DN, "nonsense", 8 },
		{ 0, "x", 1 }, { 4, "x", 1 }, { 200, "x", 1 },
	};
	uint8_t big[IDENT_MAX + 1];
	struct ident x;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ident_of((uint8_t)bad[i].type,
		    rbuf_of(bad[i].data, bad[i].len), &x, NULL), -1);
	memset(big, 'a', sizeof(big));
	assert_int_equal(ident_of(IDENT_FQDN, rbuf_of(big, sizeof(big)), &x,
	    NULL), -1);
	assert_int_equal(ident_of(IDENT_FQDN, rbuf_of(big, IDENT_MAX), &x,
	    NULL), 0);
}

static void
ike_33_names_compare_as_names_and_the_rest_exactly(void **state)
{
	static const struct { const char *a, *b; bool same; } rows[] = {
		{ "hub.example.org", "HUB.Example.Org", true },
		{ "hub.example.org", "hub.example.or", false },
		{ "alice@example.org", "alice@EXAMPLE.org", true },
		{ "alice@example.org", "ALICE@example.org", false },
		{ "#616c696365", "#414c494345", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "CN=a,O=b", "CN=A,O=B", true },	/* RFC 5280, 7.1 */
		{ "CN=a,O=b", "O=b,CN=a", false },
		{ "CN=a", "a", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ident a = id(rows[i].a), b = id(rows[i].b);

		assert_int_equal(ident_equal(&a, &b), rows[i].same);
		assert_int_equal(ident_equal(&b, &a), rows[i].same);
	}
}

static void
patterns_admit_what_they_say(void **state)
{
	static const struct { const char *id, *pattern; bool yes; } rows[] = {
		{ "a.example.org", "", true },
		{ "a.example.org", "*", true },
		{ "a.example.org", "*.example.org", true },
		{ "a.b.EXAMPLE.org", "*.example.org", true },
		{ "example.org", "*.example.org", false },
		{ "aexample.org", "*.example.org", false },
		{ "@.example.org", "*.example.org", false },
		{ "a.example.org.evil", "*.example.org", false },
		{ "a@example.org", "*.example.org", false },
		{ "a@example.org", "*@example.org", true },
		{ "a@sub.example.org", "*@example.org", false },
		{ "192.0.2.9", "192.0.2.0/24", true },
		{ "192.0.3.9", "192.0.2.0/24", false },
		{ "a.example.org", "192.0.2.0/24", false },
		{ "CN=x,O=Example", "CN=*,O=Example", true },
		{ "CN=x,O=Other", "CN=*,O=Example", false },
		{ "CN=x,OU=y,O=Example", "CN=*,O=Example", false },
		{ "a.example.org", "a.example.org", true },
		{ "a.example.org", "b.example.org", false },
		{ "*.example.org", "a.example.org", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ident x = id(rows[i].id);

		if (ident_matches(&x, rows[i].pattern) != rows[i].yes)
			fail_msg("%s against %s", rows[i].id,
			    rows[i].pattern);
	}
}

static void
foreign_octets_are_escaped(void **state)
{
	struct ident x;
	char text[IDENT_TEXT_MAX];
	EVP_PKEY *k = pki_key_make("p256", NULL);
	X509 *cert = make_raw(NULL, NULL, "a\n\033[2J\"", k, EVP_sha256(),
	    MAKE_NOW, MAKE_NOW + 1, NULL);
	struct cert *c = make_cert_of(cert);

	(void)state;
	assert_int_equal(ident_of(IDENT_FQDN, rbuf_of("a\\\"b", 4), &x, NULL),
	    0);
	assert_string_equal(ident_text(&x, text, sizeof(text)), "a\\\\\\\"b");
	cert_subject(c, text, sizeof(text));
	assert_null(strchr(text, '\n'));
	assert_null(strchr(text, '\033'));
	cert_free(c);
	X509_free(cert);
	EVP_PKEY_free(k);
}

static void
a_certificate_has_its_names_and_no_others(void **state)
{
	const struct make_ext exts[] = {
		{ NID_subject_alt_name, "DNS:a.example.org,DNS:*.wild.org,"
		  "email:m@example.org,IP:192.0.2.1,IP:2001:db8::1" },
		{ 0, NULL } };
	static const struct { const char *id; bool has; } rows[] = {
		{ "a.example.org", true }, { "A.EXAMPLE.ORG", true },
		{ "b.example.org", false }, { "x.wild.org", false },
		{ "m@example.org", true }, { "192.0.2.1", true },
		{ "2001:db8::1", true }, { "192.0.2.2", false },
		{ "CN=subject", true }, { "subject", false },
		{ "#612e6578616d706c652e6f7267", false },
	};
	EVP_PKEY *k = pki_key_make("p256", NULL);
	X509 *x = make_raw(NULL, NULL, "subject", k, EVP_sha256(), MAKE_NOW,
	    MAKE_NOW + 1, exts);
	struct cert *c = make_cert_of(x);
	struct ident first;
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ident one = id(rows[i].id);

		if (cert_has_ident(c, &one) != rows[i].has)
			fail_msg("%s", rows[i].id);
	}
	assert_int_equal(cert_ident(c, &first, NULL), 0);
	assert_string_equal(ident_text(&first, text, sizeof(text)),
	    "a.example.org");
	cert_free(c);
	X509_free(x);
	EVP_PKEY_free(k);
}

/* A NUL in a dNSName must not cut it (CVE-2009-2408 and its kin). */
static void
ike_33_a_name_with_nul_matches_nothing(void **state)
{
	static const uint8_t san[] = { 0x30, 0x0d, 0x82, 0x0b, 'a', '.', 'o',
		'r', 'g', 0, 'b', '.', 'o', 'r', 'g' };
	EVP_PKEY *k = pki_key_make("p256", NULL);
	X509 *x = make_raw(NULL, NULL, "x", k, EVP_sha256(), MAKE_NOW,
	    MAKE_NOW + 1, NULL);
	ASN1_OCTET_STRING *o = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;
	struct ident one = id("a.org");
	struct cert *c;

	(void)state;
	ASN1_OCTET_STRING_set(o, san, sizeof(san));
	ext = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, o);
	X509_add_ext(x, ext, -1);
	X509_sign(x, k, EVP_sha256());
	c = make_cert_of(x);
	assert_false(cert_has_ident(c, &one));
	cert_free(c);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(o);
	X509_free(x);
	EVP_PKEY_free(k);
}

static void
times_and_hashes_are_read(void **state)
{
	uint8_t hash[20], again[20];

	(void)state;
	assert_int_equal(cert_not_before(peer), MAKE_NOW - 300);
	assert_int_equal(cert_not_after(peer), MAKE_NOW + 30 * MAKE_DAY);
	assert_int_equal(cert_key_kind(peer), CERT_KEY_P256);
	assert_int_equal(cert_key_bits(peer), 256);
	assert_false(cert_is_ca(peer));
	assert_true(cert_is_ca(ca.ca_cert));
	assert_true(cert_self_issued(ca.ca_cert));
	cert_key_hash(peer, hash);
	cert_key_hash(ca.ca_cert, again);
	assert_memory_not_equal(hash, again, 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_comes_back_octet_by_octet),
		cmocka_unit_test(
		    pki_13_cut_at_every_octet_or_longer_is_refused),
		cmocka_unit_test(
		    pki_13_indefinite_and_long_lengths_are_refused),
		cmocka_unit_test(pki_13_a_thousand_deep_is_refused),
		cmocka_unit_test(
		    ike_32_oversize_is_refused_before_it_is_parsed),
		cmocka_unit_test(ike_32_rsa_moduli_and_exponents_have_limits),
		cmocka_unit_test(explicit_curve_parameters_are_refused),
		cmocka_unit_test(
		    pki_13_serial_numbers_are_positive_and_of_20_octets),
		cmocka_unit_test(sets_take_pem_and_have_a_bound),
		cmocka_unit_test(texts_of_identities_are_read_and_shown),
		cmocka_unit_test(texts_that_are_no_identity_are_refused),
		cmocka_unit_test(
		    ike_33_payloads_that_can_be_no_identity_are_refused),
		cmocka_unit_test(
		    ike_33_names_compare_as_names_and_the_rest_exactly),
		cmocka_unit_test(patterns_admit_what_they_say),
		cmocka_unit_test(foreign_octets_are_escaped),
		cmocka_unit_test(a_certificate_has_its_names_and_no_others),
		cmocka_unit_test(ike_33_a_name_with_nul_matches_nothing),
		cmocka_unit_test(times_and_hashes_are_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("cert", tests, setup, teardown);
}
