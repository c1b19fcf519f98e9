#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/ike.h"
#include "wire/ike_proposal.h"

static struct ike_header header = { .spi_i = 0x1122334455667788u,
    .exchange = IKE_SA_INIT, .flags = IKE_FLAG_INITIATOR };

/* A message with one of everything. */
static size_t
sample(uint8_t *b, size_t cap)
{
	struct wbuf w = wbuf_of(b, cap);
	struct ike_chain c = ike_chain_of(&w);
	struct ike_proposal p[2];
	struct ike_ts ts = { .type = IKE_TS_IPV4, .protocol = 47,
	    .port_last = 65535, .first = addr_of("\300\0\2\1", 4),
	    .last = addr_of("\300\0\2\1", 4) };
	uint32_t spis[2] = { 0x1000, 0x2000 };
	uint8_t octets[64] = { 7 };

	assert_int_equal(ike_proposal_parse("aes256gcm16-prfsha384-x25519",
	    IKE_PROTO_IKE, &p[0], NULL), 0);
	assert_int_equal(ike_proposal_parse("aes128-sha256-modp2048",
	    IKE_PROTO_IKE, &p[1], NULL), 0);
	ike_header_put(&w, &header);
	ike_put_sa(&c, p, 2, NULL, 0);
	ike_put_ke(&c, IKE_GROUP_X25519, octets, 32);
	ike_put_nonce(&c, octets, 32);
	ike_put_id(&c, IKE_P_IDI, IKE_ID_FQDN, "a.example", 9);
	ike_put_cert(&c, IKE_P_CERT, IKE_CERT_X509, octets, 60);
	ike_put_cert(&c, IKE_P_CERTREQ, IKE_CERT_X509, octets, 20);
	ike_put_auth(&c, IKE_AUTH_PSK, octets, 32);
	ike_put_notify(&c, IKE_PROTO_ESP, octets, 4, IKE_N_REKEY_SA, octets,
	    3);
	ike_put_status(&c, IKE_N_INITIAL_CONTACT);
	ike_put_delete(&c, IKE_PROTO_ESP, spis, 2);
	ike_put_ts(&c, IKE_P_TSI, &ts, 1);
	ike_put_ts(&c, IKE_P_TSR, &ts, 1);
	ike_header_fill(&w, c.first, w.len);
	assert_true(wbuf_ok(&w));
	return w.len;
}

/* Parse every payload's body as far as it is known. */
static int
parse_body(const struct ike_payload *p, struct err *e)
{
	struct ike_sa_walk sw;
	struct ike_transform_walk tw;
	struct ike_proposal_in in;
	struct ike_transform t;
	struct ike_ts_walk ts;
	struct ike_ts one;
	struct rbuf nonce;
	int rc, k;

	switch (p->type) {
	case IKE_P_SA:
		sw = ike_sa_walk_of(p->body);
		while ((rc = ike_sa_next(&sw, &in, e)) == 1) {
			tw = ike_transform_walk_of(&in);
			while ((k = ike_transform_next(&tw, &t, e)) == 1)
				;
			if (k < 0)
				return -1;
		}
		return rc;
	case IKE_P_KE:
		return ike_ke_parse(p->body, &(struct ike_ke){ 0 }, e);
	case IKE_P_IDI:
		return ike_id_parse(p->body, &(struct ike_id){ 0 }, e);
	case IKE_P_CERT:
	case IKE_P_CERTREQ:
		return ike_cert_parse(p->body, &(struct ike_cert){ 0 }, e);
	case IKE_P_AUTH:
		return ike_auth_parse(p->body, &(struct ike_auth){ 0 }, e);
	case IKE_P_NONCE:
		return ike_nonce_parse(p->body, &nonce, e);
	case IKE_P_NOTIFY:
		return ike_notify_parse(p->body, &(struct ike_notify){ 0 },
		    e);
	case IKE_P_DELETE:
		return ike_delete_parse(p->body, &(struct ike_delete){ 0 },
		    e);
	case IKE_P_TSI:
	case IKE_P_TSR:
		if (ike_ts_walk_of(p->body, &ts, e) < 0)
			return -1;
		while ((rc = ike_ts_next(&ts, &one, e)) == 1)
			;
		return rc;
	}
	return 0;
}

static int
parse(const uint8_t *b, size_t len, unsigned *n)
{
	struct rbuf in = rbuf_of(b, len);
	struct ike_header h;
	struct ike_walk w;
	struct ike_payload p;
	struct err e;
	int rc;

	*n = 0;
	if (ike_header_parse(&in, &h, &e) < 0)
		return -1;
	w = ike_walk_of(h.next, in);
	while ((rc = ike_walk_next(&w, &p, &e)) == 1) {
		++*n;
		if (parse_body(&p, &e) < 0)
			return -1;
	}
	return rc;
}

static void
what_is_built_is_parsed(void **state)
{
	uint8_t b[2048];
	size_t len = sample(b, sizeof(b));
	unsigned n;

	(void)state;
	assert_int_equal(parse(b, len, &n), 0);
	assert_int_equal(n, 12);
}

static void
a_message_cut_at_each_octet_is_refused_IKE_06(void **state)
{
	uint8_t b[2048], *cut;
	size_t len = sample(b, sizeof(b)), i;
	unsigned n;

	(void)state;
	for (i = 0; i < len; i++) {
		cut = malloc(i > 0 ? i : 1);
		assert_non_null(cut);
		memcpy(cut, b, i);
		assert_int_equal(parse(cut, i, &n), -1);
		if (i >= IKE_HEADER_LEN) {	/* with a length that fits */
			cut[24] = 0;
			cut[25] = 0;
			cut[26] = (uint8_t)(i >> 8);
			cut[27] = (uint8_t)i;
			assert_int_equal(parse(cut, i, &n), -1);
		}
		free(cut);
	}
}

static void
the_length_field_is_exact_IKE_06(void **state)
{
	static const uint32_t lengths[] = { 0, 27, 4294967295u };
	uint8_t b[2048];
	size_t len = sample(b, sizeof(b)), i;
	struct wbuf w = { .buf = b, .cap = sizeof(b), .len = len };
	unsigned n;

	(void)state;
	for (i = 0; i < 3; i++) {
		wbuf_fill32(&w, 24, lengths[i]);
		assert_int_equal(parse(b, len, &n), -1);
	}
	wbuf_fill32(&w, 24, len - 1);
	assert_int_equal(parse(b, len, &n), -1);
	wbuf_fill32(&w, 24, len + 1);
	assert_int_equal(parse(b, len, &n), -1);
	b[len] = 0;
	wbuf_fill32(&w, 24, len + 1);
	assert_int_equal(parse(b, len + 1, &n), -1);	/* trailing octet */
}

static void
payload_chains_are_bounded_IKE_07(void **state)
{
	static uint8_t b[IKE_HEADER_LEN + 40000];
	struct wbuf w = wbuf_of(b, sizeof(b));
	unsigned n, i;

	(void)state;
	header.next = IKE_P_VENDOR;
	ike_header_put(&w, &header);
	for (i = 0; i < 10000; i++)
		wbuf_be32(&w, i + 1 < 10000 ? 0x2b000004 : 0x00000004);
	wbuf_fill32(&w, 24, w.len);
	assert_int_equal(parse(b, w.len, &n), -1);
	assert_int_equal(n, IKE_PAYLOADS_MAX);
	for (i = 0; i < 4; i++) {	/* shorter than its own header */
		w = wbuf_of(b, sizeof(b));
		ike_header_put(&w, &header);
		wbuf_be32(&w, i);
		wbuf_fill32(&w, 24, w.len);
		assert_int_equal(parse(b, w.len, &n), -1);
	}
	w = wbuf_of(b, sizeof(b));	/* next payload into nothing */
	ike_header_put(&w, &header);
	wbuf_be32(&w, 0x2b000004);
	wbuf_fill32(&w, 24, w.len);
	assert_int_equal(parse(b, w.len, &n), -1);
	header.next = 0;
}

static void
reserved_fields_are_passed_over_IKE_10(void **state)
{
	uint8_t b[2048];
	size_t len = sample(b, sizeof(b));
	struct rbuf in = rbuf_of(b, len);
	struct ike_header h;
	struct ike_walk w;
	struct ike_payload p;
	unsigned n;

	(void)state;
	b[19] |= 0xc7;		/* reserved flags */
	assert_int_equal(ike_header_parse(&in, &h, NULL), 0);
	w = ike_walk_of(h.next, in);
	while (ike_walk_next(&w, &p, NULL) == 1) {
		uint8_t *at = &b[p.whole.p - b];

		at[1] |= 0x7f;	/* reserved bits beside critical */
		if (p.type == IKE_P_KE)
			at[6] = at[7] = 0xff;
		if (p.type == IKE_P_IDI || p.type == IKE_P_AUTH ||
		    p.type == IKE_P_TSI)
			at[5] = at[6] = at[7] = 0xff;
		if (p.type == IKE_P_SA) {
			at[5] = 0xff;		/* of the proposal */
			at[13] = at[17] = 0xff;	/* of the transform */
		}
	}
	assert_int_equal(parse(b, len, &n), 0);
	assert_int_equal(n, 12);
}

static void
nonces_have_16_to_256_octets_IKE_15(void **state)
{
	static const struct { size_t len; int rc; } rows[] = {
		{ 0, -1 }, { 1, -1 }, { 15, -1 }, { 16, 0 }, { 256, 0 },
		{ 257, -1 }, { 4096, -1 },
	};
	static uint8_t octets[4096];
	struct rbuf nonce;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ike_nonce_parse(rbuf_of(octets,
		    rows[i].len), &nonce, NULL), rows[i].rc);
}

/* ---- proposals ---- */

static void
proposals_are_read_and_written_alike(void **state)
{
	static const char *const same[] = { "aes256gcm16-prfsha384-ecp384",
	    "aes256-sha256-modp2048", "aes128-aes256-sha256-sha512-x25519",
	    "chacha20poly1305-prfsha512-x25519-ecp256", NULL };
	static const char *const esp[] = { "aes128gcm16-x25519",
	    "aes256-sha256", "aes256gcm16-modpnone-ecp384-noesn-esn",
	    "chacha20poly1305-esn", NULL };
	char text[IKE_PROPOSAL_TEXT];
	struct ike_proposal p;
	size_t i;

	(void)state;
	for (i = 0; same[i] != NULL; i++) {
		assert_int_equal(ike_proposal_parse(same[i], IKE_PROTO_IKE,
		    &p, NULL), 0);
		assert_string_equal(ike_proposal_text(&p, text,
		    sizeof(text)), same[i]);
	}
	for (i = 0; esp[i] != NULL; i++) {
		assert_int_equal(ike_proposal_parse(esp[i], IKE_PROTO_ESP,
		    &p, NULL), 0);
		assert_string_equal(ike_proposal_text(&p, text,
		    sizeof(text)), esp[i]);
	}
	assert_int_equal(ike_proposal_parse("aes256gcm16-sha384-ecp384",
	    IKE_PROTO_IKE, &p, NULL), 0);
	assert_string_equal(ike_proposal_text(&p, text, sizeof(text)),
	    "aes256gcm16-prfsha384-ecp384");
}

static void
nonsense_proposals_are_refused_with_a_reason(void **state)
{
	static const struct { const char *text; uint8_t proto;
	    const char *why; } rows[] = {
		{ "", IKE_PROTO_IKE, "not an algorithm" },
		{ "aes256gcm16", IKE_PROTO_IKE, "no group" },
		{ "aes256-x25519", IKE_PROTO_IKE, "no integrity" },
		{ "sha256-x25519", IKE_PROTO_IKE, "no cipher" },
		{ "aes256gcm16-aes256-sha256-x25519", IKE_PROTO_IKE,
		  "mixes" },
		{ "3des-md5-modp768", IKE_PROTO_IKE, "\"3des\" is not" },
		{ "aes256gcm16-prfsha256", IKE_PROTO_ESP, "prfsha256" },
		{ "aes256gcm16-x25519-esn", IKE_PROTO_IKE, "esn" },
		{ "aes256gcm16-", IKE_PROTO_ESP, "not an algorithm" },
		{ "aes256gcm16-prfsha256-modpnone", IKE_PROTO_IKE,
		  "no group" },
	};
	struct ike_proposal p;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ike_proposal_parse(rows[i].text,
		    rows[i].proto, &p, &e), -1);
		if (strstr(e.msg, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].text, e.msg);
	}
	assert_int_equal(ike_proposal_parse("aes128-sha1-modp1024",
	    IKE_PROTO_IKE, &p, NULL), 0);
	assert_true(ike_proposal_weak(&p));
}


/* An SA payload's body of one proposal. */
static struct rbuf
offer(uint8_t *b, size_t cap, const struct ike_transform *t, size_t n,
    uint8_t claimed)
{
	struct wbuf w = wbuf_of(b, cap);
	size_t i, at = w.len;

	wbuf_be16(&w, 0);
	wbuf_be16(&w, 0);
	wbuf_u8(&w, 1);
	wbuf_u8(&w, IKE_PROTO_IKE);
	wbuf_u8(&w, 0);
	wbuf_u8(&w, claimed);
	for (i = 0; i < n; i++) {
		wbuf_be16(&w, i + 1 < n ? 0x300 : 0);
		wbuf_be16(&w, t[i].key_bits ? 12 : 8);
		wbuf_u8(&w, t[i].type);
		wbuf_u8(&w, 0);
		wbuf_be16(&w, t[i].id);
		if (t[i].key_bits) {
			wbuf_be16(&w, 0x800e);
			wbuf_be16(&w, t[i].key_bits);
		}
	}
	wbuf_fill16(&w, at + 2, w.len - at);
	assert_true(wbuf_ok(&w));
	return wbuf_rbuf(&w);
}

static int
choose(const struct ike_transform *t, size_t n, uint8_t claimed,
    struct ike_mismatch *why)
{
	struct ike_proposal ours, chosen;
	uint8_t b[1024];
	struct ike_choice c = { .ours = &ours, .n_ours = 1,
	    .protocol = IKE_PROTO_IKE };

	assert_int_equal(ike_proposal_parse("aes256gcm16-prfsha384-x25519-"
	    "ecp384", IKE_PROTO_IKE, &ours, NULL), 0);
	c.sa = offer(b, sizeof(b), t, n, claimed);
	return ike_proposal_choose(&c, &chosen, why, NULL);
}

static void
odd_proposals_are_not_chosen_IKE_11_IKE_12(void **state)
{
	const struct ike_transform good[] = {
		{ .type = IKE_T_ENCR, .id = 20, .key_bits = 256 },
		{ .type = IKE_T_PRF, .id = 6 },
		{ .type = IKE_T_KE, .id = 31 },
		{ .type = IKE_T_INTEG, .id = 0 },
	};
	struct ike_transform t[4];
	struct ike_mismatch why;

	(void)state;
	assert_int_equal(choose(good, 3, 3, &why), 1);
	assert_int_equal(choose(good, 4, 4, &why), 1);	/* INTEG NONE */
	assert_int_equal(choose(good, 2, 2, &why), 0);	/* no group */
	assert_string_equal(why.difference,
	    "ke: offered none, wanted x25519-ecp384");
	assert_int_equal(choose(good, 3, 2, &why), -1);	/* count lies */
	assert_int_equal(choose(good, 3, 4, &why), -1);
	memcpy(t, good, sizeof(t));
	t[2].id = 0;					/* DH NONE */
	assert_int_equal(choose(t, 3, 3, &why), 0);
	t[2].id = 1025;
	assert_int_equal(choose(t, 3, 3, &why), 0);
	memcpy(t, good, sizeof(t));
	t[3].id = 12;					/* INTEG with AEAD */
	assert_int_equal(choose(t, 4, 4, &why), 0);
	t[3] = (struct ike_transform){ .type = 77, .id = 1 };
	assert_int_equal(choose(t, 4, 4, &why), 0);	/* unknown type */
	t[3] = (struct ike_transform){ .type = IKE_T_AKE1, .id = 0 };
	assert_int_equal(choose(t, 4, 4, &why), 1);	/* NONE is allowed */
	t[3] = (struct ike_transform){ .type = IKE_T_ENCR, .id = 255 };
	assert_int_equal(choose(t, 4, 4, &why), 1);	/* unknown mixed in */
	t[3] = t[2];
	assert_int_equal(choose(t, 4, 4, &why), 1);	/* doubled */
	t[0].key_bits = 1;
	assert_int_equal(choose(t, 3, 3, &why), 0);
	t[0].key_bits = 65535;
	assert_int_equal(choose(t, 3, 3, &why), 0);
	t[0].key_bits = 0;
	assert_int_equal(choose(t, 3, 3, &why), 0);
}

static void
a_later_proposal_is_chosen_and_its_number_kept(void **state)
{
	struct ike_proposal p[3], ours[2], chosen;
	uint8_t b[1024];
	struct wbuf w = wbuf_of(b, sizeof(b));
	struct ike_chain c = ike_chain_of(&w);
	struct ike_choice choice = { .ours = ours, .n_ours = 2,
	    .protocol = IKE_PROTO_IKE };

	(void)state;
	ike_proposal_parse("aes128-sha1-modp1024", IKE_PROTO_IKE, &p[0],
	    NULL);
	ike_proposal_parse("aes128-sha256-modp2048", IKE_PROTO_IKE, &p[1],
	    NULL);
	ike_proposal_parse("aes256gcm16-prfsha256-x25519", IKE_PROTO_IKE,
	    &p[2], NULL);
	ours[0] = p[2];
	ours[1] = p[1];
	ike_put_sa(&c, p, 3, NULL, 0);
	choice.sa = rbuf_of(&b[4], w.len - 4);
	assert_int_equal(ike_proposal_choose(&choice, &chosen, NULL, NULL),
	    1);
	assert_int_equal(chosen.number, 3);	/* our preference counts */
	assert_int_equal(ike_proposal_answer(&choice, &chosen, NULL), -1);
}

static void
selectors_are_written_for_people(void **state)
{
	static const struct {
		struct ike_ts	 ts;
		const char	*text;
	} rows[] = {
		{ { IKE_TS_IPV4, 47, 0, 65535, { 4, { 192, 0, 2, 1 } },
		  { 4, { 192, 0, 2, 1 } } }, "192.0.2.1/32[gre]" },
		{ { IKE_TS_IPV4, 0, 0, 65535, { 4, { 10 } },
		  { 4, { 10, 255, 255, 255 } } }, "10.0.0.0/8" },
		{ { IKE_TS_IPV4, 0, 0, 65535, { 4, { 0 } },
		  { 4, { 255, 255, 255, 255 } } }, "0.0.0.0/0" },
		{ { IKE_TS_IPV4, 6, 80, 80, { 4, { 10, 0, 0, 1 } },
		  { 4, { 10, 0, 0, 9 } } }, "10.0.0.1-10.0.0.9[tcp/80]" },
		{ { IKE_TS_SECLABEL, 0, 0, 0, { 0 }, { 0 } }, "type-10" },
	};
	char text[100];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(ike_ts_text(&rows[i].ts, text,
		    sizeof(text)), rows[i].text);
}

static void
lying_selectors_are_refused_IKE_34(void **state)
{
	static const uint8_t backwards[] = { 1, 0, 0, 0, 7, 0, 0, 16, 0, 0,
	    255, 255, 10, 0, 0, 9, 10, 0, 0, 1 };
	static const uint8_t v6_in_v4[] = { 1, 0, 0, 0, 8, 0, 0, 16, 0, 0,
	    255, 255, 10, 0, 0, 1, 10, 0, 0, 9 };
	static const uint8_t unknown[] = { 1, 0, 0, 0, 255, 0, 0, 8, 1, 2, 3,
	    4 };
	uint8_t b[20];
	struct ike_ts_walk w;
	struct ike_ts ts;

	(void)state;
	assert_int_equal(ike_ts_walk_of(rbuf_of(backwards, 20), &w, NULL),
	    0);
	assert_int_equal(ike_ts_next(&w, &ts, NULL), -1);
	assert_int_equal(ike_ts_walk_of(rbuf_of(v6_in_v4, 20), &w, NULL), 0);
	assert_int_equal(ike_ts_next(&w, &ts, NULL), -1);
	assert_int_equal(ike_ts_walk_of(rbuf_of(unknown, 12), &w, NULL), 0);
	assert_int_equal(ike_ts_next(&w, &ts, NULL), 1);
	assert_int_equal(ts.first.len, 0);
	memcpy(b, backwards, sizeof(b));
	b[0] = 0;
	assert_int_equal(ike_ts_walk_of(rbuf_of(b, 20), &w, NULL), -1);
	b[0] = 255;
	assert_int_equal(ike_ts_walk_of(rbuf_of(b, 20), &w, NULL), -1);
	b[0] = 2;
	b[12] = 1;
	assert_int_equal(ike_ts_walk_of(rbuf_of(b, 20), &w, NULL), 0);
	assert_int_equal(ike_ts_next(&w, &ts, NULL), 1);
	assert_int_equal(ike_ts_next(&w, &ts, NULL), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_built_is_parsed),
		cmocka_unit_test(
		    a_message_cut_at_each_octet_is_refused_IKE_06),
		cmocka_unit_test(the_length_field_is_exact_IKE_06),
		cmocka_unit_test(payload_chains_are_bounded_IKE_07),
		cmocka_unit_test(reserved_fields_are_passed_over_IKE_10),
		cmocka_unit_test(nonces_have_16_to_256_octets_IKE_15),
		cmocka_unit_test(proposals_are_read_and_written_alike),
		cmocka_unit_test(
		    nonsense_proposals_are_refused_with_a_reason),
		cmocka_unit_test(odd_proposals_are_not_chosen_IKE_11_IKE_12),
		cmocka_unit_test(
		    a_later_proposal_is_chosen_and_its_number_kept),
		cmocka_unit_test(selectors_are_written_for_people),
		cmocka_unit_test(lying_selectors_are_refused_IKE_34),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
