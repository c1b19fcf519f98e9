#include "path_lab.h"

/*
 * Three packets in a row that belong together, the middle one odd in one
 * way: it must come out alone, as it came in, in its place; and whatever was
 * not verified is not said to be.
 */
#define HEAD	(VNET_HEAD + ETH_HEAD)
#define DATA	100u
#define VALID	2	/* VIRTIO_NET_HDR_F_DATA_VALID */

enum base { TCP4, TCP6, UDP4, UDP6 };
enum sums { RIGHT, WRONG, NONE_AT_ALL };

struct packet {
	uint8_t	room[TAP_HEAD];
	uint8_t	b[256];
	size_t	len, l4;
};

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400, .offload = 0xff };

static struct lab_end e;

static bool
is_tcp(enum base base)
{
	return base == TCP4 || base == TCP6;
}

static bool
is_v6(enum base base)
{
	return base == TCP6 || base == UDP6;
}

static void
sums(struct packet *p, enum base base, enum sums how)
{
	bool v6 = is_v6(base), tcp = is_tcp(base);
	struct ip_view v = { .version = v6 ? 6 : 4,
	    .proto = tcp ? IP_TCP : IP_UDP, .src = v6 ? 8 : 12,
	    .alen = v6 ? 16 : 4 };
	uint8_t *at = p->b + p->l4 + (tcp ? 16 : 6);
	size_t n = p->len - p->l4;

	if (!v6)
		ip4_checksum(p->b);
	store16(at, 0);
	if (how == NONE_AT_ALL)
		return;
	sum_done(at, sum_add(p->b + p->l4, n, sum_pseudo(p->b, &v,
	    (uint32_t)n)));
	if (how == WRONG)
		at[1] ^= 1;
}

/* The i-th of a row. */
static void
make(struct packet *p, enum base base, unsigned i)
{
	bool v6 = is_v6(base), tcp = is_tcp(base);
	uint8_t *q;
	size_t k;

	memset(p, 0, sizeof(*p));
	p->l4 = v6 ? 40 : 20;
	p->len = p->l4 + (tcp ? 32 : 8) + DATA;
	p->b[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		store16(p->b + 4, (uint16_t)(p->len - 40));
		p->b[6] = tcp ? IP_TCP : IP_UDP;
		p->b[7] = 64;
		p->b[8] = p->b[24] = 0xfd;
		p->b[39] = 1;
	} else {
		store16(p->b + 2, (uint16_t)p->len);
		store16(p->b + 4, (uint16_t)(77 + i));
		p->b[6] = 0x40;
		p->b[8] = 64;
		p->b[9] = tcp ? IP_TCP : IP_UDP;
		memcpy(p->b + 12, (uint8_t[]){ 10, 1, 0, 1, 10, 2, 0, 1 }, 8);
	}
	q = p->b + p->l4;
	store16(q, 1000);
	store16(q + 2, 80);
	if (tcp) {
		store32(q + 4, 5000 + i * DATA);
		store32(q + 8, 9);
		q[12] = 0x80;
		q[13] = TCP_ACK;
		store16(q + 14, 500);
		memset(q + 20, 1, 12);
	} else {
		store16(q + 4, 8 + DATA);
	}
	for (k = p->len - DATA; k < p->len; k++)
		p->b[k] = (uint8_t)(k * 7 + i);
	sums(p, base, RIGHT);
}

/* n octets more between the IP header and what follows. */
static void
widen(struct packet *p, const uint8_t *with, size_t n)
{
	size_t at = p->l4;

	memmove(p->b + at + n, p->b + at, p->len - at);
	memcpy(p->b + at, with, n);
	p->len += n;
	p->l4 += n;
}

static void ttl(struct packet *p) { p->b[8]--; }
static void hops(struct packet *p) { p->b[7]--; }
static void tos(struct packet *p) { p->b[1] = 0x20; }
static void ect(struct packet *p) { p->b[1] = 2; }
static void class6(struct packet *p) { p->b[0] = 0x61; }
static void label(struct packet *p) { p->b[3] = 9; }
static void no_df(struct packet *p) { p->b[6] = 0; }
static void ip_id(struct packet *p) { store16(p->b + 4, 4711); }
static void first_part(struct packet *p) { p->b[6] = 0x20; }
static void later_part(struct packet *p) { p->b[7] = 8; p->b[6] = 0; }
static void fin(struct packet *p) { p->b[p->l4 + 13] |= TCP_FIN; }
static void syn(struct packet *p) { p->b[p->l4 + 13] |= TCP_SYN; }
static void rst(struct packet *p) { p->b[p->l4 + 13] |= TCP_RST; }
static void urg(struct packet *p) { p->b[p->l4 + 13] |= TCP_URG; }
static void ece(struct packet *p) { p->b[p->l4 + 13] |= TCP_ECE; }
static void cwr(struct packet *p) { p->b[p->l4 + 13] |= TCP_CWR; }
static void no_ack(struct packet *p) { p->b[p->l4 + 13] = 0; }
static void reserved(struct packet *p) { p->b[p->l4 + 12] |= 1; }
static void gap(struct packet *p) { p->b[p->l4 + 6] ^= 1; }
static void ack(struct packet *p) { p->b[p->l4 + 11]++; }
static void window(struct packet *p) { p->b[p->l4 + 15]++; }
static void pointer(struct packet *p) { p->b[p->l4 + 19] = 1; }
static void option(struct packet *p) { p->b[p->l4 + 20] = 0; }
static void port(struct packet *p) { p->b[p->l4 + 1]++; }
static void nothing(struct packet *p) { (void)p; }

static void
no_data(struct packet *p)
{
	p->len -= DATA;
	if (p->b[0] >> 4 == 4)
		store16(p->b + 2, (uint16_t)p->len);
	else
		store16(p->b + 4, (uint16_t)(p->len - 40));
}

static void
longer(struct packet *p)
{
	p->len += 10;
	store16(p->b + 2, (uint16_t)p->len);
}

static void
udp_length(struct packet *p)
{
	store16(p->b + p->l4 + 4, 8 + DATA - 10);
}

static void
router_alert(struct packet *p)
{
	widen(p, (uint8_t[]){ 148, 4, 0, 0 }, 4);
	p->b[0] = 0x46;
	store16(p->b + 2, (uint16_t)p->len);
}

static void
extension(struct packet *p)
{
	widen(p, (uint8_t[]){ p->b[6], 0, 1, 4, 0, 0, 0, 0 }, 8);
	p->b[6] = IP_DSTOPTS;
	store16(p->b + 4, (uint16_t)(p->len - 40));
}

static void
fragment6(struct packet *p)
{
	widen(p, (uint8_t[]){ p->b[6], 0, 0, 1, 0, 0, 0, 7 }, 8);
	p->b[6] = IP_FRAGMENT;
	store16(p->b + 4, (uint16_t)(p->len - 40));
}

static const struct oddity {
	const char	*name;
	enum base	 base;
	void		(*fn)(struct packet *p);
	enum sums	 sums;
	bool		 joins;		/* no oddity at all */
} oddities[] = {
	{ "nothing", TCP4, nothing, RIGHT, true },
	{ "nothing", TCP6, nothing, RIGHT, true },
	{ "nothing", UDP4, nothing, RIGHT, true },
	{ "nothing", UDP6, nothing, RIGHT, true },
	{ "identification", TCP4, ip_id, RIGHT, true },
	{ "time to live", TCP4, ttl, RIGHT, false },
	{ "hop limit", TCP6, hops, RIGHT, false },
	{ "DSCP", UDP4, tos, RIGHT, false },
	{ "ECN", TCP4, ect, RIGHT, false },
	{ "traffic class", UDP6, class6, RIGHT, false },
	{ "flow label", TCP6, label, RIGHT, false },
	{ "without DF", TCP4, no_df, RIGHT, false },
	{ "without DF", UDP4, no_df, RIGHT, false },
	{ "first fragment", UDP4, first_part, RIGHT, false },
	{ "later fragment", TCP4, later_part, RIGHT, false },
	{ "IPv6 fragment", TCP6, fragment6, RIGHT, false },
	{ "IPv4 option", TCP4, router_alert, RIGHT, false },
	{ "IPv6 extension", TCP6, extension, RIGHT, false },
	{ "IPv6 extension", UDP6, extension, RIGHT, false },
	{ "FIN", TCP4, fin, RIGHT, false },
	{ "SYN", TCP6, syn, RIGHT, false },
	{ "RST", TCP4, rst, RIGHT, false },
	{ "URG", TCP4, urg, RIGHT, false },
	{ "ECE", TCP4, ece, RIGHT, false },
	{ "CWR", TCP6, cwr, RIGHT, false },
	{ "no ACK", TCP4, no_ack, RIGHT, false },
	{ "reserved bits", TCP4, reserved, RIGHT, false },
	{ "another number", TCP4, gap, RIGHT, false },
	{ "another acknowledgement", TCP4, ack, RIGHT, false },
	{ "another window", TCP6, window, RIGHT, false },
	{ "urgent pointer", TCP4, pointer, RIGHT, false },
	{ "another option", TCP4, option, RIGHT, false },
	{ "another port", UDP4, port, RIGHT, false },
	{ "no data", TCP4, no_data, RIGHT, false },
	{ "longer", TCP4, longer, RIGHT, false },
	{ "UDP length", UDP4, udp_length, RIGHT, false },
	{ "wrong checksum", TCP4, nothing, WRONG, false },
	{ "wrong checksum", TCP6, nothing, WRONG, false },
	{ "wrong checksum", UDP4, nothing, WRONG, false },
	{ "wrong checksum", UDP6, nothing, WRONG, false },
	{ "no checksum", UDP4, nothing, NONE_AT_ALL, false },
};

/* What came out holds this packet, alone and untouched. */
static bool
alone(const uint8_t *f, ssize_t n, const struct packet *p,
    const struct virtio_net_hdr *vnet)
{
	return vnet->gso_type == 0 && (size_t)n == HEAD + p->len &&
	    memcmp(f + HEAD, p->b, p->len) == 0;
}

static void
judge(const struct oddity *o, const struct packet *odd)
{
	uint8_t f[2048];
	struct virtio_net_hdr vnet;
	unsigned frames = 0, at = 0, joined = 0;
	ssize_t n;

	while ((n = lab_read(&e, f, sizeof(f))) > 0) {
		memcpy(&vnet, f, VNET_HEAD);
		frames++;
		joined += vnet.gso_type != 0;
		/* Partial checksums are for super-packets only. */
		assert_int_equal(vnet.flags & 1, vnet.gso_type != 0);
		if (!alone(f, n, odd, &vnet))
			continue;
		at = frames;
		if (o->sums != RIGHT && (vnet.flags & VALID))
			fail_msg("%s: said to be verified", o->name);
	}
	if (o->joins && (frames != 1 || joined != 1))
		fail_msg("%s: %u frames", o->name, frames);
	if (!o->joins && at == 0)
		fail_msg("%s (base %d): not alone, or changed; %u frames",
		    o->name, o->base, frames);
}

static void
each_oddity_passes_alone(void **state)
{
	struct in_meta m = { .udp = true };
	struct packet p[3], odd;
	struct path_thread *t;
	struct iface *i;
	struct peer *peer;
	unsigned k, n;

	(void)state;
	lab_open(&e, 1, &mgre);
	lab_peer(&e, 2, GRE_ENCAP_UDP, 4500);
	t = &e.p->thread[0];
	t->now = lab_now;
	i = path_iface_find(e.p, 1);
	peer = path_peer_find(e.p, 2);
	for (k = 0; k < sizeof(oddities) / sizeof(oddities[0]); k++) {
		const struct oddity *o = &oddities[k];

		for (n = 0; n < 3; n++)
			make(&p[n], o->base, n);
		o->fn(&p[1]);
		sums(&p[1], o->base, o->sums);
		odd = p[1];
		for (n = 0; n < 3; n++)
			assert_true(in_inner(t, &m, i, peer, p[n].b, p[n].len,
			    is_v6(o->base) ? 6 : 4, NULL));
		gro_flush(t);
		judge(o, &odd);
	}
	lab_close(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "each oddity of a header passes alone and untouched",
		    each_oddity_passes_alone, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
