#include "pki_token.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/base64.h"
#include "base/secret.h"
#include "msg/msg.h"

#define CHECK	4		/* octets */
#define FAMILY	"dmvpn"		/* whatever the version */

static int
check_of(struct rbuf body, uint8_t out[CHECK], struct err *e)
{
	uint8_t hash[32];

	if (EVP_Digest(body.p, rbuf_left(&body), hash, NULL, EVP_sha256(),
	    NULL) != 1)
		return err_set(e, ENOMEM, "SHA-256");
	memcpy(out, hash, CHECK);
	return 0;
}

int
pki_token_write(const struct pki_token *t, char *out, size_t out_len,
    struct err *e)
{
	uint8_t room[PKI_TOKEN_TEXT_MAX], check[CHECK];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct wbuf text = wbuf_of(out, out_len);
	int rc = msg_put(&w, &pki_token_type, t, e);

	if (rc == 0 && (rc = check_of(wbuf_rbuf(&w), check, e)) == 0) {
		wbuf_put(&w, check, sizeof(check));
		wbuf_put(&text, PKI_TOKEN_PREFIX, strlen(PKI_TOKEN_PREFIX));
		base64_write(&text, BASE64_URL, w.buf, w.len);
		wbuf_u8(&text, '\0');
		if (!wbuf_ok(&w) || !wbuf_ok(&text))
			rc = err_set(e, ENOBUFS, "the token is too long: fewer "
			    "hubs or routes");
	}
	secret_wipe(room, sizeof(room));
	return rc;
}

static int
check_prefix(const char *text, struct err *e)
{
	if (strncmp(text, PKI_TOKEN_PREFIX, strlen(PKI_TOKEN_PREFIX)) == 0)
		return 0;
	if (strncmp(text, FAMILY, strlen(FAMILY)) == 0 &&
	    strspn(text + strlen(FAMILY), "0123456789") > 0)
		return err_set(e, ENOTSUP, "the token is of another version: "
		    "ours begin with " PKI_TOKEN_PREFIX);
	return err_set(e, EBADMSG, "this is no token: they begin with "
	    PKI_TOKEN_PREFIX);
}

static int
take_body(struct wbuf *w, struct pki_token_in *in, struct err *e)
{
	struct rbuf r = wbuf_rbuf(w), body;
	const uint8_t *check;
	uint8_t want[CHECK];

	if (rbuf_left(&r) <= CHECK)
		return err_set(e, EBADMSG, "the token is cut off");
	body = rbuf_sub(&r, rbuf_left(&r) - CHECK);
	check = rbuf_take(&r, CHECK);
	if (check_of(body, want, e) < 0)
		return -1;
	if (memcmp(check, want, CHECK) != 0)
		return err_set(e, EBADMSG, "the token was mistyped or cut off: "
		    "its checksum is wrong");
	return msg_get(body, &pki_token_type, &in->m, e) < 0 ?
	    err_in(e, "token") : 0;
}

int
pki_token_read(const char *text, struct pki_token_in *in, struct err *e)
{
	struct wbuf w = wbuf_of(in->octets, sizeof(in->octets));
	size_t len, at = strlen(PKI_TOKEN_PREFIX);
	struct err where = { 0 };

	text += strspn(text, " \t\r\n");
	len = strcspn(text, " \t\r\n");
	if (text[len + strspn(text + len, " \t\r\n")] != '\0')
		return err_set(e, EBADMSG, "a token is one word: after letter "
		    "%zu something follows", len);
	if (check_prefix(text, e) < 0)
		return -1;
	if (len > PKI_TOKEN_TEXT_MAX)
		return err_set(e, EFBIG, "a token has at most %d letters",
		    PKI_TOKEN_TEXT_MAX);
	if (base64_read(&w, BASE64_URL, text + at, len - at, &where) < 0)
		return err_set(e, EBADMSG, "the token was mistyped or cut off "
		    "(after " PKI_TOKEN_PREFIX ": %s)", where.msg);
	return take_body(&w, in, e);
}
