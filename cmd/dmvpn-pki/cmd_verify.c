#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/date.h"
#include "cmd_ca.h"
#include "cmd_crl.h"
#include "cmd_fetch.h"
#include "crypto/ocsp.h"
#include "crypto/verdict.h"
#include "msg/msg.h"
#include "pki_file.h"
#include "sys/loop.h"

#define OCSP_SECONDS	30
#define FILES_MAX	10000

struct verify_opts {
	const char	*store, *id, *at, *ocsp;
	struct opt_list	 trust, chain, crls, peers, may;
	bool		 need_crl, any_usage, allow_weak, need_blocks, json;
};

/* What the question borrows from. */
struct verify_what {
	struct cert_set	 given;		/* leaf first */
	struct cert_set	 anchors;
	struct crl_set	 crls;
	struct ident	 id;
	int64_t		 at;
	struct wbuf	 ocsp;		/* a response; or empty */
	/* Without --trust: what the store says of it. */
	enum { STORE_ASKED_NOT, STORE_KNOWS_NOT, STORE_GOOD, STORE_HELD,
	    STORE_REVOKED } store;
};

struct looking {
	struct verify_what	*w;
	const char		*serial;
};

/* A name may look like a serial number. */
static int
on_row(void *arg, const struct pki_row *row)
{
	struct looking *l = arg;

	if (strcmp(row->serial, l->serial) != 0)
		return 0;
	l->w->store = row->revoked == 0 ? STORE_GOOD :
	    strcmp(row->why, PKI_HOLD) == 0 ? STORE_HELD : STORE_REVOKED;
	return 1;
}

struct ours {
	struct verify_what	*w;
	struct err		*e;
};

static int
on_key(void *arg, const struct pki_authority *a)
{
	struct ours *o = arg;

	return a->state == PKI_CA_ACTIVE || a->state == PKI_CA_OLD ?
	    cert_set_add_der(&o->w->anchors, a->cert, o->e) : 0;
}

/* Without --trust the store's own CA, and what it has revoked. */
static int
ask_store(struct verify_what *w, const char *store, struct err *e)
{
	struct pki_store *db = pki_store_open(cmd_store_path(store),
	    PKI_STORE_OPEN, e);
	struct ours o = { w, e };
	struct pki_store_ca ca;
	char serial[48];
	struct looking l = { w, cert_serial(w->given.v[0], serial,
	    sizeof(serial)) };
	int rc = -1;

	w->store = STORE_KNOWS_NOT;
	if (db != NULL && pki_store_ca(db, &ca, e) == 0 &&
	    pki_store_authorities(db, on_key, &o, e) == 0)
		rc = pki_store_each(db, serial, on_row, &l, e);
	pki_store_close(db);
	return rc < 0 ? err_in(e, "no --trust") : 0;
}

static int
collect(struct verify_what *w, const struct verify_opts *o, const char *path,
    struct err *e)
{
	size_t i;

	if (cmd_certs_read(&w->given, path, e) < 0)
		return -1;
	for (i = 0; i < o->chain.n; i++)
		if (cmd_certs_read(&w->given, o->chain.v[i], e) < 0)
			return -1;
	for (i = 0; i < o->trust.n; i++)
		if (cmd_certs_read(&w->anchors, o->trust.v[i], e) < 0)
			return -1;
	for (i = 0; i < o->crls.n; i++)
		if (cmd_crls_read(&w->crls, o->crls.v[i], e) < 0)
			return -1;
	if (o->id != NULL && ident_parse(o->id, &w->id, e) < 0)
		return err_in(e, "--for");
	if (cmd_time_parse(o->at, &w->at, e) < 0)
		return err_in(e, "--at");
	/* OpenSSL's walk takes a time_t. */
	if (date_time(w->at) != w->at)
		return err_set(e, ERANGE, "--at: \"%s\" is outside what "
		    "this machine's clock can show", o->at);
	return o->trust.n > 0 ? 0 : ask_store(w, o->store, e);
}

static void
apply_store(const struct verify_what *w, struct verdict *v)
{
	static const char *const texts[] = {
		[STORE_KNOWS_NOT] = "the store does not know it: it was issued "
		    "elsewhere, or after the backup that was put back",
		[STORE_GOOD] = "not revoked in the store",
		[STORE_HELD] = "the store says it is held",
		[STORE_REVOKED] = "the store says it is revoked",
	};
	bool no = w->store >= STORE_HELD;

	if (w->store == STORE_ASKED_NOT || w->crls.n > 0 || w->ocsp.len > 0 ||
	    v->checks[VERDICT_CHAIN].result != VERDICT_PASS)
		return;
	v->checks[VERDICT_REVOCATION].result = no ? VERDICT_FAIL :
	    VERDICT_PASS;
	v->checks[VERDICT_REVOCATION].code = no ? VERDICT_REVOKED :
	    VERDICT_OK;
	snprintf(v->checks[VERDICT_REVOCATION].text,
	    sizeof(v->checks[VERDICT_REVOCATION].text), "%s",
	    texts[w->store]);
	if (!no || v->code != VERDICT_OK)
		return;
	v->code = VERDICT_REVOKED;
	memset(&v->blocks, 0, sizeof(v->blocks));
	snprintf(v->fix, sizeof(v->fix), "%s", w->store == STORE_HELD ?
	    "dmvpn-pki release if the peer may come back" : "issue a new "
	    "certificate if the peer may come back");
}

/* Without blocks it may have what nobody else has: that passes. */
static int
apply_may(const struct opt_list *may, struct verdict *v, struct err *e)
{
	struct prefix p;
	size_t i;

	for (i = 0; i < may->n; i++) {
		if (prefix_parse(may->v[i], &p, e) < 0)
			return err_in(e, "--may");
		if (!v->blocks.present || blocks_covers(&v->blocks, &p) ||
		    v->code != VERDICT_OK)
			continue;
		v->code = v->checks[VERDICT_BLOCKS].code = VERDICT_NOT_ITS_OWN;
		v->checks[VERDICT_BLOCKS].result = VERDICT_FAIL;
		snprintf(v->checks[VERDICT_BLOCKS].text,
		    sizeof(v->checks[VERDICT_BLOCKS].text),
		    "%s is not in its address blocks", may->v[i]);
		blocks_text(&v->blocks, v->offered, sizeof(v->offered));
		snprintf(v->wanted, sizeof(v->wanted), "%s", may->v[i]);
		snprintf(v->fix, sizeof(v->fix), "issue it with --subnet or "
		    "--tunnel-address %s", may->v[i]);
	}
	return 0;
}

/* The record that both renderers show. */
static void
fill(const struct verify_what *w, const struct verdict *v,
    struct pki_verdict *m)
{
	struct name_buf nb;
	size_t i;

	memset(m, 0, sizeof(*m));
	cert_subject(w->given.v[0], m->subject, sizeof(m->subject));
	m->ok = v->code == VERDICT_OK;
	for (i = 0; i < VERDICT_N; i++) {
		struct pki_check *c = &m->checks[m->n_checks++];

		snprintf(c->check, sizeof(c->check), "%s",
		    name_text(verdict_check_names, (uint32_t)i, &nb));
		snprintf(c->result, sizeof(c->result), "%s",
		    name_text(verdict_result_names, v->checks[i].result, &nb));
		if (v->checks[i].result == VERDICT_FAIL)
			snprintf(c->code, sizeof(c->code), "%s",
			    name_text(verdict_code_names, v->checks[i].code,
			    &nb));
		snprintf(c->text, sizeof(c->text), "%s", v->checks[i].text);
	}
	for (i = 0; i < v->blocks.n; i++)
		m->blocks[m->n_blocks++] = v->blocks.v[i];
	if (!m->ok)
		verdict_reason(v, "verify", &m->reason);
}

static void
print(const struct pki_verdict *m)
{
	size_t i;

	printf("%s %s\n", m->ok ? "good" : "BAD ", m->subject);
	for (i = 0; i < m->n_checks; i++)
		printf("  %-8s %-11s %s\n", strcmp(m->checks[i].result,
		    "fail") == 0 ? "FAIL" : m->checks[i].result,
		    m->checks[i].check, m->checks[i].text);
	if (m->reason.offered[0] != '\0')
		printf("  offered: %s\n", m->reason.offered);
	if (m->reason.wanted[0] != '\0')
		printf("  wanted:  %s\n", m->reason.wanted);
	if (m->reason.fix[0] != '\0')
		printf("  fix:     %s\n", m->reason.fix);
}

/* A file that holds a response, else whom to ask.  What the certificate itself
 * names is believed only when an anchor signed it. */
static int
ask_ocsp(struct verify_what *w, const char *where, struct err *e)
{
	bool named = strcmp(where, "auto") == 0;
	struct ocsp_job j = { .leaf = w->given.v[0], .url = where,
		.seconds = OCSP_SECONDS, .now = w->at };
	struct ocsp_word word;
	struct secret *der;
	char url[1024];

	if (!named && strstr(where, "://") == NULL) {
		if ((der = pki_file_read(where, false, OCSP_MAX, e)) == NULL)
			return -1;
		wbuf_put(&w->ocsp, der->b, der->len);
		secret_free(der);
		return 0;
	}
	j.issuer = cmd_issuer_of(j.leaf, &w->anchors, named ? NULL :
	    &w->given);
	if (j.issuer == NULL)
		return err_set(e, ENOENT, "its issuer is not known");
	if (cmd_ocsp_url(j.leaf, where, url, sizeof(url), e) < 0)
		return -1;
	j.url = url;
	return cmd_ocsp_ask(&j, &w->ocsp, &word, e);
}

static int
judge(const struct verify_what *w, const struct verify_opts *o,
    struct err *e)
{
	const char *patterns[OPT_LIST_MAX + 1] = { NULL };
	struct verdict_ask ask = {
		.leaf = w->given.v[0], .others = &w->given,
		.anchors = &w->anchors, .crls = &w->crls,
		.need_crl = o->need_crl, .at = w->at,
		.id = o->id == NULL ? NULL : &w->id, .patterns = patterns,
		.allow_weak = o->allow_weak, .any_usage = o->any_usage,
		.need_blocks = o->need_blocks, .ocsp = wbuf_rbuf(&w->ocsp),
		.need_ocsp = o->ocsp != NULL,
	};
	struct pki_verdict m;
	struct verdict v;
	int rc = 0;

	memcpy(patterns, o->peers.v, o->peers.n * sizeof(patterns[0]));
	verdict_make(&ask, &v);
	apply_store(w, &v);
	rc = apply_may(&o->may, &v, e);
	fill(w, &v, &m);
	verdict_fini(&v);
	if (rc < 0)
		return EXIT_USAGE;
	if (o->json)
		rc = out_json(stdout, &pki_verdict_type, &m, e);
	else
		print(&m);
	return rc < 0 ? EXIT_SYSTEM : m.ok ? EXIT_OK : EXIT_NO;
}

static int
verify(const struct verify_opts *o, const char *path)
{
	uint8_t room[OCSP_MAX];
	struct verify_what w = { .ocsp = wbuf_of(room, sizeof(room)) };
	struct err e = { 0 };
	int status;

	if (collect(&w, o, path, &e) < 0)
		status = command_fail(cmd_input_status(&e), &e);
	else if (o->ocsp != NULL && ask_ocsp(&w, o->ocsp, &e) < 0)
		status = command_fail(e.code == EPERM || e.code == EPROTO ?
		    EXIT_NO : EXIT_SYSTEM, &e);
	else if ((status = judge(&w, o, &e)) > EXIT_NO)
		status = command_fail(status, &e);
	cert_set_fini(&w.given);
	cert_set_fini(&w.anchors);
	crl_set_fini(&w.crls);
	return status;
}

int
cmd_verify(int argc, char **argv)
{
	struct verify_opts o = { .at = "now" };
	const struct opt opts[] = {
		{ 't', "trust", "FILE", "CA certificates; else the store's CA",
		    OPT_LIST, &o.trust, 0, 0 },
		CMD_STORE_OPT(&o.store),
		{ 'c', "chain", "FILE", "intermediate certificates", OPT_LIST,
		    &o.chain, 0, 0 },
		{ 0, "crl", "FILE", "revocation lists", OPT_LIST, &o.crls,
		    0, 0 },
		{ 0, "need-crl", NULL, "each CA must have a current one",
		    OPT_FLAG, &o.need_crl, 0, 0 },
		{ 0, "ocsp", "URL|auto|FILE", "this responder, the one that it "
		    "names, or this response must say good", OPT_TEXT, &o.ocsp,
		    0, 0 },
		{ 0, "for", "ID", "the identity it must have", OPT_TEXT,
		    &o.id, 0, 0 },
		{ 0, "peer", "PATTERN", "which identities policy admits",
		    OPT_LIST, &o.peers, 0, 0 },
		{ 0, "at", "TIME", "as of then: 2026-11-23T12:00:00Z",
		    OPT_TEXT, &o.at, 0, 0 },
		{ 0, "any-usage", NULL, "any extended key usage", OPT_FLAG,
		    &o.any_usage, 0, 0 },
		{ 0, "allow-weak", NULL, "also SHA-1 and RSA 1024", OPT_FLAG,
		    &o.allow_weak, 0, 0 },
		{ 0, "need-blocks", NULL, "it must have address blocks",
		    OPT_FLAG, &o.need_blocks, 0, 0 },
		{ 'm', "may", "PREFIX", "its address blocks allow this",
		    OPT_LIST, &o.may, 0, 0 },
		CMD_JSON_OPT(&o.json), OPT_END,
	};
	int status, one, worst = EXIT_OK, i;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS] FILE...", 1, FILES_MAX,
	    &status) < 0)
		return status;
	if (o.peers.n > 0 && o.id == NULL)
		return command_usage("--peer needs --for");
	for (i = 0; i < argc; i++) {
		one = verify(&o, argv[i]);
		worst = one > worst ? one : worst;
	}
	return worst;
}
