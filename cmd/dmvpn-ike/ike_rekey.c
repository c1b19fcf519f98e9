#include "ike_int.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Rekeying the IKE SA (RFC 7296, 1.3.2, 2.8, 2.8.2, 2.18, 2.25.2).  When both
 * sides begin at once there are two new IKE SAs; the one whose exchange has
 * the lowest nonce is closed by its beginner, the other one inherits.
 */
#define REKEYS_IN	30000	/* ms, as long as a replaced SA may stay */
#define REKEYS_MAX	16	/* by the peer in that time (IKE-46) */
#define PROPOSALS_MAX \
	(sizeof(((struct ike_profile *)NULL)->ike) / sizeof(struct ike_proposal))

static struct ike_isa *
make_heir(struct ike_isa *s, bool initiator)
{
	struct ike_isa *h = ike_isa_new(s->g, initiator, &s->local,
	    &s->remote);

	if (h == NULL)
		return NULL;
	ike_isa_answered(h);
	ike_isa_set_profile(h, s->profile);
	h->origin = s->own_spi;
	h->began = s->began;
	h->psk = s->psk;
	h->pfs = s->pfs;
	h->nat_local = s->nat_local;
	h->nat_remote = s->nat_remote;
	h->own_kind = s->own_kind;
	h->fragments = s->fragments;
	h->rekeys_since = s->rekeys_since;
	h->rekeys = s->rekeys;
	return h;
}

/*
 * What we are ready to use, with the PRF of now if there is any with it, which
 * *n counts.  prf+ of the heir's keys is to take the new PRF (2.18), but
 * strongSwan takes the old one: as long as they are the same all agree.
 */
static const struct ike_proposal *
same_prf(const struct ike_isa *s, struct ike_proposal *of, size_t *n)
{
	const struct ike_profile *p = s->profile;
	size_t i;

	*n = 0;
	for (i = 0; i < p->n_ike; i++) {
		if (!ike_proposal_has(&p->ike[i], IKE_T_PRF, s->suite.prf))
			continue;
		of[*n] = p->ike[i];
		ike_proposal_drop(&of[*n], IKE_T_PRF);
		if (ike_proposal_add(&of[*n], IKE_T_PRF, s->suite.prf, 0) == 0)
			(*n)++;
	}
	if (*n > 0)
		return of;
	*n = p->n_ike;
	return p->ike;
}

/* SA with the new SPI, nonce, KE: the same both ways. */
static int
put_rekey(struct ike_isa *heir, const struct ike_proposal *p, size_t n,
    const struct secret *nonce, const struct dh *dh, struct ike_out *o)
{
	uint8_t octets[8];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	struct rbuf pub = dh_public(dh);

	wbuf_be64(&w, heir->own_spi);
	ike_put_sa(&o->c, p, n, octets, sizeof(octets));
	ike_put_nonce(&o->c, nonce->b, nonce->len);
	ike_put_ke(&o->c, dh_group(dh), pub.p, rbuf_left(&pub));
	return wbuf_ok(&o->w) ? 0 : -1;
}

int
ike_rekey_begin(struct ike_isa *s, uint16_t group)
{
	struct ike_exchange_state *x = &s->out;
	const struct ike_transform *t = ike_proposal_first(
	    ike_chosen(s->chosen), IKE_T_KE);
	struct ike_proposal of[PROPOSALS_MAX];
	const struct ike_proposal *p;
	struct ike_out o;
	size_t n;

	if (group == 0)
		group = t != NULL ? t->id : IKE_GROUP_NONE;
	if (s->rival != NULL || s->heir != NULL)
		return -1;
	x->heir = make_heir(s, true);
	x->nonce = ike_nonce_new(s->g);
	ike_out_begin(s->g, &o);
	p = same_prf(s, of, &n);
	if (x->heir == NULL || x->nonce == NULL || ike_dh_new(s->g, x, group) <
	    0 || put_rekey(x->heir, p, n, x->nonce, x->dh, &o) < 0 ||
	    ike_send_request(s, IKE_CREATE_CHILD_SA, &o,
	    s->g->tune.retry_total) < 0) {
		ike_exchange_clear(s, x);
		return -1;
	}
	x->phase = IKE_REKEY_SENT;
	x->what = IKE_DO_REKEY;
	return 0;
}

/* Suite and SPI from what was chosen, keys from the old SK_d (2.18). */
static int
heir_keys(struct ike_isa *s, struct ike_isa *heir,
    const struct ike_proposal *p, const struct secret *shared,
    struct err *e)
{
	const struct ike_transform *encr = ike_proposal_first(p, IKE_T_ENCR);
	const struct ike_transform *prf = ike_proposal_first(p, IKE_T_PRF);
	const struct ike_transform *integ = ike_proposal_first(p,
	    IKE_T_INTEG);
	struct rbuf spi = rbuf_of(p->spi, 8);
	uint64_t theirs = rbuf_be64(&spi);
	struct sk_keys old;
	int rc;

	if (encr == NULL || prf == NULL || theirs == 0)
		return err_set(e, EBADMSG, "bad SPI");
	*(heir->initiator ? &heir->spi_r : &heir->spi_i) = theirs;
	if (ike_chosen_keep(heir->g, &heir->chosen, p) < 0)
		return err_set(e, ENOMEM, "out of memory");
	heir->suite = (struct sk_suite){ .encr = encr->id,
	    .key_bits = encr->key_bits, .prf = prf->id,
	    .integ = integ != NULL ? integ->id : 0 };
	sk_recall(s->keys, &old);
	rc = ike_isa_keys(heir, rbuf_of(shared->b, shared->len),
	    s->suite.prf, rbuf_of(old.d, old.prf_len), e);
	sk_keys_wipe(&old);
	return rc;
}

/* It is not to be: we began it, so we close it. */
static void
close_loser(struct ike_isa *heir)
{
	heir->phase = IKE_REPLACED;
	heir->announced = true;
	ike_task_add(heir, IKE_DO_DELETE, 0, 0);
}

/* Ours is ready.  The old one ends; who closes what is 2.8.2. */
static void
settle(struct ike_isa *s, struct ike_isa *ours)
{
	struct ike_isa *theirs = s->rival;

	s->out.heir = NULL;
	if (s->heir != NULL) {		/* the peer uses its own already */
		close_loser(ours);
		return;
	}
	if (theirs != NULL && theirs->lowest != NULL && ours->lowest != NULL &&
	    ike_nonce_cmp(ours->lowest, theirs->lowest) < 0) {
		ike_isa_adopt(s, theirs);
		close_loser(ours);
		return;		/* the peer closes the old one */
	}
	ike_isa_adopt(s, ours);
	if (theirs != NULL)
		theirs->announced = true;	/* the peer closes it */
	ike_task_add(s, IKE_DO_DELETE, 0, 0);
}

/* Both sides rekeyed, and our answer is still to come; but the peer does more
 * on its new SA than close it. */
void
ike_rekey_claimed(struct ike_isa *s, const struct ike_in *in)
{
	struct ike_isa *old = ike_isa_find(s->g, s->origin);
	struct ike_delete d;
	size_t i;

	for (i = 0; i < in->n_deletes; i++)
		if (ike_delete_parse(in->deletes[i], &d, NULL) < 0 ||
		    d.protocol == IKE_PROTO_IKE)
			return;
	if (old != NULL && old->rival == s)
		ike_isa_adopt(old, s);
}

static enum ike_result
failed(struct ike_ctx *c, const char *text)
{
	struct ike_isa *s = c->isa;

	ike_note(c->g, true, "rekey-failed", &s->remote, text);
	ike_timer_set(c->g, &s->life, c->g->now + ike_jitter(c->g, 5000));
	return IKE_FAIL;
}

enum ike_result
ike_rekey_reply(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa, *heir = s->out.heir;
	struct ike_choice choice = { .sa = ike_in_body(c->in, IKE_P_SA),
	    .protocol = IKE_PROTO_IKE, .spi_len = 8 };
	struct ike_proposal chosen, of[PROPOSALS_MAX];
	struct secret *shared;
	struct ike_ke ke;
	struct rbuf nonce;
	int rc;

	choice.ours = same_prf(s, of, &choice.n_ours);
	if (heir == NULL ||
	    ike_proposal_answer(&choice, &chosen, &c->e) < 0 ||
	    ike_ke_parse(ike_in_body(c->in, IKE_P_KE), &ke, &c->e) < 0 ||
	    ike_nonce_parse(ike_in_body(c->in, IKE_P_NONCE), &nonce, &c->e) <
	    0 || ke.group != dh_group(s->out.dh) ||
	    !ike_proposal_has(&chosen, IKE_T_KE, ke.group))
		return failed(c, c->e.msg);
	shared = dh_shared(s->out.dh, ke.data, &c->e);
	heir->ni = secret_copy(s->out.nonce->b, s->out.nonce->len);
	heir->nr = secret_copy(nonce.p, rbuf_left(&nonce));
	heir->lowest = ike_nonce_lowest(s->out.nonce, nonce);
	rc = shared == NULL || heir->ni == NULL || heir->nr == NULL ? -1 :
	    heir_keys(s, heir, &chosen, shared, &c->e);
	secret_free(shared);
	if (rc < 0)
		return failed(c, c->e.msg);
	settle(s, heir);
	return IKE_OK;
}

/* OK: the peer's rekey takes its place.  RETRY: later.  WAIT: at once, with
 * the group that the peer wants. */
enum ike_result
ike_rekey_refused(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	const struct ike_notify *n = ike_in_notify(c->in,
	    IKE_N_INVALID_KE_PAYLOAD);
	bool again = s->out.again;
	struct name_buf nb;
	uint16_t group = 0;
	struct rbuf data;

	if (s->heir != NULL)
		return IKE_OK;
	if (s->rival != NULL) {
		ike_isa_adopt(s, s->rival);
		return IKE_OK;
	}
	if (n != NULL) {
		data = n->data;
		group = rbuf_be16(&data);
	}
	if (dh_known(group) && !again) {
		ike_exchange_clear(s, &s->out);
		if (ike_rekey_begin(s, group) == 0) {
			s->out.again = true;
			return IKE_WAIT;
		}
	}
	failed(c, name_text(ike_notify_names, ike_in_error(c->in), &nb));
	return IKE_RETRY;
}

/* ---- responder ---- */

static enum ike_result
refuse(struct ike_ctx *c, uint16_t notify)
{
	c->notify = notify;
	if (c->isa->in.heir != NULL)
		ike_isa_die(c->isa->in.heir);
	c->isa->in.heir = NULL;
	return IKE_FAIL;
}

/* 2.25.2: not while we make, rekey or close a child. */
static bool
busy(const struct ike_isa *s)
{
	return s->out.phase == IKE_CHILD_SENT ||
	    s->out.phase == IKE_CHILD_INSTALL ||
	    (s->out.phase == IKE_INFO_SENT &&
	    s->out.what == IKE_DO_DELETE_CHILD) || s->rival != NULL;
}

static enum ike_result
answer(struct ike_ctx *c, struct ike_isa *heir, const struct ike_ke *ke,
    struct rbuf nonce, const struct ike_proposal *chosen)
{
	struct ike_isa *s = c->isa;
	struct secret *shared;
	struct ike_out o;
	int rc;

	if (ike_dh_new(c->g, &s->in, ke->group) < 0)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	shared = dh_shared(s->in.dh, ke->data, &c->e);
	if (shared == NULL)
		return refuse(c, IKE_N_INVALID_SYNTAX);
	heir->ni = secret_copy(nonce.p, rbuf_left(&nonce));
	heir->nr = ike_nonce_new(c->g);
	rc = heir->ni == NULL || heir->nr == NULL ? -1 :
	    heir_keys(s, heir, chosen, shared, &c->e);
	secret_free(shared);
	if (rc < 0 || (heir->lowest = ike_nonce_lowest(heir->nr, nonce)) ==
	    NULL)
		return refuse(c, IKE_N_INVALID_SYNTAX);
	ike_out_begin(c->g, &o);
	if (put_rekey(heir, chosen, 1, heir->nr, s->in.dh, &o) < 0 ||
	    ike_send_answer(s, IKE_CREATE_CHILD_SA, &o) < 0)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	s->in.heir = NULL;
	heir->phase = IKE_UP;
	if (s->out.phase == IKE_REKEY_SENT) {
		s->rival = heir;	/* our answer decides */
		return IKE_RETRY;
	}
	ike_isa_adopt(s, heir);
	return IKE_OK;
}

/* What was replaced is the peer's to close; it is not to heap it up. */
static bool
too_often(struct ike_isa *s)
{
	if (s->g->now - s->rekeys_since >= REKEYS_IN) {
		s->rekeys_since = s->g->now;
		s->rekeys = 0;
	}
	return s->rekeys++ >= REKEYS_MAX;
}

/* As ike_proposal_choose; another PRF only when there is nothing else. */
static int
choose(struct ike_ctx *c, uint16_t group, struct ike_proposal *chosen)
{
	const struct ike_isa *s = c->isa;
	struct ike_choice choice = { .sa = ike_in_body(c->in, IKE_P_SA),
	    .protocol = IKE_PROTO_IKE, .spi_len = 8, .group = group };
	struct ike_proposal of[PROPOSALS_MAX];
	int rc;

	choice.ours = same_prf(s, of, &choice.n_ours);
	rc = ike_proposal_choose(&choice, chosen, NULL, &c->e);
	if (rc != 0 || choice.ours == s->profile->ike)
		return rc;
	choice.ours = s->profile->ike;
	choice.n_ours = s->profile->n_ike;
	return ike_proposal_choose(&choice, chosen, NULL, &c->e);
}

enum ike_result
ike_rekey_request(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct wbuf w = wbuf_of(c->notify_data, sizeof(c->notify_data));
	struct ike_proposal chosen;
	struct ike_ke ke;
	struct rbuf nonce;

	if (busy(s) || too_often(s))
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	if (ike_ke_parse(ike_in_body(c->in, IKE_P_KE), &ke, &c->e) < 0 ||
	    ike_nonce_parse(ike_in_body(c->in, IKE_P_NONCE), &nonce, &c->e) <
	    0)
		return refuse(c, IKE_N_INVALID_SYNTAX);
	if (choose(c, ke.group, &chosen) != 1)
		return refuse(c, IKE_N_NO_PROPOSAL_CHOSEN);
	if (!ike_proposal_has(&chosen, IKE_T_KE, ke.group)) {
		wbuf_be16(&w, ike_proposal_first(&chosen, IKE_T_KE)->id);
		c->notify_len = 2;
		return refuse(c, IKE_N_INVALID_KE_PAYLOAD);
	}
	s->in.heir = make_heir(s, false);
	if (s->in.heir == NULL)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	return answer(c, s->in.heir, &ke, nonce, &chosen);
}
