#include "dpd_world.h"

static void
test_first_is_used_first(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2:4500");
	pass(o, 0);
	assert_string_equal(o->log, "connect a p 192.0.2.1:500;");
	up(o, "a", "p", 1);
	assert_string_equal(o->log, "chosen 192.0.2.1;");
	pass(o, 3600000);
	assert_string_equal(o->log, "");
	assert_true(status(o, 0).in_use);
	assert_int_equal(status(o, 1).state, DPD_HEADEND_STATE_UNKNOWN);
}

static void
test_next_one_at_once_when_the_first_dies(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2:4500");
	pass(o, 0);
	up(o, "a", "p", 1);
	pass(o, 20000);
	down(o, "a", 1);
	assert_string_equal(o->log, "disconnect a;"
	    "connect b p 192.0.2.2:4500;");
	up(o, "b", "p", 2);
	assert_string_equal(o->log, "chosen 192.0.2.2:4500;");
	assert_string_equal(o->why, "no sign of life");
	assert_string_equal(status(o, 0).reason.code, "dead");
}

static void
test_next_one_when_the_first_refuses(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	failed(o, "a", "192.0.2.1");
	assert_string_equal(o->log, "disconnect a;connect b p 192.0.2.2:500;");
	assert_string_equal(status(o, 0).reason.code, "untrusted");
}

static void
test_next_one_when_the_first_is_silent(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	pass(o, 6000);
	assert_string_equal(o->log, "disconnect a;connect b p 192.0.2.2:500;");
	assert_string_equal(status(o, 0).reason.code, "timeout");
}

static void
test_tries_never_stop_and_their_pace_is_capped(void **state)
{
	struct world *o = (struct world *)*state;
	unsigned tries = 0;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", NULL);
	pass(o, 0);
	pass(o, 3600000);	/* hours without anybody there */
	for (int i = 0; i < 24; i++) {
		pass(o, 600000);
		tries = 0;
		for (const char *p = o->log; (p = strstr(p, "connect a p"))
		    != NULL; p++)
			tries++;
		/* at least each 60 s backoff + 30 s patience */
		assert_in_range(tries, 6, 8);
	}
}

static void
test_back_to_the_first_only_after_it_was_well(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "p.standby", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	failed(o, "a", "192.0.2.1");
	up(o, "b", "p", 2);
	pass(o, 1000);
	assert_string_equal(o->log, "connect a p.standby 192.0.2.1:500;");
	up(o, "a", "p.standby", 3);
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_STANDBY);
	assert_true(status(o, 1).in_use);
	pass(o, 30000);
	down(o, "a", 3);		/* not well: begins anew */
	assert_true(status(o, 1).in_use);
	pass(o, 1000);
	up(o, "a", "p.standby", 4);
	pass(o, 59999);
	assert_string_equal(o->log, "");
	pass(o, 1);
	assert_string_equal(o->log,
	    "disconnect a;connect a p 192.0.2.1:500;");
	assert_true(status(o, 1).in_use);	/* make before break */
	up(o, "a", "p", 5);
	assert_string_equal(o->log, "chosen 192.0.2.1;");
	assert_string_equal(o->why, "192.0.2.1 is well again");
	pass(o, 999);			/* answers may be on their way */
	assert_string_equal(o->log, "");
	pass(o, 1);
	assert_string_equal(o->log, "disconnect b;");
	pass(o, 600000);
	assert_string_equal(o->log, "");
}

static void
test_failed_return_leaves_the_one_in_use_alone(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "p.standby", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	failed(o, "a", "192.0.2.1");
	up(o, "b", "p", 2);
	pass(o, 1000);
	up(o, "a", "p.standby", 3);
	pass(o, 60000);
	failed(o, "a", "192.0.2.1");
	assert_string_equal(o->log, "disconnect a;");
	assert_true(status(o, 1).in_use);
	assert_int_equal(o->choices, 1);
}

static void
test_standby_is_taken_when_the_one_in_use_dies(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	failed(o, "a", "192.0.2.1");
	up(o, "b", "p", 2);
	pass(o, 1000);
	up(o, "a", "p", 3);
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_STANDBY);
	pass(o, 1000);
	down(o, "b", 2);
	assert_string_equal(o->log, "disconnect b;chosen 192.0.2.1;");
	assert_true(status(o, 0).in_use);
}

static void
test_flapping_first_makes_no_ping_pong(void **state)
{
	struct world *o = (struct world *)*state;
	uint16_t peer = 10;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	failed(o, "a", "192.0.2.1");
	up(o, "b", "p", 2);
	for (int i = 0; i < 200; i++) {		/* OPS-22 */
		pass(o, 5000);
		if (strstr(o->log, "connect a") == NULL)
			continue;
		up(o, "a", "p", ++peer);
		pass(o, 4000);
		down(o, "a", peer);
	}
	assert_int_equal(o->choices, 1);
	assert_true(status(o, 1).in_use);
}

static void
test_all_have_a_connection_each(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_ALL, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	assert_string_equal(o->log, "connect a p 192.0.2.1:500;"
	    "connect b p 192.0.2.2:500;");
	up(o, "a", "p", 1);
	up(o, "b", "p", 2);
	assert_true(status(o, 0).in_use && status(o, 1).in_use);
	pass(o, 1000);
	down(o, "a", 1);
	assert_string_equal(o->log, "");	/* dmvpn-ike tries again */
	assert_true(status(o, 1).in_use);
	pass(o, 1000);
	assert_string_equal(o->log, "connect a p 192.0.2.1:500;");
}

static void
test_several_addresses_are_tried_in_turn(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_ALL, "", "hub.example:4500", NULL);	/* OPS-17 */
	pass(o, 0);
	assert_string_equal(o->log, "resolve hub.example 4500;");
	pass(o, 4000);		/* slowly */
	resolved(o, "192.0.2.1", "2001:db8::1", 300);
	assert_string_equal(o->log, "connect a p 192.0.2.1:500;");
	failed(o, "a", "192.0.2.1");
	assert_string_equal(o->log, "connect a p [2001:db8::1]:500;");
	failed(o, "a", "192.0.2.1");	/* late news of the first */
	assert_string_equal(o->log, "");
	failed(o, "a", "2001:db8::1");
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_FAILED);
}

static void
test_name_with_a_new_address_is_followed(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_ALL, "", "hub.example", NULL);
	pass(o, 0);
	resolved(o, "192.0.2.1", NULL, 60);
	up(o, "a", "p", 1);
	pass(o, 59999);
	assert_string_equal(o->log, "");
	pass(o, 1);
	assert_string_equal(o->log, "resolve hub.example 500;");
	resolved(o, "192.0.2.9", NULL, 60);
	assert_string_equal(o->log, "");	/* what works is left alone */
	down(o, "a", 1);
	pass(o, 2000);
	assert_string_equal(o->log, "connect a p 192.0.2.9:500;");
}

static void
test_name_that_fails_says_why_and_is_asked_again(void **state)
{
	struct world *o = (struct world *)*state;
	struct reason r;

	set(o, DPD_POLICY_FIRST, "", "hub.example", "192.0.2.2");
	pass(o, 0);
	reason_set(&r, "resolve", "no-address", "no such name");
	o->log[0] = '\0';
	dpd_choice_unresolved(o->c, o->ticket, &r, o->now);
	assert_string_equal(status(o, 0).reason.text, "no such name");
	pass(o, 0);
	assert_string_equal(o->log, "connect b p 192.0.2.2:500;");
	up(o, "b", "p", 2);
	pass(o, 1000);
	assert_string_equal(o->log, "resolve hub.example 500;");
	pass(o, 15000);		/* a resolver that never answers */
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_FAILED);
}

static void
test_service_name_asks_for_srv(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_ALL, "", "_isakmp._udp.example", NULL);
	pass(o, 0);
	assert_string_equal(o->log, "resolve _isakmp._udp.example 500 srv;");
}

static void
test_restart_of_dpd_adopts_what_is_up(void **state)
{
	struct world *o = (struct world *)*state;

	dpd_choice_stop(o->c);
	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	assert_string_equal(o->log, "");
	up(o, "b", "p", 2);		/* of the snapshot */
	dpd_choice_start(o->c, o->now);
	assert_true(status(o, 1).in_use);
	pass(o, 0);		/* the first is tried beside it */
	assert_string_equal(o->log, "connect a p 192.0.2.1:500;");
}

static void
test_restart_of_ike_keeps_the_choice(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	up(o, "a", "p", 1);
	dpd_choice_stop(o->c);
	o->log[0] = '\0';
	dpd_choice_start(o->c, o->now);
	assert_string_equal(o->log, "connect a p 192.0.2.1:500;");
	pass(o, 1000);
	assert_string_equal(o->log, "");
	up(o, "a", "p", 9);
	assert_string_equal(o->log, "");
	assert_int_equal(o->choices, 1);
	assert_true(status(o, 0).in_use);
	assert_int_equal(status(o, 0).peer, 9);
}

static void
test_changed_list_keeps_what_stays(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", NULL);
	pass(o, 0);
	up(o, "a", "p", 1);
	o->log[0] = '\0';
	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	assert_string_equal(o->log, "");
	assert_true(status(o, 0).in_use);
	set(o, DPD_POLICY_FIRST, "", "192.0.2.3", NULL);
	assert_string_equal(o->log, "disconnect a;");
	pass(o, 0);
	assert_string_equal(o->log, "connect a p 192.0.2.3:500;");
	o->log[0] = '\0';
	assert_int_equal(dpd_choice_delete(o->c, "t0", NULL), 0);
	assert_string_equal(o->log, "disconnect a;");
	assert_int_equal(dpd_choice_delete(o->c, "t0", NULL), -1);
}

static void
test_names_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "0.0.0.0", "224.0.0.1", "hub:0",
	    "hub:65536", "hub:", ":500", "hub name", "hub\n", "192.0.2.1:0",
	    "a;b", "", "300.1.1.1", "192.0.2", "1", "10.1.1.1.1:500" };
	struct world *o = (struct world *)*state;
	struct dpd_headends_set s;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&s, 0, sizeof(s));
		s.n_headends = 1;
		snprintf(s.tunnel, sizeof(s.tunnel), "t0");
		snprintf(s.headends[0].name, 192, "%s", bad[i]);
		snprintf(s.headends[0].connection, 64, "a");
		assert_int_equal(dpd_choice_set(o->c, &s, &e), -1);
		assert_true(strlen(e.msg) > 0);
	}
}

/* The same again is nothing; another identity or profile is another one. */
static void
test_what_counts_as_the_same(void **state)
{
	struct world *o = (struct world *)*state;
	struct dpd_headends_set s;
	struct err e;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", NULL);
	pass(o, 0);
	up(o, "a", "p", 1);
	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", NULL);
	pass(o, 1000);
	assert_string_equal(o->log, "");
	assert_false(dpd_choice_stated(o->c, "t1", &s));
	assert_true(dpd_choice_stated(o->c, "t0", &s));
	assert_string_equal(s.headends[0].name, "192.0.2.1");
	memset(&s, 0, sizeof(s));
	snprintf(s.owner, sizeof(s.owner), "test");
	snprintf(s.tunnel, sizeof(s.tunnel), "t0");
	snprintf(s.profile, sizeof(s.profile), "p");
	snprintf(s.headends[0].name, 192, "192.0.2.1");
	snprintf(s.headends[0].connection, 64, "a");
	snprintf(s.headends[0].peer_id, 128, "b.example");
	s.n_headends = 1;
	o->log[0] = '\0';
	assert_int_equal(dpd_choice_set(o->c, &s, &e), 0);
	assert_string_equal(o->log, "disconnect a;");
	pass(o, 0);
	assert_string_equal(o->log, "connect a p 192.0.2.1:500;");
	up(o, "a", "p", 2);
	snprintf(s.profile, sizeof(s.profile), "q");
	o->log[0] = '\0';
	assert_int_equal(dpd_choice_set(o->c, &s, &e), 0);
	assert_string_equal(o->log, "disconnect a;");
	pass(o, 0);
	assert_string_equal(o->log, "connect a q 192.0.2.1:500;");
	/* a connection is one headend's */
	s.headends[1] = s.headends[0];
	s.n_headends = 2;
	assert_int_equal(dpd_choice_set(o->c, &s, &e), -1);
	assert_non_null(strstr(e.msg, "named twice"));
}

/* Events of a former peer number, or about a former address. */
static void
test_late_events_are_passed_over(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	failed(o, "a", "192.0.2.9");
	assert_string_equal(o->log, "");
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_CONNECTING);
	up(o, "a", "p", 2);
	down(o, "a", 1);
	assert_string_equal(o->log, "");
	assert_true(status(o, 0).in_use);
	down(o, "a", 2);
	assert_false(status(o, 0).in_use);
}

/* Answers of the resolver that nobody waits for. */
static void
test_answers_to_nothing_are_passed_over(void **state)
{
	struct world *o = (struct world *)*state;
	struct endpoint p;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "hub.example");
	pass(o, 0);
	o->log[0] = '\0';
	assert_int_equal(endpoint_parse("192.0.2.9", 500, &p, NULL), 0);
	dpd_choice_resolved(o->c, 0, &p, 1, 60, o->now);
	dpd_choice_resolved(o->c, 999, &p, 1, 60, o->now);
	assert_string_equal(o->log, "");
	assert_int_equal(status(o, 1).state, DPD_HEADEND_STATE_UNKNOWN);
}

/* A name that was known and now fails: its old addresses are tried, and a
 * lifetime of nothing is not one. */
static void
test_old_addresses_are_better_than_none(void **state)
{
	struct world *o = (struct world *)*state;
	struct reason r;

	set(o, DPD_POLICY_FIRST, "", "hub.example", NULL);
	pass(o, 0);
	resolved(o, "192.0.2.1", "192.0.2.2", 0);
	assert_string_equal(o->log, "connect a p 192.0.2.1:500;");
	pass(o, 1000);
	assert_string_equal(o->log, "");	/* not asked every moment */
	failed(o, "a", "192.0.2.1");
	assert_string_equal(o->log, "connect a p 192.0.2.2:500;");
	/* it is still its turn when the name is asked again */
	pass(o, 6000);
	assert_non_null(strstr(o->log, "resolve hub.example"));
	resolved(o, "192.0.2.1", "192.0.2.2", 60);
	failed(o, "a", "192.0.2.2");
	pass(o, 70000);
	o->log[0] = '\0';
	dpd_choice_unresolved(o->c, o->ticket, reason_set(&r, "resolve",
	    "no-address", "gone"), o->now);
	pass(o, 120000);
	assert_non_null(strstr(o->log, "connect a p 192.0.2."));
}

/* It is up on the profile without routes: those come first. */
static void
test_standby_that_is_found_up(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "p.standby", "192.0.2.1", "192.0.2.2");
	up(o, "a", "p.standby", 3);
	assert_string_equal(o->log,
	    "disconnect a;connect a p 192.0.2.1:500;");
	assert_int_equal(o->choices, 0);
	up(o, "a", "p", 4);
	assert_string_equal(o->log, "chosen 192.0.2.1;");
}

static void
waiting(struct world *o, const char *connection, const char *remote)
{
	struct ike_waiting m = { .remote = { .port = 500 } };

	snprintf(m.connection, sizeof(m.connection), "%s", connection);
	assert_int_equal(endpoint_parse(remote, 500, &m.remote, NULL), 0);
	reason_set(&m.reason, "ike-sa-init", "no-answer", "nobody is there");
	dpd_choice_waiting(o->c, &m, o->now);
}

/* What dmvpn-ike waits for is why it did not come up, there and not
 * elsewhere. */
static void
test_why_it_did_not_come_up(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	waiting(o, "a", "192.0.2.1");
	waiting(o, "b", "192.0.2.2");
	pass(o, 6001);
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_FAILED);
	assert_string_equal(status(o, 0).reason.code, "no-answer");
	assert_string_equal(status(o, 1).reason.code, "");
}

/* Two were lost: they are tried one at a time beside the third. */
static void
test_one_better_one_is_tried_at_a_time(void **state)
{
	struct world *o = (struct world *)*state;
	struct dpd_headends_set s;
	unsigned i;

	memset(&s, 0, sizeof(s));
	snprintf(s.tunnel, sizeof(s.tunnel), "t0");
	snprintf(s.profile, sizeof(s.profile), "p");
	s.policy = DPD_POLICY_FIRST;
	for (i = 0; i < 3; i++) {
		snprintf(s.headends[i].name, 192, "192.0.2.%u", i + 1);
		snprintf(s.headends[i].connection, 64, "%c", 'a' + i);
	}
	s.n_headends = 3;
	assert_int_equal(dpd_choice_set(o->c, &s, NULL), 0);
	pass(o, 0);
	failed(o, "a", "192.0.2.1");
	failed(o, "b", "192.0.2.2");
	up(o, "c", "p", 3);
	pass(o, 1500);
	assert_non_null(strstr(o->log, "connect a"));
	assert_null(strstr(o->log, "connect b"));
	pass(o, 100);			/* whatever wakes it meanwhile */
	assert_string_equal(o->log, "");
}

/* Told of itself, it is not dialled again; and it is up since it came. */
static void
test_what_is_known_is_not_stated_again(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t since = o->now;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", NULL);
	pass(o, 0);
	up(o, "a", "p", 1);
	pass(o, 5000);
	up(o, "a", "p", 1);
	dpd_choice_start(o->c, o->now);
	assert_string_equal(o->log, "");
	assert_true(status(o, 0).since == since);
	up(o, "a", "p", 2);
	assert_true(status(o, 0).since > since);
}

/* The list came anew while its second address was being tried. */
static void
test_a_list_keeps_its_place(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "hub.test", NULL);
	pass(o, 0);
	resolved(o, "192.0.2.1", "192.0.2.2", 1);
	failed(o, "a", "192.0.2.1");
	assert_string_equal(o->log, "connect a p 192.0.2.2:500;");
	pass(o, 4999);
	assert_string_equal(o->log, "");	/* 5 s is the least */
	pass(o, 1);
	assert_non_null(strstr(o->log, "resolve hub.test"));
	resolved(o, "192.0.2.1", "192.0.2.2", 60);
	failed(o, "a", "192.0.2.2");
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_FAILED);
}

/* The name of one that is not wanted now is left alone. */
static void
test_a_name_that_nobody_needs(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "second.test");
	pass(o, 0);
	failed(o, "a", "192.0.2.1");
	resolved(o, "192.0.2.2", NULL, 300);
	up(o, "b", "p", 2);
	pass(o, 1000);
	up(o, "a", "p", 3);
	pass(o, 70000);
	assert_true(status(o, 0).in_use);
	assert_int_equal(status(o, 1).state, DPD_HEADEND_STATE_UNKNOWN);
	pass(o, 3600000);
	assert_null(strstr(o->log, "resolve"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(test_what_counts_as_the_same),
		TEST(test_late_events_are_passed_over),
		TEST(test_answers_to_nothing_are_passed_over),
		TEST(test_old_addresses_are_better_than_none),
		TEST(test_first_is_used_first),
		TEST(test_next_one_at_once_when_the_first_dies),
		TEST(test_next_one_when_the_first_refuses),
		TEST(test_next_one_when_the_first_is_silent),
		TEST(test_tries_never_stop_and_their_pace_is_capped),
		TEST(test_back_to_the_first_only_after_it_was_well),
		TEST(test_failed_return_leaves_the_one_in_use_alone),
		TEST(test_standby_is_taken_when_the_one_in_use_dies),
		TEST(test_flapping_first_makes_no_ping_pong),
		TEST(test_all_have_a_connection_each),
		TEST(test_several_addresses_are_tried_in_turn),
		TEST(test_name_with_a_new_address_is_followed),
		TEST(test_name_that_fails_says_why_and_is_asked_again),
		TEST(test_service_name_asks_for_srv),
		TEST(test_restart_of_dpd_adopts_what_is_up),
		TEST(test_restart_of_ike_keeps_the_choice),
		TEST(test_changed_list_keeps_what_stays),
		TEST(test_names_that_are_none_are_refused),
		TEST(test_standby_that_is_found_up),
		TEST(test_why_it_did_not_come_up),
		TEST(test_one_better_one_is_tried_at_a_time),
		TEST(test_what_is_known_is_not_stated_again),
		TEST(test_a_list_keeps_its_place),
		TEST(test_a_name_that_nobody_needs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("dpd_choice", tests, NULL, NULL);
}
