#include <stdlib.h>

#include "cmd.h"
#include "serve.h"
#include "sys/ask.h"
#include "sys/daemon.h"
#include "sys/log.h"

static int
run(struct serve_conf *conf, const struct daemon_opts *o)
{
	char socket[108], gre[108], ike[108];
	struct daemon *d = calloc(1, sizeof(*d));
	struct err e;
	int rc = -1;

	if (d == NULL)
		return EXIT_SYSTEM;
	conf->socket = socket;
	conf->gre_path = gre;
	conf->ike_path = ike;
	if (run_path(socket, sizeof(socket), CMD_SOCK, &e) == 0 &&
	    run_path(gre, sizeof(gre), "gre.sock", &e) == 0 &&
	    run_path(ike, sizeof(ike), "ike.sock", &e) == 0)
		rc = serve_open(d, conf, &e);
	if (rc == 0) {
		log_event(LEVEL_INFO, "serving", T("socket", socket));
		daemon_ready(o);
		rc = serve_run(d, &e);
	}
	serve_close(d);
	free(d);
	return rc < 0 ? command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
}

int
cmd_run(int argc, char **argv)
{
	struct daemon_opts o = { 0 };
	const struct opt opts[] = { DAEMON_OPTS(o), DAEMON_GROUP(o),
	    OPT_END };
	struct serve_conf conf = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "[-r FD] [--user NAME]", 0, 0,
	    &status) < 0 || daemon_opts(&o, &status) < 0)
		return status;
	conf.user = o.user;
	conf.group = o.gid;
	return run(&conf, &o);
}

int
cmd_wait(int argc, char **argv)
{
	return command_wait_main(argc, argv, CMD_SOCK);
}

int
cmd_stop(int argc, char **argv)
{
	return command_stop_main(argc, argv, CMD_SOCK);
}
