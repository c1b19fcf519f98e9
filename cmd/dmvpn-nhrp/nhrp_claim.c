/* Who may claim what (DESIGN: identity and authorization). */
#include "nhrp_state.h"

#include <stdio.h>
#include <string.h>

static bool
no(char why[NHRP_WHY], const char *text, const char *what)
{
	snprintf(why, NHRP_WHY, "%s %s", what, text);
	return false;
}

/* All host bits one: the IPv4 broadcast address of its subnet. */
static bool
is_broadcast(const struct prefix *net, const struct addr *a)
{
	unsigned bit;

	if (a->len != 4 || net->len >= 31)
		return false;
	for (bit = net->len; bit < 32; bit++)
		if (!(a->b[bit / 8] & 0x80 >> bit % 8))
			return false;
	return true;
}

/* Can a be a neighbour's address on this tunnel? */
bool
nhrp_address_ok(const struct nhrp_iface *f, const struct addr *a,
    char why[NHRP_WHY])
{
	struct addr_buf b;
	size_t i;

	addr_text(a, &b);
	if (a->len == 0 || addr_is_unspecified(a) || addr_is_multicast(a) ||
	    addr_is_loopback(a))
		return no(why, "is no unicast address", b.s);
	if (nhrp_is_own(f, a))
		return no(why, "is our own address", b.s);
	for (i = 0; i < f->conf.n_addresses; i++) {
		struct prefix net = prefix_mask(&f->conf.addresses[i].addr,
		    f->conf.addresses[i].len);

		if (!prefix_has(&net, a))
			continue;
		if (is_broadcast(&net, a) || (a->len == 4 && net.len < 31 &&
		    addr_equal(a, &net.addr)))
			return no(why, "is the network's own", b.s);
		return true;
	}
	return no(why, "is outside the tunnel's subnet", b.s);
}

/* Can p be routed to a neighbour?  Not when that hides ourselves. */
bool
nhrp_prefix_ok(const struct nhrp_iface *f, const struct prefix *p,
    char why[NHRP_WHY])
{
	struct addr_buf b;
	size_t i;

	prefix_text(p, &b);
	if (p->addr.len == 0 || p->len == 0)
		return no(why, "is too wide", b.s);
	if (addr_is_multicast(&p->addr) || addr_is_loopback(&p->addr))
		return no(why, "is not unicast", b.s);
	for (i = 0; i < f->conf.n_addresses; i++)
		if (prefix_has(p, &f->conf.addresses[i].addr))
			return no(why, "covers our own address", b.s);
	for (i = 0; i < f->n_servers; i++)
		if (p->len < p->addr.len * 8 &&
		    prefix_has(p, &f->servers[i].conf.address))
			return no(why, "covers a server's address", b.s);
	for (i = 0; i < f->conf.n_subnets; i++)
		if (prefix_covers(p, &f->conf.subnets[i]) ||
		    prefix_covers(&f->conf.subnets[i], p))
			return no(why, "overlaps our own subnet", b.s);
	return true;
}

/* Can a be where a peer is reached? */
bool
nhrp_nbma_ok(const struct nhrp_iface *f, const struct nhrp_node *own,
    const struct addr *a, char why[NHRP_WHY])
{
	struct addr mine = nhrp_own_nbma(f, own);
	struct addr_buf b;

	addr_text(a, &b);
	if (a->len == 0 || addr_is_unspecified(a) || addr_is_multicast(a) ||
	    addr_is_loopback(a) || addr_is_linklocal(a))
		return no(why, "can not be a peer's public address", b.s);
	if (addr_equal(a, &mine))
		return no(why, "is our own public address", b.s);
	return true;
}

/* Does the peer's certificate let it claim p?  Without address blocks the
 * first to come keeps what it claimed, unless policy wants certificates. */
bool
nhrp_claim_ok(const struct nhrp_iface *f, const struct nhrp_node *n,
    const struct prefix *p, char why[NHRP_WHY])
{
	const struct nhrp_cut *c;
	struct addr_buf b;
	size_t i;

	prefix_text(p, &b);
	if (n->clear != NULL)
		return true;
	for (i = 0; i < n->n_blocks; i++)
		if (prefix_covers(&n->blocks[i], p))
			return true;
	if (n->n_blocks > 0)
		return no(why, "is not in the peer's certificate", b.s);
	if (f->conf.need_blocks)
		return no(why, "needs a certificate with address blocks",
		    b.s);
	DL_FOREACH(f->cuts, c)
		if (c->state == NHRP_CUT_UP && c->node != NULL &&
		    strcmp(c->node->identity->s, n->identity->s) != 0 &&
		    (prefix_covers(&c->prefix, p) ||
		    prefix_covers(p, &c->prefix)))
			return no(why, "is held by another peer", b.s);
	return true;
}
