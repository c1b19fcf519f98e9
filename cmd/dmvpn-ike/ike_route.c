#include "ike_int.h"

/*
 * Tunnel mode with profile.routes: the kernel routes what the peer has to the
 * peer.  dmvpn-gre takes the routes back with the peer.
 */
#define ROUTES_MAX	32	/* as in gre-route-set */

/* Bit of an address, the first is 0. */
static bool
bit(const struct addr *a, unsigned i)
{
	return a->b[i / 8] & (0x80 >> (i % 8));
}

/* The last address of the prefix of len bits that begins at a. */
static struct addr
last_of(const struct addr *a, unsigned len)
{
	struct addr last = *a;
	unsigned i;

	for (i = len; i < last.len * 8u; i++)
		last.b[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	return last;
}

/* The address behind a; false when a was the last of all. */
static bool
next_of(struct addr *a)
{
	unsigned i;

	for (i = a->len; i > 0; i--)
		if (++a->b[i - 1] != 0)
			return true;
	return false;
}

/* The shortest prefix that begins at first and does not go beyond last. */
static uint8_t
fitting(const struct addr *first, const struct addr *last)
{
	unsigned len = first->len * 8u;
	struct addr end;

	while (len > 0 && !bit(first, len - 1)) {
		end = last_of(first, len - 1);
		if (addr_cmp(&end, last) > 0)
			break;
		len--;
	}
	return (uint8_t)len;
}

/* A range as prefixes, as many as there is room for.  Everything at once is
 * left out: it would take the way to the peer itself. */
static size_t
prefixes_of(const struct ike_ts *ts, struct gre_route *to, size_t room,
    uint16_t peer)
{
	struct addr first = ts->first, last;
	size_t n = 0;
	uint8_t len;

	if (first.len == 0 || first.len != ts->last.len)
		return 0;
	while (n < room && addr_cmp(&first, &ts->last) <= 0) {
		len = fitting(&first, &ts->last);
		if (len == 0)
			break;
		to[n++] = (struct gre_route){ .prefix = { first, len },
		    .peer = peer };
		last = last_of(&first, len);
		first = last;
		if (!next_of(&first))
			break;
	}
	return n;
}

void
ike_route_state(const struct ike_csa *c)
{
	const struct ike_profile_set *p = &c->isa->profile->set;
	struct ike_engine *g = c->isa->g;
	struct gre_route_set m = { .n_items = 0 };
	size_t i;

	if (c->mode != SA_MODE_TUNNEL || !p->routes || !g->gre_up)
		return;
	for (i = 0; i < c->n_remote; i++)
		m.n_items += prefixes_of(&c->remote[i],
		    &m.items[m.n_items], ROUTES_MAX - m.n_items,
		    c->peer->number);
	if (m.n_items == 0)
		return;
	snprintf(m.owner, sizeof(m.owner), "ike");
	snprintf(m.interface, sizeof(m.interface), "%s", p->interface);
	g->ops.call(g->ops.arg, 0, &gre_route_set_type, &m);
}
