#include "wire/ip_icmp.h"

#include <string.h>

#include "wire/ip_sum.h"

#define ICMP_UNREACHABLE	3
#define ICMP_REDIRECT		5
#define ICMP_ECHO		8
#define ICMPV6_TOO_BIG		2
#define ICMPV6_ECHO		128
#define ND_FIRST		133
#define ND_SOLICIT		135
#define ND_LAST			137

/* How much of a packet an error carries: RFC 1812, 4.3.2.3 (576 in all). */
#define QUOTE4	548

/* RFC 1122, 3.2.2 and RFC 4443, 2.4 (e): never about an error. */
static bool
is_error(const uint8_t *p, const struct ip_view *v)
{
	uint8_t type;

	if (!v->first)
		return true;
	if (v->proto != IP_ICMP && v->proto != IP_ICMPV6)
		return false;
	if (v->len <= v->l4)
		return true;
	type = p[v->l4];
	if (v->proto == IP_ICMPV6)
		return type < 128 || type == ND_LAST;
	return type == ICMP_UNREACHABLE || type == 4 ||
	    type == ICMP_REDIRECT || type == 11 || type == 12;
}

static size_t
too_big4(uint8_t *out, const uint8_t *p, const struct ip_view *v,
    const struct addr *src, uint16_t mtu)
{
	size_t quote = v->len < QUOTE4 ? v->len : QUOTE4;

	memset(out, 0, 28);
	out[0] = 0x45;
	out[1] = 0xc0;		/* RFC 1812, 4.3.2.5: internetwork control */
	store16(out + 2, (uint16_t)(28 + quote));
	out[8] = 64;
	out[9] = IP_ICMP;
	memcpy(out + 12, src->b, 4);
	memcpy(out + 16, p + v->src, 4);
	ip4_checksum(out);
	out[20] = ICMP_UNREACHABLE;
	out[21] = 4;
	store16(out + 26, mtu);
	memcpy(out + 28, p, quote);
	sum_done(out + 22, sum_add(out + 20, 8 + quote, 0));
	return 28 + quote;
}

static size_t
too_big6(uint8_t *out, const uint8_t *p, const struct ip_view *v,
    const struct addr *src, uint16_t mtu)
{
	size_t room = ICMP_TOO_BIG_MAX - 48;
	size_t quote = v->len < room ? v->len : room;
	struct ip_view head = { .proto = IP_ICMPV6, .src = 8, .alen = 16 };

	memset(out, 0, 48);
	out[0] = 0x60;
	store16(out + 4, (uint16_t)(8 + quote));
	out[6] = IP_ICMPV6;
	out[7] = 64;
	memcpy(out + 8, src->b, 16);
	memcpy(out + 24, p + v->src, 16);
	out[40] = ICMPV6_TOO_BIG;
	store32(out + 44, mtu);
	memcpy(out + 48, p, quote);
	sum_done(out + 42, sum_add(out + 40, 8 + quote,
	    sum_pseudo(out, &head, (uint32_t)(8 + quote))));
	return 48 + quote;
}

size_t
icmp_too_big(uint8_t *out, const uint8_t *p, const struct ip_view *v,
    const struct addr *src, uint16_t mtu)
{
	if (is_error(p, v) || ip_source_bad(p, v) || src->len != v->alen)
		return 0;
	if (v->version == 6)
		return too_big6(out, p, v, src, mtu);
	if (ip_dst_multicast(p, v))
		return 0;
	return too_big4(out, p, v, src, mtu);
}

void
icmp_echo(uint8_t *out, size_t n, const struct addr *src,
    const struct addr *dst, uint16_t id, uint16_t seq, const void *data,
    size_t len)
{
	struct ip_view v = { .version = src->len == 16 ? 6 : 4,
	    .proto = src->len == 16 ? IP_ICMPV6 : IP_ICMP,
	    .src = src->len == 16 ? 8 : 12, .alen = src->len };
	size_t head = v.version == 6 ? 40 : 20;
	uint8_t *icmp = out + head;

	memset(out, 0, n);
	memcpy(out + v.src, src->b, v.alen);
	memcpy(out + v.src + v.alen, dst->b, v.alen);
	icmp[0] = v.version == 6 ? ICMPV6_ECHO : ICMP_ECHO;
	store16(icmp + 4, id);
	store16(icmp + 6, seq);
	memcpy(icmp + 8, data, len);
	if (v.version == 6) {
		out[0] = 0x60;
		store16(out + 4, (uint16_t)(n - head));
		out[6] = IP_ICMPV6;
		out[7] = 64;
		sum_done(icmp + 2, sum_add(icmp, n - head,
		    sum_pseudo(out, &v, (uint32_t)(n - head))));
		return;
	}
	out[0] = 0x45;
	store16(out + 2, (uint16_t)n);
	store16(out + 4, seq);
	out[8] = 64;
	out[9] = IP_ICMP;
	ip4_checksum(out);
	sum_done(icmp + 2, sum_add(icmp, n - head, 0));
}

const uint8_t *
icmp_echo_reply(const uint8_t *p, const struct ip_view *v, size_t len)
{
	uint8_t type = v->version == 6 ? ICMPV6_ECHO + 1 : 0;

	if (!v->first || v->proto != (v->version == 6 ? IP_ICMPV6 :
	    IP_ICMP) || v->len < v->l4 + 8U + len || p[v->l4] != type)
		return NULL;
	return p + v->l4 + 8;
}

bool
icmp_is_redirect(const uint8_t *p, const struct ip_view *v)
{
	if (!v->first || v->len <= v->l4)
		return false;
	return (v->proto == IP_ICMP && p[v->l4] == ICMP_REDIRECT) ||
	    (v->proto == IP_ICMPV6 && p[v->l4] == ND_LAST);
}

bool
tcp_mss_clamp(uint8_t *p, const struct ip_view *v, uint16_t mss,
    bool partial)
{
	uint8_t *tcp = p + v->l4;
	size_t i, head, left = v->len - v->l4;

	if (v->proto != IP_TCP || v->fragment || left < 20 ||
	    !(tcp[13] & TCP_SYN))
		return false;
	head = (tcp[12] >> 4) * 4U;
	if (head > left)
		return false;
	for (i = 20; i + 1 < head && tcp[i] != 0;) {
		if (tcp[i] == 1) {
			i++;
			continue;
		}
		if (tcp[i + 1] < 2 || tcp[i + 1] > head - i)
			return false;
		if (tcp[i] == 2 && tcp[i + 1] == 4) {
			uint8_t none[2] = { 0, 0 };
			bool odd = i & 1;

			if (load16(tcp + i + 2) <= mss)
				return false;
			if (partial) {
				store16(tcp + i + 2, mss);
			} else if (!odd) {
				sum_change16(tcp + 16, tcp + i + 2, mss);
			} else {
				/* An odd offset swaps the octets' weight. */
				store16(none, (uint16_t)(tcp[i + 3] << 8 |
				    tcp[i + 2]));
				sum_change16(tcp + 16, none,
				    (uint16_t)(mss << 8 | mss >> 8));
				store16(tcp + i + 2, mss);
			}
			return true;
		}
		i += tcp[i + 1];
	}
	return false;
}

/* RFC 826 over Ethernet for IPv4: 28 octets. */
bool
arp_wants(const uint8_t *p, size_t n, struct addr *target)
{
	static const uint8_t any[4];

	if (n < 28 || load16(p) != 1 || load16(p + 2) != ETHERTYPE_IPV4 ||
	    p[4] != 6 || p[5] != 4 || load16(p + 6) != 1)
		return false;
	if (memcmp(p + 14, any, 4) == 0 || memcmp(p + 14, p + 24, 4) == 0)
		return false;
	if (p[24] == 0 || p[24] == 127 || p[24] >= 224)
		return false;
	*target = addr_of(p + 24, 4);
	return true;
}

bool
nd_is(const uint8_t *p, const struct ip_view *v)
{
	return v->proto == IP_ICMPV6 && v->first && v->len > v->l4 &&
	    p[v->l4] >= ND_FIRST && p[v->l4] <= ND_LAST;
}

bool
nd_wants(const uint8_t *p, const struct ip_view *v, struct addr *target)
{
	const uint8_t *icmp = p + v->l4;

	/* RFC 4861, 7.1.1: hop limit 255, code 0, 24 octets or more. */
	if (!nd_is(p, v) || v->ttl != 255 || v->len - v->l4 < 24U ||
	    icmp[0] != ND_SOLICIT || icmp[1] != 0)
		return false;
	if (ip_source_bad(p, v))
		return false;
	*target = addr_of(icmp + 8, 16);
	return !addr_is_multicast(target) && !addr_is_unspecified(target) &&
	    !addr_is_loopback(target);
}
