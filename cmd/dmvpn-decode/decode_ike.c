#include "decode_ike.h"

#include <errno.h>
#include <inttypes.h>

struct walk_state {
	const struct ike_view	*view;
	bool			 inside;	/* of SK: no further one there */
	int			 rc;
};

static void payloads(struct doc *d, struct walk_state *s, uint8_t first,
    struct rbuf in);

static void
malformed(struct doc *d, struct walk_state *s, const struct err *e)
{
	s->rc = -1;
	doc_line(d, "malformed: %s", e->msg);
	doc_text(d, "error", e->msg);
}

/* What stood inside SK; SKF shows it at the fragment that completes it. */
static void
inside(struct doc *d, struct walk_state *s)
{
	const struct ike_view *v = s->view;

	doc_bool(d, "decrypted", v->have_clear);
	if (v->algorithm != NULL) {
		doc_more(d, "  %s", v->algorithm);
		doc_text(d, "algorithm", v->algorithm);
	}
	if (!v->have_clear) {
		doc_more(d, "  not decrypted: %s",
		    v->dark != NULL ? v->dark : "no key");
		doc_text(d, "why", v->dark != NULL ? v->dark : "no key");
		return;
	}
	doc_in(d);
	doc_list(d, "payloads");
	s->inside = true;
	payloads(d, s, v->first, v->clear);
	s->inside = false;
	doc_list_end(d);
	doc_out(d);
}

static void
encrypted(struct doc *d, struct walk_state *s, const struct ike_payload *p)
{
	struct ike_skf f;
	struct err e;

	if (s->inside) {
		err_set(&e, EBADMSG, "encrypted payload inside another");
		malformed(d, s, &e);
		return;
	}
	if (p->type == IKE_P_SK) {
		doc_more(d, "  %zu octets", rbuf_left(&p->body));
		doc_num(d, "length", rbuf_left(&p->body));
		inside(d, s);
		return;
	}
	if (ike_skf_parse(p->body, &f, &e) < 0) {
		malformed(d, s, &e);
		return;
	}
	doc_more(d, "  fragment %u of %u, %zu octets", f.number, f.total,
	    rbuf_left(&f.data));
	doc_num(d, "fragment", f.number);
	doc_num(d, "fragments", f.total);
	doc_num(d, "length", rbuf_left(&f.data));
	inside(d, s);
}

static void
payload(struct doc *d, struct walk_state *s, const struct ike_payload *p)
{
	struct name_buf b;
	struct err e;

	doc_line(d, "%s%s", name_text(ike_payload_names, p->type, &b),
	    p->critical ? "!" : "");
	doc_open(d, NULL);
	doc_name(d, "type", ike_payload_names, p->type);
	if (p->critical)
		doc_bool(d, "critical", true);
	if (p->type == IKE_P_SK || p->type == IKE_P_SKF)
		encrypted(d, s, p);
	else if (decode_payload(d, p, &e) < 0) {
		doc_in(d);
		malformed(d, s, &e);
		doc_hex(d, "data", p->body);
		doc_out(d);
	}
	doc_close(d);
}

static void
payloads(struct doc *d, struct walk_state *s, uint8_t first, struct rbuf in)
{
	struct ike_walk w = ike_walk_of(first, in);
	struct ike_payload p;
	struct err e;
	int rc;

	while ((rc = ike_walk_next(&w, &p, &e)) > 0)
		payload(d, s, &p);
	if (rc == 0)
		return;
	doc_open(d, NULL);
	malformed(d, s, &e);
	doc_close(d);
}

static void
heading(struct doc *d, const struct ike_view *v, const struct ike_header *h)
{
	bool reply = h->flags & IKE_FLAG_RESPONSE;
	struct addr_buf from, to;
	struct name_buf exchange;
	struct doc_clock clock;

	doc_line(d, "%s  %s > %s  %s %s %" PRIu32 "  %zu octets",
	    doc_clock(v->ns, &clock), endpoint_text(&v->src, &from),
	    endpoint_text(&v->dst, &to),
	    name_text(ike_exchange_names, h->exchange, &exchange),
	    reply ? "response" : "request", h->id, rbuf_left(&v->message));
	doc_in(d);
	doc_line(d, "spi %016" PRIx64 " %016" PRIx64 "  from the %s",
	    h->spi_i, h->spi_r,
	    h->flags & IKE_FLAG_INITIATOR ? "initiator" : "responder");
	if (h->major != 2 || h->minor != 0) {
		doc_line(d, "version %u.%u", h->major, h->minor);
	}
	doc_spi(d, "spi-i", h->spi_i, 16);
	doc_spi(d, "spi-r", h->spi_r, 16);
	doc_num(d, "major", h->major);
	doc_num(d, "minor", h->minor);
	doc_name(d, "exchange", ike_exchange_names, h->exchange);
	doc_text(d, "from", h->flags & IKE_FLAG_INITIATOR ? "initiator" :
	    "responder");
	doc_bool(d, "response", reply);
	doc_num(d, "id", h->id);
	doc_num(d, "flags", h->flags);
}

static void
origin(struct doc *d, const struct ike_view *v)
{
	doc_text(d, "kind", "ike");
	doc_time(d, "time", v->ns);
	if (v->direction != NULL)
		doc_text(d, "direction", v->direction);
	doc_endpoint(d, "source", &v->src);
	doc_endpoint(d, "destination", &v->dst);
	doc_num(d, "length", rbuf_left(&v->message));
	if (v->drop != NULL)
		doc_text(d, "drop", v->drop);
}

static void
no_header(struct doc *d, const struct ike_view *v, struct walk_state *s,
    const struct err *e)
{
	struct addr_buf from, to;
	struct doc_clock clock;

	doc_line(d, "%s  %s > %s  no IKE message", doc_clock(v->ns, &clock),
	    endpoint_text(&v->src, &from), endpoint_text(&v->dst, &to));
	doc_in(d);
	malformed(d, s, e);
	doc_hex(d, "data", v->message);
}

int
decode_ike(struct doc *d, const struct ike_view *v)
{
	struct walk_state s = { .view = v };
	struct rbuf in = v->message;
	struct ike_header h;
	struct err e;

	doc_begin(d);
	origin(d, v);
	if (ike_header_parse(&in, &h, &e) < 0)
		no_header(d, v, &s, &e);
	else {
		heading(d, v, &h);
		doc_list(d, "payloads");
		if (h.major == 2)
			payloads(d, &s, h.next, in);
		doc_list_end(d);
	}
	if (v->drop != NULL)
		doc_line(d, "dropped: %s", v->drop);
	doc_end(d);
	return s.rc;
}
