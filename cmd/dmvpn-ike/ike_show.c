#include "ike_int.h"

/* Snapshots.  A page goes on after the own SPI, or the peer number, of its
 * last row. */

void
ike_show_up(const struct ike_isa *s, struct ike_up *up)
{
	size_t i;

	memset(up, 0, sizeof(*up));
	up->peer = s->peer != NULL ? s->peer->number : 0;
	snprintf(up->profile, sizeof(up->profile), "%s",
	    s->profile->set.profile);
	snprintf(up->interface, sizeof(up->interface), "%s",
	    s->profile->set.interface);
	if (s->conn != NULL) {
		snprintf(up->connection, sizeof(up->connection), "%s",
		    s->conn->set.connection);
		snprintf(up->owner, sizeof(up->owner), "%s",
		    s->conn->set.owner);
	}
	if (s->ident != NULL)
		ident_name(s->ident, up->identity, sizeof(up->identity));
	up->role = s->initiator ? IKE_ROLE_INITIATOR : IKE_ROLE_RESPONDER;
	up->remote = s->remote;
	up->local = s->local;
	up->nat_local = s->nat_local;
	up->nat_remote = s->nat_remote;
	up->psk = s->psk;
	for (i = 0; s->blocks != NULL && i < s->blocks->n && i < 32; i++)
		up->blocks[up->n_blocks++] = s->blocks->v[i];
}

static enum ike_state
state_of(const struct ike_isa *s)
{
	if (s->phase == IKE_UP)
		return s->out.phase == IKE_REKEY_SENT ||
		    s->out.phase == IKE_CHILD_SENT ||
		    s->out.phase == IKE_CHILD_INSTALL ? IKE_STATE_REKEYING :
		    IKE_STATE_UP;
	if (s->phase == IKE_CONNECTING)
		return s->out.phase == IKE_INIT_SENT ?
		    IKE_STATE_CONNECTING : IKE_STATE_AUTHENTICATING;
	if (s->phase == IKE_HALF_OPEN || s->phase == IKE_IDLE)
		return IKE_STATE_AUTHENTICATING;
	if (s->phase == IKE_DEAD)
		return IKE_STATE_DOWN;
	return IKE_STATE_CLOSING;
}

/* Those of all senders, or those of one; these have the selectors of the
 * others, which are left out. */
static void
show_children(const struct ike_isa *s, bool queued, uint64_t now,
    struct ike_sa *out)
{
	const size_t room = sizeof(out->children) / sizeof(out->children[0]);
	const struct ike_csa *c;
	struct ike_child *to;

	DL_FOREACH(s->children, c) {
		if (!c->installed || (c->queue != 0) != queued ||
		    out->n_children == room)
			continue;
		to = &out->children[out->n_children++];
		ike_child_text(c, to, now);
		if (queued)
			to->local_ts[0] = to->remote_ts[0] = '\0';
	}
}

static void
show_isa(const struct ike_isa *s, uint64_t now, struct ike_sa *out)
{
	char text[IKE_PROPOSAL_TEXT];
	uint64_t rekey = s->born + s->rekey_at;

	memset(out, 0, sizeof(*out));
	out->state = state_of(s);
	out->role = s->initiator ? IKE_ROLE_INITIATOR : IKE_ROLE_RESPONDER;
	out->peer = s->peer != NULL ? s->peer->number : 0;
	if (s->profile != NULL)
		snprintf(out->profile, sizeof(out->profile), "%s",
		    s->profile->set.profile);
	if (s->conn != NULL)
		snprintf(out->connection, sizeof(out->connection), "%s",
		    s->conn->set.connection);
	if (s->ident != NULL)
		ident_name(s->ident, out->identity, sizeof(out->identity));
	out->local = s->local;
	out->remote = s->remote;
	out->spi_i = s->spi_i;
	out->spi_r = s->spi_r;
	snprintf(out->proposal, sizeof(out->proposal), "%.95s",
	    ike_proposal_text(ike_chosen(s->chosen), text, sizeof(text)));
	out->nat_local = s->nat_local;
	out->nat_remote = s->nat_remote;
	out->age = (now - s->born) / 1000;
	if (s->phase == IKE_UP && rekey > now)
		out->rekey_in = (rekey - now) / 1000;
	show_children(s, false, now, out);
	show_children(s, true, now, out);
	out->reason = *ike_why_of(s);
}

/* A connection that waits for its next try. */
static void
show_conn(const struct ike_conn *c, uint64_t now, struct ike_sa *out)
{
	memset(out, 0, sizeof(*out));
	out->state = IKE_STATE_DOWN;
	out->role = IKE_ROLE_INITIATOR;
	snprintf(out->profile, sizeof(out->profile), "%s", c->set.profile);
	snprintf(out->connection, sizeof(out->connection), "%s",
	    c->set.connection);
	snprintf(out->identity, sizeof(out->identity), "%s",
	    c->set.peer_id);
	out->remote = c->set.remote;
	out->reason = c->why;
	out->next_try = c->isa == NULL && c->retry.at > now ?
	    c->retry.at - now : 0;
}

/* Rows in order: SAs as they came, then connections without one; after and
 * next count them.  The generation tells a reader that it must begin anew. */
void
ike_engine_sas(const struct ike_engine *g, uint64_t now, uint64_t after,
    struct ike_sas *page)
{
	const size_t room = sizeof(page->items) / sizeof(page->items[0]);
	const struct ike_isa *s;
	const struct ike_conn *c;
	uint64_t n = 0;

	memset(page, 0, sizeof(*page));
	page->generation = g->generation;
	DL_FOREACH(g->isas, s) {
		if (n++ < after)
			continue;
		if (page->n_items == room) {
			page->next = n - 1;
			return;
		}
		show_isa(s, now, &page->items[page->n_items++]);
	}
	LL_FOREACH(g->conns, c) {
		if (c->isa != NULL || n++ < after)
			continue;
		if (page->n_items == room) {
			page->next = n - 1;
			return;
		}
		show_conn(c, now, &page->items[page->n_items++]);
	}
}

void
ike_engine_peers(const struct ike_engine *g, uint64_t after,
    struct ike_peers *page)
{
	const size_t room = sizeof(page->items) / sizeof(page->items[0]);
	const struct ike_peer *p;
	uint64_t n = 0;
	uint16_t at = 0;

	memset(page, 0, sizeof(*page));
	page->generation = g->generation;
	while ((p = ike_peer_next(g, &at)) != NULL) {
		if (p->isa == NULL || p->isa->phase != IKE_UP ||
		    !p->isa->announced || n++ < after)
			continue;
		if (page->n_items == room) {
			page->next = n - 1;
			return;
		}
		ike_show_up(p->isa, &page->items[page->n_items++]);
	}
}

void
ike_engine_sizes(const struct ike_engine *g, uint64_t *sas, uint64_t *peers)
{
	const struct ike_peer *p;
	const struct ike_isa *s;
	const struct ike_conn *c;
	uint16_t at = 0;

	*sas = *peers = 0;
	DL_FOREACH(g->isas, s)
		(*sas)++;
	LL_FOREACH(g->conns, c)
		if (c->isa == NULL)
			(*sas)++;
	while ((p = ike_peer_next(g, &at)) != NULL)
		if (p->isa != NULL && p->isa->phase == IKE_UP &&
		    p->isa->announced)
			(*peers)++;
}
