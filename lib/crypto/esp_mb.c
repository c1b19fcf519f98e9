#include "crypto/esp_mb.h"

#include <stdlib.h>
#include <string.h>

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

struct mb_key {
	struct gcm_key_data	gcm;		/* expanded, powers of H */
	enum esp_alg		alg;
	uint8_t			chacha[32];
};

/* Only its table of functions is used: it holds nothing of any key. */
static IMB_MGR *mb;

static void *
mb_key_new(enum esp_alg alg, const uint8_t *key, unsigned slots)
{
	struct mb_key *k;

	(void)slots;	/* threads share it: only read once made */
	if (alg != ESP_AES128_GCM && alg != ESP_AES256_GCM &&
	    alg != ESP_CHACHA20_POLY1305)
		return NULL;
	if ((k = aligned_alloc(64, (sizeof(*k) + 63) & ~(size_t)63)) == NULL)
		return NULL;
	memset(k, 0, sizeof(*k));
	k->alg = alg;
	if (alg == ESP_AES128_GCM)
		IMB_AES128_GCM_PRE(mb, key, &k->gcm);
	else if (alg == ESP_AES256_GCM)
		IMB_AES256_GCM_PRE(mb, key, &k->gcm);
	else
		memcpy(k->chacha, key, sizeof(k->chacha));
	return k;
}

static void
mb_key_free(void *key)
{
	struct mb_key *k = key;

	if (k == NULL)
		return;
	secret_wipe(k, sizeof(*k));
	free(k);
}

static void
mb_seal(void *key, unsigned slot, const struct esp_nonce *n, uint8_t *text,
    size_t len, uint8_t *tag)
{
	struct mb_key *k = key;
	struct mb_slot s;

	(void)slot;
	if (k->alg == ESP_AES128_GCM) {
		IMB_AES128_GCM_ENC(mb, &k->gcm, &s.c.gcm, text, text, len,
		    n->iv, n->aad, n->aad_len, tag, TAG);
	} else if (k->alg == ESP_AES256_GCM) {
		IMB_AES256_GCM_ENC(mb, &k->gcm, &s.c.gcm, text, text, len,
		    n->iv, n->aad, n->aad_len, tag, TAG);
	} else {
		IMB_CHACHA20_POLY1305_INIT(mb, k->chacha, &s.c.chacha,
		    n->iv, n->aad, n->aad_len);
		IMB_CHACHA20_POLY1305_ENC_UPDATE(mb, k->chacha, &s.c.chacha,
		    text, text, len);
		IMB_CHACHA20_POLY1305_ENC_FINALIZE(mb, &s.c.chacha, tag,
		    TAG);
	}
}

static void
mb_open(void *key, unsigned slot, const struct esp_nonce *n, uint8_t *text,
    size_t len, uint8_t *tag)
{
	struct mb_key *k = key;
	struct mb_slot s;

	(void)slot;
	if (k->alg == ESP_AES128_GCM) {
		IMB_AES128_GCM_DEC(mb, &k->gcm, &s.c.gcm, text, text, len,
		    n->iv, n->aad, n->aad_len, tag, TAG);
	} else if (k->alg == ESP_AES256_GCM) {
		IMB_AES256_GCM_DEC(mb, &k->gcm, &s.c.gcm, text, text, len,
		    n->iv, n->aad, n->aad_len, tag, TAG);
	} else {
		IMB_CHACHA20_POLY1305_INIT(mb, k->chacha, &s.c.chacha,
		    n->iv, n->aad, n->aad_len);
		IMB_CHACHA20_POLY1305_DEC_UPDATE(mb, k->chacha, &s.c.chacha,
		    text, text, len);
		IMB_CHACHA20_POLY1305_DEC_FINALIZE(mb, &s.c.chacha, tag,
		    TAG);
	}
}

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
