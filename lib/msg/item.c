#include "msg/item.h"

#include <cbor/callbacks.h>
#include <cbor/streaming.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "msg/msg.h"

/* What the callbacks of libcbor saw. */
struct seen {
	struct item	*it;
	const char	*refused;	/* why it is not of our subset */
};

static void
saw(void *ctx, enum item_kind kind, uint64_t n)
{
	struct seen *s = (struct seen *)ctx;

	s->it->kind = kind;
	s->it->n = n;
}

static void
saw_string(void *ctx, enum item_kind kind, cbor_data p, size_t n)
{
	struct seen *s = (struct seen *)ctx;

	saw(ctx, kind, n);
	s->it->view = rbuf_of(p, n);
}

static void
saw_refused(void *ctx, const char *why)
{
	struct seen *s = (struct seen *)ctx;

	s->refused = why;
}

#define SAW_NUM(name, type, kind)			\
	static void name(void *c, type v) { saw(c, kind, v); }
SAW_NUM(on_uint8, uint8_t, ITEM_UINT)
SAW_NUM(on_uint16, uint16_t, ITEM_UINT)
SAW_NUM(on_uint32, uint32_t, ITEM_UINT)
SAW_NUM(on_uint64, uint64_t, ITEM_UINT)
SAW_NUM(on_neg8, uint8_t, ITEM_NEGATIVE)
SAW_NUM(on_neg16, uint16_t, ITEM_NEGATIVE)
SAW_NUM(on_neg32, uint32_t, ITEM_NEGATIVE)
SAW_NUM(on_neg64, uint64_t, ITEM_NEGATIVE)
SAW_NUM(on_list, size_t, ITEM_LIST)
SAW_NUM(on_map, size_t, ITEM_MAP)
SAW_NUM(on_bool, bool, ITEM_BOOL)

static void
on_bytes(void *ctx, cbor_data p, size_t n)
{
	saw_string(ctx, ITEM_BYTES, p, n);
}

static void
on_text(void *ctx, cbor_data p, size_t n)
{
	saw_string(ctx, ITEM_TEXT, p, n);
}

static void
on_null(void *ctx)
{
	saw(ctx, ITEM_NULL, 0);
}

static void
on_indefinite(void *ctx)
{
	saw_refused(ctx, "indefinite length");
}

static void
on_break(void *ctx)
{
	saw_refused(ctx, "break without a beginning");
}

static void
on_undefined(void *ctx)
{
	saw_refused(ctx, "an undefined value");
}

static void
on_tag(void *ctx, uint64_t v)
{
	(void)v;
	saw_refused(ctx, "a tag");
}

static void
on_float(void *ctx, float v)
{
	(void)v;
	saw_refused(ctx, "a floating-point number");
}

static void
on_double(void *ctx, double v)
{
	(void)v;
	saw_refused(ctx, "a floating-point number");
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8, .uint16 = on_uint16,
	.uint32 = on_uint32, .uint64 = on_uint64,
	.negint8 = on_neg8, .negint16 = on_neg16,
	.negint32 = on_neg32, .negint64 = on_neg64,
	.byte_string = on_bytes, .byte_string_start = on_indefinite,
	.string = on_text, .string_start = on_indefinite,
	.array_start = on_list, .indef_array_start = on_indefinite,
	.map_start = on_map, .indef_map_start = on_indefinite,
	.tag = on_tag,
	.float2 = on_float, .float4 = on_float, .float8 = on_double,
	.undefined = on_undefined, .null = on_null, .boolean = on_bool,
	.indef_break = on_break,
};

static size_t
shortest(const struct item *it)
{
	if (it->kind == ITEM_BOOL || it->kind == ITEM_NULL || it->n < 24)
		return 1;
	return it->n <= UINT8_MAX ? 2 : it->n <= UINT16_MAX ? 3 :
	    it->n <= UINT32_MAX ? 5 : 9;
}

const char *
item_noun(enum item_kind kind)
{
	static const char *const nouns[] = {
		[ITEM_UINT] = "a number",
		[ITEM_NEGATIVE] = "a negative number",
		[ITEM_BYTES] = "bytes",
		[ITEM_TEXT] = "a text",
		[ITEM_LIST] = "a list",
		[ITEM_MAP] = "a map",
		[ITEM_BOOL] = "true or false",
		[ITEM_NULL] = "null",
	};

	return nouns[kind];
}

int
item_next(struct rbuf *in, struct item *it, struct err *e)
{
	struct seen seen = { .it = it };
	struct cbor_decoder_result r;
	size_t left = rbuf_left(in), head;

	memset(it, 0, sizeof(*it));
	if (left == 0)
		return 0;
	r = cbor_stream_decode(in->p, left, &callbacks, &seen);
	if (r.status == CBOR_DECODER_NEDATA) {
		/* near 2^64 libcbor's sum wraps around */
		if (r.required > MSG_MAX || r.required <= left)
			return err_set(e, EBADMSG, "a string longer than a "
			    "message");
		return 0;
	}
	if (r.status != CBOR_DECODER_FINISHED)
		return err_set(e, EBADMSG, "no CBOR item begins with 0x%02x",
		    in->p[0]);
	if (seen.refused != NULL)
		return err_set(e, EBADMSG, "%s, which messages never hold",
		    seen.refused);
	head = r.read - rbuf_left(&it->view);
	if (head != shortest(it))
		return err_set(e, EBADMSG, "not in shortest form");
	if (it->kind == ITEM_TEXT &&
	    !text_is_utf8(it->view.p, rbuf_left(&it->view)))
		return err_set(e, EBADMSG, "a text that is not UTF-8");
	rbuf_skip(in, r.read);
	return 1;
}

/* An open list or map of the checker. */
struct frame {
	uint64_t	left;		/* items still to come, keys too */
	bool		map;
	struct rbuf	key;		/* the last one */
};

static int
key_cmp(const struct rbuf *a, const struct rbuf *b)
{
	size_t na = rbuf_left(a), nb = rbuf_left(b);

	if (na != nb)
		return na < nb ? -1 : 1;
	return na == 0 ? 0 : memcmp(a->p, b->p, na);
}

/* The item is a key of the map f. */
static int
check_key(struct frame *f, const struct item *it, bool first, struct err *e)
{
	int order;

	if (it->kind != ITEM_TEXT)
		return err_set(e, EBADMSG, "a key that is %s, not a text",
		    item_noun(it->kind));
	order = first ? -1 : key_cmp(&f->key, &it->view);
	f->key = it->view;
	if (order == 0)
		return err_set(e, EBADMSG, "this key twice");
	if (order > 0)
		return err_set(e, EBADMSG, "this key is out of order");
	return 0;
}

/* "a" of the open frames' last keys, outermost first, before the text. */
static int
check_where(const struct frame *f, size_t depth, struct err *e)
{
	char key[96];

	while (depth-- > 0) {
		if (!f[depth].map || f[depth].key.p == NULL)
			continue;
		err_in(e, "%s", text_escape(f[depth].key.p,
		    rbuf_left(&f[depth].key), key, sizeof(key)));
	}
	return -1;
}

/* Open a list or map: may it be this large, this deep? */
static int
check_open(struct frame *f, size_t *depth, const struct item *it, size_t room,
    struct err *e)
{
	if (*depth == MSG_DEPTH)
		return err_set(e, EBADMSG, "nested deeper than %d", MSG_DEPTH);
	if (it->n > room || (it->kind == ITEM_MAP && it->n > room / 2))
		return err_set(e, EBADMSG, "%s of %llu items, %zu octets left",
		    item_noun(it->kind), (unsigned long long)it->n, room);
	f[*depth] = (struct frame){
		.left = it->kind == ITEM_MAP ? it->n * 2 : it->n,
		.map = it->kind == ITEM_MAP,
	};
	(*depth)++;
	return 0;
}

/* One step of the walk; as item_next. */
static int
check_step(struct rbuf *in, struct frame *f, size_t *depth, size_t room,
    struct err *e)
{
	struct frame *top = *depth > 0 ? &f[*depth - 1] : NULL;
	struct item it;
	int rc;

	if ((rc = item_next(in, &it, e)) <= 0)
		return rc;
	if (top != NULL) {
		bool key = top->map && top->left % 2 == 0;

		top->left--;
		if (key && check_key(top, &it, top->key.p == NULL, e) < 0)
			return -1;
	}
	if (it.kind == ITEM_LIST || it.kind == ITEM_MAP)
		return check_open(f, depth, &it, room, e) < 0 ? -1 : 1;
	return 1;
}

int
item_check(struct rbuf *in, int more, struct err *e)
{
	struct frame f[MSG_DEPTH];
	struct rbuf at = *in;
	size_t depth = 0, items = 0, room;
	int rc;

	memset(f, 0, sizeof(f));
	do {
		if (++items > MSG_ITEMS)
			return err_set(e, EBADMSG, "more than %d items",
			    MSG_ITEMS);
		room = more ? MSG_MAX : rbuf_left(&at);
		rc = check_step(&at, f, &depth, room, e);
		if (rc == 0 && more)
			return 0;
		if (rc == 0)
			err_set(e, EBADMSG, "cut short");
		if (rc <= 0)
			return check_where(f, depth, e);
		while (depth > 0 && f[depth - 1].left == 0)
			depth--;
	} while (depth > 0);
	*in = at;
	return 1;
}

struct rbuf
item_take(struct rbuf *in)
{
	struct rbuf start = *in;
	struct item it;
	uint64_t left = 1;

	for (; left > 0; left--) {
		if (item_next(in, &it, NULL) <= 0)
			return rbuf_of(NULL, 0);
		if (it.kind == ITEM_LIST)
			left += it.n;
		else if (it.kind == ITEM_MAP)
			left += 2 * it.n;
	}
	return rbuf_sub(&start, rbuf_left(&start) - rbuf_left(in));
}
