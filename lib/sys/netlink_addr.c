#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/netlink.h"
#include "sys/netlink_msg.h"

static int
addr_call(struct netlink *n, uint16_t type, uint16_t flags, int index,
    const struct prefix *p, struct err *e)
{
	struct ifaddrmsg *i;
	struct nl_msg m;

	i = nl_begin(&m, type, flags, sizeof(*i));
	i->ifa_family = nl_family(&p->addr);
	i->ifa_prefixlen = p->len;
	i->ifa_index = (uint32_t)index;
	if (type == RTM_NEWADDR && p->addr.len == 16)
		i->ifa_flags = IFA_F_NODAD;
	nl_put_addr(&m, IFA_LOCAL, &p->addr);
	nl_put_addr(&m, IFA_ADDRESS, &p->addr);
	return netlink_call(n, &m, NULL, NULL, e);
}

int
netlink_addr_add(struct netlink *n, int index, const struct prefix *p,
    struct err *e)
{
	struct addr_buf b;
	struct err why;

	err_clear(&why);
	if (addr_call(n, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, p,
	    &why) == 0 || why.code == EEXIST)
		return 0;
	return err_set(e, why.code, "address %s: %s", prefix_text(p, &b),
	    why.msg);
}

int
netlink_addr_delete(struct netlink *n, int index, const struct prefix *p,
    struct err *e)
{
	struct addr_buf b;
	struct err why;

	err_clear(&why);
	if (addr_call(n, RTM_DELADDR, 0, index, p, &why) == 0 ||
	    why.code == EADDRNOTAVAIL)
		return 0;
	return err_set(e, why.code, "take address %s away: %s",
	    prefix_text(p, &b), why.msg);
}

struct each_addr {
	netlink_addr_fn	*fn;
	void		*arg;
	bool		 over;
};

static int
each_addr(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *i = mnl_nlmsg_get_payload(h);
	struct each_addr *each = arg;
	struct nl_attrs t;
	struct prefix p;

	if (each->over || h->nlmsg_type != RTM_NEWADDR ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(*i))
		return MNL_CB_OK;
	nl_attrs(h, sizeof(*i), &t);
	p.addr = nl_addr(t.a[IFA_LOCAL]);
	if (p.addr.len == 0)
		p.addr = nl_addr(t.a[IFA_ADDRESS]);
	p.len = i->ifa_prefixlen;
	if (p.addr.len != 0)
		each->over = !each->fn(each->arg, (int)i->ifa_index, &p);
	return MNL_CB_OK;
}

int
netlink_addr_each(struct netlink *n, netlink_addr_fn *fn, void *arg,
    struct err *e)
{
	struct each_addr each = { fn, arg, false };
	struct nl_msg m;

	(void)nl_begin(&m, RTM_GETADDR, 0, sizeof(struct ifaddrmsg));
	if (netlink_dump(n, &m, each_addr, &each, e) < 0)
		return err_in(e, "list the addresses");
	return 0;
}

int
netlink_neigh_set(struct netlink *n, int index, const struct addr *a,
    const uint8_t mac[6], struct err *e)
{
	struct addr_buf b;
	struct nl_msg m;
	struct ndmsg *d;

	d = nl_begin(&m, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE,
	    sizeof(*d));
	d->ndm_family = nl_family(a);
	d->ndm_ifindex = index;
	d->ndm_state = NUD_PERMANENT;
	nl_put_addr(&m, NDA_DST, a);
	nl_put(&m, NDA_LLADDR, mac, 6);
	if (netlink_call(n, &m, NULL, NULL, e) < 0)
		return err_in(e, "neighbour %s", addr_text(a, &b));
	return 0;
}

int
netlink_neigh_delete(struct netlink *n, int index, const struct addr *a,
    struct err *e)
{
	struct addr_buf b;
	struct nl_msg m;
	struct ndmsg *d;
	struct err why;

	err_clear(&why);
	d = nl_begin(&m, RTM_DELNEIGH, 0, sizeof(*d));
	d->ndm_family = nl_family(a);
	d->ndm_ifindex = index;
	nl_put_addr(&m, NDA_DST, a);
	if (netlink_call(n, &m, NULL, NULL, &why) == 0 ||
	    why.code == ENOENT || why.code == ENODEV)
		return 0;
	return err_set(e, why.code, "take neighbour %s away: %s",
	    addr_text(a, &b), why.msg);
}

bool
nl_neigh_decode(const struct nlmsghdr *h, struct netlink_neigh *o)
{
	const struct ndmsg *d = mnl_nlmsg_get_payload(h);
	struct nl_attrs t;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*d) ||
	    (d->ndm_family != AF_INET && d->ndm_family != AF_INET6))
		return false;
	nl_attrs(h, sizeof(*d), &t);
	memset(o, 0, sizeof(*o));
	o->index = d->ndm_ifindex;
	o->addr = nl_addr(t.a[NDA_DST]);
	o->permanent = d->ndm_state & NUD_PERMANENT;
	if (t.a[NDA_LLADDR] != NULL &&
	    mnl_attr_get_payload_len(t.a[NDA_LLADDR]) == 6)
		memcpy(o->mac, mnl_attr_get_payload(t.a[NDA_LLADDR]), 6);
	return o->addr.len != 0;
}

struct each_neigh {
	netlink_neigh_fn	*fn;
	void			*arg;
	int			 index;
	bool			 over;
};

static int
each_neigh(const struct nlmsghdr *h, void *arg)
{
	struct each_neigh *each = arg;
	struct netlink_neigh o;

	if (!each->over && h->nlmsg_type == RTM_NEWNEIGH &&
	    nl_neigh_decode(h, &o) &&
	    (each->index == 0 || each->index == o.index))
		each->over = !each->fn(each->arg, &o);
	return MNL_CB_OK;
}

int
netlink_neigh_each(struct netlink *n, int index, netlink_neigh_fn *fn,
    void *arg, struct err *e)
{
	struct each_neigh each = { fn, arg, index, false };
	struct nl_msg m;

	(void)nl_begin(&m, RTM_GETNEIGH, 0, sizeof(struct ndmsg));
	if (index != 0)
		nl_put_u32(&m, NDA_IFINDEX, (uint32_t)index);
	if (netlink_dump(n, &m, each_neigh, &each, e) < 0)
		return err_in(e, "list the neighbours");
	return 0;
}
