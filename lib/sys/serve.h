#ifndef SYS_SERVE_H
#define SYS_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "msg/types.h"
#include "sys/loop.h"

/*
 * A daemon's Unix SOCK_SEQPACKET socket: requests in, replies and events
 * out.  hello and subscribe are answered here.  Each client has a bounded
 * queue; one that does not read is told so (overflow) and dropped; no client
 * can block the daemon.  What is said in a turn of the loop is sent at its
 * end, and in one datagram to those who take several messages in one.
 */
struct server;

/* Where a reply goes.  Copy it to answer later; answering a client that has
 * gone does nothing. */
struct call {
	struct server	*server;
	uint64_t	 client;
	uint32_t	 id;
};

/* The handler answers with one of call_reply, call_ok, call_fail, now or
 * later.  in is the decoded request, valid until the handler returns. */
struct serve_row {
	const struct msg_type	*in;	/* its name is the command */
	void (*handle)(void *arg, const struct call *c, const void *in);
	bool			 secret;	/* only our own uid or root */
};

struct server_conf {
	const char		*program;	/* "dmvpn-gre" */
	const char		*path;		/* NULL: none (fd clients only) */
	const struct serve_row	*rows;
	size_t			 n_rows;
	void			*arg;
	gid_t			 group;		/* of the socket; (gid_t)-1: ours */
	/* Events for our own uid and root alone; ends in NULL, may be NULL. */
	const struct msg_type	*const *secrets;
	/* Told when a client subscribes to or leaves events; may be NULL. */
	void (*subscribed)(void *arg);
};

/* A stale socket file is replaced, one that answers is an error. */
struct server *server_new(struct loop *l, const struct server_conf *conf,
    struct err *e);
void server_free(struct server *s);	/* unlinks the socket */

/* Serve one more client on a connected SOCK_SEQPACKET; takes fd. */
int server_add(struct server *s, int fd, struct err *e);

void call_reply(const struct call *c, const struct msg_type *t,
    const void *m);
void call_ok(const struct call *c);		/* {} */
void call_fail(const struct call *c, const struct reason *r);
/* A failure of code "failed"/"invalid"/"not-found"..., text from e. */
void call_err(const struct call *c, const char *stage, const char *code,
    const struct err *e);

/* Who asks: the uid at the other end (SO_PEERCRED); (uid_t)-1: it has gone. */
uid_t call_uid(const struct call *c);

/* To all who subscribed to a prefix of its name. */
void server_event(struct server *s, const struct msg_type *t,
    const void *m);
/* Is anybody subscribed to it?  Asked before costly events are made. */
bool server_wanted(const struct server *s, const struct msg_type *t);

/* The run directory: $DMVPN_RUN or /run/dmvpn; 0711, made if missing.
 * path gets DIR/NAME. */
int run_path(char *path, size_t len, const char *name, struct err *e);
int run_dir_make(struct err *e);

#endif
