#include "dpd_step.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "msg/msg.h"

/* The row of the table names the next state for each. */
enum verdict { OK, WAIT, FAIL };

struct step {
	enum dpd_headend_state	 state;
	enum dpd_input		 input;
	enum verdict		(*run)(struct dpd_step *x);
	enum dpd_headend_state	 ok, wait, fail;
};

#define UNKNOWN		DPD_HEADEND_STATE_UNKNOWN
#define RESOLVING	DPD_HEADEND_STATE_RESOLVING
#define CONNECTING	DPD_HEADEND_STATE_CONNECTING
#define UP		DPD_HEADEND_STATE_UP
#define STANDBY		DPD_HEADEND_STATE_STANDBY
#define DOWN		DPD_HEADEND_STATE_FAILED

static size_t
index_of(const struct dpd_step *x)
{
	return (size_t)(x->h - x->t->run);
}

const struct dpd_headend *
dpd_step_conf(const struct dpd_step *x)
{
	return &x->t->conf.headends[index_of(x)];
}

static uint64_t
failback_of(const struct dpd_tunnel *t)
{
	return t->conf.failback > 0 ? (uint64_t)t->conf.failback * 1000 :
	    DPD_FAILBACK;
}

/* The whole, or up to a quarter more. */
static uint64_t
jitter(const struct dpd_step *x, uint64_t ms)
{
	return ms + x->c->ops->random(x->c->arg) % (ms / 4 + 1);
}

void
dpd_step_ask(struct dpd_step *x)
{
	x->h->ticket = ++x->c->tickets;
	x->h->refresh = 0;
	x->c->ops->resolve(x->c->arg, x->h->ticket, x->h->host, x->h->port,
	    x->h->host[0] == '_');
}

/* State the connection to the address that is this one's turn. */
void
dpd_step_dial(struct dpd_step *x)
{
	struct ike_connection_set s = { .remote = *dpd_headend_address(x->h) };
	const struct dpd_headends_set *conf = &x->t->conf;
	bool apart = x->h->standby && conf->standby_profile[0] != '\0';

	snprintf(s.owner, sizeof(s.owner), "dpd");
	memcpy(s.connection, dpd_step_conf(x)->connection,
	    sizeof(s.connection));
	memcpy(s.profile, apart ? conf->standby_profile : conf->profile,
	    sizeof(s.profile));
	memcpy(s.peer_id, dpd_step_conf(x)->peer_id, sizeof(s.peer_id));
	x->h->dialled = true;
	x->h->due = x->now + x->h->patience;
	x->c->ops->connect(x->c->arg, &s);
}

static void
hang_up(struct dpd_step *x)
{
	if (x->h->dialled)
		x->c->ops->disconnect(x->c->arg, dpd_step_conf(x)->connection);
	x->h->dialled = false;
	x->h->confirmed = false;
	x->h->peer = 0;
}

/* Steps.  The row names the next state. */

static enum verdict
begin(struct dpd_step *x)
{
	x->h->standby = x->t->conf.policy == DPD_POLICY_FIRST &&
	    x->t->use >= 0;
	x->h->at = 0;
	if (!x->h->numeric && (x->h->n == 0 || x->h->refresh == 0 ||
	    x->h->refresh <= x->now)) {
		dpd_step_ask(x);
		x->h->due = x->now + DPD_RESOLVE_LIMIT;
		return WAIT;
	}
	dpd_step_dial(x);
	return OK;
}

/* The one in use is not any more. */
static void
drop_use(struct dpd_step *x)
{
	if (x->t->use != (int)index_of(x))
		return;
	x->t->use = -1;
	snprintf(x->t->why, sizeof(x->t->why), "%.*s",
	    (int)sizeof(x->t->why) - 1,
	    x->why->text[0] != '\0' ? x->why->text : x->why->code);
}

static enum verdict
give_up(struct dpd_step *x)
{
	x->h->ticket = 0;
	drop_use(x);
	dpd_headend_fail(x->h, x->why, jitter(x, x->h->backoff), x->now);
	if (x->t->conf.policy == DPD_POLICY_FIRST)
		hang_up(x);
	return FAIL;
}

/* Old addresses are better than none. */
static enum verdict
no_name(struct dpd_step *x)
{
	if (x->h->n == 0)
		return give_up(x);
	dpd_step_dial(x);
	return OK;
}

static enum verdict
resolver_slow(struct dpd_step *x)
{
	struct reason r = { .code = "" };

	x->h->ticket = 0;
	x->why = reason_set(&r, "resolve", "timeout",
	    "no answer for %s within %d s", x->h->host,
	    DPD_RESOLVE_LIMIT / 1000);
	return no_name(x);
}

static enum verdict
call(struct dpd_step *x)
{
	dpd_step_dial(x);
	return OK;
}

static enum verdict
next_address(struct dpd_step *x)
{
	if (x->h->at + 1 >= x->h->n)
		return give_up(x);
	x->h->at++;
	dpd_step_dial(x);
	return OK;
}

static enum verdict
no_answer(struct dpd_step *x)
{
	struct reason r = { .code = "" };
	struct addr_buf ab;

	x->why = x->h->reason.code[0] != '\0' ? &x->h->reason :
	    reason_set(&r, "connect", "timeout",
	    "no connection to %s at %s within %u s", dpd_step_conf(x)->name,
	    endpoint_text(dpd_headend_address(x->h), &ab),
	    x->h->patience / 1000);
	return next_address(x);
}

/* It is the one in use from now on. */
static void
use(struct dpd_step *x)
{
	struct dpd_chosen d = { .remote = x->h->remote };
	struct dpd_tunnel *t = x->t;

	t->use = (int)index_of(x);
	t->chosen = x->now;
	memcpy(d.tunnel, t->conf.tunnel, sizeof(d.tunnel));
	memcpy(d.name, dpd_step_conf(x)->name, sizeof(d.name));
	memcpy(d.connection, dpd_step_conf(x)->connection, sizeof(d.connection));
	memcpy(d.before, t->last, sizeof(d.before));
	memcpy(d.why, t->why, sizeof(d.why));
	memcpy(t->last, dpd_step_conf(x)->name, sizeof(t->last));
	t->why[0] = '\0';
	x->c->ops->chosen(x->c->arg, &d);
}

/* OK: used; WAIT: watched for a while before it is. */
static enum verdict
arrive(struct dpd_step *x)
{
	const char *apart = x->t->conf.standby_profile;
	bool first = x->t->conf.policy == DPD_POLICY_FIRST;

	dpd_headend_up(x->h, x->up, x->now);
	if (apart[0] != '\0' && strcmp(x->up->profile, apart) == 0)
		x->h->standby = true;
	if (first && x->h->standby) {
		x->h->due = x->now + jitter(x, failback_of(x->t));
		return WAIT;
	}
	x->h->due = 0;
	if (first ? x->t->use < 0 || x->t->use > (int)index_of(x) :
	    x->h->state != UP)
		use(x);
	return OK;
}

static enum verdict
lose(struct dpd_step *x)
{
	if (x->now - x->h->since >= DPD_WELL)
		dpd_headend_calm(x->h);
	return give_up(x);
}

/* dmvpn-ike does not know the SA any more; packets may still flow. */
static enum verdict
again(struct dpd_step *x)
{
	x->h->peer = 0;
	dpd_step_dial(x);
	return OK;
}

/* Well for long enough.  WAIT: a connection with routes is made first. */
static enum verdict
promote(struct dpd_step *x)
{
	x->h->standby = false;
	snprintf(x->t->why, sizeof(x->t->why), "%.160s is well again",
	    dpd_step_conf(x)->name);
	if (x->t->conf.standby_profile[0] != '\0') {
		hang_up(x);
		dpd_step_dial(x);
		return WAIT;
	}
	x->h->due = 0;
	use(x);
	return OK;
}

static enum verdict
leave(struct dpd_step *x)
{
	x->h->ticket = 0;
	x->h->due = 0;
	x->h->standby = false;
	hang_up(x);
	return OK;
}

/* Why dmvpn-ike did not get through, which goes on trying. */
static enum verdict
note(struct dpd_step *x)
{
	if (x->why != NULL)
		x->h->reason = *x->why;
	return OK;
}

static const struct step steps[] = {
	/* state, input, run, next after OK, WAIT, FAIL */
	{ UNKNOWN, DPD_START, begin,
	    CONNECTING, RESOLVING, DOWN },
	{ UNKNOWN, DPD_CAME_UP, arrive,
	    UP, STANDBY, DOWN },
	{ RESOLVING, DPD_RESOLVED, call,
	    CONNECTING, DOWN, DOWN },
	{ RESOLVING, DPD_UNRESOLVED, no_name,
	    CONNECTING, DOWN, DOWN },
	{ RESOLVING, DPD_TIMER, resolver_slow,
	    CONNECTING, DOWN, DOWN },
	{ RESOLVING, DPD_CAME_UP, arrive,
	    UP, STANDBY, DOWN },
	{ RESOLVING, DPD_LEAVE, leave,
	    UNKNOWN, UNKNOWN, DOWN },
	{ CONNECTING, DPD_CAME_UP, arrive,
	    UP, STANDBY, DOWN },
	{ CONNECTING, DPD_FAILED, next_address,
	    CONNECTING, DOWN, DOWN },
	{ CONNECTING, DPD_TIMER, no_answer,
	    CONNECTING, DOWN, DOWN },
	{ CONNECTING, DPD_LEAVE, leave,
	    UNKNOWN, UNKNOWN, DOWN },
	{ UP, DPD_CAME_UP, arrive,
	    UP, STANDBY, DOWN },
	{ UP, DPD_LOST, lose,
	    DOWN, DOWN, DOWN },
	{ UP, DPD_RESTARTED, again,
	    CONNECTING, DOWN, DOWN },
	{ UP, DPD_LEAVE, leave,
	    UNKNOWN, UNKNOWN, DOWN },
	{ STANDBY, DPD_CAME_UP, arrive,
	    UP, STANDBY, DOWN },
	{ STANDBY, DPD_LOST, lose,
	    DOWN, DOWN, DOWN },
	{ STANDBY, DPD_RESTARTED, again,
	    CONNECTING, DOWN, DOWN },
	{ STANDBY, DPD_TIMER, promote,
	    UP, CONNECTING, DOWN },
	{ STANDBY, DPD_LEAVE, leave,
	    UNKNOWN, UNKNOWN, DOWN },
	{ DOWN, DPD_START, begin,
	    CONNECTING, RESOLVING, DOWN },
	{ DOWN, DPD_CAME_UP, arrive,
	    UP, STANDBY, DOWN },
	{ DOWN, DPD_FAILED, note,
	    DOWN, DOWN, DOWN },
	{ DOWN, DPD_LEAVE, leave,
	    UNKNOWN, UNKNOWN, DOWN },
};

struct dpd_step
dpd_step_of(struct dpd_choice *c, struct dpd_tunnel *t, size_t i,
    uint64_t now)
{
	return (struct dpd_step){ .c = c, .t = t, .h = &t->run[i],
	    .now = now };
}

static enum dpd_headend_state
next_state(const struct step *s, enum verdict v)
{
	switch (v) {
	case OK:
		return s->ok;
	case WAIT:
		return s->wait;
	case FAIL:
		break;
	}
	return s->fail;
}

void
dpd_step_run(struct dpd_step *x, enum dpd_input input)
{
	const struct step *s;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		s = &steps[i];
		if (s->state != x->h->state || s->input != input)
			continue;
		x->h->state = next_state(s, s->run(x));
		return;
	}
}
