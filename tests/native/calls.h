/* Every call that the kernel exports to guests: its prototype, and what each argument means to the fuzzer.
 *
 * CALL(name, parameters, arguments); the words in `arguments` are defined where they are used.
 */
#ifndef PODNET_TESTS_NATIVE_CALLS_H
#define PODNET_TESTS_NATIVE_CALLS_H

#include "vnet/fabric/platform.h"

#define WASI_CALLS(CALL)                                                                                             \
	CALL(fd_advise, (u32 fd, u64 offset, u64 length, u32 advice), (FD, LONG, LONG, WORD))                        \
	CALL(fd_allocate, (u32 fd, u64 offset, u64 length), (FD, LONG, LONG))                                        \
	CALL(fd_close, (u32 fd), (FD))                                                                               \
	CALL(fd_datasync, (u32 fd), (FD))                                                                            \
	CALL(fd_fdstat_get, (u32 fd, uaddr stat), (FD, OUT))                                                         \
	CALL(fd_fdstat_set_flags, (u32 fd, u32 flags), (FD, FLAGS))                                                  \
	CALL(fd_fdstat_set_rights, (u32 fd, u64 base, u64 inheriting), (FD, LONG, LONG))                             \
	CALL(fd_filestat_get, (u32 fd, uaddr stat), (FD, OUT))                                                       \
	CALL(fd_filestat_set_size, (u32 fd, u64 size), (FD, LONG))                                                   \
	CALL(fd_filestat_set_times, (u32 fd, u64 atim, u64 mtim, u32 flags), (FD, LONG, LONG, FLAGS))                \
	CALL(fd_pread, (u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size), (FD, IOVS, COUNT, LONG, OUT))        \
	CALL(fd_prestat_dir_name, (u32 fd, uaddr path, u32 size), (FD, OUT, SIZE))                                   \
	CALL(fd_prestat_get, (u32 fd, uaddr stat), (FD, OUT))                                                        \
	CALL(fd_pwrite, (u32 fd, uaddr iovs, u32 count, u64 offset, uaddr size), (FD, IOVS, COUNT, LONG, OUT))       \
	CALL(fd_read, (u32 fd, uaddr iovs, u32 count, uaddr size), (FD, IOVS, COUNT, OUT))                           \
	CALL(fd_readdir, (u32 fd, uaddr buffer, u32 length, u64 cookie, uaddr size), (FD, OUT, SIZE, LONG, OUT))     \
	CALL(fd_renumber, (u32 from, u32 to), (FD, FD))                                                              \
	CALL(fd_seek, (u32 fd, u64 offset, u32 whence, uaddr position), (FD, LONG, WORD, OUT))                       \
	CALL(fd_sync, (u32 fd), (FD))                                                                                \
	CALL(fd_tell, (u32 fd, uaddr position), (FD, OUT))                                                           \
	CALL(fd_write, (u32 fd, uaddr iovs, u32 count, uaddr size), (FD, IOVS, COUNT, OUT))                          \
	CALL(path_create_directory, (u32 fd, uaddr path, u32 length), (FD, TEXT, LENGTH))                            \
	CALL(path_filestat_get, (u32 fd, u32 flags, uaddr path, u32 length, uaddr stat),                             \
	     (FD, FLAGS, TEXT, LENGTH, OUT))                                                                         \
	CALL(path_filestat_set_times, (u32 fd, u32 flags, uaddr path, u32 length, u64 atim, u64 mtim, u32 times),    \
	     (FD, FLAGS, TEXT, LENGTH, LONG, LONG, FLAGS))                                                           \
	CALL(path_link, (u32 old_fd, u32 flags, uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),       \
	     (FD, FLAGS, TEXT, LENGTH, FD, TEXT, LENGTH))                                                            \
	CALL(path_open,                                                                                              \
	     (u32 fd, u32 lookup, uaddr path, u32 length, u32 open, u64 base, u64 inheriting, u32 flags,             \
	      uaddr opened),                                                                                         \
	     (FD, WORD, TEXT, LENGTH, WORD, LONG, LONG, FLAGS, OUT))                                                 \
	CALL(path_readlink, (u32 fd, uaddr path, u32 length, uaddr to, u32 size, uaddr used),                        \
	     (FD, TEXT, LENGTH, OUT, SIZE, OUT))                                                                     \
	CALL(path_remove_directory, (u32 fd, uaddr path, u32 length), (FD, TEXT, LENGTH))                            \
	CALL(path_rename, (u32 old_fd, uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),                \
	     (FD, TEXT, LENGTH, FD, TEXT, LENGTH))                                                                   \
	CALL(path_symlink, (uaddr old, u32 old_length, u32 fd, uaddr new, u32 new_length),                           \
	     (TEXT, LENGTH, FD, TEXT, LENGTH))                                                                       \
	CALL(path_unlink_file, (u32 fd, uaddr path, u32 length), (FD, TEXT, LENGTH))                                 \
	CALL(clock_time_get, (u32 id, u64 precision, uaddr time), (WORD, LONG, OUT))                                 \
	CALL(fd_dup, (u32 fd, uaddr copy), (FD, OUT))                                                                \
	CALL(fd_pipe, (uaddr ends), (OUT))                                                                           \
	CALL(proc_catch, (u32 caught, u32 ignored), (MASK, MASK))                                                    \
	CALL(proc_id, (u32 which, uaddr id), (WORD, OUT))                                                            \
	CALL(proc_kill, (u32 number, u32 signal), (WORD, SIGNAL))                                                    \
	CALL(proc_raise, (u32 signal), (SIGNAL))                                                                     \
	CALL(proc_signals, (uaddr pending), (OUT))                                                                   \
	CALL(proc_spawn, (uaddr request, u32 size, uaddr child), (TEXT, LENGTH, OUT))                                \
	CALL(proc_wait, (u32 number, u32 options, uaddr ended, uaddr status), (WORD, WORD, OUT, OUT))                \
	CALL(sched_yield, (void), ())                                                                                \
	CALL(poll_oneoff, (uaddr subscriptions, uaddr events, u32 count, uaddr held), (POLLS, OUT, COUNT, OUT))      \
	CALL(sock_accept, (u32 fd, u32 flags, uaddr accepted), (FD, FLAGS, OUT))                                     \
	CALL(sock_bind, (u32 fd, uaddr address, u32 port), (FD, ADDRESS, PORT))                                      \
	CALL(sock_connect, (u32 fd, uaddr address, u32 port), (FD, ADDRESS, PORT))                                   \
	CALL(sock_getaddrinfo,                                                                                       \
	     (uaddr node, u32 node_length, uaddr service, u32 service_length, uaddr hints, uaddr results, u32 most,  \
	      uaddr count),                                                                                          \
	     (TEXT, LENGTH, TEXT, LENGTH, OUT, OUT, COUNT, OUT))                                                     \
	CALL(sock_getlocaladdr, (u32 fd, uaddr address, uaddr type, uaddr port), (FD, ADDRESS, OUT, OUT))            \
	CALL(sock_getpeeraddr, (u32 fd, uaddr address, uaddr type, uaddr port), (FD, ADDRESS, OUT, OUT))             \
	CALL(sock_getsockopt, (u32 fd, u32 level, u32 name, uaddr value, uaddr size), (FD, LEVEL, OPTION, OUT, OUT)) \
	CALL(sock_listen, (u32 fd, u32 backlog), (FD, COUNT))                                                        \
	CALL(sock_open, (u32 family, u32 type, uaddr opened), (LEVEL, LEVEL, OUT))                                   \
	CALL(sock_recv, (u32 fd, uaddr iovs, u32 count, u32 flags, uaddr size, uaddr out_flags),                     \
	     (FD, IOVS, COUNT, FLAGS, OUT, OUT))                                                                     \
	CALL(sock_recv_from,                                                                                         \
	     (u32 fd, uaddr iovs, u32 count, uaddr address, u32 flags, uaddr port, uaddr size, uaddr out_flags),     \
	     (FD, IOVS, COUNT, ADDRESS, FLAGS, OUT, OUT, OUT))                                                       \
	CALL(sock_send, (u32 fd, uaddr iovs, u32 count, u32 flags, uaddr size), (FD, IOVS, COUNT, FLAGS, OUT))       \
	CALL(sock_send_to, (u32 fd, uaddr iovs, u32 count, uaddr address, u32 port, u32 flags, uaddr size),          \
	     (FD, IOVS, COUNT, ADDRESS, PORT, FLAGS, OUT))                                                           \
	CALL(sock_setsockopt, (u32 fd, u32 level, u32 name, uaddr value, u32 size), (FD, LEVEL, OPTION, OUT, SIZE))  \
	CALL(sock_shutdown, (u32 fd, u32 how), (FD, LEVEL))

#define DECLARE(name, parameters, arguments) u32 wasi_##name parameters;
WASI_CALLS(DECLARE)
#undef DECLARE

/* The node's calls. */
i32 host_boot(uaddr heap, u64 size, u32 cores);
u32 host_layout(u32 what);
u32 host_thread(void);
i32 host_token_buffer(u32 capacity);
i32 host_wait(uaddr tokens, u32 capacity);
void host_stop(void);
i32 host_attach(u32 network, u32 ipv4, u32 prefix);
i32 host_detach(u32 ipv4);
i32 host_publish(u32 network, uaddr name, uaddr ipv4s, u32 count);
i32 host_pod_create(uaddr at);
u32 host_thread_started(u32 thread);
i32 host_thread_open(u32 thread);
i32 host_process_kill(u32 id);
i32 host_process_pause(u32 id);
i32 host_process_resume(u32 id);
i32 host_process_hold(u32 id, u32 held);
i32 host_process_frozen(u32 id);
i32 host_process_exec(u32 id, u32 rows, u32 columns, uaddr at);
i32 host_terminal_resize(u32 id, u32 rows, u32 columns);
i32 host_terminal_flags(u32 id);
i32 host_terminal_end(u32 input);
i32 host_process_usage(u32 id, uaddr at);
i32 host_process_signal(u32 id, u32 signal, u32 session);
i32 host_process_reap(u32 id, u32 status);
i32 host_pod_end(u32 id);
i32 host_pod_reap(u32 id, u32 status);
void host_files_release(u32 files);
i32 host_spawn_open(void);
i32 host_spawn_take(uaddr at);
i32 host_spawn_started(u32 id);
i32 host_spawn_refuse(u32 id, u32 error);
i32 host_kills_take(void);
void host_statistics(uaddr at);
i32 host_connect(u32 ipv4, u32 port);
i32 host_listen(u32 ipv4, u32 port, u32 backlog);
i32 host_await_port(u32 ipv4, u32 port);
i32 host_accept(u32 fd);
i32 host_read(u32 fd, uaddr to, u32 size);
i32 host_write(u32 fd, uaddr from, u32 size);
i32 host_shutdown(u32 fd, u32 how);
i32 host_error(u32 fd);
u64 host_endpoint(u32 fd, u32 remote);
i32 host_close(u32 fd);
i32 host_watch(u32 fd, u32 event);
i32 host_datagram_bind(u32 ipv4, u32 port);
i32 host_datagram_receive(u32 fd, uaddr to, u32 size, uaddr sender);
i32 host_datagram_send(u32 fd, uaddr from, u32 size, u32 ipv4, u32 port);
i32 host_echo_open(void);
i32 host_echo_send(u32 source, u32 target, u32 identifier, u32 sequence, u32 size);
i32 host_reset_on_close(u32 fd);
i32 host_gateway_open(void);
i32 host_gateway_take(uaddr at);
i32 host_gateway_refuse(u32 id, u32 error);
i32 host_gateway_accept(u32 id);
i32 host_gateway_withdrawn(uaddr ids, u32 count);
i32 host_resolve_take(uaddr at);
i32 host_resolve_answer(u32 id, uaddr ipv4s, u32 count);
i32 host_trunk_open(u64 byte_limit, u32 socket_limit, uaddr at);
i32 host_trunk_attach(u32 network, u32 ipv4, u32 prefix);
i32 host_trunk_detach(u32 ipv4);
i32 host_trunk_take(uaddr at);
i32 host_trunk_refuse(u32 id, u32 error);
i32 host_trunk_accept(u32 id, u32 send_buffer, u32 receive_buffer);
i32 host_trunk_withdrawn(uaddr ids, u32 count);
void host_trunk_answer(uaddr at, u32 error);
i64 host_trunk_probe(u32 target, u32 port);
i32 host_trunk_connect(uaddr at);
i64 host_trunk_buffers(u32 fd);
i32 host_trunk_write(u32 fd, uaddr from, u32 size);
i64 host_trunk_exchange(u32 fd, uaddr at, u32 size, u32 room, u64 ns);
i32 host_trunk_deliver(uaddr at, u32 size);
void host_pacer(void);
void host_pacer_stop(void);
void host_network_seed(u64 seed);
i32 host_link_set(u32 id, u32 number, uaddr parameters);
i32 host_link_remove(u32 id);
i32 host_group_set(u32 id, u32 network, uaddr access, uaddr ipv4s, u32 count);
i32 host_group_remove(u32 id);
i32 host_route_set(u32 source, u32 target, uaddr hops, u32 count);
i32 host_route_remove(u32 source, u32 target);
i32 host_fault_set(u32 index, u32 kind, uaddr ipv4s, u32 sources, u32 targets);
void host_network_commit(void);
i32 host_link_statistics(u32 id, u32 direction, uaddr at);
i32 host_access_statistics(u32 group, uaddr at);
void host_link_uses(u32 cursor, uaddr at, u32 size);
void host_link_shares(uaddr shares, u32 count);
i32 host_interfaces(u32 cursor, uaddr at, u32 size);
i32 host_traffic(u32 cursor, uaddr at, u32 size);

#endif
