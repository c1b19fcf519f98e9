#include "cmd.h"

#include "serve.h"
#include "sys/daemon.h"
#include "sys/log.h"

static int
serve(struct daemon *d, const struct daemon_opts *o, struct err *e)
{
	/* Each look-up reads /etc/resolv.conf and /etc/hosts. */
	if (serve_open(d, e) < 0 || daemon_confine(o->user, SANDBOX_UNIX |
	    SANDBOX_INET | SANDBOX_FILES, true, "/etc", e) < 0)
		return -1;
	daemon_ready(o);
	return serve_run(d, e);
}

int
cmd_run(int argc, char **argv)
{
	struct daemon d = { .loop = NULL };
	struct daemon_opts o = { 0 };
	const struct opt opts[] = { DAEMON_OPTS(o), OPT_END };
	struct err e = { 0 };
	int status, rc;

	if (opt_parse(&argc, &argv, opts, "[-r FD] [--user NAME] "
	    "[--log-level LEVEL]", 0, 0, &status) < 0 ||
	    daemon_opts(&o, &status) < 0)
		return status;
	rc = serve(&d, &o, &e);
	serve_close(&d);
	if (rc < 0)
		return command_fail(EXIT_SYSTEM, &e);
	log_event(LEVEL_INFO, "stopped");
	return EXIT_OK;
}
