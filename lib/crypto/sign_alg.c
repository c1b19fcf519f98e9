#include "crypto/sign_alg.h"

#include <string.h>

const struct name sign_scheme_names[] = { SIGN_SCHEMES(NAME_ROW) NAME_END };

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* Object identifiers, with tag and length. */
#define OID_PSS		"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
#define OID_MGF1	"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
#define OID_NULL	"\x05\x00"

static const struct oid {
	enum sign_scheme	 scheme;
	enum sign_hash		 hash;
	const uint8_t		*oid;
	size_t			 len;
	bool			 null;	/* we send parameters NULL */
} oids[] = {
	/* RFC 8017, A.2.4 */
	{ SIGN_PKCS1, SIGN_SHA1,
	  BYTES("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"), true },
	{ SIGN_PKCS1, SIGN_SHA256,
	  BYTES("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), true },
	{ SIGN_PKCS1, SIGN_SHA384,
	  BYTES("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), true },
	{ SIGN_PKCS1, SIGN_SHA512,
	  BYTES("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), true },
	/* RFC 5758, 3.2: without parameters */
	{ SIGN_ECDSA, SIGN_SHA1,
	  BYTES("\x06\x07\x2a\x86\x48\xce\x3d\x04\x01"), false },
	{ SIGN_ECDSA, SIGN_SHA256,
	  BYTES("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"), false },
	{ SIGN_ECDSA, SIGN_SHA384,
	  BYTES("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"), false },
	{ SIGN_ECDSA, SIGN_SHA512,
	  BYTES("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04"), false },
	/* RFC 8420, A */
	{ SIGN_ED25519, SIGN_IDENTITY,
	  BYTES("\x06\x03\x2b\x65\x70"), false },
};

/* RFC 5754, 2: the hash functions themselves, for PSS */
static const struct digest {
	enum sign_hash	 hash;
	const uint8_t	*oid;
	size_t		 len;
	uint8_t		 octets;
} digests[] = {
	{ SIGN_SHA256,
	  BYTES("\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"), 32 },
	{ SIGN_SHA384,
	  BYTES("\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02"), 48 },
	{ SIGN_SHA512,
	  BYTES("\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03"), 64 },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* All lengths are below 128 here: one octet each. */
static size_t
open_tag(struct wbuf *w, uint8_t tag)
{
	wbuf_u8(w, tag);
	wbuf_u8(w, 0);
	return w->len;
}

static void
close_tag(struct wbuf *w, size_t start)
{
	wbuf_fill8(w, start - 1, (uint8_t)(w->len - start));
}

static void
put_plain(struct wbuf *w, const uint8_t *oid, size_t len, bool null)
{
	size_t seq = open_tag(w, 0x30);

	wbuf_put(w, oid, len);
	if (null)
		wbuf_put(w, BYTES(OID_NULL));
	close_tag(w, seq);
}

/* RFC 4055, 3.1; the salt is as long as the hash, trailerField is left to
 * its default. */
static void
put_pss(struct wbuf *w, const struct digest *d, bool hash_null, bool mgf_null)
{
	size_t seq = open_tag(w, 0x30), params, part, inner;

	wbuf_put(w, BYTES(OID_PSS));
	params = open_tag(w, 0x30);
	part = open_tag(w, 0xa0);
	put_plain(w, d->oid, d->len, hash_null);
	close_tag(w, part);
	part = open_tag(w, 0xa1);
	inner = open_tag(w, 0x30);
	wbuf_put(w, BYTES(OID_MGF1));
	put_plain(w, d->oid, d->len, mgf_null);
	close_tag(w, inner);
	close_tag(w, part);
	part = open_tag(w, 0xa2);
	inner = open_tag(w, 0x02);
	wbuf_u8(w, d->octets);
	close_tag(w, inner);
	close_tag(w, part);
	close_tag(w, params);
	close_tag(w, seq);
}

int
sign_alg_put(struct wbuf *w, const struct sign_alg *alg)
{
	size_t i;

	for (i = 0; alg->scheme == SIGN_PSS && i < N(digests); i++)
		if (digests[i].hash == alg->hash) {
			put_pss(w, &digests[i], true, true);
			return wbuf_ok(w) ? 0 : -1;
		}
	for (i = 0; i < N(oids); i++)
		if (oids[i].scheme == alg->scheme &&
		    oids[i].hash == alg->hash) {
			put_plain(w, oids[i].oid, oids[i].len, oids[i].null);
			return wbuf_ok(w) ? 0 : -1;
		}
	return -1;
}

static bool
is_same(const struct rbuf *der, const struct wbuf *w)
{
	struct rbuf made = wbuf_rbuf(w);

	return wbuf_ok(w) && rbuf_equal(der, &made);
}

static int
find_plain(const struct rbuf *der, struct sign_alg *alg)
{
	uint8_t raw[SIGN_ALG_MAX];
	size_t i, null;

	for (i = 0; i < N(oids); i++)
		for (null = 0; null <= oids[i].null; null++) {
			struct wbuf w = wbuf_of(raw, sizeof(raw));

			put_plain(&w, oids[i].oid, oids[i].len, null);
			if (!is_same(der, &w))
				continue;
			alg->scheme = oids[i].scheme;
			alg->hash = oids[i].hash;
			return 0;
		}
	return -1;
}

static int
find_pss(const struct rbuf *der, struct sign_alg *alg)
{
	uint8_t raw[SIGN_ALG_MAX];
	size_t i, nulls;

	for (i = 0; i < N(digests); i++)
		for (nulls = 0; nulls < 4; nulls++) {
			struct wbuf w = wbuf_of(raw, sizeof(raw));

			put_pss(&w, &digests[i], nulls & 1, nulls & 2);
			if (!is_same(der, &w))
				continue;
			alg->scheme = SIGN_PSS;
			alg->hash = digests[i].hash;
			return 0;
		}
	return -1;
}

int
sign_alg_of(struct rbuf der, struct sign_alg *alg)
{
	alg->scheme = SIGN_NONE;
	return find_plain(&der, alg) == 0 ? 0 : find_pss(&der, alg);
}

bool
sign_alg_fits(const struct sign_alg *alg, enum cert_key kind)
{
	switch (alg->scheme) {
	case SIGN_PKCS1:
	case SIGN_PSS:
		return kind == CERT_KEY_RSA;
	case SIGN_ECDSA:
		return kind == CERT_KEY_P256 || kind == CERT_KEY_P384 ||
		    kind == CERT_KEY_P521;
	case SIGN_ED25519:
		return kind == CERT_KEY_ED25519;
	case SIGN_NONE:
		break;
	}
	return false;
}
