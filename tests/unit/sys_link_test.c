#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys/ask.h"
#include "sys_help.h"

static struct {
	struct loop	*loop;
	struct server	*server;
	struct link	*link;
	char		*dir;
	char		 path[108];
	unsigned	 ups, downs, events, answers, refusals;
	uint16_t	 last_peer;
	uint64_t	 refused_at;
	struct reason	 why;
	uint64_t	 generation;	/* of the snapshot, and when it moves */
	unsigned	 pages, moves;
} d;

static void
on_refuse(void *arg, const struct call *c, const void *in)
{
	struct reason r;

	(void)arg;
	(void)in;
	call_fail(c, reason_set(&r, "ike-auth", "untrusted", "no anchor"));
}

/* Peers 1..70, 32 a page. */
static void
on_page(void *arg, const struct call *c, const void *in)
{
	const struct page *p = (const struct page *)in;
	static struct gre_peers m;

	(void)arg;
	d.pages++;
	if (d.moves > 0 && p->after > 0) {
		d.moves--;
		d.generation++;
	}
	help_peers(p, 70, &m);
	m.generation = d.generation;
	call_reply(c, &gre_peers_type, &m);
}

static const struct serve_row rows[] = {
	{ &ike_probe_type, help_probe, false },
	{ &ike_rekey_type, help_silent, false },
	{ &ike_close_type, on_refuse, false },
	{ &page_type, on_page, false },
};

static void
serve(void)
{
	struct server_conf conf = { .program = "dmvpn-test", .path = d.path,
		.rows = rows, .n_rows = 4, .group = (gid_t)-1 };
	struct err e = { 0 };

	if ((d.server = server_new(d.loop, &conf, &e)) == NULL)
		fail_msg("%s", e.msg);
}

static void
on_up(void *arg)
{
	(void)arg;
	d.ups++;
}

static void
on_down(void *arg, const char *why)
{
	(void)arg;
	(void)why;
	d.downs++;
}

static void
on_event(void *arg, const struct msg *m)
{
	struct gre_acquire a;

	(void)arg;
	assert_int_equal(msg_get(m->body, &gre_acquire_type, &a, NULL), 0);
	d.last_peer = a.peer;
	d.events++;
}

static void
on_answer(void *arg, const void *m, const struct reason *why)
{
	const struct ike_probe_reply *r = (const struct ike_probe_reply *)m;

	assert_ptr_equal(arg, &d);
	if (why != NULL) {
		d.refusals++;
		d.refused_at = clock_ms();
		d.why = *why;
		return;
	}
	d.answers++;
	if (r != NULL)
		d.last_peer = (uint16_t)r->rtt;
}

static int
setup(void **state)
{
	(void)state;
	memset(&d, 0, sizeof(d));
	d.dir = temp_dir();
	snprintf(d.path, sizeof(d.path), "%s/x.sock", d.dir);
	d.loop = loop_new(NULL);
	serve();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	link_free(d.link);
	server_free(d.server);
	loop_free(d.loop);
	remove_dir(d.dir);
	return 0;
}

static void
link_to(void)
{
	static const char *const prefixes[] = { "gre-", NULL };
	struct link_conf conf = { .path = d.path, .events = prefixes,
		.up = on_up, .down = on_down, .event = on_event };

	d.link = link_new(d.loop, &conf, NULL);
	assert_non_null(d.link);
}

static bool
is_up(void *arg)
{
	(void)arg;
	return d.ups > 0 && link_is_up(d.link) &&
	    server_wanted(d.server, &gre_acquire_type);
}

static bool
has(void *arg)
{
	return *(const unsigned *)arg > 0;
}

static void
a_call_is_answered_and_a_refusal_has_its_reason(void **state)
{
	struct ike_probe p = { .peer = 5 };
	struct ike_close c = { .peer = 5 };

	(void)state;
	link_to();
	assert_false(link_is_up(d.link));
	assert_true(spin(d.loop, is_up, NULL, 15000));
	assert_int_equal(link_call(d.link, &ike_probe_type, &p,
	    &ike_probe_reply_type, on_answer, &d, NULL), 0);
	assert_int_equal(link_call(d.link, &ike_close_type, &c, NULL,
	    on_answer, &d, NULL), 0);
	assert_true(spin(d.loop, has, &d.refusals, 15000));
	assert_int_equal(d.answers, 1);
	assert_int_equal(d.last_peer, 5);
	assert_string_equal(d.why.code, "untrusted");
	assert_string_equal(d.why.stage, "ike-auth");
}

static void
it_reconnects_and_subscribes_again(void **state)
{
	struct gre_acquire a = { .peer = 11 };
	struct ike_rekey k = { .peer = 1 };
	struct err e;

	(void)state;
	link_to();
	assert_true(spin(d.loop, is_up, NULL, 15000));
	server_event(d.server, &gre_acquire_type, &a);
	assert_true(spin(d.loop, has, &d.events, 15000));
	assert_int_equal(d.last_peer, 11);
	assert_int_equal(link_call(d.link, &ike_rekey_type, &k, NULL,
	    on_answer, &d, NULL), 0);
	server_free(d.server);
	assert_true(spin(d.loop, has, &d.downs, 15000));
	assert_int_equal(d.refusals, 1);
	assert_string_equal(d.why.code, "broken");
	assert_int_equal(link_call(d.link, &ike_rekey_type, &k, NULL,
	    on_answer, &d, &e), -1);
	assert_int_equal(e.code, ENOTCONN);
	spin(d.loop, NULL, NULL, 200);
	serve();
	d.ups = 0;
	assert_true(spin(d.loop, is_up, NULL, 15000));
	d.events = 0;
	a.peer = 12;
	server_event(d.server, &gre_acquire_type, &a);
	assert_true(spin(d.loop, has, &d.events, 15000));
	assert_int_equal(d.last_peer, 12);
}

static void
free_in_answer(void *arg, const void *m, const struct reason *why)
{
	(void)m;
	(void)why;
	link_free(d.link);
	d.link = NULL;
	++*(unsigned *)arg;
}

static void
it_may_be_freed_in_its_own_callback(void **state)
{
	struct ike_probe p = { .peer = 5 };
	struct ike_rekey k = { .peer = 5 };

	(void)state;
	link_to();
	assert_true(spin(d.loop, is_up, NULL, 15000));
	assert_int_equal(link_call(d.link, &ike_rekey_type, &k, NULL,
	    free_in_answer, &d.answers, NULL), 0);
	assert_int_equal(link_call(d.link, &ike_rekey_type, &k, NULL,
	    free_in_answer, &d.answers, NULL), 0);
	assert_int_equal(link_call(d.link, &ike_probe_type, &p, NULL,
	    free_in_answer, &d.answers, NULL), 0);
	assert_true(spin(d.loop, has, &d.answers, 15000));
	spin(d.loop, NULL, NULL, 50);
	assert_int_equal(d.answers, 1);
	/* and when it breaks with calls pending */
	link_to();
	d.ups = d.answers = 0;
	assert_true(spin(d.loop, is_up, NULL, 15000));
	assert_int_equal(link_call(d.link, &ike_rekey_type, &k, NULL,
	    free_in_answer, &d.answers, NULL), 0);
	assert_int_equal(link_call(d.link, &ike_rekey_type, &k, NULL,
	    free_in_answer, &d.answers, NULL), 0);
	server_free(d.server);
	d.server = NULL;
	assert_true(spin(d.loop, has, &d.answers, 15000));
	assert_int_equal(d.answers, 1);
}

static void
a_daemon_that_speaks_nonsense_is_left(void **state)
{
	struct link_conf conf = { .up = on_up, .down = on_down };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK,
	    0, pair), 0);
	conf.fd = pair[0];
	d.link = link_new(d.loop, &conf, NULL);
	assert_non_null(d.link);
	assert_true(spin(d.loop, has, &d.ups, 15000));
	assert_int_equal(send(pair[1], "\xff", 1, 0), 1);
	assert_true(spin(d.loop, has, &d.downs, 15000));
	close(pair[1]);
}

/* Run what blocks in a child, us serving meanwhile.  Its exit status. */
static int
in_child(int (*what)(void))
{
	pid_t pid = fork();
	int status = -1;
	uint64_t limit = clock_ms() + 60000;

	assert_true(pid >= 0);
	if (pid == 0) {
		quiet();
		_exit(what());
	}
	while (waitpid(pid, &status, WNOHANG) == 0 && clock_ms() < limit)
		spin(d.loop, NULL, NULL, 10);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
take_page(void *arg, const void *page, struct err *e)
{
	const struct gre_peers *m = (const struct gre_peers *)page;
	unsigned *n = (unsigned *)arg;
	size_t i;

	for (i = 0; i < m->n_items; i++)
		if (m->items[i].peer != ++*n)
			return err_set(e, EBADMSG, "out of order");
	return 0;
}

static void
begin_pages(void *arg)
{
	*(unsigned *)arg = 0;
}

static int
child_pages(void)
{
	unsigned n = 0;
	struct ask_pages p = { .reply = &gre_peers_type, .arg = &n,
		.begin = begin_pages, .take = take_page };
	int status;

	setenv("DMVPN_RUN", d.dir, 1);
	status = command_pages("x.sock", &p);
	return status != 0 ? status : (int)n;
}

static void
a_snapshot_is_pulled_page_by_page(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_pages), 70);
	assert_int_equal(d.pages, 3);
}

static void
a_snapshot_that_changes_meanwhile_is_pulled_again(void **state)
{
	(void)state;
	d.moves = 1;
	assert_int_equal(in_child(child_pages), 70);
	assert_int_equal(d.pages, 2 + 3);
	d.moves = 1000;
	assert_int_equal(in_child(child_pages), 111);
}

static int
child_codes(void)
{
	struct ike_probe p = { .peer = 9 };
	struct ike_probe_reply r = { .rtt = 0 };
	struct ike_close c = { .peer = 9 };

	setenv("DMVPN_RUN", d.dir, 1);
	if (command_call("x.sock", &ike_probe_type, &p,
	    &ike_probe_reply_type, &r) != 0 || r.rtt != 9)
		return 10;
	if (command_call("x.sock", &ike_close_type, &c, NULL, NULL) != 1)
		return 11;
	if (command_call("y.sock", &ike_close_type, &c, NULL, NULL) != 111)
		return 12;
	p.peer = 0;			/* ours to see, not the daemon's */
	if (command_call("x.sock", &ike_probe_type, &p, NULL, NULL) != 111)
		return 13;
	return 0;
}

static void
one_shot_commands_have_the_right_exit_status(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_codes), 0);
}

static int
child_wait(void)
{
	setenv("DMVPN_RUN", d.dir, 1);
	return command_wait("x.sock");
}

static bool
stop_server(void *arg)
{
	uint64_t *at = (uint64_t *)arg;

	if (clock_ms() < *at)
		return false;
	server_free(d.server);
	d.server = NULL;
	return true;
}

static void
wait_returns_when_the_daemon_ends(void **state)
{
	uint64_t at = clock_ms() + 200, start = clock_ms();
	pid_t pid = fork();
	int status = -1;

	(void)state;
	if (pid == 0)
		_exit(child_wait());
	spin(d.loop, stop_server, &at, 1000);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(clock_ms() - start >= 200);
	/* nobody serves: try again later */
	quiet();
	assert_int_equal(child_wait(), 111);
}

static int
child_silent(void)
{
	struct ike_rekey k = { .peer = 1 };
	struct err e = { 0 };
	struct conn *c = conn_open(d.path, &e);
	uint64_t start = clock_ms();

	if (c == NULL || conn_call(c, &ike_rekey_type, &k, NULL, NULL, NULL,
	    &e) == 0)
		return 1;
	conn_close(c);
	return e.code == ETIMEDOUT && clock_ms() - start >= 9900 ? 0 : 2;
}

static bool
two_refused(void *arg)
{
	(void)arg;
	return d.refusals == 2;
}

static void
calls_that_nobody_answers_fail_after_ten_seconds(void **state)
{
	struct ike_rekey k = { .peer = 1 };
	uint64_t begun;

	(void)state;
	link_to();
	assert_true(spin(d.loop, is_up, NULL, 15000));
	begun = clock_ms();
	assert_int_equal(link_call(d.link, &ike_rekey_type, &k, NULL,
	    on_answer, &d, NULL), 0);
	spin(d.loop, NULL, NULL, 200);
	assert_int_equal(link_call(d.link, &ike_rekey_type, &k, NULL,
	    on_answer, &d, NULL), 0);
	assert_int_equal(in_child(child_silent), 0);
	assert_true(spin(d.loop, two_refused, NULL, 15000));
	assert_true(d.refused_at - begun >= 9900 + 200);
	assert_string_equal(d.why.code, "timeout");
	assert_true(link_is_up(d.link));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_call_is_answered_and_a_refusal_has_its_reason),
		CASE(it_reconnects_and_subscribes_again),
		CASE(it_may_be_freed_in_its_own_callback),
		CASE(a_daemon_that_speaks_nonsense_is_left),
		CASE(a_snapshot_is_pulled_page_by_page),
		CASE(a_snapshot_that_changes_meanwhile_is_pulled_again),
		CASE(one_shot_commands_have_the_right_exit_status),
		CASE(wait_returns_when_the_daemon_ends),
		CASE(calls_that_nobody_answers_fail_after_ten_seconds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
