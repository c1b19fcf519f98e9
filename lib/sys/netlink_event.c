#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/netlink.h"
#include "sys/netlink_msg.h"

/* Enough for some thousand neighbours that vanish at once. */
#define EVENT_ROOM (1 << 20)
/* Datagrams taken in one turn of the loop. */
#define EVENT_BATCH 64

int
netlink_subscribe(struct netlink *n, struct err *e)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_NEIGH,
	    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR };
	int room = EVENT_ROOM, fd;
	size_t i;

	if (n->events != NULL)
		return mnl_socket_get_fd(n->events);
	n->events = mnl_socket_open2(NETLINK_ROUTE,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (n->events == NULL ||
	    mnl_socket_bind(n->events, 0, MNL_SOCKET_AUTOPID) < 0)
		return err_sys(e, "open a netlink socket");
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (mnl_socket_setsockopt(n->events, NETLINK_ADD_MEMBERSHIP,
		    (void *)(uintptr_t)&groups[i], sizeof(groups[i])) < 0)
			return err_sys(e, "subscribe to netlink events");
	fd = mnl_socket_get_fd(n->events);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
	    sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room,
		    sizeof(room));
	return fd;
}

static bool
addr_gone(const struct nlmsghdr *h, struct netlink_event *ev)
{
	const struct ifaddrmsg *i = mnl_nlmsg_get_payload(h);
	struct nl_attrs t;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i))
		return false;
	nl_attrs(h, sizeof(*i), &t);
	ev->kind = NETLINK_ADDR_GONE;
	ev->index = (int)i->ifa_index;
	ev->prefix.addr = nl_addr(t.a[IFA_LOCAL]);
	if (ev->prefix.addr.len == 0)
		ev->prefix.addr = nl_addr(t.a[IFA_ADDRESS]);
	ev->prefix.len = i->ifa_prefixlen;
	return ev->prefix.addr.len != 0;
}

static bool
neigh_gone(const struct nlmsghdr *h, struct netlink_event *ev)
{
	struct netlink_neigh o;

	if (!nl_neigh_decode(h, &o))
		return false;
	ev->kind = NETLINK_NEIGH_GONE;
	ev->index = o.index;
	ev->prefix = prefix_host(&o.addr);
	return true;
}

static bool
event_decode(const struct nlmsghdr *h, struct netlink_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		ev->kind = h->nlmsg_type == RTM_NEWLINK ? NETLINK_LINK :
		    NETLINK_LINK_GONE;
		if (!nl_link_decode(h, &ev->link))
			return false;	/* or about a bridge's port */
		ev->index = ev->link.index;
		return true;
	case RTM_DELADDR:
		return addr_gone(h, ev);
	case RTM_DELNEIGH:
		return neigh_gone(h, ev);
	default:
		return false;
	}
}

int
netlink_events(struct netlink *n, netlink_event_fn *fn, void *arg,
    struct err *e)
{
	const struct nlmsghdr *h;
	struct netlink_event ev;
	ssize_t len;
	int i, left;

	for (i = 0; i < EVENT_BATCH; i++) {
		len = mnl_socket_recvfrom(n->events, n->in.b, sizeof(n->in));
		if (len < 0 && errno == ENOBUFS) {
			ev = (struct netlink_event){ .kind = NETLINK_RESYNC };
			fn(arg, &ev);
			continue;
		}
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (len < 0)
			return err_sys(e, "netlink events");
		h = (const void *)n->in.b;
		left = (int)len;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			if (event_decode(h, &ev))
				fn(arg, &ev);
	}
	return 0;
}
