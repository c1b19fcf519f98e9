#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd_ca.h"
#include "pki_name.h"
#include "sys/loop.h"

struct revoking {
	struct pki_store	*store;
	const char		*why;
	size_t			 seen;		/* of that name */
	struct err		*e;
};

static int
on_row(void *arg, const struct pki_row *row)
{
	struct revoking *r = arg;
	const struct pki_audit_row about = { .name = row->name,
		.serial = row->serial, .why = r->why };

	r->seen++;
	return pki_row_revokes(row, r->why) ? cmd_note(r->store,
	    PKI_AUDIT_REVOKED, "revoke", &about, r->e) : 0;
}

static int
revoke(struct pki_store *s, const char *what, const char *why, size_t *n,
    struct err *e)
{
	struct revoking r = { s, why, 0, e };

	if (pki_store_begin(s, e) < 0 ||
	    pki_store_each(s, what, on_row, &r, e) != 0 ||
	    pki_store_revoke(s, what, clock_wall(), why, n, e) < 0)
		return -1;
	return *n > 0 ? pki_store_commit(s, e) : err_set(e, ENOENT,
	    r.seen == 0 ? "there is no certificate of %s" :
	    "all certificates of %s are revoked already", what);
}

static int
done(int rc, const char *what, size_t n, const struct err *e)
{
	if (rc < 0)
		return command_fail(cmd_status_of(e), e);
	fprintf(stderr, "%zu certificate%s %s; now publish a new CRL\n", n,
	    n == 1 ? "" : "s", what);
	return EXIT_OK;
}

int
cmd_revoke(int argc, char **argv)
{
	const char *store = NULL, *why = "unspecified";
	const struct opt opts[] = {
		CMD_STORE_OPT(&store),
		{ 0, "reason", "WORD", PKI_REASONS, OPT_TEXT, &why, 0, 0 },
		OPT_END,
	};
	struct pki_store *s;
	struct err e = { 0 };
	size_t n = 0;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[--reason WORD] NAME|SERIAL", 1, 1,
	    &status) < 0)
		return status;
	if (pki_name_check(argv[0], &e) < 0 || pki_reason_check(why, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s != NULL)
		rc = revoke(s, argv[0], why, &n, &e);
	pki_store_close(s);
	return done(rc, strcmp(why, PKI_HOLD) == 0 ? "held" : "revoked", n,
	    &e);
}

/* ----------------------------------------------------------------- release */

static int
on_held(void *arg, const struct pki_row *row)
{
	struct revoking *r = arg;
	const struct pki_audit_row about = { .name = row->name,
		.serial = row->serial };

	return row->revoked == 0 || strcmp(row->why, PKI_HOLD) != 0 ? 0 :
	    cmd_note(r->store, PKI_AUDIT_RELEASED, "release", &about, r->e);
}

static int
release(struct pki_store *s, const char *what, size_t *n, struct err *e)
{
	struct revoking r = { s, "", 0, e };

	if (pki_store_begin(s, e) < 0 ||
	    pki_store_each(s, what, on_held, &r, e) != 0 ||
	    pki_store_release(s, what, n, e) < 0)
		return -1;
	return *n > 0 ? pki_store_commit(s, e) : err_set(e, ENOENT, "no "
	    "certificate of %s is held", what);
}

int
cmd_release(int argc, char **argv)
{
	const char *store = NULL;
	const struct opt opts[] = { CMD_STORE_OPT(&store), OPT_END };
	struct pki_store *s;
	struct err e = { 0 };
	size_t n = 0;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "NAME|SERIAL", 1, 1, &status) < 0)
		return status;
	if (pki_name_check(argv[0], &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s != NULL)
		rc = release(s, argv[0], &n, &e);
	pki_store_close(s);
	return done(rc, "released", n, &e);
}
