/* The engine with the n-th allocation failing, for every n: it goes on with
 * what it has, and leaks nothing. */
#include "nhrp_sim.h"
#include "nhrp_sim_body.h"

#include "alloc_wrap.h"
#include "dmvpn-nhrp/nhrp_state.h"

/* What the simulator allocates itself must not fail. */
static void
call_outside(void *arg, uint64_t ticket, const struct msg_type *t,
    const void *m)
{
	bool was = inside;

	inside = false;
	op_call(arg, ticket, t, m);
	inside = was;
}

static void
deliver_inside(struct sim *s)
{
	struct sim_item *i = s->head;

	s->head = i->next;
	if (s->head == NULL)
		s->tail = &s->head;
	inside = true;
	if (i->ticket > 0)
		nhrp_engine_answer(i->site->g, s->now, i->ticket, i->body,
		    NULL);
	else
		nhrp_engine_event(i->site->g, s->now, i->type, i->body);
	inside = false;
	item_free(i);
}

static void
turn(struct sim *s, unsigned ms)
{
	size_t i;

	while (ms-- > 0) {
		s->now++;
		while (s->head != NULL && s->head->at <= s->now)
			deliver_inside(s);
		inside = true;
		for (i = 0; i < s->n; i++)
			nhrp_engine_wake(s->sites[i].g, s->now);
		inside = false;
	}
}

static struct sim *
world(void)
{
	struct sim *s = sim_new(2);
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct nhrp_ops ops = { &s->sites[i], op_random,
		    call_outside, op_event, op_wanted, op_resolved };

		nhrp_engine_free(s->sites[i].g);
		s->sites[i].g = nhrp_engine_new(&ops, s->now, NULL);
		s->sites[i].conf.routes = i == 0;
	}
	return s;
}

/* Who is without blocks may claim what nobody else has. */
static void
assert_blocks(const struct sim_site *x)
{
	const struct nhrp_node *n;

	DL_FOREACH(x->g->all, n)
		assert_true(!n->known || n->n_blocks > 0);
}

static void
test_each(void **state)
{
	long n;

	(void)state;
	for (n = 0, failed = true; failed && n < 2000; n++) {
		struct sim *s = world();
		size_t i;

		failed = false;
		fail_at = n;
		for (i = 0; i < s->n; i++) {
			inside = true;
			(void)nhrp_engine_set(s->sites[i].g, s->now,
			    &s->sites[i].conf, NULL);
			inside = false;
			if (i > 0)
				sim_link(&s->sites[i], &s->sites[0], "hub",
				    "dpd");
		}
		turn(s, 100);
		sim_hairpin(&s->sites[1], &s->sites[2]);
		turn(s, 100);
		for (i = 0; i < s->n; i++)
			assert_blocks(&s->sites[i]);
		sim_unlink(&s->sites[1], &s->sites[2]);
		turn(s, 20);
		inside = true;
		(void)nhrp_engine_delete(s->sites[2].g, s->now, "dmvpn0",
		    NULL);
		inside = false;
		turn(s, 20);
		fail_at = -1;
		sim_free(s);
	}
	print_message("# %ld allocations, each failed once\n", n - 1);
	assert_true(n > 20);
	assert_false(failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "OPS-11 every allocation may fail", test_each, NULL, NULL,
		    NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
