#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "cmd_ca.h"
#include "cmd_fetch.h"
#include "crypto/http.h"
#include "crypto/ocsp.h"
#include "msg/msg.h"
#include "pki_file.h"
#include "pki_look.h"
#include "pki_ocsp.h"
#include "sys/loop.h"
#include "sys/priv.h"

struct ocsp_opts {
	const char	*url, *out, *answer, *signer, *store, *pass_file;
	struct opt_list	 trust;
	uint64_t	 seconds, valid;
	bool		 no_nonce, json;
};

const struct cert *
cmd_issuer_of(const struct cert *leaf, const struct cert_set *a,
    const struct cert_set *b)
{
	const struct cert_set *sets[] = { a, b };
	X509 *x = (X509 *)(uintptr_t)cert_x509(leaf);
	size_t i, k;

	for (i = 0; i < 2; i++)
		for (k = 0; sets[i] != NULL && k < sets[i]->n; k++) {
			X509 *ca = (X509 *)(uintptr_t)cert_x509(sets[i]->v[k]);

			if (X509_check_issued(ca, x) == X509_V_OK &&
			    X509_verify(x, X509_get0_pubkey(ca)) == 1)
				return sets[i]->v[k];
		}
	return NULL;
}

/* ------------------------------------------------------------------ to ask */

int
cmd_ocsp_url(const struct cert *leaf, const char *url, char *out, size_t len,
    struct err *e)
{
	STACK_OF(OPENSSL_STRING) *named;
	int n;

	if (url != NULL && strcmp(url, "auto") != 0) {
		n = snprintf(out, len, "%s", url);
		return n > 0 && (size_t)n < len ? 0 : err_set(e, EINVAL,
		    "the URL is too long");
	}
	named = X509_get1_ocsp((X509 *)(uintptr_t)cert_x509(leaf));
	n = named == NULL || sk_OPENSSL_STRING_num(named) < 1 ? 0 :
	    snprintf(out, len, "%s", sk_OPENSSL_STRING_value(named, 0));
	X509_email_free(named);
	return n > 0 && (size_t)n < len ? 0 : err_set(e, ENOENT, "the "
	    "certificate names no OCSP responder: --url");
}

/* One question and its answer. */
static int
exchange(const struct ocsp_job *j, struct rbuf nonce, struct wbuf *reply,
    struct ocsp_word *out, struct err *e)
{
	uint8_t octets[OCSP_REQUEST_MAX];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	struct http_ask ask = { .url = j->url, .max = OCSP_MAX,
		.seconds = (unsigned)j->seconds,
		.type = "application/ocsp-request",
		.accept = "application/ocsp-response" };
	struct ocsp_ask q = { .leaf = j->leaf, .issuer = j->issuer,
		.at = j->now, .nonce = nonce };
	struct http_reply r = { .body = NULL };
	int rc = ocsp_request(j->leaf, j->issuer, nonce, &w, e);

	ask.body = wbuf_rbuf(&w);
	if (rc == 0 && (rc = http_do(&ask, &r, e)) == 0)
		rc = http_check(&r, e);
	if (rc == 0)
		rc = ocsp_read(rbuf_of(r.body, r.len), &q, out, e);
	if (rc == 0) {
		wbuf_put(reply, r.body, r.len);
		rc = wbuf_ok(reply) ? 0 : err_set(e, EFBIG, "too long");
	}
	http_reply_fini(&r);
	return rc;
}

int
cmd_ocsp_ask(const struct ocsp_job *j, struct wbuf *reply,
    struct ocsp_word *out, struct err *e)
{
	uint8_t nonce[OCSP_NONCE_MAX];

	if (j->no_nonce)
		return exchange(j, rbuf_of(NULL, 0), reply, out, e);
	if (random_bytes(nonce, sizeof(nonce), e) < 0)
		return -1;
	return exchange(j, rbuf_of(nonce, sizeof(nonce)), reply, out, e);
}

static void
fill(const struct cert *leaf, const char *url, const struct ocsp_word *w,
    struct pki_status *m)
{
	struct name_buf nb;

	memset(m, 0, sizeof(*m));
	cert_subject(leaf, m->subject, sizeof(m->subject));
	cert_serial(leaf, m->serial, sizeof(m->serial));
	snprintf(m->state, sizeof(m->state), "%s",
	    name_text(ocsp_state_names, w->state, &nb));
	snprintf(m->responder, sizeof(m->responder), "%s", url);
	pki_look_time(w->made, m->this_update);
	if (w->next != INT64_MAX)
		pki_look_time(w->next, m->next_update);
	if (w->state == OCSP_REVOKED)
		pki_look_time(w->revoked, m->revoked_at);
	if (w->reason >= 0)
		snprintf(m->revoked_why, sizeof(m->revoked_why), "%s",
		    name_text(ocsp_reason_names, (uint32_t)w->reason, &nb));
	m->delegated = w->delegated;
}

static int
show(const struct pki_status *m, bool json, struct err *e)
{
	if (json)
		return out_json(stdout, &pki_status_type, m, e);
	printf("%-8s %s\n", m->state, m->subject);
	printf("  serial      %s\n", m->serial);
	if (m->revoked_at[0] != '\0')
		printf("  revoked     %s%s%s\n", m->revoked_at,
		    m->revoked_why[0] != '\0' ? ", " : "", m->revoked_why);
	printf("  as of       %s\n", m->this_update);
	if (m->next_update[0] != '\0')
		printf("  until       %s\n", m->next_update);
	printf("  says        %s%s\n", m->responder, m->delegated ?
	    ", a responder that the CA certified" : "");
	return 0;
}

/* ------------------------------------------------------------------- files */

/* Without --trust: the CA of the store. */
static int
read_trust(const struct ocsp_opts *o, struct cert_set *trust, struct err *e)
{
	struct cmd_ca c = { .store = NULL };
	struct cert *ca;
	size_t i;
	int rc = -1;

	for (i = 0; i < o->trust.n; i++)
		if (cmd_certs_read(trust, o->trust.v[i], e) < 0)
			return -1;
	if (o->trust.n > 0)
		return 0;
	if (cmd_ca_open(&c, o->store, e) == 0 &&
	    (ca = cert_of_x509(c.ca.cert, e)) != NULL) {
		rc = cert_set_add(trust, ca, e);
		cert_free(ca);
	}
	cmd_ca_close(&c);
	return rc < 0 ? err_in(e, "no --trust") : 0;
}

static int
ask_about(const char *path, const struct ocsp_opts *o)
{
	struct cert_set given = { .n = 0 }, trust = { .n = 0 };
	uint8_t octets[OCSP_MAX];
	struct wbuf reply = wbuf_of(octets, sizeof(octets));
	struct ocsp_word word = { .state = OCSP_UNKNOWN };
	struct ocsp_job j = { .seconds = o->seconds, .no_nonce = o->no_nonce,
		.now = clock_wall() };
	struct pki_status m;
	struct err e = { 0 };
	char url[1024];
	int status = EXIT_USAGE;

	if (cmd_certs_read(&given, path, &e) < 0 ||
	    read_trust(o, &trust, &e) < 0) {
		status = cmd_input_status(&e);
		goto out;
	}
	j.leaf = given.v[0];
	j.issuer = cmd_issuer_of(j.leaf, &trust, NULL);
	if (j.issuer == NULL) {
		err_set(&e, ENOENT, "%s: not issued by a CA of --trust", path);
		goto out;
	}
	if (cmd_ocsp_url(j.leaf, o->url, url, sizeof(url), &e) < 0)
		goto out;
	j.url = url;
	if (cmd_ocsp_ask(&j, &reply, &word, &e) < 0) {
		status = e.code == EPERM || e.code == EPROTO ? EXIT_NO :
		    EXIT_SYSTEM;
		goto out;
	}
	fill(j.leaf, url, &word, &m);
	status = word.state == OCSP_GOOD ? EXIT_OK : EXIT_NO;
	if ((o->out != NULL && pki_file_write(o->out, 0644, true, octets,
	    reply.len, &e) < 0) || ((o->out == NULL || strcmp(o->out, "-") !=
	    0) && show(&m, o->json, &e) < 0))
		status = EXIT_SYSTEM;
out:
	cert_set_fini(&given);
	cert_set_fini(&trust);
	return e.code != 0 ? command_fail(status, &e) : status;
}

/* --------------------------------------------------------------- to answer */

/* A delegated responder's key and certificate, as `issue -p ocsp` wrote. */
static int
read_signer(const struct ocsp_opts *o, struct pki_bundle *b,
    struct pki_ocsp *r, struct err *e)
{
	const char *path = o->signer;
	const unsigned char *p;

	if (cmd_bundle(b, path, o->pass_file, NULL, e) < 0)
		return -1;
	if (b->key == NULL || b->chain.n == 0)
		return err_set(e, EINVAL, "%s: a key and its certificate are "
		    "wanted", path);
	p = b->key->b;
	r->signer_key = d2i_AutoPrivateKey(NULL, &p, (long)b->key->len);
	r->signer = (X509 *)(uintptr_t)cert_x509(b->chain.v[0]);
	return r->signer_key != NULL ? 0 : err_set(e, EINVAL, "%s: its key can "
	    "not be used", path);
}

static int
answer(const struct ocsp_opts *o)
{
	struct err e = { 0 };
	struct secret *in = pki_file_read(o->answer, false, OCSP_MAX, &e);
	struct cmd_ca c = { .store = NULL };
	struct pki_bundle b = { .key = NULL };
	struct pki_ocsp r = { .n_cas = 1, .now = clock_wall(),
		.valid = (uint32_t)o->valid, .look = pki_ocsp_look_store };
	uint8_t octets[OCSP_MAX];
	struct wbuf reply = wbuf_of(octets, sizeof(octets));
	struct pki_ocsp_said said;
	int rc = -1;

	if (in == NULL)
		err_in(&e, "the request");
	else if (cmd_ca_open(&c, o->store, &e) == 0 && (o->signer != NULL ?
	    read_signer(o, &b, &r, &e) :
	    cmd_ca_unlock(&c, o->pass_file, &e)) == 0) {
		r.cas = &c.ca;
		r.arg = c.store;
		rc = pki_ocsp_answer(&r, rbuf_of(in->b, in->len), &reply,
		    &said, &e);
		if (rc == 0)
			rc = pki_file_write(o->out != NULL ? o->out : "-",
			    0644, true, octets, reply.len, &e);
	}
	EVP_PKEY_free(r.signer_key);
	pki_bundle_fini(&b);
	cmd_ca_close(&c);
	secret_free(in);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) :
	    said.status == 0 ? EXIT_OK : EXIT_NO;
}

int
cmd_ocsp(int argc, char **argv)
{
	struct ocsp_opts o = { .seconds = 30, .valid = PKI_OCSP_VALID };
	const struct opt opts[] = {
		{ 't', "trust", "FILE", "the CA's certificate; else that of "
		    "the store", OPT_LIST, &o.trust, 0, 0 },
		{ 'u', "url", "URL", "whom to ask; else whom the certificate "
		    "names", OPT_TEXT, &o.url, 0, 0 },
		{ 0, "no-nonce", NULL, "take an answer that was made before",
		    OPT_FLAG, &o.no_nonce, 0, 0 },
		{ 0, "timeout", "TIME", "30s", OPT_TIME, &o.seconds, 1, 3600 },
		{ 'a', "answer", "FILE", "be the responder: answer this "
		    "request, \"-\" is standard input", OPT_TEXT, &o.answer, 0,
		    0 },
		{ 0, "signer", "FILE", "and sign with this, of profile ocsp",
		    OPT_TEXT, &o.signer, 0, 0 },
		{ 0, "valid", "TIME", "and it is valid so long, 1h", OPT_TIME,
		    &o.valid, 60, 31536000 },
		CMD_STORE_OPT(&o.store), CMD_PASS_OPT(&o.pass_file),
		{ 'o', "out", "FILE", "where the response goes, in DER",
		    OPT_TEXT, &o.out, 0, 0 },
		CMD_JSON_OPT(&o.json), OPT_END,
	};
	int status;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS] FILE | --answer REQUEST",
	    0, 1, &status) < 0)
		return status;
	if (o.answer != NULL)
		return argc == 0 ? answer(&o) : command_usage("--answer goes "
		    "without a certificate");
	return argc == 1 ? ask_about(argv[0], &o) : command_usage("the file "
	    "of a certificate is wanted");
}
