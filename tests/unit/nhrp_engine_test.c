/* The NHRP engine: a hub and spokes in one process. */
#include "nhrp_sim.h"
#include "nhrp_sim_body.h"

#include <time.h>

#define TEST(name, fn) { name, fn, NULL, NULL, NULL }

static void
test_register(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(hub->n_registered, 2);
	assert_int_equal(a->n_up, 1);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	assert_true(sim_map(hub, &a->tunnel)->multicast);
	assert_ptr_equal(sim_leads(a, &hub->tunnel), hub);
	assert_true(sim_map(a, &hub->tunnel)->multicast);
	sim_free(s);
}

static void
test_backoff(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *a = &s->sites[1];
	unsigned i, n;

	(void)state;
	s->mute_hub = true;
	sim_start(s);
	sim_run(s, 2 * 3600 * 1000);
	n = a->n_sent[NHRP_REGISTRATION_REQUEST];
	assert_in_range(n, 100, 300);
	for (i = n - 60; i + 1 < n; i++) {
		uint64_t gap = a->sent_at[(i + 1) % 64] -
		    a->sent_at[i % 64];

		assert_in_range(gap, 30000, 60000);
		assert_int_equal(a->sent_id[i % 64],
		    a->sent_id[(i + 1) % 64]);
	}
	assert_string_equal(a->last.code, "no-answer");
	s->mute_hub = false;
	sim_run(s, 61000);
	assert_int_equal(a->n_up, 1);
	sim_free(s);
}

static void
test_refresh(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_run(s, 200 * 1000);		/* a third of 600 s */
	assert_int_equal(hub->n_registered, 2);
	assert_int_not_equal(a->sent_id[0], a->sent_id[1]);
	sim_run(s, 3600 * 1000);
	assert_int_equal(hub->n_unregistered, 0);
	assert_int_equal(a->n_up, 1);
	sim_free(s);
}

static void
test_expiry(void **state)
{
	struct sim *s = sim_new(1);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1];

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	s->mute_hub = true;
	sim_run(s, 601 * 1000);
	assert_int_equal(hub->n_unregistered, 1);
	assert_null(sim_leads(hub, &a->tunnel));
	assert_int_equal(a->n_down, 1);
	sim_free(s);
}

static void
test_shortcut(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct prefix pa = sim_subnet(a), pb = sim_subnet(b);
	struct nhrp_why w = { .address = sim_lan(b, 9) };
	struct nhrp_why_reply *why = calloc(1, sizeof(*why));

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_int_equal(hub->n_redirect_out, 1);
	assert_int_equal(a->n_short_up, 1);
	assert_non_null(sim_route(a, &pb));
	assert_true(addr_equal(&sim_route(a, &pb)->via, &b->tunnel));
	assert_ptr_equal(sim_leads(a, &b->tunnel), b);
	/* the requester's address is bound at the other end too */
	assert_ptr_equal(sim_leads(b, &a->tunnel), a);
	/* the way back uses the same SA */
	sim_hairpin(b, a);
	sim_run(s, 500);
	assert_non_null(sim_route(b, &pa));
	assert_int_equal(a->n_connect, 1);
	assert_int_equal(b->n_connect, 0);
	nhrp_engine_why(a->g, s->now, &w, why);
	assert_true(why->n_lines > 2);
	assert_non_null(strstr(why->lines[0], "direct: shortcut for 10.2.0.0/"));
	free(why);
	sim_free(s);
}

static void
test_ike_down(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	sim_unlink(a, b);
	sim_run(s, 10);
	assert_null(sim_route(a, &pb));
	assert_ptr_equal(sim_leads(a, &b->tunnel), hub);
	assert_int_equal(a->n_short_down, 1);
	/* and it comes back when traffic asks for it */
	sim_run(s, 3000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	sim_free(s);
}

static void
test_need(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev = { .address = b->tunnel };

	(void)state;
	snprintf(ev.interface, sizeof(ev.interface), "dmvpn0");
	sim_start(s);
	sim_run(s, 1000);
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	/* at once through the hub, then direct */
	assert_ptr_equal(sim_leads(a, &b->tunnel), hub);
	sim_run(s, 500);
	assert_ptr_equal(sim_leads(a, &b->tunnel), b);
	assert_int_equal(a->n_routes, 0);
	sim_free(s);
}

static void
test_ike_fails(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev = { .address = b->tunnel };
	struct nhrp_resolve r = { .address = sim_lan(b, 5) };
	unsigned i;

	(void)state;
	snprintf(ev.interface, sizeof(ev.interface), "dmvpn0");
	snprintf(r.interface, sizeof(r.interface), "dmvpn0");
	s->ike_fails = true;
	sim_start(s);
	sim_run(s, 1000);
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	for (i = 0; i < 100; i++) {
		sim_hairpin(a, b);
		sim_run(s, 100);
	}
	assert_int_equal(nhrp_engine_resolve(a->g, s->now, &r, 1, NULL), 0);
	sim_run(s, 100);
	assert_int_equal(a->n_resolved, 1);
	assert_true(strcmp(a->last.text, "") != 0);
	assert_int_equal(a->n_connect, 1);
	assert_int_equal(a->n_short_up, 0);
	assert_int_equal(a->n_routes, 0);
	assert_ptr_equal(sim_leads(a, &b->tunnel), hub);
	/* the other side got through: that nobody answered is forgotten */
	sim_link(b, a, "", "");
	sim_run(s, 20);
	sim_hairpin(a, b);
	sim_run(s, 1000);
	assert_ptr_equal(sim_leads(a, &b->tunnel), b);
	assert_int_equal(a->n_connect, 1);
	sim_free(s);
}

/* Phase 2: packets to an address on the tunnel ask, nobody redirects. */
static void
test_asks_again(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct gre_resolve ev = { .address = b->tunnel };

	(void)state;
	snprintf(ev.interface, sizeof(ev.interface), "dmvpn0");
	s->ike_fails = true;
	sim_start(s);
	sim_run(s, 1000);
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	sim_run(s, 15000);
	assert_ptr_equal(sim_leads(a, &b->tunnel), hub);
	sim_run(s, 10000);
	assert_null(sim_leads(a, &b->tunnel));
	s->ike_fails = false;
	nhrp_engine_event(a->g, s->now, &gre_resolve_type, &ev);
	assert_ptr_equal(sim_leads(a, &b->tunnel), hub);
	sim_run(s, 1000);
	assert_ptr_equal(sim_leads(a, &b->tunnel), b);
	sim_free(s);
}

static void
test_claims(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *c = &s->sites[3];
	struct prefix pb = sim_subnet(b);

	(void)state;
	b->n_blocks = 1;	/* its LAN is not in its certificate */
	c->n_blocks = 0;	/* policy wants blocks */
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(c->n_up, 0);
	assert_string_equal(c->last.code, "administratively-prohibited");
	assert_null(sim_leads(hub, &c->tunnel));
	sim_hairpin(a, b);
	sim_run(s, 1000);
	assert_null(sim_route(a, &pb));
	assert_int_equal(a->n_short_up, 0);
	assert_string_equal(a->last.code, "claim");
	sim_free(s);
}

static void
test_purge(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);
	struct err e;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	assert_non_null(sim_route(a, &pb));
	/* the owner leaves: its purge has the N bit, and ends all */
	assert_int_equal(nhrp_engine_delete(b->g, s->now, "dmvpn0", &e), 0);
	assert_true(b->last_sent.type == NHRP_PURGE_REQUEST);
	assert_true(b->last_sent.flags & NHRP_P_NO_REPLY);
	assert_int_equal(b->last_sent.id, b->sent_id[0]);
	sim_run(s, 900);
	assert_int_equal(hub->n_unregistered, 1);
	assert_null(sim_leads(hub, &b->tunnel));
	assert_null(sim_route(a, &pb));
	/* b's word for its subnet and the hub's fan-out were both answered,
	 * b's registration was taken back without an answer */
	assert_int_equal(hub->n_sent[NHRP_PURGE_REQUEST], 2);
	assert_int_equal(a->n_sent[NHRP_PURGE_REPLY], 2);
	assert_int_equal(hub->n_sent[NHRP_PURGE_REPLY], 0);
	sim_free(s);
}

static void
test_roam(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	uint16_t old, now;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	old = sim_map(hub, &a->tunnel)->peer;
	/* the same identity from elsewhere, with the unique flag */
	a->nbma = addr_of("\xc6\x33\x64\x07", 4);
	sim_link(a, hub, "hub", "dpd");
	sim_run(s, 2000);
	now = sim_map(hub, &a->tunnel)->peer;
	assert_int_not_equal(old, now);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	/* another identity that claims it: 14, holding time 0 */
	b->conf.addresses[0].addr = a->tunnel;
	hub->conf.need_blocks = false;
	sim_set(hub);
	b->n_blocks = 0;
	sim_unlink(b, hub);
	sim_run(s, 10);
	sim_link(b, hub, "hub", "dpd");
	sim_set(b);
	sim_run(s, 2000);
	assert_string_equal(b->last.code, "unique-address-registered");
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	sim_free(s);
}

static void
test_restart(void **state)
{
	struct sim *s = sim_new(5);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2];
	struct prefix pb = sim_subnet(b);
	uint32_t id;
	size_t i;

	(void)state;
	sim_start(s);
	sim_run(s, 1000);
	sim_hairpin(a, b);
	sim_run(s, 500);
	id = a->sent_id[0];
	sim_restart(hub);
	sim_run(s, 50);
	assert_int_equal(hub->n_unregistered, 0);
	for (i = 1; i < s->n; i++)
		assert_ptr_equal(sim_leads(hub, &s->sites[i].tunnel),
		    &s->sites[i]);
	assert_int_equal(sim_counter(hub, "registrations"), 0);
	sim_hairpin(s->sites + 3, s->sites + 4);
	sim_run(s, 500);
	assert_int_equal(s->sites[3].n_short_up, 1);
	/* a spoke keeps its shortcut, and its request ids go on */
	sim_restart(a);
	sim_run(s, 1500);
	assert_non_null(sim_route(a, &pb));
	assert_ptr_equal(sim_leads(a, &b->tunnel), b);
	assert_true(a->sent_id[a->n_sent[NHRP_REGISTRATION_REQUEST] - 1] >
	    id);
	assert_int_equal(a->n_connect, 1);
	sim_free(s);
}

static void
test_nat(void **state)
{
	struct sim *s = sim_new(3);
	struct sim_site *hub = &s->sites[0], *a = &s->sites[1],
	    *b = &s->sites[2], *c = &s->sites[3];
	struct prefix pb = sim_subnet(b), pc = sim_subnet(c);

	(void)state;
	/* a and b behind one NAT address, c behind another */
	a->nat = (struct endpoint){ addr_of("\xcb\x00\x71\x09", 4), 4500 };
	b->nat = (struct endpoint){ addr_of("\xcb\x00\x71\x09", 4), 26967 };
	c->nat = (struct endpoint){ addr_of("\xcb\x00\x71\x0a", 4), 30001 };
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(hub->n_registered, 3);
	assert_ptr_equal(sim_leads(hub, &a->tunnel), a);
	assert_ptr_equal(sim_leads(hub, &b->tunnel), b);
	sim_hairpin(a, c);
	sim_run(s, 1000);
	/* c opened its mapping to a, then a dialled c's */
	assert_true(endpoint_equal(&c->opened, &a->nat));
	assert_non_null(sim_route(a, &pc));
	assert_ptr_equal(sim_leads(a, &c->tunnel), c);
	sim_hairpin(c, b);
	sim_run(s, 1000);
	assert_true(endpoint_equal(&b->opened, &c->nat));
	assert_non_null(sim_route(c, &pb));
	assert_ptr_equal(sim_leads(c, &b->tunnel), b);
	assert_ptr_equal(sim_leads(c, &a->tunnel), a);
	sim_free(s);
}

static void
test_lookup_default(void **state)
{
	struct sim *s = sim_new(2);
	struct sim_site *a = &s->sites[1];
	struct nhrp_resolve r = { 0 };

	(void)state;
	r.address = addr_of("\x08\x08\x08\x08", 4);
	snprintf(r.interface, sizeof(r.interface), "dmvpn0");
	sim_start(s);
	sim_run(s, 1000);
	assert_int_equal(nhrp_engine_resolve(a->g, s->now, &r, 9, NULL), 0);
	sim_run(s, 1000);
	assert_int_equal(a->n_resolved, 1);
	assert_int_equal(a->entry.kind, NHRP_KIND_NEGATIVE);
	assert_string_equal(a->last.code, "no-binding");
	sim_free(s);
}

static void
test_loss(void **state)
{
	struct sim *s = sim_new(40);
	struct prefix p;
	size_t i;
	unsigned k, up = 0;

	(void)state;
	s->loss = 30;
	sim_start(s);
	sim_run(s, 400 * 1000);
	for (i = 1; i < s->n; i++)
		assert_true(s->sites[i].n_up > 0);
	for (k = 0; k < 240 && up < 7; k++) {
		for (i = 1, up = 0; i + 1 < 9; i++) {
			p = sim_subnet(&s->sites[i + 1]);
			up += sim_route(&s->sites[i], &p) != NULL;
			sim_hairpin(&s->sites[i], &s->sites[i + 1]);
		}
		sim_run(s, 2500);
	}
	assert_int_equal(up, 7);
	sim_free(s);
}

static void
test_ten_thousand(void **state)
{
	/* An engine has room for 65,536 peers: in 4 GiB there is none for
	 * so many of them. */
	const uint64_t all = SIZE_MAX > UINT32_MAX ? 10000 : 1000;
	struct sim *s = sim_new(all);
	struct timespec a, b;
	double ms;

	(void)state;
	s->sites[0].conf.need_blocks = true;
	sim_start(s);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	while (s->head != NULL || s->sites[0].n_registered < all) {
		size_t i;

		s->now++;
		while (s->head != NULL && s->head->at <= s->now)
			deliver(s);
		if (s->now % 10 == 0)
			for (i = 0; i < s->n; i++)
				nhrp_engine_wake(s->sites[i].g, s->now);
		assert_true(s->now < 1000000 + 60000);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	ms = (double)(b.tv_sec - a.tv_sec) * 1000 +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	print_message("# registrations, both ends: %.0f ms\n", ms);
	assert_int_equal(s->sites[0].n_registered, all);
	assert_true(ms < 15000);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("a spoke registers, the hub maps it", test_register),
		TEST("registration backs off to 60 s, with one id, and never "
		    "stops", test_backoff),
		TEST("a registration is refreshed at a third of its time",
		    test_refresh),
		TEST("NHRP-19 a registration ends with its holding time",
		    test_expiry),
		TEST("a redirect makes a shortcut, and the way back uses "
		    "the same SA", test_shortcut),
		TEST("when the peer's SA goes, traffic is on the hub's path "
		    "at once", test_ike_down),
		TEST("an unknown neighbour leads to the hub, then direct",
		    test_need),
		TEST("NHRP-14 without IKE there is no shortcut, and one try",
		    test_ike_fails),
		TEST("what was refused is asked for again by a packet",
		    test_asks_again),
		TEST("NHRP-09 claims outside the certificate are refused",
		    test_claims),
		TEST("NHRP-12 a purge removes a binding everywhere",
		    test_purge),
		TEST("NHRP-10 the same identity moves, another gets 14",
		    test_roam),
		TEST("a restarted hub loses no registration, a spoke no "
		    "shortcut", test_restart),
		TEST("NHRP-22 spokes behind one NAT, and shortcuts between",
		    test_nat),
		TEST("a default route is nobody's subnet",
		    test_lookup_default),
		TEST("30 percent loss delays, and no more", test_loss),
		TEST("NHRP-20 ten thousand spokes register",
		    test_ten_thousand),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
