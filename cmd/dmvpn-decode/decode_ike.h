#ifndef DECODE_IKE_H
#define DECODE_IKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "decode_doc.h"
#include "wire/ike.h"

/*
 * Printing IKE messages: one place for files and for live traces.
 */
struct ike_view {
	uint64_t		 ns;
	struct endpoint		 src, dst;
	const char		*direction;	/* "in", "out"; NULL: a file */
	struct rbuf		 message;	/* from the IKE header on */
	/* What SK or the collected SKFs hold, when it could be read. */
	bool			 have_clear;
	uint8_t			 first;		/* payload inside */
	struct rbuf		 clear;
	const char		*algorithm;	/* of encryption, or NULL */
	const char		*dark;		/* why not read, or NULL */
	const char		*drop;		/* why not taken, or NULL */
};

/* A whole record.  -1: it is no IKE message, or a part of it is malformed;
 * it was printed as far as it goes all the same. */
int decode_ike(struct doc *d, const struct ike_view *v);

/* The body of one payload (no SK): members of the open object. */
int decode_payload(struct doc *d, const struct ike_payload *p,
    struct err *e);
int decode_notify(struct doc *d, struct rbuf body, struct err *e);

#endif
