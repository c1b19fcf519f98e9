#include "serve.h"

#include <string.h>

#include "msg/msg.h"
#include "sys/daemon.h"

#define STATUS_PAGE	6	/* headends in one reply: each has a reason */
#define STOP_DELAY	100	/* ms, for what was sent to dmvpn-ike */
#define TURN_GAP	20	/* ms: a turn looks at every peer */

static void
turn(void *arg)
{
	struct daemon *d = arg;
	uint64_t now = d->turned = loop_now(d->loop);
	uint64_t a = dpd_watch_turn(d->watch, now);
	uint64_t b = dpd_choice_turn(d->choice, now);
	uint64_t wake = a == 0 || (b != 0 && b < a) ? b : a;

	/* An effect may have asked for another turn meanwhile. */
	if (d->turn.at != 0 && (wake == 0 || d->turn.at <= wake))
		return;
	timer_set(d->loop, &d->turn, wake, turn, d);
}

void
serve_kick(struct daemon *d)
{
	uint64_t at = loop_now(d->loop);

	if (at < d->turned + TURN_GAP)
		at = d->turned + TURN_GAP;
	if (d->turn.at == 0 || d->turn.at > at)
		timer_set(d->loop, &d->turn, at, turn, d);
}

static void
resolved(void *arg, uint64_t ticket, const struct endpoint *found, size_t n,
    uint32_t ttl, const char *why)
{
	struct daemon *d = arg;
	uint64_t now = loop_now(d->loop);
	struct reason r = { .code = "" };

	if (n > 0)
		dpd_choice_resolved(d->choice, ticket, found, n, ttl, now);
	else
		dpd_choice_unresolved(d->choice, ticket,
		    reason_set(&r, "resolve", "no-address",
		    "the name does not resolve: %s", why), now);
	serve_kick(d);
}

static int
put_rule(struct daemon *d, const struct dpd_headends_set *s, struct err *e)
{
	return s->interval == 0 ? 0 : dpd_watch_rule(d->watch, s->profile,
	    s->interval * 1000u, DPD_TRIES, loop_now(d->loop), e);
}

/* The rule that came with a tunnel's headends goes when nothing states it. */
static void
drop_rule(struct daemon *d, const struct dpd_headends_set *was,
    const struct dpd_headends_set *now)
{
	if (was->interval > 0 && (now == NULL || now->interval == 0 ||
	    strcmp(was->profile, now->profile) != 0))
		(void)dpd_watch_rule(d->watch, was->profile, 0, 0,
		    loop_now(d->loop), NULL);
}

static void
take_headends_set(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	const struct dpd_headends_set *s = in;
	struct dpd_headends_set was = { .interval = 0 };
	struct err e;

	(void)dpd_choice_stated(d->choice, s->tunnel, &was);
	if (put_rule(d, s, &e) < 0 || dpd_choice_set(d->choice, s, &e) < 0) {
		drop_rule(d, s, &was);
		(void)put_rule(d, &was, NULL);
		call_err(c, "headends", "invalid", &e);
		return;
	}
	drop_rule(d, &was, s);
	call_ok(c);
	serve_kick(d);
}

static void
take_headends_delete(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	const struct dpd_headends_delete *m = in;
	struct dpd_headends_set was = { .interval = 0 };
	struct err e;

	(void)dpd_choice_stated(d->choice, m->tunnel, &was);
	if (dpd_choice_delete(d->choice, m->tunnel, &e) < 0) {
		call_err(c, "headends", "not-found", &e);
		return;
	}
	drop_rule(d, &was, NULL);
	call_ok(c);
	serve_kick(d);
}

static void
take_watch_set(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	const struct dpd_watch_set *m = in;
	struct err e;

	if (dpd_watch_rule(d->watch, m->profile, m->interval, m->tries,
	    loop_now(d->loop), &e) < 0) {
		call_err(c, "watch", "invalid", &e);
		return;
	}
	call_ok(c);
	serve_kick(d);
}

static void
take_status(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	const struct dpd_status *m = in;
	struct dpd_watch_counts n = dpd_watch_counts(d->watch);
	struct dpd_status_reply r = { .peers = n.peers, .probes = n.probes,
	    .deaths = n.deaths };
	struct dpd_headend_status more;
	uint64_t at = m->after;

	while (r.n_headends < STATUS_PAGE && dpd_choice_status(d->choice, at,
	    &r.headends[r.n_headends])) {
		r.n_headends++;
		at++;
	}
	if (dpd_choice_status(d->choice, at, &more))
		r.next = at;
	call_reply(c, &dpd_status_reply_type, &r);
}

static void
stop_now(void *arg)
{
	loop_stop(((struct daemon *)arg)->loop);
}

static void
take_stop(void *arg, const struct call *c, const void *in)
{
	struct daemon *d = arg;
	const struct stop *m = in;
	struct dpd_headend_status s;

	while (!m->keep && dpd_choice_status(d->choice, 0, &s))
		if (dpd_choice_delete(d->choice, s.tunnel, NULL) < 0)
			break;
	call_ok(c);
	if (timer_at(d->loop, &d->stop, loop_now(d->loop) + STOP_DELAY,
	    stop_now, d, NULL) < 0)
		stop_now(d);
}

static const struct serve_row rows[] = {
	{ &dpd_headends_set_type, take_headends_set, false },
	{ &dpd_headends_delete_type, take_headends_delete, false },
	{ &dpd_watch_set_type, take_watch_set, false },
	{ &dpd_status_type, take_status, false },
	{ &stop_type, take_stop, false },
};

static int
engines_open(struct daemon *d, struct err *e)
{
	if ((d->watch = dpd_watch_new(&serve_watch_ops, d)) == NULL ||
	    (d->choice = dpd_choice_new(&serve_choice_ops, d)) == NULL)
		return err_sys(e, "no memory");
	dpd_watch_pause(d->watch);
	return 0;
}

int
serve_open(struct daemon *d, struct err *e)
{
	char path[108];
	struct server_conf conf = { .program = "dmvpn-dpd", .path = path,
	    .rows = rows, .n_rows = sizeof(rows) / sizeof(rows[0]), .arg = d,
	    .group = (gid_t)-1 };

	memset(d, 0, sizeof(*d));
	if (engines_open(d, e) < 0 || (d->loop = loop_new(e)) == NULL ||
	    (d->dns = dns_new(d->loop, resolved, d, e)) == NULL)
		return -1;
	if (run_dir_make(e) < 0 ||
	    run_path(path, sizeof(path), "dpd.sock", e) < 0 ||
	    (d->server = server_new(d->loop, &conf, e)) == NULL)
		return -1;
	if (daemon_signals(d->loop, stop_now, d, e) < 0)
		return -1;
	return serve_links_open(d, e);
}

int
serve_run(struct daemon *d, struct err *e)
{
	return loop_run(d->loop, e);
}

void
serve_close(struct daemon *d)
{
	timer_stop(&d->turn);
	timer_stop(&d->stop);
	timer_stop(&d->sync);
	dns_free(d->dns);
	link_free(d->gre);
	link_free(d->ike);
	below_fini(&d->below);
	server_free(d->server);
	dpd_choice_free(d->choice);
	dpd_watch_free(d->watch);
	loop_free(d->loop);
}
