#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>

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
	static uint8_t key[20], again;
	uint8_t id[16] = { 0xbb, (uint8_t)(number >> 8), (uint8_t)number,
	    again++ };
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
	(void)state;
	lab_open(&e, 1, &mgre);
	member(LIGHT);
	member(HEAVY);
	out = lab_sender(&e);
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
batch(bool full)
{
	struct path_thread *t = &e.p->thread[0];

	fair_batch(t, &t->full_in[PATH_UDP4], full);
}

static void
crowd(unsigned batches)
{
	while (batches-- > 0)
		batch(true);
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
	assert_true(e.p->fair[FAIR_IN].on);
	assert_int_equal(e.p->fair[FAIR_IN].n, 1);
	assert_int_equal(e.p->fair[FAIR_IN].cut[0].key, spi_of(HEAVY));
	/* Three quarters of 1,000 less what the other one sends. */
	assert_in_range(e.p->fair[FAIR_IN].share, 725, 735);
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
	path_peer_stat(e.p, HEAVY, &before);
	in = let_in(HEAVY);
	lab_now += 1000;
	path_tick(e.p);
	path_peer_stat(e.p, HEAVY, &after);
	assert_in_range(lab_drops(&e, DROP_FAIR), 300, 2000 - in);
	assert_int_equal(lab_drops(&e, DROP_GUARD), 0);
	/* Before the cut there was no room for some. */
	assert_in_range(lab_drops(&e, DROP_SOCKET), 1000, 4000);
	assert_in_range(after.drops - before.drops, in + 300, 2000);
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
	assert_false(e.p->fair[FAIR_IN].on);
	/* A long queue, but the receiver gets to its end. */
	crowd(FULL - 1);
	batch(false);
	crowd(FULL - 1);
	fill_socket();
	for (i = 0; i < 12; i++) {
		came(HEAVY, 100000);
		look();
	}
	assert_false(e.p->fair[FAIR_IN].on);
	assert_int_equal(fair_due(e.p), 0);
}

static void
the_share_grows_until_nobody_exceeds_it(void **state)
{
	uint64_t share;
	unsigned i;

	(void)state;
	overload(980);
	share = e.p->fair[FAIR_IN].share;
	/* As long as the queue does not get shorter, less. */
	look();
	assert_true(e.p->fair[FAIR_IN].share < share);
	share = e.p->fair[FAIR_IN].share;
	drain();
	look();
	assert_true(e.p->fair[FAIR_IN].share > share);
	/* A short batch alone ends nothing. */
	batch(false);
	look();
	assert_true(e.p->fair[FAIR_IN].on);
	for (i = 0; i < 100 && e.p->fair[FAIR_IN].on; i++) {
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
	assert_true(e.p->fair[FAIR_IN].on && e.p->guard.on);
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
	assert_int_equal(e.p->fair[FAIR_IN].n, FAIR_CUTS);
	assert_int_equal(e.p->fair[FAIR_IN].cut[0].key, spi_of(309));
	assert_int_equal(e.p->fair[FAIR_IN].cut[FAIR_CUTS - 1].key,
	    spi_of(310 - FAIR_CUTS));
}

/* Who gets the number of one that was cut is not guilty of what that did. */
static void
a_number_given_again_begins_anew(void **state)
{
	const struct fair *f = &e.p->fair[FAIR_IN];

	(void)state;
	overload(980);
	assert_int_not_equal(f->of[HEAVY].pass, 0);
	path_peer_delete(e.p, HEAVY);
	member(HEAVY);
	came(HEAVY, 5);
	came(LIGHT, 20);
	look();
	/* Five, not five times what the filter let in of the old one, nor
	 * smoothed with what that one sent. */
	assert_int_equal(f->of[HEAVY].rate, 5);
	assert_int_equal(f->of[HEAVY].lost, 0);
	assert_int_equal(f->of[LIGHT].rate, 20);
	assert_int_equal(f->n, 0);
}

/* A socket of a packet half that died while the kernel kept things out. */
static void
an_old_filter_is_taken_away(void **state)
{
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	const struct sock_fprog prog = { .len = 1, .filter = none };
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint16_t port;
	int fd = lab_udp(&port);

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
	    sizeof(prog)), 0);
	assert_int_equal(path_socket_add(e.p, PATH_UDP4, fd, NULL), 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(port);
	assert_int_equal(connect(out, (struct sockaddr *)&to, sizeof(to)),
	    0);
	assert_int_equal(let_in(LIGHT), 2000);
}

static void
went(uint16_t peer, uint64_t n)
{
	atomic_fetch_add(&path_peer_find(e.p, peer)->tx_packets, n);
}

static void
tap_batches(unsigned n, bool full)
{
	struct path_thread *t = &e.p->thread[0];

	while (n-- > 0)
		fair_batch(t, &t->full_out[1], full);
}

/* TCP fills a queue, and no frame is lost. */
static void
a_full_tap_that_loses_nothing(void **state)
{
	unsigned i;

	(void)state;
	tap_batches(10 * FULL, true);
	assert_int_equal(fair_due(e.p), lab_now);
	for (i = 0; i < 10; i++) {
		went(HEAVY, 100000);
		look();
	}
	assert_false(e.p->fair[FAIR_OUT].on);
	tap_batches(1, false);
	for (i = 0; i < 12; i++)
		look();
	assert_int_equal(fair_due(e.p), 0);
}

static void
the_share_of_what_goes_out(void **state)
{
	struct fair *f = &e.p->fair[FAIR_OUT];
	unsigned i;

	(void)state;
	tap_batches(FULL, true);
	path_tick(e.p);
	f->on = true;			/* as if frames were lost */
	f->share = 1000;
	f->used = UINT32_MAX;
	tap_batches(8, true);
	f->until = lab_now + 5000;
	went(LIGHT, 20);
	went(HEAVY, 3000);
	look();
	assert_int_equal(f->share, 1000);	/* first see what it does */
	tap_batches(8, true);
	went(LIGHT, 20);
	went(HEAVY, 1000);
	look();
	assert_int_equal(f->share, 750);
	assert_int_equal(f->n, 1);
	assert_int_equal(f->cut[0].key, HEAVY);
	/* A third of 3,000 came: so many are sent as before. */
	assert_in_range(f->cut[0].pass, FAIR_ALL / 1000 * 249,
	    FAIR_ALL / 1000 * 251);
	tap_batches(1, false);
	look();
	assert_true(f->share > 750);
	/* It is long now and then, but not for ever without. */
	for (i = 0; i < 300 && f->on; i++) {
		tap_batches(8, true);
		tap_batches(1, false);
		went(HEAVY, 1000);
		look();
	}
	assert_in_range(i, 100, 210);
	assert_int_equal(f->n, 0);
}

/* A device of its own namespace, in the place of the pair of sockets; -1:
 * not here.  Returns a socket that sends frames to it. */
static int
real_tap(struct path_interface *i)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	struct ifreq r = { .ifr_name = "fair0" };
	struct err err = { 0 };
	int tap, fd;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 ||
	    (tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC)) < 0)
		return -1;
	r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	if (ioctl(tap, TUNSETIFF, &r) < 0 ||
	    (fd = socket(AF_PACKET, SOCK_RAW, 0)) < 0) {
		close(tap);
		return -1;
	}
	r.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	assert_int_equal(ioctl(fd, SIOCGIFINDEX, &r), 0);
	to.sll_ifindex = r.ifr_ifindex;
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	if (path_interface_set(e.p, i, &err) < 0 ||
	    path_interface_taps(e.p, i->id, &tap, 1, &err) < 0)
		fail_msg("%s", err.msg);
	close(e.p->devices);
	fair_init(e.p);
	return fd;
}

/* How many of 500 frames to that peer get through the device. */
static uint64_t
frames_to(int fd, uint16_t peer)
{
	uint8_t frame[256];
	size_t n = lab_udp_frame(frame, peer, 40);
	uint64_t before = counted(&path_peer_find(e.p, peer)->tx_packets);
	unsigned i;

	for (i = 0; i < 500; i++) {
		assert_true(send(fd, frame + VNET_HEAD, n - VNET_HEAD, 0) > 0);
		if (i % 32 == 31)
			drain();
	}
	drain();
	return counted(&path_peer_find(e.p, peer)->tx_packets) - before;
}

static void
a_device_drops_what_is_cut(void **state)
{
	struct path_interface second = mgre;
	struct fair *f = &e.p->fair[FAIR_OUT];
	uint64_t dropped, in;
	int fd;

	(void)state;
	second.id = 2;
	second.key = 43;
	if ((fd = real_tap(&second)) < 0)
		skip();
	drain();
	assert_int_equal(frames_to(fd, HEAVY), 500);
	dropped = tap_dropped(e.p);
	f->cut[0] = (struct filter_cut){ OF_PEER, HEAVY, FAIR_ALL / 4 };
	f->n = 1;
	filter_write_taps(e.p);
	in = frames_to(fd, HEAVY);
	assert_in_range(in, 70, 190);
	assert_int_equal(tap_dropped(e.p) - dropped, 500 - in);
	assert_int_equal(frames_to(fd, LIGHT), 500);
	f->n = 0;
	filter_write_taps(e.p);
	assert_int_equal(frames_to(fd, HEAVY), 500);
	close(fd);
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
		CASE("a number that is given again begins anew",
		    a_number_given_again_begins_anew),
		CASE("a filter that another packet half left is taken away",
		    an_old_filter_is_taken_away),
		CASE("a TAP that is full but loses nothing is left alone",
		    a_full_tap_that_loses_nothing),
		CASE("what goes to one peer is held to its share, for a while",
		    the_share_of_what_goes_out),
		CASE("much IKE of one SA leaves room for that of another",
		    ike_of_one_leaves_room_for_another),
		/* Last: it leaves the network namespace. */
		CASE("a device drops what is cut, and says so",
		    a_device_drops_what_is_cut),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
