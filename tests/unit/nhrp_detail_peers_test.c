/* Details of purges, errors, adoption and peers: each is a condition that
 * holds in few cases only. */
#include "nhrp_detail.h"

/* ---- purge, and what is on its way ---- */

static struct craft
purge_of(struct sim_site *from, struct sim_site *to, uint8_t prefix)
{
	return (struct craft){ .type = NHRP_PURGE_REQUEST, .hops = 3,
	    .prefix = prefix, .id = 4711, .nbma = from->nbma,
	    .src = from->tunnel, .dst = to->tunnel,
	    .cie_proto = from->tunnel };
}

static void
test_prefixes_of_a_purge(void **state)
{
	static const struct {
		uint8_t prefix;
		bool ends;
	} rows[] = { { 32, true }, { 0, true }, { 255, true },
	    { 31, false } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = started(1);
		struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
		struct craft c = purge_of(a, hub, rows[i].prefix);

		into(hub, a, &c);
		assert_true((binding(hub, a) == NULL) == rows[i].ends);
		assert_int_equal(hub->last_sent.type, NHRP_PURGE_REPLY);
		assert_int_equal(hub->last_sent.hops, 255);
		sim_free(s);
	}
}

/* Another one's answer is none. */
static void
test_a_purge_that_another_answers(void **state)
{
	struct sim *s = started(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *m = &s->sites[3];
	struct nhrp_ask *ask;
	struct craft c;

	(void)state;
	sim_hairpin(a, b);
	sim_run(s, 500);
	s->loss = 100;
	sim_unlink(hub, b);		/* a was told of b */
	sim_run(s, 20);
	ask = hub->g->asks;
	assert_non_null(ask);
	c = purge_of(hub, a, 32);
	c.type = NHRP_PURGE_REPLY;
	c.id = ask->id;
	into(hub, m, &c);
	assert_ptr_equal(hub->g->asks, ask);
	into(hub, a, &c);
	assert_null(hub->g->asks);
	sim_free(s);
}

/* Nothing goes back to where it came from. */
static void
test_nothing_turns_round(void **state)
{
	struct sim *s = started(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct addr dst = sim_lan(a, 1);
	struct craft c = resolution(a, &dst);

	(void)state;
	c.type = NHRP_RESOLUTION_REPLY;
	c.prefix = 32;
	into(hub, a, &c);
	assert_int_equal(hub->n_sent[NHRP_RESOLUTION_REPLY], 0);
	assert_int_equal(sim_counter(hub, "no-next-hop"), 1);
	sim_free(s);
}

/* ---- errors, ids ---- */

/* About the last packet of x, from `from`. */
static struct craft
fault(struct sim_site *x, struct sim_site *from, uint16_t code)
{
	return (struct craft){ .type = NHRP_ERROR_INDICATION, .hops = 255,
	    .code = code, .nbma = from->nbma, .src = from->tunnel,
	    .dst = x->tunnel, .payload = x->last_bytes,
	    .payload_len = x->last_len };
}

/* Errors carry no authentication, and are believed by what they are about. */
static void
test_an_error_without_authentication(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c;

	(void)state;
	set_auth(s, "secret");
	s->mute_hub = true;
	sim_start(s);
	sim_run(s, 100);
	c = fault(a, hub, NHRP_ERR_AUTH);
	into(a, hub, &c);
	assert_string_equal(server(a, 0)->reason.code,
	    "authentication-failure");
	sim_free(s);
}

static void
test_errors_about_resolutions(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *m = &s->sites[3];
	struct nhrp_resolve r = { .interface = "dmvpn0",
	    .address = b->tunnel };
	struct nhrp_cut *cut;
	struct craft c;

	(void)state;
	sim_start(s);
	sim_link(m, a, "", "");
	sim_run(s, 1000);
	s->mute_hub = true;
	nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
	cut = a->g->ifaces->cuts;
	c = fault(a, m, NHRP_ERR_UNREACHABLE);
	into(a, m, &c);			/* it is no server */
	assert_int_equal(cut->state, NHRP_CUT_ASKING);
	c = fault(a, hub, NHRP_ERR_UNREACHABLE);
	cut->state = NHRP_CUT_LINKING;	/* answered meanwhile */
	into(a, hub, &c);
	assert_int_equal(cut->state, NHRP_CUT_LINKING);
	cut->state = NHRP_CUT_ASKING;
	into(a, hub, &c);
	assert_int_equal(cut->state, NHRP_CUT_REFUSED);
	sim_free(s);
}

/* Ids go on behind those that may be on their way. */
static void
test_ids_of_a_former_life(void **state)
{
	struct sim *s = started(1);
	struct sim_site *a = &s->sites[1];

	(void)state;
	a->g->ifaces->next_id = 0xf0000000;
	nhrp_map_server(a->g, server(a, 0));
	sim_restart(a);
	assert_int_equal(a->g->ifaces->next_id, 0xf0000100);
	sim_free(s);
}

/* ---- adoption ---- */

/* The engine of x dies and comes back with rows that are told by hand. */
static void
reborn(struct sim_site *x)
{
	nhrp_engine_free(x->g);
	site_engine(x);
}

static void
tell_map(struct sim_site *x, const struct addr *a, uint16_t peer)
{
	const struct sim_map *m = sim_map(x, a);
	struct gre_map_row row = { .interface = "dmvpn0", .owner = "nhrp",
	    .address = *a, .peer = peer, .hold = 500,
	    .blob = rbuf_of(m->blob, m->len) };

	nhrp_engine_adopt_map(x->g, x->sim->now, &row);
}

static void
test_a_route_alone(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct prefix p = sim_subnet(a);
	struct gre_route_row row = { .interface = "dmvpn0", .owner = "nhrp",
	    .prefix = p, .via = a->tunnel };

	(void)state;
	sim_routed(s);
	assert_non_null(sim_route(hub, &p));
	reborn(hub);
	nhrp_engine_adopt_route(hub->g, s->now, &row);
	sim_set(hub);
	assert_null(sim_route(hub, &p));
	sim_free(s);
}

/* One number, two names: one of them is of another life. */
static void
test_one_peer_is_one_identity(void **state)
{
	struct sim *s = started(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	uint16_t peer = sim_number(hub, a);

	(void)state;
	reborn(hub);
	tell_map(hub, &b->tunnel, peer);
	tell_map(hub, &a->tunnel, peer);
	sim_set(hub);
	assert_int_equal(hub->g->ifaces->n_bindings, 1);
	sim_free(s);
}

/* Meanwhile the tunnel became another. */
static void
test_rows_that_do_not_fit(void **state)
{
	struct sim *s = started(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr gone = hub->tunnel;

	(void)state;
	sim_hairpin(a, b);
	sim_run(s, 500);
	reborn(hub);
	tell_map(hub, &a->tunnel, sim_number(hub, a));
	hub->conf.role = NHRP_ROLE_SPOKE;
	sim_set(hub);
	assert_int_equal(hub->g->ifaces->n_bindings, 0);
	assert_null(sim_leads(hub, &a->tunnel));
	reborn(a);
	tell_map(a, &gone, sim_number(a, hub));
	tell_map(a, &b->tunnel, sim_number(a, b));
	a->conf.shortcut = false;
	a->conf.nhs[0].address = b->tunnel;
	sim_set(a);
	assert_int_equal(a->g->ifaces->n_cuts, 0);
	assert_null(sim_leads(a, &gone));
	assert_null(sim_leads(a, &b->tunnel));
	sim_free(s);
}

/* ---- peers ---- */

/* What the number had before it went to another is nobody's. */
static void
test_a_number_goes_to_another(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	uint16_t peer;

	(void)state;
	hub->conf.need_blocks = false;	/* no certificate tells them apart */
	a->n_blocks = s->sites[2].n_blocks = 0;
	a->conf.need_blocks = s->sites[2].conf.need_blocks = false;
	sim_start(s);
	sim_run(s, 1000);
	peer = sim_number(hub, a);
	assert_non_null(binding(hub, a));
	hub->peers[peer - 1].other = &s->sites[2];
	tell_up(hub, peer, "", false);
	sim_run(s, 20);
	assert_null(binding(hub, a));
	assert_non_null(binding(hub, &s->sites[2]));
	sim_free(s);
}

/* Two peers behind one NAT: that one was tried says nothing of the other. */
static void
test_the_other_behind_a_nat_is_tried(void **state)
{
	struct sim *s = started(3);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2],
	    *m = &s->sites[3];
	struct nhrp_resolve r = { .interface = "dmvpn0",
	    .address = b->tunnel };
	size_t i;

	(void)state;
	s->ike_fails = true;
	nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
	sim_run(s, 100);
	assert_int_equal(a->n_connect, 1);
	s->ike_silent = true;
	for (i = 0; i < 2; i++) {
		struct nhrp_cut *c = nhrp_cut_new(a->g, a->g->ifaces,
		    &m->tunnel);

		c->via = m->tunnel;
		c->nbma = a->dialled;
		c->nbma.port = (uint16_t)(a->dialled.port + i);
		nhrp_cut_link(a->g, c);
		assert_int_equal(c->state, i == 0 ? NHRP_CUT_REFUSED :
		    NHRP_CUT_LINKING);
	}
	sim_free(s);
}

/* While peers are told anew nobody rests on one that may be gone. */
static void
test_a_peer_in_doubt(void **state)
{
	struct sim *s = started(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	size_t i;

	(void)state;
	sim_link(b, a, "", "");
	sim_run(s, 100);
	for (i = 0; i < 2; i++) {
		if (i == 1)
			nhrp_engine_peers_begin(a->g, s->now);
		sim_hairpin(a, b);
		sim_run(s, 500);
		assert_int_equal(a->n_connect, i);
		assert_int_equal(a->n_short_up, i + 1);
		nhrp_cut_drop(a->g, a->g->ifaces->cuts, "test", false);
		sim_run(s, 2000);
	}
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("NHRP-12: prefix lengths of a purge",
		    test_prefixes_of_a_purge),
		TEST("NHRP-12: a purge that another one answers",
		    test_a_purge_that_another_answers),
		TEST("NHRP-16: nothing goes back to where it came from",
		    test_nothing_turns_round),
		TEST("NHRP-06: an error needs no authentication",
		    test_an_error_without_authentication),
		TEST("NHRP-17: errors about resolutions",
		    test_errors_about_resolutions),
		TEST("an adopted route alone is taken back",
		    test_a_route_alone),
		TEST("adopted rows of one peer have one identity",
		    test_one_peer_is_one_identity),
		TEST("adopted rows that do not fit are taken back",
		    test_rows_that_do_not_fit),
		TEST("a number goes to another peer",
		    test_a_number_goes_to_another),
		TEST("NHRP-22: of two behind a NAT one was tried",
		    test_the_other_behind_a_nat_is_tried),
		TEST("a shortcut does not rest on a peer in doubt",
		    test_a_peer_in_doubt),
		TEST("request ids go on after a restart",
		    test_ids_of_a_former_life),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
