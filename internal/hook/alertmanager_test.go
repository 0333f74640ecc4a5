package hook

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// TestAlertmanagerItself: Debian's Alertmanager takes what it is sent, as one alert that
// fires, changes its severity, and is over.
func TestAlertmanagerItself(t *testing.T) {
	dir := os.Getenv("SQLRING_PROMETHEUS")
	if dir == "" {
		t.Skip("SKIPPED-NO-TOOL: SQLRING_PROMETHEUS is not set; `make alerts` runs it")
	}
	at := startAlertmanager(t, filepath.Join(dir, "bin/alertmanager"))
	to := senderOf(t, Spec{Type: TypeAlertmanager, URL: at, Route: topology.HookRoute{Hook: "am", Repeat: time.Minute}})
	t.Cleanup(to.(alertmanager).client.CloseIdleConnections)
	now := time.Now().UTC()
	warn := firing()
	warn.At, warn.Since, warn.Began, warn.Was, warn.Severity = now, now, now, topology.UrgencyInfo, topology.UrgencyWarning
	drain := firing()
	drain.At, drain.Since, drain.Began = now, now, now
	ends := resolved()
	ends.At, ends.Since, ends.Began = now, now, now
	for _, step := range []struct {
		what string
		sent Message
		want []string // severities of the alerts that fire
	}{
		{"a level is entered", warn, []string{"warning"}},
		{"it is told again", warn, []string{"warning"}},
		{"it becomes worse", drain, []string{"critical"}},
		{"it is over", ends, nil},
	} {
		if err := to.Send(t.Context(), step.sent); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		var got []string
		eventually(t, step.what, func() bool {
			got = alerts(t, at)
			return len(got) == len(step.want) && (len(got) == 0 || got[0] == step.want[0])
		})
	}
}

// alerts returns the severities of the alerts that fire.
func alerts(t *testing.T, at string) (severities []string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+"/api/v2/alerts?active=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	var list []struct{ Labels map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.Labels["alertname"] != "SqlringEvent" || a.Labels["subject"] != "m2" || a.Labels["ring"] != "shop" {
			t.Errorf("a strange alert: %v", a.Labels)
		}
		severities = append(severities, a.Labels["severity"])
	}
	return severities
}

func startAlertmanager(t *testing.T, program string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=") //nolint:noctx // it is ended below
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	eventually(t, "Alertmanager is ready", func() bool { return len(alerts(t, "http://"+addr)) == 0 })
	return "http://" + addr
}
