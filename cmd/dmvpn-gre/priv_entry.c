#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"
#include "priv_half.h"
#include "sys/log.h"

/* What is wanted in the kernel on a link, and how it gets there. */

#define SLOTS_FIRST	64

static struct priv_entry_key
key_of(enum priv_entry_kind kind, const struct prefix *p, uint32_t metric)
{
	struct priv_entry_key key;

	memset(&key, 0, sizeof(key));
	key.kind = kind;
	key.metric = kind == PRIV_ROUTE ? metric : 0;
	memcpy(&key.prefix, p, sizeof(key.prefix));
	return key;
}

/* FNV-1a */
static struct priv_entry **
slot_of(struct priv_entry **slot, size_t slots,
    const struct priv_entry_key *key)
{
	struct rbuf in = rbuf_of(key, sizeof(*key));
	uint64_t h = 14695981039346656037u;

	while (rbuf_left(&in) > 0)
		h = (h ^ rbuf_u8(&in)) * 1099511628211u;
	return &slot[(size_t)(h ^ h >> 32) & (slots - 1)];
}

static struct priv_entry *
entry_find(const struct priv_link *l, const struct priv_entry_key *key)
{
	const struct priv_table *t = &l->entries;
	struct priv_entry *o;

	if (t->slots == 0)
		return NULL;
	for (o = *slot_of(t->slot, t->slots, key); o != NULL; o = o->chain)
		if (memcmp(&o->key, key, sizeof(*key)) == 0)
			return o;
	return NULL;
}

static int
table_grow(struct priv_table *t)
{
	const size_t slots = t->slots == 0 ? SLOTS_FIRST : 2 * t->slots;
	struct priv_entry **slot = calloc(slots, sizeof(struct priv_entry *)), **at, *o;

	if (slot == NULL)
		return -1;
	DL_FOREACH(t->all, o) {
		at = slot_of(slot, slots, &o->key);
		o->chain = *at;
		*at = o;
	}
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	return 0;
}

static void
table_add(struct priv_table *t, struct priv_entry *o)
{
	struct priv_entry **at = slot_of(t->slot, t->slots, &o->key);

	o->chain = *at;
	*at = o;
	DL_APPEND(t->all, o);
	t->n++;
	t->routes += o->key.kind == PRIV_ROUTE;
}

static void
table_remove(struct priv_table *t, struct priv_entry *o)
{
	struct priv_entry **at = slot_of(t->slot, t->slots, &o->key);

	while (*at != o)
		at = &(*at)->chain;
	*at = o->chain;
	DL_DELETE(t->all, o);
	t->routes -= o->key.kind == PRIV_ROUTE;
	if (--t->n == 0) {
		free(t->slot);
		t->slot = NULL;
		t->slots = 0;
	}
}

/*
 * For each new route of IPv4 Linux goes through all next hops of the same
 * device, scope, metric and protocol, one after the other: with 10,000 of them
 * that is 300 us.  Scopes from 1 to 199 are the user's (rtnetlink(7)).  By a
 * gateway they lead where 0 does, as gateways themselves are looked up among
 * routes of link scope only; so the gateway chooses one.  Default routes of
 * different scopes do not stand in for each other: theirs stays.
 *
 * Nexthop objects are found by their number, but when the link goes down each
 * of them walks all routes of the namespace, under the kernel's lock.
 */
#define SCOPES	199	/* a prime: few strides of addresses meet */

static uint8_t
scope_of(const struct priv_link *l, const struct priv_entry *o)
{
	struct rbuf in;

	if (l->entries.routes <= PRIV_PLAIN || o->via.len < 4 ||
	    o->key.prefix.addr.len != 4 || o->key.prefix.len == 0)
		return 0;
	in = rbuf_of(o->via.b, o->via.len);
	rbuf_skip(&in, o->via.len - 4u);
	return (uint8_t)(1 + rbuf_be32(&in) % SCOPES);
}

static struct netlink_route
route_of(const struct priv_link *l, const struct priv_entry *o)
{
	return (struct netlink_route){ .prefix = o->key.prefix,
	    .via = o->via, .index = l->index, .metric = o->key.metric,
	    .onlink = o->onlink, .scope = scope_of(l, o) };
}

/* made: it was not ours until now. */
static int
entry_write(struct priv_kernel *k, const struct priv_link *l,
    const struct priv_entry *o, bool made, struct err *e)
{
	struct netlink_route r;
	uint8_t mac[6];

	switch ((enum priv_entry_kind)o->key.kind) {
	case PRIV_ADDR:
		return netlink_addr_add(k->nl, l->index, &o->key.prefix, e);
	case PRIV_NEIGH:
		path_mac(o->peer, mac);
		return netlink_neigh_set(k->nl, l->index,
		    &o->key.prefix.addr, mac, e);
	case PRIV_ROUTE:
		r = route_of(l, o);
		return made ? netlink_route_claim(k->nl, &r, e) :
		    netlink_route_set(k->nl, &r, e);
	}
	return err_set(e, EINVAL, "entry of no kind");
}

static int
entry_erase(struct priv_kernel *k, const struct priv_link *l,
    const struct priv_entry *o, struct err *e)
{
	struct netlink_route r;

	switch ((enum priv_entry_kind)o->key.kind) {
	case PRIV_ADDR:
		return netlink_addr_delete(k->nl, l->index, &o->key.prefix,
		    e);
	case PRIV_NEIGH:
		return netlink_neigh_delete(k->nl, l->index,
		    &o->key.prefix.addr, e);
	case PRIV_ROUTE:
		r = route_of(l, o);
		r.via.len = 0;		/* whatever it leads to */
		r.onlink = false;
		return netlink_route_delete(k->nl, &r, e);
	}
	return err_set(e, EINVAL, "entry of no kind");
}

static struct priv_entry *
entry_new(struct priv_kernel *k, struct priv_link *l,
    const struct priv_entry_key *key, struct err *e)
{
	struct priv_entry *o;

	if (k->n_entries >= PRIV_ENTRIES)
		return err_null(err_set(e, ENOSPC, "more than %u addresses, "
		    "neighbours and routes", PRIV_ENTRIES));
	if ((l->entries.n >= 2 * l->entries.slots &&
	    table_grow(&l->entries) < 0) ||
	    (o = calloc(1, sizeof(*o))) == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	memcpy(&o->key, key, sizeof(*key));
	table_add(&l->entries, o);
	k->n_entries++;
	return o;
}

static void
entry_free(struct priv_kernel *k, struct priv_link *l, struct priv_entry *o)
{
	table_remove(&l->entries, o);
	free(o);
	k->n_entries--;
}

int
priv_entry_set(struct priv_kernel *k, struct priv_link *l,
    enum priv_entry_kind kind, const struct priv_request *r, struct err *e)
{
	struct priv_entry_key key = key_of(kind, &r->prefix, r->metric);
	struct priv_entry *o = entry_find(l, &key);
	bool made = o == NULL;

	if (made && (o = entry_new(k, l, &key, e)) == NULL)
		return -1;
	o->via = r->via;
	o->peer = r->peer;
	o->onlink = r->onlink;
	if (l->index == 0 || (!l->up && kind != PRIV_ADDR))
		return 0;		/* written when it is up */
	if (entry_write(k, l, o, made, e) == 0)
		return 0;
	if (made)
		entry_free(k, l, o);
	return err_in(e, "%s", l->name);
}

int
priv_entry_delete(struct priv_kernel *k, struct priv_link *l,
    enum priv_entry_kind kind, const struct priv_request *r, struct err *e)
{
	struct priv_entry_key key = key_of(kind, &r->prefix, r->metric);
	struct priv_entry *o = entry_find(l, &key);
	int rc = 0;

	if (o == NULL)
		return 0;
	if (l->index != 0)
		rc = entry_erase(k, l, o, e);
	entry_free(k, l, o);
	return rc;
}

/* Addresses first, since routes go by way of them. */
void
priv_entries_restore(struct priv_kernel *k, struct priv_link *l)
{
	static const enum priv_entry_kind order[] = { PRIV_ADDR, PRIV_NEIGH,
	    PRIV_ROUTE };
	struct priv_entry *o;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		DL_FOREACH(l->entries.all, o)
			if (o->key.kind == order[i] &&
			    entry_write(k, l, o, false, &e) < 0)
				log_event(LEVEL_WARN, "restore-failed",
				    T("interface", l->name),
				    T("why", e.msg));
}

void
priv_entry_lost(struct priv_kernel *k, struct priv_link *l,
    enum priv_entry_kind kind, const struct prefix *p)
{
	struct priv_entry_key key = key_of(kind, p, 0);
	const struct priv_entry *o = entry_find(l, &key);
	struct err e;

	if (o == NULL || !l->up || l->index == 0)
		return;
	if (kind == PRIV_ADDR)
		priv_entries_restore(k, l);	/* routes went with it */
	else if (entry_write(k, l, o, false, &e) < 0)
		log_event(LEVEL_WARN, "restore-failed",
		    T("interface", l->name), T("why", e.msg));
}

void
priv_entries_free(struct priv_kernel *k, struct priv_link *l)
{
	struct priv_entry *o, *tmp;

	DL_FOREACH_SAFE(l->entries.all, o, tmp)
		entry_free(k, l, o);
}

/* --------------------------------------------------------- the sweep */

/* Strangers are collected while the kernel lists, then taken away. */
#define SWEEP_BATCH 256

struct sweep {
	const struct priv_link	*l;
	struct priv_entry	 found[SWEEP_BATCH];
	size_t			 n;
};

static bool
sweep_add(struct sweep *s, enum priv_entry_kind kind, const struct prefix *p,
    uint32_t metric)
{
	struct priv_entry_key key = key_of(kind, p, metric);

	if (entry_find(s->l, &key) != NULL)
		return true;
	/* IPv6 has 1,024 for "none" (the kernel's default). */
	if (kind == PRIV_ROUTE && p->addr.len == 16 && metric == 1024) {
		key.metric = 0;
		if (entry_find(s->l, &key) != NULL)
			return true;
		key.metric = metric;
	}
	memset(&s->found[s->n], 0, sizeof(s->found[0]));
	s->found[s->n++].key = key;
	return s->n < SWEEP_BATCH;
}

static bool
sweep_neigh(void *arg, const struct netlink_neigh *h)
{
	struct sweep *s = arg;
	struct prefix p = prefix_host(&h->addr);
	uint8_t mac[6];

	path_mac(0, mac);
	if (h->index != s->l->index || !h->permanent ||
	    memcmp(h->mac, mac, 4) != 0)
		return true;
	return sweep_add(s, PRIV_NEIGH, &p, 0);
}

static bool
sweep_route(void *arg, const struct netlink_route *r)
{
	return sweep_add(arg, PRIV_ROUTE, &r->prefix, r->metric);
}

static bool
sweep_addr(void *arg, int index, const struct prefix *p)
{
	struct sweep *s = arg;

	return index != s->l->index || sweep_add(s, PRIV_ADDR, p, 0);
}

static size_t
sweep_once(struct priv_kernel *k, struct sweep *s, enum priv_entry_kind kind)
{
	struct err e;
	size_t i;
	int rc;

	s->n = 0;
	if (kind == PRIV_NEIGH)
		rc = netlink_neigh_each(k->nl, s->l->index, sweep_neigh, s,
		    &e);
	else if (kind == PRIV_ROUTE)
		rc = netlink_route_each(k->nl, NETLINK_PROTOCOL, s->l->index,
		    sweep_route, s, &e);
	else
		rc = netlink_addr_each(k->nl, sweep_addr, s, &e);
	for (i = 0; rc == 0 && i < s->n; i++)
		rc = entry_erase(k, s->l, &s->found[i], &e);
	if (rc < 0) {
		log_event(LEVEL_WARN, "sweep-failed",
		    T("interface", s->l->name), T("why", e.msg));
		return 0;
	}
	return s->n;
}

void
priv_entries_sweep(struct priv_kernel *k, struct priv_link *l,
    bool addresses)
{
	static const enum priv_entry_kind order[] = { PRIV_ROUTE, PRIV_NEIGH,
	    PRIV_ADDR };
	struct sweep s = { .l = l };
	unsigned rounds;
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (order[i] == PRIV_ADDR && !addresses)
			continue;
		rounds = PRIV_ENTRIES / SWEEP_BATCH;
		while (rounds-- > 0 &&
		    sweep_once(k, &s, order[i]) == SWEEP_BATCH)
			;
	}
}
