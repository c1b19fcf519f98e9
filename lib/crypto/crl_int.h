#ifndef CRYPTO_CRL_INT_H
#define CRYPTO_CRL_INT_H

#include <openssl/x509.h>

/*
 * d2i_X509_CRL for lists that are asked often: their signature is verified once
 * for each key, not at every question, for which OpenSSL would hash all of a
 * list.  Not for several threads at once.
 */
X509_CRL *crl_quick_parse(const unsigned char **p, long len);

#endif
