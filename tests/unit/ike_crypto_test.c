#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/text.h"
#include "crypto/dh.h"
#include "crypto/prf.h"
#include "crypto/sk.h"
#include "sys/pcap.h"
#include "wire/ike.h"
#include "wire/ike_names.h"

#define CAPTURES "../shared/captures/"

static size_t
unhex(const char *text, uint8_t *out, size_t cap)
{
	struct wbuf w = wbuf_of(out, cap);

	if (text_unhex(text, &w, NULL) < 0)
		fail_msg("bad hexadecimal: %s", text);
	return w.len;
}

/* The value of a key in a flat JSON object. */
static size_t
json_hex(const char *json, const char *key, uint8_t *out, size_t cap)
{
	char want[40], value[1024];
	const char *at;

	snprintf(want, sizeof(want), "\"%s\": \"", key);
	at = strstr(json, want);
	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(want), "%1023[0-9a-f]", value),
	    1);
	return unhex(value, out, cap);
}

static void
key_derivation_matches_the_acvp_sample(void **state)
{
	FILE *f = fopen(CAPTURES "ikev2-kdf-acvp-sample.json", "r");
	char json[4096] = "";
	uint8_t ni[64], nr[64], g[64], g2[64], want[256], got[256], seed[64];
	uint8_t octets[16], nonces[128];
	size_t n_ni, n_nr, n_g, n_g2, n;
	struct wbuf spis = wbuf_of(octets, sizeof(octets));
	struct wbuf both = wbuf_of(nonces, sizeof(nonces));
	struct rbuf parts[4];

	(void)state;
	if (f == NULL)
		skip();
	n = fread(json, 1, sizeof(json) - 1, f);
	fclose(f);
	assert_true(n > 0);
	n_ni = json_hex(json, "Ni", ni, sizeof(ni));
	n_nr = json_hex(json, "Nr", nr, sizeof(nr));
	n_g = json_hex(json, "g_ir", g, sizeof(g));
	n_g2 = json_hex(json, "g_ir_new", g2, sizeof(g2));
	n = json_hex(json, "SPIi", octets, 8);
	spis.len = n + json_hex(json, "SPIr", &octets[8], 8);
	wbuf_put(&both, ni, n_ni);
	wbuf_put(&both, nr, n_nr);
	/* SKEYSEED = prf(Ni | Nr, g^ir) */
	parts[0] = rbuf_of(g, n_g);
	assert_int_equal(prf_make(IKE_PRF_HMAC_SHA1, wbuf_rbuf(&both), parts,
	    1, seed, NULL), 0);
	n = json_hex(json, "SKEYSEED", want, sizeof(want));
	assert_memory_equal(seed, want, n);
	/* DKM = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr) */
	parts[0] = rbuf_of(ni, n_ni);
	parts[1] = rbuf_of(nr, n_nr);
	parts[2] = wbuf_rbuf(&spis);
	n = json_hex(json, "DKM", want, sizeof(want));
	assert_int_equal(prf_plus(IKE_PRF_HMAC_SHA1, rbuf_of(seed, 20), parts,
	    3, got, n, NULL), 0);
	assert_memory_equal(got, want, n);
	memcpy(seed, got, 20);		/* SK_d */
	/* KEYMAT, without and with a new g^ir */
	n = json_hex(json, "DKM_child", want, sizeof(want));
	assert_int_equal(prf_plus(IKE_PRF_HMAC_SHA1, rbuf_of(seed, 20), parts,
	    2, got, n, NULL), 0);
	assert_memory_equal(got, want, n);
	parts[0] = rbuf_of(g2, n_g2);
	parts[1] = rbuf_of(ni, n_ni);
	parts[2] = rbuf_of(nr, n_nr);
	n = json_hex(json, "DKM_child_dh", want, sizeof(want));
	assert_int_equal(prf_plus(IKE_PRF_HMAC_SHA1, rbuf_of(seed, 20), parts,
	    3, got, n, NULL), 0);
	assert_memory_equal(got, want, n);
	/* a rekeyed IKE SA: prf(SK_d, g^ir | Ni | Nr) */
	n = json_hex(json, "SKEYSEED_rekey", want, sizeof(want));
	assert_int_equal(prf_make(IKE_PRF_HMAC_SHA1, rbuf_of(seed, 20), parts,
	    3, got, NULL), 0);
	assert_memory_equal(got, want, n);
}

/* ---- captures, decrypted with the keys that came with them ---- */

struct keys {
	uint64_t	spi_i, spi_r;
	struct sk_dir	i, r;
};

static void
set_dir(struct sk_dir *d, const char *cipher, const char *enc,
    const char *integ)
{
	struct sk_suite s = { .encr = IKE_ENCR_AES_CBC, .key_bits = 256,
	    .integ = IKE_INTEG_HMAC_SHA256_128, .prf = IKE_PRF_HMAC_SHA256 };
	uint8_t e[64], i[64];
	size_t n = unhex(enc, e, sizeof(e)), m;

	m = integ[0] != '\0' ? unhex(integ, i, sizeof(i)) : 0;
	if (strstr(cipher, "GCM") != NULL) {
		s.encr = IKE_ENCR_AES_GCM_16;
		s.integ = 0;
	}
	assert_int_equal(sk_dir_set(d, &s, rbuf_of(e, n), rbuf_of(i, m),
	    NULL), 0);
}

/* Wireshark's ikev2_decryption_table: SPIi,SPIr,SK_ei,SK_er,"cipher",SK_ai,
 * SK_ar,"integrity" */
static size_t
read_keys(const char *path, struct keys *k, size_t max)
{
	FILE *f = fopen(path, "r");
	char line[1024], *field[8], *at;
	uint8_t spi[8];
	struct rbuf in;
	size_t n = 0, i;

	if (f == NULL)
		return 0;
	while (n < max && fgets(line, sizeof(line), f) != NULL) {
		for (i = 0, at = line; i < 8; i++)
			field[i] = at != NULL ? strsep(&at, ",\n") : line;
		unhex(field[0], spi, 8);
		in = rbuf_of(spi, 8);
		k[n].spi_i = rbuf_be64(&in);
		unhex(field[1], spi, 8);
		in = rbuf_of(spi, 8);
		k[n].spi_r = rbuf_be64(&in);
		set_dir(&k[n].i, field[4], field[2], field[5]);
		set_dir(&k[n].r, field[4], field[3], field[6]);
		n++;
	}
	fclose(f);
	return n;
}

/* The IKE message of an Ethernet frame, empty when it is none. */
static struct rbuf
ike_of(struct rbuf in)
{
	struct rbuf ip, marker;
	uint8_t head;
	uint16_t src, dst;

	rbuf_skip(&in, 12);
	if (rbuf_be16(&in) != 0x0800)
		return rbuf_of(NULL, 0);
	ip = in;
	head = rbuf_u8(&ip);
	rbuf_skip(&ip, 8);
	if (rbuf_u8(&ip) != 17)
		return rbuf_of(NULL, 0);
	rbuf_skip(&in, (size_t)(head & 15) * 4);
	src = rbuf_be16(&in);
	dst = rbuf_be16(&in);
	rbuf_skip(&in, 4);
	if (src == 4500 || dst == 4500) {
		marker = rbuf_sub(&in, 4);
		if (rbuf_be32(&marker) != 0 || !rbuf_ok(&marker))
			return rbuf_of(NULL, 0);
	} else if (src != 500 && dst != 500)
		return rbuf_of(NULL, 0);
	return rbuf_ok(&in) ? in : rbuf_of(NULL, 0);
}

static bool
decrypt(struct rbuf msg, const struct ike_header *h, struct rbuf payloads,
    const struct keys *k)
{
	struct ike_walk w = ike_walk_of(h->next, payloads);
	struct ike_payload p;
	uint8_t clear[4096];
	struct wbuf out = wbuf_of(clear, sizeof(clear));
	struct rbuf head = msg;
	struct err e;
	int rc;

	assert_int_equal(ike_walk_next(&w, &p, &e), 1);
	if (p.type != IKE_P_SK)
		return false;
	head = rbuf_sub(&msg, rbuf_left(&msg) - rbuf_left(&p.body));
	if (sk_open(h->flags & IKE_FLAG_INITIATOR ? &k->i : &k->r, head,
	    p.body, &out, &e) < 0)
		fail_msg("message %u: %s", h->id, e.msg);
	w = ike_walk_of(p.next, wbuf_rbuf(&out));
	while ((rc = ike_walk_next(&w, &p, &e)) == 1)
		assert_in_range(p.type, IKE_P_SA, IKE_P_SKF);
	if (rc < 0)
		fail_msg("message %u: %s", h->id, e.msg);
	return true;
}

static unsigned
decrypt_file(const char *path, const char *table)
{
	struct keys *k = calloc(64, sizeof(*k));
	struct capture *c;
	struct frame f;
	struct ike_header h;
	struct rbuf msg, payloads;
	struct err e;
	size_t n, i;
	unsigned opened = 0;

	assert_non_null(k);
	n = read_keys(table, k, 64);
	if (n == 0) {
		free(k);
		skip();
	}
	c = capture_open(path, &e);
	assert_non_null(c);
	while (capture_next(c, &f, &e) == 1) {
		msg = payloads = ike_of(f.data);
		if (rbuf_left(&msg) < IKE_HEADER_LEN)
			continue;
		if (ike_header_parse(&payloads, &h, &e) < 0)
			fail_msg("%s", e.msg);
		for (i = 0; i < n; i++)
			if (k[i].spi_i == h.spi_i && k[i].spi_r == h.spi_r)
				opened += decrypt(msg, &h, payloads, &k[i]);
	}
	capture_close(c);
	free(k);
	return opened;
}

static void
an_aes_gcm_capture_is_decrypted(void **state)
{
	(void)state;
	assert_true(decrypt_file(CAPTURES "ikev2-decrypt-aes256gcm16.pcap",
	    CAPTURES "ikev2_decryption_table") >= 2);
}

static void
an_aes_cbc_capture_is_decrypted(void **state)
{
	(void)state;
	assert_true(decrypt_file(CAPTURES "ikev2-decrypt-aes256cbc.pcapng",
	    CAPTURES "ikev2_decryption_table") >= 2);
}

static void
a_strongswan_capture_is_decrypted(void **state)
{
	(void)state;
	assert_true(decrypt_file(CAPTURES "frr-trap-keys-bgp.pcap",
	    CAPTURES "frr-trap-keys-bgp.keys/ikev2_decryption_table") >= 6);
}

/* ---- groups ---- */

/* RFC 7748, 6.1 */
static void
x25519_matches_rfc_7748(void **state)
{
	uint8_t seed[DH_SEED_LEN] = { 0 }, peer[32], want[32];
	struct secret *z;
	struct rbuf pub;
	struct dh *d;

	(void)state;
	unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db9"
	    "2c2a", seed, 32);
	unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f88"
	    "2b4f", peer, 32);
	unhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e16"
	    "1742", want, 32);
	d = dh_new(IKE_GROUP_X25519, seed, NULL);
	z = dh_shared(d, rbuf_of(peer, 32), NULL);
	assert_non_null(z);
	assert_memory_equal(z->b, want, 32);
	pub = dh_public(d);
	unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b"
	    "4e6a", want, 32);
	assert_memory_equal(pub.p, want, 32);
	secret_free(z);
	dh_free(d);
}

/* RFC 5903, 8.1; the seed gives the exponent plus one. */
static void
p256_matches_rfc_5903(void **state)
{
	uint8_t seed[DH_SEED_LEN] = { 0 }, want[64], peer[64];
	struct secret *z;
	struct rbuf pub;
	struct dh *d;

	(void)state;
	unhex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d"
	    "1432", &seed[8], 32);
	d = dh_new(IKE_GROUP_ECP256, seed, NULL);
	assert_non_null(d);
	unhex("dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c377258"
	    "11805271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8"
	    "990bb3", want, 64);
	pub = dh_public(d);
	assert_memory_equal(pub.p, want, 64);
	unhex("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494"
	    "bf6356fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f3303"
	    "9872ab", peer, 64);
	unhex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b94"
	    "42de", want, 32);
	z = dh_shared(d, rbuf_of(peer, 64), NULL);
	assert_non_null(z);
	assert_int_equal(z->len, 32);
	assert_memory_equal(z->b, want, 32);
	secret_free(z);
	dh_free(d);
}

static void
both_sides_of_each_group_agree(void **state)
{
	static const uint16_t groups[] = { IKE_GROUP_X25519,
	    IKE_GROUP_ECP256, IKE_GROUP_ECP384, IKE_GROUP_MODP1024,
	    IKE_GROUP_MODP1536, IKE_GROUP_MODP2048, IKE_GROUP_MODP3072,
	    IKE_GROUP_MODP4096 };
	uint8_t sa[DH_SEED_LEN], sb[DH_SEED_LEN];
	struct secret *x, *y;
	struct dh *a, *b;
	size_t i;

	(void)state;
	memset(sa, 0x5a, sizeof(sa));
	memset(sb, 0xc3, sizeof(sb));
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		a = dh_new(groups[i], sa, NULL);
		b = dh_new(groups[i], sb, NULL);
		assert_true(a != NULL && b != NULL);
		x = dh_shared(a, dh_public(b), NULL);
		y = dh_shared(b, dh_public(a), NULL);
		assert_true(x != NULL && y != NULL && x->len == y->len);
		assert_memory_equal(x->b, y->b, x->len);
		secret_free(x);
		secret_free(y);
		dh_free(a);
		dh_free(b);
	}
	assert_null(dh_new(1025, sa, NULL));
	assert_null(dh_new(0, sa, NULL));
}

static void
refuse(uint16_t group, uint8_t *value, size_t len)
{
	uint8_t seed[DH_SEED_LEN] = { 1, 2, 3 };
	struct dh *d = dh_new(group, seed, NULL);

	assert_non_null(d);
	assert_null(dh_shared(d, rbuf_of(value, len), NULL));
	dh_free(d);
}

static void
bad_public_values_are_refused_RFC_6989(void **state)
{
	uint8_t v[DH_PUBLIC_MAX] = { 0 };

	(void)state;
	refuse(IKE_GROUP_X25519, v, 32);	/* 0: small order */
	v[0] = 1;
	refuse(IKE_GROUP_X25519, v, 32);	/* 1: small order */
	v[0] = 0;
	refuse(IKE_GROUP_X25519, v, 31);
	refuse(IKE_GROUP_ECP256, v, 64);	/* not on the curve */
	refuse(IKE_GROUP_ECP256, v, 65);
	memset(v, 0xff, 64);
	refuse(IKE_GROUP_ECP256, v, 64);	/* coordinates over p */
	memset(v, 0, sizeof(v));
	refuse(IKE_GROUP_MODP2048, v, 256);	/* 0 */
	v[255] = 1;
	refuse(IKE_GROUP_MODP2048, v, 256);	/* 1 */
	memset(v, 0xff, sizeof(v));
	refuse(IKE_GROUP_MODP2048, v, 256);	/* over p */
	refuse(IKE_GROUP_MODP2048, v, 255);
}

/* ---- the Encrypted payload ---- */

static void
each_cipher_opens_what_it_sealed_and_nothing_else_IKE_23(void **state)
{
	static const struct sk_suite suites[] = {
		{ IKE_ENCR_AES_GCM_16, 128, 0, IKE_PRF_HMAC_SHA256 },
		{ IKE_ENCR_AES_GCM_16, 256, 0, IKE_PRF_HMAC_SHA384 },
		{ IKE_ENCR_CHACHA20_POLY1305, 0, 0, IKE_PRF_HMAC_SHA512 },
		{ IKE_ENCR_AES_CBC, 128, IKE_INTEG_HMAC_SHA256_128,
		  IKE_PRF_HMAC_SHA256 },
		{ IKE_ENCR_AES_CBC, 256, IKE_INTEG_HMAC_SHA384_192,
		  IKE_PRF_HMAC_SHA384 },
		{ IKE_ENCR_AES_CBC, 256, IKE_INTEG_HMAC_SHA512_256,
		  IKE_PRF_HMAC_SHA512 },
	};
	uint8_t key[SK_KEY_MAX], wire[512], clear[512], iv[SK_IV_MAX] = { 9 };
	struct rbuf head, body, text = rbuf_of("payloads, in fact", 17);
	struct wbuf w, out;
	struct sk_dir k;
	size_t i, at, len;
	struct err e;

	(void)state;
	memset(key, 0x42, sizeof(key));
	for (i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		assert_true(sk_suite_known(&suites[i]));
		assert_int_equal(sk_dir_set(&k, &suites[i], rbuf_of(key,
		    sk_enc_len(suites[i].encr, suites[i].key_bits)),
		    rbuf_of(key, sk_integ_len(suites[i].integ)), &e), 0);
		w = wbuf_of(wire, sizeof(wire));
		wbuf_zero(&w, 32);
		assert_int_equal(sk_seal(&k, &w, 0, iv, text, &e), 0);
		assert_int_equal(w.len, 32 + sk_sealed_len(&k, 17));
		for (at = 0; at <= w.len; at++) {
			if (at < w.len)
				wire[at] ^= 0x10;
			head = rbuf_of(wire, 32);
			body = rbuf_of(&wire[32], w.len - 32);
			out = wbuf_of(clear, sizeof(clear));
			assert_int_equal(sk_open(&k, head, body, &out, &e),
			    at < w.len ? -1 : 0);
			if (at < w.len) {
				assert_int_equal(e.code, 13 /* EACCES */);
				assert_int_equal(out.len, 0);
				wire[at] ^= 0x10;
			}
		}
		assert_int_equal(out.len, 17);
		assert_memory_equal(clear, text.p, 17);
		for (len = 0; len < w.len - 32; len++) {	/* cut */
			out = wbuf_of(clear, sizeof(clear));
			assert_int_equal(sk_open(&k, head, rbuf_of(&wire[32],
			    len), &out, &e), -1);
		}
	}
	assert_false(sk_suite_known(&(struct sk_suite){ IKE_ENCR_NULL, 0,
	    IKE_INTEG_HMAC_SHA256_128, IKE_PRF_HMAC_SHA256 }));
	assert_false(sk_suite_known(&(struct sk_suite){ IKE_ENCR_AES_GCM_16,
	    256, IKE_INTEG_HMAC_SHA256_128, IKE_PRF_HMAC_SHA256 }));
}

static const struct { uint16_t prf; const EVP_MD *(*md)(void); } prfs[] = {
	{ IKE_PRF_HMAC_SHA1, EVP_sha1 },
	{ IKE_PRF_HMAC_SHA256, EVP_sha256 },
	{ IKE_PRF_HMAC_SHA384, EVP_sha384 },
	{ IKE_PRF_HMAC_SHA512, EVP_sha512 },
};

/* Keys shorter than a block, of a block, and longer: those are hashed. */
static void
the_prfs_are_hmac_whatever_the_length_of_key_and_parts(void **state)
{
	uint8_t key[300], data[400], got[PRF_MAX], want[EVP_MAX_MD_SIZE];
	struct rbuf in, parts[3];
	unsigned n, len;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 7 + 1);
		key[i % sizeof(key)] = (uint8_t)(i * 13 + 5);
	}
	for (k = 0; k < sizeof(prfs) / sizeof(prfs[0]); k++)
		for (n = 0; n <= sizeof(key); n++) {
			in = rbuf_of(data, n + 100);
			parts[0] = rbuf_sub(&in, n / 3);
			parts[1] = rbuf_of(NULL, 0);
			parts[2] = rbuf_rest(&in);
			assert_int_equal(prf_make(prfs[k].prf, rbuf_of(key,
			    n), parts, 3, got, NULL), 0);
			assert_non_null(HMAC(prfs[k].md(), key, (int)n, data,
			    n + 100, want, &len));
			assert_int_equal(prf_len(prfs[k].prf), len);
			assert_memory_equal(got, want, len);
		}
	assert_int_equal(prf_make(4711, rbuf_of(key, 3), parts, 1, got,
	    NULL), -1);
}

/* RFC 7296, 2.13: T1 | T2 | ..., Tn = prf(K, Tn-1 | S | n), cut to length. */
static void
prf_plus_is_a_chain_of_prfs(void **state)
{
	uint8_t key[32] = { 9 }, seed[50] = { 8 }, want[300], got[300], count;
	struct rbuf parts[3], s = rbuf_of(seed, sizeof(seed));
	size_t len, at, k;

	(void)state;
	for (k = 0; k < sizeof(prfs) / sizeof(prfs[0]); k++) {
		len = prf_len(prfs[k].prf);
		parts[0] = rbuf_of(NULL, 0);
		parts[1] = s;
		parts[2] = rbuf_of(&count, 1);
		for (at = 0, count = 1; at + len <= sizeof(want); at += len) {
			assert_int_equal(prf_make(prfs[k].prf, rbuf_of(key,
			    32), parts, 3, &want[at], NULL), 0);
			parts[0] = rbuf_of(&want[at], len);
			count++;
		}
		assert_int_equal(prf_plus(prfs[k].prf, rbuf_of(key, 32), &s,
		    1, got, at - 5, NULL), 0);
		assert_memory_equal(got, want, at - 5);
		assert_int_equal(prf_plus(prfs[k].prf, rbuf_of(key, 32), &s,
		    1, got, 255 * len + 1, NULL), -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_derivation_matches_the_acvp_sample),
		cmocka_unit_test(an_aes_gcm_capture_is_decrypted),
		cmocka_unit_test(an_aes_cbc_capture_is_decrypted),
		cmocka_unit_test(a_strongswan_capture_is_decrypted),
		cmocka_unit_test(
		    the_prfs_are_hmac_whatever_the_length_of_key_and_parts),
		cmocka_unit_test(prf_plus_is_a_chain_of_prfs),
		cmocka_unit_test(x25519_matches_rfc_7748),
		cmocka_unit_test(p256_matches_rfc_5903),
		cmocka_unit_test(both_sides_of_each_group_agree),
		cmocka_unit_test(bad_public_values_are_refused_RFC_6989),
		cmocka_unit_test(
		    each_cipher_opens_what_it_sealed_and_nothing_else_IKE_23),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
