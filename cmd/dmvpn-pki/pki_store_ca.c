/* The CA's keys and what belongs to them; the interface is in pki_store.h. */
#include "pki_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pki_sql.h"

const struct name pki_ca_state_names[] = { PKI_CA_STATES(NAME_ROW) NAME_END };
const struct name pki_extra_names[] = { PKI_EXTRAS(NAME_ROW) NAME_END };
const struct name pki_setting_names[] = { PKI_SETTINGS(NAME_ROW) NAME_END };

#define TABLE_AUTHORITY							\
    "CREATE TABLE IF NOT EXISTS authority("				\
    " generation INTEGER PRIMARY KEY,"					\
    " state TEXT NOT NULL CHECK(state IN"				\
    "  ('waiting', 'active', 'old', 'retired')),"			\
    " certificate BLOB, key TEXT,"					\
    " crl_number INTEGER NOT NULL DEFAULT 0);"				\
    "CREATE UNIQUE INDEX IF NOT EXISTS authority_one ON"		\
    " authority(state) WHERE state IN ('waiting', 'active');"
#define TABLE_CERTIFICATE(name)						\
    "CREATE TABLE IF NOT EXISTS " name "("				\
    " number INTEGER PRIMARY KEY, serial TEXT NOT NULL UNIQUE,"		\
    " name TEXT NOT NULL, profile TEXT NOT NULL,"			\
    " not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,"		\
    " revoked INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '',"\
    " der BLOB UNIQUE,"							\
    " generation INTEGER NOT NULL, partition INTEGER NOT NULL DEFAULT 0);"
#define TABLES_OTHER							\
    "CREATE INDEX IF NOT EXISTS certificate_name ON certificate(name);"	\
    "CREATE INDEX IF NOT EXISTS certificate_revoked ON"			\
    " certificate(generation, revoked) WHERE revoked <> 0;"		\
    "CREATE TABLE IF NOT EXISTS extra("					\
    " number INTEGER PRIMARY KEY, kind TEXT NOT NULL,"			\
    " generation INTEGER NOT NULL, der BLOB NOT NULL,"			\
    " UNIQUE(generation, der));"					\
    "CREATE TABLE IF NOT EXISTS setting("				\
    " name TEXT PRIMARY KEY, value TEXT NOT NULL);"			\
    "PRAGMA user_version = 2; PRAGMA application_id = 1145919056;"

static const char tables[] = TABLE_AUTHORITY TABLE_CERTIFICATE("certificate")
    TABLES_OTHER;

/* Version 1 had one key, and no certificate without its octets. */
static const char from_1[] = TABLE_AUTHORITY
    TABLE_CERTIFICATE("certificate_2")
    "INSERT INTO authority SELECT 1, 'active', certificate, key, crl_number"
    " FROM ca; DROP TABLE ca;"
    "INSERT INTO certificate_2 SELECT number, serial, name, profile,"
    " not_before, not_after, revoked, why, der, 1, 0 FROM certificate;"
    "DROP TABLE certificate;"
    "ALTER TABLE certificate_2 RENAME TO certificate;"
    TABLES_OTHER;

int
pki_store_tables(struct pki_store *s, struct err *e)
{
	return pki_sql_run(s, tables, "make tables", e);
}

/* Another program may be faster. */
int
pki_store_upgrade(struct pki_store *s, struct err *e)
{
	int64_t version;
	int rc = -1;

	if (pki_store_begin(s, e) < 0)
		return -1;
	version = pki_sql_number(s, "PRAGMA user_version", e);
	if (version == 1)
		rc = pki_sql_run(s, from_1, "upgrade", e);
	else if (version > 1)
		rc = 0;
	if (rc == 0)
		return pki_store_commit(s, e);
	(void)pki_sql_run(s, "ROLLBACK", "end", NULL);
	return -1;
}

/* ------------------------------------------------------------------- keys */

static const char *
state_text(enum pki_ca_state state)
{
	return name_find(pki_ca_state_names, state);
}

int
pki_store_add_authority(struct pki_store *s, enum pki_ca_state state,
    struct rbuf cert, struct rbuf key, int64_t *generation, struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	if (pki_store_tables(s, e) < 0 || (q = pki_sql_prepare(s, "INSERT "
	    "INTO authority(generation, state, certificate, key) VALUES("
	    "(SELECT coalesce(max(generation), 0) + 1 FROM authority), "
	    "?, ?, ?)", e)) == NULL)
		return -1;
	pki_sql_text(q, 1, state_text(state));
	pki_sql_blob(q, 2, cert);
	sqlite3_bind_text(q, 3, (const char *)key.p, (int)rbuf_left(&key),
	    SQLITE_STATIC);
	rc = sqlite3_step(q);
	sqlite3_finalize(q);
	if (rc == SQLITE_CONSTRAINT)
		return err_set(e, EEXIST, "%s: there is a CA key in it that is "
		    "%s already", s->path, state_text(state));
	if (rc != SQLITE_DONE)
		return pki_sql_failed(s, "write", e);
	if (generation != NULL)
		*generation = sqlite3_last_insert_rowid(s->db);
	return 0;
}

int
pki_store_set_ca(struct pki_store *s, struct rbuf cert, struct rbuf key,
    struct err *e)
{
	int64_t n;

	if (pki_store_tables(s, e) < 0 || (n = pki_sql_number(s,
	    "SELECT count(*) FROM authority", e)) < 0)
		return -1;
	if (n > 0)
		return err_set(e, EEXIST, "%s: there is a CA in it already",
		    s->path);
	return pki_store_add_authority(s, PKI_CA_ACTIVE, cert, key, NULL, e);
}

int
pki_store_set_state(struct pki_store *s, int64_t generation,
    enum pki_ca_state state, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "UPDATE authority SET state = ?1, "
	    "key = CASE ?1 WHEN 'retired' THEN NULL ELSE key END "
	    "WHERE generation = ?2", e);

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, state_text(state));
	sqlite3_bind_int64(q, 2, generation);
	return pki_sql_done(s, q, "write", e);
}

int
pki_store_is_active(struct pki_store *s, struct rbuf cert, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "SELECT 1 FROM authority WHERE "
	    "state = 'active' AND certificate = ?", e);
	int rc;

	if (q == NULL)
		return -1;
	pki_sql_blob(q, 1, cert);
	rc = sqlite3_step(q);
	sqlite3_finalize(q);
	if (rc == SQLITE_DONE)
		return err_set(e, EAGAIN, "the CA's key has changed meanwhile: "
		    "try again");
	return rc == SQLITE_ROW ? 0 : pki_sql_failed(s, "read", e);
}

int
pki_store_set_certificate(struct pki_store *s, int64_t generation,
    struct rbuf cert, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "UPDATE authority SET "
	    "certificate = ? WHERE generation = ?", e);

	if (q == NULL)
		return -1;
	pki_sql_blob(q, 1, cert);
	sqlite3_bind_int64(q, 2, generation);
	return pki_sql_done(s, q, "write", e);
}

static struct secret *
text_copy_of(sqlite3_stmt *q, int i)
{
	struct rbuf r = pki_sql_column(q, i);
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
pki_store_authority(struct pki_store *s, enum pki_ca_state state,
    struct pki_store_ca *ca, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "SELECT certificate, key, "
	    "generation FROM authority WHERE state = ? ORDER BY generation",
	    e);
	int rc;

	if (q == NULL)
		return -1;
	secret_free(s->cert);
	secret_free(s->key);
	s->cert = s->key = NULL;
	pki_sql_text(q, 1, state_text(state));
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		s->cert = text_copy_of(q, 0);
		s->key = text_copy_of(q, 1);
		ca->generation = sqlite3_column_int64(q, 2);
	}
	sqlite3_finalize(q);
	if (rc == SQLITE_DONE)
		return err_set(e, ENOENT, "%s: there is no CA key in it that "
		    "is %s", s->path, state_text(state));
	if (rc != SQLITE_ROW)
		return pki_sql_failed(s, "read", e);
	if (s->cert == NULL || s->key == NULL)
		return err_set(e, ENOMEM, "%s", s->path);
	ca->cert = rbuf_of(s->cert->b, s->cert->len);
	ca->key = rbuf_of(s->key->b, s->key->len);
	return 0;
}

int
pki_store_ca(struct pki_store *s, struct pki_store_ca *ca, struct err *e)
{
	int64_t waiting;

	if (pki_store_authority(s, PKI_CA_ACTIVE, ca, e) == 0)
		return 0;
	if (e == NULL || e->code != ENOENT || (waiting = pki_sql_number(s,
	    "SELECT count(*) FROM authority", e)) < 0)
		return -1;
	return err_set(e, ENOENT, waiting > 0 ? "%s: the CA waits for its "
	    "certificate; give it with dmvpn-pki init --certificate" :
	    "%s: there is no CA in it; make one with dmvpn-pki init", s->path);
}

int
pki_store_authorities(struct pki_store *s,
    int (*fn)(void *arg, const struct pki_authority *a), void *arg,
    struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "SELECT generation, state, "
	    "certificate, key FROM authority ORDER BY generation", e);
	struct pki_authority a;
	int rc, stop = 0;
	char state[16];
	uint32_t v;

	if (q == NULL)
		return -1;
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		a.generation = sqlite3_column_int64(q, 0);
		pki_sql_column_text(q, 1, state, sizeof(state));
		if (name_value(pki_ca_state_names, state, &v) < 0)
			v = PKI_CA_RETIRED;
		a.state = (enum pki_ca_state)v;
		a.cert = pki_sql_column(q, 2);
		a.key = pki_sql_column(q, 3);
		stop = fn(arg, &a);
	}
	return pki_sql_read(s, q, rc, stop, e);
}

/* --------------------------------------------------- certificates beside them */

int
pki_store_add_extra(struct pki_store *s, enum pki_extra kind,
    int64_t generation, struct rbuf der, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "INSERT OR IGNORE INTO "
	    "extra(kind, generation, der) VALUES(?, ?, ?)", e);

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, name_find(pki_extra_names, kind));
	sqlite3_bind_int64(q, 2, generation);
	pki_sql_blob(q, 3, der);
	return pki_sql_done(s, q, "write", e);
}

int
pki_store_extras(struct pki_store *s, int (*fn)(void *arg,
    enum pki_extra kind, int64_t generation, struct rbuf der), void *arg,
    struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "SELECT kind, generation, der "
	    "FROM extra ORDER BY number", e);
	int rc, stop = 0;
	char kind[16];
	uint32_t v;

	if (q == NULL)
		return -1;
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		pki_sql_column_text(q, 0, kind, sizeof(kind));
		if (name_value(pki_extra_names, kind, &v) == 0)
			stop = fn(arg, (enum pki_extra)v,
			    sqlite3_column_int64(q, 1), pki_sql_column(q, 2));
	}
	return pki_sql_read(s, q, rc, stop, e);
}

int
pki_store_drop_extras(struct pki_store *s, int64_t generation, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "DELETE FROM extra WHERE "
	    "generation = ? OR kind IN ('new-by-old', 'old-by-new')", e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, generation);
	return pki_sql_done(s, q, "write", e);
}

struct trust {
	struct cert_set	*chain, *anchors;
	int64_t		 active;
	struct cert_set	 below;		/* ours that are no roots */
	bool		 root;
	struct err	*e;
};

static bool
has(const struct cert_set *set, struct rbuf der)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		struct rbuf one = cert_der(set->v[i]);

		if (rbuf_equal(&one, &der))
			return true;
	}
	return false;
}

static int
add(struct cert_set *set, struct rbuf der, struct err *e)
{
	return set == NULL || has(set, der) ? 0 :
	    cert_set_add_der(set, der, e);
}

/* A root is an anchor; what stands below one is sent. */
static int
trust_key(void *arg, const struct pki_authority *a)
{
	struct trust *t = arg;
	struct cert *c;
	bool root;

	if (a->state == PKI_CA_RETIRED || rbuf_left(&a->cert) == 0)
		return 0;
	if ((c = cert_parse(a->cert, t->e)) == NULL)
		return -1;
	root = cert_self_signed(c);
	cert_free(c);
	if (a->state == PKI_CA_ACTIVE)
		t->active = a->generation;
	if (root) {
		t->root = true;
		return add(t->anchors, a->cert, t->e);
	}
	if (add(&t->below, a->cert, t->e) < 0)
		return -1;
	return a->state == PKI_CA_ACTIVE ? add(t->chain, a->cert, t->e) : 0;
}

static int
trust_extra(void *arg, enum pki_extra kind, int64_t generation,
    struct rbuf der)
{
	struct trust *t = arg;

	switch (kind) {
	case PKI_EXTRA_ROOT:
		t->root = true;
		return add(t->anchors, der, t->e);
	case PKI_EXTRA_CHAIN:
	case PKI_EXTRA_NEW_BY_OLD:
		return generation == t->active ? add(t->chain, der, t->e) : 0;
	case PKI_EXTRA_OLD_BY_NEW:
		break;
	}
	return 0;
}

/* Below a root that certifies no addresses our own certificates are the
 * anchors. */
int
pki_store_trust(struct pki_store *s, struct cert_set *chain,
    struct cert_set *anchors, struct err *e)
{
	struct trust t = { .chain = chain, .anchors = anchors, .e = e };
	size_t i;
	int rc = pki_store_authorities(s, trust_key, &t, e);

	if (rc == 0)
		rc = pki_store_extras(s, trust_extra, &t, e);
	for (i = 0; rc == 0 && !t.root && i < t.below.n; i++)
		rc = add(anchors, cert_der(t.below.v[i]), e);
	cert_set_fini(&t.below);
	return rc == 0 ? 0 : -1;
}

struct links {
	struct cert_set	*out;
	struct err	*e;
};

static int
on_link(void *arg, enum pki_extra kind, int64_t generation, struct rbuf der)
{
	struct links *l = arg;

	(void)generation;
	return kind == PKI_EXTRA_NEW_BY_OLD ? add(l->out, der, l->e) : 0;
}

int
pki_store_links(struct pki_store *s, struct cert_set *links, struct err *e)
{
	struct links l = { links, e };

	return pki_store_extras(s, on_link, &l, e) == 0 ? 0 : -1;
}

/* ---------------------------------------------------------- what it goes by */

int
pki_store_setting(struct pki_store *s, enum pki_setting what,
    char out[PKI_SETTING_MAX], struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "SELECT value FROM setting WHERE "
	    "name = ?", e);
	int rc;

	out[0] = '\0';
	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, name_find(pki_setting_names, what));
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		pki_sql_column_text(q, 0, out, PKI_SETTING_MAX);
	sqlite3_finalize(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 :
	    pki_sql_failed(s, "read", e);
}

int
pki_store_set(struct pki_store *s, enum pki_setting what, const char *value,
    struct err *e)
{
	sqlite3_stmt *q;

	if (strlen(value) >= PKI_SETTING_MAX)
		return err_set(e, ENAMETOOLONG, "over %d octets",
		    PKI_SETTING_MAX - 1);
	q = pki_sql_prepare(s, "INSERT OR REPLACE INTO setting(name, value) "
	    "VALUES(?, ?)", e);
	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, name_find(pki_setting_names, what));
	pki_sql_text(q, 2, value);
	return pki_sql_done(s, q, "write", e);
}

/* -------------------------------------------------------------------- CRLs */

int
pki_store_crl_number_of(struct pki_store *s, int64_t generation,
    uint64_t *number, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "UPDATE authority SET "
	    "crl_number = crl_number + 1 WHERE generation = ? "
	    "RETURNING crl_number", e);
	int rc;

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, generation);
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		*number = (uint64_t)sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	if (rc == SQLITE_DONE)
		return err_set(e, ENOENT, "%s: there is no CA in it", s->path);
	return rc == SQLITE_ROW ? 0 : pki_sql_failed(s, "write", e);
}

int
pki_store_crl_number(struct pki_store *s, uint64_t *number, struct err *e)
{
	int64_t generation = pki_sql_number(s, "SELECT generation FROM "
	    "authority WHERE state = 'active'", e);

	return generation < 0 ? -1 : pki_store_crl_number_of(s, generation,
	    number, e);
}

int
pki_store_crl_above(struct pki_store *s, uint64_t number, struct err *e)
{
	sqlite3_stmt *q;

	if (number > INT64_MAX / 2)
		return err_set(e, ERANGE, "CRL number %llu is too high",
		    (unsigned long long)number);
	q = pki_sql_prepare(s, "UPDATE authority SET crl_number = "
	    "max(crl_number, ?) WHERE state = 'active'", e);
	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, (int64_t)number);
	return pki_sql_done(s, q, "write", e);
}
