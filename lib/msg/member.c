#include "msg/member.h"

#include <inttypes.h>
#include <string.h>

#include "base/addr.h"

uint64_t
member_uint(const void *from, size_t size)
{
	uint8_t b;
	uint16_t h;
	uint32_t n;
	uint64_t d;

	switch (size) {
	case sizeof(b):
		memcpy(&b, from, size);
		return b;
	case sizeof(h):
		memcpy(&h, from, size);
		return h;
	case sizeof(n):
		memcpy(&n, from, size);
		return n;
	default:
		memcpy(&d, from, sizeof(d));
		return d;
	}
}

size_t
member_count(const struct msg_field *f, const void *base)
{
	size_t n;

	memcpy(&n, (const uint8_t *)base + f->count_offset, sizeof(n));
	return n;
}

int
member_range(int code, const char *unit, uint64_t n, uint64_t min,
    uint64_t max, struct err *e)
{
	if (n >= min && n <= max)
		return 0;
	return err_set(e, code, "%" PRIu64 "%s, %" PRIu64 "..%" PRIu64
	    " is allowed", n, unit, min, max);
}

static bool
map_absent(const struct msg_type *t, const void *m)
{
	size_t i;

	for (i = 0; i < t->n_fields; i++)
		if (!member_absent(&t->fields[i], m))
			return false;
	return true;
}

bool
member_absent(const struct msg_field *f, const void *base)
{
	const uint8_t *from = (const uint8_t *)base + f->offset;

	switch (f->kind) {
	case MSG_UINT:
	case MSG_NAME:
		return member_uint(from, f->size) == 0;
	case MSG_BOOL:
		return !*(const bool *)from;
	case MSG_TEXT:
		return from[0] == '\0';
	case MSG_BYTES:
	case MSG_ANY:
		return rbuf_left((const struct rbuf *)(const void *)from) == 0;
	case MSG_ADDR:
		return ((const struct addr *)from)->len == 0;
	case MSG_PREFIX:
		return ((const struct prefix *)from)->addr.len == 0;
	case MSG_ENDPOINT:
		return ((const struct endpoint *)(const void *)from)->addr.len
		    == 0;
	case MSG_MAP:
		return map_absent(f->sub, from);
	case MSG_LIST:
		break;
	}
	return member_count(f, base) == 0;
}
