/* Spawning: a process asks for another one in its pod, and the node gives it a guest.
 *
 * A request is a row of records, each a letter, a text and a NUL:
 *
 *   aTEXT        an argument; the first is the program
 *   eNAME=VALUE  a variable of the environment
 *   dPATH        the working folder; the caller's own start folder when it is not given
 *   fNUMBER FROM the child's descriptor NUMBER is the caller's FROM
 *   cNUMBER      the child's descriptor NUMBER is closed
 *
 * Without `f` and `c` for them, 0 to 2 are the caller's. Nothing else is inherited but what every process begins with:
 * the pod's directories, `/net` and `/proc`, from 3 on. Later records win.
 *
 * The kernel makes the process and its descriptors, queues it for the node, and blocks the caller until the node has
 * started the guest or said why not.
 */
#ifndef PODNET_KERNEL_SPAWN_H
#define PODNET_KERNEL_SPAWN_H

#include "pod_node/kernel/process.h"

#define SPAWN_REQUEST_MOST (256u << 10) /* bytes: Linux allows more, few programs need a tenth */

/* Spawn from a request in the fabric, which belongs to the callee from now on; the account of the caller's pod has paid
 * for `size` bytes. The child's number or a negative errno. */
i32 spawn(struct process *parent, u8 *request, u32 size);

/* A process was killed that may be computing: the node must see to it. */
void spawns_tell_kill(void);
/* Whether that was told since the last call. */
bool spawns_take_kill(void);
/* A disk has refused something for the first time: the node is to know. The same way, because it waits there already. */
void spawns_tell_refusal(void);
bool spawns_take_refusal(void);

/* For the node. Serving: a process waits for it only then. */
bool spawns_serve(void);
void spawns_close(void);
bool spawns_ready(void);
struct waitq *spawns_queue(void);
/* The next process that waits to be started; NULL when there is none. */
struct process *spawns_take(void);

#endif
