#include "sys/out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/text.h"
#include "msg/member.h"
#include "sys/loop.h"

/* What must never be shown. */
static const char *const secret_types[] = {
	"pki-load", "gre-sa-add", "pki-psk", NULL,
};

static void value_json(FILE *f, const struct msg_field *field,
    const void *from);

static int
refuse_secret(const struct msg_type *t, struct err *e)
{
	const char *const *s;

	for (s = secret_types; *s != NULL; s++)
		if (strcmp(t->name, *s) == 0)
			return err_set(e, EPERM, "%s holds secrets and is "
			    "never printed", t->name);
	return 0;
}

static int
written(FILE *f, struct err *e)
{
	return ferror(f) ? err_sys(e, "write") : 0;
}

void
json_text(FILE *f, const void *octets, size_t len)
{
	struct rbuf r = rbuf_of(octets, len);
	int utf8 = text_is_utf8(octets, len);

	putc('"', f);
	while (rbuf_left(&r) > 0) {
		uint8_t c = rbuf_u8(&r);

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			fprintf(f, "\\u%04x", c);
		else
			putc(c, f);
	}
	putc('"', f);
}

/* The text of a value that is one word; false: it is none. */
static bool
word_of(const struct msg_field *field, const void *from, struct addr_buf *b,
    const char **text)
{
	struct name_buf nb;

	switch (field->kind) {
	case MSG_ADDR:
		*text = addr_text((const struct addr *)from, b);
		return true;
	case MSG_PREFIX:
		*text = prefix_text((const struct prefix *)from, b);
		return true;
	case MSG_ENDPOINT:
		*text = endpoint_text((const struct endpoint *)from, b);
		return true;
	case MSG_NAME:
		*text = name_text(field->names, (uint32_t)member_uint(from,
		    field->size), &nb);
		snprintf(b->s, sizeof(b->s), "%s", *text);
		*text = b->s;
		return true;
	case MSG_TEXT:
		*text = (const char *)from;
		return true;
	case MSG_UINT:
	case MSG_BOOL:
	case MSG_BYTES:
	case MSG_ANY:
	case MSG_MAP:
	case MSG_LIST:
		break;
	}
	return false;
}

static void
hex(FILE *f, struct rbuf r)
{
	while (rbuf_left(&r) > 0)
		fprintf(f, "%02x", rbuf_u8(&r));
}

static void
list_json(FILE *f, const struct msg_field *field, const void *base)
{
	const uint8_t *from = (const uint8_t *)base + field->offset;
	size_t i, n = member_count(field, base);

	putc('[', f);
	for (i = 0; i < n; i++) {
		if (i > 0)
			putc(',', f);
		value_json(f, field->elem, from + i * field->elem->size);
	}
	putc(']', f);
}

/* "key":value,... of the members that are there; first: no comma yet. */
static void
members_json(FILE *f, const struct msg_type *t, const void *m, bool first)
{
	size_t i;

	for (i = 0; i < t->n_fields; i++) {
		const struct msg_field *field = &t->fields[i];

		if (field->optional && member_absent(field, m))
			continue;
		fprintf(f, "%s\"%s\":", first ? "" : ",", field->key);
		first = false;
		if (field->kind == MSG_LIST)
			list_json(f, field, m);
		else
			value_json(f, field, (const uint8_t *)m +
			    field->offset);
	}
}

static void
map_json(FILE *f, const struct msg_type *t, const void *m)
{
	putc('{', f);
	members_json(f, t, m, true);
	putc('}', f);
}

/* As tables and other programs show them: hexadecimal. */
static bool
is_spi(const struct msg_field *field)
{
	return field->kind == MSG_UINT && field->key != NULL &&
	    (strncmp(field->key, "spi-", 4) == 0 ||
	    strcmp(field->key, "rekeyed") == 0);
}

static void
spi(FILE *f, const struct msg_field *field, const void *from)
{
	fprintf(f, "%0*" PRIx64, field->size == 8 ? 16 : 8,
	    member_uint(from, field->size));
}

static void
value_json(FILE *f, const struct msg_field *field, const void *from)
{
	struct addr_buf b;
	const char *text;

	if (word_of(field, from, &b, &text))
		json_text(f, text, strlen(text));
	else if (is_spi(field)) {
		putc('"', f);	/* 64 bits are too many for most readers */
		spi(f, field, from);
		putc('"', f);
	} else if (field->kind == MSG_UINT)
		fprintf(f, "%" PRIu64, member_uint(from, field->size));
	else if (field->kind == MSG_BOOL)
		fputs(*(const bool *)from ? "true" : "false", f);
	else if (field->kind == MSG_MAP)
		map_json(f, field->sub, from);
	else {
		putc('"', f);
		hex(f, *(const struct rbuf *)from);
		putc('"', f);
	}
}

int
out_json(FILE *f, const struct msg_type *t, const void *m, struct err *e)
{
	if (refuse_secret(t, e) < 0)
		return -1;
	map_json(f, t, m);
	putc('\n', f);
	return written(f, e);
}

int
out_cbor(FILE *f, const struct msg_type *t, const void *m, struct err *e)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));

	if (refuse_secret(t, e) < 0 || msg_put(&w, t, m, e) < 0)
		return -1;
	fwrite(w.buf, 1, w.len, f);
	return written(f, e);
}

static void
word_line(FILE *f, const char *text)
{
	char shown[1024];
	const char *p;

	for (p = text; *p > ' ' && *p <= '~' && *p != '"' && *p != '\\'; p++)
		continue;
	if (*p == '\0' && p != text) {
		fputs(text, f);
		return;
	}
	fprintf(f, "\"%s\"", text_escape(text, strlen(text), shown,
	    sizeof(shown)));
}

static void line_members(FILE *f, const struct msg_type *t, const void *m,
    const char *sep);

static void
value_line(FILE *f, const struct msg_field *field, const void *from)
{
	struct addr_buf b;
	const char *text;

	if (word_of(field, from, &b, &text))
		word_line(f, text);
	else if (is_spi(field))
		spi(f, field, from);
	else if (field->kind == MSG_UINT)
		fprintf(f, "%" PRIu64, member_uint(from, field->size));
	else if (field->kind == MSG_BOOL)
		fputs(*(const bool *)from ? "yes" : "no", f);
	else if (field->kind == MSG_MAP) {
		putc('{', f);
		line_members(f, field->sub, from, ",");
		putc('}', f);
	} else
		hex(f, *(const struct rbuf *)from);
}

static void
list_line(FILE *f, const struct msg_field *field, const void *base)
{
	const uint8_t *from = (const uint8_t *)base + field->offset;
	size_t i, n = member_count(field, base);

	for (i = 0; i < n; i++) {
		if (i > 0)
			putc(',', f);
		value_line(f, field->elem, from + i * field->elem->size);
	}
}

static void
line_members(FILE *f, const struct msg_type *t, const void *m,
    const char *sep)
{
	const char *before = "";
	size_t i;

	for (i = 0; i < t->n_fields; i++) {
		const struct msg_field *field = &t->fields[i];

		if (member_absent(field, m) && (field->optional ||
		    field->kind == MSG_TEXT || field->kind == MSG_LIST ||
		    field->kind == MSG_BOOL))
			continue;
		fprintf(f, "%s%s=", before, field->key);
		before = sep;
		if (field->kind == MSG_LIST)
			list_line(f, field, m);
		else
			value_line(f, field, (const uint8_t *)m +
			    field->offset);
	}
}

int
out_line(FILE *f, const struct msg_type *t, const void *m, struct err *e)
{
	if (refuse_secret(t, e) < 0)
		return -1;
	line_members(f, t, m, " ");
	putc('\n', f);
	return written(f, e);
}

enum out_format
out_format(bool json, bool cbor)
{
	return json ? OUT_JSON : cbor ? OUT_CBOR : OUT_TEXT;
}

int
out_record(FILE *f, enum out_format format, const struct msg_type *t,
    const void *m, struct err *e)
{
	switch (format) {
	case OUT_TEXT:
		return out_line(f, t, m, e);
	case OUT_JSON:
		return out_json(f, t, m, e);
	case OUT_CBOR:
		break;
	}
	return out_cbor(f, t, m, e);
}

/* When it was by the clock on the wall, UTC: "2026-11-23T18:03:38.846Z". */
static void
wall_time(uint64_t at, char *out, size_t len)
{
	struct timespec now;
	struct tm tm;
	int64_t ms;
	time_t s;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 -
	    ((int64_t)clock_ms() - (int64_t)at);
	s = (time_t)(ms / 1000);
	if (ms < 0 || gmtime_r(&s, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	len -= strftime(out, len, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + strlen(out), len, ".%03uZ", (unsigned)(ms % 1000));
}

/* time is "", or stands for the milliseconds in a text. */
static int
event_decoded(FILE *f, enum out_format format, const struct msg *m,
    const struct msg_type *t, const void *body, const char *time,
    struct err *e)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));

	if (format == OUT_CBOR) {
		if (msg_write_event(&w, m->at, t, body, e) < 0)
			return -1;
		fwrite(w.buf, 1, w.len, f);
		return written(f, e);
	}
	if (format == OUT_TEXT) {
		if (time[0] != '\0')
			fprintf(f, "%s %s ", time, t->name);
		else
			fprintf(f, "%" PRIu64 ".%03" PRIu64 " %s ", m->at /
			    1000, m->at % 1000, t->name);
		return out_line(f, t, body, e);
	}
	fprintf(f, "{\"at\":%" PRIu64 ",%s%s%s\"event\":\"%s\"", m->at,
	    time[0] != '\0' ? "\"time\":\"" : "", time, time[0] != '\0' ?
	    "\"," : "", t->name);
	members_json(f, t, body, false);
	fputs("}\n", f);
	return written(f, e);
}

static int
put_event(FILE *f, enum out_format format, const struct msg *m,
    const char *time, struct err *e)
{
	const struct msg_type *t = msg_type_find(m->name);
	char name[64];
	void *body;
	int rc;

	if (t == NULL) {	/* of a newer schema */
		text_escape(m->name, strlen(m->name), name, sizeof(name));
		return err_set(e, ENOTSUP, "unknown event \"%s\"", name);
	}
	if (refuse_secret(t, e) < 0)
		return -1;
	if ((body = malloc(t->size)) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	rc = msg_get(m->body, t, body, e);
	if (rc == 0)
		rc = event_decoded(f, format, m, t, body, time, e);
	free(body);
	return rc;
}

int
out_event(FILE *f, enum out_format format, const struct msg *m,
    struct err *e)
{
	return put_event(f, format, m, "", e);
}

int
out_event_now(FILE *f, enum out_format format, const struct msg *m,
    struct err *e)
{
	char time[64];

	wall_time(m->at, time, sizeof(time));
	return put_event(f, format, m, time, e);
}
