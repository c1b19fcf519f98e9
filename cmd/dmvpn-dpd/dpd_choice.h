#ifndef DPD_CHOICE_H
#define DPD_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "msg/types.h"

/*
 * Which headend a tunnel uses.  Pure: no input or output, no clock; `now`
 * is ms of CLOCK_BOOTTIME.
 *
 * Policy "first": one connection at a time, in the order of the list; the
 * next one as soon as the one in use is lost or does not come up; back to an
 * earlier one after that was reachable for `failback` seconds without a
 * break.  Policy "all": a connection each, kept by dmvpn-ike.
 * Nothing is ever given up: waits grow to RETRY_MAX and stay there.
 */
struct dpd_choice;

#define DPD_TUNNELS_MAX		64
#define DPD_ADDRESSES_MAX	64	/* of one name; the rest is not tried */
#define DPD_FAILBACK		60000	/* ms, when nobody said otherwise */

struct dpd_choice_ops {
	/* Look the name up: dpd_choice_resolved or _unresolved with the same
	 * ticket.  service: an SRV record gives hosts and ports. */
	void (*resolve)(void *arg, uint64_t ticket, const char *host,
	    uint16_t port, bool service);
	void (*connect)(void *arg, const struct ike_connection_set *c);
	void (*disconnect)(void *arg, const char *connection);
	void (*chosen)(void *arg, const struct dpd_chosen *c);
	uint32_t (*random)(void *arg);	/* spreads retries */
};

/* ops and arg are borrowed.  NULL when out of memory. */
struct dpd_choice *dpd_choice_new(const struct dpd_choice_ops *ops,
    void *arg);
void dpd_choice_free(struct dpd_choice *c);	/* no effects */

/* State or restate a tunnel.  The same again changes nothing; headends that
 * stay in a changed list keep their connections. */
int dpd_choice_set(struct dpd_choice *c, const struct dpd_headends_set *s,
    struct err *e);
/* Takes its connections back.  -1: there is none of that name. */
int dpd_choice_delete(struct dpd_choice *c, const char *tunnel,
    struct err *e);

/* What was stated for a tunnel; false: nothing. */
bool dpd_choice_stated(struct dpd_choice *c, const char *tunnel,
    struct dpd_headends_set *s);

/* Nothing is done before the first dpd_choice_start: until then the events
 * of a snapshot tell what is up already.  Later calls state every
 * connection again, to a dmvpn-ike that was restarted. */
void dpd_choice_start(struct dpd_choice *c, uint64_t now);
void dpd_choice_stop(struct dpd_choice *c);

/* ttl in seconds.  Addresses are tried in the order given. */
void dpd_choice_resolved(struct dpd_choice *c, uint64_t ticket,
    const struct endpoint *found, size_t n, uint32_t ttl, uint64_t now);
void dpd_choice_unresolved(struct dpd_choice *c, uint64_t ticket,
    const struct reason *why, uint64_t now);

/* Events of dmvpn-ike; those of other connections are ignored. */
void dpd_choice_up(struct dpd_choice *c, const struct ike_up *up,
    uint64_t now);
void dpd_choice_down(struct dpd_choice *c, const struct ike_down *down,
    uint64_t now);
void dpd_choice_failed(struct dpd_choice *c, const struct ike_failed *f,
    uint64_t now);
void dpd_choice_waiting(struct dpd_choice *c, const struct ike_waiting *w,
    uint64_t now);

/* Do what is due.  The time of the next call, 0: none. */
uint64_t dpd_choice_turn(struct dpd_choice *c, uint64_t now);

/* The index-th headend of all tunnels; false: there are no more. */
bool dpd_choice_status(const struct dpd_choice *c, size_t index,
    struct dpd_headend_status *s);

#endif
