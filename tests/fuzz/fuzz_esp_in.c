#include "path_fuzz.h"

/*
 * Datagrams on port 4500.  Each piece of the input is either taken as it is,
 * or sealed with the right key first, so that what is inside gets looked at.
 */
static uint64_t sequence;

static size_t
seal(const struct path_fuzz *f, uint32_t spi, struct rbuf in, uint8_t next,
    uint8_t *p)
{
	struct esp_key *k = esp_key_new(ESP_AES128_GCM, true, f->key, 20, 1,
	    NULL);
	size_t n = rbuf_left(&in);
	struct esp_job j = { .p = p, .sequence = ++sequence,
	    .text = esp_text_len(n, 4) };

	MUST(k != NULL);
	store32(p, spi);
	store32(p + 4, (uint32_t)sequence);
	memcpy(p + 16, in.p, n);
	esp_pad(p + 16, n, j.text, next);
	if (next == 255)	/* padding as it comes */
		p[16 + j.text - 2] = (uint8_t)n;
	MUST(esp_seal(k, 0, false, &j, 1) == 0);
	esp_key_free(k);
	return 16 + j.text + 16;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t buf[32][TAP_HEAD + 4096];
	struct path_fuzz *f = path_fuzz_open();
	struct path_thread *t = &f->p->thread[0];
	struct rbuf in = rbuf_of(data, len), piece;
	struct in_meta m = { .udp = true };
	unsigned i;

	m.remote.addr = addr_of((uint8_t[]){ 127, 0, 0, 1 }, 4);
	m.remote.port = 4500;
	t->now = fuzz_now;
	for (i = 0; i < 32 && rbuf_left(&in) > 0; i++) {
		uint8_t how = rbuf_u8(&in);
		uint8_t next = how & 8 ? rbuf_u8(&in) :
		    how & 2 ? IP_GRE : how & 4 ? IP_IPV6 : IP_IPV4;
		uint8_t *p = buf[i] + TAP_HEAD;
		size_t n;

		m.tos = how >> 6;
		piece = fuzz_piece(&in);
		n = rbuf_left(&piece);
		if (how & 1)
			n = seal(f, how & 2 ? 0x1000 : 0x2000, piece, next,
			    p);
		else if (n > 0)
			memcpy(p, piece.p, n);
		if (n > 0)
			in_udp(t, &m, p, n);
	}
	fuzz_drain(f);
	return 0;
}
