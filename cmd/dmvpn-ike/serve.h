#ifndef IKE_SERVE_H
#define IKE_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"
#include "ike_engine.h"
#include "msg/types.h"
#include "sys/below.h"
#include "sys/link.h"
#include "sys/loop.h"
#include "sys/pool.h"
#include "sys/serve.h"

/*
 * The daemon around the engine: UDP 500, links to the agent and to
 * dmvpn-gre, the socket for clients, one timer.  It only carries: what is
 * decided is decided in ike_*.c.
 */
#define SERVE_FAILURES_MAX	64	/* remembered for "why" */
#define SERVE_PROBES_MAX	256	/* ike-probe requests that wait */
#define SERVE_PROBE_LIMIT	5000	/* ms, then the answer is no */

struct serve_conf {
	const char	*user;		/* NULL: stay */
	uint16_t	 port;		/* UDP, 500 */
	bool		 may_lack;	/* the port: 4500 will do */
	const char	*socket;	/* NULL: no clients but fd */
	const char	*gre_path, *pki_path;	/* NULL: the descriptors */
	int		 gre_fd, pki_fd;
	gid_t		 group;		/* of the socket */
	const char	*key_file;	/* --export-keys, or NULL */
	/* One-shot use: told every event, before clients are. */
	void		(*tap)(void *arg, const struct msg_type *t,
			    const void *m);
	void		*tap_arg;
};

/* A reply that is owed for ike-probe. */
struct serve_probe {
	bool		used;
	uint64_t	ticket;
	uint64_t	until;
	struct call	call;
};

struct daemon {
	struct serve_conf	 conf;
	struct loop		*loop;
	struct server		*server;
	struct link		*gre, *pki;
	struct below		 below;
	struct ike_engine	*engine;
	bool			 gre_known;	/* its state was read */
	bool			 agent_up;
	int			 udp4, udp6;	/* port 500 */
	int			 new4, new6;	/* of those without an SA */
	int			 ask4, ask6;	/* for local_for */
	struct watch		 watch4, watch6;
	struct watch		 watch_new4, watch_new6;
	struct timer		 wake, quit, give_up;
	struct after		 turn;
	uint64_t		 last_probe;
	struct serve_probe	 probes[SERVE_PROBES_MAX];
	struct ike_failed	 failures[SERVE_FAILURES_MAX];
	uint64_t		 failure_stamp;
	FILE			*keys;
	struct pool		 random;
	bool			 stopping;
	bool			 lost;		/* an inherited link broke */
};

/* Opens sockets, drops privilege, makes the engine.  -1: serve_close all the
 * same. */
int serve_open(struct daemon *d, const struct serve_conf *conf,
    struct err *e);
int serve_run(struct daemon *d, struct err *e);	/* until a signal or stop */
void serve_close(struct daemon *d);

/* End in an orderly way: DELETEs are sent, then the loop stops. */
void serve_stop(struct daemon *d, bool keep);

/* Call after every call into the engine: sets the timer. */
void serve_turn(struct daemon *d);

/* serve_udp.c */
int serve_udp_open(struct daemon *d, struct err *e);
int serve_udp_watch(struct daemon *d, struct err *e);
void serve_udp_close(struct daemon *d);
void serve_udp_send(struct daemon *d, const struct endpoint *local,
    const struct endpoint *remote, const void *data, size_t len);
int serve_local_for(void *arg, const struct addr *remote,
    struct addr *local);

/* serve_link.c */
int serve_links_open(struct daemon *d, struct err *e);
void serve_links_close(struct daemon *d);
void serve_call(void *arg, uint64_t ticket, const struct msg_type *t,
    const void *m);
void serve_gre_send(struct daemon *d, const struct endpoint *local,
    const struct endpoint *remote, const void *data, size_t len);

/* serve_rows.c: what clients may ask. */
extern const struct serve_row serve_rows[];
extern const size_t serve_n_rows;
void serve_probed(void *arg, uint64_t ticket,
    const struct ike_probe_reply *r);
void serve_remember(struct daemon *d, const struct ike_failed *f);

#endif
