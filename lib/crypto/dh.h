#ifndef CRYPTO_DH_H
#define CRYPTO_DH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/*
 * Diffie-Hellman for IKE: group is the IANA transform id.  X25519 (31),
 * P-256 (19), P-384 (20), MODP of 2,048, 3,072 and 4,096 bits (14, 15, 16),
 * and for weak peers 1,024 and 1,536 (2, 5).  Private keys come from the
 * octets the caller gives, so that a run can be repeated exactly.
 */
#define DH_SEED_LEN	64	/* octets of randomness for any group */
#define DH_PUBLIC_MAX	512

struct dh;

bool dh_known(uint16_t group);
size_t dh_public_len(uint16_t group);		/* 0: unknown */

struct dh *dh_new(uint16_t group, const uint8_t seed[DH_SEED_LEN],
    struct err *e);
void dh_free(struct dh *d);
uint16_t dh_group(const struct dh *d);
struct rbuf dh_public(const struct dh *d);	/* as in a KE payload */

/* g^ir.  Refuses (EBADMSG) public values of the wrong length and those of
 * RFC 6989, 2: out of range, not on the curve, of small order. */
struct secret *dh_shared(const struct dh *d, struct rbuf peer,
    struct err *e);

#endif
