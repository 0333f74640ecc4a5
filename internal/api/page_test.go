package api_test

import (
	"encoding/json"
	"io/fs"
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestPageIsServedUnderAStrictPolicy(t *testing.T) {
	s := serve(t, apitest.NewRing())
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/page/page.css": "text/css; charset=utf-8",
		"/page/main.js": "text/javascript; charset=utf-8", "/page/icon.svg": "image/svg+xml",
	} {
		status, header, body := s.send(t, request{method: http.MethodGet, path: path})
		if status != 200 || header.Get("Content-Type") != kind || len(body) == 0 {
			t.Errorf("GET %s: %d, %q, %d bytes", path, status, header.Get("Content-Type"), len(body))
		}
		policy := header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("GET %s: the policy lacks %s: %q", path, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("GET %s: the policy is not strict: %q", path, policy)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("GET %s: headers %v", path, header)
		}
	}
}

func TestPageHasNoOtherFiles(t *testing.T) {
	s := serve(t, apitest.NewRing())
	for _, path := range []string{"/page/", "/page/none.js", "/page/..%2fpage.go", "/page/%2e%2e/page.go", "/index.html", "/page/main.js/x"} {
		if status, body := s.get(t, path); status == 200 {
			t.Errorf("GET %s: 200 %.60s", path, body)
		}
	}
	if status, _, _ := s.send(t, request{method: http.MethodGet, path: "/", host: "evil.example"}); status != http.StatusMisdirectedRequest {
		t.Errorf("the page under a foreign name: %d, want 421", status)
	}
	if status, _, _ := s.send(t, request{method: http.MethodPost, path: "/"}); status == 200 {
		t.Error("POST / was answered")
	}
}

// The page works offline, loads only itself, and never reads a text as HTML or
// code: what a server says in an error message is shown and does nothing.
func TestPageLoadsOnlyItselfAndParsesNothing(t *testing.T) {
	imports := regexp.MustCompile(`(?:from|import)\s*\(?["']([^"']+)["']`)
	loads := regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|https?://|style=|on(?:click|load|error)=|@import|url\(`)
	files, err := fs.Glob(os.DirFS("page"), "*")
	if err != nil || len(files) < 6 {
		t.Fatalf("files of the page: %v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile("page/" + file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), "http://www.w3.org/2000/svg", "") // a name, not an address
		if found := forbidden.FindString(text); found != "" {
			t.Errorf("%s has %q", file, found)
		}
		for _, m := range append(imports.FindAllStringSubmatch(text, -1), loads.FindAllStringSubmatch(text, -1)...) {
			to := m[1]
			if strings.HasPrefix(to, "./") {
				to = "/page/" + to[2:]
			}
			if strings.HasPrefix(to, "#") || to == "/metrics" || to == "/openapi.json" {
				continue
			}
			if _, err := os.Stat("page/" + strings.TrimPrefix(to, "/page/")); err != nil || !strings.HasPrefix(to, "/page/") {
				t.Errorf("%s loads %s, which is no file of the page", file, m[1])
			}
		}
	}
}

// Letters stand out from what is behind them by 4.5 to 1 at least, in both schemes
// (WCAG 2.2, 1.4.3).
func TestPageHasContrast(t *testing.T) {
	text, err := os.ReadFile("page/page.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(text), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("there is no dark scheme")
	}
	dark, _, _ = strings.Cut(dark, "\n}\n")
	light, _, _ = strings.Cut(light, "}")
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(css, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, pair := range [][2]string{
			{"ink", "card"},
			{"ink", "bg"},
			{"muted", "card"},
			{"muted", "bg"},
			{"muted", "edge"},
			{"accent", "card"},
			{"accent", "bg"},
			{"accent", "soft"},
			{"on-accent", "accent"},
			{"ok", "ok-soft"},
			{"warn", "warn-soft"},
			{"bad", "bad-soft"},
			{"warn", "card"},
			{"bad", "card"},
			{"ink", "warn-soft"},
			{"ink", "bad-soft"},
			{"muted", "warn-soft"},
			{"muted", "bad-soft"},
		} {
			a, knownA := colours[pair[0]]
			b, knownB := colours[pair[1]]
			ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05)
			if !knownA || !knownB || ratio < 4.5 {
				t.Errorf("%s: %s on %s is %.2f to 1 (known: %v, %v)", scheme, pair[0], pair[1], ratio, knownA, knownB)
			}
		}
	}
}

// luminance is the relative luminance of a colour rrggbb (WCAG 2.2, definitions).
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(colour, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

func TestHistoryKeepsWhatWasSeen(t *testing.T) {
	node := threeMembers(t, topology.InitRing{})
	s := serve(t, node)
	history := func(path string) api.History {
		t.Helper()
		status, body := s.get(t, path)
		var h api.History
		if err := json.Unmarshal([]byte(body), &h); err != nil || status != 200 {
			t.Fatalf("GET %s: %d %v %s", path, status, err, body)
		}
		return h
	}
	var first api.History
	for deadline := time.Now().Add(5 * time.Second); len(first.Samples) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		first = history("/v1/history")
	}
	if len(first.Samples) != 1 || first.Started.IsZero() || first.EveryMS != 2000 {
		t.Fatalf("the first history: %+v", first)
	}
	one := first.Samples[0]
	if one.Seq != 1 || one.Health != api.HealthOK || one.Queries != 1234 || one.Sessions != 4 || len(one.Edges) != 3 {
		t.Errorf("sample: %+v", one)
	}
	if e := one.Edges[1]; e.Origin != "m1" || e.Member != "m2" || e.LowMS == nil || *e.LowMS != 3 || *e.HighMS != 7 {
		t.Errorf("edge: %+v", e)
	}
	if again := history("/v1/history?after=1"); len(again.Samples) > 1 || len(again.Samples) == 1 && again.Samples[0].Seq != 2 {
		t.Errorf("after 1: %+v", again)
	}
}
