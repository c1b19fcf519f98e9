#ifndef PKI_SCEP_H
#define PKI_SCEP_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "crypto/cert.h"
#include "pki_issue.h"

/*
 * A SCEP server (RFC 8894), without any socket, clock or store: one request
 * in, one reply out.  Who may have what is decided by the caller's functions;
 * nothing of a request is copied into a certificate but its key.
 */
#define SCEP_REQUEST_MAX	65536
#define SCEP_REPLY_MAX		(256u << 10)

/* What the caller's functions say. */
enum pki_scep_answer {
	PKI_SCEP_ISSUE,		/* *out is the certificate */
	PKI_SCEP_WAIT,		/* ask again later */
	PKI_SCEP_REFUSE,	/* *e: why; EPERM and EACCES: who; else what */
	PKI_SCEP_FAILED,	/* *e, which is nobody else's: try again */
};

/* A request that was opened: its signature verifies and the key is proven. */
struct pki_scep_want {
	const char		*transaction;	/* printable, of the client */
	const char		*from;		/* of pki_scep_call, for the audit */
	const char		*challenge;	/* "": none */
	struct rbuf		 request;	/* PKCS#10 DER; empty: a poll */
	const X509		*old;		/* renewal: signed by this one of
						 * ours, which is not expired */
	const X509		*signer;	/* of the message; self-signed, or
						 * == old */
	int64_t			 now;		/* wall */
};

struct pki_scep_ops {
	void	*arg;
	/*
	 * Issue, in one transaction with taking the challenge (a one-time
	 * token), or for old (it looks up whether that is revoked).  The same
	 * transaction and key may come again and gets the same certificate.
	 * A poll has no request and no challenge.  *out is the caller's to free.
	 */
	enum pki_scep_answer (*issue)(void *arg,
	    const struct pki_scep_want *w, X509 **out, struct err *e);
	/* The certificate with this serial number (lower-case hexadecimal);
	 * NULL: none (ENOENT), or it can not be said now. */
	X509 *(*find)(void *arg, const char *serial, struct err *e);
	/* The newest list about the certificate with this serial number; NULL
	 * as above. */
	X509_CRL *(*crl)(void *arg, const char *serial, struct err *e);
};

/* The CA, and who speaks for it: an RSA key with a certificate under the CA
 * (made by pki_scep_ra), or the CA itself when that is RSA. */
struct pki_scep {
	struct pki_ca		 ca;
	X509			*ra;		/* == ca.cert, or its own */
	EVP_PKEY		*ra_key;
	X509			*next;		/* the CA after a rollover, or NULL */
	X509 *const		*above;		/* up to the root; ends in NULL; or
						 * NULL */
	X509 *const		*before;	/* CAs of ours, whose certificates
						 * may be renewed; as above */
	bool			 legacy;	/* 3DES and SHA-1 too */
	struct pki_scep_ops	 ops;
};

/* An RSA key and a certificate for it (digitalSignature, keyEncipherment; CN
 * "NAME SCEP") below an EC CA; serial: random, given.  The caller keeps and
 * frees both. */
int pki_scep_ra(const struct pki_ca *ca,
    const uint8_t serial[PKI_SERIAL_LEN], int64_t now, uint64_t days,
    X509 **ra, EVP_PKEY **key, struct err *e);

struct pki_scep_call {
	const char	*operation;	/* GetCACert, PKIOperation, ... */
	struct rbuf	 message;	/* body of POST, or decoded of GET */
	const char	*from;		/* address of the client, for the audit */
	int64_t		 now;
};
struct pki_scep_reply {
	unsigned	 status;	/* of HTTP: 200, 400, 404, 500 */
	const char	*type;		/* static text */
	struct wbuf	*body;		/* storage of the caller */
};
/* 0 with *r filled, whatever it is; -1 when it can not be made, or the caller
 * has failed.  why tells
 * what was wrong with a request that was refused (code 0: nothing). */
int pki_scep_answer(const struct pki_scep *s, const struct pki_scep_call *c,
    struct pki_scep_reply *r, struct err *why);

/* The challengePassword of a request; "" when there is none. */
int pki_scep_challenge(X509_REQ *r, char *out, size_t len, struct err *e);

#endif
