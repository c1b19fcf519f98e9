#include "ike_int.h"

#include <errno.h>
#include <stdlib.h>

/* Revocation lists come from the agent, piece by piece.  When they or the CA
 * certificates have changed, peers that are up are judged again: who is on a
 * list at once, the others a few at a time. */

#define BATCH	16	/* SAs that are judged in one turn */

struct ike_crl_read {
	struct crl_set	 crls;		/* those that are whole */
	uint64_t	 tag;
	size_t		 have, size;	/* octets of the one that comes */
	uint8_t		*octets;
	bool		 begun;
};

/* ---- to read them ---- */

bool
ike_crl_reading(const struct ike_cred *k)
{
	return k->crl_read != NULL;
}

void
ike_crl_stop(struct ike_cred *k)
{
	struct ike_crl_read *r = k->crl_read;

	if (r == NULL)
		return;
	crl_set_fini(&r->crls);
	free(r->octets);
	free(r);
	k->crl_read = NULL;
}

static void
ask(struct ike_engine *g, struct ike_cred *k)
{
	struct pki_crl m = { .index = (uint8_t)k->crl_read->crls.n,
	    .offset = (uint32_t)k->crl_read->have };

	snprintf(m.identity, sizeof(m.identity), "%s", k->name);
	ike_cred_call(g, k, &pki_crl_type, &m);
}

static void
done(struct ike_engine *g, struct ike_cred *k)
{
	crl_set_fini(&k->crls);
	if (k->crl_read != NULL) {
		k->crls = k->crl_read->crls;
		k->crl_read->crls.n = 0;
	}
	ike_crl_stop(k);
	k->judged++;
	ike_timer_set(g, &k->judge, g->now);
	ike_cred_ready(g, k);
}

void
ike_crl_begin(struct ike_engine *g, struct ike_cred *k)
{
	ike_crl_stop(k);
	if (k->n_crls == 0) {
		done(g, k);
		return;
	}
	k->crl_read = calloc(1, sizeof(*k->crl_read));
	if (k->crl_read == NULL) {
		ike_cred_fail(g, k, "out of memory");
		return;
	}
	ask(g, k);
}

/* One piece; 1: its list is whole now. */
static int
take(struct ike_crl_read *r, const struct pki_crl_reply *m, struct err *e)
{
	size_t len = rbuf_left(&m->data);

	if (r->have == 0) {
		r->size = m->size;
		r->octets = malloc(r->size);
	}
	if (r->octets == NULL)
		return err_set(e, ENOMEM, "out of memory");
	if (len == 0 || m->size != r->size || len > r->size - r->have)
		return err_set(e, EBADMSG, "the agent's CRL does not fit "
		    "together");
	memcpy(r->octets + r->have, m->data.p, len);
	r->have += len;
	if (r->have < r->size)
		return 0;
	if (crl_set_add_der(&r->crls, rbuf_of(r->octets, r->size), e) < 0)
		return -1;
	free(r->octets);
	r->octets = NULL;
	r->have = 0;
	return 1;
}

void
ike_crl_answer(struct ike_engine *g, struct ike_cred *k,
    const struct pki_crl_reply *m)
{
	struct ike_crl_read *r = k->crl_read;
	struct err e = { 0 };

	if (r->begun && r->tag != m->tag) {
		ike_cred_ask(g, k);	/* they have changed meanwhile */
		return;
	}
	r->begun = true;
	r->tag = m->tag;
	if (m->size > 0 && take(r, m, &e) < 0) {
		ike_crl_stop(k);
		ike_cred_fail(g, k, e.msg);
	} else if (m->size == 0 || r->crls.n >= k->n_crls)
		done(g, k);
	else
		ask(g, k);
}

/* ---- to judge again ---- */

/* The peer is told, if it can be told now; nothing waits for its answer. */
static void
end(struct ike_isa *s, const struct reason *why)
{
	struct reason *r = ike_why(s);
	struct ike_out o;

	*r = *why;
	if (s->ident != NULL)
		ident_text(s->ident, r->peer, sizeof(r->peer));
	if (s->phase == IKE_UP && s->out.phase == IKE_IDLE) {
		ike_out_begin(s->g, &o);
		ike_put_delete(&o.c, IKE_PROTO_IKE, NULL, 0);
		ike_send_request(s, IKE_INFORMATIONAL, &o, 1);
	}
	s->dead_peer = true;	/* its packets do not count any more */
	ike_isa_die(s);
}

/* False: s has ended. */
static bool
judge(struct ike_isa *s)
{
	struct reason why = { .code = "" };
	struct ike_certs chain;
	bool good = true;

	s->judged = s->profile->cred->judged;
	if (ike_kept_read(s->kept, &chain) == 0 &&
	    ike_auth_judge(s, &chain.certs, &chain.ocsp, &why) < 0 &&
	    why.code[0] != '\0')
		good = false;
	ike_certs_fini(&chain);
	if (!good)
		end(s, &why);
	return good;
}

static bool
is_due(const struct ike_isa *s, const struct ike_cred *k)
{
	return s->profile != NULL && s->profile->cred == k &&
	    s->kept != NULL && s->judged != k->judged;
}

/* Cheaper than a judgement, and tells whom to judge first. */
static bool
is_listed(const struct ike_isa *s, const struct ike_cred *k)
{
	struct ike_certs chain;
	bool found = false;
	size_t i, n;

	(void)ike_kept_read(s->kept, &chain);
	for (i = 0; i < chain.certs.n; i++)
		for (n = 0; n < k->crls.n; n++)
			found = found || crl_has(k->crls.v[n],
			    chain.certs.v[i]);
	ike_certs_fini(&chain);
	return found;
}

/* When one ends, others may with it: then the list is walked anew, and those
 * that are judged already are not judged twice. */
static void
judge_listed(struct ike_engine *g, const struct ike_cred *k)
{
	struct ike_isa *s, *next;

	for (s = g->isas; s != NULL; s = next) {
		next = s->next;
		if (is_due(s, k) && is_listed(s, k) && !judge(s))
			next = g->isas;
	}
}

/* Timer */
void
ike_crl_judge(struct ike_engine *g, void *arg)
{
	struct ike_cred *k = arg;
	struct ike_isa *s, *next;
	size_t n = 0;

	if (k->crls.n > 0 && k->judged != k->listed) {
		k->listed = k->judged;
		judge_listed(g, k);
	}
	for (s = g->isas; s != NULL && n < BATCH; s = next) {
		next = s->next;
		if (!is_due(s, k))
			continue;
		n++;
		if (!judge(s))
			next = g->isas;
	}
	if (n == BATCH)
		ike_timer_set(g, &k->judge, g->now + 1);
}

int
ike_crl_init(struct ike_engine *g, struct ike_cred *k)
{
	return ike_timer_init(g, &k->judge, IKE_TIMER_JUDGE);
}

void
ike_crl_fini(struct ike_engine *g, struct ike_cred *k)
{
	ike_crl_stop(k);
	crl_set_fini(&k->crls);
	ike_model_release(k->model);
	k->model = NULL;
	ike_timer_fini(g, &k->judge);
}
