/* Between the two halves of `serve`: a length, a message, a body. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/secret.h"
#include "msg/msg.h"
#include "pki_web.h"
#include "serve_web.h"
#include "sys/log.h"

#define HEAD_MAX	12288		/* octets of a message */
#define LENGTH		4		/* of the message; it tells the body's */

/* ------------------------------------------------------------ the web's half */

int
web_ask(struct web *w, const struct pki_web_ask *a, struct rbuf body,
    struct err *e)
{
	struct pki_web_ask m = *a;
	uint8_t room[LENGTH + HEAD_MAX];
	struct wbuf head = wbuf_of(room + LENGTH, HEAD_MAX);
	struct wbuf len = wbuf_of(room, LENGTH);
	int rc = -1;

	m.size = (uint32_t)rbuf_left(&body);
	if (w->desk == NULL)
		err_set(e, EPIPE, "the CA's half has gone");
	else if (msg_put(&head, &pki_web_ask_type, &m, e) == 0) {
		wbuf_be32(&len, (uint32_t)head.len);
		rc = bufferevent_write(w->desk, room, LENGTH + head.len) == 0 &&
		    bufferevent_write(w->desk, body.p, m.size) == 0 ? 0 :
		    err_set(e, ENOMEM, "out of memory");
	}
	secret_wipe(room, sizeof(room));
	secret_wipe(&m, sizeof(m));
	return rc;
}

static void
gone(struct web *w, const char *why)
{
	log_event(LEVEL_ERROR, "desk-gone", T("why", why));
	w->failed = true;
	loop_stop(w->loop);
}

/* 1: an answer was taken; 0: it is not whole yet; -1: it is none. */
static int
take_answer(struct web *w, struct evbuffer *in)
{
	size_t n = evbuffer_get_length(in);
	struct rbuf r = rbuf_of(evbuffer_pullup(in, LENGTH),
	    n < LENGTH ? 0 : LENGTH), all;
	uint32_t head = rbuf_be32(&r);
	struct pki_web_reply m;
	struct err e;

	if (n < LENGTH || (head <= HEAD_MAX && n - LENGTH < head))
		return 0;
	if (head > HEAD_MAX)
		return -1;
	all = rbuf_of(evbuffer_pullup(in, (ssize_t)(LENGTH + head)),
	    LENGTH + head);
	rbuf_skip(&all, LENGTH);
	if (msg_get(all, &pki_web_reply_type, &m, &e) < 0)
		return -1;
	if (n - LENGTH - head < m.size)
		return 0;
	all = rbuf_of(evbuffer_pullup(in, (ssize_t)(LENGTH + head + m.size)),
	    LENGTH + head + m.size);
	rbuf_skip(&all, LENGTH + head);
	web_answered(w, &m, all);
	evbuffer_drain(in, LENGTH + head + m.size);
	return 1;
}

static void
on_read(struct bufferevent *b, void *arg)
{
	struct web *w = arg;
	int rc;

	while ((rc = take_answer(w, bufferevent_get_input(b))) > 0)
		continue;
	if (rc < 0)
		gone(w, "it talks nonsense");
}

static void
on_event(struct bufferevent *b, short what, void *arg)
{
	(void)b;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		gone(arg, "it has ended");
}

int
web_open(struct web *w, int desk, const char *names, struct err *e)
{
	w->names = names;
	w->desk = bufferevent_socket_new(loop_base(w->loop), desk,
	    BEV_OPT_CLOSE_ON_FREE);
	if (w->desk == NULL) {
		close(desk);
		return err_set(e, ENOMEM, "out of memory");
	}
	bufferevent_setcb(w->desk, on_read, NULL, on_event, w);
	return bufferevent_enable(w->desk, EV_READ | EV_WRITE) == 0 ? 0 :
	    err_set(e, EIO, "socket of the CA's half");
}

void
web_desk_close(struct web *w)
{
	if (w->desk != NULL)
		bufferevent_free(w->desk);
	w->desk = NULL;
}

/* ------------------------------------------------------------ the CA's half */

/* 0: all; 1: the end, before anything came; that is wrong amidst a question. */
static int
read_all(int fd, uint8_t *to, size_t len, bool amidst, struct err *e)
{
	size_t n = 0;
	ssize_t k;

	while (n < len) {
		k = read(fd, to + n, len - n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, "socket of the web's half");
		if (k == 0)
			return n == 0 && !amidst ? 1 : err_set(e, EPIPE, "the web's half "
			    "has ended amidst a question");
		n += (size_t)k;
	}
	return 0;
}

static int
write_all(int fd, const uint8_t *from, size_t len, struct err *e)
{
	ssize_t k;

	while (len > 0) {
		k = write(fd, from, len);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_sys(e, "socket of the web's half");
		from += k;
		len -= (size_t)k;
	}
	return 0;
}

static int
reply(int fd, uint32_t id, struct desk_reply *r, struct err *e)
{
	uint8_t room[LENGTH + HEAD_MAX];
	struct wbuf head = wbuf_of(room + LENGTH, HEAD_MAX);
	struct wbuf len = wbuf_of(room, LENGTH);

	r->head.id = id;
	r->head.size = r->body == NULL ? 0 : (uint32_t)r->body->len;
	if (msg_put(&head, &pki_web_reply_type, &r->head, e) < 0)
		return -1;
	wbuf_be32(&len, (uint32_t)head.len);
	if (write_all(fd, room, LENGTH + head.len, e) < 0)
		return -1;
	return r->body == NULL ? 0 : write_all(fd, r->body->b, r->body->len,
	    e);
}

static void
tell(const struct pki_web_ask *a, const struct desk_reply *r)
{
	struct addr_buf ab;

	if (r->head.status >= 400)
		log_event(r->head.status >= 500 ? LEVEL_ERROR : LEVEL_WARN,
		    "refused", T("from", addr_text(&a->from, &ab)),
		    T("user", a->user), U("status", r->head.status),
		    T("why", r->why.msg));
}

int
serve_desk_once(struct desk *d, int fd, struct err *e)
{
	uint8_t len[LENGTH], room[HEAD_MAX], body[WEB_BODY_MAX];
	struct rbuf r = rbuf_of(len, sizeof(len));
	struct pki_web_ask a;
	struct desk_reply out;
	uint32_t head;
	int rc;

	if ((rc = read_all(fd, len, sizeof(len), false, e)) != 0)
		return rc;
	if ((head = rbuf_be32(&r)) > sizeof(room))
		return err_set(e, EBADMSG, "the web's half talks nonsense");
	if (read_all(fd, room, head, true, e) < 0 ||
	    msg_get(rbuf_of(room, head), &pki_web_ask_type, &a, e) < 0)
		return -1;
	if (a.size > sizeof(body))
		return err_set(e, EBADMSG, "the web's half talks nonsense");
	if (read_all(fd, body, a.size, true, e) < 0)
		return -1;
	desk_answer(d, &a, rbuf_of(body, a.size), clock_wall(), &out);
	tell(&a, &out);
	rc = reply(fd, a.id, &out, e);
	desk_reply_fini(&out);
	secret_wipe(room, sizeof(room));
	secret_wipe(&a, sizeof(a));
	return rc;
}
