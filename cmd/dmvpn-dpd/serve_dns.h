#ifndef DPD_SERVE_DNS_H
#define DPD_SERVE_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "sys/loop.h"

/*
 * Names to addresses, asynchronously (c-ares).  Each question reads
 * resolv.conf and hosts anew, so that a change of them is followed.
 */
struct dns;

/* n > 0: found, ttl in seconds; n == 0: why says what went wrong. */
typedef void dns_done(void *arg, uint64_t ticket,
    const struct endpoint *found, size_t n, uint32_t ttl, const char *why);

struct dns *dns_new(struct loop *l, dns_done *done, void *arg,
    struct err *e);
void dns_free(struct dns *d);		/* open questions end unanswered */

/* A and AAAA of host; service: SRV first, whose targets are then looked up
 * in the order of RFC 2782.  done is called later, never from here. */
int dns_ask(struct dns *d, uint64_t ticket, const char *host, uint16_t port,
    bool service, struct err *e);

#endif
