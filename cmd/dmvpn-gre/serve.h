#ifndef DMVPN_GRE_SERVE_H
#define DMVPN_GRE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gre.h"
#include "sys/loop.h"
#include "sys/serve.h"

/* The packet half: for serve*.c and main.c. */

struct job;
struct wait;

struct packet {
	struct loop		*loop;
	struct path		*path;
	struct server		*server;
	struct gre		 gre;
	struct priv_wire	 wire;
	struct watch		 in, out, events;
	struct timer		 tick, path_tick, pulse;
	struct after		 poke, flush;
	struct wait		*waits;		/* by sequence number */
	uint32_t		 seq;
	bool			 begun, over;
	uint64_t		 unsent;	/* requests that found no room */
	uint64_t		 path_at;	/* ms, of path_tick */
};

/* "dmvpn-gre packet-half", started by the privileged half only. */
int serve_packet_half(int argc, char **argv);

/*
 * An answer that waits for the privileged half: made before the engine is
 * asked, given to it, then closed with what the engine said.  The call is
 * answered when all that was asked of the kernel is done.
 */
struct job *job_new(const struct call *c);
void job_close(struct packet *p, struct job *j, int rc, const struct err *e);
/* Refuse with the code that the error stands for. */
void serve_refuse(const struct call *c, const struct err *e);

/* Something changed: the turn ends with gre_tick. */
void serve_poke(struct packet *p);
/* The packet path has something to do at that time (ms), 0: no. */
void serve_path_at(struct packet *p, uint64_t at);

/* A request of which the report goes to a call. */
void serve_lookup(struct packet *p, const struct call *c,
    const struct addr *a);
/* One that concerns the other half itself. */
void serve_tell(struct packet *p, enum priv_op op, bool keep);

extern const struct serve_row serve_rows[];
extern const size_t serve_n_rows;

/* Take in a batch of what the packet threads report. */
void serve_events(void *arg);

#endif
