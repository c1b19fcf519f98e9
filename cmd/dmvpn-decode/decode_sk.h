#ifndef DECODE_SK_H
#define DECODE_SK_H

#include "base/err.h"
#include "decode_ike.h"
#include "decode_keys.h"

/*
 * Reading what SK and SKF payloads hold.  Fragments (RFC 7383) are collected,
 * a few messages at a time; the one that completes its message shows it.
 */
struct sk_reader;

struct sk_reader *sk_reader_new(struct err *e);
void sk_reader_free(struct sk_reader *s);		/* wipes */

/* Fill have_clear, first, clear, algorithm, dark of v, from v->message.
 * They are valid until the next call. */
void sk_read(struct sk_reader *s, const struct keys *k, struct ike_view *v);

#endif
