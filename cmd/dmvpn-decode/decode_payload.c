#include "decode_ike.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/date.h"
#include "base/text.h"
#include "crypto/cert.h"
#include "crypto/ident.h"
#include "crypto/sign.h"

#define TEXT_MAX 640
#define VENDOR_WORDS 8	/* printable octets that make a name of the rest */

/* ---- SA (RFC 7296, 3.3) ---- */

static int
transforms(struct doc *d, const struct ike_proposal_in *p, struct err *e)
{
	struct ike_transform_walk w = ike_transform_walk_of(p);
	struct ike_transform t;
	struct name_buf b;
	uint8_t before = 0;
	char text[64];
	int rc;

	doc_list(d, "transforms");
	while ((rc = ike_transform_next(&w, &t, e)) > 0) {
		ike_transform_text(&t, text, sizeof(text));
		doc_more(d, "%s%s%s%s", t.type == before ? "/" : "  ",
		    t.type == IKE_T_PRF && t.type != before ? "prf-" : "",
		    text, t.odd ? "?" : "");
		before = t.type;
		doc_open(d, NULL);
		doc_text(d, "type",
		    name_text(ike_transform_type_names, t.type, &b));
		doc_text(d, "name", text);
		doc_num(d, "id", t.id);
		if (t.key_bits > 0)
			doc_num(d, "key-bits", t.key_bits);
		if (t.odd)
			doc_bool(d, "unknown-attribute", true);
		doc_close(d);
	}
	doc_list_end(d);
	return rc;
}

static int
proposal(struct doc *d, const struct ike_proposal_in *p, struct err *e)
{
	char spi[2 * 255 + 1];
	struct name_buf b;
	int rc;

	text_hex(p->spi.p, rbuf_left(&p->spi), spi, sizeof(spi));
	doc_line(d, "%u %s%s%s", p->number,
	    name_text(ike_protocol_names, p->protocol, &b),
	    spi[0] != '\0' ? " spi " : "", spi);
	doc_open(d, NULL);
	doc_num(d, "number", p->number);
	doc_name(d, "protocol", ike_protocol_names, p->protocol);
	doc_text(d, "spi", spi);
	rc = transforms(d, p, e);
	doc_close(d);
	return rc;
}

static int
sa(struct doc *d, struct rbuf body, struct err *e)
{
	struct ike_sa_walk w = ike_sa_walk_of(body);
	struct ike_proposal_in p;
	int rc, bad = 0;

	doc_list(d, "proposals");
	doc_in(d);
	while ((rc = ike_sa_next(&w, &p, e)) > 0 && bad == 0)
		bad = proposal(d, &p, e);
	doc_out(d);
	doc_list_end(d);
	return rc < 0 || bad < 0 ? -1 : 0;
}

/* ---- key exchange, nonce, identities ---- */

static int
ke(struct doc *d, struct rbuf body, struct err *e)
{
	struct name_buf b;
	struct ike_ke k;

	if (ike_ke_parse(body, &k, e) < 0)
		return -1;
	doc_more(d, "  %s, %zu octets",
	    name_text(ike_group_names, k.group, &b), rbuf_left(&k.data));
	doc_name(d, "group", ike_group_names, k.group);
	doc_hex(d, "data", k.data);
	return 0;
}

static int
nonce(struct doc *d, struct rbuf body, struct err *e)
{
	struct rbuf n;

	if (ike_nonce_parse(body, &n, e) < 0)
		return -1;
	doc_more(d, "  %zu octets", rbuf_left(&n));
	doc_hex(d, "data", n);
	return 0;
}

/* An identity for people; DNs need lib/crypto. */
static const char *
id_text(const struct ike_id *id, char *out, size_t len)
{
	struct ident ident;

	if (id->type == IKE_ID_DN &&
	    ident_of(id->type, id->data, &ident, NULL) == 0)
		return ident_text(&ident, out, len);
	return ike_id_text(id->type, &id->data, out, len);
}

static int
identity(struct doc *d, struct rbuf body, struct err *e)
{
	char text[TEXT_MAX];
	struct name_buf b;
	struct ike_id id;

	if (ike_id_parse(body, &id, e) < 0)
		return -1;
	doc_more(d, "  %s %s", name_text(ike_id_names, id.type, &b),
	    id_text(&id, text, sizeof(text)));
	doc_name(d, "id-type", ike_id_names, id.type);
	doc_text(d, "identity", text);
	doc_hex(d, "data", id.data);
	return 0;
}

/* ---- certificates ---- */

static void
day_text(int64_t at, char *out, size_t len)
{
	struct tm tm;

	if (at == INT64_MAX || !date_split(at, &tm))
		snprintf(out, len, "never");
	else
		strftime(out, len, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void
certificate(struct doc *d, struct cert *c)
{
	char subject[TEXT_MAX], issuer[TEXT_MAX], serial[64];
	char from[32], until[32];
	struct name_buf b;

	cert_subject(c, subject, sizeof(subject));
	cert_issuer(c, issuer, sizeof(issuer));
	cert_serial(c, serial, sizeof(serial));
	day_text(cert_not_before(c), from, sizeof(from));
	day_text(cert_not_after(c), until, sizeof(until));
	doc_in(d);
	doc_line(d, "subject %s", subject);
	doc_line(d, "issuer %s", issuer);
	doc_line(d, "serial %s, %s %d bits, valid until %s", serial,
	    name_text(cert_key_names, cert_key_kind(c), &b),
	    cert_key_bits(c), until);
	doc_out(d);
	doc_text(d, "subject", subject);
	doc_text(d, "issuer", issuer);
	doc_text(d, "serial", serial);
	doc_name(d, "key", cert_key_names, cert_key_kind(c));
	doc_num(d, "key-bits", (uint64_t)cert_key_bits(c));
	doc_text(d, "not-before", from);
	doc_text(d, "not-after", until);
}

static int
cert(struct doc *d, struct rbuf body, struct err *e)
{
	struct ike_cert in;
	struct name_buf b;
	struct cert *c;
	struct err why;

	if (ike_cert_parse(body, &in, e) < 0)
		return -1;
	doc_more(d, "  %s, %zu octets",
	    name_text(ike_cert_names, in.encoding, &b), rbuf_left(&in.data));
	doc_name(d, "encoding", ike_cert_names, in.encoding);
	doc_hex(d, "data", in.data);
	if (in.encoding != IKE_CERT_X509)
		return 0;
	c = cert_parse(in.data, &why);
	if (c == NULL) {
		doc_more(d, ", not readable: %s", why.msg);
		doc_text(d, "unreadable", why.msg);
		return 0;
	}
	certificate(d, c);
	cert_free(c);
	return 0;
}

static int
certreq(struct doc *d, struct rbuf body, struct err *e)
{
	char hex[41];
	struct ike_cert in;
	struct name_buf b;
	struct rbuf one;

	if (ike_cert_parse(body, &in, e) < 0)
		return -1;
	doc_more(d, "  %s, %zu anchors",
	    name_text(ike_cert_names, in.encoding, &b),
	    rbuf_left(&in.data) / 20);
	doc_name(d, "encoding", ike_cert_names, in.encoding);
	doc_list(d, "anchors");
	doc_in(d);
	while (rbuf_left(&in.data) >= 20) {
		one = rbuf_sub(&in.data, 20);
		doc_line(d, "%s", text_hex(one.p, 20, hex, sizeof(hex)));
		doc_hex(d, NULL, one);
	}
	doc_out(d);
	doc_list_end(d);
	return 0;
}

/* ---- AUTH ---- */

static int
auth(struct doc *d, struct rbuf body, struct err *e)
{
	char text[96];
	struct ike_auth a;

	if (ike_auth_parse(body, &a, e) < 0)
		return -1;
	sign_text(a.method, a.data, text, sizeof(text));
	doc_more(d, "  %s, %zu octets", text, rbuf_left(&a.data));
	doc_name(d, "method", ike_auth_names, a.method);
	doc_text(d, "algorithm", text);
	doc_hex(d, "data", a.data);
	return 0;
}

/* ---- DELETE, traffic selectors, vendor ---- */

static int
delete(struct doc *d, struct rbuf body, struct err *e)
{
	struct ike_delete del;
	struct name_buf b;
	char hex[2 * 255 + 1];
	struct rbuf spi;
	unsigned i;

	if (ike_delete_parse(body, &del, e) < 0)
		return -1;
	doc_more(d, "  %s", name_text(ike_protocol_names, del.protocol, &b));
	doc_name(d, "protocol", ike_protocol_names, del.protocol);
	doc_list(d, "spis");
	for (i = 0; i < del.count && del.spi_len > 0; i++) {
		spi = rbuf_sub(&del.spis, del.spi_len);
		doc_more(d, " %s", text_hex(spi.p, rbuf_left(&spi), hex,
		    sizeof(hex)));
		doc_hex(d, NULL, spi);
	}
	doc_list_end(d);
	return 0;
}

static int
selectors(struct doc *d, struct rbuf body, struct err *e)
{
	struct ike_ts_walk w;
	struct name_buf b;
	struct ike_ts ts;
	char text[160];
	int rc;

	if (ike_ts_walk_of(body, &w, e) < 0)
		return -1;
	doc_list(d, "selectors");
	while ((rc = ike_ts_next(&w, &ts, e)) > 0) {
		ike_ts_text(&ts, text, sizeof(text));
		doc_more(d, "  %s", text);
		doc_open(d, NULL);
		doc_text(d, "type", name_text(ike_ts_names, ts.type, &b));
		doc_text(d, "selector", text);
		doc_addr(d, "first", &ts.first);
		doc_addr(d, "last", &ts.last);
		doc_num(d, "protocol", ts.protocol);
		doc_num(d, "port-first", ts.port_first);
		doc_num(d, "port-last", ts.port_last);
		doc_close(d);
	}
	doc_list_end(d);
	return rc;
}

/* How many octets at the begin are printable ASCII. */
static size_t
printable_len(struct rbuf r)
{
	size_t n = 0;
	uint8_t c;

	while (rbuf_left(&r) > 0) {
		c = rbuf_u8(&r);
		if (c < 0x20 || c > 0x7e)
			break;
		n++;
	}
	return n;
}

static bool
printable(struct rbuf r)
{
	return printable_len(r) == rbuf_left(&r);
}

/* Vendor IDs that are hashes, of peers one meets. */
static const struct {
	const char	*hex;
	const char	*text;
} vendors[] = {
	{ "882fe56d6fd20dbc2251613b2ebe5beb", "strongSwan" },
	{ "4048b7d56ebce88525e7de7f00d6c2d3", "fragmentation (IKEv1)" },
	{ "afcad71368a1f1c96b8696fc77570100", "dead peer detection (IKEv1)" },
	{ "1e2b516905991c7d7c96fcbfb587e461", "Microsoft" },
	{ "12f5f28c457168a9702d9fe274cc0100", "Cisco Unity" },
};

static int
vendor(struct doc *d, struct rbuf body)
{
	size_t i, words = printable_len(body);
	char text[TEXT_MAX];

	doc_hex(d, "data", body);
	if (words == rbuf_left(&body) || words >= VENDOR_WORDS) {
		doc_more(d, "  \"%s\"", text_escape(body.p, words, text,
		    sizeof(text)));
		doc_octets(d, "vendor", rbuf_sub(&body, words));
		if (rbuf_left(&body) > 0)
			doc_more(d, " and %zu octets", rbuf_left(&body));
		return 0;
	}
	if (2 * rbuf_left(&body) >= sizeof(text)) {
		doc_more(d, "  %zu octets", rbuf_left(&body));
		return 0;
	}
	text_hex(body.p, rbuf_left(&body), text, sizeof(text));
	doc_more(d, "  %s", text);
	for (i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
		if (strncmp(text, vendors[i].hex, strlen(vendors[i].hex))
		    == 0) {
			doc_more(d, " (%s)", vendors[i].text);
			doc_text(d, "vendor", vendors[i].text);
		}
	return 0;
}

/* ---- CP, EAP, others ---- */

static void
cp_value(struct doc *d, const struct ike_cp_attr *a)
{
	size_t n = rbuf_left(&a->value);
	struct addr address = addr_of(a->value.p, n);
	char text[TEXT_MAX];
	struct addr_buf b;

	if (n == 4 || n == 16) {
		doc_more(d, "=%s", addr_text(&address, &b));
		doc_addr(d, "address", &address);
	} else if (n > 0 && printable(a->value))
		doc_more(d, "=\"%s\"", text_escape(a->value.p, n, text,
		    sizeof(text)));
	else if (n > 0)
		doc_more(d, "=(%zu octets)", n);
	doc_hex(d, "data", a->value);
}

static int
cp(struct doc *d, struct rbuf body, struct err *e)
{
	struct ike_cp_attr a;
	struct name_buf b;
	struct ike_cp in;
	int rc;

	if (ike_cp_parse(body, &in, e) < 0)
		return -1;
	doc_more(d, "  %s", name_text(ike_cp_names, in.type, &b));
	doc_name(d, "cp-type", ike_cp_names, in.type);
	doc_list(d, "attributes");
	while ((rc = ike_cp_next(&in.attributes, &a, e)) > 0) {
		doc_more(d, "  %s",
		    name_text(ike_cp_attribute_names, a.type, &b));
		doc_open(d, NULL);
		doc_name(d, "type", ike_cp_attribute_names, a.type);
		cp_value(d, &a);
		doc_close(d);
	}
	doc_list_end(d);
	return rc;
}

static int
opaque(struct doc *d, struct rbuf body)
{
	doc_more(d, "  %zu octets", rbuf_left(&body));
	doc_hex(d, "data", body);
	return 0;
}

int
decode_payload(struct doc *d, const struct ike_payload *p, struct err *e)
{
	switch (p->type) {
	case IKE_P_SA:
		return sa(d, p->body, e);
	case IKE_P_KE:
		return ke(d, p->body, e);
	case IKE_P_NONCE:
		return nonce(d, p->body, e);
	case IKE_P_IDI:
	case IKE_P_IDR:
		return identity(d, p->body, e);
	case IKE_P_CERT:
		return cert(d, p->body, e);
	case IKE_P_CERTREQ:
		return certreq(d, p->body, e);
	case IKE_P_AUTH:
		return auth(d, p->body, e);
	case IKE_P_NOTIFY:
		return decode_notify(d, p->body, e);
	case IKE_P_DELETE:
		return delete(d, p->body, e);
	case IKE_P_VENDOR:
		return vendor(d, p->body);
	case IKE_P_TSI:
	case IKE_P_TSR:
		return selectors(d, p->body, e);
	case IKE_P_CP:
		return cp(d, p->body, e);
	}
	return opaque(d, p->body);
}
