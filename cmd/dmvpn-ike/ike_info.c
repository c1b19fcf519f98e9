#include "ike_int.h"
#include "ike_queue.h"

#include <errno.h>
#include <stdlib.h>

/* INFORMATIONAL: deletes and liveness (RFC 7296, 1.4, 2.4, 2.25). */

#define DELETE_WAIT 8000 /* ms that we wait for the answer to a delete */

int
ike_info_begin(struct ike_isa *s, enum ike_what what, uint32_t spi,
    uint64_t ticket)
{
	struct ike_csa *c = what == IKE_DO_DELETE_CHILD ?
	    ike_csa_find(s, spi) : NULL;
	uint64_t total = what == IKE_DO_DELETE ? DELETE_WAIT :
	    what == IKE_DO_PROBE ? s->g->tune.probe_total :
	    s->g->tune.retry_total;
	struct ike_out o;

	ike_out_begin(s->g, &o);
	if (what == IKE_DO_DELETE_CHILD) {
		if (c == NULL || c->deleting || c == s->out.child)
			return -1;
		c->deleting = true;
		ike_put_delete(&o.c, IKE_PROTO_ESP, &c->spi_in, 1);
	} else if (what == IKE_DO_DELETE)
		ike_put_delete(&o.c, IKE_PROTO_IKE, NULL, 0);
	else if (what == IKE_DO_MOVE)
		ike_move_put(s, &o);
	if (ike_send_request(s, IKE_INFORMATIONAL, &o, total) < 0) {
		if (c != NULL)
			c->deleting = false;
		return -1;
	}
	s->out.phase = IKE_INFO_SENT;
	s->out.what = what;
	s->out.old = spi;
	s->out.probe = ticket;
	if (what == IKE_DO_DELETE && s->phase == IKE_UP)
		s->phase = IKE_CLOSING;
	return 0;
}

enum ike_result
ike_info_reply(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *child;

	if (s->out.what == IKE_DO_DELETE) {
		if (!ike_why_said(s))
			reason_set(&c->why, "close", "closed", "closed");
		return IKE_FAIL;	/* it ends here, as agreed */
	}
	if (s->out.what == IKE_DO_DELETE_CHILD &&
	    (child = ike_csa_find(s, s->out.old)) != NULL)
		ike_csa_remove(child, IKE_DRAIN);
	if (s->out.what == IKE_DO_MOVE)
		ike_move_reply(s, c->in);
	return IKE_OK;
}

/* The peer deletes its inbound SA, our outbound.  Its answer names ours,
 * unless our own delete is on its way (RFC 7296, 1.4.1). */
static void
delete_child(struct ike_ctx *c, uint32_t spi_out)
{
	struct ike_isa *s = c->isa;
	struct ike_csa *child = ike_csa_find_out(s, spi_out), *heir;
	uint8_t queue;
	bool last = true;

	if (child == NULL)
		return;
	queue = child->queue;
	DL_FOREACH(s->children, heir)
		if (heir != child && heir->installed && !heir->deleting) {
			ike_child_use(heir);
			last = last && heir->queue != queue;
		}
	if (!child->deleting && c->n_dead < IKE_CHILDREN_MOST)
		c->dead[c->n_dead++] = child->spi_in;
	if (s->out.what == IKE_DO_REKEY_CHILD &&
	    s->out.old == child->spi_in) {
		last = false;		/* our new one is on its way */
	}
	ike_csa_remove(child, IKE_DRAIN);
	/* we keep a connection up: another child */
	if (last && queue != 0)
		ike_queue_later(s);
	else if (last && s->began && s->phase == IKE_UP)
		ike_task_add(s, IKE_DO_CHILD, 0, 0);
}

/* 1 when the IKE SA itself goes: it is deleted, or the peer, who began it,
 * did not believe us (2.21.2). */
static int
read_deletes(struct ike_ctx *c)
{
	struct ike_delete d;
	size_t i;

	if (ike_in_error(c->in) == IKE_N_AUTHENTICATION_FAILED) {
		reason_set(&c->why, "ike-auth", "authentication-failed",
		    "the peer does not accept our proof of identity");
		return 1;
	}
	for (i = 0; i < c->in->n_deletes; i++) {
		if (ike_delete_parse(c->in->deletes[i], &d, &c->e) < 0)
			return -1;
		if (d.protocol == IKE_PROTO_IKE)
			return 1;
		if (d.protocol != IKE_PROTO_ESP || d.spi_len != 4)
			continue;
		while (rbuf_left(&d.spis) >= 4)
			delete_child(c, rbuf_be32(&d.spis));
	}
	return 0;
}

/* MOBIKE's cookie goes back as it came (RFC 4555, 3.7). */
static void
put_cookie2(const struct ike_in *in, struct ike_out *o)
{
	const struct ike_notify *n = ike_in_notify(in, IKE_N_COOKIE2);

	if (n != NULL)
		ike_put_notify(&o->c, IKE_PROTO_NONE, NULL, 0, IKE_N_COOKIE2,
		    n->data.p, rbuf_left(&n->data));
}

enum ike_result
ike_info_request(struct ike_ctx *c)
{
	struct ike_isa *s = c->isa;
	struct ike_out o;
	int rc;

	rc = read_deletes(c);
	if (rc < 0) {
		c->notify = IKE_N_INVALID_SYNTAX;
		reason_set(&c->why, "ike", "invalid-syntax", "%s", c->e.msg);
		return IKE_FAIL;
	}
	ike_out_begin(c->g, &o);
	put_cookie2(c->in, &o);
	ike_move_request(s, c->in, &o);
	if (c->n_dead > 0)
		ike_put_delete(&o.c, IKE_PROTO_ESP, c->dead, c->n_dead);
	if (ike_send_answer(s, IKE_INFORMATIONAL, &o) < 0)
		return IKE_OK;	/* it will ask again */
	if (rc == 0)
		return IKE_OK;
	if (s->phase == IKE_UP && s->rival != NULL)
		ike_isa_adopt(s, s->rival);	/* rekeyed by the peer */
	if (c->why.code[0] == '\0')
		reason_set(&c->why, "close", "closed-by-peer",
		    "the peer closed the IKE SA");
	return IKE_FAIL;
}

int
ike_engine_probe(struct ike_engine *g, uint64_t now, int64_t wall,
    uint16_t peer, uint64_t ticket, struct reason *why)
{
	struct ike_peer *p;

	g->now = now;
	g->wall = wall;
	p = ike_peer_find(g, peer);
	if (p == NULL || p->isa == NULL || p->isa->phase != IKE_UP) {
		reason_set(why, "probe", "not-found",
		    "there is no IKE SA with peer %u", peer);
		return -1;
	}
	ike_task_add(p->isa, IKE_DO_PROBE, 0, ticket);
	ike_isa_sweep(g);
	return 0;
}
