#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/esp_mb.h"
#include "wire/ip.h"

/* ipsec-mb and OpenSSL judge each other over random packets. */

#define ROUNDS	4000
#define MOST	9200

static uint64_t seed = 0x853c49e6748fea9b;

static uint64_t
dice(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static void
noise(uint8_t *to, size_t n)
{
	while (n-- > 0)
		*to++ = (uint8_t)dice(256);
}

static const struct esp_engine *
engine(void)
{
	const char *why = NULL;
	const struct esp_engine *x = esp_mb(&why);

	if (x == NULL) {
		print_message("# %s\n", why);
		skip();
	}
	return x;
}

static struct esp_key *
key(const struct esp_engine *x, enum esp_alg alg, bool seal,
    const uint8_t *keymat)
{
	struct err e = { 0 };
	struct esp_key *k;

	esp_engine_set(x);
	k = esp_key_new(alg, seal, keymat, esp_suite(alg)->key_len, 3, &e);
	esp_engine_set(NULL);
	if (k == NULL)
		fail_msg("%s", e.msg);
	return k;
}

/* Text of any length: short, around blocks, long. */
static size_t
length(void)
{
	static const size_t near[] = { 16, 64, 128, 256, 512, 768, 1024 };

	switch (dice(4)) {
	case 0:
		return 1 + dice(80);
	case 1:
		return near[dice(7)] + dice(5) - 2;
	case 2:
		return 1 + dice(1500);
	default:
		return 1 + dice(MOST - 64);
	}
}

static void
one_packet(const struct esp_engine *x, enum esp_alg alg)
{
	static uint8_t plain[MOST], a[MOST], b[MOST];
	uint8_t keymat[64];
	struct esp_key *mb, *ssl, *mb_in, *ssl_in;
	unsigned slot = (unsigned)dice(3);
	bool esn = dice(2);
	struct esp_job j = { .p = a, .text = length(),
	    .sequence = 1 + dice(1ULL << (1 + dice(50))) };
	size_t all = 16 + j.text + 16;

	noise(keymat, sizeof(keymat));
	noise(plain, all);
	memcpy(a, plain, all);
	memcpy(b, plain, all);
	mb = key(x, alg, true, keymat);
	ssl = key(NULL, alg, true, keymat);
	assert_int_equal(esp_seal(mb, slot, esn, &j, 1), 0);
	j.p = b;
	assert_int_equal(esp_seal(ssl, slot, esn, &j, 1), 0);
	assert_memory_equal(a, b, all);

	mb_in = key(x, alg, false, keymat);
	ssl_in = key(NULL, alg, false, keymat);
	j.p = a;
	assert_int_equal(esp_open(mb_in, slot, esn, &j, 1), 1);
	assert_memory_equal(a + 16, plain + 16, j.text);
	j.p = b;
	assert_int_equal(esp_open(ssl_in, slot, esn, &j, 1), 1);
	assert_memory_equal(a, b, 16 + j.text);

	/* One wrong bit, in header, IV, text or tag. */
	memcpy(a, plain, 16 + j.text);
	j.p = a;
	assert_int_equal(esp_seal(mb, slot, true, &j, 1), 0);
	a[dice(4) == 0 ? dice(4) : 8 + dice(all - 8)] ^=
	    (uint8_t)(1U << dice(8));
	assert_int_equal(esp_open(mb_in, slot, true, &j, 1), 0);
	assert_false(j.ok);
	esp_key_free(mb);
	esp_key_free(ssl);
	esp_key_free(mb_in);
	esp_key_free(ssl_in);
}

static void
rounds(enum esp_alg alg)
{
	const struct esp_engine *x = engine();
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		one_packet(x, alg);
}

static void
aes128_gcm(void **state)
{
	(void)state;
	rounds(ESP_AES128_GCM);
}

static void
aes256_gcm(void **state)
{
	(void)state;
	rounds(ESP_AES256_GCM);
}

static void
chacha20_poly1305(void **state)
{
	(void)state;
	rounds(ESP_CHACHA20_POLY1305);
}

static void
not_for_cbc(void **state)
{
	static const uint8_t keymat[64];
	const struct esp_engine *x = engine();

	(void)state;
	assert_null(x->key_new(ESP_AES128_CBC_SHA256, keymat, 1));
	assert_null(x->key_new(ESP_AES256_CBC_SHA256, keymat, 1));
	x->key_free(NULL);
}

/* Keys that live on while the engine changes stay with their own. */
static void
change_of_engine(void **state)
{
	static const uint8_t keymat[64] = { 3, 1, 4, 1, 5 };
	uint8_t p[16 + 64 + 16] = { 0 };
	const struct esp_engine *x = engine();
	struct esp_key *out = key(x, ESP_AES128_GCM, true, keymat);
	struct esp_key *in = key(NULL, ESP_AES128_GCM, false, keymat);
	struct esp_job j = { .p = p, .text = 64, .sequence = 9 };

	(void)state;
	assert_int_equal(esp_seal(out, 0, false, &j, 1), 0);
	esp_engine_set(x);
	store32(p + 4, 0);
	assert_int_equal(esp_open(in, 0, false, &j, 1), 1);
	esp_engine_set(NULL);
	/* A slot that the key has not. */
	assert_int_equal(esp_seal(out, 3, false, &j, 1), -1);
	assert_int_equal(esp_open(in, 3, false, &j, 1), 0);
	esp_key_free(out);
	esp_key_free(in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "AES-128-GCM: the same octets, both ways", aes128_gcm,
		    NULL, NULL, NULL },
		{ "AES-256-GCM: the same octets, both ways", aes256_gcm,
		    NULL, NULL, NULL },
		{ "ChaCha20-Poly1305: the same octets, both ways",
		    chacha20_poly1305, NULL, NULL, NULL },
		{ "CBC stays with OpenSSL", not_for_cbc, NULL, NULL, NULL },
		{ "a key stays with the engine that made it",
		    change_of_engine, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
