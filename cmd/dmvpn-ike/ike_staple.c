#include "ike_int.h"

#include <stdlib.h>

/* OCSP responses inside IKE (RFC 4806): who wants one sends a CERTREQ of that
 * encoding, who has one sends it as a CERT. */

/* ---- ours, from the agent ---- */

void
ike_staple_begin(struct ike_engine *g, struct ike_cred *k)
{
	struct pki_staple m = { .identity = "" };

	if (!k->has_staple) {
		secret_free(k->staple);
		k->staple = NULL;
		ike_crl_begin(g, k);
		return;
	}
	snprintf(m.identity, sizeof(m.identity), "%s", k->name);
	k->paging = false;
	k->stapling = true;
	ike_cred_call(g, k, &pki_staple_type, &m);
}

void
ike_staple_answer(struct ike_engine *g, struct ike_cred *k,
    const struct pki_staple_reply *r)
{
	size_t len = rbuf_left(&r->data);

	k->stapling = false;
	secret_free(k->staple);
	k->staple = len > 0 ? secret_copy(r->data.p, len) : NULL;
	ike_crl_begin(g, k);
}

/* Any peer that asks gets it: it says no more than the responder tells
 * everybody.  Whose key the peer wants it signed with (the CERTREQ may list
 * hashes) is the peer's to judge. */
void
ike_staple_put(const struct ike_isa *s, struct ike_out *o)
{
	const struct ike_cred *k = s->profile->cred;

	if (s->auth->ocsp_wanted && k->staple != NULL &&
	    k->method == PKI_METHOD_CERTIFICATE)
		ike_put_cert(&o->c, IKE_P_CERT, IKE_CERT_OCSP, k->staple->b,
		    k->staple->len);
}

/* ---- the peer's ---- */

/* Without hashes: whoever the CA lets speak for it (RFC 4806, 3.1). */
void
ike_staple_ask(const struct ike_profile *p, struct ike_out *o)
{
	if (p->set.ocsp != IKE_OCSP_OFF)
		ike_put_cert(&o->c, IKE_P_CERTREQ, IKE_CERT_OCSP, NULL, 0);
}

/* The first in the message.  Not asked for, it is not looked at. */
struct ike_stapled
ike_staple_of(const struct ike_isa *s, const struct ike_in *in)
{
	struct ike_stapled o = { .response = rbuf_of(NULL, 0), .at = s->g->wall };
	struct ike_cert c;
	size_t i;

	for (i = 0; i < in->n_certs && s->profile->set.ocsp != IKE_OCSP_OFF;
	    i++)
		if (ike_cert_parse(in->certs[i], &c, NULL) == 0 &&
		    c.encoding == IKE_CERT_OCSP) {
			o.response = c.data;
			break;
		}
	return o;
}
