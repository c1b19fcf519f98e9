#ifndef SYS_OUTBOX_H
#define SYS_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * Encoded messages that wait to be sent on a SOCK_SEQPACKET socket.  Who
 * takes several in one datagram is sent as many as fit into MSG_MAX octets: a
 * send, a buffer and a wake-up cost more than all that is in a message.
 * A zeroed one is empty.  Inside lib/sys only.
 */
struct packet;

struct outbox {
	struct packet	*first;
	size_t		 octets, messages;
};

/* Copies the message to the end; -1: out of memory. */
int outbox_add(struct outbox *o, struct rbuf message);
/* 1: all are sent; 0: the rest not now; -1: never, see errno. */
int outbox_send(struct outbox *o, int fd, bool several);
/* Forgets all; messages may hold keys and are wiped. */
void outbox_clear(struct outbox *o);

#endif
