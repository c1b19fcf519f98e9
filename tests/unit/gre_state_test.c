#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dmvpn-gre/gre.h"

/*
 * The state of the packet half against a recording of what it asks of the
 * kernel, keeps as notes and tells as events.
 */
#define RECORD_MAX 256

struct record {
	struct priv_request	requests[RECORD_MAX];
	void			*jobs[RECORD_MAX];
	size_t			 n_requests;
	struct priv_notes	*notes;
	char			 events[RECORD_MAX][32];
	size_t			 n_events;
};

struct world {
	struct record	rec;
	struct path	*path;
	struct gre	gre;
};

static void
on_kernel(void *arg, struct priv_request *r, void *job)
{
	struct record *rec = arg;

	assert_true(rec->n_requests < RECORD_MAX);
	rec->jobs[rec->n_requests] = job;
	rec->requests[rec->n_requests++] = *r;
}

static void
on_note(void *arg, const struct priv_key *key, const void *data, size_t len)
{
	struct record *rec = arg;
	struct err e;

	if (data == NULL)
		priv_note_delete(rec->notes, key);
	else
		assert_int_equal(priv_note_set(rec->notes, key, data, len,
		    &e), 0);
}

static void
on_event(void *arg, const struct msg_type *t, const void *m)
{
	struct record *rec = arg;

	(void)m;
	assert_true(rec->n_events < RECORD_MAX);
	(void)strncpy(rec->events[rec->n_events++], t->name, 31);
}

static void
world_open(struct world *w)
{
	const struct gre_ops ops = { .arg = &w->rec, .kernel = on_kernel,
	    .note = on_note, .event = on_event };
	const struct path_conf conf = { .threads = 1 };
	struct err e;

	w->path = path_new(&conf, &e);
	assert_non_null(w->path);
	gre_init(&w->gre, w->path, &ops);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e;

	assert_non_null(w);
	w->rec.notes = priv_notes_new(&e);
	world_open(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	gre_fini(&w->gre);
	path_free(w->path);
	priv_notes_free(w->rec.notes);
	free(w);
	return 0;
}

/* What was asked of the kernel with this op about this text; -1: nothing. */
static int
asked(const struct world *w, enum priv_op op, const char *text)
{
	const struct priv_request *r;
	struct addr_buf b;
	size_t i;

	for (i = w->rec.n_requests; i-- > 0;) {
		r = &w->rec.requests[i];
		if (r->op == op && (text == NULL ||
		    strcmp(prefix_text(&r->prefix, &b), text) == 0))
			return (int)i;
	}
	return -1;
}

static struct gre_interface_set
iface_of(const char *name, const char *address)
{
	struct gre_interface_set m = { .owner = "static",
	    .protect = GRE_PROTECT_NONE };
	struct err e;

	(void)strncpy(m.interface, name, sizeof(m.interface) - 1);
	if (address != NULL) {
		assert_int_equal(prefix_parse_host(address, &m.addresses[0],
		    &e), 0);
		m.n_addresses = 1;
	}
	return m;
}

static void
make_iface(struct world *w, const char *name, const char *address)
{
	struct gre_interface_set m = iface_of(name, address);
	struct err e;

	assert_int_equal(gre_iface_set(&w->gre, &m, NULL, &e), 0);
}

static uint16_t
make_peer(struct world *w, const char *remote, uint16_t number)
{
	struct gre_peer_set m = { .owner = "static", .peer = number,
	    .encap = GRE_ENCAP_NONE };
	struct err e;
	uint16_t got;

	assert_int_equal(addr_parse(remote, &m.remote.addr, &e), 0);
	assert_int_equal(gre_peer_state(&w->gre, &m, &got, &e), 0);
	return got;
}

static int
try_map(struct world *w, const char *owner, const char *address,
    uint16_t peer, uint32_t hold, struct err *e)
{
	struct gre_map_set m = { .interface = "t0", .n_items = 1 };

	(void)strncpy(m.owner, owner, sizeof(m.owner) - 1);
	assert_int_equal(addr_parse(address, &m.items[0].address, e), 0);
	m.items[0].peer = peer;
	m.items[0].hold = hold;
	return gre_maps_state(&w->gre, &m, 1000, NULL, e);
}

static int
try_route(struct world *w, const char *owner, const char *prefix,
    const char *via, uint16_t peer, struct err *e)
{
	struct gre_route_set m = { .interface = "t0", .n_items = 1 };

	(void)strncpy(m.owner, owner, sizeof(m.owner) - 1);
	assert_int_equal(prefix_parse(prefix, &m.items[0].prefix, e), 0);
	if (via != NULL)
		assert_int_equal(addr_parse(via, &m.items[0].via, e), 0);
	m.items[0].peer = peer;
	return gre_routes_state(&w->gre, &m, NULL, e);
}

static void
test_interface_asks_link_then_addresses(void **state)
{
	struct gre_interface_set m = iface_of("t0", "10.0.0.1/24");
	struct world *w = *state;
	struct err e;
	int job;

	assert_int_equal(gre_iface_set(&w->gre, &m, &job, &e), 0);
	assert_int_equal(w->rec.requests[0].op, PRIV_LINK_SET);
	assert_int_equal(w->rec.requests[0].mtu, GRE_MTU_CLEAR);
	assert_int_equal(w->rec.requests[1].op, PRIV_ADDR_SET);
	assert_ptr_equal(w->rec.jobs[1], &job);
	/* a link-local address that no other member has */
	assert_true(asked(w, PRIV_ADDR_SET, "fe80::5efe:a00:1/64") >= 0);
	/* another address: the old one goes */
	m = iface_of("t0", "10.0.0.9/24");
	assert_int_equal(gre_iface_set(&w->gre, &m, &job, &e), 0);
	assert_true(asked(w, PRIV_ADDR_DELETE, "10.0.0.1/24") >= 0);
	assert_true(asked(w, PRIV_ADDR_SET, "10.0.0.9/24") >= 0);
}

static void
test_interface_refuses_nonsense(void **state)
{
	struct gre_interface_set m = iface_of("t0", "224.0.0.1/24");
	struct world *w = *state;
	struct err e;

	assert_int_equal(gre_iface_set(&w->gre, &m, NULL, &e), -1);
	assert_int_equal(e.code, EINVAL);
	m = iface_of("t0", NULL);
	m.mode = GRE_MODE_DIRECT;
	assert_int_equal(gre_iface_set(&w->gre, &m, NULL, &e), -1);
	assert_int_equal(e.code, EINVAL);
	assert_int_equal(w->rec.n_requests, 0);
	make_iface(w, "t0", NULL);
	m = iface_of("t0", NULL);
	(void)strncpy(m.owner, "other", sizeof(m.owner) - 1);
	assert_int_equal(gre_iface_set(&w->gre, &m, NULL, &e), -1);
	assert_int_equal(e.code, EPERM);
	/* no key, no protection: not to be told apart on the wire */
	m = iface_of("t1", NULL);
	assert_int_equal(gre_iface_set(&w->gre, &m, NULL, &e), -1);
	assert_int_equal(e.code, EADDRINUSE);
	assert_null(gre_iface_find(&w->gre, "t1"));
}

static void
test_map_is_a_neighbour(void **state)
{
	struct world *w = *state;
	uint16_t peer;
	struct err e;
	int i;

	make_iface(w, "t0", "10.0.0.1/24");
	peer = make_peer(w, "192.0.2.2", 0);
	assert_in_range(peer, GRE_PEER_FIRST, GRE_PEER_LAST);
	assert_int_equal(try_map(w, "static", "10.0.0.2", peer, 0, &e), 0);
	i = asked(w, PRIV_NEIGH_SET, "10.0.0.2/32");
	assert_true(i >= 0);
	assert_int_equal(w->rec.requests[i].peer, peer);
	/* not our own address, not another's map, not to nobody */
	assert_int_equal(try_map(w, "static", "10.0.0.1", peer, 0, &e), -1);
	assert_int_equal(try_map(w, "nhrp", "10.0.0.2", peer, 0, &e), -1);
	assert_int_equal(e.code, EPERM);
	assert_int_equal(try_map(w, "static", "10.0.0.3", 77, 0, &e), -1);
	assert_int_equal(e.code, ENOENT);
}

static void
test_map_ends_with_its_holding_time(void **state)
{
	struct world *w = *state;
	static struct gre_maps page;
	const struct page p = { .after = 0 };
	uint16_t peer;
	struct err e;

	make_iface(w, "t0", NULL);
	peer = make_peer(w, "192.0.2.2", 0);
	assert_int_equal(try_map(w, "nhrp", "10.0.0.2", peer, 10, &e), 0);
	gre_page_maps(&w->gre, &p, 4000, &page);
	assert_int_equal(page.n_items, 1);
	assert_int_equal(page.items[0].hold, 7);
	(void)gre_tick(&w->gre, 10999);
	assert_int_equal(asked(w, PRIV_NEIGH_DELETE, NULL), -1);
	(void)gre_tick(&w->gre, 11000);
	assert_true(asked(w, PRIV_NEIGH_DELETE, "10.0.0.2/32") >= 0);
	gre_page_maps(&w->gre, &p, 11000, &page);
	assert_int_equal(page.n_items, 0);
}

static void
test_direct_routes_go_by_the_peers_number(void **state)
{
	struct world *w = *state;
	struct err e;
	int i;

	make_iface(w, "t0", NULL);
	(void)make_peer(w, "192.0.2.2", 0x1234);
	assert_int_equal(try_route(w, "ike", "172.16.0.0/16", NULL, 0x1234,
	    &e), 0);
	i = asked(w, PRIV_ROUTE_SET, "172.16.0.0/16");
	assert_true(i >= 0);
	assert_true(w->rec.requests[i].onlink);
	assert_int_equal(gre_peer_of_hop(&w->rec.requests[i].via), 0x1234);
	/* the neighbour is stated before the route, and once is enough */
	assert_in_range(asked(w, PRIV_NEIGH_SET, "169.254.18.52/32"), 0, i);
	assert_int_equal(try_route(w, "ike", "fd00::/8", NULL, 0x1234, &e),
	    0);
	assert_true(asked(w, PRIV_NEIGH_SET, "fe80::1234/128") >= 0);
	assert_int_equal(gre_peer_remove(&w->gre, 0x1234, &e), 0);
	assert_true(asked(w, PRIV_ROUTE_DELETE, "172.16.0.0/16") >= 0);
	assert_true(asked(w, PRIV_NEIGH_DELETE, "169.254.18.52/32") >= 0);
	assert_true(asked(w, PRIV_NEIGH_DELETE, "fe80::1234/128") >= 0);
	assert_string_equal(w->rec.events[w->rec.n_events - 1],
	    "gre-peer-gone");
}

static void
test_owner_takes_back_only_its_own_routes(void **state)
{
	struct gre_route_delete d = { .owner = "nhrp", .interface = "t0",
	    .n_prefixes = 1 };
	struct world *w = *state;
	struct err e;

	make_iface(w, "t0", "10.0.0.1/24");
	assert_int_equal(try_route(w, "static", "172.16.0.0/16", "10.0.0.2",
	    0, &e), 0);
	assert_int_equal(try_route(w, "nhrp", "172.16.0.0/16", "10.0.0.3", 0,
	    &e), -1);
	assert_int_equal(e.code, EPERM);
	assert_int_equal(prefix_parse("172.16.0.0/16", &d.prefixes[0], &e),
	    0);
	assert_int_equal(gre_routes_remove(&w->gre, &d, NULL, &e), 0);
	assert_int_equal(asked(w, PRIV_ROUTE_DELETE, NULL), -1);
	(void)strncpy(d.owner, "static", sizeof(d.owner) - 1);
	assert_int_equal(gre_routes_remove(&w->gre, &d, NULL, &e), 0);
	assert_true(asked(w, PRIV_ROUTE_DELETE, "172.16.0.0/16") >= 0);
}

static void
route_of_metric(struct world *w, const char *prefix, uint32_t metric)
{
	struct gre_route_set m = { .interface = "t0", .owner = "nhrp",
	    .n_items = 1 };
	struct err e;

	assert_int_equal(prefix_parse(prefix, &m.items[0].prefix, &e), 0);
	m.items[0].metric = metric;
	assert_int_equal(gre_routes_state(&w->gre, &m, NULL, &e), 0);
}

static void
take_back(struct world *w, const char *prefix)
{
	struct gre_route_delete d = { .interface = "t0", .owner = "nhrp",
	    .n_prefixes = 1 };
	struct err e;

	assert_int_equal(prefix_parse(prefix, &d.prefixes[0], &e), 0);
	assert_int_equal(gre_routes_remove(&w->gre, &d, NULL, &e), 0);
}

/* Few metrics are looked up one by one, of many all routes are. */
static void
test_a_prefix_goes_in_every_metric(void **state)
{
	static const unsigned numbers[] = { 1, 2, GRE_METRICS,
	    GRE_METRICS + 1, 3 * GRE_METRICS };
	struct world *w = *state;
	unsigned i, k;

	make_iface(w, "t0", "10.0.0.1/24");
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (k = 0; k < numbers[i]; k++) {
			route_of_metric(w, "172.16.0.0/16", 100 + k);
			route_of_metric(w, "172.17.0.0/16", 100 + k);
		}
		take_back(w, "172.18.0.0/16");
		assert_int_equal(w->gre.route_chains.n, 2 * numbers[i]);
		take_back(w, "172.16.0.0/16");
		assert_int_equal(w->gre.route_chains.n, numbers[i]);
		take_back(w, "172.17.0.0/16");
		assert_int_equal(w->gre.route_chains.n, 0);
		assert_int_equal(w->gre.n_other_metrics, 0);
	}
}

static void
test_peer_takes_maps_along(void **state)
{
	struct world *w = *state;
	struct gre_peer_set m = { .owner = "ike" };
	uint16_t peer, got;
	struct err e;

	make_iface(w, "t0", "10.0.0.1/24");
	peer = make_peer(w, "192.0.2.2", 0);
	m.peer = peer;
	m.encap = GRE_ENCAP_NONE;
	assert_int_equal(addr_parse("192.0.2.9", &m.remote.addr, &e), 0);
	assert_int_equal(gre_peer_state(&w->gre, &m, &got, &e), -1);
	assert_int_equal(e.code, EPERM);
	assert_int_equal(try_map(w, "nhrp", "10.0.0.2", peer, 0, &e), 0);
	assert_int_equal(gre_peer_remove(&w->gre, peer, &e), 0);
	assert_true(asked(w, PRIV_NEIGH_DELETE, "10.0.0.2/32") >= 0);
	assert_int_equal(gre_peer_remove(&w->gre, peer, &e), -1);
	assert_int_equal(e.code, ENOENT);
}

static void
test_rate_becomes_a_class_where_the_peer_is_mapped(void **state)
{
	struct gre_peer_set m = { .owner = "static", .peer = 50000,
	    .encap = GRE_ENCAP_NONE, .rate = 1000000 };
	const struct priv_report again = { .type = PRIV_LINK, .link = "t0",
	    .index = 9, .up = true, .mtu = 1400 };
	struct world *w = *state;
	struct err e;
	uint16_t got;
	int at;

	make_iface(w, "t0", "10.0.0.1/24");
	assert_int_equal(addr_parse("192.0.2.2", &m.remote.addr, &e), 0);
	assert_int_equal(gre_peer_state(&w->gre, &m, &got, &e), 0);
	assert_int_equal(asked(w, PRIV_SHAPE_SET, NULL), -1);
	assert_int_equal(try_map(w, "static", "10.0.0.2", 50000, 0, &e), 0);
	assert_true((at = asked(w, PRIV_SHAPE_SET, NULL)) >= 0);
	/* somebody deleted the interface; it was made again, without it */
	gre_link_gone(&w->gre, "t0");
	gre_link(&w->gre, &again, NULL, 0);
	assert_true(asked(w, PRIV_SHAPE_SET, NULL) > at);
	m.rate = 0;
	assert_int_equal(gre_peer_state(&w->gre, &m, &got, &e), 0);
	assert_true(asked(w, PRIV_SHAPE_DELETE, NULL) >= 0);
}

static bool
replay_one(void *arg, const struct priv_key *key, const void *data,
    size_t len)
{
	struct world *w = arg;
	struct err e;

	if (gre_note_replay(&w->gre, key, rbuf_of(data, len), 5000, &e) < 0)
		fail_msg("replay: %s", e.msg);
	return true;
}

/* The packet half dies; the next one is told what this one noted. */
static void
test_notes_bring_everything_back(void **state)
{
	static struct gre_maps maps;
	static struct gre_routes routes;
	const struct page p = { .after = 0 };
	struct world *w = *state;
	uint16_t one, two;
	struct err e;

	make_iface(w, "t0", "10.0.0.1/24");
	one = make_peer(w, "192.0.2.2", 0);
	assert_int_equal(try_map(w, "nhrp", "10.0.0.2", one, 100, &e), 0);
	assert_int_equal(try_route(w, "nhrp", "172.16.0.0/16", "10.0.0.2", 0,
	    &e), 0);
	/* repointed to a peer that is younger than the map */
	two = make_peer(w, "192.0.2.3", 0);
	assert_int_equal(try_map(w, "nhrp", "10.0.0.2", two, 100, &e), 0);
	gre_fini(&w->gre);
	path_free(w->path);
	world_open(w);
	w->rec.n_requests = 0;
	priv_notes_each(w->rec.notes, replay_one, w);
	assert_non_null(gre_iface_find(&w->gre, "t0"));
	gre_page_maps(&w->gre, &p, 5000, &maps);
	assert_int_equal(maps.n_items, 1);
	assert_int_equal(maps.items[0].peer, two);
	assert_int_equal(maps.items[0].hold, 96);
	assert_string_equal(maps.items[0].owner, "nhrp");
	gre_page_routes(&w->gre, &p, &routes);
	assert_int_equal(routes.n_items, 1);
	/* and what was taken back does not come again */
	assert_int_equal(gre_peer_remove(&w->gre, two, &e), 0);
	assert_int_equal(gre_iface_delete(&w->gre, "t0", NULL, &e), 0);
	assert_int_equal(gre_peer_remove(&w->gre, one, &e), 0);
	assert_int_equal(priv_notes_count(w->rec.notes), 0);
}

static void
test_a_broken_note_is_refused(void **state)
{
	struct priv_key key = { .kind = 0 };
	struct world *w = *state;
	uint8_t junk[40];
	struct err e;
	unsigned i;

	memset(junk, 0xa5, sizeof(junk));
	for (i = 0; i < 7; i++) {
		key.kind = (uint8_t)i;
		assert_int_equal(gre_note_replay(&w->gre, &key,
		    rbuf_of(junk, sizeof(junk)), 0, &e), -1);
		assert_int_equal(gre_note_replay(&w->gre, &key,
		    rbuf_of(junk, 3), 0, &e), -1);
	}
}

static struct gre_sa_add
sa_of(uint16_t peer, const uint8_t install[16], uint32_t spi)
{
	static const uint8_t key[20] = { 1, 2, 3 };

	return (struct gre_sa_add){ .owner = "static", .peer = peer,
	    .install = rbuf_of(install, 16), .spi_in = spi,
	    .spi_out = spi + 1, .cipher = ESP_CIPHER_AES128_GCM,
	    .key_in = rbuf_of(key, 20), .key_out = rbuf_of(key, 20) };
}

static void
test_ipc_13_keys_are_installed_once(void **state)
{
	static const uint8_t install[16] = { 9 }, other[16] = { 8 };
	struct gre_peer_set p = { .owner = "static", .peer = 50000,
	    .encap = GRE_ENCAP_UDP };
	struct world *w = *state;
	struct gre_sa_add m;
	uint16_t got;
	struct err e;

	assert_int_equal(endpoint_parse("192.0.2.2:4500", 0, &p.remote, &e),
	    0);
	assert_int_equal(gre_peer_state(&w->gre, &p, &got, &e), 0);
	m = sa_of(50000, install, 0x1000);
	assert_int_equal(gre_sa_install(&w->gre, &m, &e), 0);
	m = sa_of(50000, install, 0x2000);
	assert_int_equal(gre_sa_install(&w->gre, &m, &e), -1);
	assert_int_equal(e.code, EEXIST);
	m = sa_of(50000, other, 0x1000);	/* the SPI is in use */
	assert_int_equal(gre_sa_install(&w->gre, &m, &e), -1);
	assert_int_equal(gre_sa_end(&w->gre, 0x1000, 0, &e), 0);
	assert_int_equal(gre_sa_end(&w->gre, 0x1000, 0, &e), -1);
	m = sa_of(50000, install, 0x1000);
	assert_int_equal(gre_sa_install(&w->gre, &m, &e), -1);
	m = sa_of(50001, other, 0x3000);	/* nobody */
	assert_int_equal(gre_sa_install(&w->gre, &m, &e), -1);
	assert_int_equal(e.code, ENOENT);
	/* the packet half after this one knows by its notes */
	gre_fini(&w->gre);
	path_free(w->path);
	world_open(w);
	priv_notes_each(w->rec.notes, replay_one, w);
	m = sa_of(50000, install, 0x4000);
	assert_int_equal(gre_sa_install(&w->gre, &m, &e), -1);
	assert_int_equal(e.code, EEXIST);
	m = sa_of(50000, other, 0x4000);
	assert_int_equal(gre_sa_install(&w->gre, &m, &e), 0);
}

/* Texts of a peer are kept as long as they are, none or all of them. */
static void
same_again(struct world *w, const struct gre_peer_set *m)
{
	static const struct page p = { .after = 0 };
	static struct gre_peers peers;
	struct gre_peer_set got;
	uint16_t number;
	struct err e;
	size_t i;

	assert_int_equal(gre_peer_state(&w->gre, m, &number, &e), 0);
	gre_peer_conf(gre_peer_find(&w->gre, number), &got);
	assert_string_equal(got.owner, m->owner);
	assert_string_equal(got.name, m->name);
	assert_int_equal(got.n_denied, m->n_denied);
	for (i = 0; i < m->n_denied; i++)
		assert_string_equal(got.denied[i], m->denied[i]);
	assert_true(rbuf_equal(&got.blob, &m->blob));
	assert_true(endpoint_equal(&got.remote, &m->remote));
	assert_true(endpoint_equal(&got.local, &m->local));
	assert_int_equal(got.encap, m->encap);
	assert_int_equal(got.rate, m->rate);
	assert_int_equal(got.keepalive, m->keepalive);
	assert_int_equal(got.fixed, m->fixed);
	gre_page_peers(&w->gre, &p, &peers);
	assert_int_equal(peers.n_items, 1);
	assert_string_equal(peers.items[0].owner, m->owner);
	assert_string_equal(peers.items[0].name, m->name);
	assert_true(rbuf_equal(&peers.items[0].blob, &m->blob));
}

static void
test_all_that_a_peer_was_stated_with_is_kept(void **state)
{
	struct gre_peer_set m = { .peer = 7, .encap = GRE_ENCAP_UDP,
	    .keepalive = 20, .rate = 9000, .fixed = true };
	struct world *w = *state;
	uint8_t blob[255];
	struct err e;
	size_t i;

	memset(blob, 'b', sizeof(blob));
	memset(m.owner, 'o', sizeof(m.owner) - 1);
	assert_int_equal(endpoint_parse("192.0.2.2:4500", 0, &m.remote, &e),
	    0);
	assert_int_equal(endpoint_parse("192.0.2.1:4501", 0, &m.local, &e),
	    0);
	same_again(w, &m);
	m.n_denied = 16;
	for (i = 0; i < 16; i++)
		snprintf(m.denied[i], sizeof(m.denied[i]), "%015zu", i);
	same_again(w, &m);
	m.blob = rbuf_of(blob, sizeof(blob));
	memset(m.name, 'n', sizeof(m.name) - 1);
	same_again(w, &m);
	m.n_denied = 0;
	same_again(w, &m);
}

static void
test_pages_hold_every_peer_once(void **state)
{
	struct gre_peer_set m = { .owner = "ike", .encap = GRE_ENCAP_NONE };
	static struct gre_peers page;
	static bool seen[1001];
	struct page p = { .after = 0 };
	struct world *w = *state;
	unsigned i, n = 0, pages = 0;
	uint16_t got;
	struct err e;

	memset(m.name, 'x', sizeof(m.name) - 1);
	memset(seen, 0, sizeof(seen));
	for (i = 1; i <= 1000; i++) {
		m.peer = (uint16_t)i;
		m.remote.addr = addr_of("\12\0\0", 4);
		m.remote.addr.b[2] = (uint8_t)(i >> 8);
		m.remote.addr.b[3] = (uint8_t)i;
		w->rec.n_requests = 0;
		assert_int_equal(gre_peer_state(&w->gre, &m, &got, &e), 0);
	}
	do {
		uint8_t b[MSG_MAX];
		struct wbuf out = wbuf_of(b, sizeof(b));

		gre_page_peers(&w->gre, &p, &page);
		assert_int_equal(msg_put(&out, &gre_peers_type, &page, &e),
		    0);
		for (i = 0; i < page.n_items; i++, n++) {
			assert_false(seen[page.items[i].peer]);
			seen[page.items[i].peer] = true;
		}
		p.after = page.next;
	} while (page.next != 0 && ++pages < 1000);
	assert_int_equal(n, 1000);
}

static void
test_seen_notes_are_bounded(void **state)
{
	struct world *w = *state;
	uint8_t install[16] = { 0 };
	unsigned i;

	for (i = 0; i < PRIV_SEEN + 10; i++) {
		memcpy(install, &i, sizeof(i));
		gre_note_seen(&w->gre, install);
	}
	assert_int_equal(priv_notes_count(w->rec.notes), PRIV_SEEN);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_interface_asks_link_then_addresses),
		TEST(test_interface_refuses_nonsense),
		TEST(test_map_is_a_neighbour),
		TEST(test_map_ends_with_its_holding_time),
		TEST(test_direct_routes_go_by_the_peers_number),
		TEST(test_owner_takes_back_only_its_own_routes),
		TEST(test_a_prefix_goes_in_every_metric),
		TEST(test_peer_takes_maps_along),
		TEST(test_rate_becomes_a_class_where_the_peer_is_mapped),
		TEST(test_notes_bring_everything_back),
		TEST(test_a_broken_note_is_refused),
		TEST(test_ipc_13_keys_are_installed_once),
		TEST(test_all_that_a_peer_was_stated_with_is_kept),
		TEST(test_pages_hold_every_peer_once),
		TEST(test_seen_notes_are_bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
