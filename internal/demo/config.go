package demo

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ServerConfig says what [StartServer] starts. Name, Dir, ManagerUser and
// ManagerPassword are required.
type ServerConfig struct {
	Name            string   // for messages and scripts, "m1"
	Dir             string   // empty or made by an earlier start; created if it is not there
	Binaries        Binaries // zero: FindBinaries
	ManagerUser     string   // the account of sqlring, for this machine only
	ManagerPassword string
	RootPassword    string   // of a new server; empty: drawn at random
	Template        string   // a data directory to copy (InstallDataDir); empty: make one
	Options         []string // further lines of my.cnf, after ours and stronger than them
	// Host is the address that it listens on and is reached at; empty: 127.0.0.1.
	// Any other lets its accounts in from everywhere.
	Host string
	// Namespace is the network namespace (ip-netns(8)) that it runs in; empty: ours.
	Namespace string
}

func (c ServerConfig) validate() error {
	switch {
	case c.Name == "" || strings.ContainsAny(c.Name, "'\n"):
		return fmt.Errorf("server name %q is not usable", c.Name)
	case c.Dir == "" || strings.ContainsAny(c.Dir, "'\n\" #"):
		// The path stands in a shell script and in an option file.
		return fmt.Errorf("directory %q of server %s: no spaces, quotes or # please", c.Dir, c.Name)
	case strings.ContainsFunc(c.Namespace, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }):
		return fmt.Errorf("server %s: network namespace %q is not usable", c.Name, c.Namespace)
	case c.ManagerUser == "" || c.ManagerUser == rootUser || c.ManagerPassword == "":
		return fmt.Errorf("server %s: the manager needs a user other than root, and a password", c.Name)
	}
	return nil
}

// redoLogSize keeps a server's directory, and each copy of a template, small.
const redoLogSize = "16M"

// The files of a server's directory.
const (
	stateFile   = "server.json" // marks the directory as ours
	optionFile  = "my.cnf"
	startScript = "start.sh"
	watchScript = "watch.sh"
	logFile     = "server.log"
	pidFile     = "server.pid"
	firstSQL    = "accounts.sql" // there only while the server starts
	dataDir     = "data"
	tempDir     = "tmp"
)

// writeOptions writes my.cnf. What a MariaDB is set to by SQL is gone after a
// restart, so all that keeps a restarted member harmless has to stand here:
// these are the lines that `ring check` asks of every member. What differs
// from member to member, identity and slot, is set by the controller at every
// boot, before anything is started or opened.
func writeOptions(path string, st serverState, extra []string) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Server %s of sqlring's demo. Written anew at every start.", st.Name)
	line("[%s]", map[bool]string{false: "mariadbd", true: "mysqld"}[st.MySQL])
	if os.Geteuid() == 0 {
		line("user=root")
	}
	line("datadir=%s", filepath.Join(st.Dir, dataDir))
	// Its own: a server that starts removes temporary tables from its tmpdir, those
	// of another server too.
	line("tmpdir=%s", filepath.Join(st.Dir, tempDir))
	line("socket=%s", st.Socket)
	line("port=%d", st.Port)
	line("bind_address=%s", st.Host)
	line("log_error=%s", filepath.Join(st.Dir, logFile))
	line("pid_file=%s", filepath.Join(st.Dir, dataDir, "mariadbd.pid"))
	if st.MySQL {
		b.WriteString(smallMySQL)
	} else {
		b.WriteString(staticSafety)
		b.WriteString(smallServer)
	}
	for _, option := range extra {
		line("%s", option)
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

const staticSafety = `
# Boots closed: writes are refused, and nothing is pulled, until the controller
# has set identity and slot. Otherwise it would write as domain 0, server 1.
read_only=1
skip_slave_start=1
event_scheduler=OFF
# What the ring passes on: every transaction, by rows, the replicated ones too.
log_bin=binlog
log_slave_updates=1
binlog_format=ROW
relay_log=relay
# What was acknowledged is on the disk.
sync_binlog=1
innodb_flush_log_at_trx_commit=1
# A ring's rules. Without ignore_duplicates a re-pointed member stops (1236);
# parallel threads apply domains independently of each other; the default DDL
# mode lets two equal CREATE TABLE swap their tables.
gtid_strict_mode=1
gtid_ignore_duplicates=1
slave_parallel_threads=0
slave_ddl_exec_mode=STRICT
innodb_autoinc_lock_mode=2
# A frozen upstream is noticed within 2 s, in which a source has to have read a file of its
# binlog: it sends nothing before.
slave_net_timeout=2
max_binlog_size=64M
`

const smallServer = `
# What an application may expect.
character_set_server=utf8mb4
max_allowed_packet=64M
local_infile=1
max_connections=500
# Small, and without a name server.
skip_name_resolve=1
performance_schema=OFF
innodb_buffer_pool_size=64M
innodb_log_file_size=` + redoLogSize + `
innodb_buffer_pool_dump_at_shutdown=OFF
innodb_buffer_pool_load_at_startup=OFF
`

// writeScripts writes the two shell scripts of a server's directory.
//
// start.sh starts the server again, from any process, and detaches it from
// that one; it does nothing if the server runs. Called with the server's own
// argument it becomes the server: so the process can be recognised from its
// first instruction on.
//
// watch.sh waits for the end of its input, a pipe that the starting process
// holds open and cannot help closing when it dies, and then kills the server.
// (The kernel's parent-death signal is bound to a thread; Go's come and go.)
func writeScripts(st serverState, server string) error {
	enter := ""
	if st.Namespace != "" {
		enter = "nsenter --net=/run/netns/" + st.Namespace + " "
	}
	render := strings.NewReplacer("@NAME@", st.Name, "@DIR@", st.Dir, "@SERVER@", server, "@ENTER@", enter).Replace
	for name, text := range map[string]string{startScript: startText, watchScript: watchText} {
		if err := os.WriteFile(filepath.Join(st.Dir, name), []byte(render(text)), 0o700); err != nil {
			return err
		}
	}
	return nil
}

const startText = `#!/bin/sh
# Starts server @NAME@ again, detached from the caller. Nothing happens if it runs.
mine='--defaults-file=@DIR@/` + optionFile + `'
umask 077
if [ "$1" = "$mine" ]; then # second stage: become the server
	echo $$ >'@DIR@/` + pidFile + `'
	exec @ENTER@'@SERVER@' "$@"
fi
if echo "$mine" | grep -qszxF -f - /proc/[0-9]*/cmdline; then exit 0; fi
setsid /bin/sh '@DIR@/` + startScript + `' "$mine" </dev/null >>'@DIR@/` + logFile + `' 2>&1 &
`

const watchText = `#!/bin/sh
# Kills server @NAME@ when the process that started it is gone.
mine='--defaults-file=@DIR@/` + optionFile + `'
read -r _
for file in $(echo "$mine" | grep -lszxF -f - /proc/[0-9]*/cmdline); do
	pid=${file#/proc/}
	kill -9 "${pid%/cmdline}" || : # it has ended
done
`

// logTail returns the end of the server's log, for error messages.
func (st serverState) logTail() string {
	f, err := os.Open(filepath.Join(st.Dir, logFile))
	if err != nil {
		return "no log"
	}
	defer func() { _ = f.Close() }()
	const window = 4096
	if size, err := f.Seek(0, io.SeekEnd); err == nil && size > window {
		_, _ = f.Seek(-window, io.SeekEnd)
	} else {
		_, _ = f.Seek(0, io.SeekStart)
	}
	text, _ := io.ReadAll(io.LimitReader(f, window))
	return lastLines(string(text), 12)
}
