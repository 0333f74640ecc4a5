package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	rulesFile = "prometheus/sqlring.rules.yml"
	testsFile = "prometheus/sqlring.rules_test.yml"
)

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Load([]byte(read(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("%s has %d rules", rulesFile, len(all))
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whoever is woken by an alert is told what to do, and each alert is tested.
func TestEveryAlertSaysWhatToDoAndIsTested(t *testing.T) {
	tests := read(t, testsFile)
	for _, r := range rules(t) {
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || len(r.Annotations["runbook"]) < 40 {
			t.Errorf("%s does not say what is wrong and what to do", r.Alert)
		}
		if !strings.Contains(tests, fmt.Sprintf(`alertname="%s"`, r.Alert)) {
			t.Errorf("%s has no test in %s", r.Alert, testsFile)
		}
	}
}

var (
	metricName = regexp.MustCompile(`\b(?:sqlring|process|go)_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`\b((?:sqlring|process)_[a-z0-9_]+)\{([^}]*)\}`)
	labelName  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\w+) (\w+)`)
	sampleLine = regexp.MustCompile(`(?m)^(\w+)\{([^}]*)\}`)
)

// served returns the labels of every metric that a node serves, as a node shows
// them while it is well and while a member is lost.
func served(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	healing := apitest.NewRingOf(topology.InitRing{}, "m1", "m2", "m3")
	healing.BeginHeal("m1", topology.HealDrain)
	// What takes ten minutes to be known is known to be served by the tests of internal/api.
	all["sqlring_autoinc_runway_seconds"] = map[string]bool{"job": true, "instance": true, "schema": true, "table": true, "column": true}
	well := apitest.NewRing()
	well.Columns = []autoinc.Column{{Schema: "shop", Table: "orders", Column: "id", Max: 127, Next: 100}}
	well.OpenOutbox()
	well.Stats.Gates = []api.GateAt{{Member: "m1"}}
	well.Costs = []api.DigestAt{{Member: "m1"}}
	well.Told = []api.Hook{{Name: "pager"}}
	for _, node := range []*apitest.Node{well, healing} {
		text := scrape(t, node)
		for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
			if all[m[1]] == nil {
				all[m[1]] = map[string]bool{"job": true, "instance": true}
			}
		}
		for _, m := range sampleLine.FindAllStringSubmatch(text, -1) {
			for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
				if all[m[1]] != nil {
					all[m[1]][l[1]] = true
				}
			}
		}
	}
	return all
}

func scrape(t *testing.T, node *apitest.Node) string {
	t.Helper()
	s := api.New(api.Config{Listen: "127.0.0.1:0"}, node)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() { cancel(); <-done }()
	get(t, "http://"+s.Addr()+"/v1/autoinc/headroom") // it reads the columns, which else takes a while
	return get(t, "http://"+s.Addr()+"/metrics")
}

func get(t *testing.T, url string) string {
	t.Helper()
	text, err := fetch(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, text)
	}
	return string(text), err
}

// checkQuery complains about a metric that no node serves, and about a label that
// the metric does not have: such an alert never fires, such a panel stays empty.
func checkQuery(t *testing.T, where, expr string, all map[string]map[string]bool) {
	t.Helper()
	for _, name := range metricName.FindAllString(expr, -1) {
		if all[name] == nil {
			t.Errorf("%s: %s is not served", where, name)
		}
	}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			if all[m[1]] != nil && !all[m[1]][l[1]] {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
}

func TestRulesAskForWhatIsServed(t *testing.T) {
	all := served(t)
	for _, r := range rules(t) {
		checkQuery(t, r.Alert, r.Expr, all)
	}
}

type panel struct {
	ID      int                     `json:"id"`
	Title   string                  `json:"title"`
	GridPos struct{ W, X int }      `json:"gridPos"`
	Targets []struct{ Expr string } `json:"targets"`
}

type dashboard struct {
	Title       string                                 `json:"title"`
	Panels      []panel                                `json:"panels"`
	Annotations struct{ List []struct{ Expr string } } `json:"annotations"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var board dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/sqlring.json")), &board); err != nil {
		t.Fatal(err)
	}
	return board
}

func TestDashboardAsksForWhatIsServed(t *testing.T) {
	board := readDashboard(t)
	all := served(t)
	ids, queries := map[int]bool{}, 0
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q is wider than the board", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			checkQuery(t, p.Title, target.Expr, all)
		}
	}
	for _, a := range board.Annotations.List {
		checkQuery(t, "annotation", a.Expr, all)
	}
	if queries < 20 {
		t.Errorf("the dashboard has %d queries", queries)
	}
	if text := read(t, "grafana/sqlring.json"); !strings.Contains(text, "sqlring_write_admission_ratio") {
		t.Error("the dashboard does not show how many writes are let in")
	}
}

// query returns the only query of a panel, as Grafana would ask it.
func (d dashboard) query(t *testing.T, title string) string {
	t.Helper()
	for _, p := range d.Panels {
		if p.Title == title && len(p.Targets) == 1 {
			return asked(p.Targets[0].Expr)
		}
	}
	t.Fatalf("the dashboard has no panel %q with one query", title)
	return ""
}

// asked puts Grafana's variables in.
func asked(expr string) string {
	return strings.NewReplacer("$job", "sqlring", "$__rate_interval", "1m").Replace(expr)
}

// TestPromtoolReadsTheDashboard has Debian's promtool read every query, and ask those
// about writes that are held back: m2 lags behind m1, and is not to be blamed for what m3
// lags, which stands still.
func TestPromtoolReadsTheDashboard(t *testing.T) {
	promtool := tool(t, "SQLRING_PROMETHEUS", "usr/bin/promtool")
	board, dir := readDashboard(t), t.TempDir()
	type record struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var records []record
	for _, p := range board.Panels {
		for i, target := range p.Targets {
			records = append(records, record{fmt.Sprintf("panel:%d:%d", p.ID, i), asked(target.Expr)})
		}
	}
	share, why := board.query(t, "Share of the places for writes that there is"), board.query(t, "Why: the lag behind members whose writes are held back")
	series := func(name, labels, values string) map[string]string {
		return map[string]string{"series": name + `{job="sqlring",` + labels + "}", "values": values}
	}
	expects := func(expr, at string, want ...map[string]any) map[string]any {
		return map[string]any{"expr": expr, "eval_time": at, "exp_samples": want}
	}
	sample := func(labels string, value float64) map[string]any {
		return map[string]any{"labels": labels, "value": value}
	}
	behind := func(origin, member string) string { return fmt.Sprintf(`origin="%s",member="%s"`, origin, member) }
	write := func(file string, content any) string {
		t.Helper()
		text, err := yaml.Dump(content)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	rules := write("rules.yml", map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": records}}})
	tests := write("tests.yml", map[string]any{"evaluation_interval": "1m", "tests": []any{map[string]any{
		"interval": "1m",
		"input_series": []any{
			series("sqlring_write_admission_ratio", `instance="n1",member="m1"`, "1 0.25"),
			series("sqlring_write_admission_ratio", `instance="n2",member="m1"`, "1 0.5"),
			series("sqlring_write_admission_ratio", `instance="n1",member="m2"`, "1 1"),
			series("sqlring_lag_low_seconds", behind("m1", "m2"), "0 3"),
			series("sqlring_lag_low_seconds", behind("m1", "m3"), "0 60"),
			series("sqlring_lag_low_seconds", behind("m2", "m1"), "0 1"),
			series("sqlring_lag_level", `member="m3",level="broken"`, "0 1"),
			series("sqlring_lag_level", `member="m2",level="broken"`, "0 0"),
		},
		"promql_expr_test": []any{
			expects(share, "0m", sample(`{member="m1"}`, 1), sample(`{member="m2"}`, 1)),
			expects(why, "0m"),
			expects(share, "1m", sample(`{member="m1"}`, 0.25), sample(`{member="m2"}`, 1)),
			expects(why, "1m", sample("{"+behind("m1", "m2")+"}", 3)),
		},
	}}})
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", tests}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestSamplesOfConfigurationParse keeps the sample files readable to YAML, and
// the job's name the one that rules and dashboard look for.
func TestSamplesOfConfigurationParse(t *testing.T) {
	for _, file := range []string{"prometheus/prometheus.yml", "prometheus/alertmanager.yml"} {
		var doc map[string]any
		if err := yaml.Load([]byte(read(t, file)), &doc); err != nil || len(doc) == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
	if !strings.Contains(read(t, "prometheus/prometheus.yml"), "job_name: sqlring ") {
		t.Error("the job is not named sqlring")
	}
}

// tool returns a program of the directory that the variable names. Without the
// variable the test is skipped: its make target sets it.
func tool(t *testing.T, variable, path string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skipf("SKIPPED-NO-TOOL: %s is not set; its make target sets it", variable)
	}
	file := filepath.Join(dir, path)
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestPromtool has Debian's promtool check and test the rules, and read what a
// node serves by Prometheus' conventions.
func TestPromtool(t *testing.T) {
	promtool := tool(t, "SQLRING_PROMETHEUS", "usr/bin/promtool")
	run := func(stdin string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, promtool, args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("", "check", "rules", "--lint-fatal", rulesFile)
	run("", "test", "rules", testsFile)
	run("", "check", "config", "prometheus/prometheus.yml")
	run(scrape(t, apitest.NewRing()), "check", "metrics")
	amtool := tool(t, "SQLRING_PROMETHEUS", "usr/bin/amtool")
	if out, err := exec.CommandContext(t.Context(), amtool, "check-config", "prometheus/alertmanager.yml").CombinedOutput(); err != nil {
		t.Errorf("amtool: %v\n%s", err, out)
	}
}
