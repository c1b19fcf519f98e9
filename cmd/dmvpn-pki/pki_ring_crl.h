#ifndef PKI_RING_CRL_H
#define PKI_RING_CRL_H

#include "msg/types.h"
#include "pki_ring.h"

/*
 * Revocation lists of the agent's identities.  A list is kept once, whoever
 * has it.  It takes the place of an older one of the same issuer; an older
 * one never comes back (reason "older").
 */
struct pki_crl_item;		/* counted */

/* Names of identities whose lists have changed. */
struct pki_crl_done {
	size_t	n;
	char	names[PKI_RING_MAX][64];
};

/* The code of a refusal, of a list or an OCSP response, by errno. */
const char *pki_ring_code(const struct err *e);

/* The list (DER) becomes one of this identity; "": of each that has the CA it
 * is signed by.  -1: *why says what is wrong, nothing has changed. */
int pki_ring_crl(struct pki_ring *r, const char *identity, struct rbuf der,
    struct pki_crl_done *done, struct reason *why);

/* One more piece of a list that comes in pieces.  1: it was the last one, and
 * the list is taken as above. */
int pki_ring_crl_piece(struct pki_ring *r, const struct pki_crl_load *m,
    struct pki_crl_done *done, struct reason *why);

/* A piece that goes out; borrowed. */
void pki_ring_crl_read(const struct pki_entry *n, size_t index, size_t offset,
    struct pki_crl_reply *out);

/* A new entry of the same name keeps the lists of the old one. */
void pki_ring_crl_inherit(struct pki_entry *to, struct pki_entry *from);
/* A new one has those of the others that are of its CAs. */
void pki_ring_crl_adopt(struct pki_ring *r, struct pki_entry *n);
void pki_ring_crl_drop(struct pki_entry *n);
void pki_ring_crl_fini(struct pki_ring *r);	/* what has not come whole */

#endif
