#include "pki_make.h"

#include <errno.h>

#include "crypto/blocks.h"

static struct addr
at(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a, NULL), 0);
	return a;
}

static const char *
range(const char *first, const char *last, char *out, size_t len)
{
	struct blocks b = { .n = 0 };
	struct addr f = at(first), l = at(last);
	struct err e = { 0 };

	if (blocks_add_range(&b, &f, &l, &e) < 0)
		return "refused";
	return blocks_text(&b, out, len);
}

static void
ranges_become_the_fewest_prefixes(void **state)
{
	static const struct { const char *first, *last, *text; } rows[] = {
		{ "10.0.0.0", "10.0.0.0", "10.0.0.0/32" },
		{ "10.0.0.0", "10.0.0.255", "10.0.0.0/24" },
		{ "10.0.0.1", "10.0.0.6",
		  "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32" },
		{ "0.0.0.0", "255.255.255.255", "0.0.0.0/0" },
		{ "255.255.255.255", "255.255.255.255",
		  "255.255.255.255/32" },
		{ "10.0.0.255", "10.0.1.0", "10.0.0.255/32 10.0.1.0/32" },
		{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0" },
		{ "2001:db8::", "2001:db8::1:ffff", "2001:db8::/111" },
		{ "10.0.0.2", "10.0.0.1", "refused" },
		{ "10.0.0.0", "::1", "refused" },
		{ "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
		  "refused" },		/* 254 prefixes */
	};
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(range(rows[i].first, rows[i].last, text,
		    sizeof(text)), rows[i].text);
}

static void
every_small_range_covers_exactly_itself(void **state)
{
	unsigned i, k, x;

	(void)state;
	for (i = 0; i < 32; i++)
		for (k = i; k < 32; k++) {
			struct blocks b = { .n = 0 };
			uint8_t f[4] = { 10, 0, 0, (uint8_t)i };
			uint8_t l[4] = { 10, 0, 0, (uint8_t)k };
			struct addr first = addr_of(f, 4), last = addr_of(l, 4);

			assert_int_equal(blocks_add_range(&b, &first, &last,
			    NULL), 0);
			for (x = 0; x < 64; x++) {
				uint8_t o[4] = { 10, 0, 0, (uint8_t)x };
				struct addr a = addr_of(o, 4);

				assert_int_equal(blocks_has(&b, &a),
				    x >= i && x <= k);
			}
		}
}

static void
what_is_written_is_read_again_merged(void **state)
{
	struct make ca;
	struct pki_want w;
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct cert *c;
	struct blocks b;
	char text[256];

	(void)state;
	make_ca(&ca, "CA", "p256", NULL);
	w = make_want("x", "spoke");
	pki_want_subnet(&w, "192.168.3.0/24", NULL);
	pki_want_subnet(&w, "192.168.2.0/24", NULL);
	pki_want_subnet(&w, "192.168.2.128/25", NULL);	/* inside the other */
	pki_want_address(&w, "fd00::2", NULL);
	pki_want_address(&w, "10.0.0.2", NULL);
	c = make_peer_want(&ca, &w, k);
	assert_int_equal(blocks_of(c, &b, NULL), 0);
	assert_string_equal(blocks_text(&b, text, sizeof(text)),
	    "10.0.0.2/32 192.168.2.0/23 fd00::2/128");
	cert_free(c);
	EVP_PKEY_free(k);
	make_fini(&ca);
}

static void
no_extension_means_no_blocks(void **state)
{
	EVP_PKEY *k = pki_key_make("p256", NULL);
	X509 *x = make_raw(NULL, NULL, "x", k, EVP_sha256(), MAKE_NOW,
	    MAKE_NOW + 1, NULL);
	struct cert *c = make_cert_of(x);
	struct blocks b;

	(void)state;
	assert_int_equal(blocks_of(c, &b, NULL), 0);
	assert_false(b.present);
	assert_int_equal(b.n, 0);
	cert_free(c);
	X509_free(x);
	EVP_PKEY_free(k);
}

static void
malformed_blocks_are_an_error(void **state)
{
	static const char *const values[] = {
		"DER:3000",			/* empty: fine */
		"DER:0500",			/* NULL */
		"DER:300c300a0402000130040302ff00", /* 255 unused bits */
		"DER:30083006040200033000",	/* AFI 3 */
		/* 10.0.1.0/24 before 10.0.0.0/24: not canonical */
		"DER:3014301204020001300c0304000a00010304000a0000",
	};
	EVP_PKEY *k = pki_key_make("p256", NULL);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		X509 *x = make_raw(NULL, NULL, "x", k, EVP_sha256(),
		    MAKE_NOW, MAKE_NOW + 1, (const struct make_ext[]){
		    { NID_sbgp_ipAddrBlock, values[i] }, { 0, NULL } });
		struct cert *c = make_cert_of(x);
		struct blocks b;
		struct err e = { 0 };

		assert_int_equal(blocks_of(c, &b, &e), i == 0 ? 0 : -1);
		assert_true(b.present);
		cert_free(c);
		X509_free(x);
	}
	EVP_PKEY_free(k);
}

static void
too_many_blocks_are_refused(void **state)
{
	struct blocks b = { .n = 0 };
	struct err e = { 0 };
	unsigned i;

	(void)state;
	for (i = 0; i <= BLOCKS_MAX; i++) {
		uint8_t o[4] = { 10, (uint8_t)i, 0, 0 };
		struct addr a = addr_of(o, 4);
		struct prefix p = prefix_mask(&a, 16);

		assert_int_equal(blocks_add(&b, &p, &e),
		    i < BLOCKS_MAX ? 0 : -1);
	}
	assert_int_equal(b.n, BLOCKS_MAX);
}

static void
text_is_cut_to_fit(void **state)
{
	struct blocks b = { .n = 0 };
	struct addr a = at("10.0.0.1"), c = at("10.0.0.2");
	struct prefix p = prefix_host(&a), q = prefix_host(&c);
	char text[20];

	(void)state;
	assert_string_equal(blocks_text(&b, text, sizeof(text)), "none");
	blocks_add(&b, &p, NULL);
	blocks_add(&b, &q, NULL);
	assert_string_equal(blocks_text(&b, text, sizeof(text)),
	    "10.0.0.1/32 ...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_become_the_fewest_prefixes),
		cmocka_unit_test(every_small_range_covers_exactly_itself),
		cmocka_unit_test(what_is_written_is_read_again_merged),
		cmocka_unit_test(no_extension_means_no_blocks),
		cmocka_unit_test(malformed_blocks_are_an_error),
		cmocka_unit_test(too_many_blocks_are_refused),
		cmocka_unit_test(text_is_cut_to_fit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
