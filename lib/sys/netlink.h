#ifndef SYS_NETLINK_H
#define SYS_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * rtnetlink: links, addresses, neighbours, routes, classes and what changes
 * among them.  Requests block until the kernel has answered (microseconds);
 * its own sentence (extended ack) is in the error.  e->code is the errno of
 * the kernel: ENODEV, EEXIST, ESRCH, EPERM, EAFNOSUPPORT (IPv6 is off) ...
 * The functions that are called for each entry must make no request.
 */
struct netlink;

#define NETLINK_NAME_MAX 16	/* interface name with its NUL */
#define NETLINK_ALIAS_MAX 128
#define NETLINK_PROTOCOL 0xd7	/* rtm_protocol of routes of ours */

struct netlink *netlink_open(struct err *e);
void netlink_close(struct netlink *n);		/* NULL is fine */

/* ------------------------------------------------------------- links */

struct netlink_link {
	int		index;
	char		name[NETLINK_NAME_MAX];
	char		alias[NETLINK_ALIAS_MAX];
	uint8_t		mac[6];
	uint32_t	mtu;
	bool		up;		/* IFF_UP */
	bool		running;	/* carrier too */
};

int netlink_link_get(struct netlink *n, const char *name,
    struct netlink_link *link, struct err *e);
int netlink_link_by_index(struct netlink *n, int index,
    struct netlink_link *link, struct err *e);

/* For each link.  A change under the dump starts it anew, so that one may be
 * seen twice.  fn returns false to stop. */
typedef bool netlink_link_fn(void *arg, const struct netlink_link *link);
int netlink_link_each(struct netlink *n, netlink_link_fn *fn, void *arg,
    struct err *e);

/* What to change; zeroed members stay as they are. */
struct netlink_link_change {
	const char	*alias;
	const uint8_t	*mac;		/* 6 octets */
	uint32_t	 mtu;
	uint32_t	 queue;		/* transmit queue length */
	bool		 up, down;
};
int netlink_link_change(struct netlink *n, int index,
    const struct netlink_link_change *c, struct err *e);
int netlink_link_delete(struct netlink *n, int index, struct err *e);

/*
 * Per-device settings of IPv4 through IFLA_AF_SPEC, which works where
 * /proc/sys is read-only.  id is IPV4_DEVCONF_* of linux/ip.h.
 */
struct netlink_conf {
	uint16_t	id;
	uint32_t	value;
};
int netlink_link_conf(struct netlink *n, int index,
    const struct netlink_conf *rows, size_t n_rows, struct err *e);
/* IPv6: no link-local address by itself. */
int netlink_link_no_autoconf(struct netlink *n, int index, struct err *e);

/* --------------------------------------------------------- addresses */

/* p keeps its host bits.  An address that is there already is fine, one
 * that is gone already too.  IPv6 ones skip duplicate address detection. */
int netlink_addr_add(struct netlink *n, int index, const struct prefix *p,
    struct err *e);
int netlink_addr_delete(struct netlink *n, int index,
    const struct prefix *p, struct err *e);
typedef bool netlink_addr_fn(void *arg, int index, const struct prefix *p);
int netlink_addr_each(struct netlink *n, netlink_addr_fn *fn, void *arg,
    struct err *e);

/* -------------------------------------------------------- neighbours */

/* A permanent entry, made or replaced. */
int netlink_neigh_set(struct netlink *n, int index, const struct addr *a,
    const uint8_t mac[6], struct err *e);
int netlink_neigh_delete(struct netlink *n, int index,
    const struct addr *a, struct err *e);	/* gone already: fine */

struct netlink_neigh {
	int		index;
	struct addr	addr;
	uint8_t		mac[6];
	bool		permanent;
};
typedef bool netlink_neigh_fn(void *arg, const struct netlink_neigh *h);
/* Of one link (index) or of all (0). */
int netlink_neigh_each(struct netlink *n, int index, netlink_neigh_fn *fn,
    void *arg, struct err *e);

/* ------------------------------------------------------------ routes */

struct netlink_route {
	struct prefix	prefix;
	struct addr	via;		/* len 0: on link */
	int		index;
	uint32_t	metric;
	bool		onlink;		/* via need not be reachable */
	uint8_t		protocol;	/* 0: NETLINK_PROTOCOL */
	uint8_t		type;		/* RTN_*; 0: RTN_UNICAST */
	uint8_t		scope;		/* RT_SCOPE_*; 0: as via says */
	uint32_t	table;		/* 0: main */
};

/* Made, or replaced when one with this prefix and metric is there. */
int netlink_route_set(struct netlink *n, const struct netlink_route *r,
    struct err *e);
/* The same, but one of another protocol stays as it is: -1, EEXIST. */
int netlink_route_claim(struct netlink *n, const struct netlink_route *r,
    struct err *e);
int netlink_route_delete(struct netlink *n, const struct netlink_route *r,
    struct err *e);			/* gone already: fine */
typedef bool netlink_route_fn(void *arg, const struct netlink_route *r);
/* Of our protocol (protocol as given; 0: any) and one link (0: any). */
int netlink_route_each(struct netlink *n, uint8_t protocol, int index,
    netlink_route_fn *fn, void *arg, struct err *e);
/* The route that a packet for a takes, with the prefix of the entry that
 * matched.  ENETUNREACH, EHOSTUNREACH: there is none. */
int netlink_route_get(struct netlink *n, const struct addr *a,
    struct netlink_route *r, struct err *e);
/* The path MTU that the kernel has learnt towards a, 0: none, and the device
 * that leads there. */
int netlink_route_out(struct netlink *n, const struct addr *a,
    uint32_t *mtu, int *index, struct err *e);
/* The path MTU that the kernel has learnt towards a, or its device's, and
 * the device that leads there. */
int netlink_route_mtu(struct netlink *n, const struct addr *a,
    uint32_t *mtu, int *index, struct err *e);

/* ------------------------------------------------------------ events */

enum netlink_event_kind {
	NETLINK_LINK,		/* link: new or changed */
	NETLINK_LINK_GONE,	/* link */
	NETLINK_ADDR_GONE,	/* index, prefix */
	NETLINK_NEIGH_GONE,	/* index, prefix (host) */
	NETLINK_RESYNC,		/* events were lost: look at everything */
};
struct netlink_event {
	enum netlink_event_kind	kind;
	int			index;
	struct netlink_link	link;
	struct prefix		prefix;
};
typedef void netlink_event_fn(void *arg, const struct netlink_event *ev);

/* Events from now on; their descriptor, for the loop. */
int netlink_subscribe(struct netlink *n, struct err *e);
/* Take in one batch of what waits. */
int netlink_events(struct netlink *n, netlink_event_fn *fn, void *arg,
    struct err *e);

/* ----------------------------------------------------------- classes */

/*
 * Shaping per peer: an HTB class selected by the low 16 bits of the
 * destination MAC through a hashed u32 filter.  Without a class a frame is
 * not shaped.  netlink_shape_open makes the qdisc and the hash; closing it
 * removes both with all classes.
 */
int netlink_shape_open(struct netlink *n, int index, struct err *e);
int netlink_shape_close(struct netlink *n, int index, struct err *e);
/* rate in bit/s; overhead: what the tunnel adds to each packet. */
int netlink_shape_set(struct netlink *n, int index, uint16_t peer,
    uint64_t rate, uint16_t overhead, struct err *e);
int netlink_shape_delete(struct netlink *n, int index, uint16_t peer,
    struct err *e);

#endif
