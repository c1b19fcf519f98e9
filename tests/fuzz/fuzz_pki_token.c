/* Tokens, and base64.  A checksum is made for half of the inputs, so that what
 * is behind it is reached. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/base64.h"
#include "dmvpn-pki/pki_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keys of a newer version are stepped over, so not the text that came, but the
 * one that we write is read and written the same. */
static void
read_and_write(const char *text)
{
	static struct pki_token_in in, in_again;
	char ours[PKI_TOKEN_TEXT_MAX + 1], again[PKI_TOKEN_TEXT_MAX + 1];

	if (pki_token_read(text, &in, NULL) < 0)
		return;
	if (pki_token_write(&in.m, ours, sizeof(ours), NULL) < 0 ||
	    pki_token_read(ours, &in_again, NULL) < 0 ||
	    pki_token_write(&in_again.m, again, sizeof(again), NULL) < 0 ||
	    strcmp(ours, again) != 0)
		__builtin_trap();
}

static void
base64_both_ways(const char *text, size_t len)
{
	static uint8_t octets[4096];
	static char again[8192];
	struct wbuf w = wbuf_of(octets, sizeof(octets));
	struct wbuf out = wbuf_of(again, sizeof(again));

	if (base64_read(&w, BASE64_URL, text, len, NULL) < 0)
		return;
	base64_write(&out, BASE64_URL, octets, w.len);
	if (out.len != len || memcmp(again, text, len) != 0)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096];
	uint8_t body[1600], hash[32];
	struct wbuf w = wbuf_of(text, sizeof(text));

	if (size < 1 || size > 1500)
		return 0;
	if (data[0] & 1) {
		wbuf_put(&w, data + 1, size - 1);
		wbuf_u8(&w, '\0');
		base64_both_ways(text, strlen(text));
		read_and_write(text);
		return 0;
	}
	memcpy(body, data + 1, size - 1);
	if (EVP_Digest(body, size - 1, hash, NULL, EVP_sha256(), NULL) != 1)
		return 0;
	memcpy(body + size - 1, hash, 4);
	wbuf_put(&w, PKI_TOKEN_PREFIX, strlen(PKI_TOKEN_PREFIX));
	base64_write(&w, BASE64_URL, body, size + 3);
	wbuf_u8(&w, '\0');
	read_and_write(text);
	return 0;
}
