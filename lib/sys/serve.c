#include "sys/serve.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/client.h"
#include "sys/log.h"
#include "sys/unixsock.h"
#include "sys/version.h"

#define CLIENTS_MAX	256
#define ACCEPT_BATCH	16
#define ACCEPT_PAUSE	200	/* ms, when descriptors ran out */

static void server_accept(void *arg);

static struct client *
call_client(const struct call *c)
{
	struct client *k;

	DL_FOREACH(c->server->clients, k)
		if (k->id == c->client)
			return k;
	return NULL;
}

void
call_fail(const struct call *c, const struct reason *r)
{
	struct client *k = c->id == 0 ? NULL : call_client(c);
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct reason plain;
	struct err e;

	if (k == NULL)
		return;
	if (msg_write_failure(&w, c->id, r, &e) < 0) {
		reason_set(&plain, "", "failed", "%s", e.msg);
		w = wbuf_of(room, sizeof(room));
		if (msg_write_failure(&w, c->id, &plain, NULL) < 0)
			return;
	}
	client_send(k, wbuf_rbuf(&w));
}

void
call_err(const struct call *c, const char *stage, const char *code,
    const struct err *e)
{
	char text[ERR_MAX];
	struct reason r;

	/* Foreign octets in a sentence must not make it unsendable. */
	if (text_is_utf8(e->msg, strlen(e->msg)))
		memcpy(text, e->msg, sizeof(text));
	else
		text_escape(e->msg, strlen(e->msg), text, sizeof(text));
	call_fail(c, reason_set(&r, stage, code, "%s", text));
}

void
call_reply(const struct call *c, const struct msg_type *t, const void *m)
{
	struct client *k = c->id == 0 ? NULL : call_client(c);
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct err e = { 0 };

	if (k == NULL)
		return;
	if (msg_write_reply(&w, c->id, t, m, &e) < 0) {
		log_event(LEVEL_ERROR, "reply-unfit", T("why", e.msg));
		call_err(c, "reply", "unfit", &e);
		return;
	}
	client_send(k, wbuf_rbuf(&w));
	explicit_bzero(room, w.len);	/* it may be what a PSK gives */
}

void
call_ok(const struct call *c)
{
	call_reply(c, &nothing_type, NULL);
}

uid_t
call_uid(const struct call *c)
{
	const struct client *k = call_client(c);

	return k == NULL || k->fd < 0 ? (uid_t)-1 : k->uid;
}

static bool
is_secret(const struct server *s, const struct msg_type *t)
{
	const struct msg_type *const *one = s->conf.secrets;

	for (; one != NULL && *one != NULL; one++)
		if (*one == t)
			return true;
	return false;
}

static bool
is_for(const struct server *s, const struct client *c,
    const struct msg_type *t)
{
	return client_wants(c, t->name) && (c->trusted || !is_secret(s, t));
}

void
server_event(struct server *s, const struct msg_type *t, const void *m)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct client *c, *next;
	struct err e = { 0 };

	if (!server_wanted(s, t))
		return;
	if (msg_write_event(&w, clock_ms(), t, m, &e) < 0) {
		log_event(LEVEL_ERROR, "event-unfit", T("why", e.msg));
		return;
	}
	DL_FOREACH_SAFE(s->clients, c, next)
		if (is_for(s, c, t))
			client_send(c, wbuf_rbuf(&w));
}

bool
server_wanted(const struct server *s, const struct msg_type *t)
{
	const struct client *c;

	DL_FOREACH(s->clients, c)
		if (is_for(s, c, t))
			return true;
	return false;
}

/* Octets that malloc has given out, 0 where nobody tells. */
static uint64_t
heap_used(void)
{
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 33)
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
#endif
#endif
	return 0;
}

static void
serve_hello(struct server *s, const struct call *call)
{
	struct hello_reply m = { .schema = MSG_SCHEMA,
		.version = DMVPN_VERSION, .pid = (uint32_t)getpid(),
		.started = s->started, .heap = heap_used() };

	(void)text_copy(m.program, sizeof(m.program), s->conf.program, NULL);
	call_reply(call, &hello_reply_type, &m);
}

static void
serve_subscribe(struct server *s, struct client *c, const struct call *call,
    struct rbuf body)
{
	const struct subscribe_reply reply = { .several = true };
	struct subscribe wants;
	struct err e;

	if (msg_get_checked(body, &subscribe_type, &wants, &e) < 0) {
		call_err(call, "subscribe", "invalid", &e);
		return;
	}
	c->wants = wants;
	call_reply(call, &subscribe_reply_type, &reply);
	if (s->conf.subscribed != NULL)
		s->conf.subscribed(s->conf.arg);
}

/* What every server answers.  The rows of the daemon go first. */
static bool
serve_common(struct server *s, struct client *c, const struct call *call,
    const struct msg *m)
{
	if (strcmp(m->name, hello_type.name) == 0)
		serve_hello(s, call);
	else if (strcmp(m->name, subscribe_type.name) == 0)
		serve_subscribe(s, c, call, m->body);
	else if (strcmp(m->name, stop_type.name) == 0) {
		call_ok(call);
		loop_stop(s->loop);
	} else
		return false;
	return true;
}

static const struct serve_row *
row_find(const struct server *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->conf.n_rows; i++)
		if (strcmp(s->conf.rows[i].in->name, name) == 0)
			return &s->conf.rows[i];
	return NULL;
}

static void
serve_row(struct server *s, struct client *c, const struct call *call,
    const struct serve_row *row, struct rbuf body)
{
	struct reason r;
	struct err e;
	void *in;

	if (row->secret && !c->trusted) {
		log_event(LEVEL_WARN, "call-denied", T("call", row->in->name),
		    U("client", c->id));
		call_fail(call, reason_set(&r, "access", "denied", "%s is "
		    "only for root and the user of %s", row->in->name,
		    s->conf.program));
		return;
	}
	if ((in = malloc(row->in->size)) == NULL) {
		call_fail(call, reason_set(&r, "memory", "busy", "out of "
		    "memory"));
		return;
	}
	if (msg_get_checked(body, row->in, in, &e) < 0)
		call_err(call, "request", "invalid", &e);
	else
		row->handle(s->conf.arg, call, in);
	explicit_bzero(in, row->in->size);
	free(in);
}

void
server_take(struct server *s, struct client *c, struct rbuf *in)
{
	struct call call = { s, c->id, 0 };
	const struct serve_row *row;
	struct reason r;
	struct msg m;
	struct err e = { 0 };

	if (msg_next(in, &m, &e) < 0 || m.class != MSG_REQUEST) {
		log_event(LEVEL_WARN, "client-refused", U("client", c->id),
		    T("why", e.code ? e.msg : "only requests are taken"));
		client_drop(c);
		return;
	}
	call.id = m.id;
	if ((row = row_find(s, m.name)) != NULL)
		serve_row(s, c, &call, row, m.body);
	else if (!serve_common(s, c, &call, &m))
		call_fail(&call, reason_set(&r, "request", "unknown-command",
		    "%s version %s has no command \"%s\"", s->conf.program,
		    DMVPN_VERSION, m.name));
}

static void
accept_again(void *arg)
{
	struct server *s = (struct server *)arg;

	(void)watch_read(s->loop, &s->accepts, s->fd, server_accept, s, NULL);
}

/* Descriptors ran out: turn one caller away with the spare one, then pause,
 * so that a full table never makes the loop spin. */
static void
accept_exhausted(struct server *s)
{
	int fd;

	log_event(LEVEL_WARN, "no-descriptors", T("why", strerror(errno)));
	if (s->spare >= 0) {
		close(s->spare);
		if ((fd = socket_accept(s->fd)) >= 0)
			close(fd);
		s->spare = socket_spare(s->fd);
	}
	watch_stop(&s->accepts);
	if (timer_at(s->loop, &s->retry, clock_ms() + ACCEPT_PAUSE,
	    accept_again, s, NULL) < 0)
		accept_again(s);
}

/* One connection; false: no more now. */
static bool
accept_one(struct server *s)
{
	struct err e;
	int fd = socket_accept(s->fd);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			accept_exhausted(s);
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (s->n_clients >= CLIENTS_MAX) {
		log_event(LEVEL_WARN, "too-many-clients",
		    U("clients", s->n_clients));
		close(fd);
		return true;
	}
	if (client_new(s, fd, &e) == NULL)
		log_event(LEVEL_WARN, "client-refused", T("why", e.msg));
	return true;
}

static void
server_accept(void *arg)
{
	struct server *s = (struct server *)arg;
	int i;

	for (i = 0; i < ACCEPT_BATCH; i++)
		if (!accept_one(s))
			return;
}

int
server_add(struct server *s, int fd, struct err *e)
{
	return client_new(s, fd, e) == NULL ? -1 : 0;
}

struct server *
server_new(struct loop *l, const struct server_conf *conf, struct err *e)
{
	struct server *s = (struct server *)calloc(1, sizeof(*s));

	if (s == NULL)
		return err_null(err_set(e, ENOMEM, "server: out of memory"));
	s->loop = l;
	s->conf = *conf;
	s->fd = s->spare = s->lock = -1;
	s->started = clock_ms();
	if (conf->path == NULL)
		return s;
	if (text_copy(s->path, sizeof(s->path), conf->path, e) < 0)
		goto fail;
	s->fd = socket_listen(s->path, conf->group, &s->lock, e);
	if (s->fd < 0)
		goto fail;
	s->spare = socket_spare(s->fd);
	if (watch_read(l, &s->accepts, s->fd, server_accept, s, e) == 0)
		return s;
fail:
	server_free(s);
	return NULL;
}

void
server_free(struct server *s)
{
	struct client *c, *next;

	if (s == NULL)
		return;
	DL_FOREACH_SAFE(s->clients, c, next) {
		if (c->fd >= 0)
			(void)outbox_send(&c->queue, c->fd, c->wants.several);
		client_free(c);
	}
	watch_stop(&s->accepts);
	timer_stop(&s->retry);
	timer_stop(&s->sweep);
	if (s->fd >= 0) {
		(void)unlink(s->path);
		close(s->fd);
	}
	if (s->spare >= 0)
		close(s->spare);
	socket_unlock(s->path, s->lock);
	free(s);
}
