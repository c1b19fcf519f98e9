/* One enrolment; the interface is in cmd_enroll.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/text.h"
#include "cmd_enroll.h"
#include "crypto/verdict.h"
#include "pki_file.h"
#include "pki_key.h"
#include "pki_look.h"
#include "sys/ask.h"
#include "sys/link.h"
#include "sys/loop.h"

#define KEY_FILE_MAX	65536
#define POLL_FIRST	2	/* seconds, doubled */
#define POLL_LAST	60
#define POLL_MOST	3600	/* whatever the server says */

/* --------------------------------------------------------------- to begin */

static int
take_names(struct pki_want *w, const struct enroll_opts *o, struct err *e)
{
	static const struct {
		size_t	list;
		int	type;
	} kinds[] = {
		{ offsetof(struct enroll_opts, dns), GEN_DNS },
		{ offsetof(struct enroll_opts, ips), GEN_IPADD },
		{ offsetof(struct enroll_opts, emails), GEN_EMAIL },
	};
	size_t i, j;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct opt_list *l = (const struct opt_list *)
		    ((const char *)o + kinds[i].list);

		for (j = 0; j < l->n; j++)
			if (pki_want_san(w, kinds[i].type, l->v[j], e) < 0)
				return -1;
	}
	/* A renewal keeps the names that there are. */
	if (w->n_sans > 0 || o->no_names || o->renew != NULL)
		return 0;
	return pki_want_san(w, GEN_DNS, o->name, e);
}

static int
take_ras(struct enroll *n, const struct opt_list *l, struct err *e)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (enroll_ra_parse(l->v[i], n, e) < 0)
			return err_in(e, "--ra");
	return 0;
}

static int
take_trust(struct attempt *a, struct err *e)
{
	const struct enroll_opts *o = a->o;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < o->trust.n; i++)
		rc = cmd_certs_read(&a->trust, o->trust.v[i], e);
	/* What is renewed knows its CA. */
	for (i = 0; rc == 0 && i < a->old.anchors.n; i++)
		rc = cert_set_add(&a->trust, a->old.anchors.v[i], e);
	if (a->trust.n > 0)
		a->n.trust = &a->trust;
	return rc;
}

static EVP_PKEY *
key_of_file(const struct attempt *a, const char *path, struct err *e)
{
	struct secret *text = pki_file_read(path, true, KEY_FILE_MAX, e);
	EVP_PKEY *k = NULL;

	if (text == NULL)
		return NULL;
	if ((k = pki_key_read((char *)text->b, text->len, a->pass, e)) == NULL)
		err_in(e, "%s", path);
	secret_free(text);
	return k;
}

static int
take_old(struct attempt *a, struct err *e)
{
	const struct enroll_opts *o = a->o;

	if (o->renew == NULL)
		return 0;
	if (pki_bundle_read(&a->old, o->renew, a->pass, e) < 0)
		return -1;
	if ((a->old_key = key_of_file(a, o->renew, e)) == NULL)
		return -1;
	if (a->old.chain.n == 0)
		return err_set(e, EINVAL, "%s: no certificate to renew",
		    o->renew);
	a->n.old = &a->old.chain;
	a->n.old_key = a->old_key;
	return 0;
}

/* The type of the old one, when it is renewed. */
static const char *
type_of(const struct attempt *a)
{
	static char text[16];
	const struct enroll_opts *o = a->o;
	struct name_buf nb;

	if (o->type != NULL || a->old_key == NULL)
		return o->type != NULL ? o->type : o->protocol->key_type;
	if (cert_pkey_kind(a->old_key) == CERT_KEY_RSA)
		snprintf(text, sizeof(text), "rsa%d",
		    EVP_PKEY_get_bits(a->old_key));
	else
		snprintf(text, sizeof(text), "%s", name_text(cert_key_names,
		    cert_pkey_kind(a->old_key), &nb));
	return pki_key_type_check(text, NULL) == 0 ? text :
	    o->protocol->key_type;
}

/* Given, left over from a time when the CA had not decided, or new. */
static int
take_key(struct attempt *a, struct err *e)
{
	const struct enroll_opts *o = a->o;

	if (o->key_file != NULL)
		a->n.key = key_of_file(a, o->key_file, e);
	else if (a->pending[0] != '\0' && access(a->pending, F_OK) == 0) {
		a->n.key = key_of_file(a, a->pending, e);
		a->saved = true;
	} else
		a->n.key = pki_key_make(type_of(a), e);
	return a->n.key != NULL ? 0 : -1;
}

static int
take_secrets(struct attempt *a, struct err *e)
{
	const struct enroll_opts *o = a->o;

	if (o->key_pass != NULL &&
	    (a->pass = cmd_passphrase(o->key_pass, e)) == NULL)
		return -1;
	if (o->challenge != NULL)
		a->challenge = cmd_passphrase(o->challenge, e);
	else if (o->ask)
		a->challenge = cmd_passphrase_ask("the server",
		    "--challenge-file", false, e);
	a->n.challenge = a->challenge;
	return a->challenge != NULL || (o->challenge == NULL && !o->ask) ?
	    0 : -1;
}

static const char *
out_of(const struct attempt *a, char *room, size_t len)
{
	const struct enroll_opts *o = a->o;

	if (o->out != NULL || o->renew != NULL)
		return o->out != NULL ? o->out : o->renew;
	snprintf(room, len, "%s.pem", o->name);
	return room;
}

static int
take_place(struct attempt *a, struct err *e)
{
	const struct enroll_opts *o = a->o;
	char room[80];
	const char *out = out_of(a, room, sizeof(room));

	if (strcmp(out, "-") == 0)
		return 0;
	if (!o->force && o->renew == NULL && access(out, F_OK) == 0)
		return err_set(e, EEXIST, "%s: already there; --renew it, or "
		    "--force", out);
	if (snprintf(a->pending, sizeof(a->pending), "%s.pending", out) >=
	    (int)sizeof(a->pending))
		return err_set(e, ENAMETOOLONG, "%s", out);
	return 0;
}

int
cmd_attempt_begin(struct attempt *a, const struct enroll_opts *o,
    struct err *e)
{
	struct enroll *n = &a->n;

	memset(a, 0, sizeof(*a));
	a->o = o;
	a->want.name = o->name;
	n->protocol = o->protocol;
	n->url = o->url;
	n->label = o->label;
	n->user = o->user;
	n->subject = o->subject;
	n->template = o->template;
	n->want = &a->want;
	n->legacy = o->legacy;
	n->accept = o->accept;
	n->seconds = (unsigned)o->seconds;
	n->now = clock_wall();
	if ((o->print != NULL && enroll_print_parse(o->print, n, e) < 0) ||
	    take_ras(n, &o->ras, e) < 0 || take_names(&a->want, o, e) < 0 ||
	    take_place(a, e) < 0 || take_secrets(a, e) < 0 || take_old(a, e) < 0 ||
	    take_trust(a, e) < 0)
		return -1;
	return take_key(a, e);
}

void
cmd_attempt_end(struct attempt *a)
{
	enroll_fini(&a->n);
	EVP_PKEY_free(a->n.key);
	EVP_PKEY_free(a->old_key);
	pki_bundle_fini(&a->old);
	cert_set_fini(&a->trust);
	secret_free(a->challenge);
	secret_free(a->pass);
	memset(a, 0, sizeof(*a));
}

/* ----------------------------------------------------------------- to ask */

/* The key is safe on the disk before anybody hears of it: whoever comes again
 * comes with the same one, and a server gives the same certificate. */
static int
save_key(struct attempt *a, struct err *e)
{
	struct secret *pem;
	int rc;

	if (a->pending[0] == '\0' || a->saved || a->o->key_file != NULL)
		return 0;
	if ((pem = pki_key_pem(a->n.key, a->pass, e)) == NULL)
		return -1;
	rc = pki_file_write(a->pending, 0600, false, pem->b, pem->len, e);
	a->saved = rc == 0;
	secret_free(pem);
	return rc;
}

static void
forget_key(struct attempt *a)
{
	if (a->saved)
		(void)unlink(a->pending);
	a->saved = false;
}

static void
progress(uint64_t waited, uint64_t next)
{
	char a[16], b[16];
	bool tty = isatty(STDERR_FILENO);

	if (!tty && waited > 0)
		return;
	fprintf(stderr, "%s%s: the CA has not decided%s%s, next question in "
	    "%s%s", tty ? "\r\033[K" : "", command_program(), waited > 0 ?
	    " for " : "", waited > 0 ? human_time(waited, a) : "",
	    human_time(next, b), tty ? "" : "\n");
}

static void
pause_for(uint64_t seconds)
{
	struct timespec t = { .tv_sec = (time_t)seconds };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* Seconds until the next question, number n. */
static uint64_t
interval(const struct enroll *n, unsigned tries)
{
	uint64_t s = POLL_FIRST;

	if (n->retry_after > 0)
		return n->retry_after < POLL_MOST ? n->retry_after : POLL_MOST;
	while (tries-- > 0 && s < POLL_LAST)
		s *= 2;
	return s < POLL_LAST ? s : POLL_LAST;
}

static int
wait_decision(struct attempt *a, struct err *e)
{
	uint64_t began = clock_ms(), limit = a->o->wait, waited = 0, next;
	enum enroll_answer got = ENROLL_PENDING;
	unsigned tries;

	for (tries = 0; got == ENROLL_PENDING && waited < limit; tries++) {
		next = interval(&a->n, tries);
		if (next > limit - waited)
			next = limit - waited;
		progress(waited, next);
		pause_for(next);
		a->n.now = clock_wall();
		a->n.retry_after = 0;
		got = enroll_poll(&a->n, e);
		waited = (clock_ms() - began) / 1000;
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	if (got == ENROLL_PENDING)
		return err_set(e, EAGAIN, "the CA has not decided; the same "
		    "command asks again%s%s", a->saved ? " with the key in " :
		    "", a->saved ? a->pending : "");
	return got == ENROLL_DONE ? 0 : -1;
}

static void
hold_signals(bool hold)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGINT);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &s, NULL);
}

static int
put_in_place(struct attempt *a, struct err *e)
{
	const struct enroll_opts *o = a->o;
	struct secret *pem = enroll_bundle(&a->n, a->pass, e);
	char room[80];
	int rc;

	if (pem == NULL)
		return -1;
	hold_signals(true);
	rc = pki_file_write(out_of(a, room, sizeof(room)), 0600, o->force ||
	    o->renew != NULL, pem->b, pem->len, e);
	if (rc == 0)
		forget_key(a);
	hold_signals(false);
	secret_free(pem);
	return rc;
}

/* The list as PEM; that it can not be had spoils nothing. */
static void
fetch_crl(struct attempt *a)
{
	const struct enroll_opts *o = a->o;
	struct err e = { 0 };
	struct secret *der;
	const unsigned char *p;
	X509_CRL *crl;
	BIO *b;
	char *text;
	long len;

	if (o->crl == NULL)
		return;
	if ((der = o->protocol->crl(&a->n, &e)) != NULL) {
		p = der->b;
		b = BIO_new(BIO_s_mem());
		crl = d2i_X509_CRL(NULL, &p, (long)der->len);
		if (b == NULL || crl == NULL ||
		    PEM_write_bio_X509_CRL(b, crl) != 1)
			err_set(&e, EBADMSG, "it is no list");
		else {
			len = BIO_get_mem_data(b, &text);
			(void)pki_file_write(o->crl, 0644, true, text,
			    (size_t)len, &e);
		}
		X509_CRL_free(crl);
		BIO_free(b);
	}
	secret_free(der);
	ERR_clear_error();
	if (e.code != 0)
		fprintf(stderr, "%s: revocation list: %s\n", command_program(),
		    e.msg);
}

int
cmd_attempt_run(struct attempt *a, struct err *e)
{
	int rc = -1;

	/* A refusal before the key is out leaves nothing behind. */
	if (enroll_hello(&a->n, e) < 0 || enroll_request(&a->n, e) < 0 ||
	    save_key(a, e) < 0)
		return -1;
	switch (enroll_ask(&a->n, e)) {
	case ENROLL_DONE:
		rc = 0;
		break;
	case ENROLL_PENDING:
		rc = wait_decision(a, e);
		break;
	case ENROLL_FAILED:
		break;
	}
	if (rc == 0) {
		if ((rc = put_in_place(a, e)) == 0)
			fetch_crl(a);
	} else if (e->code == EPERM || e->code == EINVAL)
		forget_key(a);
	return rc;
}

/* ---------------------------------------------------------------- to tell */

int
cmd_attempt_show(struct attempt *a, struct err *e)
{
	struct enroll *n = &a->n;
	char line[256], hex[65];
	uint8_t print[32];
	size_t i;
	int rc = enroll_hello(n, e);

	if (n->ca.n > 0 && n->state != NULL && n->protocol->describe != NULL)
		printf("%s\n", n->protocol->describe(n, line, sizeof(line)));
	for (i = 0; i < n->ca.n; i++) {
		cert_fingerprint(n->ca.v[i], print);
		printf("%s%s\n  SHA-256 %s\n", enroll_leads_up(n, n->ca.v[i]) ?
		    "trusted: " : "", cert_subject(n->ca.v[i], line,
		    sizeof(line)), text_hex(print, sizeof(print), hex,
		    sizeof(hex)));
	}
	return rc;
}

static int
bundle_of(const struct attempt *a, struct pki_bundle *b, struct err *e)
{
	size_t i;

	memset(b, 0, sizeof(*b));
	if ((b->key = pki_key_der(a->n.key, e)) == NULL)
		return -1;
	for (i = 0; i < a->n.chain.n; i++)
		if (cert_set_add(&b->chain, a->n.chain.v[i], e) < 0)
			return -1;
	for (i = 0; i < a->n.anchors.n; i++)
		if (cert_set_add(&b->anchors, a->n.anchors.v[i], e) < 0)
			return -1;
	return 0;
}

int
cmd_attempt_load(const struct attempt *a, struct err *e)
{
	const struct enroll_opts *o = a->o;
	struct pki_bundle b;
	struct pki_load m;
	struct reason why;
	struct conn *c = ask_open("pki.sock", e);
	char line[512];
	int rc;

	if (c == NULL)
		return 0;
	memset(&m, 0, sizeof(m));
	rc = bundle_of(a, &b, e) < 0 || pki_bundle_load(&b, o->identity !=
	    NULL ? o->identity : o->name, &m, e) < 0 ? -1 : 1;
	if (rc == 1 && conn_call(c, &pki_load_type, &m, NULL, NULL, &why,
	    e) < 0) {
		rc = -1;
		if (why.code[0] != '\0')
			err_set(e, EPERM, "%.300s", reason_text(&why, line,
			    sizeof(line)));
	}
	pki_bundle_fini(&b);
	conn_close(c);
	return rc;
}

static void
describe(const struct attempt *a, struct pki_enrolled *m)
{
	const struct cert *c = a->n.chain.v[0];
	const struct verdict *v = a->n.verdict;
	char room[80];
	uint8_t print[32];
	size_t i;

	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "%s", a->o->name);
	snprintf(m->protocol, sizeof(m->protocol), "%s",
	    a->o->protocol->name);
	snprintf(m->file, sizeof(m->file), "%.511s", out_of(a, room,
	    sizeof(room)));
	cert_subject(c, m->subject, sizeof(m->subject));
	cert_issuer(c, m->issuer, sizeof(m->issuer));
	cert_serial(c, m->serial, sizeof(m->serial));
	pki_look_time(cert_not_before(c), m->not_before);
	pki_look_time(cert_not_after(c), m->not_after);
	cert_fingerprint(c, print);
	text_hex(print, sizeof(print), m->fingerprint,
	    sizeof(m->fingerprint));
	cert_fingerprint(a->n.anchors.v[0], print);
	text_hex(print, sizeof(print), m->ca_fingerprint,
	    sizeof(m->ca_fingerprint));
	m->renewed = a->o->renew != NULL;
	for (i = 0; v != NULL && i < VERDICT_N && m->warning[0] == '\0'; i++)
		if (v->checks[i].result == VERDICT_FAIL)
			snprintf(m->warning, sizeof(m->warning), "%.255s",
			    v->checks[i].text);
}

int
cmd_attempt_tell(const struct attempt *a, int loaded, struct err *e)
{
	struct pki_enrolled m;

	describe(a, &m);
	m.loaded = loaded == 1;
	if (m.warning[0] != '\0')
		fprintf(stderr, "%s: dmvpn-ike would refuse it: %s\n",
		    command_program(), m.warning);
	/* Standard output has the certificate. */
	if (strcmp(m.file, "-") == 0)
		return 0;
	if (a->o->json)
		return out_json(stdout, &pki_enrolled_type, &m, e);
	printf("%s %s: %s by %s, valid until %s%s\n", m.file, m.renewed ?
	    "renewed" : "enrolled", m.subject, m.issuer, m.not_after,
	    m.loaded ? "; the agent has it" : "");
	return 0;
}
