#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/netlink.h"

/* In a network namespace of its own, on a TAP; skipped without the right. */
struct world {
	struct netlink	*n;
	int		 tun, index;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct netlink_link link;
	struct ifreq r;
	struct err e;

	*state = w;
	assert_non_null(w);
	w->tun = -1;
	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	if ((w->tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC)) < 0)
		return 0;
	memset(&r, 0, sizeof(r));
	(void)strncpy(r.ifr_name, "tap0", sizeof(r.ifr_name) - 1);
	r.ifr_flags = IFF_TAP | IFF_NO_PI;
	assert_int_equal(ioctl(w->tun, TUNSETIFF, &r), 0);
	assert_non_null(w->n = netlink_open(&e));
	assert_int_equal(netlink_link_get(w->n, "tap0", &link, &e), 0);
	w->index = link.index;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	netlink_close(w->n);
	if (w->tun >= 0)
		close(w->tun);
	free(w);
	return 0;
}

static struct world *
world_of(void **state)
{
	struct world *w = *state;

	if (w->n == NULL)
		skip();
	return w;
}

static void
up(struct world *w)
{
	const struct netlink_link_change c = { .up = true };
	struct err e;

	assert_int_equal(netlink_link_change(w->n, w->index, &c, &e), 0);
}

static struct prefix
host_prefix(const char *text)
{
	struct prefix p;
	struct err e;

	assert_int_equal(prefix_parse_host(text, &p, &e), 0);
	return p;
}

static struct addr
address(const char *text)
{
	struct addr a;
	struct err e;

	assert_int_equal(addr_parse(text, &a, &e), 0);
	return a;
}

static void
test_link_takes_what_it_is_given(void **state)
{
	static const uint8_t mac[6] = { 2, 1, 2, 3, 4, 5 };
	const struct netlink_link_change c = { .alias = "mark", .mac = mac,
	    .mtu = 1333, .queue = 77, .up = true };
	const struct netlink_conf conf[] = {
		{ IPV4_DEVCONF_FORWARDING, 1 },
		{ IPV4_DEVCONF_RP_FILTER, 2 },
	};
	struct world *w = world_of(state);
	struct netlink_link link;
	struct err e;

	assert_int_equal(netlink_link_change(w->n, w->index, &c, &e), 0);
	assert_int_equal(netlink_link_by_index(w->n, w->index, &link, &e),
	    0);
	assert_string_equal(link.name, "tap0");
	assert_string_equal(link.alias, "mark");
	assert_int_equal(link.mtu, 1333);
	assert_true(link.up);
	assert_memory_equal(link.mac, mac, 6);
	assert_int_equal(netlink_link_conf(w->n, w->index, conf, 2, &e), 0);
	assert_int_equal(netlink_link_get(w->n, "none", &link, &e), -1);
	assert_int_equal(e.code, ENODEV);
	assert_int_equal(netlink_link_delete(w->n, w->index, &e), 0);
	assert_int_equal(netlink_link_delete(w->n, w->index, &e), -1);
}

struct found {
	size_t			n;
	struct prefix		want;
	struct netlink_neigh	neigh;
	struct netlink_route	route;
};

static bool
find_addr(void *arg, int index, const struct prefix *p)
{
	struct found *f = arg;

	(void)index;
	if (prefix_equal(p, &f->want))
		f->n++;
	return true;
}

static void
test_addresses_come_and_go(void **state)
{
	struct world *w = world_of(state);
	struct found f = { .want = host_prefix("10.0.0.1/24") };
	struct err e;

	up(w);
	assert_int_equal(netlink_addr_add(w->n, w->index, &f.want, &e), 0);
	assert_int_equal(netlink_addr_add(w->n, w->index, &f.want, &e), 0);
	assert_int_equal(netlink_addr_each(w->n, find_addr, &f, &e), 0);
	assert_int_equal(f.n, 1);
	assert_int_equal(netlink_addr_delete(w->n, w->index, &f.want, &e),
	    0);
	assert_int_equal(netlink_addr_delete(w->n, w->index, &f.want, &e),
	    0);
	assert_int_equal(netlink_addr_each(w->n, find_addr, &f, &e), 0);
	assert_int_equal(f.n, 1);
}

static bool
find_neigh(void *arg, const struct netlink_neigh *h)
{
	struct found *f = arg;

	if (addr_equal(&h->addr, &f->want.addr)) {
		f->neigh = *h;
		f->n++;
	}
	return true;
}

static void
test_neighbours_are_permanent_and_replaced(void **state)
{
	static const uint8_t one[6] = { 2, 0, 0, 0, 0, 1 };
	static const uint8_t two[6] = { 2, 0, 0, 0, 0, 2 };
	struct world *w = world_of(state);
	struct found f = { .want = host_prefix("10.0.0.2/32") };
	struct err e;

	up(w);
	assert_int_equal(netlink_neigh_set(w->n, w->index, &f.want.addr, one,
	    &e), 0);
	assert_int_equal(netlink_neigh_set(w->n, w->index, &f.want.addr, two,
	    &e), 0);
	assert_int_equal(netlink_neigh_each(w->n, w->index, find_neigh, &f,
	    &e), 0);
	assert_int_equal(f.n, 1);
	assert_true(f.neigh.permanent);
	assert_memory_equal(f.neigh.mac, two, 6);
	assert_int_equal(netlink_neigh_delete(w->n, w->index, &f.want.addr,
	    &e), 0);
	assert_int_equal(netlink_neigh_delete(w->n, w->index, &f.want.addr,
	    &e), 0);
}

static bool
find_route(void *arg, const struct netlink_route *r)
{
	struct found *f = arg;

	if (prefix_equal(&r->prefix, &f->want)) {
		f->route = *r;
		f->n++;
	}
	return true;
}

static void
test_routes_are_looked_up_with_their_prefix(void **state)
{
	struct world *w = world_of(state);
	struct found f = { .want = host_prefix("172.16.0.0/16") };
	struct netlink_route r = { .prefix = f.want, .index = w->index,
	    .via = address("169.254.1.2"), .onlink = true,
	    .scope = 17 }, got;
	struct addr a = address("172.16.5.6");
	struct prefix own = host_prefix("10.0.0.1/24");
	struct err e;

	up(w);
	assert_int_equal(netlink_addr_add(w->n, w->index, &own, &e), 0);
	assert_int_equal(netlink_route_set(w->n, &r, &e), 0);
	r.via = address("169.254.1.3");		/* replaced, not doubled */
	assert_int_equal(netlink_route_set(w->n, &r, &e), 0);
	assert_int_equal(netlink_route_each(w->n, NETLINK_PROTOCOL, w->index,
	    find_route, &f, &e), 0);
	assert_int_equal(f.n, 1);
	assert_true(addr_equal(&f.route.via, &r.via));
	assert_int_equal(f.route.scope, 17);
	assert_int_equal(netlink_route_get(w->n, &a, &got, &e), 0);
	assert_true(prefix_equal(&got.prefix, &f.want));
	assert_true(addr_equal(&got.via, &r.via));
	assert_int_equal(netlink_route_get(w->n, &own.addr, &got, &e), 0);
	assert_int_equal(got.type, RTN_LOCAL);
	a = address("203.0.113.1");
	assert_int_equal(netlink_route_get(w->n, &a, &got, &e), -1);
	assert_int_equal(e.code, ENETUNREACH);
	r.via.len = 0;
	r.onlink = false;
	assert_int_equal(netlink_route_delete(w->n, &r, &e), 0);
	assert_int_equal(netlink_route_delete(w->n, &r, &e), 0);
	assert_int_equal(netlink_route_each(w->n, NETLINK_PROTOCOL, 0,
	    find_route, &f, &e), 0);
	assert_int_equal(f.n, 1);
}

static void
test_a_route_of_another_protocol_is_not_claimed(void **state)
{
	struct world *w = world_of(state);
	struct netlink_route theirs = { .prefix = host_prefix("172.16.0.0/16"),
	    .index = w->index, .via = address("169.254.1.2"), .onlink = true,
	    .protocol = 4 }, ours = theirs;
	struct found f = { .want = theirs.prefix };
	struct prefix own = host_prefix("10.0.0.1/24");
	struct err e;

	up(w);
	assert_int_equal(netlink_addr_add(w->n, w->index, &own, &e), 0);
	ours.protocol = 0;
	ours.via = address("169.254.1.3");
	assert_int_equal(netlink_route_set(w->n, &theirs, &e), 0);
	assert_int_equal(netlink_route_claim(w->n, &ours, &e), -1);
	assert_int_equal(e.code, EEXIST);
	assert_non_null(strstr(e.msg, "172.16.0.0/16 is there already, by way "
	    "of 169.254.1.2"));
	assert_int_equal(netlink_route_each(w->n, 4, w->index, find_route, &f,
	    &e), 0);
	assert_int_equal(f.n, 1);
	ours.metric = 5;			/* beside it is room */
	assert_int_equal(netlink_route_claim(w->n, &ours, &e), 0);
	assert_int_equal(netlink_route_delete(w->n, &theirs, &e), 0);
	ours.metric = 0;
	assert_int_equal(netlink_route_claim(w->n, &ours, &e), 0);
	ours.via = address("169.254.1.4");	/* our own may be claimed */
	assert_int_equal(netlink_route_claim(w->n, &ours, &e), 0);
	theirs = ours;
	theirs.metric = 5;
	theirs.via = address("169.254.1.3");
	assert_int_equal(netlink_route_delete(w->n, &theirs, &e), 0);
	f.n = 0;
	assert_int_equal(netlink_route_each(w->n, NETLINK_PROTOCOL, w->index,
	    find_route, &f, &e), 0);
	assert_int_equal(f.n, 1);
	assert_true(addr_equal(&f.route.via, &ours.via));
}

struct events {
	unsigned	n[5];
};

static void
count_event(void *arg, const struct netlink_event *ev)
{
	struct events *v = arg;

	/* IPv6 loses neighbours of its own when a link goes down */
	if (ev->kind != NETLINK_NEIGH_GONE || ev->prefix.addr.len == 4)
		v->n[ev->kind]++;
}

static void
test_events_tell_what_the_link_lost(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	const struct netlink_link_change down = { .down = true };
	struct world *w = world_of(state);
	struct addr a = address("10.0.0.2");
	struct events v = { .n = { 0 } };
	struct err e;

	assert_true(netlink_subscribe(w->n, &e) >= 0);
	up(w);
	assert_int_equal(netlink_neigh_set(w->n, w->index, &a, mac, &e), 0);
	assert_int_equal(netlink_link_change(w->n, w->index, &down, &e), 0);
	assert_int_equal(netlink_events(w->n, count_event, &v, &e), 0);
	assert_true(v.n[NETLINK_LINK] >= 2);
	assert_int_equal(v.n[NETLINK_NEIGH_GONE], 1);
	assert_int_equal(netlink_link_delete(w->n, w->index, &e), 0);
	assert_int_equal(netlink_events(w->n, count_event, &v, &e), 0);
	assert_int_equal(v.n[NETLINK_LINK_GONE], 1);
	assert_int_equal(v.n[NETLINK_RESYNC], 0);
}

static void
test_ops_10_overflow_asks_for_a_resync(void **state)
{
	struct world *w = world_of(state);
	struct events v = { .n = { 0 } };
	int fd, little = 1, i;
	struct prefix p;
	struct err e;

	fd = netlink_subscribe(w->n, &e);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little,
	    sizeof(little)), 0);
	up(w);
	p = host_prefix("10.1.0.0/32");
	for (i = 1; i < 200; i++) {
		p.addr.b[3] = (uint8_t)i;
		assert_int_equal(netlink_addr_add(w->n, w->index, &p, &e),
		    0);
		assert_int_equal(netlink_addr_delete(w->n, w->index, &p, &e),
		    0);
	}
	for (i = 0; i < 20; i++)
		assert_int_equal(netlink_events(w->n, count_event, &v, &e),
		    0);
	assert_true(v.n[NETLINK_RESYNC] >= 1);
}

static void
test_shaping_is_made_and_removed(void **state)
{
	struct world *w = world_of(state);
	struct err e;
	unsigned i;

	up(w);
	if (netlink_shape_open(w->n, w->index, &e) < 0 &&
	    (e.code == ENOENT || e.code == EOPNOTSUPP))
		skip();		/* no HTB in this kernel */
	for (i = 1; i < 65533; i += 4093)
		assert_int_equal(netlink_shape_set(w->n, w->index,
		    (uint16_t)i, 1000000 * i, 60, &e), 0);
	/* again, with another rate */
	assert_int_equal(netlink_shape_set(w->n, w->index, 1, 64000, 60, &e),
	    0);
	assert_int_equal(netlink_shape_set(w->n, w->index, 1, 10, 60, &e),
	    -1);
	for (i = 1; i < 65533; i += 4093)
		assert_int_equal(netlink_shape_delete(w->n, w->index,
		    (uint16_t)i, &e), 0);
	assert_int_equal(netlink_shape_delete(w->n, w->index, 1, &e), 0);
	assert_int_equal(netlink_shape_close(w->n, w->index, &e), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_link_takes_what_it_is_given),
		TEST(test_addresses_come_and_go),
		TEST(test_neighbours_are_permanent_and_replaced),
		TEST(test_routes_are_looked_up_with_their_prefix),
		TEST(test_a_route_of_another_protocol_is_not_claimed),
		TEST(test_events_tell_what_the_link_lost),
		TEST(test_ops_10_overflow_asks_for_a_resync),
		TEST(test_shaping_is_made_and_removed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
