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

/* In use for so long; the counters are told as often as is wanted. */
static void
use(struct sim_site *a, struct sim_site *b, uint64_t ms)
{
	struct sim *s = a->sim;
	uint64_t end = s->now + ms, packets = s->now;

	while (s->now < end) {
		uint32_t every = nhrp_engine_counts(a->g);

		assert_in_range(every, 300, 10000);
		sim_run(s, every);
		nhrp_engine_count(a->g, s->now, sim_number(a, b),
		    ++packets);
	}
}

/* a has a shortcut to b. */
static struct sim *
with_shortcut(uint16_t hold, uint16_t idle)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2];

	a->conf.hold = b->conf.hold = hold;
	a->conf.idle = idle;
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(nhrp_engine_counts(a->g), 0);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_int_equal(a->n_short_up, 1);
	return s;
}

/* A refreshed answer tells where the peer went, which is nothing new. */
static void
test_a_peer_that_moves(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sim *s = with_shortcut(60, 0);
		struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
		    *b = &s->sites[2];
		struct gre_peer_moved moved = { .peer = sim_number(a, b) };

		b->nbma = addr_of("\xc6\x12\x63\x09", 4);
		moved.remote = (struct endpoint){ b->nbma, 4500 };
		tell_up(b, sim_number(b, hub), "dpd", true);
		tell_up(hub, sim_number(hub, b), "", false);
		if (i == 0)
			tell_up(a, sim_number(a, b), "nhrp", true);
		else
			queue(a, 0, &gre_peer_moved_type, &moved);
		use(a, b, 200 * 1000);
		assert_int_equal(a->n_short_down, 0);
		assert_true(a->n_sent[NHRP_RESOLUTION_REQUEST] > 3);
		sim_free(s);
	}
}

static struct nhrp_cut *
cut_to(const struct sim_site *a, const struct sim_site *b)
{
	struct nhrp_cut *c;

	DL_FOREACH(a->g->ifaces->cuts, c)
		if (addr_equal(&c->via, &b->tunnel))
			return c;
	return NULL;
}

/* Only where it was: another peer, or one that is reached elsewhere than its
 * SA goes, stays. */
static void
test_what_does_not_move(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *a = &s->sites[1], *b = &s->sites[2],
	    *c = &s->sites[3];
	struct gre_peer_moved moved = { .remote.addr = s->sites[0].nbma };

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_hairpin(a, c);
	sim_run(s, 500);
	assert_int_equal(a->n_short_up, 2);
	cut_to(a, c)->nbma = cut_to(a, b)->nbma;
	moved.peer = sim_number(a, b);
	nhrp_engine_event(a->g, s->now, &gre_peer_moved_type, &moved);
	assert_true(addr_equal(&cut_to(a, b)->nbma.addr, &moved.remote.addr));
	assert_true(addr_equal(&cut_to(a, c)->nbma.addr, &b->nbma));
	moved.peer = sim_number(a, c);
	nhrp_engine_event(a->g, s->now, &gre_peer_moved_type, &moved);
	assert_true(addr_equal(&cut_to(a, c)->nbma.addr, &b->nbma));
	sim_free(s);
}

/* However short the time is that ends a quiet one. */
static void
test_short_times_of_what_is_used(void **state)
{
	static const struct {
		uint16_t hold, idle;
		uint32_t every;
	} rows[] = {
		{ 600, 0, 10000 }, { 600, 5, 1250 }, { 8, 0, 2000 },
		{ 600, 1, 300 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = with_shortcut(rows[i].hold, rows[i].idle);
		struct sim_site *a = &s->sites[1], *b = &s->sites[2];

		assert_int_equal(nhrp_engine_counts(a->g), rows[i].every);
		use(a, b, 60 * 1000);
		assert_int_equal(a->n_short_down, 0);
		sim_unlink(a, b);
		sim_run(s, 100);
		assert_int_equal(nhrp_engine_counts(a->g), 0);
		a->conf.idle = 0;	/* the next one has its own times */
		sim_set(a);
		sim_hairpin(a, b);
		sim_run(s, 500);
		assert_int_equal(nhrp_engine_counts(a->g), rows[i].hold == 8 ?
		    2000 : 10000);
		sim_free(s);
	}
}

static struct nhrp_nhs_status
server_of(struct sim_site *a)
{
	struct nhrp_status_reply *r = calloc(1, sizeof(*r));
	struct nhrp_nhs_status s;

	nhrp_engine_status(a->g, a->sim->now, r);
	s = r->interfaces[0].nhs[0];
	free(r);
	return s;
}

/* A certificate without the address, and back; a is refused 10 s long. */
static void
is_refused_again(struct sim_site *a, struct sim_site *hub)
{
	struct prefix own = a->blocks[0];
	unsigned n = a->n_sent[NHRP_REGISTRATION_REQUEST];

	a->blocks[0] = a->blocks[1];
	up_again(hub, a);
	tell_up(a, sim_number(a, hub), "dpd", true);
	sim_run(a->sim, 1500);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], n + 1);
	assert_false(server_of(a).up);
	sim_run(a->sim, 2400);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], n + 1);
	a->blocks[0] = own;
	up_again(hub, a);
	sim_run(a->sim, 5600);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], n + 2);
	assert_true(server_of(a).up);
}

/* Who is refused asks more and more seldom, and is down since the first. */
static void
test_refusals(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct prefix own = a->blocks[0];
	uint64_t since;
	unsigned n;

	(void)state;
	a->blocks[0] = a->blocks[1];
	sim_start(s);
	sim_run(s, 1000);
	since = server_of(a).since;
	assert_string_equal(server_of(a).reason.code,
	    "administratively-prohibited");
	n = a->n_sent[NHRP_REGISTRATION_REQUEST];
	sim_run(s, 60 * 1000);
	assert_in_range(a->n_sent[NHRP_REGISTRATION_REQUEST], n + 2, n + 5);
	sim_run(s, 540 * 1000);
	n = a->n_sent[NHRP_REGISTRATION_REQUEST];
	assert_in_range(n, 11, 25);
	assert_true(server_of(a).since == since);
	a->blocks[0] = own;
	up_again(hub, a);
	sim_run(s, 61 * 1000);
	assert_true(server_of(a).up && server_of(a).since > since);
	assert_int_equal(a->n_sent[NHRP_REGISTRATION_REQUEST], n + 1);
	is_refused_again(a, hub);
	sim_free(s);
}

/* As often refused as it is, another path to the server is a beginning; and so
 * is a success. */
static void
test_refusals_begin_anew(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct nhrp_server *server;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	server = &a->g->ifaces->servers[0];
	server->refusals = 5;
	is_refused_again(a, hub);
	assert_int_equal(server->refusals, 0);
	sim_free(s);
}

/* Nothing is taken back that is not there. */
static void
test_leaving_before_it_is_up(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *a = &s->sites[1];

	(void)state;
	s->mute_hub = true;
	sim_start(s);
	sim_run(s, 1000);
	assert_true(a->n_sent[NHRP_REGISTRATION_REQUEST] > 0);
	assert_int_equal(nhrp_engine_delete(a->g, s->now, "dmvpn0", NULL), 0);
	assert_int_equal(a->n_sent[NHRP_PURGE_REQUEST], 0);
	sim_free(s);
}

/* Two sites have one network: it leads to the one that is left. */
static void
test_one_network_of_two(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sim *s = sim_new(2);
		struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
		    *b = &s->sites[2];
		struct prefix p = sim_subnet(a);
		struct sim_site *other;

		b->blocks[1] = p;
		sim_routed(s);
		assert_non_null(sim_route(hub, &p));
		other = sim_leads(hub, &sim_route(hub, &p)->via);
		other = other == a ? b : a;
		if (i == 0)
			sim_unlink(hub, other == a ? b : a);
		else {
			(other == a ? b : a)->n_blocks = 1;
			up_again(hub, other == a ? b : a);
		}
		sim_run(s, 100);
		assert_non_null(sim_route(hub, &p));
		assert_ptr_equal(sim_leads(hub, &sim_route(hub, &p)->via),
		    other);
		assert_int_equal(nhrp_engine_delete(hub->g, s->now, "dmvpn0",
		    NULL), 0);
		assert_int_equal(hub->n_routes, 0);
		sim_free(s);
	}
}

/* Of two addresses of one peer, the one that is asked for ends. */
static void
test_told_of_one_of_two(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr second = addr_of("\x0a\x09\x05\x05", 4);
	struct nhrp_iface *f;
	struct craft c;

	(void)state;
	b->n_blocks = 3;
	b->blocks[2] = prefix_host(&second);
	sim_start(s);
	sim_run(s, 1000);
	f = hub->g->ifaces;
	c = registration(b, hub);
	c.src = second;
	into(hub, b, &c);
	assert_non_null(nhrp_binding_find(f, &second));
	c = resolution(a, &second);
	craft(&c);
	sim_inject(hub, sim_number(hub, a), c.b, c.len);
	sim_run(s, SIM_DELAY);
	assert_int_equal(nhrp_binding_find(f, &second)->n_told, 1);
	assert_int_equal(nhrp_binding_find(f, &b->tunnel)->n_told, 0);
	sim_free(s);
}

/* And so when a network is asked for that leads to it. */
static void
test_told_of_the_one_that_leads(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct addr second = addr_of("\x0a\x09\x05\x05", 4);
	struct addr dst = sim_lan(b, 1);
	struct nhrp_iface *f;
	struct craft c;

	(void)state;
	b->n_blocks = 3;
	b->blocks[2] = prefix_host(&second);
	sim_routed(s);
	f = hub->g->ifaces;
	c = registration(b, hub);
	c.src = second;
	into(hub, b, &c);
	c = resolution(a, &dst);
	craft(&c);
	sim_inject(hub, sim_number(hub, a), c.b, c.len);
	sim_run(s, 2 * SIM_DELAY);
	assert_int_equal(nhrp_binding_find(f, &second)->n_told, 1);
	assert_int_equal(nhrp_binding_find(f, &b->tunnel)->n_told, 0);
	sim_free(s);
}

/* Who asks for us after we gave up on it is looked at with fresh eyes. */
static void
test_refused_then_asked(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct nhrp_resolve r = { .interface = "dmvpn0",
	    .address = b->tunnel };
	struct addr dst = sim_lan(a, 1);
	struct craft c = resolution(b, &dst);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	s->ike_fails = true;
	nhrp_engine_resolve(a->g, s->now, &r, 5, NULL);
	sim_run(s, 100);
	assert_int_equal(cut_to(a, b)->state, NHRP_CUT_REFUSED);
	assert_true(cut_to(a, b)->why[0] != '\0');
	s->ike_silent = true;
	into(a, hub, &c);
	assert_int_equal(cut_to(a, b)->state, NHRP_CUT_PASSIVE);
	assert_string_equal(cut_to(a, b)->why, "");
	assert_null(cut_to(a, b)->reason);
	assert_true(cut_to(a, b)->started > s->now - 100);
	sim_free(s);
}

/* A clear peer of another tunnel is nobody on a protected one. */
static void
test_a_clear_peer_on_a_protected_tunnel(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *b = &s->sites[2];
	struct nhrp_interface_set conf = hub->conf;
	struct gre_nhrp ev = { .remote.addr = b->nbma };
	struct craft c = registration(b, hub);
	struct nhrp_iface *f;

	(void)state;
	sim_set(hub);
	snprintf(conf.interface, sizeof(conf.interface), "dmvpn1");
	conf.profile[0] = '\0';
	conf.nbma = hub->nbma;
	assert_int_equal(nhrp_engine_set(hub->g, s->now, &conf, NULL), 0);
	craft(&c);
	ev.data = rbuf_of(c.b, c.len);
	snprintf(ev.interface, sizeof(ev.interface), "dmvpn1");
	nhrp_engine_event(hub->g, s->now, &gre_nhrp_type, &ev);
	sim_run(s, 100);
	f = nhrp_iface_find(hub->g, "dmvpn1");
	assert_int_equal(f->n_bindings, 1);
	assert_true(addr_equal(&hub->peer_local.addr, &hub->nbma));
	snprintf(ev.interface, sizeof(ev.interface), "dmvpn0");
	nhrp_engine_event(hub->g, s->now, &gre_nhrp_type, &ev);
	ev.peer = f->bindings->node->peer;
	nhrp_engine_event(hub->g, s->now, &gre_nhrp_type, &ev);
	sim_run(s, 100);
	assert_int_equal(nhrp_iface_find(hub->g, "dmvpn0")->n_bindings, 0);
	assert_int_equal(sim_counter(hub, "from-unknown-peer"), 2);
	/* and stated again it leaves from the same address */
	memset(&hub->peer_local, 0, sizeof(hub->peer_local));
	nhrp_engine_restate(hub->g, s->now);
	assert_true(addr_equal(&hub->peer_local.addr, &hub->nbma));
	sim_free(s);
}

/* What came unprotected does not stay when the tunnel is protected. */
static void
test_a_tunnel_becomes_protected(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		s->sites[i].conf.profile[0] = '\0';
		s->sites[i].conf.nbma = s->sites[i].nbma;
	}
	a->conf.nhs[0].connection[0] = '\0';
	a->conf.nhs[0].nbma = hub->nbma;
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(hub->g->ifaces->n_bindings, 1);
	snprintf(hub->conf.profile, sizeof(hub->conf.profile), "p");
	sim_set(hub);
	assert_int_equal(hub->g->ifaces->n_bindings, 0);
	assert_null(sim_leads(hub, &a->tunnel));
	sim_free(s);
}

/* The server forgets the address that is ours no more. */
static void
test_another_tunnel_address(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];
	struct addr old = a->tunnel, next = addr_of("\x0a\x09\x05\x05", 4);

	(void)state;
	a->n_blocks = 3;
	a->blocks[2] = prefix_host(&next);
	sim_start(s);
	sim_run(s, 1000);
	sim_set(a);			/* the same: nothing happens */
	sim_run(s, 1000);
	assert_int_equal(hub->n_unregistered, 0);
	a->conf.addresses[0].addr = next;
	sim_set(a);
	sim_run(s, 1000);
	assert_null(sim_leads(hub, &old));
	assert_ptr_equal(sim_leads(hub, &next), a);
	assert_int_equal(hub->g->ifaces->n_bindings, 1);
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
		TEST("a shortcut whose peer moved is refreshed",
		    test_a_peer_that_moves),
		TEST("a shortcut moves with its own peer only",
		    test_what_does_not_move),
		TEST("what is used stays, however short the times are",
		    test_short_times_of_what_is_used),
		TEST("NHRP-21: who is refused asks more and more seldom",
		    test_refusals),
		TEST("NHRP-21: refusals are counted anew",
		    test_refusals_begin_anew),
		TEST("a registration that is not there is not taken back",
		    test_leaving_before_it_is_up),
		TEST("a network of two sites leads to the one that is left",
		    test_one_network_of_two),
		TEST("NHRP-12: told of the address that was asked for",
		    test_told_of_one_of_two),
		TEST("NHRP-12: told of the address that leads there",
		    test_told_of_the_one_that_leads),
		TEST("who was refused and asks is looked at afresh",
		    test_refused_then_asked),
		TEST("NHRP-24: a clear peer is nobody on a protected tunnel",
		    test_a_clear_peer_on_a_protected_tunnel),
		TEST("NHRP-24: what came in clear ends with protection",
		    test_a_tunnel_becomes_protected),
		TEST("another tunnel address: the old one is taken back",
		    test_another_tunnel_address),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
