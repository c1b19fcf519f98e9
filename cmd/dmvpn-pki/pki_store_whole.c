/* The store as a whole; the interface is in pki_store.h. */
#include "pki_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pki_sql.h"

/* Indexes too. */
#define CHECK_ALL	"PRAGMA integrity_check(1)"

/* --------------------------------------------------------- how far it has come */

/* Each revocation adds a row to those that are revoked, each release takes one
 * away and counts for two. */
int
pki_store_changes(struct pki_store *s, int64_t *n, struct err *e)
{
	*n = pki_sql_number(s, "SELECT (SELECT count(*) FROM certificate WHERE "
	    "revoked <> 0) + (SELECT coalesce(sum(CASE name WHEN '" PKI_RELEASES
	    "' THEN 2 * value WHEN '" PKI_FINALS "' THEN value ELSE 0 END), 0) "
	    "FROM setting)", e);
	return *n < 0 ? -1 : 0;
}

/* Each goes from new over pending and approved to used or withdrawn, and stays;
 * the table comes with the first. */
static int64_t
token_steps(struct pki_store *s, struct err *e)
{
	int64_t n = pki_sql_number(s, "SELECT count(*) FROM sqlite_schema "
	    "WHERE type = 'table' AND name = 'token'", e);

	return n <= 0 ? n : pki_sql_number(s, "SELECT coalesce(sum(CASE state "
	    "WHEN 'new' THEN 1 WHEN 'pending' THEN 2 WHEN 'approved' THEN 3 "
	    "ELSE 4 END), 0) FROM token", e);
}

int
pki_store_stamp(struct pki_store *s, struct pki_stamp *out, struct err *e)
{
	out->issued = pki_sql_number(s, "SELECT count(*) FROM certificate", e);
	out->crls = pki_sql_number(s, "SELECT "
	    "coalesce(sum(crl_number), 0) FROM authority", e);
	out->tokens = token_steps(s, e);
	return out->issued < 0 || out->crls < 0 || out->tokens < 0 ? -1 :
	    pki_store_changes(s, &out->changes, e);
}

/* --------------------------------------------------------------------- copies */

/* The read lock of a transaction keeps writers out meanwhile. */
struct secret *
pki_store_image(struct pki_store *s, struct err *e)
{
	struct secret *out = NULL;
	sqlite3_int64 len = 0;
	unsigned char *p;

	if (pki_sql_run(s, "BEGIN", "begin", e) < 0)
		return NULL;
	if (pki_sql_check(s, CHECK_ALL, e) == 0) {
		p = sqlite3_serialize(s->db, "main", &len, 0);
		if (p == NULL || (out = secret_copy(p, (size_t)len)) == NULL)
			err_set(e, ENOMEM, "%s: out of memory", s->path);
		if (p != NULL)
			secret_wipe(p, (size_t)len);
		sqlite3_free(p);
	}
	(void)pki_sql_run(s, "COMMIT", "end", NULL);
	return out;
}

/* What the query makes is run as SQL. */
static int
run_made(struct pki_store *s, const char *query, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, query, e);
	const unsigned char *made;
	char *sql = NULL;
	int rc;

	if (q == NULL)
		return -1;
	if ((rc = sqlite3_step(q)) == SQLITE_ROW &&
	    (made = sqlite3_column_text(q, 0)) != NULL)
		sql = strdup((const char *)made);
	if (pki_sql_read(s, q, rc, rc == SQLITE_ROW, e) < 0)
		return -1;
	if (sql == NULL)
		return err_set(e, ENOMEM, "%s: out of memory", s->path);
	rc = pki_sql_run(s, sql, "restore", e);
	free(sql);
	return rc;
}

static int
attach(struct pki_store *s, const char *path, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "ATTACH ? AS backup", e);

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, path);
	return pki_sql_done(s, q, "restore", e);
}

#define MADE(text)	"SELECT coalesce(group_concat(" text ", ''), '') FROM "
#define TABLE		" WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "	\
    "ESCAPE '\\'"

/* Row by row: SQLite's own way to copy whole pages takes the lock anew, and who
 * wrote in between has written for nothing. */
int
pki_store_restore(struct pki_store *s, struct pki_store *from, struct err *e)
{
	if (pki_sql_check(from, CHECK_ALL, e) < 0 ||
	    attach(s, from->path, e) < 0 || run_made(s,
	    MADE("printf('DROP TABLE main.\"%w\";', name)")
	    "main.sqlite_schema" TABLE, e) < 0 || run_made(s,
	    MADE("printf('%s; INSERT INTO main.\"%w\" SELECT * FROM "
	    "backup.\"%w\";', sql, name, name)")
	    "backup.sqlite_schema" TABLE, e) < 0)
		return -1;
	return pki_store_tables(s, e);	/* what is left are indexes */
}
