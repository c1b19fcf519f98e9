/* OCSP responses that the agent keeps about its own certificates. */
#include "pki_make.h"

#include <stdio.h>

#include "dmvpn-pki/pki_agent.h"
#include "dmvpn-pki/pki_ocsp.h"
#include "dmvpn-pki/pki_ring_staple.h"

#define ME 1000

static struct make ca;
static struct cert *peer, *second;
static EVP_PKEY *peer_key, *second_key;
static struct pki_ring ring;
static struct reason why;
static struct pki_crl_done done;
static struct pki_ocsp_row book;

static int
look(void *arg, const char *serial, struct pki_ocsp_row *out, struct err *e)
{
	(void)arg;
	(void)serial;
	(void)e;
	*out = book;
	return 0;
}

static void
load(const char *name, const struct cert *c, EVP_PKEY *key)
{
	struct pki_load m = { .n_chain = 1, .n_anchors = 1 };
	struct secret *der = pki_key_der(key, NULL);

	snprintf(m.identity, sizeof(m.identity), "%s", name);
	m.key = rbuf_of(der->b, der->len);
	m.chain[0] = cert_der(c);
	m.anchors[0] = cert_der(ca.ca_cert);
	assert_int_equal(pki_ring_load(&ring, &m, &why), 0);
	secret_free(der);
}

static int
setup(void **state)
{
	(void)state;
	memset(&book, 0, sizeof(book));
	book.known = true;
	make_site(&ca, &peer, &peer_key);
	second = make_peer(&ca, "other.example.org", "p256", &second_key);
	pki_ring_init(&ring, 100);
	load("spoke", peer, peer_key);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pki_ring_fini(&ring);
	EVP_PKEY_free(second_key);
	cert_free(second);
	return make_site_fini(&ca, peer, peer_key);
}

static uint8_t octets[2][OCSP_MAX];

static struct rbuf
response(const struct cert *about, int64_t now, uint8_t *room)
{
	struct pki_ocsp o = { .cas = &ca.ca, .n_cas = 1, .now = now,
		.valid = 3600, .look = look };
	uint8_t q[OCSP_REQUEST_MAX];
	struct wbuf w = wbuf_of(q, sizeof(q)), reply = wbuf_of(room, OCSP_MAX);

	assert_int_equal(ocsp_request(about, ca.ca_cert, rbuf_of(NULL, 0), &w,
	    NULL), 0);
	assert_int_equal(pki_ocsp_answer(&o, wbuf_rbuf(&w), &reply, NULL,
	    NULL), 0);
	return wbuf_rbuf(&reply);
}

static int
give(const char *name, struct rbuf der, int64_t wall)
{
	struct pki_staple_load m = { .data = der };

	snprintf(m.identity, sizeof(m.identity), "%s", name);
	return pki_ring_staple(&ring, &m, wall, &done, &why);
}

static size_t
told(int64_t wall)
{
	struct pki_staple in = { .identity = "spoke" };
	struct pki_staple_reply out;
	struct pki_identity ask = { .identity = "spoke" };
	struct pki_identity_reply id;

	assert_int_equal(pki_agent_staple(&ring, ME, wall, &in, &out, &why), 0);
	assert_int_equal(pki_agent_identity(&ring, ME, wall, &ask, &id, &why),
	    0);
	assert_int_equal(id.staple, rbuf_left(&out.data) > 0);
	return rbuf_left(&out.data);
}

static void
a_good_response_is_kept_until_it_ends(void **state)
{
	struct rbuf r = response(peer, MAKE_NOW, octets[0]);

	(void)state;
	assert_int_equal(told(MAKE_NOW), 0);
	assert_int_equal(give("", r, MAKE_NOW), 0);
	assert_int_equal(done.n, 1);
	assert_string_equal(done.names[0], "spoke");
	assert_int_equal(told(MAKE_NOW), rbuf_left(&r));
	assert_int_equal(told(MAKE_NOW + 3601), 0);
}

static void
one_about_another_certificate_or_nobody_is_refused(void **state)
{
	struct rbuf r = response(second, MAKE_NOW, octets[0]);

	(void)state;
	assert_int_equal(give("", r, MAKE_NOW), -1);
	assert_string_equal(why.code, "not-found");
	assert_int_equal(give("spoke", r, MAKE_NOW), -1);
	assert_string_equal(why.code, "not-found");
	r = response(peer, MAKE_NOW, octets[0]);
	assert_int_equal(give("nobody", r, MAKE_NOW), -1);
	assert_string_equal(why.code, "not-found");
	assert_int_equal(told(MAKE_NOW), 0);
}

static void
what_is_older_revoked_unknown_or_forged_leaves_what_is_there(void **state)
{
	struct rbuf r = response(peer, MAKE_NOW, octets[0]), bad;
	size_t len = rbuf_left(&r);

	(void)state;
	assert_int_equal(give("spoke", r, MAKE_NOW), 0);
	bad = response(peer, MAKE_NOW - 60, octets[1]);
	assert_int_equal(give("spoke", bad, MAKE_NOW), -1);
	assert_string_equal(why.code, "older");
	book.revoked = MAKE_NOW - 1;
	bad = response(peer, MAKE_NOW, octets[1]);
	assert_int_equal(give("spoke", bad, MAKE_NOW), -1);
	assert_string_equal(why.code, "revoked");
	book.revoked = 0;
	book.known = false;
	bad = response(peer, MAKE_NOW, octets[1]);
	assert_int_equal(give("spoke", bad, MAKE_NOW), -1);
	assert_string_equal(why.code, "invalid");
	book.known = true;
	bad = response(peer, MAKE_NOW, octets[1]);
	octets[1][rbuf_left(&bad) - 3] ^= 1;
	assert_int_equal(give("spoke", bad, MAKE_NOW), -1);
	assert_string_equal(why.code, "bad-signature");
	assert_int_equal(give("spoke", rbuf_of("x", 1), MAKE_NOW), -1);
	assert_string_equal(why.code, "malformed");
	assert_int_equal(told(MAKE_NOW), len);
}

static void
a_new_key_keeps_it_only_with_the_same_certificate(void **state)
{
	struct rbuf r = response(peer, MAKE_NOW, octets[0]);

	(void)state;
	assert_int_equal(give("spoke", r, MAKE_NOW), 0);
	load("spoke", peer, peer_key);
	assert_int_equal(told(MAKE_NOW), rbuf_left(&r));
	load("spoke", second, second_key);
	assert_int_equal(told(MAKE_NOW), 0);
}

static void
who_may_not_use_the_identity_is_not_told(void **state)
{
	struct pki_staple in = { .identity = "spoke" };
	struct pki_staple_reply out;

	(void)state;
	assert_int_equal(pki_ring_allow(&ring, "0=spoke", NULL), 0);
	assert_int_equal(pki_agent_staple(&ring, ME, MAKE_NOW, &in, &out,
	    &why), -1);
	assert_string_equal(why.code, "denied");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_response_is_kept_until_it_ends),
		TEST(one_about_another_certificate_or_nobody_is_refused),
		TEST(
		    what_is_older_revoked_unknown_or_forged_leaves_what_is_there),
		TEST(a_new_key_keeps_it_only_with_the_same_certificate),
		TEST(who_may_not_use_the_identity_is_not_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
