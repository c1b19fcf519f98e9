#include "ike_sim.h"

/* Rekeys, deletes and their collisions: strongSwan's list of cases, with
 * each message held, lost, doubled or late. */

static void
rekey(struct sim *s, int node, bool child)
{
	struct ike_rekey r = { .peer = s->n[node].up.peer, .child = child };
	struct reason why;

	if (ike_engine_rekey(s->n[node].g, s->now, SIM_WALL, &r, &why) < 0)
		fail_msg("rekey: %s", why.text);
}

/* Let it settle; nobody may have noticed more than a new SA. */
static void
settled(struct sim *s)
{
	unsigned sent;

	sim_run(s, 40000);
	sim_one_sa(s);
	assert_int_equal(s->n[0].downs + s->n[1].downs, 0);
	assert_int_equal(s->n[0].ups + s->n[1].ups, 2);
	sent = s->n[0].sent + s->n[1].sent;
	sim_run(s, 600000);	/* B18: no endless re-establishing */
	assert_int_equal(s->n[0].sent + s->n[1].sent, sent);
	sim_one_sa(s);
	sim_free(s);
}

static void
either_side_rekeys_the_child(void **state)
{
	int side;

	(void)state;
	for (side = 0; side < 2; side++) {
		struct sim *s = sim_up(20 + (uint64_t)side, NULL);
		uint32_t old = s->n[side].sa[0].spi_in;

		rekey(s, side, true);
		sim_run(s, 1000);
		assert_true(sim_sa_find(&s->n[side], old)->gone);
		assert_int_equal(s->n[0].rekeyed, 1);
		assert_int_equal(s->n[1].rekeyed, 1);
		assert_true(sim_expected(&s->n[side], &s->n[side].sa[1]));
		/* it sends, even without a packet from the peer */
		assert_false(s->n[0].sa[1].standby);
		assert_false(s->n[1].sa[1].standby);
		settled(s);
	}
}

static void
either_side_rekeys_the_ike_sa(void **state)
{
	int side;

	(void)state;
	for (side = 0; side < 2; side++) {
		struct sim *s = sim_up(30 + (uint64_t)side, NULL);

		rekey(s, side, false);
		sim_run(s, 1000);
		sim_one_sa(s);
		rekey(s, 1 - side, true);
		sim_run(s, 1000);
		assert_int_equal(s->n[0].rekeyed, 1);
		rekey(s, 1 - side, false);
		settled(s);
	}
}

static void
pfs_gives_other_keys_and_the_group_is_negotiated(void **state)
{
	struct sim *s = sim_new(2, 40, NULL);
	struct ike_profile_set p = sim_profile("p"), q = p;

	(void)state;
	p.n_esp_proposals = q.n_esp_proposals = 1;
	snprintf(p.esp_proposals[0], sizeof(p.esp_proposals[0]),
	    "aes256gcm16-x25519-ecp384");
	snprintf(q.esp_proposals[0], sizeof(q.esp_proposals[0]),
	    "aes256gcm16-ecp384");
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	rekey(s, 0, true);
	sim_run(s, 1000);
	assert_int_equal(s->n[0].rekeyed, 1);
	settled(s);
}

/* We offer none of our own accord; it refuses without saying why. */
static void
a_peer_that_insists_on_pfs_gets_it(void **state)
{
	/* the group of the IKE SA; another one, which it names */
	static const char *const wants[] = { "aes256gcm16-x25519",
	    "aes256gcm16-ecp384" };
	struct ike_profile_set p = sim_profile("p"), q = p;
	unsigned sent;
	size_t i;

	(void)state;
	q.n_esp_proposals = 1;
	for (i = 0; i < 2; i++) {
		struct sim *s = sim_new(2, 41, NULL);

		snprintf(q.esp_proposals[0], sizeof(q.esp_proposals[0]), "%s",
		    wants[i]);
		sim_set(&s->n[0], &p);
		sim_set(&s->n[1], &q);
		sim_connect(s, 0, 1);
		sim_run(s, 3000);
		rekey(s, 0, true);
		sim_run(s, i == 0 ? 1000 : 5000);
		assert_int_equal(s->n[0].rekeyed, 1);
		rekey(s, 0, false);
		sim_run(s, 1000);
		sent = s->n[0].sent;
		rekey(s, 0, true);	/* it is known now, and asked first */
		sim_run(s, 1000);
		assert_int_equal(s->n[0].rekeyed, 2);
		assert_int_equal(s->n[0].sent, sent + 2);
		settled(s);
	}
}

static void
assert_proposal(struct sim *s, int node, const char *want)
{
	struct ike_sas page;

	ike_engine_sas(s->n[node].g, s->now, 0, &page);
	assert_int_equal(page.n_items, 1);
	assert_string_equal(page.items[0].proposal, want);
}

/* Some make the heir's keys by the old PRF (strongSwan), some by the new. */
static void
a_rekeyed_ike_sa_keeps_its_prf(void **state)
{
	static const char gcm[] = "aes256gcm16-prfsha384-x25519";
	static const char cbc[] = "aes256-sha256-x25519";
	struct sim *s = sim_new(2, 45, NULL);
	struct ike_profile_set p = sim_profile("p"), q = p;
	int side;

	(void)state;
	p.n_proposals = q.n_proposals = 2;
	snprintf(p.proposals[0], sizeof(p.proposals[0]), "%s", gcm);
	snprintf(p.proposals[1], sizeof(p.proposals[1]), "%s", cbc);
	snprintf(q.proposals[0], sizeof(q.proposals[0]), "%s", cbc);
	snprintf(q.proposals[1], sizeof(q.proposals[1]), "%s", gcm);
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	for (side = 1; side >= 0; side--) {
		assert_proposal(s, side, cbc);
		rekey(s, side, false);
		sim_run(s, 1000);
	}
	assert_proposal(s, 0, cbc);
	settled(s);
}

/* What each side does at once; the second one some ms later. */
static void
collide(int a, int b, bool (*setup)(struct sim *s))
{
	uint64_t seed;

	for (seed = 1; seed <= 40; seed++) {
		struct sim *s = sim_up(seed, NULL);
		uint64_t gap = seed % 14;

		s->late = seed % 3 == 0 ? 70 : 0;
		s->loss = seed % 4 == 0 ? 25 : 0;
		s->twice = seed % 5 == 0 ? 50 : 0;
		if (setup != NULL && !setup(s))
			continue;
		rekey(s, 0, a);
		sim_run(s, gap);
		rekey(s, 1, b);
		sim_run(s, 100000);
		s->loss = s->late = s->twice = 0;
		settled(s);
	}
}

static void
both_rekey_the_child_at_once(void **state)
{
	(void)state;
	collide(true, true, NULL);
}

static void
both_rekey_the_ike_sa_at_once(void **state)
{
	(void)state;
	collide(false, false, NULL);
}

static void
one_rekeys_the_child_while_the_other_rekeys_ike(void **state)
{
	(void)state;
	collide(true, false, NULL);
	collide(false, true, NULL);
}

/* ---- messages held by hand ---- */

static enum sim_fate
hold_requests_of_1(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->from == 1 && !(p->h.flags & IKE_FLAG_RESPONSE) ?
	    SIM_HOLD : SIM_PASS;
}

static void
a_collision_that_one_side_sees_too_late_is_refused(void **state)
{
	bool child;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sim *s = sim_up(50 + (uint64_t)i, NULL);

		child = i == 0;
		s->filter = hold_requests_of_1;
		rekey(s, 1, child);
		rekey(s, 0, child);
		sim_run(s, 300);	/* 0 is through, 1 knows */
		s->filter = NULL;
		sim_release(s);
		settled(s);
	}
}

static enum sim_fate
hold_responses(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->h.flags & IKE_FLAG_RESPONSE ? SIM_HOLD : SIM_PASS;
}

static void
both_requests_cross_before_any_answer(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 60; seed < 80; seed++) {
		struct sim *s = sim_up(seed, NULL);

		s->filter = hold_responses;
		rekey(s, 0, seed % 2);
		rekey(s, 1, seed % 2);
		sim_run(s, 300);
		s->filter = NULL;
		sim_release(s);
		settled(s);
	}
}

/* Drop the n-th message from here on, once. */
static unsigned drop_at;

static enum sim_fate
drop_nth(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	(void)p;
	return drop_at > 0 && --drop_at == 0 ? SIM_DROP : SIM_PASS;
}

static void
a_message_lost_at_any_position_of_a_collision_does_no_harm(void **state)
{
	unsigned n, kind;

	(void)state;
	for (kind = 0; kind < 4; kind++)
		for (n = 1; n <= 10; n++) {
			struct sim *s = sim_up(kind * 10 + n, NULL);

			s->filter = drop_nth;
			drop_at = n;
			rekey(s, 0, kind & 1);
			rekey(s, 1, kind & 2);
			sim_run(s, 30000);
			s->filter = NULL;
			settled(s);
		}
}

static void
a_close_during_a_rekey_ends_in_peace(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 40; seed++) {
		struct sim *s = sim_up(seed, NULL);
		struct ike_close c = { .peer = 1 };
		struct reason why;

		s->late = 60;
		s->loss = seed % 2 ? 20 : 0;
		rekey(s, 0, seed & 1);
		sim_run(s, seed % 20);
		(void)ike_engine_close(s->n[1].g, s->now, SIM_WALL, &c,
		    &why);
		sim_run(s, 200000);
		s->loss = s->late = 0;
		sim_run(s, 60000);
		sim_one_sa(s);		/* the connection came back */
		sim_free(s);
	}
}

static void
short_lifetimes_rekey_for_hours_without_a_gap_F3(void **state)
{
	unsigned pass;

	(void)state;
	for (pass = 0; pass < 2; pass++) {
		struct sim *s = sim_new(2, 90 + pass, NULL);
		struct ike_profile_set p = sim_profile("p");
		unsigned i;

		p.child_lifetime = 20;
		p.ike_lifetime = 70;
		sim_set(&s->n[0], &p);
		sim_set(&s->n[1], &p);
		sim_connect(s, 0, 1);
		sim_run(s, 3000);
		s->loss = pass * 10;
		s->late = pass * 30;
		for (i = 0; i < 3600; i++) {
			sim_run(s, 1000);
			assert_true(sim_live(&s->n[0]) > 0);
			assert_true(sim_live(&s->n[1]) > 0);
			assert_true(sim_live(&s->n[0]) <= 4);
			if (s->n[0].n_sa > SIM_SAS - 8 ||
			    s->n[1].n_sa > SIM_SAS - 8)
				break;
		}
		assert_int_equal(s->n[0].downs + s->n[1].downs, 0);
		assert_true(s->n[0].rekeyed > 100);
		assert_int_equal(s->n[0].duplicates, 0);
		sim_free(s);
	}
}

static void
lost_children_are_made_anew_over_the_living_ike_sa(void **state)
{
	int side;
	size_t i;

	(void)state;
	for (side = 0; side < 2; side++) {
		struct sim *s = sim_up(95 + (uint64_t)side, NULL);
		struct sim_node *n = &s->n[side];

		ike_engine_gre_down(n->g, s->now);
		for (i = 0; i < n->n_sa; i++)
			n->sa[i].gone = true;
		n->peers_set = 0;
		ike_engine_gre_up(n->g, s->now, SIM_WALL);
		assert_int_equal(n->peers_set, 1);
		assert_int_equal(n->last_peer, n->up.peer);
		sim_run(s, 100);
		assert_int_equal(sim_live(n), 1);
		settled(s);
	}
}

static void
orphans_keep_their_number_until_their_identity_is_back(void **state)
{
	struct sim *s = sim_new(2, 97, NULL);
	struct sim_node *n = &s->n[1];
	struct gre_peer p = { .peer = 7, .owner = "ike",
	    .name = "a.example.org", .encap = GRE_ENCAP_UDP,
	    .blob = rbuf_of("p", 1) };
	struct gre_sa sa = { .spi_in = 0x1234, .peer = 7, .owner = "ike" };
	struct gre_sa_first first = { .peer = 7 };

	(void)state;
	n->sa[n->n_sa++] = (struct sim_sa){ .spi_in = 0x1234 };
	ike_engine_gre_down(n->g, s->now);
	ike_engine_gre_peer(n->g, s->now, &p);
	ike_engine_gre_sa(n->g, s->now, &sa);
	ike_engine_gre_up(n->g, s->now, SIM_WALL);
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(n->up.peer, 7);
	assert_int_equal(s->n[0].up.peer, 1);
	assert_false(n->sa[0].gone);
	/* the new SA carries traffic: the orphan goes */
	first.spi_in = n->sa[1].spi_in;
	ike_engine_event(n->g, s->now, SIM_WALL, &gre_sa_first_type, &first);
	sim_run(s, 100);
	assert_true(n->sa[0].gone);
	sim_one_sa(s);
	sim_free(s);
}

static void
an_orphan_that_nobody_claims_goes_in_time(void **state)
{
	struct ike_tune tune = { .orphan_life = 60000 };
	struct sim *s = sim_new(1, 98, &tune);
	struct gre_peer p = { .peer = 7, .owner = "ike", .name = "x" };

	(void)state;
	ike_engine_gre_peer(s->n[0].g, s->now, &p);
	sim_run(s, 30000);
	assert_int_equal(s->n[0].peers_gone, 0);
	sim_run(s, 40000);
	assert_int_equal(s->n[0].peers_gone, 1);
	sim_free(s);
}

static void
a_hard_limit_of_packets_makes_a_new_sa_ESP_10(void **state)
{
	struct sim *s = sim_up(99, NULL);
	struct gre_sa_limit m = { .spi_in = s->n[0].sa[0].spi_in,
	    .peer = 1, .hard = true };

	(void)state;
	ike_engine_event(s->n[0].g, s->now, SIM_WALL, &gre_sa_limit_type,
	    &m);
	sim_run(s, 1000);
	assert_true(s->n[0].sa[0].gone);
	settled(s);
}

/* Anything, any time, on a bad wire; then peace. */
static void
a_monkey_on_both_sides_leaves_one_sa(void **state)
{
	const char *more = getenv("SIM_SEEDS");
	uint64_t seed, x, last = more != NULL ? strtoull(more, NULL, 10) : 60;
	unsigned i;

	(void)state;
	for (seed = 1; seed <= last; seed++) {
		struct sim *s = sim_up(seed, NULL);

		x = seed;
		s->loss = sim_draw(&x) % 30;
		s->twice = sim_draw(&x) % 30;
		s->late = sim_draw(&x) % 60;
		for (i = 0; i < 30; i++) {
			int node = sim_draw(&x) % 2;

			rekey(s, node, sim_draw(&x) % 3 > 0);
			sim_run(s, sim_draw(&x) % 700);
			assert_true(sim_live(&s->n[0]) > 0);
			assert_true(sim_live(&s->n[1]) > 0);
		}
		s->loss = s->twice = s->late = 0;
		sim_run(s, 120000);
		settled(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_side_rekeys_the_child),
		cmocka_unit_test(either_side_rekeys_the_ike_sa),
		cmocka_unit_test(
		    pfs_gives_other_keys_and_the_group_is_negotiated),
		cmocka_unit_test(a_peer_that_insists_on_pfs_gets_it),
		cmocka_unit_test(a_rekeyed_ike_sa_keeps_its_prf),
		cmocka_unit_test(both_rekey_the_child_at_once),
		cmocka_unit_test(both_rekey_the_ike_sa_at_once),
		cmocka_unit_test(
		    one_rekeys_the_child_while_the_other_rekeys_ike),
		cmocka_unit_test(
		    a_collision_that_one_side_sees_too_late_is_refused),
		cmocka_unit_test(both_requests_cross_before_any_answer),
		cmocka_unit_test(
		    a_message_lost_at_any_position_of_a_collision_does_no_harm),
		cmocka_unit_test(a_close_during_a_rekey_ends_in_peace),
		cmocka_unit_test(
		    short_lifetimes_rekey_for_hours_without_a_gap_F3),
		cmocka_unit_test(
		    lost_children_are_made_anew_over_the_living_ike_sa),
		cmocka_unit_test(
		    orphans_keep_their_number_until_their_identity_is_back),
		cmocka_unit_test(an_orphan_that_nobody_claims_goes_in_time),
		cmocka_unit_test(
		    a_hard_limit_of_packets_makes_a_new_sa_ESP_10),
		cmocka_unit_test(a_monkey_on_both_sides_leaves_one_sa),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
