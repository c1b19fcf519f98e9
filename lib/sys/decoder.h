#ifndef SYS_DECODER_H
#define SYS_DECODER_H

#include <stddef.h>

#include "base/err.h"

/*
 * What captures, or reads captures, is dmvpn-decode: a program of its own, so
 * that no daemon carries libpcap.  It lies beside the program that runs, or in
 * LIBEXECDIR.
 */

/* Replace this process by argv[0] from one of the two; returns -1 when it is
 * in neither. */
int exec_beside(char *const argv[], struct err *e);

/* "trace": this process becomes dmvpn-decode with argv, whose first is its
 * name, and reads what the daemon on sock_name tells of these events.  Returns
 * only when that failed, the exit status. */
int decoder_trace(const char *sock_name, const char *const *events,
    const char *const *argv);
/* Put option and value behind the first n of argv, unless value is NULL.
 * Returns how many there are now. */
size_t decoder_option(const char **argv, size_t n, const char *option,
    const char *value);

/* "decode": dmvpn-decode NOUN with the arguments of the command. */
int decoder_main(int argc, char **argv, const char *noun);

#endif
