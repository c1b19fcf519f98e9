#include "crypto/prf.h"

#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/core_names.h>

#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "wire/ike_names.h"

static const struct prf_row {
	uint16_t	 prf;
	size_t		 len;
	const char	*digest;
} rows[] = {
	{ IKE_PRF_HMAC_SHA1, 20, "SHA1" },
	{ IKE_PRF_HMAC_SHA256, 32, "SHA256" },
	{ IKE_PRF_HMAC_SHA384, 48, "SHA384" },
	{ IKE_PRF_HMAC_SHA512, 64, "SHA512" },
};

static const struct prf_row *
row_of(uint16_t prf)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].prf == prf)
			return &rows[i];
	return NULL;
}

size_t
prf_len(uint16_t prf)
{
	const struct prf_row *r = row_of(prf);

	return r == NULL ? 0 : r->len;
}

/* Fetching costs as much as hashing: once a process. */
static EVP_MAC *
hmac_of(void)
{
	static EVP_MAC *hmac;

	if (hmac == NULL)
		hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	return hmac;
}

int
prf_make(uint16_t prf, struct rbuf key, const struct rbuf *parts, size_t n,
    uint8_t *out, struct err *e)
{
	static const uint8_t empty;
	const struct prf_row *r = row_of(prf);
	EVP_MAC_CTX *ctx = NULL;
	OSSL_PARAM params[2];
	size_t i, len = 0;
	int rc = -1;

	if (r == NULL)
		return err_set(e, ENOTSUP, "prf %u is not known", prf);
	if (hmac_of() == NULL || (ctx = EVP_MAC_CTX_new(hmac_of())) == NULL)
		return err_set(e, ENOMEM, "no HMAC");
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    (char *)(uintptr_t)r->digest, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (EVP_MAC_init(ctx, key.p != NULL ? key.p : &empty, rbuf_left(&key),
	    params) != 1)
		goto out;
	for (i = 0; i < n; i++)
		if (rbuf_left(&parts[i]) > 0 && EVP_MAC_update(ctx,
		    parts[i].p, rbuf_left(&parts[i])) != 1)
			goto out;
	if (EVP_MAC_final(ctx, out, &len, r->len) == 1 && len == r->len)
		rc = 0;
out:
	EVP_MAC_CTX_free(ctx);
	return rc == 0 ? 0 : err_set(e, EIO, "HMAC failed");
}

int
prf_plus(uint16_t prf, struct rbuf key, const struct rbuf *parts, size_t n,
    uint8_t *out, size_t out_len, struct err *e)
{
	struct rbuf all[PRF_PARTS_MAX + 2];
	struct wbuf w = wbuf_of(out, out_len);
	uint8_t t[PRF_MAX], count = 0;
	size_t len = prf_len(prf), left;
	int rc = 0;

	if (n > PRF_PARTS_MAX || len == 0 || out_len > 255 * len)
		return err_set(e, EINVAL, "prf+ of %zu octets", out_len);
	all[0] = rbuf_of(t, 0);
	if (n > 0)
		memcpy(&all[1], parts, n * sizeof(*parts));
	while (rc == 0 && (left = out_len - w.len) > 0) {
		count++;
		all[n + 1] = rbuf_of(&count, 1);
		rc = prf_make(prf, key, all, n + 2, t, e);
		all[0] = rbuf_of(t, len);
		wbuf_put(&w, t, left < len ? left : len);
	}
	secret_wipe(t, sizeof(t));
	return rc;
}

int
prf_psk_auth(uint16_t prf, struct rbuf psk, struct rbuf message,
    struct rbuf nonce, struct rbuf mac, uint8_t *out, struct err *e)
{
	struct rbuf pad = rbuf_of("Key Pad for IKEv2", 17);
	struct rbuf parts[3] = { message, nonce, mac };
	uint8_t key[PRF_MAX];
	int rc = prf_make(prf, psk, &pad, 1, key, e);

	if (rc == 0)
		rc = prf_make(prf, rbuf_of(key, prf_len(prf)), parts, 3, out,
		    e);
	secret_wipe(key, sizeof(key));
	return rc;
}

int
prf_sha1(const struct rbuf *parts, size_t n, uint8_t out[20], struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t i;
	int ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1;

	for (i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, parts[i].p, rbuf_left(&parts[i]));
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : err_set(e, EIO, "SHA-1 failed");
}
