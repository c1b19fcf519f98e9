/* What dmvpn-decode rests on: dissecting frames, IP fragments, key tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dmvpn-decode/decode_frag.h"
#include "dmvpn-decode/decode_keys.h"
#include "wire/dissect.h"
#include "wire/ike_names.h"

/* IPv4, UDP of port 4500, non-ESP marker, four octets. */
static const uint8_t udp4500[] = {
	0x45, 0, 0, 36, 0, 7, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
	0x11, 0x94, 0x11, 0x94, 0, 16, 0, 0, 0, 0, 0, 0, 'i', 'k', 'e', '!',
};

static void
dissect_of(const uint8_t *p, size_t n, struct dissect *d)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);	/* ASan sees its end */

	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, p, n);
	assert_int_equal(dissect_frame(LINK_RAW, rbuf_of(copy, n), d), 0);
	free(copy);
}

static void
port_4500_is_told_apart(void **state)
{
	uint8_t p[sizeof(udp4500)];
	struct dissect d;

	(void)state;
	dissect_frame(LINK_RAW, rbuf_of(udp4500, sizeof(udp4500)), &d);
	assert_int_equal(d.kind, DISSECT_IKE);
	assert_int_equal(rbuf_left(&d.data), 4);
	assert_int_equal(d.src.port, 4500);
	assert_false(d.cut);
	memcpy(p, udp4500, sizeof(p));
	p[28] = 1;
	dissect_frame(LINK_RAW, rbuf_of(p, sizeof(p)), &d);
	assert_int_equal(d.kind, DISSECT_ESP);
	assert_int_equal(rbuf_left(&d.data), 8);
	p[25] = 9;
	p[28] = 0xff;
	dissect_frame(LINK_RAW, rbuf_of(p, sizeof(p)), &d);
	assert_int_equal(d.kind, DISSECT_KEEPALIVE);
}

static void
a_frame_cut_anywhere_is_read_to_its_end_and_no_further(void **state)
{
	struct dissect d;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(udp4500); n++) {
		dissect_of(udp4500, n, &d);
		if (n >= 32)
			assert_true(d.cut);
	}
}

static void
an_unknown_link_type_is_refused(void **state)
{
	struct dissect d;

	(void)state;
	assert_int_equal(dissect_frame(147, rbuf_of(udp4500,
	    sizeof(udp4500)), &d), -1);
}

static void
gre_with_routing_or_another_version_is_refused(void **state)
{
	uint8_t p[] = { 0xb0, 0, 0x20, 0x01, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0,
	    1, 'x' };
	struct dissect_gre g;

	(void)state;
	assert_int_equal(dissect_gre(rbuf_of(p, sizeof(p)), &g), 0);
	assert_int_equal(g.key, 42);
	assert_int_equal(g.sequence, 1);
	assert_int_equal(rbuf_left(&g.data), 1);
	assert_int_equal(dissect_gre(rbuf_of(p, 15), &g), -1);
	p[0] = 0x40;
	assert_int_equal(dissect_gre(rbuf_of(p, sizeof(p)), &g), -1);
	p[0] = 0;
	p[1] = 1;
	assert_int_equal(dissect_gre(rbuf_of(p, sizeof(p)), &g), -1);
}

static struct dissect
piece(const uint8_t *p, uint16_t at, size_t n, bool more)
{
	struct dissect d = { .kind = DISSECT_FRAGMENT, .protocol = 47,
	    .frag_id = 9, .frag_offset = at, .frag_more = more,
	    .src.addr = { 4, { 1 } }, .dst.addr = { 4, { 2 } } };

	d.data = rbuf_of(p + at, n);
	return d;
}

static void
fragments_in_any_order_twice_overlapping_make_one_packet(void **state)
{
	struct frag_table *t = frag_new(NULL);
	struct dissect d;
	uint8_t p[60];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)i;
	d = piece(p, 40, 20, false);
	assert_false(frag_take(t, &d));
	d = piece(p, 8, 24, true);
	assert_false(frag_take(t, &d));
	d = piece(p, 8, 24, true);
	assert_false(frag_take(t, &d));
	d = piece(p, 24, 16, true);
	assert_false(frag_take(t, &d));
	d = piece(p, 0, 8, true);
	assert_true(frag_take(t, &d));
	assert_int_equal(d.kind, DISSECT_GRE);
	assert_int_equal(rbuf_left(&d.data), sizeof(p));
	assert_memory_equal(d.data.p, p, sizeof(p));
	frag_free(t);
}

/* As many pieces as it needs, but one of them behind its end. */
static void
a_packet_with_a_hole_is_none(void **state)
{
	struct frag_table *t = frag_new(NULL);
	uint8_t p[60] = { 0 };
	struct dissect d;

	(void)state;
	d = piece(p, 0, 8, true);
	assert_false(frag_take(t, &d));
	d = piece(p, 40, 8, true);
	assert_false(frag_take(t, &d));
	d = piece(p, 16, 8, false);
	assert_false(frag_take(t, &d));
	d = piece(p, 8, 8, true);
	assert_false(frag_take(t, &d));
	frag_free(t);
}

static void
a_fragment_past_the_greatest_packet_completes_nothing(void **state)
{
	struct frag_table *t = frag_new(NULL);
	static uint8_t p[70000];
	struct dissect d;
	size_t i;

	(void)state;
	d = piece(p, 65528, 100, false);
	assert_false(frag_take(t, &d));
	for (i = 0; i < 40; i++) {
		d = piece(p, 0, 8, true);
		d.frag_id = (uint32_t)i;
		assert_false(frag_take(t, &d));
	}
	d = piece(p, 0, 9, true);	/* no multiple of eight */
	assert_false(frag_take(t, &d));
	frag_free(t);
}

static void
wiresharks_lines_are_read_and_wrong_ones_named(void **state)
{
	static const char good[] = "0102030405060708,1112131415161718,"
	    "000102030405060708090a0b0c0d0e0f10111213,"
	    "000102030405060708090a0b0c0d0e0f10111213,"
	    "\"AES-GCM-128 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\"";
	static const char *const bad[] = {
		"", "a", "0102,1112131415161718,,,\"AES-CBC-128\",,,\"NONE\"",
		"0102030405060708,1112131415161718,0,0,\"AES-CBC-128\",,,\"NONE\"",
		"0102030405060708,1112131415161718,,,\"ROT13\",,,\"NONE\"",
		"0102030405060708,1112131415161718,,,\"AES-CBC-128,,,NONE",
	};
	struct keys k = { 0 };
	struct err e;
	size_t i;

	(void)state;
	assert_int_equal(keys_add_ike(&k, good, &e), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear(&e);
		assert_int_equal(keys_add_ike(&k, bad[i], &e), -1);
		assert_true(e.msg[0] != '\0');
	}
	assert_int_equal(k.n_ike, 1);
	assert_int_equal(k.ike[0].encr, IKE_ENCR_AES_GCM_16);
	assert_int_equal(k.ike[0].e_r.len, 20);
	assert_non_null(keys_find_ike(&k, 0x0102030405060708,
	    0x1112131415161718));
	assert_null(keys_find_ike(&k, 0x0102030405060708, 0));
	keys_fini(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_4500_is_told_apart),
		cmocka_unit_test(
		    a_frame_cut_anywhere_is_read_to_its_end_and_no_further),
		cmocka_unit_test(an_unknown_link_type_is_refused),
		cmocka_unit_test(
		    gre_with_routing_or_another_version_is_refused),
		cmocka_unit_test(
		    fragments_in_any_order_twice_overlapping_make_one_packet),
		cmocka_unit_test(a_packet_with_a_hole_is_none),
		cmocka_unit_test(
		    a_fragment_past_the_greatest_packet_completes_nothing),
		cmocka_unit_test(
		    wiresharks_lines_are_read_and_wrong_ones_named),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
