/* The order in which hosts of a service are tried (RFC 2782). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dmvpn-dpd/dpd_service.h"

#define ROUNDS	4000

static uint32_t
next(void *arg)
{
	uint32_t *seed = arg;

	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static struct dpd_service
host(const char *name, uint16_t priority, uint16_t weight)
{
	struct dpd_service s = { .port = 500, .priority = priority,
	    .weight = weight };

	snprintf(s.host, sizeof(s.host), "%s", name);
	return s;
}

/* How often each host 'a', 'b', ... comes at this place. */
static void
often(const struct dpd_service *from, size_t n, size_t place, unsigned *count)
{
	struct dpd_service v[8];
	uint32_t seed = 7;
	size_t i, k;

	for (i = 0; i < ROUNDS; i++) {
		for (k = 0; k < n; k++)
			v[k] = from[k];
		dpd_service_order(v, n, next, &seed);
		count[v[place].host[0] - 'a']++;
	}
}

static void
assert_about(unsigned is, unsigned wanted)
{
	assert_in_range(is, wanted - 130, wanted + 130);
}

static void
test_priorities_come_in_order(void **state)
{
	const struct dpd_service v[] = { host("a", 20, 60000),
	    host("b", 10, 0), host("c", 30, 1), host("d", 10, 1) };
	unsigned third[4] = { 0 }, last[4] = { 0 };

	(void)state;
	often(v, 4, 2, third);
	often(v, 4, 3, last);
	assert_int_equal(third[0], ROUNDS);
	assert_int_equal(last[2], ROUNDS);
}

static void
test_weights_are_shares(void **state)
{
	const struct dpd_service v[] = { host("a", 1, 100), host("b", 1, 300),
	    host("c", 1, 400), host("d", 2, 65535) };
	unsigned first[4] = { 0 }, second[4] = { 0 };

	(void)state;
	often(v, 4, 0, first);
	assert_about(first[0], ROUNDS / 8);
	assert_about(first[1], ROUNDS * 3 / 8);
	assert_about(first[2], ROUNDS / 2);
	/* 1/8 after b: 1/5, after c: 1/4; and so on */
	often(v, 4, 1, second);
	assert_about(second[0], ROUNDS * 3 / 8 / 5 + ROUNDS / 2 / 4);
	assert_int_equal(second[3], 0);
}

/* "SHOULD have a very small chance of being selected" */
static void
test_no_weight_is_a_small_chance(void **state)
{
	const struct dpd_service v[] = { host("a", 1, 99), host("b", 1, 0) };
	unsigned first[2] = { 0 };

	(void)state;
	often(v, 2, 0, first);
	assert_in_range(first[1], 1, ROUNDS / 50);
}

static void
test_all_without_weight(void **state)
{
	struct dpd_service v[] = { host("a", 1, 0), host("b", 1, 0) };
	uint32_t seed = 1;

	(void)state;
	dpd_service_order(v, 2, next, &seed);
	assert_true(v[0].host[0] != v[1].host[0]);
	dpd_service_order(v, 1, next, &seed);
	dpd_service_order(v, 0, next, &seed);
}

#define TEST(name, fn) { name, fn, NULL, NULL, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("priorities come in their order",
		    test_priorities_come_in_order),
		TEST("weights are shares of who is the first",
		    test_weights_are_shares),
		TEST("without weight the chance is small",
		    test_no_weight_is_a_small_chance),
		TEST("none has a weight, or there is one, or none",
		    test_all_without_weight),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
