#include "ike_int.h"

/*
 * Our address may change while IKE SAs are up.  Those with our own kind move
 * along: ESP goes from the new address at once, and MOBIKE's request (RFC
 * 4555, 3.5) shows the peer where we are, and both what NATs there are now.
 * Nothing else moves a peer that is behind no NAT.  What speaks our vendor id
 * need not offer it.  Others are connected anew.
 *
 * RFC 4555 lets only the one who began update addresses, for it picks one of
 * several on each side.  Our own kind has one on each, and either end of a
 * shortcut may be the one that moves: so both say it.  Those that the peer
 * began are looked at when one of ours leaves their address: a server that is
 * reached at several addresses must not drift to the one of its routes.
 */
#define LOOK_EVERY	1000	/* ms */

bool
ike_move_follows(const struct ike_isa *s)
{
	return s->own_kind;
}

static void
move(struct ike_isa *s, const struct addr *to)
{
	s->local.addr = *to;
	ike_peer_moved(s);
	/* What waits for an answer would wait for long. */
	if (s->request != NULL)
		ike_flight_send(s, s->request);
	ike_task_add(s, IKE_DO_MOVE, 0, 0);
}

static void
leave(struct ike_isa *s, const struct addr *to)
{
	struct addr_buf was, is;

	reason_set(ike_why(s), "ike", "address-changed", "our address was "
	    "%s, now it is %s", addr_text(&s->local.addr, &was),
	    addr_text(to, &is));
	ike_isa_die(s);
}

/* Our address towards its peer, when that is another now. */
static bool
is_elsewhere(const struct ike_isa *s, struct addr *now)
{
	const struct ike_ops *ops = &s->g->ops;

	return s->phase == IKE_UP && s->profile->set.local.len == 0 &&
	    s->local.addr.len != 0 &&
	    ops->local_for(ops->arg, &s->remote.addr, now) == 0 &&
	    now->len == s->local.addr.len &&
	    !addr_equal(now, &s->local.addr);
}

/* What the peers began at an address that we leave. */
static void
take_along(struct ike_engine *g, const struct addr *from)
{
	struct addr now;
	struct ike_isa *s;

	DL_FOREACH(g->isas, s)
		if (!s->began && s->own_kind &&
		    addr_equal(&s->local.addr, from) &&
		    is_elsewhere(s, &now))
			move(s, &now);
}

static void
look(struct ike_isa *s)
{
	const struct addr from = s->local.addr;
	struct addr now;

	if (!s->began || !is_elsewhere(s, &now))
		return;
	take_along(s->g, &from);
	if (s->own_kind)
		move(s, &now);
	else
		leave(s, &now);
}

void
ike_move_later(struct ike_engine *g, struct ike_conn *c)
{
	ike_timer_set(g, &c->retry, g->now + LOOK_EVERY);
}

void
ike_move_look(struct ike_engine *g, struct ike_conn *c)
{
	if (c->isa->phase == IKE_CONNECTING)
		return;
	ike_move_later(g, c);
	look(c->isa);
}

void
ike_move_put(struct ike_isa *s, struct ike_out *o)
{
	ike_put_status(&o->c, IKE_N_UPDATE_SA_ADDRESSES);
	ike_nat_put(s, o, false);
}

/* A hash that does not fit shows a NAT. */
static void
judge(struct ike_isa *s, const struct ike_in *in)
{
	ike_nat_judge(s, in);
	s->own_kind = true;	/* is not said again */
	ike_peer_moved(s);
	ike_conn_up(s);		/* NHRP tells others where we are */
}

void
ike_move_request(struct ike_isa *s, const struct ike_in *in,
    struct ike_out *o)
{
	if (!ike_move_follows(s) ||
	    ike_in_notify(in, IKE_N_UPDATE_SA_ADDRESSES) == NULL)
		return;
	ike_isa_set_remote(s, &in->remote);
	s->local = in->local;
	judge(s, in);
	ike_nat_put(s, o, false);
}

void
ike_move_reply(struct ike_isa *s, const struct ike_in *in)
{
	if (ike_in_notify(in, IKE_N_NAT_DETECTION_SOURCE_IP) != NULL)
		judge(s, in);
}
