#include "path_fuzz.h"

/* Protocol 47 from the network, from a peer and from a stranger. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t buf[32][TAP_HEAD + 4096];
	struct path_fuzz *f = path_fuzz_open();
	struct path_thread *t = &f->p->thread[0];
	struct rbuf in = rbuf_of(data, len), piece;
	struct in_meta m = { .udp = false };
	unsigned i;

	t->now = fuzz_now;
	for (i = 0; i < 32 && rbuf_left(&in) > 0; i++) {
		uint8_t how = rbuf_u8(&in), *p = buf[i] + TAP_HEAD;
		size_t n;

		piece = fuzz_piece(&in);
		n = rbuf_left(&piece);
		m.remote.addr = addr_of((uint8_t[]){ 127, 0, 0,
		    how & 1 ? 1 : 2 }, 4);
		m.tos = how >> 6;
		/* The right header, or whatever comes. */
		if (how & 2) {
			struct gre_head g = { .protocol = how & 4 ?
			    GRE_IPV6 : GRE_IPV4, .keyed = true, .key = 7,
			    .checksum = how & 8 };
			size_t head = gre_head_len(g.checksum, true);

			if (n > 0)
				memcpy(p + head, piece.p, n);
			n += gre_write(p, &g, n);
		} else if (n > 0) {
			memcpy(p, piece.p, n);
		}
		if (how & 16)
			in_raw4(t, PATH_GRE4, &m, p, n);
		else
			in_bare_gre(t, &m, p, n);
	}
	fuzz_drain(f);
	return 0;
}
