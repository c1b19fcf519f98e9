/* What is made of lists that come from elsewhere. */
#include "pki_make.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dmvpn-pki/pki_fetch.h"

#define HOUR 3600
#define WEEK (7 * MAKE_DAY)

static struct make ca, other;
static struct err why;

static int
setup(void **state)
{
	(void)state;
	make_ca(&ca, "CA", "p256", NULL);
	make_ca(&other, "Other", "p256", NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	make_fini(&ca);
	make_fini(&other);
	return 0;
}

static struct rbuf
list(const struct make *by, uint64_t number, int64_t made, int64_t next)
{
	static unsigned char *der[8];
	static int turn;
	X509_CRL *crl = pki_issue_crl(&by->ca, number, made, next, NULL, 0,
	    NULL);
	int len;

	assert_non_null(crl);
	turn = (turn + 1) % 8;
	OPENSSL_free(der[turn]);
	der[turn] = NULL;
	len = i2d_X509_CRL(crl, &der[turn]);
	X509_CRL_free(crl);
	assert_true(len > 0);
	return rbuf_of(der[turn], (size_t)len);
}

static struct pki_fetch
place(void)
{
	struct pki_fetch f;

	assert_int_equal(pki_fetch_init(&f, "http://ca.example.org/crl",
	    NULL), 0);
	assert_true(f.is_url);
	return f;
}

static int
take(struct pki_fetch *f, struct rbuf der, const struct cert_set *trust)
{
	err_clear(&why);
	return pki_fetch_take(f, der, trust, &why);
}

static void
a_newer_list_is_taken_an_older_one_is_not_and_what_was_there_stays(
    void **state)
{
	struct pki_fetch f = place();
	struct rbuf seven = list(&ca, 7, MAKE_NOW, MAKE_NOW + WEEK);

	(void)state;
	assert_int_equal(take(&f, seven, NULL), 1);
	assert_int_equal(take(&f, seven, NULL), 0);
	assert_int_equal(take(&f, list(&ca, 6, MAKE_NOW + HOUR,
	    MAKE_NOW + 2 * WEEK), NULL), -1);
	assert_int_equal(why.code, ESTALE);
	assert_int_equal(take(&f, list(&ca, 7, MAKE_NOW - HOUR,
	    MAKE_NOW + WEEK), NULL), -1);
	assert_int_equal(why.code, ESTALE);
	assert_int_equal(take(&f, rbuf_of("0\x03junk", 6), NULL), -1);
	assert_int_equal(why.code, EBADMSG);
	assert_int_equal(take(&f, rbuf_of("", 0), NULL), -1);
	assert_int_equal(pki_fetch_end(&f), MAKE_NOW + WEEK);
	assert_int_equal(take(&f, list(&ca, 8, MAKE_NOW + 1,
	    MAKE_NOW + 2 * WEEK), NULL), 1);
	assert_int_equal(pki_fetch_end(&f), MAKE_NOW + 2 * WEEK);
	/* signed once more: as new as the one before */
	assert_int_equal(take(&f, list(&ca, 8, MAKE_NOW + 1,
	    MAKE_NOW + 3 * WEEK), NULL), 1);
	/* another issuer's numbers are its own */
	assert_int_equal(take(&f, list(&other, 1, MAKE_NOW, MAKE_NOW + WEEK),
	    NULL), 1);
	pki_fetch_fini(&f);
}

static void
only_who_is_trusted_may_have_signed_it(void **state)
{
	struct cert_set trust = { .n = 0 };
	struct pki_fetch f = place();
	struct make forger = other;

	(void)state;
	assert_int_equal(cert_set_add(&trust, ca.ca_cert, NULL), 0);
	assert_int_equal(take(&f, list(&other, 1, MAKE_NOW, MAKE_NOW + WEEK),
	    &trust), -1);
	assert_int_equal(why.code, EPERM);
	forger.ca.cert = ca.ca.cert;	/* the name, and another key */
	assert_int_equal(take(&f, list(&forger, 1, MAKE_NOW, MAKE_NOW + WEEK),
	    &trust), -1);
	assert_int_equal(why.code, EPERM);
	assert_int_equal(f.crls.n, 0);
	assert_int_equal(take(&f, list(&ca, 1, MAKE_NOW, MAKE_NOW + WEEK),
	    &trust), 1);
	cert_set_fini(&trust);
	pki_fetch_fini(&f);
}

/* watch has it from its cache before it knows whom to trust. */
static void
a_list_that_nobody_trusted_has_signed_keeps_no_other_out(void **state)
{
	struct cert_set trust = { .n = 0 };
	struct pki_fetch f = place();
	struct make forger = other;

	(void)state;
	forger.ca.cert = ca.ca.cert;
	assert_int_equal(cert_set_add(&trust, ca.ca_cert, NULL), 0);
	assert_int_equal(take(&f, list(&forger, 1000, MAKE_NOW, MAKE_NOW +
	    WEEK), NULL), 1);
	assert_int_equal(take(&f, list(&ca, 2, MAKE_NOW, MAKE_NOW + WEEK),
	    NULL), -1);
	assert_int_equal(why.code, ESTALE);
	assert_int_equal(take(&f, list(&ca, 2, MAKE_NOW, MAKE_NOW + WEEK),
	    &trust), 1);
	assert_int_equal(take(&f, list(&ca, 1, MAKE_NOW, MAKE_NOW + WEEK),
	    &trust), -1);
	assert_int_equal(why.code, ESTALE);
	cert_set_fini(&trust);
	pki_fetch_fini(&f);
}

static void
it_is_looked_for_before_the_list_ends(void **state)
{
	struct pki_fetch f = place();

	(void)state;
	assert_int_equal(pki_fetch_age(&f, MAKE_NOW), PKI_FETCH_STALE);
	assert_int_equal(take(&f, list(&ca, 1, MAKE_NOW, MAKE_NOW + 1000),
	    NULL), 1);
	assert_int_equal(pki_fetch_next(&f, MAKE_NOW, 300, 0), MAKE_NOW + 300);
	assert_int_equal(pki_fetch_next(&f, MAKE_NOW, 86400, 0),
	    MAKE_NOW + 900);
	assert_int_equal(pki_fetch_next(&f, MAKE_NOW + 950, 86400, 0),
	    MAKE_NOW + 950 + PKI_FETCH_FIRST);
	assert_int_equal(pki_fetch_age(&f, MAKE_NOW + 899), PKI_FETCH_FRESH);
	assert_int_equal(pki_fetch_age(&f, MAKE_NOW + 901), PKI_FETCH_ENDING);
	assert_int_equal(pki_fetch_age(&f, MAKE_NOW + 1000), PKI_FETCH_STALE);
	/* a fleet spreads over a tenth */
	assert_in_range(pki_fetch_next(&f, MAKE_NOW, 300, 999), MAKE_NOW + 270,
	    MAKE_NOW + 271);
	pki_fetch_fini(&f);
}

static void
failures_are_tried_again_soon_and_then_less_and_less(void **state)
{
	static const int64_t waits[] = { 10, 20, 40, 80, 160, 300, 300 };
	struct pki_fetch f = place();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		f.fails++;
		assert_int_equal(pki_fetch_next(&f, MAKE_NOW, 300, 0),
		    MAKE_NOW + waits[i]);
	}
	f.fails = 4000000000u;
	assert_int_equal(pki_fetch_next(&f, MAKE_NOW, 5, 0), MAKE_NOW + 5);
	pki_fetch_fini(&f);
}

/* The one file of this suffix: cut to so many octets (or taken away). */
static void
each_file(const char *dir, const char *suffix, off_t len)
{
	glob_t g;
	char pattern[256];

	snprintf(pattern, sizeof(pattern), "%s/*.%s", dir, suffix);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_int_equal(g.gl_pathc, 1);
	assert_int_equal(len < 0 ? unlink(g.gl_pathv[0]) :
	    truncate(g.gl_pathv[0], len), 0);
	globfree(&g);
}

/* The list of f, but not what is known about it. */
static void
replace_list(const char *dir, const struct pki_fetch *f)
{
	char pattern[256];
	glob_t g;
	FILE *out;

	snprintf(pattern, sizeof(pattern), "%s/*.crl", dir);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	out = fopen(g.gl_pathv[0], "w");
	assert_non_null(out);
	assert_int_equal(fwrite(f->octets, 1, f->len, out), f->len);
	assert_int_equal(fclose(out), 0);
	globfree(&g);
}

static void
the_copy_on_the_disk_comes_back_and_a_damaged_one_does_not(void **state)
{
	char dir[] = "/tmp/dmvpn-fetch.XXXXXX";
	struct pki_fetch f = place(), g = place();

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pki_fetch_restore(&g, dir, NULL, &why), 0);
	assert_int_equal(take(&f, list(&ca, 5, MAKE_NOW, MAKE_NOW + WEEK),
	    NULL), 1);
	snprintf(f.etag, sizeof(f.etag), "\"a b\"");
	assert_int_equal(pki_fetch_save(&f, dir, &why), 0);
	assert_int_equal(pki_fetch_restore(&g, dir, NULL, &why), 1);
	assert_int_equal(g.crls.n, 1);
	assert_string_equal(g.etag, "\"a b\"");
	assert_string_equal(g.modified, "");
	pki_fetch_fini(&g);
	/* nor when it was told about another list */
	g = place();
	assert_int_equal(take(&g, list(&ca, 6, MAKE_NOW, MAKE_NOW + WEEK),
	    NULL), 1);
	replace_list(dir, &g);
	pki_fetch_fini(&g);
	g = place();
	assert_int_equal(pki_fetch_restore(&g, dir, NULL, &why), 1);
	assert_string_equal(g.etag, "");
	pki_fetch_fini(&g);
	/* without what was told about it, all is asked for again */
	each_file(dir, "about", 20);
	g = place();
	assert_int_equal(pki_fetch_restore(&g, dir, NULL, &why), 1);
	assert_string_equal(g.etag, "");
	pki_fetch_fini(&g);
	each_file(dir, "crl", 40);
	g = place();
	assert_int_equal(pki_fetch_restore(&g, dir, NULL, &why), -1);
	assert_int_equal(g.crls.n, 0);
	pki_fetch_fini(&g);
	pki_fetch_fini(&f);
	each_file(dir, "about", -1);
	each_file(dir, "crl", -1);
	assert_int_equal(rmdir(dir), 0);
}

/* A delta list says only what has changed since another one (RFC 5280, 5.2.4).
 * In the place of that, it would let in whom that has revoked. */
static void
a_delta_list_takes_the_place_of_none(void **state)
{
	struct pki_fetch f = place();
	X509_CRL *crl = pki_issue_crl(&ca.ca, 8, MAKE_NOW, MAKE_NOW + WEEK,
	    NULL, 0, NULL);
	ASN1_INTEGER *base = ASN1_INTEGER_new();
	unsigned char *der = NULL;
	int len;

	(void)state;
	assert_int_equal(take(&f, list(&ca, 7, MAKE_NOW, MAKE_NOW + WEEK),
	    NULL), 1);
	assert_int_equal(ASN1_INTEGER_set(base, 7), 1);
	assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, 1,
	    0), 1);
	assert_true(X509_CRL_sign(crl, ca.ca.key, EVP_sha256()) > 0);
	len = i2d_X509_CRL(crl, &der);
	assert_true(len > 0);
	assert_int_equal(take(&f, rbuf_of(der, (size_t)len), NULL), -1);
	assert_int_equal(why.code, EBADMSG);
	assert_non_null(strstr(why.msg, "delta"));
	assert_int_equal(f.crls.n, 1);
	OPENSSL_free(der);
	ASN1_INTEGER_free(base);
	X509_CRL_free(crl);
	pki_fetch_fini(&f);
}

static void
the_same_octets_again_are_judged_again(void **state)
{
	struct pki_fetch f = place();
	struct rbuf one = list(&ca, 7, MAKE_NOW, MAKE_NOW + WEEK);
	struct cert_set good = { 1, { ca.ca_cert } };
	struct cert_set bad = { 1, { other.ca_cert } };

	(void)state;
	assert_int_equal(take(&f, one, NULL), 1);
	assert_int_equal(take(&f, one, &bad), -1);
	assert_int_equal(why.code, EPERM);
	assert_int_equal(take(&f, one, &good), 0);
	pki_fetch_fini(&f);
}

static void
what_was_planned_by_a_clock_that_was_ahead_is_due(void **state)
{
	struct pki_fetch f = place();

	(void)state;
	f.due = pki_fetch_next(&f, MAKE_NOW, PKI_FETCH_EVERY, 0);
	assert_false(pki_fetch_is_due(&f, MAKE_NOW, PKI_FETCH_EVERY));
	assert_true(pki_fetch_is_due(&f, f.due, PKI_FETCH_EVERY));
	/* set back by a little, and by a year */
	assert_false(pki_fetch_is_due(&f, MAKE_NOW - 1, PKI_FETCH_EVERY));
	assert_true(pki_fetch_is_due(&f, MAKE_NOW - 365 * MAKE_DAY,
	    PKI_FETCH_EVERY));
	pki_fetch_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_newer_list_is_taken_an_older_one_is_not_and_what_was_there_stays),
		cmocka_unit_test(only_who_is_trusted_may_have_signed_it),
		cmocka_unit_test(
		    a_list_that_nobody_trusted_has_signed_keeps_no_other_out),
		cmocka_unit_test(it_is_looked_for_before_the_list_ends),
		cmocka_unit_test(
		    failures_are_tried_again_soon_and_then_less_and_less),
		cmocka_unit_test(
		    the_copy_on_the_disk_comes_back_and_a_damaged_one_does_not),
		cmocka_unit_test(a_delta_list_takes_the_place_of_none),
		cmocka_unit_test(the_same_octets_again_are_judged_again),
		cmocka_unit_test(
		    what_was_planned_by_a_clock_that_was_ahead_is_due),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
