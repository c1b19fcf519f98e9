#include "ike_int.h"

#include <errno.h>
#include <stdlib.h>

#define SK_HEAD		(IKE_HEADER_LEN + IKE_PAYLOAD_LEN)
#define SKF_HEAD	(SK_HEAD + 4)
#define NOTIFY_HEAD	(IKE_PAYLOAD_LEN + 4)
#define PARTS_LIFE	30000	/* ms; then fragments are forgotten */
#define TRACE_CLEAR	7168	/* as in ike-packet */
#define TRACE_DATA	8192
#define WAITING_MS	2500	/* of silence: then we say so */
#define RESEND_MAX	8000	/* ms between two retransmissions */

void
ike_out_begin(struct ike_engine *g, struct ike_out *o)
{
	o->w = wbuf_of(g->clear, sizeof(g->clear));
	o->c = ike_chain_of(&o->w);
}

void
ike_trace(struct ike_engine *g, enum direction d, struct ike_isa *s,
    const struct endpoint *local, const struct endpoint *remote,
    struct rbuf data, uint8_t first, struct rbuf clear, const char *drop)
{
	struct ike_packet p = { .direction = d, .local = *local,
	    .remote = *remote };
	uint8_t octets[TRACE_CLEAR];
	struct wbuf w = wbuf_of(octets, sizeof(octets));

	if (!g->ops.wanted(g->ops.arg, &ike_packet_type))
		return;
	p.peer = s != NULL && s->peer != NULL ? s->peer->number : 0;
	p.data = rbuf_sub(&data, rbuf_left(&data) < TRACE_DATA ?
	    rbuf_left(&data) : TRACE_DATA);
	if (clear.p != NULL) {	/* else not protected, or not opened */
		wbuf_u8(&w, first);
		wbuf_put_rbuf(&w, &clear);
		p.clear = wbuf_rbuf(&w);
	}
	if (drop != NULL)
		snprintf(p.drop, sizeof(p.drop), "%s", drop);
	g->ops.event(g->ops.arg, &ike_packet_type, &p);
}

static void
transmit(struct ike_engine *g, struct ike_isa *s,
    const struct endpoint *local, const struct endpoint *remote,
    struct rbuf data, uint8_t first, struct rbuf clear)
{
	g->counters[IKE_C_OUT]++;
	ike_trace(g, DIRECTION_OUT, s, local, remote, data, first, clear,
	    NULL);
	g->unsent = 0;
	g->ops.send(g->ops.arg, local, remote, data.p, rbuf_left(&data));
}

void
ike_engine_unsent(struct ike_engine *g, int code)
{
	g->unsent = code;
}

int
ike_send_clear(struct ike_engine *g, const struct endpoint *local,
    const struct endpoint *remote, const struct ike_header *h,
    struct ike_out *o, struct secret **copy)
{
	struct wbuf w = wbuf_of(g->wire, IKE_WIRE_MAX);
	struct secret *keep = NULL;
	struct rbuf body;

	ike_put_end(&o->c);
	body = wbuf_rbuf(&o->w);
	ike_header_put(&w, h);
	wbuf_put_rbuf(&w, &body);
	ike_header_fill(&w, o->c.first, w.len);
	if (!wbuf_ok(&w) || !wbuf_ok(&o->w))
		return -1;
	if (copy != NULL && (keep = secret_copy(w.buf, w.len)) == NULL) {
		g->counters[IKE_C_NO_MEMORY]++;
		return -1;
	}
	if (copy != NULL) {
		secret_free(*copy);
		*copy = keep;
	}
	transmit(g, NULL, local, remote, wbuf_rbuf(&w), 0, rbuf_of(NULL, 0));
	return 0;
}

bool
ike_may_notify(const struct ike_in *in, size_t data)
{
	return rbuf_left(&in->raw) >= IKE_HEADER_LEN + NOTIFY_HEAD + data;
}

void
ike_send_octets(struct ike_engine *g, const struct endpoint *local,
    const struct endpoint *remote, const struct secret *octets)
{
	transmit(g, NULL, local, remote, rbuf_of(octets->b, octets->len), 0,
	    rbuf_of(NULL, 0));
}

/* ---- sealing ---- */

/* The keys of one direction; wipe it. */
static void
recall(const struct ike_isa *s, bool own, struct sk_dir *k)
{
	struct sk_keys all;

	sk_recall(s->keys, &all);
	*k = own == s->initiator ? all.i : all.r;
	sk_keys_wipe(&all);
}

/* AEAD: a counter, never twice under one key.  CBC: random. */
static int
next_iv(struct ike_isa *s, const struct sk_dir *k, uint8_t iv[SK_IV_MAX])
{
	struct wbuf w = wbuf_of(iv, SK_IV_MAX);

	if (sk_iv_random(k))
		return ike_random(s->g, iv, SK_IV_MAX);
	wbuf_be64(&w, ++s->iv_count);
	return 0;
}

/* One datagram at the end of w: SK, or fragment n of total. */
static int
seal_one(struct ike_isa *s, const struct sk_dir *k, struct ike_header *h,
    uint8_t first, struct rbuf clear, uint16_t n, uint16_t total,
    struct wbuf *w)
{
	size_t start = w->len, len = sk_sealed_len(k, rbuf_left(&clear));
	uint8_t iv[SK_IV_MAX];

	h->next = total > 0 ? IKE_P_SKF : IKE_P_SK;
	h->length = (uint32_t)((total > 0 ? SKF_HEAD : SK_HEAD) + len);
	ike_header_put(w, h);
	wbuf_u8(w, n <= 1 ? first : 0);
	wbuf_u8(w, 0);
	wbuf_be16(w, (uint16_t)(h->length - IKE_HEADER_LEN));
	if (total > 0) {
		wbuf_be16(w, n);
		wbuf_be16(w, total);
	}
	if (h->length > IKE_WIRE_MAX || next_iv(s, k, iv) < 0)
		return -1;
	return sk_seal(k, w, start, iv, clear, NULL);
}

/* How much clear text goes into one fragment. */
static size_t
fragment_room(const struct ike_isa *s, const struct sk_dir *k)
{
	size_t room = s->g->tune.fragment - SKF_HEAD;

	while (room > 1 && sk_sealed_len(k, room) >
	    s->g->tune.fragment - SKF_HEAD)
		room--;
	return room;
}

static struct ike_flight *
seal_by(struct ike_isa *s, const struct sk_dir *k, struct ike_header *h,
    uint8_t first, struct rbuf clear)
{
	struct ike_engine *g = s->g;
	struct ike_flight *f;
	uint16_t len[IKE_FRAGMENTS_MAX];
	struct wbuf w = wbuf_of(g->wire, sizeof(g->wire));
	size_t room, left = rbuf_left(&clear), total = 0, i, before, n = 0;
	struct rbuf part;

	room = left;
	if (s->fragments && SK_HEAD + sk_sealed_len(k, left) >
	    g->tune.fragment) {
		room = fragment_room(s, k);
		total = (left + room - 1) / room;
	}
	if (total > IKE_FRAGMENTS_MAX)
		return NULL;
	for (i = 0; i < (total == 0 ? 1 : total); i++) {
		before = w.len;
		left = rbuf_left(&clear);
		part = rbuf_sub(&clear, left < room ? left : room);
		if (seal_one(s, k, h, first, part, (uint16_t)(i + 1),
		    (uint16_t)total, &w) < 0)
			return NULL;
		len[n++] = (uint16_t)(w.len - before);
	}
	f = malloc(sizeof(*f) + n * sizeof(len[0]) + w.len);
	if (f == NULL) {
		g->counters[IKE_C_NO_MEMORY]++;
		return NULL;
	}
	f->n = n;
	f->total = w.len;
	f->b = (uint8_t *)&f->len[n];
	memcpy(f->len, len, n * sizeof(len[0]));
	memcpy(f->b, w.buf, w.len);
	return f;
}

static struct ike_flight *
seal(struct ike_isa *s, struct ike_header *h, uint8_t first,
    struct rbuf clear)
{
	struct ike_flight *f;
	struct sk_dir k;

	recall(s, true, &k);
	f = seal_by(s, &k, h, first, clear);
	secret_wipe(&k, sizeof(k));
	return f;
}

void
ike_flight_send(struct ike_isa *s, const struct ike_flight *f)
{
	struct rbuf all = rbuf_of(f->b, f->total);
	size_t i;

	for (i = 0; i < f->n; i++)
		transmit(s->g, s, &s->local, &s->remote,
		    rbuf_sub(&all, f->len[i]), 0, rbuf_of(NULL, 0));
}

/* Seal what o holds, send it, and give the datagrams. */
static struct ike_flight *
send_sealed(struct ike_isa *s, uint8_t exchange, uint32_t id, bool response,
    struct ike_out *o)
{
	struct ike_header h = { .spi_i = s->spi_i, .spi_r = s->spi_r,
	    .exchange = exchange, .id = id };
	struct ike_flight *f;
	struct rbuf all, clear;
	size_t i;

	ike_put_end(&o->c);
	if (!wbuf_ok(&o->w))
		return NULL;
	clear = wbuf_rbuf(&o->w);
	h.flags = (uint8_t)((s->initiator ? IKE_FLAG_INITIATOR : 0) |
	    (response ? IKE_FLAG_RESPONSE : 0));
	if ((f = seal(s, &h, o->c.first, clear)) == NULL)
		return NULL;
	all = rbuf_of(f->b, f->total);
	for (i = 0; i < f->n; i++) {
		transmit(s->g, s, &s->local, &s->remote,
		    rbuf_sub(&all, f->len[i]), o->c.first, clear);
		clear = rbuf_of(NULL, 0);
	}
	return f;
}

int
ike_send_request(struct ike_isa *s, uint8_t exchange, struct ike_out *o,
    uint64_t total_ms)
{
	struct ike_flight *f = send_sealed(s, exchange, s->next_out, false,
	    o);

	if (f == NULL)
		return -1;
	free(s->request);
	s->request = f;
	s->out.exchange = exchange;
	s->out.id = s->next_out++;
	s->out.since = s->g->now;
	s->resend_ms = s->g->tune.retry_first;
	s->resend_end = s->g->now + total_ms;
	ike_timer_set(s->g, &s->resend, s->g->now + s->resend_ms);
	return 0;
}

int
ike_send_answer(struct ike_isa *s, uint8_t exchange, struct ike_out *o)
{
	struct ike_flight *f = send_sealed(s, exchange, s->next_in, true, o);

	if (f == NULL)
		return -1;
	free(s->answer);
	s->answer = f;
	s->next_in++;
	return 0;
}

void
ike_answer_notify(struct ike_isa *s, uint16_t type, const void *data,
    size_t len)
{
	struct ike_out o;

	ike_out_begin(s->g, &o);
	if (type != 0)
		ike_put_notify(&o.c, IKE_PROTO_NONE, NULL, 0, type, data,
		    len);
	ike_send_answer(s, s->in.exchange, &o);
}

void
ike_request_done(struct ike_isa *s)
{
	free(s->request);
	s->request = NULL;
	ike_timer_stop(s->g, &s->resend);
}

/* Nothing has left this machine: that is no peer's fault. */
static void
not_sent(const struct ike_isa *s, const char *stage, struct reason *why)
{
	struct addr_buf b;

	reason_set(why, stage, "no-answer", "nothing can be sent to %s: %s",
	    addr_text(&s->remote.addr, &b), strerror(s->unsent));
	snprintf(why->fix, sizeof(why->fix), "%s", s->unsent == EPERM ||
	    s->unsent == EACCES ? "does a firewall of this machine forbid "
	    "it?" : "does this machine have its address, and a route there?");
}

/* What the peer did not answer for so long, and what may be in the way. */
static void
silence(const struct ike_isa *s, struct reason *why)
{
	static const struct { const char *stage, *fix; } where[] = {
		{ "ike-sa-init", "is it running, and is UDP port 500 open on "
		  "the way?" },
		{ "ike-auth", "it answered before: is UDP port 4500 open on "
		  "the way, and do large datagrams pass?" },
		{ "liveness", "is it running, and are UDP ports 500 and 4500 "
		  "open on the way?" },
	};
	size_t i = s->phase != IKE_CONNECTING ? 2 :
	    s->out.phase != IKE_INIT_SENT;

	if (s->unsent != 0) {
		not_sent(s, where[i].stage, why);
		return;
	}
	reason_set(why, where[i].stage, "no-answer",
	    "the peer did not answer for %llu s, at port %u",
	    (unsigned long long)((s->g->now - s->out.since) / 1000),
	    s->remote.port);
	snprintf(why->fix, sizeof(why->fix), "%s", where[i].fix);
}

/* A try of ours may last long: say in time where it is stuck. */
static void
tell_waiting(struct ike_isa *s)
{
	struct ike_waiting m = { .remote = s->remote };

	if (s->phase != IKE_CONNECTING || s->conn == NULL ||
	    s->waiting_told == s->out.phase + 1u ||
	    s->g->now - s->out.since < WAITING_MS)
		return;
	s->waiting_told = s->out.phase + 1u;
	snprintf(m.profile, sizeof(m.profile), "%s",
	    s->conn->set.profile);
	snprintf(m.connection, sizeof(m.connection), "%s",
	    s->conn->set.connection);
	silence(s, &m.reason);
	ike_tell(s->g, &ike_waiting_type, &m);
}

/* Timer: send again, 1.8 times later each time up to RESEND_MAX, or give up
 * (RFC 7296, 2.4). */
void
ike_resend(struct ike_engine *g, void *isa)
{
	struct ike_isa *s = isa;

	if (g->now >= s->resend_end) {
		s->dead_peer = true;
		if (!ike_why_said(s))
			silence(s, ike_why(s));
		ike_isa_die(s);
		return;
	}
	g->counters[IKE_C_RETRANSMITTED]++;
	if (s->request != NULL)
		ike_flight_send(s, s->request);
	else if (s->auth != NULL && s->auth->init_own != NULL)
		ike_send_octets(g, &s->local, &s->remote, s->auth->init_own);
	s->unsent = g->unsent;
	tell_waiting(s);
	s->resend_ms = s->resend_ms * 18 / 10;
	if (s->resend_ms > RESEND_MAX)
		s->resend_ms = RESEND_MAX;
	ike_timer_set(g, &s->resend, g->now + s->resend_ms < s->resend_end ?
	    g->now + s->resend_ms : s->resend_end);
}

/* ---- opening ---- */

void
ike_parts_free(struct ike_parts *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < IKE_FRAGMENTS_MAX; i++)
		secret_free(p->part[i]);
	free(p);
}

/* The reassembly this fragment belongs to: one a message, a larger total
 * starts anew (RFC 7383, 2.6). */
static struct ike_parts *
parts_of(struct ike_isa *s, uint32_t id, uint16_t total)
{
	struct ike_parts *p = s->parts;

	if (p != NULL && p->id == id && p->total == total &&
	    s->g->now - p->since < PARTS_LIFE)
		return p;
	if (p != NULL && p->id == id && p->total > total &&
	    s->g->now - p->since < PARTS_LIFE)
		return NULL;
	ike_parts_free(p);
	s->parts = p = calloc(1, sizeof(*p));
	if (p == NULL) {
		s->g->counters[IKE_C_NO_MEMORY]++;
		return NULL;
	}
	p->id = id;
	p->total = total;
	p->since = s->g->now;
	return p;
}

static int
parts_join(struct ike_isa *s, struct ike_in *in)
{
	struct ike_parts *p = s->parts;
	struct wbuf w = wbuf_of(s->g->opened, sizeof(s->g->opened));
	size_t i;

	for (i = 0; i < p->total; i++)
		wbuf_put(&w, p->part[i]->b, p->part[i]->len);
	in->first = p->first;
	in->clear = wbuf_rbuf(&w);
	ike_parts_free(p);
	s->parts = NULL;
	return wbuf_ok(&w) ? 1 : -1;
}

/* A fragment whose ICV is good takes its slot; the last one joins all. */
static int
open_fragment(struct ike_isa *s, struct ike_in *in, const struct ike_skf *f,
    uint8_t first, struct rbuf clear, struct err *e)
{
	struct ike_parts *p = parts_of(s, in->h.id, f->total);

	if (p == NULL || p->bytes + rbuf_left(&clear) > IKE_MESSAGE_MAX) {
		s->g->counters[IKE_C_FRAGMENT_BAD]++;
		return err_set(e, EBADMSG, "fragment %u of %u does not fit",
		    f->number, f->total);
	}
	if (p->part[f->number - 1] != NULL)
		return 0;
	p->part[f->number - 1] = secret_copy(clear.p, rbuf_left(&clear));
	if (p->part[f->number - 1] == NULL)
		return err_set(e, ENOMEM, "out of memory");
	p->bytes += rbuf_left(&clear);
	if (f->number == 1)
		p->first = first;
	return ++p->have == p->total ? parts_join(s, in) : 0;
}

int
ike_open(struct ike_isa *s, struct ike_in *in, struct rbuf payloads,
    struct err *e)
{
	struct wbuf w = wbuf_of(s->g->opened, sizeof(s->g->opened));
	struct ike_walk walk = ike_walk_of(in->h.next, payloads);
	struct ike_payload p = { 0 };
	struct ike_skf f = { 0 };
	struct rbuf head, body, raw = in->raw;
	struct sk_dir k;
	int rc;

	while ((rc = ike_walk_next(&walk, &p, e)) == 1)
		if (p.type == IKE_P_SK || p.type == IKE_P_SKF)
			break;
	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, EPERM, "not protected");
	body = p.body;
	if (p.type == IKE_P_SKF) {
		if (!s->fragments || ike_skf_parse(p.body, &f, e) < 0)
			return err_set(e, EBADMSG, "bad fragment");
		body = f.data;
	}
	head = rbuf_sub(&raw, rbuf_left(&raw) - rbuf_left(&body));
	recall(s, false, &k);
	rc = sk_open(&k, head, body, &w, e);
	secret_wipe(&k, sizeof(k));
	if (rc < 0) {
		s->g->counters[IKE_C_FORGED]++;
		return -1;
	}
	in->first = p.next;
	in->clear = wbuf_rbuf(&w);
	if (p.type == IKE_P_SK)
		return 1;
	return open_fragment(s, in, &f, p.next, in->clear, e);
}
