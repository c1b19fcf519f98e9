#ifndef PKI_ISSUE_INT_H
#define PKI_ISSUE_INT_H

#include <openssl/x509v3.h>

#include "pki_issue.h"

/* Pieces that pki_issue.c, pki_ca.c and pki_crl.c share; NULL or 0 when memory
 * is short. */
const EVP_MD *pki_issue_md(const EVP_PKEY *k);	/* NULL: EdDSA */
int pki_issue_subject(X509_NAME *n, const struct pki_want *w);
GENERAL_NAME *pki_issue_name(int type, const char *text);
DIST_POINT_NAME *pki_issue_point(const char *url);
X509_EXTENSION *pki_issue_blocks(const struct blocks *b, bool critical,
    struct err *e);

/* Version, serial number, times, subject, key. */
X509 *pki_issue_begin(const struct pki_want *w, EVP_PKEY *key);
/* x if ok, else NULL with e. */
X509 *pki_issue_done(X509 *x, int ok, struct err *e);

#endif
