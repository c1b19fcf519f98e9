#ifndef DMVPN_GRE_CMD_H
#define DMVPN_GRE_CMD_H

/* The commands of dmvpn-gre; each returns its exit status. */
int cmd_run(int argc, char **argv);
int cmd_with(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_interface(int argc, char **argv);
int cmd_peer(int argc, char **argv);
int cmd_sa(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_route(int argc, char **argv);
int cmd_lookup(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_check(int argc, char **argv);

#define GRE_SOCK "gre.sock"

#endif
