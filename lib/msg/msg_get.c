#include "msg/msg.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "msg/item.h"
#include "msg/member.h"

static int get_value(struct rbuf *in, const struct msg_field *f, void *to,
    struct err *e);

/* The next item must be of this kind.  The checker has run: in is whole. */
static int
want(struct rbuf *in, enum item_kind kind, struct item *it, struct err *e)
{
	int rc = item_next(in, it, e);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, EBADMSG, "cut short");
	if (it->kind != kind)
		return err_set(e, EBADMSG, "%s where %s belongs",
		    item_noun(it->kind), item_noun(kind));
	return 0;
}

static void
store(void *to, size_t size, uint64_t n)
{
	const uint8_t b = (uint8_t)n;
	const uint16_t h = (uint16_t)n;
	const uint32_t w = (uint32_t)n;

	switch (size) {
	case sizeof(b):
		memcpy(to, &b, size);
		break;
	case sizeof(h):
		memcpy(to, &h, size);
		break;
	case sizeof(w):
		memcpy(to, &w, size);
		break;
	default:
		memcpy(to, &n, sizeof(n));
	}
}

static int
get_text(const struct item *it, const struct msg_field *f, void *to,
    struct err *e)
{
	size_t n = rbuf_left(&it->view);
	struct rbuf r = it->view;

	if (member_range(EBADMSG, " octets", n, f->min, f->max, e) < 0)
		return -1;
	if (n >= f->size)
		return err_set(e, EBADMSG, "%zu octets are too long", n);
	if (n > 0 && memchr(it->view.p, '\0', n) != NULL)
		return err_set(e, EBADMSG, "a text with a NUL inside");
	rbuf_copy(&r, to, n);
	return 0;
}

static int
get_name(const struct item *it, const struct msg_field *f, void *to,
    struct err *e)
{
	char text[64];
	const struct name *n;
	size_t len = rbuf_left(&it->view);

	for (n = f->names; n->text != NULL; n++)
		if (strlen(n->text) == len &&
		    memcmp(n->text, it->view.p, len) == 0) {
			store(to, f->size, n->value);
			return 0;
		}
	return err_set(e, EBADMSG, "unknown value \"%s\"",
	    text_escape(it->view.p, len, text, sizeof(text)));
}

static int
get_addr(struct rbuf *in, struct addr *a, struct err *e)
{
	struct item it;

	if (want(in, ITEM_BYTES, &it, e) < 0)
		return -1;
	*a = addr_of(it.view.p, rbuf_left(&it.view));
	if (a->len == 0)
		return err_set(e, EBADMSG, "an address of %zu octets",
		    rbuf_left(&it.view));
	return 0;
}

/* A prefix and an endpoint are both [address, number]. */
static int
get_pair(struct rbuf *in, struct addr *a, uint64_t *n, struct err *e)
{
	struct item it;

	if (want(in, ITEM_LIST, &it, e) < 0)
		return -1;
	if (it.n != 2)
		return err_set(e, EBADMSG, "a list of %" PRIu64 " items, "
		    "not of an address and a number", it.n);
	if (get_addr(in, a, e) < 0 || want(in, ITEM_UINT, &it, e) < 0)
		return -1;
	*n = it.n;
	return 0;
}

static int
get_prefix(struct rbuf *in, struct prefix *p, struct err *e)
{
	uint64_t n;

	if (get_pair(in, &p->addr, &n, e) < 0)
		return -1;
	if (member_range(EBADMSG, " bits", n, 0, p->addr.len * 8u, e) < 0)
		return -1;
	p->len = (uint8_t)n;
	return 0;
}

static int
get_endpoint(struct rbuf *in, struct endpoint *p, struct err *e)
{
	uint64_t n;

	if (get_pair(in, &p->addr, &n, e) < 0)
		return -1;
	if (n > UINT16_MAX)
		return err_set(e, EBADMSG, "port %" PRIu64, n);
	p->port = (uint16_t)n;
	return 0;
}

static int
get_list(struct rbuf *in, const struct msg_field *f, void *base,
    struct err *e)
{
	uint8_t *to = (uint8_t *)base + f->offset;
	size_t *count = (size_t *)(void *)((uint8_t *)base + f->count_offset);
	struct item it;
	size_t i;

	if (want(in, ITEM_LIST, &it, e) < 0 ||
	    member_range(EBADMSG, " items", it.n, f->min, f->max, e) < 0)
		return -1;
	*count = (size_t)it.n;
	for (i = 0; i < *count; i++)
		if (get_value(in, f->elem, to + i * f->elem->size, e) < 0)
			return err_in(e, "item %zu", i);
	return 0;
}

/* Any item, kept as it is. */
static int
get_any(struct rbuf *in, struct rbuf *to, struct err *e)
{
	*to = item_take(in);
	return rbuf_left(to) > 0 ? 0 : err_set(e, EBADMSG, "cut short");
}

static int
key_is(const struct rbuf *key, const char *text)
{
	size_t n = strlen(text);

	return n == rbuf_left(key) && memcmp(key->p, text, n) == 0;
}

/* Does the table's key come before this one?  Shorter first (4.2.1). */
static int
key_before(const char *text, const struct rbuf *key)
{
	size_t n = strlen(text), k = rbuf_left(key);

	if (n != k)
		return n < k;
	return memcmp(text, key->p, n) < 0;
}

static int
missing(const struct msg_field *f, struct err *e)
{
	err_set(e, EBADMSG, "this key is missing");
	return err_in(e, "%s", f->key);
}

/* One member: lists need their count, which is beside them. */
static int
get_member(struct rbuf *in, const struct msg_field *f, void *base,
    struct err *e)
{
	if (f->kind == MSG_LIST)
		return get_list(in, f, base, e);
	return get_value(in, f, (uint8_t *)base + f->offset, e);
}

/* Keys and fields are sorted alike: both are walked once. */
static int
get_map(struct rbuf *in, const struct msg_type *t, void *m, struct err *e)
{
	struct item it, key;
	struct rbuf skipped;
	size_t i = 0;

	if (want(in, ITEM_MAP, &it, e) < 0)
		return -1;
	for (; it.n > 0; it.n--) {
		if (want(in, ITEM_TEXT, &key, e) < 0)
			return -1;
		for (; i < t->n_fields &&
		    key_before(t->fields[i].key, &key.view); i++)
			if (!t->fields[i].optional)
				return missing(&t->fields[i], e);
		if (i == t->n_fields || !key_is(&key.view, t->fields[i].key)) {
			if (get_any(in, &skipped, e) < 0)
				return -1;
			continue;
		}
		if (get_member(in, &t->fields[i], m, e) < 0)
			return err_in(e, "%s", t->fields[i].key);
		i++;
	}
	for (; i < t->n_fields; i++)
		if (!t->fields[i].optional)
			return missing(&t->fields[i], e);
	return 0;
}

static int
get_value(struct rbuf *in, const struct msg_field *f, void *to,
    struct err *e)
{
	struct item it;
	bool yes;

	switch (f->kind) {
	case MSG_UINT:
		if (want(in, ITEM_UINT, &it, e) < 0 ||
		    member_range(EBADMSG, "", it.n, f->min, f->max, e) < 0)
			return -1;
		store(to, f->size, it.n);
		return 0;
	case MSG_BOOL:
		if (want(in, ITEM_BOOL, &it, e) < 0)
			return -1;
		yes = it.n != 0;
		memcpy(to, &yes, sizeof(yes));
		return 0;
	case MSG_TEXT:
		return want(in, ITEM_TEXT, &it, e) < 0 ? -1 :
		    get_text(&it, f, to, e);
	case MSG_NAME:
		return want(in, ITEM_TEXT, &it, e) < 0 ? -1 :
		    get_name(&it, f, to, e);
	case MSG_BYTES:
		if (want(in, ITEM_BYTES, &it, e) < 0 ||
		    member_range(EBADMSG, " octets", it.n, f->min, f->max, e) < 0)
			return -1;
		memcpy(to, &it.view, sizeof(it.view));
		return 0;
	case MSG_ADDR:
		return get_addr(in, (struct addr *)to, e);
	case MSG_PREFIX:
		return get_prefix(in, (struct prefix *)to, e);
	case MSG_ENDPOINT:
		return get_endpoint(in, (struct endpoint *)to, e);
	case MSG_MAP:
		return get_map(in, f->sub, to, e);
	case MSG_ANY:
		return get_any(in, (struct rbuf *)to, e);
	case MSG_LIST:
		break;
	}
	return err_set(e, EBADMSG, "a list inside a list");
}

int
msg_get(struct rbuf in, const struct msg_type *t, void *m, struct err *e)
{
	struct rbuf at = in;
	int rc;

	if (rbuf_left(&in) > MSG_MAX) {
		err_set(e, EBADMSG, "%zu octets, a message has at most %d",
		    rbuf_left(&in), MSG_MAX);
		return err_in(e, "%s", t->name);
	}
	rc = item_check(&at, 0, e);
	if (rc > 0 && rbuf_left(&at) > 0)
		rc = err_set(e, EBADMSG, "%zu octets follow the message",
		    rbuf_left(&at));
	if (rc < 0)
		return err_in(e, "%s", t->name);
	return msg_get_checked(in, t, m, e);
}

int
msg_get_checked(struct rbuf in, const struct msg_type *t, void *m,
    struct err *e)
{
	memset(m, 0, t->size);
	return get_map(&in, t, m, e) < 0 ? err_in(e, "%s", t->name) : 0;
}

int
msg_item_length(const struct rbuf *in, struct err *e)
{
	struct rbuf at = *in;
	int rc;

	if (rbuf_left(&at) > MSG_MAX)
		at = rbuf_of(at.p, MSG_MAX);
	rc = item_check(&at, 1, e);
	if (rc < 0)
		return -1;
	if (rc == 0 && rbuf_left(in) >= MSG_MAX)
		return err_set(e, EBADMSG, "an item longer than %d octets",
		    MSG_MAX);
	return rc == 0 ? 0 : (int)(at.p - in->p);
}
