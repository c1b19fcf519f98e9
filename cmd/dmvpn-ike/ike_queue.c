#include "ike_queue.h"

/*
 * CHILD_SAs for one sender each (RFC 9611).  The first CHILD_SA of an IKE SA
 * is that of all senders of dmvpn-gre and serves those that have none of their
 * own.  When both sides said SA_RESOURCE_INFO in IKE_AUTH, the one that began
 * the IKE SA makes another for each of its senders, one after the other; the
 * other side gives them to its own senders in turn.  A refusal ends the tries:
 * what is there stays.  Who has been rekeyed serves the same sender as before.
 */
#define FIRST		1000	/* ms after the SA of all is up */
#define PAUSE_MAX	600000	/* ms between two tries */
#define MANY		256	/* IKE SAs: then there are queues enough */

/* How many SAs of queues this side has a use for; times: as many for each
 * sender. */
static unsigned
most(const struct ike_isa *s, unsigned times)
{
	const struct ike_engine *g = s->g;
	unsigned asked = s->profile->set.queues, n = g->senders * times;

	if (g->senders < 2 || asked == 1 ||
	    (asked == 0 && g->n_isas - g->n_half_open > MANY))
		return 0;
	if (asked != 0 && n > asked)
		n = asked;
	return n > IKE_QUEUES_MAX ? IKE_QUEUES_MAX : n;
}

size_t
ike_queue_children(const struct ike_isa *s)
{
	return IKE_CHILDREN_MAX + 2 * most(s, 2);	/* while rekeying */
}

/* One that was not rekeyed yet. */
static bool
counts(const struct ike_csa *c, unsigned queue)
{
	return c->queue == queue && !c->lost && !c->deleting && !c->doomed &&
	    !c->replaced && c->rival == 0;
}

static unsigned
count_all(const struct ike_isa *s)
{
	const struct ike_csa *c;
	unsigned n = 0;

	DL_FOREACH(s->children, c)
		n += c->queue != 0 && c->installed && counts(c, c->queue);
	return n;
}

bool
ike_queue_served(const struct ike_isa *s, unsigned queue)
{
	const struct ike_csa *c;

	DL_FOREACH(s->children, c)
		if (c->queue == queue && !c->lost && !c->deleting)
			return true;
	return false;
}

const struct ike_csa *
ike_queue_like(const struct ike_isa *s)
{
	const struct ike_csa *c, *newest = NULL;

	DL_FOREACH(s->children, c)
		if (c->installed && counts(c, 0))
			newest = c;
	return newest;
}

/* ---- do both want it? ---- */

void
ike_queue_offer(const struct ike_isa *s, struct ike_out *o)
{
	if (most(s, 1) > 0)
		ike_put_status(&o->c, IKE_N_SA_RESOURCE_INFO);
}

void
ike_queue_answer(const struct ike_isa *s, struct ike_out *o)
{
	if (s->auth->resources && most(s, 2) > 0)
		ike_put_status(&o->c, IKE_N_SA_RESOURCE_INFO);
}

void
ike_queue_agreed(struct ike_isa *s)
{
	s->queues = s->auth->resources ? IKE_QUEUES_MAX : 0;
}

/* The number is for those who debug (RFC 9611, 5.1). */
void
ike_queue_put(const struct ike_csa *c, struct ike_out *o)
{
	uint8_t octets[4];
	struct wbuf w = wbuf_of(octets, sizeof(octets));

	if (c->queue == 0 || c->replaces != 0)
		return;
	wbuf_be32(&w, c->queue);
	ike_put_notify(&o->c, IKE_PROTO_NONE, NULL, 0, IKE_N_SA_RESOURCE_INFO,
	    octets, sizeof(octets));
}

/* ---- who begins ---- */

void
ike_queue_later(struct ike_isa *s)
{
	uint64_t pause = (uint64_t)FIRST << s->queue_tries;

	if (s->queues == 0 || s->again.at != 0)
		return;
	if (pause > PAUSE_MAX)
		pause = PAUSE_MAX;
	else
		s->queue_tries++;
	ike_timer_set(s->g, &s->again, s->g->now + ike_jitter(s->g, pause));
}

bool
ike_queue_next(struct ike_isa *s)
{
	unsigned n = most(s, 1), q;

	if (s->phase != IKE_UP || s->losing || !s->g->gre_up ||
	    ike_queue_like(s) == NULL)
		return false;
	if (n > s->queues)
		n = s->queues;
	for (q = 1; q <= n; q++)
		if (!ike_queue_served(s, q)) {
			ike_task_add(s, IKE_DO_QUEUE, q, 0);
			return true;
		}
	return false;
}

/* The peer begins to send on the last one when it knows that we have its
 * answer. */
void
ike_queue_made(struct ike_isa *s)
{
	if (!ike_queue_next(s))
		ike_task_add(s, IKE_DO_PROBE, 0, 0);
}

void
ike_queue_end(struct ike_isa *s)
{
	s->queues = (uint8_t)count_all(s);
}

void
ike_queue_refused(struct ike_isa *s, uint16_t type)
{
	struct name_buf nb;

	if (type == IKE_N_TEMPORARY_FAILURE) {
		ike_queue_later(s);
		return;
	}
	ike_queue_end(s);
	if (type != IKE_N_TS_MAX_QUEUE && type != IKE_N_NO_ADDITIONAL_SAS)
		ike_note(s->g, false, "queue-refused", &s->remote,
		    name_text(ike_notify_names, type, &nb));
}

/* The same but for the keys (RFC 9611, 4)? */
bool
ike_queue_same(const struct ike_csa *a, const struct ike_csa *b)
{
	size_t i, n = a->n_local + a->n_remote;

	if (a->mode != b->mode || a->cipher != b->cipher || a->esn != b->esn ||
	    a->n_local != b->n_local || a->n_remote != b->n_remote)
		return false;
	for (i = 0; i < n; i++)		/* remote is behind local */
		if (!ike_ts_inside(&a->local[i], &b->local[i]) ||
		    !ike_ts_inside(&b->local[i], &a->local[i]))
			return false;
	return true;
}

/* ---- who answers ---- */

/* The sender with the fewest, the first of them. */
static uint8_t
least(const struct ike_isa *s)
{
	unsigned n, fewest = IKE_CHILDREN_MOST, q, queue = 1;
	const struct ike_csa *c;

	for (q = 1; q <= s->g->senders && q <= IKE_QUEUES_MAX; q++) {
		n = 0;
		DL_FOREACH(s->children, c)
			n += counts(c, q);
		if (n < fewest) {
			fewest = n;
			queue = q;
		}
	}
	return (uint8_t)queue;
}

uint16_t
ike_queue_choose(const struct ike_isa *s, const struct ike_in *in,
    const struct ike_csa *old, uint8_t *queue)
{
	*queue = old != NULL ? old->queue : 0;
	if (old != NULL || ike_queue_like(s) == NULL ||
	    ike_in_notify(in, IKE_N_SA_RESOURCE_INFO) == NULL)
		return 0;
	if (count_all(s) >= most(s, 2))
		return IKE_N_TS_MAX_QUEUE;
	*queue = least(s);
	return 0;
}

void
ike_queue_confirm(struct ike_isa *s)
{
	struct ike_csa *c;

	DL_FOREACH(s->children, c)
		if (c->standby && c->installed && !c->ours &&
		    c->replaces == 0)
			ike_child_use(c);
}

/* ---- an SA of all sends from now on ---- */

void
ike_queue_hush(struct ike_csa *child)
{
	struct ike_engine *g = child->isa->g;
	struct gre_sa_delete m = { .grace = IKE_DRAIN };
	struct ike_isa *s;
	struct ike_csa *c;

	if (child->queue != 0 || child->peer == NULL || !g->gre_up)
		return;
	LL_FOREACH2(child->peer->isas, s, peer_next) {
		if (s == child->isa)
			continue;
		DL_FOREACH(s->children, c) {
			m.spi_in = c->spi_in;
			if (c->queue != 0 && c->installed)
				g->ops.call(g->ops.arg, 0,
				    &gre_sa_delete_type, &m);
			c->sent = c->sent && c->queue == 0;
			c->installed = c->installed && c->queue == 0;
		}
	}
	ike_orphans_hush(g, child->peer);
}

void
ike_engine_gre_status(struct ike_engine *g, const struct gre_status_reply *r)
{
	g->senders = r->senders;
	g->receivers = (uint8_t)(r->threads > r->senders ?
	    r->threads - r->senders : 1);
}
