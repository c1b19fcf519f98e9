#ifndef PKI_WEB_H
#define PKI_WEB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "msg/types.h"
#include "pki_desk.h"

/*
 * The edge to the web: what may be asked for, and what of a request is handed
 * on.  Pure: no socket.
 */
#define WEB_BODY_MAX	65536	/* octets, before and after decoding */
#define WEB_URI_MAX	12288	/* SCEP messages come in GET */

enum web_method { WEB_GET = 1, WEB_POST = 2 };

struct web_route {
	const char	*path;
	bool		 prefix;	/* path and what follows it */
	unsigned	 methods;	/* enum web_method */
	bool		 tls;		/* only there */
	const char	*type;		/* that a body must have; NULL: any */
	enum { WEB_RAW, WEB_BASE64, WEB_IN_PATH, WEB_SCEP } how;
	desk_fn		*handle;
	const char	*help;		/* NULL: the same as the one before */
};
extern const struct web_route web_routes[];	/* ends in path NULL */

/* A request; texts may be NULL. */
struct web_request {
	bool		 tls;
	enum web_method	 method;
	const char	*uri;			/* path and query */
	const char	*type, *authorization;
	unsigned	 lengths;		/* how many Content-Length */
	struct rbuf	 body;
};

/* Fill *ask (but id, from, certificate) and *body, which lies in room (of
 * WEB_BODY_MAX) or in r.  0, or the status to refuse with and e. */
unsigned web_take(const struct web_request *r, struct wbuf *room,
    struct pki_web_ask *ask, struct rbuf *body, struct err *e);

#endif
