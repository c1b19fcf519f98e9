#include "path_lab.h"

/* Members that send more than their share, through a real socket on the
 * loopback.  What came in so far is written into the counters. */

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400, .offload = 0xff };

#define LOOK	25		/* ms, as in path_fair.c */
#define FULL	64		/* batches */
#define LIGHT	2		/* peers */
#define HEAVY	3

static struct lab_end e;
static int out;

static uint32_t
spi_of(uint16_t peer)
{
	return 0x10000u + peer;
}

static void
member(uint16_t number)
{
	static uint8_t key[20];
	uint8_t id[16] = { 0xbb, (uint8_t)(number >> 8), (uint8_t)number };
	struct gre_sa_add m = { .peer = number, .mode = SA_MODE_TRANSPORT,
	    .cipher = ESP_CIPHER_AES128_GCM, .spi_in = spi_of(number),
	    .spi_out = 0x5000u + number };
	struct err err = { 0 };

	lab_peer(&e, number, GRE_ENCAP_UDP, 9);
	m.install = rbuf_of(id, sizeof(id));
	m.key_in = m.key_out = rbuf_of(key, 20);
	if (path_sa_add(e.p, &m, 0, &err) < 0)
		fail_msg("%s", err.msg);
}

static int
setup(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	(void)state;
	lab_open(&e, 1, &mgre);
	member(LIGHT);
	member(HEAVY);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(e.port);
	out = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(connect(out, (struct sockaddr *)&to, sizeof(to)),
	    0);
	path_tick(e.p);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	lab_close(&e);
	close(out);
	return 0;
}

static void
drain(void)
{
	struct path_event ev;
	unsigned i;

	for (i = 0; i < 6; i++)
		lab_turn(&e);
	while (path_event(e.p, &ev))
		continue;
}

static void
send_esp(uint32_t spi)
{
	static uint32_t seq;
	uint8_t p[64] = { 0 };

	store32(p, spi);
	store32(p + 4, ++seq);
	(void)send(out, p, sizeof(p), 0);
}

/* More than the socket holds, and nobody reads. */
static void
fill_socket(void)
{
	unsigned i;

	for (i = 0; i < 4000; i++)
		send_esp(spi_of(HEAVY));
}

static void
crowd(unsigned batches)
{
	while (batches-- > 0)
		fair_batch(&e.p->thread[0], PATH_UDP4, PATH_RX_BUFS);
}

static void
came(uint16_t peer, uint64_t n)
{
	atomic_fetch_add(&path_sa_find(e.p, spi_of(peer))->rx_packets, n);
}

static void
look(void)
{
	lab_now += LOOK;
	path_tick(e.p);
}

/* Two looks at a full socket, `heavy` packets and 20 came in between. */
static void
overload(uint64_t heavy)
{
	fill_socket();
	crowd(FULL);
	path_tick(e.p);
	came(LIGHT, 20);
	came(HEAVY, heavy);
	look();
}

static uint64_t
forged(uint16_t peer)
{
	return counted(&path_sa_find(e.p, spi_of(peer))->forged);
}

/* How many of 2,000 get in. */
static uint64_t
let_in(uint16_t peer)
{
	uint64_t before = forged(peer);
	unsigned i;

	for (i = 0; i < 2000; i++) {
		send_esp(spi_of(peer));
		if (i % 64 == 63)
			drain();
	}
	drain();
	return forged(peer) - before;
}

static void
only_the_heavy_is_cut(void **state)
{
	uint64_t in;

	(void)state;
	overload(980);
	assert_true(e.p->fair.on);
	assert_int_equal(e.p->fair.n, 1);
	assert_int_equal(e.p->fair.cut[0].spi, spi_of(HEAVY));
	/* Three quarters of 1,000 less what the other one sends. */
	assert_in_range(e.p->fair.share, 725, 735);
	drain();
	in = let_in(HEAVY);
	assert_in_range(in, 1300, 1680);	/* 730 of 980 */
	assert_int_equal(let_in(LIGHT), 2000);
}

static void
what_is_cut_is_counted(void **state)
{
	struct path_peer_stat before, after;
	uint64_t in;

	(void)state;
	overload(980);
	drain();
	in = forged(HEAVY);
	path_peer_stat(e.p, HEAVY, &before);
	in += let_in(HEAVY);
	lab_now += 1000;
	path_tick(e.p);
	path_peer_stat(e.p, HEAVY, &after);
	/* 730 of 980 pass: of what passed, a third as many did not. */
	assert_in_range(lab_drops(&e, DROP_FAIR), in / 3, in * 2 / 5);
	assert_int_equal(lab_drops(&e, DROP_GUARD), 0);
	/* Before the cut there was no room for some. */
	assert_in_range(lab_drops(&e, DROP_SOCKET), 1000, 4000);
	assert_in_range(after.drops - before.drops, 2000, 2000 + in);
}

static void
who_keeps_up_is_left_alone(void **state)
{
	unsigned i;

	(void)state;
	/* Full batches, but the queue is short. */
	crowd(10 * FULL);
	assert_int_equal(path_due(e.p), lab_now);
	path_tick(e.p);
	for (i = 0; i < 4; i++) {
		came(HEAVY, 100000);
		look();
	}
	assert_false(e.p->fair.on);
	/* A long queue, but the receiver gets to its end. */
	crowd(FULL - 1);
	fair_batch(&e.p->thread[0], PATH_UDP4, 5);
	crowd(FULL - 1);
	fill_socket();
	for (i = 0; i < 4; i++) {
		came(HEAVY, 100000);
		look();
	}
	assert_false(e.p->fair.on);
	assert_int_equal(fair_due(e.p), 0);
}

static void
the_share_grows_until_nobody_exceeds_it(void **state)
{
	uint64_t share;
	unsigned i;

	(void)state;
	overload(980);
	share = e.p->fair.share;
	/* As long as the queue does not get shorter, less. */
	look();
	assert_true(e.p->fair.share < share);
	share = e.p->fair.share;
	drain();
	look();
	assert_true(e.p->fair.share > share);
	/* A short batch alone ends nothing. */
	fair_batch(&e.p->thread[0], PATH_UDP4, 1);
	look();
	assert_true(e.p->fair.on);
	for (i = 0; i < 100 && e.p->fair.on; i++) {
		came(HEAVY, 100);
		look();
	}
	assert_in_range(i, 39, 80);	/* a second of calm */
	assert_int_equal(fair_due(e.p), 0);
	assert_int_equal(let_in(HEAVY), 2000);
}

static void
strangers_stay_outside_meanwhile(void **state)
{
	uint64_t in, before;
	unsigned i;

	(void)state;
	for (i = 0; i < 12000; i++) {
		send_esp(0x30000000u + i);
		if (i % 64 == 63)
			drain();
	}
	lab_now += 1000;
	path_tick(e.p);
	assert_true(e.p->guard.on);
	overload(980);
	assert_true(e.p->fair.on && e.p->guard.on);
	drain();
	in = let_in(HEAVY);
	assert_in_range(in, 1300, 1680);
	assert_int_equal(let_in(LIGHT), 2000);
	before = lab_drops(&e, DROP_SPI);
	for (i = 0; i < 2000; i++)
		send_esp(0x30000000u + i);
	drain();
	assert_in_range(lab_drops(&e, DROP_SPI) - before, 0, 60);
}

static void
of_many_the_heaviest_are_cut(void **state)
{
	unsigned i;

	(void)state;
	for (i = 10; i < 310; i++)
		member((uint16_t)i);
	fill_socket();
	crowd(FULL);
	path_tick(e.p);
	for (i = 10; i < 310; i++)
		came((uint16_t)i, 1000 + i);
	look();
	assert_int_equal(e.p->fair.n, FAIR_CUTS);
	assert_int_equal(e.p->fair.cut[0].spi, spi_of(309));
	assert_int_equal(e.p->fair.cut[FAIR_CUTS - 1].spi,
	    spi_of(310 - FAIR_CUTS));
}

static void
send_ike(uint64_t spi)
{
	uint8_t p[64] = { 0 };

	store32(p + 4, (uint32_t)(spi >> 32));
	store32(p + 8, (uint32_t)spi);
	assert_int_equal(send(out, p, sizeof(p), 0), sizeof(p));
}

static unsigned
ike_events(void)
{
	struct path_event ev;
	unsigned n = 0;

	lab_turn(&e);
	while (path_event(e.p, &ev))
		n += ev.type == PATH_IKE;
	return n;
}

static void
ike_of_one_leaves_room_for_another(void **state)
{
	unsigned i, n = 0;

	(void)state;
	assert_int_equal(path_ike_spi_add(e.p, 0x1111, NULL), 0);
	assert_int_equal(path_ike_spi_add(e.p, 0x2222, NULL), 0);
	for (i = 0; i < 1000; i++) {
		send_ike(0x1111);
		if (i % 64 == 63)
			n += ike_events();
	}
	n += ike_events();
	assert_int_equal(n, 100);
	assert_int_equal(lab_drops(&e, DROP_RATE), 900);
	send_ike(0x2222);
	assert_int_equal(ike_events(), 1);
	/* And a message in many pieces a moment later. */
	lab_now += 320;
	for (i = 0; i < 64; i++)
		send_ike(0x1111);
	assert_int_equal(ike_events(), 64);
}

#define CASE(name, fn) { name, fn, setup, teardown, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("in an overload only who exceeds its share is cut",
		    only_the_heavy_is_cut),
		CASE("what is cut is counted, for the peer too",
		    what_is_cut_is_counted),
		CASE("nothing is cut while the receiver keeps up",
		    who_keeps_up_is_left_alone),
		CASE("the share grows until nobody exceeds it",
		    the_share_grows_until_nobody_exceeds_it),
		CASE("ESP-03: strangers stay outside meanwhile",
		    strangers_stay_outside_meanwhile),
		CASE("of many that exceed it the heaviest are cut",
		    of_many_the_heaviest_are_cut),
		CASE("much IKE of one SA leaves room for that of another",
		    ike_of_one_leaves_room_for_another),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
