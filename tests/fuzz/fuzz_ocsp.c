/* OCSP: requests that the responder gets, responses that the verifier gets.
 * The first octet says which, and whether a good one is damaged. */
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509v3.h>

#include "crypto/ocsp.h"
#include "dmvpn-pki/pki_ocsp.h"
#include "pki_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool revoked;

static int
look(void *arg, const char *serial, struct pki_ocsp_row *out, struct err *e)
{
	(void)arg;
	(void)serial;
	(void)e;
	memset(out, 0, sizeof(*out));
	out->known = true;
	out->revoked = revoked ? FUZZ_NOW - 1 : 0;
	return 0;
}

static size_t
answer(struct rbuf request, uint8_t *out)
{
	const struct fuzz_ca *f = fuzz_ca();
	struct pki_ocsp o = { .cas = &f->ca, .n_cas = 1, .now = FUZZ_NOW,
		.valid = 3600, .look = look };
	struct wbuf w = wbuf_of(out, OCSP_MAX);
	struct pki_ocsp_said said;

	fuzz_need(pki_ocsp_answer(&o, request, &w, &said, NULL) == 0);
	return w.len;
}

/* Whatever comes, a revoked certificate is never good. */
static void
judge(struct rbuf response)
{
	const struct fuzz_ca *f = fuzz_ca();
	struct ocsp_ask ask = { .leaf = f->leaf, .issuer = f->root,
		.at = FUZZ_NOW };
	struct ocsp_word word;

	if (ocsp_read(response, &ask, &word, NULL) == 0 &&
	    word.state == OCSP_GOOD)
		__builtin_trap();
	(void)ocsp_peek(response, &word, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t request[OCSP_REQUEST_MAX], good[OCSP_MAX],
	    bad[OCSP_MAX];
	static size_t request_len, good_len;
	struct rbuf in = rbuf_of(data, size);
	const struct fuzz_ca *f = fuzz_ca();
	uint8_t how = rbuf_u8(&in);
	struct wbuf w = wbuf_of(request, sizeof(request));

	if (good_len == 0) {
		revoked = true;
		fuzz_need(ocsp_request(f->leaf, f->root, rbuf_of("0123456789"
		    "abcdef", 16), &w, NULL) == 0);
		request_len = w.len;
		good_len = answer(wbuf_rbuf(&w), good);
	}
	switch (how % 4) {
	case 0:
		(void)answer(rbuf_rest(&in), bad);
		break;
	case 1:
		judge(rbuf_rest(&in));
		break;
	case 2: {
		uint8_t q[OCSP_REQUEST_MAX];
		size_t n = fuzz_damage(in, request, request_len, q, sizeof(q));

		(void)answer(rbuf_of(q, n), bad);
		break;
	}
	case 3:
		judge(rbuf_of(bad, fuzz_damage(in, good, good_len, bad,
		    sizeof(bad))));
		break;
	}
	return 0;
}
