#ifndef CRYPTO_HTTP_H
#define CRYPTO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "crypto/cert.h"

/*
 * One HTTP/1.1 exchange (RFC 9112), over TCP or TLS 1.2 and later, with one
 * time limit for all of it.  For programs that may block, never for a loop.
 * OpenSSL's own client hides the status and the headers of what is not 200;
 * Retry-After, ETag and the words of a refusal are wanted here.
 */
#define HTTP_REPLY_MAX	(1u << 20)	/* octets of a body, if not told */
#define HTTP_HEAD_MAX	16384		/* octets of status and headers */
#define HTTP_HEADERS	100
#define HTTP_PATH_MAX	16384
#define HTTP_HOPS	3		/* redirects, within one origin */
#define HTTP_SECONDS	30

struct evp_pkey_st;

struct http_ask {
	const char		*url;
	const char		*type;		/* of the body; NULL: GET */
	struct rbuf		 body;
	const char		*encoding;	/* "base64"; or NULL */
	const char		*accept;	/* or NULL */
	const char		*etag;		/* If-None-Match; or NULL */
	const char		*modified;	/* If-Modified-Since; or NULL */
	const char		*user;		/* Basic; or NULL */
	const struct secret	*password;
	/* https: whom to trust; NULL: what the system trusts. */
	const struct cert_set	*anchors;
	/* https: anybody.  Only to fetch what is checked in another way. */
	bool			 any_server;
	const struct cert_set	*client;	/* our certificate and chain */
	struct evp_pkey_st	*client_key;
	unsigned		 seconds;	/* 0: HTTP_SECONDS */
	size_t			 max;		/* 0: HTTP_REPLY_MAX */
};

struct http_reply {
	unsigned	 status;		/* 100..599 */
	char		 type[96];		/* without parameters, lower case */
	char		 etag[128];
	char		 modified[48];
	char		 location[512];
	uint64_t	 retry_after;		/* seconds; 0: none */
	uint8_t		*body;			/* ends in NUL */
	size_t		 len;
};

/*
 * Any answer is a success, whatever its status.  -1: there was none.  e->code:
 * EINVAL the URL; EHOSTUNREACH no such name; ECONNREFUSED, ETIMEDOUT;
 * EACCES the server's certificate; EBADMSG it does not speak HTTP; EFBIG.
 * Free with http_reply_fini in any case.
 */
int http_do(const struct http_ask *ask, struct http_reply *r, struct err *e);
void http_reply_fini(struct http_reply *r);

/* 0 if it is 200; else a sentence with the status, what it usually means, and
 * the first words of a text that came with it. */
int http_check(const struct http_reply *r, struct err *e);

/* Only octets that may stand in a request line. */
int http_url_check(const char *text, struct err *e);

/* The parts of a URL.  Refused: other schemes, names and passwords in it,
 * control characters, empty hosts. */
struct http_url {
	bool	 tls;
	bool	 literal;		/* host is an IPv6 address */
	char	 host[256];
	char	 port[6];
	char	 path[HTTP_PATH_MAX];	/* with the query; begins with "/" */
};
int http_url_parse(const char *text, struct http_url *u, struct err *e);

/*
 * The parser of replies, by itself: pieces of octets in any sizes.  A zeroed
 * one is new; max must be set.  Returns 1 when the reply is whole, 0 for more,
 * -1 on error.  end says that nothing follows these octets.
 */
struct http_in {
	size_t			 max;
	struct http_reply	*reply;
	char			 line[HTTP_HEAD_MAX];
	size_t			 line_len;
	size_t			 head;		/* octets of lines so far */
	size_t			 room;		/* of reply->body */
	uint64_t		 left;		/* of the body, of a chunk */
	unsigned		 headers;
	uint8_t			 state;
	bool			 chunked, sized;
};
int http_in_take(struct http_in *in, struct rbuf octets, bool end,
    struct err *e);

/* Text with %XX for what may not stand in a query. */
int http_escape(const char *text, char *out, size_t out_len, struct err *e);

#endif
