#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "path.h"
#include "priv_half.h"
#include "sys/daemon.h"
#include "sys/log.h"

struct run {
	struct loop	*loop;
	struct half	*half;
	uint64_t	 ready_fd;
	bool		 said;
};

static void
on_ready(void *arg)
{
	struct run *r = arg;

	if (r->said)
		return;
	r->said = true;
	if (r->ready_fd != 0)
		ready_say((int)r->ready_fd);
}

static void
on_ended(void *arg)
{
	const struct run *r = arg;

	loop_stop(r->loop);
}

static void
on_term(void *arg)
{
	const struct run *r = arg;

	half_stop(r->half, false);
}

static void
on_child(void *arg)
{
	const struct run *r = arg;

	half_reap(r->half);
}

static int
run(struct run *r, struct half_conf *conf, struct err *e)
{
	if ((r->loop = loop_new(e)) == NULL)
		return -1;
	conf->arg = r;
	conf->ready = on_ready;
	conf->ended = on_ended;
	if ((r->half = half_new(r->loop, conf, e)) == NULL ||
	    loop_signal(r->loop, SIGCHLD, on_child, r, e) < 0 ||
	    daemon_signals(r->loop, on_term, r, e) < 0)
		return -1;
	return loop_run(r->loop, e);
}

int
cmd_run(int argc, char **argv)
{
	struct half_conf conf = { .serve = true, .client = { -1, -1 },
	    .argv0 = "dmvpn-gre" };
	struct run r = { .loop = NULL };
	const char *level = NULL;
	uint64_t threads = 0;
	const struct opt opts[] = {
		{ 'r', "ready-fd", "FD", "write a newline there when serving",
		    OPT_NUM, &r.ready_fd, 3, INT32_MAX },
		{ 0, "threads", "N", "packet threads, half of them for each "
		    "way; 1: one for both (default: by CPUs, at most 8)",
		    OPT_NUM, &threads, 1, PATH_THREADS },
		{ 0, "openssl", NULL, "encrypt by OpenSSL alone, without "
		    "ipsec-mb", OPT_FLAG, &conf.openssl, 0, 0 },
		{ 0, "user", "NAME", "the packet half becomes this user",
		    OPT_TEXT, &conf.user, 0, 0 },
		{ 0, "group", "NAME", "whose members may use gre.sock",
		    OPT_TEXT, &conf.group, 0, 0 },
		{ 0, "log-level", "LEVEL", "error, warn, info or debug",
		    OPT_TEXT, &level, 0, 0 },
		OPT_END
	};
	int status;
	struct err e;

	if (opt_parse(&argc, &argv, opts, "", 0, 0, &status) < 0)
		return status;
	log_open("dmvpn-gre");
	if (level != NULL && (log_level_parse(level, &e) < 0 ||
	    setenv("DMVPN_LOG_LEVEL", level, 1) < 0))	/* packet half too */
		return command_fail(EXIT_USAGE, &e);
	conf.threads = (unsigned)threads;
	err_clear(&e);
	if (run(&r, &conf, &e) < 0)
		status = command_fail(EXIT_SYSTEM, &e);
	else
		status = half_status(r.half);
	half_free(r.half);
	loop_free(r.loop);
	return status;
}
