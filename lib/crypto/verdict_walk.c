/* OpenSSL walks the path from a certificate to an anchor (RFC 5280, 6). */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/date.h"
#include "crypto/verdict_int.h"

#define DEPTH_MAX	8
#define CRL_CLOCK_SLACK	300	/* seconds */

/* X509_verify_cert's errors, by the check that they belong to. */
static const struct verify_row {
	int			error;
	enum verdict_check	check;
	enum verdict_code	code;
} verify_rows[] = {
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, VERDICT_CHAIN,
	  VERDICT_UNTRUSTED },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, VERDICT_CHAIN,
	  VERDICT_UNTRUSTED },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, VERDICT_CHAIN,
	  VERDICT_UNTRUSTED },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, VERDICT_CHAIN,
	  VERDICT_UNTRUSTED },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, VERDICT_CHAIN,
	  VERDICT_UNTRUSTED },
	{ X509_V_ERR_CERT_UNTRUSTED, VERDICT_CHAIN, VERDICT_UNTRUSTED },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, VERDICT_CHAIN,
	  VERDICT_BAD_SIGNATURE },
	{ X509_V_ERR_CERT_NOT_YET_VALID, VERDICT_TIME, VERDICT_NOT_YET },
	{ X509_V_ERR_CERT_HAS_EXPIRED, VERDICT_TIME, VERDICT_EXPIRED },
	{ X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, VERDICT_TIME,
	  VERDICT_BROKEN },
	{ X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, VERDICT_TIME,
	  VERDICT_BROKEN },
	{ X509_V_ERR_CERT_REVOKED, VERDICT_REVOCATION, VERDICT_REVOKED },
	{ X509_V_ERR_UNABLE_TO_GET_CRL, VERDICT_REVOCATION, VERDICT_NO_CRL },
	{ X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, VERDICT_REVOCATION,
	  VERDICT_NO_CRL },
	{ X509_V_ERR_CRL_NOT_YET_VALID, VERDICT_REVOCATION, VERDICT_NO_CRL },
	{ X509_V_ERR_CRL_HAS_EXPIRED, VERDICT_REVOCATION, VERDICT_NO_CRL },
	{ X509_V_ERR_CRL_SIGNATURE_FAILURE, VERDICT_REVOCATION,
	  VERDICT_BAD_SIGNATURE },
	{ X509_V_ERR_DIFFERENT_CRL_SCOPE, VERDICT_REVOCATION, VERDICT_NO_CRL },
	{ X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, VERDICT_REVOCATION,
	  VERDICT_NO_CRL },
	{ X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION, VERDICT_REVOCATION,
	  VERDICT_NO_CRL },
	{ X509_V_ERR_EE_KEY_TOO_SMALL, VERDICT_STRENGTH, VERDICT_WEAK },
	{ X509_V_ERR_CA_KEY_TOO_SMALL, VERDICT_STRENGTH, VERDICT_WEAK },
	{ X509_V_ERR_CA_MD_TOO_WEAK, VERDICT_STRENGTH, VERDICT_WEAK },
	{ X509_V_ERR_UNNESTED_RESOURCE, VERDICT_BLOCKS, VERDICT_EXCEEDS },
	{ X509_V_ERR_OUT_OF_MEM, VERDICT_CHAIN, VERDICT_FAILED },
};

static const struct verify_row *
row_of(int error)
{
	static const struct verify_row other = { 0, VERDICT_CHAIN,
	    VERDICT_BAD_CHAIN };
	size_t i;

	for (i = 0; i < sizeof(verify_rows) / sizeof(verify_rows[0]); i++)
		if (verify_rows[i].error == error)
			return &verify_rows[i];
	return &other;
}

static const char *
subject_of(X509 *x, char *out, size_t len)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long n;

	snprintf(out, len, "it");
	if (b != NULL && x != NULL && X509_NAME_print_ex(b,
	    X509_get_subject_name(x), 0, XN_FLAG_RFC2253) > 0) {
		n = BIO_get_mem_data(b, &text);
		snprintf(out, len, "%.*s", (int)n, text);
	}
	BIO_free(b);
	return out;
}

static bool
is_about_crl(int error)
{
	return error == X509_V_ERR_UNABLE_TO_GET_CRL ||
	    error == X509_V_ERR_DIFFERENT_CRL_SCOPE ||
	    error == X509_V_ERR_CRL_HAS_EXPIRED;
}

/* Made just now, by a clock that is a little ahead of ours. */
static bool
is_just_made(const struct verdict_walk *w, X509_STORE_CTX *ctx)
{
	const X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
	time_t soon = date_time(w->ask->at + CRL_CLOCK_SLACK);

	return crl != NULL && X509_cmp_time(X509_CRL_get0_lastUpdate(crl),
	    &soon) < 0;
}

/* With need_crl: OCSP may stand for the one about the leaf, and an anchor is
 * trusted as it stands. */
static bool
put_off(struct verdict_walk *w, int error, X509_STORE_CTX *ctx)
{
	int depth = X509_STORE_CTX_get_error_depth(ctx);

	if (!is_about_crl(error))
		return false;
	if (depth == 0)
		w->leaf_crl = error;
	return depth == 0 || depth == sk_X509_num(
	    X509_STORE_CTX_get0_chain(ctx)) - 1;
}

/* Without need_crl a CRL that is absent or out of date proves nothing. */
static bool
tolerated(struct verdict_walk *w, int error, X509_STORE_CTX *ctx)
{
	if (error == X509_V_ERR_CRL_NOT_YET_VALID && is_just_made(w, ctx))
		return true;
	if (w->ask->need_crl)
		return put_off(w, error, ctx);
	/* Of another scope: other partitions are there, but not ours. */
	if (error == X509_V_ERR_UNABLE_TO_GET_CRL ||
	    error == X509_V_ERR_DIFFERENT_CRL_SCOPE)
		return w->crl_missing = true;
	if (error == X509_V_ERR_CRL_HAS_EXPIRED)
		return w->crl_old = true;
	return false;
}

/* Records and goes on, so that every check is made; what was recorded
 * decides, not the return value of X509_verify_cert alone. */
static int
on_verify(int ok, X509_STORE_CTX *ctx)
{
	struct verdict_walk *w = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	const struct verify_row *row;
	char who[VERDICT_TEXT];

	if (ok || tolerated(w, error, ctx))
		return 1;
	row = row_of(error);
	verdict_fail(w->v, row->check, row->code, "%s: %s",
	    subject_of(X509_STORE_CTX_get_current_cert(ctx), who, sizeof(who)),
	    X509_verify_cert_error_string(error));
	return 1;
}

void
verdict_walk_no_crl(struct verdict_walk *w)
{
	char who[VERDICT_TEXT];

	if (w->leaf_crl == 0 || w->ocsp_good)
		return;
	verdict_fail(w->v, VERDICT_REVOCATION, row_of(w->leaf_crl)->code,
	    "%s: %s", cert_subject(w->ask->leaf, who, sizeof(who)),
	    X509_verify_cert_error_string(w->leaf_crl));
}

static X509_STORE *
store_of(const struct verdict_ask *ask)
{
	X509_STORE *s = X509_STORE_new();
	size_t i;
	bool ok = s != NULL;

	for (i = 0; ok && i < ask->anchors->n; i++)
		ok = X509_STORE_add_cert(s,
		    (X509 *)cert_x509(ask->anchors->v[i])) == 1;
	for (i = 0; ok && ask->crls != NULL && i < ask->crls->n; i++)
		ok = X509_STORE_add_crl(s,
		    (X509_CRL *)crl_x509(ask->crls->v[i])) == 1;
	if (!ok) {
		X509_STORE_free(s);
		s = NULL;
	}
	return s;
}

static STACK_OF(X509) *
others_of(const struct verdict_ask *ask)
{
	STACK_OF(X509) *s = sk_X509_new_null();
	size_t i;

	for (i = 0; s != NULL && ask->others != NULL && i < ask->others->n;
	    i++)
		(void)sk_X509_push(s, (X509 *)cert_x509(ask->others->v[i]));
	return s;
}

static void
set_params(X509_STORE_CTX *ctx, const struct verdict_ask *ask)
{
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
	bool crls = ask->need_crl || (ask->crls != NULL && ask->crls->n > 0);

	/* An anchor is trusted as it stands, be it a root or not. */
	X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN |
	    (crls ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL : 0));
	X509_VERIFY_PARAM_set_time(p, date_time(ask->at));
	X509_VERIFY_PARAM_set_depth(p, DEPTH_MAX);
	/* 2: RSA 2,048, curves of 224 bits, no SHA-1 */
	X509_VERIFY_PARAM_set_auth_level(p, ask->allow_weak ? 0 : 2);
}

static void
take_path(struct verdict *v, X509_STORE_CTX *ctx)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	struct cert *c;
	int i;

	for (i = 0; i < sk_X509_num(chain) && i < CERT_SET_MAX; i++) {
		if ((c = cert_of_x509(sk_X509_value(chain, i), NULL)) == NULL)
			return;
		(void)cert_set_add(&v->path, c, NULL);
		cert_free(c);
	}
}

static bool
any_failed(const struct verdict *v)
{
	int i;

	for (i = 0; i < VERDICT_N; i++)
		if (v->checks[i].result == VERDICT_FAIL)
			return true;
	return false;
}

void
verdict_walk_path(struct verdict_walk *w)
{
	const struct verdict_ask *ask = w->ask;
	struct verdict *v = w->v;
	X509_STORE *store = store_of(ask);
	STACK_OF(X509) *others = others_of(ask);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int rc = -1;

	if (store != NULL && others != NULL && ctx != NULL &&
	    X509_STORE_CTX_init(ctx, store, (X509 *)cert_x509(ask->leaf),
	    others) == 1 && X509_STORE_CTX_set_app_data(ctx, w) == 1) {
		set_params(ctx, ask);
		X509_STORE_CTX_set_verify_cb(ctx, on_verify);
		rc = X509_verify_cert(ctx);
		take_path(v, ctx);
	}
	if (rc != 1 && !any_failed(v))
		verdict_fail(v, VERDICT_CHAIN, VERDICT_FAILED, "the path could not be "
		    "walked: %s", ctx == NULL ? "out of memory" :
		    X509_verify_cert_error_string(
		    X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	sk_X509_free(others);
	X509_STORE_free(store);
	ERR_clear_error();
}
