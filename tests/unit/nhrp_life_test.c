/* What outlives what: engines that start anew, peers that go, connections
 * that several things rest on. */
#include "nhrp_craft.h"

#include "dmvpn-nhrp/nhrp_state.h"

/* b has two networks, a has asked for both: two shortcuts, one connection. */
static struct sim *
two_networks(void)
{
	struct sim *s = sim_new(3);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	struct nhrp_resolve r = { .interface = "dmvpn0" };

	b->conf.n_subnets = 2;
	b->conf.subnets[0] = (struct prefix){ addr_of("\x0a\x02\0\0", 4), 17 };
	b->conf.subnets[1] = (struct prefix){ addr_of("\x0a\x02\x80\0", 4),
	    17 };
	sim_start(s);
	sim_run(s, 1000);
	r.address = addr_of("\x0a\x02\x00\x05", 4);
	nhrp_engine_resolve(a->g, s->now, &r, 1, NULL);
	sim_run(s, 500);
	r.address = addr_of("\x0a\x02\xc8\x05", 4);
	nhrp_engine_resolve(a->g, s->now, &r, 2, NULL);
	sim_run(s, 500);
	assert_int_equal(a->n_short_up, 2);
	assert_int_equal(a->n_connect, 1);
	return s;
}

static void
purge(struct sim_site *x, const struct prefix *p)
{
	struct nhrp_purge m = { .interface = "dmvpn0" };

	if (p != NULL)
		m.prefix = *p;
	assert_int_equal(nhrp_engine_purge(x->g, x->sim->now, &m, NULL), 0);
	sim_run(x->sim, 50);
}

static void
test_one_of_two_ends(void **state)
{
	struct sim *s = two_networks();
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];

	(void)state;
	purge(a, &b->conf.subnets[0]);
	assert_null(sim_route(a, &b->conf.subnets[0]));
	assert_int_not_equal(sim_number(a, b), 0);
	assert_non_null(sim_route(a, &b->conf.subnets[1]));
	purge(a, NULL);
	assert_int_equal(sim_number(a, b), 0);
	sim_free(s);
}

/* As sim_restart, but dmvpn-ike is read before dmvpn-gre, or not at all. */
static void
restart(struct sim_site *x, bool ike)
{
	size_t i;

	nhrp_engine_free(x->g);
	site_engine(x);
	for (i = 0; ike && i < x->n_peers; i++)
		if (x->peers[i].other != NULL)
			tell_up(x, (uint16_t)(i + 1),
			    strchr(x->peers[i].connection, '@') != NULL ?
			    "nhrp" : "dpd", true);
	sim_run(x->sim, 5);
	for (i = 0; i < x->n_maps; i++) {
		struct gre_map_row row = { .address = x->maps[i].address,
		    .peer = x->maps[i].peer, .hold = 500,
		    .blob = rbuf_of(x->maps[i].blob, x->maps[i].len),
		    .interface = "dmvpn0", .owner = "nhrp" };

		if (row.peer > 0)
			nhrp_engine_adopt_map(x->g, x->sim->now, &row);
	}
	for (i = 0; i < x->n_routes; i++) {
		struct gre_route_row row = { .prefix = x->routes[i].prefix,
		    .via = x->routes[i].via, .interface = "dmvpn0",
		    .owner = "nhrp" };

		nhrp_engine_adopt_route(x->g, x->sim->now, &row);
	}
	nhrp_engine_adopt_end(x->g, x->sim->now);
	sim_set(x);
}

static void
test_two_networks_are_adopted(void **state)
{
	struct sim *s = two_networks();
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	uint64_t packets = 0;
	unsigned i;

	(void)state;
	restart(a, true);
	for (i = 0; i < 700; i++) {	/* they are refreshed, too */
		nhrp_engine_count(a->g, s->now, sim_number(a, b),
		    ++packets);
		sim_run(s, 1000);
	}
	assert_int_equal(a->n_short_down, 0);
	assert_non_null(sim_route(a, &b->conf.subnets[0]));
	assert_non_null(sim_route(a, &b->conf.subnets[1]));
	purge(a, NULL);
	assert_int_equal(a->n_routes, 0);
	assert_int_equal(sim_number(a, b), 0);	/* the connection, too */
	sim_free(s);
}

static void
test_adopted_routes_end(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct prefix p = sim_subnet(a);

	(void)state;
	sim_routed(s);
	assert_non_null(sim_route(hub, &p));
	restart(hub, false);
	assert_non_null(sim_route(hub, &p));
	nhrp_engine_peers_begin(hub->g, s->now);
	nhrp_engine_peers_end(hub->g, s->now);
	assert_null(sim_route(hub, &p));
	sim_free(s);
}

/* The certificate is another one when dmvpn-ike tells. */
static void
test_adopted_routes_are_judged(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct prefix p = sim_subnet(a);

	(void)state;
	sim_routed(s);
	restart(hub, false);
	a->n_blocks = 1;
	tell_up(hub, sim_number(hub, a), "", false);
	sim_run(s, 20);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	assert_null(sim_route(hub, &p));
	sim_free(s);
}

/* A route that stays is not taken away and put back. */
static void
test_routes_stay(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct prefix p = sim_subnet(a);
	struct prefix more = { addr_of("\x0a\x64\0\0", 4), 16 };

	(void)state;
	sim_routed(s);
	assert_int_equal(hub->n_routes, 1);
	a->blocks[a->n_blocks++] = more;
	tell_up(hub, sim_number(hub, a), "", false);
	sim_run(s, 20);
	assert_int_equal(hub->n_routes, 2);
	/* one that was deleted would have lost its place to the new one */
	assert_true(prefix_equal(&hub->routes[0].prefix, &p));
	hub->conf.routes = false;
	sim_set(hub);
	assert_int_equal(hub->n_routes, 0);
	sim_free(s);
}

/* Until dmvpn-ike says who it is, a peer that was adopted claims nothing. */
static void
test_adopted_peers_claim_nothing(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct addr other = addr_of("\x0a\x09\x00\x63", 4);
	struct craft c;

	(void)state;
	hub->conf.need_blocks = false;
	sim_start(s);
	sim_run(s, 1000);
	restart(hub, false);
	c = registration(a, hub);
	c.src = other;
	into(hub, a, &c);
	assert_null(sim_leads(hub, &other));
	c.src = a->tunnel;
	into(hub, a, &c);
	tell_up(hub, sim_number(hub, a), "", false);
	sim_run(s, 20);
	assert_null(sim_leads(hub, &other));
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	assert_int_equal(hub->n_refused, 1);
	assert_int_equal(hub->n_sent[NHRP_REGISTRATION_REPLY], 4);
	sim_free(s);
}

/* The way through the server stays while a spoke's engine starts anew. */
static void
test_fills_are_adopted(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct gre_resolve ev = { .interface = "dmvpn0",
	    .address = addr_of("\x0a\x09\x00\x63", 4) };

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	assert_ptr_equal(sim_leads(a, &ev.address), hub);
	restart(a, true);
	assert_ptr_equal(sim_leads(a, &ev.address), hub);
	sim_run(s, 499000);
	assert_ptr_equal(sim_leads(a, &ev.address), hub);
	sim_run(s, 2000);
	assert_null(sim_leads(a, &ev.address));
	sim_free(s);
}

/* Two connections to one server: it knows the last one. */
static void
test_two_ways_to_a_server(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct gre_resolve ev = { .interface = "dmvpn0",
	    .address = hub->tunnel };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {	/* whichever is the first in the list */
		if (i == 1) {
			sim_free(s);
			s = sim_new(1);
			hub = &s->sites[0];
			a = &s->sites[1];
		}
		a->conf.n_nhs = 2;
		a->conf.nhs[1] = a->conf.nhs[0];
		snprintf(a->conf.nhs[i].connection,
		    sizeof(a->conf.nhs[i].connection), "hub2");
		sim_start(s);
		sim_run(s, 1000);
		sim_link(a, hub, "hub2", "dpd");
		sim_run(s, 2000);
		assert_int_equal(a->n_up, 2);
		sim_unlink(a, hub);
		sim_run(s, 100);
		assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
		assert_ptr_equal(sim_leads(a, &hub->tunnel), hub);
		sim_map(a, &hub->tunnel)->peer = 0;
		nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
		assert_ptr_equal(sim_leads(a, &hub->tunnel), hub);
	}
	sim_free(s);
}

/* A second peer of one connection came and went: the first is still there. */
static void
test_second_peer_goes(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_link(a, hub, "hub", "dpd");
	sim_run(s, 2000);
	sim_unlink(a, hub);
	sim_run(s, 100);
	assert_int_not_equal(sim_number(a, hub), 0);
	assert_ptr_equal(sim_leads(a, &hub->tunnel), hub);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	sim_free(s);
}

/* While dmvpn-gre's peers are read none is taken; afterwards one is. */
static void
test_server_set_while_peers_are_read(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct gre_peer row = { .encap = GRE_ENCAP_UDP, .owner = "ike" };
	struct nhrp_nhs nhs = a->conf.nhs[0];

	(void)state;
	a->conf.n_nhs = 0;
	sim_start(s);
	sim_run(s, 1000);
	row.peer = sim_number(a, hub);
	nhrp_engine_peers_begin(a->g, s->now);
	a->conf.nhs[0] = nhs;
	a->conf.n_nhs = 1;
	sim_set(a);
	nhrp_engine_adopt_peer(a->g, s->now, &row);
	nhrp_engine_peers_end(a->g, s->now);
	sim_run(s, 200);
	assert_int_equal(a->n_up, 1);
	sim_free(s);
}

/* Behind the same address there may be somebody else. */
static void
test_shortcut_follows_the_identity(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *c = &s->sites[3];
	struct prefix pb = sim_subnet(b);
	size_t i;

	(void)state;
	for (i = 0; i < s->n; i++) {
		s->sites[i].conf.need_blocks = false;
		s->sites[i].n_blocks = 0;
	}
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	c->nbma = b->nbma;
	sim_link(c, a, "", "");
	sim_run(s, 100);
	sim_unlink(a, b);
	sim_run(s, 100);
	assert_null(sim_route(a, &pb));
	assert_ptr_equal(sim_leads(a, &b->tunnel), hub);
	sim_free(s);
}

/* The server was away when a shortcut was to be refreshed. */
static void
test_refreshed_when_the_server_is_back(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	uint64_t packets = 0;
	unsigned i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_int_equal(a->n_short_up, 1);
	for (i = 0; i < 800; i++) {
		s->mute_hub = i > 440 && i < 480;
		nhrp_engine_count(a->g, s->now, sim_number(a, b),
		    ++packets);
		sim_run(s, 1000);
	}
	assert_int_equal(a->n_short_down, 0);
	sim_free(s);
}

static struct sim *
clear_sim(size_t spokes)
{
	struct sim *s = sim_new(spokes);
	size_t i;

	for (i = 0; i < s->n; i++) {
		struct sim_site *x = &s->sites[i];

		x->conf.profile[0] = '\0';
		x->conf.nbma = x->nbma;
		x->conf.nhs[0].connection[0] = '\0';
		x->conf.nhs[0].nbma = s->sites[0].nbma;
	}
	return s;
}

static void
stranger_says(struct sim_site *x, const struct addr *from, struct craft *c)
{
	struct gre_nhrp m = { .interface = "dmvpn0",
	    .remote = { .addr = *from } };

	craft(c);
	m.data = rbuf_of(c->b, c->len);
	nhrp_engine_event(x->g, x->sim->now, &gre_nhrp_type, &m);
	sim_run(x->sim, 20);
}

/* A few are told; who spoofs many addresses does not fill the table. */
static void
test_strangers_without_the_secret(void **state)
{
	struct sim *s = clear_sim(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);
	uint8_t from[4] = { 203, 0, 113, 1 };
	struct addr spoofed;

	(void)state;
	set_auth(s, "secret");
	sim_set(hub);
	for (; from[3] < 60; from[3]++) {
		c.auth = from[3] % 2 ? "wrong" : NULL;
		spoofed = addr_of(from, 4);
		stranger_says(hub, &spoofed, &c);
	}
	assert_in_range(hub->n_peers, 1, 12);
	assert_int_equal(hub->n_sent[NHRP_ERROR_INDICATION], hub->n_peers);
	assert_int_equal(hub->n_registered, 0);
	c.auth = "secret";
	stranger_says(hub, &a->nbma, &c);
	assert_int_equal(hub->n_registered, 1);
	sim_free(s);
}

/* Nothing rests on it when its question is answered. */
static void
test_asking_stranger_is_forgotten(void **state)
{
	struct sim *s = clear_sim(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	struct addr dst = sim_lan(a, 1);
	struct craft c = resolution(b, &dst);

	(void)state;
	sim_set(a);
	sim_run(s, 100);
	stranger_says(a, &b->nbma, &c);
	assert_int_not_equal(sim_number(a, b), 0);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REPLY], 1);
	sim_run(s, 130000);
	assert_int_equal(sim_number(a, b), 0);
	sim_free(s);
}

/* The tunnel is gone before dmvpn-gre has made the server's peer. */
static void
test_peer_of_a_tunnel_that_went(void **state)
{
	struct sim *s = clear_sim(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	sim_set(a);
	nhrp_engine_wake(a->g, s->now);
	assert_int_equal(a->n_peers, 1);
	assert_int_equal(nhrp_engine_delete(a->g, s->now, "dmvpn0", NULL), 0);
	sim_run(s, 130000);
	assert_int_equal(sim_number(a, hub), 0);
	sim_free(s);
}

/* m answers for b, over the hub that both are registered with. */
static void
test_reply_for_another(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *m = &s->sites[3];
	struct craft c = resolution(a, &b->tunnel);
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.type = NHRP_RESOLUTION_REPLY;
	c.prefix = 32;
	for (i = 0; i < 2; i++) {
		c.cie_nbma = m->nbma;
		c.cie_proto = i == 0 ? m->tunnel : b->tunnel;
		into(hub, m, &c);
		assert_int_equal(sim_counter(hub, "source-of-another"),
		    i + 1);
	}
	into(hub, b, &c);
	assert_int_equal(sim_counter(hub, "forwarded"), 1);
	sim_free(s);
}

/* Without certificates: an answer that would take the server's address. */
static void
test_answer_over_the_server(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *b = &s->sites[2],
	    *a = &s->sites[3];
	struct nhrp_resolve r = { .interface = "dmvpn0",
	    .address = b->tunnel };
	struct craft c;
	size_t i;

	(void)state;
	for (i = 0; i < s->n; i++) {
		s->sites[i].conf.need_blocks = false;
		s->sites[i].n_blocks = 0;
	}
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
	c = resolution(a, &b->tunnel);
	c.type = NHRP_RESOLUTION_REPLY;
	c.id = a->last_sent.id;
	c.prefix = 30;			/* 10.9.0.0/30 has the hub */
	c.cie_nbma = b->nbma;
	c.cie_proto = b->tunnel;
	into(a, hub, &c);
	sim_run(s, 500);
	assert_int_equal(a->n_routes, 0);
	assert_int_equal(a->n_connect, 0);
	assert_ptr_equal(sim_leads(a, &hub->tunnel), hub);
	sim_free(s);
}

static void
test_shortcuts_switched_off(void **state)
{
	struct sim *s = two_networks();
	struct sim_site *a = &s->sites[1];

	(void)state;
	sim_set(a);
	assert_int_equal(a->n_routes, 2);
	a->conf.shortcut = false;
	sim_set(a);
	assert_int_equal(a->n_routes, 0);
	assert_int_equal(a->n_short_down, 2);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("one of two shortcuts ends, their connection stays",
		    test_one_of_two_ends),
		TEST("both networks behind a peer are adopted and refreshed",
		    test_two_networks_are_adopted),
		TEST("adopted routes end with their peer",
		    test_adopted_routes_end),
		TEST("NHRP-09: adopted routes are judged by the certificate",
		    test_adopted_routes_are_judged),
		TEST("routes that stay are not put up anew",
		    test_routes_stay),
		TEST("NHRP-09: an adopted peer claims nothing before "
		    "dmvpn-ike told of it", test_adopted_peers_claim_nothing),
		TEST("addresses that lead to the server are adopted",
		    test_fills_are_adopted),
		TEST("of two ways to a server one goes: it is told at once",
		    test_two_ways_to_a_server),
		TEST("a server keeps the peer that is still there",
		    test_second_peer_goes),
		TEST("a server that is set while peers are read finds its own",
		    test_server_set_while_peers_are_read),
		TEST("a shortcut does not follow an address to another one",
		    test_shortcut_follows_the_identity),
		TEST("a shortcut is refreshed when the server is back",
		    test_refreshed_when_the_server_is_back),
		TEST("NHRP-06: strangers without the secret are told, not many",
		    test_strangers_without_the_secret),
		TEST("a stranger whose question is answered is forgotten",
		    test_asking_stranger_is_forgotten),
		TEST("a peer made for a tunnel that went is deleted",
		    test_peer_of_a_tunnel_that_went),
		TEST("NHRP-12: no spoke answers for another's address",
		    test_reply_for_another),
		TEST("no answer covers the server's tunnel address",
		    test_answer_over_the_server),
		TEST("shortcuts that are switched off end",
		    test_shortcuts_switched_off),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
