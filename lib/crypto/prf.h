#ifndef CRYPTO_PRF_H
#define CRYPTO_PRF_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * IKEv2's pseudorandom functions (RFC 7296, 2.13): prf is the IANA transform
 * id (wire/ike_names.h): HMAC with SHA-1, SHA-256, SHA-384 or SHA-512.
 */
#define PRF_MAX		64	/* octets of any output, of any preferred key */
#define PRF_PARTS_MAX	8

size_t prf_len(uint16_t prf);		/* of output and key; 0: unknown */

/* out = prf(key, parts[0] | parts[1] | ...), prf_len octets. */
int prf_make(uint16_t prf, struct rbuf key, const struct rbuf *parts,
    size_t n, uint8_t *out, struct err *e);

/* prf+ : out_len octets, at most 255 times prf_len. */
int prf_plus(uint16_t prf, struct rbuf key, const struct rbuf *parts,
    size_t n, uint8_t *out, size_t out_len, struct err *e);

/* The PSK side of AUTH: prf(prf(psk, "Key Pad for IKEv2"), message | nonce |
 * mac), RFC 7296, 2.15.  For the agent and for tests. */
int prf_psk_auth(uint16_t prf, struct rbuf psk, struct rbuf message,
    struct rbuf nonce, struct rbuf mac, uint8_t *out, struct err *e);

/* SHA-1 of n parts: NAT_DETECTION_* (RFC 7296, 2.23); 20 octets. */
int prf_sha1(const struct rbuf *parts, size_t n, uint8_t out[20],
    struct err *e);

#endif
