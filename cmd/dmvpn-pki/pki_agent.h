#ifndef PKI_AGENT_H
#define PKI_AGENT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "msg/types.h"
#include "pki_ring.h"

/*
 * What the agent answers.  It signs nothing but AUTH input (RFC 7296, 2.15):
 * a whole IKE_SA_INIT message with one nonce in it, the other side's nonce
 * and a MAC of the length of a PRF; each nonce of ours once.
 * All return 0 with the reply filled, or -1 with *why.  Octets of a reply are
 * in `room` or borrowed from the ring.
 */

/* Octets of chain and anchors in one reply; the rest by pki_agent_cert. */
#define PKI_AGENT_CERTS_MAX	13000

int pki_agent_identity(struct pki_ring *r, uid_t uid, int64_t wall,
    const struct pki_identity *in, struct pki_identity_reply *out,
    struct reason *why);
int pki_agent_cert(struct pki_ring *r, uid_t uid,
    const struct pki_certificate *in, struct pki_certificate_reply *out,
    struct reason *why);
int pki_agent_crl(struct pki_ring *r, uid_t uid, const struct pki_crl *in,
    struct pki_crl_reply *out, struct reason *why);
int pki_agent_staple(struct pki_ring *r, uid_t uid, int64_t wall,
    const struct pki_staple *in, struct pki_staple_reply *out,
    struct reason *why);
void pki_agent_list(const struct pki_ring *r, struct pki_identities *out);
int pki_agent_sign(struct pki_ring *r, uid_t uid, uint64_t now,
    const struct pki_sign *in, struct wbuf *room,
    struct pki_sign_reply *out, struct reason *why);
int pki_agent_psk(struct pki_ring *r, uid_t uid, uint64_t now,
    const struct pki_psk *in, struct wbuf *room,
    struct pki_sign_reply *out, struct reason *why);

/* Is it an IKE_SA_INIT that AUTH may cover?  *nonce: the one in it. */
int pki_agent_check(struct rbuf message, struct rbuf *nonce,
    struct err *e);

#endif
