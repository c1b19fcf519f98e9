#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "path.h"
#include "priv_half.h"
#include "sys/command.h"
#include "sys/link.h"
#include "sys/log.h"

/*
 * Composition without a manager: the interface and the sockets live as long
 * as one command, which reaches them through a descriptor.
 */
struct with {
	struct loop			*loop;
	struct half			*half;
	struct link			*link;
	const struct gre_interface_set	*iface;
	char				**command;
	int				 child_fd;	/* -1: given away */
	pid_t				 child;
	int				 status;
	bool				 asked;
};

static void
with_end(struct with *w, int status)
{
	w->status = status;
	half_stop(w->half, false);
}

static void
child_exec(const struct with *w)
{
	sigset_t none;
	char text[12];

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	(void)snprintf(text, sizeof(text), "%d", w->child_fd);
	if (fcntl(w->child_fd, F_SETFD, 0) < 0 ||
	    setenv("DMVPN_GRE_FD", text, 1) < 0)
		_exit(EXIT_SYSTEM);
	execvp(w->command[0], w->command);
	(void)dprintf(STDERR_FILENO, "dmvpn-gre: %s: %s\n", w->command[0],
	    strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static void
on_interface(void *arg, const void *m, const struct reason *why)
{
	struct with *w = arg;
	struct err e;

	(void)m;
	if (why != NULL) {
		err_set(&e, EIO, "%s", why->text);
		with_end(w, command_fail(EXIT_NO, &e));
		return;
	}
	if ((w->child = fork()) == 0)
		child_exec(w);
	if (w->child < 0) {
		err_sys(&e, "fork");
		with_end(w, command_fail(EXIT_SYSTEM, &e));
		return;
	}
	close(w->child_fd);
	w->child_fd = -1;
}

/* A packet half serves: the first one is told about the interface, those
 * after it know from their notes. */
static void
on_ready(void *arg)
{
	struct with *w = arg;
	struct err e;

	if (w->asked)
		return;
	w->asked = true;
	if (link_call(w->link, &gre_interface_set_type, w->iface, NULL,
	    on_interface, w, &e) < 0)
		with_end(w, command_fail(EXIT_SYSTEM, &e));
}

static void
on_ended(void *arg)
{
	const struct with *w = arg;

	loop_stop(w->loop);
}

static void
on_term(void *arg)
{
	const struct with *w = arg;

	if (w->child > 0)
		kill(w->child, SIGTERM);
	else
		half_stop(w->half, false);
}

/* From the keyboard: the command gets it too, and decides. */
static void
on_int(void *arg)
{
	const struct with *w = arg;

	if (w->child <= 0)
		half_stop(w->half, false);
}

static void
on_child(void *arg)
{
	struct with *w = arg;
	int status;

	half_reap(w->half);
	if (w->child <= 0 || waitpid(w->child, &status, WNOHANG) != w->child)
		return;
	w->child = 0;
	with_end(w, WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status));
}

/* Two clients of the packet half: the command, and we ourselves. */
static int
open_pairs(struct with *w, struct half_conf *conf, int *ours, struct err *e)
{
	int a[2], b[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, a) < 0)
		return err_sys(e, "socketpair");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b) < 0) {
		err_sys(e, "socketpair");
		close(a[0]);
		close(a[1]);
		return -1;
	}
	conf->client[0] = a[0];
	w->child_fd = a[1];
	conf->client[1] = b[0];
	*ours = b[1];
	return 0;
}

static int
start(struct with *w, struct half_conf *conf, struct err *e)
{
	struct link_conf link = { .fd = -1, .arg = w };

	if ((w->loop = loop_new(e)) == NULL ||
	    open_pairs(w, conf, &link.fd, e) < 0)
		return -1;
	conf->arg = w;
	conf->ready = on_ready;
	conf->ended = on_ended;
	if ((w->link = link_new(w->loop, &link, e)) == NULL ||
	    (w->half = half_new(w->loop, conf, e)) == NULL ||
	    loop_signal(w->loop, SIGCHLD, on_child, w, e) < 0 ||
	    loop_signal(w->loop, SIGTERM, on_term, w, e) < 0 ||
	    loop_signal(w->loop, SIGINT, on_int, w, e) < 0)
		return -1;
	return loop_run(w->loop, e);
}

static int
run(struct with *w, struct half_conf *conf)
{
	struct err e;

	err_clear(&e);
	if (start(w, conf, &e) < 0)
		w->status = command_fail(EXIT_SYSTEM, &e);
	else if (w->status == EXIT_OK)
		w->status = half_status(w->half);
	half_free(w->half);
	link_free(w->link);
	loop_free(w->loop);
	if (w->child_fd >= 0)
		close(w->child_fd);
	return w->status;
}

struct device {
	int		index;
	struct addr	found;
};

static bool
first_address(void *arg, int index, const struct prefix *p)
{
	struct device *d = arg;

	if (index != d->index || addr_is_linklocal(&p->addr))
		return true;
	d->found = p->addr;
	return p->addr.len != 4;	/* IPv6 only when there is no IPv4 */
}

/* --local: an address, or a device with one. */
static int
local_address(const char *text, struct addr *a, struct err *e)
{
	struct device d = { .index = 0 };
	struct netlink_link link;
	struct netlink *n;
	int rc = -1;

	if (addr_parse(text, a, e) == 0)
		return 0;
	if ((n = netlink_open(e)) == NULL)
		return -1;
	if (netlink_link_get(n, text, &link, e) == 0) {
		d.index = link.index;
		rc = netlink_addr_each(n, first_address, &d, e);
	}
	netlink_close(n);
	if (rc < 0)
		return err_in(e, "--local");
	*a = d.found;
	return a->len != 0 ? 0 : err_set(e, EADDRNOTAVAIL, "--local: %s has "
	    "no address", text);
}

int
cmd_with(int argc, char **argv)
{
	struct half_conf conf = { .client = { -1, -1 },
	    .argv0 = "dmvpn-gre" };
	struct with w = { .child_fd = -1 };
	struct opt_list addresses = { .n = 0 };
	struct iface_opts o = { .addresses = &addresses };
	const char *local = NULL;
	uint64_t threads = 0;
	const struct opt opts[] = {
		{ 'l', "local", "ADDRESS|DEVICE", "outer source", OPT_TEXT,
		    &local, 0, 0 },
		{ 'a', "address", "ADDRESS/LENGTH", "ours on the tunnel; may "
		    "be repeated", OPT_LIST, &addresses, 0, 0 },
		{ 0, "mode", "MODE", "mgre (default) or direct", OPT_TEXT,
		    &o.mode, 0, 0 },
		{ 0, "protect", "HOW", "ipsec (default) or none", OPT_TEXT,
		    &o.protect, 0, 0 },
		{ 'k', "key", "NUMBER", "GRE key", OPT_TEXT, &o.key_text, 0,
		    0 },
		{ 'm', "mtu", "OCTETS", "MTU, 0: as the path allows",
		    OPT_NUM, &o.mtu, 0, 65535 },
		{ 0, "hub", NULL, "answer requests for unknown neighbours "
		    "with \"no\"", OPT_FLAG, &o.hub, 0, 0 },
		{ 0, "threads", "N", "packet threads", OPT_NUM, &threads, 1,
		    PATH_THREADS },
		OPT_END
	};
	struct gre_interface_set m;
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "INTERFACE -- COMMAND...", 2,
	    INT32_MAX, &status) < 0)
		return status;
	if (cmd_interface_fill(&m, argv[0], &o) < 0)
		return EXIT_USAGE;
	if (local != NULL && local_address(local, &m.local, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	conf.threads = (unsigned)threads;
	w.iface = &m;
	w.command = argv + 1;
	return run(&w, &conf);
}
