/* What one guard alone must stop: no certificate with blocks, no second
 * check, and no peer that would correct it. */
#include "nhrp_craft.h"

#include "dmvpn-nhrp/nhrp_state.h"

/* PSKs, or certificates without address blocks. */
static struct sim *
without_blocks(size_t spokes)
{
	struct sim *s = sim_new(spokes);
	size_t i;

	for (i = 0; i < s->n; i++) {
		s->sites[i].n_blocks = 0;
		s->sites[i].conf.need_blocks = false;
	}
	return s;
}

static void
test_addresses(void **state)
{
	static const struct { uint8_t a[4], prefix; } rows[] = {
		{ { 10, 9, 0, 1 }, 32 }, { { 10, 9, 0, 0 }, 32 },
		{ { 10, 9, 255, 255 }, 32 }, { { 224, 0, 0, 5 }, 32 },
		{ { 0, 0, 0, 0 }, 32 }, { { 127, 0, 0, 1 }, 32 },
		{ { 192, 168, 7, 1 }, 32 }, { { 10, 9, 0, 2 }, 31 },
	};
	struct sim *s = without_blocks(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c;
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		c = registration(a, hub);
		c.cie_proto = addr_of(rows[i].a, 4);
		c.prefix = rows[i].prefix;
		into(hub, a, &c);
		if (last_code(hub, NULL) != NHRP_CODE_PROHIBITED)
			fail_msg("row %zu was taken", i);
	}
	assert_int_equal(hub->n_registered, 1);
	/* for somebody else: it is not passed on */
	c = registration(a, hub);
	c.dst = addr_of("\x0a\x09\x4d\x4d", 4);
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.type, NHRP_ERROR_INDICATION);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_PROTOCOL);
	sim_free(s);
}

static void
test_outside_of_blocks(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);
	struct craft c = registration(a, hub);
	size_t i;

	(void)state;
	for (i = 0; i < s->n; i++)
		s->sites[i].conf.need_blocks = false;
	b->n_blocks = 1;	/* its LAN is not in its certificate */
	sim_start(s);
	sim_run(s, 1000);
	c.cie_proto = addr_of("\x0a\x09\x00\x63", 4);
	into(hub, a, &c);
	assert_int_equal(last_code(hub, NULL), NHRP_CODE_PROHIBITED);
	sim_hairpin(a, b);
	sim_run(s, 1000);
	assert_null(sim_route(a, &pb));
	assert_int_equal(a->n_short_up, 0);
	sim_free(s);
}

/* ---- answers to a resolution */

struct told {
	uint8_t		 via[4];
	uint8_t		 prefix, code;
	uint16_t	 hold;
	bool		 other;		/* for another destination */
	bool		 good;
};

static void
test_answers(void **state)
{
	static const struct told rows[] = {
		{ { 10, 9, 0, 2 }, 14, 0, 600, false, false },
		{ { 10, 9, 0, 1 }, 13, 0, 600, false, false },
		{ { 172, 16, 0, 1 }, 16, 0, 600, false, false },
		{ { 10, 9, 255, 255 }, 16, 0, 600, false, false },
		{ { 10, 9, 0, 11 }, 16, 12, 600, false, false },
		{ { 10, 9, 0, 11 }, 16, 0, 0, false, false },
		{ { 10, 9, 0, 11 }, 33, 0, 600, false, false },
		{ { 10, 9, 0, 11 }, 16, 0, 600, true, false },
		{ { 10, 9, 0, 11 }, 16, 0, 600, false, true },
	};
	struct sim *s = without_blocks(10);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[10];
	unsigned i, told = 0;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct craft c = resolution(a, &hub->tunnel);
		struct nhrp_resolve r = { .interface = "dmvpn0" };

		r.address = sim_lan(b, (uint8_t)(i + 1));
		nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
		c.type = NHRP_RESOLUTION_REPLY;
		c.id = a->last_sent.id;
		c.dst = rows[i].other ? sim_lan(b, 77) : r.address;
		c.prefix = rows[i].prefix;
		c.code = rows[i].code;
		c.hold = rows[i].hold;
		c.cie_nbma = b->nbma;
		c.cie_proto = addr_of(rows[i].via, 4);
		into(a, hub, &c);
		told += !rows[i].other && !rows[i].good;
		assert_int_equal(a->n_resolved, told + rows[i].good);
		if (a->n_connect != rows[i].good)
			fail_msg("row %u", i);
	}
	sim_free(s);
}

/* Another one's network is held by a shortcut that is up, both ways. */
static void
test_what_another_holds(void **state)
{
	static const uint8_t wider[][5] = { { 10, 2, 0, 0, 15 },
	    { 10, 3, 0, 0, 16 } };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sim *s = without_blocks(3);
		struct sim_site *a = &s->sites[1], *b = &s->sites[2],
		    *c = &s->sites[3];

		c->conf.subnets[0] = (struct prefix){
		    addr_of(wider[i], 4), wider[i][4] };
		c->conf.n_subnets = 1;
		sim_start(s);
		sim_run(s, 1000);
		sim_hairpin(a, b);
		sim_run(s, 1000);
		assert_int_equal(a->n_short_up, 1);
		sim_hairpin(a, c);
		sim_run(s, 1000);
		assert_int_equal(a->n_short_up, 1 + i);
		if (i == 0)
			assert_string_equal(a->last.code, "claim");
		sim_free(s);
	}
}

static void
test_reply_without_authentication(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = resolution(a, &hub->tunnel);
	struct nhrp_resolve r = { .interface = "dmvpn0" };
	uint64_t before;

	(void)state;
	set_auth(s, "secret");
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	r.address = sim_lan(&s->sites[2], 1);
	nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
	before = sim_counter(a, "authentication-failed");
	c.type = NHRP_RESOLUTION_REPLY;
	c.id = a->last_sent.id;
	c.dst = r.address;
	c.prefix = 16;
	c.cie_nbma = s->sites[2].nbma;
	c.cie_proto = s->sites[2].tunnel;
	into(a, hub, &c);
	assert_int_equal(sim_counter(a, "authentication-failed"),
	    before + 1);
	assert_int_equal(a->n_connect, 0);
	sim_free(s);
}

/* It is asked a few times, then said that nobody answers. */
static void
test_nobody_answers(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1];
	struct nhrp_resolve r = { .interface = "dmvpn0" };

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	r.address = sim_lan(&s->sites[2], 1);
	nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
	sim_run(s, 120000);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], NHRP_ASK_TRIES);
	assert_int_equal(a->n_resolved, 1);
	assert_int_equal(a->entry.kind, NHRP_KIND_NEGATIVE);
	sim_free(s);
}

/* A spoke does not answer a peer for somebody else. */
static void
test_asked_for_another(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	struct addr dst = sim_lan(a, 1);
	struct craft c;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_link(b, a, "", "");
	sim_run(s, 20);
	c = resolution(&s->sites[3], &dst);
	into(a, b, &c);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REPLY], 0);
	c = resolution(b, &dst);
	into(a, b, &c);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REPLY], 1);
	sim_free(s);
}

/* ---- the hub */

static void
test_routes_that_hide_the_hub(void **state)
{
	static const uint8_t blocks[][5] = { { 10, 9, 0, 0, 16 },
	    { 10, 0, 0, 0, 16 }, { 10, 9, 0, 0, 28 }, { 10, 0, 0, 0, 8 } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct sim *s = sim_new(2);
		struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

		hub->conf.routes = true;
		hub->conf.n_subnets = 1;
		hub->conf.subnets[0] = sim_subnet(hub);
		a->blocks[1] = (struct prefix){ addr_of(blocks[i], 4),
		    blocks[i][4] };
		sim_start(s);
		sim_run(s, 1000);
		assert_int_equal(hub->n_registered, 2);
		assert_int_equal(hub->n_routes, 1);	/* the other's */
		sim_free(s);
	}
}

/* One hop less, and its own record. */
static void
test_a_hop_is_counted_and_recorded(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct addr dst = sim_lan(&s->sites[2], 1);
	struct craft c = resolution(a, &dst);
	struct nhrp_ext ext;
	struct nhrp_cie cie;
	struct nhrp n;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.hops = 9;
	craft(&c);
	sim_inject(hub, sim_number(hub, a), c.b, c.len);
	while (hub->n_sent[NHRP_RESOLUTION_REQUEST] == 0)
		sim_run(s, 1);
	assert_int_equal(nhrp_parse(rbuf_of(hub->last_bytes, hub->last_len),
	    &n, NULL), 0);
	assert_int_equal(n.type, NHRP_RESOLUTION_REQUEST);
	assert_int_equal(n.hops, 8);
	assert_true(nhrp_ext_find(&n, NHRP_EXT_FORWARD, &ext));
	assert_int_equal(nhrp_cie_next(&n, &ext.value, &cie, NULL), 1);
	assert_true(addr_equal(&cie.proto, &hub->tunnel));
	sim_free(s);
}

/* Whoever was told of a spoke hears that it is elsewhere now. */
static void
test_who_was_told_hears_of_a_move(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	unsigned before;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	before = hub->n_sent[NHRP_PURGE_REQUEST];
	b->nbma = addr_of("\xc6\x33\x64\x07", 4);
	sim_link(b, hub, "hub", "dpd");
	sim_run(s, 2000);
	assert_true(hub->n_sent[NHRP_PURGE_REQUEST] > before);
	assert_int_equal(hub->n_unregistered, 0);
	sim_free(s);
}

/* What was adopted ends when it would have ended. */
static void
test_adopted_registrations_end_in_time(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0];

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	s->loss = 100;
	sim_run(s, 300000);
	sim_restart(hub);
	sim_run(s, 1000);
	assert_int_equal(hub->n_unregistered, 0);
	sim_run(s, 500000);	/* what dmvpn-gre says is left */
	assert_int_equal(hub->n_unregistered, 3);
	sim_free(s);
}

/* A purge is said again until it is answered, but not for ever. */
static void
test_purges_are_repeated(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	unsigned first;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	first = hub->n_sent[NHRP_PURGE_REQUEST];
	s->loss = 100;
	sim_unlink(b, hub);
	sim_run(s, 60000);
	assert_in_range(hub->n_sent[NHRP_PURGE_REQUEST] - first, 3,
	    1 + NHRP_ASK_TRIES);
	sim_free(s);
}

/* From and to one peer there is no shorter way. */
static void
test_no_redirect_to_the_same_peer(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	uint8_t ip[28] = { 0x45, 0, 0, 84, 0, 0, 0, 0, 63, 1, 0, 0, 10, 1, 0,
	    1, 10, 2, 0, 1 };
	struct gre_hairpin m = { .interface = "dmvpn0",
	    .packet = rbuf_of(ip, sizeof(ip)) };
	struct addr src = sim_lan(a, 1);
	struct craft c = { .type = NHRP_TRAFFIC_INDICATION, .hops = 255,
	    .code = 1, .nbma = hub->nbma, .src = hub->tunnel, .dst = src,
	    .payload = ip, .payload_len = sizeof(ip) };

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	m.from = m.to = sim_number(hub, a);
	nhrp_engine_event(hub->g, s->now, &gre_hairpin_type, &m);
	assert_int_equal(hub->n_redirect_out, 0);
	m.to = sim_number(hub, &s->sites[2]);
	nhrp_engine_event(hub->g, s->now, &gre_hairpin_type, &m);
	assert_int_equal(hub->n_redirect_out, 1);
	sim_run(s, 1000);
	/* codes other than 0 are for others than us */
	ip[17] = 3;
	into(a, hub, &c);
	assert_int_equal(sim_counter(a, "redirects-received"), 2);
	assert_int_equal(sim_counter(a, "redirects-ignored"), 1);
	sim_free(s);
}

/* ---- a spoke's registration */

static void
test_replies_that_are_not_ours(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);
	uint32_t id;

	(void)state;
	s->mute_hub = true;
	sim_start(s);
	sim_run(s, 300);
	assert_int_equal(a->n_up, 0);
	id = a->last_sent.id;
	c.type = NHRP_REGISTRATION_REPLY;
	c.id = id + 1;
	into(a, hub, &c);
	c.id = id;
	c.src = s->sites[2].tunnel;
	into(a, hub, &c);
	assert_int_equal(a->n_up, 0);
	c.src = a->tunnel;
	into(a, hub, &c);
	assert_int_equal(a->n_up, 1);
	sim_free(s);
}

/* Not every peer may say that it is our server. */
static void
test_a_server_that_is_none(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	hub->blocks[0] = prefix_host(&s->sites[2].tunnel);
	sim_start(s);
	sim_run(s, 2000);
	assert_int_equal(a->n_up, 0);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], 0);
	assert_string_equal(a->last.code, "untrusted");
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("NHRP-09: addresses are judged without certificates too",
		    test_addresses),
		TEST("NHRP-09: nothing outside of the blocks, needed or not",
		    test_outside_of_blocks),
		TEST("NHRP-14: what an answer may say", test_answers),
		TEST("NHRP-09: what is behind one peer is not behind another",
		    test_what_another_holds),
		TEST("NHRP-06: an answer without authentication",
		    test_reply_without_authentication),
		TEST("a resolution that nobody answers ends",
		    test_nobody_answers),
		TEST("a spoke does not answer a peer for another",
		    test_asked_for_another),
		TEST("NHRP-09: routes that would hide the hub are not made",
		    test_routes_that_hide_the_hub),
		TEST("NHRP-16: a hop is counted and recorded",
		    test_a_hop_is_counted_and_recorded),
		TEST("NHRP-12: who was told hears of a move",
		    test_who_was_told_hears_of_a_move),
		TEST("adopted registrations end in time",
		    test_adopted_registrations_end_in_time),
		TEST("NHRP-12: purges are repeated, not for ever",
		    test_purges_are_repeated),
		TEST("NHRP-15: no redirect to the same peer, no other codes",
		    test_no_redirect_to_the_same_peer),
		TEST("NHRP-21: registration replies that are not ours",
		    test_replies_that_are_not_ours),
		TEST("NHRP-21: a server whose certificate is not the server's",
		    test_a_server_that_is_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
