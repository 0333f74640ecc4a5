package hook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// firing is a message of a level that was entered; resolved, of its end.
func firing() Message {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return messageOf("shop", "n1", topology.Message{
		ID: "7-1", Phase: topology.PhaseFiring, Began: at,
		Notice: topology.Notice{
			Seq: 7, Index: 40, At: at, By: "controller@n1", Topic: topology.TopicLag, Subject: "m2", Member: "m2", From: "warn", To: "drain",
			Phase: topology.PhaseFiring, Severity: topology.UrgencyCritical, Was: topology.UrgencyWarning, Since: at,
			What: "the lag level of m2 is drain", Why: "its lag is <40 s> & grows", Remedy: "sqlring lag", Evidence: []string{"behind m1: 40000 ms"},
		},
	})
}

func resolved() Message {
	m := firing()
	m.ID, m.Status, m.From, m.To, m.Was, m.Severity = "shop-8-2", topology.PhaseResolved, "drain", "fresh", topology.UrgencyCritical, topology.UrgencyCritical
	return m
}

// web is a receiver that answers as it is told, and keeps what it got.
type web struct {
	*httptest.Server

	status  []int // of each answer; then 200
	headers []http.Header
	bodies  [][]byte
}

func startWeb(t *testing.T, status ...int) *web {
	t.Helper()
	w := &web{status: status}
	w.Server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.Close)
	return w
}

func (w *web) serve(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.headers, w.bodies = append(w.headers, r.Header), append(w.bodies, body)
	code := http.StatusOK
	if len(w.status) > 0 {
		code, w.status = w.status[0], w.status[1:]
	}
	if code == http.StatusFound {
		rw.Header().Set("Location", "/elsewhere")
	}
	rw.WriteHeader(code)
	_, _ = rw.Write([]byte("what it says"))
}

func senderOf(t *testing.T, s Spec) sender {
	t.Helper()
	if s.Route.Hook == "" {
		s.Route.Hook = "x"
	}
	to, err := s.withDefaults().sender()
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// strictly decodes a body into what is documented: a field that is not is an error.
func strictly(t *testing.T, body []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

// The signature is computed here as docs/hooks.md tells a receiver to.
func TestAWebhookIsSigned(t *testing.T) {
	w := startWeb(t)
	if err := senderOf(t, Spec{Type: TypeWebhook, URL: w.URL + "/in", Secret: "k3y"}).Send(t.Context(), firing()); err != nil {
		t.Fatal(err)
	}
	stamp, signature, ok := strings.Cut(strings.TrimPrefix(w.headers[0].Get("X-Sqlring-Signature"), "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte("k3y"))
	mac.Write([]byte(stamp + "."))
	mac.Write(w.bodies[0])
	if want := hex.EncodeToString(mac.Sum(nil)); !ok || signature != want {
		t.Errorf("signature %q of %q, want %s", signature, stamp, want)
	}
	if at, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		t.Errorf("stamp %s: %v", stamp, err)
	}
	var m Message
	strictly(t, w.bodies[0], &m)
	if m.ID != w.headers[0].Get("X-Sqlring-Event-Id") || m.Key != "shop/lag/m2" || m.To != "drain" || m.Version != 1 || w.headers[0].Get("Content-Type") != "application/json" {
		t.Errorf("got %+v", m)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for _, tt := range []struct {
		code    int
		ok      bool
		forEver bool
	}{
		{200, true, false},
		{202, true, false},
		{204, true, false},
		{302, false, true},
		{400, false, true},
		{404, false, true},
		{408, false, false},
		{429, false, false},
		{500, false, false},
		{503, false, false},
	} {
		w := startWeb(t, tt.code)
		err := senderOf(t, Spec{Type: TypeWebhook, URL: w.URL + "/TOPSECRET"}).Send(t.Context(), firing())
		if (err == nil) != tt.ok || errors.Is(err, errRefused) != tt.forEver || len(w.bodies) != 1 {
			t.Errorf("%d: %v, after %d requests", tt.code, err, len(w.bodies))
		}
		if err != nil && (strings.Contains(err.Error(), "TOPSECRET") || !strings.Contains(err.Error(), strconv.Itoa(tt.code))) {
			t.Errorf("%d: the error is %v", tt.code, err)
		}
	}
}

func TestARateLimitIsHeeded(t *testing.T) {
	w := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer w.Close()
	err := senderOf(t, Spec{Type: TypeWebhook, URL: w.URL}).Send(t.Context(), firing())
	var after laterError
	if !errors.As(err, &after) || after.after != 7*time.Second {
		t.Errorf("got %v", err)
	}
}

// A certificate that nobody vouches for is not believed; one of the named authority is.
func TestCertificatesAreJudged(t *testing.T) {
	w := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer w.Close()
	w.Config.ErrorLog = nil
	if err := senderOf(t, Spec{Type: TypeWebhook, URL: w.URL}).Send(t.Context(), firing()); err == nil {
		t.Error("a certificate of nobody was believed")
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	to := senderOf(t, Spec{Type: TypeWebhook, URL: w.URL, CA: ca})
	if err := to.Send(t.Context(), firing()); err != nil {
		t.Error(err)
	}
	to.(webhook).client.CloseIdleConnections()
}

// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
// /legacy/legacy-messaging/legacy-secondary-message-attachments: text, and attachments
// with color, fallback, text, fields of title, value and short, footer and ts.
func TestSlackGetsWhatItTakes(t *testing.T) {
	w := startWeb(t)
	to := senderOf(t, Spec{Type: TypeSlack, URL: w.URL + "/services/T/B/X"})
	for _, m := range []Message{firing(), resolved()} {
		if err := to.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	type message struct {
		Text        string `json:"text"`
		Attachments []struct {
			Color, Fallback, Text, Footer string
			TS                            int64
			Fields                        []struct {
				Title, Value string
				Short        bool
			}
		} `json:"attachments"`
	}
	var fires, ends message
	strictly(t, w.bodies[0], &fires)
	strictly(t, w.bodies[1], &ends)
	a := fires.Attachments[0]
	if fires.Text != "[CRITICAL] shop: the lag level of m2 is drain" || a.Color != "danger" || !strings.Contains(a.Text, "&lt;40 s&gt; &amp; grows") || a.TS != firing().Since.Unix() {
		t.Errorf("firing is %+v", fires)
	}
	if !strings.HasPrefix(ends.Text, "[RESOLVED]") || ends.Attachments[0].Color != "good" {
		t.Errorf("resolved is %+v", ends)
	}
}

// https://developer.pagerduty.com/docs/send-alert-event: routing_key, event_action and, of
// a trigger, payload with summary (1024), source and severity; dedup_key (255). The
// answer is 202.
func TestPagerDutyTriggersAndResolvesOneIncident(t *testing.T) {
	w := startWeb(t, http.StatusAccepted, http.StatusAccepted, http.StatusAccepted)
	to := senderOf(t, Spec{Type: TypePagerDuty, URL: w.URL + "/v2/enqueue", Secret: "0123456789abcdef0123456789abcdef"})
	long, told := firing(), firing()
	long.What = strings.Repeat("é", 2000)
	told.Status = topology.PhaseTold
	for _, m := range []Message{long, resolved(), told} {
		if err := to.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	type event struct {
		RoutingKey  string `json:"routing_key"`
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Client      string `json:"client"`
		Payload     *struct {
			Summary, Source, Severity, Timestamp, Component, Group, Class string
			CustomDetails                                                 Message `json:"custom_details"`
		} `json:"payload"`
	}
	var got [3]event
	for i := range got {
		strictly(t, w.bodies[i], &got[i])
		if len(got[i].RoutingKey) != 32 || got[i].DedupKey == "" || len([]rune(got[i].DedupKey)) > 255 {
			t.Errorf("event %d is %+v", i, got[i])
		}
	}
	p := got[0].Payload
	if got[0].EventAction != "trigger" || p == nil || len([]rune(p.Summary)) != 1024 || p.Source == "" || p.Severity != "critical" {
		t.Fatalf("the trigger is %+v", got[0])
	}
	if _, err := time.Parse(time.RFC3339, p.Timestamp); err != nil {
		t.Error(err)
	}
	if got[1].EventAction != "resolve" || got[1].Payload != nil || got[1].DedupKey != got[0].DedupKey {
		t.Errorf("the end is %+v of %s", got[1], got[0].DedupKey)
	}
	if got[2].DedupKey == got[0].DedupKey {
		t.Error("what only happened is the incident of what lasts")
	}
	if u := (Spec{Type: TypePagerDuty}).withDefaults().URL; u != "https://events.pagerduty.com/v2/enqueue" {
		t.Errorf("it posts to %s", u)
	}
}

// postableAlerts of api/v2/openapi.yaml: a list; labels are required, their names
// [a-zA-Z_][a-zA-Z0-9_]*.
func TestAlertmanagerIsToldOfOneAlertThatLasts(t *testing.T) {
	w := startWeb(t)
	to := senderOf(t, Spec{Type: TypeAlertmanager, URL: w.URL, Route: topology.HookRoute{Hook: "am", Repeat: time.Minute}})
	again := firing()
	again.Repeat = 1
	for _, m := range []Message{firing(), again, resolved()} {
		if err := to.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	type postable struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
	}
	var first, second, ends []postable
	strictly(t, w.bodies[0], &first)
	strictly(t, w.bodies[1], &second)
	strictly(t, w.bodies[2], &ends)
	if len(first) != 2 || first[0].Labels["severity"] != "warning" || first[0].EndsAt.After(time.Now()) {
		t.Fatalf("with the severity the alert changes: %+v", first)
	}
	a := first[1]
	if a.Labels["alertname"] != "SqlringEvent" || a.Labels["severity"] != "critical" || a.EndsAt.Before(time.Now().Add(3*time.Minute)) || a.Annotations["summary"] == "" {
		t.Errorf("the alert is %+v", a)
	}
	if len(second) != 1 || len(ends) != 1 || ends[0].EndsAt.After(time.Now()) || ends[0].EndsAt.Before(ends[0].StartsAt) {
		t.Errorf("again %+v, the end %+v", second, ends)
	}
	for _, other := range [][]postable{second, ends} {
		if got, want := other[0].Labels, a.Labels; len(got) != len(want) || got["severity"] != want["severity"] || got["subject"] != want["subject"] {
			t.Errorf("another alert: %v, %v", got, want)
		}
	}
}

func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return path
}

func TestACommandGetsTheMessageAndNoSecrets(t *testing.T) {
	t.Setenv("TOPSECRET", "of the node")
	dir := t.TempDir()
	to := senderOf(t, Spec{Type: TypeExec, Command: []string{program(t, "cat > "+dir+"/in; env > "+dir+"/env; echo $1 > "+dir+"/arg\n"), "a b; $(x)"}})
	if err := to.Send(t.Context(), firing()); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var m Message
	strictly(t, read("in"), &m)
	if m.Key != "shop/lag/m2" || string(read("arg")) != "a b; $(x)\n" {
		t.Errorf("got %+v, argument %q", m, read("arg"))
	}
	env := strings.Split(string(read("env")), "\n")
	if !slices.Contains(env, "SQLRING_SEVERITY=critical") || slices.ContainsFunc(env, func(e string) bool { return strings.Contains(e, "TOPSECRET") }) {
		t.Errorf("its environment is %q", env)
	}
}

func TestACommandThatFailsSaysWhy(t *testing.T) {
	to := senderOf(t, Spec{Type: TypeExec, Command: []string{program(t, "head -c 100000 /dev/zero | tr '\\0' x; echo the end of it >&2; exit 3\n")}})
	err := to.Send(t.Context(), firing())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the end of it") || len(err.Error()) > 2*maxOutput {
		t.Errorf("got %v", err)
	}
	if err := senderOf(t, Spec{Type: TypeExec, Command: []string{"/no/such/program"}}).Send(t.Context(), firing()); err == nil {
		t.Error("a program that is not there ran")
	}
}

// A command that hangs is killed with all that it has started.
func TestACommandThatHangsIsKilledWithItsChildren(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	to := senderOf(t, Spec{Type: TypeExec, Command: []string{program(t, "sleep 300 &\necho $! > "+file+"\nwait\n")}})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := to.Send(ctx, firing())
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		t.Fatalf("after %s: %v", took, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "its child is gone", func() bool {
		if syscall.Kill(pid, 0) != nil {
			return true
		}
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat") // where nobody reaps, a dead one stays
		return err != nil || strings.Contains(string(state), ") Z ")
	})
}

// A command that leaves something behind which holds its output has worked.
func TestACommandThatLeavesADaemonHasWorked(t *testing.T) {
	to := senderOf(t, Spec{Type: TypeExec, Command: []string{program(t, "sleep 4 &\nexit 0\n")}})
	began := time.Now()
	if err := to.Send(t.Context(), firing()); err != nil || time.Since(began) > 3500*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
