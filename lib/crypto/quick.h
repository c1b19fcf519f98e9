#ifndef CRYPTO_QUICK_H
#define CRYPTO_QUICK_H

struct ossl_lib_ctx_st;

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

#endif
