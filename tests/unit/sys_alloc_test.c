/* Whatever of lib/sys allocates is run with the first allocation failing,
 * then the second, ... until it gets through.  It must fail with a reason or
 * go on, never crash, and leak no descriptor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alloc_wrap.h"
#include "sys/out.h"
#include "sys_help.h"

static struct {
	struct loop	*loop;
	struct server	*server;
	struct link	*link;
	char		*dir;
	char		 path[108];
	unsigned	 answers;
} d;

static const struct serve_row rows[] = {
	{ &ike_probe_type, help_probe, false },
};

static void
on_answer(void *arg, const void *m, const struct reason *why)
{
	(void)arg;
	(void)m;
	(void)why;
	d.answers++;
}

/* Up, or an allocation has failed and it had its time. */
static bool
is_up(void *arg)
{
	return link_is_up(d.link) ||
	    (failed && clock_ms() > *(const uint64_t *)arg + 300);
}

static bool
answered(void *arg)
{
	return d.answers > 0 ||
	    (failed && clock_ms() > *(const uint64_t *)arg + 300);
}

/* A server, a client of it, a call and an event. */
static void
whole_talk(void)
{
	static const char *const events[] = { "gre", NULL };
	struct server_conf sc = { .program = "t", .path = d.path,
		.rows = rows, .n_rows = 1, .group = (gid_t)-1 };
	struct link_conf lc = { .path = d.path, .events = events };
	struct ike_probe p = { .peer = 1 };
	struct gre_acquire a = { .peer = 1 };
	uint64_t begun = clock_ms();
	struct err e = { 0 };

	if ((d.loop = loop_new(&e)) == NULL) {
		assert_int_not_equal(e.msg[0], '\0');
		return;
	}
	d.answers = 0;
	d.server = server_new(d.loop, &sc, &e);
	d.link = d.server == NULL ? NULL : link_new(d.loop, &lc, &e);
	if (d.link == NULL)
		assert_int_not_equal(e.msg[0], '\0');
	else if (spin(d.loop, is_up, &begun, 15000) && link_is_up(d.link) &&
	    link_call(d.link, &ike_probe_type, &p, &ike_probe_reply_type,
	    on_answer, NULL, &e) == 0)
		(void)spin(d.loop, answered, &begun, 15000);
	if (d.server != NULL)
		server_event(d.server, &gre_acquire_type, &a);
	link_free(d.link);
	server_free(d.server);
	loop_free(d.loop);
}

static void
the_n_th_allocation_of_a_talk_fails(void **state)
{
	unsigned before;
	long n;

	(void)state;
	quiet();
	d.dir = temp_dir();
	snprintf(d.path, sizeof(d.path), "%s/x.sock", d.dir);
	whole_talk();
	before = count_fds();
	for (n = 0; n < 200; n++) {
		failed = false;
		fail_at = n;
		whole_talk();
		fail_at = -1;
		assert_int_equal(count_fds(), before);
		if (!failed)
			break;
	}
	assert_true(n > 5 && n < 200);
	assert_int_equal(d.answers, 1);
	remove_dir(d.dir);
}

static int
some_table(FILE *f)
{
	static const char *const headers[] = { "a", "b", NULL };
	struct table *t = table_new(headers);

	table_cell(t, "1");
	table_cell(t, "2");
	table_cell(t, "3");
	return table_print(t, f, NULL);
}

static void
the_n_th_allocation_of_a_table_fails(void **state)
{
	FILE *f = fopen("/dev/null", "w");
	long n;
	int rc;

	(void)state;
	assert_non_null(f);
	setvbuf(f, NULL, _IONBF, 0);
	for (n = 0; n < 20; n++) {
		failed = false;
		fail_at = n;
		rc = some_table(f);
		fail_at = -1;
		assert_int_equal(rc, failed ? -1 : 0);
		if (!failed)
			break;
	}
	assert_int_equal(n, 4);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_n_th_allocation_of_a_talk_fails),
		cmocka_unit_test(the_n_th_allocation_of_a_table_fails),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
