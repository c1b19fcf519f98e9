#include "ike_member.h"

/*
 * Which of two goes (RFC 7296, 2.8.1 and 2.8.2): the one whose exchange has
 * the lowest of the four nonces.  Two of our own would agree on the other one
 * as well; with a foreign peer they would not.
 */
struct seen {			/* an exchange, as node 0 sees it */
	uint8_t	 nonce[2][32];	/* request, answer */
	uint8_t	 spi[2][8];	/* of the new SA, by request and answer */
	bool	 known[2];
};
static struct seen seen[2];	/* begun by node 0, by node 1 */
static uint8_t exchange;	/* that is looked at */

static void
see_payloads(struct seen *x, bool answer, struct ike_walk w)
{
	struct ike_payload p;
	struct rbuf in;
	uint8_t len;

	while (ike_walk_next(&w, &p, NULL) == 1) {
		in = p.body;
		if (p.type == IKE_P_NONCE) {
			rbuf_copy(&in, x->nonce[answer], 32);
			x->known[answer] = true;
		}
		if (p.type != IKE_P_SA)
			continue;
		rbuf_skip(&in, 6);
		len = rbuf_u8(&in);
		rbuf_skip(&in, 1);
		assert_true(len <= 8);
		rbuf_copy(&in, x->spi[answer], len);
	}
}

static void
see_event(void *arg, const struct msg_type *t, const void *m)
{
	const struct ike_packet *p = m;
	struct rbuf in, clear;
	struct ike_header h;
	bool ours, answer;
	uint8_t first;

	sim_event(arg, t, m);
	if (t != &ike_packet_type)
		return;
	in = p->data;
	if (ike_header_parse(&in, &h, NULL) < 0 || h.exchange != exchange)
		return;
	answer = h.flags & IKE_FLAG_RESPONSE;
	ours = (p->direction == DIRECTION_OUT) != answer;
	clear = exchange == IKE_SA_INIT ? in : p->clear;
	first = exchange == IKE_SA_INIT ? h.next : rbuf_u8(&clear);
	see_payloads(&seen[!ours], answer, ike_walk_of(first, clear));
	if (exchange == IKE_SA_INIT)
		memcpy(seen[!ours].spi[0], p->data.p, 8);
}

static struct sim *
watched(uint64_t seed)
{
	struct sim *s = sim_new(2, seed, NULL);
	struct ike_ops ops = { .arg = &s->n[0], .random = sim_random,
	    .local_for = sim_local_for, .send = sim_send, .call = sim_call,
	    .event = see_event, .wanted = sim_wanted, .probed = sim_probed,
	    .note = sim_note };

	memset(seen, 0, sizeof(seen));
	exchange = 0;
	ike_engine_free(s->n[0].g);
	s->n[0].g = ike_engine_new(&ops, NULL, s->now, NULL);
	assert_non_null(s->n[0].g);
	ike_engine_gre_up(s->n[0].g, s->now, SIM_WALL);
	sim_profiles(s);
	return s;
}

/* The exchange that stays: not that with the lowest nonce. */
static const struct seen *
stays(void)
{
	const uint8_t *lowest[2];
	int i;

	for (i = 0; i < 2; i++) {
		assert_true(seen[i].known[0] && seen[i].known[1]);
		lowest[i] = memcmp(seen[i].nonce[0], seen[i].nonce[1],
		    32) < 0 ? seen[i].nonce[0] : seen[i].nonce[1];
	}
	return memcmp(lowest[0], lowest[1], 32) < 0 ? &seen[1] : &seen[0];
}

static uint64_t
be(const uint8_t *b, size_t len)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < len; i++)
		v = v << 8 | b[i];
	return v;
}

static void
of_two_ike_sas_begun_at_once_the_one_with_the_lowest_nonce_goes(
    void **state)
{
	struct ike_sas page;
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 8; seed++) {
		struct sim *s = watched(seed);

		exchange = IKE_SA_INIT;
		sim_connect(s, 0, 1);
		sim_connect(s, 1, 0);
		sim_run(s, 20000);
		sim_one_sa(s);
		ike_engine_sas(s->n[0].g, s->now, 0, &page);
		assert_true(page.items[0].spi_i == be(stays()->spi[0], 8));
		sim_free(s);
	}
}

/* Node 0 takes node 1 for another's product, whose kernel may have mixed up the
 * two: ours is the one that goes, and the other one's child is made anew. */
static void
after_a_crossing_with_a_foreign_peer_the_child_is_rekeyed(void **state)
{
	unsigned met = 0;
	struct ike_isa *i;
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 8; seed++) {
		struct sim *s = watched(seed);

		exchange = IKE_SA_INIT;
		sim_connect(s, 0, 1);
		sim_connect(s, 1, 0);
		sim_run(s, 12);
		DL_FOREACH(s->n[0].g->isas, i)
			i->own_kind = false;
		sim_run(s, 800);
		if (stays() == &seen[1]) {	/* node 1 thinks so too */
			assert_int_equal(s->n[0].rekeyed, 0);
			sim_run(s, 2000);
			assert_int_equal(s->n[0].rekeyed, 1);
			sim_run(s, 20000);
			sim_one_sa(s);
			assert_int_equal(s->n[0].rekeyed, 1);
			met++;
		}
		sim_free(s);
	}
	assert_true(met > 1);
}

static void
of_two_rekeys_of_an_ike_sa_the_one_with_the_lowest_nonce_goes(void **state)
{
	struct ike_sas page;
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 8; seed++) {
		struct sim *s = watched(seed);

		sim_connect(s, 0, 1);
		sim_run(s, 1000);
		exchange = IKE_CREATE_CHILD_SA;
		sim_rekey(s, 0, false);
		sim_rekey(s, 1, false);
		sim_run(s, 20000);
		sim_one_sa(s);
		ike_engine_sas(s->n[0].g, s->now, 0, &page);
		assert_true(page.items[0].spi_i == be(stays()->spi[0], 8));
		sim_free(s);
	}
}

static void
of_two_rekeys_of_a_child_the_one_with_the_lowest_nonce_goes(void **state)
{
	const struct seen *x;
	uint64_t seed;
	size_t i;

	(void)state;
	for (seed = 1; seed <= 8; seed++) {
		struct sim *s = watched(seed);

		sim_connect(s, 0, 1);
		sim_run(s, 1000);
		exchange = IKE_CREATE_CHILD_SA;
		sim_rekey(s, 0, true);
		sim_rekey(s, 1, true);
		sim_run(s, 20000);
		sim_one_sa(s);
		x = stays();
		for (i = 0; s->n[0].sa[i].gone; i++)
			;
		/* node 0's inbound is in its own message */
		assert_true(s->n[0].sa[i].spi_in == be(x->spi[x ==
		    &seen[1]], 4));
		sim_free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
	    of_two_ike_sas_begun_at_once_the_one_with_the_lowest_nonce_goes),
		cmocka_unit_test(
		    after_a_crossing_with_a_foreign_peer_the_child_is_rekeyed),
		cmocka_unit_test(
	    of_two_rekeys_of_an_ike_sa_the_one_with_the_lowest_nonce_goes),
		cmocka_unit_test(
		    of_two_rekeys_of_a_child_the_one_with_the_lowest_nonce_goes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
