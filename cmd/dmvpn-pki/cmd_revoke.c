#include <errno.h>
#include <stdio.h>

#include "cmd_ca.h"
#include "pki_name.h"
#include "sys/loop.h"

int
cmd_revoke(int argc, char **argv)
{
	const char *store = NULL, *why = "unspecified";
	const struct opt opts[] = {
		CMD_STORE_OPT(&store),
		{ 0, "reason", "WORD", PKI_REASONS, OPT_TEXT, &why, 0, 0 },
		OPT_END,
	};
	struct pki_store *s;
	struct err e = { 0 };
	size_t n = 0;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[--reason WORD] NAME|SERIAL", 1, 1,
	    &status) < 0)
		return status;
	if (pki_name_check(argv[0], &e) < 0 || pki_reason_check(why, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s != NULL && pki_store_begin(s, &e) == 0 &&
	    pki_store_revoke(s, argv[0], clock_wall(), why, &n, &e) == 0)
		rc = n > 0 ? pki_store_commit(s, &e) : err_set(&e, ENOENT,
		    "no certificate of %s that is not revoked", argv[0]);
	pki_store_close(s);
	if (rc < 0)
		return command_fail(cmd_status_of(&e), &e);
	fprintf(stderr, "%zu certificate%s revoked; now publish a new CRL\n",
	    n, n == 1 ? "" : "s");
	return EXIT_OK;
}
