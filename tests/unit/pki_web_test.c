#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dmvpn-pki/pki_web_in.h"

/* Taken in pieces of n octets: the status at the end. */
static unsigned
feed(struct web_in *in, const char *text, size_t len, size_t n)
{
	struct rbuf r = rbuf_of(text, len);
	unsigned status = 100;
	struct err e = { 0 };

	memset(in, 0, sizeof(*in));
	while (status == 100 && rbuf_left(&r) > 0) {
		size_t k = rbuf_left(&r) < n ? rbuf_left(&r) : n;

		status = web_in_take(in, rbuf_sub(&r, k), &e);
	}
	return status;
}

static struct web_in *
room(void)
{
	struct web_in *in = calloc(1, sizeof(*in));

	assert_non_null(in);
	return in;
}

#define POST "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" \
    "Content-Type: application/ocsp-request\r\n\r\nabc"

static void
a_request_is_the_same_in_pieces_of_any_size(void **state)
{
	struct web_in *in = room();
	size_t n;

	(void)state;
	for (n = 1; n <= strlen(POST); n++) {
		assert_int_equal(feed(in, POST, strlen(POST), n), 200);
		assert_string_equal(in->request.uri, "/ocsp");
		assert_string_equal(in->request.type,
		    "application/ocsp-request");
		assert_int_equal(rbuf_left(&in->request.body), 3);
		assert_memory_equal(in->request.body.p, "abc", 3);
	}
	for (n = 0; n < strlen(POST); n++)
		assert_int_equal(feed(in, POST, n, 7), 100);
	free(in);
}

static void
what_two_readers_could_understand_differently_is_refused(void **state)
{
	static const struct { const char *text; unsigned status; } rows[] = {
		{ POST "d", 400 },		/* more than one request */
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\nG", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
		  400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
		  400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
		  400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 \r\n"
		  "content-length: 1\r\n\r\nx", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		  "\r\n", 411 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n",
		  413 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\n\r\n", 200 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eA==\r\n"
		  "Authorization: Basic eQ==\r\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400 },
		{ "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
		{ "\r\n\r\n", 400 },
	};
	struct web_in *in = room();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text);

		assert_int_equal(feed(in, rows[i].text, len, len),
		    rows[i].status);
		/* What comes later than a whole request is not read. */
		assert_int_equal(feed(in, rows[i].text, len, 1),
		    i < 2 ? 200 : rows[i].status);
	}
	assert_int_equal(feed(in, "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29,
	    29), 400);
	free(in);
}

static void
a_head_has_its_end(void **state)
{
	struct web_in *in = room();
	static char text[WEB_HEAD_MAX + 64];
	size_t i;

	(void)state;
	memset(text, 'y', sizeof(text));
	memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
	assert_int_equal(feed(in, text, WEB_HEAD_MAX, 1000), 100);
	assert_int_equal(feed(in, text, sizeof(text), 1000), 431);
	memset(text, 'y', WEB_URI_MAX + 5);
	memcpy(text, "GET /", 5);
	memcpy(text + WEB_URI_MAX + 5, " HTTP/1.1\r\nHost: a\r\n\r\n", 22);
	assert_int_equal(feed(in, text, WEB_URI_MAX + 27, 4000), 414);
	memcpy(text, "GET / HTTP/1.1\r\n", 16);
	for (i = 0; i <= WEB_HEADERS_MAX; i++)
		memcpy(text + 16 + 6 * i, "A: b\r\n", 6);
	memcpy(text + 16 + 6 * i, "\r\n", 2);
	assert_int_equal(feed(in, text, 18 + 6 * i, 4000), 431);
	free(in);
}

/* ------------------------------------------------------------------ routes */

struct row {
	enum web_method	 method;
	bool		 tls;
	const char	*uri, *type, *authorization, *body;
	unsigned	 status;
	const char	*rest, *user, *secret, *got;
};

#define P10 "application/pkcs10"
#define EST "/.well-known/est/"

static const struct row rows[] = {
	{ WEB_GET, false, "/", NULL, NULL, "", 0, "", "", "", "" },
	{ WEB_GET, false, "/ca.crl?x=y", NULL, NULL, "", 0, "", "", "", "" },
	{ WEB_GET, false, "/ca-3.crl", NULL, NULL, "", 0, "3.crl", "", "", "" },
	{ WEB_GET, false, "/ca-%33.crl", NULL, NULL, "", 0, "3.crl", "", "",
	  "" },
	{ WEB_GET, false, "/ca-%00.crl", NULL, NULL, "", 400, "", "", "", "" },
	{ WEB_GET, false, "/ca-%3", NULL, NULL, "", 400, "", "", "", "" },
	{ WEB_GET, false, "/ca-%ff", NULL, NULL, "", 400, "", "", "", "" },
	{ WEB_GET, false, "/CA.CRL", NULL, NULL, "", 404, "", "", "", "" },
	{ WEB_GET, false, "//ca.crl", NULL, NULL, "", 404, "", "", "", "" },
	{ WEB_GET, false, "http://a/", NULL, NULL, "", 400, "", "", "", "" },
	{ WEB_POST, false, "/ca.crl", NULL, NULL, "x", 405, "", "", "", "" },
	{ WEB_POST, false, "/ocsp", "application/OCSP-request; x=y", NULL,
	  "0ab", 0, "", "", "", "0ab" },
	{ WEB_POST, false, "/ocsp", "application/ocsp-requestx", NULL, "0ab",
	  415, "", "", "", "" },
	{ WEB_GET, false, "/ocsp/Zm9v%2B%2f%3D%3D", NULL, NULL, "", 400, "", "",
	  "", "" },
	{ WEB_GET, false, "/ocsp/Zm9vYg%3D%3D", NULL, NULL, "", 0, "", "", "",
	  "foob" },
	{ WEB_GET, false, "/ocsp/+/8%3D", NULL, NULL, "", 0, "", "", "",
	  "\xfb\xff" },
	{ WEB_GET, false, "/scep?operation=GetCACert&message=x", NULL, NULL, "",
	  0, "GetCACert", "", "", "" },
	{ WEB_GET, false, "/scep?message=Zm9v&operation=PKIOperation", NULL,
	  NULL, "", 0, "PKIOperation", "", "", "foo" },
	{ WEB_POST, false, "/certsrv/mscep/mscep.dll/x?operation=PKIOperation",
	  NULL, NULL, "0ab", 0, "PKIOperation", "", "", "0ab" },
	{ WEB_GET, false, EST "cacerts", NULL, NULL, "", 403, "", "", "", "" },
	{ WEB_GET, true, EST "cacerts", NULL, NULL, "", 0, "", "", "", "" },
	{ WEB_POST, true, EST "simpleenroll", P10, "Basic YTpiOmM=", "Zm9v", 0,
	  "", "a", "b:c", "foo" },
	{ WEB_POST, true, EST "simpleenroll", P10, "Basic YTpiOmM=", "0DER", 0,
	  "", "a", "b:c", "0DER" },
	{ WEB_POST, true, EST "simpleenroll", P10, "Basic OmI=", "Zm9v", 401,
	  "", "", "", "" },
	{ WEB_POST, true, EST "simpleenroll", P10, "Basic YWI=", "Zm9v", 401,
	  "", "", "", "" },
	{ WEB_POST, true, EST "simpleenroll", P10, "Bearer YTpi", "Zm9v", 401,
	  "", "", "", "" },
	{ WEB_POST, true, EST "simpleenroll", P10, "Basic YQA6Yg==", "Zm9v",
	  401, "", "", "", "" },
	{ WEB_POST, true, EST "simpleenroll", P10, NULL, "no!", 400, "", "", "",
	  "" },
	{ WEB_GET, true, EST "simpleenroll", P10, NULL, "", 405, "", "", "",
	  "" },
	/* a password that came without TLS is not looked at */
	{ WEB_GET, false, "/", NULL, "Basic YTpi", "", 0, "", "", "", "" },
};

static void
paths_lead_where_the_table_says(void **state)
{
	static uint8_t octets[WEB_BODY_MAX];
	struct pki_web_ask ask;
	struct rbuf body;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		const struct web_request r = { .tls = row->tls,
			.method = row->method, .uri = row->uri,
			.type = row->type, .authorization = row->authorization,
			.body = rbuf_of(row->body, strlen(row->body)) };
		struct wbuf w = wbuf_of(octets, sizeof(octets));
		struct err e = { 0 };

		assert_int_equal(web_take(&r, &w, &ask, &body, &e),
		    row->status);
		if (row->status != 0) {
			assert_true(e.msg[0] != '\0');
			continue;
		}
		assert_string_equal(ask.rest, row->rest);
		assert_string_equal(ask.user, row->user);
		assert_string_equal(ask.secret, row->secret);
		assert_int_equal(rbuf_left(&body), strlen(row->got));
		assert_memory_equal(body.p, row->got, strlen(row->got));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_the_same_in_pieces_of_any_size),
		cmocka_unit_test(
		    what_two_readers_could_understand_differently_is_refused),
		cmocka_unit_test(a_head_has_its_end),
		cmocka_unit_test(paths_lead_where_the_table_says),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
