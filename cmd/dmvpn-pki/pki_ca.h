#ifndef PKI_CA_H
#define PKI_CA_H

#include "crypto/cert.h"
#include "pki_issue.h"

/*
 * Certificates of CAs besides the root: requests to an outside CA, and the
 * certificates that link a CA's new key to its old one.  Pure, as pki_issue.h.
 */

/* A request (PKCS#10) to be a CA below another one: subject, address blocks,
 * no further CA below.  The profile of w is NULL. */
X509_REQ *pki_ca_request(const struct pki_want *w, EVP_PKEY *key,
    struct err *e);

/* The certificate of the CA's next key, signed by itself: name and extensions
 * of the one before. */
X509 *pki_ca_next(X509 *before, EVP_PKEY *key, const struct pki_want *w,
    struct err *e);

/* RFC 4210, 4.4: the key of the CA `of`, certified by the key of `by`; both
 * have the same name.  Valid while both are. */
X509 *pki_ca_link(X509 *of, const struct pki_ca *by,
    const uint8_t serial[PKI_SERIAL_LEN], struct err *e);

/*
 * Is c, which came back, the CA certificate of this key, and does it lead over
 * `others` to one of `roots` at now?  EINVAL: it is another key's; EPERM: it is
 * not good as a CA, and why.
 */
int pki_ca_check(const struct cert *c, EVP_PKEY *key,
    const struct cert_set *others, const struct cert_set *roots, int64_t now,
    struct err *e);

#endif
