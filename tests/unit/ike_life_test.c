#include "ike_member.h"

/* What time and a peer that refuses do to living SAs. */

/* ---- lifetimes ---- */

/* The peer takes no new CHILD_SA and closes none. */
static void
a_child_that_is_never_rekeyed_ends_at_its_hard_time_IKE_47(void **state)
{
	struct sim *s = sim_new(2, 61, NULL);
	struct ike_profile_set p = sim_profile("p");

	(void)state;
	sim_set(&s->n[0], &p);
	p.child_lifetime = 100;
	sim_set(&s->n[1], &p);
	sim_connect(s, 0, 1);
	sim_run(s, 1000);
	sim_one_sa(s);
	s->n[0].refuse_sa = true;
	sim_run(s, 106000);
	assert_false(s->n[1].sa[0].gone);	/* it is tried, and goes on */
	sim_run(s, 14000);
	assert_true(s->n[1].sa[0].gone);
	assert_true(s->n[0].sa[0].gone);
	assert_int_equal(sim_live(&s->n[0]), 0);
	s->n[0].refuse_sa = false;
	sim_run(s, 10000);			/* and a new one by us */
	sim_one_sa(s);
	sim_free(s);
}

static void
an_ike_sa_that_is_never_rekeyed_ends_at_its_hard_time_IKE_47(void **state)
{
	struct ike_tune tune = { .retry_total = 600000 };
	struct sim *s = sim_new(2, 62, &tune);
	struct ike_profile_set p = sim_profile("p");

	(void)state;
	p.ike_lifetime = 100;
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &p);
	sim_connect(s, 0, 1);
	sim_run(s, 1000);
	s->filter = sim_lose_creates;
	sim_run(s, 86000);
	assert_int_equal(s->n[0].downs, 0);
	sim_run(s, 33000);
	assert_int_equal(s->n[0].downs, 1);
	assert_string_equal(s->n[0].down.reason.code, "expired");
	s->filter = NULL;
	sim_run(s, 15000);
	assert_int_equal(s->n[0].ups, 2);
	sim_run(s, 60000);
	assert_int_equal(sim_isas(&s->n[0]), 1);
	sim_free(s);
}

static void
a_replaced_ike_sa_is_kept_no_longer_than_half_a_minute(void **state)
{
	struct sim *s = sim_up(63, NULL);

	(void)state;
	s->filter = sim_lose_informational;
	sim_rekey(s, 0, false);
	sim_run(s, 1000);
	assert_int_equal(sim_sizes(&s->n[1]), 2);
	sim_run(s, 31000);
	assert_int_equal(sim_sizes(&s->n[1]), 1);
	sim_free(s);
}

/* The initiator does not take it, the responder has none to give. */
static void
an_ike_sa_without_a_child_is_closed_by_either_side(void **state)
{
	struct ike_profile_set p = sim_profile("p");
	int lost;

	(void)state;
	snprintf(p.esp_proposals[p.n_esp_proposals++],
	    sizeof(p.esp_proposals[0]), "aes128gcm16");
	for (lost = 0; lost < 2; lost++) {
		struct sim *s = sim_new(2, 64, NULL);

		sim_set(&s->n[0], &p);
		p.esp_proposals[0][3] = '2', p.esp_proposals[0][4] = '5';
		p.esp_proposals[0][5] = '6';
		sim_set(&s->n[1], &p);
		snprintf(p.esp_proposals[0], sizeof(p.esp_proposals[0]),
		    "aes128gcm16");
		s->filter = lost ? sim_lose_informational : NULL;
		sim_connect(s, 0, 1);
		sim_run(s, 300);
		assert_int_equal(sim_sizes(&s->n[1]), lost);
		s->filter = lost ? sim_lose_all : NULL;
		sim_run(s, 5000);
		assert_int_equal(sim_sizes(&s->n[1]) > 0 && lost, 0);
		sim_free(s);
	}
}

static void
an_agent_that_is_silent_is_waited_for_so_long(void **state)
{
	struct sim *s = sim_new(2, 65, NULL);

	(void)state;
	sim_profiles(s);
	s->n[1].silent = true;
	sim_connect(s, 0, 1);
	sim_run(s, 14000);
	assert_int_equal(s->n[1].fails, 0);
	sim_run(s, 3000);
	assert_int_equal(s->n[1].fails, 1);
	assert_string_equal(s->n[1].failed.reason.code, "no-answer");
	assert_string_equal(s->n[1].failed.reason.stage, "local");
	sim_free(s);
}

static void
a_repeated_request_asks_the_agent_once(void **state)
{
	struct sim *s = sim_new(2, 66, NULL);
	unsigned calls;

	(void)state;
	sim_profiles(s);
	s->n[1].silent = true;
	sim_connect(s, 0, 1);
	sim_run(s, 400);
	calls = s->n[1].calls;
	assert_int_equal(s->n[1].psk_asked, 1);
	sim_run(s, 8000);	/* retransmissions */
	assert_true(s->n[0].sent > 4);
	assert_int_equal(s->n[1].calls, calls);
	s->n[1].silent = false;
	sim_run(s, 1000);
	sim_one_sa(s);
	sim_free(s);
}

static void
a_connection_for_once_is_tried_once(void **state)
{
	struct ike_tune tune = { .retry_total = 4000 };
	struct sim *s = sim_new(2, 67, &tune);
	struct ike_connection_set c = sim_connection(s, 1);
	struct reason why;

	(void)state;
	sim_profiles(s);
	s->loss = 100;
	c.once = true;
	assert_int_equal(ike_engine_connection_set(s->n[0].g, s->now,
	    SIM_WALL, &c, &why), 0);
	sim_run(s, 600000);
	assert_int_equal(s->n[0].fails, 1);
	sim_free(s);
}

static void
only_so_many_questions_wait(void **state)
{
	struct sim *s = sim_up(68, NULL);
	struct reason why;
	unsigned i;

	(void)state;
	s->filter = sim_lose_all;
	for (i = 0; i < 100; i++)
		(void)ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, i + 1,
		    &why);
	assert_in_range(s->n[0].probes, 60, 70);
	assert_int_equal(s->n[0].alive, 0);
	sim_free(s);
}

static void
who_is_heard_often_is_told_of_seldom(void **state)
{
	struct sim *s = sim_up(69, NULL);
	struct reason why;
	unsigned i;

	(void)state;
	s->n[0].heard = 0;
	for (i = 0; i < 20; i++) {
		(void)ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, i + 1,
		    &why);
		sim_run(s, 50);
	}
	assert_int_equal(s->n[0].alive, 20);
	assert_in_range(s->n[0].heard, 1, 4);
	sim_free(s);
}

/* ---- the peer refuses ---- */

static uint16_t refusal;

static bool
nothing(struct ike_chain *c, const struct ike_payload *p)
{
	(void)c;
	(void)p;
	return false;
}

static void
put_refusal(struct ike_chain *c)
{
	static const uint8_t group[] = { 0, IKE_GROUP_ECP384 };

	if (refusal == IKE_N_INVALID_KE_PAYLOAD)
		ike_put_notify(c, 0, NULL, 0, refusal, group, 2);
	else
		ike_put_status(c, refusal);
}

static struct member_edit
refuse_creates(uint16_t notify, unsigned times)
{
	refusal = notify;
	return (struct member_edit){ .from = 1, .response = true,
	    .exchange = IKE_CREATE_CHILD_SA, .take = nothing,
	    .more = put_refusal, .times = times };
}

static void
a_refused_rekey_is_tried_again_soon(void **state)
{
	static const uint16_t types[] = { IKE_N_TEMPORARY_FAILURE,
	    IKE_N_NO_PROPOSAL_CHOSEN };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct sim *s = member_up(70);
		struct member_edit e = refuse_creates(types[i % 2], 1);
		unsigned sent;

		member_edit(s, &e);
		sim_rekey(s, 0, i < 2);
		sim_run(s, 100);
		assert_int_equal(e.done, 1);
		sent = s->n[0].sent;
		sim_run(s, 1500);		/* not at once */
		assert_int_equal(s->n[0].sent, sent);
		sim_run(s, 6000);
		assert_true(s->n[0].sent > sent);
		assert_int_equal(s->n[0].downs, 0);
		sim_free(s);
	}
}

static void
a_group_is_asked_for_in_vain_only_once(void **state)
{
	int child;

	(void)state;
	for (child = 0; child < 2; child++) {
		struct sim *s = member_up(71);
		struct member_edit e = refuse_creates(
		    IKE_N_INVALID_KE_PAYLOAD, 0);
		unsigned sent = s->n[0].sent;

		member_edit(s, &e);
		sim_rekey(s, 0, child);
		sim_run(s, 1500);
		assert_int_equal(s->n[0].sent - sent, 2);
		sim_free(s);
	}
}

/* 2.25: the peer does not know the one that we rekey. */
static void
a_child_that_the_peer_has_not_is_replaced(void **state)
{
	struct sim *s = member_up(72);
	struct member_edit e = refuse_creates(IKE_N_CHILD_SA_NOT_FOUND, 1);
	uint32_t old = s->n[0].sa[0].spi_in;

	(void)state;
	member_edit(s, &e);
	sim_rekey(s, 0, true);
	sim_run(s, 1000);
	assert_true(sim_sa_find(&s->n[0], old)->gone);
	assert_int_equal(sim_live(&s->n[0]), 1);
	assert_int_equal(s->n[0].children, 2);
	sim_free(s);
}

/* ---- what is kept of answers ---- */

static enum sim_fate
double_auth(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->h.exchange == IKE_AUTH && p->from == 0 ? SIM_TWICE :
	    SIM_PASS;
}

/* Its IKE_AUTH comes once more; how often was it answered again? */
static uint64_t
auth_again(bool used)
{
	struct sim *s = sim_new(2, 67, NULL);
	struct gre_sa_first first;
	uint64_t repeated;

	sim_profiles(s);
	s->filter = double_auth;
	sim_connect(s, 0, 1);
	sim_run(s, 30);		/* up, and the second one on its way */
	assert_int_equal(s->n[1].ups, 1);
	first = (struct gre_sa_first){ s->n[1].sa[0].spi_in,
	    s->n[1].last_peer };
	if (used)
		ike_engine_event(s->n[1].g, s->now, SIM_WALL,
		    &gre_sa_first_type, &first);
	sim_run(s, 2000);
	repeated = ike_engine_counter(s->n[1].g, IKE_C_REPEATED);
	sim_one_sa(s);
	sim_free(s);
	return repeated;
}

static void
an_answer_that_the_peer_has_is_not_kept(void **state)
{
	(void)state;
	assert_int_equal(auth_again(false), 1);
	assert_int_equal(auth_again(true), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_child_that_is_never_rekeyed_ends_at_its_hard_time_IKE_47),
		cmocka_unit_test(
	    an_ike_sa_that_is_never_rekeyed_ends_at_its_hard_time_IKE_47),
		cmocka_unit_test(
		    a_replaced_ike_sa_is_kept_no_longer_than_half_a_minute),
		cmocka_unit_test(
		    an_ike_sa_without_a_child_is_closed_by_either_side),
		cmocka_unit_test(an_agent_that_is_silent_is_waited_for_so_long),
		cmocka_unit_test(a_repeated_request_asks_the_agent_once),
		cmocka_unit_test(a_connection_for_once_is_tried_once),
		cmocka_unit_test(only_so_many_questions_wait),
		cmocka_unit_test(who_is_heard_often_is_told_of_seldom),
		cmocka_unit_test(a_refused_rekey_is_tried_again_soon),
		cmocka_unit_test(a_group_is_asked_for_in_vain_only_once),
		cmocka_unit_test(a_child_that_the_peer_has_not_is_replaced),
		cmocka_unit_test(an_answer_that_the_peer_has_is_not_kept),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
