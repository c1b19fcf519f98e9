#ifndef PKI_PROOF_H
#define PKI_PROOF_H

#include <openssl/x509.h>

#include "base/err.h"

/*
 * Renewal by EST is vouched for by TLS, which the half of `serve` without the
 * CA has seen; the half with the CA has only its word.  So a request may carry
 * a proof of its own: an attribute (PKI_PROOF_OID, made from a UUID as X.667
 * has it) with a signature of the old key over PKI_PROOF_LABEL with its NUL,
 * SHA-256 of the new SubjectPublicKeyInfo, SHA-256 of the old certificate.
 * Servers that do not know it step over it.
 */
#define PKI_PROOF_OID	"2.25.54760373481371332133658882256452661704"
#define PKI_PROOF_LABEL	"dmvpn-pki renewal"

/* Into a request that has its key and is not signed yet. */
int pki_proof_add(X509_REQ *r, EVP_PKEY *old_key, X509 *old, struct err *e);

/* 1: who asks has the old key, by the proof, or because the request is for
 * that key; 0: it may be anybody; -1: EPERM, the proof is wrong. */
int pki_proof_check(X509_REQ *r, X509 *old, struct err *e);

#endif
