#include "sys/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/text.h"
#include "sys/log.h"
#include "sys/outbox.h"
#include "sys/unixsock.h"

#define RETRY_FIRST	50	/* ms, doubling */
#define RETRY_LAST	1000
#define CALL_LIMIT	10000	/* ms */
#define READ_BATCH	64
#define QUEUE_MAX	(8 * 1024 * 1024)	/* 10,000 peers stated anew */

struct pending {
	struct pending		*prev, *next;
	uint32_t		 id;
	uint64_t		 limit;
	const struct msg_type	*reply;
	link_done		*done;
	void			*arg;
};

struct link {
	struct loop	*loop;
	struct link_conf conf;
	char		 path[108];
	int		 fd;
	bool		 up;
	bool		 busy;		/* in a callback of ours */
	bool		 dead;		/* freed inside one */
	bool		 brief;		/* the last connection was */
	uint32_t	 last_id;
	uint64_t	 pause;		/* ms before the next try */
	uint64_t	 since;		/* connected; ms */
	struct watch	 reads, writes;
	struct timer	 retry, limit, choked;
	struct pending	*calls;
	struct after	 flush;
	struct outbox	 queue;
	bool		 several;	/* in one datagram: it takes them */
};

static void link_try(void *arg);
static void link_break(struct link *k, const char *why);

bool
link_is_up(const struct link *k)
{
	return k != NULL && k->up;
}

static void
pending_fail(struct pending *p, const char *code, const char *why)
{
	struct reason r;

	reason_set(&r, "link", code, "%s", why);
	if (p->done != NULL)
		p->done(p->arg, NULL, &r);
	free(p);
}

static void
link_close(struct link *k)
{
	watch_stop(&k->reads);
	watch_stop(&k->writes);
	timer_stop(&k->limit);
	timer_stop(&k->choked);
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
	k->up = k->several = false;
	after_stop(&k->flush);
	outbox_clear(&k->queue);
}

/* A callback may free the link: then only the shell is left until we return
 * to where busy was set. */
static bool
link_enter(struct link *k)
{
	bool outer = !k->busy;

	k->busy = true;
	return outer;
}

static void
link_leave(struct link *k, bool outer)
{
	if (!outer)
		return;
	k->busy = false;
	if (k->dead)
		free(k);
}

static void
calls_fail(struct link *k, const char *code, const char *why)
{
	struct pending *all = k->calls, *p, *next;

	k->calls = NULL;	/* new ones may be made meanwhile */
	DL_FOREACH_SAFE(all, p, next) {
		if (k->dead)
			free(p);
		else
			pending_fail(p, code, why);
	}
}

/* The pause begins anew after a connection, but not after one brief one after
 * the other: who takes them and closes them at once is not asked without end. */
static void
retry_later(struct link *k)
{
	bool brief;

	if (k->dead || k->path[0] == '\0')
		return;
	if (k->since != 0) {
		brief = clock_ms() - k->since < RETRY_LAST;
		if (!brief || !k->brief)
			k->pause = RETRY_FIRST;
		k->brief = brief;
		k->since = 0;
	}
	(void)timer_at(k->loop, &k->retry, clock_ms() + k->pause, link_try, k,
	    NULL);
	k->pause = k->pause * 2 > RETRY_LAST ? RETRY_LAST : k->pause * 2;
}

static void
link_break(struct link *k, const char *why)
{
	bool was_up = k->up, outer = link_enter(k);

	link_close(k);
	calls_fail(k, "broken", why);
	if (was_up && !k->dead && k->conf.down != NULL)
		k->conf.down(k->conf.arg, why);
	retry_later(k);
	link_leave(k, outer);
}

static void
link_flush(void *arg)
{
	struct link *k = (struct link *)arg;
	int rc = outbox_send(&k->queue, k->fd, k->several);
	struct err e;

	if (rc < 0)
		err_sys(&e, "send");
	else if (rc > 0)
		watch_stop(&k->writes);
	else if (k->writes.ev == NULL)
		rc = watch_write(k->loop, &k->writes, k->fd, link_flush, k,
		    &e);
	if (rc < 0)
		link_break(k, e.msg);
}

static void
link_choked(void *arg)
{
	link_break((struct link *)arg, "it does not read");
}

/* A statement is lost: only a new connection, with everything stated anew,
 * makes that good.  It ends from the loop, not inside a call. */
static void
choke(struct link *k)
{
	if (k->path[0] != '\0' && k->choked.at == 0)
		(void)timer_at(k->loop, &k->choked, clock_ms(), link_choked, k,
		    NULL);
}

/* It goes at the end of the turn: a broken pipe shows then, or when reading,
 * so that callbacks come from the loop. */
static int
link_send(struct link *k, struct rbuf message, struct err *e)
{
	if (k->queue.octets + rbuf_left(&message) > QUEUE_MAX) {
		choke(k);
		return err_set(e, ENOBUFS, "%s does not read: %zu octets "
		    "wait", k->path, k->queue.octets);
	}
	if (outbox_add(&k->queue, message) < 0) {
		choke(k);
		return err_set(e, ENOMEM, "link: out of memory");
	}
	if (k->writes.ev == NULL)
		after_turn(k->loop, &k->flush, link_flush, k);
	return 0;
}

static struct pending *
pending_take(struct link *k, uint32_t id)
{
	struct pending *p;

	DL_FOREACH(k->calls, p)
		if (p->id == id) {
			DL_DELETE(k->calls, p);
			return p;
		}
	return NULL;
}

static void
take_reply(struct pending *p, const struct msg *m)
{
	struct err e = { 0 };
	void *out = NULL;

	if (p->reply != NULL) {
		if ((out = malloc(p->reply->size)) == NULL)
			err_set(&e, ENOMEM, "out of memory");
		else
			(void)msg_get_checked(m->body, p->reply, out,
			    &e);
	}
	if (e.code != 0)
		pending_fail(p, "invalid-reply", e.msg);
	else {
		if (p->done != NULL)
			p->done(p->arg, out, NULL);
		free(p);
	}
	free(out);
}

static void
take_failure(struct pending *p, const struct msg *m)
{
	struct reason r;
	struct err e;

	if (msg_get_checked(m->body, &reason_type, &r, &e) < 0) {
		pending_fail(p, "invalid-reply", e.msg);
		return;
	}
	if (p->done != NULL)
		p->done(p->arg, NULL, &r);
	free(p);
}

static int
link_take(struct link *k, struct rbuf *in, struct err *e)
{
	struct pending *p;
	struct msg m;

	if (msg_next(in, &m, e) < 0)
		return -1;
	switch (m.class) {
	case MSG_EVENT:
		if (k->conf.event != NULL)
			k->conf.event(k->conf.arg, &m);
		return 0;
	case MSG_REPLY:
	case MSG_FAILURE:
		if ((p = pending_take(k, m.id)) == NULL)
			return 0;
		if (m.class == MSG_REPLY)
			take_reply(p, &m);
		else
			take_failure(p, &m);
		return 0;
	case MSG_REQUEST:
		break;
	}
	return err_set(e, EBADMSG, "a daemon does not ask");
}

/* The messages of one datagram: how many; 0 when it broke. */
static int
link_take_all(struct link *k, struct rbuf in)
{
	struct err e;
	int n = 0;

	do {
		if (link_take(k, &in, &e) < 0) {
			link_break(k, e.msg);
			return 0;
		}
		n++;
	} while (rbuf_left(&in) > 0 && !k->dead && k->fd >= 0);
	return !k->dead && k->fd >= 0 ? n : 0;
}

/* How many messages were taken; 0: none now or broken. */
static int
link_read_one(struct link *k)
{
	uint8_t buf[MSG_MAX];
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(k->fd, &mh, MSG_DONTWAIT);
	int taken;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		link_break(k, n == 0 ? "closed by the other side" :
		    strerror(errno));
		return 0;
	}
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		link_break(k, "a message over the limit");
		return 0;
	}
	taken = link_take_all(k, rbuf_of(buf, (size_t)n));
	explicit_bzero(buf, (size_t)n);	/* what a PSK gives comes this way */
	return taken;
}

static void
link_readable(void *arg)
{
	struct link *k = (struct link *)arg;
	bool outer = link_enter(k);
	int i, n;

	for (i = 0; i < READ_BATCH && (n = link_read_one(k)) > 0; i += n)
		;
	link_leave(k, outer);
}

static void
link_subscribed(void *arg, const void *m, const struct reason *why)
{
	const struct subscribe_reply *r = m;
	struct link *k = (struct link *)arg;

	(void)why;
	k->several = r != NULL && r->several;
}

static int
link_subscribe(struct link *k, struct err *e)
{
	struct subscribe m = { .several = true };
	const char *const *p = k->conf.events;

	if (p == NULL)
		return 0;
	for (; *p != NULL; p++) {
		if (m.n_events == sizeof(m.events) / sizeof(m.events[0]))
			return err_set(e, E2BIG, "too many subscriptions");
		if (text_copy(m.events[m.n_events++], sizeof(m.events[0]),
		    *p, e) < 0)
			return -1;
	}
	return link_call(k, &subscribe_type, &m, &subscribe_reply_type,
	    link_subscribed, k, e);
}

/* fd is connected. */
static int
link_start(struct link *k, int fd, struct err *e)
{
	int size = 4 * MSG_MAX;

	k->fd = fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (watch_read(k->loop, &k->reads, fd, link_readable, k, e) < 0)
		return -1;
	k->up = true;
	if (link_subscribe(k, e) < 0)
		return -1;
	k->since = clock_ms();
	return 0;
}

static void
link_try(void *arg)
{
	struct link *k = (struct link *)arg;
	bool outer = link_enter(k);
	struct err e;
	int fd = k->fd >= 0 ? k->fd : socket_connect(k->path, true, &e);

	if (fd < 0 || (!k->up && link_start(k, fd, &e) < 0)) {
		link_close(k);
		retry_later(k);
	} else if (k->conf.up != NULL)
		k->conf.up(k->conf.arg);
	link_leave(k, outer);
}

struct link *
link_new(struct loop *l, const struct link_conf *conf, struct err *e)
{
	struct link *k = (struct link *)calloc(1, sizeof(*k));

	if (k == NULL) {
		if (conf->path == NULL)
			close(conf->fd);
		return err_null(err_set(e, ENOMEM, "link: out of memory"));
	}
	k->loop = l;
	k->conf = *conf;
	k->fd = -1;
	k->pause = RETRY_FIRST;
	if (conf->path == NULL) {
		if (link_start(k, conf->fd, e) < 0)
			goto fail;
	} else if (text_copy(k->path, sizeof(k->path), conf->path, e) < 0)
		goto fail;
	/* up() comes from the loop, when the caller has stored us. */
	if (timer_at(l, &k->retry, 1, link_try, k, e) == 0)
		return k;
fail:
	link_free(k);
	return NULL;
}

void
link_free(struct link *k)
{
	struct pending *p, *next;

	if (k == NULL || k->dead)
		return;
	if (k->fd >= 0)		/* what was said in this turn is said */
		(void)outbox_send(&k->queue, k->fd, k->several);
	link_close(k);
	timer_stop(&k->retry);
	DL_FOREACH_SAFE(k->calls, p, next)
		free(p);
	k->calls = NULL;
	k->dead = true;
	if (!k->busy)
		free(k);
}

/* Calls are in the order of their limits. */
static void
calls_expire(void *arg)
{
	struct link *k = (struct link *)arg;
	bool outer = link_enter(k);
	uint64_t now = clock_ms();
	struct pending *p;

	while (!k->dead && (p = k->calls) != NULL && p->limit <= now) {
		DL_DELETE(k->calls, p);
		pending_fail(p, "timeout", "no answer within 10 seconds");
	}
	if (!k->dead && k->calls != NULL)
		(void)timer_at(k->loop, &k->limit, k->calls->limit,
		    calls_expire, k, NULL);
	link_leave(k, outer);
}

static int
pending_add(struct link *k, uint32_t id, const struct msg_type *reply,
    link_done *done, void *arg, struct err *e)
{
	struct pending *p = (struct pending *)calloc(1, sizeof(*p));

	if (p == NULL)
		return err_set(e, ENOMEM, "link: out of memory");
	*p = (struct pending){ .id = id, .limit = clock_ms() + CALL_LIMIT,
		.reply = reply, .done = done, .arg = arg };
	if (k->calls == NULL && timer_at(k->loop, &k->limit, p->limit,
	    calls_expire, k, e) < 0) {
		free(p);
		return -1;
	}
	DL_APPEND(k->calls, p);
	return 0;
}

int
link_call(struct link *k, const struct msg_type *t, const void *m,
    const struct msg_type *reply, link_done *done, void *arg,
    struct err *e)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	uint32_t id = 0;
	int rc;

	if (!k->up)
		return err_set(e, ENOTCONN, "%s: not connected", k->path);
	if (done != NULL)
		id = ++k->last_id != 0 ? k->last_id : ++k->last_id;
	rc = msg_write_request(&w, id, t, m, e);
	if (rc == 0 && done != NULL)
		rc = pending_add(k, id, reply, done, arg, e);
	if (rc == 0 && (rc = link_send(k, wbuf_rbuf(&w), e)) < 0 &&
	    done != NULL)
		free(pending_take(k, id));
	explicit_bzero(room, w.len);
	return rc;
}
