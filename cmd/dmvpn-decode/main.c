#include "cmd_decode.h"
#include "sys/command.h"

static const struct command commands[] = {
	{ "ike", cmd_ike, "[-j] [--keys FILE] [--peer ADDR] FILE...",
	  "print the IKE messages of captures" },
	{ "nhrp", cmd_nhrp, "[-j] [--esp-keys FILE] [--peer ADDR] FILE...",
	  "print the NHRP packets of captures" },
	{ NULL, NULL, NULL, NULL },
};

int
main(int argc, char **argv)
{
	return command_main(argc, argv, "dmvpn-decode",
	    "decode IKE and NHRP from captures and live traces", commands);
}
