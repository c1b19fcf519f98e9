/* Random octets in small pieces: none is given out twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sys/pool.h"

#define PIECES	4096

static int
by_octets(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

/* Pieces of eight: two alike among so many are a fault, not chance. */
static void
test_no_piece_comes_twice(void **state)
{
	static uint8_t all[PIECES][8];
	static const uint8_t zeros[8];
	struct pool p = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < PIECES; i++)
		assert_int_equal(pool_take(&p, all[i], 8, NULL), 0);
	qsort(all, PIECES, sizeof(all[0]), by_octets);
	for (i = 0; i < PIECES; i++) {
		assert_true(memcmp(all[i], zeros, 8) != 0);
		assert_true(i == 0 || memcmp(all[i - 1], all[i], 8) != 0);
	}
}

/* What is left too short is not filled up with what was wiped. */
static void
test_pieces_of_all_lengths(void **state)
{
	static uint8_t piece[2 * POOL_OCTETS];
	struct pool p = { 0 };
	size_t len, i, run;

	(void)state;
	for (len = 0; len <= sizeof(piece); len += len < 70 ? 1 : 61) {
		memset(piece, 0, sizeof(piece));
		assert_int_equal(pool_take(&p, piece, len, NULL), 0);
		for (i = 0, run = 0; i < len; i++) {
			run = piece[i] == 0 ? run + 1 : 0;
			assert_true(run < 6);
		}
	}
	memset(piece, 0, sizeof(piece));
	assert_int_equal(pool_take(&p, piece, POOL_OCTETS, NULL), 0);
	assert_int_equal(p.left, 0);
}

static void
test_what_was_given_out_is_wiped(void **state)
{
	struct pool p = { 0 };
	uint8_t piece[32];
	size_t i, n;

	(void)state;
	for (n = 1; n <= POOL_OCTETS / sizeof(piece); n++) {
		assert_int_equal(pool_take(&p, piece, sizeof(piece), NULL), 0);
		assert_int_equal(p.left, POOL_OCTETS - n * sizeof(piece));
		for (i = 0; i < n * sizeof(piece); i++)
			assert_int_equal(p.octets[i], 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_piece_comes_twice),
		cmocka_unit_test(test_pieces_of_all_lengths),
		cmocka_unit_test(test_what_was_given_out_is_wiped),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
