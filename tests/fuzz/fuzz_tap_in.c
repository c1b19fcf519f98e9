#include "path_fuzz.h"

/* Frames from the kernel: vnet header, Ethernet, and what follows.  They are
 * trusted more than packets of strangers, but who sends through the tunnel
 * decides what is in them. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t frame[PATH_BUF];
	struct path_fuzz *f = path_fuzz_open();
	struct path_thread *t = &f->p->thread[0];
	struct rbuf in = rbuf_of(data, len), piece;
	unsigned i;

	t->now = fuzz_now;
	for (i = 0; i < 16 && rbuf_left(&in) > 0; i++) {
		uint8_t how = rbuf_u8(&in);
		size_t n;

		piece = fuzz_piece(&in);
		n = rbuf_left(&piece);
		memset(frame, 0, 4096);
		if (n > 0)
			memcpy(frame, piece.p, n);
		if (how & 4 && n > 10 + 6)	/* to a peer that exists */
			path_mac(how & 8 ? 5 : 2, frame + VNET_HEAD);
		if (how & 16)			/* longer than the input */
			n += how << 6;
		out_frame(t, path_iface_find(f->p, 1 + how % 3), frame, n);
	}
	fuzz_drain(f);
	return 0;
}
