#ifndef SYS_POOL_H
#define SYS_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define POOL_OCTETS	1024

/*
 * Random octets for keys and nonces, drawn many at a time: who takes small
 * pieces is spared a system call for each.  A piece is wiped as it is given
 * out, and no octet is given out twice.  A zeroed one is empty.  It must not be
 * copied, nor live on in a child process.
 */
struct pool {
	size_t	left;			/* at the end */
	uint8_t	octets[POOL_OCTETS];
};

/* len octets into `to`; -1: there are none. */
int pool_take(struct pool *p, void *to, size_t len, struct err *e);

#endif
