#ifndef DMVPN_GRE_GRE_HASH_H
#define DMVPN_GRE_GRE_HASH_H

/*
 * uthash that does not end the process when memory runs out: after an add,
 * hash_added says whether it went in.
 */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define hash_added(item) ((item)->hh.tbl != NULL)

#endif
