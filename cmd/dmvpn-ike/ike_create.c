#include "ike_int.h"
#include "ike_queue.h"

#include <errno.h>
#include <stdlib.h>

/*
 * CREATE_CHILD_SA for CHILD_SAs: first ones, and rekeys (RFC 7296, 1.3.1,
 * 1.3.3, 2.8).  Both sides may rekey the same SA at once; then, of the two
 * new ones, that whose exchange has the lowest of the four nonces is closed
 * by the side that began it, and the other side's beginner closes the old
 * one (2.8.1).
 */

int
ike_nonce_cmp(const struct secret *a, const struct secret *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int rc = memcmp(a->b, b->b, n);

	return rc != 0 ? rc : a->len < b->len ? -1 : a->len > b->len;
}

struct secret *
ike_nonce_lowest(const struct secret *a, struct rbuf b)
{
	struct secret *other = secret_copy(b.p, rbuf_left(&b));

	if (other != NULL && ike_nonce_cmp(a, other) < 0) {
		secret_free(other);
		other = secret_copy(a->b, a->len);
	}
	return other;
}

struct secret *
ike_nonce_new(struct ike_engine *g)
{
	struct secret *n = secret_new(IKE_NONCE_LEN);

	if (n != NULL && ike_random(g, n->b, n->len) < 0) {
		secret_free(n);
		return NULL;
	}
	return n;
}

int
ike_dh_new(struct ike_engine *g, struct ike_exchange_state *x, uint16_t group)
{
	uint8_t seed[DH_SEED_LEN];

	if (ike_random(g, seed, sizeof(seed)) < 0)
		return -1;
	dh_free(x->dh);
	x->dh = dh_new(group, seed, NULL);
	secret_wipe(seed, sizeof(seed));
	return x->dh == NULL ? -1 : 0;
}

static void
put_ke(const struct dh *d, struct ike_out *o)
{
	struct rbuf pub;

	if (d == NULL)
		return;
	pub = dh_public(d);
	ike_put_ke(&o->c, dh_group(d), pub.p, rbuf_left(&pub));
}

/* ---- initiator ---- */

/* The group we would like: 0, none, unless the profile or the peer wants
 * PFS. */
static uint16_t
pfs_group(const struct ike_isa *s)
{
	const struct ike_transform *t = ike_proposal_first(
	    &s->profile->esp[0], IKE_T_KE);

	if (t != NULL && t->id != IKE_GROUP_NONE)
		return t->id;
	return s->pfs;
}

/* For a peer that may want PFS: the IKE SA's group, if the profile has it for
 * children too, else the first of those.  0: it has none. */
static uint16_t
group_for_pfs(const struct ike_isa *s)
{
	const struct ike_transform *own = ike_proposal_first(
	    ike_chosen(s->chosen), IKE_T_KE);
	const struct ike_proposal *p;
	uint16_t first = 0;
	size_t i, k;

	for (i = 0; i < s->profile->n_esp; i++) {
		p = &s->profile->esp[i];
		if (own != NULL && ike_proposal_has(p, IKE_T_KE, own->id))
			return own->id;
		for (k = 0; k < p->n; k++)
			if (first == 0 && p->t[k].type == IKE_T_KE)
				first = p->t[k].id;
	}
	return first;
}

/* Try it again later: 2 to 3 seconds, and not at the peer's pace. */
static void
later(struct ike_isa *s, uint32_t spi)
{
	struct ike_csa *old = ike_csa_find(s, spi);

	if (old != NULL)
		ike_timer_set(s->g, &old->soft, s->g->now +
		    ike_jitter(s->g, 2000));
}

/* The same for a first one. */
static void
ask_again(struct ike_isa *s)
{
	ike_timer_set(s->g, &s->again, s->g->now + ike_jitter(s->g, 2000));
}

/* The peer made it in place of one that it has not closed yet: it may not
 * have our answer, and know nothing of it. */
static bool
unconfirmed(const struct ike_isa *s, uint32_t spi)
{
	const struct ike_csa *c;

	DL_FOREACH(s->children, c)
		if (c->rival == spi)
			return true;
	return false;
}

/* Is there something to rekey, and do we need to? */
static int
old_child(struct ike_isa *s, enum ike_what what, uint32_t spi,
    struct ike_csa **old)
{
	*old = NULL;
	if (what != IKE_DO_REKEY_CHILD)
		return 0;
	*old = ike_csa_find(s, spi);
	if (unconfirmed(s, spi)) {
		later(s, spi);
		return -1;
	}
	return *old == NULL || (*old)->deleting || !(*old)->installed ||
	    (*old)->replaced || (*old)->doomed || (*old)->rival != 0 ? -1 :
	    0;
}

static int
send_create(struct ike_isa *s, const struct ike_csa *old, uint16_t group)
{
	struct ike_exchange_state *x = &s->out;
	uint8_t spi[4];
	struct wbuf w = wbuf_of(spi, sizeof(spi));
	struct ike_out o;

	ike_out_begin(s->g, &o);
	if (old != NULL) {
		wbuf_be32(&w, old->spi_in);
		ike_put_notify(&o.c, IKE_PROTO_ESP, spi, sizeof(spi),
		    IKE_N_REKEY_SA, NULL, 0);
	} else
		ike_queue_put(x->child, &o);
	ike_child_put_sa(s, x->child, &o, group);
	ike_put_nonce(&o.c, x->nonce->b, x->nonce->len);
	put_ke(x->dh, &o);
	ike_child_put_ts(x->child, &o);
	return ike_send_request(s, IKE_CREATE_CHILD_SA, &o,
	    s->g->tune.retry_total);
}

int
ike_create_begin(struct ike_isa *s, enum ike_what what, uint32_t spi,
    uint16_t group)
{
	struct ike_exchange_state *x = &s->out;
	const struct ike_csa *like;
	struct ike_csa *old;
	uint8_t queue;

	if (old_child(s, what, spi, &old) < 0 || (what == IKE_DO_CHILD &&
	    ike_queue_like(s) != NULL))	/* it came while the task waited */
		return -1;
	queue = what == IKE_DO_QUEUE ? (uint8_t)spi : old != NULL ?
	    old->queue : 0;
	like = what == IKE_DO_QUEUE ? ike_queue_like(s) : old;
	if (what == IKE_DO_QUEUE && (like == NULL || ike_queue_served(s,
	    queue)))
		return -1;
	if (group == 0)
		group = pfs_group(s);
	x->nonce = ike_nonce_new(s->g);
	x->child = ike_csa_new(s, true, queue);
	if (x->nonce == NULL || x->child == NULL || (group != 0 &&
	    ike_dh_new(s->g, x, group) < 0) ||
	    ike_child_wish(s, x->child, like) < 0 ||
	    send_create(s, old, group) < 0) {
		ike_exchange_clear(s, x);
		return -1;
	}
	x->phase = IKE_CHILD_SENT;
	x->what = what;
	x->old = spi;
	if (old != NULL)
		old->rekeying = true;
	return 0;
}

static void
rekey_ended(struct ike_isa *s)
{
	struct ike_csa *old = ike_csa_find(s, s->out.old);

	if (old != NULL)
		old->rekeying = false;
}

static enum ike_result
reply_failed(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *child = s->out.child;
	uint32_t spi = child->spi_in;

	ike_note(c->g, true, "child-failed", &s->remote, c->why.code[0] !=
	    '\0' ? c->why.text : c->e.msg);
	rekey_ended(s);
	later(s, s->out.old);
	if (s->out.what == IKE_DO_QUEUE && c->g->gre_up)
		ike_queue_end(s);
	/* the peer has it: it must go there too */
	if (child->spi_out != 0) {
		child->installed = true;
		s->out.child = NULL;
		ike_task_add(s, IKE_DO_DELETE_CHILD, spi, 0);
	}
	return IKE_FAIL;
}

/* RFC 9611, 4: the SA of a queue is like that of all. */
static int
accept_queue(struct ike_ctx *c, const struct ike_csa *child)
{
	const struct ike_csa *like = ike_queue_like(c->isa);

	if (c->isa->out.what != IKE_DO_QUEUE || (like != NULL &&
	    ike_queue_same(child, like)))
		return 0;
	return err_set(&c->e, EBADMSG, "the SA of queue %u is unlike the "
	    "first", child->queue);
}

enum ike_result
ike_create_reply(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_exchange_state *x = &s->out;
	const struct ike_in *in = c->in;
	struct secret *shared = NULL;
	struct ike_ke ke;
	const struct ike_proposal *chosen;
	struct rbuf nonce;
	uint64_t ticket = 0;

	if (ike_nonce_parse(ike_in_body(in, IKE_P_NONCE), &nonce, &c->e) <
	    0 || ike_child_accept(c, x->child, ike_in_body(in, IKE_P_SA),
	    ike_in_body(in, IKE_P_TSI), ike_in_body(in, IKE_P_TSR),
	    ike_in_notify(in, IKE_N_USE_TRANSPORT_MODE) != NULL, false) < 0 ||
	    accept_queue(c, x->child) < 0)
		return reply_failed(c);
	chosen = ike_chosen(x->child->chosen);
	if (ike_proposal_first(chosen, IKE_T_KE) != NULL &&
	    (x->dh == NULL || ike_ke_parse(ike_in_body(in, IKE_P_KE), &ke,
	    &c->e) < 0 || ke.group != dh_group(x->dh) ||
	    !ike_proposal_has(chosen, IKE_T_KE, ke.group) || (shared =
	    dh_shared(x->dh, ke.data, &c->e)) == NULL))
		return reply_failed(c);
	x->child->lowest = ike_nonce_lowest(x->nonce, nonce);
	x->child->replaces = x->what == IKE_DO_REKEY_CHILD ? x->old : 0;
	if (x->child->lowest != NULL)
		ticket = ike_child_install(s, false, x->child,
		    ike_secret_view(shared), ike_secret_view(x->nonce),
		    nonce, false, &c->e);
	secret_free(shared);
	return ticket == 0 ? reply_failed(c) : IKE_WAIT;
}

/* Both sides rekeyed the same SA: which of the new ones goes?  The old one
 * may be gone already, closed by the peer. */
static void
settle(struct ike_isa *s, struct ike_csa *ours, struct ike_csa *old)
{
	struct ike_csa *theirs = ike_csa_find(s, s->out.rival);

	if (old != NULL)
		old->replaced = true;
	if (s->out.rival_lowest == NULL ||
	    ike_nonce_cmp(ours->lowest, s->out.rival_lowest) > 0) {
		if (theirs != NULL)
			theirs->doomed = true;
		/* ours stays: we close the old one, they close theirs */
		if (old != NULL)
			ike_task_add(s, IKE_DO_DELETE_CHILD, old->spi_in, 0);
		return;
	}
	if (theirs != NULL)
		ike_child_use(theirs);
	ike_timer_stop(s->g, &ours->soft);
	ike_task_add(s, IKE_DO_DELETE_CHILD, ours->spi_in, 0);
}

enum ike_result
ike_create_installed(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *child = s->out.child, *old;

	if (c->m == NULL) {
		rekey_ended(s);
		later(s, s->out.old);
		if (s->out.what == IKE_DO_QUEUE)
			ike_queue_later(s);
		else if (s->out.what == IKE_DO_CHILD)
			ask_again(s);
		child->installed = true;
		s->out.child = NULL;
		ike_task_add(s, IKE_DO_DELETE_CHILD, child->spi_in, 0);
		ike_note(c->g, true, "install-failed", &s->remote,
		    c->why.text);
		return IKE_FAIL;
	}
	s->out.child = NULL;
	ike_child_up(child);
	rekey_ended(s);
	old = ike_csa_find(s, s->out.old);
	if (s->out.what == IKE_DO_REKEY_CHILD)
		settle(s, child, old);
	else if (s->out.what == IKE_DO_QUEUE)
		ike_queue_made(s);
	else if (s->out.what == IKE_DO_CHILD) {
		ike_peer_lost_replaced(s);
		ike_queue_later(s);
	}
	return IKE_OK;
}

/* The group to try it with at once: the one that the peer names; or we offered
 * none, and peers that insist on PFS (pluto by default) do not say that this
 * is why they refuse.  0: there is nothing more to try. */
static uint16_t
other_group(struct ike_isa *s, const struct ike_in *in)
{
	const struct ike_notify *n = ike_in_notify(in,
	    IKE_N_INVALID_KE_PAYLOAD);
	struct rbuf data;
	uint16_t group;

	if (n != NULL) {
		data = n->data;
		group = rbuf_be16(&data);
	} else if (ike_in_error(in) == IKE_N_NO_PROPOSAL_CHOSEN)
		group = s->out.dh == NULL ? group_for_pfs(s) : 0;
	else
		return 0;
	s->pfs = dh_known(group) ? group : 0;
	if (s->pfs == 0)
		return 0;
	return s->out.since != 0 && !s->out.again ? group : 0;
}

enum ike_result
ike_create_refused(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	uint16_t type = ike_in_error(c->in), group;
	enum ike_what what = s->out.what;
	uint32_t old = s->out.old;
	struct name_buf nb;

	rekey_ended(s);
	group = other_group(s, c->in);
	if (group != 0) {
		ike_exchange_clear(s, &s->out);
		if (ike_create_begin(s, what, old, group) == 0) {
			s->out.again = true;
			return IKE_RETRY;
		}
		return IKE_FAIL;
	}
	if (what == IKE_DO_QUEUE) {
		ike_queue_refused(s, type);
		return IKE_OK;
	}
	if (type == IKE_N_CHILD_SA_NOT_FOUND) {
		/* 2.25: the peer has it no more */
		struct ike_csa *gone = ike_csa_find(s, old);

		if (gone != NULL && gone->rival == 0)
			ike_csa_remove(gone, 0);
		if (s->out.child != NULL)	/* it counts as none */
			ike_csa_remove(s->out.child, 0);
		if (ike_peer_needs_child(s))
			ike_task_add(s, IKE_DO_CHILD, 0, 0);
		else
			ike_queue_later(s);
		return IKE_OK;
	}
	if (type != IKE_N_TEMPORARY_FAILURE)
		ike_note(c->g, true, "child-refused", &s->remote,
		    name_text(ike_notify_names, type, &nb));
	if (what == IKE_DO_REKEY_CHILD)
		later(s, old);
	else
		ask_again(s);
	return IKE_OK;
}

/* ---- responder ---- */

enum ike_result
ike_create_refuse(struct ike_ctx *c)
{
	c->notify = IKE_N_TEMPORARY_FAILURE;
	reason_set(&c->why, "child", "temporary-failure",
	    "the IKE SA is being closed or was rekeyed");
	return IKE_FAIL;
}

static enum ike_result
refuse(struct ike_ctx *c, uint16_t notify)
{
	struct ike_isa *s = c->isa;

	c->notify = notify;
	if (s->in.child != NULL)
		ike_csa_remove(s->in.child, 0);
	s->in.child = NULL;
	if (c->why.text[0] != '\0' || c->e.code != 0)
		ike_note(c->g, true, "child-refused", &s->remote,
		    c->why.text[0] != '\0' ? c->why.text : c->e.msg);
	return IKE_FAIL;
}

/* REKEY_SA names the peer's inbound SPI, our outbound.  0: no rekey, or found;
 * else the notify that refuses it (2.25.1). */
static uint16_t
find_rekeyed(struct ike_ctx *c, struct ike_csa **old)
{
	const struct ike_notify *n = ike_in_notify(c->in, IKE_N_REKEY_SA);
	struct rbuf spi;

	*old = NULL;
	if (n == NULL)
		return 0;
	spi = n->spi;
	if (n->protocol != IKE_PROTO_ESP || rbuf_left(&spi) != 4)
		return IKE_N_INVALID_SYNTAX;
	*old = ike_csa_find_out(c->isa, rbuf_be32(&spi));
	if (*old == NULL)
		return IKE_N_CHILD_SA_NOT_FOUND;
	if ((*old)->deleting || (*old)->replaced || (*old)->rival != 0)
		return IKE_N_TEMPORARY_FAILURE;
	return 0;
}

/* The KE payload must be of the group we chose (1.3). */
static enum ike_result
shared_secret(struct ike_ctx *c, struct ike_csa *child,
    struct secret **shared)
{
	const struct ike_transform *t = ike_proposal_first(
	    ike_chosen(child->chosen), IKE_T_KE);
	struct wbuf w = wbuf_of(c->notify_data, sizeof(c->notify_data));
	struct ike_ke ke;

	*shared = NULL;
	if (t == NULL)
		return IKE_OK;
	if (!(c->in->present & P(KE)) || ike_ke_parse(ike_in_body(c->in,
	    IKE_P_KE), &ke, &c->e) < 0)
		return refuse(c, IKE_N_INVALID_SYNTAX);
	if (ke.group != t->id) {
		wbuf_be16(&w, t->id);
		c->notify_len = 2;
		return refuse(c, IKE_N_INVALID_KE_PAYLOAD);
	}
	if (ike_dh_new(c->g, &c->isa->in, t->id) < 0)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	*shared = dh_shared(c->isa->in.dh, ke.data, &c->e);
	return *shared == NULL ? refuse(c, IKE_N_INVALID_SYNTAX) : IKE_OK;
}

static size_t
count(const struct ike_isa *s)
{
	const struct ike_csa *c;
	size_t n = 0;

	DL_FOREACH(s->children, c)
		n++;
	return n;
}

static uint16_t
group_of(const struct ike_in *in)
{
	struct ike_ke ke;

	if (!(in->present & P(KE)) ||
	    ike_ke_parse(ike_in_body(in, IKE_P_KE), &ke, NULL) < 0)
		return 0;
	return ke.group;
}

static enum ike_result
make_child(struct ike_ctx *c, struct rbuf nonce, struct ike_csa *old)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *child = s->in.child;
	struct secret *shared;
	uint64_t ticket = 0;

	if (ike_child_choose(c, child, ike_in_body(c->in, IKE_P_SA),
	    ike_in_body(c->in, IKE_P_TSI), ike_in_body(c->in, IKE_P_TSR),
	    ike_in_notify(c->in, IKE_N_USE_TRANSPORT_MODE) != NULL, false,
	    group_of(c->in)) < 0)
		return refuse(c, c->notify);
	if (old == NULL && child->queue != 0 && !ike_queue_same(child,
	    ike_queue_like(s)))
		return refuse(c, IKE_N_TS_MAX_QUEUE);
	if (shared_secret(c, child, &shared) != IKE_OK)
		return IKE_FAIL;
	s->in.nonce = ike_nonce_new(c->g);
	if (s->in.nonce != NULL)
		child->lowest = ike_nonce_lowest(s->in.nonce, nonce);
	child->replaces = old != NULL ? old->spi_in : 0;
	if (child->lowest != NULL)
		ticket = ike_child_install(s, true, child,
		    ike_secret_view(shared), nonce,
		    ike_secret_view(s->in.nonce), old != NULL ||
		    child->queue != 0, &c->e);
	secret_free(shared);
	if (ticket == 0)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	return IKE_WAIT;
}

enum ike_result
ike_create_request(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *old;
	struct rbuf nonce;
	uint16_t notify;
	uint8_t queue;

	if (ike_nonce_parse(ike_in_body(c->in, IKE_P_NONCE), &nonce, &c->e) <
	    0)
		return refuse(c, IKE_N_INVALID_SYNTAX);
	/* 2.25.2: the IKE SA is being rekeyed by us */
	if (s->out.phase == IKE_REKEY_SENT || s->rival != NULL)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	if ((notify = find_rekeyed(c, &old)) != 0 ||
	    (notify = ike_queue_choose(s, c->in, old, &queue)) != 0)
		return refuse(c, notify);
	if (count(s) >= ike_queue_children(s))
		return refuse(c, IKE_N_NO_ADDITIONAL_SAS);
	s->in.child = ike_csa_new(s, false, queue);
	if (s->in.child == NULL)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	s->in.old = old != NULL ? old->spi_in : 0;
	return make_child(c, nonce, old);
}

/* We rekey the same one: what our answer will be compared with, whatever
 * becomes of the two until then. */
static void
note_rival(struct ike_isa *s, const struct ike_csa *child)
{
	s->out.rival = child->spi_in;
	secret_free(s->out.rival_lowest);
	s->out.rival_lowest = secret_copy(child->lowest->b,
	    child->lowest->len);
}

/* <-- HDR, SK {SA, Nr, [KEr,] TSi, TSr} */
enum ike_result
ike_create_r_installed(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *child = s->in.child, *old;
	struct ike_out o;

	if (c->m == NULL)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	ike_out_begin(c->g, &o);
	ike_queue_put(child, &o);
	ike_child_put_chosen(child, &o);
	ike_put_nonce(&o.c, s->in.nonce->b, s->in.nonce->len);
	put_ke(s->in.dh, &o);
	ike_child_put_ts(child, &o);
	if (ike_send_answer(s, IKE_CREATE_CHILD_SA, &o) < 0)
		return refuse(c, IKE_N_TEMPORARY_FAILURE);
	s->in.child = NULL;
	ike_child_up(child);
	old = ike_csa_find(s, s->in.old);
	if (old != NULL) {
		old->rival = child->spi_in;
		if (!old->rekeying)
			ike_timer_stop(c->g, &old->soft);
		else
			note_rival(s, child);
	}
	return IKE_OK;
}
