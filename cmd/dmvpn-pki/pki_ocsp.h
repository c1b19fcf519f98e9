#ifndef PKI_OCSP_H
#define PKI_OCSP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/ocsp.h"
#include "pki_issue.h"
#include "pki_store.h"

/*
 * The OCSP responder (RFC 6960, RFC 5019) as a function: no socket, no clock
 * but for producedAt, which OpenSSL sets.
 */
#define PKI_OCSP_LIST_MAX	16	/* certificates asked about at once */
#define PKI_OCSP_VALID		3600	/* seconds, when nothing else is said */

struct pki_ocsp_row {
	bool	known;			/* we issued it */
	int64_t	revoked;		/* 0: not */
	char	why[32];		/* one of PKI_REASONS, or "" */
};

/* Is this serial (as cert_serial tells it) in the books?  -1 with e: can not be
 * known now, the answer will be tryLater. */
typedef int pki_ocsp_look(void *arg, const char *serial,
    struct pki_ocsp_row *out, struct err *e);

/* arg is a struct pki_store *. */
pki_ocsp_look pki_ocsp_look_store;

struct pki_ocsp {
	const struct pki_ca	*cas;	/* whose certificates we answer for; */
	size_t			 n_cas;	/* key NULL where signer is set */
	/* A delegated responder (profile "ocsp"), whose issuer is cas[0], or
	 * NULLs: each CA signs itself. */
	X509			*signer;
	EVP_PKEY		*signer_key;
	int64_t			 now;	/* wall seconds */
	uint32_t		 valid;	/* seconds until nextUpdate */
	pki_ocsp_look		*look;
	void			*arg;
};

/* For HTTP's headers (RFC 5019, 6.2). */
struct pki_ocsp_said {
	int	status;			/* of the response, RFC 6960, 4.2.1 */
	bool	cacheable;		/* a success without nonce */
	int64_t	made, next;
	size_t	n;			/* certificates it speaks of */
	char	serial[48];		/* of the first, for a log; or "" */
};

/*
 * Answer a request of any octets.  reply (OCSP_MAX octets of room) gets the
 * response's DER, which may be one of the error responses; said may be NULL.
 * -1: not even an error response could be made.
 */
int pki_ocsp_answer(const struct pki_ocsp *o, struct rbuf request,
    struct wbuf *reply, struct pki_ocsp_said *said, struct err *e);

#endif
