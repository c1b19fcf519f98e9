#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd_ca.h"
#include "pki_file.h"

static int
backup(const char *store, const char *file, bool force, struct err *e)
{
	struct pki_store *s = pki_store_open(cmd_store_path(store),
	    PKI_STORE_OPEN, e), *made;
	struct secret *image = s == NULL ? NULL : pki_store_image(s, e);
	int rc = -1;

	if (image != NULL)
		rc = pki_file_write(file, 0600, force, image->b, image->len,
		    e);
	secret_free(image);
	pki_store_close(s);
	if (rc < 0)
		return -1;
	/* What was written is what a restore would read. */
	made = pki_store_open(file, PKI_STORE_OPEN, e);
	pki_store_close(made);
	return made == NULL ? -1 : 0;
}

int
cmd_backup(int argc, char **argv)
{
	const char *store = NULL;
	bool force = false;
	const struct opt opts[] = {
		CMD_STORE_OPT(&store),
		{ 'f', "force", NULL, "replace FILE", OPT_FLAG, &force, 0,
		    0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "[-f] FILE", 1, 1, &status) < 0)
		return status;
	if (strcmp(argv[0], "-") == 0)
		return command_usage("a backup holds the CA's key: it goes to "
		    "a file");
	return backup(store, argv[0], force, &e) < 0 ?
	    command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}

/* ---------------------------------------------------------------- restore */

struct first {
	struct secret	*cert, *key;
	int64_t		 keys;
};

/* What tells CAs apart: the certificate of the first key, or, while it waits
 * for it, the key. */
static int
on_key(void *arg, const struct pki_authority *a)
{
	struct first *f = arg;

	if (f->keys++ > 0)
		return 0;
	f->cert = secret_copy(a->cert.p, rbuf_left(&a->cert));
	f->key = secret_copy(a->key.p, rbuf_left(&a->key));
	return f->cert == NULL || f->key == NULL;
}

static bool
same(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

static bool
same_ca(const struct first *a, const struct first *b)
{
	return a->cert->len > 0 && b->cert->len > 0 ?
	    same(a->cert, b->cert) : same(a->key, b->key);
}

/* Refuse when the store has what the backup has not. */
static int
compare_with(struct pki_store *now, struct pki_store *then,
    struct first *a, struct first *b, struct err *e)
{
	struct pki_stamp n, t;

	if (pki_store_authorities(now, on_key, a, e) != 0 ||
	    pki_store_authorities(then, on_key, b, e) != 0 ||
	    pki_store_stamp(now, &n, e) < 0 ||
	    pki_store_stamp(then, &t, e) < 0)
		return -1;
	if (a->keys == 0 || b->keys == 0 || !same_ca(a, b))
		return err_set(e, EEXIST, "the store is of another CA than "
		    "the backup; --force replaces it");
	if (n.issued > t.issued || n.revoked > t.revoked ||
	    n.released > t.released || n.crls > t.crls || a->keys > b->keys)
		return err_set(e, EEXIST, "the store is newer than the backup:"
		    " %lld certificates (%lld revoked), %lld CRLs and %lld CA "
		    "keys, the backup has %lld (%lld), %lld and %lld; --force "
		    "replaces it",
		    (long long)n.issued, (long long)n.revoked,
		    (long long)n.crls, (long long)a->keys,
		    (long long)t.issued, (long long)t.revoked,
		    (long long)t.crls, (long long)b->keys);
	return 0;
}

static int
compare(struct pki_store *now, struct pki_store *then, struct err *e)
{
	struct first a = { .keys = 0 }, b = { .keys = 0 };
	int rc = compare_with(now, then, &a, &b, e);

	secret_free(a.cert);
	secret_free(a.key);
	secret_free(b.cert);
	secret_free(b.key);
	return rc;
}

/* Where there is no store, or (force) one that can not be opened.  Its journal must not be
 * played back into the new one. */
static int
replace(const char *path, struct pki_store *from, bool force, struct err *e)
{
	struct secret *image = pki_store_image(from, e);
	char journal[4096];
	int rc = -1;

	if (image == NULL)
		return -1;
	if (snprintf(journal, sizeof(journal), "%s-journal", path) >=
	    (int)sizeof(journal))
		err_set(e, ENAMETOOLONG, "%s", path);
	else if (unlink(journal) < 0 && errno != ENOENT)
		err_sys(e, "%s", journal);
	else
		rc = pki_file_write(path, 0600, force, image->b, image->len,
		    e);
	secret_free(image);
	return rc;
}

static int
restore(const char *path, const char *file, bool force, struct err *e)
{
	struct pki_store *from = pki_store_open(file, PKI_STORE_OPEN, e), *to;
	bool fresh = access(path, F_OK) < 0;
	const struct pki_audit_row about = { .why = force ? "by force" : "" };
	int rc = -1;

	if (from == NULL)
		return -1;
	to = fresh ? NULL : pki_store_open(path, PKI_STORE_OPEN, e);
	if (fresh)
		rc = replace(path, from, false, e);
	else if (to == NULL && force && (e->code == EUCLEAN ||
	    e->code == ENOENT)) {
		err_clear(e);
		rc = replace(path, from, true, e);
	} else if (to != NULL && (force || compare(to, from, e) == 0))
		rc = pki_store_restore(to, from, e);
	if (rc == 0 && to == NULL)
		to = pki_store_open(path, PKI_STORE_OPEN, NULL);
	if (rc == 0 && to != NULL)
		(void)cmd_note(to, PKI_AUDIT_CHANGED, "restore", &about,
		    NULL);
	pki_store_close(to);
	pki_store_close(from);
	return rc;
}

int
cmd_restore(int argc, char **argv)
{
	const char *store = NULL;
	bool force = false;
	const struct opt opts[] = {
		CMD_STORE_OPT(&store),
		{ 'f', "force", NULL, "also over a newer or a damaged store",
		    OPT_FLAG, &force, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "[-f] FILE", 1, 1, &status) < 0)
		return status;
	return restore(cmd_store_path(store), argv[0], force, &e) < 0 ?
	    command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
