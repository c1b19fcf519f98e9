#include "path_lab.h"

/* Floods of strangers, through real sockets on the loopback: the filter that
 * the kernel then gets lets in what is ours, and nothing else but a sample. */

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400, .offload = 0xff };

static struct lab_end e;
static int out;

#define SAS	300
#define IKES	150

static uint32_t
spi_of(unsigned i)
{
	return (i + 1) * 2654435761u | 0x100;
}

static uint64_t
ike_of(unsigned i)
{
	return (uint64_t)((i + 7) * 2246822519u | 1) << 32 | i;
}

static void
add_sa(unsigned i)
{
	static uint8_t key[64];
	uint8_t id[16] = { 0xaa, (uint8_t)(i >> 8), (uint8_t)i };
	struct gre_sa_add m = { .peer = 2, .mode = SA_MODE_TRANSPORT,
	    .cipher = ESP_CIPHER_AES128_GCM, .spi_in = spi_of(i),
	    .spi_out = 0x5000 + i };
	struct err err = { 0 };

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
	lab_peer(&e, 2, GRE_ENCAP_UDP, 9);
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
	assert_int_equal(send(out, p, sizeof(p), 0), sizeof(p));
}

static void
send_ike(uint64_t initiator, uint64_t responder)
{
	uint8_t p[64] = { 0 };

	store32(p + 4, (uint32_t)(initiator >> 32));
	store32(p + 8, (uint32_t)initiator);
	store32(p + 12, (uint32_t)(responder >> 32));
	store32(p + 16, (uint32_t)responder);
	assert_int_equal(send(out, p, sizeof(p), 0), sizeof(p));
}

/* A second of strangers; their SPIs are none of ours. */
static void
flood(unsigned n, bool ike)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (ike)
			send_ike((uint64_t)i << 34 | 0x200000000, 0);
		else
			send_esp(0x30000000u + i * 2);
		if (i % 64 == 63)
			drain();
	}
	drain();
	lab_now += 1000;
	path_tick(e.p);
}

/* How many of n get through to the path. */
static uint64_t
seen(enum path_drop why, unsigned n, bool ike)
{
	uint64_t before = lab_drops(&e, why);

	flood(n, ike);
	return lab_drops(&e, why) - before;
}

static void
a_flood_of_spis_stays_outside(void **state)
{
	uint64_t in;
	unsigned i;

	(void)state;
	add_sa(0);
	assert_int_equal(seen(DROP_SPI, 5000, false), 5000);
	assert_int_equal(seen(DROP_SPI, 12000, false), 12000);
	in = seen(DROP_SPI, 12000, false);
	assert_in_range(in, 1, 200);		/* one of 256 */
	assert_true(lab_drops(&e, DROP_GUARD) >= 12000 - in);
	assert_int_equal(lab_drops(&e, DROP_SOCKET), 0);
	/* Keepalives do not count, ours comes in. */
	assert_int_equal(send(out, "\xff", 1, 0), 1);
	in = lab_drops(&e, DROP_ESP_SHORT) + lab_drops(&e, DROP_FORGED);
	for (i = 0; i < 100; i++) {
		send_esp(spi_of(0));
		drain();
	}
	assert_int_equal(lab_drops(&e, DROP_ESP_SHORT) +
	    lab_drops(&e, DROP_FORGED), in + 100);
	/* Ten quiet seconds, and it goes. */
	for (i = 0; i < 12; i++) {
		lab_now += 1000;
		path_tick(e.p);
	}
	assert_int_equal(seen(DROP_SPI, 500, false), 500);
}

static void
each_spi_of_ours_gets_in(void **state)
{
	uint64_t in;
	unsigned i;

	(void)state;
	for (i = 0; i < SAS / 2; i++)
		add_sa(i);
	flood(12000, false);
	assert_true(e.p->guard.on);
	/* New ones at once, before anything else happens. */
	for (; i < SAS; i++)
		add_sa(i);
	in = lab_drops(&e, DROP_ESP_SHORT) + lab_drops(&e, DROP_FORGED);
	for (i = 0; i < SAS; i++) {
		send_esp(spi_of(i));
		drain();
	}
	assert_int_equal(lab_drops(&e, DROP_ESP_SHORT) +
	    lab_drops(&e, DROP_FORGED), in + SAS);
	/* Those that went are strangers from the next second on. */
	for (i = 0; i < SAS; i += 2)
		assert_int_equal(path_sa_delete(e.p, spi_of(i), 0, NULL), 0);
	flood(12000, false);
	in = lab_drops(&e, DROP_SPI);
	for (i = 0; i < SAS; i += 2)
		send_esp(spi_of(i));
	drain();
	assert_true(lab_drops(&e, DROP_SPI) - in < 10);
}

/* Packets may come before their SA, if it was told of. */
static void
what_is_expected_gets_in(void **state)
{
	unsigned i;

	(void)state;
	add_sa(0);
	for (i = 1; i < 50; i++)
		assert_int_equal(path_spi_expect(e.p, spi_of(i), NULL), 0);
	flood(12000, false);
	assert_true(e.p->guard.on);
	for (; i < 100; i++)
		assert_int_equal(path_spi_expect(e.p, spi_of(i), NULL), 0);
	for (i = 1; i < 100; i++) {
		send_esp(spi_of(i));
		drain();
	}
	assert_int_equal(e.p->thread[0].n_early, 99);
	for (i = 1; i < 100; i++)
		add_sa(i);
	drain();
	assert_int_equal(lab_drops(&e, DROP_ESP_SHORT) +
	    lab_drops(&e, DROP_FORGED), 99);
	for (i = 1; i < 100; i++) {
		send_esp(spi_of(i));
		drain();
	}
	assert_int_equal(lab_drops(&e, DROP_ESP_SHORT) +
	    lab_drops(&e, DROP_FORGED), 198);
}

/* Whom nobody waits for any longer is a stranger. */
static void
what_did_not_come_stays_outside(void **state)
{
	uint64_t in;
	unsigned i;

	(void)state;
	add_sa(0);
	for (i = 1; i < 100; i++)
		assert_int_equal(path_spi_expect(e.p, spi_of(i), NULL), 0);
	flood(12000, false);
	for (i = 0; i < 10; i++)
		flood(2000, false);
	assert_true(e.p->guard.on);
	in = lab_drops(&e, DROP_SPI);
	for (i = 1; i < 100; i++) {
		send_esp(spi_of(i));
		drain();
	}
	assert_int_equal(e.p->thread[0].n_early, 0);
	assert_true(lab_drops(&e, DROP_SPI) - in < 10);
}

static void
ike_of_ours_gets_in(void **state)
{
	struct path_event ev;
	unsigned i, n = 0;

	(void)state;
	add_sa(0);
	for (i = 0; i < IKES; i++)
		assert_int_equal(path_ike_spi_add(e.p, ike_of(i), NULL), 0);
	flood(40000, true);
	assert_true(e.p->guard.on);
	assert_in_range(seen(DROP_IKE_RATE, 40000, true), 3000, 18000);
	for (i = 0; i < IKES; i++) {
		if (i & 1)
			send_ike(ike_of(i), 0);
		else
			send_ike(0x4242424200000001, ike_of(i));
		lab_turn(&e);
		while (path_event(e.p, &ev))
			n += ev.type == PATH_IKE;
	}
	assert_int_equal(n, IKES);
}

static void
more_than_fit_are_all_let_in(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 1250; i++)
		add_sa(i);
	flood(12000, false);
	assert_false(e.p->guard.on);
	assert_int_equal(seen(DROP_SPI, 500, false), 500);
}

#define CASE(name, fn) { name, fn, setup, teardown, NULL }

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE("ESP-03: a flood of unknown SPIs stays outside",
		    a_flood_of_spis_stays_outside),
		CASE("ESP-03: each SPI of ours gets in all the same",
		    each_spi_of_ours_gets_in),
		CASE("what overtakes its SA gets in through a flood",
		    what_is_expected_gets_in),
		CASE("an SPI whose time is over stays outside",
		    what_did_not_come_stays_outside),
		CASE("IKE of ours gets in through a flood of IKE",
		    ike_of_ours_gets_in),
		CASE("more SPIs than a filter holds: all are let in",
		    more_than_fit_are_all_let_in),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
