/* Revocation lists that come to the agent in pieces, several at once, and the
 * copy on the disk of whoever fetches them. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <openssl/x509v3.h>

#include "dmvpn-pki/pki_fetch.h"
#include "dmvpn-pki/pki_ring.h"
#include "dmvpn-pki/pki_ring_crl.h"
#include "dmvpn-pki/pki_ring_staple.h"
#include "pki_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pki_ring ring;
static uint8_t *list;
static int list_len;

static void
begin(void)
{
	const struct fuzz_ca *f = fuzz_ca();
	struct secret *key = pki_key_der(f->key, NULL);
	struct pki_load m = { .n_chain = 1, .n_anchors = 1 };
	struct pki_revoked row = { .serial = "4711", .at = FUZZ_NOW,
		.why = "" };
	struct reason why;
	X509_CRL *crl = pki_issue_crl(&f->ca, 7, FUZZ_NOW, FUZZ_NOW + 86400,
	    &row, 1, NULL);

	fuzz_need(key != NULL && crl != NULL);
	list_len = i2d_X509_CRL(crl, &list);
	X509_CRL_free(crl);
	snprintf(m.identity, sizeof(m.identity), "x");
	m.key = rbuf_of(key->b, key->len);
	m.chain[0] = cert_der(f->leaf);
	m.anchors[0] = cert_der(f->root);
	pki_ring_init(&ring, 100);
	fuzz_need(pki_ring_load(&ring, &m, &why) == 0);
	secret_free(key);
}

/* One piece: which transfer, where, of how many octets, and the octets: its
 * own, or of a good list. */
static void
piece(struct rbuf *in, struct pki_crl_done *done)
{
	struct pki_crl_load m = { .transfer = rbuf_u8(in) & 7 };
	uint8_t how = rbuf_u8(in);
	size_t len;
	struct reason why;

	m.offset = rbuf_be16(in);
	len = rbuf_be16(in);
	m.size = how & 1 ? (uint32_t)list_len : (uint32_t)rbuf_be32(in) &
	    0x3ffffff;
	if (m.size == 0)
		m.size = 1;
	if (how & 2 && m.offset < (uint32_t)list_len) {
		len = len % ((size_t)list_len - m.offset) + 1;
		m.data = rbuf_of(list + m.offset, len);
	} else
		m.data = rbuf_sub(in, len < rbuf_left(in) ? len :
		    rbuf_left(in));
	if (rbuf_left(&m.data) > 0)
		(void)pki_ring_crl_piece(&ring, &m, done, &why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rbuf in = rbuf_of(data, size);
	struct pki_staple_load s = { .data = in };
	struct pki_crl_done done;
	struct pki_crl_reply out;
	struct pki_fetch f;
	struct reason why;

	if (list == NULL)
		begin();
	while (rbuf_left(&in) > 8)
		piece(&in, &done);
	if (ring.entries->n_crls > 1)
		__builtin_trap();	/* there is only one issuer */
	pki_ring_crl_read(ring.entries, 0, size, &out);
	(void)pki_ring_staple(&ring, &s, FUZZ_NOW, &done, &why);
	fuzz_need(pki_fetch_init(&f, "http://ca.example.org/crl", NULL) == 0);
	(void)pki_fetch_take(&f, rbuf_of(data, size), NULL, NULL);
	(void)pki_fetch_next(&f, FUZZ_NOW, 300, (uint32_t)size);
	(void)pki_fetch_age(&f, FUZZ_NOW);
	pki_fetch_fini(&f);
	return 0;
}
