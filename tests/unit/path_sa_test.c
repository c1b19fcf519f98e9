#include <errno.h>

#include "path_lab.h"

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
add(struct lab_end *e, struct gre_sa_add *m, unsigned interface)
{
	struct err err = { 0 };

	if (path_sa_add(e->p, m, interface, &err) < 0)
		fail_msg("%s", err.msg);
}

/* One packet from A to B (or back); did it arrive? */
static bool
cross(struct lab_end *from, struct lab_end *to, uint16_t peer)
{
	uint8_t f[512];

	assert_true(send(from->tap, f, lab_udp_frame(f, peer, 64), 0) > 0);
	lab_turn(from);
	lab_turn(to);
	return lab_read(to, f, sizeof(f)) > 0;
}

static struct path_sa_stat
stat_of(struct lab_end *e, uint32_t spi)
{
	struct path_sa_stat s;

	memset(&s, 0xff, sizeof(s));
	assert_int_equal(path_sa_stat(e->p, spi, &s), 0);
	return s;
}

static void
add_pair(uint32_t a, uint32_t b, bool standby_b)
{
	struct gre_sa_add m = lab_sa_message(2, GCM, a, b, true);

	add(&A, &m, 0);
	m = lab_sa_message(1, GCM, b, a, false);
	m.standby = standby_b;
	add(&B, &m, 0);
}

static void
rekey_makes_before_it_breaks(void **state)
{
	struct path_event ev;

	(void)state;
	lab_pair(&A, &B, GCM, false);
	assert_true(cross(&A, &B, 2));
	assert_true(cross(&B, &A, 1));
	/* The new pair: A sends with it at once, B waits. */
	add_pair(0x1001, 0x2001, true);
	assert_true(stat_of(&A, 0x1001).active);
	assert_false(stat_of(&B, 0x2001).active);
	assert_true(stat_of(&B, 0x2001).standby);
	assert_true(cross(&B, &A, 1));
	assert_int_equal(stat_of(&A, 0x1000).rx_packets, 2);
	/* A's first packet on it tells B that A has it. */
	assert_true(cross(&A, &B, 2));
	assert_true(lab_event(&B, PATH_SA_FIRST, &ev));
	while (ev.spi != 0x2001)
		assert_true(lab_event(&B, PATH_SA_FIRST, &ev));
	assert_int_equal(ev.peer, 1);
	assert_true(stat_of(&B, 0x2001).active);
	assert_true(cross(&B, &A, 1));
	assert_int_equal(stat_of(&A, 0x1001).rx_packets, 1);
}

static void
a_grace_for_what_is_under_way(void **state)
{
	uint8_t gre[512], p[1024];
	size_t n = lab_gre(gre, 40);
	struct path_event ev;
	uint64_t seq;

	(void)state;
	lab_pair(&A, &B, GCM, false);
	add_pair(0x1001, 0x2001, false);
	assert_int_equal(path_sa_delete(A.p, 0x1000, 3000, NULL), 0);
	assert_true(stat_of(&A, 0x1000).dying);
	for (seq = 1; seq < 4; seq++) {
		lab_now += 900;
		assert_true(path_tick(A.p) <= lab_now + 1000);
		lab_inject(&A, B.port, p, lab_seal(0, 0x1000, seq, gre, n,
		    0, IP_GRE, p));
		assert_true(lab_read(&A, p, sizeof(p)) > 0);
	}
	lab_now += 301;
	path_tick(A.p);
	assert_int_equal(path_sa_stat(A.p, 0x1000, &(struct path_sa_stat)
	    { 0 }), -1);
	assert_true(lab_event(&A, PATH_SA_GONE, &ev));
	assert_int_equal(ev.spi, 0x1000);
	assert_true(cross(&A, &B, 2));
	assert_true(cross(&B, &A, 1));
}

static void
the_only_standby_sends(void **state)
{
	struct gre_sa_add m;

	(void)state;
	lab_peer(&A, 2, GRE_ENCAP_UDP, B.port);
	lab_peer(&B, 1, GRE_ENCAP_UDP, A.port);
	m = lab_sa_message(2, GCM, 0x1000, 0x2000, true);
	m.standby = true;
	add(&A, &m, 0);
	m = lab_sa_message(1, GCM, 0x2000, 0x1000, false);
	add(&B, &m, 0);
	assert_true(cross(&A, &B, 2));
	/* An active one first, until "use". */
	m = lab_sa_message(2, GCM, 0x1001, 0x2001, true);
	add(&A, &m, 0);
	assert_false(stat_of(&A, 0x1000).active);
	assert_int_equal(path_sa_use(A.p, 0x1000, NULL), 0);
	assert_true(stat_of(&A, 0x1000).active);
	assert_int_equal(path_sa_use(A.p, 0x9999, NULL), -1);
}

static void
the_same_keys_never_twice(void **state)
{
	struct gre_sa_add m;
	struct err e;
	unsigned i;

	(void)state;
	lab_pair(&A, &B, GCM, false);
	m = lab_sa_message(2, GCM, 0x1000, 0x2000, true);
	assert_int_equal(path_sa_add(A.p, &m, 0, &e), -1);
	assert_int_equal(e.code, EEXIST);	/* the SPI is in use */
	m = lab_sa_message(2, GCM, 0x1001, 0x2001, true);
	add(&A, &m, 0);
	assert_int_equal(path_sa_delete(A.p, 0x1001, 0, NULL), 0);
	assert_int_equal(path_sa_add(A.p, &m, 0, &e), -1);
	assert_int_equal(e.code, EEXIST);	/* the id was seen */
	m.spi_in = 0x1002;
	assert_int_equal(path_sa_add(A.p, &m, 0, &e), -1);
	m = lab_sa_message(99, GCM, 0x1003, 0x2003, true);
	assert_int_equal(path_sa_add(A.p, &m, 0, &e), -1);
	assert_int_equal(e.code, ENOENT);
	m = lab_sa_message(2, GCM, 0x1003, 0x2003, true);
	m.key_in = rbuf_of(lab_keys[0], 19);
	assert_int_equal(path_sa_add(A.p, &m, 0, &e), -1);
	assert_int_equal(e.code, EINVAL);
	assert_non_null(strstr(e.msg, "inbound"));
	/* A thousand ids are all remembered. */
	{
		struct install_set *s = install_set_new();

		for (i = 1; i < 1000; i++)
			assert_true(install_set_add(s, i * 77777ULL));
		for (i = 1; i < 1000; i++)
			assert_false(install_set_add(s, i * 77777ULL));
		install_set_free(s);
	}
}

static void
limits_are_told_and_kept(void **state)
{
	struct gre_sa_add m;
	struct path_event ev;
	unsigned i, n = 0;

	(void)state;
	lab_peer(&A, 2, GRE_ENCAP_UDP, B.port);
	lab_peer(&B, 1, GRE_ENCAP_UDP, A.port);
	m = lab_sa_message(2, GCM, 0x1000, 0x2000, true);
	m.soft_packets = 5;
	m.hard_packets = 8;
	add(&A, &m, 0);
	m = lab_sa_message(1, GCM, 0x2000, 0x1000, false);
	add(&B, &m, 0);
	for (i = 0; i < 20; i++)
		n += cross(&A, &B, 2);
	assert_int_equal(n, 8);
	assert_int_equal(stat_of(&A, 0x1000).sequence_out, 8);
	assert_int_equal(lab_drops(&A, DROP_EXHAUSTED), 12);
	assert_true(lab_event(&A, PATH_SA_LIMIT, &ev));
	assert_false(ev.hard);
	assert_int_equal(ev.spi, 0x1000);
	assert_true(lab_event(&A, PATH_SA_LIMIT, &ev));
	assert_true(ev.hard);
	assert_false(lab_event(&A, PATH_SA_LIMIT, &ev));
}

static void
octets_that_wait_to_be_sent_count(void **state)
{
	struct path_thread *t = &A.p->thread[0];
	struct gre_sa_add m = lab_sa_message(2, GCM, 0x1000, 0x2000, true);
	uint8_t frame[512];
	size_t n = lab_udp_frame(frame, 2, 100);
	unsigned i;

	(void)state;
	lab_peer(&A, 2, GRE_ENCAP_UDP, B.port);
	m.hard_bytes = 1000;
	add(&A, &m, 0);
	t->now = lab_now;
	for (i = 0; i < 20; i++)
		out_frame(t, path_iface_find(A.p, 1), frame, n);
	tx_flush(t);
	/* Of 128 octets each, eight may begin below the limit. */
	assert_true(lab_drops(&A, DROP_EXHAUSTED) >= 12);
	assert_true(stat_of(&A, 0x1000).sequence_out > 0);
}

/* ESP-10 */
static void
the_number_never_wraps(void **state)
{
	struct path_event ev;
	unsigned n = 0, i;
	uint64_t last = (1ULL << 32) - (1ULL << 16);

	(void)state;
	lab_pair(&A, &B, GCM, false);
	atomic_store(&path_sa_find(A.p, 0x1000)->sequence_out, last - 3);
	for (i = 0; i < 10; i++)
		n += cross(&A, &B, 2);
	assert_int_equal(n, 3);
	assert_int_equal(stat_of(&A, 0x1000).sequence_out, last);
	assert_true(lab_event(&A, PATH_SA_LIMIT, &ev));
	assert_false(ev.hard);		/* the soft one was passed, too */
	assert_true(lab_event(&A, PATH_SA_LIMIT, &ev));
	assert_true(ev.hard);
	assert_true(lab_event(&B, PATH_SA_LIMIT, &ev));
	assert_false(ev.hard);		/* the receiver asks as well */
}

/* ESP-11 */
static void
esn_crosses_on_the_wire(void **state)
{
	unsigned i;

	(void)state;
	lab_pair(&A, &B, ESP_CIPHER_AES256_CBC_SHA256, true);
	path_sa_find(B.p, 0x2000)->replay->top = (1ULL << 32) - 6;
	atomic_store(&path_sa_find(A.p, 0x1000)->sequence_out,
	    (1ULL << 32) - 5);
	for (i = 0; i < 20; i++)
		assert_true(cross(&A, &B, 2));
	assert_int_equal(stat_of(&B, 0x2000).sequence_in, (1ULL << 32) + 15);
}

/* With ESN, what is older than the window is old, not forged. */
static void
an_old_packet_is_not_forged(void **state)
{
	unsigned i;

	(void)state;
	lab_pair(&A, &B, GCM, true);
	atomic_store(&path_sa_find(A.p, 0x1000)->sequence_out, 5000);
	assert_true(cross(&A, &B, 2));
	atomic_store(&path_sa_find(A.p, 0x1000)->sequence_out, 100);
	for (i = 0; i < 3; i++)
		assert_false(cross(&A, &B, 2));
	assert_int_equal(stat_of(&B, 0x2000).replayed, 3);
	assert_int_equal(stat_of(&B, 0x2000).forged, 0);
}

static struct selector
subnet(uint8_t third)
{
	struct selector s = { .protocol = 0, .port_last = 65535 };

	s.first = addr_of((uint8_t[]){ 192, 168, third, 0 }, 4);
	s.last = addr_of((uint8_t[]){ 192, 168, third, 255 }, 4);
	return s;
}

static void
direct(struct lab_end *e, uint16_t peer, uint16_t port, bool first)
{
	struct path_interface i = { .id = 2, .mode = GRE_MODE_DIRECT,
	    .protect = GRE_PROTECT_IPSEC, .mtu = 1400 };
	struct gre_sa_add m = lab_sa_message(peer, GCM, first ? 0x1000 :
	    0x2000, first ? 0x2000 : 0x1000, first);

	close(e->tap);
	lab_tap(e, &i);
	lab_peer(e, peer, GRE_ENCAP_UDP, port);
	m.mode = SA_MODE_TUNNEL;
	m.n_local_ts = m.n_remote_ts = 1;
	m.local_ts[0] = subnet(first ? 1 : 2);
	m.remote_ts[0] = subnet(first ? 2 : 1);
	add(e, &m, 2);
}

static void
tunnel_mode_checks_selectors(void **state)
{
	uint8_t f[512], p[512];
	size_t n;

	(void)state;
	direct(&A, 2, B.port, true);
	direct(&B, 1, A.port, false);
	assert_true(cross(&A, &B, 2));
	/* Out: to a destination, and from a source, it is not for. */
	n = lab_udp_frame(f, 2, 64);
	f[HEAD + 18] = 3;
	ip4_checksum(f + HEAD);
	assert_true(send(A.tap, f, n, 0) > 0);
	f[HEAD + 18] = 2;
	f[HEAD + 14] = 7;
	ip4_checksum(f + HEAD);
	assert_true(send(A.tap, f, n, 0) > 0);
	lab_turn(&A);
	assert_int_equal(lab_drops(&A, DROP_SELECTOR), 2);
	/* In: the peer sends what it may not. */
	n = lab_udp_frame(f, 2, 64) - HEAD;
	f[HEAD + 14] = 9;
	ip4_checksum(f + HEAD);
	n = lab_seal(0, 0x1000, 50, f + HEAD, n, 0, IP_IPV4, p);
	lab_inject(&A, B.port, p, n);
	assert_int_equal(lab_drops(&A, DROP_SELECTOR), 3);
	/* Nothing of the other families, no GRE in tunnel mode. */
	n = lab_udp_frame(f, 2, 64) - HEAD;
	n = lab_seal(0, 0x1000, 51, f + HEAD, n, 0, IP_GRE, p);
	lab_inject(&A, B.port, p, n);
	assert_int_equal(lab_drops(&A, DROP_NEXT_HEADER), 1);
	assert_int_equal(lab_read(&A, f, sizeof(f)), -1);
}

static void
nothing_in_clear_without_an_sa(void **state)
{
	uint8_t f[256];
	uint16_t port;
	int fd = lab_udp(&port);

	(void)state;
	lab_peer(&A, 2, GRE_ENCAP_UDP, port);
	lab_peer(&A, 3, GRE_ENCAP_NONE, port);
	send(A.tap, f, lab_udp_frame(f, 2, 64), 0);
	send(A.tap, f, lab_udp_frame(f, 3, 64), 0);
	lab_turn(&A);
	assert_int_equal(recv(fd, f, sizeof(f), MSG_DONTWAIT), -1);
	assert_int_equal(lab_drops(&A, DROP_NO_SA), 2);
	close(fd);
}

static void
a_peer_takes_its_sas_with_it(void **state)
{
	struct path_peer_stat s;

	(void)state;
	lab_pair(&A, &B, GCM, false);
	assert_int_equal(path_peer_stat(A.p, 2, &s), 0);
	assert_int_equal(s.sas, 1);
	path_peer_delete(A.p, 2);
	assert_int_equal(path_peer_stat(A.p, 2, &s), -1);
	assert_int_equal(path_sa_stat(A.p, 0x1000, &(struct path_sa_stat)
	    { 0 }), -1);
	assert_false(cross(&B, &A, 1));
	assert_int_equal(lab_drops(&A, DROP_SPI), 1);
}

#define CASE(name, f) { name, f, setup, teardown, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("ESP-18: a rekey makes before it breaks",
		    rekey_makes_before_it_breaks),
		CASE("ESP-18: a grace for what is under way",
		    a_grace_for_what_is_under_way),
		CASE("a standby sends when it is the only one, or told so",
		    the_only_standby_sends),
		CASE("the same keys are never installed twice",
		    the_same_keys_never_twice),
		CASE("limits are told once and kept",
		    limits_are_told_and_kept),
		CASE("octets that wait to be sent count against a limit",
		    octets_that_wait_to_be_sent_count),
		CASE("ESP-10: the sequence number never wraps",
		    the_number_never_wraps),
		CASE("ESP-11: ESN crosses 2^32 on the wire",
		    esn_crosses_on_the_wire),
		CASE("ESN: an old packet is not taken for a forged one",
		    an_old_packet_is_not_forged),
		CASE("tunnel mode checks selectors both ways",
		    tunnel_mode_checks_selectors),
		CASE("nothing leaves in clear without an SA",
		    nothing_in_clear_without_an_sa),
		CASE("a peer takes its SAs with it",
		    a_peer_takes_its_sas_with_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
