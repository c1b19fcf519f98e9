#include "ike_int.h"
#include "ike_queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/text.h"

struct rbuf
ike_secret_view(const struct secret *s)
{
	return s == NULL ? rbuf_of(NULL, 0) : rbuf_of(s->b, s->len);
}

/* We draw them ourselves, at random. */
uint32_t
ike_isa_hash(const struct chain *c)
{
	return (uint32_t)chain_entry(c, struct ike_isa, chain)->own_spi;
}

struct ike_isa *
ike_isa_find(struct ike_engine *g, uint64_t own_spi)
{
	struct ike_isa *s;
	struct chain *c;

	for (c = chains_at(&g->by_spi, (uint32_t)own_spi); c != NULL;
	    c = c->next) {
		s = chain_entry(c, struct ike_isa, chain);
		if (s->own_spi == own_spi)
			return s;
	}
	return NULL;
}

struct reason *
ike_why(struct ike_isa *s)
{
	if (s->why == NULL)
		s->why = calloc(1, sizeof(*s->why));
	return s->why != NULL ? s->why : &s->g->spare;
}

bool
ike_why_said(const struct ike_isa *s)
{
	return s->why != NULL && s->why->code[0] != '\0';
}

const struct reason *
ike_why_of(const struct ike_isa *s)
{
	static const struct reason none;

	return s->why != NULL ? s->why : &none;
}

/* The bucket of an address (FNV-1a). */
struct ike_isa **
ike_isas_at(struct ike_engine *g, const struct addr *a)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < a->len; i++)
		h = (h ^ a->b[i]) * 16777619u;
	return &g->by_remote[h % IKE_BUCKETS];
}

void
ike_isa_set_remote(struct ike_isa *s, const struct endpoint *remote)
{
	struct ike_isa **from = ike_isas_at(s->g, &s->remote.addr);
	struct ike_isa **to = ike_isas_at(s->g, &remote->addr);

	s->remote = *remote;
	if (from == to)
		return;
	DL_DELETE2(*from, s, at_prev, at_next);
	DL_APPEND2(*to, s, at_prev, at_next);
}

void
ike_isa_lead(const struct ike_isa *s)
{
	struct ike_isa *next[] = { s->out.heir, s->rival };
	size_t i;

	for (i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		if (next[i] == NULL)
			continue;
		ike_isa_set_remote(next[i], &s->remote);
		next[i]->local = s->local;
		next[i]->nat_local = s->nat_local;
		next[i]->nat_remote = s->nat_remote;
	}
}

bool
ike_isa_live(const struct ike_isa *s)
{
	return s != NULL && (s->phase == IKE_UP || s->phase == IKE_CLOSING);
}

/* Timer: a half-open SA that did not come up, one that is to be rekeyed, or
 * one that lived too long. */
void
ike_isa_life_end(struct ike_engine *g, void *arg)
{
	struct ike_isa *s = arg;
	uint64_t hard;

	if (s->phase == IKE_UP && s->losing) {
		ike_timer_set(g, &s->life, g->now + g->tune.retry_total);
		ike_task_add(s, IKE_DO_DELETE, 0, 0);
		return;
	}
	if (s->phase == IKE_UP) {
		hard = s->rekey_at + s->rekey_at / 8;
		if (g->now < s->born + hard) {
			ike_task_add(s, IKE_DO_REKEY, 0, 0);
			ike_timer_set(g, &s->life, s->born + hard);
			return;
		}
		reason_set(ike_why(s), "lifetime", "expired",
		    "the IKE SA could not be rekeyed in time");
	} else if (s->phase == IKE_HALF_OPEN)
		reason_set(ike_why(s), "ike-auth", "no-answer",
		    "the initiator did not go on");
	ike_isa_die(s);
}

/* Timer: an IKE SA without a child asks for one again, one with the first
 * for those of the queues. */
void
ike_isa_child_again(struct ike_engine *g, void *arg)
{
	struct ike_isa *s = arg;

	(void)g;
	if (s->phase == IKE_UP && ike_peer_needs_child(s))
		ike_task_add(s, IKE_DO_CHILD, 0, 0);
	else if (s->phase == IKE_UP)
		ike_queue_next(s);
}

/* Timer: the agent or dmvpn-gre does not answer. */
void
ike_isa_wait_end(struct ike_engine *g, void *arg)
{
	struct ike_isa *s = arg;
	struct reason why;
	bool in = s->in.ticket != 0;

	reason_set(&why, "local", "no-answer",
	    "another program of ours did not answer");
	ike_step_answer(g, s, in, NULL, &why);
	if (s->phase != IKE_DEAD && (s->in.ticket != 0 || s->out.ticket != 0))
		ike_timer_set(g, &s->wait, g->now + g->tune.answer_wait);
}

/* A SPI that no other IKE SA of ours has (IKE-49). */
static int
draw_spi(struct ike_engine *g, uint64_t *spi)
{
	int i;

	for (i = 0; i < 16; i++) {
		if (ike_random(g, spi, sizeof(*spi)) < 0)
			return -1;
		if (*spi != 0 && ike_isa_find(g, *spi) == NULL)
			return 0;
	}
	return -1;
}

static int
timers_init(struct ike_engine *g, struct ike_isa *s)
{
	return ike_timer_init(g, &s->resend, IKE_TIMER_RESEND) < 0 ||
	    ike_timer_init(g, &s->life, IKE_TIMER_LIFE) < 0 ||
	    ike_timer_init(g, &s->wait, IKE_TIMER_WAIT) < 0 ||
	    ike_timer_init(g, &s->again, IKE_TIMER_AGAIN) < 0 ? -1 : 0;
}

struct ike_isa *
ike_isa_new(struct ike_engine *g, bool initiator,
    const struct endpoint *local, const struct endpoint *remote)
{
	struct ike_isa *s = calloc(1, sizeof(*s));
	struct gre_ike_spi_set m;

	if (s == NULL || (s->auth = calloc(1, sizeof(*s->auth))) == NULL ||
	    timers_init(g, s) < 0 || draw_spi(g, &s->own_spi) < 0) {
		g->counters[IKE_C_NO_MEMORY]++;
		if (s != NULL) {
			s->g = g;
			ike_isa_free(s);
		}
		return NULL;
	}
	s->g = g;
	s->auth->isa = s;
	s->initiator = s->began = initiator;
	*(initiator ? &s->spi_i : &s->spi_r) = s->own_spi;
	s->local = *local;
	s->remote = *remote;
	s->made = s->born = s->last_in = g->now;
	s->phase = initiator ? IKE_CONNECTING : IKE_IDLE;
	chains_add(&g->by_spi, &s->chain);
	DL_APPEND(g->isas, s);
	DL_APPEND2(*ike_isas_at(g, &s->remote.addr), s, at_prev, at_next);
	g->n_isas++;
	if (!initiator) {
		g->n_half_open++;
		s->half_open = true;
		ike_timer_set(g, &s->life, g->now + g->tune.half_open_life);
	}
	m.spi = s->own_spi;
	g->ops.call(g->ops.arg, 0, &gre_ike_spi_set_type, &m);
	return s;
}

void
ike_isa_set_profile(struct ike_isa *s, struct ike_profile *p)
{
	struct ike_profile *old = s->profile;

	if (p != NULL)
		p->users++;
	s->profile = p;
	if (old != NULL) {
		old->users--;
		ike_profile_release(s->g, old);
	}
}

static void
auth_free(struct ike_isa *s)
{
	struct ike_auth_state *a = s->auth;

	if (a == NULL)
		return;
	if (a->hh.tbl != NULL)
		HASH_DEL(s->g->by_init, a);
	secret_free(a->init_own);
	secret_free(a->init_peer);
	secret_free(a->cookie);
	secret_free(a->peer_auth);
	secret_free(a->tsi);
	secret_free(a->tsr);
	secret_free(a->sa);
	secret_wipe(a, sizeof(*a));
	free(a);
	s->auth = NULL;
}

static void
leave_half_open(struct ike_isa *s)
{
	if (s->half_open)
		s->g->n_half_open--;
	s->half_open = false;
	if (s->trying)
		DL_DELETE2(s->g->tries, s, try_prev, try_next);
	s->trying = false;
}

/* It needs no IKE_AUTH (any more). */
void
ike_isa_answered(struct ike_isa *s)
{
	leave_half_open(s);
	auth_free(s);
}

void
ike_exchange_clear(struct ike_isa *s, struct ike_exchange_state *x)
{
	struct ike_csa *c = x->child;
	uint64_t since = x->since;

	if (x->probe != 0) {
		struct ike_probe_reply r = { .alive = !s->dead_peer &&
		    s->phase != IKE_DEAD };

		if (r.alive)
			r.rtt = s->g->now - x->since;
		s->g->ops.probed(s->g->ops.arg, x->probe, &r);
	}
	if (c != NULL && !c->installed)
		ike_csa_remove(c, 0);
	if (x->heir != NULL && x->heir->phase != IKE_UP)
		ike_isa_die(x->heir);
	dh_free(x->dh);
	secret_free(x->nonce);
	secret_free(x->rival_lowest);
	*x = (struct ike_exchange_state){ .since = since };
}

void
ike_isa_free(struct ike_isa *s)
{
	struct ike_csa *c, *t;

	auth_free(s);
	DL_FOREACH_SAFE(s->children, c, t)
		ike_csa_free(c);
	dh_free(s->out.dh);
	dh_free(s->in.dh);
	secret_free(s->out.nonce);
	secret_free(s->in.nonce);
	secret_free(s->out.rival_lowest);
	ike_timer_fini(s->g, &s->resend);
	ike_timer_fini(s->g, &s->life);
	ike_timer_fini(s->g, &s->wait);
	ike_timer_fini(s->g, &s->again);
	while (s->tasks != NULL) {
		struct ike_task *k = s->tasks;

		LL_DELETE(s->tasks, k);
		free(k);
	}
	free(s->request);
	free(s->answer);
	ike_parts_free(s->parts);
	free(s->why);
	free((void *)(uintptr_t)s->ident);
	free((void *)(uintptr_t)s->blocks);
	ike_kept_free(s->kept);
	ike_chosen_release(s->g, s->chosen);
	secret_free(s->ni);
	secret_free(s->nr);
	secret_free(s->lowest);
	sk_kept_free(s->keys);
	free(s);
}

/* Nobody points to it any more from here on but the list of the dead. */
static void
unlink_isa(struct ike_isa *s)
{
	struct ike_engine *g = s->g;
	struct gre_ike_spi_delete m = { .spi = s->own_spi };
	struct ike_isa *t;

	t = s->origin != 0 ? ike_isa_find(g, s->origin) : NULL;
	chains_remove(&g->by_spi, &s->chain);
	DL_DELETE(g->isas, s);
	DL_DELETE2(*ike_isas_at(g, &s->remote.addr), s, at_prev, at_next);
	DL_APPEND(g->dead, s);
	g->n_isas--;
	g->ops.call(g->ops.arg, 0, &gre_ike_spi_delete_type, &m);
	if (t != NULL) {
		t->heir = t->heir == s ? NULL : t->heir;
		t->rival = t->rival == s ? NULL : t->rival;
		t->out.heir = t->out.heir == s ? NULL : t->out.heir;
		t->in.heir = t->in.heir == s ? NULL : t->in.heir;
	}
}

/* A try of an initiator that ended before it was up. */
static void
tell_responder_failed(struct ike_isa *s)
{
	struct ike_failed f = { .remote = s->remote,
	    .role = IKE_ROLE_RESPONDER, .reason = *ike_why_of(s) };

	if (s->initiator || s->announced || !ike_why_said(s))
		return;
	if (s->profile != NULL)
		snprintf(f.profile, sizeof(f.profile), "%s",
		    s->profile->set.profile);
	if (s->ident != NULL)
		ident_text(s->ident, f.reason.peer, sizeof(f.reason.peer));
	ike_tell(s->g, &ike_failed_type, &f);
}

void
ike_isa_die(struct ike_isa *s)
{
	struct ike_engine *g = s->g;
	enum ike_phase was = s->phase;
	struct ike_csa *c, *t;

	if (was == IKE_DEAD)
		return;
	s->phase = IKE_DEAD;
	leave_half_open(s);
	ike_exchange_clear(s, &s->out);
	ike_exchange_clear(s, &s->in);
	ike_task_drop(s);
	DL_FOREACH_SAFE(s->children, c, t)
		ike_csa_remove(c, s->dead_peer ? 0 : IKE_DRAIN);
	ike_timer_stop(g, &s->resend);
	ike_timer_stop(g, &s->life);
	ike_timer_stop(g, &s->wait);
	ike_timer_stop(g, &s->again);
	if (was == IKE_HALF_OPEN)
		tell_responder_failed(s);
	ike_peer_leave(s);
	ike_conn_failed(s);
	ike_isa_set_profile(s, NULL);
	unlink_isa(s);
}

void
ike_isa_sweep(struct ike_engine *g)
{
	struct ike_isa *s, *t;

	DL_FOREACH_SAFE(g->dead, s, t) {
		DL_DELETE(g->dead, s);
		ike_isa_free(s);
	}
}

/* For those who may see our keys: a line for Wireshark. */
static void
export_keys(struct ike_isa *s, const struct sk_keys *k)
{
	struct ike_keys m = { .spi_i = s->spi_i, .spi_r = s->spi_r };
	char ei[80], er[80], ai[132], ar[132], si[20], sr[20];
	struct ike_transform encr = { .type = IKE_T_ENCR,
	    .id = s->suite.encr, .key_bits = s->suite.key_bits };
	const char *enc, *integ;

	if (!s->g->ops.wanted(s->g->ops.arg, &ike_keys_type))
		return;
	enc = encr.id == IKE_ENCR_AES_CBC ? (encr.key_bits == 256 ?
	    "AES-CBC-256 [RFC3602]" : encr.key_bits == 192 ?
	    "AES-CBC-192 [RFC3602]" : "AES-CBC-128 [RFC3602]") :
	    encr.id == IKE_ENCR_AES_GCM_16 ? (encr.key_bits == 256 ?
	    "AES-GCM-256 with 16 octet ICV [RFC5282]" :
	    "AES-GCM-128 with 16 octet ICV [RFC5282]") :
	    "CHACHA20_POLY1305 [RFC7634]";
	integ = s->suite.integ == IKE_INTEG_HMAC_SHA256_128 ?
	    "HMAC_SHA2_256_128 [RFC4868]" :
	    s->suite.integ == IKE_INTEG_HMAC_SHA384_192 ?
	    "HMAC_SHA2_384_192 [RFC4868]" :
	    s->suite.integ == IKE_INTEG_HMAC_SHA512_256 ?
	    "HMAC_SHA2_512_256 [RFC4868]" :
	    s->suite.integ == IKE_INTEG_HMAC_SHA1_96 ?
	    "HMAC_SHA1_96 [RFC2404]" : "NONE [RFC4306]";
	text_hex(k->i.enc, k->i.enc_len, ei, sizeof(ei));
	text_hex(k->r.enc, k->r.enc_len, er, sizeof(er));
	text_hex(k->i.integ, k->i.int_len, ai, sizeof(ai));
	text_hex(k->r.integ, k->r.int_len, ar, sizeof(ar));
	snprintf(si, sizeof(si), "%016llx", (unsigned long long)s->spi_i);
	snprintf(sr, sizeof(sr), "%016llx", (unsigned long long)s->spi_r);
	snprintf(m.line, sizeof(m.line), "%s,%s,%s,%s,\"%s\",%s,%s,\"%s\"",
	    si, sr, ei, er, enc, ai, ar, integ);
	s->g->ops.event(s->g->ops.arg, &ike_keys_type, &m);
	secret_wipe(&m, sizeof(m));
}

int
ike_isa_keys(struct ike_isa *s, struct rbuf shared, uint16_t old_prf,
    struct rbuf old_d, struct err *e)
{
	struct sk_seed seed = { .shared = shared,
	    .ni = ike_secret_view(s->ni), .nr = ike_secret_view(s->nr),
	    .spi_i = s->spi_i, .spi_r = s->spi_r, .old_prf = old_prf,
	    .old_d = old_d };
	struct sk_keys k;

	sk_kept_free(s->keys);
	s->keys = NULL;
	if (sk_derive(&s->suite, &seed, &k, s->auth == NULL ? NULL :
	    &s->auth->proof, e) == 0) {
		if ((s->keys = sk_keep(&k)) == NULL)
			err_set(e, ENOMEM, "out of memory");
		else
			export_keys(s, &k);
	}
	sk_keys_wipe(&k);
	return s->keys == NULL ? -1 : 0;
}

/* Lifetimes: rekey after it, less up to a tenth so that sides do not meet. */
static void
start_life(struct ike_isa *s)
{
	uint64_t life = s->profile->set.ike_lifetime != 0 ?
	    s->profile->set.ike_lifetime * 1000ull : 8 * 3600 * 1000ull;

	s->born = s->g->now;
	s->rekey_at = 2 * life - ike_jitter(s->g, life);
	if (!s->initiator)
		s->rekey_at += life / 20;
	ike_timer_set(s->g, &s->life, s->born + s->rekey_at);
}

/* Of the nonces only the lowest still counts, where two SAs meet. */
static void
keep_lowest(struct ike_isa *s)
{
	bool of_i = s->ni != NULL && s->nr != NULL &&
	    ike_nonce_cmp(s->ni, s->nr) < 0;

	if (s->lowest == NULL) {
		s->lowest = of_i ? s->ni : s->nr;
		*(of_i ? &s->ni : &s->nr) = NULL;
	}
	secret_free(s->ni);
	secret_free(s->nr);
	s->ni = s->nr = NULL;
}

void
ike_isa_up(struct ike_isa *s)
{
	leave_half_open(s);
	keep_lowest(s);
	s->announced = true;
	free(s->why);
	s->why = NULL;
	start_life(s);
	ike_peer_settle(s);
	ike_isa_answered(s);
	if (s->phase == IKE_DEAD)
		return;
	ike_orphan_call_end(s);
	ike_conn_up(s);
	ike_queue_later(s);
}

/* What waited goes on there; another rekey of the IKE SA would be idle. */
static void
adopt_tasks(struct ike_isa *from, struct ike_isa *to)
{
	struct ike_task *k;

	while ((k = from->tasks) != NULL) {
		LL_DELETE(from->tasks, k);
		if (k->what == IKE_DO_REKEY)
			free(k);
		else
			LL_APPEND(to->tasks, k);
	}
}

/* A rekeyed IKE SA: all that hangs on the old one moves (RFC 7296, 2.18). */
void
ike_isa_adopt(struct ike_isa *from, struct ike_isa *to)
{
	struct ike_csa *c, *t;

	DL_FOREACH_SAFE(from->children, c, t) {
		DL_DELETE(from->children, c);
		c->isa = to;
		DL_APPEND(to->children, c);
	}
	to->queues = from->queues;
	if (from->again.at != 0)
		ike_timer_set(to->g, &to->again, from->again.at);
	ike_conn_move(from, to);
	if (to->peer == NULL && from->peer != NULL) {
		to->peer = from->peer;
		LL_DELETE2(to->peer->isas, from, peer_next);
		LL_PREPEND2(to->peer->isas, to, peer_next);
		if (to->peer->isa == from)
			to->peer->isa = to;
		from->peer = NULL;
	}
	adopt_tasks(from, to);
	if (to->ident == NULL) {
		to->ident = from->ident;
		from->ident = NULL;
		to->blocks = from->blocks;
		from->blocks = NULL;
		to->kept = from->kept;
		to->judged = from->judged;
		from->kept = NULL;
	}
	from->heir = to;
	if (from->rival == to)
		from->rival = NULL;
	from->phase = IKE_REPLACED;
	to->announced = true;
	to->phase = IKE_UP;
	keep_lowest(to);
	start_life(to);
	ike_timer_set(from->g, &from->life, from->g->now +
	    from->g->tune.half_open_life);
	ike_task_run(to);
}
