/* `/net`: the network as files, for runtimes that have no sockets.
 *
 *   tcp/connect/HOST/PORT   tcp/listen/ADDRESS/PORT   tcp/accept/ID   tcp/socket   tcp/pair[/ID]   tcp/dup/ID
 *   udp/... (net_udp.c)
 *   dns/NAME   dns/reverse/ADDRESS   hosts   interfaces (net_names.c)
 *   sock/ID/{local,remote,error,options}   hostname   ctl
 *
 * A socket's ID is the inode number of its descriptor. `ctl` takes one command a write and holds the reply.
 */
#include "pod_node/kernel/net.h"
#include "vnet/fabric/text.h"

#define DEFAULT_BACKLOG 128u

struct writer net_writer(struct text *text)
{
	return (struct writer){text->bytes, text->bytes + text->size};
}

void net_finish(struct text *text, const struct writer *writer)
{
	text->length = (u32)(writer->at - text->bytes);
	text->offset = 0;
}

static void write_endpoint(struct writer *writer, struct endpoint end)
{
	write_address(writer, end.address);
	write_text(writer, " ");
	write_number(writer, end.port);
}

int net_resolve(struct process *process, const char *host, struct address *addresses, u32 capacity)
{
	if (read_ipv4(host, &addresses[0]))
		return 1;
	return resolve_name(process->pod, host, addresses, capacity);
}

/* A socket with several numbers, some of them in other processes, has a hint to the last that was given to it. */
static struct file *find_installed(const struct descriptors *table, const struct socket *socket)
{
	for (u32 number = 0; number < table->size; number++) {
		struct file *file = descriptor_get(table, number);
		if (file && file->kind == FILE_SOCKET && file->socket == socket)
			return file;
	}
	return NULL;
}

struct file *net_socket_file(struct process *process, u32 id)
{
	lock_acquire(&network_lock);
	struct socket *socket = socket_find(process->pod, id);
	u32 descriptor = socket ? atomic_load(&socket->descriptor) : 0;
	lock_release(&network_lock);
	struct file *file = socket ? descriptor_get(&process->descriptors, descriptor) : NULL;
	if (file && file->kind == FILE_SOCKET && file->socket == socket)
		return file;
	return socket ? find_installed(&process->descriptors, socket) : NULL;
}

struct file *net_own_socket(struct process *process, const char *word)
{
	u32 id;
	return read_number(word, UINT32_MAX, &id) ? net_socket_file(process, id) : NULL;
}

int net_open_socket(struct process *process, struct socket *socket, bool nonblocking, struct file **opened)
{
	struct file *file = file_create(process->pod->account, FILE_SOCKET);
	if (!file) {
		socket_close(socket);
		return -E_NOBUFS;
	}
	file->socket = socket;
	file->nonblocking = nonblocking;
	*opened = file;
	return 0;
}

static int open_new_socket(struct process *process, bool nonblocking, struct file **opened)
{
	struct socket *socket = tcp_open(process->pod);
	return socket ? net_open_socket(process, socket, nonblocking, opened) : -E_NOBUFS;
}

static int open_connect(struct process *process, const char *host, u32 port, bool nonblocking, struct file **opened)
{
	struct address address;
	int result = net_resolve(process, host, &address, 1);
	if (result < 0)
		return result;
	result = open_new_socket(process, nonblocking, opened);
	if (result < 0)
		return result;
	result = tcp_connect((*opened)->socket, address, port, !nonblocking);
	if (result == 0 || result == -E_INPROGRESS)
		return 0;
	file_release(*opened);
	return result;
}

static int open_listen(struct process *process, const char *host, u32 port, bool nonblocking, struct file **opened)
{
	struct address address;
	if (!read_ipv4(host, &address))
		return -E_INVAL;
	int result = open_new_socket(process, nonblocking, opened);
	if (result < 0)
		return result;
	(*opened)->socket->reuse_address = true;
	result = tcp_bind((*opened)->socket, address, port);
	if (result == 0)
		result = tcp_listen((*opened)->socket, DEFAULT_BACKLOG);
	if (result < 0)
		file_release(*opened);
	return result;
}

static int open_accept(struct process *process, const char *id, bool nonblocking, struct file **opened)
{
	struct file *listener = net_own_socket(process, id);
	if (!listener)
		return -E_BADF;
	return wasi_accept(process, listener->socket, !nonblocking && !listener->nonblocking, opened);
}

/* The first end is opened as `tcp/pair`; the second waits in it until `tcp/pair/ID`. */
static int open_pair(struct process *process, const char *id, bool nonblocking, struct file **opened)
{
	struct socket *pair[2];
	if (*id) {
		struct file *first = net_own_socket(process, id);
		struct socket *second =
			first && socket_is_stream(first->socket) ? atomic_exchange(&first->socket->twin, NULL) : NULL;
		if (!second)
			return -E_BADF;
		return net_open_socket(process, second, nonblocking, opened);
	}
	int result = tcp_pair(process->pod, pair);
	if (result < 0)
		return result;
	pair[0]->twin = pair[1];
	return net_open_socket(process, pair[0], nonblocking, opened);
}

int net_open_text(struct process *process, enum file_kind kind, u32 size, struct file **opened)
{
	struct account *account = process->pod->account;
	struct file *file = file_create(account, kind);
	struct text *text = file ? memory_allocate(account, sizeof(*text) + size) : NULL;
	if (!text) {
		if (file) {
			file->kind = FILE_NET_DIRECTORY; /* no text to free */
			file_release(file);
		}
		return -E_NOMEM;
	}
	*text = (struct text){.size = size};
	file->text = text;
	*opened = file;
	return 0;
}

static const struct option {
	const char *name;
	u32 level, number;
} options[] = {
	{"reuseaddr", 1, 2},      {"type", 1, 3},      {"broadcast", 1, 6}, {"sndbuf", 1, 7},
	{"rcvbuf", 1, 8},         {"keepalive", 1, 9}, {"linger", 1, 13},   {"reuseport", 1, 15},
	{"acceptconn", 1, 30},    {"nodelay", 6, 1},   {"keepidle", 6, 4},  {"keepintvl", 6, 5},
	{"keepcnt", 6, 6},        {"nocheck", 1, 11},  {"protocol", 1, 38}, {"headers", 17, UDP_HEADERS},
	{"drops", 17, UDP_DROPS}, {"rcvtimeo", 1, 20}, {"sndtimeo", 1, 21},
};

static const struct option *option_named(const char *name)
{
	for (u32 i = 0; i < COUNT_OF(options); i++)
		if (text_equal(options[i].name, name))
			return &options[i];
	return NULL;
}

static void write_options(struct writer *writer, struct socket *socket)
{
	for (u32 i = 0; i < COUNT_OF(options); i++) {
		i32 value;
		if (socket_option_get(socket, options[i].level, options[i].number, &value) < 0)
			continue;
		write_text(writer, options[i].name);
		write_text(writer, " ");
		write_number(writer, value);
		write_text(writer, "\n");
	}
}

static int write_remote(struct writer *writer, struct socket *socket)
{
	if (atomic_load(&socket->state) != TCP_ESTABLISHED)
		return -E_NOTCONN;
	write_endpoint(writer, socket_ends(socket).remote);
	return 0;
}

static int write_error(struct writer *writer, struct socket *socket)
{
	u32 error = socket_take_error(socket);
	write_number(writer, error ? wasi_errno(error) : 0);
	return 0;
}

/* The text of sock/ID/WHAT. */
static int write_socket(struct process *process, struct file *opened, const char *id, const char *what,
			struct writer *writer)
{
	struct file *file = net_own_socket(process, id);
	if (!file)
		return -E_NOENT;
	int result = 0;
	if (text_equal(what, "local"))
		write_endpoint(writer, socket_ends(file->socket).local);
	else if (text_equal(what, "remote"))
		result = write_remote(writer, file->socket);
	else if (text_equal(what, "error"))
		result = write_error(writer, file->socket);
	else if (text_equal(what, "options"))
		opened->option_socket = file->socket->id, write_options(writer, file->socket);
	else
		result = -E_NOENT;
	if (result == 0 && !opened->option_socket)
		write_text(writer, "\n");
	return result;
}

int net_split(struct words *words, const char *text, u32 length, char separator)
{
	struct reader reader = {text, text + length};
	u32 count = 0;
	memset(words, 0, sizeof(*words));
	while (reader.at < reader.end) {
		if (*reader.at == separator) {
			reader.at++;
			continue;
		}
		if (count == WORDS || !read_word(&reader, separator, words->word[count], WORD_SIZE))
			return -E_INVAL;
		count++;
	}
	return (int)count;
}

static int open_tcp(struct process *process, const struct words *path, u32 count, bool nonblocking,
		    struct file **opened)
{
	const char *verb = path->word[1], *host = path->word[2];
	u32 port;
	if (text_equal(verb, "socket") && count == 2)
		return open_new_socket(process, nonblocking, opened);
	if (text_equal(verb, "pair") && (count == 2 || count == 3))
		return open_pair(process, host, nonblocking, opened);
	if (text_equal(verb, "dup") && count == 3) {
		struct file *file = net_own_socket(process, host);
		if (!file || !socket_is_stream(file->socket))
			return -E_BADF;
		*opened = file_hold(file);
		return 0;
	}
	if (text_equal(verb, "accept") && count == 3)
		return open_accept(process, host, nonblocking, opened);
	if (count != 4)
		return -E_NOENT;
	if (!read_number(path->word[3], 65535, &port))
		return -E_INVAL;
	if (text_equal(verb, "connect"))
		return open_connect(process, host, port, nonblocking, opened);
	if (text_equal(verb, "listen"))
		return open_listen(process, host, port, nonblocking, opened);
	return -E_NOENT;
}

static int open_answer(struct process *process, const struct words *path, u32 count, struct file **opened)
{
	int result = net_open_text(process, FILE_TEXT, TEXT_SIZE, opened);
	if (result < 0)
		return result;
	struct writer writer = net_writer((*opened)->text);
	if (text_equal(path->word[0], "hostname") && count == 1)
		write_text(&writer, process->pod->hostname), write_text(&writer, "\n");
	else if (text_equal(path->word[0], "interfaces") && count == 1)
		net_write_interfaces(process, &writer);
	else if (text_equal(path->word[0], "dns") && count == 2)
		result = net_write_addresses(process, path->word[1], &writer);
	else if (text_equal(path->word[0], "dns") && text_equal(path->word[1], "reverse") && count == 3)
		result = net_write_reverse(process, path->word[2], &writer);
	else if (text_equal(path->word[0], "sock") && count == 3)
		result = write_socket(process, *opened, path->word[1], path->word[2], &writer);
	else
		result = -E_NOENT;
	net_finish((*opened)->text, &writer);
	if (result < 0)
		file_release(*opened);
	return result;
}

int net_open(struct process *process, const char *path, bool nonblocking, struct file **opened)
{
	struct words words;
	int count = net_split(&words, path, text_length(path), '/');
	if (count < 0)
		return count;
	if (count == 0 || (count == 1 && text_equal(words.word[0], "."))) {
		*opened = file_create(process->pod->account, FILE_NET_DIRECTORY);
		return *opened ? 0 : -E_NOMEM;
	}
	if (text_equal(words.word[0], "tcp"))
		return open_tcp(process, &words, (u32)count, nonblocking, opened);
	if (text_equal(words.word[0], "udp"))
		return net_open_udp(process, &words, (u32)count, nonblocking, opened);
	if (text_equal(words.word[0], "ctl") && count == 1)
		return net_open_text(process, FILE_CONTROL, TEXT_SIZE, opened);
	if (text_equal(words.word[0], "hosts") && count == 1)
		return net_open_hosts(process, opened);
	return open_answer(process, &words, (u32)count, opened);
}

static int command_bind(struct socket *socket, const char *host, const char *number)
{
	struct address address;
	u32 port;
	if (!read_ipv4(host, &address) || !read_number(number, 65535, &port))
		return -E_INVAL;
	return socket_bind(socket, address, port);
}

static int command_connect(struct process *process, struct file *file, const char *host, const char *number)
{
	struct address address;
	u32 port;
	if (!read_number(number, 65535, &port))
		return -E_INVAL;
	int result = net_resolve(process, host, &address, 1);
	return result < 0 ? result : socket_connect(file->socket, address, port, !file->nonblocking);
}

static int command_set(struct socket *socket, const char *name, const char *number)
{
	const struct option *option = option_named(name);
	i32 value;
	if (!option)
		return -E_NOPROTOOPT;
	if (!read_signed(number, &value))
		return -E_INVAL;
	return socket_option_set(socket, option->level, option->number, value);
}

static int command_get(struct socket *socket, const char *name, struct writer *writer)
{
	const struct option *option = option_named(name);
	i32 value;
	int result = option ? socket_option_get(socket, option->level, option->number, &value) : -E_NOPROTOOPT;
	if (result == 0)
		write_number(writer, value);
	return result;
}

static int command_shutdown(struct socket *socket, const char *how)
{
	if (text_equal(how, "r"))
		return socket_shutdown(socket, TCP_SHUT_READ);
	if (text_equal(how, "w"))
		return socket_shutdown(socket, TCP_SHUT_WRITE);
	if (text_equal(how, "rw"))
		return socket_shutdown(socket, TCP_SHUT_READ | TCP_SHUT_WRITE);
	return -E_INVAL;
}

static int socket_command(struct process *process, const struct words *words, struct writer *writer)
{
	const char *verb = words->word[0], *first = words->word[2], *second = words->word[3];
	struct file *file = net_own_socket(process, words->word[1]);
	u32 number;
	if (!file)
		return -E_BADF;
	struct socket *socket = file->socket;
	if (text_equal(verb, "connect"))
		return command_connect(process, file, first, second);
	if (text_equal(verb, "bind"))
		return command_bind(socket, first, second);
	if (text_equal(verb, "listen"))
		return read_number(first, INT32_MAX, &number) ? socket_listen(socket, number) : -E_INVAL;
	if (text_equal(verb, "local"))
		return write_endpoint(writer, socket_ends(socket).local), 0;
	if (text_equal(verb, "remote"))
		return write_remote(writer, socket);
	if (text_equal(verb, "error"))
		return write_error(writer, socket);
	if (text_equal(verb, "get"))
		return command_get(socket, first, writer);
	if (text_equal(verb, "set"))
		return command_set(socket, first, second);
	if (text_equal(verb, "shutdown"))
		return command_shutdown(socket, first);
	return -E_INVAL;
}

i32 net_control(struct process *process, struct file *file, const char *command, u32 length)
{
	struct words words;
	u32 trimmed = length;
	while (trimmed && command[trimmed - 1] == '\n')
		trimmed--;
	int result = net_split(&words, command, trimmed, ' ');
	if (result < 0)
		return result;
	struct writer writer = net_writer(file->text);
	if (text_equal(words.word[0], "dns"))
		result = net_write_addresses(process, words.word[1], &writer);
	else if (text_equal(words.word[0], "reverse"))
		result = net_write_reverse(process, words.word[1], &writer);
	else
		result = socket_command(process, &words, &writer);
	if (result < 0)
		writer.at = file->text->bytes;
	net_finish(file->text, &writer);
	return result < 0 ? result : (i32)length;
}

i32 net_write_options(struct process *process, struct file *file, const char *line, u32 length)
{
	struct words words;
	u32 trimmed = length;
	while (trimmed && line[trimmed - 1] == '\n')
		trimmed--;
	int result = net_split(&words, line, trimmed, ' ');
	if (result < 0)
		return result;
	struct file *own = net_socket_file(process, file->option_socket);
	result = own ? command_set(own->socket, words.word[0], words.word[1]) : -E_BADF;
	return result < 0 ? result : (i32)length;
}
