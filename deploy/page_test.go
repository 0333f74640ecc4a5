package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// browse opens a page in headless Chromium and returns the document as it stands
// after some seconds of the page's own time. Whatever the console says, such as a
// violation of the page's policy, fails the test, unless it is about an answer
// that did not come.
func browse(t *testing.T, address string, arguments ...string) string {
	t.Helper()
	chromium := os.Getenv("SQLRING_CHROMIUM")
	if chromium == "" {
		t.Skip("SKIPPED-NO-TOOL: SQLRING_CHROMIUM is not set; `make page` sets it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	profile, err := os.MkdirTemp("", "sqlring-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(profile) }()
	args := append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--user-data-dir=" + profile, "--enable-logging=stderr", "--virtual-time-budget=9000",
	}, arguments...)
	cmd := exec.CommandContext(ctx, chromium, append(args, address)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, log.String())
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") && !strings.Contains(line, "net::ERR_") && !strings.Contains(line, "Failed to load resource") {
			t.Errorf("the console says: %s", line)
		}
	}
	return out.String()
}

// screenshot writes a PNG and returns how large it is.
func screenshot(t *testing.T, address, scheme, file string) int64 {
	t.Helper()
	preferred := map[string]string{"dark": "0", "light": "1"}[scheme]
	browse(t, address, "--window-size=1280,1180", "--blink-settings=preferredColorScheme="+preferred, "--screenshot="+file)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// front stands between the browser and a node. It adds a module to the page that
// looks at it from within, and can stop passing on what the page asks.
type front struct {
	probe  string       // source of the module; empty: none
	limit  int64        // after so many answers of /v1 there are no more; 0: no limit
	asked  atomic.Int64 // of /v1
	target *httputil.ReverseProxy
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/page/probe.js":
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, f.probe)
		return
	case strings.HasPrefix(r.URL.Path, "/v1/") && f.limit > 0 && f.asked.Add(1) > f.limit:
		panic(http.ErrAbortHandler)
	}
	f.target.ServeHTTP(w, r)
}

// inFront starts a front of the node at address, and returns its own.
func inFront(t *testing.T, address string, f *front) string {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	f.target = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(resp *http.Response) error {
			if resp.Request.URL.Path != "/" || f.probe == "" {
				return nil
			}
			var page bytes.Buffer
			if _, err := page.ReadFrom(resp.Body); err != nil {
				return err
			}
			text := strings.Replace(page.String(), "</head>", `<script type="module" src="/page/probe.js"></script></head>`, 1)
			resp.Body = readCloser{strings.NewReader(text)}
			resp.Header.Del("Content-Length")
			resp.ContentLength = -1
			return nil
		},
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// serveNode serves a fake node until the test ends.
func serveNode(t *testing.T, node *apitest.Node) string {
	t.Helper()
	s := api.New(api.Config{Listen: "127.0.0.1:0"}, node)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return "http://" + s.Addr()
}

const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`

// What a server says, or whoever named things, is shown and does nothing.
func TestPageShowsTextAsText(t *testing.T) {
	node := apitest.NewRingOf(topology.InitRing{}, "m1", "m2", "m3")
	node.BeginHeal("m1", topology.HealDrain)
	node.Edit(func(n *apitest.Node) {
		n.Step = topology.Step{Kind: topology.StepStuck, Why: hostile}
		n.StepAt = time.Now()
		n.Spoil = func(o *topology.Observation) { o.Link.ApplierError, o.Link.ApplierErrno = hostile, 1062 }
	})
	document := browse(t, serveNode(t, node), "--dump-dom")
	if strings.Contains(document, "<img src=\"x\"") || strings.Contains(document, "owned</title>") {
		t.Error("a text was read as HTML")
	}
	if n := strings.Count(html.UnescapeString(document), hostile); n < 1 {
		t.Error("the text is not shown at all")
	}
	for _, want := range []string{"op2: heal m1", "It is stuck and needs a person", `class="pill bad"`, "nobody"} {
		if !strings.Contains(document, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

// How many of its places for writes the owner gives away is on the page, and because of
// whom they are fewer; that nothing is known of it, too.
func TestPageShowsWhoseWritesAreHeldBack(t *testing.T) {
	at := func(lag lagguard.Lag, gates ...api.GateAt) string {
		node := apitest.NewRing()
		node.Lag, node.Stats.Gates = lag, gates
		return html.UnescapeString(browse(t, serveNode(t, node), "--dump-dom"))
	}
	near := lagguard.Lag{Known: true, Low: 3 * time.Millisecond, High: 7 * time.Millisecond}
	far := lagguard.Lag{Known: true, Low: 4 * time.Second, High: 4100 * time.Millisecond}
	places := api.GateAt{Member: "m1", State: gate.State{Writes: 48}}
	for _, c := range []struct {
		name, want string
		document   string
	}{
		{"nobody lags", `<li class="muted">m1: all places for writes, 48 at this node's gate.</li>`, at(near, places)},
		{"m2 lags", `: </b>50 % of the places for writes: the lag of m2 behind m1 is 4000 ms (+100); 48 at this node's gate.</li>`, at(far, places)},
		{"nobody has come", `the lag of m2 behind m1 is 4000 ms (+100); nobody has come to this node's gate yet.</li>`, at(far)},
	} {
		if !strings.Contains(c.document, c.want) {
			t.Errorf("%s: %q is not on the page: %s", c.name, c.want, regexp.MustCompile(`(?s)id="admissions".*?</ul>`).FindString(c.document))
		}
		if held := strings.Contains(c.document, "Fewer writes are let in at m1, for "); held != (c.name != "nobody lags") {
			t.Errorf("%s: that writes are held back is said: %v", c.name, held)
		}
	}
}

// When the node does not answer any more, the page says so, and what it had is grey.
func TestPageSaysThatItIsOld(t *testing.T) {
	f := &front{limit: 10}
	document := browse(t, inFront(t, serveNode(t, apitest.NewRing()), f), "--dump-dom", "--virtual-time-budget=20000")
	if !strings.Contains(document, `<body class="stale">`) || !strings.Contains(document, "This node does not answer.") {
		t.Errorf("the page does not say that the node is silent (it asked %d times)", f.asked.Load())
	}
	if !strings.Contains(document, "no answer: sqlring") || !strings.Contains(document, ">m2<") {
		t.Error("the title does not say it, or what was known is gone")
	}
}

// probe looks at the page from within: does it fit, can it be worked by keys, has
// every picture a text, is every heading in order.
const probe = `
await new Promise((done) => setTimeout(done, 6000));
const chart = document.querySelector("#lags svg");
chart.focus();
chart.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
const read = document.querySelector("#lags figcaption span").textContent;
chart.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
const out = document.createElement("pre");
out.id = "probe";
out.textContent = JSON.stringify({
  overflow: document.documentElement.scrollWidth - window.innerWidth, width: window.innerWidth, read, focused: document.activeElement === chart,
  after: document.querySelector("#lags figcaption span").textContent,
  nameless: [...document.querySelectorAll("svg, section")].filter((e) => !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby") && e.getAttribute("role") !== "alert").length,
  headings: [...document.querySelectorAll("h1, h2, h3")].map((e) => e.tagName).join(" "), charts: document.querySelectorAll("#lags svg").length,
  edges: document.querySelectorAll(".ring-map .arc").length, discs: document.querySelectorAll(".ring-map .disc").length,
});
document.body.append(out);
`

func TestPageFitsAndIsWorkedByKeys(t *testing.T) {
	node := apitest.NewRingOf(topology.InitRing{}, "m1", "m2", "m3")
	at := inFront(t, serveNode(t, node), &front{probe: probe})
	for _, width := range []int{500, 1280} { // Chromium's window is not narrower
		document := browse(t, at, "--dump-dom", fmt.Sprintf("--window-size=%d,900", width))
		found := regexp.MustCompile(`<pre id="probe">(.*?)</pre>`).FindStringSubmatch(document)
		if found == nil {
			t.Fatal("the probe did not run")
		}
		var p struct {
			Overflow, Width, Nameless, Charts, Edges, Discs int
			Read, After, Headings                           string
			Focused                                         bool
		}
		if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &p); err != nil {
			t.Fatal(err)
		}
		if p.Overflow > 0 || p.Width > width {
			t.Errorf("at %d pixels it is %d too wide", p.Width, p.Overflow)
		}
		if !regexp.MustCompile(`^\d\d:\d\d:\d\d: \d+ ms to \d+ ms$`).MatchString(p.Read) || !p.Focused || !strings.HasPrefix(p.After, "now ≤") {
			t.Errorf("the arrow key reads %q, then %q; focused %v", p.Read, p.After, p.Focused)
		}
		if p.Nameless != 0 || p.Headings != "H1 H2 H2 H2 H2 H2 H2 H2" || p.Charts != 3 || p.Edges != 3 || p.Discs != 3 {
			t.Errorf("the page: %+v", p)
		}
	}
}

// TestPageOfARing draws a real ring, and how it is while a member is dead. With
// SQLRING_SCREENSHOTS=directory it leaves pictures there.
func TestPageOfARing(t *testing.T) {
	if os.Getenv("SQLRING_CHROMIUM") == "" {
		t.Skip("SKIPPED-NO-TOOL: SQLRING_CHROMIUM is not set; `make page` sets it")
	}
	ready := startDemo(t, "3", "200")
	dir := os.Getenv("SQLRING_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	} else {
		time.Sleep(3 * time.Minute) // so that the pictures have a past
	}
	shows := func(wants ...string) error {
		document := browse(t, ready.API, "--dump-dom")
		for _, want := range wants {
			if !strings.Contains(document, want) {
				return fmt.Errorf("%q is not on the page", want)
			}
		}
		return nil
	}
	eventually(t, 30*time.Second, "the ring is drawn", func() error {
		return shows(`class="pill ok"`, "Ring demo of 3 members", "m2 follows m1, at most", "m1 owns *", `<th scope="row">m3`, "m1: all places for writes, ")
	})
	if size := screenshot(t, ready.API, "light", filepath.Join(dir, "page-light.png")); size < 30_000 || size > 200_000 {
		t.Errorf("the picture has %d bytes", size)
	}
	if err := syscall.Kill(ready.Members[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the loss is drawn", func() error {
		return errors.Join(shows(`class="pill warn"`, "member m1 is down", "m1 is taken out", `class="pill bad">down`, "m2 follows m3, at most"))
	})
	if size := screenshot(t, ready.API, "dark", filepath.Join(dir, "page-dark.png")); size < 30_000 || size > 200_000 {
		t.Errorf("the picture has %d bytes", size)
	}
}
