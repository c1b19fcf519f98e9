#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "msg/types.h"
#include "msg_fill.h"
#include "sys/loop.h"
#include "sys/out.h"

static char *text;
static size_t text_len;

static FILE *
begin(void)
{
	FILE *f;

	free(text);
	text = NULL;
	f = open_memstream(&text, &text_len);
	assert_non_null(f);
	return f;
}

static struct gre_peer
peer(void)
{
	struct gre_peer p = { .peer = 3, .owner = "ike",
		.encap = GRE_ENCAP_UDP, .name = "a \"b\"\n\\",
		.rx_packets = 18446744073709551615u };

	p.remote.addr = addr_of("\xc0\0\2\1", 4);
	p.remote.port = 4500;
	p.blob = rbuf_of("\0\xff", 2);
	return p;
}

static void
json_has_every_kind(void **state)
{
	struct gre_peer p = peer();
	FILE *f = begin();

	(void)state;
	assert_int_equal(out_json(f, &gre_peer_type, &p, NULL), 0);
	fclose(f);
	assert_string_equal(text, "{\"blob\":\"00ff\",\"name\":\"a \\\"b\\\""
	    "\\u000a\\\\\",\"peer\":3,\"drops\":0,\"encap\":\"udp\","
	    "\"owner\":\"ike\",\"remote\":\"192.0.2.1:4500\","
	    "\"rx-bytes\":0,\"tx-bytes\":0,"
	    "\"rx-packets\":18446744073709551615,\"tx-packets\":0}\n");
}

static void
spis_are_hexadecimal_texts(void **state)
{
	struct ike_keys k = { .spi_i = 0xfedcba9876543210, .spi_r = 1,
	    .line = "x" };
	FILE *f = begin();

	(void)state;
	assert_int_equal(out_json(f, &ike_keys_type, &k, NULL), 0);
	fclose(f);
	assert_non_null(strstr(text, "\"spi-i\":\"fedcba9876543210\""));
	assert_non_null(strstr(text, "\"spi-r\":\"0000000000000001\""));
}

static void
a_line_is_one_line_and_quotes_foreign_text(void **state)
{
	struct gre_peer p = peer();
	FILE *f = begin();

	(void)state;
	assert_int_equal(out_line(f, &gre_peer_type, &p, NULL), 0);
	fclose(f);
	assert_non_null(strstr(text, "name=\"a \\\"b\\\"\\x0a\\\\\""));
	assert_non_null(strstr(text, " remote=192.0.2.1:4500 "));
	assert_ptr_equal(strchr(text, '\n'), text + text_len - 1);
}

static void
cbor_is_the_message_itself(void **state)
{
	struct gre_peer p = peer(), back;
	FILE *f = begin();

	(void)state;
	assert_int_equal(out_cbor(f, &gre_peer_type, &p, NULL), 0);
	fclose(f);
	assert_int_equal(msg_get(rbuf_of(text, text_len), &gre_peer_type,
	    &back, NULL), 0);
	assert_string_equal(back.name, p.name);
}

static void
secrets_are_refused(void **state)
{
	static struct gre_sa_add sa;
	static struct pki_load load;
	FILE *f = begin();
	struct err e;

	(void)state;
	assert_int_equal(out_json(f, &gre_sa_add_type, &sa, &e), -1);
	assert_int_equal(out_line(f, &gre_sa_add_type, &sa, &e), -1);
	assert_int_equal(out_cbor(f, &pki_load_type, &load, &e), -1);
	assert_non_null(strstr(e.msg, "never printed"));
	fclose(f);
	assert_int_equal(text_len, 0);
}

/* Any type, any bounds: one line of JSON with as many braces as there should
 * be.  (tests/cmd gives JSON of real programs to jq.) */
static void
every_type_renders_to_one_line(void **state)
{
	const struct msg_type *const *t;
	uint32_t seed;

	(void)state;
	for (t = msg_types; *t != NULL; t++)
		for (seed = 0; seed < 3; seed++) {
			void *m = calloc(1, (*t)->size);
			long depth = 0;
			size_t i;
			FILE *f = begin();

			assert_non_null(m);
			(void)fill_message(*t, m, seed, (int)seed);
			if (out_json(f, *t, m, NULL) < 0) {
				fclose(f);
				free(m);
				continue;	/* a secret */
			}
			fclose(f);
			for (i = 0; i < text_len; i++)
				depth += (text[i] == '{') - (text[i] == '}');
			assert_int_equal(depth, 0);
			assert_ptr_equal(strchr(text, '\n'),
			    text + text_len - 1);
			f = begin();
			assert_int_equal(out_line(f, *t, m, NULL), 0);
			fclose(f);
			assert_ptr_equal(strchr(text, '\n'),
			    text + text_len - 1);
			free(m);
		}
}

/* "2026-11-23T18:03:38.846Z", of the last minute? */
static bool
is_now(const char *at)
{
	struct tm tm = { .tm_isdst = 0 };
	char *end = strptime(at, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t age = time(NULL) - (end != NULL ? timegm(&tm) : 0);

	return end != NULL && *end == '.' && age >= 0 && age < 60;
}

static void
spis_are_hexadecimal_in_a_line(void **state)
{
	struct ike_child_up u = { .peer = 1, .rekeyed = 0x1a };
	FILE *f = begin();

	(void)state;
	u.child.spi_in = 0xbeb7c897;
	assert_int_equal(out_line(f, &ike_child_up_type, &u, NULL), 0);
	fclose(f);
	assert_non_null(strstr(text, "spi-in=beb7c897"));
	assert_non_null(strstr(text, "rekeyed=0000001a"));
}

static void
an_event_names_itself(void **state)
{
	struct gre_acquire a = { .peer = 7 };
	uint8_t room[256];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct msg m;
	struct err e;
	FILE *f = begin();

	(void)state;
	assert_int_equal(msg_write_event(&w, 1234, &gre_acquire_type, &a,
	    NULL), 0);
	assert_int_equal(msg_read(wbuf_rbuf(&w), &m, NULL), 0);
	assert_int_equal(out_event(f, OUT_JSON, &m, NULL), 0);
	assert_int_equal(out_event(f, OUT_TEXT, &m, NULL), 0);
	fclose(f);
	assert_string_equal(text,
	    "{\"at\":1234,\"event\":\"gre-acquire\",\"peer\":7}\n"
	    "1.234 gre-acquire peer=7\n");
	m.at = clock_ms();
	f = begin();
	assert_int_equal(out_event_now(f, OUT_JSON, &m, NULL), 0);
	assert_int_equal(out_event_now(f, OUT_TEXT, &m, NULL), 0);
	fclose(f);
	assert_true(is_now(strstr(text, "\"time\":\"") + 8));
	assert_non_null(strstr(text, "Z\",\"event\":\"gre-acquire\""));
	assert_true(is_now(strchr(text, '\n') + 1));
	assert_non_null(strstr(text, "Z gre-acquire peer=7\n"));
	m.at = 1234;
	f = begin();
	assert_int_equal(out_event(f, OUT_CBOR, &m, NULL), 0);
	fclose(f);
	assert_int_equal(text_len, w.len);
	assert_memory_equal(text, w.buf, w.len);
	memcpy(m.name, "of-tomorrow", sizeof("of-tomorrow"));
	f = begin();
	assert_int_equal(out_event(f, OUT_JSON, &m, &e), -1);
	assert_int_equal(e.code, ENOTSUP);
	fclose(f);
}

static void
text_that_is_no_utf8_stays_valid_json(void **state)
{
	FILE *f = begin();

	(void)state;
	json_text(f, "a\xff\x1f\"\xc3", 5);
	putc(' ', f);
	json_text(f, "\xc3\xa4", 2);
	fclose(f);
	assert_string_equal(text,
	    "\"a\\u00ff\\u001f\\\"\\u00c3\" \"\xc3\xa4\"");
}

static void
columns_are_as_wide_as_their_widest_cell(void **state)
{
	static const char *const headers[] = { "name", ">bytes", "why",
		NULL };
	struct table *t = table_new(headers);
	FILE *f = begin();

	(void)state;
	table_cell(t, "%s", "a");
	table_cell(t, "%d", 12345678);
	table_cell(t, "%s", "");
	table_cell(t, "%s", "z\xc3\xbcrich");
	table_cell(t, "%d", 1);
	table_cell(t, "%s", "long text");
	assert_int_equal(table_print(t, f, NULL), 0);
	fclose(f);
	assert_string_equal(text,
	    "name       bytes  why\n"
	    "a       12345678  -\n"
	    "z\xc3\xbcrich         1  long text\n");
}

/* A terminal of so many columns; what is written to it comes out of *master. */
static FILE *
terminal(unsigned short columns, int *master)
{
	struct winsize w = { .ws_row = 25, .ws_col = columns };
	struct termios raw;
	FILE *f;

	*master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(*master >= 0 && grantpt(*master) == 0 &&
	    unlockpt(*master) == 0);
	f = fopen(ptsname(*master), "w");
	assert_non_null(f);
	assert_int_equal(tcgetattr(fileno(f), &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(fileno(f), TCSANOW, &raw), 0);
	assert_int_equal(ioctl(fileno(f), TIOCSWINSZ, &w), 0);
	return f;
}

static void
shows(FILE *f, int master, const char *want)
{
	char got[1024];
	size_t len = 0;
	ssize_t n;

	/* A terminal may hand on what is written in pieces. */
	fclose(f);
	while ((n = read(master, got + len, sizeof(got) - 1 - len)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	assert_string_equal(got, want);
	close(master);
}

static struct table *
wide(void)
{
	static const char *const headers[] = { "PREFIX", ">PEER", "VIA",
		"IDENTITY", NULL };
	struct table *t = table_new(headers);

	table_cell(t, "%s", "192.168.2.0/24");
	table_cell(t, "%d", 1);
	table_cell(t, "%s", "-");
	table_cell(t, "%s", "spoke2.branch.example.net");
	return t;
}

static void
a_narrow_terminal_folds_a_table_and_a_wide_one_does_not(void **state)
{
	FILE *f;
	int m;

	(void)state;
	f = terminal(52, &m);
	assert_int_equal(table_print(wide(), f, NULL), 0);
	shows(f, m, "\033[1mPREFIX          PEER  VIA  IDENTITY\n"
	    "\033[0m192.168.2.0/24     1  -    spoke2.branch.example.net\n");
	f = terminal(51, &m);	/* VIA is empty, and then the rest fits */
	assert_int_equal(table_print(wide(), f, NULL), 0);
	shows(f, m, "\033[1mPREFIX          PEER  IDENTITY\n"
	    "\033[0m192.168.2.0/24     1  spoke2.branch.example.net\n");
	f = terminal(46, &m);
	assert_int_equal(table_print(wide(), f, NULL), 0);
	shows(f, m, "\033[1mPREFIX          PEER\n    IDENTITY\n"
	    "\033[0m192.168.2.0/24     1\n    spoke2.branch.example.net\n");
	f = terminal(40, &m);
	out_fold(f, "  \033[31m-\033[m hub 10.0.0.1 at 198.51.100.2:500: "
	    "no answer", 6);
	shows(f, m, "  \033[31m-\033[m hub 10.0.0.1 at 198.51.100.2:500: no\n"
	    "      answer\n");
}

static void
numbers_for_people(void **state)
{
	char b[16];

	(void)state;
	assert_string_equal(human_bytes(0, b), "0");
	assert_string_equal(human_bytes(999, b), "999");
	assert_string_equal(human_bytes(1000, b), "1.0 k");
	assert_string_equal(human_bytes(1234567, b), "1.2 M");
	assert_string_equal(human_bytes(UINT64_MAX, b), "18 E");
	assert_string_equal(human_time(0, b), "0 s");
	assert_string_equal(human_time(61, b), "1 min 1 s");
	assert_string_equal(human_time(11100, b), "3 h 5 min");
	assert_string_equal(human_time(90000, b), "1 d 1 h");
	assert_true(strlen(human_time(UINT64_MAX, b)) < 16);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_every_kind),
		cmocka_unit_test(spis_are_hexadecimal_texts),
		cmocka_unit_test(a_line_is_one_line_and_quotes_foreign_text),
		cmocka_unit_test(cbor_is_the_message_itself),
		cmocka_unit_test(secrets_are_refused),
		cmocka_unit_test(every_type_renders_to_one_line),
		cmocka_unit_test(spis_are_hexadecimal_in_a_line),
		cmocka_unit_test(an_event_names_itself),
		cmocka_unit_test(text_that_is_no_utf8_stays_valid_json),
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(
		    a_narrow_terminal_folds_a_table_and_a_wide_one_does_not),
		cmocka_unit_test(numbers_for_people),
	};
	int rc;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(text);
	return rc;
}
