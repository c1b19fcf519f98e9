#include "crypto/sk.h"

#include <openssl/evp.h>

#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/prf.h"
#include "wire/ike_names.h"

#define AEAD_ICV	16
#define AEAD_IV		8
#define SALT		4
#define BLOCK		16

static const struct encr_row {
	uint16_t	 id;
	uint16_t	 key_bits;
	size_t		 len;		/* with salt */
	bool		 aead;
	const EVP_CIPHER *(*cipher)(void);
} encrs[] = {
	{ IKE_ENCR_AES_CBC, 128, 16, false, EVP_aes_128_cbc },
	{ IKE_ENCR_AES_CBC, 192, 24, false, EVP_aes_192_cbc },
	{ IKE_ENCR_AES_CBC, 256, 32, false, EVP_aes_256_cbc },
	{ IKE_ENCR_AES_GCM_16, 128, 20, true, EVP_aes_128_gcm },
	{ IKE_ENCR_AES_GCM_16, 192, 28, true, EVP_aes_192_gcm },
	{ IKE_ENCR_AES_GCM_16, 256, 36, true, EVP_aes_256_gcm },
	{ IKE_ENCR_CHACHA20_POLY1305, 0, 36, true, EVP_chacha20_poly1305 },
};

static const struct integ_row {
	uint16_t	id;
	uint16_t	prf;
	size_t		len;
	size_t		icv;
} integs[] = {
	{ IKE_INTEG_HMAC_SHA1_96, IKE_PRF_HMAC_SHA1, 20, 12 },
	{ IKE_INTEG_HMAC_SHA256_128, IKE_PRF_HMAC_SHA256, 32, 16 },
	{ IKE_INTEG_HMAC_SHA384_192, IKE_PRF_HMAC_SHA384, 48, 24 },
	{ IKE_INTEG_HMAC_SHA512_256, IKE_PRF_HMAC_SHA512, 64, 32 },
};

static const struct encr_row *
encr_of(uint16_t id, uint16_t key_bits)
{
	size_t i;

	for (i = 0; i < sizeof(encrs) / sizeof(encrs[0]); i++)
		if (encrs[i].id == id && encrs[i].key_bits == key_bits)
			return &encrs[i];
	return NULL;
}

/* Fetched once: to look for it costs more than a message to encrypt. */
static const EVP_CIPHER *
cipher_of(const struct sk_dir *k)
{
	static EVP_CIPHER *kept[sizeof(encrs) / sizeof(encrs[0])];
	const struct encr_row *r = encr_of(k->suite.encr, k->suite.key_bits);
	EVP_CIPHER **c = &kept[r - encrs];

	if (*c == NULL)
		*c = EVP_CIPHER_fetch(NULL, EVP_CIPHER_get0_name(r->cipher()),
		    NULL);
	return *c;
}

static const struct integ_row *
integ_of(uint16_t id)
{
	size_t i;

	for (i = 0; i < sizeof(integs) / sizeof(integs[0]); i++)
		if (integs[i].id == id)
			return &integs[i];
	return NULL;
}

size_t
sk_enc_len(uint16_t encr, uint16_t key_bits)
{
	const struct encr_row *r = encr_of(encr, key_bits);

	return r == NULL ? 0 : r->len;
}

size_t
sk_integ_len(uint16_t integ)
{
	const struct integ_row *r = integ_of(integ);

	return r == NULL ? 0 : r->len;
}

bool
sk_suite_known(const struct sk_suite *s)
{
	const struct encr_row *r = encr_of(s->encr, s->key_bits);

	return r != NULL && prf_len(s->prf) != 0 &&
	    (r->aead ? s->integ == 0 : integ_of(s->integ) != NULL);
}

static void
dir_init(struct sk_dir *k, const struct sk_suite *s)
{
	memset(k, 0, sizeof(*k));
	k->suite = *s;
	k->enc_len = (uint8_t)sk_enc_len(s->encr, s->key_bits);
	k->int_len = (uint8_t)sk_integ_len(s->integ);
}

int
sk_dir_set(struct sk_dir *k, const struct sk_suite *s, struct rbuf enc,
    struct rbuf integ, struct err *e)
{
	dir_init(k, s);
	if (k->enc_len == 0 || rbuf_left(&enc) != k->enc_len ||
	    rbuf_left(&integ) != k->int_len)
		return err_set(e, EINVAL, "keys of %zu and %zu bytes do not "
		    "fit the cipher", rbuf_left(&enc), rbuf_left(&integ));
	rbuf_copy(&enc, k->enc, k->enc_len);
	rbuf_copy(&integ, k->integ, k->int_len);
	return 0;
}

void
sk_keys_wipe(struct sk_keys *k)
{
	secret_wipe(k, sizeof(*k));
}

/* ---- derivation ---- */

static int
skeyseed(const struct sk_suite *s, const struct sk_seed *seed, uint8_t *out,
    size_t *len, struct err *e)
{
	struct rbuf parts[3] = { seed->shared, seed->ni, seed->nr };
	uint8_t nonces[512];
	struct wbuf w = wbuf_of(nonces, sizeof(nonces));

	if (seed->old_prf != 0) {
		*len = prf_len(seed->old_prf);
		return prf_make(seed->old_prf, seed->old_d, parts, 3, out, e);
	}
	wbuf_put_rbuf(&w, &seed->ni);
	wbuf_put_rbuf(&w, &seed->nr);
	*len = prf_len(s->prf);
	if (!wbuf_ok(&w))
		return err_set(e, EINVAL, "nonces are too long");
	return prf_make(s->prf, wbuf_rbuf(&w), &seed->shared, 1, out, e);
}

int
sk_derive(const struct sk_suite *s, const struct sk_seed *seed,
    struct sk_keys *k, struct sk_proof *proof, struct err *e)
{
	uint8_t octets[16], skey[PRF_MAX];
	uint8_t all[3 * SK_KEY_MAX + 2 * SK_KEY_MAX + 2 * SK_ENC_MAX];
	struct wbuf spis = wbuf_of(octets, sizeof(octets));
	struct rbuf parts[3] = { seed->ni, seed->nr };
	struct rbuf in;
	size_t len = 0, skey_len;
	int rc = -1;

	memset(k, 0, sizeof(*k));
	if (!sk_suite_known(s))
		return err_set(e, ENOTSUP, "IKE suite is not known");
	dir_init(&k->i, s);
	dir_init(&k->r, s);
	k->prf_len = prf_len(s->prf);
	wbuf_be64(&spis, seed->spi_i);
	wbuf_be64(&spis, seed->spi_r);
	parts[2] = wbuf_rbuf(&spis);
	len = 3 * k->prf_len + 2 * k->i.int_len + 2 * k->i.enc_len;
	if (skeyseed(s, seed, skey, &skey_len, e) < 0 ||
	    prf_plus(s->prf, rbuf_of(skey, skey_len), parts, 3, all, len, e) <
	    0)
		goto out;
	in = rbuf_of(all, len);
	rbuf_copy(&in, k->d, k->prf_len);
	rbuf_copy(&in, k->i.integ, k->i.int_len);
	rbuf_copy(&in, k->r.integ, k->r.int_len);
	rbuf_copy(&in, k->i.enc, k->i.enc_len);
	rbuf_copy(&in, k->r.enc, k->r.enc_len);
	if (proof != NULL) {
		rbuf_copy(&in, proof->pi, k->prf_len);
		rbuf_copy(&in, proof->pr, k->prf_len);
	}
	rc = 0;
out:
	secret_wipe(all, sizeof(all));
	secret_wipe(skey, sizeof(skey));
	return rc;
}

int
sk_keymat(const struct sk_suite *s, const struct sk_keys *k,
    struct rbuf shared, struct rbuf ni, struct rbuf nr, uint8_t *out,
    size_t out_len, struct err *e)
{
	struct rbuf parts[3] = { shared, ni, nr };

	return prf_plus(s->prf, rbuf_of(k->d, k->prf_len), parts, 3, out,
	    out_len, e);
}

/* ---- the Encrypted payload ---- */

static bool
is_aead(const struct sk_dir *k)
{
	return k->suite.integ == 0;
}

static size_t
icv_len(const struct sk_dir *k)
{
	const struct integ_row *r = integ_of(k->suite.integ);

	return r == NULL ? AEAD_ICV : r->icv;
}

size_t
sk_iv_len(const struct sk_dir *k)
{
	return is_aead(k) ? AEAD_IV : BLOCK;
}

bool
sk_iv_random(const struct sk_dir *k)
{
	return !is_aead(k);
}

/* Octets of padding and the length octet behind the clear text. */
static size_t
pad_len(const struct sk_dir *k, size_t clear_len)
{
	return is_aead(k) ? 1 : BLOCK - clear_len % BLOCK;
}

size_t
sk_sealed_len(const struct sk_dir *k, size_t clear_len)
{
	return sk_iv_len(k) + clear_len + pad_len(k, clear_len) + icv_len(k);
}

/* AEAD both ways: text is changed in place, tag read or written. */
static int
aead(const struct sk_dir *k, bool seal, struct rbuf aad, const uint8_t *iv,
    uint8_t *text, size_t len, uint8_t *tag)
{
	const EVP_CIPHER *cipher = cipher_of(k);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[SALT + AEAD_IV];
	struct wbuf w = wbuf_of(nonce, sizeof(nonce));
	int n, rc = -1;

	wbuf_put(&w, &k->enc[k->enc_len - SALT], SALT);
	wbuf_put(&w, iv, AEAD_IV);
	if (ctx == NULL || cipher == NULL || EVP_CipherInit_ex(ctx, cipher,
	    NULL, k->enc, nonce, seal) != 1)
		goto out;
	if (!seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_ICV,
	    tag) != 1)
		goto out;
	if (EVP_CipherUpdate(ctx, NULL, &n, aad.p, (int)rbuf_left(&aad)) !=
	    1 || EVP_CipherUpdate(ctx, text, &n, text, (int)len) != 1 ||
	    EVP_CipherFinal_ex(ctx, text, &n) != 1)
		goto out;
	if (seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_ICV,
	    tag) != 1)
		goto out;
	rc = 0;
out:
	EVP_CIPHER_CTX_free(ctx);
	return rc;
}

static int
cbc(const struct sk_dir *k, bool seal, const uint8_t *iv, uint8_t *text,
    size_t len)
{
	const EVP_CIPHER *cipher = cipher_of(k);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, rc = -1;

	if (ctx != NULL && cipher != NULL && EVP_CipherInit_ex(ctx, cipher,
	    NULL, k->enc, iv, seal) == 1 &&
	    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	    EVP_CipherUpdate(ctx, text, &n, text, (int)len) == 1)
		rc = 0;
	EVP_CIPHER_CTX_free(ctx);
	return rc;
}

static int
hmac_icv(const struct sk_dir *k, const struct rbuf *parts, size_t n,
    uint8_t *icv, struct err *e)
{
	const struct integ_row *r = integ_of(k->suite.integ);

	return prf_make(r->prf, rbuf_of(k->integ, k->int_len), parts, n, icv,
	    e);
}

int
sk_seal(const struct sk_dir *k, struct wbuf *w, size_t start,
    const uint8_t *iv, struct rbuf clear, struct err *e)
{
	size_t head = w->len - start, pad = pad_len(k, rbuf_left(&clear));
	size_t text_len = rbuf_left(&clear) + pad;
	uint8_t icv[PRF_MAX] = { 0 }, *text;
	struct rbuf part;
	int rc;

	wbuf_put(w, iv, sk_iv_len(k));
	text = wbuf_grab(w, text_len);
	if (text == NULL)
		return err_set(e, ENOBUFS, "message is too long");
	memset(text, 0, text_len);
	if (rbuf_left(&clear) > 0)
		memcpy(text, clear.p, rbuf_left(&clear));
	text[text_len - 1] = (uint8_t)(pad - 1);
	if (is_aead(k))
		rc = aead(k, true, rbuf_of(&w->buf[start], head), iv, text,
		    text_len, icv);
	else {
		rc = cbc(k, true, iv, text, text_len);
		part = rbuf_of(&w->buf[start], w->len - start);
		if (rc == 0)
			rc = hmac_icv(k, &part, 1, icv, e);
	}
	wbuf_put(w, icv, icv_len(k));
	if (rc < 0 || !wbuf_ok(w))
		return err_set(e, EIO, "encryption failed");
	return 0;
}

static int
open_text(const struct sk_dir *k, struct rbuf head, struct rbuf body,
    const uint8_t *iv, uint8_t *text, size_t len, struct err *e)
{
	size_t signed_len = sk_iv_len(k) + len;
	struct rbuf icv = body, parts[2] = { head };
	uint8_t want[PRF_MAX], tag[AEAD_ICV];

	parts[1] = rbuf_sub(&icv, signed_len);
	if (is_aead(k)) {
		rbuf_copy(&icv, tag, AEAD_ICV);
		if (aead(k, false, head, iv, text, len, tag) < 0)
			return err_set(e, EACCES, "integrity check failed");
		return 0;
	}
	if (hmac_icv(k, parts, 2, want, e) < 0 ||
	    !secret_equal(want, icv.p, icv_len(k)))
		return err_set(e, EACCES, "integrity check failed");
	if (len % BLOCK != 0)
		return err_set(e, EBADMSG, "%zu bytes are no whole blocks",
		    len);
	if (cbc(k, false, iv, text, len) < 0)
		return err_set(e, EIO, "decryption failed");
	return 0;
}

int
sk_open(const struct sk_dir *k, struct rbuf head, struct rbuf body,
    struct wbuf *clear, struct err *e)
{
	size_t over = sk_iv_len(k) + icv_len(k), start = clear->len, len, pad;
	struct rbuf in = body;
	const uint8_t *iv, *from;
	uint8_t *text;

	if (rbuf_left(&body) < over + 1)
		return err_set(e, EBADMSG, "encrypted payload of %zu bytes",
		    rbuf_left(&body));
	len = rbuf_left(&body) - over;
	iv = rbuf_take(&in, sk_iv_len(k));
	from = rbuf_take(&in, len);
	text = wbuf_grab(clear, len);
	if (text == NULL)
		return err_set(e, ENOBUFS, "message is too long");
	memcpy(text, from, len);
	if (open_text(k, head, body, iv, text, len, e) < 0) {
		secret_wipe(text, len);
		clear->len = start;
		return -1;
	}
	pad = text[len - 1];
	if (pad + 1 > len) {
		clear->len = start;
		return err_set(e, EBADMSG, "pad length %zu of %zu bytes", pad,
		    len);
	}
	clear->len = start + len - pad - 1;
	return 0;
}
