#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Cursors over bytes.  All pointer arithmetic of the parsers is here.
 *
 * struct rbuf reads.  It borrows the bytes.  A read past the end makes the
 * cursor bad: it stays bad, and every later read gives zeros or an empty
 * view; so read a whole header, then ask rbuf_ok once.
 *
 * struct wbuf writes into storage of the caller and never grows.  A write
 * past the end makes it bad and writes nothing more.
 */
struct rbuf {
	const uint8_t	*p;	/* next octet */
	const uint8_t	*end;	/* one past the last */
	bool		 bad;
};

struct wbuf {
	uint8_t	*buf;
	size_t	 len;	/* octets written */
	size_t	 cap;
	bool	 bad;
};

static inline struct rbuf
rbuf_of(const void *p, size_t len)
{
	const uint8_t *b = (const uint8_t *)p;

	return (struct rbuf){ .p = b, .end = len ? b + len : b };
}

static inline bool
rbuf_ok(const struct rbuf *r)
{
	return !r->bad;
}

static inline size_t
rbuf_left(const struct rbuf *r)
{
	return (size_t)(r->end - r->p);
}

/* Everything was read and nothing ran short. */
static inline bool
rbuf_done(const struct rbuf *r)
{
	return !r->bad && r->p == r->end;
}

/* The next n octets, or NULL (and bad) when fewer are left. */
static inline const uint8_t *
rbuf_take(struct rbuf *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > rbuf_left(r)) {
		r->bad = true;
		r->p = r->end;
		return NULL;
	}
	if (n > 0)
		r->p += n;
	return p;
}

/* A view of the next n octets, which are stepped over; empty when short. */
static inline struct rbuf
rbuf_sub(struct rbuf *r, size_t n)
{
	const uint8_t *p = rbuf_take(r, n);

	if (p == NULL)
		return (struct rbuf){ .p = r->end, .end = r->end,
		    .bad = r->bad };
	return rbuf_of(p, n);
}

/* All that is left. */
static inline struct rbuf
rbuf_rest(struct rbuf *r)
{
	return rbuf_sub(r, rbuf_left(r));
}

static inline void
rbuf_skip(struct rbuf *r, size_t n)
{
	(void)rbuf_take(r, n);
}

static inline uint8_t
rbuf_u8(struct rbuf *r)
{
	const uint8_t *p = rbuf_take(r, 1);

	return p == NULL ? 0 : p[0];
}

static inline uint16_t
rbuf_be16(struct rbuf *r)
{
	const uint8_t *p = rbuf_take(r, 2);

	return p == NULL ? 0 : (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
rbuf_be32(struct rbuf *r)
{
	const uint8_t *p = rbuf_take(r, 4);

	return p == NULL ? 0 : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t
rbuf_be64(struct rbuf *r)
{
	uint64_t hi = rbuf_be32(r);

	return hi << 32 | rbuf_be32(r);
}

/* Copy n octets out; zeros when short. */
static inline void
rbuf_copy(struct rbuf *r, void *to, size_t n)
{
	const uint8_t *p = rbuf_take(r, n);

	if (n == 0)
		return;
	if (p == NULL)
		memset(to, 0, n);
	else
		memcpy(to, p, n);
}

/* Same octets?  Not constant time: never for keys or checksums of secrets. */
static inline bool
rbuf_equal(const struct rbuf *a, const struct rbuf *b)
{
	size_t n = rbuf_left(a);

	return n == rbuf_left(b) && (n == 0 || memcmp(a->p, b->p, n) == 0);
}

static inline struct wbuf
wbuf_of(void *p, size_t cap)
{
	return (struct wbuf){ .buf = (uint8_t *)p, .cap = cap };
}

static inline bool
wbuf_ok(const struct wbuf *w)
{
	return !w->bad;
}

static inline size_t
wbuf_room(const struct wbuf *w)
{
	return w->bad ? 0 : w->cap - w->len;
}

/* Storage for the next n octets, which count as written; NULL when full. */
static inline uint8_t *
wbuf_grab(struct wbuf *w, size_t n)
{
	uint8_t *p;

	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	p = w->buf + w->len;
	w->len += n;
	return p;
}

static inline void
wbuf_put(struct wbuf *w, const void *from, size_t n)
{
	uint8_t *p = wbuf_grab(w, n);

	if (p != NULL && n > 0)
		memcpy(p, from, n);
}

static inline void
wbuf_put_rbuf(struct wbuf *w, const struct rbuf *r)
{
	wbuf_put(w, r->p, rbuf_left(r));
}

static inline void
wbuf_zero(struct wbuf *w, size_t n)
{
	uint8_t *p = wbuf_grab(w, n);

	if (p != NULL && n > 0)
		memset(p, 0, n);
}

static inline void
wbuf_u8(struct wbuf *w, uint8_t v)
{
	wbuf_put(w, &v, 1);
}

static inline void
wbuf_be16(struct wbuf *w, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	wbuf_put(w, b, 2);
}

static inline void
wbuf_be32(struct wbuf *w, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16),
	    (uint8_t)(v >> 8), (uint8_t)v };

	wbuf_put(w, b, 4);
}

static inline void
wbuf_be64(struct wbuf *w, uint64_t v)
{
	wbuf_be32(w, (uint32_t)(v >> 32));
	wbuf_be32(w, (uint32_t)v);
}

/* Leave room for a number that is known later; returns where it is. */
static inline size_t
wbuf_hole16(struct wbuf *w)
{
	size_t at = w->len;

	wbuf_be16(w, 0);
	return at;
}

static inline size_t
wbuf_hole32(struct wbuf *w)
{
	size_t at = w->len;

	wbuf_be32(w, 0);
	return at;
}

/* Fill a hole.  A value over 65,535 makes the buffer bad. */
static inline void
wbuf_fill16(struct wbuf *w, size_t at, size_t v)
{
	if (w->bad || v > UINT16_MAX || w->len < 2 || at > w->len - 2) {
		w->bad = true;
		return;
	}
	w->buf[at] = (uint8_t)(v >> 8);
	w->buf[at + 1] = (uint8_t)v;
}

static inline void
wbuf_fill32(struct wbuf *w, size_t at, size_t v)
{
	if (w->bad || v > UINT32_MAX || w->len < 4 || at > w->len - 4) {
		w->bad = true;
		return;
	}
	w->buf[at] = (uint8_t)(v >> 24);
	w->buf[at + 1] = (uint8_t)(v >> 16);
	w->buf[at + 2] = (uint8_t)(v >> 8);
	w->buf[at + 3] = (uint8_t)v;
}

static inline void
wbuf_fill8(struct wbuf *w, size_t at, uint8_t v)
{
	if (w->bad || at >= w->len) {
		w->bad = true;
		return;
	}
	w->buf[at] = v;
}

/* A reader over what was written so far; empty when bad. */
static inline struct rbuf
wbuf_rbuf(const struct wbuf *w)
{
	return rbuf_of(w->buf, w->bad ? 0 : w->len);
}

#endif
