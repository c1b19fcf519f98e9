#include "pki_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/secret.h"

#define SCHEMA		1
#define APPLICATION	0x444d5650	/* "DMVP" */
#define BUSY_MS		60000

struct pki_store {
	sqlite3		*db;
	struct secret	*cert;		/* what pki_store_ca lent */
	struct secret	*key;
	char		*path;
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS ca("
    " id INTEGER PRIMARY KEY CHECK(id = 1),"
    " certificate BLOB NOT NULL, key TEXT NOT NULL,"
    " crl_number INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS certificate("
    " number INTEGER PRIMARY KEY, serial TEXT NOT NULL UNIQUE,"
    " name TEXT NOT NULL, profile TEXT NOT NULL,"
    " not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,"
    " revoked INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '',"
    " der BLOB NOT NULL UNIQUE);"
    "CREATE INDEX IF NOT EXISTS certificate_name ON certificate(name);"
    "PRAGMA user_version = 1; PRAGMA application_id = 1145919056;";

static int
failed(struct pki_store *s, const char *what, struct err *e)
{
	int rc = s->db == NULL ? SQLITE_NOMEM : sqlite3_extended_errcode(s->db);

	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(e, EUCLEAN, "%s: the store is damaged; nothing "
		    "was changed; put the last backup back, or see what "
		    "\"sqlite3 %s .recover\" saves", s->path, s->path);
	case SQLITE_FULL:
		return err_set(e, ENOSPC, "%s: %s: no space left", s->path,
		    what);
	case SQLITE_READONLY:
		return err_set(e, EROFS, "%s: %s: it can not be written",
		    s->path, what);
	case SQLITE_BUSY:
		return err_set(e, EAGAIN, "%s: %s: another program holds it",
		    s->path, what);
	default:
		return err_set(e, EIO, "%s: %s: %s", s->path, what,
		    s->db == NULL ? "out of memory" : sqlite3_errmsg(s->db));
	}
}

static int
run(struct pki_store *s, const char *sql, const char *what, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 :
	    failed(s, what, e);
}

static sqlite3_stmt *
prepare(struct pki_store *s, const char *sql, struct err *e)
{
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK) {
		failed(s, "read", e);
		return NULL;
	}
	return q;
}

/* One number that a pragma gives; -1 on error. */
static int64_t
pragma(struct pki_store *s, const char *sql, struct err *e)
{
	sqlite3_stmt *q = prepare(s, sql, e);
	int64_t v = -1;

	if (q != NULL && sqlite3_step(q) == SQLITE_ROW)
		v = sqlite3_column_int64(q, 0);
	else if (q != NULL)
		failed(s, "read", e);
	sqlite3_finalize(q);
	return v;
}

/* ---------------------------------------------------------------- to open */

/* Mode 0600 from its first instant, whatever the umask. */
static int
check_file(const char *path, enum pki_open how, struct err *e)
{
	int flags = how == PKI_STORE_CREATE ? O_CREAT | O_RDWR : O_RDONLY;
	int fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
	    0600);
	struct stat st;
	int rc = 0;

	if (fd < 0 && errno == ELOOP)
		return err_set(e, ELOOP, "%s: a symbolic link", path);
	if (fd < 0 && errno == ENOENT && how != PKI_STORE_CREATE)
		return err_set(e, ENOENT, "%s: there is no CA here; make one "
		    "with dmvpn-pki init", path);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) < 0)
		rc = err_sys(e, "%s", path);
	else if (!S_ISREG(st.st_mode))
		rc = err_set(e, EINVAL, "%s: not a regular file", path);
	else if (st.st_nlink != 1)
		rc = err_set(e, EMLINK, "%s: has other names (hard links)",
		    path);
	else if (st.st_uid != geteuid() && geteuid() != 0)
		rc = err_set(e, EPERM, "%s: belongs to uid %u", path,
		    st.st_uid);
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		rc = err_set(e, EPERM, "%s: mode %04o lets others at the CA's "
		    "key; chmod 600", path, st.st_mode & 07777);
	close(fd);
	return rc;
}

static int
check_by(struct pki_store *s, const char *sql, struct err *e)
{
	sqlite3_stmt *q = prepare(s, sql, e);
	const unsigned char *text;
	int rc = -1;

	if (q != NULL && sqlite3_step(q) == SQLITE_ROW &&
	    (text = sqlite3_column_text(q, 0)) != NULL &&
	    strcmp((const char *)text, "ok") == 0)
		rc = 0;
	sqlite3_finalize(q);
	if (rc < 0)
		return err_set(e, EUCLEAN, "%s: the store is damaged; nothing "
		    "was changed; put the last backup back, or see what "
		    "\"sqlite3 %s .recover\" saves", s->path, s->path);
	return 0;
}

static int
check_content(struct pki_store *s, struct err *e)
{
	return check_by(s, "PRAGMA quick_check(1)", e);
}

/* Indexes too. */
static int
check_all(struct pki_store *s, struct err *e)
{
	return check_by(s, "PRAGMA integrity_check(1)", e);
}

static int
setup(struct pki_store *s, enum pki_open how, struct err *e)
{
	int64_t app, version;

	sqlite3_busy_timeout(s->db, BUSY_MS);
	if (run(s, "PRAGMA synchronous = EXTRA; PRAGMA trusted_schema = OFF;"
	    "PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;"
	    "PRAGMA foreign_keys = ON", "set up", e) < 0 ||
	    (app = pragma(s, "PRAGMA application_id", e)) < 0 ||
	    (version = pragma(s, "PRAGMA user_version", e)) < 0)
		return -1;
	if (version > SCHEMA || (app != 0 && app != APPLICATION))
		return err_set(e, EINVAL, "%s: not a store of this version",
		    s->path);
	if (how == PKI_STORE_CREATE)
		return 0;
	if (app == 0)
		return err_set(e, ENOENT, "%s: there is no CA in it; make one "
		    "with dmvpn-pki init", s->path);
	return check_content(s, e);
}

struct pki_store *
pki_store_open(const char *path, enum pki_open how, struct err *e)
{
	struct pki_store *s;

	if (check_file(path, how, e) < 0)
		return NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL ||
	    (s->path = strdup(path)) == NULL) {
		free(s);
		return err_null(err_set(e, ENOMEM, "%s", path));
	}
	/* Readers too: after a crash the first one rolls back. */
	if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK) {
		failed(s, "open", e);
		pki_store_close(s);
		return NULL;
	}
	if (setup(s, how, e) < 0) {
		pki_store_close(s);
		return NULL;
	}
	return s;
}

void
pki_store_close(struct pki_store *s)
{
	if (s == NULL)
		return;
	secret_free(s->cert);
	secret_free(s->key);
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}

int
pki_store_begin(struct pki_store *s, struct err *e)
{
	return run(s, "BEGIN IMMEDIATE", "begin", e);
}

int
pki_store_commit(struct pki_store *s, struct err *e)
{
	return run(s, "COMMIT", "commit", e);
}

/* --------------------------------------------------------------------- CA */

static struct rbuf
column(sqlite3_stmt *q, int i)
{
	const void *p = sqlite3_column_blob(q, i);

	return rbuf_of(p, (size_t)sqlite3_column_bytes(q, i));
}

static int
bind_blob(sqlite3_stmt *q, int i, struct rbuf r)
{
	return sqlite3_bind_blob(q, i, r.p, (int)rbuf_left(&r), SQLITE_STATIC);
}

static int
bind_text(sqlite3_stmt *q, int i, const char *text)
{
	return sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
}

int
pki_store_set_ca(struct pki_store *s, struct rbuf cert, struct rbuf key,
    struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	if (run(s, schema, "make tables", e) < 0 || (q = prepare(s,
	    "INSERT INTO ca(id, certificate, key) VALUES(1, ?, ?)", e)) == NULL)
		return -1;
	bind_blob(q, 1, cert);
	sqlite3_bind_text(q, 2, (const char *)key.p, (int)rbuf_left(&key),
	    SQLITE_STATIC);
	rc = sqlite3_step(q);
	sqlite3_finalize(q);
	if (rc == SQLITE_CONSTRAINT)
		return err_set(e, EEXIST, "%s: there is a CA in it already",
		    s->path);
	return rc == SQLITE_DONE ? 0 : failed(s, "write", e);
}

static struct secret *
text_copy_of(sqlite3_stmt *q, int i)
{
	struct rbuf r = column(q, i);
	struct secret *c = secret_new(rbuf_left(&r) + 1);

	if (c != NULL) {
		c->len = rbuf_left(&r);
		rbuf_copy(&r, c->b, c->len);
	}
	return c;
}

/* Copies: a statement that is not done holds a lock, and two that want to
 * write behind it would wait for each other. */
int
pki_store_ca(struct pki_store *s, struct pki_store_ca *ca, struct err *e)
{
	sqlite3_stmt *q = prepare(s, "SELECT certificate, key FROM ca", e);
	int rc;

	if (q == NULL)
		return -1;
	secret_free(s->cert);
	secret_free(s->key);
	s->cert = s->key = NULL;
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		s->cert = text_copy_of(q, 0);
		s->key = text_copy_of(q, 1);
	}
	sqlite3_finalize(q);
	if (rc == SQLITE_DONE)
		return err_set(e, ENOENT, "%s: there is no CA in it; make one "
		    "with dmvpn-pki init", s->path);
	if (rc != SQLITE_ROW)
		return failed(s, "read", e);
	if (s->cert == NULL || s->key == NULL)
		return err_set(e, ENOMEM, "%s", s->path);
	ca->cert = rbuf_of(s->cert->b, s->cert->len);
	ca->key = rbuf_of(s->key->b, s->key->len);
	return 0;
}

/* -------------------------------------------------------------- certificates */

int
pki_store_add(struct pki_store *s, const struct pki_row *row, struct err *e)
{
	sqlite3_stmt *q = prepare(s, "INSERT INTO certificate(serial, name, "
	    "profile, not_before, not_after, der) VALUES(?, ?, ?, ?, ?, ?)", e);
	int rc;

	if (q == NULL)
		return -1;
	bind_text(q, 1, row->serial);
	bind_text(q, 2, row->name);
	bind_text(q, 3, row->profile);
	sqlite3_bind_int64(q, 4, row->from);
	sqlite3_bind_int64(q, 5, row->to);
	bind_blob(q, 6, row->der);
	rc = sqlite3_step(q);
	sqlite3_finalize(q);
	if (rc == SQLITE_CONSTRAINT)
		return err_set(e, EEXIST, "serial number %s is taken",
		    row->serial);
	return rc == SQLITE_DONE ? 0 : failed(s, "write", e);
}

int
pki_store_remove(struct pki_store *s, const char *serial, struct err *e)
{
	sqlite3_stmt *q = prepare(s, "DELETE FROM certificate WHERE serial = ?",
	    e);
	int rc;

	if (q == NULL)
		return -1;
	bind_text(q, 1, serial);
	rc = sqlite3_step(q);
	sqlite3_finalize(q);
	return rc == SQLITE_DONE ? 0 : failed(s, "write", e);
}

static void
text_of(sqlite3_stmt *q, int i, char *out, size_t len)
{
	const unsigned char *t = sqlite3_column_text(q, i);

	snprintf(out, len, "%s", t == NULL ? "" : (const char *)t);
}

static void
row_of(sqlite3_stmt *q, struct pki_row *row)
{
	text_of(q, 0, row->serial, sizeof(row->serial));
	text_of(q, 1, row->name, sizeof(row->name));
	text_of(q, 2, row->profile, sizeof(row->profile));
	row->from = sqlite3_column_int64(q, 3);
	row->to = sqlite3_column_int64(q, 4);
	row->revoked = sqlite3_column_int64(q, 5);
	text_of(q, 6, row->why, sizeof(row->why));
	row->der = column(q, 7);
}

static int
each(struct pki_store *s, sqlite3_stmt *q,
    int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e)
{
	struct pki_row row;
	int rc, stop = 0;

	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		row_of(q, &row);
		stop = fn(arg, &row);
	}
	sqlite3_finalize(q);
	if (stop == 0 && rc != SQLITE_DONE)
		return failed(s, "read", e);
	return stop;
}

#define ROW "SELECT serial, name, profile, not_before, not_after, revoked, " \
    "why, der FROM certificate "

int
pki_store_each(struct pki_store *s, const char *name_or_serial,
    int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e)
{
	sqlite3_stmt *q = prepare(s, ROW "WHERE ?1 IS NULL OR name = ?1 OR "
	    "serial = lower(?1) ORDER BY number", e);

	if (q == NULL)
		return -1;
	if (name_or_serial != NULL)
		bind_text(q, 1, name_or_serial);
	return each(s, q, fn, arg, e);
}

int
pki_store_expiring(struct pki_store *s, int64_t from, int64_t to,
    int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e)
{
	sqlite3_stmt *q = prepare(s, ROW "WHERE revoked = 0 AND "
	    "not_after BETWEEN ?1 AND ?2 AND NOT EXISTS(SELECT 1 FROM "
	    "certificate AS n WHERE n.name = certificate.name AND "
	    "n.revoked = 0 AND n.not_after > certificate.not_after) "
	    "ORDER BY not_after, name", e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, from);
	sqlite3_bind_int64(q, 2, to);
	return each(s, q, fn, arg, e);
}

int
pki_store_revoke(struct pki_store *s, const char *name_or_serial, int64_t at,
    const char *why, size_t *n, struct err *e)
{
	sqlite3_stmt *q = prepare(s, "UPDATE certificate SET revoked = ?2, "
	    "why = ?3 WHERE revoked = 0 AND (name = ?1 OR "
	    "serial = lower(?1))", e);
	int rc;

	if (q == NULL)
		return -1;
	bind_text(q, 1, name_or_serial);
	sqlite3_bind_int64(q, 2, at);
	bind_text(q, 3, why);
	rc = sqlite3_step(q);
	sqlite3_finalize(q);
	*n = (size_t)sqlite3_changes(s->db);
	return rc == SQLITE_DONE ? 0 : failed(s, "write", e);
}

int
pki_store_crl_number(struct pki_store *s, uint64_t *number, struct err *e)
{
	int64_t v;

	if (run(s, "UPDATE ca SET crl_number = crl_number + 1", "write",
	    e) < 0 || (v = pragma(s, "SELECT crl_number FROM ca", e)) < 0)
		return -1;
	*number = (uint64_t)v;
	return 0;
}

/* ------------------------------------------------------------------ whole */

int
pki_store_stamp(struct pki_store *s, struct pki_stamp *out, struct err *e)
{
	out->issued = pragma(s, "SELECT count(*) FROM certificate", e);
	out->revoked = pragma(s, "SELECT count(*) FROM certificate WHERE "
	    "revoked <> 0", e);
	out->crls = pragma(s, "SELECT crl_number FROM ca", e);
	return out->issued < 0 || out->revoked < 0 || out->crls < 0 ? -1 : 0;
}

/* The read lock of a transaction keeps writers out meanwhile. */
struct secret *
pki_store_image(struct pki_store *s, struct err *e)
{
	struct secret *out = NULL;
	sqlite3_int64 len = 0;
	unsigned char *p;

	if (run(s, "BEGIN", "begin", e) < 0)
		return NULL;
	if (check_all(s, e) == 0) {
		p = sqlite3_serialize(s->db, "main", &len, 0);
		if (p == NULL || (out = secret_copy(p, (size_t)len)) == NULL)
			err_set(e, ENOMEM, "%s: out of memory", s->path);
		if (p != NULL)
			secret_wipe(p, (size_t)len);
		sqlite3_free(p);
	}
	(void)run(s, "COMMIT", "end", NULL);
	return out;
}

int
pki_store_restore(struct pki_store *s, struct pki_store *from, struct err *e)
{
	sqlite3_backup *b;
	int rc;

	if (check_all(from, e) < 0)
		return -1;
	b = sqlite3_backup_init(s->db, "main", from->db, "main");
	if (b == NULL)
		return failed(s, "restore", e);
	rc = sqlite3_backup_step(b, -1);
	if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
		sqlite3_backup_finish(b);
		return err_set(e, EAGAIN, "%s: another program holds it",
		    s->path);
	}
	rc = sqlite3_backup_finish(b);
	return rc == SQLITE_OK ? 0 : failed(s, "restore", e);
}
