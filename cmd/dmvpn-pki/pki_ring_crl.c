#include "pki_ring_crl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg/msg.h"

#define STAGE	"crl"
#define PIECE	14000		/* octets of one that goes out */

struct pki_crl_item {
	unsigned	 users;
	struct crl_info	 info;
	size_t		 len;
	uint8_t		 der[];
};

static void
release(struct pki_crl_item *i)
{
	if (i != NULL && --i->users == 0)
		free(i);
}

void
pki_ring_crl_drop(struct pki_entry *n)
{
	while (n->n_crls > 0)
		release(n->crls[--n->n_crls]);
}

void
pki_ring_crl_inherit(struct pki_entry *to, struct pki_entry *from)
{
	pki_ring_crl_drop(to);
	memcpy(to->crls, from->crls, sizeof(to->crls));
	to->n_crls = from->n_crls;
	to->crl_tag = from->crl_tag + 1;
	from->n_crls = 0;
}

/* ------------------------------------------------------------ taking a list */

/* Does a CA that this identity knows say it is its own? */
static int
known_issuer(const struct pki_entry *n, const struct crl *c)
{
	const struct cert_set *sets[] = { &n->anchors, &n->chain };
	size_t i, k;
	int rc, seen = 0;

	for (i = 0; i < 2; i++)
		for (k = 0; k < sets[i]->n; k++) {
			if ((rc = crl_issued_by(c, sets[i]->v[k])) == 1)
				return 1;
			seen = rc < 0 ? rc : seen;
		}
	return seen;
}

/* Where it goes: in the place of one of its issuer, or at the end.
 * EEXIST: it is there already; ESTALE: a newer one is. */
static int
place_of(const struct pki_entry *n, const struct pki_crl_item *c,
    struct err *e)
{
	size_t i = 0;
	int cmp;

	while (i < n->n_crls && memcmp(n->crls[i]->info.issuer,
	    c->info.issuer, sizeof(c->info.issuer)) != 0)
		i++;
	if (i == n->n_crls)
		return i < CRL_SET_MAX ? (int)i : err_set(e, ENOSPC,
		    "%d CRLs are loaded already", CRL_SET_MAX);
	if (n->crls[i]->len == c->len &&
	    memcmp(n->crls[i]->der, c->der, c->len) == 0)
		return err_set(e, EEXIST, "this CRL is loaded already");
	cmp = memcmp(c->info.number, n->crls[i]->info.number,
	    sizeof(c->info.number));
	if (cmp < 0 || (cmp == 0 && c->info.made < n->crls[i]->info.made))
		return err_set(e, ESTALE, "a newer CRL of this issuer is "
		    "loaded");
	return (int)i;
}

static void
give(struct pki_entry *n, struct pki_crl_item *c, struct pki_crl_done *done)
{
	int at = place_of(n, c, NULL);

	if (at < 0)
		return;			/* it is there */
	if ((size_t)at == n->n_crls)
		n->n_crls++;
	else
		release(n->crls[at]);
	n->crls[at] = c;
	c->users++;
	n->crl_tag++;
	snprintf(done->names[done->n++], sizeof(done->names[0]), "%s",
	    n->name);
}

static struct pki_crl_item *
item_new(const struct crl *c, struct rbuf der, struct err *e)
{
	size_t len = rbuf_left(&der);
	struct pki_crl_item *i = malloc(sizeof(*i) + len);

	if (i == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	i->users = 1;
	i->len = len;
	memcpy(i->der, der.p, len);
	if (crl_info(c, &i->info, e) < 0) {
		free(i);
		return NULL;
	}
	return i;
}

/* 1: this identity takes it; 0: it is not for it, or (ESTALE) it has a newer
 * one. */
static int
takes(const struct pki_entry *n, const char *identity, const struct crl *c,
    const struct pki_crl_item *item, struct err *e)
{
	bool named = identity[0] != '\0';
	int known;

	if (n->method != PKI_METHOD_CERTIFICATE ||
	    (named && strcmp(n->name, identity) != 0))
		return 0;
	known = known_issuer(n, c);
	if (known < 0)
		return err_set(e, EPERM, "the CRL's signature does not "
		    "verify");
	if (known == 0 && !named)
		return 0;
	if (place_of(n, item, e) >= 0 || e->code == EEXIST)
		return 1;
	return e->code == ESTALE ? 0 : -1;
}

/* First all are asked, so that one that refuses it leaves all as they were. */
static int
hand_out(struct pki_ring *r, const char *identity, const struct crl *c,
    struct pki_crl_item *item, struct pki_crl_done *done, struct err *e)
{
	struct pki_entry *n, *takers[PKI_RING_MAX];
	size_t i, users = 0;
	int rc;

	for (n = r->entries; n != NULL; n = n->next) {
		if ((rc = takes(n, identity, c, item, e)) < 0)
			return -1;
		if (rc == 1)
			takers[users++] = n;
	}
	for (i = 0; i < users; i++)
		give(takers[i], item, done);
	if (users == 0 && e->code == ESTALE)
		return -1;
	return users > 0 ? 0 : err_set(e, ENOENT, identity[0] != '\0' ?
	    "there is no identity of that name with a certificate" :
	    "no identity knows the issuer of this CRL");
}

const char *
pki_ring_code(const struct err *e)
{
	switch (e->code) {
	case EBADMSG:
		return "malformed";
	case EPERM:
		return "bad-signature";
	case ESTALE:
		return "older";
	case ENOENT:
		return "not-found";
	case EKEYREVOKED:
		return "revoked";
	case ENOSPC:
		return "full";
	case ENOMEM:
		return "failed";
	default:
		return "invalid";
	}
}

static int
refuse(struct reason *why, const struct err *e)
{
	reason_set(why, STAGE, pki_ring_code(e), "%.300s", e->msg);
	return -1;
}

int
pki_ring_crl(struct pki_ring *r, const char *identity, struct rbuf der,
    struct pki_crl_done *done, struct reason *why)
{
	struct err e = { 0 };
	struct crl *c = crl_parse(der, &e);
	struct pki_crl_item *item = c == NULL ? NULL : item_new(c, der, &e);
	int rc = -1;

	done->n = 0;
	if (item != NULL)
		rc = hand_out(r, identity, c, item, done, &e);
	release(item);
	crl_free(c);
	return rc < 0 ? refuse(why, &e) : 0;
}

void
pki_ring_crl_adopt(struct pki_ring *r, struct pki_entry *n)
{
	struct pki_crl_done done = { .n = 0 };
	const struct pki_entry *o;
	struct crl *c;
	size_t i;

	for (o = r->entries; o != NULL; o = o->next)
		for (i = 0; o != n && i < o->n_crls; i++) {
			struct pki_crl_item *item = o->crls[i];

			c = crl_parse(rbuf_of(item->der, item->len), NULL);
			if (c != NULL && known_issuer(n, c) == 1)
				give(n, item, &done);
			done.n = 0;
			crl_free(c);
		}
}

/* ------------------------------------------------------------------- pieces */

static void
upload_end(struct pki_upload *u)
{
	free(u->octets);
	memset(u, 0, sizeof(*u));
}

void
pki_ring_crl_fini(struct pki_ring *r)
{
	size_t i;

	for (i = 0; i < PKI_UPLOADS_MAX; i++)
		upload_end(&r->uploads[i]);
}

/* The transfer that the piece belongs to; the first piece begins one, in the
 * place of the one that began longest ago. */
static struct pki_upload *
upload_of(struct pki_ring *r, const struct pki_crl_load *m)
{
	struct pki_upload *u = r->uploads, *oldest = u;
	size_t i;

	for (i = 0; i < PKI_UPLOADS_MAX; i++, u++) {
		if (u->size > 0 && u->transfer == m->transfer)
			break;
		oldest = u->began < oldest->began ? u : oldest;
	}
	if (m->offset > 0)
		return i < PKI_UPLOADS_MAX ? u : NULL;
	u = i < PKI_UPLOADS_MAX ? u : oldest;
	upload_end(u);
	u->transfer = m->transfer;
	u->size = m->size;
	u->began = ++r->began;
	return u;
}

/* Room grows with what has come, not with what is claimed. */
static int
append(struct pki_upload *u, struct rbuf data, struct err *e)
{
	size_t len = rbuf_left(&data), room = u->room;
	uint8_t *more;

	if (len > u->size - u->have)
		return err_set(e, EBADMSG, "more octets than its size");
	while (room < u->have + len)
		room = room == 0 ? 65536 : 2 * room;
	if (room > u->room) {
		if ((more = realloc(u->octets, room)) == NULL)
			return err_set(e, ENOMEM, "out of memory");
		u->octets = more;
		u->room = room;
	}
	memcpy(u->octets + u->have, data.p, len);
	u->have += len;
	return 0;
}

int
pki_ring_crl_piece(struct pki_ring *r, const struct pki_crl_load *m,
    struct pki_crl_done *done, struct reason *why)
{
	struct pki_upload *u = upload_of(r, m);
	struct err e = { 0 };
	int rc;

	done->n = 0;
	if (u == NULL || u->size != m->size || u->have != m->offset) {
		err_set(&e, EINVAL, "a piece that does not follow the one "
		    "before");
		return refuse(why, &e);
	}
	if (append(u, m->data, &e) < 0) {
		upload_end(u);
		return refuse(why, &e);
	}
	if (u->have < u->size)
		return 0;
	rc = pki_ring_crl(r, m->identity, rbuf_of(u->octets, u->have), done,
	    why);
	upload_end(u);
	return rc < 0 ? -1 : 1;
}

void
pki_ring_crl_read(const struct pki_entry *n, size_t index, size_t offset,
    struct pki_crl_reply *out)
{
	const struct pki_crl_item *c;
	size_t left;

	memset(out, 0, sizeof(*out));
	out->tag = n->crl_tag;
	if (index >= n->n_crls)
		return;
	c = n->crls[index];
	left = offset < c->len ? c->len - offset : 0;
	out->size = (uint32_t)c->len;
	if (left > 0)
		out->data = rbuf_of(c->der + offset, left < PIECE ? left :
		    PIECE);
}
