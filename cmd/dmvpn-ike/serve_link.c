#include <stdlib.h>
#include <string.h>

#include "serve.h"
#include "sys/log.h"

#define OWNER "ike"

/* ---- calls of the engine ---- */

static void
answered(void *arg, uint64_t ticket, const void *m, const struct reason *why)
{
	static const struct nothing none;
	struct daemon *d = arg;

	ike_engine_answer(d->engine, loop_now(d->loop), clock_wall(), ticket,
	    why == NULL && m == NULL ? &none : m, why);
	serve_turn(d);
}

void
serve_call(void *arg, uint64_t ticket, const struct msg_type *t,
    const void *m)
{
	struct daemon *d = arg;
	bool pki = strncmp(t->name, "pki-", 4) == 0;

	below_call(&d->below, pki ? d->pki : d->gre, pki ?
	    "dmvpn-pki agent" : "dmvpn-gre", ticket, t, m,
	    ike_engine_reply_type(t));
}

void
serve_gre_send(struct daemon *d, const struct endpoint *local,
    const struct endpoint *remote, const void *data, size_t len)
{
	struct gre_ike_send m = { .remote = *remote, .local = local->addr,
	    .data = rbuf_of(data, len) };
	struct err e;

	if (link_is_up(d->gre) && link_call(d->gre, &gre_ike_send_type, &m,
	    NULL, NULL, NULL, &e) < 0)
		log_event(LEVEL_WARN, "send-failed", T("why", e.msg));
}

/* ---- dmvpn-gre: its state first, then we are in business ---- */

static void
page_failed(const char *of, const struct reason *why)
{
	log_event(LEVEL_WARN, "adoption-failed", T("call", of),
	    T("why", why->text));
}

static void
take_sas(void *arg, const void *page)
{
	const struct gre_sas *s = page;
	struct daemon *d = arg;
	size_t i;

	for (i = 0; i < s->n_items; i++)
		ike_engine_gre_sa(d->engine, loop_now(d->loop),
		    &s->items[i]);
}

static void
got_sas(void *arg, const struct reason *why)
{
	struct daemon *d = arg;

	if (why != NULL) {
		page_failed("gre-sas", why);
		return;
	}
	d->gre_known = true;
	ike_engine_gre_up(d->engine, loop_now(d->loop), clock_wall());
	serve_turn(d);
}

static void
take_peers(void *arg, const void *page)
{
	const struct gre_peers *p = page;
	struct daemon *d = arg;
	size_t i;

	for (i = 0; i < p->n_items; i++)
		ike_engine_gre_peer(d->engine, loop_now(d->loop),
		    &p->items[i]);
}

static void
got_peers(void *arg, const struct reason *why)
{
	struct daemon *d = arg;
	const struct below_pages sas = { &gre_sas_type, OWNER, d, take_sas,
	    got_sas };

	if (why != NULL)
		page_failed("gre-peers", why);
	else
		below_pages(&d->below, d->gre, &sas);
}

static void
got_status(void *arg, const void *m, const struct reason *why)
{
	struct daemon *d = arg;
	const struct below_pages peers = { &gre_peers_type, OWNER, d,
	    take_peers, got_peers };

	if (m != NULL)
		ike_engine_gre_status(d->engine, m);
	else
		page_failed("gre-status", why);
	below_pages(&d->below, d->gre, &peers);
}

static void
gre_up(void *arg)
{
	const struct gre_status ask = { 0 };
	struct daemon *d = arg;
	struct err e;

	log_event(LEVEL_INFO, "gre-up", T("socket", d->conf.gre_path != NULL ?
	    d->conf.gre_path : "inherited"));
	if (link_call(d->gre, &gre_status_type, &ask, &gre_status_reply_type,
	    got_status, d, &e) < 0)
		log_event(LEVEL_WARN, "gre-lost", T("why", e.msg));
}

static void
gre_down(void *arg, const char *why)
{
	struct daemon *d = arg;

	log_event(LEVEL_WARN, "gre-down", T("why", why));
	if (d->gre_known)
		ike_engine_gre_down(d->engine, loop_now(d->loop));
	d->gre_known = false;
	serve_turn(d);
	/* An inherited descriptor never comes back. */
	if (d->conf.gre_path == NULL && !d->stopping) {
		d->lost = true;
		serve_stop(d, true);
	}
}

static void
gre_ike_event(struct daemon *d, const struct msg *m)
{
	struct endpoint local;
	struct gre_ike in;
	struct err e;

	if (msg_get_checked(m->body, &gre_ike_type, &in, &e) < 0) {
		log_event(LEVEL_WARN, "bad-event", T("why", e.msg));
		return;
	}
	local = (struct endpoint){ in.local, 4500 };
	ike_engine_packet(d->engine, loop_now(d->loop), clock_wall(), &local,
	    &in.remote, in.data.p, rbuf_left(&in.data));
}

/* Any other event, decoded for the engine. */
static void
lower_event(struct daemon *d, const struct msg *m)
{
	const struct msg_type *t;
	void *body = below_event(m, &t);

	if (body != NULL)
		ike_engine_event(d->engine, loop_now(d->loop), clock_wall(),
		    t, body);
	free(body);
}

static void
gre_event(void *arg, const struct msg *m)
{
	struct daemon *d = arg;

	if (strcmp(m->name, gre_ike_type.name) == 0)
		gre_ike_event(d, m);
	else
		lower_event(d, m);
	serve_turn(d);
}

/* ---- the agent ---- */

static void
pki_up(void *arg)
{
	struct daemon *d = arg;

	d->agent_up = true;
	log_event(LEVEL_INFO, "agent-up", T("socket", d->conf.pki_path != NULL ?
	    d->conf.pki_path : "inherited"));
	ike_engine_agent_up(d->engine, loop_now(d->loop), clock_wall());
	serve_turn(d);
}

static void
pki_down(void *arg, const char *why)
{
	struct daemon *d = arg;

	d->agent_up = false;
	log_event(LEVEL_WARN, "agent-down", T("why", why));
	if (d->conf.pki_path == NULL && !d->stopping) {
		d->lost = true;
		serve_stop(d, false);
	}
}

static void
pki_event(void *arg, const struct msg *m)
{
	struct daemon *d = arg;

	lower_event(d, m);
	serve_turn(d);
}

int
serve_links_open(struct daemon *d, struct err *e)
{
	const struct link_conf gre = {
		.path = d->conf.gre_path, .fd = d->conf.gre_fd,
		.events = ike_engine_gre_events, .arg = d,
		.up = gre_up, .down = gre_down, .event = gre_event,
	};
	const struct link_conf pki = {
		.path = d->conf.pki_path, .fd = d->conf.pki_fd,
		.events = ike_engine_pki_events, .arg = d,
		.up = pki_up, .down = pki_down, .event = pki_event,
	};

	d->below = (struct below){ .loop = d->loop, .answer = answered,
	    .arg = d };
	d->pki = link_new(d->loop, &pki, e);
	d->conf.pki_fd = -1;		/* the link has it */
	d->gre = link_new(d->loop, &gre, e);
	d->conf.gre_fd = -1;
	return d->pki == NULL || d->gre == NULL ? -1 : 0;
}

void
serve_links_close(struct daemon *d)
{
	link_free(d->gre);
	link_free(d->pki);
	d->gre = d->pki = NULL;
	below_fini(&d->below);
}
