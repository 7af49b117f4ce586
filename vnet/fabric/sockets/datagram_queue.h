/* The queue in which a socket's datagrams wait to be read.
 *
 * A datagram is a packet that has arrived. Its sender pays until it is in a queue, from then on the receiver. A queue
 * takes datagrams while what it holds is within SO_RCVBUF, counted as the memory that they occupy, as Linux does;
 * what comes then is dropped and counted.
 */
#ifndef PODNET_FABRIC_DATAGRAM_QUEUE_H
#define PODNET_FABRIC_DATAGRAM_QUEUE_H

#include "vnet/fabric/paths/packet.h"
#include "vnet/fabric/sockets/socket.h"

/* Put a packet (consumed) into the socket's queue and wake whoever waits. False when it had no room. */
bool datagram_enqueue(struct socket *socket, struct packet *packet);
/* The oldest one, now the caller's; NULL when there is none. */
struct packet *datagram_dequeue(struct socket *socket);
/* Call `look(packet, argument)` on the oldest one under the queue's lock and leave it there. False when there is none. */
bool datagram_peek(struct socket *socket, void (*look)(const struct packet *packet, void *argument), void *argument);
void datagram_discard_all(struct socket *socket);
/* The size of the oldest one's payload; 0 when there is none. */
u32 datagram_next_size(struct socket *socket);
u64 datagram_drops(struct socket *socket);

#endif
