package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// execHook runs a command of the node's file: the message is JSON on its standard input.
type execHook struct{ argv []string }

const (
	maxOutput = 4 << 10         // bytes of what a command says that are kept, for its error
	killWait  = 2 * time.Second // for a command that was killed, or for who holds its output
)

// environment is all that a command finds in its environment, besides what the message is.
func environment(m Message) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		"SQLRING_EVENT_ID=" + m.ID, "SQLRING_EVENT_KEY=" + m.Key, "SQLRING_STATUS=" + m.Status.String(),
		"SQLRING_SEVERITY=" + m.Severity.String(), "SQLRING_TOPIC=" + m.Topic.String(), "SQLRING_SUBJECT=" + m.Subject,
		"SQLRING_RING=" + m.Ring, "SQLRING_NODE=" + string(m.Node), "SQLRING_STATE=" + m.To,
	}
}

// Send implements sender. The command leads a process group of its own, which is killed
// when ctx ends.
func (h execHook) Send(ctx context.Context, m Message) error {
	body, err := m.body()
	if err != nil {
		return err
	}
	said := &tail{}
	cmd := exec.CommandContext(ctx, h.argv[0], h.argv[1:]...)
	cmd.Env, cmd.Dir = environment(m), "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(body), said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killWait
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s did not end in time, and was killed: %w", h.argv[0], context.Cause(ctx))
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it has ended well; something that it left behind holds its output
	}
	return fmt.Errorf("%s: %w: %s", h.argv[0], err, said)
}

// tail keeps the last bytes that are written to it. Only one goroutine writes, since
// standard output and standard error of a command are the same one.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-maxOutput):]...)
	if over := len(t.kept) - maxOutput; over > 0 {
		t.kept = append(t.kept[:0:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	text := strings.Join(strings.Fields(string(t.kept)), " ")
	if text == "" {
		return "it said nothing"
	}
	return strings.ToValidUTF8(text, "?")
}
