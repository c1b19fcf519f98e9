/* Enrolment over Secure Transport (RFC 7030), the client's side. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/base64.h"
#include "crypto/http.h"
#include "crypto/scep.h"
#include "pki_enroll.h"
#include "pki_grant.h"

#define PATH		"/.well-known/est/"
#define CERTS		"application/pkcs7-mime"
#define ANSWER_MAX	(256u << 10)

/* The URL may be of the server alone, or end in the well-known path. */
static int
make_url(const struct enroll *n, const char *operation, char *out,
    size_t len, struct err *e)
{
	const char *at = strstr(n->url, "/.well-known/est");
	size_t base = at != NULL ? (size_t)(at - n->url) : strlen(n->url);
	struct http_url u;
	char label[256] = "";

	if (http_url_parse(n->url, &u, e) < 0)
		return -1;
	if (!u.tls)
		return err_set(e, EINVAL, "%s: EST wants https", n->url);
	while (base > 0 && n->url[base - 1] == '/')
		base--;
	if (n->label != NULL && http_escape(n->label, label, sizeof(label),
	    e) < 0)
		return -1;
	if (snprintf(out, len, "%.*s" PATH "%s%s%s", (int)base, n->url, label,
	    label[0] != '\0' ? "/" : "", operation) >= (int)len)
		return err_set(e, ENAMETOOLONG, "the URL is too long");
	return 0;
}

/* The certificates of an answer: base64, or from some servers DER. */
static int
take_certs(const struct http_reply *r, struct cert_set *out, struct err *e)
{
	struct secret *der = secret_new(r->len + 3);
	struct wbuf w;
	int rc = -1;

	if (der == NULL)
		return err_set(e, ENOMEM, "EST");
	w = wbuf_of(der->b, der->len);
	if (r->len > 0 && r->body[0] == 0x30)
		rc = scep_certs(rbuf_of(r->body, r->len), out, e);
	else if (base64_read(&w, BASE64_PLAIN, (const char *)r->body, r->len,
	    e) < 0)
		err_set(e, EBADMSG, "the answer (%s) holds no certificates",
		    r->type[0] != '\0' ? r->type : "of no type");
	else
		rc = scep_certs(wbuf_rbuf(&w), out, e);
	secret_free(der);
	return rc;
}

/*
 * Whoever answers: what comes is judged by the fingerprint or by the anchors
 * that the user gave, and nothing secret is sent.
 */
static int
est_hello(struct enroll *n, struct err *e)
{
	char url[1024];
	struct http_ask ask = { .url = url, .accept = CERTS,
		.any_server = true, .seconds = n->seconds,
		.max = ANSWER_MAX };
	struct http_reply r = { .status = 0 };
	int rc = make_url(n, "cacerts", url, sizeof(url), e);

	if (rc == 0 && (http_do(&ask, &r, e) < 0 || http_check(&r, e) < 0 ||
	    take_certs(&r, &n->ca, e) < 0))
		rc = err_in(e, "cacerts");
	http_reply_fini(&r);
	return rc;
}

/* ------------------------------------------------------------------- to ask */

/* Who we are: a password; a token of dmvpn-pki has its user in it. */
struct who {
	char		 user[64];
	struct secret	*password;
};

static int
who_take(struct who *w, const struct enroll *n, struct err *e)
{
	const struct secret *c = n->challenge;
	size_t skip = 0;

	if (c == NULL)
		return 0;
	if (n->user != NULL)
		snprintf(w->user, sizeof(w->user), "%s", n->user);
	else if (c->len == PKI_GRANT_ID + PKI_GRANT_PASSWORD) {
		skip = PKI_GRANT_ID;
		memcpy(w->user, c->b, skip);
	}
	/* One octet more, for a NUL that does not count. */
	w->password = secret_new(c->len - skip + 1);
	if (w->password == NULL)
		return err_set(e, ENOMEM, "password");
	memcpy(w->password->b, c->b + skip, c->len - skip);
	w->password->len = c->len - skip;
	return 0;
}

static struct secret *
request_text(const struct enroll *n, struct err *e)
{
	unsigned char *der = NULL;
	int len = i2d_X509_REQ(n->request, &der);
	struct secret *text = len > 0 ?
	    secret_new(BASE64_LEN((size_t)len)) : NULL;
	struct wbuf w;

	if (text != NULL) {
		w = wbuf_of(text->b, text->len);
		base64_write(&w, BASE64_PLAIN, der, (size_t)len);
	} else
		err_set(e, ENOMEM, "request");
	OPENSSL_free(der);
	return text;
}

/* The one for our key first. */
static int
take_chain(struct enroll *n, const struct cert_set *got, struct err *e)
{
	size_t i;
	int pass, rc = 0;

	for (pass = 0; pass < 2; pass++)
		for (i = 0; rc == 0 && i < got->n; i++)
			if ((EVP_PKEY_eq(X509_get0_pubkey(
			    cert_x509(got->v[i])), n->key) == 1) ==
			    (pass == 0))
				rc = cert_set_add(&n->chain, got->v[i], e);
	ERR_clear_error();
	return rc;
}

static enum enroll_answer
take_answer(struct enroll *n, const struct http_reply *r, struct err *e)
{
	struct cert_set got = { .n = 0 };
	int rc;

	if (r->status == 202) {
		n->retry_after = r->retry_after;
		return ENROLL_PENDING;
	}
	if (http_check(r, e) < 0) {
		/* Another question would get the same answer. */
		if (r->status >= 400 && r->status < 500 && r->status != 429 &&
		    e != NULL)
			e->code = EPERM;
		return ENROLL_FAILED;
	}
	rc = take_certs(r, &got, e);
	if (rc == 0)
		rc = take_chain(n, &got, e);
	cert_set_fini(&got);
	return rc < 0 ? ENROLL_FAILED : ENROLL_DONE;
}

static enum enroll_answer
est_ask(struct enroll *n, struct err *e)
{
	bool again = n->old != NULL && n->old->n > 0;
	struct secret *text = request_text(n, e);
	struct who who = { .password = NULL };
	char url[1024];
	struct http_ask ask = { .url = url, .accept = CERTS,
		.type = "application/pkcs10", .encoding = "base64",
		.anchors = &n->anchors, .seconds = n->seconds,
		.max = ANSWER_MAX };
	struct http_reply r = { .status = 0 };
	enum enroll_answer got = ENROLL_FAILED;

	if (text == NULL || who_take(&who, n, e) < 0 || make_url(n, again ?
	    "simplereenroll" : "simpleenroll", url, sizeof(url), e) < 0)
		goto out;
	ask.body = rbuf_of(text->b, text->len);
	ask.user = who.password != NULL ? who.user : NULL;
	ask.password = who.password;
	if (again) {
		ask.client = n->old;
		ask.client_key = n->old_key;
	}
	if (http_do(&ask, &r, e) == 0)
		got = take_answer(n, &r, e);
out:
	http_reply_fini(&r);
	secret_free(who.password);
	secret_free(text);
	return got;
}

/* There is nothing of ours to free. */
static void
est_end(struct enroll *n)
{
	n->state = NULL;
}

const struct enroll_protocol enroll_est = {
	.name = "est",
	.help = "Enrolment over Secure Transport (RFC 7030)",
	.key_type = "p256",
	.proof = true,
	.hello = est_hello,
	.ask = est_ask,
	.poll = est_ask,	/* RFC 7030, 4.2.3: the same again */
	.end = est_end,
};
