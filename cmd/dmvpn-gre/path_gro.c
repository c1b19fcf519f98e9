#include <stdlib.h>
#include <string.h>

#include "path_int.h"
#include "wire/ip_sum.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/*
 * Consecutive packets of a flow become one super-packet for the TAP: TCP
 * with the next number and the same everything else, UDP datagrams of one
 * size.  Packets stay in the receive buffers; only iovecs grow.  The kernel
 * cuts them again wherever that is needed, so that nothing is lost of what
 * the sender sent.  What does not fit these rules passes as it is, in order.
 */

int
gro_init(struct path_thread *t)
{
	t->flows = calloc(PATH_FLOWS, sizeof(*t->flows));
	return t->flows == NULL ? -1 : 0;
}

static void
eth_head(uint8_t *eth, uint16_t peer, bool v6)
{
	path_mac(PATH_MAC_SELF, eth);
	path_mac(peer, eth + 6);
	store16(eth + 12, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
}

/* Headers of the super-packet, in the first one's place. */
static void
super_head(struct flow *f, struct virtio_net_hdr *vnet)
{
	uint8_t *ip = f->ip, *l4 = ip + f->l4;
	struct ip_view v = { .proto = f->tcp ? IP_TCP : IP_UDP,
	    .src = f->v6 ? 8 : 12, .alen = f->v6 ? 16 : 4 };
	uint32_t n = (uint32_t)(f->len - f->l4);

	if (f->v6) {
		store16(ip + 4, (uint16_t)(f->len - 40));
	} else {
		store16(ip + 2, (uint16_t)f->len);
		ip4_checksum(ip);
	}
	if (!f->tcp)
		store16(l4 + 4, (uint16_t)n);
	vnet->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet->gso_type = !f->tcp ? VIRTIO_NET_HDR_GSO_UDP_L4 : f->v6 ?
	    VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	vnet->gso_size = f->seg;
	vnet->hdr_len = (uint16_t)(ETH_HEAD + f->head);
	vnet->csum_start = (uint16_t)(ETH_HEAD + f->l4);
	vnet->csum_offset = f->tcp ? 16 : 6;
	sum_store(l4 + vnet->csum_offset, sum_fold(sum_pseudo(ip, &v, n)));
}

static void
flow_flush(struct path_thread *t, struct flow *f)
{
	uint8_t *head = f->ip - TAP_HEAD;
	struct virtio_net_hdr vnet = { .flags = f->checked ?
	    VIRTIO_NET_HDR_F_DATA_VALID : 0 };

	if (f->count > 1)
		super_head(f, &vnet);
	memcpy(head, &vnet, VNET_HEAD);
	eth_head(head + VNET_HEAD, f->peer->number, f->v6);
	count(&f->peer->rx_packets, f->count);
	count(&f->peer->rx_bytes, f->len + (f->count - 1U) * f->head);
	tap_write(t, f->iface, f->iov, f->count, f->hash, f->len);
	f->used = false;
}

void
gro_flush(struct path_thread *t)
{
	unsigned i;

	for (i = 0; i < t->n_flows; i++) {
		if (t->begun[i]->used)
			flow_flush(t, t->begun[i]);
		t->begun[i]->listed = false;
	}
	t->n_flows = 0;
}

/* Our headers come to stand right before it. */
static void
first(struct flow *f, uint8_t *ip, const struct ip_view *v)
{
	f->count = 1;
	f->ip = ip;
	f->len = v->len;
	f->iov[0].iov_base = ip - TAP_HEAD;
	f->iov[0].iov_len = TAP_HEAD + v->len;
}

/* As it is, at once. */
static void
pass(struct path_thread *t, struct iface *i, struct peer *peer, uint8_t *ip,
    const struct ip_view *v, uint32_t hash)
{
	struct flow f;			/* not to be cleared: 1 KB */

	f.iface = i;
	f.peer = peer;
	f.v6 = v->version == 6;
	f.hash = hash;
	f.checked = false;
	f.head = 0;
	first(&f, ip, v);
	flow_flush(t, &f);
}

/* Header octets in all when the packet may be put together with others; 0:
 * pass it. */
static size_t
candidate(const struct path_thread *t, const uint8_t *ip,
    const struct ip_view *v)
{
	const uint8_t *l4 = ip + v->l4;
	size_t left = v->len - v->l4, head;

	if (!feature_on(t->p, PATH_COALESCE) || v->fragment ||
	    v->l4 != (v->version == 6 ? 40 : 20))
		return 0;
	if (v->proto == IP_UDP) {
		if (!feature_on(t->p, PATH_TAP_USO) || left <= 8 ||
		    load16(l4 + 4) != left)
			return 0;
		return v->l4 + 8U;
	}
	if (v->proto != IP_TCP || left < 20)
		return 0;
	head = (l4[12] >> 4) * 4U;
	if (head < 20 || head >= left || (l4[12] & 15) != 0 ||
	    (l4[13] & ~TCP_PSH) != TCP_ACK)
		return 0;
	return v->l4 + head;
}

/* Pieces are numbered on from the first one when the super-packet is cut.
 * What may not be fragmented needs no identification (RFC 6864, 4.1). */
static bool
same_id(const struct flow *f, const uint8_t *ip)
{
	return load16(f->ip + 6) == load16(ip + 6) &&
	    ((ip[6] & 0x40) || load16(ip + 4) ==
	    (uint16_t)(load16(f->ip + 4) + f->count));
}

/* Is this the same flow with the same header fields (those that may not
 * differ within a super-packet)? */
static bool
same_head(const struct flow *f, const uint8_t *ip, size_t head)
{
	const uint8_t *a = f->ip + f->l4, *b = ip + f->l4;

	if (head != f->head || load32(a) != load32(b))
		return false;
	if (f->v6 ? load32(f->ip) != load32(ip) || f->ip[7] != ip[7] ||
	    memcmp(f->ip + 8, ip + 8, 32) != 0 :
	    f->ip[1] != ip[1] || f->ip[8] != ip[8] ||
	    memcmp(f->ip + 12, ip + 12, 8) != 0 || !same_id(f, ip))
		return false;
	/* Acknowledgement, window, urgent pointer, options. */
	return !f->tcp || (load32(a + 8) == load32(b + 8) &&
	    load16(a + 14) == load16(b + 14) &&
	    load16(a + 18) == load16(b + 18) &&
	    memcmp(a + 20, b + 20, head - f->l4 - 20U) == 0);
}

static bool
append(struct flow *f, struct iface *i, struct peer *peer, uint8_t *ip,
    const struct ip_view *v, size_t head)
{
	size_t n = v->len - head;

	if (f->iface != i || f->peer != peer || f->tcp !=
	    (v->proto == IP_TCP) || f->v6 != (v->version == 6) ||
	    n > f->seg || f->count >= PATH_SEGMENTS ||
	    f->len + n > 65535 || !same_head(f, ip, head))
		return false;
	if (f->tcp && load32(ip + v->l4 + 4) != f->next_seq)
		return false;
	f->iov[f->count].iov_base = ip + head;
	f->iov[f->count].iov_len = n;
	f->count++;
	f->len += n;
	f->next_seq += (uint32_t)n;
	if (f->tcp)
		f->ip[f->l4 + 13] |= ip[v->l4 + 13];	/* PSH */
	return true;
}

/* The flow's slot: where it is, else a free one of those that it may have,
 * else the first, whose flow goes. */
static struct flow *
slot_of(struct path_thread *t, uint32_t hash)
{
	struct flow *first = &t->flows[hash & (PATH_FLOWS - PATH_WAYS)];
	struct flow *f, *room = first;

	for (f = first; f < first + PATH_WAYS; f++) {
		if (f->used && f->hash == hash)
			return f;
		if (!f->used)
			room = f;
	}
	return room;
}

static void
begin(struct path_thread *t, struct flow *f, struct iface *i,
    struct peer *peer, uint8_t *ip, const struct ip_view *v, size_t head,
    uint32_t hash)
{
	if (!f->listed)
		t->begun[t->n_flows++] = f;
	f->listed = true;
	f->used = true;
	f->checked = true;
	f->tcp = v->proto == IP_TCP;
	f->v6 = v->version == 6;
	f->iface = i;
	f->peer = peer;
	first(f, ip, v);
	f->seg = (uint16_t)(v->len - head);
	f->l4 = v->l4;
	f->head = (uint16_t)head;
	f->hash = hash;
	f->next_seq = f->tcp ? load32(ip + v->l4 + 4) + f->seg : 0;
}

/* A flow ends with a short packet or one that is to be pushed. */
static bool
ended(const struct flow *f, const uint8_t *ip, const struct ip_view *v,
    size_t head)
{
	return v->len - head < f->seg ||
	    (f->tcp && (ip[v->l4 + 13] & TCP_PSH));
}

void
gro_add(struct path_thread *t, struct iface *i, struct peer *peer, uint8_t *ip,
    const struct ip_view *v, uint64_t hash)
{
	size_t head = candidate(t, ip, v);
	struct flow *f;
	uint64_t h;

	if (v->proto != IP_TCP && v->proto != IP_UDP) {
		pass(t, i, peer, ip, v, (uint32_t)hash);
		return;
	}
	h = path_mix(hash, v->len - v->l4 >= 4U && v->first ?
	    load32(ip + v->l4) : 0);
	f = slot_of(t, (uint32_t)h);
	if (head > 0 && !sum_l4_ok(ip, v))
		head = 0;
	if (f->used && head > 0 && append(f, i, peer, ip, v, head)) {
		if (ended(f, ip, v, head))
			flow_flush(t, f);
		return;
	}
	if (f->used && (head > 0 || f->hash == (uint32_t)h))
		flow_flush(t, f);
	if (head == 0) {
		pass(t, i, peer, ip, v, (uint32_t)h);
		return;
	}
	begin(t, f, i, peer, ip, v, head, (uint32_t)h);
	if (ended(f, ip, v, head))
		flow_flush(t, f);
}
