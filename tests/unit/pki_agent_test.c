#include "pki_make.h"

#include <stdio.h>

#include "crypto/prf.h"
#include "dmvpn-pki/pki_agent.h"
#include "dmvpn-pki/pki_ring.h"
#include "wire/ike.h"

#define ME 1000

static struct make ca;
static struct cert *peer;
static EVP_PKEY *peer_key;
static struct secret *peer_der;
static struct pki_ring ring;
static struct reason why;
static const uint16_t hashes[] = { SIGN_SHA256 };

static struct pki_load
load_of(const char *identity)
{
	struct pki_load m = { .n_chain = 1, .n_anchors = 1 };

	snprintf(m.identity, sizeof(m.identity), "%s", identity);
	m.key = rbuf_of(peer_der->b, peer_der->len);
	m.chain[0] = cert_der(peer);
	m.anchors[0] = cert_der(ca.ca_cert);
	return m;
}

static struct pki_load
psk_of(const char *identity, const char *peer_id, const char *psk)
{
	struct pki_load m = { .psk = rbuf_of(psk, strlen(psk)) };

	snprintf(m.identity, sizeof(m.identity), "%s", identity);
	snprintf(m.peer_id, sizeof(m.peer_id), "%s", peer_id);
	return m;
}

static int
setup(void **state)
{
	struct pki_load m;

	(void)state;
	make_site(&ca, &peer, &peer_key);
	peer_der = pki_key_der(peer_key, NULL);
	pki_ring_init(&ring, 100);
	m = load_of("spoke");
	return pki_ring_load(&ring, &m, &why);
}

static int
teardown(void **state)
{
	(void)state;
	pki_ring_fini(&ring);
	secret_free(peer_der);
	return make_site_fini(&ca, peer, peer_key);
}

/* An IKE_SA_INIT with this octet all over its nonce. */
struct init {
	uint8_t	b[256];
	size_t	len;
};

static void
payload(struct wbuf *w, uint8_t next, size_t len, uint8_t fill)
{
	wbuf_u8(w, next);
	wbuf_u8(w, 0);
	wbuf_be16(w, (uint16_t)(4 + len));
	while (len-- > 0)
		wbuf_u8(w, fill);
}

static struct init
init_of(uint8_t nonce)
{
	struct init m;
	struct wbuf w = wbuf_of(m.b, sizeof(m.b));

	wbuf_be64(&w, 0x1122334455667788);
	wbuf_be64(&w, 0);
	wbuf_u8(&w, IKE_P_SA);
	wbuf_u8(&w, 0x20);
	wbuf_u8(&w, IKE_SA_INIT);
	wbuf_u8(&w, IKE_FLAG_INITIATOR);
	wbuf_be32(&w, 0);
	wbuf_be32(&w, 28 + 12 + 40 + 36);
	payload(&w, IKE_P_KE, 8, 0);
	payload(&w, IKE_P_NONCE, 36, 0);
	payload(&w, 0, 32, nonce);
	m.len = w.len;
	return m;
}

static struct pki_sign
sign_of(const struct init *m, const char *identity)
{
	static const uint8_t zeros[32];
	struct pki_sign s = { .message = rbuf_of(m->b, m->len),
		.nonce = rbuf_of(zeros, 32), .mac = rbuf_of(zeros, 32),
		.n_hashes = 1, .hashes = { hashes[0] } };

	snprintf(s.identity, sizeof(s.identity), "%s", identity);
	return s;
}

static uint8_t room_octets[SIGN_MAX];

static int
sign(const struct pki_sign *s, uid_t uid, uint64_t now,
    struct pki_sign_reply *out)
{
	struct wbuf room = wbuf_of(room_octets, sizeof(room_octets));

	return pki_agent_sign(&ring, uid, now, s, &room, out, &why);
}

static void
it_signs_an_ike_sa_init_so_that_the_peer_verifies(void **state)
{
	struct init m = init_of(1);
	struct pki_sign s = sign_of(&m, "spoke");
	struct pki_sign_reply out;
	struct sign_parts parts = { 3, { s.message, s.nonce, s.mac } };

	(void)state;
	assert_int_equal(sign(&s, ME, 5000, &out), 0);
	assert_int_equal(sign_verify(peer, out.method, out.auth, &parts,
	    false, NULL), 0);
}

static void
ipc_12_each_nonce_is_signed_once(void **state)
{
	struct init m = init_of(2);
	struct pki_sign s = sign_of(&m, "spoke");
	struct pki_sign_reply out;
	struct pki_load again = load_of("spoke");

	(void)state;
	assert_int_equal(sign(&s, ME, 5000, &out), 0);
	assert_int_equal(sign(&s, ME, 5000, &out), -1);
	assert_string_equal(why.code, "replayed");
	/* not even after the identity was loaded again */
	assert_int_equal(pki_ring_load(&ring, &again, &why), 0);
	assert_int_equal(sign(&s, ME, 5000, &out), -1);
	assert_string_equal(why.code, "replayed");
}

static void
ipc_12_what_is_no_ike_sa_init_is_not_signed(void **state)
{
	struct init good = init_of(3), m;
	struct pki_sign_reply out;
	struct pki_sign s;
	size_t i;
	/* octet, value: each alone makes it something else */
	static const struct { size_t at; uint8_t v; } bad[] = {
		{ 18, IKE_AUTH }, { 17, 0x10 }, { 19, 0 },
		{ 19, IKE_FLAG_RESPONSE | IKE_FLAG_INITIATOR }, { 23, 1 },
		{ 16, IKE_P_SK }, { 27, 0 }, { 31, 3 }, { 28, IKE_P_NONCE },
		{ 40, 0 }, { 16, IKE_P_NOTIFY },
	};

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m = good;
		m.b[bad[i].at] = bad[i].v;
		s = sign_of(&m, "spoke");
		if (sign(&s, ME, 10000, &out) == 0)
			fail_msg("octet %zu", bad[i].at);
		assert_string_equal(why.code, "invalid");
	}
	for (i = 0; i < good.len; i++) {
		m = good;
		m.len = i;
		s = sign_of(&m, "spoke");
		assert_int_equal(sign(&s, ME, 10000, &out), -1);
	}
	memset(good.b, 0, 8);			/* no SPI */
	s = sign_of(&good, "spoke");
	assert_int_equal(sign(&s, ME, 10000, &out), -1);
	m = init_of(3);
	s = sign_of(&m, "spoke");
	s.mac = rbuf_of("0123456789012345678", 19);
	assert_int_equal(sign(&s, ME, 10000, &out), -1);
}

static void
ipc_12_the_rate_is_capped(void **state)
{
	struct pki_sign_reply out;
	unsigned i, ok = 0;

	(void)state;
	for (i = 0; i < 150; i++) {
		struct init m = init_of((uint8_t)i);
		struct pki_sign s;

		m.b[m.len - 1] = 0xee;
		s = sign_of(&m, "spoke");
		ok += sign(&s, ME, 20000, &out) == 0;
	}
	assert_int_equal(ok, 100);
	assert_string_equal(why.code, "busy");
	{
		struct init m = init_of(200);
		struct pki_sign s = sign_of(&m, "spoke");

		assert_int_equal(sign(&s, ME, 20005, &out), -1);
		assert_int_equal(sign(&s, ME, 20010, &out), 0);
	}
}

static void
ipc_12_who_waits_saves_up_one_second_and_no_more(void **state)
{
	struct pki_entry *n = pki_ring_find(&ring, "spoke", ME, &why);
	unsigned ok = 0;

	(void)state;
	assert_non_null(n);
	assert_true(pki_ring_take(&ring, n, 50000, PKI_COST_SIGN));
	while (ok < 1000 && pki_ring_take(&ring, n, 50999, PKI_COST_SIGN))
		ok++;
	assert_int_equal(ok, 100);
}

static void
a_bound_identity_is_only_for_its_uids(void **state)
{
	struct pki_load m = load_of("bound");
	struct init i = init_of(4);
	struct pki_sign s = sign_of(&i, "bound");
	struct pki_sign_reply out;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(pki_ring_load(&ring, &m, &why), 0);
	assert_int_equal(pki_ring_allow(&ring, "1000=bound", &e), 0);
	assert_int_equal(sign(&s, 1001, 30000, &out), -1);
	assert_string_equal(why.code, "denied");
	assert_int_equal(sign(&s, (uid_t)-1, 30000, &out), -1);
	assert_int_equal(sign(&s, 1000, 30000, &out), 0);
	assert_int_equal(pki_ring_allow(&ring, "x=bound", &e), -1);
	assert_int_equal(pki_ring_allow(&ring, "1000", &e), -1);
	assert_int_equal(pki_ring_allow(&ring, "1000=../x", &e), -1);
}

static void
the_public_side_is_told_and_no_more(void **state)
{
	struct pki_identity in = { .identity = "spoke" };
	struct pki_identity_reply out;
	struct pki_certificate ask = { .identity = "spoke" };
	struct pki_certificate_reply cert;
	struct rbuf der = cert_der(peer);

	(void)state;
	assert_int_equal(pki_agent_identity(&ring, ME, MAKE_NOW, &in,
	    &out, &why), 0);
	assert_int_equal(out.method, PKI_METHOD_CERTIFICATE);
	assert_int_equal(out.id_type, IDENT_FQDN);
	assert_memory_equal(out.id_data.p, "spoke.example.org", 17);
	assert_int_equal(out.n_chain, 1);
	assert_int_equal(out.n_anchors, 1);
	assert_false(out.more);
	assert_true(rbuf_equal(&out.chain[0], &der));
	assert_int_equal(pki_agent_cert(&ring, ME, &ask, &cert, &why), 0);
	assert_true(rbuf_equal(&cert.certificate, &der));
	ask.index = 1;
	assert_int_equal(pki_agent_cert(&ring, ME, &ask, &cert, &why), 0);
	assert_int_equal(rbuf_left(&cert.certificate), 0);
	snprintf(in.identity, sizeof(in.identity), "nobody");
	assert_int_equal(pki_agent_identity(&ring, ME, MAKE_NOW, &in,
	    &out, &why), -1);
	assert_string_equal(why.code, "not-found");
}

static void
loads_that_make_no_sense_are_refused(void **state)
{
	struct pki_load m = load_of("bad");
	struct cert *other = make_peer(&ca, "other", "p256", NULL);
	struct pki_unload gone = { .identity = "bad" };

	(void)state;
	m.chain[0] = cert_der(other);		/* another's certificate */
	assert_int_equal(pki_ring_load(&ring, &m, &why), -1);
	m = load_of("bad");
	m.n_chain = 0;
	assert_int_equal(pki_ring_load(&ring, &m, &why), -1);
	m = load_of("bad");
	m.n_anchors = 0;
	assert_int_equal(pki_ring_load(&ring, &m, &why), -1);
	m = load_of("bad");
	m.key = rbuf_of(peer_der->b, peer_der->len - 1);
	assert_int_equal(pki_ring_load(&ring, &m, &why), -1);
	m = load_of("bad");
	snprintf(m.id, sizeof(m.id), "hub.example.org");
	assert_int_equal(pki_ring_load(&ring, &m, &why), -1);
	m = load_of("../bad");
	assert_int_equal(pki_ring_load(&ring, &m, &why), -1);
	m = load_of("bad");
	m.psk = rbuf_of("x", 1);
	assert_int_equal(pki_ring_load(&ring, &m, &why), -1);
	assert_int_equal(pki_ring_unload(&ring, gone.identity, &why), -1);
	cert_free(other);
}

static void
ike_26_an_empty_psk_is_refused_at_load(void **state)
{
	struct pki_load m = psk_of("psk", "", "");

	(void)state;
	assert_int_equal(pki_ring_load(&ring, &m, &why), -1);
	assert_non_null(strstr(why.text, "PSK is empty"));
}

static int
psk(const char *identity, const char *peer_id, uint8_t out[64])
{
	struct init m = init_of(9);
	uint8_t mac[32] = { 0 }, nonce[16] = { 0 };
	struct wbuf room = wbuf_of(room_octets, sizeof(room_octets));
	struct pki_psk in = { .prf = 5, .message = rbuf_of(m.b, m.len),
		.nonce = rbuf_of(nonce, 16), .mac = rbuf_of(mac, 32),
		.peer_id_type = IDENT_FQDN,
		.peer_id = rbuf_of(peer_id, strlen(peer_id)) };
	struct pki_sign_reply r;
	int rc;

	snprintf(in.identity, sizeof(in.identity), "%s", identity);
	rc = pki_agent_psk(&ring, ME, 40000, &in, &room, &r, &why);
	if (rc == 0) {
		assert_int_equal(r.method, SIGN_PSK);
		assert_int_equal(rbuf_left(&r.auth), 32);
		memcpy(out, r.auth.p, 32);
	}
	return rc;
}

static void
the_psk_of_the_peer_is_taken_before_patterns_and_before_any(void **state)
{
	static const char *const rows[][3] = { { "hub", "", "any" },
	    { "hub", "*.example.org", "pattern" },
	    { "hub", "a.example.org", "exact" } };
	static const char *const asks[][2] = { { "a.example.org", "exact" },
	    { "b.example.org", "pattern" }, { "c.example.com", "any" } };
	struct init m = init_of(9);
	uint8_t got[64], want[64], zeros[32] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct pki_load l = psk_of(rows[i][0], rows[i][1], rows[i][2]);

		assert_int_equal(pki_ring_load(&ring, &l, &why), 0);
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(psk("hub", asks[i][0], got), 0);
		assert_int_equal(prf_psk_auth(5, rbuf_of(asks[i][1],
		    strlen(asks[i][1])), rbuf_of(m.b, m.len),
		    rbuf_of(zeros, 16), rbuf_of(zeros, 32), want, NULL), 0);
		assert_memory_equal(got, want, 32);
	}
	assert_int_equal(psk("spoke", "x", got), -1);
	assert_string_equal(why.code, "invalid");
}

static void
a_psk_for_one_peer_is_not_given_to_another(void **state)
{
	struct pki_load l = psk_of("one", "a.example.org", "secret");
	uint8_t got[64];

	(void)state;
	assert_int_equal(pki_ring_load(&ring, &l, &why), 0);
	assert_int_equal(psk("one", "b.example.org", got), -1);
	assert_string_equal(why.code, "not-found");
}

static void
the_memory_of_nonces_is_bounded(void **state)
{
	struct pki_seen s = { .rows = NULL };
	uint8_t hash[32] = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 3 * PKI_SEEN_MAX; i++) {
		memcpy(hash, &i, sizeof(i));
		assert_int_equal(pki_seen_add(&s, hash), 0);
		assert_int_equal(pki_seen_add(&s, hash), 1);
	}
	assert_int_equal(HASH_COUNT(s.table), PKI_SEEN_MAX);
	i = 2 * PKI_SEEN_MAX;
	memcpy(hash, &i, sizeof(i));
	assert_int_equal(pki_seen_add(&s, hash), 1);
	i = 5;
	memcpy(hash, &i, sizeof(i));
	assert_int_equal(pki_seen_add(&s, hash), 0);
	pki_seen_fini(&s);
}

static void
identities_are_bounded_listed_and_forgotten(void **state)
{
	struct pki_ring r;
	struct pki_identities list;
	unsigned i;

	(void)state;
	pki_ring_init(&r, 1);
	for (i = 0; i <= PKI_RING_MAX; i++) {
		char name[16];
		struct pki_load m;

		snprintf(name, sizeof(name), "n%u", i);
		m = psk_of(name, "", "secret");
		assert_int_equal(pki_ring_load(&r, &m, &why),
		    i < PKI_RING_MAX ? 0 : -1);
	}
	pki_agent_list(&r, &list);
	assert_int_equal(list.n_items, PKI_RING_MAX);
	assert_int_equal(pki_ring_unload(&r, "n5", &why), 0);
	pki_agent_list(&r, &list);
	assert_int_equal(list.n_items, PKI_RING_MAX - 1);
	pki_ring_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    it_signs_an_ike_sa_init_so_that_the_peer_verifies),
		cmocka_unit_test(ipc_12_each_nonce_is_signed_once),
		cmocka_unit_test(ipc_12_what_is_no_ike_sa_init_is_not_signed),
		cmocka_unit_test(ipc_12_the_rate_is_capped),
		cmocka_unit_test(
		    ipc_12_who_waits_saves_up_one_second_and_no_more),
		cmocka_unit_test(a_bound_identity_is_only_for_its_uids),
		cmocka_unit_test(the_public_side_is_told_and_no_more),
		cmocka_unit_test(loads_that_make_no_sense_are_refused),
		cmocka_unit_test(ike_26_an_empty_psk_is_refused_at_load),
		cmocka_unit_test(
		    the_psk_of_the_peer_is_taken_before_patterns_and_before_any),
		cmocka_unit_test(a_psk_for_one_peer_is_not_given_to_another),
		cmocka_unit_test(the_memory_of_nonces_is_bounded),
		cmocka_unit_test(identities_are_bounded_listed_and_forgotten),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pki_agent", tests, setup,
	    teardown);
}
