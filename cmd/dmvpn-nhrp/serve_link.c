#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "serve.h"
#include "sys/log.h"

#define OWNER "nhrp"

struct serve_refused {
	struct serve_refused	*prev, *next;
	uint64_t		 ticket;
	struct reason		 why;
};

/* An answer to come: which ticket of which daemon. */
struct waiting {
	struct daemon	*d;
	uint64_t	 ticket;
};

/* ---- calls of the engine ---- */

static void
answered(void *arg, const void *m, const struct reason *why)
{
	struct waiting *w = arg;
	struct daemon *d = w->d;

	nhrp_engine_answer(d->engine, loop_now(d->loop), w->ticket, m, why);
	free(w);
	serve_turn(d);
}

/* The engine must not be called back from a call: this comes from the loop. */
static void
refuse_turn(void *arg)
{
	struct daemon *d = arg;
	struct serve_refused *all = d->refused, *r, *next;

	d->refused = NULL;
	DL_FOREACH_SAFE(all, r, next) {
		nhrp_engine_answer(d->engine, loop_now(d->loop), r->ticket,
		    NULL, &r->why);
		free(r);
	}
	serve_turn(d);
}

static void
refuse(struct daemon *d, uint64_t ticket, const char *text)
{
	struct serve_refused *r;
	struct err e;

	if (ticket == 0 || (r = calloc(1, sizeof(*r))) == NULL)
		return;
	r->ticket = ticket;
	reason_set(&r->why, "", "unreachable", "%s", text);
	DL_APPEND(d->refused, r);
	if (timer_at(d->loop, &d->refuse, loop_now(d->loop), refuse_turn, d,
	    &e) < 0)
		log_event(LEVEL_ERROR, "no-timer", T("why", e.msg));
}

void
serve_call(void *arg, uint64_t ticket, const struct msg_type *t,
    const void *m)
{
	struct daemon *d = arg;
	struct link *k = strncmp(t->name, "ike-", 4) == 0 ? d->ike : d->gre;
	struct waiting *w = NULL;
	struct err e = { 0 };

	if (k == NULL || !link_is_up(k)) {
		refuse(d, ticket, k == d->ike ?
		    "dmvpn-ike is not reachable" :
		    "dmvpn-gre is not reachable");
		return;
	}
	if (ticket != 0) {
		if ((w = calloc(1, sizeof(*w))) == NULL)
			return;
		*w = (struct waiting){ d, ticket };
	}
	if (link_call(k, t, m, ticket == 0 ? NULL :
	    nhrp_engine_reply_type(t), w == NULL ? NULL : answered, w,
	    &e) == 0)
		return;
	log_event(LEVEL_WARN, "call-failed", T("call", t->name),
	    T("why", e.msg));
	refuse(d, ticket, e.msg);
	free(w);
}

/* Any event of a program below, decoded for the engine. */
static void
lower_event(void *arg, const struct msg *m)
{
	struct daemon *d = arg;
	const struct msg_type *t = msg_type_find(m->name);
	struct err e = { 0 };
	void *body;

	if (t == NULL || (body = calloc(1, t->size)) == NULL)
		return;
	if (msg_get(m->body, t, body, &e) == 0)
		nhrp_engine_event(d->engine, loop_now(d->loop), t, body);
	else
		log_event(LEVEL_WARN, "bad-event", T("event", m->name),
		    T("why", e.msg));
	free(body);
	serve_turn(d);
}

/* ---- dmvpn-gre: adopt once, state again when it comes back ---- */

static void ask_peers(struct daemon *d);
static void ask_maps(struct daemon *d);
static void ask_routes(struct daemon *d);

static void
gre_page(struct daemon *d, const char *of, const char *owner,
    const struct msg_type *reply, link_done *done)
{
	struct page p = { .after = d->after };
	struct err e;

	snprintf(p.of, sizeof(p.of), "%s", of);
	snprintf(p.owner, sizeof(p.owner), "%s", owner);
	if (link_call(d->gre, &page_type, &p, reply, done, d, &e) < 0) {
		d->paging = false;
		log_event(LEVEL_WARN, "call-failed", T("call", of),
		    T("why", e.msg));
	}
}

static void
page_failed(struct daemon *d, const char *of, const struct reason *why)
{
	d->paging = false;
	log_event(LEVEL_WARN, "adoption-failed", T("call", of),
	    T("why", why->text));
}

static void
got_routes(void *arg, const void *m, const struct reason *why)
{
	struct daemon *d = arg;
	const struct gre_routes *r = m;
	size_t i;

	if (r == NULL) {
		page_failed(d, "gre-routes", why);
		return;
	}
	for (i = 0; i < r->n_items; i++)
		nhrp_engine_adopt_route(d->engine, loop_now(d->loop),
		    &r->items[i]);
	d->after = r->next;
	if (r->next != 0) {
		ask_routes(d);
		return;
	}
	d->paging = false;
	d->adopted = true;
	nhrp_engine_adopt_end(d->engine, loop_now(d->loop));
	serve_turn(d);
}

static void
got_maps(void *arg, const void *m, const struct reason *why)
{
	struct daemon *d = arg;
	const struct gre_maps *r = m;
	size_t i;

	if (r == NULL) {
		page_failed(d, "gre-maps", why);
		return;
	}
	for (i = 0; i < r->n_items; i++)
		nhrp_engine_adopt_map(d->engine, loop_now(d->loop),
		    &r->items[i]);
	d->after = r->next;
	if (r->next != 0)
		ask_maps(d);
	else
		ask_routes(d);
}

static void
count_peers(struct daemon *d, const struct gre_peers *r)
{
	size_t i;

	for (i = 0; i < r->n_items; i++)
		nhrp_engine_count(d->engine, loop_now(d->loop),
		    r->items[i].peer, r->items[i].rx_packets +
		    r->items[i].tx_packets);
}

static void
got_peers(void *arg, const void *m, const struct reason *why)
{
	struct daemon *d = arg;
	const struct gre_peers *r = m;
	size_t i;

	if (r == NULL) {
		page_failed(d, "gre-peers", why);
		return;
	}
	if (d->counting)
		count_peers(d, r);
	else
		for (i = 0; i < r->n_items; i++)
			nhrp_engine_adopt_peer(d->engine, loop_now(d->loop),
			    &r->items[i]);
	d->after = r->next;
	if (r->next != 0) {
		ask_peers(d);
		return;
	}
	if (!d->counting && !d->adopted) {
		ask_maps(d);
		return;
	}
	d->paging = false;
	if (!d->counting)
		nhrp_engine_peers_end(d->engine, loop_now(d->loop));
	serve_turn(d);
}

static void
ask_peers(struct daemon *d)
{
	gre_page(d, "gre-peers", "", &gre_peers_type, got_peers);
}

static void
ask_maps(struct daemon *d)
{
	gre_page(d, "gre-maps", OWNER, &gre_maps_type, got_maps);
}

static void
ask_routes(struct daemon *d)
{
	gre_page(d, "gre-routes", OWNER, &gre_routes_type, got_routes);
}

static void
begin_paging(struct daemon *d, bool counting)
{
	d->paging = true;
	d->counting = counting;
	d->after = 0;
	ask_peers(d);
}

/* After its return dmvpn-gre learns its peers again from several programs:
 * ours is said at once and twice more, and only then what it does not know
 * is taken for gone. */
static void
settle(void *arg)
{
	static const unsigned at[] = { 0, 1000, 3000, SERVE_SETTLE };
	struct daemon *d = arg;
	struct err e;

	if (!link_is_up(d->gre))
		return;
	if (d->settle == 3) {
		nhrp_engine_peers_begin(d->engine, loop_now(d->loop));
		begin_paging(d, false);
		return;
	}
	nhrp_engine_restate(d->engine, loop_now(d->loop));
	d->settle++;
	if (timer_at(d->loop, &d->settled, loop_now(d->loop) +
	    at[d->settle] - at[d->settle - 1], settle, d, &e) < 0)
		log_event(LEVEL_ERROR, "no-timer", T("why", e.msg));
	serve_turn(d);
}

static void
gre_up(void *arg)
{
	struct daemon *d = arg;

	log_event(LEVEL_INFO, "gre-up", T("socket", d->conf.gre_path));
	if (!d->adopted) {
		begin_paging(d, false);
		return;
	}
	d->settle = 0;
	settle(d);
}

static void
gre_down(void *arg, const char *why)
{
	struct daemon *d = arg;

	log_event(LEVEL_WARN, "gre-down", T("why", why));
	d->paging = false;
	timer_stop(&d->settled);
}

/* Which shortcuts are in use? */
static void
count_turn(void *arg)
{
	struct daemon *d = arg;
	struct err e;

	if (nhrp_engine_counts(d->engine) && !d->paging &&
	    link_is_up(d->gre) && d->adopted)
		begin_paging(d, true);
	if (timer_at(d->loop, &d->count, loop_now(d->loop) +
	    SERVE_COUNT_EVERY, count_turn, d, &e) < 0)
		log_event(LEVEL_ERROR, "no-timer", T("why", e.msg));
}

/* ---- dmvpn-ike ---- */

static void ask_ike(struct daemon *d);

static void
got_ike(void *arg, const void *m, const struct reason *why)
{
	struct daemon *d = arg;
	const struct ike_peers *r = m;
	size_t i;

	if (r == NULL) {
		log_event(LEVEL_WARN, "adoption-failed",
		    T("call", "ike-peers"), T("why", why->text));
		return;
	}
	for (i = 0; i < r->n_items; i++)
		nhrp_engine_event(d->engine, loop_now(d->loop), &ike_up_type,
		    &r->items[i]);
	d->ike_after = r->next;
	if (r->next != 0)
		ask_ike(d);
	else
		nhrp_engine_restate_ike(d->engine, loop_now(d->loop));
	serve_turn(d);
}

static void
ask_ike(struct daemon *d)
{
	struct page p = { .after = d->ike_after };
	struct err e;

	snprintf(p.of, sizeof(p.of), "ike-peers");
	if (link_call(d->ike, &page_type, &p, &ike_peers_type, got_ike, d,
	    &e) < 0)
		log_event(LEVEL_WARN, "call-failed", T("call", "ike-peers"),
		    T("why", e.msg));
}

static void
ike_link_up(void *arg)
{
	struct daemon *d = arg;

	log_event(LEVEL_INFO, "ike-up", T("socket", d->conf.ike_path));
	d->ike_after = 0;
	ask_ike(d);
}

/* Peers live on in dmvpn-gre: nothing is taken back. */
static void
ike_link_down(void *arg, const char *why)
{
	(void)arg;
	log_event(LEVEL_WARN, "ike-down", T("why", why));
}

int
serve_links_open(struct daemon *d, struct err *e)
{
	const struct link_conf gre = {
		.path = d->conf.gre_path, .fd = -1,
		.events = nhrp_gre_events, .arg = d,
		.up = gre_up, .down = gre_down, .event = lower_event,
	};
	const struct link_conf ike = {
		.path = d->conf.ike_path, .fd = -1,
		.events = nhrp_ike_events, .arg = d,
		.up = ike_link_up, .down = ike_link_down,
		.event = lower_event,
	};

	d->gre = link_new(d->loop, &gre, e);
	d->ike = link_new(d->loop, &ike, e);
	if (d->gre == NULL || d->ike == NULL)
		return -1;
	return timer_at(d->loop, &d->count, loop_now(d->loop) +
	    SERVE_COUNT_EVERY, count_turn, d, e);
}

void
serve_links_close(struct daemon *d)
{
	struct serve_refused *r, *next;

	link_free(d->gre);
	link_free(d->ike);
	d->gre = d->ike = NULL;
	timer_stop(&d->refuse);
	timer_stop(&d->count);
	timer_stop(&d->settled);
	DL_FOREACH_SAFE(d->refused, r, next)
		free(r);
	d->refused = NULL;
}
