#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dmvpn-dpd/dpd_watch.h"

/* A world with one clock, in which peers answer or do not. */
struct world {
	struct dpd_watch	*w;
	uint64_t		 now;
	unsigned		 polls, probes, verdicts, repeats;
	uint16_t		 last_dead;
	uint64_t		 dead_at;
	uint64_t		 traffic[8];	/* last-in of peers 1..7 */
	bool			 answers[8];
	unsigned		 loss;		/* percent of probes lost */
	uint32_t		 seed;
	bool			 polled;
	uint64_t		 poll_at, least_gap;	/* between polls */
};

static uint32_t
next_random(void *arg)
{
	struct world *o = (struct world *)arg;

	o->seed = o->seed * 1664525u + 1013904223u;
	return o->seed >> 8;
}

static void
on_poll(void *arg)
{
	struct world *o = (struct world *)arg;

	if (o->polls++ > 0 && o->now - o->poll_at < o->least_gap)
		o->least_gap = o->now - o->poll_at;
	o->poll_at = o->now;
	o->polled = true;
}

static void
on_probe(void *arg, uint16_t peer)
{
	struct world *o = (struct world *)arg;

	o->probes++;
	if (peer < 8 && o->answers[peer] && next_random(o) % 100 >= o->loss)
		dpd_watch_seen(o->w, peer, o->now + 1, o->now + 1);
}

static void
on_dead(void *arg, const struct dpd_dead *d, bool again)
{
	struct world *o = (struct world *)arg;

	if (again) {
		o->repeats++;
		return;
	}
	o->verdicts++;
	o->last_dead = d->peer;
	o->dead_at = o->now;
	assert_true(d->tries > 0);
	assert_string_equal(d->identity, "spoke");
}

static const struct dpd_watch_ops ops = {
	.poll = on_poll,
	.probe = on_probe,
	.dead = on_dead,
	.random = next_random,
};

static struct world
world_new(void)
{
	return (struct world){ .now = 1000000, .seed = 7,
	    .least_gap = UINT64_MAX };
}

/* Turn until `until`, at the times the engine wants. */
static void
run(struct world *o, uint64_t until)
{
	uint64_t wake;

	while (o->now < until) {
		wake = dpd_watch_turn(o->w, o->now);
		if (o->polled) {
			o->polled = false;
			for (uint16_t i = 1; i < 8; i++)
				dpd_watch_seen(o->w, i, o->traffic[i], o->now);
			dpd_watch_polled(o->w, o->now);
			wake = dpd_watch_turn(o->w, o->now);
		}
		assert_true(wake == 0 || wake > o->now);
		o->now = wake == 0 || wake > until ? until : wake;
	}
}

static void
add(struct world *o, uint16_t peer, const char *profile)
{
	assert_int_equal(dpd_watch_up(o->w, peer, profile, "spoke", o->now,
	    NULL), 0);
}

static int
setup(void **state)
{
	struct world *o = (struct world *)calloc(1, sizeof(*o));

	*o = world_new();
	o->w = dpd_watch_new(&ops, o);
	*state = o;
	return 0;
}

static int
teardown(void **state)
{
	struct world *o = (struct world *)*state;

	dpd_watch_free(o->w);
	free(o);
	return 0;
}

static void
test_dead_within_ten_seconds(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t began = o->now;

	add(o, 1, "p");
	run(o, began + 20000);
	assert_int_equal(o->verdicts, 1);
	assert_int_equal(o->last_dead, 1);
	assert_true(o->dead_at - began <= 10000);
	assert_int_equal(o->probes, DPD_TRIES);
	assert_true(o->repeats >= 2);
	dpd_watch_down(o->w, 1);
	o->repeats = 0;
	run(o, began + 40000);
	assert_int_equal(o->repeats, 0);
	assert_int_equal(dpd_watch_counts(o->w).deaths, 1);
}

static void
test_idle_peer_that_answers_lives(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");
	o->answers[1] = true;
	run(o, o->now + 3600000);
	assert_int_equal(o->verdicts, 0);
	assert_true(o->probes >= 3600 / 4);
	assert_true(o->probes <= 3600 / 2);
}

static void
test_busy_peer_is_not_probed(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");
	for (int i = 0; i < 600; i++) {
		o->traffic[1] = o->now;
		run(o, o->now + 100);
	}
	assert_int_equal(o->probes, 0);
	assert_int_equal(o->verdicts, 0);
	assert_true(o->polls < 60);
}

static void
test_no_false_death_at_ten_percent_loss(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");
	o->answers[1] = true;
	o->loss = 10;		/* F7: of 10^5 probes */
	while (o->probes < 100000)
		run(o, o->now + 100000);
	assert_int_equal(o->verdicts, 0);
}

static void
test_pause_judges_nobody(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");
	run(o, o->now + 5000);
	dpd_watch_pause(o->w);
	run(o, o->now + 60000);
	assert_int_equal(o->verdicts, 0);
	dpd_watch_resume(o->w, o->now);
	run(o, o->now + 2500);
	assert_int_equal(o->verdicts, 0);
	run(o, o->now + 10000);
	assert_int_equal(o->verdicts, 1);
}

static void
test_long_stop_of_the_process_kills_nobody(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");		/* OPS-04: SIGSTOP for 60 s */
	o->answers[1] = true;
	run(o, o->now + 5000);
	o->now += 60000;
	run(o, o->now + 5000);
	assert_int_equal(o->verdicts, 0);
	o->now += 3600000;	/* OPS-07: suspend for an hour */
	run(o, o->now + 5000);
	assert_int_equal(o->verdicts, 0);
}

static void
test_rule_of_a_profile_is_faster(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t began = o->now;

	add(o, 1, "fast");
	add(o, 2, "slow");
	o->answers[2] = true;
	assert_int_equal(dpd_watch_rule(o->w, "fast", 200, 4, o->now, NULL),
	    0);
	run(o, began + 1000);	/* F7: sub-second mode */
	assert_int_equal(o->verdicts, 1);
	assert_int_equal(o->last_dead, 1);
	assert_true(o->dead_at - began <= 1000);
	assert_int_equal(dpd_watch_rule(o->w, "fast", 0, 0, o->now, NULL), 0);
}

static void
test_rules_have_an_end(void **state)
{
	struct world *o = (struct world *)*state;
	struct err e = { 0 };
	char name[16];

	for (int i = 0; i < DPD_RULES_MAX; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		assert_int_equal(dpd_watch_rule(o->w, name, 100, 3, o->now,
		    &e), 0);
	}
	assert_int_equal(dpd_watch_rule(o->w, "more", 100, 3, o->now, &e),
	    -1);
	assert_int_equal(dpd_watch_rule(o->w, "p3", 0, 0, o->now, &e), 0);
	assert_int_equal(dpd_watch_rule(o->w, "more", 100, 3, o->now, &e),
	    0);
}

static void
test_sync_drops_who_is_gone(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");
	add(o, 2, "p");
	dpd_watch_sync_begin(o->w);
	add(o, 2, "p");
	dpd_watch_sync_end(o->w);
	assert_int_equal(dpd_watch_counts(o->w).peers, 1);
	run(o, o->now + 15000);
	assert_int_equal(o->verdicts, 1);
	assert_int_equal(o->last_dead, 2);
}

static void
test_time_of_the_future_does_not_hide_death(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");
	dpd_watch_seen(o->w, 1, o->now + 86400000, o->now);
	run(o, o->now + 12000);
	assert_int_equal(o->verdicts, 1);
}

static void
test_ten_thousand_peers(void **state)
{
	struct world *o = (struct world *)*state;

	for (uint32_t i = 100; i < 10100; i++)
		add(o, (uint16_t)i, "p");
	run(o, o->now + 12000);
	assert_int_equal(o->verdicts, 10000);
	assert_true(o->polls < 40);
}

/* Old news do not make a dead peer alive, nor a quiet one quieter. */
static void
test_old_signs_of_life_change_nothing(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t begun = o->now;

	add(o, 1, "p");
	run(o, begun + 2000);
	dpd_watch_seen(o->w, 1, begun - 5000, o->now);
	dpd_watch_seen(o->w, 1, begun, o->now);
	run(o, begun + 9000);
	assert_int_equal(o->verdicts, 1);
	assert_true(o->dead_at - begun <= 9000);
	assert_true(o->dead_at - begun >= 3000);
}

/* It was heard, but longer ago than the interval: it is asked all the same. */
static void
test_a_late_sign_does_not_end_the_probes(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t begun = o->now;

	add(o, 1, "p");
	run(o, begun + 4000);
	assert_true(o->probes > 0);
	dpd_watch_seen(o->w, 1, begun + 100, o->now);
	run(o, begun + 12000);
	assert_int_equal(o->verdicts, 1);
}

static void
test_a_pause_asks_nothing_and_then_all_begin_anew(void **state)
{
	struct world *o = (struct world *)*state;
	unsigned probes;

	add(o, 1, "p");
	run(o, o->now + 3100);
	dpd_watch_pause(o->w);
	probes = o->probes;
	assert_int_equal(dpd_watch_turn(o->w, o->now + 60000), 0);
	assert_int_equal(o->probes, probes);
	o->now += 60000;
	dpd_watch_resume(o->w, o->now);
	run(o, o->now + 2000);		/* a whole interval again */
	assert_int_equal(o->probes, probes);
	assert_int_equal(o->verdicts, 0);
	run(o, o->now + 10000);
	assert_int_equal(o->verdicts, 1);
}

/* dmvpn-ike was told: what was on its way since does not take it back. */
static void
test_who_is_dead_stays_dead(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");
	run(o, o->now + 9000);
	assert_int_equal(o->verdicts, 1);
	dpd_watch_seen(o->w, 1, o->now, o->now);
	o->repeats = 0;
	run(o, o->now + 7000);
	assert_int_equal(o->repeats, 2);
	assert_int_equal(o->verdicts, 1);
}

/* The counters that were asked for before never come. */
static void
test_a_pause_ends_a_poll(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t end;
	unsigned polls;

	add(o, 1, "p");
	while (o->polls == 0) {
		uint64_t wake = dpd_watch_turn(o->w, o->now);

		if (o->polls == 0)
			o->now = wake;
	}
	dpd_watch_pause(o->w);
	dpd_watch_resume(o->w, o->now);
	o->polled = false;
	polls = o->polls;
	for (end = o->now + 4000; o->polls == polls && o->now < end;)
		o->now = dpd_watch_turn(o->w, o->now);
	assert_int_equal(o->polls, polls + 1);
}

/* Stated again, a rule asks nobody who was heard just now. */
static void
test_a_rule_again(void **state)
{
	struct world *o = (struct world *)*state;

	add(o, 1, "p");
	o->now++;
	dpd_watch_seen(o->w, 1, o->now, o->now);
	assert_int_equal(dpd_watch_rule(o->w, "p", 3000, 6, o->now, NULL), 0);
	run(o, o->now + 2000);
	assert_int_equal(o->polls + o->probes, 0);
	assert_int_equal(dpd_watch_rule(o->w, "p", 1000, 6, o->now, NULL), 0);
	run(o, o->now + 100);
	assert_int_equal(o->probes, 1);
}

/* Counters that never come do not hold up the watch for ever. */
static void
test_a_poll_that_is_lost_is_asked_again(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t begun = o->now;

	add(o, 1, "p");
	while (o->now < begun + 60000) {
		uint64_t wake = dpd_watch_turn(o->w, o->now);

		o->now = wake > o->now && wake < begun + 60000 ? wake :
		    begun + 60000;
	}
	assert_in_range(o->polls, 2, 5);
}

static void
test_many_peers_are_not_asked_at_once(void **state)
{
	struct world *o = (struct world *)*state;
	unsigned i;

	for (i = 1; i <= 1000; i++)
		add(o, (uint16_t)(100 + i), "p");
	run(o, o->now + 2999);
	assert_in_range(o->probes, 1, 999);
}

/* A snapshot of many peers has many pages: it is pulled less often, but a
 * third of the shortest interval is as long as it may take. */
static void
test_many_peers_are_polled_less_often(void **state)
{
	static const struct { uint16_t peers; uint64_t least; } rows[] = {
		{ 10, 375 }, { 10000, 625 }, { 40000, 1000 },
	};
	struct world *o = (struct world *)*state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t begun = o->now;

		o->polls = 0;
		o->least_gap = UINT64_MAX;
		for (uint32_t k = 100; k < 100u + rows[i].peers; k++)
			add(o, (uint16_t)k, "p");
		run(o, begun + 12000);
		assert_in_range(o->least_gap, rows[i].least,
		    rows[i].least + 60);
		for (uint32_t k = 100; k < 100u + rows[i].peers; k++)
			dpd_watch_down(o->w, (uint16_t)k);
		run(o, o->now + 20000);
	}
}

/* Neither counters nor probes come closer together than 20 ms. */
static void
test_the_shortest_interval_makes_no_flood(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t begun = o->now;

	assert_int_equal(dpd_watch_rule(o->w, "", 40, 6, o->now, NULL), 0);
	for (uint16_t i = 1; i < 8; i++) {
		o->answers[i] = true;
		add(o, i, "p");
		run(o, o->now + 5);
	}
	run(o, begun + 2000);
	assert_in_range(o->least_gap, 20, 60);
	o->answers[1] = false;
	begun = o->now;
	while (o->verdicts == 0)
		run(o, o->now + 5);
	assert_true(o->now - begun >= 6 * 20);
}

/* Counters say nothing about who became due after they were asked for. */
static void
test_who_is_due_later_is_not_judged_by_old_counters(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t begun = o->now, wake;

	o->seed = 0;
	add(o, 1, "p");
	o->now += 500;
	add(o, 2, "p");
	o->now = begun + 3000;
	wake = dpd_watch_turn(o->w, o->now);
	assert_int_equal(o->polls, 1);
	assert_true(wake > o->now);
	o->now = begun + 3600;		/* the answer comes late */
	dpd_watch_polled(o->w, o->now);
	assert_int_equal(o->probes, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(test_dead_within_ten_seconds),
		TEST(test_idle_peer_that_answers_lives),
		TEST(test_busy_peer_is_not_probed),
		TEST(test_no_false_death_at_ten_percent_loss),
		TEST(test_pause_judges_nobody),
		TEST(test_long_stop_of_the_process_kills_nobody),
		TEST(test_rule_of_a_profile_is_faster),
		TEST(test_rules_have_an_end),
		TEST(test_sync_drops_who_is_gone),
		TEST(test_time_of_the_future_does_not_hide_death),
		TEST(test_ten_thousand_peers),
		TEST(test_old_signs_of_life_change_nothing),
		TEST(test_a_late_sign_does_not_end_the_probes),
		TEST(test_a_pause_asks_nothing_and_then_all_begin_anew),
		TEST(test_who_is_dead_stays_dead),
		TEST(test_a_pause_ends_a_poll),
		TEST(test_a_rule_again),
		TEST(test_a_poll_that_is_lost_is_asked_again),
		TEST(test_many_peers_are_not_asked_at_once),
		TEST(test_many_peers_are_polled_less_often),
		TEST(test_the_shortest_interval_makes_no_flood),
		TEST(test_who_is_due_later_is_not_judged_by_old_counters),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("dpd_watch", tests, NULL, NULL);
}
