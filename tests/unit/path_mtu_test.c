#include "path_lab.h"

#include "dmvpn-gre/path_mtu.h"

/*
 * The search alone, against a path that drops what is larger than `takes`,
 * loses some of the rest, and answers after a round trip.
 */
#define IN_FLIGHT 64

struct world {
	struct mtu_search	 m;
	uint64_t		 now, rtt;
	unsigned		 takes;		/* octets */
	unsigned		 loss;		/* of 100 */
	bool			 mute;		/* nobody answers */
	uint64_t		 seed;
	unsigned		 sent;
	size_t			 n;
	struct { uint64_t at; uint32_t serial; unsigned rung; }
				 back[IN_FLIGHT];
};

static unsigned
dice(struct world *w, unsigned n)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (unsigned)(w->seed >> 33) % n;
}

static void
send_probes(struct world *w, uint32_t rungs)
{
	unsigned i;

	for (i = 0; i < w->m.n; i++) {
		if (!(rungs >> i & 1))
			continue;
		w->sent++;
		if (w->mute || w->m.rung[i] > w->takes ||
		    dice(w, 100) < w->loss || w->n == IN_FLIGHT)
			continue;
		w->back[w->n].at = w->now + w->rtt;
		w->back[w->n].serial = w->m.serial;
		w->back[w->n++].rung = i;
	}
}

/* Time passes, in steps of 10 ms, the clock of the second too. */
static void
run(struct world *w, uint64_t ms, bool large)
{
	uint64_t end = w->now + ms;
	uint32_t rungs;
	size_t i, k;

	for (; w->now < end; w->now += 10) {
		for (i = k = 0; i < w->n; i++) {
			if (w->back[i].at <= w->now)
				mtu_answered(&w->m, w->back[i].serial,
				    w->back[i].rung, w->now);
			else
				w->back[k++] = w->back[i];
		}
		w->n = k;
		if (w->now % 1000 == 0)
			mtu_age(&w->m, w->now, large);
		while ((rungs = mtu_step(&w->m, w->now)) != 0)
			send_probes(w, rungs);
	}
}

static struct world
world(unsigned takes)
{
	struct world w = { .now = 100000, .rtt = 40, .takes = takes,
	    .seed = 88172645463325252 };

	mtu_init(&w.m, 576, 1500);
	mtu_kick(&w.m, w.now, 1000);
	return w;
}

static void
a_path_that_takes_all(void **state)
{
	struct world w = world(1500);

	(void)state;
	run(&w, 3000, false);
	assert_int_equal(w.m.mtu, 1500);
	assert_int_equal(w.m.how, MTU_HOW_PROBED);
	assert_int_equal(w.m.phase, MTU_IDLE);
	assert_int_equal(w.sent, 2);		/* the floor and the top */
	run(&w, 300000, false);
	assert_int_equal(w.sent, 2);		/* nobody asks for more */
	run(&w, 120000, true);
	assert_in_range(w.sent, 4, 8);		/* confirmed, once a minute */
}

static void
every_size_is_found(void **state)
{
	unsigned takes, worst = 0;
	uint64_t began, slow = 0;

	(void)state;
	for (takes = 576; takes <= 1500; takes++) {
		struct world w = world(takes);

		run(&w, 2000, false);	/* the first verdict */
		assert_true(w.m.mtu <= takes || takes >= 1497);
		began = w.now;
		while (w.m.phase != MTU_IDLE && w.now - began < 60000)
			run(&w, 100, false);
		if (w.m.mtu > takes || takes - w.m.mtu >= 4)
			fail_msg("path of %u: %u was found", takes, w.m.mtu);
		if (w.sent > worst)
			worst = w.sent;
		if (w.now - began > slow)
			slow = w.now - began;
	}
	print_message("# at most %u probes, %u ms\n", worst, (unsigned)slow);
	assert_true(worst < 64);
	assert_true(slow < 5000);
}

/* One in ten lost both ways: never too large, seldom much too small. */
static void
losses_do_not_mislead(void **state)
{
	unsigned i, takes, small = 0;

	(void)state;
	for (i = 0; i < 500; i++) {
		struct world w = world(1500);

		w.seed += i * 7919u;
		takes = 600 + dice(&w, 901);
		w.takes = takes;
		w.loss = 10;
		run(&w, 30000, false);
		assert_true(w.m.mtu <= takes || takes >= 1497);
		small += w.m.mtu + 40U < takes;
	}
	assert_true(small < 25);
}

static void
a_path_that_narrows(void **state)
{
	struct world w = world(1500);

	(void)state;
	run(&w, 5000, true);
	w.takes = 1400;
	mtu_stuck(&w.m, w.now);		/* seldom is enough */
	run(&w, 10, true);
	assert_int_equal(w.m.mtu, 1500);
	run(&w, 6000, true);
	mtu_stuck(&w.m, w.now);
	run(&w, 700, true);
	assert_in_range(w.m.mtu, 1280, 1400);	/* traffic flows by now */
	run(&w, 5000, true);
	assert_in_range(w.m.mtu, 1396, 1400);
	/* Widens: found in ten minutes. */
	w.takes = 1500;
	run(&w, 11 * 60000, true);
	assert_int_equal(w.m.mtu, 1500);
	assert_int_equal(w.m.raise_at, 0);
}

static void
without_a_sign_it_is_confirmed_in_a_minute(void **state)
{
	struct world w = world(1500);

	(void)state;
	run(&w, 5000, true);
	w.takes = 1300;
	run(&w, 70000, true);
	assert_in_range(w.m.mtu, 1296, 1300);
}

static void
icmp_is_believed_and_checked(void **state)
{
	struct world w = world(1500);

	(void)state;
	run(&w, 5000, false);
	w.takes = 1420;
	mtu_told(&w.m, 1420, w.now);
	assert_int_equal(w.m.mtu, 1420);
	run(&w, 3000, false);
	assert_int_equal(w.m.mtu, 1420);
	assert_int_equal(w.m.how, MTU_HOW_PROBED);
	/* A lie costs a round trip. */
	mtu_told(&w.m, 576, w.now);
	assert_int_equal(w.m.mtu, 576);
	run(&w, 200, false);
	assert_int_equal(w.m.mtu, 1420);
	/* It may tell more than the truth. */
	w.takes = 1300;
	mtu_told(&w.m, 1400, w.now);
	run(&w, 6000, false);
	assert_in_range(w.m.mtu, 1296, 1300);
	mtu_told(&w.m, 1350, w.now);	/* an old one */
	assert_in_range(w.m.mtu, 1296, 1300);
}

static void
a_peer_that_answers_nothing(void **state)
{
	struct world w = world(1400);

	(void)state;
	w.mute = true;
	run(&w, 20000, false);
	assert_int_equal(w.m.mtu, 1500);
	assert_int_equal(w.m.how, MTU_HOW_ASSUMED);
	assert_int_equal(w.m.phase, MTU_IDLE);
	/* Only what is sent again tells: 1,280 for ten minutes. */
	mtu_stuck(&w.m, w.now);
	run(&w, 20000, false);
	mtu_stuck(&w.m, w.now);
	run(&w, 20000, false);
	assert_int_equal(w.m.mtu, 1280);
	assert_int_equal(w.m.how, MTU_HOW_GUESSED);
	run(&w, 11 * 60000, false);
	assert_int_equal(w.m.mtu, 1500);
	/* ICMP is believed, and gets old. */
	mtu_told(&w.m, 1400, w.now);
	run(&w, 20000, false);
	assert_int_equal(w.m.mtu, 1400);
	assert_int_equal(w.m.how, MTU_HOW_TOLD);
	run(&w, 11 * 60000, false);
	assert_int_equal(w.m.mtu, 1500);
}

static void
a_peer_that_dies_keeps_its_mtu(void **state)
{
	struct world w = world(1450);

	(void)state;
	run(&w, 10000, false);
	assert_in_range(w.m.mtu, 1447, 1450);
	w.mute = true;
	run(&w, 30 * 60000, true);
	assert_in_range(w.m.mtu, 1447, 1450);
}

static void
answers_of_before_are_void(void **state)
{
	struct mtu_search m = { .serial = 41 };
	uint32_t serial;

	(void)state;
	mtu_init(&m, 1280, 9000);
	mtu_kick(&m, 1000, 0);
	mtu_age(&m, 1000, false);
	assert_true(mtu_step(&m, 1000) != 0);
	serial = m.serial;
	mtu_answered(&m, serial - 1, m.n - 1, 1001);
	mtu_answered(&m, serial, m.n, 1001);
	mtu_answered(&m, serial, 31, 1001);
	assert_int_equal(m.answered, 0);
	assert_int_equal(mtu_step(&m, 1001), 0);
	mtu_answered(&m, serial, m.n - 1, 1002);
	assert_int_equal(mtu_step(&m, 1002), 0);
	assert_int_equal(m.how, MTU_HOW_PROBED);
	mtu_init(&m, 1280, 9000);
	assert_true(m.serial > serial);
}

static void
moved_is_verified_anew(void **state)
{
	struct world w = world(1400);

	(void)state;
	run(&w, 10000, false);
	assert_in_range(w.m.mtu, 1397, 1400);
	w.takes = 1500;
	mtu_moved(&w.m, w.now);
	run(&w, 100, false);
	assert_int_equal(w.m.mtu, 1500);
	w.takes = 700;
	mtu_moved(&w.m, w.now);
	run(&w, 6000, false);
	assert_in_range(w.m.mtu, 697, 700);
}

/* ------------------------------------------------- through the packet path */

static struct lab_end a, b;

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400, .offload = 0xff };

static void
both(unsigned turns)
{
	struct path_event ev;

	while (turns-- > 0) {
		path_tick(a.p);
		path_tick(b.p);
		lab_turn(&a);
		lab_turn(&b);
		while (path_event(a.p, &ev) || path_event(b.p, &ev))
			assert_true(ev.type < PATH_PROBE);
		lab_turn(&a);
		lab_turn(&b);
		lab_now += 100;
	}
}

static void
peers_of_our_kind_answer(void **state)
{
	static const struct { enum esp_cipher cipher; bool esn; } how[] = {
		{ ESP_CIPHER_AES128_GCM, true },
		{ ESP_CIPHER_AES256_CBC_SHA256, false },
	};
	struct path_peer_stat s;
	unsigned i, threads;

	(void)state;
	for (i = 0; i < 4; i++) {
		threads = i < 2 ? 1 : 2;
		lab_open(&a, threads, &mgre);
		lab_open(&b, threads, &mgre);
		lab_pair(&a, &b, how[i & 1].cipher, how[i & 1].esn);
		both(30);
		assert_int_equal(path_peer_stat(a.p, 2, &s), 0);
		assert_int_equal(s.how, MTU_HOW_PROBED);
		assert_int_equal(s.mtu, 1500);
		assert_false(s.searching);
		assert_int_equal(lab_drops(&a, DROP_DUMMY), 0);
		assert_int_equal(lab_drops(&b, DROP_DUMMY), 0);
		/* Nothing of it is for the kernel. */
		assert_int_equal(lab_read(&b, (uint8_t[64]){ 0 }, 64), -1);
		lab_close(&a);
		lab_close(&b);
	}
}

/* An answer as a stranger's ping would have it: the kernel's. */
static void
echo_answer(struct lab_end *e, uint8_t *ip, size_t n)
{
	struct in_meta m = { .udp = true };

	ip[20] = 0;
	e->p->thread[0].now = lab_now;
	memcpy(ip + 12, (uint8_t[]){ 10, 0, 0, 2, 10, 0, 0, 1 }, 8);
	ip4_checksum(ip);
	assert_true(in_inner(&e->p->thread[0], &m, path_iface_find(e->p, 1),
	    path_peer_find(e->p, 2), ip, n, 4, NULL));
	gro_flush(&e->p->thread[0]);
	say_wake(&e->p->thread[0]);
}

/* Others discard dummies, but anybody answers a ping: the probes are caught
 * as they come out of the far tunnel. */
static void
others_are_pinged(void **state)
{
	struct path_interface i = mgre;
	struct addr hop = addr_of((uint8_t[]){ 10, 0, 0, 2 }, 4);
	uint8_t f[2048], *ip = f + VNET_HEAD + ETH_HEAD;
	struct path_peer_stat s;
	struct path_event ev;
	unsigned t, pings = 0, largest = 0;
	ssize_t n;

	(void)state;
	i.n_addresses = 1;
	i.addresses[0] = addr_of((uint8_t[]){ 10, 0, 0, 1 }, 4);
	lab_open(&a, 1, &i);
	lab_open(&b, 1, &mgre);
	lab_pair(&a, &b, ESP_CIPHER_AES128_GCM, false);
	path_peer_address(a.p, 1, 2, &hop);
	for (t = 0; t < 80; t++, lab_now += 100) {
		path_tick(a.p);
		lab_turn(&a);
		lab_turn(&b);		/* its control thread sleeps */
		while ((n = lab_read(&b, f, sizeof(f))) > 0) {
			n -= VNET_HEAD + ETH_HEAD;
			assert_int_equal(ip[9], IP_ICMP);
			assert_int_equal(ip[20], 8);
			assert_int_equal(sum_fold(sum_add(ip + 20,
			    (size_t)n - 20, 0)), 0xffff);
			pings++;
			if ((unsigned)n > largest)
				largest = (unsigned)n;
			if (n < 1400)	/* a hole */
				echo_answer(&a, ip, (size_t)n);
		}
		while (path_event(a.p, &ev))
			continue;
	}
	assert_true(pings > 4);
	assert_int_equal(largest, 1500 - 20 - 8 - 8 - 8 - 16 - 2 - 8);
	assert_int_equal(path_peer_stat(a.p, 2, &s), 0);
	assert_int_equal(s.how, MTU_HOW_PROBED);
	assert_in_range(s.inner_mtu, 1392, 1399);
	/* Not one answer was for the kernel; that of another ping is. */
	assert_int_equal(lab_read(&a, f, sizeof(f)), -1);
	memset(ip, 0, 64);
	ip[0] = 0x45;
	ip[3] = 64;
	ip[8] = 9;
	ip[9] = IP_ICMP;
	echo_answer(&a, ip, 64);
	assert_true(lab_read(&a, f, sizeof(f)) > 0);
	lab_close(&a);
	lab_close(&b);
}

static void
a_peer_stated_again_keeps_it(void **state)
{
	struct path_peer c = { .number = 2, .encap = GRE_ENCAP_UDP };
	struct path_peer_stat s;
	struct addr there = addr_of((uint8_t[]){ 127, 0, 0, 1 }, 4);

	(void)state;
	lab_open(&a, 1, &mgre);
	lab_open(&b, 1, &mgre);
	lab_pair(&a, &b, ESP_CIPHER_AES128_GCM, false);
	path_peer_mtu(&a.p->thread[0], &there, 1400);
	path_peer_stat(a.p, 2, &s);
	assert_int_equal(s.mtu, 1400);
	lab_peer(&a, 2, GRE_ENCAP_UDP, b.port);
	path_peer_stat(a.p, 2, &s);
	assert_int_equal(s.mtu, 1400);
	/* Another path, or another route. */
	c.remote = lab_at(b.port);
	c.mtu = 1450;
	assert_int_equal(path_peer_set(a.p, &c, NULL), 0);
	path_peer_stat(a.p, 2, &s);
	assert_int_equal(s.mtu, 1450);
	assert_int_equal(s.how, MTU_HOW_ASSUMED);
	path_peer_mtu(&a.p->thread[0], &there, 1400);
	lab_peer(&a, 2, GRE_ENCAP_UDP, 4499);
	path_peer_stat(a.p, 2, &s);
	assert_int_equal(s.mtu, 1500);
	lab_close(&a);
	lab_close(&b);
}

/* TCP that repeats itself has the path looked at. */
static void
what_is_sent_again_is_noticed(void **state)
{
	uint8_t f[2048], *ip = f + VNET_HEAD + ETH_HEAD, *tcp = ip + 20;
	struct path_peer_stat s;
	size_t n = lab_udp_frame(f, 2, 1200);
	unsigned k;

	(void)state;
	lab_open(&a, 1, &mgre);
	lab_open(&b, 1, &mgre);
	lab_pair(&a, &b, ESP_CIPHER_AES128_GCM, false);
	both(60);
	ip[9] = IP_TCP;
	ip4_checksum(ip);
	memset(tcp, 0, 20);
	tcp[12] = 0x50;
	tcp[13] = TCP_ACK;
	for (k = 0; k < 6; k++) {	/* new data, then the last one again */
		store32(tcp + 4, k < 4 ? 1000 + k * 1180 : 1000);
		assert_int_equal(send(a.tap, f, n, 0), (ssize_t)n);
		lab_turn(&a);
		while (path_event(a.p, &(struct path_event){ 0 }))
			continue;
		path_peer_stat(a.p, 2, &s);
		assert_int_equal(s.searching, k == 5);
	}
	assert_true(path_due(a.p) > 0);
	both(5);
	path_peer_stat(a.p, 2, &s);
	assert_false(s.searching);
	assert_int_equal(s.mtu, 1500);
	assert_int_equal(path_due(a.p), 0);
	lab_close(&a);
	lab_close(&b);
}

#define CASE(name, fn) { name, fn, NULL, NULL, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("a path that takes all costs two probes",
		    a_path_that_takes_all),
		CASE("GRE-10: every size is found, to four octets",
		    every_size_is_found),
		CASE("losses do not mislead", losses_do_not_mislead),
		CASE("GRE-10: a path that narrows, and widens again",
		    a_path_that_narrows),
		CASE("without a sign it is confirmed in a minute",
		    without_a_sign_it_is_confirmed_in_a_minute),
		CASE("what ICMP says is believed and checked",
		    icmp_is_believed_and_checked),
		CASE("a peer that answers nothing: ICMP and TCP tell",
		    a_peer_that_answers_nothing),
		CASE("a peer that dies keeps its MTU",
		    a_peer_that_dies_keeps_its_mtu),
		CASE("answers to what was before are void",
		    answers_of_before_are_void),
		CASE("a peer that moved is verified anew",
		    moved_is_verified_anew),
		CASE("peers of our kind answer dummies",
		    peers_of_our_kind_answer),
		CASE("others are pinged through the tunnel",
		    others_are_pinged),
		CASE("a peer that is stated again keeps its MTU",
		    a_peer_stated_again_keeps_it),
		CASE("TCP that repeats itself is noticed",
		    what_is_sent_again_is_noticed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
