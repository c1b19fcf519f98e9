#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"
#include "base/num.h"
#include "base/secret.h"
#include "base/text.h"

static void
a_short_cursor_stays_bad_and_reads_zeros(void **state)
{
	struct rbuf r = rbuf_of("\1\2\3", 3), sub;

	(void)state;
	assert_int_equal(rbuf_be16(&r), 0x0102);
	assert_int_equal(rbuf_be16(&r), 0);
	assert_false(rbuf_ok(&r));
	assert_int_equal(rbuf_left(&r), 0);
	assert_int_equal(rbuf_u8(&r), 0);
	sub = rbuf_sub(&r, 0);
	assert_int_equal(rbuf_left(&sub), 0);
	assert_false(rbuf_done(&r));
	r = rbuf_of("\1", 1);
	assert_null(rbuf_take(&r, SIZE_MAX));
	assert_false(rbuf_ok(&r));
}

static void
integers_are_in_network_order_both_ways(void **state)
{
	uint8_t room[15];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct rbuf r;

	(void)state;
	wbuf_u8(&w, 0x01);
	wbuf_be16(&w, 0x0203);
	wbuf_be32(&w, 0x04050607);
	wbuf_be64(&w, 0x08090a0b0c0d0e0f);
	assert_true(wbuf_ok(&w));
	r = wbuf_rbuf(&w);
	assert_int_equal(rbuf_u8(&r), 0x01);
	assert_int_equal(rbuf_be16(&r), 0x0203);
	assert_int_equal(rbuf_be32(&r), 0x04050607);
	assert_true(rbuf_be64(&r) == 0x08090a0b0c0d0e0f);
	assert_true(rbuf_done(&r));
}

static void
a_full_writer_stays_bad_and_writes_nothing_more(void **state)
{
	uint8_t room[4] = { 9, 9, 9, 9 };
	struct wbuf w = wbuf_of(room, 3);
	struct rbuf r;

	(void)state;
	wbuf_be16(&w, 0x0102);
	wbuf_be16(&w, 0x0304);
	assert_false(wbuf_ok(&w));
	wbuf_u8(&w, 5);
	assert_int_equal(w.len, 2);
	assert_int_equal(room[2], 9);
	assert_int_equal(wbuf_room(&w), 0);
	r = wbuf_rbuf(&w);
	assert_int_equal(rbuf_left(&r), 0);
}

static void
holes_are_filled_and_checked(void **state)
{
	uint8_t room[16];
	struct wbuf w = wbuf_of(room, sizeof(room));
	size_t a = wbuf_hole16(&w), b = wbuf_hole32(&w);

	(void)state;
	wbuf_fill16(&w, a, 0x1234);
	wbuf_fill32(&w, b, 0x56789abc);
	wbuf_fill8(&w, 0, 0xff);
	assert_memory_equal(room, "\xff\x34\x56\x78\x9a\xbc", 6);
	wbuf_fill16(&w, 5, 1);
	assert_false(wbuf_ok(&w));
	w = wbuf_of(room, sizeof(room));
	a = wbuf_hole16(&w);
	wbuf_fill16(&w, a, 65536);
	assert_false(wbuf_ok(&w));
}

static void
errors_are_built_from_the_inside(void **state)
{
	char big[ERR_MAX * 2];
	struct err e;

	(void)state;
	assert_int_equal(err_set(&e, EBADMSG, "%u bytes", 3u), -1);
	assert_int_equal(err_in(&e, "extension %d", 4), -1);
	assert_string_equal(e.msg, "extension 4: 3 bytes");
	assert_int_equal(e.code, EBADMSG);
	errno = ENOENT;
	assert_int_equal(err_sys(&e, "open %s", "x"), -1);
	assert_string_equal(e.msg, "open x: No such file or directory");
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	err_set(&e, 1, "%s", big);
	err_in(&e, "%s", big);
	assert_int_equal(strlen(e.msg), ERR_MAX - 1);
	assert_int_equal(err_set(NULL, 1, "nobody hears"), -1);
	assert_int_equal(err_in(NULL, "nobody hears"), -1);
	assert_null(err_null(-1));
	err_clear(&e);
	assert_int_equal(e.code, 0);
}

static void
names_and_unknown_values(void **state)
{
	static const struct name names[] = { { 1, "one" }, { 7, "seven" },
		NAME_END };
	struct name_buf b;
	uint32_t v = 0;

	(void)state;
	assert_string_equal(name_text(names, 7, &b), "seven");
	assert_string_equal(name_text(names, UINT32_MAX, &b),
	    "unknown(4294967295)");
	assert_null(name_find(names, 2));
	assert_int_equal(name_value(names, "one", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(name_value(names, "On", &v), -1);
	assert_int_equal(name_value(names, "", &v), -1);
}

static void
numbers_are_whole_and_in_range(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "1x",
		"0x", "0xg", "18446744073709551616", "0x10000000000000000",
		"11", "\xd9\xa1" };
	struct err e;
	uint64_t v;
	size_t i;

	(void)state;
	assert_int_equal(num_parse("10", 0, 10, &v, NULL), 0);
	assert_int_equal(v, 10);
	assert_int_equal(num_parse("0x0a", 0, 10, &v, NULL), 0);
	assert_int_equal(v, 10);
	assert_int_equal(num_parse("18446744073709551615", 0, UINT64_MAX, &v,
	    NULL), 0);
	assert_true(v == UINT64_MAX);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (num_parse(bad[i], 0, 10, &v, &e) == 0)
			fail_msg("taken: \"%s\"", bad[i]);
}

static void
durations_have_units(void **state)
{
	static const char *const bad[] = { "", "s", "1y", "1ms", "1 s",
		"-1s", "1h1", "99999999999999999999s",
		"18446744073709551615d" };
	uint64_t v;
	size_t i;

	(void)state;
	assert_int_equal(num_duration("90", 0, 100, &v, NULL), 0);
	assert_int_equal(v, 90);
	assert_int_equal(num_duration("15m", 0, 1000, &v, NULL), 0);
	assert_int_equal(v, 900);
	assert_int_equal(num_duration("8h", 0, 86400, &v, NULL), 0);
	assert_int_equal(v, 28800);
	assert_int_equal(num_duration("30d", 0, 30 * 86400, &v, NULL), 0);
	assert_int_equal(num_duration("31d", 0, 30 * 86400, &v, NULL), -1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (num_duration(bad[i], 0, UINT64_MAX, &v, NULL) == 0)
			fail_msg("taken: \"%s\"", bad[i]);
}

static void
addresses_are_read_and_written(void **state)
{
	static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5",
		"256.1.1.1", "1.2.3.4 ", "::g", ":::", "1.2.3.4/8", "[::1]",
		"fe80::1%eth0" };
	struct addr_buf b;
	struct addr a, other;
	size_t i;

	(void)state;
	assert_int_equal(addr_parse("192.0.2.1", &a, NULL), 0);
	assert_int_equal(a.len, 4);
	assert_string_equal(addr_text(&a, &b), "192.0.2.1");
	assert_int_equal(addr_parse("2001:DB8::0:1", &other, NULL), 0);
	assert_string_equal(addr_text(&other, &b), "2001:db8::1");
	assert_false(addr_equal(&a, &other));
	assert_int_not_equal(addr_cmp(&a, &other), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (addr_parse(bad[i], &a, NULL) == 0)
			fail_msg("taken: \"%s\"", bad[i]);
	a = addr_of("abc", 3);
	assert_int_equal(a.len, 0);
	assert_string_equal(addr_text(&a, &b), "-");
	assert_true(addr_is_unspecified(&a));
	assert_int_equal(addr_parse("224.0.0.5", &a, NULL), 0);
	assert_true(addr_is_multicast(&a));
	assert_int_equal(addr_parse("ff02::1", &a, NULL), 0);
	assert_true(addr_is_multicast(&a));
	assert_int_equal(addr_parse("127.1.2.3", &a, NULL), 0);
	assert_true(addr_is_loopback(&a));
	assert_int_equal(addr_parse("fe80::1", &a, NULL), 0);
	assert_true(addr_is_linklocal(&a));
	assert_int_equal(addr_parse("169.254.9.9", &a, NULL), 0);
	assert_true(addr_is_linklocal(&a));
}

static void
prefixes_cover_what_they_should(void **state)
{
	static const char *const bad[] = { "10.0.0.1/8", "10.0.0.0/33",
		"10.0.0.0/", "10.0.0.0/-1", "::/129", "10.0.0.0/8/8", "/8" };
	struct prefix p, q;
	struct addr_buf b;
	struct addr a;
	size_t i;

	(void)state;
	assert_int_equal(prefix_parse("10.0.0.0/8", &p, NULL), 0);
	assert_int_equal(addr_parse("10.255.0.1", &a, NULL), 0);
	assert_true(prefix_has(&p, &a));
	assert_int_equal(addr_parse("11.0.0.0", &a, NULL), 0);
	assert_false(prefix_has(&p, &a));
	assert_int_equal(prefix_parse("10.1.0.0/16", &q, NULL), 0);
	assert_true(prefix_covers(&p, &q));
	assert_false(prefix_covers(&q, &p));
	assert_int_equal(prefix_parse("::/0", &q, NULL), 0);
	assert_false(prefix_covers(&q, &p));
	assert_int_equal(prefix_parse("0.0.0.0/0", &q, NULL), 0);
	assert_true(prefix_covers(&q, &p));
	assert_int_equal(prefix_parse("192.0.2.7", &p, NULL), 0);
	assert_string_equal(prefix_text(&p, &b), "192.0.2.7/32");
	assert_int_equal(prefix_parse_host("192.0.2.7/24", &p, NULL), 0);
	assert_string_equal(prefix_text(&p, &b), "192.0.2.7/24");
	p = prefix_mask(&p.addr, 25);
	assert_string_equal(prefix_text(&p, &b), "192.0.2.0/25");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (prefix_parse(bad[i], &p, NULL) == 0)
			fail_msg("taken: \"%s\"", bad[i]);
}

static void
endpoints_have_ports(void **state)
{
	static const char *const bad[] = { "1.2.3.4:", "1.2.3.4:65536",
		"[::1]", "[::1]:", "[::1:500", "1.2.3.4:0x", ":500", "" };
	struct endpoint p, q;
	struct addr_buf b;
	size_t i;

	(void)state;
	assert_int_equal(endpoint_parse("1.2.3.4", 500, &p, NULL), 0);
	assert_string_equal(endpoint_text(&p, &b), "1.2.3.4:500");
	assert_int_equal(endpoint_parse("[2001:db8::1]:4500", 500, &p, NULL),
	    0);
	assert_string_equal(endpoint_text(&p, &b), "[2001:db8::1]:4500");
	assert_int_equal(endpoint_parse("2001:db8::1", 500, &q, NULL), 0);
	assert_int_equal(q.port, 500);
	assert_false(endpoint_equal(&p, &q));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (endpoint_parse(bad[i], 500, &p, NULL) == 0 &&
		    strcmp(bad[i], "[::1]") != 0)
			fail_msg("taken: \"%s\"", bad[i]);
}

static void
foreign_octets_are_made_harmless(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(text_escape("a\"\\\n\x80", 5, out, sizeof(out)),
	    "a\\\"\\\\\\x0a\\x80");
	text_escape("aaaaaaaaaaaaaaaaaaaaaaaa", 24, out, sizeof(out));
	assert_true(strlen(out) < sizeof(out));
	assert_string_equal(out + strlen(out) - 3, "...");
	text_escape("\n\n\n\n\n\n\n\n", 8, out, sizeof(out));
	assert_true(strlen(out) < sizeof(out));
}

static void
hexadecimal_goes_both_ways(void **state)
{
	uint8_t room[4];
	struct wbuf w = wbuf_of(room, sizeof(room));
	char out[9];

	(void)state;
	assert_int_equal(text_unhex("0xDEADbeef", &w, NULL), 4);
	assert_string_equal(text_hex(room, 4, out, sizeof(out)), "deadbeef");
	w = wbuf_of(room, sizeof(room));
	assert_int_equal(text_unhex("abc", &w, NULL), -1);
	w = wbuf_of(room, sizeof(room));
	assert_int_equal(text_unhex("zz", &w, NULL), -1);
	w = wbuf_of(room, sizeof(room));
	assert_int_equal(text_unhex("0011223344", &w, NULL), -1);
}

static void
only_well_formed_utf8_is_utf8(void **state)
{
	static const struct { const char *text; int ok; } cases[] = {
		{ "", 1 }, { "abc", 1 }, { "\xc3\xa4", 1 },
		{ "\xe2\x82\xac", 1 }, { "\xf0\x9f\x98\x80", 1 },
		{ "\xf4\x8f\xbf\xbf", 1 },
		{ "\x80", 0 }, { "\xc3", 0 }, { "\xc0\x80", 0 },
		{ "\xc1\xbf", 0 }, { "\xe0\x80\x80", 0 },
		{ "\xed\xa0\x80", 0 }, { "\xf0\x80\x80\x80", 0 },
		{ "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 },
		{ "\xff", 0 }, { "\xe2\x82", 0 }, { "a\xc3z", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (text_is_utf8(cases[i].text, strlen(cases[i].text)) !=
		    cases[i].ok)
			fail_msg("case %zu", i);
}

static void
secrets_are_compared_and_copied(void **state)
{
	struct secret *s = secret_copy("abc", 3), *z = secret_new(3);

	(void)state;
	assert_non_null(s);
	assert_non_null(z);
	assert_int_equal(s->len, 3);
	assert_int_equal(secret_equal(s->b, "abc", 3), 1);
	assert_int_equal(secret_equal(s->b, "abd", 3), 0);
	assert_int_equal(secret_equal(z->b, "\0\0\0", 3), 1);
	secret_wipe(s->b, s->len);
	assert_int_equal(secret_equal(s->b, z->b, 3), 1);
	secret_free(s);
	secret_free(z);
	secret_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_cursor_stays_bad_and_reads_zeros),
		cmocka_unit_test(integers_are_in_network_order_both_ways),
		cmocka_unit_test(
		    a_full_writer_stays_bad_and_writes_nothing_more),
		cmocka_unit_test(holes_are_filled_and_checked),
		cmocka_unit_test(errors_are_built_from_the_inside),
		cmocka_unit_test(names_and_unknown_values),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(prefixes_cover_what_they_should),
		cmocka_unit_test(endpoints_have_ports),
		cmocka_unit_test(foreign_octets_are_made_harmless),
		cmocka_unit_test(hexadecimal_goes_both_ways),
		cmocka_unit_test(only_well_formed_utf8_is_utf8),
		cmocka_unit_test(secrets_are_compared_and_copied),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
