#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys/log.h"
#include "sys_help.h"

static char text[65536];

/* stderr becomes a pipe; its reading end. */
static int saved = -1, reader = -1;

static void
capture(void)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	saved = dup(STDERR_FILENO);
	dup2(p[1], STDERR_FILENO);
	close(p[1]);
	reader = p[0];
	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
}

static size_t
drain(void)
{
	ssize_t n = read(reader, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void
release(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(reader);
}

static void
an_event_is_one_line_and_foreign_text_is_escaped(void **state)
{
	(void)state;
	capture();
	log_event(LEVEL_WARN, "auth-failed", T("peer", "192.0.2.7"),
	    U("spi", 49152), H("cookie", 0xabcdef),
	    T("why", "line\none\x1b[2J \"q\""), T("none", ""));
	drain();
	release();
	assert_string_equal(text, "dmvpn-test: warn auth-failed "
	    "peer=192.0.2.7 spi=49152 cookie=0xabcdef "
	    "why=\"line\\x0aone\\x1b[2J \\\"q\\\"\" none=\"\"\n");
}

static void
levels_are_kept(void **state)
{
	struct err e;

	(void)state;
	capture();
	log_level(LEVEL_WARN);
	log_event(LEVEL_INFO, "quiet");
	assert_int_equal(log_level_parse("debug", NULL), 0);
	log_event(LEVEL_DEBUG, "loud");
	assert_int_equal(log_level_parse("chatty", &e), -1);
	drain();
	release();
	assert_string_equal(text, "dmvpn-test: debug loud\n");
	assert_non_null(strstr(e.msg, "chatty"));
	log_level(LEVEL_INFO);
}

static void
one_id_has_ten_lines_a_second_and_the_rest_is_counted(void **state)
{
	unsigned lines = 0;
	char id[24], want[64], *p;
	uint64_t begun;
	int i, try = 0;

	(void)state;
	capture();
	do {		/* until all of it was within one second */
		while (clock_ms() % 1000 > 500)
			(void)poll(NULL, 0, 20);
		begun = clock_ms();
		snprintf(id, sizeof(id), "flood%d", ++try);
		for (i = 0; i < 1000; i++)
			log_event(LEVEL_INFO, id, U("i", (uint64_t)i));
	} while (clock_ms() / 1000 != begun / 1000 && try < 20);
	log_event(LEVEL_INFO, "other");
	drain();
	snprintf(want, sizeof(want), " %s ", id);
	for (p = text; (p = strstr(p, want)) != NULL; p++)
		lines++;
	assert_int_equal(lines, 10);
	assert_non_null(strstr(text, " other\n"));
	(void)poll(NULL, 0, 1010);
	log_event(LEVEL_INFO, id, U("i", 1));
	drain();
	release();
	snprintf(want, sizeof(want), " %s i=1 suppressed=990\n", id);
	assert_non_null(strstr(text, want));
}

static void
a_full_pipe_never_blocks_and_the_loss_is_told(void **state)
{
	char id[24], big[400];
	uint64_t start = clock_ms();
	int i, size;

	(void)state;
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	capture();
	size = fcntl(reader, F_SETPIPE_SZ, 4096);
	assert_true(size >= 4096);
	for (i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "fill-%d", i);
		log_event(LEVEL_INFO, id, T("x", big));
	}
	assert_true(clock_ms() - start < 10000);
	drain();
	log_event(LEVEL_INFO, "after");
	drain();
	release();
	if (strstr(text, "after lost=1") == NULL)
		fail_msg("\"%s\"", text);
}

static void
with_time_it_begins_with_the_time(void **state)
{
	char was[] = "0000-00-00T00:00:00.000Z dmvpn-test: info on\n";
	size_t i;

	(void)state;
	assert_int_equal(setenv("DMVPN_LOG", "time", 1), 0);
	log_open("dmvpn-test");
	capture();
	log_event(LEVEL_INFO, "on");
	drain();
	release();
	unsetenv("DMVPN_LOG");
	log_open("dmvpn-test");
	for (i = 0; i < 24 && text[i] != '\0'; i++)
		if (text[i] >= '0' && text[i] <= '9')
			text[i] = '0';
	assert_string_equal(text, was);
}

static void
as_cbor_it_is_a_message(void **state)
{
	struct log_line m;
	size_t n;

	(void)state;
	assert_int_equal(setenv("DMVPN_LOG", "cbor", 1), 0);
	log_open("dmvpn-test");
	capture();
	log_event(LEVEL_ERROR, "broken", T("why", "a\nb"), U("n", 7));
	n = drain();
	release();
	unsetenv("DMVPN_LOG");
	log_open("dmvpn-test");
	assert_int_equal(msg_get(rbuf_of(text, n), &log_line_type, &m, NULL),
	    0);
	assert_string_equal(m.id, "broken");
	assert_string_equal(m.level, "error");
	assert_int_equal(m.n_fields, 2);
	assert_string_equal(m.fields[0].text, "a\\x0ab");
	assert_int_equal(m.fields[1].number, 7);
}

static void
nobody_reading_is_no_death(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	capture();
	close(reader);
	reader = open("/dev/null", O_RDONLY);
	log_event(LEVEL_INFO, "alone");
	release();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    an_event_is_one_line_and_foreign_text_is_escaped),
		cmocka_unit_test(levels_are_kept),
		cmocka_unit_test(
		    one_id_has_ten_lines_a_second_and_the_rest_is_counted),
		cmocka_unit_test(
		    a_full_pipe_never_blocks_and_the_loss_is_told),
		cmocka_unit_test(with_time_it_begins_with_the_time),
		cmocka_unit_test(as_cbor_it_is_a_message),
		cmocka_unit_test(nobody_reading_is_no_death),
	};

	log_open("dmvpn-test");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
