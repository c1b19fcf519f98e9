#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys_help.h"

static struct loop *loop;
static char letters[] = "abcdefghijklmnopqrstuvwxyz";
#define L(c) (&letters[(c) - 'a'])
static char order[16];
static size_t n_order;
static struct timer a, b, c;
static struct watch w;

static int
setup(void **state)
{
	(void)state;
	loop = loop_new(NULL);
	memset(order, 0, sizeof(order));
	n_order = 0;
	return loop == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	timer_stop(&a);
	timer_stop(&b);
	timer_stop(&c);
	watch_stop(&w);
	loop_free(loop);
	return 0;
}

static void
note(void *arg)
{
	if (n_order < sizeof(order) - 1)
		order[n_order++] = *(const char *)arg;
}

static bool
a_fired(void *arg)
{
	(void)arg;
	return strchr(order, 'a') != NULL;
}

static void
timers_fire_in_order_and_only_once(void **state)
{
	uint64_t now = clock_ms();

	(void)state;
	assert_int_equal(timer_at(loop, &a, now + 60, note, L('a'), NULL), 0);
	assert_int_equal(timer_at(loop, &b, now + 30, note, L('b'), NULL), 0);
	assert_int_equal(timer_at(loop, &c, now - 5, note, L('c'), NULL), 0);
	assert_int_equal(a.at, now + 60);
	assert_true(spin(loop, a_fired, NULL, 15000));
	spin(loop, NULL, NULL, 20);
	assert_string_equal(order, "cba");
	assert_int_equal(a.at, 0);
}

static void
a_timer_can_be_moved_and_stopped(void **state)
{
	uint64_t now = clock_ms();

	(void)state;
	assert_int_equal(timer_at(loop, &a, now + 10, note, L('x'), NULL), 0);
	assert_int_equal(timer_at(loop, &a, now + 60, note, L('a'), NULL), 0);
	assert_int_equal(timer_at(loop, &b, now + 20, note, L('b'), NULL), 0);
	assert_int_equal(timer_at(loop, &c, now + 20, note, L('c'), NULL), 0);
	timer_stop(&c);
	timer_stop(&c);
	assert_true(spin(loop, a_fired, NULL, 15000));
	spin(loop, NULL, NULL, 20);
	assert_string_equal(order, "ba");
}

static void
note_and_stop_b(void *arg)
{
	note(arg);
	timer_stop(&b);
}

static void
a_timer_may_stop_another_that_is_due(void **state)
{
	uint64_t now = clock_ms();

	(void)state;
	assert_int_equal(timer_at(loop, &a, now + 5, note_and_stop_b, L('a'),
	    NULL), 0);
	assert_int_equal(timer_at(loop, &b, now + 6, note, L('b'), NULL), 0);
	while (clock_ms() < now + 10)	/* both are due in the same turn */
		continue;
	assert_true(spin(loop, a_fired, NULL, 15000));
	spin(loop, NULL, NULL, 20);
	assert_string_equal(order, "a");
}

/* Never before its time, even if the turn began long ago. */
static void
busy(void *arg)
{
	uint64_t until = clock_ms() + 30;

	note(arg);
	while (clock_ms() < until)
		continue;
	(void)timer_at(loop, &b, clock_ms() + 25, note, L('b'), NULL);
	(void)timer_at(loop, &c, clock_ms() + 15, note, L('c'), NULL);
}

static bool
b_fired(void *arg)
{
	(void)arg;
	return strchr(order, 'b') != NULL;
}

static void
timers_set_in_a_long_turn_are_not_early(void **state)
{
	uint64_t start = clock_ms();

	(void)state;
	assert_int_equal(timer_at(loop, &a, start, busy, L('a'), NULL), 0);
	assert_true(spin(loop, b_fired, NULL, 15000));
	assert_true(clock_ms() - start >= 55);
	assert_string_equal(order, "acb");
}

static bool
said_one(void *arg)
{
	(void)arg;
	return n_order > 0;
}

static bool
said_three(void *arg)
{
	(void)arg;
	return n_order >= 3;
}

static bool
said_more(void *arg)
{
	(void)arg;
	return n_order > 3;
}

static int pipe_fds[2];

static void
read_one(void *arg)
{
	char x;

	assert_int_equal(read(pipe_fds[0], &x, 1), 1);
	note(arg);
}

static void
a_watch_is_level_triggered_until_it_stops(void **state)
{
	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(watch_read(loop, &w, pipe_fds[0], read_one, L('r'),
	    NULL), 0);
	assert_int_equal(write(pipe_fds[1], "123", 3), 3);
	assert_true(spin(loop, said_three, NULL, 15000));
	assert_string_equal(order, "rrr");
	watch_stop(&w);
	assert_int_equal(write(pipe_fds[1], "4", 1), 1);
	spin(loop, NULL, NULL, 30);
	assert_string_equal(order, "rrr");
	assert_int_equal(watch_write(loop, &w, pipe_fds[1], note, L('w'), NULL),
	    0);
	assert_true(spin(loop, said_more, NULL, 15000));
	assert_int_equal(order[3], 'w');
	watch_stop(&w);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void
signals_come_through_the_loop(void **state)
{
	(void)state;
	assert_int_equal(loop_signal(loop, SIGUSR1, note, L('s'), NULL), 0);
	raise(SIGUSR1);
	assert_int_equal(n_order, 0);
	assert_true(spin(loop, said_one, NULL, 15000));
	assert_string_equal(order, "s");
	raise(SIGPIPE);		/* ignored since loop_new */
}

static void
stop_now(void *arg)
{
	assert_int_equal(loop_now(loop), loop_now(loop));
	assert_true(clock_ms() - loop_now(loop) < 10000);
	loop_stop((struct loop *)arg);
}

static void
it_stops_when_told_even_before_it_runs(void **state)
{
	(void)state;
	loop_stop(loop);
	assert_int_equal(loop_run(loop, NULL), 0);
	assert_int_equal(timer_at(loop, &a, clock_ms() + 5, stop_now, loop,
	    NULL), 0);
	assert_int_equal(loop_run(loop, NULL), 0);
}

static struct after last;
static unsigned said[4], n_said;

static void
at_the_end(void *arg)
{
	said[n_said++] = 9;
	if (arg != NULL)
		loop_stop((struct loop *)arg);
}

static void
on_due(void *arg)
{
	said[n_said++] = *(unsigned *)arg;
	after_turn(loop, &last, at_the_end, loop);
	after_turn(loop, &last, at_the_end, NULL);	/* as it was */
}

static void
what_is_for_the_end_of_a_turn_comes_after_all_of_it(void **state)
{
	unsigned one = 1, two = 2;
	uint64_t at = clock_ms();

	(void)state;
	n_said = 0;
	after_turn(loop, &last, at_the_end, NULL);
	after_stop(&last);
	after_stop(&last);
	assert_int_equal(timer_at(loop, &a, at, on_due, &one, NULL), 0);
	assert_int_equal(timer_at(loop, &b, at, on_due, &two, NULL), 0);
	while (clock_ms() < at + 3)
		;
	assert_int_equal(loop_run(loop, NULL), 0);
	assert_int_equal(n_said, 3);
	assert_int_equal(said[0] + said[1], 3);
	assert_int_equal(said[2], 9);
	/* outside of a turn: before the next */
	n_said = 0;
	after_turn(loop, &last, at_the_end, loop);
	assert_int_equal(n_said, 0);
	assert_int_equal(loop_run(loop, NULL), 0);
	assert_int_equal(n_said, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(timers_fire_in_order_and_only_once),
		CASE(a_timer_can_be_moved_and_stopped),
		CASE(a_timer_may_stop_another_that_is_due),
		CASE(timers_set_in_a_long_turn_are_not_early),
		CASE(a_watch_is_level_triggered_until_it_stops),
		CASE(signals_come_through_the_loop),
		CASE(it_stops_when_told_even_before_it_runs),
		CASE(what_is_for_the_end_of_a_turn_comes_after_all_of_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
