#include "pki_make.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/verdict.h"
#include "dmvpn-pki/pki_ca.h"
#include "dmvpn-pki/pki_points.h"
#include "dmvpn-pki/pki_store.h"

/* Keys of a CA one after the other, CAs below another one, and lists in
 * parts. */

static enum verdict_code
judge(const struct cert *leaf, const struct cert *other,
    const struct cert *anchor, const struct crl_set *crls, bool need_crl)
{
	struct cert_set others = { .n = 0 }, anchors = { .n = 0 };
	struct verdict_ask ask = { .leaf = leaf, .others = &others,
		.anchors = &anchors, .crls = crls, .need_crl = need_crl,
		.at = MAKE_NOW };
	enum verdict_code code;
	struct verdict v;

	if (other != NULL)
		cert_set_add(&others, (struct cert *)(uintptr_t)other, NULL);
	cert_set_add(&anchors, (struct cert *)(uintptr_t)anchor, NULL);
	verdict_make(&ask, &v);
	code = v.code;
	if (code == VERDICT_OK)
		assert_true(v.blocks.n > 0);
	verdict_fini(&v);
	cert_set_fini(&others);
	cert_set_fini(&anchors);
	return code;
}

static struct cert *
make_link(const struct make *of, const struct make *by)
{
	uint8_t serial[PKI_SERIAL_LEN];
	struct err e = { 0 };
	struct cert *c;
	X509 *x;

	assert_int_equal(pki_serial_make(serial, &e), 0);
	x = pki_ca_link(of->ca.cert, &by->ca, serial, &e);
	assert_non_null(x);
	c = make_cert_of(x);
	X509_free(x);
	return c;
}

static void
pki_14_a_link_leads_from_the_new_key_to_the_old_anchor_and_back(void **state)
{
	struct make old, new;
	struct cert *new_by_old, *old_by_new, *a, *b;

	(void)state;
	make_ca(&old, "Root", "p256", NULL);
	make_ca(&new, "Root", "p384", NULL);
	a = make_peer(&old, "a", "p256", NULL);
	b = make_peer(&new, "b", "p256", NULL);
	new_by_old = make_link(&new, &old);
	old_by_new = make_link(&old, &new);
	/* each with its own anchor, and with the other one over a link */
	assert_int_equal(judge(a, NULL, old.ca_cert, NULL, false), VERDICT_OK);
	assert_int_equal(judge(b, NULL, new.ca_cert, NULL, false), VERDICT_OK);
	assert_int_equal(judge(b, new_by_old, old.ca_cert, NULL, false),
	    VERDICT_OK);
	assert_int_equal(judge(a, old_by_new, new.ca_cert, NULL, false),
	    VERDICT_OK);
	/* and without it not */
	assert_int_not_equal(judge(b, NULL, old.ca_cert, NULL, false),
	    VERDICT_OK);
	assert_int_not_equal(judge(b, old_by_new, old.ca_cert, NULL, false),
	    VERDICT_OK);
	assert_true(cert_not_after(new_by_old) <=
	    cert_not_after(old.ca_cert));
	assert_true(cert_self_issued(new_by_old));
	assert_false(cert_self_signed(new_by_old));
	assert_true(cert_self_signed(new.ca_cert));
	cert_free(a);
	cert_free(b);
	cert_free(new_by_old);
	cert_free(old_by_new);
	make_fini(&old);
	make_fini(&new);
}

/* ------------------------------------------------------ below another CA */

struct outside {
	EVP_PKEY	*root_key, *key;
	X509		*root;
	struct cert_set	 roots;
};

static void
outside_init(struct outside *o)
{
	static const struct make_ext exts[] = {
		{ NID_basic_constraints, "critical,CA:TRUE" },
		{ NID_subject_key_identifier, "hash" }, { 0, NULL } };

	memset(o, 0, sizeof(*o));
	o->root_key = pki_key_make("p256", NULL);
	o->key = pki_key_make("p256", NULL);
	o->root = make_raw(NULL, NULL, "Corporate Root", o->root_key,
	    EVP_sha256(), MAKE_NOW - 10, MAKE_NOW + 100000, exts);
	o->roots.v[o->roots.n++] = make_cert_of(o->root);
}

static void
outside_fini(struct outside *o)
{
	cert_set_fini(&o->roots);
	X509_free(o->root);
	EVP_PKEY_free(o->root_key);
	EVP_PKEY_free(o->key);
}

/* What pki_ca_check says about a certificate with these extensions. */
static int
came_back(struct outside *o, EVP_PKEY *of, int64_t to, const char *basic,
    const char *usage, char why[ERR_MAX])
{
	const struct make_ext exts[] = {
		{ NID_subject_key_identifier, "hash" },
		{ NID_key_usage, usage },
		{ NID_basic_constraints, basic }, { 0, NULL } };
	X509 *x = make_raw(o->root, o->root_key, "DMVPN CA", of, EVP_sha256(),
	    MAKE_NOW - 10, to, exts);
	struct cert *c = make_cert_of(x);
	struct err e = { 0 };
	int rc = pki_ca_check(c, o->key, NULL, &o->roots, MAKE_NOW, &e);

	snprintf(why, ERR_MAX, "%s", e.msg);
	cert_free(c);
	X509_free(x);
	return rc;
}

static void
what_an_outside_ca_gives_back_is_judged(void **state)
{
	static const char ca[] = "critical,CA:TRUE,pathlen:0";
	static const char signs[] = "critical,keyCertSign,cRLSign";
	int64_t to = MAKE_NOW + 1000;
	char why[ERR_MAX];
	struct outside o;

	(void)state;
	outside_init(&o);
	assert_int_equal(came_back(&o, o.key, to, ca, signs, why), 0);
	assert_int_equal(came_back(&o, o.root_key, to, ca, signs, why), -1);
	assert_non_null(strstr(why, "not that of the request"));
	assert_int_equal(came_back(&o, o.key, to, "CA:FALSE", signs, why), -1);
	assert_non_null(strstr(why, "basic constraints"));
	assert_int_equal(came_back(&o, o.key, to, NULL, signs, why), -1);
	assert_int_equal(came_back(&o, o.key, to, ca, "digitalSignature",
	    why), -1);
	assert_non_null(strstr(why, "keyCertSign"));
	assert_int_equal(came_back(&o, o.key, to, ca, "keyCertSign", why), -1);
	assert_non_null(strstr(why, "cRLSign"));
	assert_int_equal(came_back(&o, o.key, MAKE_NOW - 5, ca, signs, why),
	    -1);
	assert_non_null(strstr(why, "expired"));
	/* another root of the same name */
	EVP_PKEY_free(o.root_key);
	o.root_key = pki_key_make("p256", NULL);
	assert_int_equal(came_back(&o, o.key, to, ca, signs, why), -1);
	outside_fini(&o);
}

static void
a_request_to_be_a_ca_says_what_it_wants(void **state)
{
	struct pki_want w = { .name = "DMVPN CA", .organisation = "Example" };
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct err e = { 0 };
	X509_REQ *r;
	STACK_OF(X509_EXTENSION) *all;

	(void)state;
	assert_int_equal(pki_want_subnet(&w, "10.0.0.0/8", &e), 0);
	r = pki_ca_request(&w, k, &e);
	assert_non_null(r);
	assert_int_equal(X509_REQ_verify(r, k), 1);
	all = X509_REQ_get_extensions(r);
	assert_int_equal(sk_X509_EXTENSION_num(all), 4);
	assert_true(X509v3_get_ext_by_NID(all, NID_sbgp_ipAddrBlock, -1) >= 0);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	X509_REQ_free(r);
	EVP_PKEY_free(k);
}

/* ------------------------------------------------------------ lists in parts */

static struct crl *
crl_of(X509_CRL *x)
{
	unsigned char *der = NULL;
	int len = i2d_X509_CRL(x, &der);
	struct crl *c = crl_parse(rbuf_of(der, (size_t)len), NULL);

	assert_non_null(c);
	OPENSSL_free(der);
	X509_CRL_free(x);
	return c;
}

static void
a_partition_speaks_of_its_own_certificates_and_no_others(void **state)
{
	static const char mine[] = "http://ca/x-1.crl", other[] =
	    "http://ca/x-2.crl";
	struct pki_want w = make_want("p", "spoke");
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct pki_revoked r = { "", MAKE_NOW - 50, "superseded" };
	struct crl_info a, b, whole;
	struct crl_set set = { .n = 0 };
	struct make m;
	char serial[48];
	struct cert *c;

	(void)state;
	make_ca(&m, "Root", "p256", NULL);
	w.crl_url = mine;
	assert_int_equal(pki_want_address(&w, "10.0.0.2", NULL), 0);
	c = make_peer_want(&m, &w, k);
	r.serial = cert_serial(c, serial, sizeof(serial));
	/* another partition proves nothing, even if it names it */
	set.v[set.n++] = crl_of(pki_issue_crl_part(&m.ca, other, 5,
	    MAKE_NOW - 10, MAKE_NOW + 10, NULL, 0, NULL));
	assert_int_equal(judge(c, NULL, m.ca_cert, &set, false), VERDICT_OK);
	assert_int_equal(judge(c, NULL, m.ca_cert, &set, true),
	    VERDICT_NO_CRL);
	/* its own */
	set.v[set.n++] = crl_of(pki_issue_crl_part(&m.ca, mine, 6,
	    MAKE_NOW - 10, MAKE_NOW + 10, NULL, 0, NULL));
	assert_int_equal(judge(c, NULL, m.ca_cert, &set, true), VERDICT_OK);
	crl_free(set.v[1]);
	set.v[1] = crl_of(pki_issue_crl_part(&m.ca, mine, 7, MAKE_NOW - 10,
	    MAKE_NOW + 10, &r, 1, NULL));
	assert_int_equal(judge(c, NULL, m.ca_cert, &set, false),
	    VERDICT_REVOKED);
	/* an agent keeps both: they are told apart; so is the whole list */
	set.v[set.n++] = crl_of(pki_issue_crl(&m.ca, 8, MAKE_NOW - 10,
	    MAKE_NOW + 10, NULL, 0, NULL));
	assert_int_equal(crl_info(set.v[0], &a, NULL), 0);
	assert_int_equal(crl_info(set.v[1], &b, NULL), 0);
	assert_int_equal(crl_info(set.v[2], &whole, NULL), 0);
	assert_memory_not_equal(a.issuer, b.issuer, 32);
	assert_memory_not_equal(a.issuer, whole.issuer, 32);
	crl_set_fini(&set);
	cert_free(c);
	EVP_PKEY_free(k);
	make_fini(&m);
}

/* The signature is verified once for each key: never less than once. */
static void
a_list_with_a_forged_signature_counts_for_nothing(void **state)
{
	struct make m, other;
	X509_CRL *made, *x;
	unsigned char *der = NULL;
	struct crl *good, *bad;
	struct crl_set set = { .n = 0 };
	struct cert *c;
	int len;

	(void)state;
	make_ca(&m, "Root", "p256", NULL);
	make_ca(&other, "Root", "p256", NULL);
	c = make_peer(&m, "a", "p256", NULL);
	made = pki_issue_crl(&m.ca, 1, MAKE_NOW - 10, MAKE_NOW + 10, NULL, 0,
	    NULL);
	len = i2d_X509_CRL(made, &der);
	X509_CRL_free(made);
	good = crl_parse(rbuf_of(der, (size_t)len), NULL);
	/* the body, so that the signature is another list's */
	der[len / 3] ^= 1;
	bad = crl_parse(rbuf_of(der, (size_t)len), NULL);
	der[len / 3] ^= 1;
	der[len - 3] ^= 1;
	bad = bad != NULL ? bad : crl_parse(rbuf_of(der, (size_t)len), NULL);
	assert_non_null(bad);
	assert_int_not_equal(X509_CRL_verify((X509_CRL *)(uintptr_t)
	    crl_x509(bad), m.ca.key), 1);
	set.v[set.n++] = bad;
	assert_int_not_equal(judge(c, NULL, m.ca_cert, &set, true),
	    VERDICT_OK);
	/* that one key has signed it says nothing about another one */
	x = (X509_CRL *)(uintptr_t)crl_x509(good);
	assert_int_equal(X509_CRL_verify(x, m.ca.key), 1);
	assert_int_not_equal(X509_CRL_verify(x, other.ca.key), 1);
	assert_int_equal(X509_CRL_verify(x, m.ca.key), 1);
	OPENSSL_free(der);
	crl_free(good);
	crl_set_fini(&set);
	cert_free(c);
	make_fini(&m);
	make_fini(&other);
}

static void
names_of_partitions_keep_their_suffix(void **state)
{
	static const struct {
		const char	*base;
		int64_t		 key;
		unsigned	 n;
		const char	*want;
	} rows[] = {
		{ "http://a.example/ca.crl", 1, 3, "http://a.example/ca-3.crl" },
		{ "http://a.example/ca.crl", 2, 0,
		    "http://a.example/ca-g2.crl" },
		{ "http://a.example/ca.crl", 2, 3,
		    "http://a.example/ca-g2-3.crl" },
		{ "http://a.example/ca", 1, 1, "http://a.example/ca-1" },
		{ "http://a.example/", 1, 12, "http://a.example/-12" },
		{ "crl.pem", 1, 2, "crl-2.pem" }, { ".crl", 1, 2, ".crl-2" },
		{ "d.x/crl", 1, 2, "d.x/crl-2" },
		{ "crl.pem", 1, 0, "crl.pem" },
	};
	char out[PKI_URL_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pki_points_name(rows[i].base, rows[i].key, rows[i].n, out);
		assert_string_equal(out, rows[i].want);
	}
}

static void
urls_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "ca.example/ca.crl", "http://",
		"http:///x", "ftp://a/x", "http://a/x y", "http://a/\n",
		"http://a/\"", "http://a/,b\\", "file:///etc/passwd" };
	size_t i;

	(void)state;
	assert_int_equal(pki_url_check("", NULL), 0);
	assert_int_equal(pki_url_check("http://ca.example.org/ca.crl", NULL),
	    0);
	assert_int_equal(pki_url_check("https://[2001:db8::1]:8443/x", NULL),
	    0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pki_url_check(bad[i], NULL), -1);
}

/* ------------------------------------------------------------------- speed */

#define LISTED 100000

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The time of a judgement when its issuer has revoked 100,000: under 10 ms;
 * here with room for a sanitizer and a busy machine. */
static void
a_list_of_100000_is_looked_up_in_milliseconds(void **state)
{
	struct pki_revoked *rows = calloc(LISTED, sizeof(*rows));
	char (*serials)[33] = calloc(LISTED, sizeof(*serials));
	struct crl_set set = { .n = 0 };
	double begin, best = 1e9, took;
	struct make m;
	struct cert *c;
	size_t i;

	(void)state;
	assert_non_null(rows);
	assert_non_null(serials);
	for (i = 0; i < LISTED; i++) {
		snprintf(serials[i], sizeof(serials[i]), "40%030zx",
		    i * 2654435761u);
		rows[i] = (struct pki_revoked){ serials[i], MAKE_NOW - 50,
		    "superseded" };
	}
	make_ca(&m, "Root", "p256", NULL);
	c = make_peer(&m, "a", "p256", NULL);
	set.v[set.n++] = crl_of(pki_issue_crl(&m.ca, 1, MAKE_NOW - 10,
	    MAKE_NOW + 10, rows, LISTED, NULL));
	for (i = 0; i < 10; i++) {
		begin = now_ms();
		assert_int_equal(judge(c, NULL, m.ca_cert, &set, true),
		    VERDICT_OK);
		took = now_ms() - begin;
		best = took < best ? took : best;
		if (i == 0)
			print_message("# first judgement %.2f ms\n", took);
	}
	print_message("# %d revoked: judged in %.2f ms\n", LISTED, best);
#ifndef DMVPN_SANITIZED
	assert_true(best < 10);
#endif
	crl_set_fini(&set);
	free(rows);
	free(serials);
	cert_free(c);
	make_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    pki_14_a_link_leads_from_the_new_key_to_the_old_anchor_and_back),
		cmocka_unit_test(what_an_outside_ca_gives_back_is_judged),
		cmocka_unit_test(a_request_to_be_a_ca_says_what_it_wants),
		cmocka_unit_test(
		    a_partition_speaks_of_its_own_certificates_and_no_others),
		cmocka_unit_test(
		    a_list_with_a_forged_signature_counts_for_nothing),
		cmocka_unit_test(names_of_partitions_keep_their_suffix),
		cmocka_unit_test(urls_that_are_none_are_refused),
		cmocka_unit_test(
		    a_list_of_100000_is_looked_up_in_milliseconds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pki_ca", tests, NULL, NULL);
}
