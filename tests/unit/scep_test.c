/* SCEP messages (RFC 8894): ours and those of others. */
#include "scep_make.h"

/* ------------------------------------------------------------------- words */

static void
what_a_server_can_is_read_from_lines_of_any_ending(void **state)
{
	static const struct {
		const char	*text;
		uint32_t	 caps;
	} rows[] = {
		{ "", 0 },
		{ "AES\nSHA-256\n", SCEP_CAP_AES | SCEP_CAP_SHA256 },
		{ "AES\r\nsha-256\r\nRenewal", SCEP_CAP_AES |
		    SCEP_CAP_SHA256 | SCEP_CAP_RENEWAL },
		{ "SCEPStandard", SCEP_CAP_STANDARD | SCEP_CAP_AES |
		    SCEP_CAP_POST | SCEP_CAP_SHA256 },
		{ "AESX\nXAES\nA", 0 },
		{ "Update\n\n\nDES3 SHA-1", SCEP_CAP_DES3 | SCEP_CAP_SHA1 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaAES", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(scep_caps_parse(rbuf_of(rows[i].text,
		    strlen(rows[i].text))), rows[i].caps);
}

static void
weak_algorithms_are_used_only_when_allowed(void **state)
{
	struct scep_algs a;
	struct err e;

	(void)state;
	assert_int_equal(scep_caps_pick(SCEP_CAP_AES | SCEP_CAP_SHA256, false,
	    &a, &e), 0);
	assert_false(a.des3 || a.sha1 || a.legacy || a.sha512);
	assert_int_equal(scep_caps_pick(SCEP_CAP_AES | SCEP_CAP_SHA512, false,
	    &a, &e), 0);
	assert_true(a.sha512);
	assert_int_equal(scep_caps_pick(SCEP_CAP_DES3 | SCEP_CAP_SHA1, false,
	    &a, &e), -1);
	assert_int_equal(e.code, ENOTSUP);
	assert_non_null(strstr(e.msg, "--legacy"));
	assert_int_equal(scep_caps_pick(0, true, &a, &e), 0);
	assert_true(a.des3 && a.sha1 && a.legacy);
	/* What NDES of 2016 says. */
	assert_int_equal(scep_caps_pick(SCEP_CAP_DES3 | SCEP_CAP_SHA256, true,
	    &a, &e), 0);
	assert_true(a.des3 && !a.sha1 && !a.sha512);
	assert_int_equal(scep_caps_pick(SCEP_CAP_AES | SCEP_CAP_SHA256, true,
	    &a, &e), 0);
	assert_true(!a.des3 && !a.sha1 && a.legacy);
}

/* NDES shows three: who signs, who is encrypted to, the CA. */
static void
the_right_certificate_to_encrypt_to_is_picked(void **state)
{
	static const struct make_ext sign[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "1.3.6.1.4.1.311.20.2.1" },
		{ 0, NULL } };
	static const struct make_ext encrypt[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,keyEncipherment" },
		{ NID_ext_key_usage, "1.3.6.1.4.1.311.20.2.1" },
		{ 0, NULL } };
	X509 *s = make_raw(rsa_ca.ca.cert, rsa_ca.ca.key, "RA sign", key,
	    EVP_sha256(), MAKE_NOW, MAKE_NOW + MAKE_DAY, sign);
	X509 *c = make_raw(rsa_ca.ca.cert, rsa_ca.ca.key, "RA crypt",
	    other_key, EVP_sha256(), MAKE_NOW, MAKE_NOW + MAKE_DAY, encrypt);
	struct cert *cs = make_cert_of(s), *cc = make_cert_of(c);
	struct cert_set set = { .n = 0 };

	(void)state;
	assert_null(scep_encrypter(&set, NULL));
	cert_set_add(&set, rsa_ca.ca_cert, NULL);
	assert_ptr_equal(scep_encrypter(&set, NULL), rsa_ca.ca_cert);
	cert_set_add(&set, cs, NULL);
	assert_ptr_equal(scep_encrypter(&set, NULL), rsa_ca.ca_cert);
	cert_set_add(&set, cc, NULL);
	assert_ptr_equal(scep_encrypter(&set, NULL), cc);
	assert_true(scep_may_sign(cs, NULL) &&
	    scep_may_sign(rsa_ca.ca_cert, NULL));
	assert_false(scep_may_sign(cc, NULL));
	cert_set_fini(&set);
	cert_set_add(&set, ec_ca.ca_cert, NULL);
	assert_null(scep_encrypter(&set, NULL));
	cert_set_fini(&set);
	cert_free(cs);
	cert_free(cc);
	X509_free(s);
	X509_free(c);
}

/* ---------------------------------------------------------------- messages */

static void
a_message_comes_out_as_it_went_in(void **state)
{
	static const uint32_t types[] = { SCEP_PKCS_REQ, SCEP_RENEWAL_REQ,
		SCEP_CERT_POLL, SCEP_GET_CERT, SCEP_GET_CRL };
	struct scep_in m;
	struct err e = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct secret *s = message(types[i], "hello", 5,
		    rsa_ca.ca.cert, self, key, strong), *p;

		assert_int_equal(scep_open(octets(s), NULL, strong, &m, &e),
		    0);
		assert_int_equal(m.attrs.type, types[i]);
		assert_string_equal(m.attrs.id, "0123456789abcdef");
		assert_int_equal(m.attrs.sender_len, 16);
		assert_int_equal(m.attrs.sender[15], 0x5a);
		assert_int_equal(X509_cmp(m.signer, self), 0);
		p = scep_decrypt(m.envelope, rsa_ca.ca.cert, rsa_ca.ca.key,
		    strong, &e);
		assert_non_null(p);
		assert_int_equal(p->len, 5);
		assert_memory_equal(p->b, "hello", 5);
		secret_free(p);
		secret_free(s);
		scep_in_fini(&m);
	}
}

static void
every_octet_of_a_message_is_covered(void **state)
{
	struct secret *s = message(SCEP_PKCS_REQ, "hello", 5, rsa_ca.ca.cert,
	    self, key, strong);
	unsigned taken = 0;
	struct scep_in m;
	size_t i;

	(void)state;
	for (i = 0; i < s->len; i += 3) {
		s->b[i] ^= 0x41;
		if (scep_open(octets(s), NULL, strong, &m, NULL) == 0)
			taken += X509_cmp(m.signer, self) == 0;
		scep_in_fini(&m);
		s->b[i] ^= 0x41;
	}
	/* Only what says which algorithm the signature has may vary. */
	assert_in_range(taken, 0, 8);
	assert_int_equal(scep_open(octets(s), NULL, strong, &m, NULL), 0);
	scep_in_fini(&m);
	assert_int_equal(scep_open(rbuf_of(s->b, s->len - 1), NULL, strong,
	    &m, NULL), -1);
	scep_in_fini(&m);
	secret_free(s);
}

static void
only_the_servers_own_certificates_may_sign_a_reply(void **state)
{
	struct cert *us = make_cert_of(self);
	struct cert_set set = { .n = 0 };
	struct secret *s;
	struct scep_in m;
	struct err e;

	(void)state;
	cert_set_add(&set, rsa_ca.ca_cert, NULL);
	s = message(SCEP_PKCS_REQ, "x", 1, rsa_ca.ca.cert, self, key, strong);
	assert_int_equal(scep_open(octets(s), &set, strong, &m, &e), -1);
	assert_int_equal(e.code, EACCES);
	scep_in_fini(&m);
	cert_set_add(&set, us, NULL);
	assert_int_equal(scep_open(octets(s), &set, strong, &m, &e), 0);
	scep_in_fini(&m);
	secret_free(s);
	cert_set_fini(&set);
	cert_free(us);
}

static void
weak_messages_are_refused_by_name(void **state)
{
	struct scep_algs weak = { .des3 = true, .sha1 = true }, take = { .legacy = true };
	struct secret *s = message(SCEP_PKCS_REQ, "x", 1, rsa_ca.ca.cert, self,
	    key, weak), *p;
	struct scep_in m;
	struct err e;

	(void)state;
	assert_int_equal(scep_open(octets(s), NULL, strong, &m, &e), -1);
	assert_int_equal(e.code, ENOTSUP);
	assert_non_null(strstr(e.msg, "SHA1"));
	scep_in_fini(&m);
	assert_int_equal(scep_open(octets(s), NULL, take, &m, &e), 0);
	assert_true(m.sha1);
	assert_null(scep_decrypt(m.envelope, rsa_ca.ca.cert, rsa_ca.ca.key,
	    strong, &e));
	assert_int_equal(e.code, ENOTSUP);
	p = scep_decrypt(m.envelope, rsa_ca.ca.cert, rsa_ca.ca.key, take, &e);
	assert_non_null(p);
	secret_free(p);
	scep_in_fini(&m);
	secret_free(s);
}

/* It does not decrypt, or (once in 256 times the padding is right by chance)
 * to something else. */
static void
assert_garbage(const struct secret *envelope, EVP_PKEY *with)
{
	struct err e = { 0 };
	struct secret *p = scep_decrypt(envelope, rsa_ca.ca.cert, with, strong,
	    &e);

	if (p == NULL)
		assert_string_equal(e.msg, "envelope: it does not decrypt");
	else
		assert_false(p->len == 5 && memcmp(p->b, "hello", 5) == 0);
	secret_free(p);
}

static void
an_envelope_for_another_is_told_from_a_broken_one(void **state)
{
	struct secret *s = message(SCEP_PKCS_REQ, "hello", 5, rsa_ca.ca.cert,
	    self, key, strong);
	struct scep_in m;
	struct err e;

	(void)state;
	assert_int_equal(scep_open(octets(s), NULL, strong, &m, &e), 0);
	assert_null(scep_decrypt(m.envelope, ra, ra_key, strong, &e));
	assert_int_equal(e.code, ENOENT);
	/* The wrong key: as if the octets were broken. */
	assert_garbage(m.envelope, key);
	m.envelope->b[m.envelope->len - 1] ^= 1;
	assert_garbage(m.envelope, rsa_ca.ca.key);
	scep_in_fini(&m);
	secret_free(s);
}

static void
an_elliptic_curve_gets_no_envelope(void **state)
{
	struct scep_attrs a = attrs_of(SCEP_PKCS_REQ);
	struct scep_make m = { .attrs = &a, .content = rbuf_of("x", 1),
		.to = ec_ca.ca.cert, .signer = self, .key = key };
	struct scep_in in;
	struct err e;
	struct secret *s = scep_make(&m, &e);

	(void)state;
	/* OpenSSL can (ECDH); who gets it takes RSA only. */
	if (s == NULL)
		return;
	assert_int_equal(scep_open(octets(s), NULL, strong, &in, &e), 0);
	assert_null(scep_decrypt(in.envelope, ec_ca.ca.cert, ec_ca.ca.key,
	    strong, &e));
	assert_int_equal(e.code, ENOTSUP);
	scep_in_fini(&in);
	secret_free(s);
}

/* ------------------------------------------------------------- what is inside */

static void
certificates_and_lists_go_without_signers(void **state)
{
	X509 *all[] = { rsa_ca.ca.cert, ec_ca.ca.cert, ra, NULL };
	struct pki_revoked v = { .serial = "4711", .at = MAKE_NOW, .why = "" };
	struct err e = { 0 };
	X509_CRL *crl = pki_issue_crl(&rsa_ca.ca, 1, MAKE_NOW, MAKE_NOW +
	    MAKE_DAY, &v, 1, &e);
	struct secret *s = scep_degenerate(all, crl, &e), *list;
	struct cert_set got = { .n = 0 };
	const unsigned char *p = s->b;
	PKCS7 *other = d2i_PKCS7(NULL, &p, (long)s->len);

	(void)state;
	assert_int_equal(scep_certs(octets(s), &got, &e), 0);
	assert_int_equal(got.n, 3);
	list = scep_crl(octets(s), &e);
	assert_non_null(list);
	/* The older syntax reads it, too. */
	assert_non_null(other);
	assert_true(PKCS7_type_is_signed(other));
	assert_int_equal(sk_X509_num(other->d.sign->cert), 3);
	PKCS7_free(other);
	cert_set_fini(&got);
	/* One certificate alone is no CMS. */
	assert_int_equal(scep_certs(cert_der(rsa_ca.ca_cert), &got, &e), 0);
	assert_int_equal(got.n, 1);
	cert_set_fini(&got);
	assert_int_equal(scep_certs(rbuf_of("<html>", 6), &got, &e), -1);
	assert_null(scep_crl(rbuf_of(s->b, s->len / 2), &e));
	secret_free(list);
	secret_free(s);
	X509_CRL_free(crl);
}

static void
who_is_meant_is_read_back(void **state)
{
	struct err e = { 0 };
	struct scep_which w;
	struct secret *s = scep_subject_make(X509_get_subject_name(
	    rsa_ca.ca.cert), X509_get_subject_name(self), &e);
	char serial[48];

	(void)state;
	assert_int_equal(scep_subject_parse(octets(s), &w, &e), 0);
	assert_int_equal(X509_NAME_cmp(w.issuer,
	    X509_get_subject_name(rsa_ca.ca.cert)), 0);
	assert_int_equal(X509_NAME_cmp(w.subject,
	    X509_get_subject_name(self)), 0);
	scep_which_fini(&w);
	assert_int_equal(scep_subject_parse(rbuf_of(s->b, s->len - 1), &w,
	    &e), -1);
	scep_which_fini(&w);
	assert_int_equal(scep_serial_parse(octets(s), &w, &e), -1);
	scep_which_fini(&w);
	secret_free(s);
	s = scep_serial_make(rsa_ca.ca.cert, &e);
	assert_int_equal(scep_serial_parse(octets(s), &w, &e), 0);
	cert_serial(rsa_ca.ca_cert, serial, sizeof(serial));
	assert_string_equal(w.serial, serial);
	scep_which_fini(&w);
	secret_free(s);
}

/* ----------------------------------------------------------------- of others */

#define VECTORS "tests/vectors/scep/"

static struct secret *
vector(const char *name)
{
	char path[128];
	FILE *f;
	struct secret *s = secret_new(16384);

	snprintf(path, sizeof(path), VECTORS "%s", name);
	if ((f = fopen(path, "r")) == NULL)
		fail_msg("%s is missing", path);
	s->len = fread(s->b, 1, s->len, f);
	fclose(f);
	return s;
}

/* Whom they are encrypted to. */
static void
vector_ca(X509 **cert, EVP_PKEY **their_key)
{
	struct secret *pem = vector("ca.pem");
	struct cert_set s = { .n = 0 };
	struct err e;

	assert_int_equal(cert_set_add_pem(&s, (char *)pem->b, pem->len, &e),
	    0);
	*their_key = pki_key_read((char *)pem->b, pem->len, NULL, &e);
	assert_non_null(*their_key);
	*cert = X509_dup(cert_x509(s.v[0]));
	cert_set_fini(&s);
	secret_free(pem);
}

static void
requests_of_other_clients_are_opened(void **state)
{
	static const struct {
		const char	*file, *challenge;
		bool		 sha1;
	} rows[] = {
		{ "micromdm.der", "micromdm-challenge", true },
		{ "strongswan.der", "strongswan-challenge", false },
	};
	struct scep_algs take = { .legacy = true };
	EVP_PKEY *k;
	X509 *x;
	size_t i;

	(void)state;
	vector_ca(&x, &k);
	for (i = 0; i < 2; i++) {
		struct secret *s = vector(rows[i].file), *p;
		const unsigned char *at;
		struct scep_in m;
		struct err e = { 0 };
		char challenge[64];
		X509_REQ *r;

		if (scep_open(octets(s), NULL, take, &m, &e) < 0)
			fail_msg("%s: %s", rows[i].file, e.msg);
		assert_int_equal(m.attrs.type, SCEP_PKCS_REQ);
		assert_int_equal(m.sha1, rows[i].sha1);
		assert_true(m.attrs.id[0] != '\0' &&
		    m.attrs.sender_len == 16);
		p = scep_decrypt(m.envelope, x, k, take, &e);
		if (p == NULL && strstr(e.msg, "legacy provider") != NULL) {
			scep_in_fini(&m);
			secret_free(s);
			continue;	/* OpenSSL was made without it */
		}
		assert_non_null(p);
		at = p->b;
		r = d2i_X509_REQ(NULL, &at, (long)p->len);
		assert_int_equal(pki_scep_challenge(r, challenge,
		    sizeof(challenge), &e), 0);
		assert_string_equal(challenge, rows[i].challenge);
		X509_REQ_free(r);
		secret_free(p);
		scep_in_fini(&m);
		secret_free(s);
	}
	X509_free(x);
	EVP_PKEY_free(k);
}

static void
what_openssl_makes_is_read(void **state)
{
	struct secret *s = vector("openssl-envelope.der"), *p;
	struct cert_set got = { .n = 0 };
	struct err e = { 0 };
	EVP_PKEY *k;
	X509 *x;

	(void)state;
	vector_ca(&x, &k);
	p = scep_decrypt(s, x, k, strong, &e);
	assert_non_null(p);
	assert_memory_equal(p->b, "what openssl cms encrypts\n", p->len);
	secret_free(p);
	secret_free(s);
	s = vector("openssl-certs.der");
	assert_int_equal(scep_certs(octets(s), &got, &e), 0);
	assert_int_equal(got.n, 2);
	cert_set_fini(&got);
	secret_free(s);
	X509_free(x);
	EVP_PKEY_free(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    what_a_server_can_is_read_from_lines_of_any_ending),
		cmocka_unit_test(weak_algorithms_are_used_only_when_allowed),
		cmocka_unit_test(the_right_certificate_to_encrypt_to_is_picked),
		cmocka_unit_test(a_message_comes_out_as_it_went_in),
		cmocka_unit_test(every_octet_of_a_message_is_covered),
		cmocka_unit_test(
		    only_the_servers_own_certificates_may_sign_a_reply),
		cmocka_unit_test(weak_messages_are_refused_by_name),
		cmocka_unit_test(
		    an_envelope_for_another_is_told_from_a_broken_one),
		cmocka_unit_test(an_elliptic_curve_gets_no_envelope),
		cmocka_unit_test(certificates_and_lists_go_without_signers),
		cmocka_unit_test(who_is_meant_is_read_back),
		cmocka_unit_test(requests_of_other_clients_are_opened),
		cmocka_unit_test(what_openssl_makes_is_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
