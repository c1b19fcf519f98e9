#include "ike_int.h"
#include "ike_queue.h"

#include <errno.h>

/* IKE_AUTH as responder.  RFC 7296, 1.2 and 2.15. */

static enum ike_result
refuse(struct ike_ctx *c, const char *code, const char *text)
{
	c->notify = IKE_N_AUTHENTICATION_FAILED;
	if (c->why.code[0] == '\0')
		reason_set(&c->why, "ike-auth", code, "%s", text);
	return IKE_FAIL;
}

static bool
has_proposal(const struct ike_profile *p, const struct ike_proposal *chosen)
{
	size_t i, k;

	for (i = 0; i < p->n_ike; i++) {
		for (k = 0; k < chosen->n; k++)
			if (!ike_proposal_has(&p->ike[i], chosen->t[k].type,
			    chosen->t[k].id))
				break;
		if (k == chosen->n)
			return true;
	}
	return false;
}

/* How well a profile suits this request: 0 not at all.  Who asks counts
 * most, then the mode, then whom it asked for. */
static unsigned
suits(const struct ike_isa *s, const struct ike_profile *p,
    const struct ident *id, const struct ident *wanted, uint8_t method)
{
	bool psk = p->cred->method == PKI_METHOD_PSK;
	bool transport = p->set.mode == SA_MODE_TRANSPORT;

	if (!p->cred->ready || !has_proposal(p, ike_chosen(s->chosen)) ||
	    !ike_profile_admits(p, id))
		return 0;
	return 1 + 4 * (psk == (method == IKE_AUTH_PSK)) +
	    2 * (transport == s->auth->transport) +
	    (wanted == NULL || ident_equal(wanted, &p->cred->id));
}

static struct ike_profile *
pick_profile(struct ike_ctx *c, const struct ident *id)
{
	struct ike_isa *s = c->isa;
	struct ike_profile *p = NULL, *best = NULL;
	struct ident wanted;
	struct ike_auth auth = { 0 };
	struct ike_id idr;
	bool has = (c->in->present & P(IDR)) &&
	    ike_id_parse(ike_in_body(c->in, IKE_P_IDR), &idr, NULL) == 0 &&
	    ident_of(idr.type, idr.data, &wanted, NULL) == 0;
	unsigned score, top = 0;

	ike_auth_parse(ike_in_body(c->in, IKE_P_AUTH), &auth, NULL);
	while ((p = ike_profile_accepting(c->g, &s->local.addr, p)) != NULL) {
		score = suits(s, p, id, has ? &wanted : NULL, auth.method);
		if (score > top) {
			top = score;
			best = p;
		}
	}
	return best;
}

enum ike_result
ike_r_eap(struct ike_ctx *c)
{
	return refuse(c, "no-eap", "the peer wants EAP, which is not offered");
}

static enum ike_result
not_admitted(struct ike_ctx *c, const struct ident *id)
{
	reason_set(&c->why, "ike-auth", "wrong-name",
	    "no profile of ours admits this identity");
	ident_text(id, c->why.offered, sizeof(c->why.offered));
	return refuse(c, "wrong-name", "");
}

/* An identity that no profile admits costs as much as a wrong PSK, so that
 * the time of the answer does not tell which names we know (IKE-26): the
 * agent is asked under a profile that serves for this alone. */
static enum ike_result
ask_in_vain(struct ike_ctx *c, const struct ident *id)
{
	struct ike_isa *s = c->isa;
	struct ike_profile *p = NULL;
	struct ike_auth auth = { 0 };

	ike_auth_parse(ike_in_body(c->in, IKE_P_AUTH), &auth, NULL);
	if (auth.method == IKE_AUTH_PSK)
		while ((p = ike_profile_accepting(c->g, &s->local.addr,
		    p)) != NULL)
			if (p->cred->method == PKI_METHOD_PSK)
				break;
	if (p == NULL)
		return not_admitted(c, id);
	if (ike_auth_keep_peer(s, c->in, IKE_P_IDI, c) < 0)
		return IKE_FAIL;
	ike_isa_set_profile(s, p);
	s->auth->in_vain = true;
	return ike_auth_ask_psk(s, true) == 0 ? not_admitted(c, id) :
	    IKE_WAIT;
}

enum ike_result
ike_r_auth(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_profile *p;
	struct ident id;
	struct ike_id idi;
	enum ike_result rc;

	ike_auth_read_notifies(s, c->in);
	if (ike_id_parse(ike_in_body(c->in, IKE_P_IDI), &idi, &c->e) < 0 ||
	    ident_of(idi.type, idi.data, &id, &c->e) < 0)
		return refuse(c, "bad-identity", c->e.msg);
	p = pick_profile(c, &id);
	if (p == NULL)
		return ask_in_vain(c, &id);
	ike_isa_set_profile(s, p);
	if (ike_auth_keep_child(s, c->in) < 0)
		return refuse(c, "failed", "out of memory");
	rc = ike_auth_verify(c, IKE_P_IDI);
	if (rc == IKE_OK && ike_auth_sign(s, true) == 0)
		return refuse(c, "failed", "out of memory");
	return rc;
}

enum ike_result
ike_r_checked(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	const struct pki_sign_reply *r = c->m;

	if (s->auth->in_vain) {
		ike_isa_set_profile(s, NULL);
		return not_admitted(c, s->ident);
	}
	ident_text(s->ident, c->why.peer, sizeof(c->why.peer));
	if (r == NULL)
		return refuse(c, "no-psk", "the agent has no PSK for it");
	if (!ike_auth_psk_equal(s, r)) {
		reason_set(&c->why, "ike-auth", "wrong-psk",
		    "the peer's AUTH does not verify: another PSK");
		snprintf(c->why.fix, sizeof(c->why.fix),
		    "compare the PSK files of both sides");
		ident_text(s->ident, c->why.peer, sizeof(c->why.peer));
		return refuse(c, "wrong-psk", "");
	}
	if (ike_auth_sign(s, true) == 0)
		return refuse(c, "failed", "out of memory");
	return IKE_OK;
}

static void
tell_child_failed(struct ike_ctx *c)
{
	struct ike_failed f = { .remote = c->isa->remote,
	    .role = IKE_ROLE_RESPONDER, .reason = c->why };

	snprintf(f.profile, sizeof(f.profile), "%s",
	    c->isa->profile->set.profile);
	ident_text(c->isa->ident, f.reason.peer, sizeof(f.reason.peer));
	ike_tell(c->g, &ike_failed_type, &f);
}

#define CHILDLESS_LIFE	5000	/* ms for the peer to close it */

/* <-- HDR, SK {IDr, [CERT,] AUTH, N(why there is no child)}: the IKE SA
 * stands, without a child (RFC 7296, 1.2). */
static enum ike_result
childless(struct ike_ctx *c, struct ike_out *o)
{
	struct ike_isa *s = c->isa;

	ike_put_status(&o->c, c->notify);
	if (s->in.child != NULL)
		ike_csa_remove(s->in.child, 0);
	s->in.child = NULL;
	tell_child_failed(c);
	if (ike_send_answer(s, IKE_AUTH, o) < 0)
		return IKE_FAIL;
	s->announced = true;
	ike_timer_set(s->g, &s->life, s->g->now + CHILDLESS_LIFE);
	ike_isa_answered(s);
	return IKE_OK;
}

/* Our AUTH is there: choose the child.  The answer goes out when the SA is
 * installed; until then it is kept as the agent gave it. */
enum ike_result
ike_r_signed(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_auth_state *a = s->auth;
	const struct pki_sign_reply *r = c->m;
	struct ike_out o;

	if (r == NULL)
		return refuse(c, "no-signature", "the agent does not sign");
	secret_free(a->peer_auth);
	a->peer_auth = secret_copy(r->auth.p, rbuf_left(&r->auth));
	a->own_method = r->method;
	s->in.child = ike_csa_new(s, false, 0);
	if (s->in.child == NULL || a->peer_auth == NULL)
		return refuse(c, "failed", "out of memory");
	if (ike_child_choose(c, s->in.child, ike_secret_view(a->sa),
	    ike_secret_view(a->tsi), ike_secret_view(a->tsr), a->transport,
	    true, 0) < 0) {
		ike_out_begin(c->g, &o);
		ike_auth_put_own(s, &o, r);
		return childless(c, &o);
	}
	if (ike_peer_twice(s, &c->why))
		return refuse(c, "identity-in-use-twice", "");
	if (ike_peer_take(s, &c->e) < 0 || ike_child_install(s, true,
	    s->in.child, rbuf_of(NULL, 0), ike_secret_view(s->ni),
	    ike_secret_view(s->nr), true, &c->e) == 0)
		return refuse(c, "failed", c->e.msg);
	return IKE_WAIT;
}

enum ike_result
ike_r_installed(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *child = s->in.child;
	struct pki_sign_reply r = { .method = s->auth->own_method,
	    .auth = ike_secret_view(s->auth->peer_auth) };
	struct ike_out o;

	if (c->m == NULL) {
		if (c->why.code[0] == '\0')
			reason_set(&c->why, "install", "failed",
			    "dmvpn-gre did not take the SA");
		c->notify = IKE_N_NO_PROPOSAL_CHOSEN;
		return IKE_FAIL;
	}
	ike_out_begin(c->g, &o);
	ike_auth_put_own(s, &o, &r);
	ike_queue_answer(s, &o);
	ike_child_put_chosen(child, &o);
	ike_child_put_ts(child, &o);
	if (ike_send_answer(s, IKE_AUTH, &o) < 0)
		return refuse(c, "failed", "IKE_AUTH can not be built");
	s->in.child = NULL;
	ike_child_up(child);
	return IKE_OK;
}
