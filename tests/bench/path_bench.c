#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "path_lab.h"
#include "wire/ip.h"

/*
 * The packet path with fixed inputs and no network: frames of a TAP go into
 * one path, the datagrams that come of them into another.  Everything that is
 * to be counted happens in measured_*(), so that callgrind can be told:
 *
 *	valgrind --tool=callgrind --toggle-collect='measured_*' \
 *	    path_bench out-tcp4 20
 *
 * Without valgrind it says what a packet costs in CPU time.  Output: case,
 * packets measured, nanoseconds a packet.  A pair of sockets stands for the
 * TAP, which is most of what a small packet takes; "silent": /dev/null does.
 */
#define FLOWS		64
#define SMALL		64		/* octets of UDP payload */
#define SUPER		60000		/* octets of TCP payload */
#define SEGMENT		1300
#define MOST		64		/* datagrams of a round */
#define FRAME_HEAD	(VNET_HEAD + ETH_HEAD)

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .mtu = 1400,
    .offload = 0xff };

/* Datagrams of one round on the way in. */
struct wire {
	unsigned	 n;
	size_t		 len[MOST];
	uint8_t		 p[MOST][1600];
};

struct bench {
	struct lab_end	 a, b;
	uint8_t		*frame[MOST];	/* of one round on the way out */
	size_t		 len[MOST];
	unsigned	 n;
	unsigned	 packets;	/* of one round */
	bool		 in;
	struct wire	*wire;
};

/* IPv4 or IPv6 header of a packet with n octets behind it. */
static size_t
ip_head(uint8_t *ip, bool v6, uint8_t proto, size_t n)
{
	if (v6) {
		ip[0] = 0x60;
		store16(ip + 4, (uint16_t)n);
		ip[6] = proto;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
		return 40;
	}
	ip[0] = 0x45;
	store16(ip + 2, (uint16_t)(20 + n));
	store16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, (uint8_t[]){ 10, 0, 1, 7, 10, 0, 2, 9 }, 8);
	ip4_checksum(ip);
	return 20;
}

static uint8_t *
frame_head(struct bench *b, bool v6, size_t n)
{
	uint8_t *f = calloc(1, FRAME_HEAD + 64 + n);

	if (f == NULL)
		fail_msg("out of memory");
	path_mac(2, f + VNET_HEAD);
	path_mac(PATH_MAC_SELF, f + VNET_HEAD + 6);
	store16(f + VNET_HEAD + 12, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	b->frame[b->n] = f;
	return f;
}

/* A super-packet, as the kernel gives it: the sum of the pseudo-header. */
static void
tcp_super(struct bench *b, bool v6)
{
	uint8_t *f = frame_head(b, v6, 32 + SUPER), *ip = f + FRAME_HEAD;
	size_t l4 = ip_head(ip, v6, IP_TCP, 32 + SUPER);
	struct ip_view v = { .version = v6 ? 6 : 4, .proto = IP_TCP,
	    .src = v6 ? 8 : 12, .alen = v6 ? 16 : 4 };
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	    .gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
		VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = SEGMENT,
	    .csum_start = (uint16_t)(ETH_HEAD + l4), .csum_offset = 16 };
	size_t i;

	memcpy(f, &h, VNET_HEAD);
	store16(ip + l4, 5201);
	store16(ip + l4 + 2, 40000);
	ip[l4 + 12] = 8 << 4;		/* with a timestamp */
	ip[l4 + 13] = TCP_ACK;
	store16(ip + l4 + 14, 500);
	memcpy(ip + l4 + 20, (uint8_t[]){ 1, 1, 8, 10, 0, 0, 0, 9 }, 8);
	for (i = 0; i < SUPER; i++)
		ip[l4 + 32 + i] = (uint8_t)(i * 31);
	sum_store(ip + l4 + 16, sum_fold(sum_pseudo(ip, &v, 32 + SUPER)));
	b->len[b->n++] = FRAME_HEAD + l4 + 32 + SUPER;
	b->packets = (SUPER + SEGMENT - 1) / SEGMENT;
}

/* One of 64 flows, or 64 of one. */
static void
udp_small(struct bench *b, unsigned flow)
{
	uint8_t *f = frame_head(b, false, 8 + SMALL), *ip = f + FRAME_HEAD;
	size_t l4 = ip_head(ip, false, IP_UDP, 8 + SMALL);
	struct ip_view v = { .version = 4, .proto = IP_UDP, .src = 12,
	    .alen = 4 };

	store16(ip + l4, (uint16_t)(1000 + flow));
	store16(ip + l4 + 2, 9);
	store16(ip + l4 + 4, 8 + SMALL);
	sum_done(ip + l4 + 6, sum_add(ip + l4, 8 + SMALL,
	    sum_pseudo(ip, &v, 8 + SMALL)));
	b->len[b->n++] = FRAME_HEAD + l4 + 8 + SMALL;
	b->packets = b->n;
}

static void
udp_flows(struct bench *b, bool one)
{
	unsigned i;

	for (i = 0; i < FLOWS; i++)
		udp_small(b, one ? 0 : i);
}

/* The frames of a round become datagrams in the send buffer. */
static void __attribute__((noinline))
measured_out(struct bench *b)
{
	struct path_thread *t = &b->a.p->thread[0];
	struct iface *i = path_iface_find(b->a.p, 1);
	unsigned k;

	for (k = 0; k < b->n; k++)
		out_frame(t, i, b->frame[k], b->len[k]);
}

/* The datagrams of a round become frames, written to the TAP. */
static void __attribute__((noinline))
measured_in(struct bench *b)
{
	struct path_thread *t = &b->b.p->thread[0];
	struct in_meta m = { .remote = lab_at(b->a.port),
	    .local = lab_at(4500), .udp = true };
	unsigned k;

	for (k = 0; k < b->wire->n; k++)
		in_udp(t, &m, b->wire->p[k] + PATH_HEAD_ROOM,
		    b->wire->len[k]);
	gro_flush(t);
}

/* What is in the send buffer goes to the other path instead of a socket. */
static void
take(struct bench *b)
{
	struct tx *tx = &b->a.p->thread[0].tx;
	struct wire *w = b->wire;
	const struct tx_msg *m;
	size_t at, n;
	unsigned i;

	w->n = 0;
	for (i = 0; i < tx->n; i++) {
		m = &tx->msg[i];
		for (at = 0; at < m->len && w->n < MOST; at += n) {
			n = m->len - at < m->seg ? m->len - at : m->seg;
			memcpy(w->p[w->n] + PATH_HEAD_ROOM, tx->buf + m->off + at, n);
			w->len[w->n++] = n;
		}
	}
	tx->n = 0;
	tx->len = 0;
}

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* One round; what the measured half of it took. */
static uint64_t
once(struct bench *b)
{
	static uint8_t sink[PATH_BUF];
	uint64_t start = cpu_ns(), took;

	measured_out(b);
	took = cpu_ns() - start;
	take(b);
	if (!b->in)
		return took;
	start = cpu_ns();
	measured_in(b);
	took = cpu_ns() - start;
	while (lab_read(&b->b, sink, sizeof(sink)) > 0)
		continue;
	return took;
}

/* Frames go nowhere, so that what a write takes is not counted. */
static bool
no_tap(struct bench *b)
{
	struct iface *i = path_iface_find(b->b.p, 1);
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && dup2(fd, get(&i->tap[0])) >= 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int
measure(struct bench *b, const char *name, unsigned rounds, bool silent)
{
	uint64_t *took = calloc(rounds, sizeof(*took));
	struct path_interface_stat s;
	unsigned i;

	if (took == NULL || (silent && !no_tap(b)))
		return 1;
	once(b);
	for (i = 0; i < rounds; i++)
		took[i] = once(b);
	qsort(took, rounds, sizeof(*took), compare);
	path_interface_stat(b->b.p, 1, &s);
	if (b->wire->n != b->packets ||
	    (b->in && s.rx_packets != (uint64_t)b->packets * (rounds + 1))) {
		fprintf(stderr, "%s: %u datagrams of %u, %llu packets came "
		    "through\n", name, b->wire->n, b->packets,
		    (unsigned long long)s.rx_packets);
		return 1;
	}
	printf("%s %u %.1f\n", name, b->packets * rounds,
	    (double)took[rounds / 2] / b->packets);
	free(took);
	return 0;
}

static int
fill(struct bench *b, const char *what)
{
	if (strcmp(what, "tcp4") == 0)
		tcp_super(b, false);
	else if (strcmp(what, "tcp6") == 0)
		tcp_super(b, true);
	else if (strcmp(what, "udp1") == 0)
		udp_flows(b, true);
	else if (strcmp(what, "udp64") == 0)
		udp_flows(b, false);
	else
		return -1;
	return 0;
}

static void
ends(struct bench *b, bool openssl)
{
	lab_open(&b->a, 1, &mgre);
	lab_open(&b->b, 1, &mgre);
	feature_crypto(b->a.p, openssl);
	lab_pair(&b->a, &b->b, (enum esp_cipher)ESP_AES128_GCM, true);
	feature_set(b->b.p, PATH_TAP_USO, true, 0);
	feature_set(b->a.p, PATH_UDP_SEGMENT, true, 0);
	b->a.p->thread[0].now = b->b.p->thread[0].now = lab_now;
}

int
main(int argc, char **argv)
{
	static struct bench b;
	static struct wire wire;
	const char *what = argc > 1 ? argv[1] : "";
	bool openssl = argc > 3 && strcmp(argv[3], "openssl") == 0;
	unsigned i;
	int rc;

	b.wire = &wire;
	b.in = strncmp(what, "in-", 3) == 0;
	if (argc < 3 || (!b.in && strncmp(what, "out-", 4) != 0) ||
	    fill(&b, strchr(what, '-') + 1) < 0) {
		fprintf(stderr, "usage: path_bench in-CASE|out-CASE ROUNDS "
		    "[default|openssl [silent]]\n"
		    "cases: tcp4 tcp6 udp1 udp64; silent: write to /dev/null\n");
		return 100;
	}
	ends(&b, openssl);
	rc = measure(&b, what, (unsigned)strtoul(argv[2], NULL, 10),
	    argc > 4 && strcmp(argv[4], "silent") == 0);
	lab_close(&b.a);
	lab_close(&b.b);
	for (i = 0; i < b.n; i++)
		free(b.frame[i]);
	return rc;
}
