#ifndef IKE_STRANGER_H
#define IKE_STRANGER_H

#include "ike_sim.h"

#include "wire/ike_proposal.h"

/* Whoever has no key: addresses, and IKE_SA_INIT as our engine sends it. */

static inline struct endpoint
stranger(unsigned n)
{
	uint8_t octets[4] = { 203, 0, (uint8_t)(n >> 8), (uint8_t)n };

	return (struct endpoint){ addr_of(octets, 4), 500 };
}

/* cookie may be empty. */
static inline size_t
stranger_request(uint8_t *b, size_t cap, uint64_t spi, uint8_t fill,
    struct rbuf cookie)
{
	struct ike_header h = { .spi_i = spi, .exchange = IKE_SA_INIT,
	    .flags = IKE_FLAG_INITIATOR };
	struct wbuf w = wbuf_of(b, cap);
	struct ike_chain c = ike_chain_of(&w);
	struct ike_proposal p;
	uint8_t octets[32];

	memset(octets, fill, sizeof(octets));
	assert_int_equal(ike_proposal_parse("aes256gcm16-prfsha256-x25519",
	    IKE_PROTO_IKE, &p, NULL), 0);
	ike_header_put(&w, &h);
	if (rbuf_left(&cookie) > 0)
		ike_put_notify(&c, 0, NULL, 0, IKE_N_COOKIE, cookie.p,
		    rbuf_left(&cookie));
	ike_put_sa(&c, &p, 1, NULL, 0);
	ike_put_ke(&c, IKE_GROUP_X25519, octets, 32);
	ike_put_nonce(&c, octets, 32);
	ike_header_fill(&w, c.first, w.len);
	assert_true(wbuf_ok(&w));
	return w.len;
}

static inline size_t
stranger_init(uint8_t *b, size_t cap, uint64_t spi, uint8_t fill)
{
	return stranger_request(b, cap, spi, fill, rbuf_of(NULL, 0));
}

#endif
