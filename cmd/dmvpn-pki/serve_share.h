#ifndef SERVE_SHARE_H
#define SERVE_SHARE_H

#include "base/buf.h"

/*
 * Bodies of answers that go to many: a revocation list of megabytes stands in
 * memory once, however many read it, and how slowly.
 */
struct evbuffer;
struct share;

/* Add body to out.  One that has the same name (an ETag) as what somebody else
 * is still sent, is not copied; without a name, or when it is small, it is.
 * *all lists what is shared: NULL at first, and in place until the last buffer
 * is freed.  -1: out of memory. */
int share_add(struct share **all, const char *name, struct rbuf body,
    struct evbuffer *out);

#endif
