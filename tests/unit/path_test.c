#include "path_lab.h"

static const struct path_interface mgre = { .id = 1,
    .mode = GRE_MODE_MGRE, .protect = GRE_PROTECT_IPSEC, .keyed = true,
    .key = 42, .mtu = 1400 };

static void
open_both(struct lab_end e[2], unsigned threads)
{
	lab_open(&e[0], threads, &mgre);
	lab_open(&e[1], threads, &mgre);
}

static void
close_both(struct lab_end e[2])
{
	lab_close(&e[0]);
	lab_close(&e[1]);
}

static void
send_and_compare(struct lab_end *from, struct lab_end *to, uint16_t peer,
    size_t n)
{
	uint8_t frame[2048], got[2048];
	size_t len = lab_udp_frame(frame, peer, n);
	ssize_t r;

	assert_int_equal(send(from->tap, frame, len, 0), len);
	lab_turn(from);
	lab_turn(to);
	r = lab_read(to, got, sizeof(got));
	assert_int_equal(r, len);
	assert_memory_equal(got + VNET_HEAD + ETH_HEAD,
	    frame + VNET_HEAD + ETH_HEAD, len - VNET_HEAD - ETH_HEAD);
	assert_int_equal(load16(got + VNET_HEAD + 10), peer == 2 ? 1 : 2);
	assert_int_equal(load16(got + VNET_HEAD + 4), PATH_MAC_SELF);
}

static void
packets_cross_with_every_cipher(void **state)
{
	struct lab_end e[2];
	unsigned c;
	size_t n;

	(void)state;
	for (c = 0; c < ESP_ALG_N * 2; c++) {
		open_both(e, 1 + c % 3);
		lab_pair(&e[0], &e[1], (enum esp_cipher)(c / 2), c & 1);
		for (n = 0; n < 70; n++)
			send_and_compare(&e[0], &e[1], 2, n);
		send_and_compare(&e[1], &e[0], 1, 1200);
		close_both(e);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_cross_with_every_cipher),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
