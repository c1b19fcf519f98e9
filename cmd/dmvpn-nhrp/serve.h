#ifndef NHRP_SERVE_H
#define NHRP_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "nhrp_engine.h"
#include "sys/below.h"
#include "sys/link.h"
#include "sys/loop.h"
#include "sys/serve.h"

/*
 * The daemon around the engine: links to dmvpn-gre and dmvpn-ike, the socket
 * for clients, one timer.  It only carries: what is decided is decided in
 * nhrp_*.c.
 */
#define SERVE_RESOLVES_MAX	64	/* nhrp-resolve requests that wait */
#define SERVE_RESOLVE_WAIT	8000	/* ms; callers wait for 10 s */
#define SERVE_PAGE_AGAIN	1000	/* ms, when reading them failed */
#define SERVE_SETTLE		5000	/* ms until dmvpn-gre's peers count */

struct serve_conf {
	const char	*user;		/* NULL: stay */
	const char	*socket, *gre_path, *ike_path;
	gid_t		 group;		/* of the socket; -1: ours */
};

/* A reply that is owed for nhrp-resolve. */
struct serve_resolve {
	bool		used;
	struct call	call;
	uint64_t	ticket, until;
};

struct daemon {
	struct serve_conf	 conf;
	struct loop		*loop;
	struct server		*server;
	struct link		*gre, *ike;
	struct below		 below;
	struct nhrp_engine	*engine;
	bool			 adopted;	/* once in a life */
	bool			 paging;	/* peers, maps, routes come */
	bool			 counting;	/* counters of peers come */
	unsigned		 settle;	/* steps after dmvpn-gre's return */
	struct timer		 wake, quit, count, settled, late, ike_again;
	uint64_t		 counted;	/* when it was last begun */
	struct serve_resolve	 resolves[SERVE_RESOLVES_MAX];
	uint64_t		 rounds;	/* of tickets */
	bool			 stopping;
};

/* Opens the sockets, drops privilege, makes the engine.  -1: serve_close all
 * the same. */
int serve_open(struct daemon *d, const struct serve_conf *conf,
    struct err *e);
int serve_run(struct daemon *d, struct err *e);	/* until a signal or stop */
void serve_close(struct daemon *d);
/* End in an orderly way; keep: everything stays for our successor. */
void serve_stop(struct daemon *d, bool keep);
/* Call after every call into the engine: sets the timer. */
void serve_turn(struct daemon *d);

/* serve_link.c */
int serve_links_open(struct daemon *d, struct err *e);
void serve_links_close(struct daemon *d);
/* Look at the counters of peers when the engine wants it. */
void serve_count_turn(struct daemon *d);
void serve_call(void *arg, uint64_t ticket, const struct msg_type *t,
    const void *m);

/* serve_rows.c: what clients may ask. */
extern const struct serve_row serve_rows[];
extern const size_t serve_n_rows;
void serve_resolved(void *arg, uint64_t ticket,
    const struct nhrp_entry *entry, const struct reason *why);

#endif
