#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

struct addr
addr_of(const void *octets, size_t len)
{
	struct addr a = { 0 };

	if (len == 4 || len == 16) {
		a.len = (uint8_t)len;
		memcpy(a.b, octets, len);
	}
	return a;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

int
addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->b, b->b, a->len);
}

bool
addr_is_multicast(const struct addr *a)
{
	return (a->len == 4 && a->b[0] >> 4 == 14) ||
	    (a->len == 16 && a->b[0] == 0xff);
}

bool
addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, a->len) == 0;
}

bool
addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return (a->len == 4 && a->b[0] == 127) ||
	    (a->len == 16 && memcmp(a->b, one, 16) == 0);
}

bool
addr_is_linklocal(const struct addr *a)
{
	return (a->len == 4 && a->b[0] == 169 && a->b[1] == 254) ||
	    (a->len == 16 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

const char *
addr_text(const struct addr *a, struct addr_buf *b)
{
	if (a->len == 0 || inet_ntop(a->len == 4 ? AF_INET : AF_INET6, a->b,
	    b->s, sizeof(b->s)) == NULL)
		snprintf(b->s, sizeof(b->s), "-");
	return b->s;
}

const char *
prefix_text(const struct prefix *p, struct addr_buf *b)
{
	struct addr_buf ab;

	snprintf(b->s, sizeof(b->s), "%.45s/%u", addr_text(&p->addr, &ab),
	    p->len);
	return b->s;
}

const char *
endpoint_text(const struct endpoint *p, struct addr_buf *b)
{
	struct addr_buf ab;

	snprintf(b->s, sizeof(b->s), p->addr.len == 16 ? "[%.45s]:%u" :
	    "%.45s:%u", addr_text(&p->addr, &ab), p->port);
	return b->s;
}

int
addr_parse(const char *text, struct addr *a, struct err *e)
{
	uint8_t b[16];

	if (inet_pton(AF_INET, text, b) == 1)
		*a = addr_of(b, 4);
	else if (inet_pton(AF_INET6, text, b) == 1)
		*a = addr_of(b, 16);
	else
		return err_set(e, EINVAL, "\"%.64s\" is not an IP address",
		    text);
	return 0;
}

int
prefix_parse_host(const char *text, struct prefix *p, struct err *e)
{
	const char *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	uint64_t bits;
	char host[64];

	if (n >= sizeof(host))
		return err_set(e, EINVAL, "\"%.64s\" is not a prefix", text);
	memcpy(host, text, n);
	host[n] = '\0';
	if (addr_parse(host, &p->addr, e) < 0)
		return -1;
	bits = p->addr.len * 8u;
	if (slash != NULL && num_parse(slash + 1, 0, bits, &bits, e) < 0)
		return err_in(e, "prefix length of %.64s", text);
	p->len = (uint8_t)bits;
	return 0;
}

int
prefix_parse(const char *text, struct prefix *p, struct err *e)
{
	struct addr_buf b;
	struct prefix net;

	if (prefix_parse_host(text, p, e) < 0)
		return -1;
	net = prefix_mask(&p->addr, p->len);
	if (!addr_equal(&net.addr, &p->addr))
		return err_set(e, EINVAL, "%.64s has host bits set; the "
		    "prefix is %s", text, prefix_text(&net, &b));
	return 0;
}

/* Cut "[addr]:port" or "v4:port" in two; *port stays empty without one. */
static int
split_port(const char *text, char host[64], const char **port, struct err *e)
{
	const char *from = text, *end, *colon = strchr(text, ':');

	if (text[0] == '[') {
		from = text + 1;
		end = strchr(from, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return err_set(e, EINVAL, "\"%.64s\" is not of the "
			    "form [ADDRESS]:PORT", text);
		*port = end[1] == ':' ? end + 2 : NULL;
	} else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		end = colon;
		*port = colon + 1;
	} else {
		end = text + strlen(text);
		*port = NULL;
	}
	if (end - from >= 64)
		return err_set(e, EINVAL, "\"%.64s\" is too long", text);
	memcpy(host, from, (size_t)(end - from));
	host[end - from] = '\0';
	return 0;
}

int
endpoint_parse(const char *text, uint16_t dflt, struct endpoint *p,
    struct err *e)
{
	char host[64];
	const char *port = NULL;
	uint64_t n = dflt;

	if (split_port(text, host, &port, e) < 0 ||
	    addr_parse(host, &p->addr, e) < 0)
		return -1;
	if (port != NULL && num_parse(port, 1, 65535, &n, e) < 0)
		return err_in(e, "port");
	p->port = (uint16_t)n;
	return 0;
}

bool
endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

struct prefix
prefix_mask(const struct addr *a, uint8_t len)
{
	struct prefix p = { .addr = *a, .len = len };
	unsigned i, bits = len;

	for (i = 0; i < a->len; i++, bits = bits > 8 ? bits - 8 : 0)
		if (bits < 8)
			p.addr.b[i] &= (uint8_t)(0xff00 >> bits);
	return p;
}

struct prefix
prefix_host(const struct addr *a)
{
	return (struct prefix){ .addr = *a, .len = (uint8_t)(a->len * 8) };
}

bool
prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_equal(&a->addr, &b->addr);
}

bool
prefix_has(const struct prefix *p, const struct addr *a)
{
	struct prefix net;

	if (a->len != p->addr.len)
		return false;
	net = prefix_mask(a, p->len);
	return addr_equal(&net.addr, &p->addr);
}

bool
prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return outer->len <= inner->len && prefix_has(outer, &inner->addr);
}
