#ifndef CRYPTO_VERDICT_H
#define CRYPTO_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/name.h"
#include "crypto/blocks.h"
#include "crypto/cert.h"
#include "crypto/ident.h"

/*
 * Is this certificate good for this peer, now?  The one place that judges:
 * dmvpn-ike and `dmvpn-pki verify` both ask it.  OpenSSL walks the path
 * (RFC 5280, RFC 3779); nothing is ever fetched from a network.
 */
#define VERDICT_CHECKS(X)			\
	X(VERDICT_STRENGTH, 0, "strength")	/* keys and hashes */	\
	X(VERDICT_CHAIN, 1, "chain")		/* leads to an anchor */ \
	X(VERDICT_TIME, 2, "time")		\
	X(VERDICT_REVOCATION, 3, "revocation")	\
	X(VERDICT_USAGE, 4, "usage")		/* key usage, EKU */	\
	X(VERDICT_NAME, 5, "name")		\
	X(VERDICT_BLOCKS, 6, "blocks")		/* RFC 3779 */

enum verdict_check { VERDICT_CHECKS(NAME_ENUM) };
extern const struct name verdict_check_names[];
#define VERDICT_N 7

#define VERDICT_RESULTS(X)			\
	X(VERDICT_SKIPPED, 0, "skipped")	\
	X(VERDICT_PASS, 1, "pass")		\
	X(VERDICT_FAIL, 2, "fail")

enum verdict_result { VERDICT_RESULTS(NAME_ENUM) };
extern const struct name verdict_result_names[];

/* Codes of the reason; their meaning never changes. */
#define VERDICT_CODES(X)					\
	X(VERDICT_OK, 0, "ok")					\
	X(VERDICT_UNTRUSTED, 1, "untrusted")	/* no way to an anchor */ \
	X(VERDICT_EXPIRED, 2, "expired")			\
	X(VERDICT_NOT_YET, 3, "not-yet-valid")			\
	X(VERDICT_REVOKED, 4, "revoked")			\
	X(VERDICT_NO_CRL, 5, "revocation-unknown")		\
	X(VERDICT_WEAK, 6, "weak-key")				\
	X(VERDICT_WRONG_NAME, 7, "wrong-name")			\
	X(VERDICT_WRONG_USAGE, 8, "wrong-usage")		\
	X(VERDICT_EXCEEDS, 9, "blocks-exceed-issuer")		\
	X(VERDICT_NO_BLOCKS, 10, "no-blocks")			\
	X(VERDICT_BAD_SIGNATURE, 11, "bad-signature")		\
	X(VERDICT_BAD_CHAIN, 12, "bad-chain")	/* a CA that is none... */ \
	X(VERDICT_BROKEN, 13, "malformed")			\
	X(VERDICT_FAILED, 14, "failed")		/* ours: out of memory... */ \
	X(VERDICT_NOT_ITS_OWN, 15, "not-in-blocks") /* what it shall have */

enum verdict_code { VERDICT_CODES(NAME_ENUM) };
extern const struct name verdict_code_names[];

struct verdict_ask {
	const struct cert	*leaf;
	const struct cert_set	*others;	/* intermediates; may be NULL */
	const struct cert_set	*anchors;
	const struct crl_set	*crls;		/* NULL: not checked */
	bool			 need_crl;	/* every CA must have one */
	struct rbuf		 ocsp;		/* a response about leaf, or
						 * empty; good stands for the
						 * CRL of its issuer */
	int64_t			 ocsp_at;	/* when it came; 0: at */
	bool			 need_ocsp;	/* and it must say good */
	int64_t			 at;		/* wall time, seconds */
	const struct ident	*id;		/* who it says it is; or NULL */
	const char *const	*patterns;	/* policy, ends in NULL; empty
						 * or NULL: any identity */
	bool			 allow_weak;	/* SHA-1, RSA 1,024 */
	bool			 any_usage;	/* any extended key usage */
	bool			 need_blocks;
};

struct verdict {
	enum verdict_code	 code;		/* of the first failure */
	struct {
		enum verdict_result	result;
		enum verdict_code	code;
		char			text[256];
	} checks[VERDICT_N];			/* by enum verdict_check */
	char			 offered[256];	/* of the first failure */
	char			 wanted[256];
	char			 fix[256];
	struct blocks		 blocks;	/* effective, inherit resolved */
	struct cert_set		 path;		/* leaf..anchor, as far as known */
};

struct reason;			/* msg/types.h */

/*
 * Fill *v; v->code says whether all is well.  Every check is made as far as
 * it can be, so that a person sees all that is wrong at once.  Free with
 * verdict_fini.  Bounded: at most CERT_SET_MAX certificates, depth 8.
 */
void verdict_make(const struct verdict_ask *ask, struct verdict *v);
void verdict_fini(struct verdict *v);

/* The typed reason for messages: stage, code, sentence, offered, wanted, fix.
 * Leaves r->peer empty. */
void verdict_reason(const struct verdict *v, const char *stage,
    struct reason *r);

#endif
