#ifndef IKE_QUEUE_H
#define IKE_QUEUE_H

#include "ike_int.h"

/*
 * CHILD_SAs for one sender of dmvpn-gre each, whose number, from 1, is their
 * queue (RFC 9611).  Queue 0 is all senders: the first CHILD_SA, and each
 * that replaces it.
 */

/* IKE_AUTH: we may want them; so do we, if the peer said so; what the peer
 * said, which s->auth has. */
void ike_queue_offer(const struct ike_isa *s, struct ike_out *o);
void ike_queue_answer(const struct ike_isa *s, struct ike_out *o);
void ike_queue_agreed(struct ike_isa *s);

/* How many CHILD_SAs of all kinds an IKE SA may have. */
size_t ike_queue_children(const struct ike_isa *s);
bool ike_queue_served(const struct ike_isa *s, unsigned queue);
/* The SA of all that the others are to be like; NULL: there is none. */
const struct ike_csa *ike_queue_like(const struct ike_isa *s);
/* The same but for keys, SPIs and queue? */
bool ike_queue_same(const struct ike_csa *a, const struct ike_csa *b);
/* The notify of both messages that make one; nothing for any other child. */
void ike_queue_put(const struct ike_csa *c, struct ike_out *o);

/* Who began the IKE SA: those that are missing are made soon, later at each
 * call; the first of them is made now (false: none is missing); one is made;
 * it was refused; there will be no more than there are. */
void ike_queue_later(struct ike_isa *s);
bool ike_queue_next(struct ike_isa *s);
void ike_queue_made(struct ike_isa *s);
void ike_queue_refused(struct ike_isa *s, uint16_t type);
void ike_queue_end(struct ike_isa *s);

/* The peer asks for a child, in place of old or of none: for which sender?
 * 0, or the notify that refuses it. */
uint16_t ike_queue_choose(const struct ike_isa *s, const struct ike_in *in,
    const struct ike_csa *old, uint8_t *queue);
/* The peer's next request is here: it has our last answer, and the child. */
void ike_queue_confirm(struct ike_isa *s);

/* A child begins to send.  If it is one of all, the SAs of single senders
 * that its peer has under another IKE SA or from an earlier run of ours do not
 * go before it: they send no more. */
void ike_queue_hush(struct ike_csa *child);

#endif
