/* The HTTP client's parsers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/http.h"

static void
urls_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *host, *port, *path;
		bool tls, literal;
	} rows[] = {
		{ "http://a.example/x?y=1", "a.example", "80", "/x?y=1", false,
		    false },
		{ "HTTPS://a", "a", "443", "/", true, false },
		{ "http://192.0.2.1:8080", "192.0.2.1", "8080", "/", false,
		    false },
		{ "http://[2001:db8::1]:81/p#frag", "2001:db8::1", "81", "/p",
		    false, true },
		{ "http://[::1]", "::1", "80", "/", false, true },
		{ "http://a?q", "a", "80", "/?q", false, false },
		{ "http://a:80/b/c%20d", "a", "80", "/b/c%20d", false, false },
	};
	struct http_url *u = malloc(sizeof(*u));
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(http_url_parse(rows[i].text, u, NULL), 0);
		assert_string_equal(u->host, rows[i].host);
		assert_string_equal(u->port, rows[i].port);
		assert_string_equal(u->path, rows[i].path);
		assert_int_equal(u->tls, rows[i].tls);
		assert_int_equal(u->literal, rows[i].literal);
	}
	free(u);
}

static void
urls_that_could_mean_something_else_are_refused(void **state)
{
	static const char *const bad[] = { "", "ftp://a/", "a.example/x",
		"http://", "http:///x", "http://u:p@a/", "http://a/b c",
		"http://a/\r\nHost: b", "http://a:0/", "http://a:65536/",
		"http://a:x/", "http://a:/", "http://[::1", "http://[::1]x/",
		"http://a/\x7f", "http://a/\xc3\xa4", "file:///etc/passwd" };
	struct http_url *u = malloc(sizeof(*u));
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (http_url_parse(bad[i], u, &e) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(e.code, EINVAL);
	}
	free(u);
}

/* In pieces of `step` octets; 1, 0 or -1. */
static int
feed(const char *text, size_t step, size_t max, struct http_reply *r,
    struct err *e)
{
	struct http_in *in = calloc(1, sizeof(*in));
	size_t at = 0, len = strlen(text);
	int rc = 0;

	memset(r, 0, sizeof(*r));
	in->max = max;
	in->reply = r;
	while (rc == 0 && at < len) {
		size_t n = len - at < step ? len - at : step;

		rc = http_in_take(in, rbuf_of(text + at, n), false, e);
		at += n;
	}
	if (rc == 0)
		rc = http_in_take(in, rbuf_of(NULL, 0), true, e);
	free(in);
	return rc;
}

static void
replies_are_read_in_pieces_of_any_size(void **state)
{
	static const struct {
		const char	*text, *body;
		unsigned	 status;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello",
		    200 },
		{ "HTTP/1.0 200\n\nhello", "hello", 200 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n", "hello",
		    200 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200 },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\n"
		    "content-length:2\r\n\r\nno", "no", 404 },
		{ "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", "", 304 },
		{ "HTTP/1.1 204 None\r\nContent-Length: 9\r\n\r\n", "", 204 },
	};
	struct http_reply r;
	struct err e;
	size_t i, step;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (step = 1; step < 9; step++) {
			if (feed(rows[i].text, step, 100, &r, &e) != 1)
				fail_msg("%zu: %s", i, e.msg);
			assert_int_equal(r.status, rows[i].status);
			assert_int_equal(r.len, strlen(rows[i].body));
			if (r.len > 0)
				assert_string_equal(r.body, rows[i].body);
			http_reply_fini(&r);
		}
}

static void
headers_are_kept(void **state)
{
	struct http_reply r;

	(void)state;
	assert_int_equal(feed("HTTP/1.1 202 Later\r\nContent-TYPE:  Text/HTML"
	    "; charset=x \r\nretry-after: 30\r\nETag: \"v1\"\r\n"
	    "Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT\r\n"
	    "Content-Length: 0\r\n\r\n", 7, 10, &r, NULL), 1);
	assert_string_equal(r.type, "text/html");
	assert_int_equal(r.retry_after, 30);
	assert_string_equal(r.etag, "\"v1\"");
	assert_string_equal(r.modified, "Mon, 23 Nov 2026 10:00:00 GMT");
	http_reply_fini(&r);
	assert_int_equal(feed("HTTP/1.1 503 X\r\nRetry-After: Mon, 23 Nov 2026 "
	    "10:00:00 GMT\r\nContent-Length: 0\r\n\r\n", 70, 10, &r, NULL), 1);
	assert_int_equal(r.retry_after, 60);
	http_reply_fini(&r);
}

/* PKI-12 from the other side: a server that lies. */
static void
pki_12_replies_that_contradict_themselves_are_refused(void **state)
{
	static const struct {
		const char	*text;
		int		 code;
	} rows[] = {
		{ "", EBADMSG },
		{ "SSH-2.0-x\r\n\r\n", EBADMSG },
		{ "HTTP/2.0 200 OK\r\n\r\n", EBADMSG },
		{ "HTTP/1.1 2000 OK\r\n\r\n", EBADMSG },
		{ "HTTP/1.1 099 OK\r\n\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		    "Content-Length: 2\r\n\r\nab", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
		    EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		    EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
		    EBADMSG },
		{ "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nname : x\r\n\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nnothing\r\n\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
		    EBADMSG },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", EFBIG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "xyz\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "ffffffffffffffff\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "64\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "1\r\nab\r\n", EBADMSG },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "65\r\n", EFBIG },
	};
	struct http_reply r;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (feed(rows[i].text, 5, 100, &r, &e) != -1)
			fail_msg("%zu was taken", i);
		if (e.code != rows[i].code)
			fail_msg("%zu: %s", i, e.msg);
		http_reply_fini(&r);
	}
}

static void
what_never_ends_is_cut(void **state)
{
	char *text = malloc(HTTP_HEAD_MAX + 200);
	struct http_reply r;
	struct err e;
	size_t i;

	(void)state;
	/* one line */
	memset(text, 'a', HTTP_HEAD_MAX + 199);
	text[HTTP_HEAD_MAX + 199] = '\0';
	memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
	assert_int_equal(feed(text, 1000, 100, &r, &e), -1);
	/* many of them */
	for (i = 17; i + 6 < HTTP_HEAD_MAX; i += 5)
		memcpy(text + i, "x:y\r\n", 5);
	assert_int_equal(feed(text, 1000, 100, &r, &e), -1);
	assert_non_null(strstr(e.msg, "too many headers"));
	/* a body until the end of the connection */
	snprintf(text, 100, "HTTP/1.1 200 OK\r\n\r\n");
	memset(text + 19, 'b', 150);
	text[19 + 150] = '\0';
	assert_int_equal(feed(text, 16, 100, &r, &e), -1);
	assert_int_equal(e.code, EFBIG);
	http_reply_fini(&r);
	free(text);
}

static void
a_status_becomes_words_with_those_of_the_server(void **state)
{
	struct http_reply r;
	struct err e;

	(void)state;
	assert_int_equal(feed("HTTP/1.1 403 No\r\nContent-Type: text/html\r\n"
	    "\r\n<html><b>Access\r\n is</b>  denied\x1b[2J</html>", 99, 100,
	    &r, &e), 1);
	assert_int_equal(http_check(&r, &e), -1);
	assert_int_equal(e.code, EPERM);
	assert_non_null(strstr(e.msg, "403"));
	assert_non_null(strstr(e.msg, "\"Access is denied\\x1b[2J\""));
	http_reply_fini(&r);
	assert_int_equal(feed("HTTP/1.1 200 OK\r\n\r\n", 99, 100, &r, &e), 1);
	assert_int_equal(http_check(&r, &e), 0);
	http_reply_fini(&r);
	assert_int_equal(feed("HTTP/1.1 418 Tea\r\n\r\n", 99, 100, &r, &e), 1);
	assert_int_equal(http_check(&r, &e), -1);
	assert_int_equal(e.code, EPROTO);
	http_reply_fini(&r);
}

static void
texts_are_escaped_for_queries(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(http_escape("a+b/c=& d\n", out, sizeof(out), NULL),
	    0);
	assert_string_equal(out, "a%2Bb%2Fc%3D%26%20d%0A");
	assert_int_equal(http_escape("0123456789", out, 10, NULL), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_taken_apart),
		cmocka_unit_test(
		    urls_that_could_mean_something_else_are_refused),
		cmocka_unit_test(replies_are_read_in_pieces_of_any_size),
		cmocka_unit_test(headers_are_kept),
		cmocka_unit_test(
		    pki_12_replies_that_contradict_themselves_are_refused),
		cmocka_unit_test(what_never_ends_is_cut),
		cmocka_unit_test(
		    a_status_becomes_words_with_those_of_the_server),
		cmocka_unit_test(texts_are_escaped_for_queries),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
