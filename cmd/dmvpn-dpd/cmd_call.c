#include "cmd.h"

#include "sys/ask.h"

int
cmd_call(const struct msg_type *t, const void *m,
    const struct msg_type *reply, void *out)
{
	return command_call("dpd.sock", t, m, reply, out);
}

int
cmd_wait(int argc, char **argv)
{
	return command_wait_main(argc, argv, "dpd.sock");
}

int
cmd_stop(int argc, char **argv)
{
	return command_stop_main(argc, argv, "dpd.sock");
}
