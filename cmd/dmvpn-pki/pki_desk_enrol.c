/* Enrolment by those who come from outside; the interface is in pki_desk.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"
#include "pki_desk.h"
#include "pki_grant.h"
#include "pki_make.h"
#include "pki_proof.h"

#define NOTES_A_MINUTE	120	/* rows; more are not written down */
#define HOURLY			10	/* certificates of one name */

struct work {
	struct desk		*d;
	const struct desk_enrol	*q;
	int64_t			 now;
	char			 who[128], name[64], serial[48];
	X509			*out;
	bool			 unproven;	/* only TLS has seen the key */
	struct err		*e;
};

/* SHA-256 of the SubjectPublicKeyInfo. */
static int
key_hash(EVP_PKEY *k, uint8_t out[32], struct err *e)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(k, &der), ok;

	ok = len > 0 && EVP_Digest(der, (size_t)len, out, NULL, EVP_sha256(),
	    NULL) == 1;
	OPENSSL_free(der);
	ERR_clear_error();
	return ok ? 0 : err_set(e, ENOMEM, "public key");
}

static int
note(struct work *w, enum pki_audit_what what, const char *why,
    struct err *e)
{
	const struct pki_audit_row row = { .at = w->now, .what = what,
		.protocol = w->q->protocol, .from = w->q->from,
		.who = w->who, .name = w->name, .serial = w->serial,
		.why = why };

	return pki_audit_add(w->d->store, &row, e);
}

/* Nobody can make us write without end: what any number of questions makes. */
static int
note_some(struct work *w, enum pki_audit_what what, const char *why,
    struct err *e)
{
	struct desk *d = w->d;

	if (w->now / 60 != d->noted_at) {
		d->noted_at = w->now / 60;
		d->notes = 0;
	}
	return d->notes++ < NOTES_A_MINUTE ? note(w, what, why, e) : 0;
}

static X509 *
x509_of_row(const struct pki_row *row)
{
	const unsigned char *p = row->der.p;

	return d2i_X509(NULL, &p, (long)rbuf_left(&row->der));
}

static int
on_issued(void *arg, const struct pki_row *row)
{
	struct work *w = arg;

	if (row->revoked == 0)
		w->out = x509_of_row(row);
	return 1;
}

/* What was issued to the same key before. */
static enum desk_says
again(struct work *w)
{
	if (pki_store_each(w->d->store, w->serial, on_issued, w, w->e) < 0)
		return DESK_FAILED;
	if (w->out == NULL) {
		err_set(w->e, EPERM, "the certificate of this token was "
		    "revoked");
		return DESK_REFUSED;
	}
	return note_some(w, PKI_AUDIT_AGAIN, "", w->e) < 0 ? DESK_FAILED :
	    DESK_ISSUED;
}

/* Errors of the store and of memory are ours, others the client's. */
static enum desk_says
says_of(const struct err *e)
{
	switch (e->code) {
	case ENOMEM:
	case EIO:
	case ENOSPC:
	case EROFS:
	case EAGAIN:
	case EUCLEAN:
		return DESK_FAILED;
	default:
		return DESK_REFUSED;
	}
}

static enum desk_says
issue(struct work *w, struct pki_want *want, EVP_PKEY *key)
{
	char organisation[64];
	X509_NAME *n = X509_get_subject_name(w->d->cas[0].cert);

	if (X509_NAME_get_text_by_NID(n, NID_organizationName, organisation,
	    sizeof(organisation)) > 0)
		want->organisation = organisation;
	w->out = pki_make_cert(w->d->store, &w->d->cas[0], want, key, w->serial,
	    w->e);
	want->organisation = NULL;
	if (w->out == NULL)
		return says_of(w->e);
	return note(w, PKI_AUDIT_ISSUED, w->unproven ? "its old key was shown "
	    "to TLS only" : "", w->e) < 0 ? DESK_FAILED : DESK_ISSUED;
}

/* ------------------------------------------------------------- by a token */

static enum desk_says
take_grant(struct work *w, struct pki_grant *g, struct pki_want *want,
    EVP_PKEY *key)
{
	enum desk_says says;
	uint8_t hash[32];

	if (key_hash(key, hash, w->e) < 0)
		return DESK_FAILED;
	switch (pki_grant_take(w->d->store, g, hash, w->now, w->e)) {
	case PKI_GRANT_ISSUE:
		says = issue(w, want, key);
		return says == DESK_ISSUED && pki_grant_used(w->d->store, g,
		    hash, w->serial, w->now, w->e) < 0 ? DESK_FAILED : says;
	case PKI_GRANT_AGAIN:
		memcpy(w->serial, g->serial, sizeof(w->serial));
		return again(w);
	case PKI_GRANT_WAIT:
		if (g->state == PKI_GRANT_PENDING)
			return DESK_WAIT;	/* it is written down */
		return note(w, PKI_AUDIT_PENDING, "", w->e) < 0 ?
		    DESK_FAILED : DESK_WAIT;
	case PKI_GRANT_REFUSE:
		return DESK_REFUSED;
	case PKI_GRANT_FAILED:
		break;
	}
	return DESK_FAILED;
}

static enum desk_says
by_token(struct work *w)
{
	struct pki_want want = { .n_sans = 0 };
	enum desk_says says;
	struct pki_grant g;
	EVP_PKEY *key;

	if ((w->q->password == NULL ?
	    pki_grant_get(w->d->store, w->q->user, w->now, &g, w->e) :
	    pki_grant_find(w->d->store, w->q->user, w->q->password, w->now,
	    &g, w->e)) < 0)
		return says_of(w->e);
	snprintf(w->who, sizeof(w->who), "token %s", g.id);
	snprintf(w->name, sizeof(w->name), "%s", g.name);
	if (pki_grant_want(&g, &want, w->now, w->e) < 0 ||
	    (key = pki_issue_request(w->q->request.p,
	    rbuf_left(&w->q->request), &want, w->e)) == NULL)
		return says_of(w->e);
	says = take_grant(w, &g, &want, key);
	EVP_PKEY_free(key);
	return says;
}

/* ------------------------------------------------------- by a certificate */

/* RFC 7030, 4.2.2: subject and subjectAltName are identical. */
static int
check_identical(const struct rbuf *der, const struct cert *old,
    struct err *e)
{
	const unsigned char *p = der->p;
	X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)rbuf_left(der));
	STACK_OF(X509_EXTENSION) *exts = r == NULL ? NULL :
	    X509_REQ_get_extensions(r);
	int at = X509v3_get_ext_by_NID(exts, NID_subject_alt_name, -1);
	X509 *x = (X509 *)(uintptr_t)cert_x509(old);
	int was = X509_get_ext_by_NID(x, NID_subject_alt_name, -1), rc = 0;

	if (r == NULL)
		rc = err_set(e, EINVAL, "request: not PKCS#10");
	else if (X509_NAME_cmp(X509_REQ_get_subject_name(r),
	    X509_get_subject_name(x)) != 0)
		rc = err_set(e, EPERM, "request: its subject is not that of "
		    "the certificate that is renewed");
	else if ((at < 0) != (was < 0) || (at >= 0 &&
	    ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(
	    X509v3_get_ext(exts, at)), X509_EXTENSION_get_data(
	    X509_get_ext(x, was))) != 0))
		rc = err_set(e, EPERM, "request: its subjectAltName is not "
		    "that of the certificate that is renewed");
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	X509_REQ_free(r);
	ERR_clear_error();
	return rc;
}

/* Is it really ours, as the store has it, and alive? */
static int
check_old(const struct pki_again *a, const struct rbuf *given, int64_t now,
    struct err *e)
{
	struct rbuf kept = cert_der(a->cert);

	if (!rbuf_equal(&kept, given))
		return err_set(e, EACCES, "that certificate is not of this CA");
	if (cert_not_after(a->cert) < now)
		return err_set(e, EPERM, "the certificate has expired: a token "
		    "is wanted");
	return 0;
}

/* Whoever has taken over the half that speaks TLS has every certificate, but
 * no key of a peer. */
static int
check_proof(struct work *w, const struct cert *old)
{
	const unsigned char *p = w->q->request.p;
	X509_REQ *r;
	int rc;

	if (w->q->proven)
		return 0;
	r = d2i_X509_REQ(NULL, &p, (long)rbuf_left(&w->q->request));
	rc = r == NULL ? err_set(w->e, EINVAL, "request: not PKCS#10") :
	    pki_proof_check(r, (X509 *)(uintptr_t)cert_x509(old), w->e);
	X509_REQ_free(r);
	ERR_clear_error();
	w->unproven = rc == 0;
	if (rc == 0 && w->d->need_proof)
		return err_set(w->e, EPERM, "request: the old key must sign "
		    "for the new one, as dmvpn-pki enroll does");
	return rc < 0 ? -1 : 0;
}

struct recent {
	int64_t		since;
	unsigned	n;
};

static int
on_recent(void *arg, const struct pki_row *row)
{
	struct recent *r = arg;

	r->n += row->from >= r->since;
	return 0;
}

/* A token is good once; who has a certificate could come for ever. */
static int
check_often(struct work *w)
{
	struct recent r = { .since = w->now - 3600 };

	if (pki_store_each(w->d->store, w->name, on_recent, &r, w->e) < 0)
		return -1;
	return r.n < HOURLY ? 0 : err_set(w->e, EPERM, "%s was renewed %u "
	    "times within the hour", w->name, r.n);
}

static enum desk_says
by_certificate(struct work *w)
{
	struct pki_want want = { .n_sans = 0 };
	struct pki_again old = { .seen = 0 };
	struct cert *c = cert_parse(w->q->certificate, w->e);
	enum desk_says says = DESK_REFUSED;
	EVP_PKEY *key = NULL;
	char serial[48] = "";

	if (c != NULL) {
		cert_serial(c, serial, sizeof(serial));
		snprintf(w->who, sizeof(w->who), "certificate %s", serial);
	}
	if (c == NULL ||
	    pki_again_find(w->d->store, serial, &old, w->e) < 0 ||
	    check_old(&old, &w->q->certificate, w->now, w->e) < 0)
		goto out;
	snprintf(w->name, sizeof(w->name), "%s", old.name);
	if (check_often(w) < 0 ||
	    pki_again_want(&old, &want, w->now, 0, w->e) < 0 ||
	    (key = pki_issue_request(w->q->request.p,
	    rbuf_left(&w->q->request), &want, w->e)) == NULL ||
	    (w->q->identical && check_identical(&w->q->request, old.cert,
	    w->e) < 0) || check_proof(w, old.cert) < 0)
		goto out;
	says = issue(w, &want, key);
out:
	if (says == DESK_REFUSED)
		says = says_of(w->e);
	if (w->e->code == ENOENT)	/* revoked, or of another CA */
		w->e->code = EPERM;
	EVP_PKEY_free(key);
	pki_again_fini(&old);
	cert_free(c);
	return says;
}

static enum desk_says
by_nobody(struct work *w)
{
	err_set(w->e, EACCES, w->q->identical ? "a certificate that is "
	    "renewed is shown by TLS" : "a token, or a certificate of ours, "
	    "is wanted");
	return DESK_REFUSED;
}

/* --------------------------------------------------------------------- all */

static void
note_refusal(struct work *w)
{
	w->d->noted = true;
	(void)note_some(w, PKI_AUDIT_REFUSED, w->e->msg, NULL);
}

void
desk_note_refusal(struct desk *d, const struct desk_enrol *q, int64_t now,
    struct err *why)
{
	struct work w = { .d = d, .q = q, .now = now, .e = why };

	note_refusal(&w);
}

enum desk_says
desk_enrol(struct desk *d, const struct desk_enrol *q, int64_t now,
    X509 **out, struct err *e)
{
	struct work w = { .d = d, .q = q, .now = now, .e = e };
	enum desk_says says = DESK_FAILED;

	if (pki_store_begin(d->store, e) == 0)
		says = q->user != NULL ? by_token(&w) :
		    rbuf_left(&q->certificate) > 0 ? by_certificate(&w) :
		    by_nobody(&w);
	if ((says == DESK_ISSUED || says == DESK_WAIT) &&
	    pki_store_commit(d->store, e) < 0)
		says = DESK_FAILED;
	pki_store_rollback(d->store);
	if (says == DESK_REFUSED) {
		w.serial[0] = '\0';
		note_refusal(&w);
	}
	if (says != DESK_ISSUED) {
		X509_free(w.out);
		w.out = NULL;
	}
	*out = w.out;
	return says;
}
