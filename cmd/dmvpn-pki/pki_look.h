#ifndef PKI_LOOK_H
#define PKI_LOOK_H

#include <openssl/x509.h>

#include "crypto/cert.h"
#include "msg/types.h"

/* What a certificate, a request or a CRL says, as a record.  Foreign octets
 * are escaped; what does not fit is cut. */
void pki_look_cert(const struct cert *c, struct pki_look *out);
void pki_look_request(X509_REQ *r, struct pki_look *out);
void pki_look_crl(const X509_CRL *crl, struct pki_look *out);

/* RFC 3339 in UTC; "never" for INT64_MAX. */
void pki_look_time(int64_t t, char out[32]);

#endif
