#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* An IPv4 or IPv6 address.  Unused octets are zero, so memcmp compares. */
struct addr {
	uint8_t	len;		/* 0: none, 4, 16 */
	uint8_t	b[16];		/* network order */
};

struct prefix {
	struct addr	addr;	/* host bits zero (prefix_parse checks) */
	uint8_t		len;	/* bits */
};

/* An address and a UDP port. */
struct endpoint {
	struct addr	addr;
	uint16_t	port;
};

/* Room for any of the texts below ("[IPv6]:65535", "IPv6/128"). */
struct addr_buf {
	char	s[56];
};

/* From 4 or 16 octets; any other length gives none (len 0). */
struct addr addr_of(const void *octets, size_t len);
bool addr_equal(const struct addr *a, const struct addr *b);
int addr_cmp(const struct addr *a, const struct addr *b);
bool addr_is_multicast(const struct addr *a);
bool addr_is_unspecified(const struct addr *a);	/* also none */
bool addr_is_loopback(const struct addr *a);
bool addr_is_linklocal(const struct addr *a);	/* 169.254/16, fe80::/10 */

/* "-" for none. */
const char *addr_text(const struct addr *a, struct addr_buf *b);
const char *prefix_text(const struct prefix *p, struct addr_buf *b);
const char *endpoint_text(const struct endpoint *p, struct addr_buf *b);

int addr_parse(const char *text, struct addr *a, struct err *e);

/* "10.0.0.0/8"; a bare address is a host prefix; host bits are an error. */
int prefix_parse(const char *text, struct prefix *p, struct err *e);

/* "10.0.0.1/24": an interface address, host bits kept. */
int prefix_parse_host(const char *text, struct prefix *p, struct err *e);

/* "1.2.3.4", "1.2.3.4:500", "[::1]:500", "::1"; port dflt when absent. */
int endpoint_parse(const char *text, uint16_t dflt, struct endpoint *p,
    struct err *e);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

bool prefix_has(const struct prefix *p, const struct addr *a);
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
struct prefix prefix_host(const struct addr *a);	/* /32 or /128 */
struct prefix prefix_mask(const struct addr *a, uint8_t len);

#endif
