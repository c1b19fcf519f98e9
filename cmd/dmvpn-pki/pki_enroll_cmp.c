/* Enrolment by CMP (RFC 4210, RFC 6712), the client's side. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cmp.h>
#include <openssl/err.h>

#include "base/text.h"
#include "crypto/der.h"
#include "crypto/http.h"
#include "pki_enroll.h"

#define ANSWER_MAX	(256u << 10)
#define STATUS_MAX	512

/* OpenSSL carries the transaction on from message to message. */
struct cmp {
	OSSL_CMP_CTX	*ctx;
	X509_STORE	*store;		/* the context has it */
	int		 kind;		/* OSSL_CMP_IR, CR, KUR */
	struct enroll	*n;
	struct err	*e;		/* of the exchange that goes on */
};

/* -------------------------------------------------------------- transport */

static OSSL_CMP_MSG *
take_reply(const struct http_reply *r, struct err *e)
{
	const unsigned char *p = r->body;
	OSSL_CMP_MSG *m = NULL;

	/* An error message may come with any status (RFC 6712, 3.3). */
	if (strcmp(r->type, "application/pkixcmp") != 0) {
		if (http_check(r, e) == 0)
			err_set(e, EBADMSG, "the answer (%s) is not CMP",
			    r->type[0] != '\0' ? r->type : "of no type");
	} else if (der_check(rbuf_of(r->body, r->len), e) == 0 &&
	    ((m = d2i_OSSL_CMP_MSG(NULL, &p, (long)r->len)) == NULL ||
	    p != r->body + r->len)) {
		OSSL_CMP_MSG_free(m);
		m = NULL;
		err_set(e, EBADMSG, "the answer is not CMP");
	}
	return m;
}

static OSSL_CMP_MSG *
transfer(OSSL_CMP_CTX *ctx, const OSSL_CMP_MSG *request)
{
	struct cmp *c = OSSL_CMP_CTX_get_transfer_cb_arg(ctx);
	unsigned char *der = NULL;
	int len = i2d_OSSL_CMP_MSG(request, &der);
	struct http_ask ask = { .url = c->n->url, .max = ANSWER_MAX,
		.type = "application/pkixcmp", .accept = "application/pkixcmp",
		.seconds = c->n->seconds,
		.anchors = c->n->trust != NULL ? &c->n->anchors : NULL };
	struct http_reply r = { .status = 0 };
	OSSL_CMP_MSG *m = NULL;

	if (len > 0) {
		ask.body = rbuf_of(der, (size_t)len);
		if (http_do(&ask, &r, c->e) == 0)
			m = take_reply(&r, c->e);
	}
	http_reply_fini(&r);
	OPENSSL_free(der);
	return m;
}

/* Errors are told by what the calls return. */
static int
silent(const char *func, const char *file, int line,
    OSSL_CMP_severity level, const char *msg)
{
	(void)func;
	(void)file;
	(void)line;
	(void)level;
	(void)msg;
	return 1;
}

/* ------------------------------------------------------------ the context */

/* Whom signed answers are believed from: the anchors that the user gave. */
static int
set_trust(struct cmp *c)
{
	const struct enroll *n = c->n;
	size_t i;

	if ((c->store = X509_STORE_new()) == NULL)
		return 0;
	for (i = 0; n->trust != NULL && i < n->trust->n; i++)
		if (X509_STORE_add_cert(c->store, (X509 *)(uintptr_t)
		    cert_x509(n->trust->v[i])) != 1)
			break;
	if ((n->trust != NULL && i < n->trust->n) ||
	    X509_STORE_set_flags(c->store, X509_V_FLAG_PARTIAL_CHAIN) != 1 ||
	    OSSL_CMP_CTX_set0_trustedStore(c->ctx, c->store) != 1) {
		X509_STORE_free(c->store);
		return 0;
	}
	return 1;
}

/* By the certificate that we have. */
static int
set_old(struct cmp *c)
{
	const struct enroll *n = c->n;
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *leaf = (X509 *)(uintptr_t)cert_x509(n->old->v[0]);
	size_t i;
	int ok = chain != NULL;

	for (i = 1; ok && i < n->old->n; i++)
		ok = sk_X509_push(chain, (X509 *)(uintptr_t)
		    cert_x509(n->old->v[i])) > 0;
	ok = ok && OSSL_CMP_CTX_set1_cert(c->ctx, leaf) == 1 &&
	    OSSL_CMP_CTX_set1_pkey(c->ctx, n->old_key) == 1 &&
	    OSSL_CMP_CTX_set1_oldCert(c->ctx, leaf) == 1 &&
	    (n->old->n < 2 ||
	    (OSSL_CMP_CTX_set1_untrusted(c->ctx, chain) == 1 &&
	    OSSL_CMP_CTX_set1_extraCertsOut(c->ctx, chain) == 1));
	sk_X509_free(chain);
	return ok;
}

/* By reference and secret (PBM; RFC 4210, 5.1.3.1). */
static int
set_secret(struct cmp *c)
{
	const struct secret *s = c->n->challenge;
	const char *user = c->n->user;

	return OSSL_CMP_CTX_set1_secretValue(c->ctx, s->b, (int)s->len) == 1 &&
	    OSSL_CMP_CTX_set_option(c->ctx, OSSL_CMP_OPT_MAC_ALGNID,
	    NID_hmacWithSHA256) == 1 && (user == NULL ||
	    OSSL_CMP_CTX_set1_referenceValue(c->ctx,
	    (const unsigned char *)user, (int)strlen(user)) == 1);
}

static bool
renews(const struct enroll *n)
{
	return n->old != NULL && n->old->n > 0;
}

static int
cmp_hello(struct enroll *n, struct err *e)
{
	struct cmp *c = n->state = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(e, ENOMEM, "CMP");
	c->n = n;
	if (!renews(n) && n->challenge == NULL)
		return err_set(e, EINVAL, "cmp wants a secret "
		    "(--challenge-file, and its reference as --user), or "
		    "--renew with the old certificate");
	if (n->challenge == NULL && (n->trust == NULL || n->trust->n == 0))
		return err_set(e, EINVAL, "cmp wants --trust: who may sign the "
		    "server's answers");
	c->kind = renews(n) ? OSSL_CMP_KUR : OSSL_CMP_IR;
	c->ctx = OSSL_CMP_CTX_new(NULL, NULL);
	if (c->ctx == NULL || OSSL_CMP_CTX_set_log_cb(c->ctx, silent) != 1 ||
	    OSSL_CMP_CTX_set_transfer_cb(c->ctx, transfer) != 1 ||
	    OSSL_CMP_CTX_set_transfer_cb_arg(c->ctx, c) != 1 ||
	    !set_trust(c) || (renews(n) && !set_old(c)) ||
	    (n->challenge != NULL && !set_secret(c)))
		return err_set(e, ENOMEM, "CMP: OpenSSL makes no context");
	return 0;
}

static void
cmp_end(struct enroll *n)
{
	struct cmp *c = n->state;

	OSSL_CMP_CTX_free(c->ctx);
	free(c);
	n->state = NULL;
}

/* --------------------------------------------------------------- outcome */

/* What a person does about it (RFC 4210, 5.2.3). */
static const char *
cause_of(int bits)
{
	static const struct { int bit; const char *text; } rows[] = {
		{ OSSL_CMP_PKIFAILUREINFO_badMessageCheck,
		  "the secret or the certificate that we show is not the right "
		  "one" },
		{ OSSL_CMP_PKIFAILUREINFO_badTime,
		  "the clocks differ" },
		{ OSSL_CMP_PKIFAILUREINFO_badPOP,
		  "it does not accept the proof that we have the key" },
		{ OSSL_CMP_PKIFAILUREINFO_badCertTemplate,
		  "its policy refuses the names or the key that we ask for" },
		{ OSSL_CMP_PKIFAILUREINFO_signerNotTrusted,
		  "it does not trust the CA of our certificate" },
		{ OSSL_CMP_PKIFAILUREINFO_certRevoked,
		  "our certificate is revoked" },
		{ OSSL_CMP_PKIFAILUREINFO_notAuthorized,
		  "it may not give us this certificate" },
		{ OSSL_CMP_PKIFAILUREINFO_wrongAuthority,
		  "the request is for another CA: see the path of the URL" },
		{ OSSL_CMP_PKIFAILUREINFO_systemUnavail, "try later" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (bits >= 0 && (bits & 1 << rows[i].bit))
			return rows[i].text;
	return NULL;
}

static enum enroll_answer
failed(struct cmp *c, struct err *e)
{
	char status[STATUS_MAX], safe[STATUS_MAX];
	int code = OSSL_CMP_CTX_get_status(c->ctx);
	const char *cause = cause_of(OSSL_CMP_CTX_get_failInfoCode(c->ctx));
	const char *why = ERR_reason_error_string(ERR_peek_error());

	if (e != NULL && e->code != 0)
		return ENROLL_FAILED;	/* the transport has said it */
	if (code == OSSL_CMP_PKISTATUS_rejection &&
	    OSSL_CMP_CTX_snprint_PKIStatus(c->ctx, status, sizeof(status)) !=
	    NULL)
		err_set(e, EPERM, "the CA refuses%s%s: %s", cause != NULL ?
		    ": " : "", cause != NULL ? cause : "", text_escape(status,
		    strlen(status), safe, sizeof(safe)));
	else
		err_set(e, EBADMSG, "the server's answer is not taken: %s%s",
		    why != NULL ? why : "it does not verify",
		    c->n->challenge != NULL ? " (is the secret right?)" : "");
	return ENROLL_FAILED;
}

static int
take_set(const STACK_OF(X509) *from, struct cert_set *to, struct err *e)
{
	struct cert *c;
	int i, rc = 0;

	for (i = 0; rc == 0 && i < sk_X509_num(from); i++) {
		if ((c = cert_of_x509(sk_X509_value(from, i), e)) == NULL)
			return -1;
		rc = cert_set_add(to, c, e);
		cert_free(c);
	}
	return rc;
}

/*
 * The leaf, then what came along with it, which is not protected: it may be
 * on the way up, but vouches for nothing.  What the protected message calls
 * CA certificates is vouched for by the shared secret (RFC 4210, 5.3.2).
 */
static int
take_result(struct cmp *c, struct err *e)
{
	STACK_OF(X509) *extra = OSSL_CMP_CTX_get1_extraCertsIn(c->ctx);
	STACK_OF(X509) *ca = OSSL_CMP_CTX_get1_caPubs(c->ctx);
	struct cert *leaf = cert_of_x509(OSSL_CMP_CTX_get0_newCert(c->ctx), e);
	struct enroll *n = c->n;
	int rc = leaf == NULL ? -1 : cert_set_add(&n->chain, leaf, e);

	if (rc == 0)
		rc = take_set(extra, &n->chain, e);
	if (rc == 0)
		rc = take_set(ca, &n->ca, e);
	n->vouched = n->challenge != NULL && n->ca.n > 0;
	cert_free(leaf);
	sk_X509_pop_free(extra, X509_free);
	sk_X509_pop_free(ca, X509_free);
	return rc;
}

/* The context remembers whether it is asking or waiting. */
static enum enroll_answer
go_on(struct enroll *n, struct err *e)
{
	struct cmp *c = n->state;
	int after = 0, rc;

	err_clear(e);
	c->e = e;
	rc = OSSL_CMP_try_certreq(c->ctx, c->kind, NULL, &after);
	c->e = NULL;
	if (rc == -1) {
		ERR_clear_error();
		n->retry_after = after > 0 ? (uint64_t)after : 0;
		return ENROLL_PENDING;
	}
	if (rc != 1 || OSSL_CMP_CTX_get0_newCert(c->ctx) == NULL) {
		enum enroll_answer a = failed(c, e);

		ERR_clear_error();
		return a;
	}
	ERR_clear_error();
	return take_result(c, e) == 0 ? ENROLL_DONE : ENROLL_FAILED;
}

/* Subject, names and key usage are those of the frame's request. */
static enum enroll_answer
cmp_ask(struct enroll *n, struct err *e)
{
	struct cmp *c = n->state;

	if (EVP_PKEY_up_ref(n->key) != 1 ||
	    OSSL_CMP_CTX_set0_newPkey(c->ctx, 1, n->key) != 1 ||
	    OSSL_CMP_CTX_set1_p10CSR(c->ctx, n->request) != 1) {
		ERR_clear_error();
		err_set(e, ENOMEM, "CMP: no request can be made");
		return ENROLL_FAILED;
	}
	return go_on(n, e);
}

const struct enroll_protocol enroll_cmp = {
	.name = "cmp",
	.help = "Certificate Management Protocol (RFC 4210)",
	.key_type = "p256",
	.late = true,
	.hello = cmp_hello,
	.ask = cmp_ask,
	.poll = go_on,
	.end = cmp_end,
};
