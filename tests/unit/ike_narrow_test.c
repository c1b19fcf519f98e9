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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_packets_selector_inside_the_next_one_is_not_answered),
		cmocka_unit_test(
		    selectors_beside_each_other_stay_and_no_more_than_fit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
