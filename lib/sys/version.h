#ifndef SYS_VERSION_H
#define SYS_VERSION_H

#define DMVPN_VERSION "0.1"

#endif
