/* What users see: status, the cache page by page, and why. */
#include "nhrp_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ITEMS (sizeof(((struct nhrp_cache *)0)->items) / \
    sizeof(((struct nhrp_cache *)0)->items[0]))

static uint32_t
left(const struct nhrp_engine *g, uint64_t until)
{
	return until > g->now ? (uint32_t)((until - g->now) / 1000) : 0;
}

static void
begin(struct nhrp_entry *e, const struct nhrp_iface *f, enum nhrp_kind kind)
{
	memset(e, 0, sizeof(*e));
	snprintf(e->interface, sizeof(e->interface), "%s",
	    f->conf.interface);
	e->kind = kind;
}

static void
set_node(struct nhrp_entry *e, const struct nhrp_node *n)
{
	if (n == NULL)
		return;
	e->peer = n->peer;
	e->nbma = n->remote;
	snprintf(e->identity, sizeof(e->identity), "%s",
	    n->identity->s);
}

void
nhrp_cut_entry(const struct nhrp_engine *g, const struct nhrp_cut *c,
    struct nhrp_entry *e)
{
	static const struct {
		enum nhrp_kind	 kind;
		const char	*state;
	} rows[] = {
		[NHRP_CUT_ASKING] = { NHRP_KIND_INCOMPLETE, "asking" },
		[NHRP_CUT_LINKING] = { NHRP_KIND_CACHED, "connecting" },
		[NHRP_CUT_PASSIVE] = { NHRP_KIND_CACHED, "waiting" },
		[NHRP_CUT_UP] = { NHRP_KIND_SHORTCUT, "up" },
		[NHRP_CUT_REFUSED] = { NHRP_KIND_NEGATIVE, "hub-path" },
	};

	begin(e, c->iface, rows[c->state].kind);
	e->prefix = c->prefix;
	e->via = c->via;
	e->nbma = c->nbma;
	if (!addr_equal(&c->claimed, &c->nbma.addr))
		e->nbma_claimed = c->claimed;
	set_node(e, c->node);
	e->hold = left(g, c->expires);
	e->age = (g->now - c->started) / 1000;
	snprintf(e->state, sizeof(e->state), "%s", rows[c->state].state);
	snprintf(e->why, sizeof(e->why), "%s", c->why);
}

static void
binding_entry(const struct nhrp_engine *g, const struct nhrp_binding *b,
    struct nhrp_entry *e)
{
	begin(e, b->iface, NHRP_KIND_REGISTERED);
	e->prefix = prefix_host(&b->address);
	set_node(e, b->node);
	e->nbma = b->nbma;
	e->nbma_claimed = b->claimed;
	e->hold = left(g, b->expires);
	e->age = (g->now - b->since) / 1000;
	snprintf(e->state, sizeof(e->state), "%s",
	    b->unique ? "unique" : "registered");
	snprintf(e->identity, sizeof(e->identity), "%s",
	    b->identity->s);
}

static void
server_entry(const struct nhrp_server *s, struct nhrp_entry *e)
{
	begin(e, s->iface, NHRP_KIND_NHS);
	e->prefix = prefix_host(&s->conf.address);
	set_node(e, s->node);
	e->hold = s->up ? s->hold : 0;
	snprintf(e->state, sizeof(e->state), "%s",
	    s->up ? "up" : "down");
	snprintf(e->why, sizeof(e->why), "%.190s", s->reason.text);
}

static void
fill_entry(const struct nhrp_engine *g, const struct nhrp_fill *x,
    struct nhrp_entry *e)
{
	begin(e, x->iface, NHRP_KIND_INCOMPLETE);
	e->prefix = prefix_host(&x->address);
	set_node(e, x->peer > 0 ? g->nodes[x->peer] : NULL);
	e->hold = left(g, x->expires);
	snprintf(e->state, sizeof(e->state), "to-server");
}

/* The items with the smallest serials so far, in order. */
struct page_of {
	const struct nhrp_engine *g;
	uint64_t	 after;
	uint64_t	 serial[ITEMS];
	size_t		 n;
	bool		 more;
	struct nhrp_cache *out;
};

/* Storage for an entry of this serial; NULL: not on this page. */
static struct nhrp_entry *
slot(struct page_of *p, uint64_t serial)
{
	size_t i;

	if (serial <= p->after)
		return NULL;
	if (p->n == ITEMS) {
		p->more = true;
		if (serial > p->serial[ITEMS - 1])
			return NULL;
		p->n--;
	}
	for (i = p->n; i > 0 && p->serial[i - 1] > serial; i--) {
		p->serial[i] = p->serial[i - 1];
		p->out->items[i] = p->out->items[i - 1];
	}
	p->serial[i] = serial;
	p->n++;
	return &p->out->items[i];
}

static void
page_local(struct page_of *p, const struct nhrp_iface *f)
{
	struct nhrp_entry *e;
	size_t i;

	for (i = 0; i < f->conf.n_addresses + f->conf.n_subnets; i++) {
		if ((e = slot(p, f->serial + i)) == NULL)
			continue;
		begin(e, f, NHRP_KIND_LOCAL);
		e->prefix = i < f->conf.n_addresses ?
		    prefix_host(&f->conf.addresses[i].addr) :
		    f->conf.subnets[i - f->conf.n_addresses];
	}
}

static void
page_iface(struct page_of *p, const struct nhrp_iface *f)
{
	const struct nhrp_binding *b;
	const struct nhrp_fill *x;
	const struct nhrp_cut *c;
	struct nhrp_entry *e;
	size_t i;

	page_local(p, f);
	for (i = 0; i < f->n_servers; i++)
		if ((e = slot(p, f->servers[i].serial)) != NULL)
			server_entry(&f->servers[i], e);
	DL_FOREACH2(f->bindings, b, all_next)
		if ((e = slot(p, b->serial)) != NULL)
			binding_entry(p->g, b, e);
	DL_FOREACH(f->cuts, c)
		if ((e = slot(p, c->serial)) != NULL)
			nhrp_cut_entry(p->g, c, e);
	DL_FOREACH(f->fills, x)
		if ((e = slot(p, x->serial)) != NULL)
			fill_entry(p->g, x, e);
}

void
nhrp_engine_cache(struct nhrp_engine *g, uint64_t now,
    const struct page *page, struct nhrp_cache *out)
{
	struct page_of p = { .g = g, .after = page->after, .out = out };
	const struct nhrp_iface *f;

	g->now = now;
	memset(out, 0, sizeof(*out));
	for (f = g->ifaces; f != NULL; f = f->next)
		if (page->interface[0] == '\0' ||
		    strcmp(page->interface, f->conf.interface) == 0)
			page_iface(&p, f);
	out->generation = g->generation;
	out->n_items = p.n;
	out->next = p.more ? p.serial[p.n - 1] : 0;
}

static void
server_status(const struct nhrp_server *s, struct nhrp_nhs_status *o)
{
	o->address = s->conf.address;
	o->up = s->up;
	o->since = s->since;
	o->nat.addr = s->nat;
	if (s->node != NULL) {
		o->peer = s->node->peer;
		o->nbma = s->node->remote;
	}
	if (!s->up)
		o->reason = s->reason;
}

static bool
has_reason(const struct reason *r)
{
	return r->code[0] != '\0';
}

void
nhrp_engine_status(struct nhrp_engine *g, uint64_t now,
    struct nhrp_status_reply *out)
{
	const struct nhrp_iface *f;
	size_t i;

	g->now = now;
	memset(out, 0, sizeof(*out));
	for (f = g->ifaces; f != NULL; f = f->next) {
		struct nhrp_interface_status *o =
		    &out->interfaces[out->n_interfaces++];

		snprintf(o->interface, sizeof(o->interface), "%s",
		    f->conf.interface);
		o->role = f->conf.role;
		o->registered = (uint32_t)f->n_bindings;
		o->shortcuts = f->n_up;
		o->n_nhs = f->n_servers;
		for (i = 0; i < f->n_servers; i++) {
			server_status(&f->servers[i], &o->nhs[i]);
			if (!o->nhs[i].up && !has_reason(&o->nhs[i].reason))
				reason_set(&o->nhs[i].reason, "registration",
				    "asking", "the registration is under "
				    "way");
		}
	}
	for (i = 0; i < NHRP_N_COUNT; i++) {
		struct nhrp_counter *c = &out->counters[out->n_counters];

		if (g->counts[i] == 0)
			continue;
		snprintf(c->name, sizeof(c->name), "%s",
		    nhrp_count_names[i].text);
		c->count = g->counts[i];
		out->n_counters++;
	}
}

/* ---- why ---- */

static void say(struct nhrp_why_reply *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
say(struct nhrp_why_reply *out, const char *fmt, ...)
{
	size_t max = sizeof(out->lines) / sizeof(out->lines[0]);
	va_list ap;

	if (out->n_lines == max)
		return;
	va_start(ap, fmt);
	vsnprintf(out->lines[out->n_lines++], sizeof(out->lines[0]), fmt,
	    ap);
	va_end(ap);
}

static void
why_node(struct nhrp_why_reply *out, const struct nhrp_node *n)
{
	struct addr_buf a, b;
	size_t i;

	if (n->clear != NULL) {
		say(out, "peer %u is %s, unprotected", n->peer,
		    addr_text(&n->remote.addr, &a));
		return;
	}
	say(out, "peer %u is \"%s\" at %s%s, by IKE%s%s", n->peer,
	    n->identity->s, endpoint_text(&n->remote, &a),
	    n->nat_remote ? ", behind a NAT" : "",
	    n->connection->s[0] != '\0' ? " connection " : "",
	    n->connection->s);
	for (i = 0; i < n->n_blocks && i < 6; i++)
		say(out, "its certificate allows it %s",
		    prefix_text(&n->blocks[i], &b));
	if (n->n_blocks == 0)
		say(out, "its credential names no address blocks: first come, "
		    "first served");
}

static void
why_server(const struct nhrp_iface *f, struct nhrp_why_reply *out)
{
	struct nhrp_server *s =
	    nhrp_server_best((struct nhrp_iface *)(uintptr_t)f);
	struct addr_buf a;
	size_t i;

	if (s == NULL) {
		say(out, "no server is connected");
		for (i = 0; i < f->n_servers; i++)
			say(out, "server %s: %s",
			    addr_text(&f->servers[i].conf.address, &a),
			    f->servers[i].reason.text);
		return;
	}
	say(out, "server %s is %s", addr_text(&s->conf.address, &a),
	    s->up ? "up, we are registered there" : "connected, we are not "
	    "registered there");
	if (!s->up && s->reason.text[0] != '\0')
		say(out, "%.190s", s->reason.text);
	why_node(out, s->node);
}

static void
why_cut(const struct nhrp_engine *g, const struct nhrp_cut *c,
    struct nhrp_why_reply *out)
{
	struct addr_buf a, b;

	switch (c->state) {
	case NHRP_CUT_UP:
		say(out, "direct: shortcut for %s through %s",
		    prefix_text(&c->prefix, &a), addr_text(&c->via, &b));
		say(out, "answered by %s for %u s, %u s are left; %s",
		    addr_text(&c->via, &a), c->hold, left(g, c->expires),
		    c->routed ? "a kernel route leads there" :
		    "it is a neighbour on the tunnel");
		why_node(out, c->node);
		return;
	case NHRP_CUT_ASKING:
		say(out, "through the hub: a resolution of %s is under way, "
		    "try %u", addr_text(&c->target, &a), c->tries + 1);
		break;
	case NHRP_CUT_LINKING:
		say(out, "through the hub: %s answered, the connection to %s "
		    "is being set up", addr_text(&c->via, &a),
		    endpoint_text(&c->nbma, &b));
		break;
	case NHRP_CUT_PASSIVE:
		say(out, "through the hub: %s asked for us and may connect",
		    addr_text(&c->via, &a));
		break;
	case NHRP_CUT_REFUSED:
		say(out, "through the hub: no shortcut: %s", c->why);
		say(out, "tried again in %u s, when traffic flows",
		    left(g, c->expires));
		break;
	}
	why_server(c->iface, out);
}

static bool
why_iface(const struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct addr *a, struct nhrp_why_reply *out)
{
	const struct nhrp_binding *b = nhrp_binding_find(f, a);
	const struct nhrp_cut *c;
	struct addr_buf ab;
	char why[NHRP_WHY];
	size_t i;

	if (nhrp_is_own(f, a)) {
		say(out, "%s is our own address on %s", addr_text(a, &ab),
		    f->conf.interface);
		return true;
	}
	for (i = 0; i < f->conf.n_subnets; i++)
		if (prefix_has(&f->conf.subnets[i], a)) {
			say(out, "it is behind us: %s",
			    prefix_text(&f->conf.subnets[i], &ab));
			return true;
		}
	if (b != NULL) {
		say(out, "direct: %s is registered here, %u s are left",
		    addr_text(a, &ab), left(g, b->expires));
		why_node(out, b->node);
		return true;
	}
	c = nhrp_cut_for(f, a);
	if (c != NULL) {
		why_cut(g, c, out);
		return true;
	}
	if (f->n_servers > 0 && nhrp_address_ok(f, a, why)) {
		say(out, "through the hub: nothing asked for a shortcut yet");
		why_server(f, out);
		return true;
	}
	return false;
}

void
nhrp_engine_why(struct nhrp_engine *g, uint64_t now,
    const struct nhrp_why *m, struct nhrp_why_reply *out)
{
	const struct nhrp_iface *f;
	struct addr_buf ab;

	g->now = now;
	memset(out, 0, sizeof(*out));
	for (f = g->ifaces; f != NULL; f = f->next)
		if ((m->interface[0] == '\0' ||
		    strcmp(m->interface, f->conf.interface) == 0) &&
		    why_iface(g, f, &m->address, out))
			return;
	say(out, "%s is not known here: the kernel's routes decide",
	    addr_text(&m->address, &ab));
	for (f = g->ifaces; f != NULL; f = f->next)
		if (f->n_servers > 0)
			why_server(f, out);
}
