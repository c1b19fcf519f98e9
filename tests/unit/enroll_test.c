/* The frame of enrolment: requests, trust, judgement, times. */
#include "pki_make.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "crypto/verdict.h"
#include "dmvpn-pki/pki_enroll.h"

/* A root, a CA below it, another root of the same name. */
static struct make root, fake;
static struct cert *middle;
static EVP_PKEY *middle_key, *key;

static const struct make_ext ca_exts[] = {
	{ NID_basic_constraints, "critical,CA:TRUE" },
	{ NID_key_usage, "critical,keyCertSign,cRLSign" },
	{ NID_subject_key_identifier, "hash" },
	{ 0, NULL },
};
static const struct make_ext peer_exts[] = {
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "1.3.6.1.5.5.8.2.2" },
	{ 0, NULL },
};

/* make_ca's roots have pathlen 0; these do not. */
static void
make_root(struct make *m, const char *name)
{
	memset(m, 0, sizeof(*m));
	m->ca.key = pki_key_make("p256", NULL);
	m->ca.cert = make_raw(NULL, NULL, name, m->ca.key, EVP_sha256(),
	    MAKE_NOW - MAKE_DAY, MAKE_NOW + 1000 * MAKE_DAY, ca_exts);
	m->ca_cert = make_cert_of(m->ca.cert);
}

static int
setup(void **state)
{
	X509 *x;

	(void)state;
	make_root(&root, "Root");
	make_root(&fake, "Root");
	middle_key = pki_key_make("p256", NULL);
	key = pki_key_make("rsa2048", NULL);
	x = make_raw(root.ca.cert, root.ca.key, "Middle", middle_key,
	    EVP_sha256(), MAKE_NOW - MAKE_DAY, MAKE_NOW + 500 * MAKE_DAY,
	    ca_exts);
	middle = make_cert_of(x);
	X509_free(x);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	make_fini(&root);
	make_fini(&fake);
	cert_free(middle);
	EVP_PKEY_free(middle_key);
	EVP_PKEY_free(key);
	return 0;
}

static const struct enroll_protocol quiet = { .name = "quiet",
	.challenge = true };
static struct pki_want want;
static struct verdict verdict;

static struct enroll
begin(void)
{
	struct enroll n = { .protocol = &quiet, .want = &want, .key = key,
		.now = MAKE_NOW };

	want = (struct pki_want){ .name = "spoke7" };
	assert_int_equal(pki_want_san(&want, GEN_DNS, "spoke7.example", NULL),
	    0);
	return n;
}

static void
finish(struct enroll *n)
{
	verdict_fini(&verdict);
	n->verdict = NULL;
	enroll_fini(n);
}

static void
print_of(const struct cert *c, struct enroll *n)
{
	char hex[65];
	uint8_t print[32];

	cert_fingerprint(c, print);
	text_hex(print, 32, hex, sizeof(hex));
	assert_int_equal(enroll_print_parse(hex, n, NULL), 0);
}

/* ------------------------------------------------------------------ times */

static void
pki_14_renewal_begins_at_two_thirds_and_a_fleet_is_spread(void **state)
{
	int64_t from = MAKE_NOW, to = from + 90 * MAKE_DAY, at;
	uint32_t r;

	(void)state;
	assert_int_equal(enroll_renew_at(from, to, 0), from + 60 * MAKE_DAY);
	for (r = 0; r < UINT32_MAX - 0x10000000; r += 0x10000000) {
		at = enroll_renew_at(from, to, r);
		assert_true(at <= from + 60 * MAKE_DAY);
		assert_true(at >= from + 51 * MAKE_DAY);
	}
	assert_true(enroll_renew_at(from, to, UINT32_MAX) <
	    from + 52 * MAKE_DAY);
}

static void
pki_14_failures_wait_longer_and_the_last_third_cries(void **state)
{
	uint64_t wait, before = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 12; i++) {
		wait = enroll_backoff(i, 365 * MAKE_DAY, 0);
		assert_true(wait >= before && wait <= MAKE_DAY);
		before = wait;
	}
	assert_int_equal(enroll_backoff(0, MAKE_DAY, 0), 60);
	assert_int_equal(enroll_backoff(200, 365 * MAKE_DAY, 0), MAKE_DAY);
	assert_int_equal(enroll_backoff(20, 3600, 0), 1800);
	assert_true(enroll_backoff(20, -5, UINT32_MAX) >= 45);
	assert_false(enroll_alarm(0, 90, 59));
	assert_true(enroll_alarm(0, 90, 60));
	assert_true(enroll_alarm(0, 90, 100));
}

static void
a_clock_that_is_set_back_takes_what_it_planned_with_it(void **state)
{
	int64_t now = MAKE_NOW, renew = now + 60 * MAKE_DAY;

	(void)state;
	assert_int_equal(enroll_next(now + 500, renew, now, now), now + 500);
	assert_int_equal(enroll_next(now + 500, renew, now, now - 30),
	    now + 500);
	assert_int_equal(enroll_next(now + 500, renew, now, now + 90),
	    now + 500);
	assert_int_equal(enroll_next(now + 400 * MAKE_DAY, renew,
	    now + 399 * MAKE_DAY, now), renew);
}

/* ------------------------------------------------------------------ trust */

static void
fingerprints_are_read_as_people_write_them(void **state)
{
	struct enroll n = begin();
	struct err e;

	(void)state;
	assert_int_equal(enroll_print_parse("AB:cd:00:11:22:33:44:55:66:77:88:"
	    "99:aa:bb:cc:dd:ee:ff:00:11", &n, &e), 0);
	assert_int_equal(n.print_len, 20);
	assert_int_equal(n.print[1], 0xcd);
	assert_int_equal(enroll_print_parse("00112233445566778899aabbccddeeff",
	    &n, &e), -1);
	assert_non_null(strstr(e.msg, "MD5"));
	assert_int_equal(enroll_print_parse("00", &n, &e), -1);
	assert_int_equal(enroll_print_parse("xy", &n, &e), -1);
	assert_int_equal(enroll_print_parse("", &n, &e), -1);
	finish(&n);
}

static void
nobody_is_trusted_unless_told(void **state)
{
	struct enroll n = begin();
	struct err e;

	(void)state;
	assert_int_equal(enroll_trust(&n, &e), -1);
	assert_int_equal(e.code, EBADMSG);
	cert_set_add(&n.ca, middle, NULL);
	cert_set_add(&n.ca, root.ca_cert, NULL);
	assert_int_equal(enroll_trust(&n, &e), -1);
	assert_int_equal(e.code, EACCES);
	assert_non_null(strstr(e.msg, "CN=Root"));
	assert_non_null(strstr(e.msg, "--fingerprint"));
	print_of(fake.ca_cert, &n);
	assert_int_equal(enroll_trust(&n, &e), -1);
	assert_non_null(strstr(e.msg, "not the one of --fingerprint"));
	n.accept = true;
	assert_int_equal(enroll_trust(&n, &e), 0);
	assert_int_equal(n.anchors.n, 1);
	assert_true(cert_equal(n.anchors.v[0], root.ca_cert));
	finish(&n);
}

static void
a_fingerprint_trusts_the_root_above_but_no_other_of_its_name(void **state)
{
	struct enroll n = begin();

	(void)state;
	cert_set_add(&n.ca, fake.ca_cert, NULL);
	cert_set_add(&n.ca, middle, NULL);
	print_of(middle, &n);
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_int_equal(n.anchors.n, 1);
	assert_true(cert_equal(n.anchors.v[0], middle));
	assert_false(enroll_leads_up(&n, fake.ca_cert));
	cert_set_fini(&n.anchors);
	cert_set_add(&n.ca, root.ca_cert, NULL);
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_int_equal(n.anchors.n, 1);
	assert_true(cert_equal(n.anchors.v[0], root.ca_cert));
	assert_true(enroll_leads_up(&n, middle));
	finish(&n);
}

/* RFC 4210, 4.4: the same name, another key, certified by the one before. */
static void
pki_14_a_root_that_the_trusted_one_certifies_is_trusted_too(void **state)
{
	X509 *link = make_raw(root.ca.cert, root.ca.key, "Root", fake.ca.key,
	    EVP_sha256(), MAKE_NOW, MAKE_NOW + MAKE_DAY, ca_exts);
	struct cert *linked = make_cert_of(link);
	struct enroll n = begin();

	(void)state;
	cert_set_add(&n.ca, fake.ca_cert, NULL);
	cert_set_add(&n.ca, root.ca_cert, NULL);
	print_of(root.ca_cert, &n);
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_int_equal(n.anchors.n, 1);
	assert_false(enroll_leads_up(&n, fake.ca_cert));
	cert_set_add(&n.ca, linked, NULL);
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_int_equal(n.anchors.n, 2);
	assert_true(cert_equal(n.anchors.v[1], fake.ca_cert));
	finish(&n);
	cert_free(linked);
	X509_free(link);
}

/* The key alone is not the CA: its name goes on. */
static void
pki_14_a_root_of_another_name_is_not_the_next_one(void **state)
{
	struct make other;
	struct enroll n = begin();
	struct cert *linked;
	X509 *link;

	(void)state;
	make_ca(&other, "Other", "p256", NULL);
	link = make_raw(root.ca.cert, root.ca.key, "Root", other.ca.key,
	    EVP_sha256(), MAKE_NOW, MAKE_NOW + MAKE_DAY, ca_exts);
	linked = make_cert_of(link);
	cert_set_add(&n.ca, other.ca_cert, NULL);
	cert_set_add(&n.ca, root.ca_cert, NULL);
	cert_set_add(&n.ca, linked, NULL);
	print_of(root.ca_cert, &n);
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_int_equal(n.anchors.n, 1);
	assert_true(cert_equal(n.anchors.v[0], root.ca_cert));
	finish(&n);
	cert_free(linked);
	X509_free(link);
	make_fini(&other);
}

/* A CA somewhere below has no say in whom else to trust, whatever name it
 * writes; nor has a link that has ended. */
static void
a_root_that_is_linked_by_another_than_the_trusted_one_is_not_trusted(
    void **state)
{
	X509 *forged = make_raw(root.ca.cert, root.ca.key, "Root", middle_key,
	    EVP_sha256(), MAKE_NOW, MAKE_NOW + MAKE_DAY, peer_exts);
	X509 *over = make_raw(root.ca.cert, root.ca.key, "Root", fake.ca.key,
	    EVP_sha256(), MAKE_NOW - MAKE_DAY, MAKE_NOW - 1, ca_exts);
	/* of a subordinate that has the root's name, as it has that of any */
	X509 *below = make_raw(root.ca.cert, root.ca.key, "Root", middle_key,
	    EVP_sha256(), MAKE_NOW, MAKE_NOW + MAKE_DAY, ca_exts);
	X509 *link = make_raw(below, middle_key, "Root", fake.ca.key,
	    EVP_sha256(), MAKE_NOW, MAKE_NOW + MAKE_DAY, ca_exts);
	X509 *const all[] = { forged, over, below, link };
	struct enroll n = begin();
	size_t i;

	(void)state;
	cert_set_add(&n.ca, fake.ca_cert, NULL);
	cert_set_add(&n.ca, root.ca_cert, NULL);
	print_of(root.ca_cert, &n);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct cert *c = make_cert_of(all[i]);

		cert_set_add(&n.ca, c, NULL);
		cert_free(c);
		X509_free(all[i]);
	}
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_int_equal(n.anchors.n, 1);
	assert_true(cert_equal(n.anchors.v[0], root.ca_cert));
	finish(&n);
}

static void
what_the_user_trusts_is_trusted_unless_it_has_ended(void **state)
{
	struct enroll n = begin();
	struct cert_set trust = { .n = 0 };

	(void)state;
	cert_set_add(&trust, root.ca_cert, NULL);
	n.trust = &trust;
	cert_set_add(&n.ca, middle, NULL);
	assert_int_equal(enroll_trust(&n, NULL), 0);
	assert_true(enroll_leads_up(&n, middle));
	cert_set_fini(&n.anchors);
	n.now = MAKE_NOW + 1001 * MAKE_DAY;
	assert_int_equal(enroll_trust(&n, NULL), -1);
	cert_set_fini(&trust);
	finish(&n);
}

/* ---------------------------------------------------------------- request */

static int
challenge_type(const char *text)
{
	struct enroll n = begin();
	struct secret *s = secret_copy(text, strlen(text));
	X509_ATTRIBUTE *a;
	int type;

	n.challenge = s;
	assert_int_equal(enroll_request(&n, NULL), 0);
	assert_int_equal(X509_REQ_verify(n.request, key), 1);
	a = X509_REQ_get_attr(n.request, X509_REQ_get_attr_by_NID(n.request,
	    NID_pkcs9_challengePassword, -1));
	assert_non_null(a);
	type = X509_ATTRIBUTE_get0_type(a, 0)->type;
	finish(&n);
	secret_free(s);
	return type;
}

static void
a_challenge_is_a_printable_string_when_it_can_be(void **state)
{
	(void)state;
	assert_int_equal(challenge_type("0123456789ABCDEF"),
	    V_ASN1_PRINTABLESTRING);
	assert_int_equal(challenge_type("with blank, comma."),
	    V_ASN1_PRINTABLESTRING);
	assert_int_equal(challenge_type("a_b*c"), V_ASN1_UTF8STRING);
	assert_int_equal(challenge_type("\xc3\xa4"), V_ASN1_UTF8STRING);
}

static bool
asks_for(X509_REQ *r, const char *oid, const void *value, size_t len)
{
	STACK_OF(X509_EXTENSION) *all = X509_REQ_get_extensions(r);
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	int at = X509v3_get_ext_by_OBJ(all, o, -1);
	ASN1_OCTET_STRING *s = at < 0 ? NULL : X509_EXTENSION_get_data(
	    sk_X509_EXTENSION_value(all, at));
	bool ok = s != NULL && (size_t)ASN1_STRING_length(s) == len &&
	    memcmp(ASN1_STRING_get0_data(s), value, len) == 0;

	ASN1_OBJECT_free(o);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	return ok;
}

static void
a_request_asks_for_names_usage_and_template(void **state)
{
	/* digitalSignature, keyEncipherment: NDES's general template */
	static const uint8_t usage[] = { 0x03, 0x02, 0x05, 0xa0 };
	static const uint8_t san[] = "\x30\x10\x82\x0espoke7.example";
	static const uint8_t template[] = { 0x1e, 4, 0, 'I', 0, 'P' };
	struct enroll n = begin();
	char name[64];

	(void)state;
	n.template = "IP";
	assert_int_equal(enroll_request(&n, NULL), 0);
	assert_true(asks_for(n.request, "2.5.29.15", usage, 4));
	assert_true(asks_for(n.request, "2.5.29.17", san, 18));
	assert_true(asks_for(n.request, "1.3.6.1.4.1.311.20.2", template, 6));
	X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(n.request),
	    NID_commonName, name, sizeof(name));
	assert_string_equal(name, "spoke7");
	n.subject = "CN=s7,O=Example";
	assert_int_equal(enroll_request(&n, NULL), 0);
	X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(n.request),
	    NID_organizationName, name, sizeof(name));
	assert_string_equal(name, "Example");
	n.subject = "s7.example";
	assert_int_equal(enroll_request(&n, NULL), -1);
	finish(&n);
}

static void
a_renewal_asks_for_what_there_was(void **state)
{
	static const uint8_t san[] = "\x30\x09\x82\x07old.org";
	static const struct make_ext exts[] = {
		{ NID_subject_alt_name, "DNS:old.org" }, { 0, NULL } };
	X509 *x = make_raw(root.ca.cert, root.ca.key, "Old", key, EVP_sha256(),
	    MAKE_NOW, MAKE_NOW + MAKE_DAY, exts);
	struct cert *c = make_cert_of(x);
	struct cert_set old = { .n = 0 };
	struct enroll n = begin();
	char name[64];

	(void)state;
	cert_set_add(&old, c, NULL);
	n.old = &old;
	want.n_sans = 0;
	assert_int_equal(enroll_request(&n, NULL), 0);
	X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(n.request),
	    NID_commonName, name, sizeof(name));
	assert_string_equal(name, "Old");
	assert_true(asks_for(n.request, "2.5.29.17", san, 11));
	finish(&n);
	cert_set_fini(&old);
	cert_free(c);
	X509_free(x);
}

static void
scep_refuses_other_keys_than_rsa_before_it_asks(void **state)
{
	struct enroll n = begin();
	EVP_PKEY *ec = pki_key_make("p256", NULL);
	struct err e;

	(void)state;
	n.protocol = &enroll_scep;
	n.key = ec;
	assert_int_equal(enroll_request(&n, &e), -1);
	assert_int_equal(e.code, EINVAL);
	assert_non_null(strstr(e.msg, "RSA"));
	finish(&n);
	EVP_PKEY_free(ec);
}

/* ------------------------------------------------------------------ judge */

static struct enroll
judged(const struct make *ca, X509 *issuer, EVP_PKEY *issuer_key,
    EVP_PKEY *for_key, const struct make_ext *exts, int *rc, struct err *e)
{
	struct enroll n = begin();
	X509 *x = make_raw(issuer, issuer_key, "spoke7", for_key, EVP_sha256(),
	    MAKE_NOW + 30, MAKE_NOW + MAKE_DAY, exts);
	struct cert *c = make_cert_of(x);

	memset(&verdict, 0, sizeof(verdict));
	n.verdict = &verdict;
	cert_set_add(&n.chain, c, NULL);
	cert_set_add(&n.ca, middle, NULL);
	cert_set_add(&n.anchors, ca->ca_cert, NULL);
	*rc = enroll_judge(&n, e);
	cert_free(c);
	X509_free(x);
	return n;
}

static void
what_came_is_for_our_key_and_from_the_ca(void **state)
{
	X509 *m = (X509 *)(uintptr_t)cert_x509(middle);
	EVP_PKEY *other = pki_key_make("p256", NULL);
	struct enroll n;
	struct err e;
	int rc;

	(void)state;
	n = judged(&root, m, middle_key, key, peer_exts, &rc, &e);
	assert_int_equal(rc, 0);
	assert_int_equal(n.verdict->code, VERDICT_OK);
	/* The chain got what was missing. */
	assert_int_equal(n.chain.n, 2);
	assert_true(cert_equal(n.chain.v[1], middle));
	finish(&n);
	n = judged(&root, m, middle_key, other, peer_exts, &rc, &e);
	assert_int_equal(rc, -1);
	assert_non_null(strstr(e.msg, "not for our key"));
	finish(&n);
	n = judged(&root, fake.ca.cert, fake.ca.key, key, peer_exts, &rc, &e);
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, EPERM);
	finish(&n);
	EVP_PKEY_free(other);
}

static void
what_is_only_no_good_for_ike_is_kept_and_told(void **state)
{
	static const struct make_ext web[] = {
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "clientAuth" }, { 0, NULL } };
	struct enroll n;
	struct err e;
	int rc;

	(void)state;
	n = judged(&root, root.ca.cert, root.ca.key, key, web, &rc, &e);
	assert_int_equal(rc, 0);
	assert_int_equal(n.verdict->code, VERDICT_WRONG_USAGE);
	assert_int_equal(n.chain.n, 1);
	finish(&n);
}

static void
the_bundle_is_what_the_agent_reads(void **state)
{
	X509 *m = (X509 *)(uintptr_t)cert_x509(middle);
	struct enroll n;
	struct secret *pem;
	struct cert_set all = { .n = 0 };
	struct err e;
	EVP_PKEY *k;
	int rc;

	(void)state;
	n = judged(&root, m, middle_key, key, peer_exts, &rc, &e);
	pem = enroll_bundle(&n, NULL, &e);
	assert_non_null(pem);
	k = pki_key_read((char *)pem->b, pem->len, NULL, &e);
	assert_int_equal(EVP_PKEY_eq(k, key), 1);
	assert_int_equal(cert_set_add_pem(&all, (char *)pem->b, pem->len, &e),
	    0);
	assert_int_equal(all.n, 3);
	assert_true(cert_equal(all.v[2], root.ca_cert));
	cert_set_fini(&all);
	EVP_PKEY_free(k);
	secret_free(pem);
	finish(&n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    pki_14_renewal_begins_at_two_thirds_and_a_fleet_is_spread),
		cmocka_unit_test(
		    pki_14_failures_wait_longer_and_the_last_third_cries),
		cmocka_unit_test(
		    a_clock_that_is_set_back_takes_what_it_planned_with_it),
		cmocka_unit_test(fingerprints_are_read_as_people_write_them),
		cmocka_unit_test(nobody_is_trusted_unless_told),
		cmocka_unit_test(
		    a_fingerprint_trusts_the_root_above_but_no_other_of_its_name),
		cmocka_unit_test(
		    pki_14_a_root_that_the_trusted_one_certifies_is_trusted_too),
		cmocka_unit_test(
		    pki_14_a_root_of_another_name_is_not_the_next_one),
		cmocka_unit_test(
		    a_root_that_is_linked_by_another_than_the_trusted_one_is_not_trusted),
		cmocka_unit_test(
		    what_the_user_trusts_is_trusted_unless_it_has_ended),
		cmocka_unit_test(
		    a_challenge_is_a_printable_string_when_it_can_be),
		cmocka_unit_test(a_request_asks_for_names_usage_and_template),
		cmocka_unit_test(a_renewal_asks_for_what_there_was),
		cmocka_unit_test(
		    scep_refuses_other_keys_than_rsa_before_it_asks),
		cmocka_unit_test(what_came_is_for_our_key_and_from_the_ca),
		cmocka_unit_test(
		    what_is_only_no_good_for_ike_is_kept_and_told),
		cmocka_unit_test(the_bundle_is_what_the_agent_reads),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
