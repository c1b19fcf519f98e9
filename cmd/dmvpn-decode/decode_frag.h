#ifndef DECODE_FRAG_H
#define DECODE_FRAG_H

#include <stdbool.h>

#include "base/err.h"
#include "wire/dissect.h"

/*
 * Putting IP fragments together (RFC 791, RFC 8200), for captures: a few
 * packets at a time, the oldest gives way.
 */
struct frag_table;

struct frag_table *frag_new(struct err *e);
void frag_free(struct frag_table *t);

/* Take one fragment.  True: it completed its packet, and d now describes the
 * whole, whose octets stay valid until the next call. */
bool frag_take(struct frag_table *t, struct dissect *d);

#endif
