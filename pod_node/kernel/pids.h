/* The processes of a pod among themselves: a pid namespace, as on Linux.
 *
 * A `struct pid` is what others know of a process: its number, its parent, signals, how it ended. It outlives the
 * process as a zombie until its parent has waited for it. A process whose parent has ended, or that the node started,
 * is waited for by nobody and goes at its end. Number 1 is the pod's main process; with it the pod ends.
 *
 * Lock order: the namespace's lock is taken before wait queues' and the memory locks; no other is held with it.
 */
#ifndef PODNET_KERNEL_PIDS_H
#define PODNET_KERNEL_PIDS_H

#include "vnet/fabric/errno.h"
#include "vnet/fabric/pods/network.h"

struct mounts;
struct process;

/* By their numbers on Linux. */
enum signal_number {
	SIGNAL_HUP = 1,
	SIGNAL_INT = 2,
	SIGNAL_QUIT = 3,
	SIGNAL_ABRT = 6,
	SIGNAL_KILL = 9,
	SIGNAL_USR1 = 10,
	SIGNAL_USR2 = 12,
	SIGNAL_PIPE = 13,
	SIGNAL_ALRM = 14,
	SIGNAL_TERM = 15,
	SIGNAL_CHLD = 17,
	SIGNAL_CONT = 18,
	SIGNAL_STOP = 19,
	SIGNAL_TTOU = 22,
	SIGNAL_URG = 23,
	SIGNAL_WINCH = 28,
	SIGNAL_LAST = 31,
};

#define SIGNAL_BIT(number) (1u << (number))

struct pids {
	_Atomic u32 references;
	struct pod *pod; /* held */
	u32 limit; /* processes at once, zombies included; fixed */
	u32 descriptor_limit, host_file_limit; /* of each process; fixed once the first exists, as the next */
	struct mounts *mounts;                 /* of each process; held; NULL for the node's own */
	u64 memory_limit;   /* bytes that memories and tables of all processes may take together; fixed */
	_Atomic u64 memory; /* and take */
	struct lock lock;
	u32 count, next; /* under lock */
	struct pid *first; /* under lock */
	bool ending; /* number 1 has ended: no process begins; under lock */
};

struct pid {
	_Atomic u32 references;
	u32 number; /* fixed */
	u32 session; /* number of the process that the node started and this one descends from; fixed */
	struct pids *pids; /* held */
	struct pid *next; /* under pids->lock, as all up to here */
	bool listed;
	struct pid *parent; /* NULL: nobody of the pod waits for it */
	struct process *process; /* NULL once it has ended */
	u32 status; /* as `wait` has it: exit status << 8, or the signal; written before `ended` */
	_Atomic u32 ended;
	_Atomic i32 started; /* 0 while neither the node nor its thread has decided, 1, or a negative errno */
	_Atomic u32 death; /* the signal that ends it */
	_Atomic u32 caught, ignored; /* masks of SIGNAL_BIT; the process writes */
	_Atomic u32 pending; /* caught, and not yet taken by the process */
	_Atomic u32 dead_children; /* zombies that wait for it; changed under pids->lock */
	struct waitq changes; /* it or a child has ended, was started, or a caught signal came */
};

struct pids *pids_create(struct pod *pod, u32 limit);
struct pids *pids_hold(struct pids *pids);
void pids_release(struct pids *pids);

/* A number for `process`; `parent` NULL: the node's. -E_AGAIN past the limit, -E_NOMEM. */
int pid_create(struct pids *pids, struct pid *parent, struct process *process, struct pid **created);
struct pid *pid_hold(struct pid *pid);
void pid_release(struct pid *pid);
/* The process with this number, a zombie too, held; NULL when there is none. */
struct pid *pid_find(struct pids *pids, u32 number);
/* It has ended: it becomes a zombie of its parent, or goes. Its children have no parent any more. */
void pid_end(struct pid *pid, u32 status);
/* Whether it was started: 1, or a negative errno. Its parent hears of it. */
void pid_decide(struct pid *pid, i32 started);
/* The parent's number as getppid has it: number 1 stands for a parent that has gone. */
u32 pid_parent_number(struct pid *pid);

enum wait_options { WAIT_NOHANG = 1, WAIT_OPTIONS = WAIT_NOHANG };

/* A child that has ended, `number` or any (0): its number, its status in `*status`. 0 with WAIT_NOHANG when none has;
 * -E_CHILD when there is none at all, -E_INTR. */
i32 pid_wait(struct pid *self, u32 number, u32 options, u32 *status);

/* Send a signal; 0 only looks. -E_INVAL for what is not a signal here. */
int pid_signal(struct pid *pid, u32 number);
/* The same to the process with this number: -E_SRCH when there is none. */
int pids_signal(struct pids *pids, u32 number, u32 signal);
/* To all processes of a session. */
void pids_signal_session(struct pids *pids, u32 session, u32 signal);
/* Number 1 is about to end: no other process begins, and those that are there are killed. */
void pids_end(struct pids *pids);
/* The signals in `mask` are to be handled by the program, those in `ignored` to do nothing. 0 or -E_INVAL. */
int pid_catch(struct pid *self, u32 caught, u32 ignored);
/* Caught signals that have come, as a mask; they count as handled. */
u32 pid_take_signals(struct pid *self);

#endif
