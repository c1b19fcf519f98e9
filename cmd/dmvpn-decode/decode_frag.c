#include "decode_frag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS		8
#define PACKET_MAX	65535
#define UNITS		(PACKET_MAX / 8 + 1)	/* of eight octets */

struct slot {
	bool		used;
	uint64_t	stamp;		/* when it was begun */
	struct addr	src, dst;
	uint32_t	id;
	uint8_t		protocol;
	size_t		total;		/* 0: the last has not come */
	size_t		units;		/* that came */
	uint8_t		have[UNITS];
	uint8_t		data[PACKET_MAX + 8];
};

struct frag_table {
	uint64_t	stamp;
	struct slot	slot[SLOTS];
};

struct frag_table *
frag_new(struct err *e)
{
	struct frag_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		err_set(e, ENOMEM, "out of memory");
	return t;
}

void
frag_free(struct frag_table *t)
{
	free(t);
}

static bool
same(const struct slot *s, const struct dissect *d)
{
	return s->used && s->id == d->frag_id &&
	    s->protocol == d->protocol && addr_equal(&s->src, &d->src.addr) &&
	    addr_equal(&s->dst, &d->dst.addr);
}

static struct slot *
slot_for(struct frag_table *t, const struct dissect *d)
{
	struct slot *oldest = &t->slot[0];
	size_t i;

	for (i = 0; i < SLOTS; i++) {
		if (same(&t->slot[i], d))
			return &t->slot[i];
		if (t->slot[i].stamp < oldest->stamp)
			oldest = &t->slot[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->used = true;
	oldest->stamp = ++t->stamp;
	oldest->src = d->src.addr;
	oldest->dst = d->dst.addr;
	oldest->id = d->frag_id;
	oldest->protocol = d->protocol;
	return oldest;
}

/* Copy one fragment in; octets that came before stay. */
static void
put(struct slot *s, const struct dissect *d)
{
	size_t unit = d->frag_offset / 8, n;
	struct rbuf in = d->data, part;

	if (!d->frag_more)
		s->total = d->frag_offset + rbuf_left(&in);
	for (; rbuf_left(&in) > 0 && unit < UNITS; unit++) {
		n = rbuf_left(&in) < 8 ? rbuf_left(&in) : 8;
		part = rbuf_sub(&in, n);
		if (s->have[unit])
			continue;
		s->have[unit] = 1;
		s->units++;
		rbuf_copy(&part, s->data + unit * 8, n);
	}
}

/* Every octet is there, and none behind the last one. */
static bool
whole(const struct slot *s)
{
	size_t i, n = (s->total + 7) / 8;

	if (s->total == 0 || s->total > PACKET_MAX || s->units != n)
		return false;
	for (i = 0; i < n; i++)
		if (!s->have[i])
			return false;
	return true;
}

bool
frag_take(struct frag_table *t, struct dissect *d)
{
	struct slot *s = slot_for(t, d);
	struct dissect all = { .src = d->src, .dst = d->dst };

	if (d->frag_more && rbuf_left(&d->data) % 8 != 0)
		return false;
	put(s, d);
	if (!whole(s))
		return false;
	s->used = false;
	s->stamp = 0;
	dissect_payload(s->protocol, rbuf_of(s->data, s->total), &all);
	*d = all;
	return true;
}
