/* The discrete-event simulation that moves packets: the event heap, and the thread that works it off.
 *
 * Simulation time is the due time of the event being handled, not the moment at which the pacer got to run, so that
 * late wake-ups do not add up. Handlers run on the pacer's thread under network_lock and the pacer's lock and get
 * that time as `now`; whoever else enters takes the pacer's lock and asks `pacer_time`.
 *
 * A packet's arrival is never handled inside `packet_send`, only by the pacer: stacks stay flat.
 */
#ifndef PODNET_FABRIC_PACER_H
#define PODNET_FABRIC_PACER_H

#include "vnet/fabric/paths/packet.h"

/* pacer_lock: the heap, links, paths, packets, paced flows. */
void pacer_acquire(void);
/* Wakes the pacer's thread when an event is due sooner than it would have looked. */
void pacer_release(void);

/* Under the lock: the time at which something enters the simulation, never before what it has handled already. */
u64 pacer_time(void);

/* Put the event's handling at `due`; an event that is scheduled already moves. */
void event_schedule(struct event *event, u64 due);
/* No effect on an event that is not scheduled. */
void event_cancel(struct event *event);

/* Send `packet` along `path` at `now`; the packet is given away, the path is held for it. */
void packet_send(struct packet *packet, struct path *path, u64 now);

/* Under network_lock and the pacer's: handle at most `most` events due by `now`. Whether more are. */
bool pacer_handle(u64 now, u32 most);
/* Under the lock: when the next event is due; NEVER when there is none. */
u64 pacer_next(void);

/* The pacer's thread: handle events until `pacer_stop`. */
void pacer_run(void);
void pacer_stop(void);

#endif
