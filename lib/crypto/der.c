#include "crypto/der.h"

#include <errno.h>
#include <string.h>

#include "crypto/cert.h"

static int
der_length(struct rbuf *in, size_t *len, struct err *e)
{
	uint8_t first = rbuf_u8(in);
	unsigned i, n = first & 0x7f;

	*len = first;
	if (first < 0x80)
		return 0;
	if (n == 0 || n > 4)
		return err_set(e, EBADMSG, "DER: length of form 0x%02x", first);
	for (*len = 0, i = 0; i < n; i++)
		*len = *len << 8 | rbuf_u8(in);
	if (*len < 0x80 || *len >> (8 * (n - 1)) == 0)
		return err_set(e, EBADMSG, "DER: length not in its shortest "
		    "form");
	return 0;
}

int
der_next(struct rbuf *in, struct rbuf *content, struct rbuf *whole,
    struct err *e)
{
	struct rbuf start = *in;
	uint8_t tag = rbuf_u8(in);
	size_t len;

	if (!rbuf_ok(in))
		return err_set(e, EBADMSG, "DER: an element is missing");
	if ((tag & 0x1f) == 0x1f)
		return err_set(e, EBADMSG, "DER: tag of several octets");
	if (der_length(in, &len, e) < 0)
		return -1;
	*content = rbuf_sub(in, len);
	if (!rbuf_ok(in))
		return err_set(e, EBADMSG, "DER: %zu octets claimed, fewer "
		    "left", len);
	if (whole != NULL)
		*whole = rbuf_sub(&start, rbuf_left(&start) - rbuf_left(in));
	return tag;
}

int
der_want(struct rbuf *in, int tag, struct rbuf *content, struct err *e)
{
	int got = der_next(in, content, NULL, e);

	if (got >= 0 && got != tag)
		return err_set(e, EBADMSG, "DER: tag 0x%02x where 0x%02x "
		    "belongs", (unsigned)got, (unsigned)tag);
	return got < 0 ? -1 : 0;
}

/* Without recursion, so that depth costs no stack. */
int
der_check(struct rbuf in, struct err *e)
{
	struct rbuf stack[DER_DEPTH];
	size_t depth = 1, roots = 0;

	stack[0] = in;
	while (depth > 0) {
		struct rbuf content;
		int tag;

		if (rbuf_left(&stack[depth - 1]) == 0) {
			depth--;
			continue;
		}
		if (depth == 1 && roots++ > 0)
			return err_set(e, EBADMSG, "DER: %zu octets after "
			    "the end", rbuf_left(&stack[0]));
		if ((tag = der_next(&stack[depth - 1], &content, NULL, e)) < 0)
			return -1;
		if ((tag & 0x20) == 0)
			continue;
		if (depth == DER_DEPTH)
			return err_set(e, EBADMSG, "DER: nested deeper than "
			    "%d", DER_DEPTH);
		stack[depth++] = content;
	}
	return roots == 1 ? 0 : err_set(e, EBADMSG, "DER: empty");
}

/* A non-negative INTEGER in its shortest form, leading zero taken off. */
static int
der_unsigned(struct rbuf *in, struct rbuf *v, struct err *e)
{
	if (der_want(in, DER_INTEGER, v, e) < 0)
		return -1;
	if (rbuf_left(v) == 0 || v->p[0] & 0x80)
		return err_set(e, EBADMSG, "DER: a number that is negative or "
		    "empty");
	if (rbuf_left(v) > 1 && v->p[0] == 0) {
		rbuf_skip(v, 1);
		if (!(v->p[0] & 0x80))
			return err_set(e, EBADMSG, "DER: a number not in its "
			    "shortest form");
	}
	return 0;
}

/* RFC 8017, A.1.1 */
int
der_check_rsa(struct rbuf bits, struct rbuf *n, struct rbuf *exponent,
    struct err *e)
{
	struct rbuf key, left;
	uint64_t v = 0;

	if (rbuf_u8(&bits) != 0 || der_want(&bits, DER_SEQUENCE, &key, e) < 0 ||
	    der_unsigned(&key, n, e) < 0 ||
	    der_unsigned(&key, exponent, e) < 0)
		return err_in(e, "RSA key");
	if (!rbuf_done(&bits) || !rbuf_done(&key))
		return err_set(e, EBADMSG, "RSA key: octets after its end");
	if (rbuf_left(n) > RSA_BITS_MAX / 8)
		return err_set(e, EBADMSG, "RSA key: %zu bits, %d are the most",
		    rbuf_left(n) * 8, RSA_BITS_MAX);
	if (rbuf_left(exponent) > DER_EXPONENT_MAX)
		return err_set(e, EBADMSG, "RSA key: exponent of %zu octets",
		    rbuf_left(exponent));
	for (left = *exponent; rbuf_left(&left) > 0;)
		v = v << 8 | rbuf_u8(&left);
	if (v < 65537 || (v & 1) == 0)
		return err_set(e, EBADMSG, "RSA key: exponent %llu, odd and "
		    "at least 65537 is wanted", (unsigned long long)v);
	return 0;
}

static int
oid_is(const struct rbuf *oid, const char *octets, size_t len)
{
	return rbuf_left(oid) == len && memcmp(oid->p, octets, len) == 0;
}

int
der_check_spki(struct rbuf spki, struct err *e)
{
	static const char rsa[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
	static const char pss[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
	static const char ec[] = "\x2a\x86\x48\xce\x3d\x02\x01";
	struct rbuf alg, oid, bits, curve, n, exponent;

	if (der_want(&spki, DER_SEQUENCE, &alg, e) < 0 ||
	    der_want(&alg, DER_OID, &oid, e) < 0 ||
	    der_want(&spki, DER_BITS, &bits, e) < 0)
		return err_in(e, "public key");
	if (oid_is(&oid, rsa, 9) || oid_is(&oid, pss, 9))
		return der_check_rsa(bits, &n, &exponent, e);
	if (oid_is(&oid, ec, 7) && der_want(&alg, DER_OID, &curve, e) < 0)
		return err_set(e, EBADMSG, "EC key: its curve is not a named "
		    "one");
	return 0;
}

/* RFC 5280, 4.1: up to and with subjectPublicKeyInfo. */
int
der_check_cert(struct rbuf der, struct err *e)
{
	struct rbuf cert, tbs, part, serial;
	int tag, i;

	if (der_check(der, e) < 0 ||
	    der_want(&der, DER_SEQUENCE, &cert, e) < 0 ||
	    der_want(&cert, DER_SEQUENCE, &tbs, e) < 0)
		return -1;
	part = tbs;
	if ((tag = der_next(&part, &serial, NULL, e)) < 0)
		return -1;
	if (tag == DER_CONTEXT0)
		tbs = part;
	if (der_unsigned(&tbs, &serial, e) < 0)
		return err_in(e, "serial number");
	if (rbuf_left(&serial) > 20)
		return err_set(e, EBADMSG, "serial number of %zu octets, 20 "
		    "are the most", rbuf_left(&serial));
	/* signature, issuer, validity, subject */
	for (i = 0; i < 4; i++)
		if (der_want(&tbs, DER_SEQUENCE, &part, e) < 0)
			return -1;
	if (der_want(&tbs, DER_SEQUENCE, &part, e) < 0)
		return -1;
	return der_check_spki(part, e);
}

/* RFC 2986, 4.1 */
int
der_check_request(struct rbuf der, struct err *e)
{
	struct rbuf request, info, part;

	if (der_check(der, e) < 0 ||
	    der_want(&der, DER_SEQUENCE, &request, e) < 0 ||
	    der_want(&request, DER_SEQUENCE, &info, e) < 0 ||
	    der_want(&info, DER_INTEGER, &part, e) < 0 ||
	    der_want(&info, DER_SEQUENCE, &part, e) < 0 ||
	    der_want(&info, DER_SEQUENCE, &part, e) < 0)
		return -1;
	return der_check_spki(part, e);
}
