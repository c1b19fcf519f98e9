/*
 * Messages: whatever is taken can be written again and reads the same; what
 * is refused is refused with a sentence.  The octets are tried as an
 * envelope with its body, as an item on a pipe, and, after a first octet
 * that picks the type, as the body of any message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg/types.h"
#include "sys/out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int yes, const char *what)
{
	if (yes)
		return;
	fprintf(stderr, "broken: %s\n", what);
	__builtin_trap();
}

static void
round_trip(const struct msg_type *t, struct rbuf in)
{
	static uint8_t first[MSG_MAX], second[MSG_MAX];
	struct wbuf a = wbuf_of(first, sizeof(first));
	struct wbuf b = wbuf_of(second, sizeof(second));
	void *m = malloc(t->size), *again = malloc(t->size);
	struct err e = { 0 };

	must(m != NULL && again != NULL, "memory");
	if (msg_get(in, t, m, &e) < 0)
		must(e.code != 0 && e.msg[0] != '\0', "a reason");
	else {
		must(msg_put(&a, t, m, &e) == 0, e.msg);
		must(msg_get(wbuf_rbuf(&a), t, again, &e) == 0, e.msg);
		must(msg_put(&b, t, again, &e) == 0, e.msg);
		must(a.len == b.len && memcmp(first, second, a.len) == 0,
		    "the same octets twice");
		must(a.len <= rbuf_left(&in), "shortest form");
	}
	free(m);
	free(again);
}

static size_t
types(void)
{
	size_t n = 0;

	while (msg_types[n] != NULL)
		n++;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rbuf in = rbuf_of(data, size);
	const struct msg_type *t;
	struct msg m;
	struct err e = { 0 };
	int n = msg_item_length(&in, &e);

	must(n <= (int)size, "an item inside its octets");
	must(n >= 0 || e.msg[0] != '\0', "a reason");
	if (msg_read(in, &m, &e) == 0) {
		must(n == (int)size, "a message is one whole item");
		t = m.class == MSG_FAILURE ? &reason_type :
		    msg_type_find(m.name);
		if (t != NULL)
			round_trip(t, m.body);
	}
	if (size > 0) {
		t = msg_types[rbuf_u8(&in) % types()];
		round_trip(t, in);
	}
	return 0;
}
