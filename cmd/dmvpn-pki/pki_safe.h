#ifndef PKI_SAFE_H
#define PKI_SAFE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"

/*
 * Memory of the agent.  Keys and PSKs live in OpenSSL's secure heap: locked,
 * between guard pages, never in a core.  What only passed by is wiped.
 */

/* Before OpenSSL's first use: what it frees is wiped from now on, and there is
 * a secure heap.  false: one of the two could not be had. */
bool pki_safe_begin(void);

/* As secret_copy and secret_free, in the secure heap when there is one. */
struct secret *pki_safe_copy(const void *from, size_t len);
void pki_safe_free(struct secret *s);

/* Wipe what calls that have returned left on the stack. */
void pki_safe_stack(void);

#endif
