#include "pki_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "pki_issue.h"
#include "pki_sql.h"

#define SCHEMA		2
#define APPLICATION	0x444d5650	/* "DMVP" */
#define BUSY_MS		60000

/* ---------------------------------------------------------------- to open */

static bool
is_pem(int fd)
{
	static const char begin[] = "-----BEGIN ";
	char text[sizeof(begin) - 1];

	return pread(fd, text, sizeof(text), 0) == (ssize_t)sizeof(text) &&
	    memcmp(text, begin, sizeof(text)) == 0;
}

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
		return err_set(e, EINVAL, "%s: there is no CA here; make one "
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
		rc = err_set(e, EINVAL, "%s: belongs to uid %u", path,
		    st.st_uid);
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		rc = err_set(e, EINVAL, "%s: mode %04o lets others at the CA's "
		    "key; chmod 600", path, st.st_mode & 07777);
	else if (is_pem(fd))
		rc = err_set(e, EINVAL, "%s: a PEM file, not the store of a CA",
		    path);
	close(fd);
	return rc;
}

static int
setup(struct pki_store *s, enum pki_open how, struct err *e)
{
	int64_t app, version, others = 0;

	sqlite3_busy_timeout(s->db, BUSY_MS);
	if (pki_sql_run(s, "PRAGMA synchronous = EXTRA;"
	    "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
	    "PRAGMA secure_delete = ON;"
	    "PRAGMA foreign_keys = ON", "set up", e) < 0 ||
	    (app = pki_sql_number(s, "PRAGMA application_id", e)) < 0 ||
	    (version = pki_sql_number(s, "PRAGMA user_version", e)) < 0 ||
	    (app == 0 && (others = pki_sql_number(s, "SELECT count(*) FROM "
	    "sqlite_schema", e)) < 0))
		return -1;
	if (version > SCHEMA || (app != 0 && app != APPLICATION) || others > 0)
		return err_set(e, EINVAL, "%s: not a store of this version",
		    s->path);
	if (how == PKI_STORE_CREATE)
		return 0;
	if (app == 0)
		return err_set(e, ENOENT, "%s: there is no CA in it; make one "
		    "with dmvpn-pki init", s->path);
	if (pki_sql_check(s, "PRAGMA quick_check(1)", e) < 0)
		return -1;
	return version < SCHEMA ? pki_store_upgrade(s, e) : 0;
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
		pki_sql_failed(s, "open", e);
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

void
pki_store_patience(struct pki_store *s, unsigned ms)
{
	sqlite3_busy_timeout(s->db, (int)ms);
}

int
pki_store_begin(struct pki_store *s, struct err *e)
{
	return pki_sql_run(s, "BEGIN IMMEDIATE", "begin", e);
}

int
pki_store_commit(struct pki_store *s, struct err *e)
{
	return pki_sql_run(s, "COMMIT", "commit", e);
}

void
pki_store_rollback(struct pki_store *s)
{
	if (sqlite3_get_autocommit(s->db) == 0)
		(void)pki_sql_run(s, "ROLLBACK", "roll back", NULL);
}

/* -------------------------------------------------------------- certificates */

int
pki_store_add(struct pki_store *s, const struct pki_row *row, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "INSERT INTO certificate(serial, "
	    "name, profile, not_before, not_after, revoked, why, der, "
	    "partition, generation) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
	    "CASE ?10 WHEN 0 THEN (SELECT generation FROM authority WHERE "
	    "state = 'active') ELSE ?10 END)", e);
	int rc;

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, row->serial);
	pki_sql_text(q, 2, row->name);
	pki_sql_text(q, 3, row->profile);
	sqlite3_bind_int64(q, 4, row->from);
	sqlite3_bind_int64(q, 5, row->to);
	sqlite3_bind_int64(q, 6, row->revoked);
	pki_sql_text(q, 7, row->why);
	pki_sql_blob(q, 8, row->der);
	sqlite3_bind_int64(q, 9, row->partition);
	sqlite3_bind_int64(q, 10, row->generation);
	rc = sqlite3_step(q);
	sqlite3_finalize(q);
	if (rc == SQLITE_CONSTRAINT)
		return err_set(e, EEXIST, "serial number %s is taken",
		    row->serial);
	return rc == SQLITE_DONE ? 0 : pki_sql_failed(s, "write", e);
}

int
pki_store_remove(struct pki_store *s, const char *serial, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "DELETE FROM certificate WHERE "
	    "serial = ?", e);

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, serial);
	return pki_sql_done(s, q, "write", e);
}

static void
row_of(sqlite3_stmt *q, struct pki_row *row)
{
	pki_sql_column_text(q, 0, row->serial, sizeof(row->serial));
	pki_sql_column_text(q, 1, row->name, sizeof(row->name));
	pki_sql_column_text(q, 2, row->profile, sizeof(row->profile));
	row->from = sqlite3_column_int64(q, 3);
	row->to = sqlite3_column_int64(q, 4);
	row->revoked = sqlite3_column_int64(q, 5);
	pki_sql_column_text(q, 6, row->why, sizeof(row->why));
	row->der = pki_sql_column(q, 7);
	row->generation = sqlite3_column_int64(q, 8);
	row->partition = (unsigned)sqlite3_column_int64(q, 9);
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
	return pki_sql_read(s, q, rc, stop, e);
}

#define COLUMNS(der) "SELECT serial, name, profile, not_before, not_after, " \
    "revoked, why, " der ", generation, partition FROM certificate "
#define ROW COLUMNS("der")

int
pki_store_each(struct pki_store *s, const char *name_or_serial,
    int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, name_or_serial == NULL ?
	    ROW "ORDER BY number" : ROW "WHERE name = ?1 OR "
	    "serial = lower(?1) ORDER BY number", e);

	if (q == NULL)
		return -1;
	if (name_or_serial != NULL)
		pki_sql_text(q, 1, name_or_serial);
	return each(s, q, fn, arg, e);
}

int
pki_store_expiring(struct pki_store *s, int64_t from, int64_t to,
    int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, ROW "WHERE revoked = 0 AND "
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
pki_store_revoked(struct pki_store *s, int64_t generation, unsigned partition,
    int64_t now, int (*fn)(void *arg, const struct pki_row *row), void *arg,
    struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, COLUMNS("NULL") "WHERE "
	    "revoked <> 0 AND generation = ?1 AND not_after >= ?3 AND "
	    "(?2 = 0 OR partition = ?2) ORDER BY number", e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, generation);
	sqlite3_bind_int64(q, 2, partition);
	sqlite3_bind_int64(q, 3, now);
	return each(s, q, fn, arg, e);
}

#define LIVES	"(revoked = 0 OR why = '" PKI_HOLD "')"

int
pki_store_living(struct pki_store *s, int64_t generation, int64_t now,
    struct pki_living *out, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "SELECT "
	    "count(CASE WHEN " LIVES " THEN 1 END), "
	    "coalesce(max(CASE WHEN " LIVES " THEN not_after END), 0), "
	    "coalesce(max(partition), 0) FROM certificate WHERE "
	    "generation = ?1 AND not_after >= ?2", e);
	int rc;

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, generation);
	sqlite3_bind_int64(q, 2, now);
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		out->n = sqlite3_column_int64(q, 0);
		out->last = sqlite3_column_int64(q, 1);
		out->partition = (unsigned)sqlite3_column_int64(q, 2);
	}
	sqlite3_finalize(q);
	return rc == SQLITE_ROW ? 0 : pki_sql_failed(s, "read", e);
}

bool
pki_row_revokes(const struct pki_row *row, const char *why)
{
	return row->revoked == 0 || (strcmp(row->why, PKI_HOLD) == 0 &&
	    strcmp(why, PKI_HOLD) != 0);
}

static int
count_more(struct pki_store *s, const char *what, size_t n, struct err *e)
{
	sqlite3_stmt *q;

	if (n == 0)
		return 0;
	q = pki_sql_prepare(s, "INSERT INTO setting(name, value) VALUES(?1, ?2)"
	    " ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
	    e);
	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, what);
	sqlite3_bind_int64(q, 2, (sqlite3_int64)n);
	return pki_sql_done(s, q, "write", e);
}

/* Rows of this name or serial number (?1) become revoked at ?2 (0: not) for ?3;
 * *n how many. */
static int
mark(struct pki_store *s, const char *sql, const char *name_or_serial,
    int64_t at, const char *why, size_t *n, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, sql, e);

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, name_or_serial);
	sqlite3_bind_int64(q, 2, at);
	pki_sql_text(q, 3, why);
	if (pki_sql_done(s, q, "write", e) < 0)
		return -1;
	*n = (size_t)sqlite3_changes(s->db);
	return 0;
}

#define MARK(which)	"UPDATE certificate SET revoked = ?2, why = ?3 "	\
    "WHERE (" which ") AND (name = ?1 OR serial = lower(?1))"
#define HELD		"revoked <> 0 AND why = '" PKI_HOLD "'"

int
pki_store_revoke(struct pki_store *s, const char *name_or_serial, int64_t at,
    const char *why, size_t *n, struct err *e)
{
	size_t finals = 0;

	if (strcmp(why, PKI_HOLD) != 0 && (mark(s, MARK(HELD), name_or_serial,
	    at, why, &finals, e) < 0 || count_more(s, PKI_FINALS, finals, e) < 0))
		return -1;
	if (mark(s, MARK("revoked = 0"), name_or_serial, at, why, n, e) < 0)
		return -1;
	*n += finals;
	return 0;
}

int
pki_store_release(struct pki_store *s, const char *name_or_serial, size_t *n,
    struct err *e)
{
	return mark(s, MARK(HELD), name_or_serial, 0, "", n, e) < 0 ? -1 :
	    count_more(s, PKI_RELEASES, *n, e);
}
