#include "decode_nhrp.h"

#include <inttypes.h>

#include "base/text.h"
#include "wire/dissect.h"
#include "wire/nhrp.h"

#define FLAGS_MAX 96

static void
optional_addr(struct doc *d, const char *key, const struct addr *a)
{
	if (a->len > 0)
		doc_addr(d, key, a);
}

static const char *
prefix_note(const struct nhrp_cie *c)
{
	return c->prefix == NHRP_PREFIX_UNIQUE ? " unique" : "";
}

static void
cie(struct doc *d, const struct nhrp_cie *c)
{
	struct addr_buf proto, nbma;
	struct name_buf code;

	doc_line(d, "client %s at %s  %s, prefix %u%s, mtu %u, hold %u s, "
	    "preference %u", addr_text(&c->proto, &proto),
	    addr_text(&c->nbma, &nbma),
	    name_text(nhrp_code_names, c->code, &code), c->prefix,
	    prefix_note(c), c->mtu, c->hold, c->preference);
	doc_open(d, NULL);
	doc_name(d, "code", nhrp_code_names, c->code);
	doc_num(d, "prefix", c->prefix);
	doc_num(d, "mtu", c->mtu);
	doc_num(d, "hold", c->hold);
	doc_num(d, "preference", c->preference);
	optional_addr(d, "nbma", &c->nbma);
	if (rbuf_left(&c->sub) > 0)
		doc_hex(d, "nbma-subaddress", c->sub);
	optional_addr(d, "protocol", &c->proto);
	doc_close(d);
}

static void
cies(struct doc *d, const struct nhrp *n, struct rbuf in)
{
	struct nhrp_cie c;

	doc_list(d, "clients");
	while (nhrp_cie_next(n, &in, &c, NULL) > 0)
		cie(d, &c);
	doc_list_end(d);
}

/* ---- extensions ---- */

static void
auth_value(struct doc *d, const struct nhrp_ext *x)
{
	char text[4 * NHRP_AUTH_MAX + 8];
	struct rbuf secret;

	if (!nhrp_ext_auth(x, &secret)) {
		doc_hex(d, "data", x->value);
		return;
	}
	doc_more(d, "  \"%s\"", text_escape(secret.p, rbuf_left(&secret),
	    text, sizeof(text)));
	doc_octets(d, "text", secret);
}

static void
seen(struct doc *d, const char *role, const struct endpoint *p)
{
	struct addr_buf b;

	if (p->addr.len == 0)
		return;
	doc_more(d, "  %s seen at %s", role, endpoint_text(p, &b));
	doc_endpoint(d, role, p);
}

static void
vendor_value(struct doc *d, const struct nhrp_ext *x)
{
	struct rbuf look = x->value;
	struct nhrp_seen s;
	uint32_t oui;

	if (nhrp_seen_parse(x, &s)) {
		seen(d, "requester", &s.requester);
		seen(d, "responder", &s.responder);
		return;
	}
	oui = (uint32_t)rbuf_u8(&look) << 16;
	oui |= rbuf_be16(&look);
	doc_more(d, "  oui %06" PRIx32 ", %zu octets", oui,
	    rbuf_left(&look));
	doc_spi(d, "oui", oui, 6);
	doc_hex(d, "data", look);
}

static void
extension(struct doc *d, const struct nhrp *n, const struct nhrp_ext *x)
{
	struct name_buf b;

	doc_line(d, "%s%s", name_text(nhrp_extension_names, x->type, &b),
	    x->compulsory ? "!" : "");
	doc_open(d, NULL);
	doc_name(d, "type", nhrp_extension_names, x->type);
	doc_num(d, "number", x->type);
	doc_bool(d, "compulsory", x->compulsory);
	doc_in(d);
	if (nhrp_ext_has_cies(x))
		cies(d, n, x->value);
	else if (x->type == NHRP_EXT_AUTH)
		auth_value(d, x);
	else if (x->type == NHRP_EXT_VENDOR)
		vendor_value(d, x);
	else {
		doc_more(d, "  %zu octets", rbuf_left(&x->value));
		doc_hex(d, "data", x->value);
	}
	doc_out(d);
	doc_close(d);
}

static void
extensions(struct doc *d, const struct nhrp *n)
{
	struct rbuf in = n->exts;
	struct nhrp_ext x;

	if (!n->extended)
		return;
	doc_list(d, "extensions");
	while (nhrp_ext_next(&in, &x, NULL) > 0)
		extension(d, n, &x);
	doc_list_end(d);
}

/* ---- what an Error or Traffic Indication is about ---- */

static void
about(struct doc *d, const struct nhrp *n)
{
	struct addr_buf from, to;
	struct dissect inner = { 0 };

	doc_hex(d, "payload", n->payload);
	if (n->type != NHRP_TRAFFIC_INDICATION) {
		doc_line(d, "about a packet of %zu octets",
		    rbuf_left(&n->payload));
		return;
	}
	dissect_ip(n->payload, &inner);
	doc_line(d, "about %s > %s, ip protocol %u, %zu octets of it",
	    addr_text(&inner.src.addr, &from),
	    addr_text(&inner.dst.addr, &to), inner.protocol,
	    rbuf_left(&n->payload));
	doc_open(d, "packet");
	optional_addr(d, "source", &inner.src.addr);
	optional_addr(d, "destination", &inner.dst.addr);
	doc_num(d, "protocol", inner.protocol);
	doc_close(d);
}

/* ---- the packet ---- */

static bool
has_code(const struct nhrp *n)
{
	return n->type == NHRP_ERROR_INDICATION ||
	    n->type == NHRP_TRAFFIC_INDICATION;
}

static void
code(struct doc *d, const struct nhrp *n)
{
	struct name_buf b;

	if (n->type == NHRP_ERROR_INDICATION) {
		doc_line(d, "error %s at octet %u",
		    name_text(nhrp_error_names, n->code, &b), n->offset);
		doc_name(d, "error", nhrp_error_names, n->code);
		doc_num(d, "offset", n->offset);
	} else {
		doc_line(d, "traffic code %u%s", n->code,
		    n->code == 0 ? " (redirect)" : "");
		doc_num(d, "traffic-code", n->code);
	}
}

static void
fixed(struct doc *d, const struct nhrp *n)
{
	struct addr_buf src, dst, nbma;
	char flags[FLAGS_MAX];

	nhrp_flags_text(n->type, n->flags, flags, sizeof(flags));
	doc_line(d, "%s at %s to %s  hops %u, flags %s",
	    addr_text(&n->src_proto, &src), addr_text(&n->src_nbma, &nbma),
	    addr_text(&n->dst_proto, &dst), n->hops, flags);
	doc_num(d, "afn", n->afn);
	doc_num(d, "protocol-type", n->protocol);
	doc_num(d, "hops", n->hops);
	doc_num(d, "size", n->size);
	doc_num(d, "checksum", n->checksum);
	doc_text(d, "flags", flags);
	doc_num(d, "flag-bits", n->flags);
	if (!has_code(n))
		doc_num(d, "id", n->id);
	optional_addr(d, "source-nbma", &n->src_nbma);
	if (rbuf_left(&n->src_sub) > 0)
		doc_hex(d, "source-nbma-subaddress", n->src_sub);
	optional_addr(d, "source-protocol", &n->src_proto);
	optional_addr(d, "destination-protocol", &n->dst_proto);
}

static void
origin(struct doc *d, const struct nhrp_view *v)
{
	doc_text(d, "kind", "nhrp");
	doc_time(d, "time", v->ns);
	if (v->direction != NULL)
		doc_text(d, "direction", v->direction);
	if (v->interface != NULL)
		doc_text(d, "interface", v->interface);
	if (v->peer != 0)
		doc_num(d, "peer", v->peer);
	optional_addr(d, "source", &v->src);
	optional_addr(d, "destination", &v->dst);
	if (v->keyed)
		doc_num(d, "gre-key", v->key);
	if (v->spi != 0)
		doc_spi(d, "esp-spi", v->spi, 8);
	doc_num(d, "length", rbuf_left(&v->packet));
	if (v->drop != NULL)
		doc_text(d, "drop", v->drop);
}

static void
heading(struct doc *d, const struct nhrp_view *v, const struct nhrp *n)
{
	struct addr_buf from, to;
	struct doc_clock clock;
	struct name_buf b;

	doc_line(d, "%s  %s > %s", doc_clock(v->ns, &clock),
	    addr_text(&v->src, &from), addr_text(&v->dst, &to));
	if (n == NULL)
		doc_more(d, "  nhrp");
	else {
		doc_more(d, "  %s",
		    name_text(nhrp_packet_names, n->type, &b));
		if (!has_code(n))
			doc_more(d, " %" PRIu32, n->id);
	}
	doc_more(d, "  %zu octets", rbuf_left(&v->packet));
	if (v->keyed)
		doc_more(d, ", gre key %" PRIu32, v->key);
	if (v->spi != 0)
		doc_more(d, ", esp %08" PRIx32, v->spi);
	if (v->interface != NULL)
		doc_more(d, ", %s %s", v->interface,
		    v->direction != NULL ? v->direction : "");
}

static void
body(struct doc *d, const struct nhrp *n)
{
	doc_name(d, "type", nhrp_packet_names, n->type);
	fixed(d, n);
	if (has_code(n)) {
		code(d, n);
		about(d, n);
	} else
		cies(d, n, n->cies);
	extensions(d, n);
}

int
decode_nhrp(struct doc *d, const struct nhrp_view *v)
{
	struct nhrp n;
	struct err e, lax;
	int rc = nhrp_parse(v->packet, &n, &e);
	bool shown = rc == 0 || nhrp_parse_lax(v->packet, &n, &lax) == 0;

	doc_begin(d);
	origin(d, v);
	heading(d, v, shown ? &n : NULL);
	doc_in(d);
	if (shown)
		body(d, &n);
	if (rc < 0) {
		doc_line(d, "malformed: %s", e.msg);
		doc_text(d, "error", e.msg);
		if (!shown)
			doc_hex(d, "data", v->packet);
	}
	if (v->drop != NULL)
		doc_line(d, "dropped: %s", v->drop);
	doc_end(d);
	return rc;
}
