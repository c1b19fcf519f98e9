#ifndef CRYPTO_SIGN_H
#define CRYPTO_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"
#include "crypto/cert.h"

/*
 * AUTH by signature: RFC 7427 digital signatures, and the older methods of
 * RFC 7296 and RFC 4754.
 */
#define SIGN_METHODS(X)				\
	X(SIGN_RSA, 1, "rsa")			/* PKCS#1 v1.5, SHA-1 */ \
	X(SIGN_PSK, 2, "psk")			\
	X(SIGN_ECDSA_256, 9, "ecdsa-256")	/* RFC 4754 */ \
	X(SIGN_ECDSA_384, 10, "ecdsa-384")	\
	X(SIGN_ECDSA_521, 11, "ecdsa-521")	\
	X(SIGN_DIGITAL, 14, "digital-signature") /* RFC 7427 */

enum sign_method { SIGN_METHODS(NAME_ENUM) };
extern const struct name sign_method_names[];

/* RFC 7427, 7: hash algorithms of SIGNATURE_HASH_ALGORITHMS. */
#define SIGN_HASHES(X)				\
	X(SIGN_SHA1, 1, "sha1")			\
	X(SIGN_SHA256, 2, "sha256")		\
	X(SIGN_SHA384, 3, "sha384")		\
	X(SIGN_SHA512, 4, "sha512")		\
	X(SIGN_IDENTITY, 5, "identity")		/* RFC 8420, Ed25519 */

enum sign_hash { SIGN_HASHES(NAME_ENUM) };
extern const struct name sign_hash_names[];

/* What we accept, in our order: for the SIGNATURE_HASH_ALGORITHMS notify. */
extern const uint16_t sign_hashes[];
extern const size_t sign_n_hashes;

#define SIGN_MAX	(RSA_BITS_MAX / 8 + 256)	/* octets of AUTH data */
#define SIGN_PARTS_MAX	4

/* What is signed: the concatenation of n parts (RFC 7296, 2.15). */
struct sign_parts {
	size_t		n;
	struct rbuf	v[SIGN_PARTS_MAX];
};

struct sign_key;		/* a private key */

/* PKCS#8 or traditional DER, not encrypted.  The same limits as cert.h. */
struct sign_key *sign_key_parse(struct rbuf der, struct err *e);
void sign_key_free(struct sign_key *k);
bool sign_key_fits(const struct sign_key *k, const struct cert *c);
enum cert_key sign_key_kind(const struct sign_key *k);

/*
 * Verify AUTH data of a method against the key of a certificate.  0: it
 * verifies.  -1: it does not; e->code is EBADMSG (malformed), ENOTSUP
 * (algorithm we do not take or that does not fit the key), EACCES (weak and
 * not allowed), EPERM (does not verify).
 * RFC 7427's AlgorithmIdentifier must be exactly one of the encodings that
 * the RFCs allow; the PSS salt must be as long as the hash.
 */
int sign_verify(const struct cert *c, uint8_t method, struct rbuf auth,
    const struct sign_parts *parts, bool allow_weak, struct err *e);

/*
 * Sign with the best algorithm that the peer's hashes allow: method 14 when
 * it sent any, else method 9, 10 or 11 by curve; RSA without hashes (SHA-1)
 * is refused.  out gets the AUTH data.  pss: RSA-PSS and not PKCS#1 v1.5.
 */
int sign_make(const struct sign_key *k, const uint16_t *hashes,
    size_t n_hashes, bool pss, const struct sign_parts *parts,
    uint8_t *method, struct wbuf *out, struct err *e);

/* What AUTH data says it is, for decoders: "digital-signature rsa-pss
 * sha256".  Never fails. */
const char *sign_text(uint8_t method, struct rbuf auth, char *out,
    size_t out_len);

#endif
