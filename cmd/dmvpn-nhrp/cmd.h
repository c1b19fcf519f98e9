#ifndef NHRP_CMD_H
#define NHRP_CMD_H

#include <stdbool.h>

#include "base/err.h"
#include "msg/types.h"
#include "sys/out.h"

/* Each returns an exit status. */
int cmd_run(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_interface(int argc, char **argv);
int cmd_cache(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_resolve(int argc, char **argv);
int cmd_purge(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_decode(int argc, char **argv);

#define CMD_SOCK	"nhrp.sock"
#define CMD_OWNER	"static"	/* of what is set by hand */

/* The interface that is meant: the one named, or the only one there is.
 * Exit status. */
int cmd_which(const char *named, char to[16]);

#endif
