/* The way out of the deployment: connects to addresses outside every network, decided by the host.
 *
 * The host dials for real or refuses. While nobody on the host serves the gateway there is no way out.
 *
 * Lookups of names that nobody in the deployment has go the same way; see resolve.h.
 */
#ifndef PODNET_FABRIC_GATEWAY_H
#define PODNET_FABRIC_GATEWAY_H

#include "vnet/fabric/outside/connects.h"

/* Serve, with connections that end in `pod`. 0 or -E_ADDRINUSE when somebody does. */
int gateway_open(struct pod *pod);
/* Nobody serves any more: connects and lookups that wait fail. */
void gateway_close(void);
bool gateway_serves(void);

/* Whether there is something to take, or something that was taken has been withdrawn. */
bool gateway_ready(void);
struct waitq *gateway_queue(void);

/* Under network_lock. The way of `pod` to an address outside: 0 or -E_NETUNREACH. */
int gateway_route(struct pod *pod, struct address to, struct route *route);
/* Under network_lock. Let the connect of `client`, whose addresses are set, wait for the host. 0 or -E_NOBUFS. */
int gateway_connect(struct socket *client);

/* For the host. */
bool gateway_take(struct outside_connect *connect);
/* Decide a connect: `error` 0 makes `*server` its other end. 0, -E_NOENT when the client has gone meanwhile, or the
 * error that the client got because there was no room for a connection. */
int gateway_decide(u32 id, u32 error, struct socket **server);
/* Keep of `ids` those whose clients have gone; how many these are. */
u32 gateway_withdrawn(u32 *ids, u32 count);

/* Under network_lock. For resolve.c: one more, or one less, to be taken. */
void gateway_announce(void);
void gateway_took(void);

#endif
