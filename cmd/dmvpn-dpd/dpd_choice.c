#include "dpd_choice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "dpd_headend.h"
#include "dpd_step.h"
#include "msg/msg.h"

#define UNKNOWN		DPD_HEADEND_STATE_UNKNOWN
#define UP		DPD_HEADEND_STATE_UP
#define STANDBY		DPD_HEADEND_STATE_STANDBY
#define DOWN		DPD_HEADEND_STATE_FAILED

static void
step_at(struct dpd_choice *c, struct dpd_tunnel *t, size_t i, enum dpd_input input,
    uint64_t now)
{
	struct dpd_step x = dpd_step_of(c, t, i, now);

	dpd_step_run(&x, input);
}

/* May it be started now? */
static bool
ready(const struct dpd_headend_run *h, uint64_t now)
{
	return h->state == UNKNOWN || (h->state == DOWN && h->due <= now);
}

static bool
busy(const struct dpd_headend_run *h)
{
	return h->state == DPD_HEADEND_STATE_RESOLVING ||
	    h->state == DPD_HEADEND_STATE_CONNECTING;
}

/* Nobody is in use: the first of the list that may be started. */
static void
seek(struct dpd_choice *c, struct dpd_tunnel *t, uint64_t now)
{
	for (size_t i = 0; i < t->n; i++)
		if (busy(&t->run[i]))
			return;
	for (size_t i = 0; i < t->n; i++)
		if (t->run[i].state == STANDBY) {
			t->run[i].due = now;	/* well enough */
			step_at(c, t, i, DPD_TIMER, now);
			return;
		}
	for (size_t i = 0; i < t->n; i++)
		if (ready(&t->run[i], now)) {
			step_at(c, t, i, DPD_START, now);
			return;
		}
}

/* One is in use: later ones end, when the answers that were on their way by
 * them have come; an earlier one is tried beside it. */
static void
improve(struct dpd_choice *c, struct dpd_tunnel *t, uint64_t now)
{
	for (size_t i = (size_t)t->use + 1; i < t->n; i++)
		if (now >= t->chosen + DPD_HANDOVER)
			step_at(c, t, i, DPD_LEAVE, now);
	for (size_t i = 0; i < (size_t)t->use; i++)
		if (busy(&t->run[i]) || t->run[i].state == STANDBY)
			return;
	for (size_t i = 0; i < (size_t)t->use; i++)
		if (ready(&t->run[i], now)) {
			step_at(c, t, i, DPD_START, now);
			return;
		}
}

/* Bring the tunnel nearer to what its policy wants. */
static void
settle(struct dpd_choice *c, struct dpd_tunnel *t, uint64_t now)
{
	if (!c->started)
		return;
	if (t->conf.policy == DPD_POLICY_FIRST) {
		if (t->use >= 0)
			improve(c, t, now);
		else
			seek(c, t, now);
		return;
	}
	for (size_t i = 0; i < t->n; i++)
		if (ready(&t->run[i], now))
			step_at(c, t, i, DPD_START, now);
}

static struct dpd_tunnel *
tunnel_find(struct dpd_choice *c, const char *name)
{
	for (size_t i = 0; i < DPD_TUNNELS_MAX; i++)
		if (c->tunnels[i].set &&
		    strcmp(c->tunnels[i].conf.tunnel, name) == 0)
			return &c->tunnels[i];
	return NULL;
}

static struct dpd_tunnel *
tunnel_free(struct dpd_choice *c)
{
	for (size_t i = 0; i < DPD_TUNNELS_MAX; i++)
		if (!c->tunnels[i].set)
			return &c->tunnels[i];
	return NULL;
}

struct dpd_choice *
dpd_choice_new(const struct dpd_choice_ops *ops, void *arg)
{
	struct dpd_choice *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->ops = ops;
	c->arg = arg;
	return c;
}

void
dpd_choice_free(struct dpd_choice *c)
{
	free(c);
}

static int
headends_parse(const struct dpd_headends_set *s, struct dpd_headend_run *run,
    struct err *e)
{
	for (size_t i = 0; i < s->n_headends; i++) {
		if (dpd_headend_init(&run[i], s->headends[i].name, e) < 0)
			return err_in(e, "headend %s", s->headends[i].name);
		for (size_t j = 0; j < i; j++)
			if (strcmp(s->headends[i].connection,
			    s->headends[j].connection) == 0)
				return err_set(e, EINVAL, "connection %s: "
				    "named twice, each headend needs its own",
				    s->headends[i].connection);
	}
	return 0;
}

static void
tunnel_leave(struct dpd_choice *c, struct dpd_tunnel *t)
{
	for (size_t i = 0; i < t->n; i++)
		step_at(c, t, i, DPD_LEAVE, 0);
	t->use = -1;
}

static bool
same_headend(const struct dpd_headend *a, const struct dpd_headend *b)
{
	return strcmp(a->name, b->name) == 0 &&
	    strcmp(a->connection, b->connection) == 0 &&
	    strcmp(a->peer_id, b->peer_id) == 0;
}

static bool
same_profiles(const struct dpd_headends_set *a,
    const struct dpd_headends_set *b)
{
	return a->policy == b->policy && strcmp(a->profile, b->profile) == 0 &&
	    strcmp(a->standby_profile, b->standby_profile) == 0;
}

/* What stays the same keeps its connection; what is left ends. */
static void
tunnel_change(struct dpd_choice *c, struct dpd_tunnel *t,
    const struct dpd_headends_set *s, struct dpd_headend_run *run)
{
	int in_use = -1;

	for (size_t i = 0; same_profiles(&t->conf, s) && i < t->n; i++)
		for (size_t j = 0; j < s->n_headends; j++) {
			if (!same_headend(&t->conf.headends[i],
			    &s->headends[j]))
				continue;
			run[j] = t->run[i];
			t->run[i].state = UNKNOWN;
			t->run[i].dialled = false;
			if (t->use == (int)i)
				in_use = (int)j;
		}
	tunnel_leave(c, t);
	t->use = in_use;
}

int
dpd_choice_set(struct dpd_choice *c, const struct dpd_headends_set *s,
    struct err *e)
{
	struct dpd_headend_run run[DPD_HEADENDS_MAX];
	struct dpd_tunnel *t = tunnel_find(c, s->tunnel);

	if (t != NULL && memcmp(&t->conf, s, sizeof(*s)) == 0)
		return 0;
	if (headends_parse(s, run, e) < 0)
		return -1;
	if (t == NULL) {
		if ((t = tunnel_free(c)) == NULL)
			return err_set(e, ENOSPC, "%d tunnels, no room for "
			    "more", DPD_TUNNELS_MAX);
		memset(t, 0, sizeof(*t));
		t->set = true;
		t->use = -1;
	} else
		tunnel_change(c, t, s, run);
	memcpy(&t->conf, s, sizeof(*s));
	t->n = s->n_headends;
	memcpy(t->run, run, t->n * sizeof(run[0]));
	return 0;
}

int
dpd_choice_delete(struct dpd_choice *c, const char *tunnel, struct err *e)
{
	struct dpd_tunnel *t = tunnel_find(c, tunnel);

	if (t == NULL)
		return err_set(e, ENOENT, "tunnel %s: has no headends here",
		    tunnel);
	tunnel_leave(c, t);
	memset(t, 0, sizeof(*t));
	return 0;
}

bool
dpd_choice_stated(struct dpd_choice *c, const char *tunnel,
    struct dpd_headends_set *s)
{
	const struct dpd_tunnel *t = tunnel_find(c, tunnel);

	if (t != NULL)
		*s = t->conf;
	return t != NULL;
}

/* dmvpn-ike may have forgotten it; to state the same twice is harmless. */
static void
restate(struct dpd_step *x)
{
	if (x->h->confirmed)
		return;
	if (x->h->state == DPD_HEADEND_STATE_CONNECTING ||
	    (x->h->state == DOWN && x->h->dialled))
		dpd_step_dial(x);
	else
		dpd_step_run(x, DPD_RESTARTED);
}

void
dpd_choice_start(struct dpd_choice *c, uint64_t now)
{
	struct dpd_step x;

	c->started = true;
	for (size_t i = 0; i < DPD_TUNNELS_MAX; i++)
		for (size_t j = 0; j < c->tunnels[i].n; j++) {
			x = dpd_step_of(c, &c->tunnels[i], j, now);
			restate(&x);
		}
}

void
dpd_choice_stop(struct dpd_choice *c)
{
	c->started = false;
	for (size_t i = 0; i < DPD_TUNNELS_MAX; i++)
		for (size_t j = 0; j < c->tunnels[i].n; j++)
			c->tunnels[i].run[j].confirmed = false;
}

/* Whose question was it? */
static bool
asked(struct dpd_choice *c, uint64_t ticket, uint64_t now, struct dpd_step *x)
{
	if (ticket == 0)
		return false;
	for (size_t i = 0; i < DPD_TUNNELS_MAX; i++)
		for (size_t j = 0; j < c->tunnels[i].n; j++) {
			*x = dpd_step_of(c, &c->tunnels[i], j, now);
			if (x->h->ticket == ticket)
				return true;
		}
	return false;
}

void
dpd_choice_resolved(struct dpd_choice *c, uint64_t ticket,
    const struct endpoint *found, size_t n, uint32_t ttl, uint64_t now)
{
	struct reason r = { .code = "" };
	struct dpd_step x;

	if (!asked(c, ticket, now, &x))
		return;
	if (n == 0) {
		reason_set(&r, "resolve", "no-address",
		    "%s has no address", x.h->host);
		dpd_choice_unresolved(c, ticket, &r, now);
		return;
	}
	x.h->ticket = 0;
	dpd_headend_addresses(x.h, found, n, ttl, now);
	dpd_step_run(&x, DPD_RESOLVED);
}

void
dpd_choice_unresolved(struct dpd_choice *c, uint64_t ticket,
    const struct reason *why, uint64_t now)
{
	struct dpd_step x;

	if (!asked(c, ticket, now, &x))
		return;
	x.h->ticket = 0;
	x.h->refresh = now + DPD_RESOLVE_AGAIN;
	x.why = why;
	dpd_step_run(&x, DPD_UNRESOLVED);
}

/* Whose connection is it? */
static bool
connected(struct dpd_choice *c, const char *connection, uint64_t now,
    struct dpd_step *x)
{
	if (connection[0] == '\0')
		return false;
	for (size_t i = 0; i < DPD_TUNNELS_MAX; i++)
		for (size_t j = 0; j < c->tunnels[i].n; j++) {
			*x = dpd_step_of(c, &c->tunnels[i], j, now);
			if (strcmp(dpd_step_conf(x)->connection, connection) == 0)
				return true;
		}
	return false;
}

void
dpd_choice_up(struct dpd_choice *c, const struct ike_up *up, uint64_t now)
{
	struct dpd_step x;

	if (!connected(c, up->connection, now, &x))
		return;
	x.up = up;
	x.h->dialled = true;
	x.h->confirmed = true;
	dpd_step_run(&x, DPD_CAME_UP);
	settle(c, x.t, now);
}

void
dpd_choice_down(struct dpd_choice *c, const struct ike_down *down,
    uint64_t now)
{
	struct dpd_step x;

	if (!connected(c, down->connection, now, &x) ||
	    x.h->peer != down->peer)
		return;
	x.why = &down->reason;
	dpd_step_run(&x, DPD_LOST);
	settle(c, x.t, now);
}

void
dpd_choice_failed(struct dpd_choice *c, const struct ike_failed *f,
    uint64_t now)
{
	struct dpd_step x;

	if (!connected(c, f->connection, now, &x) || !x.h->dialled ||
	    !addr_equal(&f->remote.addr, &dpd_headend_address(x.h)->addr))
		return;
	x.why = &f->reason;
	dpd_step_run(&x, DPD_FAILED);
	settle(c, x.t, now);
}

/* It is tried on; whoever looks, or gives up, knows why. */
void
dpd_choice_waiting(struct dpd_choice *c, const struct ike_waiting *w,
    uint64_t now)
{
	struct dpd_step x;

	if (connected(c, w->connection, now, &x) && x.h->dialled &&
	    addr_equal(&w->remote.addr, &dpd_headend_address(x.h)->addr))
		x.h->reason = w->reason;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* A name's lifetime ended: ask again, whatever the state. */
static void
refresh(struct dpd_step *x)
{
	if (x->h->numeric || x->h->refresh == 0 || x->h->refresh > x->now ||
	    x->h->state == UNKNOWN)
		return;
	dpd_step_ask(x);
}

static uint64_t
tunnel_turn(struct dpd_choice *c, struct dpd_tunnel *t, uint64_t now)
{
	uint64_t wake = 0;
	struct dpd_step x;

	for (size_t i = 0; i < t->n; i++) {
		x = dpd_step_of(c, t, i, now);
		if (x.h->due != 0 && x.h->due <= now)
			dpd_step_run(&x, DPD_TIMER);
		refresh(&x);
	}
	settle(c, t, now);
	if (t->use >= 0 && t->chosen + DPD_HANDOVER > now)
		wake = t->chosen + DPD_HANDOVER;
	for (size_t i = 0; i < t->n; i++) {
		if (t->run[i].due > now)
			wake = earlier(wake, t->run[i].due);
		if (t->run[i].refresh > now)
			wake = earlier(wake, t->run[i].refresh);
	}
	return wake;
}

uint64_t
dpd_choice_turn(struct dpd_choice *c, uint64_t now)
{
	uint64_t wake = 0;

	if (!c->started)
		return 0;
	for (size_t i = 0; i < DPD_TUNNELS_MAX; i++)
		if (c->tunnels[i].set)
			wake = earlier(wake,
			    tunnel_turn(c, &c->tunnels[i], now));
	return wake;
}

bool
dpd_choice_status(const struct dpd_choice *c, size_t index,
    struct dpd_headend_status *s)
{
	for (size_t i = 0; i < DPD_TUNNELS_MAX; i++) {
		const struct dpd_tunnel *t = &c->tunnels[i];

		if (index >= t->n) {
			index -= t->n;
			continue;
		}
		*s = (struct dpd_headend_status){ .state = UNKNOWN };
		memcpy(s->tunnel, t->conf.tunnel, sizeof(s->tunnel));
		memcpy(s->name, t->conf.headends[index].name, sizeof(s->name));
		memcpy(s->connection, t->conf.headends[index].connection,
		    sizeof(s->connection));
		s->in_use = t->conf.policy == DPD_POLICY_ALL ?
		    t->run[index].state == UP : t->use == (int)index;
		dpd_headend_show(&t->run[index], s);
		return true;
	}
	return false;
}
