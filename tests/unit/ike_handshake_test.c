#include "ike_sim.h"

static void
two_engines_agree_on_keys_with_psk(void **state)
{
	struct sim *s = sim_new(2, 1, NULL);

	(void)state;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(s->n[0].ups, 1);
	assert_int_equal(s->n[1].ups, 1);
	assert_string_equal(s->n[0].up.identity, "b.example.org");
	assert_string_equal(s->n[1].up.identity, "a.example.org");
	assert_string_equal(s->n[0].up.connection, "to-1");
	assert_int_equal(s->n[0].up.peer, 1);
	assert_true(s->n[0].up.psk);
	assert_false(s->n[0].up.nat_local || s->n[0].up.nat_remote);
	sim_one_sa(s);
	/* 4 messages, and not one more in ten quiet minutes */
	assert_int_equal(s->n[0].sent + s->n[1].sent, 4);
	sim_run(s, 600000);
	assert_int_equal(s->n[0].sent + s->n[1].sent, 4);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_engines_agree_on_keys_with_psk),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
