/* Details of registration and resolution: each is a condition that holds in
 * few cases only. */
#include "nhrp_detail.h"

/* ---- registration ---- */

/* a's registration as the hub answers it: hold, and what stands in Cisco's
 * extension. */
static void
answer(struct sim_site *a, uint16_t hold, const struct nhrp_cie *nat)
{
	struct sim_site *hub = &a->sim->sites[0];
	struct nhrp n = { .afn = NHRP_AFN_IP4, .protocol = NHRP_PROTO_IP4,
	    .hops = 255, .type = NHRP_REGISTRATION_REPLY,
	    .id = server(a, 0)->id, .src_nbma = a->nbma,
	    .src_proto = a->tunnel, .dst_proto = hub->tunnel };
	struct nhrp_cie cie = { .prefix = 32, .hold = hold };
	struct nhrp_out o;
	uint8_t b[NHRP_MAX];

	nhrp_begin(&o, b, sizeof(b), &n);
	nhrp_put_cie(&o, &cie);
	if (nat != NULL) {
		nhrp_ext_open(&o, NHRP_EXT_NAT, false);
		nhrp_put_cie(&o, nat);
		nhrp_ext_close(&o);
	}
	assert_int_equal(nhrp_end(&o, NULL), 0);
	sim_inject(a, sim_number(a, hub), b, o.w.len);
	sim_run(a->sim, 20);
	assert_true(server(a, 0)->up);
}

/* A spoke whose hub hears nothing. */
static struct sim *
unheard(uint16_t hold)
{
	struct sim *s = sim_new(1);

	s->sites[1].conf.hold = hold;
	s->mute_hub = true;
	sim_start(s);
	sim_run(s, 100);
	assert_true(server(&s->sites[1], 0)->asking);
	return s;
}

static void
test_holding_time_of_the_reply(void **state)
{
	struct sim *s = unheard(60);
	struct sim_site *a = &s->sites[1];

	(void)state;
	answer(a, 6000, NULL);
	assert_int_equal(server(a, 0)->hold, 60);
	sim_run(s, 17500);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], 1);
	sim_run(s, 2500);
	assert_true(a->n_sent[NHRP_REGISTRATION_REQUEST] > 1);
	sim_free(s);
	s = unheard(60);
	a = &s->sites[1];
	answer(a, 1, NULL);
	assert_int_equal(server(a, 0)->hold, 1);
	sim_run(s, 850);		/* a second, less a tenth by chance */
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], 1);
	sim_run(s, 200);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], 2);
	sim_free(s);
}

/* Only another address of ours is a NAT. */
static void
test_what_is_a_nat(void **state)
{
	struct sim *s = unheard(60);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct nhrp_cie cie = { .prefix = 32, .nbma = hub->nbma,
	    .proto = hub->tunnel };

	(void)state;
	answer(a, 60, &cie);		/* the hub's own, copied back */
	assert_int_equal(server(a, 0)->nat.len, 0);
	sim_free(s);
	s = unheard(60);
	a = &s->sites[1];
	cie = (struct nhrp_cie){ .prefix = 32, .nbma = a->nbma,
	    .proto = a->tunnel };
	answer(a, 60, &cie);
	assert_int_equal(server(a, 0)->nat.len, 0);
	sim_free(s);
	s = unheard(60);
	a = &s->sites[1];
	cie.nbma = s->sites[0].nbma;
	cie.proto = a->tunnel;
	answer(a, 60, &cie);
	assert_true(addr_equal(&server(a, 0)->nat, &cie.nbma));
	sim_free(s);
}

/* Without a NAT the reply has but what the request said. */
static void
test_no_nat_in_the_reply(void **state)
{
	struct sim *s = started(1);
	struct sim_site *hub = &s->sites[0];
	struct nhrp_cie cie;
	struct nhrp_ext ext;

	(void)state;
	assert_true(nhrp_ext_find(&hub->last_sent, NHRP_EXT_NAT, &ext));
	assert_int_equal(nhrp_cie_next(&hub->last_sent, &ext.value, &cie,
	    NULL), 1);
	assert_true(addr_equal(&cie.proto, &hub->tunnel));
	assert_int_equal(nhrp_cie_next(&hub->last_sent, &ext.value, &cie,
	    NULL), 0);
	assert_int_equal(binding(hub, &s->sites[1])->claimed.len, 0);
	sim_free(s);
}

/* Two hubs of a; the second is site 2. */
static struct sim *
two_hubs(bool mute)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];

	b->conf.role = NHRP_ROLE_HUB;
	b->conf.n_nhs = 0;
	a->conf.n_nhs = 2;
	a->conf.nhs[1] = a->conf.nhs[0];
	a->conf.nhs[1].address = b->tunnel;
	snprintf(a->conf.nhs[1].connection,
	    sizeof(a->conf.nhs[1].connection), "hub2");
	s->mute_hub = mute;
	sim_start(s);
	sim_link(a, b, "hub2", "dpd");
	sim_run(s, 1000);
	return s;
}

static void
test_two_servers(void **state)
{
	struct gre_resolve ev = { .interface = "dmvpn0",
	    .address = addr_of("\x0a\x09\x00\x63", 4) };
	struct sim *s = two_hubs(false);
	struct sim_site *a = &s->sites[1];
	unsigned n = a->n_sent[NHRP_REGISTRATION_REQUEST];

	(void)state;
	sim_unlink(a, &s->sites[0]);	/* the other one knows us still */
	sim_run(s, 2000);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], n);
	sim_free(s);
	s = two_hubs(true);
	a = &s->sites[1];
	assert_false(server(a, 0)->up);
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	assert_ptr_equal(sim_leads(a, &ev.address), &s->sites[2]);
	sim_free(s);
}

/* Any connection leads to a server that names none, but not a shortcut's. */
static void
test_a_server_of_any_connection(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1];

	(void)state;
	a->conf.nhs[0].connection[0] = '\0';
	a->conf.need_blocks = false;
	s->sites[2].n_blocks = 0;	/* it may be anybody */
	sim_set(a);
	sim_link(a, &s->sites[2], "dmvpn0@198.18.0.3:4500", "nhrp");
	sim_run(s, 1000);
	assert_null(server(a, 0)->node);
	sim_link(a, &s->sites[0], "whatever", "dpd");
	sim_run(s, 1000);
	assert_non_null(server(a, 0)->node);
	sim_free(s);
}

/* Over the path that it left nobody takes a registration back. */
static void
test_taken_back_over_the_old_path(void **state)
{
	struct sim *s = started(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	uint16_t old = sim_number(hub, a);
	struct craft c = registration(a, hub);

	(void)state;
	sim_link(a, hub, "hub", "dpd");
	sim_run(s, 100);
	into(hub, a, &c);		/* the new one has it */
	assert_int_equal(binding(hub, a)->node->peer, sim_number(hub, a));
	assert_int_not_equal(old, sim_number(hub, a));
	c.hold = 0;
	craft(&c);
	sim_inject(hub, old, c.b, c.len);
	sim_run(s, 20);
	assert_non_null(binding(hub, a));
	into(hub, a, &c);
	assert_null(binding(hub, a));
	sim_free(s);
}

/* Time goes by between what dmvpn-gre told and the tunnel's return. */
static void
test_adopted_late(void **state)
{
	struct sim *s = started(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct sim_map *m = sim_map(hub, &a->tunnel);
	struct gre_map_row row = { .interface = "dmvpn0", .owner = "nhrp",
	    .address = a->tunnel, .peer = m->peer, .hold = 500,
	    .blob = rbuf_of(m->blob, m->len) };
	uint64_t told = s->now;

	(void)state;
	nhrp_engine_free(hub->g);
	site_engine(hub);
	nhrp_engine_adopt_map(hub->g, s->now, &row);
	s->now += 100 * 1000;
	sim_set(hub);
	assert_true(binding(hub, a)->expires == told + 500 * 1000);
	sim_free(s);
}

/* ---- resolution ---- */

/* A packet of `from`'s that claims where the requester and the responder were
 * seen, into x. */
static void
claim_seen(struct sim_site *x, struct sim_site *from, struct craft *c,
    const struct nhrp_seen *seen)
{
	struct nhrp n = { .afn = NHRP_AFN_IP4, .protocol = NHRP_PROTO_IP4,
	    .hops = 255, .type = c->type, .flags = c->flags, .id = c->id,
	    .src_nbma = c->nbma, .src_proto = c->src, .dst_proto = c->dst };
	struct nhrp_cie cie = { .prefix = c->prefix, .hold = c->hold,
	    .nbma = c->cie_nbma, .proto = c->cie_proto };
	struct nhrp_out o;

	nhrp_begin(&o, c->b, sizeof(c->b), &n);
	nhrp_put_cie(&o, &cie);
	nhrp_seen_put(&o, seen);
	assert_int_equal(nhrp_end(&o, NULL), 0);
	sim_inject(x, sim_number(x, from), c->b, o.w.len);
	sim_run(x->sim, SIM_DELAY);
}

static const struct nhrp_seen *
victim(void)
{
	static struct nhrp_seen seen;

	seen.requester = (struct endpoint){ addr_of("\xcb\x00\x71\x63", 4),
	    4500 };
	seen.responder = seen.requester;
	return &seen;
}

/* What the last packet of x says. */
static struct nhrp_seen
said(const struct sim_site *x)
{
	struct nhrp_seen seen = { 0 };
	struct nhrp_ext ext;

	assert_true(nhrp_ext_find(&x->last_sent, NHRP_EXT_VENDOR, &ext));
	assert_true(nhrp_seen_parse(&ext, &seen));
	return seen;
}

/* A peer that asks straight away is not believed where it was seen. */
static void
test_seen_by_itself(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct craft c = resolution(b, &a->tunnel);

	(void)state;
	sim_start(s);
	sim_link(b, a, "", "");
	sim_run(s, 1000);
	claim_seen(a, b, &c, victim());
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REPLY], 1);
	assert_int_equal(a->opened.addr.len, 0);
	claim_seen(a, hub, &c, victim());
	assert_true(endpoint_equal(&a->opened, &victim()->requester));
	sim_free(s);
}

/* The hub knows better where its own spokes are, and no more than that. */
static void
test_seen_on_the_way(void **state)
{
	struct sim *s = started(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *m = &s->sites[3];
	struct addr dst = sim_lan(b, 1);
	struct craft c = resolution(a, &b->tunnel);
	struct nhrp_purge all = { .interface = "dmvpn0",
	    .prefix = prefix_host(&m->tunnel) };
	struct nhrp_seen seen;

	(void)state;
	claim_seen(hub, a, &c, victim());	/* a is behind no NAT */
	assert_int_equal(hub->last_sent.type, NHRP_RESOLUTION_REQUEST);
	assert_int_equal(said(hub).requester.addr.len, 0);
	/* a hub in between, which registers nothing, speaks for b */
	assert_int_equal(nhrp_engine_purge(hub->g, s->now, &all, NULL), 0);
	sim_run(s, 20);
	c = resolution(a, &dst);
	c.type = NHRP_RESOLUTION_REPLY;
	c.prefix = 16;
	c.cie_nbma = b->nbma;
	c.cie_proto = b->tunnel;
	nhrp_told_free(&binding(hub, b)->told, &binding(hub, b)->n_told);
	claim_seen(hub, m, &c, victim());
	assert_int_equal(hub->last_sent.type, NHRP_RESOLUTION_REPLY);
	seen = said(hub);
	assert_true(endpoint_equal(&seen.responder, &victim()->responder));
	assert_int_equal(binding(hub, b)->n_told, 0);
	sim_free(s);
}

/* With a list of subnets, what is connected and not in it is not ours. */
static void
test_subnets_that_are_listed(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	struct nhrp_resolve r = { .interface = "dmvpn0",
	    .address = sim_lan(b, 1) };
	struct addr other = addr_of("\x0a\x4d\x00\x00", 4);

	(void)state;
	b->conf.n_subnets = 1;
	b->conf.subnets[0] = prefix_mask(&other, 16);
	sim_start(s);
	sim_run(s, 1000);
	nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
	sim_run(s, 100);
	assert_int_equal(a->n_resolved, 1);
	assert_string_equal(a->last.code, "no-binding");
	sim_free(s);
}

static void
test_no_shortcut_from_a_question(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];

	(void)state;
	b->conf.shortcut = false;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_int_equal(a->n_short_up, 1);
	assert_int_equal(b->g->ifaces->n_cuts, 0);
	sim_free(s);
}

/* Two ask for the same network at once: both hear of the one shortcut. */
static void
test_two_wait_for_one(void **state)
{
	struct sim *s = started(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];
	struct nhrp_resolve r = { .interface = "dmvpn0" };
	uint8_t i;

	(void)state;
	sim_link(b, a, "", "");		/* up as soon as it is answered */
	sim_run(s, 100);
	for (i = 1; i <= 2; i++) {
		r.address = sim_lan(b, i);
		nhrp_engine_resolve(a->g, s->now, &r, i, NULL);
	}
	sim_run(s, 100);
	assert_int_equal(a->n_resolved, 2);
	assert_string_equal(a->last.code, "");
	assert_int_equal(a->n_short_up, 1);
	sim_free(s);
}

/* What the kernel sends into another tunnel is not asked for in this one. */
static void
test_a_redirect_into_another_tunnel(void **state)
{
	struct sim *s = started(2);
	struct sim_site *a = &s->sites[1];

	(void)state;
	sim_hairpin(a, &s->sites[2]);
	sim_run(s, SIM_DELAY);		/* the indication is on its way */
	snprintf(a->conf.interface, sizeof(a->conf.interface), "dmvpn9");
	sim_run(s, 100);
	assert_int_equal(sim_counter(a, "redirects-received"), 1);
	assert_int_equal(sim_counter(a, "redirects-ignored"), 1);
	assert_int_equal(a->n_sent[NHRP_RESOLUTION_REQUEST], 0);
	sim_free(s);
}

/* Cisco's extension, too, says where a is and not where it says it is. */
static void
test_a_lie_in_ciscos_extension(void **state)
{
	struct sim *s = started(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct nhrp n = { .afn = NHRP_AFN_IP4, .protocol = NHRP_PROTO_IP4,
	    .hops = 255, .type = NHRP_RESOLUTION_REQUEST, .flags = 0xc802,
	    .id = 8888, .src_nbma = a->nbma, .src_proto = a->tunnel,
	    .dst_proto = s->sites[2].tunnel };
	struct nhrp_cie cie = { .prefix = 32, .hold = 600 };
	struct nhrp_ext ext;
	struct nhrp_out o;
	uint8_t b[NHRP_MAX];

	(void)state;
	nhrp_begin(&o, b, sizeof(b), &n);
	nhrp_put_cie(&o, &cie);
	nhrp_ext_open(&o, NHRP_EXT_NAT, false);
	cie.nbma = victim()->requester.addr;
	cie.proto = a->tunnel;
	nhrp_put_cie(&o, &cie);
	nhrp_ext_close(&o);
	assert_int_equal(nhrp_end(&o, NULL), 0);
	sim_inject(hub, sim_number(hub, a), b, o.w.len);
	sim_run(s, SIM_DELAY);
	assert_int_equal(hub->last_sent.type, NHRP_RESOLUTION_REQUEST);
	assert_true(nhrp_ext_find(&hub->last_sent, NHRP_EXT_NAT, &ext));
	assert_int_equal(rbuf_left(&ext.value), 0);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("NHRP-19: the holding time of a reply",
		    test_holding_time_of_the_reply),
		TEST("NHRP-22: only another address of ours is a NAT",
		    test_what_is_a_nat),
		TEST("NHRP-22: no NAT, and none is told",
		    test_no_nat_in_the_reply),
		TEST("two servers: the second is not bothered, and is chosen",
		    test_two_servers),
		TEST("a shortcut's connection leads to no server",
		    test_a_server_of_any_connection),
		TEST("a registration is not taken back over the old path",
		    test_taken_back_over_the_old_path),
		TEST("adopted late, a registration ends in time",
		    test_adopted_late),
		TEST("NHRP-22: who asks does not say where it was seen",
		    test_seen_by_itself),
		TEST("NHRP-22: a hub says where its own spokes are",
		    test_seen_on_the_way),
		TEST("subnets that are listed are all there are",
		    test_subnets_that_are_listed),
		TEST("without shortcuts a question makes none",
		    test_no_shortcut_from_a_question),
		TEST("two wait for one shortcut", test_two_wait_for_one),
		TEST("NHRP-15: a redirect into another tunnel",
		    test_a_redirect_into_another_tunnel),
		TEST("NHRP-22: a lie in Cisco's extension",
		    test_a_lie_in_ciscos_extension),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
