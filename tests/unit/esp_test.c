#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/esp.h"
#include "sys/pcap.h"
#include "wire/esp.h"
#include "wire/gre.h"
#include "wire/ip.h"
#include "wire/ip_sum.h"

#define CAPTURES "../shared/captures/"
#define SCAPY "tests/lib/esp-scapy.py"

static const uint8_t keymat[64] = { 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144,
    233, 7, 11, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79,
    83, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163,
    167, 173, 179, 181, 191, 193, 197, 199, 211, 223, 227, 229, 239, 241,
    251, 2, 4, 6, 10, 12 };

static struct esp_key *
key(enum esp_alg alg, bool seal)
{
	struct err e = { 0 };
	struct esp_key *k = esp_key_new(alg, seal, keymat,
	    esp_suite(alg)->key_len, 1, &e);

	if (k == NULL)
		fail_msg("%s", e.msg);
	return k;
}

/* An ESP packet with n octets of payload; returns its length. */
static size_t
sealed(struct esp_key *k, bool esn, uint64_t seq, uint8_t *p, size_t n,
    uint8_t next)
{
	const struct esp_suite *s = esp_key_suite(k);
	struct esp_job j = { .p = p, .sequence = seq,
	    .text = esp_text_len(n, s->block) };

	store32(p, 0x11223344);
	store32(p + 4, (uint32_t)seq);
	esp_pad(p + 8 + s->iv_len, n, j.text, next);
	assert_int_equal(esp_seal(k, 0, esn, &j, 1), 0);
	return 8U + s->iv_len + j.text + s->icv_len;
}

static bool
opens(struct esp_key *k, bool esn, uint64_t seq, uint8_t *p, size_t len)
{
	const struct esp_suite *s = esp_key_suite(k);
	struct esp_job j = { .p = p, .sequence = seq,
	    .text = len - 8 - s->iv_len - s->icv_len };

	return esp_open(k, 0, esn, &j, 1) == 1;
}

static void
what_is_sealed_opens(void **state)
{
	uint8_t p[2048], plain[1500], next;
	enum esp_alg a;
	size_t n, len, got, i;

	(void)state;
	for (i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 3);
	for (a = 0; a < ESP_ALG_N; a++) {
		struct esp_key *in = key(a, false), *out = key(a, true);
		size_t at = 8U + esp_suite(a)->iv_len;

		for (n = 0; n < 300; n++) {
			uint64_t seq = n + (1ULL << 32) - 150;

			memcpy(p + at, plain, n);
			len = sealed(out, n & 1, seq, p, n, IP_GRE);
			assert_true(n < 16 || memcmp(p + at, plain, n) != 0);
			assert_true(opens(in, n & 1, seq, p, len));
			assert_int_equal(esp_unpad(p + at, len - at -
			    esp_suite(a)->icv_len, &got, &next), 0);
			assert_int_equal(got, n);
			assert_int_equal(next, IP_GRE);
			assert_memory_equal(p + at, plain, n);
		}
		esp_key_free(in);
		esp_key_free(out);
	}
}

/* ESP-05 */
static void
one_wrong_bit_anywhere_is_found(void **state)
{
	uint8_t p[256], q[256];
	enum esp_alg a;
	size_t len, i;

	(void)state;
	for (a = 0; a < ESP_ALG_N; a++) {
		struct esp_key *in = key(a, false), *out = key(a, true);

		memset(p, 0x5a, sizeof(p));
		len = sealed(out, true, 7, p, 60, 4);
		for (i = 0; i < len * 8; i++) {
			memcpy(q, p, len);
			q[i / 8] ^= (uint8_t)(1 << i % 8);
			/* The number comes from the header, as in the path;
			 * its upper half from the window. */
			assert_false(opens(in, true, load32(q + 4), q, len));
		}
		memcpy(q, p, len);
		assert_false(opens(in, true, 7 + (1ULL << 32), q, len));
		assert_true(opens(in, true, 7, p, len));
		esp_key_free(in);
		esp_key_free(out);
	}
}

/* The IV of CBC must not be guessable from the number, and differ. */
static void
ivs_never_repeat(void **state)
{
	uint8_t p[256], last[16] = { 0 };
	enum esp_alg a;
	uint64_t seq;

	(void)state;
	for (a = 0; a < ESP_ALG_N; a++) {
		struct esp_key *out = key(a, true);
		size_t iv = esp_suite(a)->iv_len;

		for (seq = 1; seq < 500; seq++) {
			sealed(out, false, seq, p, 20, 4);
			assert_memory_not_equal(p + 8, last, iv);
			memcpy(last, p + 8, iv);
		}
		esp_key_free(out);
	}
}

static void
keys_of_a_wrong_length_are_refused(void **state)
{
	enum esp_alg a;
	struct err e;
	size_t n;

	(void)state;
	for (a = 0; a < ESP_ALG_N; a++)
		for (n = 0; n <= 64; n++) {
			struct esp_key *k = esp_key_new(a, true, keymat, n,
			    1, &e);

			assert_int_equal(k != NULL,
			    n == esp_suite(a)->key_len);
			if (k == NULL)
				assert_int_equal(e.code, EINVAL);
			esp_key_free(k);
		}
	assert_null(esp_key_new((enum esp_alg)99, true, keymat, 20, 1, &e));
}

/* ESP-14 */
static void
padding_must_count(void **state)
{
	uint8_t p[300], next;
	size_t n, i, pad;

	(void)state;
	for (pad = 0; pad < 256; pad++) {
		memset(p, 0, sizeof(p));
		esp_pad(p, 10, 10 + pad + 2, 41);
		assert_int_equal(esp_unpad(p, 12 + pad, &n, &next), 0);
		assert_int_equal(n, 10);
		assert_int_equal(next, 41);
		for (i = 0; i < pad; i++) {
			p[10 + i] ^= 1;
			assert_int_equal(esp_unpad(p, 12 + pad, &n, &next),
			    -1);
			p[10 + i] ^= 1;
		}
		/* All of it padding is fine, more than all is not. */
		assert_int_equal(esp_unpad(p + 10, 2 + pad, &n, &next), 0);
		assert_int_equal(n, 0);
		if (pad > 0)
			assert_int_equal(esp_unpad(p + 11, 1 + pad, &n,
			    &next), -1);
	}
	assert_int_equal(esp_unpad(p, 1, &n, &next), -1);
	assert_int_equal(esp_unpad(p, 0, &n, &next), -1);
}

/* RFC 7634, appendix A. */
static void
vector_of_rfc_7634(void **state)
{
	uint8_t k[36], b[256];
	struct wbuf w = wbuf_of(b, sizeof(b));
	struct esp_key *in;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < 32; i++)
		k[i] = (uint8_t)(0x80 + i);
	for (i = 0; i < 4; i++)
		k[32 + i] = (uint8_t)(0xa0 + i);
	assert_true(text_unhex("01020304000000051011121314151617"
	    "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
	    "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
	    "cbec163fac469b502773f6fb94e664da9165b82829f641e0"
	    "76aaa8266b7fb0f7b11b369907e1ad43", &w, &e) >= 0);
	in = esp_key_new(ESP_CHACHA20_POLY1305, false, k, 36, 1, &e);
	assert_non_null(in);
	assert_true(opens(in, false, 5, b, w.len));
	assert_int_equal(b[16], 0x45);
	esp_key_free(in);
}

/* ---------------------------------------------------- real packets */

static bool
open_real(const struct rbuf *frame, const char *enc, const char *auth,
    uint32_t spi)
{
	uint8_t k[64], p[2048], next;
	struct wbuf w = wbuf_of(k, sizeof(k));
	const uint8_t *ip = frame->p + 14;
	struct esp_key *in;
	struct gre_head g;
	struct ip_view v;
	struct err e;
	size_t n, got;
	bool ok;

	if (rbuf_left(frame) < 34 ||
	    ip_parse(ip, rbuf_left(frame) - 14, &v) != IP_OK ||
	    v.proto != IP_ESP || load32(ip + v.l4) != spi)
		return false;
	n = v.len - v.l4;
	memcpy(p, ip + v.l4, n);
	text_unhex(enc, &w, &e);
	text_unhex(auth, &w, &e);
	in = esp_key_new(w.len == 64 ? ESP_AES256_CBC_SHA256 :
	    ESP_AES128_CBC_SHA256, false, k, w.len, 1, &e);
	assert_non_null(in);
	ok = opens(in, false, load32(p + 4), p, n);
	assert_true(ok);
	esp_key_free(in);
	assert_int_equal(esp_unpad(p + 24, n - 24 - 16, &got, &next), 0);
	assert_int_equal(next, IP_GRE);
	assert_int_equal(gre_parse(p + 24, got, &g), GRE_OK);
	assert_true(g.keyed && g.key == 42);
	return true;
}

static void
packets_of_strongswan_open(void **state)
{
	char line[1024], enc[80], auth[80], spi[16];
	FILE *keys = fopen(CAPTURES "frr-trap-keys-bgp.keys/esp_sa", "r");
	struct capture *c;
	struct frame f;
	struct err e;
	unsigned total = 0;

	(void)state;
	if (keys == NULL)
		skip();
	while (fgets(line, sizeof(line), keys) != NULL) {
		if (sscanf(line, "%*[^,],%*[^,],%*[^,],\"%15[0-9a-fx]\","
		    "%*[^,],\"%79[0-9a-fx]\",%*[^,],\"%79[0-9a-fx]\"", spi,
		    enc, auth) != 3)
			continue;
		c = capture_open(CAPTURES "frr-trap-keys-bgp.pcap", &e);
		assert_non_null(c);
		while (capture_next(c, &f, &e) == 1)
			total += open_real(&f.data, enc, auth,
			    (uint32_t)strtoul(spi, NULL, 16));
		capture_close(c);
	}
	fclose(keys);
	assert_true(total >= 79);
}

/* --------------------------------------------------- a second opinion */

struct oracle {
	pid_t	 pid;
	FILE	*to, *from;
};

static bool
oracle_start(struct oracle *o)
{
	int in[2], out[2];

	if (access("/usr/bin/python3", X_OK) < 0 || access(SCAPY, R_OK) < 0)
		return false;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	signal(SIGPIPE, SIG_IGN);
	if ((o->pid = fork()) == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[0]);
		close(in[1]);
		close(out[0]);
		close(out[1]);
		execl("/usr/bin/python3", "python3", SCAPY, (char *)NULL);
		_exit(77);
	}
	close(in[0]);
	close(out[1]);
	o->to = fdopen(in[1], "w");
	o->from = fdopen(out[0], "r");
	return true;
}

/* Octets of the answer, or -1: it did not verify; -2: no oracle. */
static int
oracle_ask(struct oracle *o, const char *what, enum esp_alg a, bool esn,
    uint64_t seq, const uint8_t *p, size_t n, uint8_t *answer)
{
	char hex[4096], k[160], line[8192];
	struct wbuf w = wbuf_of(answer, 2048);
	struct err e;

	fprintf(o->to, "%s %s %d %llu %s %s\n", what, esp_alg_names[a].text,
	    esn, (unsigned long long)seq,
	    text_hex(keymat, esp_suite(a)->key_len, k, sizeof(k)),
	    text_hex(p, n, hex, sizeof(hex)));
	fflush(o->to);
	if (fgets(line, sizeof(line), o->from) == NULL)
		return -2;
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "bad") == 0)
		return -1;
	return text_unhex(line, &w, &e) < 0 ? -1 : (int)w.len;
}

static size_t
inner(uint8_t *p, size_t n)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	store16(p + 2, (uint16_t)(20 + n));
	p[8] = 64;
	p[9] = 253;
	memcpy(p + 12, (uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, 2 }, 8);
	ip4_checksum(p);
	memset(p + 20, 0x33, n);
	return 20 + n;
}

static bool
agree(struct oracle *o, enum esp_alg a, bool esn, uint64_t seq, size_t n)
{
	uint8_t plain[512], p[1024], answer[2048], next;
	struct esp_key *in = key(a, false), *out = key(a, true);
	size_t at = 8U + esp_suite(a)->iv_len, len = inner(plain, n), got;
	int r;

	memcpy(p + at, plain, len);
	len = sealed(out, esn, seq, p, len, IP_IPV4);
	r = oracle_ask(o, "open", a, esn, seq, p, len, answer);
	if (r == -2)
		return false;
	assert_int_equal(r, 20 + n);
	assert_memory_equal(answer, plain, r);
	r = oracle_ask(o, "seal", a, esn, seq, plain, 20 + n, answer);
	assert_true(r > 0);
	assert_int_equal(load32(answer + 4), (uint32_t)seq);
	assert_true(opens(in, esn, seq, answer, (size_t)r));
	assert_int_equal(esp_unpad(answer + at, (size_t)r - at -
	    esp_suite(a)->icv_len, &got, &next), 0);
	assert_int_equal(got, 20 + n);
	assert_memory_equal(answer + at, plain, got);
	esp_key_free(in);
	esp_key_free(out);
	return true;
}

static void
scapy_agrees(void **state)
{
	struct oracle o = { .pid = -1 };
	enum esp_alg a;
	size_t n;
	bool ok = true;

	(void)state;
	if (!oracle_start(&o))
		skip();
	for (a = 0; ok && a < ESP_ALG_N; a++)
		for (n = 0; ok && n < 20; n += 3) {
			ok = agree(&o, a, false, 1 + n, n);
			/* scapy leaves ESN out of a separate ICV. */
			if (esp_suite(a)->block == 4)
				ok = ok && agree(&o, a, true,
				    (3ULL << 32) + 5 + n, n);
		}
	fclose(o.to);
	fclose(o.from);
	waitpid(o.pid, NULL, 0);
	if (!ok)
		skip();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "what is sealed opens, with every cipher",
		    what_is_sealed_opens, NULL, NULL, NULL },
		{ "ESP-05: one wrong bit anywhere is found",
		    one_wrong_bit_anywhere_is_found, NULL, NULL, NULL },
		{ "IVs never repeat", ivs_never_repeat, NULL, NULL, NULL },
		{ "keys of a wrong length are refused",
		    keys_of_a_wrong_length_are_refused, NULL, NULL, NULL },
		{ "ESP-14: padding must be 1, 2, 3, ...", padding_must_count,
		    NULL, NULL, NULL },
		{ "the vector of RFC 7634 opens", vector_of_rfc_7634, NULL,
		    NULL, NULL },
		{ "packets that a kernel sent for strongSwan open",
		    packets_of_strongswan_open, NULL, NULL, NULL },
		{ "scapy opens what we seal, and we what it seals",
		    scapy_agrees, NULL, NULL, NULL },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
