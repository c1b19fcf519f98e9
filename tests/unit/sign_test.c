#include "pki_make.h"

#include <errno.h>

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "crypto/sign_alg.h"

static struct make ca;
static struct peer {
	const char	*type;
	EVP_PKEY	*pkey;
	struct cert	*cert;
	struct sign_key	*key;
} peers[] = {
	{ "p256", NULL, NULL, NULL }, { "p384", NULL, NULL, NULL },
	{ "p521", NULL, NULL, NULL }, { "ed25519", NULL, NULL, NULL },
	{ "rsa2048", NULL, NULL, NULL },
};
#define P256	(&peers[0])
#define P384	(&peers[1])
#define P521	(&peers[2])
#define ED25519	(&peers[3])
#define RSA2048	(&peers[4])
#define N_PEERS (sizeof(peers) / sizeof(peers[0]))

static struct sign_parts
parts_of(const char *text)
{
	struct sign_parts p = { 3, { rbuf_of(text, strlen(text)),
	    rbuf_of("nonce", 5), rbuf_of("mac", 3) } };

	return p;
}

static int
setup(void **state)
{
	size_t i;

	(void)state;
	make_ca(&ca, "CA", "p256", NULL);
	for (i = 0; i < N_PEERS; i++) {
		peers[i].cert = make_peer(&ca, "peer.example.org",
		    peers[i].type, &peers[i].pkey);
		peers[i].key = make_sign_key(peers[i].pkey);
	}
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N_PEERS; i++) {
		cert_free(peers[i].cert);
		sign_key_free(peers[i].key);
		EVP_PKEY_free(peers[i].pkey);
	}
	make_fini(&ca);
	return 0;
}

static struct rbuf
signed_with(const struct peer *p, const uint16_t *hashes, size_t n, bool pss,
    uint8_t *method, uint8_t *room)
{
	struct wbuf w = wbuf_of(room, SIGN_MAX);
	struct sign_parts parts = parts_of("message");
	struct err e = { 0 };
	int rc = sign_make(p->key, hashes, n, pss, &parts, method, &w, &e);

	if (rc < 0)
		print_message("# %s\n", e.msg);
	assert_int_equal(rc, 0);
	return wbuf_rbuf(&w);
}

static int
verified(const struct peer *p, uint8_t method, struct rbuf auth)
{
	struct sign_parts parts = parts_of("message");
	struct err e = { 0 };

	return sign_verify(p->cert, method, auth, &parts, false, &e) == 0 ?
	    0 : e.code;
}

static void
every_key_signs_what_it_verifies(void **state)
{
	uint8_t room[SIGN_MAX], method;
	size_t i;
	int pss;

	(void)state;
	for (i = 0; i < N_PEERS; i++)
		for (pss = 0; pss < 2; pss++) {
			struct rbuf a = signed_with(&peers[i], sign_hashes,
			    sign_n_hashes, pss, &method, room);

			assert_int_equal(method, SIGN_DIGITAL);
			assert_int_equal(verified(&peers[i], method, a), 0);
		}
}

static void
the_hash_is_one_that_the_peer_takes(void **state)
{
	const uint16_t only512[] = { SIGN_SHA1, SIGN_SHA512 };
	uint8_t room[SIGN_MAX], method;
	char text[96];
	struct rbuf a;

	(void)state;
	a = signed_with(RSA2048, only512, 2, false, &method, room);
	assert_string_equal(sign_text(method, a, text, sizeof(text)),
	    "digital-signature rsa-pkcs1 sha512");
	assert_int_equal(verified(RSA2048, method, a), 0);
	a = signed_with(P256, only512, 2, false, &method, room);
	assert_string_equal(sign_text(method, a, text, sizeof(text)),
	    "digital-signature ecdsa sha512");
	assert_int_equal(verified(P256, method, a), 0);
	a = signed_with(RSA2048, sign_hashes, sign_n_hashes, true, &method,
	    room);
	assert_string_equal(sign_text(method, a, text, sizeof(text)),
	    "digital-signature rsa-pss sha256");
}

static void
without_hashes_ecdsa_uses_rfc_4754_and_rsa_refuses(void **state)
{
	uint8_t room[SIGN_MAX], method;
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct sign_parts parts = parts_of("message");
	struct err e = { 0 };
	struct rbuf a;

	(void)state;
	a = signed_with(P256, NULL, 0, false, &method, room);
	assert_int_equal(method, SIGN_ECDSA_256);
	assert_int_equal(rbuf_left(&a), 64);
	assert_int_equal(verified(P256, method, a), 0);
	a = signed_with(P384, NULL, 0, false, &method, room);
	assert_int_equal(method, SIGN_ECDSA_384);
	assert_int_equal(rbuf_left(&a), 96);
	assert_int_equal(verified(P384, method, a), 0);
	a = signed_with(P521, NULL, 0, false, &method, room);
	assert_int_equal(method, SIGN_ECDSA_521);
	assert_int_equal(rbuf_left(&a), 132);
	assert_int_equal(verified(P521, method, a), 0);
	assert_int_equal(sign_make(RSA2048->key, NULL, 0, false, &parts,
	    &method, &w, &e), -1);
	assert_int_equal(e.code, ENOTSUP);
	assert_int_equal(sign_make(ED25519->key, NULL, 0, false, &parts,
	    &method, &w, &e), -1);
}

static void
a_bit_changed_anywhere_never_verifies(void **state)
{
	uint8_t room[SIGN_MAX], bad[SIGN_MAX], method;
	size_t i, k;

	(void)state;
	for (i = 0; i < N_PEERS; i++) {
		struct rbuf a = signed_with(&peers[i], sign_hashes,
		    sign_n_hashes, i % 2, &method, room);
		size_t len = rbuf_left(&a);

		for (k = 0; k < len * 8; k += 5) {
			memcpy(bad, a.p, len);
			bad[k / 8] ^= (uint8_t)(1 << k % 8);
			assert_int_not_equal(verified(&peers[i], method,
			    rbuf_of(bad, len)), 0);
		}
	}
}

static void
cut_or_longer_never_verifies(void **state)
{
	uint8_t room[SIGN_MAX + 1], method;
	size_t i, k;

	(void)state;
	for (i = 0; i < N_PEERS; i++) {
		struct rbuf a = signed_with(&peers[i], sign_hashes,
		    sign_n_hashes, false, &method, room);
		size_t len = rbuf_left(&a);

		for (k = 0; k < len; k++)
			assert_int_not_equal(verified(&peers[i], method,
			    rbuf_of(room, k)), 0);
		room[len] = 0;
		assert_int_not_equal(verified(&peers[i], method,
		    rbuf_of(room, len + 1)), 0);
	}
}

static void
another_message_or_key_does_not_verify(void **state)
{
	uint8_t room[SIGN_MAX], method;
	struct sign_parts other = parts_of("Message");
	struct rbuf a = signed_with(P256, sign_hashes, sign_n_hashes, false,
	    &method, room);
	struct cert *c = make_peer(&ca, "peer.example.org", "p256", NULL);
	struct sign_parts same = parts_of("message");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(sign_verify(P256->cert, method, a, &other, false,
	    &e), -1);
	assert_int_equal(e.code, EPERM);
	assert_int_equal(sign_verify(c, method, a, &same, false, &e), -1);
	cert_free(c);
}

static void
an_algorithm_must_fit_the_key(void **state)
{
	uint8_t room[SIGN_MAX], method;
	struct rbuf ec = signed_with(P256, sign_hashes, sign_n_hashes, false,
	    &method, room);

	(void)state;
	assert_int_equal(verified(RSA2048, method, ec), ENOTSUP);
	assert_int_equal(verified(ED25519, method, ec), ENOTSUP);
	assert_int_equal(verified(P256, SIGN_RSA, ec), ENOTSUP);
	assert_int_equal(verified(RSA2048, SIGN_ECDSA_256, ec), ENOTSUP);
	assert_int_equal(verified(P256, SIGN_PSK, ec), ENOTSUP);
	assert_int_equal(verified(P256, 0, ec), ENOTSUP);
	assert_int_equal(verified(P256, 255, ec), ENOTSUP);
}

/* IKE-31: the AlgorithmIdentifier's length is 0, lies, or is another's. */
static void
algorithm_identifiers_must_be_exact(void **state)
{
	static const char *const bad[] = {
		"",				/* nothing at all */
		"\x00",				/* length 0 */
		"\xff\x30\x0a",			/* lies */
		/* ecdsa-with-SHA256 with NULL parameters */
		"\x0e\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x05",
		/* the same in a longer form of length */
		"\x0d\x30\x81\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(verified(P256, SIGN_DIGITAL,
		    rbuf_of(bad[i], i == 1 ? 1 : strlen(bad[i]))), 0);
}

static void
every_identifier_that_we_write_is_read_as_itself(void **state)
{
	static const struct sign_alg algs[] = {
		{ SIGN_PKCS1, SIGN_SHA256 }, { SIGN_PKCS1, SIGN_SHA384 },
		{ SIGN_PKCS1, SIGN_SHA512 }, { SIGN_PSS, SIGN_SHA256 },
		{ SIGN_PSS, SIGN_SHA384 }, { SIGN_PSS, SIGN_SHA512 },
		{ SIGN_ECDSA, SIGN_SHA256 }, { SIGN_ECDSA, SIGN_SHA384 },
		{ SIGN_ECDSA, SIGN_SHA512 }, { SIGN_ED25519, SIGN_IDENTITY },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		uint8_t raw[SIGN_ALG_MAX];
		struct wbuf w = wbuf_of(raw, sizeof(raw));
		struct sign_alg got;

		assert_int_equal(sign_alg_put(&w, &algs[i]), 0);
		assert_int_equal(sign_alg_of(wbuf_rbuf(&w), &got), 0);
		assert_int_equal(got.scheme, algs[i].scheme);
		assert_int_equal(got.hash, algs[i].hash);
	}
}

/* RFC 7427, A.4.2 and A.1.1: the octets as they stand there. */
static void
identifiers_are_those_of_the_rfc(void **state)
{
	static const char pss[] =
	    "\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\xa0"
	    "\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
	    "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30"
	    "\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\xa2\x03"
	    "\x02\x01\x20";
	static const char rsa[] =
	    "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";
	struct sign_alg a = { SIGN_PSS, SIGN_SHA256 };
	uint8_t raw[SIGN_ALG_MAX];
	struct wbuf w = wbuf_of(raw, sizeof(raw));

	(void)state;
	assert_int_equal(sign_alg_put(&w, &a), 0);
	assert_int_equal(w.len, sizeof(pss) - 1);
	assert_memory_equal(raw, pss, w.len);
	w = wbuf_of(raw, sizeof(raw));
	a.scheme = SIGN_PKCS1;
	assert_int_equal(sign_alg_put(&w, &a), 0);
	assert_int_equal(w.len, sizeof(rsa) - 1);
	assert_memory_equal(raw, rsa, w.len);
}

/* A signature made by OpenSSL with parameters of our choice. */
static struct rbuf
forged(const struct peer *p, const struct sign_alg *claim, const EVP_MD *md,
    int padding, int salt, uint8_t *room)
{
	struct wbuf w = wbuf_of(room, SIGN_MAX);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	uint8_t sig[SIGN_MAX];
	size_t len = sizeof(sig), hole;
	static const char all[] = "messagenoncemac";

	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, md, NULL, p->pkey), 1);
	if (padding != 0)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, padding),
		    1);
	if (padding == RSA_PKCS1_PSS_PADDING)
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt),
		    1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &len,
	    (const unsigned char *)all, sizeof(all) - 1), 1);
	EVP_MD_CTX_free(ctx);
	hole = w.len;
	wbuf_u8(&w, 0);
	assert_int_equal(sign_alg_put(&w, claim), 0);
	wbuf_fill8(&w, hole, (uint8_t)(w.len - hole - 1));
	wbuf_put(&w, sig, len);
	return wbuf_rbuf(&w);
}

static void
a_pss_salt_of_another_length_is_refused(void **state)
{
	const struct sign_alg pss = { SIGN_PSS, SIGN_SHA256 };
	uint8_t room[SIGN_MAX];
	int salts[] = { 0, 20, 31, 33, 64, RSA_PSS_SALTLEN_MAX };
	size_t i;

	(void)state;
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, forged(RSA2048, &pss,
	    EVP_sha256(), RSA_PKCS1_PSS_PADDING, 32, room)), 0);
	for (i = 0; i < sizeof(salts) / sizeof(salts[0]); i++)
		assert_int_equal(verified(RSA2048, SIGN_DIGITAL,
		    forged(RSA2048, &pss, EVP_sha256(), RSA_PKCS1_PSS_PADDING,
		    salts[i], room)), EPERM);
}

static void
sha1_is_refused_unless_policy_allows_it(void **state)
{
	const struct sign_alg weak = { SIGN_PKCS1, SIGN_SHA1 };
	struct sign_parts parts = parts_of("message");
	uint8_t room[SIGN_MAX];
	struct rbuf a = forged(RSA2048, &weak, EVP_sha1(), RSA_PKCS1_PADDING,
	    0, room), plain = a;

	(void)state;
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, a), EACCES);
	assert_int_equal(sign_verify(RSA2048->cert, SIGN_DIGITAL, a, &parts,
	    true, NULL), 0);
	/* method 1 is the same signature without the identifier */
	rbuf_skip(&plain, 1u + a.p[0]);
	assert_int_equal(verified(RSA2048, SIGN_RSA, plain), EACCES);
	assert_int_equal(sign_verify(RSA2048->cert, SIGN_RSA, plain, &parts,
	    true, NULL), 0);
}

/* PKCS#1 v1.5 blocks encrypted by hand with the private key. */
static struct rbuf
raw_rsa(const uint8_t *block, uint8_t *room)
{
	const struct sign_alg claim = { SIGN_PKCS1, SIGN_SHA256 };
	struct wbuf w = wbuf_of(room, SIGN_MAX);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(RSA2048->pkey, NULL);
	uint8_t sig[256];
	size_t len = sizeof(sig), hole = w.len;

	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, block, 256), 1);
	EVP_PKEY_CTX_free(ctx);
	wbuf_u8(&w, 0);
	assert_int_equal(sign_alg_put(&w, &claim), 0);
	wbuf_fill8(&w, hole, (uint8_t)(w.len - hole - 1));
	wbuf_put(&w, sig, len);
	return wbuf_rbuf(&w);
}

/* 00 01 ff.. 00 info digest, with `trail` octets after it. */
static void
pkcs1_block(uint8_t block[256], const char *info, size_t info_len,
    size_t digest_len, size_t trail)
{
	static const char all[] = "messagenoncemac";
	uint8_t digest[32];
	size_t at = 256 - trail - digest_len - info_len;

	EVP_Digest(all, sizeof(all) - 1, digest, NULL, EVP_sha256(), NULL);
	memset(block, 0xff, 256);
	block[0] = 0;
	block[1] = 1;
	block[at - 1] = 0;
	memcpy(block + at, info, info_len);
	memcpy(block + at + info_len, digest, digest_len);
	memset(block + 256 - trail, 0, trail);
}

static void
pkcs1_padding_is_checked_to_the_last_octet(void **state)
{
	static const char good[] = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01"
	    "\x65\x03\x04\x02\x01\x05\x00\x04\x20";
	static const char no_null[] = "\x30\x2f\x30\x0b\x06\x09\x60\x86\x48"
	    "\x01\x65\x03\x04\x02\x01\x04\x20";
	uint8_t block[256], room[SIGN_MAX];

	(void)state;
	pkcs1_block(block, good, 19, 32, 0);
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, raw_rsa(block,
	    room)), 0);
	pkcs1_block(block, good, 19, 32, 1);	/* trailing octets */
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, raw_rsa(block,
	    room)), EPERM);
	pkcs1_block(block, good, 19, 32, 128);
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, raw_rsa(block,
	    room)), EPERM);
	pkcs1_block(block, no_null, 17, 32, 0);	/* DigestInfo without NULL */
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, raw_rsa(block,
	    room)), EPERM);
	pkcs1_block(block, good, 19, 16, 0);	/* short digest */
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, raw_rsa(block,
	    room)), EPERM);
	pkcs1_block(block, "", 0, 32, 0);	/* bare digest */
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, raw_rsa(block,
	    room)), EPERM);
	pkcs1_block(block, good, 19, 32, 0);
	block[10] = 0xfe;			/* padding */
	assert_int_equal(verified(RSA2048, SIGN_DIGITAL, raw_rsa(block,
	    room)), EPERM);
}

/* r or s is 0, or the order of the group. */
static void
ecdsa_numbers_out_of_range_are_refused(void **state)
{
	static const uint8_t n[32] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
		0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2,
		0xfc, 0x63, 0x25, 0x51 };
	uint8_t room[SIGN_MAX], good[64], bad[64], method;
	int i;

	(void)state;
	signed_with(P256, NULL, 0, false, &method, room);
	memcpy(good, room, 64);
	for (i = 0; i < 2; i++) {
		memcpy(bad, good, 64);
		memset(bad + 32 * i, 0, 32);
		assert_int_equal(verified(P256, method, rbuf_of(bad, 64)),
		    EPERM);
		memcpy(bad + 32 * i, n, 32);
		assert_int_equal(verified(P256, method, rbuf_of(bad, 64)),
		    EPERM);
	}
	memset(bad, 0, 64);
	assert_int_equal(verified(P256, method, rbuf_of(bad, 64)), EPERM);
	assert_int_equal(verified(P256, method, rbuf_of(good, 63)), EBADMSG);
	assert_int_equal(verified(P256, method, rbuf_of(good, 0)), EBADMSG);
}

/* DER of r and s: negative, with leading zeros, in long form. */
static void
ecdsa_in_sloppy_der_is_refused(void **state)
{
	const struct sign_alg claim = { SIGN_ECDSA, SIGN_SHA256 };
	static const char *const tails[] = {
		"\x30\x06\x02\x01\x80\x02\x01\x01",	/* r negative */
		"\x30\x06\x02\x01\x01\x02\x01\xff",
		"\x30\x07\x02\x02\x00\x01\x02\x01\x01",	/* leading zero */
		"\x30\x81\x06\x02\x01\x01\x02\x01\x01",	/* long form */
		"\x30\x00",
		"\x04\x01\x01",
	};
	static const size_t lens[] = { 8, 8, 9, 9, 2, 3 };
	uint8_t room[SIGN_MAX];
	size_t i, hole;

	(void)state;
	for (i = 0; i < 6; i++) {
		struct wbuf w = wbuf_of(room, sizeof(room));

		hole = w.len;
		wbuf_u8(&w, 0);
		assert_int_equal(sign_alg_put(&w, &claim), 0);
		wbuf_fill8(&w, hole, (uint8_t)(w.len - hole - 1));
		wbuf_put(&w, tails[i], lens[i]);
		assert_int_equal(verified(P256, SIGN_DIGITAL, wbuf_rbuf(&w)),
		    EPERM);
	}
}

static void
the_same_signature_in_longer_der_is_refused(void **state)
{
	uint8_t room[SIGN_MAX], longer[SIGN_MAX], method;
	struct rbuf a = signed_with(P256, sign_hashes, sign_n_hashes, false,
	    &method, room);
	size_t alg = 1u + a.p[0], len = rbuf_left(&a);

	(void)state;
	/* 30 LL -> 30 81 LL */
	memcpy(longer, a.p, alg + 1);
	longer[alg + 1] = 0x81;
	memcpy(longer + alg + 2, a.p + alg + 1, len - alg - 1);
	assert_int_equal(verified(P256, method, rbuf_of(longer, len + 1)),
	    EPERM);
}

static void
a_weak_or_odd_private_key_is_not_loaded(void **state)
{
	EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	struct secret *der = pki_key_der(k, NULL);
	struct err e = { 0 };

	(void)state;
	assert_null(sign_key_parse(rbuf_of(der->b, der->len), &e));
	assert_int_equal(e.code, EACCES);
	secret_free(der);
	EVP_PKEY_free(k);
	k = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	der = pki_key_der(k, NULL);
	assert_null(sign_key_parse(rbuf_of(der->b, der->len), &e));
	assert_int_equal(e.code, ENOTSUP);
	secret_free(der);
	EVP_PKEY_free(k);
	assert_null(sign_key_parse(rbuf_of("", 0), &e));
	assert_null(sign_key_parse(rbuf_of("0000", 4), &e));
}

static void
a_key_fits_only_its_own_certificate(void **state)
{
	(void)state;
	assert_true(sign_key_fits(P256->key, P256->cert));
	assert_false(sign_key_fits(P256->key, P384->cert));
	assert_false(sign_key_fits(RSA2048->key, P384->cert));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_signs_what_it_verifies),
		cmocka_unit_test(the_hash_is_one_that_the_peer_takes),
		cmocka_unit_test(
		    without_hashes_ecdsa_uses_rfc_4754_and_rsa_refuses),
		cmocka_unit_test(a_bit_changed_anywhere_never_verifies),
		cmocka_unit_test(cut_or_longer_never_verifies),
		cmocka_unit_test(another_message_or_key_does_not_verify),
		cmocka_unit_test(an_algorithm_must_fit_the_key),
		cmocka_unit_test(algorithm_identifiers_must_be_exact),
		cmocka_unit_test(
		    every_identifier_that_we_write_is_read_as_itself),
		cmocka_unit_test(identifiers_are_those_of_the_rfc),
		cmocka_unit_test(a_pss_salt_of_another_length_is_refused),
		cmocka_unit_test(sha1_is_refused_unless_policy_allows_it),
		cmocka_unit_test(pkcs1_padding_is_checked_to_the_last_octet),
		cmocka_unit_test(ecdsa_numbers_out_of_range_are_refused),
		cmocka_unit_test(ecdsa_in_sloppy_der_is_refused),
		cmocka_unit_test(the_same_signature_in_longer_der_is_refused),
		cmocka_unit_test(a_weak_or_odd_private_key_is_not_loaded),
		cmocka_unit_test(a_key_fits_only_its_own_certificate),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sign", tests, setup, teardown);
}
