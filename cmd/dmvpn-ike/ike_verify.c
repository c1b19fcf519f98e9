#include "ike_int.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/prf.h"
#include "crypto/sign.h"
#include "crypto/verdict.h"

/* What both sides of IKE_AUTH need: identities, MACs, AUTH, certificates. */

static void
id_body(const struct ident *id, struct wbuf *w)
{
	wbuf_u8(w, id->type);
	wbuf_zero(w, 3);
	wbuf_put(w, id->data, id->len);
}

/* prf(SK_px, ID payload body), RFC 7296, 2.15 */
int
ike_auth_mac(struct ike_isa *s, bool of_initiator, struct rbuf body,
    uint8_t *out, struct err *e)
{
	const uint8_t *key = of_initiator ? s->auth->proof.pi :
	    s->auth->proof.pr;

	return prf_make(s->suite.prf, rbuf_of(key, sk_kept_prf_len(s->keys)), &body, 1,
	    out, e);
}

static const struct secret *
own_nonce(const struct ike_isa *s)
{
	return s->initiator ? s->ni : s->nr;
}

static const struct secret *
peer_nonce(const struct ike_isa *s)
{
	return s->initiator ? s->nr : s->ni;
}

/* Which PSK: the peer's identity, or whom the connection expects. */
static bool
psk_peer(const struct ike_isa *s, struct ident *id)
{
	if (s->ident != NULL)
		return ident_of(s->ident->type, rbuf_of(s->ident->data,
		    s->ident->len), id, NULL) == 0;
	return s->conn != NULL && s->conn->set.peer_id[0] != '\0' &&
	    strpbrk(s->conn->set.peer_id, "*/") == NULL &&
	    ident_parse(s->conn->set.peer_id, id, NULL) == 0;
}

static uint64_t
ask_psk(struct ike_isa *s, bool in, const struct secret *message,
    const struct secret *nonce, const uint8_t *mac)
{
	struct pki_psk m = { .prf = s->suite.prf };
	struct ident id;

	snprintf(m.identity, sizeof(m.identity), "%s",
	    s->profile->set.identity);
	if (psk_peer(s, &id) && id.len <= 255) {
		m.peer_id_type = id.type;
		m.peer_id = rbuf_of(id.data, id.len);
	}
	m.message = ike_secret_view(message);
	m.nonce = ike_secret_view(nonce);
	m.mac = rbuf_of(mac, sk_kept_prf_len(s->keys));
	return ike_call(s->g, s, in, &pki_psk_type, &m);
}

/* Ask the agent for our AUTH. */
uint64_t
ike_auth_sign(struct ike_isa *s, bool in)
{
	struct ike_auth_state *a = s->auth;
	struct pki_sign m = { 0 };
	uint8_t octets[IDENT_MAX + 4];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	size_t i;

	id_body(&s->profile->cred->id, &w);
	if (!wbuf_ok(&w) || ike_auth_mac(s, s->initiator, wbuf_rbuf(&w),
	    a->own, NULL) < 0)
		return 0;
	if (s->profile->cred->method == PKI_METHOD_PSK)
		return ask_psk(s, in, a->init_own, peer_nonce(s), a->own);
	snprintf(m.identity, sizeof(m.identity), "%s",
	    s->profile->set.identity);
	m.message = ike_secret_view(a->init_own);
	m.nonce = ike_secret_view(peer_nonce(s));
	m.mac = rbuf_of(a->own, sk_kept_prf_len(s->keys));
	for (i = 0; i < a->n_hashes && i < 8; i++)
		m.hashes[m.n_hashes++] = a->hashes[i];
	return ike_call(s->g, s, in, &pki_sign_type, &m);
}

/* Ask it what the peer's AUTH must be. */
uint64_t
ike_auth_ask_psk(struct ike_isa *s, bool in)
{
	return ask_psk(s, in, s->auth->init_peer, own_nonce(s),
	    s->auth->peer);
}

bool
ike_auth_psk_equal(struct ike_isa *s, const struct pki_sign_reply *r)
{
	const struct secret *got = s->auth->peer_auth;

	return got != NULL && rbuf_left(&r->auth) == got->len &&
	    got->len == sk_kept_prf_len(s->keys) &&
	    secret_equal(r->auth.p, got->b, got->len);
}

static enum ike_result
auth_fail(struct ike_ctx *c, const char *code, const char *text)
{
	if (c->why.code[0] == '\0')
		reason_set(&c->why, "ike-auth", code, "%s", text);
	if (c->isa->ident != NULL && c->why.peer[0] == '\0')
		ident_text(c->isa->ident, c->why.peer, sizeof(c->why.peer));
	c->notify = IKE_N_AUTHENTICATION_FAILED;
	return IKE_FAIL;
}

/* Identity and AUTH of the peer are kept; its MAC is made. */
int
ike_auth_keep_peer(struct ike_isa *s, const struct ike_in *in,
    uint8_t id_payload, struct ike_ctx *c)
{
	struct ident who;
	struct ike_id id;
	struct ike_auth auth;

	free((void *)(uintptr_t)s->ident);
	s->ident = NULL;
	if (ike_id_parse(ike_in_body(in, id_payload), &id, &c->e) < 0 ||
	    ident_of(id.type, id.data, &who, &c->e) < 0 ||
	    ike_auth_parse(ike_in_body(in, IKE_P_AUTH), &auth, &c->e) < 0 ||
	    (s->ident = ident_keep(&who)) == NULL) {
		auth_fail(c, "bad-identity", c->e.msg);
		return -1;
	}
	secret_free(s->auth->peer_auth);
	s->auth->peer_auth = secret_copy(auth.data.p, rbuf_left(&auth.data));
	s->psk = auth.method == IKE_AUTH_PSK;
	if (s->auth->peer_auth == NULL || ike_auth_mac(s, !s->initiator,
	    id.body, s->auth->peer, &c->e) < 0) {
		auth_fail(c, "failed", "out of memory");
		return -1;
	}
	return 0;
}

/* ---- certificates ---- */

/* The first is the peer's own. */
static int
add_cert(struct cert_set *chain, struct rbuf der, struct err *e)
{
	struct cert *c;
	int rc;

	if (chain->n > 0)
		return cert_set_add_der(chain, der, e);
	if ((c = cert_parse_leaf(der, e)) == NULL)
		return -1;
	rc = cert_set_add(chain, c, e);
	cert_free(c);
	return rc;
}

static int
read_chain(const struct ike_in *in, struct cert_set *chain, struct err *e)
{
	struct ike_cert c;
	size_t i;

	for (i = 0; i < in->n_certs; i++) {
		if (ike_cert_parse(in->certs[i], &c, e) < 0)
			return -1;
		if (c.encoding == IKE_CERT_X509 &&
		    add_cert(chain, c.data, e) < 0)
			return -1;
	}
	return chain->n > 0 ? 0 :
	    err_set(e, ENOENT, "the peer sent no certificate");
}

static int
keep_blocks(struct ike_isa *s, const struct blocks *b)
{
	const size_t len = offsetof(struct blocks, v) + b->n *
	    sizeof(b->v[0]);
	void *kept;

	if (!b->present)
		return 0;
	if ((kept = malloc(len)) == NULL)
		return -1;
	memcpy(kept, b, len);
	free((void *)(uintptr_t)s->blocks);
	s->blocks = kept;	/* no longer than it is: only to be read */
	return 0;
}

int
ike_auth_judge(struct ike_isa *s, const struct cert_set *chain,
    const struct ike_stapled *ocsp, struct reason *why)
{
	const struct ike_profile *p = s->profile;
	const char *patterns[17] = { NULL };
	struct verdict_ask ask = { .leaf = chain->v[0], .others = chain,
	    .anchors = &p->cred->anchors, .crls = &p->cred->crls,
	    .at = s->g->wall, .id = s->ident, .patterns = patterns,
	    .allow_weak = p->set.allow_weak,
	    .need_blocks = p->set.need_blocks, .need_crl = p->set.need_crl,
	    .ocsp = ocsp->response, .ocsp_at = ocsp->at,
	    .need_ocsp = p->set.ocsp == IKE_OCSP_NEED };
	struct verdict *v = calloc(1, sizeof(*v));
	size_t i;
	int rc = -1;

	if (v == NULL)
		return -1;
	for (i = 0; i < p->set.n_peer_ids && i < 16; i++)
		patterns[i] = p->set.peer_ids[i];
	verdict_make(&ask, v);
	if (v->code == VERDICT_OK)
		rc = keep_blocks(s, &v->blocks);
	else
		verdict_reason(v, "ike-auth", why);
	verdict_fini(v);
	free(v);
	return rc;
}

static int
verify_signature(struct ike_ctx *c, const struct cert *leaf, uint8_t method)
{
	struct ike_isa *s = c->isa;
	struct sign_parts parts = { .n = 3 };

	parts.v[0] = ike_secret_view(s->auth->init_peer);
	parts.v[1] = ike_secret_view(own_nonce(s));
	parts.v[2] = rbuf_of(s->auth->peer, sk_kept_prf_len(s->keys));
	return sign_verify(leaf, method, ike_secret_view(s->auth->peer_auth),
	    &parts, s->profile->set.allow_weak, &c->e);
}

static enum ike_result
verify_certificate(struct ike_ctx *c, uint8_t method)
{
	struct ike_stapled ocsp = ike_staple_of(c->isa, c->in);
	struct cert_set chain = { 0 };
	enum ike_result rc;

	if (read_chain(c->in, &chain, &c->e) < 0)
		rc = auth_fail(c, "no-certificate", c->e.msg);
	else if (ike_auth_judge(c->isa, &chain, &ocsp, &c->why) < 0 ||
	    ike_kept_take(c->isa, &chain, &ocsp) < 0)
		rc = auth_fail(c, "failed", "out of memory");
	else if (verify_signature(c, chain.v[0], method) < 0)
		rc = auth_fail(c, "bad-signature", c->e.msg);
	else
		rc = IKE_OK;
	cert_set_fini(&chain);
	return rc;
}

/* ---- who it is ---- */

/* Is this whom we expect?  The profile's patterns, then the connection's. */
static enum ike_result
check_name(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	const char *want = s->conn != NULL ? s->conn->set.peer_id : "";

	if (!ike_profile_admits(s->profile, s->ident) ||
	    (want[0] != '\0' && !ident_matches(s->ident, want))) {
		reason_set(&c->why, "ike-auth", "wrong-name",
		    "the peer is not whom we expect");
		ident_text(s->ident, c->why.offered, sizeof(c->why.offered));
		snprintf(c->why.wanted, sizeof(c->why.wanted), "%s",
		    want[0] != '\0' ? want : s->profile->set.n_peer_ids > 0 ?
		    s->profile->set.peer_ids[0] : "");
		return auth_fail(c, "wrong-name", "");
	}
	return IKE_OK;
}

/* OK: verified.  WAIT: the agent is asked.  Identity and AUTH are kept. */
enum ike_result
ike_auth_verify(struct ike_ctx *c, uint8_t id_payload)
{
	struct ike_isa *s = c->isa;
	struct ike_auth auth;
	struct name_buf nb;
	bool psk = s->profile->cred->method == PKI_METHOD_PSK;

	if (ike_auth_keep_peer(s, c->in, id_payload, c) < 0)
		return IKE_FAIL;
	if (check_name(c) != IKE_OK)
		return IKE_FAIL;
	ike_auth_parse(ike_in_body(c->in, IKE_P_AUTH), &auth, NULL);
	if (s->psk != psk) {
		reason_set(&c->why, "ike-auth", "wrong-method",
		    "the peer authenticates in another way than we do");
		snprintf(c->why.offered, sizeof(c->why.offered), "%s",
		    name_text(ike_auth_names, auth.method, &nb));
		snprintf(c->why.wanted, sizeof(c->why.wanted), "%s",
		    psk ? "psk" : "certificate");
		return auth_fail(c, "wrong-method", "");
	}
	if (!psk)
		return verify_certificate(c, auth.method);
	if (ike_auth_ask_psk(s, c->x == &s->in) == 0)
		return auth_fail(c, "failed", "out of memory");
	return IKE_WAIT;
}

/* ---- what we say of ourselves ---- */

void
ike_auth_put_certreq(const struct ike_profile *p, struct ike_out *o)
{
	const struct ike_cred *k = p->cred;
	uint8_t hash[20];
	size_t i;

	ike_put(&o->c, IKE_P_CERTREQ);
	wbuf_u8(&o->w, IKE_CERT_X509);
	for (i = 0; i < k->anchors.n; i++) {
		cert_key_hash(k->anchors.v[i], hash);
		wbuf_put(&o->w, hash, sizeof(hash));
	}
	ike_put_end(&o->c);
	ike_staple_ask(p, o);
}

/* ID, certificates below the root, AUTH. */
void
ike_auth_put_own(struct ike_isa *s, struct ike_out *o,
    const struct pki_sign_reply *r)
{
	const struct ike_cred *k = s->profile->cred;
	struct rbuf der;
	size_t i;

	ike_put_id(&o->c, s->initiator ? IKE_P_IDI : IKE_P_IDR, k->id.type,
	    k->id.data, k->id.len);
	for (i = 0; i < k->chain.n && k->method == PKI_METHOD_CERTIFICATE;
	    i++) {
		if (i > 0 && cert_self_signed(k->chain.v[i]))
			continue;
		der = cert_der(k->chain.v[i]);
		ike_put_cert(&o->c, IKE_P_CERT, IKE_CERT_X509, der.p,
		    rbuf_left(&der));
	}
	ike_staple_put(s, o);
	if (s->initiator && k->method == PKI_METHOD_CERTIFICATE)
		ike_auth_put_certreq(s->profile, o);
	ike_put_auth(&o->c, r->method, r->auth.p, rbuf_left(&r->auth));
}

/* The child's payloads wait until the peer is known. */
int
ike_auth_keep_child(struct ike_isa *s, const struct ike_in *in)
{
	static const uint8_t types[] = { IKE_P_SA, IKE_P_TSI, IKE_P_TSR };
	struct secret **to[] = { &s->auth->sa, &s->auth->tsi, &s->auth->tsr };
	struct rbuf body;
	size_t i;

	for (i = 0; i < 3; i++) {
		body = ike_in_body(in, types[i]);
		secret_free(*to[i]);
		*to[i] = secret_copy(body.p, rbuf_left(&body));
		if (*to[i] == NULL)
			return -1;
	}
	return 0;
}

void
ike_auth_read_notifies(struct ike_isa *s, const struct ike_in *in)
{
	s->auth->transport = ike_in_notify(in, IKE_N_USE_TRANSPORT_MODE) !=
	    NULL;
	s->auth->ocsp_wanted = s->auth->ocsp_wanted || in->ocsp_wanted;
	s->auth->initial_contact = ike_in_notify(in, IKE_N_INITIAL_CONTACT) !=
	    NULL;
	s->auth->resources = ike_in_notify(in, IKE_N_SA_RESOURCE_INFO) !=
	    NULL;
}
