/* The simulator of nhrp_sim.h; included once by a test. */
#include "nhrp_sim.h"

static uint32_t
sim_random(struct sim *s)
{
	s->seed = s->seed * 1664525U + 1013904223U;
	return s->seed >> 8;
}

static int
op_random(void *arg, void *to, size_t len)
{
	struct sim_site *x = arg;
	uint8_t *b = to;

	while (len-- > 0)
		*b++ = (uint8_t)(sim_random(x->sim) >> 4);
	return 0;
}

static struct sim_item *
queue(struct sim_site *x, uint64_t ticket, const struct msg_type *t,
    const void *m)
{
	struct sim *s = x->sim;
	struct sim_item *i = calloc(1, sizeof(*i));

	i->at = s->now + SIM_DELAY;
	i->site = x;
	i->ticket = ticket;
	i->type = t;
	i->body = malloc(t->size);
	memcpy(i->body, m, t->size);
	*s->tail = i;
	s->tail = &i->next;
	return i;
}

static void
item_free(struct sim_item *i)
{
	free(i->body);
	free(i->data);
	free(i);
}

struct addr
sim_lan(const struct sim_site *x, uint8_t host)
{
	uint8_t b[4] = { 10, (uint8_t)x->index, 0, host };

	return addr_of(b, 4);
}

struct prefix
sim_subnet(const struct sim_site *x)
{
	struct addr a = sim_lan(x, 0);

	return prefix_mask(&a, 16);
}

static uint32_t
low(const struct addr *a)
{
	return (uint32_t)(a->b[a->len - 2] << 8 | a->b[a->len - 1]) |
	    (a->len == 16 ? 65536U : 0);
}

struct sim_map *
sim_map(struct sim_site *x, const struct addr *a)
{
	uint32_t i = x->by_low[low(a)];

	return i == 0 ? NULL : &x->maps[i - 1];
}

struct sim_route *
sim_route(struct sim_site *x, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < x->n_routes; i++)
		if (prefix_equal(&x->routes[i].prefix, p))
			return &x->routes[i];
	return NULL;
}

struct sim_site *
sim_leads(struct sim_site *x, const struct addr *a)
{
	struct sim_map *m = sim_map(x, a);

	return m == NULL || m->peer == 0 ? NULL :
	    x->peers[m->peer - 1].other;
}

uint16_t
sim_number(struct sim_site *x, const struct sim_site *other)
{
	size_t i;

	for (i = x->n_peers; i-- > 0;)
		if (x->peers[i].other == other)
			return (uint16_t)(i + 1);
	return 0;
}

static void
map_set(struct sim_site *x, const struct gre_map *m)
{
	struct sim_map *o = sim_map(x, &m->address);

	if (o == NULL) {
		if (x->n_maps == x->cap_maps) {
			x->cap_maps = x->cap_maps ? x->cap_maps * 2 : 8;
			x->maps = realloc(x->maps,
			    x->cap_maps * sizeof(x->maps[0]));
		}
		o = &x->maps[x->n_maps++];
		x->by_low[low(&m->address)] = (uint32_t)x->n_maps;
	}
	o->address = m->address;
	o->peer = m->peer;
	o->multicast = m->multicast;
	o->len = rbuf_left(&m->blob);
	assert_true(o->len <= sizeof(o->blob));
	memcpy(o->blob, m->blob.p, o->len);
}

static void
route_set(struct sim_site *x, const struct gre_route *r)
{
	struct sim_route *o = sim_route(x, &r->prefix);

	if (o == NULL) {
		assert_true(x->n_routes < 64);
		o = &x->routes[x->n_routes++];
	}
	o->prefix = r->prefix;
	o->via = r->via;
}

static void
route_delete(struct sim_site *x, const struct prefix *p)
{
	struct sim_route *o = sim_route(x, p);

	if (o != NULL)
		*o = x->routes[--x->n_routes];
}

/* The sender's address as others see it. */
static struct endpoint
seen(const struct sim_site *x, bool clear)
{
	if (clear)
		return (struct endpoint){ .addr = x->nbma };
	return x->nat.addr.len > 0 ? x->nat :
	    (struct endpoint){ .addr = x->nbma, .port = 4500 };
}

static void
note_sent(struct sim_site *x, const struct gre_nhrp_send *m)
{
	size_t len = rbuf_left(&m->data), k;
	struct nhrp n;
	struct err e = { 0 };

	if (nhrp_parse(m->data, &n, &e) < 0)
		fail_msg("site %zu sent: %s", x->index, e.msg);
	k = x->n_sent[n.type]++;
	if (n.type == NHRP_REGISTRATION_REQUEST) {
		x->sent_at[k % 64] = x->sim->now;
		x->sent_id[k % 64] = n.id;
	}
	memcpy(x->last_bytes, m->data.p, len);
	x->last_len = len;
	nhrp_parse(rbuf_of(x->last_bytes, len), &x->last_sent, NULL);
}

void
sim_inject(struct sim_site *x, uint16_t from, const void *p, size_t len)
{
	struct gre_nhrp ev = { .peer = from };
	struct sim_item *i;

	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    x->conf.interface);
	if (from > 0 && from <= x->n_peers && x->peers[from - 1].other)
		ev.remote = seen(x->peers[from - 1].other,
		    x->conf.profile[0] == '\0');
	i = queue(x, 0, &gre_nhrp_type, &ev);
	i->data = malloc(len);
	memcpy(i->data, p, len);
	((struct gre_nhrp *)i->body)->data = rbuf_of(i->data, len);
}

static void
on_send(struct sim_site *x, const struct gre_nhrp_send *m)
{
	struct sim *s = x->sim;
	struct sim_peer *p;
	uint16_t there;

	note_sent(x, m);
	assert_true(m->peer > 0 && m->peer <= x->n_peers);
	p = &x->peers[m->peer - 1];
	if (p->other == NULL || sim_random(s) % 100 < s->loss ||
	    (s->mute_hub && p->other->index == 0))
		return;
	there = p->theirs;
	if (x->conf.profile[0] == '\0') {
		struct gre_nhrp ev = { .remote = seen(x, true) };
		struct sim_item *i;

		ev.peer = sim_number(p->other, x);
		snprintf(ev.interface, sizeof(ev.interface), "%s",
		    x->conf.interface);
		i = queue(p->other, 0, &gre_nhrp_type, &ev);
		i->data = malloc(rbuf_left(&m->data));
		memcpy(i->data, m->data.p, rbuf_left(&m->data));
		((struct gre_nhrp *)i->body)->data = rbuf_of(i->data,
		    rbuf_left(&m->data));
		return;
	}
	if (there > 0)
		sim_inject(p->other, there, m->data.p, rbuf_left(&m->data));
}

static struct sim_site *
by_lan(struct sim *s, const struct addr *a)
{
	return a->len == 4 && a->b[0] == 10 && a->b[1] < s->n &&
	    a->b[1] != 9 ? &s->sites[a->b[1]] : NULL;
}

static void
on_lookup(struct sim_site *x, uint64_t ticket, const struct gre_lookup *m)
{
	struct gre_lookup_reply r = { 0 };
	struct sim_site *to = by_lan(x->sim, &m->address);
	struct sim_map *map;
	struct sim_item *i;
	size_t k;

	if (x->lookup_fails || to == NULL) {
		snprintf(r.interface, sizeof(r.interface), "eth0");
		r.prefix.addr = addr_of("\0\0\0\0", 4);
	} else if (to == x) {
		snprintf(r.interface, sizeof(r.interface), "lan0");
		r.prefix = sim_subnet(x);
	} else {
		struct addr via = x->index == 0 ? to->tunnel :
		    x->sim->sites[0].tunnel;

		for (k = 0; k < x->n_routes; k++)
			if (prefix_has(&x->routes[k].prefix, &m->address))
				via = x->routes[k].via;
		snprintf(r.interface, sizeof(r.interface), "%s",
		    x->conf.interface);
		r.tunnel = true;
		r.via = via;
		r.prefix = sim_subnet(to);
		map = sim_map(x, &via);
		r.peer = map != NULL ? map->peer : 0;
	}
	i = queue(x, ticket, &gre_lookup_reply_type, &r);
	(void)i;
}

static uint16_t
new_peer(struct sim_site *x, struct sim_site *other, const char *connection)
{
	struct sim_peer *p;

	x->peers = realloc(x->peers, (x->n_peers + 1) * sizeof(x->peers[0]));
	p = &x->peers[x->n_peers++];
	memset(p, 0, sizeof(*p));
	p->other = other;
	snprintf(p->connection, sizeof(p->connection), "%s", connection);
	return (uint16_t)x->n_peers;
}

static void
tell_up(struct sim_site *x, uint16_t peer, const char *owner, bool initiator)
{
	struct sim_peer *p = &x->peers[peer - 1];
	struct ike_up ev = { .peer = peer, .remote = seen(p->other, false),
	    .role = initiator ? IKE_ROLE_INITIATOR : IKE_ROLE_RESPONDER };

	snprintf(ev.profile, sizeof(ev.profile), "p");
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    x->conf.interface);
	snprintf(ev.connection, sizeof(ev.connection), "%s", p->connection);
	snprintf(ev.owner, sizeof(ev.owner), "%s", owner);
	snprintf(ev.identity, sizeof(ev.identity), "%s",
	    p->other->identity);
	ev.local = (struct endpoint){ .addr = x->nbma, .port = 4500 };
	ev.nat_remote = p->other->nat.addr.len > 0;
	ev.nat_local = x->nat.addr.len > 0;
	ev.n_blocks = p->other->n_blocks;
	memcpy(ev.blocks, p->other->blocks,
	    ev.n_blocks * sizeof(ev.blocks[0]));
	queue(x, 0, &ike_up_type, &ev);
}

void
sim_link(struct sim_site *a, struct sim_site *b, const char *connection,
    const char *owner)
{
	uint16_t pa = new_peer(a, b, connection);
	uint16_t pb = new_peer(b, a, "");

	a->peers[pa - 1].theirs = pb;
	b->peers[pb - 1].theirs = pa;
	tell_up(a, pa, owner, true);
	tell_up(b, pb, "", false);
}

static void
drop_peer(struct sim_site *x, uint16_t peer)
{
	struct ike_down ev = { .peer = peer };
	size_t i;

	reason_set(&ev.reason, "liveness", "dead", "no sign of life");
	for (i = 0; i < x->n_maps; i++)
		if (x->maps[i].peer == peer)
			x->maps[i].peer = 0;
	x->peers[peer - 1].other = NULL;
	queue(x, 0, &ike_down_type, &ev);
}

void
sim_unlink(struct sim_site *a, struct sim_site *b)
{
	uint16_t pa = sim_number(a, b), pb;

	if (pa == 0)
		return;
	pb = a->peers[pa - 1].theirs;
	drop_peer(a, pa);
	if (pb > 0)
		drop_peer(b, pb);
}

static void
on_connect(struct sim_site *x, const struct ike_connection_set *m)
{
	struct sim *s = x->sim;
	size_t i;

	x->n_connect++;
	x->dialled = m->remote;
	if (s->ike_silent)
		return;
	for (i = 0; i < s->n && !s->ike_fails; i++) {
		struct sim_site *o = &s->sites[i];
		struct endpoint at = seen(o, false);

		if (o == x || !addr_equal(&at.addr, &m->remote.addr))
			continue;
		if (o->nat.addr.len > 0 && (at.port != m->remote.port ||
		    o->opened.addr.len == 0))
			continue;
		sim_link(x, o, m->connection, "nhrp");
		return;
	}
	{
		struct ike_failed ev = { .remote = m->remote };

		snprintf(ev.connection, sizeof(ev.connection), "%s",
		    m->connection);
		snprintf(ev.owner, sizeof(ev.owner), "nhrp");
		reason_set(&ev.reason, "ike-init", "no-answer",
		    "no answer to IKE_SA_INIT");
		queue(x, 0, &ike_failed_type, &ev);
	}
}

static void
on_disconnect(struct sim_site *x, const struct ike_connection_delete *m)
{
	size_t i;

	for (i = 0; i < x->n_peers; i++)
		if (x->peers[i].other != NULL &&
		    strcmp(x->peers[i].connection, m->connection) == 0)
			sim_unlink(x, x->peers[i].other);
}

static void
on_peer_set(struct sim_site *x, uint64_t ticket,
    const struct gre_peer_set *m)
{
	struct gre_peer_set_reply r = { 0 };
	struct sim *s = x->sim;
	size_t i;

	x->peer_local = m->local;
	for (i = 0; i < s->n; i++)
		if (addr_equal(&s->sites[i].nbma, &m->remote.addr))
			break;
	r.peer = i < s->n && sim_number(x, &s->sites[i]) > 0 ?
	    sim_number(x, &s->sites[i]) :
	    new_peer(x, i < s->n ? &s->sites[i] : NULL, "");
	queue(x, ticket, &gre_peer_set_reply_type, &r);
}

static void
op_call(void *arg, uint64_t ticket, const struct msg_type *t, const void *m)
{
	struct sim_site *x = arg;
	size_t i;

	if (t == &gre_nhrp_send_type)
		on_send(x, m);
	else if (t == &gre_lookup_type)
		on_lookup(x, ticket, m);
	else if (t == &gre_map_set_type)
		map_set(x, ((const struct gre_map_set *)m)->items);
	else if (t == &gre_map_delete_type) {
		const struct gre_map_delete *d = m;
		struct sim_map *o = sim_map(x, &d->addresses[0]);

		if (o != NULL)
			o->peer = 0;
	} else if (t == &gre_route_set_type)
		route_set(x, ((const struct gre_route_set *)m)->items);
	else if (t == &gre_route_delete_type)
		route_delete(x,
		    &((const struct gre_route_delete *)m)->prefixes[0]);
	else if (t == &ike_connection_set_type)
		on_connect(x, m);
	else if (t == &ike_connection_delete_type)
		on_disconnect(x, m);
	else if (t == &gre_peer_set_type)
		on_peer_set(x, ticket, m);
	else if (t == &gre_ike_send_type)
		x->opened = ((const struct gre_ike_send *)m)->remote;
	else if (t == &gre_peer_delete_type) {
		i = ((const struct gre_peer_delete *)m)->peer;
		x->peers[i - 1].other = NULL;
	} else
		fail_msg("unknown call %s", t->name);
}

static void
op_event(void *arg, const struct msg_type *t, const void *m)
{
	struct sim_site *x = arg;

	if (t == &nhrp_registered_type)
		x->n_registered++;
	else if (t == &nhrp_unregistered_type)
		x->n_unregistered++;
	else if (t == &nhrp_nhs_up_type)
		x->n_up++;
	else if (t == &nhrp_nhs_down_type) {
		x->n_down++;
		x->last = ((const struct nhrp_nhs_down *)m)->reason;
	} else if (t == &nhrp_refused_type) {
		x->n_refused++;
		x->last = ((const struct nhrp_refused *)m)->reason;
	} else if (t == &nhrp_shortcut_up_type)
		x->n_short_up++;
	else if (t == &nhrp_shortcut_down_type)
		x->n_short_down++;
	else if (t == &nhrp_redirected_type)
		x->n_redirect_out += ((const struct nhrp_redirected *)
		    m)->direction == DIRECTION_OUT;
}

static bool
op_wanted(void *arg, const struct msg_type *t)
{
	(void)arg;
	(void)t;
	return true;
}

static void
op_resolved(void *arg, uint64_t ticket, const struct nhrp_entry *entry,
    const struct reason *why)
{
	struct sim_site *x = arg;

	(void)ticket;
	x->n_resolved++;
	x->entry = *entry;
	if (why != NULL)
		x->last = *why;
}

static void
site_engine(struct sim_site *x)
{
	struct nhrp_ops ops = { x, op_random, op_call, op_event, op_wanted,
	    op_resolved };

	x->g = nhrp_engine_new(&ops, x->sim->now, NULL);
	assert_non_null(x->g);
}

static void
site_init(struct sim *s, size_t i)
{
	struct sim_site *x = &s->sites[i];
	size_t k = i + 1;
	uint8_t t[4] = { 10, 9, (uint8_t)(k >> 8), (uint8_t)k };
	uint8_t n[4] = { 198, 18, (uint8_t)(k >> 8), (uint8_t)k };

	x->sim = s;
	x->index = i;
	x->tunnel = addr_of(t, 4);
	x->nbma = i == 0 ? addr_of("\xc0\x00\x02\x01", 4) : addr_of(n, 4);
	x->by_low = calloc(131072, sizeof(x->by_low[0]));
	snprintf(x->identity, sizeof(x->identity), "site%zu", i);
	x->n_blocks = i < 200 ? 2 : 1;
	x->blocks[0] = prefix_host(&x->tunnel);
	x->blocks[1] = sim_subnet(x);
	snprintf(x->conf.owner, sizeof(x->conf.owner), "test");
	snprintf(x->conf.interface, sizeof(x->conf.interface), "dmvpn0");
	snprintf(x->conf.profile, sizeof(x->conf.profile), "p");
	x->conf.role = i == 0 ? NHRP_ROLE_HUB : NHRP_ROLE_SPOKE;
	x->conf.n_addresses = 1;
	x->conf.addresses[0].addr = x->tunnel;
	x->conf.addresses[0].len = 16;
	x->conf.hold = 600;
	x->conf.redirect = i == 0;
	x->conf.shortcut = i != 0;
	x->conf.need_blocks = true;
	x->conf.unique = true;
	if (i > 0) {
		x->conf.n_nhs = 1;
		x->conf.nhs[0].address = s->sites[0].tunnel;
		snprintf(x->conf.nhs[0].connection,
		    sizeof(x->conf.nhs[0].connection), "hub");
	}
	site_engine(x);
}

struct sim *
sim_new(size_t spokes)
{
	struct sim *s = calloc(1, sizeof(*s));
	size_t i;

	s->now = 1000000;
	s->seed = 7;
	s->n = spokes + 1;
	s->tail = &s->head;
	s->sites = calloc(s->n, sizeof(s->sites[0]));
	for (i = 0; i < s->n; i++)
		site_init(s, i);
	return s;
}

void
sim_free(struct sim *s)
{
	struct sim_item *i;
	size_t k;

	while ((i = s->head) != NULL) {
		s->head = i->next;
		item_free(i);
	}
	for (k = 0; k < s->n; k++) {
		struct sim_site *x = &s->sites[k];

		nhrp_engine_free(x->g);
		free(x->peers);
		free(x->maps);
		free(x->by_low);
	}
	free(s->sites);
	free(s);
}

void
sim_set(struct sim_site *x)
{
	struct err e = { 0 };

	if (nhrp_engine_set(x->g, x->sim->now, &x->conf, &e) < 0)
		fail_msg("%s", e.msg);
}

void
sim_start(struct sim *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		sim_set(&s->sites[i]);
		if (i > 0 && s->sites[i].conf.profile[0] != '\0')
			sim_link(&s->sites[i], &s->sites[0], "hub", "dpd");
	}
}

void
sim_routed(struct sim *s)
{
	s->sites[0].conf.routes = true;
	sim_start(s);
	sim_run(s, 1000);
}

static void
deliver(struct sim *s)
{
	struct sim_item *i = s->head;

	s->head = i->next;
	if (s->head == NULL)
		s->tail = &s->head;
	if (i->site->g == NULL)
		;
	else if (i->ticket > 0)
		nhrp_engine_answer(i->site->g, s->now, i->ticket, i->body,
		    NULL);
	else
		nhrp_engine_event(i->site->g, s->now, i->type, i->body);
	item_free(i);
}

/* The earliest wake-up of all; with few sites a scan will do. */
static uint64_t
next_wake(const struct sim *s)
{
	uint64_t at, best = UINT64_MAX;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->sites[i].g != NULL &&
		    (at = nhrp_engine_next(s->sites[i].g)) > 0 && at < best)
			best = at;
	return best;
}

void
sim_run(struct sim *s, uint64_t ms)
{
	uint64_t end = s->now + ms, next;
	size_t i;

	for (;;) {
		next = next_wake(s);
		if (s->head != NULL && s->head->at < next)
			next = s->head->at;
		if (next > end)
			break;
		if (next > s->now)
			s->now = next;
		while (s->head != NULL && s->head->at <= s->now)
			deliver(s);
		for (i = 0; i < s->n; i++)
			if (s->sites[i].g != NULL)
				nhrp_engine_wake(s->sites[i].g, s->now);
	}
	s->now = end;
}

void
sim_hairpin(struct sim_site *a, struct sim_site *b)
{
	struct sim_site *hub = &a->sim->sites[0];
	struct addr src = sim_lan(a, 5), dst = sim_lan(b, 5);
	struct gre_hairpin ev = { .from = sim_number(hub, a),
	    .to = sim_number(hub, b) };
	uint8_t ip[84] = { 0x45, 0, 0, 84, 0, 0, 0, 0, 63, 1 };
	struct sim_item *i;

	memcpy(ip + 12, src.b, 4);
	memcpy(ip + 16, dst.b, 4);
	snprintf(ev.interface, sizeof(ev.interface), "%s",
	    hub->conf.interface);
	i = queue(hub, 0, &gre_hairpin_type, &ev);
	i->data = malloc(sizeof(ip));
	memcpy(i->data, ip, sizeof(ip));
	((struct gre_hairpin *)i->body)->packet = rbuf_of(i->data,
	    sizeof(ip));
}

void
sim_restart(struct sim_site *x)
{
	struct sim *s = x->sim;
	size_t i;

	nhrp_engine_free(x->g);
	site_engine(x);
	for (i = 0; i < x->n_maps; i++) {
		struct gre_map_row row = { .address = x->maps[i].address,
		    .peer = x->maps[i].peer, .hold = 500,
		    .blob = rbuf_of(x->maps[i].blob, x->maps[i].len) };

		snprintf(row.interface, sizeof(row.interface), "dmvpn0");
		snprintf(row.owner, sizeof(row.owner), "nhrp");
		if (row.peer > 0)
			nhrp_engine_adopt_map(x->g, s->now, &row);
	}
	for (i = 0; i < x->n_routes; i++) {
		struct gre_route_row row = { .prefix = x->routes[i].prefix,
		    .via = x->routes[i].via };

		snprintf(row.interface, sizeof(row.interface), "dmvpn0");
		snprintf(row.owner, sizeof(row.owner), "nhrp");
		nhrp_engine_adopt_route(x->g, s->now, &row);
	}
	sim_set(x);
	for (i = 0; i < x->n_peers; i++)
		if (x->peers[i].other != NULL)
			tell_up(x, (uint16_t)(i + 1), "dpd", i == 0);
}

uint64_t
sim_counter(struct sim_site *x, const char *name)
{
	struct nhrp_status_reply *r = calloc(1, sizeof(*r));
	uint64_t v = 0;
	size_t i;

	nhrp_engine_status(x->g, x->sim->now, r);
	for (i = 0; i < r->n_counters; i++)
		if (strcmp(r->counters[i].name, name) == 0)
			v = r->counters[i].count;
	free(r);
	return v;
}
