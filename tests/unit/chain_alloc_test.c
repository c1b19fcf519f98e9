#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "alloc_wrap.h"
#include "base/chain.h"

#define THINGS	1000

struct thing {
	uint32_t	key;
	struct chain	chain;
};

static uint32_t
hash(const struct chain *c)
{
	const struct thing *t = chain_entry(c, struct thing, chain);

	return chain_hash(&t->key, sizeof(t->key));
}

static struct thing *
find(const struct chains *t, uint32_t key)
{
	struct chain *c;

	for (c = chains_at(t, chain_hash(&key, sizeof(key))); c != NULL;
	    c = c->next)
		if (chain_entry(c, struct thing, chain)->key == key)
			return chain_entry(c, struct thing, chain);
	return NULL;
}

static size_t
longest(const struct chains *t)
{
	size_t i, n, most = 0;
	struct chain *c;

	for (i = 0; i < t->slots; i++) {
		for (n = 0, c = t->slot[i]; c != NULL; c = c->next)
			n++;
		most = n > most ? n : most;
	}
	return most;
}

static void
add_all(struct chains *t, struct thing *v)
{
	uint32_t i;

	for (i = 0; i < THINGS; i++) {
		v[i].key = i * 65536;
		chains_add(t, &v[i].chain);
	}
}

static void
test_each_is_found_until_it_is_taken_out(void **state)
{
	static struct thing v[THINGS], other = { .key = 7 };
	struct chains t;
	uint32_t i;

	(void)state;
	chains_init(&t, hash);
	assert_null(find(&t, 0));
	add_all(&t, v);
	assert_int_equal(t.n, THINGS);
	for (i = 0; i < THINGS; i++)
		assert_ptr_equal(find(&t, i * 65536), &v[i]);
	assert_null(find(&t, 1));
	chains_remove(&t, &other.chain);	/* never in it */
	for (i = 0; i < THINGS; i += 2)
		chains_remove(&t, &v[i].chain);
	assert_int_equal(t.n, THINGS / 2);
	for (i = 0; i < THINGS; i++)
		assert_ptr_equal(find(&t, i * 65536), i % 2 == 0 ? NULL :
		    &v[i]);
	chains_fini(&t);
	assert_int_equal(t.n, 0);
}

static void
test_chains_stay_short_and_the_table_small(void **state)
{
	static struct thing v[THINGS];
	struct chains t;

	(void)state;
	chains_init(&t, hash);
	add_all(&t, v);
	assert_in_range(t.slots, THINGS / 2, THINGS);
	assert_in_range(longest(&t), 1, 12);
	chains_fini(&t);
}

static void
test_without_memory_chains_are_longer(void **state)
{
	static struct thing v[THINGS];
	struct chains t;
	uint32_t i;

	(void)state;
	chains_init(&t, hash);
	for (i = 0; i < THINGS; i++) {
		v[i].key = i * 65536;
		fail_at = i < THINGS / 2 ? 0 : -1;
		chains_add(&t, &v[i].chain);
		assert_int_equal(t.slots == 0, i < THINGS / 2);
	}
	fail_at = -1;
	assert_true(failed);
	for (i = 0; i < THINGS; i++)
		assert_ptr_equal(find(&t, i * 65536), &v[i]);
	chains_remove(&t, &v[500].chain);
	assert_null(find(&t, v[500].key));
	chains_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_found_until_it_is_taken_out),
		cmocka_unit_test(test_chains_stay_short_and_the_table_small),
		cmocka_unit_test(test_without_memory_chains_are_longer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
