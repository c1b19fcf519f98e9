#include "pki_make.h"

#include <errno.h>
#include <stdio.h>

#include "base/date.h"
#include "crypto/verdict.h"
#include "msg/msg.h"
#include "msg/types.h"

static struct make root;
static EVP_PKEY *peer_key;
static struct cert *peer;

static int
setup(void **state)
{
	(void)state;
	make_site(&root, &peer, &peer_key);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return make_site_fini(&root, peer, peer_key);
}

/* One question, one answer: the code, and whether blocks came with it. */
struct q {
	const struct cert	*leaf;
	const struct cert	*others[4];
	const struct cert	*anchor;
	const struct crl	*crl;
	const char		*id;
	const char		*patterns[3];
	int64_t			 at;
	bool			 need_crl, allow_weak, any_usage, need_blocks;
};

static struct verdict last;

static enum verdict_code
judge(const struct q *q)
{
	struct cert_set others = { .n = 0 }, anchors = { .n = 0 };
	struct crl_set crls = { .n = 0 };
	struct ident id;
	struct verdict_ask ask = { .leaf = q->leaf, .others = &others,
		.anchors = &anchors, .crls = &crls, .patterns = q->patterns,
		.at = q->at != 0 ? q->at : MAKE_NOW, .need_crl = q->need_crl,
		.allow_weak = q->allow_weak, .any_usage = q->any_usage,
		.need_blocks = q->need_blocks };
	size_t i;

	for (i = 0; i < 4 && q->others[i] != NULL; i++)
		cert_set_add(&others, (struct cert *)(uintptr_t)q->others[i],
		    NULL);
	if (q->anchor != NULL)
		cert_set_add(&anchors, (struct cert *)(uintptr_t)q->anchor,
		    NULL);
	if (q->crl != NULL)
		crls.v[crls.n++] = (struct crl *)(uintptr_t)q->crl;
	if (q->id != NULL) {
		assert_int_equal(ident_parse(q->id, &id, NULL), 0);
		ask.id = &id;
	}
	verdict_make(&ask, &last);
	verdict_fini(&last);
	cert_set_fini(&others);
	cert_set_fini(&anchors);
	if (last.code != VERDICT_OK)
		assert_int_equal(last.blocks.n, 0);
	return last.code;
}

static void
a_good_certificate_passes_with_its_blocks(void **state)
{
	struct q q = { .leaf = peer, .anchor = root.ca_cert,
		.id = "spoke.example.org", .patterns = { "*.example.org" } };
	char text[128];

	(void)state;
	assert_int_equal(judge(&q), VERDICT_OK);
	assert_string_equal(blocks_text(&last.blocks, text, sizeof(text)),
	    "10.0.0.2/32 192.168.2.0/24");
	q.id = "CN=spoke.example.org";
	q.patterns[0] = "CN=*";
	assert_int_equal(judge(&q), VERDICT_OK);
}

/* IKE-27 */
static void
ike_27_an_unknown_ca_is_untrusted(void **state)
{
	struct make other;
	struct q q = { .leaf = peer };
	struct reason r;
	char line[1200];

	(void)state;
	make_ca(&other, "Other", "p256", NULL);
	q.anchor = other.ca_cert;
	assert_int_equal(judge(&q), VERDICT_UNTRUSTED);
	verdict_reason(&last, "ike-auth", &r);
	assert_string_equal(r.code, "untrusted");
	assert_string_equal(r.stage, "ike-auth");
	reason_text(&r, line, sizeof(line));
	assert_non_null(strstr(line, "issuer CN=CA"));
	assert_non_null(strstr(line, "CN=Other"));
	q.anchor = NULL;
	assert_int_equal(judge(&q), VERDICT_UNTRUSTED);
	make_fini(&other);
}

static void
ike_27_a_ca_of_the_same_name_with_another_key_is_not_trusted(void **state)
{
	struct make other;
	struct q q = { .leaf = peer };

	(void)state;
	make_ca(&other, "CA", "p256", NULL);
	q.anchor = other.ca_cert;
	assert_int_not_equal(judge(&q), VERDICT_OK);
	make_fini(&other);
}

static void
ike_27_a_self_signed_stranger_is_untrusted(void **state)
{
	X509 *x = make_raw(NULL, NULL, "me", peer_key, EVP_sha256(),
	    MAKE_NOW - 10, MAKE_NOW + 10, NULL);
	struct cert *c = make_cert_of(x);
	struct q q = { .leaf = c, .anchor = root.ca_cert, .others = { c } };

	(void)state;
	assert_int_equal(judge(&q), VERDICT_UNTRUSTED);
	cert_free(c);
	X509_free(x);
}

/* Root (pathlen 0 is taken off) -> middle -> leaf. */
struct middle {
	EVP_PKEY	*key;
	X509		*x;
	struct cert	*c;
};

static void
make_middle(struct middle *m, X509 *issuer, EVP_PKEY *issuer_key,
    const char *name, const char *constraints)
{
	const struct make_ext exts[] = {
		{ NID_basic_constraints, constraints },
		{ NID_key_usage, "critical,keyCertSign,cRLSign" },
		{ NID_subject_key_identifier, "hash" }, { 0, NULL } };

	m->key = pki_key_make("p256", NULL);
	m->x = make_raw(issuer, issuer_key, name, m->key, EVP_sha256(),
	    MAKE_NOW - 10, MAKE_NOW + 1000, constraints == NULL ? NULL : exts);
	m->c = make_cert_of(m->x);
}

static void
fini_middle(struct middle *m)
{
	cert_free(m->c);
	X509_free(m->x);
	EVP_PKEY_free(m->key);
}

static void
ike_27_intermediates_are_wanted_and_used(void **state)
{
	struct middle top, mid, leaf;
	struct q q = { .at = MAKE_NOW };

	(void)state;
	make_middle(&top, NULL, NULL, "top", "critical,CA:TRUE");
	make_middle(&mid, top.x, top.key, "mid", "critical,CA:TRUE");
	make_middle(&leaf, mid.x, mid.key, "leaf", NULL);
	q.leaf = leaf.c;
	q.anchor = top.c;
	assert_int_equal(judge(&q), VERDICT_UNTRUSTED);
	q.others[0] = mid.c;
	assert_int_equal(judge(&q), VERDICT_OK);
	/* an anchor is trusted as it stands, be it a root or not */
	q.others[0] = NULL;
	q.anchor = mid.c;
	assert_int_equal(judge(&q), VERDICT_OK);
	fini_middle(&top);
	fini_middle(&mid);
	fini_middle(&leaf);
}

static void
ike_27_a_leaf_is_no_ca(void **state)
{
	struct middle top, mid, leaf;
	struct q q = { .at = MAKE_NOW };

	(void)state;
	make_middle(&top, NULL, NULL, "top", "critical,CA:TRUE");
	make_middle(&mid, top.x, top.key, "mid", "critical,CA:FALSE");
	make_middle(&leaf, mid.x, mid.key, "leaf", NULL);
	q.leaf = leaf.c;
	q.anchor = top.c;
	q.others[0] = mid.c;
	assert_int_equal(judge(&q), VERDICT_BAD_CHAIN);
	fini_middle(&top);
	fini_middle(&mid);
	fini_middle(&leaf);
}

/* keyCertSign without basic constraints */
static void
ike_27_key_usage_alone_makes_no_ca(void **state)
{
	const struct make_ext exts[] = {
		{ NID_key_usage, "critical,keyCertSign,cRLSign" },
		{ 0, NULL } };
	struct middle top, leaf;
	EVP_PKEY *key = pki_key_make("p256", NULL);
	struct q q = { .at = MAKE_NOW };
	struct cert *mid;
	X509 *x;

	(void)state;
	make_middle(&top, NULL, NULL, "top", "critical,CA:TRUE");
	x = make_raw(top.x, top.key, "mid", key, EVP_sha256(), MAKE_NOW - 10,
	    MAKE_NOW + 1000, exts);
	mid = make_cert_of(x);
	make_middle(&leaf, x, key, "leaf", NULL);
	q.leaf = leaf.c;
	q.anchor = top.c;
	q.others[0] = mid;
	assert_int_equal(judge(&q), VERDICT_BAD_CHAIN);
	cert_free(mid);
	X509_free(x);
	EVP_PKEY_free(key);
	fini_middle(&top);
	fini_middle(&leaf);
}

static void
ike_27_the_path_length_counts(void **state)
{
	struct middle top, mid, leaf;
	struct q q = { .at = MAKE_NOW };

	(void)state;
	make_middle(&top, NULL, NULL, "top", "critical,CA:TRUE,pathlen:0");
	make_middle(&mid, top.x, top.key, "mid", "critical,CA:TRUE");
	make_middle(&leaf, mid.x, mid.key, "leaf", NULL);
	q.leaf = leaf.c;
	q.anchor = top.c;
	q.others[0] = mid.c;
	assert_int_equal(judge(&q), VERDICT_BAD_CHAIN);
	fini_middle(&top);
	fini_middle(&mid);
	fini_middle(&leaf);
}

static void
ike_27_cross_certificates_in_a_loop_end(void **state)
{
	struct middle a, b, leaf;
	X509 *ab, *ba;
	struct cert *cab, *cba;
	const struct make_ext exts[] = {
		{ NID_basic_constraints, "critical,CA:TRUE" }, { 0, NULL } };
	struct q q = { .anchor = root.ca_cert };

	(void)state;
	make_middle(&a, NULL, NULL, "A", "critical,CA:TRUE");
	make_middle(&b, NULL, NULL, "B", "critical,CA:TRUE");
	ab = make_raw(b.x, b.key, "A", a.key, EVP_sha256(), MAKE_NOW - 10,
	    MAKE_NOW + 10, exts);
	ba = make_raw(a.x, a.key, "B", b.key, EVP_sha256(), MAKE_NOW - 10,
	    MAKE_NOW + 10, exts);
	make_middle(&leaf, ab, a.key, "leaf", NULL);
	cab = make_cert_of(ab);
	cba = make_cert_of(ba);
	q.leaf = leaf.c;
	q.others[0] = cab;
	q.others[1] = cba;
	assert_int_not_equal(judge(&q), VERDICT_OK);
	cert_free(cab);
	cert_free(cba);
	X509_free(ab);
	X509_free(ba);
	fini_middle(&a);
	fini_middle(&b);
	fini_middle(&leaf);
}

/* IKE-28 */
static void
ike_28_times_are_judged_at_the_time_given(void **state)
{
	struct q q = { .leaf = peer, .anchor = root.ca_cert };

	(void)state;
	q.at = cert_not_before(peer) - 1;
	assert_int_equal(judge(&q), VERDICT_NOT_YET);
	q.at = cert_not_before(peer);
	assert_int_equal(judge(&q), VERDICT_OK);
	q.at = cert_not_after(peer) - 1;
	assert_int_equal(judge(&q), VERDICT_OK);
	q.at = cert_not_after(peer) + 1;
	assert_int_equal(judge(&q), VERDICT_EXPIRED);
	assert_non_null(strstr(last.offered, "2027-02-14"));
	q.at = cert_not_after(root.ca_cert) + 1;
	assert_int_equal(judge(&q), VERDICT_EXPIRED);
}

static void
ike_28_an_expired_ca_fails_a_living_leaf(void **state)
{
	struct middle top, leaf;
	struct q q;

	(void)state;
	make_middle(&top, NULL, NULL, "top", "critical,CA:TRUE");
	leaf.key = pki_key_make("p256", NULL);
	leaf.x = make_raw(top.x, top.key, "leaf", leaf.key, EVP_sha256(),
	    MAKE_NOW - 10, MAKE_NOW + 5000, NULL);
	leaf.c = make_cert_of(leaf.x);
	q = (struct q){ .leaf = leaf.c, .anchor = top.c };
	assert_int_equal(judge(&q), VERDICT_OK);
	q.at = MAKE_NOW + 2000;
	assert_int_equal(judge(&q), VERDICT_EXPIRED);
	fini_middle(&top);
	fini_middle(&leaf);
}

static void
ike_28_years_around_2050_and_9999_are_read_right(void **state)
{
	static const struct { int64_t from, to, at; int code; } rows[] = {
		/* 2049-12-31T23:59:59Z is the last UTCTime */
		{ MAKE_NOW, 2524607999, 2524607998, VERDICT_OK },
		{ MAKE_NOW, 2524607999, 2524608000, VERDICT_EXPIRED },
		{ MAKE_NOW, 2524608000, 2524607999, VERDICT_OK },
		{ 2524608000, 4291747199, MAKE_NOW, VERDICT_NOT_YET },
		/* 99991231235959Z: no end, RFC 5280, 4.1.2.5 */
		{ MAKE_NOW, PKI_TIME_MAX, 4291747199, VERDICT_OK },
		/* 2038-01-19 */
		{ MAKE_NOW, 2147483649, 2147483648, VERDICT_OK },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		X509 *x = make_raw(NULL, NULL, "x", peer_key, EVP_sha256(),
		    rows[i].from, rows[i].to, NULL);
		struct cert *c = make_cert_of(x);
		struct q q = { .leaf = c, .anchor = c, .at = rows[i].at };

		assert_int_equal(cert_not_after(c), rows[i].to ==
		    PKI_TIME_MAX ? INT64_MAX : rows[i].to);
		/* OpenSSL judges by a time_t: 2038, where it has 32 bits */
		if (date_time(rows[i].at) == rows[i].at)
			assert_int_equal(judge(&q), rows[i].code);
		cert_free(c);
		X509_free(x);
	}
}

/* IKE-29 */
static struct crl *
make_crl(const struct make *m, const char *serial, int64_t from, int64_t to)
{
	struct pki_revoked r = { serial, MAKE_NOW - 50, "key-compromise" };
	X509_CRL *x = pki_issue_crl(&m->ca, 1, from, to, &r,
	    serial == NULL ? 0 : 1, NULL);
	unsigned char *der = NULL;
	int len = i2d_X509_CRL(x, &der);
	struct crl *c = crl_parse(rbuf_of(der, (size_t)len), NULL);

	assert_non_null(c);
	OPENSSL_free(der);
	X509_CRL_free(x);
	return c;
}

static void
ike_29_what_a_crl_names_is_revoked(void **state)
{
	char serial[48];
	struct crl *c = make_crl(&root, cert_serial(peer, serial,
	    sizeof(serial)), MAKE_NOW - 10, MAKE_NOW + 10);
	struct q q = { .leaf = peer, .anchor = root.ca_cert, .crl = c };

	(void)state;
	assert_int_equal(judge(&q), VERDICT_REVOKED);
	q.need_crl = true;
	assert_int_equal(judge(&q), VERDICT_REVOKED);
	/* out of date, it still revokes */
	q.need_crl = false;
	q.at = MAKE_NOW + 100;
	assert_int_equal(judge(&q), VERDICT_REVOKED);
	crl_free(c);
}

static void
ike_29_strict_wants_a_current_crl_of_this_ca(void **state)
{
	struct make other;
	struct crl *good = make_crl(&root, NULL, MAKE_NOW - 10, MAKE_NOW + 10);
	struct crl *old = make_crl(&root, NULL, MAKE_NOW - 10, MAKE_NOW - 5);
	struct crl *early = make_crl(&root, NULL, MAKE_NOW + 500,
	    MAKE_NOW + 510);
	struct crl *foreign;
	struct q q = { .leaf = peer, .anchor = root.ca_cert,
		.need_crl = true };

	(void)state;
	make_ca(&other, "Other", "p256", NULL);
	foreign = make_crl(&other, NULL, MAKE_NOW - 10, MAKE_NOW + 10);
	assert_int_equal(judge(&q), VERDICT_NO_CRL);
	q.crl = good;
	assert_int_equal(judge(&q), VERDICT_OK);
	q.crl = old;
	assert_int_equal(judge(&q), VERDICT_NO_CRL);
	q.crl = early;
	assert_int_equal(judge(&q), VERDICT_NO_CRL);
	q.crl = foreign;
	assert_int_equal(judge(&q), VERDICT_NO_CRL);
	q.need_crl = false;
	assert_int_equal(judge(&q), VERDICT_OK);
	crl_free(good);
	crl_free(old);
	crl_free(early);
	crl_free(foreign);
	make_fini(&other);
}

/* OCSP may stand for that about the leaf, and an anchor needs none. */
static void
ike_29_strict_wants_a_crl_about_each_ca_on_the_way(void **state)
{
	struct middle top, mid, leaf;
	struct make m = { .ca_cert = NULL };
	struct crl *c;
	struct q q = { .need_crl = true };

	(void)state;
	make_middle(&top, NULL, NULL, "top", "critical,CA:TRUE");
	make_middle(&mid, top.x, top.key, "mid", "critical,CA:TRUE");
	make_middle(&leaf, mid.x, mid.key, "leaf", NULL);
	m.ca = (struct pki_ca){ mid.x, mid.key };
	c = make_crl(&m, NULL, MAKE_NOW - 10, MAKE_NOW + 10);
	q.leaf = leaf.c;
	q.crl = c;
	q.others[0] = mid.c;
	q.anchor = mid.c;
	assert_int_equal(judge(&q), VERDICT_OK);
	q.anchor = top.c;
	assert_int_equal(judge(&q), VERDICT_NO_CRL);
	crl_free(c);
	fini_middle(&top);
	fini_middle(&mid);
	fini_middle(&leaf);
}

static void
a_crl_of_a_clock_that_is_a_little_ahead_counts(void **state)
{
	char serial[48];
	struct crl *none = make_crl(&root, NULL, MAKE_NOW + 200,
	    MAKE_NOW + 900);
	struct crl *named = make_crl(&root, cert_serial(peer, serial,
	    sizeof(serial)), MAKE_NOW + 200, MAKE_NOW + 900);
	struct q q = { .leaf = peer, .anchor = root.ca_cert, .crl = none };

	(void)state;
	assert_int_equal(judge(&q), VERDICT_OK);
	q.need_crl = true;
	assert_int_equal(judge(&q), VERDICT_OK);
	q.crl = named;
	assert_int_equal(judge(&q), VERDICT_REVOKED);
	q.need_crl = false;
	assert_int_equal(judge(&q), VERDICT_REVOKED);
	q.crl = none;
	q.at = MAKE_NOW - 200;		/* more than a little */
	assert_int_equal(judge(&q), VERDICT_NO_CRL);
	crl_free(none);
	crl_free(named);
}

static void
a_crl_with_a_forged_signature_counts_for_nothing(void **state)
{
	struct make fake;
	struct crl *c;
	struct q q = { .leaf = peer, .anchor = root.ca_cert,
		.need_crl = true };

	(void)state;
	make_ca(&fake, "CA", "p256", NULL);
	c = make_crl(&fake, NULL, MAKE_NOW - 10, MAKE_NOW + 10);
	q.crl = c;
	assert_int_not_equal(judge(&q), VERDICT_OK);
	crl_free(c);
	make_fini(&fake);
}

static void
names_must_be_in_the_certificate_and_in_policy(void **state)
{
	struct q q = { .leaf = peer, .anchor = root.ca_cert };

	(void)state;
	q.id = "other.example.org";
	assert_int_equal(judge(&q), VERDICT_WRONG_NAME);
	assert_string_equal(last.wanted, "other.example.org");
	assert_string_equal(last.offered,
	    "spoke.example.org, CN=spoke.example.org");
	q.id = "SPOKE.Example.ORG";
	assert_int_equal(judge(&q), VERDICT_OK);
	q.id = "spoke.example.org";
	q.patterns[0] = "*.example.com";
	q.patterns[1] = "hub.example.org";
	assert_int_equal(judge(&q), VERDICT_WRONG_NAME);
	assert_string_equal(last.wanted, "*.example.com or hub.example.org");
	q.patterns[1] = "spoke.example.org";
	assert_int_equal(judge(&q), VERDICT_OK);
	/* the DN is an identity, but part of it is none */
	q.patterns[0] = NULL;
	q.id = "CN=spoke";
	assert_int_equal(judge(&q), VERDICT_WRONG_NAME);
	q.id = "192.0.2.1";
	assert_int_equal(judge(&q), VERDICT_WRONG_NAME);
}

static struct cert *
with_exts(const struct make_ext *exts)
{
	X509 *x = make_raw(root.ca.cert, root.ca.key, "x", peer_key,
	    EVP_sha256(), MAKE_NOW - 10, MAKE_NOW + 1000, exts);
	struct cert *c = make_cert_of(x);

	X509_free(x);
	return c;
}

static void
extended_key_usages_of_ike_pass_and_others_by_policy(void **state)
{
	static const struct { const char *value; int code; } rows[] = {
		{ "anyExtendedKeyUsage", VERDICT_OK },
		{ "1.3.6.1.5.5.7.3.17", VERDICT_OK },
		{ "1.3.6.1.5.5.8.2.2", VERDICT_OK },
		{ "serverAuth,1.3.6.1.5.5.8.2.2", VERDICT_OK },
		{ "serverAuth", VERDICT_WRONG_USAGE },
		{ "clientAuth,codeSigning", VERDICT_WRONG_USAGE },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct make_ext exts[] = {
			{ NID_ext_key_usage, rows[i].value }, { 0, NULL } };
		struct cert *c = with_exts(exts);
		struct q q = { .leaf = c, .anchor = root.ca_cert };

		assert_int_equal(judge(&q), rows[i].code);
		q.any_usage = true;
		assert_int_equal(judge(&q), VERDICT_OK);
		cert_free(c);
	}
}

static void
key_usage_must_allow_signatures(void **state)
{
	static const struct { const char *value; int code; } rows[] = {
		{ "digitalSignature", VERDICT_OK },
		{ "nonRepudiation", VERDICT_OK },
		{ "keyEncipherment", VERDICT_WRONG_USAGE },
		{ "keyAgreement,dataEncipherment", VERDICT_WRONG_USAGE },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct make_ext exts[] = {
			{ NID_key_usage, rows[i].value }, { 0, NULL } };
		struct cert *c = with_exts(exts);
		struct q q = { .leaf = c, .anchor = root.ca_cert };

		assert_int_equal(judge(&q), rows[i].code);
		cert_free(c);
	}
}

static void
the_ca_itself_is_not_a_peer(void **state)
{
	struct middle top, mid;
	struct q q;

	(void)state;
	make_middle(&top, NULL, NULL, "top", "critical,CA:TRUE");
	make_middle(&mid, top.x, top.key, "mid", "critical,CA:TRUE");
	q = (struct q){ .leaf = mid.c, .anchor = top.c };
	assert_int_equal(judge(&q), VERDICT_WRONG_USAGE);
	fini_middle(&top);
	fini_middle(&mid);
}

static void
unknown_critical_extensions_fail(void **state)
{
	const struct make_ext exts[] = {
		{ NID_netscape_comment, "critical,ASN1:UTF8:x" },
		{ 0, NULL } };
	struct cert *c = with_exts(exts);
	struct q q = { .leaf = c, .anchor = root.ca_cert };

	(void)state;
	assert_int_not_equal(judge(&q), VERDICT_OK);
	cert_free(c);
}

static void
weak_keys_and_hashes_fail_unless_allowed(void **state)
{
	EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *tiny = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)512);
	X509 *x[3];
	const bool allowed[3] = { true, true, false };
	size_t i;

	(void)state;
	x[0] = make_raw(root.ca.cert, root.ca.key, "small", small,
	    EVP_sha256(), MAKE_NOW - 1, MAKE_NOW + 1, NULL);
	x[1] = make_raw(root.ca.cert, root.ca.key, "sha1", peer_key,
	    EVP_sha1(), MAKE_NOW - 1, MAKE_NOW + 1, NULL);
	x[2] = make_raw(root.ca.cert, root.ca.key, "tiny", tiny,
	    EVP_sha256(), MAKE_NOW - 1, MAKE_NOW + 1, NULL);
	for (i = 0; i < 3; i++) {
		struct cert *c = make_cert_of(x[i]);
		struct q q = { .leaf = c, .anchor = root.ca_cert };

		assert_int_equal(judge(&q), VERDICT_WEAK);
		q.allow_weak = true;
		assert_int_equal(judge(&q), allowed[i] ? VERDICT_OK :
		    VERDICT_WEAK);
		cert_free(c);
		X509_free(x[i]);
	}
	EVP_PKEY_free(small);
	EVP_PKEY_free(tiny);
}

static void
md5_is_refused_even_when_weak_is_allowed(void **state)
{
	struct make rsa;
	struct cert *c;
	struct q q = { .allow_weak = true };
	X509 *x;

	(void)state;
	make_ca(&rsa, "RSA", "rsa2048", NULL);
	x = make_raw(rsa.ca.cert, rsa.ca.key, "md5", peer_key, EVP_md5(),
	    MAKE_NOW - 1, MAKE_NOW + 1, NULL);
	q.leaf = c = make_cert_of(x);
	q.anchor = rsa.ca_cert;
	assert_int_equal(judge(&q), VERDICT_WEAK);
	cert_free(c);
	X509_free(x);
	make_fini(&rsa);
}

static void
blocks_beyond_the_issuer_fail(void **state)
{
	const struct make_ext wide[] = {
		{ NID_sbgp_ipAddrBlock, "IPv4:10.0.0.0/8" }, { 0, NULL } };
	const struct make_ext none[] = { { 0, NULL } };
	struct make narrow;
	struct cert *c, *plain;
	X509 *x, *y;
	struct q q;

	(void)state;
	make_ca(&narrow, "Narrow", "p256", "10.1.0.0/16");
	x = make_raw(narrow.ca.cert, narrow.ca.key, "x", peer_key,
	    EVP_sha256(), MAKE_NOW - 1, MAKE_NOW + 1, wide);
	y = make_raw(narrow.ca.cert, narrow.ca.key, "y", peer_key,
	    EVP_sha256(), MAKE_NOW - 1, MAKE_NOW + 1, none);
	c = make_cert_of(x);
	plain = make_cert_of(y);
	q = (struct q){ .leaf = c, .anchor = narrow.ca_cert };
	assert_int_equal(judge(&q), VERDICT_EXCEEDS);
	q.leaf = plain;
	assert_int_equal(judge(&q), VERDICT_OK);
	q.need_blocks = true;
	assert_int_equal(judge(&q), VERDICT_NO_BLOCKS);
	cert_free(c);
	cert_free(plain);
	X509_free(x);
	X509_free(y);
	make_fini(&narrow);
}

static void
inherited_blocks_are_those_of_the_issuer(void **state)
{
	const struct make_ext exts[] = {
		{ NID_sbgp_ipAddrBlock, "IPv4:inherit" }, { 0, NULL } };
	struct make narrow;
	struct cert *c;
	X509 *x;
	struct q q;
	char text[64];

	(void)state;
	make_ca(&narrow, "Narrow", "p256", "10.1.0.0/16");
	x = make_raw(narrow.ca.cert, narrow.ca.key, "x", peer_key,
	    EVP_sha256(), MAKE_NOW - 1, MAKE_NOW + 1, exts);
	c = make_cert_of(x);
	q = (struct q){ .leaf = c, .anchor = narrow.ca_cert };
	assert_int_equal(judge(&q), VERDICT_OK);
	assert_string_equal(blocks_text(&last.blocks, text, sizeof(text)),
	    "10.1.0.0/16");
	cert_free(c);
	X509_free(x);
	make_fini(&narrow);
}

static void
all_that_is_wrong_is_told_at_once(void **state)
{
	struct q q = { .leaf = peer, .anchor = root.ca_cert,
		.id = "other.example.org", .at = MAKE_NOW + 90 * MAKE_DAY,
		.need_crl = true };

	(void)state;
	assert_int_equal(judge(&q), VERDICT_EXPIRED);
	assert_int_equal(last.checks[VERDICT_CHAIN].result, VERDICT_PASS);
	assert_int_equal(last.checks[VERDICT_TIME].result, VERDICT_FAIL);
	assert_int_equal(last.checks[VERDICT_NAME].result, VERDICT_FAIL);
	assert_int_equal(last.checks[VERDICT_REVOCATION].result, VERDICT_FAIL);
	assert_int_equal(last.checks[VERDICT_BLOCKS].result, VERDICT_PASS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_certificate_passes_with_its_blocks),
		cmocka_unit_test(ike_27_an_unknown_ca_is_untrusted),
		cmocka_unit_test(
		    ike_27_a_ca_of_the_same_name_with_another_key_is_not_trusted),
		cmocka_unit_test(ike_27_a_self_signed_stranger_is_untrusted),
		cmocka_unit_test(ike_27_intermediates_are_wanted_and_used),
		cmocka_unit_test(ike_27_a_leaf_is_no_ca),
		cmocka_unit_test(ike_27_key_usage_alone_makes_no_ca),
		cmocka_unit_test(ike_27_the_path_length_counts),
		cmocka_unit_test(ike_27_cross_certificates_in_a_loop_end),
		cmocka_unit_test(ike_28_times_are_judged_at_the_time_given),
		cmocka_unit_test(ike_28_an_expired_ca_fails_a_living_leaf),
		cmocka_unit_test(
		    ike_28_years_around_2050_and_9999_are_read_right),
		cmocka_unit_test(ike_29_what_a_crl_names_is_revoked),
		cmocka_unit_test(ike_29_strict_wants_a_current_crl_of_this_ca),
		cmocka_unit_test(
		    ike_29_strict_wants_a_crl_about_each_ca_on_the_way),
		cmocka_unit_test(
		    a_crl_of_a_clock_that_is_a_little_ahead_counts),
		cmocka_unit_test(
		    a_crl_with_a_forged_signature_counts_for_nothing),
		cmocka_unit_test(
		    names_must_be_in_the_certificate_and_in_policy),
		cmocka_unit_test(
		    extended_key_usages_of_ike_pass_and_others_by_policy),
		cmocka_unit_test(key_usage_must_allow_signatures),
		cmocka_unit_test(the_ca_itself_is_not_a_peer),
		cmocka_unit_test(unknown_critical_extensions_fail),
		cmocka_unit_test(weak_keys_and_hashes_fail_unless_allowed),
		cmocka_unit_test(md5_is_refused_even_when_weak_is_allowed),
		cmocka_unit_test(blocks_beyond_the_issuer_fail),
		cmocka_unit_test(inherited_blocks_are_those_of_the_issuer),
		cmocka_unit_test(all_that_is_wrong_is_told_at_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("verdict", tests, setup, teardown);
}
