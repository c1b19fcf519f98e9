#ifndef PATH_FUZZ_H
#define PATH_FUZZ_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dmvpn-gre/path_int.h"
#include "wire/esp.h"
#include "wire/ip_sum.h"

/*
 * A packet path without threads and sockets: interface 1 is mGRE under
 * IPsec (key 42, checksum), 2 mGRE in clear (key 7), 3 direct; peers 2 (UDP,
 * an SA of each mode) and 5 (bare GRE from 127.0.0.1).
 */
struct path_fuzz {
	struct path	*p;
	int		 tap[4];
	uint8_t		 key[64];
};

static uint64_t fuzz_now = 5000;

static uint64_t
fuzz_clock(void)
{
	return fuzz_now;
}

#define MUST(x) do { if (!(x)) __builtin_trap(); } while (0)

static inline void
fuzz_interface(struct path_fuzz *f, unsigned id, enum gre_mode mode,
    enum gre_protect protect, uint32_t key)
{
	struct path_interface i = { .id = id, .mode = mode,
	    .protect = protect, .keyed = true, .key = key,
	    .checksum = id == 1, .mtu = 1400, .offload = 0xff };
	uint16_t list[] = { 2, 5 };
	int sv[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv) == 0);
	MUST(path_interface_set(f->p, &i, NULL) == 0);
	MUST(path_interface_taps(f->p, id, &sv[1], 1, NULL) == 0);
	MUST(path_multicast_set(f->p, id, list, 2, NULL) == 0);
	f->tap[id] = sv[0];
}

static inline void
fuzz_sa(struct path_fuzz *f, uint32_t spi, enum sa_mode mode)
{
	struct gre_sa_add m = { .peer = 2, .mode = mode, .spi_in = spi,
	    .spi_out = spi + 1, .cipher = ESP_CIPHER_AES128_GCM,
	    .install = rbuf_of(&spi, sizeof(spi)) };

	m.key_in = m.key_out = rbuf_of(f->key, 20);
	MUST(path_sa_add(f->p, &m, mode == SA_MODE_TUNNEL ? 3 : 0, NULL) ==
	    0);
}

static inline struct path_fuzz *
path_fuzz_open(void)
{
	static struct path_fuzz f;
	struct path_conf conf = { .threads = 1, .now = fuzz_clock };
	struct path_peer c = { .number = 2, .encap = GRE_ENCAP_UDP };

	if (f.p != NULL)
		return &f;
	MUST((f.p = path_new(&conf, NULL)) != NULL);
	fuzz_interface(&f, 1, GRE_MODE_MGRE, GRE_PROTECT_IPSEC, 42);
	fuzz_interface(&f, 2, GRE_MODE_MGRE, GRE_PROTECT_NONE, 7);
	fuzz_interface(&f, 3, GRE_MODE_DIRECT, GRE_PROTECT_IPSEC, 0);
	c.remote.addr = addr_of((uint8_t[]){ 127, 0, 0, 1 }, 4);
	c.remote.port = 4500;
	MUST(path_peer_set(f.p, &c, NULL) == 0);
	c.number = 5;
	c.encap = GRE_ENCAP_NONE;
	MUST(path_peer_set(f.p, &c, NULL) == 0);
	fuzz_sa(&f, 0x1000, SA_MODE_TRANSPORT);
	fuzz_sa(&f, 0x2000, SA_MODE_TUNNEL);
	return &f;
}

/* What reaches a TAP must be a packet the kernel could take. */
static inline void
fuzz_judge(const uint8_t *b, size_t n)
{
	struct virtio_net_hdr vnet;
	struct ip_view v;
	const uint8_t *ip = b + VNET_HEAD + ETH_HEAD;

	MUST(n > VNET_HEAD + ETH_HEAD);
	memcpy(&vnet, b, VNET_HEAD);
	MUST(ip_parse(ip, n - VNET_HEAD - ETH_HEAD, &v) == IP_OK);
	MUST(v.len == n - VNET_HEAD - ETH_HEAD);
	MUST(v.version == 6 || ip4_checksum_ok(ip));
	if (vnet.gso_type == 0)
		return;
	MUST(vnet.gso_size > 0);
	MUST(vnet.csum_start == ETH_HEAD + v.l4);
	MUST((size_t)vnet.hdr_len < ETH_HEAD + v.len);
}

static inline void
fuzz_drain(struct path_fuzz *f)
{
	static uint8_t b[70000];
	static unsigned turns;
	struct path_event ev;
	ssize_t n;
	unsigned i;

	tx_flush(&f->p->thread[0]);
	gro_flush(&f->p->thread[0]);
	for (i = 1; i < 4; i++)
		while ((n = recv(f->tap[i], b, sizeof(b), MSG_DONTWAIT)) > 0)
			fuzz_judge(b, (size_t)n);
	while (path_event(f->p, &ev) == 1)
		continue;
	fuzz_now += 300;
	if (++turns % 128 == 0)
		path_tick(f->p);
}

/* The next piece of the input: two octets of length, then as many. */
static inline struct rbuf
fuzz_piece(struct rbuf *in)
{
	size_t n = rbuf_be16(in) & 0x7ff;

	return rbuf_sub(in, n < rbuf_left(in) ? n : rbuf_left(in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
