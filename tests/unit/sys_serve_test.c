#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sys_help.h"

/* A daemon with one command that answers, one that does it later, one that
 * is secret. */
static struct {
	struct loop	*loop;
	struct server	*server;
	char		*dir;
	char		 path[108];
	struct call	 late;
	unsigned	 subscriptions;
} d;

static void
on_late(void *arg, const struct call *c, const void *in)
{
	(void)arg;
	(void)in;
	d.late = *c;
}

static void
on_secret(void *arg, const struct call *c, const void *in)
{
	(void)arg;
	(void)in;
	call_ok(c);
}

static void
on_subscribed(void *arg)
{
	(void)arg;
	d.subscriptions++;
}

static const struct msg_type *const secrets[] = { &ike_keys_type, NULL };

/* Tells all who may know it. */
static void
on_close(void *arg, const struct call *c, const void *in)
{
	const struct ike_keys k = { .line = "0123" };

	(void)arg;
	(void)in;
	server_event(d.server, &ike_keys_type, &k);
	call_ok(c);
}

static const struct serve_row rows[] = {
	{ &ike_probe_type, help_probe, false },
	{ &ike_rekey_type, on_late, false },
	{ &pki_unload_type, on_secret, true },
	{ &ike_close_type, on_close, false },
};

static void
serve_as(gid_t group)
{
	struct server_conf conf = { .program = "dmvpn-test", .path = d.path,
		.rows = rows, .n_rows = 4, .group = group,
		.secrets = secrets,
		.subscribed = on_subscribed };
	struct err e = { 0 };

	if ((d.server = server_new(d.loop, &conf, &e)) == NULL)
		fail_msg("%s", e.msg);
}

static int
setup(void **state)
{
	(void)state;
	memset(&d, 0, sizeof(d));
	help_probes = 0;
	d.dir = temp_dir();
	snprintf(d.path, sizeof(d.path), "%s/x.sock", d.dir);
	d.loop = loop_new(NULL);
	serve_as((gid_t)-1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	server_free(d.server);
	loop_free(d.loop);
	remove_dir(d.dir);
	return 0;
}

static int
client(void)
{
	int fd = raw_connect(d.path);

	assert_true(fd >= 0);
	return fd;
}

static bool
probes_unwanted(void *arg)
{
	(void)arg;
	return !server_wanted(d.server, &ike_probe_type);
}

static bool
came_late(void *arg)
{
	(void)arg;
	return d.late.id == 1;
}

static void
hello_tells_version_and_schema(void **state)
{
	struct hello_reply h;
	struct msg m;
	int fd = client();

	(void)state;
	raw_call(fd, 1, &hello_type, NULL);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
	assert_int_equal(m.class, MSG_REPLY);
	assert_int_equal(msg_get(m.body, &hello_reply_type, &h, NULL), 0);
	assert_string_equal(h.program, "dmvpn-test");
	assert_int_equal(h.schema, MSG_SCHEMA);
	assert_int_equal(h.pid, getpid());
	close(fd);
}

/* What is allocated shows, what is freed goes; no more than tidying moves. */
static void
hello_tells_what_is_allocated(void **state)
{
	const int64_t block = 1000000;
	int fd = client();
	int64_t used[3];
	void *p = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct hello_reply h;
		struct msg m;

		if (i == 1) {
			p = malloc((size_t)block);
			assert_non_null(p);
		}
		raw_call(fd, 1, &hello_type, NULL);
		assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
		assert_int_equal(msg_get(m.body, &hello_reply_type, &h, NULL),
		    0);
		used[i] = (int64_t)h.heap;
		free(p);
		p = NULL;
	}
	close(fd);
	if (used[0] == 0)
		skip();		/* a sanitizer's malloc, or another libc */
	assert_in_range(used[1] - used[0], block - 20000, block + 20000);
	assert_in_range(used[2] - used[0] + 20000, 0, 40000);
}

static void
a_request_reaches_its_row_and_is_answered(void **state)
{
	struct ike_probe p = { .peer = 7 };
	struct ike_probe_reply r;
	struct msg m;
	int fd = client();

	(void)state;
	raw_call(fd, 42, &ike_probe_type, &p);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
	assert_int_equal(m.id, 42);
	assert_int_equal(msg_get(m.body, &ike_probe_reply_type, &r, NULL),
	    0);
	assert_int_equal(r.rtt, 7);
	/* id 0: done, but nobody is told */
	raw_call(fd, 0, &ike_probe_type, &p);
	raw_call(fd, 43, &ike_probe_type, &p);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
	assert_int_equal(m.id, 43);
	assert_int_equal(help_probes, 3);
	close(fd);
}

static void
failure_code(int fd, struct msg *m, struct reason *r)
{
	assert_int_equal(raw_await(d.loop, fd, m), GOT_MESSAGE);
	assert_int_equal(m->class, MSG_FAILURE);
	assert_int_equal(msg_get(m->body, &reason_type, r, NULL), 0);
}

static void
ipc_11_an_unknown_command_is_an_error_that_shows_the_version(void **state)
{
	struct reason r;
	struct msg m;
	int fd = client();

	(void)state;
	raw_call(fd, 5, &nothing_type, NULL);
	failure_code(fd, &m, &r);
	assert_int_equal(m.id, 5);
	assert_string_equal(r.code, "unknown-command");
	assert_non_null(strstr(r.text, "version"));
	assert_non_null(strstr(r.text, "\"nothing\""));
	close(fd);
}

static void
a_bad_body_is_refused_and_the_client_stays(void **state)
{
	static const uint8_t bad[] = "\xa3\x62id\x01\x64" "call\x69" "ike-probe"
	    "\x64with\xa1\x64peer\x00";
	struct ike_probe p = { .peer = 7 };
	struct reason r;
	struct msg m;
	int fd = client();

	(void)state;
	assert_int_equal(send(fd, bad, sizeof(bad) - 1, 0), sizeof(bad) - 1);
	failure_code(fd, &m, &r);
	assert_string_equal(r.code, "invalid");
	assert_string_equal(r.text,
	    "ike-probe: peer: 0, 1..65533 is allowed");
	raw_call(fd, 2, &ike_probe_type, &p);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
	assert_int_equal(m.class, MSG_REPLY);
	close(fd);
}

static void
ipc_03_octets_that_are_no_message_end_the_connection(void **state)
{
	static const char *const bad[] = { "\xff", "\xa0", "hello", "\x9f" };
	struct msg m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = client();

		assert_true(send(fd, bad[i], strlen(bad[i]), 0) > 0);
		assert_int_equal(raw_await(d.loop, fd, &m), GOT_END);
		close(fd);
	}
}

static void
ipc_04_empty_and_oversized_datagrams_end_the_connection(void **state)
{
	static uint8_t big[MSG_MAX + 1];
	struct msg m;
	int fd = client();

	(void)state;
	assert_int_equal(send(fd, big, 0, 0), 0);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_END);
	close(fd);
	fd = client();
	assert_int_equal(send(fd, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_END);
	close(fd);
}

static void
ipc_09_descriptors_are_refused_and_do_not_leak(void **state)
{
	union {
		struct cmsghdr	h;
		char		b[CMSG_SPACE(sizeof(int) * 253)];
	} control = { .b = { 0 } };
	uint8_t hello[64];
	struct wbuf w = wbuf_of(hello, sizeof(hello));
	struct iovec iov = { hello, 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	struct msg m;
	unsigned before;
	int i, fd = client(), fds[253];

	(void)state;
	/* a good message otherwise */
	assert_int_equal(msg_write_request(&w, 2, &hello_type, NULL, NULL),
	    0);
	iov.iov_len = w.len;
	raw_call(fd, 1, &hello_type, NULL);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
	before = count_fds();
	for (i = 0; i < 253; i++)
		fds[i] = STDERR_FILENO;
	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	control.h.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.h), fds, sizeof(fds));
	assert_int_equal(sendmsg(fd, &mh, 0), w.len);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_END);
	close(fd);
	before -= 2;		/* ours and the server's side */
	assert_true(spin(d.loop, has_fds, &before, 15000));
}

static void
events_go_to_who_subscribed_to_a_prefix(void **state)
{
	const struct subscribe ike = { .n_events = 1, .events = { "ike-" } };
	const struct subscribe all = { .n_events = 1,
		.events = { "pki-changed" } };
	struct gre_acquire a = { .peer = 3 };
	struct ike_probe p = { .peer = 9 };
	struct msg m;
	int one = client(), two = client();

	(void)state;
	raw_call(one, 1, &subscribe_type, &ike);
	raw_call(two, 1, &subscribe_type, &all);
	assert_int_equal(raw_await(d.loop, one, &m), GOT_MESSAGE);
	assert_int_equal(raw_await(d.loop, two, &m), GOT_MESSAGE);
	assert_int_equal(d.subscriptions, 2);
	assert_true(server_wanted(d.server, &ike_probe_type));
	assert_false(server_wanted(d.server, &gre_acquire_type));
	server_event(d.server, &gre_acquire_type, &a);
	server_event(d.server, &ike_probe_type, &p);
	assert_int_equal(raw_await(d.loop, one, &m), GOT_MESSAGE);
	assert_int_equal(m.class, MSG_EVENT);
	assert_string_equal(m.name, "ike-probe");
	assert_int_equal(raw_get(two, &m), GOT_NOTHING);
	close(one);
	assert_true(spin(d.loop, probes_unwanted, NULL, 15000));
	assert_int_equal(d.subscriptions, 3);
	close(two);
}

static void
an_event_that_is_out_of_bounds_is_not_sent(void **state)
{
	const struct subscribe all = { .n_events = 1, .events = { "gre" } };
	struct gre_acquire bad = { .peer = 0 };
	struct msg m;
	int fd = client();

	(void)state;
	raw_call(fd, 1, &subscribe_type, &all);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
	server_event(d.server, &gre_acquire_type, &bad);
	assert_int_equal(raw_get(fd, &m), GOT_NOTHING);
	close(fd);
}

static void
a_reader_that_sleeps_never_blocks_us_and_is_told_at_the_end(void **state)
{
	const struct subscribe all = { .n_events = 1, .events = { "gre" } };
	static uint8_t data[4000];
	struct gre_nhrp ev = { .interface = "x", .data = rbuf_of(data,
	    sizeof(data)) };
	struct ike_probe p = { .peer = 1 };
	uint64_t start;
	struct overflow lost = { 0 };
	struct msg m;
	enum got got;
	int i, sleeper = client(), other = client();

	(void)state;
	ev.remote.addr = addr_of("\x7f\0\0\1", 4);
	raw_call(sleeper, 1, &subscribe_type, &all);
	assert_int_equal(raw_await(d.loop, sleeper, &m), GOT_MESSAGE);
	start = clock_ms();
	for (i = 0; i < 2000; i++)
		server_event(d.server, &gre_nhrp_type, &ev);
	raw_call(other, 1, &ike_probe_type, &p);
	assert_int_equal(raw_await(d.loop, other, &m), GOT_MESSAGE);
	assert_true(clock_ms() - start < 10000);
	assert_false(server_wanted(d.server, &gre_nhrp_type));
	/* what the kernel kept, then overflow, then the end */
	while ((got = raw_await(d.loop, sleeper, &m)) == GOT_MESSAGE)
		if (strcmp(m.name, "overflow") == 0)
			assert_int_equal(msg_get(m.body, &overflow_type,
			    &lost, NULL), 0);
	assert_int_equal(got, GOT_END);
	assert_true(lost.lost > 100 && lost.lost < 2000);
	close(sleeper);
	close(other);
}

/* How many messages waited for one who does not read, of so many octets. */
static uint64_t
waited_for(size_t octets)
{
	const struct subscribe all = { .n_events = 1, .events = { "gre" } };
	static uint8_t data[4000];
	struct gre_nhrp ev = { .interface = "x", .data = rbuf_of(data,
	    octets) };
	struct overflow lost = { 0 };
	int i, sleeper = client();
	struct msg m;

	ev.remote.addr = addr_of("\x7f\0\0\1", 4);
	raw_call(sleeper, 1, &subscribe_type, &all);
	assert_int_equal(raw_await(d.loop, sleeper, &m), GOT_MESSAGE);
	for (i = 0; i < 4000 && server_wanted(d.server, &gre_nhrp_type); i++)
		server_event(d.server, &gre_nhrp_type, &ev);
	while (raw_await(d.loop, sleeper, &m) == GOT_MESSAGE)
		if (strcmp(m.name, "overflow") == 0)
			assert_int_equal(msg_get(m.body, &overflow_type,
			    &lost, NULL), 0);
	close(sleeper);
	return lost.lost;
}

static void
what_waits_is_bounded_in_octets_and_in_messages(void **state)
{
	(void)state;
	assert_in_range(waited_for(4000), 240, 280);
	assert_in_range(waited_for(10), 1000, 1030);
}

static void
ipc_10_a_client_that_leaves_before_its_reply_does_no_harm(void **state)
{
	struct ike_rekey k = { .peer = 1 };
	struct ike_probe p = { .peer = 1 };
	struct msg m;
	int fd = client();

	(void)state;
	raw_call(fd, 1, &ike_rekey_type, &k);
	assert_true(spin(d.loop, came_late, NULL, 15000));
	close(fd);
	call_ok(&d.late);		/* EPIPE, no SIGPIPE */
	spin(d.loop, NULL, NULL, 30);
	call_ok(&d.late);		/* nobody of that number */
	fd = client();
	raw_call(fd, 1, &ike_probe_type, &p);
	assert_int_equal(raw_await(d.loop, fd, &m), GOT_MESSAGE);
	close(fd);
}

#define CROWD	300

struct crowd {
	int	n, ended;
	int	fds[CROWD];
	bool	gone[CROWD];
};

/* The backlog may be full for a moment. */
static bool
crowd_is_in(void *arg)
{
	struct crowd *c = (struct crowd *)arg;

	while (c->n < CROWD && (c->fds[c->n] = raw_connect(d.path)) >= 0)
		c->n++;
	return c->n == CROWD;
}

static bool
crowd_is_thinned(void *arg)
{
	struct crowd *c = (struct crowd *)arg;
	struct msg m;

	for (int i = 0; i < CROWD; i++)
		if (!c->gone[i] && raw_get(c->fds[i], &m) == GOT_END) {
			c->gone[i] = true;
			c->ended++;
		}
	return c->ended == CROWD - 256;
}

static void
ipc_06_more_clients_than_places_are_turned_away(void **state)
{
	struct ike_probe p = { .peer = 1 };
	enum got got;
	struct msg m;
	struct crowd all = { .n = 0 };
	int i, fd;

	(void)state;
	assert_true(spin(d.loop, crowd_is_in, &all, 15000));
	assert_true(spin(d.loop, crowd_is_thinned, &all, 15000));
	spin(d.loop, NULL, NULL, 30);		/* and no more than those */
	assert_true(crowd_is_thinned(&all));
	for (i = 0; i < CROWD; i++)
		close(all.fds[i]);
	do {		/* until it has heard of the first that left */
		fd = client();
		raw_call(fd, 1, &ike_probe_type, &p);
		got = raw_await(d.loop, fd, &m);
		close(fd);
	} while (got == GOT_END);
	assert_int_equal(got, GOT_MESSAGE);
}

static void
ipc_06_without_descriptors_it_neither_spins_nor_stops(void **state)
{
	struct rlimit old, few;
	struct ike_probe p = { .peer = 1 };
	struct msg m;
	double cpu;
	int fds[40], n = 0, i;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = count_fds() + 24;
	for (i = 0; i < 20; i++)
		if ((fds[n] = raw_connect(d.path)) >= 0)
			n++;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	cpu = cpu_seconds();
	spin(d.loop, NULL, NULL, 1000);
	cpu = cpu_seconds() - cpu;
	assert_true(cpu < 0.2);		/* the 2 ms look costs some */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (n > 0)
		close(fds[--n]);
	spin(d.loop, NULL, NULL, 500);
	fds[0] = client();
	raw_call(fds[0], 1, &ike_probe_type, &p);
	assert_int_equal(raw_await(d.loop, fds[0], &m), GOT_MESSAGE);
	close(fds[0]);
}

/* What a child of another uid gets: exit status. */
static int
as_nobody(gid_t gid, int (*what)(void))
{
	pid_t pid = fork();
	int status = -1;
	uint64_t limit = clock_ms() + 5000;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(65534, 65534, 65534) < 0)
			_exit(99);
		_exit(what());
	}
	while (waitpid(pid, &status, WNOHANG) == 0 && clock_ms() < limit)
		spin(d.loop, NULL, NULL, 10);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* 0: a reply, 1: refused, 2: closed, 3: no connection. */
static int
try_call(const struct msg_type *t, const void *m)
{
	struct err e = { 0 };
	struct reason r;
	struct conn *c = conn_open(d.path, &e);
	int rc;

	if (c == NULL)
		return 3;
	rc = conn_call(c, t, m, NULL, NULL, &r, &e);
	conn_close(c);
	return rc == 0 ? 0 : strcmp(r.code, "denied") == 0 ? 1 : 2;
}

static int
try_probe(void)
{
	struct ike_probe p = { .peer = 1 };

	return try_call(&ike_probe_type, &p);
}

static int
try_secret(void)
{
	struct pki_unload u = { .identity = "x" };

	return try_call(&pki_unload_type, &u);
}

static void
ipc_07_another_uid_outside_the_group_can_not_connect(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(d.dir, 0711), 0);
	assert_int_equal(as_nobody(65534, try_probe), 3);
	/* even if the file lets it: credentials are checked */
	assert_int_equal(chmod(d.path, 0666), 0);
	assert_int_equal(as_nobody(65534, try_probe), 2);
}

static void
ipc_08_a_member_of_the_group_may_ask_but_give_no_secret(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	server_free(d.server);
	serve_as(65534);
	assert_int_equal(chmod(d.dir, 0711), 0);
	assert_int_equal(as_nobody(65534, try_probe), 0);
	assert_int_equal(as_nobody(65534, try_secret), 1);
	assert_int_equal(help_probes, 1);
}

/* 0: nothing came, 1: an event. */
static int
listen_for_keys(void)
{
	static const char *const all[] = { "ike", NULL };
	const struct ike_close m = { .peer = 1 };
	struct conn *c = conn_open(d.path, NULL);
	struct msg ev;
	int rc = 9;

	if (c != NULL && conn_subscribe(c, all, NULL) == 0 &&
	    conn_call(c, &ike_close_type, &m, NULL, NULL, NULL, NULL) == 0)
		rc = conn_event(c, &ev, 100, &(bool){ false }, NULL);
	conn_close(c);
	return rc;
}

static void
ipc_08_secret_events_go_to_our_own_uid_alone(void **state)
{
	const struct subscribe all = { .n_events = 1, .events = { "ike" } };
	const struct ike_close m = { .peer = 1 };
	struct msg ev;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	server_free(d.server);
	serve_as(65534);
	assert_int_equal(chmod(d.dir, 0711), 0);
	assert_int_equal(as_nobody(65534, listen_for_keys), 0);
	fd = client();
	raw_call(fd, 1, &subscribe_type, &all);
	assert_int_equal(raw_await(d.loop, fd, &ev), GOT_MESSAGE);
	raw_call(fd, 2, &ike_close_type, &m);
	assert_int_equal(raw_await(d.loop, fd, &ev), GOT_MESSAGE);
	assert_string_equal(ev.name, "ike-keys");
	close(fd);
}

/* Why a second server at path is refused. */
static void
second(const char *path, const char *why)
{
	struct server_conf conf = { .program = "dmvpn-test", .path = path,
		.group = (gid_t)-1 };
	struct err e = { 0 };

	assert_null(server_new(d.loop, &conf, &e));
	if (strstr(e.msg, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.msg, why);
}

static void
ipc_07_only_a_stale_socket_is_replaced(void **state)
{
	char path[120], lock[128];
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	(void)state;
	second(d.path, "another daemon serves");
	snprintf(path, sizeof(path), "%s/file", d.dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	second(path, "no socket");
	snprintf(lock, sizeof(lock), "%s/link", d.dir);
	assert_int_equal(symlink(d.path, lock), 0);
	second(lock, "no socket");
	/* alive, but without our lock */
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/live", d.dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 1), 0);
	second(un.sun_path, "another daemon serves");
	close(fd);
	/* now it is stale */
	server_free(d.server);
	snprintf(d.path, sizeof(d.path), "%s", un.sun_path);
	serve_as((gid_t)-1);
	close(client());
}

static void
ipc_07_a_directory_that_all_may_write_is_refused(void **state)
{
	char dir[120], path[130];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/open", d.dir);
	snprintf(path, sizeof(path), "%s/s", dir);
	second(path, "directory");
	assert_int_equal(mkdir(dir, 0777), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	second(path, "may be written by everybody");
}

static void
the_socket_file_has_mode_0660_and_goes_at_the_end(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(d.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	server_free(d.server);
	d.server = NULL;
	assert_int_equal(stat(d.path, &st), -1);
}

static void
stop_ends_the_loop_after_its_answer(void **state)
{
	struct stop s = { .keep = false };
	struct msg m;
	uint64_t start = clock_ms();
	int fd = client();

	(void)state;
	raw_call(fd, 8, &stop_type, &s);
	spin(d.loop, NULL, NULL, 20000);
	assert_true(clock_ms() - start < 15000);
	assert_int_equal(raw_get(fd, &m), GOT_MESSAGE);
	assert_int_equal(m.class, MSG_REPLY);
	close(fd);
}

static void
a_client_may_be_given_as_a_descriptor(void **state)
{
	struct ike_probe p = { .peer = 2 };
	struct msg m;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK,
	    0, pair), 0);
	assert_int_equal(server_add(d.server, pair[0], NULL), 0);
	raw_call(pair[1], 3, &ike_probe_type, &p);
	assert_int_equal(raw_await(d.loop, pair[1], &m), GOT_MESSAGE);
	assert_int_equal(m.id, 3);
	close(pair[1]);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(hello_tells_version_and_schema),
		CASE(hello_tells_what_is_allocated),
		CASE(a_request_reaches_its_row_and_is_answered),
		CASE(ipc_11_an_unknown_command_is_an_error_that_shows_the_version),
		CASE(a_bad_body_is_refused_and_the_client_stays),
		CASE(ipc_03_octets_that_are_no_message_end_the_connection),
		CASE(ipc_04_empty_and_oversized_datagrams_end_the_connection),
		CASE(ipc_09_descriptors_are_refused_and_do_not_leak),
		CASE(events_go_to_who_subscribed_to_a_prefix),
		CASE(an_event_that_is_out_of_bounds_is_not_sent),
		CASE(a_reader_that_sleeps_never_blocks_us_and_is_told_at_the_end),
		CASE(what_waits_is_bounded_in_octets_and_in_messages),
		CASE(ipc_10_a_client_that_leaves_before_its_reply_does_no_harm),
		CASE(ipc_06_more_clients_than_places_are_turned_away),
		CASE(ipc_06_without_descriptors_it_neither_spins_nor_stops),
		CASE(ipc_07_another_uid_outside_the_group_can_not_connect),
		CASE(ipc_08_a_member_of_the_group_may_ask_but_give_no_secret),
		CASE(ipc_08_secret_events_go_to_our_own_uid_alone),
		CASE(ipc_07_only_a_stale_socket_is_replaced),
		CASE(ipc_07_a_directory_that_all_may_write_is_refused),
		CASE(the_socket_file_has_mode_0660_and_goes_at_the_end),
		CASE(stop_ends_the_loop_after_its_answer),
		CASE(a_client_may_be_given_as_a_descriptor),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
