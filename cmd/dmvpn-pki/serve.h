#ifndef SERVE_H
#define SERVE_H

#include "base/err.h"
#include "pki_ring.h"
#include "sys/loop.h"
#include "sys/serve.h"

/* The agent's loop and socket. */
struct agent {
	struct loop	*loop;
	struct server	*server;
	struct pki_ring	 ring;
	struct watch	 gone;		/* of the client given by --fd */
	int		 peek;		/* its descriptor, doubled; or -1 */
};

/* path NULL: no socket; fd >= 0: one client there, the agent ends with it.
 * group: who may use the socket, (gid_t)-1: ours. */
int serve_open(struct agent *a, const char *path, int fd, gid_t group,
    struct err *e);
int serve_run(struct agent *a, struct err *e);
void serve_close(struct agent *a);

#endif
