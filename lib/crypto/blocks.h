#ifndef CRYPTO_BLOCKS_H
#define CRYPTO_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * Address blocks: what an identity may claim (RFC 3779, 2; SAFI absent or 1,
 * AFI 1 and 2).  Ranges become the prefixes that make them up.
 */
#define BLOCKS_MAX 32		/* prefixes, as in ike-up */

struct blocks {
	bool		present;	/* the certificate has the extension */
	bool		inherit4;	/* "whatever my issuer has" */
	bool		inherit6;
	size_t		n;
	struct prefix	v[BLOCKS_MAX];
};

struct cert;

/* No extension: 0 with present false.  -1: malformed, or over BLOCKS_MAX. */
int blocks_of(const struct cert *c, struct blocks *b, struct err *e);

bool blocks_has(const struct blocks *b, const struct addr *a);
bool blocks_covers(const struct blocks *b, const struct prefix *p);

/* Add one; what is there already is not added twice. */
int blocks_add(struct blocks *b, const struct prefix *p, struct err *e);

/* Prefixes of the range first..last (both in), appended to b. */
int blocks_add_range(struct blocks *b, const struct addr *first,
    const struct addr *last, struct err *e);

/* "10.0.0.2/32 192.168.2.0/24", cut with "..." to fit. */
const char *blocks_text(const struct blocks *b, char *out, size_t out_len);

/*
 * DER of the extension's value, sorted and merged as RFC 3779, 2.2.3 wants
 * it.  Returns octets in *der, to be freed with blocks_free_der.
 */
int blocks_der(const struct blocks *b, unsigned char **der, size_t *len,
    struct err *e);
void blocks_free_der(unsigned char *der);

#endif
