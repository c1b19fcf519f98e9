#ifndef CRYPTO_SK_H
#define CRYPTO_SK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * The keys of an IKE SA (RFC 7296, 2.13 to 2.18) and its Encrypted payload
 * (3.14; RFC 5282 for AEAD; RFC 7383 for fragments).
 */
#define SK_KEY_MAX	64
#define SK_ENC_MAX	36	/* AEAD: with the 4 octets of salt */
#define SK_ICV_MAX	32
#define SK_IV_MAX	16

/* IANA transform ids, wire/ike_names.h; integ 0 with AEAD. */
struct sk_suite {
	uint16_t	encr;
	uint16_t	key_bits;
	uint16_t	integ;
	uint16_t	prf;
};

/* One direction's cipher. */
struct sk_dir {
	struct sk_suite	suite;
	uint8_t		enc_len;
	uint8_t		int_len;
	uint8_t		enc[SK_ENC_MAX];
	uint8_t		integ[SK_KEY_MAX];
};

struct sk_keys {
	size_t		prf_len;
	uint8_t		d[SK_KEY_MAX];
	struct sk_dir	i;	/* what the original initiator sends */
	struct sk_dir	r;
};

/* SK_pi and SK_pr: for IKE_AUTH alone. */
struct sk_proof {
	uint8_t		pi[SK_KEY_MAX];
	uint8_t		pr[SK_KEY_MAX];
};

bool sk_suite_known(const struct sk_suite *s);
size_t sk_enc_len(uint16_t encr, uint16_t key_bits);	/* with salt; 0: no */
size_t sk_integ_len(uint16_t integ);			/* key; 0: none */

/* Fill in cipher keys by hand: tests and decoders. */
int sk_dir_set(struct sk_dir *k, const struct sk_suite *s, struct rbuf enc,
    struct rbuf integ, struct err *e);

/* Where SKEYSEED comes from: for a fresh SA prf(Ni | Nr, g^ir); for a rekeyed
 * one prf(SK_d of the old, g^ir | Ni | Nr) with the old one's prf. */
struct sk_seed {
	struct rbuf	shared;		/* g^ir */
	struct rbuf	ni, nr;
	uint64_t	spi_i, spi_r;	/* of the new SA */
	uint16_t	old_prf;	/* 0: a fresh SA */
	struct rbuf	old_d;
};
/* proof may be NULL. */
int sk_derive(const struct sk_suite *s, const struct sk_seed *seed,
    struct sk_keys *k, struct sk_proof *proof, struct err *e);
void sk_keys_wipe(struct sk_keys *k);

/* Keys while nothing is sealed or opened with them, in no more room than they
 * need: most SAs are quiet most of the time. */
struct sk_kept;
struct sk_kept *sk_keep(const struct sk_keys *k);	/* NULL: no memory */
void sk_recall(const struct sk_kept *kept, struct sk_keys *k);	/* wipe it */
size_t sk_kept_prf_len(const struct sk_kept *kept);	/* of NULL: 0 */
void sk_kept_free(struct sk_kept *kept);	/* wipes; NULL is fine */

/* KEYMAT = prf+(SK_d, [g^ir (new)] | Ni | Nr), RFC 7296, 2.17. */
int sk_keymat(const struct sk_suite *s, const struct sk_keys *k,
    struct rbuf shared, struct rbuf ni, struct rbuf nr, uint8_t *out,
    size_t out_len, struct err *e);

/* ---- the Encrypted payload ---- */

size_t sk_iv_len(const struct sk_dir *k);
bool sk_iv_random(const struct sk_dir *k);	/* else: never twice */
/* Octets of IV, text, padding and ICV for this much clear text. */
size_t sk_sealed_len(const struct sk_dir *k, size_t clear_len);

/* w holds the message so far: header, generic header of SK (and fragment
 * numbers), all lengths final, beginning at start.  Appends IV, text, ICV. */
int sk_seal(const struct sk_dir *k, struct wbuf *w, size_t start,
    const uint8_t *iv, struct rbuf clear, struct err *e);

/* head: from the first octet of the message to the IV; body: IV to ICV.
 * clear gets the payloads inside.  -1, EACCES: the ICV is wrong; EBADMSG:
 * too short, or bad padding under a good ICV. */
int sk_open(const struct sk_dir *k, struct rbuf head, struct rbuf body,
    struct wbuf *clear, struct err *e);

#endif
