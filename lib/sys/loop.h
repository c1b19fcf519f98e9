#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The event loop (libevent inside).  One a process, one thread.  Watchers,
 * timers and the like are members of what they serve; the loop borrows them.
 * A zeroed one is stopped.  Callbacks never block.
 */
struct loop;

typedef void loop_fn(void *arg);

struct watch {
	void	*ev;		/* of the loop */
	loop_fn	*fn;
	void	*arg;
	int	 fd;
};
struct timer {
	void	*ev;
	loop_fn	*fn;
	void	*arg;
	uint64_t at;		/* ms, CLOCK_BOOTTIME; 0: stopped */
};

struct after {
	struct after	*prev, *next;
	loop_fn		*fn;	/* NULL: stopped */
	void		*arg;
	struct loop	*loop;
};

struct loop *loop_new(struct err *e);
void loop_free(struct loop *l);
int loop_run(struct loop *l, struct err *e);	/* until loop_stop */
void loop_stop(struct loop *l);
/* libevent's side of it, for its own HTTP and buffers. */
struct event_base *loop_base(struct loop *l);

/* Milliseconds of CLOCK_BOOTTIME, read once a turn of the loop. */
uint64_t loop_now(const struct loop *l);
/* The same, read now; usable without a loop. */
uint64_t clock_ms(void);
/* Seconds since 1970, for certificates only. */
int64_t clock_wall(void);

/* Level-triggered.  Starting a started one changes it. */
int watch_read(struct loop *l, struct watch *w, int fd, loop_fn *fn,
    void *arg, struct err *e);
int watch_write(struct loop *l, struct watch *w, int fd, loop_fn *fn,
    void *arg, struct err *e);
void watch_stop(struct watch *w);

/* Once, at a time of loop_now's clock (past: next turn).  Re-arming moves it. */
int timer_at(struct loop *l, struct timer *t, uint64_t at, loop_fn *fn,
    void *arg, struct err *e);
void timer_stop(struct timer *t);
/* The same where nobody can do without: at 0 stops it, and failing is
 * logged. */
void timer_set(struct loop *l, struct timer *t, uint64_t at, loop_fn *fn,
    void *arg);

/* Once, at the end of this turn of the loop, when all that came in it is
 * done; outside of one, before the next.  A started one stays as it is. */
void after_turn(struct loop *l, struct after *a, loop_fn *fn, void *arg);
void after_stop(struct after *a);

/* Call fn in the loop when the signal arrives. */
int loop_signal(struct loop *l, int signo, loop_fn *fn, void *arg,
    struct err *e);

#endif
