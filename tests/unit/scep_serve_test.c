/* The SCEP server, as a function. */
#include "scep_make.h"

/* ------------------------------------------------------------------ server */

/* What the caller's side of the server does here. */
static struct {
	const struct make	*ca;
	unsigned		 asked, issued;
	bool			 wait;
	char			 from[64], transaction[128];
	bool			 had_old, had_request;
} desk;

static enum pki_scep_answer
on_issue(void *arg, const struct pki_scep_want *w, X509 **out, struct err *e)
{
	struct pki_want want = make_want("spoke7", "cisco");
	EVP_PKEY *k = NULL;

	(void)arg;
	desk.asked++;
	snprintf(desk.from, sizeof(desk.from), "%s", w->from);
	snprintf(desk.transaction, sizeof(desk.transaction), "%s",
	    w->transaction);
	desk.had_old = w->old != NULL;
	desk.had_request = rbuf_left(&w->request) > 0;
	if (desk.had_request && w->old == NULL &&
	    strcmp(w->challenge, CHALLENGE) != 0) {
		err_set(e, EPERM, "that is no token of ours");
		return PKI_SCEP_REFUSE;
	}
	if (desk.wait)
		return PKI_SCEP_WAIT;
	if (desk.had_request)
		k = pki_issue_request(w->request.p, rbuf_left(&w->request),
		    &want, e);
	else if ((k = X509_get_pubkey((X509 *)(uintptr_t)w->signer)) == NULL)
		return PKI_SCEP_REFUSE;
	if (k == NULL)
		return PKI_SCEP_REFUSE;
	*out = pki_issue_peer(&desk.ca->ca, &want, k, e);
	EVP_PKEY_free(k);
	desk.issued += *out != NULL;
	return *out != NULL ? PKI_SCEP_ISSUE : PKI_SCEP_REFUSE;
}

static X509 *
on_find(void *arg, const char *serial, struct err *e)
{
	char ours[48];

	(void)arg;
	cert_serial(desk.ca->ca_cert, ours, sizeof(ours));
	if (strcmp(serial, ours) != 0)
		return err_null(err_set(e, ENOENT, "no such certificate"));
	X509_up_ref(desk.ca->ca.cert);
	return desk.ca->ca.cert;
}

static X509_CRL *
on_crl(void *arg, const char *serial, struct err *e)
{
	(void)arg;
	(void)serial;
	return pki_issue_crl(&desk.ca->ca, 7, MAKE_NOW, MAKE_NOW + MAKE_DAY,
	    NULL, 0, e);
}

static struct pki_scep
server_of(const struct make *ca)
{
	struct pki_scep s = { .ca = ca->ca, .ra = ca->ca.cert,
		.ra_key = ca->ca.key, .ops = { .issue = on_issue,
		.find = on_find, .crl = on_crl } };

	memset(&desk, 0, sizeof(desk));
	desk.ca = ca;
	if (ca == &ec_ca) {
		s.ra = ra;
		s.ra_key = ra_key;
	}
	return s;
}

static uint8_t room[SCEP_REPLY_MAX];
static struct wbuf reply_body;
static struct pki_scep_reply reply;

static void
answer(const struct pki_scep *s, const char *operation, struct rbuf m,
    struct err *why)
{
	struct pki_scep_call c = { .operation = operation, .message = m,
		.from = "192.0.2.9", .now = MAKE_NOW };

	reply_body = wbuf_of(room, sizeof(room));
	reply.body = &reply_body;
	assert_int_equal(pki_scep_answer(s, &c, &reply, why), 0);
}

/* A PKCS#10 with this challenge (or none). */
static struct secret *
request(EVP_PKEY *k, const char *challenge)
{
	X509_REQ *r = X509_REQ_new();
	unsigned char *der = NULL;
	struct secret *s;
	int len;

	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(r), "CN",
	    MBSTRING_UTF8, (const unsigned char *)"spoke7", -1, -1, 0);
	X509_REQ_set_pubkey(r, k);
	if (challenge != NULL)
		X509_REQ_add1_attr_by_NID(r, NID_pkcs9_challengePassword,
		    MBSTRING_ASC, (const unsigned char *)challenge, -1);
	assert_true(X509_REQ_sign(r, k, EVP_sha256()) > 0);
	len = i2d_X509_REQ(r, &der);
	s = secret_copy(der, (size_t)len);
	OPENSSL_free(der);
	X509_REQ_free(r);
	return s;
}

/* Ask by a message, and open what comes back as `signer`. */
static void
converse(const struct pki_scep *s, uint32_t type, const struct secret *inside,
    X509 *signer, EVP_PKEY *signer_key, struct scep_in *m, struct err *why)
{
	struct secret *q = message(type, inside->b, inside->len, s->ra, signer,
	    signer_key, strong);
	struct cert *who = make_cert_of(s->ra);
	struct cert_set signers = { .n = 0 };
	struct err e = { 0 };

	cert_set_add(&signers, who, &e);
	answer(s, "PKIOperation", octets(q), why);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.type, "application/x-pki-message");
	assert_int_equal(scep_open(wbuf_rbuf(&reply_body), &signers, strong, m,
	    &e), 0);
	assert_int_equal(m->attrs.type, SCEP_CERT_REP);
	assert_string_equal(m->attrs.id, "0123456789abcdef");
	assert_int_equal(m->attrs.recipient_len, 16);
	assert_int_equal(m->attrs.recipient[0], 0x5a);
	secret_free(q);
	cert_set_fini(&signers);
	cert_free(who);
}

static void
expect_certificate(const struct scep_in *m, const X509 *us, EVP_PKEY *us_key,
    EVP_PKEY *wanted)
{
	struct err e = { 0 };
	struct cert_set got = { .n = 0 };
	struct secret *p;

	assert_int_equal(m->attrs.status, SCEP_SUCCESS);
	p = scep_decrypt(m->envelope, us, us_key, strong, &e);
	assert_non_null(p);
	assert_int_equal(scep_certs(octets(p), &got, &e), 0);
	assert_int_equal(got.n, 1);
	if (wanted != NULL)
		assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(
		    cert_x509(got.v[0])), wanted), 1);
	cert_set_fini(&got);
	secret_free(p);
}

static void
a_server_says_what_it_can_and_who_it_is(void **state)
{
	struct pki_scep s = server_of(&rsa_ca);
	struct cert_set got = { .n = 0 };
	struct err why, e;

	(void)state;
	answer(&s, "GetCACaps", rbuf_of(NULL, 0), &why);
	assert_int_equal(scep_caps_parse(wbuf_rbuf(&reply_body)) &
	    (SCEP_CAP_AES | SCEP_CAP_SHA256 | SCEP_CAP_POST |
	    SCEP_CAP_RENEWAL | SCEP_CAP_DES3 | SCEP_CAP_NEXT), SCEP_CAP_AES |
	    SCEP_CAP_SHA256 | SCEP_CAP_POST | SCEP_CAP_RENEWAL);
	answer(&s, "GetCACert", rbuf_of(NULL, 0), &why);
	assert_string_equal(reply.type, "application/x-x509-ca-cert");
	answer(&s, "GetNextCACert", rbuf_of(NULL, 0), &why);
	assert_int_equal(reply.status, 404);
	answer(&s, "DropTables", rbuf_of(NULL, 0), &why);
	assert_int_equal(reply.status, 400);
	s = server_of(&ec_ca);
	answer(&s, "GetCACert", rbuf_of(NULL, 0), &why);
	assert_string_equal(reply.type, "application/x-x509-ca-ra-cert");
	assert_int_equal(scep_certs(wbuf_rbuf(&reply_body), &got, &e), 0);
	assert_int_equal(got.n, 2);
	assert_non_null(scep_encrypter(&got, NULL));
	assert_int_equal(X509_cmp(cert_x509(scep_encrypter(&got, NULL)), ra),
	    0);
	cert_set_fini(&got);
}

static void
a_token_gives_a_certificate_from_rsa_and_ec_cas(void **state)
{
	const struct make *cas[] = { &rsa_ca, &ec_ca };
	struct secret *r = request(key, CHALLENGE);
	struct scep_in m;
	struct err why;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct pki_scep s = server_of(cas[i]);

		converse(&s, SCEP_PKCS_REQ, r, self, key, &m, &why);
		assert_int_equal(why.code, 0);
		expect_certificate(&m, self, key, key);
		assert_string_equal(desk.from, "192.0.2.9");
		assert_string_equal(desk.transaction, "0123456789abcdef");
		assert_false(desk.had_old);
		scep_in_fini(&m);
	}
	secret_free(r);
}

static void
a_wrong_challenge_is_refused_with_words(void **state)
{
	struct pki_scep s = server_of(&rsa_ca);
	static const char *const bad[] = { "wrong", "", NULL };
	struct scep_in m;
	struct err why;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct secret *r = request(key, i == 1 ? NULL : bad[i]);

		converse(&s, SCEP_PKCS_REQ, r, self, key, &m, &why);
		assert_int_equal(m.attrs.status, SCEP_FAILURE);
		assert_int_equal(m.attrs.fail, SCEP_BAD_REQUEST);
		assert_string_equal(m.attrs.text, "that is no token of ours");
		assert_int_equal(why.code, EPERM);
		assert_null(m.envelope);
		scep_in_fini(&m);
		secret_free(r);
	}
	assert_int_equal(desk.issued, 0);
}

static void
what_waits_is_polled_for(void **state)
{
	struct pki_scep s = server_of(&rsa_ca);
	struct err why, e = { 0 };
	struct secret *r = request(key, CHALLENGE), *w = scep_subject_make(
	    X509_get_subject_name(rsa_ca.ca.cert),
	    X509_get_subject_name(self), &e);
	struct scep_in m;

	(void)state;
	desk.wait = true;
	converse(&s, SCEP_PKCS_REQ, r, self, key, &m, &why);
	assert_int_equal(m.attrs.status, SCEP_PENDING);
	scep_in_fini(&m);
	converse(&s, SCEP_CERT_POLL, w, self, key, &m, &why);
	assert_int_equal(m.attrs.status, SCEP_PENDING);
	assert_false(desk.had_request);
	scep_in_fini(&m);
	desk.wait = false;
	converse(&s, SCEP_CERT_POLL, w, self, key, &m, &why);
	expect_certificate(&m, self, key, key);
	scep_in_fini(&m);
	/* A poll that names nobody. */
	converse(&s, SCEP_CERT_POLL, r, self, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_REQUEST);
	scep_in_fini(&m);
	secret_free(r);
	secret_free(w);
}

static X509 *
old_certificate(const struct make *ca, EVP_PKEY *k, int64_t from, int64_t to)
{
	return make_raw(ca->ca.cert, ca->ca.key, "spoke7", k, EVP_sha256(),
	    from, to, ra_usage);
}

static void
a_certificate_of_ours_renews_and_others_do_not(void **state)
{
	struct pki_scep s = server_of(&rsa_ca);
	struct secret *r = request(other_key, NULL);
	X509 *good = old_certificate(&rsa_ca, key, MAKE_NOW - MAKE_DAY,
	    MAKE_NOW + MAKE_DAY);
	X509 *ended = old_certificate(&rsa_ca, key, MAKE_NOW - 2 * MAKE_DAY,
	    MAKE_NOW - MAKE_DAY);
	X509 *foreign = old_certificate(&ec_ca, key, MAKE_NOW - MAKE_DAY,
	    MAKE_NOW + MAKE_DAY);
	X509 *before[] = { ec_ca.ca.cert, NULL };
	struct secret *own;
	struct scep_in m;
	struct err why;

	(void)state;
	converse(&s, SCEP_RENEWAL_REQ, r, good, key, &m, &why);
	assert_true(desk.had_old);
	expect_certificate(&m, good, key, other_key);
	scep_in_fini(&m);
	converse(&s, SCEP_RENEWAL_REQ, r, ended, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_TIME);
	scep_in_fini(&m);
	converse(&s, SCEP_RENEWAL_REQ, r, foreign, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_CHECK);
	assert_int_equal(why.code, EACCES);
	scep_in_fini(&m);
	converse(&s, SCEP_RENEWAL_REQ, r, self, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_CHECK);
	scep_in_fini(&m);
	own = request(key, NULL);	/* who signs for itself renews nothing */
	converse(&s, SCEP_RENEWAL_REQ, own, self, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_CHECK);
	scep_in_fini(&m);
	secret_free(own);
	/* After a rollover, what the CA before issued is renewed, too. */
	s.before = before;
	converse(&s, SCEP_RENEWAL_REQ, r, foreign, key, &m, &why);
	expect_certificate(&m, foreign, key, other_key);
	scep_in_fini(&m);
	X509_free(good);
	X509_free(ended);
	X509_free(foreign);
	secret_free(r);
}

/* PKI-11: whoever has no key has no certificate for it. */
static void
pki_11_a_request_for_anothers_key_is_refused(void **state)
{
	struct pki_scep s = server_of(&rsa_ca);
	struct secret *r = request(other_key, CHALLENGE);
	struct scep_in m;
	struct err why;

	(void)state;
	converse(&s, SCEP_PKCS_REQ, r, self, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_CHECK);
	scep_in_fini(&m);
	r->b[r->len - 1] ^= 1;
	converse(&s, SCEP_PKCS_REQ, r, self, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_CHECK);
	scep_in_fini(&m);
	r->b[1] ^= 1;
	converse(&s, SCEP_PKCS_REQ, r, self, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_REQUEST);
	scep_in_fini(&m);
	assert_int_equal(desk.asked, 0);
	secret_free(r);
}

static void
certificates_and_lists_are_handed_out(void **state)
{
	struct pki_scep s = server_of(&rsa_ca);
	struct err why, e = { 0 };
	struct secret *w = scep_serial_make(rsa_ca.ca.cert, &e), *p, *list;
	struct secret *foreign = scep_serial_make(ec_ca.ca.cert, &e);
	struct scep_in m;

	(void)state;
	converse(&s, SCEP_GET_CERT, w, self, key, &m, &why);
	expect_certificate(&m, self, key, NULL);
	scep_in_fini(&m);
	converse(&s, SCEP_GET_CRL, w, self, key, &m, &why);
	assert_int_equal(m.attrs.status, SCEP_SUCCESS);
	p = scep_decrypt(m.envelope, self, key, strong, &e);
	list = scep_crl(octets(p), &e);
	assert_non_null(list);
	secret_free(list);
	secret_free(p);
	scep_in_fini(&m);
	converse(&s, SCEP_GET_CERT, foreign, self, key, &m, &why);
	assert_int_equal(m.attrs.fail, SCEP_BAD_CERT_ID);
	scep_in_fini(&m);
	secret_free(w);
	secret_free(foreign);
}

static void
the_next_ca_is_vouched_for_by_this_one(void **state)
{
	struct pki_scep s = server_of(&rsa_ca);
	struct cert_set signers = { .n = 0 }, got = { .n = 0 };
	struct secret *p;
	struct err why, e = { 0 };

	(void)state;
	s.next = ec_ca.ca.cert;
	answer(&s, "GetCACaps", rbuf_of(NULL, 0), &why);
	assert_true(scep_caps_parse(wbuf_rbuf(&reply_body)) & SCEP_CAP_NEXT);
	answer(&s, "GetNextCACert", rbuf_of(NULL, 0), &why);
	assert_int_equal(reply.status, 200);
	cert_set_add(&signers, ec_ca.ca_cert, &e);
	assert_null(scep_signed(wbuf_rbuf(&reply_body), &signers, strong,
	    &e));
	cert_set_fini(&signers);
	cert_set_add(&signers, rsa_ca.ca_cert, &e);
	p = scep_signed(wbuf_rbuf(&reply_body), &signers, strong, &e);
	assert_non_null(p);
	assert_int_equal(scep_certs(octets(p), &got, &e), 0);
	assert_true(cert_equal(got.v[0], ec_ca.ca_cert));
	cert_set_fini(&signers);
	cert_set_fini(&got);
	secret_free(p);
}

static void
what_can_not_be_opened_is_refused_without_a_reply(void **state)
{
	struct pki_scep s = server_of(&rsa_ca);
	struct scep_algs weak = { .des3 = true, .sha1 = true };
	struct secret *r = request(key, CHALLENGE), *q;
	struct err why;
	struct scep_in m;
	static uint8_t big[SCEP_REQUEST_MAX + 1];

	(void)state;
	answer(&s, "PKIOperation", rbuf_of("junk", 4), &why);
	assert_int_equal(reply.status, 400);
	answer(&s, "PKIOperation", rbuf_of(NULL, 0), &why);
	assert_int_equal(reply.status, 400);
	answer(&s, "PKIOperation", rbuf_of(big, sizeof(big)), &why);
	assert_int_equal(reply.status, 400);
	q = message(SCEP_PKCS_REQ, r->b, r->len, s.ra, self, key, weak);
	answer(&s, "PKIOperation", octets(q), &why);
	assert_int_equal(reply.status, 400);
	assert_int_equal(why.code, ENOTSUP);
	s.legacy = true;
	answer(&s, "PKIOperation", octets(q), &why);
	assert_int_equal(reply.status, 200);
	secret_free(q);
	s.legacy = false;
	/* Encrypted to another than the RA. */
	q = message(SCEP_PKCS_REQ, r->b, r->len, ra, self, key, strong);
	answer(&s, "PKIOperation", octets(q), &why);
	assert_int_equal(reply.status, 200);
	assert_int_equal(scep_open(wbuf_rbuf(&reply_body), NULL, strong, &m,
	    NULL), 0);
	assert_int_equal(m.attrs.status, SCEP_FAILURE);
	assert_int_equal(m.attrs.fail, SCEP_BAD_CHECK);
	scep_in_fini(&m);
	secret_free(q);
	/* An elliptic curve can not be answered. */
	{
		EVP_PKEY *ec = pki_key_make("p256", NULL);
		X509 *x = make_raw(NULL, NULL, "ec", ec, EVP_sha256(),
		    MAKE_NOW, MAKE_NOW + MAKE_DAY, NULL);

		q = message(SCEP_PKCS_REQ, r->b, r->len, s.ra, x, ec, strong);
		answer(&s, "PKIOperation", octets(q), &why);
		assert_int_equal(reply.status, 400);
		assert_non_null(strstr(why.msg, "RSA"));
		secret_free(q);
		X509_free(x);
		EVP_PKEY_free(ec);
	}
	secret_free(r);
}

static void
the_ra_of_an_ec_ca_is_no_peer_of_a_tunnel(void **state)
{
	struct cert *c = make_cert_of(ra);

	(void)state;
	assert_false(cert_is_ca(c));
	assert_int_equal(X509_get_extended_key_usage(ra) &
	    (XKU_SSL_SERVER | XKU_SSL_CLIENT | XKU_ANYEKU), 0);
	assert_int_equal(X509_verify(ra, X509_get0_pubkey(ec_ca.ca.cert)), 1);
	cert_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_says_what_it_can_and_who_it_is),
		cmocka_unit_test(
		    a_token_gives_a_certificate_from_rsa_and_ec_cas),
		cmocka_unit_test(a_wrong_challenge_is_refused_with_words),
		cmocka_unit_test(what_waits_is_polled_for),
		cmocka_unit_test(
		    a_certificate_of_ours_renews_and_others_do_not),
		cmocka_unit_test(pki_11_a_request_for_anothers_key_is_refused),
		cmocka_unit_test(certificates_and_lists_are_handed_out),
		cmocka_unit_test(the_next_ca_is_vouched_for_by_this_one),
		cmocka_unit_test(
		    what_can_not_be_opened_is_refused_without_a_reply),
		cmocka_unit_test(the_ra_of_an_ec_ca_is_no_peer_of_a_tunnel),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
