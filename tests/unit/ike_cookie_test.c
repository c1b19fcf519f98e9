#include "ike_stranger.h"

#include "crypto/prf.h"

/* What a stranger may do with a cookie, and how many of them are let in. */

static uint8_t answer[512];

static enum sim_fate
see_answer(struct sim *s, const struct sim_packet *p)
{
	(void)s;
	if (p->from == 1 && p->len <= sizeof(answer))
		memcpy(answer, p->b, p->len);
	return SIM_DROP;
}

/* Is this answered by more than a cookie? */
static bool
let_in(struct sim *s, uint64_t spi, uint8_t fill,
    const struct endpoint *from, struct rbuf cookie)
{
	uint64_t before = ike_engine_counter(s->n[1].g, IKE_C_COOKIES);
	uint8_t b[1024];
	size_t len = stranger_request(b, sizeof(b), spi, fill, cookie);

	sim_inject(s, 1, b, len, from);
	return ike_engine_counter(s->n[1].g, IKE_C_COOKIES) == before;
}

/* One bit off, and what a stranger can work out while the secret is none. */
static void
a_cookie_that_was_never_given_gets_a_new_one_IKE_02(void **state)
{
	struct ike_tune tune = { .cookie_from = 1 };
	struct sim *s = sim_new(2, 90, &tune);
	struct endpoint from = stranger(7);
	uint8_t cookie[21] = { 0 }, octets[32], key[64];
	struct wbuf k = wbuf_of(key, sizeof(key));
	struct rbuf parts[2] = { rbuf_of(octets, 32) };

	(void)state;
	memset(octets, 9, sizeof(octets));
	sim_profiles(s);
	assert_true(let_in(s, 5, 9, &from, rbuf_of(NULL, 0)));
	assert_false(let_in(s, 99, 9, &from, rbuf_of(cookie, 21)));
	wbuf_zero(&k, 32);
	wbuf_be64(&k, 99);
	wbuf_be16(&k, from.port);
	wbuf_put(&k, from.addr.b, from.addr.len);
	parts[1] = wbuf_rbuf(&k);
	assert_int_equal(prf_sha1(parts, 2, &cookie[1], NULL), 0);
	assert_false(let_in(s, 99, 9, &from, rbuf_of(cookie, 21)));
	sim_free(s);
}

static void
a_cookie_is_good_for_its_sender_and_request_alone_IKE_02(void **state)
{
	struct ike_tune tune = { .cookie_from = 1,
	    .half_open_life = 3600000 };
	struct sim *s = sim_new(2, 91, &tune);
	struct endpoint own = { s->n[0].addr, 500 }, port = own;
	struct endpoint other = stranger(9);
	struct rbuf none = rbuf_of(NULL, 0), cookie;

	(void)state;
	sim_profiles(s);
	assert_true(let_in(s, 5, 5, &other, none));	/* the first one */
	s->filter = see_answer;
	assert_false(let_in(s, 50, 9, &own, none));
	cookie = rbuf_of(&answer[IKE_HEADER_LEN + 8], 21);
	port.port = 501;
	assert_false(let_in(s, 50, 9, &port, cookie));
	cookie = rbuf_of(memcpy(&answer[256], &answer[IKE_HEADER_LEN + 8],
	    21), 21);
	/* what was answered since is another one's */
	let_in(s, 50, 9, &own, none);
	memcpy(&answer[256], &answer[IKE_HEADER_LEN + 8], 21);
	assert_false(let_in(s, 50, 9, &other, cookie));
	assert_false(let_in(s, 51, 9, &own, cookie));
	assert_false(let_in(s, 50, 10, &own, cookie));
	assert_false(let_in(s, 50, 9, &port, cookie));
	assert_true(let_in(s, 50, 9, &own, cookie));
	sim_free(s);
}

/* It is good until the secret has changed twice. */
static void
a_cookie_gets_old_IKE_02(void **state)
{
	struct ike_tune tune = { .cookie_from = 1,
	    .half_open_life = 3600000 };
	struct sim *s = sim_new(2, 92, &tune);
	struct endpoint own = { s->n[0].addr, 500 };
	struct endpoint other = stranger(9);
	struct rbuf none = rbuf_of(NULL, 0), cookie;

	(void)state;
	sim_profiles(s);
	assert_true(let_in(s, 5, 5, &other, none));
	s->filter = see_answer;
	assert_false(let_in(s, 50, 9, &own, none));
	memcpy(&answer[256], &answer[IKE_HEADER_LEN + 8], 21);
	cookie = rbuf_of(&answer[256], 21);
	s->now += 61000;
	assert_false(let_in(s, 60, 9, &other, none));
	s->now += 61000;
	assert_false(let_in(s, 61, 9, &other, none));
	assert_false(let_in(s, 50, 9, &own, cookie));
	sim_free(s);
}

/* What is answered by one who is not the peer, before the peer. */
static const struct forged {
	uint16_t	 type;
	size_t		 len;
	const char	*data;
} rows[] = {
	{ IKE_N_COOKIE, 0, "" },
	{ IKE_N_COOKIE, 65, NULL },
	{ IKE_N_COOKIE, 300, NULL },
	{ IKE_N_INVALID_KE_PAYLOAD, 2, "\x04\x01" },	/* 1025 */
	{ IKE_N_INVALID_KE_PAYLOAD, 2, "\0\0" },
	{ IKE_N_INVALID_KE_PAYLOAD, 2, "\0\x0e" },	/* known, not ours */
	{ IKE_N_INVALID_KE_PAYLOAD, 2, "\0\x1f" },	/* what was sent */
	{ IKE_N_INVALID_KE_PAYLOAD, 1, "\x0e" },
	{ IKE_N_INVALID_SYNTAX, 0, "" },
	{ IKE_N_AUTHENTICATION_FAILED, 0, "" },
	{ 8190, 0, "" },
};

static enum sim_fate
forge(struct sim *s, const struct sim_packet *p)
{
	static const uint8_t zeros[512];
	const struct forged *f = s->filter_arg;
	struct sim_packet c = *p;
	struct ike_header h = p->h;
	uint8_t b[1024];
	struct wbuf w = wbuf_of(b, sizeof(b));
	struct ike_chain chain = ike_chain_of(&w);

	if (p->from != 0 || p->h.exchange != IKE_SA_INIT)
		return SIM_PASS;
	h.flags = IKE_FLAG_RESPONSE;
	ike_header_put(&w, &h);
	ike_put_notify(&chain, 0, NULL, 0, f->type, f->data != NULL ?
	    f->data : (const char *)zeros, f->len);
	ike_header_fill(&w, chain.first, w.len);
	c.from = 1;
	c.to = 0;
	c.src = p->dst;
	c.dst = p->src;
	c.len = w.len;
	c.b = b;
	c = sim_copy(&c);
	sim_put(s, &c, 1);
	return SIM_PASS;
}

static void
forged_refusals_change_nothing_IKE_03_IKE_13_IKE_19(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = sim_new(2, 93, NULL);
		struct ike_profile_set p = sim_profile("p");

		snprintf(p.proposals[p.n_proposals++],
		    sizeof(p.proposals[0]), "aes256gcm16-prfsha256-x25519");
		sim_set(&s->n[0], &p);
		sim_set(&s->n[1], &p);
		s->filter = forge;
		s->filter_arg = (void *)(uintptr_t)&rows[i];
		sim_connect(s, 0, 1);
		sim_run(s, 400);
		assert_int_equal(s->n[0].fails, 0);
		if (s->n[0].sent != 2)
			fail_msg("row %zu: %u messages", i, s->n[0].sent);
		sim_one_sa(s);
		sim_free(s);
	}
}

static void
half_open_sas_and_all_have_a_most_IKE_01(void **state)
{
	struct ike_tune tunes[] = { { .cookie_from = 1000,
	    .half_open_max = 5 }, { .cookie_from = 1000, .sas_max = 5 } };
	struct rbuf none = rbuf_of(NULL, 0);
	uint64_t sas, peers;
	unsigned i, k;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct sim *s = sim_new(2, 94, &tunes[i]);

		sim_profiles(s);
		for (k = 0; k < 50; k++) {
			struct endpoint from = stranger(k);

			let_in(s, 100 + k, (uint8_t)(k + 1), &from, none);
		}
		ike_engine_sizes(s->n[1].g, &sas, &peers);
		assert_int_equal(sas, 5);
		assert_int_equal(ike_engine_counter(s->n[1].g,
		    IKE_C_HALF_OPEN_FULL), 45);
		sim_free(s);
	}
}

/* ESP without UDP is for those whose addresses are what they say. */
static void
hashes_that_do_not_fit_give_udp_encapsulation_IKE_45(void **state)
{
	static const uint8_t nat[] = { 198, 51, 100, 1 };
	struct ike_profile_set p = sim_profile("p");
	int behind;

	(void)state;
	p.raw_esp = true;
	for (behind = 0; behind < 2; behind++) {
		struct sim *s = sim_new(2, 95, NULL);
		int i;

		if (behind)
			s->nat = 0;
		s->nat_seen = (struct endpoint){ addr_of(nat, 4), 30000 };
		sim_set(&s->n[0], &p);
		sim_set(&s->n[1], &p);
		sim_connect(s, 0, 1);
		sim_run(s, 1000);
		sim_one_sa(s);
		for (i = 0; i < 2; i++)
			assert_int_equal(s->n[i].last_set.encap, behind ?
			    GRE_ENCAP_UDP : GRE_ENCAP_ESP);
		sim_free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_cookie_that_was_never_given_gets_a_new_one_IKE_02),
		cmocka_unit_test(
		    a_cookie_is_good_for_its_sender_and_request_alone_IKE_02),
		cmocka_unit_test(a_cookie_gets_old_IKE_02),
		cmocka_unit_test(
		    forged_refusals_change_nothing_IKE_03_IKE_13_IKE_19),
		cmocka_unit_test(half_open_sas_and_all_have_a_most_IKE_01),
		cmocka_unit_test(
		    hashes_that_do_not_fit_give_udp_encapsulation_IKE_45),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
