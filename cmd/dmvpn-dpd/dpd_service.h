#ifndef DPD_SERVICE_H
#define DPD_SERVICE_H

#include <stddef.h>
#include <stdint.h>

/* One host of a service (RFC 2782). */
struct dpd_service {
	char		 host[256];
	uint16_t	 port, priority, weight;
};

/* Into the order in which they are tried: by priority, and of one priority at
 * random, the heavier the likelier first, so that many who ask spread over
 * them.  dice gives any 32 bits. */
void dpd_service_order(struct dpd_service *v, size_t n,
    uint32_t (*dice)(void *arg), void *arg);

#endif
