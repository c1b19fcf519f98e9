#include <stdlib.h>
#include <string.h>

#include "serve.h"
#include "sys/log.h"

#define OWNER "nhrp"

/* ---- calls of the engine ---- */

static void
answered(void *arg, uint64_t ticket, const void *m, const struct reason *why)
{
	struct daemon *d = arg;

	nhrp_engine_answer(d->engine, loop_now(d->loop), ticket, m, why);
	serve_turn(d);
}

void
serve_call(void *arg, uint64_t ticket, const struct msg_type *t,
    const void *m)
{
	struct daemon *d = arg;
	bool ike = strncmp(t->name, "ike-", 4) == 0;

	below_call(&d->below, ike ? d->ike : d->gre, ike ? "dmvpn-ike" :
	    "dmvpn-gre", ticket, t, m, nhrp_engine_reply_type(t));
}

static void
lower_event(void *arg, const struct msg *m)
{
	struct daemon *d = arg;
	const struct msg_type *t;
	void *body = below_event(m, &t);

	if (body == NULL)
		return;
	nhrp_engine_event(d->engine, loop_now(d->loop), t, body);
	free(body);
	serve_turn(d);
}

static void begin_paging(struct daemon *d);

/* ---- dmvpn-gre: adopt once, state again when it comes back ---- */

static void
page_again(void *arg)
{
	struct daemon *d = arg;

	if (link_is_up(d->gre) && !d->paging)
		begin_paging(d);
}

/* When the link broke all of it begins anew, else here. */
static void
adoption_failed(struct daemon *d, const char *of, const struct reason *why)
{
	log_event(LEVEL_WARN, "adoption-failed", T("call", of),
	    T("why", why->text));
	if (link_is_up(d->gre))
		timer_set(d->loop, &d->settled, loop_now(d->loop) +
		    SERVE_PAGE_AGAIN, page_again, d);
}

static void
take_routes(void *arg, const void *page)
{
	const struct gre_routes *r = page;
	struct daemon *d = arg;
	size_t i;

	for (i = 0; i < r->n_items; i++)
		nhrp_engine_adopt_route(d->engine, loop_now(d->loop),
		    &r->items[i]);
}

static void
got_routes(void *arg, const struct reason *why)
{
	struct daemon *d = arg;

	d->paging = false;
	if (why != NULL) {
		adoption_failed(d, "gre-routes", why);
		return;
	}
	d->adopted = true;
	nhrp_engine_adopt_end(d->engine, loop_now(d->loop));
	serve_turn(d);
}

static void
take_maps(void *arg, const void *page)
{
	const struct gre_maps *r = page;
	struct daemon *d = arg;
	size_t i;

	for (i = 0; i < r->n_items; i++)
		nhrp_engine_adopt_map(d->engine, loop_now(d->loop),
		    &r->items[i]);
}

static void
got_maps(void *arg, const struct reason *why)
{
	struct daemon *d = arg;
	const struct below_pages routes = { &gre_routes_type, OWNER, d,
	    take_routes, got_routes };

	if (why == NULL) {
		below_pages(&d->below, d->gre, &routes);
		return;
	}
	d->paging = false;
	adoption_failed(d, "gre-maps", why);
}

static void
take_counts(void *arg, const void *page)
{
	const struct gre_peers *r = page;
	struct daemon *d = arg;
	size_t i;

	for (i = 0; i < r->n_items; i++)
		nhrp_engine_count(d->engine, loop_now(d->loop),
		    r->items[i].peer, r->items[i].rx_packets +
		    r->items[i].tx_packets);
}

static void
got_counts(void *arg, const struct reason *why)
{
	struct daemon *d = arg;

	(void)why;		/* the next turn comes */
	d->counting = false;
	serve_turn(d);
}

static void
take_peers(void *arg, const void *page)
{
	const struct gre_peers *r = page;
	struct daemon *d = arg;
	size_t i;

	for (i = 0; i < r->n_items; i++)
		nhrp_engine_adopt_peer(d->engine, loop_now(d->loop),
		    &r->items[i]);
}

static void
got_peers(void *arg, const struct reason *why)
{
	struct daemon *d = arg;
	const struct below_pages maps = { &gre_maps_type, OWNER, d,
	    take_maps, got_maps };

	if (why == NULL && !d->adopted) {
		below_pages(&d->below, d->gre, &maps);
		return;
	}
	d->paging = false;
	if (why != NULL) {
		adoption_failed(d, "gre-peers", why);
		return;
	}
	nhrp_engine_peers_end(d->engine, loop_now(d->loop));
	serve_turn(d);
}

/* What was read before, if it was cut off, is read anew. */
static void
begin_paging(struct daemon *d)
{
	const struct below_pages peers = { &gre_peers_type, NULL, d,
	    take_peers, got_peers };

	d->paging = true;
	if (d->adopted)
		nhrp_engine_peers_begin(d->engine, loop_now(d->loop));
	else
		nhrp_engine_adopt_begin(d->engine, loop_now(d->loop));
	below_pages(&d->below, d->gre, &peers);
}

/* After its return dmvpn-gre learns its peers again from several programs:
 * ours is said at once and twice more, and only then what it does not know
 * is taken for gone. */
static void
settle(void *arg)
{
	static const unsigned at[] = { 0, 1000, 3000, SERVE_SETTLE };
	struct daemon *d = arg;

	if (!link_is_up(d->gre))
		return;
	if (d->settle == 3) {
		begin_paging(d);
		return;
	}
	nhrp_engine_restate(d->engine, loop_now(d->loop));
	d->settle++;
	timer_set(d->loop, &d->settled, loop_now(d->loop) + at[d->settle] -
	    at[d->settle - 1], settle, d);
	serve_turn(d);
}

static void
gre_up(void *arg)
{
	struct daemon *d = arg;

	log_event(LEVEL_INFO, "gre-up", T("socket", d->conf.gre_path));
	if (!d->adopted) {
		begin_paging(d);
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
count(void *arg)
{
	struct daemon *d = arg;
	const struct below_pages peers = { &gre_peers_type, NULL, d,
	    take_counts, got_counts };

	d->counted = loop_now(d->loop);
	if (!d->counting && link_is_up(d->gre) && d->adopted) {
		d->counting = true;
		below_pages(&d->below, d->gre, &peers);
	}
	serve_count_turn(d);
}

void
serve_count_turn(struct daemon *d)
{
	uint32_t every = nhrp_engine_counts(d->engine);
	uint64_t at = every > 0 ? d->counted + every : 0;

	if (at != d->count.at)
		timer_set(d->loop, &d->count, at, count, d);
}

/* ---- dmvpn-ike ---- */

static void
take_ike(void *arg, const void *page)
{
	const struct ike_peers *r = page;
	struct daemon *d = arg;
	size_t i;

	for (i = 0; i < r->n_items; i++)
		nhrp_engine_event(d->engine, loop_now(d->loop), &ike_up_type,
		    &r->items[i]);
	serve_turn(d);
}

static void ask_ike(struct daemon *d);

static void
ask_ike_again(void *arg)
{
	struct daemon *d = arg;

	if (link_is_up(d->ike))
		ask_ike(d);
}

/* When the link broke all of it begins anew, else here. */
static void
got_ike(void *arg, const struct reason *why)
{
	struct daemon *d = arg;

	if (why == NULL)
		nhrp_engine_restate_ike(d->engine, loop_now(d->loop));
	else {
		log_event(LEVEL_WARN, "adoption-failed", T("call",
		    "ike-peers"), T("why", why->text));
		timer_set(d->loop, &d->ike_again, loop_now(d->loop) +
		    SERVE_PAGE_AGAIN, ask_ike_again, d);
	}
	serve_turn(d);
}

static void
ask_ike(struct daemon *d)
{
	const struct below_pages peers = { &ike_peers_type, NULL, d,
	    take_ike, got_ike };

	timer_stop(&d->ike_again);
	below_pages(&d->below, d->ike, &peers);
}

static void
ike_link_up(void *arg)
{
	struct daemon *d = arg;

	log_event(LEVEL_INFO, "ike-up", T("socket", d->conf.ike_path));
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

	d->below = (struct below){ .loop = d->loop, .answer = answered,
	    .arg = d };
	d->gre = link_new(d->loop, &gre, e);
	d->ike = link_new(d->loop, &ike, e);
	return d->gre == NULL || d->ike == NULL ? -1 : 0;
}

void
serve_links_close(struct daemon *d)
{
	link_free(d->gre);
	link_free(d->ike);
	d->gre = d->ike = NULL;
	below_fini(&d->below);
	timer_stop(&d->count);
	timer_stop(&d->settled);
	timer_stop(&d->ike_again);
}
