#ifndef PATH_LAB_H
#define PATH_LAB_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dmvpn-gre/path_int.h"
#include "wire/esp.h"
#include "wire/ip_sum.h"

/*
 * Two packet paths in one process, joined by UDP on the loopback; a pair of
 * datagram sockets stands for each TAP.  No thread runs: the tests turn the
 * loops by hand.
 */
struct lab_end {
	struct path	*p;
	int		 tap;		/* our side of the "TAP" */
	uint16_t	 port;
};

static uint64_t lab_now = 1000000;

static inline uint64_t
lab_clock(void)
{
	return lab_now;
}

static inline struct endpoint
lab_at(uint16_t port)
{
	struct endpoint e = { .port = port };

	e.addr = addr_of((const uint8_t[]){ 127, 0, 0, 1 }, 4);
	return e;
}

/* A socket on *port, 0: any, which others may share. */
static inline int
lab_udp_more(uint16_t *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(*port) };
	socklen_t n = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one,
	    sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &n), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static inline int
lab_udp(uint16_t *port)
{
	*port = 0;
	return lab_udp_more(port);
}

static inline void
lab_tap(struct lab_end *e, const struct path_interface *i)
{
	int sv[2], big = 4 << 20;
	struct err err = { 0 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK,
	    0, sv), 0);
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	if (path_interface_set(e->p, i, &err) < 0 ||
	    path_interface_taps(e->p, i->id, &sv[1], 1, &err) < 0)
		fail_msg("%s", err.msg);
	e->tap = sv[0];
}

static inline void
lab_open(struct lab_end *e, unsigned threads, const struct path_interface *i)
{
	struct path_conf conf = { .threads = threads, .now = lab_clock,
	    .seed = { 1, 2, 3, 4, 5, 6, 7, 8 } };
	struct err err = { 0 };
	unsigned k;

	e->p = path_new(&conf, &err);
	if (e->p == NULL)
		fail_msg("%s", err.msg);
	lab_tap(e, i);
	e->port = 0;
	for (k = 0; k < path_receivers(threads); k++)
		assert_int_equal(path_socket_add(e->p, PATH_UDP4,
		    lab_udp_more(&e->port), &err), 0);
}

static inline void
lab_close(struct lab_end *e)
{
	path_free(e->p);
	close(e->tap);
}

/* All threads, until nothing more happens at once. */
static inline void
lab_turn(struct lab_end *e)
{
	unsigned i, k;

	for (k = 0; k < 3; k++)
		for (i = 0; i < e->p->n_threads; i++)
			path_turn(&e->p->thread[i], 0);
}

static inline void
lab_peer(struct lab_end *e, uint16_t number, enum gre_encap encap,
    uint16_t port)
{
	struct path_peer c = { .number = number, .encap = encap,
	    .remote = lab_at(port) };
	struct err err = { 0 };

	if (path_peer_set(e->p, &c, &err) < 0)
		fail_msg("%s", err.msg);
}

static uint8_t lab_keys[2][64];
static uint8_t lab_install;

/* What lab_sa sends, for changes before path_sa_add. */
static inline struct gre_sa_add
lab_sa_message(uint16_t peer, enum esp_cipher cipher, uint32_t in,
    uint32_t out, bool first)
{
	static uint8_t ids[256][16];
	size_t n = esp_suite((enum esp_alg)cipher)->key_len, i;
	struct gre_sa_add m = { .peer = peer, .cipher = cipher,
	    .spi_in = in, .spi_out = out, .mode = SA_MODE_TRANSPORT };

	for (i = 0; i < 64; i++) {
		lab_keys[0][i] = (uint8_t)(i * 7 + 1);
		lab_keys[1][i] = (uint8_t)(i * 5 + 9);
	}
	lab_install++;
	ids[lab_install][0] = lab_install;
	m.install = rbuf_of(ids[lab_install], 16);
	m.key_in = rbuf_of(lab_keys[first ? 0 : 1], n);
	m.key_out = rbuf_of(lab_keys[first ? 1 : 0], n);
	return m;
}

static inline void
lab_pair(struct lab_end *a, struct lab_end *b, enum esp_cipher cipher,
    bool esn)
{
	struct gre_sa_add m;
	struct err err = { 0 };

	lab_peer(a, 2, GRE_ENCAP_UDP, b->port);
	lab_peer(b, 1, GRE_ENCAP_UDP, a->port);
	m = lab_sa_message(2, cipher, 0x1000, 0x2000, true);
	m.esn = esn;
	if (path_sa_add(a->p, &m, 0, &err) < 0)
		fail_msg("%s", err.msg);
	m = lab_sa_message(1, cipher, 0x2000, 0x1000, false);
	m.esn = esn;
	if (path_sa_add(b->p, &m, 0, &err) < 0)
		fail_msg("%s", err.msg);
}

/* A frame for a peer with UDP over IPv4, n octets of payload; returns its
 * length with the vnet header. */
static inline size_t
lab_udp_frame(uint8_t *to, uint16_t peer, size_t n)
{
	uint8_t *ip = to + VNET_HEAD + ETH_HEAD;
	struct ip_view v = { .version = 4, .proto = IP_UDP, .src = 12,
	    .alen = 4 };
	size_t i;

	memset(to, 0, VNET_HEAD + ETH_HEAD + 28 + n);
	path_mac(peer, to + VNET_HEAD);
	path_mac(PATH_MAC_SELF, to + VNET_HEAD + 6);
	store16(to + VNET_HEAD + 12, ETHERTYPE_IPV4);
	ip[0] = 0x45;
	store16(ip + 2, (uint16_t)(28 + n));
	store16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = IP_UDP;
	memcpy(ip + 12, (uint8_t[]){ 192, 168, 1, 7 }, 4);
	memcpy(ip + 16, (uint8_t[]){ 192, 168, 2, 9 }, 4);
	ip4_checksum(ip);
	store16(ip + 20, 1111);
	store16(ip + 22, 2222);
	store16(ip + 24, (uint16_t)(8 + n));
	for (i = 0; i < n; i++)
		ip[28 + i] = (uint8_t)(i * 31 + n);
	sum_done(ip + 26, sum_add(ip + 20, 8 + n,
	    sum_pseudo(ip, &v, (uint32_t)(8 + n))));
	return VNET_HEAD + ETH_HEAD + 28 + n;
}

static inline ssize_t
lab_read(struct lab_end *e, uint8_t *to, size_t n)
{
	return recv(e->tap, to, n, MSG_DONTWAIT);
}

/* A datagram as if it came to port 4500, from 127.0.0.1 and that port. */
static inline void
lab_inject_tos(struct lab_end *e, uint16_t from, uint8_t *p, size_t n,
    uint8_t tos)
{
	static uint8_t room[PATH_BUF];
	struct path_thread *t = &e->p->thread[0];
	struct in_meta m = { .remote = lab_at(from), .local = lab_at(4500),
	    .tos = tos, .udp = true };

	t->now = lab_now;
	memcpy(room + PATH_HEAD_ROOM, p, n);
	in_udp(t, &m, room + PATH_HEAD_ROOM, n);
	gro_flush(t);
	say_wake(t);
}

static inline void
lab_inject(struct lab_end *e, uint16_t from, uint8_t *p, size_t n)
{
	lab_inject_tos(e, from, p, n, 0);
}

/* A socket that sends to port 4500 of this end, as the network does. */
static inline int
lab_sender(const struct lab_end *e)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons(e->port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* ESP under one of lab_keys, AES-128-GCM: n octets of payload, text padded to
 * at least `text`.  Returns its length. */
static inline size_t
lab_seal(unsigned key, uint32_t spi, uint64_t seq, const void *payload,
    size_t n, size_t text, uint8_t next, uint8_t *p)
{
	const struct esp_suite *s = esp_suite(ESP_AES128_GCM);
	struct esp_key *k = esp_key_new(ESP_AES128_GCM, true, lab_keys[key],
	    s->key_len, 1, NULL);
	struct esp_job j = { .p = p, .sequence = seq };

	assert_non_null(k);
	store32(p, spi);
	store32(p + 4, (uint32_t)seq);
	memcpy(p + 8 + s->iv_len, payload, n);
	j.text = esp_text_len(n, s->block);
	if (j.text < text)
		j.text = text;
	esp_pad(p + 8 + s->iv_len, n, j.text, next);
	assert_int_equal(esp_seal(k, 0, false, &j, 1), 0);
	esp_key_free(k);
	return 8U + s->iv_len + j.text + s->icv_len;
}

/* An inner packet of UDP with n octets, in GRE with key 42. */
static inline size_t
lab_gre(uint8_t *to, size_t n)
{
	uint8_t frame[2048];
	size_t len = lab_udp_frame(frame, 1, n) - VNET_HEAD - ETH_HEAD;
	struct gre_head g = { .protocol = GRE_IPV4, .keyed = true,
	    .key = 42 };

	memcpy(to + 8, frame + VNET_HEAD + ETH_HEAD, len);
	return gre_write(to, &g, len) + len;
}

/* The next event of that type; others are skipped.  false: there is none. */
static inline bool
lab_event(struct lab_end *e, enum path_event_type type,
    struct path_event *ev)
{
	while (path_event(e->p, ev) == 1)
		if (ev->type == type)
			return true;
	return false;
}

static inline uint64_t
lab_drops(const struct lab_end *e, enum path_drop why)
{
	uint64_t d[PATH_DROP_N];

	path_drops(e->p, d);
	return d[why];
}

#endif
