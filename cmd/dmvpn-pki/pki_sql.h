#ifndef PKI_SQL_H
#define PKI_SQL_H

#include <stdint.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * SQLite below the store: for the files that own tables of it.
 */
struct pki_store {
	sqlite3		*db;
	struct secret	*cert;		/* what pki_store_ca lent */
	struct secret	*key;
	char		*path;
};

/* -1, and the sentence for what SQLite says. */
int pki_sql_failed(struct pki_store *s, const char *what, struct err *e);
int pki_sql_damaged(struct pki_store *s, struct err *e);

int pki_sql_run(struct pki_store *s, const char *sql, const char *what,
    struct err *e);
sqlite3_stmt *pki_sql_prepare(struct pki_store *s, const char *sql,
    struct err *e);
/* One number that a query gives, and that is not negative; -1 on error. */
int64_t pki_sql_number(struct pki_store *s, const char *sql, struct err *e);
/* Step a statement that gives no row, and finalize it. */
int pki_sql_done(struct pki_store *s, sqlite3_stmt *q, const char *what,
    struct err *e);
/* Finalize one whose rows were read: rc is what the last step gave; stop, which
 * is returned, is not 0 when there may be more rows.  -1 with e on error. */
int pki_sql_read(struct pki_store *s, sqlite3_stmt *q, int rc, int stop,
    struct err *e);

/* "PRAGMA quick_check" or the like: EUCLEAN when it does not say ok. */
int pki_sql_check(struct pki_store *s, const char *pragma, struct err *e);

/* What is bound must live until the statement is stepped. */
int pki_sql_blob(sqlite3_stmt *q, int i, struct rbuf r);	/* empty: NULL */
int pki_sql_text(sqlite3_stmt *q, int i, const char *text);
struct rbuf pki_sql_column(sqlite3_stmt *q, int i);
void pki_sql_column_text(sqlite3_stmt *q, int i, char *out, size_t len);

/* What the number of rows that are revoked does not tell: how many were given
 * back, and how many that were held are revoked for good.  In `setting`. */
#define PKI_RELEASES	"releases"
#define PKI_FINALS	"finals"

/* Tables of the store, as this version has them (pki_store_ca.c). */
int pki_store_tables(struct pki_store *s, struct err *e);
/* From the tables of an older version, in one transaction. */
int pki_store_upgrade(struct pki_store *s, struct err *e);

#endif
