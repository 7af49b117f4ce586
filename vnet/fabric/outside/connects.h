/* Connects that the host decides: those that leave the deployment, and those to pods on other nodes.
 *
 * Such a connect waits here, its socket in TCP_SYN_SENT, until the host has taken it and said what becomes of it. What it
 * then has is an ordinary connection whose server end is the host's. Everything here is under `network_lock` but what is
 * read without it.
 */
#ifndef PODNET_FABRIC_CONNECTS_H
#define PODNET_FABRIC_CONNECTS_H

#include "vnet/fabric/outside/handover.h"
#include "vnet/fabric/sockets/tcp.h"

#define OUTSIDE_CONNECTS_MOST 1024u /* of one pod that wait at once */

struct connects {
	struct handovers waiting;
	_Atomic u32 to_take;     /* read without the lock */
	_Atomic u32 withdrawals; /* whether taken connects were withdrawn that the host has not asked for; the same */
	struct waitq changes;
};

/* One connect as the host sees it. */
struct outside_connect {
	u32 id;
	struct address source, destination;
	u16 source_port, destination_port;
	struct socket_buffers buffers; /* of the client */
};

/* Let the connect of `client`, whose addresses are set, wait for the host. 0 or -E_NOBUFS. */
int connects_enter(struct connects *list, struct socket *client);
/* The client waits no longer, wherever it did. */
void connects_withdraw(struct socket *client);
/* All that wait fail. */
void connects_fail_all(struct connects *list, u32 error);
/* One more, or one less, to be taken, which may be something else that the host takes. */
void connects_announce(struct connects *list);
void connects_took(struct connects *list);

/* Whether there is something to take, or something that was taken has been withdrawn. Without the lock. */
bool connects_ready(const struct connects *list);

/* For the host. */
bool connects_take(struct connects *list, struct outside_connect *connect);
/* The client of a connect that was taken, which waits no longer; NULL when it has gone meanwhile. */
struct socket *connects_decide(struct connects *list, u32 id);
/* Keep of `ids` those whose clients have gone; how many these are. */
u32 connects_withdrawn(struct connects *list, u32 *ids, u32 count);

#endif
