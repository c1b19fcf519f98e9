/* How long dmvpn-dpd waits: growing pauses, their chance, names. */
#include "dpd_world.h"

#include "dmvpn-dpd/dpd_headend.h"

/* The only headend fails at once; ms until it is tried again. */
static uint64_t
pause_after_failure(struct world *o)
{
	uint64_t from = o->now;

	failed(o, "a", "192.0.2.1");
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_FAILED);
	for (;;) {
		pass(o, 1);
		if (strstr(o->log, "connect a") != NULL)
			return o->now - from;
		assert_true(o->now - from < 200000);
	}
}

static void
one_headend(struct world *o)
{
	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", NULL);
	pass(o, 0);
}

static void
test_pauses_double_up_to_a_minute(void **state)
{
	struct world *o = (struct world *)*state;
	uint64_t want = DPD_RETRY_MIN;

	one_headend(o);
	for (int i = 0; i < 9; i++) {
		assert_int_equal(pause_after_failure(o), want);
		want = want * 2 > DPD_RETRY_MAX ? DPD_RETRY_MAX : want * 2;
	}
	assert_int_equal(want, 60000);
}

static void
test_pauses_are_up_to_a_quarter_longer(void **state)
{
	struct world *o = (struct world *)*state;

	one_headend(o);
	o->dice = DPD_RETRY_MIN / 4;
	assert_int_equal(pause_after_failure(o), 1250);
	o->dice = 501;			/* 0..500 are possible */
	assert_int_equal(pause_after_failure(o), 2000);
	o->dice = 4711;
	assert_int_equal(pause_after_failure(o), 4000 + 4711 % 1001);
}

/* Ten seconds up, and its pauses begin anew; less, and they go on. */
static void
test_who_was_well_is_tried_soon(void **state)
{
	struct world *o = (struct world *)*state;
	static const struct { uint64_t up; uint64_t pause; } rows[] = {
		{ DPD_WELL - 1, 8000 }, { DPD_WELL, 1000 },
	};

	for (size_t i = 0; i < 2; i++) {
		one_headend(o);
		for (int n = 0; n < 3; n++)
			(void)pause_after_failure(o);
		up(o, "a", "p", 1);
		pass(o, rows[i].up);
		down(o, "a", 1);
		pass(o, rows[i].pause - 1);
		assert_null(strstr(o->log, "connect a"));
		pass(o, 1);
		assert_non_null(strstr(o->log, "connect a"));
		assert_int_equal(dpd_choice_delete(o->c, "t0", NULL), 0);
	}
}

/* How long a connection is waited for; it doubles too, up to 30 s. */
static uint64_t
patience(struct world *o)
{
	uint64_t from = o->now;

	while (status(o, 0).state == DPD_HEADEND_STATE_CONNECTING)
		pass(o, 1);
	from = o->now - from;
	while (status(o, 0).state != DPD_HEADEND_STATE_CONNECTING)
		pass(o, 1);
	return from;
}

static void
test_patience_grows_and_ends_with_calm(void **state)
{
	struct world *o = (struct world *)*state;

	one_headend(o);
	assert_int_equal(patience(o), 6000);
	assert_int_equal(patience(o), 12000);
	assert_int_equal(patience(o), 24000);
	assert_int_equal(patience(o), 30000);
	up(o, "a", "p", 1);
	pass(o, DPD_WELL);
	down(o, "a", 1);
	pass(o, DPD_RETRY_MIN);
	/* the loss itself doubled it once */
	assert_int_equal(patience(o), 12000);
}

/* The time for which the first must be well has its chance too: spokes do not
 * all come back at once. */
static void
test_the_way_back_is_spread(void **state)
{
	struct world *o = (struct world *)*state;

	set(o, DPD_POLICY_FIRST, "", "192.0.2.1", "192.0.2.2");
	pass(o, 0);
	failed(o, "a", "192.0.2.1");
	up(o, "b", "p", 2);
	pass(o, 5000);
	o->dice = 12345;
	up(o, "a", "p", 3);
	pass(o, DPD_FAILBACK + 12345 - 1);
	assert_string_equal(o->log, "");
	pass(o, 1);
	assert_non_null(strstr(o->log, "chosen 192.0.2.1;"));
}

/* ---- names */

static void
named(struct world *o)
{
	set(o, DPD_POLICY_FIRST, "", "hub.example", NULL);
	pass(o, 0);
	assert_string_equal(o->log, "resolve hub.example 500;");
}

/* ms until the name is asked for again. */
static uint64_t
asked_after(struct world *o)
{
	uint64_t from = o->now;

	do {
		pass(o, 100);
		assert_true(o->now - from < 200000000);
	} while (strstr(o->log, "resolve ") == NULL);
	return o->now - from;
}

static void
test_lifetimes_of_names_have_bounds(void **state)
{
	struct world *o = (struct world *)*state;

	named(o);
	resolved(o, "192.0.2.1", NULL, 0);
	up(o, "a", "p", 1);
	assert_int_equal(asked_after(o), 5000);
	resolved(o, "192.0.2.1", NULL, 300);
	assert_int_equal(asked_after(o), 300000);
	resolved(o, "192.0.2.1", NULL, 4000000);
	assert_int_equal(asked_after(o), 86400000);
}

static void
test_a_name_that_failed_is_asked_again(void **state)
{
	struct world *o = (struct world *)*state;
	struct reason r;

	named(o);
	resolved(o, "192.0.2.1", NULL, 60);
	up(o, "a", "p", 1);
	assert_int_equal(asked_after(o), 60000);
	dpd_choice_unresolved(o->c, o->ticket, reason_set(&r, "resolve",
	    "timeout", "nobody answers"), o->now);
	assert_int_equal(asked_after(o), DPD_RESOLVE_AGAIN);
}

/* All 64 addresses of a name are tried in turn, the 65th is not. */
static void
test_addresses_of_a_name(void **state)
{
	struct world *o = (struct world *)*state;
	struct endpoint found[DPD_ADDRESSES_MAX + 1];
	char last[32];
	size_t i;

	for (i = 0; i <= DPD_ADDRESSES_MAX; i++)
		found[i] = (struct endpoint){ .port = 500,
		    .addr = addr_of((uint8_t[]){ 10, 0, 0, (uint8_t)i }, 4) };
	named(o);
	dpd_choice_resolved(o->c, o->ticket, found, i, 86400, o->now);
	for (i = 0; i < DPD_ADDRESSES_MAX; i++) {
		snprintf(last, sizeof(last), "10.0.0.%zu", i);
		assert_int_equal(status(o, 0).state,
		    DPD_HEADEND_STATE_CONNECTING);
		failed(o, "a", last);
	}
	assert_int_equal(status(o, 0).state, DPD_HEADEND_STATE_FAILED);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pauses_double_up_to_a_minute),
		TEST(test_pauses_are_up_to_a_quarter_longer),
		TEST(test_who_was_well_is_tried_soon),
		TEST(test_patience_grows_and_ends_with_calm),
		TEST(test_the_way_back_is_spread),
		TEST(test_lifetimes_of_names_have_bounds),
		TEST(test_a_name_that_failed_is_asked_again),
		TEST(test_addresses_of_a_name),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
