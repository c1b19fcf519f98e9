#ifndef NHRP_ENGINE_H
#define NHRP_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "msg/types.h"

/*
 * The NHRP engine: all tunnels of one daemon, as server (hub) or client
 * (spoke).  Pure: no input or output, no clock, no randomness of its own.
 * It takes messages of dmvpn.cddl and the time, and calls the functions of
 * struct nhrp_ops for what must be done.  They must not call back into it.
 *
 * now is milliseconds of CLOCK_BOOTTIME and never goes back.
 */
struct nhrp_engine;

/* Caps: what one peer, and all together, can make us keep. */
#define NHRP_MAX_IFACES		8
#define NHRP_MAX_BINDINGS	32768	/* registrations of an interface */
#define NHRP_PEER_BINDINGS	8	/* of these, of one peer */
#define NHRP_MAX_CUTS		1024	/* resolutions, shortcuts, refusals */
#define NHRP_MAX_NEGATIVE	256	/* of these, refusals */
#define NHRP_MAX_FILLS		1024	/* addresses that lead to the NHS */
#define NHRP_MAX_WAITS		1024	/* packets that wait for an answer */
#define NHRP_PEER_WAITS		16
#define NHRP_MAX_TOLD		64	/* who was told of one binding */
#define NHRP_MAX_PURGES		1024	/* unanswered purges */
#define NHRP_PEER_RATE		50	/* packets a second of one peer */
#define NHRP_PEER_BURST		100

struct nhrp_ops {
	void	*arg;

	/* Fill to with random octets; -1 when there are none. */
	int (*random)(void *arg, void *to, size_t len);

	/* A request to dmvpn-gre or dmvpn-ike, told by t->name.  ticket 0: no
	 * answer is wanted, else one nhrp_engine_answer follows, later. */
	void (*call)(void *arg, uint64_t ticket, const struct msg_type *t,
	    const void *m);

	/* For our subscribers. */
	void (*event)(void *arg, const struct msg_type *t, const void *m);
	bool (*wanted)(void *arg, const struct msg_type *t);

	/* The end of nhrp_engine_resolve with this ticket; why is NULL, or
	 * says why there is no shortcut (entry tells what there is). */
	void (*resolved)(void *arg, uint64_t ticket,
	    const struct nhrp_entry *entry, const struct reason *why);
};

/* ops is copied.  NULL when out of memory. */
struct nhrp_engine *nhrp_engine_new(const struct nhrp_ops *ops, uint64_t now,
    struct err *e);
/* Sends nothing: what was stated below stays (it is adopted later). */
void nhrp_engine_free(struct nhrp_engine *g);

/* When nhrp_engine_wake must be called; 0: not before something comes. */
uint64_t nhrp_engine_next(const struct nhrp_engine *g);
void nhrp_engine_wake(struct nhrp_engine *g, uint64_t now);

/* An event of dmvpn-gre or dmvpn-ike, decoded; others are ignored. */
void nhrp_engine_event(struct nhrp_engine *g, uint64_t now,
    const struct msg_type *t, const void *m);
extern const char *const nhrp_gre_events[];	/* to subscribe to */
extern const char *const nhrp_ike_events[];

/* The answer to ops.call with this ticket: m is NULL when it was refused. */
void nhrp_engine_answer(struct nhrp_engine *g, uint64_t now, uint64_t ticket,
    const void *m, const struct reason *why);
/* The type of the answer that the engine wants to this request. */
const struct msg_type *nhrp_engine_reply_type(const struct msg_type *t);

/*
 * Adoption, once in a life: what a former one stated is told row by row:
 * peers, maps, then routes, of owner "nhrp", then adopt_end.  Rows of an
 * interface that is not set yet wait for it.  adopt_begin: what was told so
 * far is void.
 */
void nhrp_engine_adopt_begin(struct nhrp_engine *g, uint64_t now);
void nhrp_engine_adopt_peer(struct nhrp_engine *g, uint64_t now,
    const struct gre_peer *row);
void nhrp_engine_adopt_map(struct nhrp_engine *g, uint64_t now,
    const struct gre_map_row *row);
void nhrp_engine_adopt_route(struct nhrp_engine *g, uint64_t now,
    const struct gre_route_row *row);
void nhrp_engine_adopt_end(struct nhrp_engine *g, uint64_t now);
/* dmvpn-gre came back, maybe without its state: our peers, maps and routes
 * are stated again; dmvpn-ike: our connections. */
void nhrp_engine_restate(struct nhrp_engine *g, uint64_t now);
void nhrp_engine_restate_ike(struct nhrp_engine *g, uint64_t now);
/* Between these all peers of dmvpn-gre are told by adopt_peer: what rests on
 * others is over. */
void nhrp_engine_peers_begin(struct nhrp_engine *g, uint64_t now);
void nhrp_engine_peers_end(struct nhrp_engine *g, uint64_t now);

/* What users ask for. */
int nhrp_engine_set(struct nhrp_engine *g, uint64_t now,
    const struct nhrp_interface_set *m, struct err *e);
int nhrp_engine_delete(struct nhrp_engine *g, uint64_t now,
    const char *interface, struct err *e);
/* ops.resolved is called with ticket, now or later. */
int nhrp_engine_resolve(struct nhrp_engine *g, uint64_t now,
    const struct nhrp_resolve *m, uint64_t ticket, struct err *e);
int nhrp_engine_purge(struct nhrp_engine *g, uint64_t now,
    const struct nhrp_purge *m, struct err *e);

void nhrp_engine_status(struct nhrp_engine *g, uint64_t now,
    struct nhrp_status_reply *out);
/* Entries after cursor `after` (0: from the begin); out->next is 0 at the
 * end.  interface "": all. */
void nhrp_engine_cache(struct nhrp_engine *g, uint64_t now,
    const struct page *p, struct nhrp_cache *out);
/* What packets to this address do, and what that rests on. */
void nhrp_engine_why(struct nhrp_engine *g, uint64_t now,
    const struct nhrp_why *m, struct nhrp_why_reply *out);

/* How often packet counters of peers are wanted, in ms, so that those in use
 * are refreshed and do not end as idle; 0: not now. */
uint32_t nhrp_engine_counts(const struct nhrp_engine *g);
void nhrp_engine_count(struct nhrp_engine *g, uint64_t now, uint16_t peer,
    uint64_t packets);

#endif
