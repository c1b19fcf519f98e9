#ifndef PKI_RING_STAPLE_H
#define PKI_RING_STAPLE_H

#include "pki_ring.h"
#include "pki_ring_crl.h"

/*
 * OCSP responses about the agent's own certificates, which dmvpn-ike shows to
 * peers (RFC 4806).  Somebody else fetches them: the agent has no network.
 */

/* The response (DER) becomes that of this identity; "": of each that it is
 * about.  It must verify and say good at wall (seconds), and not be older than
 * what is there.  -1: *why says what is wrong; those of `done` have it all the
 * same. */
int pki_ring_staple(struct pki_ring *r, const struct pki_staple_load *m,
    int64_t wall, struct pki_crl_done *done, struct reason *why);

/* Is there one that is of use at wall? */
bool pki_ring_stapled(const struct pki_entry *n, int64_t wall);

/* A new entry of the same name keeps it if the certificate is the same. */
void pki_ring_staple_inherit(struct pki_entry *to, struct pki_entry *from);

#endif
