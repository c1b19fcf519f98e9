#include "serve_web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <utlist.h>

#include "base/date.h"
#include "base/secret.h"
#include "sys/log.h"

static void refuse(struct visit *v, unsigned status, const char *why);

/* ------------------------------------------------------------------ visits */

static void
visit_free(struct visit *v)
{
	timer_stop(&v->limit);
	bufferevent_free(v->bev);
	DL_DELETE(v->web->visits, v);
	v->web->n_visits--;
	secret_wipe(&v->in, sizeof(v->in));
	free(v);
}

static void
on_limit(void *arg)
{
	struct visit *v = arg;

	switch (v->state) {
	case VISIT_ASKED:
		refuse(v, 503, "no answer in time");
		return;
	case VISIT_READING:
	case VISIT_ANSWERED:
		v->web->seen.dropped++;
		break;
	case VISIT_LINGERS:
		break;
	}
	visit_free(v);
}

static void
limit(struct visit *v, unsigned seconds)
{
	timer_set(v->web->loop, &v->limit, loop_now(v->web->loop) +
	    seconds * 1000u, on_limit, v);
}

/* How many places this address has. */
static size_t
places(const struct web *w, const struct addr *from)
{
	const struct visit *v;
	size_t n = 0;

	DL_FOREACH(w->visits, v)
		n += addr_equal(&v->from, from);
	return n;
}

static bool
dawdles(const struct visit *v, uint64_t now)
{
	switch (v->state) {
	case VISIT_READING:
		return now - v->since >= WEB_DAWDLE;
	case VISIT_ANSWERED:
		return now - v->since >= WEB_STALL;
	case VISIT_ASKED:
		return false;
	case VISIT_LINGERS:
		break;
	}
	return true;
}

/* Who keeps a place for nothing: of the address that has the most, the one
 * that came first. */
static struct visit *
slowest(struct web *w)
{
	uint64_t now = loop_now(w->loop);
	struct visit *v, *found = NULL;
	size_t n, most = 0;

	DL_FOREACH(w->visits, v) {
		if (!dawdles(v, now))
			continue;
		if ((n = places(w, &v->from)) > most) {
			most = n;
			found = v;
		}
	}
	return found;
}

static int listen_on(struct web *w, struct err *e);

static void
on_pause(void *arg)
{
	struct err e;

	if (listen_on(arg, &e) < 0)
		log_event(LEVEL_ERROR, "accept", T("why", e.msg));
}

/* Who comes waits in the kernel's queue. */
static void
pause_accept(struct web *w)
{
	size_t i;

	for (i = 0; i < w->n_listeners; i++)
		watch_stop(&w->listeners[i].watch);
	timer_set(w->loop, &w->pause, loop_now(w->loop) + WEB_PAUSE,
	    on_pause, w);
}

/* Who dawdles makes room for who comes. */
static bool
make_room(struct web *w)
{
	struct visit *v;

	if (w->n_visits < WEB_CONNECTIONS)
		return true;
	if ((v = slowest(w)) != NULL) {
		w->seen.dropped++;
		visit_free(v);
		return true;
	}
	pause_accept(w);
	return false;
}

/* ----------------------------------------------------------------- answers */

/* RFC 9110, 5.6.7 */
static void
date_text(int64_t t, char out[40])
{
	struct tm tm;

	if (!date_split(t, &tm) ||
	    strftime(out, 40, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
		out[0] = '\0';
}

static const char *
words_of(unsigned status)
{
	static const struct name words[] = {
		{ 200, "OK" }, { 202, "Accepted" }, { 304, "Not Modified" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 411, "Length Required" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
		{ 503, "Service Unavailable" }, { 0, NULL },
	};
	const char *text = name_find(words, status);

	return text == NULL ? "Refused" : text;
}

/* A new list is made when half of its time is over, or earlier. */
static void
put_times(struct evbuffer *out, const struct pki_web_reply *r)
{
	int64_t left = (int64_t)r->next - clock_wall();
	char text[40];

	if (r->etag[0] != '\0')
		evbuffer_add_printf(out, "ETag: %s\r\n", r->etag);
	if (r->made == 0) {
		evbuffer_add_printf(out, "Cache-Control: no-store\r\n");
		return;
	}
	date_text((int64_t)r->made, text);
	evbuffer_add_printf(out, "Last-Modified: %s\r\n", text);
	date_text((int64_t)r->next, text);
	evbuffer_add_printf(out, "Expires: %s\r\n", text);
	evbuffer_add_printf(out, "Cache-Control: max-age=%lld, public\r\n",
	    (long long)(left > 7200 ? 3600 : left > 0 ? left / 2 : 0));
}

static void
put_head(struct evbuffer *out, const struct pki_web_reply *r, size_t len)
{
	char text[40];

	date_text(clock_wall(), text);
	evbuffer_add_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n"
	    "Server: dmvpn-pki\r\nConnection: close\r\n"
	    "X-Content-Type-Options: nosniff\r\n", r->status,
	    words_of(r->status), text);
	if (r->status != 304)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", len);
	if (r->type[0] != '\0')
		evbuffer_add_printf(out, "Content-Type: %s\r\n", r->type);
	if (r->base64)
		evbuffer_add_printf(out, "Content-Transfer-Encoding: base64"
		    "\r\n");
	if (r->authenticate)
		evbuffer_add_printf(out, "WWW-Authenticate: Basic "
		    "realm=\"token\", charset=\"UTF-8\"\r\n");
	if (r->retry_after > 0)
		evbuffer_add_printf(out, "Retry-After: %u\r\n",
		    (unsigned)r->retry_after);
	put_times(out, r);
	evbuffer_add_printf(out, "\r\n");
}

static void
count(struct web *w, unsigned status)
{
	if (status >= 500)
		w->seen.failed++;
	else if (status >= 400)
		w->seen.refused++;
	else
		w->seen.answered++;
}

static void
answer(struct visit *v, const struct pki_web_reply *r, struct rbuf body)
{
	struct evbuffer *out = bufferevent_get_output(v->bev);
	const char *uri = v->in.request.uri;
	struct addr_buf ab;
	char path[128];

	count(v->web, r->status);
	snprintf(path, sizeof(path), "%.*s", uri == NULL ? 0 :
	    (int)strcspn(uri, "?"), uri == NULL ? "" : uri);
	log_event(r->status >= 500 ? LEVEL_WARN : LEVEL_INFO, "answered",
	    T("from", addr_text(&v->from, &ab)), T("path", path),
	    U("status", r->status), U("octets", rbuf_left(&body)));
	v->state = VISIT_ANSWERED;
	v->since = loop_now(v->web->loop);
	limit(v, WEB_REPLY);
	put_head(out, r, rbuf_left(&body));
	if (!v->in.head_only && rbuf_left(&body) > 0 &&
	    share_add(&v->web->shares, r->etag, body, out) < 0)
		log_event(LEVEL_ERROR, "memory", T("path", path));
}

static void
refuse(struct visit *v, unsigned status, const char *why)
{
	struct pki_web_reply r = { .status = (uint16_t)status,
		.authenticate = status == 401,
		.retry_after = status == 429 ? 1 : status == 503 ? 10 : 0,
		.type = "text/plain" };
	char line[ERR_MAX + 2];
	int n = snprintf(line, sizeof(line), "%s\n", why);

	answer(v, &r, rbuf_of(line, (size_t)n));
}

/* RFC 9110, 13: what the client has is still right. */
static bool
unchanged(const struct visit *v, const struct pki_web_reply *r)
{
	char text[40];

	if (r->status != 200 || r->made == 0)
		return false;
	if (v->in.etag != NULL)
		return r->etag[0] != '\0' && strcmp(v->in.etag, r->etag) == 0;
	date_text((int64_t)r->made, text);
	return v->in.since != NULL && strcmp(v->in.since, text) == 0;
}

void
web_answered(struct web *w, const struct pki_web_reply *r, struct rbuf body)
{
	struct pki_web_reply same = *r;
	struct visit *v;

	if (r->id == PKI_WEB_TLS_ID) {
		web_tls_answered(w, r, body);
		return;
	}
	DL_SEARCH_SCALAR(w->visits, v, id, r->id);
	if (v == NULL || v->state != VISIT_ASKED)
		return;			/* it was too late */
	if (unchanged(v, r)) {
		same.status = 304;
		body = rbuf_of("", 0);
	}
	answer(v, &same, body);
}

/* ---------------------------------------------------------------- requests */

static void
hand_on(struct web *w, struct visit *v)
{
	struct pki_web_ask ask;
	uint8_t room[WEB_BODY_MAX];
	struct wbuf decoded = wbuf_of(room, sizeof(room));
	struct err e = { 0 };
	unsigned char *der = NULL;
	struct rbuf body;
	unsigned status;

	if ((status = web_take(&v->in.request, &decoded, &ask, &body,
	    &e)) == 0) {
		w->last_id = w->last_id >= PKI_WEB_TLS_ID - 1 ? 1 :
		    w->last_id + 1;
		ask.id = v->id = w->last_id;
		ask.from = v->from;
		ask.certificate = web_tls_client(v->bev, &der);
		v->state = VISIT_ASKED;
		limit(v, WEB_DESK);
		status = web_ask(w, &ask, body, &e) < 0 ? 503 : 0;
	}
	if (status != 0)
		refuse(v, status, e.msg);
	secret_wipe(&ask, sizeof(ask));
	secret_wipe(room, sizeof(room));
	OPENSSL_free(der);
}

static void
on_whole(struct web *w, struct visit *v)
{
	w->seen.requests++;
	if (!rate_take(&w->rate, &v->from, loop_now(w->loop)))
		refuse(v, 429, "too many requests from this address");
	else
		hand_on(w, v);
}

static void
on_read(struct bufferevent *b, void *arg)
{
	struct visit *v = arg;
	struct evbuffer *in = bufferevent_get_input(b);
	size_t len = evbuffer_get_length(in);
	bool expected = v->in.expects;
	struct err e = { 0 };
	unsigned status;

	if (v->state != VISIT_READING) {
		evbuffer_drain(in, len);	/* nobody reads that */
		return;
	}
	status = web_in_take(&v->in, rbuf_of(evbuffer_pullup(in, -1), len),
	    &e);
	evbuffer_drain(in, len);
	if (status == 200)
		on_whole(v->web, v);
	else if (status != 100) {
		v->web->seen.requests++;
		refuse(v, status, e.msg);
	} else if (v->in.expects && !expected)
		(void)bufferevent_write(b, "HTTP/1.1 100 Continue\r\n\r\n",
		    25);
}

/* All is written: say so, and wait for the client to close, lest what it still
 * sends makes the kernel throw our answer away. */
static void
on_written(struct bufferevent *b, void *arg)
{
	struct visit *v = arg;

	if (v->state != VISIT_ANSWERED)
		return;
	v->state = VISIT_LINGERS;
	web_tls_end(b);
	(void)shutdown(bufferevent_getfd(b), SHUT_WR);
	limit(v, WEB_LINGER);
}

static void
on_event(struct bufferevent *b, short what, void *arg)
{
	(void)b;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		visit_free(arg);
}

/* ------------------------------------------------------------- connections */

static void
visit_new(struct listener *l, int fd, const struct addr *from)
{
	struct web *w = l->web;
	struct visit *v = NULL;

	w->seen.accepted++;
	if ((v = calloc(1, sizeof(*v))) == NULL) {
		close(fd);
		return;
	}
	v->web = w;
	v->since = loop_now(w->loop);
	v->from = *from;
	v->in.request.tls = l->tls;
	v->bev = l->tls ? web_tls_accept(w, fd) : bufferevent_socket_new(
	    loop_base(w->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	if (v->bev == NULL) {
		if (!l->tls)
			close(fd);
		free(v);
		return;
	}
	DL_APPEND(w->visits, v);
	w->n_visits++;
	limit(v, WEB_SECONDS);
	bufferevent_setcb(v->bev, on_read, on_written, on_event, v);
	bufferevent_setwatermark(v->bev, EV_READ, 0, WEB_HEAD_MAX);
	(void)bufferevent_enable(v->bev, EV_READ | EV_WRITE);
}

static struct addr
address_of(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in4 = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;
	struct addr none = { .len = 0 };

	if (ss->ss_family == AF_INET)
		return addr_of(&in4->sin_addr, 4);
	if (ss->ss_family != AF_INET6)
		return none;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return addr_of(in6->sin6_addr.s6_addr + 12, 4);
	return addr_of(&in6->sin6_addr, 16);
}

static void
on_accept(void *arg)
{
	struct listener *l = arg;
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);
	struct addr from;
	int fd;

	if (!make_room(l->web))
		return;
	fd = accept4(l->fd, (struct sockaddr *)&ss, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		log_event(LEVEL_WARN, "accept", T("why", strerror(errno)));
		pause_accept(l->web);	/* no descriptors: not at once again */
		return;
	}
	from = address_of(&ss);
	visit_new(l, fd, &from);
}

static int
listen_on(struct web *w, struct err *e)
{
	size_t i;

	for (i = 0; i < w->n_listeners; i++) {
		struct listener *l = &w->listeners[i];

		if (watch_read(w->loop, &l->watch, l->fd, on_accept, l,
		    e) < 0)
			return -1;
	}
	return 0;
}

int
web_listen(struct web *w, int fd, bool tls, struct err *e)
{
	struct listener *l = &w->listeners[w->n_listeners];

	if (w->n_listeners == WEB_LISTENS) {
		close(fd);
		return err_set(e, ENOSPC, "more than %d addresses",
		    WEB_LISTENS);
	}
	*l = (struct listener){ .web = w, .fd = fd, .tls = tls };
	w->n_listeners++;
	w->secure |= tls;
	return listen_on(w, e);
}

void
web_close(struct web *w)
{
	size_t i;

	timer_stop(&w->renew);
	timer_stop(&w->pause);
	for (i = 0; i < w->n_listeners; i++) {
		watch_stop(&w->listeners[i].watch);
		close(w->listeners[i].fd);
	}
	while (w->visits != NULL)
		visit_free(w->visits);
	web_desk_close(w);
	rate_fini(&w->rate);
	SSL_CTX_free(w->tls);
}
