#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "serve.h"
#include "sys/ask.h"
#include "sys/command.h"
#include "sys/log.h"

static int
group_of(const char *name, gid_t *group, struct err *e)
{
	const struct group *g;

	*group = (gid_t)-1;
	if (name == NULL)
		return 0;
	g = getgrnam(name);
	if (g == NULL)
		return err_set(e, 0, "there is no group \"%s\"", name);
	*group = g->gr_gid;
	return 0;
}

static int
run(struct serve_conf *conf, int ready_fd)
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
		ready_say(ready_fd);
		rc = serve_run(d, &e);
	}
	serve_close(d);
	free(d);
	return rc < 0 ? command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
}

int
cmd_run(int argc, char **argv)
{
	struct serve_conf conf = { .group = (gid_t)-1 };
	const char *level = NULL, *group = NULL;
	uint64_t ready = 0;
	const struct opt opts[] = {
		{ 'r', "ready-fd", "FD", "write a newline there when serving",
		  OPT_NUM, &ready, 3, 1023 },
		{ 0, "user", "NAME", "run as this user", OPT_TEXT,
		  &conf.user, 0, 0 },
		{ 0, "group", "NAME", "who may use the socket", OPT_TEXT,
		  &group, 0, 0 },
		{ 0, "log-level", "LEVEL", "error, warn, info or debug",
		  OPT_TEXT, &level, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[-r FD] [--user NAME]", 0, 0,
	    &status) < 0)
		return status;
	if (level != NULL && log_level_parse(level, &e) < 0)
		return command_usage("%s", e.msg);
	if (group_of(group, &conf.group, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	return run(&conf, ready > 0 ? (int)ready : -1);
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
