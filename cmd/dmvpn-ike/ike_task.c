#include "ike_int.h"

#include <stdlib.h>

/* What waits for its turn: an IKE SA has one request on its way (2.3). */

static void
probe_failed(struct ike_engine *g, uint64_t ticket)
{
	struct ike_probe_reply r = { .alive = false };

	if (ticket != 0)
		g->ops.probed(g->ops.arg, ticket, &r);
}

void
ike_task_add(struct ike_isa *s, enum ike_what what, uint32_t spi,
    uint64_t ticket)
{
	struct ike_task *t;
	size_t n = 0;

	LL_FOREACH(s->tasks, t) {
		n++;
		if (t->what == what && t->spi == spi && ticket == 0)
			return;
	}
	t = n < IKE_TASKS_MAX ? calloc(1, sizeof(*t)) : NULL;
	if (t == NULL) {
		s->g->counters[IKE_C_NO_MEMORY]++;
		probe_failed(s->g, ticket);
		return;
	}
	*t = (struct ike_task){ .what = what, .spi = spi, .ticket = ticket };
	LL_APPEND(s->tasks, t);
	ike_task_run(s);
}

void
ike_task_drop(struct ike_isa *s)
{
	struct ike_task *t;

	while ((t = s->tasks) != NULL) {
		LL_DELETE(s->tasks, t);
		probe_failed(s->g, t->ticket);
		free(t);
	}
}

static int
begin(struct ike_isa *s, const struct ike_task *t)
{
	switch (t->what) {
	case IKE_DO_CHILD:
	case IKE_DO_REKEY_CHILD:
	case IKE_DO_QUEUE:
		return ike_create_begin(s, t->what, t->spi, 0);
	case IKE_DO_REKEY:
		return ike_rekey_begin(s, 0);
	case IKE_DO_DELETE_CHILD:
	case IKE_DO_DELETE:
	case IKE_DO_PROBE:
	case IKE_DO_MOVE:
		return ike_info_begin(s, t->what, t->spi, t->ticket);
	case IKE_DO_NOTHING:
	case IKE_DO_CONNECT:
		return 0;
	}
	return 0;
}

/* Only what ends things is said on an SA that was replaced. */
static bool
sensible(const struct ike_isa *s, const struct ike_task *t)
{
	if (s->phase == IKE_UP)
		return true;
	return (s->phase == IKE_REPLACED || s->phase == IKE_CHILDLESS) &&
	    t->what == IKE_DO_DELETE;
}

void
ike_task_run(struct ike_isa *s)
{
	struct ike_task *t;

	while ((t = s->tasks) != NULL && s->out.phase == IKE_IDLE &&
	    (s->phase == IKE_UP || s->phase == IKE_REPLACED ||
	    s->phase == IKE_CHILDLESS)) {
		if (s->in.phase == IKE_R_CHILD_INSTALL &&
		    t->what == IKE_DO_REKEY)
			return;	/* let the peer's child come first */
		LL_DELETE(s->tasks, t);
		if (!sensible(s, t) || begin(s, t) < 0)
			probe_failed(s->g, t->ticket);
		free(t);
	}
}
