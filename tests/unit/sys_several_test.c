/* Several messages in one datagram, for those who agreed on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sys_help.h"

static struct {
	struct loop	*loop;
	struct server	*server;
	struct link	*link;
	char		*dir;
	char		 path[108];
	int		 other;			/* their side of the link */
	unsigned	 answers, events;
	struct timer	 timer;
} d;

static const struct serve_row rows[] = {
	{ &ike_probe_type, help_probe, false },
};

static int
setup(void **state)
{
	struct server_conf conf = { .program = "dmvpn-test", .path = d.path,
		.rows = rows, .n_rows = 1, .group = (gid_t)-1 };

	(void)state;
	memset(&d, 0, sizeof(d));
	help_probes = 0;
	d.other = -1;
	d.dir = temp_dir();
	snprintf(d.path, sizeof(d.path), "%s/x.sock", d.dir);
	d.loop = loop_new(NULL);
	d.server = server_new(d.loop, &conf, NULL);
	return d.server == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	link_free(d.link);
	server_free(d.server);
	loop_free(d.loop);
	if (d.other >= 0)
		close(d.other);
	remove_dir(d.dir);
	return 0;
}

/* A client that subscribed to "gre-". */
static int
client(bool several)
{
	const struct subscribe all = { .n_events = 1, .events = { "gre-" },
		.several = several };
	struct subscribe_reply r;
	int fd = raw_connect(d.path);
	struct msg m;

	assert_true(fd >= 0);
	raw_call(fd, 1, &subscribe_type, &all);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
	assert_int_equal(m.class, MSG_REPLY);
	assert_int_equal(msg_get(m.body, &subscribe_reply_type, &r, NULL), 0);
	assert_true(r.several);
	return fd;
}

/* How many messages the next datagram holds; 0: there is none. */
static unsigned
datagram(int fd, size_t *octets)
{
	static uint8_t buf[2 * MSG_MAX];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	struct rbuf in = rbuf_of(buf, n > 0 ? (size_t)n : 0);
	unsigned messages = 0;
	struct msg m;

	*octets = rbuf_left(&in);
	for (; rbuf_left(&in) > 0; messages++)
		assert_int_equal(msg_next(&in, &m, NULL), 0);
	return messages;
}

static void
events(unsigned n, size_t size)
{
	static const uint8_t data[4000];
	struct gre_nhrp ev = { .interface = "x", .data = rbuf_of(data, size) };

	ev.remote.addr = addr_of("\x7f\0\0\1", 4);
	while (n-- > 0)
		server_event(d.server, &gre_nhrp_type, &ev);
	spin(d.loop, NULL, NULL, 5);
}

static void
what_is_said_in_a_turn_goes_in_one_datagram(void **state)
{
	int some = client(true), one = client(false);
	size_t octets;

	(void)state;
	events(5, 10);
	assert_int_equal(datagram(some, &octets), 5);
	assert_int_equal(datagram(some, &octets), 0);
	assert_int_equal(datagram(one, &octets), 1);
	assert_int_equal(datagram(one, &octets), 1);
	close(some);
	close(one);
}

static void
no_datagram_is_longer_than_a_message_may_be(void **state)
{
	int fd = client(true);
	unsigned n, all = 0;
	size_t octets;

	(void)state;
	events(9, 4000);
	while ((n = datagram(fd, &octets)) > 0) {
		assert_in_range(n, 1, 4);
		assert_in_range(octets, 4000, MSG_MAX);
		all += n;
	}
	assert_int_equal(all, 9);
	close(fd);
}

static void
what_did_not_fit_into_the_socket_follows(void **state)
{
	int fd = client(true);
	unsigned n, all = 0, rounds;
	size_t octets;

	(void)state;
	events(200, 4000);
	for (rounds = 0; rounds < 200 && all < 200; rounds++) {
		while ((n = datagram(fd, &octets)) > 0)
			all += n;
		spin(d.loop, NULL, NULL, 3);
	}
	assert_int_equal(all, 200);
	close(fd);
}

/* n probes at the end of w, the last one cut short by so many octets. */
static size_t
probes(uint8_t *room, size_t size, unsigned n, size_t less)
{
	struct wbuf w = wbuf_of(room, size);
	struct ike_probe p = { 0 };

	while (n-- > 0) {
		p.peer++;
		assert_int_equal(msg_write_request(&w, p.peer,
		    &ike_probe_type, &p, NULL), 0);
	}
	return w.len - less;
}

static void
each_request_of_a_datagram_is_answered_in_order(void **state)
{
	int fd = raw_connect(d.path);
	uint8_t room[2000];
	struct msg m;
	uint32_t i;

	(void)state;
	assert_true(send(fd, room, probes(room, sizeof(room), 20, 0), 0) > 0);
	for (i = 1; i <= 20; i++) {	/* it never said several */
		assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
		assert_int_equal(m.id, i);
	}
	close(fd);
}

static void
ipc_03_what_is_cut_short_ends_it_after_what_was_whole(void **state)
{
	int fd = raw_connect(d.path);
	uint8_t room[2000];
	struct msg m;

	(void)state;
	assert_true(send(fd, room, probes(room, sizeof(room), 3, 1), 0) > 0);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_END);
	assert_int_equal(help_probes, 2);
	close(fd);
}

/* ---- the other side: struct link ---- */

static void
on_event(void *arg, const struct msg *m)
{
	(void)arg;
	assert_string_equal(m->name, "gre-acquire");
	d.events++;
}

static void
on_answer(void *arg, const void *m, const struct reason *why)
{
	(void)arg;
	(void)m;
	assert_null(why);
	d.answers++;
}

static bool
answered_all(void *arg)
{
	return d.answers == *(const unsigned *)arg;
}

static void
link_open_to_us(void)
{
	static const char *const wants[] = { "gre-", NULL };
	struct link_conf conf = { .events = wants, .event = on_event };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, pair), 0);
	conf.fd = pair[0];
	d.other = pair[1];
	d.link = link_new(d.loop, &conf, NULL);
	assert_non_null(d.link);
}

static void
ask(unsigned n)
{
	const struct ike_probe p = { .peer = 1 };

	while (n-- > 0)
		assert_int_equal(link_call(d.link, &ike_probe_type, &p,
		    &ike_probe_reply_type, on_answer, NULL, NULL), 0);
	spin(d.loop, NULL, NULL, 5);
}

static void
a_link_joins_messages_when_the_server_takes_them(void **state)
{
	const struct subscribe_reply yes = { .several = true };
	const struct gre_acquire ev = { .peer = 7 };
	uint8_t room[500];
	struct wbuf w = wbuf_of(room, sizeof(room));
	size_t octets;

	(void)state;
	link_open_to_us();
	ask(2);				/* behind the subscription */
	assert_int_equal(datagram(d.other, &octets), 1);
	assert_int_equal(datagram(d.other, &octets), 1);
	assert_int_equal(datagram(d.other, &octets), 1);
	/* the reply, and two events in the same datagram */
	assert_int_equal(msg_write_reply(&w, 1, &subscribe_reply_type, &yes,
	    NULL), 0);
	assert_int_equal(msg_write_event(&w, 5, &gre_acquire_type, &ev,
	    NULL), 0);
	assert_int_equal(msg_write_event(&w, 6, &gre_acquire_type, &ev,
	    NULL), 0);
	assert_int_equal(send(d.other, w.buf, w.len, 0), w.len);
	spin(d.loop, NULL, NULL, 5);
	assert_int_equal(d.events, 2);
	ask(3);
	assert_int_equal(datagram(d.other, &octets), 3);
}

/* An older one steps over the key and says nothing of it. */
static void
to_an_older_server_each_goes_alone(void **state)
{
	uint8_t room[100];
	struct wbuf w = wbuf_of(room, sizeof(room));
	size_t octets;

	(void)state;
	link_open_to_us();
	spin(d.loop, NULL, NULL, 5);
	assert_int_equal(datagram(d.other, &octets), 1);
	assert_int_equal(msg_write_reply(&w, 1, &nothing_type, NULL, NULL),
	    0);
	assert_int_equal(send(d.other, w.buf, w.len, 0), w.len);
	spin(d.loop, NULL, NULL, 5);
	ask(2);
	assert_int_equal(datagram(d.other, &octets), 1);
	assert_int_equal(datagram(d.other, &octets), 1);
}

static void
what_was_said_before_the_end_is_said(void **state)
{
	const struct ike_probe p = { .peer = 1 };
	size_t octets;

	(void)state;
	link_open_to_us();
	spin(d.loop, NULL, NULL, 5);
	assert_int_equal(datagram(d.other, &octets), 1);
	assert_int_equal(link_call(d.link, &ike_probe_type, &p,
	    &ike_probe_reply_type, on_answer, NULL, NULL), 0);
	link_free(d.link);
	d.link = NULL;
	assert_int_equal(datagram(d.other, &octets), 1);
}

static void
a_thousand_calls_of_one_turn_are_answered(void **state)
{
	static const char *const wants[] = { "gre-", NULL };
	struct link_conf conf = { .path = d.path, .events = wants };
	unsigned all = 1000;

	(void)state;
	d.link = link_new(d.loop, &conf, NULL);
	assert_non_null(d.link);
	spin(d.loop, NULL, NULL, 30);
	assert_true(link_is_up(d.link));
	ask(all);
	assert_true(spin(d.loop, answered_all, &all, 15000));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_said_in_a_turn_goes_in_one_datagram),
		CASE(no_datagram_is_longer_than_a_message_may_be),
		CASE(what_did_not_fit_into_the_socket_follows),
		CASE(each_request_of_a_datagram_is_answered_in_order),
		CASE(ipc_03_what_is_cut_short_ends_it_after_what_was_whole),
		CASE(a_link_joins_messages_when_the_server_takes_them),
		CASE(to_an_older_server_each_goes_alone),
		CASE(what_was_said_before_the_end_is_said),
		CASE(a_thousand_calls_of_one_turn_are_answered),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
