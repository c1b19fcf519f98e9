#ifndef SYS_LINK_H
#define SYS_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "msg/types.h"
#include "sys/loop.h"

/*
 * The client side of a program's socket.
 *
 * struct link is for daemons: asynchronous, in the loop, reconnects by
 * itself (50 ms, doubling to 1 s) and subscribes again.  Whoever holds it
 * states its desired state again in up().
 */
struct link;

struct link_conf {
	const char	*path;		/* of the socket, or NULL with fd */
	int		 fd;		/* connected SEQPACKET; link takes it */
	const char *const *events;	/* prefixes, ends in NULL; may be NULL */
	void		*arg;
	void (*up)(void *arg);		/* connected, subscription sent */
	void (*down)(void *arg, const char *why);
	void (*event)(void *arg, const struct msg *m);
};

/* r is NULL when it was refused or the link broke; then why says it.
 * m is decoded into the type given with the request. */
typedef void link_done(void *arg, const void *m, const struct reason *why);

struct link *link_new(struct loop *l, const struct link_conf *conf,
    struct err *e);
void link_free(struct link *k);
bool link_is_up(const struct link *k);

/* done may be NULL: then nobody waits for the answer (id 0).  reply may be
 * NULL: the body is not looked at.  Pending calls fail when the link breaks
 * or after 10 s. */
int link_call(struct link *k, const struct msg_type *t, const void *m,
    const struct msg_type *reply, link_done *done, void *arg,
    struct err *e);

/*
 * struct conn is for one-shot commands: blocking, with a time limit.
 */
struct conn;

struct conn *conn_open(const char *path, struct err *e);
/* The same on a connected SOCK_SEQPACKET, which it takes. */
struct conn *conn_of_fd(int fd, struct err *e);
void conn_close(struct conn *c);
/* 0: reply decoded into out (may be NULL); -1: e says why, *r (may be NULL)
 * has the typed reason when the daemon refused (else r->code is ""). */
int conn_call(struct conn *c, const struct msg_type *t, const void *m,
    const struct msg_type *reply, void *out, struct reason *r,
    struct err *e);
int conn_subscribe(struct conn *c, const char *const *events,
    struct err *e);
/* The next event; 1, or 0 after ms (-1: no limit) or at the end of the
 * connection with *closed set; -1 on error.  m->body is valid until the next
 * call. */
int conn_event(struct conn *c, struct msg *m, int ms, bool *closed,
    struct err *e);
int conn_fd(const struct conn *c);

#endif
