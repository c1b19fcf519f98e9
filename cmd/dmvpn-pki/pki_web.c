#include "pki_web.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/text.h"

#define PKCS10	"application/pkcs10"
#define EST	"/.well-known/est/"
#define SCEP	"application/x-pki-message"

const struct web_route web_routes[] = {
	{ "/", false, WEB_GET, false, NULL, WEB_RAW, desk_index,
	  "this text" },
	{ "/ca.pem", false, WEB_GET, false, NULL, WEB_RAW, desk_ca_pem,
	  "certificates to trust, PEM" },
	{ "/ca.crt", false, WEB_GET, false, NULL, WEB_RAW, desk_ca_der,
	  "the CA's certificate, DER" },
	{ "/crl", false, WEB_GET, false, NULL, WEB_RAW, desk_crl,
	  "revocation list of the key in use, DER" },
	{ "/ca.crl", false, WEB_GET, false, NULL, WEB_RAW, desk_crl_first,
	  "of the first key; -N.crl: a part, -gM.crl: the M-th key" },
	{ "/ca-", true, WEB_GET, false, NULL, WEB_RAW, desk_crl, NULL },
	{ "/ocsp", false, WEB_POST, false, "application/ocsp-request",
	  WEB_RAW, desk_ocsp, "OCSP (RFC 6960)" },
	{ "/ocsp/", true, WEB_GET, false, NULL, WEB_IN_PATH, desk_ocsp,
	  NULL },
	{ "/scep", false, WEB_GET | WEB_POST, false, NULL, WEB_SCEP,
	  desk_scep, "SCEP (RFC 8894)" },
	{ "/cgi-bin/pkiclient.exe", false, WEB_GET | WEB_POST, false, NULL,
	  WEB_SCEP, desk_scep, NULL },
	{ "/certsrv/mscep/mscep.dll", true, WEB_GET | WEB_POST, false, NULL,
	  WEB_SCEP, desk_scep, NULL },
	{ EST "cacerts", false, WEB_GET, true, NULL, WEB_RAW, est_cacerts,
	  "EST (RFC 7030), over HTTPS only" },
	{ EST "csrattrs", false, WEB_GET, true, NULL, WEB_RAW, est_csrattrs,
	  NULL },
	{ EST "simpleenroll", false, WEB_POST, true, PKCS10, WEB_BASE64,
	  est_enroll, NULL },
	{ EST "simplereenroll", false, WEB_POST, true, PKCS10, WEB_BASE64,
	  est_reenroll, NULL },
	{ NULL, false, 0, false, NULL, WEB_RAW, NULL, NULL },
};

static unsigned
refuse(unsigned status, struct err *e, const char *why)
{
	err_set(e, EBADMSG, "%s", why);
	return status;
}

/* ------------------------------------------------------------------- parts */

static int
hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at;

	at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ?
	    c - 'A' + 'a' : c);
	return at == NULL ? -1 : (int)(at - digits);
}

/* %XX becomes its octet, which may not be NUL.  "+" stays: base64 has it. */
static int
unescape(struct rbuf in, char *out, size_t out_len)
{
	struct wbuf w = wbuf_of(out, out_len);

	while (rbuf_left(&in) > 0) {
		uint8_t c = rbuf_u8(&in);

		if (c == '%') {
			int hi = hex_value((char)rbuf_u8(&in));
			int lo = hex_value((char)rbuf_u8(&in));

			if (hi < 0 || lo < 0 || hi + lo == 0)
				return -1;
			c = (uint8_t)(hi << 4 | lo);
		}
		wbuf_u8(&w, c);
	}
	wbuf_u8(&w, '\0');
	return wbuf_ok(&w) ? 0 : -1;
}

/* The value of a key in a query; empty when it is not there. */
static struct rbuf
query_value(const char *query, const char *key)
{
	size_t len = strlen(key);

	while (query != NULL) {
		const char *end = query + strcspn(query, "&");

		if (strncmp(query, key, len) == 0 && query[len] == '=')
			return rbuf_of(query + len + 1,
			    (size_t)(end - query) - len - 1);
		query = *end == '&' ? end + 1 : NULL;
	}
	return rbuf_of("", 0);
}

/* Only the media type, without parameters. */
static bool
is_type(const char *type, const char *want)
{
	size_t len = strlen(want);

	return type != NULL && strncasecmp(type, want, len) == 0 &&
	    strchr("; \t", type[len]) != NULL;
}

/* RFC 7617: base64 of "user:password". */
static int
take_basic(const char *text, struct pki_web_ask *ask)
{
	char room[256];
	struct wbuf w = wbuf_of(room, sizeof(room) - 1);
	char *colon;
	int rc = -1;

	if (strncasecmp(text, "Basic ", 6) != 0 ||
	    base64_read(&w, BASE64_PLAIN, text + 6, strlen(text + 6),
	    NULL) < 0 || memchr(room, '\0', w.len) != NULL)
		return -1;
	room[w.len] = '\0';
	if ((colon = strchr(room, ':')) != NULL &&
	    text_is_utf8(room, w.len)) {
		*colon = '\0';
		rc = text_copy(ask->user, sizeof(ask->user), room, NULL);
		if (rc == 0)
			rc = text_copy(ask->secret, sizeof(ask->secret),
			    colon + 1, NULL);
	}
	secret_wipe(room, sizeof(room));
	return rc < 0 || ask->user[0] == '\0' ? -1 : 0;
}

/* ------------------------------------------------------------------- whole */

static bool
is_path(const struct web_route *w, const char *path, size_t len)
{
	size_t n = strlen(w->path);

	return w->prefix ? len >= n && strncmp(path, w->path, n) == 0 :
	    len == n && strncmp(path, w->path, n) == 0;
}

/* Of those with this path the one with this method; else 404 or 405. */
static unsigned
find_route(const struct web_request *r, size_t path_len, size_t *found,
    struct err *e)
{
	unsigned status = 404;
	size_t i;

	for (i = 0; web_routes[i].path != NULL; i++) {
		const struct web_route *w = &web_routes[i];

		if (!is_path(w, r->uri, path_len))
			continue;
		if ((w->methods & r->method) == 0) {
			status = 405;
			continue;
		}
		if (w->tls && !r->tls)
			return refuse(403, e, "this is for HTTPS only");
		*found = i;
		return 0;
	}
	return refuse(status, e, status == 404 ? "there is nothing here" :
	    "another method is wanted here");
}

static unsigned
decode(const char *text, size_t len, struct wbuf *room, struct rbuf *body,
    struct err *e)
{
	if (base64_read(room, BASE64_PLAIN, text, len, NULL) < 0)
		return refuse(400, e, "the body is no base64");
	*body = wbuf_rbuf(room);
	return 0;
}

/* RFC 8894, 4.1: operation and message in the query, or the message as body. */
static unsigned
take_scep(const struct web_request *r, const char *query, struct wbuf *room,
    struct pki_web_ask *ask, struct rbuf *body, struct err *e)
{
	struct rbuf text = query_value(query, "message");
	char message[WEB_URI_MAX];

	if (unescape(query_value(query, "operation"), ask->rest,
	    sizeof(ask->rest)) < 0 || !text_is_utf8(ask->rest,
	    strlen(ask->rest)))
		return refuse(400, e, "operation is malformed");
	if (r->method == WEB_POST || strcmp(ask->rest, "PKIOperation") != 0) {
		*body = r->body;
		return 0;
	}
	if (unescape(text, message, sizeof(message)) < 0)
		return refuse(400, e, "message is malformed");
	return decode(message, strlen(message), room, body, e);
}

static unsigned
take_path(const char *rest, size_t len, struct wbuf *room,
    struct rbuf *body, struct err *e)
{
	char text[WEB_URI_MAX];

	if (unescape(rbuf_of(rest, len), text, sizeof(text)) < 0)
		return refuse(400, e, "the path is malformed");
	return decode(text, strlen(text), room, body, e);
}

static unsigned
take_body(const struct web_route *w, const struct web_request *r,
    struct wbuf *room, struct rbuf *body, struct err *e)
{
	if (w->type != NULL && !is_type(r->type, w->type))
		return refuse(415, e, "Content-Type is another one");
	*body = r->body;
	if (w->how == WEB_RAW || (rbuf_left(&r->body) > 0 &&
	    r->body.p[0] == 0x30))
		return 0;
	return decode((const char *)r->body.p, rbuf_left(&r->body), room,
	    body, e);
}

unsigned
web_take(const struct web_request *r, struct wbuf *room,
    struct pki_web_ask *ask, struct rbuf *body, struct err *e)
{
	const char *query = strchr(r->uri, '?');
	size_t len = strcspn(r->uri, "?"), i = 0;
	const struct web_route *w;
	unsigned status;

	memset(ask, 0, sizeof(*ask));
	*body = rbuf_of("", 0);
	if (r->uri[0] != '/' || strlen(r->uri) >= WEB_URI_MAX)
		return refuse(r->uri[0] != '/' ? 400 : 414, e,
		    "that is no path of ours");
	if ((status = find_route(r, len, &i, e)) != 0)
		return status;
	w = &web_routes[i];
	ask->route = (uint8_t)i;
	ask->tls = r->tls;
	ask->post = r->method == WEB_POST;
	if (r->authorization != NULL && r->tls &&
	    take_basic(r->authorization, ask) < 0)
		return refuse(401, e, "Authorization is not Basic, or is "
		    "malformed");
	if (w->how == WEB_SCEP)
		return take_scep(r, query != NULL ? query + 1 : NULL, room,
		    ask, body, e);
	if (w->how == WEB_IN_PATH)
		return take_path(r->uri + strlen(w->path), len -
		    strlen(w->path), room, body, e);
	if (w->prefix && (unescape(rbuf_of(r->uri + strlen(w->path), len -
	    strlen(w->path)), ask->rest, sizeof(ask->rest)) < 0 ||
	    !text_is_utf8(ask->rest, strlen(ask->rest))))
		return refuse(400, e, "the path is malformed");
	return ask->post ? take_body(w, r, room, body, e) : 0;
}
