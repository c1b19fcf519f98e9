/* Who may say what, foreign peers, NAT, unprotected tunnels, servers that come
 * and go. */
#include "nhrp_craft.h"

static void
test_spoof(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(&s->sites[3], 1);
	unsigned replies;
	struct craft c, e;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	/* a asks in b's name, and purges b's registration */
	c = resolution(b, &dst);
	into(hub, a, &c);
	c = registration(b, hub);
	c.type = NHRP_PURGE_REQUEST;
	c.cie_proto = b->tunnel;
	into(hub, a, &c);
	c.src = a->tunnel;
	into(hub, a, &c);
	assert_int_equal(sim_counter(hub, "source-of-another"), 2);
	assert_int_equal(hub->n_unregistered, 0);
	/* and errors for a third one in b's name */
	e = (struct craft){ .type = NHRP_ERROR_INDICATION, .hops = 255,
	    .nbma = a->nbma, .src = b->tunnel, .dst = s->sites[3].tunnel,
	    .payload = c.b, .payload_len = c.len };
	into(hub, a, &e);
	assert_int_equal(sim_counter(hub, "source-of-another"), 3);
	/* its own, with and without the N bit */
	replies = hub->n_sent[NHRP_PURGE_REPLY];
	c.cie_proto = a->tunnel;
	c.flags = NHRP_P_NO_REPLY;
	into(hub, a, &c);
	assert_int_equal(hub->n_unregistered, 1);
	assert_int_equal(hub->n_sent[NHRP_PURGE_REPLY], replies);
	sim_free(s);
}

/* c speaks for b's networks: over the hub in its own name, then straight to
 * a in b's name. */
static void
test_purge_of_another(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *m = &s->sites[3];
	struct prefix pb = sim_subnet(b);
	struct craft c = registration(m, hub);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	c.type = NHRP_PURGE_REQUEST;
	c.dst = a->tunnel;
	c.cie_proto = pb.addr;
	c.prefix = pb.len;
	into(hub, m, &c);
	assert_non_null(sim_route(a, &pb));
	c.cie_proto = b->tunnel;
	c.prefix = 32;
	into(hub, m, &c);
	assert_non_null(sim_route(a, &pb));
	sim_link(m, a, "", "");
	sim_run(s, 20);
	c.src = b->tunnel;
	into(a, m, &c);
	assert_non_null(sim_route(a, &pb));
	/* b itself may */
	into(a, b, &c);
	assert_null(sim_route(a, &pb));
	sim_free(s);
}

/* RFC 2332, 5.2.1: only a stable source with a holding time is kept. */
static void
test_source_binding(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &dst);
	unsigned i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	for (i = 0; i < 3; i++) {
		c.flags = i == 0 ? 0xc002 : 0xc802;
		c.hold = i == 1 ? 0 : 600;
		into(b, hub, &c);
		sim_link(a, b, "", "");
		sim_run(s, 20);
		assert_ptr_equal(sim_leads(b, &a->tunnel),
		    i == 2 ? a : NULL);
		sim_unlink(a, b);
		sim_run(s, 20);
	}
	sim_free(s);
}

/* A reply of a NATed peer that does not know our extension. */
static void
test_foreign_nat(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev = { .address = b->tunnel };
	struct nhrp_cie cie, nat = { 0 };
	struct nhrp n;
	struct nhrp_out o;
	uint8_t buf[NHRP_MAX];

	(void)state;
	snprintf(ev.interface, sizeof(ev.interface), "dmvpn0");
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	n = a->last_sent;
	n.type = NHRP_RESOLUTION_REPLY;
	cie = (struct nhrp_cie){ .prefix = 32, .hold = 600,
	    .nbma = addr_of("\xc0\xa8\x01\x07", 4), .proto = b->tunnel };
	nat.nbma = addr_of("\xcb\x00\x71\x09", 4);
	nat.proto = b->tunnel;
	nhrp_begin(&o, buf, sizeof(buf), &n);
	nhrp_put_cie(&o, &cie);
	nhrp_ext_open(&o, NHRP_EXT_NAT, false);
	nhrp_put_cie(&o, &nat);
	nhrp_ext_close(&o);
	assert_int_equal(nhrp_end(&o, NULL), 0);
	sim_inject(a, sim_number(a, hub), buf, o.w.len);
	sim_run(s, 100);
	assert_int_equal(a->n_connect, 0);
	assert_ptr_equal(sim_leads(a, &b->tunnel), hub);
	{
		struct nhrp_why q = { .address = b->tunnel };
		struct nhrp_why_reply *w = calloc(1, sizeof(*w));

		nhrp_engine_why(a->g, s->now, &q, w);
		assert_non_null(strstr(w->lines[0], "is behind a NAT"));
		free(w);
	}
	sim_free(s);
}

static void
test_victims(void **state)
{
	static const uint8_t nbma[][4] = { { 198, 18, 0, 2 },
	    { 224, 0, 0, 1 }, { 127, 0, 0, 1 }, { 0, 0, 0, 0 } };
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	unsigned i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	for (i = 0; i < 4; i++) {
		struct craft c = resolution(a, &hub->tunnel);
		struct nhrp_resolve r = { .interface = "dmvpn0" };

		r.address = sim_lan(&s->sites[2], (uint8_t)(i + 1));
		nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
		c.type = NHRP_RESOLUTION_REPLY;
		c.id = a->last_sent.id;
		c.dst = r.address;
		c.prefix = 16;
		c.cie_nbma = addr_of(nbma[i], 4);
		c.cie_proto = s->sites[2].tunnel;
		into(a, hub, &c);
		assert_int_equal(a->n_resolved, i + 1);
		assert_int_equal(a->entry.kind, NHRP_KIND_NEGATIVE);
	}
	assert_int_equal(a->n_connect, 0);
	sim_free(s);
}

static void
test_routes(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct prefix p = sim_subnet(a);

	(void)state;
	sim_routed(s);
	assert_non_null(sim_route(hub, &p));
	assert_true(addr_equal(&sim_route(hub, &p)->via, &a->tunnel));
	assert_int_equal(hub->n_routes, 2);
	sim_unlink(a, hub);
	sim_run(s, 20);
	assert_null(sim_route(hub, &p));
	assert_int_equal(hub->n_routes, 1);
	sim_free(s);
}

static void
test_use(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);
	uint64_t packets = 1;
	unsigned i;

	(void)state;
	a->conf.hold = b->conf.hold = 60;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	/* in use: refreshed, again and again */
	for (i = 0; i < 300; i += 5) {
		nhrp_engine_count(a->g, s->now, sim_number(a, b),
		    ++packets);
		sim_run(s, 5000);
	}
	assert_non_null(sim_route(a, &pb));
	assert_true(a->n_sent[NHRP_RESOLUTION_REQUEST] > 4);
	assert_int_equal(a->n_short_down, 0);
	/* quiet: it ends with its holding time */
	sim_run(s, 120 * 1000);
	assert_null(sim_route(a, &pb));
	/* and with idle, sooner */
	a->conf.idle = 10;
	sim_set(a);
	sim_run(s, 2000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	sim_run(s, 12000);
	assert_null(sim_route(a, &pb));
	sim_free(s);
}

static void
clear_site(struct sim_site *x)
{
	x->conf.profile[0] = '\0';
	x->conf.nbma = x->nbma;
	if (x->conf.n_nhs > 0) {
		x->conf.nhs[0].connection[0] = '\0';
		x->conf.nhs[0].nbma = x->sim->sites[0].nbma;
	}
}

static void
test_clear(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);
	size_t i;

	(void)state;
	for (i = 0; i < s->n; i++)
		clear_site(&s->sites[i]);
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(hub->n_registered, 2);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	assert_ptr_equal(sim_leads(a, &b->tunnel), b);
	/* the egress knows the requester's address before it answers */
	assert_int_not_equal(sim_number(b, a), 0);
	assert_ptr_equal(sim_leads(b, &a->tunnel), a);
	/* the peers that nothing needs any more go, after a while */
	assert_int_equal(nhrp_engine_delete(a->g, s->now, "dmvpn0", NULL),
	    0);
	sim_run(s, 5000);
	assert_int_equal(sim_number(a, hub), 0);
	assert_int_not_equal(sim_number(hub, a), 0);
	sim_run(s, 120 * 1000);
	assert_int_equal(sim_number(hub, a), 0);
	assert_int_not_equal(sim_number(hub, b), 0);
	sim_free(s);
}

static void
test_clear_unique(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	uint16_t hold = 1;
	struct craft c;
	size_t i;

	(void)state;
	for (i = 0; i < s->n; i++)
		clear_site(&s->sites[i]);
	sim_start(s);
	sim_run(s, 1000);
	/* without identities the unique flag decides */
	c = registration(a, hub);
	c.nbma = b->nbma;
	into(hub, b, &c);
	assert_int_equal(last_code(hub, &hold), NHRP_CODE_UNIQUE);
	assert_int_equal(hold, 0);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	c.nbma = a->nbma;
	into(hub, a, &c);	/* a again, not unique now */
	c.nbma = b->nbma;
	into(hub, b, &c);
	assert_int_equal(last_code(hub, NULL), 0);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), b);
	sim_free(s);
}

static struct addr
six(uint8_t n)
{
	uint8_t b[16] = { 0xfd, 0, 0, 9, [15] = n };

	return addr_of(b, 16);
}

/* Two spokes, each with an IPv6 address too. */
static void
six_start(struct sim *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		struct sim_site *x = &s->sites[i];

		x->conf.n_addresses = 2;
		x->conf.addresses[1].addr = six((uint8_t)(i + 1));
		x->conf.addresses[1].len = 64;
		x->blocks[1] = prefix_host(&x->conf.addresses[1].addr);
		if (i > 0) {
			x->conf.nhs[1] = x->conf.nhs[0];
			x->conf.nhs[1].address = six(1);
			x->conf.n_nhs = 2;
		}
	}
	sim_start(s);
	sim_run(s, 1000);
}

static void
test_six(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev;

	(void)state;
	six_start(s);
	assert_int_equal(hub->n_registered, 4);
	assert_int_equal(a->n_up, 2);
	ev = (struct gre_resolve){ .interface = "dmvpn0",
	    .address = six(3) };
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	assert_ptr_equal(sim_leads(a, &ev.address), hub);
	sim_run(s, 500);
	assert_ptr_equal(sim_leads(a, &ev.address), b);
	sim_free(s);
}

/* Cisco's extension on its way through the hub: a whole IPv6 address. */
static void
test_six_behind_a_nat(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct gre_resolve ev = { .interface = "dmvpn0" };
	struct addr mine = six(2);
	struct nhrp_cie cie;
	struct nhrp_ext ext;

	(void)state;
	a->nat = (struct endpoint){ addr_of("\xcb\x00\x71\x07", 4), 31000 };
	six_start(s);
	ev.address = six(3);
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	sim_run(s, SIM_DELAY);
	assert_int_equal(hub->last_sent.type, NHRP_RESOLUTION_REQUEST);
	assert_true(nhrp_ext_find(&hub->last_sent, NHRP_EXT_NAT, &ext));
	assert_int_equal(nhrp_cie_next(&hub->last_sent, &ext.value, &cie,
	    NULL), 1);
	assert_true(addr_equal(&cie.proto, &mine));
	assert_true(addr_equal(&cie.nbma, &a->nat.addr));
	assert_int_equal(cie.prefix, 128);
	sim_free(s);
}

static void
test_gone_peers(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct gre_peer row = { .encap = GRE_ENCAP_UDP, .owner = "ike" };

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	row.peer = sim_number(hub, a);
	nhrp_engine_peers_begin(hub->g, s->now);
	nhrp_engine_adopt_peer(hub->g, s->now, &row);
	nhrp_engine_peers_end(hub->g, s->now);
	assert_int_equal(hub->n_unregistered, 1);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	sim_free(s);
}

static void
test_second_server(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev = { .interface = "dmvpn0" };

	(void)state;
	/* b is a's second hub */
	b->conf.role = NHRP_ROLE_HUB;
	b->conf.n_nhs = 0;
	a->conf.n_nhs = 2;
	a->conf.nhs[1] = a->conf.nhs[0];
	a->conf.nhs[1].address = b->tunnel;
	snprintf(a->conf.nhs[1].connection,
	    sizeof(a->conf.nhs[1].connection), "hub2");
	a->conf.shortcut = false;
	sim_start(s);
	sim_link(a, b, "hub2", "dpd");
	sim_run(s, 1000);
	assert_int_equal(a->n_up, 2);
	ev.address = addr_of("\x0a\x09\x00\x63", 4);
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	assert_ptr_equal(sim_leads(a, &ev.address), hub);
	sim_unlink(a, hub);
	sim_run(s, 20);
	assert_ptr_equal(sim_leads(a, &ev.address), b);
	assert_int_equal(a->n_down, 1);
	sim_free(s);
}

/* A registration by the number that the spoke's next link will have. */
static void
overtake(struct sim_site *hub, struct sim_site *a, const struct addr *from,
    uint32_t id)
{
	struct craft c = registration(a, hub);
	struct gre_nhrp m = { .peer = (uint16_t)(hub->n_peers + 1),
	    .remote = { .addr = *from, .port = 4500 } };

	c.id = id;
	craft(&c);
	snprintf(m.interface, sizeof(m.interface), "%s",
	    hub->conf.interface);
	m.data = rbuf_of(c.b, c.len);
	nhrp_engine_event(hub->g, hub->sim->now, &gre_nhrp_type, &m);
}

static void
test_overtaking(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	unsigned replies, i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_unlink(a, hub);
	sim_run(s, 20);
	assert_int_equal(hub->n_unregistered, 1);
	/* in time, and answered when the peer is up */
	replies = hub->n_sent[NHRP_REGISTRATION_REPLY];
	overtake(hub, a, &a->nbma, 1);
	assert_int_equal(hub->n_sent[NHRP_REGISTRATION_REPLY], replies);
	sim_link(a, hub, "", "");
	sim_run(s, 20);
	assert_int_equal(hub->n_registered, 3);
	assert_int_equal(hub->n_sent[NHRP_REGISTRATION_REPLY], replies + 1);
	assert_int_equal(sim_counter(hub, "from-unknown-peer"), 0);
	/* too early; from another address; more than a few */
	overtake(hub, a, &a->nbma, 2);
	sim_run(s, 999);
	assert_int_equal(sim_counter(hub, "from-unknown-peer"), 0);
	sim_run(s, 2);
	assert_int_equal(sim_counter(hub, "from-unknown-peer"), 1);
	sim_unlink(a, hub);
	sim_run(s, 20);
	overtake(hub, a, &b->nbma, 3);
	sim_link(a, hub, "", "");
	sim_run(s, 20);
	assert_int_equal(sim_counter(hub, "from-unknown-peer"), 2);
	assert_int_equal(hub->n_registered, 3);
	for (i = 0; i < 6; i++)
		overtake(hub, a, &a->nbma, 10 + i);
	assert_int_equal(sim_counter(hub, "from-unknown-peer"), 4);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("what overtakes the word that its peer is up is heard",
		    test_overtaking),
		TEST("NHRP-12 a shortcut is not purged by a third party",
		    test_purge_of_another),
		TEST("NHRP-12 nobody purges or asks for another",
		    test_spoof),
		TEST("a source binding needs the S flag and a holding time",
		    test_source_binding),
		TEST("NHRP-22 a foreign peer behind a NAT stays on the "
		    "hub's path", test_foreign_nat),
		TEST("NHRP-14 replies that name a victim are refused",
		    test_victims),
		TEST("a hub routes certified subnets", test_routes),
		TEST("shortcuts in use are refreshed, quiet ones end",
		    test_use),
		TEST("unprotected tunnels make their own peers",
		    test_clear),
		TEST("NHRP-10 unprotected: the unique flag decides",
		    test_clear_unique),
		TEST("IPv6 on the tunnel", test_six),
		TEST("IPv6 on the tunnel, a NAT below it",
		    test_six_behind_a_nat),
		TEST("peers that dmvpn-gre forgot are gone",
		    test_gone_peers),
		TEST("a second server takes over at once",
		    test_second_server),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
