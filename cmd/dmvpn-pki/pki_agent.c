#include "pki_agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>

#include "crypto/prf.h"
#include "msg/msg.h"
#include "pki_ring_crl.h"
#include "pki_ring_staple.h"
#include "wire/ike.h"

static int
refuse(struct reason *why, const char *stage, const char *code,
    const char *name, const char *text)
{
	reason_set(why, stage, code, "identity %s: %.300s", name, text);
	return -1;
}

/* ------------------------------------------------------------- public side */

/* Fill one list as far as the budget goes; false: something was left out. */
static bool
put_certs(const struct cert_set *s, struct rbuf *to, size_t max, size_t *n,
    size_t *budget)
{
	size_t i;

	for (i = 0; i < s->n && i < max; i++) {
		struct rbuf der = cert_der(s->v[i]);

		if (rbuf_left(&der) > *budget)
			return false;
		*budget -= rbuf_left(&der);
		to[(*n)++] = der;
	}
	return i == s->n;
}

int
pki_agent_identity(struct pki_ring *r, uid_t uid, int64_t wall,
    const struct pki_identity *in, struct pki_identity_reply *out,
    struct reason *why)
{
	struct pki_entry *n = pki_ring_find(r, in->identity, uid, why);
	size_t budget = PKI_AGENT_CERTS_MAX;
	bool all;

	if (n == NULL)
		return -1;
	memset(out, 0, sizeof(*out));
	snprintf(out->identity, sizeof(out->identity), "%s", n->name);
	out->method = n->method;
	out->id_type = n->id.type;
	out->id_data = rbuf_of(n->id.data, n->id.len);
	all = put_certs(&n->chain, out->chain, 8, &out->n_chain, &budget);
	all = put_certs(&n->anchors, out->anchors, 16, &out->n_anchors,
	    &budget) && all;
	out->more = !all;
	out->crls = (uint8_t)n->n_crls;
	out->staple = pki_ring_stapled(n, wall);
	return 0;
}

int
pki_agent_staple(struct pki_ring *r, uid_t uid, int64_t wall,
    const struct pki_staple *in, struct pki_staple_reply *out,
    struct reason *why)
{
	struct pki_entry *n = pki_ring_find(r, in->identity, uid, why);

	if (n == NULL)
		return -1;
	memset(out, 0, sizeof(*out));
	if (pki_ring_stapled(n, wall))
		out->data = rbuf_of(n->staple->b, n->staple->len);
	return 0;
}

int
pki_agent_cert(struct pki_ring *r, uid_t uid,
    const struct pki_certificate *in, struct pki_certificate_reply *out,
    struct reason *why)
{
	struct pki_entry *n = pki_ring_find(r, in->identity, uid, why);
	const struct cert_set *s;

	if (n == NULL)
		return -1;
	memset(out, 0, sizeof(*out));
	s = in->anchor ? &n->anchors : &n->chain;
	if (in->index < s->n)
		out->certificate = cert_der(s->v[in->index]);
	return 0;
}

int
pki_agent_crl(struct pki_ring *r, uid_t uid, const struct pki_crl *in,
    struct pki_crl_reply *out, struct reason *why)
{
	struct pki_entry *n = pki_ring_find(r, in->identity, uid, why);

	if (n == NULL)
		return -1;
	pki_ring_crl_read(n, in->index, in->offset, out);
	return 0;
}

void
pki_agent_list(const struct pki_ring *r, struct pki_identities *out)
{
	const struct pki_entry *n;

	memset(out, 0, sizeof(*out));
	for (n = r->entries; n != NULL && out->n_items < PKI_RING_MAX;
	    n = n->next)
		snprintf(out->items[out->n_items++], sizeof(out->items[0]),
		    "%s", n->name);
}

/* ------------------------------------------------------------------ to sign */

/* The first message of an IKE SA, either way (RFC 7296, 1.2 and 3.1). */
static int
check_header(const struct ike_header *h, struct err *e)
{
	if (h->major != 2)
		return err_set(e, EBADMSG, "IKE version %u", h->major);
	if (h->exchange != IKE_SA_INIT)
		return err_set(e, EBADMSG, "exchange %u is not IKE_SA_INIT",
		    h->exchange);
	if (h->id != 0)
		return err_set(e, EBADMSG, "message id %u", h->id);
	if (h->spi_i == 0)
		return err_set(e, EBADMSG, "no initiator SPI");
	if (!(h->flags & IKE_FLAG_INITIATOR) == !(h->flags & IKE_FLAG_RESPONSE))
		return err_set(e, EBADMSG, "flags 0x%02x", h->flags);
	if (h->flags & IKE_FLAG_RESPONSE && h->spi_r == 0)
		return err_set(e, EBADMSG, "a response without SPI");
	return 0;
}

int
pki_agent_check(struct rbuf message, struct rbuf *nonce, struct err *e)
{
	struct ike_header h;
	struct ike_walk w;
	struct ike_payload p;
	unsigned sa = 0, ke = 0, n = 0;
	int rc;

	if (ike_header_parse(&message, &h, e) < 0 || check_header(&h, e) < 0)
		return err_in(e, "not an IKE_SA_INIT");
	w = ike_walk_of(h.next, message);
	while ((rc = ike_walk_next(&w, &p, e)) == 1) {
		sa += p.type == IKE_P_SA;
		ke += p.type == IKE_P_KE;
		if (p.type == IKE_P_SK || p.type == IKE_P_SKF)
			return err_set(e, EBADMSG, "not an IKE_SA_INIT: it is "
			    "encrypted");
		if (p.type != IKE_P_NONCE)
			continue;
		if (n++ > 0 || ike_nonce_parse(p.body, nonce, e) < 0)
			return err_set(e, EBADMSG, "not an IKE_SA_INIT: its "
			    "nonce");
	}
	if (rc < 0)
		return err_in(e, "not an IKE_SA_INIT");
	if (sa != 1 || ke != 1 || n != 1)
		return err_set(e, EBADMSG, "not an IKE_SA_INIT: %u SA, %u KE, "
		    "%u nonces", sa, ke, n);
	return 0;
}

/* One message, one use. */
static int
check_fresh(struct pki_entry *n, struct rbuf nonce, struct reason *why)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	SHA256(nonce.p, rbuf_left(&nonce), hash);
	switch (pki_seen_add(&n->seen, hash)) {
	case 0:
		return 0;
	case 1:
		return refuse(why, "sign", "replayed", n->name, "this nonce "
		    "was signed before");
	default:
		return refuse(why, "sign", "failed", n->name, "out of memory");
	}
}

static bool
is_prf_length(size_t len)
{
	return len == 16 || len == 20 || len == 32 || len == 48 || len == 64;
}

int
pki_agent_sign(struct pki_ring *r, uid_t uid, uint64_t now,
    const struct pki_sign *in, struct wbuf *room,
    struct pki_sign_reply *out, struct reason *why)
{
	struct pki_entry *n = pki_ring_find(r, in->identity, uid, why);
	struct sign_parts parts = { 3, { in->message, in->nonce, in->mac } };
	struct rbuf nonce;
	struct err e;

	if (n == NULL)
		return -1;
	if (n->method != PKI_METHOD_CERTIFICATE)
		return refuse(why, "sign", "invalid", n->name, "it is a PSK");
	if (pki_agent_check(in->message, &nonce, &e) < 0)
		return refuse(why, "sign", "invalid", n->name, e.msg);
	if (!is_prf_length(rbuf_left(&in->mac)))
		return refuse(why, "sign", "invalid", n->name, "the MAC is of "
		    "no PRF's length");
	if (!pki_ring_take(r, n, now, PKI_COST_SIGN))
		return refuse(why, "sign", "busy", n->name, "too many "
		    "signatures a second");
	if (check_fresh(n, nonce, why) < 0)
		return -1;
	if (sign_make(n->key, in->hashes, in->n_hashes, n->pss, &parts,
	    &out->method, room, &e) < 0)
		return refuse(why, "sign", "unsupported", n->name, e.msg);
	out->auth = wbuf_rbuf(room);
	return 0;
}

/* --------------------------------------------------------------------- PSK */

/* The PSK for this very peer, else the one whose pattern fits, else the one
 * for any. */
static const struct secret *
psk_for(const struct pki_entry *n, const struct pki_psk *in)
{
	const struct secret *any = NULL, *pattern = NULL;
	struct ident id, one;
	size_t i;

	if (ident_of(in->peer_id_type, in->peer_id, &id, NULL) < 0)
		memset(&id, 0, sizeof(id));
	for (i = 0; i < n->n_psks; i++) {
		const struct pki_psk_entry *p = &n->psks[i];

		if (p->peer[0] == '\0')
			any = p->psk;
		else if (id.type == 0 || !ident_matches(&id, p->peer))
			continue;
		else if (ident_parse(p->peer, &one, NULL) == 0 &&
		    ident_equal(&id, &one))
			return p->psk;
		else
			pattern = p->psk;
	}
	return pattern != NULL ? pattern : any;
}

int
pki_agent_psk(struct pki_ring *r, uid_t uid, uint64_t now,
    const struct pki_psk *in, struct wbuf *room,
    struct pki_sign_reply *out, struct reason *why)
{
	struct pki_entry *n = pki_ring_find(r, in->identity, uid, why);
	size_t len = prf_len(in->prf);
	static const uint8_t nobody[32];
	const struct secret *psk;
	struct rbuf nonce, key;
	struct err e;
	uint8_t *to;

	if (n == NULL)
		return -1;
	if (n->method != PKI_METHOD_PSK)
		return refuse(why, "psk", "invalid", n->name, "it is a "
		    "certificate");
	if (len == 0 || rbuf_left(&in->mac) != len)
		return refuse(why, "psk", "invalid", n->name, "unknown PRF, "
		    "or a MAC of another length");
	if (pki_agent_check(in->message, &nonce, &e) < 0)
		return refuse(why, "psk", "invalid", n->name, e.msg);
	if (!pki_ring_take(r, n, now, PKI_COST_PSK))
		return refuse(why, "psk", "busy", n->name, "too many requests "
		    "a second");
	/* a peer that has no PSK costs the same work as one that has */
	psk = psk_for(n, in);
	key = psk != NULL ? rbuf_of(psk->b, psk->len) :
	    rbuf_of(nobody, sizeof(nobody));
	to = wbuf_grab(room, len);
	if (to == NULL || prf_psk_auth(in->prf, key, in->message, in->nonce,
	    in->mac, to, &e) < 0)
		return refuse(why, "psk", "failed", n->name, "the PRF failed");
	if (psk == NULL)
		return refuse(why, "psk", "not-found", n->name, "no PSK for "
		    "this peer");
	out->method = SIGN_PSK;
	out->auth = wbuf_rbuf(room);
	return 0;
}
