#ifndef DMVPN_GRE_PATH_RING_H
#define DMVPN_GRE_PATH_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A bounded ring of records of any length: one thread writes, another
 * reads, none waits.  What does not fit is refused.
 */
struct path_ring {
	uint8_t			*buf;
	size_t			 cap;		/* power of two */
	_Atomic(size_t)		 head;		/* written up to here */
	_Atomic(size_t)		 tail;		/* read up to here */
};

int path_ring_init(struct path_ring *r, size_t cap);	/* -1: no memory */
void path_ring_fini(struct path_ring *r);		/* wipes */

/* One record of two parts (either may be empty); false: no room. */
bool path_ring_put(struct path_ring *r, const void *a, size_t an,
    const void *b, size_t bn);
/* The oldest record copied to `to` (cap octets); its length, or 0.  A
 * record longer than cap is skipped. */
size_t path_ring_get(struct path_ring *r, void *to, size_t cap);
bool path_ring_empty(const struct path_ring *r);

#endif
