#include <errno.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>

#include "crypto/esp_mb.h"
#include "path_int.h"

const struct name path_drop_names[] = { PATH_DROPS(NAME_ROW) NAME_END };
const struct name path_feature_names[] = {
	PATH_FEATURES(NAME_ROW) NAME_END
};

void
path_drops(const struct path *p, uint64_t counts[PATH_DROP_N])
{
	unsigned i, k;

	for (k = 0; k < PATH_DROP_N; k++) {
		counts[k] = 0;
		for (i = 0; i < p->n_threads; i++)
			counts[k] += counted(&p->thread[i].drops[k]);
	}
	counts[DROP_SOCKET] += counted(&p->guard.drops[GUARD_NO_ROOM]);
	counts[DROP_GUARD] += counted(&p->guard.drops[GUARD_KEPT_OUT]);
	counts[DROP_FAIR] += counted(&p->guard.drops[GUARD_CUT]);
}

void
feature_set(struct path *p, enum path_feature_id f, bool on, int why)
{
	uint32_t bit = 1U << f;

	atomic_store_explicit(&p->why[f], why, memory_order_relaxed);
	if (on)
		atomic_fetch_or(&p->features, bit);
	else
		atomic_fetch_and(&p->features, ~bit);
}

/* What path_tap_offload was granted. */
void
feature_tap(struct path *p, uint32_t offload)
{
	feature_set(p, PATH_TAP_CHECKSUM, offload & TUN_F_CSUM, EOPNOTSUPP);
	feature_set(p, PATH_TAP_TSO, offload & TUN_F_TSO4, EOPNOTSUPP);
	feature_set(p, PATH_TAP_USO, offload & 0x20, EOPNOTSUPP);
	feature_set(p, PATH_COALESCE, true, 0);
}

/* Which library does the AEADs of SAs to come. */
void
feature_crypto(struct path *p, bool openssl)
{
	const struct esp_engine *x = NULL;

	p->why_openssl = "told to use OpenSSL";
	if (!openssl)
		x = esp_mb(&p->why_openssl);
	esp_engine_set(x);
	feature_set(p, PATH_IPSEC_MB, x != NULL, ENOTSUP);
}

static const char *
why_off(const struct path *p, unsigned i)
{
	int why = atomic_load_explicit(&p->why[i], memory_order_relaxed);

	if (i == PATH_IPSEC_MB)
		return p->why_openssl;
	if (i == PATH_STEER && p->n_in == 1)
		return "one thread receives";
	return why == 0 ? "no such descriptor was given" : strerror(why);
}

void
path_features(const struct path *p, struct path_feature f[PATH_FEATURE_N])
{
	unsigned i;

	memset(f, 0, PATH_FEATURE_N * sizeof(f[0]));
	for (i = 0; i < PATH_FEATURE_N; i++) {
		f[i].on = feature_on(p, (enum path_feature_id)i);
		if (!f[i].on)
			snprintf(f[i].why, sizeof(f[i].why), "%s",
			    why_off(p, i));
	}
}
