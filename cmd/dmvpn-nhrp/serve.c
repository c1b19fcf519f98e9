#include "serve.h"

#include <stdio.h>
#include <string.h>

#include "sys/daemon.h"
#include "sys/log.h"

#define STOP_DELAY	150	/* ms, for what waits to be sent */

/* ---- what the engine wants done ---- */

static int
op_random(void *arg, void *to, size_t len)
{
	(void)arg;
	return random_bytes(to, len, NULL);
}

static void
log_registered(const struct nhrp_registered *m)
{
	struct addr_buf a, b;

	if (!m->again)
		log_event(LEVEL_INFO, "registered", T("interface",
		    m->interface), T("address", addr_text(&m->address, &a)),
		    T("nbma", endpoint_text(&m->nbma, &b)),
		    U("peer", m->peer), T("identity", m->identity));
}

static void
log_unregistered(const struct nhrp_unregistered *m)
{
	struct addr_buf a;

	log_event(LEVEL_INFO, "unregistered", T("interface", m->interface),
	    T("address", addr_text(&m->address, &a)), T("why", m->why));
}

static void
log_nhs_up(const struct nhrp_nhs_up *m)
{
	struct addr_buf a, b;

	log_event(LEVEL_INFO, "nhs-up", T("interface", m->interface),
	    T("address", addr_text(&m->address, &a)), U("peer", m->peer),
	    T("nat", m->nat.addr.len > 0 ? addr_text(&m->nat.addr, &b) :
	    "-"));
}

static void
log_nhs_down(const struct nhrp_nhs_down *m)
{
	char text[1024];
	struct addr_buf a;

	log_event(LEVEL_WARN, "nhs-down", T("interface", m->interface),
	    T("address", addr_text(&m->address, &a)),
	    T("code", m->reason.code),
	    T("why", reason_text(&m->reason, text, sizeof(text))));
}

static void
log_refused(const struct nhrp_refused *m)
{
	log_event(LEVEL_WARN, "refused", T("interface", m->interface),
	    U("peer", m->peer), T("identity", m->reason.peer),
	    T("code", m->reason.code), T("why", m->reason.text));
}

static void
log_shortcut_up(const struct nhrp_shortcut_up *m)
{
	struct addr_buf a, b, c;

	log_event(LEVEL_INFO, "shortcut-up", T("interface", m->interface),
	    T("prefix", prefix_text(&m->prefix, &a)),
	    T("via", addr_text(&m->via, &b)),
	    T("nbma", endpoint_text(&m->nbma, &c)), U("peer", m->peer),
	    U("ms", m->ms));
}

static void
log_shortcut_down(const struct nhrp_shortcut_down *m)
{
	struct addr_buf a;

	log_event(LEVEL_INFO, "shortcut-down", T("interface", m->interface),
	    T("prefix", prefix_text(&m->prefix, &a)), T("why", m->why));
}

static void
op_event(void *arg, const struct msg_type *t, const void *m)
{
	struct daemon *d = arg;

	if (t == &nhrp_registered_type)
		log_registered(m);
	else if (t == &nhrp_unregistered_type)
		log_unregistered(m);
	else if (t == &nhrp_nhs_up_type)
		log_nhs_up(m);
	else if (t == &nhrp_nhs_down_type)
		log_nhs_down(m);
	else if (t == &nhrp_refused_type)
		log_refused(m);
	else if (t == &nhrp_shortcut_up_type)
		log_shortcut_up(m);
	else if (t == &nhrp_shortcut_down_type)
		log_shortcut_down(m);
	server_event(d->server, t, m);
}

static bool
op_wanted(void *arg, const struct msg_type *t)
{
	const struct daemon *d = arg;

	return server_wanted(d->server, t);
}

/* ---- time ---- */

static void
wake_now(void *arg)
{
	struct daemon *d = arg;

	nhrp_engine_wake(d->engine, loop_now(d->loop));
	serve_turn(d);
}

void
serve_turn(struct daemon *d)
{
	uint64_t at = nhrp_engine_next(d->engine);

	if (at != d->wake.at)
		timer_set(d->loop, &d->wake, at, wake_now, d);
	serve_count_turn(d);
}

/* ---- beginning and end ---- */

static void
quit(void *arg)
{
	loop_stop(((struct daemon *)arg)->loop);
}

/* Registrations are taken back, maps and routes with them. */
static void
leave(struct daemon *d)
{
	struct nhrp_status_reply s;
	size_t i;

	nhrp_engine_status(d->engine, loop_now(d->loop), &s);
	for (i = 0; i < s.n_interfaces; i++)
		nhrp_engine_delete(d->engine, loop_now(d->loop),
		    s.interfaces[i].interface, NULL);
}

void
serve_stop(struct daemon *d, bool keep)
{
	struct err e;

	if (d->stopping)
		return;
	d->stopping = true;
	if (!keep)
		leave(d);
	serve_turn(d);
	if (timer_at(d->loop, &d->quit, loop_now(d->loop) + STOP_DELAY, quit,
	    d, &e) < 0)
		loop_stop(d->loop);
}

static void
on_signal(void *arg)
{
	serve_stop(arg, false);
}

static int
engine_open(struct daemon *d, struct err *e)
{
	const struct nhrp_ops ops = {
		.arg = d, .random = op_random, .call = serve_call,
		.event = op_event, .wanted = op_wanted,
		.resolved = serve_resolved,
	};

	d->engine = nhrp_engine_new(&ops, clock_ms(), e);
	return d->engine == NULL ? -1 : 0;
}

static int
server_open(struct daemon *d, struct err *e)
{
	/* packets carry the authentication string as it is */
	static const struct msg_type *const secrets[] = { &nhrp_packet_type,
	    NULL };
	const struct server_conf conf = {
		.program = "dmvpn-nhrp", .path = d->conf.socket,
		.secrets = secrets,
		.rows = serve_rows, .n_rows = serve_n_rows, .arg = d,
		.group = d->conf.group,
	};

	if (run_dir_make(e) < 0)
		return -1;
	d->server = server_new(d->loop, &conf, e);
	return d->server == NULL ? -1 : 0;
}

int
serve_open(struct daemon *d, const struct serve_conf *conf, struct err *e)
{
	memset(d, 0, sizeof(*d));
	d->conf = *conf;
	d->loop = loop_new(e);
	if (d->loop == NULL || engine_open(d, e) < 0 ||
	    server_open(d, e) < 0 ||
	    daemon_confine(d->conf.user, SANDBOX_UNIX, true, NULL, e) < 0)
		return -1;
	if (serve_links_open(d, e) < 0)
		return -1;
	return daemon_signals(d->loop, on_signal, d, e);
}

int
serve_run(struct daemon *d, struct err *e)
{
	return loop_run(d->loop, e);
}

void
serve_close(struct daemon *d)
{
	serve_links_close(d);
	timer_stop(&d->wake);
	timer_stop(&d->quit);
	timer_stop(&d->late);
	server_free(d->server);
	nhrp_engine_free(d->engine);
	loop_free(d->loop);
	memset(d, 0, sizeof(*d));
}
