#ifndef SYS_UNIXSOCK_H
#define SYS_UNIXSOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Unix SOCK_SEQPACKET sockets by path, for serve.c, link.c and conn.c. */

/* Listen at path, mode 0660; group (gid_t)-1: ours.  *lock gets a
 * descriptor that is locked as long as we serve.  A stale socket is
 * replaced; anything else at path, a live one, or a directory that others
 * may write is an error. */
int socket_listen(const char *path, gid_t group, int *lock, struct err *e);
void socket_unlock(const char *path, int lock);
/* A connection: close-on-exec, non-blocking; -1 and errno. */
int socket_accept(int fd);
/* A descriptor that can be given up when there are no more. */
int socket_spare(int fd);
/* Connect; a nonblocking one is connected at once or fails. */
int socket_connect(const char *path, bool nonblocking, struct err *e);

#endif
