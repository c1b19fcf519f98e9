#ifndef MSG_ITEM_H
#define MSG_ITEM_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * One CBOR data item at a time, of the subset that our messages keep to
 * (RFC 8949, 4.2.1): shortest form, definite lengths; no tags, floats,
 * undefined or other simple values.  Used by msg_get and the checker only.
 */
enum item_kind {
	ITEM_UINT,
	ITEM_NEGATIVE,
	ITEM_BYTES,
	ITEM_TEXT,
	ITEM_LIST,
	ITEM_MAP,
	ITEM_BOOL,
	ITEM_NULL,
};

struct item {
	enum item_kind	 kind;
	uint64_t	 n;	/* value; octets; items; pairs; 0 or 1 */
	struct rbuf	 view;	/* octets of bytes and text, borrowed */
};

/* "a number", "a list": for error texts. */
const char *item_noun(enum item_kind kind);

/* Step over the head (bytes and text: all) of the next item.
 * Returns 1; 0 when in is cut short (nothing is stepped over); -1. */
int item_next(struct rbuf *in, struct item *it, struct err *e);

/* Step over one whole item, nested ones too, and check it: depth, number of
 * items, keys sorted, once each and texts, UTF-8.  1, or -1; with more set,
 * what is missing may still arrive (pipes) and gives 0. */
int item_check(struct rbuf *in, int more, struct err *e);

/* Step over one item that item_check has found good: a view of it. */
struct rbuf item_take(struct rbuf *in);

#endif
