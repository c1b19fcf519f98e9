#include "crypto/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/num.h"
#include "crypto/http_name.h"

/* One connection. */
struct line {
	int		 fd;
	SSL_CTX		*ctx;
	SSL		*ssl;		/* NULL: plain */
	int64_t		 until;		/* ms */
};

/* Until the descriptor is ready; at most until that time. */
static int
wait_for(int fd, short events, int64_t until, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int rc;

	do {
		left = until - http_now();
		rc = left <= 0 ? 0 : poll(&p, 1, (int)left);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return err_sys(e, "poll");
	return rc > 0 ? 0 : err_set(e, ETIMEDOUT, "no answer in time");
}

/* ---------------------------------------------------------------- connect */

static socklen_t
sockaddr_of(const struct addr *a, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ss;
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->len == 16) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		memcpy(&six->sin6_addr, a->b, 16);
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(port);
	memcpy(&four->sin_addr, a->b, 4);
	return sizeof(*four);
}

static int
connect_one(const struct addr *a, uint16_t port, int64_t until, struct err *e)
{
	struct sockaddr_storage ss;
	socklen_t ss_len = sockaddr_of(a, port, &ss), len;
	int failed = 0, fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);

	len = sizeof(failed);
	if (fd < 0)
		return err_sys(e, "socket");
	if (connect(fd, (struct sockaddr *)&ss, ss_len) == 0)
		return fd;
	if (errno != EINPROGRESS)
		err_sys(e, "connect");
	else if (wait_for(fd, POLLOUT, until, e) == 0) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 &&
		    failed == 0)
			return fd;
		errno = failed;
		err_sys(e, "connect");
	}
	close(fd);
	return -1;
}

/* Each address gets its share of the time. */
static int
connect_any(const struct http_url *u, int64_t until, struct err *e)
{
	struct addr all[HTTP_ADDRESSES];
	int i, fd = -1, n = http_name(u->host, until, all, e);
	uint64_t port = 0;
	int64_t now;

	if (n < 0 || num_parse(u->port, 1, UINT16_MAX, &port, e) < 0)
		return -1;
	for (i = 0; i < n && fd < 0; i++) {
		now = http_now();
		fd = connect_one(&all[i], (uint16_t)port, now + (until - now) /
		    (n - i), e);
	}
	if (fd < 0)
		err_in(e, "%s port %s", u->host, u->port);
	return fd;
}

/* -------------------------------------------------------------------- TLS */

static int
trust(SSL_CTX *ctx, const struct http_ask *ask)
{
	X509_STORE *s;
	size_t i;

	if (ask->any_server) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return 1;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (ask->anchors == NULL)
		return SSL_CTX_set_default_verify_paths(ctx);
	s = SSL_CTX_get_cert_store(ctx);
	for (i = 0; i < ask->anchors->n; i++)
		if (X509_STORE_add_cert(s, (X509 *)(uintptr_t)
		    cert_x509(ask->anchors->v[i])) != 1)
			return 0;
	/* What is trusted may itself be below another CA. */
	return X509_STORE_set_flags(s, X509_V_FLAG_PARTIAL_CHAIN);
}

static int
show_ourselves(SSL_CTX *ctx, const struct http_ask *ask)
{
	size_t i;

	if (ask->client == NULL || ask->client->n == 0)
		return 1;
	if (SSL_CTX_use_certificate(ctx, (X509 *)(uintptr_t)
	    cert_x509(ask->client->v[0])) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, ask->client_key) != 1)
		return 0;
	for (i = 1; i < ask->client->n; i++)
		if (SSL_CTX_add1_chain_cert(ctx, (X509 *)(uintptr_t)
		    cert_x509(ask->client->v[i])) != 1)
			return 0;
	return 1;
}

static bool
is_address(const struct http_url *u)
{
	ASN1_OCTET_STRING *a = a2i_IPADDRESS(u->host);

	ASN1_OCTET_STRING_free(a);
	ERR_clear_error();
	return a != NULL;
}

/* The name that the server's certificate must have. */
static int
name_peer(SSL *ssl, const struct http_url *u)
{
	if (is_address(u))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
		    u->host);
	return SSL_set1_host(ssl, u->host) &&
	    SSL_set_tlsext_host_name(ssl, u->host);
}

static int
tls_failed(const struct line *l, struct err *e)
{
	long verdict = SSL_get_verify_result(l->ssl);
	unsigned long last = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(last);

	ERR_clear_error();
	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH ||
	    verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
		return err_set(e, EACCES, "the server's certificate is for "
		    "another name than that of the URL");
	if (verdict != X509_V_OK)
		return err_set(e, EACCES, "the server's certificate is not "
		    "trusted: %s", X509_verify_cert_error_string(verdict));
	return err_set(e, EPROTO, "TLS: %s", why != NULL ? why :
	    "the connection was closed");
}

/* Is it worth to call again? */
static int
tls_again(const struct line *l, int rc, struct err *e)
{
	switch (SSL_get_error(l->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return wait_for(l->fd, POLLIN, l->until, e);
	case SSL_ERROR_WANT_WRITE:
		return wait_for(l->fd, POLLOUT, l->until, e);
	default:
		return tls_failed(l, e);
	}
}

static int
tls_open(struct line *l, const struct http_ask *ask,
    const struct http_url *u, struct err *e)
{
	int rc;

	if ((l->ctx = SSL_CTX_new(TLS_client_method())) == NULL ||
	    SSL_CTX_set_min_proto_version(l->ctx, TLS1_2_VERSION) != 1 ||
	    !trust(l->ctx, ask) || !show_ourselves(l->ctx, ask) ||
	    (l->ssl = SSL_new(l->ctx)) == NULL ||
	    SSL_set_fd(l->ssl, l->fd) != 1 || !name_peer(l->ssl, u)) {
		ERR_clear_error();
		return err_set(e, EIO, "TLS can not be set up");
	}
	SSL_set_mode(l->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	while ((rc = SSL_connect(l->ssl)) != 1)
		if (tls_again(l, rc, e) < 0)
			return err_in(e, "%s port %s", u->host, u->port);
	return 0;
}

/* --------------------------------------------------------------- exchange */

static int
line_open(struct line *l, const struct http_ask *ask,
    const struct http_url *u, struct err *e)
{
	l->until = http_now() + 1000 * (int64_t)(ask->seconds > 0 ?
	    ask->seconds : HTTP_SECONDS);
	if ((l->fd = connect_any(u, l->until, e)) < 0)
		return -1;
	return u->tls ? tls_open(l, ask, u, e) : 0;
}

static void
line_close(struct line *l)
{
	SSL_free(l->ssl);
	SSL_CTX_free(l->ctx);
	ERR_clear_error();
	if (l->fd >= 0)
		close(l->fd);
}

static int
line_write(struct line *l, struct rbuf data, struct err *e)
{
	while (rbuf_left(&data) > 0) {
		size_t n = rbuf_left(&data);
		ssize_t k;

		if (l->ssl != NULL)
			k = SSL_write(l->ssl, data.p, (int)n);
		else
			k = send(l->fd, data.p, n, MSG_NOSIGNAL);
		if (k > 0)
			rbuf_skip(&data, (size_t)k);
		else if (l->ssl != NULL) {
			if (tls_again(l, (int)k, e) < 0)
				return -1;
		} else if (errno == EAGAIN) {
			if (wait_for(l->fd, POLLOUT, l->until, e) < 0)
				return -1;
		} else if (errno != EINTR)
			return err_sys(e, "send");
	}
	return 0;
}

/* Octets; 0: the end. */
static ssize_t
line_read(struct line *l, uint8_t *to, size_t len, struct err *e)
{
	for (;;) {
		ssize_t k = l->ssl != NULL ? SSL_read(l->ssl, to, (int)len) :
		    recv(l->fd, to, len, 0);

		if (k > 0)
			return k;
		if (l->ssl != NULL) {
			if (SSL_get_error(l->ssl, (int)k) ==
			    SSL_ERROR_ZERO_RETURN)
				return 0;
			if (tls_again(l, (int)k, e) < 0)
				return -1;
		} else if (k == 0)
			return 0;
		else if (errno == EAGAIN) {
			if (wait_for(l->fd, POLLIN, l->until, e) < 0)
				return -1;
		} else if (errno != EINTR)
			return err_sys(e, "receive");
	}
}

static void
put_header(struct wbuf *w, const char *name, const char *value)
{
	if (value == NULL)
		return;
	wbuf_put(w, name, strlen(name));
	wbuf_put(w, ": ", 2);
	wbuf_put(w, value, strlen(value));
	wbuf_put(w, "\r\n", 2);
}

static int
put_password(struct wbuf *w, const struct http_ask *ask, struct err *e)
{
	uint8_t plain[512], coded[700] = "Basic ";
	struct wbuf p = wbuf_of(plain, sizeof(plain));

	if (ask->user == NULL)
		return 0;
	if (strpbrk(ask->user, ":\r\n") != NULL)
		return err_set(e, EINVAL, "the user's name may not have a "
		    "colon or line end");
	wbuf_put(&p, ask->user, strlen(ask->user));
	wbuf_u8(&p, ':');
	if (ask->password != NULL)
		wbuf_put(&p, ask->password->b, ask->password->len);
	if (wbuf_ok(&p)) {
		EVP_EncodeBlock(coded + 6, plain, (int)p.len);
		put_header(w, "Authorization", (char *)coded);
	}
	secret_wipe(plain, sizeof(plain));
	secret_wipe(coded, sizeof(coded));
	return wbuf_ok(&p) ? 0 : err_set(e, ENAMETOOLONG, "name and password");
}

static int
request_head(const struct http_ask *ask, const struct http_url *u,
    struct wbuf *w, struct err *e)
{
	const char *method = ask->type != NULL ? "POST " : "GET ";
	char host[300], length[24];
	bool plain_port = strcmp(u->port, u->tls ? "443" : "80") == 0;

	wbuf_put(w, method, strlen(method));
	wbuf_put(w, u->path, strlen(u->path));
	wbuf_put(w, " HTTP/1.1\r\n", 11);
	snprintf(host, sizeof(host), "%s%s%s%s%s", u->literal ? "[" : "",
	    u->host, u->literal ? "]" : "", plain_port ? "" : ":",
	    plain_port ? "" : u->port);
	put_header(w, "Host", host);
	put_header(w, "User-Agent", "dmvpn-pki");
	put_header(w, "Connection", "close");
	put_header(w, "Accept", ask->accept);
	put_header(w, "If-None-Match", ask->etag);
	put_header(w, "If-Modified-Since", ask->modified);
	if (put_password(w, ask, e) < 0)
		return -1;
	if (ask->type != NULL) {
		snprintf(length, sizeof(length), "%zu", rbuf_left(&ask->body));
		put_header(w, "Content-Type", ask->type);
		put_header(w, "Content-Transfer-Encoding", ask->encoding);
		put_header(w, "Content-Length", length);
	}
	wbuf_put(w, "\r\n", 2);
	return wbuf_ok(w) ? 0 : err_set(e, ENOBUFS, "HTTP headers");
}

static int
read_reply(struct line *l, const struct http_ask *ask, struct http_reply *r,
    struct err *e)
{
	struct http_in *in = calloc(1, sizeof(*in));
	uint8_t buf[4096];
	ssize_t n;
	int rc = 0;

	if (in == NULL)
		return err_set(e, ENOMEM, "HTTP");
	in->max = ask->max > 0 ? ask->max : HTTP_REPLY_MAX;
	in->reply = r;
	while (rc == 0 && (n = line_read(l, buf, sizeof(buf), e)) >= 0)
		rc = http_in_take(in, rbuf_of(buf, (size_t)n), n == 0, e);
	free(in);
	return rc == 1 ? 0 : -1;
}

static int
exchange(const struct http_ask *ask, const struct http_url *u,
    struct http_reply *r, struct err *e)
{
	struct line l = { .fd = -1 };
	uint8_t head[HTTP_PATH_MAX + 4096];
	struct wbuf w = wbuf_of(head, sizeof(head));
	struct err unread;
	int rc = -1;

	if (request_head(ask, u, &w, e) == 0 && line_open(&l, ask, u, e) == 0 &&
	    (rc = line_write(&l, wbuf_rbuf(&w), e)) == 0)
		rc = line_write(&l, ask->body, e);
	if (rc == 0)
		rc = read_reply(&l, ask, r, e);
	/* Who does not read all may have said why. */
	else if (e != NULL && (e->code == EPIPE || e->code == ECONNRESET))
		rc = read_reply(&l, ask, r, &unread);
	secret_wipe(head, sizeof(head));
	line_close(&l);
	return rc;
}

/* Where a redirect leads: the same origin, or nowhere. */
static int
follow(struct http_url *u, const char *location, struct err *e)
{
	struct http_url to;

	if (http_url_check(location, e) < 0)
		return err_in(e, "redirect");
	if (location[0] == '/' && location[1] != '/') {
		if (snprintf(u->path, sizeof(u->path), "%s", location) >=
		    (int)sizeof(u->path))
			return err_set(e, EBADMSG, "redirect: its path is too "
			    "long");
		return 0;
	}
	if (http_url_parse(location, &to, e) < 0)
		return err_in(e, "redirect");
	if (to.tls != u->tls || strcasecmp(to.host, u->host) != 0 ||
	    strcmp(to.port, u->port) != 0)
		return err_set(e, EACCES, "the server sends us to another "
		    "one (%.80s); give its URL if it is right", to.host);
	*u = to;
	return 0;
}

static bool
is_redirect(const struct http_ask *ask, const struct http_reply *r)
{
	return ask->type == NULL && r->location[0] != '\0' &&
	    (r->status == 301 || r->status == 302 || r->status == 303 ||
	    r->status == 307 || r->status == 308);
}

int
http_do(const struct http_ask *ask, struct http_reply *r, struct err *e)
{
	char location[sizeof(r->location)];
	struct http_url u;
	int hops;

	memset(r, 0, sizeof(*r));
	if (http_url_parse(ask->url, &u, e) < 0)
		return -1;
	for (hops = 0; exchange(ask, &u, r, e) == 0; hops++) {
		if (!is_redirect(ask, r))
			return 0;
		memcpy(location, r->location, sizeof(location));
		http_reply_fini(r);
		if (hops == HTTP_HOPS)
			return err_set(e, ELOOP, "the server sends us round "
			    "in circles");
		if (follow(&u, location, e) < 0)
			return -1;
	}
	http_reply_fini(r);
	return -1;
}
