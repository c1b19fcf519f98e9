/* "events", "trace" and "decode". */
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"
#include "sys/decoder.h"

#define ARGS_MAX	16

int
cmd_events(int argc, char **argv)
{
	/* All but the traces of packets. */
	static const char *const all[] = { "nhrp-registered",
	    "nhrp-unregistered", "nhrp-nhs", "nhrp-redirected",
	    "nhrp-shortcut", "nhrp-refused", NULL };

	return command_events_main(argc, argv, CMD_SOCK, all);
}

int
cmd_trace(int argc, char **argv)
{
	static const char *const wanted[] = { "nhrp-packet", NULL };
	const char *peer = NULL, *copy = NULL;
	uint64_t count = 0;
	char number[24];
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a packet", OPT_FLAG,
		  &json, 0, 0 },
		{ 0, "peer", "ADDR", "only packets from or to ADDR",
		  OPT_TEXT, &peer, 0, 0 },
		{ 'c', "count", "N", "stop after N packets", OPT_NUM,
		  &count, 1, UINT32_MAX },
		{ 'w', "write", "FILE", "also write them as pcapng",
		  OPT_TEXT, &copy, 0, 0 },
		OPT_END
	};
	const char *args[ARGS_MAX] = { "dmvpn-decode", "nhrp", "--live" };
	int status;
	size_t n = 3;

	if (opt_parse(&argc, &argv, opts, "[-j] [--peer ADDR] [--write FILE]",
	    0, 0, &status) < 0)
		return status;
	if (json)
		args[n++] = "--json";
	n = decoder_option(args, n, "--peer", peer);
	snprintf(number, sizeof(number), "%" PRIu64, count);
	n = decoder_option(args, n, "--count", count > 0 ? number : NULL);
	(void)decoder_option(args, n, "--write", copy);
	return decoder_trace(CMD_SOCK, wanted, args);
}

int
cmd_decode(int argc, char **argv)
{
	return decoder_main(argc, argv, "nhrp");
}
