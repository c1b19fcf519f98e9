#ifndef CRYPTO_VERDICT_INT_H
#define CRYPTO_VERDICT_INT_H

#include "crypto/verdict.h"

/* The parts of a verdict.  Inside lib/crypto only. */
#define VERDICT_TEXT	160

/* What the walk saw besides failures. */
struct verdict_walk {
	const struct verdict_ask	*ask;
	struct verdict			*v;
	bool				 crl_missing;
	bool				 crl_old;
	int				 leaf_crl;	/* X509_V_ERR_*, not yet
							 * said; or 0 */
	bool				 ocsp_good;
};

/* The first failure of a check keeps the word; what is said after a failure
 * is not heard. */
void verdict_fail(struct verdict *v, enum verdict_check check,
    enum verdict_code code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void verdict_say(struct verdict *v, enum verdict_check check,
    enum verdict_result result, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
const char *verdict_date(int64_t t, char out[32]);

/* OpenSSL's walk along the path (verdict_walk.c); fills v->path. */
void verdict_walk_path(struct verdict_walk *w);

/* A response about the leaf, when there is one (verdict_ocsp.c). */
void verdict_check_ocsp(struct verdict_walk *w);
/* Why the leaf's CRL is of no use, put off until OCSP was asked. */
void verdict_walk_no_crl(struct verdict_walk *w);

/* Our own checks (verdict_check.c). */
void verdict_check_strength(const struct verdict_ask *ask,
    struct verdict *v);
void verdict_check_usage(const struct verdict_ask *ask, struct verdict *v);
void verdict_check_name(const struct verdict_ask *ask, struct verdict *v);
void verdict_check_blocks(const struct verdict_ask *ask, struct verdict *v);

/* Offered, wanted and fix of the failure in v->code (verdict_explain.c). */
void verdict_explain(const struct verdict_ask *ask, struct verdict *v);

#endif
