#include "wire/dissect.h"

#include <string.h>

#define ETHER_IPV4	0x0800
#define ETHER_IPV6	0x86dd
#define ETHER_VLAN	0x8100
#define ETHER_QINQ	0x88a8
#define VLANS_MAX	4
#define EXTENSIONS_MAX	8	/* IPv6 extension headers */

enum protocol {
	PROTO_HOPOPTS = 0,
	PROTO_IPV4 = 4,
	PROTO_UDP = 17,
	PROTO_IPV6 = 41,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_GRE = 47,
	PROTO_ESP = 50,
	PROTO_DSTOPTS = 60,
};

const struct name dissect_link_names[] = {
	DISSECT_LINKS(NAME_ROW) NAME_END
};
const struct name dissect_kind_names[] = {
	DISSECT_KINDS(NAME_ROW) NAME_END
};

static void
ether_payload(uint16_t type, struct rbuf r, struct dissect *d)
{
	int i;

	for (i = 0; i < VLANS_MAX &&
	    (type == ETHER_VLAN || type == ETHER_QINQ); i++) {
		rbuf_skip(&r, 2);
		type = rbuf_be16(&r);
	}
	if (type == ETHER_IPV4 || type == ETHER_IPV6)
		dissect_ip(r, d);
}

int
dissect_frame(unsigned link, struct rbuf r, struct dissect *d)
{
	uint16_t type;

	memset(d, 0, sizeof(*d));
	switch (link) {
	case LINK_ETHERNET:
		rbuf_skip(&r, 12);
		type = rbuf_be16(&r);
		ether_payload(type, r, d);
		return 0;
	case LINK_SLL:
		rbuf_skip(&r, 14);
		type = rbuf_be16(&r);
		ether_payload(type, r, d);
		return 0;
	case LINK_SLL2:
		type = rbuf_be16(&r);
		rbuf_skip(&r, 18);
		ether_payload(type, r, d);
		return 0;
	case LINK_NULL:
	case LINK_LOOP:
		rbuf_skip(&r, 4);	/* family; the IP version says it */
		dissect_ip(r, d);
		return 0;
	case LINK_RAW:
	case LINK_IPV4:
	case LINK_IPV6:
		dissect_ip(r, d);
		return 0;
	}
	return -1;
}

/* Length claimed by a header: less is cut off, more means a short capture. */
static struct rbuf
claimed(struct rbuf *r, size_t len, struct dissect *d)
{
	size_t left = rbuf_left(r);

	if (len > left)
		d->cut = true;
	return rbuf_sub(r, len < left ? len : left);
}

static struct addr
take_addr(struct rbuf *r, size_t len)
{
	const uint8_t *p = rbuf_take(r, len);

	return addr_of(p, p == NULL ? 0 : len);
}

/* RFC 791, 3.1 */
static void
ipv4(struct rbuf r, struct dissect *d)
{
	size_t head = (size_t)(rbuf_u8(&r) & 0xf) * 4, total;
	uint16_t frag;
	uint8_t protocol;
	struct rbuf data;

	rbuf_skip(&r, 1);
	total = rbuf_be16(&r);
	d->frag_id = rbuf_be16(&r);
	frag = rbuf_be16(&r);
	rbuf_skip(&r, 1);
	protocol = rbuf_u8(&r);
	rbuf_skip(&r, 2);
	d->src.addr = take_addr(&r, 4);
	d->dst.addr = take_addr(&r, 4);
	if (head < 20 || total < head)
		return;
	rbuf_skip(&r, head - 20);
	if (!rbuf_ok(&r))
		return;
	data = claimed(&r, total - head, d);
	d->frag_more = frag & 0x2000;
	d->frag_offset = (uint16_t)((frag & 0x1fff) * 8);
	dissect_payload(protocol, data, d);
}

/* RFC 8200, 4: walk extension headers.  Returns the upper protocol. */
static uint8_t
ipv6_extensions(uint8_t next, struct rbuf *r, struct dissect *d)
{
	uint16_t frag;
	int i;

	for (i = 0; i < EXTENSIONS_MAX; i++) {
		if (next == PROTO_FRAGMENT) {
			next = rbuf_u8(r);
			rbuf_skip(r, 1);
			frag = rbuf_be16(r);
			d->frag_id = rbuf_be32(r);
			d->frag_more = frag & 1;
			d->frag_offset = frag & 0xfff8;
			return next;
		}
		if (next != PROTO_HOPOPTS && next != PROTO_ROUTING &&
		    next != PROTO_DSTOPTS)
			return next;
		next = rbuf_u8(r);
		rbuf_skip(r, (size_t)rbuf_u8(r) * 8 + 6);
	}
	return next;
}

static void
ipv6(struct rbuf r, struct dissect *d)
{
	size_t len;
	uint8_t next;
	struct rbuf data;

	rbuf_skip(&r, 4);
	len = rbuf_be16(&r);
	next = rbuf_u8(&r);
	rbuf_skip(&r, 1);
	d->src.addr = take_addr(&r, 16);
	d->dst.addr = take_addr(&r, 16);
	if (!rbuf_ok(&r))
		return;
	data = claimed(&r, len, d);
	next = ipv6_extensions(next, &data, d);
	if (rbuf_ok(&data))
		dissect_payload(next, data, d);
}

void
dissect_ip(struct rbuf packet, struct dissect *d)
{
	struct rbuf look = packet;

	d->kind = DISSECT_OTHER;
	switch (rbuf_u8(&look) >> 4) {
	case 4:
		ipv4(packet, d);
		break;
	case 6:
		ipv6(packet, d);
		break;
	}
}

/* RFC 3948, 2: keepalive, IKE behind four zero octets, or ESP. */
static void
port_4500(struct rbuf data, struct dissect *d)
{
	struct rbuf look = data;

	if (rbuf_left(&data) == 1 && rbuf_u8(&look) == 0xff)
		d->kind = DISSECT_KEEPALIVE;
	else if (rbuf_left(&data) >= 4 && rbuf_be32(&look) == 0) {
		d->kind = DISSECT_IKE;
		data = look;
	} else
		d->kind = DISSECT_ESP;
	d->data = data;
}

static void
udp(struct rbuf r, struct dissect *d)
{
	uint16_t from = rbuf_be16(&r), to = rbuf_be16(&r), len = rbuf_be16(&r);
	struct rbuf data;

	rbuf_skip(&r, 2);
	if (!rbuf_ok(&r) || len < 8)
		return;
	d->src.port = from;
	d->dst.port = to;
	data = claimed(&r, len - 8u, d);
	if (from == 500 || to == 500) {
		d->kind = DISSECT_IKE;
		d->data = data;
	} else if (from == 4500 || to == 4500)
		port_4500(data, d);
}

void
dissect_payload(uint8_t protocol, struct rbuf data, struct dissect *d)
{
	d->kind = DISSECT_OTHER;
	d->protocol = protocol;
	d->data = data;
	if (d->frag_more || d->frag_offset > 0) {
		d->kind = DISSECT_FRAGMENT;
		return;
	}
	switch (protocol) {
	case PROTO_UDP:
		udp(data, d);
		break;
	case PROTO_ESP:
		d->kind = DISSECT_ESP;
		break;
	case PROTO_GRE:
		d->kind = DISSECT_GRE;
		break;
	case PROTO_IPV4:
	case PROTO_IPV6:
		dissect_ip(data, d);
		break;
	}
}

int
dissect_gre(struct rbuf r, struct dissect_gre *g)
{
	uint16_t flags = rbuf_be16(&r);

	memset(g, 0, sizeof(*g));
	g->type = rbuf_be16(&r);
	g->checksummed = flags & 0x8000;
	g->keyed = flags & 0x2000;
	g->sequenced = flags & 0x1000;
	if (g->checksummed)
		rbuf_skip(&r, 4);
	if (g->keyed)
		g->key = rbuf_be32(&r);
	if (g->sequenced)
		g->sequence = rbuf_be32(&r);
	g->data = r;
	/* RFC 2784, 2.3: version; RFC 1701's routing is not for us */
	return rbuf_ok(&r) && (flags & 0x4007) == 0 ? 0 : -1;
}
