#ifndef WIRE_IP_H
#define WIRE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/name.h"

/*
 * IPv4, IPv6, TCP, UDP and ICMP headers as far as a tunnel looks at them.
 * This is the packet path: a length is checked once by ip_parse, then fields
 * are loaded at fixed offsets.  Octets are borrowed, nothing allocates.
 */

/* IANA protocol numbers that we look at. */
#define IP_PROTOCOLS(X)			\
	X(IP_HOPOPTS, 0, "hop-by-hop")	\
	X(IP_ICMP, 1, "icmp")		\
	X(IP_IPV4, 4, "ipv4")		\
	X(IP_TCP, 6, "tcp")		\
	X(IP_UDP, 17, "udp")		\
	X(IP_IPV6, 41, "ipv6")		\
	X(IP_ROUTING, 43, "routing")	\
	X(IP_FRAGMENT, 44, "fragment")	\
	X(IP_GRE, 47, "gre")		\
	X(IP_ESP, 50, "esp")		\
	X(IP_ICMPV6, 58, "icmpv6")	\
	X(IP_NONE, 59, "no-next-header")\
	X(IP_DSTOPTS, 60, "destination-options")

enum ip_protocol { IP_PROTOCOLS(NAME_ENUM) };
extern const struct name ip_protocol_names[];

#define ETHERTYPE_IPV4	0x0800
#define ETHERTYPE_ARP	0x0806
#define ETHERTYPE_IPV6	0x86dd

#define TCP_FIN	0x01
#define TCP_SYN	0x02
#define TCP_RST	0x04
#define TCP_PSH	0x08
#define TCP_ACK	0x10
#define TCP_URG	0x20
#define TCP_ECE	0x40
#define TCP_CWR	0x80

/* Why ip_parse refuses. */
enum ip_bad { IP_OK, IP_BAD_HEADER, IP_BAD_OPTION };

/* What was found.  Offsets are from the first octet of the IP header. */
struct ip_view {
	uint8_t		version;	/* 4, 6 */
	uint8_t		proto;		/* upper protocol */
	uint8_t		tos;		/* traffic class */
	uint8_t		ttl;
	bool		df;		/* IPv6: always */
	bool		fragment;	/* any but a whole packet */
	bool		first;		/* the L4 header is here */
	uint16_t	l4;		/* offset of the upper header */
	uint16_t	src, dst;	/* offsets of the addresses */
	uint8_t		alen;		/* 4, 16 */
	uint32_t	len;		/* of the packet; rest is padding */
};

/*
 * Look at the packet of at most n octets.  IPv4: header checksum is not
 * verified (ip4_checksum_ok does).  IP_BAD_OPTION: options other than router
 * alert and padding, an IPv6 routing header, or hop-by-hop options other
 * than these.  A super-packet (GSO) has its length in the header as well.
 */
enum ip_bad ip_parse(const uint8_t *p, size_t n, struct ip_view *v);

bool ip4_checksum_ok(const uint8_t *p);
/* A source no genuine packet has: unspecified, loopback, multicast,
 * 224/3, 0/8. */
bool ip_source_bad(const uint8_t *p, const struct ip_view *v);
bool ip_dst_multicast(const uint8_t *p, const struct ip_view *v);
/* 224.0.0.0/24, ff02::/16 and narrower scopes. */
bool ip_dst_linklocal_group(const uint8_t *p, const struct ip_view *v);
struct addr ip_src(const uint8_t *p, const struct ip_view *v);
struct addr ip_dst(const uint8_t *p, const struct ip_view *v);
/* Ports, or 0; ICMP: 0. */
void ip_ports(const uint8_t *p, const struct ip_view *v, uint16_t *sport,
    uint16_t *dport);

/* Set the traffic class, the checksum follows. */
void ip_set_tos(uint8_t *p, uint8_t tos);
/* RFC 6040, 4.2: the ECN field to forward, or -1 to drop. */
int ecn_decap(uint8_t inner, uint8_t outer);

/* Loads and stores at any alignment, network order. */
static inline uint16_t
load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline void
store16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#endif
