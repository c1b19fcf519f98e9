#ifndef CRYPTO_HTTP_NAME_H
#define CRYPTO_HTTP_NAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * The addresses of a host, in the order in which they are to be tried
 * (RFC 6724), not later than `until` (ms of CLOCK_MONOTONIC): libc's resolver
 * takes its own time, whatever limit its caller has.  An address is its own
 * name.  How many; -1: EHOSTUNREACH there is no such name, ETIMEDOUT nobody
 * has said so in time.
 */
#define HTTP_ADDRESSES	16

int http_name(const char *host, int64_t until, struct addr out[HTTP_ADDRESSES],
    struct err *e);

/* Now, as `until` has it. */
int64_t http_now(void);

#endif
