#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "sys/netlink.h"
#include "sys/netlink_msg.h"

/*
 * The qdisc is 1:, a peer's class is 1:PEER.  u32's hash table 2 has 256
 * buckets by the low octet of the peer's number; a filter's place in its
 * bucket is the high octet, so that handles need no book-keeping.
 */
#define QDISC		0x00010000u
#define TABLE		0x00200000u
#define BUCKETS		256u
#define PRIO_EXEMPT4	4
#define PRIO_EXEMPT6	5
#define PRIO_PEERS	10
#define MAC_LOW		(-12)	/* octets 2..5 of the destination MAC */
#define BURST_MS	20	/* what a class may send at once */
#define BURST_MIN	65536	/* octets: one super-packet */

static struct tcmsg *
tc_begin(struct nl_msg *m, uint16_t type, uint16_t flags, int index,
    uint32_t parent, uint32_t handle)
{
	struct tcmsg *t = nl_begin(m, type, flags, sizeof(*t));

	t->tcm_ifindex = index;
	t->tcm_parent = parent;
	t->tcm_handle = handle;
	return t;
}

static int
qdisc_make(struct netlink *n, int index, struct err *e)
{
	struct tc_htb_glob glob = { .version = 3, .rate2quantum = 10 };
	struct nlattr *options;
	struct nl_msg m;

	(void)tc_begin(&m, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, index,
	    TC_H_ROOT, QDISC);
	nl_put_text(&m, TCA_KIND, "htb");
	options = nl_nest(&m, TCA_OPTIONS);
	nl_put(&m, TCA_HTB_INIT, &glob, sizeof(glob));
	nl_put_u32(&m, TCA_HTB_DIRECT_QLEN, 1000);
	nl_nest_end(&m, options);
	return netlink_call(n, &m, NULL, NULL, e);
}

static struct nlattr *
filter_begin(struct nl_msg *m, int index, uint16_t prio, uint16_t protocol,
    uint32_t handle)
{
	struct tcmsg *t = tc_begin(m, RTM_NEWTFILTER,
	    NLM_F_CREATE | NLM_F_EXCL, index, QDISC, handle);

	t->tcm_info = TC_H_MAKE((uint32_t)prio << 16, htons(protocol));
	nl_put_text(m, TCA_KIND, "u32");
	return nl_nest(m, TCA_OPTIONS);
}

static void
put_selector(struct nl_msg *m, uint32_t value, uint32_t mask, int off,
    bool terminal, uint32_t hash_mask)
{
	struct tc_u32_sel sel = { .nkeys = 1,
		.flags = terminal ? TC_U32_TERMINAL : 0,
		.hmask = htonl(hash_mask),
		.hoff = hash_mask != 0 ? MAC_LOW : 0 };
	struct tc_u32_key key = { .val = htonl(value), .mask = htonl(mask),
		.off = off };
	uint8_t both[sizeof(sel) + sizeof(key)];

	memcpy(both, &sel, sizeof(sel));	/* the key follows it */
	memcpy(both + sizeof(sel), &key, sizeof(key));
	nl_put(m, TCA_U32_SEL, both, sizeof(both));
}

/* Routing protocols and BFD (class selector 6 and 7) pass unshaped. */
static int
exempt(struct netlink *n, int index, uint16_t prio, uint16_t protocol,
    uint32_t value, uint32_t mask, struct err *e)
{
	struct nlattr *options;
	struct nl_msg m;

	options = filter_begin(&m, index, prio, protocol, 0);
	nl_put_u32(&m, TCA_U32_CLASSID, QDISC);
	put_selector(&m, value, mask, 0, true, 0);
	nl_nest_end(&m, options);
	return netlink_call(n, &m, NULL, NULL, e);
}

static int
hash_make(struct netlink *n, int index, struct err *e)
{
	struct nlattr *options;
	struct nl_msg m;

	options = filter_begin(&m, index, PRIO_PEERS, ETH_P_ALL, TABLE);
	nl_put_u32(&m, TCA_U32_DIVISOR, BUCKETS);
	nl_nest_end(&m, options);
	if (netlink_call(n, &m, NULL, NULL, e) < 0)
		return -1;
	options = filter_begin(&m, index, PRIO_PEERS, ETH_P_ALL, 0);
	nl_put_u32(&m, TCA_U32_LINK, TABLE);
	put_selector(&m, 0, 0, 0, false, 0xff);
	nl_nest_end(&m, options);
	return netlink_call(n, &m, NULL, NULL, e);
}

int
netlink_shape_open(struct netlink *n, int index, struct err *e)
{
	struct err quiet;

	(void)netlink_shape_close(n, index, &quiet);
	if (qdisc_make(n, index, e) < 0 ||
	    exempt(n, index, PRIO_EXEMPT4, ETH_P_IP, 0x00c00000, 0x00c00000,
	    e) < 0 ||
	    exempt(n, index, PRIO_EXEMPT6, ETH_P_IPV6, 0x0c000000,
	    0x0c000000, e) < 0 ||
	    hash_make(n, index, e) < 0)
		return err_in(e, "shaping of interface number %d", index);
	return 0;
}

int
netlink_shape_close(struct netlink *n, int index, struct err *e)
{
	struct nl_msg m;

	(void)tc_begin(&m, RTM_DELQDISC, 0, index, TC_H_ROOT, QDISC);
	if (netlink_call(n, &m, NULL, NULL, e) < 0)
		return err_in(e, "end of shaping of interface number %d",
		    index);
	return 0;
}

/* Octets at a rate, in the scheduler's ticks of 64 ns. */
static uint32_t
ticks(uint64_t octets, uint64_t rate)
{
	uint64_t t = octets * UINT64_C(1000000000) / rate / 64;

	return t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

static int
class_set(struct netlink *n, int index, uint16_t peer, uint64_t octets,
    uint16_t overhead, struct err *e)
{
	uint64_t burst = octets * BURST_MS / 1000;
	struct tc_htb_opt opt;
	struct nlattr *options;
	struct nl_msg m;

	memset(&opt, 0, sizeof(opt));
	opt.rate.linklayer = TC_LINKLAYER_ETHERNET;
	opt.rate.overhead = overhead;
	opt.rate.rate = octets > UINT32_MAX ? UINT32_MAX : (uint32_t)octets;
	opt.ceil = opt.rate;
	burst = burst < BURST_MIN ? BURST_MIN : burst;
	opt.buffer = opt.cbuffer = ticks(burst, octets);
	opt.quantum = 60000;
	(void)tc_begin(&m, RTM_NEWTCLASS, NLM_F_CREATE, index, QDISC,
	    QDISC | peer);
	nl_put_text(&m, TCA_KIND, "htb");
	options = nl_nest(&m, TCA_OPTIONS);
	nl_put(&m, TCA_HTB_RATE64, &octets, sizeof(octets));
	nl_put(&m, TCA_HTB_CEIL64, &octets, sizeof(octets));
	nl_put(&m, TCA_HTB_PARMS, &opt, sizeof(opt));
	nl_nest_end(&m, options);
	return netlink_call(n, &m, NULL, NULL, e);
}

static uint32_t
filter_handle(uint16_t peer)
{
	return TABLE | (peer & 0xffu) << 12 | ((uint32_t)peer >> 8) | 0x800;
}

int
netlink_shape_set(struct netlink *n, int index, uint16_t peer,
    uint64_t rate, uint16_t overhead, struct err *e)
{
	struct nlattr *options;
	struct nl_msg m;
	struct err why;

	if (rate < 8000)
		return err_set(e, EINVAL, "peer %u: less than 8 kbit/s",
		    peer);
	if (class_set(n, index, peer, rate / 8, overhead, e) < 0)
		return err_in(e, "peer %u: rate", peer);
	options = filter_begin(&m, index, PRIO_PEERS, ETH_P_ALL,
	    filter_handle(peer));
	nl_put_u32(&m, TCA_U32_CLASSID, QDISC | peer);
	nl_put_u32(&m, TCA_U32_HASH, TABLE | (peer & 0xffu) << 12);
	put_selector(&m, peer, 0xffff, MAC_LOW, true, 0);
	nl_nest_end(&m, options);
	if (netlink_call(n, &m, NULL, NULL, &why) == 0 ||
	    why.code == EEXIST)
		return 0;
	return err_set(e, why.code, "peer %u: filter: %s", peer, why.msg);
}

int
netlink_shape_delete(struct netlink *n, int index, uint16_t peer,
    struct err *e)
{
	struct tcmsg *t;
	struct nl_msg m;
	struct err why;

	t = tc_begin(&m, RTM_DELTFILTER, 0, index, QDISC,
	    filter_handle(peer));
	t->tcm_info = TC_H_MAKE(PRIO_PEERS << 16, htons(ETH_P_ALL));
	nl_put_text(&m, TCA_KIND, "u32");
	if (netlink_call(n, &m, NULL, NULL, &why) < 0 && why.code != ENOENT)
		return err_set(e, why.code, "peer %u: filter: %s", peer,
		    why.msg);
	(void)tc_begin(&m, RTM_DELTCLASS, 0, index, QDISC, QDISC | peer);
	if (netlink_call(n, &m, NULL, NULL, &why) < 0 && why.code != ENOENT)
		return err_set(e, why.code, "peer %u: class: %s", peer,
		    why.msg);
	return 0;
}
