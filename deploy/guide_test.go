package deploy_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the application's driver

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// guideAddresses are the addresses and directories of the guide, and guideGrow's own in
// their place: nothing else of what is written there is changed.
func (w *walk) guideAddresses(t *testing.T) *strings.Replacer {
	_, port, err := net.SplitHostPort(w.proxy)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(
		"198.51.100.1:3306", w.paris, "198.51.100.3:3306", w.nice, "198.51.100.9:3406", w.proxy,
		"-h 198.51.100.9 -P 3406", "-h 127.0.0.1 -P "+port, "198.51.100.9", "127.0.0.1", "NODE-ADDRESS", "127.0.0.1",
		"127.0.0.1:8406", mysqltest.FreeAddr(t), "127.0.0.1:7406", mysqltest.FreeAddr(t),
		"/etc/sqlring/", w.home+"/etc/", "/var/lib/sqlring", w.home+"/state", "/run/sqlring/", w.home+"/run/",
	)
}

// walk is a guide that is followed word by word.
type walk struct {
	home, binary       string
	paris, nice, proxy string // host:port
	written            *strings.Replacer
	stop               map[string]func()
	app                *application
}

// TestGuideFromOneServerToARing walks docs/grow.md, "From one live server to a ring of
// two": each block is typed as it stands, in its order, on two servers that have no other
// settings than those that it names and where their files are. An application writes to
// the live server all the while, and connects to the proxy where the guide says so.
func TestGuideFromOneServerToARing(t *testing.T) {
	w := newWalk(t)
	blocks := guideBlocks(t, "../docs/grow.md", "## From one live server to a ring of two")
	if len(blocks) < 12 {
		t.Fatalf("the guide has %d blocks", len(blocks))
	}
	w.install(t, "paris", w.paris)
	w.install(t, "nice", w.nice)
	w.boot(t, "paris") // as it was before anybody thought of a ring
	w.sql(t, "paris", `CREATE DATABASE shop; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(100));
		INSERT INTO shop.orders (what) SELECT UUID() FROM shop.seq_1_to_20000;
		CREATE USER 'app'@'%' IDENTIFIED BY 'app secret'; GRANT ALL ON shop.* TO 'app'@'%'; CREATE USER 'app'@'localhost' IDENTIFIED BY 'app secret'; GRANT ALL ON shop.* TO 'app'@'localhost'`)
	for _, b := range blocks {
		t.Logf("%s on %s:\n%s", b.kind, b.at, b.text)
		switch b.kind {
		case "ini":
			for _, name := range []string{"paris", "nice"} {
				appendTo(t, filepath.Join(w.home, name, "my.cnf"), b.text)
			}
		case "yaml":
			write(t, filepath.Join(w.home, "etc/sqlring.yaml"), w.written.Replace(b.text))
		case "sql":
			w.sql(t, b.at, w.written.Replace(b.text))
		case "sh":
			for line := range strings.Lines(b.text) {
				w.sh(t, b.at, strings.TrimSpace(w.written.Replace(line)))
			}
		default:
			t.Fatalf("nobody types %q", b.kind)
		}
		switch {
		case w.app == nil && strings.Contains(b.text, "read_only=0"): // its one restart is over
			w.app = startApplication(t, w.paris)
		case strings.Contains(b.text, "-P 3406"):
			w.app.to.Store(&w.proxy)
		}
	}
	time.Sleep(500 * time.Millisecond)
	acknowledged, unanswered := w.app.end()
	t.Logf("FIGURE guide    %d orders acknowledged while a ring was made of the live server, %d ended without an answer", acknowledged, unanswered)
	if acknowledged < 50 || unanswered > 2 {
		t.Errorf("%d orders were acknowledged, %d ended without an answer: the connection was to be ended once; last: %v", acknowledged, unanswered, w.app.last)
	}
	for _, name := range []string{"paris", "nice"} {
		eventually(t, 10*time.Second, name+" has all orders", func() error {
			got, err := strconv.Atoi(strings.TrimSpace(w.sql(t, name, "SELECT COUNT(DISTINCT what) FROM shop.orders WHERE what LIKE 'order %'")))
			if err == nil && (got < acknowledged || got > acknowledged+unanswered) {
				err = fmt.Errorf("%d of %d", got, acknowledged)
			}
			return err
		})
	}
}

// block is what a reader types, and where.
type block struct{ kind, at, text string }

// guideBlocks returns what is to be typed in a section: fenced blocks, whose fence says
// the kind and the host, and blocks of docs/accounts.md that it names by their first line.
func guideBlocks(t *testing.T, file, heading string) []block {
	t.Helper()
	_, section, found := strings.Cut("\n"+read(t, file), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", file, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	accounts := read(t, "../docs/accounts.md")
	var blocks []block
	typed := regexp.MustCompile("(?ms)^```(\\w+)(?: on (\\w+))?\n(.*?)^```$|^> on (\\w+): \\[accounts.md\\]\\(accounts.md\\), \"([^\"]+)\"$")
	for _, m := range typed.FindAllStringSubmatch(section, -1) {
		if m[4] == "" {
			blocks = append(blocks, block{m[1], m[2], m[3]})
			continue
		}
		_, text, found := strings.Cut(accounts, "```sql\n-- "+m[5]+"\n")
		if !found {
			t.Fatalf("docs/accounts.md has no block %q", m[5])
		}
		text, _, _ = strings.Cut(text, "```")
		blocks = append(blocks, block{"sql", m[4], text})
	}
	return blocks
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	if testing.Short() && os.Getenv("SQLRING_REQUIRE_SERVERS") != "1" {
		t.Skip("SKIPPED-NO-SERVER: -short leaves out the tests on real servers")
	}
	for _, tool := range []string{"mariadbd", "mariadb-install-db", "mariadb"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("SQLRING_REQUIRE_SERVERS") == "1" {
				t.Fatal(err)
			}
			t.Skipf("SKIPPED-NO-SERVER: %v", err)
		}
	}
	home, err := os.MkdirTemp("", "sqlring-") // short: it holds sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	for _, dir := range []string{"etc", "run", "bin"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w := &walk{home: home, binary: build(t), paris: mysqltest.FreeAddr(t), nice: mysqltest.FreeAddr(t), proxy: mysqltest.FreeAddr(t), stop: map[string]func(){}}
	w.written = w.guideAddresses(t)
	if err := os.Symlink(w.binary, filepath.Join(home, "bin/sqlring")); err != nil {
		t.Fatal(err)
	}
	// What ~/.my.cnf says on the hosts: who one is, and with what password.
	client, _ := exec.LookPath("mariadb")
	write(t, filepath.Join(home, "bin/mariadb"), "#!/bin/bash\nexport MYSQL_PWD='app secret'\nargs=()\nfor a; do [ \"$a\" = -p ] || args+=(\"$a\"); done\n"+
		"case \" $* \" in *' -h '*) exec "+client+" --no-defaults \"${args[@]}\";; esac\nunset MYSQL_PWD\nexec "+client+" --no-defaults -uroot -S \"$SOCKET\" -N \"$@\"\n")
	if err := os.Chmod(filepath.Join(home, "bin/mariadb"), 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// install makes the data directory of a server, as its package does.
func (w *walk) install(t *testing.T, name, addr string) {
	t.Helper()
	dir := filepath.Join(w.home, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	user := ""
	if os.Geteuid() == 0 {
		user = "user=root\n"
	}
	write(t, filepath.Join(dir, "my.cnf"), fmt.Sprintf("[mariadbd]\n%sdatadir=%[2]s/data\ntmpdir=%[2]s\nsocket=%[2]s/sock\npid_file=%[2]s/pid\nlog_error=%[2]s/log\nport=%[3]s\nbind_address=127.0.0.1\ninnodb_buffer_pool_size=32M\n", user, dir, port))
	args := []string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--auth-root-authentication-method=normal"}
	if user != "" {
		args = append(args, "--user=root")
	}
	if out, err := exec.CommandContext(t.Context(), "mariadb-install-db", args...).CombinedOutput(); err != nil {
		t.Fatalf("install %s: %v: %s", name, err, out)
	}
}

// boot starts a server anew, and returns when it answers.
func (w *walk) boot(t *testing.T, name string) {
	t.Helper()
	if stop := w.stop[name]; stop != nil {
		stop()
	}
	dir := filepath.Join(w.home, name)
	cmd := exec.Command("mariadbd", "--defaults-file="+filepath.Join(dir, "my.cnf")) //nolint:noctx // its end is awaited below
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.stop[name] = sync.OnceFunc(func() {
		kill := time.AfterFunc(40*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		kill.Stop()
	})
	t.Cleanup(func() {
		w.stop[name]()
		if text, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && t.Failed() {
			t.Logf("%s says:\n%s", name, text[max(0, len(text)-2000):])
		}
	})
	eventually(t, 30*time.Second, name+" answers", func() error {
		_, err := w.run(t, name, "mariadb -e 'SELECT 1'", "")
		return err
	})
}

// run types one line on a host.
func (w *walk) run(t *testing.T, at, line, input string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(w.home, "bin")+":"+os.Getenv("PATH"), "SOCKET="+filepath.Join(w.home, at, "sock"))
	cmd.Stdin = strings.NewReader(input)
	var out, told strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &told
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s%s", line, err, out.String(), told.String())
	}
	return out.String(), err
}

func (w *walk) sql(t *testing.T, at, text string) string {
	t.Helper()
	out, err := w.run(t, at, "mariadb mysql", text)
	if err != nil {
		t.Fatalf("on %s: %v", at, err)
	}
	return out
}

// sh types a line of a shell, and says yes if it is asked. The service manager's work is
// done by this test.
func (w *walk) sh(t *testing.T, at, line string) {
	t.Helper()
	if rest, ok := strings.CutPrefix(line, "systemctl restart mariadb"); ok {
		w.boot(t, at)
		line = strings.TrimPrefix(rest, " && ")
	}
	if line == "systemctl enable --now sqlring" {
		start(t, w.binary, "serve", "--config", filepath.Join(w.home, "etc/sqlring.yaml"))
		eventually(t, 10*time.Second, "the node listens", func() error {
			_, err := os.Stat(filepath.Join(w.home, "run/api.sock"))
			return err
		})
		return
	}
	if line == "" || strings.HasPrefix(line, "#") {
		return
	}
	if strings.HasSuffix(line, " status") { // a reader looks again
		eventually(t, 20*time.Second, "the ring is well", func() error { _, err := w.run(t, at, line, ""); return err })
		return
	}
	out, err := w.run(t, at, line, "yes\n")
	if strings.Contains(line, " ring check ") { // what is left to be mended is told by its findings
		for found := range strings.Lines(out) {
			if strings.HasPrefix(found, "critical") && !(strings.Contains(found, "boots-closed") && strings.Contains(found, w.paris)) {
				t.Errorf("after all that the guide says there is still %s", found)
			}
		}
		if !strings.Contains(out, "0 could not look") {
			t.Fatalf("on %s: %v", at, err)
		}
		err = nil
	}
	if err != nil {
		t.Fatalf("on %s: %v", at, err)
	}
	t.Logf("%s", out)
}

func appendTo(t *testing.T, file, text string) {
	t.Helper()
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(before)+text)
}

// application is one client that inserts orders, one after the other, and connects anew
// when its connection ends.
type application struct {
	to   atomic.Pointer[string]
	stop context.CancelFunc
	done chan struct{}

	acknowledged, unanswered int
	last                     error
}

func startApplication(t *testing.T, addr string) *application {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	a := &application{stop: stop, done: make(chan struct{})}
	a.to.Store(&addr)
	go func() {
		defer close(a.done)
		a.run(ctx)
	}()
	t.Cleanup(func() { stop(); <-a.done })
	return a
}

func (a *application) run(ctx context.Context) {
	var db *sql.DB
	at := ""
	for n := 0; ctx.Err() == nil; n++ {
		if to := *a.to.Load(); to != at {
			if db != nil {
				_ = db.Close()
			}
			at = to
			db, a.last = sql.Open("mysql", "app:app secret@tcp("+at+")/shop")
		}
		if _, err := db.ExecContext(context.WithoutCancel(ctx), "INSERT INTO orders (what) VALUES (?)", fmt.Sprintf("order %d", n)); err != nil {
			a.unanswered, a.last = a.unanswered+1, err
		} else {
			a.acknowledged++
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = db.Close()
}

func (a *application) end() (acknowledged, unanswered int) {
	a.stop()
	<-a.done
	return a.acknowledged, a.unanswered
}
