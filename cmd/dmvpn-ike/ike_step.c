#include "ike_int.h"
#include "ike_queue.h"

#include <stdio.h>

const struct name ike_phase_names[] = { IKE_PHASES(NAME_ROW) NAME_END };
const struct name ike_what_names[] = { IKE_WHATS(NAME_ROW) NAME_END };

/*
 * What may come, when, with which payloads, who handles it and what is next.
 * A request is looked up by the state of the IKE SA, a response or an answer
 * of another program by the state of its exchange; the first row fits whose
 * `must` are all there and that allows all the rest.  Notify and Vendor ID
 * may always come.  ok, retry, wait and fail are the exchange's next state;
 * IKE_DEAD ends the IKE SA; sa is the SA's state after ok.
 */
struct ike_step {
	enum ike_phase	 at;
	uint16_t	 on;		/* exchange type, or IKE_ON_* */
	enum ike_kind	 kind;
	uint32_t	 must, may;
	enum ike_result	(*fn)(struct ike_ctx *c);
	enum ike_phase	 ok, retry, wait, fail;
	enum ike_phase	 sa;
};

#define ALWAYS	(P(NOTIFY) | P(VENDOR))
#define CHILD	(P(SA) | P(TSI) | P(TSR))

static const struct ike_step steps[] = {
	/* RFC 7296, 1.2: HDR, SAi1, KEi, Ni --> */
	{ IKE_IDLE, IKE_SA_INIT, IKE_REQUEST, P(SA) | P(KE) | P(NONCE), 0,
	  ike_init_request, .ok = IKE_IDLE, .fail = IKE_DEAD,
	  .sa = IKE_HALF_OPEN },
	/* <-- HDR, SAr1, KEr, Nr, [CERTREQ]; a broken one may be forged and
	 * is passed over */
	{ IKE_INIT_SENT, IKE_SA_INIT, IKE_RESPONSE,
	  P(SA) | P(KE) | P(NONCE), P(CERTREQ), ike_init_reply,
	  .ok = IKE_AUTH_SIGN, .retry = IKE_INIT_SENT, .fail = IKE_DEAD },
	/* <-- HDR, N(COOKIE | INVALID_KE_PAYLOAD | NO_PROPOSAL_CHOSEN...) */
	{ IKE_INIT_SENT, IKE_SA_INIT, IKE_RESPONSE, 0, 0, ike_init_refused,
	  .ok = IKE_INIT_SENT, .retry = IKE_INIT_SENT, .fail = IKE_DEAD },
	{ IKE_AUTH_SIGN, IKE_ON_SIGNED, IKE_ANSWER, 0, 0, ike_auth_signed,
	  .ok = IKE_AUTH_SENT, .fail = IKE_DEAD },
	/* <-- HDR, SK {IDr, [CERT,] AUTH, SAr2, TSi, TSr} */
	{ IKE_AUTH_SENT, IKE_AUTH, IKE_RESPONSE,
	  P(IDR) | P(AUTH) | CHILD, P(CERT) | P(CP), ike_auth_reply,
	  .ok = IKE_AUTH_INSTALL, .wait = IKE_AUTH_CHECK, .fail = IKE_DEAD },
	/* the same without a child: N(NO_PROPOSAL_CHOSEN...), 1.2 */
	{ IKE_AUTH_SENT, IKE_AUTH, IKE_RESPONSE, P(IDR) | P(AUTH),
	  P(CERT) | P(CP), ike_auth_refused, .fail = IKE_DEAD },
	{ IKE_AUTH_SENT, IKE_AUTH, IKE_RESPONSE, 0, 0, ike_auth_refused,
	  .fail = IKE_DEAD },
	{ IKE_AUTH_CHECK, IKE_ON_SIGNED, IKE_ANSWER, 0, 0, ike_auth_checked,
	  .ok = IKE_AUTH_INSTALL, .fail = IKE_DEAD },
	{ IKE_AUTH_INSTALL, IKE_ON_INSTALLED, IKE_ANSWER, 0, 0,
	  ike_auth_installed, .ok = IKE_IDLE, .fail = IKE_DEAD,
	  .sa = IKE_UP },

	/* HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, SAi2, TSi, TSr} --> */
	{ IKE_HALF_OPEN, IKE_AUTH, IKE_REQUEST, P(IDI) | P(AUTH) | CHILD,
	  P(IDR) | P(CERT) | P(CERTREQ) | P(CP), ike_r_auth,
	  .ok = IKE_R_SIGN, .wait = IKE_R_CHECK, .fail = IKE_DEAD },
	/* no AUTH: it wants EAP, which we do not speak */
	{ IKE_HALF_OPEN, IKE_AUTH, IKE_REQUEST, P(IDI) | CHILD,
	  P(IDR) | P(CERT) | P(CERTREQ) | P(CP), ike_r_eap,
	  .fail = IKE_DEAD },
	{ IKE_R_CHECK, IKE_ON_SIGNED, IKE_ANSWER, 0, 0, ike_r_checked,
	  .ok = IKE_R_SIGN, .fail = IKE_DEAD },
	{ IKE_R_SIGN, IKE_ON_SIGNED, IKE_ANSWER, 0, 0, ike_r_signed,
	  .ok = IKE_IDLE, .wait = IKE_R_INSTALL, .fail = IKE_DEAD,
	  .sa = IKE_CHILDLESS },
	{ IKE_R_INSTALL, IKE_ON_INSTALLED, IKE_ANSWER, 0, 0, ike_r_installed,
	  .ok = IKE_IDLE, .fail = IKE_DEAD, .sa = IKE_UP },

	/* 1.3.1, 1.3.3: HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr} --> */
	{ IKE_UP, IKE_CREATE_CHILD_SA, IKE_REQUEST, P(NONCE) | CHILD, P(KE),
	  ike_create_request, .ok = IKE_IDLE, .wait = IKE_R_CHILD_INSTALL,
	  .fail = IKE_IDLE },
	{ IKE_R_CHILD_INSTALL, IKE_ON_INSTALLED, IKE_ANSWER, 0, 0,
	  ike_create_r_installed, .ok = IKE_IDLE, .fail = IKE_IDLE },
	/* 1.3.2: HDR, SK {SA, Ni, KEi} --> */
	{ IKE_UP, IKE_CREATE_CHILD_SA, IKE_REQUEST, P(SA) | P(NONCE) | P(KE),
	  0, ike_rekey_request, .ok = IKE_IDLE, .retry = IKE_IDLE,
	  .fail = IKE_IDLE, .sa = IKE_REPLACED },
	/* 2.25: it is being closed or was rekeyed */
	{ IKE_REPLACED, IKE_CREATE_CHILD_SA, IKE_REQUEST, P(SA) | P(NONCE),
	  P(KE) | P(TSI) | P(TSR), ike_create_refuse, .ok = IKE_IDLE,
	  .fail = IKE_IDLE },
	{ IKE_CLOSING, IKE_CREATE_CHILD_SA, IKE_REQUEST, P(SA) | P(NONCE),
	  P(KE) | P(TSI) | P(TSR), ike_create_refuse, .ok = IKE_IDLE,
	  .fail = IKE_IDLE },
	{ IKE_CHILDLESS, IKE_CREATE_CHILD_SA, IKE_REQUEST, P(SA) | P(NONCE),
	  P(KE) | P(TSI) | P(TSR), ike_create_refuse, .ok = IKE_IDLE,
	  .fail = IKE_IDLE },
	{ IKE_CHILD_SENT, IKE_CREATE_CHILD_SA, IKE_RESPONSE,
	  P(NONCE) | CHILD, P(KE), ike_create_reply, .ok = IKE_IDLE,
	  .wait = IKE_CHILD_INSTALL, .fail = IKE_IDLE },
	{ IKE_CHILD_SENT, IKE_CREATE_CHILD_SA, IKE_RESPONSE, 0, 0,
	  ike_create_refused, .ok = IKE_IDLE, .retry = IKE_CHILD_SENT,
	  .fail = IKE_IDLE },
	{ IKE_CHILD_INSTALL, IKE_ON_INSTALLED, IKE_ANSWER, 0, 0,
	  ike_create_installed, .ok = IKE_IDLE, .fail = IKE_IDLE },
	{ IKE_REKEY_SENT, IKE_CREATE_CHILD_SA, IKE_RESPONSE,
	  P(SA) | P(NONCE) | P(KE), 0, ike_rekey_reply, .ok = IKE_IDLE,
	  .fail = IKE_IDLE, .sa = IKE_REPLACED },
	/* refused: ok when the peer's own rekey has taken its place */
	{ IKE_REKEY_SENT, IKE_CREATE_CHILD_SA, IKE_RESPONSE, 0, 0,
	  ike_rekey_refused, .ok = IKE_IDLE, .retry = IKE_IDLE,
	  .wait = IKE_REKEY_SENT, .fail = IKE_IDLE, .sa = IKE_REPLACED },

	/* 1.4: HDR, SK {[N,] [D,] [CP,] ...} both ways */
	{ IKE_UP, IKE_INFORMATIONAL, IKE_REQUEST, 0, P(DELETE) | P(CP),
	  ike_info_request, .ok = IKE_IDLE, .fail = IKE_DEAD },
	{ IKE_CHILDLESS, IKE_INFORMATIONAL, IKE_REQUEST, 0,
	  P(DELETE) | P(CP), ike_info_request, .ok = IKE_IDLE,
	  .fail = IKE_DEAD },
	{ IKE_REPLACED, IKE_INFORMATIONAL, IKE_REQUEST, 0,
	  P(DELETE) | P(CP), ike_info_request, .ok = IKE_IDLE,
	  .fail = IKE_DEAD },
	{ IKE_CLOSING, IKE_INFORMATIONAL, IKE_REQUEST, 0, P(DELETE) | P(CP),
	  ike_info_request, .ok = IKE_IDLE, .fail = IKE_DEAD },
	{ IKE_INFO_SENT, IKE_INFORMATIONAL, IKE_RESPONSE, 0,
	  P(DELETE) | P(CP), ike_info_reply, .ok = IKE_IDLE,
	  .fail = IKE_DEAD },
};

static const struct ike_step *
find(enum ike_phase at, uint16_t on, enum ike_kind kind, uint32_t present)
{
	size_t i;

	present &= ~ALWAYS;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct ike_step *p = &steps[i];

		if (p->at == at && p->on == on && p->kind == kind &&
		    (present & p->must) == p->must &&
		    (present & ~(p->must | p->may)) == 0)
			return p;
	}
	return NULL;
}

/* Is there a row for this exchange at all, whatever its payloads? */
static bool
expected(enum ike_phase at, uint16_t on, enum ike_kind kind)
{
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i].at == at && steps[i].on == on &&
		    steps[i].kind == kind)
			return true;
	return false;
}

static void
refuse(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;

	if (c->notify != 0 && s->phase != IKE_DEAD && s->keys != NULL)
		ike_answer_notify(s, c->notify, c->notify_data,
		    c->notify_len);
}

/* Take the row's way; the only place that sets a state. */
static void
take(struct ike_ctx *c, const struct ike_step *row, enum ike_result rc)
{
	const enum ike_phase next[] = { row->ok, row->retry, row->wait,
	    row->fail };
	struct ike_isa *s = c->isa;

	if (s->phase == IKE_DEAD)
		return;
	if (rc == IKE_FAIL && c->x == &s->in)
		refuse(c);
	if (next[rc] == IKE_DEAD) {
		if (!ike_why_said(s))
			*ike_why(s) = c->why;
		ike_isa_die(s);
		return;
	}
	c->x->phase = next[rc];
	if (rc == IKE_OK && row->sa != IKE_IDLE)
		s->phase = row->sa;
	if (next[rc] == IKE_IDLE)
		ike_exchange_clear(s, c->x);
	if (rc == IKE_OK && row->sa == IKE_UP)
		ike_isa_up(s);
	ike_task_run(s);
}

/* A protected message that no row takes: one place. */
static void
unexpected(struct ike_ctx *c, enum ike_phase at, enum ike_kind kind)
{
	struct ike_isa *s = c->isa;

	s->g->counters[IKE_C_UNEXPECTED]++;
	if (c->in->broken && kind == IKE_RESPONSE) {
		reason_set(ike_why(s), "ike", "invalid-syntax",
		    "the peer's answer is malformed");
		ike_isa_die(s);
	}
	if (kind != IKE_REQUEST || s->keys == NULL)
		return;
	if (!expected(at, c->in->h.exchange, kind))
		return;
	/* authentic, but its payloads make no sense: RFC 7296, 2.21.3 */
	s->in.exchange = c->in->h.exchange;
	ike_answer_notify(s, IKE_N_INVALID_SYNTAX, NULL, 0);
	reason_set(ike_why(s), "ike", "invalid-syntax",
	    "the peer's message has payloads that do not fit");
	if (s->phase == IKE_HALF_OPEN || c->in->broken)
		ike_isa_die(s);
}

void
ike_step_request(struct ike_engine *g, struct ike_isa *s,
    const struct ike_in *in)
{
	struct ike_ctx c = { .g = g, .isa = s, .x = &s->in, .in = in };
	const struct ike_step *row = in->broken ? NULL : find(s->phase,
	    in->h.exchange, IKE_REQUEST, in->present);

	if (s->in.phase != IKE_IDLE)
		return;		/* still at work on this very request */
	if (s->phase == IKE_UP && !s->announced)
		ike_rekey_claimed(s, in);
	ike_queue_confirm(s);
	if (in->critical != 0 && s->keys != NULL) {
		s->in.exchange = in->h.exchange;
		ike_answer_notify(s, IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD,
		    &in->critical, 1);
		return;
	}
	if (row == NULL) {
		unexpected(&c, s->phase, IKE_REQUEST);
		if (s->phase == IKE_IDLE)
			ike_isa_die(s);
		return;
	}
	s->in.exchange = in->h.exchange;
	s->in.id = in->h.id;
	s->in.since = g->now;
	take(&c, row, row->fn(&c));
}

void
ike_step_response(struct ike_engine *g, struct ike_isa *s,
    const struct ike_in *in)
{
	struct ike_ctx c = { .g = g, .isa = s, .x = &s->out, .in = in };
	const struct ike_step *row = in->critical != 0 || in->broken ? NULL :
	    find(s->out.phase, in->h.exchange, IKE_RESPONSE, in->present);

	if (row == NULL) {
		unexpected(&c, s->out.phase, IKE_RESPONSE);
		return;
	}
	if (in->h.exchange != IKE_SA_INIT)
		ike_request_done(s);
	take(&c, row, row->fn(&c));
}

void
ike_step_answer(struct ike_engine *g, struct ike_isa *s, bool in,
    const void *m, const struct reason *why)
{
	struct ike_exchange_state *x = in ? &s->in : &s->out;
	struct ike_ctx c = { .g = g, .isa = s, .x = x, .m = m };
	const struct ike_step *row = find(x->phase, IKE_ON_SIGNED, IKE_ANSWER,
	    0);

	if (row == NULL)
		row = find(x->phase, IKE_ON_INSTALLED, IKE_ANSWER, 0);
	if (row == NULL)
		return;
	if (why != NULL)
		c.why = *why;
	x->ticket = 0;
	take(&c, row, row->fn(&c));
}
