#ifndef IKE_CMD_PROBE_H
#define IKE_CMD_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/dh.h"
#include "msg/types.h"
#include "wire/ike_proposal.h"

/*
 * One IKE_SA_INIT to a responder and what it says: no state is kept, and the
 * other side forgets it after its half-open time.
 */
#define PROBE_PROPOSALS_MAX	8
#define PROBE_MAX		4096	/* octets of our message */

struct probe {
	struct endpoint		local, remote;
	uint64_t		spi;
	uint8_t			nonce[32];
	uint8_t			seed[DH_SEED_LEN];
	uint16_t		group;		/* of the KE payload */
	size_t			n_proposals;
	struct ike_proposal	proposals[PROBE_PROPOSALS_MAX];
	size_t			cookie_len;
	uint8_t			cookie[IKE_COOKIE_MAX];
};

int probe_build(const struct probe *p, struct wbuf *w, struct err *e);

enum probe_next {
	PROBE_DONE,	/* a holds the answer */
	PROBE_AGAIN,	/* cookie or group: build and send again */
	PROBE_OTHER,	/* no answer to us: wait on */
};
enum probe_next probe_read(struct probe *p, struct rbuf message,
    struct ike_answer *a);

#endif
