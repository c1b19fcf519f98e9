#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "dmvpn-pki/pki_token.h"

/* ------------------------------------------------------------------ base64 */

static const char *
coded(enum base64_kind kind, const void *octets, size_t len, char out[64])
{
	struct wbuf w = wbuf_of(out, 63);

	base64_write(&w, kind, octets, len);
	out[w.len] = '\0';
	return out;
}

static void
base64_is_that_of_rfc_4648(void **state)
{
	static const struct { const char *octets, *text; } rows[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	char out[64], back[64];
	struct wbuf w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(coded(BASE64_PLAIN, rows[i].octets,
		    strlen(rows[i].octets), out), rows[i].text);
		w = wbuf_of(back, sizeof(back));
		assert_int_equal(base64_read(&w, BASE64_PLAIN, rows[i].text,
		    strlen(rows[i].text), NULL), 0);
		assert_int_equal(w.len, strlen(rows[i].octets));
		assert_memory_equal(back, rows[i].octets, w.len);
	}
	assert_string_equal(coded(BASE64_URL, "\xfb\xff", 2, out), "-_8");
	assert_string_equal(coded(BASE64_PLAIN, "\xfb\xff", 2, out), "+/8=");
}

static void
what_is_no_base64_is_refused_and_where(void **state)
{
	static const struct { const char *text; enum base64_kind kind;
		const char *why; } rows[] = {
		{ "Zg=", BASE64_PLAIN, "base64: letter 3 is wrong" },
		{ "Z", BASE64_PLAIN, "base64: letter 1 is wrong" },
		{ "Zg==Zg==", BASE64_PLAIN, "base64: letter 5 is wrong" },
		{ "====", BASE64_PLAIN, "base64: letter 1 is wrong" },
		{ "Zm9*", BASE64_PLAIN, "base64: letter 4 is wrong" },
		{ "Zh==", BASE64_PLAIN, "base64: letter 4 is wrong" },
		{ "Zm9=", BASE64_PLAIN, "base64: letter 4 is wrong" },
		{ "Zg==", BASE64_URL, "base64: letter 3 is wrong" },
		{ "Zm 9v", BASE64_URL, "base64: letter 3 is wrong" },
		{ "Zm+v", BASE64_URL, "base64: letter 3 is wrong" },
	};
	struct err e;
	char back[64];
	struct wbuf w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w = wbuf_of(back, sizeof(back));
		assert_int_equal(base64_read(&w, rows[i].kind, rows[i].text,
		    strlen(rows[i].text), &e), -1);
		assert_string_equal(e.msg, rows[i].why);
	}
	w = wbuf_of(back, sizeof(back));
	assert_int_equal(base64_read(&w, BASE64_PLAIN, "Zm9v\r\n YmE=\n", 12,
	    NULL), 0);
	assert_int_equal(w.len, 5);
	w = wbuf_of(back, 2);
	assert_int_equal(base64_read(&w, BASE64_PLAIN, "Zm9v", 4, NULL), -1);
}

/* ------------------------------------------------------------------- token */

static void
example(char out[PKI_TOKEN_TEXT_MAX + 1])
{
	static const uint8_t octets[54] = { 1, 2, 3, 250, 251, 252 };
	struct pki_token t = { .ca = rbuf_of(octets, 32),
		.id = rbuf_of(octets + 1, 6), .secret = rbuf_of(octets + 3, 16),
		.url = "https://hub.example.net:8443", .n_hubs = 1,
		.hubs = { { .at = "hub.example.net" } }, .key = 7,
		.n_routes = 1 };
	struct err e = { 0 };

	assert_int_equal(addr_parse("10.0.0.1", &t.hubs[0].in, &e), 0);
	assert_int_equal(prefix_parse("10.0.0.0/24", &t.net, &e), 0);
	assert_int_equal(prefix_parse("192.168.0.0/16", &t.routes[0], &e), 0);
	assert_int_equal(pki_token_write(&t, out, PKI_TOKEN_TEXT_MAX + 1, &e),
	    0);
}

static void
a_token_says_what_it_was_made_of(void **state)
{
	char text[PKI_TOKEN_TEXT_MAX + 1], padded[PKI_TOKEN_TEXT_MAX + 16];
	struct pki_token_in in;
	struct addr_buf ab;
	struct err e = { 0 };

	(void)state;
	example(text);
	assert_true(strlen(text) < 300);
	assert_int_equal(pki_token_read(text, &in, &e), 0);
	assert_string_equal(in.m.url, "https://hub.example.net:8443");
	assert_int_equal(in.m.n_hubs, 1);
	assert_string_equal(in.m.hubs[0].at, "hub.example.net");
	assert_string_equal(addr_text(&in.m.hubs[0].in, &ab), "10.0.0.1");
	assert_string_equal(prefix_text(&in.m.net, &ab), "10.0.0.0/24");
	assert_string_equal(prefix_text(&in.m.routes[0], &ab),
	    "192.168.0.0/16");
	assert_int_equal(in.m.key, 7);
	assert_int_equal(in.m.secret.p[0], 250);
	snprintf(padded, sizeof(padded), " \n%s\r\n", text);
	assert_int_equal(pki_token_read(padded, &in, &e), 0);
}

static void
every_slip_of_the_pen_is_told(void **state)
{
	char text[PKI_TOKEN_TEXT_MAX + 1], was;
	struct pki_token_in in;
	struct err e = { 0 };
	size_t i, len;

	(void)state;
	example(text);
	len = strlen(text);
	for (i = 0; i < len; i++) {		/* one letter is another */
		was = text[i];
		text[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(pki_token_read(text, &in, &e), -1);
		text[i] = was;
	}
	for (i = strlen(PKI_TOKEN_PREFIX); i + 1 < len; i++) {
		was = text[i];			/* two changed places */
		text[i] = text[i + 1];
		text[i + 1] = was;
		assert_int_equal(pki_token_read(text, &in, &e),
		    text[i] == was ? 0 : -1);
		text[i + 1] = text[i];
		text[i] = was;
	}
	for (i = 0; i < len; i++) {		/* cut off */
		was = text[i];
		text[i] = '\0';
		assert_int_equal(pki_token_read(text, &in, &e), -1);
		text[i] = was;
	}
	assert_int_equal(pki_token_read(text, &in, &e), 0);
}

static void
what_is_no_token_is_told_apart(void **state)
{
	static const struct { const char *text, *why; } rows[] = {
		{ "", "this is no token: they begin with dmvpn1." },
		{ "dmvpn", "this is no token: they begin with dmvpn1." },
		{ "dmvpn2.AAAA", "the token is of another version: ours begin "
		  "with dmvpn1." },
		{ "dmvpn1.", "the token is cut off" },
		{ "dmvpn1.AAAAAAAA", "the token was mistyped or cut off: its "
		  "checksum is wrong" },
		{ "dmvpn1.AA*A", "the token was mistyped or cut off (after "
		  "dmvpn1.: base64: letter 3 is wrong)" },
		{ "dmvpn1.AAAA BBBB", "a token is one word: after letter 11 "
		  "something follows" },
	};
	struct pki_token_in in;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(pki_token_read(rows[i].text, &in, &e), -1);
		assert_string_equal(e.msg, rows[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_that_of_rfc_4648),
		cmocka_unit_test(what_is_no_base64_is_refused_and_where),
		cmocka_unit_test(a_token_says_what_it_was_made_of),
		cmocka_unit_test(every_slip_of_the_pen_is_told),
		cmocka_unit_test(what_is_no_token_is_told_apart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
