/* Messages of peers that are not up yet.  dmvpn-gre hands on what a peer sends
 * while dmvpn-ike still tells us that it is there: that may overtake. */
#include "nhrp_state.h"

#include <stdlib.h>
#include <string.h>

#define EARLY_LIFE	1000	/* ms */
#define EARLY_MOST	256
#define EARLY_OF_PEER	4

static void
early_free(struct nhrp_engine *g, struct nhrp_early *x)
{
	nhrp_timer_stop(&g->heap, &x->timer);
	nhrp_heap_shrink(&g->heap);
	DL_DELETE(g->early, x);
	g->n_early--;
	free(x);
}

void
nhrp_early_free_all(struct nhrp_engine *g)
{
	while (g->early != NULL)
		early_free(g, g->early);
}

static struct gre_nhrp
message(const struct nhrp_early *x)
{
	struct gre_nhrp m = { .peer = x->peer, .remote = x->remote,
	    .data = rbuf_of(x->data, x->len) };

	memcpy(m.interface, x->interface, sizeof(m.interface));
	return m;
}

static void
expired(struct nhrp_engine *g, void *arg)
{
	struct gre_nhrp m = message(arg);

	nhrp_input_late(g, &m);
	early_free(g, arg);
}

bool
nhrp_early_keep(struct nhrp_engine *g, const struct gre_nhrp *m)
{
	size_t len = rbuf_left(&m->data);
	struct nhrp_early *x;
	unsigned n = 0;

	DL_FOREACH(g->early, x)
		n += x->peer == m->peer;
	if (n >= EARLY_OF_PEER || g->n_early >= EARLY_MOST)
		return false;
	if ((x = calloc(1, sizeof(*x) + len)) == NULL ||
	    nhrp_heap_grow(&g->heap) < 0) {
		nhrp_count(g, NHRP_N_MEMORY);
		free(x);
		return false;
	}
	memcpy(x->interface, m->interface, sizeof(x->interface));
	x->peer = m->peer;
	x->remote = m->remote;
	x->len = len;
	memcpy(x->data, m->data.p, len);
	x->timer.fn = expired;
	x->timer.arg = x;
	DL_APPEND(g->early, x);
	g->n_early++;
	nhrp_timer_start(&g->heap, &x->timer, g->now + EARLY_LIFE);
	return true;
}

/* A number may go to another peer: the address must be the same, too. */
void
nhrp_early_come(struct nhrp_engine *g, const struct nhrp_node *n)
{
	struct nhrp_early *x, *next;
	struct gre_nhrp m;

	DL_FOREACH_SAFE(g->early, x, next) {
		if (x->peer != n->peer)
			continue;
		m = message(x);
		if (addr_equal(&x->remote.addr, &n->remote.addr))
			nhrp_input(g, &m);
		else
			nhrp_input_late(g, &m);
		early_free(g, x);
		if (g->nodes[m.peer] != n)
			return;		/* what it said ended it */
	}
}
