#ifndef SERVE_RATE_H
#define SERVE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "base/addr.h"

/*
 * How much each address may ask: so many a second, and a burst of four
 * seconds' worth.  IPv6 counts by /64.  Bounded: the address that was new the
 * longest ago is forgotten.
 */
#define RATE_ADDRESSES	4096

struct rate_row {
	struct addr	 from;
	uint64_t	 credit;	/* thousandths of a request */
	uint64_t	 at;		/* ms */
	UT_hash_handle	 hh;
};

struct rate {
	uint64_t	 a_second;	/* 0: no limit */
	struct rate_row	*rows;
};

/* May it, now? */
bool rate_take(struct rate *r, const struct addr *from, uint64_t now);
void rate_fini(struct rate *r);

#endif
