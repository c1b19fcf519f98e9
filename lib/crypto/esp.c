#include "crypto/esp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/secret.h"

const struct name esp_alg_names[] = { ESP_ALGS(NAME_ROW) NAME_END };

#define SALT_LEN	4
#define ESP_HEAD	8
#define CBC_IV		16
#define HMAC_LEN	32

/*
 * packets: GCM's IV is the sequence number, so that the counter can not
 * repeat; 2^36 packets of 1,500 octets stay far below the bounds of NIST SP
 * 800-38D.  CBC: 2^48 blocks leave a collision chance of 2^-32.
 */
static const struct esp_suite suites[ESP_ALG_N] = {
	[ESP_AES128_GCM] = { 20, 8, 16, 4, 1ULL << 36, 1ULL << 47 },
	[ESP_AES256_GCM] = { 36, 8, 16, 4, 1ULL << 36, 1ULL << 47 },
	[ESP_CHACHA20_POLY1305] = { 36, 8, 16, 4, 1ULL << 40, 1ULL << 52 },
	[ESP_AES128_CBC_SHA256] = { 48, 16, 16, 16, 1ULL << 40, 1ULL << 52 },
	[ESP_AES256_CBC_SHA256] = { 64, 16, 16, 16, 1ULL << 40, 1ULL << 52 },
};

static const char *const cipher_names[ESP_ALG_N] = {
	[ESP_AES128_GCM] = "AES-128-GCM",
	[ESP_AES256_GCM] = "AES-256-GCM",
	[ESP_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
	[ESP_AES128_CBC_SHA256] = "AES-128-CBC",
	[ESP_AES256_CBC_SHA256] = "AES-256-CBC",
};

struct esp_slot {
	EVP_CIPHER_CTX	*cipher;
	EVP_MAC_CTX	*mac;		/* CBC */
};

struct esp_key {
	const struct esp_suite	*suite;
	bool			 aead, seal;
	const struct esp_engine	*engine;	/* NULL: OpenSSL */
	void			*other;		/* its key */
	uint8_t			 salt[SALT_LEN];
	unsigned		 slots;
	struct esp_slot		 slot[];	/* OpenSSL's, slots of them */
};

static const struct esp_engine *engine;

void
esp_engine_set(const struct esp_engine *x)
{
	engine = x;
}

const struct esp_suite *
esp_suite(enum esp_alg alg)
{
	return (unsigned)alg < ESP_ALG_N ? &suites[alg] : NULL;
}

const struct esp_suite *
esp_key_suite(const struct esp_key *k)
{
	return k->suite;
}

static EVP_MAC_CTX *
mac_new(const uint8_t *key)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *c;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		    digest, 0),
		OSSL_PARAM_construct_end(),
	};

	c = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (c != NULL && EVP_MAC_init(c, key, HMAC_LEN, params) != 1) {
		EVP_MAC_CTX_free(c);
		c = NULL;
	}
	return c;
}

static int
slot_init(struct esp_key *k, struct esp_slot *s, const EVP_CIPHER *cipher,
    const uint8_t *key)
{
	int keylen = EVP_CIPHER_get_key_length(cipher);

	if ((s->cipher = EVP_CIPHER_CTX_new()) == NULL ||
	    EVP_CipherInit_ex(s->cipher, cipher, NULL, key, NULL,
	    k->seal) != 1)
		return -1;
	if (k->aead)
		return 0;
	/* Padding is ours (RFC 4303, 2.4). */
	if (EVP_CIPHER_CTX_set_padding(s->cipher, 0) != 1)
		return -1;
	return (s->mac = mac_new(key + keylen)) != NULL ? 0 : -1;
}

static int
slots_init(struct esp_key *k, enum esp_alg alg, const uint8_t *key,
    struct err *e)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_names[alg], NULL);
	unsigned i;
	int rc = 0;

	if (cipher == NULL) {
		ERR_clear_error();
		return err_set(e, ENOMEM, "no %s in this OpenSSL, or out of "
		    "memory", cipher_names[alg]);
	}
	for (i = 0; i < k->slots && rc == 0; i++)
		rc = slot_init(k, &k->slot[i], cipher, key);
	EVP_CIPHER_free(cipher);
	if (rc == 0)
		return 0;
	ERR_clear_error();
	return err_set(e, ENOMEM, "OpenSSL refused a key for %s",
	    cipher_names[alg]);
}

struct esp_key *
esp_key_new(enum esp_alg alg, bool seal, const uint8_t *key, size_t len,
    unsigned slots, struct err *e)
{
	const struct esp_suite *suite = esp_suite(alg);
	bool aead = suite != NULL && suite->block == 4;
	void *other = NULL;
	struct esp_key *k;

	if (suite == NULL || len != suite->key_len)
		return err_null(err_set(e, EINVAL, "key of %zu octets for %s, "
		    "%u are needed", len, suite == NULL ? "no cipher" :
		    cipher_names[alg], suite == NULL ? 0 : suite->key_len));
	if (aead && engine != NULL)
		other = engine->key_new(alg, key, slots);
	if ((k = calloc(1, sizeof(*k) + (other != NULL ? 0 : slots *
	    sizeof(k->slot[0])))) == NULL) {
		if (other != NULL)
			engine->key_free(other);
		return err_null(err_set(e, ENOMEM, "out of memory"));
	}
	k->suite = suite;
	k->aead = aead;
	k->seal = seal;
	k->slots = slots;
	if (aead)
		memcpy(k->salt, key + len - SALT_LEN, SALT_LEN);
	if ((k->other = other) != NULL) {
		k->engine = engine;
	} else if (slots_init(k, alg, key, e) < 0) {
		esp_key_free(k);
		return NULL;
	}
	return k;
}

void
esp_key_free(struct esp_key *k)
{
	unsigned i;

	if (k == NULL)
		return;
	for (i = 0; k->engine == NULL && i < k->slots; i++) {
		EVP_CIPHER_CTX_free(k->slot[i].cipher);
		EVP_MAC_CTX_free(k->slot[i].mac);
	}
	if (k->engine != NULL)
		k->engine->key_free(k->other);
	secret_wipe(k, sizeof(*k));
	free(k);
}

static void
put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static void
put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32(p + 4, (uint32_t)v);
}

/* In constant time, without a loop. */
static bool
tag_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* RFC 4106, 5 and RFC 7634, 2.1: SPI and number; with ESN all 64 bits. */
static int
aad(uint8_t *to, const struct esp_job *j, bool esn)
{
	memcpy(to, j->p, 4);
	if (!esn) {
		memcpy(to + 4, j->p + 4, 4);
		return 8;
	}
	put64(to + 4, j->sequence);
	return 12;
}

static int
aead_seal(struct esp_key *k, struct esp_slot *s, bool esn,
    struct esp_job *j)
{
	uint8_t nonce[12], head[12], *text = j->p + ESP_HEAD + 8;
	int n, len = (int)j->text;

	put64(j->p + ESP_HEAD, j->sequence);	/* unique under the key */
	memcpy(nonce, k->salt, SALT_LEN);
	memcpy(nonce + SALT_LEN, j->p + ESP_HEAD, 8);
	if (EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, nonce) != 1 ||
	    EVP_EncryptUpdate(s->cipher, NULL, &n, head,
	    aad(head, j, esn)) != 1 ||
	    EVP_EncryptUpdate(s->cipher, text, &n, text, len) != 1 ||
	    n != len || EVP_EncryptFinal_ex(s->cipher, text + len, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_GET_TAG, 16,
	    text + len) != 1)
		return -1;
	return 0;
}

static bool
aead_open(struct esp_key *k, struct esp_slot *s, bool esn,
    struct esp_job *j)
{
	uint8_t nonce[12], head[12], none[16], *text = j->p + ESP_HEAD + 8;
	int n, len = (int)j->text;

	memcpy(nonce, k->salt, SALT_LEN);
	memcpy(nonce + SALT_LEN, j->p + ESP_HEAD, 8);
	return EVP_DecryptInit_ex(s->cipher, NULL, NULL, NULL, nonce) == 1 &&
	    EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_SET_TAG, 16,
	    text + len) == 1 &&
	    EVP_DecryptUpdate(s->cipher, NULL, &n, head,
	    aad(head, j, esn)) == 1 &&
	    EVP_DecryptUpdate(s->cipher, text, &n, text, len) == 1 &&
	    n == len && EVP_DecryptFinal_ex(s->cipher, none, &n) == 1;
}

static void
nonce_of(struct esp_nonce *n, const struct esp_key *k, bool esn,
    const struct esp_job *j)
{
	memcpy(n->iv, k->salt, SALT_LEN);
	memcpy(n->iv + SALT_LEN, j->p + ESP_HEAD, 8);
	n->aad_len = (size_t)aad(n->aad, j, esn);
}

static void
other_seal(struct esp_key *k, unsigned slot, bool esn, struct esp_job *j)
{
	uint8_t *text = j->p + ESP_HEAD + 8;
	struct esp_nonce n;

	put64(j->p + ESP_HEAD, j->sequence);	/* unique under the key */
	nonce_of(&n, k, esn, j);
	k->engine->seal(k->other, slot, &n, text, j->text, text + j->text);
}

static bool
other_open(struct esp_key *k, unsigned slot, bool esn, struct esp_job *j)
{
	uint8_t *text = j->p + ESP_HEAD + 8, tag[16];
	struct esp_nonce n;

	nonce_of(&n, k, esn, j);
	k->engine->open(k->other, slot, &n, text, j->text, tag);
	return tag_equal(tag, text + j->text);
}

/* RFC 4303, 2.8 and 2.2.1: over header, IV, ciphertext and, with ESN, the
 * upper half of the number. */
static int
cbc_icv(struct esp_slot *s, bool esn, const struct esp_job *j, uint8_t *icv)
{
	uint8_t high[4];
	size_t n;

	put32(high, (uint32_t)(j->sequence >> 32));
	if (EVP_MAC_init(s->mac, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(s->mac, j->p, ESP_HEAD + CBC_IV + j->text) != 1 ||
	    (esn && EVP_MAC_update(s->mac, high, 4) != 1) ||
	    EVP_MAC_final(s->mac, icv, &n, HMAC_LEN) != 1 || n != HMAC_LEN)
		return -1;
	return 0;
}

/* The IV must be unpredictable: NIST SP 800-38A, appendix C, the cipher of
 * a nonce.  Chaining from a zero IV makes it, and the text, in one pass. */
static int
cbc_seal(struct esp_slot *s, bool esn, struct esp_job *j)
{
	static const uint8_t zero[CBC_IV];
	uint8_t icv[HMAC_LEN], *iv = j->p + ESP_HEAD;
	int n, len = (int)j->text + CBC_IV;

	memset(iv, 0, CBC_IV);
	put64(iv + 8, j->sequence);
	if (j->text % CBC_IV != 0 ||
	    EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, zero) != 1 ||
	    EVP_EncryptUpdate(s->cipher, iv, &n, iv, len) != 1 || n != len ||
	    cbc_icv(s, esn, j, icv) < 0)
		return -1;
	memcpy(iv + len, icv, 16);
	return 0;
}

static bool
cbc_open(struct esp_slot *s, bool esn, struct esp_job *j)
{
	uint8_t icv[HMAC_LEN], *iv = j->p + ESP_HEAD, *text = iv + CBC_IV;
	int n, len = (int)j->text;

	return j->text % CBC_IV == 0 && cbc_icv(s, esn, j, icv) == 0 &&
	    secret_equal(icv, text + len, 16) &&
	    EVP_DecryptInit_ex(s->cipher, NULL, NULL, NULL, iv) == 1 &&
	    EVP_DecryptUpdate(s->cipher, text, &n, text, len) == 1 &&
	    n == len;
}

int
esp_seal(struct esp_key *k, unsigned slot, bool esn, struct esp_job *jobs,
    size_t n)
{
	size_t i;

	if (slot >= k->slots)
		return -1;
	for (i = 0; k->engine != NULL && i < n; i++)
		other_seal(k, slot, esn, &jobs[i]);
	for (; i < n; i++)
		if ((k->aead ? aead_seal(k, &k->slot[slot], esn, &jobs[i]) :
		    cbc_seal(&k->slot[slot], esn, &jobs[i])) < 0) {
			ERR_clear_error();
			return -1;
		}
	return 0;
}

size_t
esp_open(struct esp_key *k, unsigned slot, bool esn, struct esp_job *jobs,
    size_t n)
{
	size_t i, good = 0;

	if (slot >= k->slots)
		return 0;
	for (i = 0; i < n; i++) {
		jobs[i].ok = k->engine != NULL ?
		    other_open(k, slot, esn, &jobs[i]) :
		    k->aead ? aead_open(k, &k->slot[slot], esn, &jobs[i]) :
		    cbc_open(&k->slot[slot], esn, &jobs[i]);
		good += jobs[i].ok;
	}
	if (good != n)
		ERR_clear_error();
	return good;
}
