#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "msg/item.h"
#include "msg/types.h"

/* What kind of message it is shows in its keys: which one holds the body. */
enum { KEY_CALL = 1, KEY_OK = 2, KEY_NO = 4, KEY_EV = 8 };

static int
envelope_keys(struct rbuf in, unsigned *keys, struct err *e)
{
	static const struct { const char *key; unsigned bit; } known[] = {
		{ "call", KEY_CALL }, { "ok", KEY_OK },
		{ "no", KEY_NO }, { "ev", KEY_EV },
	};
	struct item map, key;
	size_t i;

	*keys = 0;
	if (item_next(&in, &map, e) <= 0 || map.kind != ITEM_MAP)
		return err_set(e, EBADMSG, "not a map");
	for (; map.n > 0; map.n--) {
		if (item_next(&in, &key, e) <= 0 || key.kind != ITEM_TEXT)
			return err_set(e, EBADMSG, "a key that is no text");
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (rbuf_left(&key.view) == strlen(known[i].key) &&
			    memcmp(key.view.p, known[i].key,
			    rbuf_left(&key.view)) == 0)
				*keys |= known[i].bit;
		(void)item_take(&in);
	}
	return 0;
}

static int
read_request(struct rbuf in, struct msg *m, struct err *e)
{
	static const uint8_t nothing[] = { 0xa0 };
	struct request r;

	if (msg_get_checked(in, &request_type, &r, e) < 0)
		return -1;
	m->class = MSG_REQUEST;
	m->id = r.id;
	m->body = rbuf_left(&r.with) > 0 ? r.with :
	    rbuf_of(nothing, sizeof(nothing));
	return text_copy(m->name, sizeof(m->name), r.call, e);
}

static int
read_event(struct rbuf in, struct msg *m, struct err *e)
{
	struct event v;

	if (msg_get_checked(in, &event_type, &v, e) < 0)
		return -1;
	m->class = MSG_EVENT;
	m->at = v.at;
	m->body = v.with;
	return text_copy(m->name, sizeof(m->name), v.ev, e);
}

static int
read_reply(struct rbuf in, struct msg *m, struct err *e)
{
	struct reply r;

	if (msg_get_checked(in, &reply_type, &r, e) < 0)
		return -1;
	m->class = MSG_REPLY;
	m->id = r.id;
	m->body = r.ok;
	return 0;
}

/* The same keys as struct failure, but the reason is left encoded. */
static int
read_failure(struct rbuf in, struct msg *m, struct err *e)
{
	static const struct msg_field fields[] = {
		{ .key = "id", .kind = MSG_UINT, .offset = offsetof(
		  struct reply, id), .size = 4, .min = 1, .max = UINT32_MAX },
		{ .key = "no", .kind = MSG_ANY, .offset = offsetof(
		  struct reply, ok), .size = sizeof(struct rbuf) },
	};
	static const struct msg_type type = { "failure",
		sizeof(struct reply), fields, 2 };
	struct reply r;

	if (msg_get_checked(in, &type, &r, e) < 0)
		return -1;
	m->class = MSG_FAILURE;
	m->id = r.id;
	m->body = r.ok;
	return 0;
}

/* in is one item, and a good one. */
static int
read_one(struct rbuf in, struct msg *m, struct err *e)
{
	unsigned keys;

	if (envelope_keys(in, &keys, e) < 0)
		return err_in(e, "message");
	switch (keys) {
	case KEY_CALL:
		return read_request(in, m, e);
	case KEY_OK:
		return read_reply(in, m, e);
	case KEY_NO:
		return read_failure(in, m, e);
	case KEY_EV:
		return read_event(in, m, e);
	}
	return err_set(e, EBADMSG, "message: neither request, reply, failure "
	    "nor event");
}

int
msg_next(struct rbuf *in, struct msg *m, struct err *e)
{
	struct rbuf at = *in;

	memset(m, 0, sizeof(*m));
	if (rbuf_left(in) > MSG_MAX)
		return err_set(e, EBADMSG, "message: %zu octets, %d is the "
		    "most", rbuf_left(in), MSG_MAX);
	if (item_check(&at, 0, e) < 0)
		return err_in(e, "message");
	return read_one(rbuf_sub(in, rbuf_left(in) - rbuf_left(&at)), m, e);
}

int
msg_read(struct rbuf in, struct msg *m, struct err *e)
{
	if (msg_next(&in, m, e) < 0)
		return -1;
	if (rbuf_left(&in) > 0)
		return err_set(e, EBADMSG, "message: %zu octets follow it",
		    rbuf_left(&in));
	return 0;
}

int
msg_write_failure(struct wbuf *w, uint32_t id, const struct reason *r,
    struct err *e)
{
	struct failure f = { .id = id, .no = *r };

	if (f.no.code[0] == '\0')
		memcpy(f.no.code, "failed", sizeof("failed"));
	return msg_put(w, &failure_type, &f, e);
}

const struct msg_type *
msg_type_find(const char *name)
{
	const struct msg_type *const *t;

	for (t = msg_types; *t != NULL; t++)
		if (strcmp((*t)->name, name) == 0)
			return *t;
	return NULL;
}
