#include "pki_ca.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>

#include "crypto/verdict.h"
#include "pki_issue_int.h"

static int
push_conf(STACK_OF(X509_EXTENSION) *all, X509V3_CTX *ctx, int nid,
    const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);

	if (ext != NULL && sk_X509_EXTENSION_push(all, ext) > 0)
		return 1;
	X509_EXTENSION_free(ext);
	return 0;
}

static int
push_blocks(STACK_OF(X509_EXTENSION) *all, const struct blocks *b,
    struct err *e)
{
	X509_EXTENSION *ext = pki_issue_blocks(b, false, e);

	if (ext != NULL && sk_X509_EXTENSION_push(all, ext) > 0)
		return 1;
	X509_EXTENSION_free(ext);
	return 0;
}

X509_REQ *
pki_ca_request(const struct pki_want *w, EVP_PKEY *key, struct err *e)
{
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	X509_REQ *r = X509_REQ_new();
	X509V3_CTX ctx;
	int ok = r != NULL && all != NULL &&
	    X509_REQ_set_version(r, X509_REQ_VERSION_1) == 1 &&
	    pki_issue_subject(X509_REQ_get_subject_name(r), w) &&
	    X509_REQ_set_pubkey(r, key) == 1;

	err_clear(e);
	X509V3_set_ctx(&ctx, NULL, NULL, r, NULL, 0);
	ok = ok && push_conf(all, &ctx, NID_basic_constraints,
	    "critical,CA:TRUE,pathlen:0") &&
	    push_conf(all, &ctx, NID_key_usage,
	    "critical,keyCertSign,cRLSign") &&
	    push_conf(all, &ctx, NID_subject_key_identifier, "hash") &&
	    (!w->blocks.present || push_blocks(all, &w->blocks, e)) &&
	    X509_REQ_add_extensions(r, all) == 1 &&
	    X509_REQ_sign(r, key, pki_issue_md(key)) > 0;
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	if (!ok) {
		X509_REQ_free(r);
		r = NULL;
		if (e != NULL && e->code == 0)
			err_set(e, EIO, "OpenSSL makes no request: %s",
			    ERR_reason_error_string(ERR_peek_last_error()));
	}
	ERR_clear_error();
	return r;
}

/* ------------------------------------------------------------------- links */

/* All extensions of `of` but the key identifier of its issuer, and `not`. */
static int
copy_extensions(X509 *x, X509 *of, int not)
{
	int i, nid, n = X509_get_ext_count(of), ok = 1;

	for (i = 0; ok && i < n; i++) {
		X509_EXTENSION *ext = X509_get_ext(of, i);

		nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));
		if (nid != NID_authority_key_identifier && nid != not)
			ok = X509_add_ext(x, ext, -1) == 1;
	}
	return ok;
}

X509 *
pki_ca_next(X509 *before, EVP_PKEY *key, const struct pki_want *w,
    struct err *e)
{
	X509 *x = pki_issue_begin(w, key);
	X509_EXTENSION *skid = NULL;
	X509V3_CTX ctx;
	int ok = x != NULL;

	err_clear(e);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	ok = ok && X509_set_subject_name(x,
	    X509_get_subject_name(before)) == 1 && X509_set_issuer_name(x,
	    X509_get_subject_name(before)) == 1 &&
	    copy_extensions(x, before, NID_subject_key_identifier) &&
	    (skid = X509V3_EXT_conf_nid(NULL, &ctx,
	    NID_subject_key_identifier, "hash")) != NULL &&
	    X509_add_ext(x, skid, -1) == 1 &&
	    X509_sign(x, key, pki_issue_md(key)) > 0;
	X509_EXTENSION_free(skid);
	return pki_issue_done(x, ok, e);
}

static int
copy_times(X509 *x, X509 *a, X509 *b)
{
	const ASN1_TIME *from = X509_get0_notBefore(a);
	const ASN1_TIME *to = X509_get0_notAfter(a);

	if (ASN1_TIME_compare(from, X509_get0_notBefore(b)) < 0)
		from = X509_get0_notBefore(b);
	if (ASN1_TIME_compare(to, X509_get0_notAfter(b)) > 0)
		to = X509_get0_notAfter(b);
	return X509_set1_notBefore(x, from) == 1 &&
	    X509_set1_notAfter(x, to) == 1;
}

X509 *
pki_ca_link(X509 *of, const struct pki_ca *by,
    const uint8_t serial[PKI_SERIAL_LEN], struct err *e)
{
	X509 *x = X509_new();
	BIGNUM *bn = BN_bin2bn(serial, PKI_SERIAL_LEN, NULL);
	X509_EXTENSION *akid = NULL;
	X509V3_CTX ctx;
	int ok = x != NULL && bn != NULL;

	err_clear(e);
	X509V3_set_ctx(&ctx, by->cert, x, NULL, NULL, 0);
	ok = ok && X509_set_version(x, X509_VERSION_3) == 1 &&
	    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL &&
	    X509_set_subject_name(x, X509_get_subject_name(of)) == 1 &&
	    X509_set_issuer_name(x, X509_get_subject_name(by->cert)) == 1 &&
	    X509_set_pubkey(x, X509_get0_pubkey(of)) == 1 &&
	    copy_times(x, of, by->cert) && copy_extensions(x, of,
	    NID_undef) &&
	    (akid = X509V3_EXT_conf_nid(NULL, &ctx,
	    NID_authority_key_identifier, "keyid:always")) != NULL &&
	    X509_add_ext(x, akid, -1) == 1 &&
	    X509_sign(x, by->key, pki_issue_md(by->key)) > 0;
	X509_EXTENSION_free(akid);
	BN_free(bn);
	return pki_issue_done(x, ok, e);
}

/* -------------------------------------------------------------- what came back */

static int
check_extensions(const struct cert *c, struct err *e)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(c);

	if (!cert_is_ca(c))
		return err_set(e, EPERM, "its basic constraints do not say "
		    "that it is a CA");
	if (!(X509_get_key_usage(x) & KU_KEY_CERT_SIGN))
		return err_set(e, EPERM, "its key usage lacks keyCertSign");
	if (!(X509_get_key_usage(x) & KU_CRL_SIGN))
		return err_set(e, EPERM, "its key usage lacks cRLSign: it could "
		    "not revoke");
	if (X509_get0_subject_key_id(x) == NULL)
		return err_set(e, EPERM, "it has no subject key identifier");
	return 0;
}

/* Address blocks are left out: a root that knows none can be none of our
 * anchors, see pki_store_trust. */
static int
check_path(const struct verdict *v, struct err *e)
{
	static const enum verdict_check asked[] = { VERDICT_CHAIN,
	    VERDICT_TIME, VERDICT_STRENGTH };
	size_t i;

	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		if (v->checks[asked[i]].result == VERDICT_FAIL)
			return err_set(e, EPERM, "%s",
			    v->checks[asked[i]].text);
	return 0;
}

int
pki_ca_check(const struct cert *c, EVP_PKEY *key,
    const struct cert_set *others, const struct cert_set *roots, int64_t now,
    struct err *e)
{
	struct verdict_ask ask = { .leaf = c, .others = others,
		.anchors = roots, .at = now, .any_usage = true };
	struct verdict v;
	int rc;

	if (X509_check_private_key(cert_x509(c), key) != 1) {
		ERR_clear_error();
		return err_set(e, EINVAL, "its key is not that of the request");
	}
	if (check_extensions(c, e) < 0)
		return -1;
	verdict_make(&ask, &v);
	rc = check_path(&v, e);
	verdict_fini(&v);
	return rc;
}
