#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/netlink.h"
#include "sys/netlink_msg.h"

/* RTA_GATEWAY of the same family, RTA_VIA (RFC 5549) of another. */
static void
put_via(struct nl_msg *m, const struct netlink_route *r)
{
	struct {
		uint16_t	family;
		uint8_t		b[16];
	} via;

	if (r->via.len == 0)
		return;
	if (r->via.len == r->prefix.addr.len) {
		nl_put_addr(m, RTA_GATEWAY, &r->via);
		return;
	}
	via.family = nl_family(&r->via);
	memcpy(via.b, r->via.b, r->via.len);
	nl_put(m, RTA_VIA, &via, sizeof(via.family) + r->via.len);
}

/* IPv6 has none. */
static uint8_t
scope_of(uint16_t type, const struct netlink_route *r)
{
	if (type == RTM_DELROUTE)
		return RT_SCOPE_NOWHERE;	/* any */
	if (r->scope != 0)
		return r->scope;
	return r->via.len == 0 && r->prefix.addr.len == 4 ? RT_SCOPE_LINK :
	    RT_SCOPE_UNIVERSE;
}

static int
route_call(struct netlink *n, uint16_t type, uint16_t flags,
    const struct netlink_route *r, struct err *e)
{
	struct nl_msg m;
	struct rtmsg *t;

	t = nl_begin(&m, type, flags, sizeof(*t));
	t->rtm_family = nl_family(&r->prefix.addr);
	t->rtm_dst_len = r->prefix.len;
	t->rtm_table = r->table == 0 ? RT_TABLE_MAIN : RT_TABLE_UNSPEC;
	t->rtm_protocol = r->protocol == 0 ? NETLINK_PROTOCOL : r->protocol;
	t->rtm_type = r->type == 0 ? RTN_UNICAST : r->type;
	t->rtm_scope = scope_of(type, r);
	if (r->onlink)
		t->rtm_flags |= RTNH_F_ONLINK;
	if (r->table != 0)
		nl_put_u32(&m, RTA_TABLE, r->table);
	nl_put_addr(&m, RTA_DST, &r->prefix.addr);
	nl_put_u32(&m, RTA_OIF, (uint32_t)r->index);
	nl_put_u32(&m, RTA_PRIORITY, r->metric);
	put_via(&m, r);
	return netlink_call(n, &m, NULL, NULL, e);
}

int
netlink_route_set(struct netlink *n, const struct netlink_route *r,
    struct err *e)
{
	struct addr_buf b;

	if (route_call(n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, r,
	    e) < 0)
		return err_in(e, "route %s", prefix_text(&r->prefix, &b));
	return 0;
}

int
netlink_route_delete(struct netlink *n, const struct netlink_route *r,
    struct err *e)
{
	struct addr_buf b;
	struct err why;

	err_clear(&why);
	if (route_call(n, RTM_DELROUTE, 0, r, &why) == 0 ||
	    why.code == ESRCH || why.code == ENODEV)
		return 0;
	return err_set(e, why.code, "take route %s away: %s",
	    prefix_text(&r->prefix, &b), why.msg);
}

/* The first next hop of a route with several. */
static void
first_hop(const struct nlattr *a, struct netlink_route *r)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(a);
	const struct nlattr *attr;
	const void *data;
	size_t left;

	if (mnl_attr_get_payload_len(a) < sizeof(*hop) ||
	    hop->rtnh_len > mnl_attr_get_payload_len(a) ||
	    hop->rtnh_len < sizeof(*hop))
		return;
	r->index = hop->rtnh_ifindex;
	left = hop->rtnh_len - sizeof(*hop);
	data = RTNH_DATA(hop);
	mnl_attr_for_each_payload(data, left)
		if (mnl_attr_get_type(attr) == RTA_GATEWAY)
			r->via = nl_addr(attr);
}

static void
read_via(const struct nl_attrs *t, struct netlink_route *r)
{
	const uint8_t *b;
	uint16_t len;

	if (t->a[RTA_MULTIPATH] != NULL)
		first_hop(t->a[RTA_MULTIPATH], r);
	if (t->a[RTA_OIF] != NULL)
		r->index = (int)nl_u32(t->a[RTA_OIF]);
	if (t->a[RTA_GATEWAY] != NULL)
		r->via = nl_addr(t->a[RTA_GATEWAY]);
	if (t->a[RTA_VIA] == NULL)
		return;
	len = mnl_attr_get_payload_len(t->a[RTA_VIA]);
	b = mnl_attr_get_payload(t->a[RTA_VIA]);
	if (len > 2)
		r->via = addr_of(b + 2, len - 2u);
}

static bool
route_decode(const struct nlmsghdr *h, struct netlink_route *r)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct nl_attrs t;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return false;
	nl_attrs(h, sizeof(*m), &t);
	memset(r, 0, sizeof(*r));
	r->prefix.addr.len = m->rtm_family == AF_INET ? 4 : 16;
	if (t.a[RTA_DST] != NULL)
		r->prefix.addr = nl_addr(t.a[RTA_DST]);
	r->prefix.len = m->rtm_dst_len;
	r->protocol = m->rtm_protocol;
	r->type = m->rtm_type;
	r->scope = m->rtm_scope;
	r->metric = nl_u32(t.a[RTA_PRIORITY]);
	r->table = t.a[RTA_TABLE] != NULL ? nl_u32(t.a[RTA_TABLE]) :
	    m->rtm_table;
	r->onlink = m->rtm_flags & RTNH_F_ONLINK;
	read_via(&t, r);
	return true;
}

struct each_route {
	netlink_route_fn	*fn;
	void			*arg;
	uint8_t			 protocol;
	int			 index;
	bool			 over;
};

static int
each_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct each_route *each = arg;
	struct netlink_route r;

	if (each->over || h->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    m->rtm_flags & RTM_F_CLONED || !route_decode(h, &r))
		return MNL_CB_OK;
	if ((each->protocol == 0 || each->protocol == r.protocol) &&
	    (each->index == 0 || each->index == r.index))
		each->over = !each->fn(each->arg, &r);
	return MNL_CB_OK;
}

int
netlink_route_each(struct netlink *n, uint8_t protocol, int index,
    netlink_route_fn *fn, void *arg, struct err *e)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct each_route each = { fn, arg, protocol, index, false };
	struct nl_msg m;
	struct rtmsg *t;
	size_t i;

	for (i = 0; i < sizeof(families); i++) {
		t = nl_begin(&m, RTM_GETROUTE, 0, sizeof(*t));
		t->rtm_family = families[i];
		t->rtm_protocol = protocol;
		if (index != 0)
			nl_put_u32(&m, RTA_OIF, (uint32_t)index);
		if (netlink_dump(n, &m, each_route, &each, e) < 0)
			return err_in(e, "list the routes");
	}
	return 0;
}

struct got_route {
	struct netlink_route	*r;
	uint32_t		 mtu;
	bool			 found;
};

static int
route_metric(const struct nlattr *a, void *arg)
{
	struct got_route *got = arg;

	if (mnl_attr_get_type(a) == RTAX_MTU)
		got->mtu = nl_u32(a);
	return MNL_CB_OK;
}

/* Metrics of a clone that expires are not the route's own: ICMP told them.
 * (A route that a router advertised expires, too, but is no clone.) */
static bool
expires(const struct nlmsghdr *h, const struct nlattr *a)
{
	struct rta_cacheinfo info;
	struct rtmsg t;

	memcpy(&t, mnl_nlmsg_get_payload(h), sizeof(t));
	if (!(t.rtm_flags & RTM_F_CLONED) || a == NULL ||
	    mnl_attr_get_payload_len(a) < sizeof(info))
		return false;
	memcpy(&info, mnl_attr_get_payload(a), sizeof(info));
	return info.rta_expires != 0;
}

static int
got_route(const struct nlmsghdr *h, void *arg)
{
	struct got_route *got = arg;
	struct nl_attrs t;

	if (h->nlmsg_type != RTM_NEWROUTE || !route_decode(h, got->r))
		return MNL_CB_OK;
	got->found = true;
	nl_attrs(h, sizeof(struct rtmsg), &t);
	if (t.a[RTA_METRICS] != NULL && !expires(h, t.a[RTA_CACHEINFO]))
		(void)mnl_attr_parse_nested(t.a[RTA_METRICS], route_metric,
		    got);
	return MNL_CB_OK;
}

static int
lookup(struct netlink *n, const struct addr *a, uint32_t flags,
    struct got_route *got, struct err *e)
{
	struct addr_buf b;
	struct nl_msg m;
	struct rtmsg *t;

	t = nl_begin(&m, RTM_GETROUTE, 0, sizeof(*t));
	t->rtm_family = nl_family(a);
	t->rtm_dst_len = (uint8_t)(a->len * 8);
	t->rtm_flags = flags;
	if (a->len == 4)	/* else refused; IPv6 gives it anyway */
		t->rtm_flags |= RTM_F_LOOKUP_TABLE;
	nl_put_addr(&m, RTA_DST, a);
	if (netlink_get(n, &m, got_route, got, e) < 0)
		return err_in(e, "route to %s", addr_text(a, &b));
	return got->found ? 0 : err_set(e, ENETUNREACH, "route to %s: none",
	    addr_text(a, &b));
}

int
netlink_route_get(struct netlink *n, const struct addr *a,
    struct netlink_route *r, struct err *e)
{
	struct got_route got = { r, 0, false };

	return lookup(n, a, RTM_F_FIB_MATCH, &got, e);
}

int
netlink_route_out(struct netlink *n, const struct addr *a, uint32_t *mtu,
    int *index, struct err *e)
{
	struct netlink_route r;
	struct got_route got = { &r, 0, false };

	if (lookup(n, a, 0, &got, e) < 0)
		return -1;
	*mtu = got.mtu;
	*index = r.index;
	return 0;
}

int
netlink_route_mtu(struct netlink *n, const struct addr *a, uint32_t *mtu,
    int *index, struct err *e)
{
	struct netlink_link link;

	if (netlink_route_out(n, a, mtu, index, e) < 0)
		return -1;
	if (*mtu != 0)
		return 0;
	if (netlink_link_by_index(n, *index, &link, e) < 0)
		return -1;
	*mtu = link.mtu;
	return 0;
}

/* ---- routes of others ---- */

struct stranger {
	const struct netlink_route	*ours;
	struct netlink_route		 r;
	bool				 found;
};

/* IPv6 has 1,024 for "none" (the kernel's default). */
static uint32_t
metric_of(const struct netlink_route *r)
{
	return r->metric == 0 && r->prefix.addr.len == 16 ? 1024 : r->metric;
}

static bool
find_stranger(void *arg, const struct netlink_route *r)
{
	struct stranger *s = arg;
	uint32_t table = s->ours->table;

	if (r->protocol == NETLINK_PROTOCOL ||
	    r->table != (table == 0 ? RT_TABLE_MAIN : table) ||
	    !prefix_equal(&r->prefix, &s->ours->prefix) ||
	    metric_of(r) != metric_of(s->ours))
		return true;
	s->r = *r;
	s->found = true;
	return false;
}

/* Most often the route that is there is ours, and found without a list. */
static int
whose(struct netlink *n, struct stranger *s, struct err *e)
{
	struct netlink_route got;
	struct err none;

	err_clear(&none);
	if (netlink_route_get(n, &s->ours->prefix.addr, &got, &none) == 0 &&
	    got.protocol == NETLINK_PROTOCOL &&
	    prefix_equal(&got.prefix, &s->ours->prefix))
		return 0;
	return netlink_route_each(n, 0, 0, find_stranger, s, e);
}

int
netlink_route_claim(struct netlink *n, const struct netlink_route *r,
    struct err *e)
{
	struct stranger s = { .ours = r };
	struct addr_buf a, b;
	struct err why;

	err_clear(&why);
	if (route_call(n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, r,
	    &why) == 0)
		return 0;
	if (why.code == EEXIST && whose(n, &s, e) < 0)
		return -1;
	if (!s.found)
		return netlink_route_set(n, r, e);
	return err_set(e, EEXIST, "route %s is there already, %s%s, and not "
	    "ours: give that one another metric, or take it away",
	    prefix_text(&r->prefix, &a), s.r.via.len == 0 ? "on a link" :
	    "by way of ", s.r.via.len == 0 ? "" : addr_text(&s.r.via, &b));
}
