#ifndef SYS_PCAPNG_H
#define SYS_PCAPNG_H

#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Writing captures: a pcapng section with one interface of raw IP packets
 * and nanoseconds.  (libpcap writes no pcapng.)
 */
int pcapng_begin(FILE *f, const char *program, struct err *e);

/* One raw IPv4 or IPv6 packet; comment may be NULL. */
int pcapng_packet(FILE *f, uint64_t ns, const struct rbuf *packet,
    const char *comment, struct err *e);

/* The same for a UDP datagram whose headers are made here; on port 4500 the
 * non-ESP marker too.  An address of length 0 is written as unspecified. */
int pcapng_udp(FILE *f, uint64_t ns, const struct endpoint *from,
    const struct endpoint *to, const struct rbuf *data, const char *comment,
    struct err *e);

/* The same for NHRP in GRE (RFC 2784, protocol type 0x2001). */
int pcapng_nhrp(FILE *f, uint64_t ns, const struct addr *from,
    const struct addr *to, const struct rbuf *data, const char *comment,
    struct err *e);

#endif
