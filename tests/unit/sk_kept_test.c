#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/sk.h"
#include "wire/ike_names.h"

/* No two octets that lie side by side are the same. */
static void
fill(uint8_t *to, size_t len, uint8_t first)
{
	size_t i;

	for (i = 0; i < len; i++)
		to[i] = (uint8_t)(first + i);
}

static void
keys_come_back(const struct sk_suite *suite, size_t prf_len)
{
	struct sk_keys k = { .prf_len = prf_len }, again;
	struct sk_kept *kept;

	k.i.suite = k.r.suite = *suite;
	k.i.enc_len = k.r.enc_len = (uint8_t)sk_enc_len(suite->encr,
	    suite->key_bits);
	k.i.int_len = k.r.int_len = (uint8_t)sk_integ_len(suite->integ);
	fill(k.d, prf_len, 1);
	fill(k.i.enc, k.i.enc_len, 70);
	fill(k.r.enc, k.r.enc_len, 110);
	fill(k.i.integ, k.i.int_len, 150);
	fill(k.r.integ, k.r.int_len, 220);
	kept = sk_keep(&k);
	assert_non_null(kept);
	assert_int_equal(sk_kept_prf_len(kept), prf_len);
	memset(&again, 0xff, sizeof(again));
	sk_recall(kept, &again);
	assert_memory_equal(again.d, k.d, sizeof(k.d));
	assert_memory_equal(&again.i, &k.i, sizeof(k.i));
	assert_memory_equal(&again.r, &k.r, sizeof(k.r));
	assert_int_equal(again.prf_len, prf_len);
	sk_kept_free(kept);
}

static void
test_each_key_comes_back_in_its_place(void **state)
{
	static const struct sk_suite aead = { .encr = IKE_ENCR_AES_GCM_16,
	    .key_bits = 256 };
	static const struct sk_suite cbc = { .encr = IKE_ENCR_AES_CBC,
	    .key_bits = 128, .integ = IKE_INTEG_HMAC_SHA512_256 };

	(void)state;
	keys_come_back(&aead, 48);
	keys_come_back(&cbc, 64);
	assert_int_equal(sk_kept_prf_len(NULL), 0);
	sk_kept_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_comes_back_in_its_place),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
