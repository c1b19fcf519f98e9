#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dmvpn-gre/priv_half.h"
#include "dmvpn-gre/priv_serve.h"

/*
 * Between the halves: what the privileged one refuses (there is no netlink
 * here, so whatever got past the checks would crash), the pair of sockets,
 * the notes.
 */
static struct priv_kernel kernel;

static int
refused(const struct priv_request *r)
{
	struct priv_report out;
	const int *fds;
	size_t n;

	priv_serve(&kernel, r, &out, &fds, &n);
	assert_int_equal(out.type, PRIV_DONE);
	assert_int_equal(out.seq, r->seq);
	assert_int_equal(n, 0);
	if (out.error != 0)
		assert_int_not_equal(out.text[0], '\0');
	return out.error;
}

static struct priv_request
request(enum priv_op op, const char *link)
{
	struct priv_request r = { .op = op, .seq = 7, .mtu = 1400 };

	(void)memccpy(r.link, link, '\0', sizeof(r.link));
	r.prefix.addr.len = 4;
	r.prefix.addr.b[0] = 10;
	r.prefix.len = 32;
	r.peer = 1;
	return r;
}

static void
test_links_that_were_not_made_are_not_touched(void **state)
{
	static const enum priv_op ops[] = { PRIV_ADDR_SET, PRIV_ADDR_DELETE,
	    PRIV_NEIGH_SET, PRIV_NEIGH_DELETE, PRIV_ROUTE_SET,
	    PRIV_ROUTE_DELETE, PRIV_SHAPE_SET, PRIV_SHAPE_DELETE };
	struct priv_request r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		r = request(ops[i], "eth0");
		assert_int_equal(refused(&r), ENODEV);
		memset(r.link, 'x', sizeof(r.link));	/* no NUL */
		assert_int_equal(refused(&r), ENODEV);
	}
}

static void
test_names_and_mtus_out_of_bounds_are_refused(void **state)
{
	static const char *const names[] = { "", ".", "a/b", "a b", "a:b",
	    "t%d", "\x7f", "\xc3\xa4" };
	struct priv_request r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		r = request(PRIV_LINK_SET, names[i]);
		assert_int_equal(refused(&r), EINVAL);
		r.op = PRIV_LINK_DELETE;
		assert_int_equal(refused(&r), EINVAL);
	}
	r = request(PRIV_LINK_SET, "t0");
	memset(r.link, 'x', sizeof(r.link));
	assert_int_equal(refused(&r), EINVAL);
	r = request(PRIV_LINK_SET, "t0");
	r.mtu = 67;
	assert_int_equal(refused(&r), EINVAL);
	r.mtu = 65536;
	assert_int_equal(refused(&r), EINVAL);
}

static void
test_unknown_requests_and_addresses_are_refused(void **state)
{
	struct priv_request r = request(PRIV_LOOKUP, "");
	uint32_t op;

	(void)state;
	for (op = 0; op < 100; op++) {
		if (op >= PRIV_LINK_SET && op <= PRIV_SHAPE_DELETE)
			continue;
		r.op = op;
		assert_int_equal(refused(&r), EOPNOTSUPP);
	}
	r.op = PRIV_LOOKUP;
	r.prefix.addr.len = 5;
	assert_int_equal(refused(&r), EINVAL);
	r.prefix.addr.len = 0;
	assert_int_equal(refused(&r), EINVAL);
	r.prefix.addr.len = 4;
	r.prefix.len = 33;
	assert_int_equal(refused(&r), EINVAL);
	r.op = PRIV_PATH_MTU;
	assert_int_equal(refused(&r), EINVAL);
}

static void
test_neighbours_need_one_address_and_a_peer(void **state)
{
	struct priv_request r;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	(void)memccpy(kernel.links[3].name, "t0", '\0', 16);
	r = request(PRIV_NEIGH_SET, "t0");
	r.prefix.len = 24;
	assert_int_equal(refused(&r), EINVAL);
	r = request(PRIV_NEIGH_SET, "t0");
	r.peer = 0;
	assert_int_equal(refused(&r), EINVAL);
	r.peer = 0xfffe;	/* the interface itself */
	assert_int_equal(refused(&r), EINVAL);
	r = request(PRIV_ROUTE_SET, "t0");
	r.via.len = 7;
	assert_int_equal(refused(&r), EINVAL);
	r = request(PRIV_SHAPE_SET, "t0");	/* it is gone just now */
	assert_int_equal(refused(&r), ENODEV);
	/* stated while the link is gone: kept for when it is back */
	r = request(PRIV_NEIGH_SET, "t0");
	assert_int_equal(refused(&r), 0);
	assert_int_equal(kernel.n_entries, 1);
	assert_int_equal(refused(&r), 0);
	assert_int_equal(kernel.n_entries, 1);
	r.op = PRIV_NEIGH_DELETE;
	assert_int_equal(refused(&r), 0);
	assert_int_equal(kernel.n_entries, 0);
	memset(&kernel, 0, sizeof(kernel));
}

static void
pair(struct priv_wire w[2])
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fds), 0);
	priv_wire_init(&w[0], fds[0]);
	priv_wire_init(&w[1], fds[1]);
}

static void
test_a_full_pair_queues_and_keeps_order(void **state)
{
	static uint8_t data[PRIV_NOTE_MAX];
	struct priv_request r = { .op = PRIV_NOTE_SET }, got;
	uint32_t sent = 0, seen = 0;
	struct priv_wire w[2];
	size_t len, n = 0;
	int fds[PRIV_QUEUES], rc;
	struct err e;

	(void)state;
	pair(w);
	while (w[0].waiting < 100) {
		r.seq = ++sent;
		assert_int_equal(priv_wire_send(&w[0], &r, sizeof(r), data,
		    sent % sizeof(data), NULL, 0, &e), 0);
		if (sent % 50 == 0)
			assert_int_equal(priv_wire_flush(&w[0], &e), 0);
	}
	while (seen < sent) {
		rc = priv_wire_receive(&w[1], &got, sizeof(got), data, &len,
		    fds, &n, &e);
		assert_in_range(rc, 0, 1);
		if (rc == 0) {
			assert_int_equal(priv_wire_flush(&w[0], &e), 0);
			continue;
		}
		assert_int_equal(got.seq, ++seen);
		assert_int_equal(len, seen % sizeof(data));
	}
	assert_int_equal(w[0].waiting, 0);
	priv_wire_fini(&w[0]);
	assert_int_equal(priv_wire_receive(&w[1], &got, sizeof(got), data,
	    &len, fds, &n, &e), -1);
	assert_int_equal(e.code, EPIPE);
	priv_wire_fini(&w[1]);
}

static void
test_descriptors_survive_the_queue(void **state)
{
	struct priv_report r = { .type = PRIV_LINK }, got;
	uint8_t data[PRIV_NOTE_MAX];
	int fds[PRIV_QUEUES], null;
	struct priv_wire w[2];
	size_t len, n = 0, i;
	struct err e;

	(void)state;
	pair(w);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(null >= 0);
	for (i = 0; i < 6; i++) {	/* the third has one */
		r.seq = (uint32_t)i;
		assert_int_equal(priv_wire_send(&w[0], &r, sizeof(r), NULL, 0,
		    &null, i == 2, &e), 0);
	}
	close(null);		/* it was duplicated */
	assert_int_equal(w[0].waiting, 6);
	assert_int_equal(priv_wire_flush(&w[0], &e), 0);
	assert_int_equal(w[0].waiting, 0);
	for (i = 0; i < 6; i++) {
		assert_int_equal(priv_wire_receive(&w[1], &got, sizeof(got),
		    data, &len, fds, &n, &e), 1);
		assert_int_equal(got.seq, i);
		assert_int_equal(n, i == 2);
		if (n == 0)
			continue;
		assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
		close(fds[0]);
	}
	assert_int_equal(priv_wire_receive(&w[1], &got, sizeof(got), data,
	    &len, fds, &n, &e), 0);
	priv_wire_fini(&w[0]);
	priv_wire_fini(&w[1]);
}

/* A datagram of len octets that claims a record of size. */
static void
wire_refuses(uint32_t size, size_t len)
{
	uint8_t data[PRIV_NOTE_MAX], junk[3000] = { 0 };
	struct wbuf out = wbuf_of(junk, sizeof(junk));
	struct priv_request got;
	int fds[PRIV_QUEUES];
	struct priv_wire w[2];
	size_t room, n = 0;
	struct err e;

	pair(w);
	wbuf_be32(&out, size);
	assert_int_equal(send(w[0].fd, junk, len, 0), (ssize_t)len);
	assert_int_equal(priv_wire_receive(&w[1], &got, sizeof(got), data,
	    &room, fds, &n, &e), -1);
	assert_int_equal(e.code, EBADMSG);
	assert_false(priv_wire_more(&w[1]));
	priv_wire_fini(&w[0]);
	priv_wire_fini(&w[1]);
}

static void
test_ipc_09_records_of_another_length_are_refused(void **state)
{
	const uint32_t least = sizeof(struct priv_request);

	(void)state;
	wire_refuses(least - 1, least + 3);
	wire_refuses(least + PRIV_NOTE_MAX + 1, 3000);
	wire_refuses(least, least + 3);	/* cut short */
	wire_refuses(UINT32_MAX, 3000);
	wire_refuses(0, 4);
	wire_refuses(0, 3);
}

struct order {
	uint8_t	kinds[8];
	size_t	n;
};

static bool
take_order(void *arg, const struct priv_key *key, const void *data,
    size_t len)
{
	struct order *o = arg;

	(void)data;
	(void)len;
	o->kinds[o->n++] = key->kind;
	return o->n < sizeof(o->kinds);
}

static void
test_notes_come_back_by_kind(void **state)
{
	static const uint8_t kinds[] = { 3, 0, 7, 1, 0 };
	struct priv_key key = { .kind = PRIV_KINDS };
	struct order o = { .n = 0 };
	struct priv_notes *n;
	struct err e;
	size_t i;

	(void)state;
	n = priv_notes_new(&e);
	assert_non_null(n);
	assert_int_equal(priv_note_set(n, &key, "", 0, &e), -1);
	for (i = 0; i < sizeof(kinds); i++) {
		key.kind = kinds[i];
		key.b[0] = (uint8_t)i;
		assert_int_equal(priv_note_set(n, &key, "abc", i % 4, &e),
		    0);
		assert_int_equal(priv_note_set(n, &key, "ab", 2, &e), 0);
	}
	priv_notes_each(n, take_order, &o);
	assert_int_equal(o.n, 5);
	assert_memory_equal(o.kinds, "\0\0\1\3\7", 5);
	priv_note_delete(n, &key);
	assert_int_equal(priv_notes_count(n), 4);
	assert_int_equal(priv_note_set(n, &key, o.kinds, PRIV_NOTE_MAX + 1,
	    &e), -1);
	priv_notes_free(n);
}

static bool
take_text(void *arg, const struct priv_key *key, const void *data,
    size_t len)
{
	char (*got)[40] = arg;

	assert_true(key->b[0] < 4 && len < sizeof(got[0]));
	memcpy(got[key->b[0]], data, len);
	return true;
}

/* Of each is kept what differs from the first of its kind. */
static void
test_notes_that_are_alike_come_back_whole(void **state)
{
	static const char *const text[] = { "peer spoke1 at 192.0.2.1",
	    "peer spoke2 at 192.0.2.99", "10.1.1.0/24 by way of 10.0.0.1",
	    "10.2.1.0/24 by way of 10.0.0.2" };
	char got[4][40] = { "" };
	struct priv_notes *n;
	struct priv_key key;
	struct err e;
	uint8_t i;

	(void)state;
	n = priv_notes_new(&e);
	assert_non_null(n);
	for (i = 0; i < 4; i++) {
		key = (struct priv_key){ .kind = i < 2 ? 1 : 2, .b = { i } };
		assert_int_equal(priv_note_set(n, &key, text[i],
		    strlen(text[i]), &e), 0);
	}
	priv_notes_each(n, take_text, got);
	for (i = 0; i < 4; i++)
		assert_string_equal(got[i], text[i]);
	priv_notes_free(n);
}

/* Against a model: keys that begin alike, that end in zeros, of many kinds;
 * notes that change their length or go. */
#define MODEL	300

struct model {
	int	len[MODEL];		/* -1: there is none */
	size_t	found;
};

static struct priv_key
model_key(unsigned i)
{
	struct priv_key key = { .kind = (uint8_t)(i % 3) };

	key.b[0] = (uint8_t)(i / 3 % 2);
	key.b[i % 2 == 0 ? 1 : 46] = (uint8_t)(i / 6);
	return key;
}

static bool
model_check(void *arg, const struct priv_key *key, const void *data,
    size_t len)
{
	struct model *m = arg;
	const uint8_t *b = data;
	struct priv_key want;
	unsigned i;

	for (i = 0; i < MODEL; i++) {
		want = model_key(i);
		if (m->len[i] >= 0 && memcmp(&want, key, sizeof(want)) == 0)
			break;
	}
	assert_true(i < MODEL);
	assert_int_equal(len, m->len[i]);
	assert_true(len == 0 || (b[0] == (uint8_t)i && b[len - 1] ==
	    (uint8_t)i));
	m->found++;
	return true;
}

/* The key of i is that of a smaller number. */
static bool
is_twice(unsigned i)
{
	struct priv_key key = model_key(i), other;
	unsigned k;

	for (k = 0; k < i; k++) {
		other = model_key(k);
		if (memcmp(&key, &other, sizeof(key)) == 0)
			return true;
	}
	return false;
}

static void
test_notes_are_those_that_were_set(void **state)
{
	uint8_t data[64];
	struct model m;
	struct priv_notes *n;
	struct priv_key key;
	uint32_t dice = 1;
	struct err e;
	unsigned i, k;
	size_t count = 0;

	(void)state;
	memset(m.len, 0xff, sizeof(m.len));
	n = priv_notes_new(&e);
	assert_non_null(n);
	for (i = 0; i < 20000; i++) {
		dice = dice * 1664525 + 1013904223;
		k = (dice >> 8) % MODEL;
		key = model_key(k);
		if (is_twice(k))
			continue;
		if (dice >> 30 == 0) {
			priv_note_delete(n, &key);
			m.len[k] = -1;
		} else {
			m.len[k] = (int)(dice % 65);
			memset(data, (int)k, sizeof(data));
			assert_int_equal(priv_note_set(n, &key, data,
			    (size_t)m.len[k], &e), 0);
		}
	}
	for (i = 0; i < MODEL; i++)
		count += m.len[i] >= 0;
	m.found = 0;
	priv_notes_each(n, model_check, &m);
	assert_int_equal(m.found, count);
	assert_int_equal(priv_notes_count(n), count);
	priv_notes_free(n);
}

/*
 * In a network namespace of its own: so many routes of IPv4, each by another
 * gateway, and two default routes.
 */
#define MANY	(PRIV_PLAIN + 1000)

struct seen {
	unsigned	scope[256], all, fallback;
};

static bool
see_route(void *arg, const struct netlink_route *r)
{
	struct seen *s = arg;

	if (r->prefix.len == 0) {
		assert_int_equal(r->scope, 0);
		s->fallback++;
		return true;
	}
	assert_int_equal(r->via.b[2], r->prefix.addr.b[1]);
	assert_int_equal(r->via.b[3], r->prefix.addr.b[2]);
	s->scope[r->scope]++;
	s->all++;
	return true;
}

static struct seen
see(struct priv_kernel *k)
{
	struct seen s;
	struct err e;

	memset(&s, 0, sizeof(s));
	assert_int_equal(netlink_route_each(k->nl, NETLINK_PROTOCOL,
	    k->links[0].index, see_route, &s, &e), 0);
	return s;
}

static int
ask(struct priv_kernel *k, const struct priv_request *r)
{
	struct priv_report out;
	const int *fds;
	size_t n;

	priv_serve(k, r, &out, &fds, &n);
	return out.error;
}

static void
ask_routes(struct priv_kernel *k, enum priv_op op, unsigned from,
    unsigned to)
{
	struct priv_request r = request(op, "t0");

	r.prefix.len = 24;
	r.via = (struct addr){ 4, { 10, 200 } };
	r.onlink = true;
	for (; from < to; from++) {
		r.prefix.addr.b[1] = r.via.b[2] = (uint8_t)(from >> 8);
		r.prefix.addr.b[2] = r.via.b[3] = (uint8_t)from;
		assert_int_equal(ask(k, &r), 0);
	}
}

static void
ask_defaults(struct priv_kernel *k, enum priv_op op)
{
	struct priv_request r = request(op, "t0");

	r.prefix = (struct prefix){ .addr.len = 4 };
	r.via = (struct addr){ 4, { 10, 200, 0, 9 } };
	r.onlink = true;
	assert_int_equal(ask(k, &r), 0);
	r.metric = 7;
	assert_int_equal(ask(k, &r), 0);
}

static void
assert_spread(const struct seen *s, unsigned plain)
{
	unsigned i, used = 0;

	assert_int_equal(s->all, MANY);
	assert_int_equal(s->fallback, 2);
	assert_int_equal(s->scope[0], plain);
	for (i = 1; i < 256; i++) {
		used += s->scope[i] > 0;
		assert_in_range(s->scope[i], 0, i < 200 ? 7 : 0);
	}
	assert_int_equal(used, 199);
}

static void
change(struct priv_kernel *k, bool up)
{
	struct netlink_link_change c = { .up = up, .down = !up };
	struct err e;

	assert_int_equal(netlink_link_change(k->nl, k->links[0].index, &c,
	    &e), 0);
}

static void
test_many_gateways_do_not_share_one_scope(void **state)
{
	struct priv_kernel k = { .queues = 1, .owner = (uid_t)-1 };
	struct priv_request r = request(PRIV_LINK_SET, "t0");
	struct seen s;
	struct err e;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", W_OK) < 0)
		skip();
	assert_non_null(k.nl = netlink_open(&e));
	assert_int_equal(ask(&k, &r), 0);
	r.op = PRIV_ADDR_SET;		/* else the kernel takes no gateway */
	assert_int_equal(ask(&k, &r), 0);
	ask_routes(&k, PRIV_ROUTE_SET, 0, PRIV_PLAIN);
	s = see(&k);
	assert_int_equal(s.scope[0], PRIV_PLAIN);	/* few: as usual */
	ask_routes(&k, PRIV_ROUTE_SET, PRIV_PLAIN, MANY);
	ask_defaults(&k, PRIV_ROUTE_SET);
	s = see(&k);
	assert_spread(&s, PRIV_PLAIN);
	ask_routes(&k, PRIV_ROUTE_SET, 0, 10);		/* not doubled */
	s = see(&k);
	assert_spread(&s, PRIV_PLAIN - 10);
	change(&k, false);
	s = see(&k);
	assert_int_equal(s.all, 0);
	change(&k, true);
	priv_entries_restore(&k, &k.links[0]);
	s = see(&k);
	assert_spread(&s, 0);
	priv_entries_sweep(&k, &k.links[0], true);	/* all are known */
	s = see(&k);
	assert_spread(&s, 0);
	ask_routes(&k, PRIV_ROUTE_DELETE, 0, MANY);
	ask_defaults(&k, PRIV_ROUTE_DELETE);
	s = see(&k);
	assert_int_equal(s.all + s.fallback, 0);
	assert_int_equal(k.n_entries, 1);
	assert_int_equal(k.links[0].entries.routes, 0);
	priv_kernel_fini(&k, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_links_that_were_not_made_are_not_touched),
		cmocka_unit_test(
		    test_names_and_mtus_out_of_bounds_are_refused),
		cmocka_unit_test(
		    test_unknown_requests_and_addresses_are_refused),
		cmocka_unit_test(test_neighbours_need_one_address_and_a_peer),
		cmocka_unit_test(test_a_full_pair_queues_and_keeps_order),
		cmocka_unit_test(test_descriptors_survive_the_queue),
		cmocka_unit_test(
		    test_ipc_09_records_of_another_length_are_refused),
		cmocka_unit_test(test_notes_come_back_by_kind),
		cmocka_unit_test(test_notes_that_are_alike_come_back_whole),
		cmocka_unit_test(test_notes_are_those_that_were_set),
		cmocka_unit_test(test_many_gateways_do_not_share_one_scope),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
