#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/replay.h"

#define MUST(x) do { if (!(x)) __builtin_trap(); } while (0)
#define PLACES 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The window against a table of all numbers seen. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint64_t seen[PLACES];
	struct rbuf in = rbuf_of(data, len);
	uint32_t window = rbuf_be16(&in) % 4200;
	uint64_t top = (uint64_t)rbuf_be16(&in) << 22, seq, num;
	struct replay *r = malloc(replay_size(window));
	bool esn = top != 0, want;

	MUST(r != NULL);
	memset(seen, 0, sizeof(seen));
	replay_init(r, window);
	window = r->window;
	if (top != 0) {
		MUST(replay_accept(r, top));
		seen[top % PLACES] = top;
	}
	while (rbuf_left(&in) >= 3) {
		int64_t step = (int8_t)rbuf_u8(&in) * 4096;

		step += rbuf_be16(&in);
		seq = top + (uint64_t)step;
		if (seq > UINT64_MAX / 2)
			seq = 0;
		num = replay_number(r, (uint32_t)seq, esn);
		want = seq != 0 && seen[seq % PLACES] != seq &&
		    (seq > top || top - seq < window);
		MUST(replay_check(r, seq) == want);
		/* What can be accepted is recognised on the wire. */
		if (want && (esn || seq <= UINT32_MAX) &&
		    (seq <= top || seq - top < (1ULL << 31)))
			MUST(num == seq);
		MUST(replay_accept(r, seq) == want);
		if (want)
			seen[seq % PLACES] = seq;
		if (want && seq > top)
			top = seq;
		MUST(r->top == top);
	}
	free(r);
	return 0;
}
