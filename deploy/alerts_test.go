package deploy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// received is a webhook that Alertmanager calls.
type received struct {
	mu     sync.Mutex
	states map[string]map[string]time.Time // by "alert member", by status: when it came first
}

func (r *received) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	var body struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range body.Alerts {
		key := strings.TrimSpace(a.Labels["alertname"] + " " + a.Labels["member"])
		if r.states[key] == nil {
			r.states[key] = map[string]time.Time{}
		}
		if _, known := r.states[key][a.Status]; !known {
			r.states[key][a.Status] = time.Now()
		}
	}
}

func (r *received) when(alert, status string) (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.states[alert][status]; ok {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%s is not %s; received: %v", alert, status, r.states)
}

// TestAlertsFireAndResolve runs Debian's Prometheus and Alertmanager, with the
// rules as they are shipped, over a ring of real servers: a member is killed, the
// alerts arrive; it is started again, they are resolved.
func TestAlertsFireAndResolve(t *testing.T) {
	prometheus := tool(t, "SQLRING_PROMETHEUS", "usr/bin/prometheus")
	alertmanager := tool(t, "SQLRING_PROMETHEUS", "bin/alertmanager")
	if os.Getenv("SQLRING_ALERTS") == "" {
		t.Skip("SKIPPED-NO-TOOL: it takes three minutes; `make alerts` runs it")
	}
	hook := &received{states: map[string]map[string]time.Time{}}
	server := httptest.NewServer(hook)
	t.Cleanup(server.Close)
	ready := startDemo(t, "3", "50")
	at := startPrometheus(t, prometheus, startAlertmanager(t, alertmanager, server.URL), strings.TrimPrefix(ready.API, "http://"))
	eventually(t, time.Minute, "the node is scraped", func() error { return query(t, at, `sqlring_ready == 1`, 1) })
	time.Sleep(20 * time.Second) // longer than the shortest "for": what would fire by itself does
	if err := query(t, at, `ALERTS{alertstate="firing"}`, 0); err != nil {
		t.Fatalf("alerts fire over a ring that is well: %v", err)
	}

	killed := time.Now()
	if err := syscall.Kill(ready.Members[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	want := []string{"SqlringTakeover", "SqlringMemberUnreachable m1", "SqlringMemberOut m1"}
	for _, alert := range want {
		eventually(t, 3*time.Minute, alert+" fires", func() error { _, err := hook.when(alert, "firing"); return err })
	}
	back := time.Now()
	if out, err := exec.CommandContext(t.Context(), ready.Members[0].Restart[0], ready.Members[0].Restart[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("restart: %v: %s", err, out)
	}
	for _, alert := range want[1:] { // a takeover is told for ten minutes
		eventually(t, 3*time.Minute, alert+" is resolved", func() error { _, err := hook.when(alert, "resolved"); return err })
	}
	for _, alert := range want {
		fired, _ := hook.when(alert, "firing")
		line := fmt.Sprintf("FIGURE %-28s arrived %5.1f s after the kill", alert, fired.Sub(killed).Seconds())
		if resolved, err := hook.when(alert, "resolved"); err == nil {
			line += fmt.Sprintf(", its end %5.1f s after the restart", resolved.Sub(back).Seconds())
		}
		t.Log(line)
	}
	if _, err := hook.when("SqlringUnitWithoutOwner", "firing"); err == nil {
		t.Error("a takeover that succeeds raised the alert on a unit without an owner")
	}
}

// query asks Prometheus, and complains unless so many series are the answer.
func query(t *testing.T, at, expr string, want int) error {
	t.Helper()
	text, err := fetch(t.Context(), at+"/api/v1/query?query="+strings.NewReplacer(" ", "%20", "{", "%7B", "}", "%7D", `"`, "%22", "=", "%3D").Replace(expr))
	if err != nil {
		return err
	}
	var answer struct {
		Data struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return err
	}
	if len(answer.Data.Result) != want {
		return fmt.Errorf("%s: %d series, want %d: %s", expr, len(answer.Data.Result), want, text)
	}
	return nil
}

func startAlertmanager(t *testing.T, program, hook string) string {
	t.Helper()
	dir, addr := t.TempDir(), mysqltest.FreeAddr(t)
	config := fmt.Sprintf("route: {receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\nreceivers: [{name: hook, webhook_configs: [{url: '%s', send_resolved: true}]}]\n", hook)
	write(t, filepath.Join(dir, "alertmanager.yml"), config)
	start(t, program, "--config.file="+filepath.Join(dir, "alertmanager.yml"), "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=")
	eventually(t, 20*time.Second, "Alertmanager is ready", func() error { _, err := fetch(t.Context(), "http://"+addr+"/-/ready"); return err })
	return addr
}

func startPrometheus(t *testing.T, program, alertmanager, node string) string {
	t.Helper()
	rulesPath, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	dir, addr := t.TempDir(), mysqltest.FreeAddr(t)
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ['%s']
alerting: {alertmanagers: [{static_configs: [{targets: ['%s']}]}]}
scrape_configs: [{job_name: sqlring, static_configs: [{targets: ['%s']}]}]
`, rulesPath, alertmanager, node))
	start(t, program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	eventually(t, 20*time.Second, "Prometheus is ready", func() error { _, err := fetch(t.Context(), "http://"+addr+"/-/ready"); return err })
	return "http://" + addr
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
