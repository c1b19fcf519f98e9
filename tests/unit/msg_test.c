#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "msg/types.h"
#include "msg_fill.h"

/* Octets of hexadecimal text. */
static struct rbuf
octets(const char *hex)
{
	static uint8_t room[MSG_MAX + 64];
	struct wbuf w = wbuf_of(room, sizeof(room));

	assert_int_equal(text_unhex(hex, &w, NULL) >= 0, 1);
	return wbuf_rbuf(&w);
}

/* It is refused both as a message body and as a whole, with these words. */
static void
refused(struct rbuf in, const char *words)
{
	struct stop m;
	struct err e = { 0 };

	if (msg_get(in, &stop_type, &m, &e) == 0)
		fail_msg("taken, but: %s", words);
	if (strstr(e.msg, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.msg, words);
}

static void
every_type_round_trips(void **state)
{
	uint8_t first[MSG_MAX], second[MSG_MAX];
	const struct msg_type *const *t;
	uint32_t seed;

	(void)state;
	for (t = msg_types; *t != NULL; t++)
		for (seed = 0; seed < 60; seed++) {
			struct wbuf a = wbuf_of(first, sizeof(first));
			struct wbuf b = wbuf_of(second, sizeof(second));
			void *m = calloc(1, (*t)->size);
			void *back = calloc(1, (*t)->size);
			struct err e = { 0 };

			assert_non_null(m);
			assert_non_null(back);
			assert_int_not_equal(fill_message(*t, m, seed,
			    (int)(seed % 3)), 0);
			assert_int_equal(msg_put(&a, *t, m, &e), 0);
			if (msg_get(wbuf_rbuf(&a), *t, back, &e) < 0)
				fail_msg("%s", e.msg);
			assert_int_equal(msg_put(&b, *t, back, &e), 0);
			assert_int_equal(a.len, b.len);
			assert_memory_equal(first, second, a.len);
			free(m);
			free(back);
		}
}

/* Exact memory for each prefix, so that a sanitizer sees a read too far. */
static void
every_type_cut_at_each_octet_is_refused(void **state)
{
	const struct msg_type *const *t;
	uint8_t room[MSG_MAX];

	(void)state;
	for (t = msg_types; *t != NULL; t++) {
		struct wbuf w = wbuf_of(room, sizeof(room));
		void *m = calloc(1, (*t)->size);
		size_t i;

		assert_non_null(m);
		(void)fill_message(*t, m, 7, 0);
		assert_int_equal(msg_put(&w, *t, m, NULL), 0);
		for (i = 0; i < w.len; i += 1 + w.len / 500) {
			uint8_t *cut = malloc(i + 1);
			struct rbuf in = rbuf_of(cut, i);

			assert_non_null(cut);
			memcpy(cut, room, i);
			assert_int_equal(msg_get(in, *t, m, NULL), -1);
			assert_int_equal(msg_item_length(&in, NULL), 0);
			free(cut);
		}
		free(m);
	}
}

static void
changed_octets_never_do_harm(void **state)
{
	const struct msg_type *const *t;
	uint8_t room[MSG_MAX], bent[MSG_MAX];
	uint32_t n = 1;
	int i;

	(void)state;
	for (t = msg_types; *t != NULL; t++) {
		struct wbuf w = wbuf_of(room, sizeof(room));
		void *m = calloc(1, (*t)->size);

		assert_non_null(m);
		(void)fill_message(*t, m, 3, 0);
		assert_int_equal(msg_put(&w, *t, m, NULL), 0);
		for (i = 0; i < 200; i++) {
			struct msg env;

			memcpy(bent, room, w.len);
			n = n * 1103515245 + 12345;
			bent[(n >> 8) % w.len] ^= (uint8_t)(1u << (n >> 5 & 7));
			(void)msg_get(rbuf_of(bent, w.len), *t, m, NULL);
			(void)msg_read(rbuf_of(bent, w.len), &env, NULL);
		}
		free(m);
	}
}

static void
ipc_01_nesting_is_bounded(void **state)
{
	uint8_t deep[MSG_MAX];
	struct nothing m;
	struct err e;

	(void)state;
	memset(deep, 0x81, sizeof(deep));
	refused(rbuf_of(deep, sizeof(deep)), "nested deeper than 8");
	memset(deep, 0xc0, sizeof(deep));
	refused(rbuf_of(deep, sizeof(deep)), "a tag");
	refused(octets("a1a0a0"), "a key that is a map");
	refused(octets("a18001"), "a key that is a list");
	/* an unknown key with seven more levels is the most */
	assert_int_equal(msg_get(octets("a1617881818181818180"),
	    &nothing_type, &m, &e), 0);
	refused(octets("a161788181818181818180"), "nested deeper than 8");
}

static void
ipc_02_huge_counts_are_refused_at_once(void **state)
{
	static const char *const heads[] = {
		"9a00000000", "9affffffff", "9b8000000000000000",
		"9bffffffffffffffff", "bb8000000000000000",
		"bbffffffffffffffff", "5b8000000000000000",
		"7bffffffffffffffff", "ba7fffffff", "5affffffff",
	};
	struct rbuf in;
	size_t i;
	char hex[64];

	(void)state;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		snprintf(hex, sizeof(hex), "a16178%s", heads[i]);
		refused(octets(hex), "x: ");
		in = octets(heads[i]);
		assert_int_equal(msg_item_length(&in, NULL), -1);
	}
}

static void
ipc_02_items_are_bounded(void **state)
{
	uint8_t many[MSG_MAX];
	struct wbuf w = wbuf_of(many, sizeof(many));

	(void)state;
	wbuf_put(&w, "\xa1\x61x\x99", 4);
	wbuf_be16(&w, 8000);
	wbuf_zero(&w, 8000);
	refused(wbuf_rbuf(&w), "more than 4096 items");
}

static void
ipc_03_only_the_deterministic_subset_is_taken(void **state)
{
	static const struct { const char *hex, *why; } cases[] = {
		{ "bfff", "indefinite length" },
		{ "a161789fff", "indefinite length" },
		{ "a161785fff", "indefinite length" },
		{ "a161787fff", "indefinite length" },
		{ "ff", "break" },
		{ "a16178ff", "break" },
		{ "a161781c", "no CBOR item begins with 0x1c" },
		{ "a161785e", "no CBOR item" },
		{ "a16178fd", "no CBOR item" },
		{ "a161781817", "not in shortest form" },
		{ "a1617818ff", "" },
		{ "a161781900ff", "not in shortest form" },
		{ "a161781a0000ffff", "not in shortest form" },
		{ "a161781b00000000ffffffff", "not in shortest form" },
		{ "a16178380b", "not in shortest form" },
		{ "a1780178f5", "not in shortest form" },
		{ "b801617801", "not in shortest form" },
		{ "a161785801aa", "not in shortest form" },
		{ "a16178980101", "not in shortest form" },
		{ "a2617801617801", "twice" },
		{ "a2617901617801", "out of order" },
		{ "a2627878016179f5", "out of order" },
		{ "a1617861ff", "not UTF-8" },
		{ "a161ff01", "not UTF-8" },
		{ "a1617862c080", "not UTF-8" },
		{ "a1617863eda080", "not UTF-8" },
		{ "a16178f97e00", "floating-point" },
		{ "a16178fa7fc00000", "floating-point" },
		{ "a16178fb7ff8000000000000", "floating-point" },
		{ "a16178f7", "undefined" },
		{ "a16178e0", "" },
		{ "a16178f820", "" },
		{ "a16178c100", "a tag" },
		{ "a000", "1 octets follow" },
		{ "a10100", "a key that is a number" },
		{ "", "cut short" },
		{ "80", "a list where a map belongs" },
		{ "f6", "null where a map belongs" },
	};
	struct nothing m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (cases[i].why[0] != '\0')
			refused(octets(cases[i].hex), cases[i].why);
	assert_int_equal(msg_get(octets("a1617818ff"), &nothing_type, &m,
	    NULL), 0);
	assert_int_equal(msg_get(octets("a16178e0"), &nothing_type, &m,
	    NULL), -1);
	assert_int_equal(msg_get(octets("a16178f820"), &nothing_type, &m,
	    NULL), -1);
}

static void
ipc_04_too_long_a_message_is_refused(void **state)
{
	static uint8_t big[MSG_MAX + 1];
	struct rbuf in = rbuf_of(big, sizeof(big));
	struct msg m;
	struct err e;

	(void)state;
	refused(in, "a message has at most 16384");
	assert_int_equal(msg_read(in, &m, &e), -1);
	assert_non_null(strstr(e.msg, "16384 is the most"));
	/* on a pipe: a text that ends one octet after the limit */
	memcpy(big, "\x79\x3f\xff", 3);
	memset(big + 3, 'a', sizeof(big) - 3);
	assert_int_equal(msg_item_length(&in, &e), -1);
}

static void
ipc_11_unknown_keys_are_stepped_over(void **state)
{
	/* {"x": [1, {"y": h'00'}], "keep": true, "zzzzzz": null} */
	struct rbuf in = octets("a361788201a161794100646b656570f5"
	    "667a7a7a7a7a7af6");
	struct stop m;
	struct err e = { 0 };

	(void)state;
	if (msg_get(in, &stop_type, &m, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(m.keep);
}

static void
errors_name_the_key_and_the_reason(void **state)
{
	struct hello_reply h;
	struct endpoint none = { .port = 0 };
	struct gre_peer_set p = { .owner = "o", .remote = none };
	struct gre_map_set maps = { .owner = "o", .interface = "i",
		.n_items = 1, .items = { { .peer = 1 } } };
	struct ike_rekey k;
	uint8_t room[256];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct err e;

	(void)state;
	assert_int_equal(msg_get(octets("a0"), &hello_reply_type, &h, &e),
	    -1);
	assert_string_equal(e.msg, "hello-reply: pid: this key is missing");
	assert_int_equal(msg_get(octets("a1647065657219ffff"),
	    &ike_rekey_type, &k, &e), -1);
	assert_string_equal(e.msg,
	    "ike-rekey: peer: 65535, 1..65533 is allowed");
	assert_int_equal(msg_get(octets("a1646b65657001"), &stop_type, &k,
	    &e), -1);
	assert_string_equal(e.msg, "stop: keep: a number where true or false "
	    "belongs");
	assert_int_equal(msg_put(&w, &gre_peer_set_type, &p, &e), -1);
	assert_int_equal(e.code, ERANGE);
	assert_string_equal(e.msg, "gre-peer-set: remote: no address");
	assert_int_equal(w.len, 0);
	w = wbuf_of(room, sizeof(room));
	assert_int_equal(msg_put(&w, &gre_map_set_type, &maps, &e), -1);
	assert_string_equal(e.msg,
	    "gre-map-set: items: item 0: address: no address");
}

static void
texts_with_nul_or_over_their_size_are_refused(void **state)
{
	struct ike_profile_delete m;
	struct err e;

	(void)state;
	assert_int_equal(msg_get(octets("a16770726f66696c65620061"),
	    &ike_profile_delete_type, &m, &e), -1);
	assert_non_null(strstr(e.msg, "profile: a text with a NUL"));
	assert_int_equal(msg_get(octets("a16770726f66696c6560"),
	    &ike_profile_delete_type, &m, &e), -1);
	assert_non_null(strstr(e.msg, "profile: 0 octets, 1..63"));
}

static void
envelopes_are_told_apart(void **state)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct reason r, back;
	struct stop s = { .keep = true }, got;
	struct msg m;

	(void)state;
	assert_int_equal(msg_write_request(&w, 9, &stop_type, &s, NULL), 0);
	assert_int_equal(msg_read(wbuf_rbuf(&w), &m, NULL), 0);
	assert_int_equal(m.class, MSG_REQUEST);
	assert_int_equal(m.id, 9);
	assert_string_equal(m.name, "stop");
	assert_int_equal(msg_get(m.body, &stop_type, &got, NULL), 0);
	assert_true(got.keep);

	w = wbuf_of(room, sizeof(room));
	assert_int_equal(msg_write_reply(&w, 9, &nothing_type, NULL, NULL),
	    0);
	assert_int_equal(msg_read(wbuf_rbuf(&w), &m, NULL), 0);
	assert_int_equal(m.class, MSG_REPLY);

	w = wbuf_of(room, sizeof(room));
	reason_set(&r, "ike-auth", "untrusted", "no anchor for %s", "x");
	assert_int_equal(msg_write_failure(&w, 4, &r, NULL), 0);
	assert_int_equal(msg_read(wbuf_rbuf(&w), &m, NULL), 0);
	assert_int_equal(m.class, MSG_FAILURE);
	assert_int_equal(m.id, 4);
	assert_int_equal(msg_get(m.body, &reason_type, &back, NULL), 0);
	assert_string_equal(back.text, "no anchor for x");

	w = wbuf_of(room, sizeof(room));
	assert_int_equal(msg_write_event(&w, 77, &stop_type, &s, NULL), 0);
	assert_int_equal(msg_read(wbuf_rbuf(&w), &m, NULL), 0);
	assert_int_equal(m.class, MSG_EVENT);
	assert_int_equal(m.at, 77);

	/* a request without a body has an empty one */
	assert_int_equal(msg_read(octets("a26269640164"
	    "63616c6c6568656c6c6f"), &m, NULL), 0);
	assert_int_equal(msg_get(m.body, &nothing_type, &got, NULL), 0);
	/* two kinds at once, none at all */
	assert_int_equal(msg_read(octets("a362696401626e6fa0626f6ba0"), &m,
	    NULL), -1);
	assert_int_equal(msg_read(octets("a1626964"), &m, NULL), -1);
	assert_int_equal(msg_read(octets("a162696401"), &m, NULL), -1);
}

static void
a_sequence_is_split_at_its_items(void **state)
{
	struct rbuf in = octets("a1646b656570f5a0");

	(void)state;
	assert_int_equal(msg_item_length(&in, NULL), 7);
	rbuf_skip(&in, 7);
	assert_int_equal(msg_item_length(&in, NULL), 1);
	rbuf_skip(&in, 1);
	assert_int_equal(msg_item_length(&in, NULL), 0);
}

static void
writing_too_much_leaves_nothing_behind(void **state)
{
	static struct ike_sas m;
	uint8_t room[64];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct err e;

	(void)state;
	(void)fill_message(&ike_sas_type, &m, 1, 1);
	assert_int_equal(msg_write_reply(&w, 1, &ike_sas_type, &m, &e), -1);
	assert_int_equal(w.len, 0);
	assert_non_null(strstr(e.msg, "does not fit"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_round_trips),
		cmocka_unit_test(every_type_cut_at_each_octet_is_refused),
		cmocka_unit_test(changed_octets_never_do_harm),
		cmocka_unit_test(ipc_01_nesting_is_bounded),
		cmocka_unit_test(ipc_02_huge_counts_are_refused_at_once),
		cmocka_unit_test(ipc_02_items_are_bounded),
		cmocka_unit_test(
		    ipc_03_only_the_deterministic_subset_is_taken),
		cmocka_unit_test(ipc_04_too_long_a_message_is_refused),
		cmocka_unit_test(ipc_11_unknown_keys_are_stepped_over),
		cmocka_unit_test(errors_name_the_key_and_the_reason),
		cmocka_unit_test(
		    texts_with_nul_or_over_their_size_are_refused),
		cmocka_unit_test(envelopes_are_told_apart),
		cmocka_unit_test(a_sequence_is_split_at_its_items),
		cmocka_unit_test(writing_too_much_leaves_nothing_behind),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
