#include "pki_web_in.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"

#define MORE	100
#define WHOLE	200

static unsigned
refuse(unsigned status, struct err *e, const char *why)
{
	err_set(e, EBADMSG, "%s", why);
	return status;
}

/* --------------------------------------------------------------- head lines */

/* RFC 9110, 5.6.2 */
static bool
is_token(const char *text)
{
	static const char also[] = "!#$%&'*+-.^_`|~";
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || strchr(also, *p) != NULL))
			return false;
	return p > text;
}

static bool
is_printable(const char *text, bool blanks)
{
	const unsigned char *p;

	for (p = (const unsigned char *)text; *p != '\0'; p++)
		if (*p == 0x7f || (*p <= ' ' &&
		    !(blanks && (*p == ' ' || *p == '\t'))))
			return false;
	return true;
}

static unsigned
take_method(struct web_in *in, const char *word, struct err *e)
{
	in->head_only = strcmp(word, "HEAD") == 0;
	if (strcmp(word, "POST") == 0)
		in->request.method = WEB_POST;
	else if (strcmp(word, "GET") == 0 || in->head_only)
		in->request.method = WEB_GET;
	else
		return refuse(is_token(word) ? 501 : 400, e,
		    "the method is not known here");
	return 0;
}

/* "GET /path HTTP/1.1" */
static unsigned
take_first(struct web_in *in, char *line, struct err *e)
{
	char *rest = line, *method = strsep(&rest, " ");
	char *target = strsep(&rest, " ");
	unsigned status;

	if (target == NULL || rest == NULL || (strcmp(rest, "HTTP/1.1") != 0 &&
	    strcmp(rest, "HTTP/1.0") != 0))
		return refuse(400, e, "the first line is none of HTTP/1.1");
	if ((status = take_method(in, method, e)) != 0)
		return status;
	if (!is_printable(target, false))
		return refuse(400, e, "the target has control characters");
	if (strlen(target) >= WEB_URI_MAX)
		return refuse(414, e, "the target is too long");
	in->request.uri = target;
	return 0;
}

static char *
trim(char *value)
{
	size_t len;

	value += strspn(value, " \t");
	for (len = strlen(value); len > 0 && (value[len - 1] == ' ' ||
	    value[len - 1] == '\t'); len--)
		value[len - 1] = '\0';
	return value;
}

static unsigned
once(const char **to, const char *value, struct err *e)
{
	if (*to != NULL)
		return refuse(400, e, "a header stands twice");
	*to = value;
	return 0;
}

static unsigned
take_length(struct web_in *in, const char *value, struct err *e)
{
	uint64_t v;

	if (in->request.lengths++ > 0)
		return refuse(400, e, "the length of the body is told twice");
	if (strspn(value, "0123456789") != strlen(value) ||
	    value[0] == '\0')
		return refuse(400, e, "Content-Length is no number");
	if (num_parse(value, 0, WEB_BODY_MAX, &v, NULL) < 0)
		return refuse(413, e, "the body is too long");
	in->length = (size_t)v;
	return 0;
}

static unsigned
take_header(struct web_in *in, const char *name, char *value,
    const char **host, struct err *e)
{
	struct web_request *r = &in->request;

	if (strcasecmp(name, "Host") == 0)
		return once(host, value, e);
	if (strcasecmp(name, "Content-Length") == 0)
		return take_length(in, value, e);
	if (strcasecmp(name, "Transfer-Encoding") == 0)
		return refuse(r->lengths > 0 ? 400 : 411, e,
		    "the length of the body is wanted as Content-Length");
	if (strcasecmp(name, "Content-Type") == 0)
		return once(&r->type, value, e);
	if (strcasecmp(name, "Authorization") == 0)
		return once(&r->authorization, value, e);
	if (strcasecmp(name, "If-None-Match") == 0)
		return once(&in->etag, value, e);
	if (strcasecmp(name, "If-Modified-Since") == 0)
		return once(&in->since, value, e);
	if (strcasecmp(name, "Expect") == 0)
		in->expects = strcasecmp(value, "100-continue") == 0;
	return 0;
}

static unsigned
take_line(struct web_in *in, char *line, const char **host, struct err *e)
{
	char *value = strchr(line, ':');

	if (value == NULL)
		return refuse(400, e, "a header has no colon");
	*value++ = '\0';
	value = trim(value);
	if (!is_token(line) || !is_printable(value, true))
		return refuse(400, e, "a header is malformed");
	return take_header(in, line, value, host, e);
}

/* The next line, ended in NUL; NULL: it does not end in CRLF. */
static char *
next_line(char **rest)
{
	char *line = *rest, *end = strstr(line, "\r\n");

	if (end == NULL || memchr(line, '\n', (size_t)(end - line)) != NULL ||
	    memchr(line, '\r', (size_t)(end - line)) != NULL)
		return NULL;
	*end = '\0';
	*rest = end + 2;
	return line;
}

static unsigned
parse(struct web_in *in, struct err *e)
{
	const char *host = NULL, *version;
	char *rest = in->head, *line;
	unsigned n = 0, status;

	in->head[in->head_len] = '\0';
	if (strlen(in->head) != in->head_len)
		return refuse(400, e, "the head has a NUL");
	if ((line = next_line(&rest)) == NULL)
		return refuse(400, e, "a line does not end in CRLF");
	version = strlen(line) > 8 ? line + strlen(line) - 8 : "";
	if ((status = take_first(in, line, e)) != 0)
		return status;
	while ((line = next_line(&rest)) != NULL && line[0] != '\0') {
		if (++n > WEB_HEADERS_MAX)
			return refuse(431, e, "too many headers");
		if ((status = take_line(in, line, &host, e)) != 0)
			return status;
	}
	if (line == NULL)
		return refuse(400, e, "a line does not end in CRLF");
	if (host == NULL && strcmp(version, "HTTP/1.1") == 0)
		return refuse(400, e, "Host is missing");
	in->parsed = true;
	return MORE;
}

/* -------------------------------------------------------------------- whole */

/* Octets up to the empty line; what follows it is left in *r. */
static unsigned
take_head(struct web_in *in, struct rbuf *r, struct err *e)
{
	while (rbuf_left(r) > 0 && !in->parsed) {
		unsigned status;

		if (in->head_len == WEB_HEAD_MAX)
			return refuse(431, e, "the head is too long");
		in->head[in->head_len++] = (char)rbuf_u8(r);
		if (in->head_len < 4 || memcmp(in->head + in->head_len - 4,
		    "\r\n\r\n", 4) != 0)
			continue;
		if ((status = parse(in, e)) != MORE)
			return status;
	}
	return MORE;
}

unsigned
web_in_take(struct web_in *in, struct rbuf octets, struct err *e)
{
	unsigned status = take_head(in, &octets, e);

	if (status != MORE || !in->parsed)
		return status;
	if (rbuf_left(&octets) > in->length - in->body_len)
		return refuse(400, e, "more follows than one request");
	if (rbuf_left(&octets) > 0) {
		size_t n = rbuf_left(&octets);

		rbuf_copy(&octets, in->body + in->body_len, n);
		in->body_len += n;
	}
	if (in->body_len < in->length)
		return MORE;
	in->request.body = rbuf_of(in->body, in->body_len);
	return WHOLE;
}
