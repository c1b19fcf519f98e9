#include "nhrp_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nhrp_state.h"

const struct name nhrp_count_names[] = { NHRP_COUNTS(NAME_ROW) };

const char *const nhrp_gre_events[] = { "gre-nhrp", "gre-resolve",
    "gre-hairpin", "gre-peer-gone", "gre-peer-moved", "gre-interface-event",
    NULL };
const char *const nhrp_ike_events[] = { "ike-up", "ike-down", "ike-failed",
    NULL };

struct nhrp_engine *
nhrp_engine_new(const struct nhrp_ops *ops, uint64_t now, struct err *e)
{
	struct nhrp_engine *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return err_null(err_set(e, ENOMEM, "nhrp: out of memory"));
	g->nodes = calloc(UINT16_MAX + 1, sizeof(g->nodes[0]));
	if (g->nodes == NULL) {
		free(g);
		return err_null(err_set(e, ENOMEM, "nhrp: out of memory"));
	}
	g->ops = *ops;
	g->now = g->warn_at = now;
	g->warn_tokens = 10000;
	return g;
}

static void
free_iface(struct nhrp_iface *f)
{
	struct nhrp_binding *b, *b2;
	struct nhrp_cut *c, *c2;
	struct nhrp_fill *x, *x2;

	DL_FOREACH_SAFE2(f->bindings, b, b2, all_next) {
		nhrp_told_free(&b->told, &b->n_told);
		nhrp_text_release(b->identity);
		free(b->routes);
		free(b);
	}
	DL_FOREACH_SAFE(f->cuts, c, c2) {
		free(c->reason);
		free(c);
	}
	DL_FOREACH_SAFE(f->fills, x, x2)
		free(x);
	nhrp_told_free(&f->told, &f->n_told);
	chains_fini(&f->by_address);
	free(f);
}

void
nhrp_engine_free(struct nhrp_engine *g)
{
	struct nhrp_wait *w, *w2;
	struct nhrp_ask *a, *a2;
	struct nhrp_orphan *o;
	struct nhrp_iface *f;
	struct nhrp_node *n, *n2;

	if (g == NULL)
		return;
	/* While the heap's timers are all there. */
	nhrp_early_free_all(g);
	DL_FOREACH_SAFE(g->all, n, n2)
		nhrp_node_free(g, n);
	while ((f = g->ifaces) != NULL) {
		g->ifaces = f->next;
		free_iface(f);
	}
	while ((o = g->orphans) != NULL) {
		g->orphans = o->next;
		free(o);
	}
	HASH_ITER(hh, g->waits, w, w2) {
		HASH_DEL(g->waits, w);
		free(w);
	}
	DL_FOREACH_SAFE(g->asks, a, a2)
		free(a);
	nhrp_heap_free(&g->heap);
	free(g->nodes);
	free(g);
}

uint32_t
nhrp_random(struct nhrp_engine *g, uint32_t below)
{
	uint32_t v = 0;

	if (below == 0 || g->ops.random(g->ops.arg, &v, sizeof(v)) < 0)
		return 0;
	return v % below;
}

struct nhrp_iface *
nhrp_iface_find(const struct nhrp_engine *g, const char *name)
{
	struct nhrp_iface *f;

	for (f = g->ifaces; f != NULL; f = f->next)
		if (strcmp(f->conf.interface, name) == 0)
			return f;
	return NULL;
}

void
nhrp_count(struct nhrp_engine *g, enum nhrp_count c)
{
	g->counts[c]++;
}

uint64_t
nhrp_engine_next(const struct nhrp_engine *g)
{
	return g->heap.n > 0 ? g->heap.v[0]->at : 0;
}

void
nhrp_engine_wake(struct nhrp_engine *g, uint64_t now)
{
	struct nhrp_timer *t;

	g->now = now;
	while ((t = nhrp_heap_due(&g->heap, now)) != NULL)
		t->fn(g, t->arg);
}

/* What waits for the answer of a program below. */
struct nhrp_wait *
nhrp_wait_new(struct nhrp_engine *g, size_t len)
{
	struct nhrp_wait *w;

	if (HASH_COUNT(g->waits) >= NHRP_MAX_WAITS) {
		nhrp_count(g, NHRP_N_CAP);
		return NULL;
	}
	if ((w = calloc(1, sizeof(*w) + len)) == NULL) {
		nhrp_count(g, NHRP_N_MEMORY);
		return NULL;
	}
	w->len = len;
	w->ticket = ++g->last_ticket;
	HASH_ADD(hh, g->waits, ticket, sizeof(w->ticket), w);
	if (w->hh.tbl == NULL) {
		nhrp_count(g, NHRP_N_MEMORY);
		free(w);
		return NULL;
	}
	return w;
}

void
nhrp_wait_free(struct nhrp_engine *g, struct nhrp_wait *w)
{
	struct nhrp_node *n = g->nodes[w->peer];

	HASH_DEL(g->waits, w);
	free(w);
	if (n == NULL || n->n_waits == 0)
		return;
	n->n_waits--;
	nhrp_node_release(g, n);
}

void
nhrp_engine_answer(struct nhrp_engine *g, uint64_t now, uint64_t ticket,
    const void *m, const struct reason *why)
{
	struct nhrp_wait *w;

	g->now = now;
	HASH_FIND(hh, g->waits, &ticket, sizeof(ticket), w);
	if (w == NULL)
		return;
	w->fn(g, w, m, why);
	nhrp_wait_free(g, w);
}

const struct msg_type *
nhrp_engine_reply_type(const struct msg_type *t)
{
	if (t == &gre_lookup_type)
		return &gre_lookup_reply_type;
	if (t == &gre_peer_set_type)
		return &gre_peer_set_reply_type;
	return NULL;
}

static void
peer_gone(struct nhrp_engine *g, uint16_t peer, const char *why)
{
	struct nhrp_node *n = g->nodes[peer];

	if (peer > 0)
		nhrp_orphans_forget(g, peer);
	if (n != NULL)
		nhrp_node_gone(g, n, why);
}

static void
on_nhrp(struct nhrp_engine *g, const void *m)
{
	nhrp_input(g, m);
}

static void
on_resolve(struct nhrp_engine *g, const void *m)
{
	nhrp_need(g, m);
}

static void
on_hairpin(struct nhrp_engine *g, const void *m)
{
	nhrp_hairpin(g, m);
}

static void
on_gone(struct nhrp_engine *g, const void *m)
{
	const struct gre_peer_gone *gone = m;

	peer_gone(g, gone->peer, "the peer was deleted");
}

static void
on_moved(struct nhrp_engine *g, const void *m)
{
	const struct gre_peer_moved *moved = m;
	struct nhrp_node *n = g->nodes[moved->peer];

	if (n != NULL && n->clear == NULL)
		nhrp_node_moved(g, n, &moved->remote);
}

static void
on_interface(struct nhrp_engine *g, const void *m)
{
	const struct gre_interface_event *ev = m;
	struct nhrp_iface *f = nhrp_iface_find(g, ev->interface);

	if (f != NULL && !ev->gone)
		f->mtu = ev->mtu;
}

static void
on_up(struct nhrp_engine *g, const void *m)
{
	nhrp_node_up(g, m);
}

static void
on_down(struct nhrp_engine *g, const void *m)
{
	const struct ike_down *down = m;
	char why[NHRP_WHY];
	char text[NHRP_WHY + 400];

	reason_text(&down->reason, text, sizeof(text));
	memcpy(why, text, sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	peer_gone(g, down->peer, why);
}

static void
on_failed(struct nhrp_engine *g, const void *m)
{
	nhrp_cut_failed(g, m);
}

void
nhrp_engine_event(struct nhrp_engine *g, uint64_t now,
    const struct msg_type *t, const void *m)
{
	static const struct {
		const struct msg_type	*type;
		void (*fn)(struct nhrp_engine *g, const void *m);
	} rows[] = {
		{ &gre_nhrp_type, on_nhrp },
		{ &gre_resolve_type, on_resolve },
		{ &gre_hairpin_type, on_hairpin },
		{ &gre_peer_gone_type, on_gone },
		{ &gre_peer_moved_type, on_moved },
		{ &gre_interface_event_type, on_interface },
		{ &ike_up_type, on_up },
		{ &ike_down_type, on_down },
		{ &ike_failed_type, on_failed },
	};
	size_t i;

	g->now = now;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == t) {
			rows[i].fn(g, m);
			return;
		}
}

uint32_t
nhrp_engine_counts(const struct nhrp_engine *g)
{
	uint32_t every = g->clear != NULL ? NHRP_LOOK : 0;
	const struct nhrp_iface *f;

	for (f = g->ifaces; f != NULL; f = f->next)
		if (f->n_up > 0 && (every == 0 || f->look < every))
			every = f->look;
	return every;
}

void
nhrp_engine_count(struct nhrp_engine *g, uint64_t now, uint16_t peer,
    uint64_t packets)
{
	struct nhrp_node *n = g->nodes[peer];

	g->now = now;
	if (n == NULL || n->packets == packets)
		return;
	n->packets = packets;
	n->used_at = now;
}
