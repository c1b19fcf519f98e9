#include "sys/daemon.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>

#include "sys/log.h"
#include "sys/serve.h"

int
daemon_group(const char *name, gid_t *gid, struct err *e)
{
	const struct group *g = name == NULL ? NULL : getgrnam(name);

	*gid = g == NULL ? (gid_t)-1 : g->gr_gid;
	if (name != NULL && g == NULL)
		return err_set(e, EINVAL, "there is no group \"%s\"", name);
	return 0;
}

int
daemon_opts(struct daemon_opts *o, int *status)
{
	struct err e;

	if (o->level != NULL && log_level_parse(o->level, &e) < 0) {
		*status = command_usage("%s", e.msg);
		return -1;
	}
	if (daemon_group(o->group, &o->gid, &e) < 0) {
		*status = command_fail(EXIT_USAGE, &e);
		return -1;
	}
	return 0;
}

void
daemon_ready(const struct daemon_opts *o)
{
	ready_say(o->ready_fd > 0 ? (int)o->ready_fd : -1);
}

int
daemon_confine(const char *user, unsigned flags, bool own_socket,
    const char *also, struct err *e)
{
	const struct priv none = { .user = user };
	char dir[108];
	struct sandbox_path paths[3] = { { NULL, false } };
	const struct sandbox_conf box = { .flags = flags, .paths = paths };
	size_t n = 0;

	if (also != NULL)
		paths[n++] = (struct sandbox_path){ also, false };
	if (own_socket) {
		if (run_path(dir, sizeof(dir), "", e) < 0)
			return -1;
		paths[n++] = (struct sandbox_path){ dir, true };
	}
	if (priv_drop(&none, e) < 0)
		return err_in(e, "giving up privilege");
	if (sandbox_enter(&box, e) < 0)
		return err_in(e, "sandbox");
	return 0;
}

int
daemon_signals(struct loop *l, loop_fn *fn, void *arg, struct err *e)
{
	if (loop_signal(l, SIGTERM, fn, arg, e) < 0)
		return -1;
	return loop_signal(l, SIGINT, fn, arg, e);
}
