#ifndef CRYPTO_DER_H
#define CRYPTO_DER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Strict DER (X.690, 10): definite lengths in their shortest form, tags below
 * 31.  For looking at what a stranger sent before OpenSSL does.
 */
#define DER_DEPTH	24
#define DER_EXPONENT_MAX 8	/* octets of an RSA key's exponent */

#define DER_INTEGER	0x02
#define DER_BITS	0x03
#define DER_OCTETS	0x04
#define DER_OID		0x06
#define DER_SEQUENCE	0x30
#define DER_CONTEXT0	0xa0

/* The next element: its tag octet, its content as a view, *whole (may be
 * NULL) with tag and length.  Returns the tag, or -1. */
int der_next(struct rbuf *in, struct rbuf *content, struct rbuf *whole,
    struct err *e);

/* As der_next; another tag is an error. */
int der_want(struct rbuf *in, int tag, struct rbuf *content, struct err *e);

/* Is it exactly one element, well formed all the way down? */
int der_check(struct rbuf in, struct err *e);

/*
 * A SubjectPublicKeyInfo's content: RSA of at most RSA_BITS_MAX bits with an
 * odd exponent from 65,537 up to 64 bits; EC with a named curve.  Algorithms
 * we do not know pass.
 */
int der_check_spki(struct rbuf spki, struct err *e);
/* Its BIT STRING's content, when it is RSA: the two numbers, without leading
 * zeros, the modulus of at most RSA_BITS_MAX bits. */
int der_check_rsa(struct rbuf bits, struct rbuf *n, struct rbuf *exponent,
    struct err *e);

/* A whole certificate or request: well formed, serial number, key. */
int der_check_cert(struct rbuf der, struct err *e);
int der_check_request(struct rbuf der, struct err *e);

#endif
