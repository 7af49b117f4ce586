/* <netinet/in.h> for pods: the C library's own, after the structures that podnet completes.
 *
 * No guard of its own: <sys/socket.h> includes it again before its calls, whichever of the two a program names first. */
#pragma GCC system_header

#include <sys/socket.h>
#include_next <netinet/in.h>
