#ifndef DPD_WATCH_H
#define DPD_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "msg/types.h"

/*
 * Liveness of peers.  Pure: no input or output, no clock; `now` is ms of
 * CLOCK_BOOTTIME.
 *
 * A peer that was quiet for its rule's interval is looked at: first the
 * traffic counters are read (poll), and when they tell nothing newer, it is
 * probed up to `tries` times.  Any sign of life ends that.  After the last
 * try the counters are read once more, and only then the verdict falls.
 * While paused (a layer below is being restarted) nobody is judged.
 */
struct dpd_watch;

#define DPD_PEERS_MAX	65533	/* peer numbers of the contract */
#define DPD_RULES_MAX	64	/* profiles with a rule of their own */
#define DPD_INTERVAL	3000	/* ms, when nobody said otherwise */
#define DPD_TRIES	6

struct dpd_watch_ops {
	/* Read the counters: dpd_watch_seen for each peer, then
	 * dpd_watch_polled (or dpd_watch_poll_failed). */
	void (*poll)(void *arg);
	/* Ask the peer; the answer is dpd_watch_seen. */
	void (*probe)(void *arg, uint16_t peer);
	/* Dead.  Said again every few seconds until dpd_watch_down. */
	void (*dead)(void *arg, const struct dpd_dead *d, bool again);
	/* Spreads probes of many peers; never used for secrets. */
	uint32_t (*random)(void *arg);
};

struct dpd_watch_counts {
	uint64_t peers, probes, deaths;
};

/* ops and arg are borrowed.  NULL when out of memory. */
struct dpd_watch *dpd_watch_new(const struct dpd_watch_ops *ops, void *arg);
void dpd_watch_free(struct dpd_watch *w);

/* profile "" is for all that have no rule of their own; tries 0 removes the
 * rule.  -1 when there are too many. */
int dpd_watch_rule(struct dpd_watch *w, const char *profile,
    uint32_t interval, uint8_t tries, uint64_t now, struct err *e);

/* A peer is there (again): it counts as alive now.  -1: out of memory. */
int dpd_watch_up(struct dpd_watch *w, uint16_t peer, const char *profile,
    const char *identity, uint64_t now, struct err *e);
void dpd_watch_down(struct dpd_watch *w, uint16_t peer);

/* A sign of life at `at`; unknown peers are ignored. */
void dpd_watch_seen(struct dpd_watch *w, uint16_t peer, uint64_t at,
    uint64_t now);
void dpd_watch_polled(struct dpd_watch *w, uint64_t now);
void dpd_watch_poll_failed(struct dpd_watch *w, uint64_t now);

/* Between the two nobody is probed or judged; afterwards every peer has a
 * whole interval again. */
void dpd_watch_pause(struct dpd_watch *w);
void dpd_watch_resume(struct dpd_watch *w, uint64_t now);

/* A snapshot of the peers below: begin, up for each, end drops the rest. */
void dpd_watch_sync_begin(struct dpd_watch *w);
void dpd_watch_sync_end(struct dpd_watch *w);

/* Do what is due.  The time of the next call, 0: none. */
uint64_t dpd_watch_turn(struct dpd_watch *w, uint64_t now);

struct dpd_watch_counts dpd_watch_counts(const struct dpd_watch *w);

#endif
