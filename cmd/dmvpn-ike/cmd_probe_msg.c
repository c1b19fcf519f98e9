#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cmd_probe.h"
#include "crypto/prf.h"

/* ---- what we send ---- */

/* RFC 7296, 2.23: SHA-1 of SPIs, address, port. */
static int
nat_hash(uint64_t spi_i, uint64_t spi_r, const struct endpoint *p,
    uint8_t out[20], struct err *e)
{
	uint8_t room[40];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct rbuf all;

	wbuf_be64(&w, spi_i);
	wbuf_be64(&w, spi_r);
	wbuf_put(&w, p->addr.b, p->addr.len);
	wbuf_be16(&w, p->port);
	all = wbuf_rbuf(&w);
	return prf_sha1(&all, 1, out, e);
}

static int
put_nat(struct ike_chain *c, const struct probe *p, struct err *e)
{
	uint8_t hash[20];

	if (nat_hash(p->spi, 0, &p->local, hash, e) < 0)
		return -1;
	ike_put_notify(c, IKE_PROTO_NONE, NULL, 0,
	    IKE_N_NAT_DETECTION_SOURCE_IP, hash, sizeof(hash));
	if (nat_hash(p->spi, 0, &p->remote, hash, e) < 0)
		return -1;
	ike_put_notify(c, IKE_PROTO_NONE, NULL, 0,
	    IKE_N_NAT_DETECTION_DESTINATION_IP, hash, sizeof(hash));
	return 0;
}

static int
put_ke(struct ike_chain *c, const struct probe *p, struct err *e)
{
	struct dh *dh = dh_new(p->group, p->seed, e);
	struct rbuf pub;

	if (dh == NULL)
		return -1;
	pub = dh_public(dh);
	ike_put_ke(c, p->group, pub.p, rbuf_left(&pub));
	dh_free(dh);
	return 0;
}

int
probe_build(const struct probe *p, struct wbuf *w, struct err *e)
{
	static const uint8_t hashes[] = { 0, IKE_HASH_SHA256, 0,
	    IKE_HASH_SHA384, 0, IKE_HASH_SHA512, 0, IKE_HASH_IDENTITY };
	const struct ike_header h = { .spi_i = p->spi, .major = 2,
	    .exchange = IKE_SA_INIT, .flags = IKE_FLAG_INITIATOR };
	struct ike_chain c;

	ike_header_put(w, &h);
	c = ike_chain_of(w);
	if (p->cookie_len > 0)
		ike_put_notify(&c, IKE_PROTO_NONE, NULL, 0, IKE_N_COOKIE,
		    p->cookie, p->cookie_len);
	ike_put_sa(&c, p->proposals, p->n_proposals, NULL, 0);
	if (put_ke(&c, p, e) < 0)
		return -1;
	ike_put_nonce(&c, p->nonce, sizeof(p->nonce));
	if (put_nat(&c, p, e) < 0)
		return -1;
	ike_put_status(&c, IKE_N_FRAGMENTATION_SUPPORTED);
	ike_put_notify(&c, IKE_PROTO_NONE, NULL, 0,
	    IKE_N_SIGNATURE_HASH_ALGORITHMS, hashes, sizeof(hashes));
	ike_put_end(&c);
	ike_header_fill(w, c.first, w->len);
	return wbuf_ok(w) ? 0 : err_set(e, 0, "too many proposals for one "
	    "message");
}

/* ---- what comes back ---- */

struct reading {
	struct probe		*p;
	struct ike_answer	*a;
	struct ike_header	 h;
	bool			 again, known;
	bool			 source_seen, source_fits, here_fits;
};

static bool
hash_is(const struct reading *r, const struct endpoint *p, struct rbuf data)
{
	uint8_t hash[20];
	struct rbuf want = rbuf_of(hash, sizeof(hash));

	return nat_hash(r->h.spi_i, r->h.spi_r, p, hash, NULL) == 0 &&
	    rbuf_equal(&want, &data);
}

static void
read_cookie(struct reading *r, struct rbuf data)
{
	r->p->cookie_len = rbuf_left(&data);
	if (r->p->cookie_len > IKE_COOKIE_MAX)
		r->p->cookie_len = 0;
	rbuf_copy(&data, r->p->cookie, r->p->cookie_len);
	r->again = !r->a->cookie && r->p->cookie_len > 0;
	r->a->cookie = true;
}

static void
read_group(struct reading *r, struct rbuf data)
{
	uint16_t group = rbuf_be16(&data);
	struct name_buf b;

	r->again = r->a->group[0] == '\0' && dh_known(group);
	snprintf(r->a->group, sizeof(r->a->group), "%s",
	    name_text(ike_group_names, group, &b));
	if (r->again)
		r->p->group = group;
}

static void
read_answer(struct reading *r, const char *text)
{
	r->known = true;
	snprintf(r->a->answer, sizeof(r->a->answer), "%s", text);
}

static void
read_notify(struct reading *r, struct rbuf body)
{
	struct ike_answer *a = r->a;
	struct ike_notify n;
	struct name_buf b;
	const char *name;

	if (ike_notify_parse(body, &n, NULL) < 0)
		return;
	name = name_text(ike_notify_names, n.type, &b);
	if (a->n_notifies < sizeof(a->notifies) / sizeof(a->notifies[0]))
		snprintf(a->notifies[a->n_notifies++],
		    sizeof(a->notifies[0]), "%s", name);
	if (n.type == IKE_N_COOKIE)
		read_cookie(r, n.data);
	else if (n.type == IKE_N_INVALID_KE_PAYLOAD)
		read_group(r, n.data);
	else if (n.type == IKE_N_NAT_DETECTION_DESTINATION_IP)
		r->here_fits = hash_is(r, &r->p->local, n.data);
	else if (n.type == IKE_N_NAT_DETECTION_SOURCE_IP) {
		r->source_seen = true;
		r->source_fits |= hash_is(r, &r->p->remote, n.data);
	}
	if (n.type == IKE_N_COOKIE || n.type == IKE_N_REDIRECT ||
	    n.type < IKE_N_INITIAL_CONTACT)
		read_answer(r, name);
}

static void
read_sa(struct reading *r, struct rbuf body)
{
	struct ike_sa_walk w = ike_sa_walk_of(body);
	char text[IKE_PROPOSAL_TEXT];
	struct ike_proposal_in in;

	if (ike_sa_next(&w, &in, NULL) <= 0)
		return;
	ike_proposal_in_text(&in, text, sizeof(text));
	snprintf(r->a->proposal, sizeof(r->a->proposal), "%.191s", text);
	read_answer(r, "accepted");
}

static void
read_vendor(struct ike_answer *a, struct rbuf body)
{
	size_t n = rbuf_left(&body);
	char *to;

	if (a->n_vendors >= sizeof(a->vendors) / sizeof(a->vendors[0]) ||
	    n == 0)
		return;
	to = a->vendors[a->n_vendors++];
	if (memchr(body.p, 0, n) == NULL && text_is_utf8(body.p, n) &&
	    body.p[0] >= 0x20)
		text_escape(body.p, n, to, sizeof(a->vendors[0]));
	else
		text_hex(body.p, n > 32 ? 32 : n, to, sizeof(a->vendors[0]));
}

static void
read_payload(struct reading *r, const struct ike_payload *p)
{
	struct ike_cert c;

	switch (p->type) {
	case IKE_P_SA:
		read_sa(r, p->body);
		break;
	case IKE_P_NOTIFY:
		read_notify(r, p->body);
		break;
	case IKE_P_VENDOR:
		read_vendor(r->a, p->body);
		break;
	case IKE_P_CERTREQ:
		if (ike_cert_parse(p->body, &c, NULL) == 0)
			r->a->certreqs += (uint8_t)(rbuf_left(&c.data) / 20);
		break;
	}
}

enum probe_next
probe_read(struct probe *p, struct rbuf message, struct ike_answer *a)
{
	struct reading r = { .p = p, .a = a };
	struct ike_payload payload;
	struct rbuf in = message;
	struct ike_walk w;

	if (ike_header_parse(&in, &r.h, NULL) < 0 || r.h.spi_i != p->spi ||
	    !(r.h.flags & IKE_FLAG_RESPONSE))
		return PROBE_OTHER;
	a->n_notifies = a->n_vendors = 0;
	a->certreqs = 0;
	w = ike_walk_of(r.h.next, in);
	while (ike_walk_next(&w, &payload, NULL) > 0)
		read_payload(&r, &payload);
	a->nat_local = r.source_seen && !r.here_fits;
	a->nat_remote = r.source_seen && !r.source_fits;
	if (r.again)
		return PROBE_AGAIN;
	return r.known ? PROBE_DONE : PROBE_OTHER;
}
