#ifndef WIRE_GRE_H
#define WIRE_GRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * GRE (RFC 2784) with key and sequence number (RFC 2890).
 */
#define GRE_IPV4	0x0800
#define GRE_IPV6	0x86dd
#define GRE_NHRP	0x2001

#define GRE_HEAD_MAX	16

enum gre_bad {
	GRE_OK,
	GRE_BAD_SHORT,
	GRE_BAD_VERSION,	/* 1..7 */
	GRE_BAD_FLAGS,		/* routing, strict source route, recursion */
	GRE_BAD_CHECKSUM,
};

struct gre_head {
	uint16_t	protocol;
	bool		checksum;
	bool		keyed;
	bool		sequenced;
	uint32_t	key;
	uint32_t	sequence;	/* read, not judged */
	uint8_t		len;		/* of the header */
};

/* Read the header of a GRE packet of n octets; the checksum covers all of
 * them.  reserved1 is not looked at. */
enum gre_bad gre_parse(const uint8_t *p, size_t n, struct gre_head *h);

/* Octets that gre_write will use. */
static inline size_t
gre_head_len(bool checksum, bool keyed)
{
	return 4U + (checksum ? 4U : 0U) + (keyed ? 4U : 0U);
}

/* Write the header; with a checksum the payload of n octets must stand
 * behind it already.  Returns the header's length. */
size_t gre_write(uint8_t *to, const struct gre_head *h, size_t n);

#endif
