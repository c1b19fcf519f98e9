#include "ike_member.h"

/* A side whose own address changes while its IKE SA is up (RFC 4555). */

static const uint8_t elsewhere[] = { 203, 0, 113, 7 };

static struct ike_isa *
isa(const struct sim *s, int node)
{
	return s->n[node].g->isas;
}

/* What was replaced may still wait to be closed. */
static struct ike_isa *
current(const struct sim *s, int node)
{
	struct ike_isa *t;

	DL_SEARCH_SCALAR(s->n[node].g->isas, t, phase, IKE_UP);
	return t;
}

static struct addr
far(void)
{
	return addr_of(elsewhere, 4);
}

static bool
sees(const struct sim *s, int node, const struct addr *a)
{
	return isa(s, node) != NULL &&
	    addr_equal(&isa(s, node)->remote.addr, a);
}

static void
who_moves_is_followed(void **state)
{
	struct sim *s = member_up(301);
	uint64_t spi = isa(s, 0)->spi_i;
	struct addr there = far(), home = s->n[0].addr;

	(void)state;
	s->n[0].addr = there;
	sim_run(s, 1100);
	assert_true(sees(s, 1, &there));
	assert_true(addr_equal(&s->n[1].last_set.remote.addr, &there));
	assert_true(addr_equal(&s->n[0].last_set.local.addr, &there));
	assert_false(isa(s, 0)->nat_local || isa(s, 1)->nat_remote);
	assert_true(isa(s, 0)->own_kind && isa(s, 1)->own_kind);
	/* And back again. */
	s->n[0].addr = home;
	sim_run(s, 1100);
	assert_true(sees(s, 1, &home));
	assert_int_equal(isa(s, 0)->spi_i, spi);
	/* It is said again, so that NHRP tells others. */
	assert_int_equal(s->n[0].ups, 3);
	assert_int_equal(s->n[1].ups, 3);
	assert_true(addr_equal(&s->n[1].up.remote.addr, &home));
	assert_int_equal(s->n[0].downs + s->n[1].downs, 0);
	sim_free(s);
}

static void
a_move_behind_a_nat_is_seen(void **state)
{
	static const uint8_t nat[] = { 198, 51, 100, 1 };
	struct sim *s = member_up(302);
	struct addr seen = addr_of(nat, 4);

	(void)state;
	s->n[0].addr = far();
	s->nat = 0;
	s->nat_seen = (struct endpoint){ seen, 30000 };
	sim_run(s, 1100);
	assert_true(sees(s, 1, &seen));
	assert_true(isa(s, 0)->nat_local && isa(s, 1)->nat_remote);
	assert_true(s->n[0].last_set.keepalive > 0);
	assert_false(s->n[1].last_set.fixed);
	sim_free(s);
}

static enum sim_fate
lose(struct sim *s, const struct sim_packet *p)
{
	unsigned *left = s->filter_arg;

	if (p->from != 0 || *left == 0)
		return SIM_PASS;
	--*left;
	return SIM_DROP;
}

static enum sim_fate
lose_answer(struct sim *s, const struct sim_packet *p)
{
	unsigned *left = s->filter_arg;

	if (p->from != 1 || *left == 0)
		return SIM_PASS;
	--*left;
	return SIM_DROP;
}

/* What was asked before goes on from there, and is answered there. */
static void
a_move_with_a_question_open(void **state)
{
	enum sim_fate (*const lost[])(struct sim *s,
	    const struct sim_packet *p) = { lose, lose_answer };
	struct reason why;
	unsigned i, left;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sim *s = member_up(303 + i);
		struct addr there = far();

		left = 1;
		s->filter = lost[i];
		s->filter_arg = &left;
		assert_int_equal(ike_engine_probe(s->n[0].g, s->now,
		    SIM_WALL, 1, 1, &why), 0);
		s->n[0].addr = there;
		sim_run(s, 4000);
		assert_int_equal(s->n[0].alive, 1);
		assert_true(sees(s, 1, &there));
		assert_int_equal(s->n[0].downs + s->n[1].downs, 0);
		sim_free(s);
	}
}

/* It does not wait for its next turn, which may be seconds away. */
static void
an_open_question_goes_out_at_once(void **state)
{
	struct sim *s = member_up(309);
	unsigned left = 3;
	struct reason why;

	(void)state;
	s->filter = lose;
	s->filter_arg = &left;
	assert_int_equal(ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, 1,
	    &why), 0);
	sim_run(s, 1500);
	assert_int_equal(left, 0);
	s->n[0].addr = far();
	sim_run(s, 1100);
	assert_int_equal(s->n[0].alive, 1);
	sim_free(s);
}

/* Who can not be told is called anew. */
static void
another_kind_is_connected_anew(void **state)
{
	struct sim *s = member_up(305);
	struct addr there = far();
	uint64_t spi = isa(s, 0)->spi_i;

	(void)state;
	isa(s, 0)->own_kind = isa(s, 1)->own_kind = false;
	s->n[0].addr = there;
	sim_run(s, 1100);
	assert_int_equal(s->n[0].downs, 1);
	assert_string_equal(s->n[0].down.reason.code, "address-changed");
	sim_run(s, 5000);
	assert_int_equal(s->n[0].ups, 2);
	assert_true(isa(s, 0)->spi_i != spi);
	assert_true(sees(s, 1, &there));
	sim_free(s);
}

/* An address that the profile names stays, and so does one without a route. */
static void
who_is_told_where_to_stay_stays(void **state)
{
	struct sim *s = member_up(306);
	struct addr home = s->n[0].addr;

	(void)state;
	isa(s, 0)->profile->set.local = home;
	s->n[0].addr = far();
	sim_run(s, 5000);
	assert_true(sees(s, 1, &home));
	assert_true(addr_equal(&isa(s, 0)->local.addr, &home));
	sim_free(s);
}

static void
update(struct sim *s, int node, const struct endpoint *from)
{
	uint8_t clear[64];
	struct wbuf w = wbuf_of(clear, sizeof(clear));
	struct ike_chain c = ike_chain_of(&w);

	ike_put_status(&c, IKE_N_UPDATE_SA_ADDRESSES);
	ike_put_end(&c);
	member_send_from(s, node, from, IKE_INFORMATIONAL, node == 0 ? 2 : 0,
	    c.first, wbuf_rbuf(&w));
}

/* Either end says so, but only to its own kind. */
static void
others_do_not_move(void **state)
{
	struct endpoint from = { far(), 4500 };
	unsigned who;

	(void)state;
	for (who = 0; who < 2; who++) {
		struct sim *s = member_up(307 + who);
		struct addr home = s->n[who].addr;

		isa(s, 1 - who)->own_kind = false;
		update(s, (int)who, &from);
		assert_true(sees(s, 1 - (int)who, &home));
		sim_free(s);
		s = member_up(307 + who);
		update(s, (int)who, &from);
		assert_true(sees(s, 1 - (int)who, &from.addr));
		sim_free(s);
	}
}

/* Node 0 calls 1, and 1 calls 2: a spoke between a shortcut and its hub. */
static struct sim *
row_of_three(uint64_t seed)
{
	struct sim *s = sim_new(3, seed, NULL);

	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_connect(s, 1, 2);
	sim_run(s, 3000);
	assert_int_equal(s->n[1].ups, 2);
	return s;
}

/* The IKE SA at node 1 that its peer began. */
static struct ike_isa *
callee(const struct sim *s)
{
	struct ike_isa *t;

	DL_FOREACH(s->n[1].g->isas, t)
		if (!t->began)
			return t;
	return NULL;
}

static void
what_the_peer_began_moves_along(void **state)
{
	struct sim *s = row_of_three(310);
	struct addr there = far(), home = s->n[1].addr;

	(void)state;
	s->n[1].addr = there;
	sim_run(s, 1100);
	assert_true(sees(s, 0, &there) && sees(s, 2, &there));
	assert_true(addr_equal(&s->n[0].last_set.remote.addr, &there));
	assert_true(addr_equal(&callee(s)->local.addr, &there));
	s->n[1].addr = home;
	sim_run(s, 1100);
	assert_true(sees(s, 0, &home) && sees(s, 2, &home));
	assert_int_equal(s->n[0].downs + s->n[1].downs + s->n[2].downs, 0);
	sim_free(s);
}

/* It may be reached at another address than its routes would take. */
static void
who_leaves_nothing_stays(void **state)
{
	struct sim *s = row_of_three(311);
	struct addr home = s->n[1].addr, other = s->n[2].addr;

	(void)state;
	callee(s)->local.addr = other;
	s->n[1].addr = far();
	sim_run(s, 1100);
	assert_true(sees(s, 0, &home));
	assert_true(addr_equal(&callee(s)->local.addr, &other));
	sim_free(s);
	/* and a server, which begins nothing */
	s = member_up(312);
	home = s->n[1].addr;
	s->n[1].addr = far();
	sim_run(s, 5000);
	assert_true(addr_equal(&isa(s, 1)->local.addr, &home));
	sim_free(s);
}

/* It can not be called anew from here: its dead peer detection decides. */
static void
another_kind_that_began_is_left_alone(void **state)
{
	struct sim *s = row_of_three(313);
	struct addr home = s->n[1].addr;

	(void)state;
	callee(s)->own_kind = false;
	s->n[1].addr = far();
	sim_run(s, 1100);
	assert_true(addr_equal(&callee(s)->local.addr, &home));
	assert_int_equal(s->n[1].downs, 0);
	sim_free(s);
}

#define CASE(name, fn) { name, fn, NULL, NULL, NULL }

/* The peer makes keys anew for both SAs while we move: the new IKE SA is not
 * to be where the old one was as it began. */
static void
a_move_while_keys_are_made_anew(void **state)
{
	struct addr there = far();
	struct sim *s;
	unsigned ms;

	(void)state;
	for (ms = 0; ms < 40; ms++) {
		s = member_up(330 + ms);
		sim_rekey(s, 1, true);
		sim_rekey(s, 1, false);
		sim_run(s, ms);
		s->n[0].addr = there;
		sim_run(s, 20000);
		assert_true(addr_equal(&current(s, 0)->local.addr, &there));
		assert_true(addr_equal(&current(s, 1)->remote.addr, &there));
		assert_true(addr_equal(&s->n[1].last_set.remote.addr,
		    &there));
		assert_int_equal(s->n[0].downs + s->n[1].downs, 0);
		sim_free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("who gets another address is followed, there and back",
		    who_moves_is_followed),
		CASE("a move behind a NAT is seen on both sides",
		    a_move_behind_a_nat_is_seen),
		CASE("a move while a question is open ends neither",
		    a_move_with_a_question_open),
		CASE("what is open is asked from there at once",
		    an_open_question_goes_out_at_once),
		CASE("who moves while the peer makes keys anew is followed",
		    a_move_while_keys_are_made_anew),
		CASE("a peer of another kind is connected anew",
		    another_kind_is_connected_anew),
		CASE("an address that the profile names stays",
		    who_is_told_where_to_stay_stays),
		CASE("B19: a peer of another kind does not move by saying so",
		    others_do_not_move),
		CASE("what the peer began moves along with what we did",
		    what_the_peer_began_moves_along),
		CASE("who is reached elsewhere than its routes go stays",
		    who_leaves_nothing_stays),
		CASE("what another kind began is left alone",
		    another_kind_that_began_is_left_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
