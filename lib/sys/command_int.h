#ifndef SYS_COMMAND_INT_H
#define SYS_COMMAND_INT_H

#include "sys/command.h"

/* Between command.c and opt.c. */
const char *command_words(void);		/* " interface set" */
const struct command *command_current(void);	/* or NULL */

#endif
