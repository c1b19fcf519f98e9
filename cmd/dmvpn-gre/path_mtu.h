#ifndef DMVPN_GRE_PATH_MTU_H
#define DMVPN_GRE_PATH_MTU_H

#include <stdbool.h>
#include <stdint.h>

#include "msg/types.h"

/*
 * The path MTU to one peer by probes of our own (RFC 8899, RFC 4821), where
 * ICMP is lost.  Sizes are of outer IP packets.  Pure: takes the time, what
 * was answered and what ICMP said, and tells which sizes to probe.
 *
 * What is used is optimistic: the MTU of the route, verified as soon as there
 * is an SA.  When large probes are lost three times while small ones are
 * answered, it falls to what was answered, and a ladder of sizes at once
 * finds the largest that passes.
 */
#define MTU_RUNGS	12
#define MTU_AGE		600000	/* ms; RFC 8899, 5.1.1: PMTU_RAISE_TIMER */
#define MTU_CONFIRM	60000	/* ms, while large packets are sent */

enum mtu_phase { MTU_IDLE, MTU_VERIFY, MTU_CLIMB };

struct mtu_search {
	uint8_t		phase;		/* enum mtu_phase */
	uint8_t		how;		/* enum mtu_how of the value */
	uint16_t	mtu;		/* use this */
	uint16_t	floor, max;
	uint16_t	before;		/* ICMP: what it was, else 0 */
	uint16_t	lo;		/* climbing: passes, */
	uint32_t	hi;		/* does not pass */
	uint16_t	rung[MTU_RUNGS];
	uint8_t		n, tries;
	bool		ever;		/* some probe was answered */
	bool		echo;		/* probes are pings in the tunnel */
	uint16_t	first, answered;	/* bit of each rung */
	uint16_t	stuck;
	uint32_t	serial;		/* of the rungs: echoed in answers */
	uint32_t	rtt;		/* ms; 0: not known */
	uint64_t	sent, at;	/* ms; at: when to step, unless idle */
	uint64_t	kick_at, confirm_at, raise_at;	/* 0: not */
	uint64_t	verified;
};

/* A path of which nothing is known but the route's MTU. */
void mtu_init(struct mtu_search *m, uint16_t floor, uint16_t max);
/* Verify what is used, ms from now, unless that was done. */
void mtu_kick(struct mtu_search *m, uint64_t now, uint64_t ms);
/* ICMP said so, and it is in use already. */
void mtu_told(struct mtu_search *m, uint16_t mtu, uint64_t now);
/* The peer is elsewhere now. */
void mtu_moved(struct mtu_search *m, uint64_t now);
/* A rung of the ladder with this serial was answered. */
void mtu_answered(struct mtu_search *m, uint32_t serial, unsigned rung,
    uint64_t now);
/* Large packets are sent again and again, and nobody acknowledges them. */
void mtu_stuck(struct mtu_search *m, uint64_t now);
/* Once a second: what is due by its age.  large: large packets were sent. */
void mtu_age(struct mtu_search *m, uint64_t now, bool large);
/* Go on: the rungs to probe now, as bits.  Until it gives 0 call again. */
uint32_t mtu_step(struct mtu_search *m, uint64_t now);

#endif
