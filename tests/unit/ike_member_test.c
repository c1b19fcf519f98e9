#include "ike_member.h"

#include "wire/ike_proposal.h"

/* What members do that mean ill: first by asking for much, then with their
 * keys in our hands. */

/* Two identities whose texts differ only behind what a message carries: the
 * second one's INITIAL_CONTACT is not about the first one. */
static void
initial_contact_ends_no_sa_of_another_identity_B18(void **state)
{
	struct sim *s = sim_new(3, 21, NULL);
	char a[160], b[160];

	(void)state;
	memset(a, 'a', sizeof(a));
	memcpy(&a[140], ".example.org", 13);
	memcpy(b, a, sizeof(b));
	b[139] = 'b';
	s->n[0].id = a;
	s->n[1].id = b;
	sim_profiles(s);
	sim_connect(s, 0, 2);
	sim_run(s, 3000);
	sim_connect(s, 1, 2);
	sim_run(s, 10000);
	assert_int_equal(sim_isas(&s->n[2]), 2);
	assert_int_equal(sim_live(&s->n[2]), 2);
	assert_int_equal(s->n[2].downs, 0);
	assert_int_equal(s->n[2].last_peer, 2);
	sim_free(s);
}

/* The agent's identity changes while its certificates are read one by one. */
static void
an_identity_that_changes_while_it_is_read_is_read_anew(void **state)
{
	struct sim *s = sim_new(1, 22, NULL);
	struct sim_node *n = &s->n[0];
	struct ike_profile_set set = sim_profile("p");
	struct pki_identity_reply id = { .method = PKI_METHOD_PSK,
	    .id_type = IKE_ID_FQDN, .more = true,
	    .id_data = rbuf_of(n->id, strlen(n->id)) };
	struct pki_changed changed = { .identity = "me" };
	struct pki_certificate_reply *late = calloc(1, sizeof(id));
	struct reason why = { 0 };

	(void)state;
	assert_non_null(late);
	assert_int_equal(ike_engine_profile_set(n->g, s->now, SIM_WALL, &set,
	    &why), 0);
	assert_ptr_equal(n->answer[0].type, &pki_identity_type);
	ike_engine_answer(n->g, s->now, SIM_WALL, n->answer[0].ticket, &id,
	    NULL);
	assert_ptr_equal(n->answer[1].type, &pki_certificate_type);
	ike_engine_event(n->g, s->now, SIM_WALL, &pki_changed_type,
	    &changed);
	assert_ptr_equal(n->answer[2].type, &pki_identity_type);
	ike_engine_answer(n->g, s->now, SIM_WALL, n->answer[1].ticket, late,
	    NULL);
	assert_int_equal(n->notes, 0);
	assert_int_equal(n->n_answer, 3);
	id.more = false;
	ike_engine_answer(n->g, s->now, SIM_WALL, n->answer[2].ticket, &id,
	    NULL);
	assert_int_equal(n->notes, 0);
	free(late);
	sim_free(s);
}

/* A member that does nothing else, and closes nothing. */
static enum sim_fate
no_deletes(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	return p->h.exchange == IKE_INFORMATIONAL ? SIM_DROP : SIM_PASS;
}

static void
rekeys_without_pause_are_refused_in_the_end_IKE_46(void **state)
{
	struct sim *s = sim_up(24, NULL);
	struct ike_rekey m = { .peer = 1 };
	struct reason why;
	uint64_t sas, peers;
	unsigned i;

	(void)state;
	s->filter = no_deletes;
	for (i = 0; i < 100; i++) {
		(void)ike_engine_rekey(s->n[0].g, s->now, SIM_WALL, &m, &why);
		sim_run(s, 50);
	}
	ike_engine_sizes(s->n[1].g, &sas, &peers);
	assert_in_range(sas, 10, 20);
	s->filter = NULL;
	sim_run(s, 120000);
	ike_engine_sizes(s->n[1].g, &sas, &peers);
	assert_in_range(sas, 1, 2);
	assert_int_equal(sim_isas(&s->n[1]), 1);
	sim_free(s);
}

/* A second IKE SA from elsewhere that does not come up. */
static void
a_failed_try_from_elsewhere_does_not_move_the_peer(void **state)
{
	struct sim *s = sim_new(3, 25, NULL);

	(void)state;
	s->n[2].id = s->n[0].id;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	s->n[1].refuse_sa = true;
	sim_connect(s, 2, 1);
	sim_run(s, 300);
	assert_int_equal(s->n[1].ups, 1);
	assert_true(s->n[2].fails > 0);
	assert_int_equal(s->n[1].last_peer, 1);
	assert_true(addr_equal(&s->n[1].last_remote.addr, &s->n[0].addr));
	sim_free(s);
}

/* Of another profile each, so that none says INITIAL_CONTACT. */
static void
an_identity_has_so_many_ike_sas_and_no_more_P3(void **state)
{
	struct sim *s = sim_new(2, 26, NULL);
	struct ike_connection_set c = sim_connection(s, 1);
	struct ike_profile_set p;
	struct reason why;
	unsigned i;

	(void)state;
	sim_profiles(s);
	for (i = 0; i < 70; i++) {
		snprintf(c.connection, sizeof(c.connection), "c%u", i);
		snprintf(c.profile, sizeof(c.profile), "p%u", i);
		p = sim_profile(c.profile);
		sim_set(&s->n[0], &p);
		assert_int_equal(ike_engine_connection_set(s->n[0].g, s->now,
		    SIM_WALL, &c, &why), 0);
		sim_run(s, 100);
	}
	sim_run(s, 10000);
	assert_int_equal(s->n[1].ups, 64);
	assert_int_equal(sim_isas(&s->n[1]), 64);
	assert_int_equal(s->n[1].downs, 0);
	sim_free(s);
}

static void
names_of_identities_are_unique(void **state)
{
	static const struct { uint8_t type; const char *data; } rows[] = {
		{ IDENT_FQDN, "192.0.2.1" }, { IDENT_FQDN, "a@b.c" },
		{ IDENT_EMAIL, "a@b.c" }, { IDENT_KEY_ID, "a" },
		{ IDENT_FQDN, "#61" }, { IDENT_GN, "a" },
		{ IDENT_FQDN, "CN=a" }, { IDENT_FQDN, "a" },
	};
	char name[sizeof(rows) / sizeof(rows[0])][128];
	struct ident id;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ident_of(rows[i].type, rbuf_of(rows[i].data,
		    strlen(rows[i].data)), &id, NULL), 0);
		ident_name(&id, name[i], sizeof(name[i]));
		for (k = 0; k < i; k++)
			assert_string_not_equal(name[i], name[k]);
	}
	assert_string_equal(name[2], "a@b.c");
	assert_string_equal(name[3], "#61");
	assert_string_equal(name[7], "a");
}

static void
rekeys_of_nothing_are_refused_IKE_39(void **state)
{
	static const struct { uint8_t proto, spi_len; } rows[] = {
		{ 3, 4 }, { 0, 4 }, { 1, 4 }, { 2, 4 }, { 255, 4 },
		{ 3, 0 }, { 3, 3 }, { 3, 8 }, { 3, 255 },
	};
	struct sim *s = member_up(20);
	uint8_t b[2048], octets[255] = { 0xab, 0xcd };
	struct ike_proposal p;
	struct ike_ts ts = { .type = IKE_TS_IPV4, .protocol = 47,
	    .port_last = 65535 };
	size_t i;

	(void)state;
	ike_proposal_parse("aes256gcm16-noesn", IKE_PROTO_ESP, &p, NULL);
	ts.first = ts.last = s->n[0].addr;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wbuf w = wbuf_of(b, sizeof(b));
		struct ike_chain c = ike_chain_of(&w);
		unsigned sent = s->n[1].sent;

		ike_put_notify(&c, rows[i].proto, octets, rows[i].spi_len,
		    IKE_N_REKEY_SA, NULL, 0);
		ike_put_sa(&c, &p, 1, octets, 4);
		ike_put_nonce(&c, octets, 32);
		ike_put_ts(&c, IKE_P_TSI, &ts, 1);
		ike_put_ts(&c, IKE_P_TSR, &ts, 1);
		member_send(s, IKE_CREATE_CHILD_SA, 2 + (uint32_t)i, c.first,
		    b, w.len);
		assert_int_equal(s->n[1].sent, sent + 1);
		assert_int_equal(sim_live(&s->n[1]), 1);
	}
	sim_free(s);
}

static void
children_without_end_are_refused_IKE_46(void **state)
{
	struct sim *s = member_up(21);
	uint8_t b[2048], octets[32] = { 0xab, 0xcd };
	struct ike_proposal p;
	struct ike_ts ts = { .type = IKE_TS_IPV4, .protocol = 47,
	    .port_last = 65535 }, tr;
	uint32_t i;

	(void)state;
	ike_proposal_parse("aes256gcm16-noesn", IKE_PROTO_ESP, &p, NULL);
	ts.first = ts.last = s->n[0].addr;
	tr = ts;
	tr.first = tr.last = s->n[1].addr;
	for (i = 0; i < 100; i++) {
		struct wbuf w = wbuf_of(b, sizeof(b));
		struct ike_chain c = ike_chain_of(&w);

		octets[1] = (uint8_t)i;
		ike_put_status(&c, IKE_N_USE_TRANSPORT_MODE);
		ike_put_sa(&c, &p, 1, octets, 4);
		ike_put_nonce(&c, octets, 32);
		ike_put_ts(&c, IKE_P_TSI, &ts, 1);
		ike_put_ts(&c, IKE_P_TSR, &tr, 1);
		member_send(s, IKE_CREATE_CHILD_SA, 2 + i, c.first, b,
		    w.len);
	}
	assert_true(sim_live(&s->n[1]) > 1);
	assert_true(sim_live(&s->n[1]) <= 8);
	sim_free(s);
}

static void
broken_payloads_under_good_keys_are_told_IKE_23(void **state)
{
	struct sim *s = member_up(22);
	static const uint8_t broken[] = { 0, 0, 0, 200, 1, 2, 3 };
	static const uint8_t deletes[] = { 0, 0, 0, 12, 3, 4, 0, 9, 1, 2, 3,
	    4 };
	unsigned sent = s->n[1].sent;

	(void)state;
	member_send(s, IKE_INFORMATIONAL, 2, IKE_P_DELETE, broken,
	    sizeof(broken));
	assert_int_equal(s->n[1].sent, sent + 1);	/* INVALID_SYNTAX */
	assert_int_equal(s->n[1].downs, 1);
	assert_string_equal(s->n[1].down.reason.code, "invalid-syntax");
	sim_free(s);
	s = member_up(22);
	sent = s->n[1].sent;
	member_send(s, IKE_INFORMATIONAL, 2, IKE_P_DELETE, deletes,
	    sizeof(deletes));
	assert_int_equal(s->n[1].sent, sent + 1);
	assert_int_equal(s->n[1].downs, 1);
	sim_free(s);
}

static void
ids_outside_the_window_are_dropped_IKE_37(void **state)
{
	static const uint32_t ids[] = { 3, 4, 0, 1000, 4294967295u };
	struct sim *s = member_up(23);
	unsigned sent = s->n[1].sent;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		member_send(s, IKE_INFORMATIONAL, ids[i], 0, NULL, 0);
	assert_int_equal(s->n[1].sent, sent);
	member_send(s, IKE_INFORMATIONAL, 2, 0, NULL, 0);
	assert_int_equal(s->n[1].sent, sent + 1);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    initial_contact_ends_no_sa_of_another_identity_B18),
		cmocka_unit_test(
		    an_identity_that_changes_while_it_is_read_is_read_anew),
		cmocka_unit_test(
		    rekeys_without_pause_are_refused_in_the_end_IKE_46),
		cmocka_unit_test(
		    a_failed_try_from_elsewhere_does_not_move_the_peer),
		cmocka_unit_test(
		    an_identity_has_so_many_ike_sas_and_no_more_P3),
		cmocka_unit_test(names_of_identities_are_unique),
		cmocka_unit_test(rekeys_of_nothing_are_refused_IKE_39),
		cmocka_unit_test(children_without_end_are_refused_IKE_46),
		cmocka_unit_test(
		    broken_payloads_under_good_keys_are_told_IKE_23),
		cmocka_unit_test(ids_outside_the_window_are_dropped_IKE_37),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
