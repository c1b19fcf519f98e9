#ifndef IKE_CMD_H
#define IKE_CMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "msg/types.h"
#include "sys/link.h"
#include "sys/out.h"

/* Each returns an exit status. */
int cmd_run(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_profile(int argc, char **argv);
int cmd_connection(int argc, char **argv);
int cmd_sas(int argc, char **argv);
int cmd_peers(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_probe_peer(int argc, char **argv);
int cmd_rekey(int argc, char **argv);
int cmd_close(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_decode(int argc, char **argv);
int cmd_connect(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_proposals(int argc, char **argv);

#define CMD_SOCK	"ike.sock"
#define CMD_OWNER	"static"	/* of what is set by hand */

/* One page of a snapshot, of says which. */
int cmd_page(struct conn *c, const char *of, uint64_t after,
    const struct msg_type *t, void *out, struct err *e);

/* Call fn for every IKE SA until it returns non-zero, which is returned, or
 * -1 with e. */
int cmd_each_sa(struct conn *c, int (*fn)(void *arg, const struct ike_sa *s),
    void *arg, struct err *e);
int cmd_each_failure(struct conn *c,
    int (*fn)(void *arg, const struct ike_failed *f), void *arg,
    struct err *e);

/* Is this SA meant by what: a peer's number, a connection, an identity, an
 * address? */
bool cmd_sa_is(const struct ike_sa *s, const char *what);

/* The number of the peer that is meant; 0: there is none; -1: the daemon
 * can not be asked; e says so. */
int cmd_find_peer(const char *what, struct err *e);

/* Text for what the user may leave out; -1: too long. */
int cmd_text(char *to, size_t len, const char *option, const char *from,
    struct err *e);

#endif
