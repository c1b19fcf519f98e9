#ifndef SYS_HELP_H
#define SYS_HELP_H

/* For the tests of lib/sys: a loop that runs for a while, a directory, raw
 * clients that need not behave.  Include after cmocka.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "msg/types.h"
#include "sys/link.h"
#include "sys/loop.h"
#include "sys/serve.h"

#define UNUSED __attribute__((unused))

struct spin {
	struct loop	*loop;
	bool		(*done)(void *arg);
	void		*arg;
	uint64_t	 limit;
	struct timer	 timer;
};

static UNUSED void
spin_look(void *arg)
{
	struct spin *s = (struct spin *)arg;

	if (clock_ms() >= s->limit || (s->done != NULL && s->done(s->arg))) {
		loop_stop(s->loop);
		return;
	}
	if (timer_at(s->loop, &s->timer, clock_ms() + 2, spin_look, s,
	    NULL) < 0)
		loop_stop(s->loop);
}

/* Run the loop until done(arg), ms at most.  Did it happen? */
static UNUSED bool
spin(struct loop *l, bool (*done)(void *), void *arg, uint64_t ms)
{
	struct spin s = { .loop = l, .done = done, .arg = arg,
		.limit = clock_ms() + ms };

	spin_look(&s);
	(void)loop_run(l, NULL);
	timer_stop(&s.timer);
	return done != NULL && done(arg);
}

/* From here on nobody hears what is written to stderr. */
static UNUSED void
quiet(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
}

static UNUSED char *
temp_dir(void)
{
	static char dir[64];

	snprintf(dir, sizeof(dir), "/tmp/dmvpn-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	return dir;
}

static UNUSED void
remove_dir(const char *dir)
{
	char path[512];
	struct dirent *d;
	DIR *h = opendir(dir);

	while (h != NULL && (d = readdir(h)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		(void)unlink(path);
		(void)rmdir(path);
	}
	if (h != NULL)
		closedir(h);
	(void)rmdir(dir);
}

static UNUSED int
raw_connect(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static UNUSED void
raw_call(int fd, uint32_t id, const struct msg_type *t, const void *m)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));

	assert_int_equal(msg_write_request(&w, id, t, m, NULL), 0);
	(void)send(fd, w.buf, w.len, MSG_NOSIGNAL);
}

/* Rows of a server: answers with the peer's number as the time, or never. */
static UNUSED unsigned help_probes;

static UNUSED void
help_probe(void *arg, const struct call *c, const void *in)
{
	struct ike_probe_reply r = { .alive = true,
		.rtt = ((const struct ike_probe *)in)->peer };

	(void)arg;
	help_probes++;
	call_reply(c, &ike_probe_reply_type, &r);
}

static UNUSED void
help_silent(void *arg, const struct call *c, const void *in)
{
	(void)arg;
	(void)c;
	(void)in;
}

/* Peers after p->after up to last, 32 a page: without generation. */
static UNUSED void
help_peers(const struct page *p, uint64_t last, struct gre_peers *m)
{
	uint64_t i;

	memset(m, 0, sizeof(*m));
	for (i = p->after + 1; i <= last && m->n_items < 32; i++) {
		m->items[m->n_items].peer = (uint16_t)i;
		m->items[m->n_items++].remote.addr = addr_of("\x7f\0\0\1", 4);
	}
	m->next = i <= last ? i - 1 : 0;
}

/* One message, or closed, or nothing. */
enum got { GOT_NOTHING, GOT_MESSAGE, GOT_END };

static UNUSED enum got
raw_get(int fd, struct msg *m)
{
	static uint8_t buf[MSG_MAX + 1];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return GOT_END;
	if (n < 0)
		return GOT_NOTHING;
	assert_int_equal(msg_read(rbuf_of(buf, (size_t)n), m, NULL), 0);
	return GOT_MESSAGE;
}

struct raw_wait {
	int		 fd;
	struct msg	 m;
	enum got	 got;
};

static UNUSED bool
raw_arrived(void *arg)
{
	struct raw_wait *w = (struct raw_wait *)arg;

	if (w->got == GOT_NOTHING)
		w->got = raw_get(w->fd, &w->m);
	return w->got != GOT_NOTHING;
}

/* Run the loop until something comes on fd. */
static UNUSED enum got
raw_await(struct loop *l, int fd, struct msg *m)
{
	struct raw_wait w = { .fd = fd };

	spin(l, raw_arrived, &w, 15000);
	*m = w.m;
	return w.got;
}

static UNUSED unsigned
count_fds(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n++;
	return n;
}

/* For spin: are so many open? */
static UNUSED bool
has_fds(void *arg)
{
	return count_fds() == *(const unsigned *)arg;
}

static UNUSED double
cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

#endif
