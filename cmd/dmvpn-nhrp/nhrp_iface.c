/* Tunnels: made, changed, ended, adopted from a former life. */
#include "nhrp_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
check(const struct nhrp_interface_set *m, struct err *e)
{
	size_t i, k;

	if (m->profile[0] == '\0' && m->nbma.len == 0)
		return err_set(e, EINVAL, "%s: our public address (nbma) is "
		    "needed without an IKE profile", m->interface);
	if (m->role == NHRP_ROLE_HUB && m->n_nhs > 0)
		return err_set(e, EINVAL, "%s: a hub has no servers",
		    m->interface);
	for (i = 0; i < m->n_nhs; i++) {
		for (k = 0; k < m->n_addresses; k++)
			if (m->addresses[k].addr.len == m->nhs[i].address.len)
				break;
		if (k == m->n_addresses)
			return err_set(e, EINVAL, "%s: we have no address of "
			    "the family of server %zu", m->interface, i + 1);
		if (m->profile[0] == '\0' && m->nhs[i].nbma.len == 0)
			return err_set(e, EINVAL, "%s: server %zu needs its "
			    "public address (nbma) without an IKE profile",
			    m->interface, i + 1);
	}
	return 0;
}

static struct nhrp_iface *
iface_new(struct nhrp_engine *g, const char *name, struct err *e)
{
	struct nhrp_iface *f;
	unsigned n = 0, i;

	for (f = g->ifaces; f != NULL; f = f->next)
		n++;
	if (n >= NHRP_MAX_IFACES)
		return err_null(err_set(e, ENOSPC, "more than %u tunnels",
		    NHRP_MAX_IFACES));
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return err_null(err_set(e, ENOMEM, "nhrp: out of memory"));
	for (i = 0; i < 8; i++)
		if (nhrp_heap_grow(&g->heap) < 0) {
			while (i-- > 0)
				nhrp_heap_shrink(&g->heap);
			free(f);
			return err_null(err_set(e, ENOMEM,
			    "nhrp: out of memory"));
		}
	chains_init(&f->by_address, nhrp_binding_hash);
	snprintf(f->conf.interface, sizeof(f->conf.interface), "%s", name);
	/* far from guessable, far from its end */
	f->next_id = nhrp_random(g, 1U << 30);
	f->serial = g->last_serial + 1;
	g->last_serial += 64;
	f->next = g->ifaces;
	g->ifaces = f;
	return f;
}

static bool
same_server(const struct nhrp_nhs *a, const struct nhrp_nhs *b)
{
	return addr_equal(&a->address, &b->address) &&
	    addr_equal(&a->nbma, &b->nbma) &&
	    strcmp(a->connection, b->connection) == 0;
}

/* Servers that stay keep their state; the timers move with them. */
static void
set_servers(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_interface_set *m)
{
	struct nhrp_server old[8];
	size_t n_old = f->n_servers, i, k;
	bool kept[8] = { false };

	memcpy(old, f->servers, sizeof(old));
	for (i = 0; i < n_old; i++)
		nhrp_timer_stop(&g->heap, &f->servers[i].timer);
	f->n_servers = 0;
	for (i = 0; i < m->n_nhs; i++) {
		struct nhrp_server *s = &f->servers[i];

		for (k = 0; k < n_old; k++)
			if (!kept[k] && same_server(&old[k].conf, &m->nhs[i]))
				break;
		f->n_servers++;
		if (k == n_old) {
			nhrp_server_init(g, f, s, &m->nhs[i]);
			continue;
		}
		kept[k] = true;
		*s = old[k];
		s->timer.slot = 0;
		s->timer.arg = s;
		s->asking = false;	/* what it says may have changed */
		if (s->node != NULL || s->conf.nbma.len > 0)
			nhrp_timer_start(&g->heap, &s->timer,
			    g->now + nhrp_random(g, 50));
	}
	for (k = 0; k < n_old; k++)
		if (!kept[k]) {
			old[k].timer.slot = 0;
			nhrp_server_fini(g, &old[k], true);
		}
}

/* Those whom we told of a subnet that is ours no more. */
static void
forget_subnets(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_interface_set *m, const struct prefix *only)
{
	struct nhrp_told **at = &f->told, *t;
	struct nhrp_server *s = nhrp_server_best(f);
	size_t i;

	while ((t = *at) != NULL) {
		bool still = nhrp_is_own(f, &t->prefix.addr);
		struct nhrp_binding *b = nhrp_binding_find(f, &t->requester);
		struct nhrp_node *to = b != NULL ? b->node :
		    s != NULL ? s->node : NULL;

		for (i = 0; m != NULL && i < m->n_subnets; i++)
			still |= prefix_equal(&t->prefix, &m->subnets[i]);
		if (m == NULL)
			still = only != NULL &&
			    !prefix_covers(only, &t->prefix);
		else if (m->n_subnets == 0)
			still = true;	/* by route, not by list */
		if (still) {
			at = &t->next;
			continue;
		}
		if (to != NULL && t->expires > g->now)
			nhrp_purge_send(g, f, to, &t->requester, &t->prefix,
			    1, 0, true);
		*at = t->next;
		f->n_told--;
		free(t);
	}
}

/* What holds by the old settings may not by the new ones. */
static void
judge_again(struct nhrp_engine *g, struct nhrp_iface *f, bool had_shortcuts)
{
	struct nhrp_binding *b, *b2;
	struct nhrp_cut *c, *c2;

	DL_FOREACH_SAFE2(f->bindings, b, b2, all_next)
		nhrp_binding_judge(g, b);
	DL_FOREACH_SAFE(f->cuts, c, c2)
		if (had_shortcuts && !f->conf.shortcut)
			nhrp_cut_drop(g, c, "shortcuts were switched off",
			    true);
}

static void adopt_rows(struct nhrp_engine *g, struct nhrp_iface *f);

/* Nothing of what it has would hold. */
static bool
is_another(const struct nhrp_iface *f, const struct nhrp_interface_set *m)
{
	return f->conf.role != m->role ||
	    (f->conf.profile[0] == '\0') != (m->profile[0] == '\0');
}

/* Servers know us by an address that is ours no more. */
static void
leave_addresses(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_interface_set *m)
{
	struct addr own;
	size_t i, k;

	for (i = 0; i < f->n_servers; i++) {
		struct nhrp_server *s = &f->servers[i];

		own = nhrp_own(f, &s->conf.address);
		for (k = 0; k < m->n_addresses; k++)
			if (addr_equal(&m->addresses[k].addr, &own))
				break;
		if (k == m->n_addresses)
			nhrp_server_leave(g, s);
	}
}

int
nhrp_engine_set(struct nhrp_engine *g, uint64_t now,
    const struct nhrp_interface_set *m, struct err *e)
{
	struct nhrp_iface *f = nhrp_iface_find(g, m->interface);
	bool fresh = f == NULL, had_shortcuts;

	g->now = now;
	if (check(m, e) < 0)
		return -1;
	if (!fresh && is_another(f, m)) {
		if (nhrp_engine_delete(g, now, m->interface, e) < 0)
			return -1;
		fresh = true;
	}
	if (fresh && (f = iface_new(g, m->interface, e)) == NULL)
		return -1;
	if (!fresh) {
		forget_subnets(g, f, m, NULL);
		leave_addresses(g, f, m);
	}
	had_shortcuts = f->conf.shortcut;
	f->conf = *m;
	f->auth_len = rbuf_left(&m->authentication);
	if (f->auth_len > sizeof(f->auth))
		f->auth_len = sizeof(f->auth);
	if (f->auth_len > 0)
		memcpy(f->auth, m->authentication.p, f->auth_len);
	memset(&f->conf.authentication, 0, sizeof(f->conf.authentication));
	if (fresh)
		adopt_rows(g, f);
	set_servers(g, f, m);
	/* peers that are up already may lead to new servers */
	nhrp_servers_find(g, f);
	nhrp_fill_repoint(g, f);
	if (!fresh)
		judge_again(g, f, had_shortcuts);
	g->generation++;
	return 0;
}

static void
drop_asks(struct nhrp_engine *g, const struct nhrp_iface *f)
{
	struct nhrp_ask *a, *a2;

	DL_FOREACH_SAFE(g->asks, a, a2)
		if (a->iface == f)
			nhrp_ask_free(g, a);
}

int
nhrp_engine_delete(struct nhrp_engine *g, uint64_t now,
    const char *interface, struct err *e)
{
	struct nhrp_iface *f = nhrp_iface_find(g, interface), **at;
	struct nhrp_binding *b, *b2;
	struct nhrp_cut *c, *c2;
	size_t i;

	g->now = now;
	if (f == NULL)
		return err_set(e, ENOENT, "there is no tunnel %s", interface);
	forget_subnets(g, f, NULL, NULL);
	f->conf.routes = false;		/* nobody's is another's then */
	DL_FOREACH_SAFE(f->cuts, c, c2)
		nhrp_cut_drop(g, c, "the tunnel ends", true);
	while (f->fills != NULL)
		nhrp_fill_drop(g, f, &f->fills->address, true);
	DL_FOREACH_SAFE2(f->bindings, b, b2, all_next) {
		nhrp_told_free(&b->told, &b->n_told);
		nhrp_binding_drop(g, b, "the tunnel ends", true);
	}
	for (i = 0; i < f->n_servers; i++)
		nhrp_server_fini(g, &f->servers[i], true);
	for (i = 0; i < 8; i++)
		nhrp_heap_shrink(&g->heap);
	drop_asks(g, f);
	for (at = &g->ifaces; *at != f; at = &(*at)->next)
		;
	*at = f->next;
	nhrp_told_free(&f->told, &f->n_told);
	chains_fini(&f->by_address);
	free(f);
	if (g->ifaces == NULL)
		nhrp_node_flush(g);
	g->generation++;
	return 0;
}

/* ---- adoption ---- */

static bool
has_server(const struct nhrp_iface *f, const struct addr *a)
{
	size_t i;

	for (i = 0; i < f->conf.n_nhs; i++)
		if (addr_equal(&f->conf.nhs[i].address, a))
			return true;
	return false;
}

static bool
adopt_server(struct nhrp_iface *f, const struct nhrp_orphan *o,
    const struct nhrp_blob *b)
{
	/* ids go on where they were, with a gap for those in flight */
	if (b->id + 256 > f->next_id)
		f->next_id = b->id + 256;
	return has_server(f, &o->prefix.addr);
}

static void
adopt_map(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *o, const struct nhrp_blob *b)
{
	const struct nhrp_orphan *r;
	bool routed = false;

	for (r = g->orphans; r != NULL; r = r->next)
		if (r->route && strcmp(r->interface, o->interface) == 0 &&
		    addr_equal(&r->via, &o->prefix.addr)) {
			nhrp_cut_adopt(g, f, o, b, &r->prefix);
			routed = true;
		}
	if (!routed)
		nhrp_cut_adopt(g, f, o, b, &o->prefix);
}

/* What the tunnel is no more is taken back. */
static void
adopt_row(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *o)
{
	struct nhrp_blob b;
	bool fits = true;

	if (o->route || nhrp_blob_get(rbuf_of(o->blob, o->blob_len), &b) < 0)
		return;
	switch (b.kind) {
	case NHRP_BLOB_BINDING:
		if ((fits = f->conf.role == NHRP_ROLE_HUB))
			nhrp_binding_adopt(g, f, o, &b);
		break;
	case NHRP_BLOB_SERVER:
		fits = adopt_server(f, o, &b);
		break;
	case NHRP_BLOB_CUT:
		if ((fits = f->conf.shortcut))
			adopt_map(g, f, o, &b);
		break;
	case NHRP_BLOB_FILL:
		nhrp_fill_adopt(g, f, o);
		break;
	}
	if (!fits)
		nhrp_map_delete(g, f, &o->prefix.addr);
}

/* A route whose map or registration did not come along is taken back. */
static void
sweep_route(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *o)
{
	struct nhrp_binding *b = nhrp_binding_find(f, &o->via);
	const struct nhrp_cut *c;

	DL_FOREACH(f->cuts, c)
		if (c->state == NHRP_CUT_UP &&
		    prefix_equal(&c->prefix, &o->prefix))
			return;
	if (b == NULL)
		nhrp_route_delete(g, f, &o->prefix);
	else
		nhrp_binding_adopt_route(g, b, &o->prefix);
}

static void
adopt_rows(struct nhrp_engine *g, struct nhrp_iface *f)
{
	struct nhrp_orphan **at, *o;

	for (o = g->orphans; o != NULL; o = o->next)
		if (strcmp(o->interface, f->conf.interface) == 0)
			adopt_row(g, f, o);
	for (at = &g->orphans; (o = *at) != NULL;) {
		if (strcmp(o->interface, f->conf.interface) != 0) {
			at = &o->next;
			continue;
		}
		if (o->route)
			sweep_route(g, f, o);
		*at = o->next;
		free(o);
	}
}

void
nhrp_orphans_forget(struct nhrp_engine *g, uint16_t peer)
{
	struct nhrp_orphan **at = &g->orphans, *o;

	while ((o = *at) != NULL) {
		if (peer != 0 && o->peer != peer) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		free(o);
	}
}

void
nhrp_engine_adopt_begin(struct nhrp_engine *g, uint64_t now)
{
	g->now = now;
	nhrp_orphans_forget(g, 0);
}

void
nhrp_engine_adopt_end(struct nhrp_engine *g, uint64_t now)
{
	struct nhrp_iface *f;

	g->now = now;
	for (f = g->ifaces; f != NULL; f = f->next)
		adopt_rows(g, f);
	g->generation++;
}

static struct nhrp_orphan *
orphan_new(struct nhrp_engine *g, const char *interface,
    const struct rbuf *blob)
{
	struct nhrp_orphan *o = calloc(1, sizeof(*o));

	if (o == NULL) {
		nhrp_count(g, NHRP_N_MEMORY);
		return NULL;
	}
	snprintf(o->interface, sizeof(o->interface), "%s", interface);
	o->at = g->now;
	o->blob_len = rbuf_left(blob);
	if (o->blob_len > sizeof(o->blob))
		o->blob_len = 0;
	if (o->blob_len > 0)
		memcpy(o->blob, blob->p, o->blob_len);
	o->next = g->orphans;
	g->orphans = o;
	return o;
}

/* Every peer that dmvpn-gre has is told: ours are adopted, the others are
 * known to be alive. */
void
nhrp_engine_adopt_peer(struct nhrp_engine *g, uint64_t now,
    const struct gre_peer *row)
{
	struct nhrp_node *n = g->nodes[row->peer];

	g->now = now;
	if (n != NULL)
		n->marked = false;
	else if (strcmp(row->owner, NHRP_OWNER) == 0 &&
	    row->encap == GRE_ENCAP_NONE)
		nhrp_node_made(g, row->peer, &row->remote.addr,
		    &row->local.addr);
}

void
nhrp_engine_adopt_map(struct nhrp_engine *g, uint64_t now,
    const struct gre_map_row *row)
{
	struct nhrp_orphan *o;

	g->now = now;
	if (strcmp(row->owner, NHRP_OWNER) != 0)
		return;
	if ((o = orphan_new(g, row->interface, &row->blob)) == NULL)
		return;
	o->prefix = prefix_host(&row->address);
	o->peer = row->peer;
	o->hold = row->hold;
}

void
nhrp_engine_adopt_route(struct nhrp_engine *g, uint64_t now,
    const struct gre_route_row *row)
{
	struct nhrp_orphan *o;

	g->now = now;
	if (strcmp(row->owner, NHRP_OWNER) != 0)
		return;
	if ((o = orphan_new(g, row->interface, &row->blob)) == NULL)
		return;
	o->route = true;
	o->prefix = row->prefix;
	o->via = row->via;
}

void
nhrp_engine_peers_begin(struct nhrp_engine *g, uint64_t now)
{
	struct nhrp_node *n;

	g->now = now;
	DL_FOREACH(g->all, n)
		n->marked = true;
}

void
nhrp_engine_peers_end(struct nhrp_engine *g, uint64_t now)
{
	struct nhrp_node *n, *n2;
	struct nhrp_iface *f;

	g->now = now;
	DL_FOREACH_SAFE(g->all, n, n2)
		if (n->marked)
			nhrp_node_gone(g, n, "dmvpn-gre does not know the "
			    "peer any more");
	/* nobody took a peer while it was in doubt */
	for (f = g->ifaces; f != NULL; f = f->next)
		nhrp_servers_find(g, f);
}

static void
restate_iface(struct nhrp_engine *g, struct nhrp_iface *f)
{
	struct nhrp_binding *b, *b2;
	struct nhrp_fill *x;
	struct nhrp_cut *c;
	size_t i;

	DL_FOREACH_SAFE2(f->bindings, b, b2, all_next) {
		nhrp_map_binding(g, b);
		for (i = 0; i < b->n_routes; i++)
			nhrp_route_set(g, f, &b->routes[i], &b->address);
	}
	for (i = 0; i < f->n_servers; i++)
		if (f->servers[i].node != NULL)
			nhrp_map_server(g, &f->servers[i]);
	DL_FOREACH(f->cuts, c) {
		if (c->state != NHRP_CUT_UP)
			continue;
		if (!nhrp_cut_at_server(c))
			nhrp_map_cut(g, c);
		if (c->routed)
			nhrp_route_set(g, f, &c->prefix, &c->via);
	}
	DL_FOREACH(f->fills, x)
		nhrp_map_fill(g, x);
}

void
nhrp_engine_restate(struct nhrp_engine *g, uint64_t now)
{
	struct nhrp_clear *c, *next;
	struct nhrp_iface *f;

	g->now = now;
	HASH_ITER(hh, g->clear, c, next) {
		struct gre_peer_set m = { .encap = GRE_ENCAP_NONE,
		    .fixed = true, .peer = c->node->peer,
		    .remote = c->node->remote, .local.addr = c->local };

		snprintf(m.owner, sizeof(m.owner), "%s", NHRP_OWNER);
		snprintf(m.name, sizeof(m.name), "%s", c->node->identity->s);
		g->ops.call(g->ops.arg, 0, &gre_peer_set_type, &m);
	}
	for (f = g->ifaces; f != NULL; f = f->next)
		restate_iface(g, f);
}

void
nhrp_engine_restate_ike(struct nhrp_engine *g, uint64_t now)
{
	struct nhrp_iface *f;
	struct nhrp_cut *c;

	g->now = now;
	for (f = g->ifaces; f != NULL; f = f->next)
		DL_FOREACH(f->cuts, c)
			if (c->linked && (c->state == NHRP_CUT_UP ||
			    c->state == NHRP_CUT_LINKING))
				nhrp_connect(g, c);
}

/* ---- what users ask for ---- */

int
nhrp_engine_resolve(struct nhrp_engine *g, uint64_t now,
    const struct nhrp_resolve *m, uint64_t ticket, struct err *e)
{
	struct nhrp_iface *f = nhrp_iface_find(g, m->interface);
	struct nhrp_cut *c;

	g->now = now;
	if (f == NULL)
		return err_set(e, ENOENT, "there is no tunnel %s",
		    m->interface);
	if (f->conf.role != NHRP_ROLE_SPOKE)
		return err_set(e, EINVAL, "%s is a hub: it answers, it does "
		    "not ask", m->interface);
	if (nhrp_is_own(f, &m->address))
		return err_set(e, EINVAL, "that is our own address");
	c = nhrp_cut_ask(g, f, &m->address);
	if (c == NULL)
		return err_set(e, ENOSPC, "too many resolutions");
	nhrp_cut_wait(g, c, ticket);
	return 0;
}

int
nhrp_engine_purge(struct nhrp_engine *g, uint64_t now,
    const struct nhrp_purge *m, struct err *e)
{
	struct nhrp_iface *f = nhrp_iface_find(g, m->interface);
	const struct prefix *p = m->prefix.addr.len > 0 ? &m->prefix : NULL;
	struct nhrp_binding *b, *b2;
	struct nhrp_cut *c, *c2;

	g->now = now;
	if (f == NULL)
		return err_set(e, ENOENT, "there is no tunnel %s",
		    m->interface);
	DL_FOREACH_SAFE2(f->bindings, b, b2, all_next)
		if (p == NULL || prefix_has(p, &b->address))
			nhrp_binding_drop(g, b, "purged by hand", true);
	DL_FOREACH_SAFE(f->cuts, c, c2)
		if (p == NULL || prefix_covers(p, &c->prefix))
			nhrp_cut_drop(g, c, "purged by hand", true);
	forget_subnets(g, f, NULL, p);
	return 0;
}
