#ifndef DMVPN_GRE_PRIV_SPAWN_H
#define DMVPN_GRE_PRIV_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Starting the packet half: the same program, as another process image. */

struct spawn {
	int		 exe;		/* of spawn_exe */
	const char	*argv0;
	const char	*user, *group;	/* NULL: as we */
	unsigned	 threads;
	bool		 serve, openssl;
	int		 client[2];	/* -1: none */
};

/* A descriptor of the program that runs, so that a packet half is always of
 * the same build. */
int spawn_exe(const char *argv0, struct err *e);

/* Fork and exec; *fd gets our end of the pair (non-blocking).  -1: e. */
pid_t spawn_packet_half(const struct spawn *s, int *fd, struct err *e);

#endif
