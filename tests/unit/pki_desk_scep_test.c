#include "scep_make.h"

#include "base/text.h"
#include "dmvpn-pki/pki_ca.h"
#include "dmvpn-pki/pki_sql.h"
#include "dmvpn-pki/pki_web.h"
#include "pki_office.h"

/* SCEP at the desk: real messages, the store's tokens. */

static struct office o;

static int
open_office(void **state)
{
	(void)state;
	office_open(&o, "rsa2048");
	return 0;
}

static int
close_office(void **state)
{
	(void)state;
	office_close(&o);
	return 0;
}

static void
call(const char *operation, struct rbuf body, int64_t now,
    struct desk_reply *r)
{
	struct pki_web_ask a = { .id = 1 };

	memset(r, 0, sizeof(*r));
	snprintf(a.rest, sizeof(a.rest), "%s", operation);
	a.from = addr_of("\xc0\0\2\7", 4);
	desk_scep(&o.desk, &a, body, now, r);
}

/* What is sent, and what comes back. */
struct talk {
	uint32_t		 type;
	const struct secret	*inside;
	const char		*transaction;
	X509			*us;
	EVP_PKEY		*us_key;
	int64_t			 now;
};

/* The status, and in *fail why not. */
static uint32_t
talk(const struct talk *t, uint32_t *fail)
{
	struct scep_attrs a = attrs_of(t->type);
	struct scep_make m = { .attrs = &a, .content = octets(t->inside),
		.to = o.make.ca.cert, .signer = t->us, .key = t->us_key };
	struct cert_set signers = { .n = 0 };
	struct desk_reply r;
	struct scep_in in;
	struct err e = { 0 };
	struct secret *q;
	uint32_t status;

	if (t->transaction != NULL)
		snprintf(a.id, sizeof(a.id), "%s", t->transaction);
	q = scep_make(&m, &e);
	assert_non_null(q);
	call("PKIOperation", octets(q), t->now, &r);
	assert_int_equal(r.head.status, 200);
	cert_set_add(&signers, o.make.ca_cert, NULL);
	assert_int_equal(scep_open(octets(r.body), &signers, strong, &in,
	    &e), 0);
	status = in.attrs.status;
	*fail = in.attrs.fail;
	scep_in_fini(&in);
	secret_free(q);
	cert_set_fini(&signers);
	desk_reply_fini(&r);
	return status;
}

static struct secret *
request(EVP_PKEY *k, const char *challenge)
{
	X509_REQ *r = X509_REQ_new();
	unsigned char *der = NULL;
	struct secret *s;
	int len;

	X509_REQ_set_pubkey(r, k);
	X509_REQ_add1_attr_by_NID(r, NID_pkcs9_challengePassword, MBSTRING_ASC,
	    (const unsigned char *)challenge, -1);
	assert_true(X509_REQ_sign(r, k, EVP_sha256()) > 0);
	len = i2d_X509_REQ(r, &der);
	s = secret_copy(der, (size_t)len);
	OPENSSL_free(der);
	X509_REQ_free(r);
	return s;
}

static int64_t
waiting(void)
{
	struct err e = { 0 };

	return pki_sql_number(o.desk.store, "SELECT count(*) FROM scep_wait",
	    &e);
}

static struct secret *
poll_of(const X509 *us)
{
	return scep_subject_make(X509_get_subject_name(o.make.ca.cert),
	    X509_get_subject_name(us), NULL);
}

/* ------------------------------------------------------------------- tests */

/* The transaction's name can be guessed: it is often a hash of the key. */
static void
a_poll_is_signed_by_the_key_of_its_request_or_hears_nothing(void **state)
{
	X509 *thief = make_raw(NULL, NULL, "spoke7", other_key, EVP_sha256(),
	    MAKE_NOW - MAKE_DAY, MAKE_NOW + MAKE_DAY, ra_usage);
	struct secret *r = request(key, ID PASSWORD), *p = poll_of(self);
	struct talk ask = { SCEP_PKCS_REQ, r, NULL, self, key, MAKE_NOW };
	struct talk mine = { SCEP_CERT_POLL, p, NULL, self, key,
		MAKE_NOW + 10 };
	struct talk his = { SCEP_CERT_POLL, p, NULL, thief, other_key,
		MAKE_NOW + 10 };
	struct talk nobody = { SCEP_CERT_POLL, p, "another", self, key,
		MAKE_NOW + 10 };
	uint32_t fail;

	(void)state;
	office_grant(&o, ID, true);
	assert_int_equal(talk(&ask, &fail), SCEP_PENDING);
	assert_int_equal(talk(&mine, &fail), SCEP_PENDING);
	assert_int_equal(talk(&his, &fail), SCEP_FAILURE);
	assert_int_equal(fail, SCEP_BAD_REQUEST);
	assert_int_equal(pki_grant_approve(o.desk.store, ID, NULL), 0);
	assert_int_equal(talk(&his, &fail), SCEP_FAILURE);
	assert_int_equal(talk(&nobody, &fail), SCEP_FAILURE);
	assert_int_equal(issued(&o), 0);
	assert_int_equal(talk(&mine, &fail), SCEP_SUCCESS);
	assert_int_equal(talk(&his, &fail), SCEP_FAILURE);
	assert_int_equal(talk(&mine, &fail), SCEP_SUCCESS);
	assert_int_equal(issued(&o), 1);
	X509_free(thief);
	secret_free(r);
	secret_free(p);
}

/* One row a token, and none of what is over. */
static void
what_waits_is_one_request_a_token_and_goes_with_it(void **state)
{
	struct secret *r = request(key, ID PASSWORD), *p = poll_of(self);
	struct secret *r2 = request(other_key, "0b0b0b0b0b0b" PASSWORD);
	X509 *other = make_raw(NULL, NULL, "spoke8", other_key, EVP_sha256(),
	    MAKE_NOW - MAKE_DAY, MAKE_NOW + MAKE_DAY, ra_usage);
	struct talk ask = { SCEP_PKCS_REQ, r, NULL, self, key, MAKE_NOW };
	struct talk poll = { SCEP_CERT_POLL, p, "name 7", self, key,
		MAKE_NOW };
	struct talk squat = { SCEP_PKCS_REQ, r2, "name 7", other, other_key,
		MAKE_NOW };
	uint32_t fail;
	char name[32];
	int i;

	(void)state;
	office_grant(&o, ID, true);
	office_grant(&o, "0b0b0b0b0b0b", true);
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "name %d", i);
		ask.transaction = name;
		assert_int_equal(talk(&ask, &fail), SCEP_PENDING);
		assert_int_equal(waiting(), 1);
	}
	/* who has the same name does not put himself in its place */
	assert_int_equal(talk(&squat, &fail), SCEP_FAILURE);
	assert_int_equal(talk(&poll, &fail), SCEP_PENDING);
	squat.transaction = "mine";
	assert_int_equal(talk(&squat, &fail), SCEP_PENDING);
	assert_int_equal(waiting(), 2);
	/* the first is withdrawn: its row goes when the next one comes */
	assert_int_equal(pki_grant_withdraw(o.desk.store, ID, NULL), 0);
	assert_int_equal(talk(&squat, &fail), SCEP_PENDING);
	assert_int_equal(waiting(), 1);
	X509_free(other);
	secret_free(r);
	secret_free(r2);
	secret_free(p);
}

static void
the_next_ca_is_announced_while_it_waits(void **state)
{
	struct pki_want w = { .name = "CA" };
	struct secret *content;
	struct cert_set signers = { .n = 0 }, next = { .n = 0 };
	unsigned char *der = NULL;
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct desk_reply r;
	X509 *x;
	int len;

	(void)state;
	call("GetCACaps", rbuf_of("", 0), MAKE_NOW, &r);
	assert_false(scep_caps_parse(octets(r.body)) & SCEP_CAP_NEXT);
	desk_reply_fini(&r);
	call("GetNextCACert", rbuf_of("", 0), MAKE_NOW, &r);
	assert_int_equal(r.head.status, 404);
	desk_reply_fini(&r);
	assert_int_equal(pki_serial_make(w.serial, NULL), 0);
	assert_int_equal(pki_want_days(&w, MAKE_NOW, 3650, NULL), 0);
	x = pki_ca_next(o.make.ca.cert, k, &w, NULL);
	len = i2d_X509(x, &der);
	assert_int_equal(pki_store_add_authority(o.desk.store, PKI_CA_WAITING,
	    rbuf_of(der, (size_t)len), rbuf_of("key", 3), NULL, NULL), 0);
	call("GetCACaps", rbuf_of("", 0), MAKE_NOW, &r);
	assert_true(scep_caps_parse(octets(r.body)) & SCEP_CAP_NEXT);
	desk_reply_fini(&r);
	call("GetNextCACert", rbuf_of("", 0), MAKE_NOW, &r);
	assert_string_equal(r.head.type, "application/x-x509-next-ca-cert");
	cert_set_add(&signers, o.make.ca_cert, NULL);
	content = scep_signed(octets(r.body), &signers, strong, NULL);
	assert_non_null(content);
	assert_int_equal(scep_certs(octets(content), &next, NULL), 0);
	assert_int_equal(next.n, 1);
	assert_int_equal(X509_cmp(cert_x509(next.v[0]), x), 0);
	desk_reply_fini(&r);
	secret_free(content);
	cert_set_fini(&signers);
	cert_set_fini(&next);
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(k);
}

/* Another program holds the store: the client comes again, and hears nothing of
 * what is inside. */
static void
what_fails_on_our_side_is_no_refusal(void **state)
{
	struct secret *r = request(key, ID PASSWORD), *q;
	struct scep_attrs a = attrs_of(SCEP_PKCS_REQ);
	struct scep_make m = { .attrs = &a, .content = octets(r),
		.to = o.make.ca.cert, .signer = self, .key = key };
	struct talk ask = { SCEP_PKCS_REQ, r, NULL, self, key, MAKE_NOW };
	struct pki_store *holder = pki_store_open(o.path, PKI_STORE_OPEN,
	    NULL);
	struct desk_reply reply;
	uint32_t fail;

	(void)state;
	office_grant(&o, ID, false);
	q = scep_make(&m, NULL);
	pki_store_patience(o.desk.store, 1);
	assert_int_equal(pki_store_begin(holder, NULL), 0);
	call("PKIOperation", octets(q), MAKE_NOW, &reply);
	assert_int_equal(reply.head.status, 503);
	assert_true(reply.head.retry_after > 0);
	assert_null(memmem(reply.body->b, reply.body->len, "ca.db", 5));
	assert_non_null(strstr(reply.why.msg, "ca.db"));
	desk_reply_fini(&reply);
	pki_store_close(holder);
	assert_int_equal(talk(&ask, &fail), SCEP_SUCCESS);
	assert_int_equal(issued(&o), 1);
	secret_free(q);
	secret_free(r);
}

/* The list that GetCRL gives about this certificate. */
static X509_CRL *
list_about(const X509 *x)
{
	struct secret *which = scep_serial_make(x, NULL), *q, *plain, *der;
	struct scep_attrs a = attrs_of(SCEP_GET_CRL);
	struct scep_make m = { .attrs = &a, .content = octets(which),
		.to = o.make.ca.cert, .signer = self, .key = key };
	struct cert_set signers = { 1, { o.make.ca_cert } };
	const unsigned char *p;
	struct desk_reply r;
	struct scep_in in;
	X509_CRL *crl;

	q = scep_make(&m, NULL);
	call("PKIOperation", octets(q), MAKE_NOW, &r);
	assert_int_equal(r.head.status, 200);
	assert_int_equal(scep_open(octets(r.body), &signers, strong, &in,
	    NULL), 0);
	assert_int_equal(in.attrs.status, SCEP_SUCCESS);
	plain = scep_decrypt(in.envelope, self, key, strong, NULL);
	assert_non_null(plain);
	der = scep_crl(octets(plain), NULL);
	assert_non_null(der);
	p = der->b;
	crl = d2i_X509_CRL(NULL, &p, (long)der->len);
	assert_non_null(crl);
	scep_in_fini(&in);
	desk_reply_fini(&r);
	secret_free(der);
	secret_free(plain);
	secret_free(q);
	secret_free(which);
	return crl;
}

static void
pki_14_a_list_is_of_the_key_that_signed_the_certificate(void **state)
{
	struct pki_want w = make_want("spoke9.test", "spoke");
	struct pki_row row = { .name = "spoke9.test", .profile = "spoke",
		.to = MAKE_NOW + HOUR, .generation = 2 };
	struct make old;
	X509_CRL *crl;
	X509 *x;

	(void)state;
	make_ca(&old, "Test", "p256", NULL);
	assert_int_equal(pki_store_add_authority(o.desk.store, PKI_CA_OLD,
	    cert_der(old.ca_cert), rbuf_of("key", 3), NULL, NULL), 0);
	o.desk.cas[1] = old.ca;
	o.desk.generations[1] = 2;
	o.desk.n_cas = 2;
	x = pki_issue_peer(&old.ca, &w, key, NULL);
	assert_non_null(x);
	text_hex(w.serial, PKI_SERIAL_LEN, row.serial, sizeof(row.serial));
	assert_int_equal(pki_store_add(o.desk.store, &row, NULL), 0);
	crl = list_about(x);
	assert_int_equal(X509_CRL_verify(crl, old.ca.key), 1);
	X509_CRL_free(crl);
	X509_free(x);
	x = pki_issue_peer(&o.make.ca, &w, key, NULL);
	assert_int_equal(pki_store_remove(o.desk.store, row.serial, NULL), 0);
	crl = list_about(x);		/* of no row of ours */
	assert_int_equal(X509_CRL_verify(crl, o.make.ca.key), 1);
	X509_CRL_free(crl);
	X509_free(x);
	make_fini(&old);
	o.desk.n_cas = 1;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_office, close_office)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_poll_is_signed_by_the_key_of_its_request_or_hears_nothing),
		TEST(what_waits_is_one_request_a_token_and_goes_with_it),
		TEST(the_next_ca_is_announced_while_it_waits),
		TEST(what_fails_on_our_side_is_no_refusal),
		TEST(pki_14_a_list_is_of_the_key_that_signed_the_certificate),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
