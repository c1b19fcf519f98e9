#ifndef WIRE_DISSECT_H
#define WIRE_DISSECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/name.h"

/*
 * From a captured frame to IKE, ESP or GRE: for tools that read captures.
 * Nothing is verified but lengths; views borrow from the frame.
 */

/* https://www.tcpdump.org/linktypes.html */
#define DISSECT_LINKS(X)			\
	X(LINK_NULL, 0, "null")			\
	X(LINK_ETHERNET, 1, "ethernet")		\
	X(LINK_RAW, 101, "raw")			\
	X(LINK_LOOP, 108, "loop")		\
	X(LINK_SLL, 113, "linux-sll")		\
	X(LINK_IPV4, 228, "ipv4")		\
	X(LINK_IPV6, 229, "ipv6")		\
	X(LINK_SLL2, 276, "linux-sll2")

enum dissect_link { DISSECT_LINKS(NAME_ENUM) };
extern const struct name dissect_link_names[];

#define DISSECT_KINDS(X)			\
	X(DISSECT_OTHER, 0, "other")		\
	X(DISSECT_IKE, 1, "ike")		\
	X(DISSECT_ESP, 2, "esp")		\
	X(DISSECT_GRE, 3, "gre")		\
	X(DISSECT_KEEPALIVE, 4, "keepalive")	\
	X(DISSECT_FRAGMENT, 5, "fragment")

enum dissect_kind { DISSECT_KINDS(NAME_ENUM) };
extern const struct name dissect_kind_names[];

struct dissect {
	enum dissect_kind	kind;
	struct endpoint		src, dst;	/* port 0: not UDP */
	struct rbuf		data;	/* IKE without marker, ESP, GRE */
	bool			cut;	/* the capture holds less than sent */
	/* DISSECT_FRAGMENT: what reassembly needs; data is IP payload */
	uint32_t		frag_id;
	uint16_t		frag_offset;	/* octets */
	bool			frag_more;
	uint8_t			protocol;	/* of IP */
};

/* 0, or -1 when the link type is none of the above. */
int dissect_frame(unsigned link, struct rbuf frame, struct dissect *d);

/* An IP packet.  Anything that is none of ours gives DISSECT_OTHER. */
void dissect_ip(struct rbuf packet, struct dissect *d);

/* What follows an IP header of src and dst; kind and data are set. */
void dissect_payload(uint8_t protocol, struct rbuf data, struct dissect *d);

/* GRE (RFC 2784, 2890): header off, *type is the EtherType.  -1: malformed
 * or not version 0. */
struct dissect_gre {
	uint16_t	type;
	bool		keyed, sequenced, checksummed;
	uint32_t	key, sequence;
	struct rbuf	data;
};
int dissect_gre(struct rbuf packet, struct dissect_gre *g);

#endif
