#include "pki_scep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/date.h"
#include "crypto/der.h"
#include "crypto/scep.h"
#include "pki_key.h"
#include "sys/priv.h"

#define DAY		86400	/* seconds */
#define CERTS_MAX	16
#define REQUEST_DER_MAX	16384
#define RA_KEY		"rsa3072"
#define CMC_RA		"1.3.6.1.5.5.7.3.28"	/* RFC 6402: no IKE identity */

/* One request on its way. */
struct call {
	const struct pki_scep		*s;
	const struct pki_scep_call	*c;
	struct scep_in			 in;
	struct secret			*plain;	/* what was in the envelope */
	const X509			*old;	/* in.signer, when it is ours */
	X509				*cert;	/* of the answer, owned */
	X509_CRL			*crl;	/* likewise */
	uint32_t			 status, fail;
	bool				 broken; /* the fault is on our side */
	struct err			*why;
};

static void
say(struct pki_scep_reply *r, unsigned status, const char *type,
    const void *octets, size_t len)
{
	r->status = status;
	r->type = type;
	r->body->len = 0;
	wbuf_put(r->body, octets, len);
}

static int
say_text(struct pki_scep_reply *r, unsigned status, const char *text)
{
	say(r, status, "text/plain", text, strlen(text));
	return 0;
}

/* A refusal outside of SCEP: there is nobody to encrypt to. */
static int
say_no(struct pki_scep_reply *r, unsigned status, const struct err *why)
{
	char line[ERR_MAX + 2];

	snprintf(line, sizeof(line), "%s\n", why->msg);
	return say_text(r, status, line);
}

static int
say_secret(struct pki_scep_reply *r, const char *type, struct secret *s)
{
	if (s == NULL)
		return -1;
	say(r, 200, type, s->b, s->len);
	secret_free(s);
	return wbuf_ok(r->body) ? 0 : -1;
}

/* ------------------------------------------------------- what it can, is */

static int
get_caps(const struct pki_scep *s, const struct pki_scep_call *c,
    struct pki_scep_reply *r, struct err *why)
{
	char text[160];

	(void)c;
	(void)why;
	snprintf(text, sizeof(text), "AES\nPOSTPKIOperation\nRenewal\nSHA-256\n"
	    "SHA-512\nSCEPStandard\n%s%s", s->next != NULL ?
	    "GetNextCACert\n" : "", s->legacy ? "DES3\nSHA-1\n" : "");
	return say_text(r, 200, text);
}

static int
get_ca(const struct pki_scep *s, const struct pki_scep_call *c,
    struct pki_scep_reply *r, struct err *why)
{
	X509 *all[CERTS_MAX + 1] = { NULL };
	unsigned char *der = NULL;
	size_t n = 0, i;
	int len;

	(void)c;
	if (s->ra != s->ca.cert)
		all[n++] = s->ra;
	all[n++] = s->ca.cert;
	for (i = 0; s->above != NULL && s->above[i] != NULL && n < CERTS_MAX;
	    i++)
		all[n++] = s->above[i];
	if (n > 1)
		return say_secret(r, "application/x-x509-ca-ra-cert",
		    scep_degenerate(all, NULL, why));
	if ((len = i2d_X509(s->ca.cert, &der)) <= 0)
		return err_set(why, ENOMEM, "CA certificate");
	say(r, 200, "application/x-x509-ca-cert", der, (size_t)len);
	OPENSSL_free(der);
	return 0;
}

static int
get_next(const struct pki_scep *s, const struct pki_scep_call *c,
    struct pki_scep_reply *r, struct err *why)
{
	X509 *all[2] = { s->next, NULL };
	struct scep_algs algs = { .legacy = false };
	struct secret *plain, *out;

	(void)c;
	if (s->next == NULL)
		return say_text(r, 404, "there is no next CA\n");
	if ((plain = scep_degenerate(all, NULL, why)) == NULL)
		return -1;
	out = scep_signed_make(rbuf_of(plain->b, plain->len), s->ra,
	    s->ra_key, algs, why);
	secret_free(plain);
	return say_secret(r, "application/x-x509-next-ca-cert", out);
}

/* ------------------------------------------------------------- PKIOperation */

/* -1 for the switchboard; the client gets a CertRep with this failInfo. */
static int
refuse(struct call *k, uint32_t fail)
{
	k->status = SCEP_FAILURE;
	k->fail = fail;
	return -1;
}

/* What we can not say now, we do not say: the client comes again, and what is
 * in *why is for our log. */
static int
broken(struct call *k)
{
	k->broken = true;
	return refuse(k, SCEP_BAD_REQUEST);
}

static bool
issued_by(const X509 *x, X509 *ca)
{
	bool ok = X509_check_issued(ca, (X509 *)(uintptr_t)x) == X509_V_OK &&
	    X509_verify((X509 *)(uintptr_t)x, X509_get0_pubkey(ca)) == 1;

	ERR_clear_error();
	return ok;
}

/* Is it a certificate of ours, under this key of the CA or an older one? */
static bool
is_ours(const struct pki_scep *s, const X509 *x)
{
	X509 *const *p;

	if (issued_by(x, s->ca.cert))
		return true;
	for (p = s->before; p != NULL && *p != NULL; p++)
		if (issued_by(x, *p))
			return true;
	return false;
}

/* Who signed?  Itself, with the key of the request, or one of ours. */
static int
know_signer(struct call *k, EVP_PKEY *key)
{
	X509 *x = k->in.signer;
	time_t now = date_time(k->c->now);
	bool renewal = k->in.attrs.type == SCEP_RENEWAL_REQ;

	if (is_ours(k->s, x)) {
		k->old = x;
		if (X509_cmp_time(X509_get0_notAfter(x), &now) > 0)
			return 0;
		err_set(k->why, ESTALE, "the certificate that signs has "
		    "expired: enrol anew");
		return refuse(k, SCEP_BAD_TIME);
	}
	if (!renewal && EVP_PKEY_eq(X509_get0_pubkey(x), key) == 1)
		return 0;
	ERR_clear_error();
	err_set(k->why, EACCES, renewal ? "what signs the renewal is no "
	    "certificate of this CA" : "the request is signed by neither its "
	    "own key nor a certificate of this CA");
	return refuse(k, SCEP_BAD_CHECK);
}

int
pki_scep_challenge(X509_REQ *r, char *out, size_t len, struct err *e)
{
	int at = X509_REQ_get_attr_by_NID(r, NID_pkcs9_challengePassword, -1);
	X509_ATTRIBUTE *a = at < 0 ? NULL : X509_REQ_get_attr(r, at);
	ASN1_TYPE *t = a == NULL ? NULL : X509_ATTRIBUTE_get0_type(a, 0);
	unsigned char *text = NULL;
	int n;

	out[0] = '\0';
	if (a == NULL)
		return 0;
	if (X509_ATTRIBUTE_count(a) != 1 || t == NULL ||
	    (t->type != V_ASN1_PRINTABLESTRING && t->type != V_ASN1_UTF8STRING
	    && t->type != V_ASN1_IA5STRING && t->type != V_ASN1_T61STRING &&
	    t->type != V_ASN1_BMPSTRING))
		return err_set(e, EBADMSG, "challengePassword is no text");
	n = ASN1_STRING_to_UTF8(&text, t->value.asn1_string);
	if (n >= 0 && (size_t)n < len && memchr(text, '\0', (size_t)n) ==
	    NULL) {
		memcpy(out, text, (size_t)n);
		out[n] = '\0';
	} else
		n = -1;
	OPENSSL_clear_free(text, n > 0 ? (size_t)n : 0);
	ERR_clear_error();
	return n < 0 ? err_set(e, EBADMSG, "challengePassword of no sensible "
	    "length") : 0;
}

/* Ask the caller; its answer becomes ours. */
static int
ask_caller(struct call *k, const struct pki_scep_want *w)
{
	const struct pki_scep_ops *o = &k->s->ops;

	switch (o->issue(o->arg, w, &k->cert, k->why)) {
	case PKI_SCEP_ISSUE:
		k->status = SCEP_SUCCESS;
		return 0;
	case PKI_SCEP_WAIT:
		k->status = SCEP_PENDING;
		return 0;
	case PKI_SCEP_FAILED:
		return broken(k);
	case PKI_SCEP_REFUSE:
		break;
	}
	return refuse(k, k->why->code == ESTALE ? SCEP_BAD_TIME :
	    k->why->code == ENOENT ? SCEP_BAD_CERT_ID : SCEP_BAD_REQUEST);
}

static struct pki_scep_want
want_of(const struct call *k)
{
	struct pki_scep_want w = { .transaction = k->in.attrs.id,
		.from = k->c->from, .challenge = "", .old = k->old,
		.signer = k->in.signer, .now = k->c->now };

	return w;
}

static int
take_request(struct call *k, X509_REQ *r)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(r);
	struct pki_scep_want w;
	char challenge[512];
	int rc;

	if (key == NULL || X509_REQ_verify(r, key) != 1) {
		ERR_clear_error();
		err_set(k->why, EPERM, "the request's signature does not "
		    "verify");
		return refuse(k, SCEP_BAD_CHECK);
	}
	if (know_signer(k, key) < 0)
		return -1;
	if (pki_scep_challenge(r, challenge, sizeof(challenge), k->why) < 0)
		return refuse(k, SCEP_BAD_REQUEST);
	w = want_of(k);
	w.challenge = challenge;
	w.request = rbuf_of(k->plain->b, k->plain->len);
	rc = ask_caller(k, &w);
	secret_wipe(challenge, sizeof(challenge));
	return rc;
}

static int
on_request(struct call *k)
{
	struct rbuf der = rbuf_of(k->plain->b, k->plain->len);
	const unsigned char *p = der.p;
	X509_REQ *r = NULL;
	int rc = -1;

	if (rbuf_left(&der) > REQUEST_DER_MAX)
		err_set(k->why, EFBIG, "a request of %zu octets",
		    rbuf_left(&der));
	else if (der_check_request(der, k->why) == 0 &&
	    ((r = d2i_X509_REQ(NULL, &p, (long)rbuf_left(&der))) == NULL ||
	    p != der.end))
		err_set(k->why, EBADMSG, "what is in the message is not "
		    "PKCS#10");
	else if (r != NULL)
		rc = 0;
	if (rc == 0)
		rc = take_request(k, r);
	else
		refuse(k, SCEP_BAD_REQUEST);
	X509_REQ_free(r);
	ERR_clear_error();
	return rc;
}

static int
on_poll(struct call *k)
{
	struct rbuf der = rbuf_of(k->plain->b, k->plain->len);
	struct pki_scep_want w = want_of(k);
	struct scep_which which;
	int rc = scep_subject_parse(der, &which, k->why);

	scep_which_fini(&which);
	if (rc < 0)
		return refuse(k, SCEP_BAD_REQUEST);
	return ask_caller(k, &w);
}

/* GetCert and GetCRL: whose certificate, of our CA? */
static int
which_of_ours(struct call *k, struct scep_which *w)
{
	struct rbuf der = rbuf_of(k->plain->b, k->plain->len);

	if (scep_serial_parse(der, w, k->why) < 0)
		return refuse(k, SCEP_BAD_REQUEST);
	if (X509_NAME_cmp(w->issuer,
	    X509_get_subject_name(k->s->ca.cert)) == 0)
		return 0;
	err_set(k->why, ENOENT, "a certificate of another CA is asked for");
	return refuse(k, SCEP_BAD_CERT_ID);
}

static int
not_there(struct call *k)
{
	return k->why->code == ENOENT ? refuse(k, SCEP_BAD_CERT_ID) :
	    broken(k);
}

static int
on_get_cert(struct call *k)
{
	const struct pki_scep_ops *o = &k->s->ops;
	struct scep_which w;
	int rc = which_of_ours(k, &w);

	if (rc == 0) {
		k->cert = o->find(o->arg, w.serial, k->why);
		k->status = SCEP_SUCCESS;
		rc = k->cert != NULL ? 0 : not_there(k);
	}
	scep_which_fini(&w);
	return rc;
}

static int
on_get_crl(struct call *k)
{
	const struct pki_scep_ops *o = &k->s->ops;
	struct scep_which w;
	int rc = which_of_ours(k, &w);

	if (rc == 0) {
		k->crl = o->crl(o->arg, w.serial, k->why);
		k->status = SCEP_SUCCESS;
		rc = k->crl != NULL ? 0 : not_there(k);
	}
	scep_which_fini(&w);
	return rc;
}

static const struct {
	uint32_t	type;
	int (*take)(struct call *k);
} types[] = {
	{ SCEP_PKCS_REQ, on_request },
	{ SCEP_RENEWAL_REQ, on_request },
	{ SCEP_CERT_POLL, on_poll },
	{ SCEP_GET_CERT, on_get_cert },
	{ SCEP_GET_CRL, on_get_crl },
};

static void
decide(struct call *k)
{
	struct scep_algs algs = { .legacy = k->s->legacy };
	size_t i, n = sizeof(types) / sizeof(types[0]);

	for (i = 0; i < n && types[i].type != k->in.attrs.type; i++)
		;
	if (i == n) {
		err_set(k->why, ENOTSUP, "messageType %u", k->in.attrs.type);
		refuse(k, SCEP_BAD_REQUEST);
	} else if (k->in.envelope == NULL) {
		err_set(k->why, EBADMSG, "the message is empty");
		refuse(k, SCEP_BAD_CHECK);
	} else if ((k->plain = scep_decrypt(k->in.envelope, k->s->ra,
	    k->s->ra_key, algs, k->why)) == NULL)
		refuse(k, k->why->code == ENOTSUP ? SCEP_BAD_ALG :
		    SCEP_BAD_CHECK);
	else
		(void)types[i].take(k);
}

/* The CertRep, which only the asker can read. */
static struct secret *
reply_make(struct call *k, struct err *e)
{
	const struct scep_attrs *q = &k->in.attrs;
	X509 *certs[2] = { k->cert, NULL };
	struct scep_attrs a = { .type = SCEP_CERT_REP, .status = k->status,
		.fail = k->fail, .sender_len = SCEP_NONCE_LEN,
		.recipient_len = q->sender_len };
	struct scep_make m = { .attrs = &a, .to = k->in.signer,
		.signer = k->s->ra, .key = k->s->ra_key,
		.algs = { .des3 = k->in.sha1, .sha1 = k->in.sha1 } };
	struct secret *content = NULL, *out;

	memcpy(a.id, q->id, sizeof(a.id));
	memcpy(a.recipient, q->sender, q->sender_len);
	if (k->status == SCEP_FAILURE)
		snprintf(a.text, sizeof(a.text), "%.*s", SCEP_TEXT_MAX,
		    k->why->msg);
	if (random_bytes(a.sender, SCEP_NONCE_LEN, e) < 0)
		return NULL;
	if (k->status == SCEP_SUCCESS) {
		content = scep_degenerate(certs, k->crl, e);
		if (content == NULL)
			return NULL;
		m.content = rbuf_of(content->b, content->len);
	}
	out = scep_make(&m, e);
	secret_free(content);
	return out;
}

static int
operation(const struct pki_scep *s, const struct pki_scep_call *c,
    struct pki_scep_reply *r, struct err *why)
{
	struct scep_algs algs = { .legacy = s->legacy };
	struct call k = { .s = s, .c = c, .why = why };
	struct err e = { 0 };
	int rc;

	if (rbuf_left(&c->message) > SCEP_REQUEST_MAX) {
		err_set(why, EFBIG, "a message of over %d octets",
		    SCEP_REQUEST_MAX);
		return say_no(r, 400, why);
	}
	if (scep_open(c->message, NULL, algs, &k.in, why) < 0 ||
	    cert_pkey_kind(X509_get0_pubkey(k.in.signer)) != CERT_KEY_RSA) {
		if (why->code == 0)
			err_set(why, ENOTSUP, "SCEP is for RSA keys: EST and "
			    "CMP are for all");
		scep_in_fini(&k.in);
		return say_no(r, 400, why);
	}
	decide(&k);
	rc = k.broken ? -1 : say_secret(r, "application/x-pki-message",
	    reply_make(&k, &e));
	if (rc < 0 && !k.broken)
		*why = e;
	scep_in_fini(&k.in);
	secret_free(k.plain);
	X509_free(k.cert);
	X509_CRL_free(k.crl);
	ERR_clear_error();
	return rc;
}

static const struct {
	const char	*name;
	int (*answer)(const struct pki_scep *s, const struct pki_scep_call *c,
	    struct pki_scep_reply *r, struct err *why);
} operations[] = {
	{ "GetCACaps", get_caps },
	{ "GetCACert", get_ca },
	{ "GetNextCACert", get_next },
	{ "PKIOperation", operation },
};

int
pki_scep_answer(const struct pki_scep *s, const struct pki_scep_call *c,
    struct pki_scep_reply *r, struct err *why)
{
	size_t i;

	err_clear(why);
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(c->operation, operations[i].name) == 0)
			return operations[i].answer(s, c, r, why);
	err_set(why, ENOTSUP, "SCEP knows no such operation");
	return say_no(r, 400, why);
}

/* --------------------------------------------------------------------- RA */

static int
ra_name(X509_NAME *to, X509_NAME *ca)
{
	char cn[64];

	if (X509_NAME_get_text_by_NID(ca, NID_commonName, cn,
	    sizeof(cn) - 5) <= 0)
		snprintf(cn, sizeof(cn), "DMVPN");
	snprintf(cn + strlen(cn), sizeof(cn) - strlen(cn), " SCEP");
	return X509_NAME_add_entry_by_NID(to, NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)cn, -1, -1, 0);
}

/* Not ASN1_TIME_set: that takes a time_t, which may end in 2038. */
static bool
put_time(ASN1_TIME *to, int64_t t)
{
	return ASN1_TIME_adj(to, 0, (int)(t / DAY), (long)(t % DAY)) != NULL;
}

static int
ra_times(X509 *x, X509 *ca, int64_t now, uint64_t days)
{
	const ASN1_TIME *last = X509_get0_notAfter(ca);
	ASN1_TIME *to = X509_getm_notAfter(x);

	return put_time(X509_getm_notBefore(x), now - 300) &&
	    put_time(to, now + (int64_t)days * DAY) &&
	    (ASN1_TIME_compare(to, last) <= 0 ||
	    X509_set1_notAfter(x, last) == 1);
}

static int
ra_ext(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	int ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

static int
ra_fill(X509 *x, const struct pki_ca *ca, const uint8_t *serial, int64_t now,
    uint64_t days, EVP_PKEY *key)
{
	BIGNUM *bn = BN_bin2bn(serial, PKI_SERIAL_LEN, NULL);
	X509V3_CTX ctx;
	int ok;

	X509V3_set_ctx(&ctx, ca->cert, x, NULL, NULL, 0);
	ok = bn != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
	    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL &&
	    ra_times(x, ca->cert, now, days) &&
	    ra_name(X509_get_subject_name(x),
	    X509_get_subject_name(ca->cert)) == 1 &&
	    X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) == 1 &&
	    X509_set_pubkey(x, key) == 1 &&
	    ra_ext(x, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
	    ra_ext(x, &ctx, NID_key_usage,
	    "critical,digitalSignature,keyEncipherment") &&
	    ra_ext(x, &ctx, NID_ext_key_usage, CMC_RA) &&
	    ra_ext(x, &ctx, NID_subject_key_identifier, "hash") &&
	    ra_ext(x, &ctx, NID_authority_key_identifier, "keyid:always");
	BN_free(bn);
	return ok;
}

int
pki_scep_ra(const struct pki_ca *ca, const uint8_t serial[PKI_SERIAL_LEN],
    int64_t now, uint64_t days, X509 **ra, EVP_PKEY **key, struct err *e)
{
	const EVP_MD *md = cert_pkey_kind(ca->key) == CERT_KEY_ED25519 ?
	    NULL : EVP_sha256();
	EVP_PKEY *k = pki_key_make(RA_KEY, e);
	X509 *x = X509_new();

	if (k != NULL && x != NULL && ra_fill(x, ca, serial, now, days, k) &&
	    X509_sign(x, ca->key, md) > 0) {
		*ra = x;
		*key = k;
		return 0;
	}
	X509_free(x);
	if (k != NULL)
		err_set(e, EIO, "OpenSSL makes no certificate for SCEP");
	EVP_PKEY_free(k);
	ERR_clear_error();
	return -1;
}
