package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// ErrRuns is returned by [StartServer] if the directory's server runs already.
// The remedy is to end the demo that started it.
var ErrRuns = errors.New("server runs already")

// Server is one server that [StartServer] has started. Its fields do not
// change; its methods may be called from several goroutines.
type Server struct {
	Name         string
	Addr         string // host:port
	Socket       string // path of its unix socket
	Dir          string // absolute
	RootUser     string // may log in from localhost and 127.0.0.1
	RootPassword string
	// Restart is the command that starts this server again after it was killed.
	// Any process may run it: the server is detached from the caller, and it is
	// still stopped by Stop. The command returns before the server answers.
	Restart []string

	state   serverState
	unwatch func() error // ends the watcher; again: nothing more
}

const (
	readyTimeout = 30 * time.Second
	loginTimeout = time.Second
)

// StartServer starts the server of cfg.Dir and returns once it answers. A new
// directory is filled; one of an earlier start is used again, with its port
// and its data. The server is closed and follows nobody. It ends with the
// process that called StartServer at the latest; the caller stops it earlier by
// [Server.Stop].
//
// Errors: ErrNoServer, ErrForeignDir, ErrRuns, or what the server's log says.
func StartServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Binaries == (Binaries{}) {
		found, err := FindBinaries()
		if err != nil {
			return nil, err
		}
		cfg.Binaries = found
	}
	st, err := openDir(cfg)
	if err != nil {
		return nil, err
	}
	if pids := st.processes(); len(pids) > 0 {
		return nil, fmt.Errorf("server %s in %s, pid %v: %w", st.Name, st.Dir, pids, ErrRuns)
	}
	if err := fillData(ctx, cfg, st); err != nil {
		return nil, fmt.Errorf("server %s: %w", st.Name, err)
	}
	return startOnPort(ctx, cfg, st)
}

// startOnPort starts the server on the port that it had, or on a new one. A new
// port may be taken by somebody else before the server gets it: then the next.
func startOnPort(ctx context.Context, cfg ServerConfig, st serverState) (*Server, error) {
	if st.Port != 0 {
		if !portIsFree(st.Port) {
			return nil, fmt.Errorf("server %s: its port %d is taken by another process", st.Name, st.Port)
		}
		return launch(ctx, cfg, st)
	}
	const attempts = 3
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return nil, fmt.Errorf("server %s: %w", st.Name, err)
		}
		st.Port = port
		server, err := launch(ctx, cfg, st)
		if err == nil || attempt == attempts || !strings.Contains(err.Error(), "Bind on TCP/IP port") {
			return server, err
		}
	}
}

// launch writes the files of the directory, starts the process and waits until
// it answers. If it returns an error, no process is left.
func launch(ctx context.Context, cfg ServerConfig, st serverState) (*Server, error) {
	accounts := filepath.Join(st.Dir, firstSQL)
	err := errors.Join(
		os.MkdirAll(filepath.Join(st.Dir, tempDir), 0o700),
		st.save(),
		writeOptions(filepath.Join(st.Dir, optionFile), st, cfg.Options),
		writeScripts(st, cfg.Binaries.Server),
		writeAccounts(accounts, st.RootPassword, cfg),
	)
	defer func() { _ = os.Remove(accounts) }()
	if err != nil {
		return nil, fmt.Errorf("write files of server %s: %w", st.Name, err)
	}
	unwatch, err := startWatcher(ctx, st)
	if err != nil {
		return nil, err
	}
	server := &Server{
		Name: st.Name, Addr: net.JoinHostPort(st.Host, strconv.Itoa(st.Port)), Socket: st.Socket, Dir: st.Dir,
		RootUser: rootUser, RootPassword: st.RootPassword,
		Restart: []string{"/bin/sh", filepath.Join(st.Dir, startScript)},
		state:   st, unwatch: unwatch,
	}
	ended, err := spawn(ctx, st, accounts)
	if err == nil {
		err = server.awaitReady(ctx, ended)
	}
	if err != nil {
		server.Kill()
		return nil, errors.Join(err, server.Stop(context.WithoutCancel(ctx)))
	}
	return server, nil
}

// spawn starts the server as a child in a session of its own: a Ctrl-C in the
// terminal reaches us alone, and we stop the servers in our order. The returned
// channel is closed when the child has ended and was reaped.
func spawn(ctx context.Context, st serverState, initFile string) (<-chan struct{}, error) {
	log, err := os.OpenFile(filepath.Join(st.Dir, logFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of server %s: %w", st.Name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), // it outlives the call
		"/bin/sh", filepath.Join(st.Dir, startScript), st.mark(), "--init-file="+initFile)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server %s: %w", st.Name, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
		st.note(fmt.Sprintf("process %d of server %s has ended: %s", cmd.Process.Pid, st.Name, cmd.ProcessState))
	}()
	return ended, nil
}

// note adds a line to the server's log, if there is one: who is killed writes none.
func (st serverState) note(line string) {
	log, err := os.OpenFile(filepath.Join(st.Dir, logFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(log, "%s sqlring: %s\n", time.Now().UTC().Format(time.RFC3339), line)
	_ = log.Close()
}

// Log is the path of the server's log, which a restart goes on with.
func (s *Server) Log() string { return filepath.Join(s.Dir, logFile) }

// awaitReady returns once root can log in.
func (s *Server) awaitReady(ctx context.Context, ended <-chan struct{}) error {
	const interval = 20 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := s.asRoot(ctx, "DO 1")
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("server %s ended at once; its log:\n%s", s.Name, s.state.logTail())
		case <-ctx.Done():
			return fmt.Errorf("server %s does not answer (%w): %w; its log:\n%s", s.Name, ctx.Err(), err, s.state.logTail())
		case <-time.After(interval):
		}
	}
}

// asRoot runs one statement over the unix socket, within loginTimeout.
func (s *Server) asRoot(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = s.RootUser, s.RootPassword, "unix", s.Socket
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statement)
	return err
}

// fillData gives the directory its data, from the template or from nothing.
func fillData(ctx context.Context, cfg ServerConfig, st serverState) error {
	data := filepath.Join(st.Dir, dataDir)
	if isDir(data) {
		return nil
	}
	if err := st.save(); err != nil { // from here on the directory is ours
		return err
	}
	if cfg.Template == "" {
		return InstallDataDir(ctx, cfg.Binaries, data)
	}
	draft := data + ".new"
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := os.CopyFS(draft, os.DirFS(cfg.Template)); err != nil {
		return fmt.Errorf("copy template: %w", err)
	}
	return os.Rename(draft, data)
}
