#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/link.h"
#include "sys/unixsock.h"

#define CALL_LIMIT 10000	/* ms */

/* Events that came while a reply was waited for. */
struct held {
	struct held	*next;
	size_t		 len;
	uint8_t		 b[];
};

struct conn {
	int		 fd;
	uint32_t	 last_id;
	char		 path[108];
	struct held	*first, **last;
	struct held	*shown;		/* body of the last conn_event */
	uint8_t		 buf[MSG_MAX];
};

static struct conn *
conn_of(int fd, const char *path, struct err *e)
{
	struct conn *c = (struct conn *)calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return err_null(err_set(e, ENOMEM, "out of memory"));
	}
	c->fd = fd;
	c->last = &c->first;
	(void)text_copy(c->path, sizeof(c->path), path, NULL);
	return c;
}

struct conn *
conn_open(const char *path, struct err *e)
{
	struct err why = { 0 };
	int fd = socket_connect(path, true, &why);

	if (fd >= 0)
		return conn_of(fd, path, e);
	if (why.code == ENOENT || why.code == ECONNREFUSED)
		return err_null(err_set(e, why.code, "nobody serves %s: is "
		    "the daemon running?", path));
	if (e != NULL)
		*e = why;
	return NULL;
}

struct conn *
conn_of_fd(int fd, struct err *e)
{
	return conn_of(fd, "inherited descriptor", e);
}

void
conn_close(struct conn *c)
{
	struct held *h, *next;

	if (c == NULL)
		return;
	for (h = c->first; h != NULL; h = next) {
		next = h->next;
		free(h);
	}
	free(c->shown);
	close(c->fd);
	explicit_bzero(c->buf, sizeof(c->buf));
	free(c);
}

int
conn_fd(const struct conn *c)
{
	return c->fd;
}

/* 1: ready; 0: the time limit (0: none) passed. */
static int
wait_for(struct conn *c, short what, uint64_t limit, struct err *e)
{
	struct pollfd pfd = { .fd = c->fd, .events = what };

	for (;;) {
		uint64_t now = clock_ms();
		int ms = limit == 0 ? -1 : limit <= now ? 0 :
		    (int)(limit - now);
		int rc = poll(&pfd, 1, ms);

		if (rc >= 0)
			return rc;
		if (errno != EINTR)
			return err_sys(e, "wait for %s", c->path);
	}
}

static int
send_all(struct conn *c, struct rbuf message, uint64_t limit, struct err *e)
{
	for (;;) {
		int rc;

		if (send(c->fd, message.p, rbuf_left(&message),
		    MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(e, "send to %s", c->path);
		if ((rc = wait_for(c, POLLOUT, limit, e)) < 0)
			return -1;
		if (rc == 0)
			return err_set(e, ETIMEDOUT, "%s does not read",
			    c->path);
	}
}

/* The next message into c->buf: 1, 0 after the limit or at the end (*closed),
 * -1. */
static int
receive(struct conn *c, struct msg *m, uint64_t limit, bool *closed,
    struct err *e)
{
	struct iovec iov = { .iov_base = c->buf, .iov_len = sizeof(c->buf) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int rc;

	*closed = false;
	do {
		if ((rc = wait_for(c, POLLIN, limit, e)) <= 0)
			return rc;
		n = recvmsg(c->fd, &mh, MSG_DONTWAIT);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n == 0 || (n < 0 && errno == ECONNRESET)) {
		*closed = true;
		return 0;
	}
	if (n < 0)
		return err_sys(e, "read from %s", c->path);
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return err_set(e, EBADMSG, "%s: a message over the limit",
		    c->path);
	if (msg_read(rbuf_of(c->buf, (size_t)n), m, e) < 0)
		return err_in(e, "%s", c->path);
	return 1;
}

/* Keep an event for conn_event; its octets are copied again later. */
static int
hold(struct conn *c, const struct msg *m, struct err *e)
{
	size_t n = (size_t)(m->body.end - c->buf);
	struct held *h = (struct held *)malloc(sizeof(*h) + n);

	if (h == NULL)
		return err_set(e, ENOMEM, "out of memory");
	h->next = NULL;
	h->len = n;
	memcpy(h->b, c->buf, n);
	*c->last = h;
	c->last = &h->next;
	return 0;
}

/* Our reply is in m: decode it. */
static int
take_answer(const struct msg *m, const struct msg_type *reply, void *out,
    struct reason *r, struct err *e)
{
	struct reason why;
	char line[ERR_MAX];

	if (m->class == MSG_REPLY)
		return out == NULL || reply == NULL ? 0 :
		    msg_get(m->body, reply, out, e);
	if (msg_get(m->body, &reason_type, &why, e) < 0)
		return -1;
	if (r != NULL)
		*r = why;
	return err_set(e, EPROTO, "%s", reason_text(&why, line,
	    sizeof(line)));
}

static int
wait_answer(struct conn *c, uint32_t id, const struct msg_type *reply,
    void *out, struct reason *r, struct err *e)
{
	uint64_t limit = clock_ms() + CALL_LIMIT;
	bool closed;
	struct msg m;
	int rc;

	for (;;) {
		rc = receive(c, &m, limit, &closed, e);
		if (rc < 0)
			return -1;
		if (rc == 0 && closed)
			return err_set(e, ECONNRESET, "%s closed the "
			    "connection", c->path);
		if (rc == 0)
			return err_set(e, ETIMEDOUT, "%s: no answer within "
			    "10 seconds", c->path);
		if (m.class == MSG_EVENT) {
			if (hold(c, &m, e) < 0)
				return -1;
		} else if (m.id == id)
			return take_answer(&m, reply, out, r, e);
	}
}

int
conn_call(struct conn *c, const struct msg_type *t, const void *m,
    const struct msg_type *reply, void *out, struct reason *r,
    struct err *e)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	uint32_t id = ++c->last_id != 0 ? c->last_id : ++c->last_id;
	int rc;

	if (r != NULL)
		memset(r, 0, sizeof(*r));
	rc = msg_write_request(&w, id, t, m, e);
	if (rc == 0)
		rc = send_all(c, wbuf_rbuf(&w), clock_ms() + CALL_LIMIT, e);
	explicit_bzero(room, w.len);
	return rc < 0 ? -1 : wait_answer(c, id, reply, out, r, e);
}

int
conn_subscribe(struct conn *c, const char *const *events, struct err *e)
{
	struct subscribe m = { 0 };

	for (; *events != NULL; events++) {
		if (m.n_events == sizeof(m.events) / sizeof(m.events[0]))
			return err_set(e, E2BIG, "too many subscriptions");
		if (text_copy(m.events[m.n_events++], sizeof(m.events[0]),
		    *events, e) < 0)
			return -1;
	}
	return conn_call(c, &subscribe_type, &m, NULL, NULL, NULL, e);
}

static int
next_held(struct conn *c, struct msg *m, struct err *e)
{
	struct held *h = c->first;

	c->first = h->next;
	if (c->first == NULL)
		c->last = &c->first;
	c->shown = h;
	return msg_read(rbuf_of(h->b, h->len), m, e) < 0 ? -1 : 1;
}

int
conn_event(struct conn *c, struct msg *m, int ms, bool *closed,
    struct err *e)
{
	uint64_t limit = ms < 0 ? 0 : clock_ms() + (uint64_t)ms;
	bool end = false;
	int rc;

	free(c->shown);
	c->shown = NULL;
	if (closed != NULL)
		*closed = false;
	if (c->first != NULL)
		return next_held(c, m, e);
	do
		rc = receive(c, m, limit, &end, e);
	while (rc == 1 && m->class != MSG_EVENT);
	if (closed != NULL)
		*closed = end;
	return rc;
}
