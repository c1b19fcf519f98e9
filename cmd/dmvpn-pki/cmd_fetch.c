#include "cmd_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd_crl.h"
#include "crypto/http.h"
#include "msg/msg.h"
#include "pki_file.h"
#include "pki_look.h"
#include "sys/ask.h"
#include "sys/loop.h"

#define BODY_MAX	(2u * CRL_MAX)	/* of PEM */

/* ---------------------------------------------------------------- a place */

static int
take_file(struct pki_fetch *f, const struct cert_set *trust, struct err *e)
{
	struct secret *text = pki_file_read(f->place, false, BODY_MAX, e);
	int rc;

	if (text == NULL)
		return -1;
	rc = pki_fetch_take(f, rbuf_of(text->b, text->len), trust, e);
	secret_free(text);
	return rc;
}

/* What is asked for is only what has changed since the list came. */
static int
take_url(struct pki_fetch *f, const struct fetch_opts *o,
    const struct cert_set *trust, struct err *e)
{
	struct http_ask ask = { .url = f->place, .max = BODY_MAX,
		.seconds = (unsigned)o->seconds,
		.accept = "application/pkix-crl, */*;q=0.1",
		.etag = f->etag[0] != '\0' ? f->etag : NULL,
		.modified = f->settled && f->modified[0] != '\0' ?
		f->modified : NULL };
	struct http_reply r;
	int rc = http_do(&ask, &r, e);

	if (rc == 0 && r.status == 304 && f->crls.n > 0)
		rc = 0;
	else if (rc == 0 && http_check(&r, e) < 0)
		rc = -1;
	else if (rc == 0 && (rc = pki_fetch_take(f, rbuf_of(r.body, r.len),
	    trust, e)) >= 0) {
		memcpy(f->etag, r.etag, sizeof(f->etag));
		memcpy(f->modified, r.modified, sizeof(f->modified));
		f->settled = rc == 0;
	}
	http_reply_fini(&r);
	return rc;
}

int
cmd_fetch_ask(struct pki_fetch *f, const struct fetch_opts *o,
    const struct cert_set *trust, struct err *e)
{
	return f->is_url ? take_url(f, o, trust, e) : take_file(f, trust, e);
}

int
cmd_fetch_tell(struct conn *c, const struct pki_fetch *f, const char *only,
    struct reason *why, struct err *e)
{
	size_t i;

	for (i = 0; i < f->crls.n; i++) {
		why->code[0] = '\0';
		if (cmd_crl_send(c, f->crls.v[i], only, why, e) < 0 &&
		    strcmp(why->code, "older") != 0)
			return -1;
	}
	return 0;
}

/* ------------------------------------------------------------------ fetch */

static int
read_trust(const struct opt_list *files, struct cert_set *out, struct err *e)
{
	size_t i;

	for (i = 0; i < files->n; i++)
		if (cmd_certs_read(out, files->v[i], e) < 0)
			return -1;
	return 0;
}

static int
show(const struct pki_fetch *f, int got, const struct fetch_opts *o,
    struct err *e)
{
	struct pki_fetched m = { .lists = (uint8_t)f->crls.n };
	int64_t end = pki_fetch_end(f);

	snprintf(m.place, sizeof(m.place), "%s", f->place);
	snprintf(m.result, sizeof(m.result), got > 0 ? "new" : "same");
	pki_look_time(end, m.next_update);
	if (o->json)
		return out_json(stdout, &pki_fetched_type, &m, e);
	printf("%s: %s, %u list%s, until %s\n", m.place, m.result, m.lists,
	    m.lists == 1 ? "" : "s", m.next_update);
	return 0;
}

static int
tell_agent(const struct pki_fetch *f, const struct fetch_opts *o,
    struct err *e)
{
	struct conn *c = ask_open("pki.sock", e);
	struct reason why = { .code = "" };
	int rc;

	if (c == NULL)
		return -1;
	rc = cmd_fetch_tell(c, f, o->only != NULL ? o->only : "", &why, e);
	conn_close(c);
	return rc;
}

static int
one(const char *place, const struct fetch_opts *o,
    const struct cert_set *trust, struct err *e)
{
	struct pki_fetch f;
	int rc = pki_fetch_init(&f, place, e), got = 0;

	if (rc == 0 && o->cache != NULL)
		(void)pki_fetch_restore(&f, o->cache, trust, NULL);
	if (rc == 0 && (rc = got = cmd_fetch_ask(&f, o, trust, e)) > 0)
		rc = 0;
	/* The agent first: a disk that is full is no reason to let anybody in. */
	if (rc == 0 && o->install)
		rc = tell_agent(&f, o, e);
	if (rc == 0 && got > 0 && o->cache != NULL)
		rc = pki_fetch_save(&f, o->cache, e);
	if (rc == 0 && o->out != NULL)
		rc = pki_file_write(o->out, 0644, true, f.octets, f.len, e);
	if (rc == 0 && (o->out == NULL || strcmp(o->out, "-") != 0))
		rc = show(&f, got, o, e);
	pki_fetch_fini(&f);
	return rc < 0 ? err_in(e, "%s", place) : 0;
}

static int
status_of(const struct err *e)
{
	switch (e->code) {
	case EPERM:
	case ESTALE:
	case EBADMSG:
	case EPROTO:		/* the agent says no */
		return EXIT_NO;
	case EINVAL:
	case ENOENT:
		return EXIT_USAGE;
	default:
		return EXIT_SYSTEM;
	}
}

int
cmd_fetch(int argc, char **argv)
{
	struct fetch_opts o = { .seconds = 30 };
	const struct opt opts[] = {
		{ 't', "trust", "FILE", "CA certificates that must have "
		    "signed it", OPT_LIST, &o.trust, 0, 0 },
		{ 'i', "install", NULL, "hand it to the running agent",
		    OPT_FLAG, &o.install, 0, 0 },
		{ 0, "only", "NAME", "for this identity; else for all that "
		    "know its issuer", OPT_TEXT, &o.only, 0, 0 },
		{ 'o', "out", "FILE", "where it goes; \"-\" is standard output",
		    OPT_TEXT, &o.out, 0, 0 },
		{ 0, "cache", "DIR", "what came before is here, and asked for "
		    "only if it changed", OPT_TEXT, &o.cache, 0, 0 },
		{ 0, "timeout", "TIME", "for one place, 30s", OPT_TIME,
		    &o.seconds, 1, 3600 },
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		    &o.json, 0, 0 },
		OPT_END,
	};
	struct cert_set trust = { .n = 0 };
	struct err e = { 0 };
	int i, status;

	if (opt_parse(&argc, &argv, opts, "[-i] [-t FILE]... URL|FILE...", 1,
	    64, &status) < 0)
		return status;
	if (o.trust.n == 0 && !o.install)
		return command_usage("--trust says who signs it, or --install "
		    "lets the agent judge");
	if (o.out != NULL && argc > 1)
		return command_usage("--out takes one place");
	status = read_trust(&o.trust, &trust, &e) < 0 ?
	    command_fail(cmd_input_status(&e), &e) : EXIT_OK;
	for (i = 0; status == EXIT_OK && i < argc; i++)
		if (one(argv[i], &o, o.trust.n > 0 ? &trust : NULL, &e) < 0)
			status = command_fail(status_of(&e), &e);
	cert_set_fini(&trust);
	return status;
}
