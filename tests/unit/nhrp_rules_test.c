/* What RFC 2332 and the robustness cases demand of the engine, packet by
 * packet. */
#include "nhrp_craft.h"

static void
test_auth(void **state)
{
	static const char *const wrong[] = { NULL, "wrong!", "secre",
	    "secret1" };
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1], *to;
	size_t i;
	uint8_t type;

	(void)state;
	set_auth(s, "secret");
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(hub->n_registered, 2);
	for (i = 0; i < 4; i++)
		for (type = 1; type <= 8; type++) {
			struct craft c = registration(a, hub);
			uint64_t before;
			unsigned errors;

			sim_run(s, 1000);
			to = type == 4 || type == 8 ? a : hub;
			before = sim_counter(to, "authentication-failed");
			errors = to->n_sent[NHRP_ERROR_INDICATION];
			c.type = type;
			c.auth = wrong[i];
			c.code = 0;
			into(to, to == a ? hub : a, &c);
			errors = to->n_sent[NHRP_ERROR_INDICATION] - errors;
			if (type == NHRP_ERROR_INDICATION) {
				assert_int_equal(errors, 0);
				continue;
			}
			assert_int_equal(sim_counter(to,
			    "authentication-failed"), before + 1);
			assert_int_equal(errors, type != 8);
			if (type != 8)
				assert_int_equal(to->last_sent.code,
				    NHRP_ERR_AUTH);
			assert_null(strstr(to->last.text, "secret"));
		}
	assert_int_equal(hub->n_registered, 2);
	assert_int_equal(hub->n_unregistered, 0);
	sim_free(s);
}

static void
test_hop_by_hop_auth(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];

	(void)state;
	set_auth(s, "secret");
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_int_equal(a->n_short_up, 1);
	sim_free(s);
}

static void
test_nbma_lie(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);
	struct nhrp_cache *page = calloc(1, sizeof(*page));
	struct page p = { .after = 0 };
	size_t i;
	bool seen = false;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.nbma = s->sites[2].nbma;	/* a third party's */
	into(hub, a, &c);
	assert_int_equal(last_code(hub, NULL), 0);
	nhrp_engine_cache(hub->g, s->now, &p, page);
	for (i = 0; i < page->n_items; i++)
		if (addr_equal(&page->items[i].prefix.addr, &a->tunnel)) {
			assert_true(addr_equal(&page->items[i].nbma.addr,
			    &a->nbma));
			seen = true;
		}
	assert_true(seen);
	free(page);
	sim_free(s);
}

static void
test_addresses(void **state)
{
	static const struct { uint8_t a[4]; uint8_t prefix; } rows[] = {
		{ { 10, 9, 0, 1 }, 32 }, { { 10, 9, 0, 0 }, 32 },
		{ { 10, 9, 255, 255 }, 32 }, { { 224, 0, 0, 5 }, 32 },
		{ { 0, 0, 0, 0 }, 32 }, { { 127, 0, 0, 1 }, 32 },
		{ { 0, 0, 0, 0 }, 0 }, { { 192, 168, 7, 0 }, 24 },
		{ { 10, 9, 0, 2 }, 33 }, { { 10, 9, 0, 2 }, 129 },
		{ { 10, 9, 0, 2 }, 254 }, { { 10, 9, 0, 2 }, 16 },
		{ { 10, 9, 0, 9 }, 32 },
	};
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	uint16_t hold = 1;
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct craft c = registration(a, hub);

		c.cie_proto = addr_of(rows[i].a, 4);
		c.prefix = rows[i].prefix;
		sim_run(s, 100);
		into(hub, a, &c);
		assert_int_equal(hub->last_sent.type,
		    NHRP_REGISTRATION_REPLY);
		if (last_code(hub, &hold) != NHRP_CODE_PROHIBITED ||
		    hold != 0)
			fail_msg("row %zu was taken", i);
	}
	assert_int_equal(hub->n_registered, 2);
	assert_int_equal(hub->n_routes, 0);
	/* no entry at all is a protocol error */
	{
		struct craft c = registration(a, hub);

		c.no_cie = true;
		into(hub, a, &c);
		assert_int_equal(hub->last_sent.type, NHRP_ERROR_INDICATION);
		assert_int_equal(hub->last_sent.code, NHRP_ERR_PROTOCOL);
	}
	sim_free(s);
}

static void
test_prefix_forms(void **state)
{
	static const uint8_t ok[] = { 32, 255, 0 };
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 3; i++) {
		struct craft c = registration(a, hub);

		c.prefix = ok[i];
		into(hub, a, &c);
		assert_int_equal(last_code(hub, NULL), 0);
	}
	/* FRR's dynamic NHS: its own address as destination */
	{
		struct craft c = registration(a, hub);

		c.dst = a->tunnel;
		into(hub, a, &c);
		assert_int_equal(last_code(hub, NULL), 0);
		assert_true(addr_equal(&hub->last_sent.dst_proto,
		    &hub->tunnel));
	}
	sim_free(s);
}

static struct craft
indication(struct sim_site *hub, const struct addr *src,
    const uint8_t ip[28])
{
	return (struct craft){ .type = NHRP_TRAFFIC_INDICATION, .hops = 255,
	    .nbma = hub->nbma, .src = hub->tunnel, .dst = *src,
	    .payload = ip, .payload_len = 28 };
}

static void
test_indications(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr src = sim_lan(a, 1);
	uint8_t ip[28] = { 0x45, 0, 0, 84, 0, 0, 0, 0, 63, 1, 0, 0, 10, 1, 0,
	    1, 10, 3, 0, 1 };
	struct craft c = indication(hub, &src, ip);
	unsigned i;

	(void)state;
	s->ike_fails = true;
	sim_start(s);
	sim_run(s, 1000);
	/* from a peer that is no server */
	sim_link(b, a, "", "");
	sim_run(s, 20);
	c.src = b->tunnel;
	into(a, b, &c);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	assert_int_equal(sim_counter(a, "not-from-a-server"), 1);
	/* a cut packet inside */
	c = indication(hub, &src, ip);
	for (i = 0; i < 20; i++) {
		c.payload_len = i;
		into(a, hub, &c);
	}
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	/* to where nothing of ours goes through the tunnel */
	c = indication(hub, &src, ip);
	ip[16] = 8;
	into(a, hub, &c);
	ip[16] = 224;
	into(a, hub, &c);
	ip[16] = 10;
	ip[17] = 1;	/* our own LAN */
	into(a, hub, &c);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	/* a thousand for one flow are one question */
	ip[17] = 3;
	for (i = 0; i < 1000; i++) {
		craft(&c);
		sim_inject(a, sim_number(a, hub), c.b, c.len);
		sim_run(s, 1);
	}
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 1);
	assert_int_equal(a->n_connect, 1);
	sim_free(s);
}

static void
test_redirect_rate(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	unsigned i;

	(void)state;
	a->conf.shortcut = false;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 1000; i++) {
		sim_hairpin(a, b);
		sim_run(s, 10);
	}
	assert_in_range(hub->n_redirect_out, 4, 6);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	sim_free(s);
}

static void
test_hops(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &dst);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.hops = 0;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.type, NHRP_ERROR_INDICATION);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_HOPS);
	assert_int_equal(b->n_sent[NHRP_RESOLUTION_REPLY], 0);
	c.hops = 1;
	into(hub, a, &c);
	assert_int_equal(b->n_sent[NHRP_RESOLUTION_REPLY], 1);
	sim_free(s);
}

static void
test_loops(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &dst);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.ext = NHRP_EXT_FORWARD;
	c.compulsory = true;
	c.ext_proto = hub->tunnel;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_LOOP);
	c.ext = NHRP_EXT_RESPONDER;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_LOOP);
	assert_int_equal(sim_counter(hub, "loops"), 2);
	assert_int_equal(b->n_sent[NHRP_RESOLUTION_REPLY], 0);
	/* our own packet that comes back */
	c = resolution(hub, &dst);
	into(hub, a, &c);
	assert_int_equal(sim_counter(hub, "loops"), 3);
	assert_int_equal(hub->n_sent[NHRP_ERROR_INDICATION], 2);
	sim_free(s);
}

static void
test_errors(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft in = registration(a, hub), c;
	unsigned i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	craft(&in);
	for (i = 0; i < 20; i++) {
		c = (struct craft){ .type = NHRP_ERROR_INDICATION,
		    .hops = (uint8_t)(i % 3), .code = (uint16_t)i,
		    .nbma = a->nbma, .src = a->tunnel,
		    .dst = i % 2 ? hub->tunnel : a->tunnel,
		    .payload = in.b, .payload_len = in.len - i,
		    .ext = 0x1fff, .compulsory = true };
		into(hub, a, &c);
	}
	assert_int_equal(hub->n_sent[NHRP_ERROR_INDICATION], 0);
	assert_int_equal(hub->n_unregistered, 0);
	sim_free(s);
}

static void
test_error_reasons(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c;

	(void)state;
	s->mute_hub = true;
	sim_start(s);
	sim_run(s, 200);
	c = (struct craft){ .type = NHRP_ERROR_INDICATION, .hops = 255,
	    .code = NHRP_ERR_AUTH, .nbma = hub->nbma, .src = hub->tunnel,
	    .dst = a->tunnel, .payload = a->last_bytes,
	    .payload_len = a->last_len };
	/* another client of the server, by way of it */
	c.src.b[3] += 7;
	into(a, hub, &c);
	assert_string_not_equal(a->last.code, "authentication-failure");
	c.src = hub->tunnel;
	into(a, hub, &c);
	assert_string_equal(a->last.code, "authentication-failure");
	c.code = NHRP_ERR_LOOP_OLD;	/* FRR's number */
	into(a, hub, &c);
	assert_string_equal(a->last.code, "loop-detected-old");
	sim_free(s);
}

static void
test_caps(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr net = addr_of("\x0a\x09\x07\x00", 4);
	unsigned i, refused = 0;

	(void)state;
	a->blocks[0] = prefix_mask(&net, 16);	/* may claim them all */
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 40; i++) {
		struct craft c = registration(a, hub);
		uint8_t t[4] = { 10, 9, 7, (uint8_t)(i + 1) };

		c.cie_proto = addr_of(t, 4);
		into(hub, a, &c);
		refused += last_code(hub, NULL) == NHRP_CODE_RESOURCES;
	}
	assert_int_equal(refused, 40 - (NHRP_PEER_BINDINGS - 1));
	/* a flood is cut, and another spoke does not feel it */
	for (i = 0; i < 5000; i++) {
		struct addr dst = sim_lan(b, (uint8_t)i);
		struct craft c = resolution(a, &dst);

		craft(&c);
		sim_inject(hub, sim_number(hub, a), c.b, c.len);
	}
	sim_unlink(b, hub);
	sim_link(b, hub, "hub", "dpd");
	sim_run(s, 900);
	assert_ptr_equal(sim_leads(hub, &b->tunnel), b);
	assert_true(sim_counter(hub, "over-rate") > 4000);
	sim_free(s);
}

static void
test_hold(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.hold = 0;
	into(hub, a, &c);
	assert_int_equal(hub->n_unregistered, 1);
	assert_null(sim_leads(hub, &a->tunnel));
	c.hold = 1;
	into(hub, a, &c);
	sim_run(s, 950);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	sim_run(s, 100);
	assert_null(sim_leads(hub, &a->tunnel));
	c.hold = 65535;
	into(hub, a, &c);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	sim_free(s);
}

static void
test_codes(void **state)
{
	static const uint8_t codes[] = { 4, 5, 14, 255 };
	static const char *const names[] = { "administratively-prohibited",
	    "insufficient-resources", "unique-address-registered",
	    "unknown(255)" };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct sim *s = sim_new(2);
		struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
		    *b = &s->sites[2];
		struct craft c;

		s->mute_hub = true;
		sim_start(s);
		sim_link(b, a, "", "");
		sim_run(s, 200);
		c = registration(a, hub);
		c.type = NHRP_REGISTRATION_REPLY;
		c.id = a->sent_id[0];
		/* from one that is no server: nothing */
		into(a, b, &c);
		assert_int_equal(a->n_up + a->n_down, 0);
		c.code = codes[i];
		into(a, hub, &c);
		assert_int_equal(a->n_up, 0);
		assert_int_equal(a->n_down, 1);
		assert_string_equal(a->last.code, names[i]);
		sim_free(s);
	}
}

static void
test_strangers(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	craft(&c);
	sim_inject(hub, 0, c.b, c.len);
	sim_inject(hub, 4711, c.b, c.len);
	sim_run(s, 1020);
	assert_int_equal(sim_counter(hub, "from-unknown-peer"), 2);
	assert_int_equal(hub->n_registered, 2);
	assert_int_equal(hub->n_sent[NHRP_ERROR_INDICATION], 0);
	sim_free(s);
}

static void
test_steps(void **state)
{
	static const struct { bool hub; uint8_t type; } absent[] = {
		{ true, NHRP_REGISTRATION_REPLY },
		{ true, NHRP_TRAFFIC_INDICATION },
		{ false, NHRP_REGISTRATION_REQUEST },
	};
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 3; i++) {
		struct sim_site *x = absent[i].hub ? hub : a;
		struct craft c = registration(a, hub);
		uint64_t before = sim_counter(x, "not-for-this-role");
		uint64_t out = sim_counter(x, "sent");

		c.type = absent[i].type;
		into(x, x == hub ? a : hub, &c);
		assert_int_equal(sim_counter(x, "not-for-this-role"),
		    before + 1);
		assert_int_equal(sim_counter(x, "sent"), out);
	}
	sim_free(s);
}

static void
test_compulsory(void **state)
{
	static const uint16_t known[] = { NHRP_EXT_VENDOR, NHRP_EXT_NAT, 10 };
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct craft c = registration(a, hub);
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.ext = 99;
	into(hub, a, &c);
	assert_int_equal(last_code(hub, NULL), 0);
	c.compulsory = true;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.type, NHRP_ERROR_INDICATION);
	assert_int_equal(hub->last_sent.code, NHRP_ERR_EXTENSION);
	for (i = 0; i < 3; i++) {
		c.ext = known[i];
		into(hub, a, &c);
		assert_int_equal(last_code(hub, NULL), 0);
	}
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("NHRP-06 without our authentication: error 11 once, "
		    "never to an error, no state", test_auth),
		TEST("authentication is made anew at each hop",
		    test_hop_by_hop_auth),
		TEST("NHRP-08 the SA's address counts, not the claimed one",
		    test_nbma_lie),
		TEST("NHRP-09 addresses that nobody may register",
		    test_addresses),
		TEST("prefix lengths of Cisco old and new, FRR's dynamic "
		    "server", test_prefix_forms),
		TEST("NHRP-15 traffic indications: only a server's, only "
		    "for our flows, seldom", test_indications),
		TEST("NHRP-15 a hub redirects a pair once in 2 s",
		    test_redirect_rate),
		TEST("NHRP-16 hop count zero is error 15, one goes on",
		    test_hops),
		TEST("NHRP-16 loops are error 3", test_loops),
		TEST("NHRP-17 no error about an error", test_errors),
		TEST("error codes become reasons, FRR's numbers too",
		    test_error_reasons),
		TEST("NHRP-18 caps for one peer, none for the others",
		    test_caps),
		TEST("NHRP-19 holding times 0, 1 and 65535", test_hold),
		TEST("NHRP-21 codes 4, 5, 14 and 255 are refusals",
		    test_codes),
		TEST("NHRP-24 only authenticated peers are heard",
		    test_strangers),
		TEST("NHRP-23 what has no step is dropped", test_steps),
		TEST("NHRP-05 an unknown compulsory extension is error 1",
		    test_compulsory),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
