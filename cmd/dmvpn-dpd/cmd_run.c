#include "cmd.h"

#include <errno.h>

#include "serve.h"
#include "sys/command.h"
#include "sys/log.h"
#include "sys/priv.h"

/* What each look-up reads, and the directory the socket is removed from. */
static int
enter_sandbox(struct err *e)
{
	char dir[108];
	struct sandbox_path paths[] = { { "/etc", false }, { dir, true },
	    { NULL, false } };
	struct sandbox_conf conf = {
		.flags = SANDBOX_UNIX | SANDBOX_INET | SANDBOX_FILES,
		.paths = paths,
	};

	if (run_path(dir, sizeof(dir), "", e) < 0)
		return -1;
	return sandbox_enter(&conf, e);
}

static int
serve(struct daemon *d, const char *user, int ready_fd, struct err *e)
{
	struct priv none = { .user = user };

	if (serve_open(d, e) < 0)
		return -1;
	if (priv_drop(&none, e) < 0)
		return err_in(e, "giving up privilege");
	if (enter_sandbox(e) < 0)
		return err_in(e, "sandbox");
	ready_say(ready_fd);
	return serve_run(d, e);
}

int
cmd_run(int argc, char **argv)
{
	struct daemon d = { .loop = NULL };
	uint64_t ready = 0;
	const char *user = NULL, *level = NULL;
	const struct opt opts[] = {
		{ 'r', "ready-fd", "FD", "write a newline there when serving",
		    OPT_NUM, &ready, 3, 1023 },
		{ 0, "user", "NAME", "run as this user", OPT_TEXT, &user,
		    0, 0 },
		{ 0, "log-level", "LEVEL", "error, warn, info or debug",
		    OPT_TEXT, &level, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status, rc;

	if (opt_parse(&argc, &argv, opts, "[-r FD] [--user NAME] "
	    "[--log-level LEVEL]", 0, 0, &status) < 0)
		return status;
	if (level != NULL && log_level_parse(level, &e) < 0)
		return command_usage("%s", e.msg);
	rc = serve(&d, user, ready > 0 ? (int)ready : -1, &e);
	serve_close(&d);
	if (rc < 0)
		return command_fail(EXIT_SYSTEM, &e);
	log_event(LEVEL_INFO, "stopped");
	return EXIT_OK;
}
