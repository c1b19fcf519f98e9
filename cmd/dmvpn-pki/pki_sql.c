#include "pki_sql.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
pki_sql_damaged(struct pki_store *s, struct err *e)
{
	return err_set(e, EUCLEAN, "%s: the store is damaged; nothing was "
	    "changed; put the last backup back, or see what \"sqlite3 %s "
	    ".recover\" saves", s->path, s->path);
}

int
pki_sql_failed(struct pki_store *s, const char *what, struct err *e)
{
	int rc = s->db == NULL ? SQLITE_NOMEM : sqlite3_extended_errcode(s->db);

	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return pki_sql_damaged(s, e);
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

int
pki_sql_run(struct pki_store *s, const char *sql, const char *what,
    struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 :
	    pki_sql_failed(s, what, e);
}

sqlite3_stmt *
pki_sql_prepare(struct pki_store *s, const char *sql, struct err *e)
{
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK) {
		pki_sql_failed(s, "read", e);
		return NULL;
	}
	return q;
}

int64_t
pki_sql_number(struct pki_store *s, const char *sql, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, sql, e);
	int64_t v = -1;

	if (q != NULL && sqlite3_step(q) == SQLITE_ROW)
		v = sqlite3_column_int64(q, 0);
	else if (q != NULL)
		pki_sql_failed(s, "read", e);
	sqlite3_finalize(q);
	return v;
}

int
pki_sql_done(struct pki_store *s, sqlite3_stmt *q, const char *what,
    struct err *e)
{
	int rc = sqlite3_step(q);

	sqlite3_finalize(q);
	return rc == SQLITE_DONE ? 0 : pki_sql_failed(s, what, e);
}

int
pki_sql_read(struct pki_store *s, sqlite3_stmt *q, int rc, int stop,
    struct err *e)
{
	sqlite3_finalize(q);
	return stop == 0 && rc != SQLITE_DONE ? pki_sql_failed(s, "read", e) :
	    stop;
}

int
pki_sql_check(struct pki_store *s, const char *pragma, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, pragma, e);
	const unsigned char *text;
	int rc = -1;

	if (q != NULL && sqlite3_step(q) == SQLITE_ROW &&
	    (text = sqlite3_column_text(q, 0)) != NULL &&
	    strcmp((const char *)text, "ok") == 0)
		rc = 0;
	sqlite3_finalize(q);
	return rc < 0 ? pki_sql_damaged(s, e) : 0;
}

int
pki_sql_blob(sqlite3_stmt *q, int i, struct rbuf r)
{
	if (rbuf_left(&r) == 0)
		return sqlite3_bind_null(q, i);
	return sqlite3_bind_blob(q, i, r.p, (int)rbuf_left(&r), SQLITE_STATIC);
}

int
pki_sql_text(sqlite3_stmt *q, int i, const char *text)
{
	return sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
}

struct rbuf
pki_sql_column(sqlite3_stmt *q, int i)
{
	const void *p = sqlite3_column_blob(q, i);

	return rbuf_of(p, (size_t)sqlite3_column_bytes(q, i));
}

void
pki_sql_column_text(sqlite3_stmt *q, int i, char *out, size_t len)
{
	const unsigned char *t = sqlite3_column_text(q, i);

	snprintf(out, len, "%s", t == NULL ? "" : (const char *)t);
}
