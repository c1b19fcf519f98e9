#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/ip.h"
#include "wire/ip_icmp.h"
#include "wire/ip_sum.h"

static size_t
packet4(uint8_t *p, uint8_t proto, size_t payload)
{
	memset(p, 0, 20 + payload);
	p[0] = 0x45;
	store16(p + 2, (uint16_t)(20 + payload));
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, (uint8_t[]){ 10, 1, 0, 5 }, 4);
	memcpy(p + 16, (uint8_t[]){ 10, 2, 0, 6 }, 4);
	ip4_checksum(p);
	return 20 + payload;
}

static size_t
packet6(uint8_t *p, uint8_t proto, size_t payload)
{
	memset(p, 0, 40 + payload);
	p[0] = 0x60;
	store16(p + 4, (uint16_t)payload);
	p[6] = proto;
	p[7] = 64;
	p[8] = 0x20;
	p[9] = 1;
	p[23] = 5;
	memcpy(p + 24, p + 8, 16);
	p[39] = 6;
	return 40 + payload;
}

static void
assert_sum(const uint8_t *b, size_t n)
{
	uint16_t got = sum_fold(sum_add(b, n, 0));
	uint64_t plain = 0;
	size_t i;

	for (i = 0; i < n; i++)
		plain += i & 1 ? b[i] : (uint64_t)b[i] << 8;
	while (plain >> 16)
		plain = (plain & 0xffff) + (plain >> 16);
	assert_int_equal(load16((uint8_t *)&got), plain);
}

static void
sum_as_defined(void **state)
{
	uint8_t b[301];
	size_t n, i;

	(void)state;
	for (i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 167 + 13);
	for (n = 0; n <= sizeof(b); n++)
		assert_sum(b, n);
}

static void
long_sums_lose_no_carry(void **state)
{
	static uint8_t b[65536 + 3];
	size_t from, n;

	(void)state;
	memset(b, 0xff, sizeof(b));
	for (from = 0; from < 4; from++)
		for (n = 65400; n < 65536; n++)
			assert_sum(b + from, n);
}

static void
sums_of_pieces_add_up(void **state)
{
	uint8_t b[256];
	size_t cut;

	(void)state;
	memset(b, 0xff, sizeof(b));
	b[17] = 3;
	for (cut = 0; cut < 256; cut += 2)
		assert_int_equal(sum_fold(sum_add(b + cut, 256 - cut,
		    sum_add(b, cut, 0))), sum_fold(sum_add(b, 256, 0)));
}

static void
a_changed_field_keeps_the_checksum(void **state)
{
	uint8_t p[20];
	unsigned v;

	(void)state;
	packet4(p, IP_UDP, 0);
	for (v = 0; v < 65536; v += 7) {
		sum_change16(p + 10, p + 4, (uint16_t)v);
		assert_int_equal(load16(p + 4), v);
		assert_true(ip4_checksum_ok(p));
	}
	ip_set_tos(p, 0xb9);
	assert_int_equal(p[1], 0xb9);
	assert_true(ip4_checksum_ok(p));
}

static void
cut_at_each_byte_is_refused(void **state)
{
	uint8_t p[128], *cut;
	struct ip_view v;
	size_t n, full;

	(void)state;
	full = packet4(p, IP_UDP, 20);
	for (n = 0; n < full; n++) {
		cut = malloc(n + 1);	/* a sanitizer sees reads past n */
		memcpy(cut, p, n);
		assert_int_not_equal(ip_parse(cut, n, &v), IP_OK);
		free(cut);
	}
	assert_int_equal(ip_parse(p, full + 9, &v), IP_OK);
	assert_int_equal(v.len, full);
	full = packet6(p, IP_UDP, 20);
	for (n = 0; n < full; n++)
		assert_int_not_equal(ip_parse(p, n, &v), IP_OK);
	assert_int_equal(ip_parse(p, full, &v), IP_OK);
	assert_int_equal(v.l4, 40);
}

static void
options_but_router_alert_are_refused(void **state)
{
	static const struct {
		uint8_t	opt[4];
		int	want;
	} cases[] = {
		{ { 148, 4, 0, 0 }, IP_OK },
		{ { 1, 1, 1, 0 }, IP_OK },
		{ { 131, 3, 4, 0 }, IP_BAD_OPTION },	/* LSRR */
		{ { 137, 3, 4, 0 }, IP_BAD_OPTION },	/* SSRR */
		{ { 7, 3, 4, 0 }, IP_BAD_OPTION },	/* record route */
		{ { 68, 4, 5, 0 }, IP_BAD_OPTION },	/* timestamp */
		{ { 148, 9, 0, 0 }, IP_BAD_OPTION },
		{ { 1, 148, 4, 0 }, IP_BAD_OPTION },	/* cut */
	};
	uint8_t p[64];
	struct ip_view v;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		n = packet4(p, 2, 12);
		p[0] = 0x46;
		memcpy(p + 20, cases[i].opt, 4);
		assert_int_equal(ip_parse(p, n, &v), cases[i].want);
	}
}

static void
ipv6_extensions_are_stepped_over(void **state)
{
	uint8_t p[128];
	struct ip_view v;
	size_t n = packet6(p, IP_HOPOPTS, 8 + 8 + 16);

	(void)state;
	p[40] = IP_FRAGMENT;
	memcpy(p + 42, (uint8_t[]){ 5, 2, 0, 0, 1, 0 }, 6);
	p[48] = IP_UDP;
	store16(p + 50, 0x0001);	/* first, more follow */
	assert_int_equal(ip_parse(p, n, &v), IP_OK);
	assert_int_equal(v.proto, IP_UDP);
	assert_int_equal(v.l4, 56);
	assert_true(v.fragment && v.first);
	store16(p + 50, 0x0008);
	assert_int_equal(ip_parse(p, n, &v), IP_OK);
	assert_false(v.first);
	p[40] = IP_ROUTING;
	assert_int_equal(ip_parse(p, n, &v), IP_BAD_OPTION);
	p[40] = IP_FRAGMENT;
	p[41] = 200;			/* longer than the packet */
	assert_int_equal(ip_parse(p, n, &v), IP_BAD_HEADER);
}

static void
sources_nobody_has(void **state)
{
	static const struct {
		uint8_t	a[4];
		bool	bad;
	} cases[] = {
		{ { 10, 0, 0, 1 }, false }, { { 0, 0, 0, 0 }, true },
		{ { 127, 0, 0, 1 }, true }, { { 224, 0, 0, 1 }, true },
		{ { 255, 255, 255, 255 }, true },
		{ { 240, 0, 0, 1 }, true }, { { 169, 254, 3, 4 }, false },
	};
	uint8_t p[64];
	struct ip_view v;
	size_t i, n = packet4(p, IP_UDP, 8);

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(p + 12, cases[i].a, 4);
		ip_parse(p, n, &v);
		assert_int_equal(ip_source_bad(p, &v), cases[i].bad);
	}
	n = packet6(p, IP_UDP, 8);
	ip_parse(p, n, &v);
	assert_false(ip_source_bad(p, &v));
	memset(p + 8, 0, 16);
	assert_true(ip_source_bad(p, &v));
	p[23] = 1;
	assert_true(ip_source_bad(p, &v));
	p[8] = 0xff;
	assert_true(ip_source_bad(p, &v));
}

/* ESP-20: RFC 6040, figure 4, rows and columns in the order of the bits. */
static void
ecn_table_is_exact(void **state)
{
	enum { N, E1, E0, CE };
	static const int want[4][4] = {
		{ N, N, N, -1 },
		{ E1, E1, E1, CE },
		{ E0, E1, E0, CE },
		{ CE, CE, CE, CE },
	};
	uint8_t in, out;

	(void)state;
	for (in = 0; in < 4; in++)
		for (out = 0; out < 4; out++)
			assert_int_equal(ecn_decap(in | 0x28, out | 0x50),
			    want[in][out]);
}

static void
syn_gets_a_smaller_mss(void **state)
{
	uint8_t p[128], was[128];
	struct ip_view v;
	size_t n, lead;

	(void)state;
	for (lead = 0; lead < 4; lead++) {	/* odd offsets too */
		n = packet4(p, IP_TCP, 28);
		p[20 + 12] = 7 << 4;
		p[20 + 13] = TCP_SYN;
		memset(p + 40, 1, 8);
		memcpy(p + 40 + lead, (uint8_t[]){ 2, 4, 5, 180 }, 4);
		ip_parse(p, n, &v);
		sum_done(p + 36, sum_add(p + 20, 28, sum_pseudo(p, &v, 28)));
		assert_true(sum_l4_ok(p, &v));
		assert_true(tcp_mss_clamp(p, &v, 1357, false));
		assert_int_equal(load16(p + 42 + lead), 1357);
		assert_true(sum_l4_ok(p, &v));
		assert_false(tcp_mss_clamp(p, &v, 1400, false));
		memcpy(was, p, n);
		p[33] = TCP_ACK;
		assert_false(tcp_mss_clamp(p, &v, 500, false));
	}
}

static void
a_bad_option_list_is_left_alone(void **state)
{
	uint8_t p[64];
	struct ip_view v;
	size_t n = packet4(p, IP_TCP, 24);
	unsigned kind, len;

	(void)state;
	p[32] = 6 << 4;
	p[33] = TCP_SYN;
	ip_parse(p, n, &v);
	for (kind = 0; kind < 256; kind++)
		for (len = 0; len < 256; len++) {
			if (kind == 2 && len == 4)
				continue;
			p[40] = (uint8_t)kind;
			p[41] = (uint8_t)len;
			p[42] = p[43] = 0xff;
			assert_false(tcp_mss_clamp(p, &v, 100, false));
		}
}

static void
too_big_is_told_rightly(void **state)
{
	uint8_t p[1600], out[ICMP_TOO_BIG_MAX];
	struct addr four = addr_of((uint8_t[]){ 169, 254, 0, 9 }, 4);
	struct addr six = addr_of((uint8_t[16]){ 0xfe, 0x80, [15] = 9 }, 16);
	struct ip_view v, a;
	size_t n;

	(void)state;
	n = packet4(p, IP_UDP, 1480);
	ip_parse(p, n, &v);
	n = icmp_too_big(out, p, &v, &four, 1372);
	assert_int_equal(n, 576);
	assert_int_equal(ip_parse(out, n, &a), IP_OK);
	assert_true(ip4_checksum_ok(out));
	assert_int_equal(load16(out + 20), 0x0304);
	assert_int_equal(load16(out + 26), 1372);
	assert_int_equal(sum_fold(sum_add(out + 20, n - 20, 0)), 0xffff);
	assert_memory_equal(out + 16, p + 12, 4);
	assert_memory_equal(out + 28, p, n - 28);
	/* Not about errors, fragments, multicast; source's family counts. */
	assert_int_equal(icmp_too_big(out, p, &v, &six, 1372), 0);
	p[16] = 224;
	assert_int_equal(icmp_too_big(out, p, &v, &four, 1372), 0);
	packet4(p, IP_ICMP, 100);
	p[20] = 3;
	ip_parse(p, 120, &v);
	assert_int_equal(icmp_too_big(out, p, &v, &four, 1372), 0);
	n = packet6(p, IP_TCP, 1460);
	ip_parse(p, n, &v);
	n = icmp_too_big(out, p, &v, &six, 1372);
	assert_int_equal(n, 1280);
	assert_int_equal(ip_parse(out, n, &a), IP_OK);
	assert_true(sum_l4_ok(out, &a));
	assert_int_equal(load32(out + 44), 1372);
}

static void
arp_that_wants_to_know(void **state)
{
	uint8_t p[28] = { 0, 1, 8, 0, 6, 4, 0, 1, [14] = 10, 0, 0, 1,
	    [24] = 10, 0, 0, 2 };
	struct addr a;

	(void)state;
	assert_true(arp_wants(p, 28, &a));
	assert_memory_equal(a.b, p + 24, 4);
	assert_false(arp_wants(p, 27, &a));
	p[7] = 2;			/* a reply */
	assert_false(arp_wants(p, 28, &a));
	p[7] = 1;
	p[27] = 1;			/* gratuitous */
	assert_false(arp_wants(p, 28, &a));
	p[27] = 2;
	memset(p + 14, 0, 4);		/* a probe */
	assert_false(arp_wants(p, 28, &a));
	p[14] = 10;
	p[24] = 224;
	assert_false(arp_wants(p, 28, &a));
}

static void
solicitation_that_wants_to_know(void **state)
{
	uint8_t p[72];
	struct ip_view v;
	struct addr a;
	size_t n = packet6(p, IP_ICMPV6, 32);

	(void)state;
	p[7] = 255;
	p[40] = 135;
	memcpy(p + 48, p + 8, 16);
	p[63] = 77;
	ip_parse(p, n, &v);
	assert_true(nd_wants(p, &v, &a));
	assert_memory_equal(a.b, p + 48, 16);
	v.ttl = 254;
	assert_false(nd_wants(p, &v, &a));
	v.ttl = 255;
	p[40] = 136;
	assert_false(nd_wants(p, &v, &a));
	assert_true(nd_is(p, &v));
	p[40] = 135;
	memset(p + 8, 0, 16);		/* duplicate address detection */
	assert_false(nd_wants(p, &v, &a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "checksums are those of RFC 1071", sum_as_defined, NULL,
		    NULL, NULL },
		{ "sums of long packets lose no carry",
		    long_sums_lose_no_carry, NULL, NULL, NULL },
		{ "checksums of pieces add up", sums_of_pieces_add_up, NULL,
		    NULL, NULL },
		{ "a changed field keeps the checksum right",
		    a_changed_field_keeps_the_checksum, NULL, NULL, NULL },
		{ "packets cut at each byte are refused",
		    cut_at_each_byte_is_refused, NULL, NULL, NULL },
		{ "GRE-08: options but router alert are refused",
		    options_but_router_alert_are_refused, NULL, NULL, NULL },
		{ "IPv6 extensions are stepped over, routing refused",
		    ipv6_extensions_are_stepped_over, NULL, NULL, NULL },
		{ "GRE-08: sources that nobody has", sources_nobody_has,
		    NULL, NULL, NULL },
		{ "ESP-20: the table of RFC 6040 is exact",
		    ecn_table_is_exact, NULL, NULL, NULL },
		{ "a SYN gets a smaller MSS, its checksum follows",
		    syn_gets_a_smaller_mss, NULL, NULL, NULL },
		{ "a bad list of TCP options is left alone",
		    a_bad_option_list_is_left_alone, NULL, NULL, NULL },
		{ "GRE-11: too big is told with the right MTU",
		    too_big_is_told_rightly, NULL, NULL, NULL },
		{ "ARP: requests count, probes and gratuitous ones do not",
		    arp_that_wants_to_know, NULL, NULL, NULL },
		{ "ND: solicitations count, DAD does not",
		    solicitation_that_wants_to_know, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
