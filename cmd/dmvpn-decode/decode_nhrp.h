#ifndef DECODE_NHRP_H
#define DECODE_NHRP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "decode_doc.h"

/*
 * Printing NHRP packets: one place for files and for live traces.
 */
struct nhrp_view {
	uint64_t	 ns;
	struct addr	 src, dst;	/* outer; len 0: not known */
	const char	*direction;	/* "in", "out"; NULL: a file */
	const char	*interface;	/* of a live trace, or NULL */
	uint32_t	 peer;		/* of a live trace */
	bool		 keyed;		/* GRE key */
	uint32_t	 key;
	uint32_t	 spi;		/* of the ESP around it; 0: none */
	struct rbuf	 packet;	/* from the NHRP fixed header on */
	const char	*drop;
};

/* A whole record.  -1: malformed; printed as far as it goes. */
int decode_nhrp(struct doc *d, const struct nhrp_view *v);

#endif
