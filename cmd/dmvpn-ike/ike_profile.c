#include "ike_int.h"

#include <errno.h>
#include <stdlib.h>

/* Profiles, and the credentials that they name. */

/* What we offer and accept when a profile says nothing.  Every current
 * charon, libreswan and Cisco IOS takes one of these. */
static const char *const default_ike[] = {
	"aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-"
	    "prfsha512-x25519-ecp256-ecp384-modp2048-modp3072-modp4096",
	"aes256-aes128-sha256-sha384-sha512-x25519-ecp256-ecp384-modp2048-"
	    "modp3072-modp4096",
};
/* PFS when the peer asks for it. */
static const char *const default_esp[] = {
	"aes256gcm16-aes128gcm16-chacha20poly1305-modpnone-x25519-ecp256-"
	    "ecp384-modp2048-modp3072-modp4096",
	"aes256-aes128-sha256-modpnone-x25519-ecp256-ecp384-modp2048-"
	    "modp3072-modp4096",
};

struct ike_profile *
ike_profile_find(struct ike_engine *g, const char *name)
{
	struct ike_profile *p;

	LL_FOREACH(g->profiles, p)
		if (!p->gone && strcmp(p->set.profile, name) == 0)
			return p;
	return NULL;
}

struct ike_profile *
ike_profile_accepting(struct ike_engine *g, const struct addr *local,
    struct ike_profile *after)
{
	struct ike_profile *p = after == NULL ? g->profiles : after->next;

	for (; p != NULL; p = p->next)
		if (!p->gone && p->set.accept && p->cred->ready &&
		    (p->set.local.len == 0 || local->len == 0 ||
		    addr_equal(&p->set.local, local)))
			return p;
	return NULL;
}

bool
ike_profile_admits(const struct ike_profile *p, const struct ident *id)
{
	size_t i;

	for (i = 0; i < p->set.n_peer_ids; i++)
		if (ident_matches(id, p->set.peer_ids[i]))
			return true;
	return p->set.n_peer_ids == 0;
}

void
ike_profile_release(struct ike_engine *g, struct ike_profile *p)
{
	if (!p->gone || p->users > 0)
		return;
	LL_DELETE(g->profiles, p);
	free(p);
}

void
ike_profile_free_all(struct ike_engine *g)
{
	struct ike_profile *p;
	struct ike_cred *k;

	while ((p = g->profiles) != NULL) {
		LL_DELETE(g->profiles, p);
		free(p);
	}
	while ((k = g->creds) != NULL) {
		LL_DELETE(g->creds, k);
		cert_set_fini(&k->chain);
		cert_set_fini(&k->anchors);
		secret_free(k->staple);
		ike_crl_fini(g, k);
		free(k);
	}
}

/* ---- the agent's identities ---- */

void
ike_cred_call(struct ike_engine *g, struct ike_cred *k,
    const struct msg_type *t, const void *m)
{
	struct ike_wait *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		g->counters[IKE_C_NO_MEMORY]++;
		return;
	}
	w->ticket = k->ticket = ++g->last_ticket;
	snprintf(w->cred, sizeof(w->cred), "%s", k->name);
	HASH_ADD(hh, g->waits, ticket, sizeof(w->ticket), w);
	k->asking = true;
	g->ops.call(g->ops.arg, w->ticket, t, m);
}

void
ike_cred_ask(struct ike_engine *g, struct ike_cred *k)
{
	struct pki_identity m = { 0 };

	snprintf(m.identity, sizeof(m.identity), "%s", k->name);
	k->paging = k->stapling = false;
	ike_crl_stop(k);
	ike_cred_call(g, k, &pki_identity_type, &m);
}

static void
ask_certificate(struct ike_engine *g, struct ike_cred *k)
{
	struct pki_certificate m = { .anchor = k->more_anchors,
	    .index = k->more_index };

	snprintf(m.identity, sizeof(m.identity), "%s", k->name);
	k->paging = true;
	ike_cred_call(g, k, &pki_certificate_type, &m);
}

static struct ike_cred *
cred_get(struct ike_engine *g, const char *name)
{
	struct ike_cred *k;

	LL_FOREACH(g->creds, k)
		if (strcmp(k->name, name) == 0)
			return k;
	k = calloc(1, sizeof(*k));
	if (k == NULL || ike_crl_init(g, k) < 0) {
		free(k);
		return NULL;
	}
	snprintf(k->name, sizeof(k->name), "%s", name);
	reason_set(&k->why, "agent", "no-identity",
	    "the agent has not told identity %s yet", name);
	LL_APPEND(g->creds, k);
	return k;
}

void
ike_cred_ready(struct ike_engine *g, struct ike_cred *k)
{
	struct ike_conn *c;

	k->ready = true;
	LL_FOREACH(g->conns, c)
		if (c->profile != NULL && c->profile->cred == k &&
		    c->isa == NULL)
			ike_timer_set(g, &c->retry, g->now);
	ike_peers_restate(g);
}

void
ike_cred_fail(struct ike_engine *g, struct ike_cred *k, const char *why)
{
	reason_set(&k->why, "agent", "no-identity", "%s", why);
	ike_note(g, true, "identity-failed", NULL, why);
}

static int
take_lists(struct ike_cred *k, const struct pki_identity_reply *r,
    struct err *e)
{
	size_t i;

	cert_set_fini(&k->chain);
	cert_set_fini(&k->anchors);
	memset(&k->chain, 0, sizeof(k->chain));
	memset(&k->anchors, 0, sizeof(k->anchors));
	for (i = 0; i < r->n_chain; i++)
		if (cert_set_add_der(&k->chain, r->chain[i], e) < 0)
			return -1;
	for (i = 0; i < r->n_anchors; i++)
		if (cert_set_add_der(&k->anchors, r->anchors[i], e) < 0)
			return -1;
	return 0;
}

static void
take_identity(struct ike_engine *g, struct ike_cred *k,
    const struct pki_identity_reply *r)
{
	struct err e = { 0 };

	k->method = r->method;
	k->n_crls = r->crls;
	k->has_staple = r->staple;
	memset(&k->id, 0, sizeof(k->id));
	if (take_lists(k, r, &e) < 0) {
		ike_cred_fail(g, k, e.msg);
		return;
	}
	if (rbuf_left(&r->id_data) > 0) {
		if (ident_of(r->id_type, r->id_data, &k->id, &e) < 0) {
			ike_cred_fail(g, k, e.msg);
			return;
		}
	} else if (k->chain.n > 0 && cert_ident(k->chain.v[0], &k->id, &e) <
	    0) {
		ike_cred_fail(g, k, e.msg);
		return;
	}
	if (k->id.type == 0) {
		ike_cred_fail(g, k, "the agent's identity has no IKE ID");
		return;
	}
	if (r->more) {
		k->more_anchors = false;
		k->more_index = (uint8_t)k->chain.n;
		ask_certificate(g, k);
		return;
	}
	ike_staple_begin(g, k);
}

static void
take_certificate(struct ike_engine *g, struct ike_cred *k,
    const struct pki_certificate_reply *r)
{
	struct cert_set *set = k->more_anchors ? &k->anchors : &k->chain;
	struct err e = { 0 };

	if (rbuf_left(&r->certificate) > 0) {
		if (cert_set_add_der(set, r->certificate, &e) < 0) {
			ike_cred_fail(g, k, e.msg);
			return;
		}
		k->more_index++;
	} else if (!k->more_anchors) {
		k->more_anchors = true;
		k->more_index = (uint8_t)k->anchors.n;
	} else {
		ike_staple_begin(g, k);
		return;
	}
	ask_certificate(g, k);
}

/* Does a profile want it still? */
static bool
wanted(const struct ike_engine *g, const struct ike_cred *k)
{
	const struct ike_profile *p;

	LL_FOREACH(g->profiles, p)
		if (p->cred == k && !p->gone)
			return true;
	return false;
}

/* What was asked before the last question is out of date, and may be of
 * another type. */
void
ike_cred_answer(struct ike_engine *g, const char *name, uint64_t ticket,
    const void *m, const struct reason *why)
{
	struct ike_cred *k = cred_get(g, name);

	if (k == NULL || k->ticket != ticket)
		return;
	k->asking = false;
	if (m == NULL) {
		ike_crl_stop(k);
		if (!k->ready && why != NULL)
			k->why = *why;
		if (wanted(g, k))
			ike_note(g, true, "identity-failed", NULL,
			    why != NULL ? why->text :
			    "the agent does not answer");
		return;
	}
	if (ike_crl_reading(k))
		ike_crl_answer(g, k, m);
	else if (k->stapling)
		ike_staple_answer(g, k, m);
	else if (k->paging)
		take_certificate(g, k, m);
	else
		take_identity(g, k, m);
}

void
ike_engine_agent_up(struct ike_engine *g, uint64_t now, int64_t wall)
{
	struct ike_cred *k;

	g->now = now;
	g->wall = wall;
	LL_FOREACH(g->creds, k)
		ike_cred_ask(g, k);
}

/* ---- profiles ---- */

/* ESP algorithms that dmvpn-gre has. */
static int
check_esp(const struct ike_proposal *p, struct err *e)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if ((p->t[i].type == IKE_T_ENCR && p->t[i].key_bits == 192) ||
		    (p->t[i].type == IKE_T_INTEG &&
		    p->t[i].id != IKE_INTEG_HMAC_SHA256_128))
			return err_set(e, EINVAL, "ESP has aes128, aes256 "
			    "with sha256, aes128gcm16, aes256gcm16 and "
			    "chacha20poly1305");
	return 0;
}

int
ike_profile_allows(const struct ike_proposal *p, bool weak, struct err *e)
{
	char text[IKE_PROPOSAL_TEXT];

	if (!weak && ike_proposal_weak(p))
		return err_set(e, EINVAL, "proposal \"%s\" is weak; "
		    "allow-weak admits it", ike_proposal_text(p, text,
		    sizeof(text)));
	return p->protocol == IKE_PROTO_ESP ? check_esp(p, e) : 0;
}

static int
parse_list(const char *const *text, size_t n, uint8_t protocol, bool weak,
    struct ike_proposal *out, size_t *n_out, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ike_proposal_parse(text[i], protocol, &out[i], e) < 0 ||
		    ike_profile_allows(&out[i], weak, e) < 0)
			return -1;
	*n_out = n;
	return 0;
}

static int
parse_proposals(struct ike_profile *p, struct err *e)
{
	const struct ike_profile_set *s = &p->set;
	const char *ike[8], *esp[8];
	size_t i;

	for (i = 0; i < s->n_proposals; i++)
		ike[i] = s->proposals[i];
	for (i = 0; i < s->n_esp_proposals; i++)
		esp[i] = s->esp_proposals[i];
	if (parse_list(s->n_proposals > 0 ? ike : default_ike,
	    s->n_proposals > 0 ? s->n_proposals : 2, IKE_PROTO_IKE,
	    s->allow_weak, p->ike, &p->n_ike, e) < 0 ||
	    parse_list(s->n_esp_proposals > 0 ? esp : default_esp,
	    s->n_esp_proposals > 0 ? s->n_esp_proposals : 2, IKE_PROTO_ESP,
	    s->allow_weak, p->esp, &p->n_esp, e) < 0)
		return -1;
	return 0;
}

int
ike_engine_profile_set(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct ike_profile_set *set, struct reason *why)
{
	struct ike_profile *old = ike_profile_find(g, set->profile), *p;
	struct ike_conn *c;
	struct err e = { 0 };

	g->now = now;
	g->wall = wall;
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		reason_set(why, "profile", "failed", "out of memory");
		return -1;
	}
	p->set = *set;
	p->cred = cred_get(g, set->identity);
	if (p->cred == NULL || parse_proposals(p, &e) < 0) {
		reason_set(why, "profile", "invalid", "%s", p->cred == NULL ?
		    "out of memory" : e.msg);
		free(p);
		return -1;
	}
	LL_APPEND(g->profiles, p);
	LL_FOREACH(g->conns, c)
		if (strcmp(c->set.profile, set->profile) == 0)
			c->profile = p;
	if (old != NULL) {	/* SAs that are up keep the old one */
		old->gone = true;
		ike_profile_release(g, old);
	}
	if (!p->cred->ready && !p->cred->asking)
		ike_cred_ask(g, p->cred);
	else if (p->cred->ready)
		ike_cred_ready(g, p->cred);
	ike_peers_restate(g);
	return 0;
}

int
ike_engine_profile_delete(struct ike_engine *g, uint64_t now, int64_t wall,
    const struct ike_profile_delete *m, struct reason *why)
{
	struct ike_profile *p = ike_profile_find(g, m->profile);
	struct ike_isa *s;
	struct ike_conn *c;

	g->now = now;
	g->wall = wall;
	if (p == NULL) {
		reason_set(why, "profile", "not-found",
		    "there is no profile %s", m->profile);
		return -1;
	}
	p->gone = true;
	LL_FOREACH(g->conns, c)
		if (c->profile == p)
			c->profile = NULL;
	p->users++;
	DL_FOREACH(g->isas, s)
		if (s->profile == p && s->phase == IKE_UP)
			ike_task_add(s, IKE_DO_DELETE, 0, 0);
	p->users--;
	ike_profile_release(g, p);
	ike_isa_sweep(g);
	return 0;
}
