#include "ike_member.h"

/* The agent does not give an identity: who is told. */

/* The agent refuses the identity of this name; whether that was noted. */
static bool
noted(struct sim_node *n, const char *name)
{
	struct reason why = { .code = "" };
	struct ike_cred *k;
	unsigned before = n->notes;

	LL_FOREACH(n->g->creds, k)
		if (strcmp(k->name, name) == 0)
			break;
	assert_non_null(k);
	ike_cred_ask(n->g, k);
	n->n_answer = 0;		/* the simulator's own answer */
	reason_set(&why, "agent", "not-found", "no such identity");
	ike_cred_answer(n->g, name, k->ticket, NULL, &why);
	return n->notes > before;
}

static void
drop_profile(struct sim_node *n, const char *name)
{
	struct ike_profile_delete m = { .profile = "" };
	struct reason why;

	snprintf(m.profile, sizeof(m.profile), "%s", name);
	assert_int_equal(ike_engine_profile_delete(n->g, n->sim->now,
	    SIM_WALL, &m, &why), 0);
}

/* Only what a profile still wants is worth a word. */
static void
a_lost_identity_is_told_while_it_is_wanted(void **state)
{
	struct sim *s = member_up(401);
	struct sim_node *n = &s->n[0];
	struct ike_profile_set other = sim_profile("q");

	(void)state;
	snprintf(other.identity, sizeof(other.identity), "psk");
	sim_set(n, &other);
	assert_true(noted(n, "me"));
	assert_true(noted(n, "psk"));
	drop_profile(n, "q");
	assert_false(noted(n, "psk"));	/* the other one stays wanted */
	assert_true(noted(n, "me"));
	drop_profile(n, "p");		/* its IKE SA is on its way out */
	assert_non_null(n->g->profiles);
	assert_false(noted(n, "me"));
	sim_free(s);
}

#define CASE(name, fn) { name, fn, NULL, NULL, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("an identity that is lost is told while it is wanted",
		    a_lost_identity_is_told_while_it_is_wanted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
