#ifndef IKE_ENGINE_H
#define IKE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "msg/types.h"
#include "wire/ike_proposal.h"

/*
 * The IKEv2 engine: all IKE SAs of one daemon.  Pure: no input or output, no
 * clock, no randomness of its own.  It takes bytes, answers and events with
 * the time, and calls the functions of struct ike_ops for what must be done.
 * They must not call back into the engine.
 *
 * now is milliseconds of CLOCK_BOOTTIME and never goes back; wall is seconds
 * since 1970 and serves certificates only.
 *
 * What it wants from other programs and what it tells its own clients are
 * messages of dmvpn.cddl, so that the daemon only carries them.
 */
struct ike_engine;

struct ike_ops {
	void	*arg;

	/* Fill to with random octets; -1 when there are none. */
	int (*random)(void *arg, void *to, size_t len);

	/* The address that packets to remote leave from; -1: unknown. */
	int (*local_for)(void *arg, const struct addr *remote,
	    struct addr *local);

	/* Send one IKE message, without non-ESP marker.  local->port says
	 * from which socket: 500, or 4500 (through dmvpn-gre). */
	void (*send)(void *arg, const struct endpoint *local,
	    const struct endpoint *remote, const void *data, size_t len);

	/* A request to a lower program: t->name begins with "pki-" or
	 * "gre-".  ticket 0: no answer is wanted (id 0), else exactly one
	 * ike_engine_answer follows, later. */
	void (*call)(void *arg, uint64_t ticket, const struct msg_type *t,
	    const void *m);

	/* For our subscribers: ike-up, ike-down, ike-failed, ike-child-up,
	 * ike-packet, ike-keys. */
	void (*event)(void *arg, const struct msg_type *t, const void *m);

	/* Is anybody subscribed to it?  Asked for ike-packet, ike-keys,
	 * ike-heard, ike-child-up. */
	bool (*wanted)(void *arg, const struct msg_type *t);

	/* The end of ike_engine_probe with this ticket. */
	void (*probed)(void *arg, uint64_t ticket,
	    const struct ike_probe_reply *r);

	/* One line for the log: id as in log_event, why a sentence; peer
	 * an endpoint or identity, "" when there is none. */
	void (*note)(void *arg, bool warn, const char *id, const char *peer,
	    const char *why);
};

/* Limits and times; zero members take the default named beside them. */
struct ike_tune {
	uint32_t	retry_first;	/* ms, 500: first retransmission */
	uint32_t	retry_total;	/* ms, 60,000: then the peer is dead */
	uint32_t	probe_total;	/* ms, 0: as retry_total */
	uint32_t	cookie_from;	/* 30: half-open SAs, then cookies */
	uint32_t	half_open_max;	/* 5,000 */
	uint32_t	half_open_life;	/* ms, 30,000 */
	uint32_t	sas_max;	/* 20,000 IKE SAs */
	uint32_t	fragment;	/* 1,200: octets of a message, then RFC 7383 */
	uint32_t	backoff_first;	/* ms, 1,000: connection retries */
	uint32_t	backoff_max;	/* ms, 30,000 */
	uint32_t	orphan_life;	/* ms, 3,900,000 */
	uint32_t	answer_wait;	/* ms, 15,000: for pki and gre */
};

/* tune may be NULL.  ops is copied. */
struct ike_engine *ike_engine_new(const struct ike_ops *ops,
    const struct ike_tune *tune, uint64_t now, struct err *e);
void ike_engine_free(struct ike_engine *g);	/* wipes; sends nothing */

/* ---- what comes from outside ---- */

/* One datagram; local->port is the port it came to, 500 or 4500. */
void ike_engine_packet(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct endpoint *local, const struct endpoint *remote,
    const void *data, size_t len);

/* The answer to ops.call with this ticket: m is the decoded reply (of the
 * type NAME-reply, "nothing" when that does not exist), or NULL and why
 * says what was refused.  A ticket that nobody waits for is ignored. */
void ike_engine_answer(struct ike_engine *g, uint64_t now, int64_t wall,
    uint64_t ticket, const void *m, const struct reason *why);
/* The type of the reply to this request; NULL: nobody looks at its body. */
const struct msg_type *ike_engine_reply_type(const struct msg_type *request);

/* An event of a lower program; those of no concern are ignored. */
void ike_engine_event(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct msg_type *t, const void *m);
/* The names to subscribe to, ended by NULL. */
extern const char *const ike_engine_gre_events[];
extern const char *const ike_engine_pki_events[];

/* When ike_engine_wake must be called; 0: not before something comes. */
uint64_t ike_engine_next(const struct ike_engine *g);
void ike_engine_wake(struct ike_engine *g, uint64_t now, int64_t wall);

/* ---- programs below come and go ---- */

/* The agent is reachable (again): asks for the identities of all profiles. */
void ike_engine_agent_up(struct ike_engine *g, uint64_t now, int64_t wall);
/* dmvpn-gre is gone: nothing is installed until gre_up. */
void ike_engine_gre_down(struct ike_engine *g, uint64_t now);
/*
 * dmvpn-gre is there.  First state what it holds of owner "ike", row by row:
 * peers and SAs that no IKE SA of ours knows are orphans, their numbers stay
 * taken by their identity until it comes back.  Then gre_up: peers that are
 * missing are stated again under their numbers, every IKE SA that lost its
 * CHILD_SA makes a new one at once, and the peers of orphans that no
 * connection leads to are called, a few hundred a second.
 */
void ike_engine_gre_peer(struct ike_engine *g, uint64_t now,
    const struct gre_peer *p);
void ike_engine_gre_sa(struct ike_engine *g, uint64_t now,
    const struct gre_sa *s);
void ike_engine_gre_up(struct ike_engine *g, uint64_t now, int64_t wall);
/* How many threads it has; to be told before gre_up. */
void ike_engine_gre_status(struct ike_engine *g,
    const struct gre_status_reply *r);

/* ---- what the clients of dmvpn-ike ask: 0, or -1 and *why ---- */

int ike_engine_profile_set(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct ike_profile_set *p, struct reason *why);
int ike_engine_profile_delete(struct ike_engine *g, uint64_t now,
    int64_t wall, const struct ike_profile_delete *p, struct reason *why);
int ike_engine_connection_set(struct ike_engine *g, uint64_t now,
    int64_t wall, const struct ike_connection_set *c, struct reason *why);
int ike_engine_connection_delete(struct ike_engine *g, uint64_t now,
    int64_t wall, const struct ike_connection_delete *c, struct reason *why);
/* ops.probed is called once with ticket, at the latest after probe_total. */
int ike_engine_probe(struct ike_engine *g, uint64_t now, int64_t wall,
    uint16_t peer, uint64_t ticket, struct reason *why);
int ike_engine_close(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct ike_close *c, struct reason *why);
int ike_engine_rekey(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct ike_rekey *r, struct reason *why);
/* Inside ops.send: this machine did not let it out, as errno says. */
void ike_engine_unsent(struct ike_engine *g, int code);
/* The daemon ends: DELETEs are sent once, nothing waits for answers.  keep:
 * nothing is sent and dmvpn-gre keeps peers and SAs, to be adopted. */
void ike_engine_stop(struct ike_engine *g, uint64_t now, bool keep);

/* ---- snapshots, page by page (next 0: the end) ---- */

void ike_engine_sas(const struct ike_engine *g, uint64_t now, uint64_t after,
    struct ike_sas *page);
void ike_engine_peers(const struct ike_engine *g, uint64_t after,
    struct ike_peers *page);
/* How many rows the two have, without making them. */
void ike_engine_sizes(const struct ike_engine *g, uint64_t *sas,
    uint64_t *peers);
uint64_t ike_engine_generation(const struct ike_engine *g);

/* Can it be used here?  Weak ones by permission; of ESP what dmvpn-gre has. */
int ike_profile_allows(const struct ike_proposal *p, bool weak,
    struct err *e);

/* ---- counters ---- */

#define IKE_COUNTERS(X)							\
	X(IKE_C_IN, 0, "in")						\
	X(IKE_C_OUT, 1, "out")						\
	X(IKE_C_MALFORMED, 2, "malformed")				\
	X(IKE_C_VERSION, 3, "version")					\
	X(IKE_C_UNKNOWN_SPI, 4, "unknown-spi")				\
	X(IKE_C_FORGED, 5, "forged")					\
	X(IKE_C_OUT_OF_WINDOW, 6, "out-of-window")			\
	X(IKE_C_UNEXPECTED, 7, "unexpected")				\
	X(IKE_C_UNPROTECTED, 8, "unprotected")				\
	X(IKE_C_RETRANSMITTED, 9, "retransmitted")			\
	X(IKE_C_REPEATED, 10, "repeated")				\
	X(IKE_C_COOKIES, 11, "cookies")					\
	X(IKE_C_HALF_OPEN_FULL, 12, "half-open-full")			\
	X(IKE_C_FRAGMENT_BAD, 13, "fragment-bad")			\
	X(IKE_C_NO_RANDOM, 14, "no-random")				\
	X(IKE_C_NO_MEMORY, 15, "no-memory")
enum ike_counter { IKE_COUNTERS(NAME_ENUM) IKE_C_MAX };
extern const struct name ike_counter_names[];
uint64_t ike_engine_counter(const struct ike_engine *g, enum ike_counter c);

#endif
