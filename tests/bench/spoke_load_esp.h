#ifndef SPOKE_LOAD_ESP_H
#define SPOKE_LOAD_ESP_H

/* The packets of a spoke: NHRP in GRE in ESP in UDP. */
#include "spoke_load_wire.h"

#define NEXT_GRE	47
#define NEXT_NONE	59	/* RFC 4303, 2.6: a dummy */
#define PROBE_LEN	16	/* as in path_probe.c */
#define PROBE_MAGIC	0x444d5455u
#define PROBE_REQUEST	1
#define PROBE_ANSWER	2
#define HOLD		600	/* seconds */

/* ---- SAs ---- */

static inline struct load_sa *
esp_find(struct spoke *s, uint32_t spi_in)
{
	size_t i;

	for (i = 0; i < SPOKE_SAS; i++)
		if (s->sa[i].turn != 0 && s->sa[i].spi_in == spi_in)
			return &s->sa[i];
	return NULL;
}

static inline void
esp_drop(struct load_sa *a)
{
	esp_key_free(a->seal);
	esp_key_free(a->open);
	memset(a, 0, sizeof(*a));
}

static inline void
esp_add(struct spoke *s, const struct gre_sa_add *m)
{
	static const enum esp_alg algs[] = {
		[ESP_CIPHER_AES128_GCM] = ESP_AES128_GCM,
		[ESP_CIPHER_AES256_GCM] = ESP_AES256_GCM,
		[ESP_CIPHER_CHACHA20_POLY1305] = ESP_CHACHA20_POLY1305,
		[ESP_CIPHER_AES128_CBC_SHA256] = ESP_AES128_CBC_SHA256,
		[ESP_CIPHER_AES256_CBC_SHA256] = ESP_AES256_CBC_SHA256,
	};
	struct load_sa *a = &s->sa[0];
	size_t i;
	struct err e;

	for (i = 1; i < SPOKE_SAS; i++)
		if (s->sa[i].turn < a->turn)
			a = &s->sa[i];
	esp_drop(a);
	*a = (struct load_sa){ .spi_in = m->spi_in, .spi_out = m->spi_out,
	    .esn = m->esn, .standby = m->standby, .turn = ++load.turn };
	if (!load.conf.nhrp)
		return;
	a->seal = esp_key_new(algs[m->cipher], true, m->key_out.p,
	    rbuf_left(&m->key_out), 1, &e);
	a->open = esp_key_new(algs[m->cipher], false, m->key_in.p,
	    rbuf_left(&m->key_in), 1, &e);
	if (a->seal == NULL || a->open == NULL)
		load_die(e.msg);
}

static inline struct load_sa *
esp_newest(struct spoke *s)
{
	struct load_sa *best = NULL;
	size_t i;

	for (i = 0; i < SPOKE_SAS; i++)
		if (s->sa[i].turn != 0 && s->sa[i].seal != NULL &&
		    (best == NULL || (best->standby && !s->sa[i].standby) ||
		    (best->standby == s->sa[i].standby &&
		    s->sa[i].turn > best->turn)))
			best = &s->sa[i];
	return best;
}

/* ---- out ---- */

static inline size_t
esp_registration(struct spoke *s, uint8_t *to, size_t room)
{
	struct addr own = load_addr(&load.conf.tunnel, FIRST + s->index);
	struct addr hub = load_addr(&load.conf.tunnel, 1);
	struct nhrp h = { .afn = NHRP_AFN_IP4, .protocol = NHRP_PROTO_IP4,
	    .hops = 255, .type = NHRP_REGISTRATION_REQUEST,
	    .flags = NHRP_G_NAT | NHRP_G_UNIQUE, .id = s->request,
	    .src_nbma = load_addr(&load.conf.base, FIRST + s->index),
	    .src_proto = own, .dst_proto = hub };
	struct nhrp_cie cie = { .prefix = NHRP_PREFIX_UNIQUE, .mtu = 1400,
	    .hold = HOLD };
	struct nhrp_cie nhs = { .prefix = 32, .nbma = load.conf.hub.addr,
	    .proto = hub };
	struct rbuf none = rbuf_of(NULL, 0);
	struct nhrp_out o;

	nhrp_begin(&o, to, room, &h);
	nhrp_put_cie(&o, &cie);
	nhrp_ext_put(&o, NHRP_EXT_RESPONDER, true, &none);
	nhrp_ext_put(&o, NHRP_EXT_FORWARD, true, &none);
	nhrp_ext_put(&o, NHRP_EXT_REVERSE, true, &none);
	nhrp_ext_open(&o, NHRP_EXT_NAT, false);
	nhrp_put_cie(&o, &nhs);
	nhrp_ext_close(&o);
	return nhrp_end(&o, NULL) < 0 ? 0 : o.w.len;
}

/* n octets, which are written behind the room of header and IV. */
#define ESP_AT(suite) (ESP_HEAD_LEN + (suite)->iv_len)
static inline void
esp_send(struct spoke *s, struct load_sa *a, uint8_t *p, size_t n,
    uint8_t next)
{
	struct endpoint to = { load.conf.hub.addr, 4500 };
	struct addr from = load_addr(&load.conf.base, FIRST + s->index);
	const struct esp_suite *suite = esp_key_suite(a->seal);
	struct wbuf w = wbuf_of(p, ESP_HEAD_LEN);
	struct esp_job job = { .p = p, .sequence = ++a->next,
	    .text = esp_text_len(n, suite->block) };

	wbuf_be32(&w, a->spi_out);
	wbuf_be32(&w, (uint32_t)job.sequence);
	esp_pad(p + ESP_AT(suite), n, job.text, next);
	if (esp_seal(a->seal, 0, a->esn, &job, 1) == 0)
		wire_send(&from, &to, 1, false, p,
		    ESP_AT(suite) + job.text + suite->icv_len);
}

/* A Registration Request on the newest SA. */
static inline void
esp_register(struct spoke *s)
{
	struct gre_head gre = { .protocol = GRE_NHRP,
	    .keyed = load.conf.keyed, .key = (uint32_t)load.conf.key };
	struct load_sa *a = esp_newest(s);
	uint8_t p[1024] = { 0 };
	size_t at, head, n;

	if (a == NULL)
		return;
	at = ESP_AT(esp_key_suite(a->seal));
	head = gre_head_len(false, gre.keyed);
	n = esp_registration(s, p + at + head, 512);
	gre_write(p + at, &gre, n);
	esp_send(s, a, p, head + n, NEXT_GRE);
}

/* A hub of our kind asks what size passes: all does. */
static inline void
esp_probed(struct spoke *s, const uint8_t *from, size_t len)
{
	struct load_sa *a = esp_newest(s);
	struct rbuf in = rbuf_of(from, len);
	uint8_t p[256] = { 0 };
	size_t at;

	if (a == NULL || len < PROBE_LEN || rbuf_be32(&in) != PROBE_MAGIC ||
	    rbuf_u8(&in) != PROBE_REQUEST)
		return;
	at = ESP_AT(esp_key_suite(a->seal));
	memcpy(p + at, from, PROBE_LEN);
	p[at + 4] = PROBE_ANSWER;
	esp_send(s, a, p, PROBE_LEN, NEXT_NONE);
}

/* ---- in ---- */

static inline void
esp_registered(struct spoke *s, const struct nhrp *n)
{
	struct rbuf in = n->cies;
	struct nhrp_cie cie;
	struct name_buf nb;

	if (n->type != NHRP_REGISTRATION_REPLY || n->id != s->request)
		return;
	if (nhrp_cie_next(n, &in, &cie, NULL) != 1 || cie.code != 0) {
		load.failed++;
		load_count(name_text(nhrp_code_names, cie.code, &nb));
		return;
	}
	s->ask_at = 0;
	if (s->registered_at == 0) {
		s->registered_at = load_ns();
		load.registered++;
	}
}

/* What came to port 4500 and is not IKE.  NULL: nothing of ours; else the SA
 * that carried it, when it was its first packet. */
static inline struct load_sa *
esp_take(struct spoke *s, uint8_t *p, size_t len)
{
	struct rbuf in = rbuf_of(p, len);
	struct load_sa *a = esp_find(s, rbuf_be32(&in));
	struct esp_job job = { .p = p, .sequence = rbuf_be32(&in) };
	const struct esp_suite *suite;
	struct gre_head gre;
	struct nhrp n;
	size_t at, payload;
	uint8_t next;
	bool first;

	if (a == NULL || a->open == NULL)
		return NULL;
	suite = esp_key_suite(a->open);
	at = ESP_HEAD_LEN + suite->iv_len;
	if (len < at + suite->icv_len)
		return NULL;
	job.text = len - at - suite->icv_len;
	if (esp_open(a->open, 0, a->esn, &job, 1) != 1 ||
	    esp_unpad(p + at, job.text, &payload, &next) < 0)
		return NULL;
	if (next == NEXT_NONE)
		esp_probed(s, p + at, payload);
	first = !a->heard;
	a->heard = true;
	if (next == NEXT_GRE && gre_parse(p + at, payload, &gre) == GRE_OK &&
	    gre.protocol == GRE_NHRP && nhrp_parse(rbuf_of(p + at + gre.len,
	    payload - gre.len), &n, NULL) == 0)
		esp_registered(s, &n);
	return first ? a : NULL;
}

#endif
