/*
 * The NHRP engine: a sequence of packets, times and events out of the input,
 * into a hub and a spoke.  Each packet gets a right size, checksum and, when
 * a bit says so, our authentication.  First octet of a step: what; second:
 * octets that follow.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmvpn-nhrp/nhrp_engine.h"
#include "wire/nhrp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALLS 64

struct world {
	struct nhrp_engine *g;
	uint64_t	 now;
	uint64_t	 tickets[CALLS];
	const struct msg_type *types[CALLS];
	size_t		 n;
};

static int
op_random(void *arg, void *to, size_t len)
{
	(void)arg;
	memset(to, 0x5a, len);
	return 0;
}

static void
op_call(void *arg, uint64_t ticket, const struct msg_type *t, const void *m)
{
	static uint8_t buf[MSG_MAX];
	struct wbuf w = wbuf_of(buf, sizeof(buf));
	struct world *x = arg;
	struct err e;

	/* what the engine states must fit the contract */
	if (msg_put(&w, t, m, &e) < 0) {
		fprintf(stderr, "%s: %s\n", t->name, e.msg);
		__builtin_trap();
	}
	if (ticket == 0 || x->n == CALLS)
		return;
	x->tickets[x->n] = ticket;
	x->types[x->n++] = t;
}

static void
op_event(void *arg, const struct msg_type *t, const void *m)
{
	op_call(arg, 0, t, m);
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
	(void)ticket;
	(void)why;
	op_call(arg, 0, &nhrp_entry_type, entry);
}

static struct addr
ip(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	uint8_t o[4] = { a, b, c, d };

	return addr_of(o, 4);
}

static void
set(struct world *x, bool hub, bool auth, bool clear)
{
	struct nhrp_interface_set m = { .n_addresses = 1, .hold = 60,
	    .redirect = true, .shortcut = true, .routes = true,
	    .unique = true, .n_subnets = 1 };

	snprintf(m.owner, sizeof(m.owner), "f");
	snprintf(m.interface, sizeof(m.interface), "d0");
	if (!clear)
		snprintf(m.profile, sizeof(m.profile), "p");
	m.role = hub ? NHRP_ROLE_HUB : NHRP_ROLE_SPOKE;
	m.addresses[0] = (struct prefix){ ip(10, 9, 0, hub ? 1 : 2), 24 };
	m.subnets[0] = (struct prefix){ ip(10, 1, 0, 0), 16 };
	m.nbma = ip(192, 0, 2, 1);
	if (!hub) {
		m.n_nhs = 1;
		m.nhs[0].address = ip(10, 9, 0, 1);
		if (clear)
			m.nhs[0].nbma = ip(192, 0, 2, 9);
		else
			snprintf(m.nhs[0].connection, 64, "hub");
	}
	if (auth)
		m.authentication = rbuf_of("secret", 6);
	nhrp_engine_set(x->g, x->now, &m, NULL);
}

static void
packet(struct world *x, uint8_t peer, struct rbuf in, bool auth)
{
	uint8_t b[NHRP_MAX];
	struct wbuf w = wbuf_of(b, sizeof(b));
	struct gre_nhrp ev = { .peer = peer % 5,
	    .remote = { ip(192, 0, 2, (uint8_t)(peer % 7)), 4500 } };
	uint16_t sum;

	wbuf_put_rbuf(&w, &in);
	if (auth)
		wbuf_put(&w, "\x80\x07\0\x0a\0\0\0\1secret\x80\0\0\0", 18);
	if (w.len >= NHRP_HEADER) {
		wbuf_fill16(&w, 10, w.len);
		wbuf_fill16(&w, 12, 0);
		sum = nhrp_checksum(wbuf_rbuf(&w));
		wbuf_fill16(&w, 12, sum);
	}
	snprintf(ev.interface, sizeof(ev.interface), "d0");
	ev.data = wbuf_rbuf(&w);
	nhrp_engine_event(x->g, x->now, &gre_nhrp_type, &ev);
}

static void
up(struct world *x, uint8_t v)
{
	struct ike_up m = { .peer = (uint16_t)(v % 4 + 1),
	    .remote = { ip(192, 0, 2, v % 8), 4500 },
	    .local = { ip(192, 0, 2, 1), 4500 },
	    .nat_remote = v & 64, .n_blocks = v & 1 };

	snprintf(m.interface, sizeof(m.interface), "d0");
	snprintf(m.profile, sizeof(m.profile), "p");
	snprintf(m.identity, sizeof(m.identity), "id%u", v % 3);
	snprintf(m.connection, sizeof(m.connection), v & 32 ? "hub" : "");
	m.blocks[0] = (struct prefix){ ip(10, 0, 0, 0), 8 };
	nhrp_engine_event(x->g, x->now, &ike_up_type, &m);
}

static void
answer(struct world *x, uint8_t v)
{
	struct gre_lookup_reply r = { .tunnel = v & 1, .local = v & 2,
	    .peer = v % 5, .prefix = { ip(10, 2, 0, 0), 16 } };
	struct gre_peer_set_reply p = { .peer = (uint16_t)(v % 5 + 1) };
	uint64_t ticket;

	if (x->n == 0)
		return;
	ticket = x->tickets[--x->n];
	snprintf(r.interface, sizeof(r.interface), v & 4 ? "d0" : "");
	if (v & 8)
		nhrp_engine_answer(x->g, x->now, ticket, NULL, NULL);
	else if (x->types[x->n] == &gre_lookup_type)
		nhrp_engine_answer(x->g, x->now, ticket, &r, NULL);
	else
		nhrp_engine_answer(x->g, x->now, ticket, &p, NULL);
}

static void
event(struct world *x, uint8_t v, struct rbuf in)
{
	struct gre_resolve need = { .address = ip(10, 9, 0, v) };
	struct gre_hairpin pin = { .from = v % 5 + 1, .to = v % 3 + 1,
	    .packet = in };
	struct ike_down down = { .peer = (uint16_t)(v % 4 + 1) };
	struct nhrp_resolve r = { .address = ip(10, 2, 0, v) };

	snprintf(need.interface, sizeof(need.interface), "d0");
	snprintf(pin.interface, sizeof(pin.interface), "d0");
	snprintf(r.interface, sizeof(r.interface), "d0");
	switch (v % 4) {
	case 0:
		nhrp_engine_event(x->g, x->now, &gre_resolve_type, &need);
		break;
	case 1:
		nhrp_engine_event(x->g, x->now, &gre_hairpin_type, &pin);
		break;
	case 2:
		nhrp_engine_event(x->g, x->now, &ike_down_type, &down);
		break;
	case 3:
		nhrp_engine_resolve(x->g, x->now, &r, 7, NULL);
		break;
	}
}

static void
step(struct world *x, struct rbuf *in)
{
	uint8_t what = rbuf_u8(in), v = rbuf_u8(in), len = rbuf_u8(in);
	struct nhrp_purge p = { .interface = "d0" };
	struct rbuf body = rbuf_sub(in, len);

	switch (what % 8) {
	case 0: case 1:
		packet(x, v, body, what & 64);
		break;
	case 2:
		up(x, v);
		break;
	case 3:
		answer(x, v);
		break;
	case 4:
		event(x, v, body);
		break;
	case 5:
		x->now += v * 500U;
		nhrp_engine_wake(x->g, x->now);
		break;
	case 6:
		set(x, v & 1, v & 2, v & 4);
		break;
	case 7:
		nhrp_engine_purge(x->g, x->now, &p, NULL);
		break;
	}
}

static void
look(struct world *x)
{
	static struct nhrp_status_reply s;
	static struct nhrp_cache c;
	static struct nhrp_why_reply w;
	struct page p = { .of = "nhrp-cache" };
	struct nhrp_why q = { .address = ip(10, 2, 0, 1) };

	nhrp_engine_status(x->g, x->now, &s);
	op_call(x, 0, &nhrp_status_reply_type, &s);
	nhrp_engine_cache(x->g, x->now, &p, &c);
	op_call(x, 0, &nhrp_cache_type, &c);
	nhrp_engine_why(x->g, x->now, &q, &w);
	op_call(x, 0, &nhrp_why_reply_type, &w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rbuf in = rbuf_of(data, size);
	struct world x = { .now = 1000 };
	const struct nhrp_ops ops = { &x, op_random, op_call, op_event,
	    op_wanted, op_resolved };
	uint8_t first = rbuf_u8(&in);

	x.g = nhrp_engine_new(&ops, x.now, NULL);
	if (x.g == NULL)
		return 0;
	set(&x, first & 1, first & 2, first & 4);
	up(&x, 32);
	up(&x, 1);
	while (rbuf_ok(&in) && rbuf_left(&in) > 0)
		step(&x, &in);
	look(&x);
	if (first & 8)
		nhrp_engine_delete(x.g, x.now, "d0", NULL);
	nhrp_engine_free(x.g);
	return 0;
}
