#include "msg/msg.h"

#include <cbor/encoding.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "msg/item.h"
#include "msg/member.h"

static int put_value(struct wbuf *w, const struct msg_field *f,
    const void *from, struct err *e);
static int put_map(struct wbuf *w, const struct msg_type *t, const void *m,
    struct err *e);

/* One head by an encoder of libcbor, which gives 0 when it does not fit. */
#define PUT(w, encoder, ...) put_head((w), encoder(__VA_ARGS__, \
    (w)->buf + (w)->len, wbuf_room(w)))

static void
put_head(struct wbuf *w, size_t n)
{
	if (n == 0)
		w->bad = true;
	else
		(void)wbuf_grab(w, n);
}

static void
put_text(struct wbuf *w, const char *text, size_t n)
{
	PUT(w, cbor_encode_string_start, n);
	wbuf_put(w, text, n);
}

static void
put_bytes(struct wbuf *w, const void *p, size_t n)
{
	PUT(w, cbor_encode_bytestring_start, n);
	wbuf_put(w, p, n);
}

static int
put_string(struct wbuf *w, const struct msg_field *f, const char *text,
    struct err *e)
{
	size_t n = strnlen(text, f->size);

	if (n == f->size)
		return err_set(e, ERANGE, "a text without an end");
	if (member_range(ERANGE, " octets", n, f->min, f->max, e) < 0)
		return -1;
	if (!text_is_utf8(text, n))
		return err_set(e, ERANGE, "a text that is not UTF-8");
	put_text(w, text, n);
	return 0;
}

static int
put_name(struct wbuf *w, const struct msg_field *f, uint64_t v,
    struct err *e)
{
	const char *text = name_find(f->names, (uint32_t)v);

	if (text == NULL)
		return err_set(e, ERANGE, "no name for %" PRIu64, v);
	put_text(w, text, strlen(text));
	return 0;
}

static int
put_addr(struct wbuf *w, const struct addr *a, struct err *e)
{
	if (a->len != 4 && a->len != 16)
		return err_set(e, ERANGE, "no address");
	put_bytes(w, a->b, a->len);
	return 0;
}

static int
put_pair(struct wbuf *w, const struct addr *a, uint64_t n, struct err *e)
{
	PUT(w, cbor_encode_array_start, 2);
	if (put_addr(w, a, e) < 0)
		return -1;
	PUT(w, cbor_encode_uint, n);
	return 0;
}

static int
put_prefix(struct wbuf *w, const struct prefix *p, struct err *e)
{
	if (p->addr.len != 0 &&
	    member_range(ERANGE, " bits", p->len, 0, p->addr.len * 8u, e) < 0)
		return -1;
	return put_pair(w, &p->addr, p->len, e);
}

static int
put_list(struct wbuf *w, const struct msg_field *f, const void *base,
    struct err *e)
{
	const uint8_t *from = (const uint8_t *)base + f->offset;
	size_t i, n = member_count(f, base);

	if (member_range(ERANGE, " items", n, f->min, f->max, e) < 0)
		return -1;
	PUT(w, cbor_encode_array_start, n);
	for (i = 0; i < n; i++)
		if (put_value(w, f->elem, from + i * f->elem->size, e) < 0)
			return err_in(e, "item %zu", i);
	return 0;
}

/* It must be one item of ours, or nobody could read the message. */
static int
put_any(struct wbuf *w, const struct rbuf *r, struct err *e)
{
	struct rbuf at = *r;

	if (item_check(&at, 0, e) < 0 || rbuf_left(&at) > 0)
		return err_set(e, ERANGE, "not one encoded item");
	wbuf_put_rbuf(w, r);
	return 0;
}

static int
put_octets(struct wbuf *w, const struct msg_field *f, const struct rbuf *r,
    struct err *e)
{
	if (member_range(ERANGE, " octets", rbuf_left(r), f->min, f->max, e) < 0)
		return -1;
	put_bytes(w, r->p, rbuf_left(r));
	return 0;
}

static int
put_value(struct wbuf *w, const struct msg_field *f, const void *from,
    struct err *e)
{
	const struct endpoint *p;
	uint64_t n;

	switch (f->kind) {
	case MSG_UINT:
		n = member_uint(from, f->size);
		if (member_range(ERANGE, "", n, f->min, f->max, e) < 0)
			return -1;
		PUT(w, cbor_encode_uint, n);
		return 0;
	case MSG_BOOL:
		PUT(w, cbor_encode_bool, *(const bool *)from);
		return 0;
	case MSG_TEXT:
		return put_string(w, f, (const char *)from, e);
	case MSG_NAME:
		return put_name(w, f, member_uint(from, f->size), e);
	case MSG_BYTES:
		return put_octets(w, f, (const struct rbuf *)from, e);
	case MSG_ADDR:
		return put_addr(w, (const struct addr *)from, e);
	case MSG_PREFIX:
		return put_prefix(w, (const struct prefix *)from, e);
	case MSG_ENDPOINT:
		p = (const struct endpoint *)from;
		return put_pair(w, &p->addr, p->port, e);
	case MSG_MAP:
		return put_map(w, f->sub, from, e);
	case MSG_ANY:
		return put_any(w, (const struct rbuf *)from, e);
	case MSG_LIST:
		break;
	}
	return err_set(e, ERANGE, "a list inside a list");
}

static int
put_member(struct wbuf *w, const struct msg_field *f, const void *base,
    struct err *e)
{
	put_text(w, f->key, strlen(f->key));
	if (f->kind == MSG_LIST)
		return put_list(w, f, base, e);
	return put_value(w, f, (const uint8_t *)base + f->offset, e);
}

static int
put_map(struct wbuf *w, const struct msg_type *t, const void *m,
    struct err *e)
{
	size_t i, n = 0;

	for (i = 0; i < t->n_fields; i++)
		if (!t->fields[i].optional || !member_absent(&t->fields[i], m))
			n++;
	PUT(w, cbor_encode_map_start, n);
	for (i = 0; i < t->n_fields; i++) {
		const struct msg_field *f = &t->fields[i];

		if (f->optional && member_absent(f, m))
			continue;
		if (put_member(w, f, m, e) < 0)
			return err_in(e, "%s", f->key);
	}
	return 0;
}

int
msg_put(struct wbuf *w, const struct msg_type *t, const void *m,
    struct err *e)
{
	size_t start = w->len;
	int rc = put_map(w, t, m, e);

	if (rc < 0)
		w->len = start;
	else if (!wbuf_ok(w) || w->len - start > MSG_MAX)
		rc = err_set(e, ERANGE, "does not fit into %zu octets",
		    w->cap - start < MSG_MAX ? w->cap - start : MSG_MAX);
	return rc < 0 ? err_in(e, "%s", t->name) : 0;
}

size_t
msg_size(const struct msg_type *t, const void *m)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));

	return msg_put(&w, t, m, NULL) < 0 ? 0 : w.len;
}

/* The envelope: its last key is always the body. */
static void
put_envelope(struct wbuf *w, size_t keys, const char *first, uint64_t n)
{
	PUT(w, cbor_encode_map_start, keys);
	put_text(w, first, strlen(first));
	PUT(w, cbor_encode_uint, n);
}

static int
put_body(struct wbuf *w, const char *key, const struct msg_type *t,
    const void *m, struct err *e)
{
	put_text(w, key, strlen(key));
	if (m == NULL && t->n_fields == 0) {
		PUT(w, cbor_encode_map_start, 0);
		return wbuf_ok(w) ? 0 : err_set(e, ERANGE, "no room");
	}
	return msg_put(w, t, m, e);
}

/* All or nothing. */
static int
put_end(struct wbuf *w, size_t start, int rc, struct err *e)
{
	if (rc == 0 && w->len - start > MSG_MAX)
		rc = err_set(e, ERANGE, "a message of %zu octets",
		    w->len - start);
	if (rc < 0)
		w->len = start;
	return rc;
}

int
msg_write_request(struct wbuf *w, uint32_t id, const struct msg_type *t,
    const void *m, struct err *e)
{
	size_t start = w->len;

	put_envelope(w, 3, "id", id);
	put_text(w, "call", 4);
	put_text(w, t->name, strlen(t->name));
	return put_end(w, start, put_body(w, "with", t, m, e), e);
}

int
msg_write_reply(struct wbuf *w, uint32_t id, const struct msg_type *t,
    const void *m, struct err *e)
{
	size_t start = w->len;

	put_envelope(w, 2, "id", id);
	return put_end(w, start, put_body(w, "ok", t, m, e), e);
}

int
msg_write_event(struct wbuf *w, uint64_t now, const struct msg_type *t,
    const void *m, struct err *e)
{
	size_t start = w->len;

	put_envelope(w, 3, "at", now);
	put_text(w, "ev", 2);
	put_text(w, t->name, strlen(t->name));
	return put_end(w, start, put_body(w, "with", t, m, e), e);
}
