#ifndef SYS_DAEMON_H
#define SYS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "sys/command.h"
#include "sys/loop.h"
#include "sys/priv.h"

/*
 * What daemons do alike: options, privilege, the signals that end them.
 */
struct daemon_opts {
	uint64_t	 ready_fd;	/* 0: none */
	const char	*user;		/* NULL: stay */
	const char	*group, *level;
	gid_t		 gid;		/* of group; (gid_t)-1: ours */
};

/* Rows of a table of options; o is a struct daemon_opts. */
#define DAEMON_OPTS(o)							\
	{ 'r', "ready-fd", "FD", "write a newline there when serving",	\
	  OPT_NUM, &(o).ready_fd, 3, 1023 },				\
	{ 0, "user", "NAME", "run as this user", OPT_TEXT, &(o).user,	\
	  0, 0 },							\
	{ 0, "log-level", "LEVEL", "error, warn, info or debug",	\
	  OPT_TEXT, &(o).level, 0, 0 }
#define DAEMON_GROUP(o)							\
	{ 0, "group", "NAME", "who may use the socket", OPT_TEXT,	\
	  &(o).group, 0, 0 }

/* After opt_parse: the level is set, gid filled.  -1: they are wrong, which
 * was said, and *status is for the caller to exit with. */
int daemon_opts(struct daemon_opts *o, int *status);

/* Now we serve: ready_say. */
void daemon_ready(const struct daemon_opts *o);

/* Gives up privilege, then enters the sandbox of these flags.  Of files there
 * is left: with own_socket the run directory, from which the socket is taken
 * away at the end, and to read what lies below also (may be NULL). */
int daemon_confine(const char *user, unsigned flags, bool own_socket,
    const char *also, struct err *e);

/* fn on SIGTERM and SIGINT. */
int daemon_signals(struct loop *l, loop_fn *fn, void *arg, struct err *e);

/* name NULL: (gid_t)-1. */
int daemon_group(const char *name, gid_t *gid, struct err *e);

#endif
