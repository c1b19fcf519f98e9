#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

/* More keys than a thread keeps expanded, taken in turn and at random. */
#define MANY	2500

static void
seal_and_open(struct esp_key *out, struct esp_key *in)
{
	uint8_t p[16 + 64 + 16] = { 0 };
	struct esp_job j = { .p = p, .text = 64, .sequence = 1 };

	noise(p + 16, 64);
	assert_int_equal(esp_seal(out, 0, false, &j, 1), 0);
	assert_int_equal(esp_open(in, 0, false, &j, 1), 1);
}

static void
more_than_are_kept(void **state)
{
	static struct esp_key *out[MANY], *in[MANY];
	const struct esp_engine *x = engine();
	uint8_t keymat[64];
	size_t i, k;

	(void)state;
	for (i = 0; i < MANY; i++) {
		noise(keymat, sizeof(keymat));
		in[i] = key(i % 2 == 0 ? x : NULL, ESP_AES256_GCM, false,
		    keymat);
		out[i] = key(x, ESP_AES256_GCM, true, keymat);
	}
	for (i = 0; i < 3 * MANY; i++) {
		k = i < MANY ? i : dice(MANY);
		seal_and_open(out[k], in[k]);
	}
	for (i = 0; i < MANY; i++) {
		esp_key_free(out[i]);
		esp_key_free(in[i]);
	}
}

/* Does this stand anywhere in memory that is nobody's stack? */
static bool
is_in_memory(const uint8_t *hidden, size_t n)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char line[512];
	bool found = false;
	uint8_t first = hidden[0] ^ 0x5a;
	const uint8_t *p, *end;
	size_t i;

	assert_non_null(maps);
	while (!found && fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, " rw-p ") == NULL ||
		    strchr(line, '[') != NULL ||
		    sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		p = (const uint8_t *)from;
		end = (const uint8_t *)to - n;
		while (!found && p < end &&
		    (p = memchr(p, first, (size_t)(end - p))) != NULL) {
			for (i = 0; i < n && (p[i] ^ 0x5a) == hidden[i]; i++)
				continue;
			found = i == n;
			p++;
		}
	}
	fclose(maps);
	return found;
}

static void *
use_it(void *arg)
{
	uint8_t p[16 + 64 + 16] = { 0 };
	struct esp_job j = { .p = p, .text = 64, .sequence = 1 };

	return esp_seal(arg, 0, false, &j, 1) == 0 ? arg : NULL;
}

/* An expanded key begins with the key. */
static void
nothing_stays(void **state)
{
	const struct esp_engine *x = engine();
	uint8_t keymat[36], hidden[32];
	struct esp_key *k;
	pthread_t thread;
	void *rc;
	size_t i;

	(void)state;
#ifdef DMVPN_SANITIZED
	skip();		/* its shadow is too large to be searched */
#endif
	noise(keymat, sizeof(keymat));
	for (i = 0; i < sizeof(hidden); i++)
		hidden[i] = keymat[i] ^ 0x5a;
	k = key(x, ESP_AES256_GCM, true, keymat);
	memset(keymat, 0, sizeof(keymat));
	assert_non_null(use_it(k));
	assert_true(is_in_memory(hidden, sizeof(hidden)));
	assert_int_equal(pthread_create(&thread, NULL, use_it, k), 0);
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_ptr_equal(rc, k);
	esp_key_free(k);
	assert_false(is_in_memory(hidden, sizeof(hidden)));
}

/* Threads use keys while others, that nobody uses, are freed and made. */
struct worker {
	const struct esp_engine	*x;
	struct esp_key		*out[64], *in[64];
	_Atomic(bool)		*stop;
	unsigned		 failed, done;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	uint8_t p[16 + 64 + 16] = { 0 };
	struct esp_job j = { .p = p, .text = 64, .sequence = 1 };
	size_t i;

	while (!atomic_load(w->stop))
		for (i = 0; i < 64; i++) {
			w->failed += esp_seal(w->out[i], 0, false, &j, 1) !=
			    0 || esp_open(w->in[i], 0, false, &j, 1) != 1;
			w->done++;
		}
	return NULL;
}

static void
keys_of(struct worker *w, bool make)
{
	uint8_t keymat[64];
	size_t i;

	for (i = 0; i < 64; i++) {
		noise(keymat, sizeof(keymat));
		if (make) {
			w->in[i] = key(w->x, ESP_AES128_GCM, false, keymat);
			w->out[i] = key(w->x, ESP_AES128_GCM, true, keymat);
		} else {
			esp_key_free(w->in[i]);
			esp_key_free(w->out[i]);
		}
	}
}

static void
threads_and_frees(void **state)
{
	_Atomic(bool) stop = false;
	const struct esp_engine *x = engine();
	struct worker w[2] = { { .x = x, .stop = &stop },
	    { .x = x, .stop = &stop } };
	struct worker other = { .x = x };
	pthread_t thread[2];
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		keys_of(&w[i], true);
		assert_int_equal(pthread_create(&thread[i], NULL, work,
		    &w[i]), 0);
	}
	/* Serials go round: these take the lines of those. */
	for (i = 0; i < 200; i++) {
		keys_of(&other, true);
		if (i % 16 == 0)
			seal_and_open(other.out[i % 64], other.in[i % 64]);
		keys_of(&other, false);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(w[i].failed, 0);
		assert_int_not_equal(w[i].done, 0);
		keys_of(&w[i], false);
	}
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
		{ "more keys than a thread keeps expanded work in turn",
		    more_than_are_kept, NULL, NULL, NULL },
		{ "of a freed key nothing stays, in no thread's cache",
		    nothing_stays, NULL, NULL, NULL },
		{ "keys are freed while threads use others",
		    threads_and_frees, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
