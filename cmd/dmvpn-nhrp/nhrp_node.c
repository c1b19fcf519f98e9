#include "nhrp_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nhrp_node *
nhrp_node_get(struct nhrp_engine *g, uint16_t peer)
{
	struct nhrp_node *n = g->nodes[peer];

	if (n != NULL || peer == 0)
		return n;
	if ((n = calloc(1, sizeof(*n))) == NULL) {
		nhrp_count(g, NHRP_N_MEMORY);
		return NULL;
	}
	n->peer = peer;
	n->identity = nhrp_text_new("");
	n->connection = nhrp_text_new("");
	n->owner = nhrp_text_new("");
	n->tokens = NHRP_PEER_BURST * 1000;
	n->error_tokens = 10000;
	n->tokens_at = n->error_at = g->now;
	g->nodes[peer] = n;
	DL_APPEND(g->all, n);
	return n;
}

/* Refill with rate a second up to burst, take one; all in 1/1000. */
static bool
take(uint32_t *tokens, uint64_t *at, uint64_t now, uint32_t rate,
    uint32_t burst)
{
	uint64_t have = *tokens + (now - *at) * rate;

	*at = now;
	*tokens = (uint32_t)(have > burst * 1000UL ? burst * 1000UL : have);
	if (*tokens < 1000)
		return false;
	*tokens -= 1000;
	return true;
}

/* May this peer have one more packet looked at? */
bool
nhrp_node_take(struct nhrp_engine *g, struct nhrp_node *n)
{
	return take(&n->tokens, &n->tokens_at, g->now, NHRP_PEER_RATE,
	    NHRP_PEER_BURST);
}

bool
nhrp_node_may_err(struct nhrp_engine *g, struct nhrp_node *n)
{
	return take(&n->error_tokens, &n->error_at, g->now, 2, 10);
}

/* May one more stranger be told what is wrong?  It costs a peer for a while. */
bool
nhrp_node_may_warn(struct nhrp_engine *g)
{
	return take(&g->warn_tokens, &g->warn_at, g->now, 1, 10);
}

/* No entry may point to n any more. */
void
nhrp_node_free(struct nhrp_engine *g, struct nhrp_node *n)
{
	if (g->nodes[n->peer] == n)
		g->nodes[n->peer] = NULL;
	DL_DELETE(g->all, n);
	if (n->clear != NULL) {
		nhrp_timer_stop(&g->heap, &n->clear->linger);
		nhrp_heap_shrink(&g->heap);
		HASH_DEL(g->clear, n->clear);
		free(n->clear);
	}
	nhrp_text_release(n->identity);
	nhrp_text_release(n->connection);
	nhrp_text_release(n->owner);
	free(n->blocks);
	free(n);
}

struct nhrp_node *
nhrp_node_clear(struct nhrp_engine *g, const struct addr *nbma)
{
	struct nhrp_clear *c;

	HASH_FIND(hh, g->clear, nbma, sizeof(*nbma), c);
	return c == NULL ? NULL : c->node;
}

/* -1: no memory, and what was there stays: who has none is free to claim. */
static int
set_blocks(struct nhrp_node *n, const struct ike_up *m)
{
	struct prefix *blocks = NULL;

	if (m->n_blocks > 0) {
		blocks = calloc(m->n_blocks, sizeof(blocks[0]));
		if (blocks == NULL)
			return -1;
		memcpy(blocks, m->blocks, m->n_blocks * sizeof(blocks[0]));
	}
	free(n->blocks);
	n->blocks = blocks;
	n->n_blocks = m->n_blocks;
	return 0;
}

static bool
same_blocks(const struct nhrp_node *n, const struct ike_up *m)
{
	return n->n_blocks == m->n_blocks && (m->n_blocks == 0 ||
	    memcmp(n->blocks, m->blocks,
	    m->n_blocks * sizeof(n->blocks[0])) == 0);
}

/* What a peer had registered is judged again by its certificate. */
static void
judge_bindings(struct nhrp_engine *g, struct nhrp_node *n)
{
	struct nhrp_binding *b, *b2;

	DL_FOREACH_SAFE(n->bindings, b, b2)
		nhrp_binding_judge(g, b);
}

/* All of them or none. */
static int
set_texts(struct nhrp_node *n, const struct ike_up *m)
{
	struct nhrp_text *identity = nhrp_text_new(m->identity);
	struct nhrp_text *connection = nhrp_text_new(m->connection);
	struct nhrp_text *owner = nhrp_text_new(m->owner);

	if (identity == NULL || connection == NULL || owner == NULL) {
		nhrp_text_release(identity);
		nhrp_text_release(connection);
		nhrp_text_release(owner);
		return -1;
	}
	if (strcmp(n->identity->s, identity->s) == 0)
		nhrp_text_release(identity);	/* others share the old one */
	else
		nhrp_text_set(&n->identity, identity);
	nhrp_text_set(&n->connection, connection);
	nhrp_text_set(&n->owner, owner);
	return 0;
}

/* The same peer, reached elsewhere from now on. */
void
nhrp_node_moved(struct nhrp_engine *g, struct nhrp_node *n,
    const struct endpoint *to)
{
	nhrp_cut_node_moved(g, n, to);
	n->remote = *to;
}

void
nhrp_node_up(struct nhrp_engine *g, const struct ike_up *m)
{
	struct nhrp_node *n = g->nodes[m->peer];
	struct nhrp_iface *f;
	bool same, known;
	size_t i;

	if (n != NULL && (n->clear != NULL ||
	    strcmp(n->identity->s, m->identity) != 0)) {
		nhrp_node_gone(g, n, "its number went to another peer");
		n = NULL;
	}
	if (n == NULL && (n = nhrp_node_get(g, m->peer)) == NULL)
		return;
	same = same_blocks(n, m);
	if (set_texts(n, m) < 0 || set_blocks(n, m) < 0) {
		nhrp_count(g, NHRP_N_MEMORY);
		return;
	}
	known = n->known;
	nhrp_node_moved(g, n, &m->remote);
	n->local = m->local;
	n->psk = m->psk;
	n->nat_remote = m->nat_remote;
	n->marked = false;
	n->known = true;
	n->used_at = g->now;
	if (!same || !known)
		judge_bindings(g, n);
	for (f = g->ifaces; f != NULL; f = f->next)
		for (i = 0; i < f->n_servers; i++)
			if (nhrp_server_leads(&f->servers[i], n))
				nhrp_server_peer(g, &f->servers[i], n);
	nhrp_cut_node_up(g, n);
	nhrp_early_come(g, n);
}

/* Everything that goes through this peer ends at once; dmvpn-gre has taken
 * its maps and routes away itself. */
void
nhrp_node_gone(struct nhrp_engine *g, struct nhrp_node *n, const char *why)
{
	struct nhrp_binding *b, *b2;
	struct nhrp_iface *f;
	size_t i;

	g->nodes[n->peer] = NULL;
	n->marked = true;	/* not chosen again meanwhile */
	DL_FOREACH_SAFE(n->bindings, b, b2)
		nhrp_binding_drop(g, b, why, false);
	for (f = g->ifaces; f != NULL; f = f->next) {
		for (i = 0; i < f->n_servers; i++)
			if (f->servers[i].node == n)
				nhrp_server_lost(g, &f->servers[i], why);
		nhrp_servers_find(g, f);
	}
	nhrp_cut_node_gone(g, n, why);
	nhrp_node_free(g, n);
}

static bool
in_use(const struct nhrp_engine *g, const struct nhrp_node *n)
{
	const struct nhrp_iface *f;
	const struct nhrp_cut *c;
	size_t i;

	if (n->bindings != NULL || n->n_waits > 0 || n->refs > 0)
		return true;
	for (f = g->ifaces; f != NULL; f = f->next) {
		for (i = 0; i < f->n_servers; i++)
			if (f->servers[i].node == n)
				return true;
		DL_FOREACH(f->cuts, c)
			if (c->node == n)
				return true;
	}
	return false;
}

static void
lingered(struct nhrp_engine *g, void *arg)
{
	struct gre_peer_delete m;
	struct nhrp_node *n = arg;

	if (in_use(g, n))
		return;
	if (g->ifaces != NULL && g->now - n->used_at < NHRP_LINGER) {
		nhrp_timer_start(&g->heap, &n->clear->linger,
		    n->used_at + NHRP_LINGER);
		return;
	}
	m.peer = n->peer;
	g->ops.call(g->ops.arg, 0, &gre_peer_delete_type, &m);
	nhrp_node_free(g, n);
}

bool
nhrp_node_was(struct nhrp_engine *g, struct nhrp_node *n,
    const struct nhrp_blob *b)
{
	struct nhrp_text *identity;

	if (n->identity->s[0] != '\0')
		return n->clear != NULL ||
		    strcmp(n->identity->s, b->identity) == 0;
	if ((identity = nhrp_text_new(b->identity)) == NULL) {
		nhrp_count(g, NHRP_N_MEMORY);
		return false;
	}
	nhrp_text_set(&n->identity, identity);
	n->remote = b->nbma;
	return true;
}

/* -1: no memory. */
static int
set_clear(struct nhrp_engine *g, struct nhrp_node *n, const struct addr *nbma,
    const struct addr *local)
{
	struct nhrp_clear *c = calloc(1, sizeof(*c));
	struct nhrp_text *identity;
	struct addr_buf b;

	if ((identity = nhrp_text_new(addr_text(nbma, &b))) == NULL ||
	    c == NULL || nhrp_heap_grow(&g->heap) < 0)
		goto fail;
	c->node = n;
	c->nbma = *nbma;
	c->local = *local;
	c->linger.fn = lingered;
	c->linger.arg = n;
	HASH_ADD(hh, g->clear, nbma, sizeof(c->nbma), c);
	if (c->hh.tbl == NULL) {
		nhrp_heap_shrink(&g->heap);
		goto fail;
	}
	n->clear = c;
	nhrp_text_set(&n->identity, identity);
	return 0;
fail:
	nhrp_text_release(identity);
	free(c);
	return -1;
}

/* A clear peer: its outer address is who it is. */
struct nhrp_node *
nhrp_node_made(struct nhrp_engine *g, uint16_t peer, const struct addr *nbma,
    const struct addr *local)
{
	struct nhrp_node *n = nhrp_node_clear(g, nbma);

	if (n != NULL && n->peer == peer)
		return n;
	if (n != NULL)
		nhrp_node_gone(g, n, "its peer number changed");
	if (g->nodes[peer] != NULL)
		nhrp_node_gone(g, g->nodes[peer], "its number was reused");
	if ((n = nhrp_node_get(g, peer)) == NULL)
		return NULL;
	if (set_clear(g, n, nbma, local) < 0) {
		nhrp_count(g, NHRP_N_MEMORY);
		nhrp_node_free(g, n);
		return NULL;
	}
	n->remote = (struct endpoint){ .addr = *nbma };
	n->used_at = g->now;
	return n;
}

/* gre-peer-set was answered: whoever wanted this address goes on. */
static void
made(struct nhrp_engine *g, struct nhrp_wait *w, const void *m,
    const struct reason *why)
{
	const struct gre_peer_set_reply *r = m;
	struct nhrp_iface *f = nhrp_iface_find(g, w->interface);
	struct nhrp_node *n;
	size_t i;

	n = r == NULL ? NULL : nhrp_node_made(g, r->peer, &w->address,
	    &w->local);
	if (f == NULL && n != NULL)
		nhrp_node_release(g, n);	/* the tunnel went meanwhile */
	for (i = 0; f != NULL && i < f->n_servers; i++) {
		struct nhrp_server *s = &f->servers[i];

		if (s->making != w->ticket)
			continue;
		s->making = 0;
		if (n != NULL)
			nhrp_server_peer(g, s, n);
		else if (why != NULL)
			nhrp_server_down(g, s, why);
	}
	if (n == NULL || f == NULL)
		return;
	nhrp_cut_made(g, f, n, &w->address);
	if (w->len > 0)
		nhrp_input_raw(g, f, n, &w->remote, rbuf_of(w->data, w->len));
	else
		nhrp_node_release(g, n);
}

uint64_t
nhrp_node_make(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *nbma, const struct rbuf *packet)
{
	struct gre_peer_set m = { .encap = GRE_ENCAP_NONE, .fixed = true };
	size_t len = packet != NULL ? rbuf_left(packet) : 0;
	struct nhrp_wait *w = nhrp_wait_new(g, len);
	struct addr_buf b;

	if (w == NULL)
		return 0;
	w->fn = made;
	w->address = *nbma;
	w->remote.addr = *nbma;
	w->local = f->conf.nbma;
	snprintf(w->interface, sizeof(w->interface), "%s",
	    f->conf.interface);
	if (len > 0)
		memcpy(w->data, packet->p, len);
	snprintf(m.owner, sizeof(m.owner), "%s", NHRP_OWNER);
	snprintf(m.name, sizeof(m.name), "%s", addr_text(nbma, &b));
	m.remote.addr = *nbma;
	m.local.addr = f->conf.nbma;
	g->ops.call(g->ops.arg, w->ticket, &gre_peer_set_type, &m);
	return w->ticket;
}

void
nhrp_node_release(struct nhrp_engine *g, struct nhrp_node *n)
{
	struct nhrp_clear *c = n->clear;

	if (c == NULL || in_use(g, n) || g->nodes[n->peer] != n)
		return;
	if (c->linger.slot == 0)
		nhrp_timer_start(&g->heap, &c->linger, g->now + NHRP_LINGER);
}

void
nhrp_node_flush(struct nhrp_engine *g)
{
	struct nhrp_clear *c, *next;

	HASH_ITER(hh, g->clear, c, next)
		nhrp_timer_start(&g->heap, &c->linger,
		    g->now + NHRP_LAST_WORDS);
}
