#include "crypto/esp_mb.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/secret.h"

#ifndef HAVE_IPSEC_MB

const struct esp_engine *
esp_mb(const char **why)
{
	*why = "built without libipsec-mb";
	return NULL;
}

#else

#include <intel-ipsec-mb.h>

#define TAG 16

/* What works on one packet: partial blocks and sums. */
struct mb_slot {
	union {
		struct gcm_context_data			gcm;
		struct chacha20_poly1305_context_data	chacha;
	} c;
} __attribute__((aligned(64)));

/*
 * An expanded key of GCM is 1 KB, and made in a tenth of a microsecond.  So a
 * key is kept as it came, and each thread has the expanded ones that it used
 * last: of 1,024 SAs one direction or both, in the order in which they were
 * made, so that none of the youngest take each other's place.
 *
 * A line is its thread's.  Only of a key that is freed, when no thread uses it
 * any more, somebody else wipes what is there; the serial of the line says who
 * has it.
 */
#define HALF	1024		/* lines of one direction */
#define NOBODY	UINT64_C(0)
#define FILLING	UINT64_MAX
#define WIPING	(UINT64_MAX - 1)

struct mb_key {
	uint64_t	serial;		/* above its lower bits: the algorithm */
	uint8_t		key[32];
};
#define ALG_BITS	2		/* 0..2: the AEADs */

struct mb_line {
	struct gcm_key_data	gcm;	/* expanded, powers of H */
	_Atomic(uint64_t)	serial;
} __attribute__((aligned(64)));

struct mb_cache {
	struct mb_line	 line[2 * HALF];
	struct mb_cache	*next;
	_Atomic(bool)	 taken;		/* by a thread */
};

/* Only its table of functions is used: it holds nothing of any key. */
static IMB_MGR *mb;

static _Atomic(uint64_t) last_serial = 1;
static _Atomic(struct mb_cache *) caches;	/* they stay */
static _Thread_local struct mb_cache *own;
static pthread_key_t at_exit;
static pthread_once_t at_exit_once = PTHREAD_ONCE_INIT;

static void
wipe(struct mb_line *l, uint64_t serial)
{
	if (!atomic_compare_exchange_strong(&l->serial, &serial, WIPING))
		return;
	secret_wipe(&l->gcm, sizeof(l->gcm));
	atomic_store(&l->serial, NOBODY);
}

/* A thread ends: the next one has its cache. */
static void
leave(void *arg)
{
	struct mb_cache *c = arg;

	atomic_store(&c->taken, false);
}

static void
make_at_exit(void)
{
	(void)pthread_key_create(&at_exit, leave);
}

static struct mb_cache *
cache_make(void)
{
	struct mb_cache *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return NULL;
	atomic_init(&c->taken, true);
	c->next = atomic_load(&caches);
	while (!atomic_compare_exchange_weak(&caches, &c->next, c))
		continue;
	return c;
}

/* This thread's; NULL: no memory. */
static struct mb_cache *
cache_of(void)
{
	struct mb_cache *c;
	bool no;

	pthread_once(&at_exit_once, make_at_exit);
	for (c = atomic_load(&caches); c != NULL; c = c->next) {
		no = false;
		if (atomic_compare_exchange_strong(&c->taken, &no, true))
			break;
	}
	if (c == NULL)
		c = cache_make();
	if (c != NULL && pthread_setspecific(at_exit, c) != 0) {
		atomic_store(&c->taken, false);
		return NULL;
	}
	return own = c;
}

static struct mb_line *
line_of(struct mb_cache *c, uint64_t serial)
{
	const uint64_t n = serial >> ALG_BITS;	/* odd, even: directions */

	return &c->line[n / 2 % HALF + (n & 1) * HALF];
}

static inline enum esp_alg
alg_of(const struct mb_key *k)
{
	return (enum esp_alg)(k->serial & ((1u << ALG_BITS) - 1));
}

static void
expand(const struct mb_key *k, struct gcm_key_data *to)
{
	if (alg_of(k) == ESP_AES128_GCM)
		IMB_AES128_GCM_PRE(mb, k->key, to);
	else
		IMB_AES256_GCM_PRE(mb, k->key, to);
}

/* The expanded key in its line; NULL: the line is not to be had. */
static const struct gcm_key_data *
fill(const struct mb_key *k, struct mb_line *l, uint64_t was)
{
	if (was == WIPING || !atomic_compare_exchange_strong(&l->serial, &was,
	    FILLING))
		return NULL;
	expand(k, &l->gcm);
	atomic_store_explicit(&l->serial, k->serial, memory_order_release);
	return &l->gcm;
}

static inline const struct gcm_key_data *
expanded(const struct mb_key *k)
{
	struct mb_cache *c = own != NULL ? own : cache_of();
	struct mb_line *l;
	uint64_t was;

	if (c == NULL)
		return NULL;
	l = line_of(c, k->serial);
	was = atomic_load_explicit(&l->serial, memory_order_relaxed);
	return was == k->serial ? &l->gcm : fill(k, l, was);
}

static void *
mb_key_new(enum esp_alg alg, const uint8_t *key, unsigned slots)
{
	struct mb_key *k;

	(void)slots;	/* threads share it: only read once made */
	if (alg != ESP_AES128_GCM && alg != ESP_AES256_GCM &&
	    alg != ESP_CHACHA20_POLY1305)
		return NULL;
	if ((k = calloc(1, sizeof(*k))) == NULL)
		return NULL;
	k->serial = atomic_fetch_add(&last_serial, 1) << ALG_BITS |
	    (unsigned)alg;
	memcpy(k->key, key, alg == ESP_AES128_GCM ? 16 : 32);
	return k;
}

static void
mb_key_free(void *key)
{
	struct mb_key *k = key;
	struct mb_cache *c;

	if (k == NULL)
		return;
	for (c = atomic_load(&caches); c != NULL; c = c->next)
		wipe(line_of(c, k->serial), k->serial);
	secret_wipe(k, sizeof(*k));
	free(k);
}

static void
gcm(const struct mb_key *k, const struct gcm_key_data *x, bool seal,
    const struct esp_nonce *n, uint8_t *text, size_t len, uint8_t *tag)
{
	struct mb_slot s;

	if (alg_of(k) == ESP_AES128_GCM && seal)
		IMB_AES128_GCM_ENC(mb, x, &s.c.gcm, text, text, len, n->iv,
		    n->aad, n->aad_len, tag, TAG);
	else if (alg_of(k) == ESP_AES128_GCM)
		IMB_AES128_GCM_DEC(mb, x, &s.c.gcm, text, text, len, n->iv,
		    n->aad, n->aad_len, tag, TAG);
	else if (seal)
		IMB_AES256_GCM_ENC(mb, x, &s.c.gcm, text, text, len, n->iv,
		    n->aad, n->aad_len, tag, TAG);
	else
		IMB_AES256_GCM_DEC(mb, x, &s.c.gcm, text, text, len, n->iv,
		    n->aad, n->aad_len, tag, TAG);
}

/* For once. */
static void
gcm_alone(const struct mb_key *k, bool seal, const struct esp_nonce *n,
    uint8_t *text, size_t len, uint8_t *tag)
{
	struct gcm_key_data room __attribute__((aligned(64)));

	expand(k, &room);
	gcm(k, &room, seal, n, text, len, tag);
	secret_wipe(&room, sizeof(room));
}

static void
chacha(const struct mb_key *k, bool seal, const struct esp_nonce *n,
    uint8_t *text, size_t len, uint8_t *tag)
{
	struct mb_slot s;

	IMB_CHACHA20_POLY1305_INIT(mb, k->key, &s.c.chacha, n->iv, n->aad,
	    n->aad_len);
	if (seal) {
		IMB_CHACHA20_POLY1305_ENC_UPDATE(mb, k->key, &s.c.chacha,
		    text, text, len);
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(mb, &s.c.chacha, tag, TAG);
	} else {
		IMB_CHACHA20_POLY1305_DEC_UPDATE(mb, k->key, &s.c.chacha,
		    text, text, len);
		IMB_CHACHA20_POLY1305_DEC_FINALIZE(mb, &s.c.chacha, tag, TAG);
	}
}

static inline void
aead(const struct mb_key *k, bool seal, const struct esp_nonce *n,
    uint8_t *text, size_t len, uint8_t *tag)
{
	const struct gcm_key_data *x;

	if (alg_of(k) == ESP_CHACHA20_POLY1305)
		chacha(k, seal, n, text, len, tag);
	else if ((x = expanded(k)) != NULL)
		gcm(k, x, seal, n, text, len, tag);
	else
		gcm_alone(k, seal, n, text, len, tag);
}

static void
mb_seal(void *key, unsigned slot, const struct esp_nonce *n, uint8_t *text,
    size_t len, uint8_t *tag)
{
	(void)slot;
	aead(key, true, n, text, len, tag);
}

static void
mb_open(void *key, unsigned slot, const struct esp_nonce *n, uint8_t *text,
    size_t len, uint8_t *tag)
{
	(void)slot;
	aead(key, false, n, text, len, tag);
}

_Static_assert(ESP_AES128_GCM < 4 && ESP_AES256_GCM < 4 &&
    ESP_CHACHA20_POLY1305 < 4, "they fit ALG_BITS");

static const struct esp_engine engine = {
	mb_key_new, mb_key_free, mb_seal, mb_open
};

const struct esp_engine *
esp_mb(const char **why)
{
	const uint64_t need = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
	IMB_ARCH arch = IMB_ARCH_NONE;

	if (mb == NULL) {
		if ((mb = alloc_mb_mgr(0)) == NULL) {
			*why = "out of memory";
			return NULL;
		}
		init_mb_mgr_auto(mb, &arch);
	}
	if ((mb->features & need) != need ||
	    mb->used_arch == (uint32_t)IMB_ARCH_NOAESNI) {
		*why = "this CPU has no AES-NI";
		return NULL;
	}
	if (imb_get_errno(mb) != 0) {
		*why = "libipsec-mb does not pass its own test";
		return NULL;
	}
	return &engine;
}

#endif
