#include <string.h>

#include "path_int.h"
#include "wire/ip_sum.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Header octets before the payload of a TCP or UDP packet; 0: none. */
static size_t
head_len(const struct out_frame *f)
{
	size_t left = f->v.len - f->v.l4, n = 8;

	if (f->v.fragment || left < 8)
		return 0;
	if (f->v.proto == IP_TCP) {
		if (left < 20)
			return 0;
		n = (f->ip[f->v.l4 + 12] >> 4) * 4U;
		if (n < 20)
			return 0;
	}
	return n <= left ? f->v.l4 + n : 0;
}

bool
gso_ok(const struct out_frame *f)
{
	size_t start = f->vnet.csum_start;

	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (start < ETH_HEAD + 20U || f->vnet.csum_offset > 64 ||
		    start - ETH_HEAD + f->vnet.csum_offset + 2U > f->v.len)
			return false;
	}
	switch (f->vnet.gso_type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return f->v.proto == IP_TCP && f->vnet.gso_size > 0 &&
		    head_len(f) > 0;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return f->v.proto == IP_UDP && f->vnet.gso_size > 0 &&
		    head_len(f) > 0;
	default:
		return false;
	}
}

/* The checksum field holds the pseudo-header's sum; add the rest. */
static void
complete(uint8_t *ip, const struct out_frame *f)
{
	size_t start = f->vnet.csum_start - ETH_HEAD;
	uint8_t *at = ip + start + f->vnet.csum_offset;

	sum_done(at, sum_add(ip + start, f->v.len - start, 0));
	if (f->v.proto == IP_UDP && at[0] == 0 && at[1] == 0)
		store16(at, 0xffff);	/* RFC 768: zero means none */
}

static uint16_t
protocol(const struct out_frame *f)
{
	return f->v.version == 6 ? GRE_IPV6 : GRE_IPV4;
}

void
gso_send_one(struct wrap *w, struct out_frame *f)
{
	uint8_t *at = wrap_slot(w, f->v.len);

	if (at == NULL) {
		drop_peer(w->t, w->peer, DROP_TOO_BIG);
		return;
	}
	memcpy(at, f->ip, f->v.len);
	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		complete(at, f);
	wrap_send(w, at, f->v.len, protocol(f), f->v.tos);
}

/* Lengths, identification and, for TCP, number and flags of one piece:
 * off octets of payload came before it. */
static void
fix_piece(uint8_t *ip, const struct out_frame *f, size_t len, size_t off,
    unsigned i, bool last)
{
	uint8_t *l4 = ip + f->v.l4;
	struct ip_view v = f->v;

	if (v.version == 4) {
		store16(ip + 2, (uint16_t)len);
		store16(ip + 4, (uint16_t)(load16(ip + 4) + i));
		ip4_checksum(ip);
	} else {
		store16(ip + 4, (uint16_t)(len - 40));
	}
	v.len = (uint32_t)len;
	if (v.proto == IP_TCP) {
		store32(l4 + 4, load32(l4 + 4) + (uint32_t)off);
		if (!last)
			l4[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
		if (i > 0)
			l4[13] &= (uint8_t)~TCP_CWR;
		store16(l4 + 16, 0);
		sum_done(l4 + 16, sum_add(l4, len - v.l4,
		    sum_pseudo(ip, &v, (uint32_t)(len - v.l4))));
		return;
	}
	store16(l4 + 4, (uint16_t)(len - v.l4));
	store16(l4 + 6, 0);
	sum_done(l4 + 6, sum_add(l4, len - v.l4,
	    sum_pseudo(ip, &v, (uint32_t)(len - v.l4))));
	if (load16(l4 + 6) == 0)
		store16(l4 + 6, 0xffff);
}

/* TCP may be cut smaller than asked: it is a stream.  UDP may not. */
void
gso_send(struct wrap *w, struct out_frame *f)
{
	size_t head = head_len(f), seg = f->vnet.gso_size;
	size_t all = f->v.len - head, off, n;
	unsigned i;
	uint8_t *at;

	if (head + seg > w->mtu) {
		if (f->v.proto != IP_TCP || w->mtu <= head) {
			drop_peer(w->t, w->peer, DROP_TOO_BIG);
			return;
		}
		seg = w->mtu - head;
	}
	for (i = 0, off = 0; off < all || i == 0; off += n, i++) {
		n = all - off < seg ? all - off : seg;
		if ((at = wrap_slot(w, head + n)) == NULL)
			return;
		memcpy(at, f->ip, head);
		memcpy(at + head, f->ip + head + off, n);
		fix_piece(at, f, head + n, off, i, off + n == all);
		if (!wrap_send(w, at, head + n, protocol(f), f->v.tos))
			return;
	}
}

/* RFC 791, 3.2.  Options are copied into every fragment: only padding and
 * router alert get here, and that one is to be copied. */
void
gso_fragment(struct wrap *w, struct out_frame *f)
{
	size_t head = (f->ip[0] & 15U) * 4U, all = f->v.len - head, off, n;
	size_t most = w->mtu > head ? (w->mtu - head) & ~(size_t)7 : 0;
	uint16_t was = load16(f->ip + 6);
	uint8_t *at;
	bool more;

	if (most == 0) {
		drop_peer(w->t, w->peer, DROP_TOO_BIG);
		return;
	}
	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		complete(f->ip, f);
		f->vnet.flags &= (uint8_t)~VIRTIO_NET_HDR_F_NEEDS_CSUM;
	}
	for (off = 0; off < all; off += n) {
		n = all - off < most ? all - off : most;
		more = off + n < all || (was & 0x2000);
		if ((at = wrap_slot(w, head + n)) == NULL)
			return;
		memcpy(at, f->ip, head);
		memcpy(at + head, f->ip + head + off, n);
		store16(at + 2, (uint16_t)(head + n));
		store16(at + 6, (uint16_t)((was & 0x1fff) + off / 8U) |
		    (more ? 0x2000 : 0));
		ip4_checksum(at);
		if (!wrap_send(w, at, head + n, GRE_IPV4, f->v.tos))
			return;
	}
}
