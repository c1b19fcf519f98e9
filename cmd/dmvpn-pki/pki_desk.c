#include "pki_desk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/addr.h"
#include "base/base64.h"
#include "base/text.h"
#include "crypto/ident.h"
#include "pki_key.h"
#include "pki_make.h"
#include "pki_ocsp.h"
#include "pki_web.h"

#define LINE_OCTETS	48u	/* of base64: 64 letters */
#define TLS_DAYS	30
#define TLS_NAME	"dmvpn-pki serve"

void
desk_reply_fini(struct desk_reply *r)
{
	secret_free(r->body);
	r->body = NULL;
}

void
desk_say(struct desk_reply *r, const char *type, const void *octets,
    size_t len)
{
	r->head.status = 200;
	snprintf(r->head.type, sizeof(r->head.type), "%s", type);
	r->body = secret_copy(octets, len);
	if (r->body == NULL) {
		err_set(&r->why, ENOMEM, "out of memory");
		r->head.status = 503;
	}
}

/* In lines, as old clients want it (RFC 2045, 6.8). */
void
desk_say_base64(struct desk_reply *r, const char *type, const void *octets,
    size_t len)
{
	size_t room = BASE64_LEN(len) + len / LINE_OCTETS + 1;
	struct secret *text = secret_new(room);
	struct rbuf in = rbuf_of(octets, len);
	struct wbuf w;

	if (text == NULL) {
		err_set(&r->why, ENOMEM, "out of memory");
		desk_refuse(r, 503, &r->why);
		return;
	}
	w = wbuf_of(text->b, room);
	while (rbuf_left(&in) > 0) {
		size_t n = rbuf_left(&in) < LINE_OCTETS ? rbuf_left(&in) :
		    LINE_OCTETS;

		base64_write(&w, BASE64_PLAIN, rbuf_take(&in, n), n);
		wbuf_u8(&w, '\n');
	}
	desk_say(r, type, w.buf, w.len);
	r->head.base64 = true;
	secret_free(text);
}

/* What is wrong with us is for the log, not for strangers. */
void
desk_refuse(struct desk_reply *r, unsigned status, const struct err *e)
{
	char line[ERR_MAX + 2];
	int n = snprintf(line, sizeof(line), "%s\n", status < 500 ? e->msg :
	    "not now: try again later");

	desk_say(r, "text/plain", line, (size_t)n);
	r->head.status = (uint16_t)status;
	r->head.authenticate = status == 401;
	if (status == 503)
		r->head.retry_after = 10;
}

void
desk_answer(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	size_t n = 0;

	memset(r, 0, sizeof(*r));
	while (web_routes[n].path != NULL)
		n++;
	if (d->refresh != NULL && d->refresh(d->arg, &r->why) < 0) {
		desk_refuse(r, 503, &r->why);
		return;
	}
	if (a->route == PKI_DESK_TLS)
		desk_tls(d, a, body, now, r);
	else if (a->route < n)
		web_routes[a->route].handle(d, a, body, now, r);
	else {
		err_set(&r->why, ENOENT, "there is nothing here");
		desk_refuse(r, 404, &r->why);
	}
}

void
desk_index(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	const struct web_route *w;
	char room[4096];
	struct wbuf text = wbuf_of(room, sizeof(room));

	(void)d;
	(void)a;
	(void)body;
	(void)now;
	for (w = web_routes; w->path != NULL; w++) {
		char line[128];
		int n = snprintf(line, sizeof(line), "%-34s%s\n", w->path,
		    w->help == NULL ? "" : w->help);

		wbuf_put(&text, line, (size_t)n);
	}
	desk_say(r, "text/plain", text.buf, text.len);
}

/* ------------------------------------------------------------ certificates */

static void
say_bio(struct desk_reply *r, BIO *b, const char *type, int ok)
{
	char *p;
	long len = ok ? BIO_get_mem_data(b, &p) : 0;

	if (len > 0)
		desk_say(r, type, p, (size_t)len);
	else {
		err_set(&r->why, ENOMEM, "certificates");
		desk_refuse(r, 503, &r->why);
	}
	BIO_free(b);
	ERR_clear_error();
}

static int
put_pem(BIO *b, const struct cert_set *s)
{
	size_t i;
	int ok = b != NULL;

	for (i = 0; ok && i < s->n; i++)
		ok = PEM_write_bio_X509(b, (X509 *)(uintptr_t)
		    cert_x509(s->v[i])) == 1;
	return ok;
}

/* Whom to trust: more than one while a key rolls over. */
void
desk_ca_pem(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	struct cert_set anchors = { .n = 0 };
	BIO *b;

	(void)a;
	(void)body;
	(void)now;
	if (pki_store_trust(d->store, NULL, &anchors, &r->why) < 0)
		desk_refuse(r, 503, &r->why);
	else {
		b = BIO_new(BIO_s_mem());
		say_bio(r, b, "application/x-pem-file", put_pem(b, &anchors));
	}
	cert_set_fini(&anchors);
}

void
desk_ca_der(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	BIO *b = BIO_new(BIO_s_mem());

	(void)a;
	(void)body;
	(void)now;
	say_bio(r, b, "application/pkix-cert", b != NULL &&
	    i2d_X509_bio(b, d->cas[0].cert) == 1);
}

/* -------------------------------------------------------------------- OCSP */

void
desk_ocsp(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	const struct pki_ocsp o = { .cas = d->cas, .n_cas = d->n_cas,
		.now = now,
		.valid = PKI_OCSP_VALID, .look = pki_ocsp_look_store,
		.arg = d->store };
	struct pki_ocsp_said said;
	uint8_t octets[OCSP_MAX];
	struct wbuf w = wbuf_of(octets, sizeof(octets));

	(void)a;
	if (pki_ocsp_answer(&o, body, &w, &said, &r->why) < 0) {
		desk_refuse(r, 503, &r->why);
		return;
	}
	desk_say(r, "application/ocsp-response", w.buf, w.len);
	if (said.cacheable) {
		r->head.made = (uint64_t)said.made;
		r->head.next = (uint64_t)said.next;
	}
}

/* --------------------------------------------------------------------- TLS */

/* No peer's: its key is with the half that speaks to the network.  It is not
 * among those that certificates are asked for by, so nobody renews it. */
static const struct pki_profile tls_profile = {
	.name = "serve",
	.key_type = "p256",
	.key_usage = "critical,digitalSignature",
	.extended = "serverAuth",
};

static int
take_hosts(struct pki_want *want, char *hosts, struct err *e)
{
	char *rest = hosts, *word;
	struct addr addr;

	while ((word = strsep(&rest, " ")) != NULL)
		if (word[0] != '\0' && pki_want_san(want, addr_parse(word,
		    &addr, NULL) == 0 ? GEN_IPADD : GEN_DNS, word, e) < 0)
			return -1;
	return 0;
}

/* Not beyond the CA's own end. */
static int
take_days(struct pki_want *want, X509 *ca, int64_t now, struct err *e)
{
	struct cert *c = cert_of_x509(ca, e);

	if (c == NULL || pki_want_days(want, now, TLS_DAYS, e) < 0) {
		cert_free(c);
		return -1;
	}
	if (want->to > cert_not_after(c))
		want->to = cert_not_after(c);
	cert_free(c);
	return want->to > now ? 0 : err_set(e, EPERM, "the CA's certificate "
	    "has expired");
}

/* *end: when it ends. */
static X509 *
tls_issue(struct desk *d, EVP_PKEY *key, int64_t now, int64_t *end,
    struct err *e)
{
	struct pki_want want = { .name = "serve", .profile = &tls_profile };
	const struct pki_audit_row row = { .at = now,
		.what = PKI_AUDIT_ISSUED, .protocol = "serve", .from = "",
		.who = TLS_NAME, .name = want.name, .serial = "",
		.why = "" };
	struct pki_audit_row noted = row;
	char hosts[256], serial[48];
	X509 *x = NULL;

	snprintf(hosts, sizeof(hosts), "%s", d->names);
	if (take_hosts(&want, hosts, e) < 0 ||
	    take_days(&want, d->cas[0].cert, now, e) < 0 ||
	    pki_store_begin(d->store, e) < 0)
		return NULL;
	x = pki_make_cert(d->store, &d->cas[0], &want, key, serial, e);
	noted.serial = serial;
	if (x != NULL && (pki_audit_add(d->store, &noted, e) < 0 ||
	    pki_store_commit(d->store, e) < 0)) {
		X509_free(x);
		x = NULL;
	}
	pki_store_rollback(d->store);
	*end = want.to;
	return x;
}

/* Key, certificate, those above it. */
static struct secret *
tls_pem(struct desk *d, int64_t now, int64_t *end, struct err *e)
{
	EVP_PKEY *key = pki_key_make("p256", e);
	struct secret *pem = key == NULL ? NULL : pki_key_pem(key, NULL, e);
	X509 *x = pem == NULL ? NULL : tls_issue(d, key, now, end, e);
	struct cert_set above = { .n = 0 };
	struct secret *out = NULL;
	BIO *b = BIO_new(BIO_s_secmem());
	char *p;

	if (x != NULL && pki_store_trust(d->store, &above, &above, e) == 0) {
		if (b != NULL && BIO_write(b, pem->b, (int)pem->len) > 0 &&
		    PEM_write_bio_X509(b, x) == 1 && put_pem(b, &above)) {
			long len = BIO_get_mem_data(b, &p);

			out = secret_copy(p, (size_t)len);
		}
		if (out == NULL)
			err_set(e, ENOMEM, "certificate for TLS");
	}
	BIO_free(b);
	cert_set_fini(&above);
	X509_free(x);
	secret_free(pem);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return out;
}

void
desk_tls(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	int64_t end = now;

	(void)a;
	(void)body;
	if (d->tls == NULL || now >= d->tls_until || now < d->tls_made) {
		secret_free(d->tls);
		d->tls = tls_pem(d, now, &end, &r->why);
		d->tls_made = now;
		d->tls_until = now + (end - now) * 2 / 3;
	}
	if (d->tls == NULL) {
		desk_refuse(r, 503, &r->why);
		return;
	}
	desk_say(r, "application/x-pem-file", d->tls->b, d->tls->len);
	r->head.next = (uint64_t)d->tls_until;
}
