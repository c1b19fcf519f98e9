#ifndef CRYPTO_ESP_H
#define CRYPTO_ESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/name.h"

/*
 * The cryptography of ESP packets, one direction of one SA at a time.
 * Contexts are made once with the key; per packet only the IV is set.
 *
 * AES-GCM: RFC 4106; ChaCha20-Poly1305: RFC 7634; AES-CBC: RFC 3602 with
 * HMAC-SHA2-256-128: RFC 4868.
 */
#define ESP_ALGS(X)						\
	X(ESP_AES128_GCM, 0, "aes128-gcm")			\
	X(ESP_AES256_GCM, 1, "aes256-gcm")			\
	X(ESP_CHACHA20_POLY1305, 2, "chacha20-poly1305")	\
	X(ESP_AES128_CBC_SHA256, 3, "aes128-cbc-sha256")	\
	X(ESP_AES256_CBC_SHA256, 4, "aes256-cbc-sha256")

enum esp_alg { ESP_ALGS(NAME_ENUM) };
#define ESP_ALG_N 5
extern const struct name esp_alg_names[];

/* What an algorithm does to a packet. */
struct esp_suite {
	uint8_t		key_len;	/* KEYMAT: key, salt, integrity key */
	uint8_t		iv_len;		/* on the wire */
	uint8_t		icv_len;
	uint8_t		block;		/* text is padded to this */
	uint64_t	packets;	/* under one key, with 64-bit numbers */
	uint64_t	bytes;
};
const struct esp_suite *esp_suite(enum esp_alg alg);

/*
 * Another implementation of the AEADs (OpenSSL's is always there).  key_new
 * gets the key without its salt, NULL means: not this algorithm; slots are
 * those of esp_key_new.  seal encrypts text in place and writes 16 octets of
 * tag; open decrypts and writes the tag that should have come, which the
 * caller compares.
 */
struct esp_nonce {
	uint8_t	iv[12];			/* salt, IV */
	uint8_t	aad[12];
	size_t	aad_len;		/* 8, with ESN 12 */
};
struct esp_engine {
	void	*(*key_new)(enum esp_alg alg, const uint8_t *key,
		    unsigned slots);
	void	 (*key_free)(void *key);	/* wipes */
	void	 (*seal)(void *key, unsigned slot, const struct esp_nonce *n,
		    uint8_t *text, size_t len, uint8_t *tag);
	void	 (*open)(void *key, unsigned slot, const struct esp_nonce *n,
		    uint8_t *text, size_t len, uint8_t *tag);
};
/* Keys made from now on use x; NULL: OpenSSL.  Not while other threads make
 * keys. */
void esp_engine_set(const struct esp_engine *x);

/* A key for use by `slots` threads at once, each with its own slot.  key is
 * KEYMAT in the order of RFC 7296, 2.17: encryption key, salt, integrity
 * key; EINVAL when its length is not the suite's. */
struct esp_key;
struct esp_key *esp_key_new(enum esp_alg alg, bool seal, const uint8_t *key,
    size_t len, unsigned slots, struct err *e);
void esp_key_free(struct esp_key *k);		/* wipes; NULL is fine */
const struct esp_suite *esp_key_suite(const struct esp_key *k);

/*
 * One packet, in place: p points at the ESP header (SPI, sequence number),
 * the IV follows, then text octets (payload, padding, trailer), then room
 * for the ICV.  sequence is the whole 64-bit number; its upper half counts
 * only when esn is set.
 */
struct esp_job {
	uint8_t		*p;
	size_t		 text;
	uint64_t	 sequence;
	bool		 ok;		/* esp_open: the ICV verified */
};

/* Write IV, ciphertext and ICV of n packets; the header stands there.  -1:
 * the library failed, nothing may be sent. */
int esp_seal(struct esp_key *k, unsigned slot, bool esn,
    struct esp_job *jobs, size_t n);
/* Verify and decrypt n packets; sets ok of each; text of one that is not ok
 * is undefined.  Returns how many are ok. */
size_t esp_open(struct esp_key *k, unsigned slot, bool esn,
    struct esp_job *jobs, size_t n);

#endif
