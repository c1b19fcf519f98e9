#include <linux/if.h>
#include <netinet/ip.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "path_lab.h"

/* Floods and members that send too much by protocols 50 and 47, through real
 * sockets on the loopback of a namespace of its own. */

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400, .offload = 0xff };
static const struct path_interface clear = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_NONE, .mtu = 1400,
    .offload = 0xff };

#define SOURCE	9		/* last octet of our peer's address */
#define MOST	100		/* octets of a packet */

static struct lab_end e;
static int out4 = -1, out6 = -1;
static bool six;

static void
add_sa(uint16_t peer, uint32_t spi)
{
	static uint8_t key[20], n;
	uint8_t id[16] = { 0xcc, ++n };
	struct gre_sa_add m = { .peer = peer, .mode = SA_MODE_TRANSPORT,
	    .cipher = ESP_CIPHER_AES128_GCM, .spi_in = spi,
	    .spi_out = 0x5000u + spi };
	struct err err = { 0 };

	m.install = rbuf_of(id, sizeof(id));
	m.key_in = m.key_out = rbuf_of(key, 20);
	if (path_sa_add(e.p, &m, 0, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct addr
source(uint8_t last)
{
	uint8_t v4[4] = { 198, 51, 100, 0 }, v6[16] = { 0xfd };

	v4[3] = v6[15] = last;
	return six ? addr_of(v6, 16) : addr_of(v4, 4);
}

static void
member(uint16_t number, enum gre_encap encap, uint8_t last)
{
	struct path_peer c = { .number = number, .encap = encap,
	    .remote = { .addr = source(last) } };
	struct err err = { 0 };

	if (path_peer_set(e.p, &c, &err) < 0)
		fail_msg("%s", err.msg);
}

/* A namespace of our own, and senders that write the IP header. */
static bool
net(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int one = 1;

	if (out4 >= 0)
		return true;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return false;
	out4 = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	out6 = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
	if (out6 >= 0)
		(void)setsockopt(out6, IPPROTO_IPV6, IPV6_HDRINCL, &one,
		    sizeof(one));
	return out4 >= 0 && ioctl(out4, SIOCSIFFLAGS, &r) == 0;
}

static void
open_with(const struct path_interface *i, unsigned threads, bool v6, int kind)
{
	struct err err = { 0 };
	unsigned k;
	int fd;

	if (!net() || (v6 && out6 < 0))
		skip();
	six = v6;
	lab_open(&e, threads, i);
	for (k = 0; k < (kind == PATH_GRE4 || kind == PATH_GRE6 ? 1 :
	    path_receivers(threads)); k++) {
		fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW,
		    kind == PATH_ESP4 || kind == PATH_ESP6 ? IPPROTO_ESP :
		    IPPROTO_GRE);
		assert_true(fd >= 0);
		if (path_socket_add(e.p, (enum path_socket)kind, fd,
		    &err) < 0)
			fail_msg("%s", err.msg);
	}
	path_tick(e.p);
}

static void
drain(void)
{
	struct path_event ev;
	unsigned i;

	for (i = 0; i < 4; i++)
		lab_turn(&e);
	while (path_event(e.p, &ev))
		continue;
}

static size_t
head4(uint8_t *p, uint8_t proto, const struct addr *from, size_t n)
{
	p[0] = 0x45;
	store16(p + 2, (uint16_t)(20 + n));
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, from->b, 4);
	memcpy(p + 16, (uint8_t[]){ 127, 0, 0, 1 }, 4);
	return 20;
}

static size_t
head6(uint8_t *p, uint8_t proto, const struct addr *from, size_t n)
{
	p[0] = 0x60;
	store16(p + 4, (uint16_t)n);
	p[6] = proto;
	p[7] = 64;
	memcpy(p + 8, from->b, 16);
	p[39] = 1;
	return 40;
}

/* An IP packet with these octets from there. */
static void
send_raw(uint8_t proto, const struct addr *from, const uint8_t *data,
    size_t n)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6,
	    .sin6_addr = in6addr_loopback };
	uint8_t p[40 + MOST] = { 0 };
	size_t head;

	to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	head = six ? head6(p, proto, from, n) : head4(p, proto, from, n);
	memcpy(p + head, data, n);
	if (six)
		assert_int_equal(sendto(out6, p, head + n, 0,
		    (struct sockaddr *)&to6, sizeof(to6)), head + n);
	else
		assert_int_equal(sendto(out4, p, head + n, 0,
		    (struct sockaddr *)&to4, sizeof(to4)), head + n);
}

static void
send_esp(uint32_t spi)
{
	static uint32_t seq;
	struct addr from = source(SOURCE);
	uint8_t p[64] = { 0 };

	store32(p, spi);
	store32(p + 4, ++seq);
	send_raw(IPPROTO_ESP, &from, p, sizeof(p));
}

static void
send_gre(uint8_t last, uint16_t protocol)
{
	struct addr from = source(last);
	uint8_t p[64] = { 0 };

	store16(p + 2, protocol);
	send_raw(IPPROTO_GRE, &from, p, sizeof(p));
}

/* The same n times, a few on their way at a time. */
static void
many(unsigned n, void (*one)(unsigned i))
{
	unsigned i;

	for (i = 0; i < n; i++) {
		one(i);
		if (i % 32 == 31)
			drain();
	}
	drain();
}

static void
second(void)
{
	lab_now += 1000;
	path_tick(e.p);
}

static void
strange_esp(unsigned i)
{
	send_esp(0x30000000u + i * 2);
}

static void
our_esp(unsigned i)
{
	send_esp(0x10000u + i % 8);
}

static void
strange_gre(unsigned i)
{
	send_gre((uint8_t)(i % 64 + 100), GRE_IPV4);
}

static void
strange_nhrp(unsigned i)
{
	send_gre((uint8_t)(i % 64 + 100), GRE_NHRP);
}

static void
our_gre(unsigned i)
{
	send_gre(SOURCE, i & 1 ? GRE_IPV4 : 0x1234);
}

/* What gets to an SA, though it is none of its packets. */
static uint64_t
arrived(void)
{
	return lab_drops(&e, DROP_ESP_SHORT) + lab_drops(&e, DROP_FORGED);
}

static void
flood_of_esp(unsigned threads, bool v6)
{
	uint64_t in;
	unsigned i;

	open_with(&mgre, threads, v6, v6 ? PATH_ESP6 : PATH_ESP4);
	member(2, GRE_ENCAP_ESP, SOURCE);
	for (i = 0; i < 8; i++)
		add_sa(2, 0x10000u + i);
	many(200, our_esp);
	assert_int_equal(arrived(), 200);
	many(12000, strange_esp);
	assert_int_equal(lab_drops(&e, DROP_SPI), 12000);
	second();
	assert_true(e.p->guard.on);
	many(12000, strange_esp);
	in = lab_drops(&e, DROP_SPI) - 12000;
	assert_in_range(in, 1, 200);		/* one of 256 */
	many(200, our_esp);
	assert_int_equal(arrived(), 400);
	second();
	assert_true(e.p->guard.on);
	/* The kernel does not say: so many as the sample speaks of. */
	assert_int_equal(lab_drops(&e, DROP_GUARD), in * 255);
	assert_int_equal(lab_drops(&e, DROP_SOCKET), 0);
	for (i = 0; i < 11; i++)
		second();
	assert_false(e.p->guard.on);
	in = lab_drops(&e, DROP_SPI);
	many(500, strange_esp);
	assert_int_equal(lab_drops(&e, DROP_SPI), in + 500);
	many(200, our_esp);
	assert_int_equal(arrived(), 600);
	assert_int_equal(lab_drops(&e, DROP_RING), 0);
	lab_close(&e);
}

static void
esp_of_strangers_stays_outside(void **state)
{
	(void)state;
	flood_of_esp(1, false);
}

static void
esp_of_strangers_stays_outside6(void **state)
{
	(void)state;
	flood_of_esp(1, true);
}

/* Each of them gets what is its own, and nothing twice. */
static void
receivers_share_the_work_meanwhile(void **state)
{
	(void)state;
	flood_of_esp(4, false);
}

static void
a_flood_of_spis_goes_on(void **state)
{
	unsigned i;

	(void)state;
	open_with(&mgre, 1, false, PATH_ESP4);
	member(2, GRE_ENCAP_ESP, SOURCE);
	add_sa(2, 0x10000u);
	many(12000, strange_esp);
	second();
	for (i = 0; i < 12; i++) {
		many(5000, strange_esp);
		second();
		assert_true(e.p->guard.on);
	}
	lab_close(&e);
}

static void
flood_of_gre(bool v6)
{
	uint64_t in;
	unsigned i;

	open_with(&clear, 1, v6, v6 ? PATH_GRE6 : PATH_GRE4);
	member(2, GRE_ENCAP_NONE, SOURCE);
	many(12000, strange_gre);
	assert_int_equal(lab_drops(&e, DROP_NO_PEER), 12000);
	second();
	assert_true(e.p->guard.on);
	many(12000, strange_gre);
	in = lab_drops(&e, DROP_NO_PEER) - 12000;
	assert_in_range(in, 1, 200);
	second();
	assert_int_equal(lab_drops(&e, DROP_GUARD), in * 255);
	/* NHRP is how a peer introduces itself, as long as it is not much. */
	in = lab_drops(&e, DROP_NHRP_RATE);
	many(2000, strange_nhrp);
	assert_true(lab_drops(&e, DROP_NHRP_RATE) - in > 1500);
	in = lab_drops(&e, DROP_GRE_PROTOCOL);
	many(200, our_gre);
	assert_int_equal(lab_drops(&e, DROP_GRE_PROTOCOL), in + 100);
	/* A new peer is let in at once, one that is gone soon no longer. */
	member(3, GRE_ENCAP_NONE, 101);
	in = lab_drops(&e, DROP_IP);
	for (i = 0; i < 100; i++) {
		send_gre(101, GRE_IPV4);
		drain();
	}
	assert_int_equal(lab_drops(&e, DROP_IP), in + 100);
	path_peer_delete(e.p, 3);
	many(2000, strange_gre);
	second();
	in = lab_drops(&e, DROP_NO_PEER);
	for (i = 0; i < 100; i++) {
		send_gre(101, GRE_IPV4);
		drain();
	}
	assert_true(lab_drops(&e, DROP_NO_PEER) - in < 10);
	lab_close(&e);
}

static void
gre_of_strangers_stays_outside(void **state)
{
	(void)state;
	flood_of_gre(false);
}

static void
gre_of_strangers_stays_outside6(void **state)
{
	(void)state;
	flood_of_gre(true);
}

static void
nhrp_of_strangers_is_thinned_out(void **state)
{
	uint64_t in;

	(void)state;
	open_with(&clear, 1, false, PATH_GRE4);
	member(2, GRE_ENCAP_NONE, SOURCE);
	many(40000, strange_nhrp);
	second();
	assert_true(e.p->guard.on);
	in = lab_drops(&e, DROP_NHRP_RATE);
	many(40000, strange_nhrp);
	assert_in_range(lab_drops(&e, DROP_NHRP_RATE) - in, 3000, 18000);
	lab_close(&e);
}

/* ------------------------------------------------------------- fairness */

#define LOOK	25		/* ms, as in path_fair.c */
#define FULL	64

static void
batches(enum path_socket kind, unsigned n)
{
	while (n-- > 0)
		fair_batch(&e.p->thread[0], &e.p->thread[0].full_in[kind],
		    true);
}

/* The queue is full; at the next look it turns out who sent how much. */
static void
overload(enum path_socket kind, void (*one)(unsigned i),
    _Atomic(uint64_t) *heavy, _Atomic(uint64_t) *light)
{
	unsigned i;

	for (i = 0; i < 4000; i++)
		one(0);
	batches(kind, FULL);
	path_tick(e.p);
	count(heavy, 980);
	count(light, 20);
	lab_now += LOOK;
	path_tick(e.p);
	assert_true(e.p->fair[FAIR_IN].on);
	drain();
	drain();
	drain();
}

static void
heavy_esp(unsigned i)
{
	(void)i;
	send_esp(0x20000);
}

static void
light_esp(unsigned i)
{
	(void)i;
	send_esp(0x20001);
}

static void
a_member_by_raw_esp_has_its_share(void **state)
{
	struct path_peer_stat before, after;
	struct path_sa *heavy, *light;
	uint64_t in;

	(void)state;
	open_with(&mgre, 1, false, PATH_ESP4);
	member(2, GRE_ENCAP_ESP, SOURCE);
	member(3, GRE_ENCAP_ESP, SOURCE + 1);
	add_sa(2, 0x20000);
	add_sa(3, 0x20001);
	heavy = path_sa_find(e.p, 0x20000);
	light = path_sa_find(e.p, 0x20001);
	overload(PATH_ESP4, heavy_esp, &heavy->rx_packets,
	    &light->rx_packets);
	path_peer_stat(e.p, 2, &before);
	in = counted(&heavy->forged);
	many(2000, heavy_esp);
	in = counted(&heavy->forged) - in;
	assert_in_range(in, 1300, 1680);	/* 730 of 980 */
	many(2000, light_esp);
	assert_int_equal(counted(&light->forged), 2000);
	lab_now += 1000;
	path_tick(e.p);
	path_peer_stat(e.p, 2, &after);
	assert_in_range(lab_drops(&e, DROP_FAIR), 300, 1000);
	assert_in_range(after.drops - before.drops, in + 300, in + 1000);
	lab_close(&e);
}

static void
heavy_gre(unsigned i)
{
	(void)i;
	send_gre(SOURCE, 0x1234);
}

static void
light_gre(unsigned i)
{
	(void)i;
	send_gre(SOURCE + 1, GRE_IPV4);
}

static void
shares_of_gre(bool v6)
{
	uint64_t in;

	open_with(&clear, 1, v6, v6 ? PATH_GRE6 : PATH_GRE4);
	member(2, GRE_ENCAP_NONE, SOURCE);
	member(3, GRE_ENCAP_NONE, SOURCE + 1);
	overload(v6 ? PATH_GRE6 : PATH_GRE4, heavy_gre,
	    &path_peer_find(e.p, 2)->rx_packets,
	    &path_peer_find(e.p, 3)->rx_packets);
	in = lab_drops(&e, DROP_GRE_PROTOCOL);
	many(2000, heavy_gre);
	assert_in_range(lab_drops(&e, DROP_GRE_PROTOCOL) - in, 1300, 1680);
	many(2000, light_gre);
	assert_int_equal(lab_drops(&e, DROP_IP), 2000);
	lab_close(&e);
}

static void
a_member_by_bare_gre_has_its_share(void **state)
{
	(void)state;
	shares_of_gre(false);
}

static void
a_member_by_bare_gre_has_its_share6(void **state)
{
	(void)state;
	shares_of_gre(true);
}

#define CASE(name, fn) { name, fn, NULL, NULL, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("ESP-03: unknown SPIs by protocol 50 stay outside",
		    esp_of_strangers_stays_outside),
		CASE("ESP-03: and over IPv6",
		    esp_of_strangers_stays_outside6),
		CASE("ESP-03: each receiver gets its own packets meanwhile",
		    receivers_share_the_work_meanwhile),
		CASE("as long as it goes on it stays outside",
		    a_flood_of_spis_goes_on),
		CASE("bare GRE of strangers stays outside",
		    gre_of_strangers_stays_outside),
		CASE("bare GRE of strangers stays outside over IPv6",
		    gre_of_strangers_stays_outside6),
		CASE("much NHRP of strangers is thinned out",
		    nhrp_of_strangers_is_thinned_out),
		CASE("who sends too much by protocol 50 is cut",
		    a_member_by_raw_esp_has_its_share),
		CASE("who sends too much by protocol 47 is cut",
		    a_member_by_bare_gre_has_its_share),
		CASE("who sends too much by protocol 47 is cut over IPv6",
		    a_member_by_bare_gre_has_its_share6),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
