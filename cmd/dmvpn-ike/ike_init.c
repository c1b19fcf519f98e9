#include "ike_int.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/prf.h"
#include "crypto/sign.h"

#define INIT	(P(SA) | P(KE) | P(NONCE))

/* What both sides of IKE_SA_INIT may say about themselves. */
static void
put_abilities(struct ike_isa *s, struct ike_out *o, bool fake_nat)
{
	uint8_t octets[16];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	size_t i;

	ike_nat_put(s, o, fake_nat);
	ike_put_status(&o->c, IKE_N_FRAGMENTATION_SUPPORTED);
	for (i = 0; i < sign_n_hashes; i++)
		wbuf_be16(&w, sign_hashes[i]);
	ike_put_notify(&o->c, IKE_PROTO_NONE, NULL, 0,
	    IKE_N_SIGNATURE_HASH_ALGORITHMS, w.buf, w.len);
	ike_vendor_put(s, o);
}

static void
read_abilities(struct ike_isa *s, const struct ike_in *in)
{
	const struct ike_notify *n;
	struct rbuf data;

	ike_nat_judge(s, in);
	s->fragments = ike_in_notify(in, IKE_N_FRAGMENTATION_SUPPORTED) !=
	    NULL;
	s->auth->ocsp_wanted = in->ocsp_wanted;
	s->auth->n_hashes = 0;
	n = ike_in_notify(in, IKE_N_SIGNATURE_HASH_ALGORITHMS);
	if (n == NULL)
		return;
	data = n->data;
	while (rbuf_left(&data) >= 2 && s->auth->n_hashes < 8)
		s->auth->hashes[s->auth->n_hashes++] = rbuf_be16(&data);
}

static int
set_suite(struct ike_isa *s, const struct ike_proposal *p)
{
	const struct ike_transform *encr = ike_proposal_first(p, IKE_T_ENCR);
	const struct ike_transform *prf = ike_proposal_first(p, IKE_T_PRF);
	const struct ike_transform *integ = ike_proposal_first(p,
	    IKE_T_INTEG);

	if (encr == NULL || prf == NULL)
		return -1;
	if (ike_chosen_keep(s->g, &s->chosen, p) < 0)
		return -1;
	s->suite = (struct sk_suite){ .encr = encr->id,
	    .key_bits = encr->key_bits, .prf = prf->id,
	    .integ = integ != NULL ? integ->id : 0 };
	return sk_suite_known(&s->suite) ? 0 : -1;
}

/* ---- initiator ---- */

void
ike_init_begin(struct ike_isa *s)
{
	struct ike_header h = { .spi_i = s->spi_i, .exchange = IKE_SA_INIT,
	    .flags = IKE_FLAG_INITIATOR };
	struct ike_profile *p = s->profile;
	struct ike_auth_state *a = s->auth;
	struct rbuf pub;
	struct ike_out o;

	if (a->group == 0)
		a->group = ike_proposal_first(&p->ike[0], IKE_T_KE)->id;
	if (s->ni == NULL)
		s->ni = ike_nonce_new(s->g);
	if (s->ni == NULL || ((s->out.dh == NULL ||
	    dh_group(s->out.dh) != a->group) &&
	    ike_dh_new(s->g, &s->out, a->group) < 0)) {
		reason_set(ike_why(s), "ike-sa-init", "failed",
		    "no randomness or memory for a new key");
		ike_isa_die(s);
		return;
	}
	ike_out_begin(s->g, &o);
	if (a->cookie != NULL)	/* the first payload, RFC 7296, 2.6 */
		ike_put_notify(&o.c, IKE_PROTO_NONE, NULL, 0, IKE_N_COOKIE,
		    a->cookie->b, a->cookie->len);
	ike_put_sa(&o.c, p->ike, p->n_ike, NULL, 0);
	pub = dh_public(s->out.dh);
	ike_put_ke(&o.c, a->group, pub.p, rbuf_left(&pub));
	ike_put_nonce(&o.c, s->ni->b, s->ni->len);
	put_abilities(s, &o, !p->set.raw_esp);
	s->out.phase = IKE_INIT_SENT;
	s->out.what = IKE_DO_CONNECT;
	s->out.since = s->g->now;
	if (ike_send_clear(s->g, &s->local, &s->remote, &h, &o,
	    &a->init_own) < 0) {
		reason_set(ike_why(s), "ike-sa-init", "failed",
		    "IKE_SA_INIT can not be built");
		ike_isa_die(s);
		return;
	}
	s->resend_ms = s->g->tune.retry_first;
	s->resend_end = s->g->now + s->g->tune.retry_total;
	ike_timer_set(s->g, &s->resend, s->g->now + s->resend_ms);
}

/* The answer's SA, KE and nonce are good: keys. */
static enum ike_result
init_keys(struct ike_ctx *c, const struct ike_ke *ke, struct rbuf nonce)
{
	struct ike_isa *s = c->isa;
	struct secret *shared = dh_shared(s->out.dh, ke->data, &c->e);
	enum ike_result rc = IKE_RETRY;

	if (shared == NULL)
		return IKE_RETRY;
	s->spi_r = c->in->h.spi_r;
	s->nr = secret_copy(nonce.p, rbuf_left(&nonce));
	if (s->nr != NULL && ike_isa_keys(s, rbuf_of(shared->b, shared->len),
	    0, rbuf_of(NULL, 0), &c->e) == 0)
		rc = IKE_OK;
	else {
		secret_free(s->nr);
		s->nr = NULL;
		s->spi_r = 0;
	}
	secret_free(shared);
	return rc;
}

/* A wrong answer may be forged: the true one may still come (IKE-19). */
enum ike_result
ike_init_reply(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	const struct ike_in *in = c->in;
	struct ike_choice choice = { .sa = ike_in_body(in, IKE_P_SA),
	    .ours = s->profile->ike, .n_ours = s->profile->n_ike,
	    .protocol = IKE_PROTO_IKE };
	struct ike_proposal chosen;
	struct ike_ke ke;
	struct rbuf nonce;

	if (in->h.spi_r == 0 || ike_proposal_answer(&choice, &chosen, &c->e) <
	    0 || ike_ke_parse(ike_in_body(in, IKE_P_KE), &ke, &c->e) < 0 ||
	    ike_nonce_parse(ike_in_body(in, IKE_P_NONCE), &nonce, &c->e) <
	    0 || ke.group != s->auth->group ||
	    !ike_proposal_has(&chosen, IKE_T_KE, ke.group) ||
	    set_suite(s, &chosen) < 0)
		return IKE_RETRY;
	if (init_keys(c, &ke, nonce) != IKE_OK)
		return IKE_RETRY;
	s->auth->init_peer = secret_copy(in->raw.p, rbuf_left(&in->raw));
	read_abilities(s, in);
	ike_timer_stop(s->g, &s->resend);
	dh_free(s->out.dh);
	s->out.dh = NULL;
	if (s->auth->init_peer == NULL || ike_auth_sign(s, false) == 0)
		return IKE_FAIL;
	return IKE_OK;
}

static enum ike_result
again(struct ike_ctx *c)
{
	if (c->isa->auth->restarts++ >= IKE_RESTARTS_MAX)
		return IKE_RETRY;	/* IKE-03: wait for the timer */
	ike_init_begin(c->isa);
	return IKE_OK;
}

static enum ike_result
take_cookie(struct ike_ctx *c, const struct ike_notify *n)
{
	struct ike_auth_state *a = c->isa->auth;
	size_t len = rbuf_left(&n->data);

	if (len < 1 || len > IKE_COOKIE_MAX)
		return IKE_RETRY;
	secret_free(a->cookie);
	a->cookie = secret_copy(n->data.p, len);
	return a->cookie == NULL ? IKE_RETRY : again(c);
}

static enum ike_result
take_group(struct ike_ctx *c, const struct ike_notify *n)
{
	struct ike_isa *s = c->isa;
	struct rbuf data = n->data;
	uint16_t group = rbuf_be16(&data);
	size_t i;

	if (!rbuf_ok(&data) || group == s->auth->group || !dh_known(group))
		return IKE_RETRY;
	for (i = 0; i < s->profile->n_ike; i++)
		if (ike_proposal_has(&s->profile->ike[i], IKE_T_KE, group))
			break;
	if (i == s->profile->n_ike)
		return IKE_RETRY;
	s->auth->group = group;
	return again(c);
}

static void
explain_refusal(struct ike_isa *s, uint16_t type, struct reason *why)
{
	struct name_buf nb;
	char text[IKE_PROPOSAL_TEXT];
	size_t i, len = 0;

	reason_set(why, "ike-sa-init", name_text(ike_notify_names, type,
	    &nb), "the peer refused with %s", name_text(ike_notify_names,
	    type, &nb));
	for (i = 0; i < s->profile->n_ike && len < sizeof(why->offered); i++)
		len += (size_t)snprintf(&why->offered[len],
		    sizeof(why->offered) - len, "%s%s", i > 0 ? "," : "",
		    ike_proposal_text(&s->profile->ike[i], text,
		    sizeof(text)));
	snprintf(why->wanted, sizeof(why->wanted),
	    "the peer does not say; its log does");
	snprintf(why->fix, sizeof(why->fix),
	    "give both sides a proposal in common");
}

enum ike_result
ike_init_refused(struct ike_ctx *c)
{
	const struct ike_notify *n;
	uint16_t type = ike_in_error(c->in);

	if ((n = ike_in_notify(c->in, IKE_N_COOKIE)) != NULL)
		return take_cookie(c, n);
	if ((n = ike_in_notify(c->in, IKE_N_INVALID_KE_PAYLOAD)) != NULL)
		return take_group(c, n);
	if (type != IKE_N_NO_PROPOSAL_CHOSEN)
		return IKE_RETRY;
	explain_refusal(c->isa, type, &c->why);
	return IKE_FAIL;
}

/* ---- responder ---- */

static void
answer_error(struct ike_engine *g, const struct ike_in *in, uint16_t type,
    const void *data, size_t len)
{
	struct ike_header h = { .spi_i = in->h.spi_i,
	    .exchange = IKE_SA_INIT, .flags = IKE_FLAG_RESPONSE };
	struct ike_out o;

	if (!ike_may_notify(in, len))
		return;
	ike_out_begin(g, &o);
	ike_put_notify(&o.c, IKE_PROTO_NONE, NULL, 0, type, data, len);
	ike_send_clear(g, &in->local, &in->remote, &h, &o, NULL);
}

/* The first profile that has a proposal in common; the true one is picked
 * when the identities are known. */
static struct ike_profile *
choose(struct ike_ctx *c, uint16_t group, struct ike_proposal *chosen,
    struct ike_mismatch *why)
{
	struct ike_choice choice = { .sa = ike_in_body(c->in, IKE_P_SA),
	    .protocol = IKE_PROTO_IKE, .group = group };
	struct ike_profile *p = NULL;
	int rc;

	while ((p = ike_profile_accepting(c->g, &c->in->local.addr, p)) !=
	    NULL) {
		choice.ours = p->ike;
		choice.n_ours = p->n_ike;
		rc = ike_proposal_choose(&choice, chosen, why, &c->e);
		if (rc == 1)
			return p;
		if (rc < 0) {
			c->notify = IKE_N_INVALID_SYNTAX;
			return NULL;
		}
	}
	c->notify = IKE_N_NO_PROPOSAL_CHOSEN;
	return NULL;
}

static void
tell_failed(struct ike_ctx *c, const struct ike_mismatch *why)
{
	struct ike_failed f = { .remote = c->in->remote,
	    .role = IKE_ROLE_RESPONDER };
	struct name_buf nb;

	if (why->wanted[0] == '\0')
		reason_set(&f.reason, "ike-sa-init", "no-profile",
		    "no profile of ours answers initiators here");
	else
		reason_set(&f.reason, "ike-sa-init", name_text(
		    ike_notify_names, c->notify, &nb), "%s", c->e.code != 0 ?
		    c->e.msg : "no proposal in common");
	snprintf(f.reason.offered, sizeof(f.reason.offered), "%s",
	    why->offered);
	snprintf(f.reason.wanted, sizeof(f.reason.wanted), "%.383s",
	    why->wanted);
	snprintf(f.reason.difference, sizeof(f.reason.difference), "%.191s",
	    why->difference);
	ike_tell(c->g, &ike_failed_type, &f);
}

/* INVALID_KE_PAYLOAD with the group we chose. */
static enum ike_result
want_group(struct ike_ctx *c, const struct ike_proposal *chosen)
{
	const struct ike_transform *t = ike_proposal_first(chosen, IKE_T_KE);
	uint8_t group[2];
	struct wbuf w = wbuf_of(group, sizeof(group));

	wbuf_be16(&w, t != NULL ? t->id : 0);
	answer_error(c->g, c->in, IKE_N_INVALID_KE_PAYLOAD, group, 2);
	return IKE_FAIL;
}

static enum ike_result
r_keys(struct ike_ctx *c, const struct ike_ke *ke, struct rbuf nonce)
{
	struct ike_isa *s = c->isa;
	struct secret *shared;
	enum ike_result rc = IKE_FAIL;

	if (ike_dh_new(s->g, &s->in, ke->group) < 0)
		return IKE_FAIL;
	shared = dh_shared(s->in.dh, ke->data, &c->e);
	if (shared == NULL) {
		answer_error(c->g, c->in, IKE_N_INVALID_SYNTAX, NULL, 0);
		return IKE_FAIL;
	}
	s->ni = secret_copy(nonce.p, rbuf_left(&nonce));
	s->nr = ike_nonce_new(c->g);
	if (s->ni != NULL && s->nr != NULL &&
	    ike_isa_keys(s, rbuf_of(shared->b, shared->len), 0,
	    rbuf_of(NULL, 0), &c->e) == 0)
		rc = IKE_OK;
	secret_free(shared);
	return rc;
}

static enum ike_result
r_answer(struct ike_ctx *c, struct ike_profile *p)
{
	struct ike_isa *s = c->isa;
	struct ike_header h = { .spi_i = s->spi_i, .spi_r = s->spi_r,
	    .exchange = IKE_SA_INIT, .flags = IKE_FLAG_RESPONSE };
	struct rbuf pub = dh_public(s->in.dh);
	struct ike_out o;

	ike_out_begin(c->g, &o);
	ike_put_sa(&o.c, ike_chosen(s->chosen), 1, NULL, 0);
	ike_put_ke(&o.c, dh_group(s->in.dh), pub.p, rbuf_left(&pub));
	ike_put_nonce(&o.c, s->nr->b, s->nr->len);
	put_abilities(s, &o, !p->set.raw_esp && !c->in->own_kind);
	if (p->cred->method == PKI_METHOD_CERTIFICATE)
		ike_auth_put_certreq(p, &o);
	return ike_send_clear(c->g, &s->local, &s->remote, &h, &o,
	    &s->auth->init_own) < 0 ? IKE_FAIL : IKE_OK;
}

enum ike_result
ike_init_request(struct ike_ctx *c)
{
	const struct ike_in *in = c->in;
	struct ike_isa *s = c->isa;
	struct ike_mismatch why = { 0 };
	struct ike_proposal chosen;
	struct ike_profile *p;
	struct ike_ke ke;
	struct rbuf nonce;

	if (ike_ke_parse(ike_in_body(in, IKE_P_KE), &ke, &c->e) < 0 ||
	    ike_nonce_parse(ike_in_body(in, IKE_P_NONCE), &nonce, &c->e) <
	    0) {
		answer_error(c->g, in, IKE_N_INVALID_SYNTAX, NULL, 0);
		return IKE_FAIL;
	}
	p = choose(c, ke.group, &chosen, &why);
	if (p == NULL) {
		answer_error(c->g, in, c->notify, NULL, 0);
		tell_failed(c, &why);
		return IKE_FAIL;
	}
	if (!ike_proposal_has(&chosen, IKE_T_KE, ke.group))
		return want_group(c, &chosen);
	s->auth->init_peer = secret_copy(in->raw.p, rbuf_left(&in->raw));
	if (s->auth->init_peer == NULL || set_suite(s, &chosen) < 0)
		return IKE_FAIL;
	read_abilities(s, in);
	if (r_keys(c, &ke, nonce) != IKE_OK)
		return IKE_FAIL;
	s->next_in = 1;
	return r_answer(c, p);
}

/* What tells one IKE_SA_INIT from another: all of it, and where it is from. */
static int
init_digest(const struct ike_in *in, uint8_t key[20])
{
	uint8_t octets[18];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	struct rbuf parts[2];

	wbuf_put(&w, in->remote.addr.b, in->remote.addr.len);
	wbuf_be16(&w, in->remote.port);
	parts[0] = wbuf_rbuf(&w);
	parts[1] = in->raw;
	return prf_sha1(parts, 2, key, NULL);
}

static void
init_new(struct ike_engine *g, struct ike_in *in, const uint8_t key[20])
{
	struct ike_isa *s;

	if (g->n_half_open >= g->tune.half_open_max ||
	    g->n_isas >= g->tune.sas_max) {
		g->counters[IKE_C_HALF_OPEN_FULL]++;
		return;
	}
	s = ike_isa_new(g, false, &in->local, &in->remote);
	if (s == NULL)
		return;
	s->spi_i = in->h.spi_i;
	memcpy(s->auth->dup_key, key, sizeof(s->auth->dup_key));
	HASH_ADD(hh, g->by_init, dup_key, sizeof(s->auth->dup_key), s->auth);
	ike_mark_crossing(s);
	ike_step_request(g, s, in);
}

static void
init_in(struct ike_engine *g, struct ike_in *in)
{
	struct ike_auth_state *a;
	uint8_t key[20];

	if (in->h.spi_i == 0 || in->h.spi_r != 0 || in->h.id != 0 ||
	    !(in->h.flags & IKE_FLAG_INITIATOR) ||
	    ike_isa_find(g, in->h.spi_i) != NULL ||
	    rbuf_left(&in->raw) > IKE_INIT_MAX) {
		g->counters[IKE_C_MALFORMED]++;
		return;
	}
	if (init_digest(in, key) < 0)
		return;
	HASH_FIND(hh, g->by_init, key, sizeof(a->dup_key), a);
	if (a != NULL) {	/* IKE-18: the same octets again */
		g->counters[IKE_C_REPEATED]++;
		if (a->init_own != NULL)
			ike_send_octets(g, &a->isa->local, &a->isa->remote,
			    a->init_own);
		return;
	}
	if (in->critical != 0) {
		answer_error(g, in, IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD,
		    &in->critical, 1);
		return;
	}
	/* no cookie, and no state, for what is no request at all */
	if ((in->present & INIT) != INIT)
		g->counters[IKE_C_MALFORMED]++;
	else if (ike_cookie_check(g, in))
		init_new(g, in, key);
}

void
ike_init_packet(struct ike_engine *g, struct ike_in *in)
{
	struct rbuf payloads = in->raw;
	struct ike_isa *s;
	struct err e = { 0 };
	bool bad;

	rbuf_skip(&payloads, IKE_HEADER_LEN);
	bad = ike_in_parse(in, in->h.next, payloads, &e) < 0;
	ike_trace(g, DIRECTION_IN, NULL, &in->local, &in->remote, in->raw, 0,
	    rbuf_of(NULL, 0), bad ? e.msg : NULL);
	if (bad) {
		g->counters[IKE_C_MALFORMED]++;
		return;
	}
	if (!(in->h.flags & IKE_FLAG_RESPONSE)) {
		init_in(g, in);
		return;
	}
	s = ike_isa_find(g, in->h.spi_i);
	if (s == NULL || s->phase != IKE_CONNECTING || !s->initiator ||
	    s->out.phase != IKE_INIT_SENT || in->h.id != 0 ||
	    (in->h.flags & IKE_FLAG_INITIATOR) ||
	    in->h.spi_r == in->h.spi_i) {
		g->counters[IKE_C_UNEXPECTED]++;
		return;
	}
	ike_step_response(g, s, in);
}
