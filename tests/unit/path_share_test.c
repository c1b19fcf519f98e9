#include "path_lab.h"

/* Several receivers and senders: who gets what. */
static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400 };

#define GCM ESP_CIPHER_AES128_GCM

static struct lab_end E;

static void
open_with(unsigned threads)
{
	lab_now += 1000;
	lab_open(&E, threads, &mgre);
	lab_peer(&E, 1, GRE_ENCAP_UDP, 4501);
}

static void
add_sa(uint32_t spi)
{
	struct gre_sa_add m = lab_sa_message(1, GCM, spi, spi + 1, true);
	struct err err = { 0 };

	if (path_sa_add(E.p, &m, 0, &err) < 0)
		fail_msg("%s", err.msg);
}

/* An ESP packet of that SA. */
static size_t
packet(uint32_t spi, uint64_t seq, uint8_t *p)
{
	uint8_t inner[512];
	size_t n = lab_gre(inner, 100);

	return lab_seal(0, spi, seq, inner, n, 0, IP_GRE, p);
}

static uint64_t
received(void)
{
	struct path_interface_stat s;

	assert_int_equal(path_interface_stat(E.p, 1, &s), 0);
	return s.rx_packets;
}

static void
sends(const uint8_t *p, size_t n)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons(E.port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(sendto(fd, p, n, 0, (struct sockaddr *)&to,
	    sizeof(to)), n);
	close(fd);
}

static void
threads_are_halved(void **state)
{
	static const struct {
		unsigned threads, in, out;
	} want[] = { { 1, 1, 1 }, { 2, 1, 1 }, { 3, 1, 2 }, { 4, 2, 2 },
	    { 5, 2, 3 }, { 64, 32, 32 } };
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(path_receivers(want[i].threads), want[i].in);
		assert_int_equal(path_senders(want[i].threads), want[i].out);
	}
	assert_in_range(path_threads_auto(), 1, 8);
}

static void
the_kernel_steers_by_spi(void **state)
{
	struct path_feature f[PATH_FEATURE_N];
	uint8_t p[1024];
	uint32_t spi;
	unsigned i;

	(void)state;
	open_with(6);
	path_features(E.p, f);
	assert_true(f[PATH_STEER].on);
	for (spi = 0x1000; spi < 0x1009; spi++) {
		add_sa(spi);
		sends(p, packet(spi, 1, p));
	}
	/* Each receiver alone takes in what is its own. */
	for (i = 0; i < 3; i++) {
		path_turn(&E.p->thread[i], 0);
		assert_int_equal(received(), 3 * (i + 1));
		for (spi = 0; spi < 3; spi++)
			assert_true(spi == i || path_ring_empty(
			    &E.p->thread[spi].handed[i]));
	}
	/* IKE and keepalives are for the first. */
	memset(p, 0, 200);
	sends(p, 200);
	p[0] = UDP_KEEPALIVE;
	sends(p, 1);
	path_turn(&E.p->thread[1], 0);
	path_turn(&E.p->thread[2], 0);
	assert_true(path_ring_empty(&E.p->thread[0].strangers));
	path_turn(&E.p->thread[0], 0);
	assert_false(path_ring_empty(&E.p->thread[0].strangers));
	lab_close(&E);
}

static void
what_comes_to_another_is_handed_on(void **state)
{
	struct in_meta m = { .remote = lab_at(4501), .local = lab_at(4500),
	    .udp = true };
	struct path_thread *other;
	uint8_t p[1024], again[1024];
	size_t n;

	(void)state;
	open_with(4);
	other = &E.p->thread[1];
	add_sa(0x1000);			/* the first's */
	n = packet(0x1000, 7, p);
	memcpy(again, p, n);
	other->now = lab_now;
	in_udp(other, &m, p, n);
	in_udp(other, &m, again, n);
	gro_flush(other);
	assert_int_equal(received(), 0);
	share_wake(other);
	path_turn(&E.p->thread[0], 0);
	/* Once, whoever it came to. */
	assert_int_equal(received(), 1);
	assert_int_equal(lab_drops(&E, DROP_REPLAY), 1);
	lab_close(&E);
}

static void
a_full_ring_drops_and_counts(void **state)
{
	struct in_meta m = { .remote = lab_at(4501), .local = lab_at(4500),
	    .udp = true };
	struct path_thread *other;
	uint8_t p[1024];
	size_t n;
	unsigned i;

	(void)state;
	open_with(4);
	other = &E.p->thread[1];
	add_sa(0x1000);
	for (i = 1; i <= 1000; i++) {
		n = packet(0x1000, i, p);
		in_udp(other, &m, p, n);
	}
	share_wake(other);
	path_turn(&E.p->thread[0], 0);
	assert_true(received() > 50);
	assert_int_equal(received() + lab_drops(&E, DROP_RING), 1000);
	lab_close(&E);
}

/* A frame on the TAP, and which thread took it. */
static bool
takes(unsigned i)
{
	uint8_t f[512];
	size_t n = lab_udp_frame(f, 1, 64);
	struct path_interface_stat was, is;

	path_interface_stat(E.p, 1, &was);
	assert_int_equal(send(E.tap, f, n, 0), n);
	path_turn(&E.p->thread[i], 0);
	path_interface_stat(E.p, 1, &is);
	if (is.tx_packets == was.tx_packets + 1)
		return true;
	for (i = 0; i < E.p->n_threads; i++)
		path_turn(&E.p->thread[i], 0);
	return false;
}

static void
one_loop_becomes_two_and_one_again(void **state)
{
	uint8_t nhrp[20] = { 0 };
	struct path_peer_stat s, was;

	(void)state;
	open_with(2);
	add_sa(0x1000);
	assert_true(takes(0));
	assert_false(takes(1));
	share_want(E.p, 1, 1);
	path_turn(&E.p->thread[0], 0);	/* gives it away at the end */
	assert_true(takes(1));
	assert_false(takes(0));
	/* What control sends goes to whoever does the work. */
	path_peer_stat(E.p, 1, &was);
	assert_int_equal(path_nhrp_send(E.p, 1, 1, rbuf_of(nhrp, 20), NULL),
	    0);
	path_turn(&E.p->thread[0], 0);
	path_peer_stat(E.p, 1, &s);
	assert_int_equal(s.tx_packets, was.tx_packets);
	path_turn(&E.p->thread[1], 0);
	path_peer_stat(E.p, 1, &s);
	assert_int_equal(s.tx_packets, was.tx_packets + 1);
	share_want(E.p, 1, 0);
	path_turn(&E.p->thread[1], 0);
	assert_true(takes(0));
	assert_false(takes(1));
	lab_close(&E);
}

static void
a_new_queue_goes_to_who_has_the_work(void **state)
{
	struct path_interface second = mgre;
	struct lab_end extra;

	(void)state;
	open_with(2);
	add_sa(0x1000);
	share_want(E.p, 1, 1);
	path_turn(&E.p->thread[0], 0);
	second.id = 2;
	second.key = 43;
	extra = E;
	lab_tap(&extra, &second);
	assert_true(takes(1));
	path_interface_delete(E.p, 2);
	close(extra.tap);
	lab_close(&E);
}

static void
a_shared_bucket_holds_its_rate(void **state)
{
	_Atomic(uint64_t) b = 0;
	unsigned i, n = 0;

	(void)state;
	for (i = 0; i < 1000; i++)
		n += bucket_take_shared(&b, 5000, 500, 200);
	assert_int_equal(n, 200);
	for (n = i = 0; i < 1000; i++)
		n += bucket_take_shared(&b, 5100, 500, 200);
	assert_int_equal(n, 50);
	for (n = i = 0; i < 1000; i++)
		n += bucket_take_shared(&b, 99000, 500, 200);
	assert_int_equal(n, 200);
}

/* The SPI under which thread i sends now. */
static uint32_t
sent_with(unsigned i)
{
	struct path_thread *t = &E.p->thread[i];
	uint8_t f[512];
	size_t n = lab_udp_frame(f, 1, 64);
	uint32_t spi = 0;

	out_frame(t, path_iface_find(E.p, 1), f, n);
	if (t->tx.n > 0)
		spi = t->tx.msg[0].sa->spi_out;
	t->tx.n = 0;
	t->tx.len = 0;
	return spi;
}

static void
add_queue_sa(uint32_t spi, uint8_t queue)
{
	struct gre_sa_add m = lab_sa_message(1, GCM, spi, spi + 1, true);
	struct err err = { 0 };

	m.queue = queue;
	if (path_sa_add(E.p, &m, 0, &err) < 0)
		fail_msg("%s", err.msg);
}

static bool
active(uint32_t spi)
{
	struct path_sa_stat s;

	assert_int_equal(path_sa_stat(E.p, spi, &s), 0);
	return s.active;
}

/* RFC 9611, 3. */
static void
each_sender_prefers_its_own_sa(void **state)
{
	(void)state;
	open_with(4);
	add_queue_sa(0x1000, 0);
	assert_int_equal(sent_with(2), 0x1001);
	add_queue_sa(0x2000, 1);
	add_queue_sa(0x3000, 2);
	assert_int_equal(sent_with(2), 0x2001);
	assert_int_equal(sent_with(3), 0x3001);
	/* The receiver beside a sender works for it. */
	assert_int_equal(sent_with(1), 0x3001);
	assert_true(active(0x1000) && active(0x2000) && active(0x3000));
	add_queue_sa(0x4000, 2);	/* a rekey */
	assert_int_equal(sent_with(2), 0x2001);
	assert_int_equal(sent_with(3), 0x4001);
	assert_false(active(0x3000));
	path_sa_delete(E.p, 0x3000, 0, NULL);
	path_sa_delete(E.p, 0x4000, 0, NULL);
	assert_int_equal(sent_with(3), 0x1001);
	path_sa_delete(E.p, 0x1000, 0, NULL);
	assert_int_equal(sent_with(3), 0x2001);
	lab_close(&E);
}

static void
two_spis_share_no_send(void **state)
{
	struct path_thread *t;
	uint8_t f[512];
	size_t n = lab_udp_frame(f, 1, 64);
	struct iface *i;

	(void)state;
	open_with(4);
	t = &E.p->thread[2];
	i = path_iface_find(E.p, 1);
	add_sa(0x1000);
	out_frame(t, i, f, n);
	out_frame(t, i, f, n);
	assert_int_equal(t->tx.n, 1);
	add_sa(0x2000);
	out_frame(t, i, f, n);
	assert_int_equal(t->tx.n, 2);
	t->tx.n = 0;
	lab_close(&E);
}

/* Turns in which n messages are read, so many a millisecond; how many of
 * the last millisecond's were followed by a sleep. */
static unsigned
naps(struct path_thread *t, unsigned turns, unsigned n)
{
	unsigned ms, i, slept = 0;

	for (ms = 0; ms < 3; ms++)
		for (i = slept = 0; i < turns; i++) {
			t->now = 5000 + ms;
			t->turn_read = n;
			slept += path_gathers(t, t->now - (i == 0));
		}
	return slept;
}

static void
only_a_flood_of_single_messages_waits(void **state)
{
	struct path_thread t = { .index = 0 };

	(void)state;
	assert_int_equal(naps(&t, 10, 1), 0);	/* pings */
	assert_int_equal(naps(&t, 1, 30), 0);	/* a burst now and then */
	assert_int_equal(naps(&t, 10, 40), 0);	/* large batches already */
	assert_int_equal(naps(&t, 100, 2), 100);
	/* After a pause the first ones do not wait. */
	t.now = 9000;
	t.turn_read = 2;
	assert_false(path_gathers(&t, 5002));
	/* Nor does a turn that found nothing. */
	naps(&t, 100, 2);
	t.turn_read = 0;
	assert_false(path_gathers(&t, t.now));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "half of the threads receive, half send",
		    threads_are_halved, NULL, NULL, NULL },
		{ "the kernel gives each receiver the SPIs that are its own",
		    the_kernel_steers_by_spi, NULL, NULL, NULL },
		{ "a packet of another's SA is handed on, and counts once",
		    what_comes_to_another_is_handed_on, NULL, NULL, NULL },
		{ "what a full ring has no room for is counted",
		    a_full_ring_drops_and_counts, NULL, NULL, NULL },
		{ "one loop becomes two and one again",
		    one_loop_becomes_two_and_one_again, NULL, NULL, NULL },
		{ "a new TAP queue goes to who has the work now",
		    a_new_queue_goes_to_who_has_the_work, NULL, NULL, NULL },
		{ "RFC 9611: each sender prefers its own SA, then that of all",
		    each_sender_prefers_its_own_sa, NULL, NULL, NULL },
		{ "datagrams of two SPIs are not sent in one",
		    two_spis_share_no_send, NULL, NULL, NULL },
		{ "only a flood of single messages is left to gather",
		    only_a_flood_of_single_messages_waits, NULL, NULL, NULL },
		{ "a bucket of several threads holds its rate",
		    a_shared_bucket_holds_its_rate, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
