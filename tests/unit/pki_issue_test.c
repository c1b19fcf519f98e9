#include "pki_make.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/verdict.h"
#include "dmvpn-pki/pki_look.h"
#include "dmvpn-pki/pki_name.h"

static struct make ca;

static int
setup(void **state)
{
	(void)state;
	make_ca(&ca, "CA", "p256", "10.0.0.0/8");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	make_fini(&ca);
	return 0;
}

static void
pki_01_names_come_from_an_allow_list(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../../etc/x",
		"/abs", "a/b", "-rf", "a\nb", "a b", "a..b", ".hidden",
		"sp\xc3\xb6ke", "a'b", "a\"b", "a;b", "a%00", "_x",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	static const char *const good[] = { "a", "spoke1", "A-b_c.d",
		"hub.example.org", "9",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (pki_name_check(bad[i], &e) == 0)
			fail_msg("%s was taken", bad[i]);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(pki_name_check(good[i], &e), 0);
	assert_int_equal(pki_name_check_title("Example DMVPN CA", &e), 0);
	assert_int_equal(pki_name_check_title("Example ", &e), -1);
	assert_int_equal(pki_name_check_title("a/CN=b", &e), -1);
}

static void
names_of_files_become_names(void **state)
{
	char name[PKI_NAME_MAX + 1];

	(void)state;
	assert_int_equal(pki_name_of_file("/etc/dmvpn/hub.pem", name, NULL),
	    0);
	assert_string_equal(name, "hub");
	assert_int_equal(pki_name_of_file("spoke1", name, NULL), 0);
	assert_string_equal(name, "spoke1");
	assert_int_equal(pki_name_of_file("hub.example.org.pem", name, NULL),
	    0);
	assert_string_equal(name, "hub.example.org");
	assert_int_equal(pki_name_of_file("/etc/", name, NULL), -1);
	assert_int_equal(pki_name_of_file("a b.pem", name, NULL), -1);
}

static void
every_profile_and_key_type_is_accepted_by_the_verdict(void **state)
{
	static const char *const types[] = { "p256", "p384", "p521",
		"ed25519", "rsa2048" };
	const struct pki_profile *p;
	size_t i;

	(void)state;
	for (p = pki_profiles; p->name != NULL; p++)
		for (i = 0; i < 5; i++) {
			struct pki_want w = make_want("x.example.org", p->name);
			EVP_PKEY *k = pki_key_make(types[i], NULL);
			struct cert_set anchors = { .n = 0 };
			struct verdict_ask ask = { .at = MAKE_NOW,
				.anchors = &anchors };
			struct verdict v;
			struct cert *c;
			struct ident id;

			pki_want_address(&w, "10.0.0.9", NULL);
			c = make_peer_want(&ca, &w, k);
			cert_set_add(&anchors, ca.ca_cert, NULL);
			ident_parse("x.example.org", &id, NULL);
			ask.leaf = c;
			ask.id = &id;
			verdict_make(&ask, &v);
			/* who answers OCSP is no peer */
			if (v.code != (strcmp(p->name, "ocsp") == 0 ?
			    VERDICT_WRONG_USAGE : VERDICT_OK))
				fail_msg("%s %s: %d", p->name, types[i],
				    v.code);
			verdict_fini(&v);
			cert_set_fini(&anchors);
			cert_free(c);
			EVP_PKEY_free(k);
		}
}

static void
a_ca_of_every_key_type_can_issue(void **state)
{
	static const char *const types[] = { "p384", "p521", "ed25519",
		"rsa2048" };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct make m;
		struct cert *c;

		make_ca(&m, "CA", types[i], NULL);
		c = make_peer(&m, "x", "p256", NULL);
		assert_int_equal(X509_verify((X509 *)(uintptr_t)cert_x509(c),
		    m.ca.key), 1);
		cert_free(c);
		make_fini(&m);
	}
}

static int
refused(struct pki_want *w, const char *words)
{
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct err e = { 0 };
	X509 *x = pki_issue_peer(&ca.ca, w, k, &e);
	int rc = x == NULL && strstr(e.msg, words) != NULL;

	if (!rc)
		print_message("# %s\n", e.msg);
	X509_free(x);
	EVP_PKEY_free(k);
	return rc;
}

static void
what_the_verdict_would_refuse_is_not_issued(void **state)
{
	struct pki_want w = make_want("x", "spoke");

	(void)state;
	pki_want_address(&w, "192.168.0.1", NULL);
	assert_true(refused(&w, "not within the address blocks of the CA"));
	w = make_want("x", "strict");
	assert_true(refused(&w, "wants --tunnel-address"));
	w = make_want("x", "spoke");
	assert_int_equal(pki_want_days(&w, MAKE_NOW, 3651, NULL), 0);
	assert_true(refused(&w, "outlive its CA by 1 day:"));
}

static void
pki_16_a_wrong_clock_is_refused(void **state)
{
	struct pki_want w = make_want("x", "spoke");
	struct err e;

	(void)state;
	assert_int_equal(pki_want_days(&w, 0, 1, &e), -1);
	assert_int_equal(pki_want_days(&w, PKI_TIME_MIN - 1, 1, &e), -1);
	assert_int_equal(pki_want_days(&w, PKI_TIME_MIN, 1, &e), 0);
	/* 2038, 2050, 2106 */
	assert_int_equal(pki_want_days(&w, INT64_C(2147483648), 1, &e), 0);
	assert_int_equal(pki_want_days(&w, INT64_C(4294967296), 1, &e), 0);
	assert_int_equal(pki_want_days(&w, PKI_TIME_MAX, 1, &e), -1);
}

static void
pki_16_dates_after_2050_are_generalized_time(void **state)
{
	struct pki_want w = { .name = "Late" };
	EVP_PKEY *k = pki_key_make("p256", NULL);
	X509 *x;

	(void)state;
	pki_serial_make(w.serial, NULL);
	w.from = INT64_C(2524607999);
	w.to = INT64_C(4294967296);
	pki_want_subnet(&w, "0.0.0.0/0", NULL);
	x = pki_issue_ca(&w, k, NULL);
	assert_non_null(x);
	assert_int_equal(ASN1_STRING_type(X509_get0_notBefore(x)),
	    V_ASN1_UTCTIME);
	assert_int_equal(ASN1_STRING_type(X509_get0_notAfter(x)),
	    V_ASN1_GENERALIZEDTIME);
	X509_free(x);
	EVP_PKEY_free(k);
}

static void
names_that_are_none_are_refused(void **state)
{
	struct pki_want w = make_want("x", "spoke");
	struct err e;

	(void)state;
	assert_int_equal(pki_want_san(&w, GEN_DNS, "192.0.2.1", &e), -1);
	assert_int_equal(pki_want_san(&w, GEN_DNS, "*.example.org", &e), -1);
	assert_int_equal(pki_want_san(&w, GEN_DNS, "a b", &e), -1);
	assert_int_equal(pki_want_san(&w, GEN_IPADD, "a.org", &e), -1);
	assert_int_equal(pki_want_san(&w, GEN_EMAIL, "a.org", &e), -1);
	assert_int_equal(pki_want_san(&w, GEN_EMAIL, "a@b.org", &e), 0);
	assert_int_equal(pki_want_san(&w, GEN_IPADD, "2001:db8::1", &e), 0);
	assert_int_equal(pki_want_subnet(&w, "10.0.0.1/8", &e), -1);
	assert_int_equal(pki_want_address(&w, "10.0.0.0/8", &e), -1);
}

/* ---------------------------------------------------------------- requests */

struct csr {
	unsigned char	*der;
	int		 len;
};

static struct csr
request_of(EVP_PKEY *k, EVP_PKEY *signer, const struct make_ext *exts)
{
	X509_REQ *r = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	struct csr out = { NULL, 0 };
	X509V3_CTX ctx;
	size_t i;

	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(r), "CN",
	    MBSTRING_UTF8, (const unsigned char *)"whoever", -1, -1, 0);
	X509_REQ_set_pubkey(r, k);
	X509V3_set_ctx(&ctx, NULL, NULL, r, NULL, 0);
	for (i = 0; exts != NULL && exts[i].value != NULL; i++)
		sk_X509_EXTENSION_push(all, X509V3_EXT_conf_nid(NULL, &ctx,
		    exts[i].nid, exts[i].value));
	if (i > 0)
		X509_REQ_add_extensions(r, all);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	assert_true(X509_REQ_sign(r, signer, EVP_sha256()) > 0);
	out.len = i2d_X509_REQ(r, &out.der);
	X509_REQ_free(r);
	return out;
}

static int
request_taken(EVP_PKEY *k, EVP_PKEY *signer, const struct make_ext *exts)
{
	struct pki_want w = make_want("x.example.org", "spoke");
	struct csr r = request_of(k, signer, exts);
	struct err e = { 0 };
	EVP_PKEY *got = pki_issue_request(r.der, (size_t)r.len, &w, &e);
	int rc = got != NULL && EVP_PKEY_eq(got, k) == 1;

	if (got == NULL)
		assert_true(e.code != 0 && e.msg[0] != '\0');
	EVP_PKEY_free(got);
	OPENSSL_free(r.der);
	return rc;
}

static void
pki_09_a_request_may_not_ask_for_more_than_it_is_given(void **state)
{
	EVP_PKEY *k = pki_key_make("p256", NULL);
	static const struct { int nid; const char *value; int taken; }
	rows[] = {
		{ NID_subject_alt_name, "DNS:x.example.org", 1 },
		{ NID_subject_alt_name, "DNS:evil.example.org", 0 },
		{ NID_subject_alt_name, "IP:192.0.2.1", 0 },
		{ NID_subject_alt_name, "URI:http://x", 0 },
		{ NID_subject_alt_name, "email:x.example.org", 0 },
		{ NID_basic_constraints, "CA:TRUE", 0 },
		{ NID_basic_constraints, "CA:FALSE", 1 },
		{ NID_key_usage, "critical,keyCertSign", 1 },
		{ NID_netscape_comment, "ASN1:UTF8:x", 1 },
		{ NID_netscape_comment, "critical,ASN1:UTF8:x", 0 },
		{ NID_sbgp_ipAddrBlock, "critical,IPv4:0.0.0.0/0", 0 },
	};
	size_t i;

	(void)state;
	assert_true(request_taken(k, k, NULL));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct make_ext exts[] = {
			{ rows[i].nid, rows[i].value }, { 0, NULL } };

		if (request_taken(k, k, exts) != rows[i].taken)
			fail_msg("%s", rows[i].value);
	}
	EVP_PKEY_free(k);
}

static EVP_PKEY *
rsa_of_exponent_3(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *k = NULL;

	assert_int_equal(BN_set_word(e, 3), 1);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &k), 1);
	BN_free(e);
	EVP_PKEY_CTX_free(ctx);
	return k;
}

/* What no DER is, as a request and as a revocation list. */
static void
pki_13_requests_and_lists_that_are_no_der_are_refused(void **state)
{
	static const struct { const char *der; size_t len; } rows[] = {
		{ "\x30\x80\x00\x00", 4 }, { "\x30\x81\x01\x00", 4 },
		{ "\x30\x84\xff\xff\xff\xff", 6 },
		{ "\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff", 10 },
		{ "", 0 },
	};
	struct pki_want w = make_want("x.example.org", "spoke");
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct csr r = request_of(k, k, NULL);
	unsigned char *der = NULL;
	static uint8_t deep[4000];
	X509_CRL *x;
	struct make m;
	int i, len;

	(void)state;
	make_ca(&m, "Root", "p256", NULL);
	x = pki_issue_crl(&m.ca, 1, MAKE_NOW, MAKE_NOW + 10, NULL, 0, NULL);
	len = i2d_X509_CRL(x, &der);
	for (i = 0; i < (int)(sizeof(rows) / sizeof(rows[0])); i++) {
		assert_null(pki_issue_request(rows[i].der, rows[i].len, &w,
		    NULL));
		assert_null(crl_parse(rbuf_of(rows[i].der, rows[i].len),
		    NULL));
	}
	for (i = 0; i < r.len; i++)
		assert_null(pki_issue_request(r.der, (size_t)i, &w, NULL));
	for (i = 0; i < len; i++)
		assert_null(crl_parse(rbuf_of(der, (size_t)i), NULL));
	for (i = 0; i < 2000; i += 2)
		memcpy(deep + i, "\x30\x80", 2);
	assert_null(pki_issue_request(deep, sizeof(deep), &w, NULL));
	assert_null(crl_parse(rbuf_of(deep, sizeof(deep)), NULL));
	OPENSSL_free(der);
	X509_CRL_free(x);
	OPENSSL_free(r.der);
	EVP_PKEY_free(k);
	make_fini(&m);
}

static void
pki_09_a_request_needs_its_own_signature_and_a_good_key(void **state)
{
	EVP_PKEY *k = pki_key_make("p256", NULL);
	EVP_PKEY *other = pki_key_make("p256", NULL);
	EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *tiny = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)512);
	EVP_PKEY *three = rsa_of_exponent_3();

	(void)state;
	assert_false(request_taken(three, three, NULL));
	EVP_PKEY_free(three);
	assert_false(request_taken(k, other, NULL));
	assert_false(request_taken(small, small, NULL));
	assert_false(request_taken(tiny, tiny, NULL));
	EVP_PKEY_free(k);
	EVP_PKEY_free(other);
	EVP_PKEY_free(small);
	EVP_PKEY_free(tiny);
}

static void
pki_09_a_request_that_is_cut_or_huge_is_refused(void **state)
{
	struct pki_want w = make_want("x.example.org", "spoke");
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct csr r = request_of(k, k, NULL);
	static uint8_t big[1 << 20];
	int i;

	(void)state;
	for (i = 0; i < r.len; i++)
		assert_null(pki_issue_request(r.der, (size_t)i, &w, NULL));
	assert_null(pki_issue_request(big, sizeof(big), &w, NULL));
	OPENSSL_free(r.der);
	EVP_PKEY_free(k);
}

static void
the_look_tells_what_is_in_it(void **state)
{
	struct cert *c;
	struct pki_want w = make_want("x.example.org", "windows");
	EVP_PKEY *k = pki_key_make("p384", NULL);
	struct pki_look look;

	(void)state;
	pki_want_subnet(&w, "10.2.0.0/16", NULL);
	c = make_peer_want(&ca, &w, k);
	pki_look_cert(c, &look);
	assert_string_equal(look.kind, "certificate");
	assert_string_equal(look.subject, "CN=x.example.org");
	assert_string_equal(look.issuer, "CN=CA");
	assert_string_equal(look.key, "p384");
	assert_string_equal(look.not_before, "2027-01-15T07:55:00Z");
	assert_int_equal(look.n_blocks, 1);
	assert_int_equal(look.n_extended_usage, 3);
	assert_string_equal(look.extended_usage[2], "iKEIntermediate");
	assert_int_equal(look.n_usage, 2);
	assert_false(look.ca);
	cert_free(c);
	EVP_PKEY_free(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pki_01_names_come_from_an_allow_list),
		cmocka_unit_test(names_of_files_become_names),
		cmocka_unit_test(
		    every_profile_and_key_type_is_accepted_by_the_verdict),
		cmocka_unit_test(a_ca_of_every_key_type_can_issue),
		cmocka_unit_test(what_the_verdict_would_refuse_is_not_issued),
		cmocka_unit_test(pki_16_a_wrong_clock_is_refused),
		cmocka_unit_test(pki_16_dates_after_2050_are_generalized_time),
		cmocka_unit_test(names_that_are_none_are_refused),
		cmocka_unit_test(
		    pki_09_a_request_may_not_ask_for_more_than_it_is_given),
		cmocka_unit_test(
		    pki_13_requests_and_lists_that_are_no_der_are_refused),
		cmocka_unit_test(
		    pki_09_a_request_needs_its_own_signature_and_a_good_key),
		cmocka_unit_test(
		    pki_09_a_request_that_is_cut_or_huge_is_refused),
		cmocka_unit_test(the_look_tells_what_is_in_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pki_issue", tests, setup,
	    teardown);
}
