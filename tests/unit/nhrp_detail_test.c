/* Details of registration, resolution and purge: each is a condition that
 * holds in few cases only. */
#include "nhrp_craft.h"

#include "dmvpn-nhrp/nhrp_state.h"

static struct nhrp_server *
server(const struct sim_site *a, size_t i)
{
	return &a->g->ifaces->servers[i];
}

static struct nhrp_binding *
binding(const struct sim_site *hub, const struct sim_site *a)
{
	return nhrp_binding_find(hub->g->ifaces, &a->tunnel);
}

/* One hub and so many spokes, registered. */
static struct sim *
started(size_t spokes)
{
	struct sim *s = sim_new(spokes);

	sim_start(s);
	sim_run(s, 1000);
	return s;
}

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
	cie.nbma = hub->nbma;
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
	sim_set(a);
	sim_link(a, &s->sites[2], "dmvpn0>198.18.0.3:4500", "nhrp");
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
	struct sim *s = started(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	uint16_t peer = sim_number(hub, a);

	(void)state;
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
		TEST("NHRP-12: prefix lengths of a purge",
		    test_prefixes_of_a_purge),
		TEST("NHRP-12: a purge that another one answers",
		    test_a_purge_that_another_answers),
		TEST("NHRP-16: nothing goes back to where it came from",
		    test_nothing_turns_round),
		TEST("NHRP-22: a lie in Cisco's extension",
		    test_a_lie_in_ciscos_extension),
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
