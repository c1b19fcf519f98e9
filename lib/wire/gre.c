#include "wire/gre.h"

#include <string.h>

#include "wire/ip.h"
#include "wire/ip_sum.h"

/* RFC 2784, 2.1 and RFC 2890, 2: bits of the first 16. */
#define GRE_C		0x8000
#define GRE_R		0x4000	/* RFC 1701: routing present */
#define GRE_K		0x2000
#define GRE_S		0x1000
#define GRE_OLD		0x0f00	/* RFC 1701: strict route, recursion */
#define GRE_VERSION	0x0007

enum gre_bad
gre_parse(const uint8_t *p, size_t n, struct gre_head *h)
{
	uint16_t flags;
	size_t at = 4;

	if (n < 4)
		return GRE_BAD_SHORT;
	flags = load16(p);
	if (flags & GRE_VERSION)
		return GRE_BAD_VERSION;
	if (flags & (GRE_R | GRE_OLD))
		return GRE_BAD_FLAGS;
	memset(h, 0, sizeof(*h));
	h->protocol = load16(p + 2);
	h->checksum = flags & GRE_C;
	h->keyed = flags & GRE_K;
	h->sequenced = flags & GRE_S;
	h->len = (uint8_t)(gre_head_len(h->checksum, h->keyed) +
	    (h->sequenced ? 4U : 0U));
	if (n < h->len)
		return GRE_BAD_SHORT;
	if (h->checksum) {
		if (sum_fold(sum_add(p, n, 0)) != 0xffff)
			return GRE_BAD_CHECKSUM;
		at += 4;
	}
	if (h->keyed) {
		h->key = load32(p + at);
		at += 4;
	}
	if (h->sequenced)
		h->sequence = load32(p + at);
	return GRE_OK;
}

size_t
gre_write(uint8_t *to, const struct gre_head *h, size_t n)
{
	size_t at = 4;

	store16(to, (uint16_t)((h->checksum ? GRE_C : 0) |
	    (h->keyed ? GRE_K : 0) | (h->sequenced ? GRE_S : 0)));
	store16(to + 2, h->protocol);
	if (h->checksum) {
		store32(to + at, 0);
		at += 4;
	}
	if (h->keyed) {
		store32(to + at, h->key);
		at += 4;
	}
	if (h->sequenced) {
		store32(to + at, h->sequence);
		at += 4;
	}
	if (h->checksum)
		sum_done(to + 4, sum_add(to, at + n, 0));
	return at;
}
