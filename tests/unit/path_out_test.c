#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "path_lab.h"
#include "wire/ip_icmp.h"

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400 };

#define GCM ESP_CIPHER_AES128_GCM
#define HEAD (VNET_HEAD + ETH_HEAD)

static struct lab_end A, B;

static int
setup(void **state)
{
	(void)state;
	lab_now += 100000;
	lab_open(&A, 1, &mgre);
	lab_open(&B, 1, &mgre);
	lab_pair(&A, &B, GCM, true);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	lab_close(&A);
	lab_close(&B);
	return 0;
}

static void
tap_send(const uint8_t *frame, size_t n)
{
	assert_int_equal(send(A.tap, frame, n, 0), n);
	lab_turn(&A);
	lab_turn(&B);
}

/* A TCP frame, with a partial checksum as the kernel leaves it; gso: the
 * segment size, 0: none. */
static size_t
tcp_frame(uint8_t *to, bool v6, size_t payload, uint16_t gso, uint8_t flags)
{
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	uint8_t *ip = to + HEAD;
	size_t head = v6 ? 40 : 20, i;
	uint8_t *tcp = ip + head;
	struct ip_view v = { .proto = IP_TCP, .src = v6 ? 8 : 12,
	    .alen = v6 ? 16 : 4 };

	memset(to, 0, HEAD + head + 32);
	vnet.csum_start = (uint16_t)(ETH_HEAD + head);
	vnet.csum_offset = 16;
	vnet.gso_size = gso;
	if (gso)
		vnet.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
		    VIRTIO_NET_HDR_GSO_TCPV4;
	memcpy(to, &vnet, VNET_HEAD);
	path_mac(2, to + VNET_HEAD);
	store16(to + VNET_HEAD + 12, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	ip[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		store16(ip + 4, (uint16_t)(32 + payload));
		ip[6] = IP_TCP;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
	} else {
		store16(ip + 2, (uint16_t)(52 + payload));
		store16(ip + 4, 500);
		store16(ip + 6, 0x4000);
		ip[8] = 64;
		ip[9] = IP_TCP;
		memcpy(ip + 12, (uint8_t[]){ 10, 1, 0, 1, 10, 2, 0, 1 }, 8);
		ip4_checksum(ip);
	}
	store16(tcp, 4000);
	store16(tcp + 2, 80);
	store32(tcp + 4, 0xfffff000);
	store32(tcp + 8, 12345);
	tcp[12] = 8 << 4;
	tcp[13] = flags;
	store16(tcp + 14, 500);
	memset(tcp + 20, 1, 12);
	for (i = 0; i < payload; i++)
		tcp[32 + i] = (uint8_t)(i * 7 + i / 251);
	sum_store(tcp + 16, sum_fold(sum_pseudo(ip, &v,
	    (uint32_t)(32 + payload))));
	return HEAD + head + 32 + payload;
}

static void
super_packet(bool v6)
{
	static uint8_t frame[70000], got[70000];
	struct virtio_net_hdr vnet;
	size_t n = tcp_frame(frame, v6, 40000, 1300, TCP_ACK | TCP_PSH);
	size_t head = v6 ? 72 : 52;
	ssize_t r;
	struct path_sa_stat s;

	tap_send(frame, n);
	r = lab_read(&B, got, sizeof(got));
	assert_int_equal(r, n);
	memcpy(&vnet, got, VNET_HEAD);
	assert_int_equal(vnet.gso_type, v6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
	    VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(vnet.gso_size, 1300);
	assert_int_equal(vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(vnet.csum_start, ETH_HEAD + head - 32);
	assert_int_equal(vnet.hdr_len, ETH_HEAD + head);
	/* Byte for byte what went in, partial checksum included. */
	assert_memory_equal(got + HEAD, frame + HEAD, n - HEAD);
	assert_int_equal(lab_read(&B, got, sizeof(got)), -1);
	path_sa_stat(B.p, 0x2000, &s);
	assert_int_equal(s.rx_packets, v6 ? 62 : 31);
}

static void
super_packets_arrive_whole(void **state)
{
	(void)state;
	super_packet(false);
	super_packet(true);
}

static void
pieces_are_right_one_by_one(void **state)
{
	static uint8_t frame[70000], got[2048];
	size_t n = tcp_frame(frame, false, 5000, 1300, TCP_ACK | TCP_PSH |
	    TCP_FIN | TCP_CWR), i, len;
	struct ip_view v;
	uint8_t *ip = got + HEAD;
	static const uint8_t flags[] = { TCP_ACK | TCP_CWR, TCP_ACK, TCP_ACK,
	    TCP_ACK | TCP_PSH | TCP_FIN };

	(void)state;
	feature_set(B.p, PATH_COALESCE, false, 0);
	tap_send(frame, n);
	for (i = 0; i < 4; i++) {
		ssize_t r = lab_read(&B, got, sizeof(got));

		len = i < 3 ? 1300 : 1100;
		assert_int_equal(r, HEAD + 52 + len);
		assert_int_equal(ip_parse(ip, (size_t)r - HEAD, &v), IP_OK);
		assert_true(ip4_checksum_ok(ip));
		assert_true(sum_l4_ok(ip, &v));
		assert_int_equal(load16(ip + 4), 500 + i);
		assert_int_equal(load32(ip + 24), 0xfffff000u + 1300 * i);
		assert_int_equal(ip[33], flags[i]);
		assert_memory_equal(ip + 52, frame + HEAD + 52 + 1300 * i,
		    len);
	}
	assert_int_equal(lab_read(&B, got, sizeof(got)), -1);
}

static void
udp_super_packets(void **state)
{
	static uint8_t frame[70000], got[70000];
	struct virtio_net_hdr vnet = { .gso_type = 5, .gso_size = 1000,
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 6,
	    .csum_start = ETH_HEAD + 20 };
	size_t n = lab_udp_frame(frame, 2, 7500), i;
	ssize_t r;

	(void)state;
	memcpy(frame, &vnet, VNET_HEAD);
	feature_set(B.p, PATH_TAP_USO, false, 0);
	tap_send(frame, n);
	for (i = 0; i < 8; i++) {
		struct ip_view v;

		r = lab_read(&B, got, sizeof(got));
		assert_int_equal(r, HEAD + 28 + (i < 7 ? 1000 : 500));
		ip_parse(got + HEAD, (size_t)r - HEAD, &v);
		assert_true(sum_l4_ok(got + HEAD, &v));
		assert_memory_equal(got + HEAD + 28,
		    frame + HEAD + 28 + 1000 * i, r - HEAD - 28);
	}
	feature_set(B.p, PATH_TAP_USO, true, 0);
	tap_send(frame, n);
	r = lab_read(&B, got, sizeof(got));
	assert_int_equal(r, n);
	memcpy(&vnet, got, VNET_HEAD);
	assert_int_equal(vnet.gso_type, 5);
	assert_int_equal(vnet.gso_size, 1000);
	assert_memory_equal(got + HEAD + 28, frame + HEAD + 28, 7500);
}

static void
checksums_are_completed(void **state)
{
	uint8_t frame[2048], got[2048];
	size_t n = tcp_frame(frame, false, 301, 0, TCP_ACK);
	struct ip_view v;
	ssize_t r;

	(void)state;
	tap_send(frame, n);
	r = lab_read(&B, got, sizeof(got));
	assert_int_equal(r, n);
	ip_parse(got + HEAD, n - HEAD, &v);
	assert_true(sum_l4_ok(got + HEAD, &v));
}

static void
bad_vnet_headers_are_refused(void **state)
{
	uint8_t frame[2048];
	struct virtio_net_hdr vnet;
	size_t n = tcp_frame(frame, false, 300, 100, TCP_ACK);
	static const struct { uint16_t start, off, size; uint8_t type; } c[] = {
		{ 13, 16, 100, 1 }, { 60000, 16, 100, 1 },
		{ 34, 60000, 100, 1 }, { 34, 16, 0, 1 }, { 34, 16, 100, 3 },
		{ 34, 16, 100, 5 }, { 34, 16, 100, 77 }, { 385, 0, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		memcpy(&vnet, frame, VNET_HEAD);
		vnet.csum_start = c[i].start;
		vnet.csum_offset = c[i].off;
		vnet.gso_size = c[i].size;
		vnet.gso_type = c[i].type;
		memcpy(frame, &vnet, VNET_HEAD);
		tap_send(frame, n);
	}
	assert_int_equal(lab_drops(&A, DROP_IP), i);
	assert_int_equal(lab_drops(&A, DROP_FRAME), 0);
	for (i = 0; i < HEAD; i++)
		if (i > 0)
			tap_send(frame, i);
	assert_int_equal(lab_drops(&A, DROP_FRAME), HEAD - 1);
}

static void
too_big_is_answered(void **state)
{
	uint8_t frame[2048], got[2048], *ip = got + HEAD;
	struct path_peer_stat s;
	struct addr hop = addr_of((uint8_t[]){ 10, 0, 0, 2 }, 4);
	size_t n = lab_udp_frame(frame, 2, 1440);
	ssize_t r;

	(void)state;
	path_peer_stat(A.p, 2, &s);
	assert_int_equal(s.inner_mtu, 1500 - 20 - 8 - 8 - 8 - 2 - 16 - 8);
	tap_send(frame, n);
	r = lab_read(&A, got, sizeof(got));
	assert_true(r > HEAD);
	assert_memory_equal(ip + 12, ((uint8_t[]){ 169, 254, 0, 2 }), 4);
	assert_memory_equal(ip + 16, frame + HEAD + 12, 4);
	assert_int_equal(load16(ip + 20), 0x0304);
	assert_int_equal(load16(ip + 26), s.inner_mtu);
	assert_int_equal(load16(got + VNET_HEAD + 10), 2);
	assert_int_equal(lab_drops(&A, DROP_TOO_BIG), 1);
	path_peer_address(A.p, 1, 2, &hop);
	tap_send(frame, n);
	assert_true(lab_read(&A, got, sizeof(got)) > HEAD);
	assert_memory_equal(ip + 12, hop.b, 4);
	/* The largest that fits, fits. */
	tap_send(frame, lab_udp_frame(frame, 2, s.inner_mtu - 28U));
	assert_true(lab_read(&B, got, sizeof(got)) > HEAD);
	assert_int_equal(lab_read(&A, got, sizeof(got)), -1);
}

static void
without_df_it_is_cut(void **state)
{
	static uint8_t frame[4096], got[4096], whole[4096];
	size_t n = lab_udp_frame(frame, 2, 3000), have = 0;
	ssize_t r;

	(void)state;
	store16(frame + HEAD + 6, 0);
	ip4_checksum(frame + HEAD);
	tap_send(frame, n);
	while ((r = lab_read(&B, got, sizeof(got))) > 0) {
		uint8_t *ip = got + HEAD;
		uint16_t frag = load16(ip + 6);

		assert_true(ip4_checksum_ok(ip));
		assert_int_equal((frag & 0x1fff) * 8U, have);
		memcpy(whole + have, ip + 20, (size_t)r - HEAD - 20);
		have += (size_t)r - HEAD - 20;
		assert_int_equal(frag & 0x2000, have < 3008 ? 0x2000 : 0);
	}
	assert_int_equal(have, 3008);
	assert_memory_equal(whole, frame + HEAD + 20, 3008);
}

static void
super_packets_are_cut_to_what_fits(void **state)
{
	static uint8_t frame[70000], got[70000];
	struct path_peer c = { .number = 2, .encap = GRE_ENCAP_UDP,
	    .remote = lab_at(B.port), .mtu = 1000 };
	size_t n = tcp_frame(frame, false, 20000, 1300, TCP_ACK), all = 0;
	struct virtio_net_hdr vnet;
	struct path_peer_stat s;
	ssize_t r;

	(void)state;
	assert_int_equal(path_peer_set(A.p, &c, NULL), 0);
	path_peer_stat(A.p, 2, &s);
	tap_send(frame, n);
	while ((r = lab_read(&B, got, sizeof(got))) > 0) {
		memcpy(&vnet, got, VNET_HEAD);
		if (vnet.gso_size != 0)
			assert_int_equal(vnet.gso_size, s.inner_mtu - 52);
		all += (size_t)r - HEAD - 52;
	}
	assert_int_equal(all, 20000);
}

static void
syns_are_clamped(void **state)
{
	uint8_t frame[256], got[256], *tcp = got + HEAD + 20;
	struct path_peer_stat s;
	struct ip_view v;
	size_t n = tcp_frame(frame, false, 0, 0, TCP_SYN);
	ssize_t r;

	(void)state;
	memcpy(frame + HEAD + 40, (uint8_t[]){ 2, 4, 0xff, 0xff }, 4);
	path_peer_stat(A.p, 2, &s);
	tap_send(frame, n);
	r = lab_read(&B, got, sizeof(got));
	assert_int_equal(r, n);
	assert_int_equal(load16(tcp + 22), s.inner_mtu - 40);
	ip_parse(got + HEAD, n - HEAD, &v);
	assert_true(sum_l4_ok(got + HEAD, &v));
}

static void
arp_frame(uint8_t *f, uint8_t target)
{
	static const uint8_t arp[28] = { 0, 1, 8, 0, 6, 4, 0, 1,
	    [14] = 10, 0, 0, 1, [24] = 10, 0, 0, 0 };

	memset(f, 0, HEAD);
	memset(f + VNET_HEAD, 0xff, 6);
	store16(f + VNET_HEAD + 12, ETHERTYPE_ARP);
	memcpy(f + HEAD, arp, 28);
	f[HEAD + 27] = target;
}

static void
arp_becomes_an_event(void **state)
{
	struct path_interface hub = mgre;
	uint8_t f[64], got[64];
	struct path_event ev;

	(void)state;
	arp_frame(f, 77);
	tap_send(f, HEAD + 28);
	tap_send(f, HEAD + 28);
	assert_true(lab_event(&A, PATH_RESOLVE, &ev));
	assert_int_equal(ev.address.b[3], 77);
	assert_int_equal(ev.interface, 1);
	/* Once a second for an address. */
	assert_false(lab_event(&A, PATH_RESOLVE, &ev));
	lab_now += 1001;
	tap_send(f, HEAD + 28);
	assert_true(lab_event(&A, PATH_RESOLVE, &ev));
	/* Nothing is answered, nothing is sent; a hub asks nobody. */
	assert_int_equal(lab_read(&A, got, sizeof(got)), -1);
	assert_int_equal(lab_read(&B, got, sizeof(got)), -1);
	hub.hub = true;
	assert_int_equal(path_interface_set(A.p, &hub, NULL), 0);
	lab_now += 1001;
	tap_send(f, HEAD + 28);
	assert_false(lab_event(&A, PATH_RESOLVE, &ev));
}

static void
redirects_stay_here(void **state)
{
	uint8_t frame[256], got[256];
	size_t n = lab_udp_frame(frame, 2, 40);

	(void)state;
	frame[HEAD + 9] = IP_ICMP;
	frame[HEAD + 20] = 5;
	ip4_checksum(frame + HEAD);
	tap_send(frame, n);
	assert_int_equal(lab_drops(&A, DROP_REDIRECT), 1);
	assert_int_equal(lab_read(&B, got, sizeof(got)), -1);
}

static void
unknown_peers_and_missing_sas(void **state)
{
	uint8_t frame[256];
	struct path_event ev;
	size_t n = lab_udp_frame(frame, 77, 40);
	unsigned i;

	(void)state;
	tap_send(frame, n);
	assert_int_equal(lab_drops(&A, DROP_NO_PEER), 1);
	lab_peer(&A, 77, GRE_ENCAP_UDP, B.port);
	for (i = 0; i < 5; i++)
		tap_send(frame, n);
	assert_int_equal(lab_drops(&A, DROP_NO_SA), 5);
	assert_true(lab_event(&A, PATH_ACQUIRE, &ev));
	assert_int_equal(ev.peer, 77);
	assert_false(lab_event(&A, PATH_ACQUIRE, &ev));
	lab_now += 1000;
	tap_send(frame, n);
	assert_true(lab_event(&A, PATH_ACQUIRE, &ev));
}

/* GRE-06: the route to the peer leads into the tunnel. */
static void
a_packet_of_our_own_is_a_loop(void **state)
{
	uint8_t frame[256];
	size_t n = lab_udp_frame(frame, 2, 40);

	(void)state;
	memcpy(frame + HEAD + 16, (uint8_t[]){ 127, 0, 0, 1 }, 4);
	store16(frame + HEAD + 22, B.port);
	ip4_checksum(frame + HEAD);
	tap_send(frame, n);
	assert_int_equal(lab_drops(&A, DROP_LOOP), 1);
}

static const uint8_t theirs[4] = { 192, 168, 3, 3 };

/* A packet from the peer at B, as A's cache will know it. */
static void
from_peer(const uint8_t *payload_dst)
{
	uint8_t frame[256], got[256];
	size_t n = lab_udp_frame(frame, 1, 40);

	if (payload_dst != NULL) {
		memcpy(frame + HEAD + 12, theirs, 4);
		memcpy(frame + HEAD + 16, payload_dst, 4);
		ip4_checksum(frame + HEAD);
	}
	assert_int_equal(send(B.tap, frame, n, 0), n);
	lab_turn(&B);
	lab_turn(&A);
	assert_true(lab_read(&A, got, sizeof(got)) > 0);
}

static void
hairpins_are_told(void **state)
{
	uint8_t frame[256];
	struct path_event ev;
	size_t n;

	(void)state;
	from_peer(NULL);
	/* The kernel routes it on, to another peer. */
	n = lab_udp_frame(frame, 9, 40);
	lab_peer(&A, 9, GRE_ENCAP_UDP, 5555);
	tap_send(frame, n);
	tap_send(frame, n);
	assert_true(lab_event(&A, PATH_HAIRPIN, &ev));
	assert_int_equal(ev.peer, 2);
	assert_int_equal(ev.to, 9);
	assert_int_equal(rbuf_left(&ev.data), 68);
	assert_memory_equal(ev.data.p, frame + HEAD, 68);
	assert_false(lab_event(&A, PATH_HAIRPIN, &ev));
	lab_now += 1001;
	tap_send(frame, n);
	assert_true(lab_event(&A, PATH_HAIRPIN, &ev));
	/* A packet of our own is none. */
	frame[HEAD + 15] = 99;
	ip4_checksum(frame + HEAD);
	tap_send(frame, n);
	assert_false(lab_event(&A, PATH_HAIRPIN, &ev));
}

static size_t
group_frame(uint8_t *f, const uint8_t group[4], const uint8_t *src)
{
	size_t n = lab_udp_frame(f, 2, 40);

	memcpy(f + VNET_HEAD, (uint8_t[]){ 1, 0, 0x5e, 1, 2, 3 }, 6);
	memcpy(f + HEAD + 16, group, 4);
	if (src != NULL)
		memcpy(f + HEAD + 12, src, 4);
	ip4_checksum(f + HEAD);
	return n;
}

static void
multicast_goes_to_listeners(void **state)
{
	static const uint8_t group[4] = { 239, 1, 1, 1 };
	static const uint8_t local[4] = { 224, 0, 0, 5 };
	static const uint8_t ours[4] = { 10, 0, 0, 1 };
	uint8_t f[256], got[256];
	uint16_t list[] = { 2, 3 }, back[] = { 1 };
	struct path_peer_stat s2, s3;
	struct gre_sa_add m = lab_sa_message(3, GCM, 0x3000, 0x4000, true);
	size_t n = group_frame(f, group, NULL);

	(void)state;
	tap_send(f, n);
	assert_int_equal(lab_drops(&A, DROP_NO_LISTENER), 1);
	lab_peer(&A, 3, GRE_ENCAP_UDP, 5555);
	assert_int_equal(path_sa_add(A.p, &m, 0, NULL), 0);
	assert_int_equal(path_multicast_set(A.p, 1, list, 2, NULL), 0);
	tap_send(f, n);
	assert_true(lab_read(&B, got, sizeof(got)) > 0);
	path_peer_stat(A.p, 3, &s3);
	assert_int_equal(s3.tx_packets, 1);
	assert_int_equal(path_multicast_set(B.p, 1, back, 1, NULL), 0);
	/* What peer 2 sent goes to 3 only, and if it is for the link only,
	 * to nobody. */
	from_peer(group);
	from_peer(local);
	tap_send(f, group_frame(f, group, theirs));
	assert_int_equal(lab_read(&B, got, sizeof(got)), -1);
	path_peer_stat(A.p, 3, &s3);
	assert_int_equal(s3.tx_packets, 2);
	tap_send(f, group_frame(f, local, theirs));
	assert_int_equal(lab_drops(&A, DROP_MULTICAST_BACK), 1);
	/* Our own routing protocol's goes out. */
	tap_send(f, group_frame(f, local, ours));
	path_peer_stat(A.p, 2, &s2);
	path_peer_stat(A.p, 3, &s3);
	assert_int_equal(s2.tx_packets, 2);
	assert_int_equal(s3.tx_packets, 3);
	/* No broadcast. */
	memset(f + VNET_HEAD, 0xff, 6);
	tap_send(f, group_frame(f, (uint8_t[]){ 255, 255, 255, 255 }, ours));
	assert_int_equal(lab_drops(&A, DROP_BROADCAST), 1);
}

static void
multicast_has_a_rate(void **state)
{
	struct path_interface i = mgre;
	uint8_t f[256];
	uint16_t list[] = { 2 };
	struct path_peer_stat s;
	size_t k, n = group_frame(f, (uint8_t[]){ 239, 1, 1, 1 }, NULL);

	(void)state;
	i.multicast_rate = 100;
	assert_int_equal(path_interface_set(A.p, &i, NULL), 0);
	assert_int_equal(path_multicast_set(A.p, 1, list, 1, NULL), 0);
	for (k = 0; k < 200; k++)
		tap_send(f, n);
	path_peer_stat(A.p, 2, &s);
	assert_int_equal(s.tx_packets, 26);
	assert_int_equal(lab_drops(&A, DROP_RATE), 174);
	lab_now += 100;
	for (k = 0; k < 20; k++)
		tap_send(f, n);
	path_peer_stat(A.p, 2, &s);
	assert_int_equal(s.tx_packets, 36);
}

static void
nhrp_is_wrapped_as_packets_are(void **state)
{
	static const uint8_t nhrp[] = { 0, 1, 8, 0, 1, 2, 3 };
	struct path_event ev;

	(void)state;
	assert_int_equal(path_nhrp_send(A.p, 1, 2, rbuf_of(nhrp,
	    sizeof(nhrp)), NULL), 0);
	lab_turn(&A);
	lab_turn(&B);
	assert_true(lab_event(&B, PATH_NHRP, &ev));
	assert_int_equal(rbuf_left(&ev.data), sizeof(nhrp));
	assert_memory_equal(ev.data.p, nhrp, sizeof(nhrp));
	assert_int_equal(ev.peer, 1);
	assert_int_equal(path_nhrp_send(A.p, 1, 999, rbuf_of(nhrp, 3), NULL),
	    -1);
	assert_int_equal(path_nhrp_send(A.p, 9, 2, rbuf_of(nhrp, 3), NULL),
	    -1);
}

static void
ike_gets_its_marker(void **state)
{
	uint8_t ike[64] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct endpoint to = lab_at(B.port);
	struct path_event ev;

	(void)state;
	assert_int_equal(path_ike_send(A.p, &to, NULL, rbuf_of(ike, 64),
	    NULL), 0);
	lab_turn(&B);
	assert_true(lab_event(&B, PATH_IKE, &ev));
	assert_int_equal(rbuf_left(&ev.data), 64);
	assert_memory_equal(ev.data.p, ike, 64);
	assert_int_equal(ev.remote.port, A.port);
	assert_int_equal(ev.local.addr.b[0], 127);
	to.addr = addr_of((uint8_t[16]){ [15] = 1 }, 16);
	assert_int_equal(path_ike_send(A.p, &to, NULL, rbuf_of(ike, 64),
	    NULL), -1);
}

static void
keepalives_when_nothing_else_is_sent(void **state)
{
	struct path_peer c = { .number = 2, .encap = GRE_ENCAP_UDP,
	    .keepalive = 20 };
	uint8_t b[64], frame[256];
	uint16_t port;
	int fd = lab_udp(&port);

	(void)state;
	c.remote = lab_at(port);
	assert_int_equal(path_peer_set(A.p, &c, NULL), 0);
	path_tick(A.p);
	assert_int_equal(recv(fd, b, sizeof(b), MSG_DONTWAIT), -1);
	lab_now += 20000;
	path_tick(A.p);
	assert_int_equal(recv(fd, b, sizeof(b), MSG_DONTWAIT), 1);
	assert_int_equal(b[0], 0xff);
	lab_now += 15000;
	assert_true(path_tick(A.p) <= lab_now + 1000);
	tap_send(frame, lab_udp_frame(frame, 2, 20));
	assert_true(recv(fd, b, sizeof(b), MSG_DONTWAIT) > 1);
	while (recv(fd, b, sizeof(b), MSG_DONTWAIT) > 1)
		continue;	/* probes of the path MTU */
	lab_now += 15000;
	path_tick(A.p);
	assert_int_equal(recv(fd, b, sizeof(b), MSG_DONTWAIT), -1);
	lab_now += 5000;
	path_tick(A.p);
	assert_int_equal(recv(fd, b, sizeof(b), MSG_DONTWAIT), 1);
	close(fd);
}

/* What the kernel refuses is one packet's loss, not the batch's. */
static void
refused_datagrams_harm_no_others(void **state)
{
	struct path_peer c = { .number = 3, .encap = GRE_ENCAP_UDP };
	struct gre_sa_add m = lab_sa_message(3, GCM, 0x3000, 0x4000, true);
	uint8_t f[256];
	struct path_peer_stat s;
	unsigned i, n = 0;

	(void)state;
	c.remote.addr = addr_of((uint8_t[]){ 255, 255, 255, 255 }, 4);
	c.remote.port = 9;
	assert_int_equal(path_peer_set(A.p, &c, NULL), 0);
	assert_int_equal(path_sa_add(A.p, &m, 0, NULL), 0);
	for (i = 0; i < 40; i++)
		send(A.tap, f, lab_udp_frame(f, i % 4 == 1 ? 3 : 2, 64), 0);
	lab_turn(&A);
	lab_turn(&B);
	while (lab_read(&B, f, sizeof(f)) > 0)
		n++;
	/* Coalesced on the far side: count packets there. */
	assert_true(n > 0);
	path_peer_stat(B.p, 1, &s);
	assert_int_equal(s.rx_packets, 30);
	assert_int_equal(lab_drops(&A, DROP_SEND), 10);
	path_peer_stat(A.p, 3, &s);
	assert_int_equal(s.drops, 10);
	/* A socket that was taken away: counted, no more. */
	path_socket_remove(A.p, PATH_UDP4);
	send(A.tap, f, lab_udp_frame(f, 2, 64), 0);
	lab_turn(&A);
	assert_int_equal(lab_drops(&A, DROP_NO_SOCKET), 1);
}

/* Without UDP_SEGMENT all the same arrives. */
static void
without_udp_segment_too(void **state)
{
	static uint8_t frame[70000], got[70000];
	size_t n = tcp_frame(frame, false, 20000, 1300, TCP_ACK);

	(void)state;
	feature_set(A.p, PATH_UDP_SEGMENT, false, EIO);
	tap_send(frame, n);
	assert_int_equal(lab_read(&B, got, sizeof(got)), n);
	assert_memory_equal(got + HEAD, frame + HEAD, n - HEAD);
}

/* IKE with certificates may be larger than the path takes. */
static void
large_ike_is_fragmented(void **state)
{
	static uint8_t ike[6000];
	struct ifreq r = { .ifr_name = "lo" };
	struct endpoint to = lab_at(0);
	struct path_event ev;
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		skip();
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	r.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	r.ifr_mtu = 1500;
	assert_int_equal(ioctl(fd, SIOCSIFMTU, &r), 0);
	close(fd);
	path_socket_remove(A.p, PATH_UDP4);
	path_socket_remove(B.p, PATH_UDP4);
	assert_int_equal(path_socket_add(A.p, PATH_UDP4, lab_udp(&A.port),
	    NULL), 0);
	assert_int_equal(path_socket_add(B.p, PATH_UDP4, lab_udp(&to.port),
	    NULL), 0);
	memset(ike, 0x42, sizeof(ike));
	assert_int_equal(path_ike_send(A.p, &to, NULL, rbuf_of(ike,
	    sizeof(ike)), NULL), 0);
	lab_turn(&B);
	assert_true(lab_event(&B, PATH_IKE, &ev));
	assert_int_equal(rbuf_left(&ev.data), sizeof(ike));
}

#define CASE(name, f) { name, f, setup, teardown, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("TCP super-packets arrive whole, IPv4 and IPv6",
		    super_packets_arrive_whole),
		CASE("their pieces are right one by one",
		    pieces_are_right_one_by_one),
		CASE("UDP super-packets are cut, and put together again",
		    udp_super_packets),
		CASE("partial checksums are completed",
		    checksums_are_completed),
		CASE("bad vnet headers are refused",
		    bad_vnet_headers_are_refused),
		CASE("GRE-11: too big is answered by the next hop",
		    too_big_is_answered),
		CASE("without DF a packet is cut", without_df_it_is_cut),
		CASE("super-packets are cut to what fits",
		    super_packets_are_cut_to_what_fits),
		CASE("GRE-10: SYNs are clamped", syns_are_clamped),
		CASE("ARP becomes an event, once a second",
		    arp_becomes_an_event),
		CASE("ICMP redirects stay here", redirects_stay_here),
		CASE("no peer, no SA: dropped, and an acquire",
		    unknown_peers_and_missing_sas),
		CASE("GRE-06: our own tunnel packet in the tunnel",
		    a_packet_of_our_own_is_a_loop),
		CASE("hairpins are told, once a second",
		    hairpins_are_told),
		CASE("GRE-12: multicast to listeners, never back",
		    multicast_goes_to_listeners),
		CASE("GRE-12: multicast has a rate", multicast_has_a_rate),
		CASE("NHRP is wrapped as packets are",
		    nhrp_is_wrapped_as_packets_are),
		CASE("IKE gets its marker", ike_gets_its_marker),
		CASE("OPS-09: refused datagrams harm no others",
		    refused_datagrams_harm_no_others),
		CASE("without UDP_SEGMENT all the same arrives",
		    without_udp_segment_too),
		CASE("keepalives when nothing else is sent",
		    keepalives_when_nothing_else_is_sent),
		/* The last one: it leaves the network namespace. */
		CASE("IKE larger than the path's MTU is fragmented",
		    large_ike_is_fragmented),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
