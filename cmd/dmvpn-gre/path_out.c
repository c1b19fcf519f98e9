#include <string.h>

#include "path_int.h"
#include "wire/ip_icmp.h"

/* From the TAP to the wire: whose packet is it, and may it go? */

#define TOO_BIG_RATE	1000	/* a second, all peers of a thread */
#define TOO_BIG_BURST	100

static uint16_t
peer_of_mac(const uint8_t *mac)
{
	uint8_t want[6];

	path_mac(load16(mac + 4), want);
	return memcmp(mac, want, 6) == 0 ? load16(mac + 4) : 0;
}

/* Who seems to have sent a too-big message: not us (the kernel drops
 * packets from its own addresses), the next hop. */
static struct addr
answer_source(const struct peer *peer, bool v6)
{
	const struct peer_route *r = get(&peer->route);
	uint8_t a[16] = { 0 };

	if (v6 && r->answer6.len != 0)
		return r->answer6;
	if (!v6 && r->answer4.len != 0)
		return r->answer4;
	if (v6) {
		store16(a, 0xfe80);
		store16(a + 14, peer->number);
		return addr_of(a, 16);
	}
	store16(a, 0xa9fe);
	store16(a + 2, peer->number);
	return addr_of(a, 4);
}

static void
too_big(struct path_thread *t, struct out_frame *f, struct peer *peer,
    uint16_t mtu)
{
	uint8_t answer[ETH_HEAD + VNET_HEAD + ICMP_TOO_BIG_MAX];
	struct addr src = answer_source(peer, f->v.version == 6);
	size_t n;

	drop_peer(t, peer, DROP_TOO_BIG);
	/* IPv6 links carry 1,280 octets (RFC 8200, 5): never tell less. */
	if (f->v.version == 6 && mtu < PATH_MTU_FLOOR6)
		mtu = PATH_MTU_FLOOR6;
	if (!bucket_take(&t->too_big, t->now, TOO_BIG_RATE, TOO_BIG_BURST))
		return;
	n = icmp_too_big(answer + VNET_HEAD + ETH_HEAD, f->ip, &f->v, &src,
	    mtu);
	if (n > 0)
		tap_answer(t, f->iface, peer->number, answer, n);
}

/* TCP learns what fits (RFC 4459, 3.2): the MSS that it may use. */
static void
clamp(const struct wrap *w, struct out_frame *f)
{
	uint16_t head = f->v.version == 6 ? 60 : 40;
	bool partial = f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	if (f->v.proto == IP_TCP && w->mtu > head)
		tcp_mss_clamp(f->ip, &f->v, (uint16_t)(w->mtu - head),
		    partial);
}

void
out_to_peer(struct path_thread *t, struct out_frame *f, struct peer *peer)
{
	struct wrap w;

	if (!wrap_begin(&w, t, f->iface, peer, f->ip, &f->v))
		return;
	clamp(&w, f);
	probe_watch(t, f, peer);
	if (f->vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		gso_send(&w, f);
	else if (f->v.len <= w.mtu)
		gso_send_one(&w, f);
	else if (f->v.version == 4 && !f->v.df)
		gso_fragment(&w, f);
	else if (f->v.version == 6 && f->v.len <= PATH_MTU_FLOOR6)
		gso_send_one(&w, f);
	else
		too_big(t, f, peer, w.mtu);
}

void
out_nhrp(struct path_thread *t, unsigned interface, uint16_t number,
    const uint8_t *data, size_t n)
{
	struct iface *i = path_iface_find(t->p, interface);
	struct peer *peer = path_peer_find(t->p, number);
	struct wrap w;
	uint8_t *at;

	if (i == NULL || peer == NULL) {
		drop(t, DROP_NO_PEER);
		return;
	}
	if (get(&i->conf)->c.mode != GRE_MODE_MGRE) {
		drop_peer(t, peer, DROP_NHRP);
		return;
	}
	if (!wrap_begin(&w, t, i, peer, NULL, NULL) ||
	    (at = wrap_slot(&w, n)) == NULL)
		return;
	memcpy(at, data, n);
	wrap_send(&w, at, n, GRE_NHRP, 0xc0);	/* as Cisco does */
}

static void
out_unicast(struct path_thread *t, struct out_frame *f)
{
	uint16_t number = peer_of_mac(f->eth);
	struct peer *peer = number == 0 ? NULL :
	    path_peer_find(t->p, number);

	if (peer == NULL) {
		drop(t, DROP_NO_PEER);
		return;
	}
	if (out_nd(t, f))
		return;
	if (icmp_is_redirect(f->ip, &f->v)) {
		drop(t, DROP_REDIRECT);	/* NHRP does that */
		return;
	}
	if (ip_dst_multicast(f->ip, &f->v)) {
		out_multicast(t, f);
		return;
	}
	cache_hairpin(t, f, number);
	out_to_peer(t, f, peer);
}

static bool
ip_frame(struct path_thread *t, struct out_frame *f, uint16_t type)
{
	switch (ip_parse(f->ip, f->n, &f->v)) {
	case IP_OK:
		break;
	case IP_BAD_HEADER:
		drop(t, DROP_IP);
		return false;
	case IP_BAD_OPTION:
		drop(t, DROP_IP_OPTION);
		return false;
	}
	if ((f->v.version == 4) != (type == ETHERTYPE_IPV4) || !gso_ok(f)) {
		drop(t, DROP_IP);
		return false;
	}
	return true;
}

/* One frame from a TAP: vnet header, Ethernet header, packet. */
void
out_frame(struct path_thread *t, struct iface *i, uint8_t *buf, size_t n)
{
	struct out_frame f = { .iface = i, .conf = get(&i->conf) };
	uint16_t type;

	if (n < VNET_HEAD + ETH_HEAD) {
		drop(t, DROP_FRAME);
		return;
	}
	memcpy(&f.vnet, buf, VNET_HEAD);
	/* CWR is treated alike in all super-packets: see fix_piece. */
	f.vnet.gso_type &= (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	f.eth = buf + VNET_HEAD;
	f.ip = f.eth + ETH_HEAD;
	f.n = n - VNET_HEAD - ETH_HEAD;
	type = load16(f.eth + 12);
	if (type == ETHERTYPE_ARP) {
		out_arp(t, &f);
		return;
	}
	if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6) {
		drop(t, DROP_ETHERTYPE);
		return;
	}
	if (!ip_frame(t, &f, type))
		return;
	if (f.eth[0] & 1)
		out_multicast(t, &f);
	else
		out_unicast(t, &f);
}
