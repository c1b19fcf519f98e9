#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

/*
 * Octets that are wiped when freed: keys, PSKs, shared secrets.  They never
 * go to a log, an error text, argv or the environment.
 */
struct secret {
	size_t	len;
	uint8_t	b[];
};

/* len octets of zero, or a copy of from; NULL when out of memory. */
struct secret *secret_new(size_t len);
struct secret *secret_copy(const void *from, size_t len);
void secret_free(struct secret *s);		/* wipes; NULL is fine */

void secret_wipe(void *p, size_t len);

/* Constant-time comparison: 1 when equal, else 0. */
int secret_equal(const void *a, const void *b, size_t len);

#endif
