/* URLs and replies; the interface is in http.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/text.h"
#include "crypto/http.h"

/* -------------------------------------------------------------------- URL */

static int
url_scheme(const char **text, struct http_url *u, struct err *e)
{
	static const char *const schemes[] = { "http://", "https://" };
	size_t i;

	for (i = 0; i < 2; i++)
		if (strncasecmp(*text, schemes[i], strlen(schemes[i])) == 0) {
			*text += strlen(schemes[i]);
			u->tls = i == 1;
			return 0;
		}
	return err_set(e, EINVAL, "URL: neither http:// nor https://");
}

/* "host", "host:port", "[::1]:port" of len octets. */
static int
url_authority(const char *p, size_t len, struct http_url *u, struct err *e)
{
	const char *host = p, *end = p + len, *colon;
	uint64_t port = u->tls ? 443 : 80;
	char digits[6] = "";

	u->literal = len > 0 && *p == '[';
	if (u->literal && (colon = memchr(p, ']', len)) == NULL)
		return err_set(e, EINVAL, "URL: [ without ]");
	if (u->literal) {
		host = p + 1;
		len = (size_t)(colon++ - host);
		if (colon < end && *colon != ':')
			return err_set(e, EINVAL, "URL: what follows ]?");
	} else {
		colon = memchr(p, ':', len);
		len = colon == NULL ? len : (size_t)(colon - p);
	}
	if (len == 0 || len >= sizeof(u->host))
		return err_set(e, EINVAL, "URL: a host of 1 to 255 octets is "
		    "wanted");
	snprintf(u->host, sizeof(u->host), "%.*s", (int)len, host);
	if (colon != NULL && colon < end && (end - colon - 1 > 5 ||
	    snprintf(digits, sizeof(digits), "%.*s", (int)(end - colon - 1),
	    colon + 1) < 0 || num_parse(digits, 1, 65535, &port, NULL) < 0))
		return err_set(e, EINVAL, "URL: port of 1 to 65535");
	snprintf(u->port, sizeof(u->port), "%u", (unsigned)(uint16_t)port);
	return 0;
}

int
http_url_check(const char *text, struct err *e)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return err_set(e, EINVAL, "URL: blanks, control and "
			    "other characters are written as %%XX");
	return 0;
}

int
http_url_parse(const char *text, struct http_url *u, struct err *e)
{
	size_t len;

	memset(u, 0, sizeof(*u));
	if (http_url_check(text, e) < 0)
		return -1;
	if (url_scheme(&text, u, e) < 0)
		return -1;
	len = strcspn(text, "/?#");
	if (memchr(text, '@', len) != NULL)
		return err_set(e, EINVAL, "URL: a name or password in it would "
		    "be seen by others");
	if (url_authority(text, len, u, e) < 0)
		return -1;
	text += len;
	len = strcspn(text, "#");
	if (snprintf(u->path, sizeof(u->path), "%s%.*s", *text == '/' ? "" :
	    "/", (int)(len < sizeof(u->path) ? len : sizeof(u->path)), text) >=
	    (int)sizeof(u->path))
		return err_set(e, EINVAL, "URL: its path is too long");
	return 0;
}

int
http_escape(const char *text, char *out, size_t out_len, struct err *e)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~";
	struct wbuf w = wbuf_of(out, out_len);
	char one[4];

	for (; *text != '\0'; text++) {
		snprintf(one, sizeof(one), strchr(plain, *text) != NULL ?
		    "%c" : "%%%02X", (unsigned char)*text);
		wbuf_put(&w, one, strlen(one));
	}
	wbuf_u8(&w, 0);
	return wbuf_ok(&w) ? 0 : err_set(e, ENAMETOOLONG, "text for a URL");
}

/* ------------------------------------------------------------------ reply */

enum { AT_STATUS, AT_HEADER, AT_BODY, AT_REST, AT_CHUNK, AT_CHUNK_DATA,
    AT_CHUNK_END, AT_TRAILER, AT_END };

static int
bad(struct err *e, const char *what)
{
	return err_set(e, EBADMSG, "the server's reply: %s", what);
}

/* "HTTP/1.1 200 OK" */
static int
on_status(struct http_in *in, char *line, struct err *e)
{
	char digits[4] = "";
	uint64_t status;

	if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 ||
	    line[8] != ' ' || (line[12] != ' ' && line[12] != '\0'))
		return bad(e, "that is not HTTP");
	memcpy(digits, line + 9, 3);
	if (num_parse(digits, 100, 599, &status, NULL) < 0)
		return bad(e, "a status that is none");
	in->reply->status = (unsigned)status;
	in->state = AT_HEADER;
	return 0;
}

static int
on_length(struct http_in *in, const char *value, struct err *e)
{
	uint64_t n;

	if (num_parse(value, 0, UINT64_MAX, &n, NULL) < 0 ||
	    strncmp(value, "0x", 2) == 0 || (in->sized && n != in->left))
		return bad(e, "Content-Length is not one number");
	in->left = n;
	in->sized = true;
	return 0;
}

static int
on_encoding(struct http_in *in, const char *value, struct err *e)
{
	if (strcasecmp(value, "chunked") != 0 || in->chunked)
		return bad(e, "a Transfer-Encoding that we do not know");
	in->chunked = true;
	return 0;
}

static int
on_coding(struct http_in *in, const char *value, struct err *e)
{
	(void)in;
	return strcasecmp(value, "identity") == 0 ? 0 :
	    bad(e, "a Content-Encoding that we did not ask for");
}

static int
on_type(struct http_in *in, const char *value, struct err *e)
{
	char *to = in->reply->type;
	size_t i, len = strcspn(value, "; \t");

	(void)e;
	snprintf(to, sizeof(in->reply->type), "%.*s", (int)(len < 95 ? len :
	    95), value);
	for (i = 0; to[i] != '\0'; i++)
		if (to[i] >= 'A' && to[i] <= 'Z')
			to[i] = (char)(to[i] - 'A' + 'a');
	return 0;
}

/* A date instead of seconds: a minute will do. */
static int
on_retry(struct http_in *in, const char *value, struct err *e)
{
	(void)e;
	if (num_parse(value, 0, 86400 * 7, &in->reply->retry_after, NULL) < 0)
		in->reply->retry_after = 60;
	return 0;
}

/* What is too long for its place is not kept. */
static void
keep(char *to, size_t to_len, const char *value)
{
	if (text_copy(to, to_len, value, NULL) < 0)
		to[0] = '\0';
}

static int
on_etag(struct http_in *in, const char *value, struct err *e)
{
	(void)e;
	keep(in->reply->etag, sizeof(in->reply->etag), value);
	return 0;
}

static int
on_modified(struct http_in *in, const char *value, struct err *e)
{
	(void)e;
	keep(in->reply->modified, sizeof(in->reply->modified), value);
	return 0;
}

static int
on_location(struct http_in *in, const char *value, struct err *e)
{
	(void)e;
	keep(in->reply->location, sizeof(in->reply->location), value);
	return 0;
}

static const struct {
	const char	*name;
	int (*take)(struct http_in *in, const char *value, struct err *e);
} headers[] = {
	{ "content-length", on_length },
	{ "transfer-encoding", on_encoding },
	{ "content-encoding", on_coding },
	{ "content-type", on_type },
	{ "retry-after", on_retry },
	{ "etag", on_etag },
	{ "last-modified", on_modified },
	{ "location", on_location },
};

/* The empty line: what follows? (RFC 9112, 6.3) */
static int
head_done(struct http_in *in, struct err *e)
{
	unsigned status = in->reply->status;

	in->headers = 0;
	if (in->chunked && in->sized)
		return bad(e, "Content-Length with Transfer-Encoding");
	if (status < 200) {
		in->state = AT_STATUS;
		in->chunked = in->sized = false;
	} else if (status == 204 || status == 304)
		in->state = AT_END;
	else if (in->chunked)
		in->state = AT_CHUNK;
	else if (!in->sized)
		in->state = AT_REST;
	else if (in->left > in->max)
		return err_set(e, EFBIG, "the server's reply: over %zu octets",
		    in->max);
	else
		in->state = in->left > 0 ? AT_BODY : AT_END;
	return 0;
}

static int
on_header(struct http_in *in, char *line, struct err *e)
{
	char *colon = strchr(line, ':'), *value, *end;
	size_t i;

	if (line[0] == '\0')
		return head_done(in, e);
	if (++in->headers > HTTP_HEADERS)
		return bad(e, "too many headers");
	if (colon == NULL || colon == line || line[0] == ' ' ||
	    line[0] == '\t' || colon[-1] == ' ' || colon[-1] == '\t')
		return bad(e, "a header line that is none");
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (strcasecmp(line, headers[i].name) == 0)
			return headers[i].take(in, value, e);
	return 0;
}

/* "1f;extension" */
static int
on_chunk(struct http_in *in, char *line, struct err *e)
{
	char digits[20];
	size_t len = strcspn(line, "; \t");

	snprintf(digits, sizeof(digits), "0x%.*s", (int)(len < 16 ? len : 0),
	    line);
	if (len == 0 || len > 15 ||
	    num_parse(digits, 0, UINT64_MAX, &in->left, NULL) < 0)
		return bad(e, "a chunk without its size");
	if (in->left > in->max)
		return err_set(e, EFBIG, "the server's reply: over %zu octets",
		    in->max);
	in->state = in->left > 0 ? AT_CHUNK_DATA : AT_TRAILER;
	in->head = 0;
	return 0;
}

static int
on_chunk_end(struct http_in *in, char *line, struct err *e)
{
	if (line[0] != '\0')
		return bad(e, "a chunk longer than its size");
	in->state = AT_CHUNK;
	return 0;
}

static int
on_trailer(struct http_in *in, char *line, struct err *e)
{
	(void)e;
	if (line[0] == '\0')
		in->state = AT_END;
	return 0;
}

static int
on_line(struct http_in *in, struct err *e)
{
	switch (in->state) {
	case AT_STATUS:
		return on_status(in, in->line, e);
	case AT_HEADER:
		return on_header(in, in->line, e);
	case AT_CHUNK:
		return on_chunk(in, in->line, e);
	case AT_CHUNK_END:
		return on_chunk_end(in, in->line, e);
	default:
		return on_trailer(in, in->line, e);
	}
}

static int
take_line(struct http_in *in, struct rbuf *octets, struct err *e)
{
	uint8_t c = 0;

	while (rbuf_left(octets) > 0 && (c = rbuf_u8(octets)) != '\n') {
		if (++in->head > HTTP_HEAD_MAX - 2)
			return bad(e, "its head never ends");
		if (c == '\0')
			return bad(e, "a NUL in its head");
		in->line[in->line_len++] = (char)c;
	}
	if (c != '\n')
		return 0;
	if (in->line_len > 0 && in->line[in->line_len - 1] == '\r')
		in->line_len--;
	in->line[in->line_len] = '\0';
	in->line_len = 0;
	return on_line(in, e);
}

/* One octet stays free for the NUL. */
static int
body_grow(struct http_in *in, size_t n, struct err *e)
{
	struct http_reply *r = in->reply;
	size_t room = in->room == 0 ? 4096 : in->room;
	uint8_t *more;

	if (n > in->max - r->len)
		return err_set(e, EFBIG, "the server's reply: over %zu octets",
		    in->max);
	while (room < r->len + n + 1)
		room *= 2;
	if (room == in->room)
		return 0;
	if ((more = realloc(r->body, room)) == NULL)
		return err_set(e, ENOMEM, "the server's reply");
	r->body = more;
	in->room = room;
	return 0;
}

static int
take_body(struct http_in *in, struct rbuf *octets, struct err *e)
{
	struct http_reply *r = in->reply;
	size_t n = rbuf_left(octets);

	if (in->state != AT_REST && n > in->left)
		n = (size_t)in->left;
	if (body_grow(in, n, e) < 0)
		return -1;
	rbuf_copy(octets, r->body + r->len, n);
	r->len += n;
	r->body[r->len] = '\0';
	if (in->state == AT_REST)
		return 0;
	in->left -= n;
	if (in->left == 0)
		in->state = in->state == AT_BODY ? AT_END : AT_CHUNK_END;
	return 0;
}

int
http_in_take(struct http_in *in, struct rbuf octets, bool end, struct err *e)
{
	int rc = 0;

	while (rc == 0 && rbuf_left(&octets) > 0 && in->state != AT_END)
		rc = in->state == AT_BODY || in->state == AT_REST ||
		    in->state == AT_CHUNK_DATA ? take_body(in, &octets, e) :
		    take_line(in, &octets, e);
	if (rc < 0)
		return -1;
	if (end && in->state == AT_REST)
		in->state = AT_END;
	if (end && in->state != AT_END)
		return bad(e, in->state == AT_STATUS && in->head == 0 ?
		    "the connection was closed without one" :
		    "the connection was closed amid it");
	return in->state == AT_END;
}

void
http_reply_fini(struct http_reply *r)
{
	free(r->body);
	memset(r, 0, sizeof(*r));
}

/* ------------------------------------------------------------ for a person */

static const struct {
	unsigned	 status;
	int		 code;
	const char	*text;
} meanings[] = {
	{ 202, EAGAIN, "it takes the request, and wants time" },
	{ 400, EPERM, "it does not understand the request" },
	{ 401, EPERM, "it wants a name and password, or refuses them" },
	{ 403, EPERM, "it refuses us" },
	{ 404, ENOENT, "there is nothing at this URL; is its path right?" },
	{ 405, EPERM, "it does not do this here; is the path right?" },
	{ 411, EPERM, "it wants a length" },
	{ 413, EPERM, "the request is too long for it" },
	{ 415, EPERM, "it does not take requests of this kind" },
	{ 429, EAGAIN, "it was asked too often" },
	{ 500, EAGAIN, "it failed; its own log says why" },
	{ 501, EPERM, "it does not do this" },
	{ 502, EAGAIN, "what is behind it failed" },
	{ 503, EAGAIN, "it is overloaded or down for now" },
	{ 504, EAGAIN, "what is behind it does not answer" },
};

/* Words of a text, without the tags of HTML, runs of blanks as one. */
static void
words_of(const struct http_reply *r, char *out, size_t out_len)
{
	size_t i, n = 0;
	bool tag = false;

	for (i = 0; i < r->len && n + 1 < out_len; i++) {
		char c = (char)r->body[i];

		if (c == '<' || c == '>') {
			tag = c == '<';
			c = ' ';
		}
		if (tag)
			continue;
		if (c == '\t' || c == '\r' || c == '\n')
			c = ' ';
		if (c != ' ' || (n > 0 && out[n - 1] != ' '))
			out[n++] = c;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

int
http_check(const struct http_reply *r, struct err *e)
{
	char words[120] = "", safe[200];
	size_t i = 0, n = sizeof(meanings) / sizeof(meanings[0]);

	if (r->status == 200)
		return 0;
	if (strncmp(r->type, "text/", 5) == 0)
		words_of(r, words, sizeof(words));
	text_escape(words, strlen(words), safe, sizeof(safe));
	while (i < n && meanings[i].status != r->status)
		i++;
	return err_set(e, i < n ? meanings[i].code : EPROTO, "the server "
	    "answers with HTTP status %u%s%s%s%s%s", r->status, i < n ? ": " :
	    "", i < n ? meanings[i].text : "", safe[0] != '\0' ? "; it says "
	    "\"" : "", safe, safe[0] != '\0' ? "\"" : "");
}
