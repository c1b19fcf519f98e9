#ifndef PKI_WEB_IN_H
#define PKI_WEB_IN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "pki_web.h"

/*
 * HTTP/1.x requests (RFC 9112) as they come in, a piece at a time.  Strict:
 * lines end in CRLF, nothing is folded, a header that matters stands once, the
 * length of a body is told by Content-Length alone, nothing follows it.
 */
#define WEB_HEAD_MAX	(WEB_URI_MAX + 4096)
#define WEB_HEADERS_MAX	64

struct web_in {
	char			head[WEB_HEAD_MAX + 1];
	size_t			head_len;	/* so far; whole when parsed */
	bool			parsed, head_only, expects;
	struct web_request	request;	/* texts lie in head */
	const char		*etag, *since;	/* If-None-Match, ... */
	size_t			length;		/* of the body */
	uint8_t			body[WEB_BODY_MAX];
	size_t			body_len;
};

/*
 * Take octets in.  200: the request is whole; 100: more is wanted; else the
 * status to refuse it with, and e.  tls stays as it was set.
 */
unsigned web_in_take(struct web_in *in, struct rbuf octets, struct err *e);

#endif
