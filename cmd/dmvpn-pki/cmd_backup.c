#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd_ca.h"
#include "pki_file.h"

/* By another name too. */
static int
check_apart(const char *store, const char *file, struct err *e)
{
	struct stat a, b;

	return stat(store, &a) < 0 || stat(file, &b) < 0 ||
	    a.st_dev != b.st_dev || a.st_ino != b.st_ino ? 0 :
	    err_set(e, EINVAL, "%s: that is the store itself", file);
}

static int
backup(const char *store, const char *file, bool force, struct err *e)
{
	struct pki_store *s = NULL, *made;
	struct secret *image = NULL;
	int rc = -1;

	if (check_apart(store, file, e) == 0 &&
	    (s = pki_store_open(store, PKI_STORE_OPEN, e)) != NULL)
		image = pki_store_image(s, e);
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
	return backup(cmd_store_path(store), argv[0], force, &e) < 0 ?
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
	if (n.issued > t.issued || n.changes > t.changes || n.crls > t.crls ||
	    a->keys > b->keys)
		return err_set(e, EEXIST, "the store is newer than the backup:"
		    " %lld certificates, %lld times revoked or released, %lld "
		    "CRLs and %lld CA keys, the backup has %lld, %lld, %lld "
		    "and %lld; --force replaces it",
		    (long long)n.issued, (long long)n.changes,
		    (long long)n.crls, (long long)a->keys,
		    (long long)t.issued, (long long)t.changes,
		    (long long)t.crls, (long long)b->keys);
	return n.tokens <= t.tokens ? 0 : err_set(e, EEXIST, "the store is "
	    "newer than the backup: tokens were given out, approved, used or "
	    "taken back since; --force replaces it");
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

/* Where there is no store, or none that can be opened.  Its journal must not be
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
note(struct pki_store *s, bool force, struct err *e)
{
	const struct pki_audit_row about = { .why = force ? "by force" : "" };

	return cmd_note(s, PKI_AUDIT_CHANGED, "restore", &about, e);
}

/* Nobody writes between the comparison and the end. */
static int
restore_into(struct pki_store *to, struct pki_store *from, bool force,
    struct err *e)
{
	return pki_store_begin(to, e) < 0 ||
	    (!force && compare(to, from, e) < 0) ||
	    pki_store_restore(to, from, e) < 0 || note(to, force, e) < 0 ? -1 :
	    pki_store_commit(to, e);
}

static int
restore_new(const char *path, struct pki_store *from, bool over, bool force,
    struct err *e)
{
	struct pki_store *to;
	int rc;

	if (replace(path, from, over, e) < 0)
		return -1;
	to = pki_store_open(path, PKI_STORE_OPEN, e);
	rc = to == NULL ? -1 : note(to, force, e);
	pki_store_close(to);
	return rc;
}

static int
restore_from(const char *path, struct pki_store *from, bool force,
    struct err *e)
{
	struct pki_store *to;
	int rc;

	if (access(path, F_OK) < 0)
		return restore_new(path, from, false, force, e);
	if ((to = pki_store_open(path, PKI_STORE_OPEN, e)) != NULL) {
		rc = restore_into(to, from, force, e);
		pki_store_close(to);
		return rc;
	}
	/* nothing is in it; or nothing that can be read */
	if (e->code == ENOENT || (e->code == EUCLEAN && force)) {
		err_clear(e);
		return restore_new(path, from, true, force, e);
	}
	return e->code == EUCLEAN ? err_set(e, EUCLEAN, "%s: the store is "
	    "damaged; --force replaces it", path) : -1;
}

static int
restore(const char *path, const char *file, bool force, struct err *e)
{
	struct pki_store *from;
	int rc = -1;

	if (check_apart(path, file, e) == 0 &&
	    (from = pki_store_open(file, PKI_STORE_OPEN, e)) != NULL) {
		rc = restore_from(path, from, force, e);
		pki_store_close(from);
	}
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
