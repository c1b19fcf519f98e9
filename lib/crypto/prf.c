/* HMAC is made of the hash functions themselves: OpenSSL's objects for both
 * cost as much again as the hashing, and IKE_AUTH takes two dozen of them. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/prf.h"

#include <openssl/sha.h>

#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "wire/ike_names.h"

#define BLOCK_MAX	128

union hash {
	SHA_CTX		sha1;
	SHA256_CTX	sha256;
	SHA512_CTX	sha512;		/* and SHA-384 */
};

#define HASH(name, init, update, final, member)				\
	static int name##_init(union hash *h)				\
	{ return init(&h->member); }					\
	static int name##_update(union hash *h, const void *p, size_t n) \
	{ return update(&h->member, p, n); }				\
	static int name##_final(union hash *h, uint8_t *out)		\
	{ return final(out, &h->member); }
HASH(sha1, SHA1_Init, SHA1_Update, SHA1_Final, sha1)
HASH(sha256, SHA256_Init, SHA256_Update, SHA256_Final, sha256)
HASH(sha384, SHA384_Init, SHA384_Update, SHA384_Final, sha512)
HASH(sha512, SHA512_Init, SHA512_Update, SHA512_Final, sha512)

static const struct prf_row {
	uint16_t	 prf;
	size_t		 len, block;	/* octets */
	int		(*init)(union hash *h);
	int		(*update)(union hash *h, const void *p, size_t n);
	int		(*final)(union hash *h, uint8_t *out);
} rows[] = {
	{ IKE_PRF_HMAC_SHA1, 20, 64, sha1_init, sha1_update, sha1_final },
	{ IKE_PRF_HMAC_SHA256, 32, 64, sha256_init, sha256_update,
	  sha256_final },
	{ IKE_PRF_HMAC_SHA384, 48, 128, sha384_init, sha384_update,
	  sha384_final },
	{ IKE_PRF_HMAC_SHA512, 64, 128, sha512_init, sha512_update,
	  sha512_final },
};

/* A key that is ready for use: RFC 2104, 2, after the first block of each. */
struct hmac {
	const struct prf_row	*r;
	union hash		 inner, outer;
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

static int
update_all(const struct prf_row *r, union hash *h, const struct rbuf *parts,
    size_t n)
{
	int ok = 1;
	size_t i;

	for (i = 0; ok && i < n; i++)
		if (rbuf_left(&parts[i]) > 0)
			ok = r->update(h, parts[i].p, rbuf_left(&parts[i]));
	return ok;
}

/* A key longer than a block is hashed first. */
static int
hmac_key(struct hmac *m, uint16_t prf, struct rbuf key)
{
	const struct prf_row *r = m->r = row_of(prf);
	uint8_t pad[BLOCK_MAX] = { 0 };
	size_t i;
	int ok = 1;

	if (rbuf_left(&key) > r->block)
		ok = r->init(&m->inner) && update_all(r, &m->inner, &key, 1) &&
		    r->final(&m->inner, pad);
	else
		rbuf_copy(&key, pad, rbuf_left(&key));
	for (i = 0; i < r->block; i++)
		pad[i] ^= 0x36;
	ok = ok && r->init(&m->inner) && r->update(&m->inner, pad, r->block);
	for (i = 0; i < r->block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	ok = ok && r->init(&m->outer) && r->update(&m->outer, pad, r->block);
	secret_wipe(pad, sizeof(pad));
	return ok;
}

/* The key may be used again. */
static int
hmac_make(const struct hmac *m, const struct rbuf *parts, size_t n,
    uint8_t *out)
{
	union hash inner = m->inner, outer = m->outer;
	uint8_t digest[PRF_MAX];
	int ok = update_all(m->r, &inner, parts, n) &&
	    m->r->final(&inner, digest) &&
	    m->r->update(&outer, digest, m->r->len) &&
	    m->r->final(&outer, out);

	secret_wipe(digest, sizeof(digest));
	secret_wipe(&inner, sizeof(inner));
	secret_wipe(&outer, sizeof(outer));
	return ok;
}

int
prf_make(uint16_t prf, struct rbuf key, const struct rbuf *parts, size_t n,
    uint8_t *out, struct err *e)
{
	struct hmac m;
	int ok;

	if (row_of(prf) == NULL)
		return err_set(e, ENOTSUP, "prf %u is not known", prf);
	ok = hmac_key(&m, prf, key) && hmac_make(&m, parts, n, out);
	secret_wipe(&m, sizeof(m));
	return ok ? 0 : err_set(e, EIO, "HMAC failed");
}

int
prf_plus(uint16_t prf, struct rbuf key, const struct rbuf *parts, size_t n,
    uint8_t *out, size_t out_len, struct err *e)
{
	struct rbuf all[PRF_PARTS_MAX + 2];
	struct wbuf w = wbuf_of(out, out_len);
	uint8_t t[PRF_MAX], count = 0;
	size_t len = prf_len(prf), left;
	struct hmac m;
	int ok;

	if (n > PRF_PARTS_MAX || len == 0 || out_len > 255 * len)
		return err_set(e, EINVAL, "prf+ of %zu octets", out_len);
	all[0] = rbuf_of(t, 0);
	if (n > 0)
		memcpy(&all[1], parts, n * sizeof(*parts));
	ok = hmac_key(&m, prf, key);
	while (ok && (left = out_len - w.len) > 0) {
		count++;
		all[n + 1] = rbuf_of(&count, 1);
		ok = hmac_make(&m, all, n + 2, t);
		all[0] = rbuf_of(t, len);
		wbuf_put(&w, t, left < len ? left : len);
	}
	secret_wipe(t, sizeof(t));
	secret_wipe(&m, sizeof(m));
	return ok ? 0 : err_set(e, EIO, "HMAC failed");
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
	const struct prf_row *r = row_of(IKE_PRF_HMAC_SHA1);
	union hash h;

	if (r->init(&h) && update_all(r, &h, parts, n) && r->final(&h, out))
		return 0;
	return err_set(e, EIO, "SHA-1 failed");
}
