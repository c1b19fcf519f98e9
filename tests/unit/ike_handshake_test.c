#include "ike_sim.h"

#include <errno.h>

static void
propose(struct ike_profile_set *p, const char *ike, const char *esp)
{
	if (ike != NULL)
		snprintf(p->proposals[p->n_proposals++],
		    sizeof(p->proposals[0]), "%s", ike);
	if (esp != NULL)
		snprintf(p->esp_proposals[p->n_esp_proposals++],
		    sizeof(p->esp_proposals[0]), "%s", esp);
}

static void
two_engines_agree_on_keys_with_psk(void **state)
{
	struct sim *s = sim_new(2, 1, NULL);

	(void)state;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(s->n[0].ups, 1);
	assert_int_equal(s->n[1].ups, 1);
	assert_string_equal(s->n[0].up.identity, "b.example.org");
	assert_string_equal(s->n[1].up.identity, "a.example.org");
	assert_string_equal(s->n[0].up.connection, "to-1");
	assert_int_equal(s->n[0].up.peer, 1);
	assert_true(s->n[0].up.psk);
	assert_false(s->n[0].up.nat_local || s->n[0].up.nat_remote);
	sim_one_sa(s);
	assert_true(sim_expected(&s->n[0], &s->n[0].sa[0]));
	assert_false(sim_expected(&s->n[1], &s->n[1].sa[0]));
	/* 4 messages, and not one more in ten quiet minutes */
	assert_int_equal(s->n[0].sent + s->n[1].sent, 4);
	sim_run(s, 600000);
	assert_int_equal(s->n[0].sent + s->n[1].sent, 4);
	sim_free(s);
}

static void
each_suite_works(void **state)
{
	static const char *const suites[][2] = {
		{ "aes128gcm16-prfsha256-x25519", "aes128gcm16" },
		{ "aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384" },
		{ "chacha20poly1305-prfsha512-ecp256", "chacha20poly1305" },
		{ "aes128-sha256-modp2048", "aes128-sha256" },
		{ "aes256-sha512-modp3072", "aes256-sha256-noesn" },
		{ "aes256-sha384-modp4096", "aes256-sha256-esn" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		struct sim *s = sim_new(2, 100 + i, NULL);
		struct ike_profile_set p = sim_profile("p");

		propose(&p, suites[i][0], suites[i][1]);
		sim_set(&s->n[0], &p);
		sim_set(&s->n[1], &p);
		sim_connect(s, 0, 1);
		sim_run(s, 3000);
		sim_one_sa(s);
		sim_free(s);
	}
}

static void
another_group_is_asked_for_and_given_IKE_13(void **state)
{
	struct sim *s = sim_new(2, 2, NULL);
	struct ike_profile_set p = sim_profile("p"), q = p;

	(void)state;
	propose(&p, "aes256gcm16-prfsha384-x25519-ecp384", NULL);
	propose(&q, "aes256gcm16-prfsha384-ecp384", NULL);
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	assert_int_equal(s->n[0].sent, 3);
	sim_free(s);
}

static void
cookies_are_asked_for_and_returned_IKE_02_IKE_04(void **state)
{
	struct ike_tune tune = { .cookie_from = 1 };
	struct sim *s = sim_new(3, 3, &tune);
	struct ike_profile_set p = sim_profile("p"), q = p;

	(void)state;
	propose(&p, "aes256gcm16-prfsha384-x25519-ecp384", NULL);
	propose(&q, "aes256gcm16-prfsha384-ecp384", NULL);
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_set(&s->n[2], &q);
	s->n[2].silent = true;	/* its agent: so it stays half open */
	sim_connect(s, 2, 1);
	sim_run(s, 100);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(ike_engine_counter(s->n[1].g, IKE_C_COOKIES), 1);
	assert_int_equal(s->n[0].ups, 1);
	assert_true(s->n[0].sent <= 4);	/* RFC 7296, 2.6.1 */
	sim_free(s);
}

static enum sim_fate
many_cookies(struct sim *s, const struct sim_packet *p)
{
	static unsigned n;
	struct sim_packet c = *p;
	uint8_t octets[100];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	struct ike_chain chain = ike_chain_of(&w);
	struct ike_header h = p->h;
	uint8_t value = (uint8_t)++n;

	if (p->from != 0)
		return SIM_PASS;
	h.flags = IKE_FLAG_RESPONSE;
	ike_header_put(&w, &h);
	ike_put_notify(&chain, 0, NULL, 0, IKE_N_COOKIE, &value, 1);
	ike_header_fill(&w, chain.first, w.len);
	c.from = 1;
	c.to = 0;
	c.src = p->dst;
	c.dst = p->src;
	c.len = w.len;
	c.b = malloc(w.len);
	assert_non_null(c.b);
	memcpy(c.b, octets, w.len);
	sim_put(s, &c, 5);
	return SIM_DROP;
}

static void
endless_cookies_do_not_make_a_storm_IKE_03(void **state)
{
	struct sim *s = sim_new(2, 4, NULL);

	(void)state;
	sim_profiles(s);
	s->filter = many_cookies;
	sim_connect(s, 0, 1);
	sim_run(s, 30000);
	assert_true(s->n[0].sent < 20);
	sim_free(s);
}

static void
a_wrong_psk_is_named_IKE_26(void **state)
{
	struct sim *s = sim_new(2, 5, NULL);

	(void)state;
	s->n[0].psk = "something else";
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[0].ups + s->n[1].ups, 0);
	assert_int_equal(s->n[1].fails, 1);
	assert_string_equal(s->n[1].failed.reason.code, "wrong-psk");
	assert_string_equal(s->n[1].failed.reason.stage, "ike-auth");
	assert_string_equal(s->n[1].failed.reason.peer, "a.example.org");
	assert_string_equal(s->n[0].failed.reason.code,
	    "authentication-failed");
	assert_true(s->n[0].failed.next_try > 0);
	assert_int_equal(s->n[0].n_sa + s->n[1].n_sa, 0);
	/* it is tried again, and works when the PSK is right */
	s->n[0].psk = s->n[1].psk;
	sim_run(s, 60000);
	sim_one_sa(s);
	sim_free(s);
}

static void
no_common_ike_proposal_is_explained(void **state)
{
	struct sim *s = sim_new(2, 6, NULL);
	struct ike_profile_set p = sim_profile("p"), q = p;

	(void)state;
	propose(&p, "aes128gcm16-prfsha256-x25519", NULL);
	propose(&q, "aes256gcm16-prfsha256-x25519", NULL);
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	assert_string_equal(s->n[0].failed.reason.code, "no-proposal-chosen");
	assert_string_equal(s->n[1].failed.reason.code, "no-proposal-chosen");
	assert_string_equal(s->n[1].failed.reason.offered,
	    "aes128gcm16-prfsha256-x25519");
	assert_string_equal(s->n[1].failed.reason.wanted,
	    "aes256gcm16-prfsha256-x25519");
	assert_string_equal(s->n[1].failed.reason.difference,
	    "encr: offered aes128gcm16, wanted aes256gcm16");
	sim_free(s);
}

static void
no_common_esp_proposal_is_explained(void **state)
{
	struct sim *s = sim_new(2, 6, NULL);
	struct ike_profile_set p = sim_profile("p"), q = p;

	(void)state;
	propose(&p, NULL, "aes128gcm16");
	propose(&q, NULL, "aes256gcm16");
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[0].ups + s->n[1].ups, 0);
	assert_string_equal(s->n[0].failed.reason.code, "no-proposal-chosen");
	assert_string_equal(s->n[1].failed.reason.stage, "child");
	assert_non_null(strstr(s->n[1].failed.reason.difference,
	    "wanted aes256gcm16"));
	sim_run(s, 300);
	assert_int_equal(sim_isas(&s->n[1]), 0);
	sim_free(s);
}

static void
transport_and_tunnel_do_not_meet(void **state)
{
	struct sim *s = sim_new(2, 8, NULL);
	struct ike_profile_set p = sim_profile("p"), q = p;

	(void)state;
	p.mode = SA_MODE_TUNNEL;
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[0].ups + s->n[1].ups, 0);
	assert_string_equal(s->n[1].failed.reason.wanted, "transport");
	assert_int_equal(s->n[0].n_sa + s->n[1].n_sa, 0);
	sim_free(s);
}

static void
subnet(struct prefix *p, const char *text)
{
	assert_int_equal(prefix_parse(text, p, NULL), 0);
}

static void
tunnel_selectors_are_narrowed(void **state)
{
	struct sim *s = sim_new(2, 9, NULL);
	struct ike_profile_set p = sim_profile("p"), q;
	struct sim_sa *a, *b;

	(void)state;
	p.mode = SA_MODE_TUNNEL;
	q = p;
	p.n_local_ts = 1;
	subnet(&p.local_ts[0], "10.1.0.0/16");
	q.n_local_ts = 2;
	subnet(&q.local_ts[0], "10.2.0.0/16");
	subnet(&q.local_ts[1], "10.3.0.0/16");
	q.n_remote_ts = 1;
	subnet(&q.remote_ts[0], "10.1.2.0/24");
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	a = &s->n[0].sa[0];
	b = &s->n[1].sa[0];
	assert_int_equal(a->mode, SA_MODE_TUNNEL);
	assert_int_equal(a->n_local, 1);
	assert_int_equal(a->n_remote, 2);
	assert_int_equal(a->local[0].first.b[2], 2);
	assert_int_equal(b->n_remote, 1);
	assert_memory_equal(&a->local[0].last, &b->remote[0].last,
	    sizeof(struct addr));
	sim_free(s);
}

static void
no_common_selector_is_explained_IKE_34(void **state)
{
	struct sim *s = sim_new(2, 9, NULL);
	struct ike_profile_set p = sim_profile("p"), q;

	(void)state;
	p.mode = SA_MODE_TUNNEL;
	q = p;
	p.n_local_ts = 1;
	subnet(&p.local_ts[0], "10.1.0.0/16");
	q.n_remote_ts = 1;
	subnet(&q.remote_ts[0], "10.9.0.0/16");
	sim_set(&s->n[0], &p);
	sim_set(&s->n[1], &q);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	assert_string_equal(s->n[0].failed.reason.code, "ts-unacceptable");
	assert_string_equal(s->n[1].failed.reason.offered, "10.1.0.0/16");
	assert_string_equal(s->n[1].failed.reason.wanted, "10.9.0.0/16");
	sim_free(s);
}

static void
a_nat_is_seen_and_the_port_floats(void **state)
{
	struct sim *s = sim_new(2, 10, NULL);
	uint8_t octets[4] = { 198, 51, 100, 1 };

	(void)state;
	s->nat = 0;
	s->nat_seen = (struct endpoint){ addr_of(octets, 4), 30000 };
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(s->n[0].ups, 1);
	assert_int_equal(s->n[1].ups, 1);
	assert_true(s->n[0].up.nat_local);
	assert_false(s->n[0].up.nat_remote);
	assert_true(s->n[1].up.nat_remote);
	assert_false(s->n[1].up.nat_local);
	assert_int_equal(s->n[1].up.remote.port, 34500);
	assert_int_equal(s->n[0].up.local.port, 4500);
	assert_int_equal(s->n[0].last_set.keepalive, 20);
	assert_int_equal(s->n[1].last_set.keepalive, 0);
	sim_one_sa(s);
	sim_free(s);
}

static void
the_nat_mapping_moves_and_the_peer_follows_OPS_19(void **state)
{
	struct sim *s = sim_new(2, 10, NULL);
	uint8_t octets[4] = { 198, 51, 100, 1 };
	struct reason why;
	struct ike_sas page;

	(void)state;
	s->nat = 0;
	s->nat_seen = (struct endpoint){ addr_of(octets, 4), 30000 };
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	s->nat_seen.port = 40000;
	assert_int_equal(ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, 5,
	    &why), 0);
	sim_run(s, 1000);
	assert_int_equal(s->n[0].alive, 1);
	ike_engine_sas(s->n[1].g, s->now, 0, &page);
	assert_int_equal(page.items[0].remote.port, 44500);
	assert_int_equal(s->n[1].peers_set, 2);
	sim_free(s);
}

static void
liveness_is_answered_and_a_dead_peer_found_IKE_43(void **state)
{
	struct ike_tune tune = { .retry_total = 6000 };
	struct sim *s = sim_new(2, 11, &tune);
	struct reason why;

	(void)state;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	s->n[0].heard = s->n[1].heard = 0;
	assert_int_equal(ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, 1,
	    &why), 0);
	sim_run(s, 1000);
	assert_int_equal(s->n[0].probes, 1);
	assert_int_equal(s->n[0].alive, 1);
	/* who was asked has heard of the other as well */
	assert_int_equal(s->n[0].heard, 1);
	assert_int_equal(s->n[1].heard, 1);
	s->loss = 100;
	assert_int_equal(ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, 2,
	    &why), 0);
	sim_run(s, 7000);
	assert_int_equal(s->n[0].probes, 2);
	assert_int_equal(s->n[0].alive, 1);
	assert_int_equal(s->n[0].downs, 1);
	assert_string_equal(s->n[0].down.reason.code, "no-answer");
	/* the wire is back: up again, under the same number */
	s->loss = 0;
	sim_run(s, 40000);
	assert_int_equal(s->n[0].ups, 2);
	assert_int_equal(s->n[0].up.peer, 1);
	assert_int_equal(s->n[1].up.peer, 1);
	sim_one_sa(s);
	sim_free(s);
}

static void
an_unreachable_peer_is_tried_on(void **state)
{
	struct ike_tune tune = { .retry_total = 4000 };
	struct sim *s = sim_new(2, 12, &tune);

	(void)state;
	s->loss = 100;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 600000);
	assert_in_range(s->n[0].fails, 12, 30);	/* ever less often */
	assert_string_equal(s->n[0].failed.reason.code, "no-answer");
	assert_string_equal(s->n[0].failed.reason.stage, "ike-sa-init");
	s->loss = 0;
	sim_run(s, 40000);
	sim_one_sa(s);
	sim_free(s);
}

static void
what_this_machine_does_not_let_out_is_no_silence(void **state)
{
	struct ike_tune tune = { .retry_total = 4000 };
	struct sim *s = sim_new(2, 12, &tune);

	(void)state;
	s->n[0].unsent = ENETUNREACH;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 6000);
	assert_string_equal(s->n[0].failed.reason.code, "no-answer");
	assert_non_null(strstr(s->n[0].failed.reason.text, "nothing can be "
	    "sent to 192.0.2.2: Network is unreachable"));
	assert_non_null(strstr(s->n[0].failed.reason.fix, "a route there"));
	s->n[0].unsent = 0;
	sim_run(s, 40000);
	sim_one_sa(s);
	sim_free(s);
}

static void
a_delete_is_told_and_the_connection_comes_back(void **state)
{
	struct sim *s = sim_new(2, 13, NULL);
	struct ike_close c = { .peer = 1 };
	struct reason why;

	(void)state;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(ike_engine_close(s->n[1].g, s->now, SIM_WALL, &c,
	    &why), 0);
	sim_run(s, 100);
	assert_int_equal(s->n[0].downs, 1);
	assert_int_equal(s->n[1].downs, 1);
	assert_string_equal(s->n[0].down.reason.code, "closed-by-peer");
	assert_int_equal(sim_live(&s->n[0]) + sim_live(&s->n[1]), 0);
	assert_int_equal(s->n[0].peers_gone + s->n[1].peers_gone, 2);
	/* what is under way still counts for a while */
	assert_true(s->n[0].sa[0].grace >= 1000);
	assert_true(s->n[1].sa[0].grace >= 1000);
	sim_run(s, 40000);
	sim_one_sa(s);
	sim_free(s);
}

static void
both_begin_at_once_and_one_sa_survives(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 40; seed++) {
		struct sim *s = sim_new(2, seed, NULL);
		unsigned sent;

		s->late = seed % 2 ? 0 : 80;
		sim_profiles(s);
		sim_connect(s, 0, 1);
		if (seed % 3 == 0)
			sim_run(s, seed % 15);
		sim_connect(s, 1, 0);
		sim_run(s, 20000);
		sim_one_sa(s);
		assert_int_equal(s->n[0].downs + s->n[1].downs, 0);
		sent = s->n[0].sent + s->n[1].sent;
		sim_run(s, 600000);	/* B18: ten quiet minutes */
		assert_int_equal(s->n[0].sent + s->n[1].sent, sent);
		sim_free(s);
	}
}

static void
a_restarted_peer_replaces_its_old_sa(void **state)
{
	struct sim *s = sim_new(2, 14, NULL);
	struct ike_ops ops = { .arg = &s->n[0], .random = sim_random,
	    .local_for = sim_local_for, .send = sim_send, .call = sim_call,
	    .event = sim_event, .wanted = sim_wanted, .probed = sim_probed,
	    .note = sim_note };
	struct ike_profile_set p;

	(void)state;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	ike_engine_free(s->n[0].g);
	s->n[0].n_sa = 0;
	s->n[0].g = ike_engine_new(&ops, NULL, s->now, NULL);
	assert_non_null(s->n[0].g);
	ike_engine_gre_up(s->n[0].g, s->now, SIM_WALL);
	p = sim_profile("p");
	sim_set(&s->n[0], &p);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	assert_int_equal(s->n[1].up.peer, 1);
	assert_int_equal(s->n[1].ups, 2);
	sim_free(s);
}

static void
an_sa_that_can_not_be_installed_is_not_answered(void **state)
{
	struct sim *s = sim_new(2, 15, NULL);

	(void)state;
	s->n[1].refuse_sa = true;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[0].ups + s->n[1].ups, 0);
	assert_int_equal(s->n[0].n_sa, 0);
	s->n[1].refuse_sa = false;
	sim_run(s, 40000);
	sim_one_sa(s);
	sim_free(s);
}

static void
lost_messages_at_every_position_do_no_harm_OPS_20(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 60; seed++) {
		struct sim *s = sim_new(2, seed, NULL);

		s->loss = 30;
		s->twice = 20;
		s->late = 50;
		sim_profiles(s);
		sim_connect(s, 0, 1);
		sim_run(s, 100000);
		s->loss = 0;
		sim_run(s, 60000);
		sim_one_sa(s);
		sim_free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_engines_agree_on_keys_with_psk),
		cmocka_unit_test(each_suite_works),
		cmocka_unit_test(another_group_is_asked_for_and_given_IKE_13),
		cmocka_unit_test(
		    cookies_are_asked_for_and_returned_IKE_02_IKE_04),
		cmocka_unit_test(endless_cookies_do_not_make_a_storm_IKE_03),
		cmocka_unit_test(a_wrong_psk_is_named_IKE_26),
		cmocka_unit_test(no_common_ike_proposal_is_explained),
		cmocka_unit_test(no_common_esp_proposal_is_explained),
		cmocka_unit_test(transport_and_tunnel_do_not_meet),
		cmocka_unit_test(tunnel_selectors_are_narrowed),
		cmocka_unit_test(no_common_selector_is_explained_IKE_34),
		cmocka_unit_test(a_nat_is_seen_and_the_port_floats),
		cmocka_unit_test(
		    the_nat_mapping_moves_and_the_peer_follows_OPS_19),
		cmocka_unit_test(
		    liveness_is_answered_and_a_dead_peer_found_IKE_43),
		cmocka_unit_test(an_unreachable_peer_is_tried_on),
		cmocka_unit_test(
		    what_this_machine_does_not_let_out_is_no_silence),
		cmocka_unit_test(
		    a_delete_is_told_and_the_connection_comes_back),
		cmocka_unit_test(both_begin_at_once_and_one_sa_survives),
		cmocka_unit_test(a_restarted_peer_replaces_its_old_sa),
		cmocka_unit_test(
		    an_sa_that_can_not_be_installed_is_not_answered),
		cmocka_unit_test(
		    lost_messages_at_every_position_do_no_harm_OPS_20),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
