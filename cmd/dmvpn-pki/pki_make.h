#ifndef PKI_MAKE_CERT_H
#define PKI_MAKE_CERT_H

#include <stdint.h>

#include "crypto/cert.h"
#include "pki_issue.h"
#include "pki_store.h"

/*
 * Certificates and their rows in the store.
 */

/* A certificate for this key with a new serial number, and its row, in the
 * transaction that is open.  serial: the number in hexadecimal. */
X509 *pki_make_cert(struct pki_store *s, const struct pki_ca *ca,
    struct pki_want *w, EVP_PKEY *key, char serial[48], struct err *e);

/* What a new certificate takes from an old one: name, profile, subject
 * alternative names, blocks.  The want borrows from here. */
struct pki_again {
	char		 name[64], profile[16], serial[48];
	int64_t		 length;		/* seconds */
	struct cert	*cert;
	size_t		 seen;			/* revoked ones too */
	size_t		 bare;			/* imported without */
	char		*sans[PKI_SANS_MAX];	/* owned */
};

/* The newest certificate of this name, or the one of this serial number, that
 * is not revoked.  ENOENT: there is none.  Zeroed before; end with _fini. */
int pki_again_find(struct pki_store *s, const char *name_or_serial,
    struct pki_again *a, struct err *e);
/* days 0: as long as the old one. */
int pki_again_want(struct pki_again *a, struct pki_want *w, int64_t now,
    uint64_t days, struct err *e);
void pki_again_fini(struct pki_again *a);

#endif
