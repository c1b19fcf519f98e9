#ifndef SYS_NETLINK_MSG_H
#define SYS_NETLINK_MSG_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * Messages of lib/sys/netlink*.c.  Attributes are added through the writers
 * below; one that does not fit makes the message bad, which netlink_call
 * refuses.
 */
struct nl_msg {
	struct nlmsghdr	*h;
	bool		 bad;
	union {
		char		b[2048];
		uint64_t	align;
	} u;
};

struct netlink {
	struct mnl_socket	*sock;		/* requests */
	struct mnl_socket	*events;	/* NULL: not subscribed */
	uint32_t		 seq;
	union {
		char		b[32768];
		uint64_t	align;
	} u, in;				/* answers, events */
};

/* Begin a message; returns the family header of len octets, zeroed. */
void *nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, size_t len);
void nl_put(struct nl_msg *m, uint16_t type, const void *data, size_t len);
void nl_put_u32(struct nl_msg *m, uint16_t type, uint32_t v);
void nl_put_text(struct nl_msg *m, uint16_t type, const char *text);
void nl_put_addr(struct nl_msg *m, uint16_t type, const struct addr *a);
struct nlattr *nl_nest(struct nl_msg *m, uint16_t type);
void nl_nest_end(struct nl_msg *m, struct nlattr *nest);

/* Send and take the answers in: each to fn (may be NULL), which returns
 * MNL_CB_OK or MNL_CB_ERROR.  0 when the kernel agreed. */
int netlink_call(struct netlink *n, struct nl_msg *m, mnl_cb_t fn, void *arg,
    struct err *e);
/* The same for what is answered by one message, which is all. */
int netlink_get(struct netlink *n, struct nl_msg *m, mnl_cb_t fn, void *arg,
    struct err *e);
/* The same for a dump; starts anew when it was interrupted. */
int netlink_dump(struct netlink *n, struct nl_msg *m, mnl_cb_t fn, void *arg,
    struct err *e);

/* AF_INET or AF_INET6 of an address. */
uint8_t nl_family(const struct addr *a);
/* The attributes of a message by number; those above max are left out. */
struct nl_attrs {
	const struct nlattr	*a[64];
};
void nl_attrs(const struct nlmsghdr *h, size_t header, struct nl_attrs *t);
/* Values; zero, none when absent or of another size. */
uint32_t nl_u32(const struct nlattr *a);
struct addr nl_addr(const struct nlattr *a);
void nl_text(const struct nlattr *a, char *to, size_t len);

struct netlink_link;
struct netlink_neigh;
/* Decode an RTM_NEWLINK/DELLINK, RTM_*NEIGH; false: not to be used. */
bool nl_link_decode(const struct nlmsghdr *h, struct netlink_link *link);
bool nl_neigh_decode(const struct nlmsghdr *h, struct netlink_neigh *o);

#endif
