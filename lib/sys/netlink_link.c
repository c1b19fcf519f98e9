#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/netlink.h"
#include "sys/netlink_msg.h"

bool
nl_link_decode(const struct nlmsghdr *h, struct netlink_link *link)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct nl_attrs t;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i) ||
	    i->ifi_family != AF_UNSPEC)
		return false;
	nl_attrs(h, sizeof(*i), &t);
	memset(link, 0, sizeof(*link));
	link->index = i->ifi_index;
	link->up = i->ifi_flags & IFF_UP;
	link->running = i->ifi_flags & IFF_RUNNING;
	link->mtu = nl_u32(t.a[IFLA_MTU]);
	nl_text(t.a[IFLA_IFNAME], link->name, sizeof(link->name));
	nl_text(t.a[IFLA_IFALIAS], link->alias, sizeof(link->alias));
	if (t.a[IFLA_ADDRESS] != NULL &&
	    mnl_attr_get_payload_len(t.a[IFLA_ADDRESS]) == 6)
		memcpy(link->mac, mnl_attr_get_payload(t.a[IFLA_ADDRESS]), 6);
	return true;
}

static int
take_link(const struct nlmsghdr *h, void *arg)
{
	if (h->nlmsg_type == RTM_NEWLINK)
		(void)nl_link_decode(h, arg);
	return MNL_CB_OK;
}

static int
link_get(struct netlink *n, struct nl_msg *m, struct netlink_link *link,
    struct err *e)
{
	memset(link, 0, sizeof(*link));
	if (netlink_call(n, m, take_link, link, e) < 0)
		return -1;
	return link->index > 0 ? 0 :
	    err_set(e, ENODEV, "there is no such interface");
}

int
netlink_link_get(struct netlink *n, const char *name,
    struct netlink_link *link, struct err *e)
{
	struct nl_msg m;

	(void)nl_begin(&m, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	nl_put_text(&m, IFLA_IFNAME, name);
	if (link_get(n, &m, link, e) < 0)
		return err_in(e, "interface %s", name);
	return 0;
}

int
netlink_link_by_index(struct netlink *n, int index,
    struct netlink_link *link, struct err *e)
{
	struct ifinfomsg *i;
	struct nl_msg m;

	i = nl_begin(&m, RTM_GETLINK, 0, sizeof(*i));
	i->ifi_index = index;
	if (link_get(n, &m, link, e) < 0)
		return err_in(e, "interface number %d", index);
	return 0;
}

struct each_link {
	netlink_link_fn	*fn;
	void		*arg;
	bool		 over;
};

static int
each_link(const struct nlmsghdr *h, void *arg)
{
	struct each_link *each = arg;
	struct netlink_link link;

	if (!each->over && h->nlmsg_type == RTM_NEWLINK &&
	    nl_link_decode(h, &link))
		each->over = !each->fn(each->arg, &link);
	return MNL_CB_OK;
}

int
netlink_link_each(struct netlink *n, netlink_link_fn *fn, void *arg,
    struct err *e)
{
	struct each_link each = { fn, arg, false };
	struct nl_msg m;

	(void)nl_begin(&m, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	if (netlink_dump(n, &m, each_link, &each, e) < 0)
		return err_in(e, "list the interfaces");
	return 0;
}

int
netlink_link_change(struct netlink *n, int index,
    const struct netlink_link_change *c, struct err *e)
{
	struct ifinfomsg *i;
	struct nl_msg m;

	i = nl_begin(&m, RTM_NEWLINK, 0, sizeof(*i));
	i->ifi_index = index;
	if (c->up || c->down) {
		i->ifi_change = IFF_UP;
		i->ifi_flags = c->up ? IFF_UP : 0;
	}
	if (c->mtu != 0)
		nl_put_u32(&m, IFLA_MTU, c->mtu);
	if (c->queue != 0)
		nl_put_u32(&m, IFLA_TXQLEN, c->queue);
	if (c->mac != NULL)
		nl_put(&m, IFLA_ADDRESS, c->mac, 6);
	if (c->alias != NULL)
		nl_put_text(&m, IFLA_IFALIAS, c->alias);
	if (netlink_call(n, &m, NULL, NULL, e) < 0)
		return err_in(e, "change interface number %d", index);
	return 0;
}

int
netlink_link_delete(struct netlink *n, int index, struct err *e)
{
	struct ifinfomsg *i;
	struct nl_msg m;

	i = nl_begin(&m, RTM_DELLINK, 0, sizeof(*i));
	i->ifi_index = index;
	if (netlink_call(n, &m, NULL, NULL, e) < 0)
		return err_in(e, "delete interface number %d", index);
	return 0;
}

int
netlink_link_conf(struct netlink *n, int index,
    const struct netlink_conf *rows, size_t n_rows, struct err *e)
{
	struct nlattr *spec, *inet, *conf;
	struct ifinfomsg *i;
	struct nl_msg m;
	size_t k;

	i = nl_begin(&m, RTM_SETLINK, 0, sizeof(*i));
	i->ifi_index = index;
	spec = nl_nest(&m, IFLA_AF_SPEC);
	inet = nl_nest(&m, AF_INET);
	conf = nl_nest(&m, IFLA_INET_CONF);
	for (k = 0; k < n_rows; k++)
		nl_put_u32(&m, rows[k].id, rows[k].value);
	nl_nest_end(&m, conf);
	nl_nest_end(&m, inet);
	nl_nest_end(&m, spec);
	if (netlink_call(n, &m, NULL, NULL, e) < 0)
		return err_in(e, "settings of interface number %d", index);
	return 0;
}

int
netlink_link_no_autoconf(struct netlink *n, int index, struct err *e)
{
	uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct nlattr *spec, *inet6;
	struct ifinfomsg *i;
	struct nl_msg m;

	i = nl_begin(&m, RTM_SETLINK, 0, sizeof(*i));
	i->ifi_index = index;
	spec = nl_nest(&m, IFLA_AF_SPEC);
	inet6 = nl_nest(&m, AF_INET6);
	nl_put(&m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	nl_nest_end(&m, inet6);
	nl_nest_end(&m, spec);
	if (netlink_call(n, &m, NULL, NULL, e) < 0)
		return err_in(e, "IPv6 settings of interface number %d",
		    index);
	return 0;
}
