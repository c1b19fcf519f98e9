#include "ike_sim.h"

/* Members of the network that claim what is not theirs. */

static void
subnet(struct prefix *p, const char *text)
{
	assert_int_equal(prefix_parse(text, p, NULL), 0);
}

static void
site(struct sim *s, int node, const char *first, const char *second)
{
	struct ike_profile_set p = sim_profile("p");

	p.mode = SA_MODE_TUNNEL;
	if (first != NULL)
		subnet(&p.local_ts[p.n_local_ts++], first);
	if (second != NULL)
		subnet(&p.local_ts[p.n_local_ts++], second);
	sim_set(&s->n[node], &p);
}

static struct sim *
sites(void)
{
	struct sim *s = sim_new(3, 5, NULL);

	site(s, 0, "10.1.0.0/16", NULL);
	site(s, 1, "10.9.0.0/16", NULL);
	sim_connect(s, 0, 1);
	sim_run(s, 2000);
	assert_int_equal(s->n[1].ups, 1);
	return s;
}

static void
what_another_holds_is_narrowed_away(void **state)
{
	struct sim *s = sites();
	struct sim_sa *a;

	(void)state;
	site(s, 2, "10.1.2.0/24", "10.3.0.0/16");
	sim_connect(s, 2, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[1].n_sa, 2);
	a = &s->n[1].sa[1];
	assert_int_equal(a->n_remote, 1);
	assert_int_equal(a->remote[0].first.b[1], 3);
	sim_free(s);
}

static void
who_holds_a_selector_is_named_and_when_it_goes_it_is_free(void **state)
{
	struct sim *s = sites();
	struct ike_close c = { .peer = 1 };
	struct reason why;

	(void)state;
	site(s, 2, "10.1.2.0/24", NULL);
	sim_connect(s, 2, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[1].n_sa, 1);
	assert_string_equal(s->n[1].failed.reason.code, "selector-held");
	assert_non_null(strstr(s->n[1].failed.reason.text,
	    "held by a.example.org"));
	assert_string_equal(s->n[1].failed.reason.peer, "c.example.org");
	assert_string_equal(s->n[2].failed.reason.code, "ts-unacceptable");
	s->n[0].silent = true;		/* it does not come back */
	assert_int_equal(ike_engine_close(s->n[1].g, s->now, SIM_WALL, &c,
	    &why), 0);
	sim_run(s, 60000);
	assert_int_equal(s->n[2].ups, 1);
	sim_free(s);
}

static void
the_same_identity_keeps_its_own_from_elsewhere(void **state)
{
	struct sim *s = sites();

	(void)state;
	s->n[2].id = s->n[0].id;
	site(s, 2, "10.1.0.0/16", NULL);
	sim_connect(s, 2, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[2].ups, 1);
	assert_int_equal(s->n[1].fails, 0);
	sim_free(s);
}

static void
nobody_gets_everything_or_what_is_ours_without_remote_ts(void **state)
{
	static const struct { const char *ask, *code; } rows[] = {
		{ NULL, "selector-reserved" },
		{ "0.0.0.0/0", "selector-reserved" },
		{ "0.0.0.0/1", "selector-reserved" },
		{ "128.0.0.0/1", "selector-reserved" },
		{ "::/0", "selector-reserved" },
		{ "fe80::/64", "selector-reserved" },
		{ "224.0.0.0/4", "selector-reserved" },
		{ "127.0.0.1/32", "selector-reserved" },
		{ "10.9.4.0/24", "selector-ours" },
		{ "10.8.0.0/15", "selector-ours" },
		{ "192.0.2.0/24", "selector-ours" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = sites();

		site(s, 2, rows[i].ask, NULL);
		sim_connect(s, 2, 1);
		sim_run(s, 900);
		assert_int_equal(s->n[1].n_sa, 1);
		assert_string_equal(s->n[1].failed.reason.code,
		    rows[i].code);
		sim_free(s);
	}
}

static void
an_explicit_remote_ts_gives_a_default_route(void **state)
{
	struct sim *s = sim_new(2, 5, NULL);
	struct ike_profile_set p = sim_profile("p");

	(void)state;
	p.mode = SA_MODE_TUNNEL;
	subnet(&p.remote_ts[p.n_remote_ts++], "0.0.0.0/0");
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &p);
	sim_connect(s, 0, 1);
	sim_run(s, 2000);
	sim_one_sa(s);
	sim_free(s);
}

static enum sim_fate
from_2_is_lost(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->from == 2 ? SIM_DROP : SIM_PASS;
}

/* Both ask every 5 s whether the hub lives, as dmvpn-dpd does. */
static void
watch(struct sim *s, unsigned seconds)
{
	struct reason why;
	unsigned i;

	for (i = 0; i < seconds; i += 5) {
		ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, i + 1, &why);
		ike_engine_probe(s->n[2].g, s->now, SIM_WALL, 1, i + 1, &why);
		sim_run(s, 5000);
	}
}

/* Two machines with one certificate, each of which wants to be the one. */
static void
one_identity_on_two_machines_makes_no_storm_IKE_42(void **state)
{
	struct ike_tune tune = { .probe_total = 4000 };
	struct sim *s = sim_new(3, 6, &tune);
	unsigned first;

	(void)state;
	s->n[2].id = s->n[0].id;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 2000);
	sim_connect(s, 2, 1);
	sim_run(s, 2000);
	assert_int_equal(s->n[2].ups, 1);	/* the newest wins once */
	first = s->n[1].peers_set;
	watch(s, 50);
	assert_int_equal(s->n[2].downs, 0);
	assert_int_equal(s->n[0].ups, 1);
	assert_int_equal(s->n[1].peers_set, first);
	assert_string_equal(s->n[1].failed.reason.code,
	    "identity-in-use-twice");
	assert_true(s->n[1].notes > 0);
	watch(s, 10 * 60);
	assert_true(s->n[0].ups > 1);
	assert_true(s->n[0].ups + s->n[2].ups <= 2 + 11);
	assert_int_equal(sim_isas(&s->n[1]), 1);
	sim_free(s);
}

/* One machine that moves on and back: nobody is left where it was. */
static void
a_machine_that_moves_back_gets_in_when_nobody_answers_there(void **state)
{
	struct ike_tune tune = { .probe_total = 4000 };
	struct sim *s = sim_new(3, 6, &tune);
	struct ike_connection_delete d = { .connection = "to-1" };
	struct reason why;

	(void)state;
	s->n[2].id = s->n[0].id;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 2000);
	sim_connect(s, 2, 1);
	sim_run(s, 2000);
	assert_int_equal(s->n[2].ups, 1);
	s->filter = from_2_is_lost;
	ike_engine_connection_delete(s->n[2].g, s->now, SIM_WALL, &d, &why);
	watch(s, 25);
	assert_int_equal(s->n[0].ups, 2);
	sim_free(s);
}

/* A hub that was killed: a spoke that asks learns it in seconds, not in the
 * minute that a silent peer is given. */
static void
a_probed_hub_that_began_anew_is_found_soon_OPS_01(void **state)
{
	struct sim *s = sim_new(2, 7, NULL);
	struct sim_node *n = &s->n[1];
	struct ike_ops ops = { .arg = n, .random = sim_random,
	    .local_for = sim_local_for, .send = sim_send, .call = sim_call,
	    .event = sim_event, .wanted = sim_wanted, .probed = sim_probed,
	    .note = sim_note };
	struct reason why;

	(void)state;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 2000);
	ike_engine_free(n->g);
	n->g = ike_engine_new(&ops, NULL, s->now, NULL);
	assert_non_null(n->g);
	ike_engine_gre_up(n->g, s->now, SIM_WALL);
	sim_profiles(s);
	assert_int_equal(ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, 1,
	    &why), 0);
	sim_run(s, 10000);
	assert_int_equal(s->n[0].ups, 2);
	assert_int_equal(sim_isas(n), 1);
	sim_free(s);
}

/* The hashes of NAT_DETECTION are not authenticated until IKE_AUTH: an
 * attacker who breaks them gets UDP encapsulation, which works anyway. */
static enum sim_fate
forge_hashes(struct sim *s, const struct sim_packet *p)
{
	static const uint8_t pattern[] = { 0, 0, 0, 28, 0, 0, 0x40 };
	size_t i;

	(void)s;
	for (i = 0; p->h.exchange == IKE_SA_INIT && i + 28 <= p->len; i++)
		if (memcmp(&p->b[i + 1], &pattern[1], 6) == 0 &&
		    (p->b[i + 7] == 4 || p->b[i + 7] == 5))
			p->b[i + 20] ^= 1;
	return SIM_PASS;
}

static void
forged_nat_hashes_fail_authentication_and_no_sa_is_left_IKE_45(void **state)
{
	struct sim *s = sim_new(2, 8, NULL);

	(void)state;
	sim_profiles(s);
	s->filter = forge_hashes;
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[0].ups, 0);	/* AUTH covers IKE_SA_INIT */
	s->filter = NULL;
	sim_run(s, 10000);
	sim_one_sa(s);
	assert_int_equal(s->n[1].last_set.encap, GRE_ENCAP_UDP);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_another_holds_is_narrowed_away),
		cmocka_unit_test(
		    who_holds_a_selector_is_named_and_when_it_goes_it_is_free),
		cmocka_unit_test(
		    the_same_identity_keeps_its_own_from_elsewhere),
		cmocka_unit_test(
		    nobody_gets_everything_or_what_is_ours_without_remote_ts),
		cmocka_unit_test(
		    one_identity_on_two_machines_makes_no_storm_IKE_42),
		cmocka_unit_test(
		    a_machine_that_moves_back_gets_in_when_nobody_answers_there),
		cmocka_unit_test(
		    a_probed_hub_that_began_anew_is_found_soon_OPS_01),
		cmocka_unit_test(
	    forged_nat_hashes_fail_authentication_and_no_sa_is_left_IKE_45),
		cmocka_unit_test(an_explicit_remote_ts_gives_a_default_route),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
