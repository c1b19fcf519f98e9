#include "ike_certs.h"
#include "ike_member.h"

/* What must be refused in IKE_AUTH, with who says so. */

static void
subnet(struct prefix *p, const char *text)
{
	assert_int_equal(prefix_parse(text, p, NULL), 0);
}

static void
nobody_is_up(const struct sim *s)
{
	int i;

	for (i = 0; i < s->nodes; i++) {
		assert_int_equal(s->n[i].ups, 0);
		assert_int_equal(sim_live(&s->n[i]), 0);
	}
}

/* ---- who it is ---- */

static void
another_name_than_the_connection_wants_is_refused(void **state)
{
	struct sim *s = sim_new(2, 31, NULL);
	struct ike_connection_set c = sim_connection(s, 1);
	struct reason why;

	(void)state;
	sim_profiles(s);
	snprintf(c.peer_id, sizeof(c.peer_id), "c.example.org");
	assert_int_equal(ike_engine_connection_set(s->n[0].g, s->now,
	    SIM_WALL, &c, &why), 0);
	sim_run(s, 900);
	assert_int_equal(s->n[0].ups, 0);
	assert_int_equal(s->n[0].n_sa, 0);
	assert_string_equal(s->n[0].failed.reason.code, "wrong-name");
	assert_string_equal(s->n[0].failed.reason.offered, "b.example.org");
	assert_string_equal(s->n[0].failed.reason.wanted, "c.example.org");
	sim_free(s);
}

static void
another_name_than_the_profile_admits_is_refused_by_the_initiator(
    void **state)
{
	struct sim *s = sim_new(2, 32, NULL);
	struct ike_profile_set p = sim_profile("p");

	(void)state;
	sim_set(&s->n[1], &p);
	snprintf(p.peer_ids[p.n_peer_ids++], sizeof(p.peer_ids[0]),
	    "*.example.net");
	sim_set(&s->n[0], &p);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	assert_int_equal(s->n[0].ups, 0);
	assert_int_equal(s->n[0].n_sa, 0);
	assert_string_equal(s->n[0].failed.reason.code, "wrong-name");
	sim_free(s);
}

/* A responder's answer to AUTH that is wrong, and what it did for it. */
struct seen {
	unsigned asked;
	size_t	 octets;
	char	 code[64];
};

static void
wrong_auth(const char *id, const char *psk, struct seen *seen)
{
	struct sim *s = sim_new(2, 33, NULL);
	struct ike_profile_set p = sim_profile("p");
	size_t before;

	s->n[0].id = id;
	s->n[0].psk = psk;
	sim_set(&s->n[0], &p);
	snprintf(p.peer_ids[p.n_peer_ids++], sizeof(p.peer_ids[0]),
	    "a.example.org");
	sim_set(&s->n[1], &p);
	sim_connect(s, 0, 1);
	while (s->n[1].sent == 0)
		assert_true(sim_step(s, s->now + 500));
	before = s->n[1].sent_bytes;
	sim_run(s, 900);
	seen->asked = s->n[1].psk_asked;
	seen->octets = s->n[1].sent_bytes - before;
	snprintf(seen->code, sizeof(seen->code), "%s",
	    s->n[1].failed.reason.code);
	nobody_is_up(s);
	assert_string_equal(s->n[0].failed.reason.code,
	    "authentication-failed");
	sim_free(s);
}

static void
an_unknown_identity_and_a_wrong_psk_look_the_same_IKE_26(void **state)
{
	struct seen wrong, unknown, right;

	(void)state;
	wrong_auth("a.example.org", "no", &wrong);
	wrong_auth("z.example.org", "no", &unknown);
	wrong_auth("z.example.org", "the same everywhere", &right);
	assert_string_equal(wrong.code, "wrong-psk");
	assert_string_equal(unknown.code, "wrong-name");
	assert_string_equal(right.code, "wrong-name");
	assert_int_equal(wrong.asked, 1);
	assert_int_equal(unknown.asked, wrong.asked);
	assert_int_equal(right.asked, wrong.asked);
	assert_int_equal(unknown.octets, wrong.octets);
	assert_int_equal(right.octets, wrong.octets);
}

/* Who came up for an initiator that refused in the end closed again (RFC 7296,
 * 2.21.2). */
static void
responder_knows(struct sim *s)
{
	struct ike_sas page;

	ike_engine_sas(s->n[1].g, s->now, 0, &page);
	assert_int_equal(page.n_items, 0);
	assert_int_equal(s->n[1].ups, s->n[1].downs);
	if (s->n[1].ups > 0)
		assert_string_equal(s->n[1].down.reason.code,
		    "authentication-failed");
}

/* The peer has our identity and sends our own AUTH back. */
static void
our_own_auth_sent_back_is_refused_IKE_25(void **state)
{
	struct sim *s = sim_new(2, 34, NULL);
	unsigned same;

	(void)state;
	for (same = 0; same < 2; same++) {
		s = same ? sim_new(2, 34, NULL) : s;
		if (same)
			s->n[1].id = s->n[0].id;
		s->n[1].mirror = true;
		sim_profiles(s);
		sim_connect(s, 0, 1);
		sim_run(s, 900);
		assert_int_equal(s->n[0].ups, 0);
		assert_int_equal(s->n[0].n_sa, 0);
		assert_string_equal(s->n[0].failed.reason.code, "wrong-psk");
		responder_knows(s);
		sim_free(s);
	}
}

/* ---- how it proves that ---- */

static void
psk_and_certificates_do_not_meet(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct sim *s;
	int with;

	(void)state;
	for (with = 0; with < 2; with++) {
		s = sim_new(2, 35, NULL);
		test_enrol(&s->n[with], &ca, "P-256", with == 0 ?
		    "DNS:a.example.org" : "DNS:b.example.org", NULL, -60,
		    86400);
		sim_profiles(s);
		sim_connect(s, 0, 1);
		sim_run(s, 900);
		nobody_is_up(s);
		assert_string_equal(s->n[1].failed.reason.code,
		    "wrong-method");
		test_leave(&s->n[with]);
		sim_free(s);
	}
	test_ca_free(&ca);
}

static void
a_wrong_signature_is_refused_by_either_side_IKE_31(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct sim *s;
	int liar;

	(void)state;
	for (liar = 0; liar < 2; liar++) {
		s = test_enrolled(&ca, 36, NULL);
		s->n[liar].lie = true;
		sim_profiles(s);
		sim_connect(s, 0, 1);
		sim_run(s, 900);
		assert_int_equal(s->n[!liar].ups, 0);
		assert_int_equal(s->n[0].n_sa, 0);
		assert_string_equal(s->n[!liar].failed.reason.code,
		    "bad-signature");
		responder_knows(s);
		test_left(s);
	}
	test_ca_free(&ca);
}

static void
who_sends_no_certificate_is_refused(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct sim *s = test_enrolled(&ca, 37, NULL);

	(void)state;
	s->n[0].n_chain = 0;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	nobody_is_up(s);
	assert_string_equal(s->n[1].failed.reason.code, "no-certificate");
	test_left(s);
	test_ca_free(&ca);
}

static void
blocks_that_are_needed_are_asked_for(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct ike_profile_set p = sim_profile("p");
	struct sim *s;
	int with;

	(void)state;
	p.need_blocks = true;
	for (with = 0; with < 2; with++) {
		s = test_enrolled(&ca, 38, with ? "IPv4:192.168.2.0/24" : NULL);
		sim_set(&s->n[0], &p);
		sim_set(&s->n[1], &p);
		sim_connect(s, 0, 1);
		sim_run(s, 900);
		assert_int_equal(s->n[0].ups + s->n[1].ups, with ? 2 : 0);
		if (!with)
			assert_string_equal(s->n[1].failed.reason.code,
			    "no-blocks");
		test_left(s);
	}
	test_ca_free(&ca);
}

static void
weak_hashes_are_refused_unless_the_profile_allows_them(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct ike_profile_set p = sim_profile("p");
	struct sim *s;
	int allow;

	(void)state;
	for (allow = 0; allow < 2; allow++) {
		test_digest = EVP_sha1();
		s = test_enrolled(&ca, 39, NULL);
		test_digest = NULL;
		p.allow_weak = allow;
		sim_set(&s->n[0], &p);
		sim_set(&s->n[1], &p);
		sim_connect(s, 0, 1);
		sim_run(s, 900);
		assert_int_equal(s->n[0].ups + s->n[1].ups, allow ? 2 : 0);
		test_left(s);
	}
	test_ca_free(&ca);
}

/* ---- which profile ---- */

/* IKE_SA_INIT takes the algorithms of any; the one of the identity must have
 * them too. */
static void
a_peer_gets_no_weaker_algorithms_by_the_profile_of_others(void **state)
{
	struct sim *s = sim_new(2, 40, NULL);
	struct ike_profile_set old = sim_profile("old"), good = old;
	struct ike_profile_set mine = sim_profile("p");

	(void)state;
	snprintf(old.proposals[old.n_proposals++], sizeof(old.proposals[0]),
	    "aes128gcm16-prfsha256-x25519");
	mine.n_proposals = old.n_proposals;
	memcpy(mine.proposals, old.proposals, sizeof(mine.proposals));
	snprintf(old.peer_ids[old.n_peer_ids++], sizeof(old.peer_ids[0]),
	    "old.example.org");
	snprintf(good.profile, sizeof(good.profile), "good");
	snprintf(good.proposals[good.n_proposals++],
	    sizeof(good.proposals[0]), "aes256gcm16-prfsha384-ecp384");
	snprintf(good.peer_ids[good.n_peer_ids++], sizeof(good.peer_ids[0]),
	    "a.example.org");
	sim_set(&s->n[1], &old);
	sim_set(&s->n[1], &good);
	sim_set(&s->n[0], &mine);
	sim_connect(s, 0, 1);
	sim_run(s, 900);
	nobody_is_up(s);
	assert_string_equal(s->n[1].failed.reason.code, "wrong-name");
	sim_free(s);
}

static void
the_profile_that_suits_the_mode_is_taken(void **state)
{
	struct ike_profile_set first = sim_profile("first"), mine;
	struct ike_profile_set second = sim_profile("second");
	struct sim *s;
	int tunnel;

	(void)state;
	for (tunnel = 0; tunnel < 4; tunnel++) {
		s = sim_new(2, 41, NULL);
		mine = sim_profile("p");
		mine.mode = tunnel & 1 ? SA_MODE_TUNNEL : SA_MODE_TRANSPORT;
		first.mode = tunnel & 2 ? SA_MODE_TUNNEL :
		    SA_MODE_TRANSPORT;
		second.mode = tunnel & 2 ? SA_MODE_TRANSPORT :
		    SA_MODE_TUNNEL;
		mine.n_local_ts = mine.n_remote_ts = 1;
		subnet(&mine.local_ts[0], "10.1.0.0/16");
		subnet(&mine.remote_ts[0], "10.2.0.0/16");
		sim_set(&s->n[0], &mine);
		sim_set(&s->n[1], &first);
		sim_set(&s->n[1], &second);
		sim_connect(s, 0, 1);
		sim_run(s, 900);
		sim_one_sa(s);
		assert_string_equal(s->n[1].up.profile, first.mode ==
		    mine.mode ? "first" : "second");
		sim_free(s);
	}
}

static void
the_profile_that_suits_the_method_is_taken(void **state)
{
	struct test_ca ca = test_ca_new("root");
	struct ike_profile_set p[2] = { sim_profile("psk"),
	    sim_profile("cert") }, mine;
	struct sim *s;
	int which;

	(void)state;
	snprintf(p[0].identity, sizeof(p[0].identity), "psk");
	for (which = 0; which < 4; which++) {
		s = test_enrolled(&ca, 42, NULL);
		mine = sim_profile("p");
		if (which & 1)
			snprintf(mine.identity, sizeof(mine.identity), "psk");
		sim_set(&s->n[0], &mine);
		sim_set(&s->n[1], &p[which >> 1]);
		sim_set(&s->n[1], &p[!(which >> 1)]);
		sim_connect(s, 0, 1);
		sim_run(s, 900);
		sim_one_sa(s);
		assert_string_equal(s->n[1].up.profile, which & 1 ? "psk" :
		    "cert");
		test_left(s);
	}
	test_ca_free(&ca);
}

/* ---- what else may stand in IKE_AUTH ---- */

static unsigned extra;

static void
put_more(struct ike_chain *c)
{
	static const uint8_t request[] = { 1, 0, 0, 0, 0, 1, 0, 0 };

	switch (extra) {
	case 0:			/* CFG_REQUEST: an inner address, please */
		ike_put(c, IKE_P_CP);
		wbuf_put(c->w, request, sizeof(request));
		ike_put_end(c);
		break;
	case 1:			/* status and error types nobody knows */
		ike_put_notify(c, 0, NULL, 0, 40959, "x", 1);
		ike_put_notify(c, 0, NULL, 0, 8190, NULL, 0);
		break;
	case 2:
		ike_put(c, IKE_P_EAP);
		wbuf_put(c->w, request, 4);
		ike_put_end(c);
		break;
	case 3:			/* beside AUTH none; see no_auth */
		break;
	}
}

static bool
no_auth(struct ike_chain *c, const struct ike_payload *p)
{
	(void)c;
	return p->type != IKE_P_AUTH;
}

static void
what_else_may_come_in_ike_auth_IKE_48(void **state)
{
	static const struct { bool up; const char *code; } rows[] = {
		{ true, "" }, { true, "" }, { false, "invalid-syntax" },
		{ false, "no-eap" },
	};

	(void)state;
	for (extra = 0; extra < 4; extra++) {
		struct sim *s = member_new(2, 51, NULL);
		struct member_edit e = { .from = 0, .exchange = IKE_AUTH,
		    .more = put_more,
		    .take = extra == 3 ? no_auth : NULL };

		sim_profiles(s);
		member_edit(s, &e);
		sim_connect(s, 0, 1);
		sim_run(s, 900);
		assert_true(e.done > 0);
		assert_int_equal(s->n[1].ups, rows[extra].up);
		assert_string_equal(s->n[1].failed.reason.code,
		    rows[extra].code);
		if (rows[extra].up)
			sim_one_sa(s);
		else
			nobody_is_up(s);
		if (extra == 3)
			assert_string_equal(s->n[0].failed.reason.code,
			    "authentication-failed");
		sim_free(s);
	}
}

/* IKE_INTERMEDIATE was not agreed on: no answer, no id used up. */
static void
an_exchange_that_was_not_agreed_on_is_dropped_IKE_48(void **state)
{
	struct sim *s = member_new(2, 52, NULL);
	unsigned sent;

	(void)state;
	sim_profiles(s);
	s->n[0].silent = true;
	sim_connect(s, 0, 1);
	s->n[0].silent = false;
	while (!member.known)
		assert_true(sim_step(s, s->now + 100));
	s->n[0].silent = true;		/* before its own IKE_AUTH */
	sent = s->n[1].sent;
	member_send(s, IKE_INTERMEDIATE, 1, 0, NULL, 0);
	assert_int_equal(s->n[1].sent, sent);
	s->n[0].silent = false;
	sim_run(s, 900);
	sim_one_sa(s);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    another_name_than_the_connection_wants_is_refused),
		cmocka_unit_test(
	    another_name_than_the_profile_admits_is_refused_by_the_initiator),
		cmocka_unit_test(
		    an_unknown_identity_and_a_wrong_psk_look_the_same_IKE_26),
		cmocka_unit_test(our_own_auth_sent_back_is_refused_IKE_25),
		cmocka_unit_test(psk_and_certificates_do_not_meet),
		cmocka_unit_test(
		    a_wrong_signature_is_refused_by_either_side_IKE_31),
		cmocka_unit_test(who_sends_no_certificate_is_refused),
		cmocka_unit_test(blocks_that_are_needed_are_asked_for),
		cmocka_unit_test(
		    weak_hashes_are_refused_unless_the_profile_allows_them),
		cmocka_unit_test(
		    a_peer_gets_no_weaker_algorithms_by_the_profile_of_others),
		cmocka_unit_test(the_profile_that_suits_the_mode_is_taken),
		cmocka_unit_test(the_profile_that_suits_the_method_is_taken),
		cmocka_unit_test(what_else_may_come_in_ike_auth_IKE_48),
		cmocka_unit_test(
		    an_exchange_that_was_not_agreed_on_is_dropped_IKE_48),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
