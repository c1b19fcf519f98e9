#include "wire/ip_sum.h"

#include <string.h>

static uint64_t
word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

#ifdef __x86_64__
#define LANES __attribute__((vector_size(32)))

/*
 * Words of 32 bits in lanes of 64: nothing is carried.  n: a multiple of 64.
 */
__attribute__((target("avx2")))
static uint64_t
add_lanes(const uint8_t *p, size_t n)
{
	const uint32_t low = UINT32_MAX;
	uint64_t a LANES = { 0 }, b LANES = { 0 }, v LANES, w LANES;

	for (; n > 0; n -= 64, p += 64) {
		memcpy(&v, p, sizeof(v));
		memcpy(&w, p + 32, sizeof(w));
		a += (v & low) + (w & low);
		b += (v >> 32) + (w >> 32);
	}
	a += b;
	return a[0] + a[1] + a[2] + a[3];
}

static size_t
wide(size_t n)
{
	return n >= 128 && __builtin_cpu_supports("avx2") ?
	    n & ~(size_t)63 : 0;
}
#else
static uint64_t
add_lanes(const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	return 0;
}

static size_t
wide(size_t n)
{
	(void)n;
	return 0;
}
#endif

/* 64 bits at a time (RFC 1071, 2 (C)): an addition, and its carry, which
 * counts as one. */
static uint64_t
add_words(const uint8_t *p, size_t n)
{
	uint64_t a = 0, b = 0, carry_a = 0, carry_b = 0, v;

	for (; n >= 32; n -= 32, p += 32) {
		a += v = word(p);
		carry_a += a < v;
		b += v = word(p + 8);
		carry_b += b < v;
		a += v = word(p + 16);
		carry_a += a < v;
		b += v = word(p + 24);
		carry_b += b < v;
	}
	for (; n >= 8; n -= 8, p += 8) {
		a += v = word(p);
		carry_a += a < v;
	}
	return (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32) +
	    carry_a + carry_b;
}

uint64_t
sum_add(const void *from, size_t n, uint64_t sum)
{
	const uint8_t *p = from;
	uint8_t last[2] = { 0, 0 };
	size_t most = wide(n);
	uint32_t w;
	uint16_t h;

	if (most > 0) {
		sum += add_lanes(p, most);
		p += most;
		n -= most;
	}
	sum += add_words(p, n);
	p += n & ~(size_t)7;
	if (n & 4) {
		memcpy(&w, p, 4);
		sum += w;
		p += 4;
	}
	if (n & 2) {
		memcpy(&h, p, 2);
		sum += h;
		p += 2;
	}
	if (n & 1) {
		last[0] = *p;
		memcpy(&h, last, 2);
		sum += h;
	}
	return sum;
}

uint16_t
sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

void
sum_done(uint8_t *to, uint64_t sum)
{
	sum_store(to, (uint16_t)~sum_fold(sum));
}

uint64_t
sum_pseudo(const uint8_t *ip, const struct ip_view *v, uint32_t l4_len)
{
	uint8_t tail[8] = { 0 };

	store32(tail, l4_len);
	tail[7] = v->proto;
	/* IPv6 with a routing header is refused by ip_parse, so that dst
	 * is the final destination. */
	return sum_add(tail, sizeof(tail),
	    sum_add(ip + v->src, 2U * v->alen, 0));
}

void
sum_change16(uint8_t *sum, uint8_t *field, uint16_t v)
{
	uint32_t s = (uint32_t)(uint16_t)~load16(sum) +
	    (uint16_t)~load16(field) + v;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	store16(sum, (uint16_t)~s);
	store16(field, v);
}

void
ip4_checksum(uint8_t *p)
{
	store16(p + 10, 0);
	sum_done(p + 10, sum_add(p, (p[0] & 15U) * 4U, 0));
}

int
sum_l4_ok(const uint8_t *ip, const struct ip_view *v)
{
	uint32_t n = v->len - v->l4;

	if (v->fragment)
		return 0;
	if (v->proto == IP_UDP && (n < 8 || load16(ip + v->l4 + 6) == 0))
		return 0;
	return sum_fold(sum_add(ip + v->l4, n, sum_pseudo(ip, v, n))) ==
	    0xffff;
}
