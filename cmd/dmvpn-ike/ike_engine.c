#include "ike_int.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/quick.h"

#define ERRORS_A_SECOND	5	/* unprotected error notifies we send */
#define PLAIN_PROBE	10000	/* ms between probes that strangers cause */
#define RUMOUR_END	5000	/* ms for an answer that rumour denies */
#define HEARD_EVERY	500	/* ms between two ike-heard of one peer */

const struct name ike_counter_names[] = { IKE_COUNTERS(NAME_ROW) NAME_END };

const char *const ike_engine_gre_events[] = { "gre-ike", "gre-sa-first",
    "gre-sa-limit", "gre-peer-moved", "gre-acquire", "gre-invalid-spi",
    "gre-peer-gone", NULL };
const char *const ike_engine_pki_events[] = { "pki-changed", NULL };

static void
defaults(struct ike_tune *t)
{
	static const struct ike_tune d = { .retry_first = 500,
	    .retry_total = 60000, .cookie_from = 30, .half_open_max = 5000,
	    .half_open_life = 30000, .sas_max = 20000, .fragment = 1200,
	    .backoff_first = 1000, .backoff_max = 30000,
	    .orphan_life = 3900000, .answer_wait = 15000 };
	uint32_t *v = (uint32_t *)t;
	const uint32_t *dv = (const uint32_t *)&d;
	size_t i;

	for (i = 0; i < sizeof(*t) / sizeof(uint32_t); i++)
		if (v[i] == 0)
			v[i] = dv[i];
	if (t->probe_total == 0)
		t->probe_total = t->retry_total;
	if (t->fragment < 300)
		t->fragment = 300;
}

struct ike_engine *
ike_engine_new(const struct ike_ops *ops, const struct ike_tune *tune,
    uint64_t now, struct err *e)
{
	struct ike_engine *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	quick_begin();
	chains_init(&g->by_spi, ike_isa_hash);
	chains_init(&g->by_child, ike_csa_hash);
	g->ops = *ops;
	if (tune != NULL)
		g->tune = *tune;
	defaults(&g->tune);
	g->now = now;
	g->taken[0] = 1;	/* peer 0 is none */
	return g;
}

void
ike_engine_free(struct ike_engine *g)
{
	struct ike_isa *s, *t;
	struct ike_wait *w, *v;

	if (g == NULL)
		return;
	DL_FOREACH_SAFE(g->isas, s, t)
		ike_isa_free(s);
	HASH_ITER(hh, g->waits, w, v) {
		HASH_DEL(g->waits, w);
		free(w);
	}
	ike_conn_free_all(g);
	ike_peer_free_all(g);
	ike_profile_free_all(g);
	chains_fini(&g->by_spi);
	chains_fini(&g->by_child);
	free(g->heap);
	secret_wipe(g, sizeof(*g));
	free(g);
}

int
ike_random(struct ike_engine *g, void *to, size_t len)
{
	if (g->ops.random(g->ops.arg, to, len) == 0)
		return 0;
	g->counters[IKE_C_NO_RANDOM]++;
	return -1;
}

uint64_t
ike_jitter(struct ike_engine *g, uint64_t base)
{
	uint32_t r = 0;

	ike_random(g, &r, sizeof(r));
	return base + (base / 10) * r / UINT32_MAX;
}

void
ike_note(struct ike_engine *g, bool warn, const char *id,
    const struct endpoint *remote, const char *why)
{
	struct addr_buf b;

	g->ops.note(g->ops.arg, warn, id, remote == NULL ? "" :
	    endpoint_text(remote, &b), why);
}

void
ike_tell(struct ike_engine *g, const struct msg_type *t, const void *m)
{
	g->generation++;
	g->ops.event(g->ops.arg, t, m);
}

uint64_t
ike_engine_generation(const struct ike_engine *g)
{
	return g->generation;
}

uint64_t
ike_engine_counter(const struct ike_engine *g, enum ike_counter c)
{
	return (unsigned)c < IKE_C_MAX ? g->counters[c] : 0;
}

/* ---- requests to other programs, and their answers ---- */

const struct msg_type *
ike_engine_reply_type(const struct msg_type *t)
{
	if (t == &pki_identity_type)
		return &pki_identity_reply_type;
	if (t == &pki_certificate_type)
		return &pki_certificate_reply_type;
	if (t == &pki_crl_type)
		return &pki_crl_reply_type;
	if (t == &pki_staple_type)
		return &pki_staple_reply_type;
	if (t == &pki_sign_type || t == &pki_psk_type)
		return &pki_sign_reply_type;
	return NULL;
}

uint64_t
ike_call(struct ike_engine *g, struct ike_isa *s, bool in,
    const struct msg_type *t, const void *m)
{
	struct ike_wait *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		g->counters[IKE_C_NO_MEMORY]++;
		return 0;
	}
	w->ticket = ++g->last_ticket;
	w->spi = s->own_spi;
	w->in = in;
	HASH_ADD(hh, g->waits, ticket, sizeof(w->ticket), w);
	(in ? &s->in : &s->out)->ticket = w->ticket;
	ike_timer_set(g, &s->wait, g->now + g->tune.answer_wait);
	g->ops.call(g->ops.arg, w->ticket, t, m);
	return w->ticket;
}

void
ike_engine_answer(struct ike_engine *g, uint64_t now, int64_t wall,
    uint64_t ticket, const void *m, const struct reason *why)
{
	static const struct nothing nothing;
	struct ike_wait *w;
	struct ike_isa *s;

	if (m == NULL && why == NULL)
		m = &nothing;	/* done, and there was no body to read */
	g->now = now;
	g->wall = wall;
	HASH_FIND(hh, g->waits, &ticket, sizeof(ticket), w);
	if (w == NULL)
		return;
	HASH_DEL(g->waits, w);
	if (w->cred[0] != '\0')
		ike_cred_answer(g, w->cred, ticket, m, why);
	else if ((s = ike_isa_find(g, w->spi)) != NULL &&
	    (w->in ? &s->in : &s->out)->ticket == ticket)
		ike_step_answer(g, s, w->in, m, why);
	free(w);
	ike_isa_sweep(g);
}

/* ---- packets ---- */

static void
drop(struct ike_engine *g, const struct ike_in *in, enum ike_counter c,
    const char *why)
{
	g->counters[c]++;
	ike_trace(g, DIRECTION_IN, NULL, &in->local, &in->remote, in->raw, 0,
	    rbuf_of(NULL, 0), why);
}

/* An unprotected error, at most so many a second (RFC 7296, 2.21.4). */
static void
tell_stranger(struct ike_engine *g, const struct ike_in *in, uint16_t type,
    uint8_t value)
{
	struct ike_header h = in->h;
	struct ike_out o;

	if ((in->h.flags & IKE_FLAG_RESPONSE) ||
	    !ike_may_notify(in, value != 0))
		return;
	if (g->now - g->error_window >= 1000) {
		g->error_window = g->now;
		g->error_count = 0;
	}
	if (g->error_count++ >= ERRORS_A_SECOND)
		return;
	h.flags = (uint8_t)((in->h.flags & IKE_FLAG_INITIATOR) ^
	    (IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE));
	ike_out_begin(g, &o);
	ike_put_notify(&o.c, IKE_PROTO_NONE, NULL, 0, type, &value,
	    value != 0);
	ike_send_clear(g, &in->local, &in->remote, &h, &o, NULL);
}

/* An unprotected message about a living SA proves nothing, but is worth a
 * question (RFC 7296, 2.4 and 2.21.4). */
static void
hear_rumour(struct ike_engine *g, struct ike_isa *s, const struct ike_in *in)
{
	drop(g, in, IKE_C_UNPROTECTED, "not protected");
	if (s->phase == IKE_REPLACED && s->out.what == IKE_DO_DELETE) {
		ike_isa_die(s);	/* the peer has none: as we wanted */
		return;
	}
	/* "I know no such SA": whoever says it, a living peer answers soon */
	if (s->phase == IKE_UP && s->request != NULL &&
	    (in->h.flags & IKE_FLAG_RESPONSE) &&
	    s->resend_end > g->now + RUMOUR_END)
		s->resend_end = g->now + RUMOUR_END;
	if (s->phase == IKE_UP && s->out.phase == IKE_IDLE &&
	    s->tasks == NULL && g->now - s->out.since >= PLAIN_PROBE)
		ike_task_add(s, IKE_DO_PROBE, 0, 0);
}

/* The window is one message either way (RFC 7296, 2.3). */
static bool
in_window(struct ike_isa *s, const struct ike_in *in)
{
	if (in->h.flags & IKE_FLAG_RESPONSE)
		return s->request != NULL && in->h.id == s->out.id;
	return in->h.id == s->next_in ||
	    (s->answer != NULL && in->h.id + 1 == s->next_in);
}

/* Also to one who moved before it had the answer, and asks from there. */
static void
answer_again(struct ike_isa *s, const struct ike_in *in)
{
	struct endpoint remote = s->remote, local = s->local;

	if (ike_move_follows(s)) {
		s->remote = in->remote;
		s->local = in->local;
	}
	ike_flight_send(s, s->answer);
	s->remote = remote;
	s->local = local;
}

/* The peer's request that we have answered already: the same octets. */
static bool
repeated(struct ike_isa *s, const struct ike_in *in)
{
	if ((in->h.flags & IKE_FLAG_RESPONSE) || in->h.id == s->next_in)
		return false;
	s->g->counters[IKE_C_REPEATED]++;
	answer_again(s, in);
	return true;
}

/* An authentic request shows where the peer is (RFC 7296, 2.23): a whole and
 * a new one, what is being answered may be replayed from anywhere.  While the
 * SA comes up ports change, addresses only behind a NAT. */
static void
note_endpoint(struct ike_isa *s, const struct ike_in *in)
{
	bool moved = !endpoint_equal(&s->remote, &in->remote);
	bool port = s->local.port != in->local.port;

	if ((!moved && !port) || in->h.flags & IKE_FLAG_RESPONSE ||
	    s->in.phase != IKE_IDLE)
		return;
	if (s->phase == IKE_HALF_OPEN ? !s->nat_remote &&
	    !addr_equal(&s->remote.addr, &in->remote.addr) :
	    s->nat_local || !s->nat_remote)
		return;
	ike_isa_set_remote(s, &in->remote);
	s->local = in->local;
	if (s->phase != IKE_HALF_OPEN)
		ike_peer_moved(s);
}

/* It lives, and who watches it need not ask. */
static void
tell_heard(struct ike_engine *g, struct ike_isa *s)
{
	struct ike_heard m;

	if (s->peer == NULL || g->now < s->told + HEARD_EVERY ||
	    !g->ops.wanted(g->ops.arg, &ike_heard_type))
		return;
	s->told = g->now;
	m.peer = s->peer->number;
	g->ops.event(g->ops.arg, &ike_heard_type, &m);
}

static void
protected_packet(struct ike_engine *g, struct ike_isa *s, struct ike_in *in,
    struct rbuf payloads)
{
	struct err e = { 0 };
	uint32_t id;
	int rc;

	if (s->keys == NULL || !in_window(s, in)) {
		drop(g, in, IKE_C_OUT_OF_WINDOW, "outside the window");
		return;
	}
	rc = ike_open(s, in, payloads, &e);
	if (rc < 0 && e.code == EPERM) {
		hear_rumour(g, s, in);
		return;
	}
	ike_trace(g, DIRECTION_IN, s, &in->local, &in->remote, in->raw,
	    in->first, in->clear, rc < 0 ? e.msg : NULL);
	if (rc < 0)
		g->counters[IKE_C_MALFORMED]++;
	/* fragments of an answered request: the first asks again */
	if (rc < 0 || repeated(s, in))
		return;
	s->last_in = g->now;
	s->dead_peer = false;
	tell_heard(g, s);
	if (rc == 0)
		return;
	note_endpoint(s, in);
	if (ike_in_parse(in, in->first, in->clear, &e) < 0)
		in->broken = true;	/* no row takes it: INVALID_SYNTAX */
	if (in->h.flags & IKE_FLAG_RESPONSE) {
		ike_step_response(g, s, in);
		return;
	}
	id = s->next_in;
	ike_step_request(g, s, in);
	if (s->next_in != id && ike_move_follows(s) &&
	    !endpoint_equal(&s->remote, &in->remote))
		answer_again(s, in);
}

static void
known_version(struct ike_engine *g, struct ike_in *in, struct rbuf payloads)
{
	bool by_initiator = in->h.flags & IKE_FLAG_INITIATOR;
	uint64_t own = by_initiator ? in->h.spi_r : in->h.spi_i;
	struct ike_isa *s;

	if (in->h.exchange == IKE_SA_INIT) {
		ike_init_packet(g, in);
		return;
	}
	if (in->h.spi_i == 0 || in->h.exchange < IKE_SA_INIT ||
	    in->h.exchange > IKE_FOLLOWUP_KE) {
		drop(g, in, IKE_C_MALFORMED, "bad SPI or exchange");
		return;
	}
	s = ike_isa_find(g, own);
	if (s == NULL || s->spi_i != in->h.spi_i ||
	    s->spi_r != in->h.spi_r || by_initiator == s->initiator) {
		drop(g, in, IKE_C_UNKNOWN_SPI, "no such IKE SA");
		if (s == NULL && in->h.spi_r != 0)
			tell_stranger(g, in, IKE_N_INVALID_IKE_SPI, 0);
		return;
	}
	protected_packet(g, s, in, payloads);
}

void
ike_engine_packet(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct endpoint *local, const struct endpoint *remote,
    const void *data, size_t len)
{
	struct ike_in in = { .local = *local, .remote = *remote,
	    .raw = rbuf_of(data, len) };
	struct rbuf payloads = in.raw;
	struct err e = { 0 };

	g->now = now;
	g->wall = wall;
	g->counters[IKE_C_IN]++;
	if (ike_header_parse(&payloads, &in.h, &e) < 0)
		drop(g, &in, IKE_C_MALFORMED, e.msg);
	else if (in.h.major != 2) {
		drop(g, &in, IKE_C_VERSION, "not version 2");
		if (in.h.major > 2)
			tell_stranger(g, &in, IKE_N_INVALID_MAJOR_VERSION,
			    0);
	} else
		known_version(g, &in, payloads);
	ike_isa_sweep(g);
}

/* ---- time ---- */

uint64_t
ike_engine_next(const struct ike_engine *g)
{
	return g->n_heap == 0 ? 0 : g->heap[0]->at;
}

void
ike_engine_wake(struct ike_engine *g, uint64_t now, int64_t wall)
{
	struct ike_timer *t;

	g->now = now;
	g->wall = wall;
	while ((t = ike_timer_due(g)) != NULL) {
		ike_timer_fire(g, t);
		ike_isa_sweep(g);
	}
}
