#include "wire/nhrp.h"

#include <errno.h>

const struct name nhrp_packet_names[] = { NHRP_PACKETS(NAME_ROW) NAME_END };
const struct name nhrp_error_names[] = { NHRP_ERRORS(NAME_ROW) NAME_END };
const struct name nhrp_code_names[] = { NHRP_CODES(NAME_ROW) NAME_END };
const struct name nhrp_extension_names[] = {
	NHRP_EXTENSIONS(NAME_ROW) NAME_END
};

uint16_t
nhrp_checksum(struct rbuf in)
{
	uint32_t sum = 0;

	while (rbuf_left(&in) >= 2)
		sum += rbuf_be16(&in);
	if (rbuf_left(&in) == 1)
		sum += (uint32_t)rbuf_u8(&in) << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t
nbma_size(uint16_t afn)
{
	return afn == NHRP_AFN_IP4 ? 4 : 16;
}

static size_t
proto_size(uint16_t protocol)
{
	return protocol == NHRP_PROTO_IP4 ? 4 : 16;
}

/* RFC 2332, 5.1: bit 7 is zero, bit 6 says E.164, which IP never is. */
static int
check_nbma(const struct nhrp *n, uint8_t tl, const char *what, struct err *e)
{
	if (tl == 0 || tl == nbma_size(n->afn))
		return 0;
	return err_set(e, EBADMSG, "%s address type and length 0x%02x, "
	    "0x%02zx wanted", what, tl, nbma_size(n->afn));
}

static int
check_proto(const struct nhrp *n, uint8_t len, const char *what,
    struct err *e)
{
	if (len == 0 || len == proto_size(n->protocol))
		return 0;
	return err_set(e, EBADMSG, "%s address of %u octets, %zu wanted",
	    what, len, proto_size(n->protocol));
}

static struct addr
take_addr(struct rbuf *in, size_t len)
{
	const uint8_t *p = rbuf_take(in, len);

	return p == NULL ? addr_of(NULL, 0) : addr_of(p, len);
}

int
nhrp_cie_next(const struct nhrp *n, struct rbuf *in, struct nhrp_cie *cie,
    struct err *e)
{
	uint8_t nbma, sub, proto;

	if (rbuf_left(in) == 0)
		return 0;
	cie->code = rbuf_u8(in);
	cie->prefix = rbuf_u8(in);
	cie->unused = rbuf_be16(in);
	cie->mtu = rbuf_be16(in);
	cie->hold = rbuf_be16(in);
	nbma = rbuf_u8(in);
	sub = rbuf_u8(in);
	proto = rbuf_u8(in);
	cie->preference = rbuf_u8(in);
	if (check_nbma(n, nbma, "client", e) < 0 ||
	    check_proto(n, proto, "client protocol", e) < 0)
		return -1;
	if (sub & 0x80)
		return err_set(e, EBADMSG, "client subaddress type 0x%02x",
		    sub);
	cie->nbma = take_addr(in, nbma);
	cie->sub = rbuf_sub(in, sub & 0x3f);
	cie->proto = take_addr(in, proto);
	if (!rbuf_ok(in))
		return err_set(e, EBADMSG, "client information entry is cut "
		    "off");
	return 1;
}

int
nhrp_ext_next(struct rbuf *in, struct nhrp_ext *ext, struct err *e)
{
	uint16_t type, len;

	memset(ext, 0, sizeof(*ext));
	if (rbuf_left(in) == 0)
		return 0;
	type = rbuf_be16(in);
	len = rbuf_be16(in);
	ext->compulsory = type & 0x8000;
	ext->type = type & 0x3fff;
	ext->value = rbuf_sub(in, len);
	if (!rbuf_ok(in))
		return err_set(e, EBADMSG, "extension %u: %u octets claimed, "
		    "fewer are left", ext->type, len);
	return ext->type != NHRP_EXT_END;
}

bool
nhrp_ext_find(const struct nhrp *n, uint16_t type, struct nhrp_ext *ext)
{
	struct rbuf in = n->exts;

	while (nhrp_ext_next(&in, ext, NULL) > 0)
		if (ext->type == type)
			return true;
	memset(ext, 0, sizeof(*ext));
	return false;
}

bool
nhrp_ext_has_cies(const struct nhrp_ext *ext)
{
	switch (ext->type) {
	case NHRP_EXT_RESPONDER:
	case NHRP_EXT_FORWARD:
	case NHRP_EXT_REVERSE:
		return true;
	case NHRP_EXT_NAT:
		/* 8 octets are RFC 2735's device capabilities */
		return rbuf_left(&ext->value) != 8;
	}
	return false;
}

bool
nhrp_ext_auth(const struct nhrp_ext *ext, struct rbuf *text)
{
	struct rbuf in = ext->value;
	uint32_t spi = rbuf_be32(&in);

	*text = rbuf_rest(&in);
	return rbuf_ok(&in) && spi == 1;
}

static int
check_cies(const struct nhrp *n, struct rbuf in, unsigned *count,
    struct err *e)
{
	struct nhrp_cie cie;
	int rc;

	*count = 0;
	while ((rc = nhrp_cie_next(n, &in, &cie, e)) > 0)
		if (++*count > NHRP_MAX_CIES)
			return err_set(e, EBADMSG, "more than %u client "
			    "information entries", NHRP_MAX_CIES);
	return rc;
}

static int
check_exts(struct nhrp *n, struct err *e)
{
	struct rbuf in = n->exts;
	struct nhrp_ext ext;
	unsigned seen = 0, count;
	int rc;

	while ((rc = nhrp_ext_next(&in, &ext, e)) > 0) {
		if (++n->n_exts > NHRP_MAX_EXTS)
			return err_set(e, EBADMSG, "more than %u extensions",
			    NHRP_MAX_EXTS);
		if (ext.type != NHRP_EXT_VENDOR && ext.type < 32 &&
		    (seen & 1U << ext.type))
			return err_set(e, EBADMSG, "extension %u comes twice",
			    ext.type);
		if (ext.type < 32)
			seen |= 1U << ext.type;
		if (nhrp_ext_has_cies(&ext) &&
		    check_cies(n, ext.value, &count, e) < 0)
			return err_in(e, "extension %u", ext.type);
	}
	if (rc == 0 && rbuf_left(&in) > 0)
		return err_set(e, EBADMSG, "%zu octets after the end of "
		    "extensions", rbuf_left(&in));
	return rc;
}

/* RFC 2332, 5.1 */
static int
parse_fixed(struct rbuf *in, struct nhrp *n, uint16_t *extoff, uint8_t tl[2],
    struct err *e)
{
	size_t real = rbuf_left(in);
	uint8_t version;

	n->afn = rbuf_be16(in);
	n->protocol = rbuf_be16(in);
	rbuf_copy(in, n->snap, sizeof(n->snap));
	n->hops = rbuf_u8(in);
	n->size = rbuf_be16(in);
	n->checksum = rbuf_be16(in);
	*extoff = rbuf_be16(in);
	version = rbuf_u8(in);
	n->type = rbuf_u8(in);
	tl[0] = rbuf_u8(in);
	tl[1] = rbuf_u8(in);
	if (!rbuf_ok(in))
		return err_set(e, EBADMSG, "packet of %zu octets, %u is the "
		    "least", real, NHRP_HEADER);
	if (version != 1)
		return err_set(e, EPROTONOSUPPORT, "version %u", version);
	if (n->afn != NHRP_AFN_IP4 && n->afn != NHRP_AFN_IP6)
		return err_set(e, EPROTONOSUPPORT, "address family %u",
		    n->afn);
	if (n->protocol != NHRP_PROTO_IP4 && n->protocol != NHRP_PROTO_IP6)
		return err_set(e, EPROTONOSUPPORT, "protocol type 0x%04x",
		    n->protocol);
	if (name_find(nhrp_packet_names, n->type) == NULL)
		return err_set(e, EPROTONOSUPPORT, "packet type %u", n->type);
	return 0;
}

/* RFC 2332, 5.2.0.1: what all mandatory parts begin with. */
static int
parse_mandatory(struct rbuf *in, struct nhrp *n, const uint8_t tl[2],
    struct err *e)
{
	uint8_t src = rbuf_u8(in), dst = rbuf_u8(in);

	n->flags = rbuf_be16(in);
	if (n->type >= NHRP_ERROR_INDICATION) {
		n->code = rbuf_be16(in);
		n->offset = rbuf_be16(in);
	} else
		n->id = rbuf_be32(in);
	if (check_nbma(n, tl[0], "source NBMA", e) < 0 ||
	    check_proto(n, src, "source protocol", e) < 0 ||
	    check_proto(n, dst, "destination protocol", e) < 0)
		return -1;
	if (tl[1] & 0x80)
		return err_set(e, EBADMSG, "source subaddress type 0x%02x",
		    tl[1]);
	n->src_nbma = take_addr(in, tl[0]);
	n->src_sub = rbuf_sub(in, tl[1] & 0x3f);
	n->src_proto = take_addr(in, src);
	n->dst_proto = take_addr(in, dst);
	if (!rbuf_ok(in))
		return err_set(e, EBADMSG, "mandatory part is cut off");
	if (n->type >= NHRP_ERROR_INDICATION) {
		n->payload = rbuf_rest(in);
		return 0;
	}
	n->cies = rbuf_rest(in);
	return 0;
}

/* Split what follows the fixed part at the extension offset. */
static int
split(struct rbuf *in, struct nhrp *n, uint16_t extoff,
    struct rbuf *mandatory, struct err *e)
{
	size_t left = rbuf_left(in);

	if (extoff == 0) {
		*mandatory = rbuf_rest(in);
		return 0;
	}
	if (extoff < NHRP_HEADER || (size_t)extoff - NHRP_HEADER > left)
		return err_set(e, EBADMSG, "extension offset %u of a packet "
		    "of %zu octets", extoff, left + NHRP_HEADER);
	*mandatory = rbuf_sub(in, (size_t)extoff - NHRP_HEADER);
	n->exts = rbuf_rest(in);
	n->extended = true;
	return 0;
}

static int
check_whole(struct rbuf in, const struct nhrp *n, struct err *e)
{
	size_t real = rbuf_left(&in);

	if (n->size != real)
		return err_set(e, EBADMSG, "%u octets claimed, %zu came",
		    n->size, real);
	if (real > NHRP_MAX)
		return err_set(e, EBADMSG, "packet of %zu octets, %u is the "
		    "most", real, NHRP_MAX);
	if (nhrp_checksum(in) != 0)
		return err_set(e, EBADMSG, "checksum 0x%04x is wrong",
		    n->checksum);
	return 0;
}

int
nhrp_parse(struct rbuf in, struct nhrp *n, struct err *e)
{
	struct rbuf whole = in, mandatory;
	uint16_t extoff;
	uint8_t tl[2];

	memset(n, 0, sizeof(*n));
	if (parse_fixed(&in, n, &extoff, tl, e) < 0 ||
	    check_whole(whole, n, e) < 0 ||
	    split(&in, n, extoff, &mandatory, e) < 0 ||
	    parse_mandatory(&mandatory, n, tl, e) < 0)
		return -1;
	if (n->type < NHRP_ERROR_INDICATION &&
	    check_cies(n, n->cies, &n->n_cies, e) < 0)
		return -1;
	return check_exts(n, e);
}

int
nhrp_parse_lax(struct rbuf in, struct nhrp *n, struct err *e)
{
	struct rbuf mandatory;
	uint16_t extoff;
	uint8_t tl[2];

	memset(n, 0, sizeof(*n));
	if (parse_fixed(&in, n, &extoff, tl, e) < 0)
		return -1;
	if (split(&in, n, extoff, &mandatory, NULL) < 0)
		mandatory = rbuf_rest(&in);
	if (parse_mandatory(&mandatory, n, tl, e) < 0)
		return -1;
	if (check_cies(n, n->cies, &n->n_cies, NULL) < 0)
		n->cies = rbuf_of(NULL, 0);
	if (check_exts(n, NULL) < 0)
		n->exts = rbuf_of(NULL, 0);
	return 0;
}
