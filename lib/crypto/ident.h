#ifndef CRYPTO_IDENT_H
#define CRYPTO_IDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"

/*
 * IKE identities (RFC 7296, 3.5), as they stand in IDi and IDr payloads, and
 * their texts:
 *	spoke1.example.org		FQDN
 *	alice@example.org		RFC822_ADDR
 *	192.0.2.1, 2001:db8::1		IPV4_ADDR, IPV6_ADDR
 *	CN=spoke1,O=Example		DER_ASN1_DN (RFC 4514)
 *	#0a1b2c				KEY_ID, hexadecimal
 *	plain words			KEY_ID when nothing else fits
 */
#define IDENT_TYPES(X)				\
	X(IDENT_IPV4, 1, "ipv4")		\
	X(IDENT_FQDN, 2, "fqdn")		\
	X(IDENT_EMAIL, 3, "email")		\
	X(IDENT_IPV6, 5, "ipv6")		\
	X(IDENT_DN, 9, "dn")			\
	X(IDENT_GN, 10, "general-name")		\
	X(IDENT_KEY_ID, 11, "key-id")

enum ident_type { IDENT_TYPES(NAME_ENUM) };
extern const struct name ident_type_names[];

#define IDENT_MAX	512	/* octets of ID data that we take */
#define IDENT_TEXT_MAX	600	/* room for any text that fits a screen */

struct ident {
	uint8_t	type;		/* 0: none */
	size_t	len;
	uint8_t	data[IDENT_MAX];
};

/* From the texts above; -1 (EINVAL) says what is wrong with it. */
int ident_parse(const char *text, struct ident *id, struct err *e);

/* From an ID payload.  Refuses (EBADMSG) what can not be an identity: empty,
 * too long, an address of the wrong length, control characters or NUL in a
 * name, a DN that is not exactly one DER Name, unknown types. */
int ident_of(uint8_t type, struct rbuf data, struct ident *id,
    struct err *e);

/* On the heap, with no room but for its own octets: not to be assigned from,
 * nor written to.  free() it; NULL when out of memory. */
const struct ident *ident_keep(const struct ident *id);

/* For people and events; foreign octets are escaped, cut to fit. */
const char *ident_text(const struct ident *id, char *out, size_t out_len);

/*
 * A text that no other identity has, for tables and other programs: as above,
 * but where that is ambiguous (too long for out, a name that reads as an
 * address or a DN) it ends in "~" and 16 digits of a hash.  out_len is 64 at
 * least.
 */
const char *ident_name(const struct ident *id, char *out, size_t out_len);

/* Host names and domains without regard to case, DNs as RFC 5280 compares
 * them, all else octet by octet. */
bool ident_equal(const struct ident *a, const struct ident *b);

/*
 * Does a policy's pattern admit this identity?  "" and "*" admit all;
 * "*.example.org" any name below that domain; "*@example.org" its mail
 * addresses; "192.0.2.0/24" addresses; "CN=*,O=Example" a DN with these
 * attributes in this order; else the text of one identity.  A wildcard inside
 * the identity itself means nothing.
 */
bool ident_matches(const struct ident *id, const char *pattern);

#endif
