#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/delta.h"

#define MOST 70000

static uint8_t packed[DELTA_ROOM(MOST)], again[MOST];

/* There and back; the octets that it takes. */
static size_t
round_trip(struct rbuf model, struct rbuf whole)
{
	const size_t len = rbuf_left(&whole);
	struct wbuf w = wbuf_of(packed, DELTA_ROOM(len));
	struct wbuf back = wbuf_of(again, len);

	delta_put(model, whole, &w);
	assert_true(wbuf_ok(&w));
	assert_int_equal(delta_get(model, wbuf_rbuf(&w), &back), 0);
	assert_int_equal(back.len, len);
	if (len > 0)
		assert_memory_equal(again, whole.p, len);
	return w.len;
}

static struct rbuf
text(const char *s)
{
	return rbuf_of(s, strlen(s));
}

static void
test_what_is_alike_takes_little(void **state)
{
	const struct rbuf model = text("name: spoke0001.example.org, "
	    "address: 10.200.0.17, owner: nhrp, multicast");

	(void)state;
	assert_int_equal(round_trip(model, model), 2);
	assert_int_equal(round_trip(model, text("name: "
	    "spoke0002.example.org, address: 10.200.0.18, owner: nhrp, "
	    "multicast")), 7);
	assert_int_equal(round_trip(model, text("owner: nhrp, address: ")),
	    6);
	assert_int_equal(round_trip(model, rbuf_of(NULL, 0)), 0);
	assert_int_equal(round_trip(rbuf_of(NULL, 0), text("new")), 4);
}

static void
test_octets_at_random_come_back(void **state)
{
	static uint8_t model[MOST], whole[MOST];
	size_t i, n, len;

	(void)state;
	srandom(7);
	for (i = 0; i < 3000; i++) {
		const size_t kinds = 1u << random() % 9;
		size_t most = i % 100 == 0 ? MOST : 600;

		len = (size_t)random() % most;
		for (n = 0; n < most; n++)
			model[n] = (uint8_t)((size_t)random() % kinds);
		for (n = 0; n < len; n++)
			whole[n] = random() % 20 == 0 ? (uint8_t)random() :
			    model[(n + len) % most];
		round_trip(rbuf_of(model, (size_t)random() % most),
		    rbuf_of(whole, len));
	}
}

static void
test_room_is_enough_for_what_is_not_alike(void **state)
{
	static uint8_t whole[MOST];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(whole); i++)
		whole[i] = (uint8_t)(i * i >> 3);
	for (i = 0; i < 1000; i++)
		round_trip(text("model"), rbuf_of(whole, i));
	round_trip(text("model"), rbuf_of(whole, sizeof(whole)));
}

static void
test_what_is_no_delta_is_refused(void **state)
{
	static const uint8_t bad[][4] = {
		{ 2, 'a', 'b' },	/* cut off */
		{ 0x80 | 2, 0 },	/* six octets of a model of five */
		{ 0xc0, 0, 2 },		/* four from its third */
		{ 0xc0, 0xff, 0xff },
		{ 0xc0, 0 },
	};
	static const size_t len[] = { 3, 1, 3, 3, 2 };
	struct wbuf w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		w = wbuf_of(again, sizeof(again));
		assert_int_equal(delta_get(text("model"), rbuf_of(bad[i],
		    len[i]), &w), -1);
	}
	w = wbuf_of(again, 3);
	assert_int_equal(delta_get(text("model"), rbuf_of("\x80", 1), &w),
	    -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_alike_takes_little),
		cmocka_unit_test(test_octets_at_random_come_back),
		cmocka_unit_test(test_room_is_enough_for_what_is_not_alike),
		cmocka_unit_test(test_what_is_no_delta_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
