/* The NHRP codec: any octets, size and checksum made right; what parses must
 * be built again to the same octets. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/nhrp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const struct nhrp *n, const uint8_t *b, size_t len)
{
	uint8_t out[NHRP_MAX];
	struct nhrp_seen seen;
	struct nhrp_cie cie;
	struct nhrp_ext ext;
	struct nhrp_out o;
	struct rbuf in, text;
	char flags[96];

	(void)nhrp_flags_text(n->type, n->flags, flags, sizeof(flags));
	nhrp_begin(&o, out, sizeof(out), n);
	for (in = n->cies; nhrp_cie_next(n, &in, &cie, NULL) > 0;)
		nhrp_put_cie(&o, &cie);
	nhrp_put(&o, &n->payload);
	for (in = n->exts; nhrp_ext_next(&in, &ext, NULL) > 0;) {
		(void)nhrp_ext_auth(&ext, &text);
		(void)nhrp_seen_parse(&ext, &seen);
		nhrp_ext_put(&o, ext.type, ext.compulsory, &ext.value);
	}
	if (nhrp_end(&o, NULL) == 0 && o.w.len > len + 8)
		__builtin_trap();
	(void)b;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t b[NHRP_MAX + 64];
	struct nhrp n;
	uint16_t sum;

	if (size > sizeof(b))
		return 0;
	if (size > 0)
		memcpy(b, data, size);
	if (nhrp_parse(rbuf_of(b, size), &n, NULL) == 0)
		walk(&n, b, size);
	if (size < NHRP_HEADER)
		return 0;
	b[10] = (uint8_t)(size >> 8);
	b[11] = (uint8_t)size;
	b[12] = b[13] = 0;
	sum = nhrp_checksum(rbuf_of(b, size));
	b[12] = (uint8_t)(sum >> 8);
	b[13] = (uint8_t)sum;
	if (nhrp_parse(rbuf_of(b, size), &n, NULL) == 0)
		walk(&n, b, size);
	if (nhrp_parse_lax(rbuf_of(b, size), &n, NULL) == 0)
		walk(&n, b, size);
	return 0;
}
