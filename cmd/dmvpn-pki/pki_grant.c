#include "pki_grant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/num.h"
#include "base/secret.h"
#include "base/text.h"
#include "pki_sql.h"

const struct name pki_grant_state_names[] = {
	PKI_GRANT_STATES(NAME_ROW) NAME_END
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS token("
    " id TEXT PRIMARY KEY, hash BLOB NOT NULL, name TEXT NOT NULL,"
    " profile TEXT NOT NULL, names TEXT NOT NULL, blocks TEXT NOT NULL,"
    " days INTEGER NOT NULL, made INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, hold INTEGER NOT NULL,"
    " state TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0,"
    " serial TEXT NOT NULL DEFAULT '', key BLOB NOT NULL DEFAULT x'')";

#define COLUMNS "id, hash, name, profile, names, blocks, days, made, " \
    "expires, hold, state, used, serial, key"

/* --------------------------------------------------------------- contents */

static const struct name kinds[] = {
	{ GEN_DNS, "dns" }, { GEN_EMAIL, "email" }, { GEN_IPADD, "ip" },
	{ 0, NULL },
};

/* In the column of names: who knows no AS numbers refuses the token. */
#define AS_WORD		"as:"

static void
put(struct wbuf *w, const char *text)
{
	wbuf_put(w, text, strlen(text));
}

int
pki_grant_fill(struct pki_grant *g, const struct pki_want *w, struct err *e)
{
	struct wbuf names = wbuf_of(g->names, sizeof(g->names) - (w->as != 0 ?
	    strlen(" " AS_WORD "4294967295") : 0));
	struct wbuf blocks = wbuf_of(g->blocks, sizeof(g->blocks));
	struct addr_buf ab;
	struct name_buf nb;
	size_t i;

	for (i = 0; i < w->n_sans; i++) {
		put(&names, i > 0 ? " " : "");
		put(&names, name_text(kinds, (uint32_t)w->sans[i].type, &nb));
		put(&names, ":");
		put(&names, w->sans[i].text);
	}
	for (i = 0; i < w->blocks.n; i++) {
		put(&blocks, i > 0 ? " " : "");
		put(&blocks, prefix_text(&w->blocks.v[i], &ab));
	}
	wbuf_u8(&names, '\0');
	wbuf_u8(&blocks, '\0');
	g->as = w->as;
	snprintf(g->name, sizeof(g->name), "%s", w->name);
	snprintf(g->profile, sizeof(g->profile), "%s", w->profile->name);
	return wbuf_ok(&names) && wbuf_ok(&blocks) ? 0 : err_set(e, E2BIG,
	    "too many names or blocks for one token");
}

static int
want_name(struct pki_want *w, char *word, struct err *e)
{
	char *colon = strchr(word, ':');
	uint32_t kind;

	if (colon == NULL)
		return err_set(e, EUCLEAN, "the token's names are damaged");
	*colon = '\0';
	if (name_value(kinds, word, &kind) < 0)
		return err_set(e, EUCLEAN, "the token's names are damaged");
	return pki_want_san(w, (int)kind, colon + 1, e);
}

int
pki_grant_want(struct pki_grant *g, struct pki_want *w, int64_t now,
    struct err *e)
{
	char *rest = g->names, *word;

	w->name = g->name;
	w->as = g->as;
	if ((w->profile = pki_profile_find(g->profile, e)) == NULL)
		return -1;
	while ((word = strsep(&rest, " ")) != NULL)
		if (word[0] != '\0' && want_name(w, word, e) < 0)
			return -1;
	rest = g->blocks;
	while ((word = strsep(&rest, " ")) != NULL)
		if (word[0] != '\0' && pki_want_subnet(w, word, e) < 0)
			return -1;
	return pki_want_days(w, now, g->days, e);
}

const char *
pki_grant_state_text(const struct pki_grant *g, int64_t now)
{
	if (g->expires <= now && g->state != PKI_GRANT_USED &&
	    g->state != PKI_GRANT_WITHDRAWN)
		return "expired";
	return name_find(pki_grant_state_names, g->state);
}

/* -------------------------------------------------------------------- rows */

static int
hash_of(const void *octets, size_t len, uint8_t out[32], struct err *e)
{
	return EVP_Digest(octets, len, out, NULL, EVP_sha256(), NULL) == 1 ?
	    0 : err_set(e, ENOMEM, "SHA-256");
}

static int
tables(struct pki_store *s, struct err *e)
{
	return pki_sql_run(s, schema, "make tables", e);
}

/* Names, and what is put after them. */
static void
join_names(const struct pki_grant *g, char *out, size_t len)
{
	if (g->as == 0)
		snprintf(out, len, "%s", g->names);
	else
		snprintf(out, len, "%s " AS_WORD "%u", g->names, g->as);
}

static void
split_names(struct pki_grant *g)
{
	char *at = strstr(g->names, " " AS_WORD);
	uint64_t as;

	if (at == NULL || num_parse(at + 1 + strlen(AS_WORD), 1,
	    UINT32_MAX - 1, &as, NULL) < 0)
		return;
	g->as = (uint32_t)as;
	*at = '\0';
}

int
pki_grant_add(struct pki_store *s, const struct pki_grant *g,
    const uint8_t secret[PKI_TOKEN_SECRET], struct err *e)
{
	char names[PKI_GRANT_NAMES + 16];
	uint8_t hash[32];
	sqlite3_stmt *q;

	join_names(g, names, sizeof(names));
	if (hash_of(secret, PKI_TOKEN_SECRET, hash, e) < 0 ||
	    tables(s, e) < 0 || (q = pki_sql_prepare(s,
	    "INSERT INTO token(id, hash, name, profile, names, blocks, days, "
	    "made, expires, hold, state) VALUES(?,?,?,?,?,?,?,?,?,?,'new')",
	    e)) == NULL)
		return -1;
	pki_sql_text(q, 1, g->id);
	sqlite3_bind_blob(q, 2, hash, sizeof(hash), SQLITE_STATIC);
	pki_sql_text(q, 3, g->name);
	pki_sql_text(q, 4, g->profile);
	pki_sql_text(q, 5, names);
	pki_sql_text(q, 6, g->blocks);
	sqlite3_bind_int64(q, 7, (sqlite3_int64)g->days);
	sqlite3_bind_int64(q, 8, g->made);
	sqlite3_bind_int64(q, 9, g->expires);
	sqlite3_bind_int(q, 10, g->hold);
	return pki_sql_done(s, q, "write", e);
}

static void
column_octets(sqlite3_stmt *q, int i, uint8_t out[32])
{
	struct rbuf r = pki_sql_column(q, i);

	rbuf_copy(&r, out, 32);
}

static void
take_row(sqlite3_stmt *q, struct pki_grant *g, uint8_t hash[32])
{
	uint32_t state = PKI_GRANT_WITHDRAWN;
	char text[16];

	memset(g, 0, sizeof(*g));
	pki_sql_column_text(q, 0, g->id, sizeof(g->id));
	column_octets(q, 1, hash);
	pki_sql_column_text(q, 2, g->name, sizeof(g->name));
	pki_sql_column_text(q, 3, g->profile, sizeof(g->profile));
	pki_sql_column_text(q, 4, g->names, sizeof(g->names));
	split_names(g);
	pki_sql_column_text(q, 5, g->blocks, sizeof(g->blocks));
	g->days = (uint64_t)sqlite3_column_int64(q, 6);
	g->made = sqlite3_column_int64(q, 7);
	g->expires = sqlite3_column_int64(q, 8);
	g->hold = sqlite3_column_int(q, 9) != 0;
	pki_sql_column_text(q, 10, text, sizeof(text));
	(void)name_value(pki_grant_state_names, text, &state);
	g->state = state;
	g->used = sqlite3_column_int64(q, 11);
	pki_sql_column_text(q, 12, g->serial, sizeof(g->serial));
	column_octets(q, 13, g->key);
}

int
pki_grant_each(struct pki_store *s, const char *what,
    int (*fn)(void *arg, const struct pki_grant *g), void *arg,
    struct err *e)
{
	uint8_t hash[32];
	struct pki_grant g;
	sqlite3_stmt *q;
	int rc = 0, stop = 0;

	if (tables(s, e) < 0 || (q = pki_sql_prepare(s,
	    "SELECT " COLUMNS " FROM token WHERE ?1 IS NULL OR id = ?1 OR "
	    "name = ?1 ORDER BY made, id", e)) == NULL)
		return -1;
	pki_sql_text(q, 1, what);
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		take_row(q, &g, hash);
		stop = fn(arg, &g);
	}
	return pki_sql_read(s, q, rc, stop, e);
}

/* 1: it is there. */
static int
find_row(struct pki_store *s, const char *id, struct pki_grant *g,
    uint8_t hash[32], struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	if (tables(s, e) < 0 || (q = pki_sql_prepare(s,
	    "SELECT " COLUMNS " FROM token WHERE id = ?1", e)) == NULL)
		return -1;
	pki_sql_text(q, 1, id);
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		take_row(q, g, hash);
	return pki_sql_read(s, q, rc, rc == SQLITE_ROW, e);
}

/* -1: it is no secret of ours; then hash is that of nothing anybody has. */
static int
hash_password(const char *password, uint8_t hash[32], struct err *e)
{
	uint8_t secret[PKI_TOKEN_SECRET] = { 0 };
	struct wbuf w = wbuf_of(secret, sizeof(secret));
	bool good = strlen(password) == PKI_GRANT_PASSWORD &&
	    text_unhex(password, &w, NULL) >= 0 && w.len == sizeof(secret);
	int rc = hash_of(secret, sizeof(secret), hash, e);

	secret_wipe(secret, sizeof(secret));
	return rc < 0 || !good ? -1 : 0;
}

static int
check_good(const struct pki_grant *g, int64_t now, struct err *e)
{
	if (g->state == PKI_GRANT_WITHDRAWN)
		return err_set(e, EPERM, "token %s was withdrawn", g->id);
	if (g->expires <= now)
		return err_set(e, EPERM, "token %s has expired", g->id);
	return 0;
}

int
pki_grant_find(struct pki_store *s, const char *id, const char *password,
    int64_t now, struct pki_grant *g, struct err *e)
{
	uint8_t given[32], kept[32] = { 0 };
	int good = hash_password(password, given, e) == 0;
	int found = find_row(s, id, g, kept, e);

	if (found < 0)
		return -1;
	/* The same work whether the id is known or not. */
	good &= secret_equal(given, kept, sizeof(given));
	if (!good || found == 0)
		return err_set(e, EACCES, "there is no such token, or its "
		    "secret is another");
	return check_good(g, now, e);
}

int
pki_grant_get(struct pki_store *s, const char *id, int64_t now,
    struct pki_grant *g, struct err *e)
{
	uint8_t hash[32];
	int found = find_row(s, id, g, hash, e);

	return found < 0 ? -1 : found > 0 ? check_good(g, now, e) :
	    err_set(e, ENOENT, "there is no token %s", id);
}

static int
set_state(struct pki_store *s, const char *id, enum pki_grant_state state,
    const uint8_t *key, const char *serial, int64_t now, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "UPDATE token SET state = ?2, "
	    "key = ?3, serial = ?4, used = ?5 WHERE id = ?1", e);

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, id);
	pki_sql_text(q, 2, name_find(pki_grant_state_names, state));
	sqlite3_bind_blob(q, 3, key, 32, SQLITE_STATIC);
	pki_sql_text(q, 4, serial);
	sqlite3_bind_int64(q, 5, now);
	return pki_sql_done(s, q, "write", e);
}

enum pki_grant_says
pki_grant_take(struct pki_store *s, const struct pki_grant *g,
    const uint8_t key[32], int64_t now, struct err *e)
{
	bool same = memcmp(g->key, key, sizeof(g->key)) == 0;

	switch (g->state) {
	case PKI_GRANT_NEW:
		if (!g->hold)
			return PKI_GRANT_ISSUE;
		return set_state(s, g->id, PKI_GRANT_PENDING, key, "", now,
		    e) < 0 ? PKI_GRANT_FAILED : PKI_GRANT_WAIT;
	case PKI_GRANT_PENDING:
		if (same)
			return PKI_GRANT_WAIT;
		break;
	case PKI_GRANT_APPROVED:
		if (same)
			return PKI_GRANT_ISSUE;
		break;
	case PKI_GRANT_USED:
		if (same)
			return PKI_GRANT_AGAIN;
		break;
	case PKI_GRANT_WITHDRAWN:
		break;
	}
	err_set(e, EPERM, "token %s was used already, with another key: "
	    "tokens are good for one", g->id);
	return PKI_GRANT_REFUSE;
}

int
pki_grant_used(struct pki_store *s, const struct pki_grant *g,
    const uint8_t key[32], const char *serial, int64_t now, struct err *e)
{
	return set_state(s, g->id, PKI_GRANT_USED, key, serial, now, e);
}

/* -------------------------------------------------------- by the operator */

static int
change(struct pki_store *s, const char *sql, const char *id,
    const char *wrong, struct err *e)
{
	sqlite3_stmt *q;

	if (tables(s, e) < 0 || (q = pki_sql_prepare(s, sql, e)) == NULL)
		return -1;
	pki_sql_text(q, 1, id);
	if (pki_sql_done(s, q, "write", e) < 0)
		return -1;
	return sqlite3_changes(s->db) > 0 ? 0 : err_set(e, ENOENT, "%s: %s",
	    id, wrong);
}

int
pki_grant_approve(struct pki_store *s, const char *id, struct err *e)
{
	return change(s, "UPDATE token SET state = 'approved' WHERE id = ?1 "
	    "AND state = 'pending'", id, "no token of that id waits for "
	    "approval", e);
}

int
pki_grant_withdraw(struct pki_store *s, const char *id, struct err *e)
{
	return change(s, "UPDATE token SET state = 'withdrawn' WHERE id = ?1 "
	    "AND state IN ('new', 'pending', 'approved')", id,
	    "there is no such token that could still be used", e);
}
