#ifndef BASE_DELTA_H
#define BASE_DELTA_H

#include "base/buf.h"

/*
 * Octets as what differs from a model: things of one kind are alike, as
 * certificates of one issuer, and take half the room so, or a fifth.
 *
 * It is a row of copies from the model and of octets that it has not.  Of
 * the model the first DELTA_MODEL octets count.
 */
#define DELTA_MODEL	65535

/* Room that is always enough for n octets. */
#define DELTA_ROOM(n)	((n) + (n) / 128 + 1)

/* Append it to w, which is bad when it had too little room. */
void delta_put(struct rbuf model, struct rbuf whole, struct wbuf *w);

/* The whole again, from the same model, appended to w.  -1: this is no delta
 * from that model, or w had too little room. */
int delta_get(struct rbuf model, struct rbuf delta, struct wbuf *w);

#endif
