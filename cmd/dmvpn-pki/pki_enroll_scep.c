/* Enrolment by SCEP (RFC 8894), as NDES and others speak it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "crypto/http.h"
#include "crypto/scep.h"
#include "pki_enroll.h"
#include "sys/priv.h"

#define SELF_DAYS	30	/* of the certificate that we make for ourselves */

struct scep {
	uint32_t		 caps;
	struct scep_algs	 algs;
	struct cert_set		 signers;	/* who may sign replies */
	const struct cert	*to;		/* in n->ca or n->anchors */
	X509			*us;		/* who signs for us, owned */
	EVP_PKEY		*us_key;	/* borrowed */
	struct scep_attrs	 attrs;
	char			 unsaid[288];	/* who may be its RA and does not
						 * say so; "": nobody */
	bool			 ready;
};

/* -------------------------------------------------------------- transport */

/* SCEP protects itself: whoever the server of an https URL is, he learns and
 * changes nothing. */
#define ANYBODY	.any_server = true

static int
make_url(const struct enroll *n, const char *operation, const char *message,
    char *out, size_t out_len, struct err *e)
{
	char *safe = NULL;
	size_t len = message == NULL ? 0 : 3 * strlen(message) + 1;
	int rc = 0;

	if (message != NULL && (safe = malloc(len)) == NULL)
		return err_set(e, ENOMEM, "URL");
	if (message != NULL)
		rc = http_escape(message, safe, len, e);
	if (rc == 0 && snprintf(out, out_len, "%s%soperation=%s%s%s", n->url,
	    strchr(n->url, '?') == NULL ? "?" : "&", operation,
	    message == NULL ? "" : "&message=", message == NULL ? "" : safe) >=
	    (int)out_len)
		rc = err_set(e, ENAMETOOLONG, "the URL is too long for GET");
	free(safe);
	return rc;
}

static int
get(const struct enroll *n, const char *operation, struct http_reply *r,
    struct err *e)
{
	char url[2048];
	struct http_ask ask = { .url = url, .seconds = n->seconds,
		ANYBODY };

	memset(r, 0, sizeof(*r));
	if (make_url(n, operation, n->label, url, sizeof(url), e) < 0 ||
	    http_do(&ask, r, e) < 0)
		return err_in(e, "%s", operation);
	return 0;
}

/* For servers that know no POST. */
static int
get_message(const struct enroll *n, const struct secret *m,
    struct http_reply *r, struct err *e)
{
	size_t len = 4 * (m->len / 3 + 1) + 1;
	unsigned char *text = malloc(len);
	char url[HTTP_PATH_MAX];
	struct http_ask ask = { .url = url, .seconds = n->seconds,
		ANYBODY };
	int rc = -1;

	if (text == NULL)
		return err_set(e, ENOMEM, "SCEP");
	EVP_EncodeBlock(text, m->b, (int)m->len);
	if (make_url(n, "PKIOperation", (char *)text, url, sizeof(url),
	    e) == 0)
		rc = http_do(&ask, r, e);
	free(text);
	return rc;
}

static int
post_message(const struct enroll *n, const struct secret *m,
    struct http_reply *r, struct err *e)
{
	char url[2048];
	struct http_ask ask = { .url = url, .seconds = n->seconds,
		ANYBODY, .type = "application/x-pki-message",
		.body = rbuf_of(m->b, m->len) };

	return make_url(n, "PKIOperation", NULL, url, sizeof(url), e) < 0 ?
	    -1 : http_do(&ask, r, e);
}

static int
check_http(const struct http_reply *r, struct err *e)
{
	if (http_check(r, e) < 0)
		return -1;
	if (strncmp(r->type, "text/", 5) != 0)
		return 0;
	return err_set(e, EBADMSG, "the server answers with a page for "
	    "people; is the URL that of SCEP (NDES: "
	    "/certsrv/mscep/mscep.dll)?");
}

/* ------------------------------------------------------------------ hello */

static void
scep_end(struct enroll *n)
{
	struct scep *s = n->state;

	cert_set_fini(&s->signers);
	X509_free(s->us);
	free(s);
}

/* A server that does not know GetCACaps can nothing that is new. */
static int
ask_caps(struct enroll *n, struct scep *s, struct err *e)
{
	struct http_reply r;
	int rc = get(n, "GetCACaps", &r, e);

	if (rc == 0 && r.status == 200)
		s->caps = scep_caps_parse(rbuf_of(r.body, r.len));
	http_reply_fini(&r);
	return rc;
}

static int
scep_hello(struct enroll *n, struct err *e)
{
	struct scep *s = n->state = calloc(1, sizeof(*s));
	struct http_reply r;
	int rc;

	if (s == NULL)
		return err_set(e, ENOMEM, "SCEP");
	if (ask_caps(n, s, e) < 0)
		return -1;
	rc = get(n, "GetCACert", &r, e);
	if (rc == 0 && (check_http(&r, e) < 0 || scep_certs(rbuf_of(r.body,
	    r.len), &n->ca, e) < 0))
		rc = err_in(e, "GetCACert");
	http_reply_fini(&r);
	return rc;
}

static const char *
scep_describe(const struct enroll *n, char *out, size_t len)
{
	const struct scep *s = n->state;
	char caps[128];

	snprintf(out, len, "it can: %s",
	    scep_caps_text(s->caps, caps, sizeof(caps)));
	return out;
}

/* -------------------------------------------------------- before the first */

/* Those of the server that lead to what is trusted. */
static int
take_trusted(const struct enroll *n, struct cert_set *out, struct err *e)
{
	size_t i;

	for (i = 0; i < n->ca.n; i++)
		if (enroll_leads_up(n, n->ca.v[i]) &&
		    cert_set_add(out, n->ca.v[i], e) < 0)
			return -1;
	return 0;
}

/* Somebody who may be the RA, but does not say so: a question to people. */
static void
ask_unsaid(const struct enroll *n, const struct cert_set *trusted,
    struct scep *s)
{
	char subject[96], hex[65];
	uint8_t print[32];
	size_t i;

	for (i = 0; i < trusted->n && s->unsaid[0] == '\0'; i++) {
		const struct cert *c = trusted->v[i];

		if (!scep_may_be_ra(c) || enroll_is_ra(n, c))
			continue;
		cert_fingerprint(c, print);
		snprintf(s->unsaid, sizeof(s->unsaid), "does %s with SHA-256 "
		    "%s speak for the CA?  Its extended key usage does not "
		    "say so; if its operator does, give it as --ra",
		    cert_subject(c, subject, sizeof(subject)),
		    text_hex(print, sizeof(print), hex, sizeof(hex)));
	}
}

static int
no_recipient(const struct scep *s, struct err *e)
{
	return s->unsaid[0] != '\0' ? err_set(e, EACCES, "%s", s->unsaid) :
	    err_set(e, ENOTSUP, "the server shows no RSA certificate for "
	    "encryption below the CA that is trusted; SCEP can not do "
	    "without: ask it by est or cmp");
}

static int
check_recipient(const struct enroll *n, const struct scep *s, struct err *e)
{
	char subject[120];

	if (n->now <= cert_not_after(s->to) && n->now >=
	    cert_not_before(s->to))
		return 0;
	return err_set(e, EPERM, "the server's certificate for encryption "
	    "(%s) %s: its operator renews it, or our clock is wrong",
	    cert_subject(s->to, subject, sizeof(subject)),
	    n->now > cert_not_after(s->to) ? "has expired" :
	    "is not yet valid");
}

/* Those that a person has named. */
static int
take_ras(const struct enroll *n, const struct cert_set *trusted,
    struct cert_set *ras, struct err *e)
{
	size_t i;

	for (i = 0; i < trusted->n; i++)
		if (enroll_is_ra(n, trusted->v[i]) &&
		    cert_set_add(ras, trusted->v[i], e) < 0)
			return -1;
	return 0;
}

static int
choose(struct enroll *n, struct scep *s, struct err *e)
{
	struct cert_set trusted = { .n = 0 }, ras = { .n = 0 };
	int rc = -1;
	size_t i;

	if (take_trusted(n, &trusted, e) == 0 &&
	    take_ras(n, &trusted, &ras, e) == 0) {
		ask_unsaid(n, &trusted, s);
		s->to = scep_encrypter(&trusted, &ras);
		rc = s->to == NULL ? no_recipient(s, e) :
		    check_recipient(n, s, e);
	}
	for (i = 0; rc == 0 && i < trusted.n; i++)
		if (scep_may_sign(trusted.v[i], &ras))
			rc = cert_set_add(&s->signers, trusted.v[i], e);
	/* They are held by n->ca, too. */
	cert_set_fini(&trusted);
	cert_set_fini(&ras);
	return rc;
}

static int
self_fill(X509 *x, const struct enroll *n, struct err *e)
{
	uint8_t serial[PKI_SERIAL_LEN];
	X509_NAME *name = X509_REQ_get_subject_name(n->request);
	BIGNUM *bn;
	int ok;

	if (pki_serial_make(serial, e) < 0)
		return -1;
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = bn != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
	    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL &&
	    ASN1_TIME_set(X509_getm_notBefore(x), n->now - 86400) != NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(x), n->now + 86400 *
	    SELF_DAYS) != NULL &&
	    X509_set_subject_name(x, name) == 1 &&
	    X509_set_issuer_name(x, name) == 1 &&
	    X509_set_pubkey(x, n->key) == 1;
	BN_free(bn);
	return ok ? 0 : err_set(e, EIO, "SCEP: self-signed certificate");
}

/* RFC 8894, 2.3: before there is a certificate, we make one ourselves. */
static X509 *
self_signed(const struct enroll *n, struct scep_algs algs, struct err *e)
{
	X509 *x = X509_new();
	X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage,
	    "critical,digitalSignature,keyEncipherment");

	if (x == NULL || usage == NULL || self_fill(x, n, e) < 0 ||
	    X509_add_ext(x, usage, -1) != 1 || X509_sign(x, n->key,
	    algs.sha1 ? EVP_sha1() : EVP_sha256()) <= 0) {
		X509_free(x);
		x = NULL;
		if (e == NULL || e->code == 0)
			err_set(e, EIO, "SCEP: self-signed certificate");
	}
	X509_EXTENSION_free(usage);
	ERR_clear_error();
	return x;
}

/* The old certificate speaks for us, else our own. */
static int
present(struct enroll *n, struct scep *s, struct err *e)
{
	if (n->old == NULL || n->old->n == 0) {
		s->us = self_signed(n, s->algs, e);
		s->us_key = n->key;
		return s->us != NULL ? 0 : -1;
	}
	if (cert_key_kind(n->old->v[0]) != CERT_KEY_RSA)
		return err_set(e, EINVAL, "SCEP renews RSA certificates only; "
		    "enrol anew, or by est or cmp");
	s->us = (X509 *)(uintptr_t)cert_x509(n->old->v[0]);
	X509_up_ref(s->us);
	s->us_key = n->old_key;
	return 0;
}

/* The hash of our key: the same when we come again. */
static int
name_transaction(const struct enroll *n, struct scep *s, struct err *e)
{
	unsigned char *der = NULL, hash[32];
	unsigned got = 0;
	int len = i2d_PUBKEY(n->key, &der);
	int ok = len > 0 && EVP_Digest(der, (size_t)len, hash, &got,
	    EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	if (!ok)
		return err_set(e, EIO, "SCEP: transaction");
	text_hex(hash, sizeof(hash), s->attrs.id, sizeof(s->attrs.id));
	return 0;
}

/* The CA after a rollover: both are trusted from now on. */
static int
ask_next(struct enroll *n, struct scep *s, struct err *e)
{
	struct cert_set next = { .n = 0 };
	struct secret *content = NULL;
	struct http_reply r;
	size_t i;
	int rc = get(n, "GetNextCACert", &r, e);

	if (rc == 0 && r.status == 200 && r.len > 0 &&
	    (content = scep_signed(rbuf_of(r.body, r.len), &s->signers,
	    s->algs, NULL)) != NULL &&
	    scep_certs(rbuf_of(content->b, content->len), &next, NULL) == 0)
		for (i = 0; rc == 0 && i < next.n; i++)
			if (cert_is_ca(next.v[i]) &&
			    cert_self_issued(next.v[i]))
				rc = cert_set_add(&n->anchors, next.v[i], e);
	secret_free(content);
	cert_set_fini(&next);
	http_reply_fini(&r);
	return rc;
}

static int
prepare(struct enroll *n, struct scep *s, struct err *e)
{
	if (s->ready)
		return 0;
	err_clear(e);
	if (scep_caps_pick(s->caps, n->legacy, &s->algs, e) < 0 ||
	    choose(n, s, e) < 0 || present(n, s, e) < 0 ||
	    name_transaction(n, s, e) < 0)
		return -1;
	if ((s->caps & SCEP_CAP_NEXT) && n->old != NULL && n->old->n > 0 &&
	    ask_next(n, s, e) < 0)
		return -1;
	s->ready = true;
	return 0;
}

/* ---------------------------------------------------------------- replies */

static enum enroll_answer
refused(const struct enroll *n, const struct scep_attrs *a, struct err *e)
{
	const char *why = "it gives no reason that we know", *name;
	const struct scep *s = n->state;

	switch (a->fail) {
	case SCEP_BAD_ALG:
		why = "it does not take our algorithms; an old one may want "
		    "--legacy";
		break;
	case SCEP_BAD_CHECK:
		why = s->unsaid[0] != '\0' ? s->unsaid : "it can not open or "
		    "check our message; its RA certificates may not be those "
		    "that it uses";
		break;
	case SCEP_BAD_REQUEST:
		why = n->challenge == NULL && (n->old == NULL ||
		    n->old->n == 0) ? "it wants a challenge, or does not give "
		    "such a certificate" : n->challenge == NULL ?
		    "it does not renew this certificate, or wants a "
		    "challenge for it too" : "the challenge is "
		    "wrong, used already or too old (NDES: one hour), or its "
		    "template does not allow this";
		break;
	case SCEP_BAD_TIME:
		why = "our clock and its differ too much";
		break;
	case SCEP_BAD_CERT_ID:
		why = "it does not know such a certificate";
		break;
	}
	name = name_find(scep_fail_names, a->fail);
	err_set(e, EPERM, "the server refuses (%s): %s%s%s%s",
	    name != NULL ? name : "failure", why, a->text[0] != '\0' ?
	    "; it says \"" : "", a->text, a->text[0] != '\0' ? "\"" : "");
	return ENROLL_FAILED;
}

/* Ours goes first. */
static int
take_ours(struct enroll *n, const struct cert_set *all, struct err *e)
{
	size_t i, ours = all->n;

	for (i = 0; i < all->n && ours == all->n; i++)
		if (EVP_PKEY_eq(X509_get0_pubkey(cert_x509(all->v[i])),
		    n->key) == 1)
			ours = i;
	ERR_clear_error();
	if (ours == all->n)
		return err_set(e, EPERM, "none of the certificates that came "
		    "is for our key");
	cert_set_fini(&n->chain);
	if (cert_set_add(&n->chain, all->v[ours], e) < 0)
		return -1;
	for (i = 0; i < all->n; i++)
		if (i != ours && cert_set_add(&n->chain, all->v[i], e) < 0)
			return -1;
	return 0;
}

static struct secret *
open_envelope(const struct scep *s, const struct scep_in *m, struct err *e)
{
	return m->envelope != NULL ? scep_decrypt(m->envelope, s->us,
	    s->us_key, s->algs, e) : err_null(err_set(e, EBADMSG,
	    "the server's reply is empty"));
}

static enum enroll_answer
granted(struct enroll *n, const struct scep *s, const struct scep_in *m,
    struct err *e)
{
	struct secret *plain = open_envelope(s, m, e);
	struct cert_set all = { .n = 0 };
	int rc = -1;

	if (plain != NULL && scep_certs(rbuf_of(plain->b, plain->len), &all,
	    e) == 0)
		rc = take_ours(n, &all, e);
	secret_free(plain);
	cert_set_fini(&all);
	return rc == 0 ? ENROLL_DONE : ENROLL_FAILED;
}

/* Is it the answer to what we sent? */
static int
check_reply(const struct scep *s, const struct scep_attrs *a, struct err *e)
{
	if (a->type != SCEP_CERT_REP)
		return err_set(e, EBADMSG, "the server's reply is no CertRep");
	if (strcmp(a->id, s->attrs.id) != 0)
		return err_set(e, EBADMSG, "the server's reply is for another "
		    "transaction");
	if (a->recipient_len != s->attrs.sender_len || memcmp(a->recipient,
	    s->attrs.sender, a->recipient_len) != 0)
		return err_set(e, EBADMSG, "the server's reply has not our "
		    "nonce: it may be an old one, sent again");
	return 0;
}

static int
open_reply(const struct scep *s, const struct http_reply *r,
    struct scep_in *m, struct err *e)
{
	memset(m, 0, sizeof(*m));
	if (check_http(r, e) < 0)
		return -1;
	if (scep_open(rbuf_of(r->body, r->len), &s->signers, s->algs, m,
	    e) == 0)
		return check_reply(s, &m->attrs, e);
	if (e->code == EACCES && s->unsaid[0] != '\0')
		err_set(e, EACCES, "%s", s->unsaid);
	return -1;
}

/* One message there and one back. */
static int
exchange(struct enroll *n, struct scep *s, uint32_t type, struct rbuf content,
    struct scep_in *m, struct err *e)
{
	struct scep_make out = { .attrs = &s->attrs, .content = content,
		.to = cert_x509(s->to), .signer = s->us, .key = s->us_key,
		.algs = s->algs };
	struct http_reply r = { .body = NULL };
	struct secret *message;
	int rc = -1;

	memset(m, 0, sizeof(*m));
	s->attrs.type = type;
	s->attrs.sender_len = SCEP_NONCE_LEN;
	if (random_bytes(s->attrs.sender, SCEP_NONCE_LEN, e) < 0 ||
	    (message = scep_make(&out, e)) == NULL)
		return -1;
	if ((s->caps & SCEP_CAP_POST ? post_message : get_message)(n, message,
	    &r, e) == 0)
		rc = open_reply(s, &r, m, e);
	secret_free(message);
	http_reply_fini(&r);
	return rc;
}

static enum enroll_answer
converse(struct enroll *n, uint32_t type, struct rbuf content, struct err *e)
{
	struct scep *s = n->state;
	enum enroll_answer a = ENROLL_FAILED;
	struct scep_in m;

	if (exchange(n, s, type, content, &m, e) == 0)
		switch (m.attrs.status) {
		case SCEP_SUCCESS:
			a = granted(n, s, &m, e);
			break;
		case SCEP_PENDING:
			a = ENROLL_PENDING;
			break;
		case SCEP_FAILURE:
			a = refused(n, &m.attrs, e);
			break;
		default:
			err_set(e, EBADMSG, "the server's reply has a "
			    "pkiStatus that is none");
		}
	scep_in_fini(&m);
	return a;
}

static enum enroll_answer
scep_ask(struct enroll *n, struct err *e)
{
	struct scep *s = n->state;
	bool again = n->old != NULL && n->old->n > 0;
	unsigned char *der = NULL;
	enum enroll_answer a;
	int len;

	if (prepare(n, s, e) < 0)
		return ENROLL_FAILED;
	if ((len = i2d_X509_REQ(n->request, &der)) <= 0) {
		err_set(e, ENOMEM, "SCEP");
		return ENROLL_FAILED;
	}
	/* Before there was RenewalReq, it was PKCSReq by the old key. */
	a = converse(n, again && (s->caps & SCEP_CAP_RENEWAL) ?
	    SCEP_RENEWAL_REQ : SCEP_PKCS_REQ, rbuf_of(der, (size_t)len), e);
	OPENSSL_clear_free(der, (size_t)len);
	return a;
}

/* Who issues: the CA above the recipient, or that itself. */
static const X509_NAME *
issuer_name(const struct scep *s)
{
	const X509 *x = cert_x509(s->to);

	return cert_is_ca(s->to) ? X509_get_subject_name(x) :
	    X509_get_issuer_name(x);
}

static enum enroll_answer
scep_poll(struct enroll *n, struct err *e)
{
	struct scep *s = n->state;
	enum enroll_answer a = ENROLL_FAILED;
	struct secret *who;

	if (prepare(n, s, e) < 0 || (who = scep_subject_make(issuer_name(s),
	    X509_REQ_get_subject_name(n->request), e)) == NULL)
		return ENROLL_FAILED;
	a = converse(n, SCEP_CERT_POLL, rbuf_of(who->b, who->len), e);
	secret_free(who);
	return a;
}

/* GetCRL names the list by one of the CA's certificates: ours. */
static struct secret *
scep_get_crl(struct enroll *n, struct err *e)
{
	struct scep *s = n->state;
	struct secret *which, *plain = NULL, *crl = NULL;
	struct scep_in m;

	if ((which = scep_serial_make(cert_x509(n->chain.v[0]), e)) == NULL)
		return NULL;
	if (exchange(n, s, SCEP_GET_CRL, rbuf_of(which->b, which->len), &m,
	    e) == 0) {
		if (m.attrs.status != SCEP_SUCCESS)
			err_set(e, EPERM, "the server gives no revocation "
			    "list");
		else if ((plain = open_envelope(s, &m, e)) != NULL)
			crl = scep_crl(rbuf_of(plain->b, plain->len), e);
	}
	secret_free(which);
	secret_free(plain);
	scep_in_fini(&m);
	return crl;
}

const struct enroll_protocol enroll_scep = {
	.name = "scep",
	.help = "Microsoft's NDES, Cisco, many others (RFC 8894)",
	.key_type = "rsa2048",
	.rsa_only = true,
	.challenge = true,
	.hello = scep_hello,
	.ask = scep_ask,
	.poll = scep_poll,
	.end = scep_end,
	.describe = scep_describe,
	.crl = scep_get_crl,
};
