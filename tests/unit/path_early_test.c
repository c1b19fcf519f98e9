#include "path_lab.h"

/* Packets that come before their SA (path_early.c). */

static struct lab_end A, B;

static const struct path_interface tunnel = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400 };
static uint32_t spi = 0x1000;

static void
open_with(unsigned threads)
{
	lab_open(&A, threads, &tunnel);
	lab_open(&B, 1, &tunnel);
	lab_peer(&A, 2, GRE_ENCAP_UDP, B.port);
}

static int
setup(void **state)
{
	(void)state;
	open_with(1);
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

/* The SA is on its way; both sides know the keys. */
static void
expect(void)
{
	lab_sa_message(2, ESP_CIPHER_AES128_GCM, 1, 2, true);
	assert_int_equal(path_spi_expect(A.p, spi, NULL), 0);
}

/* The peer's packet number seq, with a payload of n octets, comes to A. */
static void
come(uint64_t seq, size_t n)
{
	uint8_t gre[2048], p[2200];

	lab_inject(&A, B.port, p, lab_seal(0, spi, seq, gre, lab_gre(gre,
	    n), 0, IP_GRE, p));
}

static void
make_sa(void)
{
	struct gre_sa_add m = lab_sa_message(2, ESP_CIPHER_AES128_GCM,
	    spi, 0x2000, true);
	struct err e = { 0 };

	if (path_sa_add(A.p, &m, 0, &e) < 0)
		fail_msg("%s", e.msg);
}

/* How many octets of IP the next frame has that came out, 0: none came. */
static size_t
out(void)
{
	uint8_t f[4096];
	ssize_t n = lab_read(&A, f, sizeof(f));

	return n < 0 ? 0 : (size_t)n - VNET_HEAD - ETH_HEAD - 28;
}

static void
what_overtakes_its_sa_is_kept_in_order(void **state)
{
	(void)state;
	expect();
	come(1, 100);
	come(2, 333);
	come(3, 50);
	lab_turn(&A);
	assert_int_equal(out(), 0);
	assert_int_equal(lab_drops(&A, DROP_SPI), 0);
	make_sa();
	lab_turn(&A);
	assert_int_equal(out(), 100);
	assert_int_equal(out(), 333);
	assert_int_equal(out(), 50);
	assert_int_equal(out(), 0);
	come(4, 60);
	lab_turn(&A);
	assert_int_equal(out(), 60);
	come(2, 333);			/* the window saw those, too */
	assert_int_equal(lab_drops(&A, DROP_REPLAY), 1);
}

static void
only_what_is_expected_is_kept(void **state)
{
	struct path_event ev;

	(void)state;
	lab_sa_message(2, ESP_CIPHER_AES128_GCM, 1, 2, true);
	assert_int_equal(path_spi_expect(A.p, 0x1001, NULL), 0);
	come(1, 100);
	assert_int_equal(lab_drops(&A, DROP_SPI), 1);
	assert_true(lab_event(&A, PATH_INVALID_SPI, &ev));
	make_sa();
	lab_turn(&A);
	assert_int_equal(out(), 0);
	assert_int_equal(path_spi_expect(A.p, 0x1000, NULL), -1);
}

static void
nobody_is_expected_for_ever(void **state)
{
	(void)state;
	expect();
	come(1, 100);
	lab_now += 9999;
	path_tick(A.p);
	lab_turn(&A);
	assert_int_equal(lab_drops(&A, DROP_SPI), 0);
	lab_now += 1;
	path_tick(A.p);
	lab_turn(&A);
	assert_int_equal(lab_drops(&A, DROP_SPI), 1);
	come(2, 100);
	assert_int_equal(lab_drops(&A, DROP_SPI), 2);
	make_sa();
	lab_turn(&A);
	assert_int_equal(out(), 0);
}

static void
one_made_of_two_leaves_the_other_waiting(void **state)
{
	uint8_t p[64] = { 0, 0, 0x30, 0 };

	(void)state;
	expect();
	assert_int_equal(path_spi_expect(A.p, 0x3000, NULL), 0);
	lab_inject(&A, B.port, p, sizeof(p));
	come(1, 100);
	make_sa();
	lab_turn(&A);
	assert_int_equal(out(), 100);
	assert_int_equal(lab_drops(&A, DROP_SPI), 0);
	lab_now += 10000;
	path_tick(A.p);
	lab_turn(&A);
	assert_int_equal(lab_drops(&A, DROP_SPI), 1);
}

static void
a_flood_finds_an_end(void **state)
{
	unsigned i, n = 0;

	(void)state;
	expect();
	for (i = 1; i <= 200; i++)
		come(i, 1000);
	assert_in_range(lab_drops(&A, DROP_SPI), 130, 199);
	make_sa();
	for (i = 0; i < 10; i++)
		lab_turn(&A);
	while (out() != 0)
		n++;
	assert_true(n > 0);
}

/* The one that got them gives them to the one that owns the SA. */
static void
another_receiver_keeps_them_as_well(void **state)
{
	(void)state;
	open_with(4);
	spi = 0x1001;
	assert_int_equal(share_owner(A.p, spi), 1);
	expect();
	come(1, 100);			/* to receiver 0 */
	make_sa();
	lab_turn(&A);
	assert_int_equal(out(), 100);
	spi = 0x1000;
	teardown(state);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_overtakes_its_sa_is_kept_in_order),
		CASE(only_what_is_expected_is_kept),
		CASE(nobody_is_expected_for_ever),
		CASE(one_made_of_two_leaves_the_other_waiting),
		CASE(a_flood_finds_an_end),
		cmocka_unit_test(another_receiver_keeps_them_as_well),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
