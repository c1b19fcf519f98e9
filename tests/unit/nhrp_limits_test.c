/* How much of everything there is at most, and how long it lasts. */
#include "nhrp_craft.h"

#include "dmvpn-nhrp/nhrp_state.h"

static struct sim *
started(size_t spokes)
{
	struct sim *s = sim_new(spokes);

	sim_start(s);
	sim_run(s, 1000);
	return s;
}

static struct nhrp_iface *
tunnel(struct sim_site *x)
{
	return x->g->ifaces;
}

/* n requests at once, each for what only the routing table knows. */
static void
ask_many(struct sim_site *hub, struct sim_site *from, unsigned n)
{
	uint16_t peer = sim_number(hub, from);
	struct addr dst;
	struct craft c;
	unsigned i;

	for (i = 0; i < n; i++) {
		dst = sim_lan(hub, (uint8_t)(i + 1));
		c = resolution(from, &dst);
		c.id = 9000 + i;
		craft(&c);
		sim_inject(hub, peer, c.b, c.len);
	}
}

static void
test_lookups_of_one_peer(void **state)
{
	struct sim *s = started(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	ask_many(hub, a, NHRP_PEER_WAITS + 4);
	sim_run(s, 20);
	assert_int_equal(sim_counter(hub, "over-limit"), 4);
	assert_int_equal(hub->n_sent[NHRP_RESOLUTION_REPLY],
	    NHRP_PEER_WAITS);
	/* answered ones make room */
	ask_many(hub, a, NHRP_PEER_WAITS);
	sim_run(s, 20);
	assert_int_equal(sim_counter(hub, "over-limit"), 4);
	assert_int_equal(hub->n_sent[NHRP_RESOLUTION_REPLY],
	    2 * NHRP_PEER_WAITS);
	sim_free(s);
}

static void
test_lookups_of_all(void **state)
{
	const unsigned peers = NHRP_MAX_WAITS / NHRP_PEER_WAITS + 3;
	struct sim *s = started(peers);
	unsigned i;

	(void)state;
	for (i = 1; i <= peers; i++)
		ask_many(&s->sites[0], &s->sites[i], NHRP_PEER_WAITS);
	sim_run(s, 20);
	assert_int_equal(sim_counter(&s->sites[0], "over-limit"),
	    3 * NHRP_PEER_WAITS);
	sim_free(s);
}

static struct addr
far(unsigned i)
{
	return addr_of((uint8_t[]){ 10, 77, (uint8_t)(i >> 8), (uint8_t)i },
	    4);
}

static void
want_many(struct sim_site *a, unsigned n)
{
	struct nhrp_resolve r = { .interface = "dmvpn0" };
	unsigned i;

	for (i = 0; i < n; i++) {
		r.address = far(i);
		nhrp_engine_resolve(a->g, a->sim->now, &r, 0, NULL);
	}
}

/* Three requests in 1, 2 and 4 s; the refusals that are kept, and how long. */
static void
test_resolutions_and_refusals(void **state)
{
	struct sim *s = started(1);
	struct sim_site *a = &s->sites[1];

	(void)state;
	s->mute_hub = true;
	want_many(a, NHRP_MAX_CUTS + 6);
	assert_int_equal(sim_counter(a, "over-limit"), 6);
	assert_int_equal(tunnel(a)->n_cuts, NHRP_MAX_CUTS);
	sim_run(s, 2900);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST],
	    2 * NHRP_MAX_CUTS);
	sim_run(s, 4000);
	assert_int_equal(tunnel(a)->n_refused, 0);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST],
	    3 * NHRP_MAX_CUTS);
	sim_run(s, 200);
	assert_int_equal(tunnel(a)->n_refused, NHRP_MAX_NEGATIVE);
	assert_int_equal(tunnel(a)->n_cuts, NHRP_MAX_NEGATIVE);
	sim_run(s, NHRP_NEGATIVE - 500);
	assert_int_equal(tunnel(a)->n_cuts, NHRP_MAX_NEGATIVE);
	sim_run(s, 500);
	assert_int_equal(tunnel(a)->n_cuts, 0);
	sim_free(s);
}

static void
test_addresses_that_lead_to_the_server(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *a = &s->sites[1];
	struct gre_resolve ev = { .interface = "dmvpn0" };
	unsigned i;

	(void)state;
	a->conf.shortcut = false;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < NHRP_MAX_FILLS + 6; i++) {
		ev.address = addr_of((uint8_t[]){ 10, 9,
		    (uint8_t)(8 + (i >> 8)), (uint8_t)(i | 1) }, 4);
		ev.address.b[2] = (uint8_t)(ev.address.b[2] + (i & 1) * 64);
		nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	}
	assert_int_equal(tunnel(a)->n_fills, NHRP_MAX_FILLS);
	assert_int_equal(sim_counter(a, "over-limit"), 6);
	sim_run(s, 599 * 1000);
	assert_int_equal(tunnel(a)->n_fills, NHRP_MAX_FILLS);
	sim_run(s, 2000);
	assert_int_equal(tunnel(a)->n_fills, 0);
	sim_free(s);
}

static void
test_tunnels(void **state)
{
	struct sim *s = started(0);
	struct nhrp_interface_set m = s->sites[0].conf;
	struct err e = { 0 };
	int i;

	(void)state;
	for (i = 1; i <= NHRP_MAX_IFACES; i++) {
		snprintf(m.interface, sizeof(m.interface), "t%d", i);
		m.addresses[0].addr.b[1] = (uint8_t)(20 + i);
		assert_int_equal(nhrp_engine_set(s->sites[0].g, s->now, &m,
		    &e), i < NHRP_MAX_IFACES ? 0 : -1);
	}
	assert_non_null(strstr(e.msg, "more than 8 tunnels"));
	sim_free(s);
}

/* A peer of the hub's that nothing can be sent to. */
static uint16_t
nobody(struct sim_site *hub)
{
	struct ike_up up = { .peer = new_peer(hub, NULL, "") };

	up.remote = (struct endpoint){ addr_of("\xc6\x12\x63\x01", 4), 4500 };
	snprintf(up.interface, sizeof(up.interface), "dmvpn0");
	snprintf(up.profile, sizeof(up.profile), "p");
	snprintf(up.identity, sizeof(up.identity), "n%u", up.peer);
	nhrp_engine_event(hub->g, hub->sim->now, &ike_up_type, &up);
	return up.peer;
}

static void
test_registrations(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0];
	struct gre_nhrp ev = { .interface = "dmvpn0" };
	struct craft c;
	unsigned i;

	(void)state;
	hub->conf.need_blocks = false;
	sim_set(hub);
	c = registration(&s->sites[1], hub);
	for (i = 0; i < NHRP_MAX_BINDINGS + 8; i++) {
		if (i % NHRP_PEER_BINDINGS == 0)
			ev.peer = nobody(hub);
		c.src = addr_of((uint8_t[]){ 10, 9, (uint8_t)(1 + (i >> 8)),
		    (uint8_t)i }, 4);
		c.id = i;
		craft(&c);
		ev.data = rbuf_of(c.b, c.len);
		nhrp_engine_event(hub->g, s->now, &gre_nhrp_type, &ev);
	}
	assert_int_equal(tunnel(hub)->n_bindings,
	    NHRP_MAX_BINDINGS);
	assert_int_equal(sim_counter(hub, "over-limit"), 8);
	assert_int_not_equal(last_code(hub, NULL), NHRP_CODE_OK);
	sim_free(s);
}

/* Each is said in 0, 1, 3 and 7 s; more than the cap once only. */
static void
test_purges(void **state)
{
	struct sim *s = started(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct nhrp_node *to = hub->g->nodes[sim_number(hub, a)];
	struct prefix p = sim_subnet(a);
	unsigned i;

	(void)state;
	s->loss = 100;
	nhrp_engine_wake(hub->g, s->now);
	for (i = 0; i < NHRP_MAX_PURGES + 6; i++)
		nhrp_purge_send(hub->g, tunnel(hub), to, &a->tunnel, &p, 1, 0,
		    true);
	assert_int_equal(hub->g->n_asks, NHRP_MAX_PURGES);
	assert_int_equal(hub->n_sent[NHRP_PURGE_REQUEST],
	    NHRP_MAX_PURGES + 6);
	sim_run(s, 2900);
	assert_int_equal(hub->n_sent[NHRP_PURGE_REQUEST],
	    2 * NHRP_MAX_PURGES + 6);
	sim_run(s, 4000);
	assert_int_equal(hub->n_sent[NHRP_PURGE_REQUEST],
	    3 * NHRP_MAX_PURGES + 6);
	sim_run(s, 10000);
	assert_int_equal(hub->n_sent[NHRP_PURGE_REQUEST],
	    4 * NHRP_MAX_PURGES + 6);
	assert_int_equal(hub->g->n_asks, 0);
	sim_free(s);
}

/* ---- times */

/* Neither end waits for ever for a connection. */
static void
test_ike_that_says_nothing(void **state)
{
	struct sim *s = started(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];

	(void)state;
	s->ike_silent = true;
	sim_hairpin(a, b);
	sim_run(s, NHRP_LINK_WAIT - 500);
	assert_int_equal(a->n_connect, 1);
	assert_int_equal(tunnel(a)->n_refused, 0);
	assert_int_equal(tunnel(b)->n_cuts, 1);
	sim_run(s, 1000);
	assert_int_equal(tunnel(a)->n_refused, 1);
	assert_int_equal(tunnel(b)->n_cuts, 0);
	sim_free(s);
}

/* The server is down after the third refresh that it does not answer. */
static void
test_a_silent_server(void **state)
{
	struct sim *s = started(1);
	struct sim_site *a = &s->sites[1];
	unsigned before = a->n_sent[NHRP_REGISTRATION_REQUEST];

	(void)state;
	assert_int_equal(a->n_up, 1);
	s->mute_hub = true;
	while (a->n_down == 0 && s->now < 2000000)
		sim_run(s, 10);
	assert_int_equal(a->n_down, 1);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST] - before,
	    NHRP_DOWN_AFTER + 1);
	sim_free(s);
}

/* Many that have lost one server do not all ask at the same moment. */
static void
test_retries_are_spread(void **state)
{
	struct sim *s = sim_new(60);
	bool seen[501] = { false };
	unsigned i, different = 0;
	uint64_t gap;

	(void)state;
	s->mute_hub = true;
	sim_start(s);
	sim_run(s, 1900);
	for (i = 1; i <= 60; i++) {
		const struct sim_site *x = &s->sites[i];

		assert_in_range(x->n_sent[NHRP_REGISTRATION_REQUEST], 2, 3);
		gap = x->sent_at[1] - x->sent_at[0];
		assert_in_range(gap, NHRP_RETRY_FIRST / 2, NHRP_RETRY_FIRST);
		different += !seen[gap - NHRP_RETRY_FIRST / 2];
		seen[gap - NHRP_RETRY_FIRST / 2] = true;
	}
	assert_true(different > 30);
	sim_free(s);
}

static struct sim *
started_clear(size_t spokes)
{
	struct sim *s = sim_new(spokes);
	size_t i;

	for (i = 0; i < s->n; i++) {
		struct nhrp_interface_set *m = &s->sites[i].conf;

		m->profile[0] = '\0';
		m->nbma = s->sites[i].nbma;
		m->nhs[0].connection[0] = '\0';
		m->nhs[0].nbma = s->sites[0].nbma;
	}
	sim_start(s);
	sim_run(s, 1000);
	return s;
}

/* A clear peer that nothing needs is kept while packets come from it. */
static void
test_clear_peers_linger(void **state)
{
	struct sim *s = started_clear(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	uint16_t peer = sim_number(hub, a);

	(void)state;
	assert_int_not_equal(peer, 0);
	assert_int_equal(nhrp_engine_delete(a->g, s->now, "dmvpn0", NULL), 0);
	sim_run(s, NHRP_LINGER - 10000);
	assert_int_equal(sim_number(hub, a), peer);
	nhrp_engine_count(hub->g, s->now, peer, 4711);
	sim_run(s, NHRP_LINGER - 10000);
	assert_int_equal(sim_number(hub, a), peer);
	sim_run(s, 11000);
	assert_int_equal(sim_number(hub, a), 0);
	sim_free(s);
}

/* With the last tunnel they go, when what was sent has left. */
static void
test_clear_peers_end_with_the_tunnel(void **state)
{
	struct sim *s = started_clear(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	assert_int_equal(nhrp_engine_delete(a->g, s->now, "dmvpn0", NULL), 0);
	sim_run(s, NHRP_LAST_WORDS - 10);
	assert_int_not_equal(sim_number(a, hub), 0);
	sim_run(s, 20);
	assert_int_equal(sim_number(a, hub), 0);
	sim_free(s);
}

/* ---- rates */

static void
purge_many(struct sim_site *hub, struct sim_site *from, unsigned n)
{
	struct craft c = registration(from, hub);

	c.type = NHRP_PURGE_REQUEST;
	c.cie_proto = far(1);
	craft(&c);
	while (n-- > 0)
		sim_inject(hub, sim_number(hub, from), c.b, c.len);
	sim_run(hub->sim, 2);
}

static void
test_packets_a_second(void **state)
{
	struct sim *s = started(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	sim_run(s, 60000);	/* silence is not saved up */
	purge_many(hub, a, NHRP_PEER_BURST + 50);
	assert_int_equal(sim_counter(hub, "over-rate"), 50);
	sim_run(s, 998);
	purge_many(hub, a, NHRP_PEER_RATE + 10);
	assert_int_equal(sim_counter(hub, "over-rate"), 60);
	sim_free(s);
}

static void
provoke(struct sim_site *hub, struct sim_site *from, unsigned n)
{
	struct addr dst = sim_lan(hub, 1);
	struct craft c = resolution(from, &dst);

	c.ext = 99;
	c.compulsory = true;
	craft(&c);
	while (n-- > 0)
		sim_inject(hub, sim_number(hub, from), c.b, c.len);
	sim_run(hub->sim, 2);
}

/* Ten at once, two a second. */
static void
test_errors_a_second(void **state)
{
	struct sim *s = started(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	provoke(hub, a, 20);
	assert_int_equal(sim_counter(hub, "errors-sent"), 10);
	sim_run(s, 2998);
	provoke(hub, a, 20);
	assert_int_equal(sim_counter(hub, "errors-sent"), 16);
	sim_run(s, 60000);
	provoke(hub, a, 20);
	assert_int_equal(sim_counter(hub, "errors-sent"), 26);
	sim_free(s);
}

/* ---- who was told */

static void
test_who_was_told(void **state)
{
	struct sim *s = started(1);
	struct nhrp_engine *g = s->sites[1].g;
	struct prefix p = sim_subnet(&s->sites[1]);
	struct nhrp_told *list = NULL;
	unsigned i, n = 0;

	(void)state;
	for (i = 0; i < NHRP_MAX_TOLD + 6; i++) {
		struct addr a = far(i);

		nhrp_told_add(g, &list, &n, NHRP_MAX_TOLD, &a, &p,
		    g->now + 1000);
	}
	assert_int_equal(n, NHRP_MAX_TOLD);
	for (i = 0; list != NULL && i < n; i++) {
		struct nhrp_told *next = list->next;
		struct addr a = far(NHRP_MAX_TOLD + 5 - i);

		assert_true(addr_equal(&list->requester, &a));
		free(list);
		list = next;
	}
	assert_null(list);
	n = 0;
	for (i = 0; i < 4; i++) {
		struct addr a = far(i);

		nhrp_told_add(g, &list, &n, NHRP_MAX_TOLD, &a, &p,
		    g->now + 10);
		g->now += i == 2 ? 20 : 0;
	}
	assert_int_equal(n, 1);		/* the others' time is over */
	nhrp_told_free(&list, &n);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("NHRP-18: look-ups of one peer at once",
		    test_lookups_of_one_peer),
		TEST("NHRP-18: look-ups of all peers at once",
		    test_lookups_of_all),
		TEST("NHRP-18: resolutions under way, and refusals kept",
		    test_resolutions_and_refusals),
		TEST("NHRP-18: addresses that lead to the server",
		    test_addresses_that_lead_to_the_server),
		TEST("tunnels of one daemon", test_tunnels),
		TEST("NHRP-18: registrations of a tunnel",
		    test_registrations),
		TEST("purges without an answer", test_purges),
		TEST("a connection that never comes is not waited for",
		    test_ike_that_says_nothing),
		TEST("a server that does not answer is down after three",
		    test_a_silent_server),
		TEST("NHRP-20: retries of many are spread",
		    test_retries_are_spread),
		TEST("unprotected: a peer lingers while it is heard",
		    test_clear_peers_linger),
		TEST("unprotected: with the last tunnel all peers go",
		    test_clear_peers_end_with_the_tunnel),
		TEST("NHRP-18: packets a second of one peer",
		    test_packets_a_second),
		TEST("NHRP-17: errors a second for one peer",
		    test_errors_a_second),
		TEST("who was told: the oldest goes, and whose time is over",
		    test_who_was_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
