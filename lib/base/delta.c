#include "base/delta.h"

/*
 * A step is one octet c and what belongs to it:
 *	0ccccccc	c + 1 octets follow that the model has not;
 *	10cccccc	c + LEAST octets from where the model stands;
 *	11cccccc	the same from elsewhere: two octets, where.
 * The model goes on beside the whole, also under octets that it has not: so
 * numbers and names of one length that differ need no step of the third kind.
 */
#define LEAST	4		/* and what is looked up at once */
#define FAR	6		/* octets that are worth the third kind */
#define COPY	0x80
#define SEEK	0x40
#define COPY_MAX (0x3f + LEAST)
#define NEW_MAX	128
#define SLOTS	512

struct delta {
	struct rbuf	 model, whole;
	size_t		 at;		/* in the model */
	size_t		 done;		/* of the whole */
	size_t		 begun;		/* octets behind it are not out yet */
	struct wbuf	*w;
	uint16_t	 last[SLOTS];	/* where four octets stand, + 1 */
};

static struct rbuf
from(struct rbuf r, size_t at)
{
	rbuf_skip(&r, at);
	return r;
}

static size_t
slot(struct rbuf four)
{
	return rbuf_be32(&four) * 0x9e3779b1u >> 23;
}

/* Octets that are the same from here on in both. */
static size_t
same(struct rbuf a, struct rbuf b)
{
	size_t n = 0, most = rbuf_left(&a);

	if (most > rbuf_left(&b))
		most = rbuf_left(&b);
	while (n < most && a.p[n] == b.p[n])
		n++;
	return n;
}

/* Backwards, so that of several places the first stays. */
static void
look_over(struct delta *d)
{
	size_t i = rbuf_left(&d->model);

	for (i = i < LEAST ? 0 : i - LEAST + 1; i-- > 0;)
		d->last[slot(from(d->model, i))] = (uint16_t)(i + 1);
}

static void
put_new(struct delta *d)
{
	struct rbuf r = from(d->whole, d->begun);
	size_t n = d->done - d->begun, step;

	for (; n > 0; n -= step) {
		step = n < NEW_MAX ? n : NEW_MAX;
		wbuf_u8(d->w, (uint8_t)(step - 1));
		wbuf_put(d->w, rbuf_take(&r, step), step);
	}
}

static void
put_copy(struct delta *d, size_t at, size_t n)
{
	const uint8_t seek = at == d->at ? 0 : SEEK;

	if (n > COPY_MAX)
		n = COPY_MAX;
	put_new(d);
	wbuf_u8(d->w, (uint8_t)(COPY | seek | (n - LEAST)));
	if (seek)
		wbuf_be16(d->w, (uint16_t)at);
	d->at = at + n;
	d->done += n;
	d->begun = d->done;
}

/* What comes next from the model, if something does. */
static bool
copy(struct delta *d)
{
	const struct rbuf rest = from(d->whole, d->done);
	size_t n = same(from(d->model, d->at), rest), at;

	if (n >= LEAST) {
		put_copy(d, d->at, n);
		return true;
	}
	if (rbuf_left(&rest) < FAR || (at = d->last[slot(rest)]) == 0)
		return false;
	n = same(from(d->model, at - 1), rest);
	if (n >= FAR)
		put_copy(d, at - 1, n);
	return n >= FAR;
}

void
delta_put(struct rbuf model, struct rbuf whole, struct wbuf *w)
{
	struct delta d = { .whole = whole, .w = w };
	const size_t len = rbuf_left(&whole);

	d.model = rbuf_sub(&model, rbuf_left(&model) < DELTA_MODEL ?
	    rbuf_left(&model) : DELTA_MODEL);
	look_over(&d);
	while (d.done < len)
		if (!copy(&d)) {
			d.done++;
			d.at++;
		}
	put_new(&d);
}

int
delta_get(struct rbuf model, struct rbuf delta, struct wbuf *w)
{
	struct rbuf part;
	size_t at = 0;
	uint8_t c;

	while (rbuf_ok(&delta) && rbuf_left(&delta) > 0) {
		c = rbuf_u8(&delta);
		if (!(c & COPY)) {
			part = rbuf_sub(&delta, c + 1u);
		} else {
			if (c & SEEK)
				at = rbuf_be16(&delta);
			part = from(model, at);
			part = rbuf_sub(&part, (c & ~(COPY | SEEK)) + LEAST);
		}
		if (!rbuf_ok(&part))
			return -1;
		at += rbuf_left(&part);
		wbuf_put_rbuf(w, &part);
	}
	return rbuf_ok(&delta) && wbuf_ok(w) ? 0 : -1;
}
