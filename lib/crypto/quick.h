#ifndef CRYPTO_QUICK_H
#define CRYPTO_QUICK_H

#include "base/buf.h"

struct ossl_lib_ctx_st;
struct evp_pkey_st;

/*
 * OpenSSL 3.0 looks through all decoders and key managers that it has, for
 * each public key that it reads: 70 us a certificate.  The library context
 * here has only those of the keys that peers may have (RSA, RSA-PSS, EC,
 * Ed25519, Ed448); they, and all else, are the default provider's own.
 *
 * It is for processes that read certificates of strangers all day: once
 * quick_begin was called, cert_parse uses it.  Before, and when it can not be
 * made, quick_ctx is NULL, which is OpenSSL's default context.
 */
void quick_begin(void);
struct ossl_lib_ctx_st *quick_ctx(void);

/* One with no decoders: a certificate that is read there gets no key, which
 * spares two thirds of the time.  NULL as above. */
struct ossl_lib_ctx_st *quick_keyless(void);

/*
 * The key of a SubjectPublicKeyInfo's content, read without OpenSSL's
 * decoders, when it is RSA, or EC on P-256, P-384 or P-521 with an uncompressed
 * point; else NULL: the decoders may know it.  Encoded again it is the same
 * octets.
 */
struct evp_pkey_st *quick_key(struct rbuf spki);

/* ECDSA with such a key: 1 verifies, 0 does not, -1 it is another key. */
int quick_verify(struct evp_pkey_st *k, struct rbuf hash, struct rbuf sig);

#endif
