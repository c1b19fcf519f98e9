#include "ike_stranger.h"

#include "base/text.h"
#include "crypto/ident.h"
#include "crypto/sk.h"

/* What strangers, replayers and ill-meaning members send. */

#define N_RANDOM_SOURCES 200

static void
a_flood_gets_cookies_and_no_state_IKE_01(void **state)
{
	struct ike_tune tune = { .cookie_from = 10 };
	struct sim *s = sim_up(1, &tune);
	struct sim_node *n = &s->n[1];
	uint8_t b[1024];
	struct endpoint from;
	size_t len, in = 0, out = n->sent_bytes;
	unsigned i;

	(void)state;
	for (i = 0; i < N_RANDOM_SOURCES; i++) {
		from = stranger(i);
		len = stranger_init(b, sizeof(b), 1000 + i, (uint8_t)(i + 1));
		in += len;
		sim_inject(s, 1, b, len, &from);
	}
	assert_true(ike_engine_counter(n->g, IKE_C_COOKIES) >=
	    N_RANDOM_SOURCES - 10);
	assert_true(n->sent_bytes - out <= in * 2);
	/* a genuine peer still comes up */
	sim_connect(s, 1, 0);
	sim_run(s, 40000);	/* the half-open ones are gone */
	assert_true(sim_live(n) >= 1);
	sim_free(s);
}

/* One CA or agent for two tunnels, but not the same peers. */
static void
a_peer_is_kept_out_of_tunnels_that_do_not_admit_it_P3(void **state)
{
	struct sim *s = sim_new(2, 27, NULL);
	struct ike_profile_set other = sim_profile("q");

	(void)state;
	snprintf(other.interface, sizeof(other.interface), "dmvpn1");
	snprintf(other.peer_ids[0], sizeof(other.peer_ids[0]),
	    "*.example.net");
	other.n_peer_ids = 1;
	sim_profiles(s);
	sim_set(&s->n[1], &other);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	assert_int_equal(s->n[1].ups, 1);
	assert_int_equal(s->n[1].last_set.n_denied, 1);
	assert_string_equal(s->n[1].last_set.denied[0], "dmvpn1");
	/* an agent's identity that is not there yet admits nobody */
	other.n_peer_ids = 0;
	snprintf(other.identity, sizeof(other.identity), "you");
	s->n[1].peers_set = 0;
	assert_int_equal(ike_engine_profile_set(s->n[1].g, s->now, SIM_WALL,
	    &other, &(struct reason){ .code = "" }), 0);
	assert_int_equal(s->n[1].peers_set, 0);
	sim_run(s, 100);
	assert_int_equal(s->n[1].peers_set, 1);
	assert_int_equal(s->n[1].last_set.n_denied, 0);
	sim_free(s);
}

/* IKE_AUTH of node 0 is seen on the way. */
static enum sim_fate
see_auth(struct sim *s, const struct sim_packet *p)
{
	struct sim_packet *seen = s->filter_arg;

	if (p->h.exchange != IKE_AUTH || p->from != 0)
		return SIM_PASS;
	free(seen->b);
	*seen = sim_copy(p);
	return SIM_PASS;
}

/* With a NAT: while its answer is made.  Without: before it comes itself. */
static void
a_replayed_request_does_not_move_the_peer_B19(void **state)
{
	static const uint8_t octets[] = { 203, 0, 113, 9 };
	struct sim_packet seen;
	struct endpoint from;
	struct addr true_addr;
	struct sim *s;
	int nat;

	(void)state;
	for (nat = 0; nat < 2; nat++) {
		s = sim_new(2, 23, NULL);
		memset(&seen, 0, sizeof(seen));
		s->filter = see_auth;
		s->filter_arg = &seen;
		if (nat) {
			s->nat = 0;
			s->nat_seen = (struct endpoint){ addr_of(octets, 4),
			    30000 };
		}
		true_addr = nat ? s->nat_seen.addr : s->n[0].addr;
		sim_profiles(s);
		sim_connect(s, 0, 1);
		s->n[1].silent = true;
		while (seen.b == NULL || (nat && s->n[1].n_answer == 0))
			assert_true(sim_step(s, s->now + 100));
		from = stranger(1);
		from.port = 4500;
		ike_engine_packet(s->n[1].g, s->now, SIM_WALL, &seen.dst,
		    &from, seen.b, seen.len);
		s->n[1].silent = false;
		sim_run(s, 3000);
		assert_int_equal(s->n[0].ups, 1);
		assert_int_equal(s->n[1].ups, 1);
		assert_true(addr_equal(&s->n[1].up.remote.addr, &true_addr));
		free(seen.b);
		sim_free(s);
	}
}

static void
other_versions_are_dropped_or_told_IKE_08(void **state)
{
	static const struct { uint8_t version; unsigned answers; } rows[] = {
		{ 0x10, 0 }, { 0x30, 1 }, { 0xf0, 1 }, { 0x21, 1 },
		{ 0x2f, 1 },
	};
	uint8_t b[1024];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = sim_new(2, 3, NULL);
		struct endpoint from = stranger(1);

		sim_profiles(s);
		len = stranger_init(b, sizeof(b), 5, 9);
		b[17] = rows[i].version;
		sim_inject(s, 1, b, len, &from);
		assert_int_equal(s->n[1].sent, rows[i].answers);
		sim_free(s);
	}
}

static void
an_unknown_critical_payload_is_named_IKE_09(void **state)
{
	uint8_t b[1024];
	size_t len;
	unsigned critical;

	(void)state;
	for (critical = 0; critical < 2; critical++) {
		struct sim *s = sim_new(2, 3, NULL);
		struct endpoint from = stranger(1);

		sim_profiles(s);
		len = stranger_init(b, sizeof(b), 5, 9);
		/* an IKEv1 payload number in front */
		memmove(&b[IKE_HEADER_LEN + 4], &b[IKE_HEADER_LEN],
		    len - IKE_HEADER_LEN);
		b[IKE_HEADER_LEN] = b[16];
		b[IKE_HEADER_LEN + 1] = critical ? 0x80 : 0;
		b[IKE_HEADER_LEN + 2] = 0;
		b[IKE_HEADER_LEN + 3] = 4;
		b[16] = 1;
		len += 4;
		b[26] = (uint8_t)(len >> 8);
		b[27] = (uint8_t)len;
		sim_inject(s, 1, b, len, &from);
		assert_int_equal(s->n[1].sent, 1);
		/* critical: a notify alone; else a whole answer */
		assert_true(critical ? s->n[1].sent_bytes == 37 :
		    s->n[1].sent_bytes > 100);
		sim_free(s);
	}
}

static void
bad_spis_ids_and_flags_are_dropped_IKE_17(void **state)
{
	struct sim *s = sim_new(2, 4, NULL);
	struct endpoint from = stranger(1);
	uint8_t b[1024];
	size_t len;
	unsigned i;

	(void)state;
	sim_profiles(s);
	len = stranger_init(b, sizeof(b), 0, 9);		/* SPIi 0 */
	sim_inject(s, 1, b, len, &from);
	len = stranger_init(b, sizeof(b), 5, 9);
	b[15] = 1;					/* SPIr not 0 */
	sim_inject(s, 1, b, len, &from);
	b[15] = 0;
	b[23] = 1;					/* message id 1 */
	sim_inject(s, 1, b, len, &from);
	b[23] = 0;
	b[19] = 0;					/* no I flag */
	sim_inject(s, 1, b, len, &from);
	b[19] = IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE;
	sim_inject(s, 1, b, len, &from);
	b[19] = IKE_FLAG_INITIATOR;
	for (i = 0; i < 256; i++) {	/* exchange types */
		if (i == IKE_SA_INIT)
			continue;
		b[18] = (uint8_t)i;
		sim_inject(s, 1, b, len, &from);
	}
	assert_int_equal(s->n[1].sent, 0);
	sim_free(s);
}

static enum sim_fate
lose_all(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	(void)p;
	return SIM_DROP;
}

static void
our_own_request_reflected_is_dropped_IKE_16(void **state)
{
	struct sim *s = sim_new(2, 5, NULL);
	struct sim_packet p;

	(void)state;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	while (s->n_wire == 0)
		assert_true(sim_step(s, s->now + 100));
	p = sim_copy(&s->wire[0]);
	s->filter = lose_all;
	sim_inject(s, 0, p.b, p.len, &p.dst);		/* as it is */
	p.b[19] = IKE_FLAG_RESPONSE;
	sim_inject(s, 0, p.b, p.len, &p.dst);
	memcpy(&p.b[8], p.b, 8);			/* SPIr = SPIi */
	sim_inject(s, 0, p.b, p.len, &p.dst);
	free(p.b);
	assert_int_equal(s->n[0].sent, 1);	/* no answer to itself */
	s->filter = NULL;
	sim_run(s, 3000);
	sim_one_sa(s);
	sim_free(s);
}

static void
one_request_repeated_is_one_half_open_sa_IKE_18(void **state)
{
	struct sim *s = sim_new(2, 6, NULL);
	struct endpoint from = stranger(1);
	uint8_t b[1024];
	uint64_t before;
	size_t len;
	unsigned i;

	(void)state;
	sim_profiles(s);
	len = stranger_init(b, sizeof(b), 5, 9);
	sim_inject(s, 1, b, len, &from);
	before = s->n[1].random;
	for (i = 0; i < 1000; i++)
		sim_inject(s, 1, b, len, &from);
	assert_int_equal(s->n[1].sent, 1001);
	assert_int_equal(s->n[1].random, before);	/* no second DH */
	/* same SPIi, another nonce: a separate one */
	len = stranger_init(b, sizeof(b), 5, 10);
	sim_inject(s, 1, b, len, &from);
	assert_int_equal(s->n[1].sent, 1002);
	assert_true(s->n[1].random != before);
	sim_free(s);
}

static enum sim_fate
forge_init_answer(struct sim *s, const struct sim_packet *p)
{
	static const uint8_t zeros[8];
	struct sim_packet c;

	if (p->from != 1 || p->h.exchange != IKE_SA_INIT ||
	    s->filter_arg != NULL)
		return SIM_PASS;
	s->filter_arg = s;
	c = sim_copy(p);
	memset(&c.b[8], 0x77, 8);		/* another SPIr */
	assert_memory_not_equal(&c.b[8], zeros, 8);
	sim_put(s, &c, 1);
	return SIM_PASS;
}

static void
a_forged_answer_does_not_keep_us_out_IKE_19(void **state)
{
	struct sim *s = sim_new(2, 7, NULL);

	(void)state;
	sim_profiles(s);
	s->filter = forge_init_answer;
	sim_connect(s, 0, 1);
	sim_run(s, 60000);
	sim_one_sa(s);
	sim_free(s);
}

static void
plain_notifies_do_not_end_an_sa_IKE_20(void **state)
{
	struct sim *s = sim_up(8, NULL);
	struct ike_sas page;
	struct ike_header h = { .exchange = IKE_INFORMATIONAL,
	    .flags = IKE_FLAG_RESPONSE };
	static const uint16_t types[] = { IKE_N_INVALID_IKE_SPI,
	    IKE_N_AUTHENTICATION_FAILED, IKE_N_INVALID_SYNTAX };
	uint8_t b[128];
	struct endpoint from = { s->n[1].addr, 500 };
	unsigned i, sent;

	(void)state;
	sim_run(s, 20000);
	ike_engine_sas(s->n[0].g, s->now, 0, &page);
	h.spi_i = page.items[0].spi_i;
	sent = s->n[0].sent;
	for (i = 0; i < 600; i++) {
		struct wbuf w = wbuf_of(b, sizeof(b));
		struct ike_chain c = ike_chain_of(&w);

		if (i == 300)	/* the other SPI was wrong until now */
			assert_int_equal(s->n[0].sent, sent);
		h.spi_r = page.items[0].spi_r ^ (i < 300);
		h.id = i % 4;
		h.flags = i % 2 ? IKE_FLAG_RESPONSE : 0;
		ike_header_put(&w, &h);
		ike_put_status(&c, types[i % 3]);
		ike_header_fill(&w, c.first, w.len);
		sim_inject(s, 0, b, w.len, &from);
	}
	sim_run(s, 2000);
	sim_one_sa(s);
	assert_int_equal(s->n[0].downs, 0);
	assert_int_equal(s->n[0].sent - sent, 1);	/* one question */
	sim_free(s);
}

static void
unknown_spis_get_few_answers_IKE_22(void **state)
{
	struct sim *s = sim_up(9, NULL);
	struct ike_header h = { .spi_i = 1, .spi_r = 2,
	    .exchange = IKE_INFORMATIONAL, .flags = IKE_FLAG_INITIATOR,
	    .next = IKE_P_SK, .length = 60 };
	struct endpoint from = stranger(3);
	struct endpoint local = { s->n[1].addr, 500 };
	uint8_t b[64] = { 0 };
	struct wbuf w = wbuf_of(b, sizeof(b));
	unsigned i, sent = s->n[1].sent;

	(void)state;
	ike_header_put(&w, &h);
	b[27] = 60;
	for (i = 0; i < 10000; i++)
		ike_engine_packet(s->n[1].g, s->now + i / 10, SIM_WALL,
		    &local, &from, b, 60);
	assert_true(s->n[1].sent - sent <= 10);	/* 5 a second, 1 s */
	sent = s->n[1].sent;
	b[19] = IKE_FLAG_RESPONSE;
	s->now += 5000;
	for (i = 0; i < 100; i++)
		ike_engine_packet(s->n[1].g, s->now, SIM_WALL, &local, &from,
		    b, 60);
	assert_int_equal(s->n[1].sent, sent);
	sim_free(s);
}

/* Whose address may be forged gets no more than it sent (G5). */
static void
nobody_gets_more_octets_than_it_sent_IKE_22(void **state)
{
	static const struct { uint8_t exchange, version, next; } rows[] = {
		{ IKE_INFORMATIONAL, 0x20, 0 }, { IKE_AUTH, 0x20, 0 },
		{ IKE_SA_INIT, 0x30, 0 }, { IKE_SA_INIT, 0x20, 0 },
		{ IKE_SA_INIT, 0x20, 200 },
	};
	struct ike_tune tune = { .cookie_from = 1 };
	struct sim *s = sim_new(2, 9, &tune);
	struct endpoint from = stranger(3);
	uint8_t b[1024] = { 0 };
	struct ike_header h = { .spi_i = 1, .flags = IKE_FLAG_INITIATOR };
	size_t i, len, before;

	(void)state;
	sim_profiles(s);
	len = stranger_init(b, sizeof(b), 5, 9);
	sim_inject(s, 1, b, len, &from);	/* cookies are asked for */
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (len = IKE_HEADER_LEN; len < 64; len++) {
			struct wbuf w = wbuf_of(b, sizeof(b));

			memset(b, 0, sizeof(b));
			h.spi_r = rows[i].exchange == IKE_SA_INIT ? 0 : 2;
			h.exchange = rows[i].exchange;
			h.next = len >= 32 ? rows[i].next : 0;
			h.length = (uint32_t)len;
			ike_header_put(&w, &h);
			b[17] = rows[i].version;
			b[IKE_HEADER_LEN + 1] = 0x80;	/* critical */
			b[IKE_HEADER_LEN + 3] =
			    (uint8_t)(len - IKE_HEADER_LEN);
			s->now += 1000;
			before = s->n[1].sent_bytes;
			sim_inject(s, 1, b, len, &from);
			assert_true(s->n[1].sent_bytes - before <= len);
		}
	assert_int_equal(ike_engine_counter(s->n[1].g, IKE_C_COOKIES), 0);
	sim_free(s);
}

/* ESP that came to port 500, and the marker of 4500. */
static void
what_is_not_ike_at_port_500_is_dropped_ESP_02(void **state)
{
	struct sim *s = sim_new(2, 10, NULL);
	struct endpoint from = stranger(3);
	uint8_t b[256], esp[120];
	size_t i, len;

	(void)state;
	sim_profiles(s);
	for (i = 0; i < sizeof(esp); i++)
		esp[i] = (uint8_t)(i * 37 + 1);
	for (len = 0; len <= sizeof(esp); len++)
		sim_inject(s, 1, esp, len, &from);
	memset(b, 0, 4);
	len = stranger_init(&b[4], sizeof(b) - 4, 5, 9);
	sim_inject(s, 1, b, len + 4, &from);
	assert_int_equal(s->n[1].sent, 0);
	assert_int_equal(ike_engine_counter(s->n[1].g, IKE_C_MALFORMED),
	    sizeof(esp) + 2);
	sim_free(s);
}

static uint8_t recorded[64][2048];
static struct sim_packet record[64];
static size_t n_record;

static enum sim_fate
record_all(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	if (n_record < 64 && p->len <= sizeof(recorded[0])) {
		record[n_record] = *p;
		memcpy(recorded[n_record], p->b, p->len);
		n_record++;
	}
	return SIM_PASS;
}

static void
a_recorded_session_replayed_changes_nothing_IKE_38(void **state)
{
	struct sim *s = sim_new(2, 10, NULL);
	struct endpoint other = stranger(9);
	size_t i, sas;
	unsigned ups;

	(void)state;
	n_record = 0;
	s->filter = record_all;
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	s->filter = NULL;
	sas = s->n[1].n_sa;
	ups = s->n[1].ups;
	for (i = 0; i < n_record; i++) {
		sim_inject(s, record[i].to, recorded[i], record[i].len,
		    &record[i].src);
		sim_inject(s, record[i].to, recorded[i], record[i].len, &other);
	}
	sim_run(s, 100000);
	assert_int_equal(s->n[1].n_sa, sas);
	assert_int_equal(s->n[1].ups, ups);
	sim_one_sa(s);
	sim_free(s);
}

static void
a_repeated_request_gets_the_same_octets_IKE_37(void **state)
{
	struct sim *s = sim_up(11, NULL);
	struct ike_close c = { .peer = 1 };
	struct reason why;
	size_t i, q = 64, n;

	(void)state;
	n_record = 0;
	s->filter = record_all;
	(void)ike_engine_probe(s->n[0].g, s->now, SIM_WALL, 1, 3, &why);
	sim_run(s, 100);
	for (i = 0; i < n_record; i++)
		if (record[i].from == 0)
			q = i;
	assert_true(q < 64);
	n = n_record;
	sim_inject(s, 1, recorded[q], record[q].len, &record[q].src);
	assert_int_equal(n_record, n + 1);
	assert_int_equal(record[n].len, record[n - 1].len);
	assert_memory_equal(recorded[n], recorded[n - 1], record[n].len);
	/* each bit wrong: dropped, and the id is not used up (IKE-23) */
	for (i = IKE_HEADER_LEN; i < record[q].len; i++) {
		recorded[q][i] ^= 1;
		sim_inject(s, 1, recorded[q], record[q].len, &record[q].src);
		recorded[q][i] ^= 1;
	}
	assert_int_equal(n_record, n + 1);
	assert_int_equal(ike_engine_close(s->n[0].g, s->now, SIM_WALL, &c,
	    &why), 0);
	sim_run(s, 100);
	assert_int_equal(s->n[1].downs, 1);
	sim_free(s);
}

static void
two_equal_spis_are_never_used_IKE_49(void **state)
{
	struct sim *s = sim_new(2, 12, NULL);

	(void)state;
	s->n[0].same_random = true;	/* octets repeat within a draw */
	sim_profiles(s);
	sim_connect(s, 0, 1);
	sim_run(s, 3000);
	sim_one_sa(s);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_gets_cookies_and_no_state_IKE_01),
		cmocka_unit_test(
		    a_replayed_request_does_not_move_the_peer_B19),
		cmocka_unit_test(
		    a_peer_is_kept_out_of_tunnels_that_do_not_admit_it_P3),
		cmocka_unit_test(other_versions_are_dropped_or_told_IKE_08),
		cmocka_unit_test(an_unknown_critical_payload_is_named_IKE_09),
		cmocka_unit_test(our_own_request_reflected_is_dropped_IKE_16),
		cmocka_unit_test(bad_spis_ids_and_flags_are_dropped_IKE_17),
		cmocka_unit_test(
		    one_request_repeated_is_one_half_open_sa_IKE_18),
		cmocka_unit_test(a_forged_answer_does_not_keep_us_out_IKE_19),
		cmocka_unit_test(plain_notifies_do_not_end_an_sa_IKE_20),
		cmocka_unit_test(unknown_spis_get_few_answers_IKE_22),
		cmocka_unit_test(nobody_gets_more_octets_than_it_sent_IKE_22),
		cmocka_unit_test(
		    what_is_not_ike_at_port_500_is_dropped_ESP_02),
		cmocka_unit_test(
		    a_repeated_request_gets_the_same_octets_IKE_37),
		cmocka_unit_test(
		    a_recorded_session_replayed_changes_nothing_IKE_38),
		cmocka_unit_test(two_equal_spis_are_never_used_IKE_49),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
