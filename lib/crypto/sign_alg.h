#ifndef CRYPTO_SIGN_ALG_H
#define CRYPTO_SIGN_ALG_H

#include <stdbool.h>

#include "base/buf.h"
#include "crypto/cert.h"
#include "crypto/sign.h"

/*
 * The AlgorithmIdentifiers of RFC 7427 (appendix A) and RFC 8420, as exact
 * octets: what is not in this list is not an algorithm.
 */
#define SIGN_SCHEMES(X)					\
	X(SIGN_NONE, 0, "none")				\
	X(SIGN_PKCS1, 1, "rsa-pkcs1")			\
	X(SIGN_PSS, 2, "rsa-pss")			\
	X(SIGN_ECDSA, 3, "ecdsa")			\
	X(SIGN_ED25519, 4, "ed25519")

enum sign_scheme { SIGN_SCHEMES(NAME_ENUM) };
extern const struct name sign_scheme_names[];

struct sign_alg {
	enum sign_scheme	scheme;
	enum sign_hash		hash;
};

#define SIGN_ALG_MAX	80	/* octets of an AlgorithmIdentifier */

/* Write the one we send; -1 when there is none. */
int sign_alg_put(struct wbuf *w, const struct sign_alg *alg);

/* Which one is it?  Optional parameters may be NULL or absent, as RFC 4055
 * allows; SHA-1 schemes are known, and refused by the caller. */
int sign_alg_of(struct rbuf der, struct sign_alg *alg);

bool sign_alg_fits(const struct sign_alg *alg, enum cert_key kind);

#endif
