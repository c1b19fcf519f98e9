#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "cmd.h"
#include "serve.h"
#include "sys/command.h"
#include "sys/decoder.h"
#include "sys/log.h"

/*
 * One connection in the foreground: the daemon without its socket, on the
 * descriptor that "dmvpn-gre with" left us, and an agent of our own for the
 * secret.
 */
#define NAME	"connect"	/* of profile, connection and credential */
#define IKE_PORT	500
#define IKE_PORT_NAT	4500	/* dmvpn-gre's: enough when 500 is not ours */

struct connect_options {
	const char	*psk_file, *load, *trust, *id, *peer_id;
	const char	*interface, *mode;
	struct opt_list	 local_ts, remote_ts, proposals, esp;
	struct addr	 peer_address;
	struct endpoint	 remote;
	bool		 accept, once;
	uint64_t	 port, ready;
};

struct connecting {
	struct daemon			 d;
	const struct connect_options	*o;
	struct timer			 end;
	int				 ready_fd;
	bool				 was_up;
	int				 status;
};

/* ---- the agent ---- */

static void
agent_exec(const struct connect_options *o, int fd)
{
	char number[16], credential[4096 + 16];
	const char *argv[16] = { "dmvpn-pki", "agent", "--fd", number };
	struct err e;
	size_t n = 4;

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(credential, sizeof(credential), NAME "=%s",
	    o->psk_file != NULL ? o->psk_file : o->load);
	argv[n++] = o->psk_file != NULL ? "--psk" : "--load";
	argv[n++] = credential;
	if (o->id != NULL) {
		argv[n++] = "--id";
		argv[n++] = o->id;
	}
	if (o->trust != NULL) {
		argv[n++] = "--trust";
		argv[n++] = o->trust;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	(void)exec_beside((char *const *)(uintptr_t)argv, &e);
	_exit(command_fail(EXIT_SYSTEM, &e));
}

/* Our end of the agent's socket, or -1. */
static int
agent_spawn(const struct connect_options *o, struct err *e)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		return err_sys(e, "socketpair");
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0) {
		close(ends[0]);
		agent_exec(o, ends[1]);
	}
	close(ends[1]);
	return ends[0];
}

/* ---- what happens ---- */

static void
end_now(void *arg)
{
	struct connecting *c = arg;

	serve_stop(&c->d, false);
}

/* The engine may not be called from its own events. */
static void
end_soon(struct connecting *c, int status)
{
	struct err e;

	c->status = status;
	if (timer_at(c->d.loop, &c->end, loop_now(c->d.loop), end_now, c,
	    &e) < 0)
		loop_stop(c->d.loop);
}

static void
map_peer(struct connecting *c, const struct ike_up *u)
{
	struct gre_map_set m = { .owner = CMD_OWNER, .n_items = 1 };

	if (c->o->peer_address.len == 0)
		return;
	snprintf(m.interface, sizeof(m.interface), "%s", u->interface);
	m.items[0] = (struct gre_map){ .address = c->o->peer_address,
	    .peer = u->peer, .multicast = true };
	serve_call(&c->d, 0, &gre_map_set_type, &m);
}

static void
came_up(struct connecting *c, const struct ike_up *u)
{
	struct addr_buf b;

	map_peer(c, u);
	printf("up: peer %u, %s at %s\n", u->peer, u->identity,
	    endpoint_text(&u->remote, &b));
	fflush(stdout);
	c->was_up = true;
	ready_say(c->ready_fd);
	c->ready_fd = -1;
}

static void
tap(void *arg, const struct msg_type *t, const void *m)
{
	struct connecting *c = arg;
	const struct ike_down *down = m;
	char text[1024];

	if (t == &ike_up_type)
		came_up(c, m);
	else if (t == &ike_down_type) {
		printf("down: %s\n", reason_text(&down->reason, text,
		    sizeof(text)));
		fflush(stdout);
		if (c->o->once)
			end_soon(c, EXIT_OK);
	} else if (t == &ike_failed_type && c->o->once && !c->was_up)
		end_soon(c, EXIT_NO);
}

/* ---- what is wanted ---- */

static int
lists(struct ike_profile_set *p, const struct connect_options *o,
    struct err *e)
{
	size_t i;

	for (i = 0; i < o->local_ts.n && i < 16; i++)
		if (prefix_parse(o->local_ts.v[i], &p->local_ts[i], e) < 0)
			return err_in(e, "--local-ts");
	p->n_local_ts = i;
	for (i = 0; i < o->remote_ts.n && i < 16; i++)
		if (prefix_parse(o->remote_ts.v[i], &p->remote_ts[i], e) < 0)
			return err_in(e, "--remote-ts");
	p->n_remote_ts = i;
	for (i = 0; i < o->proposals.n && i < 8; i++)
		if (cmd_text(p->proposals[i], sizeof(p->proposals[i]),
		    "proposal", o->proposals.v[i], e) < 0)
			return -1;
	p->n_proposals = i;
	for (i = 0; i < o->esp.n && i < 8; i++)
		if (cmd_text(p->esp_proposals[i],
		    sizeof(p->esp_proposals[i]), "esp-proposal", o->esp.v[i],
		    e) < 0)
			return -1;
	p->n_esp_proposals = i;
	return 0;
}

static int
profile_of(struct ike_profile_set *p, const struct connect_options *o,
    struct err *e)
{
	uint32_t mode = SA_MODE_TRANSPORT;

	if (o->mode != NULL && name_value(sa_mode_names, o->mode, &mode) < 0)
		return err_set(e, 0, "--mode: \"%s\" is not known", o->mode);
	p->mode = (enum sa_mode)mode;
	p->routes = p->mode == SA_MODE_TUNNEL;
	p->accept = o->accept;
	if (cmd_text(p->owner, sizeof(p->owner), "owner", CMD_OWNER, e) < 0 ||
	    cmd_text(p->profile, sizeof(p->profile), "profile", NAME,
	    e) < 0 ||
	    cmd_text(p->identity, sizeof(p->identity), "identity", NAME,
	    e) < 0 ||
	    cmd_text(p->interface, sizeof(p->interface), "interface",
	    o->interface, e) < 0)
		return -1;
	if (o->peer_id != NULL && cmd_text(p->peer_ids[p->n_peer_ids++],
	    sizeof(p->peer_ids[0]), "peer-id", o->peer_id, e) < 0)
		return -1;
	return lists(p, o, e);
}

static int
refused(const struct reason *why, struct err *e)
{
	char text[ERR_MAX];

	return err_set(e, 0, "%s", reason_text(why, text, sizeof(text)));
}

static int
state(struct connecting *c, const struct ike_profile_set *p, struct err *e)
{
	struct ike_connection_set s = { .remote = c->o->remote,
	    .owner = CMD_OWNER, .connection = NAME, .profile = NAME };
	uint64_t now = loop_now(c->d.loop);
	struct reason why;

	if (ike_engine_profile_set(c->d.engine, now, clock_wall(), p,
	    &why) < 0)
		return refused(&why, e);
	s.once = c->o->once;
	if (c->d.udp4 < 0 && s.remote.port == IKE_PORT)
		s.remote.port = IKE_PORT_NAT;
	if (!c->o->accept && ike_engine_connection_set(c->d.engine, now,
	    clock_wall(), &s, &why) < 0)
		return refused(&why, e);
	serve_turn(&c->d);
	return 0;
}

static int
run(struct connecting *c, int gre_fd, struct err *e)
{
	struct serve_conf conf = { .port = (uint16_t)c->o->port,
	    .may_lack = true,
	    .gre_fd = gre_fd, .pki_fd = agent_spawn(c->o, e),
	    .group = (gid_t)-1, .tap = tap, .tap_arg = c };
	struct ike_profile_set p = { .accept = false };
	int rc;

	if (conf.pki_fd < 0)
		return -1;
	rc = profile_of(&p, c->o, e);
	if (rc == 0)
		rc = serve_open(&c->d, &conf, e);
	if (rc == 0)
		rc = state(c, &p, e);
	if (rc == 0)
		rc = serve_run(&c->d, e);
	if (rc == 0 && c->d.lost)
		rc = err_set(e, 0, "a program that this one rests on ended");
	timer_stop(&c->end);
	serve_close(&c->d);
	return rc;
}

/* ---- options ---- */

/* The interface that "dmvpn-gre with" made: its name, and so the mode. */
static int
ask_interface(int fd, struct connect_options *o, struct err *e)
{
	static struct gre_interfaces list;
	struct page p = { .of = "gre-interfaces" };
	struct conn *c;
	int copy = dup(fd), rc;

	if (copy < 0)
		return err_sys(e, "DMVPN_GRE_FD");
	c = conn_of_fd(copy, e);
	if (c == NULL)
		return -1;
	rc = conn_call(c, &page_type, &p, &gre_interfaces_type, &list, NULL,
	    e);
	conn_close(c);
	if (rc < 0)
		return err_in(e, "DMVPN_GRE_FD");
	if (list.n_items == 0)
		return err_set(e, 0, "dmvpn-gre has no interface");
	if (o->interface == NULL)
		o->interface = list.items[0].interface;
	if (o->mode == NULL && list.items[0].mode == GRE_MODE_DIRECT)
		o->mode = name_find(sa_mode_names, SA_MODE_TUNNEL);
	return 0;
}

static int
inherited(int *fd, struct connect_options *o, struct err *e)
{
	const char *text = getenv("DMVPN_GRE_FD");
	uint64_t n;

	if (text == NULL)
		return err_set(e, 0, "DMVPN_GRE_FD is not set: this command "
		    "runs under \"dmvpn-gre with\"");
	if (num_parse(text, 3, 1023, &n, e) < 0)
		return err_in(e, "DMVPN_GRE_FD");
	*fd = (int)n;
	return ask_interface(*fd, o, e);
}

static int
check(struct connect_options *o, int argc, char **argv, struct err *e)
{
	if ((o->psk_file == NULL) == (o->load == NULL))
		return err_set(e, 0, "one of --psk-file and --load is "
		    "needed");
	if ((argc == 0) != o->accept)
		return err_set(e, 0, "name an address, or --accept");
	if (argc == 0)
		return 0;
	return endpoint_parse(argv[0], 500, &o->remote, e);
}

static int
connect_run(const struct connect_options *o, int gre_fd)
{
	struct connecting *c = calloc(1, sizeof(*c));
	struct err e;
	int status;

	if (c == NULL)
		return EXIT_SYSTEM;
	c->o = o;
	c->ready_fd = o->ready > 0 ? (int)o->ready : -1;
	status = run(c, gre_fd, &e) < 0 ? command_fail(EXIT_SYSTEM, &e) :
	    c->status;
	free(c);
	return status;
}

int
cmd_connect(int argc, char **argv)
{
	struct connect_options o = { .port = 500 };
	const char *level = NULL;
	const struct opt opts[] = {
		{ 0, "psk-file", "FILE", "the pre-shared key", OPT_TEXT,
		  &o.psk_file, 0, 0 },
		{ 0, "load", "FILE", "PEM file with key and certificates",
		  OPT_TEXT, &o.load, 0, 0 },
		{ 't', "trust", "FILE", "more CA certificates", OPT_TEXT,
		  &o.trust, 0, 0 },
		{ 0, "id", "ID", "our identity, with --psk-file", OPT_TEXT,
		  &o.id, 0, 0 },
		{ 0, "peer-id", "ID", "who must answer", OPT_TEXT,
		  &o.peer_id, 0, 0 },
		{ 'i', "interface", "NAME", "the tunnel, if there are several",
		  OPT_TEXT, &o.interface, 0, 0 },
		{ 'm', "mode", "MODE", "transport (GRE) or tunnel; as the "
		  "interface is", OPT_TEXT, &o.mode, 0, 0 },
		{ 0, "peer-address", "ADDR", "transport: the peer's address "
		  "on the tunnel", OPT_ADDR, &o.peer_address, 0, 0 },
		{ 0, "local-ts", "PREFIX", "tunnel mode: ours; repeatable",
		  OPT_LIST, &o.local_ts, 0, 0 },
		{ 0, "remote-ts", "PREFIX", "tunnel mode: theirs; repeatable",
		  OPT_LIST, &o.remote_ts, 0, 0 },
		{ 0, "proposal", "P", "for IKE; repeatable", OPT_LIST,
		  &o.proposals, 0, 0 },
		{ 0, "esp-proposal", "P", "for ESP; repeatable", OPT_LIST,
		  &o.esp, 0, 0 },
		{ 0, "port", "PORT", "our UDP port, 500", OPT_NUM, &o.port, 1,
		  65535 },
		{ 0, "accept", NULL, "answer instead of beginning", OPT_FLAG,
		  &o.accept, 0, 0 },
		{ 0, "once", NULL, "end when the first try fails", OPT_FLAG,
		  &o.once, 0, 0 },
		{ 'r', "ready-fd", "FD", "write a newline there when it is up",
		  OPT_NUM, &o.ready, 3, 1023 },
		{ 0, "log-level", "LEVEL", "error, warn, info or debug",
		  OPT_TEXT, &level, 0, 0 },
		OPT_END
	};
	struct err e;
	int status, fd = -1;

	if (opt_parse(&argc, &argv, opts, "--psk-file FILE|--load FILE "
	    "[OPTION...] ADDR[:PORT]", 0, 1, &status) < 0)
		return status;
	if ((level != NULL && log_level_parse(level, &e) < 0) ||
	    check(&o, argc, argv, &e) < 0 || inherited(&fd, &o, &e) < 0)
		return command_usage("%s", e.msg);
	return connect_run(&o, fd);
}
