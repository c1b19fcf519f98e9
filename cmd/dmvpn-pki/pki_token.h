#ifndef PKI_TOKEN_H
#define PKI_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "msg/types.h"

/*
 * The text of a token: one word that says where to enrol, whom to trust there
 * and, once, who one is.  "dmvpn1." and the base64 (URL-safe) of a pki-token in
 * CBOR and four octets of its SHA-256, so that a slip of the pen is told.
 */
#define PKI_TOKEN_ID		6	/* octets */
#define PKI_TOKEN_SECRET	16
#define PKI_TOKEN_TEXT_MAX	2047	/* letters */
#define PKI_TOKEN_PREFIX	"dmvpn1."

/* Room for a token that was read; m borrows from it. */
struct pki_token_in {
	struct pki_token	m;
	uint8_t			octets[PKI_TOKEN_TEXT_MAX];
};

int pki_token_write(const struct pki_token *t, char *out, size_t out_len,
    struct err *e);
/* Blanks and line ends around it do not matter.  Wipe *in when done. */
int pki_token_read(const char *text, struct pki_token_in *in, struct err *e);

#endif
