#include "pki_audit.h"

#include "base/name.h"
#include "pki_sql.h"

const struct name pki_audit_what_names[] = {
	PKI_AUDIT_WHATS(NAME_ROW) NAME_END
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS audit("
    " number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
    " what TEXT NOT NULL, protocol TEXT NOT NULL, origin TEXT NOT NULL,"
    " who TEXT NOT NULL, name TEXT NOT NULL, serial TEXT NOT NULL,"
    " why TEXT NOT NULL)";

static int
tables(struct pki_store *s, struct err *e)
{
	return pki_sql_run(s, schema, "make tables", e);
}

/* What is older than so many rows goes: nobody can fill the disk by asking. */
static int
trim(struct pki_store *s, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "DELETE FROM audit WHERE "
	    "what IN ('refused', 'again') AND number <= "
	    "(SELECT max(number) FROM audit) - ?", e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, PKI_AUDIT_REFUSALS);
	return pki_sql_done(s, q, "write", e);
}

int
pki_audit_add(struct pki_store *s, const struct pki_audit_row *row,
    struct err *e)
{
	sqlite3_stmt *q;
	struct name_buf nb;

	if (tables(s, e) < 0 || (q = pki_sql_prepare(s,
	    "INSERT INTO audit(at, what, protocol, origin, who, name, serial, "
	    "why) VALUES(?,?,?,?,?,?,?,?)", e)) == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, row->at);
	pki_sql_text(q, 2, name_text(pki_audit_what_names, row->what, &nb));
	pki_sql_text(q, 3, row->protocol);
	pki_sql_text(q, 4, row->from);
	pki_sql_text(q, 5, row->who);
	pki_sql_text(q, 6, row->name);
	pki_sql_text(q, 7, row->serial);
	pki_sql_text(q, 8, row->why);
	if (pki_sql_done(s, q, "write", e) < 0)
		return -1;
	return row->what == PKI_AUDIT_REFUSED ||
	    row->what == PKI_AUDIT_AGAIN ? trim(s, e) : 0;
}

static const char *
text(sqlite3_stmt *q, int i)
{
	const unsigned char *t = sqlite3_column_text(q, i);

	return t == NULL ? "" : (const char *)t;
}

static void
take(sqlite3_stmt *q, struct pki_audit_row *row)
{
	uint32_t what = PKI_AUDIT_REFUSED;

	(void)name_value(pki_audit_what_names, text(q, 1), &what);
	*row = (struct pki_audit_row){ .at = sqlite3_column_int64(q, 0),
		.what = what, .protocol = text(q, 2), .from = text(q, 3),
		.who = text(q, 4), .name = text(q, 5), .serial = text(q, 6),
		.why = text(q, 7) };
}

int
pki_audit_each(struct pki_store *s, const struct pki_audit_filter *f,
    int (*fn)(void *arg, const struct pki_audit_row *row), void *arg,
    struct err *e)
{
	struct pki_audit_row row;
	sqlite3_stmt *q;
	int rc = 0, stop = 0;

	if (tables(s, e) < 0 || (q = pki_sql_prepare(s,
	    "SELECT at, what, protocol, origin, who, name, serial, why FROM "
	    "(SELECT * FROM audit WHERE at >= ?1 AND (?3 IS NULL OR "
	    "name = ?3 OR serial = lower(?3) OR who = 'token ' || ?3) AND "
	    "(?4 IS NULL OR what = ?4) AND (?5 IS NULL OR protocol = ?5) AND "
	    "(?6 IS NULL OR substr(origin, 1, length(?6)) = ?6) "
	    "ORDER BY number DESC LIMIT ?2) ORDER BY number", e)) == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, f->since);
	sqlite3_bind_int64(q, 2, f->last == 0 ? -1 : (sqlite3_int64)f->last);
	pki_sql_text(q, 3, f->name);
	pki_sql_text(q, 4, f->what);
	pki_sql_text(q, 5, f->protocol);
	pki_sql_text(q, 6, f->from);
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		take(q, &row);
		stop = fn(arg, &row);
	}
	return pki_sql_read(s, q, rc, stop, e);
}
