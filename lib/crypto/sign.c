#include "crypto/sign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/secret.h"
#include "base/text.h"
#include "crypto/der.h"
#include "crypto/quick.h"
#include "crypto/sign_alg.h"

const struct name sign_method_names[] = { SIGN_METHODS(NAME_ROW) NAME_END };
const struct name sign_hash_names[] = { SIGN_HASHES(NAME_ROW) NAME_END };
const uint16_t sign_hashes[] = { SIGN_SHA256, SIGN_SHA384, SIGN_SHA512,
    SIGN_IDENTITY };
const size_t sign_n_hashes = sizeof(sign_hashes) / sizeof(sign_hashes[0]);

struct sign_key {
	EVP_PKEY	*k;
	EVP_PKEY_CTX	*ecdsa;	/* kept: to make one is a sixth of signing */
};

static const EVP_MD *
md_of(enum sign_hash hash)
{
	switch (hash) {
	case SIGN_SHA1:
		return EVP_sha1();
	case SIGN_SHA256:
		return EVP_sha256();
	case SIGN_SHA384:
		return EVP_sha384();
	case SIGN_SHA512:
		return EVP_sha512();
	case SIGN_IDENTITY:
		break;
	}
	return NULL;
}

/* All parts in one piece: Ed25519 wants it so. */
static struct secret *
join(const struct sign_parts *parts)
{
	struct secret *all;
	size_t i, len = 0;
	struct wbuf w;

	for (i = 0; i < parts->n; i++)
		len += rbuf_left(&parts->v[i]);
	if ((all = secret_new(len)) == NULL)
		return NULL;
	w = wbuf_of(all->b, len);
	for (i = 0; i < parts->n; i++)
		wbuf_put_rbuf(&w, &parts->v[i]);
	return all;
}

/* RFC 7427, 3: the salt of PSS is as long as the hash. */
static int
set_padding(EVP_PKEY_CTX *ctx, const struct sign_alg *alg, const EVP_MD *md)
{
	if (alg->scheme == SIGN_PKCS1)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING);
	if (alg->scheme != SIGN_PSS)
		return 1;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* As quick_verify. */
static int
verify_hashed(EVP_PKEY *k, const struct sign_alg *alg, struct rbuf sig,
    const struct secret *all)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len;

	if (alg->scheme != SIGN_ECDSA || EVP_Digest(all->b, all->len, hash,
	    &len, md_of(alg->hash), NULL) != 1)
		return -1;
	return quick_verify(k, rbuf_of(hash, len), sig);
}

static int
verify_with(EVP_PKEY *k, const struct sign_alg *alg, struct rbuf sig,
    const struct secret *all)
{
	const EVP_MD *md = md_of(alg->hash);
	const char *name = md == NULL ? NULL : EVP_MD_get0_name(md);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	int ok = ctx != NULL && EVP_DigestVerifyInit_ex(ctx, &pctx, name,
	    quick_ctx(), NULL, k, NULL) == 1 &&
	    set_padding(pctx, alg, md) == 1 && EVP_DigestVerify(ctx, sig.p,
	    rbuf_left(&sig), all->b, all->len) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static int
verify(EVP_PKEY *k, const struct sign_alg *alg, struct rbuf sig,
    const struct sign_parts *parts, struct err *e)
{
	struct secret *all = join(parts);
	int ok = 0;

	if (all != NULL && (ok = verify_hashed(k, alg, sig, all)) < 0)
		ok = verify_with(k, alg, sig, all);
	secret_free(all);
	ERR_clear_error();
	return ok ? 0 : err_set(e, EPERM, "AUTH: the signature does not "
	    "verify");
}

/* --------------------------------------------------- r | s, RFC 4754, 7 */

static const struct curve {
	uint8_t		method;
	enum cert_key	kind;
	enum sign_hash	hash;
	size_t		octets;		/* of r, of s */
} curves[] = {
	{ SIGN_ECDSA_256, CERT_KEY_P256, SIGN_SHA256, 32 },
	{ SIGN_ECDSA_384, CERT_KEY_P384, SIGN_SHA384, 48 },
	{ SIGN_ECDSA_521, CERT_KEY_P521, SIGN_SHA512, 66 },
};

static const struct curve *
curve_of(uint8_t method, enum cert_key kind)
{
	size_t i;

	for (i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (curves[i].method == method || (method == 0 &&
		    curves[i].kind == kind))
			return &curves[i];
	return NULL;
}

/* r | s to the DER that OpenSSL takes; octets to free, or NULL. */
static unsigned char *
raw_to_der(struct rbuf raw, const struct curve *c, int *len)
{
	const uint8_t *r = rbuf_take(&raw, c->octets);
	const uint8_t *s = rbuf_take(&raw, c->octets);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *der = NULL;
	BIGNUM *br, *bs;

	*len = 0;
	if (!rbuf_done(&raw) || sig == NULL) {
		ECDSA_SIG_free(sig);
		return NULL;
	}
	br = BN_bin2bn(r, (int)c->octets, NULL);
	bs = BN_bin2bn(s, (int)c->octets, NULL);
	if (br != NULL && bs != NULL && ECDSA_SIG_set0(sig, br, bs) == 1) {
		br = bs = NULL;		/* sig has them */
		*len = i2d_ECDSA_SIG(sig, &der);
	}
	BN_free(br);
	BN_free(bs);
	ECDSA_SIG_free(sig);
	return der;
}

static int
der_to_raw(const uint8_t *der, size_t len, const struct curve *c,
    struct wbuf *out)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	uint8_t *to = wbuf_grab(out, 2 * c->octets);
	int ok = sig != NULL && to != NULL &&
	    BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, (int)c->octets) > 0 &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + c->octets,
	    (int)c->octets) > 0;

	ECDSA_SIG_free(sig);
	return ok ? 0 : -1;
}

static int
verify_raw(EVP_PKEY *k, const struct curve *c, struct rbuf auth,
    const struct sign_parts *parts, struct err *e)
{
	struct sign_alg alg = { SIGN_ECDSA, c->hash };
	unsigned char *der;
	int len, rc;

	if ((der = raw_to_der(auth, c, &len)) == NULL || len <= 0) {
		OPENSSL_free(der);
		return err_set(e, EBADMSG, "AUTH: ECDSA signature of %zu "
		    "octets, %zu belong there", rbuf_left(&auth),
		    2 * c->octets);
	}
	rc = verify(k, &alg, rbuf_of(der, (size_t)len), parts, e);
	OPENSSL_free(der);
	return rc;
}

/* -------------------------------------------------------------- to verify */

/* RFC 7427, 3: length octet, AlgorithmIdentifier, signature. */
static int
split_digital(struct rbuf auth, struct sign_alg *alg, struct rbuf *sig,
    struct err *e)
{
	uint8_t len = rbuf_u8(&auth);
	struct rbuf der = rbuf_sub(&auth, len);
	char hex[2 * SIGN_ALG_MAX];

	if (!rbuf_ok(&auth) || len == 0)
		return err_set(e, EBADMSG, "AUTH: AlgorithmIdentifier of %u "
		    "octets", len);
	if (sign_alg_of(der, alg) < 0)
		return err_set(e, ENOTSUP, "AUTH: algorithm %s is not one we "
		    "take", text_hex(der.p, rbuf_left(&der), hex,
		    sizeof(hex)));
	*sig = rbuf_rest(&auth);
	return 0;
}

static int
check_alg(const struct sign_alg *alg, enum cert_key kind, bool allow_weak,
    struct err *e)
{
	struct name_buf a, b;

	if (!sign_alg_fits(alg, kind))
		return err_set(e, ENOTSUP, "AUTH: signed with %s, but the "
		    "certificate's key is %s",
		    name_text(sign_scheme_names, alg->scheme, &a),
		    name_text(cert_key_names, kind, &b));
	if (alg->hash == SIGN_SHA1 && !allow_weak)
		return err_set(e, EACCES, "AUTH: signed with SHA-1, which is "
		    "refused");
	return 0;
}

static int
check_key(const struct cert *c, bool allow_weak, struct err *e)
{
	int bits = cert_key_bits(c), least = allow_weak ? 1024 : RSA_BITS_MIN;

	if (cert_key_kind(c) == CERT_KEY_RSA && bits < least)
		return err_set(e, EACCES, "AUTH: RSA key of %d bits, %d are "
		    "the least", bits, least);
	return 0;
}

int
sign_verify(const struct cert *c, uint8_t method, struct rbuf auth,
    const struct sign_parts *parts, bool allow_weak, struct err *e)
{
	EVP_PKEY *k = X509_get0_pubkey(cert_x509(c));
	enum cert_key kind = cert_key_kind(c);
	struct sign_alg alg = { SIGN_PKCS1, SIGN_SHA1 };
	const struct curve *curve = curve_of(method, kind);
	struct rbuf sig = auth;
	struct name_buf a, b;

	if (k == NULL || kind == CERT_KEY_OTHER)
		return err_set(e, ENOTSUP, "AUTH: the certificate's key is of "
		    "a kind we do not take");
	if (rbuf_left(&auth) > SIGN_MAX)
		return err_set(e, EBADMSG, "AUTH: %zu octets",
		    rbuf_left(&auth));
	if (check_key(c, allow_weak, e) < 0)
		return -1;
	if (method != 0 && curve != NULL) {
		if (curve->kind == kind)
			return verify_raw(k, curve, auth, parts, e);
		return err_set(e, ENOTSUP, "AUTH: method %s, but the "
		    "certificate's key is %s",
		    name_text(sign_method_names, method, &a),
		    name_text(cert_key_names, kind, &b));
	}
	if (method == SIGN_DIGITAL) {
		if (split_digital(auth, &alg, &sig, e) < 0)
			return -1;
	} else if (method != SIGN_RSA)
		return err_set(e, ENOTSUP, "AUTH: method %s with a "
		    "certificate", name_text(sign_method_names, method, &a));
	if (check_alg(&alg, kind, allow_weak, e) < 0)
		return -1;
	return verify(k, &alg, sig, parts, e);
}

/* ---------------------------------------------------------------- to sign */

static int
check_private(EVP_PKEY *k, struct err *e)
{
	enum cert_key kind = cert_pkey_kind(k);
	struct rbuf der, spki;
	unsigned char *p = NULL;
	int bits = EVP_PKEY_get_bits(k), len, rc = -1;

	if (kind == CERT_KEY_OTHER)
		return err_set(e, ENOTSUP, "private key of a kind we do not "
		    "take");
	if (kind == CERT_KEY_RSA && bits < RSA_BITS_MIN)
		return err_set(e, EACCES, "RSA key of %d bits, %d are the "
		    "least", bits, RSA_BITS_MIN);
	if ((len = i2d_PUBKEY(k, &p)) > 0) {
		der = rbuf_of(p, (size_t)len);
		rc = der_want(&der, DER_SEQUENCE, &spki, e);
		if (rc == 0)
			rc = der_check_spki(spki, e);
	}
	OPENSSL_free(p);
	return rc;
}

/* NULL: each signature has its own. */
static EVP_PKEY_CTX *
ecdsa_ctx(EVP_PKEY *k)
{
	EVP_PKEY_CTX *ctx;

	if (!EVP_PKEY_is_a(k, "EC") ||
	    (ctx = EVP_PKEY_CTX_new(k, NULL)) == NULL)
		return NULL;
	if (EVP_PKEY_sign_init(ctx) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

struct sign_key *
sign_key_parse(struct rbuf der, struct err *e)
{
	const unsigned char *p = der.p;
	struct sign_key *k = NULL;
	EVP_PKEY *pkey = NULL;

	if (rbuf_left(&der) > 0 && rbuf_left(&der) <= 4 * CERT_MAX)
		pkey = d2i_AutoPrivateKey(NULL, &p, (long)rbuf_left(&der));
	ERR_clear_error();
	if (pkey == NULL || p != der.end) {
		EVP_PKEY_free(pkey);
		return err_null(err_set(e, EBADMSG, "private key: not PKCS#8 "
		    "that we can read"));
	}
	if (check_private(pkey, e) == 0 &&
	    (k = calloc(1, sizeof(*k))) == NULL)
		err_set(e, ENOMEM, "private key");
	if (k == NULL) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	k->k = pkey;
	k->ecdsa = ecdsa_ctx(pkey);
	return k;
}

void
sign_key_free(struct sign_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_CTX_free(k->ecdsa);
	EVP_PKEY_free(k->k);
	free(k);
}

bool
sign_key_fits(const struct sign_key *k, const struct cert *c)
{
	EVP_PKEY *pub = X509_get0_pubkey(cert_x509(c));
	bool fits = pub != NULL && EVP_PKEY_eq(k->k, pub) == 1;

	ERR_clear_error();
	return fits;
}

enum cert_key
sign_key_kind(const struct sign_key *k)
{
	return cert_pkey_kind(k->k);
}

static int
sign_hashed(const struct sign_key *k, const EVP_MD *md,
    const struct secret *all, uint8_t *out, size_t *len)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned hash_len;

	return EVP_Digest(all->b, all->len, hash, &hash_len, md, NULL) == 1 &&
	    EVP_PKEY_sign(k->ecdsa, out, len, hash, hash_len) == 1;
}

static int
sign_with(EVP_PKEY *k, const struct sign_alg *alg, const EVP_MD *md,
    const struct secret *all, uint8_t *out, size_t *len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	int ok = ctx != NULL &&
	    EVP_DigestSignInit(ctx, &pctx, md, NULL, k) == 1 &&
	    set_padding(pctx, alg, md) == 1 &&
	    EVP_DigestSign(ctx, out, len, all->b, all->len) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

/* Octets of the signature in *out, or -1. */
static int
sign(const struct sign_key *k, const struct sign_alg *alg,
    const struct sign_parts *parts, uint8_t *out, size_t *len, struct err *e)
{
	const EVP_MD *md = md_of(alg->hash);
	struct secret *all = join(parts);
	int ok = all != NULL && (k->ecdsa != NULL ?
	    sign_hashed(k, md, all, out, len) :
	    sign_with(k->k, alg, md, all, out, len));

	secret_free(all);
	ERR_clear_error();
	return ok ? 0 : err_set(e, EIO, "OpenSSL does not sign");
}

static bool
offered(const uint16_t *hashes, size_t n, enum sign_hash hash)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (hashes[i] == (uint16_t)hash)
			return true;
	return false;
}

/* The hash that fits the key best and that the peer takes. */
static int
pick(enum cert_key kind, const uint16_t *hashes, size_t n, bool pss,
    struct sign_alg *alg)
{
	static const enum sign_hash orders[][3] = {
		{ SIGN_SHA256, SIGN_SHA384, SIGN_SHA512 },
		{ SIGN_SHA384, SIGN_SHA512, SIGN_SHA256 },
		{ SIGN_SHA512, SIGN_SHA384, SIGN_SHA256 },
	};
	const enum sign_hash *order = orders[kind == CERT_KEY_P384 ? 1 :
	    kind == CERT_KEY_P521 ? 2 : 0];
	size_t i;

	if (kind == CERT_KEY_ED25519) {
		*alg = (struct sign_alg){ SIGN_ED25519, SIGN_IDENTITY };
		return offered(hashes, n, SIGN_IDENTITY) ? 0 : -1;
	}
	for (i = 0; i < 3; i++)
		if (offered(hashes, n, order[i])) {
			alg->scheme = kind != CERT_KEY_RSA ? SIGN_ECDSA :
			    pss ? SIGN_PSS : SIGN_PKCS1;
			alg->hash = order[i];
			return 0;
		}
	return -1;
}

static int
make_digital(const struct sign_key *k, const struct sign_alg *alg,
    const struct sign_parts *parts, struct wbuf *out, struct err *e)
{
	uint8_t sig[SIGN_MAX];
	size_t len = sizeof(sig), start;

	if (sign(k, alg, parts, sig, &len, e) < 0)
		return -1;
	start = out->len;
	wbuf_u8(out, 0);
	if (sign_alg_put(out, alg) < 0)
		return err_set(e, ENOTSUP, "no AlgorithmIdentifier");
	wbuf_fill8(out, start, (uint8_t)(out->len - start - 1));
	wbuf_put(out, sig, len);
	return wbuf_ok(out) ? 0 : err_set(e, ENOBUFS, "AUTH data");
}

static int
make_raw(const struct sign_key *k, const struct curve *c,
    const struct sign_parts *parts, struct wbuf *out, struct err *e)
{
	struct sign_alg alg = { SIGN_ECDSA, c->hash };
	uint8_t sig[SIGN_MAX];
	size_t len = sizeof(sig);

	if (sign(k, &alg, parts, sig, &len, e) < 0)
		return -1;
	return der_to_raw(sig, len, c, out) == 0 ? 0 :
	    err_set(e, ENOBUFS, "AUTH data");
}

int
sign_make(const struct sign_key *k, const uint16_t *hashes, size_t n_hashes,
    bool pss, const struct sign_parts *parts, uint8_t *method,
    struct wbuf *out, struct err *e)
{
	enum cert_key kind = sign_key_kind(k);
	const struct curve *c = curve_of(0, kind);
	struct sign_alg alg;
	struct name_buf nb;

	if (pick(kind, hashes, n_hashes, pss, &alg) == 0) {
		*method = SIGN_DIGITAL;
		return make_digital(k, &alg, parts, out, e);
	}
	if (c != NULL) {
		*method = c->method;
		return make_raw(k, c, parts, out, e);
	}
	return err_set(e, ENOTSUP, "the peer takes no hash that goes with our "
	    "%s key (SHA-1 is refused)", name_text(cert_key_names, kind,
	    &nb));
}

const char *
sign_text(uint8_t method, struct rbuf auth, char *out, size_t out_len)
{
	struct name_buf m, s, h;
	struct sign_alg alg;
	struct rbuf sig;

	if (method != SIGN_DIGITAL)
		snprintf(out, out_len, "%s", name_text(sign_method_names,
		    method, &m));
	else if (split_digital(auth, &alg, &sig, NULL) < 0)
		snprintf(out, out_len, "%s with an unknown algorithm",
		    name_text(sign_method_names, method, &m));
	else
		snprintf(out, out_len, "%s %s %s",
		    name_text(sign_method_names, method, &m),
		    name_text(sign_scheme_names, alg.scheme, &s),
		    name_text(sign_hash_names, alg.hash, &h));
	return out;
}
