/* SCEP at the desk; the interface is in pki_desk.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "base/addr.h"
#include "pki_desk.h"
#include "pki_grant.h"
#include "pki_key.h"
#include "pki_scep.h"
#include "pki_sql.h"

#define DAY		86400
#define CHALLENGE	(PKI_GRANT_ID + PKI_GRANT_PASSWORD)

/*
 * What waits for an approval: a poll has nothing but its transaction.  One row
 * a token, as long as that is good, so that who has one can not fill the disk.
 */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS scep_wait("
    " id TEXT PRIMARY KEY, token TEXT NOT NULL, request BLOB NOT NULL,"
    " at INTEGER NOT NULL)";

/* Of this token another one may wait, of before; of others what is over. */
static int
wait_clear(struct pki_store *s, const char *token, int64_t now,
    struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "DELETE FROM scep_wait WHERE "
	    "token = ?1 OR token NOT IN (SELECT id FROM token WHERE "
	    "expires > ?2 AND state <> 'withdrawn')", e);

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, token);
	sqlite3_bind_int64(q, 2, now);
	return pki_sql_done(s, q, "write", e);
}

static int
wait_put(struct pki_store *s, const struct pki_scep_want *w,
    const char *token, struct err *e)
{
	sqlite3_stmt *q = pki_sql_prepare(s, "INSERT INTO scep_wait(id, token, "
	    "request, at) VALUES(?, ?, ?, ?)", e);

	if (q == NULL)
		return -1;
	pki_sql_text(q, 1, w->transaction);
	pki_sql_text(q, 2, token);
	pki_sql_blob(q, 3, w->request);
	sqlite3_bind_int64(q, 4, w->now);
	return pki_sql_done(s, q, "write", e);
}

/* 1: found. */
static int
wait_find(struct pki_store *s, const char *transaction,
    char token[PKI_GRANT_ID + 1], struct secret **request, struct err *e)
{
	sqlite3_stmt *q;
	struct rbuf r;
	int rc;

	if (pki_sql_run(s, schema, "make tables", e) < 0 ||
	    (q = pki_sql_prepare(s, "SELECT token, request FROM scep_wait "
	    "WHERE id = ?", e)) == NULL)
		return -1;
	pki_sql_text(q, 1, transaction);
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		pki_sql_column_text(q, 0, token, PKI_GRANT_ID + 1);
		r = pki_sql_column(q, 1);
		*request = secret_copy(r.p, rbuf_left(&r));
	}
	sqlite3_finalize(q);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 0 : pki_sql_failed(s, "read", e);
	return *request != NULL ? 1 : err_set(e, ENOMEM, "out of memory");
}

/* The token's own is replaced: it takes but one key.  That of another, who
 * happens to have the same transaction or guessed it, stays. */
static int
wait_add(struct pki_store *s, const struct pki_scep_want *w,
    const char *token, struct err *e)
{
	char other[PKI_GRANT_ID + 1];
	struct secret *request = NULL;
	int rc = -1, found;

	if (pki_sql_run(s, schema, "make tables", e) < 0 ||
	    pki_store_begin(s, e) < 0)
		return -1;
	if (wait_clear(s, token, w->now, e) == 0 &&
	    (found = wait_find(s, w->transaction, other, &request, e)) >= 0)
		rc = found > 0 ? err_set(e, EPERM, "this transaction is that "
		    "of another request: use another ID") :
		    wait_put(s, w, token, e);
	if (rc == 0)
		rc = pki_store_commit(s, e);
	pki_store_rollback(s);
	secret_free(request);
	return rc;
}

static enum pki_scep_answer
say(enum desk_says says)
{
	switch (says) {
	case DESK_ISSUED:
		return PKI_SCEP_ISSUE;
	case DESK_WAIT:
		return PKI_SCEP_WAIT;
	case DESK_REFUSED:
		return PKI_SCEP_REFUSE;
	case DESK_FAILED:
		break;
	}
	return PKI_SCEP_FAILED;
}

/* The challenge is the token's id and its secret together. */
static enum pki_scep_answer
by_challenge(struct desk *d, const struct pki_scep_want *w, X509 **out,
    struct err *e)
{
	char id[PKI_GRANT_ID + 1], password[PKI_GRANT_PASSWORD + 1];
	struct desk_enrol q = { .protocol = "scep", .from = w->from,
		.user = id, .password = password, .request = w->request };
	struct err wrong;
	enum desk_says says;

	if (strlen(w->challenge) != CHALLENGE) {
		err_set(e, EACCES, "the challenge is no token of ours");
		return PKI_SCEP_REFUSE;
	}
	memcpy(id, w->challenge, PKI_GRANT_ID);
	id[PKI_GRANT_ID] = '\0';
	memcpy(password, w->challenge + PKI_GRANT_ID, sizeof(password));
	says = desk_enrol(d, &q, w->now, out, e);
	secret_wipe(password, sizeof(password));
	if (says == DESK_WAIT && wait_add(d->store, w, id, &wrong) < 0) {
		*e = wrong;
		return wrong.code == EPERM ? PKI_SCEP_REFUSE :
		    PKI_SCEP_FAILED;
	}
	return say(says);
}

/* The old certificate has signed the message. */
static enum pki_scep_answer
by_old(struct desk *d, const struct pki_scep_want *w, X509 **out,
    struct err *e)
{
	struct desk_enrol q = { .protocol = "scep", .from = w->from,
		.proven = true, .request = w->request };
	unsigned char *der = NULL;
	int len = i2d_X509((X509 *)(uintptr_t)w->old, &der);
	enum desk_says says = DESK_FAILED;

	if (len > 0) {
		q.certificate = rbuf_of(der, (size_t)len);
		says = desk_enrol(d, &q, w->now, out, e);
	} else
		err_set(e, ENOMEM, "out of memory");
	OPENSSL_free(der);
	return say(says);
}

/* Is the poll signed with the key that the request is for? */
static bool
same_key(const struct secret *request, const X509 *signer)
{
	const unsigned char *p = request->b;
	X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)request->len);
	EVP_PKEY *mine = r == NULL ? NULL : X509_REQ_get0_pubkey(r);
	EVP_PKEY *theirs = signer == NULL ? NULL : X509_get0_pubkey(signer);
	bool same = mine != NULL && theirs != NULL &&
	    EVP_PKEY_eq(mine, theirs) == 1;

	X509_REQ_free(r);
	ERR_clear_error();
	return same;
}

static enum pki_scep_answer
by_poll(struct desk *d, const struct pki_scep_want *w, X509 **out,
    struct err *e)
{
	char token[PKI_GRANT_ID + 1];
	struct desk_enrol q = { .protocol = "scep", .from = w->from,
		.user = token };
	struct secret *request = NULL;
	enum pki_scep_answer a = PKI_SCEP_FAILED;
	int rc = wait_find(d->store, w->transaction, token, &request, e);

	if (rc == 0 || (rc > 0 && !same_key(request, w->signer))) {
		err_set(e, EPERM, "nothing of this transaction waits");
		a = PKI_SCEP_REFUSE;
	} else if (rc > 0) {
		q.request = rbuf_of(request->b, request->len);
		a = say(desk_enrol(d, &q, w->now, out, e));
	}
	secret_free(request);
	return a;
}

static enum pki_scep_answer
on_issue(void *arg, const struct pki_scep_want *w, X509 **out, struct err *e)
{
	if (rbuf_left(&w->request) == 0)
		return by_poll(arg, w, out, e);
	return w->old != NULL ? by_old(arg, w, out, e) :
	    by_challenge(arg, w, out, e);
}

static int
on_row(void *arg, const struct pki_row *row)
{
	const unsigned char *p = row->der.p;
	X509 **x = arg;

	*x = d2i_X509(NULL, &p, (long)rbuf_left(&row->der));
	ERR_clear_error();
	return 1;
}

static X509 *
on_find(void *arg, const char *serial, struct err *e)
{
	struct desk *d = arg;
	X509 *x = NULL;

	if (pki_store_each(d->store, serial, on_row, &x, e) < 0)
		return NULL;
	if (x == NULL)
		err_set(e, ENOENT, "there is no such certificate");
	return x;
}

static int
on_generation(void *arg, const struct pki_row *row)
{
	*(int64_t *)arg = row->generation;
	return 1;
}

/* Of the key that has signed it: while keys roll over there are two.  RAs and
 * the CA itself have no row. */
static X509_CRL *
on_list(void *arg, const char *serial, struct err *e)
{
	struct desk *d = arg;
	int64_t generation = 0;

	return pki_store_each(d->store, serial, on_generation, &generation,
	    e) < 0 ? NULL : desk_crl_x509(d, generation, d->now, e);
}

/* ---------------------------------------------------------------------- RA */

/* Routers keep what they were shown once, so it stays the same for as long as
 * the CA's key does; locked as that key is. */
static const char ra_schema[] =
    "CREATE TABLE IF NOT EXISTS scep_ra("
    " generation INTEGER PRIMARY KEY, certificate BLOB NOT NULL,"
    " key TEXT NOT NULL)";

static int
ra_read(struct desk *d, sqlite3_stmt *q, struct err *e)
{
	struct rbuf der = pki_sql_column(q, 0), key = pki_sql_column(q, 1);
	const unsigned char *p = der.p;
	struct secret *pem = secret_copy(key.p, rbuf_left(&key));

	if (pem == NULL)
		return err_set(e, ENOMEM, "out of memory");
	d->ra = d2i_X509(NULL, &p, (long)rbuf_left(&der));
	d->ra_key = pki_key_read((char *)pem->b, pem->len, d->pass, e);
	secret_free(pem);
	if (d->ra != NULL && d->ra_key != NULL)
		return 0;
	desk_forget_keys(d);
	return err_in(e, "SCEP's key in the store");
}

/* 0 with d->ra NULL: there is none. */
static int
ra_load(struct desk *d, struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	if (pki_sql_run(d->store, ra_schema, "make tables", e) < 0 ||
	    (q = pki_sql_prepare(d->store, "SELECT certificate, key FROM "
	    "scep_ra WHERE generation = ?", e)) == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, d->generations[0]);
	rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		rc = ra_read(d, q, e);
	else
		rc = rc == SQLITE_DONE ? 0 : pki_sql_failed(d->store, "read",
		    e);
	sqlite3_finalize(q);
	return rc;
}

static int
ra_keep(struct desk *d, struct err *e)
{
	struct secret *pem = pki_key_pem(d->ra_key, d->pass, e);
	unsigned char *der = NULL;
	int len = i2d_X509(d->ra, &der), rc = -1;
	sqlite3_stmt *q = NULL;

	if (pem != NULL && len > 0)
		q = pki_sql_prepare(d->store, "INSERT OR REPLACE INTO "
		    "scep_ra(generation, certificate, key) VALUES(?, ?, ?)",
		    e);
	if (q != NULL) {
		sqlite3_bind_int64(q, 1, d->generations[0]);
		pki_sql_blob(q, 2, rbuf_of(der, (size_t)len));
		sqlite3_bind_text(q, 3, (const char *)pem->b, (int)pem->len,
		    SQLITE_STATIC);
		rc = pki_sql_done(d->store, q, "write", e);
	}
	OPENSSL_free(der);
	secret_free(pem);
	return rc;
}

/* Days until the CA's own certificate ends. */
static uint64_t
days_left(const X509 *ca, int64_t now)
{
	struct cert *c = cert_of_x509((X509 *)(uintptr_t)ca, NULL);
	int64_t end = c == NULL ? now : cert_not_after(c);

	cert_free(c);
	return end - now > DAY ? (uint64_t)((end - now) / DAY) : 1;
}

/* RSA for the envelope (RFC 8894, 2.2). */
static int
ra_make(struct desk *d, int64_t now, struct err *e)
{
	uint8_t serial[PKI_SERIAL_LEN];

	if (EVP_PKEY_get_base_id(d->cas[0].key) == EVP_PKEY_RSA ||
	    d->ra != NULL)
		return 0;
	if (ra_load(d, e) < 0)
		return -1;
	if (d->ra != NULL)
		return 0;
	if (pki_serial_make(serial, e) < 0 || pki_scep_ra(&d->cas[0], serial,
	    now, days_left(d->cas[0].cert, now), &d->ra, &d->ra_key, e) < 0)
		return -1;
	if (ra_keep(d, e) == 0)
		return 0;
	desk_forget_keys(d);
	return -1;
}

void
desk_forget_keys(struct desk *d)
{
	X509_free(d->ra);
	EVP_PKEY_free(d->ra_key);
	d->ra = NULL;
	d->ra_key = NULL;
	secret_free(d->tls);
	d->tls = NULL;
}

/* Certificates besides the CA's own: those up to the root, and those of the
 * keys before, which may be renewed.  Lists that end in NULL. */
struct others {
	struct cert_set	 chain;
	X509		*above[CERT_SET_MAX + 1], *before[DESK_KEYS];
	X509		*next;		/* owned; NULL: none is prepared */
};

static void
others_fini(struct others *o)
{
	cert_set_fini(&o->chain);
	X509_free(o->next);
}

static int
next_take(struct others *o, const struct desk *d, struct err *e)
{
	struct pki_store_ca ca;
	const unsigned char *p;

	if (pki_store_authority(d->store, PKI_CA_WAITING, &ca, e) < 0) {
		if (e->code != ENOENT)
			return -1;
		err_clear(e);
		return 0;
	}
	p = ca.cert.p;
	if (rbuf_left(&ca.cert) > 0)
		o->next = d2i_X509(NULL, &p, (long)rbuf_left(&ca.cert));
	ERR_clear_error();
	return 0;
}

static int
others_take(struct others *o, const struct desk *d, struct err *e)
{
	size_t i, n = 0;

	memset(o, 0, sizeof(*o));
	if (pki_store_trust(d->store, &o->chain, NULL, e) < 0 ||
	    next_take(o, d, e) < 0)
		return -1;
	for (i = 0; i < o->chain.n; i++) {
		X509 *x = (X509 *)(uintptr_t)cert_x509(o->chain.v[i]);

		if (X509_cmp(x, d->cas[0].cert) != 0)
			o->above[n++] = x;
	}
	for (i = 1; i < d->n_cas; i++)
		o->before[i - 1] = d->cas[i].cert;
	return 0;
}

static void
answer(struct desk *d, const struct pki_scep_call *c, struct wbuf *room,
    struct desk_reply *r)
{
	struct pki_scep s = { .ca = d->cas[0], .legacy = d->scep_legacy,
		.ra = d->ra != NULL ? d->ra : d->cas[0].cert,
		.ra_key = d->ra != NULL ? d->ra_key : d->cas[0].key,
		.ops = { d, on_issue, on_find, on_list } };
	struct pki_scep_reply out = { .body = room };
	struct others o;

	if (others_take(&o, d, &r->why) < 0) {
		desk_refuse(r, 503, &r->why);
		others_fini(&o);
		return;
	}
	s.above = o.above;
	s.before = o.before;
	s.next = o.next;
	if (pki_scep_answer(&s, c, &out, &r->why) < 0)
		desk_refuse(r, 503, &r->why);
	else {
		desk_say(r, out.type, room->buf, room->len);
		r->head.status = (uint16_t)out.status;
	}
	others_fini(&o);
}

void
desk_scep(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	struct addr_buf ab;
	const struct pki_scep_call c = { .operation = a->rest,
		.message = body, .from = addr_text(&a->from, &ab),
		.now = now };
	const struct desk_enrol q = { .protocol = "scep", .from = c.from };
	struct secret *room = secret_new(SCEP_REPLY_MAX);
	struct wbuf w;

	d->now = now;
	d->noted = false;
	if (room == NULL)
		err_set(&r->why, ENOMEM, "out of memory");
	if (room == NULL || ra_make(d, now, &r->why) < 0) {
		desk_refuse(r, 503, &r->why);
		secret_free(room);
		return;
	}
	w = wbuf_of(room->b, SCEP_REPLY_MAX);
	answer(d, &c, &w, r);
	if (r->why.code != 0 && r->head.status < 500 && !d->noted &&
	    rbuf_left(&body) > 0)
		desk_note_refusal(d, &q, now, &r->why);
	secret_free(room);
}
