#ifndef PKI_KEY_H
#define PKI_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

#include "base/err.h"
#include "base/secret.h"

/*
 * Private keys of the store and of files.
 */

/* "p256", "p384", "p521", "ed25519", "rsa2048" to "rsa8192". */
EVP_PKEY *pki_key_make(const char *type, struct err *e);
int pki_key_type_check(const char *type, struct err *e);
#define PKI_KEY_TYPES "p256|p384|p521|ed25519|rsa2048|...|rsa8192"

/* PKCS#8; with a passphrase encrypted (PBES2, AES-256, PBKDF2 of 600,000
 * rounds). */
struct secret *pki_key_pem(EVP_PKEY *k, const struct secret *pass,
    struct err *e);
struct secret *pki_key_der(EVP_PKEY *k, struct err *e);

/* The first private key of a PEM text.  EACCES: it is encrypted and pass is
 * NULL or wrong. */
EVP_PKEY *pki_key_read(const char *pem, size_t len,
    const struct secret *pass, struct err *e);
bool pki_key_is_encrypted(const char *pem);

/*
 * A key that a token keeps, by its URI (RFC 7512; or of any other scheme that a
 * provider of OpenSSL opens); pass is the PIN, or NULL.  With "pkcs11:" the
 * provider "pkcs11" is used, and where there is none, the engine of that name.
 */
bool pki_key_is_uri(const char *text);
EVP_PKEY *pki_key_open(const char *uri, const struct secret *pass,
    struct err *e);

/* "p256", "rsa 2048": for people. */
const char *pki_key_text(const EVP_PKEY *k, char *out, size_t out_len);

#endif
