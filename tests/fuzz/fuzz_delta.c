#include <stdlib.h>
#include <string.h>

#include "base/delta.h"

#define MUST(x) do { if (!(x)) __builtin_trap(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Two octets: how much of it is the model.  The rest is a whole, which must
 * come back; and a delta, which may be none. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t packed[DELTA_ROOM(16384)], again[1 << 17];
	struct rbuf in = rbuf_of(data, len);
	size_t n = rbuf_be16(&in);
	struct rbuf model = rbuf_sub(&in, n < rbuf_left(&in) ? n :
	    rbuf_left(&in));
	struct wbuf w, back = wbuf_of(again, rbuf_left(&in));

	if (!rbuf_ok(&in) || rbuf_left(&in) > 16384)
		return 0;
	w = wbuf_of(packed, DELTA_ROOM(rbuf_left(&in)));
	delta_put(model, in, &w);
	MUST(wbuf_ok(&w));
	MUST(delta_get(model, wbuf_rbuf(&w), &back) == 0);
	MUST(back.len == rbuf_left(&in));
	MUST(back.len == 0 || memcmp(again, in.p, back.len) == 0);
	back = wbuf_of(again, sizeof(again));
	(void)delta_get(model, in, &back);
	return 0;
}
