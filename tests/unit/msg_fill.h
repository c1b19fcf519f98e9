#ifndef MSG_FILL_H
#define MSG_FILL_H

#include <stdint.h>
#include <string.h>

#include "msg/types.h"

/*
 * Fill any message by its table, within the bounds of the CDDL, from a small
 * deterministic generator; full: texts and lists of the greatest size,
 * else of a random one.  Octets borrow from a static pattern.
 */
struct fill {
	uint32_t	 state;
	int		 full;		/* 0 random, 1 greatest, 2 least */
	size_t		 list_max;	/* items at most */
};

static inline uint32_t
fill_next(struct fill *f)
{
	f->state = f->state * 1664525u + 1013904223u;
	return f->state >> 8;
}

static inline uint64_t
fill_range(struct fill *f, uint64_t min, uint64_t max)
{
	uint64_t r = (uint64_t)fill_next(f) << 40 ^
	    (uint64_t)fill_next(f) << 20 ^ fill_next(f);

	if (f->full == 1)
		return max;
	if (f->full == 2)
		return min;
	return max - min == UINT64_MAX ? r : min + r % (max - min + 1);
}

static inline const uint8_t *
fill_octets(void)
{
	static uint8_t b[MSG_MAX];
	size_t i;

	for (i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 7 + 1);
	return b;
}

static inline void
fill_uint(void *to, size_t size, uint64_t v)
{
	const uint8_t b = (uint8_t)v;
	const uint16_t h = (uint16_t)v;
	const uint32_t w = (uint32_t)v;

	memcpy(to, size == 1 ? (const void *)&b : size == 2 ?
	    (const void *)&h : size == 4 ? (const void *)&w :
	    (const void *)&v, size);
}

static inline struct addr
fill_addr(struct fill *f)
{
	return addr_of(fill_octets() + fill_next(f) % 64,
	    fill_next(f) & 1 ? 4 : 16);
}

static inline void fill_map(struct fill *f, const struct msg_type *t,
    void *m);

static inline void
fill_value(struct fill *f, const struct msg_field *d, void *to)
{
	static const uint8_t any[] = { 0x82, 0x01, 0xa1, 0x61, 'k', 0xf5 };
	struct prefix p;
	struct endpoint ep;
	struct rbuf r;
	size_t n, i;

	switch (d->kind) {
	case MSG_UINT:
		fill_uint(to, d->size, fill_range(f, d->min, d->max));
		break;
	case MSG_BOOL:
		*(bool *)to = fill_next(f) & 1;
		break;
	case MSG_TEXT:
		n = (size_t)fill_range(f, d->min, d->max);
		memset(to, 'a' + (int)(fill_next(f) % 26), n);
		break;
	case MSG_BYTES:
		n = (size_t)fill_range(f, d->min, d->max > 600 ?
		    (d->min > 600 ? d->min : 600) : d->max);
		r = rbuf_of(fill_octets(), n);
		memcpy(to, &r, sizeof(r));
		break;
	case MSG_ADDR:
		*(struct addr *)to = fill_addr(f);
		break;
	case MSG_PREFIX:
		p.addr = fill_addr(f);
		p.len = (uint8_t)(fill_next(f) % (p.addr.len * 8u + 1));
		memcpy(to, &p, sizeof(p));
		break;
	case MSG_ENDPOINT:
		ep.addr = fill_addr(f);
		ep.port = (uint16_t)fill_next(f);
		memcpy(to, &ep, sizeof(ep));
		break;
	case MSG_NAME:
		for (n = 0; d->names[n].text != NULL; n++)
			continue;
		fill_uint(to, d->size, d->names[fill_next(f) % n].value);
		break;
	case MSG_MAP:
		fill_map(f, d->sub, to);
		break;
	case MSG_ANY:
		r = rbuf_of(any, sizeof(any));
		memcpy(to, &r, sizeof(r));
		break;
	case MSG_LIST:
		n = (size_t)fill_range(f, d->min, d->max);
		if (n > f->list_max)
			n = f->list_max > d->min ? f->list_max :
			    (size_t)d->min;
		memcpy((uint8_t *)to - d->offset + d->count_offset, &n,
		    sizeof(n));
		for (i = 0; i < n; i++)
			fill_value(f, d->elem, (uint8_t *)to +
			    i * d->elem->size);
		break;
	}
}

static inline void
fill_map(struct fill *f, const struct msg_type *t, void *m)
{
	size_t i;

	for (i = 0; i < t->n_fields; i++)
		fill_value(f, &t->fields[i], (uint8_t *)m +
		    t->fields[i].offset);
}

/* Zeroes m, fills it and makes lists shorter until it fits.  The size. */
static inline size_t
fill_message(const struct msg_type *t, void *m, uint32_t seed, int full)
{
	size_t n, limit;

	for (limit = 64;; limit /= 2) {
		struct fill f = { seed, full, limit };

		memset(m, 0, t->size);
		fill_map(&f, t, m);
		if ((n = msg_size(t, m)) != 0 || limit == 0)
			return n;
	}
}

#endif
