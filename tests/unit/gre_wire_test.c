#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/gre.h"
#include "wire/ip.h"

static size_t
build(uint8_t *p, bool checksum, bool keyed, bool sequenced)
{
	struct gre_head h = { .protocol = GRE_IPV4, .checksum = checksum,
	    .keyed = keyed, .sequenced = sequenced, .key = 0xdeadbeef,
	    .sequence = 77 };
	size_t head = gre_head_len(checksum, keyed) + (sequenced ? 4 : 0);
	size_t i;

	for (i = 0; i < 21; i++)
		p[head + i] = (uint8_t)(i * 11);
	assert_int_equal(gre_write(p, &h, 21), head);
	return head + 21;
}

static void
what_is_written_is_read(void **state)
{
	uint8_t p[64];
	struct gre_head h;
	unsigned bits;
	size_t n;

	(void)state;
	for (bits = 0; bits < 8; bits++) {
		n = build(p, bits & 1, bits & 2, bits & 4);
		assert_int_equal(gre_parse(p, n, &h), GRE_OK);
		assert_int_equal(h.len, n - 21);
		assert_int_equal(h.protocol, GRE_IPV4);
		assert_int_equal(h.checksum, bits & 1);
		assert_int_equal(h.keyed, (bits & 2) != 0);
		assert_int_equal(h.key, bits & 2 ? 0xdeadbeef : 0);
		assert_int_equal(h.sequence, bits & 4 ? 77 : 0);
	}
}

static void
the_format_is_rfc_2890(void **state)
{
	static const uint8_t want[] = { 0x20, 0, 8, 0, 0xde, 0xad, 0xbe,
	    0xef };
	uint8_t p[64];

	(void)state;
	build(p, false, true, false);
	assert_memory_equal(p, want, sizeof(want));
}

static void
checksum_is_verified(void **state)
{
	uint8_t p[64];
	struct gre_head h;
	size_t i, n = build(p, true, true, false);

	(void)state;
	for (i = 2; i < n; i++) {
		p[i] ^= 0x10;
		if (i != 6 && i != 7)	/* reserved1 */
			assert_int_equal(gre_parse(p, n, &h),
			    GRE_BAD_CHECKSUM);
		p[i] ^= 0x10;
	}
}

static void
reserved1_is_ignored(void **state)
{
	uint8_t p[64];
	struct gre_head h;
	uint16_t sum;
	size_t n = build(p, true, false, false);

	(void)state;
	/* reserved1 is under the checksum: balance it. */
	sum = load16(p + 4);
	store16(p + 6, 0x0100);
	store16(p + 4, (uint16_t)(sum - 0x0100 - (sum < 0x0100)));
	assert_int_equal(gre_parse(p, n, &h), GRE_OK);
}

static void
versions_but_zero_are_refused(void **state)
{
	uint8_t p[64], v;
	struct gre_head h;
	size_t n = build(p, false, true, false);

	(void)state;
	for (v = 1; v < 8; v++) {
		p[1] = v;
		assert_int_equal(gre_parse(p, n, &h), GRE_BAD_VERSION);
	}
}

static void
bits_of_rfc_1701_are_refused(void **state)
{
	static const uint8_t bits[] = { 0x40, 0x08, 0x04, 0x02, 0x01 };
	uint8_t p[64];
	struct gre_head h;
	size_t i, n = build(p, false, true, false);

	(void)state;
	for (i = 0; i < sizeof(bits); i++) {
		p[0] = (uint8_t)(0x20 | bits[i]);
		assert_int_equal(gre_parse(p, n, &h), GRE_BAD_FLAGS);
	}
	p[0] = 0x20;
	p[1] = 0xf8;			/* bits 8 to 12 must be ignored */
	assert_int_equal(gre_parse(p, n, &h), GRE_OK);
}

static void
cut_at_each_byte_is_refused(void **state)
{
	uint8_t p[64], *cut;
	struct gre_head h;
	unsigned bits;
	size_t n, head;

	(void)state;
	for (bits = 0; bits < 8; bits++) {
		head = build(p, bits & 1, bits & 2, bits & 4) - 21;
		for (n = 0; n < head; n++) {
			cut = malloc(n + 1);
			memcpy(cut, p, n);
			assert_int_equal(gre_parse(cut, n, &h),
			    GRE_BAD_SHORT);
			free(cut);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "what is written is read", what_is_written_is_read, NULL,
		    NULL, NULL },
		{ "the format is that of RFC 2890", the_format_is_rfc_2890,
		    NULL, NULL, NULL },
		{ "GRE-02: a wrong checksum is refused",
		    checksum_is_verified, NULL, NULL, NULL },
		{ "GRE-02: reserved1 is ignored", reserved1_is_ignored, NULL,
		    NULL, NULL },
		{ "GRE-03: versions 1 to 7 are refused",
		    versions_but_zero_are_refused, NULL, NULL, NULL },
		{ "GRE-04: the bits of RFC 1701 are refused",
		    bits_of_rfc_1701_are_refused, NULL, NULL, NULL },
		{ "GRE-05: headers cut at each byte are refused",
		    cut_at_each_byte_is_refused, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
