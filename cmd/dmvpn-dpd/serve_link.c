#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "sys/log.h"
#include "sys/priv.h"

/* What dmvpn-gre and dmvpn-ike tell, and what the engines want of them. */

static void ask_ike(struct daemon *d);

#define SYNC_AGAIN	1000	/* ms, after a refused snapshot */

static void
sync_again(void *arg)
{
	struct daemon *d = arg;

	if (link_is_up(d->ike))
		ask_ike(d);
}

static void
both_ready(struct daemon *d)
{
	if (d->synced && link_is_up(d->gre))
		dpd_watch_resume(d->watch, loop_now(d->loop));
	serve_kick(d);
}

/* ---- dmvpn-gre: the traffic counters of peers */

static void
take_peers(void *arg, const void *page)
{
	struct daemon *d = arg;
	const struct gre_peers *p = page;

	for (size_t i = 0; i < p->n_items; i++)
		dpd_watch_seen(d->watch, p->items[i].peer,
		    p->items[i].last_in, loop_now(d->loop));
}

static void
got_peers(void *arg, const struct reason *why)
{
	struct daemon *d = arg;
	uint64_t now = loop_now(d->loop);

	if (why != NULL) {
		log_event(LEVEL_WARN, "no-counters", T("why", why->text));
		dpd_watch_poll_failed(d->watch, now);
	} else
		dpd_watch_polled(d->watch, now);
	serve_kick(d);
}

static void
gre_up(void *arg)
{
	both_ready(arg);
}

static void
gre_down(void *arg, const char *why)
{
	struct daemon *d = arg;

	log_event(LEVEL_WARN, "gre-gone", T("why", why));
	dpd_watch_pause(d->watch);
}

/* ---- dmvpn-ike: who is there */

static void
came_up(struct daemon *d, const struct ike_up *up)
{
	uint64_t now = loop_now(d->loop);
	struct err e;

	if (dpd_watch_up(d->watch, up->peer, up->profile, up->identity, now,
	    &e) < 0)
		log_event(LEVEL_ERROR, "not-watched", U("peer", up->peer),
		    T("why", e.msg));
	dpd_choice_up(d->choice, up, now);
	serve_kick(d);
}

static void
take_ike(void *arg, const void *page)
{
	struct daemon *d = arg;
	const struct ike_peers *p = page;

	for (size_t i = 0; i < p->n_items; i++)
		came_up(d, &p->items[i]);
}

static void
got_ike(void *arg, const struct reason *why)
{
	struct daemon *d = arg;

	if (why != NULL) {
		log_event(LEVEL_WARN, "no-peers", T("why", why->text));
		timer_set(d->loop, &d->sync, loop_now(d->loop) + SYNC_AGAIN,
		    sync_again, d);
		return;
	}
	dpd_watch_sync_end(d->watch);
	d->synced = true;
	dpd_choice_start(d->choice, loop_now(d->loop));
	both_ready(d);
}

static void
ask_ike(struct daemon *d)
{
	const struct below_pages peers = { &ike_peers_type, NULL, d,
	    take_ike, got_ike };

	dpd_watch_sync_begin(d->watch);
	below_pages(&d->below, d->ike, &peers);
}

static void
ike_is_up(void *arg)
{
	ask_ike(arg);
}

static void
ike_is_down(void *arg, const char *why)
{
	struct daemon *d = arg;

	log_event(LEVEL_WARN, "ike-gone", T("why", why));
	d->synced = false;
	dpd_watch_pause(d->watch);
	dpd_choice_stop(d->choice);
}

static void
event_up(struct daemon *d, const void *m)
{
	came_up(d, m);
}

static void
event_down(struct daemon *d, const void *m)
{
	const struct ike_down *down = m;

	dpd_watch_down(d->watch, down->peer);
	dpd_choice_down(d->choice, down, loop_now(d->loop));
	serve_kick(d);
}

static void
event_heard(struct daemon *d, const void *m)
{
	const struct ike_heard *h = m;
	uint64_t now = loop_now(d->loop);

	dpd_watch_seen(d->watch, h->peer, now, now);
	serve_kick(d);
}

static void
event_failed(struct daemon *d, const void *m)
{
	dpd_choice_failed(d->choice, m, loop_now(d->loop));
	serve_kick(d);
}

static void
event_waiting(struct daemon *d, const void *m)
{
	dpd_choice_waiting(d->choice, (const struct ike_waiting *)m,
	    loop_now(d->loop));
}

static const struct {
	const struct msg_type	*type;
	void			(*take)(struct daemon *d, const void *m);
} events[] = {
	{ &ike_up_type, event_up },
	{ &ike_down_type, event_down },
	{ &ike_failed_type, event_failed },
	{ &ike_waiting_type, event_waiting },
	{ &ike_heard_type, event_heard },
};

static void
ike_event(void *arg, const struct msg *m)
{
	const struct msg_type *t;
	void *body = below_event(m, &t);

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (body != NULL && events[i].type == t)
			events[i].take(arg, body);
	free(body);
}

/* ---- what the engines want */

static void
want_poll(void *arg)
{
	struct daemon *d = arg;
	const struct below_pages peers = { &gre_peers_type, NULL, d,
	    take_peers, got_peers };

	below_pages(&d->below, d->gre, &peers);
}

/* Who was asked: the reply does not say it. */
struct asked {
	struct daemon			*d;
	uint16_t			 peer;
	struct ike_connection_set	 connection;
};

static void
got_probe(void *arg, const void *m, const struct reason *why)
{
	struct asked *a = arg;
	const struct ike_probe_reply *r = m;
	uint64_t now = loop_now(a->d->loop);

	(void)why;
	if (r != NULL && r->alive) {
		dpd_watch_seen(a->d->watch, a->peer, now, now);
		serve_kick(a->d);
	}
	free(a);
}

static void
want_probe(void *arg, uint16_t peer)
{
	struct daemon *d = arg;
	struct ike_probe m = { .peer = peer };
	struct asked *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return;
	a->d = d;
	a->peer = peer;
	if (link_call(d->ike, &ike_probe_type, &m, &ike_probe_reply_type,
	    got_probe, a, NULL) < 0)
		free(a);
}

static void
want_dead(void *arg, const struct dpd_dead *dead, bool again)
{
	struct daemon *d = arg;
	struct ike_close m = { .peer = dead->peer, .dead = true };

	snprintf(m.why, sizeof(m.why), "no sign of life for %.1f s, %u probes "
	    "unanswered", (double)dead->quiet / 1000, dead->tries);
	if (!again) {
		log_event(LEVEL_WARN, "peer-dead", U("peer", dead->peer),
		    T("identity", dead->identity), U("quiet", dead->quiet),
		    U("tries", dead->tries));
		server_event(d->server, &dpd_dead_type, dead);
	}
	(void)link_call(d->ike, &ike_close_type, &m, NULL, NULL, NULL, NULL);
}

static uint32_t
want_random(void *arg)
{
	uint32_t v = 0;

	(void)arg;
	(void)random_bytes(&v, sizeof(v), NULL);
	return v;
}

const struct dpd_watch_ops serve_watch_ops = {
	.poll = want_poll,
	.probe = want_probe,
	.dead = want_dead,
	.random = want_random,
};

static void
want_resolve(void *arg, uint64_t ticket, const char *host, uint16_t port,
    bool service)
{
	struct daemon *d = arg;
	struct err e;

	/* Unanswered questions end by the engine's own limit. */
	if (dns_ask(d->dns, ticket, host, port, service, &e) < 0)
		log_event(LEVEL_WARN, "no-resolver", T("name", host),
		    T("why", e.msg));
}

/* dmvpn-ike refused the connection itself: no such profile, say. */
static void
got_connect(void *arg, const void *m, const struct reason *why)
{
	struct asked *a = arg;
	struct ike_failed f = { .remote = a->connection.remote };

	if (m == NULL && why != NULL && link_is_up(a->d->ike)) {
		memcpy(f.connection, a->connection.connection,
		    sizeof(f.connection));
		f.reason = *why;
		dpd_choice_failed(a->d->choice, &f, loop_now(a->d->loop));
		serve_kick(a->d);
	}
	free(a);
}

static void
want_connect(void *arg, const struct ike_connection_set *c)
{
	struct daemon *d = arg;
	struct asked *a = calloc(1, sizeof(*a));
	struct addr_buf ab;

	log_event(LEVEL_INFO, "connect", T("connection", c->connection),
	    T("remote", endpoint_text(&c->remote, &ab)));
	if (a == NULL)
		return;
	a->d = d;
	a->connection = *c;
	if (link_call(d->ike, &ike_connection_set_type, c, &nothing_type,
	    got_connect, a, NULL) < 0)
		free(a);
}

static void
want_disconnect(void *arg, const char *connection)
{
	struct daemon *d = arg;
	struct ike_connection_delete m = { .owner = "dpd" };

	snprintf(m.connection, sizeof(m.connection), "%s", connection);
	(void)link_call(d->ike, &ike_connection_delete_type, &m, NULL, NULL,
	    NULL, NULL);
}

static void
want_chosen(void *arg, const struct dpd_chosen *c)
{
	struct daemon *d = arg;

	log_event(LEVEL_INFO, "headend", T("tunnel", c->tunnel),
	    T("name", c->name), T("before", c->before), T("why", c->why));
	server_event(d->server, &dpd_chosen_type, c);
}

const struct dpd_choice_ops serve_choice_ops = {
	.resolve = want_resolve,
	.connect = want_connect,
	.disconnect = want_disconnect,
	.chosen = want_chosen,
	.random = want_random,
};

int
serve_links_open(struct daemon *d, struct err *e)
{
	static const char *const wanted[] = { "ike-up", "ike-down",
	    "ike-failed", "ike-waiting", "ike-heard", NULL };
	char path[108];
	const struct link_conf gre = { .path = path, .fd = -1, .arg = d,
	    .up = gre_up, .down = gre_down };
	const struct link_conf ike = { .path = path, .fd = -1, .arg = d,
	    .events = wanted, .up = ike_is_up, .down = ike_is_down,
	    .event = ike_event };

	d->below.loop = d->loop;
	if (run_path(path, sizeof(path), "gre.sock", e) < 0 ||
	    (d->gre = link_new(d->loop, &gre, e)) == NULL)
		return -1;
	if (run_path(path, sizeof(path), "ike.sock", e) < 0 ||
	    (d->ike = link_new(d->loop, &ike, e)) == NULL)
		return -1;
	return 0;
}
