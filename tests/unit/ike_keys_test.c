#include "ike_member.h"

/* What a member does with its keys, and what must never repeat. */

static uint8_t clear[4096];

/* CREATE_CHILD_SA for a child, with what stands before it. */
static size_t
child_request(struct sim *s, uint8_t protocol, uint32_t rekeyed,
    uint8_t spi, uint8_t *first)
{
	struct wbuf w = wbuf_of(clear, sizeof(clear));
	struct ike_chain c = ike_chain_of(&w);
	uint8_t octets[32] = { 0xab, spi }, old[4];
	struct wbuf wo = wbuf_of(old, sizeof(old));
	struct ike_ts ti = { .type = IKE_TS_IPV4, .protocol = 47,
	    .port_last = 65535 }, tr;
	struct ike_proposal p;

	assert_int_equal(ike_proposal_parse("aes256gcm16-noesn",
	    IKE_PROTO_ESP, &p, NULL), 0);
	ti.first = ti.last = s->n[0].addr;
	tr = ti;
	tr.first = tr.last = s->n[1].addr;
	wbuf_be32(&wo, rekeyed);
	if (rekeyed != 0)
		ike_put_notify(&c, protocol, old, 4, IKE_N_REKEY_SA, NULL,
		    0);
	ike_put_status(&c, IKE_N_USE_TRANSPORT_MODE);
	ike_put_sa(&c, &p, 1, octets, 4);
	ike_put_nonce(&c, octets, 32);
	ike_put_ts(&c, IKE_P_TSI, &ti, 1);
	ike_put_ts(&c, IKE_P_TSR, &tr, 1);
	*first = c.first;
	return w.len;
}

static void
ask_child(struct sim *s, uint32_t id, uint8_t protocol, uint32_t rekeyed)
{
	uint8_t first;
	size_t len = child_request(s, protocol, rekeyed, (uint8_t)id, &first);

	member_send(s, IKE_CREATE_CHILD_SA, id, first, clear, len);
}

static void
one_child_is_rekeyed_once_and_by_its_protocol_IKE_39(void **state)
{
	struct sim *s = member_up(73);
	uint32_t spi = s->n[0].sa[0].spi_in;	/* the peer's outbound */

	(void)state;
	ask_child(s, 2, IKE_PROTO_AH, spi);
	ask_child(s, 3, IKE_PROTO_IKE, spi);
	assert_int_equal(s->n[1].n_sa, 1);
	ask_child(s, 4, IKE_PROTO_ESP, spi);
	assert_int_equal(s->n[1].n_sa, 2);
	ask_child(s, 5, IKE_PROTO_ESP, spi);	/* it has an heir already */
	assert_int_equal(s->n[1].n_sa, 2);
	sim_free(s);
}

/* Node 1 has rekeyed it and its DELETE is on its way. */
static struct sim *
deleting(uint64_t seed, uint32_t *spi)
{
	struct sim *s = member_up(seed);

	*spi = s->n[0].sa[0].spi_in;
	s->filter = sim_lose_informational;
	sim_rekey(s, 1, true);
	sim_run(s, 300);
	assert_int_equal(s->n[1].n_sa, 2);
	return s;
}

static void
a_child_that_is_being_deleted_is_not_rekeyed(void **state)
{
	uint32_t spi;
	struct sim *s = deleting(74, &spi);

	(void)state;
	ask_child(s, 2, IKE_PROTO_ESP, spi);
	assert_int_equal(s->n[1].n_sa, 2);
	sim_free(s);
}

static size_t
delete_of(uint8_t protocol, uint32_t spi, uint8_t *first)
{
	struct wbuf w = wbuf_of(clear, sizeof(clear));
	struct ike_chain c = ike_chain_of(&w);

	ike_put_delete(&c, protocol, &spi, 1);
	*first = c.first;
	return w.len;
}

/* RFC 7296, 1.4.1: what both delete is not named in the answer. */
static void
crossing_deletes_are_answered_by_nothing(void **state)
{
	uint32_t spi;
	struct sim *s = deleting(75, &spi);
	size_t empty, before = s->n[1].sent_bytes, len;
	uint8_t first;

	(void)state;
	s->filter = NULL;
	member_send(s, IKE_INFORMATIONAL, 2, 0, NULL, 0);
	empty = s->n[1].sent_bytes - before;
	before = s->n[1].sent_bytes;
	len = delete_of(IKE_PROTO_ESP, spi, &first);
	member_send(s, IKE_INFORMATIONAL, 3, first, clear, len);
	assert_int_equal(s->n[1].sent_bytes - before, empty);
	assert_int_equal(sim_live(&s->n[1]), 1);
	sim_free(s);
}

static void
a_delete_of_another_protocol_deletes_nothing(void **state)
{
	struct sim *s = member_up(76);
	uint8_t first;
	size_t len = delete_of(IKE_PROTO_AH, s->n[0].sa[0].spi_in, &first);

	(void)state;
	member_send(s, IKE_INFORMATIONAL, 2, first, clear, len);
	assert_int_equal(sim_live(&s->n[1]), 1);
	len = delete_of(IKE_PROTO_ESP, s->n[0].sa[0].spi_in, &first);
	member_send(s, IKE_INFORMATIONAL, 3, first, clear, len);
	assert_int_equal(sim_live(&s->n[1]), 0);
	sim_free(s);
}

/* Whoever keeps the connection up makes another. */
static void
the_last_child_that_is_deleted_is_made_anew(void **state)
{
	struct sim *s = member_up(77);
	struct endpoint from = { s->n[1].addr, 4500 };
	uint8_t first;
	size_t len = delete_of(IKE_PROTO_ESP, s->n[1].sa[0].spi_in, &first);

	(void)state;
	member_send_from(s, 1, &from, IKE_INFORMATIONAL, 0, first,
	    rbuf_of(clear, len));
	sim_run(s, 1000);
	assert_int_equal(s->n[0].children, 2);
	assert_int_equal(sim_live(&s->n[0]), 1);
	assert_int_equal(s->n[0].downs, 0);
	sim_free(s);
}

static void
a_cookie_of_mobike_comes_back_as_it_was(void **state)
{
	struct sim *s = member_up(78);
	struct wbuf w = wbuf_of(clear, sizeof(clear));
	struct ike_chain c = ike_chain_of(&w);
	size_t empty, before = s->n[1].sent_bytes;

	(void)state;
	member_send(s, IKE_INFORMATIONAL, 2, 0, NULL, 0);
	empty = s->n[1].sent_bytes - before;
	before = s->n[1].sent_bytes;
	ike_put_notify(&c, 0, NULL, 0, IKE_N_COOKIE2, "0123456789", 10);
	member_send(s, IKE_INFORMATIONAL, 3, c.first, clear, w.len);
	assert_int_equal(s->n[1].sent_bytes - before, empty + 18);
	sim_free(s);
}

/* Our rekey of the IKE SA is on its way, or the peer's waits for it. */
static void
ask_rekey(struct sim *s, uint32_t id)
{
	struct wbuf w = wbuf_of(clear, sizeof(clear));
	struct ike_chain c = ike_chain_of(&w);
	uint8_t octets[32] = { 9, (uint8_t)id };
	struct ike_proposal p;

	assert_int_equal(ike_proposal_parse("aes256gcm16-prfsha384-x25519",
	    IKE_PROTO_IKE, &p, NULL), 0);
	ike_put_sa(&c, &p, 1, octets, 8);
	ike_put_nonce(&c, octets, 32);
	ike_put_ke(&c, IKE_GROUP_X25519, octets, 32);
	member_send(s, IKE_CREATE_CHILD_SA, id, c.first, clear, w.len);
}

static void
nothing_is_made_while_the_ike_sa_is_rekeyed_by_both(void **state)
{
	struct sim *s = member_up(79);
	uint64_t before;

	(void)state;
	s->filter = sim_lose_creates;
	sim_rekey(s, 1, false);
	sim_run(s, 50);
	before = sim_sizes(&s->n[1]);
	ask_child(s, 2, IKE_PROTO_ESP, 0);
	assert_int_equal(s->n[1].n_sa, 1);
	ask_rekey(s, 3);
	assert_int_equal(sim_sizes(&s->n[1]), before + 1);
	ask_rekey(s, 4);
	assert_int_equal(sim_sizes(&s->n[1]), before + 1);
	ask_child(s, 5, IKE_PROTO_ESP, 0);
	assert_int_equal(s->n[1].n_sa, 1);
	sim_free(s);
}

static void
unknown_critical_payloads_are_refused_under_keys_too_IKE_09(void **state)
{
	struct sim *s = member_up(80);
	struct wbuf w = wbuf_of(clear, sizeof(clear));
	struct ike_chain c = ike_chain_of(&w);
	uint32_t spi = s->n[0].sa[0].spi_in;
	unsigned sent = s->n[1].sent;

	(void)state;
	ike_put_delete(&c, IKE_PROTO_ESP, &spi, 1);
	ike_put_critical(&c, 200);
	ike_put_end(&c);
	member_send(s, IKE_INFORMATIONAL, 2, c.first, clear, w.len);
	assert_int_equal(s->n[1].sent, sent + 1);
	assert_int_equal(sim_live(&s->n[1]), 1);
	assert_int_equal(s->n[1].downs, 0);
	sim_free(s);
}

static void
put_critical(struct ike_chain *c)
{
	ike_put_critical(c, 200);
	ike_put_end(c);
}

static bool
twice(struct ike_chain *c, const struct ike_payload *p)
{
	if (p->type == IKE_P_SA) {
		ike_put(c, p->type);
		wbuf_put(c->w, p->body.p, rbuf_left(&p->body));
		ike_put_end(c);
	}
	return true;
}

/* An answer with one is none; two SA payloads are no message. */
static void
what_is_no_message_makes_no_sa_IKE_09(void **state)
{
	struct member_edit rows[] = {
		{ .from = 1, .exchange = IKE_AUTH, .response = true,
		    .more = put_critical },
		{ .from = 0, .exchange = IKE_AUTH, .more = put_critical },
		{ .from = 0, .exchange = IKE_AUTH, .take = twice },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = member_new(2, 81, NULL);

		sim_profiles(s);
		member_edit(s, &rows[i]);
		sim_connect(s, 0, 1);
		sim_run(s, 3000);
		assert_true(rows[i].done > 0);
		assert_int_equal(s->n[0].ups, 0);
		assert_int_equal(s->n[1].n_sa, i == 0);
		sim_free(s);
	}
}

/* Only who is behind a NAT may be elsewhere, and only by a request. */
static void
a_peer_without_a_nat_is_not_moved_B19(void **state)
{
	static const uint8_t other[] = { 203, 0, 113, 7 };
	static const uint8_t nat[] = { 198, 51, 100, 1 };
	struct endpoint from = { addr_of(other, 4), 4500 };
	struct sim *s = member_up(82);
	struct ike_sas page;
	struct reason why;

	(void)state;
	member_send_from(s, 0, &from, IKE_INFORMATIONAL, 2, 0,
	    rbuf_of(NULL, 0));
	ike_engine_sas(s->n[1].g, s->now, 0, &page);
	assert_true(addr_equal(&page.items[0].remote.addr, &s->n[0].addr));
	assert_int_equal(s->n[1].peers_set, 1);
	sim_free(s);
	s = sim_new(2, 83, NULL);
	s->nat = 0;
	s->nat_seen = (struct endpoint){ addr_of(nat, 4), 30000 };
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(ike_engine_probe(s->n[1].g, s->now, SIM_WALL, 1, 1,
	    &why), 0);
	s->nat_seen.port = 40000;	/* before the answer */
	sim_run(s, 400);
	ike_engine_sas(s->n[1].g, s->now, 0, &page);
	assert_int_equal(page.items[0].remote.port, 34500);
	sim_free(s);
}

/* ---- fragments ---- */

/* A wrong copy comes before each, or the last one never does. */
static bool last_is_lost;

static enum sim_fate
fragments(struct sim *s, const struct sim_packet *p)
{
	struct sim_packet c;

	if (p->h.next != IKE_P_SKF || p->from != 0)
		return SIM_PASS;
	if (last_is_lost)
		return p->b[IKE_HEADER_LEN + 5] == p->b[IKE_HEADER_LEN + 7] ?
		    SIM_DROP : SIM_PASS;
	c = sim_copy(p);
	c.b[c.len - 1] ^= 1;
	sim_put(s, &c, 1);
	return SIM_PASS;
}

static void
wrong_fragments_take_no_place_and_lost_ones_no_memory_IKE_36(void **state)
{
	struct ike_tune tune = { .fragment = 300 };
	struct ike_connection_set c;
	struct reason why;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sim *s = sim_new(2, 84, &tune);
		unsigned k;

		last_is_lost = i == 1;
		s->filter = fragments;
		sim_profiles(s);
		for (k = 0; k < (last_is_lost ? 20 : 1); k++) {
			c = sim_connection(s, 1);
			snprintf(c.connection, sizeof(c.connection), "c%u",
			    k);
			c.once = true;
			assert_int_equal(ike_engine_connection_set(s->n[0].g,
			    s->now, SIM_WALL, &c, &why), 0);
		}
		sim_run(s, 400);
		if (!last_is_lost)
			sim_one_sa(s);
		else
			assert_int_equal(sim_sizes(&s->n[1]), 20);
		sim_run(s, 31000);
		assert_int_equal(sim_sizes(&s->n[1]), last_is_lost ? 0 : 1);
		sim_free(s);
	}
}

/* What one message may hold, and how long its parts are kept. */
static void
fragments_have_bounds_and_a_time_IKE_36(void **state)
{
	static const uint8_t zeros[12000];
	struct sim *s = member_up(85);
	struct sim_node *n = &s->n[1];
	unsigned sent = n->sent;
	uint64_t bad;
	uint16_t i;

	(void)state;
	bad = ike_engine_counter(n->g, IKE_C_FRAGMENT_BAD);
	for (i = 1; i <= 20; i++)
		member_fragment(s, IKE_INFORMATIONAL, 2, i, 20,
		    rbuf_of(zeros, sizeof(zeros)));
	assert_in_range(ike_engine_counter(n->g, IKE_C_FRAGMENT_BAD) - bad,
	    15, 16);
	assert_int_equal(n->sent, sent);
	/* fewer than before: not of this try */
	member_fragment(s, IKE_INFORMATIONAL, 2, 1, 2, rbuf_of(zeros, 0));
	member_fragment(s, IKE_INFORMATIONAL, 2, 2, 2, rbuf_of(zeros, 0));
	assert_int_equal(n->sent, sent);
	/* half of it, and half a minute later the other half */
	member_fragment(s, IKE_INFORMATIONAL, 2, 1, 21, rbuf_of(zeros, 0));
	s->now += 31000;
	for (i = 2; i <= 21; i++)
		member_fragment(s, IKE_INFORMATIONAL, 2, i, 21,
		    rbuf_of(zeros, 0));
	assert_int_equal(n->sent, sent);
	member_fragment(s, IKE_INFORMATIONAL, 2, 1, 21, rbuf_of(zeros, 0));
	assert_int_equal(n->sent, sent + 1);
	sim_free(s);
}

/* ---- what must never repeat ---- */

static uint64_t ivs[2][4096];
static size_t n_ivs[2];

static enum sim_fate
see_iv(struct sim *s, const struct sim_packet *p)
{
	struct rbuf in = rbuf_of(p->b, p->len);
	uint64_t iv;
	size_t i;

	if (p->h.next != IKE_P_SK)
		return SIM_PASS;
	rbuf_skip(&in, IKE_HEADER_LEN + IKE_PAYLOAD_LEN);
	iv = rbuf_be64(&in);
	for (i = 0; i < n_ivs[p->from]; i++)
		assert_true(ivs[p->from][i] != iv);
	assert_true(n_ivs[p->from] < 4096);
	ivs[p->from][n_ivs[p->from]++] = iv;
	(void)s;
	return SIM_PASS;
}

static void
no_iv_is_used_twice_under_one_key(void **state)
{
	struct sim *s = sim_new(2, 86, NULL);
	struct reason why;
	unsigned i;

	(void)state;
	n_ivs[0] = n_ivs[1] = 0;
	s->filter = see_iv;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 1000);
	for (i = 0; i < 500; i++) {
		(void)ike_engine_probe(s->n[i % 2].g, s->now, SIM_WALL, 1,
		    i + 1, &why);
		sim_run(s, 30);
	}
	assert_true(n_ivs[0] > 400 && n_ivs[1] > 400);
	sim_free(s);
}

/* Randomness that says the same three times. */
static void
a_drawn_spi_that_is_taken_is_drawn_again_IKE_49(void **state)
{
	struct sim *s = sim_new(3, 87, NULL);
	struct reason why;
	int i;

	(void)state;
	sim_profiles(s);
	for (i = 0; i < 3; i += 2) {
		s->n[1].stuck = i == 0 ? 1 : 3;
		sim_connect(s, i, 1);
		while (s->n[1].stuck > 0)	/* of the IKE SA */
			assert_true(sim_step(s, s->now + 1000));
		s->n[1].stuck = i == 0 ? 1 : 3;
		sim_run(s, 500);		/* of the CHILD_SA */
	}
	assert_int_equal(sim_isas(&s->n[1]), 2);
	assert_int_equal(sim_live(&s->n[1]), 2);
	assert_int_equal(s->n[1].duplicates, 0);
	for (i = 0; i < 3; i += 2) {	/* each of them is found */
		assert_int_equal(ike_engine_probe(s->n[i].g, s->now,
		    SIM_WALL, 1, 1, &why), 0);
		sim_run(s, 200);
		assert_int_equal(s->n[i].alive, 1);
	}
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    one_child_is_rekeyed_once_and_by_its_protocol_IKE_39),
		cmocka_unit_test(a_child_that_is_being_deleted_is_not_rekeyed),
		cmocka_unit_test(crossing_deletes_are_answered_by_nothing),
		cmocka_unit_test(a_delete_of_another_protocol_deletes_nothing),
		cmocka_unit_test(the_last_child_that_is_deleted_is_made_anew),
		cmocka_unit_test(a_cookie_of_mobike_comes_back_as_it_was),
		cmocka_unit_test(
		    nothing_is_made_while_the_ike_sa_is_rekeyed_by_both),
		cmocka_unit_test(
	    unknown_critical_payloads_are_refused_under_keys_too_IKE_09),
		cmocka_unit_test(what_is_no_message_makes_no_sa_IKE_09),
		cmocka_unit_test(a_peer_without_a_nat_is_not_moved_B19),
		cmocka_unit_test(
	    wrong_fragments_take_no_place_and_lost_ones_no_memory_IKE_36),
		cmocka_unit_test(fragments_have_bounds_and_a_time_IKE_36),
		cmocka_unit_test(no_iv_is_used_twice_under_one_key),
		cmocka_unit_test(
		    a_drawn_spi_that_is_taken_is_drawn_again_IKE_49),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
