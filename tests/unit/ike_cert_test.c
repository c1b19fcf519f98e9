#include "ike_certs.h"

static void
blocks_outlive_a_rekey(struct sim *s)
{
	struct ike_rekey r = { .peer = 1 };
	struct ike_peers page;
	struct reason why;

	assert_int_equal(ike_engine_rekey(s->n[0].g, s->now, SIM_WALL, &r,
	    &why), 0);
	sim_run(s, 3000);
	sim_one_sa(s);
	ike_engine_peers(s->n[1].g, 0, &page);
	assert_int_equal(page.n_items, 1);
	assert_int_equal(page.items[0].n_blocks, 2);
}

static void
handshake(const char *kind_a, const char *kind_b)
{
	struct test_ca ca = test_ca_new("root");
	struct sim *s = sim_new(2, 7, NULL);

	test_enrol(&s->n[0], &ca, kind_a, "DNS:a.example.org",
	    "IPv4:10.0.0.2/32,IPv4:192.168.2.0/24", -60, 86400);
	test_enrol(&s->n[1], &ca, kind_b, "DNS:b.example.org", NULL, -60,
	    86400);
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(s->n[0].ups, 1);
	assert_int_equal(s->n[1].ups, 1);
	assert_false(s->n[1].up.psk);
	assert_int_equal(s->n[1].up.n_blocks, 2);
	assert_int_equal(s->n[0].up.n_blocks, 0);
	sim_one_sa(s);
	blocks_outlive_a_rekey(s);
	test_leave(&s->n[0]);
	test_leave(&s->n[1]);
	sim_free(s);
	test_ca_free(&ca);
}

static void
ecdsa_certificates_authenticate_both_ways(void **state)
{
	(void)state;
	handshake("P-256", "P-384");
}

static void
rsa_and_ed25519_certificates_work_together(void **state)
{
	(void)state;
	handshake("rsa", "ed25519");
}

struct refusal {
	const char	*san;
	long		 from, until;
	bool		 other_ca;
	const char	*code;
};

static void
refused(const struct refusal *r)
{
	struct test_ca ca = test_ca_new("root"), other = test_ca_new("root");
	struct sim *s = sim_new(2, 7, NULL);

	test_enrol(&s->n[0], r->other_ca ? &other : &ca, "P-256", r->san,
	    NULL, r->from, r->until);
	test_enrol(&s->n[1], &ca, "P-256", "DNS:b.example.org", NULL, -60,
	    86400);
	s->n[0].anchors[0] = rbuf_of(ca.der, (size_t)ca.der_len);
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 800);
	assert_int_equal(s->n[0].ups, 0);
	assert_int_equal(s->n[1].ups, 0);
	assert_int_equal(s->n[1].fails, 1);
	assert_string_equal(s->n[1].failed.reason.code, r->code);
	assert_string_equal(s->n[0].failed.reason.code,
	    "authentication-failed");
	assert_int_equal(s->n[0].n_sa + s->n[1].n_sa, 0);
	test_leave(&s->n[0]);
	test_leave(&s->n[1]);
	sim_free(s);
	test_ca_free(&ca);
	test_ca_free(&other);
}

static void
an_untrusted_certificate_is_refused_IKE_27(void **state)
{
	(void)state;
	refused(&(struct refusal){ "DNS:a.example.org", -60, 86400, true,
	    "untrusted" });
}

static void
an_expired_certificate_is_refused_IKE_28(void **state)
{
	(void)state;
	refused(&(struct refusal){ "DNS:a.example.org", -600, -60, false,
	    "expired" });
}

static void
a_certificate_that_is_not_valid_yet_is_refused_IKE_28(void **state)
{
	(void)state;
	refused(&(struct refusal){ "DNS:a.example.org", 600, 86400, false,
	    "not-yet-valid" });
}

static void
a_certificate_for_another_name_is_refused_IKE_33(void **state)
{
	(void)state;
	refused(&(struct refusal){ "DNS:c.example.org", -60, 86400, false,
	    "wrong-name" });
}

static void
a_long_chain_goes_in_fragments_OPS_21(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct ike_tune tune = { .fragment = 400 };
	struct sim *s = sim_new(2, 9, &tune);

	(void)state;
	test_enrol(&s->n[0], &ca, "rsa", "DNS:a.example.org", NULL, -60,
	    86400);
	test_enrol(&s->n[1], &ca, "rsa", "DNS:b.example.org", NULL, -60,
	    86400);
	s->loss = 10;
	s->twice = 20;
	s->late = 50;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 40000);
	assert_true(s->n[0].sent > 4);
	assert_int_equal(s->n[0].ups, 1);
	sim_one_sa(s);
	test_leave(&s->n[0]);
	test_leave(&s->n[1]);
	sim_free(s);
	test_ca_free(&ca);
}

static void
selectors_beyond_the_certificates_blocks_are_not_given(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct sim *s = sim_new(2, 11, NULL);
	struct ike_profile_set p = sim_profile("p");

	(void)state;
	test_enrol(&s->n[0], &ca, "P-256", "DNS:a.example.org",
	    "IPv4:192.168.2.0/24", -60, 86400);
	test_enrol(&s->n[1], &ca, "P-256", "DNS:b.example.org", NULL, -60,
	    86400);
	p.mode = SA_MODE_TUNNEL;
	sim_set(&s->n[1], &p);
	p.n_local_ts = 1;
	assert_int_equal(prefix_parse("192.168.0.0/16", &p.local_ts[0],
	    NULL), 0);
	p.n_remote_ts = 1;	/* the other's certificate has no blocks */
	assert_int_equal(prefix_parse("10.0.0.0/8", &p.remote_ts[0], NULL),
	    0);
	sim_set(&s->n[0], &p);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	assert_int_equal(s->n[1].sa[0].n_remote, 1);
	assert_int_equal(s->n[1].sa[0].remote[0].first.b[2], 2);
	assert_int_equal(s->n[1].sa[0].remote[0].last.b[2], 2);
	assert_int_equal(s->n[0].sa[0].local[0].first.b[2], 2);
	test_leave(&s->n[0]);
	test_leave(&s->n[1]);
	sim_free(s);
	test_ca_free(&ca);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ecdsa_certificates_authenticate_both_ways),
		cmocka_unit_test(rsa_and_ed25519_certificates_work_together),
		cmocka_unit_test(an_untrusted_certificate_is_refused_IKE_27),
		cmocka_unit_test(an_expired_certificate_is_refused_IKE_28),
		cmocka_unit_test(
		    a_certificate_that_is_not_valid_yet_is_refused_IKE_28),
		cmocka_unit_test(
		    a_certificate_for_another_name_is_refused_IKE_33),
		cmocka_unit_test(a_long_chain_goes_in_fragments_OPS_21),
		cmocka_unit_test(
		    selectors_beyond_the_certificates_blocks_are_not_given),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
