#ifndef SYS_CLIENT_H
#define SYS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <utlist.h>

#include "msg/types.h"
#include "sys/loop.h"
#include "sys/outbox.h"
#include "sys/serve.h"

/* One client of a server: its descriptor, what it subscribed to and what
 * waits for it.  Inside lib/sys only. */

#define CLIENT_QUEUE_OCTETS	(1024 * 1024)
#define CLIENT_QUEUE_MESSAGES	1024
#define CLIENT_LINGER		5000	/* ms, to read the overflow event */

struct client {
	struct client	*prev, *next;
	struct server	*server;
	uint64_t	 id;
	int		 fd;		/* -1: gone, freed in the next turn */
	uid_t		 uid;		/* of the peer, when it connected */
	bool		 trusted;	/* our own uid or root */
	bool		 leaving;	/* overflowed: only the rest is sent */
	struct watch	 reads, writes;
	struct timer	 linger;
	struct after	 flush;
	struct outbox	 queue;
	struct subscribe wants;
};

struct server {
	struct loop		*loop;
	struct server_conf	 conf;
	char			 path[108];
	int			 fd;		/* listens, or -1 */
	int			 spare;		/* given up to refuse politely */
	int			 lock;
	uint64_t		 started;
	uint64_t		 last_id;
	struct watch		 accepts;
	struct timer		 retry;		/* accept again */
	struct timer		 sweep;		/* free clients that are gone */
	struct client		*clients;
	size_t			 n_clients;
};

/* Takes fd, in any case. */
struct client *client_new(struct server *s, int fd, struct err *e);
void client_free(struct client *c);
/* The descriptor is closed now, the rest is freed in the next turn. */
void client_drop(struct client *c);
/* Queue one encoded message: it goes at the end of the turn. */
void client_send(struct client *c, struct rbuf message);
bool client_wants(const struct client *c, const char *event);
/* May this peer connect, may it give secrets, who is it?  -1: no. */
int client_check(int fd, gid_t group, bool *trusted, uid_t *uid,
    struct err *e);

/* A message came in (serve.c), or several; the first is taken off in. */
void server_take(struct server *s, struct client *c, struct rbuf *in);

#endif
