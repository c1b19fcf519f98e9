#include "crypto/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "msg/msg.h"
#include "msg/types.h"

const struct name verdict_check_names[] = { VERDICT_CHECKS(NAME_ROW) NAME_END };
const struct name verdict_result_names[] = { VERDICT_RESULTS(NAME_ROW)
    NAME_END };
const struct name verdict_code_names[] = { VERDICT_CODES(NAME_ROW) NAME_END };

#define DEPTH_MAX	8
#define TEXT_MAX	160

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

/* The first failure of a check keeps the word. */
static void __attribute__((format(printf, 4, 5)))
fail(struct verdict *v, enum verdict_check check, enum verdict_code code,
    const char *fmt, ...)
{
	va_list ap;

	if (v->checks[check].result == VERDICT_FAIL)
		return;
	v->checks[check].result = VERDICT_FAIL;
	v->checks[check].code = code;
	va_start(ap, fmt);
	vsnprintf(v->checks[check].text, sizeof(v->checks[check].text), fmt,
	    ap);
	va_end(ap);
}

static void __attribute__((format(printf, 4, 5)))
say(struct verdict *v, enum verdict_check check, enum verdict_result result,
    const char *fmt, ...)
{
	va_list ap;

	if (v->checks[check].result == VERDICT_FAIL)
		return;
	v->checks[check].result = result;
	va_start(ap, fmt);
	vsnprintf(v->checks[check].text, sizeof(v->checks[check].text), fmt,
	    ap);
	va_end(ap);
}

static const char *
date_text(int64_t t, char out[32])
{
	time_t at = (time_t)t;
	struct tm tm;

	if (t == INT64_MAX || gmtime_r(&at, &tm) == NULL ||
	    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, 32, "no end");
	return out;
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

/* ---------------------------------------------------------- OpenSSL's walk */

struct walk {
	const struct verdict_ask	*ask;
	struct verdict			*v;
	bool				 crl_missing;
	bool				 crl_old;
};

/* Without need_crl a CRL that is absent or out of date proves nothing. */
static bool
tolerated(struct walk *w, int error)
{
	if (w->ask->need_crl)
		return false;
	if (error == X509_V_ERR_UNABLE_TO_GET_CRL)
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
	struct walk *w = X509_STORE_CTX_get_app_data(ctx);
	int error = X509_STORE_CTX_get_error(ctx);
	const struct verify_row *row;
	char who[TEXT_MAX];

	if (ok || tolerated(w, error))
		return 1;
	row = row_of(error);
	fail(w->v, row->check, row->code, "%s: %s",
	    subject_of(X509_STORE_CTX_get_current_cert(ctx), who, sizeof(who)),
	    X509_verify_cert_error_string(error));
	return 1;
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
	X509_VERIFY_PARAM_set_time(p, (time_t)ask->at);
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

static void
walk_path(const struct verdict_ask *ask, struct verdict *v, struct walk *w)
{
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
		fail(v, VERDICT_CHAIN, VERDICT_FAILED, "the path could not be "
		    "walked: %s", ctx == NULL ? "out of memory" :
		    X509_verify_cert_error_string(
		    X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	sk_X509_free(others);
	X509_STORE_free(store);
	ERR_clear_error();
}

/* ---------------------------------------------------------- our own checks */

static void
check_strength_of(const struct verdict_ask *ask, struct verdict *v,
    const struct cert *c, bool is_anchor)
{
	int md = NID_undef, bits = cert_key_bits(c);
	int least = ask->allow_weak ? 1024 : RSA_BITS_MIN;
	enum cert_key kind = cert_key_kind(c);
	char who[TEXT_MAX];

	cert_subject(c, who, sizeof(who));
	if (kind == CERT_KEY_OTHER)
		fail(v, VERDICT_STRENGTH, VERDICT_WEAK, "%s: its key is none "
		    "of RSA, P-256, P-384, P-521, Ed25519", who);
	if (kind == CERT_KEY_RSA && bits < least)
		fail(v, VERDICT_STRENGTH, VERDICT_WEAK, "%s: RSA key of %d "
		    "bits", who, bits);
	/* An anchor's own signature proves nothing, so nobody checks it. */
	if (is_anchor)
		return;
	(void)X509_get_signature_info((X509 *)cert_x509(c), &md, NULL, NULL,
	    NULL);
	if (md != NID_sha256 && md != NID_sha384 && md != NID_sha512 &&
	    !(md == NID_undef && X509_get_signature_nid(cert_x509(c)) ==
	    NID_ED25519) && !(md == NID_sha1 && ask->allow_weak))
		fail(v, VERDICT_STRENGTH, VERDICT_WEAK, "%s: signed with %s",
		    who, md == NID_undef ? "an unknown hash" : OBJ_nid2ln(md));
}

static void
check_strength(const struct verdict_ask *ask, struct verdict *v)
{
	struct name_buf nb;
	size_t i;

	check_strength_of(ask, v, ask->leaf, false);
	for (i = 1; i < v->path.n; i++)
		check_strength_of(ask, v, v->path.v[i],
		    i + 1 == v->path.n);
	say(v, VERDICT_STRENGTH, VERDICT_PASS, "%s key of %d bits",
	    name_text(cert_key_names, cert_key_kind(ask->leaf), &nb),
	    cert_key_bits(ask->leaf));
}

static bool
is_anchor(const struct verdict_ask *ask, const struct cert *c)
{
	size_t i;

	for (i = 0; i < ask->anchors->n; i++)
		if (cert_equal(ask->anchors->v[i], c))
			return true;
	return false;
}

/* RFC 4945, 5.1.3.2: digitalSignature or nonRepudiation, when stated. */
static void
check_key_usage(const struct verdict_ask *ask, struct verdict *v)
{
	X509 *x = (X509 *)cert_x509(ask->leaf);
	uint32_t flags = X509_get_extension_flags(x);

	if (flags & EXFLAG_INVALID)
		fail(v, VERDICT_USAGE, VERDICT_BROKEN, "one of its extensions "
		    "is malformed");
	if (flags & EXFLAG_KUSAGE && !(X509_get_key_usage(x) &
	    (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		fail(v, VERDICT_USAGE, VERDICT_WRONG_USAGE, "its key usage "
		    "lacks digitalSignature");
	if (cert_is_ca(ask->leaf) && !is_anchor(ask, ask->leaf))
		fail(v, VERDICT_USAGE, VERDICT_WRONG_USAGE, "it belongs to a "
		    "CA, not to a peer");
}

/* Names the usages in out; true when one of them is ours. */
static bool
usage_fits(EXTENDED_KEY_USAGE *eku, char *out, size_t len)
{
	static const char *const ours[] = {
		"2.5.29.37.0",			/* anyExtendedKeyUsage */
		"1.3.6.1.5.5.7.3.17",		/* id-kp-ipsecIKE, RFC 4945 */
		"1.3.6.1.5.5.8.2.2",		/* iKEIntermediate */
	};
	bool fits = false;
	size_t k, n = 0;
	int i;

	out[0] = '\0';
	for (i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
		ASN1_OBJECT *o = sk_ASN1_OBJECT_value(eku, i);
		char oid[80] = "", name[80] = "";

		(void)OBJ_obj2txt(oid, sizeof(oid), o, 1);
		(void)OBJ_obj2txt(name, sizeof(name), o, 0);
		for (k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
			fits = fits || strcmp(oid, ours[k]) == 0;
		if (n < len)
			n += (size_t)snprintf(out + n, len - n, "%s%s",
			    i > 0 ? ", " : "", name);
	}
	return fits;
}

static void
check_usage(const struct verdict_ask *ask, struct verdict *v)
{
	char text[TEXT_MAX];
	int crit = -1;
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(cert_x509(ask->leaf),
	    NID_ext_key_usage, &crit, NULL);

	check_key_usage(ask, v);
	if (eku == NULL && crit != -1)
		fail(v, VERDICT_USAGE, VERDICT_BROKEN, "its extended key "
		    "usage is malformed");
	else if (eku == NULL)
		say(v, VERDICT_USAGE, VERDICT_PASS, "no extended key usage, "
		    "so any");
	else if (!usage_fits(eku, text, sizeof(text)) && !ask->any_usage)
		fail(v, VERDICT_USAGE, VERDICT_WRONG_USAGE, "its extended key "
		    "usage is only for %s", text);
	else
		say(v, VERDICT_USAGE, VERDICT_PASS, "extended key usage %s",
		    text);
	EXTENDED_KEY_USAGE_free(eku);
	ERR_clear_error();
}

static bool
any_pattern(const struct verdict_ask *ask)
{
	const char *const *p = ask->patterns;

	if (p == NULL || *p == NULL)
		return true;
	for (; *p != NULL; p++)
		if (ident_matches(ask->id, *p))
			return true;
	return false;
}

static void
check_name(const struct verdict_ask *ask, struct verdict *v)
{
	char text[TEXT_MAX];

	if (ask->id == NULL) {
		say(v, VERDICT_NAME, VERDICT_SKIPPED, "no identity was asked "
		    "for");
		return;
	}
	ident_text(ask->id, text, sizeof(text));
	if (!cert_has_ident(ask->leaf, ask->id))
		fail(v, VERDICT_NAME, VERDICT_WRONG_NAME, "it does not name "
		    "%s", text);
	else if (!any_pattern(ask))
		fail(v, VERDICT_NAME, VERDICT_WRONG_NAME, "%s is not one of "
		    "the peers that policy admits", text);
	else
		say(v, VERDICT_NAME, VERDICT_PASS, "it names %s", text);
}

/* What an issuer up the path has, where the leaf says "inherit". */
static void
inherit(struct verdict *v)
{
	struct blocks up;
	size_t i, k;

	for (i = 1; i < v->path.n && (v->blocks.inherit4 ||
	    v->blocks.inherit6); i++) {
		if (blocks_of(v->path.v[i], &up, NULL) < 0)
			return;
		for (k = 0; k < up.n; k++) {
			bool four = up.v[k].addr.len == 4;

			if (four ? v->blocks.inherit4 : v->blocks.inherit6)
				(void)blocks_add(&v->blocks, &up.v[k], NULL);
		}
		v->blocks.inherit4 = v->blocks.inherit4 && up.inherit4;
		v->blocks.inherit6 = v->blocks.inherit6 && up.inherit6;
	}
}

static void
check_blocks(const struct verdict_ask *ask, struct verdict *v)
{
	char text[TEXT_MAX];
	struct err e;

	err_clear(&e);
	if (blocks_of(ask->leaf, &v->blocks, &e) < 0) {
		fail(v, VERDICT_BLOCKS, VERDICT_BROKEN, "%.200s", e.msg);
		return;
	}
	if (!v->blocks.present && ask->need_blocks)
		fail(v, VERDICT_BLOCKS, VERDICT_NO_BLOCKS, "it has no address "
		    "blocks, and policy wants them");
	if (!v->blocks.present) {
		say(v, VERDICT_BLOCKS, VERDICT_SKIPPED, "it has no address "
		    "blocks");
		return;
	}
	inherit(v);
	say(v, VERDICT_BLOCKS, VERDICT_PASS, "%s",
	    blocks_text(&v->blocks, text, sizeof(text)));
}

/* ------------------------------------------------------------- the sentence */

struct names {
	char	*out;
	size_t	 len, n;
};

static int
add_name(void *arg, const struct ident *id)
{
	struct names *s = arg;
	char one[TEXT_MAX];

	ident_text(id, one, sizeof(one));
	if (s->n < s->len)
		s->n += (size_t)snprintf(s->out + s->n, s->len - s->n, "%s%s",
		    s->n > 0 ? ", " : "", one);
	return 0;
}

static void
explain_untrusted(const struct verdict_ask *ask, struct verdict *v)
{
	const struct cert *top = v->path.n > 0 ? v->path.v[v->path.n - 1] :
	    ask->leaf;
	char name[TEXT_MAX];
	size_t i, n = 0;

	snprintf(v->offered, sizeof(v->offered), "issuer %s",
	    cert_issuer(top, name, sizeof(name)));
	if (ask->anchors->n == 0)
		snprintf(v->wanted, sizeof(v->wanted), "an anchor; none is "
		    "loaded");
	for (i = 0; i < ask->anchors->n && n < sizeof(v->wanted); i++)
		n += (size_t)snprintf(v->wanted + n, sizeof(v->wanted) - n,
		    "%s%s", i > 0 ? " or " : "",
		    cert_subject(ask->anchors->v[i], name, sizeof(name)));
	snprintf(v->fix, sizeof(v->fix), "have it issued by that CA, or add "
	    "its CA to the anchors, or send the intermediate certificate");
}

static void
explain_time(const struct verdict_ask *ask, struct verdict *v)
{
	char a[32], b[32];
	int64_t from = cert_not_before(ask->leaf);
	int64_t to = cert_not_after(ask->leaf);
	size_t i;

	for (i = 1; i < v->path.n; i++) {
		int64_t t = cert_not_before(v->path.v[i]);

		from = t > from ? t : from;
		t = cert_not_after(v->path.v[i]);
		to = t < to ? t : to;
	}
	snprintf(v->offered, sizeof(v->offered), "valid from %s to %s",
	    date_text(from, a), date_text(to, b));
	snprintf(v->wanted, sizeof(v->wanted), "valid at %s",
	    date_text(ask->at, a));
	snprintf(v->fix, sizeof(v->fix), v->code == VERDICT_EXPIRED ?
	    "issue a new certificate" : "check both clocks");
}

static void
explain_name(const struct verdict_ask *ask, struct verdict *v)
{
	struct names s = { v->offered, sizeof(v->offered), 0 };
	size_t i, n = 0;

	(void)cert_each_ident(ask->leaf, add_name, &s);
	if (!cert_has_ident(ask->leaf, ask->id)) {
		ident_text(ask->id, v->wanted, sizeof(v->wanted));
		snprintf(v->fix, sizeof(v->fix), "issue it with that name as "
		    "subjectAltName, or let the peer send a name it has");
		return;
	}
	for (i = 0; ask->patterns[i] != NULL && n < sizeof(v->wanted); i++)
		n += (size_t)snprintf(v->wanted + n, sizeof(v->wanted) - n,
		    "%s%s", i > 0 ? " or " : "", ask->patterns[i]);
	snprintf(v->fix, sizeof(v->fix), "add it to the peers of the tunnel "
	    "if it may come in");
}

static void
explain(const struct verdict_ask *ask, struct verdict *v)
{
	switch (v->code) {
	case VERDICT_UNTRUSTED:
		explain_untrusted(ask, v);
		break;
	case VERDICT_EXPIRED:
	case VERDICT_NOT_YET:
		explain_time(ask, v);
		break;
	case VERDICT_WRONG_NAME:
		explain_name(ask, v);
		break;
	case VERDICT_WRONG_USAGE:
		snprintf(v->wanted, sizeof(v->wanted), "digitalSignature; "
		    "ipsecIKE, iKEIntermediate, any or no extended usage");
		snprintf(v->fix, sizeof(v->fix), "issue it with another "
		    "profile, or allow any usage");
		break;
	case VERDICT_WEAK:
		snprintf(v->wanted, sizeof(v->wanted), "RSA of %d to %d bits, "
		    "P-256, P-384, P-521 or Ed25519, with SHA-2",
		    RSA_BITS_MIN, RSA_BITS_MAX);
		snprintf(v->fix, sizeof(v->fix), "issue it anew with a "
		    "stronger key");
		break;
	case VERDICT_EXCEEDS:
		blocks_text(&v->blocks, v->offered, sizeof(v->offered));
		snprintf(v->wanted, sizeof(v->wanted), "blocks inside its "
		    "issuer's");
		snprintf(v->fix, sizeof(v->fix), "issue it with fewer blocks, "
		    "or the CA with more");
		break;
	case VERDICT_NO_BLOCKS:
		snprintf(v->wanted, sizeof(v->wanted), "address blocks "
		    "(RFC 3779)");
		snprintf(v->fix, sizeof(v->fix), "issue it with "
		    "--tunnel-address and --subnet");
		break;
	case VERDICT_REVOKED:
		snprintf(v->fix, sizeof(v->fix), "issue a new certificate if "
		    "the peer may come back");
		break;
	case VERDICT_NO_CRL:
		snprintf(v->wanted, sizeof(v->wanted), "a current CRL of each "
		    "issuer");
		snprintf(v->fix, sizeof(v->fix), "load a new one "
		    "(dmvpn-pki crl)");
		break;
	case VERDICT_OK:
	case VERDICT_BAD_SIGNATURE:
	case VERDICT_BAD_CHAIN:
	case VERDICT_BROKEN:
	case VERDICT_FAILED:
		break;
	}
}

static void
say_walk(const struct verdict_ask *ask, struct verdict *v,
    const struct walk *w)
{
	char a[TEXT_MAX], d[32];

	say(v, VERDICT_CHAIN, VERDICT_PASS, "%zu certificates up to %s",
	    v->path.n, v->path.n == 0 ? "-" :
	    cert_subject(v->path.v[v->path.n - 1], a, sizeof(a)));
	say(v, VERDICT_TIME, VERDICT_PASS, "valid until %s",
	    date_text(cert_not_after(ask->leaf), d));
	if (w->crl_missing || (!ask->need_crl && (ask->crls == NULL ||
	    ask->crls->n == 0)))
		say(v, VERDICT_REVOCATION, VERDICT_SKIPPED, "no CRL of %s",
		    w->crl_missing ? "one of its issuers" : "any issuer");
	else
		say(v, VERDICT_REVOCATION, VERDICT_PASS, "not revoked%s",
		    w->crl_old ? " in a CRL that is out of date" : "");
}

/* Which failure speaks for all: whom we do not trust we do not judge. */
static void
settle(struct verdict *v)
{
	static const enum verdict_check order[VERDICT_N] = { VERDICT_CHAIN,
	    VERDICT_TIME, VERDICT_REVOCATION, VERDICT_STRENGTH, VERDICT_USAGE,
	    VERDICT_NAME, VERDICT_BLOCKS };
	int i;

	for (i = 0; i < VERDICT_N && v->code == VERDICT_OK; i++)
		if (v->checks[order[i]].result == VERDICT_FAIL)
			v->code = v->checks[order[i]].code;
}

void
verdict_make(const struct verdict_ask *ask, struct verdict *v)
{
	struct walk w = { .ask = ask, .v = v };

	memset(v, 0, sizeof(*v));
	walk_path(ask, v, &w);
	check_strength(ask, v);
	check_usage(ask, v);
	check_name(ask, v);
	check_blocks(ask, v);
	say_walk(ask, v, &w);
	settle(v);
	explain(ask, v);
	if (v->code != VERDICT_OK)	/* nobody may use what is not proved */
		memset(&v->blocks, 0, sizeof(v->blocks));
}

void
verdict_fini(struct verdict *v)
{
	cert_set_fini(&v->path);
}

static const char *
first_text(const struct verdict *v)
{
	int i;

	for (i = 0; i < VERDICT_N; i++)
		if (v->checks[i].result == VERDICT_FAIL &&
		    v->checks[i].code == v->code)
			return v->checks[i].text;
	return "all checks passed";
}

void
verdict_reason(const struct verdict *v, const char *stage, struct reason *r)
{
	struct name_buf nb;

	reason_set(r, stage, name_text(verdict_code_names, v->code, &nb),
	    "certificate: %s", first_text(v));
	snprintf(r->offered, sizeof(r->offered), "%s", v->offered);
	snprintf(r->wanted, sizeof(r->wanted), "%s", v->wanted);
	snprintf(r->fix, sizeof(r->fix), "%s", v->fix);
}
