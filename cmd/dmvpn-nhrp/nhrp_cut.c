/* Resolutions and what becomes of them: shortcuts. */
#include "nhrp_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_timer(struct nhrp_engine *g, void *arg);

/* The one with the longest prefix that has a, or that asks for it. */
struct nhrp_cut *
nhrp_cut_for(const struct nhrp_iface *f, const struct addr *a)
{
	struct nhrp_cut *c, *best = NULL;

	DL_FOREACH(f->cuts, c) {
		if (addr_equal(&c->target, a) &&
		    c->state != NHRP_CUT_UP)
			return c;
		if (c->prefix.addr.len == 0 || !prefix_has(&c->prefix, a))
			continue;
		if (best == NULL || c->prefix.len > best->prefix.len)
			best = c;
	}
	return best;
}

struct nhrp_cut *
nhrp_cut_by_id(const struct nhrp_iface *f, uint32_t id)
{
	struct nhrp_cut *c;

	DL_FOREACH(f->cuts, c)
		if (c->asking && c->id == id)
			return c;
	return NULL;
}

struct nhrp_cut *
nhrp_cut_via(const struct nhrp_iface *f, const struct addr *via)
{
	struct nhrp_cut *c;

	DL_FOREACH(f->cuts, c)
		if (c->state == NHRP_CUT_UP && addr_equal(&c->via, via))
			return c;
	return NULL;
}

struct nhrp_cut *
nhrp_cut_new(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *target)
{
	struct nhrp_cut *c;

	if (f->n_cuts >= NHRP_MAX_CUTS) {
		nhrp_count(g, NHRP_N_CAP);
		return NULL;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    nhrp_heap_grow(&g->heap) < 0) {
		nhrp_count(g, NHRP_N_MEMORY);
		free(c);
		return NULL;
	}
	c->iface = f;
	c->target = *target;
	c->prefix = prefix_host(target);
	c->started = g->now;
	c->serial = ++g->last_serial;
	c->timer.fn = on_timer;
	c->timer.arg = c;
	DL_APPEND(f->cuts, c);
	f->n_cuts++;
	return c;
}

void
nhrp_cut_anew(struct nhrp_engine *g, struct nhrp_cut *c)
{
	free(c->reason);
	c->reason = NULL;
	c->why[0] = '\0';
	c->connection[0] = '\0';	/* it may be elsewhere now */
	c->node = NULL;
	c->started = g->now;
}

/* Whoever waits for the resolution hears how it ended. */
void
nhrp_cut_tell(struct nhrp_engine *g, struct nhrp_cut *c,
    const struct reason *why)
{
	struct nhrp_entry entry;
	size_t i;

	for (i = 0; i < sizeof(c->waiters) / sizeof(c->waiters[0]); i++) {
		if (c->waiters[i] == 0)
			continue;
		nhrp_cut_entry(g, c, &entry);
		g->ops.resolved(g->ops.arg, c->waiters[i], &entry, why);
		c->waiters[i] = 0;
	}
}

void
nhrp_cut_wait(struct nhrp_engine *g, struct nhrp_cut *c, uint64_t ticket)
{
	size_t i, n = sizeof(c->waiters) / sizeof(c->waiters[0]);
	struct reason r;

	for (i = 0; i < n && c->waiters[i] != 0; i++)
		;
	if (i == n) {
		struct nhrp_entry entry;

		nhrp_cut_entry(g, c, &entry);
		reason_set(&r, "resolution", "busy", "others wait for it");
		g->ops.resolved(g->ops.arg, ticket, &entry, &r);
		return;
	}
	c->waiters[i] = ticket;
	if (c->state == NHRP_CUT_UP)
		nhrp_cut_tell(g, c, NULL);
	else if (c->state == NHRP_CUT_REFUSED)
		nhrp_cut_tell(g, c, c->reason != NULL ? c->reason :
		    reason_set(&r, "resolution", "refused", "%s", c->why));
}

static void
cut_free(struct nhrp_engine *g, struct nhrp_cut *c)
{
	struct nhrp_iface *f = c->iface;

	nhrp_timer_stop(&g->heap, &c->timer);
	nhrp_heap_shrink(&g->heap);
	DL_DELETE(f->cuts, c);
	f->n_cuts--;
	if (c->state == NHRP_CUT_REFUSED)
		f->n_refused--;
	free(c->reason);
	free(c);
}

/* The egress is the server itself: its map is not ours to change. */
bool
nhrp_cut_at_server(const struct nhrp_cut *c)
{
	size_t i;

	for (i = 0; i < c->iface->n_servers; i++)
		if (addr_equal(&c->iface->servers[i].conf.address, &c->via))
			return true;
	return false;
}

static bool
via_needed(const struct nhrp_cut *c)
{
	const struct nhrp_cut *o;

	DL_FOREACH(c->iface->cuts, o)
		if (o != c && o->state == NHRP_CUT_UP &&
		    addr_equal(&o->via, &c->via))
			return true;
	return false;
}

/* Traffic is back on the hub's path before this returns. */
static void
take_down(struct nhrp_engine *g, struct nhrp_cut *c, const char *why)
{
	struct nhrp_shortcut_down ev = { .prefix = c->prefix };
	struct nhrp_iface *f = c->iface;

	if (c->state != NHRP_CUT_UP)
		return;
	if (c->routed)
		nhrp_route_delete(g, f, &c->prefix);
	c->routed = false;
	c->state = NHRP_CUT_REFUSED;	/* the caller says what it becomes */
	f->n_refused++;
	f->n_up--;
	if (!nhrp_cut_at_server(c) && !via_needed(c)) {
		if (nhrp_server_best(f) != NULL)
			nhrp_fill_set(g, f, &c->via);
		else
			nhrp_map_delete(g, f, &c->via);
	}
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    f->conf.interface);
	snprintf(ev.why, sizeof(ev.why), "%.190s", why);
	nhrp_event(g, &nhrp_shortcut_down_type, &ev);
}

void
nhrp_cut_drop(struct nhrp_engine *g, struct nhrp_cut *c, const char *why,
    bool disconnect)
{
	struct nhrp_node *n = c->node;
	struct reason r;

	take_down(g, c, why);
	if (disconnect)
		nhrp_disconnect(g, c);
	c->node = NULL;
	nhrp_cut_tell(g, c, reason_set(&r, "resolution", "ended", "%s",
	    why));
	cut_free(g, c);
	g->generation++;
	if (n != NULL)
		nhrp_node_release(g, n);
}

/* It stays on the hub's path; not tried again for a while. */
void
nhrp_cut_refuse(struct nhrp_engine *g, struct nhrp_cut *c, const char *code,
    const char *fmt, ...)
{
	struct nhrp_iface *f = c->iface;
	struct nhrp_node *n = c->node;
	struct reason r;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	take_down(g, c, c->why);
	nhrp_disconnect(g, c);
	c->node = NULL;
	c->asking = false;
	if (c->state != NHRP_CUT_REFUSED)
		f->n_refused++;
	c->state = NHRP_CUT_REFUSED;
	c->expires = g->now + NHRP_NEGATIVE;
	nhrp_timer_start(&g->heap, &c->timer, c->expires);
	reason_set(&r, "resolution", code, "%s", c->why);
	nhrp_cut_tell(g, c, &r);
	g->generation++;
	if (n != NULL)
		nhrp_node_release(g, n);
	if (f->n_refused > NHRP_MAX_NEGATIVE)
		cut_free(g, c);
}

static void
ask(struct nhrp_engine *g, struct nhrp_cut *c)
{
	struct nhrp_server *s = nhrp_server_best(c->iface);
	struct addr own = nhrp_own(c->iface, &c->target);

	if (own.len == 0 || s == NULL) {
		nhrp_cut_refuse(g, c, "no-server", s == NULL ?
		    "no server is connected" :
		    "we have no tunnel address of that family");
		return;
	}
	if (!c->asking) {
		c->asking = true;
		c->id = ++c->iface->next_id;
		c->tries = 0;
	}
	nhrp_cut_request(g, c, s);
	nhrp_timer_start(&g->heap, &c->timer,
	    g->now + (NHRP_RETRY_FIRST << c->tries));
}

/* Find out about target, unless that is known or under way. */
struct nhrp_cut *
nhrp_cut_ask(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *target)
{
	struct nhrp_cut *c = nhrp_cut_for(f, target);

	if (c != NULL && c->state != NHRP_CUT_PASSIVE)
		return c;
	if (c == NULL && (c = nhrp_cut_new(g, f, target)) == NULL)
		return NULL;
	c->state = NHRP_CUT_ASKING;
	ask(g, c);
	/* it may be gone again when the caches are full */
	return nhrp_cut_for(f, target);
}

void
nhrp_cut_look(const struct nhrp_cut *c)
{
	struct nhrp_iface *f = c->iface;
	uint32_t idle = f->conf.idle, least = c->hold, ms;

	if (idle > 0 && idle < least)
		least = idle;
	ms = least * 250;
	if (ms < NHRP_LOOK_LEAST)
		ms = NHRP_LOOK_LEAST;
	if (f->n_up == 1 || f->look == 0)
		f->look = NHRP_LOOK;
	if (ms < f->look)
		f->look = ms;
}

/* Checked again before the holding time ends, if it was used. */
void
nhrp_cut_refresh_after(struct nhrp_engine *g, struct nhrp_cut *c)
{
	uint64_t at = c->hold * 1000ULL;
	uint64_t idle = c->iface->conf.idle * 1000ULL;

	nhrp_cut_look(c);
	c->refreshed = g->now;
	c->tries = 0;
	at -= at / 4;
	if (idle > 0 && idle < at)
		at = idle;
	nhrp_timer_start(&g->heap, &c->timer, g->now + (at > 500 ? at : 500));
}

/* An answered shortcut's time: idle, refresh or end. */
static void
up_timer(struct nhrp_engine *g, struct nhrp_cut *c)
{
	uint64_t idle = c->iface->conf.idle * 1000ULL;
	uint64_t used = c->node->used_at, lead = c->hold * 250ULL;
	uint64_t next;

	if (idle > 0 && g->now - used >= idle) {
		nhrp_cut_drop(g, c, "it was idle", true);
		return;
	}
	if (g->now >= c->expires) {
		nhrp_cut_drop(g, c, used < c->refreshed ?
		    "it was not used" : "it was not refreshed", true);
		return;
	}
	if (g->now + lead >= c->expires && used >= c->refreshed) {
		if (c->asking)
			c->tries++;
		if (nhrp_server_best(c->iface) != NULL &&
		    c->tries < NHRP_ASK_TRIES) {
			ask(g, c);
			return;
		}
	}
	next = c->expires;
	if (g->now + lead < c->expires)
		next = c->expires - lead;
	else if (used >= c->refreshed) {
		/* nobody answered, or none is there: once more in a while */
		c->asking = false;
		c->tries = 0;
		next = g->now + (lead >= 4000 ? lead / 4 : 1000);
	}
	if (next > c->expires)
		next = c->expires;
	if (idle > 0 && used + idle < next)
		next = used + idle;
	nhrp_timer_start(&g->heap, &c->timer, next > g->now ? next :
	    g->now + 100);
}

static void
on_timer(struct nhrp_engine *g, void *arg)
{
	struct nhrp_cut *c = arg;
	struct addr_buf b;

	switch (c->state) {
	case NHRP_CUT_ASKING:
		if (++c->tries < NHRP_ASK_TRIES)
			ask(g, c);
		else
			nhrp_cut_refuse(g, c, "no-answer", "nobody answered "
			    "for %s", addr_text(&c->target, &b));
		break;
	case NHRP_CUT_LINKING:
		nhrp_cut_refuse(g, c, "no-connection", "no connection to %s "
		    "came up in %u s", endpoint_text(&c->nbma, &b),
		    NHRP_LINK_WAIT / 1000);
		break;
	case NHRP_CUT_UP:
		up_timer(g, c);
		break;
	case NHRP_CUT_REFUSED:
		/* the next packet to there asks again */
		nhrp_fill_drop(g, c->iface, &c->target, true);
		nhrp_cut_drop(g, c, "it was over", true);
		break;
	case NHRP_CUT_PASSIVE:
		nhrp_cut_drop(g, c, "it was over", true);
		break;
	}
}
