/* What changes under registrations and shortcuts that are there: the peer's
 * certificate, an answer, the word of a third one. */
#include "nhrp_craft.h"

#include "dmvpn-nhrp/nhrp_state.h"

/* The peer of x that is o comes up again, with what o's certificate says. */
static void
up_again(struct sim_site *x, struct sim_site *o)
{
	tell_up(x, sim_number(x, o), "", false);
	sim_run(x->sim, 20);
}

static void
test_certificate_without_the_address(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	up_again(hub, a);		/* the same: nothing happens */
	assert_int_equal(hub->n_unregistered, 0);
	a->blocks[0] = prefix_host(&s->sites[2].nbma);
	up_again(hub, a);
	assert_int_equal(hub->n_unregistered, 1);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), NULL);
	assert_ptr_equal(sim_leads(hub, &s->sites[2].tunnel), &s->sites[2]);
	sim_free(s);
}

static void
test_certificate_without_the_network(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct prefix p = sim_subnet(a);

	(void)state;
	sim_routed(s);
	assert_non_null(sim_route(hub, &p));
	a->n_blocks = 1;
	up_again(hub, a);
	assert_int_equal(hub->n_unregistered, 0);
	assert_null(sim_route(hub, &p));
	a->n_blocks = 2;
	up_again(hub, a);
	assert_non_null(sim_route(hub, &p));
	sim_free(s);
}

/* A resolution of a's that nobody has answered yet; its id. */
static uint32_t
asking(struct sim_site *a, const struct addr *dst)
{
	struct nhrp_resolve r = { .interface = "dmvpn0", .address = *dst };

	a->sim->mute_hub = true;
	nhrp_engine_resolve(a->g, a->sim->now, &r, 5, NULL);
	assert_int_equal(a->last_sent.type, NHRP_RESOLUTION_REQUEST);
	return a->last_sent.id;
}

/* Where the other one was seen is the server's to say. */
static void
test_seen_by_whom(void **state)
{
	struct nhrp_seen seen = { .responder = {
	    addr_of("\xcb\x00\x71\x63", 4), 4500 } };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sim *s = sim_new(3);
		struct sim_site *a = &s->sites[1], *b = &s->sites[2],
		    *teller = i == 0 ? &s->sites[0] : &s->sites[3];
		struct addr dst = sim_lan(b, 1);
		struct nhrp_cie cie = { .prefix = 16, .hold = 600,
		    .nbma = b->nbma, .proto = b->tunnel };
		struct nhrp_out o;
		uint8_t buf[NHRP_MAX];
		struct nhrp n;

		sim_start(s);
		sim_link(&s->sites[3], a, "", "");
		sim_run(s, 1000);
		s->ike_silent = true;
		asking(a, &dst);
		n = a->last_sent;
		n.type = NHRP_RESOLUTION_REPLY;
		nhrp_begin(&o, buf, sizeof(buf), &n);
		nhrp_put_cie(&o, &cie);
		nhrp_seen_put(&o, &seen);
		assert_int_equal(nhrp_end(&o, NULL), 0);
		sim_inject(a, sim_number(a, teller), buf, o.w.len);
		sim_run(s, 20);
		assert_true(addr_equal(&a->dialled.addr, i == 0 ?
		    &seen.responder.addr : &b->nbma));
		sim_free(s);
	}
}

/* The network behind a shortcut became a smaller one: what was put up for the
 * larger one is taken down. */
static void
test_an_answer_that_changed(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);
	uint64_t packets = 0;
	struct craft c;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	s->mute_hub = true;
	while (a->n_sent[NHRP_RESOLUTION_REQUEST] < 2) {
		nhrp_engine_count(a->g, s->now, sim_number(a, b),
		    ++packets);
		sim_run(s, 1000);
		assert_true(packets < 1000);
	}
	c = resolution(a, &a->last_sent.dst_proto);
	c.type = NHRP_RESOLUTION_REPLY;
	c.id = a->last_sent.id;
	c.prefix = 24;
	c.cie_nbma = b->nbma;
	c.cie_proto = b->tunnel;
	into(a, hub, &c);
	assert_null(sim_route(a, &pb));
	assert_int_equal(a->n_routes, 0);
	assert_int_equal(a->n_short_down, 1);
	sim_free(s);
}

/* A reply on its way through the hub: who was told of b's networks is known
 * from b alone. */
static void
test_a_reply_in_anothers_name(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *m = &s->sites[3];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &dst);
	const struct nhrp_binding *binding;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	binding = nhrp_binding_find(hub->g->ifaces, &b->tunnel);
	assert_non_null(binding);
	c.type = NHRP_RESOLUTION_REPLY;
	c.prefix = 16;
	c.cie_nbma = b->nbma;
	c.cie_proto = b->tunnel;
	into(hub, m, &c);
	assert_int_equal(binding->n_told, 0);
	into(hub, b, &c);
	assert_int_equal(binding->n_told, 1);
	sim_free(s);
}

/* A reply begins with all its hops, however few the request had left; what is
 * asked for is not sent back to who asks. */
static void
test_hops_and_turns(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &dst);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	c.hops = 3;
	craft(&c);
	sim_inject(hub, sim_number(hub, a), c.b, c.len);
	while (b->n_sent[NHRP_RESOLUTION_REPLY] == 0)
		sim_run(s, 1);
	assert_int_equal(b->last_sent.type, NHRP_RESOLUTION_REPLY);
	assert_int_equal(b->last_sent.hops, NHRP_HOPS);
	dst = sim_lan(a, 1);		/* it is behind a itself */
	c = resolution(a, &dst);
	c.id = 9999;
	into(hub, a, &c);
	assert_int_equal(hub->last_sent.type, NHRP_RESOLUTION_REPLY);
	assert_int_equal(last_code(hub, NULL), NHRP_CODE_NO_BINDING);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("NHRP-09: a certificate without the address any more",
		    test_certificate_without_the_address),
		TEST("NHRP-09: a certificate without the network any more",
		    test_certificate_without_the_network),
		TEST("NHRP-22: only the server says where others were seen",
		    test_seen_by_whom),
		TEST("a refreshed answer that differs takes the old down",
		    test_an_answer_that_changed),
		TEST("NHRP-12: nobody is told in another one's name",
		    test_a_reply_in_anothers_name),
		TEST("NHRP-16: hops of a reply, and no way back to the asker",
		    test_hops_and_turns),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
