#include "wire/ip.h"

#include <string.h>

#include "wire/ip_sum.h"

const struct name ip_protocol_names[] = { IP_PROTOCOLS(NAME_ROW) NAME_END };

/* RFC 791, 3.1: only padding and router alert (RFC 2113) may come. */
static bool
options4_ok(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		if (p[i] == 0)
			return true;
		if (p[i] == 1) {
			i++;
			continue;
		}
		if (p[i] != 148 || n - i < 4 || p[i + 1] != 4)
			return false;
		i += 4;
	}
	return true;
}

static enum ip_bad
parse4(const uint8_t *p, size_t n, struct ip_view *v)
{
	size_t head;
	uint16_t frag;

	if (n < 20)
		return IP_BAD_HEADER;
	head = (p[0] & 15U) * 4U;
	v->len = load16(p + 2);
	if (head < 20 || v->len < head || v->len > n)
		return IP_BAD_HEADER;
	frag = load16(p + 6);
	v->version = 4;
	v->tos = p[1];
	v->ttl = p[8];
	v->proto = p[9];
	v->df = frag & 0x4000;
	v->fragment = frag & 0x3fff;
	v->first = (frag & 0x1fff) == 0;
	v->l4 = (uint16_t)head;
	v->src = 12;
	v->dst = 16;
	v->alen = 4;
	if (head > 20 && !options4_ok(p + 20, head - 20))
		return IP_BAD_OPTION;
	return IP_OK;
}

/* RFC 8200, 4.3: padding and router alert (RFC 2711) in hop-by-hop options;
 * MLD needs it.  p, n: the options without the two octets before them. */
static bool
options6_ok(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		if (p[i] == 0) {
			i++;
			continue;
		}
		if (n - i < 2 || (p[i] != 1 && p[i] != 5) ||
		    n - i - 2 < p[i + 1])
			return false;
		i += 2U + p[i + 1];
	}
	return true;
}

/* Step over extension headers; l4 is moved.  At most eight of them. */
static enum ip_bad
extensions6(const uint8_t *p, struct ip_view *v)
{
	size_t at = 40, size;
	int i;

	for (i = 0; i < 8; i++) {
		if (v->proto == IP_ROUTING)
			return IP_BAD_OPTION;
		if (v->proto != IP_HOPOPTS && v->proto != IP_DSTOPTS &&
		    v->proto != IP_FRAGMENT)
			break;
		if (v->len - at < 8)
			return IP_BAD_HEADER;
		size = v->proto == IP_FRAGMENT ? 8 : (p[at + 1] + 1U) * 8U;
		if (v->len - at < size)
			return IP_BAD_HEADER;
		if (v->proto == IP_HOPOPTS &&
		    !options6_ok(p + at + 2, size - 2))
			return IP_BAD_OPTION;
		if (v->proto == IP_FRAGMENT) {
			uint16_t frag = load16(p + at + 2);

			v->fragment = frag & 0xfff9;
			v->first = (frag & 0xfff8) == 0;
		}
		v->proto = p[at];
		at += size;
		if (!v->first)
			break;
	}
	v->l4 = (uint16_t)at;
	return i < 8 ? IP_OK : IP_BAD_OPTION;
}

static enum ip_bad
parse6(const uint8_t *p, size_t n, struct ip_view *v)
{
	if (n < 40)
		return IP_BAD_HEADER;
	v->len = 40U + load16(p + 4);
	if (v->len > n || v->len > 65535)
		return IP_BAD_HEADER;
	v->version = 6;
	v->tos = (uint8_t)(load16(p) >> 4);
	v->proto = p[6];
	v->ttl = p[7];
	v->df = true;
	v->fragment = false;
	v->first = true;
	v->src = 8;
	v->dst = 24;
	v->alen = 16;
	return extensions6(p, v);
}

enum ip_bad
ip_parse(const uint8_t *p, size_t n, struct ip_view *v)
{
	if (n == 0)
		return IP_BAD_HEADER;
	if (p[0] >> 4 == 4)
		return parse4(p, n, v);
	if (p[0] >> 4 == 6)
		return parse6(p, n, v);
	return IP_BAD_HEADER;
}

bool
ip4_checksum_ok(const uint8_t *p)
{
	return sum_fold(sum_add(p, (p[0] & 15U) * 4U, 0)) == 0xffff;
}

bool
ip_source_bad(const uint8_t *p, const struct ip_view *v)
{
	static const uint8_t loop6[16] = { [15] = 1 };
	const uint8_t *a = p + v->src;

	if (v->version == 4)
		return a[0] == 0 || a[0] == 127 || a[0] >= 224;
	if (a[0] == 0xff)
		return true;
	if (a[0] != 0)
		return false;
	return memcmp(a, loop6, 16) == 0 || memcmp(a, loop6, 15) == 0;
}

bool
ip_dst_multicast(const uint8_t *p, const struct ip_view *v)
{
	uint8_t a = p[v->dst];

	return v->version == 4 ? a >> 4 == 14 : a == 0xff;
}

bool
ip_dst_linklocal_group(const uint8_t *p, const struct ip_view *v)
{
	const uint8_t *a = p + v->dst;

	if (v->version == 4)
		return a[0] == 224 && a[1] == 0 && a[2] == 0;
	return a[0] == 0xff && (a[1] & 15) <= 2;
}

struct addr
ip_src(const uint8_t *p, const struct ip_view *v)
{
	return addr_of(p + v->src, v->alen);
}

struct addr
ip_dst(const uint8_t *p, const struct ip_view *v)
{
	return addr_of(p + v->dst, v->alen);
}

void
ip_ports(const uint8_t *p, const struct ip_view *v, uint16_t *sport,
    uint16_t *dport)
{
	*sport = *dport = 0;
	if ((v->proto != IP_TCP && v->proto != IP_UDP) || !v->first ||
	    v->len - v->l4 < 4)
		return;
	*sport = load16(p + v->l4);
	*dport = load16(p + v->l4 + 2);
}

void
ip_set_tos(uint8_t *p, uint8_t tos)
{
	if (p[0] >> 4 == 4) {
		sum_change16(p + 10, p, (uint16_t)(p[0] << 8 | tos));
		return;
	}
	p[0] = (uint8_t)(0x60 | tos >> 4);
	p[1] = (uint8_t)((p[1] & 15) | tos << 4);
}

int
ecn_decap(uint8_t inner, uint8_t outer)
{
	enum { NOT_ECT, ECT1, ECT0, CE };
	static const int8_t table[4][4] = {
		/* outer:      NOT_ECT  ECT1     ECT0     CE */
		[NOT_ECT] = { NOT_ECT, NOT_ECT, NOT_ECT, -1 },
		[ECT1]    = { ECT1,    ECT1,    ECT1,    CE },
		[ECT0]    = { ECT0,    ECT1,    ECT0,    CE },
		[CE]      = { CE,      CE,      CE,      CE },
	};

	return table[inner & 3][outer & 3];
}
