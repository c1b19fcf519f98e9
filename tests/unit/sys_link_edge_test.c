/* A link at its edges: the pace of its tries, what may wait, what it is told.
 * The other side is a bare socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/syscall.h>

#include "sys_help.h"

#define QUEUE_MAX	(8u * 1024 * 1024)	/* of lib/sys/link.c */

static struct {
	struct loop	*loop;
	struct link	*link;
	char		*dir;
	char		 path[108];
	int		 other;			/* their side, or -1 */
	unsigned	 ups, downs, events, answers;
	char		 why[256];
	struct timer	 timer;
	unsigned	 seen;			/* events when it fired */
	uint64_t	 tries[32];		/* of connect(2) */
	size_t		 n_tries;
} d;

/* In place of libc's: each try is noted. */
int
connect(int fd, const struct sockaddr *to, socklen_t len)
{
	if (d.n_tries < sizeof(d.tries) / sizeof(d.tries[0]))
		d.tries[d.n_tries++] = clock_ms();
	return (int)syscall(SYS_connect, fd, to, len);
}

static int
setup(void **state)
{
	(void)state;
	memset(&d, 0, sizeof(d));
	d.other = -1;
	d.dir = temp_dir();
	snprintf(d.path, sizeof(d.path), "%s/x.sock", d.dir);
	d.loop = loop_new(NULL);
	return d.loop == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	timer_stop(&d.timer);
	link_free(d.link);
	loop_free(d.loop);
	if (d.other >= 0)
		close(d.other);
	remove_dir(d.dir);
	return 0;
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
	d.downs++;
	snprintf(d.why, sizeof(d.why), "%s", why);
}

static void
on_event(void *arg, const struct msg *m)
{
	(void)arg;
	(void)m;
	d.events++;
}

static void
on_answer(void *arg, const void *m, const struct reason *why)
{
	(void)arg;
	(void)m;
	(void)why;
	d.answers++;
}

/* path NULL: a pair of sockets, d.other is the far end. */
static struct link *
link_of(const char *path, const char *const *events, struct err *e)
{
	struct link_conf conf = { .path = path, .events = events, .up = on_up,
		.down = on_down, .event = on_event };
	int pair[2];

	if (path == NULL) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET |
		    SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
		conf.fd = pair[0];
		d.other = pair[1];
	}
	return link_new(d.loop, &conf, e);
}

static bool
has(void *arg)
{
	return *(const unsigned *)arg > 0;
}

static int
listening(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", d.path);
	(void)unlink(d.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static bool
tried_nine_times(void *arg)
{
	(void)arg;
	return d.n_tries >= 9;
}

/* 50 ms, doubled, and no more than a second: never sooner, and of those that
 * are as long as it gets one at least not much later. */
static void
tries_are_rarer_and_rarer_up_to_one_a_second(void **state)
{
	static const uint64_t least[] = { 50, 100, 200, 400, 800, 1000, 1000,
	    1000 };
	uint64_t gap, shortest = UINT64_MAX, up;
	size_t i, last;
	int server;

	(void)state;
	d.link = link_of(d.path, NULL, NULL);
	assert_non_null(d.link);
	assert_true(spin(d.loop, tried_nine_times, NULL, 60000));
	for (i = 0; i < 8; i++) {
		gap = d.tries[i + 1] - d.tries[i];
		assert_true(gap + 1 >= least[i]);
		if (i >= 5 && gap < shortest)
			shortest = gap;
	}
	assert_true(shortest < 1500);
	/* once it was up they begin anew */
	server = listening();
	assert_true(spin(d.loop, has, &d.ups, 15000));
	d.other = accept(server, NULL, NULL);
	assert_true(d.other >= 0);
	close(server);
	last = d.n_tries;
	close(d.other);
	d.other = -1;
	assert_true(spin(d.loop, has, &d.downs, 15000));
	up = clock_ms();
	for (d.ups = 0; d.n_tries == last && clock_ms() - up < 15000;)
		spin(d.loop, NULL, NULL, 5);
	assert_in_range(d.tries[last] - up, 30, 900);
}

static const uint8_t data[4000];

/* As many messages as it takes until no more may wait; how many. */
static size_t
fill(void)
{
	const struct gre_nhrp_send m = { .interface = "x", .peer = 1,
		.data = rbuf_of(data, sizeof(data)) };
	struct err e = { 0 };
	size_t n = 0;

	while (link_call(d.link, &gre_nhrp_send_type, &m, NULL, NULL, NULL,
	    &e) == 0)
		assert_true(++n < 4 * QUEUE_MAX / sizeof(data));
	assert_int_equal(e.code, ENOBUFS);
	return n;
}

static bool
drain(void *arg)
{
	size_t *n = (size_t *)arg;
	struct msg m;

	while (raw_get(d.other, &m) == GOT_MESSAGE) {
		assert_string_equal(m.name, "gre-nhrp-send");
		--*n;
	}
	return *n == 0;
}

static void
what_waits_for_a_daemon_that_does_not_read_has_a_bound(void **state)
{
	size_t n, k;

	(void)state;
	d.link = link_of(NULL, NULL, NULL);
	assert_non_null(d.link);
	for (k = 0; k < 2; k++) {	/* what left makes room */
		n = fill();
		assert_in_range(n * sizeof(data), QUEUE_MAX - 600000,
		    QUEUE_MAX + 200000);
		assert_true(spin(d.loop, drain, &n, 30000));
	}
	assert_true(link_is_up(d.link));
}

/* One statement was lost: all is stated anew, over a new connection. */
static void
what_found_no_room_ends_the_connection(void **state)
{
	int server = listening();

	(void)state;
	d.link = link_of(d.path, NULL, NULL);
	assert_non_null(d.link);
	assert_true(spin(d.loop, has, &d.ups, 15000));
	(void)fill();
	assert_int_equal(d.downs, 0);		/* not inside the call */
	d.ups = 0;
	assert_true(spin(d.loop, has, &d.ups, 15000));
	assert_int_equal(d.downs, 1);
	close(server);
}

/* Who takes a connection and closes it is not asked twenty times a second. */
static void
brief_connections_are_rarer_and_rarer(void **state)
{
	int server = listening();
	uint64_t end = clock_ms() + 2500;

	(void)state;
	d.link = link_of(d.path, NULL, NULL);
	assert_non_null(d.link);
	while (clock_ms() < end) {
		spin(d.loop, NULL, NULL, 5);
		d.other = accept(server, NULL, NULL);
		if (d.other >= 0)
			close(d.other);
		d.other = -1;
	}
	close(server);
	assert_in_range(d.n_tries, 2, 8);
}

static void
what_waited_ends_with_the_connection(void **state)
{
	size_t n, k;
	int server = listening();

	(void)state;
	d.link = link_of(d.path, NULL, NULL);
	assert_non_null(d.link);
	for (k = 0; k < 2; k++) {
		d.ups = d.downs = 0;
		assert_true(spin(d.loop, has, &d.ups, 15000));
		d.other = accept(server, NULL, NULL);
		assert_true(d.other >= 0);
		n = fill();
		assert_in_range(n * sizeof(data), QUEUE_MAX - 600000,
		    QUEUE_MAX + 200000);
		close(d.other);
		d.other = -1;
		assert_true(spin(d.loop, has, &d.downs, 15000));
	}
	close(server);
}

/* Closed, but nobody has noticed yet: it is told soon, and once. */
static void
a_call_that_can_not_be_sent_is_told_once(void **state)
{
	const struct ike_probe m = { .peer = 1 };

	(void)state;
	d.link = link_of(NULL, NULL, NULL);
	assert_non_null(d.link);
	close(d.other);
	d.other = -1;
	assert_int_equal(link_call(d.link, &ike_probe_type, &m,
	    &ike_probe_reply_type, on_answer, NULL, NULL), 0);
	assert_int_equal(d.answers, 0);
	assert_true(spin(d.loop, has, &d.downs, 15000));
	assert_int_equal(d.answers, 1);
}

static void
tell(const void *p, size_t n)
{
	assert_int_equal(send(d.other, p, n, MSG_NOSIGNAL), n);
}

static void
a_message_over_the_limit_ends_it(void **state)
{
	static uint8_t big[MSG_MAX + 1];

	(void)state;
	d.link = link_of(NULL, NULL, NULL);
	assert_non_null(d.link);
	tell(big, sizeof(big));
	assert_true(spin(d.loop, has, &d.downs, 15000));
	assert_non_null(strstr(d.why, "over the limit"));
}

static void
a_daemon_that_asks_is_left(void **state)
{
	uint8_t room[256];
	struct wbuf w = wbuf_of(room, sizeof(room));

	(void)state;
	d.link = link_of(NULL, NULL, NULL);
	assert_non_null(d.link);
	assert_int_equal(msg_write_request(&w, 1, &hello_type, NULL, NULL),
	    0);
	tell(w.buf, w.len);
	assert_true(spin(d.loop, has, &d.downs, 15000));
	assert_non_null(strstr(d.why, "does not ask"));
}

static void
fired(void *arg)
{
	(void)arg;
	d.seen = d.events;
}

static bool
all_came(void *arg)
{
	(void)arg;
	return d.events == 150;
}

/* 64 messages a turn: the rest of the loop gets its turn between. */
static void
a_talkative_daemon_does_not_hold_up_the_loop(void **state)
{
	const struct gre_acquire a = { .peer = 7 };
	uint8_t room[256];
	struct wbuf w = wbuf_of(room, sizeof(room));
	unsigned i;

	(void)state;
	d.link = link_of(NULL, NULL, NULL);
	assert_non_null(d.link);
	assert_true(spin(d.loop, has, &d.ups, 15000));
	assert_int_equal(msg_write_event(&w, 1, &gre_acquire_type, &a, NULL),
	    0);
	for (i = 0; i < 150; i++)
		tell(w.buf, w.len);
	assert_int_equal(timer_at(d.loop, &d.timer, clock_ms() - 1, fired,
	    NULL, NULL), 0);
	assert_true(spin(d.loop, all_came, NULL, 15000));
	assert_int_equal(d.seen % 64, 0);
	assert_in_range(d.seen, 0, 128);
}

static void
more_subscriptions_than_fit_are_refused(void **state)
{
	const char *many[34] = { NULL };
	struct err e = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 33; i++)
		many[i] = "gre-";
	assert_null(link_of(NULL, many, &e));
	assert_int_equal(e.code, E2BIG);
	close(d.other);
	many[32] = NULL;
	d.link = link_of(NULL, many, &e);
	assert_non_null(d.link);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(tries_are_rarer_and_rarer_up_to_one_a_second),
		CASE(what_waits_for_a_daemon_that_does_not_read_has_a_bound),
		CASE(what_waited_ends_with_the_connection),
		CASE(what_found_no_room_ends_the_connection),
		CASE(brief_connections_are_rarer_and_rarer),
		CASE(a_call_that_can_not_be_sent_is_told_once),
		CASE(a_message_over_the_limit_ends_it),
		CASE(a_daemon_that_asks_is_left),
		CASE(a_talkative_daemon_does_not_hold_up_the_loop),
		CASE(more_subscriptions_than_fit_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
