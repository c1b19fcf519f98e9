#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dmvpn-ike/ike_int.h"

/* GRE from one host, with a range of what IKE calls ports. */
static struct ike_ts
gre(uint16_t first, uint16_t last)
{
	static const uint8_t octets[] = { 192, 0, 2, 1 };
	struct addr a = addr_of(octets, sizeof(octets));
	struct ike_ts ts = ike_ts_of_range(&a, &a, 47);

	ts.port_first = first;
	ts.port_last = last;
	return ts;
}

/* Linux has the GRE key there in the selector of a packet. */
static void
a_packets_selector_inside_the_next_one_is_not_answered(void **state)
{
	struct ike_ts offered[] = { gre(42, 42), gre(0, UINT16_MAX) };
	struct ike_ts allowed = gre(0, UINT16_MAX), out[IKE_TS_KEPT];

	(void)state;
	assert_int_equal(ike_ts_narrow(offered, 2, &allowed, 1, out), 1);
	assert_int_equal(out[0].port_first, 0);
	assert_int_equal(out[0].port_last, UINT16_MAX);
	assert_int_equal(ike_ts_narrow(offered, 1, &allowed, 1, out), 1);
	assert_int_equal(out[0].port_first, 42);
	assert_int_equal(out[0].port_last, 42);
}

static void
selectors_beside_each_other_stay_and_no_more_than_fit(void **state)
{
	struct ike_ts offered[IKE_TS_KEPT + 3];
	struct ike_ts allowed = gre(0, UINT16_MAX), out[IKE_TS_KEPT];
	uint16_t i;

	(void)state;
	for (i = 0; i < IKE_TS_KEPT + 3; i++)
		offered[i] = gre(i, i);
	assert_int_equal(ike_ts_narrow(offered, 2, &allowed, 1, out), 2);
	assert_int_equal(out[1].port_first, 1);
	assert_int_equal(ike_ts_narrow(offered, IKE_TS_KEPT + 3, &allowed, 1,
	    out), IKE_TS_KEPT);
	offered[IKE_TS_KEPT + 2] = gre(0, 900);
	assert_int_equal(ike_ts_narrow(offered, IKE_TS_KEPT + 3, &allowed, 1,
	    out), 1);
}

/* More than are kept, in a payload that is well-formed. */
static void
what_is_read_of_many_selectors_is_what_fits_IKE_34(void **state)
{
	struct ike_ts all[IKE_TS_KEPT + 8], out[IKE_TS_KEPT + 1];
	uint8_t b[1024];
	struct wbuf w = wbuf_of(b, sizeof(b));
	struct ike_chain c = ike_chain_of(&w);
	struct rbuf body;
	uint16_t i;
	size_t n;

	(void)state;
	for (i = 0; i < IKE_TS_KEPT + 8; i++)
		all[i] = gre(i, i);
	ike_put_ts(&c, IKE_P_TSI, all, IKE_TS_KEPT + 8);
	body = wbuf_rbuf(&w);
	rbuf_skip(&body, IKE_PAYLOAD_LEN);
	memset(&out[IKE_TS_KEPT], 0x77, sizeof(out[0]));
	assert_int_equal(ike_ts_read(body, out, &n, NULL), 0);
	assert_int_equal(n, IKE_TS_KEPT);
	assert_int_equal(out[IKE_TS_KEPT].type, 0x77);
}

static void
selectors_of_other_ports_have_nothing_in_common(void **state)
{
	struct ike_ts a = gre(1, 9), b = gre(10, 20), both, out;

	(void)state;
	assert_false(ike_ts_common(&a, &b, &out));
	b.port_first = 9;
	assert_true(ike_ts_common(&a, &b, &both));
	assert_int_equal(both.port_first, 9);
	assert_int_equal(both.port_last, 9);
	assert_true(ike_ts_inside(&both, &a) && ike_ts_inside(&both, &b));
	assert_false(ike_ts_inside(&a, &b));
	a.port_first = 0;
	assert_false(ike_ts_inside(&a, &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_packets_selector_inside_the_next_one_is_not_answered),
		cmocka_unit_test(
		    selectors_beside_each_other_stay_and_no_more_than_fit),
		cmocka_unit_test(
		    what_is_read_of_many_selectors_is_what_fits_IKE_34),
		cmocka_unit_test(
		    selectors_of_other_ports_have_nothing_in_common),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
