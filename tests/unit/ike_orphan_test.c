#include "ike_sim.h"

/* What an earlier run left in dmvpn-gre: peers and SAs that carry packets. */

/* The engine of this node ends without a word; a new one finds the SAs. */
static void
restart(struct sim *s, int node)
{
	struct sim_node *n = &s->n[node];
	struct gre_peer p = { .peer = n->last_set.peer, .owner = "ike",
	    .encap = n->last_set.encap, .remote = n->last_set.remote,
	    .local = n->last_set.local };
	struct ike_profile_set set = sim_profile("p");
	size_t i;

	snprintf(p.name, sizeof(p.name), "%s", n->last_set.name);
	p.blob = rbuf_of("p", 1);
	ike_engine_free(n->g);
	n->n_answer = 0;
	sim_engine(n, NULL);
	ike_engine_gre_peer(n->g, s->now, &p);
	for (i = 0; i < n->n_sa; i++) {
		struct gre_sa sa = { .spi_in = n->sa[i].spi_in,
		    .peer = n->sa[i].peer, .owner = "ike" };

		if (!n->sa[i].gone)
			ike_engine_gre_sa(n->g, s->now, &sa);
	}
	ike_engine_gre_up(n->g, s->now, SIM_WALL);
	sim_set(n, &set);
}

static void
traffic(struct sim *s)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct sim_node *n = &s->n[i];
		struct gre_sa_first m = { .peer = n->up.peer,
		    .spi_in = n->sa[n->n_sa - 1].spi_in };

		ike_engine_event(n->g, s->now, SIM_WALL, &gre_sa_first_type,
		    &m);
	}
}

static enum sim_fate
nothing_from_the_spoke_first(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->from == 0 && !(p->h.flags & IKE_FLAG_RESPONSE) ?
	    SIM_DROP : SIM_PASS;
}

static void
a_hub_that_began_anew_calls_its_spokes(void **state)
{
	struct sim *s = sim_up(201, NULL);

	(void)state;
	s->filter = nothing_from_the_spoke_first;
	restart(s, 1);
	sim_run(s, 5000);
	assert_int_equal(s->n[1].ups, 2);
	assert_int_equal(s->n[1].up.peer, 1);
	assert_int_equal(s->n[0].up.peer, 1);
	assert_string_equal(s->n[0].up.connection, "to-1");
	assert_int_equal(s->n[0].downs, 0);
	assert_int_equal(s->n[0].fails, 0);
	traffic(s);
	s->filter = NULL;
	sim_run(s, 20000);
	sim_one_sa(s);
	assert_int_equal(s->n[0].downs, 0);
	assert_int_equal(s->n[0].ups, 2);
	sim_free(s);
}

/* Its connection does it; the two do not get in each other's way. */
static void
a_spoke_that_began_anew_makes_one_sa(void **state)
{
	struct sim *s = sim_up(202, NULL);

	(void)state;
	restart(s, 0);
	sim_connect(s, 0, 1);
	sim_run(s, 5000);
	traffic(s);
	sim_run(s, 20000);
	sim_one_sa(s);
	assert_int_equal(s->n[0].ups, 2);
	assert_int_equal(s->n[1].ups, 2);
	sim_free(s);
}

static void
both_at_once_end_with_one_sa(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 300; seed < 340; seed++) {
		struct sim *s = sim_up(seed, NULL);

		s->loss = seed % 2 == 0 ? 0 : 20;
		restart(s, 1);
		restart(s, 0);
		sim_connect(s, 0, 1);
		sim_run(s, 30000);
		traffic(s);
		s->loss = 0;
		sim_run(s, 60000);
		sim_one_sa(s);
		sim_free(s);
	}
}

static enum sim_fate
lost(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	(void)p;
	return SIM_DROP;
}

static void
a_spoke_that_is_away_is_called_again_but_seldom(void **state)
{
	struct sim *s = sim_up(203, NULL);
	unsigned sent;

	(void)state;
	s->filter = lost;
	restart(s, 1);
	sent = s->n[1].sent;
	sim_run(s, 600000);
	assert_in_range(s->n[1].sent - sent, 20, 150);
	assert_int_equal(sim_live(&s->n[1]), 1);
	s->filter = NULL;
	sim_run(s, 120000);
	traffic(s);
	sim_run(s, 20000);
	sim_one_sa(s);
	sim_free(s);
}

/* The port that a NAT shows, whichever it is, is that of our port 4500. */
static void
who_is_not_at_500_is_called_from_4500(void **state)
{
	struct sim *s = sim_new(2, 204, NULL);
	struct ike_connection_set c;
	struct reason why = { 0 };
	uint8_t seen[4] = { 203, 0, 113, 9 };

	(void)state;
	sim_profiles(s);
	s->nat = 1;
	s->nat_seen = (struct endpoint){ addr_of(seen, 4), 20000 };
	c = sim_connection(s, 1);
	c.remote = (struct endpoint){ s->nat_seen.addr, 24500 };
	assert_int_equal(ike_engine_connection_set(s->n[0].g, s->now,
	    SIM_WALL, &c, &why), 0);
	sim_run(s, 1);
	assert_true(s->n_wire > 0);
	assert_int_equal(s->wire[0].src.port, 4500);
	assert_int_equal(s->wire[0].dst.port, 4500);	/* behind the NAT */
	sim_run(s, 3000);
	assert_int_equal(s->n[0].ups, 1);
	sim_free(s);
}

/* ESP that the hub has no SA for. */
static void
sign_of_life(struct sim *s)
{
	const struct gre_invalid_spi m = { .remote = s->n[1].up.remote,
	    .spi = 0x1000 };

	ike_engine_event(s->n[1].g, s->now, SIM_WALL, &gre_invalid_spi_type,
	    &m);
}

static void
give_up(struct sim *s, bool dead)
{
	const struct ike_close m = { .peer = s->n[1].up.peer, .dead = dead };
	struct reason why = { .code = "" };

	assert_int_equal(ike_engine_close(s->n[1].g, s->now, SIM_WALL, &m,
	    &why), 0);
	sim_run(s, 100);
	assert_int_equal(s->n[1].downs, 1);
}

/* The spoke has not noticed. */
static void
a_spoke_that_was_given_up_is_called_when_it_sends(void **state)
{
	struct sim *s = sim_up(205, NULL);
	unsigned sent;

	(void)state;
	give_up(s, true);
	sent = s->n[1].sent;
	sim_run(s, 2000);
	assert_int_equal(s->n[1].sent, sent);
	sign_of_life(s);
	sign_of_life(s);
	sim_run(s, 3000);
	assert_int_equal(s->n[1].ups, 2);
	assert_int_equal(s->n[1].up.peer, 1);
	assert_int_equal(s->n[0].downs, 0);
	traffic(s);
	sim_run(s, 20000);
	sim_one_sa(s);
	sign_of_life(s);	/* of one that is up: not a call */
	sim_run(s, 20000);
	assert_int_equal(s->n[1].ups, 2);
	sim_one_sa(s);
	sim_free(s);
}

static void
signs_of_who_does_not_answer_are_called_seldom(void **state)
{
	struct sim *s = sim_up(206, NULL);
	unsigned i, sent;

	(void)state;
	s->filter = lost;
	give_up(s, true);
	sent = s->n[1].sent;
	for (i = 0; i < 600; i++) {
		sign_of_life(s);
		sim_run(s, 1000);
	}
	assert_in_range(s->n[1].sent - sent, 10, 150);
	sim_free(s);
}

static void
a_spoke_that_was_closed_is_not_called(void **state)
{
	struct sim *s = sim_up(207, NULL);
	unsigned sent;

	(void)state;
	give_up(s, false);
	s->filter = lost;
	sent = s->n[1].sent;
	sign_of_life(s);
	sim_run(s, 20000);
	assert_int_equal(s->n[1].sent, sent);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hub_that_began_anew_calls_its_spokes),
		cmocka_unit_test(a_spoke_that_began_anew_makes_one_sa),
		cmocka_unit_test(both_at_once_end_with_one_sa),
		cmocka_unit_test(
		    a_spoke_that_is_away_is_called_again_but_seldom),
		cmocka_unit_test(who_is_not_at_500_is_called_from_4500),
		cmocka_unit_test(
		    a_spoke_that_was_given_up_is_called_when_it_sends),
		cmocka_unit_test(
		    signs_of_who_does_not_answer_are_called_seldom),
		cmocka_unit_test(a_spoke_that_was_closed_is_not_called),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
