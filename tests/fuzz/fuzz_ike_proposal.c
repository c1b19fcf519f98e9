/* Proposal text: what is read must be written to text that means the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/ike_proposal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
both_ways(const char *text, uint8_t protocol)
{
	char again[1024], third[1024];
	struct ike_proposal p, q;
	struct err e;

	if (ike_proposal_parse(text, protocol, &p, &e) < 0)
		return;
	ike_proposal_text(&p, again, sizeof(again));
	if (ike_proposal_parse(again, protocol, &q, &e) < 0)
		__builtin_trap();
	ike_proposal_text(&q, third, sizeof(third));
	if (p.n != q.n || strcmp(again, third) != 0)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[512];

	if (size >= sizeof(text))
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	both_ways(text, IKE_PROTO_IKE);
	both_ways(text, IKE_PROTO_ESP);
	return 0;
}
