#include "path_lab.h"

/*
 * Whatever is put together can be taken apart again: random packets of a few
 * flows, with every oddity, go through the coalescer; what reaches the TAP
 * is cut as the kernel cuts it, and must be, flow by flow and in order, what
 * went in, byte for byte (but for the IPv4 identification of packets that
 * may not be fragmented, RFC 6864).
 */
#define FLOWS	6
#define KEEP	4096		/* packets of one flow in a run */
#define HEAD	(VNET_HEAD + ETH_HEAD)

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400, .offload = 0xff };

struct line {
	size_t	 n, seen;
	uint8_t	*p[KEEP];
	size_t	 len[KEEP];
};

static struct line lines[FLOWS];
static uint32_t next_seq[FLOWS];
static uint16_t next_id[FLOWS];
static bool loose[FLOWS];	/* without DF just now */
static uint64_t seed = 0x1234567890abcdef;
static unsigned merged;

static unsigned
dice(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static void
sums(uint8_t *ip, bool v6, size_t l4, size_t len, bool tcp)
{
	struct ip_view v = { .version = v6 ? 6 : 4,
	    .proto = tcp ? IP_TCP : IP_UDP, .src = v6 ? 8 : 12,
	    .alen = v6 ? 16 : 4 };
	uint8_t *at = ip + l4 + (tcp ? 16 : 6);

	if (!v6)
		ip4_checksum(ip);
	store16(at, 0);
	sum_done(at, sum_add(ip + l4, len - l4, sum_pseudo(ip, &v,
	    (uint32_t)(len - l4))));
	if (!tcp && load16(at) == 0)
		store16(at, 0xffff);
}

static void
tcp_head(uint8_t *q, unsigned f, size_t n, size_t opt)
{
	static const uint8_t odd[] = { TCP_ACK | TCP_FIN, TCP_SYN,
	    TCP_RST, TCP_ACK | TCP_URG, TCP_ACK | TCP_ECE,
	    TCP_ACK | TCP_CWR, 0 };

	if (dice(20) == 0)
		next_seq[f] += dice(2000) - 1000;
	store32(q + 4, next_seq[f]);
	next_seq[f] += (uint32_t)n;
	store32(q + 8, dice(25) == 0 ? 2 : 1);
	q[12] = (uint8_t)((20 + opt) / 4 << 4);
	q[13] = dice(20) == 0 ? odd[dice(7)] :
	    dice(10) == 0 ? TCP_ACK | TCP_PSH : TCP_ACK;
	store16(q + 14, dice(30) == 0 ? 501 : 500);
	if (dice(40) == 0)
		store16(q + 18, 7);
	memset(q + 20, dice(30) == 0 ? 0 : 1, opt);
}

/* Flows 0..1 TCP/IPv4, 2..3 TCP/IPv6, 4 UDP/IPv4, 5 UDP/IPv6. */
static size_t
make(uint8_t *ip, unsigned f)
{
	bool v6 = f == 2 || f == 3 || f == 5, tcp = f < 4;
	size_t l4 = v6 ? 40 : 20, opt = tcp ? (dice(9) == 0 ? 24 : 12) : 0;
	size_t head = l4 + (tcp ? 20 + opt : 8), len;
	static const uint16_t sizes[] = { 0, 1, 100, 100, 100, 100, 1000, 99 };
	size_t n = sizes[dice(20) < 17 ? 3 : dice(8)], i;
	uint8_t *q = ip + l4;

	len = head + n;
	memset(ip, 0, head);
	if (v6) {
		ip[0] = 0x60;
		ip[1] = dice(30) == 0 ? 0x10 : 0;	/* ECN */
		ip[3] = dice(40) == 0 ? 9 : 5;		/* flow label */
		store16(ip + 4, (uint16_t)(len - 40));
		ip[6] = tcp ? IP_TCP : IP_UDP;
		ip[7] = dice(30) == 0 ? 63 : 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
	} else {
		ip[0] = 0x45;
		ip[1] = dice(30) == 0 ? 2 : 0;
		store16(ip + 2, (uint16_t)len);
		store16(ip + 4, dice(9) == 0 ? (uint16_t)dice(65536) :
		    next_id[f]++);
		store16(ip + 6, loose[f] ? 0 : 0x4000);
		loose[f] = dice(15) == 0 ? !loose[f] : loose[f];
		ip[8] = dice(30) == 0 ? 63 : 64;
		ip[9] = tcp ? IP_TCP : IP_UDP;
		memcpy(ip + 12, (uint8_t[]){ 10, 1, 0, 1, 10, 2, 0, 1 }, 8);
	}
	store16(q, (uint16_t)(1000 + f));
	store16(q + 2, 80);
	for (i = head; i < len; i++)
		ip[i] = (uint8_t)dice(256);
	if (tcp)
		tcp_head(q, f, n, opt);
	else
		store16(q + 4, (uint16_t)(8 + n));
	sums(ip, v6, l4, len, tcp);
	if (dice(40) == 0)
		q[tcp ? 16 : 6] ^= 0x55;	/* a wrong checksum */
	if (!tcp && !v6 && dice(20) == 0)
		store16(q + 6, 0);		/* none at all */
	return len;
}

static struct line *
line_of(const uint8_t *ip)
{
	unsigned f = load16(ip + (ip[0] >> 4 == 6 ? 40 : 20)) - 1000U;

	assert_true(f < FLOWS);
	return &lines[f];
}

/* One packet as it came out: is it the next that went in? */
static void
expect(const uint8_t *ip, size_t len)
{
	struct line *l = line_of(ip);
	uint8_t *want;

	assert_true(l->seen < l->n);
	assert_int_equal(len, l->len[l->seen]);
	want = l->p[l->seen++];
	if (ip[0] >> 4 == 4 && load16(want + 6) & 0x4000) {
		memcpy(want + 4, ip + 4, 2);
		memcpy(want + 10, ip + 10, 2);
		assert_true(ip4_checksum_ok(ip));
	}
	assert_memory_equal(ip, want, len);
}

/* Cut as the kernel does (tcp_gso_segment, __udp_gso_segment). */
static void
cut(const uint8_t *b, size_t n)
{
	struct virtio_net_hdr vnet;
	const uint8_t *ip = b + HEAD;
	uint8_t piece[2048];
	bool v6 = ip[0] >> 4 == 6, tcp;
	size_t len = n - HEAD, l4 = v6 ? 40 : 20, head, off, k;
	unsigned i = 0;

	memcpy(&vnet, b, VNET_HEAD);
	if (vnet.gso_type == 0) {
		expect(ip, len);
		return;
	}
	tcp = vnet.gso_type != 5;
	head = vnet.hdr_len - ETH_HEAD;
	merged++;
	for (off = head; off < len; off += k, i++) {
		bool last = len - off <= vnet.gso_size;

		k = last ? len - off : vnet.gso_size;
		memcpy(piece, ip, head);
		memcpy(piece + head, ip + off, k);
		if (v6) {
			store16(piece + 4, (uint16_t)(head + k - 40));
		} else {
			store16(piece + 2, (uint16_t)(head + k));
			store16(piece + 4, (uint16_t)(load16(ip + 4) + i));
		}
		if (tcp) {
			store32(piece + l4 + 4, load32(ip + l4 + 4) +
			    (uint32_t)(off - head));
			if (!last)
				piece[l4 + 13] &= (uint8_t)~(TCP_PSH |
				    TCP_FIN);
		} else {
			store16(piece + l4 + 4, (uint16_t)(8 + k));
		}
		sums(piece, v6, l4, head + k, tcp);
		expect(piece, head + k);
	}
}

static void
collect(struct lab_end *e)
{
	static uint8_t b[70000];
	ssize_t n;

	while ((n = lab_read(e, b, sizeof(b))) > 0)
		cut(b, (size_t)n);
}

static void
one_batch(struct lab_end *e, struct peer *peer)
{
	static uint8_t room[200][HEAD + 2048];
	struct path_thread *t = &e->p->thread[0];
	struct iface *i = path_iface_find(e->p, 1);
	struct in_meta m = { .udp = true };
	unsigned k, n = 1 + dice(200), f = 0;

	for (k = 0; k < n; k++) {
		uint8_t *p = room[k] + HEAD;
		size_t len;
		struct line *l;

		if (dice(6) == 0)
			f = dice(FLOWS);
		len = make(p, f);
		l = &lines[f];
		l->p[l->n] = malloc(len);
		assert_non_null(l->p[l->n]);
		memcpy(l->p[l->n], p, len);
		l->len[l->n++] = len;
		assert_true(in_inner(t, &m, i, peer, p, len, p[0] >> 4,
		    NULL));
	}
	gro_flush(t);
	collect(e);
	for (k = 0; k < FLOWS; k++) {
		assert_int_equal(lines[k].seen, lines[k].n);
		while (lines[k].n > 0)
			free(lines[k].p[--lines[k].n]);
		lines[k].seen = 0;
	}
}

static void
what_is_joined_can_be_cut_again(void **state)
{
	struct lab_end e;
	unsigned i;

	(void)state;
	lab_open(&e, 1, &mgre);
	lab_peer(&e, 2, GRE_ENCAP_UDP, 4500);
	e.p->thread[0].now = lab_now;
	for (i = 0; i < 600; i++)
		one_batch(&e, path_peer_find(e.p, 2));
	assert_true(merged > 3000);
	lab_close(&e);
}

/* Round after round, a packet of each of so many flows; returns how many
 * frames they became.  Each flow's payload counts up. */
static unsigned
interleaved(unsigned flows, unsigned rounds)
{
	static uint8_t packets[400 * 8][HEAD + 96], out[70000];
	static unsigned came[400];
	const uint8_t *ip = out + HEAD, *at;
	struct path_thread *t;
	struct lab_end e;
	struct ip_view v;
	uint8_t frame[256];
	unsigned i, k, frames = 0;
	ssize_t n;

	lab_open(&e, 1, &mgre);
	lab_peer(&e, 2, GRE_ENCAP_UDP, 4500);
	t = &e.p->thread[0];
	memset(came, 0, sizeof(came));
	for (i = 0; i < flows * rounds; i++) {
		uint8_t *p = packets[i] + HEAD;

		lab_udp_frame(frame, 2, 60);
		memcpy(p, frame + HEAD, 88);
		store16(p + 20, (uint16_t)(i % flows));
		store32(p + 28, i / flows);
		sums(p, false, 20, 88, false);
		assert_int_equal(ip_parse(p, 88, &v), IP_OK);
		gro_add(t, path_iface_find(e.p, 1),
		    path_peer_find(e.p, 2), p, &v,
		    path_addr_hash(1, p + 12, 8));
	}
	gro_flush(t);
	for (; (n = lab_read(&e, out, sizeof(out))) > 0; frames++)
		for (k = load16(ip + 20), at = ip + 28; at < out + n; at += 60)
			assert_int_equal(load32(at), came[k]++);
	for (k = 0; k < flows; k++)
		assert_int_equal(came[k], rounds);
	lab_close(&e);
	return frames;
}

static void
interleaved_flows_are_joined_each(void **state)
{
	unsigned many;

	(void)state;
	assert_in_range(interleaved(64, 16), 64, 128);
	assert_int_equal(interleaved(1, 64), 1);
	/* More than there are slots: in order all the same. */
	many = interleaved(400, 8);
	assert_in_range(many, 400, 3200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "64 flows packet by packet become a frame each",
		    interleaved_flows_are_joined_each, NULL, NULL, NULL },
		{ "what is joined can be cut again, byte for byte",
		    what_is_joined_can_be_cut_again, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
