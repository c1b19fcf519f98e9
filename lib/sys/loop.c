#include "sys/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <utlist.h>

#include "sys/log.h"

#define SIGNALS_MAX	8
#define LONGEST_WAIT	(1000u * 86400)	/* ms */
#define LEAP_LOOK	5		/* s, between looks at the clocks */
#define LEAP_LEAST	1000		/* ms, less is no sleep */

struct loop_signal {
	struct event	*ev;
	loop_fn		*fn;
	void		*arg;
};

struct armed;

struct loop {
	struct event_base	*base;
	uint64_t		 now;	/* 0: read it again this turn */
	uint64_t		 slept;	/* ms of sleep, as last looked */
	struct event		*leap;
	struct armed		*armed;
	struct after		*afters;
	struct loop_signal	 signals[SIGNALS_MAX];
	size_t			 n_signals;
	bool			 stopped;
};

uint64_t
clock_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_BOOTTIME, &ts) < 0)
		clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int64_t
clock_wall(void)
{
	return (int64_t)time(NULL);
}

/* epoll, or poll where epoll is missing; never select with its 1,024. */
static struct event_base *
base_new(void)
{
	struct event_config *c = event_config_new();
	struct event_base *base;

	if (c == NULL)
		return NULL;
	event_config_avoid_method(c, "select");
	event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK |
	    EVENT_BASE_FLAG_IGNORE_ENV);
	base = event_base_new_with_config(c);
	event_config_free(c);
	return base;
}

struct loop *
loop_new(struct err *e)
{
	struct loop *l = (struct loop *)calloc(1, sizeof(*l));

	if (l == NULL)
		return err_null(err_sys(e, "event loop"));
	signal(SIGPIPE, SIG_IGN);
	if ((l->base = base_new()) == NULL) {
		free(l);
		return err_null(err_set(e, ENOMEM, "event loop: libevent "
		    "refuses"));
	}
	return l;
}

void
loop_free(struct loop *l)
{
	size_t i;

	if (l == NULL)
		return;
	for (i = 0; i < l->n_signals; i++)
		event_free(l->signals[i].ev);
	if (l->leap != NULL)
		event_free(l->leap);
	event_base_free(l->base);
	free(l);
}

void
after_turn(struct loop *l, struct after *a, loop_fn *fn, void *arg)
{
	if (a->fn != NULL)
		return;
	a->loop = l;
	a->fn = fn;
	a->arg = arg;
	DL_APPEND(l->afters, a);
}

void
after_stop(struct after *a)
{
	if (a->fn == NULL)
		return;
	DL_DELETE(a->loop->afters, a);
	a->fn = NULL;
}

/* What these start anew comes in this turn too. */
static void
turn_end(struct loop *l)
{
	struct after *a;
	loop_fn *fn;

	while ((a = l->afters) != NULL) {
		fn = a->fn;
		after_stop(a);
		fn(a->arg);
	}
}

int
loop_run(struct loop *l, struct err *e)
{
	turn_end(l);
	while (!l->stopped) {
		l->now = 0;
		if (event_base_loop(l->base, EVLOOP_ONCE |
		    EVLOOP_NO_EXIT_ON_EMPTY) < 0)
			return err_set(e, EIO, "event loop failed");
		turn_end(l);
	}
	l->stopped = false;	/* it may run again */
	l->now = 0;
	return 0;
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
	event_base_loopbreak(l->base);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

/* The time is read at most once a turn, when it is first asked for. */
uint64_t
loop_now(const struct loop *l)
{
	struct loop *own = (struct loop *)(uintptr_t)l;

	if (own->now == 0)
		own->now = clock_ms();
	return own->now;
}

static void
watch_fire(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = (struct watch *)arg;

	(void)fd;
	(void)what;
	w->fn(w->arg);
}

static int
watch_start(struct loop *l, struct watch *w, int fd, short what, loop_fn *fn,
    void *arg, struct err *e)
{
	struct event *ev;

	watch_stop(w);
	ev = event_new(l->base, fd, what | EV_PERSIST, watch_fire, w);
	if (ev == NULL)
		return err_set(e, ENOMEM, "watch: out of memory");
	w->fn = fn;
	w->arg = arg;
	w->fd = fd;
	if (event_add(ev, NULL) < 0) {
		event_free(ev);
		return err_sys(e, "watch descriptor %d", fd);
	}
	w->ev = ev;
	return 0;
}

int
watch_read(struct loop *l, struct watch *w, int fd, loop_fn *fn, void *arg,
    struct err *e)
{
	return watch_start(l, w, fd, EV_READ, fn, arg, e);
}

int
watch_write(struct loop *l, struct watch *w, int fd, loop_fn *fn, void *arg,
    struct err *e)
{
	return watch_start(l, w, fd, EV_WRITE, fn, arg, e);
}

void
watch_stop(struct watch *w)
{
	if (w->ev == NULL)
		return;
	event_free((struct event *)w->ev);
	w->ev = NULL;
}

/*
 * libevent waits by CLOCK_MONOTONIC, which stands still while the machine
 * sleeps; our times are of CLOCK_BOOTTIME.  So the loop keeps a list of what
 * is armed, and looks every few seconds whether the clocks moved apart: then
 * all of it is armed anew.
 */
struct armed {
	struct armed	*prev, *next;
	struct event	*ev;
	struct timer	*timer;
	struct loop	*loop;
};

static uint64_t
clock_slept(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return clock_ms() - ((uint64_t)ts.tv_sec * 1000 +
	    (uint64_t)ts.tv_nsec / 1000000);
}

static int
armed_add(struct armed *a)
{
	uint64_t now = clock_ms(), at = a->timer->at;
	uint64_t ms = at > now ? at - now : 0;
	struct timeval tv;

	if (ms > LONGEST_WAIT)		/* armed again when it fires */
		ms = LONGEST_WAIT;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	return event_add(a->ev, &tv);
}

static void
leap_look(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = (struct loop *)arg;
	uint64_t slept = clock_slept();
	struct armed *a;

	(void)fd;
	(void)what;
	if ((int64_t)(slept - l->slept) < LEAP_LEAST)
		return;
	l->slept = slept;
	DL_FOREACH(l->armed, a)
		if (a->timer->at != 0)
			(void)armed_add(a);
}

/* The first timer starts the look-out. */
static int
leap_start(struct loop *l)
{
	struct timeval tv = { .tv_sec = LEAP_LOOK };

	if (l->leap != NULL)
		return 0;
	l->slept = clock_slept();
	l->leap = event_new(l->base, -1, EV_PERSIST, leap_look, l);
	return l->leap == NULL ? -1 : event_add(l->leap, &tv);
}

/* libevent's own idea of now is that of the turn's begin: it may be early. */
static void
timer_fire(evutil_socket_t fd, short what, void *arg)
{
	struct armed *a = (struct armed *)arg;
	struct timer *t = a->timer;

	(void)fd;
	(void)what;
	if (clock_ms() < t->at && armed_add(a) == 0)
		return;
	t->at = 0;
	t->fn(t->arg);
}

static struct armed *
armed_new(struct loop *l, struct timer *t)
{
	struct armed *a = (struct armed *)calloc(1, sizeof(*a));

	if (a == NULL || leap_start(l) < 0 ||
	    (a->ev = evtimer_new(l->base, timer_fire, a)) == NULL) {
		free(a);
		return NULL;
	}
	a->timer = t;
	a->loop = l;
	DL_APPEND(l->armed, a);
	return a;
}

int
timer_at(struct loop *l, struct timer *t, uint64_t at, loop_fn *fn,
    void *arg, struct err *e)
{
	if (t->ev == NULL)
		t->ev = armed_new(l, t);
	if (t->ev == NULL)
		return err_set(e, ENOMEM, "timer: out of memory");
	t->fn = fn;
	t->arg = arg;
	t->at = at > 0 ? at : 1;
	if (armed_add((struct armed *)t->ev) < 0) {
		t->at = 0;
		return err_set(e, ENOMEM, "timer: out of memory");
	}
	return 0;
}

void
timer_stop(struct timer *t)
{
	struct armed *a = (struct armed *)t->ev;

	t->at = 0;
	t->ev = NULL;
	if (a == NULL)
		return;
	event_free(a->ev);
	DL_DELETE(a->loop->armed, a);
	free(a);
}

void
timer_set(struct loop *l, struct timer *t, uint64_t at, loop_fn *fn,
    void *arg)
{
	struct err e;

	if (at == 0)
		timer_stop(t);
	else if (timer_at(l, t, at, fn, arg, &e) < 0)
		log_event(LEVEL_ERROR, "no-timer", T("why", e.msg));
}

static void
signal_fire(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *s = (struct loop_signal *)arg;

	(void)fd;
	(void)what;
	s->fn(s->arg);
}

int
loop_signal(struct loop *l, int signo, loop_fn *fn, void *arg,
    struct err *e)
{
	struct loop_signal *s;

	if (l->n_signals == SIGNALS_MAX)
		return err_set(e, ENOSPC, "signal %d: too many signals",
		    signo);
	s = &l->signals[l->n_signals];
	*s = (struct loop_signal){ .fn = fn, .arg = arg };
	s->ev = evsignal_new(l->base, signo, signal_fire, s);
	if (s->ev == NULL || event_add(s->ev, NULL) < 0) {
		if (s->ev != NULL)
			event_free(s->ev);
		return err_set(e, ENOMEM, "signal %d: out of memory", signo);
	}
	l->n_signals++;
	return 0;
}
