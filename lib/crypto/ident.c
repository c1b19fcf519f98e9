#include "crypto/ident.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/addr.h"
#include "base/text.h"
#include "crypto/der.h"

#define NAME_HASH	8	/* octets of it in a name */

const struct name ident_type_names[] = { IDENT_TYPES(NAME_ROW) NAME_END };

static X509_NAME *
dn_of(struct rbuf data)
{
	const unsigned char *p = data.p;
	X509_NAME *n;

	if (der_check(data, NULL) < 0)
		return NULL;
	n = d2i_X509_NAME(NULL, &p, (long)rbuf_left(&data));
	ERR_clear_error();
	if (n != NULL && p != data.end) {
		X509_NAME_free(n);
		return NULL;
	}
	return n;
}

static bool
is_name(struct rbuf data)
{
	size_t i, n = rbuf_left(&data);

	for (i = 0; i < n; i++)
		if (data.p[i] <= 0x20 || data.p[i] >= 0x7f)
			return false;
	return n > 0;
}

static int
check_dn(struct rbuf data, struct err *e)
{
	X509_NAME *n = dn_of(data);
	int entries;

	if (n == NULL)
		return err_set(e, EBADMSG, "identity: not one DER Name");
	entries = X509_NAME_entry_count(n);
	X509_NAME_free(n);
	if (entries == 0)
		return err_set(e, EBADMSG, "identity: empty DN");
	return 0;
}

int
ident_of(uint8_t type, struct rbuf data, struct ident *id, struct err *e)
{
	size_t len = rbuf_left(&data);

	memset(id, 0, sizeof(*id));
	if (len == 0 || len > IDENT_MAX)
		return err_set(e, EBADMSG, "identity of %zu octets", len);
	switch (type) {
	case IDENT_IPV4:
	case IDENT_IPV6:
		if (len != (type == IDENT_IPV4 ? 4 : 16))
			return err_set(e, EBADMSG, "identity: address of %zu "
			    "octets", len);
		break;
	case IDENT_FQDN:
	case IDENT_EMAIL:
		if (!is_name(data))
			return err_set(e, EBADMSG, "identity: a name with "
			    "blanks, control characters or octets over 127");
		break;
	case IDENT_DN:
		if (check_dn(data, e) < 0)
			return -1;
		break;
	case IDENT_KEY_ID:
	case IDENT_GN:
		break;
	default:
		return err_set(e, EBADMSG, "identity of type %u", type);
	}
	id->type = type;
	id->len = len;
	rbuf_copy(&data, id->data, len);
	return 0;
}

/* ------------------------------------------------------------ from text */

static int
set_octets(struct ident *id, uint8_t type, const void *p, size_t len,
    struct err *e)
{
	return ident_of(type, rbuf_of(p, len), id, e);
}

/* One "CN=value" of a DN text, in place: value unescaped (RFC 4514, 2.4).
 * Returns what follows the comma, "" at the end, NULL when malformed. */
static char *
dn_split(char *text, char **attr, char **value)
{
	char *from, *to;

	while (*text == ' ')
		text++;
	*attr = text;
	if ((from = strchr(text, '=')) == NULL || from == text)
		return NULL;
	*from++ = '\0';
	*value = to = from;
	while (*from != '\0' && *from != ',' && *from != '+') {
		if (*from == '\\' && *++from == '\0')
			return NULL;
		*to++ = *from++;
	}
	if (*from == '+')
		return NULL;
	if (*from == ',')
		from++;
	*to = '\0';
	return from;
}

static X509_NAME *
dn_parse(const char *text, struct err *e)
{
	X509_NAME *n = X509_NAME_new();
	char copy[IDENT_MAX], *rest = copy, *attr, *value;

	if (n == NULL || text_copy(copy, sizeof(copy), text, e) < 0) {
		X509_NAME_free(n);
		return NULL;
	}
	while (*rest != '\0') {
		rest = dn_split(rest, &attr, &value);
		/* RFC 4514 writes the last RDN first. */
		if (rest == NULL || *value == '\0' ||
		    X509_NAME_add_entry_by_txt(n, attr, MBSTRING_UTF8,
		    (unsigned char *)value, -1, 0, 0) != 1) {
			err_set(e, EINVAL, "identity \"%s\": not a DN such as "
			    "CN=name,O=organisation", text);
			X509_NAME_free(n);
			n = NULL;
			break;
		}
	}
	ERR_clear_error();
	return n;
}

static int
parse_dn(const char *text, struct ident *id, struct err *e)
{
	X509_NAME *n = dn_parse(text, e);
	unsigned char *der = NULL;
	int len, rc;

	if (n == NULL)
		return -1;
	len = i2d_X509_NAME(n, &der);
	X509_NAME_free(n);
	if (len < 0)
		return err_set(e, ENOMEM, "identity \"%s\"", text);
	rc = set_octets(id, IDENT_DN, der, (size_t)len, e);
	OPENSSL_free(der);
	return rc;
}

static bool
is_host(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*");

	return n > 0 && s[n] == '\0';
}

int
ident_parse(const char *text, struct ident *id, struct err *e)
{
	uint8_t raw[IDENT_MAX];
	struct wbuf w = wbuf_of(raw, sizeof(raw));
	struct addr a;

	memset(id, 0, sizeof(*id));
	if (text[0] == '\0')
		return err_set(e, EINVAL, "identity: empty");
	if (text[0] == '#') {
		if (text_unhex(text + 1, &w, e) < 0)
			return err_in(e, "identity \"%s\"", text);
		return set_octets(id, IDENT_KEY_ID, raw, w.len, e);
	}
	if (strchr(text, '=') != NULL)
		return parse_dn(text, id, e);
	if (text[0] == '@' && is_host(text + 1))
		return set_octets(id, IDENT_FQDN, text + 1, strlen(text + 1),
		    e);
	if (addr_parse(text, &a, NULL) == 0)
		return set_octets(id, a.len == 4 ? IDENT_IPV4 : IDENT_IPV6,
		    a.b, a.len, e);
	if (strchr(text, '@') != NULL &&
	    is_name(rbuf_of(text, strlen(text))))
		return set_octets(id, IDENT_EMAIL, text, strlen(text), e);
	return set_octets(id, is_host(text) ? IDENT_FQDN : IDENT_KEY_ID, text,
	    strlen(text), e);
}

/* -------------------------------------------------------------- to text */

static const char *
dn_text(const struct ident *id, char *out, size_t out_len)
{
	X509_NAME *n = dn_of(rbuf_of(id->data, id->len));
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long len;

	out[0] = '\0';
	if (n != NULL && b != NULL &&
	    X509_NAME_print_ex(b, n, 0, XN_FLAG_RFC2253) >= 0) {
		len = BIO_get_mem_data(b, &text);
		snprintf(out, out_len, "%.*s", (int)len, text);
	}
	BIO_free(b);
	X509_NAME_free(n);
	ERR_clear_error();
	return out;
}

const struct ident *
ident_keep(const struct ident *id)
{
	const size_t len = offsetof(struct ident, data) + id->len;
	void *k = malloc(len);

	if (k != NULL)
		memcpy(k, id, len);
	return k;
}

const char *
ident_text(const struct ident *id, char *out, size_t out_len)
{
	struct addr_buf ab;
	struct addr a;

	if (out_len == 0)
		return out;
	switch (id->type) {
	case IDENT_IPV4:
	case IDENT_IPV6:
		a = addr_of(id->data, id->len);
		snprintf(out, out_len, "%s", addr_text(&a, &ab));
		return out;
	case IDENT_FQDN:
	case IDENT_EMAIL:
		return text_escape(id->data, id->len, out, out_len);
	case IDENT_DN:
		return dn_text(id, out, out_len);
	case 0:
		snprintf(out, out_len, "-");
		return out;
	default:
		snprintf(out, out_len, "#");
		if (out_len > 1)
			text_hex(id->data, id->len, out + 1, out_len - 1);
		return out;
	}
}

/* Is this what nobody else's text is?  A DN escapes what it must. */
static bool
is_plain(const struct ident *id, const char *text)
{
	struct ident back;

	return strchr(text, '~') == NULL && (id->type == IDENT_DN ||
	    id->type == 0 || (ident_parse(text, &back, NULL) == 0 &&
	    ident_equal(&back, id)));
}

const char *
ident_name(const struct ident *id, char *out, size_t out_len)
{
	char text[4 * IDENT_MAX + 1], hex[2 * NAME_HASH + 1];
	uint8_t data[1 + IDENT_MAX], hash[SHA256_DIGEST_LENGTH];

	ident_text(id, text, sizeof(text));
	if (strlen(text) < out_len && is_plain(id, text)) {
		snprintf(out, out_len, "%s", text);
		return out;
	}
	data[0] = id->type;
	memcpy(&data[1], id->data, id->len);
	SHA256(data, 1 + id->len, hash);
	text_hex(hash, NAME_HASH, hex, sizeof(hex));
	snprintf(out, out_len, "%.*s~%s", (int)(out_len - sizeof(hex) - 1),
	    text, hex);
	return out;
}

/* ------------------------------------------------------------- to compare */

static bool
same_fold(const uint8_t *a, const uint8_t *b, size_t len)
{
	return len == 0 ||
	    strncasecmp((const char *)a, (const char *)b, len) == 0;
}

static bool
email_equal(const struct ident *a, const struct ident *b)
{
	const uint8_t *at = memchr(a->data, '@', a->len);
	size_t local = at == NULL ? a->len : (size_t)(at - a->data);

	return memcmp(a->data, b->data, local) == 0 &&
	    same_fold(a->data + local, b->data + local, a->len - local);
}

static bool
dn_equal(const struct ident *a, const struct ident *b)
{
	X509_NAME *x = dn_of(rbuf_of(a->data, a->len));
	X509_NAME *y = dn_of(rbuf_of(b->data, b->len));
	bool same = x != NULL && y != NULL && X509_NAME_cmp(x, y) == 0;

	X509_NAME_free(x);
	X509_NAME_free(y);
	return same;
}

bool
ident_equal(const struct ident *a, const struct ident *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == IDENT_DN)
		return dn_equal(a, b);
	if (a->len != b->len)
		return false;
	if (a->type == IDENT_FQDN)
		return same_fold(a->data, b->data, a->len);
	if (a->type == IDENT_EMAIL)
		return email_equal(a, b);
	return memcmp(a->data, b->data, a->len) == 0;
}

/* Does it end in tail ("." or "@" and a domain), with something before? */
static bool
has_tail(const struct ident *id, const char *tail)
{
	size_t n = strlen(tail);

	return id->len > n && same_fold(id->data + id->len - n,
	    (const uint8_t *)tail, n);
}

/* The attributes of a DN against those of a pattern, one by one. */
static bool
dn_matches(const struct ident *id, const char *pattern)
{
	X509_NAME *n = dn_of(rbuf_of(id->data, id->len));
	X509_NAME *p = dn_parse(pattern, NULL);
	bool same = n != NULL && p != NULL &&
	    X509_NAME_entry_count(n) == X509_NAME_entry_count(p);
	int i;

	for (i = 0; same && i < X509_NAME_entry_count(n); i++) {
		X509_NAME_ENTRY *a = X509_NAME_get_entry(n, i);
		X509_NAME_ENTRY *b = X509_NAME_get_entry(p, i);
		const ASN1_STRING *x = X509_NAME_ENTRY_get_data(a);
		const ASN1_STRING *y = X509_NAME_ENTRY_get_data(b);
		int xn = ASN1_STRING_length(x), yn = ASN1_STRING_length(y);
		const uint8_t *yd = ASN1_STRING_get0_data(y);

		same = OBJ_cmp(X509_NAME_ENTRY_get_object(a),
		    X509_NAME_ENTRY_get_object(b)) == 0 &&
		    ((yn == 1 && yd[0] == '*') || (xn == yn &&
		    same_fold(ASN1_STRING_get0_data(x), yd, (size_t)xn)));
	}
	X509_NAME_free(n);
	X509_NAME_free(p);
	ERR_clear_error();
	return same;
}

bool
ident_matches(const struct ident *id, const char *pattern)
{
	struct prefix p;
	struct addr a;
	struct ident wanted;

	if (pattern[0] == '\0' || strcmp(pattern, "*") == 0)
		return id->type != 0;
	if (id->type == IDENT_DN && strchr(pattern, '=') != NULL)
		return dn_matches(id, pattern);
	if (pattern[0] == '*' && pattern[1] == '.')
		return id->type == IDENT_FQDN && has_tail(id, pattern + 1);
	if (pattern[0] == '*' && pattern[1] == '@')
		return id->type == IDENT_EMAIL && has_tail(id, pattern + 1);
	if (strchr(pattern, '/') != NULL &&
	    prefix_parse(pattern, &p, NULL) == 0) {
		if (id->type != IDENT_IPV4 && id->type != IDENT_IPV6)
			return false;
		a = addr_of(id->data, id->len);
		return prefix_has(&p, &a);
	}
	return ident_parse(pattern, &wanted, NULL) == 0 &&
	    ident_equal(id, &wanted);
}
