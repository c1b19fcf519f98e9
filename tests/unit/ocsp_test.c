#include "pki_make.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/ocsp.h>

#include "crypto/ocsp.h"
#include "crypto/verdict.h"
#include "dmvpn-pki/pki_ocsp.h"

#define HOUR 3600

static struct make ca, other;
static struct cert *peer;

/* The books: one answer for every serial. */
static struct pki_ocsp_row book;
static bool book_fails;

static int
look(void *arg, const char *serial, struct pki_ocsp_row *out, struct err *e)
{
	char own[48];

	(void)arg;
	assert_string_equal(serial, cert_serial(peer, own, sizeof(own)));
	*out = book;
	return book_fails ? err_set(e, EIO, "the disk is gone") : 0;
}

static int
setup(void **state)
{
	(void)state;
	make_site(&ca, &peer, NULL);
	make_ca(&other, "Other", "p256", NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	make_fini(&other);
	return make_site_fini(&ca, peer, NULL);
}

static int
before(void **state)
{
	(void)state;
	memset(&book, 0, sizeof(book));
	book.known = true;
	book_fails = false;
	return 0;
}

static const uint8_t nonce[OCSP_NONCE_MAX] = "thirty-two octets that are mine";
static uint8_t request_octets[OCSP_REQUEST_MAX], reply_octets[OCSP_MAX];

static struct rbuf
request(const struct cert *of, const struct cert *issuer, size_t nonce_len)
{
	struct wbuf w = wbuf_of(request_octets, sizeof(request_octets));
	struct err e = { 0 };

	assert_int_equal(ocsp_request(of, issuer, rbuf_of(nonce, nonce_len), &w,
	    &e), 0);
	return wbuf_rbuf(&w);
}

static struct pki_ocsp
responder(void)
{
	return (struct pki_ocsp){ .cas = &ca.ca, .n_cas = 1,
	    .now = MAKE_NOW, .valid = HOUR, .look = look };
}

static struct pki_ocsp_said said;

static struct rbuf
answer(const struct pki_ocsp *o, struct rbuf in)
{
	struct wbuf w = wbuf_of(reply_octets, sizeof(reply_octets));
	struct err e = { 0 };

	assert_int_equal(pki_ocsp_answer(o, in, &w, &said, &e), 0);
	return wbuf_rbuf(&w);
}

static struct ocsp_word word;
static struct err why;

static int
read_at(struct rbuf reply, int64_t at, size_t nonce_len)
{
	struct ocsp_ask ask = { .leaf = peer, .issuer = ca.ca_cert, .at = at,
		.nonce = rbuf_of(nonce, nonce_len) };

	err_clear(&why);
	return ocsp_read(reply, &ask, &word, &why);
}

static void
a_good_certificate_is_good(void **state)
{
	struct pki_ocsp o = responder();
	struct rbuf r = answer(&o, request(peer, ca.ca_cert, 32));

	(void)state;
	assert_int_equal(said.status, 0);
	assert_int_equal(said.n, 1);
	assert_false(said.cacheable);
	assert_int_equal(read_at(r, MAKE_NOW + 10, 32), 0);
	assert_int_equal(word.state, OCSP_GOOD);
	assert_int_equal(word.made, MAKE_NOW);
	assert_int_equal(word.next, MAKE_NOW + HOUR);
	assert_false(word.delegated);
	assert_int_equal(word.reason, -1);
}

static void
a_revoked_one_is_revoked_with_reason_and_time(void **state)
{
	struct pki_ocsp o = responder();

	(void)state;
	book.revoked = MAKE_NOW - 100;
	snprintf(book.why, sizeof(book.why), "key-compromise");
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 0)),
	    MAKE_NOW, 0), 0);
	assert_true(said.cacheable);
	assert_int_equal(said.made, MAKE_NOW);
	assert_int_equal(said.next, MAKE_NOW + HOUR);
	assert_int_equal(word.state, OCSP_REVOKED);
	assert_int_equal(word.revoked, MAKE_NOW - 100);
	assert_int_equal(word.reason, OCSP_KEY_COMPROMISE);
	/* the reason that RFC 5280 asks to leave out is left out */
	snprintf(book.why, sizeof(book.why), "unspecified");
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 0)),
	    MAKE_NOW, 0), 0);
	assert_int_equal(word.reason, -1);
}

static void
one_that_was_never_issued_is_unknown(void **state)
{
	struct pki_ocsp o = responder();

	(void)state;
	book.known = false;
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 0)),
	    MAKE_NOW, 0), 0);
	assert_int_equal(word.state, OCSP_UNKNOWN);
}

static void
a_delegated_responder_is_believed_and_only_when_it_may(void **state)
{
	static const char *const profiles[] = { "ocsp", "hub" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct pki_want w = make_want("ocsp.example.org", profiles[i]);
		EVP_PKEY *k = pki_key_make("p256", NULL);
		struct pki_ca public = { .cert = ca.ca.cert };
		struct pki_ocsp o = responder();
		X509 *x = pki_issue_peer(&ca.ca, &w, k, NULL);

		assert_non_null(x);
		o.cas = &public;	/* its key is not needed */
		o.signer = x;
		o.signer_key = k;
		assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert,
		    0)), MAKE_NOW, 0), i == 0 ? 0 : -1);
		assert_int_equal(why.code, i == 0 ? 0 : EPERM);
		assert_true(word.delegated || i == 1);
		X509_free(x);
		EVP_PKEY_free(k);
	}
}

static void
a_delegated_responder_that_is_out_of_date_or_of_another_ca_is_not_believed(
    void **state)
{
	struct pki_want w = make_want("ocsp.example.org", "ocsp");
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct pki_ocsp o = responder();
	X509 *x = pki_issue_peer(&ca.ca, &w, k, NULL);
	X509 *foreign = pki_issue_peer(&other.ca, &w, k, NULL);

	(void)state;
	o.signer = x;
	o.signer_key = k;
	o.now = w.to + 86400;
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 0)),
	    o.now, 0), -1);
	assert_int_equal(why.code, EPERM);
	o.signer = foreign;
	o.now = MAKE_NOW;
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 0)),
	    o.now, 0), -1);
	assert_int_equal(why.code, EPERM);
	X509_free(foreign);
	X509_free(x);
	EVP_PKEY_free(k);
}

static void
another_ca_that_signs_is_not_believed(void **state)
{
	/* the name of the CA, the key of somebody else */
	struct pki_ca false_ca = { .cert = ca.ca.cert, .key = other.ca.key };
	struct pki_ocsp o = responder();

	(void)state;
	o.cas = &false_ca;
	o.signer = NULL;
	/* OpenSSL does not sign with a key that is not the certificate's */
	(void)answer(&o, request(peer, ca.ca_cert, 0));
	assert_int_equal(said.status, OCSP_RESPONSE_STATUS_INTERNALERROR);
}

static void
a_flipped_bit_anywhere_is_never_another_good_answer(void **state)
{
	struct pki_ocsp o = responder();
	struct rbuf r;
	size_t i, len;

	(void)state;
	book.revoked = MAKE_NOW - 1;
	r = answer(&o, request(peer, ca.ca_cert, 32));
	len = rbuf_left(&r);
	for (i = 0; i < 8 * len; i += 3) {
		reply_octets[i / 8] ^= (uint8_t)(1 << i % 8);
		if (read_at(rbuf_of(reply_octets, len), MAKE_NOW, 32) == 0)
			assert_int_equal(word.state, OCSP_REVOKED);
		reply_octets[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < len; i++)
		assert_int_equal(read_at(rbuf_of(reply_octets, i), MAKE_NOW,
		    32), -1);
}

static void
an_answer_without_our_nonce_or_with_another_is_refused(void **state)
{
	struct pki_ocsp o = responder();

	(void)state;
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 0)),
	    MAKE_NOW, 32), -1);
	assert_int_equal(why.code, EPROTO);
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 16)),
	    MAKE_NOW, 32), -1);
	assert_int_equal(why.code, EPROTO);
	/* who did not ask for one does not mind */
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 16)),
	    MAKE_NOW, 0), 0);
}

static void
times_are_judged_with_five_minutes_of_grace(void **state)
{
	static const struct { int64_t at; int code; } rows[] = {
		{ MAKE_NOW - 299, 0 }, { MAKE_NOW - 301, ESTALE },
		{ MAKE_NOW + HOUR + 299, 0 },
		{ MAKE_NOW + HOUR + 301, ESTALE },
	};
	struct pki_ocsp o = responder();
	struct rbuf r = answer(&o, request(peer, ca.ca_cert, 0));
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)read_at(r, rows[i].at, 0);
		assert_int_equal(why.code, rows[i].code);
	}
	assert_int_equal(ocsp_peek(r, &word, NULL), 0);
	assert_int_equal(word.next, MAKE_NOW + HOUR);
}

static void
an_answer_about_another_certificate_is_refused(void **state)
{
	struct pki_ocsp o = responder();
	struct rbuf r = answer(&o, request(peer, ca.ca_cert, 0));
	struct cert *second = make_peer(&ca, "other.example.org", "p256", NULL);
	struct ocsp_ask ask = { .leaf = second, .issuer = ca.ca_cert,
		.at = MAKE_NOW };

	(void)state;
	assert_int_equal(ocsp_read(r, &ask, &word, &why), -1);
	assert_int_equal(why.code, ENOENT);
	cert_free(second);
}

static void
a_request_for_another_issuer_is_refused_as_unauthorized(void **state)
{
	struct pki_ocsp o = responder();
	struct rbuf r = answer(&o, request(peer, other.ca_cert, 0));

	(void)state;
	assert_int_equal(said.status, OCSP_RESPONSE_STATUS_UNAUTHORIZED);
	assert_int_equal(read_at(r, MAKE_NOW, 0), -1);
	assert_int_equal(why.code, EACCES);
}

static void
what_is_no_request_is_malformed_and_books_that_fail_say_try_later(
    void **state)
{
	struct pki_ocsp o = responder();
	uint8_t big[OCSP_REQUEST_MAX + 1] = { 0x30, 0x82, 0x0f, 0xfd };

	(void)state;
	(void)answer(&o, rbuf_of("no", 2));
	assert_int_equal(said.status, OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
	(void)answer(&o, rbuf_of(NULL, 0));
	assert_int_equal(said.status, OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
	(void)answer(&o, rbuf_of(big, sizeof(big)));
	assert_int_equal(said.status, OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
	book_fails = true;
	assert_int_equal(read_at(answer(&o, request(peer, ca.ca_cert, 0)),
	    MAKE_NOW, 0), -1);
	assert_int_equal(said.status, OCSP_RESPONSE_STATUS_TRYLATER);
	assert_int_equal(why.code, EAGAIN);
}

static void
sha256_names_the_certificate_as_well(void **state)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(peer);
	OCSP_REQUEST *q = OCSP_REQUEST_new();
	struct pki_ocsp o = responder();
	unsigned char *der = NULL;
	int len;

	(void)state;
	assert_non_null(OCSP_request_add0_id(q, OCSP_cert_to_id(EVP_sha256(), x,
	    ca.ca.cert)));
	len = i2d_OCSP_REQUEST(q, &der);
	assert_true(len > 0);
	assert_int_equal(read_at(answer(&o, rbuf_of(der, (size_t)len)),
	    MAKE_NOW, 0), 0);
	assert_int_equal(word.state, OCSP_GOOD);
	OPENSSL_free(der);
	OCSP_REQUEST_free(q);
}

static OCSP_REQUEST *
request_of(int n)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(peer);
	OCSP_REQUEST *q = OCSP_REQUEST_new();

	while (n-- > 0)
		assert_non_null(OCSP_request_add0_id(q, OCSP_cert_to_id(
		    EVP_sha1(), x, ca.ca.cert)));
	return q;
}

static int
status_of(OCSP_REQUEST *q)
{
	struct pki_ocsp o = responder();
	unsigned char *der = NULL;
	int len = i2d_OCSP_REQUEST(q, &der);

	assert_true(len > 0);
	(void)answer(&o, rbuf_of(der, (size_t)len));
	OPENSSL_free(der);
	OCSP_REQUEST_free(q);
	return said.status;
}

static void
limits_hold(void **state)
{
	OCSP_REQUEST *q = request_of(1);
	unsigned char big[129] = { 1 };

	(void)state;
	assert_int_equal(status_of(request_of(PKI_OCSP_LIST_MAX)), 0);
	assert_int_equal(said.n, PKI_OCSP_LIST_MAX);
	assert_int_equal(status_of(request_of(PKI_OCSP_LIST_MAX + 1)),
	    OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
	assert_int_equal(OCSP_request_add1_nonce(q, big, 128), 1);
	assert_int_equal(status_of(q), 0);
	q = request_of(1);
	assert_int_equal(OCSP_request_add1_nonce(q, big, 129), 1);
	assert_int_equal(status_of(q), OCSP_RESPONSE_STATUS_MALFORMEDREQUEST);
}

static void
every_kind_of_key_signs(void **state)
{
	static const char *const types[] = { "p384", "p521", "ed25519",
	    "rsa2048" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct make m;
		struct cert *keep = peer;
		struct pki_ocsp o = responder();
		struct ocsp_ask ask = { .at = MAKE_NOW };

		make_ca(&m, "CA", types[i], NULL);
		peer = make_peer(&m, "spoke.example.org", "p256", NULL);
		o.cas = &m.ca;
		ask.leaf = peer;
		ask.issuer = m.ca_cert;
		assert_int_equal(ocsp_read(answer(&o, request(peer, m.ca_cert,
		    0)), &ask, &word, &why), 0);
		cert_free(peer);
		peer = keep;
		make_fini(&m);
	}
}

/* ------------------------------------------------------ inside the verdict */

static enum verdict_code
judge(struct rbuf ocsp, bool need_ocsp, bool need_crl, int64_t at)
{
	struct cert_set anchors = { .n = 0 };
	struct crl_set none = { .n = 0 };
	struct verdict_ask ask = { .leaf = peer, .anchors = &anchors,
		.crls = &none, .need_crl = need_crl, .at = at, .ocsp = ocsp,
		.need_ocsp = need_ocsp };
	static struct verdict v;

	assert_int_equal(cert_set_add(&anchors, ca.ca_cert, NULL), 0);
	verdict_make(&ask, &v);
	verdict_fini(&v);
	cert_set_fini(&anchors);
	return v.code;
}

static void
the_verdict_believes_good_and_revoked_and_minds_silence_only_when_told(
    void **state)
{
	struct rbuf none = rbuf_of(NULL, 0), r;
	struct pki_ocsp o = responder();

	(void)state;
	assert_int_equal(judge(none, false, false, MAKE_NOW), VERDICT_OK);
	assert_int_equal(judge(none, true, false, MAKE_NOW), VERDICT_NO_CRL);
	assert_int_equal(judge(none, false, true, MAKE_NOW), VERDICT_NO_CRL);
	r = answer(&o, request(peer, ca.ca_cert, 0));
	assert_int_equal(judge(r, true, false, MAKE_NOW), VERDICT_OK);
	assert_int_equal(judge(r, false, true, MAKE_NOW), VERDICT_OK);
	/* out of date: as if there were none */
	assert_int_equal(judge(r, false, false, MAKE_NOW + 86400), VERDICT_OK);
	assert_int_equal(judge(r, true, false, MAKE_NOW + 86400),
	    VERDICT_NO_CRL);
	assert_int_equal(judge(r, false, true, MAKE_NOW + 86400),
	    VERDICT_NO_CRL);
	book.revoked = MAKE_NOW - 5;
	r = answer(&o, request(peer, ca.ca_cert, 0));
	assert_int_equal(judge(r, false, false, MAKE_NOW), VERDICT_REVOKED);
	book.revoked = 0;
	book.known = false;
	r = answer(&o, request(peer, ca.ca_cert, 0));
	assert_int_equal(judge(r, false, false, MAKE_NOW), VERDICT_OK);
	assert_int_equal(judge(r, true, false, MAKE_NOW), VERDICT_NO_CRL);
	assert_int_equal(judge(rbuf_of("x", 1), true, false, MAKE_NOW),
	    VERDICT_NO_CRL);
}

/* While keys roll over there are two CAs; a response has one signature. */
static void
who_signs_for_one_ca_knows_nothing_of_the_other(void **state)
{
	struct pki_ca both[] = { ca.ca, other.ca };
	struct pki_ocsp o = responder();
	OCSP_REQUEST *q = OCSP_REQUEST_new();
	X509 *x = (X509 *)(uintptr_t)cert_x509(peer);
	unsigned char *der = NULL;
	const unsigned char *p;
	OCSP_BASICRESP *basic;
	OCSP_RESPONSE *r;
	struct rbuf got;
	size_t i;
	int len;

	(void)state;
	o.cas = both;
	o.n_cas = 2;
	for (i = 0; i < 2; i++)
		assert_non_null(OCSP_request_add0_id(q, OCSP_cert_id_new(
		    EVP_sha1(), X509_get_subject_name(both[i].cert),
		    X509_get0_pubkey_bitstr(both[i].cert),
		    X509_get_serialNumber(x))));
	len = i2d_OCSP_REQUEST(q, &der);
	assert_true(len > 0);
	got = answer(&o, rbuf_of(der, (size_t)len));
	p = got.p;
	r = d2i_OCSP_RESPONSE(NULL, &p, (long)rbuf_left(&got));
	basic = OCSP_response_get1_basic(r);
	assert_int_equal(OCSP_resp_count(basic), 2);
	assert_int_equal(OCSP_single_get0_status(OCSP_resp_get0(basic, 0),
	    NULL, NULL, NULL, NULL), V_OCSP_CERTSTATUS_GOOD);
	assert_int_equal(OCSP_single_get0_status(OCSP_resp_get0(basic, 1),
	    NULL, NULL, NULL, NULL), V_OCSP_CERTSTATUS_UNKNOWN);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
	OCSP_REQUEST_free(q);
	OPENSSL_free(der);
}

static void
what_is_signed_with_sha_1_is_weak(void **state)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), (X509 *)(uintptr_t)
	    cert_x509(peer), ca.ca.cert);
	ASN1_TIME *now = ASN1_TIME_set(NULL, MAKE_NOW);
	ASN1_TIME *next = ASN1_TIME_set(NULL, MAKE_NOW + HOUR);
	struct ocsp_ask ask = { .leaf = peer, .issuer = ca.ca_cert,
		.at = MAKE_NOW };
	unsigned char *der = NULL;
	OCSP_RESPONSE *r;
	int len;

	(void)state;
	assert_non_null(OCSP_basic_add1_status(basic, id,
	    V_OCSP_CERTSTATUS_GOOD, 0, NULL, now, next));
	assert_int_equal(OCSP_basic_sign(basic, ca.ca.cert, ca.ca.key,
	    EVP_sha1(), NULL, OCSP_NOCERTS), 1);
	r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	len = i2d_OCSP_RESPONSE(r, &der);
	assert_true(len > 0);
	assert_int_equal(ocsp_read(rbuf_of(der, (size_t)len), &ask, &word,
	    &why), -1);
	assert_int_equal(why.code, EPERM);
	assert_int_equal(word.state, OCSP_UNKNOWN);
	ask.allow_weak = true;
	assert_int_equal(ocsp_read(rbuf_of(der, (size_t)len), &ask, &word,
	    &why), 0);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_good_certificate_is_good, before),
		cmocka_unit_test_setup(
		    a_revoked_one_is_revoked_with_reason_and_time, before),
		cmocka_unit_test_setup(one_that_was_never_issued_is_unknown,
		    before),
		cmocka_unit_test_setup(
		    a_delegated_responder_is_believed_and_only_when_it_may,
		    before),
		cmocka_unit_test_setup(
		    a_delegated_responder_that_is_out_of_date_or_of_another_ca_is_not_believed,
		    before),
		cmocka_unit_test_setup(another_ca_that_signs_is_not_believed,
		    before),
		cmocka_unit_test_setup(
		    a_flipped_bit_anywhere_is_never_another_good_answer,
		    before),
		cmocka_unit_test_setup(
		    an_answer_without_our_nonce_or_with_another_is_refused,
		    before),
		cmocka_unit_test_setup(
		    times_are_judged_with_five_minutes_of_grace, before),
		cmocka_unit_test_setup(
		    an_answer_about_another_certificate_is_refused, before),
		cmocka_unit_test_setup(
		    a_request_for_another_issuer_is_refused_as_unauthorized,
		    before),
		cmocka_unit_test_setup(
		    what_is_no_request_is_malformed_and_books_that_fail_say_try_later,
		    before),
		cmocka_unit_test_setup(sha256_names_the_certificate_as_well,
		    before),
		cmocka_unit_test_setup(limits_hold, before),
		cmocka_unit_test_setup(
		    the_verdict_believes_good_and_revoked_and_minds_silence_only_when_told,
		    before),
		cmocka_unit_test_setup(every_kind_of_key_signs, before),
		cmocka_unit_test_setup(
		    who_signs_for_one_ca_knows_nothing_of_the_other, before),
		cmocka_unit_test_setup(what_is_signed_with_sha_1_is_weak,
		    before),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
