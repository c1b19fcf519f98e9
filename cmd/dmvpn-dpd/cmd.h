#ifndef DPD_CMD_H
#define DPD_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "msg/types.h"
#include "sys/out.h"

/* Commands of dmvpn-dpd; each returns the exit status. */
int cmd_run(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_headends(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_hello(int argc, char **argv);
int cmd_resolve(int argc, char **argv);
int cmd_overview(int argc, char **argv);
int cmd_judge(int argc, char **argv);

/* One request to the running daemon; the exit status, said on failure. */
int cmd_call(const struct msg_type *t, const void *m,
    const struct msg_type *reply, void *out);

#endif
