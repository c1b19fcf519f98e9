#include "crypto/blocks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"

bool
blocks_has(const struct blocks *b, const struct addr *a)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (prefix_has(&b->v[i], a))
			return true;
	return false;
}

/* One of ours is enough: blocks are merged when they are made. */
bool
blocks_covers(const struct blocks *b, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (prefix_covers(&b->v[i], p))
			return true;
	return false;
}

int
blocks_add(struct blocks *b, const struct prefix *p, struct err *e)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (prefix_equal(&b->v[i], p))
			return 0;
	if (b->n == BLOCKS_MAX)
		return err_set(e, ENOSPC, "more than %d address blocks",
		    BLOCKS_MAX);
	b->v[b->n++] = *p;
	b->present = true;
	return 0;
}

/* Trailing bits of the address that are all `one`. */
static unsigned
trailing(const struct addr *a, bool one)
{
	unsigned n = 0, bits = a->len * 8u;

	while (n < bits && (a->b[(bits - 1 - n) / 8] >> n % 8 & 1) == one)
		n++;
	return n;
}

/* The last address of the block of 2^bits that begins at a. */
static struct addr
block_end(const struct addr *a, unsigned bits)
{
	struct addr end = *a;
	unsigned i, width = a->len * 8u;

	for (i = 0; i < bits; i++)
		end.b[(width - 1 - i) / 8] |= (uint8_t)(1 << i % 8);
	return end;
}

/* a + 1; false when it was the last of all. */
static bool
successor(struct addr *a)
{
	unsigned i = a->len;

	while (i-- > 0)
		if (++a->b[i] != 0)
			return true;
	return false;
}

int
blocks_add_range(struct blocks *b, const struct addr *first,
    const struct addr *last, struct err *e)
{
	struct addr at = *first, end;

	if (first->len != last->len || first->len == 0 ||
	    memcmp(first->b, last->b, first->len) > 0)
		return err_set(e, EBADMSG, "address range that ends before "
		    "it begins");
	do {
		struct prefix p = { .addr = at };
		unsigned bits = trailing(&at, false);

		/* The largest aligned block that does not pass the end. */
		while (end = block_end(&at, bits),
		    memcmp(end.b, last->b, at.len) > 0)
			bits--;
		p.len = (uint8_t)(at.len * 8u - bits);
		if (blocks_add(b, &p, e) < 0)
			return -1;
		at = end;
	} while (memcmp(end.b, last->b, at.len) < 0 && successor(&at));
	return 0;
}

const char *
blocks_text(const struct blocks *b, char *out, size_t out_len)
{
	struct addr_buf ab;
	size_t i, n = 0;

	if (out_len == 0)
		return out;
	snprintf(out, out_len, "%s", b->n == 0 ? "none" : "");
	for (i = 0; i < b->n; i++) {
		const char *text = prefix_text(&b->v[i], &ab);
		bool last = i + 1 == b->n;

		if (n + strlen(text) + (last ? 1 : 5) >= out_len) {
			snprintf(out + n, out_len - n, "...");
			break;
		}
		n += (size_t)snprintf(out + n, out_len - n, "%s%s", text,
		    last ? "" : " ");
	}
	return out;
}

/* ------------------------------------------------------------ X.509 side */

static int
family_range(struct blocks *b, const IPAddressOrRange *r, unsigned afi,
    struct err *e)
{
	unsigned char min[16], max[16];
	int len = X509v3_addr_get_range((IPAddressOrRange *)r, afi, min, max,
	    sizeof(min));
	struct addr first, last;

	if (len != (afi == IANA_AFI_IPV4 ? 4 : 16))
		return err_set(e, EBADMSG, "address block that is none");
	first = addr_of(min, (size_t)len);
	last = addr_of(max, (size_t)len);
	return blocks_add_range(b, &first, &last, e);
}

static int
family_of(struct blocks *b, const IPAddressFamily *f, struct err *e)
{
	unsigned afi = X509v3_addr_get_afi(f);
	const IPAddressOrRanges *list;
	int i;

	if (afi != IANA_AFI_IPV4 && afi != IANA_AFI_IPV6)
		return err_set(e, EBADMSG, "address blocks of family %u", afi);
	/* SAFI: absent or unicast */
	if (f->addressFamily->length == 3 && f->addressFamily->data[2] != 1)
		return 0;
	if (f->ipAddressChoice->type == IPAddressChoice_inherit) {
		*(afi == IANA_AFI_IPV4 ? &b->inherit4 : &b->inherit6) = true;
		return 0;
	}
	list = f->ipAddressChoice->u.addressesOrRanges;
	for (i = 0; i < sk_IPAddressOrRange_num(list); i++)
		if (family_range(b, sk_IPAddressOrRange_value(list, i), afi,
		    e) < 0)
			return -1;
	return 0;
}

int
blocks_of(const struct cert *c, struct blocks *b, struct err *e)
{
	int i, crit = 0, rc = 0;
	IPAddrBlocks *x = X509_get_ext_d2i(cert_x509(c), NID_sbgp_ipAddrBlock,
	    &crit, NULL);

	ERR_clear_error();
	memset(b, 0, sizeof(*b));
	if (x == NULL && crit == -1)
		return 0;
	b->present = true;
	if (x == NULL || !X509v3_addr_is_canonical(x))
		rc = err_set(e, EBADMSG, "address blocks: malformed");
	for (i = 0; rc == 0 && i < sk_IPAddressFamily_num(x); i++)
		rc = family_of(b, sk_IPAddressFamily_value(x, i), e);
	sk_IPAddressFamily_pop_free(x, IPAddressFamily_free);
	ERR_clear_error();
	return rc;
}

/* Is it inside another one?  Overlaps are not canonical. */
static bool
is_redundant(const struct blocks *b, size_t i)
{
	size_t k;

	for (k = 0; k < b->n; k++)
		if (k != i && prefix_covers(&b->v[k], &b->v[i]))
			return true;
	return false;
}

static IPAddrBlocks *
x509_blocks(const struct blocks *b)
{
	IPAddrBlocks *x = sk_IPAddressFamily_new_null();
	bool ok = x != NULL;
	size_t i;

	for (i = 0; ok && i < b->n; i++)
		ok = is_redundant(b, i) || X509v3_addr_add_prefix(x,
		    b->v[i].addr.len == 4 ? IANA_AFI_IPV4 : IANA_AFI_IPV6,
		    NULL, (unsigned char *)b->v[i].addr.b, b->v[i].len);
	if (ok && b->inherit4)
		ok = X509v3_addr_add_inherit(x, IANA_AFI_IPV4, NULL);
	if (ok && b->inherit6)
		ok = X509v3_addr_add_inherit(x, IANA_AFI_IPV6, NULL);
	if (ok && X509v3_addr_canonize(x))
		return x;
	sk_IPAddressFamily_pop_free(x, IPAddressFamily_free);
	return NULL;
}

int
blocks_der(const struct blocks *b, unsigned char **der, size_t *len,
    struct err *e)
{
	IPAddrBlocks *x = x509_blocks(b);
	X509_EXTENSION *ext = x == NULL ? NULL :
	    X509V3_EXT_i2d(NID_sbgp_ipAddrBlock, 0, x);
	const ASN1_OCTET_STRING *v = ext == NULL ? NULL :
	    X509_EXTENSION_get_data(ext);

	*len = v == NULL ? 0 : (size_t)ASN1_STRING_length(v);
	*der = v == NULL ? NULL :
	    OPENSSL_memdup(ASN1_STRING_get0_data(v), *len);
	X509_EXTENSION_free(ext);
	sk_IPAddressFamily_pop_free(x, IPAddressFamily_free);
	ERR_clear_error();
	if (*der == NULL)
		return err_set(e, EINVAL, "address blocks: a family has both "
		    "blocks and \"inherit\", or memory is short");
	return 0;
}

void
blocks_free_der(unsigned char *der)
{
	OPENSSL_free(der);
}
