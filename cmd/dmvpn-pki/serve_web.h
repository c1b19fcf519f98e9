#ifndef SERVE_WEB_H
#define SERVE_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <uthash.h>

#include "base/addr.h"
#include "base/err.h"
#include "msg/types.h"
#include "pki_web_in.h"
#include "serve_rate.h"
#include "serve_share.h"
#include "sys/loop.h"

/*
 * The half of `serve` that speaks HTTP and TLS.  It has sockets and the key of
 * its TLS certificate, and nothing of the CA.  One request a connection.
 * libevent's own HTTP server tells of a connection only when its request is
 * whole, so it can not bound those that never are.
 */
#define WEB_CONNECTIONS	64
#define WEB_DAWDLE	250	/* ms, after which one may lose its place */
#define WEB_STALL	3000	/* ms, the same for who does not read */
#define WEB_PAUSE	20	/* ms, between looks for a place */
#define WEB_LISTENS	16
#define WEB_SECONDS	10	/* to a whole request */
#define WEB_DESK	20	/* seconds for the other half to answer */
#define WEB_REPLY	60	/* to take the answer */

#define WEB_LINGER	2	/* for the client to close */

struct bufferevent;
struct web;

enum visit_state {
	VISIT_READING,		/* the request is not whole */
	VISIT_ASKED,		/* the other half has it */
	VISIT_ANSWERED,		/* the answer is on its way */
	VISIT_LINGERS,		/* it is out; the client has not closed */
};

/* One connection, and what it asked. */
struct visit {
	struct visit		*prev, *next;
	struct web		*web;
	enum visit_state	 state;
	struct bufferevent	*bev;
	uint32_t		 id;
	struct addr		 from;
	uint64_t		 since;		/* ms; of an answer: when it began */
	struct timer		 limit;
	struct web_in		 in;
};

struct listener {
	struct web		*web;
	int			 fd;
	bool			 tls;
	struct watch		 watch;
};

struct web {
	struct loop		*loop;
	struct listener		 listeners[WEB_LISTENS];
	size_t			 n_listeners;
	SSL_CTX			*tls;
	struct bufferevent	*desk;
	struct timer		 renew;		/* of the TLS certificate */
	struct timer		 pause;		/* nobody is let in */
	const char		*names;
	struct visit		*visits;	/* oldest first */
	struct share		*shares;	/* lists on their way */
	size_t			 n_visits;
	uint32_t		 last_id;
	struct rate		 rate;
	struct pki_serving_reply seen;
	bool			 failed;	/* the other half is gone */
	bool			 secure;	/* some listener is of HTTPS */
	loop_fn			*ready;		/* called once, then NULL */
	void			*arg;
};

/* desk: the socket to the other half; taken.  names: of our TLS certificate,
 * between blanks. */
int web_open(struct web *w, int desk, const char *names, struct err *e);
/* fd listens; it is taken, in any case. */
int web_listen(struct web *w, int fd, bool tls, struct err *e);
void web_close(struct web *w);

/* ------------------------------------------------- with the other half */

#define PKI_WEB_TLS_ID	UINT32_MAX	/* of questions for a certificate */

/* Ask it; the answer goes to web_answered. */
int web_ask(struct web *w, const struct pki_web_ask *a, struct rbuf body,
    struct err *e);
void web_answered(struct web *w, const struct pki_web_reply *r,
    struct rbuf body);
void web_desk_close(struct web *w);

/* One question to d; its answer.  -1: the other side is gone, or talks
 * nonsense. */
struct desk;
int serve_desk_once(struct desk *d, int fd, struct err *e);

/* -------------------------------------------------------------------- TLS */

/* Ask for our certificate, now and again before it ends; without HTTPS only
 * whether the other half is there.  w->ready is called at the first answer. */
int web_tls_ask(struct web *w, struct err *e);
void web_tls_answered(struct web *w, const struct pki_web_reply *r,
    struct rbuf pem);
/* PEM: key, certificate, those above it. */
int web_tls(struct web *w, struct rbuf pem, struct err *e);
/* A connection that was accepted; takes fd, in any case. */
struct bufferevent *web_tls_accept(struct web *w, int fd);
/* The certificate that the client has proved to have; *der is freed with
 * OPENSSL_free. */
struct rbuf web_tls_client(struct bufferevent *b, unsigned char **der);
/* We send nothing more. */
void web_tls_end(struct bufferevent *b);

#endif
