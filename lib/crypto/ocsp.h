#ifndef CRYPTO_OCSP_H
#define CRYPTO_OCSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"
#include "crypto/cert.h"

/*
 * OCSP (RFC 6960, RFC 5019) as the one who asks: requests, and what responses
 * say.  Nothing is fetched here.
 */
#define OCSP_MAX		16384	/* octets of a response */
#define OCSP_REQUEST_MAX	4096
#define OCSP_NONCE_MIN		16
#define OCSP_NONCE_MAX		32	/* RFC 9654, 2.1 */
#define OCSP_SINGLES_MAX	64	/* answers in one response */
#define OCSP_CLOCK_SLACK	300	/* seconds */
#define OCSP_OLD		86400	/* seconds, without nextUpdate */

#define OCSP_STATES(X)				\
	X(OCSP_GOOD, 0, "good")			\
	X(OCSP_REVOKED, 1, "revoked")		\
	X(OCSP_UNKNOWN, 2, "unknown")

enum ocsp_state { OCSP_STATES(NAME_ENUM) };
extern const struct name ocsp_state_names[];

/* RFC 5280, 5.3.1 */
#define OCSP_REASONS(X)				\
	X(OCSP_UNSPECIFIED, 0, "unspecified")	\
	X(OCSP_KEY_COMPROMISE, 1, "key-compromise") \
	X(OCSP_CA_COMPROMISE, 2, "ca-compromise") \
	X(OCSP_AFFILIATION, 3, "affiliation-changed") \
	X(OCSP_SUPERSEDED, 4, "superseded")	\
	X(OCSP_CESSATION, 5, "cessation")	\
	X(OCSP_HOLD, 6, "hold")			\
	X(OCSP_REMOVED, 8, "removed-from-crl")	\
	X(OCSP_WITHDRAWN, 9, "privilege-withdrawn") \
	X(OCSP_AA_COMPROMISE, 10, "aa-compromise")

enum ocsp_reason { OCSP_REASONS(NAME_ENUM) };
extern const struct name ocsp_reason_names[];

/* Ask about one certificate, with this nonce when it is not empty. */
int ocsp_request(const struct cert *leaf, const struct cert *issuer,
    struct rbuf nonce, struct wbuf *out, struct err *e);

struct ocsp_ask {
	const struct cert	*leaf, *issuer;	/* issuer: trusted already */
	const struct crl_set	*crls;		/* for the signer; or NULL */
	int64_t			 at;		/* wall time, seconds */
	struct rbuf		 nonce;		/* must be in it; empty: any */
	bool			 allow_weak;	/* SHA-1 */
};

struct ocsp_word {
	enum ocsp_state	state;
	int64_t		made;		/* thisUpdate */
	int64_t		next;		/* nextUpdate; INT64_MAX: none */
	int64_t		revoked;	/* when; 0 if it is not */
	int		reason;		/* enum ocsp_reason; -1: none given */
	bool		delegated;	/* not signed by the issuer itself */
};

/*
 * What a response says about ask->leaf.  The signer is the issuer, or one whom
 * the issuer certified for it (RFC 6960, 4.2.2.2).  -1, e->code tells:
 * EBADMSG malformed; EAGAIN, EACCES the responder's own error; ENOENT nothing
 * about this certificate; EPERM not signed by who may; ESTALE out of date;
 * EPROTO another nonce than asked for, or none.
 */
int ocsp_read(struct rbuf der, const struct ocsp_ask *ask,
    struct ocsp_word *out, struct err *e);

/* thisUpdate and nextUpdate of the first answer, not verified: only to plan
 * when to ask again. */
int ocsp_peek(struct rbuf der, struct ocsp_word *out, struct err *e);

#endif
