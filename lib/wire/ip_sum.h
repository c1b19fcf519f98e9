#ifndef WIRE_IP_SUM_H
#define WIRE_IP_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "wire/ip.h"

/*
 * The Internet checksum (RFC 1071).  Partial sums are kept in the order of
 * memory, so that they need no swapping: sum_done gives the octets to store.
 * Partial sums of pieces add up as long as every piece but the last has an
 * even number of octets.
 */
uint64_t sum_add(const void *p, size_t n, uint64_t sum);
uint16_t sum_fold(uint64_t sum);		/* not inverted */

static inline void
sum_store(uint8_t *to, uint16_t v)		/* memory order */
{
	__builtin_memcpy(to, &v, sizeof(v));
}

/* The inverted sum of n octets, stored at to. */
void sum_done(uint8_t *to, uint64_t sum);

/* Pseudo-header of RFC 793 and RFC 8200, 8.1: l4_len octets of proto. */
uint64_t sum_pseudo(const uint8_t *ip, const struct ip_view *v,
    uint32_t l4_len);

/* RFC 1624: the 16 bits at field become v; the checksum at sum follows. */
void sum_change16(uint8_t *sum, uint8_t *field, uint16_t v);

/* Write the header checksum of an IPv4 header. */
void ip4_checksum(uint8_t *p);

/* Does the TCP or UDP checksum hold?  A UDP checksum of zero over IPv4 does
 * not count as one: false. */
int sum_l4_ok(const uint8_t *ip, const struct ip_view *v);

#endif
