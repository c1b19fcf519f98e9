#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "serve.h"
#include "sys/log.h"

#define OWNER "ike"

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
	struct nothing none = { 0 };

	if (why == NULL && m == NULL)
		m = &none;
	ike_engine_answer(d->engine, loop_now(d->loop), clock_wall(),
	    w->ticket, m, why);
	free(w);
	serve_turn(d);
}

/* The engine must not be called back from here: its answer comes from the
 * loop. */
static void
refuse_turn(void *arg)
{
	struct daemon *d = arg;
	struct serve_refused *all = d->refused, *r, *next;

	d->refused = NULL;
	DL_FOREACH_SAFE(all, r, next) {
		ike_engine_answer(d->engine, loop_now(d->loop), clock_wall(),
		    r->ticket, NULL, &r->why);
		free(r);
	}
	serve_turn(d);
}

static void
refuse(struct daemon *d, uint64_t ticket, const char *stage,
    const char *text)
{
	struct serve_refused *r;
	struct err e;

	if (ticket == 0)
		return;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return;		/* the engine has a time limit of its own */
	r->ticket = ticket;
	reason_set(&r->why, stage, "unreachable", "%s", text);
	DL_APPEND(d->refused, r);
	if (timer_at(d->loop, &d->refuse, loop_now(d->loop), refuse_turn, d,
	    &e) < 0)
		log_event(LEVEL_ERROR, "no-timer", T("why", e.msg));
}

static struct link *
link_for(const struct daemon *d, const struct msg_type *t)
{
	return strncmp(t->name, "pki-", 4) == 0 ? d->pki : d->gre;
}

void
serve_call(void *arg, uint64_t ticket, const struct msg_type *t,
    const void *m)
{
	struct daemon *d = arg;
	struct link *k = link_for(d, t);
	struct waiting *w = NULL;
	struct err e = { 0 };

	if (!link_is_up(k)) {
		refuse(d, ticket, t->name, k == d->pki ?
		    "dmvpn-pki agent is not reachable" :
		    "dmvpn-gre is not reachable");
		return;
	}
	if (ticket != 0) {
		w = calloc(1, sizeof(*w));
		if (w == NULL) {
			refuse(d, ticket, t->name, "out of memory");
			return;
		}
		*w = (struct waiting){ d, ticket };
	}
	if (link_call(k, t, m, ticket == 0 ? NULL : ike_engine_reply_type(t),
	    w == NULL ? NULL : answered, w, &e) == 0)
		return;
	log_event(LEVEL_WARN, "call-failed", T("call", t->name),
	    T("why", e.msg));
	refuse(d, ticket, t->name, e.msg);
	free(w);
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

static void ask_peers(struct daemon *d);
static void ask_sas(struct daemon *d);

static void
gre_page(struct daemon *d, const char *of, const struct msg_type *reply,
    link_done *done)
{
	struct page p = { .after = d->after, .owner = OWNER };
	struct err e;

	snprintf(p.of, sizeof(p.of), "%s", of);
	if (link_call(d->gre, &page_type, &p, reply, done, d, &e) < 0)
		log_event(LEVEL_WARN, "call-failed", T("call", of),
		    T("why", e.msg));
}

static void
page_failed(const char *of, const struct reason *why)
{
	log_event(LEVEL_WARN, "adoption-failed", T("call", of),
	    T("why", why->text));
}

static void
got_sas(void *arg, const void *m, const struct reason *why)
{
	struct daemon *d = arg;
	const struct gre_sas *s = m;
	size_t i;

	if (s == NULL) {
		page_failed("gre-sas", why);
		return;
	}
	for (i = 0; i < s->n_items; i++)
		if (strcmp(s->items[i].owner, OWNER) == 0)
			ike_engine_gre_sa(d->engine, loop_now(d->loop),
			    &s->items[i]);
	d->after = s->next;
	if (s->next != 0) {
		ask_sas(d);
		return;
	}
	d->gre_known = true;
	ike_engine_gre_up(d->engine, loop_now(d->loop), clock_wall());
	serve_turn(d);
}

static void
got_peers(void *arg, const void *m, const struct reason *why)
{
	struct daemon *d = arg;
	const struct gre_peers *p = m;
	size_t i;

	if (p == NULL) {
		page_failed("gre-peers", why);
		return;
	}
	for (i = 0; i < p->n_items; i++)
		if (strcmp(p->items[i].owner, OWNER) == 0)
			ike_engine_gre_peer(d->engine, loop_now(d->loop),
			    &p->items[i]);
	d->after = p->next;
	if (p->next != 0)
		ask_peers(d);
	else
		ask_sas(d);
}

static void
ask_peers(struct daemon *d)
{
	gre_page(d, "gre-peers", &gre_peers_type, got_peers);
}

static void
ask_sas(struct daemon *d)
{
	gre_page(d, "gre-sas", &gre_sas_type, got_sas);
}

static void
gre_up(void *arg)
{
	struct daemon *d = arg;

	log_event(LEVEL_INFO, "gre-up", T("socket", d->conf.gre_path != NULL ?
	    d->conf.gre_path : "inherited"));
	d->after = 0;
	ask_peers(d);
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

	if (msg_get(m->body, &gre_ike_type, &in, &e) < 0) {
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
	const struct msg_type *t = msg_type_find(m->name);
	struct err e = { 0 };
	void *body;

	if (t == NULL || (body = calloc(1, t->size)) == NULL)
		return;
	if (msg_get(m->body, t, body, &e) == 0)
		ike_engine_event(d->engine, loop_now(d->loop), clock_wall(),
		    t, body);
	else
		log_event(LEVEL_WARN, "bad-event", T("event", m->name),
		    T("why", e.msg));
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

	d->pki = link_new(d->loop, &pki, e);
	d->conf.pki_fd = -1;		/* the link has it */
	d->gre = link_new(d->loop, &gre, e);
	d->conf.gre_fd = -1;
	return d->pki == NULL || d->gre == NULL ? -1 : 0;
}

void
serve_links_close(struct daemon *d)
{
	struct serve_refused *r, *next;

	link_free(d->gre);
	link_free(d->pki);
	d->gre = d->pki = NULL;
	timer_stop(&d->refuse);
	DL_FOREACH_SAFE(d->refused, r, next)
		free(r);
	d->refused = NULL;
}
