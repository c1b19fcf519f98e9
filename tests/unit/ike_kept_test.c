#include "ike_certs.h"

#include "dmvpn-ike/ike_int.h"

/* What peers showed is kept as what differs from a model, and comes back. */

struct shown {
	struct cert_set		chain;
	struct ike_stapled	ocsp;
};

struct world {
	struct ike_cred		cred;
	struct ike_profile	profile;
	struct test_ca		ca, other;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->profile.cred = &w->cred;
	w->cred.judged = 7;
	w->ca = test_ca_new("Kept CA");
	w->other = test_ca_new("Somebody else's");
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	ike_model_release(w->cred.model);
	test_ca_free(&w->ca);
	test_ca_free(&w->other);
	free(w);
	return 0;
}

static struct shown
shows(struct test_ca *ca, const char *cn, const char *kind, bool with_ca)
{
	static const uint8_t response[] = "an OCSP response";
	struct shown s = { .ocsp = { .at = 1700000000,
	    .response = rbuf_of(response, with_ca ? sizeof(response) : 0) } };
	EVP_PKEY *key = test_key(kind);
	X509 *x = test_cert(key, cn, ca->cert, ca->key, NULL, NULL, -60,
	    86400);
	uint8_t *der = NULL;
	int len = i2d_X509(x, &der);

	assert_true(len > 0);
	assert_int_equal(cert_set_add_der(&s.chain, rbuf_of(der,
	    (size_t)len), NULL), 0);
	if (with_ca)
		assert_int_equal(cert_set_add_der(&s.chain, rbuf_of(
		    ca->der, (size_t)ca->der_len), NULL), 0);
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
	return s;
}

static void
take(struct world *w, struct ike_isa *s, const struct shown *what)
{
	s->profile = &w->profile;
	assert_int_equal(ike_kept_take(s, &what->chain, &what->ocsp), 0);
	assert_non_null(s->kept);
	assert_int_equal(s->judged, w->cred.judged);
}

static void
comes_back(const struct ike_isa *s, const struct shown *what)
{
	struct ike_certs c;
	size_t i;

	assert_int_equal(ike_kept_read(s->kept, &c), 0);
	assert_int_equal(c.certs.n, what->chain.n);
	for (i = 0; i < c.certs.n; i++)
		assert_true(cert_equal(c.certs.v[i], what->chain.v[i]));
	assert_int_equal(c.ocsp.at, what->ocsp.at);
	assert_true(rbuf_equal(&c.ocsp.response, &what->ocsp.response));
	ike_certs_fini(&c);
}

static void
test_each_peer_gets_its_own_back(void **state)
{
	struct world *w = *state;
	struct shown a = shows(&w->ca, "a.example", "P-256", false);
	struct shown b = shows(&w->ca, "b.example", "P-256", false);
	struct shown c = shows(&w->ca, "c.example", "P-256", true);
	struct ike_isa sa = { 0 }, sb = { 0 }, sc = { 0 };

	take(w, &sa, &a);
	take(w, &sb, &b);
	take(w, &sc, &c);
	comes_back(&sa, &a);
	comes_back(&sb, &b);
	comes_back(&sc, &c);
	ike_kept_free(sb.kept);
	comes_back(&sa, &a);
	comes_back(&sc, &c);
	ike_kept_free(sa.kept);
	ike_kept_free(sc.kept);
	ike_kept_free(NULL);
	cert_set_fini(&a.chain);
	cert_set_fini(&b.chain);
	cert_set_fini(&c.chain);
}

/* Peers of one CA share it; one that is unlike gives a new one, and those who
 * have the old one keep it, whatever becomes of the credential. */
static void
test_a_model_lives_as_long_as_its_users(void **state)
{
	struct world *w = *state;
	struct shown a = shows(&w->ca, "a.example", "P-256", false);
	struct shown b = shows(&w->ca, "b.example", "P-256", false);
	struct shown far = shows(&w->other, "far.example", "rsa", false);
	struct ike_isa sa = { 0 }, sb = { 0 }, sf = { 0 };
	struct ike_model *first;
	uint8_t noise[4096];
	uint32_t x = 1;
	size_t i;

	for (i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	far.ocsp.response = rbuf_of(noise, sizeof(noise));
	take(w, &sa, &a);
	first = w->cred.model;
	assert_non_null(first);
	take(w, &sb, &b);
	assert_ptr_equal(w->cred.model, first);
	take(w, &sf, &far);
	assert_ptr_not_equal(w->cred.model, first);
	ike_model_release(w->cred.model);
	w->cred.model = NULL;
	comes_back(&sa, &a);
	ike_kept_free(sa.kept);
	comes_back(&sb, &b);
	comes_back(&sf, &far);
	ike_kept_free(sb.kept);
	ike_kept_free(sf.kept);
	cert_set_fini(&a.chain);
	cert_set_fini(&b.chain);
	cert_set_fini(&far.chain);
}

/* It authenticates again, with another certificate. */
static void
test_what_is_shown_anew_takes_the_place_of_the_old(void **state)
{
	struct world *w = *state;
	struct shown a = shows(&w->ca, "a.example", "P-256", true);
	struct shown b = shows(&w->ca, "a.example", "P-256", false);
	struct ike_isa s = { 0 };

	take(w, &s, &a);
	w->cred.judged++;
	b.ocsp.at++;
	take(w, &s, &b);
	comes_back(&s, &b);
	ike_kept_free(s.kept);
	cert_set_fini(&a.chain);
	cert_set_fini(&b.chain);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_peer_gets_its_own_back),
		TEST(test_a_model_lives_as_long_as_its_users),
		TEST(test_what_is_shown_anew_takes_the_place_of_the_old),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
