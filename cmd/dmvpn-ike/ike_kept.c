#include "ike_int.h"

#include <stdlib.h>

#include "base/delta.h"

/*
 * The certificates of a peer, and the OCSP response that came with them, are
 * kept while its IKE SA lives, to be judged again.  Thousands of peers have
 * theirs from one CA: of each what differs from a model is kept, which those
 * share who had it.
 */
struct ike_model {
	unsigned	users;		/* peers, and the credential */
	size_t		len;
	uint8_t		b[];
};

struct ike_kept {
	int64_t			 at;	/* they were judged good then */
	struct ike_model	*model;
	size_t			 whole;	/* octets */
	size_t			 len;
	uint8_t			 b[];	/* delta */
};

void
ike_model_release(struct ike_model *m)
{
	if (m != NULL && --m->users == 0)
		free(m);
}

void
ike_kept_free(struct ike_kept *k)
{
	if (k == NULL)
		return;
	ike_model_release(k->model);
	free(k);
}

static struct rbuf
model_view(const struct ike_model *m)
{
	return m == NULL ? rbuf_of(NULL, 0) : rbuf_of(m->b, m->len);
}

/* From now on the model of this credential's peers; NULL: no memory. */
static struct ike_model *
model_make(struct ike_cred *c, struct rbuf whole)
{
	const size_t len = rbuf_left(&whole);
	struct ike_model *m = malloc(sizeof(*m) + len);

	if (m == NULL)
		return NULL;
	m->users = 1;
	m->len = len;
	rbuf_copy(&whole, m->b, len);
	ike_model_release(c->model);
	return c->model = m;
}

/* Number of certificates, their lengths, they themselves, the response. */
static void
put_whole(struct wbuf *w, const struct cert_set *chain,
    const struct ike_stapled *ocsp)
{
	struct rbuf der;
	size_t i;

	wbuf_u8(w, (uint8_t)chain->n);
	for (i = 0; i < chain->n; i++) {
		der = cert_der(chain->v[i]);
		wbuf_be16(w, (uint16_t)rbuf_left(&der));
	}
	for (i = 0; i < chain->n; i++) {
		der = cert_der(chain->v[i]);
		wbuf_put_rbuf(w, &der);
	}
	wbuf_put_rbuf(w, &ocsp->response);
}

/* A model that helps little gives way to this one. */
static int
pack(struct ike_cred *c, struct rbuf whole, struct wbuf *w)
{
	const size_t len = rbuf_left(&whole);

	delta_put(model_view(c->model), whole, w);
	if (c->model != NULL && w->len < len - len / 8)
		return 0;
	if (model_make(c, whole) == NULL)
		return -1;
	w->len = 0;
	delta_put(model_view(c->model), whole, w);
	return 0;
}

static struct ike_kept *
kept_new(struct ike_cred *c, struct rbuf whole, struct wbuf *w)
{
	struct ike_kept *k;

	if (pack(c, whole, w) < 0 ||
	    (k = malloc(sizeof(*k) + w->len)) == NULL)
		return NULL;
	k->model = c->model;
	k->model->users++;
	k->whole = rbuf_left(&whole);
	k->len = w->len;
	memcpy(k->b, w->buf, w->len);
	return k;
}

int
ike_kept_take(struct ike_isa *s, const struct cert_set *chain,
    const struct ike_stapled *ocsp)
{
	size_t i, len = 1 + 2 * chain->n + rbuf_left(&ocsp->response);
	struct ike_kept *k = NULL;
	struct wbuf whole, packed;
	uint8_t *room;

	for (i = 0; i < chain->n; i++) {
		struct rbuf der = cert_der(chain->v[i]);

		len += rbuf_left(&der);
	}
	if ((room = malloc(len + DELTA_ROOM(len))) == NULL)
		return -1;
	whole = wbuf_of(room, len);
	packed = wbuf_of(room + len, DELTA_ROOM(len));
	put_whole(&whole, chain, ocsp);
	if (wbuf_ok(&whole))
		k = kept_new(s->profile->cred, wbuf_rbuf(&whole), &packed);
	free(room);
	if (k == NULL)
		return -1;
	k->at = ocsp->at;
	ike_kept_free(s->kept);
	s->kept = k;
	s->judged = s->profile->cred->judged;
	return 0;
}

static int
read_whole(struct rbuf in, struct ike_certs *out)
{
	size_t i, n = rbuf_u8(&in);
	struct rbuf lens = rbuf_sub(&in, 2 * n);

	for (i = 0; i < n; i++)
		if (cert_set_add_der(&out->certs, rbuf_sub(&in,
		    rbuf_be16(&lens)), NULL) < 0)
			return -1;
	out->ocsp.response = rbuf_rest(&in);
	return rbuf_ok(&in) && out->certs.n > 0 ? 0 : -1;
}

int
ike_kept_read(const struct ike_kept *k, struct ike_certs *out)
{
	struct wbuf w;

	*out = (struct ike_certs){ .ocsp = { .at = k->at } };
	if ((out->room = malloc(k->whole)) == NULL)
		return -1;
	w = wbuf_of(out->room, k->whole);
	if (delta_get(model_view(k->model), rbuf_of(k->b, k->len), &w) < 0)
		return -1;
	return read_whole(wbuf_rbuf(&w), out);
}

void
ike_certs_fini(struct ike_certs *c)
{
	cert_set_fini(&c->certs);
	free(c->room);
	c->room = NULL;
}
