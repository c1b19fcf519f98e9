#include "pki_office.h"

#include <errno.h>
#include <openssl/pem.h>

#include "base/text.h"
#include "dmvpn-pki/pki_proof.h"
#include "dmvpn-pki/pki_web.h"

static const struct pki_audit_filter all;
static const struct make_ext no_exts[] = { { 0, NULL } };

/* As after a crash: what was not committed is gone. */
static void
office_crash(struct office *o)
{
	struct err e = { 0 };

	pki_store_close(o->desk.store);
	o->desk.store = pki_store_open(o->path, PKI_STORE_OPEN, &e);
	assert_non_null(o->desk.store);
}

/* DER of a request for a new key; the caller frees with OPENSSL_free. */
static struct rbuf
request(EVP_PKEY **key)
{
	struct err e = { 0 };
	X509_REQ *r = X509_REQ_new();
	unsigned char *der = NULL;
	int len;

	if (*key == NULL)
		*key = pki_key_make("p256", &e);
	assert_non_null(*key);
	assert_int_equal(X509_REQ_set_pubkey(r, *key), 1);
	assert_true(X509_REQ_sign(r, *key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(r, &der);
	X509_REQ_free(r);
	return rbuf_of(der, (size_t)len);
}

static enum desk_says
ask(struct office *o, EVP_PKEY **key, const char *password, int64_t now,
    char serial[64], struct err *e)
{
	struct rbuf der = request(key);
	const struct desk_enrol q = { .protocol = "est", .from = "192.0.2.1",
		.user = ID, .password = password, .request = der };
	enum desk_says says;
	struct cert *c;
	X509 *x = NULL;

	says = desk_enrol(&o->desk, &q, now, &x, e);
	serial[0] = '\0';
	if (x != NULL) {
		c = make_cert_of(x);
		cert_serial(c, serial, 64);
		cert_free(c);
	}
	X509_free(x);
	OPENSSL_free((void *)(uintptr_t)der.p);
	return says;
}

static int
count_audit(void *arg, const struct pki_audit_row *row)
{
	char *text = arg;

	snprintf(text + strlen(text), 256 - strlen(text), "%s ",
	    name_find(pki_audit_what_names, row->what));
	return 0;
}

static const char *
audit(struct office *o, char text[256])
{
	text[0] = '\0';
	assert_int_equal(pki_audit_each(o->desk.store, &all,
	    count_audit, text, NULL), 0);
	return text;
}

/* ------------------------------------------------------------------- tests */

static void
a_token_is_for_one_key_which_may_ask_again(void **state)
{
	EVP_PKEY *one = NULL, *two = NULL;
	char a[64], b[64], text[256];
	struct err e = { 0 };
	struct office o;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	assert_int_equal(ask(&o, &one, PASSWORD, MAKE_NOW, a, &e),
	    DESK_ISSUED);
	assert_int_equal(ask(&o, &one, PASSWORD, MAKE_NOW + 5, b, &e),
	    DESK_ISSUED);
	assert_string_equal(a, b);
	assert_int_equal(ask(&o, &two, PASSWORD, MAKE_NOW, b, &e),
	    DESK_REFUSED);
	assert_int_equal(e.code, EPERM);
	assert_int_equal(issued(&o), 1);
	assert_string_equal(audit(&o, text), "issued again refused ");
	EVP_PKEY_free(one);
	EVP_PKEY_free(two);
	office_close(&o);
}

static void
who_has_not_the_secret_or_comes_late_gets_nothing(void **state)
{
	EVP_PKEY *key = NULL;
	char serial[64];
	struct err e = { 0 };
	struct office o;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	assert_int_equal(ask(&o, &key, "01020304000000000000000000000001",
	    MAKE_NOW, serial, &e), DESK_REFUSED);
	assert_int_equal(e.code, EACCES);
	assert_int_equal(ask(&o, &key, "", MAKE_NOW, serial, &e),
	    DESK_REFUSED);
	assert_int_equal(ask(&o, &key, PASSWORD "00", MAKE_NOW, serial, &e),
	    DESK_REFUSED);
	assert_int_equal(e.code, EACCES);
	assert_int_equal(ask(&o, &key, PASSWORD, MAKE_NOW + HOUR, serial, &e),
	    DESK_REFUSED);
	assert_int_equal(e.code, EPERM);
	assert_int_equal(pki_grant_withdraw(o.desk.store, ID, &e), 0);
	assert_int_equal(ask(&o, &key, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_REFUSED);
	assert_int_equal(pki_grant_withdraw(o.desk.store, ID, &e), -1);
	assert_int_equal(issued(&o), 0);
	EVP_PKEY_free(key);
	office_close(&o);
}

static void
a_crash_before_the_commit_loses_neither_token_nor_certificate(void **state)
{
	EVP_PKEY *one = NULL, *two = NULL;
	struct pki_grant g;
	uint8_t hash[32] = { 7 };
	char serial[64];
	struct err e = { 0 };
	struct office o;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	assert_int_equal(pki_store_begin(o.desk.store, &e), 0);
	assert_int_equal(pki_grant_find(o.desk.store, ID, PASSWORD, MAKE_NOW,
	    &g, &e), 0);
	assert_int_equal(pki_grant_take(o.desk.store, &g, hash, MAKE_NOW, &e),
	    PKI_GRANT_ISSUE);
	assert_int_equal(pki_grant_used(o.desk.store, &g, hash, "01",
	    MAKE_NOW, &e), 0);
	office_crash(&o);
	assert_int_equal(ask(&o, &one, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_ISSUED);
	office_crash(&o);
	assert_int_equal(ask(&o, &two, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_REFUSED);
	assert_int_equal(issued(&o), 1);
	EVP_PKEY_free(one);
	EVP_PKEY_free(two);
	office_close(&o);
}

static void
what_is_held_waits_for_the_approval_of_that_key(void **state)
{
	EVP_PKEY *one = NULL, *two = NULL;
	char serial[64], text[256];
	struct err e = { 0 };
	struct office o;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, true);
	assert_int_equal(pki_grant_approve(o.desk.store, ID, &e), -1);
	assert_int_equal(ask(&o, &one, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_WAIT);
	assert_int_equal(ask(&o, &one, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_WAIT);
	assert_int_equal(ask(&o, &two, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_REFUSED);
	assert_int_equal(pki_grant_approve(o.desk.store, ID, &e), 0);
	assert_int_equal(ask(&o, &two, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_REFUSED);
	assert_int_equal(ask(&o, &one, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_ISSUED);
	assert_int_equal(issued(&o), 1);
	assert_string_equal(audit(&o, text), "pending refused refused issued ");
	EVP_PKEY_free(one);
	EVP_PKEY_free(two);
	office_close(&o);
}

/* SCEP polls by transaction, without the secret. */
static void
what_was_approved_too_late_is_not_issued(void **state)
{
	EVP_PKEY *key = NULL;
	char serial[64];
	struct err e = { 0 };
	struct office o;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, true);
	assert_int_equal(ask(&o, &key, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_WAIT);
	assert_int_equal(pki_grant_approve(o.desk.store, ID, &e), 0);
	assert_int_equal(ask(&o, &key, NULL, MAKE_NOW + HOUR, serial, &e),
	    DESK_REFUSED);
	assert_int_equal(e.code, EPERM);
	assert_int_equal(issued(&o), 0);
	assert_int_equal(ask(&o, &key, NULL, MAKE_NOW + HOUR - 1, serial,
	    &e), DESK_ISSUED);
	EVP_PKEY_free(key);
	office_close(&o);
}

/* The half that speaks to the network may have been taken over. */
static void
who_asks_for_the_tls_certificate_does_not_choose_its_names(void **state)
{
	struct pki_web_ask a = { .route = PKI_DESK_TLS,
		.rest = "hub1.example" };
	struct desk_reply r;
	struct office o;
	X509 *x;
	BIO *b;

	(void)state;
	office_open(&o, "p256");
	o.desk.names = "ca.example 192.0.2.1";
	desk_answer(&o.desk, &a, rbuf_of("", 0), MAKE_NOW, &r);
	assert_int_equal(r.head.status, 200);
	b = BIO_new_mem_buf(r.body->b, (int)r.body->len);
	x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	assert_non_null(x);
	assert_int_equal(X509_check_host(x, "ca.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(x, "192.0.2.1", 0), 1);
	assert_int_equal(X509_check_host(x, "hub1.example", 0, 0, NULL), 0);
	/* It makes no peer of who has it. */
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
	X509_free(x);
	BIO_free(b);
	desk_reply_fini(&r);
	office_close(&o);
}

/* Who asks again and again does not have us issue again and again; who has
 * started anew, or comes late, or after a rollover, gets another. */
static void
the_tls_certificate_is_made_once_in_its_time(void **state)
{
	const struct pki_web_ask a = { .route = PKI_DESK_TLS };
	const int64_t times[] = { 0, 1, HOUR, 20 * MAKE_DAY, 20 * MAKE_DAY };
	const int made[] = { 1, 1, 1, 2, 3 };
	struct desk_reply r;
	struct office o;
	size_t i;

	(void)state;
	office_open(&o, "p256");
	o.desk.names = "ca.example";
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (i == 4)
			desk_forget_keys(&o.desk);
		desk_answer(&o.desk, &a, rbuf_of("", 0), MAKE_NOW + times[i],
		    &r);
		assert_int_equal(r.head.status, 200);
		assert_true((int64_t)r.head.next > MAKE_NOW + times[i]);
		desk_reply_fini(&r);
		assert_int_equal(issued(&o), made[i]);
	}
	/* the CA ends in ten days, and this one with it */
	desk_answer(&o.desk, &a, rbuf_of("", 0), MAKE_NOW + 3640 * MAKE_DAY,
	    &r);
	assert_int_equal(r.head.status, 200);
	assert_true((int64_t)r.head.next < MAKE_NOW + 3650 * MAKE_DAY);
	desk_reply_fini(&r);
	office_close(&o);
}

/* One of another CA with the number of one of ours. */
static struct rbuf
forged(struct office *o, const char *serial, EVP_PKEY *key)
{
	struct pki_want w = make_want("spoke7.test", "spoke");
	struct wbuf number = wbuf_of(w.serial, sizeof(w.serial));
	unsigned char *der = NULL;
	struct err e = { 0 };
	struct make other;
	X509 *x;
	int len;

	(void)o;
	make_ca(&other, "Test", "p256", NULL);
	assert_int_equal(text_unhex(serial, &number, &e) >= 0, 1);
	x = pki_issue_peer(&other.ca, &w, key, &e);
	assert_non_null(x);
	len = i2d_X509(x, &der);
	X509_free(x);
	make_fini(&other);
	return rbuf_of(der, (size_t)len);
}

static void
a_certificate_that_only_looks_like_ours_renews_nothing(void **state)
{
	struct desk_enrol q = { .protocol = "est", .from = "192.0.2.1" };
	EVP_PKEY *key = NULL;
	char serial[64];
	struct err e = { 0 };
	struct office o;
	X509 *x = NULL;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	assert_int_equal(ask(&o, &key, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_ISSUED);
	q.request = request(&key);
	q.certificate = forged(&o, serial, key);
	assert_int_equal(desk_enrol(&o.desk, &q, MAKE_NOW, &x, &e),
	    DESK_REFUSED);
	assert_int_equal(e.code, EACCES);
	assert_null(x);
	assert_int_equal(issued(&o), 1);
	OPENSSL_free((void *)(uintptr_t)q.request.p);
	OPENSSL_free((void *)(uintptr_t)q.certificate.p);
	EVP_PKEY_free(key);
	office_close(&o);
}

static void
a_certificate_is_renewed_ten_times_an_hour_at_most(void **state)
{
	struct desk_enrol q = { .protocol = "est", .from = "192.0.2.1" };
	EVP_PKEY *key = NULL;
	enum desk_says says = DESK_ISSUED;
	unsigned char *der = NULL;
	char serial[64];
	struct err e = { 0 };
	struct office o;
	X509 *x = NULL;
	int len, n = 0;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	assert_int_equal(ask(&o, &key, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_ISSUED);
	q.request = request(&key);
	q.user = ID;
	q.password = PASSWORD;
	assert_int_equal(desk_enrol(&o.desk, &q, MAKE_NOW, &x, &e),
	    DESK_ISSUED);
	len = i2d_X509(x, &der);
	X509_free(x);
	q.user = NULL;
	q.certificate = rbuf_of(der, (size_t)len);
	while (says == DESK_ISSUED && n < 20) {
		says = desk_enrol(&o.desk, &q, MAKE_NOW + 600, &x, &e);
		X509_free(x);
		n++;
	}
	assert_int_equal(says, DESK_REFUSED);
	assert_int_equal(issued(&o), 10);
	assert_int_equal(desk_enrol(&o.desk, &q, MAKE_NOW + 3 * HOUR, &x, &e),
	    DESK_ISSUED);
	X509_free(x);
	assert_int_equal(desk_enrol(&o.desk, &q, MAKE_NOW + 31 * MAKE_DAY, &x,
	    &e), DESK_REFUSED);
	assert_non_null(strstr(e.msg, "has expired"));
	OPENSSL_free((void *)(uintptr_t)q.request.p);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	office_close(&o);
}

/* RFC 7030, 4.2.2: a request with the names of `like`, and this CN. */
static struct rbuf
request_like(X509 *like, const char *cn, EVP_PKEY *key)
{
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	X509_REQ *r = X509_REQ_new();
	unsigned char *der = NULL;
	int len;

	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(r), "CN",
	    MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	sk_X509_EXTENSION_push(exts, X509_get_ext(like, X509_get_ext_by_NID(
	    like, NID_subject_alt_name, -1)));
	assert_int_equal(X509_REQ_add_extensions(r, exts), 1);
	assert_int_equal(X509_REQ_set_pubkey(r, key), 1);
	assert_true(X509_REQ_sign(r, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(r, &der);
	sk_X509_EXTENSION_free(exts);
	X509_REQ_free(r);
	return rbuf_of(der, (size_t)len);
}

static void
a_request_to_renew_repeats_the_subject(void **state)
{
	struct desk_enrol q = { .protocol = "est", .from = "192.0.2.1" };
	static const char *const names[] = { "spoke7.test", "other.test" };
	enum desk_says says[] = { DESK_ISSUED, DESK_REFUSED };
	EVP_PKEY *key = NULL;
	unsigned char *der = NULL;
	struct err e = { 0 };
	struct office o;
	X509 *x = NULL, *y;
	size_t i;
	int len;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	q.request = request(&key);
	q.user = ID;
	q.password = PASSWORD;
	assert_int_equal(desk_enrol(&o.desk, &q, MAKE_NOW, &x, &e),
	    DESK_ISSUED);
	OPENSSL_free((void *)(uintptr_t)q.request.p);
	len = i2d_X509(x, &der);
	q.user = NULL;
	q.certificate = rbuf_of(der, (size_t)len);
	q.identical = true;
	for (i = 0; i < 2; i++) {
		q.request = request_like(x, names[i], key);
		assert_int_equal(desk_enrol(&o.desk, &q, MAKE_NOW, &y, &e),
		    says[i]);
		X509_free(y);
		OPENSSL_free((void *)(uintptr_t)q.request.p);
	}
	assert_non_null(strstr(e.msg, "its subject"));
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
	office_close(&o);
}

/* Whose word is taken that somebody has the old key: nobody's, when a proof is
 * there.  One that was made for another key or certificate proves nothing. */
static void
a_renewal_is_proven_by_the_old_key(void **state)
{
	EVP_PKEY *old = pki_key_make("p256", NULL);
	EVP_PKEY *next = pki_key_make("rsa2048", NULL);
	EVP_PKEY *other = pki_key_make("p256", NULL);
	struct make ca;
	struct err e = { 0 };
	X509 *x, *y;
	X509_REQ *r = X509_REQ_new();

	(void)state;
	make_ca(&ca, "Test", "p256", NULL);
	x = make_raw(ca.ca.cert, ca.ca.key, "spoke7", old, EVP_sha256(),
	    MAKE_NOW, MAKE_NOW + MAKE_DAY, no_exts);
	y = make_raw(ca.ca.cert, ca.ca.key, "spoke8", old, EVP_sha256(),
	    MAKE_NOW, MAKE_NOW + MAKE_DAY, no_exts);
	assert_int_equal(X509_REQ_set_pubkey(r, next), 1);
	assert_int_equal(pki_proof_check(r, x, &e), 0);
	assert_int_equal(pki_proof_add(r, old, x, &e), 0);
	assert_int_equal(pki_proof_check(r, x, &e), 1);
	assert_int_equal(pki_proof_check(r, y, &e), -1);
	assert_int_equal(e.code, EPERM);
	assert_int_equal(X509_REQ_set_pubkey(r, other), 1);
	assert_int_equal(pki_proof_check(r, x, &e), -1);
	/* a wrong one is worse than none, even for the same key */
	assert_int_equal(X509_REQ_set_pubkey(r, old), 1);
	assert_int_equal(pki_proof_check(r, x, &e), -1);
	X509_REQ_free(r);
	r = X509_REQ_new();
	assert_int_equal(X509_REQ_set_pubkey(r, old), 1);
	assert_int_equal(pki_proof_check(r, x, &e), 1);
	assert_int_equal(X509_REQ_set_pubkey(r, next), 1);
	assert_int_equal(pki_proof_add(r, other, x, &e), 0);
	assert_int_equal(pki_proof_check(r, x, &e), -1);
	X509_REQ_free(r);
	X509_free(x);
	X509_free(y);
	make_fini(&ca);
	EVP_PKEY_free(old);
	EVP_PKEY_free(next);
	EVP_PKEY_free(other);
}

static int
count_one(void *arg, const struct pki_audit_row *row)
{
	*(int *)arg += row->what == PKI_AUDIT_REFUSED ||
	    row->what == PKI_AUDIT_AGAIN;
	return 0;
}

static void
refusals_can_not_fill_the_disk(void **state)
{
	EVP_PKEY *key = NULL;
	char serial[64];
	struct err e = { 0 };
	struct office o;
	int i, n = 0;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	for (i = 0; i < 130; i++)
		assert_int_equal(ask(&o, &key, "x", MAKE_NOW, serial, &e),
		    DESK_REFUSED);
	assert_int_equal(pki_audit_each(o.desk.store, &all, count_one,
	    &n, NULL), 0);
	assert_int_equal(n, 120);
	assert_int_equal(ask(&o, &key, "x", MAKE_NOW + 60, serial, &e),
	    DESK_REFUSED);
	n = 0;
	assert_int_equal(pki_audit_each(o.desk.store, &all, count_one,
	    &n, NULL), 0);
	assert_int_equal(n, 121);
	EVP_PKEY_free(key);
	office_close(&o);
}

/* A token that was used is good for the same answer, not for a row each. */
static void
the_same_answer_again_and_again_does_not_either(void **state)
{
	EVP_PKEY *key = NULL;
	char serial[64], first[64];
	struct err e = { 0 };
	struct office o;
	int i, n = 0;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	assert_int_equal(ask(&o, &key, PASSWORD, MAKE_NOW, first, &e),
	    DESK_ISSUED);
	for (i = 0; i < 130; i++) {
		assert_int_equal(ask(&o, &key, PASSWORD, MAKE_NOW, serial,
		    &e), DESK_ISSUED);
		assert_string_equal(serial, first);
	}
	assert_int_equal(pki_audit_each(o.desk.store, &all, count_one, &n,
	    NULL), 0);
	assert_int_equal(n, 120);
	assert_int_equal(issued(&o), 1);
	EVP_PKEY_free(key);
	office_close(&o);
}

static void
a_list_has_one_name_and_no_other(void **state)
{
	static const struct {
		const char	*rest;
		unsigned	 status;
	} names[] = { { "", 200 }, { "1.crl", 200 }, { "2.crl", 200 },
	    { "3.crl", 404 }, { "0.crl", 404 }, { "-1.crl", 404 },
	    { "g1.crl", 200 }, { "g1-2.crl", 200 }, { "g1-3.crl", 404 },
	    { "g12.crl", 404 }, { "g2.crl", 404 }, { "g.crl", 404 },
	    { "1.crlx", 404 }, { "1", 404 } };
	struct pki_web_ask a = { .id = 1 };
	struct desk_reply r;
	struct office o;
	size_t i;

	(void)state;
	office_open(&o, "p256");
	assert_int_equal(pki_store_set(o.desk.store, PKI_CRL_URL,
	    "http://a/ca.crl", NULL), 0);
	assert_int_equal(pki_store_set(o.desk.store, PKI_CRL_PARTITIONS, "2",
	    NULL), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		memset(&r, 0, sizeof(r));
		snprintf(a.rest, sizeof(a.rest), "%s", names[i].rest);
		desk_crl(&o.desk, &a, rbuf_of("", 0), MAKE_NOW, &r);
		if (r.head.status != names[i].status)
			print_message("# %s: %u\n", a.rest, r.head.status);
		assert_int_equal(r.head.status, names[i].status);
		desk_reply_fini(&r);
	}
	office_close(&o);
}

static void
a_list_is_made_anew_when_something_was_revoked(void **state)
{
	const struct pki_web_ask a = { .id = 1 };
	struct desk_reply one, two, three;
	EVP_PKEY *key = NULL;
	char serial[64];
	struct err e = { 0 };
	struct office o;
	size_t n;

	(void)state;
	office_open(&o, "p256");
	office_grant(&o, ID, false);
	assert_int_equal(ask(&o, &key, PASSWORD, MAKE_NOW, serial, &e),
	    DESK_ISSUED);
	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	memset(&three, 0, sizeof(three));
	desk_crl(&o.desk, &a, rbuf_of("", 0), MAKE_NOW, &one);
	desk_crl(&o.desk, &a, rbuf_of("", 0), MAKE_NOW + HOUR, &two);
	assert_int_equal(one.head.status, 200);
	assert_string_equal(one.head.etag, two.head.etag);
	assert_int_equal(pki_store_begin(o.desk.store, &e), 0);
	assert_int_equal(pki_store_revoke(o.desk.store, "spoke7.test",
	    MAKE_NOW + HOUR, "unspecified", &n, &e), 0);
	assert_int_equal(pki_store_commit(o.desk.store, &e), 0);
	desk_crl(&o.desk, &a, rbuf_of("", 0), MAKE_NOW + HOUR + 1, &three);
	assert_int_equal(three.head.status, 200);
	assert_string_not_equal(one.head.etag, three.head.etag);
	assert_true(three.body->len > one.body->len);
	desk_reply_fini(&two);
	memset(&two, 0, sizeof(two));
	/* half of its time is over */
	desk_crl(&o.desk, &a, rbuf_of("", 0), MAKE_NOW + 4 * MAKE_DAY, &two);
	assert_string_not_equal(two.head.etag, three.head.etag);
	desk_reply_fini(&one);
	desk_reply_fini(&two);
	desk_reply_fini(&three);
	EVP_PKEY_free(key);
	office_close(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_for_one_key_which_may_ask_again),
		cmocka_unit_test(
		    who_has_not_the_secret_or_comes_late_gets_nothing),
		cmocka_unit_test(
		    a_crash_before_the_commit_loses_neither_token_nor_certificate),
		cmocka_unit_test(
		    what_is_held_waits_for_the_approval_of_that_key),
		cmocka_unit_test(what_was_approved_too_late_is_not_issued),
		cmocka_unit_test(
		    who_asks_for_the_tls_certificate_does_not_choose_its_names),
		cmocka_unit_test(
		    a_certificate_that_only_looks_like_ours_renews_nothing),
		cmocka_unit_test(
		    a_certificate_is_renewed_ten_times_an_hour_at_most),
		cmocka_unit_test(a_request_to_renew_repeats_the_subject),
		cmocka_unit_test(a_list_has_one_name_and_no_other),
		cmocka_unit_test(the_tls_certificate_is_made_once_in_its_time),
		cmocka_unit_test(a_renewal_is_proven_by_the_old_key),
		cmocka_unit_test(refusals_can_not_fill_the_disk),
		cmocka_unit_test(
		    the_same_answer_again_and_again_does_not_either),
		cmocka_unit_test(
		    a_list_is_made_anew_when_something_was_revoked),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
