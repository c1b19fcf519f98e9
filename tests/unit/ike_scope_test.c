#include "ike_certs.h"
#include "ike_member.h"

/* Selectors and modes that are not to be had. */

static void
subnet(struct prefix *p, const char *text)
{
	assert_int_equal(prefix_parse(text, p, NULL), 0);
}

static void
site(struct sim *s, int node, const char *local, const char *remote)
{
	struct ike_profile_set p = sim_profile("p");

	p.mode = SA_MODE_TUNNEL;
	if (local != NULL)
		subnet(&p.local_ts[p.n_local_ts++], local);
	if (remote != NULL)
		subnet(&p.remote_ts[p.n_remote_ts++], remote);
	sim_set(&s->n[node], &p);
}

static struct ike_ts instead[2];	/* of TSi, TSr; no type: as it is */
static bool no_transport;
static uint32_t low_spi;

static bool
change_selectors(struct ike_chain *c, const struct ike_payload *p)
{
	struct ike_notify n;
	struct rbuf body = p->body;

	if (p->type == IKE_P_NOTIFY && no_transport &&
	    ike_notify_parse(p->body, &n, NULL) == 0 &&
	    n.type == IKE_N_USE_TRANSPORT_MODE)
		return false;
	if (p->type == IKE_P_SA && low_spi != 0) {	/* the SPI's place */
		ike_put(c, p->type);
		wbuf_put(c->w, body.p, 8);
		wbuf_be32(c->w, low_spi);
		rbuf_skip(&body, 12);
		wbuf_put_rbuf(c->w, &body);
		ike_put_end(c);
		return false;
	}
	if ((p->type != IKE_P_TSI && p->type != IKE_P_TSR) ||
	    instead[p->type == IKE_P_TSR].type == 0)
		return true;
	ike_put_ts(c, p->type, &instead[p->type == IKE_P_TSR], 1);
	return false;
}

static struct ike_ts
range(const char *first, const char *last, uint8_t protocol)
{
	struct ike_ts ts = { .type = IKE_TS_IPV4, .protocol = protocol,
	    .port_last = 65535 };

	assert_int_equal(addr_parse(first, &ts.first, NULL), 0);
	assert_int_equal(addr_parse(last, &ts.last, NULL), 0);
	return ts;
}

/* The answer to IKE_AUTH is changed; nobody may be up, and the peer is told
 * that what it has is not wanted. */
static void
changed_answer(enum sa_mode mode, const char *code)
{
	struct sim *s = member_new(2, 43, NULL);
	struct ike_profile_set p = sim_profile("p");
	struct member_edit e = { .from = 1, .exchange = IKE_AUTH,
	    .response = true, .take = change_selectors, .times = 1 };

	if (mode == SA_MODE_TUNNEL) {
		site(s, 0, "10.1.0.0/16", "10.2.0.0/16");
		site(s, 1, "10.2.0.0/16", "10.1.0.0/16");
	} else {
		sim_set(&s->n[0], &p);
		sim_set(&s->n[1], &p);
	}
	member_edit(s, &e);
	sim_connect(s, 0, 1);
	sim_run(s, 500);
	assert_int_equal(e.done, 1);
	assert_int_equal(s->n[0].ups, 0);
	assert_int_equal(s->n[0].n_sa, 0);
	assert_string_equal(s->n[0].failed.reason.code, code);
	assert_int_equal(s->n[1].downs, 1);	/* it was told */
	assert_int_equal(sim_live(&s->n[1]), 0);
	memset(instead, 0, sizeof(instead));
	no_transport = false;
	low_spi = 0;
	sim_free(s);
}

static void
a_responder_that_widens_is_left_IKE_34(void **state)
{
	static const struct {
		int		 at;		/* 0 TSi, 1 TSr */
		enum sa_mode	 mode;
		const char	*first, *last;
		uint8_t		 protocol;
	} rows[] = {
		{ 1, SA_MODE_TUNNEL, "0.0.0.0", "255.255.255.255", 0 },
		{ 1, SA_MODE_TUNNEL, "10.2.0.0", "10.3.0.0", 0 },
		{ 1, SA_MODE_TUNNEL, "10.1.255.255", "10.2.255.255", 0 },
		{ 0, SA_MODE_TUNNEL, "10.1.0.0", "10.2.0.0", 0 },
		{ 0, SA_MODE_TUNNEL, "10.0.255.255", "10.1.255.255", 0 },
		{ 1, SA_MODE_TRANSPORT, "192.0.2.2", "192.0.2.2", 0 },
		{ 0, SA_MODE_TRANSPORT, "192.0.2.1", "192.0.2.1", 0 },
		{ 1, SA_MODE_TRANSPORT, "192.0.2.3", "192.0.2.3", 47 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		instead[rows[i].at] = range(rows[i].first, rows[i].last,
		    rows[i].protocol);
		changed_answer(rows[i].mode, "ts-unacceptable");
	}
}

static void
a_responder_that_changes_the_mode_is_left(void **state)
{
	(void)state;
	no_transport = true;
	changed_answer(SA_MODE_TRANSPORT, "no-proposal-chosen");
}

static void
an_spi_that_is_reserved_is_not_taken(void **state)
{
	struct member_edit e = { .from = 0, .exchange = IKE_AUTH,
	    .take = change_selectors };
	struct sim *s;

	(void)state;
	low_spi = 255;
	changed_answer(SA_MODE_TRANSPORT, "no-proposal-chosen");
	s = member_new(2, 44, NULL);
	low_spi = 255;
	sim_profiles(s);
	member_edit(s, &e);
	sim_connect(s, 0, 1);
	sim_run(s, 500);
	assert_int_equal(s->n[1].n_sa, 0);
	low_spi = 0;
	sim_free(s);
}

/* Behind a NAT the address may be another, but it is one host's. */
static void
transport_mode_is_for_single_hosts(void **state)
{
	struct sim *s = member_new(2, 45, NULL);
	struct member_edit e = { .from = 0, .exchange = IKE_AUTH,
	    .take = change_selectors };
	uint8_t octets[4] = { 198, 51, 100, 1 };

	(void)state;
	s->nat = 0;
	s->nat_seen = (struct endpoint){ addr_of(octets, 4), 30000 };
	instead[0] = range("192.0.2.0", "192.0.2.255", 47);
	sim_profiles(s);
	member_edit(s, &e);
	sim_connect(s, 0, 1);
	sim_run(s, 500);
	assert_int_equal(s->n[1].n_sa, 0);
	assert_string_equal(s->n[1].failed.reason.code, "ts-unacceptable");
	memset(instead, 0, sizeof(instead));
	sim_free(s);
}

static void
a_headend_that_claims_more_than_its_blocks_is_left(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct sim *s = test_enrolled(&ca, 46, "IPv4:10.2.0.0/16");

	(void)state;
	site(s, 0, "10.2.9.0/24", "10.0.0.0/8");
	site(s, 1, "10.0.0.0/8", NULL);
	sim_connect(s, 0, 1);
	sim_run(s, 500);
	assert_int_equal(s->n[0].n_sa, 0);
	assert_string_equal(s->n[0].failed.reason.code, "ts-unacceptable");
	assert_non_null(strstr(s->n[0].failed.reason.text, "certificate"));
	test_left(s);
	test_ca_free(&ca);
}

static void
a_headend_that_claims_what_another_holds_is_left(void **state)
{
	struct sim *s = sim_new(3, 47, NULL);

	(void)state;
	site(s, 0, "10.1.0.0/16", NULL);
	site(s, 1, "10.9.0.0/16", NULL);
	site(s, 2, "10.9.1.0/24", NULL);
	sim_connect(s, 0, 1);
	sim_run(s, 500);
	assert_int_equal(s->n[0].ups, 1);
	sim_connect(s, 0, 2);
	sim_run(s, 500);
	assert_int_equal(s->n[0].ups, 1);
	assert_int_equal(sim_live(&s->n[0]), 1);
	assert_string_equal(s->n[0].failed.reason.code, "selector-held");
	sim_free(s);
}

/* A share of a network begins and ends where it says. */
static void
one_address_of_another_is_held_and_the_next_one_is_free(void **state)
{
	static const struct { const char *ask; bool held; } rows[] = {
		{ "10.1.0.0/32", true }, { "10.1.255.255/32", true },
		{ "10.0.255.255/32", false }, { "10.2.0.0/32", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = sim_new(3, 48, NULL);

		site(s, 0, "10.1.0.0/16", NULL);
		site(s, 1, "10.9.0.0/16", NULL);
		site(s, 2, rows[i].ask, NULL);
		sim_connect(s, 0, 1);
		sim_run(s, 500);
		sim_connect(s, 2, 1);
		sim_run(s, 500);
		assert_int_equal(s->n[1].ups, rows[i].held ? 1 : 2);
		sim_free(s);
	}
}

/* It is held from when dmvpn-gre is asked, and while it has lost it. */
static void
a_selector_is_held_before_and_after_its_sa_stands(void **state)
{
	struct sim *s = sim_new(3, 49, NULL);
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		site(s, i, i == 1 ? "10.9.0.0/16" : "10.1.0.0/16", NULL);
	s->n[1].slow_sa = true;
	sim_connect(s, 0, 1);
	sim_run(s, 200);
	assert_int_equal(s->n[1].n_sa, 1);
	sim_connect(s, 2, 1);
	sim_run(s, 200);
	assert_int_equal(s->n[1].n_sa, 1);
	assert_string_equal(s->n[1].failed.reason.code, "selector-held");
	s->n[1].slow_sa = false;
	sim_run(s, 200);
	assert_int_equal(s->n[1].ups, 1);
	/* dmvpn-gre began anew, and the peer is not to be reached */
	s->n[0].silent = true;
	s->n[1].failed.reason.code[0] = '\0';
	ike_engine_gre_down(s->n[1].g, s->now);
	s->n[1].n_sa = 0;
	ike_engine_gre_up(s->n[1].g, s->now, SIM_WALL);
	sim_run(s, 5000);
	assert_int_equal(s->n[1].n_sa, 0);
	assert_int_equal(s->n[1].ups, 1);
	assert_string_equal(s->n[1].failed.reason.code, "selector-held");
	sim_free(s);
}

static void
a_local_side_of_everything_says_nothing_about_where_we_are(void **state)
{
	struct sim *s = sim_new(2, 50, NULL);

	(void)state;
	site(s, 0, "10.1.0.0/16", "0.0.0.0/0");
	site(s, 1, "0.0.0.0/0", NULL);
	sim_connect(s, 0, 1);
	sim_run(s, 500);
	assert_int_equal(s->n[1].ups, 1);
	sim_one_sa(s);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_responder_that_widens_is_left_IKE_34),
		cmocka_unit_test(a_responder_that_changes_the_mode_is_left),
		cmocka_unit_test(an_spi_that_is_reserved_is_not_taken),
		cmocka_unit_test(transport_mode_is_for_single_hosts),
		cmocka_unit_test(
		    a_headend_that_claims_more_than_its_blocks_is_left),
		cmocka_unit_test(
		    a_headend_that_claims_what_another_holds_is_left),
		cmocka_unit_test(
		    one_address_of_another_is_held_and_the_next_one_is_free),
		cmocka_unit_test(
		    a_selector_is_held_before_and_after_its_sa_stands),
		cmocka_unit_test(
		    a_local_side_of_everything_says_nothing_about_where_we_are),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
