#ifndef WIRE_REPLAY_H
#define WIRE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Anti-replay window (RFC 4303, 3.4.3) as a ring of bits (RFC 6479).
 * Numbers are whole 64-bit ones; replay_number makes them from the 32 bits
 * on the wire.
 */
#define REPLAY_WINDOW	1024		/* default */
#define REPLAY_MIN	32
#define REPLAY_MAX	4096

struct replay {
	uint64_t	top;		/* highest accepted, 0: none yet */
	uint32_t	window;
	uint16_t	words;
	uint16_t	at;		/* word of top; others lie before it */
	uint64_t	bits[];
};

/* Octets of a struct replay for that window (clamped to MIN..MAX). */
size_t replay_size(uint32_t window);
void replay_init(struct replay *r, uint32_t window);

/* RFC 4303, appendix A2: the number that was meant.  Without esn: itself.
 * 0: it can only be from before the first subspace. */
uint64_t replay_number(const struct replay *r, uint32_t low, bool esn);

/* Could it be accepted?  Number 0 never is. */
bool replay_check(const struct replay *r, uint64_t seq);
/* It was authentic: remember.  false: it had been seen meanwhile. */
bool replay_accept(struct replay *r, uint64_t seq);

#endif
