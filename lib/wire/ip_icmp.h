#ifndef WIRE_IP_ICMP_H
#define WIRE_IP_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/ip.h"

#define ICMP_TOO_BIG_MAX 1280	/* octets icmp_too_big may write */

/*
 * The answer to a packet that does not fit: ICMP fragmentation needed
 * (RFC 1191) or ICMPv6 Packet Too Big (RFC 4443, 3.2), as an IP packet from
 * src to the packet's source.  No answer is due (0) to fragments but the
 * first, to ICMP errors, and to multicast over IPv4 (RFC 1122, 3.2.2).
 * out has room for ICMP_TOO_BIG_MAX.
 */
size_t icmp_too_big(uint8_t *out, const uint8_t *p, const struct ip_view *v,
    const struct addr *src, uint16_t mtu);

/*
 * An echo request of n octets (ICMP_ECHO_MIN + len at least) that begins with
 * len octets of data, the rest zeros.  IPv4: it may be fragmented.
 */
#define ICMP_ECHO_MIN	48
void icmp_echo(uint8_t *out, size_t n, const struct addr *src,
    const struct addr *dst, uint16_t id, uint16_t seq, const void *data,
    size_t len);
/* What an echo reply, or its first fragment, carries: len octets at least,
 * else NULL.  The checksum is not looked at. */
const uint8_t *icmp_echo_reply(const uint8_t *p, const struct ip_view *v,
    size_t len);

/* ICMP or ICMPv6 redirect? */
bool icmp_is_redirect(const uint8_t *p, const struct ip_view *v);

/*
 * Lower the MSS option of a SYN to at most mss, the checksum follows
 * (RFC 1624).  partial: the checksum field holds a pseudo-header sum only
 * and is left alone.  True when it was changed.
 */
bool tcp_mss_clamp(uint8_t *p, const struct ip_view *v, uint16_t mss,
    bool partial);

/* What somebody on a link asks for: ARP requests and Neighbour
 * Solicitations with a specified source, for a unicast address; no probes,
 * gratuitous ones or DAD (RFC 5227, RFC 4862).  false: none of these.
 * arp: p is what follows the Ethernet header. */
bool arp_wants(const uint8_t *p, size_t n, struct addr *target);
bool nd_wants(const uint8_t *p, const struct ip_view *v,
    struct addr *target);
/* Router and neighbour discovery, redirect: ICMPv6 133..137. */
bool nd_is(const uint8_t *p, const struct ip_view *v);

#endif
