#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "dpd_headend.h"
#include "serve_dns.h"
#include "sys/command.h"
#include "sys/loop.h"

/* What one look-up gave. */
struct found {
	struct loop	*loop;
	struct endpoint	 at[DPD_ADDRESSES_MAX];
	size_t		 n;
	uint32_t	 ttl;
	struct err	*e;
};

static void
got(void *arg, uint64_t ticket, const struct endpoint *at, size_t n,
    uint32_t ttl, const char *why)
{
	struct found *f = arg;

	(void)ticket;
	f->n = n < DPD_ADDRESSES_MAX ? n : DPD_ADDRESSES_MAX;
	memcpy(f->at, at, f->n * sizeof(at[0]));
	f->ttl = ttl;
	if (n == 0)
		err_set(f->e, ENOENT, "%s", why);
	loop_stop(f->loop);
}

static int
look_up(struct found *f, const struct dpd_headend_run *h)
{
	struct dns *d;
	int rc = -1;

	if ((f->loop = loop_new(f->e)) == NULL)
		return -1;
	if ((d = dns_new(f->loop, got, f, f->e)) != NULL) {
		rc = dns_ask(d, 1, h->host, h->port, h->host[0] == '_', f->e);
		if (rc == 0)
			rc = loop_run(f->loop, f->e);
	}
	dns_free(d);
	loop_free(f->loop);
	return rc < 0 || f->n == 0 ? -1 : 0;
}

/* What the daemon would find for this headend. */
int
cmd_resolve(int argc, char **argv)
{
	const struct opt opts[] = { OPT_END };
	struct dpd_headend_run h;
	struct addr_buf ab;
	struct err e = { 0 };
	struct found f = { .e = &e };
	int status;

	if (opt_parse(&argc, &argv, opts, "NAME[:PORT]", 1, 1, &status) < 0)
		return status;
	if (dpd_headend_init(&h, argv[0], &e) < 0)
		return command_usage("%s: %s", argv[0], e.msg);
	if (h.numeric) {
		f.at[0] = h.found[0];
		f.n = 1;
	} else if (look_up(&f, &h) < 0) {
		err_in(&e, "%s does not resolve", h.host);
		return command_fail(EXIT_SYSTEM, &e);
	}
	for (size_t i = 0; i < f.n; i++)
		if (h.numeric)
			printf("%s\n", endpoint_text(&f.at[i], &ab));
		else
			printf("%s for %u s\n", endpoint_text(&f.at[i], &ab),
			    f.ttl);
	return EXIT_OK;
}
