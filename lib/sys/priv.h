#ifndef SYS_PRIV_H
#define SYS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Giving up privilege, in this order, before the first octet from the
 * network is parsed.  What the kernel lacks is logged once, not an error.
 */
struct priv {
	const char	*user;		/* NULL: stay */
	uint64_t	 keep_caps;	/* bit mask of CAP_*; 0: none */
	bool		 dumpable;	/* false: no core, no ptrace */
};
/* ids, capabilities (ambient and bounding too), no_new_privs, core limit. */
int priv_drop(const struct priv *p, struct err *e);
/* Does this process have the capability (effective)? */
bool priv_has(int cap);

enum sandbox_flags {
	SANDBOX_UNIX = 1,	/* AF_UNIX sockets: connect, accept, fd passing */
	SANDBOX_INET = 2,	/* new UDP/TCP sockets, connect, bind */
	SANDBOX_NETLINK = 4,
	SANDBOX_FILES = 8,	/* open below the paths of sandbox_conf */
	SANDBOX_THREADS = 16,	/* clone of threads */
	SANDBOX_SQLITE = 32,	/* locks, fsync, ftruncate, rename, unlink */
	SANDBOX_TUN = 64,	/* /dev/net/tun and its ioctls */
};
struct sandbox_path {
	const char	*path;
	bool		 write;
};
struct sandbox_conf {
	unsigned			 flags;
	const struct sandbox_path	*paths;	/* ends in { NULL } */
};
/* Landlock and seccomp; the default set is what an event loop over open
 * descriptors needs.  A refused system call gives EPERM, not death, except
 * execve, ptrace and the like, which kill. */
int sandbox_enter(const struct sandbox_conf *c, struct err *e);

/* SCM_RIGHTS: n <= 8 descriptors and a small record on a socket. */
int fd_send(int sock, const void *record, size_t len, const int *fds,
    size_t n, struct err *e);
/* Length of the record (0: end); *n descriptors set O_CLOEXEC; a truncated
 * message closes what came and fails. */
ssize_t fd_receive(int sock, void *record, size_t len, int *fds, size_t *n,
    struct err *e);

/* getrandom(2); never short.  Aborts nothing: -1 when there is none. */
int random_bytes(void *to, size_t len, struct err *e);

#endif
