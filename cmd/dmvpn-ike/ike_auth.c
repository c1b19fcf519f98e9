#include "ike_int.h"
#include "ike_queue.h"

#include <errno.h>

/* IKE_AUTH as initiator.  RFC 7296, 1.2 and 2.15. */

#define AUTH_SHARE	3	/* of retry_total: then begin anew (IKE-19) */

static enum ike_result
refused(struct ike_ctx *c, const char *stage, const char *what)
{
	if (c->why.code[0] == '\0')
		reason_set(&c->why, stage, "failed", "%s", what);
	return IKE_FAIL;
}

/* Is there another IKE SA with this peer, or one on its way (RFC 7296, 2.4)?
 * Then we do not claim to have none. */
static bool
only_one(const struct ike_isa *s)
{
	const struct ike_isa *t;

	DL_FOREACH2(*ike_isas_at(s->g, &s->remote.addr), t, at_next)
		if (t != s && t->phase != IKE_DEAD && !t->dead_peer &&
		    addr_equal(&t->remote.addr, &s->remote.addr))
			return false;
	return !s->crossing;
}

/* Whom we want to talk to, when that is one identity and no pattern. */
static void
put_wanted_id(struct ike_isa *s, struct ike_out *o)
{
	const char *want = s->conn != NULL ? s->conn->set.peer_id : "";
	struct ident id;

	if (want[0] == '\0' || strpbrk(want, "*/") != NULL ||
	    ident_parse(want, &id, NULL) < 0)
		return;
	ike_put_id(&o->c, IKE_P_IDR, id.type, id.data, id.len);
}

/* NAT, or UDP encapsulation without one: go on at port 4500 (2.23). */
static void
float_port(struct ike_isa *s)
{
	if (!s->nat_local && !s->nat_remote && s->profile->set.raw_esp)
		return;
	s->local.port = IKE_PORT_NAT;
	if (s->remote.port == IKE_PORT)
		s->remote.port = IKE_PORT_NAT;
}

/* HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, SAi2, TSi, TSr} --> */
enum ike_result
ike_auth_signed(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	const struct pki_sign_reply *r = c->m;
	struct ike_out o;

	if (r == NULL)
		return refused(c, "ike-auth", "the agent does not sign");
	s->out.child = ike_csa_new(s, true, 0);
	if (s->out.child == NULL || ike_child_wish(s, s->out.child, NULL) < 0)
		return refused(c, "ike-auth", "out of memory");
	float_port(s);
	ike_out_begin(c->g, &o);
	ike_auth_put_own(s, &o, r);
	put_wanted_id(s, &o);
	if (only_one(s))
		ike_put_status(&o.c, IKE_N_INITIAL_CONTACT);
	ike_queue_offer(s, &o);
	ike_child_put_sa(s, s->out.child, &o, 0);
	ike_child_put_ts(s->out.child, &o);
	s->next_out = 1;
	if (ike_send_request(s, IKE_AUTH, &o, c->g->tune.retry_total /
	    AUTH_SHARE) < 0)
		return refused(c, "ike-auth", "IKE_AUTH can not be built");
	return IKE_OK;
}

static void
explain(struct ike_ctx *c, uint16_t type)
{
	static const struct { uint16_t type; const char *fix; } fixes[] = {
		{ IKE_N_AUTHENTICATION_FAILED, "its log says why: does it "
		  "trust our CA, is its clock right, does it want another "
		  "identity, or address blocks?" },
		{ IKE_N_NO_PROPOSAL_CHOSEN, "give both sides an ESP proposal "
		  "and a mode (transport or tunnel) in common" },
		{ IKE_N_TS_UNACCEPTABLE,
		  "the peer must allow our traffic selectors" },
	};
	struct ike_isa *s = c->isa;
	char text[IKE_PROPOSAL_TEXT];
	struct name_buf nb;
	size_t i, len = 0;

	reason_set(&c->why, "ike-auth", name_text(ike_notify_names, type,
	    &nb), "the peer refused with %s", name_text(ike_notify_names,
	    type, &nb));
	for (i = 0; i < sizeof(fixes) / sizeof(fixes[0]); i++)
		if (fixes[i].type == type)
			snprintf(c->why.fix, sizeof(c->why.fix), "%s",
			    fixes[i].fix);
	if (type == IKE_N_AUTHENTICATION_FAILED &&
	    s->profile->cred->method == PKI_METHOD_PSK)
		snprintf(c->why.fix, sizeof(c->why.fix),
		    "compare both sides' identities and PSK");
	if (type == IKE_N_NO_PROPOSAL_CHOSEN)
		for (i = 0; i < s->profile->n_esp &&
		    len < sizeof(c->why.offered); i++)
			len += (size_t)snprintf(&c->why.offered[len],
			    sizeof(c->why.offered) - len, "%s%s",
			    i > 0 ? "," : "", ike_proposal_text(
			    &s->profile->esp[i], text, sizeof(text)));
	else if (type == IKE_N_TS_UNACCEPTABLE && s->out.child != NULL)
		ike_ts_list(s->out.child->local, s->out.child->n_local,
		    c->why.offered, sizeof(c->why.offered));
	else
		ident_text(&s->profile->cred->id, c->why.offered,
		    sizeof(c->why.offered));
}

/* The peer believes in an IKE SA that is not to be: it is told so, and why
 * (0: nothing is said), once (RFC 7296, 2.21.2). */
static void
tell(struct ike_ctx *c, uint16_t why)
{
	struct ike_out o;

	ike_out_begin(c->g, &o);
	if (why != 0)
		ike_put_status(&o.c, why);
	ike_put_delete(&o.c, IKE_PROTO_IKE, NULL, 0);
	ike_send_request(c->isa, IKE_INFORMATIONAL, &o, 1);
}

/* No child, or an error: this try has failed. */
enum ike_result
ike_auth_refused(struct ike_ctx *c)
{
	uint16_t type = ike_in_error(c->in);

	if (type == 0)
		reason_set(&c->why, "ike-auth", "invalid-syntax",
		    "the peer's answer lacks payloads");
	else
		explain(c, type);
	if (c->in->present & P(AUTH))
		tell(c, 0);
	return IKE_FAIL;
}

/* The peer is who it says: check the child and install it. */
static enum ike_result
verified(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_auth_state *a = s->auth;
	struct ike_csa *child = s->out.child;

	if (ike_child_accept(c, child, ike_secret_view(a->sa),
	    ike_secret_view(a->tsi), ike_secret_view(a->tsr), a->transport,
	    true) == 0 && ike_peer_take(s, &c->e) == 0 &&
	    ike_child_install(s, false, child, rbuf_of(NULL, 0),
	    ike_secret_view(s->ni), ike_secret_view(s->nr), false, &c->e) !=
	    0)
		return IKE_OK;
	tell(c, 0);
	return refused(c, "ike-auth", c->e.msg);
}

enum ike_result
ike_auth_reply(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	enum ike_result rc;

	ike_auth_read_notifies(s, c->in);
	ike_queue_agreed(s);
	if (ike_auth_keep_child(s, c->in) < 0)
		return refused(c, "ike-auth", "out of memory");
	rc = ike_auth_verify(c, IKE_P_IDR);
	if (rc == IKE_FAIL)
		tell(c, IKE_N_AUTHENTICATION_FAILED);
	return rc == IKE_OK ? verified(c) : rc;
}

enum ike_result
ike_auth_checked(struct ike_ctx *c)
{
	const struct pki_sign_reply *r = c->m;

	if (r == NULL)
		return refused(c, "ike-auth", "the agent has no PSK for it");
	if (!ike_auth_psk_equal(c->isa, r)) {
		reason_set(&c->why, "ike-auth", "wrong-psk",
		    "the peer's AUTH does not verify: another PSK");
		snprintf(c->why.fix, sizeof(c->why.fix),
		    "compare the PSK files of both sides");
		ident_text(c->isa->ident, c->why.peer, sizeof(c->why.peer));
		tell(c, IKE_N_AUTHENTICATION_FAILED);
		return IKE_FAIL;
	}
	return verified(c);
}

enum ike_result
ike_auth_installed(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *child = s->out.child;

	if (c->m == NULL)
		return refused(c, "install", "dmvpn-gre did not take the SA");
	s->out.child = NULL;
	ike_child_up(child);
	return IKE_OK;
}
