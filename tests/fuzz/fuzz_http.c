/* Replies of HTTP servers, in pieces; URLs; what a SCEP server can. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/http.h"
#include "crypto/scep.h"

#define MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
reply(struct rbuf m, size_t step)
{
	struct http_in *in = calloc(1, sizeof(*in));
	struct http_reply r = { .body = NULL };
	struct err e;
	int rc = 0;

	if (in == NULL)
		return;
	in->max = MAX;
	in->reply = &r;
	while (rc == 0 && rbuf_left(&m) > 0)
		rc = http_in_take(in, rbuf_sub(&m, step < rbuf_left(&m) ?
		    step : rbuf_left(&m)), false, &e);
	if (rc == 0)
		rc = http_in_take(in, rbuf_of(NULL, 0), true, &e);
	if (rc == 0 || r.len > MAX || (rc > 0 && (r.status < 200 ||
	    r.status > 599 || (r.len > 0 && r.body[r.len] != '\0'))))
		__builtin_trap();
	(void)http_check(&r, &e);
	http_reply_fini(&r);
	free(in);
}

static void
text(struct rbuf m)
{
	struct http_url *u = malloc(sizeof(*u));
	size_t len = rbuf_left(&m);
	char *s = malloc(len + 1), line[256];
	char out[128];

	if (s != NULL && u != NULL) {
		rbuf_copy(&m, s, len);
		s[len] = '\0';
		if (http_url_parse(s, u, NULL) == 0 && (u->host[0] == '\0' ||
		    u->path[0] != '/' || strpbrk(u->host, " \r\n@/") != NULL ||
		    strpbrk(u->path, " \r\n") != NULL))
			__builtin_trap();
		if (http_escape(s, out, sizeof(out), NULL) == 0 &&
		    strpbrk(out, " &=+/\r\n") != NULL)
			__builtin_trap();
		(void)scep_caps_text(scep_caps_parse(rbuf_of(s, len)), line,
		    sizeof(line));
	}
	free(s);
	free(u);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rbuf m = rbuf_of(data, size);
	uint8_t how = rbuf_u8(&m);

	if (how == 0)
		text(m);
	else
		reply(m, how);
	return 0;
}
